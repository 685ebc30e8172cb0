//! The settings that a backup brings, on a machine that may have other addresses.

use std::net::IpAddr;
use std::path::Path;

use crate::cli::failure::Failure;
use crate::cli::node::settings::Settings;
use crate::platform::{files, network};

/// What of this machine settings are about.
struct Here {
    addresses: Vec<IpAddr>,
    interfaces: Vec<String>,
    has_folder: fn(&Path) -> bool,
}

impl Here {
    /// A machine that cannot be looked at has nothing: what depends on it is then named.
    fn look() -> Self {
        let found = network::interfaces().unwrap_or_default();
        let networks = found.iter().flat_map(|interface| &interface.networks);
        Self {
            addresses: networks.map(|(ip, _)| *ip).collect(),
            interfaces: found.iter().map(|found| found.name.clone()).collect(),
            has_folder: Path::is_dir,
        }
    }
}

/// Writes the settings into the directory of a restored node, byte for byte as they were, and says which
/// of their lines do not fit this machine.
pub(super) fn put_back(bytes: &[u8], dir: &Path) -> Result<Vec<String>, Failure> {
    files::replace(&Settings::file(dir), bytes)?;
    let text = String::from_utf8_lossy(bytes);
    Ok(match Settings::read(&text) {
        Ok(settings) => unfitting(&settings, &Here::look()),
        Err(error) => vec![format!("it cannot be read: {}", error.message())],
    })
}

/// The settings that name something this machine does not have.
fn unfitting(settings: &Settings, here: &Here) -> Vec<String> {
    let mut lines = Vec::new();
    let listen = settings.listen.iter().map(|at| ("listen", at));
    let enrolment = [("enrolment", &settings.enrolment)];
    let web = settings.web_listen.iter().map(|at| ("web_listen", at));
    for (name, at) in listen.chain(enrolment).chain(web) {
        let ip = at.ip();
        if !ip.is_unspecified() && !ip.is_loopback() && !here.addresses.contains(&ip) {
            lines.push(format!("`{name}`: {ip} is no address of this machine"));
        }
    }
    for name in &settings.interfaces {
        if !here.interfaces.contains(name) {
            lines.push(format!("`interfaces`: this machine has no {name}"));
        }
    }
    if let Some(backup) = &settings.backup
        && !(here.has_folder)(&backup.folder)
    {
        let folder = backup.folder.display();
        lines.push(format!("`folder` under [backup]: {folder} is not there"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "192.168.1.20";

    fn named(text: &str) -> Vec<String> {
        let here = Here {
            addresses: vec![HERE.parse().expect("an address")],
            interfaces: vec!["lan".to_owned()],
            has_folder: |folder| folder == "/backup",
        };
        unfitting(&Settings::read(text).expect("settings"), &here)
    }

    #[test]
    fn settings_that_fit_the_machine_are_not_worth_a_word() {
        assert!(named("").is_empty());
        let fitting = "listen = [\"192.168.1.20:7846\", \"127.0.0.1:1\"]\ninterfaces = [\"lan\"]\n\
                       [backup]\nfolder = \"/backup\"\nto = []\n";
        assert!(named(fitting).is_empty());
    }

    #[test]
    fn every_line_that_names_what_this_machine_has_not_is_named() {
        for (text, said) in [
            ("listen = [\"10.0.0.9:7846\"]", "`listen`: 10.0.0.9"),
            ("enrolment = \"10.0.0.9:7847\"", "`enrolment`: 10.0.0.9"),
            ("web_listen = \"10.0.0.9:443\"", "`web_listen`: 10.0.0.9"),
            ("interfaces = [\"eth7\"]", "has no eth7"),
            (
                "[backup]\nfolder = \"/gone\"\nto = []",
                "/gone is not there",
            ),
        ] {
            let lines = named(text);
            assert!(lines.len() == 1 && lines[0].contains(said), "{lines:?}");
        }
    }

    #[test]
    fn settings_are_put_back_byte_for_byte_and_those_of_another_version_are_said_to_be() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let text = b"# by hand\nmdns = \"on\"\n";
        assert!(put_back(text, dir.path()).expect("written").is_empty());
        let kept = std::fs::read(dir.path().join("node.toml")).expect("written");
        assert_eq!(kept, text);
        let later = put_back(b"teleport = true\n", dir.path()).expect("written");
        assert!(later[0].contains("teleport"), "{later:?}");
    }
}
