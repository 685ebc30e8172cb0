//! Time: wall clocks, calendar days, and the hybrid logical clock.

use std::fmt;
use std::time::Duration;

use minicbor::{Decode, Encode};

/// How far ahead of our clock another's timestamp may be before it is quarantined.
///
/// Five minutes: more than two well-meaning clocks differ, less than anyone gains by lying.
pub const AHEAD_MAX: Duration = Duration::from_secs(5 * 60);

/// Milliseconds of one day.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Milliseconds since 1970-01-01 UTC, as some machine's clock says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct WallTime(#[n(0)] pub u64);

impl WallTime {
    /// This time and `span` more; stops at the end of time.
    pub const fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.as_millis() as u64))
    }

    /// This time and `span` less; stops at 1970.
    pub const fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span.as_millis() as u64))
    }

    /// The UTC day this time falls on.
    pub const fn day(self) -> Day {
        let day = self.0 / DAY_MS;
        Day(if day > u32::MAX as u64 {
            u32::MAX
        } else {
            day as u32
        })
    }
}

impl fmt::Display for WallTime {
    /// ISO 8601 in UTC with seconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.0 / 1000 % 86_400;
        let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{}T{h:02}:{m:02}:{s:02}Z", self.day())
    }
}

/// The median of some differences between clocks; of an even number the one nearer to zero of the
/// two in the middle, so that one wrong clock of two is no proof of the other.
pub fn median(mut offsets: Vec<i64>) -> Option<i64> {
    offsets.sort_unstable();
    let middle = offsets.len() / 2;
    let upper = *offsets.get(middle)?;
    if offsets.len().is_multiple_of(2) {
        let lower = offsets[middle - 1];
        return Some(if lower.unsigned_abs() < upper.unsigned_abs() {
            lower
        } else {
            upper
        });
    }
    Some(upper)
}

/// One UTC day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Day(#[n(0)] pub u32);

impl Day {
    /// The day that never comes: what is kept until then is kept for good.
    pub const NEVER: Self = Self(u32::MAX);

    /// This day and `days` more.
    pub const fn plus(self, days: u32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// First millisecond of the day.
    pub const fn start(self) -> WallTime {
        WallTime(self.0 as u64 * DAY_MS)
    }

    /// Year, month and day of month (proleptic Gregorian).
    pub const fn date(self) -> (u32, u32, u32) {
        // Days-to-civil, after Howard Hinnant's "chrono-compatible low-level date algorithms".
        let z = self.0 as u64 + 719_468;
        let era = z / 146_097;
        let doe = z % 146_097;
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = doy - (153 * mp + 2) / 5 + 1;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + (month <= 2) as u64;
        (year as u32, month as u32, day as u32)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// A hybrid logical timestamp: 48 bits of milliseconds, 16 bits of counter.
///
/// After Kulkarni et al., "Logical Physical Clocks" (2014): never less than anything seen before,
/// and never far from the wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Hlc(#[n(0)] pub u64);

impl Hlc {
    /// The first timestamp of a wall time.
    pub const fn at(wall: WallTime) -> Self {
        Self(wall.0 << 16)
    }

    /// The wall-clock part.
    pub const fn wall(self) -> WallTime {
        WallTime(self.0 >> 16)
    }

    /// Whether a clock that says `now` should quarantine this timestamp.
    pub const fn too_far_ahead(self, now: WallTime) -> bool {
        self.wall().0 > now.plus(AHEAD_MAX).0
    }
}

/// A node's hybrid logical clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    last: Hlc,
}

impl Clock {
    /// A clock that has seen `last`.
    pub const fn resume(last: Hlc) -> Self {
        Self { last }
    }

    /// A timestamp for something that happens at `now`, later than every earlier one.
    pub fn tick(&mut self, now: WallTime) -> Hlc {
        self.last = Hlc::at(now).max(Hlc(self.last.0 + 1));
        self.last
    }

    /// Notes a timestamp that was accepted from elsewhere.
    pub fn observe(&mut self, seen: Hlc) {
        self.last = self.last.max(seen);
    }

    /// The latest timestamp given or seen.
    pub const fn last(self) -> Hlc {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_the_calendars() {
        for (day, text) in [
            (0, "1970-01-01"),
            (11_016, "2000-02-29"),
            (20_778, "2026-11-21"),
        ] {
            assert_eq!(Day(day).to_string(), text);
        }
        assert_eq!(
            WallTime(1_795_301_105_000).to_string(),
            "2026-11-21T22:45:05Z"
        );
    }

    #[test]
    fn the_clock_never_repeats_and_never_goes_back_with_the_wall_clock() {
        let mut clock = Clock::default();
        let first = clock.tick(WallTime(1000));
        let second = clock.tick(WallTime(1000));
        let third = clock.tick(WallTime(10));
        assert!(first < second && second < third);
        assert!(clock.tick(WallTime(2000)) == Hlc::at(WallTime(2000)));
    }

    #[test]
    fn one_wrong_clock_of_many_does_not_move_the_median() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![7]), Some(7));
        assert_eq!(median(vec![10_800_000, 3]), Some(3));
        assert_eq!(median(vec![-10_800_000, -3]), Some(-3));
        assert_eq!(median(vec![5, -34_560_000_000, 1]), Some(1));
        assert_eq!(median(vec![i64::MIN, i64::MAX, 0]), Some(0));
    }

    #[test]
    fn what_was_seen_comes_before_what_is_written_next() {
        let mut clock = Clock::default();
        clock.observe(Hlc::at(WallTime(5000)));
        assert!(clock.tick(WallTime(1)) > Hlc::at(WallTime(5000)));
    }

    #[test]
    fn a_timestamp_is_too_far_ahead_after_five_minutes() {
        let now = WallTime(1_000_000);
        assert!(!Hlc::at(now.plus(AHEAD_MAX)).too_far_ahead(now));
        assert!(Hlc::at(WallTime(now.plus(AHEAD_MAX).0 + 1)).too_far_ahead(now));
    }
}
