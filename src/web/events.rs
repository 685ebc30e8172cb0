//! Live hints as server-sent events: where to look again, never what is there.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Extension, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};

use super::access::{Caller, Shown, busy};
use super::state::Api;
use crate::api::event::Hint;
use crate::api::problem::Problem;

/// A comment is sent after this much silence, so that both ends notice a dead connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Opens a stream of hints.
pub(super) async fn events(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let places = places(&api, caller.login)?;
    let watcher = Watcher {
        hints: api.listen(caller.login.map(|shown| shown.staff)),
        ends: api.ends(),
        login: caller.login,
        opening: true,
        over: false,
        api,
        _places: places,
    };
    let stream = futures::stream::unfold(watcher, |mut watcher| async move {
        let hint = watcher.next().await?;
        let event = Event::default().json_data(hint).unwrap_or_default();
        Some((Ok(event), watcher))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

/// A place among all streams, and among those of this login.
fn places(api: &Api, login: Option<Shown>) -> Result<Vec<OwnedSemaphorePermit>, Problem> {
    let mut places = vec![api.streams().try_acquire_owned().map_err(|_| busy())?];
    if let Some(shown) = login {
        let own = api.logins().streams(shown.key).ok_or_else(busy)?;
        places.push(own.try_acquire_owned().map_err(|_| busy())?);
    }
    Ok(places)
}

/// One stream, as seen by who opened it.
struct Watcher {
    api: Api,
    hints: broadcast::Receiver<Hint>,
    ends: watch::Receiver<u64>,
    login: Option<Shown>,
    opening: bool,
    over: bool,
    _places: Vec<OwnedSemaphorePermit>,
}

impl Watcher {
    /// The next hint for this watcher; none when the stream is over.
    async fn next(&mut self) -> Option<Hint> {
        if std::mem::take(&mut self.opening) {
            return Some(Hint::Open);
        }
        loop {
            if self.over {
                return None;
            }
            if let Some(shown) = self.login
                && !self.api.logins().may_watch(shown.key)
            {
                self.over = true;
                let ended = !self.api.logins().is_live(shown.key);
                return ended.then_some(Hint::LoginEnded);
            }
            let hint = tokio::select! {
                // Logins have ended; whether ours has is looked at above.
                _ = self.ends.changed() => continue,
                hint = self.hints.recv() => hint,
            };
            match hint {
                Ok(hint) => return Some(hint),
                Err(broadcast::error::RecvError::Lagged(_)) => return Some(Hint::Everything),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
