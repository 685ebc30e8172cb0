//! Entitlement: who belongs to a conversation, which device may hold it and from when on, and who may write
//! in it.

use super::Clinic;
use crate::domain::cert::{Capability, DeviceKind};
use crate::domain::id::{AuthorId, DeviceId, StaffId};
use crate::domain::name::Name;
use crate::domain::space::Space;
use crate::domain::statement::History;
use crate::domain::time::Hlc;
use crate::planted::planted;

impl Clinic {
    /// The staff members a conversation or private space is of at present.
    pub fn people(&self, space: &Space) -> Vec<StaffId> {
        match space {
            Space::Record | Space::Audit(_) => Vec::new(),
            Space::Direct(one, other) => vec![*one, *other],
            Space::Group(group) if planted!("group-forgets-its-last") => {
                group.members()[..2].to_vec()
            }
            Space::Group(group) => group.members().to_vec(),
            Space::Room(room) => self
                .rooms
                .get(room)
                .map_or_else(Vec::new, |room| room.members.keys().copied().collect()),
            Space::Staff(staff) => vec![*staff],
        }
    }

    /// Whether the staff member belongs to the conversation at present.
    pub fn is_in(&self, staff: &StaffId, space: &Space) -> bool {
        space.is_well_formed()
            && match space {
                Space::Record | Space::Audit(_) => false,
                Space::Direct(one, other) => {
                    (one == staff || other == staff)
                        && self.staff.contains_key(one)
                        && self.staff.contains_key(other)
                }
                Space::Group(group) => {
                    let mut members = group.members().iter();
                    group.has(staff) && members.all(|one| self.staff.contains_key(one))
                }
                Space::Room(room) => self
                    .rooms
                    .get(room)
                    .is_some_and(|room| room.members.contains_key(staff)),
                Space::Staff(owner) => owner == staff,
            }
    }

    /// Whether the device may hold the space at present: only those are offered it.
    pub fn may_hold(&self, device: &DeviceId, space: &Space) -> bool {
        let Some(found) = self.devices.get(device) else {
            return false;
        };
        if found.revocation.is_some() || !space.is_well_formed() {
            return false;
        }
        match space {
            Space::Record => true,
            Space::Audit(owner) => {
                owner == device || found.certificate.capabilities.has(Capability::Witness)
            }
            Space::Direct(..) | Space::Group(_) | Space::Room(_) | Space::Staff(_) => self
                .people(space)
                .iter()
                .any(|staff| self.is_home(device, staff)),
        }
    }

    /// Whether the device is an office node where this person may sign in at present.
    pub fn is_home(&self, device: &DeviceId, staff: &StaffId) -> bool {
        let Some(office) = self.office(device) else {
            return false;
        };
        self.staff
            .get(staff)
            .is_some_and(|member| member.facts.homes.contains(office))
    }

    /// Whether the device was ever entitled to write in the space.
    ///
    /// Deliberately not "is": what was written before a removal was known is accepted everywhere, so
    /// that all nodes hold the same logs; faces show it as such.
    pub fn may_write(&self, author: &AuthorId, space: &Space) -> bool {
        let device = author.as_device();
        match space {
            Space::Record => false,
            Space::Audit(owner) => *owner == device && self.devices.contains_key(&device),
            Space::Direct(one, other) => {
                space.is_well_formed()
                    && (self.was_home(&device, one) || self.was_home(&device, other))
            }
            Space::Group(group) => {
                let mut members = group.members().iter();
                members.any(|staff| self.was_home(&device, staff))
            }
            Space::Room(room) => self.rooms.get(room).is_some_and(|room| {
                room.ever_members
                    .iter()
                    .any(|staff| self.was_home(&device, staff))
            }),
            Space::Staff(staff) => self.was_home(&device, staff),
        }
    }

    /// Whether what the device wrote in this person's name is believed: it was ever one of their
    /// homes.
    pub fn speaks_for(&self, author: &AuthorId, staff: &StaffId) -> bool {
        self.was_home(&author.as_device(), staff)
    }

    fn was_home(&self, device: &DeviceId, staff: &StaffId) -> bool {
        let (Some(device), Some(member)) = (self.devices.get(device), self.staff.get(staff)) else {
            return false;
        };
        !device.ever_offices.is_disjoint(&member.ever_homes)
    }

    /// The office of a node; clients have none.
    fn office(&self, device: &DeviceId) -> Option<&Name> {
        let certificate = &self.devices.get(device)?.certificate;
        (certificate.kind == DeviceKind::Node).then_some(&certificate.office)
    }

    /// From when on the device is given the bodies of the space; earlier entries come without.
    pub fn sees_from(&self, device: &DeviceId, space: &Space) -> Hlc {
        let Space::Room(room) = space else {
            return Hlc(0);
        };
        let Some(room) = self.rooms.get(room) else {
            return Hlc(0);
        };
        if room.history == History::All {
            return Hlc(0);
        }
        let since = room
            .members
            .iter()
            .filter(|(staff, _)| self.is_home(device, staff));
        since
            .map(|(_, since)| *since)
            .min()
            .unwrap_or(Hlc(u64::MAX))
    }

    /// Every space that the device may hold and that the record can name, audit trails included.
    ///
    /// Direct conversations exist between any two staff members; they are enumerated from what is
    /// stored, not from here.
    pub fn rooms_of<'a>(&'a self, device: &'a DeviceId) -> impl Iterator<Item = Space> + 'a {
        let rooms = self.rooms.keys().map(|room| Space::Room(*room));
        rooms.filter(|space| self.may_hold(device, space))
    }
}
