//! Members whose software takes more than its places: handshake and multiplexer are right, and what they
//! do with it is their own.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::AsyncWrite as _;
use libp2p::core::Endpoint;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt as _, SubstreamBox};
use libp2p::core::transport::{DialOpts, PortUse, Transport as _};
use libp2p::core::upgrade::OutboundConnectionUpgrade as _;
use libp2p::yamux;
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use super::*;
use crate::channel::{self, Attempt, Local, StaticKey, Verified};
use crate::net::limits::{
    DIAL_TIME, ESTABLISHED_MAX, FAREWELL, PER_DEVICE_MAX, STREAMS_MAX, UNUSED,
};
use crate::net::secure::{Secure, transport};
use crate::net::testing::NOW;

/// What opens the stream of frames.
const SYNC: &[u8] = b"\x13/multistream/1.0.0\n\x14/clinic-mesh/sync/1\n";

/// Long enough to see that a connection stays.
const A_WHILE: Duration = Duration::from_millis(300);

/// A connection of a member.
struct Member {
    muxer: StreamMuxerBox,
}

fn local(clinic: &Clinic, n: u16) -> Local {
    let device = clinic.device(n);
    Local {
        key: StaticKey::from_secret(&device.noise_key),
        credentials: Arc::new(device.credentials),
        // The sender may go: what it said last stays.
        trust: watch::channel(Arc::new(clinic.trust(n))).1,
        verified: Verified::default(),
        renewer: Default::default(),
    }
}

impl Member {
    /// Connects and passes the handshake.
    async fn enters(clinic: &Clinic, n: u16, address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.unwrap().compat();
        let attempt = Attempt {
            role: channel::Role::Dial {
                device: None,
                epoch: None,
            },
            address: Some(address.ip()),
            now: NOW,
        };
        let (_, stream) = channel::handshake(socket, &local(clinic, n), attempt)
            .await
            .unwrap();
        let muxer = yamux::Config::default().upgrade_outbound(stream, "/yamux/1.0.0");
        Self {
            muxer: StreamMuxerBox::new(muxer.await.unwrap()),
        }
    }

    /// Lets the multiplexer work; an error says that the connection is gone.
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.muxer.poll_unpin(cx) {
                Poll::Ready(Ok(_address)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Opens a stream and says something on it.
    async fn opens(&mut self, words: &[u8]) -> io::Result<SubstreamBox> {
        let mut stream = poll_fn(|cx| match self.muxer.poll_outbound_unpin(cx) {
            Poll::Pending => self
                .drive(cx)
                .map_ok(|()| unreachable!("it ends with an error")),
            opened => opened,
        })
        .await?;
        let written = poll_fn(|cx| match Pin::new(&mut stream).poll_write(cx, words) {
            Poll::Pending => self.drive(cx).map_ok(|()| 0),
            written => written,
        });
        assert_eq!(written.await?, words.len());
        poll_fn(|cx| match Pin::new(&mut stream).poll_flush(cx) {
            Poll::Pending => self.drive(cx),
            flushed => flushed,
        })
        .await?;
        // What was flushed into the multiplexer leaves it with the next turn.
        poll_fn(|cx| Poll::Ready(self.drive(cx).is_ready())).await;
        Ok(stream)
    }

    /// Waits until the other side has closed the connection.
    async fn is_gone(&mut self) {
        let gone = timeout(4 * UNUSED, poll_fn(|cx| self.drive(cx))).await;
        assert!(gone.expect("it is closed in time").is_err());
    }

    async fn stays(&mut self) -> bool {
        timeout(A_WHILE, poll_fn(|cx| self.drive(cx)))
            .await
            .is_err()
    }
}

#[tokio::test]
async fn a_device_has_two_connections_at_most() {
    let clinic = Clinic::new(1);
    let mut north = clinic.node(1);
    let address = north.address().await;
    let mut inside = Vec::new();
    for _ in 0..PER_DEVICE_MAX {
        inside.push(Member::enters(&clinic, 2, address).await);
    }
    let mut third = Member::enters(&clinic, 2, address).await;
    third.is_gone().await;
    assert_eq!(north.refused().await, (By::Us, Refusal::Busy));
    for member in &mut inside {
        assert!(member.stays().await);
    }
}

#[tokio::test]
async fn a_node_has_256_connections_at_most_and_those_go_on() {
    let clinic = Clinic::new(1);
    let mut north = clinic.node(1);
    let address = north.address().await;
    let mut inside = Vec::new();
    let mut links = Vec::new();
    for n in 0..ESTABLISHED_MAX {
        let mut member = Member::enters(&clinic, 2 + n as u16, address).await;
        let stream = member.opens(SYNC).await.unwrap();
        links.push(north.up().await.link);
        inside.push((member, stream));
    }
    let last = 2 + ESTABLISHED_MAX as u16;
    let mut one_more = Member::enters(&clinic, last, address).await;
    one_more.is_gone().await;
    assert_eq!(north.refused().await, (By::Us, Refusal::Busy));

    assert!(inside[0].0.stays().await);
    north.handle.close(links[0], Refusal::Stopping);
    inside[0].0.is_gone().await;
    let mut in_its_place = Member::enters(&clinic, last, address).await;
    let _stream = in_its_place.opens(SYNC).await.unwrap();
    assert_eq!(north.up().await.peer, clinic.device(last).id);
}

#[tokio::test]
async fn a_connection_has_64_streams_at_most() {
    let clinic = Clinic::new(1);
    let mut north = clinic.node(1);
    let mut member = Member::enters(&clinic, 2, north.address().await).await;
    let mut streams = vec![member.opens(SYNC).await.unwrap()];
    let link = north.up().await.link;
    while streams.len() < STREAMS_MAX {
        streams.push(member.opens(&SYNC[..1]).await.unwrap());
    }
    assert!(member.stays().await);
    // Whether this one is still written is a matter of chance.
    let _ = member.opens(&SYNC[..1]).await;
    // It is told to go. One that stays all the same gets no stream more.
    member.is_gone().await;
    drop(member);
    assert_eq!(north.down().await.0, link);
}

#[tokio::test]
async fn a_connection_that_is_not_used_is_closed_after_five_seconds() {
    let clinic = Clinic::new(1);
    let mut north = clinic.node(1);
    let mut member = Member::enters(&clinic, 2, north.address().await).await;
    let began = Instant::now();
    member.is_gone().await;
    assert!(began.elapsed() > UNUSED / 2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_link_that_is_closed_is_down_within_seconds_though_its_peer_reads_nothing() {
    let clinic = Clinic::new(1);
    let mut north = clinic.node(1);
    let mut member = Member::enters(&clinic, 2, north.address().await).await;
    let _stream = member.opens(SYNC).await.unwrap();
    let link = north.up().await.link;
    for _ in 0..200 {
        north.handle.send(link, &large()).unwrap();
    }
    sleep(A_WHILE).await;
    north.handle.close(link, Refusal::Stopping);
    let began = Instant::now();
    let down = timeout(5 * FAREWELL, north.down()).await.unwrap();
    assert_eq!(down, (link, Ended::Closed(Refusal::Stopping)));
    assert!(began.elapsed() > FAREWELL / 2, "it had its time");
}

#[tokio::test]
async fn a_dial_to_an_address_that_swallows_everything_is_given_up() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Once its queue is full the system does not even answer.
    let mut queue = Vec::new();
    while let Ok(connected) = timeout(A_WHILE, TcpStream::connect(address)).await {
        queue.push(connected.unwrap());
    }
    let secure = Secure::new(local(&Clinic::new(1), 1), Arc::new(|| NOW));
    let options = DialOpts {
        role: Endpoint::Dialer,
        port_use: PortUse::New,
    };
    let began = Instant::now();
    let dial = transport(secure).dial(crate::net::address::multiaddr(address), options);
    let dialled = timeout(2 * DIAL_TIME, dial.unwrap()).await.unwrap();
    assert!(dialled.is_err());
    assert!(began.elapsed() >= DIAL_TIME, "{:?}", began.elapsed());
}
