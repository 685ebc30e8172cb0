//! Hostile bytes at every decoder and at the handshakes.
//!
//! `cargo test --test fuzz` replays the corpora and a fixed number of changes to each of their files,
//! the same ones every time. `cargo test --release --test fuzz -- --campaign SECONDS [TARGET]` goes on
//! for that long at each target, from another beginning each time; docs/fuzzing.md says more.

#![allow(
    clippy::print_stdout,
    reason = "a test runner of its own says what it does"
)]

#[path = "../support/offices.rs"]
mod offices;

mod changes;
mod handshake;
mod line;
mod made;
mod targets;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use changes::Changes;
use targets::Target;

/// Changes to the files of each decoder's corpus in the ordinary test.
const REPLAYED: u64 = 5_000;

/// Handshakes of each kind tampered with in the ordinary test.
const HANDSHAKES: u64 = 300;

/// The beginning of the ordinary test's changes.
const SEED: u64 = 1;

const USAGE: &str = "cargo test --test fuzz [-- --campaign SECONDS [TARGET]]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["--campaign", seconds, ref target @ ..] if target.len() < 2 => match seconds.parse() {
            Ok(seconds) => campaign(Duration::from_secs(seconds), target.first().copied()),
            Err(_) => usage(),
        },
        [] | ["--nocapture" | "--quiet" | "-q", ..] => replay(),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    println!("{USAGE}");
    ExitCode::from(2)
}

/// The ordinary test. A panic is the failure; it names the target by what was printed before it.
fn replay() -> ExitCode {
    let mut passed = 0;
    for target in targets::ALL {
        let corpus = target.corpus();
        assert!(!corpus.is_empty(), "{} has a corpus", target.name);
        let read = corpus.iter().filter(|file| (target.judge)(file)).count();
        println!(
            "target {} ({read} of {} files read)",
            target.name,
            corpus.len()
        );
        assert!(read > 0, "a decoder that refuses everything is not tried");
        let mut changes = Changes::new(SEED, corpus);
        (0..REPLAYED).for_each(|_| one(target, &mut changes));
        passed += 1;
    }
    for handshake in handshake::ALL {
        println!("target {}", handshake.name);
        let mut place = handshake::Place::new(handshake);
        (0..HANDSHAKES).for_each(|seed| place.tampered(seed));
        passed += 1;
    }
    println!("\ntest result: ok. {passed} passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
    ExitCode::SUCCESS
}

/// One changed input; it is printed if the target panics.
fn one(target: &Target, changes: &mut Changes) {
    let input = changes.next();
    let judged = std::panic::catch_unwind(|| (target.judge)(&input));
    if let Err(panic) = judged {
        println!("target {} fails with {}", target.name, hex(&input));
        std::panic::resume_unwind(panic);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As long as asked at each target, or at one.
fn campaign(time: Duration, only: Option<&str>) -> ExitCode {
    let seed = clinic_mesh::platform::clock::Clock::start().now().0;
    println!("campaign with seed {seed}");
    let mut found = false;
    for target in targets::ALL {
        if only.is_some_and(|only| only != target.name) {
            continue;
        }
        found = true;
        let mut changes = Changes::new(seed, target.corpus());
        let (begun, mut tried) = (Instant::now(), 0_u64);
        while begun.elapsed() < time {
            (0..1000).for_each(|_| one(target, &mut changes));
            tried += 1000;
        }
        println!("{}: {tried} inputs in {:?}", target.name, begun.elapsed());
    }
    for handshake in handshake::ALL {
        if only.is_some_and(|only| only != handshake.name) {
            continue;
        }
        found = true;
        let mut place = handshake::Place::new(handshake);
        let (begun, mut tried) = (Instant::now(), 0_u64);
        while begun.elapsed() < time {
            place.tampered(seed.wrapping_add(tried));
            tried += 1;
        }
        let name = handshake.name;
        println!("{name}: {tried} handshakes in {:?}", begun.elapsed());
    }
    if found { ExitCode::SUCCESS } else { usage() }
}
