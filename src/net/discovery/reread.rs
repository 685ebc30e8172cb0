//! What this node makes of an announcement, for whoever tries it with hostile ones.

use std::net::SocketAddr;

use mdns_sd::ResolvedService;

use super::advert::Found;
use crate::domain::mesh_keys::AcceptedKeys;
use crate::domain::time::Day;

/// Most addresses that are taken from one announcement.
pub const ADDRESSES_MAX: usize = super::super::limits::ADDRESSES_MAX;

/// What is made of an announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The name it is known by.
    pub instance: String,
    /// Where it might be dialled.
    pub addresses: Vec<SocketAddr>,
    /// Whether a holder of one of the mesh keys announced it.
    pub member: bool,
    /// Whether it answers to the invitation.
    pub awaited: bool,
}

/// Judges an announcement as the library mdns-sd gives it; nothing if it is none of ours.
pub fn announcement(
    service: &ResolvedService,
    keys: &AcceptedKeys,
    today: Day,
    invitation: [u8; 8],
) -> Option<Made> {
    let found = Found::read(service)?;
    let (member, awaited) = (found.is_member(keys, today), found.is_enrolment(invitation));
    Some(Made {
        instance: found.instance,
        addresses: found.addresses,
        member,
        awaited,
    })
}
