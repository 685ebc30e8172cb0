//! What staff members are shown: pages of conversations, and how far each message has come.
//!
//! What is shown is judged when it is shown: by the record, the horizon and the facts of that moment,
//! and only after the record of the reading is durable.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::audit::{Actor, AuditRecord, Deed, Origin};
use crate::domain::codec;
use crate::domain::id::{AuthorId, DeviceId, Hash, StaffId};
use crate::domain::log::{Entry, Header, Log};
use crate::domain::message::{EntryId, Message, Position};
use crate::domain::space::Space;
use crate::planted::planted;

use super::facts::{Facts, position};
use super::{
    Command, CommandRefusal, Engine, Job, JobId, Load, MessageLine, Page, Quoted, Receipts, Reply,
    Standing, TakenBack, Ticket, Version,
};

/// Most messages in one page.
const PAGE_MAX: usize = 500;

/// Fewest entries of a conversation that are read at once when a page is put together.
///
/// A page counts messages; acknowledgements, openings and amendments stand between them. 64 is more than
/// stands between two pages of an ordinary conversation.
const STRIDE: usize = 64;

/// Entries that are gone through for one page; a page that would need more is given short, and the next
/// one goes on from there.
///
/// Four thousand take a few milliseconds, so nobody keeps a node busy by asking for a page.
pub(super) const WALK_MAX: usize = 4096;

/// Most commands that wait for facts to be read; more are told to come back.
///
/// A thousand: everyone in a large clinic opens their list while a node has just started.
pub(super) const PARKED_MAX: usize = 1024;

/// Conversations whose facts are read at the same time: they are read whole, so memory for a few is
/// enough.
const FACTS_AT_ONCE: usize = 8;

/// A reader that waits for a page.
#[derive(Clone, Debug)]
pub(super) struct PageJob {
    pub(super) ticket: Ticket,
    pub(super) staff: StaffId,
    pub(super) origin: Origin,
    pub(super) space: Space,
    pub(super) before: Option<Position>,
    pub(super) limit: usize,
    pub(super) walk: Walk,
}

/// How far the entries of a conversation were gone through for a page, newest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Walk {
    /// The entry gone through last.
    at: Option<Position>,
    entries: usize,
    messages: Vec<(EntryId, Entry)>,
}

/// A reader whose page is there but for what it refers to.
#[derive(Debug)]
pub(super) struct RelatedJob {
    page: PageJob,
    more: bool,
}

/// A reader of everything that a message ever said.
#[derive(Debug)]
pub(super) struct HistoryJob {
    ticket: Ticket,
    staff: StaffId,
    origin: Origin,
    space: Space,
}

/// Entries by name.
pub(super) type Entries = BTreeMap<EntryId, Entry>;

impl Engine {
    /// The first conversation whose facts a command needs and that have not been read.
    pub(super) fn lacks_facts(&self, command: &Command) -> Option<Space> {
        let (staff, spaces) = match command {
            Command::Post {
                staff,
                space,
                written,
                ..
            } if written.key.is_some() => (staff, vec![*space]),
            Command::Open { staff, entry, .. }
            | Command::Amend { staff, entry, .. }
            | Command::Retract { staff, entry, .. }
            | Command::History { staff, entry, .. } => (staff, vec![entry.space]),
            Command::Read { staff, space, .. } => (staff, vec![*space]),
            Command::Conversations { staff } | Command::Search { staff, .. } => {
                (staff, self.conversations_of(staff))
            }
            _ => return None,
        };
        let space = spaces.iter().find(|space| !self.knows(space))?;
        // Who may not look has no need of them; the command says so.
        self.admit(staff, space).is_ok().then_some(*space)
    }

    /// Whether the facts of a conversation have been read.
    pub(super) fn knows(&self, space: &Space) -> bool {
        self.facts.get(space).is_some_and(Facts::is_whole)
    }

    /// Lets a command wait until the facts of a conversation have been read.
    pub(super) fn park(&mut self, ticket: Ticket, command: Command, space: Space) {
        if self.parked.len() >= PARKED_MAX || !self.read_facts(space) {
            self.refuse(ticket, CommandRefusal::Busy);
            return;
        }
        self.parked.push((ticket, command));
    }

    /// Starts reading the facts of a conversation unless that is under way; says whether there is
    /// something to wait for.
    fn read_facts(&mut self, space: Space) -> bool {
        let under_way = self.facts.values().filter(|facts| !facts.is_whole());
        if self.facts.contains_key(&space) || under_way.count() >= FACTS_AT_ONCE {
            return true;
        }
        let Some(job) = self.load(Job::Facts { space }, Load::Facts { space }) else {
            return false;
        };
        self.facts.insert(space, Facts::loading(space, job));
        true
    }

    /// The facts of a conversation were read: whoever waited goes on.
    pub(super) fn on_facts(
        &mut self,
        job: JobId,
        space: Space,
        found: Vec<(EntryId, Header, Message)>,
    ) {
        let horizon = self.horizon;
        if let Some(facts) = self.facts.get_mut(&space)
            && facts.loaded(job)
        {
            let alive = found
                .into_iter()
                .filter(|(_, header, _)| header.last_day >= horizon);
            for (id, header, message) in alive {
                facts.take(id, &header, message);
            }
        }
        for (ticket, command) in std::mem::take(&mut self.parked) {
            self.on_command(ticket, command);
        }
    }

    pub(super) fn read(&mut self, mut job: PageJob) {
        job.limit = job.limit.min(PAGE_MAX);
        let (ticket, space) = (job.ticket, job.space);
        let id = space.id(&self.clinic_id);
        let deed = Deed::ConversationOpened { space: id };
        if let Err(why) = self.admit(&job.staff, &space) {
            let actor = Actor::Staff(job.staff);
            self.audit(AuditRecord::refused(actor, job.origin, deed));
            self.refuse(ticket, why);
            return;
        }
        self.read_last.insert(job.staff, id);
        if job.before.is_none() {
            self.note(Actor::Staff(job.staff), job.origin, deed);
        }
        self.walk_on(job);
    }

    /// Reads the entries before those that were gone through.
    fn walk_on(&mut self, job: PageJob) {
        let ticket = job.ticket;
        let load = Load::Page {
            space: job.space,
            before: job.walk.at.or(job.before),
            limit: stride(&job),
        };
        if self.load(Job::Page(job), load).is_none() {
            self.refuse(ticket, CommandRefusal::Busy);
        }
    }

    /// Entries were read: the messages among them fill the page until there is one too many.
    pub(super) fn on_page(&mut self, mut job: PageJob, entries: Vec<(EntryId, Entry)>) {
        let is_end = entries.len() < stride(&job);
        for (id, entry) in entries {
            let is_message = self.is_message(&id, &entry);
            if is_message && job.walk.messages.len() == job.limit {
                return self.relate(job, true);
            }
            job.walk.at = Some(position(&id, entry.header.time));
            job.walk.entries += 1;
            if is_message {
                job.walk.messages.push((id, entry));
            }
        }
        if is_end || job.walk.entries >= WALK_MAX {
            return self.relate(job, !is_end);
        }
        self.walk_on(job);
    }

    /// A page is complete; what it refers to is read next.
    fn relate(&mut self, page: PageJob, more: bool) {
        let ids = self.referred_to(&page.walk.messages);
        let related = RelatedJob { page, more };
        if ids.is_empty() {
            self.on_related(related, Vec::new());
            return;
        }
        let ticket = related.page.ticket;
        let job = Job::Related(Box::new(related));
        if self.load(job, Load::Entries { ids }).is_none() {
            self.refuse(ticket, CommandRefusal::Busy);
        }
    }

    /// The entries that others of a page refer to and that are not on it.
    pub(super) fn referred_to(&self, shown: &[(EntryId, Entry)]) -> Vec<EntryId> {
        let here: BTreeSet<EntryId> = shown.iter().map(|(id, _)| *id).collect();
        let answered = shown
            .iter()
            .filter_map(|(id, entry)| match self.alive(id, entry)? {
                Message::Text { reply_to, .. } => reply_to,
                _ => None,
            });
        let told: BTreeSet<EntryId> = here.iter().copied().chain(answered).collect();
        let newest = told.iter().filter_map(|id| self.newest_amendment(id));
        let all: BTreeSet<EntryId> = told.iter().copied().chain(newest).collect();
        all.difference(&here).copied().collect()
    }

    /// The newest amendment of a message by its writer, among those that count.
    fn newest_amendment(&self, id: &EntryId) -> Option<EntryId> {
        let facts = self.facts.get(&id.space)?;
        let (writer, _) = facts.written(id)?;
        let all = facts.amendments(id, &writer);
        all.into_iter()
            .rev()
            .find(|amendment| self.counts(amendment))
    }

    /// What a message says by now, and whether that is another text than at first.
    fn newest_text(&self, id: &EntryId, text: String, known: &Entries) -> (String, bool) {
        let amendment = self.newest_amendment(id);
        let entry = amendment.and_then(|id| Some((id, known.get(&id)?)));
        match entry.and_then(|(id, entry)| self.alive(&id, entry)) {
            Some(Message::Amended { text, .. }) => (text, true),
            _ => (text, amendment.is_some()),
        }
    }

    /// A page and what it refers to are there: it is shown once the record of the reading is durable.
    pub(super) fn on_related(&mut self, job: RelatedJob, related: Vec<(EntryId, Entry)>) {
        let RelatedJob { mut page, more } = job;
        // While it was read, the record may have moved on, and a day may have ended.
        if let Err(why) = self.admit(&page.staff, &page.space) {
            self.refuse(page.ticket, why);
            return;
        }
        if !self.knows(&page.space) {
            let PageJob { ticket, space, .. } = page;
            self.park(ticket, page.into(), space);
            return;
        }
        let earlier = page.walk.at.filter(|_| more);
        let shown = std::mem::take(&mut page.walk.messages);
        let known: Entries = shown.iter().cloned().chain(related).collect();
        let lines = shown.iter().rev();
        let messages: Vec<MessageLine> = lines
            .filter_map(|(id, entry)| self.line(*id, entry, &known))
            .collect();
        if planted!("read-before-recorded") {
            let page_of = Page { messages, earlier };
            self.reply(page.ticket, Reply::Page(page_of));
            return;
        }
        self.note_reading(&page, &messages);
        self.batch
            .reply(page.ticket, Reply::Page(Page { messages, earlier }));
    }

    fn note_reading(&mut self, job: &PageJob, messages: &[MessageLine]) {
        let own = messages.iter().map(|line| line.id);
        let quoted = messages.iter().filter_map(|line| line.reply_to.as_ref());
        let quoted = quoted.filter(|quoted| quoted.said.is_some());
        let ids: Vec<EntryId> = own.chain(quoted.map(|quoted| quoted.id)).collect();
        self.note_read((job.staff, job.origin), &job.space, messages.len(), &ids);
    }

    pub(super) fn note_read(
        &mut self,
        (staff, origin): (StaffId, Origin),
        space: &Space,
        count: usize,
        ids: &[EntryId],
    ) {
        let ids: Vec<u8> = ids.iter().flat_map(codec::encode).collect();
        let deed = Deed::MessagesRead {
            space: space.id(&self.clinic_id),
            count: count as u32,
            entries: Hash::of("read/v1", &[&ids]),
        };
        self.note(Actor::Staff(staff), origin, deed);
    }

    /// What an entry says, if it counts and its day is not over.
    fn alive(&self, id: &EntryId, entry: &Entry) -> Option<Message> {
        let living = entry.header.last_day >= self.horizon || planted!("expired-shown");
        let payload = entry.payload.as_ref()?;
        let counts = self.counts(id) && !self.is_beyond_end(id, entry);
        if !living || !counts || self.retracted.contains_key(id) {
            return None;
        }
        Message::from_body(&id.space, &payload.body).ok()
    }

    /// Whether an entry is held and not beyond the end of a revoked device's log.
    fn counts(&self, id: &EntryId) -> bool {
        let state = self.holdings.log(&id.log());
        state.is_some_and(|state| state.end.is_none_or(|end| id.seq <= end))
    }

    /// Whether a revoked device wrote it after its end. By the record itself and not by the end noted with
    /// the log, which a node that has just started is still looking for.
    fn is_beyond_end(&self, id: &EntryId, entry: &Entry) -> bool {
        let clinic = &self.record.clinic;
        let named = clinic.named_end(&id.author, &id.space, id.epoch);
        match (named, clinic.revoked_at(&id.author)) {
            (Some(end), _) => id.seq > end,
            (None, Some(at)) => entry.header.time.wall() > at,
            (None, None) => false,
        }
    }

    /// Whether an entry is a line on the screen.
    fn is_message(&self, id: &EntryId, entry: &Entry) -> bool {
        let facts = self.facts.get(&id.space);
        match facts.and_then(|facts| facts.taken_back(id)) {
            Some(_) => self.shows_taken_back(id, entry),
            None => matches!(self.alive(id, entry), Some(Message::Text { .. })),
        }
    }

    /// An entry as a line on the screen; none for what is not a message or does not count.
    pub(super) fn line(&self, id: EntryId, entry: &Entry, known: &Entries) -> Option<MessageLine> {
        let facts = self.facts.get(&id.space);
        match facts.and_then(|facts| facts.taken_back(&id)) {
            Some(told) => self.line_taken_back(id, entry, told),
            None => self.line_of_text(id, entry, known),
        }
    }

    fn line_taken_back(&self, id: EntryId, entry: &Entry, told: &TakenBack) -> Option<MessageLine> {
        self.shows_taken_back(&id, entry).then(|| MessageLine {
            id,
            time: entry.header.time,
            staff: told.staff,
            text: None,
            amended: false,
            retracted: Some(told.clone()),
            reply_to: None,
            mentions: Vec::new(),
            standing: self.standing_of(&told.staff, &id.space),
            receipts: self.receipts_of(&id),
        })
    }

    /// Whether it is still shown that a message was there.
    fn shows_taken_back(&self, id: &EntryId, entry: &Entry) -> bool {
        let counts = self.counts(id) && !self.is_beyond_end(id, entry);
        entry.header.last_day >= self.horizon && counts
    }

    fn line_of_text(&self, id: EntryId, entry: &Entry, known: &Entries) -> Option<MessageLine> {
        let Message::Text {
            staff,
            text,
            reply_to,
            mentions,
            ..
        } = self.alive(&id, entry)?
        else {
            return None;
        };
        let (text, amended) = self.newest_text(&id, text, known);
        Some(MessageLine {
            id,
            time: entry.header.time,
            staff,
            text: Some(text),
            amended,
            retracted: None,
            reply_to: reply_to.map(|id| self.quoted(id, known)),
            mentions,
            standing: self.standing_of(&staff, &id.space),
            receipts: self.receipts_of(&id),
        })
    }

    fn standing_of(&self, staff: &StaffId, space: &Space) -> Standing {
        if self.record.clinic.is_in(staff, space) {
            Standing::Good
        } else {
            Standing::BeforeRemovalWasKnown
        }
    }

    fn quoted(&self, id: EntryId, known: &Entries) -> Quoted {
        let entry = known.get(&id);
        let said = match entry.and_then(|entry| self.alive(&id, entry)) {
            Some(Message::Text { staff, text, .. }) => {
                Some((staff, self.newest_text(&id, text, known).0))
            }
            _ => None,
        };
        Quoted { id, said }
    }

    /// Reads a message and its amendments.
    pub(super) fn read_history(
        &mut self,
        ticket: Ticket,
        (staff, origin): (StaffId, Origin),
        entry: EntryId,
        amendments: Vec<EntryId>,
    ) {
        let ids = std::iter::once(entry).chain(amendments).collect();
        let job = HistoryJob {
            ticket,
            staff,
            origin,
            space: entry.space,
        };
        if self
            .load(Job::History(job), Load::Entries { ids })
            .is_none()
        {
            self.refuse(ticket, CommandRefusal::Busy);
        }
    }

    /// A message and its amendments were read.
    pub(super) fn on_history(&mut self, job: HistoryJob, entries: &[(EntryId, Entry)]) {
        if let Err(why) = self.admit(&job.staff, &job.space) {
            return self.refuse(job.ticket, why);
        }
        let version = |(id, entry): &(EntryId, Entry)| {
            let (Message::Text { text, .. } | Message::Amended { text, .. }) =
                self.alive(id, entry)?
            else {
                return None;
            };
            let time = entry.header.time;
            Some((*id, Version { time, text }))
        };
        let (ids, versions): (Vec<EntryId>, Vec<Version>) =
            entries.iter().filter_map(version).unzip();
        self.note_read((job.staff, job.origin), &job.space, ids.len(), &ids);
        self.batch.reply(job.ticket, Reply::History(versions));
    }

    fn receipts_of(&self, id: &EntryId) -> Receipts {
        let log = id.log();
        let facts = self.facts.get(&id.space);
        Receipts {
            held_by: self.holders(&log, id.seq),
            left: self.has_left(&log, id.seq),
            opened_by: facts.map_or_else(Vec::new, |facts| facts.opened_by(id)),
            acknowledged_by: facts.map_or_else(Vec::new, |facts| facts.acknowledged_by(id)),
        }
    }

    /// Devices that durably hold an entry, by their own signature; the author's log is its own word.
    fn holders(&self, log: &Log, seq: u64) -> Vec<DeviceId> {
        let devices = self.record.clinic.devices.keys();
        let sent = |device: &DeviceId| {
            let mut links = self.links.values().filter(|link| link.peer == *device);
            planted!("sent-shown-as-held") && links.any(|link| link.peer_log(log).sent >= seq)
        };
        let holds = |device: &&DeviceId| {
            sent(device)
                || AuthorId::from(**device) == log.author
                || self.holdings.attested(log, device) >= seq
        };
        devices.filter(holds).copied().collect()
    }

    fn has_left(&self, log: &Log, seq: u64) -> bool {
        let mut links = self.links.values();
        links.any(|link| link.peer_log(log).sent >= seq) || self.holders(log, seq).len() > 1
    }
}

/// Entries to read at once for a page: of messages alone it takes one reading.
fn stride(job: &PageJob) -> usize {
    STRIDE.max(job.limit + 1)
}

impl From<PageJob> for Command {
    fn from(job: PageJob) -> Self {
        let PageJob {
            staff,
            origin,
            space,
            before,
            limit,
            ..
        } = job;
        Self::Read {
            staff,
            origin,
            space,
            before,
            limit,
        }
    }
}
