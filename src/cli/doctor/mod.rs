//! `doctor`: why nodes do not find each other, and what helps.

mod bundle;
mod gather;
mod machine;
mod probe;
mod show;

pub use bundle::reread as reread_bundle;
pub(super) use machine::interfaces;

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::node::unlock::UnlockArgs;
use super::{Context, Failure, Outcome};
use crate::doctor::facts::Facts;
use crate::doctor::{Findings, compare, diagnose, is_own};

/// Say why nodes do not find each other, and what helps
///
/// Looks at this machine, at its node if it runs, and at the ways to the clinic's other nodes. Exit code 6
/// says that something is wrong. As root it also sees whether two machines have one address.
#[derive(Debug, clap::Args)]
pub(super) struct Doctor {
    /// Look at one machine: its address, its name, its office, or the file of `doctor --bundle` there
    #[arg(long, value_name = "WHO")]
    with: Option<String>,

    /// Write what was seen to FILE, without names and contents, for whoever helps
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    bundle: Option<PathBuf>,

    #[command(flatten)]
    unlock: UnlockArgs,
}

/// Whom the doctor is asked about.
enum With {
    /// Nobody in particular.
    Everyone,
    /// Whoever is at an address.
    Address(SocketAddr),
    /// A machine or an office of the clinic.
    Named(String),
    /// A machine where the doctor was before.
    Machine(Box<Facts>),
}

/// What programs get.
#[derive(Serialize)]
struct Report<'a> {
    /// `well` or `ill`.
    verdict: &'static str,
    #[serde(flatten)]
    findings: &'a Findings,
    facts: &'a Facts,
}

impl Doctor {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let with = self.with()?;
        let progress = context.output.progress("looking around");
        let gathered = gather::facts(context, &self.unlock, &with);
        let facts = context.block_on(async { progress.during(gathered).await })?;
        let findings = match &with {
            With::Machine(there) if is_own(&facts, there) => return Err(own_file()),
            With::Machine(there) => compare(&facts, there),
            With::Everyone | With::Address(_) | With::Named(_) => diagnose(&facts),
        };
        if let Some(path) = &self.bundle {
            bundle::write(path, &facts)?;
        }
        let verdict = if findings.is_ill() { "ill" } else { "well" };
        let report = Report {
            verdict,
            findings: &findings,
            facts: &facts,
        };
        let style = context.output.style();
        context.output.answer(&report, || {
            show::text(&facts, &findings, style, &context.in_use)
        })?;
        verdict_of(&findings)
    }

    fn with(&self) -> Result<With, Failure> {
        let Some(with) = &self.with else {
            return Ok(With::Everyone);
        };
        let path = Path::new(with);
        if path.is_file() {
            return Ok(With::Machine(Box::new(bundle::read(path)?)));
        }
        if let Ok(ip) = with.parse::<IpAddr>() {
            return Ok(With::Address((ip, super::node::settings::PORT).into()));
        }
        let resolved = with.to_socket_addrs().ok();
        let resolved = resolved.and_then(|mut addresses| addresses.next());
        Ok(match resolved {
            Some(address) => With::Address(address),
            None => With::Named(with.clone()),
        })
    }
}

/// There is nothing to compare.
fn own_file() -> Failure {
    Failure::usage("that is this machine's own file").remedy(
        "bring the other machine's: run `clinic-mesh doctor --bundle FILE` there. If it was made there, \
         that machine is a copy of this one; empty its directory and invite it as its own device",
    )
}

fn verdict_of(findings: &Findings) -> Outcome {
    match findings.diagnoses.len() {
        0 => Ok(()),
        1 => Err(Failure::ill("one thing needs a look")),
        several => Err(Failure::ill(format!("{several} things need a look"))),
    }
}
