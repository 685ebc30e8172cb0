//! How browsers reach a node, and why they trust it.

use serde::{Deserialize, Serialize};

use super::moment::Moment;

/// How browsers reach this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebView {
    /// What people type, for each open door.
    pub addresses: Vec<String>,
    /// The node's device id.
    pub device: String,
    /// The node's name.
    pub name: String,
    /// The node's key for browsers.
    pub key: String,
    /// The names in its certificate.
    pub names: Vec<String>,
    /// When its certificate ends, if it has one.
    pub until: Option<Moment>,
    /// The certificate of the web CA that signed it, in PEM: what staff trust once.
    pub authority: Option<String>,
    /// SHA-256 of that certificate, to be compared.
    pub fingerprint: Option<String>,
}
