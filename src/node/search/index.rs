//! Which words stand in which messages.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::ops::Bound;

use crate::domain::log::Log;
use crate::domain::message::{EntryId, Position};
use crate::domain::space::Space;
use crate::domain::time::{Day, Hlc};
use crate::domain::words::{Query, words};

use super::Hits;

/// Most texts in the index; beyond, the older half goes and searches say that they are incomplete.
///
/// A million: five years of a busy clinic, in about 300 MB.
const DOCS_MAX: usize = 1_000_000;

/// One text.
#[derive(Clone, Debug)]
pub(super) struct Doc {
    log: u32,
    seq: u64,
    time: Hlc,
    last_day: Day,
    /// The message that this is another text of.
    target: Option<Box<EntryId>>,
}

impl Doc {
    /// Entry `seq` of a log.
    pub(super) fn new(seq: u64, time: Hlc, last_day: Day, target: Option<EntryId>) -> Self {
        Self {
            log: 0,
            seq,
            time,
            last_day,
            target: target.map(Box::new),
        }
    }
}

/// All texts and their words.
#[derive(Debug)]
pub(super) struct Index {
    logs: Vec<Log>,
    numbers: BTreeMap<Log, u32>,
    /// Up to where each log has been taken in.
    known: BTreeMap<Log, u64>,
    docs: Vec<Doc>,
    words: BTreeMap<Box<str>, Vec<u32>>,
    horizon: Day,
    retracted: usize,
    complete: bool,
    most: usize,
}

impl Default for Index {
    fn default() -> Self {
        Self::with_room_for(DOCS_MAX)
    }
}

impl Index {
    fn with_room_for(most: usize) -> Self {
        Self {
            logs: Vec::new(),
            numbers: BTreeMap::new(),
            known: BTreeMap::new(),
            docs: Vec::new(),
            words: BTreeMap::new(),
            horizon: Day(0),
            retracted: 0,
            complete: true,
            most,
        }
    }

    /// Up to where a log has been taken in.
    pub(super) fn known(&self, log: &Log) -> u64 {
        self.known.get(log).copied().unwrap_or(0)
    }

    /// Notes that a log has been taken in up to a number.
    pub(super) fn note_known(&mut self, log: &Log, seq: u64) {
        self.known.insert(*log, seq);
    }

    /// Takes one text in.
    pub(super) fn put(&mut self, log: &Log, mut doc: Doc, text: &str) {
        if self.docs.len() >= self.most {
            self.make_room();
        }
        doc.log = self.number(log);
        let number = self.docs.len() as u32;
        self.docs.push(doc);
        let mut all = words(text);
        all.sort_unstable();
        all.dedup();
        for word in all {
            match self.words.get_mut(word.as_str()) {
                Some(found) => found.push(number),
                None => drop(self.words.insert(word.into(), vec![number])),
            }
        }
    }

    fn number(&mut self, log: &Log) -> u32 {
        let next = self.logs.len() as u32;
        let logs = &mut self.logs;
        *self.numbers.entry(*log).or_insert_with(|| {
            logs.push(*log);
            next
        })
    }

    /// Looks for words: of each something has to begin with it. Those said last come first.
    pub(super) fn find(
        &self,
        query: &Query,
        spaces: &[Space],
        before: Option<Position>,
        limit: usize,
    ) -> Hits {
        let spaces: BTreeSet<&Space> = spaces.iter().collect();
        let allowed = self.logs.iter().map(|log| spaces.contains(&log.space));
        let allowed: Vec<bool> = allowed.collect();
        let mut newest: BinaryHeap<Reverse<(Position, u32)>> = BinaryHeap::new();
        for number in self.matching(query).numbers() {
            let doc = &self.docs[number as usize];
            if !allowed[doc.log as usize] {
                continue;
            }
            let place = self.position(doc);
            if before.is_some_and(|before| place >= before) {
                continue;
            }
            newest.push(Reverse((place, number)));
            if newest.len() > limit + 1 {
                newest.pop();
            }
        }
        let mut found: Vec<(Position, u32)> = newest.into_iter().map(|Reverse(one)| one).collect();
        found.sort_unstable_by(|one, other| other.cmp(one));
        let more = found.len() > limit;
        found.truncate(limit);
        let mut told = BTreeSet::new();
        let ids = found.iter().map(|(_, number)| self.message(*number));
        Hits {
            ids: ids.filter(|id| told.insert(*id)).collect(),
            more: found.last().filter(|_| more).map(|(place, _)| *place),
            complete: self.complete,
        }
    }

    /// The texts in which every word of a query begins some word.
    fn matching(&self, query: &Query) -> Bits {
        let mut all: Option<Bits> = None;
        for word in query.words() {
            let mut these = Bits::none(self.docs.len());
            let from = (Bound::Included(word.as_str()), Bound::Unbounded);
            let from = self.words.range::<str, _>(from);
            for (_, found) in from.take_while(|(other, _)| other.starts_with(word.as_str())) {
                found.iter().for_each(|number| these.set(*number));
            }
            all = Some(match all {
                Some(before) => before.and(&these),
                None => these,
            });
        }
        all.unwrap_or_else(|| Bits::none(0))
    }

    fn position(&self, doc: &Doc) -> Position {
        let log = &self.logs[doc.log as usize];
        Position {
            time: doc.time,
            author: log.author,
            epoch: log.epoch,
            seq: doc.seq,
        }
    }

    fn message(&self, number: u32) -> EntryId {
        let doc = &self.docs[number as usize];
        match &doc.target {
            Some(target) => **target,
            None => EntryId::new(&self.logs[doc.log as usize], doc.seq),
        }
    }

    /// Forgets what a purge destroyed, what was taken back, and logs that are held no longer.
    pub(super) fn forget(
        &mut self,
        horizon: Day,
        retracted: &BTreeSet<EntryId>,
        held: &BTreeSet<Log>,
    ) {
        let gone: Vec<bool> = self.logs.iter().map(|log| !held.contains(log)).collect();
        let nothing_new = horizon <= self.horizon && retracted.len() == self.retracted;
        if nothing_new && !gone.contains(&true) {
            return;
        }
        (self.horizon, self.retracted) = (horizon, retracted.len());
        let logs = self.logs.clone();
        self.retain(|doc| {
            let id = EntryId::new(&logs[doc.log as usize], doc.seq);
            doc.last_day >= horizon && !retracted.contains(&id) && !gone[doc.log as usize]
        });
        self.known.retain(|log, _| held.contains(log));
        self.forget_logs();
    }

    /// Numbers logs anew, without those that have no text.
    fn forget_logs(&mut self) {
        let before = std::mem::take(&mut self.logs);
        self.numbers.clear();
        for at in 0..self.docs.len() {
            let log = before[self.docs[at].log as usize];
            self.docs[at].log = self.number(&log);
        }
    }

    fn make_room(&mut self) {
        let mut times: Vec<Hlc> = self.docs.iter().map(|doc| doc.time).collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        self.retain(|doc| doc.time > median);
        self.complete = false;
    }

    fn retain(&mut self, keep: impl Fn(&Doc) -> bool) {
        let mut moved: Vec<Option<u32>> = Vec::with_capacity(self.docs.len());
        let mut next = 0;
        for doc in &self.docs {
            let kept = keep(doc);
            moved.push(kept.then_some(next));
            next += u32::from(kept);
        }
        let mut at = moved.iter();
        self.docs.retain(|_| at.next().is_some_and(Option::is_some));
        self.words.retain(|_, found| {
            *found = found
                .iter()
                .filter_map(|number| moved[*number as usize])
                .collect();
            !found.is_empty()
        });
    }
}

/// A set of numbers of texts.
struct Bits(Vec<u64>);

impl Bits {
    fn none(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn set(&mut self, number: u32) {
        self.0[number as usize / 64] |= 1 << (number % 64);
    }

    fn and(mut self, other: &Self) -> Self {
        for (one, other) in self.0.iter_mut().zip(&other.0) {
            *one &= other;
        }
        self
    }

    fn numbers(&self) -> impl Iterator<Item = u32> {
        let blocks = self.0.iter().enumerate().filter(|(_, block)| **block != 0);
        blocks.flat_map(|(at, block)| {
            let bits = (0..64).filter(move |bit| block >> bit & 1 == 1);
            bits.map(move |bit| at as u32 * 64 + bit)
        })
    }
}

#[cfg(test)]
mod tests;
