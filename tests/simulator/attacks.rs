//! What the misbehaving peer does: it has a valid certificate, speaks the frames, and lies.

use std::sync::Arc;

use clinic_mesh::domain::attest::{Attestation, Word};
use clinic_mesh::domain::id::{AuthorId, Hash, StaffId};
use clinic_mesh::domain::log::{Entry, Epoch, Head, Log, Payload, Segment};
use clinic_mesh::domain::message::{Message, StaffItem};
use clinic_mesh::domain::policy::Policy;
use clinic_mesh::domain::sign::SigningKey;
use clinic_mesh::domain::space::Space;
use clinic_mesh::domain::statement::{Act, Statement};
use clinic_mesh::domain::time::{Day, Hlc, WallTime};
use clinic_mesh::wire::{Frame, LogHead, SpaceDigest};
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::clinic::{DAY, LEE, ROBIN, record_log};
use super::plan::Kind;
use super::world::World;

/// The misbehaving machine, one of its links, and its key.
struct Stage {
    evil: usize,
    victim: usize,
    link: u64,
    key: SigningKey,
}

impl World {
    /// Does one thing that no honest node does.
    pub(crate) fn attack(&mut self, kind: Kind, rng: &mut StdRng) {
        let Some(stage) = self.stage(rng) else { return };
        match kind {
            Kind::Replay => self.replay(&stage, rng),
            Kind::ForgedAuthor => self.forge_author(&stage, rng),
            Kind::ForkedLog => self.fork(&stage, rng),
            Kind::SkippedNumber => self.skip_number(&stage, rng),
            Kind::WrongDigest => self.alter(&stage, rng, alter_body),
            Kind::Stripped => self.alter(&stage, rng, strip_body),
            Kind::WithoutRight => self.without_right(&stage, rng),
            Kind::Backdated => self.backdate(&stage),
            Kind::Expired => self.date(&stage, rng, -(20 * DAY.as_millis() as i64), 1),
            Kind::KeptTooLong => self.date(&stage, rng, 0, 40_000),
            Kind::Future => self.date(&stage, rng, 3_600_000, 3),
            Kind::LongLists => self.long_lists(&stage, rng),
            Kind::ForgedAttestation => self.forge_attestation(&stage, rng),
            Kind::Lie => self.lie(&stage, rng),
            Kind::Unentitled => self.trespass(&stage, rng),
            Kind::WrongMeshKey => self.wrong_mesh_key(&stage, rng),
            Kind::SpeaksForOthers => self.speak_for_others(&stage, rng),
            Kind::OldPolicy => self.old_policy(&stage),
            Kind::ForgedStatement => self.forge_statement(&stage),
            _ => {}
        }
    }

    fn stage(&mut self, rng: &mut StdRng) -> Option<Stage> {
        let evil = self.nodes.iter().position(|node| node.evil)?;
        let links: Vec<(u64, usize)> = self
            .net
            .links
            .iter()
            .filter(|(_, link)| link.ends.contains(&evil) && link.open == [true, true])
            .map(|(id, link)| (*id, link.ends[usize::from(link.ends[0] == evil)]))
            .collect();
        if links.is_empty() {
            return None;
        }
        let (link, victim) = links[rng.random_range(0..links.len())];
        let key = self.authority.machines[self.nodes[evil].machine]
            .key
            .clone();
        Some(Stage {
            evil,
            victim,
            link,
            key,
        })
    }

    fn whisper(&mut self, stage: &Stage, frame: &Frame) {
        self.send(stage.evil, stage.link, frame.encode());
    }

    fn give(&mut self, stage: &Stage, segment: Segment) {
        self.whisper(stage, &Frame::Entries(Arc::new(segment)));
    }

    /// A segment that the misbehaving peer holds, of somebody else's conversation log.
    fn stolen(&mut self, stage: &Stage, rng: &mut StdRng) -> Option<Segment> {
        let own = AuthorId::from(self.nodes[stage.evil].device);
        let disk = &self.nodes[stage.evil].disk;
        let rows: Vec<&Arc<Segment>> = disk
            .logs
            .iter()
            .filter(|(log, _)| log.author != own && log.space.is_conversation())
            .flat_map(|(_, stored)| &stored.rows)
            .collect();
        if rows.is_empty() {
            return None;
        }
        Some(Segment::clone(rows[rng.random_range(0..rows.len())]))
    }

    fn replay(&mut self, stage: &Stage, rng: &mut StdRng) {
        if let Some(segment) = self.stolen(stage, rng) {
            self.give(stage, segment);
        }
    }

    /// A conversation that the victim holds.
    fn their_space(&self, stage: &Stage, rng: &mut StdRng) -> Option<Space> {
        let disk = &self.nodes[stage.victim].disk;
        let mut spaces: Vec<Space> = disk.logs.keys().map(|log| log.space).collect();
        spaces.retain(Space::is_conversation);
        spaces.dedup();
        let count = spaces.len();
        (count > 0).then(|| spaces[rng.random_range(0..count)])
    }

    fn entry(&self, staff: StaffId, text: &str, time: Hlc, last_day: Day) -> Entry {
        let body = Message::text(staff, text.into()).to_body();
        let salt = [9; 16];
        Entry::new(time, last_day, Payload { salt, body })
    }

    fn somebody(&self, rng: &mut StdRng) -> StaffId {
        self.authority.staff[rng.random_range(0..self.authority.staff.len())]
    }

    fn time_now(&self) -> (Hlc, Day) {
        let now = self.true_wall();
        (Hlc::at(now), now.day().plus(1))
    }

    /// The next entry of somebody else's log, signed with the wrong key.
    fn forge_author(&mut self, stage: &Stage, rng: &mut StdRng) {
        let own = AuthorId::from(self.nodes[stage.evil].device);
        let logs = self.nodes[stage.victim].disk.logs.iter();
        let others: Vec<(Log, Head)> = logs
            .filter(|(log, _)| log.author != own && log.space.is_conversation())
            .map(|(log, stored)| (*log, stored.head))
            .collect();
        if others.is_empty() {
            return;
        }
        let (log, head) = others[rng.random_range(0..others.len())];
        let staff = self
            .home_of(&log.author, &log.space)
            .unwrap_or(self.somebody(rng));
        let (time, day) = self.time_now();
        let entry = self.entry(staff, "forged", time, day);
        let (segment, _) = Segment::sign(&self.authority.id, &stage.key, log, head, vec![entry]);
        self.give(stage, segment);
    }

    /// Somebody whom a device may write for in a space.
    fn home_of(&mut self, author: &AuthorId, space: &Space) -> Option<StaffId> {
        let all = self.ever();
        let people = self.authority.staff.iter();
        let mut right = people.filter(|staff| {
            all.ever_at_home(&author.as_device(), staff) && all.ever_in(staff, space)
        });
        right.next().copied()
    }

    /// A log of its own, in a conversation where it may write, that nobody else has heard of.
    fn own_log(&mut self, stage: &Stage, rng: &mut StdRng) -> Option<(Log, StaffId)> {
        let own = AuthorId::from(self.nodes[stage.evil].device);
        let space = self.their_space(stage, rng)?;
        let staff = self.home_of(&own, &space)?;
        let log = Log {
            space,
            author: own,
            epoch: Epoch(rng.random_range(1..u64::MAX / 2)),
        };
        self.spoiled.insert(log);
        Some((log, staff))
    }

    /// Two histories of one log, to two peers or to one.
    fn fork(&mut self, stage: &Stage, rng: &mut StdRng) {
        let Some((log, staff)) = self.own_log(stage, rng) else {
            return;
        };
        let (time, day) = self.time_now();
        let clinic = self.authority.id;
        let entry = |world: &Self, text| world.entry(staff, text, time, day);
        let first = entry(self, "first");
        let (start, head) = Segment::sign(&clinic, &stage.key, log, Head::EMPTY, vec![first]);
        let branches = ["left", "right"].map(|text| {
            let entries = vec![entry(self, text)];
            Segment::sign(&clinic, &stage.key, log, head, entries)
        });
        self.note_written(&start);
        self.note_written(&branches[0].0);
        self.note_written(&branches[1].0);
        let (third, _) = Segment::sign(
            &clinic,
            &stage.key,
            log,
            branches[0].1,
            vec![entry(self, "third")],
        );
        self.note_written(&third);
        let shown = LogHead {
            author: log.author,
            epoch: log.epoch,
            head: branches[1].1,
            signature: branches[1].0.signature,
        };
        self.give(stage, start);
        self.give(stage, branches[0].0.clone());
        let heads = Frame::Heads {
            space: log.space,
            heads: vec![shown],
        };
        self.whisper(stage, &heads);
        self.give(stage, branches[1].0.clone());
        // Once more when the first branch is durable there, and then more of it.
        self.later.push((self.time + 6_000, stage.victim, heads));
        let third = Frame::Entries(Arc::new(third));
        self.later.push((self.time + 25_000, stage.victim, third));
        let others: Vec<u64> = self.net.links.keys().copied().collect();
        for link in others {
            let bytes = Frame::Entries(Arc::new(branches[1].0.clone())).encode();
            if link != stage.link && rng.random_range(0..2) == 0 {
                self.send(stage.evil, link, bytes);
            }
        }
    }

    /// Sends what the misbehaving peer put off.
    pub(crate) fn send_later(&mut self) {
        let due: Vec<_> = self
            .later
            .extract_if(.., |(at, ..)| *at <= self.time)
            .collect();
        for (_, victim, frame) in due {
            let Some(evil) = self.nodes.iter().position(|node| node.evil) else {
                continue;
            };
            let links = self.net.links.iter();
            let link = links
                .filter(|(_, link)| link.ends.contains(&evil) && link.ends.contains(&victim))
                .map(|(id, _)| *id)
                .next_back();
            if let Some(link) = link {
                self.send(evil, link, frame.encode());
            }
        }
    }

    fn skip_number(&mut self, stage: &Stage, rng: &mut StdRng) {
        let Some((log, staff)) = self.own_log(stage, rng) else {
            return;
        };
        let (time, day) = self.time_now();
        let entry = self.entry(staff, "second", time, day);
        let head = Head {
            seq: 1,
            hash: Hash::new([3; 32]),
        };
        let (segment, _) = Segment::sign(&self.authority.id, &stage.key, log, head, vec![entry]);
        // Whether it says so or not, it is not the first.
        self.give(stage, segment.clone());
        self.give(
            stage,
            Segment {
                first: 1,
                ..segment
            },
        );
    }

    /// The next entries that the victim lacks of somebody's log, changed on the way.
    fn alter(&mut self, stage: &Stage, rng: &mut StdRng, change: fn(&mut Entry)) {
        let victim = &self.nodes[stage.victim].disk;
        let own = AuthorId::from(self.nodes[stage.evil].device);
        let next = |log: &Log| victim.logs.get(log).map_or(0, |stored| stored.head.seq) + 1;
        let logs = self.nodes[stage.evil].disk.logs.iter();
        let news: Vec<Segment> = logs
            .filter(|(log, _)| log.author != own)
            .flat_map(|(log, stored)| stored.rows.iter().filter(move |r| r.first == next(log)))
            .map(|row| Segment::clone(row))
            .collect();
        let old = self.stolen(stage, rng);
        if let Some(mut segment) = news.into_iter().next().or(old) {
            segment.entries.iter_mut().for_each(change);
            self.give(stage, segment);
        }
    }

    /// An admin's statement beyond her scopes: it exists, it is genuine, and it must not count.
    fn without_right(&mut self, stage: &Stage, rng: &mut StdRng) {
        let key = self.authority.admins[LEE].key.clone();
        let act = match rng.random_range(0..3) {
            0 => self.cunning_policy(u32::MAX - 10),
            1 => self.authority.rotate(9),
            _ => {
                let now = self.true_wall();
                let machine = self.nodes[stage.victim].machine;
                match self.authority.revoke(machine, Vec::new(), now) {
                    Some(act) => act,
                    None => return,
                }
            }
        };
        self.authority.mesh_keys.remove(&9);
        self.sign(&key, Vec::new(), act);
        self.give_all(stage, &key);
    }

    fn cunning_policy(&self, version: u32) -> Act {
        let policy = Policy {
            version,
            direct_days: 3000,
            room_days: 3000,
            ..Policy::initial()
        };
        Act::PolicySet { policy }
    }

    /// Gives the victim everything that one key signed.
    fn give_all(&mut self, stage: &Stage, key: &SigningKey) {
        for segment in self.authority.segments[&key.id()].clone() {
            self.give(stage, segment);
        }
    }

    /// An admin who was ended goes on signing, as if it had been before.
    fn backdate(&mut self, stage: &Stage) {
        let ended = [1, 3].into_iter().find(|admin| {
            let found = &self.authority.admins[*admin];
            found.granted && found.last.is_some()
        });
        let Some(admin) = ended else { return };
        let key = self.authority.admins[admin].key.clone();
        let act = self.cunning_policy(u32::MAX - 20);
        let yesterday = WallTime(self.true_wall().0 - 60_000);
        self.authority.say(&key, Vec::new(), yesterday, act);
        (self.all, self.ever) = (None, None);
        if let Some(segment) = self.authority.segments[&key.id()].last().cloned() {
            self.note_written(&segment);
        }
        self.give_all(stage, &key);
    }

    /// A policy of lower version, signed by one who may, dated later.
    fn old_policy(&mut self, stage: &Stage) {
        let key = self.authority.admins[ROBIN].key.clone();
        let act = self.cunning_policy(1);
        if self.authority.said.values().any(
            |said| matches!(&said.statement.act, Act::PolicySet { policy } if policy.version > 1),
        ) {
            self.sign(&key, Vec::new(), act);
            self.give_all(stage, &key);
        }
    }

    /// A statement in an admin's log that another key signed.
    fn forge_statement(&mut self, stage: &Stage) {
        let author = self.authority.admins[ROBIN].key.id();
        let log = record_log(author);
        let stored = self.nodes[stage.victim].disk.logs.get(&log);
        let head = stored.map_or(Head::EMPTY, |stored| stored.head);
        let statement = Statement {
            seen: Vec::new(),
            act: self.cunning_policy(u32::MAX - 30),
        };
        let (time, _) = self.time_now();
        let payload = Payload {
            salt: [1; 16],
            body: statement.to_body(),
        };
        let entry = Entry::new(time, Day::NEVER, payload);
        let clinic = self.authority.id;
        let (segment, _) = Segment::sign(&clinic, &stage.key, log, head, vec![entry]);
        self.give(stage, segment);
        // And one in a log of its own, which is no admin's.
        let own = record_log(stage.key.id());
        let statement = Statement {
            seen: Vec::new(),
            act: self.cunning_policy(u32::MAX - 40),
        };
        let payload = Payload {
            salt: [1; 16],
            body: statement.to_body(),
        };
        let entry = Entry::new(time, Day::NEVER, payload);
        let (segment, _) = Segment::sign(&clinic, &stage.key, own, Head::EMPTY, vec![entry]);
        self.note_written(&segment);
        self.give(stage, segment);
    }

    /// An entry of its own from another time.
    fn date(&mut self, stage: &Stage, rng: &mut StdRng, offset_ms: i64, days: u32) {
        let Some((log, staff)) = self.own_log(stage, rng) else {
            return;
        };
        let now = self.true_wall();
        let wall = WallTime(now.0.saturating_add_signed(offset_ms));
        let last_day = wall.day().plus(days);
        let entry = self.entry(staff, "misdated", Hlc::at(wall), last_day);
        let clinic = self.authority.id;
        let (segment, _) = Segment::sign(&clinic, &stage.key, log, Head::EMPTY, vec![entry]);
        self.note_written(&segment);
        self.give(stage, segment);
    }

    fn long_lists(&mut self, stage: &Stage, rng: &mut StdRng) {
        let Some(space) = self.their_space(stage, rng) else {
            return;
        };
        let heads = (0..1024)
            .map(|number| LogHead {
                author: stage.key.id(),
                epoch: Epoch(number + 10),
                head: Head {
                    seq: u64::MAX - number,
                    hash: Hash::ZERO,
                },
                signature: clinic_mesh::domain::sign::Signature::new([1; 64]),
            })
            .collect();
        self.whisper(stage, &Frame::Heads { space, heads });
        let digests = vec![SpaceDigest { tag: 1, digest: 2 }; 1024];
        let more = rng.random_range(0..2) == 0;
        self.whisper(stage, &Frame::Spaces { digests, more });
    }

    /// "That office holds it", which that office never said.
    fn forge_attestation(&mut self, stage: &Stage, rng: &mut StdRng) {
        let by = rng.random_range(0..self.nodes.len());
        let Some((log, head)) = self.newest_of(stage.victim, rng) else {
            return;
        };
        let word = held(&log, head);
        let mut forged = Attestation::new(&self.authority.id, &stage.key, log.space, word);
        forged.by = AuthorId::from(self.nodes[by].device);
        let attestations = vec![forged];
        self.whisper(stage, &Frame::Attest { attestations });
    }

    /// "I hold it, and more": its own word, but not the truth.
    fn lie(&mut self, stage: &Stage, rng: &mut StdRng) {
        let Some((log, mut head)) = self.newest_of(stage.victim, rng) else {
            return;
        };
        head.seq += rng.random_range(0..3);
        let word = held(&log, head);
        let lie = Attestation::new(&self.authority.id, &stage.key, log.space, word);
        self.lies.insert(lie.subject());
        let attestations = vec![lie];
        self.whisper(stage, &Frame::Attest { attestations });
    }

    fn newest_of(&self, node: usize, rng: &mut StdRng) -> Option<(Log, Head)> {
        let logs: Vec<(Log, Head)> = self.nodes[node]
            .disk
            .logs
            .iter()
            .filter(|(log, _)| log.space.is_conversation())
            .map(|(log, stored)| (*log, stored.head))
            .collect();
        let count = logs.len();
        (count > 0).then(|| logs[rng.random_range(0..count)])
    }

    /// Wants, and writes into, what is not its people's.
    fn trespass(&mut self, stage: &Stage, rng: &mut StdRng) {
        let own = self.nodes[stage.evil].device;
        let all = self.ever();
        let victim = &self.nodes[stage.victim].disk;
        let others: Vec<Log> = victim
            .logs
            .keys()
            .filter(|log| {
                let kind = log.space.is_conversation() || matches!(log.space, Space::Staff(_));
                kind && !all.might_ever_hold(&own, &log.space)
            })
            .copied()
            .collect();
        if others.is_empty() {
            return;
        }
        let log = others[rng.random_range(0..others.len())];
        let want = Frame::Want {
            log,
            from: 1,
            credit: 8,
        };
        self.whisper(stage, &want);
        let mine = Log {
            author: own.into(),
            epoch: Epoch(77),
            ..log
        };
        let staff = self.somebody(rng);
        let (time, day) = self.time_now();
        let entry = match log.space {
            Space::Staff(_) => {
                let at = self.true_wall();
                let phc = "trespass".to_owned();
                let body = StaffItem::Password { phc, at }.to_body();
                let salt = [9; 16];
                // As long as such entries are kept: the place alone is what is wrong with it.
                Entry::new(time, Day::NEVER, Payload { salt, body })
            }
            _ => self.entry(staff, "trespass", time, day),
        };
        let clinic = self.authority.id;
        let (segment, _) = Segment::sign(&clinic, &stage.key, mine, Head::EMPTY, vec![entry]);
        self.note_written(&segment);
        self.spoiled.insert(mine);
        self.give(stage, segment);
        // To somebody who is not to hold it either.
        self.offer_elsewhere(stage, log);
    }

    /// Gives a log to a node that is not to hold it.
    fn offer_elsewhere(&mut self, stage: &Stage, log: Log) {
        let all = self.ever();
        let segment = self.nodes[stage.victim].disk.logs[&log]
            .rows
            .first()
            .cloned();
        let Some(segment) = segment else { return };
        let links = self.net.links.iter();
        let elsewhere: Vec<u64> = links
            .filter(|(_, link)| link.ends.contains(&stage.evil))
            .filter(|(_, link)| {
                let peer = link.ends[usize::from(link.ends[0] == stage.evil)];
                !all.might_ever_hold(&self.nodes[peer].device, &log.space)
            })
            .map(|(id, _)| *id)
            .collect();
        for link in elsewhere {
            self.send(stage.evil, link, Frame::Entries(segment.clone()).encode());
        }
    }

    /// A key that is not the clinic's, to somebody who hears of the clinic's own at the same moment: nobody else can
    /// have answered yet. Or one of a number that nobody has signed for.
    fn wrong_mesh_key(&mut self, stage: &Stage, rng: &mut StdRng) {
        let genuine = &self.authority.mesh_keys;
        let held = &self.nodes[stage.victim].disk.mesh_keys;
        let lacking = genuine.keys().find(|epoch| !held.contains_key(epoch));
        let unsigned = genuine.len() as u32 + rng.random_range(0..=1);
        let epoch = lacking.copied().unwrap_or(unsigned);
        let robin = self.authority.admins[ROBIN].key.clone();
        self.give_all(stage, &robin);
        let key = [7; 32];
        self.whisper(stage, &Frame::MeshKey { epoch, key });
    }

    /// A message of its own in the name of somebody who is at home elsewhere.
    fn speak_for_others(&mut self, stage: &Stage, rng: &mut StdRng) {
        let Some((log, _)) = self.own_log(stage, rng) else {
            return;
        };
        let all = self.ever();
        let own = self.nodes[stage.evil].device;
        let people = self.authority.staff.iter();
        let others: Vec<StaffId> = people
            .filter(|staff| !(all.ever_at_home(&own, staff) && all.ever_in(staff, &log.space)))
            .copied()
            .collect();
        if others.is_empty() {
            return;
        }
        let staff = others[rng.random_range(0..others.len())];
        let (time, day) = self.time_now();
        let entry = self.entry(staff, "not me", time, day);
        let clinic = self.authority.id;
        let (segment, _) = Segment::sign(&clinic, &stage.key, log, Head::EMPTY, vec![entry]);
        self.note_written(&segment);
        self.give(stage, segment);
    }
}

fn held(log: &Log, head: Head) -> Word {
    Word::Held {
        author: log.author,
        epoch: log.epoch,
        head,
    }
}

fn alter_body(entry: &mut Entry) {
    if let Some(payload) = &mut entry.payload {
        payload.body.push(0);
        entry.header.digest = payload.digest();
        entry.header.body_len += 1;
    }
}

fn strip_body(entry: &mut Entry) {
    entry.payload = None;
}
