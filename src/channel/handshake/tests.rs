use super::*;
use crate::channel::fixture::*;
use crate::domain::cert::{Scope, Scopes};
use crate::domain::id::NoiseKey;
use crate::domain::mesh_keys::AcceptedKeys;
use crate::domain::sign::Signed;

/// Who was refused by whom, and that both sides agree on why.
fn assert_listener_refuses(outcome: &(Outcome, Outcome), why: Refusal) {
    let (dialled, answered) = outcome;
    assert_eq!(error(dialled), HandshakeError::RefusedByPeer(why));
    assert!(matches!(error(answered), HandshakeError::Refused { why: w, .. } if w == why));
}

/// The dialler leaves without a word, so all the listener knows is that it was left.
fn assert_dialler_refuses(outcome: &(Outcome, Outcome), why: Refusal) {
    let (dialled, answered) = outcome;
    assert!(matches!(error(dialled), HandshakeError::Refused { why: w, .. } if w == why));
    assert_eq!(
        error(answered),
        HandshakeError::PeerLeft(Stage::ThirdMessage)
    );
}

fn error(outcome: &Outcome) -> HandshakeError {
    outcome.as_ref().err().expect("a refusal").clone()
}

/// A device whose credentials break one rule is refused in both directions.
async fn assert_refused_both_ways(clinic: &Clinic, bad: &Party, why: Refusal) {
    let good = clinic.party(2);
    assert_listener_refuses(&meet(bad, &good).await, why);
    assert_dialler_refuses(&meet(&good, bad).await, why);
}

#[tokio::test(start_paused = true)]
async fn two_devices_of_a_clinic_meet_and_know_each_other() {
    let clinic = Clinic::new();
    let (front, ward) = (clinic.party(1), clinic.party(2));
    let (dialled, answered) = meet(&front, &ward).await;
    let ((ward_seen, _), (front_seen, _)) = (dialled.unwrap(), answered.unwrap());
    assert_eq!(ward_seen.certificate, clinic.certificate(2));
    assert_eq!(front_seen.certificate, clinic.certificate(1));
    assert_eq!(ward_seen.digest, Hash::new([2; 32]));
    assert_eq!(&ward_seen.credentials, &*ward.local.credentials);
    assert_eq!(ward_seen.mesh_key, MeshKeyUse::Newest);
    assert_eq!(front_seen.mesh_key, MeshKeyUse::Newest);
}

#[test]
fn handshakes_and_streams_can_move_between_threads() {
    fn movable<T: Send + 'static>(_: T) {}
    let party = Clinic::new().party(1);
    let attempt = party.listens();
    movable(async move { handshake(wire().0, &party.local, attempt).await });
}

#[tokio::test(start_paused = true)]
async fn an_old_mesh_key_is_accepted_and_both_sides_say_so() {
    let clinic = Clinic::new();
    let (front, ward) = (clinic.party(1), clinic.party(2));
    for epoch in [3, 4] {
        let mut dials = front.dials();
        dials.role = Role::Dial {
            device: None,
            epoch: Some(epoch),
        };
        let (dialled, answered) = meet_as(&front, dials, &ward, ward.listens()).await;
        assert_eq!(dialled.unwrap().0.mesh_key, MeshKeyUse::Old);
        assert_eq!(answered.unwrap().0.mesh_key, MeshKeyUse::Old);
    }
}

#[tokio::test(start_paused = true)]
async fn the_fourth_newest_mesh_key_is_not_accepted_even_if_it_is_still_held() {
    let clinic = Clinic::new();
    let (front, ward) = (clinic.party(1), clinic.party(2));
    ward.learns(|trust| {
        trust.mesh_keys.insert(6, MeshKey::new([6; 32]));
    });
    let mut dials = front.dials();
    dials.role = Role::Dial {
        device: None,
        epoch: Some(3),
    };
    let (dialled, answered) = meet_as(&front, dials, &ward, ward.listens()).await;
    assert_eq!(error(&answered), HandshakeError::UnknownMeshKey(3));
    assert_eq!(
        error(&dialled),
        HandshakeError::PeerLeft(Stage::SecondMessage)
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_mesh_key_epoch_gets_no_answer_and_the_one_before_does() {
    let clinic = Clinic::new();
    let (front, ward) = (clinic.party(1), clinic.party(2));
    front.learns(|trust| {
        trust.mesh_keys.insert(6, MeshKey::new([6; 32]));
    });
    let (dialled, answered) = meet(&front, &ward).await;
    assert_eq!(error(&answered), HandshakeError::UnknownMeshKey(6));
    assert_eq!(
        error(&dialled),
        HandshakeError::PeerLeft(Stage::SecondMessage)
    );

    let mut dials = front.dials();
    dials.role = Role::Dial {
        device: None,
        epoch: Some(5),
    };
    let (dialled, answered) = meet_as(&front, dials, &ward, ward.listens()).await;
    assert_eq!(dialled.unwrap().0.mesh_key, MeshKeyUse::Old);
    assert_eq!(answered.unwrap().0.mesh_key, MeshKeyUse::Newest);
}

#[tokio::test(start_paused = true)]
async fn a_device_without_the_mesh_key_it_should_dial_with_says_so() {
    let clinic = Clinic::new();
    let (front, ward) = (clinic.party(1), clinic.party(2));
    front.learns(|trust| trust.mesh_keys = AcceptedKeys::default());
    let (dialled, _) = meet(&front, &ward).await;
    assert_eq!(error(&dialled), HandshakeError::NoMeshKey);
}

#[tokio::test(start_paused = true)]
async fn an_expired_certificate_is_refused_after_five_minutes_of_grace() {
    let clinic = Clinic::new();
    let ending = |ms| clinic.party_with(1, |c, _| c.not_after = WallTime(NOW.0 - 300_000 + ms));
    let (dialled, answered) = meet(&ending(0), &clinic.party(2)).await;
    assert!(dialled.is_ok() && answered.is_ok());
    let late = clinic.party_with(1, |c, _| {
        c.not_after = NOW.minus(std::time::Duration::from_secs(301))
    });
    assert_refused_both_ways(&clinic, &late, Refusal::Expired).await;
}

#[tokio::test(start_paused = true)]
async fn a_certificate_not_yet_valid_is_refused_beyond_five_minutes_of_grace() {
    let clinic = Clinic::new();
    let starting = |seconds| {
        clinic.party_with(1, |c, _| {
            c.not_before = NOW.plus(std::time::Duration::from_secs(seconds))
        })
    };
    let (dialled, answered) = meet(&starting(300), &clinic.party(2)).await;
    assert!(dialled.is_ok() && answered.is_ok());
    assert_refused_both_ways(&clinic, &starting(301), Refusal::NotYetValid).await;
}

/// Device 1 after device 2 heard of a revocation.
async fn assert_revocation_counts(revoke: fn(&mut TrustView, &Party)) {
    let clinic = Clinic::new();
    let (lost, ward) = (clinic.party(1), clinic.party(2));
    let (dialled, answered) = meet(&lost, &ward).await;
    assert!(
        dialled.is_ok() && answered.is_ok(),
        "first it is let in, and remembered as verified"
    );
    ward.learns(|trust| revoke(trust, &lost));
    assert_listener_refuses(&meet(&lost, &ward).await, Refusal::Revoked);
    assert_dialler_refuses(&meet(&ward, &lost).await, Refusal::Revoked);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_device_is_refused() {
    assert_revocation_counts(|trust, lost| {
        trust.revoked_devices.insert(lost.device);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_revoked_serial_is_refused() {
    assert_revocation_counts(|trust, lost| {
        trust.revoked_serials.insert(lost.serial);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_revoked_noise_key_is_refused() {
    assert_revocation_counts(|trust, lost| {
        trust.revoked_noise_keys.insert(lost.local.key.public());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_revocation_heard_while_the_handshake_runs_counts_on_both_sides() {
    let clinic = Clinic::new();
    let (lost, ward) = (clinic.party(1), clinic.party(2));
    let revoke = |trust: &mut TrustView, party: &Party| {
        trust.revoked_devices.insert(party.device);
    };
    let outcome = meet_across(&lost, &ward, |piece, _| {
        if piece == 4 {
            ward.learns(|trust| revoke(trust, &lost));
        }
    })
    .await;
    assert_listener_refuses(&outcome, Refusal::Revoked);

    let (front, stolen) = (clinic.party(3), clinic.party(4));
    let (dialled, _) = meet_across(&front, &stolen, |piece, _| {
        if piece == 5 {
            front.learns(|trust| revoke(trust, &stolen));
        }
    })
    .await;
    assert!(matches!(
        error(&dialled),
        HandshakeError::Refused {
            why: Refusal::Revoked,
            ..
        }
    ));
}

#[tokio::test(start_paused = true)]
async fn a_certificate_of_an_issuer_without_the_roots_grant_is_refused() {
    let clinic = Clinic::new();
    let stranger = crate::domain::sign::SigningKey::from_seed(&[0xee; 32]);
    let certificate = clinic.certificate(1);
    let signed = Signed::new(&certificate, &clinic.id, &stranger);
    let mut own_grant = clinic.grant();
    own_grant.admin = stranger.id().as_admin();
    // The issuer's grant signed by itself, and the real admin's grant beside a forged certificate.
    let grants = [
        Signed::new(&own_grant, &clinic.id, &stranger),
        Signed::new(&clinic.grant(), &clinic.id, &clinic.root),
    ];
    for grant in grants {
        let credentials = Credentials {
            certificate: signed.clone(),
            grant,
            chain: None,
        };
        let bad = clinic.party_showing(1, credentials, certificate.device, certificate.serial);
        assert_refused_both_ways(&clinic, &bad, Refusal::UnknownIssuer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_of_an_admin_without_the_right_to_enrol_is_refused() {
    let clinic = Clinic::new();
    let bad = clinic.party_with(1, |_, grant| grant.scopes = Scopes::of([Scope::Policy]));
    assert_refused_both_ways(&clinic, &bad, Refusal::IssuerWithoutRight).await;
}

#[tokio::test(start_paused = true)]
async fn a_certificate_whose_bytes_were_changed_is_refused() {
    let clinic = Clinic::new();
    let party = clinic.party(1);
    let mut credentials = Credentials::clone(&party.local.credentials);
    *credentials.certificate.body.last_mut().unwrap() ^= 1;
    let bad = clinic.party_showing(1, credentials, party.device, party.serial);
    assert_refused_both_ways(&clinic, &bad, Refusal::Malformed).await;
}

#[tokio::test(start_paused = true)]
async fn a_stolen_certificate_is_refused() {
    let clinic = Clinic::new();
    let (victim, mut thief) = (clinic.party(1), clinic.party(3));
    thief.local.credentials = victim.local.credentials.clone();
    assert_refused_both_ways(&clinic, &thief, Refusal::OtherKey).await;
}

#[tokio::test(start_paused = true)]
async fn a_certificate_for_a_low_order_noise_key_is_refused() {
    let clinic = Clinic::new();
    let bad = clinic.party_with(1, |c, _| c.noise_key = NoiseKey::new([0; 32]));
    assert_refused_both_ways(&clinic, &bad, Refusal::Malformed).await;
}

#[tokio::test(start_paused = true)]
async fn a_device_that_reaches_itself_notices() {
    let clinic = Clinic::new();
    let party = clinic.party(1);
    assert_dialler_refuses(&meet(&party, &party).await, Refusal::Oneself);
}

#[tokio::test(start_paused = true)]
async fn another_device_than_the_dialled_one_is_refused_before_it_learns_who_calls() {
    let clinic = Clinic::new();
    let (front, ward) = (clinic.party(1), clinic.party(2));
    let mut dials = front.dials();
    dials.role = Role::Dial {
        device: Some(clinic.party(3).device),
        epoch: None,
    };
    let outcome = meet_as(&front, dials, &ward, ward.listens()).await;
    assert_dialler_refuses(&outcome, Refusal::OtherDevice);

    dials.role = Role::Dial {
        device: Some(ward.device),
        epoch: None,
    };
    let (dialled, answered) = meet_as(&front, dials, &ward, ward.listens()).await;
    assert!(dialled.is_ok() && answered.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_address_outside_the_allowed_networks_is_refused_on_both_sides() {
    let clinic = Clinic::new();
    let (front, ward) = (clinic.party(1), clinic.party(2));
    let office =
        |trust: &mut TrustView| trust.policy.networks = vec!["127.0.1.0/24".parse().unwrap()];
    let from = |address: &str, attempt| Attempt {
        address: Some(address.parse().unwrap()),
        ..attempt
    };

    ward.learns(office);
    let inside = from("::ffff:127.0.1.9", ward.listens());
    let (dialled, answered) = meet_as(&front, front.dials(), &ward, inside).await;
    assert!(dialled.is_ok() && answered.is_ok());
    let outside = from("127.0.2.9", ward.listens());
    let outcome = meet_as(&front, front.dials(), &ward, outside).await;
    assert_listener_refuses(&outcome, Refusal::OtherNetwork);

    let (front, ward) = (clinic.party(1), clinic.party(2));
    front.learns(office);
    let outside = from("127.0.2.9", front.dials());
    let outcome = meet_as(&front, outside, &ward, ward.listens()).await;
    assert_dialler_refuses(&outcome, Refusal::OtherNetwork);
}

#[tokio::test(start_paused = true)]
async fn a_refused_device_is_named_for_the_audit_trail_unless_its_certificate_is_a_forgery() {
    let clinic = Clinic::new();
    let late = clinic.party_with(1, |c, _| c.not_after = NOW.minus(DAY / 2));
    let (_, answered) = meet(&late, &clinic.party(2)).await;
    let named = HandshakeError::Refused {
        why: Refusal::Expired,
        device: Some(late.device),
    };
    assert_eq!(error(&answered), named);

    let forger = crate::domain::sign::SigningKey::from_seed(&[0xee; 32]);
    let credentials = Credentials {
        certificate: Signed::new(&clinic.certificate(1), &clinic.id, &forger),
        grant: late.local.credentials.grant.clone(),
        chain: None,
    };
    let bad = clinic.party_showing(1, credentials, late.device, late.serial);
    let (_, answered) = meet(&bad, &clinic.party(2)).await;
    let nameless = HandshakeError::Refused {
        why: Refusal::UnknownIssuer,
        device: None,
    };
    assert_eq!(error(&answered), nameless);
}

#[tokio::test(start_paused = true)]
async fn signatures_are_verified_once_and_forgeries_are_never_remembered() {
    let clinic = Clinic::new();
    let (front, ward) = (clinic.party(1), clinic.party(2));
    for _ in 0..3 {
        let (dialled, answered) = meet(&front, &ward).await;
        assert!(dialled.is_ok() && answered.is_ok());
        assert_eq!(ward.local.verified.len(), 1);
    }
    let bad = clinic.party_with(3, |_, grant| grant.scopes = Scopes::of([]));
    assert_listener_refuses(&meet(&bad, &ward).await, Refusal::IssuerWithoutRight);
    assert_eq!(ward.local.verified.len(), 1);
}
