//! The admin's desk, as the commands have it: an opened key and the node that statements are given to.
//!
//! In this process, so that it is known when the node was given something.

use std::time::Instant;

use clinic_mesh::api::client::Client;
use clinic_mesh::authority::{Authority, Passphrase};
use clinic_mesh::domain::id::DeviceId;
use clinic_mesh::domain::log::Segment;
use clinic_mesh::domain::trust::MeshKey;
use clinic_mesh::platform::clock::Clock;
use clinic_mesh::platform::entropy;

use super::processes::{Clinic, Node};

/// An admin's key, up to date with a node.
pub(crate) struct Desk {
    authority: Authority,
    client: Client,
}

/// Something signed that the node was given.
pub(crate) struct Given {
    /// When the node was given it; it was durable there some time later.
    pub(crate) at: Instant,
    /// When the node had answered that it is durable.
    pub(crate) durable: Instant,
}

impl Desk {
    /// Opens the admin's key beside a node.
    pub(crate) async fn open(clinic: &Clinic, node: &Node) -> Self {
        let passphrase = Passphrase::typed("an admin passphrase");
        let robin = "Robin".parse().expect("a name");
        let path = clinic.path("authority");
        let authority = Authority::open_admin(&path, &robin, &passphrase, entropy::os());
        let mut authority = authority.expect("the passphrase is right");
        let client = Client::new(&node.socket());
        let record = client.record().await.expect("the node runs");
        authority.merge(record).expect("one history");
        Self { authority, client }
    }

    /// The device of this name.
    pub(crate) fn device(&self, name: &str) -> DeviceId {
        let mut devices = self.authority.clinic().devices.iter();
        let found = devices.find(|(_, device)| device.certificate.name.as_str() == name);
        *found.expect("it is enrolled").0
    }

    /// Revokes a device and changes the mesh key, as `device revoke` does.
    pub(crate) async fn revoke(&mut self, device: DeviceId) -> Given {
        let now = Clock::start().now();
        let ends = self.client.ends(&device).await.expect("the node runs");
        let revoked = self.authority.revoke_device(device, ends, now);
        let mut segments = revoked.expect("signed");
        let rotated = self.authority.rotate_mesh_key(now).expect("signed");
        segments.push(rotated.segment);
        let key = (rotated.made.epoch, rotated.made.key);
        self.give(&segments, &[key]).await
    }

    /// Changes the policy; says its version.
    pub(crate) async fn change_policy(&mut self, idle_minutes: u16) -> (Given, u32) {
        let mut policy = self.authority.clinic().policy.clone();
        policy.idle_logoff_minutes = idle_minutes;
        let segment = self.authority.set_policy(policy, Clock::start().now());
        let segment = segment.expect("signed");
        let given = self.give(&[segment], &[]).await;
        (given, self.authority.clinic().policy.version)
    }

    async fn give(&self, segments: &[Segment], keys: &[(u32, MeshKey)]) -> Given {
        let at = Instant::now();
        let answer = self.client.submit(segments, keys).await;
        let durable = Instant::now();
        let void = answer.expect("the node runs").void;
        assert!(void.is_empty(), "every statement counts");
        Given { at, durable }
    }
}
