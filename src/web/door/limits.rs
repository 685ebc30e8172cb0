//! How many connections one address may have, so that one machine cannot take every place.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Connections from one address.
///
/// 64: several browsers of several people on a shared PC, each of which opens up to six.
const EACH_MAX: usize = 64;

/// The open connections by address; as large as the number of connections at most.
#[derive(Clone, Default)]
pub(super) struct Addresses(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// A place for one connection, given back when dropped.
pub(super) struct Place {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    /// A place for a connection from here, if there is one. Loopback, where everyone shares one
    /// address, is not counted.
    pub(super) fn place(&self, address: IpAddr) -> Option<Place> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= EACH_MAX && !address.is_loopback() {
            return None;
        }
        *count += 1;
        Some(Place {
            addresses: self.clone(),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self
            .addresses
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_machine_cannot_take_every_place_and_gives_back_what_it_took() {
        let (addresses, greedy) = (Addresses::default(), IpAddr::from([10, 0, 0, 7]));
        let mut places: Vec<Place> = (0..EACH_MAX)
            .map(|_| addresses.place(greedy).expect("a place"))
            .collect();
        assert!(addresses.place(greedy).is_none());
        assert!(addresses.place([10, 0, 0, 8].into()).is_some());
        places.pop();
        assert!(addresses.place(greedy).is_some());
        drop(places);
        assert!(addresses.0.lock().expect("nobody panicked").is_empty());
    }
}
