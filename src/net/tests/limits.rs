//! Who asks for too much.

use super::*;
use crate::channel::PENDING_PER_ADDRESS_MAX;
use crate::net::limits::{CHUNK, DIAL_TIME, EVENTS_MAX, OUTBOX_MAX};
use crate::wire::FRAME_MAX;

#[tokio::test]
async fn a_peer_that_takes_nothing_is_cut_when_its_queue_is_full_and_held_up_before() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    let (to_south, _) = linked(&mut north, &mut south).await;
    let size = large().encode().len();
    let mut sent = 0;
    // Held up before: so much has left that nobody takes it over there.
    while south.events.len() < EVENTS_MAX {
        if sent < EVENTS_MAX + 8 {
            north.handle.send(to_south.link, &large()).expect("room");
            sent += 1;
        }
        sleep(Duration::from_millis(1)).await;
    }
    let refused = loop {
        match north.handle.send(to_south.link, &large()) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, SendError::Full);
    assert_eq!(north.down().await.1, Ended::Closed(Refusal::TooSlow));
    // What left before is bounded by the queue of events, yamux's window and the sockets' buffers.
    let elsewhere = sent * size - OUTBOX_MAX;
    assert!(
        elsewhere < EVENTS_MAX * size + (24 << 20),
        "{elsewhere} bytes had left"
    );
    let mut got = 0;
    loop {
        match south.events.recv().await.expect("the network runs") {
            Event::Frame { .. } => got += 1,
            Event::LinkDown { .. } => break,
            _ => {}
        }
    }
    assert!(got >= EVENTS_MAX - 8 && got < sent, "{got} of {sent}");
}

#[tokio::test]
async fn a_slow_reader_gets_everything_in_its_own_time() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    let (to_south, _) = linked(&mut north, &mut south).await;
    let frames = OUTBOX_MAX / large().encode().len() - 1;
    for _ in 0..frames {
        north.handle.send(to_south.link, &large()).unwrap();
    }
    for n in 0..frames {
        assert_eq!(south.frame().await.1, large());
        if n % 100 == 0 {
            sleep(Duration::from_millis(2)).await;
        }
    }
}

#[tokio::test]
async fn a_frame_that_is_too_large_is_not_sent() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    let (to_south, to_north) = linked(&mut north, &mut south).await;
    let line = SpaceDigest {
        tag: u64::MAX,
        digest: u64::MAX,
    };
    let huge = Frame::Spaces {
        digests: vec![line; FRAME_MAX / 16],
        more: false,
    };
    let sent = north.handle.send(to_south.link, &huge);
    assert!(matches!(sent, Err(SendError::TooLarge(n)) if n > FRAME_MAX));
    north.handle.send(to_south.link, &beat(1)).unwrap();
    assert_eq!(
        south.frame().await,
        (to_north.link, beat(1)),
        "the link goes on"
    );
}

#[tokio::test]
async fn a_peer_that_sends_an_oversize_or_malformed_frame_is_cut() {
    let clinic = Clinic::new(1);
    for bytes in [vec![0; FRAME_MAX + 1], vec![0xff; CHUNK]] {
        let (mut north, mut south) = (clinic.node(1), clinic.node(2));
        let (to_south, _) = linked(&mut north, &mut south).await;
        north.handle.send_raw(to_south.link, &bytes);
        assert_eq!(south.down().await.1, Ended::Closed(Refusal::Malformed));
        assert_eq!(north.down().await.0, to_south.link);
    }
}

#[tokio::test]
async fn one_address_cannot_take_more_than_its_places_in_the_waiting_room() {
    let mut north = Clinic::new(1).node(1);
    let address = north.address().await;
    let mut silent = Vec::new();
    for _ in 0..=PENDING_PER_ADDRESS_MAX {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    assert_eq!(north.refused().await, (By::Us, Refusal::Busy));
    // Those inside say nothing and have to leave after two seconds; then a member is let in.
    for _ in 0..PENDING_PER_ADDRESS_MAX {
        assert_eq!(north.refused().await, (By::Us, Refusal::TooSlow));
    }
    let clinic = Clinic::new(1);
    let south = clinic.node(2);
    south.want(north.id, &[address]);
    assert_eq!(north.up().await.peer, south.id);
}

#[tokio::test]
async fn a_dead_address_among_good_ones_does_not_hold_the_dial_up() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    // A listener that never answers, and a port where nobody listens.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let nobody = closed.local_addr().unwrap();
    drop(closed);
    let address = south.address().await;
    let began = Instant::now();
    north.want(south.id, &[silent.local_addr().unwrap(), nobody, address]);
    assert_eq!(north.up().await.address, address);
    // No sooner would the silent one have been given up.
    assert!(began.elapsed() < DIAL_TIME, "{:?}", began.elapsed());
}
