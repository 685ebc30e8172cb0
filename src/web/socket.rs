//! The Unix socket: a door for whoever operates this machine, and nobody else.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::fs::Mode;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::door::Door;
use super::locked::{Locked, locked_router};
use super::routes::router;
use super::state::Api;
use crate::api::SOCKET;
use crate::platform::lock::{Lock, LockError};

/// Connections open at once: all streams of hints and all requests under way.
const CONNECTIONS_MAX: usize = 1280;

/// Longest wait for the head of a request.
const HEAD: Duration = Duration::from_secs(10);

/// How long connections may finish what they do when the node stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// Pause after the system could not take a connection, so that a lack of file handles is no busy loop.
const BREATH: Duration = Duration::from_millis(100);

/// Longest path of a Unix socket in bytes (`sun_path` of Linux without its end).
const PATH_MAX: usize = 107;

/// Why the door was not opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another node listens there.
    #[error("another node already answers at {path}; stop it first")]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The system has a limit for such paths.
    #[error(
        "{path} is too long for a socket (at most {PATH_MAX} bytes); choose a shorter directory"
    )]
    TooLong {
        /// The socket.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// An open door, closed and taken away when dropped.
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    _lock: Lock,
}

impl Socket {
    /// Whether a door could be opened in this directory: the system has a limit for the path.
    pub fn check_place(dir: &Path) -> Result<(), SocketError> {
        let path = dir.join(SOCKET);
        if path.as_os_str().len() > PATH_MAX {
            return Err(SocketError::TooLong { path });
        }
        Ok(())
    }

    /// Opens the door in a node's directory. Must be called inside a Tokio runtime.
    ///
    /// A socket that a killed node left behind is replaced; one that a live node holds is not.
    pub fn open(dir: &Path) -> Result<Self, SocketError> {
        Self::check_place(dir)?;
        let path = dir.join(SOCKET);
        let refused = |source| SocketError::Io {
            path: path.clone(),
            source,
        };
        let lock = match Lock::take(&path.with_extension("lock")) {
            Ok(lock) => lock,
            Err(LockError::Held { .. }) => return Err(SocketError::InUse { path }),
            Err(LockError::Io { source, .. }) => return Err(refused(source)),
        };
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(error)),
            _ => {}
        }
        // The directory keeps others out already; the socket's own mode does so as well.
        let listener = bind_private(&path).map_err(refused)?;
        Ok(Self {
            listener,
            path,
            _lock: lock,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Serves the API until `stop` resolves, then lets requests under way finish.
    pub async fn serve(self, api: Api, stop: impl Future<Output = ()>) {
        self.serve_at_most(CONNECTIONS_MAX, api, stop).await;
    }

    /// Answers that the node is locked until `until` resolves; the door stays open.
    pub async fn serve_locked(&self, locked: &Locked, until: impl Future<Output = ()>) {
        let router = locked_router(locked.clone(), &Door::Socket);
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        tokio::select! {
            () = self.accept(&router, places, &mut connections) => {}
            () = until => {}
        }
        farewell(connections).await;
    }

    pub(super) async fn serve_at_most(
        self,
        connections_max: usize,
        api: Api,
        stop: impl Future<Output = ()>,
    ) {
        let places = Arc::new(Semaphore::new(connections_max));
        let router = router(api.clone(), Door::Socket);
        let mut connections = JoinSet::new();
        let guard = tokio::spawn(api.guard());
        tokio::select! {
            () = self.accept(&router, places, &mut connections) => {}
            () = stop => {}
        }
        guard.abort();
        drop(self);
        farewell(connections).await;
    }

    async fn accept(&self, router: &Router, places: Arc<Semaphore>, connections: &mut JoinSet<()>) {
        loop {
            while connections.try_join_next().is_some() {}
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, _)) if is_ours(&stream) => {
                    let router = router.clone();
                    connections.spawn(async move {
                        talk(stream, router).await;
                        drop(place);
                    });
                }
                Ok(_) => warn!("a connection of another account was turned away from the socket"),
                Err(error) => {
                    warn!(%error, "the socket could not take a connection");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }
}

/// Lets requests under way finish.
async fn farewell(mut connections: JoinSet<()>) {
    let _ = tokio::time::timeout(FAREWELL, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
    connections.abort_all();
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The lock is still held, so this is our own file.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Binds under a name that does not exist yet, narrows the mode, and only then gives it its name.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let fresh = path.with_extension("new");
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&fresh)?;
    rustix::fs::chmod(&fresh, Mode::RUSR | Mode::WUSR)?;
    std::fs::rename(&fresh, path)?;
    Ok(listener)
}

/// Whether whoever connects runs under our account or as root.
fn is_ours(stream: &UnixStream) -> bool {
    let ours = rustix::process::geteuid().as_raw();
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == ours || peer.uid() == 0)
}

pub(super) async fn talk(stream: UnixStream, router: Router) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    if let Err(error) = served {
        debug!(%error, "a connection of a face ended early");
    }
}
