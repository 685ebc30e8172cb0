//! What was purged is in no file of real nodes, whatever key is left; and without the keys nothing is.
//!
//! Two offices exchange messages in real processes that log all they can; a drill moves their days; they
//! purge, and are killed. Then every byte they left on the disk is read with every key they left there.

#[path = "../support/processes.rs"]
mod processes;
mod reader;

use std::path::{Path, PathBuf};

use clinic_mesh::api::client::Client;
use clinic_mesh::api::login::LoginRequest;
use clinic_mesh::domain::time::Day;
use clinic_mesh::platform::clock::Clock;
use memchr::memmem;
use processes::{Clinic, Node, PASSWORD, Person, Say as _, eventually};
use reader::Keyring;

/// What Ana writes to Ben, in a room, and in a longer message; none of it is in another.
const MESSAGES: [&str; 3] = [
    "Mrs Yellowhammer may go home on Thursday",
    "Bed 4711 needs the tall infusion stand",
    "Dr Quillfeather asks for the second opinion",
];

/// What Ben answers from the other office.
const ANSWER: &str = "Thursday suits the Yellowhammer family";

/// What Ana has begun to write.
const DRAFT: &str = "Perhaps the Nightingale ward has";

/// What she writes when the others are gone.
const LATER: &str = "A fresh day at the Larkspur desk";

const ROOM: &str = "rounds";

/// A later day than any that the messages may be kept until.
const DAYS_AHEAD: u32 = 3;

/// Every file below a directory that is one, with its name.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in dir.read_dir().expect("there") {
        let entry = entry.expect("there");
        let kind = entry.file_type().expect("there");
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push((entry.path(), std::fs::read(entry.path()).expect("ours")));
        }
    }
    found
}

fn contains(bytes: &[u8], text: &str) -> bool {
    memmem::find(bytes, text.as_bytes()).is_some()
}

/// None of what anybody wrote stands in clear in any file of the clinic, logs and backups included, nor
/// in the name of one.
#[track_caller]
fn nothing_in_clear(clinic: &Clinic, logs_of: [&Node; 2]) {
    let files = files(&clinic.path("."));
    let read = |name: &str| files.iter().any(|(path, _)| path.ends_with(name));
    for name in [
        "store.redb",
        "keyring",
        "slots",
        "reserve",
        "backup",
        "front-desk.log",
    ] {
        assert!(read(name), "{name} is looked at");
    }
    for node in logs_of {
        assert!(
            node.said().contains(" TRACE "),
            "{} logs all it can",
            node.name
        );
    }
    for (path, bytes) in &files {
        let name = path.display().to_string();
        for text in MESSAGES.into_iter().chain([ANSWER, DRAFT, LATER]) {
            assert!(!contains(bytes, text), "{text:?} stands in {name}");
            assert!(!name.contains(text), "{name}");
        }
    }
}

/// The contents of the file that opens a node's store.
fn key_file(node: &Node) -> [u8; 32] {
    let text = std::fs::read_to_string(node.dir().with_extension("key")).expect("it is there");
    let hex = text.trim();
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    let key: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    key.try_into().expect("32 bytes")
}

/// All that can be read with the keys that a node has left: its own pages, and older ones, as a disk's
/// spare blocks keep them.
fn readable(node: &Node, older: &[u8]) -> Vec<u8> {
    let keyring = Keyring::open(node.dir(), &key_file(node));
    let mut found = keyring.read(&pages(node));
    found.extend(keyring.read(older));
    found
}

fn pages(node: &Node) -> Vec<u8> {
    std::fs::read(node.dir().join("store.redb")).expect("the store has it")
}

/// Ana begins a message and does not send it.
fn draft(node: &Node) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a thread").block_on(async {
        let client = Client::new(&node.socket());
        let login = client
            .login(&LoginRequest::with_password("Ana", PASSWORD))
            .await;
        let token = login.expect("her password").token.expect("at the socket");
        let client = client.with_token(&token);
        client.draft(ROOM, DRAFT).await.expect("she is a member");
    });
}

/// The messages go to and fro, and somebody looks for a word in them.
fn talk(clinic: &Clinic, front: &Node, ward: &Node) -> Person {
    let ana = clinic.staff(front, "Ana", "front-desk");
    let ben = clinic.staff(front, "Ben", "ward-2");
    ana.sign_in(clinic, front);
    eventually("Ben is known at the ward", || ben.try_sign_in(clinic, ward));
    let create = ["room", "create", ROOM, "--member", "Ana", "--member", "Ben"];
    clinic.on(front, &create).said().done();
    for (to, text) in [
        ("Ben", MESSAGES[0]),
        (ROOM, MESSAGES[1]),
        (ROOM, MESSAGES[2]),
    ] {
        ana.send(clinic, front, to, text);
    }
    ben.reads(clinic, ward, "Ana", MESSAGES[0]);
    ben.reads(clinic, ward, ROOM, MESSAGES[2]);
    ben.send(clinic, ward, "Ana", ANSWER);
    ana.reads(clinic, front, "Ben", ANSWER);
    let search = ["search", "yellowhammer", "--as", "Ana"];
    let found = clinic.on(front, &search).said().done();
    assert!(found.out.contains(ANSWER));
    draft(front);
    ana
}

/// A sealed copy of everything, which leaves the node as it is being written.
fn backup(clinic: &Clinic, node: &Node) {
    let key = clinic.path("backup.key");
    let key = key.to_str().expect("plain");
    let made = clinic
        .command(&["backup", "key", key, "--json"])
        .said()
        .done();
    let made = made.json();
    let to = made["recipient"].as_str().expect("text");
    let make = ["backup", "make", "--to", to];
    let mut make = clinic.on(node, &make);
    make.arg(clinic.path("backup")).said().done();
}

/// The trail says that the messages of both conversations are destroyed, of this day too.
fn has_purged(clinic: &Clinic, node: &Node, last: Day) -> Option<()> {
    let trail = clinic.on(node, &["audit", "list", "--json"]).said().done();
    let trail = trail.json();
    let lines = trail.as_array().expect("a list").iter();
    let purged = lines.filter(|line| {
        let what = line["what"].as_str().expect("words");
        let horizon = what.rsplit(' ').next().expect("the last word");
        line["deed"] == "messages_purged" && *horizon > *last.to_string()
    });
    (purged.count() >= 2).then_some(())
}

/// Starts them some days later, until the messages of before are destroyed.
fn purge(clinic: &Clinic, nodes: [&mut Node; 2]) {
    // Policy keeps them for a day after the one that they were written on.
    let last = Clock::start().now().day().plus(1);
    let nodes = nodes.map(|node| {
        node.days_ahead = DAYS_AHEAD;
        node.start(clinic);
        &*node
    });
    for node in nodes {
        eventually("it has purged", || has_purged(clinic, node, last));
    }
}

/// Messages are kept for a day after the one that they were written on.
fn keep_for_a_day(clinic: &Clinic, node: &Node) {
    let settings = ["room_days=1", "direct_days=1"];
    let policy = |words: &[&str]| {
        let mut command = clinic.on(node, &["policy"]);
        command.args(words).args(settings).said().done()
    };
    let plan = policy(&["plan", "--json"]).json();
    let digest = plan["digest"].as_str().expect("a digest");
    policy(&["set", "--plan", digest]);
}

#[test]
fn what_was_purged_is_in_no_file_of_a_node_and_without_the_keys_nothing_is() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.log_level = Some("trace");
    front.start(&clinic);
    keep_for_a_day(&clinic, &front);
    let mut ward = clinic.join(&front, "ward-2");
    ward.log_level = Some("trace");
    ward.start(&clinic);
    let ana = talk(&clinic, &front, &ward);
    backup(&clinic, &front);
    front.kill();
    ward.kill();

    let before = [pages(&front), pages(&ward)];
    nothing_in_clear(&clinic, [&front, &ward]);
    for node in [&front, &ward] {
        let found = readable(node, &[]);
        for text in MESSAGES.into_iter().chain([ANSWER]) {
            assert!(
                contains(&found, text),
                "the reader finds what is alive: {text}"
            );
        }
        assert!(!contains(&found, DRAFT), "nobody's record yet");
    }

    purge(&clinic, [&mut front, &mut ward]);
    let login = ["login", "Ana", "--password-file"];
    let password = clinic.path("Ana.password");
    clinic.on(&front, &login).arg(password).said().done();
    ana.send(&clinic, &front, "Ben", LATER);
    front.kill();
    ward.kill();

    nothing_in_clear(&clinic, [&front, &ward]);
    for (node, before) in [&front, &ward].into_iter().zip(&before) {
        let found = readable(node, before);
        for text in MESSAGES.into_iter().chain([ANSWER, DRAFT]) {
            assert!(
                !contains(&found, text),
                "{text:?} can be read at {}",
                node.name
            );
        }
    }
    assert!(
        contains(&readable(&front, &[]), LATER),
        "the reader reads on"
    );
}
