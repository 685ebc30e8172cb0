//! The figures of the doors for browsers: `cargo bench --bench web [-- NAME…]`.
//!
//! A real node with a real door on loopback, and clients that speak HTTP by hand, all in one process.
//! Each figure is one JSON line on standard output.

#![allow(clippy::print_stdout, reason = "figures are what it prints")]
#![allow(dead_code, reason = "the tests use the other parts of these modules")]

#[path = "../tests/api/browser.rs"]
mod browser;
#[path = "../tests/api/desk.rs"]
mod desk;
#[path = "../tests/support/offices.rs"]
mod offices;

use std::time::{Duration, Instant};

use browser::Browser;
use clinic_mesh::domain::statement::Role;
use desk::{Desk, PASSWORD};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// Takes a figure.
type Figure = fn() -> Value;

/// People who are signed in at once.
const PEOPLE: usize = 40;

/// Streams of hints that nobody reads.
const STREAMS: usize = 1000;

/// Streams of one login: as many as it may have.
const EACH: usize = 8;

/// Messages sent for a figure.
const MESSAGES: usize = 200;

/// One step of an authenticator.
const STEP: Duration = Duration::from_secs(30);

fn main() {
    let wished: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let all: [(&str, Figure); 3] = [
        ("sign-in", || runtime().block_on(sign_in())),
        ("forty-browsers", || runtime().block_on(forty_browsers())),
        ("idle-streams", || runtime().block_on(idle_streams())),
    ];
    for (name, figure) in all {
        if wished.is_empty() || wished.iter().any(|wish| wish == name) {
            eprintln!("measuring: {name}");
            println!("{}", json!({ "figure": name, "result": figure() }));
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Median, p99 and count of durations, in milliseconds.
fn summary(mut times: Vec<Duration>) -> Value {
    times.sort_unstable();
    let at = |part: f64| {
        let index = ((times.len() - 1) as f64 * part).round() as usize;
        times[index].as_secs_f64() * 1000.0
    };
    json!({ "median_ms": at(0.5), "p99_ms": at(0.99), "count": times.len() })
}

/// Resident memory of this process in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let digits = line.and_then(|line| line.split_whitespace().next());
    digits.expect("a size").parse().expect("a number")
}

/// Password and six digits, each in a request of its own, until the login is ready.
async fn sign_in() -> Value {
    let mut desk = Desk::open().await;
    desk.signed_in("Ana", &[Role::Clinician]).await;
    let (mut browser, totp, _) = desk.browser_of("Ana").await;
    let mut times = Vec::new();
    for _ in 0..20 {
        desk.pass(STEP);
        let from = Instant::now();
        browser.show_password("Ana", PASSWORD).await;
        let shown = browser.show_code(&totp, desk.time()).await;
        times.push(from.elapsed());
        assert_eq!(shown.json()["state"], "ready", "{shown:?}");
    }
    desk.stop().await;
    summary(times)
}

/// Everybody signs in, opens a conversation and listens for hints.
async fn forty_browsers() -> Value {
    let mut desk = Desk::open().await;
    for number in 0..PEOPLE {
        desk.signed_in(&person(number), &[Role::Clinician]).await;
    }
    let before = resident();
    let mut open = Vec::new();
    for number in 0..PEOPLE {
        let (browser, _, _) = desk.browser_of(&person(number)).await;
        for path in ["/v1/me", "/v1/clinic", "/v1/conversations", "/v1/status"] {
            assert_eq!(browser.get(path).await.status, 200);
        }
        open.push((listening(&browser).await, browser));
    }
    let after = resident();
    drop(open);
    desk.stop().await;
    json!({ "people": PEOPLE, "added_mib": after.saturating_sub(before) as f64 / 1024.0,
        "conditions": "the clients' own memory included" })
}

/// A message's way to the disk, first with nobody listening, then with many.
async fn idle_streams() -> Value {
    let mut desk = Desk::open().await;
    let (_, ana) = desk.signed_in("Ana", &[Role::Clinician]).await;
    desk.signed_in("Bo", &[Role::Clinician]).await;
    let alone = messages(&ana).await;
    let mut open: Vec<(TcpStream, Browser)> = Vec::new();
    for number in 0..STREAMS / EACH {
        let who = person(number);
        desk.signed_in(&who, &[Role::Clinician]).await;
        let (browser, _, _) = desk.browser_of(&who).await;
        for _ in 1..EACH {
            open.push((listening(&browser).await, browser.clone()));
        }
        open.push((listening(&browser).await, browser));
    }
    let with = messages(&ana).await;
    desk.stop().await;
    json!({ "alone": alone, "with_streams": with, "streams": STREAMS })
}

fn person(number: usize) -> String {
    format!("Person {number}")
}

/// A stream of hints that has begun.
async fn listening(browser: &Browser) -> TcpStream {
    let mut stream = browser.ask("GET", "/v1/events", &browser.usual(), "").await;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.expect("an answer");
    assert_eq!(&head[9..], b"200");
    stream
}

async fn messages(client: &clinic_mesh::api::client::Client) -> Value {
    let mut times = Vec::new();
    for number in 0..MESSAGES {
        let from = Instant::now();
        let sent = client.send("Bo", &format!("message {number}")).await;
        sent.expect("sent");
        times.push(from.elapsed());
    }
    summary(times)
}
