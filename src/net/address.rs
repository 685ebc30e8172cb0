//! Between the domain's words and libp2p's: devices and peer ids, socket addresses and multiaddrs.

use std::net::{IpAddr, SocketAddr};

use libp2p::identity::{PublicKey, ed25519};
use libp2p::multiaddr::{Multiaddr, Protocol};
use libp2p::{PeerId, core::ConnectedPoint};

use crate::domain::id::DeviceId;

/// A device's id as libp2p writes it; `None` if the id is not a public key.
pub(crate) fn peer_id(device: &DeviceId) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(device.as_bytes()).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

/// The device of a peer id; `None` if it is not made of an Ed25519 key.
pub(crate) fn device(peer: &PeerId) -> Option<DeviceId> {
    let multihash = peer.as_ref();
    let key = PublicKey::try_decode_protobuf(multihash.digest()).ok()?;
    let key = key.try_into_ed25519().ok()?;
    Some(DeviceId::new(key.to_bytes()))
}

/// `address` as libp2p writes it.
pub(crate) fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

/// The IP address and port at the start of `address`.
pub(crate) fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

/// The device that a dial was for, if it was for one.
pub(crate) fn dialled(address: &Multiaddr) -> Option<DeviceId> {
    address.iter().find_map(|part| match part {
        Protocol::P2p(peer) => device(&peer),
        _ => None,
    })
}

/// The other end's address of a connection.
pub(crate) fn remote(point: &ConnectedPoint) -> Option<SocketAddr> {
    socket_address(point.get_remote_address())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sign::SigningKey;

    #[test]
    fn a_device_and_its_peer_id_are_two_writings_of_one_key() {
        let id = SigningKey::from_seed(&[7; 32]).id();
        let id = DeviceId::new(*id.as_bytes());
        let peer = peer_id(&id).unwrap();
        assert_eq!(device(&peer), Some(id));
        let keypair = libp2p::identity::Keypair::ed25519_from_bytes([7; 32]).unwrap();
        assert_eq!(peer, keypair.public().to_peer_id());
    }

    #[test]
    fn a_peer_id_of_another_kind_of_key_is_no_device() {
        assert_eq!(device(&PeerId::random()), None);
    }

    #[test]
    fn socket_addresses_are_read_back_with_and_without_the_device() {
        let peer = peer_id(&DeviceId::new(
            *SigningKey::from_seed(&[1; 32]).id().as_bytes(),
        ))
        .unwrap();
        for text in ["127.0.0.1:80", "[::1]:9000"] {
            let address: SocketAddr = text.parse().unwrap();
            let plain = multiaddr(address);
            assert_eq!(socket_address(&plain), Some(address));
            assert_eq!(dialled(&plain), None);
            let with_peer = plain.with_p2p(peer).unwrap();
            assert_eq!(socket_address(&with_peer), Some(address));
            assert_eq!(dialled(&with_peer), device(&peer));
        }
        let foreign: Multiaddr = "/dns4/example/tcp/1".parse().unwrap();
        assert_eq!(socket_address(&foreign), None);
    }
}
