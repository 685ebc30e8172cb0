//! What the store holds when the node starts: all that an engine is made of.
//!
//! Everything in it was durable and checked when it was written; the engine takes it as it is.

use std::collections::BTreeMap;

use crate::domain::attest::Attestation;
use crate::domain::id::{ClinicId, DeviceId, SpaceId, StaffId};
use crate::domain::log::{Epoch, Head, Log};
use crate::domain::message::{Position, StaffItem};
use crate::domain::renewal::RenewalId;
use crate::domain::retraction::Retraction;
use crate::domain::sighting::Sighting;
use crate::domain::sign::{Signature, SigningKey};
use crate::domain::statement::StatementId;
use crate::domain::time::{Day, Hlc};
use crate::domain::trust::MeshKey;

/// What the store holds when the node starts.
#[derive(Debug)]
pub struct Boot {
    /// The pinned clinic.
    pub clinic: ClinicId,
    /// This device's identity.
    pub key: SigningKey,
    /// Every log with its durable head.
    pub logs: Vec<BootLog>,
    /// Bodies of the clinic record, in any order.
    pub statements: Vec<(StatementId, Hlc, Vec<u8>)>,
    /// Bodies of devices' logs in the clinic record, in any order.
    pub renewals: Vec<(RenewalId, Hlc, Vec<u8>)>,
    /// Bodies of staff members' private spaces, in any order.
    pub staff_items: Vec<(StaffId, Position, StaffItem)>,
    /// The newest attestation of each subject.
    pub attestations: Vec<Attestation>,
    /// Mesh keys by epoch.
    pub mesh_keys: BTreeMap<u32, MeshKey>,
    /// First day still alive.
    pub horizon: Day,
    /// Retractions of what would otherwise still be alive.
    pub retractions: Vec<Retraction>,
    /// What is remembered of other nodes.
    pub sightings: Vec<(DeviceId, Sighting)>,
    /// Which conversation each person opened last at this node.
    pub opened_last: BTreeMap<StaffId, SpaceId>,
    /// Randomness for salts.
    pub seed: [u8; 32],
}

impl Boot {
    /// The latest timestamp in the store, which is what the hybrid clock goes on from; epochs count, because each
    /// began at one.
    pub(super) fn newest(&self) -> Hlc {
        let times = self.logs.iter().map(|found| found.time);
        let epochs = self.logs.iter().map(|found| found.log.epoch);
        let epochs = epochs.filter(|epoch| *epoch != Epoch::RECORD);
        times
            .chain(epochs.map(|epoch| Hlc(epoch.0)))
            .max()
            .unwrap_or_default()
    }
}

/// One log as the store holds it.
#[derive(Clone, Debug)]
pub struct BootLog {
    /// Which.
    pub log: Log,
    /// Its newest entry.
    pub head: Head,
    /// The time of that entry.
    pub time: Hlc,
    /// The author's signature over the head.
    pub signature: Signature,
    /// Whether a fork was found in it.
    pub forked: bool,
}
