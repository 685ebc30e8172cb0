//! Whom to dial, and when again. Nothing here dials.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::limits::DIALS_MAX;
use crate::domain::id::DeviceId;

/// Wait after the first try that failed.
const FIRST: Duration = Duration::from_secs(1);

/// Longest wait between two tries.
///
/// One minute: an office whose node comes back is connected before anyone wonders, also where
/// discovery does not reach.
const LONGEST: Duration = Duration::from_secs(60);

/// Shortest wait between two tries, whatever discovery says.
///
/// One second: hints are not authenticated, and nobody shall make us dial faster than that.
const SHORTEST: Duration = Duration::from_secs(1);

/// A link that lasted this long says that the next loss is not the same trouble again.
const STEADY: Duration = Duration::from_secs(30);

/// Who is to be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// A device, at all its addresses.
    Device(DeviceId),
    /// An address of which discovery says that a member is there.
    Address(SocketAddr),
}

/// The absent, and when each is due.
#[derive(Debug)]
pub(crate) struct Redial {
    waiting: BTreeMap<Target, Attempt>,
    in_flight: BTreeSet<Target>,
    random: StdRng,
}

#[derive(Clone, Copy, Debug)]
struct Attempt {
    /// `None` while it is reached.
    due: Option<Instant>,
    failures: u32,
    last: Option<Instant>,
}

impl Redial {
    /// Nobody to dial yet; `seed` spreads the tries of many nodes over time.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            waiting: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            random: StdRng::from_seed(seed),
        }
    }

    /// Dials `target` from `due` on, until it is reached or forgotten. No change if it is known.
    pub(crate) fn want(&mut self, target: Target, due: Instant) {
        self.waiting.entry(target).or_insert(Attempt {
            due: Some(due),
            failures: 0,
            last: None,
        });
    }

    /// Dials `target`, if it waits, as soon as may be: there is news of where it is.
    pub(crate) fn hurry(&mut self, target: Target, now: Instant) {
        if let Some(attempt) = self.waiting.get_mut(&target) {
            attempt.hurry(now);
        }
    }

    /// The same for everyone: there is news of where we are.
    pub(crate) fn hurry_all(&mut self, now: Instant) {
        self.waiting
            .values_mut()
            .for_each(|attempt| attempt.hurry(now));
    }

    /// Dials `target` no more.
    pub(crate) fn forget(&mut self, target: Target) {
        self.waiting.remove(&target);
        self.in_flight.remove(&target);
    }

    /// Forgets everyone for whom `keep` says no.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Target) -> bool) {
        self.waiting.retain(|target, _| keep(target));
        self.in_flight.retain(|target| keep(target));
    }

    /// Who is to be dialled now, and counts as in flight until [`failed`](Self::failed),
    /// [`reached`](Self::reached) or [`forget`](Self::forget). Longest overdue first.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<Target> {
        let room = DIALS_MAX.saturating_sub(self.in_flight.len());
        let mut due: Vec<(Instant, Target)> = self
            .waiting
            .iter()
            .filter(|(target, _)| !self.in_flight.contains(target))
            .filter_map(|(target, attempt)| Some((attempt.due.filter(|due| *due <= now)?, *target)))
            .collect();
        due.sort_unstable();
        due.truncate(room);
        for (_, target) in &due {
            self.in_flight.insert(*target);
            if let Some(attempt) = self.waiting.get_mut(target) {
                attempt.last = Some(now);
            }
        }
        due.into_iter().map(|(_, target)| target).collect()
    }

    /// Notes that a try came to nothing and books the next.
    pub(crate) fn failed(&mut self, target: Target, now: Instant) {
        self.in_flight.remove(&target);
        let Some(attempt) = self.waiting.get_mut(&target) else {
            return;
        };
        if attempt.due.is_some() {
            attempt.fail(&mut self.random, now);
        }
    }

    /// Notes that `target` is connected: no more dials until it is [`lost`](Self::lost).
    pub(crate) fn reached(&mut self, target: Target) {
        self.in_flight.remove(&target);
        if let Some(attempt) = self.waiting.get_mut(&target) {
            attempt.due = None;
        }
    }

    /// Notes that the connection to `target` is gone after `lived`: the next try comes after `wait`,
    /// or later where connections do not last.
    pub(crate) fn lost(&mut self, target: Target, lived: Duration, wait: Duration, now: Instant) {
        self.want(target, now + wait);
        let Some(attempt) = self.waiting.get_mut(&target) else {
            return;
        };
        if lived >= STEADY {
            attempt.failures = 0;
        }
        if attempt.failures == 0 {
            attempt.due = Some(now + wait);
            attempt.failures = u32::from(lived < STEADY);
        } else {
            attempt.fail(&mut self.random, now);
        }
    }

    /// A random part of `span`.
    pub(crate) fn part_of(&mut self, span: Duration) -> Duration {
        span.mul_f64(self.random.random_range(0.0..1.0))
    }

    /// When the next try is due; `None` while nobody waits or all places are taken.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        if self.in_flight.len() >= DIALS_MAX {
            return None;
        }
        self.waiting
            .iter()
            .filter(|(target, _)| !self.in_flight.contains(target))
            .filter_map(|(_, attempt)| attempt.due)
            .min()
    }
}

impl Attempt {
    fn fail(&mut self, random: &mut StdRng, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let jitter = random.random_range(0.0..0.5);
        self.due = Some(now + backoff(self.failures).mul_f64(1.0 + jitter));
    }

    fn hurry(&mut self, now: Instant) {
        let earliest = self.last.map_or(now, |last| now.max(last + SHORTEST));
        self.due = self.due.map(|due| due.min(earliest));
        self.failures = 0;
    }
}

fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(6);
    LONGEST.min(FIRST * 2u32.pow(doublings))
}

#[cfg(test)]
mod tests;
