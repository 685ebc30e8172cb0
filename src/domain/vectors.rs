//! Frozen encodings: a change in `vectors.txt` is a change of format and needs a version step.
//!
//! One line each: what it is, and its bytes in hex. Made from the sample clinic's keys and from plain
//! numbers, so another implementation can make them too.

mod audit;
mod codes;
mod messages;
mod sightings;
mod signed;
mod statements;

use super::cert::{Capabilities, Capability, Certificate, DeviceKind};
use super::codec;
use super::group::Group;
use super::id::{AuthorId, DeviceId, Hash, InvitationId, RoomId, SpaceId, StaffId, hex, unhex};
use super::policy::{Policy, Switch};
use super::space::Space;
use super::testing::SampleClinic;

const FROZEN: &str = include_str!("vectors.txt");

const ANA: StaffId = StaffId::new([0xa1; 16]);
const BEN: StaffId = StaffId::new([0xb2; 16]);
const ROOM: RoomId = RoomId::new([0xc3; 16]);
const DEVICE: DeviceId = DeviceId::new([0xd4; 32]);
const AUTHOR: AuthorId = AuthorId::new([0xe5; 32]);
const CY: StaffId = StaffId::new([0xc3; 16]);
const HASH: Hash = Hash::new([0xf6; 32]);
const INVITATION: InvitationId = InvitationId::new([0x17; 16]);
const SPACE: SpaceId = SpaceId::new([0x28; 32]);

type Vectors = Vec<(String, Vec<u8>)>;

fn spaces() -> [(&'static str, Space); 6] {
    [
        ("record", Space::Record),
        ("direct", Space::Direct(ANA, BEN)),
        ("room", Space::Room(ROOM)),
        ("staff", Space::Staff(ANA)),
        ("audit", Space::Audit(DEVICE)),
        (
            "group",
            Space::Group(Group::of([CY, BEN, ANA]).expect("three people")),
        ),
    ]
}

fn certificate(clinic: &SampleClinic) -> Certificate {
    Certificate {
        kind: DeviceKind::Client,
        capabilities: Capabilities::of([Capability::Witness, Capability::Export]),
        ..clinic.draft("ward-2")
    }
}

/// Policies that say what those of earlier versions left out.
fn policies() -> [(&'static str, Policy); 2] {
    let [mut strict, mut printing] = [Policy::initial(), Policy::initial()];
    strict.staleness.warning_hours = 24;
    strict.staleness.read_only_hours = 300;
    printing.printing = Switch::On;
    [("staleness", strict), ("printing", printing)]
}

fn all() -> Vectors {
    let clinic = SampleClinic::of(["front-desk"]);
    let mut found = Vectors::new();
    let mut put = |what: String, bytes: Vec<u8>| found.push((what, bytes));

    put("clinic-id".into(), clinic.id.as_bytes().to_vec());
    for (what, space) in spaces() {
        put(format!("space {what}"), codec::encode(&space));
        put(
            format!("space-id {what}"),
            space.id(&clinic.id).as_bytes().to_vec(),
        );
    }
    found.extend(signed::vectors(&clinic));
    found.extend(statements::vectors(&clinic));
    found.extend(audit::vectors());
    found.extend(messages::vectors(&clinic));
    for (what, policy) in policies() {
        found.push((format!("policy with {what}"), codec::encode(&policy)));
    }
    found.extend(sightings::vectors());
    found.extend(codes::vectors(&clinic));
    found
}

fn frozen(what: &str) -> Vec<u8> {
    let mut lines = FROZEN.lines().filter_map(|line| line.rsplit_once(' '));
    let (_, bytes) = lines.find(|(name, _)| *name == what).expect(what);
    unhex(bytes).expect("hex")
}

#[test]
fn every_object_is_encoded_as_it_was_frozen() {
    let lines = all()
        .into_iter()
        .map(|(what, bytes)| format!("{what} {}", hex(&bytes)));
    let lines: Vec<String> = lines.collect();
    let frozen: Vec<&str> = FROZEN.lines().collect();
    for (line, frozen) in lines.iter().zip(&frozen) {
        assert_eq!(line, frozen);
    }
    assert_eq!(lines.len(), frozen.len());
}

#[test]
fn frozen_policies_are_read_back() {
    for (what, policy) in policies() {
        let read = codec::strict::<Policy>(&frozen(&format!("policy with {what}")), 256);
        assert_eq!(read, Ok(policy), "{what}");
    }
}

#[test]
#[ignore = "writes the frozen file anew: only when a format's version changes"]
fn freeze() {
    let lines = all()
        .into_iter()
        .map(|(what, bytes)| format!("{what} {}\n", hex(&bytes)));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/domain/vectors.txt");
    std::fs::write(path, lines.collect::<String>()).expect("written");
}
