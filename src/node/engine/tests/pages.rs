//! A page holds as many messages as were asked for, whatever stands between them.

use super::{Rounds, rounds};
use crate::domain::audit::Origin;
use crate::domain::message::{EntryId, Position};
use crate::node::engine::{Command, Page};

impl Rounds {
    fn posted(&mut self, text: &str) -> EntryId {
        let (ana, space) = (self.ana, self.rounds);
        let id = self.mesh.post("front-desk", ana, space, text);
        id.expect("posted")
    }

    fn acknowledged(&mut self, entry: EntryId) {
        let command = Command::Acknowledge {
            staff: self.ana,
            origin: Origin::Socket,
            entry,
        };
        self.done("front-desk", command).expect("a member");
    }

    fn amended(&mut self, entry: EntryId, text: &str) {
        let ana = self.ana;
        self.amend("front-desk", ana, entry, text).expect("hers");
    }

    fn part(&mut self, before: Option<Position>, limit: usize) -> Page {
        let (ana, space) = (self.ana, self.rounds);
        let part = (before, limit);
        self.mesh.read_part("front-desk", ana, space, part)
    }

    /// The texts of every page of this size, the newest page first.
    fn pages(&mut self, limit: usize) -> Vec<Vec<String>> {
        let (mut pages, mut before) = (Vec::new(), None);
        loop {
            let page = self.part(before, limit);
            pages.push(texts(&page));
            before = page.earlier;
            if before.is_none() {
                return pages;
            }
        }
    }
}

fn texts(page: &Page) -> Vec<String> {
    let lines = page.messages.iter();
    lines.filter_map(|line| line.text.clone()).collect()
}

#[test]
fn a_page_is_full_though_receipts_and_amendments_stand_between_the_messages() {
    let mut r = rounds();
    for text in ["one", "two", "three", "four"] {
        let id = r.posted(text);
        r.acknowledged(id);
        for round in 0..40 {
            r.amended(id, &format!("{text}, written anew {round}"));
        }
    }
    let said = |text: &str| format!("{text}, written anew 39");
    assert_eq!(
        r.pages(2),
        [[said("three"), said("four")], [said("one"), said("two")]]
    );
}

#[test]
fn a_page_names_what_is_earlier_only_if_there_is_an_earlier_message() {
    let mut r = rounds();
    let first = r.posted("one");
    r.acknowledged(first);
    r.posted("two");
    r.posted("three");
    let earlier = |r: &mut Rounds, limit| {
        let page = r.part(None, limit);
        (page.messages.len(), page.earlier.is_some())
    };
    assert_eq!(earlier(&mut r, 2), (2, true));
    assert_eq!(earlier(&mut r, 3), (3, false), "as many as there are");
    assert_eq!(earlier(&mut r, 4), (3, false));
}

#[test]
fn a_message_that_was_taken_back_keeps_its_place_on_the_page() {
    let mut r = rounds();
    let ana = r.ana;
    r.posted("one");
    let wrong = r.posted("two");
    r.posted("three");
    r.retract("front-desk", ana, wrong).expect("hers");
    assert_eq!(r.part(None, 2).messages.len(), 2);
    assert_eq!(
        r.pages(2),
        [vec!["three".to_owned()], vec!["one".to_owned()]]
    );
}

#[test]
fn a_page_that_would_need_too_much_is_short_and_the_next_goes_on_from_there() {
    let mut r = rounds();
    let first = r.posted("one");
    for _ in 0..crate::node::engine::reading::WALK_MAX {
        r.acknowledged(first);
    }
    r.posted("two");
    assert_eq!(r.pages(2), [["two"], ["one"]]);
}
