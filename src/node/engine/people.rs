//! What staff members do: write, read, acknowledge; and how far their messages have come.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::audit::{Actor, AuditRecord, Deed, Origin};
use crate::domain::id::{AuthorId, DeviceId, Hash, StaffId};
use crate::domain::log::Entry;
use crate::domain::message::{EntryId, Message, Position, StaffItem, TEXT_MAX};
use crate::domain::policy::Switch;
use crate::domain::record::Status as StaffStatus;
use crate::domain::space::Space;
use crate::domain::time::Hlc;
use crate::planted::planted;

use super::{
    Command, CommandRefusal, ConversationLine, DeviceStanding, Engine, Job, Load, MessageLine,
    Page, Receipts, Reply, Room, Standing, Ticket,
};

/// Most messages in one page.
const PAGE_MAX: usize = 500;

/// Openings and acknowledgements of one conversation.
#[derive(Debug, Default)]
pub(super) struct SpaceReceipts {
    opened: BTreeMap<StaffId, Position>,
    acknowledged: BTreeMap<EntryId, BTreeSet<StaffId>>,
}

/// A reader that waits for a page.
#[derive(Debug)]
pub(super) struct PageJob {
    ticket: Ticket,
    staff: StaffId,
    origin: Origin,
    space: Space,
    newest: bool,
    limit: usize,
}

impl Engine {
    pub(super) fn on_command(&mut self, ticket: Ticket, command: Command) {
        if self.stopping.is_some() {
            self.refuse(ticket, CommandRefusal::Stopping);
            return;
        }
        match command {
            Command::Post {
                staff,
                origin,
                space,
                text,
            } => self.post(ticket, staff, origin, space, text),
            Command::Acknowledge {
                staff,
                origin,
                entry,
            } => self.acknowledge(ticket, staff, origin, entry),
            Command::Read {
                staff,
                origin,
                space,
                before,
                limit,
            } => {
                let job = PageJob {
                    ticket,
                    staff,
                    origin,
                    space,
                    newest: before.is_none(),
                    limit: limit.min(PAGE_MAX),
                };
                self.read(job, before);
            }
            Command::Conversations { staff } => self.conversations(ticket, staff),
            Command::Submit {
                segments,
                mesh_keys,
            } => self.on_submit(ticket, segments, mesh_keys),
            Command::Record => self.on_record(ticket),
            Command::EndsOf { device } => {
                let ends = self.ends_of(&device);
                self.reply(ticket, Reply::Ends(ends));
            }
            Command::Status => {
                let status = Box::new(self.status());
                self.reply(ticket, Reply::Status(status));
            }
            Command::Clinic => {
                let clinic = self.record.clinic.clone();
                self.reply(ticket, Reply::Clinic(clinic));
            }
            Command::Credentials { staff } => self.credentials_of(ticket, staff),
            Command::SetPassword { staff, phc, origin } => {
                let at = self.now.wall;
                let items = vec![StaffItem::Password { phc, at }];
                self.keep_credentials(ticket, staff, items, origin);
            }
            Command::KeepCredentials {
                staff,
                items,
                origin,
            } => self.keep_credentials(ticket, staff, items, origin),
            Command::Note(record) => {
                self.audit(record);
                self.batch.reply(ticket, Reply::Done);
            }
            Command::Trail {
                asker,
                device,
                from,
            } => self.read_trail(ticket, asker, device, from),
            Command::Stop => self.on_stop(ticket),
        }
    }

    /// Whether this person may act at this node.
    pub(super) fn admit_person(&self, staff: &StaffId) -> Result<(), CommandRefusal> {
        if self.standing == DeviceStanding::Revoked {
            return Err(CommandRefusal::DeviceRevoked);
        }
        let clinic = &self.record.clinic;
        let member = clinic
            .staff
            .get(staff)
            .ok_or(CommandRefusal::Unknown("staff member"))?;
        if member.status == StaffStatus::Suspended {
            return Err(CommandRefusal::Suspended);
        }
        if clinic.is_home(&self.me, staff) {
            Ok(())
        } else {
            Err(CommandRefusal::NotAtHome)
        }
    }

    /// Whether this person may take part in this conversation at this node.
    fn admit(&self, staff: &StaffId, space: &Space) -> Result<(), CommandRefusal> {
        self.admit_person(staff)?;
        if space.is_conversation() && self.record.clinic.is_in(staff, space) {
            Ok(())
        } else {
            Err(CommandRefusal::NotAMember)
        }
    }

    fn post(&mut self, ticket: Ticket, staff: StaffId, origin: Origin, space: Space, text: String) {
        let refusal = match self.admit(&staff, &space) {
            Err(why) => Some(why),
            Ok(()) if text.is_empty() || text.len() > TEXT_MAX => Some(CommandRefusal::TextLength),
            Ok(()) if self.room == Room::NearlyFull => Some(CommandRefusal::DiskFull),
            Ok(()) if self.batch.is_full() || self.is_departing(&space) => {
                Some(CommandRefusal::Busy)
            }
            Ok(()) => None,
        };
        if let Some(why) = refusal {
            self.refuse(ticket, why);
            return;
        }
        let id = self.write(space, Message::Text { staff, text }.to_body());
        if planted!("post-not-recorded") {
            self.batch.reply(ticket, Reply::Posted(id));
            return;
        }
        let deed = Deed::MessagesSent {
            space: space.id(&self.clinic_id),
            first: id.seq,
            last: id.seq,
        };
        self.note(Actor::Staff(staff), origin, deed);
        self.batch.reply(ticket, Reply::Posted(id));
    }

    fn acknowledge(&mut self, ticket: Ticket, staff: StaffId, origin: Origin, entry: EntryId) {
        let known = self.holdings.durable(&entry.log()) >= entry.seq && entry.seq > 0;
        let refusal = match self.admit(&staff, &entry.space) {
            Err(why) => Some(why),
            Ok(()) if !known => Some(CommandRefusal::Unknown("message")),
            Ok(()) if self.room == Room::NearlyFull => Some(CommandRefusal::DiskFull),
            Ok(()) if self.is_departing(&entry.space) => Some(CommandRefusal::Busy),
            Ok(()) => None,
        };
        if let Some(why) = refusal {
            self.refuse(ticket, why);
            return;
        }
        let id = self.write(
            entry.space,
            Message::Acknowledged { staff, entry }.to_body(),
        );
        let space = entry.space.id(&self.clinic_id);
        self.note(
            Actor::Staff(staff),
            origin,
            Deed::MessagesSent {
                space,
                first: id.seq,
                last: id.seq,
            },
        );
        self.batch.reply(ticket, Reply::Posted(id));
    }

    fn conversations(&mut self, ticket: Ticket, staff: StaffId) {
        if let Err(why) = self.admit_person(&staff) {
            self.refuse(ticket, why);
            return;
        }
        let clinic = self.record.clinic.clone();
        let rooms = clinic.rooms.keys().map(|room| Space::Room(*room));
        let held = self.holdings.spaces().map(|(space, _)| *space);
        let direct = held.filter(|space| matches!(space, Space::Direct(..)));
        let mut spaces: BTreeSet<Space> = rooms.chain(direct).collect();
        spaces.retain(|space| clinic.is_in(&staff, space));
        let line = |space: &Space| ConversationLine {
            space: *space,
            members: clinic.people(space),
            newest: self
                .holdings
                .space(space)
                .and_then(super::holdings::SpaceState::newest),
        };
        let mut lines: Vec<ConversationLine> = spaces.iter().map(line).collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.newest));
        self.reply(ticket, Reply::Conversations(lines));
    }

    fn read(&mut self, job: PageJob, before: Option<Position>) {
        let (ticket, space, limit) = (job.ticket, job.space, job.limit);
        if let Err(why) = self.admit(&job.staff, &space) {
            let deed = Deed::ConversationOpened {
                space: space.id(&self.clinic_id),
            };
            self.audit(AuditRecord::refused(
                Actor::Staff(job.staff),
                job.origin,
                deed,
            ));
            self.refuse(ticket, why);
            return;
        }
        if before.is_none() {
            let deed = Deed::ConversationOpened {
                space: space.id(&self.clinic_id),
            };
            self.note(Actor::Staff(job.staff), job.origin, deed);
        }
        if !self.receipts.contains_key(&space) {
            self.load(Job::Receipts { space }, Load::Receipts { space });
        }
        let load = Load::Page {
            space,
            before,
            limit: limit + 1,
        };
        if self.load(Job::Page(job), load).is_none() {
            self.refuse(ticket, CommandRefusal::Busy);
        }
    }

    /// Openings and acknowledgements of a conversation were read.
    pub(super) fn on_receipts(&mut self, space: Space, found: &[(EntryId, Hlc, Message)]) {
        self.receipts.entry(space).or_default();
        for (id, time, message) in found {
            self.keep_receipt(*id, *time, message);
        }
    }

    fn keep_receipt(&mut self, id: EntryId, _time: Hlc, message: &Message) {
        let Some(receipts) = self.receipts.get_mut(&id.space) else {
            return;
        };
        match message {
            Message::Text { .. } => {}
            Message::Opened { staff, up_to } => {
                let known = receipts.opened.entry(*staff).or_insert(*up_to);
                *known = (*known).max(*up_to);
            }
            Message::Acknowledged { staff, entry } => {
                receipts
                    .acknowledged
                    .entry(*entry)
                    .or_default()
                    .insert(*staff);
            }
        }
    }

    /// A segment is durable: takes note of receipts and credentials in it.
    pub(super) fn learn(&mut self, segment: &crate::domain::log::Segment) {
        let log = segment.log;
        for (seq, entry) in (segment.first..).zip(&segment.entries) {
            let Some(payload) = &entry.payload else {
                continue;
            };
            match log.space {
                Space::Direct(..) | Space::Room(_) => {
                    if self.receipts.contains_key(&log.space)
                        && let Ok(message) = Message::from_body(&payload.body)
                    {
                        self.keep_receipt(EntryId::new(&log, seq), entry.header.time, &message);
                    }
                }
                Space::Staff(staff) => {
                    let position = place(&EntryId::new(&log, seq), entry.header.time);
                    if let Ok(item) = StaffItem::from_body(&payload.body) {
                        self.credentials
                            .entry(staff)
                            .or_default()
                            .learn(position, item);
                    }
                }
                Space::Record | Space::Audit(_) => {}
            }
        }
    }

    /// A page was read: it is shown once the record of the reading is durable.
    pub(super) fn on_page(&mut self, job: PageJob, entries: Vec<(EntryId, Entry)>) {
        // While the page was read, the record may have moved on.
        if let Err(why) = self.admit(&job.staff, &job.space) {
            self.refuse(job.ticket, why);
            return;
        }
        let more = entries.len() > job.limit;
        let shown: Vec<&(EntryId, Entry)> = entries.iter().take(job.limit).collect();
        let earlier = shown
            .last()
            .filter(|_| more)
            .map(|(id, entry)| position(id, entry));
        let mut messages: Vec<MessageLine> = shown
            .iter()
            .filter_map(|(id, entry)| self.line(*id, entry))
            .collect();
        messages.reverse();
        if planted!("read-before-recorded") {
            let page = Page { messages, earlier };
            self.reply(job.ticket, Reply::Page(page));
            return;
        }
        self.note_reading(&job, &messages);
        if let Some(newest) = shown.first().map(|(id, entry)| position(id, entry)) {
            self.mark_opened(&job, newest, &messages);
        }
        self.batch
            .reply(job.ticket, Reply::Page(Page { messages, earlier }));
    }

    fn note_reading(&mut self, job: &PageJob, messages: &[MessageLine]) {
        let ids: Vec<u8> = messages
            .iter()
            .flat_map(|line| crate::domain::codec::encode(&line.id))
            .collect();
        let deed = Deed::MessagesRead {
            space: job.space.id(&self.clinic_id),
            count: messages.len() as u32,
            entries: Hash::of("read/v1", &[&ids]),
        };
        self.note(Actor::Staff(job.staff), job.origin, deed);
    }

    /// Writes "opened" if policy asks for it, the page is the newest one, and there is something in it
    /// by somebody else that this person had not opened.
    fn mark_opened(&mut self, job: &PageJob, newest: Position, messages: &[MessageLine]) {
        let wanted = self.record.clinic.policy.opened_receipts == Switch::On && job.newest;
        let opened = self
            .receipts
            .get(&job.space)
            .and_then(|found| found.opened.get(&job.staff).copied());
        let fresh = messages.iter().any(|line| {
            let at = place(&line.id, line.time);
            line.staff != job.staff && opened.is_none_or(|opened| at > opened)
        });
        if wanted && fresh && self.room == Room::Enough && !self.is_departing(&job.space) {
            let message = Message::Opened {
                staff: job.staff,
                up_to: newest,
            };
            self.write(job.space, message.to_body());
        }
    }

    /// An entry as a line on the screen; none for what is not a text or does not count.
    fn line(&self, id: EntryId, entry: &Entry) -> Option<MessageLine> {
        let state = self.holdings.log(&id.log())?;
        if state.end.is_some_and(|end| id.seq > end) {
            return None;
        }
        let alive = entry
            .payload
            .as_ref()
            .filter(|_| entry.header.last_day >= self.horizon || planted!("expired-shown"));
        let (staff, text) = match alive.map(|payload| Message::from_body(&payload.body)) {
            Some(Ok(Message::Text { staff, text })) => (staff, Some(text)),
            _ => return None,
        };
        let standing = if self.record.clinic.is_in(&staff, &id.space) {
            Standing::Good
        } else {
            Standing::BeforeRemovalWasKnown
        };
        let receipts = self.receipts_of(&id, entry);
        Some(MessageLine {
            id,
            time: entry.header.time,
            staff,
            text,
            standing,
            receipts,
        })
    }

    fn receipts_of(&self, id: &EntryId, entry: &Entry) -> Receipts {
        let log = id.log();
        let at = position(id, entry);
        let known = self.receipts.get(&id.space);
        let opened = known.map(|found| found.opened.iter().filter(|(_, up_to)| **up_to >= at));
        let acknowledged = known.and_then(|found| found.acknowledged.get(id));
        Receipts {
            held_by: self.holders(&log, id.seq),
            left: self.has_left(&log, id.seq),
            opened_by: opened
                .map_or_else(Vec::new, |found| found.map(|(staff, _)| *staff).collect()),
            acknowledged_by: acknowledged
                .map_or_else(Vec::new, |found| found.iter().copied().collect()),
        }
    }

    /// Devices that durably hold an entry, by their own signature; the author's log is its own word.
    fn holders(&self, log: &crate::domain::log::Log, seq: u64) -> Vec<DeviceId> {
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

    fn has_left(&self, log: &crate::domain::log::Log, seq: u64) -> bool {
        self.links
            .values()
            .any(|link| link.peer_log(log).sent >= seq)
            || self.holders(log, seq).len() > 1
    }
}

fn position(id: &EntryId, entry: &Entry) -> Position {
    place(id, entry.header.time)
}

fn place(id: &EntryId, time: Hlc) -> Position {
    Position {
        time,
        author: id.author,
        epoch: id.epoch,
        seq: id.seq,
    }
}
