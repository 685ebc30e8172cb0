//! Looking for words in what this node holds.
//!
//! The index is in memory only, so there is nothing of it to purge from a disk. It catches up with the
//! store when somebody searches and every few seconds in between. It yields candidates; what may be
//! shown is for the engine to judge.

mod index;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::domain::message::{EntryId, Message, Position};
use crate::domain::space::Space;
use crate::domain::words::Query;
use crate::store::{LogState, Reach, Store, StoreError};

use index::{Doc, Index};

/// Bytes read from a log before others may look into the index.
const STEP: usize = 1024 * 1024;

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Hits {
    /// Messages, those said last first.
    pub(super) ids: Vec<EntryId>,
    /// Where to go on, if there is more.
    pub(super) more: Option<Position>,
    /// Whether everything that is held was looked through.
    pub(super) complete: bool,
}

/// The index of one node.
#[derive(Debug, Default)]
pub(super) struct Search {
    index: RwLock<Index>,
    /// Held by whoever brings the index up to date.
    building: Mutex<()>,
    stopped: AtomicBool,
}

impl Search {
    /// Looks for words in some conversations.
    pub(super) fn find(
        &self,
        store: &Store,
        query: &Query,
        spaces: &[Space],
        before: Option<Position>,
        limit: usize,
    ) -> Result<Hits, StoreError> {
        let up_to_date = self.catch_up(store)?;
        let mut hits = self.read().find(query, spaces, before, limit);
        hits.complete &= up_to_date;
        Ok(hits)
    }

    /// Takes in what the store has gained, and forgets what it has lost; says whether that is done or
    /// somebody else is at it.
    pub(super) fn catch_up(&self, store: &Store) -> Result<bool, StoreError> {
        let Ok(_building) = self.building.try_lock() else {
            return Ok(false);
        };
        self.forget(store)?;
        let mut logs = store.logs()?;
        logs.retain(|state| state.log.space.is_conversation());
        // What was said last is looked for first.
        logs.sort_by_key(|state| std::cmp::Reverse(state.last_time));
        for state in &logs {
            self.take(store, state)?;
        }
        Ok(!self.is_stopped())
    }

    /// Ends a catching up that is under way.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn forget(&self, store: &Store) -> Result<(), StoreError> {
        let everywhere = store.horizons()?.into_iter();
        let everywhere = everywhere.filter(|horizon| horizon.reach == Reach::Everywhere);
        let horizon = everywhere.map(|horizon| horizon.first_alive).max();
        let retracted = store.retractions()?;
        let logs = store.logs()?.into_iter().map(|state| state.log).collect();
        let retracted = retracted.iter().flat_map(|one| one.entries()).collect();
        self.write()
            .forget(horizon.unwrap_or_default(), &retracted, &logs);
        Ok(())
    }

    fn take(&self, store: &Store, state: &LogState) -> Result<(), StoreError> {
        loop {
            let from = self.read().known(&state.log) + 1;
            if from > state.head.seq || self.is_stopped() {
                return Ok(());
            }
            let segments = store.segments(&state.log, from, STEP)?;
            let Some(last) = segments.last().map(|segment| segment.last()) else {
                return Ok(());
            };
            let space = state.log.space;
            let mut index = self.write();
            for segment in &segments {
                for (seq, entry) in (segment.first..).zip(&segment.entries) {
                    let payload = entry.payload.as_ref().filter(|_| seq >= from);
                    let message = payload.map(|payload| Message::from_body(&space, &payload.body));
                    let (text, target) = match message {
                        Some(Ok(Message::Text { text, .. })) => (text, None),
                        Some(Ok(Message::Amended { text, entry, .. })) => (text, Some(entry)),
                        _ => continue,
                    };
                    let (time, last_day) = (entry.header.time, entry.header.last_day);
                    let doc = Doc::new(seq, time, last_day, target);
                    index.put(&state.log, doc, &text);
                }
            }
            index.note_known(&state.log, last);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}
