//! Tries to prove something by a secret: counted as wrong ones until they prove right, by name and by
//! address.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::api::problem::{Code, Problem};
use crate::domain::throttle::{Throttle, Wait};
use crate::domain::time::WallTime;

/// Wrong tries of one node.
pub(in crate::web) struct Tries {
    names: Mutex<Throttle>,
    addresses: Mutex<Throttle>,
}

impl Tries {
    /// None so far.
    pub(in crate::web) fn none() -> Self {
        Self {
            names: Mutex::default(),
            addresses: Mutex::new(Throttle::of_addresses()),
        }
    }

    /// Counts the try as a wrong one until it proves right, so that many at once gain nothing.
    pub(in crate::web) fn book(
        &self,
        name: &str,
        from: Option<IpAddr>,
        now: WallTime,
    ) -> Result<(), Problem> {
        let mut names = locked(&self.names);
        names
            .check(name, now)
            .map_err(|wait| throttled(wait, now))?;
        self.book_address(from, now)?;
        names.failed(name, now);
        Ok(())
    }

    /// The same where no name is said and nothing can be guessed: an address that tries without end
    /// waits.
    pub(in crate::web) fn book_address(
        &self,
        from: Option<IpAddr>,
        now: WallTime,
    ) -> Result<(), Problem> {
        let Some(address) = from.map(|address| address.to_string()) else {
            return Ok(());
        };
        let mut addresses = locked(&self.addresses);
        addresses
            .check(&address, now)
            .map_err(|wait| throttled(wait, now))?;
        addresses.failed(&address, now);
        Ok(())
    }

    /// The try has proven right.
    pub(in crate::web) fn settle(&self, name: &str, from: Option<IpAddr>) {
        locked(&self.names).succeeded(name);
        self.settle_address(from);
    }

    /// The same where no name was said.
    pub(in crate::web) fn settle_address(&self, from: Option<IpAddr>) {
        if let Some(address) = from {
            locked(&self.addresses).forgive(&address.to_string());
        }
    }
}

fn locked(throttle: &Mutex<Throttle>) -> MutexGuard<'_, Throttle> {
    // Counts are changed in single steps, so a panic elsewhere leaves them whole.
    throttle.lock().unwrap_or_else(PoisonError::into_inner)
}

fn throttled(wait: Wait, now: WallTime) -> Problem {
    let seconds = wait.until.0.saturating_sub(now.0).div_ceil(1000);
    let message = format!("too many wrong passwords; wait {}", spoken(seconds));
    Problem::new(Code::Throttled, message)
        .remedy("if you have forgotten it, an admin can hand you another one-time code")
        .after(seconds)
}

fn spoken(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}
