//! Planning a commit: which numbers, keys and rows a batch needs, before anything is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use redb::ReadableTable;

use super::batch::{Append, Batch, Horizon, Reach};
use super::bodies;
use super::error::StoreError;
use super::index::{Change, Index, Numbered};
use super::keyring::Keyring;
use super::rows::LogRow;
use super::tables::Value;
use crate::domain::log::{Head, Log};
use crate::domain::retraction::Retraction;
use crate::domain::space::Space;
use crate::domain::time::Day;

/// The writer's plan for one commit.
pub(crate) struct Stage<'a> {
    /// The writer's index; always up to date with what is planned.
    pub(crate) index: &'a mut Index,
    /// The keyring as the commit needs it.
    pub(crate) keyring: Arc<Keyring>,
    /// Whether the keyring differs from its file.
    pub(crate) keyring_changed: bool,
    /// What the commit changes in the index.
    pub(crate) changes: Vec<Change>,
    /// Spaces to seal again, and up to which key.
    pub(crate) reseal: Vec<(Space, u32)>,
    /// Logs on their way out, and up to which key their space's keys go.
    pub(crate) dropped: Vec<(Numbered, u32)>,
    /// Spaces whose attestations go at once.
    pub(crate) forgotten: Vec<Space>,
}

impl<'a> Stage<'a> {
    /// Nothing planned.
    pub(crate) fn new(index: &'a mut Index, keyring: Arc<Keyring>) -> Self {
        Self {
            index,
            keyring,
            keyring_changed: false,
            changes: Vec::new(),
            reseal: Vec::new(),
            dropped: Vec::new(),
            forgotten: Vec::new(),
        }
    }

    /// Refuses a batch whose segments do not follow what is held; changes nothing.
    pub(crate) fn check(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut heads: BTreeMap<Log, Head> = BTreeMap::new();
        for Append { segment, end, .. } in &batch.appends {
            let log = segment.log;
            let held = self
                .index
                .logs
                .get(&log)
                .map_or(Head::EMPTY, |numbered| numbered.row.head);
            let head = *heads.get(&log).unwrap_or(&held);
            let follows = segment.first == head.seq + 1
                && segment.previous == head.hash
                && !segment.entries.is_empty()
                && end.seq == segment.last();
            if !follows {
                let (first, expected) = (segment.first, head.seq + 1);
                return Err(StoreError::Gap {
                    log: Box::new(log),
                    first,
                    expected,
                });
            }
            heads.insert(log, *end);
        }
        Ok(())
    }

    /// Plans horizons. `bodies` tells whether a space has any that its horizon leaves behind.
    pub(crate) fn horizons(
        &mut self,
        horizons: &[Horizon],
        bodies: &impl ReadableTable<(u32, u32, u64), Value>,
    ) -> Result<(), StoreError> {
        for Horizon { reach, first_alive } in horizons {
            match reach {
                Reach::Everywhere if *first_alive > self.index.everywhere => {
                    self.change(Change::Everywhere(*first_alive));
                }
                Reach::Space(space) if *first_alive > self.index.horizon(space) => {
                    self.space_horizon(space, *first_alive, bodies)?;
                }
                Reach::Everywhere | Reach::Space(_) => {}
            }
        }
        Ok(())
    }

    fn space_horizon(
        &mut self,
        space: &Space,
        first_alive: Day,
        bodies: &impl ReadableTable<(u32, u32, u64), Value>,
    ) -> Result<(), StoreError> {
        self.number_space(space);
        self.change(Change::Horizon(*space, first_alive));
        if has_bodies_before(self.index, &self.keyring, space, first_alive, bodies)? {
            self.reseal(space);
        }
        Ok(())
    }

    /// Plans that what stays of a space is sealed under another key, and the ones so far destroyed.
    fn reseal(&mut self, space: &Space) {
        if let Some(newest) = self.keyring.numbers(space).last() {
            self.reseal.push((*space, *newest));
            Arc::make_mut(&mut self.keyring).renew(space);
            self.keyring_changed = true;
        }
    }

    /// Plans retractions. To be called before the segments of the same batch: what those bring along
    /// is not written in the first place.
    pub(crate) fn retract(&mut self, retractions: &[Retraction]) {
        let mut spaces = BTreeSet::new();
        for retraction in retractions {
            let until = retraction.withdrawn.until;
            for entry in retraction.entries() {
                let (log, seq) = (entry.log(), entry.seq);
                let held = self.index.logs.get(&log);
                let on_disk = held.is_some_and(|held| held.row.head.seq >= seq);
                if on_disk && !self.index.retracted.contains_key(&(log, seq)) {
                    spaces.insert(log.space);
                }
                self.change(Change::Retracted { log, seq, until });
            }
        }
        for space in spaces {
            self.number_space(&space);
            self.reseal(&space);
        }
    }

    /// Plans one segment.
    pub(crate) fn append(&mut self, append: &Append) {
        let Append { segment, end, .. } = append;
        let (Some(first), Some(last)) = (segment.entries.first(), segment.entries.last()) else {
            return;
        };
        self.number_space(&segment.log.space);
        let held = self.index.logs.get(&segment.log);
        let number = held.map_or(self.index.next_log, |held| held.number);
        let first_time = held.map_or(first.header.time, |held| held.row.first_time);
        let last_time = last.header.time;
        let row = LogRow {
            log: segment.log,
            head: *end,
            first_time,
            last_time,
        };
        self.change(Change::Log(Numbered { number, row }));
        let alive = self.index.horizon(&segment.log.space);
        for run in bodies::runs(segment.first, &segment.entries) {
            if run.day >= alive && !self.keyring.has(run.day, &segment.log.space) {
                Arc::make_mut(&mut self.keyring).ensure(run.day, &segment.log.space);
                self.keyring_changed = true;
            }
        }
    }

    /// Plans that a space is forgotten.
    pub(crate) fn forget(&mut self, space: &Space) {
        self.forgotten.push(*space);
        let logs: Vec<Numbered> = self.index.logs_of(space).copied().collect();
        let keys_up_to = self.keyring.newest_number();
        for numbered in logs {
            self.change(Change::Gone(numbered));
            self.dropped.push((numbered, keys_up_to));
        }
    }

    /// Makes sure the space has a number.
    pub(crate) fn number_space(&mut self, space: &Space) -> u32 {
        if let Some(number) = self.index.spaces.get(space) {
            return *number;
        }
        let number = self.index.next_space;
        self.change(Change::Space(*space, number));
        number
    }

    fn change(&mut self, change: Change) {
        self.index.apply(&change);
        self.changes.push(change);
    }
}

fn has_bodies_before(
    index: &Index,
    keyring: &Keyring,
    space: &Space,
    first_alive: Day,
    bodies: &impl ReadableTable<(u32, u32, u64), Value>,
) -> Result<bool, StoreError> {
    for day in keyring.days().filter(|day| *day < first_alive) {
        for Numbered { number, .. } in index.logs_of(space) {
            let range = (day.0, *number, 0)..=(day.0, *number, u64::MAX);
            if bodies.range(range)?.next().is_some() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
