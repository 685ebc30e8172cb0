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
mod clock;
mod commands;
mod conditions;
mod credentials;
mod disk;
mod drafts;
mod ends;
mod epochs;
mod facts;
mod hints;
mod holdings;
mod jobs;
mod link;
mod links;
mod mesh_keys;
mod parting;
mod people;
mod presence;
mod pull;
mod purge;
mod reading;
mod record;
mod refusals;
mod renewal;
mod replies;
mod retract;
mod searching;
mod send;
mod sightings;
mod standing;
mod status;
mod submit;
mod trail;
mod types;
mod views;
mod voices;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

pub use types::*;

use crate::domain::audit::{Actor, AuditRecord, Deed, Origin};
use crate::domain::condition::Condition;
use crate::domain::factor::Credentials;
use crate::domain::health::Concern;
use crate::domain::id::{AuthorId, ClinicId, DeviceId, Hash, SpaceId, StaffId};
use crate::domain::log::Epoch;
use crate::domain::message::EntryId;
use crate::domain::record::Clinic;
use crate::domain::retraction::Retraction;
use crate::domain::sign::SigningKey;
use crate::domain::space::Space;
use crate::domain::time::{Day, WallTime};
use crate::domain::trust::{self, MeshKey, Reach, Refusal, TrustView};

use batch::Batch;
use clock::HybridClock;
use drafts::Drafts;
use facts::Facts;
use holdings::Holdings;
use jobs::Job;
use link::{Link, Stage};
use parting::Partings;
use presence::Presence;
use pull::Wants;
use record::RecordState;
use sightings::Sightings;

/// How often the engine looks at the time.
const TICK: Duration = Duration::from_secs(1);

/// How often the audit trail is offered to its witnesses: well within the minute it must take.
const WITNESS: Duration = Duration::from_secs(15);

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
    clock: HybridClock,
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
    partings: Partings,
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
    /// What this node tells of itself; none until it is known.
    condition: Option<Condition>,
    refusals: BTreeMap<(Option<DeviceId>, Refusal), (Duration, u32)>,
    /// See [`Engine::certain_base`], in milliseconds since 1970.
    certain_base: u64,
    /// See [`Engine::resumed_base`].
    resumed_base: Option<WallTime>,
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

impl Engine {
    /// An engine for what the store holds. Its first effects announce trust and write "started".
    pub fn new(boot: Boot, now: Now) -> Self {
        let me = boot.key.id().as_device();
        let own = AuthorId::from(me);
        let logs = boot.logs.iter().map(|found| found.log);
        let last_epoch = logs.filter(|log| log.author == own).map(|log| log.epoch);
        let last_epoch = last_epoch.max().unwrap_or(Epoch(0));
        let clock = HybridClock::resume(boot.newest());
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
            clock,
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
            partings: Partings::default(),
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
            condition: None,
            refusals: BTreeMap::new(),
            certain_base: 0,
            resumed_base: Self::resumed_base(boot.horizon, now),
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
        self.forget_void_mesh_keys();
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
            Input::LinkDown { link } => {
                self.forget_link(link, None);
                self.parted(link);
            }
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
            Input::Condition(condition) => self.on_condition(condition),
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
        let parting = self.partings.next_due();
        parting.map_or(self.next_tick, |due| due.min(self.next_tick))
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
        self.check_partings();
        if self.now.mono < self.next_tick {
            return;
        }
        self.next_tick = self.now.mono + TICK;
        self.tick = true;
        self.check_mesh_keys();
        self.check_links();
        self.retry_wants();
        self.check_purge();
        self.check_certain();
        self.check_departures();
        self.flush_refusals();
        self.expire_presence();
        self.renew_peers();
        self.tell_conditions();
        if self.now.mono >= self.next_witness {
            self.next_witness = self.now.mono + WITNESS;
            self.offer_trail();
        }
    }

    fn reply(&mut self, ticket: Ticket, reply: Reply) {
        self.effects.push_back(Effect::Reply { ticket, reply });
    }

    fn refuse(&mut self, ticket: Ticket, why: CommandRefusal) {
        self.reply(ticket, Reply::Refused(why));
    }

    /// Writes an audit record with the next commit.
    fn note(&mut self, actor: Actor, origin: Origin, deed: Deed) {
        self.audit(AuditRecord::done(actor, origin, deed));
    }

    /// The clinic as this node's record says.
    pub fn clinic(&self) -> &Arc<Clinic> {
        &self.record.clinic
    }
}

#[cfg(test)]
mod tests;
