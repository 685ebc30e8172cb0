//! Whether multicast gets out of this machine and back in: the kernel gives what is sent to a group to
//! those on the machine who listen to it, through the same firewall as what comes by wire.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, ipproto, socket, sockopt};

/// How long the echo is waited for; it takes less than a millisecond.
const PATIENCE: Duration = Duration::from_millis(600);

/// How often it is sent.
const AGAIN: Duration = Duration::from_millis(200);

/// Whether `payload`, sent to `group` from the interface of this address, is heard on this machine.
///
/// An error says that it could not be tried, as when somebody keeps the port for themselves.
pub fn heard(from: Ipv4Addr, group: SocketAddrV4, payload: &[u8]) -> io::Result<bool> {
    let ear = ear(from, group)?;
    let mouth = UdpSocket::bind((from, 0))?;
    sockopt::set_ip_multicast_if(&mouth, &from)?;
    let speaker = mouth.local_addr()?;
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        match mouth.send_to(payload, group) {
            // The firewall says so itself.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(false),
            sent => sent?,
        };
        if comes_back(&ear, speaker) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A socket that hears the group, beside the others of this machine that do.
fn ear(from: Ipv4Addr, group: SocketAddrV4) -> io::Result<UdpSocket> {
    let raw = socket(AddressFamily::INET, SocketType::DGRAM, Some(ipproto::UDP))?;
    sockopt::set_socket_reuseaddr(&raw, true)?;
    sockopt::set_socket_reuseport(&raw, true)?;
    bind(
        &raw,
        &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, group.port()),
    )?;
    let ear = UdpSocket::from(raw);
    ear.join_multicast_v4(group.ip(), &from)?;
    ear.set_read_timeout(Some(AGAIN))?;
    Ok(ear)
}

fn comes_back(ear: &UdpSocket, speaker: SocketAddr) -> bool {
    let until = Instant::now() + AGAIN;
    let mut bytes = [0; 2048];
    while Instant::now() < until {
        match ear.recv_from(&mut bytes) {
            Ok((_, from)) if from == speaker => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    false
}
