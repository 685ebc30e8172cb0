//! The swarm's task: one thing at a time, revocation first.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt as _;
use libp2p::core::transport::ListenerId;
use libp2p::core::upgrade::Version;
use libp2p::swarm::{self, ConnectionId, Swarm, SwarmEvent};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

use super::behaviour::{Behaviour, Connection, Heard, Links};
use super::book::{Book, Sighted, Source};
use super::discovery::{self, Announce, Sighting};
use super::handle::{Command, Handle, Registry, Wanted};
use super::handler::{News, Order};
use super::limits::{
    COMMANDS_MAX, DIAL_BREADTH, EVENTS_MAX, FAREWELL, HELD_BACK_MAX, LINK_AGE, LINK_FRAMES, REVIEW,
    UNUSED,
};
use super::link::{Ended, LinkId, Role};
use super::notebook::{Linked, Notebook};
use super::redial::{Redial, Target};
use super::refused;
use super::roster::{Dial, Purpose, Roster, Verdict};
use super::secure::{self, Secure};
use super::{Clock, Event, Identity, Settings, Up, address};
use crate::channel::renewal::Renewer;
use crate::channel::{Local, StaticKey, Verified};
use crate::domain::id::DeviceId;
use crate::domain::trust::{Refusal, TrustView};
use crate::platform::network::ports::{self, Port};

mod dialling;
mod lifecycle;

/// Why the network did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(
        "cannot listen on {address}: {error}; is another node running, is the address this machine's?"
    )]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system says.
        error: String,
    },
    /// The device's id is not a public key.
    #[error("this device's id is not an Ed25519 public key: enrol it again")]
    Identity,
}

/// Starts the network. Events come in the receiver, which has to be drained.
pub fn start(
    settings: Settings,
    identity: Identity,
    clock: Clock,
) -> Result<(Handle, mpsc::Receiver<Event>), StartError> {
    let me = identity.device;
    let peer_id = address::peer_id(&me).ok_or(StartError::Identity)?;
    let trust = identity.trust.clone();
    let renewer = Renewer::default();
    let secure = Secure::new(
        Local {
            key: StaticKey::from_secret(&identity.noise_key),
            credentials: Arc::new(identity.credentials),
            trust: identity.trust,
            verified: Verified::default(),
            renewer: renewer.clone(),
        },
        clock.clone(),
    );
    let (events, received) = mpsc::channel(EVENTS_MAX);
    let links = Links::new(secure.clone(), clock.clone(), events.clone());
    let mut swarm = Swarm::new(
        secure::transport(secure.clone()),
        Behaviour::new(links),
        peer_id,
        config(),
    );
    listen(&mut swarm, &settings.listen)?;

    let (command_sender, commands) = mpsc::channel(COMMANDS_MAX);
    let (wanted_sender, wanted) = watch::channel(Wanted::new());
    let (listening, listeners) = watch::channel(Vec::new());
    let notebook = Notebook::default();
    let sightings = discovery::start(Announce {
        notebook: notebook.clone(),
        settings: settings.discovery,
        seed: settings.seed,
        listeners: listeners.clone(),
        trust: trust.clone(),
        clock: clock.clone(),
    });
    let registry = Registry::default();
    let task = Task {
        me,
        swarm,

        clock,
        registry: registry.clone(),
        notebook: notebook.clone(),
        events,
        held: VecDeque::new(),
        commands,
        wanted,
        trust,
        sightings,
        listening,
        roster: Roster::new(me),
        redial: Redial::new(settings.seed),
        book: Book::default(),
        dials: BTreeMap::new(),
        phases: BTreeMap::new(),
        review: Instant::now() + REVIEW,
        stopping: None,
    };
    tokio::spawn(task.run());
    let handle = Handle {
        links: registry,
        commands: command_sender,
        wanted: Arc::new(wanted_sender),
        listeners,
        secure,
        renewer,
        notebook,
    };
    Ok((handle, received))
}

fn config() -> swarm::Config {
    swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(UNUSED)
        .with_dial_concurrency_factor(NonZeroU8::new(DIAL_BREADTH).unwrap_or(NonZeroU8::MIN))
        // There is one protocol, so its dialler need not wait to hear that it is spoken.
        .with_substream_upgrade_protocol_override(Version::V1Lazy)
}

fn listen(swarm: &mut Swarm<Behaviour>, addresses: &[SocketAddr]) -> Result<(), StartError> {
    for address in addresses {
        refuse_shared(*address)?;
    }
    for address in addresses {
        swarm
            .listen_on(address::multiaddr(*address))
            .map_err(|error| StartError::Listen {
                address: *address,
                error: error.to_string(),
            })?;
    }
    Ok(())
}

/// Refuses an address at which another program listens.
///
/// libp2p listens in a way that lets another node of this machine listen at the same port, and the system
/// would give each caller to either of both.
fn refuse_shared(address: SocketAddr) -> Result<(), StartError> {
    match ports::look_at(address) {
        Ok(Port::Taken(by)) => Err(StartError::Listen {
            address,
            error: match by {
                Some(program) => format!("\"{program}\" listens there already"),
                None => "another program listens there already".to_owned(),
            },
        }),
        // Whatever else stands in the way, listening says it better.
        _ => Ok(()),
    }
}

/// What a dial is for.
#[derive(Clone, Copy, Debug)]
struct Dialling {
    target: Target,
    dial: Dial,
}

/// How far a connection is, beside what libp2p knows of it.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Established; the stream is not open.
    New { dial: Option<Dialling> },
    /// Chosen, and comes up as soon as the one it replaces is down.
    Chosen { after: Option<ConnectionId> },
    /// [`Event::LinkUp`] is queued.
    Up,
    /// To be gone by then.
    Leaving { was_up: bool, by: Instant },
}

struct Task {
    me: DeviceId,
    swarm: Swarm<Behaviour>,
    clock: Clock,
    registry: Registry,
    notebook: Notebook,
    events: mpsc::Sender<Event>,
    /// Events for which the queue had no room.
    held: VecDeque<Event>,
    commands: mpsc::Receiver<Command>,
    wanted: watch::Receiver<Wanted>,
    trust: watch::Receiver<Arc<TrustView>>,
    sightings: mpsc::Receiver<Sighting>,
    listening: watch::Sender<Vec<SocketAddr>>,
    roster: Roster,
    redial: Redial,
    book: Book,
    dials: BTreeMap<ConnectionId, Dialling>,
    phases: BTreeMap<ConnectionId, Phase>,
    review: Instant,
    stopping: Option<(Instant, oneshot::Sender<()>)>,
}

impl Task {
    async fn run(mut self) {
        loop {
            self.dial_due();
            let wakeup = tokio::time::Instant::from_std(self.next_wakeup());
            tokio::select! {
                biased;
                Ok(()) = self.trust.changed() => self.judge_all(),
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => break,
                },
                Ok(permit) = self.events.clone().reserve_owned(), if !self.held.is_empty() => {
                    if let Some(event) = self.held.pop_front() {
                        let up = Self::comes_up(&event);
                        permit.send(event);
                        self.let_run(up);
                    }
                }
                Ok(()) = self.wanted.changed() => self.on_wanted(),
                Some(sighting) = self.sightings.recv() => self.on_sighting(sighting),
                () = tokio::time::sleep_until(wakeup) => self.on_time(Instant::now()),
                event = self.swarm.select_next_some(), if self.held.len() < HELD_BACK_MAX => {
                    self.on_swarm(event);
                }
            }
            if self.has_stopped() || self.events.is_closed() {
                break;
            }
        }
        if let Some((_, done)) = self.stopping.take() {
            drop(self);
            let _nobody_waits = done.send(());
        }
    }
}

impl Task {
    /// Hands an event on, or holds it back until there is room.
    fn emit(&mut self, event: Event) {
        if !self.held.is_empty() {
            self.held.push_back(event);
            return;
        }
        let up = Self::comes_up(&event);
        match self.events.try_send(event) {
            Ok(()) => self.let_run(up),
            Err(mpsc::error::TrySendError::Full(event)) => self.held.push_back(event),
            Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
    }

    /// Hands an event on that nobody misses when there is no room.
    fn mention(&mut self, event: Event) {
        if self.held.is_empty() {
            let _left_out = self.events.try_send(event);
        }
    }

    fn comes_up(event: &Event) -> Option<LinkId> {
        match event {
            Event::LinkUp(up) => Some(up.link),
            Event::LinkDown { .. }
            | Event::Frame { .. }
            | Event::Refused { .. }
            | Event::Listening { .. }
            | Event::Seen { .. } => None,
        }
    }

    /// Frames of a link may follow once [`Event::LinkUp`] is in the queue.
    fn let_run(&mut self, up: Option<LinkId>) {
        let links = &mut self.swarm.behaviour_mut().links;
        let found = links
            .connections()
            .iter()
            .find(|(_, connection)| Some(connection.link.id) == up)
            .map(|(id, _)| *id);
        if let Some(id) = found {
            links.order(id, Order::Run);
        }
    }

    fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.swarm.behaviour().links.connections().get(&id)
    }
}
