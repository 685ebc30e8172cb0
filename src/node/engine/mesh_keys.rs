//! The mesh keys that this node holds: which it asks for, takes, passes on, and forgets.

use super::{Engine, LinkId};
use crate::domain::mesh_keys::AcceptedKeys;
use crate::domain::time::WallTime;
use crate::domain::trust::MeshKey;
use crate::planted::planted;
use crate::wire::Frame;

/// Mesh keys held in memory, of which few are in use ([`AcceptedKeys`]).
///
/// 256: where changes turn out void, because whoever signed them was ended, the keys from before them are the
/// clinic's again, and each change takes back as many as were planned. The store has them all.
const MESH_KEYS_HELD: usize = 256;

impl Engine {
    /// A mesh key that the record no longer commits to was a thief's: it would be dialled with, and would
    /// stand in the place of the clinic's own of that number.
    pub(super) fn forget_void_mesh_keys(&mut self) {
        let committed = &self.record.clinic.mesh_keys;
        let Some((newest, _)) = committed.iter().next_back() else {
            return;
        };
        let clinic = &self.clinic_id;
        self.mesh_keys
            .retain(|epoch, key| match committed.get(*epoch) {
                Some(found) => key.matches(clinic, *epoch, &found.commitment),
                // Taken back by a change that may itself turn out void.
                None => *epoch < newest,
            });
    }

    /// Asks a peer for mesh keys that the record commits to and this node lacks, those that are planned
    /// included: when their moment comes, no other node may be there.
    pub(super) fn ask_for_mesh_keys(&mut self, id: LinkId) {
        let mut needed = self.record.clinic.mesh_keys.needed(self.key_time());
        needed.retain(|epoch| !self.mesh_keys.contains_key(epoch));
        for epoch in needed {
            self.send(id, Frame::WantMeshKey { epoch });
        }
    }

    /// A peer asks for a mesh key: whoever is a member gets it.
    pub(super) fn on_want_mesh_key(&mut self, id: LinkId, epoch: u32) {
        let Some(peer) = self.links.get(&id).map(|link| link.peer) else {
            return;
        };
        let Some(key) = self.mesh_keys.get(&epoch) else {
            return;
        };
        if self.record.clinic.is_member(&peer) && !self.is_unlisted(id) {
            let frame = Frame::MeshKey {
                epoch,
                key: *key.expose(),
            };
            self.send(id, frame);
        }
    }

    /// A mesh key arrived; it counts only if the record commits to exactly this one.
    pub(super) fn on_mesh_key(&mut self, epoch: u32, key: MeshKey) {
        let committed = &self.record.clinic.mesh_keys;
        let genuine = committed.matches(&self.clinic_id, epoch, &key);
        let genuine = genuine || planted!("mesh-key-unchecked");
        if !genuine || self.mesh_keys.contains_key(&epoch) {
            return;
        }
        self.mesh_keys.insert(epoch, key.clone());
        self.trim_mesh_keys();
        self.batch.mesh_keys.push((epoch, key));
        self.publish_trust();
    }

    /// Says which mesh keys are accepted, where a planned one has begun or the one before it has been passed.
    pub(super) fn check_mesh_keys(&mut self) {
        let committed = &self.record.clinic.mesh_keys;
        let keys = AcceptedKeys::at(self.key_time(), committed, &self.mesh_keys);
        let same = keys.same_numbers(&self.trust.mesh_keys);
        if !same && !planted!("planned-key-never-begins") {
            self.publish_trust();
        }
    }

    /// The moment by which planned keys begin: this clock's, but none before what has come for certain. A clock
    /// that is years behind would go by keys that nobody accepts any more.
    pub(super) fn key_time(&self) -> WallTime {
        self.now.wall.max(self.certain_base().plus(self.now.mono))
    }

    pub(super) fn trim_mesh_keys(&mut self) {
        while self.mesh_keys.len() > MESH_KEYS_HELD {
            self.mesh_keys.pop_first();
        }
    }
}
