//! The doctor at real machines with real troubles: network namespaces with firewalls, VPNs, duplicate
//! addresses and Wi-Fi that keeps its machines apart; and nodes whose disk, clock, port, key or certificate
//! is not as it should be.
//!
//! Each line of docs/doctor.md is one that this test prints with `--nocapture`.

#[path = "support/hosts.rs"]
mod hosts;
#[path = "support/processes.rs"]
mod processes;

use std::cell::RefCell;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use hosts::Hosts;
use processes::{Clinic, Node, Said, Say as _, eventually};
use serde_json::Value;

/// Set to 1, the test passes without namespaces, and says that it has not run.
const WITHOUT: &str = "CLINIC_MESH_NO_NAMESPACES";

/// Where nodes listen.
const PORT: u16 = 7846;

/// The addresses of the machines.
const FRONT: &str = "10.71.1.11";
const LAB: &str = "10.71.1.12";
const WARD: &str = "10.71.2.11";

/// Exit code: nothing is wrong.
const WELL: i32 = 0;

/// Exit code: something is wrong.
const ILL: i32 = 6;

/// Size in MiB of the laboratory's disk: enough for a node and what it keeps back.
const DISK: u32 = 220;

#[test]
fn every_trouble_is_named_where_it_is() {
    match Hosts::make() {
        Ok(hosts) => drop(hosts),
        Err(why) if std::env::var(WITHOUT).as_deref() == Ok("1") => {
            let notice = format!("doctor: NOT RUN, as {WITHOUT}=1 allows: {why}\n");
            // Past the test runner, which keeps what a passing test prints to itself.
            let mut err = std::io::stderr();
            err.write_all(notice.as_bytes()).expect("room");
            return;
        }
        Err(why) => panic!("network namespaces cannot be made here (run as root): {why}"),
    };
    let began = Instant::now();
    // Most of the time is waiting for what does not come, so several clinics are ill at once.
    let told: Vec<Vec<String>> = std::thread::scope(|scope| {
        let clinics: Vec<_> = CLINICS
            .iter()
            .map(|(name, troubles)| scope.spawn(move || Place::ill(name, *troubles)))
            .collect();
        let told = clinics.into_iter().map(|clinic| clinic.join());
        told.map(|told| told.expect("what it said stands above"))
            .collect()
    });
    for line in told.iter().flatten() {
        say(line);
    }
    say(&format!("all of it took {} s", began.elapsed().as_secs()));
}

/// What one clinic suffers from, one thing after the other.
type Troubles = fn(&mut Place);

/// Clinics on networks of their own, and what each of them suffers from.
const CLINICS: [(&str, Troubles); 6] = [
    ("a", |place| {
        place.not_looked_for();
        place.different_networks();
        place.healthy();
        place.mdns_dropped();
    }),
    ("b", |place| {
        place.settle();
        place.port_dropped();
        place.same_address();
    }),
    ("c", |place| {
        place.settle();
        place.wrong_interfaces();
        place.kept_apart();
    }),
    ("d", |place| {
        place.settle();
        place.clock();
        place.machine_itself();
    }),
    ("e", |place| {
        place.settle();
        place.no_node();
        place.cables();
        place.other_clinic();
    }),
    ("f", |place| {
        place.settle();
        place.revoked();
        place.old_mesh_key();
        place.expired();
    }),
];

/// The clinic on its hosts. Nodes are dropped, that is killed, before their hosts go.
struct Place {
    front: Node,
    lab: Node,
    ward: Node,
    clinic: Clinic,
    disk: Mounted,
    hosts: Hosts,
    /// Lines of the table, as far as they were earned.
    lines: RefCell<Vec<String>>,
}

/// A file system in memory, at a node's directory.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a test that failed may still have files open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Runs a program, which must work.
#[track_caller]
fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {said}");
}

/// Shown with `--nocapture`, and when the test fails.
#[allow(
    clippy::print_stdout,
    reason = "the table that stands in docs/doctor.md"
)]
fn say(text: &str) {
    println!("{text}");
}

/// What the doctor said, by `--json`.
struct Told {
    code: i32,
    report: Value,
}

impl Told {
    #[track_caller]
    fn of(said: &Said) -> Self {
        Self {
            code: said.code,
            report: said.json(),
        }
    }

    fn diagnoses(&self) -> &Vec<Value> {
        self.report["diagnoses"].as_array().expect("a list")
    }

    /// The diagnosis with this cause must be there; what it says.
    #[track_caller]
    fn names(&self, cause: &str) -> &Value {
        let ill = (self.code, self.report["verdict"].as_str());
        assert_eq!(ill, (ILL, Some("ill")), "no {cause}: {:#}", self.report);
        let found = self.diagnoses().iter().find(|one| one["cause"] == *cause);
        found.unwrap_or_else(|| panic!("not {cause}: {:#}", self.report))
    }

    /// It must be what is said first.
    #[track_caller]
    fn says_first(&self, cause: &str) -> &Value {
        let found = self.names(cause);
        assert_eq!(&self.diagnoses()[0], found, "not first: {:#}", self.report);
        found
    }

    #[track_caller]
    fn is_well(&self) {
        assert_eq!(self.code, WELL, "{:#}", self.report);
        assert_eq!(self.report["verdict"], "well");
    }
}

impl Place {
    /// A clinic of this name, and what was said of its troubles.
    fn ill(name: &str, troubles: Troubles) -> Vec<String> {
        let hosts = Hosts::named(name).expect("namespaces were made before");
        let mut place = Self::found(hosts);
        troubles(&mut place);
        place.lines.take()
    }

    /// A line of the table: what was caused, where the doctor was asked, and what it said.
    fn line(&self, caused: &str, asked: &str, said: &Value) {
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
    fn found(hosts: Hosts) -> Self {
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
    fn settle(&mut self) {
        let settings = format!("bootstrap = [\"{FRONT}:{PORT}\", \"{LAB}:{PORT}\"]\n");
        std::fs::write(self.ward.dir().join("node.toml"), settings).expect("room");
        self.ward.start(&self.clinic);
        self.front.connected_to(&self.clinic, &self.ward);
        self.connected();
        self.lab_settings("");
    }

    /// The ward is told nothing and does not look around.
    fn not_looked_for(&mut self) {
        let settings = self.ward.dir().join("node.toml");
        std::fs::write(&settings, "mdns = \"off\"\n").expect("room");
        self.ward.start(&self.clinic);
        let told = self.ask("ward", &[]);
        let said = told.says_first("discovery-off");
        self.line("`mdns = \"off\"`, and no bootstrap", "there", said);
        self.ward.stop();
        std::fs::remove_file(settings).expect("just written");
        self.ward.start(&self.clinic);
    }

    fn node(&self, name: &str) -> &Node {
        match name {
            "front" => &self.front,
            "lab" => &self.lab,
            _ => &self.ward,
        }
    }

    fn join(&self, name: &str) {
        let node = self.node(name);
        let at = format!("{FRONT}:7847");
        self.clinic.join_from(&self.front, node, &["--at", &at]);
    }

    /// The lab is connected to both others, as it mostly is.
    #[track_caller]
    fn connected(&self) {
        self.lab.connected_to(&self.clinic, &self.front);
        self.lab.connected_to(&self.clinic, &self.ward);
    }

    /// What the doctor says at a machine.
    fn ask(&self, at: &str, args: &[&str]) -> Told {
        let node = self.node(at);
        let args = [&["doctor", "--json"], args].concat();
        Told::of(&self.clinic.on(node, &args).said())
    }

    /// What the doctor says when it is asked until it says `cause`: what the network knows of a trouble
    /// comes with the next try to connect.
    #[track_caller]
    fn ask_until(&self, at: &str, cause: &str) -> Told {
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

    fn namespace(&self, host: &str) -> String {
        self.hosts.namespace(host)
    }

    /// Runs a program in a machine's namespace.
    #[track_caller]
    fn at(&self, host: &str, program: &str, args: &[&str]) {
        let namespace = self.namespace(host);
        let args = [&["netns", "exec", &namespace, program], args].concat();
        run("ip", &args);
    }

    /// Puts a firewall up at a machine: rules for what comes in and for what goes out.
    #[track_caller]
    fn firewall(&self, host: &str, input: &str, output: &str) {
        let rules = format!(
            "table inet doctor {{
                chain in {{ type filter hook input priority 0; {input} }}
                chain out {{ type filter hook output priority 0; {output} }}
            }}"
        );
        self.at(host, "nft", &[&rules]);
    }

    #[track_caller]
    fn no_firewall(&self, host: &str) {
        self.at(host, "nft", &["delete table inet doctor"]);
    }

    /// Stops the lab, changes something, and starts it again.
    fn restart_lab(&mut self, change: impl FnOnce(&Self)) {
        self.lab.stop();
        change(self);
        self.lab.start(&self.clinic);
    }

    /// Writes the lab's settings; it knows where the ward is.
    fn lab_settings(&self, text: &str) {
        let text = format!("bootstrap = [\"{WARD}:{PORT}\"]\n{text}");
        std::fs::write(self.lab.dir().join("node.toml"), text).expect("room");
    }

    /// The ward is behind a router and was told nothing: mDNS does not cross it.
    fn different_networks(&mut self) {
        let told = self.ask("ward", &[]);
        let said = told.names("not-found");
        let could = said["could_be"].as_array().expect("a list");
        assert!(could.contains(&"different-subnets".into()), "{said:#}");
        self.line("different subnets, no bootstrap", "one side", said);
        let told = self.ask("ward", &["--with", FRONT]);
        let said = told.says_first("different-subnets");
        assert_eq!(said["likelihood"], "certain");
        self.line("the same", "`--with` the address", said);
        self.ward.stop();
        self.settle();
    }

    /// Nothing is wrong, and nothing is said to be.
    fn healthy(&self) {
        let mut all_seen = 0;
        for at in ["front", "lab", "ward"] {
            let told = self.ask(at, &[]);
            told.is_well();
            let unseen = told.report["unseen"].as_array().expect("a list");
            all_seen += usize::from(unseen.is_empty());
            let text = self.clinic.on(self.node(at), &["doctor"]).said().done();
            let all_is_well = text.out.contains("All is well.");
            assert_eq!(all_is_well, unseen.is_empty(), "{}", text.out);
        }
        assert!(all_seen > 0, "somebody was called by somebody else");
        let named = self.ask("front", &["--with", "lab"]);
        named.is_well();
        let unknown = self.clinic.on(&self.front, &["doctor", "--with", "nobody"]);
        let mut unknown = unknown;
        unknown.said().failed(3);
    }

    /// The lab's firewall drops mDNS, while everybody is still connected.
    fn mdns_dropped(&self) {
        self.firewall("lab", "udp dport 5353 drop;", "");
        let told = self.ask("lab", &[]);
        let said = told.says_first("mdns-blocked");
        assert_eq!(
            (&said["likelihood"], &said["about"]),
            (&"certain".into(), &Value::Null)
        );
        self.line("a firewall drops mDNS here", "there", said);
        let told = self.ask("front", &[]);
        let said = told.says_first("mdns-blocked");
        assert_eq!(said["likelihood"], "likely");
        assert!(said["about"].is_string(), "{said:#}");
        self.line("a firewall drops mDNS there", "the other side", said);
        self.no_firewall("lab");
        self.firewall("lab", "", "udp dport 5353 drop;");
        self.ask("lab", &[]).says_first("mdns-blocked");
        self.no_firewall("lab");
    }

    /// The lab's firewall drops the port: in one direction, and in both.
    fn port_dropped(&mut self) {
        let calls = format!("tcp dport {PORT} tcp flags & (syn|ack) == syn drop;");
        self.firewall("lab", &calls, "");
        let told = self.ask("front", &["--with", LAB]);
        let said = told.says_first("port-blocked");
        self.line(
            "a firewall drops the port inwards, connected",
            "the other side",
            said,
        );
        self.no_firewall("lab");
        self.restart_lab(|place| place.firewall("lab", &calls, &calls));
        let told = self.ask_until("front", "port-blocked");
        let said = told.says_first("port-blocked");
        self.line(
            "a firewall drops the port in both directions",
            "the other side",
            said,
        );
        let told = self.ask("lab", &[]);
        let said = told.says_first("port-blocked");
        self.line("the same", "there", said);
        self.no_firewall("lab");
        self.firewall(
            "lab",
            &format!("tcp dport {PORT} reject with tcp reset;"),
            &calls,
        );
        let told = self.ask_until("front", "not-listening");
        self.line(
            "a firewall refuses the port",
            "the other side",
            told.says_first("not-listening"),
        );
        self.no_firewall("lab");
        self.restart_lab(|_| {});
        self.connected();
    }

    /// A container bridge in the settings; a VPN that takes the way to the office's network.
    fn wrong_interfaces(&mut self) {
        self.at("lab", "ip", &["link", "add", "docker0", "type", "bridge"]);
        self.at(
            "lab",
            "ip",
            &["addr", "add", "172.17.0.1/16", "dev", "docker0"],
        );
        self.at("lab", "ip", &["link", "set", "docker0", "up"]);
        self.ask("lab", &[]).is_well();
        let bound = format!("listen = [\"172.17.0.1:{PORT}\"]\ninterfaces = [\"docker0\"]\n");
        self.restart_lab(|place| place.lab_settings(&bound));
        let told = self.ask("lab", &[]);
        let said = told.says_first("wrong-interface");
        assert!(
            said["message"]
                .as_str()
                .expect("a text")
                .contains("docker0")
        );
        self.line("node.toml names a container bridge", "there", said);
        self.restart_lab(|place| {
            place.lab_settings("");
            let front = format!("{FRONT}/32");
            place.at("lab", "ip", &["link", "del", "docker0"]);
            place.at("lab", "ip", &["tuntap", "add", "tun0", "mode", "tun"]);
            place.at("lab", "ip", &["link", "set", "tun0", "up"]);
            place.at("lab", "ip", &["route", "add", &front, "dev", "tun0"]);
        });
        let told = self.ask("lab", &[]);
        let said = told.says_first("wrong-interface");
        assert!(said["message"].as_str().expect("a text").contains("VPN"));
        self.line("a VPN takes what is for the office", "there", said);
        self.restart_lab(|place| place.at("lab", "ip", &["link", "del", "tun0"]));
        self.connected();
    }

    /// A printer has the front desk's address.
    fn same_address(&self) {
        let (printer, router) = (self.namespace("printer"), self.namespace("router"));
        run("ip", &["netns", "add", &printer]);
        let cable = [
            "link", "add", "lan", "netns", &printer, "type", "veth", "peer", "name", "printer",
            "netns", &router,
        ];
        run("ip", &cable);
        run(
            "ip",
            &[
                "-n", &router, "link", "set", "printer", "master", "lan1", "up",
            ],
        );
        let address = format!("{FRONT}/24");
        run(
            "ip",
            &["-n", &printer, "addr", "add", &address, "dev", "lan"],
        );
        run("ip", &["-n", &printer, "link", "set", "lan", "up"]);
        let told = self.ask("front", &[]);
        let said = told.says_first("duplicate-address");
        assert_eq!(said["likelihood"], "certain");
        self.line("a printer has the same address", "there", said);
        run("ip", &["netns", "del", &printer]);
    }

    /// The access point keeps front and lab apart; both reach the router.
    fn kept_apart(&mut self) {
        let router = self.namespace("router");
        let isolated = |on: &str| {
            for port in ["front", "lab"] {
                let bridge = ["netns", "exec", &router, "bridge"];
                let link = ["link", "set", "dev", port, "isolated", on];
                run("ip", &[&bridge[..], &link].concat());
            }
        };
        self.lab.stop();
        isolated("on");
        self.lab.start(&self.clinic);
        let told = self.ask_until("front", "machine-off");
        let said = told.names("machine-off");
        let could = said["could_be"].as_array().expect("a list");
        assert!(could.contains(&"client-isolation".into()), "{said:#}");
        self.line("client isolation, with one machine", "one side", said);
        let bundle = self.clinic.path("lab.bundle");
        let bundle = bundle.to_str().expect("a plain path");
        self.ask("lab", &["--bundle", bundle]);
        let told = self.ask("front", &["--with", bundle]);
        let said = told.says_first("client-isolation");
        assert_eq!(said["likelihood"], "certain");
        self.line("client isolation", "both sides, `--with FILE`", said);
        let written = std::fs::read_to_string(bundle).expect("written");
        for name in ["Front desk", "Test Clinic", "Robin", "ward", "lab"] {
            assert!(
                !written.contains(name),
                "{name} is in the bundle:\n{written}"
            );
        }
        self.lab.stop();
        let told = self.ask_until("front", "machine-off");
        told.names("machine-off");
        isolated("off");
        let told = self.ask_until("front", "not-listening");
        self.line(
            "the node there was stopped",
            "the other side",
            told.says_first("not-listening"),
        );
        self.lab.start(&self.clinic);
        self.connected();
    }

    /// The lab's clock is a day ahead, and then 40.
    fn clock(&mut self) {
        self.lab.stop();
        self.lab.days_ahead = 1;
        self.lab.start(&self.clinic);
        self.connected();
        let told = self.ask_until("lab", "clock-off");
        self.line(
            "the clock is a day ahead, connected",
            "there",
            told.says_first("clock-off"),
        );
        let told = self.ask_until("front", "clock-off");
        self.line("the same", "the other side", told.names("clock-off"));
        self.lab.stop();
        self.lab.days_ahead = 40;
        self.lab.start(&self.clinic);
        let told = self.ask_until("lab", "clock-off");
        self.line(
            "the clock is 40 days ahead, nobody connects",
            "there",
            told.says_first("clock-off"),
        );
        self.lab.stop();
        self.lab.days_ahead = 0;
    }

    /// What keeps a node from running, or from taking messages.
    fn machine_itself(&mut self) {
        let told = self.ask("lab", &[]);
        self.line(
            "the node was stopped",
            "there",
            told.says_first("not-running"),
        );

        let (key, away) = (self.clinic.path("lab.key"), self.clinic.path("lab.away"));
        std::fs::rename(&key, &away).expect("there");
        let told = self.ask("lab", &[]);
        self.line(
            "the key file is gone",
            "there",
            told.says_first("store-locked"),
        );
        std::fs::rename(&away, &key).expect("there");

        let lock = std::fs::File::open(self.lab.dir().join("lock")).expect("a node was here");
        let hold = rustix::fs::FlockOperation::LockExclusive;
        rustix::fs::flock(&lock, hold).expect("nobody else has it");
        let told = self.ask("lab", &[]);
        self.line(
            "another program has the store open",
            "there",
            told.says_first("store-in-use"),
        );
        drop(lock);

        let second = Clinic::found();
        let mut thief = second.node("thief");
        thief.namespace = Some(self.namespace("lab"));
        let init = ["node", "init", "--office", "Other", "--name", "thief"];
        second.on(&thief, &init).said().done();
        thief.start(&second);
        let told = self.ask("lab", &[]);
        let said = told.says_first("port-taken");
        assert!(
            said["message"]
                .as_str()
                .expect("a text")
                .contains("clinic-mesh")
        );
        self.line("another program has the port", "there", said);
        drop(thief);

        self.lab_settings("lisen = []\n");
        let told = self.ask("lab", &[]);
        self.line(
            "a typing mistake in node.toml",
            "there",
            told.says_first("settings-unreadable"),
        );
        self.lab_settings(&format!("listen = [\"10.71.9.9:{PORT}\"]\n"));
        let told = self.ask("lab", &[]);
        self.line(
            "node.toml names an old address",
            "there",
            told.says_first("address-not-here"),
        );
        self.lab_settings("");

        self.lab.start(&self.clinic);
        self.connected();
        let filler = self.disk.0.join("other-files");
        let file = std::fs::File::create(&filler).expect("room");
        let free = rustix::fs::statvfs(&self.disk.0).expect("mounted");
        let free = free.f_bavail * free.f_frsize;
        let take = free - (30 << 20);
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, take).expect("room");
        let told = self.ask("lab", &[]);
        self.line(
            "the disk is nearly full",
            "there",
            told.says_first("disk-nearly-full"),
        );
        drop(file);
        std::fs::remove_file(filler).expect("there");
        self.ask("lab", &[]).is_well();
    }

    /// There is no node, or its directory is open to everyone.
    fn no_node(&mut self) {
        let mut nobody = self.clinic.node("nobody");
        nobody.namespace = Some(self.namespace("lab"));
        let doctor = ["doctor", "--json"];
        let told = Told::of(&self.clinic.on(&nobody, &doctor).said());
        let said = told.says_first("no-node");
        self.line("a directory without a node", "there", said);
        let mode = |mode| std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.lab.dir(), mode(0o755)).expect("ours");
        let told = self.ask("lab", &[]);
        let said = told.says_first("directory-refused");
        self.line("others may enter the node's directory", "there", said);
        std::fs::set_permissions(self.lab.dir(), mode(0o700)).expect("ours");
    }

    /// A cable is out, the switch is dead, a machine was told no router.
    fn cables(&mut self) {
        let (lab, ward) = (self.namespace("lab"), self.namespace("ward"));
        run("ip", &["-n", &lab, "link", "set", "lan", "down"]);
        let told = self.ask("lab", &[]);
        let said = told.says_first("no-network");
        self.line("the machine's cable is out", "there", said);
        run("ip", &["-n", &lab, "link", "set", "lan", "up"]);
        self.hosts.address("lab", 1, 12).expect("as before");

        run("ip", &["-n", &ward, "route", "del", "default"]);
        self.ward.stop();
        self.ward.start(&self.clinic);
        let told = self.ask("ward", &[]);
        let said = told.says_first("no-route");
        self.line("the machine knows no router", "there", said);
        self.hosts.address("ward", 2, 11).expect("as before");

        let router = self.namespace("router");
        run("ip", &["-n", &router, "link", "set", "lan1", "down"]);
        let told = self.ask("lab", &[]);
        let said = told.names("router-silent");
        self.line("the switch is dead", "there", said);
        run("ip", &["-n", &router, "link", "set", "lan1", "up"]);
        self.connected();
    }

    /// A node of another clinic, told where the front desk is.
    fn other_clinic(&self) {
        let second = Clinic::found();
        let mut other = second.node("other");
        other.namespace = Some(self.namespace("home"));
        let bootstrap = format!("{FRONT}:{PORT}");
        let init = [
            "node",
            "init",
            "--office",
            "Other",
            "--name",
            "other",
            "--bootstrap",
            &bootstrap,
        ];
        second.on(&other, &init).said().done();
        other.start(&second);
        let told = Told::of(&second.on(&other, &["doctor", "--json"]).said());
        self.line(
            "the machine is of another clinic",
            "there",
            told.says_first("other-clinic"),
        );
        let told = self.ask("front", &[]);
        self.line(
            "the same",
            "the other side",
            told.says_first("other-clinic"),
        );
        let bundle = self.clinic.path("other.bundle");
        let bundle = bundle.to_str().expect("a plain path");
        second
            .on(&other, &["doctor", "--bundle", bundle])
            .said()
            .failed(ILL);
        let told = self.ask("front", &["--with", bundle]);
        let said = told.says_first("other-clinic");
        assert_eq!(said["likelihood"], "certain");
        self.line("the same", "both sides, `--with FILE`", said);
    }

    fn revoke(&self, name: &str, more: &[&str]) {
        let revoke = ["device", "revoke", name, "--yes", "--watch", "1", "--json"];
        let args = [&revoke[..], more].concat();
        self.clinic.on(&self.front, &args).said().done();
    }

    /// The ward's machine is revoked; it does not hear why unless it asks.
    fn revoked(&mut self) {
        self.revoke("ward", &["--keep-mesh-key"]);
        let told = self.ask_until("ward", "revoked");
        self.line(
            "the machine was revoked",
            "there",
            told.says_first("revoked"),
        );
        let told = self.ask("front", &[]);
        assert!(
            !told.diagnoses().iter().any(|one| one["cause"] == "revoked"),
            "as it should be: {:#}",
            told.report
        );
        self.ward.kill();
    }

    /// The lab is switched off while three machines are lost, each of which changes the mesh key.
    fn old_mesh_key(&mut self) {
        self.lab.stop();
        for name in ["one", "two", "three"] {
            let request = self.clinic.path(&format!("{name}.request"));
            let answer = self.clinic.path(&format!("{name}.answer"));
            let path = |path: &PathBuf| path.to_str().expect("a plain path").to_owned();
            let (request, answer) = (path(&request), path(&answer));
            let machine = self.clinic.node(name);
            let make = ["node", "request", "--out", &request];
            self.clinic.on(&machine, &make).said().done();
            let enrol = [
                "device", "enrol", &request, "--office", name, "--name", name, "--out", &answer,
                "--yes",
            ];
            self.clinic.on(&self.front, &enrol).said().done();
            self.revoke(name, &[]);
        }
        self.lab.start(&self.clinic);
        // Whether the lab has ever called the front desk itself, and so knows whose address that is,
        // decides which of two causes it names first.
        let old = Value::from("old-mesh-key");
        let names = |one: &&Value| {
            let could = one["could_be"].as_array();
            one["cause"] == old || could.is_some_and(|could| could.contains(&old))
        };
        let told = eventually("the lab is turned away", || {
            let told = self.ask("lab", &[]);
            let named = told.diagnoses().iter().any(|one| names(&one));
            named.then_some(told)
        });
        let said = told.diagnoses().iter().find(names).expect("just seen");
        self.line("the mesh key is too old", "there", said);
        let told = self.ask_until("front", "old-mesh-key");
        let said = told.names("old-mesh-key");
        self.line("the same", "the other side", said);
        let bundle = self.clinic.path("lab2.bundle");
        let bundle = bundle.to_str().expect("a plain path");
        self.ask("lab", &["--bundle", bundle]);
        let told = self.ask("front", &["--with", bundle]);
        let said = told.says_first("old-mesh-key");
        assert_eq!(said["likelihood"], "certain");
        self.line("the same", "both sides, `--with FILE`", said);
        self.lab.kill();
    }

    /// All were switched off for longer than a certificate lives.
    fn expired(&mut self) {
        self.front.stop();
        self.front.days_ahead = 27;
        self.front.start(&self.clinic);
        let told = self.ask("front", &[]);
        let said = told.names("certificate-ending");
        self.line(
            "nobody was connected when certificates should have been renewed",
            "one side",
            said,
        );
        self.front.stop();
        self.front.days_ahead = 31;
        self.front.start(&self.clinic);
        let told = self.ask("front", &[]);
        self.line(
            "the certificate has ended",
            "there",
            told.says_first("certificate-expired"),
        );
    }
}
