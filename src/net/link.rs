//! One link: what the swarm's task, the connection's task and the handle share of it.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::outbox::Outbox;
use super::socket::Cut;
use crate::domain::trust::Refusal;

/// One secure channel with its stream, for as long as it lasts; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub(crate) u64);

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// This device's part in a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It dialled.
    Dialler,
    /// It was dialled.
    Listener,
}

/// Why a link is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// This side closed it.
    Closed(Refusal),
    /// The peer closed it in good order; its last frame may have said why.
    Left,
    /// The connection broke.
    Lost,
}

/// What is shared of one connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) cut: Cut,
    pub(crate) outbox: Outbox,
    ended: OnceLock<Ended>,
    carried: AtomicU64,
}

impl Link {
    pub(crate) fn new(id: LinkId, cut: Cut) -> Self {
        Self {
            id,
            cut,
            outbox: Outbox::default(),
            ended: OnceLock::new(),
            carried: AtomicU64::new(0),
        }
    }

    /// Notes why the link ends; the first reason stays.
    pub(crate) fn note(&self, why: Ended) {
        let _first_stays = self.ended.set(why);
    }

    /// Ends the link this instant; nothing more is sent or handed on.
    pub(crate) fn cut(&self, why: Ended) {
        self.note(why);
        self.cut.now();
    }

    /// Why the link ended, as far as it is known here.
    pub(crate) fn ended(&self) -> Option<Ended> {
        self.ended.get().copied()
    }

    /// Notes an estimate of the frames that the secure channel has carried; it never shrinks.
    pub(crate) fn carry(&self, frames: u64) {
        self.carried.fetch_max(frames, Ordering::Relaxed);
    }

    /// That estimate.
    pub(crate) fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }
}
