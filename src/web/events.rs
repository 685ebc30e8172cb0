//! Live hints as server-sent events: where to look again, never what is there.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};

use super::access::{Caller, Shown, busy};
use super::state::Api;
use crate::api::clinic::{author_name, device_name, space_name, staff_name};
use crate::api::conversation::id_of;
use crate::api::event::Hint;
use crate::api::problem::Problem;
use crate::domain::id::DeviceId;
use crate::domain::record::Clinic;
use crate::domain::space::Space;
use crate::node::engine::Changed;

/// A comment is sent after this much silence, so that both ends notice a dead connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Opens a stream of hints.
pub(super) async fn events(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let places = places(&api, caller.login)?;
    let watcher = Watcher {
        hints: api.hints(),
        ends: api.ends(),
        clinic: api.clinic().await?,
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
    hints: broadcast::Receiver<Changed>,
    ends: watch::Receiver<u64>,
    clinic: Arc<Clinic>,
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
            let changed = tokio::select! {
                // Logins have ended; whether ours has is looked at above.
                _ = self.ends.changed() => continue,
                changed = self.hints.recv() => changed,
            };
            match changed {
                Ok(changed) => {
                    if let Some(hint) = self.hint(changed).await {
                        return Some(hint);
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => return Some(Hint::Everything),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// What a change means to this watcher; nothing if it is none of their business.
    async fn hint(&mut self, changed: Changed) -> Option<Hint> {
        if changed == Changed::Record {
            self.clinic = self.api.clinic().await.ok()?;
        }
        if let Some(shown) = self.login
            && !self.concerns(&changed, shown)
        {
            return None;
        }
        hint_of(&self.clinic, changed)
    }

    fn concerns(&self, changed: &Changed, shown: Shown) -> bool {
        match changed {
            Changed::Space(space)
            | Changed::Receipts { space, .. }
            | Changed::PurgeAttested { space, .. } => {
                space.is_conversation() && self.clinic.is_in(&shown.staff, space)
            }
            Changed::Stored { log, .. } => {
                log.space.is_conversation() && self.clinic.is_in(&shown.staff, &log.space)
            }
            Changed::Typing { space, staff } => {
                *staff != shown.staff && self.clinic.is_in(&shown.staff, space)
            }
            Changed::Presence { .. }
            | Changed::Connected { .. }
            | Changed::Disconnected { .. }
            | Changed::Discovered { .. }
            | Changed::Record
            | Changed::Purged { .. }
            | Changed::Revoked => true,
            Changed::Fork(_) => false,
        }
    }
}

/// A change in words. Changes of spaces that no face shows are left out.
fn hint_of(clinic: &Clinic, changed: Changed) -> Option<Hint> {
    let device = |device: &DeviceId| device_name(clinic, device);
    let hint = match changed {
        Changed::Space(space) => on_space(clinic, &space)?,
        Changed::Receipts {
            space,
            by,
            author,
            epoch,
            seq,
        } => match id_of(&space) {
            Some(conversation) => Hint::Receipts {
                conversation,
                name: space_name(clinic, &space),
                by: author_name(clinic, &by),
                of: author_name(clinic, &author),
                epoch: format!("{:x}", epoch.0),
                seq,
            },
            None => on_trail(clinic, &space, Some(author_name(clinic, &by)))?,
        },
        Changed::Stored { log, seq } => match id_of(&log.space) {
            Some(conversation) => Hint::Stored {
                conversation,
                name: space_name(clinic, &log.space),
                of: author_name(clinic, &log.author),
                epoch: format!("{:x}", log.epoch.0),
                seq,
            },
            None => on_trail(clinic, &log.space, None)?,
        },
        Changed::Typing { space, staff } => Hint::Typing {
            conversation: id_of(&space)?,
            staff: staff.to_string(),
            by: staff_name(clinic, &staff),
        },
        Changed::Presence { staff } => Hint::Presence {
            staff: staff.to_string(),
        },
        Changed::Discovered { peer } => Hint::Discovered {
            peer: peer.map(|peer| device(&peer)),
        },
        Changed::Connected { peer } => Hint::Connected {
            peer: device(&peer),
            device: peer.to_string(),
        },
        Changed::Disconnected { peer, why } => Hint::Disconnected {
            peer: device(&peer),
            device: peer.to_string(),
            why: why.map(|why| why.to_string()),
        },
        Changed::Record => Hint::Record,
        Changed::Fork(log) => Hint::Fork {
            author: author_name(clinic, &log.author),
            place: space_name(clinic, &log.space),
        },
        Changed::Purged { horizon } => Hint::Purged {
            horizon: horizon.to_string(),
        },
        Changed::PurgeAttested { by, space, horizon } => Hint::PurgeAttested {
            by: author_name(clinic, &by),
            place: space_name(clinic, &space),
            horizon: horizon.to_string(),
        },
        Changed::Revoked => Hint::Revoked,
    };
    Some(hint)
}

fn on_space(clinic: &Clinic, space: &Space) -> Option<Hint> {
    match id_of(space) {
        Some(conversation) => Some(Hint::Conversation {
            conversation,
            name: space_name(clinic, space),
        }),
        None => on_trail(clinic, space, None),
    }
}

fn on_trail(clinic: &Clinic, space: &Space, by: Option<String>) -> Option<Hint> {
    let Space::Audit(device) = space else {
        return None;
    };
    Some(Hint::Trail {
        of: device_name(clinic, device),
        by,
    })
}
