//! A clinic on one LAN: a node to a host.

use std::time::{Duration, Instant};

use clinic_mesh::api::client::Client;
use tokio::task::JoinSet;

use super::hosts::Hosts;
use super::processes::{Clinic, Node, Say as _};

/// Longest wait for a mesh, beyond which a run has failed.
const PATIENCE: Duration = Duration::from_secs(180);

/// How often a node is asked for its peers.
const LOOK: Duration = Duration::from_millis(100);

/// The first host's address.
const FRONT: &str = "10.71.1.11";

/// How the nodes find each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ways {
    /// By mDNS alone.
    Multicast,
    /// Each is told where the first one is, and the clinic record says where each of them is.
    Told,
}

/// The clinic. Nodes are dropped, that is killed, before their hosts go.
pub(crate) struct Place {
    pub(crate) nodes: Vec<Node>,
    pub(crate) clinic: Clinic,
    pub(crate) hosts: Hosts,
    ways: Ways,
}

impl Place {
    /// Founds a clinic of so many running nodes, and makes this many hosts more.
    pub(crate) fn found(count: usize, spare: usize, ways: Ways) -> Self {
        let names: Vec<String> = (0..count + spare).map(|n| format!("h{n}")).collect();
        let hosts = Hosts::on_one_lan(&names);
        let hosts = hosts
            .unwrap_or_else(|why| panic!("no namespaces can be made here (run as root): {why}"));
        let mut place = Self {
            nodes: Vec::new(),
            clinic: Clinic::found(),
            hosts,
            ways,
        };
        for number in 0..count {
            let node = place.enrolled(number, &format!("h{number}"));
            place.nodes.push(node);
        }
        place
    }

    /// Enrols a machine at a host and starts its node.
    pub(crate) fn enrolled(&self, host: usize, name: &str) -> Node {
        let mut node = self.at_host(host, name);
        let address = format!("10.71.1.{}:7846", 11 + host);
        let front = format!("{FRONT}:7846");
        let told = ["--address", &address, "--bootstrap", &front];
        if let Some(first) = self.nodes.first() {
            let mut args = vec!["--at", "10.71.1.11:7847"];
            args.extend(told.iter().filter(|_| self.ways == Ways::Told));
            self.clinic.join_from(first, &node, &args);
        } else {
            let mut args = vec!["node", "init", "--office", name, "--name", name];
            args.extend(told[..2].iter().filter(|_| self.ways == Ways::Told));
            self.clinic.on(&node, &args).said().done();
        }
        node.start(&self.clinic);
        node
    }

    /// A machine at a host that is not enrolled yet.
    pub(crate) fn at_host(&self, host: usize, name: &str) -> Node {
        let mut node = self.clinic.node(name);
        node.namespace = Some(self.hosts.namespace(&format!("h{host}")));
        node
    }

    /// The nodes' sockets, in order.
    pub(crate) fn clients(&self) -> Vec<Client> {
        let clients = self.nodes.iter().map(|node| Client::new(&node.socket()));
        clients.collect()
    }

    /// How long after `begun` each node had a channel to so many others.
    pub(crate) async fn meshed(&self, peers: usize, begun: Instant) -> Vec<Duration> {
        let mut asking = JoinSet::new();
        for (client, node) in self.clients().into_iter().zip(&self.nodes) {
            let name = node.name.clone();
            asking.spawn(async move {
                loop {
                    // Until it has started there is nobody to ask.
                    let seen = client.status().await.map_or(0, |status| status.peers.len());
                    if seen >= peers {
                        return begun.elapsed();
                    }
                    assert!(
                        begun.elapsed() < PATIENCE,
                        "{name} sees {seen} of {peers} others"
                    );
                    tokio::time::sleep(LOOK).await;
                }
            });
        }
        asking.join_all().await
    }
}
