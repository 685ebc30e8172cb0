//! Tries to prove something by a secret: counted as wrong ones until they prove right, by name and by
//! address.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::api::problem::{Code, Problem};
use crate::domain::throttle::{Throttle, Wait};
use crate::domain::time::WallTime;

/// Wrong tries of one node. What is shown of them for debugging names nobody.
pub(in crate::web) struct Tries {
    names: Mutex<Throttle>,
    addresses: Mutex<Throttle>,
}

impl fmt::Debug for Tries {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tries").finish_non_exhaustive()
    }
}

impl Tries {
    /// None so far.
    pub(in crate::web) fn none() -> Self {
        Self {
            names: Mutex::default(),
            addresses: Mutex::new(Throttle::of_addresses()),
        }
    }

    /// Counts on from where `before` was, under the names that `renamed` gives.
    pub(in crate::web) fn take_over(&self, before: &Self, renamed: impl Fn(&str) -> String) {
        let (names, addresses) = (locked(&before.names), locked(&before.addresses));
        locked(&self.names).take_over(&names, renamed);
        locked(&self.addresses).take_over(&addresses, str::to_owned);
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
        let Some(address) = from.map(counted) else {
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
            locked(&self.addresses).forgive(&counted(address));
        }
    }
}

/// What is counted for an address: an IPv6 host has a whole network of 64 bits to choose its own from.
fn counted(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let network = u128::from(v6) >> 64 << 64;
            Ipv6Addr::from(network).to_string()
        }
    }
}

fn locked(throttle: &Mutex<Throttle>) -> MutexGuard<'_, Throttle> {
    // Counts are changed in single steps, so a panic elsewhere leaves them whole.
    throttle.lock().unwrap_or_else(PoisonError::into_inner)
}

fn throttled(wait: Wait, now: WallTime) -> Problem {
    let seconds = wait.until.0.saturating_sub(now.0).div_ceil(1000);
    // Passwords, one-time codes and second factors are counted together.
    let message = format!("too many wrong tries; wait {}", spoken(seconds));
    Problem::new(Code::Throttled, message)
        .remedy(
            "an admin can hand another one-time code to whoever has forgotten their password or whose \
             code does not work",
        )
        .after(seconds)
}

fn spoken(seconds: u64) -> String {
    match seconds {
        1 => "1 second".to_owned(),
        0..120 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_said_in_words_that_fit_whatever_was_tried() {
        assert_eq!(spoken(1), "1 second");
        assert_eq!(spoken(2), "2 seconds");
        assert_eq!(spoken(119), "119 seconds");
        assert_eq!(spoken(121), "3 minutes");
        let until = WallTime(2_000);
        let said = throttled(Wait { until }, WallTime(1_000));
        assert!(!said.message.contains("password"), "{}", said.message);
        assert!(said.message.ends_with("wait 1 second"), "{}", said.message);
    }

    #[test]
    fn a_host_with_a_network_of_addresses_is_one_to_count() {
        let address = |text: &str| counted(text.parse().expect("an address"));
        assert_eq!(address("fd00::1:2:3:4"), address("fd00::9:9:9:9"));
        assert_ne!(address("fd00:0:0:1::1"), address("fd00::1"));
        assert_ne!(address("10.0.0.1"), address("10.0.0.2"));
        assert_eq!(address("::ffff:10.0.0.1"), "10.0.0.1");
    }
}
