//! What libp2p asks of us: limits, the blocked, and a handler for each connection.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::behaviour::FromSwarm;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, NetworkBehaviour, NotifyHandler, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{PeerId, allow_block_list, connection_limits, memory_connection_limits};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use super::handler::{Handler, News, Order};
use super::limits::{DIALS_MAX, ESTABLISHED_MAX, MEMORY_MAX, PER_DEVICE_MAX};
use super::link::{Link, LinkId, Role};
use super::secure::{Admitted, Secure};
use super::{Clock, Event, address};
use crate::channel::{MeshKeyUse, PENDING_MAX};
use crate::domain::cert::Certificate;
use crate::domain::id::{DeviceId, Hash};
use crate::domain::trust::{Issuer, Reach, Refusal};

/// Everything the swarm runs; the first that objects to a connection ends it.
#[derive(NetworkBehaviour)]
#[behaviour(to_swarm = "Heard")]
pub(crate) struct Behaviour {
    limits: connection_limits::Behaviour,
    memory: memory_connection_limits::Behaviour,
    pub(crate) revoked: allow_block_list::Behaviour<allow_block_list::BlockedPeers>,
    pub(crate) links: Links,
}

/// News of one connection.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) connection: ConnectionId,
    pub(crate) news: News,
}

impl From<Infallible> for Heard {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl Behaviour {
    pub(crate) fn new(links: Links) -> Self {
        let limits = connection_limits::ConnectionLimits::default()
            .with_max_pending_incoming(Some(PENDING_MAX as u32))
            .with_max_pending_outgoing(Some(2 * DIALS_MAX as u32))
            .with_max_established(Some(ESTABLISHED_MAX))
            .with_max_established_per_peer(Some(PER_DEVICE_MAX));
        Self {
            limits: connection_limits::Behaviour::new(limits),
            memory: memory_connection_limits::Behaviour::with_max_bytes(MEMORY_MAX),
            revoked: allow_block_list::Behaviour::default(),
            links,
        }
    }
}

/// A live connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) link: Arc<Link>,
    pub(crate) peer: PeerId,
    pub(crate) device: DeviceId,
    pub(crate) role: Role,
    pub(crate) certificate: Certificate,
    pub(crate) issuer: Issuer,
    pub(crate) reach: Reach,
    pub(crate) digest: Hash,
    pub(crate) mesh_key: MeshKeyUse,
    pub(crate) remote: SocketAddr,
    pub(crate) local: Option<IpAddr>,
    pub(crate) since: Instant,
}

/// Why a connection that passed the handshake is not entered among the live ones.
#[derive(Debug, thiserror::Error)]
#[error("the connection is not entered: {0}")]
pub(crate) struct NotEntered(pub(crate) Refusal);

/// Gives each connection its handler and remembers who is behind it.
pub(crate) struct Links {
    secure: Secure,
    clock: Clock,
    events: mpsc::Sender<Event>,
    next: u64,
    connections: BTreeMap<ConnectionId, Connection>,
    queue: VecDeque<ToSwarm<Heard, Order>>,
}

impl Links {
    pub(crate) const fn new(secure: Secure, clock: Clock, events: mpsc::Sender<Event>) -> Self {
        Self {
            secure,
            clock,
            events,
            next: 1,
            connections: BTreeMap::new(),
            queue: VecDeque::new(),
        }
    }

    /// The live connections.
    pub(crate) const fn connections(&self) -> &BTreeMap<ConnectionId, Connection> {
        &self.connections
    }

    /// Takes a connection that libp2p has closed.
    pub(crate) fn remove(&mut self, connection: ConnectionId) -> Option<Connection> {
        self.connections.remove(&connection)
    }

    /// Tells a connection's handler what to do; the swarm has to be polled after that.
    pub(crate) fn order(&mut self, connection: ConnectionId, order: Order) {
        if let Some(live) = self.connections.get(&connection) {
            self.queue.push_back(ToSwarm::NotifyHandler {
                peer_id: live.peer,
                handler: NotifyHandler::One(connection),
                event: order,
            });
        }
    }

    fn enter(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        role: Role,
        remote: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        let not_entered = |why| ConnectionDenied::new(NotEntered(why));
        let admitted = address::socket_address(remote)
            .and_then(|remote| self.secure.take(role, peer, remote))
            .ok_or_else(|| not_entered(Refusal::OtherKey))?;
        // A revocation may have come since the handshake ended.
        self.secure
            .trust()
            .still_admits(
                &admitted.certificate,
                &admitted.issuer,
                Some(admitted.remote.ip()),
                (self.clock)(),
            )
            .map_err(not_entered)?;
        let link = Arc::new(Link::new(LinkId(self.next), admitted.cut.clone()));
        self.next += 1;
        let handler = Handler::new(role, link.clone(), PollSender::new(self.events.clone()));
        self.connections
            .insert(id, Connection::new(link, peer, role, admitted));
        Ok(handler)
    }
}

impl Connection {
    fn new(link: Arc<Link>, peer: PeerId, role: Role, admitted: Admitted) -> Self {
        Self {
            link,
            peer,
            device: admitted.certificate.device,
            role,
            certificate: admitted.certificate,
            issuer: admitted.issuer,
            reach: admitted.reach,
            digest: admitted.digest,
            mesh_key: admitted.mesh_key,
            remote: admitted.remote,
            local: admitted.local,
            since: Instant::now(),
        }
    }
}

impl NetworkBehaviour for Links {
    type ConnectionHandler = Handler;
    type ToSwarm = Heard;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.enter(id, peer, Role::Listener, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.enter(id, peer, Role::Dialler, remote)
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        connection: ConnectionId,
        news: THandlerOutEvent<Self>,
    ) {
        self.queue
            .push_back(ToSwarm::GenerateEvent(Heard { connection, news }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Heard, THandlerInEvent<Self>>> {
        // Whoever fills the queue is the swarm itself or polls the swarm next: nobody needs waking.
        self.queue.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}
