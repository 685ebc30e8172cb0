//! What an admin signs at one node, until it holds at all of them.

use std::time::{Duration, Instant};

use clinic_mesh::api::client::Client;
use clinic_mesh::api::event::Hint;
use clinic_mesh::domain::id::DeviceId;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::desk::Desk;
use super::place::{Place, Ways};
use super::{runtime, summary};

/// Nodes that stay.
const NODES: usize = 6;

/// Machines that are enrolled and revoked, one after another.
const REVOCATIONS: usize = 40;

/// Policies, one after another.
const POLICIES: usize = 40;

/// Longest wait for something to spread, beyond which the figure is lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// One node told something.
struct Told {
    node: usize,
    at: Instant,
}

/// From the moment that a node is given a signed revocation until each node has closed its channel.
pub(crate) fn revocation() -> Value {
    let runtime = runtime();
    // One host more, where the machines stand that are revoked.
    let place = Place::found(NODES, 1, Ways::Multicast);
    let (mut cuts, mut alone, mut durable) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..REVOCATIONS {
        let name = format!("lost-{round}");
        let lost = place.enrolled(NODES, &name);
        let one = runtime.block_on(async {
            place.meshed(NODES, Instant::now()).await;
            let at = &place.nodes[round % NODES];
            revoke_one(&place, Client::new(&lost.socket()), at, &name).await
        });
        cuts.extend(one.cuts);
        alone.push(one.alone);
        durable.push(one.durable);
    }
    json!({
        "what": "a node given a signed revocation → channel to the revoked machine closed, at each of 6 nodes",
        "channels": summary(cuts), "revoked_machine_without_any_channel": summary(alone),
        "of_that_until_durable_at_the_first": summary(durable), "revocations": REVOCATIONS,
        "conditions": "7 processes in 7 namespaces on one bridge, one machine; each revocation at the next node in turn, with a change of the mesh key",
    })
}

/// How one revocation went.
struct Cut {
    /// At each node that stays.
    cuts: Vec<Duration>,
    /// When the revoked machine had no channel left.
    alone: Duration,
    /// When the node that was given it had it durable.
    durable: Duration,
}

async fn revoke_one(place: &Place, lost: Client, at: &super::processes::Node, name: &str) -> Cut {
    let mut desk = Desk::open(&place.clinic, at).await;
    let device = desk.device(name);
    let (sender, mut told) = unbounded_channel();
    for (node, client) in place.clients().into_iter().enumerate() {
        watch(client, node, Some(device), &sender).await;
    }
    let (sender, mut at_lost) = unbounded_channel();
    watch(lost, NODES, None, &sender).await;
    drop(sender);
    let given = desk.revoke(device).await;
    let mut cuts = vec![None; NODES];
    while cuts.iter().any(Option::is_none) {
        let told = next(&mut told).await;
        cuts[told.node].get_or_insert(told.at.saturating_duration_since(given.at));
    }
    let mut alone = Duration::ZERO;
    for _ in 0..NODES {
        alone = next(&mut at_lost)
            .await
            .at
            .saturating_duration_since(given.at);
    }
    Cut {
        cuts: cuts.into_iter().flatten().collect(),
        alone,
        durable: given.durable - given.at,
    }
}

/// Tells when a node's channel to a device closes, or any channel.
async fn watch(
    client: Client,
    node: usize,
    device: Option<DeviceId>,
    told: &UnboundedSender<Told>,
) {
    let (device, told) = (device.map(|device| device.to_string()), told.clone());
    let mut events = client.events().await.expect("the node runs");
    // The first hint says that the stream is open.
    let open = events.next().await;
    assert!(matches!(open, Some(Ok(Hint::Open))), "{open:?}");
    tokio::spawn(async move {
        while let Some(Ok(hint)) = events.next().await {
            let Hint::Disconnected { device: gone, .. } = hint else {
                continue;
            };
            let wished = device.as_ref().is_none_or(|device| *device == gone);
            if wished
                && told
                    .send(Told {
                        node,
                        at: Instant::now(),
                    })
                    .is_err()
            {
                return;
            }
        }
    });
}

async fn next(told: &mut UnboundedReceiver<Told>) -> Told {
    let next = tokio::time::timeout(PATIENCE, told.recv()).await;
    next.expect("within a minute").expect("all nodes run")
}

/// From the moment that a node is given a signed policy until each node has it in force.
pub(crate) fn policy() -> Value {
    let runtime = runtime();
    let place = Place::found(NODES, 0, Ways::Multicast);
    let (mut each, mut everywhere) = (Vec::new(), Vec::new());
    runtime.block_on(async {
        place.meshed(NODES - 1, Instant::now()).await;
        for round in 0..POLICIES {
            let at = &place.nodes[round % NODES];
            let mut desk = Desk::open(&place.clinic, at).await;
            let times = change_policy(&place, &mut desk, 10 + (round % 2) as u16).await;
            everywhere.extend(times.iter().max());
            each.extend(times);
        }
    });
    json!({
        "what": "a node given a signed policy → in force, by each node's own answer",
        "nodes": summary(each), "everywhere": summary(everywhere), "policies": POLICIES,
        "conditions": "6 processes in 6 namespaces on one bridge, one machine; each policy at the next node in turn",
    })
}

async fn change_policy(place: &Place, desk: &mut Desk, idle_minutes: u16) -> Vec<Duration> {
    let mut events = Vec::new();
    for client in place.clients() {
        events.push(client.events().await.expect("the node runs"));
    }
    let (given, version) = desk.change_policy(idle_minutes).await;
    let mut asking = tokio::task::JoinSet::new();
    for (client, mut events) in place.clients().into_iter().zip(events) {
        asking.spawn(async move {
            loop {
                let view = client.clinic().await.expect("the node runs");
                if view.policy.version >= version {
                    return given.at.elapsed();
                }
                let hint = tokio::time::timeout(PATIENCE, events.next()).await;
                hint.expect("within a minute")
                    .expect("it runs")
                    .expect("a hint");
            }
        });
    }
    asking.join_all().await
}
