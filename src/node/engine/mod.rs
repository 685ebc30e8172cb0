//! The engine: one input at a time, effects out, nothing else.
//!
//! No socket, no disk, no clock and no task is named here. Reading and writing the store are effects
//! too, so that sync, delivery, retention, membership and revocation can be tried in virtual time.
//!
//! Invariants that hold between any two inputs:
//!
//! - nothing is offered, served, attested or answered that is not durable;
//! - at most one commit is under way, and everything accepted since waits in one batch behind it;
//! - a frame is judged by the clinic record as this node holds it at that moment.

mod accept;
mod batch;
mod boot;
mod commands;
mod credentials;
mod disk;
mod drafts;
mod facts;
mod hints;
mod holdings;
mod link;
mod people;
mod presence;
mod pull;
mod purge;
mod reading;
mod record;
mod renewal;
mod replies;
mod retract;
mod searching;
mod send;
mod sightings;
mod standing;
mod status;
mod trail;
mod types;
mod views;
mod voices;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

pub use types::*;

use crate::domain::audit::{Actor, AuditRecord, Deed, Origin};
use crate::domain::factor::Credentials;
use crate::domain::health::Concern;
use crate::domain::id::{AuthorId, ClinicId, DeviceId, Hash, SpaceId, StaffId};
use crate::domain::log::{Epoch, Log};
use crate::domain::message::EntryId;
use crate::domain::retraction::Retraction;
use crate::domain::sign::SigningKey;
use crate::domain::space::Space;
use crate::domain::time::{Clock, Day, Hlc};
use crate::domain::trust::{self, MESH_KEYS, MeshKey, Reach, Refusal, TrustView};
use crate::planted::planted;
use crate::wire::{self, Frame};

use batch::Batch;
use drafts::Drafts;
use facts::Facts;
use holdings::Holdings;
use link::{Link, Stage};
use presence::Presence;
use pull::Wants;
use record::RecordState;
use sightings::Sightings;

/// How often the engine looks at the time.
const TICK: Duration = Duration::from_secs(1);

/// Silence after which we say that we are here.
const BEAT: Duration = Duration::from_secs(4);

/// How often a peer is told our clock, however busy the channel is.
///
/// Ten minutes: a peer believes a report for an hour ([`crate::domain::purge::REPORT_MAX_AGE`]), and
/// needs one at midnight to end the day.
const TELL: Duration = Duration::from_secs(10 * 60);

/// Silence after which a peer counts as gone: three beats and a little. A killed peer is noticed
/// within 15 seconds.
const SILENCE: Duration = Duration::from_secs(13);

/// How often digests are compared again on an open channel, should anything have been missed.
const COMPARE: Duration = Duration::from_secs(60);

/// How often the audit trail is offered to its witnesses: well within the minute it must take.
const WITNESS: Duration = Duration::from_secs(15);

/// How long refusals of one kind are counted before they are recorded again.
const REFUSALS: Duration = Duration::from_secs(60);

/// The rules of one node, driven by inputs.
#[derive(Debug)]
pub struct Engine {
    me: DeviceId,
    key: SigningKey,
    clinic_id: ClinicId,
    /// The epoch that logs are written in, unless their space has one of its own.
    epoch: Epoch,
    /// Epochs of spaces that were given up here and came back (no number is given twice), and of those
    /// where others stopped taking the log before.
    epochs: BTreeMap<Space, Epoch>,
    /// The newest epoch begun here.
    last_epoch: Epoch,
    now: Now,
    clock: Clock,
    rng: StdRng,
    standing: DeviceStanding,
    /// That a peer refused this node as revoked, since it was last let in anywhere. A node that was away
    /// learns of its revocation in no other way.
    shut_out: Option<Concern>,
    stopping: Option<Ticket>,
    stopped: bool,
    room: Room,
    record: RecordState,
    holdings: Holdings,
    mesh_keys: BTreeMap<u32, MeshKey>,
    horizon: Day,
    /// When a frame last arrived of a peer whose reach is [`Reach::All`].
    heard: Duration,
    links: BTreeMap<LinkId, Link>,
    wants: Wants,
    batch: Batch,
    in_flight: Option<(CommitId, Batch)>,
    last_commit: u64,
    last_job: u64,
    jobs: BTreeMap<JobId, Job>,
    effects: VecDeque<Effect>,
    facts: BTreeMap<Space, Facts>,
    /// What was taken back, with the word of the node that did it.
    retracted: BTreeMap<EntryId, Arc<Retraction>>,
    drafts: Drafts,
    /// Where each person read last: one conversation for each who signs in here.
    read_last: BTreeMap<StaffId, SpaceId>,
    presence: Presence,
    /// Commands that wait for facts to be read.
    parked: Vec<(Ticket, Command)>,
    credentials: BTreeMap<StaffId, Credentials>,
    sightings: Sightings,
    refusals: BTreeMap<(Option<DeviceId>, Refusal), (Duration, u32)>,
    /// See [`Engine::certain_base`], in milliseconds since 1970.
    certain_base: u64,
    /// What this device was last told to show in handshakes.
    shown: Option<trust::Credentials>,
    /// What handshakes are judged by.
    trust: Arc<TrustView>,
    /// Devices whose renewal is signed here and not durable yet.
    renewing: BTreeSet<DeviceId>,
    next_tick: Duration,
    /// Whether the input at hand is a tick.
    tick: bool,
    next_witness: Duration,
}

/// What a reading was for.
#[derive(Debug)]
enum Job {
    /// Sending a log to a peer.
    Send { link: LinkId, log: Log },
    /// Comparing an older head that a peer showed.
    Compare {
        link: LinkId,
        log: Log,
        shown: wire::LogHead,
    },
    /// Finding where a revoked device's log ends.
    FindEnd { log: Log },
    /// A page for a reader.
    Page(reading::PageJob),
    /// What a page refers to.
    Related(Box<reading::RelatedJob>),
    /// What a message ever said.
    History(reading::HistoryJob),
    /// What somebody looks for.
    Search(searching::SearchJob),
    /// What somebody looked for, but for how it reads by now.
    Amended(Box<searching::FoundJob>),
    /// The facts of a conversation.
    Facts { space: Space },
    /// Part of an audit trail.
    Trail { ticket: Ticket, log: Log },
    /// The clinic record, log by log.
    Record(record::RecordJob),
}

/// Most readings under way at once, whoever asked.
const JOBS_MAX: usize = 512;

impl Engine {
    /// An engine for what the store holds. Its first effects announce trust and write "started".
    pub fn new(boot: Boot, now: Now) -> Self {
        let me = boot.key.id().as_device();
        let own = AuthorId::from(me);
        let logs = boot.logs.iter().map(|found| found.log);
        let last_epoch = logs.filter(|log| log.author == own).map(|log| log.epoch);
        let last_epoch = last_epoch.max().unwrap_or(Epoch(0));
        let holdings = Holdings::new(&boot);
        let record = RecordState::new(boot.clinic, boot.statements, boot.renewals);
        let trust = record.clinic.trust(me, BTreeMap::new(), Hash::ZERO);
        let trust = Arc::new(trust);
        let mut engine = Self {
            me,
            key: boot.key,
            clinic_id: boot.clinic,
            epoch: last_epoch,
            epochs: BTreeMap::new(),
            last_epoch,
            now,
            clock: Clock::resume(boot.clock),
            rng: StdRng::from_seed(boot.seed),
            standing: DeviceStanding::Unknown,
            shut_out: None,
            stopping: None,
            stopped: false,
            room: Room::Enough,
            record,
            holdings,
            mesh_keys: boot.mesh_keys,
            horizon: boot.horizon,
            heard: now.mono,
            links: BTreeMap::new(),
            wants: Wants::default(),
            batch: Batch::default(),
            in_flight: None,
            last_commit: 0,
            last_job: 0,
            jobs: BTreeMap::new(),
            effects: VecDeque::new(),
            facts: BTreeMap::new(),
            retracted: retract::by_entry(boot.retractions),
            drafts: Drafts::default(),
            read_last: boot.opened_last,
            presence: Presence::default(),
            parked: Vec::new(),
            credentials: credentials::of(boot.staff_items),
            sightings: Sightings::new(boot.sightings, now),
            refusals: BTreeMap::new(),
            certain_base: 0,
            shown: None,
            trust,
            renewing: BTreeSet::new(),
            next_tick: now.mono,
            tick: false,
            next_witness: now.mono + WITNESS,
        };
        engine.begin();
        engine
    }

    fn begin(&mut self) {
        self.mend_clock();
        self.epoch = self.fresh_epoch();
        self.trim_mesh_keys();
        self.attest_record();
        self.find_ends();
        self.record_changed();
        self.note(Actor::Node, Origin::Inside, self.started());
        self.note(Actor::Node, Origin::Inside, Deed::StoreUnlocked);
        // A purge that a crash interrupted is taken up again; destroying twice does no harm.
        self.effects.push_back(Effect::Purge {
            horizon: self.horizon,
        });
        self.close_batch();
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Now) {
        self.now = now;
        self.tick = false;
        self.check_clock();
        match input {
            Input::Time => self.on_time(),
            Input::LinkUp {
                link,
                certificate,
                issuer,
                old_mesh_key,
                reach,
            } => {
                let stage = match (reach, old_mesh_key) {
                    (Reach::Unlisted, _) => Stage::Unlisted,
                    (Reach::All, true) => Stage::RecordOnly,
                    (Reach::All, false) => Stage::Record,
                };
                let mut opened = Link::new(*certificate, *issuer, stage, self.now.mono);
                opened.old_mesh_key = old_mesh_key;
                self.on_link_up(link, opened);
            }
            Input::LinkDown { link } => self.forget_link(link, None),
            Input::Frame { link, frame } => self.on_frame(link, frame),
            Input::PeerRefused { why, peer, by_peer } => {
                if by_peer && why == Refusal::Revoked {
                    self.on_shut_out(peer);
                }
                self.count_refusal(peer, why);
            }
            Input::Committed { id } => self.on_committed(id),
            Input::Loaded { job, loaded } => self.on_loaded(job, loaded),
            Input::Purged { horizon } => self.on_purged(horizon),
            Input::Destroyed { entries } => self.on_destroyed(&entries),
            Input::Room(room) => self.room = room,
            Input::Command { ticket, command } => self.on_command(ticket, *command),
        }
        self.close_batch();
    }

    /// The next thing to do, if any.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Input::Time`] is due, as time since start.
    pub fn next_wakeup(&self) -> Duration {
        self.next_tick
    }

    /// Whether so much waits for the disk that nothing more should be put in.
    pub fn is_full(&self) -> bool {
        self.batch.is_full()
    }

    /// Whether [`Command::Stop`] was answered: everything is written and nothing more is taken.
    pub fn has_stopped(&self) -> bool {
        self.stopped
    }

    /// This device.
    pub fn device(&self) -> DeviceId {
        self.me
    }

    fn on_time(&mut self) {
        if self.now.mono < self.next_tick {
            return;
        }
        self.next_tick = self.now.mono + TICK;
        self.tick = true;
        self.check_links();
        self.retry_wants();
        self.check_purge();
        self.check_certain();
        self.check_departures();
        self.flush_refusals();
        self.expire_presence();
        self.renew_peers();
        if self.now.mono >= self.next_witness {
            self.next_witness = self.now.mono + WITNESS;
            self.offer_trail();
        }
    }

    fn on_link_up(&mut self, id: LinkId, link: Link) {
        let (peer, stage) = (link.peer, link.stage);
        self.shut_out = None;
        if let Err(why) = self.verdict(&link.certificate, &link.issuer) {
            self.effects.push_back(Effect::Close { link: id, why });
            return;
        }
        self.links.insert(id, link);
        if stage != Stage::Unlisted {
            self.note_accepted(peer);
        }
        self.effects
            .push_back(Effect::Changed(Changed::Connected { peer }));
        self.send(
            id,
            Frame::Hello {
                version: wire::VERSION,
                now: self.now.wall,
            },
        );
        // The record may have learnt more since the handshake.
        self.judge_link(id);
        if stage != Stage::Unlisted && self.links.contains_key(&id) {
            self.open_record(id);
        }
    }

    /// From here on a device takes part; whoever may only explain itself does not, and is not said to.
    fn note_accepted(&mut self, peer: DeviceId) {
        self.note(Actor::Device(peer), Origin::Mesh, Deed::PeerAccepted);
    }

    /// The record may pass both ways from here on.
    fn open_record(&mut self, id: LinkId) {
        self.announce_all(id, Space::Record);
        self.ask_for_mesh_keys(id);
    }

    fn on_frame(&mut self, id: LinkId, frame: Frame) {
        let now = self.now.mono;
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        link.heard = now;
        match link.stage {
            // Whoever only may explain itself is no company: it tells no time, and must not put off the rule
            // that whoever hears nobody for a day ends days by its own clock.
            Stage::Unlisted if !renewal::may_explain(&frame, &link.peer) => return,
            Stage::Unlisted => {}
            Stage::Record | Stage::RecordOnly | Stage::All => self.heard = now,
        }
        self.sight(id);
        match frame {
            Frame::Hello { version: _, now } | Frame::Beat { now } => self.note_clock(id, now),
            Frame::Spaces { digests, more } => self.on_spaces(id, digests, more),
            Frame::Heads { space, heads } => self.on_heads(id, space, &heads),
            Frame::Want { log, from, credit } => self.on_want(id, log, from, credit),
            Frame::More { log, credit } => self.on_more(id, log, credit),
            Frame::Entries(segment) => self.on_entries(id, segment),
            Frame::Attest { attestations } => self.on_attest(id, &attestations),
            Frame::WantMeshKey { epoch } => self.on_want_mesh_key(id, epoch),
            Frame::MeshKey { epoch, key } => self.on_mesh_key(epoch, MeshKey::new(key)),
            Frame::Retractions { retractions } => self.on_retractions(id, retractions),
            Frame::Here { staff } => self.on_here(id, staff),
            Frame::Typing { space, staff } => self.on_typing(id, staff, space),
            Frame::Bye { code } => {
                let why = Refusal::from_code(code).unwrap_or(Refusal::Malformed);
                self.count_refusal(self.links.get(&id).map(|link| link.peer), why);
            }
        }
    }

    fn on_loaded(&mut self, id: JobId, loaded: Loaded) {
        let Some(job) = self.jobs.remove(&id) else {
            return;
        };
        match (job, loaded) {
            (Job::Send { link, log }, Loaded::Segments(segments)) => {
                self.on_send_loaded(id, link, log, segments)
            }
            (Job::Compare { link, log, shown }, Loaded::HashAt(hash)) => {
                self.on_compared(link, log, &shown, hash);
            }
            (Job::FindEnd { log }, Loaded::Segments(segments)) => self.on_end_found(log, &segments),
            (Job::Page(job), Loaded::Page(entries)) => self.on_page(job, entries),
            (Job::Related(job), Loaded::Entries(entries)) => self.on_related(*job, entries),
            (Job::Search(job), Loaded::Found(found)) => self.on_found(job, found),
            (Job::Amended(job), Loaded::Entries(entries)) => self.show_found(*job, entries),
            (Job::History(job), Loaded::Entries(entries)) => self.on_history(job, &entries),
            (Job::Facts { space }, Loaded::Facts(found)) => self.on_facts(id, space, found),
            (Job::Trail { ticket, log }, Loaded::Segments(segments)) => {
                self.on_trail(ticket, log, segments)
            }
            (Job::Record(job), Loaded::Segments(segments)) => self.on_record_loaded(job, segments),
            // The runner answers a reading with what was asked for, or stops the process.
            (
                _,
                Loaded::Segments(_)
                | Loaded::HashAt(_)
                | Loaded::Page(_)
                | Loaded::Facts(_)
                | Loaded::Found(_)
                | Loaded::Entries(_),
            ) => {}
        }
    }

    /// Starts a reading; `false` if too many are under way.
    fn load(&mut self, job: Job, load: Load) -> Option<JobId> {
        if self.jobs.len() >= JOBS_MAX {
            return None;
        }
        self.last_job += 1;
        let id = JobId(self.last_job);
        self.jobs.insert(id, job);
        self.effects.push_back(Effect::Load { job: id, load });
        Some(id)
    }

    fn send(&mut self, id: LinkId, frame: Frame) {
        if let Some(link) = self.links.get_mut(&id) {
            link.sent = self.now.mono;
            if matches!(frame, Frame::Hello { .. } | Frame::Beat { .. }) {
                link.said_time = self.now.mono;
            }
            self.effects.push_back(Effect::Send { link: id, frame });
        }
    }

    fn reply(&mut self, ticket: Ticket, reply: Reply) {
        self.effects.push_back(Effect::Reply { ticket, reply });
    }

    fn refuse(&mut self, ticket: Ticket, why: CommandRefusal) {
        self.reply(ticket, Reply::Refused(why));
    }

    /// Ends a channel for a reason of ours; the peer learns one byte.
    fn close(&mut self, id: LinkId, why: Refusal) {
        let Some(peer) = self.links.get(&id).map(|link| link.peer) else {
            return;
        };
        self.send(id, Frame::Bye { code: why.code() });
        self.effects.push_back(Effect::Close { link: id, why });
        self.count_refusal(Some(peer), why);
        self.forget_link(id, Some(why));
    }

    fn forget_link(&mut self, id: LinkId, why: Option<Refusal>) {
        let Some(link) = self.links.remove(&id) else {
            return;
        };
        self.wants.forget_link(id);
        self.keep_sighting(link.peer);
        self.effects
            .push_back(Effect::Changed(Changed::Disconnected {
                peer: link.peer,
                why,
            }));
    }

    fn check_links(&mut self) {
        let now = self.now.mono;
        let ids: Vec<LinkId> = self.links.keys().copied().collect();
        for id in ids {
            let Some(link) = self.links.get(&id) else {
                continue;
            };
            let silent = now.saturating_sub(link.heard);
            let quiet = now.saturating_sub(link.sent);
            let untold = now.saturating_sub(link.said_time);
            let due = now.saturating_sub(link.compared) >= COMPARE;
            let stale = link.stage == Stage::All && due;
            // By now the peer has learnt the newest mesh key, or will by another try.
            // By now the record that explains a renewal has come too, or will by another peer.
            let aged = matches!(link.stage, Stage::RecordOnly | Stage::Unlisted) && due;
            if silent >= SILENCE {
                self.close(id, Refusal::Silent);
                continue;
            }
            if aged {
                self.close(id, Refusal::Aged);
                continue;
            }
            if stale {
                self.send_spaces(id);
                self.ask_for_mesh_keys(id);
            }
            if quiet >= BEAT || untold >= TELL {
                self.send(id, Frame::Beat { now: self.now.wall });
            }
        }
    }

    fn note_clock(&mut self, id: LinkId, theirs: crate::domain::time::WallTime) {
        let ours = self.now.wall.0;
        if let Some(link) = self.links.get_mut(&id) {
            link.offset_ms = Some(theirs.0.wrapping_sub(ours) as i64);
            link.clock = Some((theirs, self.now.mono));
        }
    }

    /// Writes an audit record with the next commit.
    fn note(&mut self, actor: Actor, origin: Origin, deed: Deed) {
        self.audit(AuditRecord::done(actor, origin, deed));
    }

    /// Counts a refusal; the first of its kind is recorded at once, the rest once a minute.
    fn count_refusal(&mut self, peer: Option<DeviceId>, why: Refusal) {
        let known = peer.filter(|peer| self.record.clinic.devices.contains_key(peer));
        let key = (known, why);
        match self.refusals.get_mut(&key) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => {
                self.refusals.insert(key, (self.now.mono, 0));
                self.note_refusal(known, why, 1);
            }
        }
    }

    fn flush_refusals(&mut self) {
        let now = self.now.mono;
        let due: Vec<_> = self
            .refusals
            .iter()
            .filter(|(_, (since, _))| now.saturating_sub(*since) >= REFUSALS)
            .map(|(key, (_, count))| (*key, *count))
            .collect();
        for (key, count) in due {
            self.refusals.remove(&key);
            if count > 0 {
                self.note_refusal(key.0, key.1, count);
            }
        }
    }

    fn note_refusal(&mut self, peer: Option<DeviceId>, why: Refusal, count: u32) {
        let actor = peer.map_or(Actor::Stranger, Actor::Device);
        self.audit(AuditRecord::refused(
            actor,
            Origin::Mesh,
            Deed::PeerRefused { why, count },
        ));
    }

    fn trim_mesh_keys(&mut self) {
        while self.mesh_keys.len() > MESH_KEYS {
            self.mesh_keys.pop_first();
        }
    }

    /// This node's log in a space, in this run of the process.
    fn own_log(&self, space: Space) -> Log {
        Log {
            space,
            author: AuthorId::from(self.me),
            epoch: self.epochs.get(&space).copied().unwrap_or(self.epoch),
        }
    }

    /// An epoch that this device never wrote in.
    ///
    /// Later than every known one; and should neither the disk nor the clock remember the newest
    /// (both were put back), its last sixteen bits are random.
    fn fresh_epoch(&mut self) -> Epoch {
        let wall = self.clock.last().wall().max(self.now.wall).0;
        let after = (self.last_epoch.0 >> 16) + 1;
        let mut random = [0; 2];
        self.rng.fill_bytes(&mut random);
        let epoch = wall.max(after) << 16 | u64::from(u16::from_be_bytes(random));
        self.last_epoch = Epoch(epoch);
        if planted!("epoch-used-again") {
            self.last_epoch = Epoch(7);
        }
        self.last_epoch
    }

    /// Ends the epoch if the clock was far ahead and has been put right: what is written from here on
    /// has to carry times that others accept.
    fn check_clock(&mut self) {
        if !self.mend_clock() {
            return;
        }
        self.epoch = self.fresh_epoch();
        self.epochs.clear();
        let started = AuditRecord::done(Actor::Node, Origin::Inside, self.started());
        self.batch.audit_first(started);
    }

    /// Puts the hybrid clock back to the wall clock if it is so far ahead that no peer would accept
    /// its timestamps; never before the horizon, which time has passed for certain.
    fn mend_clock(&mut self) -> bool {
        let floor = self.now.wall.max(self.horizon.start());
        let ahead = self.clock.last().too_far_ahead(floor);
        if ahead {
            self.clock = Clock::resume(Hlc::at(floor));
        }
        ahead
    }

    /// The links to devices for which `keep` holds.
    fn links_where(&self, keep: impl Fn(&Link) -> bool) -> Vec<LinkId> {
        self.links
            .iter()
            .filter(|(_, link)| keep(link))
            .map(|(id, _)| *id)
            .collect()
    }

    /// The clinic as this node's record says.
    pub fn clinic(&self) -> &Arc<crate::domain::record::Clinic> {
        &self.record.clinic
    }

    fn tick_clock(&mut self) -> Hlc {
        self.clock.tick(self.now.wall)
    }
}

#[cfg(test)]
mod tests;
