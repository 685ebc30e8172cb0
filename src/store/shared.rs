//! What the writer and all readers share.

use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use redb::Database;

use super::error::StoreError;
use super::index::Index;
use super::keyring::Keyring;
use super::room::Room;

/// The open store.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) db: Database,
    pub(crate) index: RwLock<Index>,
    pub(crate) room: Room,
    keyring: RwLock<Arc<Keyring>>,
    stopped: OnceLock<String>,
}

impl Shared {
    /// An open store that works.
    pub(crate) fn new(db: Database, index: Index, keyring: Arc<Keyring>, room: Room) -> Self {
        let (index, keyring) = (RwLock::new(index), RwLock::new(keyring));
        Self {
            db,
            index,
            room,
            keyring,
            stopped: OnceLock::new(),
        }
    }

    /// The keys. Held by a reader for the whole of a read, so that no key is destroyed between
    /// finding a row and opening it.
    pub(crate) fn keyring(&self) -> RwLockReadGuard<'_, Arc<Keyring>> {
        self.keyring.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts other keys in place; waits for readers.
    pub(crate) fn set_keyring(&self, keyring: Arc<Keyring>) {
        *self.keyring.write().unwrap_or_else(PoisonError::into_inner) = keyring;
    }

    /// The index as of the last commit.
    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the store has stopped and why; the first reason stays.
    pub(crate) fn stop(&self, error: &StoreError) -> StoreError {
        let reason = self.stopped.get_or_init(|| error.to_string()).clone();
        StoreError::Stopped { reason }
    }

    /// Refuses when the store has stopped.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match self.stopped.get() {
            Some(reason) => Err(StoreError::Stopped {
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }
}
