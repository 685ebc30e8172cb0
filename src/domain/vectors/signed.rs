//! What is signed and shown by itself: certificates, grants, rotations, credentials and attestations.

use super::{AUTHOR, HASH, ROOM, Vectors, certificate, frozen};
use crate::domain::attest::{Attestation, Word};
use crate::domain::cert::{Certificate, Grant, Scopes};
use crate::domain::codec;
use crate::domain::id::Serial;
use crate::domain::log::{Epoch, Head};
use crate::domain::renewal::{self, Renewal};
use crate::domain::rotation::SignedRotation;
use crate::domain::sign::Signed;
use crate::domain::space::Space;
use crate::domain::testing::{ADMIN, NOON, SampleClinic};
use crate::domain::time::Day;
use crate::domain::trust::Credentials;

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

pub(super) fn vectors(clinic: &SampleClinic) -> Vectors {
    let mut found = Vectors::new();
    let mut put = |what: String, bytes: Vec<u8>| found.push((what, bytes));

    let signed = clinic.certify(ADMIN, &certificate(clinic));
    put("certificate".into(), signed.body.clone());
    put("certificate signed".into(), codec::encode(&signed));
    let serial = Serial::new([0x5b; 16]);
    let key = &clinic.device("front-desk").key;
    let renewal = renewal::sign(&certificate(clinic), NOON, serial, &clinic.id, key);
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
    found
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
