//! What the doctor asks a running node.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Addresses that one question may name: a machine's, with each of its interfaces.
pub const ADDRESSES_MAX: usize = 16;

/// Longest wait for those who are away, in milliseconds.
pub const PATIENCE_MAX: u64 = 8_000;

/// What the node is to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoctorRequest {
    /// Addresses to try once more, besides everyone who is away.
    pub addresses: Vec<String>,
    /// How long to wait for that, in milliseconds; with 0 nobody is tried.
    pub patience: u64,
}

/// What the node has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorView {
    /// Facts for the doctor's rules: a [`Node`](crate::doctor::facts::Node).
    pub node: Value,
}
