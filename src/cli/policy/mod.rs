//! `clinic-mesh policy`: what admins set for the whole clinic.

mod set;
mod setting;
mod show;

use clap::Subcommand;

use super::{Context, Outcome};

/// What admins set for the whole clinic
#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    Show(show::Show),
    Set(set::Set),
}

impl Policy {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        match self {
            Self::Show(command) => command.run(context),
            Self::Set(command) => command.run(context),
        }
    }
}
