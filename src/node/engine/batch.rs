//! Group commit: what is accepted while a commit is under way waits in one batch behind it.
//!
//! When the batch is closed, this node's own entries are chained and signed (one signature for all
//! that one log gained), the audit records of the same acts join them, and what was received is
//! attested, all in one atomic change. Replies, pushes and attestations leave only after it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::Rng as _;

use crate::domain::attest::{Attestation, Word};
use crate::domain::audit::{Actor, AuditRecord, Deed, Origin};
use crate::domain::id::{AuthorId, ClinicId, DeviceId};
use crate::domain::log::{
    self, Entry, Head, Log, Payload, SEGMENT_BYTES_MAX, SEGMENT_ENTRIES_MAX, Segment,
};
use crate::domain::message::EntryId;
use crate::domain::policy::Policy;
use crate::domain::retraction::Retraction;
use crate::domain::sign::SigningKey;
use crate::domain::space::Space;
use crate::domain::time::{AHEAD_MAX, Day};
use crate::domain::trust::MeshKey;
use crate::planted::planted;

use super::{Changed, Commit, CommitId, Effect, Engine, Fork, LinkId, Reply, Ticket};

/// Bytes of bodies in a batch beyond which nothing more is put in until it is written.
///
/// 8 MiB keep a fast disk busy and memory small.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Entries in a batch beyond which nothing more is put in.
const BATCH_ENTRIES_MAX: usize = 16 * 1024;

/// Attestations of others that wait for a commit with something else in it, or for the next tick.
///
/// A commit takes as long for one as for a thousand: answering every message with one would keep the
/// next message waiting.
const WORDS_WAITING_MAX: usize = 1024;

/// What waits for the next commit.
#[derive(Debug, Default)]
pub(super) struct Batch {
    own: BTreeMap<Log, Vec<Entry>>,
    received: Vec<(LinkId, Arc<Segment>, Head)>,
    bytes: usize,
    entries: usize,
    audit: Vec<AuditRecord>,
    pub(super) attestations: Vec<Attestation>,
    pub(super) forks: Vec<Fork>,
    pub(super) mesh_keys: Vec<(u32, MeshKey)>,
    pub(super) horizon: Option<Day>,
    pub(super) drops: Vec<Space>,
    pub(super) retractions: Vec<Arc<Retraction>>,
    /// Devices of which something is to be remembered.
    pub(super) sightings: BTreeSet<DeviceId>,
    replies: Vec<(Ticket, Reply)>,
    /// Channels that are closed once what revokes their peers is durable, with the segment that does.
    pub(super) partings: Vec<(LinkId, DeviceId, Arc<Segment>)>,
    /// Filled when the batch is closed.
    segments: Vec<(Arc<Segment>, Head)>,
    own_words: Vec<(Attestation, Option<LinkId>)>,
}

impl Batch {
    /// Whether there is nothing to write and nobody waits.
    fn is_empty(&self) -> bool {
        self.is_only_words() && self.attestations.is_empty() && self.sightings.is_empty()
    }

    /// Whether there is nothing in it but attestations and sightings.
    fn is_only_words(&self) -> bool {
        self.own.is_empty()
            && self.received.is_empty()
            && self.audit.is_empty()
            && self.forks.is_empty()
            && self.mesh_keys.is_empty()
            && self.horizon.is_none()
            && self.drops.is_empty()
            && self.retractions.is_empty()
            && self.replies.is_empty()
    }

    /// Whether there is nothing in it that anybody waits for: what others attest is true before it is
    /// stored here, and is told again by peers if it is lost.
    fn can_wait(&self) -> bool {
        self.is_only_words()
            && self.own_words.is_empty()
            && self.attestations.len() < WORDS_WAITING_MAX
    }

    /// Whether the batch should be written before anything more is put in.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES_MAX || self.entries >= BATCH_ENTRIES_MAX
    }

    /// Puts in a segment from a peer, whose resulting head is known.
    pub(super) fn receive(&mut self, from: LinkId, segment: Arc<Segment>, end: Head) {
        self.bytes += segment.body_bytes();
        self.entries += segment.entries.len();
        self.received.push((from, segment, end));
    }

    /// Signs, with this device's key, that it durably holds a log up to here.
    pub(super) fn attest(&mut self, clinic: &ClinicId, key: &SigningKey, log: &Log, head: Head) {
        let attestation = Attestation::new(clinic, key, log.space, log::held(log, head));
        self.attestations.push(attestation);
        self.own_words.push((attestation, None));
    }

    /// Puts an audit record before all others.
    pub(super) fn audit_first(&mut self, record: AuditRecord) {
        self.audit.insert(0, record);
    }

    /// Sends a reply once the batch is durable.
    pub(super) fn reply(&mut self, ticket: Ticket, reply: Reply) {
        self.replies.push((ticket, reply));
    }

    /// The spaces in which entries of this node wait.
    pub(super) fn own_spaces(&self) -> impl Iterator<Item = Space> {
        self.own.keys().map(|log| log.space)
    }

    /// Number of entries waiting in one of this node's own logs.
    fn waiting(&self, log: &Log) -> u64 {
        self.own.get(log).map_or(0, |entries| entries.len() as u64)
    }
}

impl Engine {
    /// Appends to one of this node's own logs; the entry's number is final at once.
    pub(super) fn write(&mut self, space: Space, body: Vec<u8>) -> EntryId {
        self.write_lasting(space, body, |by_policy, _| by_policy)
    }

    /// Appends an entry that lives as long as what it is about; `last_day` is told what policy says
    /// and the latest day that anyone accepts.
    pub(super) fn write_lasting(
        &mut self,
        space: Space,
        body: Vec<u8>,
        last_day: impl FnOnce(Day, Day) -> Day,
    ) -> EntryId {
        let log = self.own_log(space);
        let time = self.tick_clock();
        let by_policy = self.record.clinic.policy.last_day(&space, time.wall());
        let last_day = last_day(
            by_policy,
            Policy::latest_last_day(&space, time.wall().day()),
        );
        let mut salt = [0; 16];
        self.rng.fill_bytes(&mut salt);
        self.batch.bytes += body.len();
        self.batch.entries += 1;
        let seq = self.holdings.head(&log).seq + self.batch.waiting(&log) + 1;
        let entry = Entry::new(time, last_day, Payload { salt, body });
        self.batch.own.entry(log).or_default().push(entry);
        EntryId::new(&log, seq)
    }

    /// Puts an audit record into the batch; runs of messages sent become one record.
    pub(super) fn audit(&mut self, record: AuditRecord) {
        if let Some(last) = self.batch.audit.last_mut()
            && extend_run(last, &record)
        {
            return;
        }
        self.batch.audit.push(record);
    }

    /// Hands the batch to the store if none is under way and it is worth a commit.
    pub(super) fn close_batch(&mut self) {
        let due = self.tick || self.stopping.is_some();
        if self.in_flight.is_some() || self.batch.is_empty() || self.batch.can_wait() && !due {
            return;
        }
        let records = std::mem::take(&mut self.batch.audit);
        for record in records {
            self.write(Space::Audit(self.me), record.to_body());
        }
        let sightings = self.kept_sightings();
        let mut batch = std::mem::take(&mut self.batch);
        self.sign_own(&mut batch);
        self.attest_received(&mut batch);
        self.last_commit += 1;
        let id = CommitId(self.last_commit);
        let commit = Commit {
            id,
            segments: batch
                .segments
                .iter()
                .map(|(segment, _)| segment.clone())
                .collect(),
            attestations: batch.attestations.clone(),
            forks: batch.forks.clone(),
            mesh_keys: batch.mesh_keys.clone(),
            horizon: batch.horizon,
            drops: batch.drops.clone(),
            retractions: batch
                .retractions
                .iter()
                .map(|retraction| Retraction::clone(retraction))
                .collect(),
            sightings,
        };
        if planted!("answered-before-durable") {
            for (ticket, reply) in batch.replies.drain(..) {
                self.effects.push_back(Effect::Reply { ticket, reply });
            }
        }
        if planted!("attested-before-durable") {
            for (attestation, from) in &batch.own_words {
                self.tell_own_word(*attestation, *from);
            }
        }
        if planted!("pushed-before-durable") {
            for (segment, _) in &batch.segments {
                self.offer(segment);
            }
        }
        self.in_flight = Some((id, batch));
        self.effects.push_back(Effect::Commit(Box::new(commit)));
    }

    fn sign_own(&mut self, batch: &mut Batch) {
        for (log, entries) in std::mem::take(&mut batch.own) {
            for run in split(entries) {
                let head = self.holdings.head(&log);
                let time = run.last().map(|entry| entry.header.time);
                let (segment, end) = Segment::sign(&self.clinic_id, &self.key, log, head, run);
                let state = self.holdings.log_mut(&log);
                state.tentative = end;
                state.time = time.unwrap_or(state.time);
                batch.segments.push((Arc::new(segment), end));
            }
        }
    }

    /// One *held* attestation for each log that gained entries from elsewhere.
    fn attest_received(&mut self, batch: &mut Batch) {
        let mut heads: BTreeMap<Log, (Head, LinkId)> = BTreeMap::new();
        for (from, segment, end) in std::mem::take(&mut batch.received) {
            heads.insert(segment.log, (end, from));
            batch.segments.push((segment, end));
        }
        for (log, (head, from)) in heads {
            if log.author == AuthorId::from(self.me) {
                continue;
            }
            let word = Word::Held {
                author: log.author,
                epoch: log.epoch,
                head,
            };
            let attestation = Attestation::new(&self.clinic_id, &self.key, log.space, word);
            batch.attestations.push(attestation);
            batch.own_words.push((attestation, Some(from)));
        }
    }

    /// Attests, with the next commit, that a space's bodies are destroyed up to a day.
    pub(super) fn attest_purged(&mut self, space: Space, horizon: Day) {
        let word = Word::Purged { horizon };
        let attestation = Attestation::new(&self.clinic_id, &self.key, space, word);
        if self.holdings.is_news(&attestation) {
            self.batch.attestations.push(attestation);
            self.batch.own_words.push((attestation, None));
        }
    }

    /// A commit is durable: everything that waited for it leaves.
    pub(super) fn on_committed(&mut self, id: CommitId) {
        let Some((expected, batch)) = self.in_flight.take() else {
            return;
        };
        debug_assert_eq!(expected, id, "the store answers commits in order");
        for (segment, end) in &batch.segments {
            self.holdings
                .set_durable(&segment.log, *end, segment.signature);
        }
        for space in &batch.drops {
            self.holdings.drop_space(space);
            let epoch = self.fresh_epoch();
            self.epochs.insert(*space, epoch);
        }
        for (attestation, from) in &batch.own_words {
            self.note_enforced(attestation);
            self.holdings.attest(*attestation);
            self.tell_own_word(*attestation, *from);
        }
        for (segment, _) in &batch.segments {
            self.on_durable(segment);
        }
        for (link, peer, segment) in batch.partings {
            self.part(link, &peer, segment);
        }
        for (ticket, reply) in batch.replies {
            self.reply(ticket, reply);
        }
        if let Some(horizon) = batch.horizon
            && !planted!("bodies-not-destroyed")
        {
            self.effects.push_back(Effect::Purge { horizon });
        }
        self.destroy(&batch.retractions);
        self.finish_stop();
    }

    /// Says our own word to everyone entitled, and to the peer the entries came from.
    fn tell_own_word(&mut self, attestation: Attestation, from: Option<LinkId>) {
        self.spread(attestation, None);
        let Some(link) = from.and_then(|id| self.links.get(&id)) else {
            return;
        };
        if !self.may_offer(link, &attestation.space) && link.stage != super::link::Stage::Unlisted {
            let frame = crate::wire::Frame::Attest {
                attestations: vec![attestation],
            };
            self.effects
                .extend(from.map(|link| Effect::Send { link, frame }));
        }
    }

    fn on_durable(&mut self, segment: &Arc<Segment>) {
        let log = segment.log;
        if log.space == Space::Record && log.author == AuthorId::from(self.me) {
            self.own_renewals_durable(segment);
        }
        self.learn(segment);
        self.note_end(segment);
        self.offer(segment);
        if log.author != AuthorId::from(self.me) {
            let changed = Changed::Stored {
                log,
                seq: segment.last(),
            };
            self.effects.push_back(Effect::Changed(changed));
        }
        self.effects
            .push_back(Effect::Changed(Changed::Space(log.space)));
    }

    /// The record that begins this epoch of the audit trail: it names the end of the one before.
    pub(super) fn started(&self) -> Deed {
        let own = AuthorId::from(self.me);
        let trail = self.holdings.logs_of(&Space::Audit(self.me));
        let last = trail.iter().rfind(|log| log.author == own);
        let head = last.map_or(Head::EMPTY, |log| self.holdings.head(log));
        Deed::NodeStarted {
            previous: last.map(|log| log.epoch),
            seq: head.seq,
            hash: head.hash,
        }
    }

    /// Whether the space is being given up: until that is done nothing is put in.
    pub(super) fn is_departing(&self, space: &Space) -> bool {
        let under_way = self.in_flight.as_ref().map(|(_, batch)| &batch.drops);
        self.batch.drops.contains(space) || under_way.is_some_and(|drops| drops.contains(space))
    }

    /// Answers the command to stop once everything is written.
    fn finish_stop(&mut self) {
        let idle = self.in_flight.is_none() && self.batch.is_empty();
        if idle && let Some(ticket) = self.stopping.take() {
            self.stopped = true;
            self.reply(ticket, Reply::Done);
        }
    }

    pub(super) fn on_stop(&mut self, ticket: Ticket) {
        self.note(Actor::Node, Origin::Inside, Deed::NodeStopped);
        for id in self.links_where(|_| true) {
            self.close(id, crate::domain::trust::Refusal::Stopping);
        }
        self.stopping = Some(ticket);
    }
}

/// Lengthens a record of messages sent by the next number; says whether it could.
fn extend_run(last: &mut AuditRecord, next: &AuditRecord) -> bool {
    let same =
        last.actor == next.actor && last.origin == next.origin && last.outcome == next.outcome;
    let (
        Deed::MessagesSent {
            space, last: end, ..
        },
        Deed::MessagesSent {
            space: where_to,
            first,
            last: to,
        },
    ) = (&mut last.deed, &next.deed)
    else {
        return false;
    };
    if same && space == where_to && *end + 1 == *first {
        *end = *to;
        return true;
    }
    false
}

/// Whether the clock was moved between a run and the entry: what is signed together is held back
/// together, so what was written before must not wait for what was written in the future.
fn jumps(run: &[Entry], entry: &Entry) -> bool {
    let wall = entry.header.time.wall();
    run.last()
        .is_some_and(|last| wall > last.header.time.wall().plus(AHEAD_MAX / 2))
}

/// Splits entries into runs that each fit a segment.
fn split(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut runs: Vec<Vec<Entry>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let size = entry.body_bytes();
        let fits = runs.last().is_some_and(|run| {
            !jumps(run, &entry)
                && run.len() < SEGMENT_ENTRIES_MAX
                && bytes + size <= SEGMENT_BYTES_MAX
        });
        if !fits {
            runs.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(run) = runs.last_mut() {
            run.push(entry);
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::RoomId;
    use crate::domain::testing::SampleClinic;

    #[test]
    fn the_word_of_others_waits_for_company_until_there_is_a_bounded_heap_of_it() {
        let clinic = SampleClinic::of(["front-desk"]);
        let key = &SigningKey::from_seed(&[1; 32]);
        let space = Space::Room(RoomId::new([1; 16]));
        let log = Log {
            space,
            author: key.id(),
            epoch: crate::domain::log::Epoch(1),
        };
        let word = Attestation::new(&clinic.id, key, space, log::held(&log, Head::EMPTY));
        let mut batch = Batch {
            attestations: vec![word; WORDS_WAITING_MAX - 1],
            ..Batch::default()
        };
        assert!(batch.can_wait());
        batch.attestations.push(word);
        assert!(!batch.can_wait(), "it grows without end");
    }
}
