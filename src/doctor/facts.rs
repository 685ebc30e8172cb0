//! What was observed on one machine, for the rules to judge. No contents, and no names but those of
//! machines and offices, which [`Facts::without_names`] takes out.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Everything that was observed on one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The program's version.
    pub version: String,
    /// What the machine itself tells.
    pub machine: Machine,
    /// What the node tells, if it runs and answers.
    pub node: Option<Node>,
    /// Which addresses were tried, and what came of it.
    pub tries: Vec<Try>,
    /// The machine that the doctor was asked about.
    pub asked: Option<Asked>,
    /// Devices that were away when the doctor came, and were connected by its try.
    pub joined: Vec<String>,
}

/// The machine that the doctor was asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// Whoever is at an address.
    Address(SocketAddr),
    /// A device of the clinic, by its id.
    Device(String),
}

/// What the machine itself tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Its clock: "2026-11-22 08:15", in its own time zone.
    pub clock: String,
    /// The node's directory.
    pub place: Place,
    /// Whether the node answers.
    pub service: Service,
    /// Whether what is at hand opens the node's store; looked at while the node does not run.
    pub key: Key,
    /// The settings that stand in `node.toml`.
    pub settings: Option<Settings>,
    /// Why they cannot be read.
    pub settings_error: Option<String>,
    /// Its interfaces.
    pub interfaces: Vec<Interface>,
    /// The router that leads elsewhere.
    pub router: Option<Router>,
    /// The addresses to listen on, while the node does not answer.
    pub ports: Vec<Port>,
    /// Whether mDNS gets out and in again.
    pub echoes: Vec<Echo>,
    /// Whether another machine has an address of this one; none if that could not be looked at.
    pub twins: Option<Vec<Twin>>,
    /// The disk of the node's directory.
    pub disk: Option<Disk>,
    /// What the doctor itself heard announced on the LAN, by others.
    pub heard: Vec<Vec<SocketAddr>>,
}

/// The node's directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// It holds a node.
    #[default]
    Fine,
    /// It is not there, or empty.
    Empty,
    /// It may not be entered, or others may enter it.
    Refused(String),
}

/// Whether the node answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Service {
    /// It does.
    Answers,
    /// It belongs to another account.
    OtherAccount,
    /// It is there, and its store is locked until somebody unlocks it.
    Locked,
    /// It is there and does not answer.
    Silent,
    /// It does not answer, and another program has the store open.
    InUse {
        /// Its process and name, as far as known.
        by: String,
    },
    /// It does not run.
    #[default]
    Stopped,
}

/// Whether what is at hand opens the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Key {
    /// Nobody looked.
    #[default]
    Unasked,
    /// It does.
    Fits,
    /// It does not, or cannot be read.
    Refused(String),
    /// None was given, so the store waits for a person with a passphrase or for a key file.
    NotGiven,
}

/// The settings of one machine that concern the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Where other nodes connect.
    pub listen: Vec<SocketAddr>,
    /// Whether nodes are looked for on the LAN.
    pub discovery: Discovery,
    /// On which interfaces; empty for all.
    pub interfaces: Vec<String>,
    /// Addresses to try.
    pub bootstrap: Vec<SocketAddr>,
    /// Names among them that do not resolve.
    pub unresolved: Vec<String>,
}

/// Whether nodes are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Discovery {
    /// On the LAN.
    #[default]
    On,
    /// Not at all.
    Off,
    /// On this machine only.
    Loopback,
}

/// What an interface leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A cable.
    Lan,
    /// Wi-Fi.
    Wifi,
    /// A VPN.
    Tunnel,
    /// Containers or virtual machines on this machine.
    Container,
    /// This machine itself.
    Loopback,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// What it leads to.
    pub kind: Kind,
    /// Whether it is connected.
    pub up: bool,
    /// Its addresses and the lengths of their networks' prefixes.
    pub networks: Vec<(IpAddr, u8)>,
}

impl Interface {
    /// Whether it leads to other machines of the office.
    pub fn is_office(&self) -> bool {
        matches!(self.kind, Kind::Lan | Kind::Wifi)
    }

    /// Whether an address is in one of its networks.
    pub fn reaches(&self, ip: IpAddr) -> bool {
        let networks = self.networks.iter();
        let mut networks = networks.filter(|(own, _)| !is_link_local(*own));
        networks.any(|(own, prefix)| in_network(ip, *own, *prefix))
    }
}

/// Whether two addresses are in one network.
pub(super) fn in_network(one: IpAddr, other: IpAddr, prefix: u8) -> bool {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)) << 96, 4),
        IpAddr::V6(v6) => (u128::from(v6), 6),
    };
    // A prefix of more bits than an address has, as another machine's file may say, holds nothing else.
    let rest = 128_u32.saturating_sub(prefix.into());
    let mask = u128::MAX.checked_shl(rest).unwrap_or_default();
    let ((one, kind), (other, kind_too)) = (bits(one), bits(other));
    kind == kind_too && one & mask == other & mask
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The router that leads elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Router {
    /// Its address.
    pub address: IpAddr,
    /// Whether it is there.
    pub neighbour: Neighbour,
}

/// Whether a machine answers on the wire, below all firewalls (ARP).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Neighbour {
    /// It does.
    Answers,
    /// It does not.
    Silent,
    /// It is in another network, or that could not be looked at.
    Unknown,
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Which.
    pub address: SocketAddr,
    /// How it stands.
    pub state: PortState,
}

/// How it stands with an address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PortState {
    /// It is free.
    Free,
    /// Another program has it; its name where it may be known.
    Taken(Option<String>),
    /// It is none of this machine's.
    NotHere,
    /// This account may not listen there.
    Denied,
}

/// Whether mDNS gets out of an interface and in again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    /// The interface.
    pub interface: String,
    /// Whether it does; none if that could not be tried.
    pub heard: Option<bool>,
}

/// Another machine with an address of this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Twin {
    /// The address.
    pub address: IpAddr,
    /// The interface.
    pub interface: String,
    /// The other machine's address on the wire.
    pub machine: String,
}

/// The disk of the node's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Bytes that are free.
    pub free: u64,
    /// Bytes below which messages are refused.
    pub needed: u64,
}

/// What a running node tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its device's id.
    pub device: String,
    /// Its device's name.
    pub name: String,
    /// The clinic's id.
    pub clinic: String,
    /// Its clock: "2026-11-22 08:15 UTC".
    pub clock: String,
    /// Whether the record lists it.
    pub standing: Standing,
    /// How its certificate stands by its clock.
    pub certificate: Option<Certificate>,
    /// Peers' median clock minus its own, in milliseconds.
    pub offset_ms: Option<i64>,
    /// The lowest and highest number of the mesh keys that it accepts.
    pub mesh_keys: Option<(u32, u32)>,
    /// The clinic's other nodes.
    pub peers: Vec<Peer>,
    /// What came to nothing lately.
    pub noted: Vec<Noted>,
    /// What it hears announced on the LAN, by others.
    pub announced: Vec<Announced>,
    /// Where it listens.
    pub listeners: Vec<SocketAddr>,
    /// Whether any node has connected to it since it was started.
    pub reached: bool,
}

/// Whether the record lists a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// It does.
    Enrolled,
    /// It does not know it.
    Unknown,
    /// It says that it was revoked.
    Revoked,
}

/// How a certificate stands by this machine's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The day on which it ends.
    pub until: String,
    /// How it stands.
    pub freshness: Freshness,
}

/// How a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Freshness {
    /// It holds.
    Fresh,
    /// It should have been renewed.
    Late,
    /// It has ended, and may be renewed.
    Expired,
    /// It ended too long ago.
    Lost,
}

impl Certificate {
    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        matches!(self.freshness, Freshness::Expired | Freshness::Lost)
    }
}

/// Another node of the clinic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its device's id.
    pub device: String,
    /// Its device's name.
    pub name: String,
    /// Its office.
    pub office: String,
    /// How its certificate stands.
    pub certificate: Certificate,
    /// The link to it, if it is connected.
    pub link: Option<Link>,
    /// Where it was looked for.
    pub places: Vec<SocketAddr>,
}

/// A link to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The other end's address.
    pub address: SocketAddr,
    /// Whether the other end dialled.
    pub came_in: bool,
    /// Its clock minus ours, in milliseconds.
    pub offset_ms: i64,
}

/// The last that came to nothing at an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// The address; of whoever came to us, its port says nothing.
    pub address: SocketAddr,
    /// Whether the other end dialled.
    pub came_in: bool,
    /// The device, if it proved which.
    pub device: Option<String>,
    /// What happened.
    pub what: What,
    /// How many seconds ago.
    pub seconds_ago: u64,
}

/// How a try to connect came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// No connection.
    NoConnection,
    /// Whoever was dialled hung up without a word.
    HungUp,
    /// Whoever came knows no mesh key of this clinic.
    Stranger,
    /// Whoever came uses a mesh key of this number.
    MeshKey(u32),
    /// This node refused, with this code.
    Refused(u8),
    /// The other one refused, with this code.
    WasRefused(u8),
}

/// An announcement on the LAN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// Where.
    pub addresses: Vec<SocketAddr>,
    /// Whether a node of this clinic made it.
    pub member: bool,
}

/// What came of trying an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// The address.
    pub address: SocketAddr,
    /// What came of it.
    pub outcome: Outcome,
    /// The interface that packets to it leave by.
    pub by: Option<String>,
    /// Whether it is in a network of this machine's.
    pub near: bool,
    /// Whether the machine is there at all.
    pub neighbour: Neighbour,
    /// How many machines say that they have the address.
    pub machines: usize,
}

/// What came of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Somebody listens there.
    Connected,
    /// The machine says that nobody listens there.
    Refused,
    /// Nothing came back.
    TimedOut,
    /// The way there ends before the machine.
    Unreachable,
    /// There is no way there.
    NoRoute,
    /// This machine does not let it out.
    Denied,
}

impl Facts {
    /// The same without names of machines and offices, without addresses of cards, and with only as much
    /// of each id as tells one from another, for whoever helps from outside.
    #[must_use]
    pub fn without_names(mut self) -> Self {
        if let Some(node) = &mut self.node {
            shorten(&mut node.device);
            shorten(&mut node.clinic);
            node.name = format!("this machine {}", node.device);
            for peer in &mut node.peers {
                shorten(&mut peer.device);
                peer.name = format!("machine {}", peer.device);
                peer.office = String::new();
            }
            let noted = node.noted.iter_mut();
            noted
                .filter_map(|noted| noted.device.as_mut())
                .for_each(shorten);
        }
        if let Some(Asked::Device(device)) = &mut self.asked {
            shorten(device);
        }
        self.joined.iter_mut().for_each(shorten);
        for twin in self.machine.twins.iter_mut().flatten() {
            cut(&mut twin.machine, MAKER);
        }
        if let Some(settings) = &mut self.machine.settings {
            settings.unresolved = vec!["a name".to_owned(); settings.unresolved.len()];
        }
        // Paths may hold the name of an account.
        let refused = "refused; the reason stands on the machine's own screen".to_owned();
        if matches!(self.machine.place, Place::Refused(_)) {
            self.machine.place = Place::Refused(refused.clone());
        }
        if matches!(self.machine.key, Key::Refused(_)) {
            self.machine.key = Key::Refused(refused.clone());
        }
        self.machine.settings_error = self.machine.settings_error.map(|_| refused);
        self
    }

    /// Whether no list is longer than an office's could be, so that judging a file from elsewhere comes to
    /// an end soon.
    pub fn is_bounded(&self) -> bool {
        let machine = &self.machine;
        let twins = machine.twins.as_ref().map_or(0, Vec::len);
        let networks = machine.interfaces.iter().map(|one| one.networks.len());
        let own = [
            self.tries.len(),
            self.joined.len(),
            machine.interfaces.len(),
            machine.ports.len(),
            machine.echoes.len(),
            machine.heard.len(),
            twins,
        ];
        let settings = machine.settings.iter().flat_map(|settings| {
            [
                settings.listen.len(),
                settings.interfaces.len(),
                settings.bootstrap.len(),
                settings.unresolved.len(),
            ]
        });
        let node = self.node.iter().flat_map(|node| {
            let places = node.peers.iter().map(|peer| peer.places.len());
            let announced = node.announced.iter().map(|one| one.addresses.len());
            let lists = [
                node.peers.len(),
                node.noted.len(),
                node.announced.len(),
                node.listeners.len(),
            ];
            lists.into_iter().chain(places).chain(announced)
        });
        let heard = machine.heard.iter().map(Vec::len);
        let lengths = own.into_iter().chain(networks).chain(settings);
        lengths
            .chain(node)
            .chain(heard)
            .all(|length| length <= LIST_MAX)
    }

    /// A try of this address.
    pub fn attempt(&self, address: SocketAddr) -> Option<&Try> {
        self.tries.iter().find(|tried| tried.address == address)
    }
}

/// The part of a card's address that names its maker: "aa:bb:cc".
const MAKER: usize = 8;

/// Digits of an id that tell one device of a clinic from another, and one clinic from another.
///
/// Eight, as on every screen: two of a hundred devices begin alike once in a million clinics.
const ID_SHOWN: usize = 8;

/// Most items of any list: more than the largest clinic has machines and addresses.
const LIST_MAX: usize = 1024;

fn shorten(id: &mut String) {
    cut(id, ID_SHOWN);
}

/// Keeps so many letters: a bundle comes from anywhere, and a byte may be in the middle of one.
fn cut(text: &mut String, letters: usize) {
    if let Some((end, _)) = text.char_indices().nth(letters) {
        text.truncate(end);
    }
}

/// Whether two ids are one as far as both are told: a bundle holds their beginnings only.
pub fn is_same_id(one: &str, other: &str) -> bool {
    let shown = |id: &str| id.chars().take(ID_SHOWN).collect::<String>();
    shown(one) == shown(other)
}
