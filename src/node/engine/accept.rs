//! The receiving side: which entries and attestations are accepted.
//!
//! Everything here is judged alike by every node that has the same clinic record, so that all who
//! are entitled end up with the same logs. What cannot be judged yet is left with the peer and asked
//! for again; what can never be right ends the connection.

use std::sync::Arc;

use crate::domain::attest::{self, Attestation, Word};
use crate::domain::audit::{Actor, Deed, Origin};
use crate::domain::id::AuthorId;
use crate::domain::log::{self, Epoch, Head, Log, Segment, SegmentError};
use crate::domain::message::{EntryId, Message, StaffItem};
use crate::domain::policy::Policy;
use crate::domain::renewal::Renewal;
use crate::domain::retraction::Retraction;
use crate::domain::sign::Signature;
use crate::domain::space::Space;
use crate::domain::statement::Statement;
use crate::domain::time::Day;
use crate::domain::trust::Refusal;
use crate::planted::planted;

use super::holdings::RENEWALS_MAX;
use super::pull::HELD_BACK;
use super::voices::was_in;
use super::{Changed, Effect, Engine, Fork, LinkId};

/// What to do with a segment.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Take it; the head after it.
    Accept(Head),
    /// Nothing in it that is not here.
    Known,
    /// It begins beyond what is held: ask for what lies between.
    Gap,
    /// It cannot be judged yet, or is not for us: ask again later.
    Later,
    /// Its entries are from too far ahead of our clock.
    TooFarAhead,
    /// The peer does not have what it offers; ask another.
    Incomplete,
    /// It contradicts what the author signed before.
    Contradiction,
    /// It can never be right.
    Wrong(SegmentRefusal),
}

/// Why a segment can never be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SegmentRefusal {
    /// Numbers, digests, order or signature.
    Invalid(SegmentError),
    /// The author may not write here.
    NotTheirs,
    /// A body that is not what this space holds.
    Body,
    /// Claims to be kept for longer than any policy allows.
    KeptTooLong,
    /// To be destroyed one day, of what nodes agree on for good.
    NotKept,
    /// More renewals than a node writes between two starts.
    TooManyRenewals,
}

impl Engine {
    /// Entries arrived from a peer.
    pub(super) fn on_entries(&mut self, id: LinkId, segment: Arc<Segment>) {
        let log = segment.log;
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        if segment.first == 0 || segment.entries.is_empty() {
            self.close(id, Refusal::Misbehaved);
            return;
        }
        link.note_has(log, segment.last());
        let segment = Arc::unwrap_or_clone(segment);
        let (verdict, segment) = self.judge(segment);
        match verdict {
            Verdict::Accept(end) => {
                self.append(id, segment, end);
                self.progressed(id, log);
            }
            Verdict::Known => self.progressed(id, log),
            Verdict::Gap => self.ask(log.space),
            Verdict::Later => {
                self.wants.hold_back(log, self.now.mono + HELD_BACK);
            }
            Verdict::TooFarAhead => self.quarantine(log),
            Verdict::Incomplete => self.lacks_bodies(id, log),
            Verdict::Contradiction => {
                let end = segment.end(&self.clinic_id);
                if self.judge_fork(log, end, segment.signature) == Proof::Worthless {
                    self.close(id, Refusal::Misbehaved);
                }
            }
            Verdict::Wrong(_) => self.close(id, Refusal::Misbehaved),
        }
        if log.space == Space::Record {
            self.check_all_stages();
        }
    }

    /// Looks on every link whether the peer's clinic record still keeps the rest waiting.
    pub(super) fn check_all_stages(&mut self) {
        for id in self.links_where(|_| true) {
            self.check_stage(id);
        }
    }

    /// Judges a segment; returns it without what is already held and without what is purged.
    fn judge(&self, mut segment: Segment) -> (Verdict, Segment) {
        let log = segment.log;
        let head = self.holdings.head(&log);
        if let Some(verdict) = self.judge_place(&segment, head) {
            return (verdict, segment);
        }
        let earliest = self
            .holdings
            .log(&log)
            .map_or(crate::domain::time::Hlc(0), |state| state.time);
        if segment.first <= head.seq {
            match segment.clone().after(&self.clinic_id, head) {
                Some(rest) => segment = rest,
                None => return (Verdict::Known, segment),
            }
        }
        if segment.previous != head.hash && !planted!("chain-unchecked") {
            return (Verdict::Contradiction, segment);
        }
        let end = match segment.verify(&self.clinic_id, earliest) {
            Ok(end) => end,
            Err(why) => return (Verdict::Wrong(SegmentRefusal::Invalid(why)), segment),
        };
        if let Some(verdict) = self.judge_times(&segment) {
            return (verdict, segment);
        }
        if self.strip(&mut segment) == Stripped::LacksBodies {
            return (Verdict::Incomplete, segment);
        }
        match self.judge_bodies(&segment) {
            Some(verdict) => (verdict, segment),
            None => (Verdict::Accept(end), segment),
        }
    }

    /// Whether the segment belongs here at all.
    fn judge_place(&self, segment: &Segment, head: Head) -> Option<Verdict> {
        let log = &segment.log;
        if !log.space.is_well_formed() {
            return Some(Verdict::Wrong(SegmentRefusal::NotTheirs));
        }
        if self.is_departing(&log.space) {
            return Some(Verdict::Later);
        }
        if log.space == Space::Record {
            // Any key may sign a log of the record; whether it counts is for the fold. But only those
            // that the record knows are worth keeping.
            if !self.record.takes(log) {
                return Some(Verdict::Later);
            }
        } else if !self.is_for_us(log) || !self.may_be_by(log) {
            return Some(Verdict::Later);
        }
        if self.holdings.log(log).is_some_and(|state| state.forked) {
            return Some(Verdict::Known);
        }
        if self.is_beyond_revocation(segment) {
            return Some(Verdict::Later);
        }
        if self.holdings.is_one_group_too_many(&log.author, &log.space)
            || self.holdings.is_one_renewal_log_too_many(log)
        {
            return Some(Verdict::Later);
        }
        if log.is_of_renewals() && segment.last() > RENEWALS_MAX {
            return Some(Verdict::Wrong(SegmentRefusal::TooManyRenewals));
        }
        if segment.last() < head.seq {
            return Some(Verdict::Known);
        }
        (segment.first > head.seq + 1).then_some(Verdict::Gap)
    }

    /// Whether this node may hold the log's space.
    fn is_for_us(&self, log: &Log) -> bool {
        planted!("holder-takes-anything") || self.record.clinic.may_hold(&self.me, &log.space)
    }

    /// Whether the log's author was ever entitled to write there.
    fn may_be_by(&self, log: &Log) -> bool {
        planted!("writers-unchecked") || self.record.clinic.may_write(&log.author, &log.space)
    }

    /// Whether the segment begins after the end of a revoked device's log.
    fn is_beyond_revocation(&self, segment: &Segment) -> bool {
        let log = &segment.log;
        let Some(at) = self.record.clinic.revoked_at(&log.author) else {
            return false;
        };
        if planted!("revoked-goes-on-writing") {
            return false;
        }
        match self
            .record
            .clinic
            .named_end(&log.author, &log.space, log.epoch)
        {
            Some(end) => segment.first > end,
            None => segment
                .entries
                .first()
                .is_some_and(|entry| entry.header.time.wall() > at),
        }
    }

    fn judge_times(&self, segment: &Segment) -> Option<Verdict> {
        for entry in &segment.entries {
            let ahead = entry.header.time.too_far_ahead(self.now.wall);
            if ahead && !planted!("future-accepted") {
                return Some(Verdict::TooFarAhead);
            }
            let day = entry.header.time.wall().day();
            if entry.header.last_day > Policy::latest_last_day(&segment.log.space, day) {
                return Some(Verdict::Wrong(SegmentRefusal::KeptTooLong));
            }
            // What nodes agree on must not be gone tomorrow for those who start anew.
            let lasts = matches!(segment.log.space, Space::Record | Space::Staff(_));
            if lasts && entry.header.last_day != Day::NEVER {
                return Some(Verdict::Wrong(SegmentRefusal::NotKept));
            }
        }
        None
    }

    /// Removes bodies whose day is over, whoever sends them; says whether a living one is missing.
    fn strip(&self, segment: &mut Segment) -> Stripped {
        let from = self.record.clinic.sees_from(&self.me, &segment.log.space);
        let mut stripped = Stripped::Complete;
        for (seq, entry) in (segment.first..).zip(&mut segment.entries) {
            let alive = entry.header.last_day >= self.horizon || planted!("expired-accepted");
            let for_us = entry.header.time >= from;
            let id = EntryId::new(&segment.log, seq);
            let gone = self.retracted.contains_key(&id) && !planted!("taken-back-accepted");
            if !alive || !for_us || gone {
                entry.payload = None;
            } else if entry.payload.is_none() {
                stripped = Stripped::LacksBodies;
            }
        }
        stripped
    }

    fn judge_bodies(&self, segment: &Segment) -> Option<Verdict> {
        for entry in &segment.entries {
            let Some(payload) = &entry.payload else {
                continue;
            };
            let verdict = self.judge_body(&segment.log, &payload.body);
            if verdict.is_some() {
                return verdict;
            }
        }
        None
    }

    fn judge_body(&self, log: &Log, body: &[u8]) -> Option<Verdict> {
        let wrong = Some(Verdict::Wrong(SegmentRefusal::Body));
        match log.space {
            Space::Record if log.epoch == Epoch::RECORD => Statement::from_body(body)
                .is_err()
                .then_some(Verdict::Wrong(SegmentRefusal::Body)),
            // Judged here and not in the fold: whoever is renewed shows this certificate, and with a
            // signature that does not hold nobody would let that device in again.
            Space::Record => match Renewal::from_body(body) {
                Ok(read) if read.is_signed_by(log.author, &self.clinic_id) => None,
                Ok(_) | Err(_) => wrong,
            },
            Space::Staff(_) => StaffItem::from_body(body)
                .is_err()
                .then_some(Verdict::Wrong(SegmentRefusal::Body)),
            Space::Audit(_) => None,
            Space::Direct(..) | Space::Group(_) | Space::Room(_) => {
                match Message::from_body(&log.space, body) {
                    // The writer's homes may be known there and not here yet.
                    Ok(_) if planted!("speaks-for-anyone") => None,
                    Ok(message) if !self.may_speak_for(log, &message) => Some(Verdict::Later),
                    Ok(Message::Retracted { retraction, .. }) => {
                        self.judge_retraction(log, &retraction)
                    }
                    Ok(_) => None,
                    Err(_) => wrong,
                }
            }
        }
    }

    fn judge_retraction(&self, log: &Log, retraction: &Retraction) -> Option<Verdict> {
        let genuine = retraction.by == log.author && retraction.verify(&self.clinic_id).is_ok();
        if !genuine {
            Some(Verdict::Wrong(SegmentRefusal::Body))
        } else if retraction.is_by_right(&self.record.clinic) {
            None
        } else {
            // The homes of whoever wrote it may be known there and not here yet.
            Some(Verdict::Later)
        }
    }

    /// Whether the log's device was ever a home of the person it writes for, and the person ever in
    /// the conversation.
    fn may_speak_for(&self, log: &Log, message: &Message) -> bool {
        let clinic = &self.record.clinic;
        let staff = message.staff();
        let ever_in = was_in(clinic, &log.space, &staff);
        (ever_in || planted!("speaks-for-outsiders")) && clinic.speaks_for(&log.author, &staff)
    }

    fn append(&mut self, id: LinkId, segment: Segment, end: Head) {
        let log = segment.log;
        let time = segment
            .entries
            .last()
            .map_or(self.clock.last(), |entry| entry.header.time);
        if !planted!("clock-not-observed") {
            self.clock.observe(time);
        }
        let state = self.holdings.log_mut(&log);
        state.tentative = end;
        state.time = time;
        if log.space == Space::Record {
            self.record_arrived(&segment);
        }
        self.note_end(&segment);
        self.take_retractions(&segment);
        self.batch.receive(id, Arc::new(segment), end);
    }

    fn quarantine(&mut self, log: Log) {
        if self.wants.hold_back(log, self.now.mono + HELD_BACK) {
            let space = log.space.id(&self.clinic_id);
            self.note(
                Actor::Node,
                Origin::Mesh,
                Deed::Quarantined {
                    space,
                    author: log.author,
                },
            );
        }
    }

    /// An author's signature stands over a head that is not on the history held here. If it is
    /// genuine, that is a fork: both are kept as proof and the log is accepted no further.
    pub(super) fn judge_fork(&mut self, log: Log, shown: Head, signature: Signature) -> Proof {
        let word = log::held(&log, shown);
        let genuine =
            attest::verify(&self.clinic_id, &log.author, log.space, &word, &signature).is_ok();
        if !genuine {
            return Proof::Worthless;
        }
        if planted!("fork-overlooked") {
            return Proof::Genuine;
        }
        let state = self.holdings.log_mut(&log);
        if state.forked {
            return Proof::Genuine;
        }
        state.forked = true;
        let fork = Fork {
            log,
            held: (state.durable, state.signature),
            shown: (shown, signature),
        };
        self.wants.hold_back(log, self.now.mono);
        self.batch.forks.push(fork);
        let space = log.space.id(&self.clinic_id);
        let deed = Deed::ForkFound {
            space,
            author: log.author,
            epoch: log.epoch,
            seq: shown.seq,
        };
        self.note(Actor::Device(log.author.as_device()), Origin::Mesh, deed);
        self.effects.push_back(Effect::Changed(Changed::Fork(log)));
        Proof::Genuine
    }

    /// Attestations arrived.
    pub(super) fn on_attest(&mut self, id: LinkId, attestations: &[Attestation]) {
        let Some(from) = self.links.get(&id).map(|link| link.peer) else {
            return;
        };
        for attestation in attestations {
            // This node's own word comes from its own disk only: after that disk was put back, what peers
            // remember of it is more than it holds.
            let own = attestation.by == AuthorId::from(self.me);
            if own || !self.holdings.is_news(attestation) || !self.may_attest(attestation) {
                continue;
            }
            let forged = attestation.verify(&self.clinic_id).is_err();
            if forged && !planted!("attestation-unchecked") {
                self.close(id, Refusal::Misbehaved);
                return;
            }
            self.accept_attestation(id, *attestation);
            self.spread(*attestation, Some(from));
        }
    }

    /// Whether the attesting device is one whose word on this space means something here.
    fn may_attest(&self, attestation: &Attestation) -> bool {
        let clinic = &self.record.clinic;
        let space = &attestation.space;
        let held_here = self.holdings.space(space).is_some() && space.is_well_formed();
        let theirs = match space {
            Space::Record | Space::Audit(_) => {
                clinic.devices.contains_key(&attestation.by.as_device())
            }
            Space::Direct(..) | Space::Group(_) | Space::Room(_) | Space::Staff(_) => {
                clinic.may_write(&attestation.by, space)
            }
        };
        // A word on a log that nothing is held of could be about one that does not exist.
        let about = attestation.subject().log;
        let known = about.is_none_or(|(author, epoch)| {
            self.holdings
                .log(&Log {
                    space: *space,
                    author,
                    epoch,
                })
                .is_some()
        });
        held_here && theirs && known
    }

    fn accept_attestation(&mut self, id: LinkId, attestation: Attestation) {
        self.note_enforced(&attestation);
        self.holdings.attest(attestation);
        self.batch.attestations.push(attestation);
        let space = attestation.space;
        match attestation.word {
            Word::Held {
                author,
                epoch,
                head,
            } => {
                let log = Log {
                    space,
                    author,
                    epoch,
                };
                self.note_delivery(id, &attestation, log, head);
                let by = attestation.by;
                let changed = Changed::Receipts {
                    space,
                    by,
                    author,
                    epoch,
                    seq: head.seq,
                };
                self.effects.push_back(Effect::Changed(changed));
            }
            Word::Purged { horizon } => {
                let changed = Changed::PurgeAttested {
                    by: attestation.by,
                    space,
                    horizon,
                };
                self.effects.push_back(Effect::Changed(changed));
            }
        }
    }

    /// What the peer attests it no longer needs; the window for pushing opens again.
    fn note_delivery(&mut self, id: LinkId, attestation: &Attestation, log: Log, head: Head) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        if AuthorId::from(link.peer) != attestation.by {
            return;
        }
        link.note_attested(log, head.seq);
        self.announce(id, log.space);
    }
}

/// Whether the author really signed what contradicts the history held here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// It did: a fork.
    Genuine,
    /// Somebody else did, or nobody.
    Worthless,
}

#[derive(PartialEq, Eq)]
enum Stripped {
    Complete,
    LacksBodies,
}
