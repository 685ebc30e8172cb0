//! A node that is locked: its store waits for the first person who knows a password.
//!
//! Nothing of the clinic can be read yet, so nothing of it is served: the page, one route that takes a
//! name and a password, and for everything else the same answer, which says what to do.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::{Notify, Semaphore};
use tracing::{info, warn};

use super::Timepiece;
use super::answer::{Answer, Json};
use super::assets::{asset, page};
use super::door::{Door, Peer, judge};
use super::login::Tries;
use crate::api::BODY_MAX;
use crate::api::login::{Done, NodeUnlockRequest};
use crate::api::problem::{Code, Problem};
use crate::api::routes::NODE_UNLOCK;
use crate::domain::audit::Origin;
use crate::domain::id::StaffId;
use crate::node::{StaffKey, StaffSecret, StaffSlotError, plain_name, unlock_by_staff};

/// Tries that wait for the one that is looked at: each takes 256 MiB and over half a second.
const WAITING: usize = 8;

/// Longest time a request may take: as long as all who wait take on a slow machine.
const REQUEST: Duration = Duration::from_secs(30);

/// Most wrong tries that go on record when the node is unlocked: enough to see that somebody tried.
const REFUSED_MAX: u32 = 32;

/// A locked node. Cheap to clone.
#[derive(Clone)]
pub struct Locked(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    now: Timepiece,
    tries: Arc<Tries>,
    queue: Arc<Semaphore>,
    place: Arc<Semaphore>,
    refused: AtomicU32,
    unlocked: Mutex<Stage>,
    told: Notify,
}

enum Stage {
    /// Nobody has shown a password that opens the store.
    Locked,
    /// Somebody has.
    Unlocked(Unlocked, StaffKey),
    /// The store is being opened.
    Opening,
}

/// Who has unlocked a node, for the audit trail, and what was tried before.
#[derive(Clone, Debug)]
pub struct Unlocked {
    /// Who.
    pub(super) staff: StaffId,
    /// Through which kind of door.
    pub(super) origin: Origin,
    /// Wrong tries before, as far as they are counted.
    pub(super) refused: u32,
    /// Whose passwords were tried, and from where: it is counted on from there.
    pub(super) tries: Arc<Tries>,
}

impl Locked {
    /// The locked node in `dir`.
    pub fn new(dir: &Path, now: Timepiece) -> Self {
        Self(Arc::new(Inner {
            dir: dir.to_owned(),
            now,
            tries: Arc::new(Tries::none()),
            queue: Arc::new(Semaphore::new(WAITING + 1)),
            place: Arc::new(Semaphore::new(1)),
            refused: AtomicU32::new(0),
            unlocked: Mutex::new(Stage::Locked),
            told: Notify::new(),
        }))
    }

    /// Waits until somebody unlocks the node; gives the key of its store, once.
    pub async fn unlocked(&self) -> (Unlocked, StaffKey) {
        loop {
            if let Some(found) = self.take() {
                return found;
            }
            self.0.told.notified().await;
        }
    }

    fn take(&self) -> Option<(Unlocked, StaffKey)> {
        let mut stage = self.stage();
        match std::mem::replace(&mut *stage, Stage::Opening) {
            Stage::Unlocked(who, key) => Some((who, key)),
            before => {
                *stage = before;
                None
            }
        }
    }

    fn stage(&self) -> std::sync::MutexGuard<'_, Stage> {
        self.0
            .unlocked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn is_locked(&self) -> bool {
        matches!(*self.stage(), Stage::Locked)
    }

    /// What everything else is answered.
    fn problem(&self) -> Problem {
        if !self.is_locked() {
            return Problem::new(Code::NodeLocked, "this node is being unlocked")
                .remedy("wait a moment and try again")
                .after(1);
        }
        Problem::new(Code::NodeLocked, "this node is locked since it was started").remedy(
            "open its page in a browser and unlock it with your name and password, or start it with \
             its passphrase or key file",
        )
    }

    async fn try_with(
        &self,
        from: Option<IpAddr>,
        request: &NodeUnlockRequest,
    ) -> Result<(), Problem> {
        let busy = || super::access::busy();
        let queued = self.0.queue.clone().try_acquire_owned();
        let queued = queued.map_err(|_| busy())?;
        let name = plain_name(&request.name);
        self.0.tries.book(&name, from, (self.0.now)().wall)?;
        let place = self.0.place.clone().acquire_owned().await;
        let place = place.map_err(|_| busy())?;
        if !self.is_locked() {
            self.0.tries.settle(&name, from);
            return Err(self.problem());
        }
        let secret = StaffSecret::new(&request.name, &request.password);
        let locked = self.clone();
        // Whoever hangs up does not end the work, so the places belong to the work.
        let looked_at = tokio::task::spawn_blocking(move || {
            let _held = (queued, place);
            locked.look_at(&secret, &name, from)
        });
        let undone = || Problem::new(Code::Internal, "the try was not looked at");
        looked_at.await.map_err(|_| undone())?
    }

    /// Looks at one try, which takes half a second and 256 MiB.
    fn look_at(
        &self,
        secret: &StaffSecret,
        name: &str,
        from: Option<IpAddr>,
    ) -> Result<(), Problem> {
        match unlock_by_staff(&self.0.dir, secret) {
            Ok(key) => {
                self.open(key, from);
                self.0.tries.settle(name, from);
                Ok(())
            }
            Err(StaffSlotError::Wrong) => Err(self.refuse()),
            Err(error) => {
                warn!(%error, "a try to unlock the node could not be looked at");
                Err(
                    Problem::new(Code::Internal, "this node cannot look at passwords now")
                        .remedy("start it with its passphrase or key file, and look at its log"),
                )
            }
        }
    }

    fn open(&self, key: StaffKey, from: Option<IpAddr>) {
        info!("the node is unlocked by a staff member's password");
        let origin = from.map_or(Origin::Socket, |_| Origin::Browser);
        let unlocked = Unlocked {
            staff: key.staff,
            origin,
            refused: self.0.refused.load(Ordering::Relaxed).min(REFUSED_MAX),
            tries: Arc::clone(&self.0.tries),
        };
        *self.stage() = Stage::Unlocked(unlocked, key);
        self.0.told.notify_one();
    }

    fn refuse(&self) -> Problem {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
        warn!("a name and password did not unlock the node");
        Problem::new(Code::LoginRefused, "that is not right").remedy(
            "it takes the name and password of somebody who has signed in here with them before",
        )
    }
}

/// The routes of one door of a locked node.
pub(super) fn locked_router(locked: Locked, door: &Door) -> Router {
    let mut router = Router::new().route(NODE_UNLOCK, post(unlock));
    if door.site().is_some() {
        router = router
            .route("/", get(page))
            .route("/assets/{name}", get(asset));
    }
    let router = router
        .fallback(refuse)
        .method_not_allowed_fallback(refuse)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn(in_time))
        .with_state(locked);
    let router = match door.site() {
        None => router,
        Some(site) => router.layer(from_fn_with_state(site.clone(), judge)),
    };
    router.layer(map_response(last))
}

async fn refuse(State(locked): State<Locked>) -> Problem {
    locked.problem()
}

async fn unlock(
    State(locked): State<Locked>,
    peer: Option<Extension<Peer>>,
    Json(request): Json<NodeUnlockRequest>,
) -> Answer<Done> {
    let from = peer.map(|Extension(Peer(address))| address);
    locked.try_with(from, &request).await?;
    Ok(Json(Done {}))
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => super::access::too_slow().into_response(),
    }
}

/// Each connection ends with its answer, so that none outlives the lock.
async fn last(mut response: Response) -> Response {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

#[cfg(test)]
mod tests;
