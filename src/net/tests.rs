//! Two and more nodes with real sockets on loopback.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::testing::{Clinic, NOW, Node, PATIENCE, linked, quiet};
use super::*;
use crate::domain::id::Serial;
use crate::domain::renewal;
use crate::domain::trust::MeshKey;
use crate::wire::SpaceDigest;

mod features;
mod figures;
mod lan;
mod limits;
mod places;

fn beat(n: u64) -> Frame {
    Frame::Beat { now: WallTime(n) }
}

/// Sooner than the next look at all links would cut it. How long it takes, a benchmark says: here other work may
/// be in the way.
const CUT: Duration = crate::net::limits::REVIEW;

/// What is promised of a node that was killed.
const NOTICED: Duration = Duration::from_secs(15);

#[tokio::test]
async fn two_offices_connect_and_exchange_frames_in_order() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    let (to_south, to_north) = linked(&mut north, &mut south).await;
    assert_eq!((to_south.peer, to_south.role), (south.id, Role::Dialler));
    assert_eq!((to_north.peer, to_north.role), (north.id, Role::Listener));
    assert_eq!(to_south.certificate.device, south.id);
    assert_eq!(to_south.mesh_key, MeshKeyUse::Newest);
    for n in 0..1000 {
        north.handle.send(to_south.link, &beat(n)).unwrap();
        south.handle.send(to_north.link, &beat(2 * n)).unwrap();
    }
    for n in 0..1000 {
        assert_eq!(south.frame().await, (to_north.link, beat(n)));
        assert_eq!(north.frame().await, (to_south.link, beat(2 * n)));
    }
}

#[tokio::test]
async fn a_device_of_another_clinic_is_refused_without_a_byte() {
    let mut north = Clinic::new(1).node(1);
    let mut stranger = Clinic::new(2).node(1);
    let address = north.address().await;
    stranger.want(north.id, &[address]);
    assert_eq!(north.refused().await, (By::Us, Refusal::MeshKey));
    assert!(
        stranger
            .events
            .try_recv()
            .is_ok_and(|e| matches!(e, Event::Listening { .. }))
    );
    assert!(
        stranger.events.try_recv().is_err(),
        "no link, and no reason to learn from"
    );
}

#[tokio::test]
async fn who_speaks_something_else_gets_nothing_back() {
    let mut north = Clinic::new(1).node(1);
    for greeting in [&b"\x13/multistream/1.0.0\n"[..], b"GET / HTTP/1.1\r\n\r\n"] {
        let mut socket = TcpStream::connect(north.address().await).await.unwrap();
        socket.write_all(greeting).await.unwrap();
        let mut answer = Vec::new();
        // The connection may end with a reset, as our bytes were not all read.
        let _end = timeout(Duration::from_secs(5), socket.read_to_end(&mut answer))
            .await
            .unwrap();
        assert_eq!(answer, b"");
        assert_eq!(north.refused().await, (By::Us, Refusal::Malformed));
    }
}

#[tokio::test]
async fn a_revoked_device_is_cut_at_once_and_stays_out() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    let (to_south, _) = linked(&mut north, &mut south).await;
    let began = Instant::now();
    let revoked = south.id;
    north.trusts(|trust| {
        trust.revoked_devices.insert(revoked);
    });
    assert_eq!(
        north.down().await,
        (to_south.link, Ended::Closed(Refusal::Revoked))
    );
    south.down().await;
    assert!(began.elapsed() < CUT, "{:?}", began.elapsed());

    let address = north.address().await;
    south.want(north.id, &[address]);
    assert_eq!(north.refused().await.1, Refusal::Revoked);
    assert_eq!(south.refused().await, (By::Peer, Refusal::Revoked));

    // Until the revocation turns out void, with the admin who signed it.
    north.trusts(|trust| trust.revoked_devices.clear());
    north.want(south.id, &[south.address().await]);
    north.up().await;
}

#[tokio::test]
async fn a_revoked_device_that_takes_no_bytes_is_cut_all_the_same() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    let (to_south, _) = linked(&mut north, &mut south).await;
    // South reads no events, so its window fills and north's bytes stay where they are.
    for _ in 0..200 {
        north.handle.send(to_south.link, &large()).unwrap();
    }
    sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    let revoked = south.id;
    north.trusts(|trust| {
        trust.revoked_devices.insert(revoked);
    });
    assert_eq!(
        north.down().await,
        (to_south.link, Ended::Closed(Refusal::Revoked))
    );
    assert!(began.elapsed() < CUT, "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_office_whose_network_policy_excludes_is_cut() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    linked(&mut north, &mut south).await;
    north.trusts(|trust| trust.policy.networks = vec!["10.0.0.0/8".parse().unwrap()]);
    assert_eq!(north.down().await.1, Ended::Closed(Refusal::OtherNetwork));
}

#[tokio::test]
async fn two_that_dial_each_other_at_the_same_time_keep_one_link_and_the_same() {
    let clinic = Clinic::new(1);
    for round in 0..8 {
        let (mut one, mut other) = (clinic.node(1), clinic.node(2));
        let (here, there) = (one.address().await, other.address().await);
        one.want(other.id, &[there]);
        other.want(one.id, &[here]);
        timeout(PATIENCE, settled(&mut one, &mut other))
            .await
            .unwrap_or_else(|_| panic!("round {round}: both keep what the same side dialled"));
    }
}

/// Reads what happens until both have one link, and the same: what each sends on its own arrives.
async fn settled(one: &mut Node, other: &mut Node) {
    let (mut mine, mut yours): (Option<Up>, Option<Up>) = (None, None);
    let mut arrived = 0;
    while arrived < 2 {
        let (event, up) = tokio::select! {
            event = one.events.recv() => (event, &mut mine),
            event = other.events.recv() => (event, &mut yours),
        };
        match event.expect("the network runs") {
            Event::LinkUp(new) => {
                assert!(up.is_none(), "never two links to one device");
                *up = Some(*new);
                if let (Some(mine), Some(yours)) = (&mine, &yours)
                    && mine.role != yours.role
                {
                    // One of two that were dialled may be closed yet: then the other one is tried.
                    let _sent = one.handle.send(mine.link, &beat(1));
                    let _sent = other.handle.send(yours.link, &beat(1));
                }
            }
            Event::LinkDown { link, why, .. } => {
                assert_eq!(why, Ended::Closed(Refusal::Duplicate));
                assert_eq!(up.take().map(|up| up.link), Some(link));
                arrived = 0;
            }
            Event::Frame { .. } => arrived += 1,
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_peer_that_dies_is_noticed_and_found_again_when_it_is_back() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    let (to_south, _) = linked(&mut north, &mut south).await;
    let address = south.address().await;
    drop(south);
    let began = Instant::now();
    let (link, why) = north.down().await;
    assert_eq!(link, to_south.link);
    assert_ne!(why, Ended::Closed(Refusal::Duplicate));
    assert!(began.elapsed() < NOTICED, "{:?}", began.elapsed());
    assert_eq!(north.handle.send(link, &beat(1)), Err(SendError::Down));

    let mut south = clinic.node(2);
    let moved = south.address().await;
    north.want(south.id, &[address, moved]);
    assert_eq!(north.up().await.peer, south.id);
}

#[tokio::test]
async fn a_link_that_has_carried_its_share_is_replaced_by_a_fresh_one() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    let (to_south, to_north) = linked(&mut north, &mut south).await;
    north.handle.wear(to_south.link);
    assert_eq!(
        north.down().await,
        (to_south.link, Ended::Closed(Refusal::Aged))
    );
    let (fresh, gone) = (north.up().await, south.down().await);
    assert_eq!(gone.0, to_north.link);
    assert_eq!(south.up().await.peer, north.id);
    north.handle.send(fresh.link, &beat(1)).unwrap();
    assert_eq!(south.frame().await.1, beat(1));
}

#[tokio::test]
async fn a_link_closed_in_good_order_delivers_its_last_words() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    let (to_south, to_north) = linked(&mut north, &mut south).await;
    for n in 0..100 {
        north.handle.send(to_south.link, &beat(n)).unwrap();
    }
    let bye = Frame::Bye {
        code: Refusal::Silent.code(),
    };
    north.handle.send(to_south.link, &bye).unwrap();
    north.handle.close(to_south.link, Refusal::Silent);
    for n in 0..100 {
        assert_eq!(south.frame().await.1, beat(n));
    }
    assert_eq!(south.frame().await.1, bye);
    assert_eq!(south.down().await, (to_north.link, Ended::Left));
    assert_eq!(
        north.down().await,
        (to_south.link, Ended::Closed(Refusal::Silent))
    );
}

#[tokio::test]
async fn a_node_that_stops_closes_its_links_and_its_port() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    linked(&mut north, &mut south).await;
    let address = north.address().await;
    timeout(Duration::from_secs(3), north.handle.stop())
        .await
        .unwrap();
    assert_eq!(south.down().await.1, Ended::Left);
    assert!(TcpListener::bind(address).await.is_ok());
}

#[tokio::test]
async fn a_peer_on_an_older_mesh_key_is_reached_and_marked() {
    let clinic = Clinic::new(1);
    let mut rotated = clinic.trust(1);
    rotated.mesh_keys.insert(2, MeshKey::new([0x22; 32]));
    let mut north = clinic.node_with(1, rotated, quiet());
    let mut south = clinic.node(2);
    // South does not know the newest key: the first dial is not answered, the second uses the older.
    let (to_south, to_north) = linked(&mut north, &mut south).await;
    assert_eq!(to_south.mesh_key, MeshKeyUse::Old);
    assert_eq!(to_north.mesh_key, MeshKeyUse::Newest);
}

#[tokio::test]
async fn renewed_credentials_are_shown_from_the_next_handshake_on() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    // Credentials of another device stand for a mistake: nobody takes them.
    south.handle.renew(clinic.device(3).credentials);
    let address = south.address().await;
    north.want(south.id, &[address]);
    assert_eq!(north.refused().await, (By::Us, Refusal::OtherKey));
    south.handle.renew(clinic.device(2).credentials);
    assert_eq!(north.up().await.peer, south.id);
}

#[tokio::test]
async fn a_device_whose_certificate_has_ended_asks_whom_it_dials_and_is_back() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    let ended = clinic.device_with(2, |certificate| {
        certificate.not_before = NOW.minus(Duration::from_secs(40 * 86_400));
        certificate.not_after = NOW.minus(Duration::from_secs(10 * 86_400));
    });
    let old = ended
        .credentials
        .open(&clinic.id)
        .expect("ours")
        .certificate;
    south.handle.renew(ended.credentials);
    north.trusts(|trust| drop(trust.enrolled.insert(south.id, old.clone())));
    let (key, id, trust) = (clinic.key(1), clinic.id, north.trust.clone());
    north.handle.serve_renewals(move |_| {
        let renewal = renewal::sign(&old, NOW, Serial::new([9; 16]), &id, &key);
        let certificate = renewal::open(&renewal.certificate, &id).expect("sound");
        trust.send_modify(|view| {
            let view = Arc::make_mut(view);
            view.enrolled.insert(certificate.device, certificate);
        });
        Box::pin(async move { Ok(renewal.certificate) })
    });
    let address = north.address().await;
    south.want(north.id, &[address]);
    let up = north.up().await;
    assert_eq!((up.peer, up.reach), (south.id, Reach::All));
    assert_eq!(south.up().await.peer, north.id);
}

#[tokio::test]
async fn a_device_that_may_not_be_renewed_gets_no_link_and_one_byte() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    let ended = clinic.device_with(2, |certificate| {
        certificate.not_before = NOW.minus(Duration::from_secs(120 * 86_400));
        certificate.not_after = NOW.minus(Duration::from_secs(90 * 86_400));
    });
    let old = ended
        .credentials
        .open(&clinic.id)
        .expect("ours")
        .certificate;
    south.handle.renew(ended.credentials);
    north.trusts(|trust| drop(trust.enrolled.insert(south.id, old)));
    let address = north.address().await;
    south.want(north.id, &[address]);
    assert_eq!(south.refused().await, (By::Peer, Refusal::Expired));
    assert_eq!(north.refused().await, (By::Us, Refusal::Expired));
}

#[tokio::test]
async fn a_wrong_address_that_leads_to_another_member_makes_no_link() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    let address = south.address().await;
    north.want(clinic.device(3).id, &[address]);
    assert_eq!(north.refused().await, (By::Us, Refusal::OtherDevice));
    let itself = north.address().await;
    north.want(clinic.device(3).id, &[itself]);
    sleep(Duration::from_millis(100)).await;
    assert!(north.events.try_recv().is_err());
}

#[tokio::test]
async fn an_address_in_use_is_named_when_the_node_starts() {
    let clinic = Clinic::new(1);
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = taken.local_addr().unwrap();
    let device = clinic.device(1);
    let (_trust, receiver) = watch::channel(Arc::new(clinic.trust(1)));
    let identity = Identity {
        device: device.id,
        noise_key: Zeroizing::new(device.noise_key),
        credentials: device.credentials,
        trust: receiver,
    };
    let settings = Settings {
        listen: vec![address],
        discovery: quiet(),
        seed: [0; 32],
    };
    let error = start(settings, identity, Arc::new(|| WallTime(0)))
        .err()
        .unwrap();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

/// About 19 KB.
fn large() -> Frame {
    let line = SpaceDigest {
        tag: u64::MAX,
        digest: u64::MAX,
    };
    Frame::Spaces {
        digests: vec![line; 1000],
        more: false,
    }
}
