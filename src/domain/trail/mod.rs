//! Checking an audit trail: what was done to it, named and placed.
//!
//! The trail's own signatures show every change by someone without the device's key. The device's
//! administrator has the key, so the word of other devices counts as well: their *held* attestations
//! fix the hash of each head they have seen, and a copy of the trail from a witness, or from earlier,
//! shows entry by entry what became of it. Each run of the node is an epoch, and the first record of
//! each names the end of the one before, so that no run can vanish whole.

mod compare;
mod epoch;
mod heads;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use minicbor::{Decode, Encode};

use super::attest::Attestation;
use super::copy::{CopyError, RecordCopy};
use super::file::{FormatError, Kind};
use super::id::{ClinicId, DeviceId};
use super::log::{Epoch, Segment};
use super::record::Clinic;
use super::space::Space;
use super::time::{Hlc, WallTime};
use epoch::Found;

/// The file of an exported trail.
///
/// 1 GiB: ten years of a busy office. Whoever checks it has it in memory.
pub const FILE: Kind = Kind {
    label: "clinic-mesh audit trail",
    version: 1,
    limit: 1024 * 1024 * 1024,
};

/// An audit trail with everything needed to check it anywhere.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct TrailFile {
    /// The clinic.
    #[n(0)]
    pub clinic: ClinicId,
    /// Whose trail.
    #[n(1)]
    pub device: DeviceId,
    /// The node that exported it.
    #[n(2)]
    pub by: DeviceId,
    /// When.
    #[n(3)]
    pub at: WallTime,
    /// The clinic record, which says who the devices are.
    #[n(4)]
    pub record: Vec<Segment>,
    /// Every epoch's segments, the oldest epoch first.
    #[n(5)]
    pub segments: Vec<Segment>,
    /// What devices sign for these epochs.
    #[n(6)]
    pub attestations: Vec<Attestation>,
}

/// Why a file cannot be checked at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrailError {
    /// Not such a file.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The clinic record inside does not hold.
    #[error("the clinic record in the file does not hold: {0}")]
    Record(#[from] CopyError),
    /// Two files that have nothing to do with each other.
    #[error("the other file is the trail of another device or clinic; give one of the same")]
    OtherTrail,
}

impl TrailFile {
    /// Reads a file.
    pub fn from_file(bytes: &[u8]) -> Result<Self, TrailError> {
        Ok(FILE.read(bytes)?)
    }

    /// The bytes of the file.
    pub fn to_file(&self) -> Vec<u8> {
        FILE.write(self)
    }

    /// The clinic as the record in the file says, every signature checked up to the root.
    pub fn clinic(&self) -> Result<Clinic, TrailError> {
        let mut copy = RecordCopy::new(self.clinic);
        copy.merge(self.record.iter().cloned())?;
        Ok(copy.clinic())
    }
}

/// Something that was done to a trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// A record is not what was signed.
    Edited {
        /// In which epoch.
        epoch: Epoch,
        /// First record concerned.
        first: u64,
        /// Last record concerned; equal to the first where it is known exactly.
        last: u64,
    },
    /// A record stands where none was.
    Inserted {
        /// In which epoch.
        epoch: Epoch,
        /// Its number.
        seq: u64,
    },
    /// Records stand in another order than they were written in.
    Reordered {
        /// In which epoch.
        epoch: Epoch,
        /// The first that is out of place.
        seq: u64,
    },
    /// Records between others are missing.
    Removed {
        /// From which epoch.
        epoch: Epoch,
        /// The first that is missing.
        first: u64,
        /// The last that is missing.
        last: u64,
    },
    /// The end of an epoch is missing.
    TailCut {
        /// Of which epoch.
        epoch: Epoch,
        /// The last record that is there.
        held: u64,
        /// How far it went at least.
        reached: u64,
        /// The device that has signed for it, or none if the next epoch says so.
        by: Option<DeviceId>,
    },
    /// The node went on from an older state, or everything after a moment is missing: yesterday's file
    /// was put back.
    PutBack {
        /// The last epoch, and the last record in it, that the older state had.
        epoch: Epoch,
        /// See `epoch`.
        held: u64,
        /// The epoch that shows it: one that began from the older state, or one that is missing.
        shown_by: Epoch,
    },
    /// A whole run of the node is missing.
    EpochMissing {
        /// Which.
        epoch: Epoch,
    },
    /// The history was written anew and signed again with the device's own key.
    Rewritten {
        /// In which epoch.
        epoch: Epoch,
        /// At or before this record.
        seq: u64,
        /// The device that has signed for the history as it was, or none if the trail itself says so.
        by: Option<DeviceId>,
    },
}

/// One epoch that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochReport {
    /// Which.
    pub epoch: Epoch,
    /// Records that are there.
    pub records: u64,
    /// Records of which only the header is left, by policy.
    pub purged: u64,
    /// Up to where other devices have signed for it.
    pub witnessed: u64,
    /// Which devices those are.
    pub witnesses: BTreeSet<DeviceId>,
}

/// What a check has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was done to the trail; empty if nothing.
    pub findings: BTreeSet<Finding>,
    /// The epochs, oldest first.
    pub epochs: Vec<EpochReport>,
}

/// Checks a trail, with copies of it from witnesses or from earlier where there are any.
pub fn verify(file: &TrailFile, others: &[TrailFile]) -> Result<Report, TrailError> {
    let same = |other: &TrailFile| other.device == file.device && other.clinic == file.clinic;
    if !others.iter().all(same) {
        return Err(TrailError::OtherTrail);
    }
    let clinic = file.clinic()?;
    let found = read_epochs(file);
    let mut report = Report::default();
    for (epoch, found) in &found {
        report.findings.extend(&found.findings);
        report.epochs.push(summary(*epoch, found));
    }
    let mut attestations: Vec<Attestation> = file.attestations.clone();
    for other in others {
        other.clinic()?;
        compare::with(&found, &read_epochs(other), &mut report);
        attestations.extend(&other.attestations);
    }
    heads::links(&found, &mut report);
    heads::attested(file, &clinic, &found, &attestations, &mut report);
    heads::went_on(&found, &mut report);
    Ok(report)
}

/// The epochs of a file; segments of anything else count as inserted.
fn read_epochs(file: &TrailFile) -> BTreeMap<Epoch, Found> {
    let space = Space::Audit(file.device);
    let mut by_epoch: BTreeMap<Epoch, Vec<&Segment>> = BTreeMap::new();
    for segment in &file.segments {
        by_epoch.entry(segment.log.epoch).or_default().push(segment);
    }
    let read = by_epoch.into_iter().map(|(epoch, segments)| {
        let own = |segment: &&Segment| {
            segment.log.space == space && segment.log.author == file.device.into()
        };
        let (own, foreign): (Vec<&Segment>, Vec<&Segment>) = segments.into_iter().partition(own);
        let mut found = epoch::read(&file.clinic, epoch, &own);
        let inserted = foreign.iter().map(|segment| Finding::Inserted {
            epoch,
            seq: segment.first,
        });
        found.findings.extend(inserted);
        (epoch, found)
    });
    read.collect()
}

fn summary(epoch: Epoch, found: &Found) -> EpochReport {
    EpochReport {
        epoch,
        records: found.entries.len() as u64,
        purged: found
            .entries
            .values()
            .filter(|entry| entry.body.is_none())
            .count() as u64,
        witnessed: 0,
        witnesses: BTreeSet::new(),
    }
}

impl Finding {
    /// Which kind it is, as one word for programs.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Edited { .. } => "edited",
            Self::Inserted { .. } => "inserted",
            Self::Reordered { .. } => "reordered",
            Self::Removed { .. } => "removed",
            Self::TailCut { .. } => "tail_cut",
            Self::PutBack { .. } => "put_back",
            Self::EpochMissing { .. } => "epoch_missing",
            Self::Rewritten { .. } => "rewritten",
        }
    }
}

/// A run of the node by the moment it began.
struct Run(Epoch);

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the run of {}", Hlc(self.0.0).wall())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = |first: u64, last: u64| match first == last {
            true => format!("record {first}"),
            false => format!("records {first} to {last}"),
        };
        match *self {
            Self::Edited { epoch, first, last } if first == last => {
                write!(
                    f,
                    "edited: record {first} of {} is not what was signed",
                    Run(epoch)
                )
            }
            Self::Edited { epoch, first, last } => write!(
                f,
                "edited: one of the records {first} to {last} of {} is not what was signed",
                Run(epoch)
            ),
            Self::Inserted { epoch, seq } => {
                write!(
                    f,
                    "inserted: a record at {seq} of {} was never written there",
                    Run(epoch)
                )
            }
            Self::Reordered { epoch, seq } => {
                write!(f, "reordered: from record {seq} on in {}", Run(epoch))
            }
            Self::Removed { epoch, first, last } => {
                write!(
                    f,
                    "removed from the middle: {} of {}",
                    records(first, last),
                    Run(epoch)
                )
            }
            Self::TailCut {
                epoch,
                held,
                reached,
                ..
            } => write!(
                f,
                "tail cut: {} ends at record {held} and went on to {reached} at least",
                Run(epoch)
            ),
            Self::PutBack {
                epoch,
                held,
                shown_by,
            } => write!(
                f,
                "an older state was put back: it ends at record {held} of {}, which {} contradicts",
                Run(epoch),
                Run(shown_by)
            ),
            Self::EpochMissing { epoch } => write!(f, "missing: all of {}", Run(epoch)),
            Self::Rewritten { epoch, seq, .. } => write!(
                f,
                "rewritten and signed again with the device's own key: at or before record {seq} of {}",
                Run(epoch)
            ),
        }
    }
}

#[cfg(test)]
mod tests;
