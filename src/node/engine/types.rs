//! What goes into the engine and what comes out.
//!
//! The inputs and effects stand here; what they carry has files of its own, by subject, and is named
//! from here all the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::cert::Certificate;
use crate::domain::condition::Condition;
use crate::domain::id::DeviceId;
use crate::domain::message::EntryId;
use crate::domain::time::{Day, WallTime};
use crate::domain::trust::{Credentials, Issuer, Reach, Refusal, TrustView};
use crate::wire::Frame;

pub use super::boot::*;
pub use super::commands::*;
pub use super::disk::*;
pub use super::hints::*;
pub use super::replies::*;
pub use super::status::*;
pub use super::trail::Trail;
pub use super::views::*;

/// The moment of an input.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// What the machine's clock says; it may be wrong and may jump.
    pub wall: WallTime,
    /// Time since the process started; never jumps.
    pub mono: Duration,
}

/// One secure channel to one peer, numbered by the network layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// One commit that the store was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitId(pub u64);

/// One reading that the store was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// One command that waits for its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// Time passed.
    Time,
    /// A secure channel is open.
    LinkUp {
        /// Its number.
        link: LinkId,
        /// The peer's certificate, judged good by the handshake.
        certificate: Box<Certificate>,
        /// Who vouches for it.
        issuer: Box<Issuer>,
        /// Whether the peer used an old mesh key; then only the clinic record is synced.
        old_mesh_key: bool,
        /// Whether the record known to the handshake lists the certificate.
        reach: Reach,
    },
    /// A secure channel is gone.
    LinkDown {
        /// Its number.
        link: LinkId,
    },
    /// A frame arrived.
    Frame {
        /// On which channel.
        link: LinkId,
        /// What.
        frame: Frame,
    },
    /// A handshake ended in a refusal, ours or the peer's.
    PeerRefused {
        /// Why.
        why: Refusal,
        /// The device, where the handshake got far enough to know.
        peer: Option<DeviceId>,
        /// Whether the peer refused this node.
        by_peer: bool,
    },
    /// A commit is durable.
    Committed {
        /// Which.
        id: CommitId,
    },
    /// A reading is done.
    Loaded {
        /// Which.
        job: JobId,
        /// What was read.
        loaded: Loaded,
    },
    /// Every body whose last day is before this one is destroyed.
    Purged {
        /// The first day still alive.
        horizon: Day,
    },
    /// What was taken back up to here is destroyed.
    Destroyed {
        /// The entries whose bodies are gone.
        entries: Vec<EntryId>,
    },
    /// Whether the disk has room for more messages.
    Room(Room),
    /// What this node tells its peers of itself from here on.
    Condition(Condition),
    /// A face asks for something.
    Command {
        /// Where to send the reply.
        ticket: Ticket,
        /// What is asked.
        command: Box<Command>,
    },
}

/// Whether the disk has room for messages. Purge, revocation and audit always go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is.
    Enough,
    /// There is not; new messages are refused before they are accepted.
    NearlyFull,
}

/// What the runner must do.
#[derive(Debug)]
pub enum Effect {
    /// Send a frame.
    Send {
        /// On which channel.
        link: LinkId,
        /// What.
        frame: Frame,
    },
    /// Send nothing of what waits to be sent on a channel.
    Silence {
        /// Which channel.
        link: LinkId,
    },
    /// Say goodbye and close.
    Close {
        /// Which channel.
        link: LinkId,
        /// Why.
        why: Refusal,
    },
    /// Make this durable as one, then say [`Input::Committed`].
    Commit(Box<Commit>),
    /// Read, then say [`Input::Loaded`].
    Load {
        /// Its number.
        job: JobId,
        /// What.
        load: Load,
    },
    /// Destroy every body whose last day is before this one, then say [`Input::Purged`].
    Purge {
        /// The first day still alive.
        horizon: Day,
    },
    /// Destroy the bodies of these entries, whose retractions are durable, then say
    /// [`Input::Destroyed`].
    Destroy {
        /// Which.
        entries: Vec<EntryId>,
    },
    /// Judge handshakes by this from now on, and every open channel again.
    Trust(Arc<TrustView>),
    /// Show these credentials from the next handshake on: the certificate was renewed.
    Credentials(Box<Credentials>),
    /// Keep channels to these devices; the addresses stand in the clinic record.
    Wanted(BTreeMap<DeviceId, Option<String>>),
    /// Answer a command.
    Reply {
        /// Whose.
        ticket: Ticket,
        /// The answer.
        reply: Reply,
    },
    /// Tell the faces to look again.
    Changed(Changed),
}
