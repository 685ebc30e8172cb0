//! Stories of a small clinic, each told to real engines without a socket, a disk or a clock.

mod alone;
mod clocks;
// The simulator's disk, so that both try the engine against the same promises.
#[path = "../../../tests/simulator/disk.rs"]
mod disk;

mod bounds;
mod conditions;
mod contact;
mod enforcement;
mod groups;
mod lessons;
mod mesh;
mod pages;
mod planned_keys;
mod policy;
mod renewal;
mod restored;
mod roots;
mod taking_back;
mod talk;
mod voided;
mod years;

use std::time::Duration;

use crate::domain::audit::Origin;
use crate::domain::id::StaffId;
use crate::domain::space::Space;
use crate::domain::testing::{SampleClinic, days, minutes};
use crate::node::engine::{Command, CommandRefusal, Reply};
use mesh::Mesh;

struct Rounds {
    mesh: Mesh,
    ana: StaffId,
    ben: StaffId,
    rounds: Space,
}

/// Three offices; Ana at the front desk and Ben on ward 2 share a room, the pharmacy is not in it.
fn rounds() -> Rounds {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2", "pharmacy"]);
    let ana = clinic.staff("Ana", ["front-desk"]);
    let ben = clinic.staff("Ben", ["ward-2"]);
    clinic.staff("Cem", ["pharmacy"]);
    let rounds = clinic.room("rounds", [ana, ben]);
    let mesh = Mesh::of(clinic);
    Rounds {
        mesh,
        ana,
        ben,
        rounds,
    }
}

/// A post of a text.
fn post(staff: StaffId, space: Space, text: &str) -> Command {
    Command::Post {
        staff,
        origin: Origin::Socket,
        space,
        written: text.into(),
    }
}

#[test]
fn a_message_reaches_the_other_members_and_nobody_else() {
    let mut r = rounds();
    r.mesh
        .post("front-desk", r.ana, r.rounds, "Bed 4 is free")
        .expect("posted");
    r.mesh.run_for(Duration::from_secs(2));

    assert_eq!(r.mesh.texts("ward-2", r.ben, r.rounds), ["Bed 4 is free"]);
    let pharmacy = &r.mesh.offices["pharmacy"].disk;
    assert_eq!(pharmacy.of_space(&r.rounds).count(), 0);
    assert_eq!(r.mesh.carried.get("pharmacy"), None);
}

#[test]
fn delivered_means_that_another_node_signed_for_it() {
    let mut r = rounds();
    r.mesh
        .post("front-desk", r.ana, r.rounds, "Bed 4 is free")
        .expect("posted");
    r.mesh.run_for(Duration::from_secs(2));

    let page = r.mesh.read("front-desk", r.ana, r.rounds);
    let mut expected = vec![
        r.mesh.clinic.device("front-desk").id,
        r.mesh.clinic.device("ward-2").id,
    ];
    expected.sort();
    assert_eq!(page.messages[0].receipts.held_by, expected);
}

#[test]
fn nothing_is_attested_before_it_is_on_the_disk() {
    let mut r = rounds();
    r.mesh.slow_disk("ward-2");
    r.mesh
        .post("front-desk", r.ana, r.rounds, "Bed 4 is free")
        .expect("posted");
    r.mesh.run_for(Duration::from_secs(2));
    let page = r.mesh.read("front-desk", r.ana, r.rounds);
    assert_eq!(page.messages[0].receipts.held_by.len(), 1);

    r.mesh.quick_disk("ward-2");
    let page = r.mesh.read("front-desk", r.ana, r.rounds);
    assert_eq!(page.messages[0].receipts.held_by.len(), 2);
}

#[test]
fn a_peer_that_was_away_gets_what_it_missed_and_nothing_twice() {
    let mut r = rounds();
    r.mesh.cut("ward-2");
    for text in ["Bed 4 is free", "Bed 5 too"] {
        r.mesh
            .post("front-desk", r.ana, r.rounds, text)
            .expect("posted");
    }
    r.mesh.heal("ward-2");
    r.mesh.run_for(Duration::from_secs(5));

    assert_eq!(r.mesh.carried["ward-2"], 2);
    assert_eq!(
        r.mesh.texts("ward-2", r.ben, r.rounds),
        ["Bed 4 is free", "Bed 5 too"]
    );
}

#[test]
fn a_message_survives_a_crash_and_the_node_goes_on_in_a_new_epoch() {
    let mut r = rounds();
    let before = r
        .mesh
        .post("front-desk", r.ana, r.rounds, "Bed 4 is free")
        .expect("posted");
    let disk = r.mesh.crash("front-desk");
    r.mesh.start("front-desk", disk, 0);
    let after = r
        .mesh
        .post("front-desk", r.ana, r.rounds, "Bed 5 too")
        .expect("posted");
    r.mesh.run_for(Duration::from_secs(5));

    assert!(after.epoch > before.epoch && after.seq == 1);
    assert_eq!(
        r.mesh.texts("ward-2", r.ben, r.rounds),
        ["Bed 4 is free", "Bed 5 too"]
    );
}

#[test]
fn a_disk_put_back_gets_its_own_messages_again_from_those_who_hold_them() {
    let mut r = rounds();
    let snapshot = r.mesh.offices["front-desk"].disk.clone();
    r.mesh
        .post("front-desk", r.ana, r.rounds, "Bed 4 is free")
        .expect("posted");
    r.mesh.run_for(Duration::from_secs(2));
    r.mesh.crash("front-desk");
    r.mesh.start("front-desk", snapshot, 0);
    r.mesh.run_for(Duration::from_secs(5));

    assert_eq!(
        r.mesh.texts("front-desk", r.ana, r.rounds),
        ["Bed 4 is free"]
    );
}

#[test]
fn a_message_is_gone_everywhere_when_its_days_are_over() {
    let mut r = rounds();
    r.mesh
        .post("front-desk", r.ana, r.rounds, "Bed 4 is free")
        .expect("posted");
    r.mesh.run_for(Duration::from_secs(2));
    r.mesh.sleep(days(31));
    r.mesh.run_for(minutes(2));

    for office in ["front-desk", "ward-2"] {
        let disk = &r.mesh.offices[office].disk;
        let mut logs = disk.of_space(&r.rounds);
        assert!(
            logs.all(|(_, log)| log.entries().all(|(_, entry)| entry.payload.is_none())),
            "{office}"
        );
    }
    assert!(r.mesh.texts("ward-2", r.ben, r.rounds).is_empty());
}

#[test]
fn a_revoked_device_is_cut_off_and_stays_out() {
    let mut r = rounds();
    r.mesh.clinic.revoke("pharmacy");
    r.mesh.submit("front-desk");
    r.mesh.run_for(Duration::from_secs(5));

    assert!(r.mesh.peers_of("pharmacy").is_empty());
    r.mesh
        .post("front-desk", r.ana, r.rounds, "Bed 4 is free")
        .expect("posted");
    r.mesh.run_for(minutes(2));
    assert!(r.mesh.peers_of("pharmacy").is_empty());
    assert_eq!(r.mesh.texts("ward-2", r.ben, r.rounds), ["Bed 4 is free"]);
}

#[test]
fn a_device_that_is_revoked_elsewhere_hears_of_it_before_its_channels_are_closed() {
    let mut r = rounds();
    r.mesh.clinic.revoke("pharmacy");
    r.mesh.submit("front-desk");
    r.mesh.run_for(Duration::from_secs(5));

    let cem = StaffId::new(crate::domain::testing::seed16("staff", "Cem"));
    let refused = r.mesh.post("pharmacy", cem, r.rounds, "Hello");
    assert_eq!(refused.expect_err("refused"), CommandRefusal::DeviceRevoked);
    assert!(r.mesh.peers_of("pharmacy").is_empty());
    let pharmacy = r.mesh.clinic.device("pharmacy").certificate.device;
    for office in ["front-desk", "ward-2"] {
        let trust = r.mesh.offices[office].trust.as_ref();
        assert!(trust.is_some_and(|trust| trust.revoked_devices.contains(&pharmacy)));
    }
}

#[test]
fn nothing_passes_to_a_revoked_device_while_the_disk_still_writes_what_revokes_it() {
    let mut r = rounds();
    r.mesh.slow_disk("front-desk");
    r.mesh.clinic.revoke("pharmacy");
    let command = Command::Submit {
        segments: r.mesh.clinic.segments.clone(),
        mesh_keys: Vec::new(),
    };
    let link = r.mesh.link_between("front-desk", "pharmacy");
    r.mesh.ask("front-desk", command);
    let silenced = &r.mesh.offices["front-desk"].silenced;
    assert_eq!(silenced.iter().next().copied(), link);
    let pharmacy = r.mesh.clinic.device("pharmacy").certificate.device;
    let ticket = r.mesh.ask("front-desk", Command::Status);
    let Some(Reply::Status(status)) = r.mesh.answer("front-desk", ticket) else {
        panic!("it says how it is");
    };
    assert!(status.links.iter().all(|link| link.peer != pharmacy));

    // Who judges the handshakes, and cuts at once, hears of it in any case.
    let cut = |r: &Rounds| {
        let trust = r.mesh.offices["front-desk"].trust.as_ref();
        trust.is_some_and(|trust| trust.revoked_devices.contains(&pharmacy))
    };
    assert!(!cut(&r));
    r.mesh.run_for(Duration::from_secs(3));
    assert!(cut(&r));
    r.mesh.quick_disk("front-desk");
    r.mesh.run_for(Duration::from_secs(5));
    assert!(r.mesh.peers_of("pharmacy").is_empty());
}

#[test]
fn only_members_write_and_only_at_home() {
    let mut r = rounds();
    let cem = StaffId::new(crate::domain::testing::seed16("staff", "Cem"));
    let refused = |result: Result<_, CommandRefusal>| result.expect_err("refused");
    assert_eq!(
        refused(r.mesh.post("pharmacy", cem, r.rounds, "Hello")),
        CommandRefusal::NotAMember
    );
    assert_eq!(
        refused(r.mesh.post("ward-2", r.ana, r.rounds, "Hello")),
        CommandRefusal::NotAtHome
    );
}

#[test]
fn what_others_attest_waits_for_company_so_that_the_next_message_does_not_wait_for_it() {
    let mut r = rounds();
    let post = |r: &mut Rounds, text| {
        r.mesh
            .post("front-desk", r.ana, r.rounds, text)
            .expect("posted");
        r.mesh.offices["front-desk"].commits
    };
    // Both messages are attested at once, which is known and not yet on the disk.
    let one = post(&mut r, "one");
    assert_eq!(post(&mut r, "two"), one + 1);
    // Left alone, it is written with the next tick.
    r.mesh.run_for(Duration::from_secs(2));
    assert_eq!(r.mesh.offices["front-desk"].commits, one + 2);
    r.mesh.run_for(Duration::from_secs(2));
    assert_eq!(r.mesh.offices["front-desk"].commits, one + 2);
}
