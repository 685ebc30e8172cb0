//! One secure channel as the engine sees it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::domain::cert::Certificate;
use crate::domain::id::DeviceId;
use crate::domain::log::Log;
use crate::domain::time::WallTime;
use crate::domain::trust::Issuer;

use super::conditions::Telling;
use super::pull::WANTS_MAX;
use super::types::JobId;

/// Most logs that one peer may be sent at once: bounds readings under way.
pub(super) const SENDING_MAX: usize = 8;

/// Most requests of one peer that wait their turn; more is misbehaviour.
pub(super) const QUEUED_MAX: usize = 4096;

/// Most credit one log can gather, in segments.
pub(super) const CREDIT_MAX: u8 = 16;

/// Most logs of one peer that are kept in mind.
///
/// A hundred thousand: years of restarts in every conversation of a large clinic; a peer that invents
/// more costs no more memory than this.
const PEER_LOGS_MAX: usize = 100_000;

/// Most bytes pushed to a peer that it has not yet attested.
///
/// 8 MiB: enough to keep a gigabit link and a slow disk busy; a peer further behind asks for the rest
/// at its own pace.
pub(super) const PUSHED_MAX: usize = 8 * 1024 * 1024;

/// How far the two sides have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The peer's clinic record is not yet level with ours.
    Record,
    /// Everything may be synced.
    All,
    /// The peer used an old mesh key: nothing but the record.
    RecordOnly,
    /// The record here does not know what the peer shows, and may come to: its statements are taken, and
    /// nothing is given.
    Unlisted,
}

/// One open channel.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) peer: DeviceId,
    /// What the peer showed.
    pub(super) certificate: Certificate,
    /// Who vouches for it.
    pub(super) issuer: Issuer,
    pub(super) stage: Stage,
    /// Whether the peer used an old mesh key.
    pub(super) old_mesh_key: bool,
    /// When the channel opened (time since start).
    pub(super) since: Duration,
    /// When anything was last heard (time since start).
    pub(super) heard: Duration,
    /// When anything was last sent.
    pub(super) sent: Duration,
    /// When the peer was last told our clock.
    pub(super) said_time: Duration,
    /// Peer's clock minus ours, in milliseconds; none before its first word.
    pub(super) offset_ms: Option<i64>,
    /// What the peer's clock said, and when that was heard.
    pub(super) clock: Option<(WallTime, Duration)>,
    /// What is known of the peer's logs.
    pub(super) peer_logs: BTreeMap<Log, PeerLog>,
    /// Logs that may be asked of the peer at once.
    pub(super) allowance: usize,
    /// Logs being sent to the peer.
    pub(super) sending: BTreeMap<Log, Sending>,
    /// Requests that wait for one of [`SENDING_MAX`] places.
    pub(super) queued: VecDeque<(Log, u64, u8)>,
    /// What was pushed and not yet attested: log, last number, bytes.
    pub(super) pushed: VecDeque<(Log, u64, usize)>,
    /// Bytes of it.
    pub(super) pushed_bytes: usize,
    /// Digests received so far of a list that comes in several frames.
    pub(super) digests: Vec<crate::wire::SpaceDigest>,
    /// A whole list that came before the records were level; looked at once they are.
    pub(super) told: Option<Vec<crate::wire::SpaceDigest>>,
    /// When our own digests were last sent.
    pub(super) compared: Duration,
    /// What both sides told of themselves.
    pub(super) telling: Telling,
}

/// What is known of one log at the peer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PeerLog {
    /// The peer says that it holds up to here.
    pub(super) has: u64,
    /// We have said that we hold up to here.
    pub(super) announced: u64,
    /// We have sent everything up to here.
    pub(super) sent: u64,
}

/// A log on its way to the peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sending {
    /// Next number to read.
    pub(super) next: u64,
    /// Segments that may still be sent.
    pub(super) credit: u8,
    /// The reading under way.
    pub(super) job: Option<JobId>,
}

impl Link {
    /// A channel that has just opened.
    pub(super) fn new(
        certificate: Certificate,
        issuer: Issuer,
        stage: Stage,
        now: Duration,
    ) -> Self {
        Self {
            peer: certificate.device,
            certificate,
            issuer,
            stage,
            old_mesh_key: stage == Stage::RecordOnly,
            since: now,
            heard: now,
            sent: now,
            said_time: now,
            offset_ms: None,
            clock: None,
            peer_logs: BTreeMap::new(),
            allowance: WANTS_MAX,
            sending: BTreeMap::new(),
            queued: VecDeque::new(),
            pushed: VecDeque::new(),
            pushed_bytes: 0,
            digests: Vec::new(),
            told: None,
            compared: now,
            telling: Telling::default(),
        }
    }

    /// A log that was asked of the peer came.
    pub(super) fn note_kept(&mut self) {
        self.allowance = (self.allowance + 1).min(WANTS_MAX);
    }

    /// A log that the peer said it holds, and that was asked of it, did not come in time.
    ///
    /// Places for what is asked for are few and all peers share them. Whoever lists what it does not give
    /// soon keeps one of them, and gets the others back by giving.
    pub(super) fn note_broken(&mut self) {
        self.allowance = (self.allowance / 2).max(1);
    }

    /// What is known of a log at the peer.
    pub(super) fn peer_log(&self, log: &Log) -> PeerLog {
        self.peer_logs.get(log).copied().unwrap_or_default()
    }

    /// Notes that a segment was pushed.
    pub(super) fn note_pushed(&mut self, log: Log, last: u64, bytes: usize) {
        self.pushed.push_back((log, last, bytes));
        self.pushed_bytes += bytes;
    }

    /// Notes that the peer attests a log up to a number: what was pushed of it has arrived.
    pub(super) fn note_attested(&mut self, log: Log, seq: u64) {
        self.note_has(log, seq);
        self.pushed
            .retain(|(pushed, last, _)| *pushed != log || *last > seq);
        self.pushed_bytes = self.pushed.iter().map(|(.., bytes)| bytes).sum();
    }

    /// Notes that the peer holds a log up to a number; of logs beyond [`PEER_LOGS_MAX`] no note is
    /// taken.
    pub(super) fn note_has(&mut self, log: Log, seq: u64) {
        if self.peer_logs.len() >= PEER_LOGS_MAX && !self.peer_logs.contains_key(&log) {
            return;
        }
        let known = self.peer_logs.entry(log).or_default();
        known.has = known.has.max(seq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::AuthorId;
    use crate::domain::log::Epoch;
    use crate::domain::space::Space;
    use crate::domain::testing::{ADMIN, SampleClinic};

    #[test]
    fn a_peer_that_invents_logs_takes_no_more_memory_than_one_that_holds_many() {
        let clinic = SampleClinic::of([]);
        let issuer = Issuer::admin(clinic.admins[ADMIN].id());
        let peer = clinic.draft("ward-2");
        let mut link = Link::new(peer, issuer, Stage::All, Duration::ZERO);
        let log = |epoch| Log {
            space: Space::Record,
            author: AuthorId::new([2; 32]),
            epoch: Epoch(epoch),
        };
        for epoch in 0..PEER_LOGS_MAX as u64 + 10 {
            link.note_has(log(epoch), 1);
        }
        assert_eq!(link.peer_logs.len(), PEER_LOGS_MAX);
        link.note_has(log(0), 2);
        assert_eq!(link.peer_log(&log(0)).has, 2, "what is known goes on");
    }
}
