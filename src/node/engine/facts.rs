//! What is known of a conversation beside its texts: who wrote what when, who opened and
//! acknowledged it, and under which key it was sent.
//!
//! Read from the disk when somebody first asks, kept up to date from there on, and forgotten when a
//! day ends. It never holds what was written.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::domain::id::{AuthorId, StaffId};
use crate::domain::log::{Epoch, Header, Log};
use crate::domain::message::{EntryId, Mark, Message, Position, SendKey};
use crate::domain::retraction::Withdrawn;
use crate::domain::space::Space;
use crate::domain::time::{Day, Hlc};

use super::{JobId, TakenBack};

/// Keys of messages that are kept in mind for each conversation.
///
/// A face tries again within seconds, a page that was closed within days; four thousand messages
/// are more than a room sees in that time.
const KEYS_MAX: usize = 4096;

type LogName = (AuthorId, Epoch);

/// One conversation.
#[derive(Debug)]
pub(super) struct Facts {
    space: Space,
    /// The reading under way; none once everything on the disk is in here.
    loading: Option<JobId>,
    texts: BTreeMap<LogName, BTreeMap<u64, TextFact>>,
    opened: BTreeMap<StaffId, BTreeMap<LogName, u64>>,
    acknowledged: BTreeMap<EntryId, BTreeSet<StaffId>>,
    amendments: BTreeMap<EntryId, BTreeMap<Position, (EntryId, StaffId)>>,
    retracted: BTreeMap<EntryId, TakenBack>,
    keys: BTreeMap<SendKey, EntryId>,
    key_order: VecDeque<SendKey>,
}

/// One text, without its words.
#[derive(Clone, Debug)]
struct TextFact {
    time: Hlc,
    last_day: Day,
    staff: StaffId,
    mentions: Box<[StaffId]>,
}

/// Where a person's openings have to be written, and how long they are of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// What was seen for the first time.
    pub(super) marks: Vec<Mark>,
    /// The last day of anything among it.
    pub(super) last_day: Day,
}

/// What somebody has not seen yet of a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unseen {
    /// How many messages by others.
    pub(super) count: u64,
    /// Whether one of them mentions this person.
    pub(super) mentioned: bool,
    /// The first of them on screen.
    pub(super) first: Option<EntryId>,
    /// When the last of them on screen was written.
    pub(super) newest: Option<Hlc>,
}

impl Facts {
    /// A conversation that is being read from the disk.
    pub(super) fn loading(space: Space, job: JobId) -> Self {
        Self {
            space,
            loading: Some(job),
            texts: BTreeMap::new(),
            opened: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            amendments: BTreeMap::new(),
            retracted: BTreeMap::new(),
            keys: BTreeMap::new(),
            key_order: VecDeque::new(),
        }
    }

    /// Whether everything that is on the disk is in here.
    pub(super) fn is_whole(&self) -> bool {
        self.loading.is_none()
    }

    /// What the disk holds has been read by this job; says whether it was this one that counts.
    pub(super) fn loaded(&mut self, job: JobId) -> bool {
        let ours = self.loading == Some(job);
        if ours {
            self.loading = None;
        }
        ours
    }

    /// Takes note of one entry; once more makes no difference.
    pub(super) fn take(&mut self, id: EntryId, header: &Header, message: Message) {
        let name = (id.author, id.epoch);
        match message {
            Message::Text {
                staff,
                mentions,
                key,
                ..
            } => {
                let fact = TextFact {
                    time: header.time,
                    last_day: header.last_day,
                    staff,
                    mentions: mentions.into(),
                };
                self.texts.entry(name).or_default().insert(id.seq, fact);
                if let Some(key) = key {
                    self.take_key(key, id);
                }
            }
            Message::Opened { staff, marks } => self.open(staff, &marks),
            Message::Acknowledged { staff, entry } => {
                self.acknowledged.entry(entry).or_default().insert(staff);
            }
            Message::Amended { staff, entry, .. } => {
                let place = position(&id, header.time);
                let all = self.amendments.entry(entry).or_default();
                all.insert(place, (id, staff));
            }
            Message::Retracted { retraction, reason } => {
                let Withdrawn { staff, entry, .. } = retraction.withdrawn;
                let time = header.time;
                let told = TakenBack {
                    staff,
                    time,
                    reason,
                };
                // Of two tries at the same time the earlier one is told, in whatever order they came.
                let known = self.retracted.entry(entry).or_insert_with(|| told.clone());
                if time < known.time {
                    *known = told;
                }
            }
        }
    }

    /// Keeps a key in mind; the first message sent under it is the message.
    pub(super) fn take_key(&mut self, key: SendKey, id: EntryId) {
        if self.keys.contains_key(&key) {
            return;
        }
        self.keys.insert(key, id);
        self.key_order.push_back(key);
        if self.key_order.len() > KEYS_MAX
            && let Some(oldest) = self.key_order.pop_front()
        {
            self.keys.remove(&oldest);
        }
    }

    /// The message that was sent under a key.
    pub(super) fn sent_as(&self, key: &SendKey) -> Option<EntryId> {
        self.keys.get(key).copied()
    }

    /// Takes note that somebody saw messages.
    pub(super) fn open(&mut self, staff: StaffId, marks: &[Mark]) {
        let opened = self.opened.entry(staff).or_default();
        for mark in marks {
            let known = opened.entry((mark.author, mark.epoch)).or_default();
            *known = (*known).max(mark.seq);
        }
    }

    /// Where a message stands on screen, if there is such a message.
    pub(super) fn position(&self, id: &EntryId) -> Option<Position> {
        let fact = self.texts.get(&(id.author, id.epoch))?.get(&id.seq)?;
        Some(position(id, fact.time))
    }

    /// Who wrote a message, and the last day on which it may be kept.
    pub(super) fn written(&self, id: &EntryId) -> Option<(StaffId, Day)> {
        let fact = self.texts.get(&(id.author, id.epoch))?.get(&id.seq)?;
        Some((fact.staff, fact.last_day))
    }

    /// The amendments of a message by a person, oldest first.
    pub(super) fn amendments(&self, id: &EntryId, staff: &StaffId) -> Vec<EntryId> {
        let all = self.amendments.get(id);
        let all = all.into_iter().flat_map(BTreeMap::values);
        let theirs = all.filter(|(_, by)| by == staff);
        theirs.map(|(amendment, _)| *amendment).collect()
    }

    /// That a message was taken back, if its writer did so; who wrote it is known only as long as its
    /// body is there.
    pub(super) fn taken_back(&self, id: &EntryId) -> Option<&TakenBack> {
        let told = self.retracted.get(id)?;
        let by_another = self
            .written(id)
            .is_some_and(|(staff, _)| staff != told.staff);
        (!by_another).then_some(told)
    }

    /// Who opened a message.
    pub(super) fn opened_by(&self, id: &EntryId) -> Vec<StaffId> {
        let name = (id.author, id.epoch);
        let saw =
            |opened: &BTreeMap<LogName, u64>| opened.get(&name).is_some_and(|seq| *seq >= id.seq);
        let opened = self.opened.iter().filter(|(_, opened)| saw(opened));
        opened.map(|(staff, _)| *staff).collect()
    }

    /// Who acknowledged a message.
    pub(super) fn acknowledged_by(&self, id: &EntryId) -> Vec<StaffId> {
        let known = self.acknowledged.get(id);
        known.map_or_else(Vec::new, |found| found.iter().copied().collect())
    }

    /// What somebody sees for the first time who sees everything up to a place.
    pub(super) fn seen_up_to(&self, staff: &StaffId, place: &Position) -> Seen {
        let mut seen = Seen {
            marks: Vec::new(),
            last_day: Day(0),
        };
        for (name, texts) in &self.texts {
            let from = self.opened_in(staff, name) + 1;
            let fresh = texts
                .range(from..)
                .map(|(seq, fact)| (self.id(name, *seq), fact))
                .take_while(|(id, fact)| position(id, fact.time) <= *place);
            let (mut last, mut by_others) = (0, false);
            for (id, fact) in fresh {
                last = id.seq;
                by_others |= fact.staff != *staff;
                seen.last_day = seen.last_day.max(fact.last_day);
            }
            let (author, epoch) = *name;
            let mark = Mark {
                author,
                epoch,
                seq: last,
            };
            // One's own words are no news.
            seen.marks.extend(by_others.then_some(mark));
        }
        seen
    }

    /// What somebody has not seen; `end` gives the last number that counts in a log, if there is one.
    pub(super) fn unseen(&self, staff: &StaffId, end: impl Fn(&Log) -> Option<u64>) -> Unseen {
        let mut unseen = Unseen::default();
        let mut first: Option<Position> = None;
        for (name, texts) in &self.texts {
            let from = self.opened_in(staff, name) + 1;
            let end = end(&self.id(name, from).log()).unwrap_or(u64::MAX);
            let fresh = texts.range(from..).take_while(|(seq, _)| **seq <= end);
            for (seq, fact) in fresh.filter(|(_, fact)| fact.staff != *staff) {
                let id = self.id(name, *seq);
                if self.taken_back(&id).is_some() {
                    continue;
                }
                let place = position(&id, fact.time);
                unseen.count += 1;
                unseen.mentioned |= fact.mentions.contains(staff);
                unseen.newest = unseen.newest.max(Some(fact.time));
                if first.is_none_or(|first| place < first) {
                    (first, unseen.first) = (Some(place), Some(id));
                }
            }
        }
        unseen
    }

    /// When the newest message was written.
    pub(super) fn newest(&self) -> Option<Hlc> {
        let newest = |texts: &BTreeMap<u64, TextFact>| texts.values().next_back().map(|f| f.time);
        self.texts.values().filter_map(newest).max()
    }

    fn opened_in(&self, staff: &StaffId, name: &LogName) -> u64 {
        let opened = self.opened.get(staff);
        opened
            .and_then(|opened| opened.get(name).copied())
            .unwrap_or(0)
    }

    fn id(&self, (author, epoch): &LogName, seq: u64) -> EntryId {
        let log = Log {
            space: self.space,
            author: *author,
            epoch: *epoch,
        };
        EntryId::new(&log, seq)
    }
}

/// Where an entry stands on screen.
pub(super) fn position(id: &EntryId, time: Hlc) -> Position {
    Position {
        time,
        author: id.author,
        epoch: id.epoch,
        seq: id.seq,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::RoomId;
    use crate::domain::sign::SigningKey;

    #[test]
    fn the_oldest_key_makes_room_and_the_first_message_under_a_key_stays_the_message() {
        let space = Space::Room(RoomId::new([1; 16]));
        let mut facts = Facts::loading(space, JobId(1));
        let id = |seq| EntryId {
            space,
            author: SigningKey::from_seed(&[1; 32]).id(),
            epoch: Epoch(1),
            seq,
        };
        let key = |number: u64| SendKey::of(&StaffId::new([1; 16]), &number.to_string());
        for number in 0..=KEYS_MAX as u64 {
            facts.take_key(key(number), id(number + 1));
        }
        assert_eq!(facts.sent_as(&key(0)), None);
        assert_eq!(facts.sent_as(&key(1)), Some(id(2)));
        assert_eq!(
            (facts.keys.len(), facts.key_order.len()),
            (KEYS_MAX, KEYS_MAX)
        );
        facts.take_key(key(1), id(9999));
        assert_eq!(facts.sent_as(&key(1)), Some(id(2)));
    }
}
