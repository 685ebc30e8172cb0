//! A door for browsers: a TCP port, in clear on loopback only, else by TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use super::limits::Addresses;
use super::{Door, LockedDoor, Peer, Site, tls};
use crate::domain::web::WebCertificate;
use crate::node::engine::Changed;
use crate::platform::web_key::WebKey;
use crate::web::locked::{Locked, locked_router};
use crate::web::routes::router;
use crate::web::state::Api;

/// Connections open at once: every stream of hints that there may be, and requests beside them.
const CONNECTIONS_MAX: usize = 1280;

/// Longest wait for the end of the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Longest wait for the head of a request; whoever sends it byte by byte is cut off.
const HEAD: Duration = Duration::from_secs(10);

/// Largest head of a request in bytes.
const HEAD_MAX: u32 = 16 * 1024;

/// Requests and streams at once within one HTTP/2 connection, which is one browser's.
const STREAMS_MAX: u32 = 32;

/// How often an HTTP/2 connection has to show that it is alive.
const ALIVE: Duration = Duration::from_secs(20);

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
    /// The key that TLS shows; none in clear.
    key: Option<WebKey>,
}

/// What connections are served with.
#[derive(Clone)]
struct Served {
    router: Router,
    tls: Option<TlsAcceptor>,
}

impl WebDoor {
    /// Opens the door in clear, for browsers on this machine. Port 0 takes a free one.
    pub async fn loopback(address: SocketAddr) -> Result<Self, DoorError> {
        if !address.ip().is_loopback() {
            return Err(DoorError::NotLoopback { address });
        }
        Self::open(address, None).await
    }

    /// Opens the door by TLS. Browsers are served from the moment that the clinic record has a
    /// certificate of this key.
    pub async fn network(address: SocketAddr, key: WebKey) -> Result<Self, DoorError> {
        Self::open(address, Some(key)).await
    }

    async fn open(address: SocketAddr, key: Option<WebKey>) -> Result<Self, DoorError> {
        let refused = |source| DoorError::Io { address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let port = listener.local_addr().map_err(refused)?.port();
        Ok(Self {
            listener,
            port,
            key,
        })
    }

    /// Shows the page of a locked node until `until` resolves; the door stays open.
    ///
    /// By TLS it shows what it is given; without that, whoever connects is hung up on.
    pub async fn serve_locked(
        &self,
        locked: &Locked,
        shown: Option<&LockedDoor>,
        until: impl Future<Output = ()>,
    ) {
        let (served, serving) = watch::channel(self.locked(locked, shown));
        let mut connections = JoinSet::new();
        tokio::select! {
            () = self.accept(serving, &mut connections) => {}
            () = until => {}
        }
        drop(served);
        farewell(connections).await;
    }

    fn locked(&self, locked: &Locked, shown: Option<&LockedDoor>) -> Option<Served> {
        let (site, tls) = match (&self.key, shown) {
            (None, _) => (Site::loopback(self.port), None),
            (Some(_), None) => return None,
            (Some(_), Some(shown)) => {
                let config = tls::locked_config(shown);
                let config = config.inspect_err(
                    |error| warn!(%error, "the certificate for browsers cannot be used"),
                );
                let site = Site::network(&shown.certificate.names, self.port);
                (site, Some(Arc::new(config.ok()?).into()))
            }
        };
        info!(address = site.address(), "browsers can unlock the node");
        let router = locked_router(locked.clone(), &Door::Browser(site));
        Some(Served { router, tls })
    }

    /// The same door of the network with the node's own key, once that is known.
    #[must_use]
    pub fn with_key(mut self, key: WebKey) -> Self {
        self.key = Some(key);
        self
    }

    /// The port it listens at.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Serves pages and API until `stop` resolves, then lets requests under way finish.
    pub async fn serve(mut self, api: Api, stop: impl Future<Output = ()>) {
        let (served, serving) = watch::channel(None);
        let key = self.key.take();
        if key.is_none() {
            open(&api, &served, Site::loopback(self.port), None);
        }
        let mut connections = JoinSet::new();
        tokio::select! {
            () = self.accept(serving, &mut connections) => {}
            () = follow(&api, key, self.port, &served) => {}
            () = stop => {}
        }
        drop(self);
        farewell(connections).await;
    }

    async fn accept(&self, served: watch::Receiver<Option<Served>>, connections: &mut JoinSet<()>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let addresses = Addresses::default();
        loop {
            while connections.try_join_next().is_some() {}
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    let peer = Peer(from.ip().to_canonical());
                    let served = served.borrow().clone();
                    // Whoever has too many connections, or comes before there is a certificate, is
                    // hung up on.
                    if let Some((served, own)) = served.zip(addresses.place(peer.0)) {
                        connections.spawn(async move {
                            talk(stream, peer, served).await;
                            drop((place, own));
                        });
                    }
                }
                Err(error) => {
                    warn!(%error, "the door for browsers could not take a connection");
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

/// Keeps what TLS shows up to date: the certificate may come, and be renewed, while the node runs.
async fn follow(api: &Api, key: Option<WebKey>, port: u16, served: &watch::Sender<Option<Served>>) {
    let Some(key) = key else {
        return std::future::pending().await;
    };
    let mut hints = api.hints();
    let mut shown: Option<WebCertificate> = None;
    loop {
        let newest = api.own_web_certificate().await;
        if let Some(certificate) = newest.filter(|newest| shown.as_ref() != Some(newest)) {
            match tls::config(&certificate, &key) {
                Ok(config) => {
                    let site = Site::network(&certificate.names, port);
                    open(api, served, site, Some(Arc::new(config).into()));
                    api.unlocking().show_while_locked(&certificate, &key);
                }
                Err(error) => warn!(%error, "the certificate for browsers cannot be used"),
            }
            shown = Some(certificate);
        }
        loop {
            match hints.recv().await {
                Ok(Changed::Record) | Err(broadcast::error::RecvError::Lagged(_)) => break,
                Ok(_) => {}
                Err(broadcast::error::RecvError::Closed) => return std::future::pending().await,
            }
        }
    }
}

fn open(api: &Api, served: &watch::Sender<Option<Served>>, site: Site, tls: Option<TlsAcceptor>) {
    info!(address = site.address(), "browsers are served");
    api.opened(&site);
    let router = router(api.clone(), Door::Browser(site));
    served.send_replace(Some(Served { router, tls }));
}

async fn talk(stream: TcpStream, peer: Peer, served: Served) {
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let Some(tls) = served.tls else {
        return by_http1(stream, peer, served.router).await;
    };
    let stream = match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return debug!(%error, "a browser's handshake failed"),
        Err(_) => return debug!("a browser's handshake took too long"),
    };
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => by_http2(stream, peer, served.router).await,
        _ => by_http1(stream, peer, served.router).await,
    }
}

async fn by_http1(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: Peer,
    router: Router,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request| router.call(from(peer, request)));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_MAX as usize)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        debug!(%error, "a connection of a browser ended early");
    }
}

async fn by_http2(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: Peer,
    router: Router,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request| router.call(from(peer, request)));
    let served = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_MAX)
        .keep_alive_interval(ALIVE)
        .keep_alive_timeout(ALIVE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        debug!(%error, "a connection of a browser ended early");
    }
}

fn from(peer: Peer, mut request: hyper::Request<Incoming>) -> hyper::Request<Incoming> {
    request.extensions_mut().insert(peer);
    request
}
