//! What failed handshakes mean for the audit trail.

use std::net::SocketAddr;

use libp2p::core::transport::TransportError;
use libp2p::swarm::{ConnectionDenied, DialError, ListenError};
use libp2p::{Multiaddr, connection_limits, memory_connection_limits};
use tracing::debug;

use super::behaviour::NotEntered;
use super::link::Role;
use super::notebook::What;
use super::secure::{self, Failure};
use super::{By, Event, address};
use crate::channel::HandshakeError;
use crate::domain::id::DeviceId;
use crate::domain::trust::Refusal;

/// Whether a dial ended because the certificate of this device was renewed by it.
pub(crate) fn has_renewed(error: &DialError) -> bool {
    let DialError::Transport(errors) = error else {
        return false;
    };
    errors.iter().any(|(_, error)| match error {
        TransportError::Other(error) => matches!(secure::failure(error), Some(Failure::Renewed)),
        TransportError::MultiaddrNotSupported(_) => false,
    })
}

/// What became of each address of a dial that came to nothing.
pub(crate) fn noted_dialling(error: &DialError) -> Vec<(SocketAddr, What)> {
    match error {
        DialError::Transport(errors) => errors
            .iter()
            .filter_map(|(at, error)| {
                let TransportError::Other(error) = error else {
                    return None;
                };
                Some((address::socket_address(at)?, noted(error)?.1))
            })
            .collect(),
        _ => by_dialling(error)
            .into_iter()
            .filter_map(|event| match event {
                Event::Refused {
                    address, by, why, ..
                } => Some((address?, What::Refused { by, why })),
                _ => None,
            })
            .collect(),
    }
}

/// What became of a connection that came in and came to nothing.
pub(crate) fn noted_listening(
    from: &Multiaddr,
    error: &ListenError,
) -> Option<(SocketAddr, Option<DeviceId>, What)> {
    let address = address::socket_address(from)?;
    let (device, what) = match error {
        ListenError::Transport(TransportError::Other(error)) => noted(error)?,
        ListenError::Denied { cause } => {
            let Refused { by, why, .. } = of_denial(cause)?;
            (None, What::Refused { by, why })
        }
        _ => return None,
    };
    // Whoever only looked whether the port is open is nobody.
    let said = !matches!(what, What::NoConnection(_) | What::HungUp);
    said.then_some((address, device, what))
}

fn noted(error: &std::io::Error) -> Option<(Option<DeviceId>, What)> {
    let Some(failure) = secure::failure(error) else {
        return Some((None, What::NoConnection(error.kind())));
    };
    Some(match failure {
        Failure::Connection(kind) => (None, What::NoConnection(*kind)),
        Failure::Handshake(HandshakeError::Stranger) => (None, What::Stranger),
        Failure::Handshake(HandshakeError::UnknownMeshKey(epoch)) => (None, What::MeshKey(*epoch)),
        Failure::Handshake(HandshakeError::PeerLeft(_)) => (None, What::HungUp),
        Failure::Handshake(error) => {
            let Refused { by, why, device } = of_handshake(error)?;
            (device, What::Refused { by, why })
        }
        Failure::Busy(_) | Failure::NoPeerId | Failure::Renewed => return None,
    })
}

/// Who refused whom, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refused {
    by: By,
    why: Refusal,
    device: Option<DeviceId>,
}

/// The refusal of a connection that came in; `None` if it broke for another reason.
pub(crate) fn by_listening(from: &Multiaddr, error: &ListenError) -> Option<Event> {
    let refused = match error {
        ListenError::Transport(error) => of_transport(error),
        ListenError::Denied { cause } => of_denial(cause),
        ListenError::LocalPeerId { .. } => Some(Refused::by_us(Refusal::Oneself)),
        ListenError::Aborted | ListenError::WrongPeerId { .. } => None,
    };
    Some(refused?.event(Role::Listener, address::socket_address(from)))
}

/// The refusals of a dial: one an address at most.
pub(crate) fn by_dialling(error: &DialError) -> Vec<Event> {
    let one = |refused: Refused, at: Option<&Multiaddr>| {
        vec![refused.event(Role::Dialler, at.and_then(address::socket_address))]
    };
    match error {
        DialError::Transport(errors) => errors
            .iter()
            .filter_map(|(at, error)| {
                let refused = of_transport(error)?;
                Some(refused.event(Role::Dialler, address::socket_address(at)))
            })
            .collect(),
        DialError::Denied { cause } => of_denial(cause).map_or(Vec::new(), |why| one(why, None)),
        DialError::LocalPeerId { address } => one(Refused::by_us(Refusal::Oneself), Some(address)),
        DialError::WrongPeerId { address, .. } => {
            one(Refused::by_us(Refusal::OtherDevice), Some(address))
        }
        DialError::NoAddresses | DialError::DialPeerConditionFalse(_) | DialError::Aborted => {
            Vec::new()
        }
    }
}

impl Refused {
    const fn by_us(why: Refusal) -> Self {
        Self {
            by: By::Us,
            why,
            device: None,
        }
    }

    fn event(self, role: Role, address: Option<SocketAddr>) -> Event {
        Event::Refused {
            address,
            device: self.device,
            role,
            by: self.by,
            why: self.why,
        }
    }
}

fn of_transport(error: &TransportError<std::io::Error>) -> Option<Refused> {
    let TransportError::Other(error) = error else {
        return None;
    };
    match secure::failure(error)? {
        Failure::Handshake(error) => of_handshake(error),
        Failure::Busy(_) => Some(Refused::by_us(Refusal::Busy)),
        Failure::NoPeerId => Some(Refused::by_us(Refusal::Malformed)),
        Failure::Renewed => None,
        Failure::Connection(kind) => {
            debug!(%kind, "no connection");
            None
        }
    }
}

fn of_handshake(error: &HandshakeError) -> Option<Refused> {
    debug!(%error, "no secure channel");
    let why = match error {
        HandshakeError::Refused { why, device } => {
            return Some(Refused {
                by: By::Us,
                why: *why,
                device: *device,
            });
        }
        HandshakeError::RefusedByPeer(why) => {
            return Some(Refused {
                by: By::Peer,
                why: *why,
                device: None,
            });
        }
        HandshakeError::RefusedWithCode(_)
        | HandshakeError::Renewed { .. }
        | HandshakeError::PeerLeft(_)
        | HandshakeError::Connection(_)
        | HandshakeError::Randomness => return None,
        HandshakeError::Stranger
        | HandshakeError::UnknownMeshKey(_)
        | HandshakeError::NoMeshKey => Refusal::MeshKey,
        HandshakeError::Forged(_)
        | HandshakeError::FrameLength { .. }
        | HandshakeError::NotOurProtocol
        | HandshakeError::Version(_)
        | HandshakeError::OtherMode => Refusal::Malformed,
        HandshakeError::FirstMessageLate | HandshakeError::Late => Refusal::TooSlow,
    };
    Some(Refused::by_us(why))
}

fn of_denial(cause: &ConnectionDenied) -> Option<Refused> {
    if let Some(NotEntered(why)) = cause.downcast_ref::<NotEntered>() {
        return Some(Refused::by_us(*why));
    }
    let is_full = cause
        .downcast_ref::<connection_limits::Exceeded>()
        .is_some()
        || cause
            .downcast_ref::<memory_connection_limits::MemoryUsageLimitExceeded>()
            .is_some();
    // What remains is the list of the revoked.
    let why = if is_full {
        Refusal::Busy
    } else {
        Refusal::Revoked
    };
    Some(Refused::by_us(why))
}
