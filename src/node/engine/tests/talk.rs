//! How people talk: answers, mentions, what was seen, and what was begun.

use std::time::Duration;

use super::mesh::Mesh;
use super::{Rounds, rounds};
use crate::domain::audit::Origin;
use crate::domain::id::StaffId;
use crate::domain::message::{EntryId, SendKey, Written};
use crate::domain::space::Space;
use crate::domain::statement::Act;
use crate::domain::testing::{SampleClinic, days, minutes};
use crate::node::engine::{Changed, Command, CommandRefusal, ConversationLine, Reply};
use crate::wire::Frame;

/// Long enough for a message to get everywhere.
const A_MOMENT: Duration = Duration::from_secs(2);

impl Rounds {
    fn ana_says(&mut self, text: &str) -> EntryId {
        self.mesh
            .post("front-desk", self.ana, self.rounds, text)
            .expect("posted")
    }

    fn ben_says(&mut self, text: &str) -> EntryId {
        self.mesh
            .post("ward-2", self.ben, self.rounds, text)
            .expect("posted")
    }

    fn of_ben(&mut self) -> ConversationLine {
        self.mesh.listed("ward-2", self.ben, self.rounds)
    }

    fn opened_by(&mut self, id: EntryId) -> Vec<StaffId> {
        let page = self.mesh.read("front-desk", self.ana, self.rounds);
        let line = page.messages.into_iter().find(|line| line.id == id);
        line.expect("on the newest page").receipts.opened_by
    }
}

fn entries(mesh: &Mesh, office: &str, space: &Space) -> usize {
    let logs = mesh.offices[office].disk.of_space(space);
    logs.map(|(_, log)| log.entries().count()).sum()
}

#[test]
fn an_answer_is_shown_with_what_it_answers_even_if_that_is_further_up() {
    let mut r = rounds();
    let first = r.ana_says("Who takes bed 4?");
    for number in 0..120 {
        r.ana_says(&format!("more {number}"));
    }
    r.mesh.run_for(A_MOMENT);
    let written = Written {
        reply_to: Some(first),
        mentions: vec![r.ana],
        ..Written::from("I do")
    };
    let (space, ben) = (r.rounds, r.ben);
    r.mesh.send("ward-2", ben, space, written).expect("posted");
    r.mesh.run_for(A_MOMENT);

    let page = r.mesh.read("front-desk", r.ana, r.rounds);
    let line = page.messages.last().expect("the answer");
    let quoted = line.reply_to.as_ref().expect("it answers something");
    assert_eq!(quoted.id, first);
    let question = (r.ana, "Who takes bed 4?".to_owned());
    assert_eq!(quoted.said.as_ref(), Some(&question));
    assert_eq!(line.mentions, [r.ana]);
    assert!(r.mesh.listed("front-desk", r.ana, r.rounds).mentioned);
}

#[test]
fn what_is_answered_and_who_is_mentioned_has_to_be_in_the_conversation() {
    let mut r = rounds();
    let here = r.ana_says("Bed 4 is free");
    let direct = Space::direct(r.ana, r.ben).expect("two people");
    let cem = StaffId::new(crate::domain::testing::seed16("staff", "Cem"));
    let (ana, space) = (r.ana, r.rounds);
    let elsewhere = Written {
        reply_to: Some(here),
        ..Written::from("yes")
    };
    let refused = r.mesh.send("front-desk", ana, direct, elsewhere);
    assert_eq!(refused, Err(CommandRefusal::Unknown("message to answer")));
    let stranger = Written {
        mentions: vec![cem],
        ..Written::from("yes")
    };
    let refused = r.mesh.send("front-desk", ana, space, stranger);
    let nobody = CommandRefusal::Unknown("person in this conversation");
    assert_eq!(refused, Err(nobody));
}

#[test]
fn a_message_sent_again_under_its_key_is_the_same_message_also_after_a_restart() {
    let mut r = rounds();
    let (ana, space) = (r.ana, r.rounds);
    let written = |text: &str| Written {
        key: Some(SendKey::of(&ana, "tab 1, message 1")),
        ..Written::from(text)
    };
    let bed = || written("Bed 4 is free");
    let first = r.mesh.send("front-desk", ana, space, bed());
    let again = r.mesh.send("front-desk", ana, space, bed());
    assert_eq!((first.is_ok(), &again), (true, &first));

    let disk = r.mesh.crash("front-desk");
    r.mesh.start("front-desk", disk, 0);
    let after = r.mesh.send("front-desk", ana, space, bed());
    assert_eq!(after, first);
    assert_eq!(entries(&r.mesh, "front-desk", &space), 1);
    let other = Written {
        key: Some(SendKey::of(&ana, "tab 1, message 2")),
        ..bed()
    };
    assert_ne!(r.mesh.send("front-desk", ana, space, other), first);
}

#[test]
fn a_message_sent_again_before_it_is_durable_is_answered_only_once_it_is() {
    let mut r = rounds();
    let (ana, space) = (r.ana, r.rounds);
    r.mesh.read("front-desk", ana, space);
    r.mesh.slow_disk("front-desk");
    let command = Command::Post {
        staff: ana,
        origin: Origin::Socket,
        space,
        written: Written {
            key: Some(SendKey::of(&ana, "1")),
            ..Written::from("Bed 4 is free")
        },
    };
    let tickets = [(); 2].map(|()| r.mesh.ask("front-desk", command.clone()));
    for ticket in tickets {
        assert!(r.mesh.answer("front-desk", ticket).is_none());
    }
    r.mesh.quick_disk("front-desk");
    let answers = tickets.map(|ticket| match r.mesh.answer("front-desk", ticket) {
        Some(Reply::Posted(id)) => *id,
        other => panic!("not posted: {other:?}"),
    });
    assert_eq!(answers[0], answers[1]);
    assert_eq!(entries(&r.mesh, "front-desk", &space), 1);
}

#[test]
fn unread_counts_what_others_wrote_until_it_is_opened() {
    let mut r = rounds();
    let first = r.ana_says("Bed 4 is free");
    r.ben_says("good");
    let second = r.ana_says("Bed 5 too");
    r.mesh.run_for(A_MOMENT);
    let line = r.of_ben();
    assert_eq!((line.unread, line.first_unread), (2, Some(first)));
    assert!(line.newest_unread.is_some() && line.newest_unread == line.newest);
    assert!(!line.read_last);

    let (ben, space) = (r.ben, r.rounds);
    r.mesh.read("ward-2", ben, space);
    let line = r.of_ben();
    assert_eq!(line.unread, 2, "reading alone opens nothing");
    assert!(line.read_last, "this is where he is");
    r.mesh.open("ward-2", ben, first).expect("opened");
    let line = r.of_ben();
    assert_eq!((line.unread, line.first_unread), (1, Some(second)));
    r.mesh.open("ward-2", ben, second).expect("opened");
    let line = r.of_ben();
    assert_eq!((line.unread, line.first_unread), (0, None));
    assert_eq!(line.newest_unread, None);
}

#[test]
fn where_somebody_read_last_is_known_after_a_restart() {
    let mut r = rounds();
    r.ana_says("Bed 4 is free");
    r.mesh.run_for(A_MOMENT);
    let (ana, ben, space) = (r.ana, r.ben, r.rounds);
    r.mesh.read("ward-2", ben, space);
    let disk = r.mesh.crash("ward-2");
    r.mesh.start("ward-2", disk, 0);
    assert!(r.of_ben().read_last, "by the node's own trail");
    let direct = Space::direct(ana, ben).expect("two people");
    r.mesh.post("ward-2", ben, direct, "Bed 5?").expect("sent");
    r.mesh.read("ward-2", ben, direct);
    let disk = r.mesh.crash("ward-2");
    r.mesh.start("ward-2", disk, 0);
    assert!(!r.of_ben().read_last, "he was elsewhere since");
}

#[test]
fn what_was_opened_stays_opened_after_a_restart_and_is_not_written_twice() {
    let mut r = rounds();
    let id = r.ana_says("Bed 4 is free");
    r.mesh.run_for(A_MOMENT);
    let (ben, space) = (r.ben, r.rounds);
    r.mesh.open("ward-2", ben, id).expect("opened");
    let disk = r.mesh.crash("ward-2");
    r.mesh.start("ward-2", disk, 0);
    assert_eq!(r.of_ben().unread, 0);
    let before = entries(&r.mesh, "ward-2", &space);
    r.mesh.open("ward-2", ben, id).expect("opened");
    assert_eq!(entries(&r.mesh, "ward-2", &space), before);
}

/// Ben is at home in two places; a message written before what he opened arrives after it.
#[test]
fn a_message_that_arrives_late_is_not_shown_as_opened_though_it_belongs_further_up() {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2", "pharmacy"]);
    let ana = clinic.staff("Ana", ["front-desk"]);
    let ben = clinic.staff("Ben", ["ward-2"]);
    let cem = clinic.staff("Cem", ["pharmacy"]);
    let rounds = clinic.room("rounds", [ana, ben, cem]);
    let mesh = Mesh::of(clinic);
    let mut r = Rounds {
        mesh,
        ana,
        ben,
        rounds,
    };
    r.mesh.cut("pharmacy");
    let late = r
        .mesh
        .post("pharmacy", cem, rounds, "Out of stock")
        .expect("posted");
    r.mesh.run_for(A_MOMENT);
    let seen = r.ana_says("Bed 4 is free");
    r.mesh.run_for(A_MOMENT);
    r.mesh.open("ward-2", ben, seen).expect("opened");
    r.mesh.heal("pharmacy");
    r.mesh.run_for(Duration::from_secs(10));

    let order: Vec<EntryId> = r
        .mesh
        .read("front-desk", ana, rounds)
        .messages
        .iter()
        .map(|line| line.id)
        .collect();
    assert_eq!(order, [late, seen], "it belongs further up");
    assert_eq!(r.opened_by(seen), [ben]);
    assert_eq!(r.opened_by(late), [], "nobody has opened it");
    let line = r.of_ben();
    assert_eq!((line.unread, line.first_unread), (1, Some(late)));
}

#[test]
fn where_policy_says_no_openings_are_shown_but_ones_own_list_is_right() {
    let mut r = rounds();
    let mut policy = r.mesh.offices["ward-2"].engine.clinic().policy.clone();
    policy.version += 1;
    policy.opened_receipts = crate::domain::policy::Switch::Off;
    r.mesh.clinic.say(Act::PolicySet { policy });
    r.mesh.submit("ward-2");
    let id = r.ana_says("Bed 4 is free");
    r.mesh.run_for(A_MOMENT);
    let (ben, space) = (r.ben, r.rounds);
    let before = entries(&r.mesh, "ward-2", &space);
    r.mesh.open("ward-2", ben, id).expect("opened");
    r.mesh.run_for(A_MOMENT);

    assert_eq!(r.of_ben().unread, 0);
    assert_eq!(entries(&r.mesh, "ward-2", &space), before);
    assert_eq!(r.opened_by(id), []);
}

#[test]
fn opening_lives_as_long_as_what_was_opened() {
    let mut r = rounds();
    let id = r.ana_says("Bed 4 is free");
    r.mesh.run_for(A_MOMENT);
    let mut policy = r.mesh.offices["ward-2"].engine.clinic().policy.clone();
    policy.version += 1;
    policy.room_days = 1;
    r.mesh.clinic.say(Act::PolicySet { policy });
    r.mesh.submit("ward-2");
    let (ben, space) = (r.ben, r.rounds);
    r.mesh.open("ward-2", ben, id).expect("opened");
    r.mesh.sleep(days(5));
    r.mesh.run_for(minutes(2));

    assert_eq!(r.mesh.texts("ward-2", ben, space), ["Bed 4 is free"]);
    assert_eq!(r.of_ben().unread, 0);
}

#[test]
fn a_draft_is_there_for_its_owner_until_it_is_sent() {
    let mut r = rounds();
    let (ben, space) = (r.ben, r.rounds);
    let draft = |text: &str| Command::Draft {
        staff: ben,
        space,
        text: text.into(),
    };
    r.mesh.ask("ward-2", draft("Bed 4"));
    assert_eq!(r.of_ben().draft.as_deref(), Some("Bed 4"));
    r.ben_says("Bed 4 is free");
    assert_eq!(r.of_ben().draft, None);
    let cem = StaffId::new(crate::domain::testing::seed16("staff", "Cem"));
    let foreign = Command::Draft {
        staff: cem,
        space,
        text: "x".into(),
    };
    let ticket = r.mesh.ask("pharmacy", foreign);
    let refused = r.mesh.answer("pharmacy", ticket);
    let not_theirs = matches!(refused, Some(Reply::Refused(CommandRefusal::NotAMember)));
    assert!(not_theirs, "{refused:?}");
}

fn here(r: &mut Rounds, office: &str, staff: StaffId) -> Vec<StaffId> {
    let ticket = r.mesh.ask(office, Command::Presence { staff });
    match r.mesh.answer(office, ticket) {
        Some(Reply::Here(here)) => here.clone(),
        other => panic!("not an answer: {other:?}"),
    }
}

#[test]
fn who_did_something_is_here_at_every_office_and_away_after_some_minutes() {
    let mut r = rounds();
    let (ana, ben) = (r.ana, r.ben);
    assert_eq!(here(&mut r, "ward-2", ben), []);
    r.ana_says("Bed 4 is free");
    r.mesh.run_for(A_MOMENT);
    assert_eq!(here(&mut r, "ward-2", ben), [ana]);
    r.mesh.run_for(minutes(4));
    r.mesh.ask("front-desk", Command::Seen { staff: ana });
    r.mesh.run_for(minutes(4));
    assert_eq!(here(&mut r, "ward-2", ben), [ana]);
    r.mesh.run_for(minutes(2));
    assert_eq!(here(&mut r, "ward-2", ben), []);
    assert_eq!(here(&mut r, "front-desk", ana), []);
}

#[test]
fn writing_is_told_to_the_members_offices_now_and_then_and_never_stored() {
    let mut r = rounds();
    let (ana, space) = (r.ana, r.rounds);
    let typing = || Command::Typing { staff: ana, space };
    let told = |r: &Rounds, office: &str| {
        let changed = &r.mesh.offices[office].changed;
        let typing = Changed::Typing { space, staff: ana };
        changed.iter().filter(|one| **one == typing).count()
    };
    r.mesh.ask("front-desk", typing());
    r.mesh.ask("front-desk", typing());
    assert_eq!(told(&r, "ward-2"), 1);
    assert_eq!(told(&r, "pharmacy"), 0);
    r.mesh.run_for(Duration::from_secs(3));
    r.mesh.ask("front-desk", typing());
    assert_eq!(told(&r, "ward-2"), 2);
    assert_eq!(entries(&r.mesh, "front-desk", &space), 0);
}

#[test]
fn a_node_speaks_of_its_own_people_only() {
    let mut r = rounds();
    let (ana, ben, space) = (r.ana, r.ben, r.rounds);
    let here_is = Frame::Here { staff: ana };
    r.mesh.whisper("pharmacy", "ward-2", &here_is);
    let typing = Frame::Typing { space, staff: ana };
    r.mesh.whisper("pharmacy", "ward-2", &typing);
    assert_eq!(here(&mut r, "ward-2", ben), []);
    let changed = &r.mesh.offices["ward-2"].changed;
    assert!(!changed.contains(&Changed::Typing { space, staff: ana }));
}
