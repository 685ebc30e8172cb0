//! The figures of a clinic on real hosts: `cargo bench --bench clinic [-- NAME…]`.
//!
//! The program itself, one process to a network namespace, all of them on one bridge; making those needs
//! root, `ip` and `nft`. Each figure is one JSON line on standard output, with its conditions: all nodes
//! share this machine's cores.

#![allow(clippy::print_stdout, reason = "figures are what it prints")]

mod desk;
mod discovery;
mod enrolment;
#[path = "../../tests/support/hosts.rs"]
mod hosts;
mod place;
#[path = "../../tests/support/processes.rs"]
mod processes;
mod spread;

use std::time::Duration;

use serde_json::{Value, json};

/// A figure's name and how it is measured.
type Figure = (&'static str, fn() -> Value);

fn main() {
    let wished: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let all: [Figure; 5] = [
        ("revocation", spread::revocation),
        ("policy", spread::policy),
        ("enrolment", enrolment::measure),
        ("discovery", discovery::by_multicast),
        ("bootstrap", discovery::by_bootstrap),
    ];
    for (name, figure) in all {
        if wished.is_empty() || wished.iter().any(|wish| wish == name) {
            eprintln!("measuring: {name}");
            let load = load();
            println!(
                "{}",
                json!({ "figure": name, "result": figure(), "load_before_and_after": [load, self::load()] })
            );
        }
    }
}

/// Median, p95, p99 and the largest of some durations, in seconds.
fn summary(mut times: Vec<Duration>) -> Value {
    times.sort_unstable();
    // The nearest rank: never better than what was seen.
    let at = |part: f64| {
        let rank = (times.len() as f64 * part).ceil() as usize;
        times[rank.clamp(1, times.len()) - 1].as_secs_f64()
    };
    json!({
        "median_s": at(0.5), "p95_s": at(0.95), "p99_s": at(0.99), "max_s": at(1.0),
        "count": times.len(),
    })
}

/// How many processes wanted a core in the last minute, on average.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}
