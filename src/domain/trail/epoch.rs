//! One epoch by itself: which records are as signed, and what was done to the others.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use crate::domain::id::{ClinicId, Hash};
use crate::domain::log::{Entry, Epoch, Head, Header, Segment, header_hash};
use crate::domain::time::Hlc;

/// One record as signed.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) hash: Hash,
    pub(super) body: Option<Vec<u8>>,
}

/// What an epoch holds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Records as signed, by number.
    pub(super) entries: BTreeMap<u64, Record>,
    /// Every header in the order of the file, good or not, with the number it claims.
    pub(super) listed: Vec<(u64, Header)>,
    /// What was done to it, as far as the epoch itself shows.
    pub(super) findings: BTreeSet<Finding>,
}

impl Found {
    /// Number of the last record.
    pub(super) fn end(&self) -> u64 {
        self.entries.last_key_value().map_or(0, |(seq, _)| *seq)
    }
}

/// A segment with its place in the file.
struct Piece<'a> {
    segment: &'a Segment,
    /// Whether the author signed it as it stands, bodies aside.
    signed: bool,
}

/// Reads the segments of one epoch in the order of the file.
pub(super) fn read(clinic: &ClinicId, epoch: Epoch, segments: &[&Segment]) -> Found {
    let mut found = Found::default();
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    for segment in segments {
        let numbered = (segment.first..).zip(&segment.entries);
        found
            .listed
            .extend(numbered.map(|(seq, entry)| (seq, entry.header)));
        let piece = Piece {
            segment,
            signed: is_signed(clinic, segment),
        };
        if let Some(before) = pieces
            .last()
            .filter(|before| before.segment.first > segment.first)
            && before.signed
            && piece.signed
            && !pieces.iter().any(|other| other.segment == piece.segment)
        {
            let seq = segment.first;
            found.findings.insert(Finding::Reordered { epoch, seq });
        }
        pieces.push(piece);
    }
    pieces.sort_by_key(|piece| piece.segment.first);
    let mut at = Head::EMPTY;
    for (number, piece) in pieces.iter().enumerate() {
        let next = pieces[number + 1..].iter().find(|next| next.signed);
        at = match piece.signed {
            true => take(clinic, epoch, at, piece.segment, &mut found),
            false => diagnose(clinic, epoch, at, piece.segment, next, &mut found),
        };
    }
    found
}

/// Whether the author signed these headers, whatever became of the bodies.
fn is_signed(clinic: &ClinicId, segment: &Segment) -> bool {
    let mut headers = segment.clone();
    for entry in &mut headers.entries {
        entry.payload = None;
    }
    headers.verify(clinic, Hlc(0)).is_ok()
}

/// Adds a signed segment; returns where the epoch now stands.
fn take(clinic: &ClinicId, epoch: Epoch, at: Head, segment: &Segment, found: &mut Found) -> Head {
    if segment.first > at.seq + 1 {
        let (first, last) = (at.seq + 1, segment.first - 1);
        found
            .findings
            .insert(Finding::Removed { epoch, first, last });
    }
    if segment.first == at.seq + 1 && segment.previous != at.hash {
        // Both sides are signed by the device, and they do not fit: two histories.
        let seq = at.seq;
        found.findings.insert(Finding::Rewritten {
            epoch,
            seq,
            by: None,
        });
    }
    let tag = segment.log.tag(clinic);
    let mut hash = segment.previous;
    for (seq, entry) in (segment.first..).zip(&segment.entries) {
        hash = header_hash(&tag, seq, &hash, &entry.header);
        if body_changed(entry) {
            found.findings.insert(Finding::Edited {
                epoch,
                first: seq,
                last: seq,
            });
        }
        match found.entries.get(&seq) {
            Some(known) if known.hash == hash => {
                found.findings.insert(Finding::Inserted { epoch, seq });
            }
            Some(_) => {
                found.findings.insert(Finding::Rewritten {
                    epoch,
                    seq,
                    by: None,
                });
            }
            None => {
                let body = entry.payload.as_ref().map(|payload| payload.body.clone());
                found.entries.insert(seq, Record { hash, body });
            }
        }
    }
    let end = Head {
        seq: segment.last(),
        hash,
    };
    if end.seq >= at.seq { end } else { at }
}

fn body_changed(entry: &Entry) -> bool {
    entry.payload.as_ref().is_some_and(|payload| {
        payload.body.len() != entry.header.body_len as usize
            || payload.digest() != entry.header.digest
    })
}

/// Names what was done to a segment that the author did not sign as it stands.
///
/// Undoing each change by trial is decisive: only the original fits the signature.
fn diagnose(
    clinic: &ClinicId,
    epoch: Epoch,
    at: Head,
    segment: &Segment,
    next: Option<&Piece<'_>>,
    found: &mut Found,
) -> Head {
    if let Some((original, seq)) = without_one(clinic, at, segment) {
        found.findings.insert(Finding::Inserted { epoch, seq });
        return take(clinic, epoch, at, &original, found);
    }
    if let Some((original, seq)) = in_order_of_time(clinic, at, segment) {
        found.findings.insert(Finding::Reordered { epoch, seq });
        return take(clinic, epoch, at, &original, found);
    }
    let (first, count) = (at.seq + 1, segment.entries.len() as u64);
    let Some(next) = next.map(|next| next.segment) else {
        let last = at.seq + count;
        found
            .findings
            .insert(Finding::Edited { epoch, first, last });
        return at;
    };
    let (last, room) = (
        next.first.saturating_sub(1),
        next.first.saturating_sub(first),
    );
    let finding = match count.cmp(&room) {
        std::cmp::Ordering::Less => Finding::Removed { epoch, first, last },
        std::cmp::Ordering::Equal => Finding::Edited { epoch, first, last },
        std::cmp::Ordering::Greater => Finding::Inserted { epoch, seq: first },
    };
    found.findings.insert(finding);
    // What follows is signed by itself and shows where it begins.
    Head {
        seq: last.max(at.seq),
        hash: next.previous,
    }
}

/// The same segment where it should begin, with other entries.
fn with_entries(at: Head, segment: &Segment, entries: Vec<Entry>) -> Segment {
    Segment {
        log: segment.log,
        first: at.seq + 1,
        previous: at.hash,
        entries,
        signature: segment.signature,
    }
}

/// The segment without the one entry that was put into it.
fn without_one(clinic: &ClinicId, at: Head, segment: &Segment) -> Option<(Segment, u64)> {
    (0..segment.entries.len()).find_map(|place| {
        let mut entries = segment.entries.clone();
        entries.remove(place);
        let original = with_entries(at, segment, entries);
        is_signed(clinic, &original).then(|| (original, at.seq + 1 + place as u64))
    })
}

/// The segment with its entries in the order they were written in.
fn in_order_of_time(clinic: &ClinicId, at: Head, segment: &Segment) -> Option<(Segment, u64)> {
    let mut entries = segment.entries.clone();
    entries.sort_by_key(|entry| entry.header.time);
    let moved = entries
        .iter()
        .zip(&segment.entries)
        .position(|(a, b)| a.header != b.header)?;
    let original = with_entries(at, segment, entries);
    is_signed(clinic, &original).then(|| (original, at.seq + 1 + moved as u64))
}
