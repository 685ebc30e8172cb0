//! Every decoder as a plain function. What is read must be written back as the same bytes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clinic_mesh::authority::{self, WebCa};
use clinic_mesh::cli;
use clinic_mesh::domain::attest::Attestation;
use clinic_mesh::domain::audit::AuditRecord;
use clinic_mesh::domain::backup::History;
use clinic_mesh::domain::cert::{Certificate, Grant};
use clinic_mesh::domain::codec::{self, OBJECT_MAX};
use clinic_mesh::domain::condition::VERSION_MAX;
use clinic_mesh::domain::enrol::{EnrolmentAnswer, SealedAnswer, SharedMeshKey, SignedRequest};
use clinic_mesh::domain::id::{ClinicId, RoomId};
use clinic_mesh::domain::invitation::{InvitationSecret, SignInSecret};
use clinic_mesh::domain::message::{Message, StaffItem};
use clinic_mesh::domain::name::Name;
use clinic_mesh::domain::parts::{self, Gathering};
use clinic_mesh::domain::policy::Network;
use clinic_mesh::domain::renewal::{self, Renewal};
use clinic_mesh::domain::rotation::{self, SignedRotation};
use clinic_mesh::domain::sighting::Sighting;
use clinic_mesh::domain::sign::{Signed, SigningKey};
use clinic_mesh::domain::space::Space;
use clinic_mesh::domain::statement::Statement;
use clinic_mesh::domain::time::{Hlc, WallTime};
use clinic_mesh::domain::trail::{self, TrailFile};
use clinic_mesh::domain::trust::Credentials;
use clinic_mesh::net::discovery::reread::{ADDRESSES_MAX, announcement};
use clinic_mesh::platform::network::arp;
use clinic_mesh::platform::vault;
use clinic_mesh::store;
use clinic_mesh::web;
use clinic_mesh::wire::Frame;
use minicbor::{Decode, Encode};

use crate::made;

/// One decoder.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Panics if the decoder does what it must never do, and says whether it read the bytes.
    pub(crate) judge: fn(&[u8]) -> bool,
}

/// All of them, by the names of their folders in tests/fuzz/corpus.
pub(crate) const ALL: &[Target] = &[
    target("certificate", object::<Certificate>),
    target("grant", object::<Grant>),
    target("signed", signed),
    target("credentials", object::<Credentials>),
    target("rotation", rotation),
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
    target("enrolment-answer", enrolment_answer),
    target("trail-file", trail_file),
    target("node-settings", node_settings),
    target("key-slots", key_slots),
    target("staff-slots", staff_slots),
    target("locked-door", locked_door),
    target("keyring", keyring),
    target("keyring-contents", keyring_contents),
    target("authority-key", authority_key),
    target("mesh-keys-file", mesh_keys_file),
    target("mesh-keys", object::<Vec<SharedMeshKey>>),
    target("web-ca-file", web_ca_file),
    target("web-ca", object::<WebCa>),
    target("record-file", record_file),
    target("recovery-page", recovery_page),
    target("recovery-shares", recovery_shares),
    target("shares-file", shares_file),
    target("renewal", renewal),
    target("policy-document", policy_document),
    target("doctor-bundle", doctor_bundle),
    target("scanned-parts", scanned_parts),
    target("sighting", sighting),
    target("backup-head", backup_head),
    target("arp-answer", arp_answer),
    target("mdns-advert", mdns_advert),
    target("enrolment-request", object::<SignedRequest>),
    target("backup-history", backup_history),
    target("recipients", recipients),
];

/// The key that the keyring of the corpus is sealed under.
const KEK: [u8; 32] = [0x11; 32];

/// The room of the frozen vectors, which the messages among them are about.
const ROOM: Space = Space::Room(RoomId::new([0xc3; 16]));

const fn target(name: &'static str, judge: fn(&[u8]) -> bool) -> Target {
    Target { name, judge }
}

/// The corpus of the target of this name.
fn corpus_of(name: &str) -> Vec<Vec<u8>> {
    let target = ALL.iter().find(|target| target.name == name);
    target.expect("one of them").corpus()
}

impl Target {
    /// The files of its corpus, in the order of their names.
    pub(crate) fn corpus(&self) -> Vec<Vec<u8>> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fuzz/corpus")
            .join(self.name);
        let Ok(entries) = std::fs::read_dir(folder) else {
            return made::corpus(self.name);
        };
        let mut paths: Vec<_> = entries
            .map(|entry| entry.expect("readable").path())
            .collect();
        paths.sort();
        let read = paths
            .iter()
            .map(|path| std::fs::read(path).expect("readable"));
        read.chain(made::corpus(self.name)).collect()
    }
}

/// The clinic of the frozen vectors' shape; whose it is does not matter to a decoder.
pub(crate) fn clinic() -> ClinicId {
    ClinicId::of_root(&SigningKey::from_seed(&[0xc0; 32]).id().as_admin())
}

/// A signed or stored object: exactly one encoding.
fn object<T>(bytes: &[u8]) -> bool
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    let value = codec::strict::<T>(bytes, OBJECT_MAX);
    same(bytes, value.ok().map(|value| codec::encode(&value)))
}

fn signed(bytes: &[u8]) -> bool {
    if let Ok(signed) = codec::strict::<Signed>(bytes, OBJECT_MAX) {
        // Whether it is accepted is for the tests of certificates; here it must only come to an end.
        let _ = Certificate::open(&signed, &clinic());
        let _ = Grant::open(&signed, &clinic());
    }
    object::<Signed>(bytes)
}

/// A rotation, alone and as a chain of one.
fn rotation(bytes: &[u8]) -> bool {
    if let Ok(signed) = codec::strict::<SignedRotation>(bytes, OBJECT_MAX) {
        let _ = signed.open(&clinic());
        let _ = rotation::open_chain(std::slice::from_ref(&signed), &clinic());
    }
    object::<SignedRotation>(bytes)
}

fn statement(bytes: &[u8]) -> bool {
    let read = Statement::from_body(bytes);
    same(bytes, read.ok().map(|read| read.to_body()))
}

fn renewal(bytes: &[u8]) -> bool {
    let read = Renewal::from_body(bytes).ok();
    if let Some(read) = &read {
        // Whether it counts is for the record to judge; here it must only come to an end.
        let _ = (
            renewal::open(&read.certificate, &clinic()),
            renewal::device(read),
        );
    }
    same(bytes, read.map(|read| read.to_body()))
}

fn message(bytes: &[u8]) -> bool {
    let read = Message::from_body(&ROOM, bytes);
    same(bytes, read.ok().map(|read| read.to_body()))
}

fn staff_item(bytes: &[u8]) -> bool {
    let read = StaffItem::from_body(bytes);
    same(bytes, read.ok().map(|read| read.to_body()))
}

fn audit_record(bytes: &[u8]) -> bool {
    let read = AuditRecord::from_body(bytes);
    same(bytes, read.ok().map(|read| read.to_body()))
}

fn attestation(bytes: &[u8]) -> bool {
    if let Ok(attestation) = codec::strict::<Attestation>(bytes, OBJECT_MAX) {
        let _ = attestation.verify(&clinic());
    }
    object::<Attestation>(bytes)
}

/// A frame, and what is signed inside it.
fn frame(bytes: &[u8]) -> bool {
    let Ok(frame) = Frame::decode(bytes) else {
        return false;
    };
    // A frame is not signed: another spelling may be read, but it must mean what is written back.
    assert_eq!(Frame::decode(&frame.encode()), Ok(frame.clone()));
    match &frame {
        Frame::Entries(segment) => drop(segment.verify(&clinic(), Hlc(0))),
        Frame::Attest { attestations } => {
            for attestation in attestations {
                let _ = attestation.verify(&clinic());
            }
        }
        Frame::Retractions { retractions } => {
            for retraction in retractions {
                let _ = (retraction.is_sound(&ROOM), retraction.verify(&clinic()));
            }
        }
        // It comes to a screen, whatever else it says.
        Frame::Condition(condition) => {
            let version = condition.version.to_string();
            assert!(
                version.len() <= VERSION_MAX && version.bytes().all(|byte| byte.is_ascii_graphic())
            );
        }
        Frame::Hello { .. }
        | Frame::Beat { .. }
        | Frame::Spaces { .. }
        | Frame::Heads { .. }
        | Frame::Want { .. }
        | Frame::More { .. }
        | Frame::WantMeshKey { .. }
        | Frame::MeshKey { .. }
        | Frame::Here { .. }
        | Frame::Typing { .. }
        | Frame::Bye { .. } => {}
    }
    true
}

fn request_file(bytes: &[u8]) -> bool {
    let request = SignedRequest::from_file(bytes).ok();
    if let Some(request) = &request {
        let _ = request.open(&clinic());
    }
    same(bytes, request.map(|request| request.to_file()))
}

fn answer_file(bytes: &[u8]) -> bool {
    let answer = SealedAnswer::from_file(bytes);
    same(bytes, answer.ok().map(|answer| answer.to_file()))
}

fn enrolment_answer(bytes: &[u8]) -> bool {
    let answer = EnrolmentAnswer::from_bytes(bytes).ok();
    if let Some(answer) = &answer {
        let _ = answer.check(&made::promise(), WallTime(0));
    }
    same(bytes, answer.map(|answer| answer.to_bytes().to_vec()))
}

fn trail_file(bytes: &[u8]) -> bool {
    let file = TrailFile::from_file(bytes).ok();
    if let Some(file) = &file {
        let _ = trail::verify(file, &[]);
    }
    same(bytes, file.map(|file| file.to_file()))
}

/// What is read is written back as it was; says whether it was read.
fn same(bytes: &[u8], written: Option<Vec<u8>>) -> bool {
    if let Some(written) = &written {
        assert_eq!(written, bytes);
    }
    written.is_some()
}

fn key_slots(bytes: &[u8]) -> bool {
    same(bytes, store::reread::key_slots(bytes))
}

fn staff_slots(bytes: &[u8]) -> bool {
    same(bytes, store::reread::staff_slots(bytes))
}

fn locked_door(bytes: &[u8]) -> bool {
    same(bytes, web::reread_locked_door(bytes))
}

/// Every byte of a keyring is sealed, so it opens unchanged or not at all.
fn keyring(bytes: &[u8]) -> bool {
    let opens = store::reread::keyring(bytes, KEK).is_some();
    assert!(!opens || corpus_of("keyring").iter().any(|file| file == bytes));
    opens
}

fn keyring_contents(bytes: &[u8]) -> bool {
    same(bytes, store::reread::keyring_contents(bytes))
}

fn authority_key(bytes: &[u8]) -> bool {
    same(bytes, authority::reread::key_file(bytes))
}

fn mesh_keys_file(bytes: &[u8]) -> bool {
    same(bytes, authority::reread::mesh_keys_file(bytes))
}

fn web_ca_file(bytes: &[u8]) -> bool {
    same(bytes, authority::reread::web_ca_file(bytes))
}

fn shares_file(bytes: &[u8]) -> bool {
    same(bytes, authority::reread::shares_file(bytes))
}

fn record_file(bytes: &[u8]) -> bool {
    same(bytes, authority::reread::record_file(bytes))
}

/// A text that is read means the same as what is written for it; says whether it was read.
fn settled(text: &str, reread: impl Fn(&str) -> Option<String>) -> bool {
    let Some(written) = reread(text) else {
        return false;
    };
    assert_eq!(reread(&written).as_ref(), Some(&written));
    true
}

fn recovery_page(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    settled(&text, authority::reread::recovery_page)
}

fn recovery_shares(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    settled(&text, authority::reread::recovery_shares)
}

fn node_settings(bytes: &[u8]) -> bool {
    settled(&String::from_utf8_lossy(bytes), cli::reread_settings)
}

/// What a bundle says is judged to an end as well.
fn doctor_bundle(bytes: &[u8]) -> bool {
    settled(&String::from_utf8_lossy(bytes), cli::reread_bundle)
}

fn policy_document(bytes: &[u8]) -> bool {
    settled(&String::from_utf8_lossy(bytes), cli::reread_policy)
}

fn sighting(bytes: &[u8]) -> bool {
    let sighting = Sighting::from_bytes(bytes);
    same(bytes, sighting.ok().map(|sighting| sighting.to_bytes()))
}

/// What anyone can read of a backup without its key; the chunks behind it come to an end as well.
fn backup_head(bytes: &[u8]) -> bool {
    let _ = vault::check_whole(bytes);
    vault::read_head(&mut &*bytes).is_ok()
}

/// Who answers is named by six bytes of the very frame.
fn arp_answer(bytes: &[u8]) -> bool {
    let answer = arp::answer(bytes, made::ASKED_FOR);
    if let Some(mac) = answer {
        assert!(bytes.windows(mac.len()).any(|six| six == mac));
    }
    answer.is_some()
}

/// An announcement as the library gives it: bounded, and a member's only if the tag is one that nobody
/// can make without the mesh key.
fn mdns_advert(bytes: &[u8]) -> bool {
    let Some(service) = made::announced(&String::from_utf8_lossy(bytes)) else {
        return false;
    };
    let keys = BTreeMap::from([(1, made::mesh_key())]).into();
    let found = announcement(&service, &keys, made::TODAY, made::INVITATION);
    let Some(found) = found else {
        return false;
    };
    assert!(found.addresses.len() <= ADDRESSES_MAX);
    assert!(!found.member || found.instance == made::INSTANCE);
    assert!(found.member || bytes != made::advert());
    true
}

fn backup_history(bytes: &[u8]) -> bool {
    let history = History::from_bytes(bytes).ok();
    same(bytes, history.map(|history| history.to_bytes()))
}

/// Whom a backup is sealed to, as people type it.
fn recipients(bytes: &[u8]) -> bool {
    let recipient = |text: &str| Some(vault::Recipient::parse(text).ok()?.to_string());
    settled(&String::from_utf8_lossy(bytes), recipient)
}

/// Lines that a scanner types: whatever comes of them is the file that one of them was a part of.
fn scanned_parts(bytes: &[u8]) -> bool {
    let mut gathering = Gathering::default();
    for line in String::from_utf8_lossy(bytes).lines() {
        let _ = gathering.take(line);
    }
    let Ok(Some(file)) = gathering.file() else {
        return false;
    };
    let lines = parts::of_file(&file, parts::LARGE).expect("no longer than what was shown");
    let mut again = Gathering::default();
    assert!(lines.iter().all(|line| again.take(line).is_ok()));
    assert_eq!(again.file(), Ok(Some(file)));
    true
}

fn codes(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let invitation = |text: &str| {
        let secret = InvitationSecret::from_code(text).ok()?;
        Some(secret.code())
    };
    let sign_in = |text: &str| {
        let secret = SignInSecret::from_code(text).ok()?;
        Some(secret.code())
    };
    let is_invitation = settled(&text, invitation);
    settled(&text, sign_in) || is_invitation
}

fn names(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let name = Name::new(text.as_ref());
    same(
        text.as_bytes(),
        name.ok().map(|name| name.to_string().into_bytes()),
    )
}

fn networks(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let network = |text: &str| Some(text.parse::<Network>().ok()?.to_string());
    settled(&text, network)
}
