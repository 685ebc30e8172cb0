//! The support bundle: what the doctor saw, without names and contents.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cli::failure::{Failure, Outcome};
use crate::doctor::facts::Facts;
use crate::doctor::{Findings, compare, diagnose};
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

/// What is read first: of `doctor --json`, which is read as well, there is no version.
#[derive(Deserialize)]
struct Version {
    clinic_mesh_doctor: Option<u32>,
}

/// What is read: that, or what `doctor --json` printed.
#[derive(Deserialize)]
struct Read {
    facts: Facts,
}

/// Why a file is no bundle.
#[derive(Debug, thiserror::Error)]
enum BundleError {
    #[error("is no bundle of the doctor: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("is a bundle of version {0}, this program knows {VERSION}")]
    Version(u32),
    #[error("is no bundle of the doctor: a list in it is longer than any office's")]
    TooLong,
}

/// Writes the file. What it says is judged anew from the facts without names, so no name comes in by a
/// sentence.
pub(super) fn write(path: &Path, facts: &Facts) -> Outcome {
    let facts = facts.clone().without_names();
    let text = text(facts).map_err(Failure::error)?;
    files::write_shared(path, text.as_bytes()).map_err(Failure::from)
}

/// Reads what the doctor saw on another machine.
pub(super) fn read(path: &Path) -> Result<Facts, Failure> {
    let bytes = files::read_shared(path, BUNDLE_MAX)?;
    parse(&bytes).map_err(|error| {
        let failure = Failure::usage(format!("{} {error}", path.display()));
        failure.remedy(match error {
            BundleError::Version(_) => {
                "update clinic-mesh on this machine to the version of the other one"
            }
            BundleError::Malformed(_) | BundleError::TooLong => {
                "make one with `clinic-mesh doctor --bundle FILE` there"
            }
        })
    })
}

fn text(facts: Facts) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&Bundle {
        clinic_mesh_doctor: VERSION,
        findings: diagnose(&facts),
        facts,
    })
}

/// The version first: what a later program writes may have anything else in it.
fn parse(bytes: &[u8]) -> Result<Facts, BundleError> {
    let version: Version = serde_json::from_slice(bytes)?;
    if let Some(later) = version
        .clinic_mesh_doctor
        .filter(|version| *version != VERSION)
    {
        return Err(BundleError::Version(later));
    }
    let Read { facts } = serde_json::from_slice(bytes)?;
    match facts.is_bounded() {
        true => Ok(facts),
        false => Err(BundleError::TooLong),
    }
}

/// What would be written of a bundle that is read, after judging it alone and against itself; nothing if it
/// is refused: for whoever tries the file with hostile bytes.
pub fn reread(text_read: &str) -> Option<String> {
    let facts = parse(text_read.as_bytes()).ok()?;
    let _ = compare(&facts, &facts.clone().without_names());
    Some(text(facts).expect("plain values"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse(text.as_bytes())
            .map(drop)
            .expect_err("no bundle")
            .to_string()
    }

    #[test]
    fn a_bundle_is_read_back_and_so_is_what_json_printed() {
        let text = text(Facts::default()).expect("plain values");
        assert_eq!(parse(text.as_bytes()).expect("its own"), Facts::default());
        let printed = "{\"verdict\": \"well\", \"facts\": {}}";
        assert_eq!(
            parse(printed.as_bytes()).expect("printed"),
            Facts::default()
        );
        assert!(refused("{}").contains("no bundle"));
    }

    #[test]
    fn a_bundle_of_a_later_version_is_refused_by_name_whatever_else_it_holds() {
        let later = "{\"clinic_mesh_doctor\": 2, \"facts\": [\"of another shape\"]}";
        assert!(refused(later).contains("version 2, this program knows 1"));
        let dir = tempfile::tempdir().expect("a scratch directory");
        let path = dir.path().join("later.bundle");
        std::fs::write(&path, later).expect("written");
        let failure = read(&path).expect_err("later");
        assert!(
            format!("{failure:?}").contains("update clinic-mesh"),
            "{failure:?}"
        );
    }

    #[test]
    fn a_file_with_more_machines_than_a_clinic_has_is_no_bundle() {
        let mut facts = Facts {
            joined: vec![String::new(); 1024],
            ..Facts::default()
        };
        let text_of = |facts: &Facts| text(facts.clone()).expect("plain values");
        assert!(parse(text_of(&facts).as_bytes()).is_ok());
        facts.joined.push(String::new());
        assert!(refused(&text_of(&facts)).contains("longer than any office"));
    }
}
