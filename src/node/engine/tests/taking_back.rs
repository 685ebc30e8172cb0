//! Writing anew and taking back: what is shown, and that what was taken back is gone for good.

use std::time::Duration;

use super::{Rounds, rounds};
use crate::domain::audit::{Deed, Origin};
use crate::domain::id::StaffId;
use crate::domain::log::Segment;
use crate::domain::message::{EntryId, Written};
use crate::domain::retraction::{Retraction, Withdrawn};
use crate::domain::testing::{SampleClinic, minutes};
use crate::domain::time::Day;
use crate::domain::words::Query;
use crate::node::engine::tests::mesh::Mesh;
use crate::node::engine::{Command, CommandRefusal, MessageLine, Reply};
use crate::wire::Frame;

const A_MOMENT: Duration = Duration::from_secs(2);

pub(super) type Done = Result<EntryId, CommandRefusal>;

impl Rounds {
    fn say(&mut self, text: &str) -> EntryId {
        let (ana, space) = (self.ana, self.rounds);
        let id = self.mesh.post("front-desk", ana, space, text);
        id.expect("posted")
    }

    pub(super) fn amend(
        &mut self,
        office: &str,
        staff: StaffId,
        entry: EntryId,
        text: &str,
    ) -> Done {
        let command = Command::Amend {
            staff,
            origin: Origin::Socket,
            entry,
            text: text.into(),
        };
        self.done(office, command)
    }

    pub(super) fn retract(&mut self, office: &str, staff: StaffId, entry: EntryId) -> Done {
        let command = Command::Retract {
            staff,
            origin: Origin::Socket,
            entry,
            reason: "Wrong room".into(),
        };
        self.done(office, command)
    }

    pub(super) fn done(&mut self, office: &str, command: Command) -> Done {
        let ticket = self.mesh.ask(office, command);
        match self.mesh.answer(office, ticket) {
            Some(Reply::Posted(id)) => Ok(*id),
            Some(Reply::Refused(why)) => Err(why.clone()),
            other => panic!("not an answer: {other:?}"),
        }
    }

    fn line(&mut self, office: &str, staff: StaffId, id: EntryId) -> MessageLine {
        let page = self.mesh.read(office, staff, self.rounds);
        let line = page.messages.into_iter().find(|line| line.id == id);
        line.expect("it is on the page")
    }

    fn history(&mut self, office: &str, staff: StaffId, entry: EntryId) -> Vec<String> {
        let origin = Origin::Socket;
        let command = Command::History {
            staff,
            origin,
            entry,
        };
        let ticket = self.mesh.ask(office, command);
        match self.mesh.answer(office, ticket) {
            Some(Reply::History(all)) => all.iter().map(|one| one.text.clone()).collect(),
            other => panic!("not a history: {other:?}"),
        }
    }

    fn holds_body(&self, office: &str, id: &EntryId) -> bool {
        let stored = &self.mesh.offices[office].disk.logs[&id.log()];
        let found = stored.entries().find(|(seq, _)| *seq == id.seq);
        found.is_some_and(|(_, entry)| entry.payload.is_some())
    }
}

fn destroyed(mesh: &Mesh, office: &str) -> usize {
    mesh.recorded(office, |record| {
        matches!(record.deed, Deed::BodyDestroyed { .. })
    })
}

#[test]
fn an_amended_message_shows_its_newest_text_and_keeps_the_earlier_ones() {
    let mut r = rounds();
    let (ana, ben) = (r.ana, r.ben);
    let id = r.say("Bed 4 is free");
    r.mesh.run_for(A_MOMENT);
    for text in ["Bed 5 is free", "Bed 6 is free"] {
        r.amend("front-desk", ana, id, text).expect("amended");
    }
    r.mesh.run_for(A_MOMENT);

    let line = r.line("ward-2", ben, id);
    assert_eq!(line.text.as_deref(), Some("Bed 6 is free"));
    assert!(line.amended);
    let all = ["Bed 4 is free", "Bed 5 is free", "Bed 6 is free"];
    assert_eq!(r.history("ward-2", ben, id), all);
    assert_eq!(r.mesh.texts("ward-2", ben, r.rounds).len(), 1);
}

#[test]
fn only_who_wrote_a_message_amends_it_or_takes_it_back_and_only_once() {
    let mut r = rounds();
    let (ana, ben) = (r.ana, r.ben);
    let id = r.say("Bed 4 is free");
    r.mesh.run_for(A_MOMENT);
    let not_his = Err(CommandRefusal::NotTheWriter);
    assert_eq!(r.amend("ward-2", ben, id, "no"), not_his);
    assert_eq!(r.retract("ward-2", ben, id), not_his);
    r.retract("front-desk", ana, id).expect("taken back");
    let again = Err(CommandRefusal::AlreadyRetracted);
    assert_eq!(r.retract("front-desk", ana, id), again);
    assert_eq!(r.amend("front-desk", ana, id, "yes"), again);
    let nothing = EntryId { seq: 99, ..id };
    let unknown = Err(CommandRefusal::Unknown("message"));
    assert_eq!(r.retract("front-desk", ana, nothing), unknown);
}

#[test]
fn what_was_taken_back_is_destroyed_at_every_office_and_only_who_when_and_why_stay() {
    let mut r = rounds();
    let (ana, ben, space) = (r.ana, r.ben, r.rounds);
    let id = r.say("The patient's number is");
    let amendment = r.amend("front-desk", ana, id, "Never mind").expect("ok");
    let other = r.say("Bed 4 is free");
    let answer = Written {
        reply_to: Some(id),
        ..Written::from("What?")
    };
    r.mesh.run_for(A_MOMENT);
    let answer = r.mesh.send("ward-2", ben, space, answer).expect("posted");
    r.retract("front-desk", ana, id).expect("taken back");
    r.mesh.run_for(A_MOMENT);

    for office in ["front-desk", "ward-2"] {
        assert!(!r.holds_body(office, &id), "{office}");
        assert!(!r.holds_body(office, &amendment), "{office}");
        assert!(r.holds_body(office, &other), "{office}");
        assert_eq!(destroyed(&r.mesh, office), 2, "{office}");
    }
    let line = r.line("ward-2", ben, id);
    let told = line.retracted.expect("it was taken back");
    assert_eq!((line.text, told.staff), (None, ana));
    assert_eq!(told.reason, "Wrong room");
    let quoted = r.line("ward-2", ben, answer).reply_to.expect("an answer");
    assert_eq!(quoted.said, None);
    assert_eq!(r.history("ward-2", ben, id), [""; 0]);
    let unread = r.mesh.listed("ward-2", ben, space);
    assert_eq!((unread.unread, unread.first_unread), (1, Some(other)));
}

#[test]
fn an_office_that_was_away_catches_up_past_what_was_taken_back() {
    let mut r = rounds();
    let (ana, ben, space) = (r.ana, r.ben, r.rounds);
    r.say("one");
    r.mesh.run_for(A_MOMENT);
    r.mesh.cut("ward-2");
    let id = r.say("two");
    r.say("three");
    r.retract("front-desk", ana, id).expect("taken back");
    r.say("four");
    r.mesh.heal("ward-2");
    r.mesh.run_for(Duration::from_secs(10));

    assert_eq!(r.mesh.texts("ward-2", ben, space), ["one", "three", "four"]);
    assert!(!r.holds_body("ward-2", &id));
    assert!(r.line("ward-2", ben, id).retracted.is_some());
}

#[test]
fn an_office_that_held_it_while_it_was_away_destroys_it_when_it_is_back() {
    let mut r = rounds();
    let ana = r.ana;
    let id = r.say("one");
    r.mesh.run_for(A_MOMENT);
    r.mesh.cut("ward-2");
    r.retract("front-desk", ana, id).expect("taken back");
    assert!(r.holds_body("ward-2", &id));
    r.mesh.heal("ward-2");
    r.mesh.run_for(Duration::from_secs(10));
    assert!(!r.holds_body("ward-2", &id));

    let disk = r.mesh.crash("ward-2");
    r.mesh.start("ward-2", disk, 0);
    r.mesh.run_for(minutes(2));
    assert!(!r.holds_body("ward-2", &id), "nor is it fetched again");
    let ben = r.ben;
    assert!(r.line("ward-2", ben, id).retracted.is_some());
}

#[test]
fn a_disk_put_back_to_before_the_retraction_does_not_bring_it_back() {
    let mut r = rounds();
    let (ana, ben, space) = (r.ana, r.ben, r.rounds);
    let id = r.say("one");
    r.mesh.run_for(A_MOMENT);
    let snapshot = r.mesh.offices["ward-2"].disk.clone();
    r.retract("front-desk", ana, id).expect("taken back");
    r.mesh.run_for(A_MOMENT);
    r.mesh.crash("ward-2");
    r.mesh.start("ward-2", snapshot, 0);
    assert!(r.holds_body("ward-2", &id));
    r.mesh.run_for(Duration::from_secs(10));

    assert!(!r.holds_body("ward-2", &id));
    assert_eq!(r.mesh.texts("ward-2", ben, space), [""; 0]);
}

#[test]
fn who_signs_in_elsewhere_takes_back_what_was_written_here() {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2", "pharmacy"]);
    let ana = clinic.staff("Ana", ["front-desk", "pharmacy"]);
    let ben = clinic.staff("Ben", ["ward-2"]);
    let rounds = clinic.room("rounds", [ana, ben]);
    let mesh = Mesh::of(clinic);
    let mut r = Rounds {
        mesh,
        ana,
        ben,
        rounds,
    };
    let id = r.say("one");
    r.mesh.run_for(A_MOMENT);
    r.retract("pharmacy", ana, id).expect("taken back");
    r.mesh.run_for(A_MOMENT);
    for office in ["front-desk", "ward-2", "pharmacy"] {
        assert!(!r.holds_body(office, &id), "{office}");
    }
}

/// A retraction of Ana's message by the pharmacy, which is not her home.
fn foreign(r: &Rounds, id: EntryId) -> Retraction {
    let withdrawn = Withdrawn {
        staff: r.ana,
        entry: id,
        amendments: Vec::new(),
        until: Day(1_000_000),
    };
    let key = &r.mesh.clinic.device("pharmacy").key;
    Retraction::sign(&r.mesh.clinic.id, key, withdrawn)
}

#[test]
fn a_node_that_is_not_a_home_of_the_writer_takes_nothing_back() {
    let mut r = rounds();
    let id = r.say("one");
    r.mesh.run_for(A_MOMENT);
    let retractions = vec![foreign(&r, id)];
    let frame = Frame::Retractions { retractions };
    r.mesh.whisper("pharmacy", "ward-2", &frame);
    r.mesh.run_for(A_MOMENT);
    assert!(r.holds_body("ward-2", &id));
}

#[test]
fn a_forged_retraction_ends_the_connection_and_destroys_nothing() {
    let mut r = rounds();
    let id = r.say("one");
    r.mesh.run_for(A_MOMENT);
    let mut retraction = foreign(&r, id);
    retraction.by = r.mesh.clinic.device("front-desk").id.into();
    retraction.withdrawn.until = Day(r.mesh.clinic.now.day().0 + 1);
    let retractions = vec![retraction];
    let frame = Frame::Retractions { retractions };
    r.mesh.whisper("pharmacy", "ward-2", &frame);
    assert!(!r.mesh.peers_of("ward-2").contains(&"pharmacy".to_owned()));
    assert!(r.holds_body("ward-2", &id));
}

#[test]
fn a_gap_that_nobody_vouches_for_is_not_taken() {
    let mut r = rounds();
    r.mesh.cut("ward-2");
    let id = r.say("one");
    r.mesh.heal("ward-2");
    // The first segment arrives without its body.
    let row = r.mesh.offices["front-desk"].disk.logs[&id.log()].rows[0].clone();
    let mut gap = Segment::clone(&row);
    gap.entries[0].payload = None;
    r.mesh.slow_disk("ward-2");
    r.mesh.run_for(Duration::from_secs(1));
    let gap = Frame::Entries(gap.into());
    r.mesh.whisper("front-desk", "ward-2", &gap);
    r.mesh.quick_disk("ward-2");
    r.mesh.run_for(Duration::from_secs(30));
    assert!(r.holds_body("ward-2", &id));
}

fn found(r: &mut Rounds, office: &str, staff: StaffId, words: &str) -> Vec<String> {
    let command = Command::Search {
        staff,
        origin: Origin::Socket,
        query: Query::of(words).expect("words"),
        before: None,
        limit: 10,
    };
    let ticket = r.mesh.ask(office, command);
    match r.mesh.answer(office, ticket) {
        Some(Reply::Found(found)) => {
            let texts = found.messages.iter().filter_map(|line| line.text.clone());
            texts.collect()
        }
        other => panic!("not an answer to a search: {other:?}"),
    }
}

#[test]
fn a_search_shows_what_is_said_by_now_and_nothing_that_was_taken_back() {
    let mut r = rounds();
    let (ana, ben) = (r.ana, r.ben);
    let amended = r.say("Bed 4 is free");
    let taken_back = r.say("Bed 5 is free");
    r.say("Bed 6 is free");
    r.amend("front-desk", ana, amended, "Bed 7 is free")
        .expect("ok");
    r.retract("front-desk", ana, taken_back).expect("ok");
    r.mesh.run_for(A_MOMENT);

    assert_eq!(found(&mut r, "ward-2", ben, "bed 4"), [""; 0]);
    assert_eq!(found(&mut r, "ward-2", ben, "bed 5"), [""; 0]);
    assert_eq!(found(&mut r, "ward-2", ben, "BED 6"), ["Bed 6 is free"]);
    assert_eq!(found(&mut r, "ward-2", ben, "bed 7"), ["Bed 7 is free"]);
    let cem = StaffId::new(crate::domain::testing::seed16("staff", "Cem"));
    assert_eq!(found(&mut r, "pharmacy", cem, "bed"), [""; 0]);
}
