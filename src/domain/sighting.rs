//! What a node remembers of another node: when it was last heard, when it was heard to enforce what, and what
//! it told of itself.

use minicbor::{Decode, Encode};

use super::codec::{self, CodecError};
use super::condition::{Condition, Told};
use super::statement::StatementId;
use super::time::WallTime;

/// The version of a [`Sighting`] of a node that told nothing of itself.
pub const VERSION: u8 = 1;

/// The version of one that did.
pub const VERSION_TOLD: u8 = 2;

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
    /// Format version: 2 where the node told something of itself.
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
    /// What it told of itself.
    #[n(4)]
    told: Option<Told>,
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
            told: None,
        }
    }
}

impl Sighting {
    /// Reads what was kept.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let sighting: Self = codec::strict(bytes, SIGHTING_MAX)?;
        if sighting.version == version(&sighting.told) && sighting.heard.len() <= HEARD_MAX {
            Ok(sighting)
        } else {
            Err(CodecError::Malformed)
        }
    }

    /// What is kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// What it told of itself.
    pub fn told(&self) -> Option<&Told> {
        self.told.as_ref()
    }

    /// Notes what it tells of itself.
    pub fn tell(&mut self, condition: &Condition, now: WallTime) {
        let told = Told::after(self.told.as_ref(), condition.clone(), now);
        self.remember(Some(told));
    }

    /// It is heard, and tells nothing else than before.
    pub fn confirm(&mut self, now: WallTime) {
        if let Some(told) = &mut self.told {
            told.heard = now;
        }
    }

    /// What it told is so no more.
    pub fn forget_told(&mut self) {
        self.remember(None);
    }

    /// The same without moments of what it told that are yet to come at `now`.
    pub fn sober_told(&mut self, now: WallTime) {
        self.told = self.told.take().map(|told| told.sober(now));
    }

    fn remember(&mut self, told: Option<Told>) {
        self.version = version(&told);
        self.told = told;
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

const fn version(told: &Option<Told>) -> u8 {
    match told {
        None => VERSION,
        Some(_) => VERSION_TOLD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::backup::Trouble;
    use crate::domain::condition::{self, Backups, ProgramVersion};
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
        let version = "1.2.3-".to_owned() + &"a".repeat(condition::VERSION_MAX - 6);
        let fullest = Condition {
            version: ProgramVersion::new(&version).expect("a version"),
            backups: Some(Backups {
                last: Some(WallTime(u64::MAX)),
                every_hours: Some(u16::MAX),
                failed: Some(Trouble::Source),
            }),
        };
        sighting.tell(&fullest, WallTime(u64::MAX));
        assert_eq!(Sighting::from_bytes(&sighting.to_bytes()), Ok(sighting));
        assert!(Sighting::from_bytes(&[0x84]).is_err());
    }

    #[test]
    fn a_row_without_what_was_told_is_of_version_1_and_one_with_it_of_version_2() {
        let mut sighting = Sighting::default();
        let own = Condition {
            version: ProgramVersion::own(),
            backups: None,
        };
        sighting.tell(&own, WallTime(5));
        let told = sighting.to_bytes();
        assert_eq!(told[1], VERSION_TOLD);
        assert_eq!(Sighting::from_bytes(&told), Ok(sighting.clone()));
        let mut claims_less = told.clone();
        claims_less[1] = VERSION;
        assert!(Sighting::from_bytes(&claims_less).is_err());
        sighting.forget_told();
        assert_eq!(sighting.to_bytes()[1], VERSION);
        assert_eq!(sighting, Sighting::default());
    }
}
