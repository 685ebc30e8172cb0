//! How the layer above speaks to the network: never waiting.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::trace;

use super::book::Source;
use super::link::{Ended, Link, LinkId};
use super::notebook::{Notebook, Observed};
use super::outbox::NotQueued;
use super::secure::Secure;
use crate::channel::renewal::Renewer;
use crate::domain::id::DeviceId;
use crate::domain::sign::Signed;
use crate::domain::trust::{Credentials, Refusal};
use crate::wire::{FRAME_MAX, Frame};

/// Who to stay connected to, and where they may be found besides what discovery says.
pub type Wanted = BTreeMap<DeviceId, Vec<(SocketAddr, Source)>>;

/// How often it is looked whether everyone has answered.
const LOOK: Duration = Duration::from_millis(50);

/// Why a frame was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no such link, or not any more; the event that says so is on its way.
    #[error("the link is down")]
    Down,
    /// The peer took too little for too long. The link is cut.
    #[error("the link's queue is full; the link is cut")]
    Full,
    /// The frame is larger than frames may be; nothing was sent.
    #[error("a frame of {0} bytes where at most {FRAME_MAX} are allowed")]
    TooLarge(usize),
}

/// The links that are up.
pub(crate) type Registry = Arc<RwLock<HashMap<LinkId, Arc<Link>>>>;

#[derive(Debug)]
pub(crate) enum Command {
    Close {
        link: LinkId,
        why: Refusal,
    },
    Introduce {
        device: DeviceId,
        addresses: Vec<SocketAddr>,
    },
    Try {
        addresses: Vec<SocketAddr>,
    },
    Stop {
        done: oneshot::Sender<()>,
    },
}

/// The network of a running node. The network stops when the last clone is dropped.
#[derive(Clone)]
pub struct Handle {
    pub(super) links: Registry,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) wanted: Arc<watch::Sender<Wanted>>,
    pub(super) listeners: watch::Receiver<Vec<SocketAddr>>,
    pub(super) secure: Secure,
    pub(super) renewer: Renewer,
    pub(super) notebook: Notebook,
}

impl Handle {
    /// Queues a frame on a link. It has been sent when the peer's frames say so, not before.
    pub fn send(&self, link: LinkId, frame: &Frame) -> Result<(), SendError> {
        let Some(link) = self.link(link) else {
            return Err(SendError::Down);
        };
        let bytes = frame.encode();
        if bytes.len() > FRAME_MAX {
            return Err(SendError::TooLarge(bytes.len()));
        }
        let (frame, space) = frame.kind();
        trace!(frame, space, bytes = bytes.len(), "frame queued");
        link.outbox.push(&bytes).map_err(|error| match error {
            NotQueued::Finished => SendError::Down,
            NotQueued::Full => {
                link.cut(Ended::Closed(Refusal::TooSlow));
                SendError::Full
            }
        })
    }

    /// Drops what is queued on a link; what is already with the connection still leaves.
    pub fn silence(&self, link: LinkId) {
        if let Some(link) = self.link(link) {
            link.outbox.discard();
        }
    }

    /// Closes a link after what is queued was sent, or after a second. To tell the peer why, queue
    /// [`Frame::Bye`] first.
    pub fn close(&self, link: LinkId, why: Refusal) {
        let Some(shared) = self.link(link) else {
            return;
        };
        shared.note(Ended::Closed(why));
        if self
            .commands
            .try_send(Command::Close { link, why })
            .is_err()
        {
            shared.cut(Ended::Closed(why));
        }
    }

    /// Stays connected to these devices from now on. Links to others remain until they end.
    pub fn set_wanted(&self, wanted: Wanted) {
        self.wanted.send_replace(wanted);
    }

    /// Adds addresses of a device that a peer told. Left out while too many commands wait.
    pub fn introduce(&self, device: DeviceId, addresses: Vec<SocketAddr>) {
        let _hint = self
            .commands
            .try_send(Command::Introduce { device, addresses });
    }

    /// Shows these credentials from the next handshake on, after a renewal.
    pub fn renew(&self, credentials: Credentials) {
        self.secure.renew(credentials);
    }

    /// Lets devices whose certificates have ended ask to be renewed; who may ask was judged before.
    pub fn serve_renewals(
        &self,
        sign: impl Fn(DeviceId) -> BoxFuture<'static, Result<Signed, Refusal>> + Send + Sync + 'static,
    ) {
        self.renewer.serve(sign);
    }

    /// Where the node listens.
    pub fn listeners(&self) -> Vec<SocketAddr> {
        self.listeners.borrow().clone()
    }

    /// What the network saw of others lately.
    pub fn observed(&self) -> Observed {
        self.notebook.read(self.listeners())
    }

    /// The same, after everyone who is away and whoever is at these addresses was tried once more, or
    /// after `patience`.
    pub async fn observed_anew(&self, addresses: Vec<SocketAddr>, patience: Duration) -> Observed {
        let since = Instant::now();
        let tried = addresses.clone();
        // A full queue tries nobody, and the answer is what was seen before.
        let _hint = self.commands.try_send(Command::Try { addresses });
        while since.elapsed() < patience && self.notebook.waits(&tried, since) {
            tokio::time::sleep(LOOK).await;
        }
        self.observed()
    }

    /// Closes every link in good order and stops listening. Returns when that is done.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.commands.send(Command::Stop { done }).await.is_ok() {
            // An error says that the task is gone, which is what we wait for.
            let _stopped = stopped.await;
        }
    }

    /// Queues bytes that need not be a frame.
    #[cfg(test)]
    pub(crate) fn send_raw(&self, link: LinkId, bytes: &[u8]) {
        let link = self.link(link).expect("the link is up");
        link.outbox.push(bytes).expect("the queue has room");
    }

    /// Lets a link look as if it had carried almost all that it may.
    #[cfg(test)]
    pub(crate) fn wear(&self, link: LinkId) {
        let link = self.link(link).expect("the link is up");
        link.carry(crate::channel::FRAMES_MAX);
    }

    fn link(&self, link: LinkId) -> Option<Arc<Link>> {
        let links = self.links.read().unwrap_or_else(PoisonError::into_inner);
        links.get(&link).cloned()
    }
}
