//! Policy and mesh keys.

use super::*;

#[test]
fn an_older_policy_never_replaces_a_newer_one() {
    let mut clinic = clinic();
    clinic.say(policy(3, 7));
    let older = clinic.say(policy(2, 365));
    assert_eq!(void(&clinic, older), Some(VoidReason::DoesNotFit));
    assert_eq!(clinic.record().policy.room_days, 7);
}

#[test]
fn of_two_policies_with_one_version_the_later_holds() {
    let mut clinic = with_sam(clinic());
    clinic.say(policy(2, 7));
    clinic.say_as("Sam", policy(2, 9));
    assert_eq!(clinic.record().policy.room_days, 9);
}

#[test]
fn a_leap_to_the_highest_version_locks_nobody_out() {
    let mut clinic = with_sam(clinic());
    clinic.say_as("Sam", policy(u32::MAX - 1, 3653));
    let next = clinic.record().policy.next_version();
    let answer = clinic.say(policy(next, 7));
    assert_eq!(void(&clinic, answer), None);
    assert_eq!(clinic.record().policy.room_days, 7);
}

#[test]
fn what_a_removed_admin_leapt_to_is_undone_with_the_admin() {
    let mut clinic = with_sam(clinic());
    clinic.say(policy(2, 7));
    clinic.say_as("Sam", policy(u32::MAX - 1, 3653));
    end(&mut clinic, "Sam", 0);
    clinic.say(policy(3, 8));
    assert_eq!(clinic.record().policy.room_days, 8);
}

#[test]
fn the_mesh_key_is_as_old_as_the_newest_one() {
    let mut clinic = clinic();
    let rotate = |epoch| Act::MeshKeyRotated {
        epoch,
        commitment: mesh_key(epoch).commitment(&clinic.id, epoch),
    };
    let (second, first) = (rotate(2), rotate(1));
    let newest = |clinic: &SampleClinic| {
        let keys = clinic.record().mesh_keys;
        keys.newest(clinic.now).expect("made").1.since
    };
    assert_eq!(newest(&clinic), NOON);
    clinic.now = NOON.plus(days(10));
    clinic.say(second);
    clinic.now = NOON.plus(days(20));
    clinic.say(first);
    assert_eq!(newest(&clinic).day(), NOON.plus(days(10)).day());
}

#[test]
fn of_two_mesh_keys_with_one_number_the_earlier_holds_everywhere() {
    let mut clinic = with_sam(clinic());
    let rotate = |key| Act::MeshKeyRotated {
        epoch: 2,
        commitment: mesh_key(key).commitment(&clinic.id, 2),
    };
    let (ours, theirs) = (rotate(2), rotate(3));
    clinic.say(ours);
    let second = clinic.say_as("Sam", theirs.clone());
    let held = mesh_key(2).commitment(&clinic.id, 2);
    let second_key = |clinic: &SampleClinic| {
        let keys = clinic.record().mesh_keys;
        keys.get(2).expect("made").commitment
    };
    assert_eq!(second_key(&clinic), held);
    assert_eq!(void(&clinic, second), Some(VoidReason::DoesNotFit));
    clinic.say(theirs);
    assert_eq!(second_key(&clinic), held);
}

#[test]
fn planned_mesh_keys_count_where_they_fit_and_a_change_takes_them_back() {
    let mut clinic = with_sam(clinic());
    let plan = |first: u32, begins: u64| Act::MeshKeysPlanned {
        first,
        begins: NOON.plus(days(begins)),
        commitments: (first..first + 2)
            .map(|epoch| mesh_key(epoch).commitment(&clinic.id, epoch))
            .collect(),
    };
    let (ours, theirs, late) = (plan(2, 90), plan(2, 91), plan(9, 400));
    let change = Act::MeshKeyRotated {
        epoch: 4,
        commitment: mesh_key(4).commitment(&clinic.id, 4),
    };
    let numbers = |clinic: &SampleClinic| -> Vec<u32> {
        let keys = clinic.record().mesh_keys;
        keys.iter().map(|(epoch, _)| epoch).collect()
    };
    clinic.say(ours);
    // Two admins who plan at the same time: the later one's keys would stand in the place of the others.
    let second = clinic.say_as("Sam", theirs);
    assert_eq!(void(&clinic, second), Some(VoidReason::DoesNotFit));
    assert_eq!(numbers(&clinic), [1, 2, 3]);
    clinic.now = NOON.plus(days(100));
    clinic.say(change);
    assert_eq!(numbers(&clinic), [1, 2, 4]);
    clinic.say(late);
    assert_eq!(numbers(&clinic), [1, 2, 4, 9, 10]);
}
