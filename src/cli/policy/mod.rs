//! `clinic-mesh policy`: what admins set for the whole clinic.

mod document;
mod file;
mod near;
mod places;
mod plan;
mod set;
mod setting;
mod show;

#[cfg(test)]
pub(super) use document::read as read_document;
pub use document::{initial as initial_policy, reread as reread_policy};
pub(super) use plan::{Known, Plan, known, of_proposed, text as plan_text};

use clap::Subcommand;

use super::{Context, Outcome};

/// What admins set for the whole clinic
#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    Show(show::Show),
    Set(set::Set),
    Export(file::Export),
    Check(file::Check),
    Plan(file::PlanFile),
    Apply(file::Apply),
}

impl Policy {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        match self {
            Self::Show(command) => command.run(context),
            Self::Set(command) => command.run(context),
            Self::Export(command) => command.run(context),
            Self::Check(command) => command.run(context),
            Self::Plan(command) => command.run(context),
            Self::Apply(command) => command.run(context),
        }
    }
}
