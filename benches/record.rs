//! The figures of the clinic record: `cargo bench --bench record`.
//!
//! Statements as admins sign them, folded in memory. Each figure is one JSON line on standard output.

#![allow(clippy::print_stdout, reason = "figures are what it prints")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clinic_mesh::domain::cert::{Capabilities, Certificate, DeviceKind, Grant, Scopes, VERSION};
use clinic_mesh::domain::codec;
use clinic_mesh::domain::id::{ClinicId, Hash, NoiseKey, Serial};
use clinic_mesh::domain::name::Name;
use clinic_mesh::domain::record::{Clinic, Item};
use clinic_mesh::domain::sign::{Signed, SigningKey};
use clinic_mesh::domain::statement::{Act, Revocation, Statement, StatementId};
use clinic_mesh::domain::time::{Hlc, WallTime};
use serde_json::json;

/// Machines that are enrolled and revoked, one after another: a hundred years of a large clinic.
const CYCLES: u64 = 10_000;

/// Machines that stay.
const OFFICES: u64 = 20;

/// How often the fold is measured; the median counts.
const RUNS: usize = 11;

const START: WallTime = WallTime(1_795_262_400_000);

/// Everybody who signs.
struct Clinicians {
    id: ClinicId,
    root: SigningKey,
    admin: SigningKey,
    items: Vec<Item>,
}

fn main() {
    let items = years();
    let clinic = Clinic::fold(items.id, &items.items);
    assert_eq!(clinic.devices.len() as u64, CYCLES + OFFICES);
    assert_eq!(clinic.members().count() as u64, OFFICES);
    assert!(clinic.void.is_empty(), "every statement counts");
    let (_, office) = clinic.members().next().expect("there are some");
    let certificate = codec::encode(&office.signed).len();
    println!(
        "{}",
        json!({
            "figure": "fold",
            "enrolled_and_revoked": CYCLES,
            "statements": items.items.len(),
            "fold_ms_median": median(|| Clinic::fold(items.id, &items.items)),
            "trust_ms_median": median(|| {
                let me = *clinic.devices.keys().next().expect("there are some");
                clinic.trust(me, BTreeMap::new(), Hash::ZERO)
            }),
            "certificate_bytes": certificate,
        })
    );
}

/// Milliseconds that something takes, its end included.
fn median<T>(act: impl Fn() -> T) -> f64 {
    let time = |_| {
        let begun = Instant::now();
        drop(act());
        begun.elapsed()
    };
    let mut times: Vec<Duration> = (0..RUNS).map(time).collect();
    times.sort_unstable();
    times[RUNS / 2].as_secs_f64() * 1000.0
}

/// A record in which machines came and went.
fn years() -> Clinicians {
    let mut clinic = Clinicians::found();
    for number in 0..OFFICES {
        clinic.enrol(number);
    }
    for number in OFFICES..OFFICES + CYCLES {
        let certificate = clinic.enrol(number);
        clinic.revoke(&certificate);
    }
    clinic
}

impl Clinicians {
    fn found() -> Self {
        let (root, admin) = (key("root", 0), key("admin", 0));
        let mut clinic = Self {
            id: ClinicId::of_root(&root.id().as_admin()),
            root,
            admin,
            items: Vec::new(),
        };
        let grant = Grant {
            version: VERSION,
            clinic: clinic.id,
            admin: clinic.admin.id().as_admin(),
            name: name("Robin"),
            scopes: Scopes::of(Scopes::ALL),
            not_after: START.plus(Duration::from_secs(3650 * 24 * 3600)),
        };
        let grant = Signed::new(&grant, &clinic.id, &clinic.root);
        let founded = Act::Founded {
            name: name("Sample Clinic"),
        };
        clinic.say(Signer::Root, founded);
        clinic.say(Signer::Root, Act::AdminGranted { grant });
        clinic
    }

    fn enrol(&mut self, number: u64) -> Certificate {
        let not_before = START.plus(Duration::from_millis(self.items.len() as u64));
        let mut noise = *Hash::of("bench-noise", &[&number.to_be_bytes()]).as_bytes();
        // One of the two encodings of a number is refused.
        noise[31] &= 0x3f;
        let mut serial = [0; 16];
        serial[..8].copy_from_slice(&number.to_be_bytes());
        let certificate = Certificate {
            version: VERSION,
            clinic: self.id,
            serial: Serial::new(serial),
            device: key("device", number).id().as_device(),
            noise_key: NoiseKey::new(noise),
            name: name(&format!("machine {number}")),
            office: name(&format!("office {}", number % OFFICES)),
            kind: DeviceKind::Node,
            capabilities: Capabilities::default(),
            not_before,
            not_after: not_before.plus(Duration::from_secs(30 * 24 * 3600)),
        };
        let act = Act::DeviceEnrolled {
            certificate: Signed::new(&certificate, &self.id, &self.admin),
            invitation: None,
            address: None,
        };
        self.say(Signer::Admin, act);
        certificate
    }

    fn revoke(&mut self, certificate: &Certificate) {
        let revocation = Revocation {
            device: certificate.device,
            serial: certificate.serial,
            noise_key: certificate.noise_key,
            ends: Vec::new(),
            at: certificate.not_before,
        };
        self.say(Signer::Admin, Act::DeviceRevoked { revocation });
    }

    fn say(&mut self, signer: Signer, act: Act) {
        let author = match signer {
            Signer::Root => self.root.id(),
            Signer::Admin => self.admin.id(),
        };
        let earlier = self
            .items
            .iter()
            .rev()
            .find(|item| item.id.author == author);
        let seq = earlier.map_or(0, |item| item.id.seq) + 1;
        let time = START.plus(Duration::from_millis(self.items.len() as u64));
        self.items.push(Item {
            id: StatementId { author, seq },
            time: Hlc::at(time),
            statement: Statement {
                seen: Vec::new(),
                act,
            },
        });
    }
}

/// Who signs.
#[derive(Clone, Copy)]
enum Signer {
    Root,
    Admin,
}

fn key(what: &str, number: u64) -> SigningKey {
    let seed = Hash::of("bench-key", &[what.as_bytes(), &number.to_be_bytes()]);
    SigningKey::from_seed(seed.as_bytes())
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a plain name")
}
