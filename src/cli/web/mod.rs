//! `clinic-mesh web`: what browsers trust.

mod certify;
mod trust;

use clap::Subcommand;

use super::{Context, Outcome};

/// Certificates for browsers, and how staff trust them
#[derive(Debug, Subcommand)]
pub(super) enum Web {
    Trust(trust::Trust),
    Certify(certify::Certify),
}

impl Web {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        match self {
            Self::Trust(command) => command.run(context),
            Self::Certify(command) => command.run(context),
        }
    }
}
