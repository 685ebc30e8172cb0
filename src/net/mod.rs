//! The network: the libp2p swarm, discovery and the address book.
//!
//! # Promises
//!
//! - A link exists only with a device that passed the handshake of [`channel`](crate::channel) and
//!   that the newest trust admits; when that changes, the link is cut at once.
//! - There is at most one link to a device at any moment, and both sides keep the same one.
//! - For each link the events come in order: [`Event::LinkUp`], its frames, [`Event::LinkDown`].
//! - Wanted devices are dialled until they are reached; discovery and configuration yield addresses,
//!   never trust.
//! - Every queue, table and retry is bounded (`limits.rs`). A layer above that is slow makes the peers
//!   wait; a peer that is slow is cut when its queue is full.
//! - Peer ids, addresses of the transport and streams stay here; above, a peer is a
//!   `DeviceId` and a link a [`LinkId`].
//!
//! # Streams
//!
//! After the handshake both sides speak yamux. The dialler opens one stream, `/clinic-mesh/sync/1`
//! (multistream-select 1.0.0), which stays for the life of the connection and carries frames: four
//! bytes of length, big-endian, at most [`FRAME_MAX`](crate::wire::FRAME_MAX), then the frame.

mod address;
mod behaviour;
mod book;
pub mod discovery;
pub mod enrol;
mod framing;
mod handle;
mod handler;
mod limits;
mod link;
mod notebook;
mod outbox;
mod patience;
mod redial;
mod refused;
mod roster;
mod secure;
mod socket;
mod task;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use zeroize::Zeroizing;

pub use crate::channel::MeshKeyUse;
use crate::domain::cert::Certificate;
use crate::domain::id::{DeviceId, Hash};
use crate::domain::time::WallTime;
use crate::domain::trust::{Credentials, Issuer, Reach, Refusal, TrustView};
use crate::wire::Frame;
pub use book::Source;
pub use handle::{Handle, SendError, Wanted};
pub use link::{Ended, LinkId, Role};
pub use notebook::{Announced, Linked, Noted, Observed, What};
pub use task::{StartError, start};

/// The wall clock; the network has none of its own.
pub type Clock = Arc<dyn Fn() -> WallTime + Send + Sync>;

/// Where and how the network works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Addresses to listen on; port 0 takes any free one.
    pub listen: Vec<SocketAddr>,
    /// Where to announce this node and look for others.
    pub discovery: discovery::Settings,
    /// Random bytes from the operating system: spreads retries, names what discovery announces.
    pub seed: [u8; 32],
}

/// Who this device is.
pub struct Identity {
    /// Its id.
    pub device: DeviceId,
    /// The secret half of its certified Noise key.
    pub noise_key: Zeroizing<[u8; 32]>,
    /// Its certificate and the issuer's grant.
    pub credentials: Credentials,
    /// Whom to let in, always the newest.
    pub trust: watch::Receiver<Arc<TrustView>>,
}

/// Who turned the other away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// This device.
    Us,
    /// The peer.
    Peer,
}

/// What happens on the network.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// There is a link to a device.
    LinkUp(Box<Up>),
    /// A link is gone; no frame of it follows.
    LinkDown {
        /// Which.
        link: LinkId,
        /// To whom it led.
        peer: DeviceId,
        /// Why.
        why: Ended,
    },
    /// A frame came in.
    Frame {
        /// On which link.
        link: LinkId,
        /// The frame.
        frame: Frame,
    },
    /// A connection was refused in the handshake. Left out while the queue of events is full.
    Refused {
        /// The other end's address.
        address: Option<SocketAddr>,
        /// The device, if an admin of this clinic really certified it.
        device: Option<DeviceId>,
        /// Our part.
        role: Role,
        /// Who refused whom.
        by: By,
        /// Why.
        why: Refusal,
    },
    /// The node listens here.
    Listening {
        /// Where.
        address: SocketAddr,
    },
    /// A member of this clinic is announced on the LAN. Left out while the queue of events is full.
    Seen {
        /// Who, if that is known already.
        device: Option<DeviceId>,
        /// Where.
        addresses: Vec<SocketAddr>,
    },
}

/// A link that has come up.
#[derive(Clone, Debug, PartialEq)]
pub struct Up {
    /// Its number.
    pub link: LinkId,
    /// The device at the other end.
    pub peer: DeviceId,
    /// Its certificate, judged good.
    pub certificate: Certificate,
    /// Who vouches for it.
    pub issuer: Issuer,
    /// Digest of its clinic record's heads at the time of the handshake.
    pub digest: Hash,
    /// The other end's address. Worth remembering if we dialled.
    pub address: SocketAddr,
    /// Who dialled.
    pub role: Role,
    /// On an old mesh key only the clinic record may sync.
    pub mesh_key: MeshKeyUse,
    /// How much passes between the two.
    pub reach: Reach,
}
