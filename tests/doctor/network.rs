//! Troubles of the network: firewalls, VPNs, addresses, cables, and machines that are kept apart.

use serde_json::Value;

use crate::place::{FRONT, LAB, PORT, Place, run};
use crate::processes::Say as _;

impl Place {
    /// The ward is told nothing and does not look around.
    pub(crate) fn not_looked_for(&mut self) {
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

    /// The ward is behind a router and was told nothing: mDNS does not cross it.
    pub(crate) fn different_networks(&mut self) {
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
    pub(crate) fn healthy(&self) {
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
    pub(crate) fn mdns_dropped(&self) {
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
        self.firewall("lab", "", "udp dport 5353 drop;");
        self.ask("lab", &[]).says_first("mdns-blocked");
        self.no_firewall("lab");
    }

    /// The lab's firewall drops the port: in one direction, and in both.
    pub(crate) fn port_dropped(&mut self) {
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
    pub(crate) fn wrong_interfaces(&mut self) {
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
    pub(crate) fn same_address(&self) {
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
    pub(crate) fn kept_apart(&mut self) {
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

    /// A cable is out, the switch is dead, a machine was told no router.
    pub(crate) fn cables(&mut self) {
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
}
