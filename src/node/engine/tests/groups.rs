//! Groups that staff begin by themselves.

use std::time::Duration;

use super::mesh::Mesh;
use crate::domain::group::{GROUP_MAX, Group};
use crate::domain::id::StaffId;
use crate::domain::space::Space;
use crate::domain::testing::SampleClinic;
use crate::node::engine::CommandRefusal;
use crate::node::engine::holdings::GROUPS_MAX;
use crate::wire::Frame;

/// Long enough for a message to get everywhere.
const A_MOMENT: Duration = Duration::from_secs(2);

fn group(members: impl IntoIterator<Item = StaffId>) -> Space {
    Space::Group(Group::of(members).expect("a group"))
}

#[test]
fn a_group_reaches_the_offices_of_its_members_and_nobody_else() {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2", "lab", "pharmacy"]);
    let ana = clinic.staff("Ana", ["front-desk"]);
    let ben = clinic.staff("Ben", ["ward-2"]);
    let cem = clinic.staff("Cem", ["lab"]);
    let dee = clinic.staff("Dee", ["pharmacy"]);
    let mut mesh = Mesh::of(clinic);
    let space = group([cem, ana, ben]);
    mesh.post("front-desk", ana, space, "Who has the key?")
        .expect("posted");
    mesh.run_for(A_MOMENT);
    mesh.post("lab", cem, space, "I have").expect("posted");
    mesh.run_for(A_MOMENT);

    let said = ["Who has the key?", "I have"];
    assert_eq!(mesh.texts("ward-2", ben, space), said);
    assert_eq!(mesh.texts("front-desk", ana, space), said);
    assert_eq!(mesh.listed("ward-2", ben, space).members.len(), 3);
    assert_eq!(mesh.offices["pharmacy"].disk.of_space(&space).count(), 0);
    let outsider = mesh.post("pharmacy", dee, space, "me too");
    assert_eq!(outsider, Err(CommandRefusal::NotAMember));
}

/// So many groups of Ana, Ben and others.
fn groups(clinic: &mut SampleClinic, count: usize) -> Vec<Space> {
    let ana = clinic.staff("Ana", ["front-desk"]);
    let ben = clinic.staff("Ben", ["ward-2"]);
    let others: Vec<StaffId> = (0..12)
        .map(|number| clinic.staff(&format!("Cy {number}"), ["pharmacy"]))
        .collect();
    let picked = |mask: u32| {
        let picked = others.iter().enumerate();
        let picked = picked.filter(move |(at, _)| mask & (1 << at) != 0);
        picked.map(|(_, staff)| *staff)
    };
    let fitting =
        (1..4096_u32).filter(|mask| (1..=GROUP_MAX - 2).contains(&(mask.count_ones() as usize)));
    fitting
        .map(|mask| group(picked(mask).chain([ana, ben])))
        .take(count)
        .collect()
}

#[test]
fn a_device_that_begins_groups_without_end_fills_no_other_ones_disk() {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2", "pharmacy"]);
    let spaces = groups(&mut clinic, GROUPS_MAX + 1);
    let (last, others) = spaces.split_last().expect("some");
    let mut mesh = Mesh::of(clinic);
    for space in others {
        let segment = mesh.clinic.post("front-desk", *space, &["hello"]);
        mesh.whisper("front-desk", "ward-2", &Frame::Entries(segment.into()));
    }
    let one_more = mesh.clinic.post("front-desk", *last, &["hello"]);
    let one_more = Frame::Entries(one_more.into());
    mesh.whisper("front-desk", "ward-2", &one_more);
    mesh.run_for(A_MOMENT);

    let held = |space: &Space| mesh.offices["ward-2"].disk.of_space(space).count();
    assert!(others.iter().all(|space| held(space) > 0));
    assert_eq!(held(last), 0);
    // Where somebody of this office has written, the other device is heard as well.
    let ben = StaffId::new(crate::domain::testing::seed16("staff", "Ben"));
    mesh.post("ward-2", ben, *last, "let us use the room")
        .expect("posted");
    mesh.whisper("front-desk", "ward-2", &one_more);
    mesh.run_for(A_MOMENT);
    assert_eq!(mesh.offices["ward-2"].disk.of_space(last).count(), 2);
}

#[test]
fn whoever_begins_too_many_groups_is_told() {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2", "pharmacy"]);
    let spaces = groups(&mut clinic, GROUPS_MAX + 1);
    let (last, others) = spaces.split_last().expect("some");
    let mut mesh = Mesh::of(clinic);
    let ana = StaffId::new(crate::domain::testing::seed16("staff", "Ana"));
    for space in others {
        mesh.post("front-desk", ana, *space, "hello")
            .expect("posted");
    }
    let refused = mesh.post("front-desk", ana, *last, "hello");
    assert_eq!(refused, Err(CommandRefusal::TooManyGroups));
    mesh.post("front-desk", ana, others[0], "again")
        .expect("one that is there goes on");
}
