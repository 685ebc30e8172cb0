//! Gathering the facts: the machine first, then what has to be asked on the wire, all at once.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::{With, machine, probe};
use crate::api::client::ClientError;
use crate::api::doctor::{ADDRESSES_MAX, DoctorRequest};
use crate::api::problem::Code;
use crate::cli::node::settings::Settings;
use crate::cli::node::unlock::UnlockArgs;
use crate::cli::{Context, Failure};
use crate::doctor::facts::{Asked, Discovery, Facts, Machine, Node, Service, is_same_id};
use crate::node::Interfaces;

/// Most addresses that are tried.
const TRIES_MAX: usize = 64;

/// How long the node may take to try those who are away once more, in milliseconds.
const PATIENCE: u64 = 3_000;

/// Everything that can be seen from here.
pub(super) async fn facts(
    context: &Context,
    unlock: &UnlockArgs,
    with: &With,
) -> Result<Facts, Failure> {
    let (service, node) = ask(context, &DoctorRequest::default()).await;
    let machine = machine::look(context, unlock, service);
    let asked = asked(with, node.as_ref())?;
    let mut facts = Facts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        machine,
        node,
        tries: Vec::new(),
        asked,
        joined: Vec::new(),
    };
    around(context, &mut facts).await;
    Ok(facts)
}

/// Asks the node what it has seen.
async fn ask(context: &Context, request: &DoctorRequest) -> (Service, Option<Node>) {
    match context.client().doctor(request).await {
        Ok(view) => match serde_json::from_value(view.node) {
            Ok(node) => (Service::Answers, Some(node)),
            Err(_) => (Service::Silent, None),
        },
        Err(ClientError::Unreachable { source, .. }) => match source.kind() {
            std::io::ErrorKind::PermissionDenied => (Service::OtherAccount, None),
            std::io::ErrorKind::TimedOut => (Service::Silent, None),
            _ => (Service::Stopped, None),
        },
        Err(ClientError::Problem(problem)) if problem.code == Code::NodeLocked => {
            (Service::Locked, None)
        }
        Err(_) => (Service::Silent, None),
    }
}

/// Whom the doctor is asked about, by the names that the node knows.
fn asked(with: &With, node: Option<&Node>) -> Result<Option<Asked>, Failure> {
    let name = match with {
        With::Everyone => return Ok(None),
        With::Address(address) => return Ok(Some(Asked::Address(*address))),
        With::Machine(there) => {
            let device = there.node.as_ref().map(|node| &node.device);
            return Ok(device.map(|device| Asked::Device(whole_id(device, node))));
        }
        With::Named(name) => name,
    };
    let peers = node.iter().flat_map(|node| &node.peers);
    let called = |peer: &&crate::doctor::facts::Peer| peer.name == *name || peer.office == *name;
    match peers.clone().find(called) {
        Some(peer) => Ok(Some(Asked::Device(peer.device.clone()))),
        None if node.is_none() => Err(Failure::unreachable(format!(
            "who {name:?} is knows only the node, and it does not run"
        ))
        .remedy("give an address instead of a name, or run the doctor without --with")),
        None => Err(Failure::not_found(format!(
            "there is no other node or office {name:?}, and no such file"
        ))
        .remedy("see the nodes with `clinic-mesh device list`, or give an address")),
    }
}

/// The id of a device of which a bundle has the beginning, if the node knows it.
fn whole_id(device: &str, node: Option<&Node>) -> String {
    let mut peers = node.iter().flat_map(|node| &node.peers);
    let known = peers.find(|peer| is_same_id(&peer.device, device));
    known.map_or(device, |peer| &peer.device).to_owned()
}

/// Everything that is asked on the wire.
async fn around(context: &Context, facts: &mut Facts) {
    let settings = Settings::load(context.dir()).unwrap_or_default();
    let targets = targets(facts);
    let asking = request(facts);
    let machine = &facts.machine;
    let ears = ears(facts, settings.mdns_port);
    let looks = machine.settings.as_ref();
    let looks = looks.is_some_and(|settings| settings.discovery == Discovery::On);
    let again = async {
        match &asking {
            Some(request) => ask(context, request).await.1,
            None => None,
        }
    };
    let heard = async {
        if looks {
            probe::listen(machine, &ears).await
        } else {
            Vec::new()
        }
    };
    let echoes = async {
        if looks {
            probe::echoes(machine, settings.mdns_port).await
        } else {
            Vec::new()
        }
    };
    let (again, heard, echoes, twins, router, tries) = futures::join!(
        again,
        heard,
        echoes,
        probe::twins(machine),
        probe::router(machine),
        probe::tries(machine, &targets),
    );
    if let (Some(before), Some(after)) = (&facts.node, &again) {
        facts.joined = joined(before, after);
    }
    facts.node = again.or(facts.node.take());
    facts.tries = tries;
    let machine = &mut facts.machine;
    (machine.heard, machine.echoes) = (heard, echoes);
    (machine.twins, machine.router) = (twins, router);
}

/// Who was connected by the node's looking once more.
fn joined(before: &Node, after: &Node) -> Vec<String> {
    let away = |device: &String| {
        let mut peers = before.peers.iter();
        peers.any(|peer| peer.device == *device && peer.link.is_none())
    };
    let linked = after.peers.iter().filter(|peer| peer.link.is_some());
    let devices = linked.map(|peer| peer.device.clone());
    devices.filter(away).collect()
}

/// What the node is asked to look at once more; nothing where everyone is there.
fn request(facts: &Facts) -> Option<DoctorRequest> {
    let node = facts.node.as_ref()?;
    let address = match &facts.asked {
        Some(Asked::Address(address)) => Some(address.to_string()),
        Some(Asked::Device(_)) | None => None,
    };
    let away = node.peers.iter().any(|peer| peer.link.is_none());
    // A node that knows of no other dials nobody by itself.
    let alone = facts
        .machine
        .settings
        .iter()
        .filter(|_| node.peers.is_empty());
    let alone = alone.flat_map(|settings| &settings.bootstrap);
    let addresses: Vec<String> = address
        .into_iter()
        .chain(alone.map(ToString::to_string))
        .take(ADDRESSES_MAX)
        .collect();
    (away || !addresses.is_empty()).then_some(DoctorRequest {
        addresses,
        patience: PATIENCE,
    })
}

/// Who is listened for on the LAN.
fn ears(facts: &Facts, port: u16) -> probe::Ears {
    let peers = facts.node.iter().flat_map(|node| &node.peers);
    let near = |ip: &IpAddr| {
        let mut offices = facts.machine.interfaces.iter().filter(|i| i.is_office());
        offices.any(|interface| interface.reaches(*ip))
    };
    let linked = peers
        .clone()
        .filter_map(|peer| Some(peer.link?.address.ip()));
    probe::Ears {
        settings: crate::node::Discovery {
            interfaces: Interfaces::All,
            port,
        },
        awaited: linked.filter(near).collect(),
        // Whoever knows of no other may be in the wrong clinic.
        away: peers.clone().next().is_none() || peers.clone().any(|peer| peer.link.is_none()),
    }
}

/// Every address where a node of the clinic may be.
fn targets(facts: &Facts) -> BTreeSet<SocketAddr> {
    let mut found: Vec<SocketAddr> = Vec::new();
    if let Some(Asked::Address(address)) = facts.asked {
        found.push(address);
    }
    if let Some(node) = &facts.node {
        found.extend(node.peers.iter().flat_map(|peer| &peer.places));
        let members = node.announced.iter().filter(|announced| announced.member);
        found.extend(members.flat_map(|announced| &announced.addresses));
    }
    let settings = facts.machine.settings.iter();
    found.extend(settings.flat_map(|settings| &settings.bootstrap));
    let mut targets = BTreeSet::new();
    for address in found {
        if targets.len() < TRIES_MAX && !is_own(&facts.machine, address) && can_be_tried(address) {
            targets.insert(address);
        }
    }
    targets
}

/// Whether this machine's own node listens there.
fn is_own(machine: &Machine, address: SocketAddr) -> bool {
    let mut interfaces = machine.interfaces.iter();
    let here = interfaces.any(|i| i.networks.iter().any(|(own, _)| *own == address.ip()));
    let mut listen = machine.settings.iter().flat_map(|s| &s.listen);
    here && listen.any(|own| own.port() == address.port())
}

/// A link-local address of IPv6 says nothing without its interface.
fn can_be_tried(address: SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(_) => true,
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    }
}
