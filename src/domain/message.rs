//! What stands in the entries of conversations and of staff members' private spaces.

use minicbor::{Decode, Encode};

use super::codec::{self, CodecError, OBJECT_MAX};
use super::id::{AuthorId, StaffId};
use super::log::{Epoch, Log};
use super::space::Space;
use super::time::{Hlc, WallTime};

/// Longest text of a message in bytes.
///
/// 16 KiB: a long handover note; larger things are files.
pub const TEXT_MAX: usize = 16 * 1024;

/// Names one entry everywhere: its log and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(array)]
pub struct EntryId {
    /// The space.
    #[n(0)]
    pub space: Space,
    /// Who wrote the log.
    #[n(1)]
    pub author: AuthorId,
    /// Which epoch.
    #[n(2)]
    pub epoch: Epoch,
    /// Which number.
    #[n(3)]
    pub seq: u64,
}

impl EntryId {
    /// Entry `seq` of `log`.
    pub const fn new(log: &Log, seq: u64) -> Self {
        Self {
            space: log.space,
            author: log.author,
            epoch: log.epoch,
            seq,
        }
    }

    /// The log it is in.
    pub const fn log(&self) -> Log {
        Log {
            space: self.space,
            author: self.author,
            epoch: self.epoch,
        }
    }
}

/// Where an entry stands on screen: by time, then author, then number (epochs in their order).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(array)]
pub struct Position {
    /// When it was written.
    #[n(0)]
    pub time: Hlc,
    /// Who wrote the log.
    #[n(1)]
    pub author: AuthorId,
    /// In which epoch.
    #[n(2)]
    pub epoch: Epoch,
    /// Which number.
    #[n(3)]
    pub seq: u64,
}

/// What a person did in a conversation; the body of its entries.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Message {
    /// Wrote a text.
    #[n(0)]
    Text {
        /// Who.
        #[n(0)]
        staff: StaffId,
        /// What.
        #[n(1)]
        text: String,
    },
    /// Saw everything up to a position.
    #[n(1)]
    Opened {
        /// Who.
        #[n(0)]
        staff: StaffId,
        /// Up to where, inclusive.
        #[n(1)]
        up_to: Position,
    },
    /// Took a message in hand.
    #[n(2)]
    Acknowledged {
        /// Who.
        #[n(0)]
        staff: StaffId,
        /// Which message.
        #[n(1)]
        entry: EntryId,
    },
}

impl Message {
    /// Reads the body of an entry.
    pub fn from_body(body: &[u8]) -> Result<Self, CodecError> {
        let message: Self = codec::strict(body, OBJECT_MAX)?;
        match &message {
            Self::Text { text, .. } if text.is_empty() || text.len() > TEXT_MAX => {
                Err(CodecError::Malformed)
            }
            Self::Text { .. } | Self::Opened { .. } | Self::Acknowledged { .. } => Ok(message),
        }
    }

    /// The body of the entry.
    pub fn to_body(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Who did it.
    pub const fn staff(&self) -> StaffId {
        match self {
            Self::Text { staff, .. }
            | Self::Opened { staff, .. }
            | Self::Acknowledged { staff, .. } => *staff,
        }
    }
}

/// How far a message has come; a face never shows more than is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Delivery {
    /// Durable on the writer's node.
    OnThisNode,
    /// Sent to at least one other node.
    Left,
    /// Attested as durable by a node of every other member.
    StoredAtTheirs,
    /// Opened by every other member.
    Opened,
    /// Acknowledged by at least one member.
    Acknowledged,
}

/// What a node keeps of a staff member's private settings; the body of entries in [`Space::Staff`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum StaffItem {
    /// The password in PHC form; the newest counts.
    #[n(0)]
    Password {
        /// Argon2id hash with its parameters and salt.
        #[n(0)]
        phc: String,
        /// When it was set.
        #[n(1)]
        at: WallTime,
    },
}

impl StaffItem {
    /// Reads the body of an entry.
    pub fn from_body(body: &[u8]) -> Result<Self, CodecError> {
        codec::strict(body, 1024)
    }

    /// The body of the entry.
    pub fn to_body(&self) -> Vec<u8> {
        codec::encode(self)
    }
}
