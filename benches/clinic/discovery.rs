//! Twenty-five nodes that are switched on at the same moment, until each has a channel to every other.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::place::{Place, Ways};
use super::{runtime, summary};

/// Nodes of the clinic.
const NODES: usize = 25;

/// How often they are all switched on.
const RUNS: usize = 20;

/// Of a hundred packets of mDNS that reach a node, so many are lost.
const LOSS: u8 = 20;

/// By mDNS alone: before each start the LAN is renumbered, so that what nodes remember is of no use.
pub(crate) fn by_multicast() -> Value {
    let mut place = Place::found(NODES, 0, Ways::Multicast);
    lose(&place, LOSS);
    let runs = (0..RUNS).map(|run| {
        place
            .nodes
            .iter_mut()
            .for_each(super::processes::Node::kill);
        let lan = 2 + run as u8;
        for number in 0..NODES {
            let moved = place
                .hosts
                .address(&format!("h{number}"), lan, 11 + number as u8);
            moved.expect("another address");
        }
        cold_start(&mut place)
    });
    report(
        runs.collect(),
        "20 % of the packets of mDNS lost at each receiver at random (nft numgen); all addresses new, so that remembered ones are of no use",
    )
}

/// With mDNS blocked: each node was told where the first one is, and the clinic record says where each
/// of them is.
pub(crate) fn by_bootstrap() -> Value {
    let mut place = Place::found(NODES, 0, Ways::Told);
    lose(&place, 100);
    let runs = (0..RUNS).map(|_| {
        place
            .nodes
            .iter_mut()
            .for_each(super::processes::Node::kill);
        cold_start(&mut place)
    });
    report(
        runs.collect(),
        "all packets of mDNS dropped; one bootstrap peer each, addresses in the clinic record",
    )
}

fn lose(place: &Place, percent: u8) {
    for number in 0..NODES {
        let rule = place.hosts.lose_mdns(&format!("h{number}"), percent);
        rule.expect("nft works");
    }
}

/// Starts all nodes; how long it took until each was connected to all others.
fn cold_start(place: &mut Place) -> Vec<Duration> {
    let begun = Instant::now();
    let Place { nodes, clinic, .. } = &mut *place;
    nodes.iter_mut().for_each(|node| node.launch(clinic));
    let times = runtime().block_on(place.meshed(NODES - 1, begun));
    eprintln!("  full mesh after {:?}", times.iter().max());
    times
}

fn report(runs: Vec<Vec<Duration>>, conditions: &str) -> Value {
    let whole: Vec<Duration> = runs
        .iter()
        .filter_map(|run| run.iter().max().copied())
        .collect();
    json!({
        "what": "25 processes started → each has a channel to the 24 others",
        "full_mesh": summary(whole), "each_node": summary(runs.concat()),
        "conditions": format!("25 processes in 25 namespaces on one bridge, one machine; killed before each start; {conditions}"),
    })
}
