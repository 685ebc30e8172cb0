//! Machines come and go, with real processes: founding, joining by code and by files, revocation.

#[path = "enrolment/ended.rs"]
mod ended;
#[path = "enrolment/first_day.rs"]
mod first_day;
#[path = "enrolment/invitations.rs"]
mod invitations;
#[path = "support/processes.rs"]
mod processes;
#[path = "enrolment/restored.rs"]
mod restored;

use std::io::{BufRead as _, Write as _};
use std::process::{Command, Stdio};

use processes::{Clinic, Node, Say as _, Talk, eventually};

#[test]
fn a_machine_joins_with_a_code_and_both_nodes_are_linked() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let mut ward = clinic.join(&front, "ward-2");
    ward.start(&clinic);
    front.connected_to(&clinic, &ward);
    ward.connected_to(&clinic, &front);

    let list = clinic
        .on(&front, &["device", "list", "--json"])
        .said()
        .done()
        .json();
    let states: Vec<_> = list
        .as_array()
        .expect("a list")
        .iter()
        .map(|line| &line["state"])
        .collect();
    assert_eq!(states, ["this", "connected"]);
    ward.stop();
    front.stop();
}

#[test]
fn a_machine_joins_by_files_without_a_network_between_them() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);

    let mut ward = clinic.node("ward-2");
    let (request, answer) = (clinic.path("ward.request"), clinic.path("ward.answer"));
    let (request, answer) = (
        request.to_str().expect("plain"),
        answer.to_str().expect("plain"),
    );
    clinic
        .on(&ward, &["node", "request", "--out", request])
        .args(Clinic::local(&ward, &[&front]))
        .said()
        .done();
    let early = clinic.on(&ward, &["node", "run"]).said().failed(1);
    assert!(early.err.contains("not enrolled yet"), "{}", early.err);
    let enrol = [
        "device", "enrol", request, "--office", "ward-2", "--name", "ward-2",
    ];
    clinic
        .on(&front, &enrol)
        .args(["--out", answer, "--yes"])
        .said()
        .done();
    clinic
        .on(&ward, &["node", "join", "--answer", answer])
        .said()
        .done();

    ward.start(&clinic);
    front.connected_to(&clinic, &ward);
    let again = clinic
        .on(&front, &enrol)
        .args(["--out", answer, "--yes"])
        .said()
        .failed(1);
    assert!(again.err.contains("already exists"), "{}", again.err);
    let other = clinic.path("other.answer");
    let elsewhere = [
        "device", "enrol", request, "--office", "ward-2", "--name", "other",
    ];
    let mut elsewhere = clinic.on(&front, &elsewhere);
    let refused = elsewhere
        .arg("--out")
        .arg(&other)
        .arg("--yes")
        .said()
        .failed(4);
    assert!(refused.err.contains("already enrolled"), "{}", refused.err);
    let history = ["authority", "history"];
    let history = clinic.on(&front, &history).said().done();
    assert!(history.out.contains("planned mesh keys"), "{}", history.out);
}

#[test]
fn a_machine_joins_by_pictures_that_each_side_scans_from_the_other() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let mut ward = clinic.node("ward-2");
    let request = ["node", "request", "--qr", "--json"];
    let mut request = clinic.on(&ward, &request);
    let asked = request.args(Clinic::local(&ward, &[&front])).said().done();

    let enrol = ["device", "enrol", "--scan", "--qr", "--json", "--yes"];
    let enrol = [&enrol[..], &["--office", "ward-2", "--name", "ward-2"]].concat();
    let half = Scanner::of(&asked.json()).first(1);
    let unfinished = half.types_into(&mut clinic.on(&front, &enrol)).failed(4);
    assert!(
        unfinished.err.contains("still missing 2"),
        "{}",
        unfinished.err
    );
    let scanned = Scanner::of(&asked.json()).badly();
    let answered = scanned.types_into(&mut clinic.on(&front, &enrol)).done();
    let scanned = Scanner::of(&answered.json()).badly();
    scanned
        .types_into(&mut clinic.on(&ward, &["node", "join", "--scan"]))
        .done();

    ward.start(&clinic);
    front.connected_to(&clinic, &ward);
}

/// A hand-held scanner, which types what stands in a picture.
struct Scanner(Vec<String>);

impl Scanner {
    fn of(shown: &serde_json::Value) -> Self {
        let parts = shown["parts"].as_array().expect("pictures");
        let line = |part: &serde_json::Value| part.as_str().expect("text").to_owned();
        Self(parts.iter().map(line).collect())
    }

    fn first(mut self, count: usize) -> Self {
        self.0.truncate(count);
        self
    }

    /// As people do it: from the end, one twice, one cut off, and a poster on the wall.
    fn badly(mut self) -> Self {
        self.0.reverse();
        let cut = self.0[0][..40].to_owned();
        let twice = self.0[0].to_lowercase();
        self.0.insert(1, cut);
        self.0.insert(1, twice);
        self.0
            .insert(0, "https://clinic.example/flu-shots".to_owned());
        self
    }

    fn types_into(&self, command: &mut std::process::Command) -> processes::Said {
        command.typing(&self.0.join("\r\n"))
    }
}

#[test]
fn a_revoked_machine_is_cut_off_everywhere_within_seconds_and_cannot_come_back() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let mut ward = clinic.join(&front, "ward-2");
    ward.start(&clinic);
    let mut lost = clinic.join(&front, "lost");
    lost.start(&clinic);
    front.connected_to(&clinic, &lost);
    front.connected_to(&clinic, &ward);
    let cem = clinic.staff(&front, "Cem", "lost");
    eventually("the machine knows Cem", || cem.try_sign_in(&clinic, &lost));

    let revoke = ["device", "revoke", "lost", "--yes", "--json"];
    let answer = clinic.on(&front, &revoke).said().done().json();
    let out = answer["out_after"].as_f64().expect("it was cut off");
    assert!(out < 5.0, "{answer}");
    let known = answer["known_after"]["ward-2"]
        .as_f64()
        .expect("the ward knows");
    assert!(known < 5.0, "{answer}");
    assert_eq!(answer["mesh_key_changed"], true);

    for node in [&front, &ward] {
        eventually("the revoked device is no peer", || {
            (!node.peers(&clinic).contains(&lost.name)).then_some(())
        });
    }
    // The others say it to the machine itself before they close: its own logins end too.
    eventually("Cem is logged off", || {
        let status = lost.status(&clinic)?;
        let ended = status["standing"] == "revoked" && status["logins"] == 0;
        ended.then_some(())
    });
    let told = eventually("every node's word is in", || {
        let status = ["revoke", "status", "--json"];
        let told = clinic.on(&front, &status).said().done().json();
        let revoked = told["revocations"][0].clone();
        (revoked["everywhere"] == true).then_some(revoked)
    });
    assert_eq!(
        (&told["kind"], &told["name"]),
        (&"device".into(), &"lost".into())
    );
    let nodes = told["nodes"].as_array().expect("nodes");
    assert_eq!(
        nodes.len(),
        2,
        "the revoked machine is none of them: {told}"
    );
    for node in nodes {
        let after = node["after_ms"].as_u64().expect("its word was heard");
        assert!(after < 5_000, "{told}");
    }
    let listed = ["inventory", "--json"];
    let inventory = clinic.on(&front, &listed).said().done().json();
    let states: Vec<_> = inventory["devices"]
        .as_array()
        .expect("machines")
        .iter()
        .map(|device| device["state"].as_str().expect("a state"))
        .collect();
    assert_eq!(states, ["this", "revoked", "connected"], "{inventory}");
    let told = eventually("the ward has told how it is", || {
        let inventory = clinic.on(&front, &listed).said().done().json();
        let ward = inventory["devices"][2].clone();
        (!ward["told"].is_null()).then_some(ward)
    });
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        (&told["version"], &told["outdated"]),
        (&version.into(), &false.into())
    );

    lost.kill();
    let restarted = clinic.on(&lost, &["node", "run"]).spawn();
    let mut restarted = restarted.expect("the binary runs");
    // Long enough for several tries to connect.
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert!(!front.peers(&clinic).contains(&lost.name));
    assert!(!ward.peers(&clinic).contains(&lost.name));
    assert!(
        front.peers(&clinic).contains(&ward.name),
        "the others go on"
    );
    restarted.kill().expect("ours");
    restarted.wait().expect("ours");

    let twice = clinic.on(&front, &revoke).said().failed(4);
    assert!(twice.err.contains("revoked already"), "{}", twice.err);
}

#[test]
fn whoever_compares_the_key_of_a_request_keeps_nobody_from_revoking() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    clinic.join_by_files(&front, "lost", "Robin");
    for (name, lost, offline) in [
        ("ward-2", "lost", None),
        ("ward-3", "ward-2", Some("--offline")),
    ] {
        let node = clinic.node(name);
        let (request, answer) = clinic.request_of(&node, &[]);
        let enrol = ["device", "enrol", "--office", name, "--name", name];
        let mut enrol = clinic.on(&front, &enrol);
        enrol.args(offline).arg(&request).arg("--out").arg(&answer);
        let mut person = Person::at_a_terminal(&enrol);
        person.reads("for a key that begins");
        let revoke = ["device", "revoke", lost, "--yes", "--watch", "0"];
        clinic.on(&front, &revoke).said().done();
        person.types("y");
        person.reads("is enrolled");
        assert!(answer.exists());
        let history = clinic.on(&front, &["authority", "history"]).said().done();
        for said in [
            format!("revoked device {lost}"),
            format!(" {name} of office"),
        ] {
            assert!(history.out.contains(&said), "{said}: {}", history.out);
        }
        assert!(!history.out.contains("does not count"), "{}", history.out);
    }
}

/// Somebody who reads what a command says at a terminal, and types.
struct Person {
    terminal: std::process::Child,
    screen: std::io::BufReader<std::process::ChildStdout>,
}

impl Person {
    /// Runs the command, whose words have no spaces, at a terminal of its own.
    fn at_a_terminal(command: &Command) -> Self {
        let words = [command.get_program()]
            .into_iter()
            .chain(command.get_args());
        let words: Vec<&str> = words.map(|word| word.to_str().expect("plain")).collect();
        let mut terminal = Command::new("script");
        terminal.args(["-qec", &words.join(" "), "/dev/null"]);
        for (name, value) in command.get_envs() {
            terminal.env(name, value.unwrap_or_default());
        }
        terminal.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut terminal = terminal.spawn().expect("script is installed");
        let screen = terminal.stdout.take().expect("it is piped");
        Self {
            terminal,
            screen: std::io::BufReader::new(screen),
        }
    }

    /// Reads on until a line has these words.
    fn reads(&mut self, words: &str) {
        let mut seen = String::new();
        let mut line = Vec::new();
        while !seen.contains(words) {
            line.clear();
            let read = self
                .screen
                .read_until(b'\n', &mut line)
                .expect("it is open");
            assert_ne!(read, 0, "it ended before {words:?}: {seen}");
            seen.push_str(&String::from_utf8_lossy(&line));
        }
    }

    fn types(&mut self, words: &str) {
        let keys = self.terminal.stdin.as_mut().expect("it is piped");
        writeln!(keys, "{words}").expect("it reads");
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        // It has mostly ended by itself.
        let _ = self.terminal.kill();
        let _ = self.terminal.wait();
    }
}

#[test]
fn without_a_code_or_with_a_wrong_one_nobody_joins() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let mut invite = clinic.invite(&front, "ward-2");
    invite.line();
    let stranger = clinic.node("stranger");
    let mistyped = "0000-0000-0000-0000-0000-0000-0000-0";
    clinic
        .on(
            &stranger,
            &["node", "join", mistyped, "--at", &front.enrolment],
        )
        .said()
        .failed(2);
    let other = Clinic::found();
    let mut elsewhere = other.first_node("elsewhere");
    elsewhere.start(&other);
    let code = other.invite(&elsewhere, "x").line()["code"]
        .as_str()
        .expect("a code")
        .to_owned();
    let wrong = clinic.on(
        &stranger,
        &["node", "join", &code, "--at", &front.enrolment],
    );
    let refused = { wrong }.said().failed(4);
    assert!(
        refused.err.contains("does not know this code"),
        "{}",
        refused.err
    );
}

#[test]
fn an_admin_can_enrol_machines_after_another_admin_has_changed_the_mesh_key() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let lost = clinic.join_by_files(&front, "lost", "Robin");
    let passphrase = clinic.path("sam");
    std::fs::write(&passphrase, "an admin passphrase").expect("room");
    let passphrase = passphrase.to_str().expect("plain");
    clinic
        .on(&front, &["authority", "grant-admin", "Sam"])
        .args(["--as", "Robin", "--new-passphrase-file", passphrase])
        .said()
        .done();
    let revoke = ["device", "revoke", "lost", "--as", "Robin", "--yes"];
    clinic.on(&front, &revoke).said().done();
    drop(lost);

    let mut ward = clinic.join_by_files(&front, "ward-2", "Sam");
    ward.start(&clinic);
    front.connected_to(&clinic, &ward);
}

#[test]
fn a_new_machine_takes_the_place_of_a_broken_one_and_gets_its_history_from_the_others() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let mut ward = clinic.join(&front, "ward-2");
    ward.start(&clinic);
    front.connected_to(&clinic, &ward);
    let ana = clinic.staff(&front, "Ana", "front-desk");
    let ben = clinic.staff(&front, "Ben", "ward-2");
    ana.sign_in(&clinic, &front);
    eventually("the ward knows Ben", || ben.try_sign_in(&clinic, &ward));
    ana.send(&clinic, &front, "Ben", "Bed 4 is free");
    ben.send(&clinic, &ward, "Ana", "Taken, thank you");
    ana.reads(&clinic, &front, "Ben", "Taken, thank you");

    ward.kill();
    std::fs::remove_dir_all(ward.dir()).expect("the machine is lost");
    let replace = ["device", "replace", "ward-2", "--json", "--yes"];
    // Whoever gives other digits, or none, lets nobody in: `--yes` is about the revocation alone.
    for wrong in ["000 000 000", "yes"] {
        let mut replacing = Talk::with_answers(&mut clinic.on(&front, &replace));
        assert_eq!(replacing.line()["event"], "revoked");
        let code = replacing.line()["code"]
            .as_str()
            .expect("a code")
            .to_owned();
        let stranger = clinic.node("stranger");
        let join = ["node", "join", &code, "--json", "--at", &front.enrolment];
        let mut joining = Talk::begin(&mut clinic.on(&stranger, &join));
        assert_eq!(joining.line()["event"], "compare");
        assert_eq!(replacing.line()["event"], "arrived");
        replacing.say(wrong);
        assert!(!replacing.end().success());
        assert!(!joining.end().success());
    }
    let mut replacing = Talk::with_answers(&mut clinic.on(&front, &replace));
    assert_eq!(replacing.line()["event"], "revoked");
    let mut fresh = clinic.join_by(&front, "ward-2", replacing);
    fresh.start(&clinic);
    fresh.connected_to(&clinic, &front);

    let code = clinic
        .on(&front, &["staff", "code", "Ben", "--json"])
        .said();
    let ben = ben.with_code(&code.done().json());
    eventually("the new ward knows Ben", || {
        ben.try_sign_in(&clinic, &fresh)
    });
    for text in ["Bed 4 is free", "Taken, thank you"] {
        ben.reads(&clinic, &fresh, "Ana", text);
    }
    let again = ["device", "replace", "ward-9", "--yes"];
    let refused = clinic.on(&front, &again).said().failed(3);
    assert!(refused.err.contains("no device"), "{}", refused.err);
}

#[test]
fn a_machine_that_is_lost_comes_back_from_its_backup() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    let text = |path: std::path::PathBuf| path.to_str().expect("plain").to_owned();
    let (key, file) = (
        text(clinic.path("safe.key")),
        text(clinic.path("front.backup")),
    );
    let made = clinic.command(&["backup", "key", &key, "--json"]).said();
    let to = made.done().json()["recipient"].to_string();
    let to = to.trim_matches('"');
    let settings = front.dir().join("node.toml");
    let folder = text(clinic.path("backups"));
    let by_itself = format!("\n[backup]\nfolder = \"{folder}\"\nto = [\"{to}\"]\n");
    let kept = std::fs::read_to_string(&settings).expect("the settings") + &by_itself;
    std::fs::write(&settings, &kept).expect("written");
    front.start(&clinic);
    let state = || Some(front.status(&clinic)?["backup"].clone());
    let warned = eventually("the missing folder is noticed", || {
        let state = state()?;
        (!state["failed"].is_null()).then_some(state)
    });
    assert!(warned["last"].is_null(), "{warned}");
    let said = clinic.on(&front, &["node", "status"]).said().done().out;
    assert!(
        said.contains("WARNING: No backup of this node was ever made"),
        "{said}"
    );
    assert!(said.contains("`folder` under [backup]"), "{said}");

    std::fs::create_dir(&folder).expect("the disk is plugged in");
    front.stop();
    front.start(&clinic);
    let state = || Some(front.status(&clinic)?["backup"].clone());
    let made = eventually("the node has made a backup by itself", || {
        let state = state()?;
        state["failed"].is_null().then_some(state)
    });
    assert_eq!(
        (&made["by"], &made["opened"]),
        (&"schedule".into(), &true.into())
    );
    let own = std::fs::read_dir(&folder).expect("the folder").next();
    let own = text(own.expect("one").expect("readable").path());
    let verify = ["backup", "verify", &own, "--key", &key];
    let verified = clinic.command(&verify).said().done().out;
    assert!(verified.contains("the machine's settings"), "{verified}");
    let make = ["backup", "make", &file, "--to", to];
    clinic.on(&front, &make).said().done();
    let again = clinic.on(&front, &make).said().failed(4);
    assert!(again.err.contains("is there already"), "{}", again.err);

    let of_it = |verb| {
        clinic
            .command(&["backup", verb, &file, "--key", &key])
            .said()
    };
    assert!(of_it("verify").done().out.contains("good"));
    assert!(of_it("drill").done().out.contains("restored in"));
    let stranger = text(clinic.path("other.key"));
    clinic.command(&["backup", "key", &stranger]).said().done();
    let wrong = ["backup", "verify", &file, "--key", &stranger];
    let refused = clinic.command(&wrong).said().failed(4);
    assert!(
        refused.err.contains("not sealed to this key"),
        "{}",
        refused.err
    );

    front.stop();
    std::fs::remove_dir_all(front.dir()).expect("the machine is lost");
    let restore = ["backup", "restore", &file, "--key", &key];
    clinic.on(&front, &restore).said().done();
    let brought = std::fs::read_to_string(&settings).expect("brought along");
    assert_eq!(brought, kept);
    front.start(&clinic);
    let listed = clinic.on(&front, &["device", "list", "--json"]).said();
    assert_eq!(listed.done().json()[0]["state"], "this");
    front.stop();
}

#[test]
fn a_drill_that_moves_the_clock_lets_people_sign_in_all_the_same() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.days_ahead = 2;
    front.start(&clinic);
    let who = ["staff", "add", "Ana", "--home", "front-desk"];
    let add = [&who[..], &["--role", "clinician", "--json"]].concat();
    let added = clinic.on(&front, &add).said().done().json();
    let file = |name: &str, text: &str| {
        let path = clinic.path(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("plain").to_owned()
    };
    let code = file("code", added["code"].as_str().expect("a code"));
    let password = file("password", "violet lamp on tuesday");
    let login = ["login", "Ana", "--code", "--code-file", &code];
    let mut login = clinic.on(&front, &login);
    login.args(["--password-file", &password]).said().done();
    front.stop();
}

#[test]
fn a_machine_whose_certificate_ends_says_so_to_whoever_works_at_its_terminal() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    clinic
        .staff(&front, "Ana", "front-desk")
        .sign_in(&clinic, &front);
    let warned = |at: &Node, what: &str| {
        let listed = clinic.on(at, &["conversations"]).said().done();
        let line = listed.err.lines().find(|line| line.contains(what));
        line.map(str::to_owned)
    };
    assert_eq!(warned(&front, "WARNING"), None);

    front.stop();
    front.days_ahead = 27;
    front.start(&clinic);
    let login = ["login", "Ana", "--password-file"];
    let mut login = clinic.on(&front, &login);
    login.arg(clinic.path("Ana.password")).said().done();
    let line = warned(&front, "This machine's certificate ends on");
    assert!(line.is_some_and(|line| line.contains("Tell an admin")));
    let status = front.status(&clinic).expect("it runs");
    let warning = &status["warnings"][0];
    assert_eq!(warning["kind"], "certificate", "{status}");
    assert_eq!(warning["everybody"], true, "{status}");
    front.stop();
}
