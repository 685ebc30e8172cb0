//! The root key is changed, with real processes: by one admin, by several, after a thief, and with an
//! office away.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::processes::{self, Clinic, Node, Say as _, eventually};
use super::{clinic_with_shares, copy_dir, forget, grant, show, typed, works};

#[test]
fn the_root_key_is_changed_by_one_admin_and_the_old_one_is_worth_nothing() {
    let (clinic, front, sheets) = clinic_with_shares();
    let stolen = clinic.path("stolen");
    copy_dir(&clinic.path("authority"), &stolen);
    let changed = rotate_root(&clinic, &front, &clinic.path("authority"), "Robin", &[]).done();
    let changed = changed.json();
    assert_eq!(
        (&changed["done"], &changed["root_key"]),
        (&true.into(), &2.into())
    );
    let shown = show(&clinic);
    assert_eq!(
        (&shown["root_key"], &shown["shares"]),
        (&2.into(), &Value::Null)
    );

    let mut theft = clinic.on(
        &front,
        &["authority", "grant-admin", "Mallory", "--from-node"],
    );
    let refused = theft
        .arg("--new-passphrase-file")
        .arg(clinic.path("admin"))
        .env("CLINIC_MESH_AUTHORITY", &stolen)
        .said()
        .failed(4);
    assert!(refused.err.contains("removed"), "{}", refused.err);
    let old = clinic
        .command(&["authority", "shares", "check"])
        .stdin(typed(&clinic, &[&sheets[0], &sheets[1]]))
        .said()
        .failed(4);
    assert!(old.err.contains("earlier root key"), "{}", old.err);

    // The new key comes back from its page, where the record says that it is the root's.
    forget(&clinic.path("authority").join("root.key"));
    let page = std::fs::read_to_string(clinic.path("page-Robin")).expect("written");
    let recover = ["authority", "recover", "--json"];
    let back = clinic
        .command(&recover)
        .stdin(typed(&clinic, &[&page]))
        .said()
        .done()
        .json();
    assert_eq!(back["clinic"], shown["clinic"], "the id stays");
    grant(&clinic, &front, "Sam", &["--as", "Robin"]);
    works(&clinic, &front, "Sam");
}

#[test]
fn two_admins_take_the_clinic_back_from_a_thief_who_changed_the_root_key_first() {
    let (clinic, front, _) = clinic_with_shares();
    grant(&clinic, &front, "Sam", &["--as", "Robin"]);
    let (own, stolen) = (clinic.path("authority"), clinic.path("stolen"));
    copy_dir(&own, &stolen);
    take_over(&clinic, &front, &stolen, &["Robin", "Sam"]);
    rotate_root(&clinic, &front, &stolen, "Mallory", &[]).done();

    let asked = rotate_root(&clinic, &front, &own, "Robin", &[]).failed(4);
    assert!(asked.err.contains("--last"), "{}", asked.err);
    let (page, with_end) = (clinic.path("page-Robin"), ["--last", "3"]);
    std::fs::write(&page, "something else").expect("room");
    rotate_root(&clinic, &front, &own, "Robin", &with_end).failed(1);
    assert!(!own.join("root-next.key").exists(), "no key without paper");
    std::fs::remove_file(page).expect("just written");
    let begun = rotate_root(&clinic, &front, &own, "Robin", &with_end).done();
    let begun = begun.json();
    assert_eq!((&begun["signed"], &begun["needed"]), (&1.into(), &2.into()));
    let step = |args: &[&str]| clinic.on(&front, args).said();
    let early = step(&["authority", "rotate-root", "finish"]).failed(4);
    assert!(early.err.contains("1 of 2 admins"), "{}", early.err);
    let key = &begun["new_key"].as_str().expect("an id")[..8];
    let sign = [
        "authority",
        "rotate-root",
        "sign",
        "--yes",
        "--as",
        "Sam",
        "--new-key",
    ];
    let other = step(&[&sign[..], &["00000000"]].concat()).failed(3);
    assert!(other.err.contains("waits for you"), "{}", other.err);
    let signed = step(&[&sign[..], &[key]].concat()).done();
    assert!(signed.out.contains("in office"), "{}", signed.out);
    let done = step(&["authority", "rotate-root", "finish", "--json"]).done();
    assert_eq!(done.json()["done"], true);
    let again = step(&["authority", "rotate-root", "finish"]).done();
    assert!(again.out.contains("Root key number 2"), "{}", again.out);

    let eve = ["authority", "grant-admin", "Eve", "--from-node"];
    let late = by_thief(&clinic, &front, &stolen, &eve)
        .arg("--new-passphrase-file")
        .arg(clinic.path("admin"))
        .said();
    assert_ne!(late.code, 0, "{}", late.out);
    works(&clinic, &front, "Sam");
}

#[test]
fn an_office_that_has_not_heard_is_named_before_the_old_root_key_is_wiped() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let mut ward = clinic.join_by_files(&front, "ward-2", "Robin");
    ward.start(&clinic);
    front.connected_to(&clinic, &ward);
    ward.stop();
    let own = clinic.path("authority");
    let key = || std::fs::read(own.join("root.key")).expect("a key");
    let old = key();

    let begun = rotate_root(&clinic, &front, &own, "Robin", &[]).done();
    assert!(begun.err.contains("ward-2 of office"), "{}", begun.err);
    let begun = begun.json();
    assert_eq!(
        (&begun["done"], &begun["not_known"]),
        (&false.into(), &serde_json::json!(["ward-2"]))
    );
    let finish = |more: &[&str]| {
        let finish = ["authority", "rotate-root", "finish", "--json"];
        clinic.on(&front, &finish).args(more).said()
    };
    let unasked = finish(&[]).failed(2);
    for said in ["ward-2 of office", "Wipe it here all the same?", "--yes"] {
        assert!(unasked.err.contains(said), "{said}: {}", unasked.err);
    }
    assert_eq!(key(), old, "nobody has agreed");
    let kept = clinic.path("kept");
    copy_dir(&own, &kept);

    ward.start(&clinic);
    front.connected_to(&clinic, &ward);
    eventually("the ward's word on the change", || {
        let status = ["revoke", "status", "--json"];
        let told = clinic.on(&front, &status).said().done().json();
        let revoked = told["revocations"].as_array()?;
        let change = revoked.iter().find(|one| one["kind"] == "root_key")?;
        change["everywhere"].as_bool().filter(|known| *known)
    });
    let done = finish(&[]).done().json();
    assert_eq!(
        (&done["done"], &done["not_known"]),
        (&true.into(), &serde_json::json!([]))
    );
    assert_ne!(key(), old);

    // Whoever cannot wait says so, having read who is left behind.
    ward.stop();
    let mut lab = clinic.join_by_files(&front, "lab", "Robin");
    let finish = ["authority", "rotate-root", "finish", "--yes", "--json"];
    let mut command = clinic.on(&front, &finish);
    let done = command.env("CLINIC_MESH_AUTHORITY", &kept).said().done();
    assert!(done.err.contains("lab of office"), "{}", done.err);
    assert_eq!(done.json()["not_known"], serde_json::json!(["lab"]));
    lab.start(&clinic);
    front.connected_to(&clinic, &lab);
}

#[test]
fn a_node_that_believed_a_thief_of_the_root_key_hears_the_truth_from_the_one_it_revoked() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let mut ward = clinic.join_by_files(&front, "ward-2", "Robin");
    ward.start(&clinic);
    front.connected_to(&clinic, &ward);
    front.stop();
    // The ward will dial nobody whom it holds to be revoked: the front has to find it.
    knows(&front, &ward);
    let (own, stolen) = (clinic.path("authority"), clinic.path("stolen"));
    copy_dir(&own, &stolen);
    take_over(&clinic, &ward, &stolen, &["Robin"]);
    let begun = rotate_root(&clinic, &ward, &stolen, "Mallory", &[]).done();
    assert_eq!(begun.json()["not_known"], serde_json::json!(["front-desk"]));
    let revoke = ["device", "revoke", "front-desk", "--yes", "--watch", "0"];
    let mut revoke = by_thief(&clinic, &ward, &stolen, &revoke);
    revoke.args(["--as", "Mallory"]).said().done();
    let state = |at: &Node, of: &str| {
        let list = clinic.on(at, &["inventory", "--json"]).said().done().json();
        let devices = list["devices"].as_array().expect("a list").clone();
        let found = devices.into_iter().find(|device| device["name"] == of);
        found.expect("it is listed")["state"].clone()
    };
    assert_eq!(state(&ward, "front-desk"), "revoked");
    ward.stop();

    front.start(&clinic);
    rotate_root(&clinic, &front, &own, "Robin", &["--last", "2"]).done();
    front.stop();
    ward.start(&clinic);
    // It dials as soon as it starts, and need not wait for the next try.
    front.start(&clinic);
    eventually("the ward knows whom the clinic has", || {
        (state(&ward, "front-desk") == "connected").then_some(())
    });
    front.connected_to(&clinic, &ward);
    let done = ["authority", "rotate-root", "finish", "--yes"];
    clinic.on(&front, &done).said().done();
    works(&clinic, &front, "Robin");
}

/// A command of whoever has a copy of the keys.
fn by_thief(clinic: &Clinic, at: &Node, stolen: &Path, args: &[&str]) -> Command {
    let mut command = clinic.on(at, args);
    command.env("CLINIC_MESH_AUTHORITY", stolen);
    command
}

/// Whoever has a copy of the keys makes Mallory an admin and ends those of these names.
fn take_over(clinic: &Clinic, at: &Node, stolen: &Path, ended: &[&str]) {
    let grant = ["authority", "grant-admin", "Mallory", "--from-node"];
    by_thief(clinic, at, stolen, &grant)
        .arg("--new-passphrase-file")
        .arg(clinic.path("admin"))
        .said()
        .done();
    for name in ended {
        let end = ["authority", "end-admin", name, "--yes"];
        by_thief(clinic, at, stolen, &end).said().done();
    }
}

/// Has a node that is not running dial another one from its next start on.
fn knows(node: &Node, other: &Node) {
    let path = node.dir().join("node.toml");
    let text = std::fs::read_to_string(&path).expect("settings");
    let nobody = "bootstrap = []";
    assert!(text.contains(nobody), "{text}");
    let place = format!("bootstrap = [\"{}\"]", other.listen);
    std::fs::write(&path, text.replace(nobody, &place)).expect("ours");
}

/// Begins a change of the root key; the page goes into a file named after the admin.
fn rotate_root(
    clinic: &Clinic,
    at: &Node,
    authority: &Path,
    admin: &str,
    more: &[&str],
) -> processes::Said {
    let begin = [
        "authority",
        "rotate-root",
        "begin",
        "--yes",
        "--json",
        "--as",
        admin,
    ];
    clinic
        .on(at, &begin)
        .args(more)
        .arg("--new-passphrase-file")
        .arg(clinic.path("root"))
        .arg("--recovery-page")
        .arg(clinic.path(&format!("page-{admin}")))
        .env("CLINIC_MESH_AUTHORITY", authority)
        .said()
}
