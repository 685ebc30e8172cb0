//! What waits to be sent on one link: bytes, counted and bounded.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use super::limits::{CHUNK, OUTBOX_MAX};

/// Bytes of a frame's length on the stream.
pub(crate) const PREFIX: usize = 4;

/// The queue of one link; filled by whoever sends, emptied by the connection's task.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Frames with their lengths, in order.
    waiting: Vec<u8>,
    /// Bytes that were taken and are not yet with the connection.
    taken: usize,
    finished: bool,
    waker: Option<Waker>,
}

/// Why a frame was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotQueued {
    /// The peer has taken too little for too long.
    Full,
    /// Nothing is sent on this link any more.
    Finished,
}

impl Outbox {
    /// Queues a frame.
    pub(crate) fn push(&self, frame: &[u8]) -> Result<(), NotQueued> {
        let mut inner = self.lock();
        if inner.finished {
            return Err(NotQueued::Finished);
        }
        if inner.waiting.len() + inner.taken + PREFIX + frame.len() > OUTBOX_MAX {
            return Err(NotQueued::Full);
        }
        let len = u32::try_from(frame.len()).map_err(|_| NotQueued::Full)?;
        inner.waiting.extend_from_slice(&len.to_be_bytes());
        inner.waiting.extend_from_slice(frame);
        if let Some(waker) = inner.waker.take() {
            drop(inner);
            waker.wake();
        }
        Ok(())
    }

    /// Drops what waits.
    pub(crate) fn discard(&self) {
        self.lock().waiting = Vec::new();
    }

    /// Takes no more frames; what is queued is still sent.
    pub(crate) fn finish(&self) {
        let mut inner = self.lock();
        inner.finished = true;
        if let Some(waker) = inner.waker.take() {
            drop(inner);
            waker.wake();
        }
    }

    /// Exchanges `sent`, whose bytes are all with the connection, for what waits.
    ///
    /// When nothing waits, `cx` is woken by the next frame or by [`finish`](Self::finish).
    pub(crate) fn take(&self, sent: &mut Vec<u8>, cx: &Context<'_>) -> Taken {
        sent.clear();
        // A burst's buffer is given back, or 256 links would keep theirs for ever.
        sent.shrink_to(CHUNK);
        let mut inner = self.lock();
        std::mem::swap(&mut inner.waiting, sent);
        inner.taken = sent.len();
        if !sent.is_empty() {
            return Taken::Bytes;
        }
        if inner.finished {
            return Taken::Finished;
        }
        inner.waker = Some(cx.waker().clone());
        Taken::Nothing
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What [`Outbox::take`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Frames to send.
    Bytes,
    /// None at the moment.
    Nothing,
    /// None, and none will come.
    Finished,
}

#[cfg(test)]
mod tests {
    use futures::task::noop_waker;

    use super::*;

    fn take(outbox: &Outbox, into: &mut Vec<u8>) -> Taken {
        outbox.take(into, &Context::from_waker(&noop_waker()))
    }

    #[test]
    fn frames_leave_in_order_with_their_lengths() {
        let outbox = Outbox::default();
        outbox.push(b"one").unwrap();
        outbox.push(b"").unwrap();
        let mut bytes = b"sent before".to_vec();
        assert_eq!(take(&outbox, &mut bytes), Taken::Bytes);
        assert_eq!(bytes, b"\0\0\0\x03one\0\0\0\0");
        assert_eq!(take(&outbox, &mut bytes), Taken::Nothing);
    }

    #[test]
    fn what_was_taken_counts_until_it_is_with_the_connection() {
        let outbox = Outbox::default();
        let half = vec![0; OUTBOX_MAX / 2 - PREFIX];
        outbox.push(&half).unwrap();
        let mut bytes = Vec::new();
        take(&outbox, &mut bytes);
        outbox.push(&half).unwrap();
        assert_eq!(outbox.push(b""), Err(NotQueued::Full));
        take(&outbox, &mut bytes);
        assert_eq!(outbox.push(b""), Ok(()));
    }

    #[test]
    fn what_is_discarded_is_not_sent_and_what_comes_after_it_is() {
        let outbox = Outbox::default();
        outbox.push(b"one").unwrap();
        outbox.discard();
        outbox.push(b"two").unwrap();
        let mut bytes = Vec::new();
        assert_eq!(take(&outbox, &mut bytes), Taken::Bytes);
        assert_eq!(bytes, b"\0\0\0\x03two");
    }

    #[test]
    fn a_finished_outbox_sends_what_it_holds_and_takes_nothing_more() {
        let outbox = Outbox::default();
        outbox.push(b"bye").unwrap();
        outbox.finish();
        assert_eq!(outbox.push(b"more"), Err(NotQueued::Finished));
        let mut bytes = Vec::new();
        assert_eq!(take(&outbox, &mut bytes), Taken::Bytes);
        assert_eq!(take(&outbox, &mut bytes), Taken::Finished);
    }
}
