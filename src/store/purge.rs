//! Removing what can no longer be read.
//!
//! The keys are gone before the first row is touched (see [`keyring`](super::keyring)); the rows
//! follow in steps so small that other writes hardly wait. What is left to do is read from the
//! tables, so a purge that a power cut interrupts goes on at the next start.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, Table};

use super::apply;
use super::bodies::{Place, SealedChunk};
use super::error::{StoreError, malformed};
use super::index::{Index, Numbered};
use super::keyring::Keyring;
use super::rows::{self, DroppedRow, ResealRow};
use super::tables::{self, Value};
use super::writer::Purged;
use crate::domain::space::Space;
use crate::domain::time::Day;

/// Most rows of one step.
const STEP_ROWS: usize = 2000;

/// When a step commits even with fewer rows: with the commit itself, others wait well below 100 ms.
const STEP_TIME: Duration = Duration::from_millis(20);

type BodyKey = (u32, u32, u64);

/// How a purge goes on.
pub(crate) enum Progress {
    /// There is more to do.
    More,
    /// What stays of this space is sealed under newer keys; those up to this number can go.
    Resealed(Space, u32),
    /// Everything is done.
    Done(Purged),
}

/// A purge under way.
#[derive(Debug, Default)]
pub(crate) struct Purge {
    purged: Purged,
    /// Log number → space, read when the first step needs it.
    spaces: Option<BTreeMap<u32, Space>>,
    /// How far resealing has come in the space it is at.
    resealed_to: Option<(u32, BodyKey)>,
}

/// The rows of logs on their way out.
pub(crate) fn dropped(db: &Database) -> Result<Vec<DroppedRow>, StoreError> {
    let read = db.begin_read()?;
    let mut rows = Vec::new();
    for row in read.open_table(tables::DROPPED)?.iter()? {
        rows.push(rows::decode("dropped", row?.1.value())?);
    }
    Ok(rows)
}

/// Notes that a space's older keys are destroyed.
pub(crate) fn resealed(
    db: &Database,
    index: &Index,
    space: &Space,
    keyring: &Keyring,
) -> Result<(), StoreError> {
    let write = apply::begin(db)?;
    let number = index.spaces.get(space).ok_or_else(|| malformed("spaces"))?;
    write.open_table(tables::RESEAL)?.remove(number)?;
    write
        .open_table(tables::COUNTERS)?
        .insert(tables::COUNTER_KEYRING, keyring.generation())?;
    Ok(write.commit()?)
}

impl Purge {
    /// Takes into account what was committed since it began.
    pub(crate) fn look_again(&mut self) {
        self.spaces = None;
        self.resealed_to = None;
    }

    /// Does a bounded part of the work in one durable transaction.
    pub(crate) fn step(
        &mut self,
        db: &Database,
        index: &Index,
        keyring: &Keyring,
    ) -> Result<Progress, StoreError> {
        if let Some(range) = dead_days(db, index)? {
            return self.remove_days(db, index, range);
        }
        if let Some((number, row)) = first_dropped(db)? {
            return self.remove_log(db, keyring, number, row);
        }
        if let Some((number, row)) = first_reseal(db)? {
            return self.reseal(db, index, keyring, number, row);
        }
        Ok(Progress::Done(std::mem::take(&mut self.purged)))
    }

    fn remove_days(
        &mut self,
        db: &Database,
        index: &Index,
        range: RangeInclusive<BodyKey>,
    ) -> Result<Progress, StoreError> {
        let write = apply::begin(db)?;
        let removed = remove_bodies(&mut write.open_table(tables::BODIES)?, range, Bound::new())?;
        self.note(db, index, removed.counts)?;
        write.commit()?;
        Ok(Progress::More)
    }

    fn remove_log(
        &mut self,
        db: &Database,
        keyring: &Keyring,
        number: u32,
        row: DroppedRow,
    ) -> Result<Progress, StoreError> {
        let write = apply::begin(db)?;
        let mut bound = Bound::new();
        let mut bodies = write.open_table(tables::BODIES)?;
        for day in keyring.days() {
            let range = (day.0, number, 0)..=(day.0, number, u64::MAX);
            let removed = remove_bodies(&mut bodies, range, bound)?;
            let count: u64 = removed.counts.values().sum();
            *self.purged.bodies.entry(row.space).or_default() += count;
            bound = removed.left;
        }
        let headers = remove_headers(&mut write.open_table(tables::HEADERS)?, number, bound)?;
        if !headers.reached() {
            write.open_table(tables::DROPPED)?.remove(number)?;
        }
        drop(bodies);
        write.commit()?;
        Ok(Progress::More)
    }

    fn reseal(
        &mut self,
        db: &Database,
        index: &Index,
        keyring: &Keyring,
        number: u32,
        row: ResealRow,
    ) -> Result<Progress, StoreError> {
        let space = index.spaces.iter().find(|(_, other)| **other == number);
        let space = *space.ok_or_else(|| malformed("reseal"))?.0;
        let reached = match self.resealed_to {
            Some((of, reached)) if of == number => reached,
            _ => (0, 0, 0),
        };
        let write = apply::begin(db)?;
        let mut bodies = write.open_table(tables::BODIES)?;
        let pass = Reseal {
            index,
            keyring,
            space,
            keys_up_to: row.keys_up_to,
        };
        let outcome = pass.run(&mut bodies, reached)?;
        drop(bodies);
        write.commit()?;
        *self.purged.bodies.entry(space).or_default() += outcome.removed;
        match outcome.reached {
            Some(key) => {
                self.resealed_to = Some((number, key));
                Ok(Progress::More)
            }
            None => {
                self.resealed_to = None;
                Ok(Progress::Resealed(space, row.keys_up_to))
            }
        }
    }

    fn note(
        &mut self,
        db: &Database,
        index: &Index,
        counts: BTreeMap<u32, u64>,
    ) -> Result<(), StoreError> {
        let spaces = match &mut self.spaces {
            Some(spaces) => spaces,
            none => none.insert(spaces_by_log(db, index)?),
        };
        for (log, count) in counts {
            let Some(space) = spaces.get(&log) else {
                continue;
            };
            *self.purged.bodies.entry(*space).or_default() += count;
        }
        Ok(())
    }
}

/// What a step may still do.
#[derive(Clone, Copy, Debug)]
struct Bound {
    rows: usize,
    until: Instant,
}

impl Bound {
    fn new() -> Self {
        Self {
            rows: STEP_ROWS,
            until: Instant::now() + STEP_TIME,
        }
    }

    fn reached(&self) -> bool {
        self.rows == 0 || Instant::now() >= self.until
    }
}

struct Removed {
    /// Bodies by log number.
    counts: BTreeMap<u32, u64>,
    left: Bound,
}

/// Removes the first rows of a range, as many as the bound allows.
fn remove_bodies(
    table: &mut Table<'_, BodyKey, Value>,
    range: RangeInclusive<BodyKey>,
    mut left: Bound,
) -> Result<Removed, StoreError> {
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    let mut last = None;
    for row in table.range(range.clone())? {
        if left.reached() {
            break;
        }
        let (key, value) = row?;
        let chunk = SealedChunk::parse(value.value())?;
        *counts.entry(key.value().1).or_default() += u64::from(chunk.count);
        last = Some(key.value());
        left.rows -= 1;
    }
    if let Some(last) = last {
        table.retain_in(*range.start()..=last, |_, _| false)?;
    }
    Ok(Removed { counts, left })
}

fn remove_headers(
    table: &mut Table<'_, (u32, u64), Value>,
    number: u32,
    mut left: Bound,
) -> Result<Bound, StoreError> {
    let mut last = None;
    for row in table.range((number, 0)..=(number, u64::MAX))? {
        if left.reached() {
            break;
        }
        last = Some(row?.0.value());
        left.rows -= 1;
    }
    if let Some(last) = last {
        table.retain_in((number, 0)..=last, |_, _| false)?;
    }
    Ok(left)
}

/// The bodies of days that are over, if there are any.
fn dead_days(db: &Database, index: &Index) -> Result<Option<RangeInclusive<BodyKey>>, StoreError> {
    let Some(last) = index.everywhere.0.checked_sub(1) else {
        return Ok(None);
    };
    let range = (0, 0, 0)..=(last, u32::MAX, u64::MAX);
    let bodies = db.begin_read()?.open_table(tables::BODIES)?;
    let any = bodies.range(range.clone())?.next().transpose()?.is_some();
    Ok(any.then_some(range))
}

fn first_dropped(db: &Database) -> Result<Option<(u32, DroppedRow)>, StoreError> {
    let table = db.begin_read()?.open_table(tables::DROPPED)?;
    let Some((number, row)) = table.first()? else {
        return Ok(None);
    };
    Ok(Some((
        number.value(),
        rows::decode("dropped", row.value())?,
    )))
}

fn first_reseal(db: &Database) -> Result<Option<(u32, ResealRow)>, StoreError> {
    let table = db.begin_read()?.open_table(tables::RESEAL)?;
    let Some((number, row)) = table.first()? else {
        return Ok(None);
    };
    Ok(Some((number.value(), rows::decode("reseal", row.value())?)))
}

fn spaces_by_log(db: &Database, index: &Index) -> Result<BTreeMap<u32, Space>, StoreError> {
    let live = index
        .logs
        .values()
        .map(|log| (log.number, log.row.log.space));
    let mut spaces: BTreeMap<u32, Space> = live.collect();
    for row in db.begin_read()?.open_table(tables::DROPPED)?.iter()? {
        let (number, row) = row?;
        let row: DroppedRow = rows::decode("dropped", row.value())?;
        spaces.insert(number.value(), row.space);
    }
    Ok(spaces)
}

/// How far a pass over the bodies of one log came.
struct Pass {
    left: Bound,
    reached: BodyKey,
    removed: u64,
}

/// One pass over the bodies of a space: what its horizon left behind and what was taken back goes, the
/// rest is sealed under the newest key.
struct Reseal<'a> {
    index: &'a Index,
    keyring: &'a Keyring,
    space: Space,
    keys_up_to: u32,
}

struct Outcome {
    removed: u64,
    /// Where the next pass begins; none when this was the last.
    reached: Option<BodyKey>,
}

impl Reseal<'_> {
    fn run(
        &self,
        table: &mut Table<'_, BodyKey, Value>,
        from: BodyKey,
    ) -> Result<Outcome, StoreError> {
        let alive = self.index.horizon(&self.space);
        let logs: Vec<Numbered> = self.index.logs_of(&self.space).copied().collect();
        let mut bound = Bound::new();
        let mut removed = 0;
        for day in self.keyring.days() {
            for Numbered { number, row } in &logs {
                let mut start = from.max((day.0, *number, 0));
                let end = (day.0, *number, u64::MAX);
                if start > end {
                    continue;
                }
                if day < alive {
                    let gone = remove_bodies(table, start..=end, bound)?;
                    removed += gone.counts.values().sum::<u64>();
                    bound = gone.left;
                } else {
                    let retracted = self.index.retracted_in(&row.log);
                    let pass = self.reseal_range(table, start..=end, &retracted, bound)?;
                    (bound, start) = (pass.left, pass.reached);
                    removed += pass.removed;
                }
                if bound.reached() {
                    return Ok(Outcome {
                        removed,
                        reached: Some(start),
                    });
                }
            }
        }
        Ok(Outcome {
            removed,
            reached: None,
        })
    }

    fn reseal_range(
        &self,
        table: &mut Table<'_, BodyKey, Value>,
        range: RangeInclusive<BodyKey>,
        retracted: &BTreeSet<u64>,
        mut bound: Bound,
    ) -> Result<Pass, StoreError> {
        let mut removed = 0;
        let mut sealed = Vec::new();
        let mut last = *range.start();
        for row in table.range(range)? {
            if bound.reached() {
                break;
            }
            let (key, value) = row?;
            last = key.value();
            let chunk = SealedChunk::parse(value.value())?;
            if chunk.key_number <= self.keys_up_to {
                let numbers = last.2..last.2 + u64::from(chunk.count);
                removed += retracted.range(numbers).count() as u64;
                sealed.push((last, self.reseal_one(last, &chunk, retracted)?));
                bound.rows -= 1;
            }
        }
        for (key, row) in sealed {
            match row {
                Some(row) => drop(table.insert(key, &row[..])?),
                None => drop(table.remove(key)?),
            }
        }
        Ok(Pass {
            left: bound,
            reached: last,
            removed,
        })
    }

    fn reseal_one(
        &self,
        key: BodyKey,
        chunk: &SealedChunk<'_>,
        retracted: &BTreeSet<u64>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let place = Place::of(key);
        let day = Day(key.0);
        let old = self.keyring.body_key(day, &self.space, chunk.key_number);
        let new = self.keyring.sealing_key(day, &self.space);
        let lost = || StoreError::Damaged {
            what: "the keyring lacks a key in use".to_owned(),
        };
        let (old, (number, new)) = (old.ok_or_else(lost)?, new.ok_or_else(lost)?);
        chunk.reseal(place, &old, (number, &new), retracted)
    }
}
