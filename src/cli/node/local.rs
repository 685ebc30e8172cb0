//! Flags that fill `node.toml` when a node is made.

use std::net::SocketAddr;

use super::settings::{Mdns, Settings};
use crate::cli::Context;
use crate::cli::failure::Failure;

/// What concerns this machine alone; kept in its node.toml
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Settings kept in node.toml")]
pub(super) struct Local {
    /// Address and port where other nodes connect; repeat for several
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<SocketAddr>,

    /// Address and port where an invited machine is heard
    #[arg(long, value_name = "ADDRESS:PORT")]
    enrolment: Option<SocketAddr>,

    /// Address and port where browsers of the office are served
    #[arg(long, value_name = "ADDRESS:PORT")]
    web_listen: Option<SocketAddr>,

    /// Address and port where browsers on this machine are served, in clear
    #[arg(long, value_name = "ADDRESS:PORT")]
    web_loopback: Option<SocketAddr>,

    /// Discovery of other nodes
    #[arg(long, value_enum)]
    mdns: Option<Mdns>,

    /// Interface that discovery uses; repeat for several
    #[arg(long = "interface", value_name = "NAME")]
    interfaces: Vec<String>,

    /// Port of discovery, for tests
    #[arg(long, value_name = "PORT", hide = true)]
    mdns_port: Option<u16>,

    /// Node at another place to try; repeat for several
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap: Vec<String>,
}

impl Local {
    /// The settings that were given, the usual ones for the rest.
    pub(super) fn settings(&self) -> Settings {
        let usual = Settings::default();
        let given = |list: &Vec<String>, usual: Vec<String>| {
            if list.is_empty() { usual } else { list.clone() }
        };
        Settings {
            listen: if self.listen.is_empty() {
                usual.listen
            } else {
                self.listen.clone()
            },
            enrolment: self.enrolment.unwrap_or(usual.enrolment),
            web_listen: self.web_listen.or(usual.web_listen),
            web_loopback: self.web_loopback.or(usual.web_loopback),
            staff_unlock: usual.staff_unlock,
            mdns: self.mdns.unwrap_or(usual.mdns),
            interfaces: given(&self.interfaces, usual.interfaces),
            mdns_port: self.mdns_port.unwrap_or(usual.mdns_port),
            bootstrap: given(&self.bootstrap, usual.bootstrap),
            backup: usual.backup,
        }
    }

    /// Keeps them in the node's directory.
    pub(super) fn save(&self, context: &Context) -> Result<(), Failure> {
        self.settings().save(context.dir())
    }
}
