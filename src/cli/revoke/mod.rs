//! `clinic-mesh revoke`: withdrawing what was given, and seeing where that holds.

mod invitation;
mod status;

use clap::Subcommand;

pub(super) use status::state;

use super::{Context, Outcome};
use crate::cli::{authority, device, staff};

/// Withdraw a machine, a person, an admin or an invitation, and see where that holds
#[derive(Debug, Subcommand)]
pub(super) enum Revoke {
    Device(device::Revoke),
    Staff(staff::Suspend),
    Admin(authority::EndAdmin),
    Invitation(invitation::Withdraw),
    Status(status::Status),
}

impl Revoke {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        match self {
            Self::Device(command) => command.run(context),
            Self::Staff(command) => command.run(context),
            Self::Admin(command) => command.run(context),
            Self::Invitation(command) => command.run(context),
            Self::Status(command) => command.run(context),
        }
    }
}
