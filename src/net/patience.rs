//! How long a dial may take, kept by the runtime's own clock.
//!
//! libp2p's `TransportTimeout` brings a timer with a thread of its own, which every handshake wakes, also
//! those that nobody times: whoever listens bounds the handshake itself.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use libp2p::core::Multiaddr;
use libp2p::core::transport::{
    Boxed, DialOpts, ListenerId, Transport, TransportError, TransportEvent,
};
use tokio::time::timeout;

/// A transport whose dials end in time, connection and handshake together.
pub(crate) struct Patience<O> {
    inner: Boxed<O>,
    longest: Duration,
}

impl<O> Patience<O> {
    pub(crate) const fn new(inner: Boxed<O>, longest: Duration) -> Self {
        Self { inner, longest }
    }
}

impl<O: Send + 'static> Transport for Patience<O> {
    type Output = O;
    type Error = io::Error;
    type ListenerUpgrade = <Boxed<O> as Transport>::ListenerUpgrade;
    type Dial = BoxFuture<'static, Result<O, io::Error>>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<Self::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<Self::Error>> {
        let (dial, longest) = (self.inner.dial(address, options)?, self.longest);
        let bounded = async move {
            timeout(longest, dial)
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        };
        Ok(bounded.boxed())
    }

    fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        Pin::new(&mut self.get_mut().inner).poll(cx)
    }
}
