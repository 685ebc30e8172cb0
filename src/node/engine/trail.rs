//! The audit trail: offering it to witnesses, and showing it to auditors.

use crate::domain::attest::Attestation;
use crate::domain::audit::Deed;
use crate::domain::health::{self, Concern};
use crate::domain::id::DeviceId;
use crate::domain::log::{Head, Log, SEGMENT_BYTES_MAX, Segment};
use crate::domain::space::Space;
use crate::domain::time;

use super::{
    Asker, CommandRefusal, Engine, Job, LinkStatus, Load, Reply, Room, Status, Ticket, Trail,
};

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

    /// The state of this node.
    pub(super) fn status(&self) -> Status {
        let own = self.own_log(Space::Audit(self.me));
        let others = self
            .record
            .clinic
            .devices
            .keys()
            .filter(|device| **device != self.me);
        let witnesses = others
            .map(|device| (*device, self.holdings.attested(&own, device)))
            .filter(|(_, seq)| *seq > 0)
            .collect();
        let forked = |(space, state): (&Space, &super::holdings::SpaceState)| {
            let logs = state.logs.iter().filter(|(_, log)| log.forked);
            logs.map(|((author, epoch), _)| Log {
                space: *space,
                author: *author,
                epoch: *epoch,
            })
            .collect::<Vec<Log>>()
        };
        let offsets = self.links.values().filter_map(|link| link.offset_ms);
        let offset = time::median(offsets.collect());
        Status {
            device: self.me,
            clinic: self.clinic_id,
            standing: self.standing,
            links: self.links.values().map(link_status).collect(),
            spaces: self.holdings.spaces().count(),
            entries: self
                .holdings
                .spaces()
                .map(|(_, state)| state.entries())
                .sum(),
            horizon: self.horizon,
            record: self.record_digest(),
            forks: self.holdings.spaces().flat_map(forked).collect(),
            witnesses,
            trail: self.holdings.durable(&own),
            certificate_until: self
                .record
                .clinic
                .devices
                .get(&self.me)
                .map(|own| own.certificate.not_after),
            mesh_offset_ms: offset,
            now: self.now.wall,
            last_heard: self.sightings.last_heard(),
            concerns: self.concerns(offset),
        }
    }

    /// A peer says that this node was revoked.
    ///
    /// Whoever names nobody is believed only where no other node lets this one in: it is one byte, from
    /// whoever answers at an address. A name that is known already stays.
    pub(super) fn on_shut_out(&mut self, by: Option<DeviceId>) {
        let counts = by.is_some() || (self.links.is_empty() && self.shut_out.is_none());
        if counts {
            self.shut_out = Some(Concern::ShutOut { by });
        }
    }

    /// What somebody should look at: first what comes before everything else, then a full disk, since
    /// nobody can write for it.
    fn concerns(&self, offset: Option<i64>) -> Vec<Concern> {
        let shut_out = self.shut_out.clone();
        let full = (self.room == Room::NearlyFull).then_some(Concern::DiskNearlyFull);
        let others = health::concerns(&self.record.clinic, self.now.wall, offset, self.contact());
        shut_out.into_iter().chain(full).chain(others).collect()
    }
}

fn link_status(link: &super::link::Link) -> LinkStatus {
    LinkStatus {
        peer: link.peer,
        offset_ms: link.offset_ms.unwrap_or(0),
        in_sync: link.stage == super::link::Stage::All,
    }
}
