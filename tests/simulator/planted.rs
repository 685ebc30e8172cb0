//! Every planted bug must be found, each within a stated number of seeds.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::plan::Plan;
use super::report::say;
use super::run;

/// A bug's name and the seeds within which it must be found.
const BUGS: &[(&str, u64)] = &[
    ("signature-unchecked", 200),
    ("chain-unchecked", 400),
    ("writers-unchecked", 400),
    ("holder-takes-anything", 400),
    ("sends-to-anyone", 100),
    ("speaks-for-anyone", 400),
    ("speaks-for-outsiders", 400),
    ("expired-accepted", 400),
    ("expired-shown", 400),
    ("future-accepted", 200),
    ("horizon-one-day-ahead", 50),
    ("own-clock-ends-days", 200),
    ("a-leap-alone-ends-days", 400),
    ("purge-attested-early", 200),
    ("bodies-not-destroyed", 200),
    ("answered-before-durable", 50),
    ("attested-before-durable", 50),
    ("pushed-before-durable", 50),
    ("read-before-recorded", 50),
    ("post-not-recorded", 50),
    ("sent-shown-as-held", 200),
    ("attestation-unchecked", 400),
    ("given-up-unattested", 400),
    ("past-shown-to-newcomers", 400),
    ("revoked-keeps-its-links", 200),
    ("parts-before-durable", 200),
    ("revoked-is-let-in", 200),
    ("revoked-goes-on-writing", 1000),
    ("right-unchecked", 200),
    ("ended-admin-counts", 200),
    ("addition-beats-unseen-removal", 200),
    ("old-policy-accepted", 400),
    ("mesh-key-unchecked", 200),
    ("fork-overlooked", 400),
    ("clock-not-observed", 200),
    ("epoch-used-again", 200),
    ("never-asks-again", 400),
    ("taken-back-kept", 50),
    ("taken-back-accepted", 1000),
    ("group-forgets-its-last", 50),
    ("old-root-goes-on", 100),
    ("deceived-for-good", 400),
    ("told-to-the-old", 50),
    ("unlisted-is-believed", 400),
    ("planned-key-never-begins", 400),
    ("plan-survives-a-change", 400),
];

/// What became of one bug.
struct Found {
    name: &'static str,
    rule: Option<&'static str>,
    seeds: u64,
    limit: u64,
}

/// Looks for every bug and prints the table.
pub(crate) fn find_all(threads: usize) -> ExitCode {
    let started = Instant::now();
    let next = AtomicUsize::new(0);
    let found: Mutex<Vec<Found>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while let Some(bug) = BUGS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = find(bug.0, bug.1);
                    found.lock().expect("nobody panics with it").push(result);
                }
            });
        }
    });
    let mut found = found.into_inner().expect("nobody panics with it");
    found.sort_by_key(|found| BUGS.iter().position(|bug| bug.0 == found.name));
    tell(&found, started)
}

fn find(name: &'static str, limit: u64) -> Found {
    clinic_mesh::planted::plant(Some(name));
    let caught = (0..limit).find_map(|seed| {
        let broken = run::run(&Plan::of(seed)).broken?;
        Some((broken.rule, seed + 1))
    });
    clinic_mesh::planted::plant(None);
    let found = Found {
        name,
        rule: caught.map(|(rule, _)| rule),
        seeds: caught.map_or(limit, |(_, seeds)| seeds),
        limit,
    };
    line(&found);
    found
}

fn line(bug: &Found) {
    let rule = bug.rule.unwrap_or("NOT FOUND");
    let (name, seeds, limit) = (bug.name, bug.seeds, bug.limit);
    say(&format!("{name:31} {rule:24} {seeds:6} {limit:6}"));
}

fn tell(found: &[Found], started: Instant) -> ExitCode {
    say("planted bug                     caught by                 seeds  limit");
    found.iter().for_each(line);
    let missed = found.iter().filter(|bug| bug.rule.is_none()).count();
    let result = if missed == 0 { "ok" } else { "FAILED" };
    say(&format!(
        "test result: {result}. {} found; {missed} missed; {:.1} s",
        found.len() - missed,
        started.elapsed().as_secs_f64()
    ));
    ExitCode::from(u8::from(missed > 0))
}
