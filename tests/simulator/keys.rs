//! The plain reading of the mesh keys: which are in use, which are to come, and which are none.

use std::time::Duration;

use clinic_mesh::domain::id::Hash;
use clinic_mesh::domain::time::WallTime;
use clinic_mesh::node::engine::Commit;

use super::model::Model;
use super::rules::KEYS_ARE_SIGNED_FOR;
use super::world::World;

/// A mesh key: its hash, from when on it is used, and whether that was set beforehand.
pub(crate) type ModelKey = (Hash, WallTime, bool);

impl Model {
    /// A key that is the newest takes back whatever is planned.
    pub(crate) fn change_key(&mut self, epoch: u32, hash: Hash, at: WallTime) {
        let begun = |(_, since, planned): &ModelKey| !planned || *since <= at;
        let mut left = self.mesh_keys.clone();
        left.retain(|_, key| begun(key));
        let yields = |(known, (_, _, planned)): (&u32, &ModelKey)| {
            *known < epoch || (*known == epoch && *planned)
        };
        if left.iter().all(yields) {
            self.mesh_keys = left;
        }
        self.mesh_keys.entry(epoch).or_insert((hash, at, false));
    }

    /// Planned keys come after all others, in number and in time, and at most eight wait.
    pub(crate) fn plan_keys(
        &mut self,
        first: u32,
        begins: WallTime,
        hashes: &[Hash],
        at: WallTime,
    ) {
        let waiting = self.mesh_keys.values();
        let waiting = waiting
            .filter(|(_, since, planned)| *planned && *since > at)
            .count();
        let follows = self.mesh_keys.iter();
        let follows = follows.fold(begins >= at, |so_far, (epoch, (_, since, _))| {
            so_far && *epoch < first && *since < begins
        });
        if !follows || waiting + hashes.len() > 8 {
            return;
        }
        for (place, hash) in (0..).zip(hashes) {
            let since = begins.plus(Duration::from_secs(90 * 86_400) * place);
            self.mesh_keys.insert(first + place, (*hash, since, true));
        }
    }

    /// The keys that a member needs at that moment: the one in use, and those to come.
    pub(crate) fn keys_needed(&self, now: WallTime) -> impl Iterator<Item = (u32, &ModelKey)> {
        let begun = |(_, since, planned): &ModelKey| !planned || *since <= now;
        let in_use = self.mesh_keys.iter().filter(|(_, key)| begun(key));
        let newest = in_use.map(|(epoch, _)| *epoch).max().unwrap_or_default();
        self.mesh_keys
            .range(newest..)
            .map(|(epoch, key)| (*epoch, key))
    }
}

impl World {
    /// A key that is not the clinic's is refused when it arrives, not forgotten some time later.
    pub(crate) fn check_keys(&mut self, node: usize, commit: &Commit) {
        let made = &self.authority.mesh_keys;
        let foreign = commit.mesh_keys.iter().find(|(epoch, key)| {
            let genuine = made.get(epoch);
            genuine.is_none_or(|genuine| genuine.expose() != key.expose())
        });
        if let Some((epoch, _)) = foreign {
            let story = format!("node {node}: mesh key {epoch}");
            self.broke(KEYS_ARE_SIGNED_FOR, story);
        }
    }
}
