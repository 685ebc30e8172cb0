//! A door for browsers: a TCP port, in clear on loopback only.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::{Door, Peer, Site};
use crate::web::routes::router;
use crate::web::state::Api;

/// Connections open at once: every stream of hints that there may be, and requests beside them.
const CONNECTIONS_MAX: usize = 1280;

/// Longest wait for the head of a request; whoever sends it byte by byte is cut off.
const HEAD: Duration = Duration::from_secs(10);

/// Largest head of a request in bytes.
const HEAD_MAX: usize = 16 * 1024;

/// How long connections may finish what they do when the node stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// Pause after the system could not take a connection, so that a lack of file handles is no busy loop.
const BREATH: Duration = Duration::from_millis(100);

/// Why a door for browsers was not opened.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// In clear means: for this machine only.
    #[error("{address} is not loopback, and without TLS browsers are served on loopback only")]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The operating system refused.
    #[error("browsers cannot be served at {address}: {source}")]
    Io {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// An open door for browsers.
pub struct WebDoor {
    listener: TcpListener,
    port: u16,
    site: Site,
}

impl WebDoor {
    /// Opens the door in clear, for browsers on this machine. Port 0 takes a free one.
    pub async fn loopback(address: SocketAddr) -> Result<Self, DoorError> {
        if !address.ip().is_loopback() {
            return Err(DoorError::NotLoopback { address });
        }
        let (listener, port) = listen(address).await?;
        Ok(Self {
            listener,
            port,
            site: Site::loopback(port),
        })
    }

    /// The port it listens at.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it is called.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Serves pages and API until `stop` resolves, then lets requests under way finish.
    pub async fn serve(self, api: Api, stop: impl Future<Output = ()>) {
        let router = router(api, Door::Browser(self.site.clone()));
        let mut connections = JoinSet::new();
        tokio::select! {
            () = self.accept(&router, &mut connections) => {}
            () = stop => {}
        }
        drop(self);
        let _ = tokio::time::timeout(FAREWELL, async {
            while connections.join_next().await.is_some() {}
        })
        .await;
        connections.abort_all();
    }

    async fn accept(&self, router: &Router, connections: &mut JoinSet<()>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            while connections.try_join_next().is_some() {}
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    let peer = Peer(from.ip().to_canonical());
                    connections.spawn(talk(stream, peer, router.clone(), place));
                }
                Err(error) => {
                    warn!(%error, "the door for browsers could not take a connection");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, u16), DoorError> {
    let refused = |source| DoorError::Io { address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let port = listener.local_addr().map_err(refused)?.port();
    Ok((listener, port))
}

async fn talk(stream: TcpStream, peer: Peer, router: Router, _place: OwnedSemaphorePermit) {
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        debug!(%error, "a connection of a browser ended early");
    }
}
