//! A clinic on one LAN: a node to a host.

use std::cell::Cell;
use std::time::{Duration, Instant};

use clinic_mesh::api::client::Client;
use tokio::task::JoinSet;

use super::hosts::Hosts;
use super::processes::{Clinic, Node, Say as _};

/// Longest wait for a mesh, beyond which a run has failed.
const PATIENCE: Duration = Duration::from_secs(180);

/// How often a node is asked for its peers.
const LOOK: Duration = Duration::from_millis(100);

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
    /// So many machines were enrolled.
    enrolments: Cell<usize>,
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
            enrolments: Cell::new(0),
        };
        for number in 0..count {
            let node = place.enrolled(number, &format!("h{number}"));
            place.nodes.push(node);
        }
        place
    }

    /// Enrols a machine at a host, at each node in turn, and starts its node.
    pub(crate) fn enrolled(&self, host: usize, name: &str) -> Node {
        let mut node = self.at_host(host, name);
        let (address, front) = (address(host, 7846), address(0, 7846));
        let told = ["--address", &address, "--bootstrap", &front];
        let told = if self.ways == Ways::Told {
            &told[..]
        } else {
            &[]
        };
        if self.nodes.is_empty() {
            let init = ["node", "init", "--office", name, "--name", name];
            let own_address = &told[..told.len() / 2];
            let init = [&init, own_address].concat();
            self.clinic.on(&node, &init).said().done();
        } else {
            let by = self.enrolments.get() % self.nodes.len();
            let at = self::address(by, 7847);
            let args = [&["--at", &at], told].concat();
            self.clinic.join_from(&self.nodes[by], &node, &args);
        }
        self.enrolments.set(self.enrolments.get() + 1);
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

/// A port at a host, by its address at the beginning.
fn address(host: usize, port: u16) -> String {
    format!("10.71.1.{}:{port}", 11 + host)
}
