//! A TCP connection that can be cut from outside.
//!
//! libp2p closes connections in good order, and a peer that takes no more bytes can make that last
//! for ever. A revoked device must be gone within a second whatever it does, so the socket itself
//! has a switch: once cut, every read and write fails and the connection's task ends.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use futures::{AsyncRead, AsyncWrite};

/// The switch of one connection. Clones are the same switch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut(Arc<Switch>);

#[derive(Debug, Default)]
struct Switch {
    cut: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Cut {
    /// Ends the connection now.
    pub(crate) fn now(&self) {
        self.0.cut.store(true, Ordering::Release);
        self.0.reader.wake();
        self.0.writer.wake();
    }

    /// Whether the connection was cut.
    pub(crate) fn is_cut(&self) -> bool {
        self.0.cut.load(Ordering::Acquire)
    }

    /// Notes who is to be woken, then looks; in this order no cut is missed.
    fn check(&self, waker: &AtomicWaker, cx: &Context<'_>) -> io::Result<()> {
        waker.register(cx.waker());
        if self.is_cut() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

/// A connection with its switch.
#[derive(Debug)]
pub(crate) struct Socket<S> {
    stream: S,
    cut: Cut,
}

impl<S> Socket<S> {
    pub(crate) fn new(stream: S, cut: Cut) -> Self {
        Self { stream, cut }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.cut.check(&self.cut.0.reader, cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.cut.check(&self.cut.0.writer, cx)?;
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.cut.check(&self.cut.0.writer, cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.cut.check(&self.cut.0.writer, cx)?;
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// The address of this machine that a connection uses.
pub(crate) fn local_ip(stream: &libp2p::tcp::tokio::TcpStream) -> Option<IpAddr> {
    stream
        .0
        .local_addr()
        .ok()
        .map(|address| address.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_util::compat::TokioAsyncReadCompatExt as _;

    use super::*;

    #[tokio::test]
    async fn a_cut_ends_a_read_that_waits_and_every_later_use() {
        let (near, _far) = tokio::io::duplex(64);
        let cut = Cut::default();
        let mut socket = Socket::new(near.compat(), cut.clone());
        let reading = tokio::spawn(async move {
            let mut byte = [0];
            let read = socket.read(&mut byte).await;
            (read, socket)
        });
        tokio::time::sleep(Duration::from_millis(5)).await;
        cut.now();
        let (read, mut socket) = reading.await.unwrap();
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert!(socket.write(b"x").await.is_err());
        assert!(socket.close().await.is_err());
    }
}
