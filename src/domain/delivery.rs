//! How far a message has come, and on whose word.
//!
//! Five states and no more: on this node, left, stored at theirs, opened, acknowledged. Every state
//! but the second rests on a signature, and a face names who gave it.

use std::collections::{BTreeMap, BTreeSet};

use super::id::{AuthorId, DeviceId, StaffId};
use super::message::Delivery;

/// Another member of the conversation, and the nodes where this person may sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Who.
    pub staff: StaffId,
    /// The enrolled, unrevoked nodes of this person's home offices.
    pub homes: BTreeSet<DeviceId>,
}

/// All that is known of one message on its way.
///
/// The caller passes on only what it has verified: attestations by their signature, openings and
/// acknowledgements by [`Clinic::speaks_for`](super::record::Clinic::speaks_for).
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The node that wrote the message; its signature is its word that it holds it.
    pub author: AuthorId,
    /// Number of the message in its log.
    pub seq: u64,
    /// Every member but the writer.
    pub recipients: &'a [Recipient],
    /// The number up to which each device attests this log.
    pub held: &'a BTreeMap<DeviceId, u64>,
    /// The devices that the message was sent to over a live connection.
    pub sent_to: &'a BTreeSet<DeviceId>,
    /// Who opened it.
    pub opened: &'a BTreeSet<StaffId>,
    /// Who acknowledged it.
    pub acknowledged: &'a BTreeSet<StaffId>,
}

/// A member's copy and the node that signed for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stored {
    /// Whose copy.
    pub staff: StaffId,
    /// Which of this person's homes holds it.
    pub at: DeviceId,
}

/// A message's state with the names behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The furthest state that is true of the message as a whole.
    pub state: Delivery,
    /// Whose home holds it, one line each.
    pub stored: Vec<Stored>,
    /// Members at none of whose homes it is known to be.
    pub missing: Vec<StaffId>,
    /// Members who opened it.
    pub opened: Vec<StaffId>,
    /// Members who acknowledged it.
    pub acknowledged: Vec<StaffId>,
}

/// How far a message has come. Never more than is true:
///
/// - it is stored at theirs only if a home of *every* other member signed for it. A member who is at
///   home on the writing node has it there; one without any home has it nowhere;
/// - it is opened only if every other member opened it;
/// - whoever left the conversation, and the writer, make no difference.
pub fn progress(known: &Known<'_>) -> Progress {
    let stored: Vec<Stored> = known
        .recipients
        .iter()
        .filter_map(|one| stored(known, one))
        .collect();
    let of_recipients = |some: &BTreeSet<StaffId>| -> Vec<StaffId> {
        let people = known.recipients.iter().map(|one| one.staff);
        people.filter(|staff| some.contains(staff)).collect()
    };
    let has_it = |staff: &StaffId| stored.iter().any(|one| one.staff == *staff);
    let people = known.recipients.iter().map(|one| one.staff);
    let mut progress = Progress {
        state: Delivery::OnThisNode,
        missing: people.filter(|staff| !has_it(staff)).collect(),
        opened: of_recipients(known.opened),
        acknowledged: of_recipients(known.acknowledged),
        stored,
    };
    progress.state = state(known, &progress);
    progress
}

fn state(known: &Known<'_>, progress: &Progress) -> Delivery {
    let all = known.recipients.len();
    if !progress.acknowledged.is_empty() {
        Delivery::Acknowledged
    } else if all > 0 && progress.opened.len() == all {
        Delivery::Opened
    } else if all > 0 && progress.missing.is_empty() {
        Delivery::StoredAtTheirs
    } else if has_left(known) {
        Delivery::Left
    } else {
        Delivery::OnThisNode
    }
}

/// The home that signed for this member's copy; the first by id, so that a screen does not flicker.
fn stored(known: &Known<'_>, recipient: &Recipient) -> Option<Stored> {
    let holds = |home: &&DeviceId| {
        AuthorId::from(**home) == known.author
            || known.held.get(*home).is_some_and(|upto| *upto >= known.seq)
    };
    let at = *recipient.homes.iter().find(holds)?;
    let staff = recipient.staff;
    Some(Stored { staff, at })
}

/// It was sent to another node, or another node says that it is there.
fn has_left(known: &Known<'_>) -> bool {
    let is_other = |device: &DeviceId| AuthorId::from(*device) != known.author;
    let holders = known.held.iter().filter(|(_, upto)| **upto >= known.seq);
    holders
        .map(|(device, _)| device)
        .chain(known.sent_to)
        .any(is_other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: StaffId = StaffId::new([1; 16]);
    const BEN: StaffId = StaffId::new([2; 16]);
    const EVE: StaffId = StaffId::new([9; 16]);

    const DESK: DeviceId = DeviceId::new([1; 32]);
    const WARD: DeviceId = DeviceId::new([2; 32]);
    const LAB: DeviceId = DeviceId::new([3; 32]);

    /// What the front desk knows of its fifth message; Ana and Ben are the others.
    #[derive(Default)]
    struct Case {
        homes: [Vec<DeviceId>; 2],
        held: Vec<(DeviceId, u64)>,
        sent_to: Vec<DeviceId>,
        opened: Vec<StaffId>,
        acknowledged: Vec<StaffId>,
    }

    impl Case {
        /// Ana is at home on the ward, Ben in the lab.
        fn apart() -> Self {
            Self {
                homes: [vec![WARD], vec![LAB]],
                ..Self::default()
            }
        }

        fn progress(self) -> Progress {
            let recipients: Vec<Recipient> = [ANA, BEN]
                .into_iter()
                .zip(self.homes)
                .map(|(staff, homes)| Recipient {
                    staff,
                    homes: homes.into_iter().collect(),
                })
                .collect();
            progress(&Known {
                author: DESK.into(),
                seq: 5,
                recipients: &recipients,
                held: &self.held.into_iter().collect(),
                sent_to: &self.sent_to.into_iter().collect(),
                opened: &self.opened.into_iter().collect(),
                acknowledged: &self.acknowledged.into_iter().collect(),
            })
        }

        fn state(self) -> Delivery {
            self.progress().state
        }
    }

    #[test]
    fn a_message_that_went_nowhere_is_on_this_node() {
        assert_eq!(Case::apart().state(), Delivery::OnThisNode);
        let to_itself = Case {
            held: vec![(DESK, 9)],
            sent_to: vec![DESK],
            ..Case::apart()
        };
        assert_eq!(to_itself.state(), Delivery::OnThisNode);
    }

    #[test]
    fn a_message_that_was_sent_or_attested_somewhere_has_left() {
        let sent = Case {
            sent_to: vec![LAB],
            ..Case::apart()
        };
        assert_eq!(sent.state(), Delivery::Left);
        let attested = Case {
            held: vec![(WARD, 5)],
            ..Case::apart()
        };
        assert_eq!(attested.state(), Delivery::Left);
    }

    #[test]
    fn a_message_is_stored_at_theirs_when_a_home_of_every_other_member_signed_for_it() {
        let one = Case {
            held: vec![(WARD, 5)],
            ..Case::apart()
        };
        let one = one.progress();
        assert_eq!((one.state, one.missing), (Delivery::Left, vec![BEN]));
        let both = Case {
            held: vec![(WARD, 5), (LAB, 6)],
            ..Case::apart()
        };
        let both = both.progress();
        assert_eq!(
            (both.state, both.missing),
            (Delivery::StoredAtTheirs, vec![])
        );
        let signed = [(ANA, WARD), (BEN, LAB)].map(|(staff, at)| Stored { staff, at });
        assert_eq!(both.stored, signed);
    }

    #[test]
    fn an_attestation_of_less_is_none_of_this_message() {
        let less = Case {
            held: vec![(WARD, 4), (LAB, 4)],
            ..Case::apart()
        };
        assert_eq!(less.state(), Delivery::OnThisNode);
    }

    #[test]
    fn one_of_several_homes_is_enough() {
        let ana_anywhere = Case {
            homes: [vec![WARD, LAB], vec![LAB]],
            held: vec![(LAB, 5)],
            ..Case::default()
        };
        assert_eq!(ana_anywhere.state(), Delivery::StoredAtTheirs);
    }

    #[test]
    fn who_is_at_home_on_the_writing_node_has_it_there() {
        let all_here = Case {
            homes: [vec![DESK], vec![DESK]],
            ..Case::default()
        };
        assert_eq!(all_here.state(), Delivery::StoredAtTheirs);
        let one_here = Case {
            homes: [vec![DESK], vec![LAB]],
            ..Case::default()
        };
        let one_here = one_here.progress();
        assert_eq!(one_here.state, Delivery::OnThisNode);
        assert_eq!(one_here.missing, [BEN]);
    }

    #[test]
    fn a_member_without_a_home_keeps_a_message_from_being_stored_at_theirs() {
        let homeless = Case {
            homes: [vec![WARD], vec![]],
            held: vec![(WARD, 5), (LAB, 5)],
            ..Case::default()
        };
        assert_eq!(homeless.state(), Delivery::Left);
    }

    #[test]
    fn an_attestation_of_a_device_that_is_nobodys_home_stores_it_at_nobodys() {
        let witness = Case {
            held: vec![(DeviceId::new([7; 32]), 5)],
            ..Case::apart()
        };
        let witness = witness.progress();
        assert_eq!((witness.state, witness.stored), (Delivery::Left, vec![]));
    }

    #[test]
    fn a_message_is_opened_when_every_other_member_opened_it() {
        let opened = |opened: Vec<StaffId>| Case {
            held: vec![(WARD, 5), (LAB, 5)],
            opened,
            ..Case::apart()
        };
        assert_eq!(opened(vec![ANA]).state(), Delivery::StoredAtTheirs);
        assert_eq!(opened(vec![ANA, EVE]).state(), Delivery::StoredAtTheirs);
        assert_eq!(opened(vec![ANA, BEN]).state(), Delivery::Opened);
        assert_eq!(opened(vec![ANA, EVE]).progress().opened, [ANA]);
    }

    #[test]
    fn one_acknowledgement_by_a_member_is_one() {
        let by = |staff| Case {
            held: vec![(WARD, 5)],
            acknowledged: vec![staff],
            ..Case::apart()
        };
        assert_eq!(by(BEN).state(), Delivery::Acknowledged);
        assert_eq!(by(BEN).progress().acknowledged, [BEN]);
        assert_eq!(by(EVE).state(), Delivery::Left);
    }

    #[test]
    fn in_a_room_of_one_nothing_is_stored_at_theirs_or_opened() {
        let nobody = BTreeSet::new();
        let alone = progress(&Known {
            author: DESK.into(),
            seq: 5,
            recipients: &[],
            held: &BTreeMap::from([(WARD, 5)]),
            sent_to: &BTreeSet::new(),
            opened: &nobody,
            acknowledged: &nobody,
        });
        assert_eq!(alone.state, Delivery::Left);
    }
}
