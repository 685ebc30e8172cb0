//! Looking for words: across what a person may see, and nothing else.

use std::collections::BTreeMap;

use crate::domain::audit::Origin;
use crate::domain::id::StaffId;
use crate::domain::log::Entry;
use crate::domain::message::{EntryId, Position};
use crate::domain::space::Space;
use crate::domain::words::Query;

use super::{Candidates, CommandRefusal, Engine, Found, Job, Load, MessageLine, Reply, Ticket};

/// Most messages in one answer.
const HITS_MAX: usize = 100;

/// Somebody who waits for what was found.
#[derive(Clone, Debug)]
pub(super) struct SearchJob {
    pub(super) ticket: Ticket,
    pub(super) staff: StaffId,
    pub(super) origin: Origin,
    pub(super) query: Query,
}

/// The same, with the messages as they were written.
#[derive(Debug)]
pub(super) struct FoundJob {
    search: SearchJob,
    found: Candidates,
}

impl Engine {
    pub(super) fn search(&mut self, job: SearchJob, before: Option<Position>, limit: usize) {
        let ticket = job.ticket;
        if let Err(why) = self.admit_person(&job.staff) {
            return self.refuse(ticket, why);
        }
        let load = Load::Search {
            query: job.query.clone(),
            spaces: self.conversations_of(&job.staff),
            before,
            limit: limit.min(HITS_MAX),
        };
        if self.load(Job::Search(job), load).is_none() {
            self.refuse(ticket, CommandRefusal::Busy);
        }
    }

    /// Messages were found; what they say by now is read next.
    pub(super) fn on_found(&mut self, search: SearchJob, found: Candidates) {
        let ids = self.referred_to(&found.entries);
        let job = FoundJob { search, found };
        if ids.is_empty() {
            return self.show_found(job, Vec::new());
        }
        let ticket = job.search.ticket;
        let load = Load::Entries { ids };
        if self.load(Job::Amended(Box::new(job)), load).is_none() {
            self.refuse(ticket, CommandRefusal::Busy);
        }
    }

    /// Shows what was found, as far as this person may see it and it says what was looked for.
    pub(super) fn show_found(&mut self, job: FoundJob, related: Vec<(EntryId, Entry)>) {
        let FoundJob { search, found } = job;
        let (ticket, staff) = (search.ticket, search.staff);
        if let Err(why) = self.admit_person(&staff) {
            return self.refuse(ticket, why);
        }
        let Candidates {
            entries,
            more,
            complete,
        } = found;
        let known = entries.iter().cloned().chain(related).collect();
        let theirs = |space: &Space| self.admit(&staff, space).is_ok() && self.knows(space);
        let seen = entries.iter().filter(|(id, _)| theirs(&id.space));
        let lines = seen.filter_map(|(id, entry)| self.line(*id, entry, &known));
        let fits = |line: &MessageLine| {
            let text = line.text.as_ref();
            text.is_some_and(|text| search.query.fits(text))
        };
        let messages: Vec<MessageLine> = lines.filter(fits).collect();
        self.note_found(&search, &messages);
        let found = Found {
            messages,
            more,
            complete,
        };
        self.batch.reply(ticket, Reply::Found(found));
    }

    /// Contents of each of these conversations are shown.
    fn note_found(&mut self, search: &SearchJob, messages: &[MessageLine]) {
        let mut shown: BTreeMap<Space, Vec<EntryId>> = BTreeMap::new();
        for line in messages {
            shown.entry(line.id.space).or_default().push(line.id);
        }
        for (space, ids) in shown {
            self.note_read((search.staff, search.origin), &space, ids.len(), &ids);
        }
    }
}
