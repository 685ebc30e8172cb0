//! The figures of the clinic record: `cargo bench --bench record`.
//!
//! Statements as admins sign them, folded in memory: by a node that starts, by one that has folded them
//! before, and by an engine that is given one more. Each figure is one JSON line on standard output.

#![allow(clippy::print_stdout, reason = "figures are what it prints")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clinic_mesh::domain::cert::{Capabilities, Certificate, DeviceKind, Grant, Scopes, VERSION};
use clinic_mesh::domain::codec;
use clinic_mesh::domain::id::{AuthorId, ClinicId, Hash, NoiseKey, Serial};
use clinic_mesh::domain::log::{Entry, Epoch, Head, Log, Payload, Segment};
use clinic_mesh::domain::name::Name;
use clinic_mesh::domain::record::{Clinic, Item};
use clinic_mesh::domain::sign::{Signature, Signed, SigningKey};
use clinic_mesh::domain::space::Space;
use clinic_mesh::domain::statement::{Act, Revocation, Statement, StatementId};
use clinic_mesh::domain::time::{Day, Hlc, WallTime};
use clinic_mesh::node::engine::{Boot, BootLog, Command, Engine, Input, Now, Ticket};
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
            "first_fold_ms_median": median(|| Clinic::fold(items.id, &items.items)),
            "fold_again_ms_median": median(|| clinic.fold_again(&items.items, &[])),
            "trust_ms_median": median(|| {
                let me = *clinic.devices.keys().next().expect("there are some");
                clinic.trust(me, BTreeMap::new(), Hash::ZERO)
            }),
            "certificate_bytes": certificate,
        })
    );
    println!(
        "{}",
        json!({
            "figure": "one more revocation, taken by a node",
            "enrolled_and_revoked": CYCLES,
            "logs_held": CYCLES + OFFICES + 2,
            "ms_median": one_more(items),
        })
    );
}

/// Milliseconds that an engine takes for one more revocation, with all that follows from it in memory. It
/// holds an audit trail of every machine that ever was.
fn one_more(clinic: Clinicians) -> f64 {
    let now = Now {
        wall: START.plus(Duration::from_secs(3600)),
        mono: Duration::ZERO,
    };
    let (mut seq, admin, id) = (clinic.newest(), clinic.admin.clone(), clinic.id);
    let mut engine = Engine::new(clinic.boot(), now);
    while engine.next_effect().is_some() {}
    let mut head = head(seq);
    let mut times: Vec<Duration> = (0..RUNS as u64)
        .map(|run| {
            let device = key("lost", run).id().as_device();
            let revocation = Revocation {
                device,
                serial: Serial::new([run as u8; 16]),
                noise_key: NoiseKey::new([1 + run as u8; 32]),
                ends: Vec::new(),
                at: now.wall,
            };
            let act = Act::DeviceRevoked { revocation };
            let body = Statement {
                seen: Vec::new(),
                act,
            }
            .to_body();
            let salt = [7; 16];
            let entry = Entry::new(Hlc::at(now.wall), Day::NEVER, Payload { salt, body });
            let log = record_log(admin.id());
            let (segment, after) = Segment::sign(&id, &admin, log, head, vec![entry]);
            (head, seq) = (after, seq + 1);
            let command = Box::new(Command::Submit {
                segments: vec![segment],
                mesh_keys: Vec::new(),
            });
            let ticket = Ticket(run);
            let begun = Instant::now();
            engine.handle(Input::Command { ticket, command }, now);
            while engine.next_effect().is_some() {}
            begun.elapsed()
        })
        .collect();
    assert_eq!(
        engine.clinic().revocations.len() as u64,
        CYCLES + RUNS as u64
    );
    times.sort_unstable();
    times[RUNS / 2].as_secs_f64() * 1000.0
}

fn record_log(author: AuthorId) -> Log {
    Log {
        space: Space::Record,
        author,
        epoch: Epoch::RECORD,
    }
}

/// A head of a log that nobody asks for the beginning of.
fn head(seq: u64) -> Head {
    Head {
        seq,
        hash: Hash::of("bench-head", &[&seq.to_be_bytes()]),
    }
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

    /// The number of the admin's newest statement.
    fn newest(&self) -> u64 {
        let own = self.admin.id();
        let items = self.items.iter().filter(|item| item.id.author == own);
        items.map(|item| item.id.seq).max().unwrap_or_default()
    }

    /// What the store of the first office's node holds.
    fn boot(self) -> Boot {
        let log = |log: Log, seq: u64| BootLog {
            log,
            head: head(seq),
            time: Hlc::at(START),
            signature: Signature::new([0; 64]),
            forked: false,
        };
        let trail = |number: u64| {
            let author = key("device", number).id();
            let space = Space::Audit(author.as_device());
            let epoch = Epoch(1);
            log(
                Log {
                    space,
                    author,
                    epoch,
                },
                1,
            )
        };
        let record = [(self.root.id(), 2), (self.admin.id(), self.newest())];
        let record = record.map(|(author, seq)| log(record_log(author), seq));
        let statement = |item: Item| (item.id, item.time, item.statement.to_body());
        Boot {
            clinic: self.id,
            key: key("device", 0),
            logs: (0..CYCLES + OFFICES).map(trail).chain(record).collect(),
            statements: self.items.into_iter().map(statement).collect(),
            renewals: Vec::new(),
            staff_items: Vec::new(),
            attestations: Vec::new(),
            mesh_keys: BTreeMap::new(),
            horizon: Day(0),
            retractions: Vec::new(),
            sightings: Vec::new(),
            opened_last: BTreeMap::new(),
            seed: [7; 32],
        }
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
