//! Invitations that wait: listed, made again, withdrawn here and elsewhere, used twice, and what goes on meanwhile.

use rustix::process::Signal;

use super::processes::{Clinic, Say as _, Talk, eventually};

#[test]
fn an_invitation_whose_code_was_lost_is_listed_made_again_and_cancelled() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let states = || {
        let listed = ["device", "invitations", "--json"];
        let listed = clinic.on(&front, &listed).said().done().json();
        let lines = listed.as_array().expect("a list").clone();
        let state = |line: serde_json::Value| {
            assert_eq!(
                (&line["office"], &line["name"]),
                (&"ward-2".into(), &"ward-2".into())
            );
            line["state"].as_str().expect("a state").to_owned()
        };
        lines.into_iter().map(state).collect::<Vec<String>>()
    };
    // The machine of the admin fails: nobody takes the invitation back.
    let first = clinic.invite(&front, "ward-2").line();
    assert_eq!(states(), ["open"]);

    let id = first["invitation"].as_str().expect("an id");
    let again = ["device", "invite", "--again", id, "--json", "--yes"];
    let second = Talk::begin(&mut clinic.on(&front, &again)).line();
    assert_ne!(second["code"], first["code"]);
    assert_eq!(states(), ["open", "cancelled"]);

    let cancel = |named: &str| {
        let cancel = ["revoke", "invitation", named, "--json"];
        clinic.on(&front, &cancel).said()
    };
    cancel("ward-2").done();
    assert_eq!(states(), ["cancelled", "cancelled"]);
    let twice = cancel(id).failed(4);
    assert!(twice.err.contains("cancelled before"), "{}", twice.err);
    let status = ["revoke", "status", "--json"];
    let told = clinic.on(&front, &status).said().done().json();
    assert_eq!(told["revocations"][0]["kind"], "invitation");
    assert_eq!(told["revocations"].as_array().map(Vec::len), Some(2));
}

/// Who comes with a code that was withdrawn elsewhere would else be shown six digits, and be refused by the
/// signature only.
#[test]
fn an_invitation_that_is_cancelled_at_another_office_is_not_heard_any_more_where_it_waits() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let mut ward = clinic.join(&front, "ward-2");
    ward.start(&clinic);
    front.connected_to(&clinic, &ward);
    let mut waiting = clinic.invite(&ward, "lab");
    let mut other = clinic.invite(&front, "attic");
    let id = waiting.line()["invitation"]
        .as_str()
        .expect("an id")
        .to_owned();
    other.line();
    eventually("the front desk knows the invitation", || {
        let listed = ["device", "invitations", "--json"];
        let listed = clinic.on(&front, &listed).said().done();
        listed.out.contains(&id).then_some(())
    });
    let cancel = ["revoke", "invitation", &id];
    clinic.on(&front, &cancel).said().done();
    assert!(!waiting.end().success(), "the command that waits says so");
    let progress = clinic.on(&front, &["device", "invitations"]).said().done();
    assert!(progress.out.contains("open"), "the other one goes on");
    other.interrupt();
    ward.stop();
    front.stop();
}

#[test]
fn an_invitation_that_waits_keeps_nobody_from_revoking_and_lets_its_machine_in_afterwards() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let lost = clinic.join_by_files(&front, "lost", "Robin");
    drop(lost);
    clinic.staff(&front, "Ana", "front-desk");

    let mut invite = clinic.invite(&front, "ward-2");
    let code = invite.line()["code"].as_str().expect("a code").to_owned();
    // Both go into the log that the invitation waits to continue; the first changes the mesh key.
    let revoke = ["device", "revoke", "lost", "--yes"];
    clinic.on(&front, &revoke).said().done();
    clinic
        .on(&front, &["staff", "suspend", "Ana"])
        .said()
        .done();
    let mut ward = clinic.join_with(&front, "ward-2", invite, &code);
    ward.start(&clinic);
    front.connected_to(&clinic, &ward);

    let history = ["authority", "history", "--json"];
    clinic.on(&front, &history).said().done();
    let status = front.status(&clinic).expect("it answers");
    assert_eq!(status["forks"], serde_json::json!([]), "{status}");
    clinic
        .on(&front, &["staff", "reinstate", "Ana"])
        .said()
        .done();
}

#[test]
fn an_invitation_is_taken_back_by_whatever_ends_the_command_in_order() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    for (name, signal) in [
        ("interrupted", Signal::INT),
        ("told-to-end", Signal::TERM),
        ("window-closed", Signal::HUP),
    ] {
        let mut invite = clinic.invite(&front, name);
        invite.line();
        invite.stopped_by(signal);
        let complaint = invite.complaint();
        assert!(complaint.contains("nobody was let in"), "{complaint}");
        let listed = ["device", "invitations", "--json"];
        let listed = clinic.on(&front, &listed).said().done().json();
        let lines = listed.as_array().expect("a list");
        let line = lines.iter().find(|line| line["name"] == name);
        assert_eq!(line.expect("listed")["state"], "cancelled", "{listed}");
    }
}

#[test]
fn a_second_use_of_a_code_is_refused_and_the_admin_hears_of_it() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let mut invite = clinic.invite(&front, "ward-2");
    let code = invite.line()["code"].as_str().expect("a code").to_owned();
    let at = front.enrolment.clone();
    let join = ["node", "join", &code, "--json", "--at", &at];

    let first = clinic.node("ward-2");
    let mut joining = Talk::begin(&mut clinic.on(&first, &join));
    assert_eq!(joining.line()["event"], "compare");
    assert_eq!(invite.line()["event"], "arrived");
    assert_eq!(invite.line()["event"], "done");
    assert!(joining.end().success());

    let second = clinic.node("thief");
    let refused = clinic.on(&second, &join).said().failed(4);
    assert!(refused.err.contains("used already"), "{}", refused.err);
    assert!(
        !second.dir().join("store.redb").exists(),
        "nothing was made"
    );
    eventually("the alarm is in the log", || {
        front
            .said()
            .contains("tried again after its use")
            .then_some(())
    });
}
