//! The root key is changed: which change counts, for whom, and what it makes void.

use proptest::prelude::*;

use super::*;
use crate::domain::copy::{CopyError, RecordCopy};
use crate::domain::rotation::{ROTATIONS_MAX, SignedRotation};
use crate::domain::sign::SigningKey;

/// Robin, Sam and Kim are admins; the root has said four things.
fn three_admins() -> SampleClinic {
    let mut clinic = with_sam(clinic());
    clinic.admin("Kim", Scopes::of([Scope::Staff]));
    assert_eq!(clinic.root_head(), 4);
    clinic
}

/// These admins sign for a root key of this name; whoever has it is the root from then on.
fn rotate(clinic: &mut SampleClinic, next: &str, last: u64, admins: &[&str]) -> SignedRotation {
    let (rotation, new) = clinic.rotation(next, last);
    for admin in admins {
        clinic.say_rotated(admin, &rotation);
    }
    clinic.root = new;
    rotation
}

fn newest_root(clinic: &SampleClinic) -> AuthorId {
    clinic.record().roots.last().expect("founded").key.into()
}

fn seed_of(name: &str) -> AuthorId {
    SigningKey::from_seed(&crate::domain::testing::seed("root", name)).id()
}

/// A thief of the root key removes every admin, appoints one of his own, and has that one sign for a key
/// of his. Gives the clinic's own root back.
fn stolen(clinic: &mut SampleClinic) -> SigningKey {
    let root = clinic.root.clone();
    for who in ["Robin", "Sam", "Kim"] {
        end(clinic, who, 0);
    }
    clinic.admin("Mallory", Scopes::of(Scopes::ALL));
    let last = clinic.root_head();
    rotate(clinic, "thief", last, &["Mallory"]);
    std::mem::replace(&mut clinic.root, root)
}

#[test]
fn more_than_half_of_the_admins_change_the_root_and_half_do_not() {
    let mut clinic = three_admins();
    clinic.admin("Lee", Scopes::of([Scope::Audit]));
    let (rotation, new) = clinic.rotation("second", 5);
    clinic.say_rotated("Kim", &rotation);
    clinic.say_rotated("Kim", &rotation);
    clinic.say_rotated("Sam", &rotation);
    let record = clinic.record();
    let pending = record.pending_rotations.values().next().expect("waits");
    assert_eq!((pending.signed_for.len(), pending.needed), (2, 3));
    assert!(!record.is_root(&new.id()));
    clinic.say_rotated(ADMIN, &rotation);
    assert_eq!(newest_root(&clinic), new.id());
    assert!(clinic.record().pending_rotations.is_empty());
}

#[test]
fn the_new_root_appoints_and_removes_and_the_old_one_no_more() {
    let mut clinic = three_admins();
    let old = clinic.root.clone();
    rotate(&mut clinic, "second", 4, &[ADMIN, "Sam"]);
    let ended = end(&mut clinic, "Kim", 0);
    clinic.admin("Lee", Scopes::of(Scopes::ALL));
    clinic.say_as("Lee", policy(2, 14));
    let new = std::mem::replace(&mut clinic.root, old);
    let late = end(&mut clinic, "Sam", 0);
    clinic.admin("Mallory", Scopes::of(Scopes::ALL));
    let record = clinic.record();
    assert_eq!(void(&clinic, ended), None);
    assert_eq!(void(&clinic, late), Some(VoidReason::AfterTheEnd));
    assert_eq!(record.policy.room_days, 14);
    assert!(!record.admins.contains_key(&clinic.admins["Mallory"].id()));
    assert_eq!(record.admins[&clinic.admins["Kim"].id()].last, Some(0));
    assert_eq!(record.admins[&clinic.admins["Sam"].id()].last, None);
    assert_eq!(record.name, Some(name("Sample Clinic")));
    clinic.root = new;
    let again = clinic.say_root(Act::Founded {
        name: name("Another"),
    });
    assert_eq!(void(&clinic, again), Some(VoidReason::DoesNotFit));
}

#[test]
fn what_the_old_root_said_after_the_end_is_void_though_it_was_said_before() {
    let mut clinic = three_admins();
    let before = clinic.say_as(
        "Kim",
        Act::StaffSuspended {
            staff: staff("Ana"),
        },
    );
    assert_eq!(void(&clinic, before), None);
    rotate(&mut clinic, "second", 3, &[ADMIN, "Sam"]);
    assert_eq!(void(&clinic, before), Some(VoidReason::UnknownSigner));
}

#[test]
fn an_admin_who_was_ended_or_not_yet_appointed_at_the_end_does_not_count() {
    let mut clinic = three_admins();
    end(&mut clinic, "Kim", 0);
    clinic.admin("Lee", Scopes::of(Scopes::ALL));
    let (rotation, new) = clinic.rotation("second", 5);
    for who in ["Kim", "Lee"] {
        clinic.say_rotated(who, &rotation);
    }
    assert!(clinic.record().pending_rotations.is_empty(), "nobody's");
    clinic.say_rotated("Sam", &rotation);
    assert!(!clinic.record().is_root(&new.id()), "one of Robin and Sam");
    clinic.say_rotated(ADMIN, &rotation);
    assert!(clinic.record().is_root(&new.id()));
}

#[test]
fn nobody_changes_the_root_of_a_clinic_without_admins() {
    let mut clinic = SampleClinic::of([]);
    end(&mut clinic, ADMIN, 9);
    let last = clinic.root_head();
    let (rotation, new) = clinic.rotation("second", last);
    clinic.say_rotated(ADMIN, &rotation);
    assert!(!clinic.record().is_root(&new.id()));
}

#[test]
fn the_clinics_own_change_wins_over_a_thiefs_in_whatever_order_they_arrive() {
    let mut clinic = three_admins();
    let thief = stolen(&mut clinic);
    assert_eq!(newest_root(&clinic), thief.id(), "nothing better is known");
    rotate(&mut clinic, "second", 4, &[ADMIN, "Kim"]);
    let record = clinic.record();
    assert_eq!(newest_root(&clinic), seed_of("second"));
    assert!(!record.admins.contains_key(&clinic.admins["Mallory"].id()));
    assert!(record.admins.values().all(|admin| admin.last.is_none()));
    let backwards: Vec<Item> = clinic.items().iter().rev().cloned().collect();
    assert_eq!(Clinic::fold(clinic.id, &backwards), record);
    let mut turned = clinic.items().to_vec();
    for _ in 0..turned.len() {
        turned.rotate_left(1);
        assert_eq!(Clinic::fold(clinic.id, &turned), record);
    }
}

#[test]
fn of_two_changes_with_one_end_the_same_one_counts_everywhere() {
    let mut clinic = three_admins();
    let (one, first) = clinic.rotation("one", 4);
    let (other, second) = clinic.rotation("other", 4);
    let lower = match one.digest(&clinic.id) < other.digest(&clinic.id) {
        true => first.id(),
        false => second.id(),
    };
    for who in [ADMIN, "Sam"] {
        clinic.say_rotated(who, &one);
        clinic.say_rotated(who, &other);
    }
    assert_eq!(newest_root(&clinic), lower);
    let backwards: Vec<Item> = clinic.items().iter().rev().cloned().collect();
    assert_eq!(Clinic::fold(clinic.id, &backwards), clinic.record());
}

#[test]
fn a_change_waits_until_all_that_the_old_root_said_up_to_its_end_is_here() {
    let mut clinic = three_admins();
    rotate(&mut clinic, "second", 4, &[ADMIN, "Sam", "Kim"]);
    let founder = clinic.record().roots[0].key;
    let without = |seq: u64| -> Vec<Item> {
        let kept = clinic.items().iter();
        kept.filter(|item| item.id.author != founder.into() || item.id.seq != seq)
            .cloned()
            .collect()
    };
    assert_eq!(Clinic::fold(clinic.id, &without(9)).roots.len(), 2);
    assert_eq!(Clinic::fold(clinic.id, &without(4)).roots.len(), 1);
    assert_eq!(Clinic::fold(clinic.id, &without(1)).roots.len(), 1);
}

#[test]
fn a_change_signed_for_another_history_does_not_count_here() {
    let mut clinic = three_admins();
    let mut other = SampleClinic::of(["front-desk"]);
    other.admin("Sam", Scopes::of(Scopes::ALL));
    other.admin("Lee", Scopes::of(Scopes::ALL));
    let (rotation, new) = other.rotation("second", 4);
    for who in [ADMIN, "Sam", "Kim"] {
        clinic.say_rotated(who, &rotation);
    }
    assert!(!clinic.record().is_root(&new.id()));
}

#[test]
fn a_key_that_is_an_admins_or_was_a_root_becomes_none() {
    let mut clinic = three_admins();
    let founder = clinic.root.clone();
    let kim = clinic.admins["Kim"].key.clone();
    let signed_for = |clinic: &mut SampleClinic, new: &SigningKey| {
        let last = clinic.root_head();
        let mut said = clinic
            .rotation("any", last)
            .0
            .open(&clinic.id)
            .expect("sound");
        said.new = new.id().as_admin();
        let rotation = SignedRotation::new(&said, &clinic.root, new);
        for who in [ADMIN, "Sam", "Kim"] {
            clinic.say_rotated(who, &rotation);
        }
        newest_root(clinic)
    };
    assert_eq!(signed_for(&mut clinic, &kim), founder.id());
    rotate(&mut clinic, "second", 4, &[ADMIN, "Sam"]);
    let second = clinic.root.id();
    assert_eq!(signed_for(&mut clinic, &founder), second);
    let mut grant = clinic.admins["Sam"].grant.clone();
    grant.admin = founder.id().as_admin();
    let grant = Signed::new(&grant, &clinic.id, &clinic.root);
    let id = clinic.say_root(Act::AdminGranted { grant });
    assert_eq!(void(&clinic, id), Some(VoidReason::DoesNotFit));
}

#[test]
fn the_root_is_changed_eight_times_and_not_again() {
    let mut clinic = three_admins();
    for number in 1..=ROTATIONS_MAX {
        let last = clinic.root_head();
        rotate(&mut clinic, &number.to_string(), last, &[ADMIN, "Sam"]);
        assert_eq!(newest_root(&clinic), clinic.root.id(), "{number}");
        clinic.admin(&format!("Admin {number}"), Scopes::default());
        end(&mut clinic, &format!("Admin {number}"), 0);
    }
    let newest = clinic.root.id();
    let last = clinic.root_head();
    let (ninth, _) = clinic.rotation("ninth", last);
    assert!(ninth.open(&clinic.id).is_err());
    clinic.say_rotated(ADMIN, &ninth);
    clinic.say_rotated("Sam", &ninth);
    assert_eq!(newest_root(&clinic), newest);
}

#[test]
fn a_grant_counts_in_the_log_of_the_root_that_signed_it_only() {
    let mut clinic = three_admins();
    let old = clinic.root.clone();
    let mut grant = clinic.admins["Sam"].grant.clone();
    grant.admin = AdminId::new(*clinic.device("ward-2").id.as_bytes());
    rotate(&mut clinic, "second", 4, &[ADMIN, "Sam"]);
    let grant = Signed::new(&grant, &clinic.id, &old);
    let id = clinic.say_root(Act::AdminGranted { grant });
    assert_eq!(void(&clinic, id), Some(VoidReason::InvalidInside));
}

#[test]
fn an_admin_whom_the_thief_removed_can_still_sign_for_the_next_root() {
    let mut clinic = three_admins();
    for who in [ADMIN, "Sam", "Kim"] {
        end(&mut clinic, who, 0);
    }
    let (rotation, new) = clinic.rotation("second", 4);
    let one = clinic.say_rotated(ADMIN, &rotation);
    assert_eq!(void(&clinic, one), None);
    clinic.say_rotated("Sam", &rotation);
    assert!(clinic.record().is_root(&new.id()));
    let mut spoilt = rotation;
    spoilt.proof = spoilt.signed.signature;
    let id = clinic.say_rotated("Kim", &spoilt);
    assert_eq!(void(&clinic, id), Some(VoidReason::InvalidInside));
}

#[test]
fn a_copy_takes_the_logs_of_every_root_and_of_those_whom_they_appointed_in_any_order() {
    let mut clinic = three_admins();
    rotate(&mut clinic, "second", 4, &[ADMIN, "Sam"]);
    clinic.admin("Lee", Scopes::of(Scopes::ALL));
    clinic.say_as("Lee", policy(2, 14));
    let last = clinic.root_head();
    rotate(&mut clinic, "third", last, &["Lee", "Sam", ADMIN]);
    clinic.admin("Jo", Scopes::of(Scopes::ALL));
    clinic.say_as("Jo", policy(3, 21));
    let mut copy = RecordCopy::new(clinic.id);
    copy.merge(clinic.segments.iter().rev().cloned().rev())
        .expect("all of them");
    assert_eq!(copy.clinic(), clinic.record());
    assert_eq!(copy.clinic().policy.room_days, 21);
    let mut stranger = clinic.clone();
    stranger.root = SigningKey::from_seed(&[7; 32]);
    stranger.say_root(Act::AdminEnded {
        admin: clinic.admins["Jo"].id(),
        last: 0,
    });
    let refused = copy.merge(stranger.segments.last().cloned());
    assert!(
        matches!(refused, Err(CopyError::Stranger { .. })),
        "{refused:?}"
    );
}

#[test]
fn an_admin_whose_log_is_forked_has_signed_for_the_root_all_the_same() {
    let mut clinic = three_admins();
    let (rotation, new) = clinic.rotation("second", 4);
    clinic.say_rotated(ADMIN, &rotation);
    let id = clinic.say_rotated("Sam", &rotation);
    let mut items = clinic.items().to_vec();
    let signed = items.iter().find(|item| item.id == id).expect("said");
    let mut other = signed.clone();
    other.statement.act = Act::StaffSuspended {
        staff: staff("Ana"),
    };
    other.time.0 -= 1;
    items.push(other);
    let record = Clinic::fold(clinic.id, &items);
    assert!(record.is_root(&new.id()));
}

#[test]
fn what_could_still_take_the_place_of_a_change_waits_and_nothing_else() {
    let mut clinic = three_admins();
    clinic.admin("Lee", Scopes::of(Scopes::ALL));
    let (lower, _) = clinic.rotation("lower", 3);
    let (higher, _) = clinic.rotation("higher", 5);
    clinic.say_rotated("Sam", &lower);
    clinic.say_rotated("Sam", &higher);
    assert_eq!(clinic.record().pending_rotations.len(), 2);
    rotate(&mut clinic, "second", 4, &[ADMIN, "Sam"]);
    let record = clinic.record();
    let waits: Vec<&SignedRotation> = record
        .pending_rotations
        .values()
        .map(|one| &one.signed)
        .collect();
    assert_eq!(waits, [&lower]);
}

#[test]
fn a_copy_keeps_what_a_thiefs_root_and_its_admins_signed_and_counts_nothing_of_it() {
    let mut clinic = three_admins();
    let thief = stolen(&mut clinic);
    let root = std::mem::replace(&mut clinic.root, thief);
    clinic.admin("Eve", Scopes::of(Scopes::ALL));
    clinic.say_as("Eve", policy(2, 7));
    let (mut early, last) = (RecordCopy::new(clinic.id), clinic.segments.len());
    early
        .merge(clinic.segments.clone())
        .expect("it is the root for now");
    assert_eq!(early.clinic().policy.room_days, 7);
    clinic.root = root;
    rotate(&mut clinic, "second", 4, &[ADMIN, "Kim"]);
    clinic.admin("Lee", Scopes::of(Scopes::ALL));
    clinic.say_as("Lee", policy(2, 14));
    early
        .merge(clinic.segments[last..].to_vec())
        .expect("the clinic's own");
    let mut late = RecordCopy::new(clinic.id);
    late.merge(clinic.segments.clone()).expect("all at once");
    let mut again = RecordCopy::new(clinic.id);
    again
        .merge(early.segments().cloned())
        .expect("as handed on");
    for copy in [&early, &late, &again] {
        assert_eq!(copy.clinic(), clinic.record());
        assert_eq!(copy.heads(), late.heads());
        assert_eq!(copy.clinic().policy.room_days, 14);
    }
    let lee = clinic.admins["Lee"].id().into();
    let seen: Vec<AuthorId> = late.seen_by(&lee).iter().map(|seen| seen.author).collect();
    let eve = clinic.admins["Eve"].id().into();
    assert!(seen.contains(&clinic.root.id()) && !seen.contains(&eve));
}

#[test]
fn of_one_log_the_first_sixty_four_words_on_the_root_key_are_looked_at() {
    let mut clinic = three_admins();
    let (other, _) = clinic.rotation("other", 3);
    let (rotation, new) = clinic.rotation("second", 4);
    clinic.say_rotated(ADMIN, &rotation);
    for _ in 0..63 {
        clinic.say_rotated("Sam", &other);
    }
    let mut full = clinic.clone();
    let last = clinic.say_rotated("Sam", &rotation);
    assert_eq!(void(&clinic, last), None);
    assert!(clinic.record().is_root(&new.id()));
    full.say_rotated("Sam", &other);
    let beyond = full.say_rotated("Sam", &rotation);
    assert_eq!(void(&full, beyond), Some(VoidReason::DoesNotFit));
    assert!(!full.record().is_root(&new.id()));
    full.say_rotated("Kim", &rotation);
    assert!(full.record().is_root(&new.id()), "other logs are not bound");
}

#[test]
fn what_is_said_of_a_key_to_which_no_rotation_leads_is_not_verified_and_its_successor_unknown() {
    let mut clinic = three_admins();
    let (second, key) = clinic.rotation("second", 4);
    let mut said = second.open(&clinic.id).expect("sound");
    let third = SigningKey::from_seed(&[8; 32]);
    said.number = 2;
    said.old = key.id().as_admin();
    said.new = third.id().as_admin();
    let sound = SignedRotation::new(&said, &key, &third);
    let mut spoilt = sound.clone();
    spoilt.proof = spoilt.signed.signature;
    let id = clinic.say_rotated("Kim", &spoilt);
    clinic.say_rotated("Kim", &sound);
    let before = clinic.record();
    assert_eq!(before.void.get(&id), None, "nobody looked");
    assert!(!before.knows_signer(&third.id()));
    clinic.say_rotated("Kim", &second);
    let after = clinic.record();
    assert_eq!(after.void.get(&id), Some(&VoidReason::InvalidInside));
    assert!(after.knows_signer(&third.id()), "it could become a root");
    let backwards: Vec<Item> = clinic.items().iter().rev().cloned().collect();
    assert_eq!(Clinic::fold(clinic.id, &backwards), after);
}

/// What a thief does who has the root key and the key of Kim, one of three admins.
#[derive(Clone, Debug)]
enum Theft {
    /// Removes an admin.
    Ends(usize),
    /// Appoints one of his own.
    Appoints,
    /// Changes the root key with these of his own admins, and with Kim, at this part of the log.
    Rotates { with: u8, kim: bool, last: u64 },
}

fn theft() -> impl Strategy<Value = Theft> {
    prop_oneof![
        (0_usize..3).prop_map(Theft::Ends),
        Just(Theft::Appoints),
        (any::<u8>(), any::<bool>(), 0_u64..12).prop_map(|(with, kim, last)| Theft::Rotates {
            with,
            kim,
            last
        }),
    ]
}

fn steal(clinic: &mut SampleClinic, number: usize, what: &Theft, own: &mut Vec<String>) {
    let name = format!("Mallory {number}");
    match what {
        Theft::Ends(who) => {
            end(clinic, [ADMIN, "Sam", "Kim"][*who], 0);
        }
        Theft::Appoints => {
            clinic.admin(&name, Scopes::of(Scopes::ALL));
            own.push(name);
        }
        Theft::Rotates { with, kim, last } => {
            let last = (*last).min(clinic.root_head());
            let chosen = own.iter().enumerate();
            let chosen = chosen.filter(|(at, _)| with & (1 << (at % 8)) != 0);
            let signers: Vec<String> = chosen.map(|(_, name)| name.clone()).collect();
            let (rotation, new) = clinic.rotation(&name, last);
            for who in signers
                .iter()
                .map(String::as_str)
                .chain(kim.then_some("Kim"))
            {
                clinic.say_rotated(who, &rotation);
            }
            if clinic.record().is_root(&new.id()) {
                clinic.root = new;
            }
        }
    }
}

proptest! {
    #![proptest_config(crate::domain::testing::cases(24))]

    #[test]
    fn whatever_the_thief_of_the_root_and_of_fewer_than_half_of_the_admins_does_the_clinic_wins(
        thefts in prop::collection::vec(theft(), 0..10),
        before in any::<prop::sample::Index>(),
        order in any::<u64>(),
    ) {
        let mut clinic = three_admins();
        let (root, mut own) = (clinic.root.clone(), Vec::new());
        let (rotation, second) = clinic.rotation("second", 4);
        let at = before.index(thefts.len() + 1);
        for (number, what) in thefts.iter().enumerate() {
            if number == at {
                clinic.say_rotated(ADMIN, &rotation);
                clinic.say_rotated("Sam", &rotation);
                clinic.root = root.clone();
            }
            steal(&mut clinic, number, what, &mut own);
        }
        if at == thefts.len() {
            clinic.say_rotated(ADMIN, &rotation);
            clinic.say_rotated("Sam", &rotation);
        }
        let record = clinic.record();
        prop_assert_eq!(AuthorId::from(record.roots[1].key), second.id());
        prop_assert_eq!(record.roots.len(), 2);
        prop_assert_eq!(record.admins.len(), 3);
        prop_assert!(record.admins.values().all(|admin| admin.last.is_none()));
        let mut shuffled = clinic.items().to_vec();
        shuffled.sort_by_key(|item| {
            let seq = (item.id.seq ^ order).to_be_bytes();
            Hash::of("order", &[&seq, item.id.author.as_bytes()])
        });
        prop_assert_eq!(Clinic::fold(clinic.id, &shuffled), record);
    }
}
