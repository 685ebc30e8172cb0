//! Chunks of bodies: consecutive bodies of one log and one last day, sealed as one.
//!
//! A row is the number of the space's key (4 bytes, big-endian), the count of bodies (2 bytes) and
//! the sealed CBOR array of byte strings, each a salt of 16 bytes and a body; an empty string stands
//! where a body was taken back. The seal covers table, schema, the row's key, key number and count, so
//! no row can be put in another's place.

use std::collections::BTreeSet;
use std::convert::Infallible;

use minicbor::{Decoder, Encoder};

use super::error::{StoreError, malformed};
use super::seal::Key;
use super::tables::SCHEMA;
use crate::domain::codec;
use crate::domain::log::{Entry, Payload};
use crate::domain::time::Day;

/// Most bytes of bodies in one chunk, unless it holds a single body.
///
/// With its headers such a chunk fills a page run of 16 KiB: large enough that sealing costs little
/// per body, small enough that reading one message opens little else.
const CHUNK_BYTES_MAX: usize = 15 * 1024;

/// Most bodies in one chunk; empty ones count too.
const CHUNK_BODIES_MAX: usize = 64;

/// Bytes of a salt.
const SALT: usize = 16;

/// Bytes beside each body: its salt and the length of both.
const OVERHEAD: usize = SALT + 5;

/// Where a chunk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) day: Day,
    pub(crate) log: u32,
    pub(crate) first: u64,
}

impl Place {
    /// As the key of a row.
    pub(crate) fn key(&self) -> (u32, u32, u64) {
        (self.day.0, self.log, self.first)
    }

    /// From the key of a row.
    pub(crate) fn of(key: (u32, u32, u64)) -> Self {
        Self {
            day: Day(key.0),
            log: key.1,
            first: key.2,
        }
    }

    fn about(&self, key_number: u32, count: u16) -> Vec<u8> {
        codec::encode(&("bodies", SCHEMA, self.key(), key_number, count))
    }
}

/// Consecutive entries that go into one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run<'a> {
    pub(crate) day: Day,
    pub(crate) first: u64,
    pub(crate) entries: &'a [Entry],
}

/// Cuts entries that begin with number `first` into runs; entries without a body are left out.
pub(crate) fn runs(first: u64, entries: &[Entry]) -> Vec<Run<'_>> {
    let mut runs = Vec::new();
    let mut at = 0;
    while at < entries.len() {
        let len = run_len(&entries[at..]);
        if len > 0 {
            let run = &entries[at..at + len];
            let day = run[0].header.last_day;
            runs.push(Run {
                day,
                first: first + at as u64,
                entries: run,
            });
        }
        at += len.max(1);
    }
    runs
}

/// How many of the first entries share a chunk; 0 when the first has no body.
fn run_len(entries: &[Entry]) -> usize {
    let day = entries[0].header.last_day;
    let mut bytes = 0;
    let mut len = 0;
    for entry in entries.iter().take(CHUNK_BODIES_MAX) {
        bytes += entry.body_bytes() + OVERHEAD;
        let belongs = entry.payload.is_some() && entry.header.last_day == day;
        if !belongs || (bytes > CHUNK_BYTES_MAX && len > 0) {
            break;
        }
        len += 1;
    }
    len
}

/// Seals the bodies of a run.
pub(crate) fn seal(place: Place, key_number: u32, key: &Key, entries: &[Entry]) -> Vec<u8> {
    let payloads = entries.iter().map(|entry| entry.payload.as_ref());
    let size: usize = entries
        .iter()
        .map(|entry| entry.body_bytes() + OVERHEAD)
        .sum();
    let mut text = Vec::with_capacity(size + OVERHEAD);
    encode(entries.len(), payloads, &mut text).expect("encoding into memory cannot fail");
    seal_text(place, key_number, key, entries.len() as u16, &text)
}

fn encode<'a>(
    count: usize,
    payloads: impl Iterator<Item = Option<&'a Payload>>,
    text: &mut Vec<u8>,
) -> Result<(), minicbor::encode::Error<Infallible>> {
    let mut encoder = Encoder::new(text);
    encoder.array(count as u64)?;
    for payload in payloads {
        let Some(Payload { salt, body }) = payload else {
            encoder.bytes(&[])?;
            continue;
        };
        encoder.bytes_len((SALT + body.len()) as u64)?;
        encoder.writer_mut().extend_from_slice(salt);
        encoder.writer_mut().extend_from_slice(body);
    }
    Ok(())
}

fn seal_text(place: Place, key_number: u32, key: &Key, count: u16, text: &[u8]) -> Vec<u8> {
    let sealed = key.seal(&place.about(key_number, count), text);
    let mut row = Vec::with_capacity(6 + sealed.len());
    row.extend_from_slice(&key_number.to_be_bytes());
    row.extend_from_slice(&count.to_be_bytes());
    row.extend_from_slice(&sealed);
    row
}

/// A row, before it is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SealedChunk<'a> {
    pub(crate) key_number: u32,
    pub(crate) count: u16,
    sealed: &'a [u8],
}

impl<'a> SealedChunk<'a> {
    /// Reads what stands before the seal.
    pub(crate) fn parse(row: &'a [u8]) -> Result<Self, StoreError> {
        let (number, rest) = row
            .split_first_chunk::<4>()
            .ok_or_else(|| malformed("bodies"))?;
        let (count, sealed) = rest
            .split_first_chunk::<2>()
            .ok_or_else(|| malformed("bodies"))?;
        let (key_number, count) = (u32::from_be_bytes(*number), u16::from_be_bytes(*count));
        Ok(Self {
            key_number,
            count,
            sealed,
        })
    }

    /// Opens it; none stands for what was taken back.
    pub(crate) fn open(&self, place: Place, key: &Key) -> Result<Vec<Option<Payload>>, StoreError> {
        let about = place.about(self.key_number, self.count);
        let text = key.open(&about, self.sealed).ok_or_else(damaged)?;
        payloads(&text, self.count).ok_or_else(|| malformed("bodies"))
    }

    /// The row with the same bodies under another key, but without those that were taken back; none
    /// if nothing is left in it.
    pub(crate) fn reseal(
        &self,
        place: Place,
        old: &Key,
        (key_number, new): (u32, &Key),
        retracted: &BTreeSet<u64>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut payloads = self.open(place, old)?;
        for (seq, payload) in (place.first..).zip(&mut payloads) {
            if retracted.contains(&seq) {
                *payload = None;
            }
        }
        if payloads.iter().all(Option::is_none) {
            return Ok(None);
        }
        let mut text = Vec::new();
        let kept = payloads.iter().map(Option::as_ref);
        encode(payloads.len(), kept, &mut text).expect("encoding into memory cannot fail");
        Ok(Some(seal_text(place, key_number, new, self.count, &text)))
    }
}

fn payloads(text: &[u8], count: u16) -> Option<Vec<Option<Payload>>> {
    let mut decoder = Decoder::new(text);
    if decoder.array().ok()?? != u64::from(count) {
        return None;
    }
    let mut payloads = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let bytes = decoder.bytes().ok()?;
        if bytes.is_empty() {
            payloads.push(None);
            continue;
        }
        let (salt, body) = bytes.split_first_chunk::<SALT>()?;
        payloads.push(Some(Payload {
            salt: *salt,
            body: body.to_vec(),
        }));
    }
    (decoder.position() == text.len()).then_some(payloads)
}

fn damaged() -> StoreError {
    StoreError::Damaged {
        what: "a row of bodies does not authenticate".to_owned(),
    }
}

#[cfg(test)]
mod tests;
