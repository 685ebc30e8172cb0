//! What a node remembers of another node: when it was last heard, and when it was heard to enforce what.

use minicbor::{Decode, Encode};

use super::codec::{self, CodecError};
use super::statement::StatementId;
use super::time::WallTime;

/// The version of [`Sighting`].
pub const VERSION: u8 = 1;

/// Most revocations whose moment is remembered for one node.
///
/// Sixty-four: more than a clinic revokes in a year. Of older ones it is still known that they are enforced,
/// only not since when.
pub const HEARD_MAX: usize = 64;

/// Largest encoding of a sighting: sixty-four statements with their moments, and room to spare.
const SIGHTING_MAX: usize = 8 * 1024;

/// What is remembered of one node, by this node's clock.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Sighting {
    /// Format version, 1.
    #[n(0)]
    version: u8,
    /// When anything was last heard of it on a secure channel.
    #[n(1)]
    pub last: Option<WallTime>,
    /// When it was last heard while its clinic record held nothing that this node lacked.
    #[n(2)]
    pub level: Option<WallTime>,
    /// When its word came that it holds a revocation, oldest first.
    #[n(3)]
    heard: Vec<HeardOf>,
}

/// When a node's word came that it holds one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct HeardOf {
    #[n(0)]
    statement: StatementId,
    #[n(1)]
    at: WallTime,
}

impl Default for Sighting {
    fn default() -> Self {
        Self {
            version: VERSION,
            last: None,
            level: None,
            heard: Vec::new(),
        }
    }
}

impl Sighting {
    /// Reads what was kept.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let sighting: Self = codec::strict(bytes, SIGHTING_MAX)?;
        if sighting.version == VERSION && sighting.heard.len() <= HEARD_MAX {
            Ok(sighting)
        } else {
            Err(CodecError::Malformed)
        }
    }

    /// What is kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Notes when the word on a statement came; the first time counts. Says whether it was the first.
    pub fn hear_of(&mut self, statement: StatementId, at: WallTime) -> bool {
        if self.heard_of(&statement).is_some() {
            return false;
        }
        if self.heard.len() >= HEARD_MAX {
            self.heard.remove(0);
        }
        self.heard.push(HeardOf { statement, at });
        true
    }

    /// When the word on a statement came, if that is remembered.
    pub fn heard_of(&self, statement: &StatementId) -> Option<WallTime> {
        let known = self
            .heard
            .iter()
            .find(|heard| heard.statement == *statement);
        known.map(|heard| heard.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::AuthorId;

    fn statement(seq: u64) -> StatementId {
        let author = AuthorId::new([3; 32]);
        StatementId { author, seq }
    }

    #[test]
    fn the_first_word_counts_and_the_oldest_are_forgotten_first() {
        let mut sighting = Sighting::default();
        assert!(sighting.hear_of(statement(0), WallTime(5)));
        assert!(!sighting.hear_of(statement(0), WallTime(6)));
        assert_eq!(sighting.heard_of(&statement(0)), Some(WallTime(5)));
        for seq in 1..=HEARD_MAX as u64 {
            sighting.hear_of(statement(seq), WallTime(seq));
        }
        assert_eq!(sighting.heard_of(&statement(0)), None);
        assert_eq!(sighting.heard_of(&statement(1)), Some(WallTime(1)));
    }

    #[test]
    fn what_is_kept_is_read_back_at_its_fullest() {
        let mut sighting = Sighting {
            last: Some(WallTime(u64::MAX)),
            level: Some(WallTime(u64::MAX)),
            ..Sighting::default()
        };
        for seq in 0..HEARD_MAX as u64 {
            sighting.hear_of(statement(u64::MAX - seq), WallTime(u64::MAX));
        }
        assert_eq!(Sighting::from_bytes(&sighting.to_bytes()), Ok(sighting));
        assert!(Sighting::from_bytes(&[0x84]).is_err());
    }
}
