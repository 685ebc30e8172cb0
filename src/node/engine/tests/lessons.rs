//! What went wrong once and must not again.

use std::time::Duration;

use super::mesh::Mesh;
use super::{Rounds, rounds};
use crate::domain::cert::{DeviceKind, Scopes};
use crate::domain::id::Hash;
use crate::domain::log::{Epoch, Head, Segment};
use crate::domain::sign::Signature;
use crate::domain::statement::{Act, LogEnd};
use crate::domain::testing::{SampleClinic, days, minutes};
use crate::domain::time::DAY_MS;
use crate::node::engine::CommandRefusal;
use crate::wire::{Frame, LogHead};

fn living_bodies(mesh: &Mesh, office: &str, space: &crate::domain::space::Space) -> usize {
    let logs = mesh.offices[office].disk.of_space(space);
    let entries = logs.flat_map(|(_, log)| log.entries().collect::<Vec<_>>());
    entries.filter(|(_, entry)| entry.payload.is_some()).count()
}

/// Takes Ana out of the room; gives the office time to notice.
fn take_ana_out(r: &mut Rounds) {
    change_members(r, true);
    r.mesh.run_for(minutes(3));
}

fn change_members(r: &mut Rounds, out: bool) {
    let crate::domain::space::Space::Room(room) = r.rounds else {
        panic!("rounds is a room");
    };
    let (add, remove) = if out {
        (Vec::new(), vec![r.ana])
    } else {
        (vec![r.ana], Vec::new())
    };
    r.mesh.clinic.now = r.mesh.clinic.now.plus(Duration::from_secs(1));
    r.mesh.clinic.say(Act::MembersChanged { room, add, remove });
    r.mesh.submit("ward-2");
    r.mesh.run_for(Duration::from_secs(5));
}

#[test]
fn a_clock_that_jumps_ahead_ends_no_day_while_a_peer_knows_better() {
    let mut r = rounds();
    r.mesh
        .post("front-desk", r.ana, r.rounds, "Bed 4 is free")
        .expect("posted");
    r.mesh.run_for(Duration::from_secs(5));
    let ward = r.mesh.offices.get_mut("ward-2").expect("it runs");
    ward.skew = 400 * DAY_MS as i64;
    r.mesh.run_for(Duration::from_secs(10));

    assert_eq!(living_bodies(&r.mesh, "ward-2", &r.rounds), 1);
}

#[test]
fn what_a_peer_said_of_its_clock_before_midnight_ends_no_day_an_hour_later() {
    let mut r = rounds();
    r.mesh.cut("ward-2");
    r.mesh.cut("pharmacy");
    let today = r.mesh.clinic.now.day();
    let evening = today.plus(1).start().minus(minutes(70));
    r.mesh.clinic.now = evening.minus(r.mesh.time);
    r.mesh.heal("ward-2");
    r.mesh.run_for(Duration::from_secs(2));
    r.mesh.coy.insert("front-desk".into());
    let ward = r.mesh.offices.get_mut("ward-2").expect("it runs");
    ward.skew = 400 * DAY_MS as i64;
    r.mesh.run_for(minutes(90));
    assert_eq!(r.mesh.offices["ward-2"].disk.horizon, today);

    r.mesh.coy.clear();
    r.mesh.run_for(Duration::from_secs(10));
    assert_eq!(r.mesh.offices["ward-2"].disk.horizon, today.plus(1));
}

#[test]
fn a_client_is_nobody_to_ask_for_the_time() {
    let mut mesh = Mesh::of(SampleClinic::of(["front-desk"]));
    mesh.clinic.enrol_as("laptop", |certificate| {
        certificate.kind = DeviceKind::Client
    });
    mesh.submit("front-desk");
    let today = mesh.clinic.now.day();
    mesh.sleep(Duration::from_secs(13 * 3600));
    mesh.run_for(Duration::from_secs(10));

    assert_eq!(mesh.offices["front-desk"].disk.horizon, today.plus(1));
}

#[test]
fn a_busy_peer_says_the_time_as_well() {
    let mut r = rounds();
    let begun = r.mesh.time;
    while r.mesh.time < begun + minutes(11) {
        r.mesh
            .post("front-desk", r.ana, r.rounds, "Bed 4 is free")
            .expect("posted");
        r.mesh.run_for(Duration::from_secs(2));
    }
    let between = ("front-desk".to_owned(), "ward-2".to_owned());
    assert!(r.mesh.said_time[&between] > begun + minutes(9));
}

#[test]
fn a_node_that_ran_for_days_ends_no_day_alone_when_it_is_cut_off_for_a_minute() {
    let mut r = rounds();
    r.mesh
        .post("front-desk", r.ana, r.rounds, "Bed 4 is free")
        .expect("posted");
    r.mesh.sleep(days(2));
    r.mesh.run_for(minutes(1));
    r.mesh.cut("front-desk");
    let desk = r.mesh.offices.get_mut("front-desk").expect("it runs");
    desk.skew = 400 * DAY_MS as i64;
    r.mesh.run_for(minutes(1));

    assert_eq!(living_bodies(&r.mesh, "front-desk", &r.rounds), 1);
}

#[test]
fn who_left_a_room_and_came_back_does_not_give_a_number_twice() {
    let mut r = rounds();
    let before = r
        .mesh
        .post("front-desk", r.ana, r.rounds, "Bed 4 is free")
        .expect("posted");
    take_ana_out(&mut r);
    let desk = &r.mesh.offices["front-desk"].disk;
    assert_eq!(desk.of_space(&r.rounds).count(), 0, "the room was given up");
    change_members(&mut r, false);
    let after = r
        .mesh
        .post("front-desk", r.ana, r.rounds, "Bed 5 too")
        .expect("posted");
    r.mesh.run_for(minutes(2));

    assert_ne!(before.log(), after.log());
    assert_eq!(
        r.mesh.texts("ward-2", r.ben, r.rounds),
        ["Bed 4 is free", "Bed 5 too"]
    );
}

#[test]
fn a_node_that_once_thought_it_was_next_year_is_heard_again_when_its_clock_is_right() {
    let mut r = rounds();
    let disk = r.mesh.crash("front-desk");
    r.mesh.start("front-desk", disk, 400 * DAY_MS as i64);
    // By its own clock it has heard nobody for a year, until it does.
    r.mesh.run_for(Duration::from_secs(2));
    r.mesh
        .post("front-desk", r.ana, r.rounds, "From next year")
        .expect("posted");
    let desk = r.mesh.offices.get_mut("front-desk").expect("it runs");
    desk.skew = 0;
    r.mesh.run_for(Duration::from_secs(2));
    r.mesh
        .post("front-desk", r.ana, r.rounds, "Bed 4 is free")
        .expect("posted");
    r.mesh.run_for(minutes(2));

    assert_eq!(r.mesh.texts("ward-2", r.ben, r.rounds), ["Bed 4 is free"]);
}

#[test]
fn a_catch_up_begins_in_the_middle_of_what_was_stored_as_one() {
    let mut r = rounds();
    r.mesh.slow_disk("front-desk");
    for text in ["one", "two", "three"] {
        let command = super::post(r.ana, r.rounds, text);
        r.mesh.ask("front-desk", command);
    }
    r.mesh.quick_disk("front-desk");
    r.mesh.run_for(Duration::from_secs(2));
    let posted = r.mesh.offices["front-desk"].disk.of_space(&r.rounds);
    let log = *posted.map(|(log, _)| log).next().expect("something");
    r.mesh.carried.clear();
    let want = Frame::Want {
        log,
        from: 3,
        credit: 1,
    };
    r.mesh.whisper("ward-2", "front-desk", &want);

    assert_eq!(r.mesh.carried["ward-2"], 1);
}

#[test]
fn an_empty_head_makes_nothing_of_a_log_that_nobody_holds() {
    let mut r = rounds();
    let before = r.mesh.offices["ward-2"].engine.clinic().clone();
    let author = r.mesh.clinic.device("pharmacy").id.into();
    let head = Head {
        seq: 0,
        hash: Hash::new([1; 32]),
    };
    let log = crate::domain::log::Log {
        space: r.rounds,
        author,
        epoch: Epoch(9),
    };
    let word = crate::domain::log::held(&log, head);
    let key = &r.mesh.clinic.device("pharmacy").key;
    let signature: Signature =
        crate::domain::attest::sign(&r.mesh.clinic.id, key, log.space, &word);
    let heads = vec![LogHead {
        author,
        epoch: log.epoch,
        head,
        signature,
    }];
    let space = r.rounds;
    let frame = Frame::Heads { space, heads };
    r.mesh.whisper("pharmacy", "ward-2", &frame);

    assert_eq!(
        r.mesh.offices["ward-2"].disk.logs.get(&log).map(|_| ()),
        None
    );
    assert_eq!(before.id, r.mesh.offices["ward-2"].engine.clinic().id);
}

#[test]
fn a_node_whose_disk_was_put_back_does_not_repeat_its_old_word_from_hearsay() {
    let mut r = rounds();
    let snapshot = r.mesh.offices["ward-2"].disk.clone();
    r.mesh
        .post("front-desk", r.ana, r.rounds, "Bed 4 is free")
        .expect("posted");
    r.mesh.run_for(Duration::from_secs(2));
    let desk = &r.mesh.offices["front-desk"].disk;
    let by = r.mesh.clinic.device("ward-2").id.into();
    let mut words = desk.attestations.values();
    let word = *words
        .find(|word| word.by == by && word.space == r.rounds)
        .expect("ward 2 holds it");
    r.mesh.crash("ward-2");
    r.mesh.start("ward-2", snapshot, 0);
    r.mesh.slow_disk("ward-2");
    r.mesh.run_for(Duration::from_secs(2));
    let attestations = vec![word];
    r.mesh
        .whisper("front-desk", "ward-2", &Frame::Attest { attestations });
    let heard = &r.mesh.offices["ward-2"];
    assert!(!heard.disk.attestations.contains_key(&word.subject()));

    r.mesh.quick_disk("ward-2");
    r.mesh.run_for(Duration::from_secs(5));
    assert_eq!(r.mesh.texts("ward-2", r.ben, r.rounds), ["Bed 4 is free"]);
}

#[test]
fn a_revocation_that_turns_out_void_ends_no_log_any_more() {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2", "pharmacy"]);
    let lee = clinic.admin("Lee", Scopes::of(Scopes::ALL));
    let ana = clinic.staff("Ana", ["front-desk"]);
    let ben = clinic.staff("Ben", ["ward-2"]);
    let cem = clinic.staff("Cem", ["pharmacy"]);
    let rounds = clinic.room("rounds", [ana, ben, cem]);
    let mut mesh = Mesh::of(clinic);
    let id = mesh.post("front-desk", ana, rounds, "one").expect("posted");
    mesh.run_for(Duration::from_secs(2));
    mesh.cut("ward-2");
    for text in ["two", "three"] {
        mesh.post("front-desk", ana, rounds, text).expect("posted");
    }
    mesh.run_for(Duration::from_secs(2));
    mesh.cut("front-desk");

    // Where the ward is, Lee takes the front desk out with what is known of it there.
    let end = LogEnd {
        space: rounds,
        epoch: id.epoch,
        seq: id.seq,
    };
    let revocation = mesh.clinic.revocation("front-desk", vec![end]);
    let act = Act::DeviceRevoked { revocation };
    let revoked = mesh.clinic.say_as("Lee", act);
    mesh.submit("ward-2");
    // But what Lee signed last does not count.
    mesh.clinic.say_root(Act::AdminEnded {
        admin: lee,
        last: revoked.seq - 1,
    });
    mesh.submit("ward-2");
    mesh.heal("ward-2");
    mesh.run_for(minutes(3));

    assert_eq!(mesh.texts("ward-2", ben, rounds), ["one", "two", "three"]);
}

/// Whoever was told of a revocation gives nothing to anybody, and would have to be enrolled again if it heard nothing
/// either once the admin who signed it was ended.
#[test]
fn a_device_whose_revocation_turns_out_void_hears_so_and_takes_part_again() {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2"]);
    let lee = clinic.admin("Lee", Scopes::of(Scopes::ALL));
    let ana = clinic.staff("Ana", ["front-desk"]);
    let ben = clinic.staff("Ben", ["ward-2"]);
    let rounds = clinic.room("rounds", [ana, ben]);
    let mut mesh = Mesh::of(clinic);
    let revocation = mesh.clinic.revocation("ward-2", Vec::new());
    let act = Act::DeviceRevoked { revocation };
    let revoked = mesh.clinic.say_as("Lee", act);
    mesh.submit("front-desk");
    mesh.run_for(Duration::from_secs(5));
    let late = mesh.post("ward-2", ben, rounds, "late");
    assert_eq!(late, Err(CommandRefusal::DeviceRevoked), "it was told");

    mesh.clinic.say_root(Act::AdminEnded {
        admin: lee,
        last: revoked.seq - 1,
    });
    mesh.submit("front-desk");
    mesh.heal("ward-2");
    mesh.run_for(minutes(3));
    mesh.post("ward-2", ben, rounds, "back").expect("posted");
    mesh.run_for(Duration::from_secs(5));
    assert_eq!(mesh.texts("front-desk", ana, rounds), ["back"]);
}

/// A running node and one that has just started have to say the same of a machine whose enrolment turns
/// out void after it was revoked: its logs end nowhere, since nobody has said so any more.
#[test]
fn an_enrolment_that_turns_out_void_takes_the_ends_of_its_revocation_along() {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2"]);
    let lee = clinic.admin("Lee", Scopes::of(Scopes::ALL));
    clinic.enrol_by("Lee", "pharmacy", |_| {});
    let ana = clinic.staff("Ana", ["front-desk"]);
    let cem = clinic.staff("Cem", ["pharmacy", "front-desk"]);
    let rounds = clinic.room("rounds", [ana, cem]);
    let mut mesh = Mesh::of(clinic);
    let id = mesh.post("pharmacy", cem, rounds, "one").expect("posted");
    mesh.post("pharmacy", cem, rounds, "two").expect("posted");
    mesh.run_for(Duration::from_secs(2));
    let end = LogEnd {
        space: rounds,
        epoch: id.epoch,
        seq: id.seq,
    };
    let revocation = mesh.clinic.revocation("pharmacy", vec![end]);
    mesh.clinic.say(Act::DeviceRevoked { revocation });
    mesh.submit("front-desk");
    assert_eq!(mesh.texts("front-desk", ana, rounds), ["one"]);

    mesh.clinic.say_root(Act::AdminEnded {
        admin: lee,
        last: 0,
    });
    mesh.submit("front-desk");
    let running = mesh.texts("front-desk", ana, rounds);
    let disk = mesh.crash("front-desk");
    mesh.start("front-desk", disk, 0);
    assert_eq!(running, mesh.texts("front-desk", ana, rounds));
    assert_eq!(running, ["one", "two"]);
}

#[test]
fn a_log_that_is_asked_for_again_while_it_is_being_read_is_sent_to_its_end() {
    let mut r = rounds();
    let texts = ["one", "two", "three"];
    let posted = texts.map(|text| r.mesh.post("front-desk", r.ana, r.rounds, text));
    let log = posted[2].as_ref().expect("posted").log();
    r.mesh.run_for(Duration::from_secs(2));
    r.mesh.rows = 1;
    let before = r.mesh.carried["ward-2"];
    let want = Frame::Want {
        log,
        from: 1,
        credit: 8,
    };
    r.mesh
        .whisper_all("ward-2", "front-desk", &[want.clone(), want]);
    assert_eq!(r.mesh.carried["ward-2"] - before, 3);
}

/// A newly enrolled office asks for a statement that comes before the grant of who signed it. If it is
/// lost then, all the rest must not wait for it: the minute's comparison tells of it again.
#[test]
fn a_statement_that_a_peer_has_and_does_not_deliver_keeps_nothing_else_waiting() {
    let mut r = rounds();
    r.mesh.cut("front-desk");
    let claim = claim_of_a_statement(&r.mesh, 1_000);
    r.mesh.first_words.insert("ward-2".into(), claim);
    let posted = r.mesh.post("front-desk", r.ana, r.rounds, "Bed 4 is free");
    assert!(posted.is_ok());
    r.mesh.heal("front-desk");
    r.mesh.run_for(minutes(1));
    assert_eq!(r.mesh.texts("ward-2", r.ben, r.rounds), ["Bed 4 is free"]);
}

/// What an office says that has a log of the record, the admin's, up to a number.
fn claim_of_a_statement(mesh: &Mesh, seq: u64) -> Frame {
    let author = mesh.clinic.segments.last().expect("the record").log.author;
    let hash = Hash::ZERO;
    let claim = LogHead {
        author,
        epoch: Epoch::RECORD,
        head: Head { seq, hash },
        signature: Signature::new([0; 64]),
    };
    Frame::Heads {
        space: crate::domain::space::Space::Record,
        heads: vec![claim],
    }
}

/// Two peers know of a statement that an office lacks. The one that was asked for it is revoked or gone, and
/// an admin brings it by hand before the other is asked: that link has nothing left to wait for.
#[test]
fn a_statement_that_an_admin_brings_is_not_waited_for_from_a_peer() {
    let mut clinic = SampleClinic::of(["front-desk", "pharmacy", "ward-2"]);
    let ben = clinic.staff("Ben", ["ward-2"]);
    let cem = clinic.staff("Cem", ["pharmacy"]);
    let rounds = clinic.room("rounds", [ben, cem]);
    let mut mesh = Mesh::of(clinic);
    mesh.cut("ward-2");
    mesh.post("pharmacy", cem, rounds, "Bed 4 is free")
        .expect("posted");
    let admin = mesh.clinic.segments.last().expect("the record").log.author;
    let statements = mesh.clinic.segments.iter();
    let theirs = statements.filter(|segment| segment.log.author == admin);
    let next = theirs.map(Segment::last).max().expect("some") + 1;
    let claim = claim_of_a_statement(&mesh, next);
    for office in ["front-desk", "pharmacy"] {
        mesh.first_words.insert(office.into(), claim.clone());
    }
    mesh.heal("ward-2");
    mesh.run_for(Duration::from_secs(1));
    let asked = |peer: &str| mesh.asked.get(&("ward-2".to_owned(), peer.to_owned()));
    assert_eq!((asked("front-desk"), asked("pharmacy")), (Some(&1), None));

    mesh.cut("front-desk");
    let suspended = mesh.clinic.staff("Dee", ["ward-2"]);
    mesh.clinic.say(Act::StaffSuspended { staff: suspended });
    mesh.submit("ward-2");
    mesh.run_for(minutes(5));
    assert_eq!(mesh.texts("ward-2", ben, rounds), ["Bed 4 is free"]);
}
