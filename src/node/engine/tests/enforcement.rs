//! Revocation with a clock: who is known to enforce what, and since when.

use super::*;
use crate::domain::enforcement::{Report, Standing, Target, Until};
use crate::domain::time::WallTime;
use crate::node::engine::Reply;

fn revocations(mesh: &mut Mesh, at: &str) -> Vec<Report> {
    let ticket = mesh.ask(at, Command::Revocations);
    match mesh.answer(at, ticket) {
        Some(Reply::Revocations(reports)) => reports.clone(),
        other => panic!("not revocations: {other:?}"),
    }
}

/// How the only revocation stands at an office, as another sees it.
fn stands(mesh: &mut Mesh, at: &str, office: &str) -> Standing {
    let device = mesh.clinic.device(office).id;
    let reports = revocations(mesh, at);
    let [report] = &reports[..] else {
        panic!("not one revocation: {reports:?}");
    };
    let place = report.places.iter().find(|place| place.device == device);
    place.expect("it takes part").standing
}

fn wall(mesh: &Mesh, at: &str) -> WallTime {
    mesh.now(at).wall
}

fn offices() -> Mesh {
    Mesh::of(SampleClinic::of([
        "front-desk",
        "lab",
        "pharmacy",
        "ward-2",
    ]))
}

fn revoke(mesh: &mut Mesh, office: &str, at: &str) {
    mesh.clinic.now = wall(mesh, at);
    let time = mesh.time;
    mesh.clinic.revoke(office);
    // The sample clinic's clock is where the mesh begins to count.
    mesh.clinic.now = WallTime(mesh.clinic.now.0 - time.as_millis() as u64);
    mesh.submit(at);
}

#[test]
fn the_word_of_every_connected_office_comes_back_with_its_moment() {
    let mut mesh = offices();
    revoke(&mut mesh, "lab", "front-desk");
    let heard = Some(wall(&mesh, "front-desk"));
    for office in ["front-desk", "pharmacy", "ward-2"] {
        let standing = stands(&mut mesh, "front-desk", office);
        assert_eq!(standing, Standing::Enforced { heard }, "{office}");
    }
    let report = &revocations(&mut mesh, "front-desk")[0];
    assert_eq!(report.places.len(), 3, "the revoked device is no place");
    assert!(report.is_enforced_everywhere());
}

#[test]
fn an_office_that_was_away_enforces_from_its_return_and_says_so() {
    let mut mesh = offices();
    mesh.run_for(minutes(1));
    let cut = wall(&mesh, "front-desk");
    mesh.cut("ward-2");
    mesh.run_for(minutes(30));
    revoke(&mut mesh, "lab", "front-desk");
    let standing = stands(&mut mesh, "front-desk", "ward-2");
    let Standing::Offline { since: Some(since) } = standing else {
        panic!("it is away: {standing:?}");
    };
    assert!(
        since <= cut && cut.0 - since.0 <= 5_000,
        "a beat ago: {since}"
    );
    let place = revocations(&mut mesh, "front-desk")[0].places.clone();
    assert!(
        place
            .iter()
            .any(|place| matches!(place.until, Some(Until::At(_))))
    );

    mesh.heal("ward-2");
    mesh.run_for(minutes(1));
    let Standing::Enforced { heard: Some(heard) } = stands(&mut mesh, "front-desk", "ward-2")
    else {
        panic!("it is back and says nothing");
    };
    let late = heard.0 - revocations(&mut mesh, "front-desk")[0].revoked.at.0;
    assert!(
        late <= 2_000,
        "{late} ms after the revocation, but it was back at once"
    );
}

#[test]
fn the_moment_and_the_absence_survive_a_restart() {
    let mut mesh = offices();
    revoke(&mut mesh, "lab", "front-desk");
    mesh.run_for(minutes(1));
    mesh.cut("pharmacy");
    mesh.run_for(minutes(1));
    let before: Vec<Standing> = ["front-desk", "pharmacy", "ward-2"]
        .map(|office| stands(&mut mesh, "front-desk", office))
        .into();
    let disk = mesh.crash("front-desk");
    mesh.run_for(minutes(5));
    mesh.start("front-desk", disk, 0);
    let after: Vec<Standing> = ["front-desk", "pharmacy", "ward-2"]
        .map(|office| stands(&mut mesh, "front-desk", office))
        .into();
    assert_eq!(before, after);
    let known = mesh.offices["front-desk"].disk.sightings.len();
    assert!(
        known >= 3,
        "what was heard of {known} devices is on the disk"
    );
}

#[test]
fn offices_whose_record_came_with_their_enrolment_say_that_they_hold_it() {
    let mut clinic = SampleClinic::of(["front-desk", "lab", "ward-2"]);
    clinic.revoke("lab");
    let mut mesh = Mesh::of(clinic);
    mesh.run_for(minutes(2));
    let standing = stands(&mut mesh, "front-desk", "ward-2");
    assert!(
        matches!(standing, Standing::Enforced { .. }),
        "{standing:?}"
    );
}

#[test]
fn the_word_of_an_office_reaches_those_it_is_not_connected_to() {
    let mut mesh = offices();
    mesh.cut("ward-2");
    revoke(&mut mesh, "lab", "front-desk");
    mesh.cut("front-desk");
    mesh.run_for(minutes(1));
    mesh.heal("ward-2");
    mesh.run_for(minutes(2));
    mesh.cut("ward-2");
    mesh.heal("front-desk");
    mesh.run_for(minutes(2));
    let standing = stands(&mut mesh, "front-desk", "ward-2");
    assert!(
        matches!(standing, Standing::Enforced { heard: Some(_) }),
        "the pharmacy had its word: {standing:?}"
    );
}

#[test]
fn a_suspended_person_is_a_revocation_of_their_own() {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2"]);
    let ana = clinic.staff("Ana", ["ward-2"]);
    let mut mesh = Mesh::of(clinic);
    mesh.cut("ward-2");
    mesh.clinic
        .say(crate::domain::statement::Act::StaffSuspended { staff: ana });
    mesh.submit("front-desk");
    let report = revocations(&mut mesh, "front-desk").remove(0);
    assert_eq!(report.revoked.target, Target::Staff(ana));
    assert!(
        report
            .places
            .iter()
            .any(|place| place.until == Some(Until::Told))
    );
}

#[test]
fn twenty_offices_cut_a_revoked_device_without_waiting_for_any_clock() {
    let mut clinic = SampleClinic::of(["lost"]);
    for number in 1..20 {
        clinic.enrol(&format!("office-{number:02}"));
    }
    let mut mesh = Mesh::of(clinic);
    assert_eq!(mesh.peers_of("lost").len(), 19);
    mesh.clinic.revoke("lost");

    // Not a second passes: what follows is frames and commits alone.
    mesh.submit("office-01");

    assert_eq!(mesh.peers_of("lost"), Vec::<String>::new());
    let report = &revocations(&mut mesh, "office-01")[0];
    assert_eq!(report.places.len(), 19);
    assert!(report.is_enforced_everywhere());
}
