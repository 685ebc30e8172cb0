use std::collections::BTreeSet;

use super::*;
use crate::domain::cert::{Grant, Scope, Scopes, VERSION};
use crate::domain::id::{ClinicId, Hash};
use crate::domain::name::Name;
use crate::domain::record::{PendingRotation, Root};
use crate::domain::rotation::{self, Rank, Rotation};
use crate::domain::sign::Signed;

const NOW: WallTime = WallTime(1_767_225_600_000);

fn grant(root: &SigningKey, clinic: ClinicId, admin: &SigningKey) -> Act {
    let grant = Grant {
        version: VERSION,
        clinic,
        admin: admin.id().as_admin(),
        name: Name::new("admin").expect("a name"),
        scopes: Scopes::of([Scope::Staff]),
        not_after: WallTime(u64::MAX),
    };
    Act::AdminGranted {
        grant: Signed::new(&grant, &clinic, root),
    }
}

#[test]
fn a_record_of_more_admin_logs_than_a_statement_can_name_is_refused_by_name() {
    let root = SigningKey::from_seed(&[1; 32]);
    let clinic = ClinicId::of_root(&root.id().as_admin());
    let mut record = RecordCopy::new(clinic);
    for number in 0..=SEEN_MAX {
        let admin = SigningKey::from_seed(&[100 + number as u8; 32]);
        let at = |record: &RecordCopy| (record.newest(), NOW);
        let act = grant(&root, clinic, &admin);
        let granted = sign(&record, &root, &act, at(&record), [0; 16]);
        let granted = granted.map(|granted| record.merge([granted]));
        let staff = StaffId::new([number as u8; 16]);
        let signed = sign(
            &record,
            &admin,
            &Act::StaffSuspended { staff },
            at(&record),
            [0; 16],
        );
        // The root's log is one of those seen.
        if number < SEEN_MAX {
            granted.expect("signed").expect("sound");
            record.merge([signed.expect("signed")]).expect("sound");
        } else {
            assert_eq!(signed, Err(SignError::TooManyLogs));
        }
    }
}

#[test]
fn a_rotation_is_the_same_whichever_signature_its_body_carries() {
    let (root, next) = (
        SigningKey::from_seed(&[1; 32]),
        SigningKey::from_seed(&[2; 32]),
    );
    let admin = SigningKey::from_seed(&[3; 32]).id();
    let mut clinic = Clinic::unknown(ClinicId::of_root(&root.id().as_admin()));
    let rotation = Rotation {
        version: rotation::VERSION,
        clinic: clinic.id,
        number: 1,
        old: root.id().as_admin(),
        new: next.id().as_admin(),
        last: 4,
        history: Hash::ZERO,
    };
    let signed = SignedRotation::new(&rotation, &root, &next);
    let mut again = signed.clone();
    again.signed.signature = again.proof;
    let rank = Rank {
        last: rotation.last,
        digest: signed.digest(&clinic.id),
    };
    let pending = PendingRotation {
        signed: signed.clone(),
        rotation: rotation.clone(),
        signed_for: BTreeSet::from([admin.as_admin()]),
        needed: 2,
    };
    clinic.pending_rotations.insert(rank, pending);
    assert!(carries(&clinic, admin, &again));
    assert!(!carries(&clinic, next.id(), &again), "has not signed");
    let other = Rotation {
        last: 3,
        ..rotation
    };
    let other = SignedRotation::new(&other, &root, &next);
    assert!(!carries(&clinic, admin, &other));
    clinic.pending_rotations.clear();
    assert!(!carries(&clinic, admin, &again));
    clinic.roots.push(Root {
        key: next.id().as_admin(),
        by: Some(signed),
        rotation: None,
        signed_for: BTreeSet::new(),
        needed: 1,
    });
    assert!(carries(&clinic, admin, &again));
}
