//! Frames on a stream: four bytes of length, big-endian, then the frame.
//!
//! The length is judged before anything is read for it. Both directions work in one buffer each, so
//! a frame is copied once between the network and its decoder.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};

use super::limits::CHUNK;
use super::outbox::{Outbox, PREFIX, Taken};
use crate::channel::PLAIN_MAX;
use crate::wire::{FRAME_MAX, Frame};

/// Why no more frames can be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The peer will send nothing more.
    End,
    /// The stream failed.
    Io,
    /// A frame is longer than frames are, or does not decode.
    Malformed,
}

/// The reading half.
#[derive(Debug)]
pub(crate) struct Reader {
    buffer: Vec<u8>,
    /// The part of `buffer` that was read and not yet decoded.
    start: usize,
    end: usize,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
        }
    }

    /// The next frame.
    pub(crate) fn poll_frame<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Frame, ReadError>> {
        loop {
            if let Some(frame) = self.next()? {
                return Poll::Ready(Ok(frame));
            }
            self.make_room();
            let read = Pin::new(&mut *stream).poll_read(cx, &mut self.buffer[self.end..]);
            match ready!(read) {
                Ok(0) if self.start == self.end => return Poll::Ready(Err(ReadError::End)),
                Ok(0) | Err(_) => return Poll::Ready(Err(ReadError::Io)),
                Ok(n) => self.end += n,
            }
        }
    }

    /// Decodes the next frame if all of it is here.
    fn next(&mut self) -> Result<Option<Frame>, ReadError> {
        let Some(len) = self.announced() else {
            return Ok(None);
        };
        if len > FRAME_MAX {
            return Err(ReadError::Malformed);
        }
        let body = self.start + PREFIX;
        if self.end < body + len {
            return Ok(None);
        }
        let frame = Frame::decode(&self.buffer[body..body + len]);
        self.start = body + len;
        frame.map(Some).map_err(|_| ReadError::Malformed)
    }

    /// The length of the next frame, once it is here.
    fn announced(&self) -> Option<usize> {
        let prefix = self.buffer[self.start..self.end].first_chunk::<PREFIX>()?;
        usize::try_from(u32::from_be_bytes(*prefix)).ok()
    }

    /// Makes room behind `end` for the rest of the next frame, and gives back what a large one took.
    fn make_room(&mut self) {
        let want = PREFIX + self.announced().unwrap_or(0);
        if self.start > 0 && (self.start == self.end || self.start + want > self.buffer.len()) {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let size = want.max(CHUNK);
        if size > self.buffer.len() || self.end == 0 {
            self.buffer.resize(size, 0);
            self.buffer.shrink_to(size);
        }
    }
}

/// The writing half.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    start: usize,
    flushed: Flushed,
    written: u64,
    flushes: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Flushed {
    /// Also at the beginning: the stream's protocol is named with the first flush.
    #[default]
    No,
    Yes,
}

/// What [`Writer::poll_send`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// All there was, and no more will come.
    Everything,
}

impl Writer {
    /// Sends what waits in `outbox`; many small frames leave together.
    ///
    /// Pending while the outbox is empty or the peer takes no more.
    pub(crate) fn poll_send<S: AsyncWrite + Unpin>(
        &mut self,
        outbox: &Outbox,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Sent>> {
        loop {
            while self.start < self.bytes.len() {
                let rest = &self.bytes[self.start..];
                let n = ready!(Pin::new(&mut *stream).poll_write(cx, rest))?;
                if n == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.start += n;
                self.written += n as u64;
                self.flushed = Flushed::No;
            }
            self.start = 0;
            let taken = outbox.take(&mut self.bytes, cx);
            if taken == Taken::Bytes {
                continue;
            }
            if self.flushed == Flushed::No {
                ready!(Pin::new(&mut *stream).poll_flush(cx))?;
                self.flushed = Flushed::Yes;
                self.flushes += 1;
            }
            return match taken {
                Taken::Finished => Poll::Ready(Ok(Sent::Everything)),
                Taken::Bytes | Taken::Nothing => Poll::Pending,
            };
        }
    }

    /// How many frames of the secure channel that made, or a few more: each flush ends one.
    pub(crate) const fn carried(&self) -> u64 {
        self.written / PLAIN_MAX as u64 + self.flushes
    }
}

#[cfg(test)]
mod tests;
