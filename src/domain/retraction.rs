//! Retractions: a writer takes a message back, and its body is destroyed wherever it is.
//!
//! A log goes on past a body that was destroyed, but whoever catches up with it has to know that
//! nobody withholds that body. So a retraction is a signed object of its own: it stands in the message
//! that says who retracts what and why, and it goes before every gap that it makes.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};

use super::codec;
use super::id::{AuthorId, ClinicId, StaffId};
use super::message::{AMENDMENTS_MAX, EntryId};
use super::record::Clinic;
use super::sign::{self, BadSignature, Label, Signature, SigningKey};
use super::space::Space;
use super::time::Day;

/// What is taken back, by whom and until when that matters.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Withdrawn {
    /// Whose message it is.
    #[n(0)]
    pub staff: StaffId,
    /// The message.
    #[n(1)]
    pub entry: EntryId,
    /// Its amendments, each once and in order.
    #[n(2)]
    pub amendments: Vec<EntryId>,
    /// The last day of any of these bodies: from then on there is nothing left to destroy.
    #[n(3)]
    pub until: Day,
}

/// The signed word of a node that its user takes a message back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Retraction {
    /// What.
    #[n(0)]
    pub withdrawn: Withdrawn,
    /// The node, a home of that person.
    #[n(1)]
    pub by: AuthorId,
    /// Its signature.
    #[n(2)]
    pub signature: Signature,
}

impl Retraction {
    /// Signs one.
    pub fn sign(clinic: &ClinicId, key: &SigningKey, withdrawn: Withdrawn) -> Self {
        let signature = key.sign(Label::Retraction, clinic, &codec::encode(&withdrawn));
        Self {
            withdrawn,
            by: key.id(),
            signature,
        }
    }

    /// Checks the signature.
    pub fn verify(&self, clinic: &ClinicId) -> Result<(), BadSignature> {
        let body = codec::encode(&self.withdrawn);
        sign::verify(Label::Retraction, clinic, &self.by, &body, &self.signature)
    }

    /// The conversation it is about.
    pub const fn space(&self) -> Space {
        self.withdrawn.entry.space
    }

    /// Every entry whose body goes.
    pub fn entries(&self) -> impl Iterator<Item = EntryId> {
        let Withdrawn {
            entry, amendments, ..
        } = &self.withdrawn;
        std::iter::once(*entry).chain(amendments.iter().copied())
    }

    /// Whether everything is within its bounds and about one conversation.
    pub fn is_sound(&self, space: &Space) -> bool {
        let Withdrawn {
            entry, amendments, ..
        } = &self.withdrawn;
        let names: BTreeSet<&EntryId> = amendments.iter().collect();
        space.is_conversation()
            && self.entries().all(|entry| entry.space == *space)
            && amendments.len() <= AMENDMENTS_MAX
            && amendments.is_sorted()
            && names.len() == amendments.len()
            && !names.contains(entry)
    }

    /// Whether the record lets this node take these entries back: both it and the nodes that wrote
    /// them were homes of the person.
    ///
    /// Whether the person wrote the message cannot be asked once its body is gone; the node vouches for
    /// that, as it does for everything it writes in its people's names.
    pub fn is_by_right(&self, clinic: &Clinic) -> bool {
        let staff = &self.withdrawn.staff;
        clinic.speaks_for(&self.by, staff)
            && self
                .entries()
                .all(|entry| clinic.speaks_for(&entry.author, staff))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::RoomId;
    use crate::domain::log::Epoch;

    const CLINIC: ClinicId = ClinicId::new([9; 32]);
    const ROOM: Space = Space::Room(RoomId::new([7; 16]));

    fn entry(seq: u64) -> EntryId {
        EntryId {
            space: ROOM,
            author: SigningKey::from_seed(&[1; 32]).id(),
            epoch: Epoch(5),
            seq,
        }
    }

    fn retraction(amendments: Vec<EntryId>) -> Retraction {
        let withdrawn = Withdrawn {
            staff: StaffId::new([1; 16]),
            entry: entry(4),
            amendments,
            until: Day(30),
        };
        Retraction::sign(&CLINIC, &SigningKey::from_seed(&[1; 32]), withdrawn)
    }

    #[test]
    fn a_retraction_cannot_be_turned_against_another_message() {
        let good = retraction(vec![entry(5)]);
        assert_eq!(good.verify(&CLINIC), Ok(()));
        let mut other = good.clone();
        other.withdrawn.entry = entry(3);
        assert!(other.verify(&CLINIC).is_err());
        let mut more = good.clone();
        more.withdrawn.amendments.push(entry(6));
        assert!(more.verify(&CLINIC).is_err());
        assert!(good.verify(&ClinicId::new([8; 32])).is_err());
    }

    #[test]
    fn what_it_names_is_of_one_conversation_each_once_and_not_too_many() {
        assert!(retraction(vec![entry(5), entry(6)]).is_sound(&ROOM));
        assert!(!retraction(vec![]).is_sound(&Space::Room(RoomId::new([8; 16]))));
        for bad in [
            vec![entry(6), entry(5)],
            vec![entry(5), entry(5)],
            vec![entry(4)],
            (5..6 + AMENDMENTS_MAX as u64).map(entry).collect(),
        ] {
            assert!(!retraction(bad).is_sound(&ROOM));
        }
    }
}
