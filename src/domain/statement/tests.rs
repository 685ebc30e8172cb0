use super::*;
use crate::domain::policy::Policy;
use crate::domain::testing::{ADMIN, SampleClinic, facts, name};

fn read(act: Act) -> Result<Statement, CodecError> {
    let statement = Statement {
        seen: Vec::new(),
        act,
    };
    Statement::from_body(&statement.to_body())
}

fn staff(n: usize) -> StaffId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(n as u64).to_be_bytes());
    StaffId::new(id)
}

fn people(count: usize) -> Vec<StaffId> {
    (0..count).map(staff).collect()
}

fn members(add: Vec<StaffId>, remove: Vec<StaffId>) -> Act {
    Act::MembersChanged {
        room: RoomId::new([1; 16]),
        add,
        remove,
    }
}

fn room(members: Vec<StaffId>) -> Act {
    Act::RoomCreated {
        room: RoomId::new([1; 16]),
        name: name("rounds"),
        history: History::All,
        members,
    }
}

fn added(change: impl FnOnce(&mut StaffFacts)) -> Act {
    let mut facts = facts("Ana", ["front-desk"]);
    change(&mut facts);
    Act::StaffAdded {
        staff: staff(1),
        facts,
    }
}

fn lifting(lifts: Vec<StatementId>) -> Act {
    Act::StaffChanged {
        staff: staff(1),
        facts: facts("Ana", ["front-desk"]),
        lifts,
    }
}

fn statement_id(n: usize) -> StatementId {
    StatementId {
        author: AuthorId::new([1; 32]),
        seq: n as u64,
    }
}

fn revoking(ends: Vec<LogEnd>) -> Act {
    let clinic = SampleClinic::of(["front-desk"]);
    Act::DeviceRevoked {
        revocation: clinic.revocation("front-desk", ends),
    }
}

fn end(n: usize) -> LogEnd {
    LogEnd {
        space: Space::Record,
        epoch: Epoch(n as u64),
        seq: 1,
    }
}

fn enrolling(address: &str) -> Act {
    Act::DeviceEnrolled {
        certificate: SampleClinic::of(["front-desk"])
            .device("front-desk")
            .signed
            .clone(),
        invitation: None,
        address: Some(address.into()),
    }
}

const REFUSED: Result<Statement, CodecError> = Err(CodecError::Malformed);

#[test]
fn lists_are_read_up_to_their_bounds() {
    let offices = |count: usize| (10..10 + count).map(|n| name(&n.to_string())).collect();
    let table: [(&dyn Fn(usize) -> Act, usize); 6] = [
        (&|count| room(people(count)), MEMBERS_MAX),
        (&|count| members(people(count), vec![]), MEMBERS_MAX),
        (&|count| members(vec![], people(count)), MEMBERS_MAX),
        (
            &|count| lifting((0..count).map(statement_id).collect()),
            SEEN_MAX,
        ),
        (&|count| revoking((0..count).map(end).collect()), ENDS_MAX),
        (
            &|count| added(|facts| facts.homes = offices(count)),
            HOMES_MAX,
        ),
    ];
    for (act, most) in table {
        assert!(read(act(most)).is_ok(), "{}", act(0).title());
        assert_eq!(read(act(most + 1)), REFUSED, "{}", act(0).title());
    }
    let both = members(people(MEMBERS_MAX), people(1));
    assert_eq!(read(both), REFUSED);
}

#[test]
fn a_list_has_one_order_and_repeats_nothing() {
    let twice = vec![staff(1), staff(1)];
    let backwards = vec![staff(2), staff(1)];
    for list in [twice, backwards] {
        assert_eq!(read(room(list.clone())), REFUSED);
        assert_eq!(read(members(list.clone(), vec![])), REFUSED);
        assert_eq!(read(members(vec![], list)), REFUSED);
    }
    let lifts = vec![statement_id(2), statement_id(1)];
    assert_eq!(read(lifting(lifts)), REFUSED);
    assert_eq!(read(revoking(vec![end(2), end(1)])), REFUSED);
    let roles = vec![Role::Auditor, Role::Clinician];
    assert_eq!(read(added(|facts| facts.roles = roles)), REFUSED);
    let homes = vec![name("b"), name("a")];
    assert_eq!(read(added(|facts| facts.homes = homes)), REFUSED);
}

#[test]
fn what_a_signer_had_seen_is_bounded_and_in_order() {
    let seen = |count: u8| -> Vec<Seen> {
        let seen = (0..count).map(|n| Seen {
            author: AuthorId::new([n; 32]),
            seq: 1,
        });
        seen.collect()
    };
    let read = |seen| {
        let act = room(vec![]);
        Statement::from_body(&Statement { seen, act }.to_body())
    };
    assert!(read(seen(64)).is_ok());
    assert_eq!(read(seen(65)), REFUSED);
    let mut backwards = seen(2);
    backwards.reverse();
    assert_eq!(read(backwards), REFUSED);
}

#[test]
fn an_address_is_a_plain_host_and_port() {
    for good in ["10.0.0.7:7400", "[fd00::1]:7400", "ward-2.local:1"] {
        assert!(read(enrolling(good)).is_ok(), "{good}");
    }
    let long = format!("{}:1", "x".repeat(127));
    for bad in [
        "",
        ":1",
        "ward-2",
        "ward-2:",
        "ward-2:70000",
        "a b:1",
        "\u{1b}[2J:1",
        "é:1",
        &long,
    ] {
        assert_eq!(read(enrolling(bad)), REFUSED, "{bad}");
    }
}

#[test]
fn a_policy_outside_its_bounds_is_not_read() {
    let mut policy = Policy::initial();
    policy.room_days = 0;
    assert_eq!(read(Act::PolicySet { policy }), REFUSED);
}

#[test]
fn an_unknown_act_and_what_is_longer_than_an_entry_are_not_read() {
    let body = Statement {
        seen: Vec::new(),
        act: room(vec![]),
    }
    .to_body();
    // The act's number follows an array of two, an empty array, and an array of two.
    let mut unknown = body.clone();
    assert_eq!(unknown[..4], [0x82, 0x80, 0x82, 10]);
    unknown[3] = 14;
    assert_eq!(Statement::from_body(&unknown), REFUSED);
    let too_long = Statement::from_body(&vec![0; OBJECT_MAX + 1]);
    assert!(matches!(too_long, Err(CodecError::TooLong { .. })));
    let mut trailing = body;
    trailing.push(0);
    assert_eq!(Statement::from_body(&trailing), Err(CodecError::Trailing));
}

#[test]
fn every_statement_of_the_sample_clinic_is_read_back() {
    let mut clinic = SampleClinic::of(["front-desk"]);
    clinic.revoke("front-desk");
    for item in clinic.items() {
        let body = item.statement.to_body();
        assert_eq!(Statement::from_body(&body).as_ref(), Ok(&item.statement));
    }
}

#[test]
fn who_has_seen_a_statement_has_seen_all_before_it_in_that_log_and_no_other() {
    let clinic = SampleClinic::of([]);
    let author = clinic.admins[ADMIN].key.id();
    let statement = Statement {
        seen: vec![Seen { author, seq: 5 }],
        act: room(vec![]),
    };
    let seen = |author, seq| statement.has_seen(StatementId { author, seq });
    assert!(seen(author, 5) && seen(author, 1));
    assert!(!seen(author, 6));
    assert!(!seen(clinic.root.id(), 1));
}
