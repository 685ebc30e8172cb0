//! Clocks that are wrong by hours or by more than a year.

use super::*;
use crate::domain::testing::NOON;
use crate::domain::trust::{Circumstances, Refusal};

/// What a clock is set wrong by, in milliseconds.
const FORGED: [i64; 4] = [
    3 * 3600 * 1000,
    -3 * 3600 * 1000,
    400 * 24 * 3600 * 1000,
    -400 * 24 * 3600 * 1000,
];

/// Ana, Ben and Cem share a room; Ben's office has a clock that somebody set.
fn with_forged_clock(skew: i64) -> (Rounds, StaffId) {
    let mut clinic = SampleClinic::of([]);
    for office in ["front-desk", "ward-2", "pharmacy"] {
        clinic.enrol_renewer(office);
    }
    let ana = clinic.staff("Ana", ["front-desk"]);
    let ben = clinic.staff("Ben", ["ward-2"]);
    let cem = clinic.staff("Cem", ["pharmacy"]);
    let rounds = clinic.room("rounds", [ana, ben, cem]);
    let mut mesh = Mesh::of(clinic);
    mesh.run_for(minutes(1));
    mesh.offices.get_mut("ward-2").expect("it runs").skew = skew;
    mesh.run_for(minutes(1));
    let rounds = Rounds {
        mesh,
        ana,
        ben,
        rounds,
    };
    (rounds, cem)
}

/// Somebody puts the clock right; what waited for that is taken.
fn put_right(mesh: &mut Mesh) {
    mesh.offices.get_mut("ward-2").expect("it runs").skew = 0;
    mesh.run_for(minutes(3));
}

#[test]
fn a_forged_clock_reorders_nobody_elses_messages() {
    for skew in FORGED {
        let (mut r, cem) = with_forged_clock(skew);
        for (office, staff, text) in [
            ("front-desk", r.ana, "1"),
            ("pharmacy", cem, "2"),
            ("ward-2", r.ben, "x"),
            ("front-desk", r.ana, "3"),
            ("ward-2", r.ben, "y"),
            ("pharmacy", cem, "4"),
        ] {
            r.mesh.post(office, staff, r.rounds, text).expect("posted");
            r.mesh.run_for(Duration::from_secs(2));
        }
        let in_order = |r: &mut Rounds, office, staff| {
            let mut texts = r.mesh.texts(office, staff, r.rounds);
            texts.retain(|text| text != "x" && text != "y");
            assert_eq!(texts, ["1", "2", "3", "4"], "at {office}, {skew} ms off");
        };
        let (ana, ben) = (r.ana, r.ben);
        in_order(&mut r, "front-desk", ana);
        in_order(&mut r, "pharmacy", cem);
        put_right(&mut r.mesh);
        in_order(&mut r, "front-desk", ana);
        in_order(&mut r, "ward-2", ben);
    }
}

/// Two clocks that differ by less than anybody refuses, and one that was far ahead until now: what is written
/// after the correction answers what was read before it.
#[test]
fn what_is_written_after_a_clock_was_put_right_comes_after_what_was_read() {
    let (mut r, _) = with_forged_clock(10 * 60 * 1000);
    let desk = r.mesh.offices.get_mut("front-desk").expect("it runs");
    desk.skew = 2 * 60 * 1000;
    r.mesh.post("ward-2", r.ben, r.rounds, "x").expect("posted");
    r.mesh
        .post("front-desk", r.ana, r.rounds, "1")
        .expect("posted");
    r.mesh.run_for(Duration::from_secs(2));
    r.mesh.offices.get_mut("ward-2").expect("it runs").skew = 0;
    r.mesh.run_for(Duration::from_secs(1));
    r.mesh.post("ward-2", r.ben, r.rounds, "2").expect("posted");
    r.mesh.run_for(Duration::from_secs(2));
    assert_eq!(r.mesh.texts("ward-2", r.ben, r.rounds), ["1", "2", "x"]);
    assert_eq!(r.mesh.texts("front-desk", r.ana, r.rounds), ["1", "2"]);
}

/// What was written while the clock was ahead is accepted once its moment has come; who writes it anew by
/// then does so after it.
#[test]
fn what_is_written_when_the_moment_of_a_wrong_clock_has_come_comes_after_what_it_dated() {
    let (mut r, _) = with_forged_clock(7 * 60 * 1000);
    let post = |r: &mut Rounds, text| {
        let (ben, rounds) = (r.ben, r.rounds);
        r.mesh.post("ward-2", ben, rounds, text).expect("posted");
        r.mesh.run_for(Duration::from_secs(2));
    };
    post(&mut r, "x");
    r.mesh.offices.get_mut("ward-2").expect("it runs").skew = 0;
    r.mesh.run_for(Duration::from_secs(1));
    post(&mut r, "1");
    r.mesh.run_for(minutes(5));
    post(&mut r, "2");
    assert_eq!(r.mesh.texts("front-desk", r.ana, r.rounds), ["1", "x", "2"]);
}

#[test]
fn what_was_written_before_a_clock_leapt_ahead_does_not_wait_until_it_is_right() {
    // Not so far that the ward would find itself cut off for too long to write.
    for skew in [10 * 60 * 1000, FORGED[0]] {
        let (mut r, _) = with_forged_clock(0);
        r.mesh.cut("ward-2");
        let post = |r: &mut Rounds, text| {
            r.mesh
                .post("ward-2", r.ben, r.rounds, text)
                .expect("posted");
        };
        post(&mut r, "1");
        post(&mut r, "2");
        r.mesh.offices.get_mut("ward-2").expect("it runs").skew = skew;
        post(&mut r, "x");
        post(&mut r, "y");
        r.mesh.heal("ward-2");
        r.mesh.run_for(minutes(3));
        // The ward catches them up by a clock to which nothing is ahead.
        let texts = r.mesh.texts("front-desk", r.ana, r.rounds);
        assert_eq!(texts, ["1", "2"], "{skew} ms off");
    }
}

/// Two offices with clocks that are ahead take each other's entries. What the one wrote before its clock leapt
/// must not be tied to what it wrote then, where nobody has it but the other.
#[test]
fn what_two_wrong_clocks_agree_on_ties_nothing_together() {
    let mut clinic = SampleClinic::of(["archive", "front-desk", "ward-2", "pharmacy"]);
    let ana = clinic.staff("Ana", ["front-desk"]);
    let ben = clinic.staff("Ben", ["ward-2"]);
    let cem = clinic.staff("Cem", ["pharmacy"]);
    let rounds = clinic.room("rounds", [ana, ben, cem]);
    let mut mesh = Mesh::of(clinic);
    let older = mesh.offices["ward-2"].disk.clone();
    let set = |mesh: &mut Mesh, office: &str, skew| {
        mesh.offices.get_mut(office).expect("it runs").skew = skew;
    };
    mesh.cut("front-desk");
    mesh.cut("ward-2");
    mesh.post("ward-2", ben, rounds, "1").expect("posted");
    set(&mut mesh, "ward-2", FORGED[0]);
    mesh.post("ward-2", ben, rounds, "x").expect("posted");
    set(&mut mesh, "pharmacy", 3 * FORGED[0]);
    mesh.heal("ward-2");
    mesh.run_for(minutes(1));
    assert_eq!(mesh.texts("pharmacy", cem, rounds), ["1", "x"]);

    mesh.crash("ward-2");
    mesh.start("ward-2", older, 0);
    set(&mut mesh, "pharmacy", 0);
    mesh.heal("front-desk");
    mesh.run_for(minutes(3));
    assert_eq!(mesh.texts("front-desk", ana, rounds), ["1"]);
}

#[test]
fn a_forged_clock_destroys_nothing_early() {
    for skew in FORGED {
        let (mut r, cem) = with_forged_clock(skew);
        r.mesh
            .post("pharmacy", cem, r.rounds, "keep")
            .expect("posted");
        r.mesh.run_for(minutes(10));
        put_right(&mut r.mesh);
        for (office, staff) in [("front-desk", r.ana), ("ward-2", r.ben)] {
            assert_eq!(
                r.mesh.texts(office, staff, r.rounds),
                ["keep"],
                "{skew} ms off"
            );
        }
    }
}

#[test]
fn a_forged_clock_brings_no_certificate_back() {
    for skew in FORGED.into_iter().filter(|skew| *skew < 0) {
        let (mut r, _) = with_forged_clock(0);
        let end = r.mesh.clinic.device("pharmacy").certificate.not_after;
        r.mesh.sleep(days(30));
        r.mesh.run_for(minutes(20));
        r.mesh.offices.get_mut("ward-2").expect("it runs").skew = skew;
        r.mesh.run_for(minutes(1));
        let now = r.mesh.judging("ward-2");
        assert!(
            now > end.plus(minutes(15)),
            "it knows better than its clock: {now}"
        );
        // What pharmacy was enrolled with, as somebody who kept a copy of it would show it.
        let kept = r.mesh.clinic.device("pharmacy").credentials();
        let shown = kept.open(&r.mesh.clinic.id).expect("signed");
        let at = Circumstances {
            proven: shown.certificate.noise_key,
            dialled: None,
            address: None,
            now,
        };
        let verdict = r.mesh.clinic.trust("ward-2").admit_opened(&shown, at);
        assert_eq!(verdict, Err(Refusal::Expired), "{skew} ms off");
    }
}

#[test]
fn a_clock_that_leaps_ahead_alone_makes_no_moment_certain() {
    for skew in FORGED.into_iter().filter(|skew| *skew > 0) {
        let (mut r, _) = with_forged_clock(skew);
        r.mesh.run_for(minutes(10));
        for office in ["front-desk", "ward-2", "pharmacy"] {
            let now = r.mesh.now(office);
            let certain = r.mesh.offices[office].engine.certain_base().plus(now.mono);
            assert!(
                certain <= NOON.plus(minutes(13)),
                "{office} believes {certain}"
            );
        }
    }
}

#[test]
fn a_node_says_how_far_its_clock_is_from_its_peers_and_who_is_right_does_not_complain() {
    use crate::domain::health::Concern;
    use crate::node::engine::Reply;
    for skew in FORGED {
        let (mut r, _) = with_forged_clock(skew);
        let mut status = |office: &str| {
            let ticket = r.mesh.ask(office, Command::Status);
            match r.mesh.answer(office, ticket) {
                Some(Reply::Status(status)) => status.clone(),
                other => panic!("no status: {other:?}"),
            }
        };
        let wrong = status("ward-2");
        let [Concern::Clock { offset_ms }] = wrong.concerns[..] else {
            panic!("{:?}", wrong.concerns);
        };
        assert!((offset_ms + skew).abs() < 60_000, "{offset_ms} for {skew}");
        // Of its two peers one is wrong: the nearer is believed.
        assert_eq!(status("front-desk").concerns, []);
    }
}
