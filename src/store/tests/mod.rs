//! Sentences about the store as a whole.

mod damage;
mod full;
mod open;
mod powerloss;
mod purge;
mod read;
mod scan;
mod write;

use zeroize::Zeroizing;

use super::model::{Image, Machine};
use super::room::Room;
use super::seal::Key;
use super::*;
use crate::domain::attest::Word;
use crate::domain::id::{RoomId, StaffId};
use crate::domain::log::{Entry, Epoch, Head, Payload};
use crate::domain::message::EntryId;
use crate::domain::retraction::{Retraction, Withdrawn};
use crate::domain::sign::SigningKey;
use crate::domain::time::{Hlc, WallTime};

pub(super) const CLINIC: ClinicId = ClinicId::new([9; 32]);

pub(super) const OPTIONS: Options = Options {
    cost: Cost::CHEAP,
    room: RoomLimits {
        reserve: 4096,
        messages: 4096,
        low: 1,
    },
};

pub(super) fn passphrase() -> Unlock {
    Unlock::Passphrase(Zeroizing::new("correct horse".to_owned()))
}

pub(super) fn room(n: u8) -> Space {
    Space::Room(RoomId::new([n; 16]))
}

/// Someone who writes one log.
#[derive(Clone)]
pub(super) struct Author {
    key: SigningKey,
    pub(super) log: Log,
    pub(super) head: Head,
    time: u64,
}

impl Author {
    pub(super) fn new(seed: u8, space: Space) -> Self {
        let key = SigningKey::from_seed(&[seed; 32]);
        let log = Log {
            space,
            author: key.id(),
            epoch: Epoch(5),
        };
        Self {
            key,
            log,
            head: Head::EMPTY,
            time: u64::from(seed),
        }
    }

    pub(super) fn entry(&mut self, last_day: u32, text: &str) -> Entry {
        self.time += 10;
        let payload = Payload {
            salt: [7; 16],
            body: text.as_bytes().to_vec(),
        };
        Entry::new(Hlc::at(WallTime(self.time)), Day(last_day), payload)
    }

    /// One segment with these texts, all to be kept until `last_day`.
    pub(super) fn write(&mut self, last_day: u32, texts: &[String]) -> Append {
        let entries = texts
            .iter()
            .map(|text| self.entry(last_day, text))
            .collect();
        self.sign(entries)
    }

    pub(super) fn sign(&mut self, entries: Vec<Entry>) -> Append {
        let (segment, end) = Segment::sign(&CLINIC, &self.key, self.log, self.head, entries);
        self.head = end;
        Append {
            segment,
            end,
            arrived: WallTime(77),
        }
    }

    /// Takes one of its own entries back.
    pub(super) fn takes_back(&self, seq: u64) -> Retraction {
        let withdrawn = Withdrawn {
            staff: StaffId::new([1; 16]),
            entry: EntryId::new(&self.log, seq),
            amendments: Vec::new(),
            until: Day(13),
        };
        Retraction::sign(&CLINIC, &self.key, withdrawn)
    }

    /// Its word on another's log.
    pub(super) fn holds(&self, other: &Author) -> Attestation {
        let Log {
            author,
            epoch,
            space,
        } = other.log;
        let word = Word::Held {
            author,
            epoch,
            head: other.head,
        };
        Attestation::new(&CLINIC, &self.key, space, word)
    }
}

pub(super) fn texts(from: usize, count: usize) -> Vec<String> {
    (from..from + count)
        .map(|n| format!("text number {n}"))
        .collect()
}

pub(super) fn appending(appends: Vec<Append>) -> Batch {
    Batch {
        appends,
        ..Batch::default()
    }
}

pub(super) fn everywhere(first_alive: u32) -> Batch {
    let horizon = Horizon {
        reach: Reach::Everywhere,
        first_alive: Day(first_alive),
    };
    Batch {
        horizons: vec![horizon],
        ..Batch::default()
    }
}

pub(super) fn in_space(space: Space, first_alive: u32) -> Batch {
    let horizon = Horizon {
        reach: Reach::Space(space),
        first_alive: Day(first_alive),
    };
    Batch {
        horizons: vec![horizon],
        ..Batch::default()
    }
}

pub(super) fn dropping(space: Space) -> Batch {
    Batch {
        drops: vec![space],
        ..Batch::default()
    }
}

/// What can be read of a log: number and text of each entry, none where the body is gone.
pub(super) fn held(store: &Store, log: &Log) -> Vec<(u64, Option<String>)> {
    let segments = store.segments(log, 1, usize::MAX).expect("readable");
    let mut held = Vec::new();
    for segment in &segments {
        segment.verify(&CLINIC, Hlc(0)).expect("as it was signed");
        for (seq, entry) in (segment.first..).zip(&segment.entries) {
            let body = entry.payload.as_ref().map(|payload| payload.body.clone());
            held.push((seq, body.map(|body| String::from_utf8(body).expect("text"))));
        }
    }
    held
}

/// The texts that can be read of a log.
pub(super) fn readable(store: &Store, log: &Log) -> Vec<String> {
    held(store, log)
        .into_iter()
        .filter_map(|(_, text)| text)
        .collect()
}

fn kek() -> Key {
    Key::new([3; 32])
}

fn no_reserve() -> Room {
    let limits = RoomLimits {
        reserve: 0,
        messages: 0,
        low: 0,
    };
    Room::new(limits, "/nowhere/reserve".into(), Box::new(|| Ok(u64::MAX)))
}

pub(super) fn create_on(machine: &Machine) -> Result<Store, StoreError> {
    let small = Box::new(machine.small_file());
    Store::start(super::open::create_on(
        machine.disk(),
        small,
        kek(),
        no_reserve(),
    )?)
}

pub(super) fn open_on(machine: &Machine) -> Result<Store, StoreError> {
    let small = Box::new(machine.small_file());
    Store::start(super::open::open_on(
        machine.disk(),
        small,
        kek(),
        no_reserve(),
    )?)
}

/// The disk of an empty store.
pub(super) fn empty_store() -> Image {
    let machine = Machine::default();
    drop(create_on(&machine).expect("made"));
    machine.image()
}
