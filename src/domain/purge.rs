//! Which day is certainly over: the rule that lets a node destroy bodies.
//!
//! What is destroyed is gone, so one clock that leaps ahead must not empty a node. A day counts as
//! over only when this node's clock says so and a peer's clock agrees, or nobody is there to ask. Whoever
//! hears nobody goes by its own clock, but no further than time can have passed since somebody agreed: a
//! clock that leaps ahead makes the certificates of all peers look ended, so it cuts itself off. On
//! the other side no clock, however wrong, brings a day back: the horizon only grows.

use std::time::Duration;

use super::time::{self, Day, WallTime};

/// How long a peer's report stays good.
///
/// An hour: connected peers report with every heartbeat, and one that fell silent is no witness.
pub const REPORT_MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// How long a node that hears nobody keeps running before its own clock is enough.
///
/// A day: an office that was cut off still forgets on time, and a clock that is wrong for an hour
/// after a dead battery destroys nothing.
pub const ALONE_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// How many days a node that starts believes to have been off, by nothing but its own clock.
///
/// Four: a machine that is switched off over a long weekend, in an office that is cut off, ends its days in
/// time. A clock that was set wrong meanwhile destroys nothing more than four days early.
pub const OFF_MAX_DAYS: u32 = 4;

/// What a peer's clock said, and how long ago that was by this node's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The peer's clock.
    pub said: WallTime,
    /// How long ago it said so.
    pub age: Duration,
}

/// Whether the clinic has other nodes to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// The record lists no other node.
    Alone,
    /// It lists at least one more.
    Others,
}

/// What is known of the time.
#[derive(Clone, Copy, Debug)]
pub struct Clocks<'a> {
    /// This node's clock.
    pub own: WallTime,
    /// The furthest that time can have come by what this node knows: the last moment that was confirmed, or
    /// the one that it [`resumed`] at, and what has passed since by a clock that nobody sets. `None` where it
    /// never knew of any.
    pub credible: Option<WallTime>,
    /// What peers said lately.
    pub reports: &'a [Report],
    /// How long this node has run, by a clock that nobody sets.
    pub uptime: Duration,
    /// How long ago the last peer was heard, if any was since the start.
    pub unheard: Option<Duration>,
    /// Whether there is anybody to ask.
    pub company: Company,
}

/// The day that it certainly is at least: days before it are over.
///
/// Never later than this node's own clock says, and never later than every peer's. `None` when
/// nothing confirms the own clock yet.
pub fn trusted_today(clocks: &Clocks<'_>) -> Option<Day> {
    let own = clocks.own.day();
    if clocks.company == Company::Alone {
        return Some(own);
    }
    let fresh = clocks
        .reports
        .iter()
        .filter(|one| one.age <= REPORT_MAX_AGE);
    let confirmed = fresh.map(|one| one.said.plus(one.age).day()).max();
    match confirmed {
        Some(theirs) => Some(own.min(theirs)),
        None if unheard_for(clocks) >= ALONE_AFTER => {
            let credible = clocks.credible?;
            Some(own.min(credible.day()))
        }
        None => None,
    }
}

/// The moment that has come for certain: by this node's clock, and by the median of what its peers
/// say of theirs. `None` while nobody has told.
///
/// A clock that is set back later does not bring a certificate's life back with it.
pub fn confirmed(own: WallTime, reports: &[Report]) -> Option<WallTime> {
    let fresh = reports.iter().filter(|one| one.age <= REPORT_MAX_AGE);
    let offset = |one: &Report| (one.said.plus(one.age).0 as i64).saturating_sub(own.0 as i64);
    let offset = time::median(fresh.map(offset).collect())?;
    Some(WallTime(own.0.saturating_add_signed(offset.min(0))))
}

/// The moment that a node which starts with `horizon` goes on from until a peer confirms one: its own clock's,
/// if that is at most [`OFF_MAX_DAYS`] further, and else the horizon's beginning, which had come. `None` where no
/// day ever ended: there is nothing to compare the clock with.
pub fn resumed(horizon: Day, own: WallTime) -> Option<WallTime> {
    let believed = horizon..=horizon.plus(OFF_MAX_DAYS);
    if horizon == Day(0) {
        None
    } else if believed.contains(&own.day()) {
        Some(own)
    } else {
        Some(horizon.start())
    }
}

fn unheard_for(clocks: &Clocks<'_>) -> Duration {
    clocks.unheard.unwrap_or(clocks.uptime).min(clocks.uptime)
}

/// The horizon after hearing of `today`: the first day still alive. It never goes back.
pub fn advance(horizon: Day, today: Option<Day>) -> Day {
    today.map_or(horizon, |today| horizon.max(today))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{NOON, days, minutes};

    const MINUTE: Duration = Duration::from_secs(60);

    fn clocks(own: WallTime, reports: &[Report]) -> Clocks<'_> {
        Clocks {
            own,
            credible: Some(own),
            reports,
            uptime: minutes(10),
            unheard: None,
            company: Company::Others,
        }
    }

    fn heard(said: WallTime) -> Report {
        Report { said, age: MINUTE }
    }

    #[test]
    fn a_moment_has_come_when_this_clock_and_the_median_of_the_others_say_so() {
        let moment = |own, said: &[WallTime]| {
            let reports: Vec<Report> = said.iter().map(|said| heard(said.minus(MINUTE))).collect();
            confirmed(own, &reports)
        };
        let (ahead, behind) = (NOON.plus(days(400)), NOON.minus(days(400)));
        assert_eq!(moment(NOON, &[]), None);
        assert_eq!(moment(NOON, &[NOON, NOON]), Some(NOON));
        assert_eq!(moment(ahead, &[NOON, NOON]), Some(NOON), "own leaps ahead");
        assert_eq!(
            moment(behind, &[NOON, NOON]),
            Some(behind),
            "own falls back"
        );
        assert_eq!(
            moment(NOON, &[ahead, NOON, NOON]),
            Some(NOON),
            "a peer leaps ahead"
        );
        assert_eq!(
            moment(NOON, &[behind, NOON, NOON]),
            Some(NOON),
            "a peer falls back"
        );
        let old = Report {
            said: ahead,
            age: REPORT_MAX_AGE + MINUTE,
        };
        assert_eq!(confirmed(NOON, &[old]), None);
    }

    #[test]
    fn a_day_is_over_only_when_this_clock_and_a_peers_say_so() {
        let today = NOON.day();
        let yesterday = NOON.minus(days(1));
        let forward = NOON.plus(days(400));
        let back = NOON.minus(days(400));
        let table: [(&str, WallTime, &[WallTime], Option<Day>); 11] = [
            ("all agree", NOON, &[NOON, NOON], Some(today)),
            ("one agrees", NOON, &[NOON], Some(today)),
            ("nobody was heard", NOON, &[], None),
            ("own leaps ahead", forward, &[NOON, NOON], Some(today)),
            ("own leaps ahead, nobody was heard", forward, &[], None),
            ("own falls back", back, &[NOON, NOON], Some(back.day())),
            ("a peer leaps ahead", NOON, &[forward], Some(today)),
            ("a peer falls back", NOON, &[back, NOON], Some(today)),
            ("the only peer falls back", NOON, &[back], Some(back.day())),
            (
                "the only peer is a day behind",
                NOON,
                &[yesterday],
                Some(yesterday.day()),
            ),
            (
                "both leap ahead",
                forward,
                &[forward, NOON],
                Some(forward.day()),
            ),
        ];
        for (case, own, said, expected) in table {
            let reports: Vec<Report> = said.iter().map(|said| heard(*said)).collect();
            assert_eq!(trusted_today(&clocks(own, &reports)), expected, "{case}");
        }
    }

    #[test]
    fn the_day_ends_at_midnight_and_not_before() {
        let midnight = Day(NOON.day().0 + 1).start();
        let before = WallTime(midnight.0 - 1);
        let reports = [Report {
            said: midnight,
            age: Duration::ZERO,
        }];
        let day = |own| trusted_today(&clocks(own, &reports));
        assert_eq!(day(before), Some(before.day()));
        assert_eq!(day(midnight), Some(midnight.day()));
    }

    #[test]
    fn time_passes_for_a_report_too() {
        let midnight = Day(NOON.day().0 + 1).start();
        let reports = [Report {
            said: midnight.minus(minutes(5)),
            age: minutes(5),
        }];
        let today = trusted_today(&clocks(midnight, &reports));
        assert_eq!(today, Some(midnight.day()));
    }

    #[test]
    fn an_old_report_confirms_nothing() {
        let old = |age| [Report { said: NOON, age }];
        assert!(trusted_today(&clocks(NOON, &old(REPORT_MAX_AGE))).is_some());
        let too_old = old(REPORT_MAX_AGE + MINUTE);
        assert_eq!(trusted_today(&clocks(NOON, &too_old)), None);
    }

    #[test]
    fn a_clinic_of_one_node_trusts_its_own_clock() {
        let alone = Clocks {
            company: Company::Alone,
            ..clocks(NOON, &[])
        };
        assert_eq!(trusted_today(&alone), Some(NOON.day()));
    }

    #[test]
    fn a_node_that_heard_nobody_for_a_day_of_running_trusts_its_own_clock() {
        let cut_off = |uptime, unheard| {
            trusted_today(&Clocks {
                uptime,
                unheard,
                ..clocks(NOON, &[])
            })
        };
        assert_eq!(cut_off(days(1), None), Some(NOON.day()));
        assert_eq!(cut_off(days(1) - MINUTE, None), None);
        assert_eq!(cut_off(days(9), Some(days(1))), Some(NOON.day()));
        assert_eq!(cut_off(days(9), Some(minutes(90))), None);
        // A wall clock that leapt does not make the node older.
        assert_eq!(cut_off(minutes(10), Some(days(400))), None);
    }

    #[test]
    fn a_node_that_hears_nobody_trusts_its_own_clock_no_further_than_time_can_have_passed() {
        let cut_off = |own: WallTime, credible: WallTime| {
            trusted_today(&Clocks {
                uptime: days(9),
                unheard: Some(days(1)),
                credible: Some(credible),
                ..clocks(own, &[])
            })
        };
        let (ahead, behind) = (NOON.plus(days(40)), NOON.minus(days(40)));
        assert_eq!(cut_off(NOON, NOON), Some(NOON.day()));
        assert_eq!(cut_off(ahead, NOON), Some(NOON.day()));
        assert_eq!(cut_off(NOON, behind), Some(behind.day()));
        assert_eq!(cut_off(behind, NOON), Some(behind.day()));
    }

    #[test]
    fn what_is_credible_binds_nobody_who_is_told_or_alone_in_the_clinic() {
        let behind = NOON.minus(days(40));
        let reports = [heard(NOON)];
        let mut told = clocks(NOON, &reports);
        told.credible = Some(behind);
        assert_eq!(trusted_today(&told), Some(NOON.day()));
        let mut alone = clocks(NOON, &[]);
        (alone.credible, alone.company) = (None, Company::Alone);
        assert_eq!(trusted_today(&alone), Some(NOON.day()));
    }

    #[test]
    fn a_long_weekend_is_believed_and_a_longer_time_is_not() {
        let today = NOON.day();
        let after = |count| resumed(today, NOON.plus(days(count)));
        assert_eq!(after(0), Some(NOON));
        assert_eq!(after(4), Some(NOON.plus(days(4))));
        assert_eq!(after(5), Some(today.start()));
        assert_eq!(after(400), Some(today.start()));
        let behind = NOON.minus(days(1));
        assert_eq!(resumed(today, behind), Some(today.start()));
    }

    #[test]
    fn a_node_that_no_other_ever_told_the_time_ends_no_day_by_its_own_clock() {
        assert_eq!(resumed(Day(0), NOON), None);
        let mut never = clocks(NOON, &[]);
        (never.uptime, never.credible) = (days(9), None);
        assert_eq!(trusted_today(&never), None);
    }

    #[test]
    fn the_horizon_never_goes_back() {
        let horizon = Day(1000);
        assert_eq!(advance(horizon, Some(Day(1001))), Day(1001));
        assert_eq!(advance(horizon, Some(Day(600))), horizon);
        assert_eq!(advance(horizon, None), horizon);
    }
}
