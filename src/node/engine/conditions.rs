//! What nodes tell each other of themselves: the version of their program, and how their backups stand.
//!
//! Told after hello, and again when it changes; neither passed on nor answered. Kept with what else is remembered
//! of a device ([`sightings`](super::sightings)), so that an office that is away is still listed as it was.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::condition::{Condition, Told};
use crate::domain::id::DeviceId;
use crate::planted::planted;
use crate::wire::{self, Frame};

use super::link::{Link, Stage};
use super::{Effect, Engine, LinkId};

/// Least time between two tellings on one channel.
///
/// A minute: backups are hours apart, and whoever reads of them does not notice. A node whose backup fails and
/// succeeds all the time keeps nobody busy.
const TELL: Duration = Duration::from_secs(60);

/// What was told on one channel, in either direction.
#[derive(Debug, Default)]
pub(super) struct Telling {
    /// The version of frames that the peer speaks; none before its hello.
    spoken: Option<u16>,
    /// What the peer told of itself.
    heard: Option<Condition>,
    /// What it was told of this node, and when (time since start).
    said: Option<(Condition, Duration)>,
}

impl Telling {
    /// Notes what a frame says of its sender; it counts once the peer is one that takes part.
    pub(super) fn note(&mut self, frame: &Frame) {
        match frame {
            Frame::Hello { version, .. } => self.spoken = Some(*version),
            // Whoever speaks a version without this frame tells nothing.
            Frame::Condition(condition) if self.is_understood() => {
                self.heard = Some(condition.clone());
            }
            _ => {}
        }
    }

    /// Whether both sides speak a version with this frame.
    fn is_understood(&self) -> bool {
        let spoken = self.spoken.map(|spoken| spoken.min(wire::VERSION));
        planted!("told-to-the-old") || spoken.is_some_and(|spoken| spoken >= wire::CONDITION_SINCE)
    }

    /// Whether the peer has said that it speaks a version without this frame.
    fn is_too_old(&self) -> bool {
        self.spoken.is_some() && !self.is_understood()
    }

    /// Whether the peer is to be told this at `now`.
    fn is_due(&self, condition: &Condition, now: Duration) -> bool {
        self.is_understood()
            && self
                .said
                .as_ref()
                .is_none_or(|(said, at)| said != condition && now.saturating_sub(*at) >= TELL)
    }

    /// Whether the peer last told just this of itself on this channel.
    pub(super) fn confirms(&self, condition: &Condition) -> bool {
        self.heard.as_ref() == Some(condition)
    }
}

/// Whether a peer is told and believed at all: not if it may only explain itself, and on a channel of an old
/// mesh key nothing passes but the record.
pub(super) fn takes_part(link: &Link) -> bool {
    match link.stage {
        Stage::Record | Stage::All => true,
        Stage::RecordOnly | Stage::Unlisted => false,
    }
}

impl Engine {
    /// What this node tells of itself from here on.
    pub(super) fn on_condition(&mut self, condition: Condition) {
        self.condition = Some(condition);
        self.tell_conditions();
    }

    /// Tells whoever has not been told how this node is, and may be by now.
    pub(super) fn tell_conditions(&mut self) {
        for id in self.links_where(takes_part) {
            self.tell_condition(id);
        }
    }

    /// The peer at a channel is one that takes part, from here on or for longer.
    pub(super) fn exchange_conditions(&mut self, id: LinkId) {
        self.believe(id);
        self.tell_condition(id);
    }

    fn tell_condition(&mut self, id: LinkId) {
        let now = self.now.mono;
        let (Some(condition), Some(link)) = (&self.condition, self.links.get_mut(&id)) else {
            return;
        };
        if !takes_part(link) || !link.telling.is_due(condition, now) {
            return;
        }
        link.telling.said = Some((condition.clone(), now));
        // It puts off no beat: a beat tells the clock as well.
        let frame = Frame::Condition(condition.clone());
        self.effects.push_back(Effect::Send { link: id, frame });
    }

    /// Remembers what a peer told of itself, where it is news.
    ///
    /// Only of devices that the record lists: others could be as many as they like. One that was just enrolled is
    /// let in by its certificate, and may tell before the record here lists it. It is written down with the rest of
    /// the sighting, and not sooner: it is told anew with the next hello.
    fn believe(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else {
            return;
        };
        let listed = self.record.clinic.devices.contains_key(&link.peer);
        let counts = takes_part(link) && listed;
        if !counts && !planted!("unlisted-is-believed") {
            return;
        }
        let known = self.sightings.told_of(&link.peer);
        let known = known.map(|told| &told.condition);
        match &link.telling.heard {
            Some(condition) if known != Some(condition) => {
                let sighting = self.sightings.of_mut(link.peer);
                sighting.tell(condition, self.now.wall);
            }
            // Its program was put back to one that does not tell: what it told before is not so any more.
            None if link.telling.is_too_old() && known.is_some() => {
                self.sightings.of_mut(link.peer).forget_told();
            }
            Some(_) | None => {}
        }
    }

    /// What this node tells of itself.
    pub fn condition(&self) -> Option<&Condition> {
        self.condition.as_ref()
    }

    /// What each device told of itself, as this node remembers it.
    pub fn told(&self) -> BTreeMap<DeviceId, Told> {
        self.sightings.told()
    }
}
