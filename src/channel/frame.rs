//! Frames of the handshake: two bytes of length, big-endian, then a Noise message.

use std::io;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::error::{HandshakeError, Stage};
use super::noise::TAG;

/// Largest handshake frame, without its length.
///
/// 8 KiB: a certificate, a grant, a digest of the clinic record and as many changes of the root key as a
/// clinic can see need under 5 KiB; an enrolment request less.
pub const FRAME_MAX: usize = 8 * 1024;

/// Bytes of a frame's length.
pub(crate) const PREFIX: usize = 2;

/// Reads exactly `bytes.len()` bytes.
pub(crate) async fn read_exact<S: AsyncRead + Unpin>(
    io: &mut S,
    bytes: &mut [u8],
    stage: Stage,
) -> Result<(), HandshakeError> {
    io.read_exact(bytes)
        .await
        .map_err(|error| at(stage, &error))
}

/// Reads one frame of at most `buffer.len()` bytes; the length is judged before anything is read.
pub(crate) async fn read<'b, S: AsyncRead + Unpin>(
    io: &mut S,
    buffer: &'b mut [u8],
    stage: Stage,
) -> Result<&'b [u8], HandshakeError> {
    let mut prefix = [0; PREFIX];
    read_exact(io, &mut prefix, stage).await?;
    let len = usize::from(u16::from_be_bytes(prefix));
    if len < TAG || len > buffer.len() {
        return Err(HandshakeError::FrameLength {
            actual: len,
            limit: buffer.len(),
        });
    }
    let frame = &mut buffer[..len];
    read_exact(io, frame, stage).await?;
    Ok(frame)
}

/// Writes `bytes`, which hold whole frames, and flushes.
pub(crate) async fn write<S: AsyncWrite + Unpin>(
    io: &mut S,
    bytes: &[u8],
    stage: Stage,
) -> Result<(), HandshakeError> {
    io.write_all(bytes)
        .await
        .map_err(|error| at(stage, &error))?;
    io.flush().await.map_err(|error| at(stage, &error))
}

/// Appends a frame that `seal` writes into the room it is given.
pub(crate) fn append(
    bytes: &mut Vec<u8>,
    payload: usize,
    stage: Stage,
    seal: impl FnOnce(&mut [u8]) -> Result<usize, snow::Error>,
) -> Result<(), HandshakeError> {
    let start = bytes.len();
    // Message 3 has the most around its payload: a sealed static key and a tag; message 2 has an
    // ephemeral key besides.
    bytes.resize(start + PREFIX + payload + 2 * 32 + 2 * TAG, 0);
    let len = seal(&mut bytes[start + PREFIX..])
        .map_err(|error| HandshakeError::of_noise(&error, stage))?;
    if len > FRAME_MAX {
        return Err(HandshakeError::FrameLength {
            actual: len,
            limit: FRAME_MAX,
        });
    }
    bytes[start..start + PREFIX].copy_from_slice(&(len as u16).to_be_bytes());
    bytes.truncate(start + PREFIX + len);
    Ok(())
}

/// An end of the connection is news about the peer; any other error is about the connection.
fn at(stage: Stage, error: &io::Error) -> HandshakeError {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error.kind() {
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe => {
            HandshakeError::PeerLeft(stage)
        }
        kind => HandshakeError::Connection(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cert::{Certificate, Grant};
    use crate::domain::codec;
    use crate::domain::rotation::{ROTATIONS_MAX, Rotation, SignedRotation};
    use crate::domain::sign::{SignedBody as _, SigningKey};
    use crate::domain::testing::SampleClinic;

    #[test]
    fn the_longest_chain_of_root_keys_fits_into_a_handshake_with_room_to_spare() {
        let clinic = SampleClinic::of([]);
        let keys = [1, 2].map(|n| SigningKey::from_seed(&[n; 32]));
        let rotation = Rotation {
            version: 1,
            clinic: clinic.id,
            number: ROTATIONS_MAX,
            old: keys[0].id().as_admin(),
            new: keys[1].id().as_admin(),
            last: u64::MAX,
            history: crate::domain::id::Hash::new([0xff; 32]),
        };
        let signed = SignedRotation::new(&rotation, &keys[0], &keys[1]);
        let chain = codec::encode(&vec![signed; usize::from(ROTATIONS_MAX)]).len();
        // Two bodies with signer, signature and framing; the digest; Noise's keys and tags.
        let rest = Certificate::MAX + Grant::MAX + 2 * 112 + 48 + 2 * 32 + 2 * TAG;
        let roomy = FRAME_MAX - 3 * 1024;
        assert!(chain + rest < roomy, "{chain} + {rest}");
    }
}
