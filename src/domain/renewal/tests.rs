use super::*;
use crate::domain::cert::Capabilities;
use crate::domain::id::{DeviceId, NoiseKey};
use crate::domain::space::Space;
use crate::domain::statement::{Act, LogEnd};
use crate::domain::testing::{ADMIN, NOON, SampleClinic, days, minutes, name, seed16};

mod years;

/// Front-desk and ward-2 may renew, the lab may not; all were certified at noon for thirty days.
fn clinic() -> SampleClinic {
    let mut clinic = SampleClinic::of([]);
    clinic.enrol_renewer("front-desk");
    clinic.enrol_renewer("ward-2");
    clinic.enrol("lab");
    clinic
}

/// The same on the day that certificates may be renewed.
fn clinic_when_due() -> SampleClinic {
    let mut clinic = clinic();
    clinic.now = NOON.plus(days(20));
    clinic
}

fn until(clinic: &SampleClinic, office: &str) -> WallTime {
    let device = clinic.device(office).id;
    clinic.record().devices[&device].certificate.not_after
}

#[test]
fn from_two_thirds_of_its_life_on_a_node_renews_another_with_the_same_rights() {
    let mut clinic = clinic_when_due();
    let before = clinic.device("ward-2").certificate.clone();
    let after = clinic.renew("front-desk", "ward-2").expect("it counts");
    assert_eq!(until(&clinic, "ward-2"), clinic.now.plus(days(30)));
    assert_eq!(check_rights(&before, &after), Ok(()));
    assert_eq!(after.capabilities, before.capabilities);
}

#[test]
fn a_renewal_before_two_thirds_of_life_changes_nothing() {
    let mut clinic = clinic();
    clinic.now = WallTime(NOON.plus(days(20)).0 - 1);
    let refused = clinic.renew("front-desk", "ward-2");
    assert_eq!(refused, Err(NotRenewed::TooEarly));
    assert_eq!(until(&clinic, "ward-2"), NOON.plus(days(30)));
}

#[test]
fn rights_never_grow_at_renewal() {
    let changes: [fn(&mut Certificate); 4] = [
        |c| c.capabilities = Capabilities::of([Capability::Export]),
        |c| c.kind = DeviceKind::Client,
        |c| c.office = name("ward-2"),
        |c| c.name = name("front-desk"),
    ];
    for change in changes {
        let mut clinic = clinic_when_due();
        let refused = clinic.renew_as("front-desk", "lab", change);
        assert_eq!(refused, Err(NotRenewed::MoreRights));
    }
}

#[test]
fn a_renewal_takes_neither_rights_nor_days_from_a_device() {
    let mut clinic = clinic_when_due();
    let less = clinic.renew_as("front-desk", "ward-2", |c| {
        c.capabilities = Capabilities::of([Capability::Witness]);
    });
    assert_eq!(less, Err(NotRenewed::OtherRights));
    let changes: [fn(&mut Certificate); 2] = [
        |c| c.not_after = WallTime(c.not_after.0 - 1),
        |c| c.not_after = c.not_before.plus(days(11)),
    ];
    for change in changes {
        let shorter = clinic.renew_as("front-desk", "ward-2", change);
        assert_eq!(shorter, Err(NotRenewed::OtherLife));
    }
    assert_eq!(until(&clinic, "ward-2"), NOON.plus(days(30)));
}

#[test]
fn a_renewal_with_other_keys_changes_nothing() {
    let mut clinic = clinic_when_due();
    let other = clinic.device("lab").certificate.noise_key;
    let refused = clinic.renew_as("front-desk", "ward-2", |c| c.noise_key = other);
    assert_eq!(refused, Err(NotRenewed::OtherKeys));
    let refused = clinic.renew_as("front-desk", "ward-2", |c| {
        c.noise_key = NoiseKey::new([0; 32])
    });
    assert_eq!(refused, Err(NotRenewed::InvalidInside));
}

#[test]
fn a_renewal_of_a_device_that_nobody_enrolled_changes_nothing() {
    let mut clinic = clinic_when_due();
    let refused = clinic.renew_as("front-desk", "ward-2", |c| {
        c.device = DeviceId::new(
            *crate::domain::testing::device_keys("ghost")
                .0
                .id()
                .as_bytes(),
        );
    });
    assert_eq!(refused, Err(NotRenewed::UnknownDevice));
}

#[test]
fn a_revoked_device_is_not_renewed_even_by_a_node_that_had_not_heard() {
    let mut clinic = clinic_when_due();
    assert!(clinic.renew("front-desk", "ward-2").is_ok());
    clinic.now = clinic.now.plus(minutes(1));
    clinic.revoke("ward-2");
    assert!(!clinic.record().is_member(&clinic.device("ward-2").id));
    clinic.now = clinic.now.plus(minutes(1));
    assert_eq!(
        clinic.renew("front-desk", "ward-2"),
        Err(NotRenewed::Revoked)
    );
}

#[test]
fn whom_a_node_renewed_before_it_was_revoked_stays_in_however_old_the_clinic_is() {
    let mut clinic = clinic_when_due();
    clinic.renew("ward-2", "front-desk").expect("due");
    clinic.renew("front-desk", "ward-2").expect("due");
    // Front-desk signs by a certificate that it has from a renewal, not from its enrolment.
    clinic.now = NOON.plus(days(40));
    clinic.renew("front-desk", "lab").expect("due");
    clinic.renew("front-desk", "ward-2").expect("due");
    clinic.now = clinic.now.plus(minutes(1));
    clinic.revoke("front-desk");
    for office in ["lab", "ward-2"] {
        assert_eq!(until(&clinic, office), NOON.plus(days(70)), "{office}");
    }
    clinic.now = NOON.plus(days(60));
    assert!(clinic.renew("ward-2", "lab").is_ok(), "the others go on");
}

#[test]
fn a_node_whose_own_certificate_has_ended_renews_nobody() {
    let mut clinic = clinic();
    clinic.now = NOON.plus(days(30)).plus(minutes(6));
    assert_eq!(
        clinic.renew("front-desk", "lab"),
        Err(NotRenewed::SignerExpired)
    );
}

#[test]
fn a_node_that_was_renewed_itself_renews_others_without_end() {
    let mut clinic = clinic();
    for _ in 0..200 {
        clinic.now = clinic.now.plus(days(20));
        for (by, office) in [
            ("front-desk", "ward-2"),
            ("ward-2", "front-desk"),
            ("ward-2", "lab"),
        ] {
            assert!(
                clinic.renew(by, office).is_ok(),
                "{office} at {}",
                clinic.now
            );
        }
    }
    let held = &clinic.record().devices[&clinic.device("lab").id].held;
    assert_eq!(held.len(), 1, "years of renewals are one span");
}

#[test]
fn a_node_without_the_capability_renews_nobody() {
    let mut clinic = clinic_when_due();
    assert_eq!(clinic.renew("lab", "ward-2"), Err(NotRenewed::WithoutRight));
}

#[test]
fn a_client_renews_nobody_whatever_its_capabilities() {
    let mut clinic = clinic_when_due();
    clinic.now = NOON;
    clinic.enrol_as("laptop", |c| {
        c.kind = DeviceKind::Client;
        c.capabilities = Capabilities::of([Capability::Renew]);
    });
    clinic.now = NOON.plus(days(20));
    assert_eq!(
        clinic.renew("laptop", "ward-2"),
        Err(NotRenewed::WithoutRight)
    );
}

#[test]
fn no_device_renews_itself() {
    let mut clinic = clinic_when_due();
    assert_eq!(clinic.renew("ward-2", "ward-2"), Err(NotRenewed::Oneself));
}

#[test]
fn a_renewal_in_one_devices_log_that_another_signed_changes_nothing() {
    let mut clinic = clinic_when_due();
    let old = clinic.device("lab").certificate.clone();
    let serial = Serial::new(seed16("renewal", "x"));
    let key = &clinic.device("ward-2").key;
    let renewal = sign(&old, clinic.now, serial, &clinic.id, key);
    let id = clinic.note_renewal("front-desk", renewal);
    assert_eq!(
        clinic.record().not_renewed.get(&id),
        Some(&NotRenewed::OtherSigner)
    );
}

#[test]
fn a_device_is_renewed_until_sixty_days_after_its_end_and_not_later() {
    let mut clinic = clinic();
    for day in [20, 40, 60, 80] {
        clinic.now = NOON.plus(days(day));
        assert!(clinic.renew("front-desk", "ward-2").is_ok());
        assert!(clinic.renew("ward-2", "front-desk").is_ok());
    }
    clinic.now = NOON.plus(days(30)).plus(GRACE);
    let in_time = clinic.clone().renew("ward-2", "lab");
    assert!(in_time.is_ok(), "{in_time:?}");
    clinic.now = WallTime(clinic.now.0 + 1);
    assert_eq!(clinic.renew("ward-2", "lab"), Err(NotRenewed::TooLate));
}

#[test]
fn a_renewal_over_the_cap_on_every_certificates_life_changes_nothing() {
    let mut clinic = clinic_when_due();
    let refused = clinic.renew_as("front-desk", "ward-2", |c| {
        c.not_after = WallTime(c.not_before.plus(LIFETIME_MAX).0 + 1);
    });
    assert_eq!(refused, Err(NotRenewed::InvalidInside));
}

#[test]
fn a_renewal_signed_today_for_next_month_changes_nothing() {
    let mut clinic = clinic_when_due();
    let refused = clinic.renew_as("front-desk", "ward-2", |c| {
        c.not_before = c.not_before.plus(minutes(6));
    });
    assert_eq!(refused, Err(NotRenewed::OtherTime));
}

#[test]
fn what_a_node_signed_before_its_revocation_counts_and_what_it_signs_later_does_not() {
    let mut clinic = clinic_when_due();
    assert!(clinic.renew("front-desk", "lab").is_ok());
    clinic.now = clinic.now.plus(minutes(1));
    clinic.revoke("front-desk");
    assert_eq!(
        until(&clinic, "lab"),
        NOON.plus(days(50)),
        "nobody is thrown out with it"
    );
    clinic.now = clinic.now.plus(minutes(1));
    assert_eq!(
        clinic.renew("front-desk", "ward-2"),
        Err(NotRenewed::SignerRevoked)
    );
}

#[test]
fn a_revoked_nodes_log_ends_where_its_revocation_says() {
    let mut clinic = clinic_when_due();
    assert!(clinic.renew("front-desk", "lab").is_ok());
    let ends = vec![LogEnd {
        space: Space::Record,
        epoch: Epoch(1),
        seq: 1,
    }];
    let revocation = clinic.revocation("front-desk", ends);
    // Signed later, dated earlier, so that its time alone would let it pass.
    let backdated = clinic.renew("front-desk", "ward-2");
    assert!(backdated.is_ok());
    clinic.say(Act::DeviceRevoked { revocation });
    assert_eq!(until(&clinic, "lab"), NOON.plus(days(50)));
    assert_eq!(until(&clinic, "ward-2"), NOON.plus(days(30)));
}

#[test]
fn a_certificate_that_an_admin_signs_later_leaves_what_was_renewed_by_then_as_it_is() {
    let mut clinic = clinic_when_due();
    assert!(clinic.renew("front-desk", "ward-2").is_ok());
    assert!(clinic.renew("ward-2", "front-desk").is_ok());
    clinic.now = NOON.plus(days(40));
    assert!(clinic.renew("front-desk", "lab").is_ok());
    clinic.now = NOON.plus(days(45));
    clinic.enrol_renewer("front-desk");
    assert_eq!(until(&clinic, "lab"), NOON.plus(days(70)));
    assert_eq!(until(&clinic, "front-desk"), NOON.plus(days(75)));
}

#[test]
fn the_order_in_which_renewals_arrive_does_not_matter() {
    let mut clinic = clinic();
    for _ in 0..3 {
        clinic.now = clinic.now.plus(days(20));
        for (by, office) in [
            ("front-desk", "ward-2"),
            ("ward-2", "front-desk"),
            ("ward-2", "lab"),
        ] {
            assert!(clinic.renew(by, office).is_ok());
        }
    }
    let record = clinic.record();
    for shift in 1..clinic.renewals.len() {
        let mut other = clinic.clone();
        other.renewals.rotate_left(shift);
        assert_eq!(other.record(), record);
    }
}

#[test]
fn an_admins_certificate_is_never_taken_for_a_renewal_nor_the_other_way_round() {
    let clinic = clinic();
    let certificate = clinic.device("ward-2").certificate.clone();
    let by_admin = clinic.certify(ADMIN, &certificate);
    assert!(open(&by_admin, &clinic.id).is_err());
    let key = &clinic.device("front-desk").key;
    let by_node = seal(certificate, &clinic.id, key).certificate;
    assert!(Certificate::open(&by_node, &clinic.id).is_err());
    assert!(open(&by_node, &clinic.id).is_ok());
}

#[test]
fn another_version_of_a_renewal_is_not_read() {
    let clinic = clinic();
    let key = &clinic.device("front-desk").key;
    let mut renewal = seal(clinic.device("lab").certificate.clone(), &clinic.id, key);
    assert_eq!(Renewal::from_body(&renewal.to_body()), Ok(renewal.clone()));
    renewal.version = 2;
    assert_eq!(
        Renewal::from_body(&renewal.to_body()),
        Err(CodecError::Malformed)
    );
}

#[test]
fn the_faces_hear_of_it_when_six_days_of_ten_have_passed() {
    let clinic = clinic();
    let certificate = &clinic.device("lab").certificate;
    let on = |day| freshness(certificate, NOON.plus(days(day)));
    assert_eq!(on(19), Freshness::Fresh);
    assert_eq!(on(20), Freshness::Due);
    assert_eq!(on(25), Freshness::Due);
    assert_eq!(on(26), Freshness::Late);
    assert_eq!(on(30), Freshness::Late);
    assert_eq!(on(31), Freshness::Expired);
    assert_eq!(on(90), Freshness::Expired);
    assert_eq!(on(91), Freshness::Lost);
}

#[test]
fn where_any_would_do_one_node_is_first_and_the_others_wait_for_it() {
    let clinic = clinic_when_due();
    let record = clinic.record();
    let lab = clinic.device("lab").id;
    let first = |now, connected| {
        let renewers = ["front-desk", "ward-2"].map(|office| clinic.device(office).id);
        let turn = |id: &&DeviceId| is_turn(&record, id, &lab, now, connected);
        renewers.iter().filter(turn).count()
    };
    let hour = minutes(60);
    assert_eq!(first(clinic.now, hour), 1);
    assert_eq!(first(clinic.now.plus(hour), hour), 2);
    // The lab comes back after a week: the second waits until the first had time to.
    let late = clinic.now.plus(days(7));
    assert_eq!(first(late, std::time::Duration::ZERO), 1);
    assert_eq!(first(late, TURN_ON_CHANNEL), 2);
}
