//! Who is here and who is writing: coarse, never stored, and forgotten by itself.
//!
//! A person is here for some minutes after the last thing they did at any of their homes. Nodes tell each
//! other in frames that nobody keeps, sends again or answers; whoever misses one learns it from the next.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::id::StaffId;
use crate::domain::space::Space;
use crate::wire::Frame;

use super::link::Stage;
use super::{Changed, CommandRefusal, Engine, LinkId, Reply, Ticket};

/// How long a person counts as here after the last thing they did.
///
/// Five minutes: reading a long note or a phone call is not going away.
const HERE: Duration = Duration::from_secs(5 * 60);

/// How often other nodes are told that a person is here; well within [`HERE`].
const TELL: Duration = Duration::from_secs(60);

/// Least time between two signs that somebody is writing in a conversation.
const TYPING: Duration = Duration::from_secs(3);

/// What is known of the people of the clinic at this moment.
#[derive(Debug, Default)]
pub(super) struct Presence {
    /// When each person who is here last did something.
    seen: BTreeMap<StaffId, Duration>,
    /// When other nodes were last told of a person who is here at this node.
    told: BTreeMap<StaffId, Duration>,
    /// When somebody last was writing somewhere.
    typed: BTreeMap<(Space, StaffId), Duration>,
}

impl Presence {
    /// Notes a sign of life; says whether the person was away before.
    fn see(&mut self, staff: StaffId, now: Duration) -> bool {
        self.seen.insert(staff, now).is_none()
    }

    /// Whether other nodes are to be told again.
    fn is_to_be_told(&mut self, staff: StaffId, now: Duration) -> bool {
        let told = self.told.get(&staff).copied();
        let due = told.is_none_or(|at| now.saturating_sub(at) >= TELL);
        if due {
            self.told.insert(staff, now);
        }
        due
    }

    /// Whether a sign of writing is worth passing on.
    fn is_news(&mut self, space: Space, staff: StaffId, now: Duration) -> bool {
        let last = self.typed.get(&(space, staff)).copied();
        let news = last.is_none_or(|at| now.saturating_sub(at) >= TYPING);
        if news {
            self.typed.insert((space, staff), now);
        }
        news
    }

    /// Forgets what is over; gives who has gone away.
    fn expire(&mut self, now: Duration) -> Vec<StaffId> {
        let over = |at: &Duration, after| now.saturating_sub(*at) >= after;
        self.typed.retain(|_, at| !over(at, TYPING));
        self.told.retain(|_, at| !over(at, TELL));
        let gone = self.seen.iter().filter(|(_, at)| over(at, HERE));
        let gone: Vec<StaffId> = gone.map(|(staff, _)| *staff).collect();
        self.seen.retain(|_, at| !over(at, HERE));
        gone
    }
}

impl Engine {
    /// A person did something at this node.
    pub(super) fn see(&mut self, staff: StaffId) {
        if self.admit_person(&staff).is_err() {
            return;
        }
        let now = self.now.mono;
        self.tell_of(staff);
        if self.presence.is_to_be_told(staff, now) {
            for id in self.links_where(|link| link.stage == Stage::All) {
                self.send(id, Frame::Here { staff });
            }
        }
    }

    fn tell_of(&mut self, staff: StaffId) {
        if self.presence.see(staff, self.now.mono) {
            let changed = Changed::Presence { staff };
            self.effects.push_back(super::Effect::Changed(changed));
        }
    }

    /// A peer says that one of its people is here.
    pub(super) fn on_here(&mut self, id: LinkId, staff: StaffId) {
        let peer = self.links.get(&id).map(|link| link.peer);
        if peer.is_some_and(|peer| self.record.clinic.is_home(&peer, &staff)) {
            self.tell_of(staff);
        }
    }

    /// Somebody is writing here: told to whoever may hold the conversation.
    pub(super) fn typing(&mut self, ticket: Ticket, staff: StaffId, space: Space) {
        if let Err(why) = self.admit(&staff, &space) {
            return self.refuse(ticket, why);
        }
        if self.show_typing(staff, space) {
            for id in self.links_where(|link| self.may_offer(link, &space)) {
                self.send(id, Frame::Typing { space, staff });
            }
        }
        self.reply(ticket, Reply::Done);
    }

    fn show_typing(&mut self, staff: StaffId, space: Space) -> bool {
        let news = self.presence.is_news(space, staff, self.now.mono);
        if news {
            let changed = Changed::Typing { space, staff };
            self.effects.push_back(super::Effect::Changed(changed));
        }
        news
    }

    /// A peer says that one of its people is writing.
    pub(super) fn on_typing(&mut self, id: LinkId, staff: StaffId, space: Space) {
        let clinic = &self.record.clinic;
        let peer = self.links.get(&id).map(|link| link.peer);
        let theirs = peer.is_some_and(|peer| clinic.is_home(&peer, &staff));
        let ours = clinic.may_hold(&self.me, &space) && space.is_conversation();
        if theirs && ours && clinic.is_in(&staff, &space) {
            self.show_typing(staff, space);
        }
    }

    /// Whoever did nothing for long is away.
    pub(super) fn expire_presence(&mut self) {
        for staff in self.presence.expire(self.now.mono) {
            let changed = Changed::Presence { staff };
            self.effects.push_back(super::Effect::Changed(changed));
        }
    }

    /// The people who are here.
    pub(super) fn who_is_here(&mut self, ticket: Ticket, staff: StaffId) {
        let reply = match self.admit_person(&staff) {
            Ok(()) => Reply::Here(self.presence.seen.keys().copied().collect()),
            Err(why) => Reply::Refused(why),
        };
        self.reply(ticket, reply);
    }

    /// A face says that a person is at it.
    pub(super) fn on_seen(&mut self, ticket: Ticket, staff: StaffId) {
        let refusal: Option<CommandRefusal> = self.admit_person(&staff).err();
        if let Some(why) = refusal {
            return self.refuse(ticket, why);
        }
        self.see(staff);
        self.reply(ticket, Reply::Done);
    }
}
