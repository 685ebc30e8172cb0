//! `clinic-mesh device`: the machines of the clinic.

pub(super) mod behind;
mod enrol;
mod inspect;
mod invitations;
mod invite;
mod list;
mod renew;
mod replace;
mod revoke;
mod stops;
mod waiting;

use clap::{Subcommand, ValueEnum};

#[cfg(test)]
pub(super) use enrol::read as read_request;
pub(super) use invite::withdraw;
pub(super) use revoke::Revoke;

use super::{Context, Outcome};
use crate::domain::cert::DeviceKind;
use crate::domain::id::DeviceId;

/// The machines of the clinic: invite, enrol, look at, renew, revoke, replace
#[derive(Debug, Subcommand)]
pub(super) enum Device {
    Invite(invite::Invite),
    Invitations(invitations::Invitations),
    Enrol(enrol::Enrol),
    List(list::List),
    Inspect(inspect::Inspect),
    Renew(renew::Renew),
    Revoke(revoke::Revoke),
    Replace(replace::Replace),
}

impl Device {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        match self {
            Self::Invite(command) => command.run(context),
            Self::Invitations(command) => command.run(context),
            Self::Enrol(command) => command.run(context),
            Self::List(command) => command.run(context),
            Self::Inspect(command) => command.run(context),
            Self::Renew(command) => command.run(context),
            Self::Revoke(command) => command.run(context),
            Self::Replace(command) => command.run(context),
        }
    }
}

/// What a device is to be.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// An office's node
    Node,
    /// A staff member's machine that holds no office's messages
    Client,
}

impl From<Kind> for DeviceKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Node => Self::Node,
            Kind::Client => Self::Client,
        }
    }
}

/// A device's id for eyes: the first and last groups of its key, enough to compare two screens.
pub(in crate::cli) fn fingerprint(device: &DeviceId) -> String {
    let hex = device.to_string();
    let groups: Vec<&str> = (0..4).map(|group| &hex[group * 4..group * 4 + 4]).collect();
    groups.join(" ")
}
