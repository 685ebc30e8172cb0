//! The root key is changed, also where its thief was quicker.

use super::*;
use crate::domain::cert::Scopes;
use crate::domain::id::AuthorId;
use crate::domain::statement::Act;
use crate::domain::testing::{ADMIN, facts, mesh_key};
use crate::domain::trust::{Credentials, Reach, Refusal};

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

const OFFICES: [&str; 3] = ["front-desk", "ward-2", "pharmacy"];

/// The same clinic, with Ana at the front desk and Ben on ward 2 in one room.
fn two_admins_and_a_room() -> (Mesh, StaffId, Space) {
    let mut clinic = SampleClinic::of(OFFICES);
    clinic.admin("Sam", Scopes::of(Scopes::ALL));
    let ana = clinic.staff("Ana", ["front-desk"]);
    let ben = clinic.staff("Ben", ["ward-2"]);
    let rounds = clinic.room("rounds", [ana, ben]);
    (Mesh::of(clinic), ana, rounds)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Thief {
    EndsAndRevokes,
    RotatesToo,
}

/// Cuts these offices off and gives them the record of a thief of the root key, who ends every admin and
/// has one of his own revoke these machines and make another mesh key.
fn deceive(mesh: &mut Mesh, offices: &[&str], revoked: &[&str], thief: Thief) {
    let own = mesh.clinic.clone();
    let clinic = &mut mesh.clinic;
    for who in [ADMIN, "Sam"] {
        let admin = clinic.admins[who].id();
        clinic.say_root(Act::AdminEnded { admin, last: 0 });
    }
    clinic.admin("Mallory", Scopes::of(Scopes::ALL));
    let commitment = mesh_key(66).commitment(&clinic.id, 2);
    let rotated = Act::MeshKeyRotated {
        epoch: 2,
        commitment,
    };
    clinic.say_as("Mallory", rotated);
    for office in revoked {
        let revocation = clinic.revocation(office, Vec::new());
        clinic.say_as("Mallory", Act::DeviceRevoked { revocation });
    }
    if thief == Thief::RotatesToo {
        let last = clinic.root_head();
        rotate(clinic, "thief", last, &["Mallory"]);
    }
    for office in offices {
        mesh.cut(office);
    }
    for office in offices {
        let command = Command::Submit {
            segments: mesh.clinic.segments.clone(),
            mesh_keys: vec![(2, mesh_key(66))],
        };
        mesh.ask(office, command);
        assert!(mesh.offices[*office].engine.mesh_keys.contains_key(&2));
    }
    mesh.clinic = own;
}

/// The clinic changes its root key at one office, and every office can reach the others again.
fn clinic_rotates_at(mesh: &mut Mesh, office: &str) {
    rotate(&mut mesh.clinic, "second", 3, &[ADMIN, "Sam"]);
    mesh.submit(office);
    mesh.run_for(minutes(1));
    for office in OFFICES {
        mesh.heal(office);
    }
    mesh.run_for(minutes(3));
}

fn assert_all_follow(mesh: &Mesh) {
    for office in OFFICES {
        assert_eq!(newest_root(mesh, office), mesh.clinic.root.id(), "{office}");
        let engine = &mesh.offices[office].engine;
        let devices = engine.clinic().devices.values();
        assert_eq!(devices.filter(|d| d.revocation.is_none()).count(), 3);
        let level = mesh.offices["pharmacy"].engine.record_digest();
        assert_eq!(engine.record_digest(), level, "{office}");
        assert_eq!(mesh.peers_of(office).len(), 2, "{office}");
        let keys: Vec<u32> = engine.mesh_keys.keys().copied().collect();
        assert_eq!(keys, [1], "a thief's mesh key is none: {office}");
    }
}

#[test]
fn an_office_that_believes_the_others_to_be_revoked_hears_of_the_clinics_root_from_them() {
    for thief in [Thief::EndsAndRevokes, Thief::RotatesToo] {
        let (mut mesh, ana, rounds) = two_admins_and_a_room();
        deceive(&mut mesh, &["front-desk"], &["ward-2", "pharmacy"], thief);
        let verdict = |mesh: &Mesh| mesh.judge("front-desk", "ward-2");
        assert_eq!(verdict(&mesh), Err(Refusal::Revoked));
        mesh.heal("front-desk");
        mesh.run_for(minutes(1));
        assert!(mesh.peers_of("front-desk").is_empty(), "nothing to show");
        clinic_rotates_at(&mut mesh, "ward-2");
        assert_all_follow(&mesh);
        assert_eq!(verdict(&mesh), Ok(Reach::All));
        let sent = mesh.post("front-desk", ana, rounds, "Bed 4 is free");
        sent.expect("posted");
        mesh.run_for(Duration::from_secs(5));
        assert_eq!(mesh.carried.get("ward-2"), Some(&1));
    }
}

#[test]
fn an_office_that_believes_itself_to_be_revoked_hears_why_it_is_not() {
    for revoked in [&["front-desk"][..], &OFFICES] {
        for thief in [Thief::EndsAndRevokes, Thief::RotatesToo] {
            let (mut mesh, ..) = two_admins_and_a_room();
            deceive(&mut mesh, &["front-desk"], revoked, thief);
            clinic_rotates_at(&mut mesh, "ward-2");
            assert_all_follow(&mesh);
        }
    }
}

#[test]
fn one_office_that_was_not_deceived_is_enough_for_all() {
    let (mut mesh, ..) = two_admins_and_a_room();
    let deceived = ["front-desk", "ward-2"];
    deceive(&mut mesh, &deceived, &OFFICES, Thief::RotatesToo);
    clinic_rotates_at(&mut mesh, "pharmacy");
    assert_all_follow(&mesh);
}

/// The pharmacy is revoked by Sam; a thief with the old root key runs it, and shows a change of its
/// own that leaves that root these many statements, so that Sam was not yet appointed.
fn pharmacy_shows(mesh: &mut Mesh, last: u64) {
    let (chain, _) = mesh.clinic.rotation("thief", last);
    let revocation = mesh.clinic.revocation("pharmacy", Vec::new());
    mesh.clinic.say_as("Sam", Act::DeviceRevoked { revocation });
    mesh.cut("pharmacy");
    rotate(&mut mesh.clinic, "second", 3, &[ADMIN, "Sam"]);
    mesh.submit("front-desk");
    mesh.run_for(minutes(1));
    let device = mesh.clinic.device("pharmacy");
    let shown = Credentials {
        chain: Some(vec![chain]),
        ..device.credentials()
    };
    mesh.offices.get_mut("pharmacy").expect("it runs").shown = Some(shown);
    mesh.gifts.clear();
    mesh.heal("pharmacy");
}

#[test]
fn a_thief_with_the_old_root_key_and_a_revoked_machine_is_given_nothing() {
    let (mut mesh, ana, rounds) = two_admins_and_a_room();
    pharmacy_shows(&mut mesh, 2);
    assert_eq!(mesh.judge("front-desk", "pharmacy"), Ok(Reach::Unlisted));
    mesh.run_for(Duration::from_secs(5));
    let sent = mesh.post("front-desk", ana, rounds, "Bed 4 is free");
    sent.expect("posted");
    for frame in [
        crate::wire::Frame::WantMeshKey { epoch: 1 },
        crate::wire::Frame::Here { staff: ana },
    ] {
        mesh.whisper("pharmacy", "front-desk", &frame);
    }
    let before = mesh.link_between("front-desk", "pharmacy");
    mesh.run_for(minutes(2));
    for office in ["front-desk", "ward-2"] {
        let gifts = mesh.gifts.get(&(office.into(), "pharmacy".into()));
        assert_eq!(gifts, None, "{office}");
        assert_eq!(newest_root(&mesh, office), mesh.clinic.root.id());
    }
    let after = mesh.link_between("front-desk", "pharmacy");
    assert_ne!(before, after, "no such channel lasts");
}

#[test]
fn a_change_that_nobody_in_office_could_have_carried_opens_no_door() {
    let (mut mesh, ..) = two_admins_and_a_room();
    pharmacy_shows(&mut mesh, 1);
    let refused = Err(Refusal::Revoked);
    assert_eq!(mesh.judge("front-desk", "pharmacy"), refused);
}

#[test]
fn a_channel_ends_when_a_change_of_the_root_key_makes_void_what_it_stands_on() {
    let (mut mesh, ..) = two_admins_and_a_room();
    let mut thief = mesh.clinic.clone();
    thief.admin("Mallory", Scopes::of(Scopes::ALL));
    let mut certificate = thief.draft("pharmacy");
    certificate.not_after = certificate.not_after.minus(minutes(1));
    mesh.cut("pharmacy");
    mesh.offices.get_mut("pharmacy").expect("it runs").shown = Some(Credentials {
        certificate: thief.certify("Mallory", &certificate),
        grant: thief.admins["Mallory"].signed.clone(),
        chain: None,
    });
    mesh.heal("pharmacy");
    mesh.run_for(Duration::from_secs(5));
    assert_eq!(mesh.judge("front-desk", "pharmacy"), Ok(Reach::All));
    assert!(mesh.link_between("front-desk", "pharmacy").is_some());

    rotate(&mut mesh.clinic, "second", 3, &[ADMIN, "Sam"]);
    mesh.submit("front-desk");
    assert_eq!(mesh.link_between("front-desk", "pharmacy"), None);
}
