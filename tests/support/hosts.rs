//! Five network namespaces: a router, and two LANs with two hosts each.
//!
//! Each LAN is a bridge in the router's namespace, so multicast stays within it; the router forwards
//! everything else. All addresses are from 10.71.0.0/16 and exist only inside the namespaces.

use std::process::Command;

/// Names of the hosts, their LAN and their number in it.
pub(crate) const HOSTS: [(&str, u8, u8); 4] = [
    ("front", 1, 11),
    ("lab", 1, 12),
    ("ward", 2, 11),
    ("home", 2, 12),
];

/// The namespaces; they go when this is dropped.
pub(crate) struct Hosts {
    prefix: String,
}

/// Runs `ip`; what it said if it failed.
fn ip(args: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(args).output();
    let output = output.map_err(|error| format!("ip cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("ip {}: {}", args.join(" "), said.trim()))
}

impl Hosts {
    /// Makes them all, or says why that cannot be done here.
    pub(crate) fn make() -> Result<Self, String> {
        Self::named("")
    }

    /// The same beside others of this process, which have other names.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let hosts = Self {
            prefix: format!("cm{}{name}", std::process::id()),
        };
        hosts.build()?;
        Ok(hosts)
    }

    /// The namespace of a host.
    pub(crate) fn namespace(&self, host: &str) -> String {
        format!("{}-{host}", self.prefix)
    }

    fn router(&self) -> String {
        self.namespace("router")
    }

    fn build(&self) -> Result<(), String> {
        let router = self.router();
        ip(&["netns", "add", &router])?;
        ip(&["-n", &router, "link", "set", "lo", "up"])?;
        for lan in ["1", "2"] {
            let bridge = format!("lan{lan}");
            let address = format!("10.71.{lan}.1/24");
            ip(&["-n", &router, "link", "add", &bridge, "type", "bridge"])?;
            ip(&["-n", &router, "addr", "add", &address, "dev", &bridge])?;
            ip(&["-n", &router, "link", "set", &bridge, "up"])?;
        }
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
        ip(&["netns", "exec", &router, "sh", "-c", forward])?;
        HOSTS.iter().try_for_each(|host| self.plug_in(host))
    }

    fn plug_in(&self, (host, lan, number): &(&str, u8, u8)) -> Result<(), String> {
        let (here, router) = (self.namespace(host), self.router());
        ip(&["netns", "add", &here])?;
        ip(&["-n", &here, "link", "set", "lo", "up"])?;
        let cable = [
            "link", "add", "lan", "netns", &here, "type", "veth", "peer", "name", host, "netns",
            &router,
        ];
        ip(&cable)?;
        let bridge = format!("lan{lan}");
        ip(&["-n", &router, "link", "set", host, "master", &bridge, "up"])?;
        ip(&["-n", &here, "link", "set", "lan", "up"])?;
        self.address(host, *lan, *number)
    }

    /// Gives a host one address, in place of those it had.
    pub(crate) fn address(&self, host: &str, lan: u8, number: u8) -> Result<(), String> {
        let here = self.namespace(host);
        let address = format!("10.71.{lan}.{number}/24");
        let gateway = format!("10.71.{lan}.1");
        ip(&["-n", &here, "-4", "addr", "flush", "dev", "lan"])?;
        ip(&["-n", &here, "addr", "add", &address, "dev", "lan"])?;
        ip(&["-n", &here, "route", "add", "default", "via", &gateway])
    }

    /// Cuts a LAN off from the other one, or joins them again.
    pub(crate) fn joined(&self, lan: u8, joined: bool) -> Result<(), String> {
        let (router, network) = (self.router(), format!("10.71.{lan}.0/24"));
        let act = if joined { "del" } else { "add" };
        // The rule stands before the table that knows the LANs.
        ip(&[
            "-n",
            &router,
            "rule",
            act,
            "pref",
            "10",
            "to",
            &network,
            "blackhole",
        ])
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for host in HOSTS.iter().map(|host| host.0).chain(["router"]) {
            // One that was never made cannot be removed.
            let _ = ip(&["netns", "del", &self.namespace(host)]);
        }
    }
}
