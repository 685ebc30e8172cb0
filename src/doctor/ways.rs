//! The way to each peer: why is it not connected, and is anything broken that will be missed tomorrow?

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::facts::{
    Asked, Discovery, Facts, Interface, Kind, Link, Neighbour, Node, Outcome, Peer, Try, What,
};
use super::network::{
    echo_works, is_heard, is_here, kind_words, looks_around, named, offices, own_networks,
};
use super::{Cause, Diagnosis, Findings, Likelihood, trust};

/// Judges the way to each peer, and to the address that was asked about.
pub(super) fn judge(facts: &Facts, findings: &mut Findings) {
    if let Some(Asked::Address(address)) = facts.asked {
        asked(facts, address, findings);
    }
    let Some(node) = &facts.node else { return };
    if node.peers.is_empty() {
        bootstrap_alone(facts, node, findings);
    }
    let explained = announced(facts, node, findings);
    for peer in &node.peers {
        match &peer.link {
            Some(link) => connected(facts, peer, link, findings),
            None => absent(facts, node, peer, explained, findings),
        }
    }
    if node.peers.iter().any(|peer| peer.link.is_some()) && !node.reached {
        findings.unseen(
            "whether others get through to this node's port: none has connected to it since it was \
             started; run `clinic-mesh doctor --with` this machine's address at another node",
        );
    }
    if node.peers.is_empty() {
        findings.note("This is the only node that the clinic record lists.");
    }
}

/// A peer that is connected: is anything broken that will be missed tomorrow?
fn connected(facts: &Facts, peer: &Peer, link: &Link, findings: &mut Findings) {
    let ip = link.address.ip();
    let near = offices(facts).any(|interface| interface.reaches(ip));
    if near && looks_around(facts) && !is_heard(facts, ip) && echo_works(facts) {
        findings.found(
            Diagnosis::new(
                Cause::MdnsBlocked,
                Likelihood::Likely,
                format!(
                    "{} is connected, but is not heard on mDNS: it would not be found by itself \
                     once addresses change.",
                    peer.name
                ),
            )
            .about(peer)
            .seen(format!(
                "this machine's own mDNS works; nothing is announced from {ip}"
            ))
            .or(&[Cause::DiscoveryOff])
            .remedy(format!(
                "Run `clinic-mesh doctor` at {}: it says whether its own firewall drops UDP port \
                 5353. If not, the switch or the Wi-Fi between both drops multicast.",
                peer.name
            )),
        );
    }
    let tries: Vec<&Try> = of_peer(facts, peer)
        .into_iter()
        .filter(|tried| tried.address.ip() == ip)
        .collect();
    let dead = |tried: &&Try| matches!(tried.outcome, Outcome::TimedOut | Outcome::Refused);
    if let Some(tried) = tries.first().filter(|_| tries.iter().all(dead)) {
        findings.found(blocked_though_connected(peer, tried));
    }
}

fn blocked_though_connected(peer: &Peer, tried: &Try) -> Diagnosis {
    Diagnosis::new(
        Cause::PortBlocked,
        Likelihood::Likely,
        format!(
            "{} is connected only because it called this machine: in the other direction a firewall \
             drops TCP port {}.",
            peer.name,
            tried.address.port()
        ),
    )
    .about(peer)
    .seen(outcome_words(tried))
    .remedy(format!(
        "Let TCP port {} in at {}'s firewall.",
        tried.address.port(),
        peer.name
    ))
}

/// What was tried for a peer.
fn of_peer<'a>(facts: &'a Facts, peer: &Peer) -> Vec<&'a Try> {
    // An address that is tried for everyone, and where somebody else is.
    let peers = facts.node.iter().flat_map(|node| &node.peers);
    let others: BTreeSet<IpAddr> = peers
        .filter(|other| other.device != peer.device)
        .filter_map(|other| Some(other.link?.address.ip()))
        .collect();
    let places = peer.places.iter().filter(|at| !others.contains(&at.ip()));
    places.filter_map(|at| facts.attempt(*at)).collect()
}

fn outcome_words(tried: &Try) -> String {
    let Try {
        address, outcome, ..
    } = tried;
    let said = match outcome {
        Outcome::Connected => "somebody listens there",
        Outcome::Refused => "the machine answers that nobody listens there",
        Outcome::TimedOut => "no answer at all",
        Outcome::Unreachable => "the machine was not reached",
        Outcome::NoRoute => "there is no way there",
        Outcome::Denied => "this machine does not let it out",
    };
    let there = match tried.neighbour {
        Neighbour::Answers => ", though the machine itself is there",
        Neighbour::Silent => ", and nobody answers for the address on the wire",
        Neighbour::Unknown => "",
    };
    match outcome {
        Outcome::Connected => format!("{address}: {said}"),
        _ => format!("{address}: {said}{there}"),
    }
}

/// A peer that is not connected: why? `explained` says that a node of this clinic is heard and not reached,
/// which may be this one.
fn absent(facts: &Facts, node: &Node, peer: &Peer, explained: Explained, findings: &mut Findings) {
    if trust::of_absent(facts, node, peer, findings) {
        return;
    }
    let tries = of_peer(facts, peer);
    if tries.is_empty() {
        if explained == Explained::No {
            findings.found(not_found(facts, peer));
        }
        return;
    }
    for tried in best(&tries) {
        let diagnosis = unreached(facts, tried, &peer.name);
        findings.found(diagnosis.about(peer));
    }
}

/// Of several tries of one peer, those that tell most.
fn best<'a>(tries: &[&'a Try]) -> Vec<&'a Try> {
    let rank = |tried: &Try| match (tried.outcome, tried.neighbour) {
        (Outcome::Connected, _) => 0,
        (Outcome::Refused, _) => 1,
        (Outcome::Denied, _) => 2,
        (Outcome::TimedOut, Neighbour::Answers) => 3,
        (Outcome::TimedOut, _) => 4,
        (Outcome::Unreachable, _) => 5,
        (Outcome::NoRoute, _) => 6,
    };
    let first = tries.iter().map(|tried| rank(tried)).min();
    let mut told = tries.iter().filter(|tried| Some(rank(tried)) == first);
    told.next().copied().into_iter().collect()
}

/// Why an address leads to no node.
fn unreached(facts: &Facts, tried: &Try, name: &str) -> Diagnosis {
    if tried.machines > 1 {
        return shared_address(tried, name);
    }
    if is_here(facts, tried.address.ip()) && tried.outcome != Outcome::Connected {
        return here(tried, name);
    }
    let by = tried.by.as_deref().and_then(|by| named(facts, by));
    if let Some(by) = by.filter(|by| !by.is_office() && tried.outcome != Outcome::Connected) {
        return wrong_way(tried, name, by);
    }
    match tried.outcome {
        Outcome::Connected => connecting(tried, name),
        Outcome::Refused => not_listening(tried, name),
        Outcome::Denied => port_blocked(tried, name, Likelihood::Certain),
        Outcome::NoRoute => no_route(tried, name),
        Outcome::TimedOut | Outcome::Unreachable if tried.near => match tried.neighbour {
            Neighbour::Answers => port_blocked(tried, name, Likelihood::Likely),
            Neighbour::Silent | Neighbour::Unknown => silent(facts, tried, name),
        },
        Outcome::TimedOut | Outcome::Unreachable => far(facts, tried, name),
    }
}

/// A node at an address of this very machine: no cable, VPN or router is between the two.
fn here(tried: &Try, name: &str) -> Diagnosis {
    let address = tried.address;
    if tried.outcome != Outcome::Refused {
        return Diagnosis::new(
            Cause::PortBlocked,
            Likelihood::Likely,
            format!("A firewall on this machine drops what goes to {name}, at {address} on this same machine."),
        )
        .seen(format!("{address}: no answer, though it is an address of this machine"))
        .remedy(format!(
            "Let TCP port {} in at this machine's firewall.",
            address.port()
        ));
    }
    Diagnosis::new(
        Cause::NotRunning,
        Likelihood::Certain,
        format!("The program of {name} is not running: it would be at {address}, on this same machine."),
    )
    .seen(outcome_words(tried))
    .remedy(
        "Start it with `clinic-mesh --dir DIR node run`, where DIR is that node's own directory. If it \
         runs, compare `listen` in its node.toml with the address above.",
    )
}

fn shared_address(tried: &Try, name: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::DuplicateAddress,
        Likelihood::Certain,
        format!(
            "Two machines have {name}'s address, {}.",
            tried.address.ip()
        ),
    )
    .seen(format!(
        "{} machines answer for it on the wire",
        tried.machines
    ))
    .remedy("Give one of both another address, in the router's list or in the machine's settings.")
}

fn wrong_way(tried: &Try, name: &str, by: &Interface) -> Diagnosis {
    Diagnosis::new(
        Cause::WrongInterface,
        Likelihood::Certain,
        format!(
            "What this machine sends to {name} goes into {} ({}) and does not arrive.",
            by.name,
            kind_words(by.kind)
        ),
    )
    .seen(outcome_words(tried))
    .remedy(
        "Disconnect the VPN and try again; then let it leave the office's network alone (\"split \
         tunnel\", \"allow LAN access\").",
    )
}

fn connecting(tried: &Try, name: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::Connecting,
        Likelihood::Possible,
        format!("{name} answers, and there is no secure channel to it yet."),
    )
    .seen(outcome_words(tried))
    .or(&[Cause::OtherClinic, Cause::OldMeshKey])
    .remedy("Run the doctor again in a minute; if it is the same, run it at the other machine.")
}

fn not_listening(tried: &Try, name: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::NotListening,
        Likelihood::Likely,
        format!("The machine of {name} is there, but no node listens on it."),
    )
    .seen(outcome_words(tried))
    .or(&[Cause::NotRunning, Cause::PortBlocked])
    .remedy(format!(
        "Run `clinic-mesh doctor` at {name}. If it says that the node runs and listens on port {}, a \
         firewall there refuses the port.",
        tried.address.port()
    ))
}

fn port_blocked(tried: &Try, name: &str, likelihood: Likelihood) -> Diagnosis {
    Diagnosis::new(
        Cause::PortBlocked,
        likelihood,
        format!(
            "A firewall drops TCP port {} on the way to {name}.",
            tried.address.port()
        ),
    )
    .seen(outcome_words(tried))
    .remedy(format!(
        "Let TCP port {} in at {name}'s firewall, and out at this machine's. To tell which it is: run \
         `clinic-mesh doctor --with` this machine's address there. If that gets through, it is {name}'s.",
        tried.address.port()
    ))
}

fn no_route(tried: &Try, name: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::NoRoute,
        Likelihood::Certain,
        format!("There is no way from this machine to {name}'s network."),
    )
    .seen(outcome_words(tried))
    .remedy("Set the router (default gateway) in this machine's network settings.")
}

/// A machine of this network that does not answer at all.
fn silent(facts: &Facts, tried: &Try, name: &str) -> Diagnosis {
    let router = facts.machine.router.as_ref();
    let router_answers = router.is_some_and(|r| r.neighbour == Neighbour::Answers);
    let near: Vec<&Try> = facts.tries.iter().filter(|t| t.near).collect();
    let silent: BTreeSet<IpAddr> = near
        .iter()
        .filter(|t| t.neighbour == Neighbour::Silent)
        .map(|t| t.address.ip())
        .collect();
    let nobody = !near.iter().any(|t| t.neighbour == Neighbour::Answers);
    let wireless = offices(facts).any(|i| i.kind == Kind::Wifi && i.reaches(tried.address.ip()));
    let found = if router_answers && nobody && (wireless || silent.len() > 1) {
        let message = format!(
            "The Wi-Fi or switch seems to keep its machines apart: {name} cannot be reached, the \
             router can."
        );
        Diagnosis::new(Cause::ClientIsolation, Likelihood::Likely, message).or(&[Cause::MachineOff])
    } else {
        let message = format!("The machine of {name} does not answer on this network.");
        Diagnosis::new(Cause::MachineOff, Likelihood::Possible, message)
            .or(&[Cause::ClientIsolation, Cause::NotFound])
    };
    let found = found.seen(outcome_words(tried));
    let found = if router_answers {
        found.seen("the router answers, so this machine's own connection works")
    } else {
        found
    };
    found.remedy(format!(
        "Look whether {name} is switched on and in the same network, and whether its address is still \
         {}. If it is, run `clinic-mesh doctor --bundle FILE` there and `clinic-mesh doctor --with \
         FILE` here: both together tell whether the Wi-Fi keeps machines apart (\"client isolation\", \
         \"guest network\"), which is switched off in the access point.",
        tried.address.ip()
    ))
}

/// An address in another network that does not answer.
fn far(facts: &Facts, tried: &Try, name: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::DifferentSubnets,
        Likelihood::Likely,
        format!(
            "{name} is in another network ({}) than this machine ({}), and the way between them does \
             not let port {} through.",
            tried.address.ip(),
            own_networks(facts),
            tried.address.port()
        ),
    )
    .seen(outcome_words(tried))
    .or(&[Cause::MachineOff, Cause::PortBlocked])
    .remedy(format!(
        "Put both machines into one network (the same cable or Wi-Fi, no guest network), or let the \
         router pass TCP port {} between the two. If {name} may just be switched off, look there \
         first.",
        tried.address.port()
    ))
}

/// A peer of which no address is known, and which nobody hears.
fn not_found(facts: &Facts, peer: &Peer) -> Diagnosis {
    let settings = facts.machine.settings.as_ref();
    let discovery = settings.map_or(Discovery::On, |settings| settings.discovery);
    if discovery == Discovery::Loopback {
        return not_found_here(peer);
    }
    if discovery == Discovery::Off {
        return Diagnosis::new(
            Cause::DiscoveryOff,
            Likelihood::Certain,
            format!(
                "{} cannot be found: no address of it is known, and this machine does not look \
                 around.",
                peer.name
            ),
        )
        .about(peer)
        .seen("`mdns` in node.toml is not \"on\", and `bootstrap` names no address of it")
        .remedy(
            "Set `mdns = \"on\"`, or name its address under `bootstrap`, and restart the node.",
        );
    }
    Diagnosis::new(
        Cause::NotFound,
        Likelihood::Possible,
        format!(
            "{} was not found: nothing of it is heard on this network ({}), and no address of it is \
             known.",
            peer.name,
            own_networks(facts)
        ),
    )
    .about(peer)
    .seen("no node of this clinic that is not connected announces itself")
    .or(&[
        Cause::MachineOff,
        Cause::DifferentSubnets,
        Cause::MdnsBlocked,
        Cause::ClientIsolation,
    ])
    .remedy(format!(
        "Look whether {} is switched on, and run `clinic-mesh doctor` there: it shows its address. \
         Then run `clinic-mesh doctor --with` that address here, which tells the rest.",
        peer.name
    ))
}

/// The same where this machine is all that is looked at.
fn not_found_here(peer: &Peer) -> Diagnosis {
    Diagnosis::new(
        Cause::NotFound,
        Likelihood::Possible,
        format!(
            "{} was not found on this machine, and this node looks nowhere else.",
            peer.name
        ),
    )
    .about(peer)
    .seen("`mdns` in node.toml is \"loopback\", and no address of it is known")
    .or(&[Cause::NotRunning, Cause::DiscoveryOff])
    .remedy(format!(
        "If {} is a node of this same machine, start it with `clinic-mesh --dir DIR node run`, where DIR is \
         its own directory; if it is another machine, set `mdns = \"on\"` and restart this node.",
        peer.name
    ))
}

/// Whether somebody who is heard, and whose name is not known yet, explains that somebody is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Explained {
    /// Somebody does.
    Yes,
    /// Nobody does.
    No,
}

/// Members that announce themselves and are not connected: nobody knows yet which they are.
fn announced(facts: &Facts, node: &Node, findings: &mut Findings) -> Explained {
    let mut explained = Explained::No;
    let known: BTreeSet<SocketAddr> = node.peers.iter().flat_map(|p| p.places.clone()).collect();
    let linked: BTreeSet<IpAddr> = node
        .peers
        .iter()
        .filter_map(|peer| Some(peer.link.as_ref()?.address.ip()))
        .collect();
    for announced in node.announced.iter().filter(|a| a.member) {
        let is_linked = announced
            .addresses
            .iter()
            .any(|at| linked.contains(&at.ip()));
        if is_linked || announced.addresses.iter().any(|at| known.contains(at)) {
            continue;
        }
        let tries: Vec<&Try> = announced
            .addresses
            .iter()
            .filter_map(|at| facts.attempt(*at))
            .collect();
        for tried in best(&tries) {
            let refused = |noted: &super::facts::Noted| {
                noted.address == tried.address && noted.what != What::NoConnection
            };
            if tried.outcome == Outcome::Connected || node.noted.iter().any(refused) {
                continue;
            }
            let name = format!("a node of this clinic at {}", tried.address.ip());
            findings.found(unreached(facts, tried, &name));
            explained = Explained::Yes;
        }
    }
    explained
}

/// Somebody wants to know about an address.
fn asked(facts: &Facts, address: SocketAddr, findings: &mut Findings) {
    let Some(tried) = facts.attempt(address) else {
        return;
    };
    let name = address.ip().to_string();
    let linked = |peer: &&Peer| {
        peer.link
            .is_some_and(|link| link.address.ip() == address.ip())
    };
    let peers = facts.node.iter().flat_map(|node| &node.peers);
    let linked = peers.clone().find(linked);
    let near = tried.near;
    match (linked, tried.outcome) {
        (Some(peer), Outcome::Connected) if facts.joined.contains(&peer.device) => {
            let found = if near {
                mdns_there(&peer.name)
            } else {
                other_network(facts, tried, &peer.name)
            };
            let found = found.seen("it was away until the doctor named its address to the node");
            findings.found(found.about(peer));
        }
        (Some(peer), Outcome::Connected) => {
            findings.note(format!("{name} is {}, and connected.", peer.name));
        }
        // Judged with the peer.
        (Some(peer), _) if peer.places.contains(&address) => {}
        (Some(peer), _) => findings.found(blocked_though_connected(peer, tried)),
        (None, Outcome::Connected) => {
            let refused = facts
                .node
                .iter()
                .any(|node| trust::of_address(node, address, findings));
            if refused {
                return;
            }
            if near {
                findings.found(connecting(tried, &name));
            } else {
                findings.found(other_network(facts, tried, &name));
            }
        }
        (None, _) => {
            findings.found(unreached(facts, tried, &name));
        }
    }
    if near && linked.is_none() && looks_around(facts) && echo_works(facts) {
        let heard = is_heard(facts, address.ip());
        if !heard && tried.outcome == Outcome::Connected {
            findings.found(mdns_there(&name));
        }
    }
}

/// A node whose record lists nobody else, and which is told where others are.
fn bootstrap_alone(facts: &Facts, node: &Node, findings: &mut Findings) {
    let settings = facts.machine.settings.iter();
    for address in settings.flat_map(|settings| &settings.bootstrap) {
        let Some(tried) = facts.attempt(*address) else {
            continue;
        };
        let explained = trust::of_address(node, *address, findings);
        if !explained && tried.outcome != Outcome::Connected {
            findings.found(unreached(facts, tried, &address.ip().to_string()));
        }
    }
}

fn mdns_there(name: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::MdnsBlocked,
        Likelihood::Likely,
        format!("{name} listens, but is not heard on mDNS, so it is not found by itself."),
    )
    .seen("this machine's own mDNS works, and nothing is announced from there")
    .or(&[Cause::DiscoveryOff])
    .remedy(format!(
        "Run `clinic-mesh doctor` at {name}: it says whether its own firewall drops UDP port 5353. \
         If not, the switch or the Wi-Fi between both drops multicast."
    ))
}

fn other_network(facts: &Facts, tried: &Try, name: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::DifferentSubnets,
        Likelihood::Certain,
        format!(
            "{name} is in another network than this machine ({}), so mDNS does not find it; by its \
             address it can be reached.",
            own_networks(facts)
        ),
    )
    .seen(outcome_words(tried))
    .remedy(format!(
        "Add \"{}\" to `bootstrap` in node.toml, and restart the node; or put both machines into one \
         network.",
        tried.address
    ))
}
