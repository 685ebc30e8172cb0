//! The node's hybrid clock: what it gives never goes back, but when the machine's clock was far ahead and
//! has been put right (decision 7).

use std::collections::BTreeSet;

use crate::domain::time::{Clock, Hlc, WallTime};

use super::Engine;

/// A hybrid clock, and what it was put back from.
#[derive(Debug)]
pub(super) struct HybridClock {
    clock: Clock,
    /// Times that logs held end with, that were too far ahead when the clock was put back. What is written
    /// once their moment has come comes after them. One for each log held, at most.
    ahead: BTreeSet<Hlc>,
}

impl HybridClock {
    /// A clock that has seen `last`.
    pub(super) fn resume(last: Hlc) -> Self {
        Self {
            clock: Clock::resume(last),
            ahead: BTreeSet::new(),
        }
    }

    /// A timestamp later than every earlier one, and than whatever was left ahead and is no longer.
    pub(super) fn tick(&mut self, now: WallTime) -> Hlc {
        while let Some(time) = self.ahead.first().filter(|time| !time.too_far_ahead(now)) {
            self.clock.observe(*time);
            self.ahead.pop_first();
        }
        self.clock.tick(now)
    }

    /// Notes a timestamp that was accepted from elsewhere.
    pub(super) fn observe(&mut self, seen: Hlc) {
        self.clock.observe(seen);
    }

    /// The latest timestamp given or seen.
    pub(super) fn last(&self) -> Hlc {
        self.clock.last()
    }

    /// Puts the clock back to `now`, but not before what others accept by then of the times `held`.
    fn put_back(&mut self, now: WallTime, held: impl Iterator<Item = Hlc>) {
        let (ahead, seen): (BTreeSet<Hlc>, BTreeSet<Hlc>) =
            held.partition(|time| time.too_far_ahead(now));
        let newest = seen.last().copied().unwrap_or_default();
        self.clock = Clock::resume(Hlc::at(now).max(newest));
        self.ahead = ahead;
    }
}

impl Engine {
    /// Puts the hybrid clock back if it is so far ahead of the wall clock that no peer would accept its
    /// timestamps: to the wall clock, but never before the horizon, which time has passed for certain, nor
    /// before what is held and others accept, so that an answer comes after what it answers.
    pub(super) fn mend_clock(&mut self) -> bool {
        let floor = self.now.wall.max(self.horizon.start());
        let ahead = self.clock.last().too_far_ahead(floor);
        if ahead {
            self.clock.put_back(floor, self.holdings.times());
        }
        ahead
    }

    /// A timestamp for what is written now.
    pub(super) fn tick_clock(&mut self) -> Hlc {
        self.clock.tick(self.now.wall)
    }
}
