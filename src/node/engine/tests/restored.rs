//! An office that comes back from a backup of before another machine was revoked.

use std::time::Duration;

use super::Rounds;
use super::disk::Disk;
use super::mesh::Mesh;
use crate::domain::id::StaffId;
use crate::domain::testing::{NOON, SampleClinic, days, minutes};
use crate::domain::time::WallTime;
use crate::domain::trust::{Reach, Refusal};
use crate::node::engine::{Command, CommandRefusal};

/// Ana, Ben and Cem share a room. The ward has a backup from the first day; on day 19 the pharmacy, which was cut
/// off, was revoked, and two days later the ward, which had heard of that, starts from the backup.
struct Story {
    offices: Rounds,
    cem: StaffId,
}

impl Story {
    /// The front desk is cut off, the ward and the pharmacy meet.
    fn the_revoked_first() -> Self {
        let (mut story, backup) = Self::until_revoked();
        let mesh = &mut story.offices.mesh;
        mesh.crash("ward-2");
        mesh.cut("front-desk");
        mesh.sleep(days(2));
        mesh.start("ward-2", backup, 0);
        mesh.heal("pharmacy");
        mesh.run_for(minutes(2));
        story
    }

    fn until_revoked() -> (Self, Disk) {
        let mut clinic = SampleClinic::of([]);
        for office in ["front-desk", "ward-2", "pharmacy"] {
            clinic.enrol_renewer(office);
        }
        let ana = clinic.staff("Ana", ["front-desk"]);
        let ben = clinic.staff("Ben", ["ward-2"]);
        let cem = clinic.staff("Cem", ["pharmacy"]);
        let rounds = clinic.room("rounds", [ana, ben, cem]);
        let mesh = Mesh::of(clinic);
        let offices = Rounds {
            mesh,
            ana,
            ben,
            rounds,
        };
        let mut story = Self { offices, cem };
        story.offices.mesh.times_count = true;
        story.writes("pharmacy", "before");
        let backup = story.offices.mesh.offices["ward-2"].disk.clone();
        let mesh = &mut story.offices.mesh;
        mesh.sleep(days(19));
        mesh.cut("pharmacy");
        story.revoke();
        assert_eq!(story.verdict("ward-2"), Err(Refusal::Revoked));
        (story, backup)
    }

    /// An admin at the front desk revokes the pharmacy as of now; its logs end where they end there.
    fn revoke(&mut self) {
        let mesh = &mut self.offices.mesh;
        let device = mesh.clinic.device("pharmacy").id;
        let ends = mesh.offices["front-desk"].engine.ends_of(&device);
        mesh.clinic.now = mesh.now("front-desk").wall;
        let revocation = mesh.clinic.revocation("pharmacy", ends);
        let act = crate::domain::statement::Act::DeviceRevoked { revocation };
        mesh.clinic.say(act);
        // The sample clinic's clock is where the mesh begins to count.
        mesh.clinic.now = NOON;
        mesh.submit("front-desk");
        mesh.run_for(Duration::from_secs(5));
    }

    fn writes(&mut self, office: &str, text: &str) {
        let staff = self.staff_of(office);
        let Rounds { mesh, rounds, .. } = &mut self.offices;
        mesh.post(office, staff, *rounds, text).expect("posted");
        mesh.run_for(Duration::from_secs(5));
    }

    fn sees(&mut self, office: &str) -> Vec<String> {
        let staff = self.staff_of(office);
        let Rounds { mesh, rounds, .. } = &mut self.offices;
        mesh.texts(office, staff, *rounds)
    }

    fn staff_of(&self, office: &str) -> StaffId {
        match office {
            "front-desk" => self.offices.ana,
            "ward-2" => self.offices.ben,
            _ => self.cem,
        }
    }

    /// What an office says of the pharmacy.
    fn verdict(&self, at: &str) -> Result<Reach, Refusal> {
        self.offices.mesh.judge(at, "pharmacy")
    }

    /// When the pharmacy's certificate ends, as the ward has it.
    fn certified_until(&self) -> WallTime {
        let mesh = &self.offices.mesh;
        let clinic = mesh.offices["ward-2"].engine.clinic();
        let device = mesh.clinic.device("pharmacy").id;
        clinic.devices[&device].certificate.not_after
    }

    fn restart(&mut self, office: &str) {
        let mesh = &mut self.offices.mesh;
        let disk = mesh.crash(office);
        mesh.start(office, disk, 0);
        mesh.run_for(Duration::from_secs(5));
    }

    /// The front desk is back; every office has had time to meet every other.
    fn all_meet(&mut self) {
        self.offices.mesh.heal("front-desk");
        self.offices.mesh.run_for(minutes(3));
    }

    fn nothing_of_it_is_left(&mut self, texts: &[&str]) {
        for office in ["front-desk", "ward-2"] {
            assert_eq!(self.verdict(office), Err(Refusal::Revoked), "{office}");
            assert_eq!(self.sees(office), texts, "{office}");
        }
        assert!(self.offices.mesh.peers_of("pharmacy").is_empty());
    }
}

#[test]
fn a_restored_office_that_meets_the_revoked_machine_first_shows_nothing_of_it_once_it_has_met_another()
 {
    let mut story = Story::the_revoked_first();
    assert_eq!(story.verdict("ward-2"), Ok(Reach::All));
    assert_eq!(story.offices.mesh.peers_of("ward-2"), ["pharmacy"]);
    assert!(
        story.certified_until() > NOON.plus(days(50)),
        "a member there, and so renewed"
    );
    story.writes("pharmacy", "after its end");
    story.restart("pharmacy");
    story.writes("pharmacy", "in a log that nobody has heard of");
    story.writes("ward-2", "hello");
    let seen = story.sees("ward-2");
    assert_eq!(seen.len(), 4, "the backup knows of no revocation: {seen:?}");

    story.all_meet();
    let texts = ["before", "hello"];
    story.nothing_of_it_is_left(&texts);
    assert_eq!(story.certified_until(), NOON.plus(days(30)));
    story.writes("front-desk", "welcome back");
    let (cem, rounds) = (story.cem, story.offices.rounds);
    let late = story.offices.mesh.post("pharmacy", cem, rounds, "late");
    assert_eq!(late, Err(CommandRefusal::DeviceRevoked), "it was told");
    // Nor by what the restored store holds, once it is read anew.
    story.restart("ward-2");
    story.offices.mesh.run_for(minutes(2));
    story.nothing_of_it_is_left(&["before", "hello", "welcome back"]);
    let mesh = &story.offices.mesh;
    let front = mesh.clinic.device("front-desk").id.into();
    let mut held = mesh.offices["pharmacy"].disk.of_space(&rounds);
    assert!(held.all(|(log, _)| log.author != front));
}

#[test]
fn a_restored_office_that_has_met_another_renews_no_revoked_machine() {
    let mut story = Story::the_revoked_first();
    story.all_meet();
    story.offices.mesh.sleep(days(20));
    story.offices.mesh.run_for(minutes(2));
    let device = story.offices.mesh.clinic.device("pharmacy").id;
    for office in ["front-desk", "ward-2"] {
        let ticket = story.offices.mesh.ask(office, Command::Renew { device });
        let reply = story.offices.mesh.answer(office, ticket);
        assert!(
            matches!(reply, Some(crate::node::engine::Reply::Refused(_))),
            "{reply:?}"
        );
    }
}
