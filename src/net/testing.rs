//! A clinic for the network's tests: keys, certificates, and nodes on loopback.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::discovery::{self, Interfaces};
use super::{Event, Handle, Identity, LinkId, Settings, Source, Up, Wanted, start};
use crate::channel::StaticKey;
use crate::domain::cert::{Capabilities, Certificate, DeviceKind, Grant, Scope, Scopes, VERSION};
use crate::domain::id::{ClinicId, DeviceId, Hash, Serial};
use crate::domain::name::Name;
use crate::domain::policy::Policy;
use crate::domain::sign::{Signed, SigningKey};
use crate::domain::time::WallTime;
use crate::domain::trust::{Credentials, MeshKey, TrustView};
use crate::wire::Frame;

/// The hour of all tests here.
pub(crate) const NOW: WallTime = WallTime(1_795_000_000_000);

pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// One clinic; another number is another clinic.
pub(crate) struct Clinic {
    number: u8,
    pub(crate) id: ClinicId,
    root: SigningKey,
    admin: SigningKey,
}

/// One enrolled device of it.
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) noise_key: [u8; 32],
    pub(crate) credentials: Credentials,
}

impl Clinic {
    pub(crate) fn new(number: u8) -> Self {
        let root = SigningKey::from_seed(&[number; 32]);
        Self {
            number,
            id: ClinicId::of_root(&root.id().as_admin()),
            root,
            admin: SigningKey::from_seed(&[number ^ 0x80; 32]),
        }
    }

    pub(crate) fn device(&self, n: u16) -> Device {
        self.device_with(n, |_| {})
    }

    /// Device `n`'s identity key.
    pub(crate) fn key(&self, n: u16) -> SigningKey {
        SigningKey::from_seed(&self.seed(n))
    }

    fn seed(&self, n: u16) -> [u8; 32] {
        let mut seed = [0; 32];
        seed[0] = self.number;
        seed[2..4].copy_from_slice(&n.to_be_bytes());
        seed
    }

    /// Device `n` with a certificate that differs from the ordinary one.
    pub(crate) fn device_with(&self, n: u16, change: impl FnOnce(&mut Certificate)) -> Device {
        let key = self.key(n);
        let mut noise_key = self.seed(n);
        noise_key[1] ^= 0xff;
        let mut serial = [0; 16];
        serial[..2].copy_from_slice(&n.to_be_bytes());
        let mut certificate = Certificate {
            version: VERSION,
            clinic: self.id,
            serial: Serial::new(serial),
            device: key.id().as_device(),
            noise_key: StaticKey::from_secret(&noise_key).public(),
            name: Name::new("Front desk").unwrap(),
            office: Name::new("North").unwrap(),
            kind: DeviceKind::Node,
            capabilities: Capabilities::default(),
            not_before: NOW.minus(Duration::from_secs(60)),
            not_after: NOW.plus(Duration::from_secs(3600)),
        };
        change(&mut certificate);
        let grant = Grant {
            version: VERSION,
            clinic: self.id,
            admin: self.admin.id().as_admin(),
            name: Name::new("Admin").unwrap(),
            scopes: Scopes::of([Scope::Enrol]),
            not_after: NOW.plus(Duration::from_secs(24 * 3600)),
        };
        Device {
            id: certificate.device,
            noise_key,
            credentials: Credentials {
                certificate: Signed::new(&certificate, &self.id, &self.admin),
                grant: Signed::new(&grant, &self.id, &self.root),
                chain: None,
            },
        }
    }

    /// What device `n` trusts.
    pub(crate) fn trust(&self, n: u16) -> TrustView {
        TrustView {
            clinic: self.id,
            me: self.device(n).id,
            roots: Vec::new(),
            admins: BTreeMap::new(),
            enrolled: BTreeMap::new(),
            former: BTreeMap::new(),
            revoked_devices: BTreeSet::new(),
            revoked_serials: BTreeSet::new(),
            revoked_noise_keys: BTreeSet::new(),
            once_listed: BTreeMap::new(),
            mesh_keys: BTreeMap::from([(1, MeshKey::new([self.number; 32]))]).into(),
            policy: Policy::initial(),
            digest: Hash::of("test", &[]),
        }
    }

    /// Starts device `n` on loopback without discovery.
    pub(crate) fn node(&self, n: u16) -> Node {
        self.node_with(n, self.trust(n), quiet())
    }

    pub(crate) fn node_with(
        &self,
        n: u16,
        trust: TrustView,
        discovery: discovery::Settings,
    ) -> Node {
        let device = self.device(n);
        let (trust, receiver) = watch::channel(Arc::new(trust));
        let identity = Identity {
            device: device.id,
            noise_key: Zeroizing::new(device.noise_key),
            credentials: device.credentials,
            trust: receiver,
        };
        let settings = Settings {
            listen: vec![(Ipv4Addr::LOCALHOST, 0).into()],
            discovery,
            seed: rand::random(),
        };
        let (handle, events) = start(settings, identity, Arc::new(|| NOW)).unwrap();
        Node {
            id: device.id,
            handle,
            events,
            trust,
        }
    }
}

/// No discovery.
pub(crate) fn quiet() -> discovery::Settings {
    discovery::Settings {
        interfaces: Interfaces::Off,
        port: 0,
    }
}

/// Discovery on loopback, on a port of its own.
pub(crate) fn loopback(port: u16) -> discovery::Settings {
    discovery::Settings {
        interfaces: Interfaces::Only(vec!["lo".into()]),
        port,
    }
}

/// A running network with its events.
pub(crate) struct Node {
    pub(crate) id: DeviceId,
    pub(crate) handle: Handle,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) trust: watch::Sender<Arc<TrustView>>,
}

impl Node {
    /// Where it listens.
    pub(crate) async fn address(&mut self) -> SocketAddr {
        loop {
            if let Some(address) = self.handle.listeners().first() {
                return *address;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Wants a connection to `peer`, said to be at `addresses`.
    pub(crate) fn want(&self, peer: DeviceId, addresses: &[SocketAddr]) {
        let addresses = addresses.iter().map(|a| (*a, Source::Bootstrap)).collect();
        self.handle.set_wanted(Wanted::from([(peer, addresses)]));
    }

    /// Waits for the first event that `pick` takes; the others are dropped.
    pub(crate) async fn wait<T>(&mut self, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        let found = async {
            loop {
                let event = self.events.recv().await.expect("the network runs");
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, found).await.expect("it happens in time")
    }

    pub(crate) async fn up(&mut self) -> Up {
        self.wait(|event| match event {
            Event::LinkUp(up) => Some(*up),
            _ => None,
        })
        .await
    }

    pub(crate) async fn down(&mut self) -> (LinkId, super::Ended) {
        self.wait(|event| match event {
            Event::LinkDown { link, why, .. } => Some((link, why)),
            _ => None,
        })
        .await
    }

    pub(crate) async fn frame(&mut self) -> (LinkId, Frame) {
        self.wait(|event| match event {
            Event::Frame { link, frame } => Some((link, frame)),
            _ => None,
        })
        .await
    }

    pub(crate) async fn refused(&mut self) -> (super::By, crate::domain::trust::Refusal) {
        self.wait(|event| match event {
            Event::Refused { by, why, .. } => Some((by, why)),
            _ => None,
        })
        .await
    }

    /// Changes what it trusts.
    pub(crate) fn trusts(&self, change: impl FnOnce(&mut TrustView)) {
        let mut trust = TrustView::clone(&self.trust.borrow());
        change(&mut trust);
        self.trust.send_replace(Arc::new(trust));
    }
}

/// Two nodes with a link between them.
pub(crate) async fn linked(one: &mut Node, other: &mut Node) -> (Up, Up) {
    let address = other.address().await;
    one.want(other.id, &[address]);
    (one.up().await, other.up().await)
}
