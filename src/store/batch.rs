//! What is written together: a batch is durable as a whole or not at all.

use crate::domain::attest::Attestation;
use crate::domain::log::{Head, Log, Segment};
use crate::domain::retraction::Retraction;
use crate::domain::space::Space;
use crate::domain::time::{Day, WallTime};

/// Everything one commit changes. Plain data; nothing is checked again but that logs have no gaps.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Verified segments, each following what the store holds of its log. A log begins with its
    /// first segment.
    pub appends: Vec<Append>,
    /// Verified attestations; of each subject the furthest is kept.
    pub attestations: Vec<Attestation>,
    /// Named values of the node itself.
    pub metas: Vec<Meta>,
    /// Proofs that an author used one number twice.
    pub forks: Vec<Fork>,
    /// Horizons to advance; what falls behind them is destroyed soon after the commit.
    pub horizons: Vec<Horizon>,
    /// Spaces to forget altogether, destroyed soon after the commit.
    pub drops: Vec<Space>,
    /// Verified retractions: no body they name is kept from here on, and those that are held are
    /// destroyed soon after the commit.
    pub retractions: Vec<Retraction>,
}

impl Batch {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.appends.is_empty()
            && self.attestations.is_empty()
            && self.metas.is_empty()
            && self.forks.is_empty()
            && self.horizons.is_empty()
            && self.drops.is_empty()
            && self.retractions.is_empty()
    }

    /// Whether its commit is followed by a purge.
    pub(crate) fn destroys(&self) -> bool {
        !self.horizons.is_empty() || !self.drops.is_empty() || !self.retractions.is_empty()
    }

    /// About how many bytes it writes.
    pub(crate) fn weight(&self) -> usize {
        let segments = self.appends.iter().map(|append| &append.segment);
        segments
            .map(|segment| segment.body_bytes() + 100 * segment.entries.len())
            .sum()
    }
}

/// A verified segment to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The segment.
    pub segment: Segment,
    /// The log's head after it, as verification found.
    pub end: Head,
    /// When it came to this node.
    pub arrived: WallTime,
}

/// One named value of the node: its keys, its certificate, remembered addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The name.
    pub name: String,
    /// The value, or none to remove it.
    pub value: Option<Vec<u8>>,
}

/// The proof of a fork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The log that has two entries of one number.
    pub log: Log,
    /// Both, as they were received.
    pub proof: Vec<u8>,
}

/// The first day still alive somewhere. Horizons only grow; a smaller one changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// Where.
    pub reach: Reach,
    /// Bodies whose last day is before this one are destroyed.
    pub first_alive: Day,
}

/// Where a horizon holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// In every space: the days that are simply over. Costs one rewrite of the keyring.
    Everywhere,
    /// In one space, ahead of the others: what stays alive in it is sealed again under another key.
    Space(Space),
}
