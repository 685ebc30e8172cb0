use super::*;
use crate::domain::testing::{NOON, days, mesh_key, minutes};

fn hash(epoch: u32) -> Hash {
    mesh_key(epoch).commitment(&ClinicId::new([7; 32]), epoch)
}

fn hashes(epochs: std::ops::Range<u32>) -> Vec<Hash> {
    epochs.map(hash).collect()
}

/// Key 1 from noon on, and as many planned as wait, the first on day 90.
fn planned(count: u32) -> CommittedKeys {
    let mut keys = CommittedKeys::default();
    assert!(keys.change(1, hash(1), NOON));
    assert_eq!(keys.next_plan(NOON), (2, NOON.plus(MESH_KEY_LIFE)));
    assert!(keys.plan(2, NOON.plus(days(90)), &hashes(2..2 + count), NOON));
    keys
}

fn held(epochs: std::ops::RangeInclusive<u32>) -> BTreeMap<u32, MeshKey> {
    epochs.map(|epoch| (epoch, mesh_key(epoch))).collect()
}

fn numbers(keys: &AcceptedKeys) -> Vec<u32> {
    keys.iter().map(|(epoch, _)| epoch).collect()
}

fn newest(keys: &CommittedKeys, day: u64) -> u32 {
    keys.newest(NOON.plus(days(day))).expect("made").0
}

#[test]
fn planned_keys_begin_each_at_its_moment_and_none_is_in_use_for_longer_than_ninety_days() {
    let keys = planned(8);
    for (day, expected) in [
        (0, 1),
        (89, 1),
        (90, 2),
        (179, 2),
        (180, 3),
        (720, 9),
        (2000, 9),
    ] {
        assert_eq!(newest(&keys, day), expected, "day {day}");
    }
    let just_before = NOON.plus(days(90)).minus(Duration::from_millis(1));
    assert_eq!(keys.newest(just_before).expect("made").0, 1);
}

#[test]
fn a_change_at_once_takes_back_what_was_planned_and_leaves_what_has_begun() {
    let mut keys = planned(4);
    let revoked = NOON.plus(days(100));
    let next = keys.next_number();
    assert_eq!(next, 6, "no number is given twice");
    assert!(keys.change(next, hash(next), revoked));
    let left: Vec<u32> = keys.iter().map(|(epoch, _)| epoch).collect();
    assert_eq!(left, [1, 2, 6], "3 to 5 are known to whoever was shut out");
    assert_eq!(newest(&keys, 100), 6);
    assert_eq!(newest(&keys, 1000), 6);
    // It counts at once, also where a clock is behind the one it was signed by.
    assert_eq!(newest(&keys, 0), 6);
}

#[test]
fn of_two_keys_with_one_number_the_earlier_holds_and_the_later_takes_nothing_back() {
    let mut keys = planned(2);
    let before = keys.clone();
    assert!(!keys.change(1, hash(66), NOON.plus(days(1))));
    assert_eq!(keys, before);
    assert!(keys.change(1, hash(1), NOON.plus(days(1))));
    assert_eq!(keys, before);
    // Where the number is taken by a planned key that has begun, what is still to come is taken back all the same:
    // who signed had not heard of the plan, and whom that change shut out may have.
    let mut begun = before.clone();
    assert!(!begun.change(2, hash(66), NOON.plus(days(100))));
    let left: Vec<u32> = begun.iter().map(|(epoch, _)| epoch).collect();
    assert_eq!(left, [1, 2]);
    // A number that was only planned yields to a key that is to be used at once.
    assert!(keys.change(2, hash(66), NOON.plus(days(1))));
    assert_eq!(keys.get(2).expect("entered").commitment, hash(66));
    assert_eq!(keys.get(3), None);
}

#[test]
fn a_plan_follows_everything_and_never_holds_more_than_may_wait() {
    let keys = planned(4);
    let (first, begins) = keys.next_plan(NOON);
    assert_eq!((first, begins), (6, NOON.plus(days(90 * 5))));
    let refused = |first, begins, count: u32| {
        let mut tried = keys.clone();
        assert!(!tried.plan(first, begins, &hashes(first..first + count), NOON));
        assert_eq!(tried, keys);
    };
    refused(5, begins, 1);
    refused(6, NOON.plus(days(90 * 4)), 1);
    refused(6, begins, 5);
    let mut more = keys.clone();
    assert!(more.plan(first, begins, &hashes(6..10), NOON));
    assert_eq!(more.to_come(NOON).count(), PLANNED_MAX);
    // Those that have begun make room.
    let later = NOON.plus(days(180));
    let (first, begins) = more.next_plan(later);
    assert!(more.plan(first, begins, &hashes(10..12), later));
    assert!(!more.plan(12, begins.plus(days(200)), &hashes(12..13), later));
}

#[test]
fn a_plan_for_the_past_is_none() {
    let mut keys = CommittedKeys::default();
    assert!(keys.change(1, hash(1), NOON));
    let late = NOON.plus(days(400));
    assert!(!keys.plan(2, late.minus(days(1)), &hashes(2..3), late));
    // The key is old already: the next one begins when every member had a day to hear of it.
    assert_eq!(keys.next_plan(late), (2, late.plus(days(1))));
}

#[test]
fn moments_at_the_end_of_time_do_not_overflow() {
    let mut keys = CommittedKeys::default();
    let end = WallTime(u64::MAX);
    assert!(keys.change(u32::MAX, hash(1), NOON));
    assert_eq!(keys.next_number(), u32::MAX);
    assert!(!keys.plan(u32::MAX, end, &hashes(2..4), NOON));
    let mut keys = CommittedKeys::default();
    assert!(!keys.plan(u32::MAX - 1, NOON, &hashes(2..4), NOON));
    assert!(keys.plan(u32::MAX - 2, NOON, &hashes(2..4), NOON));
    assert_eq!(keys.next_number(), u32::MAX);
    let mut keys = CommittedKeys::default();
    assert!(keys.plan(1, end, &hashes(2..4), NOON));
    assert_eq!(keys.newest(NOON), None);
}

#[test]
fn a_node_accepts_the_newest_three_and_what_is_planned_and_dials_with_the_newest() {
    let keys = planned(4);
    let held = held(1..=5);
    let at = |day| AcceptedKeys::at(NOON.plus(days(day)), &keys, &held);
    assert_eq!(numbers(&at(0)), [1, 2, 3, 4, 5]);
    assert_eq!(at(0).newest().map(|(epoch, _)| epoch), Some(1));
    assert_eq!(at(0).to_try(), [1, 2, 3, 4, 5]);
    assert_eq!(numbers(&at(300)), [2, 3, 4, 5]);
    assert_eq!(at(300).newest().map(|(epoch, _)| epoch), Some(4));
    assert_eq!(at(300).to_try(), [4, 3, 2, 5]);
    assert_eq!(numbers(&at(400)), [3, 4, 5]);
    assert!(at(400).get(2).is_none());
    assert!(AcceptedKeys::default().to_try().is_empty());
}

#[test]
fn three_keys_are_accepted_and_those_that_the_record_commits_to_go_before_all_others() {
    let mut keys = planned(4);
    for day in [10, 11] {
        let number = keys.next_number();
        assert!(keys.change(number, hash(number), NOON.plus(days(day))));
    }
    let at = NOON.plus(days(12));
    let accepted = AcceptedKeys::at(at, &keys, &held(1..=7));
    assert_eq!(numbers(&accepted), [1, 6, 7], "2 to 5 were taken back");
    let mut keys = planned(4);
    assert!(keys.change(6, hash(6), NOON.plus(days(10))));
    let filled = AcceptedKeys::at(at, &keys, &held(1..=6));
    assert_eq!(numbers(&filled), [1, 5, 6], "what was taken back fills up");
    let given: Vec<u32> = filled.of_the_record().map(|(epoch, _)| epoch).collect();
    assert_eq!(given, [1, 6], "and is given to nobody");
    // Who has not got the newest one yet goes on with what it has.
    let accepted = AcceptedKeys::at(at, &keys, &held(1..=5));
    assert_eq!(accepted.newest().map(|(epoch, _)| epoch), Some(1));
    assert!(accepted.is_current(1));
}

/// A thief's root ends every admin, and with them every key that they signed for; what the others go by is then
/// no key of the record that this node believes.
#[test]
fn whoever_believes_a_thief_still_has_a_key_in_common_with_the_others() {
    let clinic = planned(4);
    let mut thiefs = CommittedKeys::default();
    let at = NOON.plus(days(10));
    let others = AcceptedKeys::at(at, &clinic, &held(1..=5));
    let meets = |mine: &AcceptedKeys| {
        let dialled = mine
            .to_try()
            .iter()
            .any(|epoch| others.get(*epoch).is_some());
        dialled
            && others
                .to_try()
                .iter()
                .any(|epoch| mine.get(*epoch).is_some())
    };
    let deceived = AcceptedKeys::at(at, &thiefs, &held(1..=5));
    assert_eq!(deceived.newest().map(|(epoch, _)| epoch), Some(5));
    assert!(meets(&deceived));
    assert!(thiefs.change(6, hash(66), at));
    let deceived = AcceptedKeys::at(at, &thiefs, &held(1..=6));
    assert_eq!(deceived.newest().map(|(epoch, _)| epoch), Some(6));
    assert!(meets(&deceived));
}

#[test]
fn for_a_month_after_a_planned_change_channels_with_the_key_before_pass_everything() {
    let keys = planned(4);
    let held = held(1..=5);
    let begins = NOON.plus(days(90));
    let at = |moment| AcceptedKeys::at(moment, &keys, &held);
    let before = at(begins.minus(minutes(1)));
    assert!(before.is_current(1) && before.is_current(2));
    let during = at(begins.plus(minutes(1)));
    assert!(during.is_current(1) && during.is_current(2));
    let after = at(begins.plus(CHANGING));
    assert!(!after.is_current(1) && after.is_current(2));
    assert!(!after.is_current(9), "what is not accepted is not current");
    assert!(!before.same_numbers(&during) && !during.same_numbers(&after));
    assert!(after.same_numbers(&at(begins.plus(days(40)))));
}

#[test]
fn after_a_change_at_once_nothing_but_the_record_passes_on_the_key_before() {
    let mut keys = planned(4);
    assert!(keys.change(6, hash(6), NOON.plus(days(10))));
    let mut all = held(1..=6);
    let accepted = AcceptedKeys::at(NOON.plus(days(10)), &keys, &all);
    assert!(accepted.is_current(6) && !accepted.is_current(1));
    all.clear();
    assert!(!AcceptedKeys::at(NOON, &keys, &all).is_current(6));
}

#[test]
fn a_machine_that_slept_through_two_changes_and_a_planned_one_still_has_a_key_in_common() {
    // It knows the plan up to key 5 and no more, and its clock went on.
    let known = planned(4);
    let asleep = |day| AcceptedKeys::at(NOON.plus(days(day)), &known, &held(1..=5));
    // Meanwhile two machines were lost, before or after key 2 began on day 90.
    for (first, second) in [(80, 85), (80, 95), (92, 99)] {
        let mut clinic = known.clone();
        let mut all = held(1..=5);
        for day in [first, second] {
            let at = NOON.plus(days(day));
            let number = clinic.next_number();
            assert!(clinic.change(number, hash(number), at));
            let (next, begins) = clinic.next_plan(at);
            assert!(clinic.plan(next, begins, &hashes(next..next + 8), at));
            all.extend(held(number..=number + 8));
        }
        let awake = AcceptedKeys::at(NOON.plus(days(110)), &clinic, &all);
        let common: Vec<u32> = asleep(110)
            .to_try()
            .into_iter()
            .filter(|epoch| awake.get(*epoch).is_some())
            .collect();
        assert!(!common.is_empty(), "lost on days {first} and {second}");
        // And the other way round: it is dialled with a key that it accepts.
        let dialled = awake.to_try();
        assert!(
            dialled
                .iter()
                .any(|epoch| asleep(110).get(*epoch).is_some())
        );
        assert!(common.iter().all(|epoch| !awake.is_current(*epoch)));
    }
}
