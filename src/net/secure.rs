//! The transport: TCP, then the clinic's own security upgrade, then yamux.
//!
//! The upgrade has the shape of libp2p's security upgrades but is applied without multistream-select:
//! there is nothing to choose from, a stranger gets no byte back before it has proved to know the mesh
//! key, and two round trips are saved.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{AsyncRead, AsyncWrite, FutureExt as _};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, Transport as _};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::derive_prelude::Either;
use libp2p::tcp::tokio::TcpStream;
use libp2p::{PeerId, tcp, yamux};

use super::Clock;
use super::address;
use super::limits::{DIAL_TIME, STREAMS_MAX};
use super::link::Role;
use super::patience::Patience;
use super::socket::{self, Cut, Socket};
use crate::channel::{
    self, Admission, Attempt, HandshakeError, Local, MeshKeyUse, PENDING_MAX, Peer, SecureStream,
    Stage,
};
use crate::domain::cert::Certificate;
use crate::domain::id::{ClinicId, DeviceId, Hash};
use crate::domain::renewal::check_rights;
use crate::domain::time::WallTime;
use crate::domain::trust::{Credentials, Issuer, Reach, TrustView};

/// How long a certificate that was handed over is shown before it stands in the record here.
///
/// An hour: a link brings the record within seconds; a certificate that nobody lists is asked for anew the
/// same day.
const PROVISIONAL: Duration = Duration::from_secs(3600);

/// The upgrade's name.
const PROTOCOL: &str = "/clinic-mesh/noise/1";

/// The multiplexer's name, which is never spoken either.
const MUXER: &str = "/yamux/1.0.0";

/// Addresses whose answers are remembered to choose the mesh key of the next dial.
const EPOCHS_MAX: usize = 256;

/// Why there is no secure channel.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// TCP said no.
    #[error("the connection failed: {0}")]
    Connection(io::ErrorKind),
    /// The handshake said no.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// Too many handshakes are pending.
    #[error(transparent)]
    Busy(#[from] channel::AdmissionError),
    /// No failure: this device's certificate had ended and was renewed; it dials again.
    #[error("the certificate of this device was renewed")]
    Renewed,
    /// The device's key cannot be a peer's.
    #[error("the certified identity key cannot name a peer")]
    NoPeerId,
}

/// A connection that has passed the handshake and waits to be entered among the live ones.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) certificate: Certificate,
    pub(crate) issuer: Issuer,
    pub(crate) reach: Reach,
    pub(crate) digest: Hash,
    pub(crate) mesh_key: MeshKeyUse,
    pub(crate) remote: SocketAddr,
    pub(crate) local: Option<IpAddr>,
    pub(crate) cut: Cut,
}

/// What all handshakes of this device share.
#[derive(Clone)]
pub(crate) struct Secure {
    local: Arc<RwLock<Local>>,
    /// When the certificate that this device shows ends.
    until: Arc<RwLock<WallTime>>,
    clock: Clock,
    admission: Admission,
    /// Oldest first.
    admitted: Arc<Mutex<VecDeque<(Role, PeerId, Admitted)>>>,
    unanswered: Arc<Mutex<Unanswered>>,
}

/// How often the listener at an address left at the second message, in a row.
#[derive(Default)]
struct Unanswered(BTreeMap<SocketAddr, usize>);

impl Unanswered {
    /// Takes note of a dial's end. One address too many forgets all: the newest key is tried first again.
    fn note(&mut self, remote: SocketAddr, error: Option<&HandshakeError>) {
        if error != Some(&HandshakeError::PeerLeft(Stage::SecondMessage)) {
            self.0.remove(&remote);
            return;
        }
        if self.0.len() >= EPOCHS_MAX {
            self.0.clear();
        }
        *self.0.entry(remote).or_default() += 1;
    }
}

impl Secure {
    pub(crate) fn new(local: Local, clock: Clock) -> Self {
        let until = end_of(&local, &local.credentials);
        Self {
            local: Arc::new(RwLock::new(local)),
            until: Arc::new(RwLock::new(until)),
            clock,
            admission: Admission::default(),
            admitted: Arc::default(),
            unanswered: Arc::default(),
        }
    }

    /// Shows `credentials` from the next handshake on.
    pub(crate) fn renew(&self, credentials: Credentials) {
        let mut local = self.local.write().unwrap_or_else(PoisonError::into_inner);
        let until = end_of(&local, &credentials);
        local.credentials = Arc::new(credentials);
        *self.until.write().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// Whether this device's own certificate has ended: then it can only ask to be renewed.
    fn has_ended(&self) -> bool {
        let until = *self.until.read().unwrap_or_else(PoisonError::into_inner);
        (self.clock)() > until
    }

    /// Asks whoever was dialled to renew this device's certificate, and shows the answer from then on.
    async fn ask(&self, socket: Socket<TcpStream>, upgrade: Upgrade) -> Failure {
        let asked = channel::renewal::ask(socket, &upgrade.local, upgrade.attempt).await;
        let certificate = match asked {
            Ok(certificate) => certificate,
            Err(error) => return error.into(),
        };
        let mine = &upgrade.local.credentials;
        let fresh = Credentials {
            certificate,
            grant: mine.grant.clone(),
            chain: mine.chain.clone(),
        };
        if !follows(&self.trust().clinic, mine, &fresh) {
            return HandshakeError::Forged(Stage::Verdict).into();
        }
        self.renew(fresh);
        // Whether the record lists it is seen when the record is here. Until then it is asked for again.
        let provisional = (self.clock)().plus(PROVISIONAL);
        *self.until.write().unwrap_or_else(PoisonError::into_inner) = provisional;
        Failure::Renewed
    }

    /// The newest trust.
    pub(crate) fn trust(&self) -> Arc<TrustView> {
        self.local().trust.borrow().clone()
    }

    /// What the handshake of a connection found.
    pub(crate) fn take(&self, role: Role, peer: PeerId, remote: SocketAddr) -> Option<Admitted> {
        let mut admitted = lock(&self.admitted);
        let found = admitted
            .iter()
            .position(|(r, p, a)| (*r, *p, a.remote) == (role, peer, remote))?;
        admitted.remove(found).map(|(_, _, admitted)| admitted)
    }

    fn local(&self) -> Local {
        self.local
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn upgrade(&self, role: Role, device: Option<DeviceId>, remote: SocketAddr) -> Upgrade {
        let role = match role {
            Role::Listener => channel::Role::Listen,
            Role::Dialler => channel::Role::Dial {
                device,
                epoch: self.epoch(remote),
            },
        };
        Upgrade {
            local: self.local(),
            attempt: Attempt {
                role,
                address: Some(remote.ip()),
                now: (self.clock)(),
            },
        }
    }

    /// The mesh key to dial with: the newest, or an older one where that was not understood.
    fn epoch(&self, remote: SocketAddr) -> Option<u32> {
        let tries = *lock(&self.unanswered).0.get(&remote)?;
        let trust = self.trust();
        let epochs = trust.mesh_keys.to_try();
        epochs.get(tries % epochs.len().max(1)).copied()
    }

    fn note_answer(&self, remote: SocketAddr, error: Option<&HandshakeError>) {
        lock(&self.unanswered).note(remote, error);
    }

    async fn secure(
        self,
        stream: TcpStream,
        point: ConnectedPoint,
    ) -> Result<(PeerId, StreamMuxerBox), Failure> {
        let remote =
            address::remote(&point).ok_or(Failure::Connection(io::ErrorKind::AddrNotAvailable))?;
        let cut = Cut::default();
        let local = socket::local_ip(&stream);
        let socket = Socket::new(stream, cut.clone());
        let (role, peer, stream) = match point.to_endpoint() {
            Endpoint::Listener => {
                let place = self.admission.admit(remote.ip())?;
                let upgrade = self.upgrade(Role::Listener, None, remote);
                let done = upgrade.upgrade_inbound(socket, PROTOCOL).await;
                drop(place);
                let (peer, stream) = done?;
                (Role::Listener, peer, stream)
            }
            Endpoint::Dialer => {
                let device = address::dialled(point.get_remote_address());
                let upgrade = self.upgrade(Role::Dialler, device, remote);
                if self.has_ended() {
                    let failure = self.ask(socket, upgrade).await;
                    let error = match &failure {
                        Failure::Handshake(error) => Some(error),
                        _ => None,
                    };
                    self.note_answer(remote, error);
                    return Err(failure);
                }
                let done = upgrade.upgrade_outbound(socket, PROTOCOL).await;
                self.note_answer(remote, done.as_ref().err());
                let (peer, stream) = done?;
                (Role::Dialler, peer, stream)
            }
        };
        let id = address::peer_id(&peer.certificate.device).ok_or(Failure::NoPeerId)?;
        self.enter(
            role,
            id,
            Admitted {
                issuer: peer.issuer,
                reach: peer.reach,
                certificate: peer.certificate,
                digest: peer.digest,
                mesh_key: peer.mesh_key,
                remote,
                local,
                cut,
            },
        );
        Ok((id, multiplex(role, stream).await?))
    }

    /// Keeps what the handshake found until the swarm asks for it.
    ///
    /// libp2p hands on the peer id only. Connections that libp2p drops before it asks leave theirs
    /// behind, so the oldest make room.
    fn enter(&self, role: Role, peer: PeerId, found: Admitted) {
        let mut admitted = lock(&self.admitted);
        if admitted.len() >= 2 * PENDING_MAX {
            admitted.pop_front();
        }
        admitted.push_back((role, peer, found));
    }
}

/// When the certificate in some credentials ends; what does not open has ended.
fn end_of(local: &Local, credentials: &Credentials) -> WallTime {
    let clinic = local.trust.borrow().clinic;
    credentials
        .open(&clinic)
        .map_or(WallTime(0), |shown| shown.certificate.not_after)
}

/// Whether a certificate that was handed over is this device's, and not more than it has.
///
/// Whoever it is shown to judges it by the record; this only keeps a sound certificate from being
/// exchanged for one that nobody accepts.
fn follows(clinic: &ClinicId, mine: &Credentials, fresh: &Credentials) -> bool {
    let (Ok(mine), Ok(fresh)) = (mine.open(clinic), fresh.open(clinic)) else {
        return false;
    };
    let later = fresh.certificate.not_after > mine.certificate.not_after;
    later && check_rights(&mine.certificate, &fresh.certificate).is_ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn multiplex(
    role: Role,
    stream: SecureStream<Socket<TcpStream>>,
) -> Result<StreamMuxerBox, Failure> {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(STREAMS_MAX);
    let muxer = match role {
        Role::Listener => config.upgrade_inbound(stream, MUXER).await,
        Role::Dialler => config.upgrade_outbound(stream, MUXER).await,
    };
    let muxer = muxer.map_err(|error| Failure::Connection(error.kind()))?;
    Ok(StreamMuxerBox::new(muxer))
}

/// The clinic's security upgrade for one connection.
pub(crate) struct Upgrade {
    local: Local,
    attempt: Attempt,
}

impl Upgrade {
    fn handshake<S>(self, socket: S) -> BoxFuture<'static, Secured<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        async move { channel::handshake(socket, &self.local, self.attempt).await }.boxed()
    }
}

type Secured<S> = Result<(Peer, SecureStream<S>), HandshakeError>;

impl UpgradeInfo for Upgrade {
    type Info = &'static str;
    type InfoIter = std::iter::Once<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once(PROTOCOL)
    }
}

impl<S> InboundConnectionUpgrade<S> for Upgrade
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Output = (Peer, SecureStream<S>);
    type Error = HandshakeError;
    type Future = BoxFuture<'static, Secured<S>>;

    fn upgrade_inbound(self, socket: S, _: Self::Info) -> Self::Future {
        self.handshake(socket)
    }
}

impl<S> OutboundConnectionUpgrade<S> for Upgrade
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Output = (Peer, SecureStream<S>);
    type Error = HandshakeError;
    type Future = BoxFuture<'static, Secured<S>>;

    fn upgrade_outbound(self, socket: S, _: Self::Info) -> Self::Future {
        self.handshake(socket)
    }
}

/// The one way in and out.
pub(crate) fn transport(secure: Secure) -> Boxed<(PeerId, StreamMuxerBox)> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    let secured = tcp
        .and_then(move |stream, point| secure.secure(stream, point))
        .map_err(|error| match error {
            Either::Left(error) => Failure::Connection(error.kind()),
            Either::Right(failure) => failure,
        })
        .map_err(io::Error::other)
        .boxed();
    Patience::new(secured, DIAL_TIME).boxed()
}

/// The failure inside what libp2p reports.
pub(crate) fn failure(error: &io::Error) -> Option<&Failure> {
    let inner = error.get_ref()?;
    inner
        .downcast_ref::<Failure>()
        .or_else(|| failure(inner.downcast_ref::<io::Error>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_never_answer_are_counted_up_to_a_bound_and_forgotten_when_they_do() {
        let left = HandshakeError::PeerLeft(Stage::SecondMessage);
        let at = |port: usize| SocketAddr::from(([10, 0, 0, 1], port as u16));
        let mut unanswered = Unanswered::default();
        unanswered.note(at(1), Some(&left));
        unanswered.note(at(1), Some(&left));
        assert_eq!(unanswered.0.get(&at(1)), Some(&2));
        unanswered.note(at(1), None);
        assert!(unanswered.0.is_empty());
        for port in 1..=3 * EPOCHS_MAX {
            unanswered.note(at(port), Some(&left));
            assert!(unanswered.0.len() <= EPOCHS_MAX);
        }
        assert!(unanswered.0.contains_key(&at(3 * EPOCHS_MAX)));
    }
}
