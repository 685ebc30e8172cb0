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
    let since = clinic.record().mesh_key_since;
    assert_eq!(since, Some(NOON));
    clinic.now = NOON.plus(days(10));
    clinic.say(second);
    clinic.now = NOON.plus(days(20));
    clinic.say(first);
    let since = clinic.record().mesh_key_since.expect("made");
    assert_eq!(since.day(), NOON.plus(days(10)).day());
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
    assert_eq!(clinic.record().mesh_keys[&2], held);
    assert_eq!(void(&clinic, second), Some(VoidReason::DoesNotFit));
    clinic.say(theirs);
    assert_eq!(clinic.record().mesh_keys[&2], held);
}
