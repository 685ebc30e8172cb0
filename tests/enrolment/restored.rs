//! An office comes back from a backup of before a revocation, and the revoked machine is still somewhere.

use super::processes::{Clinic, Node, Person, Said, Say as _, eventually};

/// The room that everybody here is in.
const ROOM: &str = "rounds";

/// Three offices with somebody at each, all in one room; the ward has a backup in which the lab is in order, and
/// the lab, which has heard nothing, has been revoked since.
struct Restored {
    clinic: Clinic,
    front: Node,
    ward: Node,
    lab: Node,
    ana: Person,
    ben: Person,
    cem: Person,
}

impl Restored {
    /// All of it, the lab being revoked with these options, up to the moment at which the restored ward is about
    /// to start. Nothing runs but the front desk.
    fn begin(how: &[&str]) -> Self {
        let clinic = Clinic::found();
        let mut front = clinic.first_node("front-desk");
        front.start(&clinic);
        let mut ward = clinic.join_by_files(&front, "ward-2", "Robin");
        ward.start(&clinic);
        let mut lab = clinic.join_by_files(&front, "lab", "Robin");
        dials(&lab, &[&front, &ward]);
        lab.start(&clinic);
        let [ana, ben, cem] = [("Ana", &front), ("Ben", &ward), ("Cem", &lab)].map(|(name, at)| {
            let person = clinic.staff(&front, name, &at.name);
            eventually("signed in", || person.try_sign_in(&clinic, at));
            person
        });
        let create = ["room", "create", ROOM, "--as", "Robin"];
        let members = ["--member", "Ana", "--member", "Ben", "--member", "Cem"];
        let mut create = clinic.on(&front, &create);
        create.args(members).said().done();
        eventually("the lab knows the room", || {
            let send = ["send", ROOM, "Bloods are done", "--as", "Cem"];
            let said = clinic.on(&lab, &send).said();
            (said.code == 0).then_some(())
        });
        ben.reads(&clinic, &ward, ROOM, "Bloods are done");

        let backup = Backup::make(&clinic, &ward);
        lab.stop();
        let revoke = ["device", "revoke", "lab", "--yes", "--watch", "0"];
        clinic.on(&front, &revoke).args(how).said().done();
        eventually("the ward knows", || holds_revoked(&clinic, &ward));
        ward.kill();
        std::fs::remove_dir_all(ward.dir()).expect("the machine is lost");
        backup.restore(&clinic, &ward);
        Self {
            clinic,
            front,
            ward,
            lab,
            ana,
            ben,
            cem,
        }
    }

    /// The lab has come to these offices, and each has turned it away.
    fn turned_away_by(&self, offices: &[&Node]) {
        for office in offices {
            eventually("it was turned away", || {
                let said = office.said();
                let mut lines = said
                    .lines()
                    .filter(|line| line.contains("handshake refused"));
                lines
                    .any(|line| line.contains("code=5 by=Us"))
                    .then_some(())
            });
            assert!(!office.peers(&self.clinic).contains(&self.lab.name));
        }
        assert_eq!(self.lab.peers(&self.clinic), [""; 0]);
        let status = self.lab.status(&self.clinic).expect("it runs");
        assert_eq!(status["warnings"][0]["kind"], "revoked", "{status}");
    }

    fn writes(&self, person: &Person, at: &Node, text: &str) {
        person.send(&self.clinic, at, ROOM, text);
    }

    /// Cem has got nothing of what Ana wrote since, and nobody else sees what he wrote since.
    fn nothing_passed(&self) {
        // A machine that has heard of its end shows him nothing at all.
        let got = self.reads_page("Cem", &self.lab).out;
        for text in ["Bed 4 is free", "Taken, thank you"] {
            assert!(!got.contains(text), "{got}");
        }
        for (name, at) in [("Ana", &self.front), ("Ben", &self.ward)] {
            let page = self.page(name, at);
            assert!(page.contains("Bloods are done"), "of before: {page}");
            assert!(!page.contains("Written"), "{page}");
        }
    }

    /// Everything that somebody can read in the room.
    fn page(&self, name: &str, at: &Node) -> String {
        self.reads_page(name, at).done().out
    }

    fn reads_page(&self, name: &str, at: &Node) -> Said {
        let read = ["read", ROOM, "--as", name];
        self.clinic.on(at, &read).said()
    }
}

/// Starts a node at which this person signs in with the password, as after every start.
fn back(clinic: &Clinic, node: &mut Node, person: &str) {
    node.start(clinic);
    let password = clinic.path(&format!("{person}.password"));
    let mut login = clinic.on(node, &["login", person, "--password-file"]);
    login.arg(password).said().done();
}

/// A sealed backup of a node, and the key for it.
struct Backup {
    file: String,
    key: String,
}

impl Backup {
    fn make(clinic: &Clinic, node: &Node) -> Self {
        let text = |name: &str| clinic.path(name).to_str().expect("plain").to_owned();
        let (file, key) = (text("ward.backup"), text("safe.key"));
        let made = clinic.command(&["backup", "key", &key, "--json"]).said();
        let to = made.done().json()["recipient"].clone();
        let make = ["backup", "make", &file, "--to", to.as_str().expect("text")];
        clinic.on(node, &make).said().done();
        Self { file, key }
    }

    fn restore(&self, clinic: &Clinic, node: &Node) {
        let restore = ["backup", "restore", &self.file, "--key", &self.key];
        clinic.on(node, &restore).said().done();
    }
}

/// Whether this node lists the lab as revoked.
fn holds_revoked(clinic: &Clinic, at: &Node) -> Option<()> {
    (state_of_lab(clinic, at) == "revoked").then_some(())
}

fn state_of_lab(clinic: &Clinic, at: &Node) -> String {
    let list = ["inventory", "--json"];
    let list = clinic.on(at, &list).said().done().json();
    let devices = list["devices"].as_array().expect("a list");
    let lab = devices.iter().find(|device| device["name"] == "lab");
    let state = lab.expect("it is listed")["state"].as_str();
    state.expect("a state").to_owned()
}

/// Has a node that is not running dial these from its next start on.
fn dials(node: &Node, others: &[&Node]) {
    let path = node.dir().join("node.toml");
    let text = std::fs::read_to_string(&path).expect("settings");
    let is_other = |line: &&str| !line.starts_with("bootstrap = ");
    let kept: Vec<&str> = text.lines().filter(is_other).collect();
    let places: Vec<&str> = others.iter().map(|other| &*other.listen).collect();
    let text = format!("bootstrap = {places:?}\n{}\n", kept.join("\n"));
    std::fs::write(&path, text).expect("ours");
}

#[test]
fn a_restored_office_that_has_met_another_lets_nobody_back_in_who_was_revoked_since_its_backup() {
    // The lab knows the mesh key that is in use: nothing but the record keeps it out.
    let mut story = Restored::begin(&["--keep-mesh-key"]);
    back(&story.clinic, &mut story.ward, "Ben");
    eventually("the ward is level", || {
        holds_revoked(&story.clinic, &story.ward)
    });
    story.writes(&story.ana, &story.front, "Bed 4 is free");
    let text = "Bed 4 is free";
    story.ben.reads(&story.clinic, &story.ward, ROOM, text);

    back(&story.clinic, &mut story.lab, "Cem");
    story.writes(&story.cem, &story.lab, "Written after the end");
    story.turned_away_by(&[&story.front, &story.ward]);
    story.writes(&story.ana, &story.front, "Taken, thank you");
    let text = "Taken, thank you";
    story.ben.reads(&story.clinic, &story.ward, ROOM, text);
    story.nothing_passed();
}

#[test]
fn a_restored_office_that_meets_the_revoked_machine_first_turns_it_out_once_it_has_met_another() {
    let mut story = Restored::begin(&[]);
    story.writes(&story.ana, &story.front, "Bed 4 is free");
    story.front.stop();
    back(&story.clinic, &mut story.ward, "Ben");
    back(&story.clinic, &mut story.lab, "Cem");
    // It is a member there, as the backup has it.
    story.lab.connected_to(&story.clinic, &story.ward);
    assert_eq!(state_of_lab(&story.clinic, &story.ward), "connected");
    let text = "Written after the end";
    story.writes(&story.cem, &story.lab, text);
    story.ben.reads(&story.clinic, &story.ward, ROOM, text);

    back(&story.clinic, &mut story.front, "Ana");
    eventually("the ward is level", || {
        holds_revoked(&story.clinic, &story.ward)
    });
    eventually("the lab is cut off", || {
        let peers = story.ward.peers(&story.clinic);
        (!peers.contains(&story.lab.name)).then_some(())
    });
    story.nothing_passed();
    // Nor does it get in by starting anew, whether or not it has heard of its end by now.
    story.lab.stop();
    story.lab.start(&story.clinic);
    eventually("the lab is told", || {
        let status = story.lab.status(&story.clinic)?;
        let refused = status["warnings"][0]["kind"] == "revoked";
        (refused || status["standing"] == "revoked").then_some(())
    });
    for office in [&story.front, &story.ward] {
        assert!(!office.peers(&story.clinic).contains(&story.lab.name));
    }
    assert_eq!(story.lab.peers(&story.clinic), [""; 0]);
    story.nothing_passed();
}
