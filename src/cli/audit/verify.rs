//! Checking a trail.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::gather::gather;
use crate::api::clinic::device_name;
use crate::cli::Context;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::{Style, when_exactly};
use crate::domain::id::ClinicId;
use crate::domain::record::Clinic;
use crate::domain::time::Hlc;
use crate::domain::trail::{EpochReport, FILE, Finding, Report, TrailError, TrailFile, verify};

/// Check that nothing in a trail was edited, inserted, reordered, removed, cut off or put back
///
/// Without --file the running node's trail is checked. A node's own administrator can write its trail
/// anew; only a witness shows that, so give the copies that other offices export with --witness.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Verify {
    /// Whose trail; this node's own if left out
    #[arg(long, value_name = "DEVICE", conflicts_with = "file")]
    device: Option<String>,
    /// Check an exported file; no node is needed
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Another copy of the same trail: from a witness, or from earlier; repeat for several
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    witness: Vec<PathBuf>,
    /// The clinic's id as known from elsewhere; a file of another clinic is refused
    #[arg(long, value_name = "ID")]
    clinic: Option<String>,
}

/// What `audit verify --json` prints.
#[derive(Serialize)]
struct Verdict {
    clinic: String,
    device: String,
    name: String,
    whole: bool,
    findings: Vec<Named>,
    epochs: Vec<Run>,
}

#[derive(Serialize)]
struct Named {
    kind: &'static str,
    what: String,
}

#[derive(Serialize)]
struct Run {
    epoch: String,
    records: u64,
    purged: u64,
    witnessed: u64,
    witnesses: Vec<String>,
}

impl Verify {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let trail = match &self.file {
            Some(path) => read(path)?,
            None => self.fetch(context)?,
        };
        self.check_clinic(&trail.clinic)?;
        let others: Vec<TrailFile> = self
            .witness
            .iter()
            .map(|path| read(path))
            .collect::<Result<_, _>>()?;
        let clinic = trail.clinic().map_err(unfit)?;
        let report = verify(&trail, &others).map_err(unfit)?;
        let verdict = Verdict::of(&trail, &clinic, &report);
        context
            .output
            .answer(&verdict, || verdict.show(context.output.style(), &report))?;
        match report.findings.len() {
            0 => Ok(()),
            count => Err(Failure::error(format!(
                "the trail is not whole: {count} {}",
                if count == 1 { "finding" } else { "findings" }
            ))
            .remedy("keep this file and every witness's copy; tell the privacy officer")),
        }
    }

    fn fetch(&self, context: &Context) -> Result<TrailFile, Failure> {
        let client = context.client();
        let mut progress = context.output.progress("fetching the audit trail");
        let now = context.clock.now();
        context.block_on(async {
            Ok(gather(&client, self.device.as_deref(), now, &mut progress).await?)
        })
    }

    fn check_clinic(&self, found: &ClinicId) -> Outcome {
        match &self.clinic {
            Some(known) if *known != found.to_string() => Err(Failure::refused(format!(
                "this is a trail of another clinic, {found}"
            ))
            .remedy("check which file was given")),
            _ => Ok(()),
        }
    }
}

/// Reads an exported file; a stick's files are readable by all, so their mode is not looked at.
fn read(path: &Path) -> Result<TrailFile, Failure> {
    let failed = |error: std::io::Error| {
        let message = format!("{}: {error}", path.display());
        match error.kind() {
            std::io::ErrorKind::NotFound => Failure::not_found(message),
            _ => Failure::error(message),
        }
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(FILE.file_limit() as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    TrailFile::from_file(&bytes)
        .map_err(|error| Failure::error(format!("{}: {error}", path.display())))
}

fn unfit(error: TrailError) -> Failure {
    Failure::error(error)
}

impl Verdict {
    fn of(trail: &TrailFile, clinic: &Clinic, report: &Report) -> Self {
        let named = |finding: &Finding| Named {
            kind: finding.kind(),
            what: words(clinic, finding),
        };
        let run = |epoch: &EpochReport| Run {
            epoch: format!("{:x}", epoch.epoch.0),
            records: epoch.records,
            purged: epoch.purged,
            witnessed: epoch.witnessed,
            witnesses: epoch
                .witnesses
                .iter()
                .map(|one| device_name(clinic, one))
                .collect(),
        };
        Self {
            clinic: trail.clinic.to_string(),
            device: trail.device.to_string(),
            name: device_name(clinic, &trail.device),
            whole: report.findings.is_empty(),
            findings: report.findings.iter().map(named).collect(),
            epochs: report.epochs.iter().map(run).collect(),
        }
    }

    fn show(&self, style: Style, report: &Report) -> String {
        let mut text = format!("{}\n", style.bold(&format!("audit trail of {}", self.name)));
        text.push_str(&format!(
            "{}\n\n",
            style.dim(&format!("clinic {}", self.clinic))
        ));
        for (run, epoch) in self.epochs.iter().zip(&report.epochs) {
            let began = when_exactly(Hlc(epoch.epoch.0).wall());
            let by = match run.witnesses.as_slice() {
                [] => "no witness".to_owned(),
                names => format!("witnessed up to {} by {}", run.witnessed, names.join(", ")),
            };
            text.push_str(&format!(
                "  run of {began}  {:>6} records  {by}\n",
                run.records
            ));
        }
        text.push('\n');
        for finding in &self.findings {
            text.push_str(&format!("  {} {}\n", style.bad("✗"), finding.what));
        }
        if self.whole {
            text.push_str(&format!(
                "{}\n",
                style.good("whole: nothing is missing, and nothing is other than it was signed")
            ));
            text.push_str(&self.unwitnessed(style));
        }
        text
    }

    /// How much only the node itself vouches for.
    fn unwitnessed(&self, style: Style) -> String {
        let alone: u64 = self
            .epochs
            .iter()
            .map(|run| run.records.saturating_sub(run.witnessed))
            .sum();
        let words = match alone {
            0 => return String::new(),
            1 => "1 record is vouched for by this node alone".to_owned(),
            count => format!("{count} records are vouched for by this node alone"),
        };
        format!("{}\n", style.dim(&words))
    }
}

/// A finding with the name of whoever shows it.
fn words(clinic: &Clinic, finding: &Finding) -> String {
    match finding {
        Finding::TailCut { by: Some(by), .. } | Finding::Rewritten { by: Some(by), .. } => {
            format!("{finding}; {} has signed for it", device_name(clinic, by))
        }
        other => other.to_string(),
    }
}
