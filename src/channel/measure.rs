//! Figures of the channel alone, in memory, on one core.
//!
//! `cargo test --release --lib channel::measure -- --ignored --nocapture --test-threads=1` prints one
//! line of JSON for each.

#![allow(clippy::print_stdout, reason = "printing figures is what this is for")]

use std::time::{Duration, Instant};

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use super::exchange;
use super::fixture::{Clinic, Party, meet, noise_key};
use super::noise::{self, Side};
use super::preface::Preface;
use super::{HandshakeError, Stage, Verified, handshake};

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let us = |at: usize| times[at].as_secs_f64() * 1e6;
    let count = times.len();
    let (median, p99) = (us(count / 2), us(count * 99 / 100));
    println!(
        r#"{{"what":"{what}","median_us":{median:.1},"p99_us":{p99:.1},"count":{count},"conditions":"both sides in memory, one thread"}}"#
    );
}

async fn meetings(front: &mut Party, ward: &mut Party, forget: bool) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..1000 {
        if forget {
            front.local.verified = Verified::default();
            ward.local.verified = Verified::default();
        }
        let began = Instant::now();
        let (dialled, answered) = meet(front, ward).await;
        times.push(began.elapsed());
        assert!(dialled.is_ok() && answered.is_ok());
    }
    times
}

#[tokio::test]
#[ignore = "a measurement, not a check"]
async fn handshakes_of_both_sides() {
    let clinic = Clinic::new();
    let (mut front, mut ward) = (clinic.party(1), clinic.party(2));
    report(
        "handshake, first meeting",
        meetings(&mut front, &mut ward, true).await,
    );
    report(
        "handshake, met before",
        meetings(&mut front, &mut ward, false).await,
    );
}

#[tokio::test]
#[ignore = "a measurement, not a check"]
async fn strangers_refused() {
    let clinic = Clinic::new();
    let ward = clinic.party(2);
    let preface = Preface::Mesh { epoch: 5 };
    let prologue = preface.prologue(&clinic.id);
    let mut state = noise::start(Side::Initiator, &noise_key(9), &[0; 32], &prologue).unwrap();
    let mut bytes = preface.encode().to_vec();
    exchange::append_message(&mut bytes, &mut state, &[], Stage::FirstMessage).unwrap();
    let mut times = Vec::new();
    for _ in 0..10_000 {
        let (mut stranger, socket) = tokio::io::duplex(256);
        tokio::io::AsyncWriteExt::write_all(&mut stranger, &bytes)
            .await
            .unwrap();
        let began = Instant::now();
        let outcome = handshake(socket.compat(), &ward.local, ward.listens()).await;
        times.push(began.elapsed());
        assert_eq!(outcome.err(), Some(HandshakeError::Stranger));
    }
    report("stranger's first message refused", times);
}

#[tokio::test]
#[ignore = "a measurement, not a check"]
async fn stream_throughput() {
    const TOTAL: usize = 1 << 30;
    let clinic = Clinic::new();
    let (front, ward) = (clinic.party(1), clinic.party(2));
    for chunk in [64 << 10, 16 << 10, 512] {
        let (dialled, answered) = meet(&front, &ward).await;
        let (mut from, mut to) = (dialled.unwrap().1, answered.unwrap().1);
        let data = vec![7; chunk];
        let total = if chunk < 1024 { TOTAL / 8 } else { TOTAL };
        let began = Instant::now();
        let send = async {
            for _ in 0..total / chunk {
                from.write_all(&data).await.unwrap();
            }
            from.close().await.unwrap();
        };
        let receive = async {
            let (mut buffer, mut got) = (vec![0; 128 << 10], 0);
            loop {
                match to.read(&mut buffer).await.unwrap() {
                    0 => return got,
                    n => got += n,
                }
            }
        };
        let ((), got) = tokio::join!(send, receive);
        assert_eq!(got, total);
        let mib = total as f64 / f64::from(1 << 20) / began.elapsed().as_secs_f64();
        println!(
            r#"{{"what":"stream, writes of {chunk} bytes","mib_per_s":{mib:.0},"conditions":"sealed and opened on one thread, in memory"}}"#
        );
    }
}
