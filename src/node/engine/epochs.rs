//! The epochs that this device writes its logs in: none is written in twice.

use rand::Rng as _;

use crate::domain::audit::{Actor, AuditRecord, Origin};
use crate::domain::id::AuthorId;
use crate::domain::log::{Epoch, Log};
use crate::domain::space::Space;
use crate::planted::planted;

use super::Engine;

impl Engine {
    /// This node's log in a space, in this run of the process.
    pub(super) fn own_log(&self, space: Space) -> Log {
        Log {
            space,
            author: AuthorId::from(self.me),
            epoch: self.epochs.get(&space).copied().unwrap_or(self.epoch),
        }
    }

    /// An epoch that this device never wrote in.
    ///
    /// Later than every known one; and should neither the disk nor the clock remember the newest
    /// (both were put back), its last sixteen bits are random.
    pub(super) fn fresh_epoch(&mut self) -> Epoch {
        let wall = self.clock.last().wall().max(self.now.wall).0;
        let after = (self.last_epoch.0 >> 16) + 1;
        let mut random = [0; 2];
        self.rng.fill_bytes(&mut random);
        let epoch = wall.max(after) << 16 | u64::from(u16::from_be_bytes(random));
        self.last_epoch = Epoch(epoch);
        if planted!("epoch-used-again") {
            self.last_epoch = Epoch(7);
        }
        self.last_epoch
    }

    /// Ends the epoch if the clock was far ahead and has been put right: what is written from here on
    /// has to carry times that others accept.
    pub(super) fn check_clock(&mut self) {
        if !self.mend_clock() {
            return;
        }
        self.epoch = self.fresh_epoch();
        self.epochs.clear();
        let started = AuditRecord::done(Actor::Node, Origin::Inside, self.started());
        self.batch.audit_first(started);
    }
}
