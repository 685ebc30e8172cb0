//! The one thread that writes.
//!
//! Batches wait in a bounded queue; those that wait together are committed together, and each is
//! answered only once it is durable. Between commits the thread purges in small steps. A failed
//! commit or sync stops it for good, because after that nobody knows what the disk holds.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, PoisonError};

use redb::ReadableDatabase as _;

use super::apply;
use super::batch::Batch;
use super::disk::SmallFile;
use super::error::StoreError;
use super::index::Index;
use super::keyring::Keyring;
use super::purge::{Progress, Purge};
use super::seal::Key;
use super::shared::Shared;
use super::stage::Stage;
use super::tables;
use crate::domain::space::Space;

/// Most batches that wait to be written; the node has one under way, the rest is tools and tests.
pub(crate) const QUEUE_MAX: usize = 64;

/// Most bytes of one commit: about 30 ms of writing, so that the next does not wait long.
const COMMIT_BYTES_MAX: usize = 8 << 20;

/// What a purge destroyed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Bodies by space. Those of a purge that a restart interrupted count only from there on.
    pub bodies: BTreeMap<Space, u64>,
}

/// Called with the outcome of a commit.
pub(crate) type OnDurable = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Called with the outcome of a purge.
pub(crate) type OnPurged = Box<dyn FnOnce(Result<Purged, StoreError>) + Send>;

/// Who waits for a batch, and for what.
pub(crate) enum Done {
    /// For it to be durable.
    Durable(OnDurable),
    /// For everything behind its horizons, and every space it drops, to be destroyed.
    Purged(OnPurged),
}

impl Done {
    fn fail(self, error: StoreError) {
        match self {
            Self::Durable(done) => done(Err(error)),
            Self::Purged(done) => done(Err(error)),
        }
    }
}

/// What the writer is asked for.
pub(crate) enum Command {
    /// Write a batch.
    Commit(Box<Batch>, Done),
    /// Finish what waits and end.
    Close,
}

/// The writer's own state.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    index: Index,
    keyring: Arc<Keyring>,
    kek: Key,
    keyring_file: Box<dyn SmallFile>,
    commands: Receiver<Command>,
    purge: Option<Purge>,
    waiting_for_purge: Vec<OnPurged>,
    /// Taken from the queue, to be committed alone.
    held_back: Option<(Box<Batch>, Done)>,
    closing: bool,
}

type Group = Vec<(Box<Batch>, Done)>;

impl Writer {
    /// A writer over an opened store.
    pub(crate) fn new(
        shared: Arc<Shared>,
        index: Index,
        kek: Key,
        keyring_file: Box<dyn SmallFile>,
        commands: Receiver<Command>,
    ) -> Self {
        let keyring = Arc::clone(&shared.keyring());
        let (purge, waiting_for_purge) = (Some(Purge::default()), Vec::new());
        Self {
            shared,
            index,
            keyring,
            kek,
            keyring_file,
            commands,
            purge,
            waiting_for_purge,
            held_back: None,
            closing: false,
        }
    }

    /// Works until told to close or until the disk fails.
    pub(crate) fn run(mut self) {
        match self.serve() {
            Ok(()) => {
                let reason = "it was closed; the purge goes on when it is opened".to_owned();
                self.fail_purges(&StoreError::Stopped { reason });
            }
            Err(error) => self.stop(&error),
        }
    }

    fn serve(&mut self) -> Result<(), StoreError> {
        self.destroy_keys()?;
        loop {
            let group = self.next_group();
            if !group.is_empty() {
                self.commit(group)?;
            } else if self.closing {
                return Ok(());
            } else if self.purge.is_some() {
                self.purge_step()?;
            }
        }
    }

    /// What waits, up to one commit's worth. Blocks only when there is nothing to purge meanwhile.
    ///
    /// A batch that destroys is committed alone: its plan is made from what the tables hold, so
    /// everything before it has to stand there.
    fn next_group(&mut self) -> Group {
        let mut group = Group::new();
        let mut weight = 0;
        while let Some((batch, done)) = self.next_batch(group.is_empty()) {
            if batch.destroys() {
                if group.is_empty() {
                    group.push((batch, done));
                } else {
                    self.held_back = Some((batch, done));
                }
                break;
            }
            weight += batch.weight();
            group.push((batch, done));
            if weight >= COMMIT_BYTES_MAX || group.len() >= QUEUE_MAX {
                break;
            }
        }
        group
    }

    fn next_batch(&mut self, first: bool) -> Option<(Box<Batch>, Done)> {
        if let Some(held_back) = self.held_back.take() {
            return Some(held_back);
        }
        let command = if first && self.purge.is_none() && !self.closing {
            self.commands.recv().map_err(|_| TryRecvError::Disconnected)
        } else {
            self.commands.try_recv()
        };
        match command {
            Ok(Command::Commit(batch, done)) => Some((batch, done)),
            Ok(Command::Close) | Err(TryRecvError::Disconnected) => {
                self.closing = true;
                None
            }
            Err(TryRecvError::Empty) => None,
        }
    }

    fn commit(&mut self, group: Group) -> Result<(), StoreError> {
        self.shared.room.adjust();
        let destroys = group.iter().any(|(batch, _)| batch.destroys());
        let (batches, waiting): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let verdicts = match self.write(&batches) {
            Ok(verdicts) => verdicts,
            Err(error) => {
                let stopped = StoreError::Stopped {
                    reason: error.to_string(),
                };
                waiting
                    .into_iter()
                    .for_each(|done| done.fail(stopped.clone()));
                return Err(error);
            }
        };
        if destroys || waiting.iter().any(|done| matches!(done, Done::Purged(_))) {
            self.purge.get_or_insert_default().look_again();
        }
        for (done, verdict) in waiting.into_iter().zip(verdicts) {
            match (done, verdict) {
                (Done::Durable(done), verdict) => done(verdict),
                (Done::Purged(done), Ok(())) => self.waiting_for_purge.push(done),
                (done @ Done::Purged(_), Err(error)) => done.fail(error),
            }
        }
        if destroys {
            self.destroy_keys()
        } else {
            Ok(())
        }
    }

    /// Writes all batches that follow what is held, in one commit, and says which did.
    fn write(&mut self, batches: &[Box<Batch>]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let Self {
            shared,
            index,
            keyring,
            kek,
            keyring_file,
            ..
        } = self;
        let mut stage = Stage::new(index, Arc::clone(keyring));
        let mut verdicts = Vec::with_capacity(batches.len());
        let mut accepted = Vec::with_capacity(batches.len());
        for batch in batches {
            let verdict = stage.check(batch);
            if verdict.is_ok() {
                plan(&mut stage, batch, shared)?;
                accepted.push(batch);
            }
            verdicts.push(verdict);
        }
        if accepted.is_empty() {
            return Ok(verdicts);
        }
        if stage.keyring_changed {
            let file = Arc::make_mut(&mut stage.keyring).next_generation(kek);
            keyring_file.replace(&file)?;
            *keyring = Arc::clone(&stage.keyring);
            shared.set_keyring(Arc::clone(keyring));
        }
        let write = apply::begin(&shared.db)?;
        for batch in accepted {
            apply::rows(&write, stage.index, &stage.keyring, batch)?;
            batch.drops.iter().for_each(|space| stage.forget(space));
        }
        apply::changes(&write, &stage)?;
        write.commit()?;
        let mut published = shared.index.write().unwrap_or_else(PoisonError::into_inner);
        stage
            .changes
            .iter()
            .for_each(|change| published.apply(change));
        Ok(verdicts)
    }

    /// Destroys the keys that no living body needs: first of all in a purge, and durably.
    fn destroy_keys(&mut self) -> Result<(), StoreError> {
        let mut keyring = Keyring::clone(&self.keyring);
        let mut destroyed = keyring.destroy_days_before(self.index.everywhere);
        for row in super::purge::dropped(&self.shared.db)? {
            destroyed |= keyring.destroy_space_keys(&row.space, row.keys_up_to);
        }
        if destroyed {
            self.set_keyring(keyring)
        } else {
            Ok(())
        }
    }

    fn set_keyring(&mut self, mut keyring: Keyring) -> Result<(), StoreError> {
        self.keyring_file
            .replace(&keyring.next_generation(&self.kek))?;
        self.keyring = Arc::new(keyring);
        self.shared.set_keyring(Arc::clone(&self.keyring));
        Ok(())
    }

    fn purge_step(&mut self) -> Result<(), StoreError> {
        self.shared.room.adjust();
        let Some(purge) = &mut self.purge else {
            return Ok(());
        };
        match purge.step(&self.shared.db, &self.index, &self.keyring)? {
            Progress::More => Ok(()),
            Progress::Resealed(space, keys_up_to) => {
                let mut keyring = Keyring::clone(&self.keyring);
                if keyring.destroy_space_keys(&space, keys_up_to) {
                    self.set_keyring(keyring)?;
                }
                super::purge::resealed(&self.shared.db, &self.index, &space, &self.keyring)
            }
            Progress::Done(purged) => {
                self.purge = None;
                let waiting = std::mem::take(&mut self.waiting_for_purge);
                waiting
                    .into_iter()
                    .for_each(|done| done(Ok(purged.clone())));
                Ok(())
            }
        }
    }

    /// Says why to everyone who waits or will ever ask.
    fn stop(&mut self, error: &StoreError) {
        tracing::error!(%error, "the store has stopped");
        let stopped = self.shared.stop(error);
        self.fail_purges(&stopped);
        if let Some((_, done)) = self.held_back.take() {
            done.fail(stopped.clone());
        }
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Commit(_, done) = command {
                done.fail(stopped.clone());
            }
        }
    }

    fn fail_purges(&mut self, error: &StoreError) {
        let waiting = std::mem::take(&mut self.waiting_for_purge);
        waiting
            .into_iter()
            .for_each(|done| done(Err(error.clone())));
    }
}

fn plan(stage: &mut Stage<'_>, batch: &Batch, shared: &Shared) -> Result<(), StoreError> {
    if !batch.horizons.is_empty() {
        let read = shared.db.begin_read()?;
        stage.horizons(&batch.horizons, &read.open_table(tables::BODIES)?)?;
    }
    stage.retract(&batch.retractions);
    for append in &batch.appends {
        stage.append(append);
    }
    for attestation in &batch.attestations {
        stage.number_space(&attestation.space);
    }
    Ok(())
}
