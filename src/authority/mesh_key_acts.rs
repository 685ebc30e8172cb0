//! What admins do with the mesh keys: change the one in use, plan the next ones, keep those of others.

use super::acts::Changed;
use super::directory::new_key;
use super::mesh_keys;
use super::{Authority, AuthorityError};
use crate::domain::cert::Scope;
use crate::domain::enrol::SharedMeshKey;
use crate::domain::id::Hash;
use crate::domain::mesh_keys::{MESH_KEYS, PLANNED_FEW, PLANNED_MAX};
use crate::domain::statement::Act;
use crate::domain::time::WallTime;
use crate::domain::trust::MeshKey;

impl Authority {
    /// Makes another mesh key. It is in this directory before the statement is signed.
    ///
    /// The key is yet to be given to a node, which hands it on inside secure channels.
    pub fn rotate_mesh_key(
        &mut self,
        now: WallTime,
    ) -> Result<Changed<SharedMeshKey>, AuthorityError> {
        let made = self.new_mesh_key(self.clinic.mesh_keys.next_number());
        let (epoch, commitment) = (made.epoch, self.commitment(&made));
        let segment = self.draft(Act::MeshKeyRotated { epoch, commitment }, now)?;
        // With it as many as nodes accept; what was planned is taken back by the statement.
        let begun = self.clinic.mesh_keys.begun(now).rev().take(MESH_KEYS - 1);
        let others: Vec<u32> = begun.map(|(epoch, _)| epoch).collect();
        self.keep_mesh_keys(std::slice::from_ref(&made), &others)?;
        let segment = self.commit(segment)?;
        Ok(Changed { made, segment })
    }

    /// Whether so few mesh keys are planned that this admin should plan more, and may.
    pub fn should_plan_mesh_keys(&self, now: WallTime) -> bool {
        let admin = self.clinic.admins.get(&self.id().as_admin());
        let may = admin
            .is_some_and(|admin| admin.ended.is_none() && admin.grant.scopes.has(Scope::Enrol));
        let made = self.clinic.mesh_keys.newest(now).is_some();
        may && made && self.clinic.mesh_keys.to_come(now).count() < PLANNED_FEW
    }

    /// Plans mesh keys until [`PLANNED_MAX`] wait for their moment. They are in this directory before the
    /// statement is signed.
    ///
    /// The keys are yet to be given to a node, which hands them on inside secure channels.
    pub fn plan_mesh_keys(
        &mut self,
        now: WallTime,
    ) -> Result<Changed<Vec<SharedMeshKey>>, AuthorityError> {
        let (first, begins) = self.clinic.mesh_keys.next_plan(now);
        let lacking = PLANNED_MAX - self.clinic.mesh_keys.to_come(now).count().min(PLANNED_MAX);
        let numbers = (first..=u32::MAX).take(lacking);
        let made: Vec<SharedMeshKey> = numbers.map(|epoch| self.new_mesh_key(epoch)).collect();
        let act = Act::MeshKeysPlanned {
            first,
            begins,
            commitments: made.iter().map(|one| self.commitment(one)).collect(),
        };
        let segment = self.draft(act, now)?;
        let others = self.clinic.mesh_keys.needed(now);
        self.keep_mesh_keys(&made, &others)?;
        let segment = self.commit(segment)?;
        Ok(Changed { made, segment })
    }

    fn new_mesh_key(&mut self, epoch: u32) -> SharedMeshKey {
        let key = MeshKey::new(*new_key(&mut *self.rng.0).seed());
        SharedMeshKey { epoch, key }
    }

    fn commitment(&self, shared: &SharedMeshKey) -> Hash {
        shared.key.commitment(&self.clinic_id(), shared.epoch)
    }

    /// Takes a mesh key that another admin made, as a running node gives it.
    pub fn learn_mesh_key(
        &mut self,
        shared: SharedMeshKey,
        now: WallTime,
    ) -> Result<(), AuthorityError> {
        let shared = std::slice::from_ref(&shared);
        self.check_mesh_keys(shared)?;
        let others = self.clinic.mesh_keys.needed(now);
        self.keep_mesh_keys(shared, &others)
    }

    fn keep_mesh_keys(
        &mut self,
        more: &[SharedMeshKey],
        others: &[u32],
    ) -> Result<(), AuthorityError> {
        let mut keys = self.mesh_keys.clone();
        mesh_keys::keep(&mut keys, more, others);
        let clinic = self.clinic_id();
        self.directory
            .save_mesh_keys(&self.holder, clinic, &self.key, &keys, &mut *self.rng.0)?;
        self.mesh_keys = keys;
        Ok(())
    }

    /// The mesh keys on this machine that the record commits to.
    pub fn mesh_keys(&self) -> Vec<SharedMeshKey> {
        let (committed, id) = (&self.clinic.mesh_keys, &self.clinic.id);
        let held = self.mesh_keys.iter();
        let committed = held.filter(|(epoch, key)| committed.matches(id, **epoch, key));
        committed
            .map(|(epoch, key)| SharedMeshKey {
                epoch: *epoch,
                key: key.clone(),
            })
            .collect()
    }

    /// Mesh keys that come from a node are not believed but compared with the record.
    pub(super) fn check_mesh_keys(&self, keys: &[SharedMeshKey]) -> Result<(), AuthorityError> {
        let mut others = keys.iter().filter(|shared| {
            let (committed, id) = (&self.clinic.mesh_keys, &self.clinic.id);
            !committed.matches(id, shared.epoch, &shared.key)
        });
        match others.next() {
            Some(SharedMeshKey { epoch, .. }) => {
                Err(AuthorityError::OtherMeshKey { epoch: *epoch })
            }
            None => Ok(()),
        }
    }
}
