//! Audit trails: reading, checking, exporting.

mod export;
mod gather;
mod list;
mod since;
mod verify;

#[cfg(test)]
pub(super) use verify::read as read_trail;

use super::Context;
use super::failure::Outcome;

/// Who did what at this node: read the audit trail, check it, export it
#[derive(Debug, clap::Subcommand)]
pub(super) enum Audit {
    List(list::List),
    Verify(verify::Verify),
    Export(export::Export),
}

impl Audit {
    pub(super) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::List(command) => command.run(context),
            Self::Verify(command) => command.run(context),
            Self::Export(command) => command.run(context),
        }
    }
}
