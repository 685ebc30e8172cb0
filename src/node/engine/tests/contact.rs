//! A node that hears no other for long: what it says, and what it takes no more.

use super::*;
use crate::domain::health::Concern;
use crate::domain::id::DeviceId;
use crate::domain::policy::Policy;
use crate::domain::statement::Act;
use crate::node::engine::{Reply, Room};

fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3600)
}

/// Whether an office says that it hears nobody, and whether it is read-only then.
fn lapsed(mesh: &mut Mesh, office: &str) -> Option<bool> {
    let ticket = mesh.ask(office, Command::Status);
    let Some(Reply::Status(status)) = mesh.answer(office, ticket) else {
        panic!("no status");
    };
    status.concerns.iter().find_map(|concern| match concern {
        Concern::Contact { read_only, .. } => Some(*read_only),
        Concern::ShutOut { .. }
        | Concern::Certificate { .. }
        | Concern::FewRenewers { .. }
        | Concern::Grant { .. }
        | Concern::Web { .. }
        | Concern::WebCa { .. }
        | Concern::OldMeshKey { .. }
        | Concern::Clock { .. }
        | Concern::DiskNearlyFull
        | Concern::BackupElsewhere { .. }
        | Concern::Backup { .. } => None,
    })
}

/// Ana and Eve at the front desk, Ben on ward 2; the front desk is about to be cut off.
struct Apart {
    mesh: Mesh,
    ana: StaffId,
    ben: StaffId,
    desk: Space,
    rounds: Space,
}

fn apart() -> Apart {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2"]);
    let ana = clinic.staff("Ana", ["front-desk"]);
    let eve = clinic.staff("Eve", ["front-desk"]);
    let ben = clinic.staff("Ben", ["ward-2"]);
    let desk = clinic.room("desk", [ana, eve]);
    let rounds = clinic.room("rounds", [ana, ben]);
    let mut mesh = Mesh::of(clinic);
    mesh.post("front-desk", ana, rounds, "Before")
        .expect("all is well");
    mesh.cut("front-desk");
    Apart {
        mesh,
        ana,
        ben,
        desk,
        rounds,
    }
}

#[test]
fn an_office_that_hears_nobody_says_so_and_then_writes_only_to_its_own() {
    let Apart {
        mut mesh,
        ana,
        desk,
        rounds,
        ..
    } = apart();
    mesh.time += hours(71);
    assert_eq!(lapsed(&mut mesh, "front-desk"), None);
    mesh.time += hours(1);
    assert_eq!(lapsed(&mut mesh, "front-desk"), Some(false));
    mesh.post("front-desk", ana, rounds, "Still going")
        .expect("a warning is only a warning");

    mesh.time += hours(14 * 24 - 72);
    assert_eq!(lapsed(&mut mesh, "front-desk"), Some(true));
    let refused = mesh.post("front-desk", ana, rounds, "Too late");
    assert_eq!(refused, Err(CommandRefusal::ReadOnly));
    mesh.post("front-desk", ana, desk, "Among ourselves")
        .expect("the office goes on");
    let texts = mesh.texts("front-desk", ana, rounds);
    assert_eq!(texts, ["Before", "Still going"], "reading goes on");
}

#[test]
fn a_read_only_office_takes_back_but_neither_acknowledges_nor_amends() {
    let Apart {
        mut mesh,
        ana,
        rounds,
        ..
    } = apart();
    let own = mesh.read("front-desk", ana, rounds).messages[0].id;
    mesh.time += hours(14 * 24 + 1);
    let origin = Origin::Socket;
    let refused = [
        Command::Acknowledge {
            staff: ana,
            origin,
            entry: own,
        },
        Command::Amend {
            staff: ana,
            origin,
            entry: own,
            text: "Otherwise".to_owned(),
        },
    ];
    for command in refused {
        let ticket = mesh.ask("front-desk", command);
        let reply = mesh.answer("front-desk", ticket);
        let read_only = matches!(reply, Some(Reply::Refused(CommandRefusal::ReadOnly)));
        assert!(read_only, "{reply:?}");
    }
    let retract = Command::Retract {
        staff: ana,
        origin,
        entry: own,
        reason: "Wrong bed".to_owned(),
    };
    let ticket = mesh.ask("front-desk", retract);
    let reply = mesh.answer("front-desk", ticket);
    assert!(matches!(reply, Some(Reply::Posted(_))), "{reply:?}");
}

#[test]
fn hearing_another_office_ends_it_at_once() {
    let Apart {
        mut mesh,
        ana,
        ben,
        rounds,
        ..
    } = apart();
    mesh.time += hours(14 * 24 + 1);
    mesh.heal("front-desk");
    mesh.run_for(Duration::from_secs(5));
    assert_eq!(lapsed(&mut mesh, "front-desk"), None);
    mesh.post("front-desk", ana, rounds, "Back again")
        .expect("it is level");
    assert_eq!(mesh.texts("ward-2", ben, rounds), ["Before", "Back again"]);
}

#[test]
fn neither_a_restart_nor_a_clock_that_is_set_back_makes_an_office_fresh() {
    let Apart {
        mut mesh,
        ana,
        rounds,
        ..
    } = apart();
    mesh.time += hours(14 * 24 + 1);
    let office = mesh.offices.get_mut("front-desk").expect("it runs");
    office.skew = -14 * 24 * 3_600_000;
    assert_eq!(lapsed(&mut mesh, "front-desk"), Some(true), "set back");

    let disk = mesh.crash("front-desk");
    mesh.cut("front-desk");
    mesh.start("front-desk", disk, 0);
    let refused = mesh.post("front-desk", ana, rounds, "As if new");
    assert_eq!(refused, Err(CommandRefusal::ReadOnly));
}

#[test]
fn policy_says_how_long_an_office_may_hear_nobody() {
    let Apart {
        mut mesh,
        ana,
        rounds,
        ..
    } = apart();
    let mut policy = Policy::initial();
    policy.version = 2;
    policy.staleness.warning_hours = 1;
    policy.staleness.read_only_hours = 2;
    mesh.clinic.say(Act::PolicySet { policy });
    mesh.submit("front-desk");
    assert_eq!(lapsed(&mut mesh, "front-desk"), None);
    mesh.time += hours(1);
    assert_eq!(lapsed(&mut mesh, "front-desk"), Some(false));
    mesh.time += hours(1);
    let refused = mesh.post("front-desk", ana, rounds, "Two hours on");
    assert_eq!(refused, Err(CommandRefusal::ReadOnly));
}

#[test]
fn a_node_whose_disk_is_nearly_full_says_so_before_anything_else_until_there_is_room() {
    let Apart { mut mesh, .. } = apart();
    mesh.time += hours(72);
    let first = |mesh: &mut Mesh| {
        let ticket = mesh.ask("front-desk", Command::Status);
        match mesh.answer("front-desk", ticket) {
            Some(Reply::Status(status)) => status.concerns.first().cloned(),
            other => panic!("no status: {other:?}"),
        }
    };
    mesh.room("front-desk", Room::NearlyFull);
    assert_eq!(first(&mut mesh), Some(Concern::DiskNearlyFull));
    mesh.room("front-desk", Room::Enough);
    assert!(matches!(first(&mut mesh), Some(Concern::Contact { .. })));
}

#[test]
fn a_node_that_is_refused_as_revoked_says_so_until_it_is_let_in_again() {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2"]);
    clinic.staff("Ana", ["front-desk"]);
    let mut mesh = Mesh::of(clinic);
    let front_desk = mesh.clinic.device("front-desk").id;
    mesh.shut_out("ward-2", None);
    assert_eq!(shut_out(&mut mesh), None, "somebody lets it in");
    mesh.cut("ward-2");
    assert_eq!(shut_out(&mut mesh), None);
    mesh.shut_out("ward-2", None);
    assert_eq!(shut_out(&mut mesh), Some(None), "whoever it was");
    mesh.shut_out("ward-2", Some("front-desk"));
    mesh.shut_out("ward-2", None);
    assert_eq!(shut_out(&mut mesh), Some(Some(front_desk)));
    mesh.heal("ward-2");
    mesh.run_for(Duration::from_secs(5));
    assert_eq!(shut_out(&mut mesh), None, "it is connected");
}

/// Who, if anybody, says that ward 2 was revoked.
fn shut_out(mesh: &mut Mesh) -> Option<Option<DeviceId>> {
    let ticket = mesh.ask("ward-2", Command::Status);
    let Some(Reply::Status(status)) = mesh.answer("ward-2", ticket) else {
        panic!("no status");
    };
    status.concerns.iter().find_map(|concern| match concern {
        Concern::ShutOut { by } => Some(*by),
        _ => None,
    })
}
