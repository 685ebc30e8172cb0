//! Checking a trail.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::gather::gather;
use crate::api::clinic::{device_name, device_name_apart};
use crate::cli::Context;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::{Style, when_exactly};
use crate::domain::id::ClinicId;
use crate::domain::record::Clinic;
use crate::domain::time::Hlc;
use crate::domain::trail::{EpochReport, FILE, Finding, Report, TrailError, TrailFile, verify};
use crate::platform::files;

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
    /// The name for people: with the beginning of the id where others bear it, too.
    #[serde(skip)]
    title: String,
    whole: bool,
    /// Whether the clinic is the one that was meant; a file alone can be of a clinic that somebody made up.
    clinic_proven: bool,
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
        // The running node is the person's own; what a file says of its clinic anybody may have signed.
        let clinic_proven = self.clinic.is_some() || self.file.is_none();
        let verdict = Verdict::of(&trail, &clinic, &report, clinic_proven);
        context
            .output
            .answer(&verdict, || verdict.show(context.output.style(), &report))?;
        match report.findings.len() {
            0 => Ok(()),
            count => Err(Failure::not_whole(format!(
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
pub(in crate::cli) fn read(path: &Path) -> Result<TrailFile, Failure> {
    let bytes = files::read_shared(path, FILE.file_limit())?;
    TrailFile::from_file(&bytes)
        .map_err(|error| Failure::error(format!("{}: {error}", path.display())))
}

fn unfit(error: TrailError) -> Failure {
    Failure::error(error)
}

impl Verdict {
    fn of(trail: &TrailFile, clinic: &Clinic, report: &Report, clinic_proven: bool) -> Self {
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
                .map(|one| device_name_apart(clinic, one))
                .collect(),
        };
        Self {
            clinic: trail.clinic.to_string(),
            device: trail.device.to_string(),
            name: device_name(clinic, &trail.device),
            title: device_name_apart(clinic, &trail.device),
            whole: report.findings.is_empty(),
            clinic_proven,
            findings: report.findings.iter().map(named).collect(),
            epochs: report.epochs.iter().map(run).collect(),
        }
    }

    fn show(&self, style: Style, report: &Report) -> String {
        let mut text = format!(
            "{}\n",
            style.bold(&format!("audit trail of {}", self.title))
        );
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
            text.push_str(&self.unproven(style));
        }
        text
    }

    /// That a whole trail of a clinic that somebody made up is whole as well.
    fn unproven(&self, style: Style) -> String {
        if self.clinic_proven {
            return String::new();
        }
        let words = "which clinic it is of is not proven: compare the id above with the one on the \
                     recovery page, or give it with --clinic ID";
        format!("{}\n", style.bad(words))
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
            format!(
                "{finding}; {} has signed for it",
                device_name_apart(clinic, by)
            )
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Exit;

    fn verdict(clinic_proven: bool) -> String {
        let verdict = Verdict {
            clinic: "00".to_owned(),
            device: String::new(),
            name: "front".to_owned(),
            title: "front".to_owned(),
            whole: true,
            clinic_proven,
            findings: Vec::new(),
            epochs: Vec::new(),
        };
        verdict.show(Style::default(), &Report::default())
    }

    #[test]
    fn a_file_whose_clinic_nobody_named_is_whole_and_unproven() {
        assert!(verdict(false).contains("not proven"));
        assert!(verdict(false).contains("--clinic ID"));
        assert!(!verdict(true).contains("not proven"));
    }

    #[test]
    fn a_trail_that_is_not_whole_has_an_exit_code_of_its_own() {
        assert_eq!(Failure::not_whole("1 finding").exit, Exit::NotWhole);
        assert_ne!(Exit::NotWhole as u8, Exit::Error as u8);
    }
}
