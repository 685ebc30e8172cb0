//! Admins' keys, with real processes: a grant that is changed, and a key that was used twice.

use super::processes::{Clinic, Say as _};
use super::{copy_dir, show, works};

#[test]
fn an_admin_is_narrowed_and_prolonged_by_a_fresh_key_and_the_old_one_signs_nothing_more() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let before = clinic.path("before");
    copy_dir(&clinic.path("authority"), &before);
    let change = |more: &[&str]| {
        let change = ["authority", "change-admin", "Robin", "--json"];
        let mut command = clinic.on(&front, &change);
        command.args(more).arg("--new-passphrase-file");
        command.arg(clinic.path("admin")).said()
    };
    change(&["--yes"]).failed(2);
    let unasked = change(&["--days", "900"]).failed(2);
    assert!(
        unasked.err.contains("remove Robin for good?"),
        "{}",
        unasked.err
    );
    let narrowed = change(&["--may", "enrol,staff", "--days", "900", "--yes"]);
    let narrowed = narrowed.done().json();
    assert_eq!(
        (&narrowed["name"], &narrowed["ended"], &narrowed["may"]),
        (
            &"Robin 2".into(),
            &"Robin".into(),
            &serde_json::json!(["enrol", "staff"])
        )
    );
    let shown = show(&clinic);
    let admins = shown["admins"].as_array().expect("a list");
    let removed = |name: &str| {
        let found = admins.iter().find(|admin| admin["name"] == name);
        found.map(|admin| admin["removed"] == true)
    };
    assert_eq!(
        (removed("Robin"), removed("Robin 2")),
        (Some(true), Some(false))
    );

    let revoke = ["authority", "rotate-mesh-key", "--as"];
    let beyond = clinic.on(
        &front,
        &["policy", "set", "room_days=90", "--yes", "--as", "Robin 2"],
    );
    refused(beyond, "had no right");
    let mut old = clinic.on(&front, &revoke);
    old.arg("Robin").env("CLINIC_MESH_AUTHORITY", &before);
    refused(old, "removed");
    works(&clinic, &front, "Robin 2");
}

fn refused(mut command: std::process::Command, why: &str) {
    let said = command.said().failed(4);
    assert!(said.err.contains(why), "{why}: {}", said.err);
}

#[test]
fn a_key_that_was_used_from_two_places_is_told_so_and_signs_nothing_more_for_the_node() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let copy = clinic.path("copy");
    copy_dir(&clinic.path("authority"), &copy);
    clinic.staff(&front, "Ana", "front-desk");
    // The copy goes on where it was, away from every node.
    for name in ["ward-2", "ward-3"] {
        let node = clinic.node(name);
        let (request, answer) = clinic.request_of(&node, &[]);
        let enrol = [
            "device",
            "enrol",
            "--yes",
            "--offline",
            "--office",
            name,
            "--name",
            name,
        ];
        let mut command = clinic.on(&front, &enrol);
        command.arg(&request).arg("--out").arg(&answer);
        command.env("CLINIC_MESH_AUTHORITY", &copy).said().done();
    }
    let rotate = ["authority", "rotate-mesh-key"];
    let mut command = clinic.on(&front, &rotate);
    let said = command.env("CLINIC_MESH_AUTHORITY", &copy).said().failed(4);
    for words in [
        "the node does not take what this key signed before",
        "if the key was used twice, have the root end it",
    ] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
}
