//! Throughput, latency and dial time of the network alone; run in release, one JSON line each:
//! `cargo test --release --lib net::tests::figures -- --ignored --nocapture --test-threads 1`.

use super::*;
use crate::wire::LIST_MAX;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for release builds on a quiet machine"]
async fn throughput_of_large_frames() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    let (to_south, _) = linked(&mut north, &mut south).await;
    let total = 512 << 20;
    let sender = north.handle.clone();
    let line = SpaceDigest {
        tag: u64::MAX,
        digest: u64::MAX,
    };
    let frame = Frame::Spaces {
        digests: vec![line; LIST_MAX],
        more: false,
    };
    let size = frame.encode().len();
    let frames = total / size;
    let (credit, credits) = tokio::sync::mpsc::channel::<()>(1 << 16);
    let began = Instant::now();
    tokio::spawn(async move {
        // As the engine does: at most 4 MiB on the way.
        let mut credits = credits;
        for n in 0..frames {
            if n >= (4 << 20) / size {
                credits.recv().await;
            }
            sender.send(to_south.link, &frame).unwrap();
        }
    });
    for _ in 0..frames {
        south.frame().await;
        credit.send(()).await.unwrap();
    }
    let seconds = began.elapsed().as_secs_f64();
    let rate = (frames * size) as f64 / f64::from(1 << 20) / seconds;
    eprintln!(r#"{{"what":"throughput","frame_bytes":{size},"mib_per_s":{rate:.0}}}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for release builds on a quiet machine"]
async fn throughput_of_small_frames() {
    let clinic = Clinic::new(1);
    let (mut north, mut south) = (clinic.node(1), clinic.node(2));
    let (to_south, _) = linked(&mut north, &mut south).await;
    let frames = 1_000_000;
    let sender = north.handle.clone();
    let began = Instant::now();
    tokio::spawn(async move {
        for n in 0..frames {
            sender.send(to_south.link, &beat(n)).unwrap();
            if n % 1000 == 0 {
                tokio::task::yield_now().await;
            }
        }
    });
    for _ in 0..frames {
        south.frame().await;
    }
    let rate = frames as f64 / began.elapsed().as_secs_f64();
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
