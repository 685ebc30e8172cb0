//! The clinic record, for admins' tools: signed segments out, signed segments in.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A part of the clinic record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordPart {
    /// Segments, each in base64.
    pub segments: Vec<String>,
    /// The `from` of the next part, if there is one.
    pub next: Option<usize>,
}

/// Signed segments for the clinic record.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmitRequest {
    /// Segments, each in base64.
    pub segments: Vec<String>,
    /// Mesh keys that statements in them commit to.
    #[serde(default)]
    pub mesh_keys: Vec<MeshKeyText>,
}

/// A mesh key beside its statement.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct MeshKeyText {
    /// Its number.
    pub epoch: u32,
    /// The key in base64.
    pub key: String,
}

impl std::fmt::Debug for MeshKeyText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MeshKeyText({})", self.epoch)
    }
}

/// What became of submitted segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// Statements that do not count.
    pub void: Vec<VoidStatement>,
}

/// A statement that does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoidStatement {
    /// Who signed it.
    pub author: String,
    /// Its number in the signer's log.
    pub seq: u64,
    /// Why.
    pub why: String,
}

/// Where a device's logs end at this node: what its revocation names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndsView {
    /// Ends, each a base64 of its encoding.
    pub ends: Vec<String>,
}
