//! An offline check of an exported audit trail.
//!
//! An auditor needs neither a node nor a key for this, only the clinic's id from a source other than the
//! file, such as `authority show` on the admin's machine. The id is the hash of the root key, so whoever
//! knows it can check every signature in the file up to that root.
//!
//! ```text
//! clinic-mesh audit export front.trail                  # at the office that is audited
//! clinic-mesh audit export ward.trail --device FRONT    # its witness: another office's copy
//! cargo run --example trail_check CLINIC front.trail ward.trail
//! ```
//!
//! The exit code is 0 if the trail is whole, 1 if something was done to it, and 2 if it cannot be checked.

use std::io::{self, Read as _, Write};
use std::path::Path;
use std::process::ExitCode;

use clinic_mesh::domain::id::ClinicId;
use clinic_mesh::domain::trail::{FILE, Report, TrailFile, verify};

const USAGE: &str = "usage: trail_check CLINIC FILE [COPY...]";

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args, &mut io::stdout()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(failure) => {
            // Nobody is left to tell if this cannot be written.
            let _ = writeln!(io::stderr(), "trail_check: {failure}");
            ExitCode::from(2)
        }
    }
}

/// Checks the trail that the arguments name and writes what was found; true if it is whole.
pub(crate) fn run(args: &[String], out: &mut impl Write) -> Result<bool, Failure> {
    let [clinic, file, copies @ ..] = args else {
        return Err(USAGE.into());
    };
    let clinic = ClinicId::from_hex(clinic).ok_or("the clinic's id is 64 hex digits")?;
    let trail = read(file, clinic)?;
    let copies: Vec<TrailFile> = copies
        .iter()
        .map(|copy| read(copy, clinic))
        .collect::<Result<_, _>>()?;
    let report = verify(&trail, &copies)?;
    write_report(&trail, &report, out)?;
    Ok(report.findings.is_empty())
}

/// Reads a file of this clinic; of any other, all signatures may hold and prove nothing.
fn read(path: impl AsRef<Path>, clinic: ClinicId) -> Result<TrailFile, Failure> {
    let path = path.as_ref();
    let of_file = |why: &dyn std::fmt::Display| Failure::from(format!("{}: {why}", path.display()));
    // A file from a stranger may be of any size.
    let limit = FILE.file_limit() as u64 + 1;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| of_file(&error))?;
    let trail = TrailFile::from_file(&bytes).map_err(|error| of_file(&error))?;
    match trail.clinic == clinic {
        true => Ok(trail),
        false => Err(of_file(&format!(
            "a trail of another clinic, {}",
            trail.clinic
        ))),
    }
}

fn write_report(trail: &TrailFile, report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "audit trail of device {}", trail.device)?;
    for epoch in &report.epochs {
        writeln!(
            out,
            "  run {:x}: {} records, {} of them signed for by {} other devices",
            epoch.epoch.0,
            epoch.records,
            epoch.witnessed,
            epoch.witnesses.len(),
        )?;
    }
    for finding in &report.findings {
        writeln!(out, "  {finding}")?;
    }
    match report.findings.len() {
        0 => writeln!(out, "whole"),
        1 => writeln!(out, "NOT whole: 1 finding"),
        count => writeln!(out, "NOT whole: {count} findings"),
    }
}
