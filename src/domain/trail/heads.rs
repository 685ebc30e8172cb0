//! Heads that others vouch for: the next epoch's first record, and witnesses.

use std::collections::BTreeMap;

use super::compare::missing;
use super::epoch::Found;
use super::{Finding, Report, TrailFile};
use crate::domain::attest::{Attestation, Word};
use crate::domain::audit::{AuditRecord, Deed};
use crate::domain::id::DeviceId;
use crate::domain::log::{Epoch, Head};
use crate::domain::record::Clinic;
use crate::domain::space::Space;

/// Follows each epoch's first record to the end of the epoch before.
pub(super) fn links(found: &BTreeMap<Epoch, Found>, report: &mut Report) {
    let mut before: Option<(Epoch, &Found)> = None;
    for (epoch, here) in found {
        if let Some(link) = link_of(here) {
            follow(*epoch, link, before, found, report);
        }
        before = Some((*epoch, here));
    }
}

/// An end that is missing, and from which a later epoch goes on all the same: the node ran on from an
/// older state.
pub(super) fn went_on(found: &BTreeMap<Epoch, Found>, report: &mut Report) {
    let links: Vec<(Epoch, Option<Epoch>, u64)> = found
        .iter()
        .filter_map(|(epoch, here)| link_of(here).map(|(from, head)| (*epoch, from, head.seq)))
        .collect();
    let renamed = report.findings.iter().map(|finding| match *finding {
        Finding::TailCut { epoch, held, .. } => {
            let next = links
                .iter()
                .find(|(_, from, seq)| (*from, *seq) == (Some(epoch), held));
            next.map_or(*finding, |(shown_by, ..)| Finding::PutBack {
                epoch,
                held,
                shown_by: *shown_by,
            })
        }
        other => other,
    });
    report.findings = renamed.collect();
}

/// What an epoch's first record says of the one before; none if the record is purged or missing.
fn link_of(found: &Found) -> Option<(Option<Epoch>, Head)> {
    let body = found.entries.get(&1)?.body.as_ref()?;
    match AuditRecord::from_body(body).ok()?.deed {
        Deed::NodeStarted {
            previous,
            seq,
            hash,
        } => Some((previous, Head { seq, hash })),
        _ => None,
    }
}

fn follow(
    epoch: Epoch,
    (previous, head): (Option<Epoch>, Head),
    before: Option<(Epoch, &Found)>,
    found: &BTreeMap<Epoch, Found>,
    report: &mut Report,
) {
    let put_back = |older: Epoch, held| Finding::PutBack {
        epoch: older,
        held,
        shown_by: epoch,
    };
    let Some(previous) = previous else {
        // The node believed that it had never run.
        if let Some((older, _)) = before {
            report.findings.insert(put_back(older, 0));
        }
        return;
    };
    let Some(ended) = found.get(&previous) else {
        report
            .findings
            .insert(Finding::EpochMissing { epoch: previous });
        return;
    };
    if before.is_some_and(|(nearest, _)| nearest > previous) || head.seq < ended.end() {
        report.findings.insert(put_back(previous, head.seq));
    } else if head.seq > ended.end() {
        report.findings.insert(Finding::TailCut {
            epoch: previous,
            held: ended.end(),
            reached: head.seq,
            by: None,
        });
    } else if ended
        .entries
        .get(&head.seq)
        .is_some_and(|record| record.hash != head.hash)
    {
        report.findings.insert(Finding::Rewritten {
            epoch: previous,
            seq: head.seq,
            by: None,
        });
    }
}

/// Holds the trail against what other devices of the clinic have signed for.
pub(super) fn attested(
    file: &TrailFile,
    clinic: &Clinic,
    found: &BTreeMap<Epoch, Found>,
    attestations: &[Attestation],
    report: &mut Report,
) {
    for attestation in attestations {
        if let Some((by, epoch, head)) = word_of(file, clinic, attestation) {
            hold_against(by, epoch, head, found, report);
        }
    }
}

/// What another device of the clinic says about the trail; nothing if it is not its signed word.
fn word_of(
    file: &TrailFile,
    clinic: &Clinic,
    attestation: &Attestation,
) -> Option<(DeviceId, Epoch, Head)> {
    let by = attestation.by.as_device();
    let Word::Held {
        author,
        epoch,
        head,
    } = attestation.word
    else {
        return None;
    };
    let about = attestation.space == Space::Audit(file.device) && author == file.device.into();
    let another = by != file.device && clinic.devices.contains_key(&by);
    (about && another && attestation.verify(&file.clinic).is_ok()).then_some((by, epoch, head))
}

fn hold_against(
    by: DeviceId,
    epoch: Epoch,
    head: Head,
    found: &BTreeMap<Epoch, Found>,
    report: &mut Report,
) {
    let Some(ours) = found.get(&epoch) else {
        report
            .findings
            .insert(missing(found.last_key_value(), epoch));
        return;
    };
    if head.seq > ours.end() {
        let known = |finding: &Finding| matches!(finding, Finding::TailCut { epoch: cut, .. } if *cut == epoch);
        if !report.findings.iter().any(known) {
            report.findings.insert(Finding::TailCut {
                epoch,
                held: ours.end(),
                reached: head.seq,
                by: Some(by),
            });
        }
        return;
    }
    match ours.entries.get(&head.seq) {
        Some(record) if record.hash == head.hash => witnessed(by, epoch, head.seq, report),
        Some(_) => {
            let seq = head.seq;
            report.findings.insert(Finding::Rewritten {
                epoch,
                seq,
                by: Some(by),
            });
        }
        // The record is not as signed, which has been said already.
        None => {}
    }
}

fn witnessed(by: DeviceId, epoch: Epoch, seq: u64, report: &mut Report) {
    if let Some(summary) = report
        .epochs
        .iter_mut()
        .find(|summary| summary.epoch == epoch)
    {
        summary.witnessed = summary.witnessed.max(seq);
        summary.witnesses.insert(by);
    }
}
