//! What others may ask of a node at once, and what happens beyond that.

use std::sync::Arc;
use std::time::Duration;

use super::{Rounds, rounds};
use crate::domain::audit::Origin;
use crate::domain::id::{AuthorId, Hash};
use crate::domain::log::{Epoch, Head, Log, Segment};
use crate::domain::message::{AMENDMENTS_MAX, EntryId};
use crate::domain::sign::Signature;
use crate::node::engine::jobs::JOBS_MAX;
use crate::node::engine::link::{QUEUED_MAX, SENDING_MAX};
use crate::node::engine::reading::PARKED_MAX;
use crate::node::engine::send::DIGESTS_MAX;
use crate::node::engine::{Command, CommandRefusal, Reply, Ticket};
use crate::wire::{Frame, LIST_MAX, LogHead, SpaceDigest};

impl Rounds {
    fn told(&mut self, text: &str) -> EntryId {
        let (ana, space) = (self.ana, self.rounds);
        let id = self.mesh.post("front-desk", ana, space, text);
        id.expect("posted")
    }

    fn restarted(&mut self) {
        let disk = self.mesh.crash("front-desk");
        self.mesh.start("front-desk", disk, 0);
    }

    fn are_connected(&self) -> bool {
        let peers = self.mesh.peers_of("front-desk");
        peers.contains(&"ward-2".to_owned())
    }

    fn busy(&self, tickets: &[Ticket]) -> usize {
        let answers = tickets
            .iter()
            .filter_map(|ticket| self.mesh.answer("front-desk", *ticket));
        let is_busy = |answer: &&Reply| matches!(answer, Reply::Refused(CommandRefusal::Busy));
        answers.filter(is_busy).count()
    }

    fn page(&self) -> Command {
        Command::Read {
            staff: self.ana,
            origin: Origin::Socket,
            space: self.rounds,
            before: None,
            limit: 10,
        }
    }
}

fn want(log: Log) -> Frame {
    Frame::Want {
        log,
        from: 1,
        credit: 1,
    }
}

#[test]
fn a_peer_that_asks_for_more_logs_than_may_wait_is_cut_off() {
    let mut r = rounds();
    let mut wants = Vec::new();
    // Every start writes a log of its own; these keep the places of what is being sent.
    for _ in 0..SENDING_MAX {
        wants.push(want(r.told("Bed 4 is free").log()));
        r.restarted();
    }
    let some = r.told("Bed 5 is free").log();
    let made_up = |n| Log {
        epoch: Epoch(n),
        ..some
    };
    wants.extend((1..=QUEUED_MAX as u64).map(|n| want(made_up(n))));
    r.mesh.run_for(Duration::from_secs(3));
    r.mesh.whisper_all("ward-2", "front-desk", &wants);
    assert!(r.are_connected(), "as many as may wait");
    wants.push(want(made_up(QUEUED_MAX as u64 + 1)));
    r.mesh.whisper_all("ward-2", "front-desk", &wants);
    assert!(!r.are_connected());
}

#[test]
fn more_logs_than_are_asked_for_at_once_come_without_a_pause_between_them() {
    const LOGS: usize = 150;
    let mut r = rounds();
    r.mesh.cut("ward-2");
    for _ in 0..LOGS {
        r.told("Bed 4 is free");
        r.restarted();
    }
    r.mesh.heal("ward-2");
    // Too short for a handful of logs with each second.
    r.mesh.run_for(Duration::from_secs(5));
    let disk = &r.mesh.offices["ward-2"].disk;
    assert_eq!(disk.of_space(&r.rounds).count(), LOGS);
}

#[test]
fn a_peer_that_lists_what_it_does_not_give_keeps_nothing_of_others_waiting() {
    let mut r = rounds();
    r.mesh.cut("ward-2");
    let (ben, space) = (r.ben, r.rounds);
    r.mesh
        .post("ward-2", ben, space, "Bed 4 is free")
        .expect("posted");
    // They come first in every order that goes by the names of logs.
    let heads = |from: u64| Frame::Heads {
        space,
        heads: (from..from + LIST_MAX as u64).map(made_up_head).collect(),
    };
    let lists: Vec<Frame> = (0..4).map(|n| heads(1 + n * LIST_MAX as u64)).collect();
    r.mesh.whisper_all("pharmacy", "front-desk", &lists);
    // Now that every place is taken by what will not come.
    r.mesh.heal("ward-2");
    r.mesh.run_for(Duration::from_secs(15));
    assert_eq!(r.mesh.texts("front-desk", r.ana, space), ["Bed 4 is free"]);
}

/// Ben's log at ward 2 with so many messages, of which the front desk has the first, and ward 2 away.
fn behind(r: &mut Rounds, messages: usize) -> Vec<Arc<Segment>> {
    let (ben, space) = (r.ben, r.rounds);
    let post = |r: &mut Rounds| {
        r.mesh
            .post("ward-2", ben, space, "Bed 4 is free")
            .expect("posted")
    };
    post(r);
    r.mesh.run_for(Duration::from_secs(2));
    r.mesh.cut("ward-2");
    for _ in 1..messages {
        post(r);
    }
    let disk = &r.mesh.offices["ward-2"].disk;
    let (_, stored) = disk.of_space(&space).next().expect("Ben's log");
    stored.rows.clone()
}

/// The pharmacy says that it has all of Ben's log and more.
fn claim(r: &mut Rounds, of: &Segment) {
    let head = LogHead {
        author: of.log.author,
        epoch: of.log.epoch,
        head: Head {
            seq: u64::MAX,
            hash: Hash::ZERO,
        },
        signature: Signature::new([1; 64]),
    };
    let space = r.rounds;
    let heads = vec![head];
    r.mesh
        .whisper("pharmacy", "front-desk", &Frame::Heads { space, heads });
}

fn held(r: &Rounds) -> u64 {
    let disk = &r.mesh.offices["front-desk"].disk;
    disk.of_space(&r.rounds)
        .map(|(_, stored)| stored.head.seq)
        .max()
        .unwrap_or(0)
}

#[test]
fn what_is_here_already_is_no_progress_however_often_it_comes() {
    let mut r = rounds();
    let segments = behind(&mut r, 2);
    claim(&mut r, &segments[0]);
    r.mesh.heal("ward-2");
    for _ in 0..4 {
        let again = Frame::Entries(segments[0].clone());
        r.mesh.whisper("pharmacy", "front-desk", &again);
        r.mesh.run_for(Duration::from_secs(4));
    }
    assert_eq!(held(&r), 2);
}

#[test]
fn one_who_gives_a_little_now_and_then_does_not_keep_a_log_to_itself() {
    let mut r = rounds();
    let segments = behind(&mut r, 40);
    claim(&mut r, &segments[0]);
    r.mesh.heal("ward-2");
    for segment in segments.iter().skip(1).take(9) {
        let next = Frame::Entries(segment.clone());
        r.mesh.whisper("pharmacy", "front-desk", &next);
        r.mesh.run_for(Duration::from_secs(8));
    }
    assert_eq!(held(&r), 40);
}

/// The ward's own log came by the pharmacy, which lost a body of it because its clock was ahead.
#[test]
fn a_peer_that_lacks_a_body_is_not_asked_for_it_over_and_over() {
    let mut r = rounds();
    let mut segments = behind(&mut r, 3);
    claim(&mut r, &segments[0]);
    Arc::make_mut(&mut segments[1]).entries[0].payload = None;
    let given: Vec<Frame> = segments[1..].iter().cloned().map(Frame::Entries).collect();
    let between = ("front-desk".to_owned(), "pharmacy".to_owned());
    let asked = |r: &Rounds| r.mesh.asked[&between];
    let before = asked(&r);
    for _ in 0..50 {
        // The second does not follow what is held, because the first is not taken.
        r.mesh.whisper_all("pharmacy", "front-desk", &given);
    }
    assert_eq!(asked(&r), before, "it is asked again at once");
    assert_eq!(held(&r), 1);

    // By and by it may have what it lacked.
    r.mesh.run_for(Duration::from_secs(61));
    r.mesh.whisper_all("pharmacy", "front-desk", &given[1..]);
    assert_eq!(asked(&r), before + 1);
    r.mesh.heal("ward-2");
    r.mesh.run_for(Duration::from_secs(15));
    assert_eq!(held(&r), 3, "whoever has it gives it");
}

fn made_up_head(epoch: u64) -> LogHead {
    LogHead {
        author: AuthorId::new([0; 32]),
        epoch: Epoch(epoch),
        head: Head {
            seq: 1,
            hash: Hash::ZERO,
        },
        signature: Signature::new([1; 64]),
    }
}

#[test]
fn a_peer_that_lists_more_spaces_than_a_clinic_has_is_cut_off() {
    let mut r = rounds();
    let lines = |n: usize| Frame::Spaces {
        digests: (0..n as u64)
            .map(|tag| SpaceDigest { tag, digest: 1 })
            .collect(),
        more: true,
    };
    let full = vec![lines(LIST_MAX); DIGESTS_MAX / LIST_MAX];
    r.mesh.whisper_all("ward-2", "front-desk", &full);
    assert!(r.are_connected());
    r.mesh.whisper("ward-2", "front-desk", &lines(1));
    assert!(!r.are_connected());
}

#[test]
fn a_message_is_written_anew_sixty_four_times_at_most() {
    let mut r = rounds();
    let (ana, id) = (r.ana, r.told("Bed 4 is free"));
    for _ in 0..AMENDMENTS_MAX {
        r.amend("front-desk", ana, id, "Bed 5 is free")
            .expect("hers");
    }
    let refused = r.amend("front-desk", ana, id, "Bed 6 is free");
    assert_eq!(refused, Err(CommandRefusal::TooManyAmendments));
}

#[test]
fn readings_beyond_those_under_way_are_told_to_come_back() {
    let mut r = rounds();
    r.told("Bed 4 is free");
    r.mesh.read("front-desk", r.ana, r.rounds);
    let commands = (0..JOBS_MAX + 40).map(|_| r.page()).collect();
    let tickets = r.mesh.ask_together("front-desk", commands);
    assert_eq!(r.busy(&tickets), 40);
}

#[test]
fn whoever_cannot_wait_for_a_conversation_to_be_read_is_told_to_come_back() {
    let mut r = rounds();
    r.told("Bed 4 is free");
    r.restarted();
    let list = Command::Conversations { staff: r.ana };
    let tickets = r
        .mesh
        .ask_together("front-desk", vec![list; PARKED_MAX + 40]);
    assert_eq!(r.busy(&tickets), 40);
}

#[test]
fn a_peer_that_falls_silent_is_given_up_after_three_beats_and_not_before() {
    let mut r = rounds();
    let link = |r: &Rounds| r.mesh.link_between("front-desk", "ward-2");
    r.mesh.run_for(Duration::from_secs(60));
    let before = link(&r);
    assert!(before.is_some());
    r.mesh.mute("ward-2");
    // It was heard four seconds ago at most.
    r.mesh.run_for(Duration::from_secs(8));
    assert_eq!(link(&r), before, "given up too early");
    r.mesh.run_for(Duration::from_secs(6));
    assert_ne!(link(&r), before, "kept for ever");
}
