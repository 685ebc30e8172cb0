//! Staff members, suspensions and rooms.

use super::*;

fn changed(who: &str, homes: [&str; 1], lifts: Vec<StatementId>) -> Act {
    Act::StaffChanged {
        staff: staff(who),
        facts: facts(who, homes),
        lifts,
    }
}

fn status(clinic: &SampleClinic, who: &str) -> Status {
    clinic.record().staff[&staff(who)].status
}

#[test]
fn a_suspension_stands_until_it_is_lifted_by_name() {
    let mut clinic = clinic();
    let suspension = clinic.say(Act::StaffSuspended {
        staff: staff("Ana"),
    });
    assert_eq!(status(&clinic, "Ana"), Status::Suspended);
    clinic.say(changed("Ana", ["ward-2"], Vec::new()));
    assert_eq!(status(&clinic, "Ana"), Status::Suspended);
    clinic.say(changed("Ana", ["ward-2"], vec![suspension]));
    assert_eq!(status(&clinic, "Ana"), Status::Active);
}

#[test]
fn a_suspension_is_not_lifted_before_it_was_seen_nor_by_a_change_of_someone_else() {
    let mut clinic = with_sam(clinic());
    let suspension = clinic.say(Act::StaffSuspended {
        staff: staff("Ana"),
    });
    clinic.say_blind("Sam", changed("Ana", ["ward-2"], vec![suspension]));
    clinic.say(changed("Ben", ["ward-2"], vec![suspension]));
    assert_eq!(status(&clinic, "Ana"), Status::Suspended);
}

#[test]
fn lifting_one_suspension_leaves_another() {
    let mut clinic = with_sam(clinic());
    let one = clinic.say(Act::StaffSuspended {
        staff: staff("Ana"),
    });
    clinic.say_as(
        "Sam",
        Act::StaffSuspended {
            staff: staff("Ana"),
        },
    );
    clinic.say(changed("Ana", ["ward-2"], vec![one]));
    assert_eq!(status(&clinic, "Ana"), Status::Suspended);
}

#[test]
fn adding_a_suspended_person_again_does_not_lift_the_suspension() {
    let mut clinic = clinic();
    clinic.say(Act::StaffSuspended {
        staff: staff("Ana"),
    });
    clinic.staff("Ana", ["front-desk"]);
    assert_eq!(status(&clinic, "Ana"), Status::Suspended);
}

#[test]
fn the_latest_facts_hold_and_former_homes_are_remembered() {
    let mut clinic = clinic();
    let id = clinic.say(changed("Ana", ["ward-2"], Vec::new()));
    let ana = clinic.record().staff[&staff("Ana")].clone();
    assert_eq!((ana.by, ana.facts.homes), (id, vec![name("ward-2")]));
    assert_eq!(ana.ever_homes.len(), 2);
}

#[test]
fn a_member_is_removed_and_added_again_by_whoever_had_seen_it() {
    let mut clinic = clinic();
    assert!(is_member(&clinic, "Ana"));
    clinic.say(remove("Ana"));
    assert!(!is_member(&clinic, "Ana"));
    clinic.say(add("Ana"));
    assert!(is_member(&clinic, "Ana"));
}

#[test]
fn an_addition_that_had_not_seen_the_removal_does_not_undo_it() {
    let mut clinic = with_sam(clinic());
    clinic.say(remove("Ana"));
    clinic.say_blind("Sam", add("Ana"));
    assert!(!is_member(&clinic, "Ana"));
}

#[test]
fn an_addition_that_had_seen_one_removal_does_not_undo_another() {
    let mut clinic = with_sam(clinic());
    let seen = clinic.say(remove("Ana"));
    clinic.say(remove("Ana"));
    let sam = clinic.admins["Sam"].key.clone();
    let seen = vec![Seen {
        author: seen.author,
        seq: seen.seq,
    }];
    clinic.say_with(&sam, seen, add("Ana"));
    assert!(!is_member(&clinic, "Ana"));
}

#[test]
fn whoever_adds_and_removes_in_one_breath_removes() {
    let mut clinic = clinic();
    clinic.say(Act::MembersChanged {
        room: room("rounds"),
        add: vec![staff("Ana")],
        remove: vec![staff("Ana")],
    });
    assert!(!is_member(&clinic, "Ana"));
}

#[test]
fn the_creation_of_a_room_is_not_repeated_nor_does_it_add_members() {
    let mut clinic = clinic();
    let eve = clinic.staff("Eve", ["ward-2"]);
    let again = clinic.say(Act::RoomCreated {
        room: room("rounds"),
        name: name("another"),
        history: History::All,
        members: vec![eve],
    });
    assert_eq!(void(&clinic, again), Some(VoidReason::DoesNotFit));
    assert!(!is_member(&clinic, "Eve"));
    let record = clinic.record();
    assert_eq!(record.rooms[&room("rounds")].name, name("rounds"));
    assert!(!record.rooms[&room("rounds")].ever_members.contains(&eve));
}

#[test]
fn a_room_that_nobody_created_has_no_members() {
    let mut clinic = clinic();
    let id = clinic.say(Act::MembersChanged {
        room: room("ghosts"),
        add: vec![staff("Ana")],
        remove: vec![],
    });
    assert_eq!(void(&clinic, id), Some(VoidReason::DoesNotFit));
    assert_eq!(clinic.record().rooms.len(), 1);
}
