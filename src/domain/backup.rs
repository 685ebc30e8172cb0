//! When a node was last backed up, when the next backup is due, and when that is too long ago.

use std::time::Duration;

use minicbor::{Decode, Encode};

use super::codec::{self, CodecError};
use super::time::{AHEAD_MAX, WallTime};

/// The version of [`History`].
pub const VERSION: u8 = 1;

/// How old a backup may be before somebody is told, where the node makes none by itself.
///
/// Two days: whoever makes one every evening is not told on the next morning, and is told after one
/// that was forgotten.
pub const UNSCHEDULED_MAX: Duration = Duration::from_secs(2 * 24 * 3600);

/// How long after a backup that failed the next try is.
///
/// A quarter of an hour: a stick that is plugged in again is soon noticed, and a disk that is full is
/// not read again and again.
pub const RETRY: Duration = Duration::from_secs(15 * 60);

/// Largest encoding of a history: some numbers.
const SIZE_MAX: usize = 256;

/// Who made a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum By {
    /// The node, by its settings; it has opened and checked the whole file.
    #[n(0)]
    Schedule,
    /// Somebody with a command; what became of the file then is not known here.
    #[n(1)]
    Command,
}

/// A backup that was made whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Made {
    /// When it was begun: what came later is not in it.
    #[n(0)]
    pub at: WallTime,
    /// Who made it.
    #[n(1)]
    pub by: By,
    /// Its size.
    #[n(2)]
    pub bytes: u64,
}

/// Why the node made no backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Trouble {
    /// The folder is not there.
    #[n(0)]
    NoFolder,
    /// The folder, or the disk it is on, refuses.
    #[n(1)]
    Folder,
    /// There is too little room.
    #[n(2)]
    NoRoom,
    /// What was written is not what is read back, or does not open.
    #[n(3)]
    Unsound,
    /// What the backup is made of could not be read.
    #[n(4)]
    Source,
}

/// A backup that was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Failed {
    /// When.
    #[n(0)]
    pub at: WallTime,
    /// Why.
    #[n(1)]
    pub why: Trouble,
}

/// When the newest backup was made, unless a clock that was ahead says so: such a backup would count as
/// fresh for as long as the clock was ahead.
pub fn sober(last: Option<WallTime>, now: WallTime) -> Option<WallTime> {
    last.filter(|at| *at <= now.plus(AHEAD_MAX))
}

/// From when on somebody should look why there is no newer backup than the one of `last`.
///
/// `every` is how often the node makes one by itself, if it does; `since` when there was first something to
/// back up.
pub fn late_from(last: Option<WallTime>, every: Option<Duration>, since: WallTime) -> WallTime {
    // Half as long again: a machine that is off over night makes up for it in the morning.
    let patience = every.map_or(UNSCHEDULED_MAX, |every| every + every / 2);
    last.unwrap_or(since).plus(patience)
}

/// What a node remembers of its backups, by its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct History {
    /// Format version, 1.
    #[n(0)]
    version: u8,
    /// The newest one.
    #[n(1)]
    pub last: Option<Made>,
    /// The newest try, if it failed and nothing was made since.
    #[n(2)]
    pub failed: Option<Failed>,
}

impl Default for History {
    fn default() -> Self {
        Self {
            version: VERSION,
            last: None,
            failed: None,
        }
    }
}

impl History {
    /// Reads what was kept.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let history: Self = codec::strict(bytes, SIZE_MAX)?;
        if history.version == VERSION {
            Ok(history)
        } else {
            Err(CodecError::Malformed)
        }
    }

    /// What is kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// A backup was made.
    pub fn made(&mut self, made: Made) {
        self.last = Some(made);
        self.failed = None;
    }

    /// A backup was not made. Says whether that is news: another reason than before, or the first time.
    pub fn fail(&mut self, at: WallTime, why: Trouble) -> bool {
        let before = self.failed.replace(Failed { at, why });
        before.is_none_or(|before| before.why != why)
    }

    fn sober_last(&self, now: WallTime) -> Option<WallTime> {
        sober(self.last.map(|made| made.at), now)
    }

    /// See [`late_from`].
    pub fn late_from(&self, every: Option<Duration>, since: WallTime, now: WallTime) -> WallTime {
        late_from(self.sober_last(now), every, since)
    }

    /// When the node makes the next backup; in the past if it is overdue.
    pub fn next(&self, every: Duration, now: WallTime) -> WallTime {
        let due = self.sober_last(now).map_or(now, |at| at.plus(every));
        // A try that failed at a time that is yet to come says nothing.
        let failed = self.failed.filter(|failed| failed.at <= now);
        failed.map_or(due, |failed| due.max(failed.at.plus(RETRY)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{NOON, days};

    const DAILY: Duration = Duration::from_secs(24 * 3600);

    fn made(at: WallTime) -> History {
        let mut history = History::default();
        history.made(Made {
            at,
            by: By::Schedule,
            bytes: 7,
        });
        history
    }

    #[test]
    fn a_backup_is_due_at_once_where_there_is_none_and_then_by_the_clock() {
        assert_eq!(History::default().next(DAILY, NOON), NOON);
        assert_eq!(made(NOON).next(DAILY, NOON), NOON.plus(DAILY));
    }

    #[test]
    fn what_failed_is_tried_again_soon_and_not_at_once() {
        let mut history = made(NOON);
        let late = NOON.plus(days(2));
        assert!(history.fail(late, Trouble::NoFolder));
        assert!(!history.fail(late, Trouble::NoFolder), "no news");
        assert_eq!(history.next(DAILY, late), late.plus(RETRY));
        assert!(history.fail(late, Trouble::NoRoom));
        history.made(Made {
            at: late,
            by: By::Schedule,
            bytes: 7,
        });
        assert_eq!(history.failed, None);
        assert!(history.fail(late, Trouble::NoRoom), "anew");
    }

    #[test]
    fn it_is_late_two_days_after_the_last_one_or_half_a_turn_after_it_was_due() {
        let history = made(NOON);
        assert_eq!(history.late_from(None, NOON, NOON), NOON.plus(days(2)));
        let daily = history.late_from(Some(DAILY), NOON, NOON);
        assert_eq!(daily, NOON.plus(DAILY + DAILY / 2));
        let never = History::default().late_from(None, NOON, NOON.plus(days(9)));
        assert_eq!(never, NOON.plus(days(2)));
    }

    #[test]
    fn a_clock_that_was_ahead_makes_no_backup_fresh_and_puts_none_off() {
        let mut ahead = made(NOON.plus(days(400)));
        assert_eq!(ahead.next(DAILY, NOON), NOON);
        assert_eq!(
            ahead.late_from(None, NOON.minus(days(9)), NOON),
            NOON.minus(days(7))
        );
        ahead.fail(NOON.plus(days(400)), Trouble::NoRoom);
        assert_eq!(ahead.next(DAILY, NOON), NOON);
    }

    #[test]
    fn what_is_kept_is_read_back() {
        let mut history = made(WallTime(u64::MAX));
        history.fail(WallTime(u64::MAX), Trouble::Source);
        assert_eq!(History::from_bytes(&history.to_bytes()), Ok(history));
        assert!(History::from_bytes(&[0x83, 2, 0xf6, 0xf6]).is_err());
    }
}
