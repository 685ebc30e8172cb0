//! `clinic-mesh room`: named rooms and who is in them.

mod create;
mod list;
mod members;

use clap::Subcommand;

use super::{Context, Outcome};
use crate::cli::admin::staff;
use crate::cli::failure::Failure;
use crate::domain::id::StaffId;
use crate::domain::record::Clinic;

/// Named rooms, and who is in them
#[derive(Debug, Subcommand)]
pub(super) enum Room {
    Create(create::Create),
    Add(members::Add),
    Remove(members::Remove),
    List(list::List),
}

impl Room {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        match self {
            Self::Create(command) => command.run(context),
            Self::Add(command) => command.run(context),
            Self::Remove(command) => command.run(context),
            Self::List(command) => command.run(context),
        }
    }
}

/// The ids of the staff members named.
fn people(clinic: &Clinic, named: &[String]) -> Result<Vec<StaffId>, Failure> {
    named.iter().map(|one| Ok(staff(clinic, one)?.0)).collect()
}
