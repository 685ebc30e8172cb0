//! Attestations: a device's signed word on what it holds and what it has destroyed.
//!
//! *Held* attestations of a conversation are its delivery receipts, of an audit trail its
//! witnesses; an author's own are the signatures of its log. *Purged* attestations are the proof of
//! disposal. There is no other mechanism.

use minicbor::{Decode, Encode};

use super::codec;
use super::id::{AuthorId, ClinicId};
use super::log::{Epoch, Head};
use super::sign::{self, BadSignature, Label, Signature, SigningKey};
use super::space::Space;
use super::time::Day;

/// What is attested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Word {
    /// "I durably hold this log up to this entry."
    #[n(0)]
    Held {
        /// Author of the log.
        #[n(0)]
        author: AuthorId,
        /// Epoch of the log.
        #[n(1)]
        epoch: Epoch,
        /// The newest entry held.
        #[n(2)]
        head: Head,
    },
    /// "I have destroyed every body of this space whose last day is before this one."
    #[n(1)]
    Purged {
        /// First day still alive.
        #[n(0)]
        horizon: Day,
    },
}

/// A signed word about a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Attestation {
    /// The device that says so.
    #[n(0)]
    pub by: AuthorId,
    /// The space it is about.
    #[n(1)]
    pub space: Space,
    /// What it says.
    #[n(2)]
    pub word: Word,
    /// Its signature.
    #[n(3)]
    pub signature: Signature,
}

#[derive(Encode)]
#[cbor(array)]
struct Body<'a> {
    #[n(0)]
    space: &'a Space,
    #[n(1)]
    word: &'a Word,
}

fn body(space: Space, word: &Word) -> Vec<u8> {
    codec::encode(&Body {
        space: &space,
        word,
    })
}

/// Signs a word about a space.
pub fn sign(clinic: &ClinicId, key: &SigningKey, space: Space, word: &Word) -> Signature {
    key.sign(Label::Attestation, clinic, &body(space, word))
}

/// Checks a word about a space.
pub fn verify(
    clinic: &ClinicId,
    by: &AuthorId,
    space: Space,
    word: &Word,
    signature: &Signature,
) -> Result<(), BadSignature> {
    sign::verify(
        Label::Attestation,
        clinic,
        by,
        &body(space, word),
        signature,
    )
}

impl Attestation {
    /// Makes one.
    pub fn new(clinic: &ClinicId, key: &SigningKey, space: Space, word: Word) -> Self {
        Self {
            by: key.id(),
            space,
            word,
            signature: sign(clinic, key, space, &word),
        }
    }

    /// Checks the signature.
    pub fn verify(&self, clinic: &ClinicId) -> Result<(), BadSignature> {
        verify(clinic, &self.by, self.space, &self.word, &self.signature)
    }

    /// What it replaces: an attestation of the same subject with less in it.
    pub fn subject(&self) -> Subject {
        let log = match self.word {
            Word::Held { author, epoch, .. } => Some((author, epoch)),
            Word::Purged { .. } => None,
        };
        Subject {
            space: self.space,
            by: self.by,
            log,
        }
    }

    /// How much is attested: attestations of one subject only grow in this number.
    pub fn extent(&self) -> u64 {
        match self.word {
            Word::Held { head, .. } => head.seq,
            Word::Purged { horizon } => u64::from(horizon.0),
        }
    }
}

/// What an attestation is about; the newest of each subject is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The space.
    pub space: Space,
    /// Who attests.
    pub by: AuthorId,
    /// The log, or none for a purge.
    pub log: Option<(AuthorId, Epoch)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Hash;

    const CLINIC: ClinicId = ClinicId::new([9; 32]);

    #[test]
    fn an_attestation_cannot_be_changed_or_moved() {
        let key = SigningKey::from_seed(&[1; 32]);
        let head = Head {
            seq: 4,
            hash: Hash::new([4; 32]),
        };
        let word = Word::Held {
            author: key.id(),
            epoch: Epoch(1),
            head,
        };
        let good = Attestation::new(&CLINIC, &key, Space::Record, word);
        assert_eq!(good.verify(&CLINIC), Ok(()));

        let further = Word::Held {
            author: key.id(),
            epoch: Epoch(1),
            head: Head { seq: 5, ..head },
        };
        assert!(
            Attestation {
                word: further,
                ..good
            }
            .verify(&CLINIC)
            .is_err()
        );
        let purged = Word::Purged { horizon: Day(4) };
        assert!(
            Attestation {
                word: purged,
                ..good
            }
            .verify(&CLINIC)
            .is_err()
        );
        let elsewhere = Space::Audit(key.id().as_device());
        assert!(
            Attestation {
                space: elsewhere,
                ..good
            }
            .verify(&CLINIC)
            .is_err()
        );
        assert!(good.verify(&ClinicId::new([8; 32])).is_err());
    }
}
