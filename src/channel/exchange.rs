//! The three Noise messages over a connection, the same for mesh and enrolment.

use futures::{AsyncRead, AsyncWrite};
use snow::{HandshakeState, TransportState};
use zeroize::Zeroizing;

use super::error::{HandshakeError, Stage};
use super::frame::{self, FRAME_MAX};
use super::noise::{FIRST_MESSAGE, TAG};
use super::preface::{self, Preface};
use crate::domain::id::NoiseKey;

/// What a stranger can make us read: the preface and one message with an empty payload.
pub(crate) struct First {
    pub(crate) preface: Preface,
    message: [u8; FIRST_MESSAGE],
    len: usize,
}

impl First {
    /// Reads what every dialler sends first, and nothing beyond it.
    pub(crate) async fn read<S: AsyncRead + Unpin>(io: &mut S) -> Result<Self, HandshakeError> {
        let mut bytes = [0; preface::LEN];
        frame::read_exact(io, &mut bytes, Stage::FirstMessage).await?;
        let preface = Preface::decode(&bytes)?;
        let mut message = [0; FIRST_MESSAGE];
        let len = frame::read(io, &mut message, Stage::FirstMessage)
            .await?
            .len();
        Ok(Self {
            preface,
            message,
            len,
        })
    }

    /// Opens the message with the key that `state` was started with.
    pub(crate) fn open(&self, state: &mut HandshakeState) -> Result<(), HandshakeError> {
        let mut payload = [0; FIRST_MESSAGE];
        // A message of this length has no room for a payload.
        state
            .read_message(&self.message[..self.len], &mut payload)
            .map(drop)
            .map_err(|error| HandshakeError::of_noise(&error, Stage::FirstMessage))
    }
}

/// Sends the preface and message 1.
pub(crate) async fn send_first<S: AsyncWrite + Unpin>(
    io: &mut S,
    preface: Preface,
    state: &mut HandshakeState,
) -> Result<(), HandshakeError> {
    let mut bytes = preface.encode().to_vec();
    append_message(&mut bytes, state, &[], Stage::FirstMessage)?;
    frame::write(io, &bytes, Stage::SecondMessage).await
}

/// Sends message 2.
pub(crate) async fn send_second<S: AsyncWrite + Unpin>(
    io: &mut S,
    state: &mut HandshakeState,
    payload: &[u8],
) -> Result<(), HandshakeError> {
    let mut bytes = Vec::new();
    append_message(&mut bytes, state, payload, Stage::SecondMessage)?;
    frame::write(io, &bytes, Stage::ThirdMessage).await
}

/// Appends a frame with the next message of the handshake.
pub(crate) fn append_message(
    bytes: &mut Vec<u8>,
    state: &mut HandshakeState,
    payload: &[u8],
    stage: Stage,
) -> Result<(), HandshakeError> {
    frame::append(bytes, payload.len(), stage, |room| {
        state.write_message(payload, room)
    })
}

/// Appends a frame of the transport phase, whose keys the finished handshake gave.
pub(crate) fn append_sealed(
    bytes: &mut Vec<u8>,
    noise: &mut TransportState,
    payload: &[u8],
) -> Result<(), HandshakeError> {
    frame::append(bytes, payload.len(), Stage::Verdict, |room| {
        noise.write_message(payload, room)
    })
}

/// Receives message 2 or 3 and opens it.
pub(crate) async fn receive<S: AsyncRead + Unpin>(
    io: &mut S,
    state: &mut HandshakeState,
    stage: Stage,
) -> Result<Zeroizing<Vec<u8>>, HandshakeError> {
    let mut buffer = vec![0; FRAME_MAX];
    let message = frame::read(io, &mut buffer, stage).await?;
    // What is inside is shorter than the message. All of this is wiped, byte by byte: no more than needed.
    let mut payload = Zeroizing::new(vec![0; message.len()]);
    let len = state
        .read_message(message, &mut payload)
        .map_err(|error| HandshakeError::of_noise(&error, stage))?;
    payload.truncate(len);
    Ok(payload)
}

/// Receives a frame of the transport phase that holds exactly `N` bytes.
pub(crate) async fn receive_sealed<const N: usize, S: AsyncRead + Unpin>(
    io: &mut S,
    noise: &mut TransportState,
) -> Result<[u8; N], HandshakeError> {
    const ROOM: usize = 64;
    let mut buffer = [0; ROOM];
    let mut plain = [0; ROOM];
    let message = frame::read(io, &mut buffer[..N + TAG], Stage::Verdict).await?;
    let len = noise
        .read_message(message, &mut plain)
        .map_err(|error| HandshakeError::of_noise(&error, Stage::Verdict))?;
    plain[..len]
        .try_into()
        .map_err(|_| HandshakeError::Forged(Stage::Verdict))
}

/// The static key that the peer proved; known from the message that carried it on.
pub(crate) fn proven(state: &HandshakeState) -> NoiseKey {
    let key = state
        .get_remote_static()
        .and_then(|key| key.try_into().ok());
    NoiseKey::new(key.expect("asked only after the message that carries it"))
}

/// Ends the handshake and gives the keys of the transport phase.
pub(crate) fn finish(state: HandshakeState) -> TransportState {
    state
        .into_transport_mode()
        .expect("all three messages have passed")
}
