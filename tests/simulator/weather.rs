//! What befalls machines, links and clocks: cuts, crashes, older disks, long sleep.

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::acts::HOUR;
use super::world::World;

/// Longest simulated time of a seed: forty days.
const LONGEST: u64 = 40 * 24 * HOUR;

impl World {
    pub(super) fn cut_someone(&mut self, rng: &mut StdRng, one_way: bool) {
        let node = self.some_node(rng);
        for other in 0..self.nodes.len() {
            if other != node && rng.random_range(0..3) != 0 {
                self.cut(node, other);
                if !one_way {
                    self.cut(other, node);
                }
            }
        }
    }

    pub(super) fn break_link(&mut self, rng: &mut StdRng) {
        let ids: Vec<u64> = self.net.links.keys().copied().collect();
        if !ids.is_empty() {
            self.unlink(ids[rng.random_range(0..ids.len())]);
        }
    }

    pub(super) fn duplicate(&mut self, rng: &mut StdRng) {
        let ends: Vec<[usize; 2]> = self.net.links.values().map(|link| link.ends).collect();
        if !ends.is_empty() && ends.len() < 30 {
            let [a, b] = ends[rng.random_range(0..ends.len())];
            self.try_link(a, b);
        }
    }

    pub(super) fn crash_someone(&mut self, rng: &mut StdRng, applied: bool) {
        let node = self.some_node(rng);
        self.crash(node, applied);
        if rng.random_range(0..2) == 0 {
            self.start(node);
        }
    }

    pub(super) fn roll_back(&mut self, rng: &mut StdRng) {
        let node = rng.random_range(0..self.nodes.len());
        let Some(snapshot) = self.nodes[node].snapshots.pop() else {
            return;
        };
        self.crash(node, false);
        for acked in self.acked.iter_mut().filter(|acked| acked.node == node) {
            let held = snapshot.logs.get(&acked.id.log());
            acked.lost |= held.is_none_or(|log| log.head.seq < acked.id.seq);
        }
        self.nodes[node].disk = snapshot;
        // Whether it was shown a fork before the snapshot stands in the snapshot.
        self.shown_forks.retain(|(shown, _), _| *shown != node);
        self.start(node);
    }

    pub(super) fn step_clock(&mut self, rng: &mut StdRng) {
        let node = self.some_node(rng);
        let furthest = [1000, 60_000, 10 * 60_000, HOUR * 30, HOUR * 24 * 400];
        let most = furthest[rng.random_range(0..furthest.len())] as i64;
        self.nodes[node].stepped = true;
        self.nodes[node].skew += rng.random_range(-most..=most);
    }

    /// Everything sleeps: links do not survive it, clocks go on.
    pub(super) fn leap(&mut self, span: u64) {
        if self.time + span > LONGEST {
            return;
        }
        let ids: Vec<u64> = self.net.links.keys().copied().collect();
        for id in ids {
            self.unlink(id);
        }
        self.run_until(self.time + 500);
        self.time += span;
        self.run_until(self.time + 20_000);
    }

    pub(super) fn weeks(&mut self, rng: &mut StdRng) {
        for _ in 0..rng.random_range(2..12) {
            self.leap(rng.random_range(20 * HOUR..30 * HOUR));
            self.renew_all(15 * 24 * HOUR);
        }
    }
}
