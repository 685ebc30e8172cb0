//! Real nodes on real hosts: network namespaces, a router between two LANs, real mDNS.

#[path = "support/hosts.rs"]
mod hosts;
#[path = "support/processes.rs"]
mod processes;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hosts::{HOSTS, Hosts};
use processes::{Clinic, Node, Say as _, eventually};

/// Set to 1, the test passes without namespaces, and says that it has not run.
const WITHOUT: &str = "CLINIC_MESH_NO_NAMESPACES";

/// How often the ward's node is killed while messages are sent.
const KILLS: u64 = 50;

/// Who sits at which host.
const PEOPLE: [(&str, &str); 4] = [
    ("front", "Ana"),
    ("lab", "Ben"),
    ("ward", "Cleo"),
    ("home", "Dan"),
];

/// The front desk's address, which the other LAN is told.
const FRONT: &str = "10.71.1.11";

/// The clinic on its hosts. Nodes are dropped, that is killed, before their hosts go.
struct Place {
    nodes: Vec<Node>,
    clinic: Clinic,
    hosts: Hosts,
}

/// Shown with `--nocapture`, and when the test fails.
#[allow(
    clippy::print_stdout,
    reason = "the figures of a test that takes minutes"
)]
fn say(text: &str) {
    println!("real hosts: {text}");
}

#[test]
fn four_offices_on_two_lans_find_each_other_and_lose_nothing() {
    let hosts = match Hosts::make() {
        Ok(hosts) => hosts,
        Err(why) if std::env::var(WITHOUT).as_deref() == Ok("1") => {
            let notice = format!("real hosts: NOT RUN, as {WITHOUT}=1 allows: {why}\n");
            // Past the test runner, which keeps what a passing test prints to itself.
            std::io::stderr()
                .write_all(notice.as_bytes())
                .expect("room");
            return;
        }
        Err(why) => panic!("network namespaces cannot be made here (run as root): {why}"),
    };
    let mut place = Place::found(hosts);
    place.cold_start();
    place.partition_and_heal();
    place.killed_in_traffic();
    place.address_change();
    place.revocation();
}

impl Place {
    /// Founds the clinic: four nodes, four people, one room of them all.
    fn found(hosts: Hosts) -> Self {
        let clinic = Clinic::found();
        let mut place = Self {
            nodes: Vec::new(),
            clinic,
            hosts,
        };
        for (host, lan, _) in HOSTS {
            place.enrol(host, lan);
        }
        for (host, person) in PEOPLE {
            place.employ(host, person);
        }
        let mut room = vec!["room", "create", "rounds"];
        room.extend(PEOPLE.iter().flat_map(|(_, person)| ["--member", person]));
        let front = place.at("front");
        place.clinic.on(front, &room).said().done();
        for (host, person) in PEOPLE {
            place.first_sign_in(host, person);
        }
        place
    }

    fn at(&self, host: &str) -> &Node {
        let found = self.nodes.iter().find(|node| node.name == host);
        found.expect("a host")
    }

    fn at_mut(&mut self, host: &str) -> &mut Node {
        let found = self.nodes.iter_mut().find(|node| node.name == host);
        found.expect("a host")
    }

    /// Makes a host's node and starts it. On the first LAN it finds the front desk by mDNS; across the
    /// router it is told where that is.
    fn enrol(&mut self, host: &str, lan: u8) {
        let mut node = self.clinic.node(host);
        node.namespace = Some(self.hosts.namespace(host));
        if self.nodes.is_empty() {
            let init = ["node", "init", "--office", host, "--name", host];
            self.clinic.on(&node, &init).said().done();
        } else {
            let (enrolment, mesh) = (format!("{FRONT}:7847"), format!("{FRONT}:7846"));
            let told = ["--at", &enrolment, "--bootstrap", &mesh];
            let told = if lan == 2 { &told[..] } else { &[] };
            self.clinic.join_from(self.at("front"), &node, told);
        }
        node.start(&self.clinic);
        self.nodes.push(node);
    }

    fn employ(&self, host: &str, person: &str) {
        let add = [
            "staff",
            "add",
            person,
            "--home",
            host,
            "--role",
            "clinician",
            "--json",
        ];
        let added = self.clinic.on(self.at("front"), &add).said().done().json();
        let code = added["code"].as_str().expect("a code");
        std::fs::write(self.clinic.path(&format!("{person}.code")), code).expect("room");
        let password = format!("the long password of {person}");
        std::fs::write(self.clinic.path(&format!("{person}.password")), password).expect("room");
    }

    /// Signs in with the code, as soon as the office has heard of the person.
    fn first_sign_in(&self, host: &str, person: &str) {
        let code = self.clinic.path(&format!("{person}.code"));
        let password = self.clinic.path(&format!("{person}.password"));
        eventually(&format!("{person} signs in"), || {
            let mut login = self
                .clinic
                .on(self.at(host), &["login", person, "--code", "--code-file"]);
            let said = login
                .arg(&code)
                .arg("--password-file")
                .arg(&password)
                .said();
            (said.code == 0).then_some(())
        });
    }

    /// Signs in again after the node was restarted.
    fn sign_in(&self, host: &str, person: &str) {
        let password = self.clinic.path(&format!("{person}.password"));
        let mut login = self
            .clinic
            .on(self.at(host), &["login", person, "--password-file"]);
        login.arg(password).said().done();
    }

    /// Whether a message was acknowledged, that is durable on the sender's node.
    fn send(&self, host: &str, person: &str, text: &str) -> bool {
        let send = ["send", "rounds", text, "--as", person, "--json"];
        self.clinic.on(self.at(host), &send).said().code == 0
    }

    /// Every text of the room that a host shows, page by page.
    fn texts(&self, host: &str) -> Vec<String> {
        let person = PEOPLE.iter().find(|line| line.0 == host).expect("a host").1;
        let (mut texts, mut before) = (Vec::new(), None::<String>);
        loop {
            let mut read = self.clinic.on(
                self.at(host),
                &["read", "rounds", "-n", "500", "--json", "--as", person],
            );
            if let Some(place) = &before {
                read.args(["--before", place]);
            }
            let said = read.said();
            if said.code != 0 {
                // The office has not heard of the room yet.
                return texts;
            }
            let page = said.json();
            let messages = page["messages"].as_array().expect("a list");
            texts.extend(
                messages
                    .iter()
                    .filter_map(|line| line["text"].as_str().map(str::to_owned)),
            );
            before = page["earlier"].as_str().map(str::to_owned);
            if before.is_none() {
                return texts;
            }
        }
    }

    fn shows(&self, host: &str, text: &str) -> bool {
        self.texts(host).iter().any(|shown| shown == text)
    }

    /// Sends one message and waits until all these hosts show it.
    fn reaches(&self, from: &str, text: &str, hosts: &[&str]) -> Duration {
        let begun = Instant::now();
        let person = PEOPLE.iter().find(|line| line.0 == from).expect("a host").1;
        eventually(&format!("{text} is sent"), || {
            self.send(from, person, text).then_some(())
        });
        for host in hosts {
            eventually(&format!("{text} at {host}"), || {
                self.shows(host, text).then_some(())
            });
        }
        begun.elapsed()
    }

    /// All nodes stop; once they are started again each message reaches everyone.
    fn cold_start(&mut self) {
        for (host, _) in PEOPLE {
            self.at_mut(host).stop();
        }
        let begun = Instant::now();
        let Self { nodes, clinic, .. } = self;
        nodes.iter_mut().for_each(|node| node.start(clinic));
        for (host, person) in PEOPLE {
            self.sign_in(host, person);
        }
        let everyone = HOSTS.map(|host| host.0);
        for (host, _) in PEOPLE {
            self.reaches(host, &format!("good morning from {host}"), &everyone);
        }
        say(&format!(
            "converged {:?} after a cold start",
            begun.elapsed()
        ));
    }

    /// While the LANs are apart each goes on by itself; together again, both have all.
    fn partition_and_heal(&self) {
        for lan in [1, 2] {
            self.hosts.joined(lan, false).expect("a rule");
        }
        self.reaches("front", "written on the first LAN", &["lab"]);
        self.reaches("ward", "written on the second LAN", &["home"]);
        assert!(!self.shows("ward", "written on the first LAN"));
        assert!(!self.shows("front", "written on the second LAN"));
        for lan in [1, 2] {
            self.hosts.joined(lan, true).expect("a rule");
        }
        let begun = Instant::now();
        for (host, _, _) in HOSTS {
            for text in ["written on the first LAN", "written on the second LAN"] {
                eventually(&format!("{text} at {host}"), || {
                    self.shows(host, text).then_some(())
                });
            }
        }
        say(&format!("healed after {:?}", begun.elapsed()));
    }

    /// The ward's node is killed again and again while it and the front desk are written at.
    fn killed_in_traffic(&mut self) {
        let begun = Instant::now();
        let acknowledged = Mutex::new(BTreeSet::new());
        for round in 0..KILLS {
            self.one_kill(round, &acknowledged);
            let Self { nodes, clinic, .. } = &mut *self;
            let ward = nodes.iter_mut().find(|node| node.name == "ward");
            ward.expect("a host").start(clinic);
            self.sign_in("ward", "Cleo");
        }
        let acknowledged = acknowledged.into_inner().expect("no thread died");
        assert!(acknowledged.len() as u64 > KILLS, "there was traffic");
        for (host, _, _) in HOSTS {
            eventually(&format!("everything at {host}"), || {
                let shown: BTreeSet<String> = self.texts(host).into_iter().collect();
                acknowledged.is_subset(&shown).then_some(())
            });
        }
        let count = acknowledged.len();
        let took = begun.elapsed();
        say(&format!(
            "{KILLS} kills, {count} messages acknowledged, all of them on all four nodes; {took:?}"
        ));
    }

    /// Both write until the ward's node is killed, at another moment in each round.
    fn one_kill(&mut self, round: u64, acknowledged: &Mutex<BTreeSet<String>>) {
        let pid = self.at("ward").process_id();
        let over = AtomicBool::new(false);
        let place = &*self;
        std::thread::scope(|scope| {
            for (host, person) in [("front", "Ana"), ("ward", "Cleo")] {
                let over = &over;
                scope.spawn(move || {
                    for n in 0.. {
                        if over.load(Ordering::Relaxed) {
                            return;
                        }
                        let text = format!("{host} {round} {n}");
                        if place.send(host, person, &text) {
                            acknowledged.lock().expect("no thread died").insert(text);
                        }
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(150 + round * 37 % 200));
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("ours");
            over.store(true, Ordering::Relaxed);
        });
        // What is left of it is cleared away.
        self.at_mut("ward").kill();
    }

    /// A host gets another address; what is written there arrives as before.
    fn address_change(&self) {
        self.hosts.address("home", 2, 99).expect("a new address");
        let took = self.reaches("home", "at a new address", &["ward", "front"]);
        say(&format!("an address changed: arrived {took:?} later"));
        assert!(took <= Duration::from_secs(10), "{took:?}");
    }

    /// A revoked machine is out within seconds on both LANs and does not come back.
    fn revocation(&mut self) {
        self.at("front").connected_to(&self.clinic, self.at("lab"));
        let revoke = ["device", "revoke", "lab", "--yes", "--json"];
        let answer = self
            .clinic
            .on(self.at("front"), &revoke)
            .said()
            .done()
            .json();
        let out = answer["out_after"].as_f64().expect("it was cut off");
        assert!(out <= 5.0, "{answer}");
        self.at_mut("lab").kill();
        let lab = self.clinic.on(self.at("lab"), &["node", "run"]).spawn();
        let mut lab = lab.expect("the binary runs");
        // Long enough for mDNS and several tries to connect.
        std::thread::sleep(Duration::from_secs(8));
        let back: Vec<&str> = ["front", "ward", "home"]
            .into_iter()
            .filter(|host| {
                self.at(host)
                    .peers(&self.clinic)
                    .contains(&"lab".to_owned())
            })
            .collect();
        // It may have ended by itself: it is revoked.
        let _ = lab.kill();
        lab.wait().expect("ours");
        assert!(back.is_empty(), "the revoked machine is back at {back:?}");
        self.reaches("ward", "without the lab", &["front", "home"]);
        say(&format!("a revoked machine was out after {out} s"));
    }
}
