//! Sign-in throttling: how long a name has to wait after wrong passwords.
//!
//! Every name is treated alike, whether somebody has it or not, so waiting tells nothing about who
//! works here. Nothing here reads a clock: what is passed in is the time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::time::WallTime;

/// Wrong passwords in a row that cost nothing: everyone mistypes.
const FREE: u32 = 3;

/// Wrong passwords in a row after which the name is locked for [`LOCK`].
///
/// Ten guesses a quarter of an hour are a thousand a day; no password that the rules accept falls to
/// that.
const LOCKED_AT: u32 = 10;

/// How long a locked name waits. Short, because a lock must not stop care for a shift.
const LOCK: Duration = Duration::from_secs(15 * 60);

/// The wait after the fourth wrong password; each one more doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// After so long without a wrong password a name begins anew.
const FORGET: Duration = Duration::from_secs(24 * 60 * 60);

/// Most names remembered: more than a clinic has people, small enough to hold.
///
/// When they are full, the name with the fewest wrong passwords goes first, of these the oldest, and
/// the name that takes its place takes over its count ("space saving", Metwally et al. 2005). So a
/// flood of made-up names neither pushes out the name under attack nor makes room to guess unpunished
/// in between: whoever floods makes fresh names wait, not the ones that are attacked guessable.
const NAMES_MAX: usize = 4096;

/// Longest name that is told apart in bytes; what is longer shares its fate with its beginning.
const NAME_MAX: usize = 128;

/// Wrong passwords from one address that cost nothing beyond those of a name.
///
/// An office may have a single PC: twenty people mistype there before it counts.
const PER_ADDRESS: u32 = 17;

/// Wrong passwords by name, or by address.
#[derive(Clone, Debug, Default)]
pub struct Throttle {
    names: BTreeMap<String, Failures>,
    /// Wrong passwords that cost nothing beyond [`FREE`].
    patience: u32,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: WallTime,
}

/// The name has to wait before the next password is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many wrong passwords; try again at {until}")]
pub struct Wait {
    /// When the next try is looked at.
    pub until: WallTime,
}

impl Throttle {
    /// The one for addresses, which many people share.
    pub fn of_addresses() -> Self {
        Self {
            patience: PER_ADDRESS,
            ..Self::default()
        }
    }

    /// Whether a password for `name` is to be looked at now; asked before anything is hashed.
    pub fn check(&self, name: &str, now: WallTime) -> Result<(), Wait> {
        let Some(failures) = self.names.get(key(name)) else {
            return Ok(());
        };
        let until = failures.until(self.patience);
        // A clock that was put back must not lock anyone for longer than a lock lasts.
        if now >= until || now.plus(LOCK) < failures.last {
            Ok(())
        } else {
            Err(Wait { until })
        }
    }

    /// Notes a wrong password, or a name that nobody has.
    pub fn failed(&mut self, name: &str, now: WallTime) {
        let before = match self.names.get(key(name)) {
            Some(known) if known.is_old(now) => 0,
            Some(known) => known.count,
            None => self.make_room(now),
        };
        let failures = Failures {
            count: before.saturating_add(1),
            last: now,
        };
        self.names.insert(key(name).to_owned(), failures);
    }

    /// Notes a right password; the name begins anew.
    pub fn succeeded(&mut self, name: &str) {
        self.names.remove(key(name));
    }

    /// Notes a right password from an address: two wrong ones are forgiven, of which one is this try's
    /// own booking. Not all of them, or whoever has an account could guess at others in between.
    pub fn forgive(&mut self, name: &str) {
        if let Some(known) = self.names.get_mut(key(name)) {
            known.count = known.count.saturating_sub(2);
        }
    }

    /// Counts on from what `before` has counted, under the names that `renamed` gives. Wrong passwords
    /// of what turns out to be one name add up.
    pub fn take_over(&mut self, before: &Self, renamed: impl Fn(&str) -> String) {
        for (name, failures) in &before.names {
            let name = renamed(name);
            let (count, last) = match self.names.get(key(&name)) {
                Some(known) => (known.count, known.last.max(failures.last)),
                None => (self.make_room(failures.last), failures.last),
            };
            let count = count.saturating_add(failures.count);
            let failures = Failures { count, last };
            self.names.insert(key(&name).to_owned(), failures);
        }
    }

    /// Makes room for one name more; returns the count that it takes over.
    fn make_room(&mut self, now: WallTime) -> u32 {
        if self.names.len() < NAMES_MAX {
            return 0;
        }
        self.names.retain(|_, failures| !failures.is_old(now));
        if self.names.len() < NAMES_MAX {
            return 0;
        }
        let least = self
            .names
            .iter()
            .min_by_key(|(_, one)| (one.count, one.last));
        let least = least.map(|(name, _)| name.clone());
        let gone = least.and_then(|name| self.names.remove(&name));
        gone.map_or(0, |gone| gone.count)
    }
}

impl Failures {
    fn until(&self, patience: u32) -> WallTime {
        self.last
            .plus(wait_after(self.count.saturating_sub(patience)))
    }

    fn is_old(&self, now: WallTime) -> bool {
        now > self.last.plus(FORGET)
    }
}

fn wait_after(count: u32) -> Duration {
    match count {
        0..=FREE => Duration::ZERO,
        LOCKED_AT.. => LOCK,
        _ => FIRST_WAIT * 2_u32.pow(count - FREE - 1),
    }
}

fn key(name: &str) -> &str {
    let mut end = name.len().min(NAME_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{NOON, days, minutes};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_another_has_counted_goes_on_under_the_names_it_is_known_by_and_adds_up() {
        let mut before = after(3);
        before.failed("anna", NOON.plus(SECOND));
        let mut throttle = Throttle::default();
        throttle.failed("id of ana", NOON);

        throttle.take_over(&before, |_| "id of ana".to_owned());

        // Five wrong ones, the last of them a second past noon: two seconds from there.
        let wait = throttle.check("id of ana", NOON.plus(SECOND));
        let until = NOON.plus(SECOND * 3);
        assert_eq!(wait, Err(Wait { until }));
        assert_eq!(throttle.check("ana", NOON), Ok(()));
    }

    #[test]
    fn taking_over_makes_no_more_names_than_are_remembered() {
        let flood = |with: &str| {
            let mut throttle = Throttle::default();
            (0..NAMES_MAX).for_each(|name| throttle.failed(&format!("{with} {name}"), NOON));
            throttle
        };
        let mut throttle = flood("one");
        throttle.take_over(&flood("other"), str::to_owned);
        assert_eq!(throttle.names.len(), NAMES_MAX);
    }

    fn after(failures: u32) -> Throttle {
        let mut throttle = Throttle::default();
        for _ in 0..failures {
            throttle.failed("ana", NOON);
        }
        throttle
    }

    /// How long "ana" waits.
    fn wait(throttle: &Throttle) -> u64 {
        match throttle.check("ana", NOON) {
            Ok(()) => 0,
            Err(wait) => (wait.until.0 - NOON.0) / 1000,
        }
    }

    #[test]
    fn each_wrong_password_from_the_fourth_on_doubles_the_wait_and_the_tenth_locks() {
        let waits: Vec<u64> = (0..13).map(|failures| wait(&after(failures))).collect();
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 900, 900, 900]);
    }

    #[test]
    fn the_wait_ends_to_the_second() {
        let throttle = after(4);
        assert!(throttle.check("ana", NOON.plus(SECOND)).is_ok());
        let early = WallTime(NOON.plus(SECOND).0 - 1);
        let until = NOON.plus(SECOND);
        assert_eq!(throttle.check("ana", early), Err(Wait { until }));
    }

    #[test]
    fn a_locked_name_is_locked_again_by_one_more_wrong_password() {
        let mut throttle = after(10);
        let later = NOON.plus(LOCK);
        assert!(throttle.check("ana", later).is_ok());
        throttle.failed("ana", later);
        let until = later.plus(LOCK);
        assert_eq!(throttle.check("ana", later), Err(Wait { until }));
    }

    #[test]
    fn an_address_mistypes_twenty_times_before_it_waits_and_no_account_clears_it() {
        let mut throttle = Throttle::of_addresses();
        for _ in 0..20 {
            assert!(throttle.check("ana", NOON).is_ok());
            throttle.failed("ana", NOON);
        }
        assert_eq!(wait(&throttle), 0);
        throttle.failed("ana", NOON);
        assert_eq!(wait(&throttle), 1);
        for _ in 0..6 {
            throttle.failed("ana", NOON);
        }
        assert_eq!(wait(&throttle), 900);
        // Each sign-in that is right books a try of its own first.
        throttle.failed("ana", NOON);
        throttle.forgive("ana");
        assert_eq!(wait(&throttle), 32);
    }

    #[test]
    fn a_right_password_begins_anew() {
        let mut throttle = after(9);
        throttle.succeeded("ana");
        throttle.failed("ana", NOON);
        assert_eq!(wait(&throttle), 0);
    }

    #[test]
    fn a_day_without_a_wrong_password_begins_anew() {
        let mut throttle = after(9);
        let next = NOON.plus(days(1)).plus(SECOND);
        throttle.failed("ana", next);
        assert!(throttle.check("ana", next).is_ok());
    }

    #[test]
    fn names_wait_for_themselves_only_and_unknown_ones_like_any() {
        let throttle = after(10);
        assert!(throttle.check("ben", NOON).is_ok());
        let mut nobody = Throttle::default();
        for _ in 0..10 {
            nobody.failed("nobody has this name", NOON);
        }
        let until = NOON.plus(LOCK);
        assert_eq!(
            nobody.check("nobody has this name", NOON),
            Err(Wait { until })
        );
    }

    #[test]
    fn a_flood_of_names_stays_bounded_and_does_not_wash_out_the_name_under_attack() {
        let mut throttle = after(4);
        for n in 0..2 * NAMES_MAX as u64 {
            throttle.failed(&format!("made up {n}"), NOON.plus(SECOND));
        }
        assert_eq!(throttle.names.len(), NAMES_MAX);
        assert_eq!(wait(&throttle), 1);
    }

    /// Who fills the memory with locked names could otherwise have a name forgotten between guesses.
    #[test]
    fn a_name_cannot_be_guessed_in_turn_with_others_when_the_memory_is_full() {
        let mut throttle = Throttle::default();
        for n in 0..NAMES_MAX {
            for _ in 0..LOCKED_AT {
                throttle.failed(&format!("made up {n}"), NOON);
            }
        }
        for n in 0..3 {
            throttle.failed("ana", NOON);
            assert!(throttle.check("ana", NOON).is_err());
            throttle.failed(&format!("another {n}"), NOON);
        }
        assert_eq!(throttle.names.len(), NAMES_MAX);
    }

    #[test]
    fn names_of_any_length_take_bounded_room_and_are_not_cut_inside_a_letter() {
        let mut throttle = Throttle::default();
        let long = "é".repeat(70) + &"x".repeat(1_000_000);
        for _ in 0..10 {
            throttle.failed(&long, NOON);
        }
        let kept: usize = throttle.names.keys().map(String::len).sum();
        assert!(kept <= NAME_MAX);
        assert!(throttle.check(&long, NOON).is_err());
        assert_eq!(key(&format!("x{}", "é".repeat(70))).len(), NAME_MAX - 1);
    }

    #[test]
    fn a_clock_that_was_put_back_locks_nobody_out() {
        let throttle = after(10);
        assert!(throttle.check("ana", NOON.minus(days(30))).is_ok());
        assert!(throttle.check("ana", NOON.minus(minutes(1))).is_err());
    }

    #[test]
    fn no_number_of_failures_overflows() {
        let mut throttle = after(1);
        throttle.names.get_mut("ana").expect("failed once").count = u32::MAX;
        throttle.failed("ana", NOON);
        assert_eq!(wait(&throttle), 900);
    }
}
