//! What the engine asks of the store, read.

use crate::domain::id::{ClinicId, Hash};
use crate::domain::log::{Entry, Head, Header, Segment};
use crate::domain::message::{EntryId, Message, Position};
use crate::domain::space::Space;
use crate::store::{self, Held, Store, StoreError};

use super::engine::{Candidates, Load, Loaded};
use super::search::Search;

/// Performs one reading; blocks on the disk, so it runs on a thread of its own.
pub(super) fn read(
    store: &Store,
    search: &Search,
    clinic: &ClinicId,
    load: Load,
) -> Result<Loaded, StoreError> {
    Ok(match load {
        Load::Segments { log, from, bytes } => {
            let segments = store.segments(&log, from, bytes)?;
            Loaded::Segments(trim(clinic, from, segments))
        }
        Load::HashAt { log, seq } => Loaded::HashAt(store.hash_at(clinic, &log, seq)?),
        Load::Page {
            space,
            before,
            limit,
        } => {
            let held = store.newest(&space, before.map(store_position), limit)?;
            Loaded::Page(
                held.into_iter()
                    .map(|held| (entry_id(&held), held.entry))
                    .collect(),
            )
        }
        Load::Facts { space } => Loaded::Facts(facts(store, &space)?),
        Load::Search {
            query,
            spaces,
            before,
            limit,
        } => {
            let hits = search.find(store, &query, &spaces, before, limit)?;
            Loaded::Found(Candidates {
                entries: entries(store, hits.ids)?,
                more: hits.more,
                complete: hits.complete,
            })
        }
        Load::Entries { ids } => Loaded::Entries(entries(store, ids)?),
    })
}

/// Drops what stands before the number asked for; a row may begin earlier.
fn trim(clinic: &ClinicId, from: u64, mut segments: Vec<Segment>) -> Vec<Segment> {
    if segments.first().is_some_and(|first| first.first < from) {
        let first = segments.remove(0);
        let seq = from - 1;
        let hash = Hash::ZERO;
        let rest = first.after(clinic, Head { seq, hash });
        if let Some(rest) = rest {
            segments.insert(0, rest);
        }
    }
    segments
}

fn entry_id(held: &Held) -> EntryId {
    EntryId::new(&held.log, held.seq)
}

fn store_position(position: Position) -> store::Position {
    store::Position {
        time: position.time,
        author: position.author,
        epoch: position.epoch,
        seq: position.seq,
    }
}

/// Everything in a conversation, oldest first and without its words.
fn facts(store: &Store, space: &Space) -> Result<Vec<(EntryId, Header, Message)>, StoreError> {
    const STEP: usize = 1024;
    let mut found = Vec::new();
    let mut before = None;
    loop {
        let held = store.newest(space, before, STEP)?;
        let Some(last) = held.last() else {
            found.reverse();
            return Ok(found);
        };
        before = Some(last.position());
        for held in &held {
            let payload = held.entry.payload.as_ref();
            let message = payload.map(|payload| Message::from_body(space, &payload.body));
            if let Some(Ok(message)) = message {
                found.push((entry_id(held), held.entry.header, message.without_words()));
            }
        }
    }
}

fn entries(store: &Store, ids: Vec<EntryId>) -> Result<Vec<(EntryId, Entry)>, StoreError> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let entry = store.entry(&id.log(), id.seq)?;
        found.extend(entry.map(|entry| (id, entry)));
    }
    Ok(found)
}
