//! Reading: from any thread, while the writer writes.

use std::collections::BTreeSet;

use redb::{ReadOnlyTable, ReadableDatabase as _, ReadableTable as _};

use super::batch::Fork;
use super::bodies::{Place, SealedChunk};
use super::error::StoreError;
use super::index::Numbered;
use super::keyring::Keyring;
use super::rows::{self, ForkRow, SegmentRow};
use super::shared::Shared;
use super::tables::{self, Value};
use crate::domain::attest::Attestation;
use crate::domain::id::{ClinicId, Hash};
use crate::domain::log::{self, Entry, Head, Header, Log, Payload, Segment};
use crate::domain::retraction::Retraction;
use crate::domain::sign::Signature;
use crate::domain::space::Space;
use crate::domain::time::{Day, Hlc, WallTime};

/// Where a log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogState {
    /// Which log.
    pub log: Log,
    /// Its newest entry.
    pub head: Head,
    /// When its first entry was written.
    pub first_time: Hlc,
    /// When its newest entry was written.
    pub last_time: Hlc,
}

impl From<&Numbered> for LogState {
    fn from(numbered: &Numbered) -> Self {
        let row = numbered.row;
        let (first_time, last_time) = (row.first_time, row.last_time);
        Self {
            log: row.log,
            head: row.head,
            first_time,
            last_time,
        }
    }
}

/// Every log held.
pub(crate) fn logs(shared: &Shared) -> Vec<LogState> {
    shared.index().logs.values().map(LogState::from).collect()
}

/// One log, if it is held.
pub(crate) fn log(shared: &Shared, log: &Log) -> Option<LogState> {
    shared.index().logs.get(log).map(LogState::from)
}

/// Segments of a log from the one that holds `from` on, until `budget` bytes are reached.
pub(crate) fn segments(
    shared: &Shared,
    log: &Log,
    from: u64,
    budget: usize,
) -> Result<Vec<Segment>, StoreError> {
    let arrived = arrived_segments(shared, log, from, budget)?;
    Ok(arrived.into_iter().map(|(segment, _)| segment).collect())
}

/// The same with when each came to this node.
pub(crate) fn arrived_segments(
    shared: &Shared,
    log: &Log,
    from: u64,
    budget: usize,
) -> Result<Vec<(Segment, WallTime)>, StoreError> {
    let Some(number) = number_of(shared, log) else {
        return Ok(Vec::new());
    };
    let keyring = shared.keyring();
    let read = shared.db.begin_read()?;
    let headers = read.open_table(tables::HEADERS)?;
    let mut bodies = Bodies::new(
        read.open_table(tables::BODIES)?,
        &keyring,
        shared,
        log,
        number,
    );
    let (mut segments, mut bytes) = (Vec::new(), 0);
    for row in headers.range((number, from)..=(number, u64::MAX))? {
        let row = SegmentRow::decode(row?.1.value())?;
        let mut entries = Vec::with_capacity(row.count());
        for (seq, header) in (row.first..).zip(row.headers()) {
            let payload = bodies.find(seq, &header)?;
            bytes += rows::HEADER_BYTES + payload.as_ref().map_or(0, |payload| payload.body.len());
            entries.push(Entry { header, payload });
        }
        let SegmentRow {
            first,
            previous,
            arrived,
            signature,
            ..
        } = row;
        let segment = Segment {
            log: *log,
            first,
            previous,
            entries,
            signature,
        };
        segments.push((segment, arrived));
        if bytes >= budget {
            break;
        }
    }
    Ok(segments)
}

/// One entry.
pub(crate) fn entry(shared: &Shared, log: &Log, seq: u64) -> Result<Option<Entry>, StoreError> {
    let Some(number) = number_of(shared, log) else {
        return Ok(None);
    };
    let keyring = shared.keyring();
    let read = shared.db.begin_read()?;
    let row = row_with(&read.open_table(tables::HEADERS)?, number, seq)?;
    let Some(header) = row.and_then(|row| row.header(seq)) else {
        return Ok(None);
    };
    let bodies = read.open_table(tables::BODIES)?;
    let payload = Bodies::new(bodies, &keyring, shared, log, number).find(seq, &header)?;
    Ok(Some(Entry { header, payload }))
}

/// The header hash of one entry.
pub(crate) fn hash_at(
    shared: &Shared,
    clinic: &ClinicId,
    log: &Log,
    seq: u64,
) -> Result<Option<Hash>, StoreError> {
    let Some(number) = number_of(shared, log) else {
        return Ok(None);
    };
    if seq == 0 {
        return Ok(Some(Hash::ZERO));
    }
    let headers = shared.db.begin_read()?.open_table(tables::HEADERS)?;
    let Some(row) = row_with(&headers, number, seq)? else {
        return Ok(None);
    };
    let count = usize::try_from(seq + 1 - row.first).unwrap_or(usize::MAX);
    let taken: Vec<Header> = row.headers().take(count).collect();
    Ok(Some(
        log::chain(&log.tag(clinic), row.before(), taken.iter()).hash,
    ))
}

/// The author's signature over the head of a log.
pub(crate) fn head_signature(shared: &Shared, log: &Log) -> Result<Option<Signature>, StoreError> {
    let held = shared
        .index()
        .logs
        .get(log)
        .map(|held| (held.number, held.row.head.seq));
    let Some((number, seq)) = held else {
        return Ok(None);
    };
    let headers = shared.db.begin_read()?.open_table(tables::HEADERS)?;
    Ok(row_with(&headers, number, seq)?.map(|row| row.signature))
}

/// The attestations of a space.
pub(crate) fn attestations(shared: &Shared, space: &Space) -> Result<Vec<Attestation>, StoreError> {
    let Some(number) = shared.index().spaces.get(space).copied() else {
        return Ok(Vec::new());
    };
    let table = shared.db.begin_read()?.open_table(tables::ATTESTATIONS)?;
    let mut attestations = Vec::new();
    for row in table.range((number, 0)..=(number, u128::MAX))? {
        attestations.push(rows::decode("attestations", row?.1.value())?);
    }
    Ok(attestations)
}

/// The proofs of forks.
pub(crate) fn forks(shared: &Shared) -> Result<Vec<Fork>, StoreError> {
    let mut forks = Vec::new();
    for row in shared.db.begin_read()?.open_table(tables::FORKS)?.iter()? {
        let ForkRow { log, proof } = rows::decode("forks", row?.1.value())?;
        forks.push(Fork { log, proof });
    }
    Ok(forks)
}

/// The retractions that still matter.
pub(crate) fn retractions(shared: &Shared) -> Result<Vec<Retraction>, StoreError> {
    let read = shared.db.begin_read()?;
    let mut retractions = Vec::new();
    for row in read.open_table(tables::RETRACTIONS)?.iter()? {
        retractions.push(rows::decode("retractions", row?.1.value())?);
    }
    Ok(retractions)
}

/// One named value.
pub(crate) fn meta(shared: &Shared, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let table = shared.db.begin_read()?.open_table(tables::META)?;
    Ok(table.get(name)?.map(|value| value.value().to_vec()))
}

/// The named values whose name begins with `prefix`.
pub(crate) fn metas(shared: &Shared, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let mut metas = Vec::new();
    for row in shared
        .db
        .begin_read()?
        .open_table(tables::META)?
        .range(prefix..)?
    {
        let (name, value) = row?;
        if !name.value().starts_with(prefix) {
            break;
        }
        metas.push((name.value().to_owned(), value.value().to_vec()));
    }
    Ok(metas)
}

/// The number of a log.
pub(crate) fn number_of(shared: &Shared, log: &Log) -> Option<u32> {
    shared.index().logs.get(log).map(|numbered| numbered.number)
}

/// The row that holds entry `seq` of log `number`.
pub(crate) fn row_with(
    headers: &ReadOnlyTable<(u32, u64), Value>,
    number: u32,
    seq: u64,
) -> Result<Option<SegmentRow>, StoreError> {
    let Some(row) = headers.range((number, seq)..=(number, u64::MAX))?.next() else {
        return Ok(None);
    };
    let row = SegmentRow::decode(row?.1.value())?;
    Ok((row.first <= seq).then_some(row))
}

/// The bodies of one log; the chunk opened last is kept, as the next body mostly stands in it.
pub(crate) struct Bodies<'a> {
    table: ReadOnlyTable<(u32, u32, u64), Value>,
    keyring: &'a Keyring,
    log: Log,
    number: u32,
    alive: Day,
    retracted: BTreeSet<u64>,
    chunk: Option<Chunk>,
}

struct Chunk {
    day: Day,
    first: u64,
    payloads: Vec<Option<Payload>>,
}

impl<'a> Bodies<'a> {
    /// The bodies of `log`.
    pub(crate) fn new(
        table: ReadOnlyTable<(u32, u32, u64), Value>,
        keyring: &'a Keyring,
        shared: &Shared,
        log: &Log,
        number: u32,
    ) -> Self {
        let index = shared.index();
        let (alive, retracted) = (index.horizon(&log.space), index.retracted_in(log));
        Self {
            table,
            keyring,
            log: *log,
            number,
            alive,
            retracted,
            chunk: None,
        }
    }

    /// The body of entry `seq`, each to be asked for once; `None` when it is purged or was never
    /// here.
    pub(crate) fn find(
        &mut self,
        seq: u64,
        header: &Header,
    ) -> Result<Option<Payload>, StoreError> {
        let day = header.last_day;
        if day < self.alive || self.retracted.contains(&seq) {
            return Ok(None);
        }
        if !self
            .chunk
            .as_ref()
            .is_some_and(|chunk| chunk.covers(day, seq))
        {
            self.chunk = self.load(day, seq)?;
        }
        Ok(self.chunk.as_mut().and_then(|chunk| chunk.take(day, seq)))
    }

    fn load(&self, day: Day, seq: u64) -> Result<Option<Chunk>, StoreError> {
        let range = (day.0, self.number, 0)..=(day.0, self.number, seq);
        let Some(row) = self.table.range(range)?.next_back() else {
            return Ok(None);
        };
        let (key, value) = row?;
        let place = Place::of(key.value());
        let sealed = SealedChunk::parse(value.value())?;
        if seq - place.first >= u64::from(sealed.count) {
            return Ok(None);
        }
        let Some(key) = self
            .keyring
            .body_key(day, &self.log.space, sealed.key_number)
        else {
            return Ok(None);
        };
        let payloads = sealed.open(place, &key)?;
        Ok(Some(Chunk {
            day,
            first: place.first,
            payloads,
        }))
    }
}

impl Chunk {
    fn covers(&self, day: Day, seq: u64) -> bool {
        let end = self.first + self.payloads.len() as u64;
        self.day == day && (self.first..end).contains(&seq)
    }

    fn take(&mut self, day: Day, seq: u64) -> Option<Payload> {
        if !self.covers(day, seq) {
            return None;
        }
        let at = usize::try_from(seq - self.first).ok()?;
        self.payloads.get_mut(at)?.take()
    }
}
