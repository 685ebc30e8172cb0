//! The handshake in which a device asks to be renewed, and in which nothing else can be said.
//!
//! A device whose certificate has ended is refused by everybody in the ordinary handshake. What is
//! left to it is this one: the same three Noise messages under the mesh key, with a mode of its own in
//! the preface, then one frame back, then the end. There is no stream, no multiplexer and no frame of
//! the mesh, so there is nothing to be had but a certificate.
//!
//! | from | bytes | what |
//! |---|---|---|
//! | dialler | 10 | clear preface: mode 2, mesh-key epoch |
//! | dialler | 2 + 48 | message 1: `psk, e`, empty payload |
//! | listener | 2 + 96 + n | message 2: credentials and digest, judged as in the mesh |
//! | dialler | 2 + 64 + n | message 3: credentials and digest; the certificate may have ended |
//! | listener | 2 + 16 + 1 + n | 0 and the certificate, or a refusal's code and nothing |
//!
//! The listener judges by [`TrustView::may_ask`](crate::domain::trust::TrustView::may_ask); whether it
//! signs is for the clinic record's rules.

use std::fmt;
use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use futures::{AsyncRead, AsyncWrite};
use snow::TransportState;
use tokio::time::timeout;

use super::error::{HandshakeError, Stage};
use super::exchange::{self, First};
use super::frame;
use super::handshake::{self, Attempt, HANDSHAKE_MAX, Local, Role};
use super::noise::{Side, TAG};
use super::preface::Preface;
use crate::domain::codec;
use crate::domain::id::DeviceId;
use crate::domain::renewal::RENEWAL_MAX;
use crate::domain::sign::Signed;
use crate::domain::trust::Refusal;

/// Largest answer: a byte and a certificate with its signature.
const ANSWER_MAX: usize = 1 + RENEWAL_MAX;

/// Signs for a device that has proved its keys, or says why not.
type Signer = dyn Fn(DeviceId) -> BoxFuture<'static, Result<Signed, Refusal>> + Send + Sync;

/// Whoever renews certificates here, once the node is up. Clones share it.
#[derive(Clone, Default)]
pub struct Renewer(Arc<OnceLock<Box<Signer>>>);

impl Renewer {
    /// Lets devices ask from here on; only the first caller is heard.
    pub fn serve(
        &self,
        sign: impl Fn(DeviceId) -> BoxFuture<'static, Result<Signed, Refusal>> + Send + Sync + 'static,
    ) {
        let _first = self.0.set(Box::new(sign));
    }

    async fn sign(&self, device: DeviceId) -> Result<Signed, Refusal> {
        match self.0.get() {
            Some(sign) => sign(device).await,
            None => Err(Refusal::NotRenewing),
        }
    }
}

impl fmt::Debug for Renewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Renewer({})", self.0.get().is_some())
    }
}

/// Dials a node and asks it for the certificate that follows the one this device shows.
///
/// The certificate is not judged here; whoever it is shown to will.
pub async fn ask<S>(io: S, local: &Local, attempt: Attempt) -> Result<Signed, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    timeout(HANDSHAKE_MAX, dial(io, local, attempt))
        .await
        .unwrap_or(Err(HandshakeError::Late))
}

async fn dial<S: AsyncRead + AsyncWrite + Unpin>(
    mut io: S,
    local: &Local,
    attempt: Attempt,
) -> Result<Signed, HandshakeError> {
    let Role::Dial { device, epoch } = attempt.role else {
        return Err(HandshakeError::OtherMode);
    };
    let trust = local.newest_trust();
    let (epoch, psk) = handshake::dialling_key(&trust, epoch).ok_or(HandshakeError::NoMeshKey)?;
    let preface = Preface::Renewal { epoch };
    let mut state = local.start(Side::Initiator, &trust, preface, psk)?;
    exchange::send_first(&mut io, preface, &mut state).await?;

    let hello = exchange::receive(&mut io, &mut state, Stage::SecondMessage).await?;
    let key = handshake::mesh_key_use(&trust, epoch);
    local.judge(&hello, &state, attempt, device, key)?;
    let mut bytes = Vec::new();
    exchange::append_message(&mut bytes, &mut state, &local.hello(), Stage::ThirdMessage)?;
    frame::write(&mut io, &bytes, Stage::Verdict).await?;
    receive_answer(&mut io, &mut exchange::finish(state)).await
}

/// Answers a device whose first message was read; the connection is over after that.
pub(super) async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    mut io: S,
    local: &Local,
    attempt: Attempt,
    first: First,
    epoch: u32,
) -> Result<DeviceId, HandshakeError> {
    let trust = local.newest_trust();
    let psk = trust.mesh_keys.get(epoch);
    let psk = psk.ok_or(HandshakeError::UnknownMeshKey(epoch))?;
    let mut state = local.start(Side::Responder, &trust, first.preface, psk)?;
    first.open(&mut state)?;

    exchange::send_second(&mut io, &mut state, &local.hello()).await?;
    let hello = exchange::receive(&mut io, &mut state, Stage::ThirdMessage).await?;
    let asked = local.judge_asking(&hello, &state, attempt);
    let mut noise = exchange::finish(state);
    let signed = match &asked {
        Ok(device) => local.renewer.sign(*device).await,
        Err(HandshakeError::Refused { why, .. }) => Err(*why),
        Err(_) => Err(Refusal::Malformed),
    };
    send_answer(&mut io, &mut noise, &signed).await?;
    let device = asked?;
    match signed {
        Ok(_) => Ok(device),
        Err(why) => Err(HandshakeError::Refused {
            why,
            device: Some(device),
        }),
    }
}

async fn send_answer<S: AsyncWrite + Unpin>(
    io: &mut S,
    noise: &mut TransportState,
    signed: &Result<Signed, Refusal>,
) -> Result<(), HandshakeError> {
    let mut answer = vec![0];
    match signed {
        Ok(signed) => answer.extend(codec::encode(signed)),
        Err(why) => answer[0] = why.code(),
    }
    let mut bytes = Vec::new();
    exchange::append_sealed(&mut bytes, noise, &answer)?;
    frame::write(io, &bytes, Stage::Verdict).await
}

async fn receive_answer<S: AsyncRead + Unpin>(
    io: &mut S,
    noise: &mut TransportState,
) -> Result<Signed, HandshakeError> {
    let mut buffer = [0; ANSWER_MAX + TAG];
    let mut plain = [0; ANSWER_MAX + TAG];
    let message = frame::read(io, &mut buffer, Stage::Verdict).await?;
    let len = noise
        .read_message(message, &mut plain)
        .map_err(|error| HandshakeError::of_noise(&error, Stage::Verdict))?;
    match plain[..len].split_first() {
        Some((0, signed)) => {
            codec::strict(signed, RENEWAL_MAX).map_err(|_| HandshakeError::Forged(Stage::Verdict))
        }
        Some((code, [])) => Err(Refusal::from_code(*code).map_or(
            HandshakeError::RefusedWithCode(*code),
            HandshakeError::RefusedByPeer,
        )),
        Some(_) | None => Err(HandshakeError::Forged(Stage::Verdict)),
    }
}

#[cfg(test)]
mod tests;
