//! What fails while something is being made leaves nothing half made behind: no clinic without its recovery
//! page, no device in the clinic record that nobody has.

#[path = "support/processes.rs"]
mod processes;
#[allow(dead_code, reason = "another test file uses the rest of it")]
#[path = "support/small_disk.rs"]
mod small_disk;

use std::io::Write as _;
use std::path::Path;

use processes::{Clinic, Said, Say as _};
use small_disk::SmallDisk;

/// Set to 1, what needs a small disk is left out, and said to be.
const WITHOUT: &str = "CLINIC_MESH_NO_MOUNTS";

fn init(clinic: &Clinic, dir: &Path, name: &str) -> Said {
    let args = ["node", "init", "--office", name, "--name", name];
    let mut command = clinic.command(&args);
    command
        .env("CLINIC_MESH_DIR", dir)
        .env("CLINIC_MESH_KEY_FILE", clinic.path(&format!("{name}.key")));
    command.said()
}

/// The clinic's history as the authority has it.
fn history(clinic: &Clinic) -> String {
    clinic.command(&["authority", "history"]).said().done().out
}

#[test]
fn a_clinic_whose_recovery_page_cannot_be_written_is_not_founded() {
    let clinic = Clinic::found();
    let again = |page: &Path| {
        let dir = clinic.path("second");
        let args = ["authority", "init", "--name", "Second", "--admin", "Robin"];
        let mut command = clinic.command(&args);
        command
            .env("CLINIC_MESH_AUTHORITY", &dir)
            .arg("--recovery-page")
            .arg(page);
        (command.said(), dir)
    };
    let (said, dir) = again(&clinic.path("page"));
    assert!(said.failed(1).err.contains("already exists"));
    assert!(!dir.exists(), "nothing was founded");
    let (_, dir) = again(&clinic.path("no-such-folder/page"));
    assert!(!dir.exists(), "nothing was founded");
    let page = clinic.path("second-page");
    let (said, dir) = again(&page);
    said.done();
    assert!(dir.exists() && page.exists());
    // Where no clinic can be founded, no empty page is left.
    let page = clinic.path("third-page");
    let (said, _) = again(&page);
    assert_ne!(said.code, 0);
    assert!(!page.exists());
}

#[test]
fn a_node_that_cannot_be_made_is_not_in_the_record() {
    let clinic = Clinic::found();
    let before = history(&clinic);
    let deep = clinic.path(&"deep".repeat(30));
    let said = init(&clinic, &deep, "ward-2").failed(4);
    assert!(said.err.contains("too long for a socket"), "{}", said.err);
    assert_eq!(history(&clinic), before);

    // Too little for the store's files, and too little for what is written into them first.
    for free in [16, 48, 80, 200] {
        let Some(disk) = small_disk() else {
            return;
        };
        disk.others_take((1024 - free) << 10);
        let dir = disk.dir();
        let node = dir.path().join("n");
        let said = init(&clinic, &node, "ward-2");
        assert_ne!(said.code, 0, "{free} KiB are no room: {}", said.out);
        assert_eq!(history(&clinic), before, "{}", said.err);
        assert!(
            !node.join("slots").exists(),
            "nothing is in the way of the next try"
        );
    }
    // Where there is room, the same command makes it.
    init(&clinic, &clinic.path("ward-2"), "ward-2").done();
    assert!(history(&clinic).contains("ward-2"));
}

#[test]
fn a_node_whose_making_was_interrupted_is_told_from_a_whole_one() {
    let clinic = Clinic::found();
    let dir = clinic.path("ward-2");
    let on = |args: &[&str]| {
        let mut command = clinic.command(args);
        command
            .env("CLINIC_MESH_DIR", &dir)
            .env("CLINIC_MESH_KEY_FILE", clinic.path("ward-2.key"));
        command
    };
    // What a power cut leaves of `node init` as well: a store with the machine's keys, and no settings.
    let request = ["node", "request", "--name", "ward-2", "--out"];
    on(&request).arg(clinic.path("request")).said().done();
    std::fs::remove_file(dir.join("node.toml")).expect("it is written last");
    let said = init(&clinic, &dir, "ward-2").failed(4);
    assert!(said.err.contains("was interrupted"), "{}", said.err);
    assert!(said.err.contains("device revoke"), "{}", said.err);
    let run = on(&["node", "run"]).said();
    assert_ne!(run.code, 0);
    assert!(run.err.contains("not enrolled"), "{}", run.err);

    std::fs::remove_dir_all(&dir).expect("ours");
    init(&clinic, &dir, "ward-2").done();
    let said = init(&clinic, &dir, "ward-2").failed(4);
    assert!(said.err.contains("holds a node already"), "{}", said.err);
}

/// A file system of one MiB, or none where the test was told to go without.
fn small_disk() -> Option<SmallDisk> {
    match SmallDisk::make(1) {
        Ok(disk) => Some(disk),
        Err(why) if std::env::var_os(WITHOUT).is_some_and(|set| set == "1") => {
            let mut err = std::io::stderr();
            writeln!(
                err,
                "NOT RUN: no file system can be mounted ({why}); {WITHOUT} is set"
            )
            .expect("room");
            None
        }
        Err(why) => panic!("no file system can be mounted here (run as root): {why}"),
    }
}
