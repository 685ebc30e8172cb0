//! What goes into the engine and what comes out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::attest::Attestation;
use crate::domain::audit::{Actor, AuditRecord, Origin};
use crate::domain::cert::Certificate;
use crate::domain::enforcement;
use crate::domain::factor::{self, FactorRefusal};
use crate::domain::health::Concern;
use crate::domain::id::{AuthorId, ClinicId, DeviceId, Hash, SpaceId, StaffId};
use crate::domain::log::{Head, Log, Segment};
use crate::domain::message::{EntryId, Position, StaffItem, Written};
use crate::domain::record::{Clinic, VoidReason};
use crate::domain::renewal::{NotRenewed, RenewalId};
use crate::domain::retraction::Retraction;
use crate::domain::sighting::Sighting;
use crate::domain::sign::{Signature, Signed, SigningKey};
use crate::domain::space::Space;
use crate::domain::statement::{LogEnd, StatementId};
use crate::domain::time::{Day, Hlc, WallTime};
use crate::domain::trust::{Credentials, Issuer, MeshKey, Reach, Refusal, TrustView};
use crate::domain::words::Query;
use crate::wire::Frame;

pub use super::disk::*;
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

/// What the store holds when the node starts.
#[derive(Debug)]
pub struct Boot {
    /// The pinned clinic.
    pub clinic: ClinicId,
    /// This device's identity.
    pub key: SigningKey,
    /// Every log with its durable head.
    pub logs: Vec<BootLog>,
    /// Bodies of the clinic record, in any order.
    pub statements: Vec<(StatementId, Hlc, Vec<u8>)>,
    /// Bodies of devices' logs in the clinic record, in any order.
    pub renewals: Vec<(RenewalId, Hlc, Vec<u8>)>,
    /// Bodies of staff members' private spaces, in any order.
    pub staff_items: Vec<(StaffId, Position, StaffItem)>,
    /// The newest attestation of each subject.
    pub attestations: Vec<Attestation>,
    /// Mesh keys by epoch.
    pub mesh_keys: BTreeMap<u32, MeshKey>,
    /// First day still alive.
    pub horizon: Day,
    /// Retractions of what would otherwise still be alive.
    pub retractions: Vec<Retraction>,
    /// What is remembered of other nodes.
    pub sightings: Vec<(DeviceId, Sighting)>,
    /// Which conversation each person opened last at this node.
    pub opened_last: BTreeMap<StaffId, SpaceId>,
    /// The latest timestamp this node gave or saw.
    pub clock: Hlc,
    /// Randomness for salts.
    pub seed: [u8; 32],
}

/// One log as the store holds it.
#[derive(Clone, Debug)]
pub struct BootLog {
    /// Which.
    pub log: Log,
    /// Its newest entry.
    pub head: Head,
    /// The time of that entry.
    pub time: Hlc,
    /// The author's signature over the head.
    pub signature: Signature,
    /// Whether a fork was found in it.
    pub forked: bool,
}

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

/// Who asks, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Who.
    pub actor: Actor,
    /// From where.
    pub origin: Origin,
}

/// What a face asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Write a message.
    Post {
        /// The writer, already signed in.
        staff: StaffId,
        /// From where.
        origin: Origin,
        /// In which conversation.
        space: Space,
        /// What.
        written: Written,
    },
    /// Take a message in hand.
    Acknowledge {
        /// Who.
        staff: StaffId,
        /// From where.
        origin: Origin,
        /// Which message.
        entry: EntryId,
    },
    /// Mark everything up to a message as opened, for others to see where policy says so.
    Open {
        /// Who saw it.
        staff: StaffId,
        /// From where.
        origin: Origin,
        /// The newest message seen.
        entry: EntryId,
    },
    /// Write a message anew.
    Amend {
        /// Its writer.
        staff: StaffId,
        /// From where.
        origin: Origin,
        /// Which message.
        entry: EntryId,
        /// What it says from here on.
        text: String,
    },
    /// Take a message back; its body is destroyed at every node.
    Retract {
        /// Its writer.
        staff: StaffId,
        /// From where.
        origin: Origin,
        /// Which message.
        entry: EntryId,
        /// Why.
        reason: String,
    },
    /// Read everything that a message ever said.
    History {
        /// The reader, already signed in.
        staff: StaffId,
        /// From where.
        origin: Origin,
        /// Which message.
        entry: EntryId,
    },
    /// Keep what somebody has begun to write; empty to forget it.
    Draft {
        /// Whose.
        staff: StaffId,
        /// In which conversation.
        space: Space,
        /// What, so far.
        text: String,
    },
    /// Read a page of a conversation.
    Read {
        /// The reader, already signed in.
        staff: StaffId,
        /// From where.
        origin: Origin,
        /// Which conversation.
        space: Space,
        /// Before where; none for the newest.
        before: Option<Position>,
        /// At most how many messages.
        limit: usize,
    },
    /// Somebody is writing in a conversation; told to others, never stored.
    Typing {
        /// Who.
        staff: StaffId,
        /// Where.
        space: Space,
    },
    /// A person is at a face of this node.
    Seen {
        /// Who.
        staff: StaffId,
    },
    /// Who is here, at any office.
    Presence {
        /// Who asks.
        staff: StaffId,
    },
    /// Look for words in all conversations of a person.
    Search {
        /// Who looks, already signed in.
        staff: StaffId,
        /// From where.
        origin: Origin,
        /// What for.
        query: Query,
        /// Before where; none to begin with what was said last.
        before: Option<Position>,
        /// At most how many messages.
        limit: usize,
    },
    /// List the conversations of a staff member.
    Conversations {
        /// Whose.
        staff: StaffId,
    },
    /// Apply signed segments of the clinic record.
    Submit {
        /// As signed by root or admins.
        segments: Vec<Segment>,
        /// Mesh keys that belong to statements in them.
        mesh_keys: Vec<(u32, MeshKey)>,
    },
    /// Give the clinic record as segments of whole logs.
    Record,
    /// Renew the certificate of a device that has proved its keys to this node.
    Renew {
        /// Which device.
        device: DeviceId,
    },
    /// Where the logs of a device end here: what a revocation names.
    EndsOf {
        /// Which device.
        device: DeviceId,
    },
    /// Revocations that are recent or not enforced at every node.
    Revocations,
    /// The state of this node.
    Status,
    /// The clinic as the record says.
    Clinic,
    /// Password and second factors of a staff member, for checking outside the engine.
    Credentials {
        /// Whose.
        staff: StaffId,
    },
    /// Store a password; the one-time code was checked outside.
    SetPassword {
        /// Whose.
        staff: StaffId,
        /// In PHC form.
        phc: String,
        /// From where.
        origin: Origin,
    },
    /// Store what a person signs in with.
    KeepCredentials {
        /// Whose.
        staff: StaffId,
        /// What.
        items: Vec<StaffItem>,
        /// From where.
        origin: Origin,
    },
    /// Write an audit record of something that happened outside the engine.
    Note(AuditRecord),
    /// Read an audit trail from a number on.
    Trail {
        /// Who asks.
        asker: Asker,
        /// Whose trail.
        device: DeviceId,
        /// The epoch to read, or none for a list of epochs.
        from: Option<(Log, u64)>,
    },
    /// Stop: write the last audit record, then answer.
    Stop,
}

/// The answer to a command.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Durable on this node's disk.
    Posted(EntryId),
    /// A page of messages.
    Page(Page),
    /// The people who are here.
    Here(Vec<StaffId>),
    /// What was found.
    Found(Found),
    /// What a message said, oldest first.
    History(Vec<Version>),
    /// The conversations of a staff member.
    Conversations(Vec<ConversationLine>),
    /// Segments were accepted; statements that do not count are named.
    Submitted(Vec<(StatementId, VoidReason)>),
    /// The clinic record.
    Record(Vec<Segment>),
    /// The certificate that the device may show from here on, durable in the record.
    Renewed(Box<Signed>),
    /// Ends of logs.
    Ends(Vec<LogEnd>),
    /// The newest first.
    Revocations(Vec<enforcement::Report>),
    /// The node's state.
    Status(Box<Status>),
    /// The clinic.
    Clinic(Arc<Clinic>),
    /// Password and second factors.
    Credentials(Box<factor::Credentials>),
    /// Done and durable.
    Done,
    /// Part of an audit trail.
    Trail(Trail),
    /// Refused.
    Refused(CommandRefusal),
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefusal {
    /// The person is not in the conversation.
    #[error("you are not a member of this conversation")]
    NotAMember,
    /// The person may not sign in at this office.
    #[error(
        "this person does not sign in at this office; ask an admin to add this office to their homes"
    )]
    NotAtHome,
    /// The person was suspended.
    #[error("this person is suspended; an admin can lift it")]
    Suspended,
    /// The text is empty or too long.
    #[error("a message has 1 to {} bytes", crate::domain::message::TEXT_MAX)]
    TextLength,
    /// Somebody else wrote the message.
    #[error("only who wrote a message can change it")]
    NotTheWriter,
    /// The message was taken back before.
    #[error("the message was taken back before")]
    AlreadyRetracted,
    /// The message was amended too often.
    #[error(
        "a message is amended at most {} times; write another",
        crate::domain::message::AMENDMENTS_MAX
    )]
    TooManyAmendments,
    /// A reason is missing or too long.
    #[error("a reason has 1 to {} bytes", crate::domain::message::REASON_MAX)]
    ReasonLength,
    /// This node has been level with no other for too long.
    #[error(
        "this office has heard no other for too long and takes nothing for people elsewhere; \
         connect it to another office's node"
    )]
    ReadOnly,
    /// The disk is nearly full.
    #[error("the disk is nearly full; nothing was accepted. Free some space on this machine")]
    DiskFull,
    /// This device was revoked.
    #[error("this device was revoked; enrol it again as another device")]
    DeviceRevoked,
    /// The certificate of a device is not renewed.
    #[error("the certificate is not renewed: {0}")]
    NotRenewed(NotRenewed),
    /// A segment of the record is not acceptable.
    #[error("the statement was not accepted: {0}")]
    BadSegment(String),
    /// Too many people are mentioned.
    #[error(
        "a message mentions at most {} people",
        crate::domain::message::MENTIONS_MAX
    )]
    TooManyMentions,
    /// A second factor cannot be changed or used like this.
    #[error(transparent)]
    Factor(#[from] FactorRefusal),
    /// This office has begun too many groups.
    #[error(
        "this office takes part in {} groups and can begin no more; use one of them, or ask an admin for a room",
        super::holdings::GROUPS_MAX
    )]
    TooManyGroups,
    /// There is no such thing.
    #[error("there is no such {0}")]
    Unknown(&'static str),
    /// Too many commands at once.
    #[error("the node is busy; try again in a moment")]
    Busy,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// The state of a node.
#[derive(Clone, Debug)]
pub struct Status {
    /// This device.
    pub device: DeviceId,
    /// The clinic.
    pub clinic: ClinicId,
    /// Whether this device is in good standing.
    pub standing: DeviceStanding,
    /// Open channels.
    pub links: Vec<LinkStatus>,
    /// Number of spaces held.
    pub spaces: usize,
    /// Number of entries held.
    pub entries: u64,
    /// First day still alive.
    pub horizon: Day,
    /// Digest of the clinic record.
    pub record: Hash,
    /// Forked logs.
    pub forks: Vec<Log>,
    /// Who attests this node's audit trail up to where.
    pub witnesses: Vec<(DeviceId, u64)>,
    /// The audit trail's own newest number in this epoch.
    pub trail: u64,
    /// When this device's certificate ends, once the record lists it.
    pub certificate_until: Option<WallTime>,
    /// Peers' median clock minus this node's, in milliseconds; none while nobody has told.
    pub mesh_offset_ms: Option<i64>,
    /// What somebody should look at, worst first.
    pub concerns: Vec<Concern>,
    /// This moment by this node's clock.
    pub now: WallTime,
    /// When each device was last heard by this node.
    pub last_heard: BTreeMap<DeviceId, WallTime>,
}

/// Whether this device may take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceStanding {
    /// The record lists it.
    Enrolled,
    /// The record has not arrived yet.
    Unknown,
    /// The authority withdrew it.
    Revoked,
}

/// One open channel.
#[derive(Clone, Debug)]
pub struct LinkStatus {
    /// The peer.
    pub peer: DeviceId,
    /// Peer's clock minus ours, in milliseconds.
    pub offset_ms: i64,
    /// Whether both records agree.
    pub in_sync: bool,
}

/// Part of an audit trail.
#[derive(Clone, Debug)]
pub struct Trail {
    /// Every epoch held, with its head.
    pub epochs: Vec<(Log, Head)>,
    /// Segments from the number asked for.
    pub segments: Vec<Segment>,
    /// What other devices attest of these logs.
    pub attestations: Vec<Attestation>,
}

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
        epoch: crate::domain::log::Epoch,
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
