//! The root key is changed, also where its thief was quicker.

use super::*;
use crate::domain::cert::Scopes;
use crate::domain::id::AuthorId;
use crate::domain::statement::Act;
use crate::domain::testing::{ADMIN, facts};

/// Three offices, and two admins: the root has said three things.
fn two_admins() -> Mesh {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2", "pharmacy"]);
    clinic.admin("Sam", Scopes::of(Scopes::ALL));
    Mesh::of(clinic)
}

fn newest_root(mesh: &Mesh, office: &str) -> AuthorId {
    let roots = &mesh.offices[office].engine.clinic().roots;
    roots.last().expect("founded").key.into()
}

/// Both admins sign for a key of this name, which appoints one more.
fn rotate(clinic: &mut SampleClinic, next: &str, last: u64, signers: &[&str]) {
    let (rotation, new) = clinic.rotation(next, last);
    for who in signers {
        clinic.say_rotated(who, &rotation);
    }
    clinic.root = new;
}

#[test]
fn a_new_root_and_whom_it_appoints_reach_every_office() {
    let mut mesh = two_admins();
    rotate(&mut mesh.clinic, "second", 3, &[ADMIN, "Sam"]);
    let lee = mesh.clinic.admin("Lee", Scopes::of(Scopes::ALL));
    let dan = facts("Dan", ["pharmacy"]);
    let staff = StaffId::new([0xda; 16]);
    mesh.clinic
        .say_as("Lee", Act::StaffAdded { staff, facts: dan });
    mesh.submit("ward-2");
    mesh.run_for(minutes(1));
    for office in ["front-desk", "ward-2", "pharmacy"] {
        assert_eq!(
            newest_root(&mesh, office),
            mesh.clinic.root.id(),
            "{office}"
        );
        let clinic = mesh.offices[office].engine.clinic();
        assert!(clinic.admins.contains_key(&lee), "{office}");
        assert!(clinic.staff.contains_key(&staff), "{office}");
    }
}

#[test]
fn an_office_that_follows_a_thiefs_root_follows_the_clinics_once_it_hears_of_it() {
    let mut mesh = two_admins();
    mesh.cut("front-desk");
    let own = mesh.clinic.clone();
    for who in [ADMIN, "Sam"] {
        let admin = mesh.clinic.admins[who].id();
        mesh.clinic.say_root(Act::AdminEnded { admin, last: 0 });
    }
    let mallory = mesh.clinic.admin("Mallory", Scopes::of(Scopes::ALL));
    rotate(&mut mesh.clinic, "thief", 6, &["Mallory"]);
    let eve = mesh.clinic.admin("Eve", Scopes::of(Scopes::ALL));
    let (staff, facts) = (StaffId::new([0xee; 16]), facts("Eve", ["ward-2"]));
    mesh.clinic.say_as("Eve", Act::StaffAdded { staff, facts });
    mesh.submit("front-desk");
    assert_eq!(newest_root(&mesh, "front-desk"), mesh.clinic.root.id());

    mesh.clinic = own;
    rotate(&mut mesh.clinic, "second", 3, &[ADMIN, "Sam"]);
    let lee = mesh.clinic.admin("Lee", Scopes::of(Scopes::ALL));
    mesh.submit("ward-2");
    mesh.run_for(minutes(1));
    mesh.heal("front-desk");
    mesh.run_for(minutes(2));
    let digest = mesh.offices["ward-2"].engine.record_digest();
    for office in ["front-desk", "ward-2", "pharmacy"] {
        assert_eq!(
            newest_root(&mesh, office),
            mesh.clinic.root.id(),
            "{office}"
        );
        // What counts for nothing is held all the same: or they would never be level again.
        let held = mesh.offices[office].engine.record_digest();
        assert_eq!(held, digest, "{office}");
        let admins = &mesh.offices[office].engine.clinic().admins;
        assert!(admins.contains_key(&lee), "{office}");
        assert!(
            !admins.contains_key(&mallory) && !admins.contains_key(&eve),
            "{office}"
        );
        assert!(
            admins.values().all(|admin| admin.last.is_none()),
            "{office}"
        );
    }
}
