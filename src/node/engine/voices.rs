//! In whose names this node wrote, and what follows when the record takes such a right back.
//!
//! Nobody takes an entry in the name of a person for whom its node never spoke, as the record says, nor
//! anything behind it in that log. An entry that was right when it was written becomes one when the
//! statement behind it turns out void, because whoever signed it was ended before. What others of this
//! office say from then on must not wait behind it: it goes into a fresh log.

use std::collections::BTreeSet;

use crate::domain::id::{AuthorId, StaffId};
use crate::domain::record::Clinic;
use crate::domain::space::Space;

use super::Engine;

/// Whether the person was ever in the conversation.
pub(super) fn was_in(clinic: &Clinic, space: &Space, staff: &StaffId) -> bool {
    match space {
        Space::Direct(one, other) => staff == one || staff == other,
        Space::Group(group) => group.has(staff),
        Space::Room(room) => {
            let room = clinic.rooms.get(room);
            room.is_some_and(|room| room.ever_members.contains(staff))
        }
        Space::Record | Space::Staff(_) | Space::Audit(_) => false,
    }
}

impl Engine {
    /// Begins a fresh log in each conversation where the log of this run may hold what the record no
    /// longer believes.
    ///
    /// Who really wrote there is not remembered: a log begun for nothing costs a head.
    pub(super) fn leave_disbelieved_logs(&mut self, before: &Clinic) {
        let after = self.record.clinic.clone();
        // Only what turns out void takes a right back that was once there.
        let newly_void = { after.void.keys() }.any(|id| !before.void.contains_key(id));
        if !newly_void {
            return;
        }
        let rights = Rights {
            before,
            after: &after,
            everyone: any_office_lost(before, &after),
        };
        let me = AuthorId::from(self.me);
        let ours = { before.staff.keys() }.filter(|staff| before.speaks_for(&me, staff));
        let ours: Vec<&StaffId> = ours.collect();
        for space in self.spaces_written_in() {
            if ours.iter().any(|staff| rights.shrank(&space, staff)) {
                let epoch = self.fresh_epoch();
                self.epochs.insert(space, epoch);
            }
        }
    }

    /// The conversations in which this node has written in the logs of now.
    fn spaces_written_in(&self) -> BTreeSet<Space> {
        let held = { self.holdings.spaces() }.map(|(space, _)| *space);
        let held = held.filter(|space| self.holdings.head(&self.own_log(*space)).seq > 0);
        let waiting = self.batch.own_spaces();
        let spaces = held.chain(waiting);
        spaces.filter(Space::is_conversation).collect()
    }
}

/// What the record says, and what it said.
struct Rights<'a> {
    before: &'a Clinic,
    after: &'a Clinic,
    /// Whether some device lost an office that it was believed to stand in: whatever people wrote or
    /// took back there.
    everyone: bool,
}

impl Rights<'_> {
    /// Whether something that the person wrote in the conversation may be believed no more.
    fn shrank(&self, space: &Space, staff: &StaffId) -> bool {
        let was_in_before = was_in(self.before, space, staff);
        let out = !was_in(self.after, space, staff);
        was_in_before && (self.everyone || out || self.lost_a_home(staff))
    }

    /// Not only one that is here: a retraction names what the person wrote elsewhere.
    fn lost_a_home(&self, staff: &StaffId) -> bool {
        let homes = |clinic: &Clinic| {
            let member = clinic.staff.get(staff);
            member.map_or_else(BTreeSet::new, |member| member.ever_homes.clone())
        };
        !homes(self.before).is_subset(&homes(self.after))
    }
}

fn any_office_lost(before: &Clinic, after: &Clinic) -> bool {
    before.devices.iter().any(|(id, device)| {
        let known = after.devices.get(id);
        known.is_none_or(|known| !device.ever_offices.is_subset(&known.ever_offices))
    })
}
