//! The state of a node.

use serde::{Deserialize, Serialize};

/// The state of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// The program's version.
    pub version: String,
    /// This device's name.
    pub name: String,
    /// Its office, once the record names it.
    pub office: Option<String>,
    /// Its id.
    pub device: String,
    /// The clinic's id.
    pub clinic: String,
    /// The clinic's name.
    pub clinic_name: Option<String>,
    /// `enrolled`, `unknown` or `revoked`.
    pub standing: String,
    /// Open secure channels.
    pub peers: Vec<PeerView>,
    /// Nodes of the clinic that this one is not connected to.
    pub away: Vec<String>,
    /// Spaces held.
    pub spaces: usize,
    /// Entries held.
    pub entries: u64,
    /// First day still alive.
    pub horizon: String,
    /// Digest of the clinic record: equal on nodes that know the same.
    pub record: String,
    /// Logs with two histories.
    pub forks: Vec<ForkView>,
    /// Who has signed for this node's audit trail.
    pub witnesses: Vec<WitnessView>,
    /// The audit trail's newest number in this run of the node.
    pub trail: u64,
    /// People signed in at this node.
    pub logins: usize,
}

/// One open secure channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerView {
    /// Name.
    pub name: String,
    /// Office.
    pub office: Option<String>,
    /// Device id.
    pub device: String,
    /// Its clock minus ours, in milliseconds.
    pub offset_ms: i64,
    /// Whether both clinic records agree.
    pub in_sync: bool,
}

/// A log with two histories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkView {
    /// Its author.
    pub author: String,
    /// Where.
    pub place: String,
    /// Epoch, in hex.
    pub epoch: String,
}

/// Who signed for this node's audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessView {
    /// Name.
    pub name: String,
    /// Up to which number.
    pub seq: u64,
}
