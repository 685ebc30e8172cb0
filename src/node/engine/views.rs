//! What the engine answers about conversations: plain data for faces.

use crate::domain::id::{DeviceId, StaffId};
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

/// One message as a face shows it.
#[derive(Clone, Debug)]
pub struct MessageLine {
    /// Its id.
    pub id: EntryId,
    /// When it was written.
    pub time: Hlc,
    /// Who wrote it.
    pub staff: StaffId,
    /// What; none once it is purged.
    pub text: Option<String>,
    /// The message it answers.
    pub reply_to: Option<Quoted>,
    /// Whom it mentions.
    pub mentions: Vec<StaffId>,
    /// Whether it was sent before its writer's removal was known.
    pub standing: Standing,
    /// Who is behind each state of delivery.
    pub receipts: Receipts,
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
    /// What this person has begun to write here.
    pub draft: Option<String>,
}
