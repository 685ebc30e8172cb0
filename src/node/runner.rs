//! The runner: performs the engine's effects and feeds it what happens.
//!
//! One task. It takes one input, drains the effects, and waits for the next; what this node does
//! itself comes before what others ask of it. Anything that touches the disk runs on other threads
//! and comes back as an input.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tracing::{error, info, warn};

use crate::domain::codec;
use crate::domain::condition::{Condition, ProgramVersion};
use crate::domain::id::{ClinicId, DeviceId};
use crate::domain::message::EntryId;
use crate::domain::time::WallTime;
use crate::domain::trust::TrustView;
use crate::net;
use crate::store::{self, Append, Batch, Horizon, Meta, Reach, Store, StoreError};

use super::backup::Backups;
use super::boot;
use super::engine::{
    Changed, Commit, Effect, Engine, Input, JobId, LinkId, Load, Now, Reply, Room, Ticket,
};
use super::handle::Asked;
use super::reading::read;
use super::search::Search;

/// Finished jobs that may wait for the runner: every job the engine can have under way, and commits.
pub(super) const DONE_MAX: usize = 1024;

/// Inputs of one kind taken in a row before the others get their turn.
const BURST: usize = 256;

/// How often the free space of the disk is looked at while nothing is written: who has made room does
/// not wait long. While something is, each commit is followed by a look, so that no stream of messages
/// outruns it.
const ROOM: Duration = Duration::from_secs(5);

/// Longest wait for what still reads from the store when the node has failed: a dying disk may keep a reading
/// for ever, and whoever watches the node has to hear of its end.
const FAILED_READ_MAX: Duration = Duration::from_secs(30);

/// Something that another thread finished.
pub(super) enum Done {
    /// A commit or a reading, as the engine wants to hear it.
    Input(Input),
    /// The store has failed; nothing can be promised any more.
    Failed(StoreError),
}

/// Why the runner ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store failed; the process must end, because what is on disk is the only truth.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The network ended.
    #[error("the network stopped unexpectedly; see the log lines before this one")]
    Network,
    /// The runner itself failed.
    #[error("the node failed; this is a bug, please report it with the log lines before this one")]
    Panicked,
}

/// Everything the runner holds.
pub(super) struct Runner {
    pub(super) clinic: ClinicId,
    pub(super) engine: Engine,
    pub(super) store: Arc<Store>,
    pub(super) net: net::Handle,
    pub(super) net_events: mpsc::Receiver<net::Event>,
    pub(super) asked: mpsc::Receiver<Asked>,
    pub(super) hints: broadcast::Sender<Changed>,
    pub(super) trust: watch::Sender<Arc<TrustView>>,
    pub(super) done: (mpsc::Sender<Done>, mpsc::Receiver<Done>),
    pub(super) bootstrap: Vec<SocketAddr>,
    pub(super) clock: NodeClock,
    /// See [`Engine::certain_base`]; the network judges certificates by no earlier moment.
    pub(super) certain: Arc<AtomicU64>,
    pub(super) waiting: BTreeMap<Ticket, oneshot::Sender<Reply>>,
    pub(super) last_ticket: u64,
    pub(super) remembered: BTreeMap<DeviceId, SocketAddr>,
    pub(super) room: Room,
    pub(super) backups: Backups,
    /// What the engine was last given to tell others.
    pub(super) told: Option<Condition>,
    pub(super) wanted: BTreeMap<DeviceId, Option<String>>,
    pub(super) search: Arc<Search>,
    /// The catching up of the search that is under way, one of the tasks.
    pub(super) indexing: Option<AbortHandle>,
    /// What is under way on the disk; as many as the engine has jobs, and two more.
    pub(super) tasks: JoinSet<()>,
}

/// The machine's clock, moved by whole days for a demonstration or a drill.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeClock {
    pub(super) clock: crate::platform::clock::Clock,
    pub(super) ahead: Duration,
}

impl NodeClock {
    pub(super) fn wall(&self) -> WallTime {
        self.clock.now().plus(self.ahead)
    }

    /// The time by which certificates are judged: what the machine's clock says, and never less than
    /// the moment that has come for certain.
    pub(super) fn judging(&self, certain_base: &AtomicU64) -> WallTime {
        let base = WallTime(certain_base.load(Ordering::Relaxed));
        self.wall().max(base.plus(self.clock.elapsed()))
    }

    pub(super) fn now(&self) -> Now {
        Now {
            wall: self.wall(),
            mono: self.clock.elapsed(),
        }
    }
}

/// The names of remembered addresses in the store begin with this.
pub(super) const ADDRESS: &str = "address/";

impl Runner {
    /// Runs until [`Command::Stop`] was answered or something failed.
    pub(super) async fn run(mut self) -> Result<(), RunError> {
        let outcome = self.turn().await;
        if let Err(why) = &outcome {
            error!(%why, "the node cannot go on");
        }
        // Nobody is answered any more and nobody takes what is finished, so nobody may wait for that.
        self.asked.close();
        while self.asked.try_recv().is_ok() {}
        self.waiting.clear();
        self.done.1.close();
        self.search.stop();
        self.net.stop().await;
        // The store is closed once nobody reads from it any more, and this ends no earlier: whoever waits
        // for the end may open the store again.
        let read = async { while self.tasks.join_next().await.is_some() {} };
        if outcome.is_ok() {
            read.await;
        } else if tokio::time::timeout(FAILED_READ_MAX, read).await.is_err() {
            warn!("the disk still keeps a reading waiting: the store is left open");
        }
        outcome
    }

    async fn turn(&mut self) -> Result<(), RunError> {
        let mut room = tokio::time::interval(ROOM);
        loop {
            while let Some(effect) = self.engine.next_effect() {
                if self.perform(effect)? == Next::Stop {
                    return Ok(());
                }
            }
            let wakeup = self
                .engine
                .next_wakeup()
                .saturating_sub(self.clock.clock.elapsed());
            let full = self.engine.is_full();
            tokio::select! {
                biased;
                done = self.done.1.recv() => match done {
                    Some(Done::Input(input)) => {
                        let written = matches!(input, Input::Committed { .. });
                        self.feed(input);
                        if written {
                            self.look_at_room();
                        }
                    }
                    Some(Done::Failed(error)) => return Err(error.into()),
                    None => return Err(RunError::Network),
                },
                () = tokio::time::sleep(wakeup) => self.feed(Input::Time),
                event = self.net_events.recv(), if !full => {
                    self.on_net(event.ok_or(RunError::Network)?);
                    self.more_net_events();
                }
                asked = self.asked.recv(), if !full => match asked {
                    Some(asked) => {
                        self.ask(asked);
                        self.more_commands();
                    }
                    None => return Ok(()),
                },
                _ = room.tick() => {
                    self.look_for_room();
                    self.look_at_condition();
                    self.index();
                }
            }
        }
    }

    fn feed(&mut self, input: Input) {
        self.engine.handle(input, self.clock.now());
        let base = self.engine.certain_base();
        self.certain.store(base.0, Ordering::Relaxed);
    }

    /// What is already there is taken together, so that it shares one commit.
    fn more_commands(&mut self) {
        for _ in 0..BURST {
            if self.engine.is_full() {
                return;
            }
            match self.asked.try_recv() {
                Ok(asked) => self.ask(asked),
                Err(_) => return,
            }
        }
    }

    fn more_net_events(&mut self) {
        for _ in 0..BURST {
            if self.engine.is_full() {
                return;
            }
            match self.net_events.try_recv() {
                Ok(event) => self.on_net(event),
                Err(_) => return,
            }
        }
    }

    fn ask(&mut self, (command, reply): Asked) {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.waiting.insert(ticket, reply);
        let command = command.into();
        self.feed(Input::Command { ticket, command });
    }

    fn look_at_room(&mut self) {
        let room = if self.store.room_for_messages() {
            Room::Enough
        } else {
            Room::NearlyFull
        };
        if room == self.room {
            return;
        }
        match room {
            Room::Enough => info!("the disk has room again: messages are accepted"),
            Room::NearlyFull => warn!("the disk is nearly full: messages are refused"),
        }
        self.room = room;
        self.feed(Input::Room(room));
    }

    /// Tells the engine, where it is news, how this node is.
    fn look_at_condition(&mut self) {
        let condition = Condition {
            version: ProgramVersion::own(),
            backups: self.backups.told(),
        };
        if self.told.as_ref() == Some(&condition) {
            return;
        }
        self.told = Some(condition.clone());
        self.feed(Input::Condition(condition));
    }

    /// Lets the search catch up, so that whoever looks for something hardly waits.
    fn index(&mut self) {
        let under_way = |task: &AbortHandle| !task.is_finished();
        if self.indexing.as_ref().is_some_and(under_way) {
            return;
        }
        let (store, search, done) = (self.store.clone(), self.search.clone(), self.done.0.clone());
        self.indexing = Some(self.aside(move || {
            report_failure(&done, search.catch_up(&store).map(drop));
        }));
    }

    /// Does what waits for the disk on a thread of its own; the node does not end before it has.
    fn aside(&mut self, work: impl FnOnce() + Send + 'static) -> AbortHandle {
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn_blocking(work)
    }

    /// Looks, and takes back what was let go when the disk ran full; the next look sees it.
    fn look_for_room(&mut self) {
        self.look_at_room();
        if self.room == Room::NearlyFull {
            let store = self.store.clone();
            self.aside(move || store.take_back_reserve());
        }
    }

    fn on_net(&mut self, event: net::Event) {
        match event {
            net::Event::LinkUp(up) => {
                info!(link = up.link.0, "secure channel open");
                self.remember(&up);
                let old_mesh_key = up.mesh_key == net::MeshKeyUse::Old;
                let link = LinkId(up.link.0);
                self.feed(Input::LinkUp {
                    link,
                    certificate: Box::new(up.certificate),
                    issuer: Box::new(up.issuer),
                    old_mesh_key,
                    reach: up.reach,
                });
            }
            net::Event::LinkDown { link, why, .. } => {
                info!(link = link.0, ?why, "secure channel closed");
                self.feed(Input::LinkDown {
                    link: LinkId(link.0),
                });
            }
            net::Event::Frame { link, frame } => self.feed(Input::Frame {
                link: LinkId(link.0),
                frame,
            }),
            net::Event::Refused {
                device, why, by, ..
            } => {
                warn!(code = why.code(), ?by, %why, "handshake refused");
                self.feed(Input::PeerRefused {
                    why,
                    peer: device,
                    by_peer: by == net::By::Peer,
                });
            }
            net::Event::Listening { address } => info!(%address, "listening"),
            net::Event::Seen { device, .. } => self.hint(Changed::Discovered { peer: device }),
        }
    }

    fn hint(&self, changed: Changed) {
        // Nobody listening is fine.
        let _listeners = self.hints.send(changed);
    }

    /// Keeps the address that a peer was reached at, for the next start.
    fn remember(&mut self, up: &net::Up) {
        let dialled = up.role == net::Role::Dialler;
        if !dialled || self.remembered.get(&up.peer) == Some(&up.address) {
            return;
        }
        self.remembered.insert(up.peer, up.address);
        let value = Some(up.address.to_string().into_bytes());
        let meta = Meta {
            name: format!("{ADDRESS}{}", up.peer),
            value,
        };
        let done = self.done.0.clone();
        let stored = self.store.submit(
            Batch {
                metas: vec![meta],
                ..Batch::default()
            },
            move |result| {
                report_failure(&done, result);
            },
        );
        if stored.is_err() {
            // A busy store forgets the hint; it will be learnt again with the next connection.
            self.remembered.remove(&up.peer);
        }
    }

    fn perform(&mut self, effect: Effect) -> Result<Next, RunError> {
        match effect {
            Effect::Send { link, frame } => {
                if let Err(why) = self.net.send(net::LinkId(link.0), &frame) {
                    warn!(link = link.0, %why, "frame not sent");
                }
            }
            Effect::Silence { link } => self.net.silence(net::LinkId(link.0)),
            Effect::Close { link, why } => self.net.close(net::LinkId(link.0), why),
            Effect::Commit(commit) => self.commit(*commit)?,
            Effect::Load { job, load } => self.load(job, load),
            Effect::Purge { horizon } => self.purge(horizon)?,
            Effect::Destroy { entries } => self.destroy(entries)?,
            Effect::Trust(view) => drop(self.trust.send_replace(view)),
            Effect::Credentials(credentials) => self.net.renew(*credentials),
            Effect::Wanted(wanted) => self.want(wanted),
            Effect::Reply { ticket, reply } => return Ok(self.reply(ticket, reply)),
            Effect::Changed(changed) => self.hint(changed),
        }
        Ok(Next::Go)
    }

    fn reply(&mut self, ticket: Ticket, reply: Reply) -> Next {
        let stopped = matches!(reply, Reply::Done) && self.engine.has_stopped();
        if let Some(waiting) = self.waiting.remove(&ticket) {
            // Whoever asked may have gone; what was done stays done.
            let _gone = waiting.send(reply);
        }
        if stopped { Next::Stop } else { Next::Go }
    }

    fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        let (id, done) = (commit.id, self.done.0.clone());
        let batch = self.batch(commit);
        self.store.submit(batch, move |result| match result {
            Ok(()) => send(&done, Done::Input(Input::Committed { id })),
            Err(error) => send(&done, Done::Failed(error)),
        })
    }

    fn batch(&self, commit: Commit) -> Batch {
        let arrived = self.clock.wall();
        let metas = metas(&commit);
        let clinic = self.clinic;
        let append = |segment: Arc<crate::domain::log::Segment>| {
            let end = segment.end(&clinic);
            Append {
                segment: Arc::unwrap_or_clone(segment),
                end,
                arrived,
            }
        };
        let horizon = |first_alive| Horizon {
            reach: Reach::Everywhere,
            first_alive,
        };
        Batch {
            appends: commit.segments.into_iter().map(append).collect(),
            attestations: commit.attestations,
            metas,
            forks: commit.forks.iter().map(fork).collect(),
            horizons: commit.horizon.map(horizon).into_iter().collect(),
            drops: commit.drops,
            retractions: commit.retractions,
        }
    }

    fn purge(&mut self, horizon: crate::domain::time::Day) -> Result<(), StoreError> {
        let done = self.done.0.clone();
        let reach = Horizon {
            reach: Reach::Everywhere,
            first_alive: horizon,
        };
        let batch = Batch {
            horizons: vec![reach],
            ..Batch::default()
        };
        self.store.submit_purge(batch, move |result| match result {
            Ok(_) => send(&done, Done::Input(Input::Purged { horizon })),
            Err(error) => send(&done, Done::Failed(error)),
        })
    }

    /// The retractions are in the store, which has begun to destroy; waits for its end.
    fn destroy(&mut self, entries: Vec<EntryId>) -> Result<(), StoreError> {
        let done = self.done.0.clone();
        self.store
            .submit_purge(Batch::default(), move |result| match result {
                Ok(_) => send(&done, Done::Input(Input::Destroyed { entries })),
                Err(error) => send(&done, Done::Failed(error)),
            })
    }

    fn load(&mut self, job: JobId, load: Load) {
        let (store, done, clinic) = (self.store.clone(), self.done.0.clone(), self.clinic);
        let search = self.search.clone();
        self.aside(move || {
            let read = read(&store, &search, &clinic, load);
            send(
                &done,
                match read {
                    Ok(loaded) => Done::Input(Input::Loaded { job, loaded }),
                    Err(error) => Done::Failed(error),
                },
            );
        });
    }

    fn want(&mut self, wanted: BTreeMap<DeviceId, Option<String>>) {
        if self.wanted == wanted {
            return;
        }
        self.wanted = wanted;
        let mut peers = net::Wanted::new();
        for (device, address) in &self.wanted {
            let recorded = address.as_deref().and_then(|address| address.parse().ok());
            let mut places: Vec<(SocketAddr, net::Source)> = Vec::new();
            places.extend(
                self.remembered
                    .get(device)
                    .map(|at| (*at, net::Source::Remembered)),
            );
            places.extend(recorded.map(|at| (at, net::Source::Bootstrap)));
            places.extend(
                self.bootstrap
                    .iter()
                    .map(|at| (*at, net::Source::Bootstrap)),
            );
            peers.insert(*device, places);
        }
        self.net.set_wanted(peers);
    }
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Next {
    Go,
    Stop,
}

fn send(done: &mpsc::Sender<Done>, what: Done) {
    // Blocking is fine on the store's threads; a runner that has gone needs no answer.
    let _gone = done.blocking_send(what);
}

fn report_failure(done: &mpsc::Sender<Done>, result: Result<(), StoreError>) {
    if let Err(error) = result {
        send(done, Done::Failed(error));
    }
}

/// What a commit keeps by name.
fn metas(commit: &Commit) -> Vec<Meta> {
    let keys = commit.mesh_keys.iter();
    let keys = keys.map(|(epoch, key)| boot::mesh_key_meta(*epoch, key));
    let sightings = commit.sightings.iter().map(boot::sighting_meta);
    keys.chain(sightings).collect()
}

fn fork(fork: &super::engine::Fork) -> store::Fork {
    let proof = codec::encode(&(fork.held.0, fork.held.1, fork.shown.0, fork.shown.1));
    store::Fork {
        log: fork.log,
        proof,
    }
}
