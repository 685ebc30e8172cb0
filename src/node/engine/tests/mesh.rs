//! A few engines in one thread: frames arrive at once, commits are durable at once, time is a number.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::disk::Disk;
use crate::domain::audit::{AuditRecord, Origin};
use crate::domain::condition::Condition;
use crate::domain::id::{ClinicId, Hash, StaffId};
use crate::domain::message::{EntryId, Position, Written};
use crate::domain::space::Space;
use crate::domain::testing::{SampleClinic, mesh_key};
use crate::domain::time::WallTime;
use crate::domain::trust::{Circumstances, Credentials, Reach, Refusal, Shown, TrustView};
use crate::node::engine::{
    Changed, Command, CommandRefusal, Commit, ConversationLine, Effect, Engine, Input, LinkId, Now,
    Page, Reply, Room, Ticket,
};
use crate::wire::Frame;

/// One office.
pub(super) struct Office {
    pub(super) engine: Engine,
    pub(super) disk: Disk,
    pub(super) replies: BTreeMap<Ticket, Reply>,
    /// What the faces were told.
    pub(super) changed: Vec<Changed>,
    started: Duration,
    /// What its clock is wrong by, in milliseconds.
    pub(super) skew: i64,
    /// Commits wait here while the disk is slow.
    pub(super) held: Option<Vec<Commit>>,
    /// What handshakes are judged by.
    pub(super) trust: Option<Arc<TrustView>>,
    /// Channels on which nothing of what waited was sent any more.
    pub(super) silenced: BTreeSet<LinkId>,
    /// How often it wrote.
    pub(super) commits: usize,
    /// What it shows in handshakes, once its engine said so.
    pub(super) shown: Option<Credentials>,
}

/// Offices, the links between them, and the time.
pub(super) struct Mesh {
    pub(super) clinic: SampleClinic,
    pub(super) offices: BTreeMap<String, Office>,
    links: BTreeMap<LinkId, (String, String)>,
    down: BTreeSet<String>,
    queue: VecDeque<(String, Input)>,
    pub(super) time: Duration,
    last_link: u64,
    last_ticket: u64,
    /// Entries carried to each office.
    pub(super) carried: BTreeMap<String, usize>,
    /// Offices that keep their clock to themselves and show in other ways that they are there.
    pub(super) coy: BTreeSet<String>,
    /// Offices of which nothing arrives any more.
    mute: BTreeSet<String>,
    /// When each office last told another its clock.
    pub(super) said_time: BTreeMap<(String, String), Duration>,
    /// How often one office asked another for a log.
    pub(super) asked: BTreeMap<(String, String), usize>,
    /// How often one office gave another anything of what it holds.
    pub(super) gifts: BTreeMap<(String, String), usize>,
    /// Whether handshakes look at the times in certificates.
    pub(super) times_count: bool,
    /// Rows of a log that a reading gives at once.
    pub(super) rows: usize,
    /// What an office says before anything else on every new link.
    pub(super) first_words: BTreeMap<String, Frame>,
    /// Offices that hold a newer mesh key than whoever connects to them.
    pub(super) sees_an_old_key: BTreeSet<String>,
    /// How often one office told another how it is.
    pub(super) conditions: BTreeMap<(String, String), usize>,
    /// Offices whose programs speak version 1 of the frames.
    pub(super) old: BTreeSet<String>,
}

impl Mesh {
    /// A running clinic: everyone holds its record, everyone is connected.
    pub(super) fn of(clinic: SampleClinic) -> Self {
        let mut mesh = Self {
            offices: BTreeMap::new(),
            links: BTreeMap::new(),
            down: BTreeSet::new(),
            queue: VecDeque::new(),
            time: Duration::ZERO,
            last_link: 0,
            last_ticket: 0,
            carried: BTreeMap::new(),
            coy: BTreeSet::new(),
            mute: BTreeSet::new(),
            said_time: BTreeMap::new(),
            asked: BTreeMap::new(),
            gifts: BTreeMap::new(),
            times_count: false,
            rows: usize::MAX,
            first_words: BTreeMap::new(),
            sees_an_old_key: BTreeSet::new(),
            conditions: BTreeMap::new(),
            old: BTreeSet::new(),
            clinic,
        };
        let names: Vec<String> = mesh.clinic.devices.keys().cloned().collect();
        for name in names {
            mesh.install(&name);
        }
        mesh.run_for(Duration::from_secs(3));
        mesh
    }

    /// Starts an office for the first time, with the record as enrolment hands it over.
    pub(super) fn install(&mut self, name: &str) {
        let mut disk = Disk::default();
        let commit = Commit {
            segments: self.clinic.segments.iter().cloned().map(Arc::new).collect(),
            mesh_keys: vec![(1, mesh_key(1))],
            ..Commit::default()
        };
        disk.apply(&self.clinic.id, &commit)
            .expect("the sample record is sound");
        self.start(name, disk, 0);
    }

    /// Starts an office on a disk.
    pub(super) fn start(&mut self, name: &str, disk: Disk, skew: i64) {
        let key = self.clinic.device(name).key.clone();
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&(self.time.as_millis() as u64).to_be_bytes());
        let boot = disk.boot(self.clinic.id, &key, seed);
        let now = Now {
            wall: self.wall(skew),
            mono: Duration::ZERO,
        };
        let office = Office {
            engine: Engine::new(boot, now),
            disk,
            replies: BTreeMap::new(),
            changed: Vec::new(),
            started: self.time,
            skew,
            held: None,
            trust: None,
            silenced: BTreeSet::new(),
            commits: 0,
            shown: None,
        };
        self.offices.insert(name.into(), office);
        self.drain(name);
        self.settle();
    }

    /// Switches an office off without warning and gives its disk.
    pub(super) fn crash(&mut self, name: &str) -> Disk {
        self.cut(name);
        self.down.remove(name);
        self.offices.remove(name).expect("it runs").disk
    }

    fn wall(&self, skew: i64) -> WallTime {
        let ms = self.clinic.now.0 + self.time.as_millis() as u64;
        WallTime(ms.saturating_add_signed(skew))
    }

    pub(super) fn now(&self, name: &str) -> Now {
        let office = &self.offices[name];
        Now {
            wall: self.wall(office.skew),
            mono: self.time - office.started,
        }
    }

    /// The moment that an office judges certificates by, as the runner hands it to the network.
    pub(super) fn judging(&self, name: &str) -> WallTime {
        let now = self.now(name);
        let certain = self.offices[name].engine.certain_base().plus(now.mono);
        now.wall.max(certain)
    }

    /// Cuts an office off from everyone.
    pub(super) fn cut(&mut self, name: &str) {
        self.down.insert(name.into());
        let gone: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, (a, b))| a == name || b == name)
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.unlink(id);
        }
        self.settle();
    }

    /// `by`, or whoever answers at an address, tells an office in a handshake that it was revoked.
    pub(super) fn shut_out(&mut self, name: &str, by: Option<&str>) {
        let refused = Input::PeerRefused {
            why: Refusal::Revoked,
            peer: by.map(|by| self.clinic.device(by).id),
            by_peer: true,
        };
        self.queue.push_back((name.to_owned(), refused));
        self.settle();
    }

    /// Connects an office again.
    pub(super) fn heal(&mut self, name: &str) {
        self.down.remove(name);
    }

    fn unlink(&mut self, id: LinkId) {
        let Some((a, b)) = self.links.remove(&id) else {
            return;
        };
        self.queue.push_back((a, Input::LinkDown { link: id }));
        self.queue.push_back((b, Input::LinkDown { link: id }));
    }

    fn dial(&mut self) {
        let names: Vec<String> = self.offices.keys().cloned().collect();
        for (at, a) in names.iter().enumerate() {
            for b in &names[at + 1..] {
                let down = self.down.contains(a) || self.down.contains(b);
                let open = self.links.values().any(|(x, y)| x == a && y == b);
                if !down && !open && self.would_admit(a, b) && self.would_admit(b, a) {
                    self.link(a, b);
                }
            }
        }
    }

    fn would_admit(&self, me: &str, peer: &str) -> bool {
        match self.judge(me, peer) {
            Ok(_) => true,
            Err(Refusal::Expired | Refusal::NotYetValid) => !self.times_count,
            Err(_) => false,
        }
    }

    /// What one office says of what another shows in a handshake now.
    pub(super) fn judge(&self, me: &str, peer: &str) -> Result<Reach, Refusal> {
        let shown = self.shown(peer);
        let office = &self.offices[me];
        let id = self.clinic.device(me).id;
        let view = office
            .engine
            .clinic()
            .trust(id, BTreeMap::new(), Hash::ZERO);
        let at = Circumstances {
            proven: shown.certificate.noise_key,
            dialled: None,
            address: None,
            now: self.judging(me),
        };
        view.admit_opened(&shown, at)
    }

    /// What an office shows in handshakes.
    pub(super) fn shown(&self, name: &str) -> Shown {
        let first = || self.clinic.device(name).credentials();
        let shown = self
            .offices
            .get(name)
            .and_then(|office| office.shown.clone());
        let shown = shown.unwrap_or_else(first);
        shown.open(&self.clinic.id).expect("both signatures hold")
    }

    fn link(&mut self, a: &str, b: &str) {
        self.last_link += 1;
        let id = LinkId(self.last_link);
        self.links.insert(id, (a.into(), b.into()));
        for (me, peer) in [(a, b), (b, a)] {
            let shown = self.shown(peer);
            let input = Input::LinkUp {
                link: id,
                certificate: Box::new(shown.certificate),
                issuer: Box::new(shown.issuer),
                old_mesh_key: self.sees_an_old_key.contains(me),
                reach: self.judge(me, peer).unwrap_or(Reach::All),
            };
            self.queue.push_back((me.into(), input));
        }
        for (me, peer) in [(a, b), (b, a)] {
            if let Some(frame) = self.first_words.get(peer).cloned() {
                let input = Input::Frame { link: id, frame };
                self.queue.push_back((me.into(), input));
            }
        }
    }

    /// Lets time pass, a second at a time.
    pub(super) fn run_for(&mut self, span: Duration) {
        let end = self.time + span;
        while self.time < end {
            self.time += Duration::from_secs(1);
            self.dial();
            let names: Vec<String> = self.offices.keys().cloned().collect();
            for name in names {
                self.queue.push_back((name, Input::Time));
            }
            self.settle();
        }
    }

    /// Lets everything asleep for a long time; links do not survive it.
    pub(super) fn sleep(&mut self, span: Duration) {
        for name in self.offices.keys().cloned().collect::<Vec<_>>() {
            let was_down = self.down.contains(&name);
            self.cut(&name);
            if !was_down {
                self.heal(&name);
            }
        }
        self.time += span;
    }

    fn settle(&mut self) {
        while let Some((name, input)) = self.queue.pop_front() {
            self.input(&name, input);
        }
    }

    fn input(&mut self, name: &str, input: Input) {
        if !self.offices.contains_key(name) {
            return;
        }
        let now = self.now(name);
        if let Some(office) = self.offices.get_mut(name) {
            office.engine.handle(input, now);
        }
        self.drain(name);
    }

    fn drain(&mut self, name: &str) {
        while let Some(effect) = self
            .offices
            .get_mut(name)
            .and_then(|office| office.engine.next_effect())
        {
            self.perform(name, effect);
        }
    }

    fn perform(&mut self, name: &str, effect: Effect) {
        let clinic = self.clinic.id;
        let office = self.offices.get_mut(name).expect("it runs");
        match effect {
            Effect::Send { link, frame } if self.old.contains(name) => {
                self.carry_old(name, link, frame);
            }
            Effect::Send { link, frame } => self.carry(name, link, &frame),
            Effect::Silence { link } => drop(office.silenced.insert(link)),
            Effect::Close { link, .. } => self.unlink(link),
            Effect::Commit(commit) => match &mut office.held {
                Some(held) => held.push(*commit),
                None => self.write(name, &clinic, &commit),
            },
            Effect::Load { job, load } => {
                let loaded = office.disk.load(&load, self.rows);
                self.queue
                    .push_back((name.into(), Input::Loaded { job, loaded }));
            }
            Effect::Purge { horizon } => {
                office.disk.purge(horizon);
                self.queue
                    .push_back((name.into(), Input::Purged { horizon }));
            }
            Effect::Destroy { entries } => {
                self.queue
                    .push_back((name.into(), Input::Destroyed { entries }));
            }
            Effect::Reply { ticket, reply } => {
                office.replies.insert(ticket, reply);
            }
            Effect::Changed(changed) => office.changed.push(changed),
            Effect::Credentials(shown) => office.shown = Some(*shown),
            Effect::Trust(view) => office.trust = Some(view),
            Effect::Wanted(_) => {}
        }
    }

    fn write(&mut self, name: &str, clinic: &ClinicId, commit: &Commit) {
        let office = self.offices.get_mut(name).expect("it runs");
        office
            .disk
            .apply(clinic, commit)
            .expect("a commit fits the disk");
        office.commits += 1;
        let input = Input::Committed { id: commit.id };
        self.queue.push_back((name.into(), input));
    }

    /// Makes commits of an office wait.
    pub(super) fn slow_disk(&mut self, name: &str) {
        let office = self.offices.get_mut(name).expect("it runs");
        office.held = Some(Vec::new());
    }

    /// Lets the waiting commits of an office through.
    pub(super) fn quick_disk(&mut self, name: &str) {
        let clinic = self.clinic.id;
        let office = self.offices.get_mut(name).expect("it runs");
        for commit in office.held.take().unwrap_or_default() {
            self.write(name, &clinic, &commit);
        }
        self.settle();
    }

    /// What an older program says in the place of this one.
    fn carry_old(&mut self, from: &str, link: LinkId, frame: Frame) {
        match frame {
            Frame::Hello { now, .. } => {
                let version = 1;
                self.carry(from, link, &Frame::Hello { version, now });
            }
            Frame::Condition(_) => {}
            frame => self.carry(from, link, &frame),
        }
    }

    fn carry(&mut self, from: &str, link: LinkId, frame: &Frame) {
        let Some((a, b)) = self.links.get(&link) else {
            return;
        };
        if self.mute.contains(from) {
            return;
        }
        let to = if a == from { b.clone() } else { a.clone() };
        let mut frame = Frame::decode(&frame.encode()).expect("a frame survives the wire");
        if matches!(frame, Frame::Hello { .. } | Frame::Beat { .. }) {
            self.said_time.insert((from.into(), to.clone()), self.time);
            if self.coy.contains(from) {
                let attestations = Vec::new();
                frame = Frame::Attest { attestations };
            }
        }
        if matches!(frame, Frame::Want { .. }) {
            *self.asked.entry((from.into(), to.clone())).or_default() += 1;
        }
        if matches!(frame, Frame::Condition(_)) {
            let way = (from.to_owned(), to.clone());
            *self.conditions.entry(way).or_default() += 1;
        }
        let gives = matches!(
            frame,
            Frame::Entries(_)
                | Frame::Heads { .. }
                | Frame::Spaces { .. }
                | Frame::Attest { .. }
                | Frame::MeshKey { .. }
                | Frame::Retractions { .. }
                | Frame::Here { .. }
        );
        if gives {
            *self.gifts.entry((from.into(), to.clone())).or_default() += 1;
        }
        if let Frame::Entries(segment) = &frame
            && segment.log.space.is_conversation()
        {
            *self.carried.entry(to.clone()).or_default() += segment.entries.len();
        }
        self.queue.push_back((to, Input::Frame { link, frame }));
    }

    /// Tells an office how much room its disk has.
    pub(super) fn room(&mut self, name: &str, room: Room) {
        self.queue.push_back((name.to_owned(), Input::Room(room)));
        self.settle();
    }

    /// From here on an office tells this of itself.
    pub(super) fn be(&mut self, name: &str, condition: Condition) {
        let input = Input::Condition(condition);
        self.queue.push_back((name.to_owned(), input));
        self.settle();
    }

    /// From here on nothing that an office sends arrives, though its connections stand.
    pub(super) fn mute(&mut self, name: &str) {
        self.mute.insert(name.to_owned());
    }

    /// The link between two offices.
    pub(super) fn link_between(&self, a: &str, b: &str) -> Option<LinkId> {
        let between =
            |(one, other): &(String, String)| (one == a && other == b) || (one == b && other == a);
        let link = self.links.iter().find(|(_, pair)| between(pair));
        link.map(|(id, _)| *id)
    }

    /// Offices that an office is connected to.
    pub(super) fn peers_of(&self, name: &str) -> Vec<String> {
        let mut peers = Vec::new();
        for (a, b) in self.links.values() {
            if a == name {
                peers.push(b.clone());
            } else if b == name {
                peers.push(a.clone());
            }
        }
        peers
    }

    /// Gives one office a frame on its first link from another.
    pub(super) fn whisper(&mut self, from: &str, to: &str, frame: &Frame) {
        self.whisper_all(from, to, std::slice::from_ref(frame));
    }

    /// The same for several frames that arrive together.
    pub(super) fn whisper_all(&mut self, from: &str, to: &str, frames: &[Frame]) {
        let between = |(a, b): &(String, String)| (a == from && b == to) || (a == to && b == from);
        let link = self.links.iter().find(|(_, pair)| between(pair));
        let link = *link.expect("they are connected").0;
        for frame in frames {
            self.carry(from, link, frame);
        }
        self.settle();
    }

    /// Asks an office for several things before it can finish any.
    pub(super) fn ask_together(&mut self, name: &str, commands: Vec<Command>) -> Vec<Ticket> {
        let mut tickets = Vec::new();
        for command in commands {
            self.last_ticket += 1;
            let ticket = Ticket(self.last_ticket);
            let command = Box::new(command);
            let input = Input::Command { ticket, command };
            self.queue.push_back((name.into(), input));
            tickets.push(ticket);
        }
        self.settle();
        tickets
    }

    /// Asks an office for something.
    pub(super) fn ask(&mut self, name: &str, command: Command) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        let command = command.into();
        self.queue
            .push_back((name.into(), Input::Command { ticket, command }));
        self.settle();
        ticket
    }

    /// The answer, if it was given.
    /// Acts of a kind in an office's own trail.
    pub(super) fn recorded(&self, name: &str, kind: impl Fn(&AuditRecord) -> bool) -> usize {
        let trail = Space::Audit(self.clinic.device(name).id);
        let logs = self.offices[name].disk.of_space(&trail);
        let rows = logs.flat_map(|(_, log)| log.rows.iter());
        let entries = rows.flat_map(|row| row.entries.iter());
        let bodies = entries.filter_map(|entry| entry.payload.as_ref());
        let records = bodies.filter_map(|payload| AuditRecord::from_body(&payload.body).ok());
        records.filter(kind).count()
    }

    pub(super) fn answer(&self, name: &str, ticket: Ticket) -> Option<&Reply> {
        self.offices[name].replies.get(&ticket)
    }

    /// Posts a text; the answer is awaited.
    pub(super) fn post(
        &mut self,
        name: &str,
        staff: StaffId,
        space: Space,
        text: &str,
    ) -> Result<EntryId, CommandRefusal> {
        self.send(name, staff, space, text.into())
    }

    /// Posts a message with all that belongs to it; the answer is awaited.
    pub(super) fn send(
        &mut self,
        name: &str,
        staff: StaffId,
        space: Space,
        written: Written,
    ) -> Result<EntryId, CommandRefusal> {
        let command = Command::Post {
            staff,
            origin: Origin::Socket,
            space,
            written,
        };
        let ticket = self.ask(name, command);
        match self.answer(name, ticket) {
            Some(Reply::Posted(id)) => Ok(*id),
            Some(Reply::Refused(why)) => Err(why.clone()),
            other => panic!("not an answer to a post: {other:?}"),
        }
    }

    /// Reads the newest page.
    pub(super) fn read(&mut self, name: &str, staff: StaffId, space: Space) -> Page {
        self.read_part(name, staff, space, (None, 100))
    }

    /// Reads so many messages before a position.
    pub(super) fn read_part(
        &mut self,
        name: &str,
        staff: StaffId,
        space: Space,
        (before, limit): (Option<Position>, usize),
    ) -> Page {
        let command = Command::Read {
            staff,
            origin: Origin::Socket,
            space,
            before,
            limit,
        };
        let ticket = self.ask(name, command);
        match self.answer(name, ticket) {
            Some(Reply::Page(page)) => page.clone(),
            other => panic!("not a page: {other:?}"),
        }
    }

    /// The texts on the newest page.
    pub(super) fn texts(&mut self, name: &str, staff: StaffId, space: Space) -> Vec<String> {
        let page = self.read(name, staff, space);
        page.messages
            .into_iter()
            .filter_map(|line| line.text)
            .collect()
    }

    /// Marks everything up to a message as opened.
    pub(super) fn open(
        &mut self,
        name: &str,
        staff: StaffId,
        entry: EntryId,
    ) -> Result<(), CommandRefusal> {
        let command = Command::Open {
            staff,
            origin: Origin::Socket,
            entry,
        };
        let ticket = self.ask(name, command);
        match self.answer(name, ticket) {
            Some(Reply::Done) => Ok(()),
            Some(Reply::Refused(why)) => Err(why.clone()),
            other => panic!("not an answer to an opening: {other:?}"),
        }
    }

    /// One conversation in a person's list.
    pub(super) fn listed(&mut self, name: &str, staff: StaffId, space: Space) -> ConversationLine {
        let ticket = self.ask(name, Command::Conversations { staff });
        match self.answer(name, ticket) {
            Some(Reply::Conversations(lines)) => {
                let line = lines.iter().find(|line| line.space == space);
                line.expect("it is theirs").clone()
            }
            other => panic!("not a list: {other:?}"),
        }
    }

    /// Submits at an office what its disk lacks of the record.
    pub(super) fn submit(&mut self, name: &str) {
        let command = Command::Submit {
            segments: self.clinic.segments.clone(),
            mesh_keys: Vec::new(),
        };
        let ticket = self.ask(name, command);
        let reply = self.answer(name, ticket);
        assert!(matches!(reply, Some(Reply::Submitted(_))), "{reply:?}");
    }
}
