//! What a face asks of the engine.
//!
//! Every [`Command`] is answered by exactly one [`Reply`](super::Reply), which may be a refusal.

use crate::domain::audit::{Actor, AuditRecord, Origin};
use crate::domain::id::{DeviceId, StaffId};
use crate::domain::log::{Log, Segment};
use crate::domain::message::{EntryId, Position, StaffItem, Written};
use crate::domain::space::Space;
use crate::domain::trust::MeshKey;
use crate::domain::words::Query;

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
