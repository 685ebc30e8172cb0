//! One link to a device: which of several connections it is. Pure.
//!
//! The dialler decides whether a connection is to be used, by opening the stream on it; it does so
//! only if it has no link to the device, or means to replace the one it has. So a listener that is
//! offered a stream knows that the peer wants this one, unless both dialled at the same time: then
//! both keep the one that the smaller device id dialled.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::link::{LinkId, Role};
use crate::domain::id::DeviceId;

/// How long after a link came up another connection may still be the other half of a simultaneous
/// dial.
///
/// As long as a dial may take: whoever opens a stream later than that did so without knowing of our
/// link, so the peer has lost it.
const RACE: Duration = super::limits::DIAL_TIME;

/// The link to each device.
#[derive(Debug)]
pub(crate) struct Roster {
    me: DeviceId,
    current: BTreeMap<DeviceId, Current>,
    /// Connections we dialled and are opening the stream on.
    opening: BTreeMap<DeviceId, LinkId>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    link: LinkId,
    role: Role,
    since: Instant,
}

/// Why we dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// There was no link.
    Connect,
    /// There is one that has had its time.
    Replace,
}

/// A dial of ours that led to a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dial {
    pub(crate) began: Instant,
    pub(crate) purpose: Purpose,
}

/// What to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Use it, and end the one named.
    Use(Option<LinkId>),
    /// Close it: the other one is kept.
    Close,
}

impl Roster {
    pub(crate) const fn new(me: DeviceId) -> Self {
        Self {
            me,
            current: BTreeMap::new(),
            opening: BTreeMap::new(),
        }
    }

    /// Whether to open the stream on a connection that we dialled.
    pub(crate) fn on_dialled(&mut self, peer: DeviceId, link: LinkId, dial: Dial) -> Verdict {
        if dial.purpose == Purpose::Connect && self.opening.contains_key(&peer) {
            return Verdict::Close;
        }
        let verdict = self.judge_own(peer, dial);
        if verdict != Verdict::Close {
            self.opening.insert(peer, link);
        }
        verdict
    }

    /// Whether to use a connection whose stream is open. The answer is already noted.
    pub(crate) fn on_stream(
        &mut self,
        peer: DeviceId,
        link: LinkId,
        dial: Option<Dial>,
        now: Instant,
    ) -> Verdict {
        self.opening.retain(|_, opening| *opening != link);
        let (role, verdict) = match dial {
            Some(dial) => (Role::Dialler, self.judge_own(peer, dial)),
            None => (Role::Listener, self.judge_offered(peer, now)),
        };
        if verdict != Verdict::Close {
            self.current.insert(
                peer,
                Current {
                    link,
                    role,
                    since: now,
                },
            );
        }
        verdict
    }

    /// Forgets a connection.
    pub(crate) fn on_closed(&mut self, link: LinkId) {
        self.opening.retain(|_, opening| *opening != link);
        self.current.retain(|_, current| current.link != link);
    }

    /// Whether there is a link to `peer`.
    pub(crate) fn has(&self, peer: &DeviceId) -> bool {
        self.current.contains_key(peer)
    }

    fn judge_own(&self, peer: DeviceId, dial: Dial) -> Verdict {
        let Some(current) = self.current.get(&peer) else {
            return Verdict::Use(None);
        };
        let simultaneous = current.role == Role::Listener && dial.began <= current.since;
        if dial.purpose == Purpose::Replace || simultaneous && self.me < peer {
            return Verdict::Use(Some(current.link));
        }
        Verdict::Close
    }

    fn judge_offered(&self, peer: DeviceId, now: Instant) -> Verdict {
        let Some(current) = self.current.get(&peer) else {
            return Verdict::Use(None);
        };
        let simultaneous =
            current.role == Role::Dialler && now.saturating_duration_since(current.since) < RACE;
        if simultaneous && self.me < peer {
            return Verdict::Close;
        }
        Verdict::Use(Some(current.link))
    }
}

#[cfg(test)]
mod tests;
