//! What the engine answers about conversations: plain data for faces.

use crate::domain::id::{DeviceId, StaffId};
use crate::domain::log::Entry;
use crate::domain::message::{EntryId, Position};
use crate::domain::space::Space;
use crate::domain::time::Hlc;

/// A page of a conversation, newest message last.
#[derive(Clone, Debug)]
pub struct Page {
    /// The messages.
    pub messages: Vec<MessageLine>,
    /// Where to continue backwards, if there is more.
    pub earlier: Option<Position>,
}

/// Messages that seem to say what was looked for: the index may be behind what is true.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    /// The messages as they were written, those said last first.
    pub entries: Vec<(EntryId, Entry)>,
    /// Where to go on, if there is more.
    pub more: Option<Position>,
    /// Whether everything that is held was looked through.
    pub complete: bool,
}

/// What was found, those said last first.
#[derive(Clone, Debug)]
pub struct Found {
    /// The messages.
    pub messages: Vec<MessageLine>,
    /// Where to go on, if there is more.
    pub more: Option<Position>,
    /// Whether everything that is held was looked through.
    pub complete: bool,
}

/// One message as a face shows it.
#[derive(Clone, Debug)]
pub struct MessageLine {
    /// Its id.
    pub id: EntryId,
    /// When it was written.
    pub time: Hlc,
    /// Who wrote it.
    pub staff: StaffId,
    /// What it says by now; none once it was taken back.
    pub text: Option<String>,
    /// Whether it was written anew since.
    pub amended: bool,
    /// That it was taken back.
    pub retracted: Option<TakenBack>,
    /// The message it answers.
    pub reply_to: Option<Quoted>,
    /// Whom it mentions.
    pub mentions: Vec<StaffId>,
    /// Whether it was sent before its writer's removal was known.
    pub standing: Standing,
    /// Who is behind each state of delivery.
    pub receipts: Receipts,
}

/// That a message was taken back: all that stays of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenBack {
    /// By whom.
    pub staff: StaffId,
    /// When.
    pub time: Hlc,
    /// Why.
    pub reason: String,
}

/// What a message said from some moment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Since when.
    pub time: Hlc,
    /// What.
    pub text: String,
}

/// A message that another one answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Its id.
    pub id: EntryId,
    /// Who wrote it and what; none if it is purged or not held here.
    pub said: Option<(StaffId, String)>,
}

/// Whether a message counts like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Good,
    /// It was written before the writer's removal was known.
    BeforeRemovalWasKnown,
}

/// What is known of a message's way; see [`Delivery`](crate::domain::message::Delivery).
#[derive(Clone, Debug, Default)]
pub struct Receipts {
    /// Devices that hold it, by their own signature.
    pub held_by: Vec<DeviceId>,
    /// Whether it was sent to any other node.
    pub left: bool,
    /// Who opened it.
    pub opened_by: Vec<StaffId>,
    /// Who acknowledged it.
    pub acknowledged_by: Vec<StaffId>,
}

/// One conversation in a list.
#[derive(Clone, Debug)]
pub struct ConversationLine {
    /// Which.
    pub space: Space,
    /// Its members.
    pub members: Vec<StaffId>,
    /// When the newest message in it was written, as far as this node holds it.
    pub newest: Option<Hlc>,
    /// Messages by others that this person has not opened.
    pub unread: u64,
    /// Whether one of them mentions this person.
    pub mentioned: bool,
    /// The first of them on screen.
    pub first_unread: Option<EntryId>,
    /// When the last of them on screen was written.
    pub newest_unread: Option<Hlc>,
    /// Whether this person read here last, on any screen of this office.
    pub read_last: bool,
    /// What this person has begun to write here.
    pub draft: Option<String>,
}
