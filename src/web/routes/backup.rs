//! Giving out a backup.

use std::io::{self, BufWriter, Write};

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use tokio::sync::mpsc;

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
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let mut out = BufWriter::with_capacity(PIECE, Pieces::to(sender.clone()));
        let made = backups.write(&recipients, now, &mut out);
        let made = made.map_err(io::Error::other).and_then(|_| out.flush());
        match made {
            Ok(()) => backups.note_made(Made {
                at: now,
                by: By::Command,
                bytes: out.get_ref().sent,
            }),
            Err(why) => {
                // Whoever reads sees a file without an end; if they have gone, nobody needs to know.
                let _ = sender.blocking_send(Err(why));
            }
        }
    });
    let pieces = stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    });
    let kind = HeaderValue::from_static("application/octet-stream");
    let store = HeaderValue::from_static("no-store");
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, store)];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// Hands on what is written to it.
struct Pieces {
    to: mpsc::Sender<io::Result<Bytes>>,
    sent: u64,
}

impl Pieces {
    fn to(to: mpsc::Sender<io::Result<Bytes>>) -> Self {
        Self { to, sent: 0 }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(bytes);
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.to.blocking_send(Ok(piece)).map_err(gone)?;
        self.sent += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
