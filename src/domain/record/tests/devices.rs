//! Enrolment, renewal and revocation.

use super::*;

#[test]
fn a_certificate_that_another_admin_signed_is_void() {
    let mut clinic = with_sam(clinic());
    let certificate = clinic.certify(ADMIN, &clinic.draft("pharmacy"));
    let id = clinic.say_as(
        "Sam",
        Act::DeviceEnrolled {
            certificate,
            invitation: None,
            address: None,
        },
    );
    assert_eq!(void(&clinic, id), Some(VoidReason::InvalidInside));
    assert_eq!(clinic.record().members().count(), 2);
}

#[test]
fn a_certificate_of_another_clinic_or_with_weak_keys_is_void() {
    let changes: [fn(&mut Certificate); 4] = [
        |certificate| certificate.clinic = ClinicId::new([8; 32]),
        |certificate| certificate.device = DeviceId::new([0; 32]),
        |certificate| certificate.noise_key = NoiseKey::new([0; 32]),
        |certificate| certificate.not_after = certificate.not_after.plus(days(1)),
    ];
    for change in changes {
        let mut clinic = clinic();
        clinic.enrol_as("pharmacy", change);
        let id = clinic.items().last().expect("not empty").id;
        let record = clinic.record();
        let again = record.fold_again(clinic.items(), &[]);
        for found in [record, again] {
            assert_eq!(found.void.get(&id), Some(&VoidReason::InvalidInside));
        }
    }
}

#[test]
fn of_a_device_that_an_earlier_fold_lists_the_identity_key_is_not_checked_again() {
    let mut clinic = clinic();
    let unsound = DeviceId::new([0; 32]);
    clinic.enrol_as("pharmacy", |certificate| certificate.device = unsound);
    let mut earlier = clinic.record();
    assert!(!earlier.devices.contains_key(&unsound));
    // No fold makes this: the mark of a key that was looked at.
    let listed = earlier.devices[&clinic.device("ward-2").id].clone();
    earlier.devices.insert(unsound, listed);
    let again = earlier.fold_again(clinic.items(), &[]);
    assert!(again.devices.contains_key(&unsound));
}

#[test]
fn an_earlier_fold_lends_the_next_one_nothing_but_sound_keys() {
    let mut clinic = with_sam(clinic());
    clinic.revoke("ward-2");
    let earlier = clinic.record();
    let items = &clinic.items()[..2];
    let fewer = Clinic::fold(clinic.id, items);
    assert_eq!(earlier.fold_again(items, &[]), fewer);
}

#[test]
fn a_revocation_of_a_device_with_many_logs_names_the_end_of_each() {
    let mut clinic = clinic();
    let log = |space, epoch| LogEnd {
        space,
        epoch: Epoch(epoch),
        seq: epoch + 100,
    };
    let spaces = [Space::Room(room("rounds")), Space::Staff(staff("Ben"))];
    let all = spaces.map(|space| (0..500).map(move |epoch| log(space, epoch * 3)));
    let mut ends: Vec<LogEnd> = all.into_iter().flatten().collect();
    ends.sort();
    let revocation = clinic.revocation("ward-2", ends.clone());
    clinic.say(Act::DeviceRevoked { revocation });
    let record = clinic.record();
    let author = clinic.device("ward-2").id.into();
    for LogEnd { space, epoch, seq } in ends {
        assert_eq!(record.named_end(&author, &space, epoch), Some(seq));
        let beside = Epoch(epoch.0 + 1);
        assert_eq!(record.named_end(&author, &space, beside), None);
    }
}

#[test]
fn a_renewal_replaces_the_certificate_and_an_older_one_does_not() {
    let mut clinic = clinic();
    let id = clinic.device("ward-2").id;
    clinic.now = clinic.now.plus(days(20));
    clinic.enrol("ward-2");
    let renewed = clinic.record().devices[&id].certificate.clone();
    assert_eq!(renewed.not_before, clinic.now);
    clinic.enrol_as("ward-2", |certificate| {
        certificate.not_after = certificate.not_after.minus(days(1));
    });
    let older = clinic.items().last().expect("not empty").id;
    assert_eq!(void(&clinic, older), Some(VoidReason::DoesNotFit));
    assert_eq!(clinic.record().devices[&id].certificate, renewed);
}

#[test]
fn an_enrolment_never_brings_a_revoked_device_back() {
    let mut clinic = with_sam(clinic());
    clinic.revoke("ward-2");
    clinic.now = clinic.now.plus(days(1));
    let id = clinic.enrol("ward-2");
    let enrolment = clinic.items().last().expect("not empty").id;
    assert_eq!(void(&clinic, enrolment), Some(VoidReason::Revoked));
    assert!(!clinic.record().is_member(&id));

    // Another admin who has not heard of the revocation.
    clinic.now = clinic.now.plus(days(1));
    let certificate = clinic.certify("Sam", &clinic.draft("ward-2"));
    clinic.say_blind(
        "Sam",
        Act::DeviceEnrolled {
            certificate,
            invitation: None,
            address: None,
        },
    );
    assert!(!clinic.record().is_member(&id));
    assert!(!clinic.record().may_hold(&id, &Space::Record));
}

#[test]
fn a_revoked_noise_key_or_number_does_not_come_back_under_another_identity() {
    let revoked = clinic().device("ward-2").certificate.clone();
    let changes: [&dyn Fn(&mut Certificate); 2] = [
        &|certificate| certificate.noise_key = revoked.noise_key,
        &|certificate| certificate.serial = revoked.serial,
    ];
    for change in changes {
        let mut clinic = clinic();
        clinic.revoke("ward-2");
        let id = clinic.enrol_as("pharmacy", change);
        let enrolment = clinic.items().last().expect("not empty").id;
        assert_eq!(void(&clinic, enrolment), Some(VoidReason::Revoked));
        assert!(!clinic.record().is_member(&id));
        let trust = clinic.trust("front-desk");
        assert!(trust.revoked_devices.contains(&id));
    }
}

#[test]
fn an_enrolment_cannot_revoke_a_device_by_giving_it_a_revoked_key() {
    let mut clinic = clinic();
    let revoked = clinic.device("ward-2").certificate.noise_key;
    clinic.revoke("ward-2");
    clinic.now = clinic.now.plus(days(1));
    let id = clinic.enrol_as("front-desk", |certificate| certificate.noise_key = revoked);
    assert!(clinic.record().is_member(&id));
    assert_ne!(clinic.record().devices[&id].certificate.noise_key, revoked);
}

/// Both keep what they wrote before: a disk was copied before either of them was enrolled.
#[test]
fn a_device_that_shares_a_revoked_key_is_out_from_the_same_moment() {
    let mut clinic = clinic();
    let shared = clinic.device("ward-2").certificate.noise_key;
    let twin = clinic.enrol_as("pharmacy", |certificate| certificate.noise_key = shared);
    clinic.staff("Kai", ["pharmacy"]);
    assert!(clinic.record().is_member(&twin));
    clinic.now = clinic.now.plus(days(1));
    clinic.revoke("ward-2");
    let record = clinic.record();
    assert!(!record.is_member(&twin));
    assert_eq!(record.revoked_at(&twin.into()), Some(clinic.now));
    assert!(record.may_write(&twin.into(), &Space::Staff(staff("Kai"))));
}

#[test]
fn a_revocation_counts_even_if_the_enrolment_comes_later_or_never() {
    let mut clinic = clinic();
    let certificate = clinic.draft("pharmacy");
    let revocation = Revocation {
        device: certificate.device,
        serial: certificate.serial,
        noise_key: certificate.noise_key,
        ends: Vec::new(),
        at: clinic.now,
    };
    let id = clinic.say_blind(ADMIN, Act::DeviceRevoked { revocation });
    assert_eq!(void(&clinic, id), None);
    assert!(
        clinic
            .trust("ward-2")
            .revoked_devices
            .contains(&certificate.device)
    );
    let device = clinic.enrol("pharmacy");
    assert!(!clinic.record().is_member(&device));
}

#[test]
fn of_two_revocations_the_lowest_ends_the_earliest_moment_and_all_keys_hold() {
    let mut clinic = with_sam(clinic());
    let log = |space, seq| LogEnd {
        space,
        epoch: Epoch(1),
        seq,
    };
    let (here, there) = (Space::Room(room("rounds")), Space::Staff(staff("Ben")));
    let mut one = clinic.revocation("ward-2", sorted([log(here, 5), log(there, 3)]));
    one.at = NOON.minus(minutes(9));
    let mut two = clinic.revocation("ward-2", vec![log(here, 4)]);
    two.serial = Serial::new([7; 16]);
    two.noise_key = NoiseKey::new([7; 32]);
    clinic.say(Act::DeviceRevoked { revocation: one });
    clinic.say_as("Sam", Act::DeviceRevoked { revocation: two });
    let record = clinic.record();
    let author = clinic.device("ward-2").id.into();
    assert_eq!(record.named_end(&author, &here, Epoch(1)), Some(4));
    assert_eq!(record.named_end(&author, &there, Epoch(1)), Some(3));
    assert_eq!(record.named_end(&author, &here, Epoch(2)), None);
    assert_eq!(record.revoked_at(&author), Some(NOON.minus(minutes(9))));
    assert_eq!(record.revoked_serials.len(), 2);
    assert_eq!(record.revoked_noise_keys.len(), 2);
}

#[test]
fn a_revocation_dated_later_than_its_statement_leaves_no_time_to_write() {
    let mut clinic = clinic();
    let mut revocation = clinic.revocation("ward-2", Vec::new());
    revocation.at = WallTime(u64::MAX);
    clinic.say(Act::DeviceRevoked { revocation });
    let author = clinic.device("ward-2").id.into();
    assert_eq!(clinic.record().revoked_at(&author), Some(NOON));
}

#[test]
fn a_void_revocation_revokes_nothing() {
    let mut clinic = with_sam(clinic());
    end(&mut clinic, "Sam", 0);
    let revocation = clinic.revocation("ward-2", Vec::new());
    clinic.say_as("Sam", Act::DeviceRevoked { revocation });
    assert!(clinic.record().is_member(&clinic.device("ward-2").id));
    assert!(clinic.trust("front-desk").revoked_noise_keys.is_empty());
}
