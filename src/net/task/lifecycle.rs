//! Connections from "established" to "closed", as the swarm's task sees them.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use libp2p::PeerId;

use super::*;

impl Task {
    pub(super) fn on_swarm(&mut self, event: SwarmEvent<Heard>) {
        match event {
            SwarmEvent::Behaviour(Heard { connection, news }) => match news {
                News::Ready => self.on_stream(connection),
                News::Over => self.on_over(connection),
            },
            SwarmEvent::ConnectionEstablished { connection_id, .. } => {
                self.on_established(connection_id);
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => self.on_closed(connection_id),
            SwarmEvent::IncomingConnectionError {
                send_back_addr,
                error,
                ..
            } => {
                if let Some((address, device, what)) =
                    refused::noted_listening(&send_back_addr, &error)
                {
                    self.notebook.note((Role::Listener, address), device, what);
                }
                if let Some(event) = refused::by_listening(&send_back_addr, &error) {
                    self.mention(event);
                }
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                error,
                ..
            } => {
                self.on_dial_failed(connection_id, &error);
            }
            SwarmEvent::NewListenAddr { address, .. } => self.on_listening(&address),
            SwarmEvent::ExpiredListenAddr { address, .. } => self.on_address_lost(&address),
            SwarmEvent::ListenerClosed {
                listener_id,
                addresses,
                reason,
            } => {
                self.on_listener_closed(listener_id, &addresses, reason);
            }
            SwarmEvent::ListenerError { error, .. } => {
                warn!(error = %error.kind(), "a listener has a problem and goes on");
            }
            // Beginnings of dials, and news of protocols that are not in use.
            _ => {}
        }
    }

    fn on_established(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        let (device, link, at) = (connection.device, connection.link.id, connection.remote);
        let dial = self.on_reached(id, device, at);
        self.phases.insert(id, Phase::New { dial });
        let Some(dialling) = dial else {
            return;
        };
        match self.roster.on_dialled(device, link, dialling.dial) {
            Verdict::Use(_) => self.swarm.behaviour_mut().links.order(id, Order::Open),
            Verdict::Close => self.leave(id, Refusal::Duplicate),
        }
    }

    fn on_stream(&mut self, id: ConnectionId) {
        let Some(Phase::New { dial }) = self.phases.get(&id).copied() else {
            return;
        };
        let Some(connection) = self.connection(id) else {
            return;
        };
        let (device, link) = (connection.device, connection.link.id);
        let dial = dial.map(|dialling| dialling.dial);
        match self.roster.on_stream(device, link, dial, Instant::now()) {
            Verdict::Close => self.leave(id, Refusal::Duplicate),
            Verdict::Use(instead) => {
                self.redial.reached(Target::Device(device));
                let after = instead.and_then(|link| self.find(link));
                self.phases.insert(id, Phase::Chosen { after });
                match after {
                    Some(old) => self.replace(old),
                    None => self.raise(id),
                }
            }
        }
    }

    /// Ends a link whose successor is there.
    fn replace(&mut self, old: ConnectionId) {
        let aged = self.connection(old).is_some_and(|connection| {
            connection.since.elapsed() > LINK_AGE || connection.link.carried() > LINK_FRAMES
        });
        let why = if aged {
            Refusal::Aged
        } else {
            Refusal::Duplicate
        };
        self.cut(old, Ended::Closed(why));
    }

    fn raise(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        let link = connection.link.clone();
        let up = Up {
            link: link.id,
            peer: connection.device,
            certificate: connection.certificate.clone(),
            issuer: connection.issuer.clone(),
            digest: connection.digest,
            address: connection.remote,
            role: connection.role,
            mesh_key: connection.mesh_key,
            reach: connection.reach,
        };
        info!(link = %link.id, role = ?up.role, "link up");
        let linked = Linked {
            device: up.peer,
            address: up.address,
            role: up.role,
        };
        self.notebook.up(link.id, linked);
        self.phases.insert(id, Phase::Up);
        self.registry
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(link.id, link);
        self.emit(Event::LinkUp(Box::new(up)));
    }

    /// The stream has ended; the connection goes in good order if it can.
    fn on_over(&mut self, id: ConnectionId) {
        self.part(id, Instant::now() + FAREWELL);
        self.swarm.close_connection(id);
    }

    /// Closes a connection: what is queued is still sent, if that does not take long.
    fn leave(&mut self, id: ConnectionId, why: Refusal) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        connection.link.note(Ended::Closed(why));
        connection.link.outbox.finish();
        let is_running = matches!(self.phases.get(&id), Some(Phase::Up));
        self.part(id, Instant::now() + FAREWELL);
        if !is_running {
            self.swarm.close_connection(id);
        }
    }

    /// Ends a connection this instant.
    fn cut(&mut self, id: ConnectionId, why: Ended) {
        if let Some(connection) = self.connection(id) {
            connection.link.cut(why);
        }
        self.part(id, Instant::now());
    }

    /// From here on nothing is sent on the connection, and its device may have another.
    fn part(&mut self, id: ConnectionId, by: Instant) {
        let Some(link) = self.connection(id).map(|connection| connection.link.id) else {
            return;
        };
        self.roster.on_closed(link);
        self.unregister(link);
        let (was_up, by) = match self.phases.get(&id) {
            Some(Phase::Up) => (true, by),
            Some(Phase::Leaving { was_up, by: sooner }) => (*was_up, by.min(*sooner)),
            Some(Phase::New { .. } | Phase::Chosen { .. }) | None => (false, by),
        };
        self.phases.insert(id, Phase::Leaving { was_up, by });
    }

    fn unregister(&self, link: LinkId) {
        self.notebook.down(link);
        self.registry
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&link);
    }

    fn on_closed(&mut self, id: ConnectionId) {
        let phase = self.phases.remove(&id);
        let Some(connection) = self.swarm.behaviour_mut().links.remove(id) else {
            return;
        };
        let link = connection.link.id;
        self.roster.on_closed(link);
        self.unregister(link);
        if let Some(Phase::Up | Phase::Leaving { was_up: true, .. }) = phase {
            let why = connection.link.ended().unwrap_or(Ended::Lost);
            info!(link = %link, ?why, "link down");
            self.emit(Event::LinkDown {
                link,
                peer: connection.device,
                why,
            });
        }
        self.raise_successors(id);
        if !self.roster.has(&connection.device) && !self.is_revoked(&connection.device) {
            self.dial_again(connection.device, connection.since.elapsed());
        }
    }

    fn raise_successors(&mut self, closed: ConnectionId) {
        let waiting =
            |phase: &Phase| matches!(phase, Phase::Chosen { after: Some(old) } if *old == closed);
        let ready: Vec<_> = self
            .phases
            .iter()
            .filter(|(_, phase)| waiting(phase))
            .map(|(id, _)| *id)
            .collect();
        for id in ready {
            self.raise(id);
        }
    }

    fn is_revoked(&self, device: &DeviceId) -> bool {
        self.trust.borrow().revoked_devices.contains(device)
    }

    fn find(&self, link: LinkId) -> Option<ConnectionId> {
        let mut connections = self.swarm.behaviour().links.connections().iter();
        connections
            .find(|(_, connection)| connection.link.id == link)
            .map(|(id, _)| *id)
    }

    /// Judges every live connection by the newest trust, and cuts those that fail.
    pub(super) fn judge_all(&mut self) {
        let trust = self.trust.borrow_and_update().clone();
        self.block_revoked(&trust);
        let now = (self.clock)();
        let failed: Vec<(ConnectionId, Refusal)> = self
            .swarm
            .behaviour()
            .links
            .connections()
            .iter()
            .filter_map(|(id, connection)| {
                let address = Some(connection.remote.ip());
                let judged =
                    trust.still_admits(&connection.certificate, &connection.issuer, address, now);
                judged.err().map(|why| (*id, why))
            })
            .collect();
        for (id, why) in failed {
            warn!(%why, "connection cut");
            self.cut(id, Ended::Closed(why));
        }
    }

    /// The handshake refuses the revoked already; libp2p is told as well, before it even tries.
    ///
    /// A revocation may turn out void, with the admin who signed it: then the device is let in again. One
    /// that may turn out so by what the device itself can show is left to the handshake.
    fn block_revoked(&mut self, trust: &TrustView) {
        let revoked = &mut self.swarm.behaviour_mut().revoked;
        let devices = trust.revoked_devices.iter();
        let out = devices.filter(|device| trust.is_out_for_good(device));
        let now: BTreeSet<PeerId> = out.filter_map(address::peer_id).collect();
        let before: Vec<PeerId> = revoked.blocked_peers().iter().copied().collect();
        for void in before.into_iter().filter(|peer| !now.contains(peer)) {
            revoked.unblock_peer(void);
        }
        for peer in now {
            revoked.block_peer(peer);
        }
        for device in &trust.revoked_devices {
            self.redial.forget(Target::Device(*device));
        }
    }

    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Close { link, why } => {
                if let Some(id) = self.find(link) {
                    self.leave(id, why);
                }
            }
            Command::Introduce { device, addresses } => {
                for address in addresses {
                    self.book
                        .learn(device, address, Source::Introduced, Instant::now());
                }
            }
            Command::Try { addresses } => self.try_now(addresses),
            Command::Stop { done } => {
                let ids: Vec<_> = self
                    .swarm
                    .behaviour()
                    .links
                    .connections()
                    .keys()
                    .copied()
                    .collect();
                for id in ids {
                    self.leave(id, Refusal::Stopping);
                }
                self.stopping = Some((Instant::now() + FAREWELL, done));
            }
        }
    }

    pub(super) fn has_stopped(&self) -> bool {
        let live = self.swarm.behaviour().links.connections();
        self.stopping
            .as_ref()
            .is_some_and(|(by, _)| live.is_empty() || *by <= Instant::now())
    }

    pub(super) fn next_wakeup(&self) -> Instant {
        let leaving = self.phases.values().filter_map(|phase| match phase {
            Phase::Leaving { by, .. } => Some(*by),
            Phase::New { .. } | Phase::Chosen { .. } | Phase::Up => None,
        });
        leaving
            .chain(self.redial.next_due().filter(|_| self.stopping.is_none()))
            .chain(self.stopping.as_ref().map(|(by, _)| *by))
            .fold(self.review, Instant::min)
    }

    pub(super) fn on_time(&mut self, now: Instant) {
        let late: Vec<_> = self
            .phases
            .iter_mut()
            .filter_map(|(id, phase)| match phase {
                Phase::Leaving { by, .. } if *by <= now => {
                    // Cut once; the closing follows within the next polls.
                    *by = now + FAREWELL;
                    Some(*id)
                }
                Phase::Leaving { .. } | Phase::New { .. } | Phase::Chosen { .. } | Phase::Up => {
                    None
                }
            })
            .collect();
        for id in late {
            if let Some(connection) = self.connection(id) {
                connection.link.cut.now();
            }
        }
        if self.review <= now {
            self.review = now + REVIEW;
            self.judge_all();
            self.replace_old_links(now);
        }
    }

    fn on_listening(&mut self, address: &libp2p::Multiaddr) {
        let Some(address) = address::socket_address(address) else {
            return;
        };
        self.book.own(address);
        self.listening
            .send_modify(|listening| listening.push(address));
        self.redial.hurry_all(Instant::now());
        self.emit(Event::Listening { address });
    }

    /// This machine lost an address: connections over it are dead, and nobody will say so.
    fn on_address_lost(&mut self, address: &libp2p::Multiaddr) {
        let Some(address) = address::socket_address(address) else {
            return;
        };
        self.book.disown(address);
        self.listening
            .send_modify(|listening| listening.retain(|known| *known != address));
        let links = self.swarm.behaviour().links.connections();
        let dead: Vec<_> = links
            .iter()
            .filter(|(_, connection)| connection.local == Some(address.ip().to_canonical()))
            .map(|(id, _)| *id)
            .collect();
        for id in dead {
            self.cut(id, Ended::Lost);
        }
    }

    fn on_listener_closed(
        &mut self,
        _: ListenerId,
        addresses: &[libp2p::Multiaddr],
        reason: io::Result<()>,
    ) {
        let error = reason.err().map(|error| error.kind().to_string());
        tracing::error!(
            error,
            "a listener has stopped: peers cannot dial this node there"
        );
        for address in addresses {
            self.on_address_lost(address);
        }
    }
}
