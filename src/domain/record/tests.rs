use super::*;
use crate::domain::cert::{Capabilities, Scope, Scopes};
use crate::domain::id::Hash;
use crate::domain::log::Epoch;
use crate::domain::sign::Signed;
use crate::domain::space::Space;
use crate::domain::statement::{Act, History, Invitation, LogEnd, Seen};
use crate::domain::testing::{
    ADMIN, NOON, SampleClinic, days, facts, mesh_key, minutes, name, seed16, sorted,
};

mod admins;
mod devices;
mod entitlement;
mod invitations;
mod orders;
mod people;
mod roots;
mod settings;
mod size;
mod two_admins;

/// Two offices with Ana and Ben, who share a room.
fn clinic() -> SampleClinic {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2"]);
    let ana = clinic.staff("Ana", ["front-desk"]);
    let ben = clinic.staff("Ben", ["ward-2"]);
    clinic.room("rounds", [ana, ben]);
    clinic
}

fn staff(who: &str) -> StaffId {
    StaffId::new(seed16("staff", who))
}

fn room(title: &str) -> RoomId {
    RoomId::new(seed16("room", title))
}

fn add(who: &str) -> Act {
    Act::MembersChanged {
        room: room("rounds"),
        add: vec![staff(who)],
        remove: vec![],
    }
}

fn remove(who: &str) -> Act {
    Act::MembersChanged {
        room: room("rounds"),
        add: vec![],
        remove: vec![staff(who)],
    }
}

fn policy(version: u32, room_days: u16) -> Act {
    let mut policy = Policy::initial();
    policy.version = version;
    policy.room_days = room_days;
    Act::PolicySet { policy }
}

fn is_member(clinic: &SampleClinic, who: &str) -> bool {
    clinic
        .record()
        .is_in(&staff(who), &Space::Room(room("rounds")))
}

fn void(clinic: &SampleClinic, id: StatementId) -> Option<VoidReason> {
    clinic.record().void.get(&id).copied()
}

fn end(clinic: &mut SampleClinic, who: &str, last: u64) -> StatementId {
    let admin = clinic.admins[who].id();
    clinic.say_root(Act::AdminEnded { admin, last })
}

/// Sam, an admin with every scope.
fn with_sam(mut clinic: SampleClinic) -> SampleClinic {
    clinic.admin("Sam", Scopes::of(Scopes::ALL));
    clinic
}
