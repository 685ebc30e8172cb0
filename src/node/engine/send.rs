//! The sending side of sync: what is offered to whom, and what is sent.
//!
//! A peer is offered a space only while it may hold it. The author of a log pushes fresh segments to
//! peers that have everything before; everybody else says that there is more and waits to be asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::attest::Attestation;
use crate::domain::id::{ClinicId, DeviceId, Hash};
use crate::domain::log::{Entry, Head, Log, SEGMENT_BYTES_MAX, SEGMENT_ENTRIES_MAX, Segment};
use crate::domain::message::EntryId;
use crate::domain::purge;
use crate::domain::space::Space;
use crate::domain::time::WallTime;
use crate::domain::trust::Refusal;
use crate::planted::planted;
use crate::wire::{Frame, LIST_MAX, LogHead, SpaceDigest};

use super::link::{CREDIT_MAX, Link, PUSHED_MAX, QUEUED_MAX, SENDING_MAX, Sending, Stage};
use super::{Engine, Job, JobId, LinkId, Load};

/// Most lines of a list of digests that a peer may send: as many spaces as a clinic of a hundred
/// people could make.
pub(super) const DIGESTS_MAX: usize = 16 * LIST_MAX;

/// What an entry costs on the wire beside its body, roughly.
const HEADER_BYTES: usize = 64;

impl Engine {
    /// Whether the peer is to be offered this space on this link.
    pub(super) fn may_offer(&self, link: &Link, space: &Space) -> bool {
        let stage_allows = match link.stage {
            Stage::All => true,
            Stage::Record | Stage::RecordOnly => *space == Space::Record,
            Stage::Unlisted => false,
        };
        // A device that the record does not list yet was let in by its certificate alone: it gets the
        // record, which will tell.
        if planted!("sends-to-anyone") {
            return stage_allows;
        }
        let entitled = *space == Space::Record || self.record.clinic.may_hold(&link.peer, space);
        stage_allows && entitled
    }

    /// Says everything that is held of a space, even if that is nothing.
    pub(super) fn announce_all(&mut self, id: LinkId, space: Space) {
        let heads: Vec<LogHead> = self
            .holdings
            .space(&space)
            .map_or_else(Vec::new, |state| state.heads().collect());
        self.send_heads(id, space, heads);
    }

    /// Says what is held of a space and the peer does not know of.
    pub(super) fn announce(&mut self, id: LinkId, space: Space) {
        let Some(link) = self.links.get(&id) else {
            return;
        };
        let Some(state) = self.holdings.space(&space) else {
            return;
        };
        let unknown = |head: &LogHead| {
            let log = Log {
                space,
                author: head.author,
                epoch: head.epoch,
            };
            let peer = link.peer_log(&log);
            head.head.seq > peer.has.max(peer.announced).max(peer.sent)
        };
        let heads: Vec<LogHead> = state.heads().filter(unknown).collect();
        if !heads.is_empty() {
            self.send_heads(id, space, heads);
        }
    }

    fn send_heads(&mut self, id: LinkId, space: Space, heads: Vec<LogHead>) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        for head in &heads {
            let log = Log {
                space,
                author: head.author,
                epoch: head.epoch,
            };
            let peer = link.peer_logs.entry(log).or_default();
            peer.announced = peer.announced.max(head.head.seq);
        }
        if heads.is_empty() {
            self.send(id, Frame::Heads { space, heads });
            return;
        }
        for chunk in heads.chunks(LIST_MAX) {
            self.send(
                id,
                Frame::Heads {
                    space,
                    heads: chunk.to_vec(),
                },
            );
        }
    }

    /// Sends the digests of every space that both sides may hold.
    pub(super) fn send_spaces(&mut self, id: LinkId) {
        let lines = self.digests_for(id);
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        link.compared = self.now.mono;
        let mut chunks = lines.chunks(LIST_MAX).peekable();
        if chunks.peek().is_none() {
            self.send(
                id,
                Frame::Spaces {
                    digests: Vec::new(),
                    more: false,
                },
            );
            return;
        }
        while let Some(chunk) = chunks.next() {
            let more = chunks.peek().is_some();
            self.send(
                id,
                Frame::Spaces {
                    digests: chunk.to_vec(),
                    more,
                },
            );
        }
    }

    fn digests_for(&mut self, id: LinkId) -> Vec<SpaceDigest> {
        self.offered(id)
            .iter()
            .map(|space| self.holdings.digest(space))
            .collect()
    }

    /// The spaces held that the peer is to be offered.
    fn offered(&self, id: LinkId) -> Vec<Space> {
        let Some(link) = self.links.get(&id) else {
            return Vec::new();
        };
        self.holdings
            .spaces()
            .map(|(space, _)| *space)
            .filter(|space| self.may_offer(link, space))
            .collect()
    }

    /// The peer's digests: what differs is announced in full, with what is attested.
    pub(super) fn on_spaces(&mut self, id: LinkId, digests: Vec<SpaceDigest>, more: bool) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        if matches!(link.stage, Stage::RecordOnly | Stage::Unlisted) {
            return;
        }
        if link.digests.len() + digests.len() > DIGESTS_MAX {
            self.close(id, Refusal::Misbehaved);
            return;
        }
        link.digests.extend(digests);
        if more {
            return;
        }
        link.told = Some(std::mem::take(&mut link.digests));
        if link.stage == Stage::All {
            self.look_at_told(id);
        }
    }

    /// Compares the digests that the peer told with ours.
    pub(super) fn look_at_told(&mut self, id: LinkId) {
        let told = self.links.get_mut(&id).and_then(|link| link.told.take());
        let Some(told) = told else { return };
        // Both lists are as long as a large clinic's: each line is found at once. Of two with one tag the
        // first counts.
        let theirs: BTreeMap<u64, u64> = told
            .iter()
            .rev()
            .map(|line| (line.tag, line.digest))
            .collect();
        for space in self.offered(id) {
            let ours = self.holdings.digest(&space);
            let same = theirs.get(&ours.tag).copied().unwrap_or(0);
            if ours.digest != same {
                self.announce_all(id, space);
                self.send_attestations(id, space);
            }
        }
    }

    fn send_attestations(&mut self, id: LinkId, space: Space) {
        let all: Vec<Attestation> = self
            .holdings
            .space(&space)
            .map_or_else(Vec::new, |state| state.attestations().copied().collect());
        for chunk in all.chunks(LIST_MAX) {
            self.send(
                id,
                Frame::Attest {
                    attestations: chunk.to_vec(),
                },
            );
        }
    }

    /// Sends attestations to everyone connected who may hold the space, but not back where they came
    /// from.
    pub(super) fn spread(&mut self, attestation: Attestation, except: Option<DeviceId>) {
        let mut ids = self.links_where(|link| {
            Some(link.peer) != except
                && link.peer.as_bytes() != attestation.by.as_bytes()
                && self.may_offer(link, &attestation.space)
        });
        if except.is_some() {
            // Passing on somebody else's word: only the log's author waits for it, the others compare
            // digests once a minute.
            let author = attestation
                .subject()
                .log
                .map(|(author, _)| author.as_device());
            ids.retain(|id| self.links.get(id).map(|link| link.peer) == author);
        }
        for id in ids {
            self.send(
                id,
                Frame::Attest {
                    attestations: vec![attestation],
                },
            );
        }
    }

    /// Gives a durable segment to every peer that may have it: at once if this node wrote it (or it is
    /// of the clinic record) and the peer has all before, otherwise by saying that it is there.
    pub(super) fn offer(&mut self, segment: &Arc<Segment>) {
        let log = segment.log;
        let trail = matches!(log.space, Space::Audit(_));
        for id in self.links_where(|link| self.may_offer(link, &log.space)) {
            if !trail && self.can_push(id, segment) {
                self.push(id, segment);
            } else if !trail {
                self.announce(id, log.space);
            }
        }
    }

    fn can_push(&self, id: LinkId, segment: &Segment) -> bool {
        let Some(link) = self.links.get(&id) else {
            return false;
        };
        let ours = segment.log.author.as_device() == self.me || segment.log.space == Space::Record;
        let peer = link.peer_log(&segment.log);
        let level = peer.has.max(peer.sent) + 1 == segment.first;
        let idle = !link.sending.contains_key(&segment.log);
        ours && level && idle && link.pushed_bytes < PUSHED_MAX
    }

    fn push(&mut self, id: LinkId, segment: &Arc<Segment>) {
        let Some(outgoing) = self.for_peer(id, segment.clone()) else {
            return;
        };
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        link.peer_logs.entry(segment.log).or_default().sent = segment.last();
        let bytes = segment.body_bytes() + HEADER_BYTES * segment.entries.len();
        link.note_pushed(segment.log, segment.last(), bytes);
        self.send_entries(id, outgoing);
    }

    /// The segment as this peer may see it: without the bodies from before its people joined.
    ///
    /// `None` if a body that the peer may see is not here to give.
    fn for_peer(&self, id: LinkId, segment: Arc<Segment>) -> Option<Arc<Segment>> {
        let peer = self.links.get(&id)?.peer;
        let from = self.record.clinic.sees_from(&peer, &segment.log.space);
        let horizon = self.horizon;
        // Between the moment a day ends and the destruction of its bodies they are still on the disk.
        let past_for_all = planted!("past-shown-to-newcomers");
        let log = segment.log;
        let withheld = |seq: u64, entry: &Entry| {
            (entry.header.time < from && !past_for_all)
                || entry.header.last_day < horizon
                || self.retracted.contains_key(&EntryId::new(&log, seq))
        };
        let numbered = || (segment.first..).zip(&segment.entries);
        if numbered().any(|(seq, entry)| entry.payload.is_none() && !withheld(seq, entry)) {
            return None;
        }
        if numbered().all(|(seq, entry)| entry.payload.is_none() || !withheld(seq, entry)) {
            return Some(segment);
        }
        let mut cut = Arc::unwrap_or_clone(segment);
        for (seq, entry) in (cut.first..).zip(&mut cut.entries) {
            if withheld(seq, entry) {
                entry.payload = None;
            }
        }
        Some(Arc::new(cut))
    }

    /// A peer asks for a log.
    pub(super) fn on_want(&mut self, id: LinkId, log: Log, from: u64, credit: u8) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        if link.queued.len() >= QUEUED_MAX || from == 0 {
            self.close(id, Refusal::Misbehaved);
            return;
        }
        link.queued.retain(|(queued, ..)| *queued != log);
        link.queued.push_back((log, from, credit.min(CREDIT_MAX)));
        self.start_sending(id);
    }

    /// A peer allows more of a log.
    pub(super) fn on_more(&mut self, id: LinkId, log: Log, credit: u8) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Some(sending) = link.sending.get_mut(&log) else {
            return;
        };
        sending.credit = sending.credit.saturating_add(credit).min(CREDIT_MAX);
        self.read_on(id, log);
    }

    fn start_sending(&mut self, id: LinkId) {
        loop {
            let Some(link) = self.links.get_mut(&id) else {
                return;
            };
            if link.sending.len() >= SENDING_MAX {
                return;
            }
            let Some((log, from, credit)) = link.queued.pop_front() else {
                return;
            };
            let Some(link) = self.links.get(&id) else {
                return;
            };
            if self.may_offer(link, &log.space)
                && let Some(link) = self.links.get_mut(&id)
            {
                link.sending.insert(
                    log,
                    Sending {
                        next: from,
                        credit,
                        job: None,
                    },
                );
                self.read_on(id, log);
            }
        }
    }

    /// Reads the next segments of a log that is being sent, or ends the sending at the log's head.
    fn read_on(&mut self, id: LinkId, log: Log) {
        let durable = self.holdings.durable(&log);
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Some(sending) = link.sending.get(&log).copied() else {
            return;
        };
        if sending.job.is_some() || sending.credit == 0 {
            return;
        }
        if sending.next > durable {
            link.sending.remove(&log);
            let peer = link.peer_logs.entry(log).or_default();
            peer.sent = peer.sent.max(durable);
            self.start_sending(id);
            return;
        }
        let load = Load::Segments {
            log,
            from: sending.next,
            bytes: SEGMENT_BYTES_MAX,
        };
        let job = self.load(Job::Send { link: id, log }, load);
        if let Some(sending) = self
            .links
            .get_mut(&id)
            .and_then(|link| link.sending.get_mut(&log))
        {
            sending.job = job;
        }
    }

    /// Segments to send were read.
    pub(super) fn on_send_loaded(
        &mut self,
        job: JobId,
        id: LinkId,
        log: Log,
        segments: Vec<Segment>,
    ) {
        let sending = self.links.get(&id).and_then(|link| link.sending.get(&log));
        // A peer that asked again while this was read is answered by a later reading.
        let Some(current) = sending.filter(|sending| sending.job == Some(job)) else {
            return;
        };
        let next = current.next;
        let offered = self
            .links
            .get(&id)
            .is_some_and(|link| self.may_offer(link, &log.space));
        let come = self.surely_come(id);
        let merged = offered.then(|| merge(segments, come)).flatten();
        // The first row may begin before what was asked for.
        let merged = merged.and_then(|segment| from_number(segment, &self.clinic_id, next));
        let outgoing = merged.and_then(|segment| self.for_peer(id, Arc::new(segment)));
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Some(sending) = link.sending.get_mut(&log) else {
            return;
        };
        let Some(segment) = outgoing.filter(|segment| segment.first == sending.next) else {
            link.sending.remove(&log);
            self.start_sending(id);
            return;
        };
        *sending = Sending {
            next: segment.last() + 1,
            credit: sending.credit.saturating_sub(1),
            job: None,
        };
        let peer = link.peer_logs.entry(log).or_default();
        peer.sent = peer.sent.max(segment.last());
        self.send_entries(id, segment);
        self.read_on(id, log);
    }

    /// The moment that has come by this node's clock, by what its peers say of theirs, and by what the one
    /// that is to receive something says.
    fn surely_come(&self, id: LinkId) -> WallTime {
        let own = self.now.wall;
        let agreed = purge::confirmed(own, &self.reports()).unwrap_or(own);
        let theirs = self.links.get(&id).and_then(|link| link.clock);
        let theirs = theirs.map(|(said, at)| said.plus(self.now.mono.saturating_sub(at)));
        theirs.map_or(agreed, |theirs| theirs.min(agreed))
    }
}

/// The part of a segment from a number on.
fn from_number(segment: Segment, clinic: &ClinicId, next: u64) -> Option<Segment> {
    if segment.first >= next {
        return Some(segment);
    }
    let before = Head {
        seq: next - 1,
        hash: Hash::ZERO,
    };
    segment.after(clinic, before)
}

/// Joins consecutive segments: the last signature vouches for all, so one is enough on the wire.
///
/// What is too far ahead of the moment that has come for certain is left by itself: the receiver would hold
/// back with it what came before. This node's clock alone does not tell, it may be the one that is ahead. And
/// what is joined once stays joined where it is stored.
pub(super) fn merge(segments: Vec<Segment>, come: WallTime) -> Option<Segment> {
    let mut segments = segments.into_iter();
    let mut merged = segments.next()?;
    let mut bytes = merged.body_bytes();
    for next in segments {
        bytes += next.body_bytes();
        let count = merged.entries.len() + next.entries.len();
        let fits = bytes <= SEGMENT_BYTES_MAX && count <= SEGMENT_ENTRIES_MAX;
        let mut times = next.entries.iter().map(|entry| entry.header.time);
        let ahead = times.any(|time| time.too_far_ahead(come));
        if !fits || ahead || next.first != merged.last() + 1 {
            break;
        }
        merged.entries.extend(next.entries);
        merged.signature = next.signature;
    }
    Some(merged)
}
