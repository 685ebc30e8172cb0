//! A verified copy of the clinic record.
//!
//! Whoever holds the record outside a node's store holds it as this: the admin's laptop, the file on
//! a stick, the answer that a joining machine receives. Segments enter only when the chain and the
//! signature hold and the signer is a root of the clinic or one of its admins; a log that was signed twice with
//! one number is a fork, named and kept as proof, and grows no further here.

use std::collections::{BTreeMap, BTreeSet};

use super::cert::{Grant, is_root};
use super::id::{AdminId, AuthorId, ClinicId, Hash};
use super::log::{self, Epoch, Head, Log, Segment, SegmentError};
use super::record::{Clinic, Item};
use super::space::Space;
use super::statement::{Act, Seen, Statement, StatementId};
use super::time::Hlc;

/// Why a segment does not enter the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// Part of another space or epoch.
    #[error("a segment given is not part of the clinic record; get the record from a node again")]
    NotTheRecord,
    /// Written by nobody whom the root appointed.
    #[error(
        "log {author} in the record given is neither the root's nor an admin's; refuse its source"
    )]
    Stranger {
        /// Whose log, shortened.
        author: ShortId,
    },
    /// Entries before this segment are not here.
    #[error(
        "entries {missing} to {before} of log {author} are missing; get the whole record from a node"
    )]
    Gap {
        /// Whose log, shortened.
        author: ShortId,
        /// First number that is missing.
        missing: u64,
        /// Last number that is missing.
        before: u64,
    },
    /// An entry without its body; the record's bodies are never destroyed.
    #[error(
        "entry {seq} of log {author} came without its statement; get the record from another node"
    )]
    WithoutBody {
        /// Whose log, shortened.
        author: ShortId,
        /// The entry's number.
        seq: u64,
    },
    /// Chain or signature do not hold.
    #[error(
        "log {author} in the record given does not verify ({source}); get it from another node"
    )]
    Segment {
        /// Whose log, shortened.
        author: ShortId,
        /// What is wrong.
        source: SegmentError,
    },
}

/// The first four bytes of a key: enough for a person to tell logs apart in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortId([u8; 4]);

impl From<AuthorId> for ShortId {
    fn from(author: AuthorId) -> Self {
        let bytes = author.as_bytes();
        Self([bytes[0], bytes[1], bytes[2], bytes[3]])
    }
}

impl std::fmt::Display for ShortId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&super::id::hex(&self.0))
    }
}

/// A log that its signer continued twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The first number with two entries.
    pub seq: u64,
    /// The segment that contradicts the copy.
    pub proof: Segment,
}

/// What a merge brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Entries that were not here before.
    pub added: u64,
    /// Logs found forked by this merge.
    pub forked: BTreeSet<AuthorId>,
}

/// One log of the copy.
#[derive(Clone, Debug, Default)]
struct Copied {
    segments: Vec<Segment>,
    /// Hash and time of each header, from number 1 on.
    headers: Vec<(Hash, Hlc)>,
    items: Vec<Item>,
}

impl Copied {
    fn head(&self) -> Head {
        self.headers.last().map_or(Head::EMPTY, |(hash, _)| Head {
            seq: self.headers.len() as u64,
            hash: *hash,
        })
    }

    fn at(&self, seq: u64) -> Option<(Hash, Hlc)> {
        let index = usize::try_from(seq).ok()?.checked_sub(1)?;
        self.headers.get(index).copied()
    }

    /// Hash and time before the first entry, if the number is inside the log.
    fn before(&self, first: u64) -> Option<(Hash, Hlc)> {
        match first {
            1 => Some((Hash::ZERO, Hlc(0))),
            _ => self.at(first.checked_sub(1)?),
        }
    }

    /// Takes a segment that follows the head.
    fn push(&mut self, clinic: &ClinicId, segment: Segment) {
        let tag = segment.log.tag(clinic);
        let mut previous = segment.previous;
        for (seq, entry) in (segment.first..).zip(&segment.entries) {
            previous = log::header_hash(&tag, seq, &previous, &entry.header);
            self.headers.push((previous, entry.header.time));
            self.items.extend(item(&segment.log, seq, entry));
        }
        self.segments.push(segment);
    }
}

/// The statement in an entry; none when a later program wrote it and this one cannot read it.
fn item(log: &Log, seq: u64, entry: &log::Entry) -> Option<Item> {
    let payload = entry.payload.as_ref()?;
    let statement = Statement::from_body(&payload.body).ok()?;
    let id = StatementId {
        author: log.author,
        seq,
    };
    let time = entry.header.time;
    Some(Item {
        id,
        time,
        statement,
    })
}

/// The record as far as it is known here.
#[derive(Clone, Debug)]
pub struct RecordCopy {
    clinic: ClinicId,
    logs: BTreeMap<AuthorId, Copied>,
    forks: BTreeMap<AuthorId, Fork>,
    /// Every key that a root ever granted, and every root after the first.
    granted: BTreeSet<AuthorId>,
}

impl RecordCopy {
    /// A copy in which nothing is known yet.
    pub fn new(clinic: ClinicId) -> Self {
        Self {
            clinic,
            logs: BTreeMap::new(),
            forks: BTreeMap::new(),
            granted: BTreeSet::new(),
        }
    }

    /// The clinic whose record it is.
    pub const fn clinic_id(&self) -> ClinicId {
        self.clinic
    }

    /// Takes segments from anywhere, in any order; all of them or, on an error, none.
    ///
    /// A fork is not an error: the segments of other logs still count, and the fork is named. Where a root's
    /// log is forked, whoever only the other branch appointed is left out.
    pub fn merge(
        &mut self,
        segments: impl IntoIterator<Item = Segment>,
    ) -> Result<Merged, CopyError> {
        let mut segments: Vec<Segment> = segments.into_iter().collect();
        // The root's log says who the admins are, so it goes first.
        segments.sort_by_key(|segment| {
            let root = is_root(&segment.log.author, &self.clinic);
            (!root, segment.log.author, segment.first)
        });
        let mut next = self.clone();
        let mut merged = Merged::default();
        while !segments.is_empty() {
            let (known, others): (Vec<_>, Vec<_>) = segments
                .into_iter()
                .partition(|segment| next.may_sign(&segment.log.author));
            let is_stuck = known.is_empty() && !next.learn_signers();
            for segment in known {
                next.add(segment, &mut merged)?;
            }
            segments = others;
            if is_stuck && next.has_forked_root() {
                break;
            }
            if let Some(stranger) = segments.first().filter(|_| is_stuck) {
                let author = stranger.log.author.into();
                return Err(CopyError::Stranger { author });
            }
        }
        *self = next;
        Ok(merged)
    }

    fn has_forked_root(&self) -> bool {
        let clinic = self.clinic();
        self.forks.keys().any(|author| clinic.is_root(author))
    }

    /// Who signs after a change of the root key is known from what is here already. Says whether there
    /// is anybody new.
    fn learn_signers(&mut self) -> bool {
        let before = self.granted.len();
        let signers = self.clinic().signers;
        self.granted.extend(signers);
        self.granted.len() > before
    }

    fn add(&mut self, segment: Segment, merged: &mut Merged) -> Result<(), CopyError> {
        let log = segment.log;
        let author = ShortId::from(log.author);
        if log.space != Space::Record || log.epoch != Epoch::RECORD {
            return Err(CopyError::NotTheRecord);
        }
        if !self.may_sign(&log.author) {
            return Err(CopyError::Stranger { author });
        }
        if self.forks.contains_key(&log.author) {
            return Ok(());
        }
        let held = self.logs.entry(log.author).or_default();
        let Some((previous, time)) = held.before(segment.first) else {
            return Err(CopyError::Gap {
                author,
                missing: held.head().seq + 1,
                before: segment.first.saturating_sub(1),
            });
        };
        let earliest = if previous == segment.previous {
            time
        } else {
            Hlc(0)
        };
        segment
            .verify(&self.clinic, earliest)
            .map_err(|source| CopyError::Segment { author, source })?;
        if let Some(seq) = without_body(&segment) {
            return Err(CopyError::WithoutBody { author, seq });
        }
        match contradiction(&self.clinic, held, &segment) {
            Some(seq) => self.note_fork(seq, segment, merged),
            None => self.extend(segment, merged),
        }
        Ok(())
    }

    fn note_fork(&mut self, seq: u64, proof: Segment, merged: &mut Merged) {
        let author = proof.log.author;
        self.forks.insert(author, Fork { seq, proof });
        merged.forked.insert(author);
    }

    fn extend(&mut self, segment: Segment, merged: &mut Merged) {
        let author = segment.log.author;
        let held = self.logs.entry(author).or_default();
        let Some(rest) = segment.after(&self.clinic, held.head()) else {
            return;
        };
        merged.added += rest.entries.len() as u64;
        let items = held.items.len();
        held.push(&self.clinic, rest);
        if is_root(&author, &self.clinic) {
            let fresh = held.items[items..].iter();
            let granted = fresh.filter_map(|item| granted(&item.statement.act, &self.clinic));
            self.granted.extend(granted);
        }
    }

    /// Whether the key is a root's or was ever granted by one.
    fn may_sign(&self, author: &AuthorId) -> bool {
        is_root(author, &self.clinic) || self.granted.contains(author)
    }

    /// The segments of every log, each log in order.
    pub fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.logs.values().flat_map(|log| &log.segments)
    }

    /// The forks found; merging their proofs after the segments finds them again.
    pub fn forks(&self) -> impl Iterator<Item = &Fork> {
        self.forks.values()
    }

    /// The segments of one log.
    pub fn log(&self, author: &AuthorId) -> &[Segment] {
        self.logs
            .get(author)
            .map_or(&[], |log| log.segments.as_slice())
    }

    /// Every statement.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.logs.values().flat_map(|log| &log.items)
    }

    /// The newest entry of a log.
    pub fn head(&self, author: &AuthorId) -> Head {
        self.logs.get(author).map_or(Head::EMPTY, Copied::head)
    }

    /// The heads of all logs that have entries.
    pub fn heads(&self) -> BTreeMap<AuthorId, Head> {
        let filled = self.logs.iter().filter(|(_, log)| !log.headers.is_empty());
        filled.map(|(author, log)| (*author, log.head())).collect()
    }

    /// What `author` has seen of the others' logs when it signs now: of those that count.
    pub fn seen_by(&self, author: &AuthorId) -> Vec<Seen> {
        let clinic = self.clinic();
        let others = self.heads().into_iter().filter(|(other, _)| {
            let counts = clinic.is_root(other) || clinic.admins.contains_key(&other.as_admin());
            other != author && counts
        });
        others
            .map(|(author, head)| Seen {
                author,
                seq: head.seq,
            })
            .collect()
    }

    /// The latest time that any entry carries.
    pub fn newest(&self) -> Hlc {
        let last = self.logs.values().filter_map(|log| log.headers.last());
        last.map(|(_, time)| *time).max().unwrap_or_default()
    }

    /// The fork of a log, if there is one.
    pub fn fork(&self, author: &AuthorId) -> Option<&Fork> {
        self.forks.get(author)
    }

    /// The clinic that these statements make.
    pub fn clinic(&self) -> Clinic {
        Clinic::fold(self.clinic, self.items())
    }

    /// The first root key, once its log is here.
    pub fn root(&self) -> Option<AdminId> {
        let mut authors = self.logs.keys();
        let root = authors.find(|author| is_root(author, &self.clinic))?;
        Some(root.as_admin())
    }
}

/// The key that an act of the root grants.
fn granted(act: &Act, clinic: &ClinicId) -> Option<AuthorId> {
    let Act::AdminGranted { grant } = act else {
        return None;
    };
    let grant = Grant::open(grant, clinic).ok()?;
    Some(grant.admin.into())
}

fn without_body(segment: &Segment) -> Option<u64> {
    let mut entries = (segment.first..).zip(&segment.entries);
    let (seq, _) = entries.find(|(_, entry)| entry.payload.is_none())?;
    Some(seq)
}

/// The first number at which a verified segment differs from what is held.
fn contradiction(clinic: &ClinicId, held: &Copied, segment: &Segment) -> Option<u64> {
    let (before, _) = held.before(segment.first)?;
    if before != segment.previous {
        return Some(segment.first.saturating_sub(1));
    }
    let tag = segment.log.tag(clinic);
    let mut previous = segment.previous;
    for (seq, entry) in (segment.first..).zip(&segment.entries) {
        previous = log::header_hash(&tag, seq, &previous, &entry.header);
        let (known, _) = held.at(seq)?;
        if known != previous {
            return Some(seq);
        }
    }
    None
}

#[cfg(test)]
mod tests;
