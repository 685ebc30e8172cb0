//! Throughput, latency and dial time of the network alone; run in release, one JSON line each:
//! `cargo test --release --lib net::tests::figures -- --ignored --nocapture --test-threads 1`.

use tokio::sync::Semaphore;

use super::*;
use crate::domain::id::RoomId;
use crate::domain::log::{Entry, Epoch, Head, Log, Payload, Segment};
use crate::domain::sign::SigningKey;
use crate::domain::space::Space;
use crate::domain::time::{Day, Hlc};

fn report(what: &str, mut samples: Vec<Duration>) {
    samples.sort_unstable();
    let at = |part: usize| samples[samples.len() * part / 100].as_nanos() as f64 / 1000.0;
    eprintln!(
        r#"{{"what":"{what}","count":{},"median_us":{:.1},"p99_us":{:.1}}}"#,
        samples.len(),
        at(50),
        at(99)
    );
}

/// Sends `frame` so often, at most `window` of them on the way as the engine would, and returns how
/// long that took.
async fn stream(frame: Frame, count: usize, window: usize) -> Duration {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    let (to_south, _) = linked(&mut north, &mut south).await;
    let sender = north.handle.clone();
    let places = Arc::new(Semaphore::new(window));
    let free = places.clone();
    let began = Instant::now();
    tokio::spawn(async move {
        for _ in 0..count {
            free.acquire().await.unwrap().forget();
            sender.send(to_south.link, &frame).unwrap();
        }
    });
    let mut left = count;
    while left > 0 {
        let event = south.events.recv().await.unwrap();
        if matches!(event, Event::Frame { .. }) {
            left -= 1;
            places.add_permits(1);
        }
    }
    began.elapsed()
}

/// 256 entries of 512 bytes, as a node that was away is sent them.
fn segment() -> Segment {
    let key = SigningKey::from_seed(&[1; 32]);
    let log = Log {
        space: Space::Room(RoomId::new([7; 16])),
        author: key.id(),
        epoch: Epoch(5),
    };
    let entries = (1..=256).map(|n| {
        let payload = Payload {
            salt: [3; 16],
            body: vec![b'a'; 512],
        };
        Entry::new(Hlc(n), Day(30), payload)
    });
    Segment::sign(
        &Clinic::new(1).id,
        &key,
        log,
        Head::EMPTY,
        entries.collect(),
    )
    .0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for release builds on a quiet machine"]
async fn throughput_of_large_frames() {
    let frame = Frame::Entries(Arc::new(segment()));
    let size = frame.encode().len();
    let count = (512 << 20) / size;
    let took = stream(frame, count, (4 << 20) / size).await;
    let rate = (count * size) as f64 / f64::from(1 << 20) / took.as_secs_f64();
    eprintln!(r#"{{"what":"throughput","frame_bytes":{size},"mib_per_s":{rate:.0}}}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for release builds on a quiet machine"]
async fn throughput_of_small_frames() {
    let count = 1_000_000;
    let took = stream(beat(1), count, 10_000).await;
    let rate = count as f64 / took.as_secs_f64();
    eprintln!(r#"{{"what":"small frames","per_s":{rate:.0}}}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for release builds on a quiet machine"]
async fn latency_of_a_small_frame() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    let (to_south, to_north) = linked(&mut north, &mut south).await;
    let echo = south.handle.clone();
    tokio::spawn(async move {
        loop {
            let (_, frame) = south.frame().await;
            echo.send(to_north.link, &frame).unwrap();
        }
    });
    let mut samples = Vec::new();
    for n in 0..20_000 {
        let began = Instant::now();
        north.handle.send(to_south.link, &beat(n)).unwrap();
        north.frame().await;
        samples.push(began.elapsed() / 2);
    }
    report("one small frame, one way", samples.split_off(1000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for release builds on a quiet machine"]
async fn dial_to_established() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    let (mut to_south, _) = linked(&mut north, &mut south).await;
    let address = south.address().await;
    let mut samples = Vec::new();
    for _ in 0..500 {
        north.handle.set_wanted(Wanted::new());
        north.handle.close(to_south.link, Refusal::Silent);
        north.down().await;
        south.down().await;
        sleep(Duration::from_millis(2)).await;
        let began = Instant::now();
        north.want(south.id, &[address]);
        to_south = north.up().await;
        samples.push(began.elapsed());
        south.up().await;
    }
    report("dial to link up on the dialling side", samples);
}
