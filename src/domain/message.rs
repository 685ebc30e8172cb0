//! What stands in the entries of conversations and of staff members' private spaces.

use std::fmt;

use minicbor::{Decode, Encode};

use super::codec::{self, CodecError, OBJECT_MAX};
use super::factor::TOTP_SECRET;
use super::id::{AuthorId, Hash, StaffId, byte_id};
use super::log::{Epoch, Log};
use super::passkey::{Copies, Passkey, PasskeyId};
use super::retraction::Retraction;
use super::space::Space;
use super::time::{Hlc, WallTime};

/// Longest text of a message in bytes.
///
/// 16 KiB: a long handover note; larger things are files.
pub const TEXT_MAX: usize = 16 * 1024;

/// Most people that one message mentions: a whole shift; more is a message to the room.
pub const MENTIONS_MAX: usize = 32;

/// Most logs that one opening names; what is more goes into another.
///
/// A log begins with every start of a node, and an opening names only those in which something was
/// seen for the first time, so a few are the rule.
pub const MARKS_MAX: usize = 256;

/// Most amendments of one message: whoever needs more had better write another.
pub const AMENDMENTS_MAX: usize = 64;

/// Longest reason for taking a message back, in bytes: two sentences.
pub const REASON_MAX: usize = 500;

/// Longest key that a face gives a message to be sent, in bytes.
pub const KEY_MAX: usize = 64;

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

byte_id!(
    /// Tells a message that is sent once more from another one like it.
    ///
    /// A digest of the writer and the key that their face made up, so that a key means something for
    /// its writer only and says nothing about the face.
    SendKey,
    16
);

impl SendKey {
    /// The key that `staff`'s face calls `text`.
    pub fn of(staff: &StaffId, text: &str) -> Self {
        let hash = Hash::of("send-key/v1", &[staff.as_bytes(), text.as_bytes()]);
        let (key, _) = hash
            .as_bytes()
            .split_first_chunk::<16>()
            .expect("a hash is longer than 16 bytes");
        Self::new(*key)
    }
}

/// One log up to a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct Mark {
    /// Who wrote the log.
    #[n(0)]
    pub author: AuthorId,
    /// Which epoch.
    #[n(1)]
    pub epoch: Epoch,
    /// Up to which number, inclusive.
    #[n(2)]
    pub seq: u64,
}

/// A message as its writer hands it over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The text.
    pub text: String,
    /// The message it answers.
    pub reply_to: Option<EntryId>,
    /// Whom it mentions, in any order.
    pub mentions: Vec<StaffId>,
    /// What makes sending it twice send it once.
    pub key: Option<SendKey>,
}

impl From<&str> for Written {
    fn from(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            ..Self::default()
        }
    }
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
        /// The message that this one answers, in the same conversation.
        #[n(2)]
        reply_to: Option<EntryId>,
        /// Whom it mentions, each once and in order.
        #[n(3)]
        mentions: Vec<StaffId>,
        /// The same in every try to send it.
        #[n(4)]
        key: Option<SendKey>,
    },
    /// Saw messages: in each log those up to a number.
    ///
    /// Numbers and not a place in time: what arrives late and belongs further up was not seen.
    #[n(1)]
    Opened {
        /// Who.
        #[n(0)]
        staff: StaffId,
        /// Which, each log once and in order.
        #[n(1)]
        marks: Vec<Mark>,
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
    /// Wrote a text anew; the earlier ones stay and can be looked at.
    #[n(3)]
    Amended {
        /// Who.
        #[n(0)]
        staff: StaffId,
        /// Which message.
        #[n(1)]
        entry: EntryId,
        /// What it says from here on.
        #[n(2)]
        text: String,
    },
    /// Took a message back: that it was there, by whom, and why it is gone is all that stays.
    #[n(4)]
    Retracted {
        /// Which message, and the word of the writer's node on it.
        #[n(0)]
        retraction: Retraction,
        /// Why.
        #[n(1)]
        reason: String,
    },
}

impl Message {
    /// A text by `staff`.
    pub fn text(staff: StaffId, written: Written) -> Self {
        let Written {
            text,
            reply_to,
            mut mentions,
            key,
        } = written;
        mentions.sort_unstable();
        mentions.dedup();
        Self::Text {
            staff,
            text,
            reply_to,
            mentions,
            key,
        }
    }

    /// Reads the body of an entry of `space`.
    pub fn from_body(space: &Space, body: &[u8]) -> Result<Self, CodecError> {
        let message: Self = codec::strict(body, OBJECT_MAX)?;
        if message.is_sound(space) {
            Ok(message)
        } else {
            Err(CodecError::Malformed)
        }
    }

    /// Whether everything is within its bounds and about this conversation.
    fn is_sound(&self, space: &Space) -> bool {
        match self {
            Self::Text {
                text,
                reply_to,
                mentions,
                ..
            } => {
                is_text(text)
                    && reply_to.is_none_or(|entry| entry.space == *space)
                    && mentions.len() <= MENTIONS_MAX
                    && mentions.is_sorted_by(|one, next| one < next)
            }
            Self::Opened { marks, .. } => {
                let log = |mark: &Mark| (mark.author, mark.epoch);
                (1..=MARKS_MAX).contains(&marks.len())
                    && marks.is_sorted_by(|one, next| log(one) < log(next))
            }
            Self::Acknowledged { entry, .. } => entry.space == *space,
            Self::Amended { entry, text, .. } => entry.space == *space && is_text(text),
            Self::Retracted { retraction, reason } => {
                retraction.is_sound(space) && is_reason(reason)
            }
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
            | Self::Acknowledged { staff, .. }
            | Self::Amended { staff, .. } => *staff,
            Self::Retracted { retraction, .. } => retraction.withdrawn.staff,
        }
    }

    /// The same without its words: what is kept in mind of a conversation.
    #[must_use]
    pub fn without_words(mut self) -> Self {
        match &mut self {
            Self::Text { text, .. } | Self::Amended { text, .. } => *text = String::new(),
            // Why a message was taken back stands where the message stood.
            Self::Opened { .. } | Self::Acknowledged { .. } | Self::Retracted { .. } => {}
        }
        self
    }
}

/// Whether a text has a length that a message may have.
pub const fn is_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_MAX
}

/// Whether a reason has a length that a reason may have.
pub const fn is_reason(text: &str) -> bool {
    !text.is_empty() && text.len() <= REASON_MAX
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
    /// A passkey was set up.
    #[n(6)]
    PasskeyAdded(#[n(0)] Passkey),
    /// A passkey was used, and told something about itself.
    #[n(7)]
    PasskeyUsed {
        /// Which.
        #[n(0)]
        passkey: PasskeyId,
        /// How often it has signed; neither this number nor a lower one is taken again.
        #[n(1)]
        counter: u32,
        /// Whether there may be copies.
        #[n(2)]
        copies: Copies,
    },
    /// A passkey is void.
    #[n(8)]
    PasskeyRemoved {
        /// Which.
        #[n(0)]
        passkey: PasskeyId,
    },
    /// The authenticator is void.
    #[n(9)]
    TotpRemoved {},
}

/// Largest item of a private space in bytes: a passkey with the longest id, key, domain and name that
/// there may be has 1.4 KiB.
const ITEM_MAX: usize = 2048;

impl std::fmt::Debug for StaffItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StaffItem(..)")
    }
}

impl StaffItem {
    /// Reads the body of an entry.
    pub fn from_body(body: &[u8]) -> Result<Self, CodecError> {
        let item: Self = codec::strict(body, ITEM_MAX)?;
        match &item {
            Self::PasskeyAdded(passkey) if !passkey.is_sound() => Err(CodecError::Malformed),
            _ => Ok(item),
        }
    }

    /// The body of the entry.
    pub fn to_body(&self) -> Vec<u8> {
        codec::encode(self)
    }
}
