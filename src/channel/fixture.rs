//! A clinic small enough for a handshake: a root, an admin, devices, and a wire to tamper with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::watch;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

use super::renewal::Renewer;
use super::{
    Attempt, HandshakeError, Local, Peer, Role, SecureStream, StaticKey, Verified, handshake,
};
use crate::domain::cert::{Capabilities, Certificate, DeviceKind, Grant, Scope, Scopes, VERSION};
use crate::domain::id::{ClinicId, DeviceId, Hash, Serial};
use crate::domain::name::Name;
use crate::domain::policy::Policy;
use crate::domain::rotation::RootPlace;
use crate::domain::sign::{Signed, SigningKey};
use crate::domain::time::WallTime;
use crate::domain::trust::{AdminTrust, Credentials, MeshKey, TrustView, Withdrawn};

pub(super) const NOW: WallTime = WallTime(1_800_000_000_000);
pub(super) const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

pub(super) type Wire = Compat<DuplexStream>;
pub(super) type Outcome = Result<(Peer, SecureStream<Wire>), HandshakeError>;

/// Two ends of a connection with more room than any handshake needs.
pub(super) fn wire() -> (Wire, Wire) {
    let (one, other) = tokio::io::duplex(1 << 17);
    (one.compat(), other.compat())
}

pub(super) struct Clinic {
    pub(super) root: SigningKey,
    pub(super) admin: SigningKey,
    pub(super) id: ClinicId,
    pub(super) keys: BTreeMap<u32, MeshKey>,
}

/// One device with all that a handshake takes.
pub(super) struct Party {
    pub(super) device: DeviceId,
    pub(super) serial: Serial,
    pub(super) local: Local,
    trust: watch::Sender<Arc<TrustView>>,
}

impl Clinic {
    pub(super) fn new() -> Self {
        Self::founded_by(0xc0)
    }

    pub(super) fn founded_by(seed: u8) -> Self {
        let root = SigningKey::from_seed(&[seed; 32]);
        let id = ClinicId::of_root(&root.id().as_admin());
        let admin = SigningKey::from_seed(&[0xad; 32]);
        let keys = (3..=5)
            .map(|epoch| (epoch, MeshKey::new([epoch as u8; 32])))
            .collect();
        Self {
            root,
            admin,
            id,
            keys,
        }
    }

    pub(super) fn grant(&self) -> Grant {
        Grant {
            version: VERSION,
            clinic: self.id,
            admin: self.admin.id().as_admin(),
            name: Name::new("Ana Núñez").unwrap(),
            scopes: Scopes::of([Scope::Enrol]),
            not_after: NOW.plus(DAY * 365),
        }
    }

    pub(super) fn certificate(&self, n: u8) -> Certificate {
        Certificate {
            version: VERSION,
            clinic: self.id,
            serial: Serial::new([n; 16]),
            device: SigningKey::from_seed(&[n; 32]).id().as_device(),
            noise_key: noise_key(n).public(),
            name: Name::new(format!("pc-{n}")).unwrap(),
            office: Name::new(format!("Office {n}")).unwrap(),
            kind: DeviceKind::Node,
            capabilities: Capabilities::of([]),
            not_before: NOW.minus(DAY),
            not_after: NOW.plus(DAY * 20),
        }
    }

    /// Device number `n`, properly enrolled.
    pub(super) fn party(&self, n: u8) -> Party {
        self.party_with(n, |_, _| {})
    }

    /// Device number `n`, after `change` had its way with certificate and grant.
    pub(super) fn party_with(
        &self,
        n: u8,
        change: impl FnOnce(&mut Certificate, &mut Grant),
    ) -> Party {
        let (mut certificate, mut grant) = (self.certificate(n), self.grant());
        change(&mut certificate, &mut grant);
        let credentials = Credentials {
            certificate: Signed::new(&certificate, &self.id, &self.admin),
            grant: Signed::new(&grant, &self.id, &self.root),
            chain: None,
        };
        self.party_showing(n, credentials, certificate.device, certificate.serial)
    }

    pub(super) fn party_showing(
        &self,
        n: u8,
        credentials: Credentials,
        device: DeviceId,
        serial: Serial,
    ) -> Party {
        let (trust, view) = watch::channel(Arc::new(self.trust_of(n)));
        let local = Local {
            key: noise_key(n),
            credentials: Arc::new(credentials),
            trust: view,
            verified: Verified::default(),
            renewer: Renewer::default(),
        };
        Party {
            device,
            serial,
            local,
            trust,
        }
    }

    fn trust_of(&self, n: u8) -> TrustView {
        let admin = AdminTrust {
            grant: self.grant(),
            appointed: RootPlace { root: 0, seq: 2 },
            ended: None,
            withdrawn: Withdrawn::default(),
        };
        TrustView {
            clinic: self.id,
            me: SigningKey::from_seed(&[n; 32]).id().as_device(),
            roots: Vec::new(),
            admins: BTreeMap::from([(self.admin.id().as_admin(), admin)]),
            enrolled: BTreeMap::new(),
            former: BTreeMap::new(),
            revoked_devices: BTreeSet::new(),
            revoked_serials: BTreeSet::new(),
            revoked_noise_keys: BTreeSet::new(),
            once_listed: BTreeMap::new(),
            mesh_keys: self.keys.clone().into(),
            policy: Policy::initial(),
            digest: Hash::new([n; 32]),
        }
    }
}

pub(super) fn noise_key(n: u8) -> StaticKey {
    StaticKey::from_secret(&[n ^ 0x55; 32])
}

impl Party {
    /// Changes what this device trusts, as news from the clinic record does.
    pub(super) fn learns(&self, change: impl FnOnce(&mut TrustView)) {
        self.trust.send_modify(|view| change(Arc::make_mut(view)));
    }

    pub(super) fn dials(&self) -> Attempt {
        Attempt {
            role: Role::Dial {
                device: None,
                epoch: None,
            },
            address: None,
            now: NOW,
        }
    }

    pub(super) fn listens(&self) -> Attempt {
        Attempt {
            role: Role::Listen,
            address: None,
            now: NOW,
        }
    }
}

/// Lets `dialler` call `listener` over a plain wire.
pub(super) async fn meet(dialler: &Party, listener: &Party) -> (Outcome, Outcome) {
    meet_as(dialler, dialler.dials(), listener, listener.listens()).await
}

pub(super) async fn meet_as(
    dialler: &Party,
    dialling: Attempt,
    listener: &Party,
    listening: Attempt,
) -> (Outcome, Outcome) {
    let (one, other) = wire();
    tokio::join!(
        handshake(one, &dialler.local, dialling),
        handshake(other, &listener.local, listening)
    )
}

/// The pieces of a handshake on the wire, in order.
pub(super) const PIECES: [(&str, From); 6] = [
    ("preface", From::Dialler),
    ("message 1", From::Dialler),
    ("message 2", From::Listener),
    ("message 3", From::Dialler),
    ("the dialler's verdict", From::Dialler),
    ("the listener's verdict", From::Listener),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Dialler,
    Listener,
}

/// What becomes of the wires after a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wires {
    Whole,
    Cut,
}

/// Time a piece spends on the wire, in a test's paused time.
pub(super) const HOP: std::time::Duration = std::time::Duration::from_millis(1);

/// Passes a handshake on piece by piece until one side leaves; `tamper` may change each of them.
async fn relay(
    mut dialler: DuplexStream,
    mut listener: DuplexStream,
    mut tamper: impl FnMut(usize, &mut Vec<u8>) -> Wires,
) {
    for (index, (_, from)) in PIECES.into_iter().enumerate() {
        let (source, sink) = match from {
            From::Dialler => (&mut dialler, &mut listener),
            From::Listener => (&mut listener, &mut dialler),
        };
        let Some(mut piece) = read_piece(source, index == 0).await else {
            return;
        };
        let wires = tamper(index, &mut piece);
        if sink.write_all(&piece).await.is_err() || wires == Wires::Cut {
            return;
        }
        // Both ends have done all they can before the next piece moves.
        tokio::time::sleep(HOP).await;
    }
    let _ends = tokio::io::copy_bidirectional(&mut dialler, &mut listener).await;
}

async fn read_piece(source: &mut DuplexStream, is_preface: bool) -> Option<Vec<u8>> {
    let mut piece = vec![0; if is_preface { 10 } else { 2 }];
    source.read_exact(&mut piece).await.ok()?;
    if !is_preface {
        let len = usize::from(u16::from_be_bytes([piece[0], piece[1]]));
        piece.resize(2 + len, 0);
        source.read_exact(&mut piece[2..]).await.ok()?;
    }
    Some(piece)
}

/// Lets two devices meet across a wire that tampers.
pub(super) async fn meet_across(
    dialler: &Party,
    listener: &Party,
    mut tamper: impl FnMut(usize, &mut Vec<u8>),
) -> (Outcome, Outcome) {
    meet_until(dialler, listener, |index, piece| {
        tamper(index, piece);
        Wires::Whole
    })
    .await
}

/// Lets two devices meet across a wire that tampers, and may be cut after any piece.
pub(super) async fn meet_until(
    dialler: &Party,
    listener: &Party,
    tamper: impl FnMut(usize, &mut Vec<u8>) -> Wires,
) -> (Outcome, Outcome) {
    let (one, near) = tokio::io::duplex(1 << 17);
    let (other, far) = tokio::io::duplex(1 << 17);
    let both = async {
        tokio::join!(
            handshake(one.compat(), &dialler.local, dialler.dials()),
            handshake(other.compat(), &listener.local, listener.listens())
        )
    };
    let passing = async {
        relay(near, far, tamper).await;
        std::future::pending().await
    };
    tokio::select! {
        outcome = both => outcome,
        outcome = passing => outcome,
    }
}
