//! Audit records: who did what, on what, from where, with what outcome. Never contents.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::codec::{self, CodecError};
use super::id::{AuthorId, DeviceId, Hash, SpaceId, StaffId};
use super::log::Epoch;
use super::time::Day;
use super::trust::Refusal;

/// Largest audit record in bytes.
pub const RECORD_MAX: usize = 512;

/// Who acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Actor {
    /// The node itself.
    #[n(0)]
    Node,
    /// Whoever operates the machine, through the operator's socket without a login.
    #[n(1)]
    Operator,
    /// A staff member with a login.
    #[n(2)]
    Staff(#[n(0)] StaffId),
    /// Another device.
    #[n(3)]
    Device(#[n(0)] DeviceId),
    /// An admin or root key.
    #[n(4)]
    Admin(#[n(0)] AuthorId),
    /// Someone who could not be identified.
    #[n(5)]
    Stranger,
}

/// Where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Origin {
    /// The node's own work.
    #[n(0)]
    Inside,
    /// The Unix socket of this machine.
    #[n(1)]
    Socket,
    /// The mesh.
    #[n(2)]
    Mesh,
    /// A browser.
    #[n(3)]
    Browser,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Outcome {
    /// Done.
    #[n(0)]
    Done,
    /// Turned away.
    #[n(1)]
    Refused,
}

/// What was done, on what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Deed {
    /// The node started; names the end of the trail's previous epoch, so that none can vanish whole.
    #[n(0)]
    NodeStarted {
        /// The previous epoch, if any.
        #[n(0)]
        previous: Option<Epoch>,
        /// Its last number.
        #[n(1)]
        seq: u64,
        /// Its last header's hash.
        #[n(2)]
        hash: Hash,
    },
    /// The node stopped in order.
    #[n(1)]
    NodeStopped,
    /// The store was unlocked.
    #[n(2)]
    StoreUnlocked,
    /// Someone signed in, or tried.
    #[n(3)]
    SignedIn,
    /// A login ended.
    #[n(4)]
    SignedOut,
    /// A password was set with a one-time code, or tried.
    #[n(5)]
    PasswordSet,
    /// A conversation was opened.
    #[n(6)]
    ConversationOpened {
        /// Which.
        #[n(0)]
        space: SpaceId,
    },
    /// Messages were read.
    #[n(7)]
    MessagesRead {
        /// In which conversation.
        #[n(0)]
        space: SpaceId,
        /// How many.
        #[n(1)]
        count: u32,
        /// Digest over the ids of the entries read, in order.
        #[n(2)]
        entries: Hash,
    },
    /// Messages were sent: a run of numbers in this node's log.
    #[n(8)]
    MessagesSent {
        /// In which conversation.
        #[n(0)]
        space: SpaceId,
        /// First number.
        #[n(1)]
        first: u64,
        /// Last number.
        #[n(2)]
        last: u64,
    },
    /// Bodies were destroyed because their day was over.
    #[n(9)]
    MessagesPurged {
        /// In which space.
        #[n(0)]
        space: SpaceId,
        /// First day still alive.
        #[n(1)]
        horizon: Day,
    },
    /// A space was destroyed here because this node is no longer entitled to it.
    #[n(10)]
    SpaceDropped {
        /// Which.
        #[n(0)]
        space: SpaceId,
    },
    /// A statement was applied, or refused.
    #[n(11)]
    Statement {
        /// Whose log.
        #[n(0)]
        author: AuthorId,
        /// Which number.
        #[n(1)]
        seq: u64,
    },
    /// A peer connected.
    #[n(12)]
    PeerAccepted,
    /// A peer was refused.
    #[n(13)]
    PeerRefused {
        /// Why.
        #[n(0)]
        why: Refusal,
        /// How many times since the last record of this.
        #[n(1)]
        count: u32,
    },
    /// A log has two entries with one number; it is not accepted any further.
    #[n(14)]
    ForkFound {
        /// In which space.
        #[n(0)]
        space: SpaceId,
        /// Whose log.
        #[n(1)]
        author: AuthorId,
        /// Which epoch.
        #[n(2)]
        epoch: Epoch,
        /// The number.
        #[n(3)]
        seq: u64,
    },
    /// Entries from too far ahead wait.
    #[n(15)]
    Quarantined {
        /// In which space.
        #[n(0)]
        space: SpaceId,
        /// Whose log.
        #[n(1)]
        author: AuthorId,
    },
    /// An audit trail was read.
    #[n(16)]
    TrailRead {
        /// Whose.
        #[n(0)]
        device: DeviceId,
    },
    /// An invitation was used a second time, or by someone who could not prove it.
    #[n(17)]
    EnrolmentRefused,
    /// A peer holds more of this node's own logs than the node itself: its disk was put back.
    #[n(18)]
    RollbackFound {
        /// In which space.
        #[n(0)]
        space: SpaceId,
        /// Which epoch.
        #[n(1)]
        epoch: Epoch,
        /// The number that a peer holds.
        #[n(2)]
        seq: u64,
    },
    /// The clock of this node was moved for a demonstration or a drill.
    #[n(19)]
    ClockShifted {
        /// By how many days.
        #[n(0)]
        days: u32,
    },
    /// A second factor was set, replaced or taken away.
    #[n(20)]
    FactorSet,
    /// A passkey was turned away because its counter went back: somebody may have a copy.
    #[n(21)]
    PasskeyCopied,
    /// Logins of a staff member at this node were ended by somebody else.
    #[n(22)]
    LoginsEnded {
        /// Whose.
        #[n(0)]
        staff: StaffId,
        /// How many.
        #[n(1)]
        count: u32,
    },
    /// A node renewed the certificate of a device, or what it signed does not count.
    #[n(60)]
    CertificateRenewed {
        /// Whose.
        #[n(0)]
        device: DeviceId,
    },
    /// A message was taken back.
    #[n(40)]
    MessageRetracted {
        /// In which conversation.
        #[n(0)]
        space: SpaceId,
        /// Whose log it stood in.
        #[n(1)]
        author: AuthorId,
        /// Which epoch.
        #[n(2)]
        epoch: Epoch,
        /// Its number.
        #[n(3)]
        seq: u64,
    },
    /// Everything in the store was given out, sealed to keys that are kept elsewhere.
    #[n(42)]
    BackedUp {
        /// To how many keys.
        #[n(0)]
        keys: u8,
    },
    /// The body of something that was taken back is destroyed here.
    #[n(41)]
    BodyDestroyed {
        /// In which conversation.
        #[n(0)]
        space: SpaceId,
        /// Whose log it stood in.
        #[n(1)]
        author: AuthorId,
        /// Which epoch.
        #[n(2)]
        epoch: Epoch,
        /// Its number.
        #[n(3)]
        seq: u64,
    },
}

/// One line of the audit trail; its time stands in the entry's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct AuditRecord {
    /// Who.
    #[n(0)]
    pub actor: Actor,
    /// From where.
    #[n(1)]
    pub origin: Origin,
    /// What.
    #[n(2)]
    pub deed: Deed,
    /// How it ended.
    #[n(3)]
    pub outcome: Outcome,
}

impl AuditRecord {
    /// Something that was done.
    pub const fn done(actor: Actor, origin: Origin, deed: Deed) -> Self {
        Self {
            actor,
            origin,
            deed,
            outcome: Outcome::Done,
        }
    }

    /// Something that was turned away.
    pub const fn refused(actor: Actor, origin: Origin, deed: Deed) -> Self {
        Self {
            actor,
            origin,
            deed,
            outcome: Outcome::Refused,
        }
    }

    /// Reads the body of an entry.
    pub fn from_body(body: &[u8]) -> Result<Self, CodecError> {
        codec::strict(body, RECORD_MAX)
    }

    /// The body of the entry.
    pub fn to_body(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

/// Which conversation each person opened last, as far as these records tell, the newest of which come first.
pub fn opened_last(
    newest_first: impl IntoIterator<Item = AuditRecord>,
) -> BTreeMap<StaffId, SpaceId> {
    let mut last = BTreeMap::new();
    for record in newest_first {
        if let (Actor::Staff(staff), Deed::ConversationOpened { space }, Outcome::Done) =
            (record.actor, record.deed, record.outcome)
        {
            last.entry(staff).or_insert(space);
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_person_was_let_into_counts_as_opened_and_the_newest_of_it() {
        let (ana, ben) = (StaffId::new([1; 16]), StaffId::new([2; 16]));
        let place = |number| SpaceId::new([number; 32]);
        let opened = |staff, number| {
            let deed = Deed::ConversationOpened {
                space: place(number),
            };
            AuditRecord::done(Actor::Staff(staff), Origin::Browser, deed)
        };
        let refused = AuditRecord {
            outcome: Outcome::Refused,
            ..opened(ana, 1)
        };
        let newest_first = [refused, opened(ana, 2), opened(ben, 3), opened(ana, 4)];
        let last = opened_last(newest_first);
        assert_eq!(last, BTreeMap::from([(ana, place(2)), (ben, place(3))]));
    }
}
