use super::*;
use crate::domain::codec;
use crate::domain::testing::SampleClinic;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn clinic() -> ClinicId {
    ClinicId::of_root(&key(1).id().as_admin())
}

/// The n-th rotation of a clinic whose roots are the keys 1, 2, 3 and so on.
fn rotation(number: u8) -> Rotation {
    Rotation {
        version: VERSION,
        clinic: clinic(),
        number,
        old: key(number).id().as_admin(),
        new: key(number + 1).id().as_admin(),
        last: 4,
        history: Hash::ZERO,
    }
}

fn signed(rotation: &Rotation) -> SignedRotation {
    SignedRotation::new(rotation, &key(rotation.number), &key(rotation.number + 1))
}

#[test]
fn a_rotation_opens_with_both_signatures_over_one_body_and_no_other() {
    let good = signed(&rotation(1));
    assert_eq!(good.open(&clinic()), Ok(rotation(1)));
    let other = signed(&Rotation {
        last: 5,
        ..rotation(1)
    });
    let mut swapped = good.clone();
    swapped.proof = other.proof;
    assert!(swapped.open(&clinic()).is_err(), "of another body");
    swapped.proof = good.signed.signature;
    assert!(swapped.open(&clinic()).is_err(), "the old root's own");
    let mut changed = good.clone();
    changed.signed.body = other.signed.body;
    assert!(changed.open(&clinic()).is_err());
    let mut by_another = good.clone();
    by_another.signed = Signed::new(&rotation(1), &clinic(), &key(9));
    assert!(by_another.open(&clinic()).is_err());
}

#[test]
fn a_rotation_of_another_clinic_version_number_or_to_no_new_key_is_refused() {
    let refused = |change: fn(&mut Rotation)| {
        let mut said = rotation(1);
        change(&mut said);
        let signed = SignedRotation {
            signed: Signed::new(&said, &clinic(), &key(1)),
            proof: key(2).sign(Label::RotationProof, &clinic(), &codec::encode(&said)),
        };
        signed.open(&clinic()).expect_err("refused")
    };
    let other = RotationError::OtherClinic;
    assert_eq!(refused(|said| said.version = 2), other);
    assert_eq!(refused(|said| said.clinic = ClinicId::new([7; 32])), other);
    assert_eq!(refused(|said| said.number = 0), other);
    assert_eq!(refused(|said| said.number = ROTATIONS_MAX + 1), other);
    assert_eq!(refused(|said| said.old = key(5).id().as_admin()), other);
    let same = SignedRotation::new(
        &Rotation {
            new: key(1).id().as_admin(),
            ..rotation(1)
        },
        &key(1),
        &key(1),
    );
    assert_eq!(same.open(&clinic()), Err(RotationError::WeakKey));
}

#[test]
fn a_chain_leads_from_the_first_root_without_a_gap() {
    let chain: Vec<SignedRotation> = (1..=ROTATIONS_MAX).map(|n| signed(&rotation(n))).collect();
    let steps = open_chain(&chain, &clinic()).expect("whole");
    for (step, number) in steps.iter().zip(1..=ROTATIONS_MAX) {
        let rotation = rotation(number);
        assert_eq!((step.key, step.rank.last), (rotation.new, rotation.last));
    }
    assert_eq!(steps.len(), chain.len());
    let refused = |chain: &[SignedRotation]| open_chain(chain, &clinic()).is_err();
    assert!(refused(&[]));
    assert!(refused(&chain[1..]), "not from the first root");
    assert!(refused(&[chain[0].clone(), chain[2].clone()]), "a gap");
    assert!(refused(&[chain[0].clone(), chain[0].clone()]));
    let stranger = SignedRotation::new(
        &Rotation {
            old: key(7).id().as_admin(),
            ..rotation(1)
        },
        &key(7),
        &key(2),
    );
    assert!(refused(&[stranger]), "another first root");
    let turned = SignedRotation::new(
        &Rotation {
            old: key(8).id().as_admin(),
            ..rotation(2)
        },
        &key(8),
        &key(3),
    );
    assert!(refused(&[chain[0].clone(), turned]), "another second root");
}

#[test]
fn the_history_is_of_every_statement_its_number_and_its_time() {
    let clinic = SampleClinic::of([]);
    let root = clinic.root.id().as_admin();
    let said = |items: &[Item], last| history(&clinic.id, &root, items, last);
    let whole = said(clinic.items(), 2).expect("two statements");
    assert_eq!(said(clinic.items(), 3), None);
    assert_ne!(said(clinic.items(), 1), Some(whole));
    let backwards: Vec<Item> = clinic.items().iter().rev().cloned().collect();
    assert_eq!(said(&backwards, 2), Some(whole));
    let mut later = clinic.items().to_vec();
    later[1].time.0 += 1;
    assert_ne!(said(&later, 2), Some(whole));
    let mut other = clinic.items().to_vec();
    other[1].statement.act = other[0].statement.act.clone();
    assert_ne!(said(&other, 2), Some(whole));
}
