//! What the store keeps in memory: which logs there are and where they end.
//!
//! Small (some hundred bytes for each log), read at the start, and brought up to date after each
//! commit, so that a commit looks nothing up on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use redb::{Database, ReadableDatabase as _, ReadableTable as _};

use super::batch::{Horizon, Reach};
use super::error::StoreError;
use super::rows::{self, LogRow};
use super::tables::{self, EVERYWHERE};
use crate::domain::id::AuthorId;
use crate::domain::log::{Epoch, Log};
use crate::domain::retraction::Retraction;
use crate::domain::space::Space;
use crate::domain::time::Day;

/// A log and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) number: u32,
    pub(crate) row: LogRow,
}

/// All logs, spaces and horizons.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    pub(crate) logs: BTreeMap<Log, Numbered>,
    pub(crate) spaces: BTreeMap<Space, u32>,
    pub(crate) horizons: BTreeMap<Space, Day>,
    pub(crate) everywhere: Day,
    /// Entries that were taken back, until the day on which nothing is left of them anyway.
    pub(crate) retracted: BTreeMap<(Log, u64), Day>,
    pub(crate) next_log: u32,
    pub(crate) next_space: u32,
    pub(crate) next_fork: u32,
}

impl Index {
    /// Reads everything from the tables.
    pub(crate) fn load(db: &Database) -> Result<Self, StoreError> {
        let read = db.begin_read()?;
        let mut index = Self::default();
        for row in read.open_table(tables::LOGS)?.iter()? {
            let (number, value) = row?;
            let row: LogRow = rows::decode("logs", value.value())?;
            index.logs.insert(
                row.log,
                Numbered {
                    number: number.value(),
                    row,
                },
            );
        }
        let mut names = BTreeMap::new();
        for row in read.open_table(tables::SPACES)?.iter()? {
            let (number, value) = row?;
            let space: Space = rows::decode("spaces", value.value())?;
            index.spaces.insert(space, number.value());
            names.insert(number.value(), space);
        }
        for row in read.open_table(tables::HORIZONS)?.iter()? {
            let (number, day) = row?;
            let day = Day(day.value());
            match names.get(&number.value()) {
                Some(space) => drop(index.horizons.insert(*space, day)),
                None if number.value() == EVERYWHERE => index.everywhere = day,
                None => return Err(super::error::malformed("horizons")),
            }
        }
        for row in read.open_table(tables::RETRACTIONS)?.iter()? {
            let retraction: Retraction = rows::decode("retractions", row?.1.value())?;
            for entry in retraction.entries() {
                let key = (entry.log(), entry.seq);
                index.retracted.insert(key, retraction.withdrawn.until);
            }
        }
        let counters = read.open_table(tables::COUNTERS)?;
        let counter = |name| -> Result<u32, StoreError> {
            let value = counters.get(name)?.map_or(1, |value| value.value());
            u32::try_from(value).map_err(|_| super::error::malformed("counters"))
        };
        index.next_log = counter(tables::COUNTER_LOG)?;
        index.next_space = counter(tables::COUNTER_SPACE)?;
        index.next_fork = counter(tables::COUNTER_FORK)?;
        Ok(index)
    }

    /// The first day alive in `space`.
    pub(crate) fn horizon(&self, space: &Space) -> Day {
        self.horizons
            .get(space)
            .map_or(self.everywhere, |day| self.everywhere.max(*day))
    }

    /// The entries of a log that were taken back, by number.
    pub(crate) fn retracted_in(&self, log: &Log) -> BTreeSet<u64> {
        let all = self.retracted.range((*log, 0)..=(*log, u64::MAX));
        all.map(|((_, seq), _)| *seq).collect()
    }

    /// Every horizon that adds something.
    pub(crate) fn all_horizons(&self) -> Vec<Horizon> {
        let everywhere = Horizon {
            reach: Reach::Everywhere,
            first_alive: self.everywhere,
        };
        let ahead = self
            .horizons
            .iter()
            .filter(|(_, day)| **day > self.everywhere);
        let ahead = ahead.map(|(space, day)| Horizon {
            reach: Reach::Space(*space),
            first_alive: *day,
        });
        std::iter::once(everywhere).chain(ahead).collect()
    }

    /// The logs of a space.
    pub(crate) fn logs_of(&self, space: &Space) -> impl Iterator<Item = &Numbered> {
        let first = Log {
            space: *space,
            author: AuthorId::new([0; 32]),
            epoch: Epoch(0),
        };
        let last = Log {
            space: *space,
            author: AuthorId::new([0xff; 32]),
            epoch: Epoch(u64::MAX),
        };
        let range = (Bound::Included(first), Bound::Included(last));
        self.logs.range(range).map(|(_, numbered)| numbered)
    }

    /// Takes a change over.
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Log(numbered) => {
                self.next_log = self.next_log.max(numbered.number + 1);
                self.logs.insert(numbered.row.log, *numbered);
            }
            Change::Gone(numbered) => drop(self.logs.remove(&numbered.row.log)),
            Change::Space(space, number) => {
                self.next_space = self.next_space.max(number + 1);
                self.spaces.insert(*space, *number);
            }
            Change::Horizon(space, day) => drop(self.horizons.insert(*space, *day)),
            Change::Everywhere(day) => {
                self.everywhere = *day;
                self.retracted.retain(|_, until| *until >= *day);
            }
            Change::Retracted { log, seq, until } => {
                self.retracted.insert((*log, *seq), *until);
            }
        }
    }
}

/// One difference between the index before and after a commit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// A log is there or ends elsewhere.
    Log(Numbered),
    /// A log was dropped.
    Gone(Numbered),
    /// A space has a number.
    Space(Space, u32),
    /// A space's own horizon moved.
    Horizon(Space, Day),
    /// The horizon of all spaces moved.
    Everywhere(Day),
    /// An entry was taken back.
    Retracted {
        /// Its log.
        log: Log,
        /// Its number.
        seq: u64,
        /// Until when that matters.
        until: Day,
    },
}
