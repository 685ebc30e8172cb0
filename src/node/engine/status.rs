//! The state of this node, for whoever operates it.
//!
//! It tells what this node knows at this moment, and what somebody should look at; no contents.

use std::collections::BTreeMap;

use crate::domain::condition::Told;
use crate::domain::health::{self, Concern};
use crate::domain::id::{ClinicId, DeviceId, Hash};
use crate::domain::log::Log;
use crate::domain::space::Space;
use crate::domain::time::{self, Day, WallTime};

use super::holdings::SpaceState;
use super::link::{Link, Stage};
use super::{Engine, Room};

/// The state of a node.
#[derive(Clone, Debug)]
pub struct Status {
    /// This device.
    pub device: DeviceId,
    /// The clinic.
    pub clinic: ClinicId,
    /// Whether this device is in good standing.
    pub standing: DeviceStanding,
    /// Open channels.
    pub links: Vec<LinkStatus>,
    /// Number of spaces held.
    pub spaces: usize,
    /// Number of entries held.
    pub entries: u64,
    /// First day still alive.
    pub horizon: Day,
    /// Digest of the clinic record.
    pub record: Hash,
    /// Forked logs.
    pub forks: Vec<Log>,
    /// Who attests this node's audit trail up to where.
    pub witnesses: Vec<(DeviceId, u64)>,
    /// The audit trail's own newest number in this epoch.
    pub trail: u64,
    /// When this device's certificate ends, once the record lists it.
    pub certificate_until: Option<WallTime>,
    /// Peers' median clock minus this node's, in milliseconds; none while nobody has told.
    pub mesh_offset_ms: Option<i64>,
    /// What somebody should look at, worst first.
    pub concerns: Vec<Concern>,
    /// This moment by this node's clock.
    pub now: WallTime,
    /// When each device was last heard by this node.
    pub last_heard: BTreeMap<DeviceId, WallTime>,
    /// What each told of itself.
    pub told: BTreeMap<DeviceId, Told>,
}

/// Whether this device may take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceStanding {
    /// The record lists it.
    Enrolled,
    /// The record has not arrived yet.
    Unknown,
    /// The authority withdrew it.
    Revoked,
}

/// One open channel.
#[derive(Clone, Debug)]
pub struct LinkStatus {
    /// The peer.
    pub peer: DeviceId,
    /// Peer's clock minus ours, in milliseconds.
    pub offset_ms: i64,
    /// Whether both records agree.
    pub in_sync: bool,
}

impl Engine {
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
        let forked = |(space, state): (&Space, &SpaceState)| {
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
            told: self.sightings.told(),
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
        let (clinic, now) = (&self.record.clinic, self.now.wall);
        let others = health::concerns(clinic, now, offset, self.contact());
        let backups = health::backups_elsewhere(clinic, &self.me, &self.told(), now);
        let concerns = shut_out.into_iter().chain(full).chain(others);
        concerns.chain(backups).collect()
    }
}

fn link_status(link: &Link) -> LinkStatus {
    LinkStatus {
        peer: link.peer,
        offset_ms: link.offset_ms.unwrap_or(0),
        in_sync: link.stage == Stage::All,
    }
}
