//! The "never" rules, each checked where it could be broken first.

use std::sync::Arc;
use std::time::Duration;

use clinic_mesh::domain::attest::{Attestation, Word};
use clinic_mesh::domain::audit::{AuditRecord, Deed};
use clinic_mesh::domain::codec;
use clinic_mesh::domain::id::{AuthorId, DeviceId, Hash};
use clinic_mesh::domain::log::{Epoch, Log, Segment};
use clinic_mesh::domain::message::Message;
use clinic_mesh::domain::space::Space;
use clinic_mesh::domain::statement::StatementId;
use clinic_mesh::domain::time::Day;
use clinic_mesh::domain::trust::Refusal;
use clinic_mesh::node::engine::{Commit, LinkId, MessageLine, Page, Reply};
use clinic_mesh::wire::Frame;

use super::model::{self, Model};
use super::rules::*;
use super::world::{Waiting, World};

/// How far ahead a timestamp may be.
const AHEAD: Duration = Duration::from_secs(5 * 60);

impl World {
    pub(crate) fn peer_of(&self, node: usize, link: u64) -> Option<usize> {
        let ends = self.net.links.get(&link)?.ends;
        Some(if ends[0] == node { ends[1] } else { ends[0] })
    }

    /// What a node sends.
    pub(crate) fn check_sent(&mut self, node: usize, link: LinkId, frame: &Frame) {
        if self.nodes[node].evil {
            return;
        }
        let Some(peer) = self.peer_of(node, link.0) else {
            return;
        };
        let parting = matches!(frame, Frame::Bye { .. })
            || matches!(frame, Frame::Entries(segment) if segment.log.space == Space::Record);
        if !parting && self.nodes[node].out.contains(&peer) && self.is_out(node, peer) {
            self.broke(REVOKED_IS_OUT, format!("node {node} sends to node {peer}"));
        }
        match frame {
            Frame::Entries(segment) => {
                self.check_segment_sent(node, peer, segment);
                self.check_sent_again(node, segment);
            }
            Frame::Attest { attestations } => {
                let own = AuthorId::from(self.nodes[node].device);
                for attestation in attestations.iter().filter(|found| found.by == own) {
                    self.check_own_word(node, &attestation.space, &attestation.word);
                }
            }
            _ => {}
        }
    }

    fn check_segment_sent(&mut self, node: usize, peer: usize, segment: &Segment) {
        let log = segment.log;
        let found = &self.nodes[node];
        let stored = found.disk.logs.get(&log).map(|stored| &stored.hashes);
        let hash = stored.and_then(|hashes| hashes.get(segment.last() as usize - 1));
        if hash != Some(&segment.end(&self.authority.id).hash) {
            self.broke(SENT_IS_DURABLE, format!("{log:?} up to {}", segment.last()));
        }
        let horizon = self.nodes[node].disk.horizon;
        let with_body = || {
            segment
                .entries
                .iter()
                .filter(|entry| entry.payload.is_some())
        };
        if with_body().any(|entry| entry.header.last_day < horizon) {
            self.broke(NO_EXPIRED_BODY, format!("sent of {log:?}"));
        }
        let device = self.nodes[peer].device;
        let entitled = self.might(|all| all.might_ever_hold(&device, &log.space));
        if log.space != Space::Record && !entitled {
            self.broke(ONLY_TO_THE_ENTITLED, format!("{log:?} to node {peer}"));
        }
        let all = self.everything().might_ever_see_from(&device, &log.space);
        let ever = self.ever().might_ever_see_from(&device, &log.space);
        let from = all.min(ever);
        if with_body().any(|entry| entry.header.time < from) {
            self.broke(NOT_BEFORE_JOINING, format!("{log:?} to node {peer}"));
        }
    }

    fn check_own_word(&mut self, node: usize, space: &Space, word: &Word) {
        let disk = &self.nodes[node].disk;
        match word {
            Word::Held {
                author,
                epoch,
                head,
            } => {
                let log = Log {
                    space: *space,
                    author: *author,
                    epoch: *epoch,
                };
                let hashes = disk.logs.get(&log).map(|stored| &stored.hashes);
                let hash = hashes.and_then(|hashes| hashes.get(head.seq as usize - 1));
                if hash != Some(&head.hash) {
                    self.broke(ATTESTED_IS_DURABLE, format!("node {node}: {log:?}"));
                }
            }
            Word::Purged { horizon } => {
                if has_body_before(disk, space, *horizon) {
                    self.broke(PURGED_IS_DESTROYED, format!("node {node}: {space:?}"));
                }
            }
        }
    }

    /// What a node asks its disk for.
    pub(crate) fn check_commit(&mut self, node: usize, commit: &Commit) {
        if self.nodes[node].in_flight.is_some() {
            self.broke(COMMITS_FIT, format!("node {node}: two commits at once"));
        }
        for segment in &commit.segments {
            self.check_fork(node, segment);
        }
        let fresh = self.fresh(node, commit);
        let of_itself = |log: &Log| matches!(log.space, Space::Audit(_));
        let mut trails = fresh.iter().map(|segment| segment.log);
        let trail = trails.rfind(of_itself);
        self.nodes[node].trail = trail.or(self.nodes[node].trail);
        for segment in &fresh {
            let sound = self.note_written(segment);
            if !sound && !self.nodes[node].evil {
                self.broke(OWN_NUMBERS, format!("{:?} {}", segment.log, segment.last()));
            }
            if segment.log.space.is_conversation() {
                self.check_order(node, segment);
            }
        }
        if let Some(horizon) = commit.horizon {
            self.check_horizon(node, horizon, commit);
        }
        self.check_keys(node, commit);
        if !self.nodes[node].evil {
            self.check_stored_again(node, commit);
            self.check_audited(&fresh);
        }
    }

    /// What the node wrote itself; its own older logs may also come back to it from others.
    fn fresh(&self, node: usize, commit: &Commit) -> Vec<Arc<Segment>> {
        let own = AuthorId::from(self.nodes[node].device);
        let known = |segment: &Segment| {
            let written = self.written.get(&segment.log);
            let hashes = written.and_then(|numbers| numbers.get(&segment.last()));
            hashes.is_some_and(|hashes| hashes.contains(&segment.end(&self.authority.id).hash))
        };
        let mine = commit.segments.iter().filter(|s| s.log.author == own);
        mine.filter(|segment| !known(segment)).cloned().collect()
    }

    /// What a node writes is later than what it holds, unless its own clock made that impossible.
    fn check_order(&mut self, node: usize, segment: &Segment) {
        let found = &self.nodes[node];
        let reach = self.wall(node).plus(AHEAD / 2);
        let logs = found.disk.of_space(&segment.log.space);
        let newest = logs
            .filter_map(|(_, stored)| stored.entries().next_back())
            .map(|(_, entry)| entry.header.time)
            .filter(|time| time.wall() <= reach)
            .max();
        let last = segment.entries.last().map(|entry| entry.header.time);
        if last < newest && !found.evil && !found.stepped {
            self.broke(
                AFTER_WHAT_WAS_SEEN,
                format!(
                    "node {node}: {last:?} before {newest:?} in {:?}",
                    segment.log
                ),
            );
        }
    }

    /// Who was shown two branches of a log takes no more of it.
    fn check_fork(&mut self, node: usize, segment: &Segment) {
        // What was taken before may take this long to reach the disk.
        const GRACE: u64 = 12_000;
        let shown = self.shown_forks.get(&(node, segment.log)).copied();
        if shown.is_some_and(|at| at + GRACE < self.time) && !self.nodes[node].evil {
            self.broke(NOT_PAST_A_FORK, format!("node {node}: {:?}", segment.log));
        }
    }

    /// Notes that a node was shown a signed head that is not on the history it holds.
    pub(crate) fn note_shown(&mut self, node: usize, frame: &Frame) {
        let Frame::Heads { space, heads } = frame else {
            return;
        };
        for head in heads {
            let log = Log {
                space: *space,
                author: head.author,
                epoch: head.epoch,
            };
            let at = (head.head.seq as usize).wrapping_sub(1);
            let held = self.nodes[node].disk.logs.get(&log);
            let held = held.and_then(|stored| stored.hashes.get(at));
            if held.is_some_and(|held| *held != head.head.hash) && self.spoiled.contains(&log) {
                let time = self.time;
                self.shown_forks.entry((node, log)).or_insert(time);
            }
        }
    }

    /// A horizon that moves: only past days that are over by this clock and by a peer's, or, where nobody is
    /// heard, by this clock and by what can have passed.
    fn check_horizon(&mut self, node: usize, horizon: Day, commit: &Commit) {
        let held = self.nodes[node].disk.horizon;
        if horizon < held {
            let story = format!("node {node}: {} after {}", horizon.0, held.0);
            self.broke(HORIZON_ONLY_GROWS, story);
        }
        let wall = self.wall(node);
        let found = &self.nodes[node];
        let own = found.furthest.max(wall).day();
        let time = self.time;
        let by_peer = found.peer_clocks.values().any(|(at, clock)| {
            // Two seconds for the way of the frame.
            let passed = Duration::from_millis(time - at + 2000);
            clock.plus(passed).day() >= horizon
        });
        // Whoever answers while the commit waits for the disk does not undo what was decided.
        let since = found.undecided_since(time);
        let alone = found.alone_until(time).is_some_and(|at| at >= since);
        let alone = alone && found.credible(time).day() >= horizon;
        // Whoever has just heard that the last other node is revoked has nobody to ask any more.
        let others = self.around(node, commit).iter().all(|model| {
            let mut devices = model.devices.iter();
            devices.any(|(id, device)| *id != self.nodes[node].device && device.revoked.is_none())
        });
        if horizon > self.true_wall().day() {
            self.nodes[node].horizon_off = true;
        }
        let confirmed = by_peer || alone || !others;
        if own < horizon || (!confirmed && !self.nodes[node].evil) {
            let clock = own.0;
            self.broke(
                HORIZON_NOT_AHEAD,
                format!("node {node}: {} with its clock at {clock}", horizon.0),
            );
        }
    }

    /// Each message of this node's people is in one commit with its record.
    fn check_audited(&mut self, fresh: &[Arc<Segment>]) {
        let clinic = self.authority.id;
        let records: Vec<Deed> = fresh
            .iter()
            .filter(|segment| matches!(segment.log.space, Space::Audit(_)))
            .flat_map(|segment| &segment.entries)
            .filter_map(|entry| AuditRecord::from_body(&entry.payload.as_ref()?.body).ok())
            .map(|record| record.deed)
            .collect();
        let talks = |segment: &&Arc<Segment>| segment.log.space.is_conversation();
        for segment in fresh.iter().filter(talks) {
            let place = segment.log.space.id(&clinic);
            for (seq, entry) in (segment.first..).zip(&segment.entries) {
                let covered = records.iter().any(|deed| match deed {
                    Deed::MessagesSent { space, first, last } => {
                        *space == place && (*first..=*last).contains(&seq)
                    }
                    _ => false,
                });
                if !covered && entry.payload.is_some() {
                    self.broke(AUDIT_WITH_THE_ACT, format!("{:?} {seq}", segment.log));
                }
            }
        }
    }

    /// The plain readings of what is on a node's disk before a commit and after it. A node decides by the
    /// record as it knows it; what was decided before a statement came, and what follows from that, may be
    /// in one commit with it, which holds as a whole or not at all.
    fn around(&mut self, node: usize, commit: &Commit) -> [Arc<Model>; 2] {
        let statements = |segment: &&Arc<Segment>| {
            segment.log.space == Space::Record && segment.log.epoch == Epoch::RECORD
        };
        let fresh: Vec<StatementId> = commit
            .segments
            .iter()
            .filter(statements)
            .flat_map(|segment| {
                let author = segment.log.author;
                (segment.first..=segment.last()).map(move |seq| StatementId { author, seq })
            })
            .collect();
        let before = self.model(node);
        if fresh.is_empty() {
            return [before.clone(), before];
        }
        let held = self.nodes[node].disk.statements();
        let ids = held.iter().map(|(id, ..)| id).chain(&fresh);
        let said = ids.filter_map(|id| self.authority.said.get(id));
        [before, Arc::new(Model::of(&self.authority.id, said))]
    }

    /// What is about to be durable.
    pub(crate) fn check_before_apply(&mut self, node: usize, commit: &Commit) {
        let own = AuthorId::from(self.nodes[node].device);
        let known = self.around(node, commit);
        for segment in &commit.segments {
            if segment.log.author != own && !self.nodes[node].evil {
                self.check_received(node, segment);
                let known = known.each_ref().map(|model| model.as_ref());
                self.check_revoked_author(node, segment, known);
            }
        }
        for space in &commit.drops {
            self.check_drop(node, space);
        }
        for attestation in commit.attestations.iter().filter(|found| found.by != own) {
            self.check_their_word(node, attestation);
        }
    }

    /// What a node believes of another's word, that other has really held.
    fn check_their_word(&mut self, node: usize, attestation: &Attestation) {
        let by = self.node_of(&attestation.by.as_device());
        let (Some(by), Some((author, epoch))) = (by, attestation.subject().log) else {
            return;
        };
        let log = Log {
            space: attestation.space,
            author,
            epoch,
        };
        let held = self.nodes[by].ever_held.get(&log).copied().unwrap_or(0);
        if held < attestation.extent() && !self.nodes[by].evil && !self.nodes[node].evil {
            self.broke(
                ATTESTED_IS_DURABLE,
                format!("node {node} believes of node {by}"),
            );
        }
    }

    fn check_received(&mut self, node: usize, segment: &Segment) {
        let log = segment.log;
        let end = segment.end(&self.authority.id);
        let written = self.written.get(&log);
        let genuine = written
            .and_then(|numbers| numbers.get(&end.seq))
            .is_some_and(|hashes| hashes.contains(&end.hash));
        let whole = segment.entries.iter().all(|entry| {
            let payload = entry.payload.as_ref();
            payload.is_none_or(|payload| payload.digest() == entry.header.digest)
        });
        if !genuine || !whole {
            self.broke(GENUINE, format!("node {node}: {log:?} {}", end.seq));
        }
        let stored = self.nodes[node].disk.logs.get(&log);
        if stored.is_some_and(|stored| stored.forked) {
            self.broke(NOT_PAST_A_FORK, format!("node {node}: {log:?}"));
        }
        let horizon = self.nodes[node].disk.horizon;
        let mut with_body = segment
            .entries
            .iter()
            .filter(|entry| entry.payload.is_some());
        if with_body.any(|entry| entry.header.last_day < horizon) {
            self.broke(NO_EXPIRED_BODY, format!("node {node} stores {log:?}"));
        }
        let furthest = self.nodes[node].furthest.max(self.wall(node)).plus(AHEAD);
        let mut times = segment.entries.iter().map(|entry| entry.header.time.wall());
        if times.any(|time| time > furthest) {
            self.broke(NOTHING_FROM_THE_FUTURE, format!("node {node}: {log:?}"));
        }
        self.check_place(node, segment);
    }

    fn check_place(&mut self, node: usize, segment: &Segment) {
        let log = segment.log;
        let device = self.nodes[node].device;
        if log.space == Space::Record {
            if !self.might(|all| all.roots.signers.contains(&log.author)) {
                self.broke(AUTHORS_MAY_WRITE, format!("node {node}: {log:?}"));
            }
            return;
        }
        let author = log.author.as_device();
        let owner = matches!(log.space, Space::Audit(owner) if owner == author);
        let audit = matches!(log.space, Space::Audit(_));
        let may = self.might(|all| match audit {
            true => owner && all.devices.contains_key(&author),
            false => all.might_ever_hold(&author, &log.space),
        });
        if !may {
            self.broke(AUTHORS_MAY_WRITE, format!("node {node}: {log:?}"));
        }
        if !self.might(|all| all.might_ever_hold(&device, &log.space)) {
            self.broke(HOLDERS_ARE_ENTITLED, format!("node {node}: {log:?}"));
        }
        if log.space.is_conversation() {
            self.check_speakers(node, segment);
        }
    }

    fn check_speakers(&mut self, node: usize, segment: &Segment) {
        let author = segment.log.author.as_device();
        for entry in &segment.entries {
            let Some(payload) = &entry.payload else {
                continue;
            };
            let speaker = Message::from_body(&segment.log.space, &payload.body)
                .map(|message| message.staff());
            let right = speaker.is_ok_and(|staff| {
                self.might(|all| {
                    all.ever_at_home(&author, &staff) && all.ever_in(&staff, &segment.log.space)
                })
            });
            if !right {
                self.broke(
                    SPEAKERS_ARE_AT_HOME,
                    format!("node {node}: {:?}", segment.log),
                );
            }
        }
    }

    fn check_revoked_author(&mut self, node: usize, segment: &Segment, known: [&Model; 2]) {
        let log = segment.log;
        let counts = log.space == Space::Record || self.voided(node, &log.author.as_device());
        if !counts && known.iter().all(|model| begins_beyond(model, segment)) {
            self.broke(NOT_BEYOND_REVOCATION, format!("node {node}: {log:?}"));
        }
    }

    /// A space is given up: what its people were told is sent must be with others.
    fn check_drop(&mut self, node: usize, space: &Space) {
        // What a revoked device wrote beyond its end counts nowhere.
        if !self.model(node).in_good_standing(&self.nodes[node].device) {
            return;
        }
        let horizon = self.nodes[node].disk.horizon;
        let mine = |acked: &&super::world::Acked| {
            acked.node == node && acked.id.space == *space && !acked.lost
        };
        let alive = self
            .acked
            .iter()
            .filter(mine)
            .filter(|acked| acked.last_day >= horizon);
        let elsewhere = |acked: &super::world::Acked| {
            self.nodes.iter().enumerate().any(|(other, found)| {
                let held = found.ever_held.get(&acked.id.log()).copied().unwrap_or(0);
                other != node && (held >= acked.id.seq || found.evil)
            })
        };
        let missing: Vec<_> = alive
            .filter(|acked| !elsewhere(acked))
            .map(|a| a.id)
            .collect();
        if let Some(id) = missing.first() {
            self.broke(ACKED_IS_KEPT, format!("node {node} gives up {id:?}"));
        }
        // What is known of its forks goes with it.
        let time = self.time;
        let gone = |(at, log): &(usize, Log)| *at == node && log.space == *space;
        self.shown_forks
            .retain(|key, shown| !gone(key) || *shown > time);
        // From here on it is for those others to keep.
        let mine =
            |acked: &&mut super::world::Acked| acked.node == node && acked.id.space == *space;
        for acked in self.acked.iter_mut().filter(mine) {
            acked.lost = true;
        }
    }

    /// Whether the engine knows the revocation of a device to be void: the end of the admin who signed
    /// it may be on its way to the disk. `check_idle` sees to it that the engine does not imagine it.
    fn voided(&self, node: usize, device: &DeviceId) -> bool {
        let engine = self.nodes[node].engine.as_ref();
        engine.is_some_and(|engine| engine.clinic().revoked_at(&(*device).into()).is_none())
    }

    /// Takes down whom a node knows to be revoked once it has done everything that one input brought.
    pub(crate) fn note_out(&mut self, node: usize) {
        let peers = 0..self.nodes.len();
        let out = peers.filter(|peer| self.is_out(node, *peer)).collect();
        self.nodes[node].out = out;
    }

    /// Whether a node knows, if not yet for good, that another is revoked.
    fn is_out(&self, node: usize, peer: usize) -> bool {
        let device = AuthorId::from(self.nodes[peer].device);
        let engine = self.nodes[node].engine.as_ref();
        let revoked = engine.is_some_and(|engine| engine.clinic().revoked_at(&device).is_some());
        revoked && !self.is_heard(node, peer)
    }

    /// No open channel to a device whose revocation is on this disk.
    pub(crate) fn check_links(&mut self, node: usize) {
        if self.nodes[node].evil || self.nodes[node].engine.is_none() {
            return;
        }
        let model = self.model(node);
        let revoked = |peer: usize| {
            let device = self.nodes[peer].device;
            let known = model.devices.get(&device);
            known.is_some_and(|known| known.revoked.is_some())
                && !self.voided(node, &device)
                && !self.is_heard(node, peer)
        };
        let links = self.net.links.iter().filter(|(_, link)| {
            let side = usize::from(link.ends[1] == node);
            link.ends.contains(&node) && link.open[side] && revoked(link.ends[1 - side])
        });
        let found: Vec<u64> = links.map(|(id, _)| *id).collect();
        if let Some(id) = found.first() {
            self.broke(REVOKED_IS_OUT, format!("node {node} keeps link {id}"));
        }
    }

    /// A node ends a link for a reason of its own.
    pub(crate) fn check_closed(&mut self, node: usize, link: u64, why: Refusal) {
        let Some(peer) = self.peer_of(node, link) else {
            return;
        };
        let honest = !self.nodes[node].evil && !self.nodes[peer].evil;
        if honest && why == Refusal::Misbehaved {
            self.broke(
                HONEST_IS_TRUSTED,
                format!("node {node} accuses node {peer}"),
            );
        }
    }

    /// When nothing is under way at a node, its clinic is what its disk makes.
    pub(crate) fn check_idle(&mut self, node: usize) {
        let found = &self.nodes[node];
        if found.evil || found.in_flight.is_some() || found.model.is_some() {
            return;
        }
        let expected = self.model(node).words();
        let Some(engine) = &self.nodes[node].engine else {
            return;
        };
        let actual = model::words(engine.clinic());
        if actual != expected {
            let lines = actual.lines().zip(expected.lines());
            let differs = lines
                .filter(|(a, b)| a != b)
                .map(|(a, b)| format!("{a}\n    instead of {b}"));
            let what = differs.take(2).collect::<Vec<_>>().join("\n  ");
            self.broke(RECORD_IS_READ_RIGHT, format!("node {node}:\n  {what}"));
        }
    }

    /// An answer that a node gives.
    pub(crate) fn check_reply(&mut self, node: usize, waiting: &Waiting, reply: &Reply) {
        if self.nodes[node].evil {
            return;
        }
        match (waiting, reply) {
            (Waiting::Post { .. }, Reply::Posted(id)) => {
                let stored = self.nodes[node].disk.logs.get(&id.log());
                if stored.is_none_or(|stored| stored.head.seq < id.seq) {
                    self.broke(ACKED_IS_DURABLE, format!("node {node}: {id:?}"));
                }
            }
            (
                Waiting::Read {
                    staff,
                    space,
                    known,
                    horizon,
                    gone,
                    ..
                },
                Reply::Page(page),
            ) => {
                self.check_page(node, *staff, space, page);
                for line in &page.messages {
                    self.check_line(node, line, known, *horizon);
                    self.check_shown_again(node, line, gone);
                }
            }
            _ => {}
        }
    }

    fn check_page(
        &mut self,
        node: usize,
        staff: clinic_mesh::domain::id::StaffId,
        space: &Space,
        page: &Page,
    ) {
        let ids: Vec<u8> = page
            .messages
            .iter()
            .flat_map(|line| codec::encode(&line.id))
            .collect();
        let digest = Hash::of("read/v1", &[&ids]);
        if !self.is_recorded(node, digest) {
            self.broke(AUDIT_BEFORE_READING, format!("node {node}: {space:?}"));
        }
        let device = self.nodes[node].device;
        if !self.might(|all| all.ever_at_home(&device, &staff) && all.ever_in(&staff, space)) {
            self.broke(READERS_ARE_MEMBERS, format!("node {node}: {space:?}"));
        }
    }

    fn is_recorded(&self, node: usize, digest: Hash) -> bool {
        let found = &self.nodes[node];
        let Some(trail) = found.trail.and_then(|log| found.disk.logs.get(&log)) else {
            return false;
        };
        trail.entries().rev().take(200).any(|(_, entry)| {
            let record = entry
                .payload
                .as_ref()
                .and_then(|payload| AuditRecord::from_body(&payload.body).ok());
            matches!(
                record.map(|record| record.deed),
                Some(Deed::MessagesRead { entries, .. }) if entries == digest
            )
        })
    }

    fn check_line(&mut self, node: usize, line: &MessageLine, known: &Model, horizon: Day) {
        let disk = &self.nodes[node].disk;
        let stored = disk.logs.get(&line.id.log());
        let entry = stored.and_then(|log| log.entries().find(|(seq, _)| *seq == line.id.seq));
        let last_day = entry.map(|(_, entry)| entry.header.last_day);
        // A space that was given up in the meantime was held when the page was asked for.
        let held = self.nodes[node].ever_held.get(&line.id.log());
        let given_up = entry.is_none() && held.is_some_and(|held| *held >= line.id.seq);
        if last_day.is_none_or(|day| day < horizon) && !given_up {
            self.broke(NO_EXPIRED_BODY, format!("node {node} shows {:?}", line.id));
        }
        for device in &line.receipts.held_by {
            let Some(holder) = self.node_of(device) else {
                continue;
            };
            let held = self.nodes[holder].ever_held.get(&line.id.log());
            if held.is_none_or(|held| *held < line.id.seq) && !self.nodes[holder].evil {
                self.broke(ATTESTED_IS_DURABLE, format!("shown of node {holder}"));
            }
        }
        // Another revocation, which names a later end, may be on its way to the disk.
        let now = self.model(node);
        let beyond = [known, &now].iter().all(|model| is_beyond(model, line));
        if beyond && !self.voided(node, &line.id.author.as_device()) {
            self.broke(
                NOT_BEYOND_REVOCATION,
                format!("node {node} shows {:?}", line.id),
            );
        }
    }
}

/// Whether a revoked device began a segment after its end.
fn begins_beyond(model: &Model, segment: &Segment) -> bool {
    let log = segment.log;
    let Some(device) = model.devices.get(&log.author.as_device()) else {
        return false;
    };
    let end = device.ends.get(&(log.space, log.epoch.0));
    match (device.revoked, end) {
        (Some(_), Some(end)) => segment.first > *end,
        (Some(at), None) => segment.entries[0].header.time.wall() > at,
        (None, _) => false,
    }
}

/// Whether a revoked device wrote a line after its end.
fn is_beyond(model: &Model, line: &MessageLine) -> bool {
    let Some(device) = model.devices.get(&line.id.author.as_device()) else {
        return false;
    };
    let end = device.ends.get(&(line.id.space, line.id.epoch.0));
    match (device.revoked, end) {
        (Some(_), Some(end)) => line.id.seq > *end,
        (Some(at), None) => line.time.wall() > at,
        (None, _) => false,
    }
}

/// Whether a disk holds a body of a space whose last day is before a day.
pub(crate) fn has_body_before(disk: &super::disk::Disk, space: &Space, day: Day) -> bool {
    disk.of_space(space).any(|(_, stored)| {
        let mut entries = stored.rows.iter().flat_map(|row| &row.entries);
        entries.any(|entry| entry.payload.is_some() && entry.header.last_day < day)
    })
}
