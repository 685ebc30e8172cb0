//! The gate for handshakes that have not proved anything yet.
//!
//! A stranger's connection costs us a socket and a timer until its deadline. The gate bounds how
//! many of those there are, and how many of them one address may have, so that a machine that opens
//! connections and stalls takes places from itself and not from the clinic. When there is no place,
//! the newcomer is dropped: those inside leave within seconds.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Handshakes pending at one time.
///
/// 64: three times the offices of the largest clinic, all starting at once after a power cut.
pub const PENDING_MAX: usize = 64;

/// Handshakes pending at one time from one address.
///
/// Four: a device dials with one connection, perhaps two; behind one address (NAT between offices)
/// there may be two devices.
pub const PENDING_PER_ADDRESS_MAX: usize = 4;

/// Why there was no place for another handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// All places are taken; they come free within seconds.
    #[error("{PENDING_MAX} handshakes are pending already")]
    Full,
    /// This address has its share of places already.
    #[error("{PENDING_PER_ADDRESS_MAX} handshakes are pending from this address already")]
    AddressFull,
}

/// The places for pending handshakes. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    pending: Arc<Mutex<Pending>>,
}

#[derive(Debug, Default)]
struct Pending {
    total: usize,
    /// Only addresses with a pending handshake, so at most [`PENDING_MAX`].
    by_address: BTreeMap<IpAddr, usize>,
}

/// A place for one handshake; given back when dropped.
#[derive(Debug)]
#[must_use = "the place is given back at once if the guard is dropped"]
pub struct Place {
    admission: Admission,
    address: IpAddr,
}

impl Admission {
    /// Takes a place for a handshake from `address`, which lasts until the guard is dropped.
    pub fn admit(&self, address: IpAddr) -> Result<Place, AdmissionError> {
        let address = address.to_canonical();
        let mut pending = self.lock();
        if pending.total >= PENDING_MAX {
            return Err(AdmissionError::Full);
        }
        if pending
            .by_address
            .get(&address)
            .is_some_and(|n| *n >= PENDING_PER_ADDRESS_MAX)
        {
            return Err(AdmissionError::AddressFull);
        }
        pending.total += 1;
        *pending.by_address.entry(address).or_default() += 1;
        Ok(Place {
            admission: self.clone(),
            address,
        })
    }

    /// Handshakes pending at this moment.
    pub fn pending(&self) -> usize {
        self.lock().total
    }

    /// The counts hold whatever happened to another thread: each change is whole or not begun.
    fn lock(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut pending = self.admission.lock();
        pending.total -= 1;
        if let Some(count) = pending.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                pending.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn host(n: usize) -> IpAddr {
        Ipv4Addr::new(127, 0, 1, u8::try_from(n).unwrap()).into()
    }

    #[test]
    fn one_address_has_four_pending_handshakes_and_its_neighbour_is_not_disturbed() {
        let gate = Admission::default();
        let mut places: Vec<_> = (0..4).map(|_| gate.admit(host(1)).unwrap()).collect();
        assert_eq!(
            gate.admit(host(1)).unwrap_err(),
            AdmissionError::AddressFull
        );
        let _neighbour = gate.admit(host(2)).unwrap();
        places.pop();
        assert!(gate.admit(host(1)).is_ok());
    }

    #[test]
    fn sixty_four_handshakes_are_pending_at_most() {
        let gate = Admission::default();
        let places: Vec<_> = (0..64).map(|n| gate.admit(host(n)).unwrap()).collect();
        assert_eq!(gate.admit(host(200)).unwrap_err(), AdmissionError::Full);
        drop(places);
        assert_eq!(gate.pending(), 0);
        assert!(
            gate.lock().by_address.is_empty(),
            "addresses are forgotten with their places"
        );
        assert!(gate.admit(host(200)).is_ok());
    }

    #[test]
    fn an_ipv4_address_written_as_ipv6_is_the_same_address() {
        let gate = Admission::default();
        let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped().into();
        let _places: Vec<_> = (0..4).map(|_| gate.admit(mapped).unwrap()).collect();
        let plain = Ipv4Addr::LOCALHOST.into();
        assert_eq!(gate.admit(plain).unwrap_err(), AdmissionError::AddressFull);
    }
}
