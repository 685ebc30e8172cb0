//! What fails while something is being made leaves nothing half made behind: no clinic without its recovery
//! page, no device in the clinic record that nobody has.

#[path = "support/processes.rs"]
mod processes;
#[allow(dead_code, reason = "another test file uses the rest of it")]
#[path = "support/small_disk.rs"]
mod small_disk;

use std::io::Write as _;
use std::path::Path;

use clinic_mesh::node::{Store, StoreOptions, Unlock};
use processes::{Clinic, Node, Said, Say as _};
use small_disk::SmallDisk;
use zeroize::Zeroizing;

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

/// Where the power may go while `node init` makes a node, and what is there then.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// The store's files are there, and not the slots, which are written last of them.
    Slots,
    /// The store is whole and empty.
    Keys,
    /// The machine's keys are in it, and nobody certified them.
    Certificate,
    /// They are certified, and the store does not know.
    Answer,
    /// All is there but the settings.
    Settings,
}

impl Cut {
    /// Leaves what the power leaves.
    fn make(self, clinic: &Clinic, node: &Node) {
        let name = node.name.as_str();
        let request = clinic.path(name).with_extension("request");
        match self {
            Self::Settings => init(clinic, node.dir(), name).done(),
            Self::Keys => {
                let key = clinic.path(&format!("{name}.key"));
                let args = ["node", "request", "--name", name, "--out"];
                let elsewhere = clinic.path("elsewhere");
                let mut other = clinic.command(&args);
                other.env("CLINIC_MESH_DIR", &elsewhere);
                let made = other.env("CLINIC_MESH_KEY_FILE", &key).arg(&request);
                let made = made.said().done();
                let digits = std::fs::read_to_string(key).expect("made");
                let unlock = Unlock::KeyFile(bytes(digits.trim()));
                drop(Store::create(node.dir(), &StoreOptions::PRODUCT, &unlock).expect("room"));
                made
            }
            _ => {
                let args = ["node", "request", "--name", name, "--out"];
                on(clinic, node, &args).arg(&request).said().done()
            }
        };
        match self {
            Self::Slots => {
                std::fs::remove_file(node.dir().join("slots")).expect("it is there");
            }
            Self::Answer => {
                let enrol = ["device", "enrol", "--offline", "--yes", "--office", name];
                let mut command = clinic.command(&enrol);
                command.args(["--name", name]).arg(&request).arg("--out");
                command.arg(clinic.path(name).with_extension("answer"));
                command.said().done();
            }
            Self::Keys | Self::Certificate | Self::Settings => {}
        }
        let settings = node.dir().join("node.toml");
        if settings.exists() {
            std::fs::remove_file(settings).expect("ours");
        }
    }
}

fn bytes(digits: &str) -> Zeroizing<[u8; 32]> {
    let byte = |at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("digits");
    Zeroizing::new(std::array::from_fn(byte))
}

fn on(clinic: &Clinic, node: &Node, args: &[&str]) -> std::process::Command {
    let mut command = clinic.command(args);
    command.env("CLINIC_MESH_DIR", node.dir()).env(
        "CLINIC_MESH_KEY_FILE",
        clinic.path(&format!("{}.key", node.name)),
    );
    command
}

/// How often the record enrols a machine of this name.
fn enrolled(clinic: &Clinic, name: &str) -> usize {
    history(clinic)
        .matches(&format!(" {name} of office"))
        .count()
}

#[test]
fn a_node_whose_making_was_cut_off_is_made_by_the_same_command_wherever_that_was() {
    let clinic = Clinic::found();
    for cut in [
        Cut::Slots,
        Cut::Keys,
        Cut::Certificate,
        Cut::Answer,
        Cut::Settings,
    ] {
        let name = format!("{cut:?}");
        let mut node = clinic.node(&name);
        cut.make(&clinic, &node);
        let certified = enrolled(&clinic, &name);
        if certified == 1 {
            let args = ["node", "init", "--office", "other", "--name", "other"];
            let other = on(&clinic, &node, &args).said().failed(4);
            assert!(other.err.contains(&name), "{cut:?}: {}", other.err);
        }
        let local = Clinic::local(&node, &[]);
        let args = ["node", "init", "--office", &name, "--name", &name];
        on(&clinic, &node, &args).args(local).said().done();
        assert_eq!(enrolled(&clinic, &name), 1, "{cut:?}: {}", history(&clinic));
        let again = init(&clinic, node.dir(), &name).failed(4);
        assert!(again.err.contains("holds a node already"), "{}", again.err);
        node.start(&clinic);
        node.stop();
    }
}

#[test]
fn a_machine_that_waits_for_its_answer_is_not_taken_for_one_that_was_cut_off() {
    let clinic = Clinic::found();
    let node = clinic.node("ward-2");
    let request = ["node", "request", "--name", "ward-2", "--out"];
    let file = clinic.path("request");
    on(&clinic, &node, &request).arg(&file).said().done();
    let before = history(&clinic);
    let said = init(&clinic, node.dir(), "ward-2").failed(4);
    assert!(said.err.contains("holds a node already"), "{}", said.err);
    assert_eq!(history(&clinic), before);
    // Nor does asking anew take the place of what was cut off.
    std::fs::remove_file(node.dir().join("node.toml")).expect("it is written last");
    let said = on(&clinic, &node, &request)
        .arg(clinic.path("other"))
        .said();
    let said = said.failed(4);
    assert!(said.err.contains("was interrupted"), "{}", said.err);
    assert!(said.err.contains("run it again"), "{}", said.err);
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
