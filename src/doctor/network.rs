//! What is the matter with this machine's part of the network.

use std::net::{IpAddr, SocketAddr};

use super::facts::{Discovery, Facts, Interface, Kind, Neighbour, Try};
use super::{Cause, Diagnosis, Findings, Likelihood};

/// Judges this machine's part.
pub(super) fn judge(facts: &Facts, findings: &mut Findings) {
    no_network(facts, findings);
    twins(facts, findings);
    if !stays_here(facts) {
        wrong_interface(facts, findings);
        mdns_here(facts, findings);
    }
    router(facts, findings);
}

pub(super) fn offices(facts: &Facts) -> impl Iterator<Item = &Interface> {
    let interfaces = facts.machine.interfaces.iter();
    interfaces.filter(|interface| interface.is_office() && !interface.networks.is_empty())
}

pub(super) fn named<'a>(facts: &'a Facts, name: &str) -> Option<&'a Interface> {
    facts.machine.interfaces.iter().find(|i| i.name == name)
}

pub(super) const fn kind_words(kind: Kind) -> &'static str {
    match kind {
        Kind::Lan => "the office's network",
        Kind::Wifi => "Wi-Fi",
        Kind::Tunnel => "a VPN",
        Kind::Container => "a bridge for containers or virtual machines on this machine",
        Kind::Loopback => "this machine itself",
    }
}

fn no_network(facts: &Facts, findings: &mut Findings) {
    let outside = |i: &&Interface| i.kind != Kind::Loopback && i.kind != Kind::Container;
    let mut outside = facts.machine.interfaces.iter().filter(outside);
    if facts.machine.interfaces.is_empty() || outside.any(|i| i.up && has_v4_or_global(i)) {
        return;
    }
    findings.found(
        Diagnosis::new(
            Cause::NoNetwork,
            Likelihood::Certain,
            "This machine is connected to no network.",
        )
        .seen("no interface is connected and has an address")
        .remedy("Look at the cable, or at whether Wi-Fi is switched on and joined."),
    );
}

/// Every connected interface has a link-local address; that alone leads nowhere.
fn has_v4_or_global(interface: &Interface) -> bool {
    let mut networks = interface.networks.iter();
    networks.any(|(ip, _)| match ip {
        IpAddr::V4(v4) => !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    })
}

fn twins(facts: &Facts, findings: &mut Findings) {
    let Some(twins) = &facts.machine.twins else {
        findings.unseen(
            "whether another machine has the same address: that question on the wire needs root; run \
             the doctor with sudo",
        );
        return;
    };
    for twin in twins {
        findings.found(
            Diagnosis::new(
                Cause::DuplicateAddress,
                Likelihood::Certain,
                format!(
                    "Another machine has the same address as this one, {}.",
                    twin.address
                ),
            )
            .seen(format!(
                "the machine with the card {} answers for {} on {}",
                twin.machine, twin.address, twin.interface
            ))
            .remedy(
                "Give one of both another address: in the router's list of fixed addresses, or in \
                 that machine's settings. Printers and cameras are the usual ones.",
            ),
        );
    }
}

/// Settings that bind the node to a VPN or a container bridge, while the office's network is elsewhere.
fn wrong_interface(facts: &Facts, findings: &mut Findings) {
    let Some(settings) = &facts.machine.settings else {
        return;
    };
    let Some(office) = offices(facts).find(|interface| interface.up) else {
        return;
    };
    // Who is reached that way is reached on purpose.
    let peers = facts.node.iter().flat_map(|node| &node.peers);
    let links: Vec<IpAddr> = peers
        .filter_map(|peer| Some(peer.link?.address.ip()))
        .collect();
    let used = |interface: &Interface| links.iter().any(|ip| interface.reaches(*ip));
    let bound: Vec<(SocketAddr, Option<&Interface>)> = settings
        .listen
        .iter()
        .map(|address| (*address, holder(facts, address.ip())))
        .collect();
    let elsewhere = |(address, held): &(SocketAddr, Option<&Interface>)| {
        !address.ip().is_unspecified() && held.is_some_and(|i| !i.is_office() && !used(i))
    };
    if let Some((address, Some(interface))) = bound.iter().find(|line| elsewhere(line))
        && bound.iter().all(elsewhere)
    {
        let said = format!(
            "`listen` in node.toml says {address}, which is {}",
            interface.name
        );
        findings.found(wrong(
            interface,
            office,
            &said,
            "`listen` to 0.0.0.0 and the port",
        ));
    }
    let chosen: Vec<&Interface> = settings
        .interfaces
        .iter()
        .filter_map(|name| named(facts, name))
        .collect();
    match chosen.first() {
        Some(first) if !chosen.iter().any(|i| i.is_office() || used(i)) => {
            let said = format!("`interfaces` in node.toml says {}", first.name);
            findings.found(wrong(first, office, &said, "`interfaces` to []"));
        }
        None if !settings.interfaces.is_empty() => findings.found(
            Diagnosis::new(
                Cause::WrongInterface,
                Likelihood::Certain,
                "Nodes are looked for on a network interface that this machine does not have.",
            )
            .seen(format!(
                "`interfaces` in node.toml says {}; this machine has {}",
                settings.interfaces.join(", "),
                office.name
            ))
            .remedy(format!(
                "Set `interfaces` to [] or [\"{}\"], and restart the node.",
                office.name
            )),
        ),
        Some(_) | None => {}
    }
}

/// Whether an address is this machine's own.
pub(super) fn is_here(facts: &Facts, ip: IpAddr) -> bool {
    ip.is_loopback() || holder(facts, ip).is_some()
}

/// Whether the node means to talk to nodes of this machine alone, as in a trial: it listens where nobody else
/// gets through, and every address that it was given or learned is here.
fn stays_here(facts: &Facts) -> bool {
    let Some(settings) = &facts.machine.settings else {
        return false;
    };
    let peers = facts.node.iter().flat_map(|node| &node.peers);
    let places: Vec<IpAddr> = peers
        .flat_map(|peer| &peer.places)
        .chain(&settings.bootstrap)
        .map(SocketAddr::ip)
        .collect();
    let looks_here = settings.discovery != Discovery::On || !places.is_empty();
    let mut listen = settings.listen.iter();
    looks_here
        && listen.all(|address| address.ip().is_loopback())
        && places.iter().all(|ip| is_here(facts, *ip))
}

fn holder(facts: &Facts, ip: IpAddr) -> Option<&Interface> {
    let mut interfaces = facts.machine.interfaces.iter();
    interfaces.find(|i| i.networks.iter().any(|(own, _)| *own == ip))
}

fn wrong(interface: &Interface, office: &Interface, said: &str, set: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::WrongInterface,
        Likelihood::Certain,
        format!(
            "The node uses {} ({}) instead of the office's network ({}).",
            interface.name,
            kind_words(interface.kind),
            office.name
        ),
    )
    .seen(said.to_owned())
    .remedy(format!("Set {set} in node.toml, and restart the node."))
}

fn router(facts: &Facts, findings: &mut Findings) {
    let Some(router) = &facts.machine.router else {
        return;
    };
    let someone = |tried: &Try| tried.near && tried.neighbour == Neighbour::Answers;
    if router.neighbour != Neighbour::Silent || facts.tries.iter().any(someone) {
        return;
    }
    findings.found(
        Diagnosis::new(
            Cause::RouterSilent,
            Likelihood::Likely,
            format!(
                "The router of this network, {}, does not answer.",
                router.address
            ),
        )
        .seen("nobody answers for its address on the wire, nor does anyone else")
        .remedy(
            "Look at the cable, the switch and the router; on Wi-Fi, whether this is the office's \
             network and not another one.",
        ),
    );
}

/// Whether this machine itself keeps mDNS from getting out or in.
fn mdns_here(facts: &Facts, findings: &mut Findings) {
    if !looks_around(facts) {
        return;
    }
    for echo in &facts.machine.echoes {
        match echo.heard {
            Some(true) => {}
            Some(false) => findings.found(
                Diagnosis::new(
                    Cause::MdnsBlocked,
                    Likelihood::Certain,
                    format!(
                        "A firewall on this machine drops mDNS on {}, so nodes are not found by \
                         themselves.",
                        echo.interface
                    ),
                )
                .seen("what this machine sends to UDP port 5353 does not even come back to itself")
                .remedy("Allow UDP port 5353, in and out, in this machine's firewall."),
            ),
            None => findings.unseen(format!(
                "whether mDNS gets out on {}: another program keeps its port for itself",
                echo.interface
            )),
        }
    }
}

pub(super) fn looks_around(facts: &Facts) -> bool {
    let settings = facts.machine.settings.as_ref();
    settings.is_none_or(|settings| settings.discovery == Discovery::On)
}

/// Whether the doctor heard somebody at this address announce a node. What the node itself has heard may
/// be of an hour ago.
pub(super) fn is_heard(facts: &Facts, ip: IpAddr) -> bool {
    let mut heard = facts.machine.heard.iter().flatten();
    heard.any(|at| at.ip() == ip)
}

pub(super) fn echo_works(facts: &Facts) -> bool {
    facts
        .machine
        .echoes
        .iter()
        .any(|echo| echo.heard == Some(true))
}

/// The networks of this machine, in words.
pub(super) fn own_networks(facts: &Facts) -> String {
    let networks = offices(facts).flat_map(|interface| &interface.networks);
    let v4 = networks.filter(|(ip, _)| ip.is_ipv4());
    let words: Vec<String> = v4.map(|(ip, prefix)| format!("{ip}/{prefix}")).collect();
    if words.is_empty() {
        return "no address".to_owned();
    }
    words.join(", ")
}
