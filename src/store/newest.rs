//! Pages of a conversation: the newest entries of a space before some position, across its logs.

use std::collections::{BTreeMap, BinaryHeap};

use redb::{ReadOnlyTable, ReadableDatabase as _};

use super::error::StoreError;
use super::index::Numbered;
use super::read::{Bodies, row_with};
use super::rows::SegmentRow;
use super::shared::Shared;
use super::tables::{self, Value};
use crate::domain::id::AuthorId;
use crate::domain::log::{Entry, Epoch, Log};
use crate::domain::space::Space;
use crate::domain::time::{Hlc, WallTime};

/// Where an entry stands among all of its space: the order on every screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// When it was written.
    pub time: Hlc,
    /// By whom.
    pub author: AuthorId,
    /// In which run of numbers.
    pub epoch: Epoch,
    /// Its number.
    pub seq: u64,
}

/// An entry as it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its log.
    pub log: Log,
    /// Its number there.
    pub seq: u64,
    /// The entry; without its body once that is purged.
    pub entry: Entry,
    /// When it came to this node.
    pub arrived: WallTime,
}

impl Held {
    /// Where it stands among all of its space.
    pub fn position(&self) -> Position {
        let Log { author, epoch, .. } = self.log;
        Position {
            time: self.entry.header.time,
            author,
            epoch,
            seq: self.seq,
        }
    }
}

/// Up to `limit` entries before `before` (or the end), newest first.
pub(crate) fn newest(
    shared: &Shared,
    space: &Space,
    before: Option<Position>,
    limit: usize,
) -> Result<Vec<Held>, StoreError> {
    let keyring = shared.keyring();
    // The index first: whatever it names is in a transaction that begins later, or was dropped.
    let logs: Vec<Numbered> = shared.index().logs_of(space).copied().collect();
    let read = shared.db.begin_read()?;
    let headers = read.open_table(tables::HEADERS)?;
    let mut open: BTreeMap<u32, (Walk, Bodies<'_>)> = BTreeMap::new();
    let mut next: BinaryHeap<(Position, u32, Exact)> = BinaryHeap::new();
    for Numbered { number, row } in &logs {
        let log = row.log;
        let bodies = Bodies::new(
            read.open_table(tables::BODIES)?,
            &keyring,
            shared,
            &log,
            *number,
        );
        open.insert(
            *number,
            (
                Walk {
                    log,
                    number: *number,
                    row: None,
                },
                bodies,
            ),
        );
        let end = position(&log, row.last_time, row.head.seq);
        let (bound, exact) = match before {
            Some(before) if end >= before => (before, Exact::No),
            Some(_) | None => (end, Exact::Yes),
        };
        if before.is_none_or(|before| row.first_time <= before.time) {
            next.push((bound, *number, exact));
        }
    }
    let mut found = Vec::new();
    while found.len() < limit
        && let Some((at, number, exact)) = next.pop()
    {
        let Some((walk, bodies)) = open.get_mut(&number) else {
            continue;
        };
        let following = match exact {
            Exact::No => walk.last_before(&headers, &at)?,
            Exact::Yes => {
                found.extend(walk.take(&headers, at.seq, bodies)?);
                walk.at(&headers, at.seq - 1)?
            }
        };
        if let Some(position) = following {
            next.push((position, number, Exact::Yes));
        }
    }
    Ok(found)
}

/// Whether a position is an entry's or only a bound on where the log's next entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Exact {
    No,
    Yes,
}

/// Goes backwards through one log, a row at a time.
struct Walk {
    log: Log,
    number: u32,
    row: Option<SegmentRow>,
}

type Headers = ReadOnlyTable<(u32, u64), Value>;

impl Walk {
    fn row(&mut self, headers: &Headers, seq: u64) -> Result<Option<&SegmentRow>, StoreError> {
        let held = self
            .row
            .as_ref()
            .is_some_and(|row| (row.first..=row.last()).contains(&seq));
        if !held {
            self.row = row_with(headers, self.number, seq)?;
        }
        Ok(self.row.as_ref())
    }

    /// The position of entry `seq`; none for number 0 and in a log that was just dropped.
    fn at(&mut self, headers: &Headers, seq: u64) -> Result<Option<Position>, StoreError> {
        if seq == 0 {
            return Ok(None);
        }
        let header = self.row(headers, seq)?.and_then(|row| row.header(seq));
        Ok(header.map(|header| position(&self.log, header.time, seq)))
    }

    /// The last entry before a position. Times in a log never go back, so this halves its way there.
    fn last_before(
        &mut self,
        headers: &Headers,
        before: &Position,
    ) -> Result<Option<Position>, StoreError> {
        let (mut earlier, mut not_earlier) = (0, self.end(headers)? + 1);
        while not_earlier - earlier > 1 {
            let middle = earlier + (not_earlier - earlier) / 2;
            match self.at(headers, middle)? {
                Some(position) if position < *before => earlier = middle,
                Some(_) | None => not_earlier = middle,
            }
        }
        self.at(headers, earlier)
    }

    fn end(&self, headers: &Headers) -> Result<u64, StoreError> {
        let range = (self.number, 0)..=(self.number, u64::MAX);
        match headers.range(range)?.next_back() {
            Some(row) => Ok(row?.0.value().1),
            None => Ok(0),
        }
    }

    fn take(
        &mut self,
        headers: &Headers,
        seq: u64,
        bodies: &mut Bodies<'_>,
    ) -> Result<Option<Held>, StoreError> {
        let log = self.log;
        let Some(row) = self.row(headers, seq)? else {
            return Ok(None);
        };
        let Some(header) = row.header(seq) else {
            return Ok(None);
        };
        let arrived = row.arrived;
        let payload = bodies.find(seq, &header)?;
        Ok(Some(Held {
            log,
            seq,
            entry: Entry { header, payload },
            arrived,
        }))
    }
}

fn position(log: &Log, time: Hlc, seq: u64) -> Position {
    Position {
        time,
        author: log.author,
        epoch: log.epoch,
        seq,
    }
}
