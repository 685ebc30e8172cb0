//! `node.toml`: what concerns this machine alone.
//!
//! Everything that concerns the clinic is policy or stands in the clinic record. A setting that is
//! not known is an error: a typing mistake must not silently leave a port open.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cli::failure::Failure;
use crate::node::{self, Discovery, Interfaces, MDNS_PORT};
use crate::platform::files::{self, FileError};

/// The file's name in the node's directory.
const FILE: &str = "node.toml";

/// Largest file that is read: far more than every setting with its longest list.
const FILE_MAX: usize = 64 * 1024;

/// The mesh's port unless the file says otherwise; in nobody's list of well-known ones.
pub(in crate::cli) const PORT: u16 = 7846;

/// The port where invited machines are heard.
const ENROLMENT_PORT: u16 = 7847;

/// The settings of one machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::cli) struct Settings {
    /// Addresses and ports where other nodes connect.
    pub(in crate::cli) listen: Vec<SocketAddr>,
    /// Address and port where an invited machine is heard while an invitation is open.
    pub(in crate::cli) enrolment: SocketAddr,
    /// Address and port where browsers of the office are served, by TLS. Without it they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) web_listen: Option<SocketAddr>,
    /// Address and port where browsers on this machine are served, in clear; loopback only. Without
    /// it they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) web_loopback: Option<SocketAddr>,
    /// Whether a staff member's password unlocks the store after a start without its key.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(in crate::cli) staff_unlock: bool,
    /// Discovery on the LAN: "on", "off", or "loopback" for several nodes on one machine.
    pub(in crate::cli) mdns: Mdns,
    /// Interfaces that discovery uses, by name; empty for all.
    pub(in crate::cli) interfaces: Vec<String>,
    /// The port of discovery; 5353 unless this is a test.
    pub(in crate::cli) mdns_port: u16,
    /// Nodes at other places to try, as "host:port".
    pub(in crate::cli) bootstrap: Vec<String>,
}

/// Whether and where to discover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Mdns {
    /// On the LAN
    On,
    /// Not at all
    Off,
    /// Only on this machine
    Loopback,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: vec![(Ipv4Addr::UNSPECIFIED, PORT).into()],
            enrolment: (Ipv4Addr::UNSPECIFIED, ENROLMENT_PORT).into(),
            web_listen: None,
            web_loopback: None,
            staff_unlock: false,
            mdns: Mdns::On,
            interfaces: Vec::new(),
            mdns_port: MDNS_PORT,
            bootstrap: Vec::new(),
        }
    }
}

/// What stands above the settings in the file.
const HEAD: &str = "\
# Settings of this machine's node; `clinic-mesh node run` reads them when it starts.
# docs/operations.md says what each of them means.

";

impl Settings {
    /// Reads the file of a node's directory; without one everything is as usual.
    pub(in crate::cli) fn load(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join(FILE);
        let bytes = match files::read_shared(&path, FILE_MAX) {
            Err(FileError::Missing { .. }) => return Ok(Self::default()),
            read => read.map_err(Failure::error)?,
        };
        let text = String::from_utf8_lossy(&bytes);
        Self::read(&text).map_err(|error| {
            Failure::error(format!("{}: {}", path.display(), error.message()))
                .remedy("compare it with the list of settings in docs/operations.md")
        })
    }

    fn read(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Writes the file.
    pub(in crate::cli) fn save(&self, dir: &Path) -> Result<(), Failure> {
        let text = toml::to_string(self).map_err(Failure::error)?;
        files::replace(&dir.join(FILE), format!("{HEAD}{text}").as_bytes()).map_err(Failure::error)
    }

    /// How discovery works with these settings.
    pub(in crate::cli) fn discovery(&self) -> Discovery {
        let interfaces = match self.mdns {
            Mdns::Off => Interfaces::Off,
            Mdns::Loopback => Interfaces::Only(vec!["lo".to_owned()]),
            Mdns::On if self.interfaces.is_empty() => Interfaces::All,
            Mdns::On => Interfaces::Only(self.interfaces.clone()),
        };
        Discovery {
            interfaces,
            port: self.mdns_port,
        }
    }

    /// What the node starts with; bootstrap peers whose names do not resolve are returned beside.
    pub(in crate::cli) fn start(&self, days_ahead: u32) -> (node::Settings, Vec<String>) {
        let mut bootstrap = Vec::new();
        let mut unknown = Vec::new();
        for peer in &self.bootstrap {
            match peer.to_socket_addrs() {
                Ok(addresses) => bootstrap.extend(addresses),
                Err(_) => unknown.push(peer.clone()),
            }
        }
        let settings = node::Settings {
            listen: self.listen.clone(),
            enrolment: self.enrolment,
            bootstrap,
            discovery: self.discovery(),
            days_ahead,
        };
        (settings, unknown)
    }
}

/// The text that would be written for what a text says, or nothing if it is refused: for whoever tries
/// the file with hostile bytes.
pub fn reread(text: &str) -> Option<String> {
    let settings = Settings::read(text).ok()?;
    Some(toml::to_string(&settings).expect("plain values"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, toml::de::Error> {
        Settings::read(text)
    }

    #[test]
    fn an_empty_file_leaves_everything_as_usual() {
        assert_eq!(read(""), Ok(Settings::default()));
    }

    #[test]
    fn settings_are_read_back_as_they_were_written() {
        let settings = Settings {
            listen: vec!["[fd00::1]:9000".parse().expect("an address")],
            mdns: Mdns::Loopback,
            staff_unlock: true,
            bootstrap: vec!["ward.example:7846".to_owned()],
            ..Settings::default()
        };
        let text = toml::to_string(&settings).expect("plain values");
        assert_eq!(read(&text), Ok(settings));
    }

    #[test]
    fn a_setting_that_is_not_known_is_an_error_that_names_it() {
        let error = read("lisen = []").expect_err("a typing mistake");
        assert!(error.message().contains("lisen"), "{error}");
        assert!(read("mdns = \"maybe\"").is_err());
        assert!(read("listen = [\"everywhere\"]").is_err());
    }

    #[test]
    fn discovery_follows_the_settings() {
        let with = |mdns, interfaces: &[&str]| Settings {
            mdns,
            interfaces: interfaces.iter().map(|name| (*name).to_owned()).collect(),
            ..Settings::default()
        };
        let chosen = |mdns, interfaces| with(mdns, interfaces).discovery().interfaces;
        assert_eq!(chosen(Mdns::On, &[]), Interfaces::All);
        assert_eq!(
            chosen(Mdns::On, &["eth1"]),
            Interfaces::Only(vec!["eth1".to_owned()])
        );
        assert_eq!(chosen(Mdns::Off, &["eth1"]), Interfaces::Off);
        assert_eq!(
            chosen(Mdns::Loopback, &[]),
            Interfaces::Only(vec!["lo".to_owned()])
        );
    }

    #[test]
    fn a_bootstrap_peer_that_does_not_resolve_does_not_keep_the_node_from_starting() {
        let settings = Settings {
            bootstrap: vec!["127.0.0.1:7846".to_owned(), "no port".to_owned()],
            ..Settings::default()
        };
        let (start, unknown) = settings.start(0);
        assert_eq!(start.bootstrap.len(), 1);
        assert_eq!(unknown, ["no port"]);
    }
}
