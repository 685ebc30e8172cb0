//! The link's part of a connection's task: one stream, opened by the dialler, with frames both ways.
//!
//! Reading and writing happen where libp2p polls the connection, so a frame passes from the sender's
//! queue to the socket, and from the socket to the layer above, without a task in between.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::AsyncWrite as _;
use libp2p::StreamProtocol;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{ConnectionHandler, ConnectionHandlerEvent, Stream, SubstreamProtocol};
use tokio_util::sync::PollSender;

use super::Event;
use super::framing::{ReadError, Reader, Sent, Writer};
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
    /// All is sent and the peer told so; it has the time to read and leaves first.
    Parting(Box<Io>),
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
        if self.link.cut.is_cut() {
            self.stage = Stage::Over;
        }
        let step = match &mut self.stage {
            Stage::Running(io) => io
                .send(&self.link, cx)
                .or_else(|| io.receive(&self.link, &mut self.events, cx)),
            Stage::Parting(io) => io.discard(cx),
            Stage::Bare | Stage::Wanted | Stage::Opening | Stage::Ready(_) | Stage::Over => None,
        };
        match step {
            None => {}
            Some(Step::Part) => self.part(cx),
            Some(Step::End(why)) => self.end(why),
        }
    }

    fn part(&mut self, cx: &mut Context<'_>) {
        if let Stage::Running(io) = std::mem::replace(&mut self.stage, Stage::Over) {
            self.stage = Stage::Parting(io);
            cx.waker().wake_by_ref();
        }
    }
}

/// What comes after sending or receiving has come to an end.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Nothing will be sent any more.
    Part,
    /// The stream is of no more use.
    End(Ended),
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

    /// Sends what waits; when that was the last, closes the stream for writing.
    fn send(&mut self, link: &Link, cx: &mut Context<'_>) -> Option<Step> {
        let sent = self.writer.poll_send(&link.outbox, &mut self.stream, cx);
        link.carry(self.writer.carried());
        let closed = match sent {
            Poll::Pending => return None,
            Poll::Ready(Ok(Sent::Everything)) => Pin::new(&mut self.stream).poll_close(cx),
            Poll::Ready(Err(_)) => return Some(Step::End(Ended::Lost)),
        };
        match closed {
            Poll::Pending => None,
            Poll::Ready(Ok(())) => Some(Step::Part),
            Poll::Ready(Err(_)) => Some(Step::End(Ended::Lost)),
        }
    }

    /// Reads and drops what still comes.
    fn discard(&mut self, cx: &mut Context<'_>) -> Option<Step> {
        for _ in 0..TURN {
            match self.reader.poll_frame(&mut self.stream, cx) {
                Poll::Pending => return None,
                Poll::Ready(Ok(_nobody_waits)) => {}
                Poll::Ready(Err(_)) => return Some(Step::End(Ended::Left)),
            }
        }
        cx.waker().wake_by_ref();
        None
    }

    /// Hands on what has come.
    fn receive(
        &mut self,
        link: &Link,
        events: &mut PollSender<Event>,
        cx: &mut Context<'_>,
    ) -> Option<Step> {
        let end = |why| Some(Step::End(why));
        for _ in 0..TURN {
            let frame = match self.held.take() {
                Some(frame) => frame,
                None => match self.reader.poll_frame(&mut self.stream, cx) {
                    Poll::Pending => return None,
                    Poll::Ready(Ok(frame)) => frame,
                    Poll::Ready(Err(ReadError::End)) => return end(Ended::Left),
                    Poll::Ready(Err(ReadError::Io)) => return end(Ended::Lost),
                    Poll::Ready(Err(ReadError::Malformed)) => {
                        return end(Ended::Closed(Refusal::Malformed));
                    }
                },
            };
            match events.poll_reserve(cx) {
                Poll::Pending => {
                    self.held = Some(frame);
                    return None;
                }
                Poll::Ready(Err(_)) => return end(Ended::Closed(Refusal::Stopping)),
                Poll::Ready(Ok(())) => {}
            }
            let event = Event::Frame {
                link: link.id,
                frame,
            };
            if events.send_item(event).is_err() {
                return end(Ended::Closed(Refusal::Stopping));
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
