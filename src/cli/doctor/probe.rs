//! What is asked on the wire: connections, neighbours, the echo of mDNS, and what is announced.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use futures::future::join_all;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::doctor::facts::{Echo, Interface, Machine, Neighbour, Outcome, Router, Try, Twin};
use crate::node::{Discovery, Patience, look_around};
use crate::platform::network::{self, arp, echo};

/// Longest wait for a connection.
///
/// A first packet that got lost is sent again after one second; offices are not further apart than that.
const CONNECT: Duration = Duration::from_millis(2_500);

/// How long announcements of those who are away are listened to: nodes answer a question within a fifth of
/// a second, and it is asked three times.
const LISTEN: Duration = Duration::from_millis(2_500);

/// How long those are listened to who are connected and must be heard: nobody is called silent for two or
/// three lost packets.
const LISTEN_MAX: Duration = Duration::from_secs(7);

/// Where mDNS is spoken.
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);

/// The question that nodes themselves ask: who offers `_clinic-mesh._tcp.local`?
const QUESTION: &[u8] =
    b"\0\0\0\0\0\x01\0\0\0\0\0\0\x0c_clinic-mesh\x04_tcp\x05local\0\0\x0c\0\x01";

/// Who answers for an address on the wire; none if this account may not ask.
async fn who_has(interface: &str, ip: Ipv4Addr) -> Option<BTreeSet<arp::Mac>> {
    let interface = interface.to_owned();
    let asked = spawn_blocking(move || {
        let all = network::interfaces()?;
        let found = all.into_iter().find(|known| known.name == interface);
        arp::who_has(&found.ok_or(io::ErrorKind::NotFound)?, ip)
    });
    asked.await.ok()?.ok()
}

fn offices(machine: &Machine) -> impl Iterator<Item = (&Interface, Ipv4Addr)> {
    let offices = machine.interfaces.iter().filter(|i| i.is_office() && i.up);
    offices.flat_map(|interface| {
        let networks = interface.networks.iter();
        networks.filter_map(move |(ip, _)| match ip {
            IpAddr::V4(v4) => Some((interface, *v4)),
            IpAddr::V6(_) => None,
        })
    })
}

/// Other machines with an address of this one; none if this account may not ask.
pub(super) async fn twins(machine: &Machine) -> Option<Vec<Twin>> {
    let asked = offices(machine).map(async |(interface, ip)| {
        let others = who_has(&interface.name, ip).await?;
        let twins = others.into_iter().map(|mac| Twin {
            address: ip.into(),
            interface: interface.name.clone(),
            machine: mac.map(|byte| format!("{byte:02x}")).join(":"),
        });
        Some(twins.collect::<Vec<_>>())
    });
    let asked: Option<Vec<_>> = join_all(asked).await.into_iter().collect();
    Some(asked?.into_iter().flatten().collect())
}

/// Whether mDNS gets out of this machine and in again.
pub(super) async fn echoes(machine: &Machine, port: u16) -> Vec<Echo> {
    let asked = offices(machine).map(async |(interface, ip)| {
        let group = SocketAddrV4::new(GROUP, port);
        let heard = spawn_blocking(move || echo::heard(ip, group, QUESTION)).await;
        Echo {
            interface: interface.name.clone(),
            heard: heard.ok().and_then(Result::ok),
        }
    });
    join_all(asked).await
}

/// The router, and whether it is there.
pub(super) async fn router(machine: &Machine) -> Option<Router> {
    let routes = network::routes();
    let route = routes.iter().find(|route| route.network.1 == 0)?;
    let gateway = route.gateway?;
    let near = offices(machine).any(|(interface, _)| interface.name == route.interface);
    let neighbour = if near {
        neighbour(&route.interface, gateway).await.0
    } else {
        Neighbour::Unknown
    };
    Some(Router {
        address: gateway.into(),
        neighbour,
    })
}

/// Whether a machine of this network is there, and how many have its address.
async fn neighbour(interface: &str, ip: Ipv4Addr) -> (Neighbour, usize) {
    if let Some(machines) = who_has(interface, ip).await {
        let there = if machines.is_empty() {
            Neighbour::Silent
        } else {
            Neighbour::Answers
        };
        return (there, machines.len());
    }
    // Makes the kernel ask; nobody needs to listen there.
    if let Ok(socket) = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)) {
        let _sent = socket.send_to(&[0], (ip, 9));
    }
    tokio::time::sleep(CONNECT).await;
    match network::is_neighbour(ip) {
        Some(true) => (Neighbour::Answers, 1),
        Some(false) => (Neighbour::Silent, 0),
        None => (Neighbour::Unknown, 0),
    }
}

/// Tries to connect to every address.
pub(super) async fn tries(machine: &Machine, addresses: &BTreeSet<SocketAddr>) -> Vec<Try> {
    join_all(addresses.iter().map(|address| attempt(machine, *address))).await
}

async fn attempt(machine: &Machine, address: SocketAddr) -> Try {
    let ip = address.ip();
    let mut offices = machine.interfaces.iter().filter(|i| i.is_office());
    let office = offices.find(|interface| interface.reaches(ip));
    let wire = async {
        match (office, ip) {
            (Some(office), IpAddr::V4(v4)) => neighbour(&office.name, v4).await,
            _ => (Neighbour::Unknown, 0),
        }
    };
    let (outcome, (neighbour, machines)) = futures::join!(connect(address), wire);
    Try {
        address,
        outcome,
        by: way(machine, address),
        near: office.is_some(),
        neighbour,
        machines,
    }
}

/// The interface that packets to an address leave by.
fn way(machine: &Machine, address: SocketAddr) -> Option<String> {
    let source = network::source_towards(address)?;
    let mut interfaces = machine.interfaces.iter();
    let holder = interfaces.find(|i| i.networks.iter().any(|(own, _)| *own == source))?;
    if let (IpAddr::V4(to), false) = (address.ip(), source == address.ip()) {
        let routes = network::routes();
        return network::way_to(to, &routes).map(|route| route.interface.clone());
    }
    Some(holder.name.clone())
}

async fn connect(address: SocketAddr) -> Outcome {
    let error = match timeout(CONNECT, TcpStream::connect(address)).await {
        Ok(Ok(_stream)) => return Outcome::Connected,
        Ok(Err(error)) => error,
        Err(_) => return Outcome::TimedOut,
    };
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Outcome::Refused,
        io::ErrorKind::HostUnreachable => Outcome::Unreachable,
        io::ErrorKind::NetworkUnreachable => Outcome::NoRoute,
        io::ErrorKind::PermissionDenied => Outcome::Denied,
        _ => Outcome::TimedOut,
    }
}

/// Who is listened for.
pub(super) struct Ears {
    /// Where.
    pub(super) settings: Discovery,
    /// Who must be heard, being connected and near.
    pub(super) awaited: BTreeSet<IpAddr>,
    /// Whether anyone is away, who may be heard.
    pub(super) away: bool,
}

/// What others announce on the LAN.
pub(super) async fn listen(machine: &Machine, ears: &Ears) -> Vec<Vec<SocketAddr>> {
    let enough = |heard: &[Vec<SocketAddr>]| {
        let is_heard = |ip: &IpAddr| heard.iter().flatten().any(|at| at.ip() == *ip);
        ears.awaited.iter().all(is_heard)
    };
    let patience = Patience {
        at_least: if ears.away { LISTEN } else { Duration::ZERO },
        at_most: LISTEN_MAX,
    };
    let heard = look_around(&ears.settings, patience, enough).await;
    let own = |at: &SocketAddr| {
        let mut interfaces = machine.interfaces.iter();
        interfaces.any(|i| i.networks.iter().any(|(own, _)| *own == at.ip()))
    };
    let mut heard = heard.unwrap_or_default();
    heard.retain(|addresses| !addresses.iter().all(own));
    heard
}
