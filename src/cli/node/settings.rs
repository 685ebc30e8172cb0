//! `node.toml`: what concerns this machine alone.
//!
//! Everything that concerns the clinic is policy or stands in the clinic record. A setting that is
//! not known is an error: a typing mistake must not silently leave a port open.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::failure::Failure;
use crate::node::backup::{Plan, SETTINGS_MAX, Schedule};
use crate::node::{self, Discovery, Interfaces, MDNS_PORT, Store};
use crate::platform::files::{self, FileError};

/// The file's name in the node's directory.
const FILE: &str = "node.toml";

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
    /// Backups that the node makes by itself. Without it it makes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) backup: Option<BackupSettings>,
}

/// Backups that a node makes by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct BackupSettings {
    /// The folder they are put into, a whole path.
    pub(in crate::cli) folder: PathBuf,
    /// Whom they are sealed to, as `clinic-mesh backup key` prints it.
    to: Vec<String>,
    /// Hours from one to the next.
    #[serde(default = "daily")]
    every_hours: u32,
    /// How many are kept.
    #[serde(default = "two_weeks")]
    keep: u32,
}

const fn daily() -> u32 {
    24
}

const fn two_weeks() -> u32 {
    14
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
            backup: None,
        }
    }
}

/// What stands above the settings in the file.
const HEAD: &str = "\
# Settings of this machine's node; `clinic-mesh node run` reads them when it starts.
# docs/operations.md says what each of them means.

";

/// Whether a node's directory has its settings.
pub(in crate::cli) fn are_kept(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

/// Whether the making of a node in `dir` was cut off: the settings are written last.
pub(in crate::cli) fn cut_off(dir: &Path) -> bool {
    Store::exists(dir) && !are_kept(dir)
}

impl Settings {
    /// Reads the file of a node's directory; without one everything is as usual.
    pub(in crate::cli) fn load(dir: &Path) -> Result<Self, Failure> {
        let path = Self::file(dir);
        let bytes = match files::read_shared(&path, SETTINGS_MAX) {
            Err(FileError::Missing { .. }) => return Ok(Self::default()),
            read => read?,
        };
        let text = String::from_utf8_lossy(&bytes);
        Self::read(&text).map_err(|error| {
            Failure::error(format!("{}, {}", path.display(), refused(&text, &error)))
                .remedy("compare it with the list of settings in docs/operations.md")
        })
    }

    /// Where the settings of a node's directory stand.
    pub(in crate::cli) fn file(dir: &Path) -> PathBuf {
        dir.join(FILE)
    }

    /// The backups that the node in `dir` is to make by itself.
    pub(in crate::cli) fn schedule(&self, dir: &Path) -> Result<Option<Schedule>, Failure> {
        let Some(backup) = &self.backup else {
            return Ok(None);
        };
        let plan = Plan {
            folder: &backup.folder,
            to: &backup.to,
            every_hours: backup.every_hours,
            keep: backup.keep,
        };
        Schedule::new(plan, dir).map(Some).map_err(|error| {
            Failure::error(format!("{}, [backup]: {error}", Self::file(dir).display())).remedy(
                "correct it, or take the whole of [backup] out: docs/operations.md, Backups",
            )
        })
    }

    /// Reads the settings of another machine, as a backup brings them.
    pub(in crate::cli) fn read(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Writes the file.
    pub(in crate::cli) fn save(&self, dir: &Path) -> Result<(), Failure> {
        let text = toml::to_string(self).map_err(Failure::error)?;
        files::replace(&dir.join(FILE), format!("{HEAD}{text}").as_bytes()).map_err(Failure::from)
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

/// Longest piece of a line that is shown: the setting's name is at its beginning.
const SHOWN_MAX: usize = 60;

/// Where and why a text was refused: the reader of a single value does not know which setting it is.
fn refused(text: &str, error: &toml::de::Error) -> String {
    let why = error.message().replace('\n', "; ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return why;
    };
    let number = before.matches('\n').count();
    let line = text.lines().nth(number).unwrap_or_default().trim();
    let line: String = line.chars().take(SHOWN_MAX).collect();
    format!("line {} (`{line}`): {why}", number + 1)
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
            backup: Some(BackupSettings {
                folder: "/backup".into(),
                to: vec!["a-key".to_owned()],
                every_hours: 12,
                keep: 3,
            }),
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
    fn a_value_that_cannot_be_read_is_said_with_its_line_and_setting() {
        let of = |text: &str| refused(text, &read(text).expect_err("a typing mistake"));
        let bad = "mdns = \"off\"\nenrolment = \"10.0.0.1\"\nbootstrap = []\n";
        let said = of(bad);
        assert!(
            said.starts_with("line 2 (`enrolment = \"10.0.0.1\"`): "),
            "{said}"
        );
        assert!(said.contains("invalid socket address"), "{said}");
        let long = format!("listen = [{}\"ö\"]", "\"10.0.0.1:1\", ".repeat(20));
        assert!(of(&long).contains("line 1 (`listen = [\"10.0.0.1:1\""));
        assert!(of("lisen = []").contains("lisen"));
    }

    #[test]
    fn backups_are_made_daily_and_kept_for_two_weeks_unless_it_is_said_otherwise() {
        let text = "[backup]\nfolder = \"/backup\"\nto = [\"nobody\"]\n";
        let settings = read(text).expect("two settings are enough");
        let backup = settings.backup.as_ref().expect("there are some");
        assert_eq!((backup.every_hours, backup.keep), (24, 14));
        let error = settings
            .schedule(Path::new("/node"))
            .expect_err("a typing mistake");
        assert!(format!("{error:?}").contains("no recipient"), "{error:?}");
        assert!(
            read("[backup]\nfolder = \"/backup\"\n").is_err(),
            "for whom?"
        );
        assert!(read(&text.replace("folder", "folders")).is_err());
        assert_eq!(
            Settings::default().schedule(Path::new("/node")).ok(),
            Some(None)
        );
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
