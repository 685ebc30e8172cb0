//! The audit trail: offering it to witnesses, and showing it to auditors.

use crate::domain::attest::Attestation;
use crate::domain::audit::Deed;
use crate::domain::id::DeviceId;
use crate::domain::log::{Head, Log, SEGMENT_BYTES_MAX, Segment};
use crate::domain::space::Space;

use super::{Asker, CommandRefusal, Engine, Job, Load, Reply, Ticket};

/// Part of an audit trail.
#[derive(Clone, Debug)]
pub struct Trail {
    /// Every epoch held, with its head.
    pub epochs: Vec<(Log, Head)>,
    /// Segments from the number asked for.
    pub segments: Vec<Segment>,
    /// What other devices attest of these logs.
    pub attestations: Vec<Attestation>,
}

impl Engine {
    /// Offers this node's trail, and those it has witnessed, to everyone who may hold them.
    pub(super) fn offer_trail(&mut self) {
        let trails: Vec<Space> = self
            .holdings
            .spaces()
            .map(|(space, _)| *space)
            .filter(|space| matches!(space, Space::Audit(_)))
            .collect();
        for space in trails {
            for id in self.links_where(|link| self.may_offer(link, &space)) {
                self.announce(id, space);
            }
        }
    }

    /// Shows part of a trail; that is itself recorded.
    pub(super) fn read_trail(
        &mut self,
        ticket: Ticket,
        asker: Asker,
        device: DeviceId,
        from: Option<(Log, u64)>,
    ) {
        let space = Space::Audit(device);
        if self.holdings.space(&space).is_none() {
            self.refuse(ticket, CommandRefusal::Unknown("audit trail on this node"));
            return;
        }
        let Some((log, seq)) = from.filter(|(log, _)| log.space == space) else {
            self.note(asker.actor, asker.origin, Deed::TrailRead { device });
            let trail = self.trail_of(space, Vec::new());
            self.batch.reply(ticket, Reply::Trail(trail));
            return;
        };
        let load = Load::Segments {
            log,
            from: seq,
            bytes: SEGMENT_BYTES_MAX,
        };
        if self.load(Job::Trail { ticket, log }, load).is_none() {
            self.refuse(ticket, CommandRefusal::Busy);
        }
    }

    /// Part of a trail was read.
    pub(super) fn on_trail(&mut self, ticket: Ticket, log: Log, segments: Vec<Segment>) {
        let trail = self.trail_of(log.space, segments);
        self.reply(ticket, Reply::Trail(trail));
    }

    fn trail_of(&self, space: Space, segments: Vec<Segment>) -> Trail {
        let logs = self.holdings.logs_of(&space).into_iter();
        let epochs: Vec<(Log, Head)> = logs
            .filter_map(|log| Some((log, self.holdings.log(&log)?.durable)))
            .collect();
        let attestations: Vec<Attestation> = self
            .holdings
            .space(&space)
            .map_or_else(Vec::new, |state| state.attestations().copied().collect());
        Trail {
            epochs,
            segments,
            attestations,
        }
    }
}
