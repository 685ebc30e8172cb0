//! Retention: when days end, and when a space is no longer this node's to hold.
//!
//! The order of a purge is fixed: first the horizon is durable (from then on nothing older is
//! accepted, served or shown), then the keys and bodies are destroyed, then that is attested.

use std::collections::BTreeSet;

use crate::domain::audit::{Actor, Deed, Origin};
use crate::domain::id::DeviceId;
use crate::domain::log::Log;
use crate::domain::purge::{self, Clocks, Company, Report};
use crate::domain::space::Space;
use crate::domain::time::{Day, WallTime};

use crate::planted::planted;

use super::{Changed, Effect, Engine, Now};

impl Engine {
    /// Moves the horizon when a day has ended for certain.
    pub(super) fn check_purge(&mut self) {
        // No clock ends a day that this node's own has not ended.
        if self.now.wall.day() <= self.horizon || self.batch.horizon.is_some() {
            return;
        }
        let horizon = purge::advance(self.horizon, self.trusted_today());
        if horizon == self.horizon {
            return;
        }
        self.horizon = horizon;
        self.batch.horizon = Some(horizon);
        // However it was found to have come: a clinic that had one node until now has others from here on.
        let reached = horizon.start().minus(self.now.mono);
        self.resumed_base = self.resumed_base.max(Some(reached));
        if planted!("purge-attested-early") {
            self.on_purged(horizon);
        }
    }

    /// The day that it certainly is at least, by this node's clock and what peers say of theirs.
    fn trusted_today(&self) -> Option<Day> {
        let own = self.now.wall;
        if planted!("own-clock-ends-days") {
            return Some(own.day());
        }
        let reports = self.reports();
        let others = self.record.clinic.nodes().any(|(id, _)| *id != self.me);
        let leaps = planted!("a-leap-alone-ends-days");
        let today = purge::trusted_today(&Clocks {
            own,
            credible: if leaps { Some(own) } else { self.credible() },
            reports: &reports,
            uptime: self.now.mono,
            unheard: Some(self.now.mono.saturating_sub(self.heard)),
            company: if others {
                Company::Others
            } else {
                Company::Alone
            },
        });
        match today {
            Some(today) if planted!("horizon-one-day-ahead") => Some(today.plus(1)),
            today => today,
        }
    }

    /// The furthest that time can have come by what this node knows, whatever its clock says.
    ///
    /// What a peer confirms takes the place of what was believed at the start: that clock may have been ahead.
    fn credible(&self) -> Option<WallTime> {
        let base = match self.certain_base {
            0 => self.resumed_base?,
            certain => WallTime(certain),
        };
        Some(base.plus(self.now.mono))
    }

    /// Notes which moment has come for certain; what was noted before moves on by a clock that nobody
    /// sets, and never goes back.
    pub(super) fn check_certain(&mut self) {
        let Some(moment) = purge::confirmed(self.now.wall, &self.reports()) else {
            return;
        };
        // That has long been over: who says so has a clock that is behind, and tells nothing of this moment.
        if moment.day() < self.horizon {
            return;
        }
        let base = moment.0.saturating_sub(self.now.mono.as_millis() as u64);
        self.certain_base = self.certain_base.max(base);
    }

    /// Wall time at this node's start, at least: added to the time since then it gives a moment that
    /// has come for certain, whatever this machine's clock was set to meanwhile.
    pub fn certain_base(&self) -> WallTime {
        let uptime = self.now.mono.as_millis() as u64;
        let by_days = self.horizon.start().0.saturating_sub(uptime);
        WallTime(self.certain_base.max(by_days))
    }

    /// Wall time at this node's start, as far as it is believed while no peer confirms any.
    pub(super) fn resumed_base(horizon: Day, now: Now) -> Option<WallTime> {
        let resumed = purge::resumed(horizon, now.wall)?;
        Some(resumed.minus(now.mono))
    }

    /// What connected peers said of their clocks.
    ///
    /// As it was heard, not by its distance from this node's clock: that would move with ours when ours
    /// is moved.
    pub(super) fn reports(&self) -> Vec<Report> {
        let clocks = self.links.values().filter_map(|link| link.clock);
        let report = |(said, at)| Report {
            said,
            age: self.now.mono.saturating_sub(at),
        };
        clocks.map(report).collect()
    }

    /// Bodies are destroyed: attests it for every space that held any, and records it.
    pub(super) fn on_purged(&mut self, horizon: Day) {
        let spaces: Vec<Space> = self
            .holdings
            .spaces()
            .filter(|(space, state)| space.is_conversation() && state.entries() > 0)
            .map(|(space, _)| *space)
            .collect();
        if horizon == Day(0) {
            return;
        }
        // What was known of messages whose days are over is forgotten with them.
        self.facts.clear();
        self.forget_retractions(horizon);
        self.drafts.forget_before(horizon);
        for space in spaces {
            let before = self.batch.attestations.len();
            self.attest_purged(space, horizon);
            if self.batch.attestations.len() > before {
                let deed = Deed::MessagesPurged {
                    space: space.id(&self.clinic_id),
                    horizon,
                };
                self.note(Actor::Node, Origin::Inside, deed);
            }
        }
        self.effects
            .push_back(Effect::Changed(Changed::Purged { horizon }));
    }

    /// Destroys spaces that this node may no longer hold, once what it wrote there is safe elsewhere.
    pub(super) fn check_departures(&mut self) {
        if self.standing != super::DeviceStanding::Enrolled || self.in_flight.is_some() {
            return;
        }
        let leaving: Vec<Space> = self
            .holdings
            .spaces()
            .map(|(space, _)| *space)
            .filter(|space| *space != Space::Record && !matches!(space, Space::Audit(_)))
            .filter(|space| !self.record.clinic.may_hold(&self.me, space))
            .filter(|space| !self.batch.drops.contains(space) && self.is_safe_elsewhere(space))
            .collect();
        for space in leaving {
            self.batch.drops.push(space);
            self.facts.remove(&space);
            let deed = Deed::SpaceDropped {
                space: space.id(&self.clinic_id),
            };
            self.note(Actor::Node, Origin::Inside, deed);
        }
    }

    /// Whether every log of the space is attested in full by a device that may hold it.
    fn is_safe_elsewhere(&self, space: &Space) -> bool {
        let holders: BTreeSet<DeviceId> = self
            .record
            .clinic
            .members()
            .map(|(id, _)| *id)
            .filter(|id| *id != self.me && self.record.clinic.may_hold(id, space))
            .collect();
        let Some(state) = self.holdings.space(space) else {
            return true;
        };
        if planted!("given-up-unattested") {
            return true;
        }
        state.logs.iter().all(|((author, epoch), held)| {
            let log = Log {
                space: *space,
                author: *author,
                epoch: *epoch,
            };
            let need = held.effective_seq();
            let own = holders.contains(&author.as_device());
            held.tentative == held.durable
                && (own
                    || holders
                        .iter()
                        .any(|device| self.holdings.attested(&log, device) >= need))
        })
    }
}
