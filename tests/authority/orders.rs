//! Admins who do things in another order than was meant, twice, or with a right too few.

use super::processes::{Clinic, Node, Say as _};
use super::{copy_dir, grant, show};

/// Lets somebody in whom nobody else knows of.
const ADD: [&str; 7] = [
    "staff",
    "add",
    "Mallory",
    "--home",
    "front-desk",
    "--role",
    "clinician",
];

/// A clinic with a node that runs, and a machine that was let in by files.
fn clinic_with_ward() -> (Clinic, Node) {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    clinic.join_by_files(&front, "ward-2", "Robin");
    (clinic, front)
}

fn revoke(clinic: &Clinic, at: &Node, admin: &str) -> super::processes::Said {
    let revoke = [
        "device", "revoke", "ward-2", "--yes", "--watch", "0", "--json", "--as", admin,
    ];
    clinic.on(at, &revoke).said()
}

fn state(clinic: &Clinic, at: &Node, device: &str) -> String {
    let list = clinic.on(at, &["device", "list", "--json"]).said().done();
    let list = list.json();
    let all = list.as_array().expect("a list");
    let found = all.iter().find(|one| one["name"] == device);
    found.expect("listed")["state"].to_string()
}

#[test]
fn a_machine_is_out_although_its_admin_may_not_change_the_mesh_key_and_another_completes_it() {
    let (clinic, front) = clinic_with_ward();
    grant(
        &clinic,
        &front,
        "Rita",
        &["--as", "Robin", "--may", "revoke"],
    );
    let key = show(&clinic)["mesh_key"].clone();
    let said = revoke(&clinic, &front, "Rita").done().json();
    assert_eq!(said["mesh_key_changed"], false, "{said}");
    let why = said["mesh_key_why"].as_str().expect("a reason");
    assert!(why.contains("no right"), "{why}");
    assert_eq!(state(&clinic, &front, "ward-2"), "\"revoked\"");
    assert_eq!(show(&clinic)["mesh_key"], key);

    let said = revoke(&clinic, &front, "Robin").done().json();
    assert_eq!(said["mesh_key_changed"], true, "{said}");
    assert_ne!(show(&clinic)["mesh_key"], key);
    let said = revoke(&clinic, &front, "Robin").failed(4);
    assert!(said.err.contains("is revoked already"), "{}", said.err);
}

#[test]
fn an_admin_who_was_removed_is_trusted_for_less_afterwards_and_it_is_said_what_that_undoes() {
    let (clinic, front) = clinic_with_ward();
    grant(&clinic, &front, "Sam", &["--as", "Robin"]);
    clinic.on(&front, &ADD).args(["--as", "Sam"]).said().done();
    let end = |more: &[&str]| {
        let end = ["authority", "end-admin", "Sam"];
        clinic.on(&front, &end).args(more).said()
    };
    end(&["--yes"]).done();
    let again = end(&["--yes"]).failed(4);
    assert!(again.err.contains("is removed already"), "{}", again.err);
    let asked = end(&["--last", "0"]).failed(2);
    for words in [
        "people who cannot sign in any more: Mallory",
        "counting 0 of 1",
    ] {
        assert!(asked.err.contains(words), "{words}: {}", asked.err);
    }
    end(&["--last", "0", "--yes"]).done();
    let staff = clinic
        .on(&front, &["staff", "list", "--json"])
        .said()
        .done();
    assert!(!staff.out.contains("Mallory"), "{}", staff.out);
    let more = end(&["--last", "1", "--yes"]).failed(4);
    assert!(more.err.contains("up to number 0"), "{}", more.err);
    // Before a passphrase for a fresh key is asked for: none is given here.
    let change = ["authority", "change-admin", "Sam", "--days", "30", "--yes"];
    let change = clinic.on(&front, &change).args(["--as", "Robin"]).said();
    let change = change.failed(3);
    assert!(change.err.contains("was removed"), "{}", change.err);
    let known = clinic.on(&front, &["authority", "history"]).said().done();
    assert!(!known.err.contains("could be asked"), "{}", known.err);
    let stale = clinic.command(&["authority", "history"]).said().done();
    assert!(
        stale.err.contains("no node of the clinic could be asked"),
        "{}",
        stale.err
    );
}

#[test]
fn what_was_signed_with_a_copy_of_the_directory_is_in_the_history_of_the_other_one() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let stolen = clinic.path("stolen");
    copy_dir(&clinic.path("authority"), &stolen);
    let mut theft = clinic.on(&front, &ADD);
    theft.env("CLINIC_MESH_AUTHORITY", &stolen).said().done();
    let history = clinic.on(&front, &["authority", "history"]).said().done();
    assert!(history.out.contains("Mallory"), "{}", history.out);
}

#[test]
fn a_key_that_is_not_in_the_directory_is_named_before_a_passphrase_is_typed() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let key = clinic.path("authority/root.key");
    std::fs::rename(&key, clinic.path("a stick")).expect("kept elsewhere");
    let no_passphrase = |args: &[&str]| {
        let mut command = clinic.on(&front, args);
        command.env_remove("CLINIC_MESH_ROOT_PASSPHRASE_FILE");
        command.env_remove("CLINIC_MESH_ADMIN_PASSPHRASE_FILE");
        command.said().failed(3).err
    };
    let end = no_passphrase(&["authority", "end-admin", "Robin"]);
    assert!(end.contains("the root key is not in"), "{end}");
    assert!(end.contains("authority recover"), "{end}");
    let sign = no_passphrase(&["authority", "rotate-mesh-key", "--as", "Sam"]);
    for words in ["no key of an admin Sam", "those of Robin"] {
        assert!(sign.contains(words), "{words}: {sign}");
    }
}

#[test]
fn a_path_that_cannot_be_written_costs_nothing_and_a_lost_request_or_answer_is_made_once_more() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let ward = clinic.node("ward-2");
    let (request, answer) = (
        clinic.path("a stick/request"),
        clinic.path("a stick/answer"),
    );
    let ask = || {
        let mut ask = clinic.on(&ward, &["node", "request", "--out"]);
        ask.arg(&request)
            .args(Clinic::local(&ward, &[&front]))
            .said()
    };
    let enrol = || {
        let enrol = [
            "device", "enrol", "--yes", "--office", "ward-2", "--name", "ward-2",
        ];
        let mut enrol = clinic.on(&front, &enrol);
        enrol.arg(&request).arg("--out").arg(&answer).said()
    };
    let missing = ask().failed(3);
    assert!(missing.err.contains("does not exist"), "{}", missing.err);
    std::fs::create_dir(clinic.path("a stick")).expect("the stick is there");
    ask().done();
    let settings = std::fs::read(ward.dir().join("node.toml")).expect("made");
    std::fs::remove_file(&request).expect("the stick was lost");
    let again = clinic
        .on(&ward, &["node", "request", "--out"])
        .arg(&request)
        .said();
    let again = again.done();
    assert!(
        again.err.contains("the same keys ask again"),
        "{}",
        again.err
    );
    let kept = std::fs::read(ward.dir().join("node.toml")).expect("kept");
    assert_eq!(kept, settings);

    std::fs::write(&answer, "something else").expect("room");
    let before = show(&clinic)["statements"].clone();
    let taken = enrol().failed(1);
    assert!(taken.err.contains("already exists"), "{}", taken.err);
    assert_eq!(show(&clinic)["statements"], before, "nothing was signed");
    std::fs::remove_file(&answer).expect("moved away");
    enrol().done();
    let signed = show(&clinic)["statements"].clone();
    std::fs::remove_file(&answer).expect("the stick was lost again");
    let again = enrol().done();
    assert!(again.err.contains("written once more"), "{}", again.err);
    assert_eq!(show(&clinic)["statements"], signed, "nor now");
    let join = || {
        clinic
            .on(&ward, &["node", "join", "--answer"])
            .arg(&answer)
            .said()
    };
    join().done();
    let asked = ask().failed(1);
    assert!(asked.err.contains("already exists"), "{}", asked.err);
    std::fs::remove_file(&request).expect("done with");
    let asked = ask().failed(4);
    assert!(asked.err.contains("holds a node already"), "{}", asked.err);
}
