//! The doctor at real machines with real troubles: network namespaces with firewalls, VPNs, duplicate
//! addresses and Wi-Fi that keeps its machines apart; and nodes whose disk, clock, port, key or certificate
//! is not as it should be.
//!
//! Each line of docs/doctor.md is one that this test prints with `--nocapture`.

#[path = "../support/hosts.rs"]
mod hosts;
mod machine;
mod network;
mod place;
#[path = "../support/processes.rs"]
mod processes;
mod trust;

use std::io::Write as _;
use std::time::Instant;

use hosts::Hosts;
use place::Place;

/// Set to 1, the test passes without namespaces, and says that it has not run.
const WITHOUT: &str = "CLINIC_MESH_NO_NAMESPACES";

#[test]
fn every_trouble_is_named_where_it_is() {
    match Hosts::make() {
        Ok(hosts) => drop(hosts),
        Err(why) if std::env::var(WITHOUT).as_deref() == Ok("1") => {
            let notice = format!("doctor: NOT RUN, as {WITHOUT}=1 allows: {why}\n");
            // Past the test runner, which keeps what a passing test prints to itself.
            let mut err = std::io::stderr();
            err.write_all(notice.as_bytes()).expect("room");
            return;
        }
        Err(why) => panic!("network namespaces cannot be made here (run as root): {why}"),
    };
    let began = Instant::now();
    // Most of the time is waiting for what does not come, so several clinics are ill at once.
    let told: Vec<Vec<String>> = std::thread::scope(|scope| {
        let clinics: Vec<_> = CLINICS
            .iter()
            .map(|(name, troubles)| scope.spawn(move || Place::ill(name, *troubles)))
            .collect();
        let told = clinics.into_iter().map(|clinic| clinic.join());
        told.map(|told| told.expect("what it said stands above"))
            .collect()
    });
    for line in told.iter().flatten() {
        say(line);
    }
    say(&format!("all of it took {} s", began.elapsed().as_secs()));
}

/// What one clinic suffers from, one thing after the other.
pub(crate) type Troubles = fn(&mut Place);

/// Clinics on networks of their own, and what each of them suffers from.
const CLINICS: [(&str, Troubles); 6] = [
    ("a", |place| {
        place.not_looked_for();
        place.different_networks();
        place.healthy();
        place.mdns_dropped();
    }),
    ("b", |place| {
        place.settle();
        place.port_dropped();
        place.same_address();
    }),
    ("c", |place| {
        place.settle();
        place.wrong_interfaces();
        place.kept_apart();
    }),
    ("d", |place| {
        place.settle();
        place.clock();
        place.machine_itself();
    }),
    ("e", |place| {
        place.settle();
        place.no_node();
        place.cables();
        place.other_clinic();
    }),
    ("f", |place| {
        place.settle();
        place.revoked();
        place.old_mesh_key();
        place.expired();
    }),
];

/// Shown with `--nocapture`, and when the test fails.
#[allow(
    clippy::print_stdout,
    reason = "the table that stands in docs/doctor.md"
)]
fn say(text: &str) {
    println!("{text}");
}
