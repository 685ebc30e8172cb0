//! Corpora that are made: what carries signatures or is sealed cannot be cut from a file.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use clinic_mesh::domain::attest::{self, Attestation, Word};
use clinic_mesh::domain::backup::{By, History, Made, Trouble};
use clinic_mesh::domain::cert::DeviceKind;
use clinic_mesh::domain::codec;
use clinic_mesh::domain::condition::{Backups, Condition, ProgramVersion};
use clinic_mesh::domain::enrol::{Promise, SealedAnswer, SharedMeshKey, SignedRequest};
use clinic_mesh::domain::id::{self, DeviceId, Hash, NoiseKey, RoomId, StaffId};
use clinic_mesh::domain::log::{self, Entry, Epoch, Head, Log, Payload, Segment};
use clinic_mesh::domain::message::EntryId;
use clinic_mesh::domain::retraction::{Retraction, Withdrawn};
use clinic_mesh::domain::sighting::Sighting;
use clinic_mesh::domain::sign::SigningKey;
use clinic_mesh::domain::space::Space;
use clinic_mesh::domain::statement::StatementId;
use clinic_mesh::domain::time::{Day, Hlc, WallTime};
use clinic_mesh::domain::trust::MeshKey;
use clinic_mesh::platform::sealed::open_answer;
use clinic_mesh::platform::vault::{BackupKey, Recipient, Sealer};
use clinic_mesh::wire::{Frame, LogHead, SpaceDigest};

use mdns_sd::{ResolvedService, ServiceInfo, TxtProperty};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::targets::clinic;

const NOW: WallTime = WallTime(1_800_000_000_000);

/// The machine that the frozen answer is for, and its Noise key.
const MACHINE: [u8; 32] = [7; 32];
const MACHINE_NOISE: [u8; 32] = [7 ^ 0x55; 32];

/// What is made for a target.
pub(crate) fn corpus(name: &str) -> Vec<Vec<u8>> {
    match name {
        "frame" => frames().iter().map(Frame::encode).collect(),
        "enrolment-answer" => vec![answer()],
        "mesh-keys" => vec![mesh_keys()],
        "web-ca" => vec![web_ca()],
        "scanned-parts" => vec![scanned()],
        "sighting" => vec![Sighting::default().to_bytes(), sighting(), told()],
        "backup-head" => vec![backup()],
        "arp-answer" => vec![arp_answer()],
        "mdns-advert" => vec![advert()],
        "enrolment-request" => vec![request()],
        "backup-history" => histories(),
        "recipients" => vec![recipient(3).to_string().into_bytes()],
        "policy-document" => vec![clinic_mesh::cli::initial_policy().into_bytes()],
        _ => Vec::new(),
    }
}

/// A node that was heard to hold two revocations.
fn sighting() -> Vec<u8> {
    let mut sighting = Sighting::default();
    (sighting.last, sighting.level) = (Some(NOW), Some(NOW));
    for seq in 1..3 {
        let author = key().id();
        sighting.hear_of(StatementId { author, seq }, NOW);
    }
    sighting.to_bytes()
}

/// One that told of itself.
fn told() -> Vec<u8> {
    let mut sighting = Sighting::default();
    sighting.tell(&condition(), NOW);
    sighting.to_bytes()
}

/// A short backup, for two keys.
fn backup() -> Vec<u8> {
    let recipients = [3, 4].map(recipient);
    let about = (clinic(), DeviceId::new([5; 32]), NOW);
    let mut random = StdRng::from_seed([6; 32]);
    let mut sealer = Sealer::begin(Vec::new(), about, &recipients, &mut random).expect("two keys");
    sealer.write_all(b"Bed 4 is free").expect("memory");
    sealer.finish().expect("memory")
}

fn recipient(seed: u8) -> Recipient {
    BackupKey::new([seed; 32].into()).recipient()
}

/// What is remembered of no backup, of one, and of one after which another failed.
fn histories() -> Vec<Vec<u8>> {
    let (at, by, bytes) = (NOW, By::Schedule, 1 << 20);
    let mut history = History::default();
    let none = history.to_bytes();
    history.made(Made { at, by, bytes });
    let one = history.to_bytes();
    history.fail(NOW, Trouble::NoRoom);
    vec![none, one, history.to_bytes()]
}

/// The frozen request as a newcomer sends it.
fn request() -> Vec<u8> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fuzz/corpus/request-file/machine-request"
    );
    let file = std::fs::read(path).expect("it is there");
    codec::encode(&SignedRequest::from_file(&file).expect("a request"))
}

/// The day on which announcements are judged, and what they are judged by.
pub(crate) const TODAY: Day = Day(20_000);
pub(crate) const INSTANCE: &str = "0123456789abcdef";
pub(crate) const INVITATION: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

pub(crate) fn mesh_key() -> MeshKey {
    MeshKey::new([9; 32])
}

/// A member's announcement, whose tag is made with the mesh key.
pub(crate) fn advert() -> Vec<u8> {
    let (key, day) = (mesh_key(), TODAY.0.to_be_bytes());
    let tag = Hash::of(
        "discovery-tag/v1",
        &[key.expose(), &day, INSTANCE.as_bytes()],
    );
    let tag = id::hex(&tag.as_bytes()[..8]);
    format!("{INSTANCE}.{SERVICE}\n7846\n10.71.1.11 fd12::11\nv=1\nt={tag}\n").into_bytes()
}

const SERVICE: &str = "_clinic-mesh._tcp.local.";

/// What the library makes of an announcement, written as lines: its full name, its port, its addresses,
/// and what its TXT record says.
pub(crate) fn announced(text: &str) -> Option<ResolvedService> {
    let mut lines = text.lines();
    let name = lines.next()?;
    let port: u16 = lines.next()?.parse().ok()?;
    let addresses = { lines.next()?.split(' ') }.filter_map(|ip| ip.parse::<IpAddr>().ok());
    let addresses: Vec<IpAddr> = addresses.collect();
    let txt = lines.map(|line| match line.split_once('=') {
        Some(pair) => TxtProperty::from(pair),
        None => TxtProperty::from(line),
    });
    let txt: Vec<TxtProperty> = txt.collect();
    let info = ServiceInfo::new(SERVICE, "any", "any.local.", &addresses[..], port, txt);
    let mut service = info.ok()?.as_resolved_service();
    service.fullname = name.to_owned();
    Some(service)
}

/// The address that the frame of the corpus answers for.
pub(crate) const ASKED_FOR: Ipv4Addr = Ipv4Addr::new(10, 71, 1, 11);

/// A machine that says it has the address.
fn arp_answer() -> Vec<u8> {
    let (asker, here) = ([1; 6], [2; 6]);
    let reply = [0, 1, 8, 0, 6, 4, 0, 2];
    let frame = [
        &asker[..],
        &here,
        &[8, 6],
        &reply,
        &here,
        &ASKED_FOR.octets(),
        &asker,
        &[10, 71, 1, 1],
    ];
    frame.concat()
}

/// Three pictures, as a scanner types them.
fn scanned() -> Vec<u8> {
    let lines = clinic_mesh::domain::parts::of_file(&[0xa5; 200], 80);
    lines.expect("short").join("\r\n").into_bytes()
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn log() -> Log {
    Log {
        space: Space::Room(RoomId::new([0xc3; 16])),
        author: key().id(),
        epoch: Epoch(7),
    }
}

fn segment() -> (Segment, Head) {
    let entry = |n: u64| {
        let payload = Payload {
            salt: [n as u8; 16],
            body: b"Bed 4 is free".to_vec(),
        };
        Entry::new(Hlc(Hlc::at(NOW).0 + n), Day(20_900), payload)
    };
    let entries = (0..3).map(entry).collect();
    Segment::sign(&clinic(), &key(), log(), Head::EMPTY, entries)
}

/// One frame of each kind at least.
fn frames() -> Vec<Frame> {
    let (segment, end) = segment();
    let log = log();
    let frames = vec![
        Frame::Hello {
            version: 1,
            now: NOW,
        },
        Frame::Beat { now: NOW },
        spaces(),
        heads(log, end),
        Frame::Want {
            log,
            from: 1,
            credit: 8,
        },
        Frame::More { log, credit: 8 },
        Frame::Entries(segment.into()),
        attest(log, end),
        Frame::WantMeshKey { epoch: 3 },
        Frame::MeshKey {
            epoch: 3,
            key: [9; 32],
        },
        Frame::Bye { code: 4 },
        retractions(log),
        Frame::Here {
            staff: StaffId::new([5; 16]),
        },
        Frame::Typing {
            space: log.space,
            staff: StaffId::new([5; 16]),
        },
        Frame::Condition(condition()),
    ];
    let mut kinds: Vec<usize> = frames.iter().map(kind).collect();
    kinds.dedup();
    assert_eq!(kinds, (0..KINDS).collect::<Vec<_>>(), "a kind has no frame");
    frames
}

fn condition() -> Condition {
    Condition {
        version: ProgramVersion::new("1.2.3-rc.1").expect("a version"),
        backups: Some(Backups {
            last: Some(NOW),
            every_hours: Some(24),
            failed: Some(Trouble::NoRoom),
        }),
    }
}

/// How many kinds of frames there are.
const KINDS: usize = 15;

/// The number of a frame's kind: a kind that comes to be has no number here, and asks for one.
const fn kind(frame: &Frame) -> usize {
    match frame {
        Frame::Hello { .. } => 0,
        Frame::Beat { .. } => 1,
        Frame::Spaces { .. } => 2,
        Frame::Heads { .. } => 3,
        Frame::Want { .. } => 4,
        Frame::More { .. } => 5,
        Frame::Entries(_) => 6,
        Frame::Attest { .. } => 7,
        Frame::WantMeshKey { .. } => 8,
        Frame::MeshKey { .. } => 9,
        Frame::Bye { .. } => 10,
        Frame::Retractions { .. } => 11,
        Frame::Here { .. } => 12,
        Frame::Typing { .. } => 13,
        Frame::Condition(_) => 14,
    }
}

fn spaces() -> Frame {
    let line = |n: u64| SpaceDigest {
        tag: n << 60,
        digest: n,
    };
    Frame::Spaces {
        digests: (0..4).map(line).collect(),
        more: true,
    }
}

fn heads(log: Log, head: Head) -> Frame {
    let line = |head| LogHead {
        author: log.author,
        epoch: log.epoch,
        head,
        signature: attest::sign(&clinic(), &key(), log.space, &log::held(&log, head)),
    };
    Frame::Heads {
        space: log.space,
        heads: vec![line(Head::EMPTY), line(head)],
    }
}

fn attest(log: Log, head: Head) -> Frame {
    let purged = Word::Purged {
        horizon: Day(20_900),
    };
    let words = [log::held(&log, head), purged];
    Frame::Attest {
        attestations: words
            .map(|word| Attestation::new(&clinic(), &key(), log.space, word))
            .into(),
    }
}

fn retractions(log: Log) -> Frame {
    let entry = |seq| EntryId {
        space: log.space,
        author: log.author,
        epoch: log.epoch,
        seq,
    };
    let withdrawn = Withdrawn {
        staff: StaffId::new([5; 16]),
        entry: entry(1),
        amendments: vec![entry(2), entry(3)],
        until: Day(20_900),
    };
    Frame::Retractions {
        retractions: vec![Retraction::sign(&clinic(), &key(), withdrawn)],
    }
}

/// What the frozen answer holds.
fn answer() -> Vec<u8> {
    let sealed = include_bytes!("../vectors/authority/machine.answer");
    let sealed = SealedAnswer::from_file(sealed).expect("the frozen answer");
    let device = SigningKey::from_seed(&MACHINE).id().as_device();
    let answer = open_answer(&sealed, device, &MACHINE_NOISE).expect("sealed for this machine");
    answer.to_bytes().to_vec()
}

/// What the machine of the frozen answer was promised.
pub(crate) fn promise() -> Promise {
    Promise {
        device: SigningKey::from_seed(&MACHINE).id().as_device(),
        noise_key: NoiseKey::new([2; 32]),
        clinic: Some(clinic()),
        office: None,
        name: None,
        kind: Some(DeviceKind::Node),
    }
}

fn mesh_keys() -> Vec<u8> {
    let key = |epoch: u32| SharedMeshKey {
        epoch,
        key: MeshKey::new(*Hash::of("fuzz", &[&epoch.to_be_bytes()]).as_bytes()),
    };
    codec::encode(&(1..=3).map(key).collect::<Vec<_>>())
}

/// The fields of a web CA in their order.
fn web_ca() -> Vec<u8> {
    let bytes = |text: &[u8]| minicbor::bytes::ByteVec::from(text.to_vec());
    let certificate = bytes(&[0x30; 300]);
    codec::encode(&(
        "elm-street.internal",
        "Elm Street",
        certificate,
        bytes(&[0x31; 138]),
    ))
}
