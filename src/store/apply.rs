//! Writing a planned commit into the tables.

use std::borrow::Cow;

use redb::{Durability, ReadableTable as _, Table, WriteTransaction};

use super::batch::{Append, Batch, Fork, Meta};
use super::bodies::{self, Place};
use super::error::{StoreError, malformed};
use super::index::{Change, Index, Numbered};
use super::keyring::Keyring;
use super::rows::{self, DroppedRow, ForkRow, ResealRow, SegmentRow};
use super::stage::Stage;
use super::tables::{self, EVERYWHERE, Value};
use crate::domain::attest::{Attestation, Subject};
use crate::domain::codec;
use crate::domain::id::Hash;
use crate::domain::log::Entry;
use crate::domain::retraction::Retraction;
use crate::domain::time::Day;

/// Begins a transaction that is durable once it is committed, and whose file opens at once after a
/// power cut.
pub(crate) fn begin(db: &redb::Database) -> Result<WriteTransaction, StoreError> {
    let mut write = db.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    write.set_quick_repair(true);
    Ok(write)
}

/// Writes the rows of `batch`.
pub(crate) fn rows(
    write: &WriteTransaction,
    index: &mut Index,
    keyring: &Keyring,
    batch: &Batch,
) -> Result<(), StoreError> {
    append_rows(write, index, keyring, &batch.appends)?;
    attestation_rows(write, index, &batch.attestations)?;
    meta_rows(write, &batch.metas)?;
    retraction_rows(write, &batch.retractions)?;
    fork_rows(write, index, &batch.forks)
}

fn append_rows(
    write: &WriteTransaction,
    index: &Index,
    keyring: &Keyring,
    appends: &[Append],
) -> Result<(), StoreError> {
    if appends.is_empty() {
        return Ok(());
    }
    let mut headers = write.open_table(tables::HEADERS)?;
    let mut bodies = write.open_table(tables::BODIES)?;
    for append in appends {
        let log = append.segment.log;
        let number = index.logs.get(&log).map(|numbered| numbered.number);
        let number = number.expect("staging gave the log a number");
        let row = codec::encode(&SegmentRow::of(&append.segment, append.arrived));
        headers.insert((number, append.segment.last()), &row[..])?;
        body_rows(&mut bodies, index, keyring, number, append)?;
    }
    Ok(())
}

fn body_rows(
    table: &mut Table<'_, (u32, u32, u64), Value>,
    index: &Index,
    keyring: &Keyring,
    number: u32,
    append: &Append,
) -> Result<(), StoreError> {
    let space = append.segment.log.space;
    let alive = index.horizon(&space);
    let entries = kept(index, append);
    for run in bodies::runs(append.segment.first, &entries) {
        if run.day < alive {
            continue;
        }
        let place = Place {
            day: run.day,
            log: number,
            first: run.first,
        };
        let (key_number, key) = keyring
            .sealing_key(run.day, &space)
            .expect("staging made sure of both keys");
        let row = bodies::seal(place, key_number, &key, run.entries);
        table.insert(place.key(), &row[..])?;
    }
    Ok(())
}

/// The entries without the bodies that were taken back.
fn kept<'a>(index: &Index, append: &'a Append) -> Cow<'a, [Entry]> {
    let segment = &append.segment;
    let retracted = index.retracted_in(&segment.log);
    let mut entries = Cow::Borrowed(&segment.entries[..]);
    for seq in retracted.range(segment.first..=segment.last()) {
        let at = (seq - segment.first) as usize;
        entries.to_mut()[at].payload = None;
    }
    entries
}

fn retraction_rows(write: &WriteTransaction, retractions: &[Retraction]) -> Result<(), StoreError> {
    if retractions.is_empty() {
        return Ok(());
    }
    let mut table = write.open_table(tables::RETRACTIONS)?;
    for retraction in retractions {
        let row = codec::encode(retraction);
        table.insert(short(&Hash::of("store-retraction/v1", &[&row])), &row[..])?;
    }
    Ok(())
}

/// The first half of a hash as the key of a row.
fn short(hash: &Hash) -> u128 {
    let (key, _) = hash
        .as_bytes()
        .split_first_chunk::<16>()
        .expect("a hash is longer than 16 bytes");
    u128::from_be_bytes(*key)
}

fn attestation_rows(
    write: &WriteTransaction,
    index: &Index,
    attestations: &[Attestation],
) -> Result<(), StoreError> {
    if attestations.is_empty() {
        return Ok(());
    }
    let mut table = write.open_table(tables::ATTESTATIONS)?;
    for attestation in attestations {
        let space = index.spaces.get(&attestation.space);
        let space = *space.expect("staging gave the space a number");
        let key = (space, subject_key(&attestation.subject()));
        let further = match table.get(key)? {
            Some(held) => {
                let held: Attestation = rows::decode("attestations", held.value())?;
                attestation.extent() > held.extent()
            }
            None => true,
        };
        if further {
            table.insert(key, &codec::encode(attestation)[..])?;
        }
    }
    Ok(())
}

/// Tells the subjects of one space apart.
fn subject_key(subject: &Subject) -> u128 {
    let hash = Hash::of(
        "store-subject/v1",
        &[&codec::encode(&(subject.by, subject.log))],
    );
    short(&hash)
}

fn meta_rows(write: &WriteTransaction, metas: &[Meta]) -> Result<(), StoreError> {
    if metas.is_empty() {
        return Ok(());
    }
    let mut table = write.open_table(tables::META)?;
    for Meta { name, value } in metas {
        match value {
            Some(value) => drop(table.insert(&name[..], &value[..])?),
            None => drop(table.remove(&name[..])?),
        }
    }
    Ok(())
}

fn fork_rows(
    write: &WriteTransaction,
    index: &mut Index,
    forks: &[Fork],
) -> Result<(), StoreError> {
    if forks.is_empty() {
        return Ok(());
    }
    let mut table = write.open_table(tables::FORKS)?;
    for Fork { log, proof } in forks {
        let row = ForkRow {
            log: *log,
            proof: proof.clone(),
        };
        table.insert(index.next_fork, &codec::encode(&row)[..])?;
        index.next_fork += 1;
    }
    let mut counters = write.open_table(tables::COUNTERS)?;
    counters.insert(tables::COUNTER_FORK, u64::from(index.next_fork))?;
    Ok(())
}

/// Writes what the plan changes beside the batches' own rows.
pub(crate) fn changes(write: &WriteTransaction, stage: &Stage<'_>) -> Result<(), StoreError> {
    let mut counters = write.open_table(tables::COUNTERS)?;
    for change in &stage.changes {
        match change {
            Change::Log(Numbered { number, row }) => {
                let mut logs = write.open_table(tables::LOGS)?;
                let before = logs.insert(number, &codec::encode(row)[..])?;
                if before.is_none() {
                    counters.insert(tables::COUNTER_LOG, u64::from(stage.index.next_log))?;
                }
            }
            Change::Gone(Numbered { number, .. }) => {
                write.open_table(tables::LOGS)?.remove(number)?;
            }
            Change::Space(space, number) => {
                let mut spaces = write.open_table(tables::SPACES)?;
                spaces.insert(number, &codec::encode(space)[..])?;
                counters.insert(tables::COUNTER_SPACE, u64::from(stage.index.next_space))?;
            }
            Change::Horizon(space, day) => {
                let number = stage
                    .index
                    .spaces
                    .get(space)
                    .ok_or_else(|| malformed("spaces"))?;
                write.open_table(tables::HORIZONS)?.insert(number, day.0)?;
            }
            Change::Everywhere(day) => {
                write
                    .open_table(tables::HORIZONS)?
                    .insert(EVERYWHERE, day.0)?;
                forget_retractions(write, *day)?;
            }
            // Its row was written with the batch.
            Change::Retracted { .. } => {}
        }
    }
    if stage.keyring_changed {
        counters.insert(tables::COUNTER_KEYRING, stage.keyring.generation())?;
    }
    drop(counters);
    reseals(write, stage)?;
    drops(write, stage)
}

/// Removes the retractions of what no longer exists anyway.
fn forget_retractions(write: &WriteTransaction, alive: Day) -> Result<(), StoreError> {
    let mut table = write.open_table(tables::RETRACTIONS)?;
    let mut over = Vec::new();
    for row in table.iter()? {
        let (key, value) = row?;
        let retraction: Retraction = rows::decode("retractions", value.value())?;
        if retraction.withdrawn.until < alive {
            over.push(key.value());
        }
    }
    for key in over {
        table.remove(key)?;
    }
    Ok(())
}

fn reseals(write: &WriteTransaction, stage: &Stage<'_>) -> Result<(), StoreError> {
    for (space, keys_up_to) in &stage.reseal {
        let number = stage
            .index
            .spaces
            .get(space)
            .ok_or_else(|| malformed("spaces"))?;
        let row = codec::encode(&ResealRow {
            keys_up_to: *keys_up_to,
        });
        write.open_table(tables::RESEAL)?.insert(number, &row[..])?;
    }
    Ok(())
}

fn drops(write: &WriteTransaction, stage: &Stage<'_>) -> Result<(), StoreError> {
    for (Numbered { number, row }, keys_up_to) in &stage.dropped {
        let space = row.log.space;
        let dropped = codec::encode(&DroppedRow {
            space,
            keys_up_to: *keys_up_to,
        });
        write
            .open_table(tables::DROPPED)?
            .insert(number, &dropped[..])?;
    }
    for space in &stage.forgotten {
        let Some(space) = stage.index.spaces.get(space) else {
            continue;
        };
        let mut attestations = write.open_table(tables::ATTESTATIONS)?;
        attestations.retain_in((*space, 0)..=(*space, u128::MAX), |_, _| false)?;
    }
    Ok(())
}
