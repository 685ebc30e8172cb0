//! A trail beside another copy of it: entry by entry.

use std::collections::{BTreeMap, BTreeSet};

use super::epoch::Found;
use super::{Finding, Report};
use crate::domain::log::{Epoch, Header};

/// Adds what another copy shows. Where it says more exactly what was done, that replaces the guess.
pub(super) fn with(
    found: &BTreeMap<Epoch, Found>,
    other: &BTreeMap<Epoch, Found>,
    report: &mut Report,
) {
    let newest = found.last_key_value();
    for (epoch, theirs) in other {
        match found.get(epoch) {
            Some(ours) => compare(*epoch, ours, theirs, report),
            None => {
                report.findings.insert(missing(newest, *epoch));
            }
        }
    }
}

/// An epoch that is not there: in the middle, or behind the end of an older state.
pub(super) fn missing(newest: Option<(&Epoch, &Found)>, epoch: Epoch) -> Finding {
    match newest {
        Some((newest, found)) if *newest < epoch => Finding::PutBack {
            epoch: *newest,
            held: found.end(),
            shown_by: epoch,
        },
        _ => Finding::EpochMissing { epoch },
    }
}

fn compare(epoch: Epoch, ours: &Found, theirs: &Found, report: &mut Report) {
    // A copy that was itself tampered with proves nothing entry by entry.
    if !theirs.findings.is_empty() {
        return;
    }
    let same = |(seq, record): (&u64, &super::epoch::Record)| {
        let known = ours.entries.get(seq);
        known.is_some_and(|known| known.hash == record.hash)
    };
    let exact = differences(epoch, &ours.listed, &theirs.listed);
    if !exact.is_empty() {
        report
            .findings
            .retain(|finding| !is_guess(finding, epoch, theirs.end()));
        report.findings.extend(exact);
    }
    let resigned = ours.findings.is_empty() && theirs.entries.iter().any(|entry| !same(entry));
    let first = theirs.entries.iter().find(|(seq, record)| {
        let known = ours.entries.get(seq);
        known.is_some_and(|known| known.hash != record.hash)
    });
    if let (true, Some((seq, _))) = (resigned, first) {
        report.findings.insert(Finding::Rewritten {
            epoch,
            seq: *seq,
            by: None,
        });
    }
}

/// Whether a finding is about the part that the other copy shows exactly.
fn is_guess(finding: &Finding, about: Epoch, end: u64) -> bool {
    match *finding {
        Finding::Edited { epoch, first, .. } | Finding::Removed { epoch, first, .. } => {
            epoch == about && first <= end
        }
        Finding::Inserted { epoch, seq } | Finding::Reordered { epoch, seq } => {
            epoch == about && seq <= end
        }
        Finding::TailCut { .. }
        | Finding::PutBack { .. }
        | Finding::EpochMissing { .. }
        | Finding::Rewritten { .. } => false,
    }
}

/// What turns their list of headers into ours.
fn differences(
    epoch: Epoch,
    ours: &[(u64, Header)],
    theirs: &[(u64, Header)],
) -> BTreeSet<Finding> {
    let mut found = BTreeSet::new();
    let header = |list: &[(u64, Header)], at: usize| list.get(at).map(|(_, header)| *header);
    let (mut a, mut b) = (0, 0);
    while a < ours.len() && b < theirs.len() {
        let (here, there) = (header(ours, a), header(theirs, b));
        let (here_next, there_next) = (header(ours, a + 1), header(theirs, b + 1));
        let seq = theirs[b].0;
        if here == there {
            (a, b) = (a + 1, b + 1);
        } else if here_next.is_some() && here_next == there && here == there_next {
            found.insert(Finding::Reordered { epoch, seq });
            (a, b) = (a + 2, b + 2);
        } else if here_next == there {
            found.insert(Finding::Inserted { epoch, seq });
            a += 1;
        } else if let Some(run) = theirs[b..]
            .iter()
            .position(|(_, header)| Some(*header) == here)
        {
            let last = theirs[b + run - 1].0;
            found.insert(Finding::Removed {
                epoch,
                first: seq,
                last,
            });
            b += run;
        } else {
            found.insert(Finding::Edited {
                epoch,
                first: seq,
                last: seq,
            });
            (a, b) = (a + 1, b + 1);
        }
    }
    if let Some((last, _)) = theirs.last().filter(|_| b < theirs.len()) {
        let held = theirs[b].0 - 1;
        found.insert(Finding::TailCut {
            epoch,
            held,
            reached: *last,
            by: None,
        });
    }
    found
}
