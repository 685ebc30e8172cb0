//! Whether a port is free, and which program holds it if not.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// How it stands with an address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// Nobody has it.
    Free,
    /// Another program has it; its name where it may be known.
    Taken(Option<String>),
    /// The address is none of this machine's.
    NotHere,
    /// This account may not listen there.
    Denied,
}

/// Tries to listen at `address`, and gives it back at once.
///
/// It asks for the address alone: a listener that shares its port with others counts as one that has it.
/// `[::]` is every address of IPv6 and none of IPv4, as nodes listen on it.
pub fn look_at(address: SocketAddr) -> io::Result<Port> {
    match listen_alone(address) {
        Ok(_listener) => Ok(Port::Free),
        Err(error) => match error.kind() {
            io::ErrorKind::AddrInUse => Ok(Port::Taken(holder(address.port()))),
            io::ErrorKind::AddrNotAvailable => Ok(Port::NotHere),
            io::ErrorKind::PermissionDenied => Ok(Port::Denied),
            _ => Err(error),
        },
    }
}

fn listen_alone(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // What connections of a process that ended leave behind is in nobody's way.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, 1)?;
    Ok(socket)
}

/// The program of a process, as the system calls it.
pub fn program(pid: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

/// The program that listens on a port, where this account may look.
fn holder(port: u16) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let text = tables.map(|table| fs::read_to_string(table).unwrap_or_default());
    let inode = text
        .iter()
        .flat_map(|text| text.lines())
        .find_map(|line| listener(line, port))?;
    owner(&format!("socket:[{inode}]"))
}

/// The inode of a line's socket, if it listens on `port`.
fn listener(line: &str, port: u16) -> Option<&str> {
    const LISTENING: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, local) = fields.get(1)?.rsplit_once(':')?;
    let here = u16::from_str_radix(local, 16).ok()? == port;
    (here && fields.get(3) == Some(&LISTENING)).then_some(*fields.get(9)?)
}

fn owner(socket: &str) -> Option<String> {
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let open = fs::read_dir(process.path().join("fd")).ok()?;
        let has = open
            .flatten()
            .any(|file| fs::read_link(file.path()).is_ok_and(|to| to == Path::new(socket)));
        has.then(|| program(pid)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_in_use_is_taken_by_a_program_with_a_name() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let Ok(Port::Taken(Some(name))) = look_at(address) else {
            panic!("{:?}", look_at(address));
        };
        assert_eq!(Some(name), program(std::process::id()));
        drop(listener);
        assert_eq!(look_at(address).expect("looked"), Port::Free);
        let elsewhere = "192.0.2.1:7846".parse().expect("an address");
        assert_eq!(look_at(elsewhere).expect("looked"), Port::NotHere);
    }
}
