//! Taking messages back: their bodies are destroyed wherever they are, and nobody who catches up later
//! mistakes the gap for something withheld.
//!
//! The order is that of a purge: the retraction is durable (from then on the body is neither accepted,
//! served nor shown), then the body is destroyed, then that is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::audit::{Actor, Deed, Origin};
use crate::domain::id::StaffId;
use crate::domain::log::Segment;
use crate::domain::message::{AMENDMENTS_MAX, EntryId, Message, is_reason, is_text};
use crate::domain::policy::Policy;
use crate::domain::retraction::{Retraction, Withdrawn};
use crate::domain::time::Day;
use crate::domain::trust::Refusal;
use crate::planted::planted;
use crate::wire::{Frame, RETRACTIONS_MAX};

use super::{CommandRefusal, Effect, Engine, LinkId, Reply, Ticket};

/// Most entries that are known to be taken back; what a member node claims beyond is not believed.
///
/// A hundred thousand: a clinic that takes back three hundred messages a day, for a year.
const RETRACTED_MAX: usize = 100_000;

/// Which entries these retractions take back.
pub(super) fn by_entry(retractions: Vec<Retraction>) -> BTreeMap<EntryId, Arc<Retraction>> {
    let mut found = BTreeMap::new();
    for retraction in retractions {
        let retraction = Arc::new(retraction);
        for entry in retraction.entries() {
            found.insert(entry, retraction.clone());
        }
    }
    found
}

impl Engine {
    /// Writes a message anew. It lives no longer than what it amends.
    pub(super) fn amend(
        &mut self,
        ticket: Ticket,
        (staff, origin): (StaffId, Origin),
        entry: EntryId,
        text: String,
    ) {
        let space = entry.space;
        let last_day = match self.writers_own(&staff, &entry) {
            Ok(last_day) => last_day,
            Err(why) => return self.refuse(ticket, why),
        };
        let facts = self.facts.get(&space);
        let amended = facts.map_or(0, |facts| facts.amendments(&entry, &staff).len());
        let refusal = if !is_text(&text) {
            Some(CommandRefusal::TextLength)
        } else if amended >= AMENDMENTS_MAX {
            Some(CommandRefusal::TooManyAmendments)
        } else {
            self.why_not_write(&space)
        };
        if let Some(why) = refusal {
            return self.refuse(ticket, why);
        }
        let body = Message::Amended { staff, entry, text }.to_body();
        let id = self.write_lasting(space, body, |_, latest| last_day.min(latest));
        self.sent(ticket, staff, origin, id);
    }

    /// Takes a message back, with everything that it ever said. Also on a disk that is nearly full.
    pub(super) fn retract(
        &mut self,
        ticket: Ticket,
        (staff, origin): (StaffId, Origin),
        entry: EntryId,
        reason: String,
    ) {
        let space = entry.space;
        let until = match self.writers_own(&staff, &entry) {
            Ok(_) if !is_reason(&reason) => {
                return self.refuse(ticket, CommandRefusal::ReasonLength);
            }
            Ok(_) if self.is_departing(&space) => return self.refuse(ticket, CommandRefusal::Busy),
            Ok(until) => until,
            Err(why) => return self.refuse(ticket, why),
        };
        let facts = self.facts.get(&space);
        let mut amendments = facts.map_or_else(Vec::new, |facts| facts.amendments(&entry, &staff));
        amendments.sort_unstable();
        amendments.truncate(AMENDMENTS_MAX);
        let withdrawn = Withdrawn {
            staff,
            entry,
            amendments,
            until,
        };
        let retraction = Retraction::sign(&self.clinic_id, &self.key, withdrawn);
        self.take_retraction(retraction.clone());
        let body = Message::Retracted { retraction, reason }.to_body();
        let id = self.write_lasting(space, body, |_, latest| until.min(latest));
        let deed = Deed::MessageRetracted {
            space: space.id(&self.clinic_id),
            author: entry.author,
            epoch: entry.epoch,
            seq: entry.seq,
        };
        self.note(Actor::Staff(staff), origin, deed);
        self.sent(ticket, staff, origin, id);
    }

    /// The last day of a message that is this person's to change, or why it is not.
    fn writers_own(&self, staff: &StaffId, entry: &EntryId) -> Result<Day, CommandRefusal> {
        self.admit(staff, &entry.space)?;
        if self.retracted.contains_key(entry) {
            return Err(CommandRefusal::AlreadyRetracted);
        }
        let facts = self.facts.get(&entry.space);
        match facts.and_then(|facts| facts.written(entry)) {
            None => Err(CommandRefusal::Unknown("message")),
            Some((writer, _)) if writer != *staff => Err(CommandRefusal::NotTheWriter),
            Some((_, last_day)) => Ok(last_day),
        }
    }

    /// Takes note of what a segment takes back; with the commit that holds it.
    pub(super) fn take_retractions(&mut self, segment: &Segment) {
        let space = segment.log.space;
        if !space.is_conversation() {
            return;
        }
        let bodies = segment
            .entries
            .iter()
            .filter_map(|entry| entry.payload.as_ref());
        for payload in bodies {
            if let Ok(Message::Retracted { retraction, .. }) =
                Message::from_body(&space, &payload.body)
            {
                self.take_retraction(retraction);
            }
        }
    }

    fn take_retraction(&mut self, retraction: Retraction) {
        let news = retraction
            .entries()
            .any(|entry| !self.retracted.contains_key(&entry));
        let over = retraction.withdrawn.until < self.horizon;
        let full = self.retracted.len() >= RETRACTED_MAX;
        if !news || over || full || planted!("taken-back-kept") {
            return;
        }
        let retraction = Arc::new(retraction);
        for entry in retraction.entries() {
            self.retracted.insert(entry, retraction.clone());
        }
        self.batch.retractions.push(retraction);
    }

    /// A peer says why bodies are missing from the entries that it sends next.
    pub(super) fn on_retractions(&mut self, id: LinkId, retractions: Vec<Retraction>) {
        for retraction in retractions {
            let known = retraction
                .entries()
                .all(|entry| self.retracted.contains_key(&entry));
            if known || !self.may_believe(&retraction) {
                continue;
            }
            if retraction.verify(&self.clinic_id).is_err() {
                self.close(id, Refusal::Misbehaved);
                return;
            }
            self.take_retraction(retraction);
        }
    }

    /// Whether a retraction is about what this node may hold, by somebody who may take it back, and
    /// of a day that policy allows at all.
    fn may_believe(&self, retraction: &Retraction) -> bool {
        let space = retraction.space();
        let clinic = &self.record.clinic;
        let latest = Policy::latest_last_day(&space, self.now.wall.day().plus(1));
        retraction.is_sound(&space)
            && clinic.may_hold(&self.me, &space)
            && retraction.is_by_right(clinic)
            && retraction.withdrawn.until <= latest
    }

    /// Sends entries, and before them why some of their bodies are missing.
    pub(super) fn send_entries(&mut self, id: LinkId, segment: Arc<Segment>) {
        let mut told = BTreeSet::new();
        let mut retractions = Vec::new();
        for (seq, entry) in (segment.first..).zip(&segment.entries) {
            let found = self.retracted.get(&EntryId::new(&segment.log, seq));
            let gap = found.filter(|_| entry.payload.is_none());
            if let Some(retraction) = gap
                && told.insert(retraction.withdrawn.entry)
            {
                retractions.push(Retraction::clone(retraction));
            }
        }
        for chunk in retractions.chunks(RETRACTIONS_MAX) {
            let retractions = chunk.to_vec();
            self.send(id, Frame::Retractions { retractions });
        }
        self.send(id, Frame::Entries(segment));
    }

    /// Retractions are durable: what they name is destroyed.
    pub(super) fn destroy(&mut self, retractions: &[Arc<Retraction>]) {
        let named = retractions
            .iter()
            .flat_map(|retraction| retraction.entries());
        let held = named.filter(|entry| self.holdings.durable(&entry.log()) >= entry.seq);
        let entries: Vec<EntryId> = held.collect();
        if !entries.is_empty() {
            self.effects.push_back(Effect::Destroy { entries });
        }
    }

    /// Bodies that were taken back are destroyed: that is recorded.
    pub(super) fn on_destroyed(&mut self, entries: &[EntryId]) {
        for entry in entries {
            let deed = Deed::BodyDestroyed {
                space: entry.space.id(&self.clinic_id),
                author: entry.author,
                epoch: entry.epoch,
                seq: entry.seq,
            };
            self.note(Actor::Node, Origin::Inside, deed);
        }
    }

    /// Forgets retractions of what the horizon has passed.
    pub(super) fn forget_retractions(&mut self, horizon: Day) {
        self.retracted
            .retain(|_, retraction| retraction.withdrawn.until >= horizon);
    }

    /// Answers with everything a message ever said.
    pub(super) fn history(
        &mut self,
        ticket: Ticket,
        (staff, origin): (StaffId, Origin),
        entry: EntryId,
    ) {
        if let Err(why) = self.admit(&staff, &entry.space) {
            return self.refuse(ticket, why);
        }
        let facts = self.facts.get(&entry.space);
        let written = facts.and_then(|facts| {
            let (writer, _) = facts.written(&entry)?;
            let taken_back = facts.taken_back(&entry).is_some();
            (!taken_back).then(|| facts.amendments(&entry, &writer))
        });
        match written {
            Some(amendments) => self.read_history(ticket, (staff, origin), entry, amendments),
            None => self.reply(ticket, Reply::History(Vec::new())),
        }
    }
}
