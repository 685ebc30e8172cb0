//! The address book: where devices may be found. Addresses only, never trust. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::limits::{ADDRESSES_MAX, DEVICES_MAX, HINTS_MAX};
use crate::domain::id::DeviceId;

/// Where an address comes from, the most promising first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Announced on the LAN.
    Discovered,
    /// Worked before this process was started.
    Remembered,
    /// Configured, or from the clinic record.
    Bootstrap,
    /// Told by a peer.
    Introduced,
}

/// Addresses of devices, and of instances whose device is not known yet.
#[derive(Debug, Default)]
pub(crate) struct Book {
    devices: BTreeMap<DeviceId, Vec<Candidate>>,
    hints: BTreeMap<String, Hint>,
    own: BTreeSet<SocketAddr>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    address: SocketAddr,
    source: Source,
    succeeded: Option<Instant>,
    learned: Instant,
}

#[derive(Clone, Debug)]
struct Hint {
    device: Option<DeviceId>,
    addresses: Vec<SocketAddr>,
    seen: Instant,
}

/// What a sighting means for dialling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sighted {
    /// What was known already.
    Nothing,
    /// It is this device.
    Device(DeviceId),
    /// Nobody knows yet; these addresses are worth a try.
    Unknown(Vec<SocketAddr>),
}

impl Book {
    /// Adds an address of a device. Addresses that cannot work are left out.
    pub(crate) fn learn(
        &mut self,
        device: DeviceId,
        address: SocketAddr,
        source: Source,
        now: Instant,
    ) {
        if !self.is_usable(address) {
            return;
        }
        if !self.devices.contains_key(&device) && self.devices.len() >= DEVICES_MAX {
            return;
        }
        let candidates = self.devices.entry(device).or_default();
        if let Some(known) = candidates.iter_mut().find(|c| c.address == address) {
            known.source = known.source.min(source);
            known.learned = now;
            return;
        }
        candidates.push(Candidate {
            address,
            source,
            succeeded: None,
            learned: now,
        });
        sort(candidates);
        candidates.truncate(ADDRESSES_MAX);
    }

    /// Notes that the device was reached there. Nobody else is expected there any more.
    pub(crate) fn succeeded(&mut self, device: DeviceId, address: SocketAddr, now: Instant) {
        for (other, candidates) in &mut self.devices {
            candidates.retain(|c| c.address != address || *other == device);
        }
        self.learn(device, address, Source::Introduced, now);
        let Some(candidates) = self.devices.get_mut(&device) else {
            return;
        };
        if let Some(known) = candidates.iter_mut().find(|c| c.address == address) {
            known.succeeded = Some(now);
        }
        sort(candidates);
        self.identify(device, address, now);
    }

    /// Where to dial a device: where it was reached last, then by promise, the newest first.
    pub(crate) fn addresses(&self, device: &DeviceId) -> Vec<SocketAddr> {
        let candidates = self.devices.get(device).map_or(&[][..], Vec::as_slice);
        candidates.iter().map(|c| c.address).collect()
    }

    /// Notes an announcement of a member, debounced; the announcement does not say which member.
    pub(crate) fn sighted(
        &mut self,
        instance: &str,
        addresses: impl IntoIterator<Item = SocketAddr>,
        now: Instant,
    ) -> Sighted {
        let mut usable: Vec<_> = addresses
            .into_iter()
            .filter(|a| self.is_usable(*a))
            .collect();
        usable.sort_unstable();
        usable.dedup();
        usable.truncate(ADDRESSES_MAX);
        let known = self.hints.get(instance);
        let is_news = known.is_none_or(|hint| hint.addresses != usable);
        let device = known.and_then(|hint| hint.device);
        let device = device.or_else(|| usable.iter().find_map(|a| self.reached_at(*a)));
        self.keep_hint(
            instance,
            Hint {
                device,
                addresses: usable.clone(),
                seen: now,
            },
        );
        let Some(device) = device else {
            return Sighted::Unknown(usable);
        };
        for address in usable {
            self.learn(device, address, Source::Discovered, now);
        }
        if is_news {
            Sighted::Device(device)
        } else {
            Sighted::Nothing
        }
    }

    /// Forgets an instance; the addresses of its device stay.
    pub(crate) fn gone(&mut self, instance: &str) {
        self.hints.remove(instance);
    }

    /// Whether some instance of an unknown device announces this address.
    pub(crate) fn is_hinted(&self, address: SocketAddr) -> bool {
        self.hints
            .values()
            .any(|hint| hint.device.is_none() && hint.addresses.contains(&address))
    }

    /// Forgets the devices for whom `keep` says no.
    pub(crate) fn retain(&mut self, keep: impl Fn(&DeviceId) -> bool) {
        self.devices.retain(|device, _| keep(device));
    }

    /// This node listens here: dialling there would reach ourselves.
    pub(crate) fn own(&mut self, address: SocketAddr) {
        self.own.insert(address);
        for candidates in self.devices.values_mut() {
            candidates.retain(|c| c.address != address);
        }
    }

    /// This node listens there no more.
    pub(crate) fn disown(&mut self, address: SocketAddr) {
        self.own.remove(&address);
    }

    fn reached_at(&self, address: SocketAddr) -> Option<DeviceId> {
        self.devices.iter().find_map(|(device, candidates)| {
            let here = candidates.iter().find(|c| c.address == address)?;
            here.succeeded.map(|_| *device)
        })
    }

    /// An instance that announces an address is the device that answered there.
    pub(crate) fn identify(&mut self, device: DeviceId, address: SocketAddr, now: Instant) {
        let mut found = Vec::new();
        for hint in self.hints.values_mut() {
            if hint.device.is_none() && hint.addresses.contains(&address) {
                hint.device = Some(device);
                found.extend_from_slice(&hint.addresses);
            }
        }
        for address in found {
            self.learn(device, address, Source::Discovered, now);
        }
    }

    /// Keeps a hint; when there is no room, the one not seen for longest makes it.
    fn keep_hint(&mut self, instance: &str, hint: Hint) {
        if !self.hints.contains_key(instance) && self.hints.len() >= HINTS_MAX {
            let oldest = self.hints.iter().min_by_key(|(_, hint)| hint.seen);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.hints.remove(&oldest);
            }
        }
        self.hints.insert(instance.to_owned(), hint);
    }

    fn is_usable(&self, address: SocketAddr) -> bool {
        address.port() != 0 && may_work(address.ip()) && !self.own.contains(&address)
    }
}

fn sort(candidates: &mut [Candidate]) {
    use std::cmp::Reverse;
    candidates.sort_by_key(|c| {
        (
            Reverse(c.succeeded),
            c.source,
            Reverse(c.learned),
            c.address,
        )
    });
}

/// Whether an address can be dialled as it stands; a link-local one says nothing without its zone,
/// which libp2p cannot carry.
pub(super) fn may_work(ip: IpAddr) -> bool {
    let link_local = match ip.to_canonical() {
        IpAddr::V4(v4) => v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(ip.is_unspecified() || ip.is_multicast() || link_local)
}

#[cfg(test)]
mod tests;
