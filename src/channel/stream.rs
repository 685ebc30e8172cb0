//! The encrypted stream: what a [`handshake`](super::handshake()) leaves behind.
//!
//! # Frames
//!
//! | bytes | what |
//! |---|---|
//! | 2 | length of what follows, big-endian, 17 to 65,535 (16 for the last frame) |
//! | n | 1 to 65,519 bytes of plaintext sealed with ChaCha20-Poly1305, number by number |
//!
//! A frame of no plaintext says "I have nothing more to write". So a connection that was cut is told
//! apart from one that was closed.
//!
//! # Promises
//!
//! - What was written is gathered until a flush or a full frame, so small writes share a frame.
//! - No allocation and at most one copy per frame beyond what the cipher itself does; a large write
//!   is sealed straight from the caller's buffer, a large read opened straight into it.
//! - After any error nothing is read or written any more: no byte behind a damaged frame is seen.
//! - A stream ends after [`FRAMES_MAX`] frames in one direction or [`AGE_MAX`]; the error says so and
//!   the caller dials again, which gives fresh keys.
//! - Buffers exist from their first use on; those of plaintext are wiped when the stream is dropped.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use snow::TransportState;
use tokio::time::Instant;

use self::plain::Plain;

use super::noise::TAG;

mod plain;

/// Frames one direction of a stream may carry.
///
/// 2^20: far from what ChaCha20-Poly1305 allows under one key, and 64 GiB of bulk; an attacker who
/// learns a stream's keys learns no more than this.
pub const FRAMES_MAX: u64 = 1 << 20;

/// How long a stream lives.
///
/// 12 hours: longer than a shift, so it seldom ends in the middle of one, and no keys outlive a day.
pub const AGE_MAX: Duration = Duration::from_secs(12 * 3600);

/// Bytes of a frame's length.
const PREFIX: usize = 2;

/// Largest sealed part of a frame; also the largest Noise message.
const SEALED_MAX: usize = u16::MAX as usize;

/// Largest plaintext of a frame.
pub const PLAIN_MAX: usize = SEALED_MAX - TAG;

/// Why a stream cannot be used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// A frame was damaged, replayed, reordered or forged.
    #[error("a frame of the secure channel does not open: dial again")]
    Tampered,
    /// A frame too short to be one.
    #[error("a frame of the secure channel is malformed: dial again")]
    Malformed,
    /// The connection ended without the last frame.
    #[error("the secure channel was cut, not closed: dial again")]
    Cut,
    /// The stream has carried [`FRAMES_MAX`] frames.
    #[error("the secure channel has carried its {FRAMES_MAX} frames: dial again")]
    Worn,
    /// The stream is [`AGE_MAX`] old.
    #[error("the secure channel is 12 hours old: dial again")]
    Old,
    /// Written to after it was closed.
    #[error("the secure channel was closed on this side")]
    Closed,
    /// Used after an error of the connection below.
    #[error("the connection below the secure channel failed: dial again")]
    Connection,
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        let kind = match error {
            StreamError::Tampered | StreamError::Malformed => io::ErrorKind::InvalidData,
            StreamError::Cut => io::ErrorKind::UnexpectedEof,
            StreamError::Worn | StreamError::Old => io::ErrorKind::ConnectionAborted,
            StreamError::Closed | StreamError::Connection => io::ErrorKind::BrokenPipe,
        };
        Self::new(kind, error)
    }
}

/// A byte stream that only the peer of the handshake can read or write.
pub struct SecureStream<S> {
    io: S,
    noise: TransportState,
    expires: Instant,
    inbound: Inbound,
    outbound: Outbound,
    /// Set once, by the first error; every later use gets it back.
    failed: Option<StreamError>,
}

/// Bytes from the connection, and the rest of the last frame opened.
#[derive(Default)]
struct Inbound {
    sealed: Box<[u8]>,
    /// The unread part of `sealed`.
    start: usize,
    end: usize,
    plain: Plain,
    /// The peer's last frame has arrived.
    closed: bool,
}

/// Bytes gathered for the next frame, and the frame on its way out.
#[derive(Default)]
struct Outbound {
    plain: Plain,
    sealed: Box<[u8]>,
    start: usize,
    end: usize,
    closed: bool,
}

fn buffer(size: usize) -> Box<[u8]> {
    vec![0; size].into_boxed_slice()
}

/// Makes room for one sealed frame, at the first use of a direction.
fn allocate(sealed: &mut Box<[u8]>) {
    if sealed.is_empty() {
        *sealed = buffer(PREFIX + SEALED_MAX);
    }
}

impl<S> SecureStream<S> {
    /// A stream over `io`, whose handshake ended in `noise`.
    pub(super) fn new(io: S, noise: TransportState) -> Self {
        Self {
            io,
            noise,
            expires: Instant::now() + AGE_MAX,
            inbound: Inbound::default(),
            outbound: Outbound::default(),
            failed: None,
        }
    }

    /// Remembers the first error and hands it out.
    fn fail(&mut self, error: StreamError) -> io::Error {
        self.failed.get_or_insert(error);
        error.into()
    }

    fn fail_below(&mut self, error: io::Error) -> io::Error {
        self.failed.get_or_insert(StreamError::Connection);
        error
    }

    fn usable(&self) -> io::Result<()> {
        self.failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Why the stream must not take another frame, if `carried` went in that direction.
    fn spent(&self, carried: u64) -> Option<StreamError> {
        if carried >= FRAMES_MAX {
            return Some(StreamError::Worn);
        }
        (Instant::now() >= self.expires).then_some(StreamError::Old)
    }
}

impl Inbound {
    /// Length of the next frame with its prefix, as soon as the prefix is here.
    fn frame_len(&self) -> Option<usize> {
        let prefix = self.sealed[self.start..self.end].first_chunk::<PREFIX>()?;
        Some(PREFIX + usize::from(u16::from_be_bytes(*prefix)))
    }

    /// The next frame as a range of `sealed`, without its prefix, once all of it is here.
    fn frame(&self) -> Option<std::ops::Range<usize>> {
        let len = self.frame_len()?;
        (self.end - self.start >= len).then(|| self.start + PREFIX..self.start + len)
    }

    /// Where the connection's next bytes go.
    ///
    /// Never past the prefix behind a large unfinished frame: what belongs to a later frame would
    /// have to be moved to the front again. Small frames are read many at a time.
    fn room(&mut self) -> &mut [u8] {
        allocate(&mut self.sealed);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        let want = self.frame_len().unwrap_or(PREFIX);
        if self.start + want > self.sealed.len() {
            self.sealed.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let large = want > self.sealed.len() / 2;
        let limit = if large {
            self.start + want + PREFIX
        } else {
            self.sealed.len()
        };
        &mut self.sealed[self.end..limit.min(PREFIX + SEALED_MAX)]
    }
}

impl Outbound {
    fn is_full(&self) -> bool {
        self.plain.waiting().len() == PLAIN_MAX
    }

    /// Seals `plain` as the frame on its way out; the last one must have left.
    fn seal(sealed: &mut [u8], noise: &mut TransportState, plain: &[u8]) -> Option<usize> {
        let n = noise.write_message(plain, &mut sealed[PREFIX..]).ok()?;
        let len = u16::try_from(n).ok()?;
        sealed[..PREFIX].copy_from_slice(&len.to_be_bytes());
        Some(PREFIX + n)
    }
}

impl<S: AsyncRead + Unpin> SecureStream<S> {
    /// Opens the next frame: into `out` if it fits there, or else into our buffer.
    ///
    /// `Some(n)` says that `n` bytes of `out` are filled.
    fn open(&mut self, frame: std::ops::Range<usize>, out: &mut [u8]) -> io::Result<Option<usize>> {
        if let Some(why) = self.spent(self.noise.receiving_nonce()) {
            return Err(self.fail(why));
        }
        let inbound = &mut self.inbound;
        if frame.len() < TAG {
            return Err(self.fail(StreamError::Malformed));
        }
        // The cipher needs room for the tag as well, or it works in a buffer it allocates.
        let fits = out.len() >= frame.len();
        let target = if fits {
            &mut *out
        } else {
            inbound.plain.room(frame.len())
        };
        let opened = self
            .noise
            .read_message(&inbound.sealed[frame.clone()], target);
        let Ok(n) = opened else {
            return Err(self.fail(StreamError::Tampered));
        };
        inbound.start = frame.end;
        inbound.closed = n == 0;
        if fits {
            return Ok(Some(n));
        }
        inbound.plain.fill(n);
        Ok(None)
    }

    /// Reads more of the connection; `false` at its end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, self.inbound.room()));
        match read {
            Ok(n) => {
                self.inbound.end += n;
                Poll::Ready(Ok(n > 0))
            }
            Err(error) => Poll::Ready(Err(self.fail_below(error))),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SecureStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        loop {
            let n = this.inbound.plain.take(out);
            if n > 0 || out.is_empty() || this.inbound.closed {
                return Poll::Ready(Ok(n));
            }
            this.usable()?;
            if let Some(frame) = this.inbound.frame() {
                match this.open(frame, out)? {
                    Some(n) => return Poll::Ready(Ok(n)),
                    None => continue,
                }
            }
            if !ready!(this.poll_fill(cx))? {
                return Poll::Ready(Err(this.fail(StreamError::Cut)));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> SecureStream<S> {
    /// Writes the frame on its way out to its end.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let out = &mut self.outbound;
        while out.start < out.end {
            let wrote =
                ready!(Pin::new(&mut self.io).poll_write(cx, &out.sealed[out.start..out.end]));
            match wrote {
                Ok(0) => return Poll::Ready(Err(self.fail(StreamError::Connection))),
                Ok(n) => out.start += n,
                Err(error) => return Poll::Ready(Err(self.fail_below(error))),
            }
        }
        (out.start, out.end) = (0, 0);
        Poll::Ready(Ok(()))
    }

    /// Seals the start of `data`, or what was gathered if that is `None`, once the way out is free.
    fn poll_seal(&mut self, cx: &mut Context<'_>, data: Option<&[u8]>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        if let Some(why) = self.spent(self.noise.sending_nonce()) {
            return Poll::Ready(Err(self.fail(why)));
        }
        let out = &mut self.outbound;
        allocate(&mut out.sealed);
        let plain = data.unwrap_or(out.plain.waiting());
        let Some(end) = Outbound::seal(&mut out.sealed, &mut self.noise, plain) else {
            return Poll::Ready(Err(self.fail(StreamError::Malformed)));
        };
        out.end = end;
        if data.is_none() {
            out.plain.clear();
        }
        Poll::Ready(Ok(()))
    }

    /// Gets everything accepted so far to the connection.
    fn poll_push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.outbound.plain.waiting().is_empty() {
            ready!(self.poll_seal(cx, None))?;
        }
        self.poll_drain(cx)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for SecureStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.usable()?;
        if this.outbound.closed {
            return Poll::Ready(Err(StreamError::Closed.into()));
        }
        if this.outbound.is_full() {
            ready!(this.poll_seal(cx, None))?;
        }
        if this.outbound.plain.waiting().is_empty() && data.len() >= PLAIN_MAX {
            ready!(this.poll_seal(cx, Some(&data[..PLAIN_MAX])))?;
            return Poll::Ready(Ok(PLAIN_MAX));
        }
        Poll::Ready(Ok(this.outbound.plain.append(data, PLAIN_MAX)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.usable()?;
        ready!(this.poll_push(cx))?;
        let flushed = ready!(Pin::new(&mut this.io).poll_flush(cx));
        Poll::Ready(flushed.map_err(|error| this.fail_below(error)))
    }

    /// Sends what was gathered and the last frame, then closes the connection for writing.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.usable()?;
        ready!(this.poll_push(cx))?;
        if !this.outbound.closed {
            ready!(this.poll_seal(cx, Some(&[])))?;
            this.outbound.closed = true;
        }
        ready!(this.poll_drain(cx))?;
        let closed = ready!(Pin::new(&mut this.io).poll_close(cx));
        Poll::Ready(closed.map_err(|error| this.fail_below(error)))
    }
}

#[cfg(test)]
mod tests;
