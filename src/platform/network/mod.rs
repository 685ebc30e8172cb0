//! What the machine knows of its networks: interfaces, routes, neighbours, and who holds a port.
//!
//! Only looks, but for [`arp`] and [`echo`], which ask on the wire.

pub mod arp;
pub mod echo;
pub mod ports;

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{LinkAddr, SockaddrStorage};

/// What an interface leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A cable, as far as one can tell.
    Lan,
    /// Wi-Fi.
    Wifi,
    /// A VPN.
    Tunnel,
    /// A bridge of containers or virtual machines on this machine.
    Container,
    /// This machine itself.
    Loopback,
}

/// One interface.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// What it leads to.
    pub kind: Kind,
    /// Whether it is switched on and has a carrier.
    pub up: bool,
    /// Its addresses and the length of their networks' prefixes.
    pub networks: Vec<(IpAddr, u8)>,
    /// Its address on the wire.
    link: Option<LinkAddr>,
}

/// Every interface, in the order of their names.
pub fn interfaces() -> std::io::Result<Vec<Interface>> {
    let mut found: BTreeMap<String, Interface> = BTreeMap::new();
    for line in getifaddrs()? {
        let entry = found
            .entry(line.interface_name.clone())
            .or_insert_with(|| Interface {
                kind: kind(&line.interface_name, line.flags),
                name: line.interface_name.clone(),
                up: false,
                networks: Vec::new(),
                link: None,
            });
        let running = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
        entry.up = line.flags.contains(running);
        let Some(address) = line.address else {
            continue;
        };
        if let Some(link) = address.as_link_addr() {
            entry.link = Some(*link);
        }
        let ip = ip_of(&address);
        let mask = line.netmask.as_ref().and_then(ip_of);
        entry
            .networks
            .extend(ip.map(|ip| (ip, mask.map_or(32, prefix))));
    }
    Ok(found.into_values().collect())
}

fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(v4.ip().into());
    }
    address.as_sockaddr_in6().map(|v6| v6.ip().into())
}

fn prefix(mask: IpAddr) -> u8 {
    let ones = match mask {
        IpAddr::V4(v4) => u32::from(v4).leading_ones(),
        IpAddr::V6(v6) => u128::from(v6).leading_ones(),
    };
    u8::try_from(ones).unwrap_or(128)
}

/// What an interface is, by what the kernel says of it and, where that says nothing, by its name.
fn kind(name: &str, flags: InterfaceFlags) -> Kind {
    let place = Path::new("/sys/class/net").join(name);
    let called = |names: &[&str]| names.iter().any(|start| name.starts_with(start));
    if flags.contains(InterfaceFlags::IFF_LOOPBACK) {
        return Kind::Loopback;
    }
    if place.join("wireless").exists() || place.join("phy80211").exists() {
        return Kind::Wifi;
    }
    let tunnel = place.join("tun_flags").exists()
        || flags.contains(InterfaceFlags::IFF_POINTOPOINT)
        || called(&["wg", "tun", "tap", "ppp", "tailscale", "zt", "ipsec", "vpn"]);
    if tunnel {
        return Kind::Tunnel;
    }
    let of_containers = called(&["docker", "podman", "virbr", "lxc", "lxd", "cni", "veth"])
        || name.strip_prefix("br-").is_some_and(is_number);
    if of_containers || (place.join("bridge").exists() && !has_cable(&place)) {
        return Kind::Container;
    }
    Kind::Lan
}

/// How Docker names the bridges that it makes: by twelve hex digits.
fn is_number(rest: &str) -> bool {
    rest.len() == 12 && rest.chars().all(|c| c.is_ascii_hexdigit())
}

/// Whether a real card is part of a bridge.
fn has_cable(bridge: &Path) -> bool {
    let Ok(ports) = fs::read_dir(bridge.join("brif")) else {
        return false;
    };
    ports
        .flatten()
        .any(|port| port.path().join("device").exists())
}

/// From which address of this machine packets to `to` would be sent; none without a route.
pub fn source_towards(to: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = if to.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any).ok()?;
    // Connecting a datagram socket sends nothing: the kernel only looks up the route.
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// A route of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its interface.
    pub interface: String,
    /// Where it leads, and the length of the prefix.
    pub network: (Ipv4Addr, u8),
    /// By which router, if by any.
    pub gateway: Option<Ipv4Addr>,
}

/// The routes for IPv4.
pub fn routes() -> Vec<Route> {
    let text = fs::read_to_string("/proc/net/route").unwrap_or_default();
    text.lines().skip(1).filter_map(route).collect()
}

fn route(line: &str) -> Option<Route> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    // In the order of this machine's bytes.
    let address = |at: usize| {
        let number = u32::from_str_radix(fields.get(at)?, 16).ok()?;
        Some(Ipv4Addr::from(number.to_ne_bytes()))
    };
    let (to, gateway, mask) = (address(1)?, address(2)?, address(7)?);
    Some(Route {
        interface: (*fields.first()?).to_owned(),
        network: (to, prefix(mask.into())),
        gateway: Some(gateway).filter(|gateway| !gateway.is_unspecified()),
    })
}

/// The interface that packets to `to` leave by: the route with the longest prefix.
pub fn way_to(to: Ipv4Addr, routes: &[Route]) -> Option<&Route> {
    let fits = |route: &&Route| {
        let (network, length) = route.network;
        let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
        u32::from(network) & mask == u32::from(to) & mask
    };
    routes.iter().filter(fits).max_by_key(|r| r.network.1)
}

/// Whether the kernel's table of neighbours has an address on the wire for `ip`; none if it never asked.
pub fn is_neighbour(ip: Ipv4Addr) -> Option<bool> {
    let table = fs::read_to_string("/proc/net/arp").ok()?;
    let wanted = ip.to_string();
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let flags = fields.get(2)?.trim_start_matches("0x");
        let complete = u32::from_str_radix(flags, 16).ok()? & 2 != 0;
        (fields.first() == Some(&wanted.as_str())).then_some(complete)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_always_there() {
        let found = interfaces().expect("interfaces");
        let lo = found.iter().find(|interface| interface.name == "lo");
        let lo = lo.expect("every machine has one");
        assert_eq!(lo.kind, Kind::Loopback);
        assert!(lo.networks.contains(&(Ipv4Addr::LOCALHOST.into(), 8)));
        let towards = source_towards((Ipv4Addr::LOCALHOST, 9).into());
        assert_eq!(towards, Some(Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn the_route_with_the_longest_prefix_is_the_way() {
        let table = "head\n\
            lan\t00000000\t0101470A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            lan\t0001470A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
            tun0\t0C01470A\t00000000\t0001\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n";
        let routes: Vec<Route> = table.lines().skip(1).filter_map(route).collect();
        let by = |ip: [u8; 4]| way_to(ip.into(), &routes).expect("a way").clone();
        assert_eq!(by([10, 71, 1, 11]).interface, "lan");
        assert_eq!(by([10, 71, 1, 12]).interface, "tun0");
        assert_eq!(by([9, 9, 9, 9]).gateway, Some(Ipv4Addr::new(10, 71, 1, 1)));
        assert_eq!(way_to(Ipv4Addr::new(9, 9, 9, 9), &routes[1..]), None);
    }

    #[test]
    fn interfaces_are_told_apart_by_name_where_nothing_else_tells() {
        let none = InterfaceFlags::IFF_UP;
        for (name, expected) in [
            ("docker0", Kind::Container),
            ("br-0123456789ab", Kind::Container),
            ("wg0", Kind::Tunnel),
            ("eno1", Kind::Lan),
        ] {
            assert_eq!(kind(name, none), expected, "{name}");
        }
    }
}
