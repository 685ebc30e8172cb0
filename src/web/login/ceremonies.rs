//! Sign-ins with a passkey that have begun and have nobody's name yet.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{HALF_LIFE, LoginKey, since};
use crate::node::engine::Now;

/// Most of them at once: everybody of a large clinic at the same minute.
const CEREMONIES_MAX: usize = 256;

/// What has been asked of browsers, by the hash of what names it.
pub(in crate::web) struct Ceremonies<T> {
    open: BTreeMap<LoginKey, Ceremony<T>>,
}

struct Ceremony<T> {
    address: Option<IpAddr>,
    began: Now,
    asked: T,
}

impl<T> Default for Ceremonies<T> {
    fn default() -> Self {
        let open = BTreeMap::new();
        Self { open }
    }
}

impl<T> Ceremonies<T> {
    /// Keeps what was asked. If there are too many, the oldest of whoever has the most is forgotten, so
    /// that one machine cannot push out the others.
    pub(in crate::web) fn begin(
        &mut self,
        key: LoginKey,
        address: Option<IpAddr>,
        asked: T,
        now: Now,
    ) {
        self.open
            .retain(|_, ceremony| since(ceremony.began, now) < HALF_LIFE);
        if self.open.len() >= CEREMONIES_MAX
            && let Some(oldest) = self.oldest_of_the_greediest()
        {
            self.open.remove(&oldest);
        }
        let began = now;
        let ceremony = Ceremony {
            address,
            began,
            asked,
        };
        self.open.insert(key, ceremony);
    }

    /// Takes what was asked; it is good for one try, and for five minutes.
    pub(in crate::web) fn take(&mut self, key: LoginKey, now: Now) -> Option<T> {
        let ceremony = self.open.remove(&key)?;
        (since(ceremony.began, now) < HALF_LIFE).then_some(ceremony.asked)
    }

    fn oldest_of_the_greediest(&self) -> Option<LoginKey> {
        let mut counts: BTreeMap<Option<IpAddr>, usize> = BTreeMap::new();
        for ceremony in self.open.values() {
            *counts.entry(ceremony.address).or_default() += 1;
        }
        let (greediest, _) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        let theirs = self.open.iter();
        let theirs = theirs.filter(|(_, ceremony)| ceremony.address == greediest);
        let oldest = theirs.min_by_key(|(key, ceremony)| (ceremony.began.mono, **key));
        oldest.map(|(key, _)| *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{NOON, minutes};

    fn at(minute: u64) -> Now {
        Now {
            wall: NOON.plus(minutes(minute)),
            mono: minutes(minute),
        }
    }

    #[test]
    fn what_was_asked_is_good_for_one_try_within_five_minutes() {
        let mut open = Ceremonies::default();
        let (one, two) = (LoginKey::of("one"), LoginKey::of("two"));
        open.begin(one, None, 1, at(0));
        open.begin(two, None, 2, at(0));
        assert_eq!(open.take(one, at(4)), Some(1));
        assert_eq!(open.take(one, at(4)), None);
        assert_eq!(open.take(two, at(5)), None);
    }

    #[test]
    fn whoever_asks_all_the_time_pushes_out_only_themselves() {
        let mut open = Ceremonies::default();
        let (ana, greedy) = (
            IpAddr::from([10, 0, 0, 1]),
            Some(IpAddr::from([10, 0, 0, 66])),
        );
        open.begin(LoginKey::of("ana"), Some(ana), 0, at(0));
        for number in 0..1000 {
            open.begin(LoginKey::of(&number.to_string()), greedy, number, at(1));
        }
        assert_eq!(open.open.len(), CEREMONIES_MAX);
        assert_eq!(open.take(LoginKey::of("ana"), at(2)), Some(0));
        assert_eq!(open.take(LoginKey::of("999"), at(2)), Some(999));
    }
}
