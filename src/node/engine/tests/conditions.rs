//! What nodes tell each other of themselves: who is told, who is believed, and what is remembered.

use super::renewal::{live, pharmacy_renews_itself, renewers};
use super::*;
use crate::domain::condition::{Backups, Condition, ProgramVersion, Told};
use crate::domain::health::Concern;
use crate::domain::time::WallTime;
use crate::domain::trust::Reach;
use crate::node::engine::Reply;
use crate::wire::{CONDITION_SINCE, Frame};

/// A node of this version whose newest backup is of that moment.
fn of(version: &str, last: Option<WallTime>) -> Condition {
    Condition {
        version: ProgramVersion::new(version).expect("a version"),
        backups: Some(Backups {
            last,
            every_hours: Some(24),
            failed: None,
        }),
    }
}

/// Two offices that are connected and have told nothing yet.
fn two() -> Mesh {
    Mesh::of(SampleClinic::of(["front-desk", "ward-2"]))
}

/// What an office remembers of another.
fn told(mesh: &Mesh, at: &str, of: &str) -> Option<Told> {
    let device = mesh.clinic.device(of).id;
    mesh.offices[at].engine.told().remove(&device)
}

fn condition(mesh: &Mesh, at: &str, of: &str) -> Option<Condition> {
    told(mesh, at, of).map(|told| told.condition)
}

#[test]
fn a_connected_node_is_told_at_once_and_of_a_change_within_a_minute() {
    let mut mesh = two();
    assert_eq!(told(&mesh, "front-desk", "ward-2"), None);
    let first = of("1.0.0", None);
    mesh.be("ward-2", first.clone());
    let since = mesh.now("front-desk").wall;
    let known = told(&mesh, "front-desk", "ward-2").expect("told");
    assert_eq!((known.condition, known.since), (first.clone(), since));

    mesh.run_for(Duration::from_secs(10));
    let next = of("1.0.0", Some(mesh.now("ward-2").wall));
    mesh.be("ward-2", next.clone());
    mesh.run_for(Duration::from_secs(40));
    assert_eq!(condition(&mesh, "front-desk", "ward-2"), Some(first));
    mesh.run_for(Duration::from_secs(15));
    let known = told(&mesh, "front-desk", "ward-2").expect("told");
    assert_eq!((known.condition, known.since), (next, since));
}

#[test]
fn a_node_that_changes_all_the_time_tells_once_a_minute() {
    let mut mesh = two();
    for minute in 0..5 {
        for second in 0..60 {
            let last = WallTime(minute * 60 + second);
            mesh.be("ward-2", of("1.0.0", Some(last)));
            mesh.run_for(Duration::from_secs(1));
        }
    }
    let sent = mesh.conditions[&("ward-2".to_owned(), "front-desk".to_owned())];
    assert!((5..=6).contains(&sent), "{sent}");
}

#[test]
fn whoever_connects_later_is_told_with_its_hello() {
    let mut mesh = two();
    mesh.cut("ward-2");
    let condition = of("1.0.0", None);
    mesh.be("ward-2", condition.clone());
    mesh.heal("ward-2");
    mesh.run_for(Duration::from_secs(2));
    assert_eq!(
        super::conditions::condition(&mesh, "front-desk", "ward-2"),
        Some(condition)
    );
}

#[test]
fn what_was_told_is_remembered_while_its_node_is_away_and_after_a_start_anew() {
    let mut mesh = two();
    let last = of("1.0.0", None);
    mesh.be("ward-2", last.clone());
    mesh.run_for(Duration::from_secs(2));
    let heard = mesh.now("front-desk").wall;
    mesh.cut("ward-2");
    mesh.time += days(3);
    mesh.run_for(Duration::from_secs(2));
    let disk = mesh.crash("front-desk");
    mesh.start("front-desk", disk, 0);
    let known = told(&mesh, "front-desk", "ward-2").expect("remembered");
    assert_eq!(known.condition, last);
    assert!(known.heard <= heard, "and how old that is");
}

#[test]
fn what_is_told_counts_for_as_long_as_its_node_is_heard() {
    let mut mesh = two();
    mesh.be("ward-2", of("1.0.0", None));
    mesh.run_for(minutes(30));
    let known = told(&mesh, "front-desk", "ward-2").expect("told");
    let age = mesh.now("front-desk").wall.0 - known.heard.0;
    assert!(age <= 5_000, "{age} ms");
    assert!(known.since < known.heard);
}

#[test]
fn a_peer_that_speaks_version_1_is_never_sent_the_frame_and_not_believed_if_it_sends_one() {
    let mut mesh = two();
    let hello = |mesh: &Mesh, version| Frame::Hello {
        version,
        now: mesh.now("ward-2").wall,
    };
    mesh.be("ward-2", of("1.0.0", None));
    mesh.conditions.clear();
    // The ward's program was put back to an older one.
    mesh.old.insert("ward-2".into());
    mesh.cut("ward-2");
    mesh.heal("ward-2");
    mesh.run_for(Duration::from_secs(2));
    mesh.be("front-desk", of("2.0.0", None));
    mesh.run_for(minutes(5));
    let to_ward = ("front-desk".to_owned(), "ward-2".to_owned());
    assert_eq!(mesh.conditions.get(&to_ward), None);
    assert_eq!(
        told(&mesh, "front-desk", "ward-2"),
        None,
        "it is so no more"
    );
    assert_eq!(mesh.peers_of("front-desk"), ["ward-2"]);

    let lie = Frame::Condition(of("9.0.0", None));
    mesh.whisper("ward-2", "front-desk", &lie);
    assert_eq!(told(&mesh, "front-desk", "ward-2"), None);
    mesh.whisper("ward-2", "front-desk", &hello(&mesh, CONDITION_SINCE));
    assert_eq!(
        mesh.conditions.get(&to_ward),
        Some(&1),
        "from then on it is"
    );
    mesh.whisper("ward-2", "front-desk", &lie);
    assert_eq!(
        condition(&mesh, "front-desk", "ward-2"),
        Some(of("9.0.0", None))
    );
}

#[test]
fn a_peer_of_a_later_version_is_spoken_to_as_this_one_speaks() {
    let mut mesh = two();
    mesh.be("front-desk", of("1.0.0", None));
    mesh.old.insert("ward-2".into());
    mesh.cut("ward-2");
    mesh.heal("ward-2");
    mesh.run_for(Duration::from_secs(2));
    let hello = Frame::Hello {
        version: u16::MAX,
        now: mesh.now("ward-2").wall,
    };
    mesh.conditions.clear();
    mesh.whisper("ward-2", "front-desk", &hello);
    let to_ward = ("front-desk".to_owned(), "ward-2".to_owned());
    assert_eq!(mesh.conditions.get(&to_ward), Some(&1));
}

/// What is not believed makes nothing of before look as if it had just been heard.
#[test]
fn on_a_channel_of_an_old_mesh_key_nothing_is_believed_nor_confirmed() {
    let mut mesh = two();
    mesh.be("ward-2", of("1.0.0", None));
    mesh.run_for(Duration::from_secs(10));
    mesh.cut("ward-2");
    mesh.run_for(Duration::from_secs(60));
    let before = told(&mesh, "front-desk", "ward-2").expect("told");
    mesh.sees_an_old_key.insert("front-desk".into());
    mesh.heal("ward-2");
    mesh.run_for(Duration::from_secs(10));
    let next = of("1.0.0", Some(mesh.now("ward-2").wall));
    mesh.be("ward-2", next);
    mesh.run_for(Duration::from_secs(10));
    assert_eq!(told(&mesh, "front-desk", "ward-2"), Some(before));
}

#[test]
fn whoever_may_only_explain_itself_is_neither_told_nor_believed() {
    let (mut mesh, ..) = renewers();
    mesh.be("front-desk", of("1.0.0", None));
    pharmacy_renews_itself(&mut mesh);
    mesh.conditions.clear();
    mesh.be("pharmacy", of("6.6.6", None));
    mesh.run_for(minutes(2));
    assert_eq!(mesh.judge("front-desk", "pharmacy"), Ok(Reach::Unlisted));
    let way = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    assert!(mesh.conditions[&way("pharmacy", "front-desk")] > 0);
    assert_eq!(told(&mesh, "front-desk", "pharmacy"), None);
    assert_eq!(mesh.conditions.get(&way("front-desk", "pharmacy")), None);
}

#[test]
fn what_a_peer_told_before_the_record_listed_it_counts_once_it_does() {
    let (mut mesh, ..) = renewers();
    mesh.cut("pharmacy");
    live(&mut mesh, 22);
    assert_eq!(mesh.judge("pharmacy", "front-desk"), Ok(Reach::Unlisted));
    let front = of("1.0.0", None);
    mesh.be("front-desk", front.clone());
    mesh.be("pharmacy", of("0.9.0", None));
    mesh.heal("pharmacy");
    mesh.run_for(Duration::from_secs(10));
    assert_eq!(mesh.judge("pharmacy", "front-desk"), Ok(Reach::All));
    assert_eq!(condition(&mesh, "pharmacy", "front-desk"), Some(front));
    let pharmacy = condition(&mesh, "front-desk", "pharmacy");
    assert_eq!(pharmacy, Some(of("0.9.0", None)));
}

#[test]
fn a_device_that_was_just_enrolled_is_believed_once_the_record_here_lists_it() {
    let mut mesh = two();
    mesh.clinic.enrol("lab");
    mesh.install("lab");
    let lab = mesh.clinic.device("lab").id;
    mesh.be("lab", of("1.0.0", None));
    let record = |mesh: &Mesh| mesh.offices["ward-2"].engine.clinic().clone();
    assert!(!record(&mesh).devices.contains_key(&lab));
    mesh.run_for(Duration::from_secs(5));
    assert!(record(&mesh).devices.contains_key(&lab));
    assert_eq!(condition(&mesh, "ward-2", "lab"), Some(of("1.0.0", None)));
}

#[test]
fn a_late_backup_is_a_concern_at_every_other_office_and_not_at_its_own() {
    let mut mesh = two();
    let noon = mesh.now("ward-2").wall;
    mesh.be("ward-2", of("1.0.0", Some(noon.minus(days(1)))));
    mesh.run_for(Duration::from_secs(2));
    let named = |mesh: &mut Mesh, at: &str| {
        let ticket = mesh.ask(at, Command::Status);
        let Some(Reply::Status(status)) = mesh.answer(at, ticket) else {
            panic!("no status");
        };
        let mut found = status.concerns.iter();
        found.find_map(|concern| match concern {
            Concern::BackupElsewhere { device, heard, .. } => Some((*device, *heard)),
            _ => None,
        })
    };
    assert_eq!(named(&mut mesh, "front-desk"), None);
    mesh.run_for(minutes(13 * 60));
    let ward = mesh.clinic.device("ward-2").id;
    let (device, heard) = named(&mut mesh, "front-desk").expect("a concern");
    assert_eq!(device, ward);
    assert_eq!(heard, None, "it is heard");
    assert_eq!(named(&mut mesh, "ward-2"), None);
    mesh.cut("ward-2");
    let since = mesh.now("front-desk").wall;
    mesh.run_for(minutes(2));
    let (_, heard) = named(&mut mesh, "front-desk").expect("a concern");
    let heard = heard.expect("it is away");
    assert!(heard <= since && since.0 - heard.0 <= 5_000);
}
