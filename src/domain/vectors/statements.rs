//! What admins sign into the record.

use super::{
    ANA, AUTHOR, BEN, DEVICE, HASH, INVITATION, ROOM, Vectors, certificate, frozen, spaces,
};
use crate::domain::cert::DeviceKind;
use crate::domain::codec;
use crate::domain::id::{NoiseKey, Serial};
use crate::domain::log::Epoch;
use crate::domain::policy::{Network, Policy, TwoAdmins};
use crate::domain::space::Space;
use crate::domain::statement::{
    Act, History, Invitation, LogEnd, Proposal, Revocation, Role, Seen, SignInCode, StaffFacts,
    Statement, StatementId,
};
use crate::domain::testing::{ADMIN, NOON, SampleClinic, name};
use crate::domain::web::WebCertificate;

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

pub(super) fn vectors(clinic: &SampleClinic) -> Vectors {
    let seen = vec![Seen {
        author: AUTHOR,
        seq: 3,
    }];
    let put = |act: Act| {
        let title = act.title();
        let statement = Statement {
            seen: seen.clone(),
            act,
        };
        (format!("statement {title}"), statement.to_body())
    };
    acts(clinic).into_iter().map(put).collect()
}

#[test]
fn every_frozen_statement_is_read_back() {
    let clinic = SampleClinic::of(["front-desk"]);
    for act in acts(&clinic) {
        let read = Statement::from_body(&frozen(&format!("statement {}", act.title())));
        assert_eq!(read.map(|statement| statement.act), Ok(act));
    }
}

#[test]
fn every_kind_of_statement_is_frozen() {
    let kinds = acts(&SampleClinic::of([])).into_iter();
    let numbers: Vec<u8> = kinds.map(|act| codec::encode(&act)[1]).collect();
    assert_eq!(numbers, (0..19).collect::<Vec<u8>>());
}
