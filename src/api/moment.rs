//! Times in answers.

use serde::{Deserialize, Serialize};

use crate::domain::time::{Hlc, WallTime};

/// A moment: for people and for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// ISO 8601 in UTC, to the second.
    pub iso: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub ms: u64,
}

impl Moment {
    /// The moment as our own type.
    pub const fn wall(&self) -> WallTime {
        WallTime(self.ms)
    }
}

impl From<WallTime> for Moment {
    fn from(at: WallTime) -> Self {
        Self {
            iso: at.to_string(),
            ms: at.0,
        }
    }
}

impl From<Hlc> for Moment {
    fn from(at: Hlc) -> Self {
        at.wall().into()
    }
}
