//! A new office, from the admin's code to the first message that another office has.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::place::{Place, Ways};
use super::processes::{Clinic, Person, Talk, eventually};
use super::summary;

/// Nodes of the clinic before.
const NODES: usize = 3;

/// New offices, one after another.
const OFFICES: usize = 10;

/// Every step by its command; people are as fast as machines.
pub(crate) fn measure() -> Value {
    let mut place = Place::found(NODES, OFFICES, Ways::Multicast);
    let ana = place.clinic.staff(&place.nodes[0], "Ana", "h0");
    ana.sign_in(&place.clinic, &place.nodes[0]);
    let (mut whole, mut joined) = (Vec::new(), Vec::new());
    for number in NODES..NODES + OFFICES {
        let (joining, all) = one(&mut place, number, &ana);
        joined.push(joining);
        whole.push(all);
    }
    json!({
        "what": "code shown by `device invite` → `node join` by mDNS → `node run` → `staff add` → first sign-in → message read at another office",
        "whole": summary(whole), "of_that_until_joined": summary(joined),
        "conditions": "3 to 12 nodes in namespaces on one bridge, one machine; every step its command, nobody waits for a person",
    })
}

/// Enrols one office; how long until it had joined, and until its first message was read.
fn one(place: &mut Place, number: usize, ana: &Person) -> (Duration, Duration) {
    let name = format!("h{number}");
    let mut node = place.at_host(number, &name);
    let Place { nodes, clinic, .. } = place;
    let mut invite = clinic.invite(&nodes[0], &name);
    let code = invite.line()["code"].as_str().expect("a code").to_owned();
    let begun = Instant::now();
    let mut joining = Talk::begin(&mut clinic.on(&node, &["node", "join", &code, "--json"]));
    assert_eq!(joining.line()["event"], "compare");
    assert!(joining.end().success(), "{}", joining.complaint());
    let joined = begun.elapsed();
    node.start(clinic);
    // An office has no staff before it is there.
    let ben = clinic.staff(&nodes[0], &format!("Ben-{number}"), &name);
    first_message(clinic, &node, &ben);
    ana.reads(
        clinic,
        &nodes[0],
        &format!("Ben-{number}"),
        "hello from here",
    );
    let whole = begun.elapsed();
    assert!(invite.end().success());
    nodes.push(node);
    (joined, whole)
}

fn first_message(clinic: &Clinic, node: &super::processes::Node, ben: &Person) {
    eventually("signed in", || ben.try_sign_in(clinic, node));
    ben.send(clinic, node, "Ana", "hello from here");
}
