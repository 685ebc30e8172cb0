//! A node that was switched off and comes back without its key, unlocked by a staff member's password.

#[path = "support/processes.rs"]
mod processes;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;

use processes::{Clinic, Node, Say as _, eventually, free_address};
use serde_json::{Value, json};

const PASSWORD: &str = "violet lamp on tuesday";

/// An office whose staff may unlock it, with Ana who has signed in.
struct Office {
    clinic: Clinic,
    node: Node,
    /// Of the door for browsers on this machine.
    port: u16,
}

impl Office {
    fn open() -> Self {
        let clinic = Clinic::found();
        let mut node = clinic.first_node("front-desk");
        let address = free_address();
        let port = address
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok());
        set(
            &node,
            &format!("web_loopback = \"{address}\"\nstaff_unlock = true\n"),
        );
        node.start(&clinic);
        let office = Self {
            clinic,
            node,
            port: port.expect("a port"),
        };
        office.employ("Ana");
        eventually("her password opens the node", || office.slots());
        office
    }

    fn run(&self, args: &[&str]) -> processes::Said {
        self.clinic.on(&self.node, args).said()
    }

    /// Employs somebody, who signs in at the socket and so has a password.
    fn employ(&self, name: &str) {
        let add = [
            "staff",
            "add",
            name,
            "--role",
            "clinician",
            "--home",
            "front-desk",
            "--json",
        ];
        let added = self.run(&add).done().json();
        let (code, password) = (self.clinic.path("code"), self.clinic.path("password"));
        std::fs::write(&code, added["code"].as_str().expect("a code")).expect("room");
        std::fs::write(&password, PASSWORD).expect("room");
        let files = [&code, &password].map(|path| path.to_str().expect("plain"));
        let [code, password] = files;
        let login = [
            "login",
            name,
            "--code",
            "--code-file",
            code,
            "--password-file",
            password,
        ];
        self.run(&login).done();
    }

    /// Whether there are staff slots, by the size of their file: an empty one has about thirty bytes.
    fn slots(&self) -> Option<()> {
        let file = std::fs::metadata(self.node.dir().join("staff-slots")).ok()?;
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        (file.len() > 100).then_some(())
    }

    /// The power fails, and the node comes back without its key file at hand.
    fn power_cut(&mut self) {
        self.node.kill();
        let key = self.node.dir().with_extension("key");
        if key.exists() {
            std::fs::rename(&key, self.clinic.path("key-elsewhere")).expect("ours");
        }
        self.node.start_locked(&self.clinic);
    }

    /// A request at the door for browsers, as our page sends it.
    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let body = body.to_string();
        let host = format!("localhost:{}", self.port);
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("an open door");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("open");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let status = answer.get(9..12).and_then(|status| status.parse().ok());
        (status.expect("a status"), answer)
    }

    fn unlock(&self, name: &str, password: &str) -> u16 {
        let body = json!({ "name": name, "password": password });
        self.ask("POST", "/v1/node/unlock", &body).0
    }
}

/// Puts a line before everything else in a node's settings.
fn set(node: &Node, line: &str) {
    let file = node.dir().join("node.toml");
    let settings = std::fs::read_to_string(&file).expect("the node's settings");
    std::fs::write(&file, format!("{line}{settings}")).expect("room");
}

#[test]
fn after_a_power_cut_the_first_person_unlocks_the_node_and_signs_in_as_always() {
    let mut office = Office::open();
    office.employ("Bea");
    office.power_cut();

    // It says what is the matter, at every door.
    let said = office.run(&["node", "status"]).failed(5);
    assert!(
        said.err.contains("locked") && said.err.contains("name and password"),
        "{}",
        said.err
    );
    assert_eq!(office.ask("GET", "/v1/me", &json!({})).0, 503);
    assert_eq!(office.ask("GET", "/v1/status", &json!({})).0, 503);
    let login = json!({ "name": "Ana", "password": PASSWORD });
    assert_eq!(office.ask("POST", "/v1/login", &login).0, 503);
    let (status, page) = office.ask("GET", "/", &json!({}));
    assert!(status == 200 && page.contains("/assets/app.js"), "{page}");

    // Guessing makes one wait.
    assert_eq!(office.unlock("Ana", "not mine at all"), 401);
    let mut tries = 0;
    while office.unlock("BEA", "not hers at all") == 401 {
        tries += 1;
        assert!(tries < 12, "the waits grow, and a try takes a second");
    }
    assert!(tries >= 4, "everyone mistypes: {tries}");

    assert_eq!(office.unlock("Ana", PASSWORD), 200);
    eventually("the node runs", || office.node.status(&office.clinic));
    assert_eq!(office.ask("POST", "/v1/login", &login).0, 200);
    assert_eq!(office.unlock("Ana", PASSWORD), 409, "it is not locked");
    // Whoever guessed at Bea's goes on where they were: a wait of theirs may have gone by, and the next one
    // is longer than a try takes.
    let guess = json!({ "name": "Bea", "password": "not hers at all" });
    let goes_on = (0..2).map(|_| office.ask("POST", "/v1/login", &guess).0);
    assert!(goes_on.collect::<Vec<_>>().contains(&429), "no fresh tries");
    office.employ("Bo");
    let sent = office.run(&["send", "Bo", "It is light again", "--as", "Ana"]);
    // The login from before the power cut has ended; she signs in as always.
    let password = office.clinic.path("password");
    let password = password.to_str().expect("plain");
    assert_ne!(sent.code, 0);
    office
        .run(&["login", "Ana", "--password-file", password])
        .done();
    office
        .run(&["send", "Bo", "It is light again", "--as", "Ana"])
        .done();

    // Who unlocked it and what was tried before is on record.
    let trail = office.run(&["audit", "list", "--json"]).done().out;
    assert!(trail.contains("store_unlocked"), "{trail}");
    // As the node starts, the wrong tries, and hers.
    let found = trail.matches("store_unlocked").count();
    assert!(found > tries + 2, "{found} for {tries}: {trail}");
    office.node.stop();
}

#[test]
fn whoever_is_suspended_unlocks_nothing_and_what_is_switched_off_leaves_nothing_behind() {
    let mut office = Office::open();
    office.employ("Bo");
    let two = || {
        let file = std::fs::metadata(office.node.dir().join("staff-slots")).ok()?;
        (file.len() > 350).then_some(())
    };
    eventually("his password opens the node too", two);
    office.run(&["staff", "suspend", "Ana"]).done();
    eventually("hers does not any more", || two().is_none().then_some(()));
    office.power_cut();
    assert_eq!(office.unlock("Ana", PASSWORD), 401);
    assert_eq!(office.unlock("Bo", PASSWORD), 200);
    eventually("the node runs", || office.node.status(&office.clinic));
    office.node.stop();

    // With its key, and the switch off.
    let file = office.node.dir().join("node.toml");
    let settings = std::fs::read_to_string(&file).expect("the node's settings");
    std::fs::write(&file, settings.replace("staff_unlock = true", "")).expect("room");
    let (key, away) = (
        office.node.dir().with_extension("key"),
        office.clinic.path("key-elsewhere"),
    );
    std::fs::rename(away, key).expect("ours");
    office.node.start(&office.clinic);
    assert!(!office.node.dir().join("staff-slots").exists());
    assert!(!office.node.dir().join("locked-door").exists());
    office.node.stop();
}

#[test]
fn a_node_that_nobodys_password_opens_says_so_instead_of_waiting_for_ever() {
    let clinic = Clinic::found();
    let node = clinic.first_node("front-desk");
    set(&node, "staff_unlock = true\n");
    std::fs::remove_file(node.dir().with_extension("key")).expect("it was made");
    let said = clinic.on(&node, &["node", "run"]).said().failed(4);
    assert!(
        said.err
            .contains("no staff member's password opens this store yet"),
        "{}",
        said.err
    );
}
