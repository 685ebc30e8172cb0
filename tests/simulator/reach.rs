//! How long a revocation takes among twenty nodes, in virtual time.
//!
//! From the moment that it is durable at one node until each node that was connected to the revoked machine
//! has closed that channel. No clock of this machine is read, so the figures are the same everywhere.

use std::collections::BTreeMap;

use clinic_mesh::domain::statement::StatementId;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::clinic::{ROBIN, record_log};
use super::plan::Plan;
use super::report::say;
use super::world::World;

/// Nodes of the clinic.
const NODES: usize = 20;

/// Machines revoked in each clinic, one after another; the others stay connected to each other.
const REVOKED: usize = 10;

/// Clinics, each with another seed.
const CLINICS: u64 = 5;

/// What 99 of 100 channels have to be closed within, in milliseconds.
const P99: u64 = 2000;

/// What every channel has to be closed within.
const MOST: u64 = 5000;

/// A network and its disks: the longest delay of a frame and the longest commit, in milliseconds.
const LINES: [(&str, u64, u64); 2] = [("a LAN", 20, 5), ("bad radio, slow disks", 400, 200)];

/// Measures and judges; says whether all figures are reached.
pub(crate) fn measure() -> bool {
    let judged = LINES.map(|(line, delay, disk)| {
        let mut times = Vec::new();
        for seed in 0..CLINICS {
            match clinic(seed, delay, disk) {
                Ok(found) => times.extend(found),
                Err(why) => {
                    say(&format!("revocation on {line}, seed {seed}: {why}"));
                    return false;
                }
            }
        }
        judge(line, times)
    });
    judged == [true; LINES.len()]
}

fn judge(line: &str, mut times: Vec<u64>) -> bool {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() * part).div_ceil(100).max(1) - 1];
    let (p99, most) = (at(99), at(100));
    say(&format!(
        "revocation on {line}: {} channels of {NODES} nodes, median {} ms, p99 {p99} ms, longest {most} ms",
        times.len(),
        at(50)
    ));
    p99 <= P99 && most <= MOST
}

/// One clinic: what each revocation took at each node, in milliseconds.
fn clinic(seed: u64, delay: u64, disk: u64) -> Result<Vec<u64>, String> {
    let mut world = World::founded(&plan(seed));
    world.net.delay = delay;
    for node in &mut world.nodes {
        node.disk_ms = disk;
    }
    // Until the records are level and every pair is connected.
    world.run_until(60_000);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut times = Vec::new();
    for lost in (1..NODES).rev().take(REVOKED) {
        // Not in step with what happens every second.
        let wait = rng.random_range(5000..9000);
        world.run_until(world.time + wait);
        let at = rng.random_range(0..lost);
        times.extend(world.revocation(lost, at)?);
    }
    match world.broken {
        Some(broken) => Err(format!("{}: {}", broken.rule, broken.what)),
        None => Ok(times),
    }
}

fn plan(seed: u64) -> Plan {
    Plan {
        seed,
        machines: NODES,
        running: NODES,
        evil: false,
        people: 5,
        rooms: 2,
        witnesses: 2,
        rows: 64,
        groups: false,
        ops: Vec::new(),
    }
}

impl World {
    /// Revokes one node's machine at another node; how long each took to close its channel to it.
    fn revocation(&mut self, lost: usize, at: usize) -> Result<Vec<u64>, String> {
        let before = self.connected_to(lost);
        if before.len() != lost {
            return Err(format!("node {lost} has channels to {before:?} only"));
        }
        let now = self.true_wall();
        let revoke = self.authority.revoke(lost, Vec::new(), now);
        let id = self.say(at, ROBIN, revoke.ok_or("it was never enrolled")?);
        let mut durable = None;
        let mut closed: BTreeMap<usize, u64> = BTreeMap::new();
        let end = self.time + 2 * MOST;
        while closed.len() < before.len() || durable.is_none() {
            if self.time > end || self.broken.is_some() {
                return Err(format!("node {lost} is connected to the last"));
            }
            self.run_until(self.time + 1);
            if durable.is_none() && self.is_durable_somewhere(id) {
                durable = Some(self.time);
            }
            let open = self.connected_to(lost);
            for node in before.iter().filter(|node| !open.contains(node)) {
                closed.entry(*node).or_insert(self.time);
            }
        }
        // Who cannot be told why is cut where it is accepted, before it is durable.
        let durable = durable.unwrap_or_default();
        Ok(closed
            .values()
            .map(|at| at.saturating_sub(durable))
            .collect())
    }

    fn is_durable_somewhere(&self, id: StatementId) -> bool {
        self.nodes.iter().any(|node| {
            let stored = node.disk.logs.get(&record_log(id.author));
            stored.is_some_and(|stored| stored.head.seq >= id.seq)
        })
    }

    /// The nodes that have a channel to this one open on their side.
    fn connected_to(&self, node: usize) -> Vec<usize> {
        let links = self.net.links.values();
        let theirs = links.filter_map(|link| {
            let side = link.ends.iter().position(|end| *end == node)?;
            link.open[1 - side].then_some(link.ends[1 - side])
        });
        let mut found: Vec<usize> = theirs.collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}
