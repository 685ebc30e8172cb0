//! Frozen encodings: a change in `vectors.txt` is a change of format and needs a version step.
//!
//! One line each: what it is, and its bytes in hex. Made from the sample clinic's keys and from plain
//! numbers, so another implementation can make them too.

mod sightings;

use super::attest::{Attestation, Word};
use super::audit::{Actor, AuditRecord, Deed, Origin};
use super::cert::{Capabilities, Capability, Certificate, DeviceKind, Grant, Scopes};
use super::codec;
use super::group::Group;
use super::id::{
    AuthorId, DeviceId, Hash, InvitationId, NoiseKey, RoomId, Serial, SpaceId, StaffId, hex, unhex,
};
use super::invitation::{InvitationSecret, SignInSecret, short_code};
use super::log::{Epoch, Head};
use super::message::{EntryId, Mark, Message, SendKey, StaffItem};
use super::passkey::{Copies, Passkey, PasskeyId, PasskeyKey};
use super::policy::{Network, Policy, Switch, TwoAdmins};
use super::renewal::{self, Renewal};
use super::retraction::{Retraction, Withdrawn};
use super::rotation::SignedRotation;
use super::sign::Signed;
use super::space::Space;
use super::statement::{
    Act, History, Invitation, LogEnd, Proposal, Revocation, Role, Seen, SignInCode, StaffFacts,
    Statement, StatementId,
};
use super::testing::{ADMIN, NOON, SampleClinic, name, passkey};
use super::time::Day;
use super::trust::{Credentials, Refusal};
use super::web::WebCertificate;

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

fn acts(clinic: &SampleClinic) -> Vec<Act> {
    let facts = StaffFacts {
        name: name("Ana Núñez"),
        roles: vec![Role::Clinician, Role::Auditor],
        homes: vec![name("front-desk"), name("ward-2")],
        sign_in: Some(SignInCode {
            hash: HASH,
            expires: NOON,
        }),
    };
    let lifts = vec![StatementId {
        author: AUTHOR,
        seq: 300,
    }];
    let of_groups = |space: &Space| matches!(space, Space::Group(_));
    let spaces = spaces().into_iter().map(|(_, space)| space);
    let ends = spaces
        .filter(|space| !of_groups(space))
        .map(|space| LogEnd {
            space,
            epoch: Epoch(7),
            seq: 70_000,
        });
    let mut policy = Policy::initial();
    policy.networks = vec![
        "192.168.1.0/24".parse::<Network>().expect("a network"),
        "fd00::/8".parse().expect("a network"),
    ];
    vec![
        Act::Founded {
            name: name("Sample Clinic"),
        },
        Act::AdminGranted {
            grant: clinic.admins[ADMIN].signed.clone(),
        },
        Act::AdminEnded {
            admin: AUTHOR.as_admin(),
            last: 412,
        },
        Act::DeviceEnrolled {
            certificate: clinic.certify(ADMIN, &certificate(clinic)),
            invitation: Some(INVITATION),
            address: Some("10.0.0.7:7400".into()),
        },
        Act::DeviceRevoked {
            revocation: Revocation {
                device: DEVICE,
                serial: Serial::new([0x39; 16]),
                noise_key: NoiseKey::new([0x4a; 32]),
                ends: ends.collect(),
                at: NOON,
            },
        },
        Act::StaffAdded {
            staff: ANA,
            facts: facts.clone(),
        },
        Act::StaffChanged {
            staff: ANA,
            facts,
            lifts,
        },
        Act::StaffSuspended { staff: ANA },
        Act::PolicySet { policy },
        Act::MeshKeyRotated {
            epoch: 2,
            commitment: HASH,
        },
        Act::RoomCreated {
            room: ROOM,
            name: name("rounds"),
            history: History::Nothing,
            members: vec![ANA, BEN],
        },
        Act::MembersChanged {
            room: ROOM,
            add: vec![ANA],
            remove: vec![BEN],
        },
        Act::InvitationIssued {
            invitation: Invitation {
                id: INVITATION,
                commitment: HASH,
                office: name("ward-2"),
                name: name("ward-2 PC"),
                kind: DeviceKind::Node,
                expires: NOON,
            },
        },
        Act::InvitationUsed {
            invitation: INVITATION,
            by: Some(DEVICE),
        },
        Act::WebCertified {
            device: DEVICE,
            certificate: WebCertificate {
                names: vec!["ward-2.sample-clinic.internal".to_owned()],
                key: [4; 65],
                leaf: vec![0x30, 0x82],
                authority: vec![0x30, 0x83],
                not_after: NOON,
            },
        },
        Act::Proposed {
            proposal: Proposal::Policy {
                policy: Policy {
                    two_admins: Some(TwoAdmins::ShorterRetention),
                    ..Policy::initial()
                },
            },
        },
        Act::Approved {
            proposal: StatementId {
                author: AUTHOR,
                seq: 300,
            },
            digest: HASH,
        },
        Act::RootRotated {
            rotation: clinic.rotation("second", 2).0,
        },
        Act::MeshKeysPlanned {
            first: 3,
            begins: NOON,
            commitments: vec![HASH, HASH],
        },
    ]
}

fn deeds() -> Vec<(&'static str, Deed)> {
    let (author, epoch, seq, space) = (AUTHOR, Epoch(7), 70_000, SPACE);
    let previous = Some(epoch);
    vec![
        (
            "node-started",
            Deed::NodeStarted {
                previous,
                seq,
                hash: HASH,
            },
        ),
        ("node-stopped", Deed::NodeStopped),
        ("store-unlocked", Deed::StoreUnlocked),
        ("signed-in", Deed::SignedIn),
        ("signed-out", Deed::SignedOut),
        ("password-set", Deed::PasswordSet),
        ("conversation-opened", Deed::ConversationOpened { space }),
        (
            "messages-read",
            Deed::MessagesRead {
                space,
                count: 25,
                entries: HASH,
            },
        ),
        (
            "messages-sent",
            Deed::MessagesSent {
                space,
                first: 1,
                last: 1000,
            },
        ),
        (
            "messages-purged",
            Deed::MessagesPurged {
                space,
                horizon: Day(20_778),
            },
        ),
        ("space-dropped", Deed::SpaceDropped { space }),
        ("statement", Deed::Statement { author, seq }),
        ("peer-accepted", Deed::PeerAccepted),
        (
            "peer-refused",
            Deed::PeerRefused {
                why: Refusal::Revoked,
                count: 3,
            },
        ),
        (
            "fork-found",
            Deed::ForkFound {
                space,
                author,
                epoch,
                seq,
            },
        ),
        ("quarantined", Deed::Quarantined { space, author }),
        ("trail-read", Deed::TrailRead { device: DEVICE }),
        ("enrolment-refused", Deed::EnrolmentRefused),
        ("rollback-found", Deed::RollbackFound { space, epoch, seq }),
        ("clock-shifted", Deed::ClockShifted { days: 31 }),
        ("factor-set", Deed::FactorSet),
        ("passkey-copied", Deed::PasskeyCopied),
        (
            "logins-ended",
            Deed::LoginsEnded {
                staff: StaffId::new([0xa1; 16]),
                count: 2,
            },
        ),
        ("backed-up", Deed::BackedUp { keys: 2 }),
        (
            "certificate-renewed",
            Deed::CertificateRenewed { device: DEVICE },
        ),
        (
            "message-retracted",
            Deed::MessageRetracted {
                space,
                author,
                epoch,
                seq,
            },
        ),
        (
            "body-destroyed",
            Deed::BodyDestroyed {
                space,
                author,
                epoch,
                seq,
            },
        ),
    ]
}

fn actors() -> [(&'static str, Actor); 6] {
    [
        ("node", Actor::Node),
        ("operator", Actor::Operator),
        ("staff", Actor::Staff(ANA)),
        ("device", Actor::Device(DEVICE)),
        ("admin", Actor::Admin(AUTHOR)),
        ("stranger", Actor::Stranger),
    ]
}

fn messages(clinic: &SampleClinic) -> Vec<(&'static str, Message)> {
    let (staff, author) = (ANA, AUTHOR);
    let mark = |epoch| Mark {
        author,
        epoch: Epoch(epoch),
        seq: 9,
    };
    let entry = EntryId {
        space: Space::Room(ROOM),
        author,
        epoch: Epoch(7),
        seq: 9,
    };
    let text = "Bed 4 is free — höchste Zeit".to_owned();
    vec![
        (
            "text",
            Message::Text {
                staff,
                text: text.clone(),
                reply_to: None,
                mentions: Vec::new(),
                key: None,
            },
        ),
        (
            "text in full",
            Message::Text {
                staff,
                text,
                reply_to: Some(entry),
                mentions: vec![ANA, BEN],
                key: Some(SendKey::of(&staff, "tab 3, message 17")),
            },
        ),
        (
            "opened",
            Message::Opened {
                staff,
                marks: vec![mark(7), mark(8)],
            },
        ),
        ("acknowledged", Message::Acknowledged { staff, entry }),
        (
            "amended",
            Message::Amended {
                staff,
                entry,
                text: "Bed 5 is free".into(),
            },
        ),
        (
            "retracted",
            Message::Retracted {
                retraction: retraction(clinic, staff, entry),
                reason: "Wrong room".into(),
            },
        ),
    ]
}

fn staff_items() -> [(&'static str, StaffItem); 12] {
    let phc = "$argon2id$v=19$m=65536,t=3,p=1$c2FsdA$aGFzaA".into();
    [
        ("password", StaffItem::Password { phc, at: NOON }),
        (
            "totp",
            StaffItem::Totp {
                secret: [0x5b; 20],
                step: 59_000_000,
            },
        ),
        ("totp-used", StaffItem::TotpUsed { step: 59_000_001 }),
        (
            "recovery-codes",
            StaffItem::RecoveryCodes {
                hashes: vec![HASH, Hash::new([0x6c; 32])],
            },
        ),
        ("recovery-used", StaffItem::RecoveryUsed { hash: HASH }),
        ("factors-cleared", StaffItem::FactorsCleared {}),
        ("passkey-p256", StaffItem::PasskeyAdded(passkey(1))),
        (
            "passkey-p384",
            StaffItem::PasskeyAdded(passkey_with(p384())),
        ),
        ("passkey-rsa", StaffItem::PasskeyAdded(passkey_with(rsa()))),
        (
            "passkey-used",
            StaffItem::PasskeyUsed {
                passkey: PasskeyId::of(b"one"),
                counter: 41,
                copies: Copies::Made,
            },
        ),
        (
            "passkey-removed",
            StaffItem::PasskeyRemoved {
                passkey: PasskeyId::of(b"one"),
            },
        ),
        ("totp-removed", StaffItem::TotpRemoved {}),
    ]
}

fn passkey_with(key: PasskeyKey) -> Passkey {
    Passkey {
        key,
        domain: "localhost".into(),
        copies: Copies::NotYet,
        ..passkey(2)
    }
}

const fn p384() -> PasskeyKey {
    let (x, y) = ([0x38; 48], [0x48; 48]);
    PasskeyKey::P384 { x, y }
}

fn rsa() -> PasskeyKey {
    PasskeyKey::Rsa {
        modulus: vec![0x52; 256],
        exponent: [1, 0, 1],
    }
}

fn retraction(clinic: &SampleClinic, staff: StaffId, entry: EntryId) -> Retraction {
    let withdrawn = Withdrawn {
        staff,
        entry,
        amendments: vec![EntryId { seq: 11, ..entry }],
        until: Day(20_778),
    };
    Retraction::sign(&clinic.id, &clinic.device("front-desk").key, withdrawn)
}

fn words() -> [(&'static str, Word); 2] {
    let head = Head {
        seq: 70_000,
        hash: HASH,
    };
    [
        (
            "held",
            Word::Held {
                author: AUTHOR,
                epoch: Epoch(7),
                head,
            },
        ),
        (
            "purged",
            Word::Purged {
                horizon: Day(20_778),
            },
        ),
    ]
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
    let signed = clinic.certify(ADMIN, &certificate(&clinic));
    put("certificate".into(), signed.body.clone());
    put("certificate signed".into(), codec::encode(&signed));
    let serial = Serial::new([0x5b; 16]);
    let key = &clinic.device("front-desk").key;
    let renewal = renewal::sign(&certificate(&clinic), NOON, serial, &clinic.id, key);
    put("renewal".into(), renewal.to_body());
    let grant = clinic.admins[ADMIN].signed.clone();
    put("grant".into(), grant.body.clone());
    put("grant signed".into(), codec::encode(&grant));
    let certificate = signed;
    put(
        "credentials".into(),
        codec::encode(&Credentials {
            certificate,
            grant,
            chain: None,
        }),
    );
    put(
        "rotation".into(),
        codec::encode(&clinic.rotation("second", 2).0),
    );
    put(
        "credentials after a rotation".into(),
        codec::encode(&after_a_rotation()),
    );
    let key = &clinic.device("front-desk").key;
    for (what, word) in words() {
        let attestation = Attestation::new(&clinic.id, key, Space::Room(ROOM), word);
        put(format!("attestation {what}"), codec::encode(&attestation));
    }
    let seen = vec![Seen {
        author: AUTHOR,
        seq: 3,
    }];
    for act in acts(&clinic) {
        let title = act.title();
        let statement = Statement {
            seen: seen.clone(),
            act,
        };
        put(format!("statement {title}"), statement.to_body());
    }
    for (what, deed) in deeds() {
        let record = AuditRecord::done(Actor::Staff(ANA), Origin::Socket, deed);
        put(format!("audit {what}"), record.to_body());
    }
    for (what, actor) in actors() {
        let record = AuditRecord::refused(actor, Origin::Mesh, Deed::PeerAccepted);
        put(format!("audit by {what}"), record.to_body());
    }
    for (what, message) in messages(&clinic) {
        put(format!("message {what}"), message.to_body());
    }
    for (what, item) in staff_items() {
        put(format!("staff-item {what}"), item.to_body());
    }
    for (what, policy) in policies() {
        put(format!("policy with {what}"), codec::encode(&policy));
    }
    found.extend(sightings::vectors());
    found.extend(codes(&clinic));
    found
}

/// What a device shows that an admin of the second root enrolled.
fn after_a_rotation() -> Credentials {
    let mut clinic = SampleClinic::of(["front-desk"]);
    let (rotation, second) = clinic.rotation("second", 2);
    clinic.root = second;
    clinic.admin("Sam", Scopes::of(Scopes::ALL));
    Credentials {
        certificate: clinic.certify("Sam", &certificate(&clinic)),
        grant: clinic.admins["Sam"].signed.clone(),
        chain: Some(vec![rotation]),
    }
}

/// What is read out, typed in, or derived from a code.
fn codes(clinic: &SampleClinic) -> Vectors {
    let invitation = InvitationSecret::new(*b"0123456789abcdef");
    let sign_in = SignInSecret::new(*b"0123456789");
    let commitment = super::testing::mesh_key(1).commitment(&clinic.id, 1);
    [
        ("invitation code", invitation.code().into_bytes()),
        ("invitation id", invitation.id().as_bytes().to_vec()),
        ("invitation psk", invitation.psk().to_vec()),
        (
            "invitation commitment",
            invitation.commitment().as_bytes().to_vec(),
        ),
        ("invitation tag", invitation.tag().to_vec()),
        ("sign-in code", sign_in.code().into_bytes()),
        ("sign-in hash", sign_in.hash(ANA).as_bytes().to_vec()),
        ("short code", short_code(b"handshake").into_bytes()),
        ("mesh-key commitment", commitment.as_bytes().to_vec()),
    ]
    .map(|(what, bytes)| (what.to_owned(), bytes))
    .into()
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
fn every_frozen_statement_record_and_message_is_read_back() {
    let clinic = SampleClinic::of(["front-desk"]);
    for act in acts(&clinic) {
        let read = Statement::from_body(&frozen(&format!("statement {}", act.title())));
        assert_eq!(read.map(|statement| statement.act), Ok(act));
    }
    for (what, deed) in deeds() {
        let read = AuditRecord::from_body(&frozen(&format!("audit {what}")));
        assert_eq!(read.map(|record| record.deed), Ok(deed));
    }
    for (what, actor) in actors() {
        let read = AuditRecord::from_body(&frozen(&format!("audit by {what}")));
        assert_eq!(read.map(|record| record.actor), Ok(actor));
    }
    for (what, message) in messages(&clinic) {
        let read = Message::from_body(&Space::Room(ROOM), &frozen(&format!("message {what}")));
        assert_eq!(read, Ok(message));
    }
    for (what, item) in staff_items() {
        let read = StaffItem::from_body(&frozen(&format!("staff-item {what}")));
        assert_eq!(read, Ok(item), "{what}");
    }
}

#[test]
fn frozen_policies_are_read_back() {
    for (what, policy) in policies() {
        let read = codec::strict::<Policy>(&frozen(&format!("policy with {what}")), 256);
        assert_eq!(read, Ok(policy), "{what}");
    }
}

#[test]
fn the_frozen_signatures_verify() {
    let id = SampleClinic::of([]).id;
    let certificate: Signed = codec::strict(&frozen("certificate signed"), 4096).expect("read");
    assert!(Certificate::open(&certificate, &id).is_ok());
    let grant: Signed = codec::strict(&frozen("grant signed"), 4096).expect("read");
    assert!(Grant::open(&grant, &id).is_ok());
    let renewed = Renewal::from_body(&frozen("renewal")).expect("read");
    assert!(renewal::open(&renewed.certificate, &id).is_ok());
    let rotation: SignedRotation = codec::strict(&frozen("rotation"), 4096).expect("read");
    assert!(rotation.open(&id).is_ok());
    let bytes = frozen("credentials after a rotation");
    let shown: Credentials = codec::strict(&bytes, 4096).expect("read");
    assert!(shown.open(&id).is_ok());
    for (what, word) in words() {
        let bytes = frozen(&format!("attestation {what}"));
        let attestation: Attestation = codec::strict(&bytes, 4096).expect("read");
        assert_eq!((attestation.word, attestation.verify(&id)), (word, Ok(())));
    }
}

#[test]
fn every_kind_of_statement_is_frozen() {
    let kinds = acts(&SampleClinic::of([])).into_iter();
    let numbers: Vec<u8> = kinds.map(|act| codec::encode(&act)[1]).collect();
    assert_eq!(numbers, (0..19).collect::<Vec<u8>>());
    let deeds: Vec<u8> = deeds()
        .into_iter()
        .map(|(_, deed)| codec::encode(&deed)[1])
        .collect();
    assert_eq!(deeds, (0..23).chain([0x18; 4]).collect::<Vec<u8>>());
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
