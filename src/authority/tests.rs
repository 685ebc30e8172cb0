use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::domain::cert::{DeviceKind, Scope, Scopes};
use crate::domain::enrol::{
    self, AnswerError, Arrival, EnrolmentAnswer, EnrolmentRequest, Promise, SignedRequest, Terms,
};
use crate::domain::id::{AdminId, NoiseKey};
use crate::platform::entropy::repeatable::Repeatable;

mod acts;
mod answers;
mod enrolment;
mod founding;
mod rotation;
mod shares;
mod vectors;
mod web;

const CHEAP: Cost = Cost {
    memory_kib: 64,
    passes: 1,
    lanes: 1,
};

/// 2026-01-01.
const NOW: WallTime = WallTime(1_767_225_600_000);

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn root_words() -> Passphrase {
    Passphrase::chosen("seven tin soldiers").expect("long enough")
}

fn admin_words() -> Passphrase {
    Passphrase::chosen("a cart of blue hay").expect("long enough")
}

fn later(seconds: u64) -> WallTime {
    NOW.plus(Duration::from_secs(seconds))
}

/// A founded clinic in a scratch directory.
struct Bench {
    scratch: TempDir,
    founded: Founded,
    draws: std::cell::Cell<u64>,
}

impl Bench {
    fn new() -> Self {
        Self::drawn("founding")
    }

    /// Another clinic.
    fn other() -> Self {
        Self::drawn("another founding")
    }

    fn drawn(draw: &'static str) -> Self {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let founding = founding();
        let rng = Repeatable(draw, 0);
        let founded = found(&scratch.path().join("ca"), &founding, NOW, rng).expect("founded");
        Self {
            scratch,
            founded,
            draws: std::cell::Cell::new(0),
        }
    }

    fn path(&self) -> PathBuf {
        self.scratch.path().join("ca")
    }

    /// Randomness that differs from opening to opening.
    fn rng(&self) -> Repeatable {
        self.draws.set(self.draws.get() + 1);
        Repeatable("bench", self.draws.get() << 32)
    }

    fn admin(&self) -> Authority {
        self.admin_in(&self.path())
    }

    fn admin_in(&self, path: &Path) -> Authority {
        Authority::open_admin(path, &name("ana"), &admin_words(), self.rng()).expect("opened")
    }

    fn root(&self) -> Authority {
        Authority::open_root(&self.path(), &root_words(), self.rng()).expect("opened")
    }

    /// A key as a thief of its file and passphrase would have it.
    fn key(&self, file: &str, words: &Passphrase) -> SigningKey {
        let bytes = std::fs::read(self.path().join(file)).expect("there");
        let file = keyfile::KeyFile::from_bytes(&bytes).expect("sound");
        file.open(words).expect("opened")
    }

    /// A copy of the whole directory, as an admin might keep one.
    fn copied(&self, to: &str) -> PathBuf {
        let copy = self.scratch.path().join(to);
        crate::platform::files::create_dir(&copy).expect("made");
        for entry in std::fs::read_dir(self.path()).expect("there") {
            let entry = entry.expect("there");
            std::fs::copy(entry.path(), copy.join(entry.file_name())).expect("copied");
        }
        copy
    }
}

fn founding() -> Founding {
    Founding {
        clinic_name: name("Harbour Clinic"),
        web_domain: None,
        admin_name: name("ana"),
        root_passphrase: root_words(),
        admin_passphrase: admin_words(),
        cost: CHEAP,
    }
}

/// A machine that wants to be enrolled.
struct Machine {
    key: SigningKey,
    noise_secret: [u8; 32],
}

impl Machine {
    fn new(seed: u8) -> Self {
        Self {
            key: SigningKey::from_seed(&[seed; 32]),
            noise_secret: [seed ^ 0x55; 32],
        }
    }

    fn device(&self) -> DeviceId {
        self.key.id().as_device()
    }

    fn noise_key(&self) -> NoiseKey {
        let secret = x25519_dalek::StaticSecret::from(self.noise_secret);
        NoiseKey::new(x25519_dalek::PublicKey::from(&secret).to_bytes())
    }

    fn wish(&self) -> EnrolmentRequest {
        EnrolmentRequest {
            version: enrol::VERSION,
            device: self.device(),
            noise_key: self.noise_key(),
            name: name("new machine"),
            address: Some("192.0.2.7:7700".to_owned()),
            invitation: None,
            binding: None,
            made_at: NOW,
            web_key: None,
        }
    }

    fn request(&self) -> SignedRequest {
        self.wish().sign(None, &self.key)
    }

    fn promise(&self) -> Promise {
        Promise {
            device: self.device(),
            noise_key: self.noise_key(),
            clinic: None,
            office: None,
            name: None,
            kind: None,
        }
    }
}

/// The terms an admin gives with a file.
fn terms() -> Terms {
    Terms {
        office: name("Harbour"),
        name: name("front desk"),
        kind: DeviceKind::Node,
        invitation: None,
    }
}

/// Enrols a machine by a file.
fn enrol(admin: &mut Authority, machine: &Machine) -> Enrolled {
    let mut terms = terms();
    terms.name = name(&format!("node {}", machine.device().short()));
    admin
        .approve(&machine.request(), Arrival::Offline, Some(terms), NOW)
        .expect("approved")
}

fn sign_error(result: Result<impl std::fmt::Debug, AuthorityError>) -> SignError {
    match result {
        Err(AuthorityError::Sign(error)) => error,
        other => panic!("expected a refusal to sign, got {other:?}"),
    }
}

fn enrol_error(result: Result<impl std::fmt::Debug, AuthorityError>) -> EnrolError {
    match result {
        Err(AuthorityError::Enrol(error)) => error,
        other => panic!("expected a refusal to enrol, got {other:?}"),
    }
}
