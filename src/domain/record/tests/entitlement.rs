//! Who may hold what, who may write where, and from when on.

use super::*;
use crate::domain::cert::Capability;

/// Ana at front-desk, Ben at ward-2, nobody at the archive, which is a witness, and a laptop.
fn sample() -> SampleClinic {
    let mut clinic = clinic();
    clinic.enrol_as("archive", |certificate| {
        certificate.capabilities = Capabilities::of([Capability::Witness]);
    });
    clinic.enrol_as("laptop", |certificate| {
        certificate.kind = DeviceKind::Client;
        certificate.office = name("front-desk");
    });
    clinic
}

const OFFICES: [&str; 4] = ["front-desk", "ward-2", "archive", "laptop"];

fn direct() -> Space {
    Space::direct(staff("Ana"), staff("Ben")).expect("two people")
}

/// The conversation of Ana and Ben with the two in the wrong order.
fn misformed() -> Space {
    let Space::Direct(small, large) = direct() else {
        unreachable!("just made")
    };
    Space::Direct(large, small)
}

#[test]
fn each_device_holds_what_its_people_are_in_and_nothing_else() {
    let clinic = sample();
    let record = clinic.record();
    let table = [
        (Space::Record, [true; 4]),
        (Space::Room(room("rounds")), [true, true, false, false]),
        (direct(), [true, true, false, false]),
        (misformed(), [false; 4]),
        (Space::Staff(staff("Ana")), [true, false, false, false]),
        (Space::Staff(staff("Nobody")), [false; 4]),
        (Space::Room(room("ghosts")), [false; 4]),
        (
            Space::Audit(clinic.device("ward-2").id),
            [false, true, true, false],
        ),
    ];
    for (space, expected) in table {
        let actual = OFFICES.map(|office| record.may_hold(&clinic.device(office).id, &space));
        assert_eq!(actual, expected, "{space:?}");
    }
}

#[test]
fn a_revoked_device_holds_nothing() {
    let mut clinic = sample();
    clinic.revoke("ward-2");
    let (record, id) = (clinic.record(), clinic.device("ward-2").id);
    for space in [
        Space::Record,
        Space::Room(room("rounds")),
        direct(),
        Space::Audit(id),
    ] {
        assert!(!record.may_hold(&id, &space), "{space:?}");
    }
}

#[test]
fn a_stranger_holds_and_writes_nothing() {
    let record = sample().record();
    let stranger = DeviceId::new([9; 32]);
    for space in [Space::Record, direct(), Space::Audit(stranger)] {
        assert!(!record.may_hold(&stranger, &space), "{space:?}");
        assert!(!record.may_write(&stranger.into(), &space), "{space:?}");
    }
}

#[test]
fn each_device_writes_where_its_people_ever_were_and_in_its_own_trail() {
    let mut clinic = sample();
    clinic.say(remove("Ben"));
    let record = clinic.record();
    let table = [
        (Space::Record, [false; 4]),
        (Space::Room(room("rounds")), [true, true, false, false]),
        (direct(), [true, true, false, false]),
        (misformed(), [false; 4]),
        (Space::Staff(staff("Ben")), [false, true, false, false]),
        (
            Space::Audit(clinic.device("ward-2").id),
            [false, true, false, false],
        ),
    ];
    for (space, expected) in table {
        let actual = OFFICES.map(|office| {
            let author = clinic.device(office).id.into();
            record.may_write(&author, &space)
        });
        assert_eq!(actual, expected, "{space:?}");
    }
}

#[test]
fn a_node_that_moves_to_another_office_keeps_its_right_to_what_it_wrote() {
    let mut clinic = sample();
    clinic.now = clinic.now.plus(days(1));
    let id = clinic.enrol_as("ward-2", |certificate| certificate.office = name("ward-9"));
    let record = clinic.record();
    let space = Space::Room(room("rounds"));
    assert!(record.may_write(&id.into(), &space));
    assert!(record.speaks_for(&id.into(), &staff("Ben")));
    assert!(!record.may_hold(&id, &space));
}

#[test]
fn a_device_speaks_for_the_people_who_ever_were_at_home_there_only() {
    let clinic = sample();
    let record = clinic.record();
    let speaks = |office: &str, who| {
        let author = clinic.device(office).id.into();
        record.speaks_for(&author, &staff(who))
    };
    assert!(speaks("front-desk", "Ana"));
    assert!(!speaks("ward-2", "Ana"));
    assert!(!speaks("laptop", "Ana"));
    assert!(!speaks("front-desk", "Nobody"));
}

#[test]
fn people_are_in_their_own_conversations() {
    let record = sample().record();
    let with_stranger = Space::direct(staff("Ana"), staff("Nobody")).expect("two people");
    let table = [
        (Space::Record, false),
        (Space::Room(room("rounds")), true),
        (Space::Room(room("ghosts")), false),
        (direct(), true),
        (misformed(), false),
        (with_stranger, false),
        (Space::Staff(staff("Ana")), true),
        (Space::Staff(staff("Ben")), false),
    ];
    for (space, expected) in table {
        assert_eq!(record.is_in(&staff("Ana"), &space), expected, "{space:?}");
    }
}

#[test]
fn a_room_says_what_new_members_see_of_its_past() {
    let mut clinic = sample();
    let quiet = RoomId::new([4; 16]);
    clinic.say(Act::RoomCreated {
        room: quiet,
        name: name("quiet"),
        history: History::Nothing,
        members: vec![staff("Ana")],
    });
    clinic.now = clinic.now.plus(days(1));
    let change = |add: Vec<StaffId>, remove: Vec<StaffId>| Act::MembersChanged {
        room: quiet,
        add,
        remove,
    };
    clinic.say(change(vec![staff("Ben")], vec![]));
    let sees_from = |clinic: &SampleClinic, office: &str, space| {
        let record = clinic.record();
        record.sees_from(&clinic.device(office).id, &space).wall()
    };
    let never = Hlc(u64::MAX).wall();
    let (quiet, rounds) = (Space::Room(quiet), Space::Room(room("rounds")));
    assert_eq!(sees_from(&clinic, "front-desk", quiet), WallTime(0));
    assert_eq!(sees_from(&clinic, "ward-2", quiet), clinic.now);
    assert_eq!(sees_from(&clinic, "archive", quiet), never);
    assert_eq!(sees_from(&clinic, "ward-2", rounds), WallTime(0));
    assert_eq!(sees_from(&clinic, "ward-2", direct()), WallTime(0));

    // Who leaves and comes back sees what was written since.
    clinic.say(change(vec![], vec![staff("Ben")]));
    assert_eq!(sees_from(&clinic, "ward-2", quiet), never);
    clinic.now = clinic.now.plus(days(1));
    clinic.say(change(vec![staff("Ben")], vec![]));
    assert_eq!(sees_from(&clinic, "ward-2", quiet), clinic.now);
}

#[test]
fn the_rooms_of_a_device_are_those_it_may_hold() {
    let clinic = sample();
    let record = clinic.record();
    let rooms = |office: &str| record.rooms_of(&clinic.device(office).id).count();
    assert_eq!((rooms("ward-2"), rooms("archive")), (1, 0));
}

#[test]
fn nodes_connect_to_each_other_and_clients_to_nobody() {
    let clinic = sample();
    let record = clinic.record();
    let mut nodes = ["front-desk", "ward-2", "archive"].map(|office| clinic.device(office).id);
    nodes.sort();
    assert_eq!(record.nodes().map(|(id, _)| *id).collect::<Vec<_>>(), nodes);
    assert_eq!(record.members().count(), 4);
}
