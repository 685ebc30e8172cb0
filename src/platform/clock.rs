//! The machine's clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::WallTime;

/// The wall clock, and a clock that never goes back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock whose monotonic half begins at zero.
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// What the wall clock says; a clock set before 1970 counts as 1970.
    pub fn now(&self) -> WallTime {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Time since [`Clock::start`]; not moved by anyone who sets the wall clock.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_half_never_goes_back_and_the_wall_half_is_past_2020() {
        let clock = Clock::start();
        let first = clock.elapsed();
        assert!(clock.elapsed() >= first);
        assert!(clock.now() > WallTime(1_577_836_800_000));
    }
}
