//! Backups through the API.

use serde::{Deserialize, Serialize};

/// Whom a backup is to be sealed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// Recipients, as `clinic-mesh backup key` prints them.
    pub to: Vec<String>,
}
