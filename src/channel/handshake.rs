//! The handshake between two enrolled devices.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use minicbor::{Decode, Encode};
use snow::{HandshakeState, TransportState};
use tokio::sync::watch;
use tokio::time::timeout;

use super::error::{HandshakeError, Stage};
use super::exchange::{self, First};
use super::frame::{self, FRAME_MAX};
use super::noise::{self, Side, StaticKey};
use super::preface::Preface;
use super::renewal::{self, Renewer};
use super::stream::SecureStream;
use super::verified::Verified;
use crate::domain::cert::Certificate;
use crate::domain::codec;
use crate::domain::id::{DeviceId, Hash};
use crate::domain::time::WallTime;
use crate::domain::trust::{
    Circumstances, Credentials, Issuer, MeshKey, Reach, Refusal, TrustView,
};

/// How long a dialler may take for its preface and first message.
///
/// Two seconds: an honest one sends them at once; who stalls gives the place back soon.
pub const FIRST_FRAME_MAX: Duration = Duration::from_secs(2);

/// How long the whole handshake may take.
///
/// Five seconds: two round trips over the worst line between two offices, and a busy old PC.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// The verdict's byte for "accepted"; every other value is a [`Refusal::code`].
const ACCEPTED: u8 = 0;

/// What this device brings to every handshake. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Local {
    /// Its key pair, whose public half its certificate names.
    pub key: StaticKey,
    /// Its certificate and the issuer's grant; after a renewal the owner makes another `Local`.
    pub credentials: Arc<Credentials>,
    /// Whom to let in, always the newest.
    pub trust: watch::Receiver<Arc<TrustView>>,
    /// Signatures verified before; one for all handshakes of the process.
    pub verified: Verified,
    /// Who signs for devices that ask to be renewed.
    pub renewer: Renewer,
}

/// One connection to be made secure.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Whether we dialled, and whom.
    pub role: Role,
    /// The other end's address, where the connection has one.
    pub address: Option<IpAddr>,
    /// Our clock.
    pub now: WallTime,
}

/// Which end of the connection this side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We dialled.
    Dial {
        /// Who must answer; `None` takes any member, as after discovery.
        device: Option<DeviceId>,
        /// The mesh key to dial with; `None` for the newest.
        ///
        /// A listener that has not heard of the newest key cannot answer. On
        /// [`PeerLeft`](HandshakeError::PeerLeft) at [`Stage::SecondMessage`] it is worth dialling
        /// again with the epoch before.
        epoch: Option<u32>,
    },
    /// We were dialled.
    Listen,
}

/// Which mesh key a connection was made with, as this side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeshKeyUse {
    /// The newest.
    Newest,
    /// An older one: only the clinic record may sync, in which the newest is to be found.
    Old,
}

/// Who is at the other end, proven and judged.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its certificate, opened.
    pub certificate: Certificate,
    /// Its certificate and grant as received.
    pub credentials: Credentials,
    /// Who signed its certificate.
    pub issuer: Issuer,
    /// How much passes between the two.
    pub reach: Reach,
    /// Digest of its clinic record's heads at the time it sent them.
    pub digest: Hash,
    /// Whether the mesh key was the newest.
    pub mesh_key: MeshKeyUse,
}

/// The payload of messages 2 and 3.
#[derive(Encode, Decode)]
#[cbor(array)]
struct Hello {
    /// Certificate and grant.
    #[n(0)]
    credentials: Credentials,
    /// Digest of the clinic record's heads: differs when one side has news for the other.
    #[n(1)]
    digest: Hash,
}

/// Makes a connection secure and says who is at the other end.
///
/// Dropping the future closes the connection. When it fails, so does the connection; the peer has
/// been told what it may know.
pub async fn handshake<S>(
    io: S,
    local: &Local,
    attempt: Attempt,
) -> Result<(Peer, SecureStream<S>), HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let run = async {
        match attempt.role {
            Role::Dial { device, epoch } => dial(io, local, attempt, device, epoch).await,
            Role::Listen => listen(io, local, attempt).await,
        }
    };
    timeout(HANDSHAKE_MAX, run)
        .await
        .unwrap_or(Err(HandshakeError::Late))
}

async fn dial<S: AsyncRead + AsyncWrite + Unpin>(
    mut io: S,
    local: &Local,
    attempt: Attempt,
    device: Option<DeviceId>,
    epoch: Option<u32>,
) -> Result<(Peer, SecureStream<S>), HandshakeError> {
    let trust = local.newest_trust();
    let (epoch, psk) = dialling_key(&trust, epoch).ok_or(HandshakeError::NoMeshKey)?;
    let preface = Preface::Mesh { epoch };
    let mut state = local.start(Side::Initiator, &trust, preface, psk)?;
    exchange::send_first(&mut io, preface, &mut state).await?;

    let hello = exchange::receive(&mut io, &mut state, Stage::SecondMessage).await?;
    let peer = local.judge(&hello, &state, attempt, device, mesh_key_use(&trust, epoch))?;

    let mut bytes = Vec::new();
    exchange::append_message(&mut bytes, &mut state, &local.hello(), Stage::ThirdMessage)?;
    let mut noise = exchange::finish(state);
    exchange::append_sealed(&mut bytes, &mut noise, &[ACCEPTED])?;
    frame::write(&mut io, &bytes, Stage::Verdict).await?;
    receive_verdict(&mut io, &mut noise).await?;
    local.judge_again(&peer, attempt)?;
    Ok((peer, SecureStream::new(io, noise)))
}

async fn listen<S: AsyncRead + AsyncWrite + Unpin>(
    mut io: S,
    local: &Local,
    attempt: Attempt,
) -> Result<(Peer, SecureStream<S>), HandshakeError> {
    let first = timeout(FIRST_FRAME_MAX, First::read(&mut io))
        .await
        .unwrap_or(Err(HandshakeError::FirstMessageLate))?;
    let epoch = match first.preface {
        Preface::Mesh { epoch } => epoch,
        Preface::Renewal { epoch } => {
            let device = renewal::answer(io, local, attempt, first, epoch).await?;
            return Err(HandshakeError::Renewed { device });
        }
        Preface::Enrolment => return Err(HandshakeError::OtherMode),
    };
    let trust = local.newest_trust();
    let psk = trust
        .mesh_keys
        .get(epoch)
        .ok_or(HandshakeError::UnknownMeshKey(epoch))?;
    let mut state = local.start(Side::Responder, &trust, first.preface, psk)?;
    first.open(&mut state)?;

    exchange::send_second(&mut io, &mut state, &local.hello()).await?;
    let hello = exchange::receive(&mut io, &mut state, Stage::ThirdMessage).await?;
    let judged = local.judge(&hello, &state, attempt, None, mesh_key_use(&trust, epoch));
    let mut noise = exchange::finish(state);
    receive_verdict(&mut io, &mut noise).await?;
    let judged = judged.and_then(|peer| local.judge_again(&peer, attempt).map(|()| peer));
    send_verdict(&mut io, &mut noise, &judged).await?;
    Ok((judged?, SecureStream::new(io, noise)))
}

/// The key to dial with: of `epoch`, or the newest.
pub(super) fn dialling_key(trust: &TrustView, epoch: Option<u32>) -> Option<(u32, &MeshKey)> {
    match epoch {
        Some(epoch) => Some((epoch, trust.mesh_keys.get(epoch)?)),
        None => trust.mesh_keys.newest(),
    }
}

pub(super) fn mesh_key_use(trust: &TrustView, epoch: u32) -> MeshKeyUse {
    if trust.mesh_keys.is_current(epoch) {
        MeshKeyUse::Newest
    } else {
        MeshKeyUse::Old
    }
}

impl Local {
    pub(super) fn newest_trust(&self) -> Arc<TrustView> {
        self.trust.borrow().clone()
    }

    pub(super) fn start(
        &self,
        side: Side,
        trust: &TrustView,
        preface: Preface,
        psk: &MeshKey,
    ) -> Result<HandshakeState, HandshakeError> {
        noise::start(
            side,
            &self.key,
            psk.expose(),
            &preface.prologue(&trust.clinic),
        )
        .map_err(|error| HandshakeError::of_noise(&error, Stage::FirstMessage))
    }

    pub(super) fn hello(&self) -> Vec<u8> {
        let credentials = Credentials::clone(&self.credentials);
        codec::encode(&Hello {
            credentials,
            digest: self.newest_trust().digest,
        })
    }

    /// Judges what the peer showed by the clinic's rules; the channel has none of its own.
    pub(super) fn judge(
        &self,
        hello: &[u8],
        state: &HandshakeState,
        attempt: Attempt,
        dialled: Option<DeviceId>,
        mesh_key: MeshKeyUse,
    ) -> Result<Peer, HandshakeError> {
        let refused = |why| HandshakeError::Refused { why, device: None };
        let Hello {
            credentials,
            digest,
        } = codec::strict(hello, FRAME_MAX).map_err(|_| refused(Refusal::Malformed))?;
        let trust = self.newest_trust();
        let opened = self
            .verified
            .open(&credentials, &trust.clinic)
            .map_err(refused)?;
        let certificate = opened.shown().certificate.clone();
        let issuer = opened.shown().issuer.clone();
        let at = Circumstances {
            proven: exchange::proven(state),
            dialled,
            address: attempt.address,
            now: attempt.now,
        };
        let reach =
            trust
                .admit_opened(opened.shown(), at)
                .map_err(|why| HandshakeError::Refused {
                    why,
                    // Who made the certificate is not known then, so neither is whose it is.
                    device: (why != Refusal::UnknownIssuer).then_some(certificate.device),
                })?;
        self.verified.remember(opened);
        Ok(Peer {
            certificate,
            credentials,
            issuer,
            reach,
            digest,
            mesh_key,
        })
    }

    /// Whether the device behind a hello may ask to be renewed.
    pub(super) fn judge_asking(
        &self,
        hello: &[u8],
        state: &HandshakeState,
        attempt: Attempt,
    ) -> Result<DeviceId, HandshakeError> {
        let refused = |why| HandshakeError::Refused { why, device: None };
        let hello: Hello =
            codec::strict(hello, FRAME_MAX).map_err(|_| refused(Refusal::Malformed))?;
        let trust = self.newest_trust();
        let shown = hello.credentials.open(&trust.clinic).map_err(refused)?;
        let at = Circumstances {
            proven: exchange::proven(state),
            dialled: None,
            address: attempt.address,
            now: attempt.now,
        };
        let device = shown.certificate.device;
        let asked = trust.may_ask(&shown, at);
        asked.map_err(|why| HandshakeError::Refused {
            why,
            device: (why != Refusal::UnknownIssuer).then_some(device),
        })?;
        Ok(device)
    }

    /// Judges again by the newest trust, in case a revocation came while we waited for the peer.
    fn judge_again(&self, peer: &Peer, attempt: Attempt) -> Result<(), HandshakeError> {
        let device = Some(peer.certificate.device);
        self.newest_trust()
            .still_admits(
                &peer.certificate,
                &peer.issuer,
                attempt.address,
                attempt.now,
            )
            .map(drop)
            .map_err(|why| HandshakeError::Refused { why, device })
    }
}

async fn receive_verdict<S: AsyncRead + Unpin>(
    io: &mut S,
    noise: &mut TransportState,
) -> Result<(), HandshakeError> {
    match exchange::receive_sealed(io, noise).await? {
        [ACCEPTED] => Ok(()),
        [code] => Err(Refusal::from_code(code).map_or(
            HandshakeError::RefusedWithCode(code),
            HandshakeError::RefusedByPeer,
        )),
    }
}

/// Tells the dialler what became of it; one that is refused finds the connection closed after that.
async fn send_verdict<S: AsyncWrite + Unpin>(
    io: &mut S,
    noise: &mut TransportState,
    judged: &Result<Peer, HandshakeError>,
) -> Result<(), HandshakeError> {
    let code = match judged {
        Ok(_) => ACCEPTED,
        Err(HandshakeError::Refused { why, .. }) => why.code(),
        Err(_) => Refusal::Malformed.code(),
    };
    let mut bytes = Vec::new();
    exchange::append_sealed(&mut bytes, noise, &[code])?;
    let sent = frame::write(io, &bytes, Stage::Verdict).await;
    // A refusal is the news, also when it could not be told.
    if judged.is_err() { Ok(()) } else { sent }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
