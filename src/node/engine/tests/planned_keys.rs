//! Mesh keys that were planned: each office begins with them by itself, and gets them in time.

use std::time::Duration;

use super::mesh::Mesh;
use crate::domain::mesh_keys::MESH_KEY_LIFE;
use crate::domain::statement::Act;
use crate::domain::testing::{SampleClinic, days, mesh_key, minutes};
use crate::node::engine::Command;

const OFFICES: [&str; 3] = ["front-desk", "ward-2", "pharmacy"];

/// A clinic whose admin has planned keys 2 to 5, the first for 90 days from now, at the front desk.
fn planned() -> Mesh {
    let mut mesh = Mesh::of(SampleClinic::of(OFFICES));
    plan(&mut mesh, 2);
    mesh
}

fn plan(mesh: &mut Mesh, first: u32) {
    let clinic = &mut mesh.clinic;
    let commitments = (first..first + 4).map(|epoch| mesh_key(epoch).commitment(&clinic.id, epoch));
    let act = Act::MeshKeysPlanned {
        first,
        begins: clinic.now.plus(MESH_KEY_LIFE),
        commitments: commitments.collect(),
    };
    clinic.say(act);
    give(mesh, first..first + 4);
}

fn change(mesh: &mut Mesh, epoch: u32) {
    let commitment = mesh_key(epoch).commitment(&mesh.clinic.id, epoch);
    mesh.clinic.say(Act::MeshKeyRotated { epoch, commitment });
    give(mesh, epoch..epoch + 1);
}

fn give(mesh: &mut Mesh, keys: std::ops::Range<u32>) {
    let command = Command::Submit {
        segments: mesh.clinic.segments.clone(),
        mesh_keys: keys.map(|epoch| (epoch, mesh_key(epoch))).collect(),
    };
    mesh.ask("front-desk", command);
    mesh.run_for(Duration::from_secs(5));
}

fn dials_with(mesh: &Mesh, office: &str) -> Option<u32> {
    let keys = &mesh.offices[office].engine.trust.mesh_keys;
    keys.newest().map(|(epoch, _)| epoch)
}

fn accepts(mesh: &Mesh, office: &str) -> Vec<u32> {
    let keys = &mesh.offices[office].engine.trust.mesh_keys;
    keys.iter().map(|(epoch, _)| epoch).collect()
}

#[test]
fn every_office_gets_the_planned_keys_and_begins_with_each_at_its_moment() {
    let mut mesh = planned();
    for office in OFFICES {
        assert_eq!(accepts(&mesh, office), [1, 2, 3, 4, 5], "{office}");
        assert_eq!(dials_with(&mesh, office), Some(1), "{office}");
    }
    // From here on nobody does anything, and the offices do not even hear each other.
    for office in OFFICES {
        mesh.cut(office);
    }
    for (quarter, expected) in [(1, 2), (2, 3), (3, 4), (4, 5), (5, 5)] {
        mesh.sleep(MESH_KEY_LIFE);
        mesh.run_for(Duration::from_secs(2));
        for office in OFFICES {
            let used = dials_with(&mesh, office);
            assert_eq!(used, Some(expected), "{office}, quarter {quarter}");
        }
    }
    assert_eq!(accepts(&mesh, "ward-2"), [3, 4, 5]);
}

#[test]
fn a_machine_that_starts_after_the_moment_uses_the_key_at_once() {
    let mut mesh = planned();
    let disk = mesh.crash("ward-2");
    mesh.sleep(MESH_KEY_LIFE + minutes(1));
    mesh.start("ward-2", disk, 0);
    assert_eq!(dials_with(&mesh, "ward-2"), Some(2));
}

#[test]
fn a_change_takes_the_planned_keys_back_at_every_office() {
    let mut mesh = planned();
    change(&mut mesh, 6);
    for office in OFFICES {
        // Key 5 was taken back; where fewer than three are in use the newest others fill up.
        assert_eq!(accepts(&mesh, office), [1, 5, 6], "{office}");
        assert_eq!(dials_with(&mesh, office), Some(6), "{office}");
    }
    mesh.sleep(MESH_KEY_LIFE * 3);
    mesh.run_for(Duration::from_secs(2));
    for office in OFFICES {
        assert_eq!(dials_with(&mesh, office), Some(6), "{office}");
    }
}

#[test]
fn an_office_that_was_away_for_plan_and_change_gets_all_it_lacks() {
    let mut mesh = Mesh::of(SampleClinic::of(OFFICES));
    mesh.cut("ward-2");
    plan(&mut mesh, 2);
    change(&mut mesh, 6);
    plan(&mut mesh, 7);
    assert_eq!(accepts(&mesh, "ward-2"), [1]);
    mesh.sleep(days(30));
    mesh.heal("ward-2");
    mesh.run_for(Duration::from_secs(5));
    assert_eq!(accepts(&mesh, "ward-2"), [1, 6, 7, 8, 9, 10]);
    assert_eq!(dials_with(&mesh, "ward-2"), Some(6));
}

/// An admin's key is copied; the thief changes the mesh key, which takes back what the clinic planned. Once
/// that admin is ended, what was planned is planned again, and the keys are still there.
#[test]
fn what_a_thief_took_back_is_there_again_once_the_thief_is_ended() {
    let mut clinic = SampleClinic::of(OFFICES);
    let all = crate::domain::cert::Scopes::of(crate::domain::cert::Scopes::ALL);
    let lee = clinic.admin("Lee", all);
    let mut mesh = Mesh::of(clinic);
    plan(&mut mesh, 2);
    let commitment = mesh_key(6).commitment(&mesh.clinic.id, 6);
    let act = Act::MeshKeyRotated {
        epoch: 6,
        commitment,
    };
    mesh.clinic.say_as("Lee", act);
    give(&mut mesh, 6..7);
    assert_eq!(dials_with(&mesh, "ward-2"), Some(6));
    mesh.clinic.say_root(Act::AdminEnded {
        admin: lee,
        last: 0,
    });
    give(&mut mesh, 0..0);
    for office in OFFICES {
        assert_eq!(accepts(&mesh, office), [1, 2, 3, 4, 5], "{office}");
        assert_eq!(dials_with(&mesh, office), Some(1), "{office}");
    }
}
