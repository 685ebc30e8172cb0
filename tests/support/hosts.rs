//! Network namespaces: a router, and LANs with hosts.
//!
//! Each LAN is a bridge in the router's namespace, so multicast stays within it; the router forwards
//! everything else. All addresses are from 10.71.0.0/16 and exist only inside the namespaces.

#![allow(
    dead_code,
    reason = "each user of this module needs another part of it"
)]

use std::collections::BTreeSet;
use std::process::Command;

/// Names of the hosts of two LANs, their LAN and their number in it.
pub(crate) const HOSTS: [(&str, u8, u8); 4] = [
    ("front", 1, 11),
    ("lab", 1, 12),
    ("ward", 2, 11),
    ("home", 2, 12),
];

/// One host.
struct Host {
    name: String,
    lan: u8,
    number: u8,
}

/// The namespaces; they go when this is dropped.
pub(crate) struct Hosts {
    prefix: String,
    hosts: Vec<Host>,
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
    /// Makes two LANs with two hosts each, or says why that cannot be done here.
    pub(crate) fn make() -> Result<Self, String> {
        Self::named("")
    }

    /// The same beside others of this process, which have other names.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let host = |(name, lan, number): (&str, u8, u8)| Host {
            name: name.to_owned(),
            lan,
            number,
        };
        Self::of(name, HOSTS.map(host).into())
    }

    /// Makes one LAN of hosts with these names, numbered from 11 on.
    pub(crate) fn on_one_lan(names: &[String]) -> Result<Self, String> {
        let host = |(number, name): (u8, &String)| Host {
            name: name.clone(),
            lan: 1,
            number,
        };
        Self::of("", (11..).zip(names).map(host).collect())
    }

    fn of(name: &str, hosts: Vec<Host>) -> Result<Self, String> {
        let hosts = Self {
            prefix: format!("cm{}{name}", std::process::id()),
            hosts,
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
        let lans: BTreeSet<u8> = self.hosts.iter().map(|host| host.lan).collect();
        for lan in lans {
            let bridge = format!("lan{lan}");
            let address = format!("10.71.{lan}.1/24");
            ip(&["-n", &router, "link", "add", &bridge, "type", "bridge"])?;
            ip(&["-n", &router, "addr", "add", &address, "dev", &bridge])?;
            ip(&["-n", &router, "link", "set", &bridge, "up"])?;
        }
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
        ip(&["netns", "exec", &router, "sh", "-c", forward])?;
        self.hosts.iter().try_for_each(|host| self.plug_in(host))
    }

    fn plug_in(&self, host: &Host) -> Result<(), String> {
        let Host { name, lan, number } = host;
        let (here, router) = (self.namespace(name), self.router());
        ip(&["netns", "add", &here])?;
        ip(&["-n", &here, "link", "set", "lo", "up"])?;
        let cable = [
            "link", "add", "lan", "netns", &here, "type", "veth", "peer", "name", name, "netns",
            &router,
        ];
        ip(&cable)?;
        let bridge = format!("lan{lan}");
        ip(&["-n", &router, "link", "set", name, "master", &bridge, "up"])?;
        ip(&["-n", &here, "link", "set", "lan", "up"])?;
        self.address(name, *lan, *number)
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

    /// Drops so many of a hundred packets of mDNS that reach a host, at random, whoever they come from.
    pub(crate) fn lose_mdns(&self, host: &str, percent: u8) -> Result<(), String> {
        let loss = match percent {
            100 => "udp dport 5353 drop".to_owned(),
            _ => format!("udp dport 5353 numgen random mod 100 < {percent} drop"),
        };
        let table = format!(
            "table inet loss {{\nchain input {{\ntype filter hook input priority 0;\n{loss}\n}}\n}}\n"
        );
        ip(&["netns", "exec", &self.namespace(host), "nft", &table])
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
        let names = self.hosts.iter().map(|host| host.name.as_str());
        for host in names.chain(["router"]) {
            // One that was never made cannot be removed.
            let _ = ip(&["netns", "del", &self.namespace(host)]);
        }
    }
}
