//! Whom the swarm's task dials, and what it learns from that.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError};
use tracing::debug;

use super::super::discovery::Sighting;
use super::super::limits::ADDRESSES_MAX;
use super::*;

/// Dials after a loss are spread over this time, so that not all offices dial at once.
const SPREAD: Duration = Duration::from_millis(300);

/// Head start of the smaller device id after a loss: so that two nodes seldom dial each other at the
/// same time.
const HEAD_START: Duration = Duration::from_millis(400);

impl Task {
    pub(super) fn on_wanted(&mut self) {
        let wanted = self.wanted.borrow_and_update().clone();
        let now = Instant::now();
        self.redial.retain(|target| match target {
            Target::Device(device) => wanted.contains_key(device),
            Target::Address(_) => true,
        });
        let roster = &self.roster;
        self.book
            .retain(|device| wanted.contains_key(device) || roster.has(device));
        self.notebook.retain(|device| wanted.contains_key(device));
        for (device, addresses) in wanted {
            if device == self.me {
                continue;
            }
            for (address, source) in addresses {
                self.book.learn(device, address, source, now);
            }
            if !self.roster.has(&device) {
                self.redial.want(Target::Device(device), now);
                self.redial.hurry(Target::Device(device), now);
            }
        }
    }

    /// A member was announced on the LAN.
    pub(super) fn on_sighting(&mut self, sighting: Sighting) {
        let now = Instant::now();
        let (instance, addresses) = match sighting {
            Sighting::Here {
                instance,
                addresses,
            } => (instance, addresses),
            Sighting::Gone { instance } => {
                self.book.gone(&instance);
                return self.forget_hints();
            }
        };
        match self.book.sighted(&instance, addresses.iter().copied(), now) {
            Sighted::Nothing => return,
            Sighted::Device(device) => {
                self.redial.hurry(Target::Device(device), now);
                self.mention(Event::Seen {
                    device: Some(device),
                    addresses,
                });
            }
            Sighted::Unknown(usable) => {
                for address in usable {
                    self.redial.want(Target::Address(address), now);
                }
                self.mention(Event::Seen {
                    device: None,
                    addresses,
                });
            }
        }
        self.forget_hints();
    }

    /// Dials no addresses that no unknown instance announces.
    fn forget_hints(&mut self) {
        let book = &self.book;
        self.redial.retain(|target| match target {
            Target::Device(_) => true,
            Target::Address(address) => book.is_hinted(*address),
        });
    }

    pub(super) fn dial_due(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        let now = Instant::now();
        for target in self.redial.take_due(now) {
            if !self.dial(target, Purpose::Connect, now) {
                self.redial.failed(target, now);
            }
        }
    }

    /// Dials where policy allows. Says whether a dial is on its way.
    pub(super) fn dial(&mut self, target: Target, purpose: Purpose, now: Instant) -> bool {
        let addresses = match target {
            Target::Device(device) => self.book.addresses(&device),
            Target::Address(address) => vec![address],
        };
        if let Target::Device(device) = target {
            self.notebook.dials(device, addresses.clone());
        }
        let policy = &self.trust.borrow().policy;
        let allowed = addresses
            .into_iter()
            .filter(|address| policy.allows(address.ip()))
            .map(address::multiaddr)
            .collect();
        let Some(options) = options(target, allowed) else {
            return false;
        };
        let id = options.connection_id();
        let dial = Dial {
            began: now,
            purpose,
        };
        self.dials.insert(id, Dialling { target, dial });
        if let Err(error) = self.swarm.dial(options) {
            debug!(%error, "not dialled");
            self.dials.remove(&id);
            return false;
        }
        true
    }

    pub(super) fn on_dial_failed(&mut self, id: ConnectionId, error: &DialError) {
        let Some(dialling) = self.dials.remove(&id) else {
            return;
        };
        if dialling.dial.purpose == Purpose::Connect {
            self.redial.failed(dialling.target, Instant::now());
        }
        if refused::has_renewed(error) {
            info!("the certificate of this device was renewed");
            self.redial.hurry_all(Instant::now());
        }
        for (address, what) in refused::noted_dialling(error) {
            self.notebook.note((Role::Dialler, address), None, what);
        }
        for event in refused::by_dialling(error) {
            // Whoever is there is known then: no need to ask every minute who it is.
            if let Event::Refused {
                device: Some(device),
                address: Some(address),
                ..
            } = event
            {
                self.book.identify(device, address, Instant::now());
                self.forget_hints();
            }
            self.mention(event);
        }
    }

    /// Somebody wants to know what becomes of a dial.
    pub(super) fn try_now(&mut self, addresses: Vec<SocketAddr>) {
        let now = Instant::now();
        self.redial.hurry_all(now);
        for address in addresses.into_iter().take(ADDRESSES_MAX) {
            self.dial(Target::Address(address), Purpose::Connect, now);
        }
    }

    /// A dial of ours led to `device`.
    pub(super) fn on_reached(
        &mut self,
        id: ConnectionId,
        device: DeviceId,
        at: SocketAddr,
    ) -> Option<Dialling> {
        let dialling = self.dials.remove(&id)?;
        self.book.succeeded(device, at, Instant::now());
        self.redial.reached(dialling.target);
        self.forget_hints();
        Some(dialling)
    }

    /// The link to `device` is gone after `lived`.
    pub(super) fn dial_again(&mut self, device: DeviceId, lived: Duration) {
        if !self.wanted.borrow().contains_key(&device) {
            return self.redial.forget(Target::Device(device));
        }
        let mut wait = self.redial.part_of(SPREAD);
        if device < self.me {
            wait += HEAD_START;
        }
        self.redial
            .lost(Target::Device(device), lived, wait, Instant::now());
    }

    /// Dials anew where a link has had its time.
    pub(super) fn replace_old_links(&mut self, now: Instant) {
        let links = &self.swarm.behaviour().links;
        let old: Vec<DeviceId> = links
            .connections()
            .iter()
            .filter(|(id, _)| matches!(self.phases.get(id), Some(Phase::Up)))
            .filter(|(_, connection)| {
                let aged = now.duration_since(connection.since) > LINK_AGE;
                aged && connection.role == Role::Dialler || connection.link.carried() > LINK_FRAMES
            })
            .map(|(_, connection)| connection.device)
            .collect();
        for device in old {
            let target = Target::Device(device);
            if !self
                .dials
                .values()
                .any(|dialling| dialling.target == target)
            {
                self.dial(target, Purpose::Replace, now);
            }
        }
    }
}

/// Never from the port we listen on: two nodes that dial each other from there would make one
/// connection with two diallers (TCP's simultaneous open).
fn options(target: Target, addresses: Vec<libp2p::Multiaddr>) -> Option<DialOpts> {
    match target {
        Target::Device(device) if !addresses.is_empty() => Some(
            DialOpts::peer_id(address::peer_id(&device)?)
                .condition(PeerCondition::Always)
                .addresses(addresses)
                .allocate_new_port()
                .build(),
        ),
        Target::Device(_) => None,
        Target::Address(_) => Some(
            DialOpts::unknown_peer_id()
                .address(addresses.into_iter().next()?)
                .allocate_new_port()
                .build(),
        ),
    }
}
