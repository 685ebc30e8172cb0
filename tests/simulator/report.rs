//! Running many seeds and saying how it went.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use super::options::Options;
use super::plan::Plan;
use super::rules::{self, Broken};
use super::run;

/// Seeds that once failed; they are run again for good.
const REGRESSIONS: &str = include_str!("regressions.txt");

/// Seeds that the gate runs twice, to see that they repeat.
const TWICE: u64 = 10;

/// Failures after which nothing more is run.
const FAILURES_MAX: usize = 3;

/// Writes a line.
pub(crate) fn say(line: &str) {
    // Whoever reads this may have stopped reading; that is no reason to fail.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Does what was asked for.
pub(crate) fn perform(options: &Options) -> ExitCode {
    if options.rules {
        for (name, text) in rules::ALL {
            say(&format!("{name:26} {text}"));
        }
        return ExitCode::SUCCESS;
    }
    if options.planted {
        return planted(options);
    }
    if let Some(seed) = options.seed {
        return one(seed, options.ops.as_deref());
    }
    if options.revocation || options.gate {
        let reached = super::reach::measure();
        if !reached || options.revocation {
            let result = if reached {
                "ok. 1 passed; 0"
            } else {
                "FAILED. 0 passed; 1"
            };
            say(&format!("test result: {result} failed"));
            return ExitCode::from(u8::from(!reached));
        }
    }
    let mut seeds: Vec<u64> = options.seeds.clone().collect();
    if options.gate {
        seeds.extend(REGRESSIONS.lines().filter_map(regression));
    }
    many(&seeds, options)
}

#[cfg(feature = "planted")]
fn planted(options: &Options) -> ExitCode {
    super::planted::find_all(options.threads)
}

#[cfg(not(feature = "planted"))]
fn planted(_: &Options) -> ExitCode {
    say("planted bugs are not in this build: add --features planted");
    ExitCode::from(2)
}

/// The seed at the beginning of a line; what follows says what it found.
fn regression(line: &str) -> Option<u64> {
    line.split_whitespace().next()?.parse().ok()
}

fn one(seed: u64, ops: Option<&[usize]>) -> ExitCode {
    let mut plan = Plan::of(seed);
    if let Some(ops) = ops {
        plan = plan.only(ops);
    }
    say(&format!(
        "seed {seed}: {} machines, {} running, misbehaving: {}, {} acts",
        plan.machines,
        plan.running,
        plan.evil,
        plan.ops.len()
    ));
    if ops.is_some() {
        list(&plan);
    }
    let started = Instant::now();
    let outcome = run::run(&plan);
    say(&format!(
        "{} inputs in {} ms, trace {:016x}",
        outcome.steps,
        started.elapsed().as_millis(),
        outcome.trace.0
    ));
    match outcome.broken {
        None => {
            say("test result: ok. 1 passed; 0 failed");
            ExitCode::SUCCESS
        }
        Some(broken) => {
            tell(seed, &broken);
            if ops.is_none() {
                tell_short(&plan, &broken);
            }
            say("test result: FAILED. 0 passed; 1 failed");
            ExitCode::FAILURE
        }
    }
}

fn list(plan: &Plan) {
    let mut at = 4000;
    for (number, op) in &plan.ops {
        at += op.after;
        say(&format!("  {number:4} at {at:8} ms: {:?}", op.kind));
    }
}

fn tell(seed: u64, broken: &Broken) {
    let sentence = rules::ALL
        .iter()
        .find(|(name, _)| *name == broken.rule)
        .map_or("", |(_, text)| text);
    say(&format!(
        "seed {seed} broke {}: {sentence}\n  {}",
        broken.rule, broken.what
    ));
}

fn tell_short(plan: &Plan, broken: &Broken) {
    let keep = run::shorten(plan, broken.rule);
    let short = plan.only(&keep);
    list(&short);
    let numbers: Vec<String> = keep.iter().map(ToString::to_string).collect();
    say(&format!(
        "again: cargo test --release --test simulator -- --seed {} --ops {},",
        plan.seed,
        numbers.join(",")
    ));
}

fn many(seeds: &[u64], options: &Options) -> ExitCode {
    let started = Instant::now();
    let next = AtomicU64::new(0);
    let passed = AtomicU64::new(0);
    let steps = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let failed: Mutex<Vec<(u64, Broken)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| {
                while let Some(seed) = take(&next, seeds, &stop) {
                    let outcome = run::run(&Plan::of(seed));
                    steps.fetch_add(outcome.steps, Ordering::Relaxed);
                    let broken = outcome
                        .broken
                        .or_else(|| differs(seed, outcome.trace, options));
                    match broken {
                        None => progress(passed.fetch_add(1, Ordering::Relaxed) + 1, seeds.len()),
                        Some(broken) => {
                            let mut failed = failed.lock().expect("nobody panics with it");
                            failed.push((seed, broken));
                            stop.store(failed.len() >= FAILURES_MAX, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("nobody panics with it");
    for (seed, broken) in &failed {
        tell(*seed, broken);
        tell_short(&Plan::of(*seed), broken);
    }
    let result = if failed.is_empty() { "ok" } else { "FAILED" };
    let (passed, steps) = (passed.into_inner(), steps.into_inner());
    say(&format!(
        "test result: {result}. {passed} passed; {} failed; {steps} inputs in {:.1} s",
        failed.len(),
        started.elapsed().as_secs_f64()
    ));
    ExitCode::from(u8::from(!failed.is_empty()))
}

fn take(next: &AtomicU64, seeds: &[u64], stop: &AtomicBool) -> Option<u64> {
    if stop.load(Ordering::Relaxed) {
        return None;
    }
    let at = next.fetch_add(1, Ordering::Relaxed) as usize;
    seeds.get(at).copied()
}

/// In the gate, a few seeds are run twice: the same seed is the same history.
fn differs(seed: u64, trace: super::world::Trace, options: &Options) -> Option<Broken> {
    if !options.gate || seed >= TWICE {
        return None;
    }
    let again = run::run(&Plan::of(seed)).trace;
    (again != trace).then(|| Broken {
        rule: "repeats",
        what: format!("{:016x} and {:016x}", trace.0, again.0),
    })
}

fn progress(passed: u64, of: usize) {
    // Ten lines in the gate, a hundred in a long campaign.
    let every = if of > 20_000 { of / 100 } else { of / 10 };
    if every > 0 && passed.is_multiple_of(every as u64) {
        say(&format!("{passed} of {of} seeds passed"));
    }
}
