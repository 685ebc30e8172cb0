//! Giving out a backup.

use std::io::{self, BufWriter, Write};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures::stream::{self, Stream};
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::api::backup::BackupRequest;
use crate::api::problem::{Code, Problem};
use crate::domain::audit::{AuditRecord, Deed};
use crate::domain::backup::{By, Made};
use crate::node::backup::recipients;
use crate::web::access::{Caller, busy};
use crate::web::answer::Json;
use crate::web::state::Api;

/// Bytes that are sent at a time.
const PIECE: usize = 256 * 1024;

/// Pieces that wait for a slow reader before the disk is read on.
const WAITING: usize = 4;

/// How long a piece waits for whoever reads.
///
/// Half a minute: a disk or a link that takes less than 9 KiB in a second would take days for a backup,
/// and for as long nobody else makes one, the node's own schedule included.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn make(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<BackupRequest>,
) -> Result<Response, Problem> {
    let recipients =
        recipients(&request.to).map_err(|why| Problem::new(Code::Refused, why.to_string()))?;
    let backups = api.backups().cloned().ok_or_else(busy)?;
    let place = backups.place().ok_or_else(|| {
        Problem::new(Code::Busy, "another backup is being made").remedy("try again when it is done")
    })?;
    let asker = caller.asker();
    let keys = recipients.len() as u8;
    let record = AuditRecord::done(asker.actor, asker.origin, Deed::BackedUp { keys });
    // Before anything leaves, as with every reading.
    api.note(record).await?;
    let now = api.now().wall;
    let pieces = hand_out(place, PATIENCE, move |pieces| {
        let mut out = BufWriter::with_capacity(PIECE, pieces);
        let made = backups.write(&recipients, now, &mut out);
        let made = made.map_err(io::Error::other).and_then(|_| out.flush());
        // What is left in the buffer of a backup that failed is not written again.
        let (pieces, _) = out.into_parts();
        made?;
        backups.note_made(Made {
            at: now,
            by: By::Command,
            bytes: pieces.sent,
        });
        Ok(())
    });
    let kind = HeaderValue::from_static("application/octet-stream");
    let store = HeaderValue::from_static("no-store");
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, store)];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// What `write` writes, while it writes it; the place is free again when it has ended.
///
/// What was not written to its end is not read to one either: whoever reads gets an error.
fn hand_out(
    place: OwnedSemaphorePermit,
    patience: Duration,
    write: impl FnOnce(Pieces) -> io::Result<()> + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (to, pieces) = mpsc::channel(WAITING);
    let (ended, end) = oneshot::channel();
    let pieces_out = Pieces {
        to,
        sent: 0,
        patience,
        runtime: Handle::current(),
    };
    tokio::task::spawn_blocking(move || {
        let _place = place;
        // Whoever read may have gone.
        let _ = ended.send(write(pieces_out));
    });
    stream::unfold((pieces, Some(end)), async |(mut pieces, end)| {
        if let Some(piece) = pieces.recv().await {
            return Some((Ok(piece), (pieces, end)));
        }
        let ended = end?.await.unwrap_or_else(|_| Err(broken()));
        ended.err().map(|why| (Err(why), (pieces, None)))
    })
}

fn broken() -> io::Error {
    io::Error::other("the backup was not made to its end")
}

/// Hands on what is written to it.
struct Pieces {
    to: mpsc::Sender<Bytes>,
    sent: u64,
    /// How long a piece waits for whoever reads.
    patience: Duration,
    runtime: Handle,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(bytes);
        let sent = self.to.send_timeout(piece, self.patience);
        self.runtime.block_on(sent).map_err(|why| match why {
            SendTimeoutError::Timeout(_) => io::ErrorKind::TimedOut,
            SendTimeoutError::Closed(_) => io::ErrorKind::BrokenPipe,
        })?;
        self.sent += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::StreamExt as _;
    use tokio::sync::Semaphore;

    use super::*;

    fn place() -> (Arc<Semaphore>, OwnedSemaphorePermit) {
        let places = Arc::new(Semaphore::new(1));
        let place = places.clone().try_acquire_owned().expect("one is free");
        (places, place)
    }

    /// Writes so many pieces.
    fn writes(count: usize) -> impl FnOnce(Pieces) -> io::Result<()> + Send + 'static {
        move |mut pieces| (0..count).try_for_each(|_| pieces.write_all(b"piece"))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_takes_nothing_of_a_backup_keeps_nobody_from_making_one() {
        let (places, place) = place();
        let patience = Duration::from_millis(20);
        let pieces = hand_out(place, patience, writes(WAITING + 1));
        let _free = places.acquire().await.expect("it is never closed");
        let taken: Vec<io::Result<Bytes>> = pieces.collect().await;
        assert_eq!(taken.len(), WAITING + 1);
        let last = taken.last().expect("just counted").as_ref();
        let why = last.expect_err("it has no end").kind();
        assert_eq!(why, io::ErrorKind::TimedOut);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_takes_a_backup_gets_all_of_it_and_an_end() {
        let (_places, place) = place();
        let pieces = hand_out(place, PATIENCE, writes(3 * WAITING));
        let taken: Vec<io::Result<Bytes>> = pieces.collect().await;
        assert_eq!(taken.len(), 3 * WAITING);
        assert!(taken.iter().all(Result::is_ok));
    }
}
