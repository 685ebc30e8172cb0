//! People: staff members, their suspensions, and the rooms they share.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::{Bounds, Clinic, Item, VoidReason, follows};
use crate::domain::id::{RoomId, StaffId};
use crate::domain::record::{Room, StaffMember, Status};
use crate::domain::statement::{Act, StaffFacts, StatementId};
use crate::domain::time::Hlc;
use crate::planted::planted;

impl Clinic {
    pub(super) fn apply_staff(&mut self, counted: &[&Item]) {
        let mut lifted = BTreeSet::new();
        for item in counted {
            match &item.statement.act {
                Act::StaffAdded { staff, facts } => self.set_facts(item.id, *staff, facts),
                Act::StaffChanged {
                    staff,
                    facts,
                    lifts,
                } => {
                    self.set_facts(item.id, *staff, facts);
                    let seen = lifts.iter().filter(|lift| follows(item, **lift));
                    lifted.extend(seen.map(|lift| (*staff, *lift)));
                }
                _ => {}
            }
        }
        self.apply_suspensions(counted, &lifted);
    }

    fn set_facts(&mut self, by: StatementId, staff: StaffId, facts: &StaffFacts) {
        let member = self.staff.entry(staff).or_insert_with(|| StaffMember {
            facts: facts.clone(),
            by,
            ever_homes: BTreeSet::new(),
            status: Status::Active,
        });
        member.facts = facts.clone();
        member.by = by;
        member.ever_homes.extend(facts.homes.iter().cloned());
    }

    /// A suspension stands until a change that had seen it names it.
    fn apply_suspensions(&mut self, counted: &[&Item], lifted: &BTreeSet<(StaffId, StatementId)>) {
        for item in counted {
            let Act::StaffSuspended { staff } = &item.statement.act else {
                continue;
            };
            if lifted.contains(&(*staff, item.id)) {
                continue;
            }
            if let Some(member) = self.staff.get_mut(staff) {
                member.status = Status::Suspended;
            }
        }
    }

    pub(super) fn apply_rooms(&mut self, counted: &[&Item]) {
        let created = self.create_rooms(counted);
        let removals = removals(counted);
        for item in counted {
            let (room, add, since) = match &item.statement.act {
                Act::RoomCreated { room, members, .. } if created.contains(&item.id) => {
                    (room, members, Hlc(0))
                }
                Act::MembersChanged { room, add, .. } => (room, add, item.time),
                _ => continue,
            };
            let Some(found) = self.rooms.get_mut(room) else {
                self.void(item, VoidReason::DoesNotFit);
                continue;
            };
            for staff in add {
                found.ever_members.insert(*staff);
                let removed = removals.get(&(*room, *staff));
                let wins = planted!("addition-beats-unseen-removal");
                if wins || removed.is_none_or(|removals| removals.all_before(item)) {
                    found.members.entry(*staff).or_insert(since);
                }
            }
        }
    }

    /// The first creation of a room is the one; returns which statements these are.
    fn create_rooms(&mut self, counted: &[&Item]) -> BTreeSet<StatementId> {
        let mut created = BTreeSet::new();
        for item in counted {
            let Act::RoomCreated {
                room,
                name,
                history,
                ..
            } = &item.statement.act
            else {
                continue;
            };
            match self.rooms.entry(*room) {
                Entry::Occupied(_) => self.void(item, VoidReason::DoesNotFit),
                Entry::Vacant(place) => {
                    created.insert(item.id);
                    place.insert(Room {
                        name: name.clone(),
                        history: *history,
                        members: BTreeMap::new(),
                        ever_members: BTreeSet::new(),
                    });
                }
            }
        }
        created
    }
}

/// Every removal from a room, by room and member.
fn removals(counted: &[&Item]) -> BTreeMap<(RoomId, StaffId), Bounds> {
    let mut found: BTreeMap<_, Bounds> = BTreeMap::new();
    for item in counted {
        let Act::MembersChanged { room, remove, .. } = &item.statement.act else {
            continue;
        };
        for staff in remove {
            found.entry((*room, *staff)).or_default().note(item.id);
        }
    }
    found
}
