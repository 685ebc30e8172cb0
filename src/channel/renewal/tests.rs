use super::*;
use crate::channel::fixture::*;
use crate::channel::handshake::handshake;
use crate::channel::{Attempt, Role};
use crate::domain::id::{NoiseKey, Serial};
use crate::domain::renewal;
use crate::domain::trust::TrustView;

type Asked = (Result<Signed, HandshakeError>, HandshakeError);

/// What the renewed device is given in these tests.
fn fresh(clinic: &Clinic) -> Signed {
    let key = crate::domain::sign::SigningKey::from_seed(&[2; 32]);
    let serial = Serial::new([9; 16]);
    renewal::sign(&clinic.certificate(1), NOW, serial, &clinic.id, &key).certificate
}

/// Device 1, whose certificate ended so many days ago.
fn expired(clinic: &Clinic, days_ago: u32) -> Party {
    clinic.party_with(1, |certificate, _| {
        certificate.not_after = NOW.minus(DAY * days_ago);
        certificate.not_before = certificate.not_after.minus(DAY * 30);
    })
}

/// Device 2, which lists device 1 and renews whoever may ask.
fn node(clinic: &Clinic, asking: &Party) -> Party {
    let node = clinic.party(2);
    let listed = asking.local.credentials.open(&clinic.id).unwrap();
    node.learns(|view| {
        drop(
            view.enrolled
                .insert(asking.device, listed.certificate.clone()),
        )
    });
    let signed = fresh(clinic);
    node.local.renewer.serve(move |_| {
        let signed = signed.clone();
        Box::pin(async move { Ok(signed) })
    });
    node
}

async fn asks(asking: &Party, node: &Party) -> Asked {
    asks_as(asking, asking.dials(), node).await
}

async fn asks_as(asking: &Party, attempt: Attempt, node: &Party) -> Asked {
    let (one, other) = wire();
    let (asked, answered) = tokio::join!(
        ask(one, &asking.local, attempt),
        handshake(other, &node.local, node.listens())
    );
    (
        asked,
        answered.map(drop).expect_err("no channel comes of it"),
    )
}

/// Both sides agree that the node said no, and why.
fn assert_refused((asked, answered): &Asked, why: Refusal) {
    assert_eq!(asked, &Err(HandshakeError::RefusedByPeer(why)));
    assert!(
        matches!(answered, HandshakeError::Refused { why: w, .. } if *w == why),
        "{answered:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_device_whose_certificate_has_ended_gets_another_and_nothing_else() {
    let clinic = Clinic::new();
    let asking = expired(&clinic, 10);
    let node = node(&clinic, &asking);
    let (refused, _) = meet(&asking, &node).await;
    let refused = refused.map(drop).unwrap_err();
    assert_eq!(refused, HandshakeError::RefusedByPeer(Refusal::Expired));

    let (asked, answered) = asks(&asking, &node).await;
    assert_eq!(asked, Ok(fresh(&clinic)));
    let device = asking.device;
    assert_eq!(answered, HandshakeError::Renewed { device });
}

#[tokio::test(start_paused = true)]
async fn sixty_days_after_its_end_a_device_may_not_ask_any_more() {
    let clinic = Clinic::new();
    let in_time = expired(&clinic, 60);
    assert!(asks(&in_time, &node(&clinic, &in_time)).await.0.is_ok());
    let late = expired(&clinic, 61);
    assert_refused(&asks(&late, &node(&clinic, &late)).await, Refusal::Expired);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_device_may_not_ask() {
    let clinic = Clinic::new();
    let asking = expired(&clinic, 10);
    let revoked: [fn(&mut TrustView, &Party); 3] = [
        |view, party| view.revoked_devices.extend([party.device]),
        |view, party| view.revoked_serials.extend([party.serial]),
        |view, _| view.revoked_noise_keys.extend([noise_key(1).public()]),
    ];
    for revoke in revoked {
        let node = node(&clinic, &asking);
        node.learns(|view| revoke(view, &asking));
        assert_refused(&asks(&asking, &node).await, Refusal::Revoked);
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_the_record_does_not_list_may_not_ask() {
    let clinic = Clinic::new();
    let asking = expired(&clinic, 10);
    let node = node(&clinic, &asking);
    node.learns(|view| view.enrolled.clear());
    assert_refused(&asks(&asking, &node).await, Refusal::UnknownIssuer);
}

#[tokio::test(start_paused = true)]
async fn a_device_asks_with_the_keys_it_was_enrolled_with() {
    let clinic = Clinic::new();
    let asking = expired(&clinic, 10);
    let node = node(&clinic, &asking);
    node.learns(|view| {
        let listed = view.enrolled.get_mut(&asking.device).unwrap();
        listed.noise_key = NoiseKey::new([9; 32]);
    });
    assert_refused(&asks(&asking, &node).await, Refusal::OtherKey);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_renews_the_device_learns_one_byte() {
    let clinic = Clinic::new();
    let asking = expired(&clinic, 10);
    let listed = asking.local.credentials.open(&clinic.id).unwrap();
    let node = clinic.party(2);
    node.learns(|view| drop(view.enrolled.insert(asking.device, listed.certificate)));
    assert_refused(&asks(&asking, &node).await, Refusal::NotRenewing);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_gets_no_byte_in_this_mode_either() {
    let clinic = Clinic::new();
    let mut stranger = Clinic::new();
    for key in stranger.keys.values_mut() {
        *key = crate::domain::trust::MeshKey::new([0xee; 32]);
    }
    let asking = expired(&stranger, 10);
    let (asked, answered) = asks(&asking, &node(&clinic, &expired(&clinic, 10))).await;
    assert_eq!(asked, Err(HandshakeError::PeerLeft(Stage::SecondMessage)));
    assert_eq!(answered, HandshakeError::Stranger);
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_own_certificate_has_ended_is_not_asked() {
    let clinic = Clinic::new();
    let asking = expired(&clinic, 10);
    let node = clinic.party_with(2, |certificate, _| {
        certificate.not_after = NOW.minus(DAY / 2);
    });
    let (asked, _) = asks(&asking, &node).await;
    assert!(matches!(
        asked,
        Err(HandshakeError::Refused {
            why: Refusal::Expired,
            ..
        })
    ));
}

#[tokio::test(start_paused = true)]
async fn another_device_than_was_dialled_is_not_asked() {
    let clinic = Clinic::new();
    let asking = expired(&clinic, 10);
    let attempt = Attempt {
        role: Role::Dial {
            device: Some(clinic.party(3).device),
            epoch: None,
        },
        ..asking.dials()
    };
    let (asked, _) = asks_as(&asking, attempt, &node(&clinic, &asking)).await;
    let other = Refusal::OtherDevice;
    assert!(matches!(asked, Err(HandshakeError::Refused { why, .. }) if why == other));
}
