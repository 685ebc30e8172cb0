//! Asking on the wire who has an address (ARP, RFC 826, as a probe of RFC 5227).

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvfrom, sendto, socket,
};

use super::Interface;

/// An address on the wire.
pub type Mac = [u8; 6];

/// Length of a frame with a question or an answer.
const FRAME: usize = 42;

/// ARP, in the Ethernet header.
const ARP: [u8; 2] = [8, 6];

/// How long answers are waited for: machines on one wire answer within milliseconds, asleep ones within
/// a second.
const PATIENCE: Duration = Duration::from_millis(900);

/// When the question is asked again: one packet may get lost.
const AGAIN: Duration = Duration::from_millis(300);

/// How often answers are looked for.
const LOOK: Duration = Duration::from_millis(10);

/// Who, other than this machine, answers for `ip` on `interface`. Needs the right to speak on the wire,
/// which root has; without it the error says so.
pub fn who_has(interface: &Interface, ip: Ipv4Addr) -> io::Result<BTreeSet<Mac>> {
    let missing = || io::Error::from(io::ErrorKind::AddrNotAvailable);
    let link = interface.link.ok_or_else(missing)?;
    let own = link.addr().ok_or_else(missing)?;
    let wire = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        SockProtocol::EthAll,
    )?;
    let probe = question(own, sender(interface, ip), ip);
    let (begun, mut asked, mut found) = (Instant::now(), None::<Instant>, BTreeSet::new());
    while begun.elapsed() < PATIENCE {
        if asked.is_none_or(|at| at.elapsed() >= AGAIN) {
            sendto(wire.as_raw_fd(), &probe, &link, MsgFlags::empty())?;
            asked = Some(Instant::now());
        }
        let mut frame = [0; 64];
        match recvfrom::<LinkAddr>(wire.as_raw_fd(), &mut frame) {
            Ok((length, from)) => {
                let here = from.is_none_or(|from| from.ifindex() == link.ifindex());
                let answer = here.then(|| answer(&frame[..length.min(64)], ip)).flatten();
                found.extend(answer.filter(|mac| *mac != own));
            }
            Err(Errno::EAGAIN) => std::thread::sleep(LOOK),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// Whose name the question is asked in: nobody's where the address is our own, so that no neighbour
/// learns anything wrong from it.
fn sender(interface: &Interface, ip: Ipv4Addr) -> Ipv4Addr {
    let own = interface.networks.iter().filter_map(|(own, _)| match own {
        IpAddr::V4(v4) => Some(*v4),
        IpAddr::V6(_) => None,
    });
    let own: Vec<Ipv4Addr> = own.collect();
    if own.contains(&ip) {
        return Ipv4Addr::UNSPECIFIED;
    }
    own.first().copied().unwrap_or(Ipv4Addr::UNSPECIFIED)
}

fn question(own: Mac, sender: Ipv4Addr, ip: Ipv4Addr) -> Vec<u8> {
    let everyone = [0xff; 6];
    // Ethernet and IPv4, with addresses of six and four bytes; a request.
    let kind = [0, 1, 8, 0, 6, 4, 0, 1];
    let frame = [
        &everyone[..],
        &own,
        &ARP,
        &kind,
        &own,
        &sender.octets(),
        &[0; 6],
        &ip.octets(),
    ];
    frame.concat()
}

/// Who says in this frame that it has the address: by an answer, or by asking in its name.
pub fn answer(frame: &[u8], ip: Ipv4Addr) -> Option<Mac> {
    if frame.len() < FRAME || frame[12..14] != ARP || frame[28..32] != ip.octets() {
        return None;
    }
    frame[22..28].try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_no_answer_and_an_answer_names_its_machine() {
        let ip = Ipv4Addr::new(10, 71, 1, 11);
        let probe = question([1; 6], Ipv4Addr::UNSPECIFIED, ip);
        assert_eq!(probe.len(), FRAME);
        assert_eq!(answer(&probe, ip), None);
        let said = question([2; 6], ip, Ipv4Addr::new(10, 71, 1, 1));
        assert_eq!(answer(&said, ip), Some([2; 6]));
        assert_eq!(answer(&said[..FRAME - 1], ip), None);
    }
}
