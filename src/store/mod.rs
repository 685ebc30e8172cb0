//! The encrypted store: tables, sealing at rest, the keyring, the writer thread, purge.
//!
//! A [`Store`] is one directory with one redb file. What is written together is a [`Batch`], durable
//! as a whole before its caller hears of it. Every page of the file is sealed; bodies are sealed once
//! more under keys that a purge destroys, so that what a purge removed cannot be read even with
//! every key that is left. After a failed write or sync the store refuses everything, because nobody
//! knows what the disk holds: the process has to end and start again.
//!
//! Reads and commits may come from any thread; they block on the disk, so not from an async task.

mod apply;
mod batch;
mod bodies;
mod disk;
mod error;
mod index;
mod keyring;
#[cfg(test)]
mod model;
mod newest;
mod open;
mod pages;
mod purge;
mod read;
pub mod reread;
mod room;
mod rows;
mod seal;
mod shared;
mod slots;
mod staff_slots;
mod stage;
mod tables;
mod versioned;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread::JoinHandle;

use shared::Shared;
use writer::{Command, Done, Writer};

use crate::domain::attest::Attestation;
use crate::domain::id::{ClinicId, Hash};
use crate::domain::log::{Entry, Log, Segment};
use crate::domain::retraction::Retraction;
use crate::domain::sign::Signature;
use crate::domain::space::Space;
use crate::domain::time::{Day, WallTime};
use crate::platform::lock::Lock;

pub use batch::{Append, Batch, Fork, Horizon, Meta, Reach};
pub use error::StoreError;
pub use keyring::KeyringError;
pub use newest::{Held, Position};
pub use open::Options;
pub use read::LogState;
pub use room::RoomLimits;
pub use slots::{Cost, SLOTS_MAX, SlotError, SlotKind, SlotView, Unlock};
pub use staff_slots::{
    STAFF_SLOTS_MAX, SlotOwner, StaffKey, StaffSecret, StaffSlotError, StaffSlots, has_staff_slots,
    plain as plain_name, remove_staff_slots, unlock_by_staff,
};
pub use writer::Purged;

/// One open store. Dropping it finishes what waits and closes the file.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    commands: SyncSender<Command>,
    writer: Option<JoinHandle<()>>,
    staff_slots: Option<StaffSlots>,
    /// Given back after the writer has ended and the file is closed.
    _lock: Option<Lock>,
}

impl Store {
    /// Makes a store in `dir` (made as well when missing) that `unlock` opens.
    pub fn create(dir: &Path, options: &Options, unlock: &Unlock) -> Result<Self, StoreError> {
        Self::start(open::create(dir, options, unlock)?)
    }

    /// Whether there is a store in `dir`, finished or not.
    pub fn exists(dir: &Path) -> bool {
        open::exists(dir)
    }

    /// Closes a store that has just been made in `dir` and takes its files away: what it was made for came
    /// to nothing.
    pub fn discard(mut self, dir: &Path) {
        // Held until the files are gone: nobody else may make a store here in between.
        let lock = self._lock.take();
        drop(self);
        open::discard(dir);
        drop(lock);
    }

    /// Opens the store in `dir`. Checks the whole file; a purge that was interrupted goes on.
    pub fn open(dir: &Path, options: &Options, unlock: &Unlock) -> Result<Self, StoreError> {
        Self::start(open::open(dir, options, unlock)?)
    }

    /// The same with the key that a staff slot gave.
    pub fn open_by_staff(dir: &Path, options: &Options, key: StaffKey) -> Result<Self, StoreError> {
        Self::start(open::open_by_staff(dir, options, key)?)
    }

    /// The staff slots beside it; a store that lies in no directory has none.
    pub fn staff_slots(&self) -> Option<StaffSlots> {
        self.staff_slots.clone()
    }

    fn start(parts: open::Parts) -> Result<Self, StoreError> {
        let open::Parts {
            shared,
            index,
            kek,
            keyring_file,
            lock,
            staff_slots,
        } = parts;
        let (commands, waiting) = mpsc::sync_channel(writer::QUEUE_MAX);
        let writer = Writer::new(Arc::clone(&shared), index, kek, keyring_file, waiting);
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(|| writer.run())?;
        Ok(Self {
            shared,
            commands,
            writer: Some(writer),
            staff_slots,
            _lock: lock,
        })
    }

    /// Writes a batch and returns once it is durable.
    ///
    /// Horizons hold and dropped spaces are gone from every read as of then; the destruction of
    /// their rows follows (see [`Store::purge`]).
    pub fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let (done, outcome) = mpsc::sync_channel(1);
        // A caller that has gone needs no answer.
        self.submit(batch, move |result| drop(done.send(result)))?;
        self.answer(&outcome)
    }

    /// Queues a batch; `done` is called from the writer's thread once it is durable or refused.
    ///
    /// Never blocks: with too many batches waiting, the answer is [`StoreError::Busy`].
    pub fn submit(
        &self,
        batch: Batch,
        done: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.queue(Command::Commit(
            Box::new(batch),
            Done::Durable(Box::new(done)),
        ))
    }

    /// Writes a batch, destroys what lies behind its horizons and in the spaces it drops, and
    /// returns once nothing of it can be read by anyone.
    pub fn purge(&self, batch: Batch) -> Result<Purged, StoreError> {
        let (done, outcome) = mpsc::sync_channel(1);
        // A caller that has gone needs no answer.
        self.submit_purge(batch, move |result| drop(done.send(result)))?;
        self.answer(&outcome)
    }

    /// Queues a purge; `done` is called from the writer's thread once all of it is destroyed.
    ///
    /// Other batches are written in between.
    pub fn submit_purge(
        &self,
        batch: Batch,
        done: impl FnOnce(Result<Purged, StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.queue(Command::Commit(
            Box::new(batch),
            Done::Purged(Box::new(done)),
        ))
    }

    fn queue(&self, command: Command) -> Result<(), StoreError> {
        self.shared.check()?;
        match self.commands.try_send(command) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err(StoreError::Busy {
                waiting: writer::QUEUE_MAX,
            }),
            Err(TrySendError::Disconnected(_)) => Err(self.ended()),
        }
    }

    fn answer<T>(&self, outcome: &mpsc::Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
        outcome.recv().unwrap_or_else(|_| Err(self.ended()))
    }

    fn ended(&self) -> StoreError {
        let reason = "its writer has ended".to_owned();
        self.shared
            .check()
            .err()
            .unwrap_or(StoreError::Stopped { reason })
    }

    /// Whether a message may be accepted: `false` when the disk is nearly full. What must always be
    /// possible (purge, revocation, audit) is written regardless.
    pub fn room_for_messages(&self) -> bool {
        self.shared.room.for_messages()
    }

    /// Takes back the part of the disk that was let go when it ran full, if there is room. Every commit
    /// does so as well. May write as much, so this is not for a thread that others wait for.
    pub fn take_back_reserve(&self) {
        self.shared.room.adjust();
    }

    /// Every log held, and where it ends.
    pub fn logs(&self) -> Result<Vec<LogState>, StoreError> {
        self.shared.check()?;
        Ok(read::logs(&self.shared))
    }

    /// Where a log ends, if it is held.
    pub fn log(&self, log: &Log) -> Result<Option<LogState>, StoreError> {
        self.shared.check()?;
        Ok(read::log(&self.shared, log))
    }

    /// Segments of a log, beginning with the one that holds entry `from`, until they weigh `budget`
    /// bytes; at least one if there is one. Purged bodies are missing from their entries.
    pub fn segments(
        &self,
        log: &Log,
        from: u64,
        budget: usize,
    ) -> Result<Vec<Segment>, StoreError> {
        self.shared.check()?;
        read::segments(&self.shared, log, from, budget)
    }

    /// The same as [`Store::segments`], with when each came to this node.
    pub fn arrived_segments(
        &self,
        log: &Log,
        from: u64,
        budget: usize,
    ) -> Result<Vec<(Segment, WallTime)>, StoreError> {
        self.shared.check()?;
        read::arrived_segments(&self.shared, log, from, budget)
    }

    /// Entry `seq` of a log, if it is held; without its body once that is purged.
    pub fn entry(&self, log: &Log, seq: u64) -> Result<Option<Entry>, StoreError> {
        self.shared.check()?;
        read::entry(&self.shared, log, seq)
    }

    /// The header hash of entry `seq` of a log.
    pub fn hash_at(
        &self,
        clinic: &ClinicId,
        log: &Log,
        seq: u64,
    ) -> Result<Option<Hash>, StoreError> {
        self.shared.check()?;
        read::hash_at(&self.shared, clinic, log, seq)
    }

    /// The author's signature over the newest entry held of a log.
    pub fn head_signature(&self, log: &Log) -> Result<Option<Signature>, StoreError> {
        self.shared.check()?;
        read::head_signature(&self.shared, log)
    }

    /// Up to `limit` entries of a space before `before` (or the end), newest first.
    pub fn newest(
        &self,
        space: &Space,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Vec<Held>, StoreError> {
        self.shared.check()?;
        newest::newest(&self.shared, space, before, limit)
    }

    /// The furthest attestation of each subject in a space.
    pub fn attestations(&self, space: &Space) -> Result<Vec<Attestation>, StoreError> {
        self.shared.check()?;
        read::attestations(&self.shared, space)
    }

    /// The proofs of forks.
    pub fn forks(&self) -> Result<Vec<Fork>, StoreError> {
        self.shared.check()?;
        read::forks(&self.shared)
    }

    /// The retractions of what would otherwise still be alive.
    pub fn retractions(&self) -> Result<Vec<Retraction>, StoreError> {
        self.shared.check()?;
        read::retractions(&self.shared)
    }

    /// One named value.
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.shared.check()?;
        read::meta(&self.shared, name)
    }

    /// The named values whose names begin with `prefix`, in order.
    pub fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.shared.check()?;
        read::metas(&self.shared, prefix)
    }

    /// The first day alive in a space.
    pub fn horizon(&self, space: &Space) -> Result<Day, StoreError> {
        self.shared.check()?;
        Ok(self.shared.index().horizon(space))
    }

    /// Every horizon: the one of all spaces, then those that are ahead of it.
    pub fn horizons(&self) -> Result<Vec<Horizon>, StoreError> {
        self.shared.check()?;
        Ok(self.shared.index().all_horizons())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // A writer that has ended needs no word.
        let _ = self.commands.send(Command::Close);
        if let Some(writer) = self.writer.take() {
            // A writer that panicked said so.
            let _ = writer.join();
        }
    }
}

/// The ways into the store in `dir`.
pub fn key_slots(dir: &Path) -> Result<Vec<SlotView>, StoreError> {
    open::list_slots(dir)
}

/// Whether `unlock` opens the store in `dir`. Takes no lock and reads no contents.
pub fn check_key(dir: &Path, unlock: &Unlock) -> Result<(), StoreError> {
    open::check_key(dir, unlock)
}

/// Lets `other` open the store in `dir` as well; `unlock` must open it.
pub fn add_key_slot(
    dir: &Path,
    cost: Cost,
    unlock: &Unlock,
    other: &Unlock,
) -> Result<u32, StoreError> {
    open::add_slot(dir, cost, unlock, other)
}

/// Takes a way into the store in `dir` away; `unlock` must open it.
pub fn remove_key_slot(dir: &Path, unlock: &Unlock, number: u32) -> Result<(), StoreError> {
    open::remove_slot(dir, unlock, number)
}

#[cfg(test)]
mod tests;
