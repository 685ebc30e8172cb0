//! Every decoder as a plain function. What is read must be written back as the same bytes.

use std::path::PathBuf;

use clinic_mesh::domain::attest::Attestation;
use clinic_mesh::domain::audit::AuditRecord;
use clinic_mesh::domain::cert::{Certificate, Grant};
use clinic_mesh::domain::codec::{self, OBJECT_MAX};
use clinic_mesh::domain::enrol::{SealedAnswer, SignedRequest};
use clinic_mesh::domain::id::{ClinicId, RoomId};
use clinic_mesh::domain::invitation::{InvitationSecret, SignInSecret};
use clinic_mesh::domain::log::{Entry, Epoch, Head, Log, Payload, Segment};
use clinic_mesh::domain::message::{Message, StaffItem};
use clinic_mesh::domain::name::Name;
use clinic_mesh::domain::policy::Network;
use clinic_mesh::domain::sign::{Signed, SigningKey};
use clinic_mesh::domain::space::Space;
use clinic_mesh::domain::statement::Statement;
use clinic_mesh::domain::time::{Day, Hlc, WallTime};
use clinic_mesh::domain::trust::Credentials;
use clinic_mesh::wire::Frame;
use minicbor::{Decode, Encode};

/// One decoder.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Panics if the decoder does what it must never do.
    pub(crate) judge: fn(&[u8]),
}

/// All of them, by the names of their folders in tests/fuzz/corpus.
pub(crate) const ALL: &[Target] = &[
    target("certificate", object::<Certificate>),
    target("grant", object::<Grant>),
    target("signed", signed),
    target("credentials", object::<Credentials>),
    target("statement", statement),
    target("message", message),
    target("staff-item", staff_item),
    target("audit-record", audit_record),
    target("attestation", attestation),
    target("frame", frame),
    target("request-file", request_file),
    target("answer-file", answer_file),
    target("codes", codes),
    target("names", names),
    target("networks", networks),
];

/// The room of the frozen vectors, which the messages among them are about.
const ROOM: Space = Space::Room(RoomId::new([0xc3; 16]));

const fn target(name: &'static str, judge: fn(&[u8])) -> Target {
    Target { name, judge }
}

impl Target {
    /// The files of its corpus, in the order of their names.
    pub(crate) fn corpus(&self) -> Vec<Vec<u8>> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fuzz/corpus")
            .join(self.name);
        let Ok(entries) = std::fs::read_dir(folder) else {
            return made(self.name);
        };
        let mut paths: Vec<_> = entries
            .map(|entry| entry.expect("readable").path())
            .collect();
        paths.sort();
        let read = paths
            .iter()
            .map(|path| std::fs::read(path).expect("readable"));
        read.chain(made(self.name)).collect()
    }
}

/// The clinic of the frozen vectors' shape; whose it is does not matter to a decoder.
fn clinic() -> ClinicId {
    ClinicId::of_root(&SigningKey::from_seed(&[0xc0; 32]).id().as_admin())
}

/// Frames need valid signatures inside, so their corpus is made.
fn made(name: &str) -> Vec<Vec<u8>> {
    if name != "frame" {
        return Vec::new();
    }
    let now = WallTime(1_800_000_000_000);
    let key = SigningKey::from_seed(&[1; 32]);
    let log = Log {
        space: Space::Record,
        author: key.id(),
        epoch: Epoch(7),
    };
    let entry = |n: u64| {
        let payload = Payload {
            salt: [n as u8; 16],
            body: b"Bed 4 is free".to_vec(),
        };
        Entry::new(Hlc(Hlc::at(now).0 + n), Day(20_900), payload)
    };
    let entries = (0..3).map(entry).collect();
    let (segment, _) = Segment::sign(&clinic(), &key, log, Head::EMPTY, entries);
    let frames = [
        Frame::Hello { version: 1, now },
        Frame::Beat { now },
        Frame::Want {
            log,
            from: 1,
            credit: 8,
        },
        Frame::More { log, credit: 8 },
        Frame::Entries(segment.into()),
        Frame::WantMeshKey { epoch: 3 },
        Frame::MeshKey {
            epoch: 3,
            key: [9; 32],
        },
        Frame::Bye { code: 4 },
    ];
    frames.iter().map(Frame::encode).collect()
}

/// A signed or stored object: exactly one encoding.
fn object<T>(bytes: &[u8])
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    if let Ok(value) = codec::strict::<T>(bytes, OBJECT_MAX) {
        assert_eq!(codec::encode(&value), bytes);
    }
}

fn signed(bytes: &[u8]) {
    object::<Signed>(bytes);
    if let Ok(signed) = codec::strict::<Signed>(bytes, OBJECT_MAX) {
        // Whether it is accepted is for the tests of certificates; here it must only come to an end.
        let _ = Certificate::open(&signed, &clinic());
        let _ = Grant::open(&signed, &clinic());
    }
}

fn statement(bytes: &[u8]) {
    if let Ok(statement) = Statement::from_body(bytes) {
        assert_eq!(statement.to_body(), bytes);
    }
}

fn message(bytes: &[u8]) {
    if let Ok(message) = Message::from_body(&ROOM, bytes) {
        assert_eq!(message.to_body(), bytes);
    }
}

fn staff_item(bytes: &[u8]) {
    if let Ok(item) = StaffItem::from_body(bytes) {
        assert_eq!(item.to_body(), bytes);
    }
}

fn audit_record(bytes: &[u8]) {
    if let Ok(record) = AuditRecord::from_body(bytes) {
        assert_eq!(record.to_body(), bytes);
    }
}

fn attestation(bytes: &[u8]) {
    object::<Attestation>(bytes);
    if let Ok(attestation) = codec::strict::<Attestation>(bytes, OBJECT_MAX) {
        let _ = attestation.verify(&clinic());
    }
}

/// A frame, and what is signed inside it.
fn frame(bytes: &[u8]) {
    let Ok(frame) = Frame::decode(bytes) else {
        return;
    };
    // A frame is not signed: another spelling may be read, but it must mean what is written back.
    assert_eq!(Frame::decode(&frame.encode()), Ok(frame.clone()));
    if let Frame::Entries(segment) = &frame {
        let _ = segment.verify(&clinic(), Hlc(0));
    }
}

fn request_file(bytes: &[u8]) {
    if let Ok(request) = SignedRequest::from_file(bytes) {
        assert_eq!(request.to_file(), bytes);
        let _ = request.open(&clinic());
    }
}

fn answer_file(bytes: &[u8]) {
    if let Ok(answer) = SealedAnswer::from_file(bytes) {
        assert_eq!(answer.to_file(), bytes);
    }
}

fn codes(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(secret) = InvitationSecret::from_code(&text) {
        let again = InvitationSecret::from_code(&secret.code()).expect("a code");
        assert_eq!(again.code(), secret.code());
    }
    if let Ok(secret) = SignInSecret::from_code(&text) {
        let again = SignInSecret::from_code(&secret.code()).expect("a code");
        assert_eq!(again.code(), secret.code());
    }
}

fn names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(name) = Name::new(text.as_ref()) {
        assert_eq!(name.to_string(), text);
    }
}

fn networks(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(network) = text.parse::<Network>() {
        assert_eq!(network.to_string().parse(), Ok(network));
    }
}
