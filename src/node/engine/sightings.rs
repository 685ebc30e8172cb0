//! When each node was last heard, and when its word came that it holds a revocation.
//!
//! Kept on the disk, so that a node that starts anew does not forget who has been away since when, nor how
//! long it has been away itself.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::attest::{Attestation, Word};
use crate::domain::condition::Told;
use crate::domain::contact::{self, Contact};
use crate::domain::enforcement::{self, Node};
use crate::domain::id::{AuthorId, DeviceId};
use crate::domain::log::{Epoch, Log};
use crate::domain::sighting::Sighting;
use crate::domain::space::Space;
use crate::domain::statement::StatementId;
use crate::domain::time::{AHEAD_MAX, WallTime};

use super::conditions::takes_part;
use super::link::Stage;
use super::{Engine, LinkId, Now, Reply, Ticket};

/// How often it is written down that a connected node is still heard.
///
/// Ten minutes: a crash costs no more of what was known, and a quiet disk stays quiet.
const KEEP: Duration = Duration::from_secs(10 * 60);

/// What is remembered of the other nodes.
#[derive(Debug)]
pub(super) struct Sightings {
    known: BTreeMap<DeviceId, Sighting>,
    /// When each was last put into a batch (time since start).
    kept: BTreeMap<DeviceId, Duration>,
    /// A moment by both clocks of this machine: since then no less time has passed than the one says that
    /// nobody sets.
    anchor: Now,
}

impl Sightings {
    /// What the store remembers.
    pub(super) fn new(known: Vec<(DeviceId, Sighting)>, now: Now) -> Self {
        // What was noted while a clock was ahead says nothing once it is right: it would count as heard of
        // only just, for as long as the clock was ahead.
        let latest = now.wall.plus(AHEAD_MAX);
        let sober = |(device, mut sighting): (DeviceId, Sighting)| {
            sighting.level = sighting.level.filter(|level| *level <= latest);
            sighting.sober_told(now.wall);
            (device, sighting)
        };
        Self {
            known: known.into_iter().map(sober).collect(),
            kept: BTreeMap::new(),
            anchor: now,
        }
    }

    /// What is remembered of a device.
    pub(super) fn of(&self, device: &DeviceId) -> Sighting {
        self.known.get(device).cloned().unwrap_or_default()
    }

    /// The same, for noting something; the device has to be one that the record lists.
    pub(super) fn of_mut(&mut self, device: DeviceId) -> &mut Sighting {
        self.known.entry(device).or_default()
    }

    /// What a device told of itself.
    pub(super) fn told_of(&self, device: &DeviceId) -> Option<&Told> {
        self.known.get(device)?.told()
    }

    /// What each device told of itself.
    pub(super) fn told(&self) -> BTreeMap<DeviceId, Told> {
        let known = self.known.iter();
        known
            .filter_map(|(device, sighting)| Some((*device, sighting.told()?.clone())))
            .collect()
    }

    /// When each device was last heard.
    pub(super) fn last_heard(&self) -> BTreeMap<DeviceId, WallTime> {
        let known = self.known.iter();
        known
            .filter_map(|(device, sighting)| Some((*device, sighting.last?)))
            .collect()
    }
}

impl Engine {
    /// Something was heard on a channel.
    pub(super) fn sight(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else {
            return;
        };
        let (peer, level) = (link.peer, link.stage == Stage::All);
        let told = { self.sightings.told_of(&peer) }
            .is_some_and(|told| link.telling.confirms(&told.condition) && takes_part(link));
        // Whoever may only explain itself may be a machine that was stolen: the inventory does not call it heard.
        // Only devices that the record lists are remembered: others could be as many as they like.
        if link.stage == Stage::Unlisted || !self.record.clinic.devices.contains_key(&peer) {
            return;
        }
        let now = self.now;
        let sighting = self.sightings.of_mut(peer);
        sighting.last = Some(now.wall);
        if told {
            sighting.confirm(now.wall);
        }
        if level {
            sighting.level = Some(now.wall);
            self.sightings.anchor = now;
        }
        let kept = self.sightings.kept.get(&peer);
        if kept.is_none_or(|kept| now.mono.saturating_sub(*kept) >= KEEP) {
            self.keep_sighting(peer);
        }
    }

    /// Writes down with the next commit what is remembered of a device.
    pub(super) fn keep_sighting(&mut self, device: DeviceId) {
        if self.sightings.known.contains_key(&device) {
            self.sightings.kept.insert(device, self.now.mono);
            self.batch.sightings.insert(device);
        }
    }

    /// How this node stands with the others.
    pub(super) fn contact(&self) -> Contact {
        let Sightings { known, anchor, .. } = &self.sightings;
        let passed = self.now.mono.saturating_sub(anchor.mono);
        let now = self.now.wall.max(anchor.wall.plus(passed));
        contact::contact(&self.record.clinic, &self.me, known, now)
    }

    /// Whether nothing may be written in a conversation, because this node has heard no other for too long
    /// and it is not this office's own.
    pub(super) fn is_read_only(&self, space: &Space) -> bool {
        matches!(self.contact(), Contact::ReadOnly { .. })
            && !contact::is_of_one_office(&self.record.clinic, &self.me, space)
    }

    /// What the next commit has to write down.
    pub(super) fn kept_sightings(&self) -> Vec<(DeviceId, Sighting)> {
        let kept = self.batch.sightings.iter();
        kept.map(|device| (*device, self.sightings.of(device)))
            .collect()
    }

    /// A device's word on a log of the record, before it is known: notes which revocations it newly covers.
    pub(super) fn note_enforced(&mut self, attestation: &Attestation) {
        let Word::Held {
            author,
            epoch: Epoch::RECORD,
            head,
        } = attestation.word
        else {
            return;
        };
        if attestation.space != Space::Record {
            return;
        }
        let device = attestation.by.as_device();
        let log = record_log(author);
        let known = self.holdings.attested(&log, &device);
        let fresh: Vec<StatementId> = self.record.revocations(author, known, head.seq).collect();
        if fresh.is_empty() || !self.record.clinic.devices.contains_key(&device) {
            return;
        }
        let sighting = self.sightings.known.entry(device).or_default();
        for id in fresh {
            sighting.hear_of(id, self.now.wall);
        }
        self.keep_sighting(device);
    }

    /// Attests what this node holds of the clinic record and has not attested: what it was given when it was
    /// enrolled did not come by a peer.
    pub(super) fn attest_record(&mut self) {
        let own = AuthorId::from(self.me);
        for log in self.holdings.logs_of(&Space::Record) {
            let Some(state) = self.holdings.log(&log) else {
                continue;
            };
            let attested = self.holdings.attested(&log, &self.me);
            let silent = log.author == own || state.forked || state.durable.seq <= attested;
            if !silent {
                let head = state.durable;
                self.batch.attest(&self.clinic_id, &self.key, &log, head);
            }
        }
    }

    /// Revocations that are recent or not enforced everywhere.
    pub(super) fn on_revocations(&mut self, ticket: Ticket) {
        let clinic = &self.record.clinic;
        let nodes: Vec<Node> = clinic.nodes().map(|(id, _)| self.node_state(id)).collect();
        let reports = enforcement::reports(clinic, self.record.items(), &nodes, self.now.wall);
        self.reply(ticket, Reply::Revocations(reports));
    }

    fn node_state(&self, device: &DeviceId) -> Node {
        let own = *device == self.me;
        let logs = self.holdings.logs_of(&Space::Record);
        let signers = logs.iter().filter(|log| log.epoch == Epoch::RECORD);
        let holds = |log: &Log| match own {
            true => self.holdings.durable(log),
            false => self.holdings.attested(log, device),
        };
        Node {
            device: *device,
            connected: own || self.links.values().any(|link| link.peer == *device),
            holds: signers.map(|log| (log.author, holds(log))).collect(),
            sighting: self.sightings.of(device),
        }
    }
}

fn record_log(author: AuthorId) -> Log {
    Log {
        space: Space::Record,
        author,
        epoch: Epoch::RECORD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::NOON;

    #[test]
    fn what_was_noted_by_a_clock_that_was_ahead_makes_no_node_fresh() {
        let (sober, ahead) = (DeviceId::new([1; 32]), DeviceId::new([2; 32]));
        let level = |at| {
            let mut sighting = Sighting::default();
            sighting.level = Some(at);
            sighting
        };
        let known = vec![
            (sober, level(NOON.plus(AHEAD_MAX))),
            (ahead, level(NOON.plus(AHEAD_MAX * 2))),
        ];
        let now = Now {
            wall: NOON,
            mono: Duration::ZERO,
        };
        let sightings = Sightings::new(known, now);
        assert!(sightings.of(&sober).level.is_some());
        assert_eq!(sightings.of(&ahead).level, None);
    }
}
