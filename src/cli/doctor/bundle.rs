//! The support bundle: what the doctor saw, without names and contents.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cli::failure::{Failure, Outcome};
use crate::doctor::facts::Facts;
use crate::doctor::{Findings, diagnose};
use crate::platform::files;

/// Version of the file.
const VERSION: u32 = 1;

/// Largest file that is read: the facts of the largest clinic take a tenth of it.
const BUNDLE_MAX: usize = 4 * 1024 * 1024;

/// What is written.
#[derive(Serialize)]
struct Bundle {
    clinic_mesh_doctor: u32,
    findings: Findings,
    facts: Facts,
}

/// What is read: that, or what `doctor --json` printed.
#[derive(Deserialize)]
struct Read {
    facts: Facts,
}

/// Writes the file. What it says is judged anew from the facts without names, so no name comes in by a
/// sentence.
pub(super) fn write(path: &Path, facts: &Facts) -> Outcome {
    let facts = facts.clone().without_names();
    let bundle = Bundle {
        clinic_mesh_doctor: VERSION,
        findings: diagnose(&facts),
        facts,
    };
    let text = serde_json::to_string_pretty(&bundle).map_err(Failure::error)?;
    files::write_shared(path, text.as_bytes()).map_err(Failure::from)
}

/// Reads what the doctor saw on another machine.
pub(super) fn read(path: &Path) -> Result<Facts, Failure> {
    let bytes = files::read_shared(path, BUNDLE_MAX)?;
    let read: Read = serde_json::from_slice(&bytes).map_err(|error| {
        Failure::usage(format!(
            "{} is no bundle of the doctor: {error}",
            path.display()
        ))
        .remedy("make one there with `clinic-mesh doctor --bundle FILE`")
    })?;
    Ok(read.facts)
}
