//! A clinic on hosts of its own, what is done to it, and what the doctor says there.

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::Troubles;
use crate::hosts::Hosts;
use crate::processes::{Clinic, Node, Said, Say as _};

/// Where nodes listen.
pub(crate) const PORT: u16 = 7846;

/// The addresses of the machines.
pub(crate) const FRONT: &str = "10.71.1.11";
pub(crate) const LAB: &str = "10.71.1.12";
const WARD: &str = "10.71.2.11";

/// Exit code: nothing is wrong.
const WELL: i32 = 0;

/// Exit code: something is wrong.
pub(crate) const ILL: i32 = 6;

/// Size in MiB of the laboratory's disk: enough for a node and what it keeps back.
const DISK: u32 = 220;

/// The clinic on its hosts. Nodes are dropped, that is killed, before their hosts go.
pub(crate) struct Place {
    pub(crate) front: Node,
    pub(crate) lab: Node,
    pub(crate) ward: Node,
    pub(crate) clinic: Clinic,
    pub(crate) disk: Mounted,
    pub(crate) hosts: Hosts,
    /// Lines of the table, as far as they were earned.
    lines: RefCell<Vec<String>>,
}

/// A file system in memory, at a node's directory.
pub(crate) struct Mounted(pub(crate) PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a test that failed may still have files open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Runs a program, which must work.
#[track_caller]
pub(crate) fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {said}");
}

/// What the doctor said, by `--json`.
pub(crate) struct Told {
    code: i32,
    pub(crate) report: Value,
}

impl Told {
    #[track_caller]
    pub(crate) fn of(said: &Said) -> Self {
        Self {
            code: said.code,
            report: said.json(),
        }
    }

    pub(crate) fn diagnoses(&self) -> &Vec<Value> {
        self.report["diagnoses"].as_array().expect("a list")
    }

    /// The diagnosis with this cause must be there; what it says.
    #[track_caller]
    pub(crate) fn names(&self, cause: &str) -> &Value {
        let ill = (self.code, self.report["verdict"].as_str());
        assert_eq!(ill, (ILL, Some("ill")), "no {cause}: {:#}", self.report);
        let found = self.diagnoses().iter().find(|one| one["cause"] == *cause);
        found.unwrap_or_else(|| panic!("not {cause}: {:#}", self.report))
    }

    /// It must be what is said first.
    #[track_caller]
    pub(crate) fn says_first(&self, cause: &str) -> &Value {
        let found = self.names(cause);
        assert_eq!(&self.diagnoses()[0], found, "not first: {:#}", self.report);
        found
    }

    #[track_caller]
    pub(crate) fn is_well(&self) {
        assert_eq!(self.code, WELL, "{:#}", self.report);
        assert_eq!(self.report["verdict"], "well");
    }
}

impl Place {
    /// A clinic of this name, and what was said of its troubles.
    pub(crate) fn ill(name: &str, troubles: Troubles) -> Vec<String> {
        let hosts = Hosts::named(name).expect("namespaces were made before");
        let mut place = Self::found(hosts);
        troubles(&mut place);
        place.lines.take()
    }

    /// A line of the table: what was caused, where the doctor was asked, and what it said.
    pub(crate) fn line(&self, caused: &str, asked: &str, said: &Value) {
        let text = |name: &str| said[name].as_str().expect("a text").to_owned();
        self.lines.borrow_mut().push(format!(
            "| {caused} | {asked} | `{}`, {} | {} {} |",
            text("cause"),
            text("likelihood"),
            text("message"),
            text("remedy")
        ));
    }

    /// Founds the clinic: front and lab on one LAN, the ward on another one behind a router, told nothing.
    pub(crate) fn found(hosts: Hosts) -> Self {
        let clinic = Clinic::found();
        let disk = clinic.path("lab");
        std::fs::create_dir(&disk).expect("room");
        let size = format!("size={DISK}m,mode=700");
        let path = disk.to_str().expect("a plain path");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", path]);
        let disk = Mounted(disk);
        let node = |host: &str| {
            let mut node = clinic.node(host);
            node.namespace = Some(hosts.namespace(host));
            node
        };
        let (mut front, lab, ward) = (node("front"), node("lab"), node("ward"));
        let init = ["node", "init", "--office", "Front desk", "--name", "front"];
        clinic.on(&front, &init).said().done();
        front.start(&clinic);
        let mut place = Self {
            front,
            lab,
            ward,
            clinic,
            disk,
            hosts,
            lines: RefCell::default(),
        };
        place.join("lab");
        place.join("ward");
        place.lab.start(&place.clinic);
        place.lab.connected_to(&place.clinic, &place.front);
        place
    }

    /// The ward is told where the others are, and all are connected.
    pub(crate) fn settle(&mut self) {
        let settings = format!("bootstrap = [\"{FRONT}:{PORT}\", \"{LAB}:{PORT}\"]\n");
        std::fs::write(self.ward.dir().join("node.toml"), settings).expect("room");
        self.ward.start(&self.clinic);
        self.front.connected_to(&self.clinic, &self.ward);
        self.connected();
        self.lab_settings("");
    }

    pub(crate) fn node(&self, name: &str) -> &Node {
        match name {
            "front" => &self.front,
            "lab" => &self.lab,
            _ => &self.ward,
        }
    }

    pub(crate) fn join(&self, name: &str) {
        let node = self.node(name);
        let at = format!("{FRONT}:7847");
        self.clinic.join_from(&self.front, node, &["--at", &at]);
    }

    /// The lab is connected to both others, as it mostly is.
    #[track_caller]
    pub(crate) fn connected(&self) {
        self.lab.connected_to(&self.clinic, &self.front);
        self.lab.connected_to(&self.clinic, &self.ward);
    }

    /// What the doctor says at a machine.
    pub(crate) fn ask(&self, at: &str, args: &[&str]) -> Told {
        let node = self.node(at);
        let args = [&["doctor", "--json"], args].concat();
        Told::of(&self.clinic.on(node, &args).said())
    }

    /// What the doctor says when it is asked until it says `cause`: what the network knows of a trouble
    /// comes with the next try to connect.
    #[track_caller]
    pub(crate) fn ask_until(&self, at: &str, cause: &str) -> Told {
        for _ in 0..8 {
            let told = self.ask(at, &[]);
            if told.diagnoses().iter().any(|one| one["cause"] == *cause) {
                return told;
            }
        }
        let told = self.ask(at, &[]);
        told.names(cause);
        told
    }

    pub(crate) fn namespace(&self, host: &str) -> String {
        self.hosts.namespace(host)
    }

    /// Runs a program in a machine's namespace.
    #[track_caller]
    pub(crate) fn at(&self, host: &str, program: &str, args: &[&str]) {
        let namespace = self.namespace(host);
        let args = [&["netns", "exec", &namespace, program], args].concat();
        run("ip", &args);
    }

    /// Puts a firewall up at a machine, in the place of the one it has: rules for what comes in and for what goes out.
    ///
    /// In one step, or a connection would come through between the two.
    #[track_caller]
    pub(crate) fn firewall(&self, host: &str, input: &str, output: &str) {
        let rules = format!(
            "add table inet doctor; delete table inet doctor; table inet doctor {{
                chain in {{ type filter hook input priority 0; {input} }}
                chain out {{ type filter hook output priority 0; {output} }}
            }}"
        );
        self.at(host, "nft", &[&rules]);
    }

    #[track_caller]
    pub(crate) fn no_firewall(&self, host: &str) {
        self.at(host, "nft", &["delete table inet doctor"]);
    }

    /// Stops the lab, changes something, and starts it again.
    pub(crate) fn restart_lab(&mut self, change: impl FnOnce(&Self)) {
        self.lab.stop();
        change(self);
        self.lab.start(&self.clinic);
    }

    /// Writes the lab's settings; it knows where the ward is.
    pub(crate) fn lab_settings(&self, text: &str) {
        let text = format!("bootstrap = [\"{WARD}:{PORT}\"]\n{text}");
        std::fs::write(self.lab.dir().join("node.toml"), text).expect("room");
    }
}
