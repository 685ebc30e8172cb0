//! Hints to faces that something changed.
//!
//! A hint says where to look again and never carries contents.

use crate::domain::id::{AuthorId, DeviceId, StaffId};
use crate::domain::log::{Epoch, Log};
use crate::domain::space::Space;
use crate::domain::time::Day;
use crate::domain::trust::Refusal;

/// A hint to faces: look again. Never carries contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Entries came or went in a space.
    Space(Space),
    /// Attestations of a log arrived.
    Receipts {
        /// In which space.
        space: Space,
        /// From which device.
        by: AuthorId,
        /// Of which log.
        author: AuthorId,
        /// Which epoch.
        epoch: Epoch,
        /// Up to where.
        seq: u64,
    },
    /// Entries of another node are durable here.
    Stored {
        /// In which log.
        log: Log,
        /// Up to where.
        seq: u64,
    },
    /// Somebody is writing.
    Typing {
        /// Where.
        space: Space,
        /// Who.
        staff: StaffId,
    },
    /// Somebody came or went.
    Presence {
        /// Who.
        staff: StaffId,
    },
    /// A member was seen on the LAN.
    Discovered {
        /// Who, if that is known.
        peer: Option<DeviceId>,
    },
    /// A channel opened.
    Connected {
        /// To whom.
        peer: DeviceId,
    },
    /// A channel closed.
    Disconnected {
        /// To whom.
        peer: DeviceId,
        /// Why, if this side closed it.
        why: Option<Refusal>,
    },
    /// The clinic record changed.
    Record,
    /// A fork was found.
    Fork(Log),
    /// Bodies were destroyed.
    Purged {
        /// First day still alive.
        horizon: Day,
    },
    /// A device attested that it destroyed bodies.
    PurgeAttested {
        /// Who.
        by: AuthorId,
        /// Of which space.
        space: Space,
        /// First day still alive there.
        horizon: Day,
    },
    /// This device was revoked.
    Revoked,
}
