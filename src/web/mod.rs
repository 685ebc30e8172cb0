//! The API's server: doors, logins, routes, live hints.
//!
//! [`router`] is built from [`ROUTES`](crate::api::routes::ROUTES) and every request is judged by the
//! table before its handler sees it. Behind the routes stands one [`Api`], which asks the engine and
//! keeps who is signed in; nothing of a conversation is kept here.

mod access;
mod agent;
mod answer;
mod assets;
mod door;
mod events;
mod hint;
mod hub;
mod locked;
mod login;
mod names;
mod routes;
mod socket;
mod state;
#[cfg(test)]
mod tests;
mod unlocking;

pub use door::{Door, DoorError, LockedDoor, Site, WebDoor, reread_locked_door};
pub use locked::{Locked, Unlocked};
pub use routes::router;
pub use socket::{Socket, SocketError};
pub use state::Api;
pub use unlocking::Unlocking;

use crate::node::engine::Now;

/// Tells the time to logins and throttling.
pub type Timepiece = std::sync::Arc<dyn Fn() -> Now + Send + Sync>;
