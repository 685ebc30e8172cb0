//! Doors: where requests come in, and what each lets through before any route is looked at.
//!
//! The Unix socket is the operator's. Browsers come by TCP: in clear on loopback only, else by TLS. A
//! browser speaks for whatever page it shows, so its doors answer only to their own names, take acts
//! from their own pages only, and tell the browser what a page of ours may do.

mod cookie;
mod judge;
mod limits;
mod listener;
mod locked_door;
mod site;
mod tls;

pub use listener::{DoorError, WebDoor};
pub use locked_door::{LockedDoor, reread as reread_locked_door};
pub use site::Site;

pub(super) use cookie::{cleared, of_login, set};
pub(super) use judge::{Peer, judge};

use crate::domain::audit::Origin;

/// The door a request came in by.
#[derive(Clone, Debug)]
pub enum Door {
    /// The Unix socket, which only the machine's operator can open.
    Socket,
    /// A door for browsers, with what it is called.
    Browser(Site),
}

impl Door {
    /// How the audit trail names it.
    pub(super) const fn origin(&self) -> Origin {
        match self {
            Self::Socket => Origin::Socket,
            Self::Browser(_) => Origin::Browser,
        }
    }

    /// What browsers call it; nothing at the socket.
    pub(super) const fn site(&self) -> Option<&Site> {
        match self {
            Self::Socket => None,
            Self::Browser(site) => Some(site),
        }
    }
}
