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

    let disk = match SmallDisk::make(1) {
        Ok(disk) => disk,
        Err(why) if std::env::var_os(WITHOUT).is_some_and(|set| set == "1") => {
            let mut err = std::io::stderr();
            writeln!(
                err,
                "NOT RUN: no file system can be mounted ({why}); {WITHOUT} is set"
            )
            .expect("room");
            return;
        }
        Err(why) => panic!("no file system can be mounted here (run as root): {why}"),
    };
    disk.others_take(900 << 10);
    let dir = disk.dir();
    let node = dir.path().join("n");
    let said = init(&clinic, &node, "ward-2");
    assert_ne!(said.code, 0, "there is no room: {}", said.out);
    assert_eq!(history(&clinic), before, "{}", said.err);
    // Where there is room, the same command makes it.
    init(&clinic, &clinic.path("ward-2"), "ward-2").done();
    assert!(history(&clinic).contains("ward-2"));
    // And the disk holds nothing that would be in the way of the next try.
    assert!(!node.join("slots").exists());
}
