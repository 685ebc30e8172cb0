//! What nodes tell each other of themselves, and whose program is too old for that.
//!
//! Nothing here is drawn: how a node is follows from the salts of acts, and a frame of this kind arrives with
//! whatever else is on the way. So everything else in a seed is what it would be without.

use std::collections::BTreeMap;

use clinic_mesh::domain::backup::Trouble;
use clinic_mesh::domain::condition::{Backups, Condition, ProgramVersion, Told};
use clinic_mesh::node::engine::Input;
use clinic_mesh::wire::{CONDITION_SINCE, Frame};

use super::rules::*;
use super::world::World;

/// How each node is, as it knows itself.
#[derive(Default)]
pub(crate) struct Conditions {
    own: BTreeMap<usize, Condition>,
    /// Whose engine is yet to hear of a change.
    due: BTreeMap<usize, Condition>,
}

impl World {
    /// Whether a node runs a program that speaks version 1: some do until they have been started three times.
    fn is_old(&self, node: usize) -> bool {
        let found = &self.nodes[node];
        (self.seed as usize + found.machine).is_multiple_of(3) && found.boot <= 2
    }

    /// A node that has started knows how it is; an older program has nothing to tell.
    pub(crate) fn tell_own(&mut self, node: usize) {
        let boot = self.nodes[node].boot;
        let version = ProgramVersion::new(&format!("1.{boot}.0")).expect("a version");
        let before = self.conditions.own.get(&node);
        let backups = before.and_then(|before| before.backups);
        self.become_so(node, Condition { version, backups });
    }

    fn become_so(&mut self, node: usize, condition: Condition) {
        self.conditions.due.remove(&node);
        self.conditions.own.insert(node, condition.clone());
        if !self.is_old(node) {
            self.input(node, Input::Condition(condition));
        }
    }

    /// With every third act, somebody's backup is made or fails.
    pub(crate) fn change_condition(&mut self, salt: u64) {
        let node = (salt >> 8) as usize % self.nodes.len();
        let Some(own) = self
            .conditions
            .own
            .get(&node)
            .filter(|_| salt.is_multiple_of(3))
        else {
            return;
        };
        // A node that misbehaves claims what is yet to come.
        let last = match self.nodes[node].evil {
            true => self
                .true_wall()
                .plus(std::time::Duration::from_secs(1 << 30)),
            false => self.wall(node),
        };
        let backups = Backups {
            last: Some(last),
            every_hours: (salt & 16 == 0).then_some(24),
            failed: (salt & 32 == 0).then_some(Trouble::NoRoom),
        };
        let changed = Condition {
            version: own.version.clone(),
            backups: Some(backups),
        };
        self.conditions.due.insert(node, changed);
    }

    /// The next tick of a node's engine is followed by what has changed.
    pub(crate) fn tell_due(&mut self, node: usize) {
        if let Some(condition) = self.conditions.due.remove(&node) {
            self.become_so(node, condition);
        }
    }

    /// A frame as the program of its sender would say it.
    pub(crate) fn as_spoken(&self, node: usize, frame: Frame) -> Frame {
        match frame {
            Frame::Hello { version, now } if self.is_old(node) => {
                let version = version.min(CONDITION_SINCE - 1);
                Frame::Hello { version, now }
            }
            frame => frame,
        }
    }

    /// No frame of this kind is sent to whoever does not know it.
    pub(crate) fn check_spoken(&mut self, node: usize, link: u64) {
        let Some(peer) = self.peer_of(node, link) else {
            return;
        };
        if self.is_old(peer) {
            self.broke(SPOKEN_TO_AS_IT_SPEAKS, format!("node {node} to {peer}"));
        }
    }

    /// What a node remembers of another.
    pub(crate) fn told(&self, node: usize, of: usize) -> Option<Told> {
        let engine = self.nodes[node].engine.as_ref()?;
        engine.told().remove(&self.nodes[of].device)
    }

    /// In the end: a pair that is connected and does not know of each other how they are.
    pub(crate) fn told_as_it_is(&self, good: &[usize]) -> Option<Broken> {
        let open = self.net.links.values();
        let open = open.filter(|link| link.open == [true, true]);
        let both_ways = open.flat_map(|link| [link.ends, [link.ends[1], link.ends[0]]]);
        let mut honest = both_ways.filter(|ends| {
            let counts = |node: &usize| good.contains(node) && !self.is_old(*node);
            ends.iter().all(counts)
        });
        let wrong = honest.find(|[at, of]| {
            let told = self.told(*at, *of).map(|told| told.condition);
            told.as_ref() != self.conditions.own.get(of)
        });
        let [at, of] = wrong?;
        Some(Broken {
            rule: TOLD_AS_IT_IS,
            what: format!("node {at} of node {of}: {:?}", self.told(at, of)),
        })
    }
}
