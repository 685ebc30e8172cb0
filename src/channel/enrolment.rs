//! The handshake between a machine that holds an invitation and the node that made it.
//!
//! The same Noise messages as in the mesh, with a key derived from the invitation as psk and no
//! certificates: the newcomer has none yet. What is said afterwards is the caller's.
//!
//! # The short code
//!
//! Both screens show a code made from [`Enrolment::code_seed`], and an admin compares them. Six digits
//! of the handshake hash alone would not do: someone in the middle who knows the invitation could try
//! a million variants of a message within the deadline, until both halves show the same digits. So
//! the listener promises a random number in message 2 (by its hash), the newcomer puts one of its own
//! into message 3, and only then does the listener show its number, which goes into the seed. Neither
//! side, nor anyone in the middle, can choose after having seen; one try in a million is all there is,
//! and an invitation allows one.
//!
//! | where | what |
//! |---|---|
//! | message 2 | 32 bytes: hash of the listener's number |
//! | message 3 | 32 bytes: the newcomer's number; then its request |
//! | first frame | 32 bytes: the listener's number |

use futures::{AsyncRead, AsyncWrite};
use snow::HandshakeState;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::error::{HandshakeError, Stage};
use super::exchange::{self, First};
use super::frame::{self, FRAME_MAX};
use super::handshake::{FIRST_FRAME_MAX, HANDSHAKE_MAX};
use super::noise::{self, Side, StaticKey};
use super::preface::Preface;
use super::stream::SecureStream;
use crate::domain::id::{ClinicId, Hash, NoiseKey};

/// Open invitations that one listener tries a newcomer's first message against.
///
/// 32: an admin has a few open at a time; each costs a stranger's connection some microseconds.
pub const INVITATIONS_MAX: usize = 32;

/// Largest request: what a frame holds beside keys, tags and the random number.
pub const REQUEST_MAX: usize = FRAME_MAX - 256;

/// The newcomer does not know the clinic before it is let in; the invitation stands for it.
const NO_CLINIC: ClinicId = ClinicId::new([0; 32]);

/// The random numbers of the short code.
const NUMBER: usize = 32;

/// A connection between a newcomer and the node that invited it.
pub struct Enrolment<S> {
    /// The static key the other end proved.
    pub key: NoiseKey,
    /// What both screens make the short code of; equal only if nobody sits between them.
    pub code_seed: Hash,
    /// Everything that is said from here on.
    pub stream: SecureStream<S>,
}

/// What a newcomer asked for, and with which invitation.
pub struct Asked {
    /// Index of the invitation's psk in what the listener was given.
    pub invitation: usize,
    /// The newcomer's request.
    pub request: Zeroizing<Vec<u8>>,
}

/// Dials a node that has invited this machine: proves `key`, hands over `request`.
///
/// A request longer than [`REQUEST_MAX`] is not sent.
pub async fn ask<S>(
    io: S,
    key: &StaticKey,
    psk: &[u8; 32],
    request: &[u8],
) -> Result<Enrolment<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    if request.len() > REQUEST_MAX {
        return Err(HandshakeError::FrameLength {
            actual: request.len(),
            limit: REQUEST_MAX,
        });
    }
    timeout(HANDSHAKE_MAX, dial(io, key, psk, request))
        .await
        .unwrap_or(Err(HandshakeError::Late))
}

/// Answers a newcomer that holds one of the invitations whose psks are given.
///
/// At most [`INVITATIONS_MAX`] of them are tried.
pub async fn answer<S>(
    io: S,
    key: &StaticKey,
    psks: &[[u8; 32]],
) -> Result<(Asked, Enrolment<S>), HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    timeout(HANDSHAKE_MAX, listen(io, key, psks))
        .await
        .unwrap_or(Err(HandshakeError::Late))
}

async fn dial<S: AsyncRead + AsyncWrite + Unpin>(
    mut io: S,
    key: &StaticKey,
    psk: &[u8; 32],
    request: &[u8],
) -> Result<Enrolment<S>, HandshakeError> {
    let own = number()?;
    let mut state = start(Side::Initiator, key, psk)?;
    exchange::send_first(&mut io, Preface::Enrolment, &mut state).await?;

    let promise = exchange::receive(&mut io, &mut state, Stage::SecondMessage).await?;
    let mut bytes = Vec::new();
    let payload = Zeroizing::new([&own, request].concat());
    exchange::append_message(&mut bytes, &mut state, &payload, Stage::ThirdMessage)?;
    frame::write(&mut io, &bytes, Stage::Verdict).await?;

    let (peer, hash) = outcome(&state);
    let mut noise = exchange::finish(state);
    let shown = exchange::receive_sealed::<NUMBER, _>(&mut io, &mut noise).await?;
    if promise[..] != promise_of(&shown).as_bytes()[..] {
        return Err(HandshakeError::Forged(Stage::Verdict));
    }
    let code_seed = code_seed(&hash, &shown);
    Ok(Enrolment {
        key: peer,
        code_seed,
        stream: SecureStream::new(io, noise),
    })
}

async fn listen<S: AsyncRead + AsyncWrite + Unpin>(
    mut io: S,
    key: &StaticKey,
    psks: &[[u8; 32]],
) -> Result<(Asked, Enrolment<S>), HandshakeError> {
    let first = timeout(FIRST_FRAME_MAX, First::read(&mut io))
        .await
        .unwrap_or(Err(HandshakeError::FirstMessageLate))?;
    if first.preface != Preface::Enrolment {
        return Err(HandshakeError::OtherMode);
    }
    let (invitation, mut state) = open_with_any(&first, key, psks)?;
    let own = number()?;
    exchange::send_second(&mut io, &mut state, promise_of(&own).as_bytes()).await?;

    let payload = exchange::receive(&mut io, &mut state, Stage::ThirdMessage).await?;
    let Some((_, request)) = payload.split_first_chunk::<NUMBER>() else {
        return Err(HandshakeError::Forged(Stage::ThirdMessage));
    };
    let asked = Asked {
        invitation,
        request: Zeroizing::new(request.to_vec()),
    };

    let (peer, hash) = outcome(&state);
    let mut noise = exchange::finish(state);
    let mut bytes = Vec::new();
    exchange::append_sealed(&mut bytes, &mut noise, &own)?;
    frame::write(&mut io, &bytes, Stage::Verdict).await?;
    let code_seed = code_seed(&hash, &own);
    Ok((
        asked,
        Enrolment {
            key: peer,
            code_seed,
            stream: SecureStream::new(io, noise),
        },
    ))
}

fn start(side: Side, key: &StaticKey, psk: &[u8; 32]) -> Result<HandshakeState, HandshakeError> {
    noise::start(side, key, psk, &Preface::Enrolment.prologue(&NO_CLINIC))
        .map_err(|error| HandshakeError::of_noise(&error, Stage::FirstMessage))
}

/// The invitation whose key opens the first message, and the handshake under it.
fn open_with_any(
    first: &First,
    key: &StaticKey,
    psks: &[[u8; 32]],
) -> Result<(usize, HandshakeState), HandshakeError> {
    for (index, psk) in psks.iter().take(INVITATIONS_MAX).enumerate() {
        let mut state = start(Side::Responder, key, psk)?;
        match first.open(&mut state) {
            Ok(()) => return Ok((index, state)),
            Err(HandshakeError::Stranger) => {}
            Err(other) => return Err(other),
        }
    }
    Err(HandshakeError::Stranger)
}

fn number() -> Result<[u8; NUMBER], HandshakeError> {
    noise::random().map_err(|_| HandshakeError::Randomness)
}

fn promise_of(number: &[u8; NUMBER]) -> Hash {
    Hash::of("enrolment-promise/v1", &[number])
}

fn code_seed(handshake: &[u8; 32], number: &[u8; NUMBER]) -> Hash {
    Hash::of("enrolment-code/v1", &[handshake, number])
}

/// The key the peer proved and the hash of the whole handshake.
fn outcome(state: &HandshakeState) -> (NoiseKey, [u8; 32]) {
    let hash = state
        .get_handshake_hash()
        .try_into()
        .expect("SHA-256 has 32 bytes");
    (exchange::proven(state), hash)
}

#[cfg(test)]
mod tests;
