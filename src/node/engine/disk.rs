//! What the engine asks of the disk, and what it gets.

use std::sync::Arc;

use super::types::{Candidates, CommitId};
use crate::domain::attest::Attestation;
use crate::domain::id::{DeviceId, Hash};
use crate::domain::log::{Entry, Head, Header, Log, Segment};
use crate::domain::message::{EntryId, Message, Position};
use crate::domain::retraction::Retraction;
use crate::domain::sighting::Sighting;
use crate::domain::sign::Signature;
use crate::domain::space::Space;
use crate::domain::time::Day;
use crate::domain::trust::MeshKey;
use crate::domain::words::Query;

/// One atomic change of the store.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Its number.
    pub id: CommitId,
    /// Segments to append, each following what the store holds or an earlier one in the list.
    pub segments: Vec<Arc<Segment>>,
    /// Attestations that replace earlier ones of the same subject.
    pub attestations: Vec<Attestation>,
    /// Logs found forked, with the proof.
    pub forks: Vec<Fork>,
    /// Mesh keys learnt.
    pub mesh_keys: Vec<(u32, MeshKey)>,
    /// The horizon, where it moves.
    pub horizon: Option<Day>,
    /// Spaces to destroy with their keys.
    pub drops: Vec<Space>,
    /// Retractions: no body they name is kept, not even one in this very commit.
    pub retractions: Vec<Retraction>,
    /// What to remember of other nodes, in the place of what was remembered before.
    pub sightings: Vec<(DeviceId, Sighting)>,
}

/// Proof that an author signed two histories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The log.
    pub log: Log,
    /// What this node holds, with the author's signature.
    pub held: (Head, Signature),
    /// What was shown, with the author's signature.
    pub shown: (Head, Signature),
}

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// Segments of one log from a number on, about so many bytes of bodies, at least one segment.
    Segments {
        /// Which log.
        log: Log,
        /// First number.
        from: u64,
        /// Bytes after which to stop.
        bytes: usize,
    },
    /// The header hash at a number.
    HashAt {
        /// Which log.
        log: Log,
        /// Which number.
        seq: u64,
    },
    /// The newest entries of a space before a position, newest first.
    Page {
        /// Which space.
        space: Space,
        /// Before where; none for the end.
        before: Option<Position>,
        /// At most how many.
        limit: usize,
    },
    /// Everything in a conversation, without its words.
    Facts {
        /// Which conversation.
        space: Space,
    },
    /// Messages in some conversations that seem to say something, those said last first.
    Search {
        /// What to look for.
        query: Query,
        /// In which conversations.
        spaces: Vec<Space>,
        /// Before where; none for the end.
        before: Option<Position>,
        /// At most how many.
        limit: usize,
    },
    /// Single entries, as far as they are held.
    Entries {
        /// Which.
        ids: Vec<EntryId>,
    },
}

/// What was read.
#[derive(Clone, Debug)]
pub enum Loaded {
    /// For [`Load::Segments`]; empty if the log ends before.
    Segments(Vec<Segment>),
    /// For [`Load::HashAt`].
    HashAt(Option<Hash>),
    /// For [`Load::Page`].
    Page(Vec<(EntryId, Entry)>),
    /// For [`Load::Facts`].
    Facts(Vec<(EntryId, Header, Message)>),
    /// For [`Load::Search`].
    Found(Candidates),
    /// For [`Load::Entries`].
    Entries(Vec<(EntryId, Entry)>),
}
