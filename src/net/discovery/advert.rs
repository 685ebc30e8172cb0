//! What is announced, and how it is recognised. Pure.

use std::net::SocketAddr;

use mdns_sd::{ResolvedService, ServiceInfo};
use rand::rngs::StdRng;
use subtle::ConstantTimeEq as _;

use super::super::limits::ADDRESSES_MAX;
use super::random_name;
use crate::domain::id::{Hash, hex};
use crate::domain::mesh_keys::AcceptedKeys;
use crate::domain::time::Day;
use crate::domain::trust::{MeshKey, TrustView};

/// The service's type.
pub(super) const SERVICE: &str = "_clinic-mesh._tcp.local.";

/// Version of what is announced.
const VERSION: &str = "1";

/// Bytes of a tag: enough that no stranger's announcement looks like ours by chance.
const TAG: usize = 8;

/// One announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Advert {
    /// Random, for this announcement only.
    pub(super) instance: String,
    host: String,
    pub(super) port: Option<u16>,
    /// Of the mesh key that the tag is made with.
    pub(super) epoch: Option<u32>,
    /// Key and value of the TXT record beside the version.
    mark: Option<(&'static str, String)>,
}

impl Advert {
    /// A member's, under a fresh name.
    pub(super) fn of_member(
        trust: &TrustView,
        port: Option<u16>,
        today: Day,
        random: &mut StdRng,
    ) -> Self {
        let instance = random_name(random);
        let newest = trust.mesh_keys.newest();
        let mark = newest.map(|(_, key)| ("t", member_tag(key, today, &instance)));
        Self {
            host: random_name(random),
            port,
            epoch: newest.map(|(epoch, _)| epoch),
            mark,
            instance,
        }
    }

    /// That of an open invitation, under a fresh name.
    pub(super) fn of_enrolment(tag: [u8; 8], port: u16, random: &mut StdRng) -> Self {
        Self {
            instance: random_name(random),
            host: random_name(random),
            port: Some(port),
            epoch: None,
            mark: Some(("e", hex(&tag))),
        }
    }

    /// What mDNS is to announce; nothing without a port and a mark.
    pub(super) fn info(&self) -> Result<Option<ServiceInfo>, mdns_sd::Error> {
        let (Some(port), Some((key, value))) = (self.port, &self.mark) else {
            return Ok(None);
        };
        let host = format!("{}.local.", self.host);
        let properties = [("v", VERSION), (key, value.as_str())];
        let info = ServiceInfo::new(SERVICE, &self.instance, &host, "", port, &properties[..])?;
        Ok(Some(info.enable_addr_auto()))
    }

    pub(super) fn fullname(&self) -> String {
        format!("{}.{SERVICE}", self.instance)
    }
}

/// An announcement of someone else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) instance: String,
    pub(super) addresses: Vec<SocketAddr>,
    member: Option<String>,
    enrolment: Option<String>,
}

impl Found {
    /// Reads an announcement; `None` if it is not of this version and service.
    pub(super) fn read(service: &ResolvedService) -> Option<Self> {
        let text = |key| service.get_property_val_str(key).map(str::to_owned);
        if text("v").as_deref() != Some(VERSION) {
            return None;
        }
        let port = service.get_port();
        let addresses = service.get_addresses().iter();
        let mut addresses: Vec<_> = addresses
            .map(|ip| SocketAddr::new(ip.to_ip_addr(), port))
            .collect();
        addresses.sort_unstable();
        // Anybody on the LAN can announce; more than a machine has is kept by nobody.
        addresses.truncate(ADDRESSES_MAX);
        Some(Self {
            instance: instance(service.get_fullname())?.to_owned(),
            addresses,
            member: text("t"),
            enrolment: text("e"),
        })
    }

    /// Whether a member of this clinic announced it, by any mesh key that is still accepted and on a
    /// day next to ours: names live half a day, and clocks differ.
    pub(super) fn is_member(&self, keys: &AcceptedKeys, today: Day) -> bool {
        let Some(shown) = &self.member else {
            return false;
        };
        let days = [Day(today.0.saturating_sub(1)), today, today.plus(1)];
        keys.iter().any(|(_, key)| {
            days.iter().any(|day| {
                let expected = member_tag(key, *day, &self.instance);
                expected.as_bytes().ct_eq(shown.as_bytes()).into()
            })
        })
    }

    /// Whether a node announced it, of whatever clinic.
    pub(super) fn is_node(&self) -> bool {
        self.member.is_some()
    }

    /// Whether the machine that announced it answers to this invitation.
    pub(super) fn is_enrolment(&self, tag: [u8; 8]) -> bool {
        self.enrolment.as_deref() == Some(hex(&tag).as_str())
    }
}

/// The instance in a full name of the service.
pub(super) fn instance(fullname: &str) -> Option<&str> {
    fullname.strip_suffix(SERVICE)?.strip_suffix('.')
}

/// What members recognise and strangers cannot link to anything.
fn member_tag(key: &MeshKey, day: Day, instance: &str) -> String {
    let parts: [&[u8]; 3] = [key.expose(), &day.0.to_be_bytes(), instance.as_bytes()];
    hex(&Hash::of("discovery-tag/v1", &parts).as_bytes()[..TAG])
}

#[cfg(test)]
mod tests;
