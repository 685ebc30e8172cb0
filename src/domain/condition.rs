//! What a node tells its peers of itself: the version of its program, and how its backups stand.
//!
//! Nobody can check it. A peer is believed for itself and for nothing else, so what is told here is only shown
//! to people, and nothing is decided by it.

use std::fmt;
use std::time::Duration;

use minicbor::decode::{Decoder, Error};
use minicbor::encode::{Encoder, Write};
use minicbor::{Decode, Encode};

use super::backup::{History, Trouble};
use super::time::WallTime;

/// Longest version in bytes.
///
/// 64: three numbers, the name of a test version and the mark of a build, on one line of a list.
pub const VERSION_MAX: usize = 64;

/// The version of a program: `MAJOR.MINOR.PATCH`, and what may follow it by the rules of semver.org.
///
/// Letters, digits, dots, hyphens and one plus of ASCII: it can be shown as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProgramVersion(semver::Version);

impl ProgramVersion {
    /// Checks `text` and takes it as it is.
    pub fn new(text: &str) -> Option<Self> {
        let short = text.len() <= VERSION_MAX;
        short
            .then(|| semver::Version::parse(text).ok())
            .flatten()
            .map(Self)
    }

    /// The version of this very program.
    pub fn own() -> Self {
        Self::new(env!("CARGO_PKG_VERSION")).expect("cargo takes no other versions")
    }

    /// Whether `other` is a newer one. What stands behind a plus makes none newer (semver.org, rule 10).
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.0.cmp_precedence(&other.0).is_lt()
    }
}

impl fmt::Display for ProgramVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<C> Encode<C> for ProgramVersion {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.to_string())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for ProgramVersion {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, Error> {
        Self::new(d.str()?).ok_or_else(|| Error::message("not a version"))
    }
}

/// How a node's backups stand, by its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Backups {
    /// When the newest whole one was begun; none if none was ever made.
    #[n(0)]
    pub last: Option<WallTime>,
    /// Hours between two that the node makes by itself; none if it makes none.
    #[n(1)]
    pub every_hours: Option<u16>,
    /// Why the newest try failed, if it did and nothing was made since.
    #[n(2)]
    pub failed: Option<Trouble>,
}

impl Backups {
    /// What is told of a node's history and schedule.
    pub fn of(history: &History, every: Option<Duration>) -> Self {
        let hours = |every: Duration| u16::try_from(every.as_secs() / 3600).unwrap_or(u16::MAX);
        Self {
            last: history.last.map(|made| made.at),
            every_hours: every.map(hours),
            failed: history.failed.map(|failed| failed.why),
        }
    }

    /// How often the node makes them by itself, if it does.
    pub fn every(&self) -> Option<Duration> {
        let hours = self.every_hours?;
        Some(Duration::from_secs(u64::from(hours) * 3600))
    }
}

/// What a node tells of itself.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Condition {
    /// Of its program.
    #[n(0)]
    pub version: ProgramVersion,
    /// None where a program that embeds the node makes them otherwise.
    #[n(1)]
    pub backups: Option<Backups>,
}

/// A condition as another node remembers it, by its own clock.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Told {
    /// What was told.
    #[n(0)]
    pub condition: Condition,
    /// Since when the node has told this version of its program.
    #[n(1)]
    pub since: WallTime,
    /// When it was last heard without telling anything else.
    #[n(2)]
    pub heard: WallTime,
}

impl Told {
    /// What is remembered once `condition` is told at `now`.
    pub fn after(before: Option<&Self>, condition: Condition, now: WallTime) -> Self {
        let same = before.filter(|before| before.condition.version == condition.version);
        Self {
            since: same.map_or(now, |before| before.since),
            heard: now,
            condition,
        }
    }

    /// The same without moments that are yet to come: a clock that was ahead said them.
    pub fn sober(mut self, now: WallTime) -> Self {
        self.heard = self.heard.min(now);
        self.since = self.since.min(self.heard);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::backup::{By, Made};
    use crate::domain::codec;
    use crate::domain::testing::{NOON, days};

    fn condition(version: &str) -> Condition {
        Condition {
            version: ProgramVersion::new(version).expect("a version"),
            backups: None,
        }
    }

    #[test]
    fn a_version_can_be_shown_as_it_is_and_is_older_or_newer_than_another() {
        assert_eq!(ProgramVersion::own().to_string(), env!("CARGO_PKG_VERSION"));
        let fits = "1.2.3-".to_owned() + &"a".repeat(VERSION_MAX - 6);
        assert!(ProgramVersion::new(&fits).is_some());
        let long = fits + "a";
        for bad in [
            "",
            "1",
            "1.2",
            "01.2.3",
            "1.2.3 ",
            "1.2.3\n",
            "1.2.3-\u{202e}",
            "1.2.3-é",
            &long,
        ] {
            assert_eq!(ProgramVersion::new(bad), None, "{bad:?}");
        }
        let version = |text| ProgramVersion::new(text).expect("a version");
        assert!(version("0.9.0") < version("0.10.0-rc.1"));
        assert!(version("0.10.0-rc.1") < version("0.10.0"));
        assert!(version("0.9.0").is_older_than(&version("0.10.0-rc.1")));
        assert!(!version("0.9.0+a").is_older_than(&version("0.9.0+b")));
    }

    #[test]
    fn what_is_told_is_read_back_and_a_bad_version_in_it_is_not() {
        let told = condition("0.1.0");
        let bytes = codec::encode(&told);
        assert_eq!(codec::strict(&bytes, 64), Ok(told));
        let mut bad = bytes;
        let dot = { bad.iter() }.position(|byte| *byte == b'.');
        bad[dot.expect("a dot")] = b'\n';
        assert!(codec::strict::<Condition>(&bad, 64).is_err());
    }

    #[test]
    fn of_backups_is_told_when_the_newest_was_made_how_often_and_why_the_last_try_failed() {
        let mut history = History::default();
        let none = Backups::of(&history, None);
        assert_eq!(
            none,
            Backups {
                last: None,
                every_hours: None,
                failed: None
            }
        );
        history.made(Made {
            at: NOON,
            by: By::Schedule,
            bytes: 7,
        });
        history.fail(NOON.plus(days(1)), Trouble::NoRoom);
        let told = Backups::of(&history, Some(days(1)));
        assert_eq!(told.last, Some(NOON));
        assert_eq!(told.every(), Some(days(1)));
        assert_eq!(told.failed, Some(Trouble::NoRoom));
    }

    #[test]
    fn a_version_is_known_since_it_was_first_told() {
        let later = NOON.plus(days(1));
        let first = Told::after(None, condition("0.1.0"), NOON);
        let same = Told::after(Some(&first), condition("0.1.0"), later);
        assert_eq!((same.since, same.heard), (NOON, later));
        let other = Told::after(Some(&first), condition("0.2.0"), later);
        assert_eq!((other.since, other.heard), (later, later));
        let sober = other.sober(NOON);
        assert_eq!((sober.since, sober.heard), (NOON, NOON));
    }
}
