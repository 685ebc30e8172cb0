use super::*;
use crate::domain::cert::Scopes;
use crate::domain::id::{AuthorId, Serial};
use crate::domain::sign::SigningKey;
use crate::domain::statement::Act;
use crate::domain::testing::{ADMIN, NOON, SampleClinic, days, mesh_key, minutes};

/// A clinic of two offices; the tests let front-desk judge ward-2.
fn clinic() -> SampleClinic {
    SampleClinic::of(["front-desk", "ward-2"])
}

/// Ward-2 dials front-desk at noon from an address of the clinic.
fn circumstances(clinic: &SampleClinic) -> Circumstances {
    Circumstances {
        proven: clinic.device("ward-2").certificate.noise_key,
        dialled: None,
        address: Some(ip("192.168.1.7")),
        now: NOON,
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Whether front-desk lets ward-2 in, as things stand.
fn verdict(clinic: &SampleClinic) -> Result<(), Refusal> {
    verdict_at(clinic, circumstances(clinic))
}

fn verdict_at(clinic: &SampleClinic, at: Circumstances) -> Result<(), Refusal> {
    verdict_on(clinic, &clinic.device("ward-2").credentials(), at)
}

fn verdict_on(
    clinic: &SampleClinic,
    shown: &Credentials,
    at: Circumstances,
) -> Result<(), Refusal> {
    clinic.trust("front-desk").admit(shown, at).map(drop)
}

/// Front-desk's verdict on a certificate that the record does not list.
fn verdict_on_unlisted(
    clinic: &SampleClinic,
    change: impl FnOnce(&mut Certificate),
) -> Result<(), Refusal> {
    verdict_on_signed_by(clinic, ADMIN, change)
}

fn verdict_on_signed_by(
    clinic: &SampleClinic,
    who: &str,
    change: impl FnOnce(&mut Certificate),
) -> Result<(), Refusal> {
    let mut certificate = clinic.draft("pharmacy");
    change(&mut certificate);
    let shown = Credentials {
        certificate: clinic.certify(who, &certificate),
        grant: clinic.admins[who].signed.clone(),
        chain: None,
    };
    let at = Circumstances {
        proven: certificate.noise_key,
        now: clinic.now,
        ..circumstances(clinic)
    };
    verdict_on(clinic, &shown, at)
}

#[test]
fn an_enrolled_device_is_let_in() {
    assert_eq!(verdict(&clinic()), Ok(()));
}

#[test]
fn a_device_is_let_in_by_its_certificate_alone_before_the_record_lists_it() {
    assert_eq!(verdict_on_unlisted(&clinic(), |_| {}), Ok(()));
}

#[test]
fn a_certified_device_that_is_no_node_is_refused() {
    let refused = verdict_on_unlisted(&clinic(), |certificate| {
        certificate.kind = DeviceKind::Client;
    });
    assert_eq!(refused, Err(Refusal::OtherKind));
}

#[test]
fn an_expired_certificate_is_refused_five_minutes_after_its_end() {
    let clinic = clinic();
    let end = clinic.device("ward-2").certificate.not_after;
    let at = |now| Circumstances {
        now,
        ..circumstances(&clinic)
    };
    assert_eq!(verdict_at(&clinic, at(end.plus(minutes(5)))), Ok(()));
    let late = WallTime(end.plus(minutes(5)).0 + 1);
    assert_eq!(verdict_at(&clinic, at(late)), Err(Refusal::Expired));
}

#[test]
fn a_certificate_is_refused_until_five_minutes_before_it_begins() {
    let clinic = clinic();
    let at = |now| Circumstances {
        now,
        ..circumstances(&clinic)
    };
    assert_eq!(verdict_at(&clinic, at(NOON.minus(minutes(5)))), Ok(()));
    let early = WallTime(NOON.minus(minutes(5)).0 - 1);
    assert_eq!(verdict_at(&clinic, at(early)), Err(Refusal::NotYetValid));
}

#[test]
fn a_lifetime_over_the_cap_is_refused() {
    let refused = verdict_on_unlisted(&clinic(), |certificate| {
        certificate.not_after = certificate.not_after.plus(days(1));
    });
    assert_eq!(refused, Err(Refusal::Malformed));
}

#[test]
fn a_certificate_of_another_clinic_is_refused() {
    let refused = verdict_on_unlisted(&clinic(), |certificate| {
        certificate.clinic = ClinicId::new([8; 32]);
    });
    assert_eq!(refused, Err(Refusal::OtherClinic));
}

#[test]
fn an_issuer_whom_the_root_did_not_appoint_is_refused() {
    let clinic = clinic();
    let mut shown = clinic.device("ward-2").credentials();
    let mallory = SigningKey::from_seed(&[66; 32]);
    let mut grant = clinic.admins[ADMIN].grant.clone();
    grant.admin = mallory.id().as_admin();
    shown.certificate = Signed::new(&clinic.device("ward-2").certificate, &clinic.id, &mallory);
    shown.grant = Signed::new(&grant, &clinic.id, &mallory);
    let refused = verdict_on(&clinic, &shown, circumstances(&clinic));
    assert_eq!(refused, Err(Refusal::UnknownIssuer));
}

#[test]
fn a_certificate_shown_with_another_admins_grant_is_refused() {
    let mut clinic = clinic();
    clinic.admin("Sam", Scopes::of(Scopes::ALL));
    let shown = Credentials {
        grant: clinic.admins["Sam"].signed.clone(),
        ..clinic.device("ward-2").credentials()
    };
    let refused = verdict_on(&clinic, &shown, circumstances(&clinic));
    assert_eq!(refused, Err(Refusal::UnknownIssuer));
}

#[test]
fn the_root_itself_does_not_issue_certificates() {
    let clinic = clinic();
    let device = clinic.device("ward-2");
    let shown = Credentials {
        certificate: Signed::new(&device.certificate, &clinic.id, &clinic.root),
        ..device.credentials()
    };
    let refused = verdict_on(&clinic, &shown, circumstances(&clinic));
    assert_eq!(refused, Err(Refusal::UnknownIssuer));
}

#[test]
fn an_issuer_without_the_scope_is_refused() {
    let mut clinic = clinic();
    let all_but_enrol = Scopes::ALL.into_iter().filter(|one| *one != Scope::Enrol);
    clinic.admin("Sam", Scopes::of(all_but_enrol));
    let refused = verdict_on_signed_by(&clinic, "Sam", |_| {});
    assert_eq!(refused, Err(Refusal::IssuerWithoutRight));
}

#[test]
fn an_issuer_past_the_end_of_the_grant_is_refused() {
    let mut clinic = clinic();
    clinic.now = clinic.admins[ADMIN].grant.not_after;
    assert_eq!(verdict_on_unlisted(&clinic, |_| {}), Ok(()));
    clinic.now = WallTime(clinic.now.0 + 1);
    let refused = verdict_on_unlisted(&clinic, |_| {});
    assert_eq!(refused, Err(Refusal::IssuerWithoutRight));
}

/// The root can sign a second grant for a key by mistake; the record holds the first.
#[test]
fn an_issuer_is_judged_by_the_grant_in_the_record_not_by_a_wider_one_that_is_shown() {
    let mut clinic = clinic();
    clinic.admin("Sam", Scopes::of([Scope::Staff]));
    let mut wider = clinic.admins["Sam"].grant.clone();
    wider.scopes = Scopes::of(Scopes::ALL);
    let wider = Signed::new(&wider, &clinic.id, &clinic.root);
    clinic.admins.get_mut("Sam").expect("granted").signed = wider;
    let refused = verdict_on_signed_by(&clinic, "Sam", |_| {});
    assert_eq!(refused, Err(Refusal::IssuerWithoutRight));
}

/// Ends [`ADMIN`] at what was signed so far.
fn end_admin(clinic: &mut SampleClinic) {
    let admin = clinic.admins[ADMIN].id();
    let signed = clinic
        .items()
        .iter()
        .filter(|item| item.id.author == admin.into());
    let last = signed.map(|item| item.id.seq).max().expect("has signed");
    clinic.say_root(Act::AdminEnded { admin, last });
}

#[test]
fn what_an_ended_admin_signed_still_counts_when_the_record_lists_it() {
    let mut clinic = clinic();
    end_admin(&mut clinic);
    assert_eq!(verdict(&clinic), Ok(()));
}

#[test]
fn what_an_ended_admin_signed_is_refused_when_the_record_does_not_list_it() {
    let mut clinic = clinic();
    end_admin(&mut clinic);
    let refused = verdict_on_unlisted(&clinic, |_| {});
    assert_eq!(refused, Err(Refusal::IssuerWithoutRight));
}

#[test]
fn an_ended_admin_cannot_use_the_number_of_a_listed_certificate_again() {
    let mut clinic = clinic();
    end_admin(&mut clinic);
    let listed = clinic.device("ward-2").certificate.clone();
    let changes: [fn(&mut Certificate); 3] = [
        |certificate| certificate.noise_key = NoiseKey::new([9; 32]),
        |certificate| certificate.office = crate::domain::testing::name("front-desk"),
        |certificate| certificate.not_after = certificate.not_after.plus(minutes(1)),
    ];
    for change in changes {
        let refused = verdict_on_unlisted(&clinic, |certificate| {
            *certificate = listed.clone();
            change(certificate);
        });
        assert_eq!(refused, Err(Refusal::IssuerWithoutRight));
    }
}

#[test]
fn an_ended_admin_cannot_end_a_device_that_another_admin_certified_anew() {
    let mut clinic = clinic();
    clinic.admin("Sam", Scopes::of([Scope::Enrol]));
    end_admin(&mut clinic);
    assert_eq!(verdict_on_signed_by(&clinic, "Sam", |_| {}), Ok(()));
}

#[test]
fn a_connection_ends_when_the_admin_who_let_the_device_in_is_removed() {
    let mut clinic = clinic();
    let certificate = clinic.draft("pharmacy");
    let issuer = Issuer::admin(clinic.admins[ADMIN].id());
    let still = |clinic: &SampleClinic| {
        clinic
            .trust("front-desk")
            .still_admits(&certificate, &issuer, None, NOON)
    };
    assert_eq!(still(&clinic), Ok(Reach::All));
    end_admin(&mut clinic);
    assert_eq!(still(&clinic), Err(Refusal::IssuerWithoutRight));
}

#[test]
fn a_revoked_device_is_refused() {
    let mut clinic = clinic();
    clinic.revoke("ward-2");
    assert_eq!(verdict(&clinic), Err(Refusal::Revoked));
    let other_number = verdict_on_unlisted(&clinic, |certificate| {
        certificate.device = clinic.device("ward-2").id;
    });
    assert_eq!(other_number, Err(Refusal::Revoked));
}

#[test]
fn a_revoked_number_is_refused_whatever_the_device() {
    let mut clinic = clinic();
    clinic.revoke("ward-2");
    let serial = clinic.device("ward-2").certificate.serial;
    let refused = verdict_on_unlisted(&clinic, |certificate| certificate.serial = serial);
    assert_eq!(refused, Err(Refusal::Revoked));
}

#[test]
fn a_revoked_noise_key_is_refused_whatever_the_device() {
    let mut clinic = clinic();
    clinic.revoke("ward-2");
    let noise_key = clinic.device("ward-2").certificate.noise_key;
    let refused = verdict_on_unlisted(&clinic, |certificate| certificate.noise_key = noise_key);
    assert_eq!(refused, Err(Refusal::Revoked));
}

#[test]
fn a_device_that_the_record_never_listed_can_be_revoked() {
    let mut clinic = clinic();
    let certificate = clinic.draft("pharmacy");
    let mut revocation = clinic.revocation("ward-2", Vec::new());
    revocation.device = certificate.device;
    revocation.serial = certificate.serial;
    revocation.noise_key = certificate.noise_key;
    clinic.say(Act::DeviceRevoked { revocation });
    let refused = verdict_on_unlisted(&clinic, |_| {});
    assert_eq!(refused, Err(Refusal::Revoked));
}

#[test]
fn a_live_connection_ends_with_the_revocation() {
    let mut clinic = clinic();
    let certificate = clinic.device("ward-2").certificate.clone();
    let issuer = Issuer::admin(clinic.admins[ADMIN].id());
    clinic.revoke("ward-2");
    let still = clinic
        .trust("front-desk")
        .still_admits(&certificate, &issuer, None, NOON);
    assert_eq!(still, Err(Refusal::Revoked));
}

#[test]
fn a_static_key_other_than_the_certified_one_is_refused() {
    let clinic = clinic();
    let at = Circumstances {
        proven: clinic.device("front-desk").certificate.noise_key,
        ..circumstances(&clinic)
    };
    assert_eq!(verdict_at(&clinic, at), Err(Refusal::OtherKey));
}

#[test]
fn the_device_itself_is_refused() {
    let clinic = clinic();
    let device = clinic.device("front-desk");
    let at = Circumstances {
        proven: device.certificate.noise_key,
        ..circumstances(&clinic)
    };
    let refused = verdict_on(&clinic, &device.credentials(), at);
    assert_eq!(refused, Err(Refusal::Oneself));
}

#[test]
fn another_device_than_the_dialled_one_is_refused() {
    let clinic = clinic();
    let at = |office| Circumstances {
        dialled: Some(clinic.device(office).id),
        ..circumstances(&clinic)
    };
    assert_eq!(verdict_at(&clinic, at("ward-2")), Ok(()));
    assert_eq!(
        verdict_at(&clinic, at("front-desk")),
        Err(Refusal::OtherDevice)
    );
}

#[test]
fn an_address_outside_the_allowed_networks_is_refused_mapped_or_not() {
    let mut clinic = clinic();
    let mut policy = Policy::initial();
    policy.version = 2;
    policy.networks = vec!["192.168.1.0/24".parse().expect("a network")];
    clinic.say(Act::PolicySet { policy });
    let at = |address: &str| Circumstances {
        address: Some(ip(address)),
        ..circumstances(&clinic)
    };
    for inside in ["192.168.1.7", "::ffff:192.168.1.7"] {
        assert_eq!(verdict_at(&clinic, at(inside)), Ok(()), "{inside}");
    }
    for outside in [
        "192.168.2.7",
        "::ffff:192.168.2.7",
        "::192.168.1.7",
        "fe80::1",
        "::",
    ] {
        let refused = verdict_at(&clinic, at(outside));
        assert_eq!(refused, Err(Refusal::OtherNetwork), "{outside}");
    }
}

#[test]
fn a_forged_or_mixed_up_certificate_is_malformed_to_the_peer() {
    let clinic = clinic();
    let device = clinic.device("ward-2");
    let swapped = Credentials {
        certificate: device.grant.clone(),
        grant: device.signed.clone(),
        chain: None,
    };
    let mut unsigned = device.credentials();
    unsigned.certificate.signer = AuthorId::new([1; 32]);
    for shown in [swapped, unsigned] {
        let refused = verdict_on(&clinic, &shown, circumstances(&clinic));
        assert_eq!(refused, Err(Refusal::Malformed));
    }
}

#[test]
fn every_refusal_has_its_own_byte_and_is_read_back() {
    let known: Vec<Refusal> = (0..=255).filter_map(Refusal::from_code).collect();
    assert_eq!(known.len(), 21);
    for refusal in known {
        assert_eq!(Refusal::from_code(refusal.code()), Some(refusal));
    }
}

#[test]
fn a_mesh_key_matches_its_own_commitment_in_its_clinic_and_epoch_only() {
    let id = clinic().id;
    let commitment = mesh_key(1).commitment(&id, 1);
    assert!(mesh_key(1).matches(&id, 1, &commitment));
    assert!(!mesh_key(2).matches(&id, 1, &commitment));
    assert!(!mesh_key(1).matches(&id, 2, &commitment));
    assert!(!mesh_key(1).matches(&ClinicId::new([8; 32]), 1, &commitment));
}

#[test]
fn a_mesh_key_is_never_printed() {
    assert_eq!(format!("{:?}", mesh_key(1)), "MeshKey(..)");
}

/// What a machine shows that this admin has certified and the record does not list.
fn shown_by(
    clinic: &SampleClinic,
    who: &str,
    chain: Option<Vec<SignedRotation>>,
) -> (Credentials, Circumstances) {
    let certificate = clinic.draft("pharmacy");
    let at = Circumstances {
        proven: certificate.noise_key,
        ..circumstances(clinic)
    };
    let shown = Credentials {
        certificate: clinic.certify(who, &certificate),
        grant: clinic.admins[who].signed.clone(),
        chain,
    };
    (shown, at)
}

fn reach(
    judging: &SampleClinic,
    (shown, at): &(Credentials, Circumstances),
) -> Result<Reach, Refusal> {
    let opened = shown.open(&judging.id)?;
    judging.trust("front-desk").admit_opened(&opened, *at)
}

/// The only admin signs for a root of this name, which appoints an admin of the same name.
fn rotated(clinic: &SampleClinic, next: &str, last: u64) -> (SampleClinic, SignedRotation) {
    let mut clinic = clinic.clone();
    let (rotation, new) = clinic.rotation(next, last);
    clinic.say_rotated(ADMIN, &rotation);
    clinic.root = new;
    clinic.admin(next, Scopes::of(Scopes::ALL));
    (clinic, rotation)
}

#[test]
fn whom_a_later_root_vouches_for_is_let_in_with_the_chain_that_leads_to_it() {
    let before = clinic();
    let (after, rotation) = rotated(&before, "second", 2);
    let with = shown_by(&after, "second", Some(vec![rotation.clone()]));
    assert_eq!(reach(&after, &with), Ok(Reach::All));
    let without = shown_by(&after, "second", None);
    assert_eq!(reach(&after, &without), Err(Refusal::UnknownIssuer));
    // Where nobody has heard of the change, the record is taken from it and nothing given.
    assert_eq!(reach(&before, &with), Ok(Reach::Unlisted));
    let empty = shown_by(&after, "second", Some(Vec::new()));
    assert_eq!(reach(&after, &empty), Err(Refusal::UnknownIssuer));
    for chain in [Some(vec![rotation]), None] {
        let first = shown_by(&after, ADMIN, chain);
        assert_eq!(
            reach(&after, &first),
            Ok(Reach::All),
            "appointed before the end"
        );
    }
}

#[test]
fn whom_the_old_root_appoints_after_its_end_is_refused_by_all_who_know_of_it() {
    let before = clinic();
    let mut thief = before.clone();
    thief.admin("Mallory", Scopes::of(Scopes::ALL));
    let shown = shown_by(&thief, "Mallory", None);
    assert_eq!(reach(&before, &shown), Ok(Reach::All));
    let (after, _) = rotated(&before, "second", 2);
    assert_eq!(reach(&after, &shown), Err(Refusal::UnknownIssuer));
}

#[test]
fn a_chain_that_contradicts_the_record_is_heard_only_if_it_could_win() {
    let mut clinic = clinic();
    clinic.admin("Sam", Scopes::of([Scope::Enrol]));
    let admin = clinic.admins["Sam"].id();
    clinic.say_root(Act::AdminEnded { admin, last: 0 });
    let (early, first) = rotated(&clinic, "early", 2);
    let (late, second) = rotated(&clinic, "late", 4);
    let from_early = shown_by(&early, "early", Some(vec![first]));
    let from_late = shown_by(&late, "late", Some(vec![second]));
    assert_eq!(reach(&late, &from_early), Ok(Reach::Unlisted));
    assert_eq!(reach(&early, &from_late), Err(Refusal::UnknownIssuer));
}

/// Ward 2 was cut off with the lab, which renewed it after it had been revoked elsewhere.
#[test]
fn whom_a_revoked_node_renewed_is_a_member_by_the_certificate_that_the_record_lists() {
    let mut clinic = SampleClinic::of([]);
    for office in ["front-desk", "ward-2", "lab"] {
        clinic.enrol_renewer(office);
    }
    let later = |count| NOON.plus(days(count));
    let shown = |by: &str, clinic: &SampleClinic| {
        let ward = clinic.device("ward-2");
        let serial = Serial::new([5; 16]);
        let key = &clinic.device(by).key;
        let renewed = renewal::sign(&ward.certificate, later(20), serial, &clinic.id, key);
        Credentials {
            certificate: renewed.certificate,
            ..ward.credentials()
        }
    };
    let on = |day, clinic: &SampleClinic| {
        let at = Circumstances {
            now: later(day),
            ..circumstances(clinic)
        };
        reach(clinic, &(shown("lab", clinic), at))
    };
    assert_eq!(on(21, &clinic), Ok(Reach::Unlisted), "it may be listed yet");
    clinic.now = later(1);
    clinic.revoke("lab");
    assert_eq!(on(21, &clinic), Ok(Reach::All));
    assert_eq!(
        on(31, &clinic),
        Err(Refusal::Expired),
        "as if it had not been"
    );
    let own = (shown("ward-2", &clinic), circumstances(&clinic));
    assert_eq!(reach(&clinic, &own), Err(Refusal::UnknownIssuer));
}

mod roots;
