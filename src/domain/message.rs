//! What stands in the entries of conversations and of staff members' private spaces.

use minicbor::{Decode, Encode};

use super::codec::{self, CodecError, OBJECT_MAX};
use super::factor::TOTP_SECRET;
use super::id::{AuthorId, Hash, StaffId};
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
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
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
    /// An authenticator app (RFC 6238: SHA-1, six digits, thirty seconds); the newest counts.
    #[n(1)]
    Totp {
        /// What the app and the home nodes share.
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        secret: [u8; TOTP_SECRET],
        /// The time step of the code that proved the app has it.
        #[n(1)]
        step: u64,
    },
    /// A code of the authenticator was taken; neither it nor an earlier one is taken again.
    #[n(2)]
    TotpUsed {
        /// Its time step.
        #[n(0)]
        step: u64,
    },
    /// Recovery codes were handed out; earlier ones are void.
    #[n(3)]
    RecoveryCodes {
        /// Hashes of the codes.
        #[n(0)]
        hashes: Vec<Hash>,
    },
    /// A recovery code was taken.
    #[n(4)]
    RecoveryUsed {
        /// Its hash.
        #[n(0)]
        hash: Hash,
    },
    /// Every second factor is void: the person began anew with a one-time code from an admin.
    #[n(5)]
    FactorsCleared {},
}

/// Largest item of a private space in bytes: ten hashes of recovery codes, and twice as much again.
const ITEM_MAX: usize = 1024;

impl std::fmt::Debug for StaffItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StaffItem(..)")
    }
}

impl StaffItem {
    /// Reads the body of an entry.
    pub fn from_body(body: &[u8]) -> Result<Self, CodecError> {
        codec::strict(body, ITEM_MAX)
    }

    /// The body of the entry.
    pub fn to_body(&self) -> Vec<u8> {
        codec::encode(self)
    }
}
