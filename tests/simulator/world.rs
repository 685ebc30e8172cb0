//! The world: machines, their disks and clocks, and the one queue of what happens next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use clinic_mesh::domain::id::{ClinicId, DeviceId, StaffId};
use clinic_mesh::domain::log::{Head, Log, Segment};
use clinic_mesh::domain::message::EntryId;
use clinic_mesh::domain::rotation::{self, Step};
use clinic_mesh::domain::space::Space;
use clinic_mesh::domain::time::{Day, Hlc, WallTime};
use clinic_mesh::domain::trust::{Credentials, TrustView};
use clinic_mesh::node::engine::{
    Command, Commit, CommitId, Effect, Engine, Input, JobId, Load, Now, Reply, Room, Ticket,
};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use super::clinic::Authority;
use super::disk::Disk;
use super::model::Model;
use super::net::Net;
use super::rules::Broken;
use super::taking_back::Since;
use super::told::Conditions;

/// When the clinic is founded: 2026-11-21, 06:00 UTC.
pub(crate) const START: WallTime = WallTime(1_795_240_800_000);

/// One machine.
pub(crate) struct Node {
    pub(crate) machine: usize,
    pub(crate) device: DeviceId,
    pub(crate) disk: Disk,
    pub(crate) engine: Option<Engine>,
    /// Counts the starts; what was scheduled before a crash does not reach the next start.
    pub(crate) boot: u64,
    pub(crate) started: u64,
    /// What its clock is wrong by, in milliseconds, and per million.
    pub(crate) skew: i64,
    pub(crate) drift: i64,
    /// Whether its clock was ever moved.
    pub(crate) stepped: bool,
    /// The furthest its clock said in this run, before it was put back.
    pub(crate) furthest: WallTime,
    pub(crate) trust: Option<Arc<TrustView>>,
    /// Whom it knew to be revoked before the input that it works on.
    pub(crate) out: BTreeSet<usize>,
    /// The changes of the root key that it shows.
    pub(crate) chain: Vec<Step>,
    pub(crate) wanted: BTreeSet<DeviceId>,
    pub(crate) in_flight: Option<Commit>,
    pub(crate) snapshots: Vec<Disk>,
    /// Where it wrote of its own deeds last. Not always the newest epoch it holds: what it lost when its
    /// disk was put back comes back from others, and may bear a later number.
    pub(crate) trail: Option<Log>,
    /// Longest time of a commit in milliseconds.
    pub(crate) disk_ms: u64,
    /// Misbehaves; most rules are not about it.
    pub(crate) evil: bool,
    /// Its clinic by the plain reading, as of the record on its disk; none after a change.
    pub(crate) model: Option<Arc<Model>>,
    /// Heads that were ever on its disk.
    pub(crate) ever_held: BTreeMap<Log, u64>,
    /// When a frame last arrived.
    pub(crate) heard: u64,
    /// Until when it had last heard nobody for a day.
    pub(crate) alone: Option<u64>,
    /// When its last commit was begun, and when that was durable.
    pub(crate) last_commit: (u64, u64),
    /// What peers' clocks were seen to say by link, with the moment of it: what was held up on one
    /// link says nothing against what another one said since.
    pub(crate) peer_clocks: BTreeMap<u64, (u64, WallTime)>,
    /// What it may have believed of the time when it started.
    pub(crate) resumed: WallTime,
    /// The furthest that a peer's clock was seen to say in this run, as the time of its start.
    pub(crate) furthest_told: Option<WallTime>,
    /// Whether it ended days too early, as a wrong clock may make it do where another agrees, where nobody is
    /// there to ask, or by a few days.
    pub(crate) horizon_off: bool,
}

impl Node {
    fn note_chain(&mut self, shown: &Credentials, clinic: &ClinicId) {
        let chain = shown.chain.as_deref().unwrap_or_default();
        self.chain = rotation::open_chain(chain, clinic).unwrap_or_default();
    }
}

/// A message that was answered with "sent".
pub(crate) struct Acked {
    pub(crate) id: EntryId,
    pub(crate) node: usize,
    pub(crate) text: String,
    pub(crate) last_day: Day,
    pub(crate) time: Hlc,
    /// The disk was put back before anyone else had it, or the node is gone.
    pub(crate) lost: bool,
    pub(crate) since: Since,
}

/// A command that waits.
pub(crate) enum Waiting {
    Post {
        node: usize,
        text: String,
    },
    Read {
        node: usize,
        staff: StaffId,
        space: Space,
        /// What was known when it was asked for: a page that waits for its audit record shows what
        /// could be shown then.
        known: Arc<Model>,
        horizon: Day,
        gone: BTreeSet<EntryId>,
    },
    Other {
        node: usize,
    },
}

/// What is scheduled.
pub(crate) enum Event {
    Tick {
        node: usize,
        boot: u64,
    },
    Written {
        node: usize,
        boot: u64,
        id: CommitId,
    },
    Read {
        node: usize,
        boot: u64,
        job: JobId,
        load: Load,
    },
    Destroyed {
        node: usize,
        boot: u64,
        horizon: Day,
    },
    /// Somebody reads while bodies are being destroyed.
    Look {
        node: usize,
        boot: u64,
    },
    LinkUp {
        link: u64,
        side: usize,
        old: bool,
    },
    LinkDown {
        link: u64,
        side: usize,
    },
    Frame {
        link: u64,
        side: usize,
        bytes: Vec<u8>,
    },
    Dial,
}

/// Everything.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) rng: StdRng,
    pub(crate) time: u64,
    order: u64,
    events: BTreeMap<(u64, u64), Event>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) net: Net,
    pub(crate) authority: Authority,
    /// The plain reading of everything signed so far; none after a change.
    pub(crate) all: Option<Arc<Model>>,
    pub(crate) ever: Option<Arc<Model>>,
    pub(crate) acked: Vec<Acked>,
    pub(crate) waiting: BTreeMap<Ticket, Waiting>,
    pub(crate) pages: BTreeMap<Ticket, Vec<String>>,
    last_ticket: u64,
    /// Header hash of every number that its author ever signed.
    pub(crate) written: BTreeMap<Log, BTreeMap<u64, BTreeSet<clinic_mesh::domain::id::Hash>>>,
    /// Logs that a misbehaving peer spoiled; nobody need agree on them.
    pub(crate) spoiled: BTreeSet<Log>,
    /// What the misbehaving peer attested without holding it.
    pub(crate) lies: BTreeSet<clinic_mesh::domain::attest::Subject>,
    /// When which node was shown a second branch of a log.
    pub(crate) shown_forks: BTreeMap<(usize, Log), u64>,
    /// What it will send later, and to whom.
    pub(crate) later: Vec<(u64, usize, clinic_mesh::wire::Frame)>,
    pub(crate) conditions: Conditions,
    pub(crate) broken: Option<Broken>,
    pub(crate) trace: Trace,
    /// Most rows that a reading gives at once.
    pub(crate) rows: usize,
    /// Whether people write in groups too.
    pub(crate) groups: bool,
    pub(crate) steps: u64,
}

/// A running hash of everything that happens, to compare two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace(pub(crate) u64);

impl Trace {
    pub(crate) fn note(&mut self, value: u64) {
        // FNV-1a over eight bytes at once; only equality matters.
        self.0 = (self.0 ^ value)
            .wrapping_mul(0x0100_0000_01b3)
            .rotate_left(17);
    }
}

impl World {
    pub(crate) fn new(seed: u64, authority: Authority) -> Self {
        Self {
            seed,
            rng: StdRng::seed_from_u64(seed),
            time: 0,
            order: 0,
            events: BTreeMap::new(),
            nodes: Vec::new(),
            net: Net::default(),
            authority,
            all: None,
            ever: None,
            acked: Vec::new(),
            waiting: BTreeMap::new(),
            pages: BTreeMap::new(),
            last_ticket: 0,
            written: BTreeMap::new(),
            spoiled: BTreeSet::new(),
            lies: BTreeSet::new(),
            shown_forks: BTreeMap::new(),
            later: Vec::new(),
            conditions: Conditions::default(),
            broken: None,
            trace: Trace(seed ^ 0xcbf2_9ce4_8422_2325),
            rows: usize::MAX,
            groups: false,
            steps: 0,
        }
    }

    /// Notes that a rule was broken; the first one counts.
    pub(crate) fn broke(&mut self, rule: &'static str, what: String) {
        if self.broken.is_none() {
            let what = format!("at {} ms: {what}", self.time);
            self.broken = Some(Broken { rule, what });
        }
    }

    pub(crate) fn schedule(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.events.insert((at, self.order), event);
    }

    pub(crate) fn chance(&mut self, below: u64) -> u64 {
        self.rng.random_range(0..below.max(1))
    }

    /// The true time.
    pub(crate) fn true_wall(&self) -> WallTime {
        START.plus(Duration::from_millis(self.time))
    }

    /// What a node's clock says.
    pub(crate) fn wall(&self, node: usize) -> WallTime {
        let node = &self.nodes[node];
        let drift = (self.time as i64) / 1_000_000 * node.drift;
        WallTime(
            self.true_wall()
                .0
                .saturating_add_signed(node.skew.saturating_add(drift)),
        )
    }

    fn now(&self, node: usize) -> Now {
        Now {
            wall: self.wall(node),
            mono: Duration::from_millis(self.time - self.nodes[node].started),
        }
    }

    /// Adds a machine with a disk that holds these segments and mesh keys.
    pub(crate) fn install(&mut self, machine: usize, disk: Disk, evil: bool) -> usize {
        let device = self.authority.machines[machine].key.id().as_device();
        // What a node is given when it is enrolled it holds, and says so.
        let given = disk
            .logs
            .iter()
            .map(|(log, stored)| (*log, stored.head.seq));
        let ever_held = given.collect();
        self.nodes.push(Node {
            machine,
            device,
            disk,
            engine: None,
            boot: 0,
            started: 0,
            skew: 0,
            drift: 0,
            stepped: false,
            furthest: WallTime(0),
            trust: None,
            out: BTreeSet::new(),
            chain: Vec::new(),
            wanted: BTreeSet::new(),
            in_flight: None,
            snapshots: Vec::new(),
            trail: None,
            disk_ms: 5,
            evil,
            model: None,
            ever_held,
            heard: 0,
            alone: None,
            last_commit: (0, 0),
            peer_clocks: BTreeMap::new(),
            resumed: WallTime(0),
            furthest_told: None,
            horizon_off: false,
        });
        let node = self.nodes.len() - 1;
        self.start(node);
        node
    }

    /// Starts a node on its disk.
    pub(crate) fn start(&mut self, node: usize) {
        if self.nodes[node].engine.is_some() {
            return;
        }
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let clinic = self.authority.id;
        let wall = self.wall(node);
        let (time, key) = (
            self.time,
            &self.authority.machines[self.nodes[node].machine].key,
        );
        let found = &mut self.nodes[node];
        let boot = found.disk.boot(clinic, key, seed);
        found.boot += 1;
        found.started = time;
        found.heard = time;
        found.alone = None;
        found.last_commit = (time, time);
        found.furthest = wall;
        found.model = None;
        found.peer_clocks.clear();
        found.resumed = believed_at_start(found.disk.horizon, wall);
        found.furthest_told = None;
        let now = Now {
            wall,
            mono: Duration::ZERO,
        };
        found.engine = Some(Engine::new(boot, now));
        let boot = found.boot;
        self.perform_all(node);
        self.tell_own(node);
        self.schedule(self.time + 1000, Event::Tick { node, boot });
    }

    /// Switches a node off without warning. The commit under way is dropped, or was applied and only
    /// its answer is lost.
    pub(crate) fn crash(&mut self, node: usize, applied: bool) {
        if self.nodes[node].engine.take().is_none() {
            return;
        }
        self.nodes[node].boot += 1;
        if let Some(commit) = self.nodes[node].in_flight.take()
            && applied
        {
            self.apply(node, &commit);
        }
        self.waiting.retain(|_, waiting| waiting.node() != node);
        self.unlink_all(node);
    }

    /// Gives an engine one input, performs what follows, and checks the rules.
    pub(crate) fn input(&mut self, node: usize, input: Input) {
        self.steps += 1;
        let now = self.now(node);
        let found = &mut self.nodes[node];
        found.furthest = found.furthest.max(now.wall);
        let Some(engine) = found.engine.as_mut() else {
            return;
        };
        engine.handle(input, now);
        self.perform_all(node);
    }

    fn perform_all(&mut self, node: usize) {
        while let Some(effect) = self.nodes[node]
            .engine
            .as_mut()
            .and_then(Engine::next_effect)
        {
            self.perform(node, effect);
        }
        self.check_idle(node);
        self.note_out(node);
    }

    fn perform(&mut self, node: usize, effect: Effect) {
        let boot = self.nodes[node].boot;
        match effect {
            Effect::Send { link, frame } => {
                self.check_sent(node, link, &frame);
                self.send_frame(node, link.0, frame);
            }
            Effect::Silence { .. } => {}
            Effect::Close { link, why } => self.close(node, link.0, why),
            Effect::Commit(commit) => self.begin_commit(node, *commit),
            Effect::Load { job, load } => {
                let at = self.time + 1 + self.chance(3);
                self.schedule(
                    at,
                    Event::Read {
                        node,
                        boot,
                        job,
                        load,
                    },
                );
            }
            Effect::Purge { horizon } => {
                let at = self.time + 1 + self.chance(1500);
                self.schedule(self.time + 1, Event::Look { node, boot });
                self.schedule(
                    at,
                    Event::Destroyed {
                        node,
                        boot,
                        horizon,
                    },
                );
            }
            // Its disk destroyed them with the commit.
            Effect::Destroy { entries } => self.input(node, Input::Destroyed { entries }),
            Effect::Trust(view) => self.nodes[node].trust = Some(view),
            // The certificate that a machine shows is what an admin gave it last; see `renew_all`.
            Effect::Credentials(shown) => self.nodes[node].note_chain(&shown, &self.authority.id),
            Effect::Wanted(wanted) => {
                self.nodes[node].wanted = wanted.into_keys().collect();
            }
            Effect::Reply { ticket, reply } => self.on_reply(node, ticket, reply),
            Effect::Changed(_) => {}
        }
    }

    fn begin_commit(&mut self, node: usize, commit: Commit) {
        self.check_commit(node, &commit);
        self.nodes[node].last_commit = (self.time, u64::MAX);
        let (id, boot) = (commit.id, self.nodes[node].boot);
        self.nodes[node].in_flight = Some(commit);
        let longest = self.nodes[node].disk_ms;
        let at = self.time + 1 + self.chance(longest);
        self.schedule(at, Event::Written { node, boot, id });
    }

    /// Makes a commit durable and checks what it says.
    pub(crate) fn apply(&mut self, node: usize, commit: &Commit) {
        let clinic = self.authority.id;
        self.check_before_apply(node, commit);
        let found = &mut self.nodes[node];
        if let Err(why) = found.disk.apply(&clinic, commit) {
            let device = found.device.short();
            let rule = if why == super::disk::GOES_BACK {
                super::rules::HORIZON_ONLY_GROWS
            } else {
                super::rules::COMMITS_FIT
            };
            self.broke(rule, format!("{device}: {why}"));
            return;
        }
        for segment in &commit.segments {
            let held = found.ever_held.entry(segment.log).or_default();
            *held = (*held).max(segment.last());
            if segment.log.space == Space::Record {
                found.model = None;
            }
        }
    }

    /// Runs everything that is due until a moment.
    pub(crate) fn run_until(&mut self, end: u64) {
        while self.broken.is_none() {
            let Some((at, _)) = self.events.first_key_value().map(|(key, _)| *key) else {
                break;
            };
            if at > end {
                break;
            }
            let Some((_, event)) = self.events.pop_first() else {
                break;
            };
            self.time = self.time.max(at);
            self.happen(event);
        }
        self.time = self.time.max(end);
    }

    fn alive(&self, node: usize, boot: u64) -> bool {
        self.nodes[node].boot == boot && self.nodes[node].engine.is_some()
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tick { node, boot } => {
                if self.alive(node, boot) {
                    self.trace.note(node as u64);
                    self.input(node, Input::Time);
                    self.tell_due(node);
                    self.schedule(self.time + 1000, Event::Tick { node, boot });
                }
            }
            Event::Written { node, boot, id } => self.written(node, boot, id),
            Event::Read {
                node,
                boot,
                job,
                load,
            } => {
                if self.alive(node, boot) {
                    let rows = 1 + self.chance(self.rows.min(64) as u64) as usize;
                    let loaded = self.nodes[node].disk.load(&load, rows);
                    self.input(node, Input::Loaded { job, loaded });
                }
            }
            Event::Destroyed {
                node,
                boot,
                horizon,
            } => {
                if self.alive(node, boot) {
                    self.nodes[node].disk.purge(horizon);
                    self.input(node, Input::Purged { horizon });
                }
            }
            Event::Look { node, boot } => {
                if self.alive(node, boot) {
                    self.look(node);
                }
            }
            Event::LinkUp { link, side, old } => self.link_up(link, side, old),
            Event::LinkDown { link, side } => self.link_down(link, side),
            Event::Frame { link, side, bytes } => self.frame(link, side, bytes),
            Event::Dial => {
                self.dial();
                self.send_later();
                let at = self.time + 1000 + self.chance(2000);
                self.schedule(at, Event::Dial);
            }
        }
    }

    fn written(&mut self, node: usize, boot: u64, id: CommitId) {
        if !self.alive(node, boot) {
            return;
        }
        let Some(commit) = self.nodes[node].in_flight.take() else {
            return;
        };
        for segment in &commit.segments {
            self.trace.note(segment.last() ^ (node as u64) << 32);
            self.trace.note(u64::from_be_bytes(first_eight(segment)));
        }
        self.apply(node, &commit);
        self.nodes[node].last_commit.1 = self.time;
        self.input(node, Input::Committed { id });
        let mut segments = commit.segments.iter();
        if segments.any(|segment| segment.log.space == Space::Record) {
            self.check_links(node);
        }
    }

    /// Asks a node for something.
    pub(crate) fn ask(&mut self, node: usize, command: Command, waiting: Waiting) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        if self.nodes[node].engine.is_some() {
            self.waiting.insert(ticket, waiting);
            let command = command.into();
            self.input(node, Input::Command { ticket, command });
        }
        ticket
    }

    fn on_reply(&mut self, node: usize, ticket: Ticket, reply: Reply) {
        let Some(waiting) = self.waiting.remove(&ticket) else {
            return;
        };
        self.check_reply(node, &waiting, &reply);
        match (waiting, reply) {
            (Waiting::Post { node, text }, Reply::Posted(id)) => self.note_acked(node, id, text),
            (Waiting::Read { .. }, Reply::Page(page)) => {
                let texts = page.messages.into_iter().filter_map(|line| line.text);
                self.pages.insert(ticket, texts.collect());
            }
            _ => {}
        }
    }

    fn note_acked(&mut self, node: usize, id: EntryId, text: String) {
        let stored = self.nodes[node].disk.logs.get(&id.log());
        let entry = stored.and_then(|log| log.entries().find(|(seq, _)| *seq == id.seq));
        let Some((_, entry)) = entry else {
            return;
        };
        let (last_day, time) = (entry.header.last_day, entry.header.time);
        self.acked.push(Acked {
            id,
            node,
            text,
            last_day,
            time,
            lost: false,
            since: Since::default(),
        });
    }

    /// Says how much room a node's disk has.
    pub(crate) fn room(&mut self, node: usize, room: Room) {
        if self.nodes[node].engine.is_some() {
            self.input(node, Input::Room(room));
        }
    }

    /// The node of a device.
    pub(crate) fn node_of(&self, device: &DeviceId) -> Option<usize> {
        self.nodes.iter().position(|node| node.device == *device)
    }

    /// Notes what an author signed, whoever will see it.
    pub(crate) fn note_written(&mut self, segment: &Segment) -> bool {
        let clinic = self.authority.id;
        let tag = segment.log.tag(&clinic);
        let mut at: Head = segment.before();
        let numbers = self.written.entry(segment.log).or_default();
        let mut sound = true;
        for entry in &segment.entries {
            at = clinic_mesh::domain::log::chain(&tag, at, std::iter::once(&entry.header));
            let hashes = numbers.entry(at.seq).or_default();
            hashes.insert(at.hash);
            sound &= hashes.len() == 1;
        }
        sound
    }
}

impl Waiting {
    pub(crate) fn node(&self) -> usize {
        match self {
            Self::Post { node, .. } | Self::Read { node, .. } | Self::Other { node } => *node,
        }
    }
}

fn first_eight(segment: &Segment) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&segment.signature.as_bytes()[..8]);
    first
}

/// What a node that starts may believe of the time before it hears anybody: its clock, where that is at most a
/// long weekend after the last day that it saw begin.
fn believed_at_start(horizon: Day, wall: WallTime) -> WallTime {
    match wall.day().0.checked_sub(horizon.0) {
        Some(0..=4) => wall,
        Some(_) | None => horizon.start(),
    }
}
