//! The "eventually" rules: after everything is healed and time has passed, what must be so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clinic_mesh::domain::attest::Subject;
use clinic_mesh::domain::id::Hash;
use clinic_mesh::domain::log::Log;
use clinic_mesh::domain::message::{EntryId, Message};
use clinic_mesh::domain::space::Space;
use clinic_mesh::domain::time::WallTime;
use clinic_mesh::node::engine::Room;

use super::checks::has_body_before;
use super::disk::StoredLog;
use super::model::Model;
use super::rules::*;
use super::world::World;

/// Longest time that a healed clinic may take to agree, in milliseconds.
const PATIENCE: u64 = 15 * 60 * 1000;

/// How often it is looked whether it has.
const LOOK: u64 = 15_000;

impl World {
    /// Ends every fault and waits until all "eventually" rules hold, or says which does not.
    pub(crate) fn come_to_rest(&mut self) {
        self.heal();
        let end = self.time + PATIENCE;
        let mut missing = None;
        while self.time < end && self.broken.is_none() {
            self.run_until(self.time + LOOK);
            missing = self.what_is_missing();
            if missing.is_none() {
                break;
            }
        }
        if let Some(missing) = missing {
            self.broke(missing.rule, missing.what);
        }
        if self.broken.is_none() {
            self.check_readings();
        }
    }

    fn heal(&mut self) {
        self.heal_net();
        self.net.delay = 20;
        for node in 0..self.nodes.len() {
            let found = &mut self.nodes[node];
            (found.skew, found.drift, found.disk_ms) = (0, 0, 5);
            self.start(node);
            self.room(node, Room::Enough);
        }
        self.renew_all(24 * 3600 * 1000);
        self.heal_root();
        self.bring_record(0);
    }

    /// Nodes that others talk to, misbehaving ones among them.
    fn talking(&mut self) -> Vec<usize> {
        let all = self.everything();
        (0..self.nodes.len())
            .filter(|node| all.in_good_standing(&self.nodes[*node].device))
            .collect()
    }

    /// Nodes that the clinic counts on.
    fn good(&mut self) -> Vec<usize> {
        let mut good = self.talking();
        good.retain(|node| !self.nodes[*node].evil);
        good
    }

    fn what_is_missing(&mut self) -> Option<Broken> {
        let good = self.good();
        let all = self.everything();
        let ever = self.ever();
        self.same_clinic(&good, &all)
            .or_else(|| self.no_work_left(&good))
            .or_else(|| self.keys(&good, &all))
            .or_else(|| self.purged(&good))
            .or_else(|| self.logs(&good, &all, &ever))
            .or_else(|| self.kept(&good, &all, &ever))
            .or_else(|| self.is_gone(&good))
            .or_else(|| self.told_as_it_is(&good))
    }

    fn same_clinic(&mut self, good: &[usize], all: &Model) -> Option<Broken> {
        let expected = all.words();
        for node in good {
            let engine = self.nodes[*node].engine.as_ref()?;
            let actual = super::model::words(engine.clinic());
            if actual != expected {
                let mut lines = actual.lines().zip(expected.lines());
                let (a, b) = lines.find(|(a, b)| a != b).unwrap_or_default();
                let what = format!("node {node} has {a}\n    instead of {b}");
                return Some(Broken {
                    rule: SAME_CLINIC,
                    what,
                });
            }
        }
        None
    }

    fn no_work_left(&self, good: &[usize]) -> Option<Broken> {
        let waiting = self
            .waiting
            .values()
            .find(|waiting| good.contains(&waiting.node()));
        let what = format!("a command waits at node {}", waiting?.node());
        Some(Broken {
            rule: NO_WORK_LEFT,
            what,
        })
    }

    fn keys(&self, good: &[usize], all: &Model) -> Option<Broken> {
        let now = self.true_wall();
        let made = |epoch: u32, hash: &Hash| {
            let key = self.authority.mesh_keys.get(&epoch)?;
            key.matches(&self.authority.id, epoch, hash).then_some(key)
        };
        for (epoch, (hash, ..)) in all.keys_needed(now) {
            let key = made(epoch, hash)?;
            let lacks = |node: &&usize| {
                let held = self.nodes[**node].disk.mesh_keys.get(&epoch);
                held.is_none_or(|held| held.expose() != key.expose())
            };
            if let Some(node) = good.iter().find(lacks) {
                let what = format!("node {node} lacks mesh key {epoch}");
                return Some(Broken {
                    rule: MESH_KEYS,
                    what,
                });
            }
        }
        let (in_use, _) = all.keys_needed(now).next()?;
        let trust = |node: &usize| self.nodes[*node].trust.as_ref();
        let dials = |node: &usize| trust(node)?.mesh_keys.newest().map(|(epoch, _)| epoch);
        // A later one where most clocks were ahead: what they agree on has come for certain.
        let node = good.iter().find(|node| dials(node) < Some(in_use))?;
        Some(Broken {
            rule: MESH_KEYS,
            what: format!("node {node} does not use mesh key {in_use}"),
        })
    }

    fn purged(&self, good: &[usize]) -> Option<Broken> {
        let today = self.true_wall().day();
        for node in good.iter().filter(|_| good.len() > 1) {
            let disk = &self.nodes[*node].disk;
            let spaces: BTreeSet<Space> = disk.logs.keys().map(|log| log.space).collect();
            let left = spaces
                .iter()
                .find(|space| has_body_before(disk, space, today));
            if let Some(space) = left {
                return Some(Broken {
                    rule: PURGED_IN_THE_END,
                    what: format!("node {node}: {space:?}"),
                });
            }
        }
        None
    }

    /// Logs that everyone should agree on, up to where.
    fn expected(&self, good: &[usize], all: &Model) -> BTreeMap<Log, (u64, Hash)> {
        let forked: BTreeSet<Log> = self
            .nodes
            .iter()
            .flat_map(|node| &node.disk.logs)
            .filter(|(_, stored)| stored.forked)
            .map(|(log, _)| *log)
            .collect();
        let mut expected: BTreeMap<Log, (u64, Hash)> = BTreeMap::new();
        for node in good {
            for (log, stored) in &self.nodes[*node].disk.logs {
                // What an admin who was ended signed may be void: then nobody takes more of what was
                // written in its name.
                if !rightful(log, stored, all) || self.spoiled.contains(log) || forked.contains(log)
                {
                    continue;
                }
                let seq = self.effective(log, stored, all);
                if seq == 0 {
                    continue;
                }
                let best = expected.entry(*log).or_insert((0, Hash::ZERO));
                *best = (*best).max((seq, stored.hashes[seq as usize - 1]));
            }
        }
        expected
    }

    /// The last number that counts and is not from the future.
    fn effective(&self, log: &Log, stored: &StoredLog, all: &Model) -> u64 {
        let author = all.devices.get(&log.author.as_device());
        let revoked = author.and_then(|device| device.revoked);
        let named = author.and_then(|device| device.ends.get(&(log.space, log.epoch.0)));
        let soon = match log.space {
            // A trail goes on for as long as a node is up, and is witnessed within a minute.
            Space::Audit(_) => self.true_wall().minus(Duration::from_secs(60)),
            _ => self.true_wall().plus(Duration::from_secs(240)),
        };
        let latest: WallTime = match (revoked, named) {
            (Some(at), None) => at.min(soon),
            (Some(_), Some(_)) | (None, _) => soon,
        };
        let in_time = stored
            .entries()
            .take_while(|(_, entry)| entry.header.time.wall() <= latest)
            .count() as u64;
        named.map_or(in_time, |end| in_time.min(*end))
    }

    fn logs(&mut self, good: &[usize], all: &Model, ever: &Model) -> Option<Broken> {
        let expected = self.expected(good, all);
        let talking = self.talking();
        for node in good {
            let found = &self.nodes[*node];
            for (log, (seq, hash)) in &expected {
                if !all.may_hold(&found.device, &log.space) {
                    continue;
                }
                let stored = found.disk.logs.get(log);
                let held = stored.and_then(|stored| stored.hashes.get(*seq as usize - 1));
                let has = stored.map_or(0, |stored| stored.head.seq);
                if held != Some(hash) && !self.waits_for_bodies(*node, log, has, all, &talking) {
                    return Some(Broken {
                        rule: SAME_LOGS,
                        what: format!(
                            "node {node} has {has} of {seq} of {log:?}\n{}",
                            self.about(log, has)
                        ),
                    });
                }
            }
            let missing = self.bodies(*node, &expected, all, ever);
            if missing.is_some() {
                return missing;
            }
        }
        self.nobody_else(good, all, &talking)
            .or_else(|| self.attested(good, &expected, all))
    }

    /// What every node has of a log after a number, to find out why it went no further.
    fn about(&self, log: &Log, after: u64) -> String {
        let now = self.true_wall();
        let mut lines = Vec::new();
        for (node, found) in self.nodes.iter().enumerate() {
            let Some(stored) = found.disk.logs.get(log) else {
                continue;
            };
            let next = stored.entries().find(|(seq, _)| *seq > after);
            let next = next.map(|(_, entry)| {
                let ahead = entry.header.time.wall().0 as i64 - now.0 as i64;
                let days = i64::from(entry.header.last_day.0) - i64::from(now.day().0);
                let body = entry.payload.is_some();
                format!(", the next {ahead} ms ahead, {days} days left, body {body}")
            });
            let holds = found.disk.attestations.values();
            let words = holds.filter(|word| {
                word.space == log.space && word.subject().log == Some((log.author, log.epoch))
            });
            let words: Vec<(Option<usize>, u64)> = words
                .map(|word| (self.node_of(&word.by.as_device()), word.extent()))
                .collect();
            lines.push(format!(
                "    node {node}: {}, forked {}, attested {words:?}{}",
                stored.head.seq,
                stored.forked,
                next.unwrap_or_default()
            ));
        }
        lines.join("\n")
    }

    fn about_space(&self, node: usize, space: &Space) -> String {
        let logs = self.nodes[node].disk.of_space(space);
        let lines: Vec<String> = logs
            .map(|(log, stored)| {
                let author = self.node_of(&log.author.as_device());
                let copies = self.nodes.iter().filter_map(|node| node.disk.logs.get(log));
                let least = copies.map(|copy| copy.head.seq).min();
                let about = self.about(log, least.unwrap_or(stored.head.seq));
                format!("  by {author:?} in {:?}:\n{about}", log.epoch)
            })
            .collect();
        lines.join("\n")
    }

    /// Whether nobody who talks to others has the body of the next entry, which the node would have to
    /// have: then the node waits until its days are over. What is left on a revoked machine reaches nobody.
    fn waits_for_bodies(
        &self,
        node: usize,
        log: &Log,
        has: u64,
        all: &Model,
        talking: &[usize],
    ) -> bool {
        let found = &self.nodes[node];
        let today = self.true_wall().day();
        let from = all.sees_from(&found.device, &log.space);
        let nodes = talking.iter().map(|node| &self.nodes[*node]);
        let holders = nodes.filter_map(|node| node.disk.logs.get(log));
        let next: Vec<_> = holders
            .filter_map(|stored| stored.entries().find(|(seq, _)| *seq == has + 1))
            .collect();
        let gone = next.iter().all(|(_, entry)| {
            let alive = entry.header.last_day >= today && entry.header.time >= from;
            alive && entry.payload.is_none()
        });
        !next.is_empty() && gone
    }

    fn bodies(
        &self,
        node: usize,
        expected: &BTreeMap<Log, (u64, Hash)>,
        all: &Model,
        ever: &Model,
    ) -> Option<Broken> {
        let found = &self.nodes[node];
        if found.horizon_off {
            return None;
        }
        for (log, (last, _)) in expected {
            let conversation = log.space.is_conversation() || matches!(log.space, Space::Staff(_));
            let Some(stored) = found.disk.logs.get(log).filter(|_| conversation) else {
                continue;
            };
            if !all.may_hold(&found.device, &log.space) {
                continue;
            }
            let from = all.surely_sees_from(ever, &found.device, &log.space);
            let today = self.true_wall().day().max(found.disk.horizon);
            let taken_back = found.disk.taken_back();
            let lacking = stored.entries().find(|(seq, entry)| {
                let alive = entry.header.last_day >= today && entry.header.time >= from;
                let gone = taken_back.contains(&EntryId::new(log, *seq));
                seq <= last && alive && entry.payload.is_none() && !gone
            });
            if let Some((seq, _)) = lacking
                && self.someone_has_body(node, log, seq)
            {
                return Some(Broken {
                    rule: ALIVE_BODIES,
                    what: format!("node {node} lacks the body of {seq} in {log:?}"),
                });
            }
        }
        None
    }

    fn someone_has_body(&self, but: usize, log: &Log, seq: u64) -> bool {
        self.nodes.iter().enumerate().any(|(node, found)| {
            let stored = found.disk.logs.get(log);
            let entry = stored.and_then(|stored| stored.entries().find(|(at, _)| *at == seq));
            node != but && entry.is_some_and(|(_, entry)| entry.payload.is_some())
        })
    }

    fn nobody_else(&self, good: &[usize], all: &Model, talking: &[usize]) -> Option<Broken> {
        let soon = self.true_wall().plus(Duration::from_secs(240));
        for node in good {
            let found = &self.nodes[*node];
            for (log, stored) in &found.disk.logs {
                let kind = log.space.is_conversation() || matches!(log.space, Space::Staff(_));
                if !kind || all.may_hold(&found.device, &log.space) {
                    continue;
                }
                let logs: Vec<&Log> = found
                    .disk
                    .of_space(&log.space)
                    .map(|(log, _)| log)
                    .collect();
                let may = |other: &usize| {
                    let found = &self.nodes[*other];
                    let held = |log| found.disk.logs.get(log).map_or(0, |held| held.head.seq);
                    all.may_hold(&found.device, &log.space)
                        && !logs
                            .iter()
                            .any(|log| self.waits_for_bodies(*other, log, held(log), all, talking))
                };
                let others = good.iter().any(may);
                // What others cannot take yet stays where it is.
                let disputed = found.disk.of_space(&log.space).any(|(log, stored)| {
                    let mut entries = stored.entries();
                    stored.forked
                        || self.spoiled.contains(log)
                        || !rightful(log, stored, all)
                        || entries.any(|(_, entry)| entry.header.time.wall() > soon)
                });
                if others && !disputed {
                    return Some(Broken {
                        rule: NOBODY_ELSE,
                        what: format!(
                            "node {node} holds {} of {log:?}\n{}",
                            stored.head.seq,
                            self.about_space(*node, &log.space)
                        ),
                    });
                }
            }
        }
        None
    }

    /// Everyone who holds a log of a good node has told that node so.
    fn attested(
        &self,
        good: &[usize],
        expected: &BTreeMap<Log, (u64, Hash)>,
        all: &Model,
    ) -> Option<Broken> {
        for (log, (seq, _)) in expected {
            let author = self.node_of(&log.author.as_device());
            let Some(author) = author.filter(|author| good.contains(author)) else {
                continue;
            };
            let may = |node: usize| all.may_hold(&self.nodes[node].device, &log.space);
            if !may(author) || log.space == Space::Record {
                continue;
            }
            for holder in good.iter().filter(|holder| **holder != author) {
                let by = self.nodes[*holder].device.into();
                let subject = Subject {
                    space: log.space,
                    by,
                    log: Some((log.author, log.epoch)),
                };
                let word = self.nodes[author].disk.attestations.get(&subject);
                let extent = word.map_or(0, |word| word.extent());
                // An author may have to wait for bodies of its own log as well.
                let held = |node: usize| {
                    let held = self.nodes[node].disk.logs.get(log);
                    held.map_or(0, |held| held.head.seq)
                };
                let seq = held(*holder).min(held(author)).min(*seq);
                if may(*holder) && extent < seq && !self.lies.contains(&subject) {
                    return Some(Broken {
                        rule: ATTESTED_IN_FULL,
                        what: format!(
                            "node {author} has {extent} of {seq} by node {holder} of {log:?}\n{}",
                            self.about_space(*holder, &log.space)
                        ),
                    });
                }
            }
        }
        None
    }

    /// What was answered with "sent" is on its writer's disk.
    fn kept(&self, good: &[usize], all: &Model, ever: &Model) -> Option<Broken> {
        let evil = self.nodes.iter().any(|node| node.evil);
        for acked in self.acked.iter().filter(|acked| !acked.lost) {
            let found = &self.nodes[acked.node];
            let entitled = all.may_hold(&found.device, &acked.id.space);
            if !good.contains(&acked.node) || !entitled || evil || found.horizon_off {
                continue;
            }
            let stored = found.disk.logs.get(&acked.id.log());
            let mut entries = stored.into_iter().flat_map(StoredLog::entries);
            let entry = entries.find(|(seq, _)| *seq == acked.id.seq);
            let alive = acked.last_day >= self.true_wall().day().max(found.disk.horizon);
            let gone = acked.since.taken_back && found.disk.taken_back().contains(&acked.id);
            let here = entry.is_some_and(|(_, entry)| entry.payload.is_some() || !alive || gone);
            let from = all.surely_sees_from(ever, &found.device, &acked.id.space);
            let seen = acked.time >= from;
            if !here && seen {
                return Some(Broken {
                    rule: ACKED_IS_KEPT,
                    what: format!("node {} lost {:?}", acked.node, acked.id),
                });
            }
        }
        None
    }

    /// Every member reads every living message at every home.
    fn check_readings(&mut self) {
        let good = self.good();
        let all = self.everything();
        let spaces: BTreeSet<Space> = self.acked.iter().map(|acked| acked.id.space).collect();
        for node in good {
            let device = self.nodes[node].device;
            for staff in self.authority.staff.clone() {
                for space in &spaces {
                    let member = all.at_home(&device, &staff)
                        && all.active(&staff)
                        && all.is_in(&staff, space);
                    if member {
                        self.check_reading(node, staff, *space, &all);
                    }
                }
            }
        }
    }

    fn check_reading(
        &mut self,
        node: usize,
        staff: clinic_mesh::domain::id::StaffId,
        space: Space,
        all: &Model,
    ) {
        let ever = self.ever();
        let expected = self.readable(node, &space, all, &ever);
        let ticket = self.read(node, staff, space, 500);
        self.run_until(self.time + 500);
        let found = &self.nodes[node];
        let entries: usize = found
            .disk
            .of_space(&space)
            .map(|(_, stored)| stored.head.seq as usize)
            .sum();
        let Some(texts) = self.pages.get(&ticket) else {
            self.broke(
                EVERYTHING_READ,
                format!("node {node} gives no page of {space:?}"),
            );
            return;
        };
        let missing = expected
            .iter()
            .find(|any| !any.iter().any(|text| texts.contains(text)));
        if let Some(any) = missing.filter(|_| entries < 500) {
            let what = format!("node {node} shows none of {any:?} in {space:?}");
            self.broke(EVERYTHING_READ, what);
        }
    }

    /// What each living message may say by now.
    fn readable(&self, node: usize, space: &Space, all: &Model, ever: &Model) -> Vec<Vec<String>> {
        let found = &self.nodes[node];
        let taken_back = found.disk.taken_back();
        let today = self.true_wall().day().max(found.disk.horizon);
        let from = all.surely_sees_from(ever, &found.device, space);
        let shown = self.acked.iter().filter(|acked| {
            let stored = found.disk.logs.get(&acked.id.log());
            let counts = stored.is_some_and(|stored| {
                self.effective(&acked.id.log(), stored, all) >= acked.id.seq && !stored.forked
            });
            let gone = acked.since.taken_back && taken_back.contains(&acked.id);
            acked.id.space == *space
                && counts
                && !gone
                && acked.last_day >= today
                && acked.time >= from
                && !found.horizon_off
        });
        shown
            .filter(|acked| self.someone_has_body(usize::MAX, &acked.id.log(), acked.id.seq))
            .map(|acked| {
                let first = std::iter::once(&acked.text);
                first.chain(&acked.since.anew).cloned().collect()
            })
            .collect()
    }
}

/// Whether the log's author was ever entitled to write what is left of it, by what counts in the end: in
/// the name of people who were at home with it, and taking back only what they wrote at a home of theirs.
fn rightful(log: &Log, stored: &StoredLog, all: &Model) -> bool {
    if log.space == Space::Record {
        return true;
    }
    let author = log.author.as_device();
    let known = all.devices.contains_key(&author) && all.might_ever_hold(&author, &log.space);
    let speaks = |staff| all.ever_at_home(&author, &staff) && all.ever_in(&staff, &log.space);
    let takes_back = |message: &Message| match message {
        Message::Retracted { retraction, .. } => retraction
            .entries()
            .all(|entry| all.ever_at_home(&entry.author.as_device(), &retraction.withdrawn.staff)),
        _ => true,
    };
    let bodies = stored
        .entries()
        .filter_map(|(_, entry)| entry.payload.as_ref());
    let mut messages =
        bodies.filter_map(|payload| Message::from_body(&log.space, &payload.body).ok());
    let told = log.space.is_conversation();
    known && (!told || messages.all(|message| speaks(message.staff()) && takes_back(&message)))
}
