//! Which mesh keys a node goes by, and from when on.
//!
//! An admin changes the mesh key at once, or plans the next ones: every member gets those beforehand and
//! begins to use each at its moment, so that a key grows no older than [`MESH_KEY_LIFE`] although nobody does
//! anything. A change at once takes back what was planned: whoever is shut out by it knows those keys too.
//!
//! Source: docs/decisions/0020-planned-mesh-keys.md.

use std::collections::BTreeMap;
use std::time::Duration;

use super::id::{ClinicId, Hash};
use super::time::WallTime;
use super::trust::MeshKey;
use crate::planted::planted;

/// How many mesh keys are accepted of those that are or were in use: the newest and two before it.
///
/// A node that slept through two changes can still reach the record and learn the newest.
pub const MESH_KEYS: usize = 3;

/// Most keys that are planned ahead: two years of them.
pub const PLANNED_MAX: usize = 8;

/// How many planned keys are left when an admin's tool plans more: a year of them.
pub const PLANNED_FEW: usize = 4;

/// How long a mesh key is used.
///
/// 90 days: whoever once learnt one, from a memory image or a file that nobody missed, hears the clinic's
/// names for so long and no longer.
pub const MESH_KEY_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);

/// How long before its moment a key is planned at the least: every member that is there has it by then.
const AHEAD: Duration = Duration::from_secs(24 * 3600);

/// How long a channel made with the key before a planned one passes everything.
///
/// Members reach the moment by their own clocks, and none of them was shut out by a plan. 30 days: by then the
/// certificate of whoever is further off has ended for the others.
const CHANGING: Duration = Duration::from_secs(30 * 24 * 3600);

/// What the clinic record says of one mesh key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommittedKey {
    /// Hash of the key; see [`MeshKey::commitment`].
    pub commitment: Hash,
    /// From when on it is used.
    pub since: WallTime,
    /// When an admin signed for it: who was shut out before has not got it.
    pub made: WallTime,
    /// Whether that moment was set beforehand; a key that was made to be used at once counts at once,
    /// whatever a clock says.
    pub planned: bool,
}

impl CommittedKey {
    /// Whether it is in use at that moment, or was before.
    pub fn has_begun(&self, now: WallTime) -> bool {
        !self.planned || self.since <= now
    }
}

/// The keys that the record commits to, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommittedKeys(BTreeMap<u32, CommittedKey>);

impl CommittedKeys {
    /// The one with this number.
    pub fn get(&self, epoch: u32) -> Option<&CommittedKey> {
        self.0.get(&epoch)
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u32, &CommittedKey)> {
        self.0.iter().map(|(epoch, key)| (*epoch, key))
    }

    /// The one in use at that moment.
    pub fn newest(&self, now: WallTime) -> Option<(u32, &CommittedKey)> {
        self.begun(now).next_back()
    }

    /// Those in use at that moment or before.
    pub fn begun(&self, now: WallTime) -> impl DoubleEndedIterator<Item = (u32, &CommittedKey)> {
        self.iter().filter(move |(_, key)| key.has_begun(now))
    }

    /// Those whose moment is still to come.
    pub fn to_come(&self, now: WallTime) -> impl DoubleEndedIterator<Item = (u32, &CommittedKey)> {
        self.iter().filter(move |(_, key)| !key.has_begun(now))
    }

    /// The numbers that a member needs: of the newest that are accepted, and of what is planned.
    pub fn needed(&self, now: WallTime) -> Vec<u32> {
        let newest = self.begun(now).rev().take(MESH_KEYS);
        newest
            .chain(self.to_come(now))
            .map(|(epoch, _)| epoch)
            .collect()
    }

    /// Whether it is the key that was committed to under this number.
    pub fn matches(&self, clinic: &ClinicId, epoch: u32, key: &MeshKey) -> bool {
        let committed = self.get(epoch);
        committed.is_some_and(|found| key.matches(clinic, epoch, &found.commitment))
    }

    /// The number that no key has or had, and none of the planned ones.
    pub fn next_number(&self) -> u32 {
        self.0
            .last_key_value()
            .map_or(1, |(epoch, _)| epoch.saturating_add(1))
    }

    /// Number and moment of a key that is planned now.
    ///
    /// [`MESH_KEY_LIFE`] after the last one, and not before every member had a day to hear of it.
    pub fn next_plan(&self, now: WallTime) -> (u32, WallTime) {
        let last = self.0.values().map(|key| key.since).max();
        let next = last.map_or(now, |last| last.plus(MESH_KEY_LIFE));
        (self.next_number(), next.max(now.plus(AHEAD)))
    }

    /// Enters a key that is used from this statement on. Says whether that is so: of two with one number
    /// the earlier holds.
    pub(super) fn change(&mut self, epoch: u32, commitment: Hash, at: WallTime) -> bool {
        let (mut begun, planned): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|(_, key)| key.has_begun(at));
        // Who changes to a number that was planned had not heard of the plan, and whoever that change shuts out may
        // have: what has not begun is taken back also where the number is taken.
        let takes_back = begun
            .iter()
            .all(|(known, key)| *known < epoch || (*known == epoch && key.planned));
        let key = CommittedKey {
            commitment,
            since: at,
            made: at,
            planned: false,
        };
        let held = *begun.entry(epoch).or_insert(key);
        if !takes_back || planted!("plan-survives-a-change") {
            begun.extend(planned.into_iter().filter(|(known, _)| *known != epoch));
        }
        self.0 = begun;
        held.commitment == commitment
    }

    /// Enters planned keys, each [`MESH_KEY_LIFE`] after the one before. Says whether they count: their
    /// numbers and moments come after all others, and there are not more of them than may wait.
    pub(super) fn plan(
        &mut self,
        first: u32,
        begins: WallTime,
        keys: &[Hash],
        at: WallTime,
    ) -> bool {
        let last = self.0.values().map(|key| key.since).max();
        let waiting = self.to_come(at).count() + keys.len();
        let numbers = u32::try_from(keys.len()).ok();
        let fits = numbers.is_some_and(|count| first.checked_add(count).is_some());
        let follows =
            self.0.keys().all(|known| *known < first) && last.is_none_or(|last| begins > last);
        if !fits || !follows || begins < at || waiting > PLANNED_MAX {
            return false;
        }
        let mut since = begins;
        for (commitment, epoch) in keys.iter().zip(first..) {
            let key = CommittedKey {
                commitment: *commitment,
                since,
                made: at,
                planned: true,
            };
            self.0.insert(epoch, key);
            since = since.plus(MESH_KEY_LIFE);
        }
        true
    }
}

/// The mesh keys that a node goes by at a moment.
#[derive(Clone, Debug, Default)]
pub struct AcceptedKeys {
    keys: BTreeMap<u32, MeshKey>,
    newest: Option<u32>,
    current: u32,
    /// Those that the record does not commit to.
    others: Vec<u32>,
}

impl AcceptedKeys {
    /// Of the keys that a node holds, those by which it lets others in at that moment.
    ///
    /// A planned key is accepted before its moment: the clock of whoever uses it may be ahead, and nobody
    /// but members has it. Where the record commits to fewer than [`MESH_KEYS`] that are in use, it may be
    /// a thief's who had the admins ended; with the newest of the others that are held here a node reaches
    /// those who know better.
    pub fn at(now: WallTime, committed: &CommittedKeys, held: &BTreeMap<u32, MeshKey>) -> Self {
        let is_held = |(epoch, _): &(u32, &CommittedKey)| held.contains_key(epoch);
        let begun = committed.begun(now).filter(is_held).rev();
        let begun: Vec<u32> = begun.map(|(epoch, _)| epoch).take(MESH_KEYS).collect();
        let others = held
            .keys()
            .rev()
            .filter(|epoch| committed.get(**epoch).is_none());
        let others: Vec<u32> = others.copied().take(MESH_KEYS - begun.len()).collect();
        let accepted: Vec<u32> = begun.iter().chain(&others).copied().collect();
        let newest = accepted.first().copied();
        let was_newest = committed
            .newest(now.minus(CHANGING))
            .map(|(epoch, _)| epoch);
        let to_come = committed.to_come(now).map(|(epoch, _)| epoch);
        let keys = accepted.into_iter().chain(to_come);
        let keys = keys.filter_map(|epoch| Some((epoch, held.get(&epoch)?.clone())));
        Self {
            keys: keys.collect(),
            newest,
            current: newest.min(was_newest.or(newest)).unwrap_or_default(),
            others,
        }
    }

    /// Those that the record commits to, the oldest first: what members and admins are given.
    pub fn of_the_record(&self) -> impl Iterator<Item = (u32, &MeshKey)> {
        self.iter()
            .filter(|(epoch, _)| !self.others.contains(epoch))
    }

    /// The key with this number, if it is accepted.
    pub fn get(&self, epoch: u32) -> Option<&MeshKey> {
        self.keys.get(&epoch)
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u32, &MeshKey)> {
        self.keys.iter().map(|(epoch, key)| (*epoch, key))
    }

    /// The one to dial with and to be known by.
    pub fn newest(&self) -> Option<(u32, &MeshKey)> {
        let epoch = self.newest?;
        Some((epoch, self.keys.get(&epoch)?))
    }

    /// Whether everything passes on a channel made with it: it is no older than the newest, or that one has
    /// only just begun.
    pub fn is_current(&self, epoch: u32) -> bool {
        epoch >= self.current && self.keys.contains_key(&epoch)
    }

    /// Whether the other goes by the keys of the same numbers.
    pub fn same_numbers(&self, other: &Self) -> bool {
        let rest = |keys: &Self| (keys.newest, keys.current);
        rest(self) == rest(other) && self.keys.keys().eq(other.keys.keys())
    }

    /// The numbers to dial with, in the order in which they are tried where one is not understood: the
    /// newest, what was before it, what is yet to come.
    pub fn to_try(&self) -> Vec<u32> {
        let newest = self.newest.unwrap_or_default();
        let begun = self.keys.range(..=newest).rev();
        let to_come = self.keys.range(newest.saturating_add(1)..);
        begun.chain(to_come).map(|(epoch, _)| *epoch).collect()
    }
}

/// Keys of which none is planned; the newest [`MESH_KEYS`] are accepted.
impl From<BTreeMap<u32, MeshKey>> for AcceptedKeys {
    fn from(mut keys: BTreeMap<u32, MeshKey>) -> Self {
        while keys.len() > MESH_KEYS {
            keys.pop_first();
        }
        let newest = keys.keys().next_back().copied();
        Self {
            others: Vec::new(),
            keys,
            newest,
            current: newest.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
impl AcceptedKeys {
    /// With one more, of which none is planned.
    pub(crate) fn insert(&mut self, epoch: u32, key: MeshKey) {
        self.keys.insert(epoch, key);
        *self = std::mem::take(&mut self.keys).into();
    }
}

#[cfg(test)]
mod tests;
