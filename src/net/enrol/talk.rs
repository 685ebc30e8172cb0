//! What newcomer and node say to each other after the handshake, each part with its bound and time.

use std::io;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{PART, PART_TIME, REQUEST_MAX, SILENCE_MAX};
use crate::domain::enrol::ANSWER_MAX;

const STILL_WAITING: u8 = 0;
const ANSWER: u8 = 1;
const TAKEN: u8 = 1;

/// Why a machine with an invitation was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TurnedAway {
    /// The admin said no.
    #[error("the admin said no; ask the admin, and for another invitation")]
    Declined,
    /// Somebody came with this code before.
    #[error(
        "this code was used already; if that was not you, tell the admin at once, and ask for another"
    )]
    Used,
    /// The invitation's time is over, or it was withdrawn.
    #[error("this code has expired; ask the admin for another")]
    Expired,
    /// The admin did not decide in time.
    #[error("nobody confirmed within 5 minutes; ask the admin for another invitation")]
    Undecided,
    /// The request cannot be read.
    #[error("the node could not read the request; update the older of the two programs")]
    Garbled,
    /// A code of a later version.
    #[error("the node said no with code {0}, which this version does not know: update")]
    Other(u8),
}

impl TurnedAway {
    /// The byte that the newcomer gets.
    pub const fn code(self) -> u8 {
        match self {
            Self::Declined => 2,
            Self::Used => 3,
            Self::Expired => 4,
            Self::Undecided => 5,
            Self::Garbled => 6,
            Self::Other(code) => code,
        }
    }

    const fn from_code(code: u8) -> Self {
        match code {
            2 => Self::Declined,
            3 => Self::Used,
            4 => Self::Expired,
            5 => Self::Undecided,
            6 => Self::Garbled,
            other => Self::Other(other),
        }
    }
}

/// What a newcomer hears.
#[derive(Debug)]
pub(super) enum Heard {
    /// Not decided yet.
    StillWaiting,
    /// Let in: the answer's bytes.
    Answer(Zeroizing<Vec<u8>>),
    /// Not let in.
    TurnedAway(TurnedAway),
}

pub(super) async fn send_request<S>(stream: &mut S, request: &[u8]) -> io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    let length = u16::try_from(request.len())
        .ok()
        .filter(|length| usize::from(*length) <= REQUEST_MAX)
        .ok_or_else(too_long)?;
    send(stream, &[&length.to_be_bytes(), request].concat()).await
}

pub(super) async fn receive_request<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    fill(stream, &mut length).await?;
    let length = usize::from(u16::from_be_bytes(length));
    if length > REQUEST_MAX {
        return Err(too_long());
    }
    let mut request = vec![0; length];
    fill(stream, &mut request).await?;
    Ok(request)
}

pub(super) async fn send_pulse<S: AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
    send(stream, &[STILL_WAITING]).await
}

pub(super) async fn send_refusal<S>(stream: &mut S, why: TurnedAway) -> io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    send(stream, &[why.code()]).await?;
    timeout(PART_TIME, stream.close())
        .await
        .unwrap_or(Err(slow()))
}

pub(super) async fn send_answer<S>(stream: &mut S, answer: &[u8]) -> io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    let length = u32::try_from(answer.len())
        .ok()
        .filter(|_| answer.len() <= ANSWER_MAX)
        .ok_or_else(too_long)?;
    let mut head = [ANSWER, 0, 0, 0, 0];
    head[1..].copy_from_slice(&length.to_be_bytes());
    send(stream, &head).await?;
    for part in answer.chunks(PART) {
        send(stream, part).await?;
    }
    Ok(())
}

/// Waits for whatever the node says next.
pub(super) async fn hear<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Heard> {
    let mut kind = [0];
    timeout(SILENCE_MAX, stream.read_exact(&mut kind))
        .await
        .unwrap_or(Err(slow()))?;
    match kind[0] {
        STILL_WAITING => Ok(Heard::StillWaiting),
        ANSWER => Ok(Heard::Answer(receive_answer(stream).await?)),
        code => Ok(Heard::TurnedAway(TurnedAway::from_code(code))),
    }
}

async fn receive_answer<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut length = [0; 4];
    fill(stream, &mut length).await?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > ANSWER_MAX {
        return Err(too_long());
    }
    let mut answer = Zeroizing::new(Vec::new());
    while answer.len() < length {
        let start = answer.len();
        let end = length.min(start + PART);
        grow(&mut answer, end);
        fill(stream, &mut answer[start..end]).await?;
    }
    Ok(answer)
}

/// Makes the buffer longer without leaving its secrets behind in the old place.
fn grow(bytes: &mut Zeroizing<Vec<u8>>, length: usize) {
    if length > bytes.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(length.max(bytes.capacity() * 2)));
        larger.extend_from_slice(bytes);
        *bytes = larger;
    }
    bytes.resize(length, 0);
}

pub(super) async fn send_taken<S: AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
    send(stream, &[TAKEN]).await?;
    timeout(PART_TIME, stream.close())
        .await
        .unwrap_or(Err(slow()))
}

/// Waits until the newcomer says that it has the answer.
pub(super) async fn receive_taken<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<()> {
    let mut byte = [0];
    stream.read_exact(&mut byte).await?;
    match byte[0] {
        TAKEN => Ok(()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    let sending = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    timeout(PART_TIME, sending).await.unwrap_or(Err(slow()))
}

async fn fill<S: AsyncRead + Unpin>(stream: &mut S, bytes: &mut [u8]) -> io::Result<()> {
    timeout(PART_TIME, stream.read_exact(bytes))
        .await
        .unwrap_or(Err(slow()))
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "longer than allowed")
}

fn slow() -> io::Error {
    io::ErrorKind::TimedOut.into()
}
