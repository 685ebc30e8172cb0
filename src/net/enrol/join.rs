//! The newcomer's side: finds a node that hosts its invitation, asks, and waits.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};
use zeroize::Zeroizing;

use super::talk::{self, Heard, TurnedAway};
use crate::channel::{HandshakeError, SecureStream, Stage, StaticKey, enrolment};
use crate::domain::codec;
use crate::domain::enrol::SignedRequest;
use crate::domain::id::{Hash, NoiseKey};
use crate::domain::invitation::short_code;

/// How long one address may take to accept a connection.
///
/// Five seconds: an address that swallows packets must not eat up the invitation's quarter hour.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Addresses tried in one go: discovery gives a node's every interface.
const ADDRESSES_MAX: usize = 16;

type Stream = SecureStream<Compat<TcpStream>>;

/// Why this machine was not let in.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// No address to try.
    #[error(
        "no node was found that expects this code: it may be used already, cancelled or expired, or its \
         node not be found; ask the admin, or give the node's address with --at HOST:PORT"
    )]
    NoAddress,
    /// No connection.
    #[error(
        "{address} cannot be reached ({source}); check the address and that the invitation is still open"
    )]
    Unreachable {
        /// The last address tried.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The node did not answer the first message.
    #[error(
        "the node at {address} does not know this code; check the code, or ask for another if it has expired"
    )]
    UnknownCode {
        /// The address.
        address: SocketAddr,
    },
    /// Something else listens there.
    #[error(
        "what answers at {address} is no node that lets machines in; give the address and port that \
         `device invite` shows"
    )]
    NoNode {
        /// The address.
        address: SocketAddr,
    },
    /// The handshake failed in another way.
    #[error("{address}: {source}; check the address, and ask the admin for another invitation")]
    Handshake {
        /// The address.
        address: SocketAddr,
        /// How.
        source: HandshakeError,
    },
    /// The node said no.
    #[error(transparent)]
    TurnedAway(#[from] TurnedAway),
    /// The connection was lost.
    #[error("the connection to the node was lost ({0}); ask the admin for another invitation")]
    Lost(io::Error),
    /// Nothing was heard.
    #[error(
        "the node went silent; ask the admin whether it is running, and for another invitation"
    )]
    Silent,
}

/// A connection to the node that hosts the invitation, before anything is asked.
pub struct Dialled {
    stream: Stream,
    /// The Noise key of the node; a device of the clinic has it, or somebody sits between.
    pub node: NoiseKey,
    /// What the request must name: this handshake.
    pub binding: Hash,
    /// The six digits that must stand on the admin's screen too.
    pub short_code: String,
}

/// A request that waits for the admin.
pub struct Waiting {
    stream: Stream,
}

/// Dials the addresses in order until a node answers that hosts the invitation of `psk`.
///
/// `noise_key` is the secret half of the key to be certified.
pub async fn dial(
    addresses: &[SocketAddr],
    noise_key: &[u8; 32],
    psk: &[u8; 32],
) -> Result<Dialled, JoinError> {
    let key = &StaticKey::from_secret(noise_key);
    let mut worst = JoinError::NoAddress;
    for address in addresses.iter().take(ADDRESSES_MAX) {
        match dial_one(*address, key, psk).await {
            Ok(dialled) => return Ok(dialled),
            // Who answered says more than who did not.
            Err(error @ JoinError::Unreachable { .. })
                if !matches!(worst, JoinError::NoAddress) =>
            {
                tracing::debug!(%address, %error, "not reached");
            }
            Err(error) => worst = error,
        }
    }
    Err(worst)
}

async fn dial_one(
    address: SocketAddr,
    key: &StaticKey,
    psk: &[u8; 32],
) -> Result<Dialled, JoinError> {
    let unreachable = |source| JoinError::Unreachable { address, source };
    let socket = timeout(CONNECT_MAX, TcpStream::connect(address))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(unreachable)?;
    // Only makes small messages leave at once; without it they leave later.
    let _ = socket.set_nodelay(true);
    // The request has to name the handshake, so it follows it.
    let asked = enrolment::ask(socket.compat(), key, psk, &[]).await;
    let enrolment = asked.map_err(|source| failed(address, source))?;
    Ok(Dialled {
        stream: enrolment.stream,
        node: enrolment.key,
        binding: enrolment.code_seed,
        short_code: short_code(enrolment.code_seed.as_bytes()),
    })
}

/// What a handshake that failed says of who is there.
fn failed(address: SocketAddr, source: HandshakeError) -> JoinError {
    match source {
        HandshakeError::PeerLeft(Stage::SecondMessage) => JoinError::UnknownCode { address },
        // Frames of any other length, and any other beginning, are another protocol's.
        HandshakeError::FrameLength { .. } | HandshakeError::NotOurProtocol => {
            JoinError::NoNode { address }
        }
        source => JoinError::Handshake { address, source },
    }
}

impl Dialled {
    /// Hands over the request, which names [`Self::binding`].
    pub async fn ask(mut self, request: &SignedRequest) -> Result<Waiting, JoinError> {
        let sent = talk::send_request(&mut self.stream, &codec::encode(request)).await;
        match sent {
            Ok(()) => Ok(Waiting {
                stream: self.stream,
            }),
            // A node that refuses at once may have closed before it read everything.
            Err(error) => Err(said_no(&mut self.stream)
                .await
                .unwrap_or(JoinError::Lost(error))),
        }
    }
}

#[cfg(test)]
impl Dialled {
    /// Sends bytes that are no request.
    pub(super) async fn send(mut self, bytes: &[u8]) -> Waiting {
        let sent = talk::send_request(&mut self.stream, bytes).await;
        sent.expect("the node reads");
        Waiting {
            stream: self.stream,
        }
    }
}

async fn said_no(stream: &mut Stream) -> Option<JoinError> {
    match talk::hear(stream).await {
        Ok(Heard::TurnedAway(why)) => Some(why.into()),
        _ => None,
    }
}

impl Waiting {
    /// Waits for the admin's decision; the bytes are still to be checked.
    pub async fn answer(&mut self) -> Result<Zeroizing<Vec<u8>>, JoinError> {
        loop {
            match talk::hear(&mut self.stream).await {
                Ok(Heard::StillWaiting) => {}
                Ok(Heard::TurnedAway(why)) => return Err(why.into()),
                Ok(Heard::Answer(answer)) => return Ok(answer),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Err(JoinError::Silent);
                }
                Err(error) => return Err(JoinError::Lost(error)),
            }
        }
    }

    /// Tells the node that the answer is good and durable.
    pub async fn taken(mut self) -> Result<(), JoinError> {
        talk::send_taken(&mut self.stream)
            .await
            .map_err(JoinError::Lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_another_protocol_is_said_to_be_no_node_and_what_helps() {
        let address = SocketAddr::from(([127, 0, 0, 1], 22));
        let (actual, limit) = (18_516, 8192);
        for source in [
            HandshakeError::FrameLength { actual, limit },
            HandshakeError::NotOurProtocol,
        ] {
            let said = failed(address, source).to_string();
            assert!(
                said.contains("no node that lets machines in; give the address"),
                "{said}"
            );
            assert!(!said.contains("18516"), "{said}");
        }
        let said = failed(address, HandshakeError::Late).to_string();
        assert!(said.contains("; check the address"), "{said}");
    }

    #[test]
    fn a_code_that_nobody_announces_may_be_used_up_and_that_is_said() {
        let said = JoinError::NoAddress.to_string();
        for word in ["used already", "cancelled", "expired", "--at"] {
            assert!(said.contains(word), "{word} in: {said}");
        }
    }
}
