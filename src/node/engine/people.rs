//! What staff members do: write, acknowledge, mark as opened.

use std::collections::BTreeSet;

use crate::domain::audit::{Actor, Deed, Origin};
use crate::domain::id::StaffId;
use crate::domain::log::{Log, Segment};
use crate::domain::message::{
    EntryId, MARKS_MAX, MENTIONS_MAX, Message, StaffItem, TEXT_MAX, Written, is_text,
};
use crate::domain::policy::Switch;
use crate::domain::record::Status as StaffStatus;
use crate::domain::space::Space;
use crate::planted::planted;

use super::facts::{Facts, Unseen, position};
use super::reading::{PageJob, Walk};
use super::searching::SearchJob;
use super::{
    Command, CommandRefusal, ConversationLine, DeviceStanding, Engine, Reply, Room, Ticket,
};

impl Engine {
    pub(super) fn on_command(&mut self, ticket: Ticket, command: Command) {
        if self.stopping.is_some() {
            self.refuse(ticket, CommandRefusal::Stopping);
            return;
        }
        if let Some(space) = self.lacks_facts(&command) {
            self.park(ticket, command, space);
            return;
        }
        match command {
            Command::Post {
                staff,
                origin,
                space,
                written,
            } => self.post(ticket, (staff, origin), space, written),
            Command::Acknowledge {
                staff,
                origin,
                entry,
            } => self.acknowledge(ticket, staff, origin, entry),
            Command::Open {
                staff,
                origin,
                entry,
            } => self.open(ticket, staff, origin, entry),
            Command::Amend {
                staff,
                origin,
                entry,
                text,
            } => self.amend(ticket, (staff, origin), entry, text),
            Command::Retract {
                staff,
                origin,
                entry,
                reason,
            } => self.retract(ticket, (staff, origin), entry, reason),
            Command::History {
                staff,
                origin,
                entry,
            } => self.history(ticket, (staff, origin), entry),
            Command::Draft { staff, space, text } => self.keep_draft(ticket, staff, space, text),
            Command::Read {
                staff,
                origin,
                space,
                before,
                limit,
            } => self.read(PageJob {
                ticket,
                staff,
                origin,
                space,
                before,
                limit,
                walk: Walk::default(),
            }),
            Command::Search {
                staff,
                origin,
                query,
                before,
                limit,
            } => {
                let job = SearchJob {
                    ticket,
                    staff,
                    origin,
                    query,
                };
                self.search(job, before, limit);
            }
            Command::Typing { staff, space } => {
                self.see(staff);
                self.typing(ticket, staff, space);
            }
            Command::Seen { staff } => self.on_seen(ticket, staff),
            Command::Presence { staff } => self.who_is_here(ticket, staff),
            Command::Conversations { staff } => self.conversations(ticket, staff),
            Command::Submit {
                segments,
                mesh_keys,
            } => self.on_submit(ticket, segments, mesh_keys),
            Command::Record => self.on_record(ticket),
            Command::Renew { device } => self.on_renew(ticket, device),
            Command::EndsOf { device } => {
                let ends = self.ends_of(&device);
                self.reply(ticket, Reply::Ends(ends));
            }
            Command::Revocations => self.on_revocations(ticket),
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
    pub(super) fn admit(&self, staff: &StaffId, space: &Space) -> Result<(), CommandRefusal> {
        self.admit_person(staff)?;
        if space.is_conversation() && self.record.clinic.is_in(staff, space) {
            Ok(())
        } else {
            Err(CommandRefusal::NotAMember)
        }
    }

    fn post(
        &mut self,
        ticket: Ticket,
        (staff, origin): (StaffId, Origin),
        space: Space,
        written: Written,
    ) {
        let refusal = match self.admit(&staff, &space) {
            Err(why) => Some(why),
            Ok(()) => self
                .why_not_write(&space)
                .or(self.why_not_post(&space, &written)),
        };
        if let Some(why) = refusal {
            self.refuse(ticket, why);
            return;
        }
        let key = written.key;
        let known = key.and_then(|key| self.facts.get(&space)?.sent_as(&key));
        if let Some(id) = known {
            // It may still be on its way to the disk: the answer leaves behind it.
            self.batch.reply(ticket, Reply::Posted(id));
            return;
        }
        let id = self.write(space, Message::text(staff, written).to_body());
        self.drafts
            .put(staff, space, String::new(), self.now.wall.day());
        if let (Some(key), Some(facts)) = (key, self.facts.get_mut(&space)) {
            facts.take_key(key, id);
        }
        if planted!("post-not-recorded") {
            self.batch.reply(ticket, Reply::Posted(id));
            return;
        }
        self.sent(ticket, staff, origin, id);
    }

    /// Records that an entry was written for somebody, and answers with it.
    pub(super) fn sent(&mut self, ticket: Ticket, staff: StaffId, origin: Origin, id: EntryId) {
        self.note_sent(staff, origin, id);
        self.batch.reply(ticket, Reply::Posted(id));
    }

    fn note_sent(&mut self, staff: StaffId, origin: Origin, id: EntryId) {
        self.see(staff);
        let deed = Deed::MessagesSent {
            space: id.space.id(&self.clinic_id),
            first: id.seq,
            last: id.seq,
        };
        self.note(Actor::Staff(staff), origin, deed);
    }

    /// Why nothing can be written in a space now, whoever wants to.
    pub(super) fn why_not_write(&self, space: &Space) -> Option<CommandRefusal> {
        if self.room == Room::NearlyFull {
            Some(CommandRefusal::DiskFull)
        } else if self.is_read_only(space) {
            Some(CommandRefusal::ReadOnly)
        } else if self.batch.is_full() || self.is_departing(space) {
            Some(CommandRefusal::Busy)
        } else if self.holdings.is_one_group_too_many(&self.me.into(), space) {
            Some(CommandRefusal::TooManyGroups)
        } else {
            None
        }
    }

    fn why_not_post(&self, space: &Space, written: &Written) -> Option<CommandRefusal> {
        let clinic = &self.record.clinic;
        let answers = written.reply_to.as_ref();
        if !is_text(&written.text) {
            Some(CommandRefusal::TextLength)
        } else if written.mentions.len() > MENTIONS_MAX {
            Some(CommandRefusal::TooManyMentions)
        } else if !written.mentions.iter().all(|one| clinic.is_in(one, space)) {
            Some(CommandRefusal::Unknown("person in this conversation"))
        } else if answers.is_some_and(|entry| entry.space != *space || !self.holds(entry)) {
            Some(CommandRefusal::Unknown("message to answer"))
        } else {
            None
        }
    }

    fn holds(&self, entry: &EntryId) -> bool {
        entry.seq > 0 && self.holdings.durable(&entry.log()) >= entry.seq
    }

    fn acknowledge(&mut self, ticket: Ticket, staff: StaffId, origin: Origin, entry: EntryId) {
        let refusal = match self.admit(&staff, &entry.space) {
            Err(why) => Some(why),
            Ok(()) if !self.holds(&entry) => Some(CommandRefusal::Unknown("message")),
            Ok(()) => self.why_not_write(&entry.space),
        };
        if let Some(why) = refusal {
            self.refuse(ticket, why);
            return;
        }
        let message = Message::Acknowledged { staff, entry };
        let id = self.write(entry.space, message.to_body());
        self.sent(ticket, staff, origin, id);
    }

    /// Marks what a person saw as opened: for all to see where policy says so, otherwise in this
    /// node's memory, so that the person's own list is right.
    fn open(&mut self, ticket: Ticket, staff: StaffId, origin: Origin, entry: EntryId) {
        let space = entry.space;
        let place = self
            .facts
            .get(&space)
            .and_then(|facts| facts.position(&entry));
        let place = match (self.admit(&staff, &space), place) {
            (Err(why), _) => Err(why),
            (Ok(()), None) => Err(CommandRefusal::Unknown("message")),
            (Ok(()), Some(place)) => Ok(place),
        };
        let place = match place {
            Ok(place) => place,
            Err(why) => return self.refuse(ticket, why),
        };
        let shown = self.record.clinic.policy.opened_receipts == Switch::On;
        let shown = shown && !self.is_read_only(&space);
        let Some(facts) = self.facts.get_mut(&space) else {
            return self.refuse(ticket, CommandRefusal::Busy);
        };
        let seen = facts.seen_up_to(&staff, &place);
        if seen.marks.is_empty() {
            return self.reply(ticket, Reply::Done);
        }
        if !shown {
            facts.open(staff, &seen.marks);
            return self.reply(ticket, Reply::Done);
        }
        if let Some(why) = self.why_not_write(&space) {
            return self.refuse(ticket, why);
        }
        for marks in seen.marks.chunks(MARKS_MAX) {
            let marks = marks.to_vec();
            let body = Message::Opened { staff, marks }.to_body();
            // As long as what was seen may be shown, it must not turn unseen again.
            let id = self.write_lasting(space, body, |by_policy, latest| {
                by_policy.max(seen.last_day).min(latest)
            });
            self.note_sent(staff, origin, id);
        }
        self.batch.reply(ticket, Reply::Done);
    }

    fn conversations(&mut self, ticket: Ticket, staff: StaffId) {
        if let Err(why) = self.admit_person(&staff) {
            self.refuse(ticket, why);
            return;
        }
        let spaces = self.conversations_of(&staff);
        let mut lines: Vec<ConversationLine> = spaces
            .into_iter()
            .map(|space| self.conversation(&staff, space))
            .collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.newest));
        self.reply(ticket, Reply::Conversations(lines));
    }

    /// The rooms of a person, and the direct conversations and groups that have begun.
    pub(super) fn conversations_of(&self, staff: &StaffId) -> Vec<Space> {
        let clinic = &self.record.clinic;
        let rooms = clinic.rooms.keys().map(|room| Space::Room(*room));
        let held = self.holdings.spaces().map(|(space, _)| *space);
        let begun = held.filter(|space| matches!(space, Space::Direct(..) | Space::Group(_)));
        let spaces: BTreeSet<Space> = rooms.chain(begun).collect();
        let theirs = spaces.into_iter();
        theirs.filter(|space| clinic.is_in(staff, space)).collect()
    }

    fn conversation(&self, staff: &StaffId, space: Space) -> ConversationLine {
        let facts = self.facts.get(&space);
        let end = |log: &Log| self.holdings.log(log)?.end;
        let unseen = facts.map_or_else(Unseen::default, |facts| facts.unseen(staff, end));
        let draft = self.drafts.get(staff, &space);
        let last = self.read_last.get(staff);
        ConversationLine {
            space,
            members: self.record.clinic.people(&space),
            newest: facts.and_then(Facts::newest),
            unread: unseen.count,
            mentioned: unseen.mentioned,
            first_unread: unseen.first,
            newest_unread: unseen.newest,
            read_last: last.is_some_and(|last| *last == space.id(&self.clinic_id)),
            draft: draft.map(str::to_owned),
        }
    }

    fn keep_draft(&mut self, ticket: Ticket, staff: StaffId, space: Space, text: String) {
        let refusal = match self.admit(&staff, &space) {
            Err(why) => Some(why),
            Ok(()) if text.len() > TEXT_MAX => Some(CommandRefusal::TextLength),
            Ok(()) => None,
        };
        if let Some(why) = refusal {
            return self.refuse(ticket, why);
        }
        self.drafts.put(staff, space, text, self.now.wall.day());
        self.reply(ticket, Reply::Done);
    }

    /// A segment is durable: takes note of what was done and of credentials in it.
    pub(super) fn learn(&mut self, segment: &Segment) {
        let log = segment.log;
        for (seq, entry) in (segment.first..).zip(&segment.entries) {
            let Some(payload) = &entry.payload else {
                continue;
            };
            let id = EntryId::new(&log, seq);
            match log.space {
                Space::Direct(..) | Space::Group(_) | Space::Room(_) => {
                    if let Some(facts) = self.facts.get_mut(&log.space)
                        && let Ok(message) = Message::from_body(&log.space, &payload.body)
                    {
                        facts.take(id, &entry.header, message.without_words());
                    }
                }
                Space::Staff(staff) => {
                    let position = position(&id, entry.header.time);
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
}
