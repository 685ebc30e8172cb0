//! What becomes of a conversation when a right that people used there turns out void.

use std::time::Duration;

use super::mesh::Mesh;
use crate::domain::cert::{Scope, Scopes};
use crate::domain::id::StaffId;
use crate::domain::mesh_keys::MESH_KEYS;
use crate::domain::space::Space;
use crate::domain::statement::{Act, StatementId};
use crate::domain::testing::{SampleClinic, facts, mesh_key, minutes};
use crate::node::engine::Command;

/// Ana of the front desk, Ben of ward 2 who helps there, and Cem of ward 2 share a room; what Lee says
/// of them counts until the root ends Lee.
struct Doubt {
    mesh: Mesh,
    ana: StaffId,
    ben: StaffId,
    cem: StaffId,
    rounds: Space,
    /// What Lee said last.
    said: StatementId,
}

impl Doubt {
    /// Lee says something before everybody, and Ana too; then ward 2 is cut off.
    fn begin(act: impl FnOnce(StaffId, Space) -> Act) -> Self {
        let mut clinic = SampleClinic::of(["front-desk", "ward-2"]);
        clinic.admin("Lee", Scopes::of([Scope::Staff]));
        let ana = clinic.staff("Ana", ["front-desk"]);
        let ben = clinic.staff("Ben", ["ward-2"]);
        let cem = clinic.staff("Cem", ["ward-2"]);
        let rounds = clinic.room("rounds", [ana, cem]);
        let said = clinic.say_as("Lee", act(ben, rounds));
        let mut doubt = Self {
            mesh: Mesh::of(clinic),
            ana,
            ben,
            cem,
            rounds,
            said,
        };
        doubt.post(ana, "one");
        doubt.mesh.cut("ward-2");
        doubt
    }

    /// The front desk learns that what Lee said last never counted.
    fn end_lee(&mut self) {
        let admin = self.said.author.as_admin();
        let last = self.said.seq - 1;
        self.mesh.clinic.say_root(Act::AdminEnded { admin, last });
        self.mesh.submit("front-desk");
    }

    fn post(&mut self, staff: StaffId, text: &str) {
        let posted = self.mesh.post("front-desk", staff, self.rounds, text);
        posted.expect("posted");
        self.mesh.run_for(Duration::from_secs(2));
    }

    /// What Cem reads on ward 2 once it is connected again.
    fn seen_from_the_ward(&mut self) -> Vec<String> {
        self.mesh.heal("ward-2");
        self.mesh.run_for(minutes(3));
        self.mesh.texts("ward-2", self.cem, self.rounds)
    }
}

fn helps_at_the_front_desk(ben: StaffId, _: Space) -> Act {
    Act::StaffChanged {
        staff: ben,
        facts: facts("Ben", ["front-desk", "ward-2"]),
        lifts: Vec::new(),
    }
}

#[test]
fn a_home_that_turns_out_void_keeps_no_colleague_from_being_heard() {
    let mut d = Doubt::begin(helps_at_the_front_desk);
    let Space::Room(room) = d.rounds else {
        panic!("rounds is a room");
    };
    let add = vec![d.ben];
    let remove = Vec::new();
    d.mesh.clinic.say(Act::MembersChanged { room, add, remove });
    d.mesh.submit("front-desk");
    d.post(d.ben, "never his to say");
    d.end_lee();
    d.post(d.ana, "two");

    assert_eq!(d.seen_from_the_ward(), ["one", "two"]);
    d.post(d.ana, "three");
    assert_eq!(d.seen_from_the_ward(), ["one", "two", "three"]);
}

#[test]
fn a_membership_that_turns_out_void_keeps_no_colleague_from_being_heard() {
    let mut d = Doubt::begin(|ben, rounds| {
        let Space::Room(room) = rounds else {
            panic!("rounds is a room");
        };
        let (add, remove) = (vec![ben], Vec::new());
        Act::MembersChanged { room, add, remove }
    });
    let homes = helps_at_the_front_desk(d.ben, d.rounds);
    d.mesh.clinic.say(homes);
    d.mesh.submit("front-desk");
    d.post(d.ben, "never his to say");
    d.end_lee();
    d.post(d.ana, "two");

    assert_eq!(d.seen_from_the_ward(), ["one", "two"]);
}

#[test]
fn a_statement_that_turns_out_void_and_took_nobodys_right_begins_no_log() {
    let mut d = Doubt::begin(|_, _| Act::StaffAdded {
        staff: StaffId::new([9; 16]),
        facts: facts("Dee", ["ward-2"]),
    });
    d.end_lee();
    d.post(d.ana, "two");

    let logs = d.mesh.offices["front-desk"].disk.of_space(&d.rounds);
    assert_eq!(logs.count(), 1);
}

/// A copy of an admin's key changes the mesh key so often that none of before is accepted any more. Once its
/// admin is ended those changes are void, and every office has the clinic's own key again, or nobody could ever
/// connect.
#[test]
fn mesh_keys_that_turn_out_void_leave_the_clinics_own() {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2"]);
    let lee = clinic.admin("Lee", Scopes::of(Scopes::ALL));
    let mut mesh = Mesh::of(clinic);
    for epoch in 2..2 + MESH_KEYS as u32 {
        let commitment = mesh_key(epoch).commitment(&mesh.clinic.id, epoch);
        let act = Act::MeshKeyRotated { epoch, commitment };
        mesh.clinic.say_as("Lee", act);
        let command = Command::Submit {
            segments: mesh.clinic.segments.clone(),
            mesh_keys: vec![(epoch, mesh_key(epoch))],
        };
        mesh.ask("front-desk", command);
        mesh.run_for(Duration::from_secs(2));
    }
    let used = |mesh: &Mesh, office: &str| -> Vec<u32> {
        let trust = &mesh.offices[office].engine.trust;
        trust.mesh_keys.iter().map(|(epoch, _)| epoch).collect()
    };
    assert_eq!(used(&mesh, "ward-2"), [2, 3, 4]);
    let disk = mesh.offices["ward-2"].disk.clone();

    mesh.clinic.say_root(Act::AdminEnded {
        admin: lee,
        last: 0,
    });
    mesh.submit("front-desk");
    mesh.run_for(Duration::from_secs(2));
    assert_eq!(used(&mesh, "front-desk"), [1]);
    assert_eq!(used(&mesh, "ward-2"), [1]);
    // The same where a machine starts before it hears of it.
    mesh.crash("ward-2");
    mesh.start("ward-2", disk, 0);
    mesh.run_for(Duration::from_secs(2));
    assert_eq!(used(&mesh, "ward-2"), [1]);
    // Of more than are held in memory those that are void go first, when a machine starts.
    let mut disk = mesh.crash("ward-2");
    disk.mesh_keys
        .extend((5..99).map(|epoch| (epoch, mesh_key(epoch))));
    mesh.start("ward-2", disk, 0);
    assert_eq!(used(&mesh, "ward-2"), [1]);
}
