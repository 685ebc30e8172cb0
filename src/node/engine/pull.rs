//! The asking side of sync: what is missing, and whom to ask for it.
//!
//! Each log is asked of one peer at a time, so that nothing is sent twice; if that peer does not
//! deliver, another is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::domain::audit::{Actor, Deed, Origin};
use crate::domain::log::{Head, Log};
use crate::domain::space::Space;
use crate::domain::trust::Refusal;
use crate::planted::planted;
use crate::wire::{Frame, LIST_MAX, LogHead};

use super::holdings::LogState;
use super::link::Stage;
use super::{Engine, Job, LinkId, Load};

/// Most logs asked for at once, over all peers: bounds what is on its way to us.
pub(super) const WANTS_MAX: usize = 16;

/// Segments asked for at once; more are allowed as they arrive. With segments of 256 KiB this keeps
/// two megabytes on the way for each log.
const CREDIT: u8 = 8;

/// How long to wait for the next segment before another peer is asked.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long one peer may take for a log before another that has it is asked instead. One that gives a
/// little now and then, and nothing of what matters, shall not keep the log to itself.
const TURN: Duration = Duration::from_secs(60);

/// Most logs that wait for a clock or the record to catch up; and most that a peer had without a body.
const HELD_BACK_MAX: usize = 4096;

/// How long a log is left alone after its next entry could not be accepted yet.
pub(super) const HELD_BACK: Duration = Duration::from_secs(60);

/// What was asked of whom.
#[derive(Debug, Default)]
pub(super) struct Wants {
    open: BTreeMap<Log, Want>,
    held_back: BTreeMap<Log, Duration>,
    /// Who lacked a body of what follows a number of a log, and until when it is not asked for that again.
    lacking: BTreeMap<(LinkId, Log), (u64, Duration)>,
    /// Logs for which there was no room among those asked for; some of them may be complete by now. No more
    /// than are kept in mind of peers.
    waiting: BTreeSet<Log>,
}

#[derive(Clone, Copy, Debug)]
struct Want {
    link: LinkId,
    credit: u8,
    /// The number up to which the log was held when something last came of it.
    reached: u64,
    patience_ends: Duration,
    turn_ends: Duration,
}

impl Wants {
    /// A channel is gone, and with it what was asked there.
    pub(super) fn forget_link(&mut self, id: LinkId) {
        self.open.retain(|_, want| want.link != id);
        self.lacking.retain(|(link, _), _| *link != id);
    }

    /// Leaves a log alone until a moment; says whether it was not already left alone.
    pub(super) fn hold_back(&mut self, log: Log, until: Duration) -> bool {
        self.open.remove(&log);
        if self.held_back.len() >= HELD_BACK_MAX && !self.held_back.contains_key(&log) {
            self.held_back.pop_first();
        }
        self.held_back.insert(log, until).is_none()
    }

    /// Leaves a peer alone with what follows a number of a log, until a moment: it lacks a body there.
    ///
    /// More of the log may be on its way from the same peer. It does not follow what is held here, and
    /// would be a reason to ask again at once, for the same that was just refused.
    fn leave_alone(&mut self, id: LinkId, log: Log, after: u64, until: Duration) {
        if self.lacking.len() >= HELD_BACK_MAX && !self.lacking.contains_key(&(id, log)) {
            self.lacking.pop_first();
        }
        self.lacking.insert((id, log), (after, until));
    }

    fn is_left_alone(&self, id: LinkId, log: &Log, after: u64) -> bool {
        let lacking = self.lacking.get(&(id, *log));
        lacking.is_some_and(|(known, _)| *known == after)
    }

    fn asked_of(&self, id: LinkId) -> usize {
        self.open.values().filter(|want| want.link == id).count()
    }

    /// Lets every log be asked for again, because the record changed.
    pub(super) fn release(&mut self) {
        self.held_back.clear();
        self.lacking.clear();
    }
}

impl Engine {
    /// A peer says what it holds.
    pub(super) fn on_heads(&mut self, id: LinkId, space: Space, heads: &[LogHead]) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        if !space.is_well_formed() {
            self.close(id, Refusal::Misbehaved);
            return;
        }
        let heads: Vec<&LogHead> = heads.iter().filter(|head| head.head.seq > 0).collect();
        for head in &heads {
            link.note_has(
                Log {
                    space,
                    author: head.author,
                    epoch: head.epoch,
                },
                head.head.seq,
            );
        }
        for head in &heads {
            self.compare(id, space, head);
        }
        if space == Space::Record {
            self.check_stage(id);
        }
        self.ask(space);
        let offer = self
            .links
            .get(&id)
            .is_some_and(|link| self.may_offer(link, &space));
        if offer {
            self.announce(id, space);
        } else if !self.is_unlisted(id) {
            self.vouch(id, space, &heads);
        }
    }

    /// Tells a peer that may no longer hold a space which of its logs are safe here, so that it can
    /// destroy them.
    fn vouch(&mut self, id: LinkId, space: Space, shown: &[&LogHead]) {
        if !self.record.clinic.may_hold(&self.me, &space) {
            return;
        }
        let logs = shown.iter().map(|head| (head.author, head.epoch)).collect();
        let attestations = self.holdings.words_of(&space, &self.me, &logs);
        for chunk in attestations.chunks(LIST_MAX) {
            let attestations = chunk.to_vec();
            self.send(id, Frame::Attest { attestations });
        }
    }

    /// Looks whether a head that a peer shows lies on the history held here.
    fn compare(&mut self, id: LinkId, space: Space, shown: &LogHead) {
        let log = Log {
            space,
            author: shown.author,
            epoch: shown.epoch,
        };
        let held = self.holdings.head(&log);
        if log.author.as_device() == self.me && shown.head.seq > held.seq {
            self.find_rollback(&log, shown);
        }
        if shown.head.seq == held.seq {
            self.on_compared(id, log, shown, Some(held.hash));
        } else if shown.head.seq < held.seq && shown.head.seq > 0 {
            let load = Load::HashAt {
                log,
                seq: shown.head.seq,
            };
            if shown.head.seq <= self.holdings.durable(&log) {
                self.load(
                    Job::Compare {
                        link: id,
                        log,
                        shown: *shown,
                    },
                    load,
                );
            }
        }
    }

    /// The hash held at a number that a peer showed is known.
    pub(super) fn on_compared(
        &mut self,
        _id: LinkId,
        log: Log,
        shown: &LogHead,
        held: Option<crate::domain::id::Hash>,
    ) {
        if held.is_some_and(|held| held != shown.head.hash) {
            self.judge_fork(log, shown.head, shown.signature);
        }
    }

    /// This node's own log is longer elsewhere: the disk was put back to an older state.
    ///
    /// Nothing breaks, because every start writes in an epoch of its own; but it must be known.
    fn find_rollback(&mut self, log: &Log, shown: &LogHead) {
        let word = crate::domain::log::held(log, shown.head);
        let genuine = crate::domain::attest::verify(
            &self.clinic_id,
            &log.author,
            log.space,
            &word,
            &shown.signature,
        );
        let asked_already = self.wants.open.contains_key(log);
        if genuine.is_ok() && !asked_already {
            let space = log.space.id(&self.clinic_id);
            let deed = Deed::RollbackFound {
                space,
                epoch: log.epoch,
                seq: shown.head.seq,
            };
            self.note(Actor::Node, Origin::Mesh, deed);
        }
    }

    /// Moves a link on when its peer's clinic record holds nothing that this node lacks.
    pub(super) fn check_stage(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else {
            return;
        };
        let level = link
            .peer_logs
            .iter()
            .filter(|(log, _)| log.space == Space::Record)
            .all(|(log, peer)| self.is_settled(log, peer.has));
        if link.stage == Stage::Record && level {
            if let Some(link) = self.links.get_mut(&id) {
                link.stage = Stage::All;
            }
            self.send_spaces(id);
            self.look_at_told(id);
        }
    }

    fn is_settled(&self, log: &Log, has: u64) -> bool {
        self.holdings
            .log(log)
            .is_some_and(|state| state.is_over() || state.tentative.seq >= has)
            || has == 0
            || self.wants.held_back.contains_key(log)
    }

    /// Asks for whatever is missing of a space.
    pub(super) fn ask(&mut self, space: Space) {
        if space != Space::Record && !self.record.clinic.may_hold(&self.me, &space) {
            return;
        }
        let mut logs: Vec<Log> = Vec::new();
        for link in self.links.values() {
            let first = Log {
                space,
                author: crate::domain::id::AuthorId::new([0; 32]),
                epoch: crate::domain::log::Epoch(0),
            };
            let of_space = link
                .peer_logs
                .range(first..)
                .take_while(|(log, _)| log.space == space);
            logs.extend(of_space.map(|(log, _)| *log));
        }
        logs.sort_unstable();
        logs.dedup();
        for log in logs {
            self.ask_for(log);
        }
    }

    fn ask_for(&mut self, log: Log) {
        if self.wants.open.contains_key(&log) || self.wants.held_back.contains_key(&log) {
            return;
        }
        let head = self.holdings.head(&log);
        if self.holdings.log(&log).is_some_and(LogState::is_over) {
            return;
        }
        let Some(link) = self.best_source(&log, head, None) else {
            return;
        };
        if self.wants.open.len() >= WANTS_MAX {
            self.wants.waiting.insert(log);
            return;
        }
        self.ask_at(link, log, head);
    }

    fn ask_at(&mut self, link: LinkId, log: Log, head: Head) {
        let want = Want {
            link,
            credit: CREDIT,
            reached: head.seq,
            patience_ends: self.now.mono + PATIENCE,
            turn_ends: self.now.mono + TURN,
        };
        self.wants.open.insert(log, want);
        self.send(
            link,
            Frame::Want {
                log,
                from: head.seq + 1,
                credit: CREDIT,
            },
        );
    }

    /// The author itself if it is connected, else whoever has most; nobody of whom enough is asked already.
    fn best_source(&self, log: &Log, head: Head, but: Option<LinkId>) -> Option<LinkId> {
        let able = self.links.iter().filter(|(id, link)| {
            Some(**id) != but
                && link.peer_log(log).has > head.seq
                && (link.stage == Stage::All || log.space == Space::Record)
                && self.wants.asked_of(**id) < link.allowance
                && !self.wants.is_left_alone(**id, log, head.seq)
        });
        let rank = |link: &super::link::Link| {
            (
                link.peer.as_bytes() == log.author.as_bytes(),
                link.peer_log(log).has,
            )
        };
        able.max_by_key(|(_, link)| rank(link)).map(|(id, _)| *id)
    }

    /// A segment of a log was accepted: the peer may send more, or the asking is over.
    pub(super) fn progressed(&mut self, id: LinkId, log: Log) {
        let head = self.holdings.head(&log);
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let has = link.peer_log(&log).has;
        let Some(want) = self.wants.open.get_mut(&log).filter(|want| want.link == id) else {
            return;
        };
        // What is here already is no progress, however often it comes.
        if head.seq > want.reached {
            want.reached = head.seq;
            want.patience_ends = self.now.mono + PATIENCE;
        }
        want.credit = want.credit.saturating_sub(1);
        if head.seq >= has {
            self.wants.open.remove(&log);
            link.note_kept();
            // Another peer may have more of it.
            self.wants.waiting.insert(log);
            self.ask_waiting();
        } else if want.credit <= CREDIT / 2 {
            let more = CREDIT - want.credit;
            want.credit = CREDIT;
            self.send(id, Frame::More { log, credit: more });
        }
    }

    /// A peer lacks a body of what it claimed to have: others are asked, and it not for a while.
    pub(super) fn lacks_bodies(&mut self, id: LinkId, log: Log) {
        let until = self.now.mono + HELD_BACK;
        let after = self.holdings.head(&log).seq;
        self.wants.leave_alone(id, log, after, until);
        self.give_up(id, log);
        self.ask_next();
    }

    /// Gives up asking a peer for a log: what it claimed to have does not come.
    pub(super) fn give_up(&mut self, id: LinkId, log: Log) {
        self.wants.open.remove(&log);
        let head = self.holdings.head(&log);
        if let Some(peer) = self
            .links
            .get_mut(&id)
            .and_then(|link| link.peer_logs.get_mut(&log))
        {
            peer.has = head.seq;
        }
    }

    /// Once a second: asks others where a peer does not deliver, and takes up what was left alone.
    pub(super) fn retry_wants(&mut self) {
        let now = self.now.mono;
        if planted!("never-asks-again") {
            return;
        }
        let late: Vec<(Log, LinkId)> = self
            .wants
            .open
            .iter()
            .filter(|(_, want)| want.patience_ends <= now)
            .map(|(log, want)| (*log, want.link))
            .collect();
        for (log, id) in &late {
            self.give_up(*id, *log);
            if let Some(link) = self.links.get_mut(id) {
                link.note_broken();
            }
        }
        if late.iter().any(|(log, _)| log.space == Space::Record) {
            self.check_all_stages();
        }
        self.wants.held_back.retain(|_, until| *until > now);
        self.wants.lacking.retain(|_, (_, until)| *until > now);
        self.take_turns();
        self.ask_next();
    }

    /// Asks another peer for a log that one takes long to give, where another has more of it too.
    fn take_turns(&mut self) {
        let now = self.now.mono;
        let open = self.wants.open.iter();
        let over: Vec<(Log, LinkId)> = open
            .filter(|(_, want)| want.turn_ends <= now)
            .map(|(log, want)| (*log, want.link))
            .collect();
        for (log, slow) in over {
            let head = self.holdings.head(&log);
            if let Some(other) = self.best_source(&log, head, Some(slow)) {
                self.ask_at(other, log, head);
            }
        }
    }

    /// Asks for logs that had to wait, as far as there is room.
    ///
    /// With ten thousand logs at twenty peers a look at all of them takes far longer than to receive one: only
    /// [`Engine::ask_next`] looks at all, once a second.
    fn ask_waiting(&mut self) {
        while self.wants.open.len() < WANTS_MAX
            && let Some(log) = self.wants.waiting.pop_first()
        {
            self.ask_for_ours(log);
        }
    }

    /// Asks for a log if this node may hold it.
    fn ask_for_ours(&mut self, log: Log) {
        if log.space == Space::Record || self.record.clinic.may_hold(&self.me, &log.space) {
            self.ask_for(log);
        }
    }

    /// Asks for whatever is missing anywhere.
    pub(super) fn ask_next(&mut self) {
        if self.wants.open.len() >= WANTS_MAX {
            return;
        }
        let mut missing: Vec<Log> = Vec::new();
        for link in self.links.values() {
            let more = link
                .peer_logs
                .iter()
                .filter(|(log, peer)| peer.has > self.holdings.head(log).seq);
            missing.extend(more.map(|(log, _)| *log));
        }
        self.wants.waiting = missing.into_iter().collect();
        self.ask_waiting();
    }
}
