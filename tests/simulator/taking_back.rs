//! People write messages anew and take them back: what must never come back, and where it must be gone.

use std::collections::BTreeSet;

use clinic_mesh::domain::audit::Origin;
use clinic_mesh::domain::id::StaffId;
use clinic_mesh::domain::log::{Entry, Log, Segment};
use clinic_mesh::domain::message::{EntryId, Message};
use clinic_mesh::domain::retraction::Retraction;
use clinic_mesh::node::engine::{Command, Commit, MessageLine};
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::disk::Disk;
use super::rules::{Broken, TAKEN_BACK_IN_THE_END, TAKEN_BACK_STAYS_GONE};
use super::world::{Waiting, World};

/// What happened to a message after it was sent.
#[derive(Default)]
pub(crate) struct Since {
    /// What it may say by now, beside what it said at first.
    pub(crate) anew: Vec<String>,
    /// Its writer asked to take it back.
    pub(crate) taken_back: bool,
}

/// A message, a node that holds it, and who is to change it there.
struct Changing {
    /// Which of the messages that were sent.
    acked: usize,
    node: usize,
    staff: StaffId,
    /// Anybody else is refused, or a message would change that should not have.
    is_writer: bool,
}

impl Disk {
    /// Everything that this disk knows to be taken back.
    pub(crate) fn taken_back(&self) -> BTreeSet<EntryId> {
        let all = self.retractions.iter();
        all.flat_map(Retraction::entries).collect()
    }

    fn entry(&self, id: &EntryId) -> Option<&Entry> {
        let stored = self.logs.get(&id.log())?;
        let mut entries = stored.entries();
        let found = entries.find(|(seq, _)| *seq == id.seq);
        found.map(|(_, entry)| entry)
    }

    fn has_body(&self, id: &EntryId) -> bool {
        self.entry(id).is_some_and(|entry| entry.payload.is_some())
    }

    fn message(&self, id: &EntryId) -> Option<Message> {
        let payload = self.entry(id)?.payload.as_ref()?;
        Message::from_body(&id.space, &payload.body).ok()
    }
}

impl World {
    /// Somebody writes a message anew.
    pub(crate) fn amend(&mut self, rng: &mut StdRng) {
        let Some(changing) = self.somebodys_message(rng) else {
            return;
        };
        let text = format!("anew {}", rng.random::<u32>());
        let acked = &mut self.acked[changing.acked];
        if changing.is_writer {
            acked.since.anew.push(text.clone());
        }
        let command = Command::Amend {
            staff: changing.staff,
            origin: Origin::Socket,
            entry: acked.id,
            text,
        };
        let node = changing.node;
        self.ask(node, command, Waiting::Other { node });
    }

    /// Somebody takes a message back.
    pub(crate) fn retract(&mut self, rng: &mut StdRng) {
        let Some(changing) = self.somebodys_message(rng) else {
            return;
        };
        let acked = &mut self.acked[changing.acked];
        acked.since.taken_back |= changing.is_writer;
        let command = Command::Retract {
            staff: changing.staff,
            origin: Origin::Socket,
            entry: acked.id,
            reason: "Wrong room".into(),
        };
        let node = changing.node;
        self.ask(node, command, Waiting::Other { node });
    }

    /// A message on the disk of a running node, and mostly its writer.
    fn somebodys_message(&mut self, rng: &mut StdRng) -> Option<Changing> {
        let node = self.some_node(rng);
        let disk = &self.nodes[node].disk;
        let here = self.acked.iter().enumerate();
        let here: Vec<usize> = here
            .filter(|(_, acked)| disk.has_body(&acked.id))
            .map(|(at, _)| at)
            .collect();
        if here.is_empty() {
            return None;
        }
        let acked = here[rng.random_range(0..here.len())];
        let writer = disk.message(&self.acked[acked].id)?.staff();
        let staff = if rng.random_range(0..10) == 0 {
            self.authority.staff[rng.random_range(0..self.authority.staff.len())]
        } else {
            writer
        };
        Some(Changing {
            acked,
            node,
            staff,
            is_writer: staff == writer,
        })
    }

    /// What a node stores is nothing that it knows to be taken back.
    pub(crate) fn check_stored_again(&mut self, node: usize, commit: &Commit) {
        let gone = self.nodes[node].disk.taken_back();
        for segment in &commit.segments {
            if let Some(id) = body_of(&gone, segment) {
                self.broke(TAKEN_BACK_STAYS_GONE, format!("node {node} stores {id:?}"));
            }
        }
    }

    /// What a node sends is nothing that it knows to be taken back.
    pub(crate) fn check_sent_again(&mut self, node: usize, segment: &Segment) {
        let gone = self.nodes[node].disk.taken_back();
        if let Some(id) = body_of(&gone, segment) {
            self.broke(TAKEN_BACK_STAYS_GONE, format!("node {node} sends {id:?}"));
        }
    }

    /// What a node shows says nothing that it knew to be taken back when it was asked.
    pub(crate) fn check_shown_again(
        &mut self,
        node: usize,
        line: &MessageLine,
        gone: &BTreeSet<EntryId>,
    ) {
        if line.text.is_some() && gone.contains(&line.id) {
            let what = format!("node {node} shows {:?}", line.id);
            self.broke(TAKEN_BACK_STAYS_GONE, what);
        }
    }

    /// Whoever holds a message by which something is taken back holds no body of that any more.
    pub(crate) fn is_gone(&self, good: &[usize]) -> Option<Broken> {
        good.iter().find_map(|node| {
            let disk = &self.nodes[*node].disk;
            let logs = disk.logs.keys().filter(|log| log.space.is_conversation());
            let told = logs.flat_map(|log| retractions_in(disk, log));
            let left = told
                .flat_map(|retraction| retraction.entries().collect::<Vec<_>>())
                .find(|id| disk.has_body(id))?;
            Some(Broken {
                rule: TAKEN_BACK_IN_THE_END,
                what: format!("node {node} holds the body of {left:?}"),
            })
        })
    }
}

/// The first entry with a body among those that are taken back.
fn body_of(gone: &BTreeSet<EntryId>, segment: &Segment) -> Option<EntryId> {
    let numbered = (segment.first..).zip(&segment.entries);
    let mut with_body = numbered
        .filter(|(_, entry)| entry.payload.is_some())
        .map(|(seq, _)| EntryId::new(&segment.log, seq));
    with_body.find(|id| gone.contains(id))
}

/// What the messages of a log take back.
fn retractions_in(disk: &Disk, log: &Log) -> Vec<Retraction> {
    let stored = disk.logs[log].entries();
    let bodies = stored.filter_map(|(_, entry)| entry.payload.as_ref());
    let messages = bodies.filter_map(|payload| Message::from_body(&log.space, &payload.body).ok());
    let taken = messages.filter_map(|message| match message {
        Message::Retracted { retraction, .. } => Some(retraction),
        _ => None,
    });
    taken.collect()
}
