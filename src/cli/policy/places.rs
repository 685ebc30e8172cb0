//! Which nodes the networks of a policy would keep out, by the addresses that this node knows.

use std::net::IpAddr;

use serde::Serialize;

use crate::api::client::Client;
use crate::api::doctor::DoctorRequest;
use crate::cli::Failure;
use crate::cli::doctor::interfaces;
use crate::doctor::facts::{Interface, Kind, Node};
use crate::domain::policy::Policy;

/// Where one node is, as far as this one knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its name.
    pub(super) name: String,
    /// Whether it is this one.
    pub(super) own: bool,
    /// The address that it is connected from, else those at which it was looked for; none if nothing is known.
    pub(super) addresses: Vec<IpAddr>,
}

/// A node that a policy's networks would keep out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Outside {
    /// Its name.
    pub(super) name: String,
    /// Whether it is this one.
    pub(super) this: bool,
    /// Its addresses, as far as this node knows; each is outside.
    pub(super) addresses: Vec<String>,
}

/// What the networks of a policy do to the nodes that this one knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Reach {
    /// Nodes of which every known address lies outside.
    pub(super) outside: Vec<Outside>,
    /// Names of nodes with a known address inside.
    pub(super) inside: Vec<String>,
    /// Names of nodes of which no address is known.
    pub(super) unknown: Vec<String>,
}

/// Where the clinic's nodes are, as the running node tells.
pub(super) async fn places(client: &Client) -> Result<Vec<Place>, Failure> {
    let view = client.doctor(&DoctorRequest::default()).await?;
    let node: Node = serde_json::from_value(view.node)
        .map_err(|_| Failure::error("the node tells of no addresses that this program reads"))?;
    Ok(of(&node, &interfaces()))
}

fn of(node: &Node, interfaces: &[Interface]) -> Vec<Place> {
    let own = Place {
        name: node.name.clone(),
        own: true,
        addresses: own(node, interfaces),
    };
    let others = node.peers.iter().map(|peer| Place {
        name: peer.name.clone(),
        own: false,
        addresses: match &peer.link {
            Some(link) => vec![link.address.ip()],
            None => distinct(peer.places.iter().map(|place| place.ip())),
        },
    });
    std::iter::once(own).chain(others).collect()
}

/// The addresses that others see this node at: those it listens at, or the machine's where it listens at all.
fn own(node: &Node, interfaces: &[Interface]) -> Vec<IpAddr> {
    let listening = node.listeners.iter().map(|address| address.ip());
    if listening.clone().all(|ip| !ip.is_unspecified()) {
        return distinct(listening);
    }
    let outward = |interface: &&Interface| match interface.kind {
        Kind::Lan | Kind::Wifi | Kind::Tunnel => interface.up,
        Kind::Container | Kind::Loopback => false,
    };
    let networks = interfaces.iter().filter(outward);
    let addresses = networks.flat_map(|interface| interface.networks.iter().map(|(ip, _)| *ip));
    // No policy lists link-local addresses, and nodes use them only beside others.
    distinct(addresses.filter(|ip| match ip {
        IpAddr::V4(v4) => !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    }))
}

fn distinct(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = addresses.map(|ip| ip.to_canonical()).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

/// Whom a policy keeps out, and of whom that cannot be said.
pub(super) fn reach(policy: &Policy, places: &[Place]) -> Reach {
    let mut reach = Reach::default();
    for place in places {
        if place.addresses.is_empty() {
            reach.unknown.push(place.name.clone());
        } else if place.addresses.iter().any(|ip| policy.allows(*ip)) {
            reach.inside.push(place.name.clone());
        } else {
            reach.outside.push(Outside {
                name: place.name.clone(),
                this: place.own,
                addresses: place.addresses.iter().map(ToString::to_string).collect(),
            });
        }
    }
    reach
}

impl Reach {
    /// In words.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if self.outside.is_empty() && self.inside.is_empty() {
            text.push_str("No node's address is known here, so whom that cuts off is not known.");
        } else if self.outside.is_empty() {
            text.push_str("Every node whose address is known here lies inside.");
        } else {
            let named = self.outside.iter().map(|node| {
                let which = if node.this { ", this very node," } else { "" };
                format!("{}{which} at {}", node.name, node.addresses.join(" and "))
            });
            let named: Vec<String> = named.collect();
            text.push_str(&format!("Outside, and cut off: {}.", named.join("; ")));
        }
        if self.outside.iter().any(|node| node.this) {
            text.push_str(" This node loses every other one, and a later policy does not reach them from here.");
        }
        if !self.unknown.is_empty() {
            let names = self.unknown.join(", ");
            text.push_str(&format!(" No address is known here of {names}."));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn place(name: &str, own: bool, addresses: &[&str]) -> Place {
        Place {
            name: name.to_owned(),
            own,
            addresses: addresses.iter().map(|text| ip(text)).collect(),
        }
    }

    fn allowing(network: &str) -> Policy {
        let mut policy = Policy::initial();
        policy.networks = vec![network.parse().expect("a network")];
        policy
    }

    #[test]
    fn the_nodes_outside_are_named_this_one_too_and_those_of_unknown_address_apart() {
        let places = [
            place("front-desk", true, &["192.168.1.5"]),
            place("ward-2", false, &["10.9.0.7", "192.168.2.7"]),
            place("lab", false, &["192.168.3.8"]),
            place("pharmacy", false, &[]),
        ];
        let found = reach(&allowing("10.9.0.0/16"), &places);
        let names: Vec<_> = found.outside.iter().map(|node| &*node.name).collect();
        assert_eq!(names, ["front-desk", "lab"], "ward-2 has a way left");
        assert_eq!(found.unknown, ["pharmacy"]);
        let text = found.text();
        for said in [
            "front-desk, this very node, at 192.168.1.5",
            "lab at 192.168.3.8",
            "No address is known here of pharmacy",
        ] {
            assert!(text.contains(said), "{said} in {text}");
        }
        let found = reach(&allowing("0.0.0.0/0"), &places[..3]);
        assert!(found.outside.is_empty() && found.text().contains("lies inside"));
        let found = reach(&allowing("0.0.0.0/0"), &[]);
        assert!(found.text().contains("is not known"), "nothing is promised");
    }

    #[test]
    fn a_node_that_listens_everywhere_is_at_the_machines_addresses() {
        let interface = |kind, ip: &str| Interface {
            name: "lan".to_owned(),
            kind,
            up: true,
            networks: vec![(ip.parse().expect("an address"), 24)],
        };
        let interfaces = [
            interface(Kind::Lan, "192.168.1.5"),
            interface(Kind::Lan, "fe80::1"),
            interface(Kind::Loopback, "127.0.0.1"),
            interface(Kind::Container, "172.17.0.1"),
        ];
        let mut node: Node = serde_json::from_value(serde_json::json!({
            "device": "a", "name": "front-desk", "clinic": "c", "clock": "", "standing": "Enrolled",
            "certificate": null, "offset_ms": null, "mesh_keys": null, "peers": [], "noted": [],
            "announced": [], "listeners": ["0.0.0.0:7846"], "reached": false,
        }))
        .expect("a node");
        assert_eq!(
            of(&node, &interfaces),
            [place("front-desk", true, &["192.168.1.5"])]
        );
        node.listeners = vec!["10.9.0.2:7846".parse().expect("an address")];
        assert_eq!(
            of(&node, &interfaces),
            [place("front-desk", true, &["10.9.0.2"])]
        );
    }
}
