//! What the record tells those who judge handshakes.

use std::collections::BTreeMap;

use super::{Clinic, Root};
use crate::domain::id::{DeviceId, Hash};
use crate::domain::mesh_keys::AcceptedKeys;
use crate::domain::rotation::Rank;
use crate::domain::trust::{AdminTrust, RootTrust, TrustView};

impl Clinic {
    fn root_trust(&self, root: &Root) -> RootTrust {
        let (by, rotation) = (root.by.as_ref(), root.rotation.as_ref());
        RootTrust {
            key: root.key,
            rank: by.zip(rotation).map(|(by, rotation)| Rank {
                last: rotation.last,
                digest: by.digest(&self.id),
            }),
        }
    }

    /// What handshakes are judged by.
    pub fn trust(&self, me: DeviceId, keys: impl Into<AcceptedKeys>, digest: Hash) -> TrustView {
        let mut view = TrustView {
            clinic: self.id,
            me,
            roots: self
                .roots
                .iter()
                .map(|root| self.root_trust(root))
                .collect(),
            admins: BTreeMap::new(),
            enrolled: BTreeMap::new(),
            former: BTreeMap::new(),
            revoked_devices: self.revocations.keys().copied().collect(),
            revoked_serials: self.revoked_serials.keys().copied().collect(),
            revoked_noise_keys: self.revoked_noise_keys.keys().copied().collect(),
            once_listed: self.once_listed.clone(),
            mesh_keys: keys.into(),
            policy: self.policy.clone(),
            digest,
        };
        for (id, admin) in &self.admins {
            let trust = AdminTrust {
                grant: admin.grant.clone(),
                appointed: admin.appointed,
                ended: admin.ended,
                withdrawn: admin.withdrawn.clone(),
            };
            view.admins.insert(*id, trust);
        }
        for (id, device) in &self.devices {
            view.enrolled.insert(*id, device.certificate.clone());
            if let Some(former) = &device.former {
                view.former.insert(*id, former.clone());
            }
            if device.revocation.is_some() {
                view.revoked_devices.insert(*id);
            }
        }
        view
    }
}
