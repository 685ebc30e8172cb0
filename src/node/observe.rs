//! What a running node has seen of others, for the doctor.

use std::net::SocketAddr;
use std::time::Duration;

use crate::net;

pub use crate::net::{Announced, By, Linked, Noted, Observed, Role, What};

/// Sees what a node's network has seen.
#[derive(Clone)]
pub struct Observer(net::Handle);

impl Observer {
    pub(super) const fn new(net: net::Handle) -> Self {
        Self(net)
    }

    /// What was seen so far.
    pub fn seen(&self) -> Observed {
        self.0.observed()
    }

    /// The same after everyone who is away, and whoever is at these addresses, was tried once more, or
    /// after `patience`.
    pub async fn look(&self, addresses: Vec<SocketAddr>, patience: Duration) -> Observed {
        self.0.observed_anew(addresses, patience).await
    }
}
