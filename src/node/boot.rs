//! From the store to the engine: what a node knows when it starts, and how a node is made.

use std::collections::BTreeMap;
use std::path::Path;

use crate::domain::audit::{self, AuditRecord};
use crate::domain::id::{ClinicId, DeviceId, SpaceId, StaffId};
use crate::domain::log::{Epoch, Log, Segment};
use crate::domain::message::{EntryId, Position, StaffItem};
use crate::domain::renewal::RenewalId;
use crate::domain::sighting::Sighting;
use crate::domain::sign::Signature;
use crate::domain::space::Space;
use crate::domain::statement::StatementId;
use crate::domain::time::{Day, Hlc, WallTime};
use crate::domain::trust::MeshKey;
use crate::platform::entropy;
use crate::store::{Append, Batch, LogState, Meta, Options, Reach, Store, StoreError, Unlock};

use super::engine::{Boot, BootLog};
use super::identity::{Identity, IdentityError};

/// Audit records that are looked through for where each person was.
///
/// Two thousand: the last days of a busy office, read within milliseconds. Whoever was away for longer begins
/// where something was written last.
const LOOKED_BACK: usize = 2048;

/// Names of mesh keys in the store: this and the epoch in ten digits, so that they sort.
const MESH_KEY: &str = "mesh-key/";

/// The value that keeps a mesh key.
pub(super) fn mesh_key_meta(epoch: u32, key: &MeshKey) -> Meta {
    Meta {
        name: format!("{MESH_KEY}{epoch:010}"),
        value: Some(key.expose().to_vec()),
    }
}

/// Names of what is remembered of other nodes: this and the device's id.
const SIGHTING: &str = "sighting/";

/// The value that keeps what is remembered of a node.
pub(super) fn sighting_meta((device, sighting): &(DeviceId, Sighting)) -> Meta {
    Meta {
        name: format!("{SIGHTING}{device}"),
        value: Some(sighting.to_bytes()),
    }
}

/// What an enrolled device begins with.
#[derive(Debug)]
pub struct Enrolled {
    /// Who it is.
    pub identity: Identity,
    /// The clinic record as it was given.
    pub record: Vec<Segment>,
    /// The mesh keys it was given.
    pub mesh_keys: Vec<(u32, MeshKey)>,
}

/// Makes the store of an enrolled device.
///
/// The segments must have been verified; they are taken as they are. On failure nothing is left in `dir`.
pub fn create(
    dir: &Path,
    options: &Options,
    unlock: &Unlock,
    enrolled: &Enrolled,
    now: WallTime,
) -> Result<Store, StoreError> {
    filled(dir, options, unlock, first_batch(enrolled, now))
}

/// A new store with its first batch; on failure nothing is left in `dir`.
pub(super) fn filled(
    dir: &Path,
    options: &Options,
    unlock: &Unlock,
    batch: Batch,
) -> Result<Store, StoreError> {
    let store = Store::create(dir, options, unlock)?;
    let error = match store.commit(batch) {
        Ok(()) if store.room_for_messages() => return Ok(store),
        Ok(()) => StoreError::NoRoom,
        Err(error) => error,
    };
    store.discard(dir);
    Err(error)
}

/// What the store of an enrolled device begins with.
pub(super) fn first_batch(enrolled: &Enrolled, now: WallTime) -> Batch {
    let clinic = &enrolled.identity.clinic;
    let append = |segment: &Segment| Append {
        segment: segment.clone(),
        end: segment.end(clinic),
        arrived: now,
    };
    let keys = enrolled.mesh_keys.iter();
    let keys = keys.map(|(epoch, key)| mesh_key_meta(*epoch, key));
    Batch {
        appends: enrolled.record.iter().map(append).collect(),
        metas: keys.chain([enrolled.identity.to_meta()]).collect(),
        ..Batch::default()
    }
}

/// Everything the engine needs from the store.
pub(super) fn load(store: &Store, identity: &Identity) -> Result<Boot, IdentityError> {
    let states = store.logs()?;
    let forked: Vec<Log> = store.forks()?.into_iter().map(|fork| fork.log).collect();
    let logs = states.iter().map(|state| boot_log(store, state, &forked));
    let logs = logs.collect::<Result<Vec<BootLog>, StoreError>>()?;
    Ok(Boot {
        clinic: identity.clinic,
        key: identity.keys.signing_key(),
        statements: statements(store, &states)?,
        renewals: renewals(store, &states)?,
        staff_items: staff_items(store, &states)?,
        attestations: attestations(store, &states)?,
        mesh_keys: mesh_keys(store)?,
        horizon: horizon(store)?,
        retractions: store.retractions()?,
        sightings: sightings(store)?,
        opened_last: opened_last(store, identity)?,
        seed: *entropy::secret::<32>(),
        logs,
    })
}

fn boot_log(store: &Store, state: &LogState, forked: &[Log]) -> Result<BootLog, StoreError> {
    let signature = store
        .head_signature(&state.log)?
        .unwrap_or(Signature::new([0; 64]));
    Ok(BootLog {
        log: state.log,
        head: state.head,
        time: state.last_time,
        signature,
        forked: forked.contains(&state.log),
    })
}

/// Bodies of a log in order, with their numbers and times.
fn bodies(
    store: &Store,
    log: &Log,
    mut each: impl FnMut(u64, Hlc, &[u8]),
) -> Result<(), StoreError> {
    const STEP: usize = 1024 * 1024;
    let mut from = 1;
    loop {
        let segments = store.segments(log, from, STEP)?;
        let Some(last) = segments.last().map(Segment::last) else {
            return Ok(());
        };
        for segment in &segments {
            for (seq, entry) in (segment.first..).zip(&segment.entries) {
                if let Some(payload) = &entry.payload {
                    each(seq, entry.header.time, &payload.body);
                }
            }
        }
        from = last + 1;
    }
}

fn statements(
    store: &Store,
    states: &[LogState],
) -> Result<Vec<(StatementId, Hlc, Vec<u8>)>, StoreError> {
    let mut found = Vec::new();
    let of_admins = |log: &Log| log.space == Space::Record && log.epoch == Epoch::RECORD;
    for state in states.iter().filter(|state| of_admins(&state.log)) {
        let author = state.log.author;
        bodies(store, &state.log, |seq, time, body| {
            found.push((StatementId { author, seq }, time, body.to_vec()));
        })?;
    }
    Ok(found)
}

/// What devices wrote into logs of their own in the clinic record.
fn renewals(
    store: &Store,
    states: &[LogState],
) -> Result<Vec<(RenewalId, Hlc, Vec<u8>)>, StoreError> {
    let mut found = Vec::new();
    let of_devices = |log: &Log| log.space == Space::Record && log.epoch != Epoch::RECORD;
    for state in states.iter().filter(|state| of_devices(&state.log)) {
        let (by, epoch) = (state.log.author.as_device(), state.log.epoch);
        bodies(store, &state.log, |seq, time, body| {
            found.push((RenewalId { by, epoch, seq }, time, body.to_vec()));
        })?;
    }
    Ok(found)
}

fn staff_items(
    store: &Store,
    states: &[LogState],
) -> Result<Vec<(StaffId, Position, StaffItem)>, StoreError> {
    let mut found = Vec::new();
    for state in states {
        let Space::Staff(staff) = state.log.space else {
            continue;
        };
        bodies(store, &state.log, |seq, time, body| {
            let id = EntryId::new(&state.log, seq);
            let position = Position {
                time,
                author: id.author,
                epoch: id.epoch,
                seq,
            };
            found.extend(
                StaffItem::from_body(body)
                    .ok()
                    .map(|item| (staff, position, item)),
            );
        })?;
    }
    Ok(found)
}

fn attestations(
    store: &Store,
    states: &[LogState],
) -> Result<Vec<crate::domain::attest::Attestation>, StoreError> {
    let mut spaces: Vec<Space> = states.iter().map(|state| state.log.space).collect();
    spaces.dedup();
    let mut found = Vec::new();
    for space in spaces {
        found.extend(store.attestations(&space)?);
    }
    Ok(found)
}

fn mesh_keys(store: &Store) -> Result<BTreeMap<u32, MeshKey>, StoreError> {
    let mut keys = BTreeMap::new();
    for (name, value) in store.metas(MESH_KEY)? {
        let epoch = name
            .strip_prefix(MESH_KEY)
            .and_then(|digits| digits.parse().ok());
        let key: Option<[u8; 32]> = value.try_into().ok();
        keys.extend(epoch.zip(key.map(MeshKey::new)));
    }
    Ok(keys)
}

/// What cannot be read is as if it had never been remembered.
fn sightings(store: &Store) -> Result<Vec<(DeviceId, Sighting)>, StoreError> {
    let kept = store.metas(SIGHTING)?.into_iter();
    let read = |(name, value): (String, Vec<u8>)| {
        let device = DeviceId::from_hex(name.strip_prefix(SIGHTING)?)?;
        Some((device, Sighting::from_bytes(&value).ok()?))
    };
    Ok(kept.filter_map(read).collect())
}

/// Which conversation each person opened last, by this node's own audit trail.
fn opened_last(
    store: &Store,
    identity: &Identity,
) -> Result<BTreeMap<StaffId, SpaceId>, StoreError> {
    let trail = Space::Audit(identity.keys.signing_key().id().as_device());
    let newest = store.newest(&trail, None, LOOKED_BACK)?.into_iter();
    let records = newest.filter_map(|held| {
        let payload = held.entry.payload?;
        AuditRecord::from_body(&payload.body).ok()
    });
    Ok(audit::opened_last(records))
}

fn horizon(store: &Store) -> Result<Day, StoreError> {
    let everywhere = store
        .horizons()?
        .into_iter()
        .find(|horizon| horizon.reach == Reach::Everywhere);
    Ok(everywhere.map_or(Day(0), |horizon| horizon.first_alive))
}

/// The clinic that a store belongs to, for those who only look.
pub fn clinic_of(store: &Store) -> Result<ClinicId, IdentityError> {
    Ok(Identity::load(store)?.clinic)
}
