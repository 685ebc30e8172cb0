//! The link's part of a connection's task: one stream, opened by the dialler, with frames both ways.
//!
//! Reading and writing happen where libp2p polls the connection, so a frame passes from the sender's
//! queue to the socket, and from the socket to the layer above, without a task in between.

use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::StreamProtocol;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{ConnectionHandler, ConnectionHandlerEvent, Stream, SubstreamProtocol};
use tokio_util::sync::PollSender;

use super::Event;
use super::framing::{ReadError, Reader, Writer};
use super::limits::TURN;
use super::link::{Ended, Link, Role};
use crate::domain::trust::Refusal;
use crate::wire::Frame;

/// The stream's protocol.
const SYNC: StreamProtocol = StreamProtocol::new("/clinic-mesh/sync/1");

/// What the swarm's task tells the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Open the stream; given to the dialler only.
    Open,
    /// The link is up: hand frames on.
    Run,
}

/// What the connection tells the swarm's task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// The stream is there; nothing is read of it before [`Order::Run`].
    Ready,
    /// The stream has ended; the connection is of no more use.
    Over,
}

pub(crate) type Happening = ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, (), News>;

/// One connection's handler.
pub(crate) struct Handler {
    role: Role,
    link: Arc<Link>,
    events: PollSender<Event>,
    stage: Stage,
    news: Option<News>,
}

enum Stage {
    /// No stream yet.
    Bare,
    /// To be opened with the next poll.
    Wanted,
    /// Being opened.
    Opening,
    /// There, but not up.
    Ready(Box<Io>),
    /// Up.
    Running(Box<Io>),
    /// Had its time.
    Over,
}

struct Io {
    stream: Stream,
    reader: Reader,
    writer: Writer,
    /// Read, and waiting for room in the queue of events.
    held: Option<Frame>,
}

impl Handler {
    pub(crate) fn new(role: Role, link: Arc<Link>, events: PollSender<Event>) -> Self {
        Self {
            role,
            link,
            events,
            stage: Stage::Bare,
            news: None,
        }
    }

    /// Takes the stream; there is one, and whoever offers another is not answered.
    fn accept(&mut self, stream: Stream, role: Role) {
        let expected = match (&self.stage, role) {
            (Stage::Bare, Role::Listener) => self.role == Role::Listener,
            (Stage::Opening, Role::Dialler) => true,
            (_, Role::Dialler | Role::Listener) => false,
        };
        if expected {
            self.stage = Stage::Ready(Box::new(Io::new(stream)));
            self.news = Some(News::Ready);
        }
    }

    fn end(&mut self, why: Ended) {
        self.link.note(why);
        self.stage = Stage::Over;
        self.news = Some(News::Over);
    }

    fn run(&mut self, cx: &mut Context<'_>) {
        let Stage::Running(io) = &mut self.stage else {
            return;
        };
        if self.link.cut.is_cut() {
            self.stage = Stage::Over;
            return;
        }
        let over = io
            .send(&self.link, cx)
            .or_else(|| io.receive(&self.link, &mut self.events, cx));
        if let Some(why) = over {
            self.end(why);
        }
    }
}

impl Io {
    fn new(stream: Stream) -> Self {
        Self {
            stream,
            reader: Reader::new(),
            writer: Writer::default(),
            held: None,
        }
    }

    /// Sends what waits. Returns why the stream ends, if it does.
    fn send(&mut self, link: &Link, cx: &mut Context<'_>) -> Option<Ended> {
        let sent = self.writer.poll_send(&link.outbox, &mut self.stream, cx);
        link.carry(self.writer.carried());
        match sent {
            Poll::Pending => None,
            Poll::Ready(Ok(_everything)) => Some(Ended::Closed(Refusal::Stopping)),
            Poll::Ready(Err(_)) => Some(Ended::Lost),
        }
    }

    /// Hands on what has come. Returns why the stream ends, if it does.
    fn receive(
        &mut self,
        link: &Link,
        events: &mut PollSender<Event>,
        cx: &mut Context<'_>,
    ) -> Option<Ended> {
        for _ in 0..TURN {
            let frame = match self.held.take() {
                Some(frame) => frame,
                None => match self.reader.poll_frame(&mut self.stream, cx) {
                    Poll::Pending => return None,
                    Poll::Ready(Ok(frame)) => frame,
                    Poll::Ready(Err(ReadError::End)) => return Some(Ended::Left),
                    Poll::Ready(Err(ReadError::Io)) => return Some(Ended::Lost),
                    Poll::Ready(Err(ReadError::Malformed)) => {
                        return Some(Ended::Closed(Refusal::Malformed));
                    }
                },
            };
            match events.poll_reserve(cx) {
                Poll::Pending => {
                    self.held = Some(frame);
                    return None;
                }
                Poll::Ready(Err(_)) => return Some(Ended::Closed(Refusal::Stopping)),
                Poll::Ready(Ok(())) => {}
            }
            let event = Event::Frame {
                link: link.id,
                frame,
            };
            if events.send_item(event).is_err() {
                return Some(Ended::Closed(Refusal::Stopping));
            }
        }
        cx.waker().wake_by_ref();
        None
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Order;
    type ToBehaviour = News;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(SYNC), ())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Happening> {
        if let Some(news) = self.news.take() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(news));
        }
        if matches!(self.stage, Stage::Wanted) {
            self.stage = Stage::Opening;
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(SYNC), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        self.run(cx);
        match self.news.take() {
            Some(news) => Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(news)),
            None => Poll::Pending,
        }
    }

    fn on_behaviour_event(&mut self, order: Order) {
        self.stage = match (order, std::mem::replace(&mut self.stage, Stage::Over)) {
            (Order::Open, Stage::Bare) => Stage::Wanted,
            (Order::Run, Stage::Ready(io)) => Stage::Running(io),
            (Order::Open | Order::Run, stage) => stage,
        };
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            }) => self.accept(protocol, Role::Listener),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol, ..
            }) => self.accept(protocol, Role::Dialler),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { .. }) => self.end(Ended::Lost),
            // Addresses do not change under TCP; which protocols the peer lists is of no interest.
            _ => {}
        }
    }
}
