//! Logs, entries and segments.
//!
//! A log is one author's append-only, numbered, hash-chained sequence of entries in one space and
//! epoch. Each header's hash covers the one before it, so the author's signature over one head
//! vouches for everything up to it. Entries are therefore stored and sent in **segments**: runs of
//! consecutive entries that end in a signed head. A single message is a segment of one.

use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use super::attest::{self, Word};
use super::codec::OBJECT_MAX;
use super::id::{AuthorId, ClinicId, Hash};
use super::sign::{BadSignature, Signature, SigningKey};
use super::space::Space;
use super::time::{Day, Hlc};
use crate::planted::planted;

/// Most entries in one segment: bounds one verification and one row.
pub const SEGMENT_ENTRIES_MAX: usize = 1024;

/// Most bytes of bodies in one segment, unless it holds a single entry.
///
/// 256 KiB keeps a frame well below the stream's limits and a row readable in one go; one body is
/// never larger than [`OBJECT_MAX`].
pub const SEGMENT_BYTES_MAX: usize = 256 * 1024;

/// One run of a log's numbering. Each start of a node begins another epoch of the logs it writes.
///
/// The value is the hybrid timestamp of that start, so a node whose disk was put back to an older
/// state still never uses a number twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Epoch(#[n(0)] pub u64);

impl Epoch {
    /// The one epoch of logs in the clinic record.
    pub const RECORD: Self = Self(1);
}

/// Names one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(array)]
pub struct Log {
    /// The space it is part of.
    #[n(0)]
    pub space: Space,
    /// Whose key signs it.
    #[n(1)]
    pub author: AuthorId,
    /// Which run of numbers.
    #[n(2)]
    pub epoch: Epoch,
}

impl Log {
    /// Whether it is a device's log of renewals; the other logs of the record are of people.
    pub fn is_of_renewals(&self) -> bool {
        self.space == Space::Record && self.epoch != Epoch::RECORD
    }

    /// What every header hash of this log begins with, so that a header fits no other log.
    pub fn tag(&self, clinic: &ClinicId) -> LogTag {
        let space = self.space.id(clinic);
        LogTag(Hash::of(
            "log/v1",
            &[
                space.as_bytes(),
                self.author.as_bytes(),
                &self.epoch.0.to_be_bytes(),
            ],
        ))
    }
}

/// The hash of a log's name; see [`Log::tag`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogTag(Hash);

/// The newest entry of a log, or of a part of it: its number (from 1) and header hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Head {
    /// Number of the entry; 0 for a log without entries.
    #[n(0)]
    pub seq: u64,
    /// Hash of its header; [`Hash::ZERO`] for a log without entries.
    #[n(1)]
    pub hash: Hash,
}

impl Head {
    /// The head of a log without entries.
    pub const EMPTY: Self = Self {
        seq: 0,
        hash: Hash::ZERO,
    };
}

/// What stays of an entry after its body is destroyed.
///
/// Space, author, epoch, number and the previous hash are given by the position in the log and are
/// covered by the header's hash all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Header {
    /// When it was written; never less than the entry before.
    #[n(0)]
    pub time: Hlc,
    /// The last day on which the body may be kept.
    #[n(1)]
    pub last_day: Day,
    /// Length of the body in bytes.
    #[n(2)]
    pub body_len: u32,
    /// Salted digest of the body.
    #[n(3)]
    pub digest: Hash,
}

/// The part of an entry that retention destroys.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Payload {
    /// Random; keeps short bodies from being guessed from their digest after the purge.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub salt: [u8; 16],
    /// What was written.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub body: Vec<u8>,
}

impl Payload {
    /// The salted digest that the header carries.
    pub fn digest(&self) -> Hash {
        let digest = Sha256::new()
            .chain_update(b"clinic-mesh/body/v1\0")
            .chain_update(self.salt)
            .chain_update(&self.body);
        Hash::new(digest.finalize().into())
    }
}

/// One entry; the payload is gone after its purge, or withheld from those who joined later.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Entry {
    /// The part the chain is made of.
    #[n(0)]
    pub header: Header,
    /// The part that can be destroyed.
    #[n(1)]
    pub payload: Option<Payload>,
}

impl Entry {
    /// An entry with this payload.
    pub fn new(time: Hlc, last_day: Day, payload: Payload) -> Self {
        let header = Header {
            time,
            last_day,
            body_len: payload.body.len() as u32,
            digest: payload.digest(),
        };
        Self {
            header,
            payload: Some(payload),
        }
    }

    /// Bytes of body this entry carries.
    pub fn body_bytes(&self) -> usize {
        self.payload
            .as_ref()
            .map_or(0, |payload| payload.body.len())
    }
}

/// The hash of the header at `seq`, given the one before it.
///
/// SHA-256 over `"clinic-mesh/header/v1\0" ‖ tag ‖ seq ‖ previous ‖ time ‖ last day ‖ length ‖
/// digest`, integers big-endian in 8, 8, 4 and 4 bytes.
pub fn header_hash(tag: &LogTag, seq: u64, previous: &Hash, header: &Header) -> Hash {
    let digest = Sha256::new()
        .chain_update(b"clinic-mesh/header/v1\0")
        .chain_update(tag.0.as_bytes())
        .chain_update(seq.to_be_bytes())
        .chain_update(previous.as_bytes())
        .chain_update(header.time.0.to_be_bytes())
        .chain_update(header.last_day.0.to_be_bytes())
        .chain_update(header.body_len.to_be_bytes())
        .chain_update(header.digest.as_bytes());
    Hash::new(digest.finalize().into())
}

/// Consecutive entries of one log with the author's signature over the last.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Segment {
    /// Which log.
    #[n(0)]
    pub log: Log,
    /// Number of the first entry.
    #[n(1)]
    pub first: u64,
    /// Header hash of the entry before the first.
    #[n(2)]
    pub previous: Hash,
    /// The entries in order, at least one.
    #[n(3)]
    pub entries: Vec<Entry>,
    /// The author's *held* attestation over the last entry.
    #[n(4)]
    pub signature: Signature,
}

/// Why a segment is not what its author signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// No entries, too many, or numbers that overflow.
    #[error("a segment holds 1 to {SEGMENT_ENTRIES_MAX} entries")]
    Count,
    /// A body does not match its header.
    #[error("the body of entry {seq} does not match its digest")]
    Digest {
        /// The entry's number.
        seq: u64,
    },
    /// Time runs backwards inside the log.
    #[error("entry {seq} is older than the one before it")]
    Order {
        /// The entry's number.
        seq: u64,
    },
    /// A body over the limit.
    #[error("the body of entry {seq} is longer than {OBJECT_MAX} bytes")]
    TooLong {
        /// The entry's number.
        seq: u64,
    },
    /// The author did not sign this chain.
    #[error(transparent)]
    Signature(#[from] BadSignature),
}

impl Segment {
    /// Chains and signs entries that follow `head` in `log`.
    ///
    /// Returns the segment and the log's head after it. The author's key must be the log's.
    pub fn sign(
        clinic: &ClinicId,
        key: &SigningKey,
        log: Log,
        head: Head,
        entries: Vec<Entry>,
    ) -> (Self, Head) {
        let tag = log.tag(clinic);
        let end = chain(&tag, head, entries.iter().map(|entry| &entry.header));
        let signature = attest::sign(clinic, key, log.space, &held(&log, end));
        let segment = Self {
            log,
            first: head.seq + 1,
            previous: head.hash,
            entries,
            signature,
        };
        (segment, end)
    }

    /// Number of the last entry.
    pub fn last(&self) -> u64 {
        self.first + (self.entries.len() as u64).saturating_sub(1)
    }

    /// The head before the first entry, as the sender claims it.
    pub fn before(&self) -> Head {
        Head {
            seq: self.first - 1,
            hash: self.previous,
        }
    }

    /// Bytes of all bodies.
    pub fn body_bytes(&self) -> usize {
        self.entries.iter().map(Entry::body_bytes).sum()
    }

    /// The head after the last entry, without checking anything.
    pub fn end(&self, clinic: &ClinicId) -> Head {
        chain(
            &self.log.tag(clinic),
            self.before(),
            self.entries.iter().map(|e| &e.header),
        )
    }

    /// Checks everything that can be checked without knowing the log: numbers, order, bodies that
    /// are there, and the author's signature over the resulting head, which is returned.
    ///
    /// `earliest` is the time of the entry before the first (or zero).
    pub fn verify(&self, clinic: &ClinicId, earliest: Hlc) -> Result<Head, SegmentError> {
        let fits = self.first.checked_add(SEGMENT_ENTRIES_MAX as u64).is_some();
        if self.first == 0 || !fits || !(1..=SEGMENT_ENTRIES_MAX).contains(&self.entries.len()) {
            return Err(SegmentError::Count);
        }
        self.verify_entries(earliest)?;
        let end = self.end(clinic);
        if planted!("signature-unchecked") {
            return Ok(end);
        }
        attest::verify(
            clinic,
            &self.log.author,
            self.log.space,
            &held(&self.log, end),
            &self.signature,
        )?;
        Ok(end)
    }

    fn verify_entries(&self, earliest: Hlc) -> Result<(), SegmentError> {
        let mut earliest = earliest;
        for (seq, entry) in (self.first..).zip(&self.entries) {
            if entry.header.time < earliest {
                return Err(SegmentError::Order { seq });
            }
            earliest = entry.header.time;
            if entry.header.body_len as usize > OBJECT_MAX {
                return Err(SegmentError::TooLong { seq });
            }
            if let Some(payload) = &entry.payload
                && (payload.body.len() != entry.header.body_len as usize
                    || payload.digest() != entry.header.digest)
            {
                return Err(SegmentError::Digest { seq });
            }
        }
        Ok(())
    }

    /// Drops the first entries so that the segment follows `head`; the signature still holds.
    ///
    /// `None` when nothing would be left or `head` is not inside or just before the segment.
    pub fn after(mut self, clinic: &ClinicId, head: Head) -> Option<Self> {
        let skip = (head.seq + 1).checked_sub(self.first)?;
        if skip as usize >= self.entries.len() {
            return None;
        }
        let tag = self.log.tag(clinic);
        let rest = self.entries.split_off(skip as usize);
        let reached = chain(&tag, self.before(), self.entries.iter().map(|e| &e.header));
        self.first = reached.seq + 1;
        self.previous = reached.hash;
        self.entries = rest;
        Some(self)
    }
}

/// The author's own word on the head of its log.
pub fn held(log: &Log, head: Head) -> Word {
    Word::Held {
        author: log.author,
        epoch: log.epoch,
        head,
    }
}

/// Follows the chain from `head` over `headers`.
pub fn chain<'a>(tag: &LogTag, head: Head, headers: impl Iterator<Item = &'a Header>) -> Head {
    headers.fold(head, |at, header| Head {
        seq: at.seq + 1,
        hash: header_hash(tag, at.seq + 1, &at.hash, header),
    })
}

#[cfg(test)]
mod tests;
