//! No contents, names, codes, passwords or keys stand in log lines, nor secrets in errors, whatever
//! happens: real nodes log all they can, through enrolment, sign-in, messages, refusals and attacks.

mod hostile;
mod markers;
#[path = "../support/processes.rs"]
mod processes;

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use clinic_mesh::api::client::Client;
use clinic_mesh::api::enrolment::MeshKeysView;
use clinic_mesh::api::{blob, login::LoginRequest};
use clinic_mesh::domain::id::{DeviceId, StaffId};
use clinic_mesh::domain::invitation::{InvitationSecret, SignInSecret};
use clinic_mesh::domain::log::Segment;
use clinic_mesh::domain::trust::MeshKey;
use clinic_mesh::node::{Identity, Store, StoreOptions, Unlock};
use hostile::{Attack, Traitor, request, shout_at};
use markers::{Kept, Markers};
use processes::{Clinic, Node, Said, Say as _, Talk, eventually};
use serde_json::Value;
use zeroize::Zeroizing;

const ZELDA: &str = "Zelda Fitzmarker";
const QUENTIN: &str = "Quentin Markwell";
const ROOM: &str = "Nephrology markers";
const PASSWORD: &str = "violet marker on tuesday";
const WRONG_PASSWORD: &str = "orange marker on friday";
const DIRECT: &str = "The marker of bed 4711 is raised";
const IN_ROOM: &str = "Rounds begin at the marker";
const FORGED: &str = "Zelda never wrote this marker";
const SHOUTED: &str = "a stranger's marker at the door";

/// A node, the clinic, and everything said so far.
struct Story {
    clinic: Clinic,
    markers: Markers,
    /// What commands and routes said that went wrong, and what else they had to say to the operator.
    errors: String,
    /// Runs what needs a runtime.
    runtime: tokio::runtime::Runtime,
}

impl Story {
    fn begin() -> Self {
        let clinic = Clinic::found();
        let mut markers = Markers::default();
        for (what, text) in [
            ("root passphrase", "a root passphrase"),
            ("admin passphrase", "an admin passphrase"),
            ("password", PASSWORD),
            ("wrong password", WRONG_PASSWORD),
            ("direct message", DIRECT),
            ("message in a room", IN_ROOM),
            ("forged message", FORGED),
            ("what a stranger said", SHOUTED),
        ] {
            markers.text(what, Kept::Secret, text);
        }
        for (what, text) in [
            ("clinic", "Test Clinic"),
            ("admin", "Robin"),
            ("staff member", ZELDA),
            ("staff member", QUENTIN),
            ("room", ROOM),
        ] {
            markers.text(what, Kept::OutOfLogs, text);
        }
        let page = std::fs::read_to_string(clinic.path("page")).expect("it was written");
        for line in page.lines().filter(|line| is_of_the_root_key(line)) {
            markers.text("root key", Kept::Secret, line.trim());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread();
        Self {
            clinic,
            markers,
            errors: String::new(),
            runtime: { runtime }
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("threads"),
        }
    }

    /// Runs a command to its end and notes what it complains about.
    fn said(&mut self, command: &mut Command) -> Said {
        let said = command.said();
        self.errors.push_str(&said.err);
        said
    }

    /// Runs a command on a node.
    fn on(&mut self, node: &Node, args: &[&str]) -> Said {
        let mut command = self.clinic.on(node, args);
        self.said(&mut command)
    }

    /// A file with one line.
    fn file(&self, name: &str, line: &str) -> String {
        let path = self.clinic.path(name);
        std::fs::write(&path, format!("{line}\n")).expect("room");
        let own = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, own).expect("ours");
        path.to_str().expect("plain").to_owned()
    }

    fn client(&self, node: &Node) -> Client {
        Client::new(&node.dir().join("api.sock"))
    }

    fn key_file(&mut self, node: &Node) -> Unlock {
        let text = std::fs::read_to_string(node.dir().with_extension("key")).expect("it is there");
        let hex = text.trim();
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        let key: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        self.markers.key("key file", &key);
        Unlock::KeyFile(Zeroizing::new(key.try_into().expect("32 bytes")))
    }

    /// The identity in the store of a node that does not run.
    fn identity(&mut self, node: &Node) -> Identity {
        let unlock = self.key_file(node);
        let store = Store::open(node.dir(), &StoreOptions::PRODUCT, &unlock).expect("it opens");
        let identity = Identity::load(&store).expect("it is enrolled");
        let keys = &identity.keys;
        self.markers
            .key("identity key", &*keys.signing_key().seed());
        self.markers.key("noise key", &*keys.noise_secret());
        identity
    }

    fn mesh_keys(&mut self, node: &Node) -> Vec<(u32, MeshKey)> {
        let client = self.client(node);
        let view: MeshKeysView = self
            .runtime
            .block_on(client.get("/v1/mesh-keys"))
            .expect("the operator may");
        let mut keys = Vec::new();
        for text in view.mesh_keys {
            let key = blob::unwrap_key(&text.key).expect("a key");
            self.markers.key("mesh key", &key);
            keys.push((text.epoch, MeshKey::new(key)));
        }
        keys
    }

    /// Enrols a machine by a code; then somebody tries the code again.
    fn join(&mut self, host: &Node, name: &str) -> Node {
        let mut node = self.clinic.node(name);
        node.log_level = Some("trace");
        let mut invite = self.clinic.invite(host, name);
        let code = invite.line()["code"].as_str().expect("a code").to_owned();
        self.markers.text("invitation", Kept::Secret, &code);
        let secret = InvitationSecret::from_code(&code).expect("a code");
        self.markers.key("invitation's psk", &secret.psk());
        shout_at(&host.enrolment, SHOUTED);
        let join = ["node", "join", &code, "--json", "--at", &host.enrolment];
        let mut command = self.clinic.on(&node, &join);
        let mut joining = Talk::begin(command.args(Clinic::local(&node, &[host])));
        assert_eq!(joining.line()["event"], "compare");
        assert_eq!(invite.line()["event"], "arrived");
        assert_eq!(invite.line()["event"], "done");
        assert!(joining.end().success());
        self.errors.push_str(&joining.complaint());
        let thief = self.clinic.node("thief");
        self.on(&thief, &join).failed(4);
        drop(invite);
        node
    }

    /// Adds a person, who signs in: first with a wrong code, then right, wrong, and right again.
    fn sign_in(&mut self, node: &Node, who: &str) -> StaffId {
        let add = [
            "staff",
            "add",
            who,
            "--home",
            &node.name,
            "--role",
            "clinician",
            "--json",
        ];
        let added = self.on(node, &add).done().json();
        let code = added["code"].as_str().expect("a code").to_owned();
        let wrong = SignInSecret::new(*b"not theirs").code();
        let right_password = self.file("right", PASSWORD);
        let wrong_password = self.file("wrong", WRONG_PASSWORD);
        for (what, code) in [("wrong sign-in code", &wrong), ("sign-in code", &code)] {
            self.markers.text(what, Kept::Secret, code);
            let file = self.file("code", code);
            let login = ["login", who, "--code", "--code-file", &file];
            let mut command = self.clinic.on(node, &login);
            let said = self.said(command.args(["--password-file", &right_password]));
            assert_eq!(said.code == 0, what == "sign-in code", "{}", said.err);
        }
        self.on(node, &["login", who, "--password-file", &wrong_password])
            .failed(4);
        self.on(node, &["login", who, "--password-file", &right_password])
            .done();
        let client = self.client(node);
        let request = LoginRequest::with_password(who, PASSWORD);
        let login = self.runtime.block_on(client.login(&request));
        let login = login.expect("the password is right");
        let token = login.token.as_deref().expect("at the socket");
        self.markers.text("token", Kept::Secret, token);
        StaffId::from_hex(added["staff"].as_str().expect("an id")).expect("an id")
    }

    /// Messages that arrive, and messages that are refused.
    fn talk(&mut self, front: &Node, ward: &Node) {
        let people = ["--member", ZELDA, "--member", QUENTIN];
        let mut create = self.clinic.on(front, &["room", "create", ROOM]);
        self.said(create.args(people)).done();
        self.on(front, &["send", QUENTIN, DIRECT]).done();
        self.on(front, &["send", ROOM, IN_ROOM]).done();
        for (place, text) in [(ZELDA, DIRECT), (ROOM, IN_ROOM)] {
            eventually("the message is there", || {
                let said = self.clinic.on(ward, &["read", place]).said();
                said.out.contains(text).then_some(())
            });
        }
        let long = DIRECT.repeat(16 * 1024 / DIRECT.len() + 1);
        self.on(front, &["send", ROOM, &long]).failed(4);
        self.on(front, &["send", "Nobody", DIRECT]).failed(3);
        let acknowledged = self.on(ward, &["acknowledge", ROOM, IN_ROOM]);
        assert_ne!(acknowledged.code, 0, "a text is not the id of a message");
    }

    /// Requests that no face of ours makes.
    fn misuse(&mut self, node: &Node) {
        let socket = node.dir().join("api.sock");
        let right = format!("{{\"name\":\"{ZELDA}\",\"password\":\"{PASSWORD}\"");
        let path = format!("/v1/conversations/{}/messages", ROOM.replace(' ', "%20"));
        let token = format!("authorization: Bearer {WRONG_PASSWORD}");
        let requests = [
            ("POST /v1/login HTTP/1.1".to_owned(), right.clone()),
            (
                "POST /v1/login HTTP/1.1".to_owned(),
                format!("{right},\"pin\":1}}"),
            ),
            (
                "POST /v1/login HTTP/1.1".to_owned(),
                format!("\"{PASSWORD}\""),
            ),
            (
                "POST /v1/login HTTP/1.1".to_owned(),
                format!("{{\"name\":[\"{PASSWORD}\"]}}"),
            ),
            (
                format!("POST {path} HTTP/1.1\r\n{token}"),
                format!("{{\"text\":\"{DIRECT}\"}}"),
            ),
            (
                format!("GET /v1/{} HTTP/1.1", ROOM.replace(' ', "%20")),
                String::new(),
            ),
        ];
        for (head, body) in requests {
            let answer = request(&socket, &head, &body);
            assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
            self.errors.push_str(&answer);
            self.errors.push('\n');
        }
    }

    fn record(&self, node: &Node) -> Vec<Segment> {
        self.runtime
            .block_on(self.client(node).record())
            .expect("the operator may")
    }
}

/// The page has the root key in groups of four letters.
fn is_of_the_root_key(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_group = |word: &&str| {
        word.chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
    };
    words.len() >= 3 && words.iter().filter(|word| is_group(word)).count() >= 3
}

#[test]
fn nothing_that_has_to_be_kept_is_in_a_log_line_or_an_error() {
    let mut story = Story::begin();
    let mut front = story.clinic.first_node("front-desk");
    front.log_level = Some("trace");
    front.start(&story.clinic);
    let mut ward = story.join(&front, "ward-2");
    let lost = story.join(&front, "lost");
    ward.start(&story.clinic);
    front.connected_to(&story.clinic, &ward);

    let people = (story.sign_in(&front, ZELDA), story.sign_in(&ward, QUENTIN));
    story.talk(&front, &ward);
    story.misuse(&front);
    shout_at(&front.listen, SHOUTED);
    attack(&mut story, &front, &lost, people);

    front.stop();
    ward.stop();
    let wrong = story.file("wrong.key", &"5a".repeat(32));
    story.markers.key("wrong key file", &[0x5a; 32]);
    let mut run = story.clinic.on(&front, &["node", "run"]);
    story
        .said(
            run.env("CLINIC_MESH_KEY_FILE", wrong)
                .env("CLINIC_MESH_LOG", "trace"),
        )
        .failed(4);
    story.identity(&front);
    story.identity(&ward);

    let logs = front.said() + &ward.said();
    assert!(
        logs.contains(" TRACE ") && logs.contains("refused"),
        "{} bytes",
        logs.len()
    );
    let shown = story.markers.in_logs(&logs);
    assert!(shown.is_empty(), "in logs:\n{}", shown.join("\n"));
    let shown = story.markers.in_errors(&story.errors);
    assert!(shown.is_empty(), "in errors:\n{}", shown.join("\n"));
}

/// The device "lost" attacks the front desk, is revoked, and tries again.
fn attack(story: &mut Story, front: &Node, lost: &Node, people: (StaffId, StaffId)) {
    let identity = story.identity(lost);
    let mesh_keys = story.mesh_keys(front).into_iter().collect();
    let traitor = Traitor::new(identity, story.record(front), mesh_keys);
    let status: Value = front.status(&story.clinic).expect("it runs");
    let victim = status["device"]
        .as_str()
        .and_then(DeviceId::from_hex)
        .expect("an id");
    let key: [u8; 32] = std::array::from_fn(|n| 171 ^ n as u8);
    story.markers.key("mesh key that a traitor made up", &key);
    let attack = Attack {
        victim,
        address: front.listen.parse().expect("an address"),
        people,
        text: FORGED,
        key,
    };
    let cut_off = story.runtime.block_on(traitor.attack(&attack));
    assert_ne!(cut_off, 0, "what can never be right ends the connection");
    story
        .on(front, &["device", "revoke", "lost", "--yes"])
        .done();
    story.runtime.block_on(traitor.come_back(&attack));
    story.mesh_keys(front);
}
