//! Conversations and messages.

use serde::{Deserialize, Serialize};

use super::moment::Moment;
use super::problem::{Code, Problem};
use crate::domain::group::{GROUP_MAX, Group};
use crate::domain::id::{AuthorId, RoomId, StaffId};
use crate::domain::log::Epoch;
use crate::domain::message::{EntryId, Position};
use crate::domain::space::Space;
use crate::domain::time::Hlc;

/// Most messages in one page.
pub const PAGE_MAX: usize = 500;

/// One conversation in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationView {
    /// Id, as it stands in paths.
    pub id: String,
    /// `direct`, `group` or `room`.
    pub kind: String,
    /// What the person who asks calls it: the room, or the other people.
    pub name: String,
    /// Names of its members.
    pub members: Vec<String>,
    /// When its newest message was written.
    pub newest: Option<Moment>,
    /// How many messages by others the person who asks has not opened.
    pub unread: u64,
    /// Whether one of them mentions that person.
    pub mentioned: bool,
    /// Id of the first of them.
    pub first_unread: Option<String>,
    /// When the last of them was written.
    pub newest_unread: Option<Moment>,
    /// Whether that person read here last, on any screen of this office.
    pub read_last: bool,
    /// What that person has begun to write here, on any screen of this office.
    pub draft: Option<String>,
}

/// Several people to talk with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRequest {
    /// Ids or names of the others.
    pub members: Vec<String>,
}

/// The conversation of several people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupView {
    /// Id, as it stands in paths.
    pub conversation: String,
    /// What the person who asks calls it.
    pub name: String,
    /// Names of its members.
    pub members: Vec<String>,
}

/// The conversations of one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationsView {
    /// Those with the newest messages first.
    pub conversations: Vec<ConversationView>,
}

/// A page of messages, the newest last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageView {
    /// The conversation's id.
    pub conversation: String,
    /// Its name.
    pub name: String,
    /// The messages.
    pub messages: Vec<MessageView>,
    /// The `before` of the page before this one, if there is one.
    pub earlier: Option<String>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageView {
    /// Id, unique within the conversation.
    pub id: String,
    /// When it was written.
    pub written: Moment,
    /// Id of the writer.
    pub staff: String,
    /// Name of the writer.
    pub by: String,
    /// Whether the person who asks wrote it.
    pub mine: bool,
    /// What it says by now; none once it is purged or taken back.
    pub text: Option<String>,
    /// Whether it was written anew since.
    pub amended: bool,
    /// That it was taken back.
    pub retracted: Option<RetractedView>,
    /// The message that it answers.
    pub reply_to: Option<QuoteView>,
    /// Ids of the people it mentions.
    pub mentions: Vec<String>,
    /// Written before the writer's removal was known.
    pub before_removal_was_known: bool,
    /// How far it has come, and who says so.
    pub delivery: DeliveryView,
}

/// Who is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceView {
    /// Ids of the people who did something at any office within the last minutes; all others are away.
    pub here: Vec<String>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundView {
    /// What was said last first.
    pub hits: Vec<HitView>,
    /// The `before` of what was said earlier, if there is more.
    pub more: Option<String>,
    /// Whether everything that is held here was looked through.
    pub complete: bool,
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HitView {
    /// The conversation's id.
    pub conversation: String,
    /// Its name.
    pub name: String,
    /// The message.
    pub message: MessageView,
}

/// That a message was taken back: all that stays of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetractedView {
    /// Name of who took it back.
    pub by: String,
    /// When.
    pub when: Moment,
    /// Why.
    pub reason: String,
}

/// Everything that a message ever said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryView {
    /// Oldest first; empty for a message that is purged or taken back.
    pub versions: Vec<VersionView>,
}

/// What a message said from some moment on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionView {
    /// Since when.
    pub written: Moment,
    /// What.
    pub text: String,
}

/// The beginning of a message that another one answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteView {
    /// Its id.
    pub id: String,
    /// Name of its writer; none if it is purged or not held here.
    pub by: Option<String>,
    /// How its text begins; none if it is purged or not held here.
    pub text: Option<String>,
}

/// How far a message has come; never more than is true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryView {
    /// The state reached.
    pub state: State,
    /// Names of the other nodes that have signed that they hold it.
    pub stored_at: Vec<String>,
    /// Names of members at none of whose offices it is known to be.
    pub missing: Vec<String>,
    /// Names of those who opened it.
    pub opened_by: Vec<String>,
    /// Names of those who acknowledged it.
    pub acknowledged_by: Vec<String>,
}

/// The five states of delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Durable on the writer's node.
    OnThisNode,
    /// Sent to another node.
    Left,
    /// Signed for by a node of every other member.
    StoredAtTheirs,
    /// Opened by every other member.
    Opened,
    /// Acknowledged.
    Acknowledged,
}

/// A message to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    /// What.
    pub text: String,
    /// Id of the message that it answers.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// Ids of the people it mentions.
    #[serde(default)]
    pub mentions: Vec<String>,
    /// Made up by the face, of at most 64 bytes, and the same in every try to send this message: it is
    /// then sent once, and every try is answered with the same id.
    #[serde(default)]
    pub key: Option<String>,
}

impl SendRequest {
    /// Nothing but a text.
    pub fn text(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            ..Self::default()
        }
    }
}

/// Everything up to a message was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenedRequest {
    /// Id of the newest message seen.
    pub message: String,
}

/// A message written anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmendRequest {
    /// The message's id.
    pub message: String,
    /// What it says from here on.
    pub text: String,
}

/// A message taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetractRequest {
    /// The message's id.
    pub message: String,
    /// Why, for all to see.
    pub reason: String,
}

/// What somebody has begun to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftRequest {
    /// What, so far; empty to forget it.
    pub text: String,
}

/// A message that is durable on this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Its id.
    pub id: String,
    /// The conversation's id.
    pub conversation: String,
    /// The conversation's name.
    pub name: String,
}

/// A message taken in hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeRequest {
    /// The message's id.
    pub message: String,
}

/// The id of a conversation as it stands in paths; `None` for other spaces.
pub fn id_of(space: &Space) -> Option<String> {
    match space {
        Space::Direct(one, other) => Some(format!("direct-{one}-{other}")),
        Space::Group(group) => {
            let members = group.members().iter().map(ToString::to_string);
            Some(format!("group-{}", members.collect::<Vec<_>>().join("-")))
        }
        Space::Room(room) => Some(format!("room-{room}")),
        Space::Record | Space::Staff(_) | Space::Audit(_) => None,
    }
}

/// Reads what [`id_of`] makes.
pub fn from_id(text: &str) -> Option<Space> {
    if let Some(room) = text.strip_prefix("room-") {
        return RoomId::from_hex(room).map(Space::Room);
    }
    if let Some(members) = text.strip_prefix("group-") {
        return group_from(members);
    }
    let (one, other) = text.strip_prefix("direct-")?.split_once('-')?;
    let space = Space::Direct(StaffId::from_hex(one)?, StaffId::from_hex(other)?);
    space.is_well_formed().then_some(space)
}

/// The one form of a group's id: its members in order.
fn group_from(members: &str) -> Option<Space> {
    let staff: Option<Vec<StaffId>> = members
        .split('-')
        .take(GROUP_MAX + 1)
        .map(StaffId::from_hex)
        .collect();
    let staff = staff?;
    let group = Group::of(staff.iter().copied())?;
    (group.members() == staff).then_some(Space::Group(group))
}

/// The id of a message inside its conversation.
pub fn message_id(entry: &EntryId) -> String {
    format!("{}-{:x}-{}", entry.author, entry.epoch.0, entry.seq)
}

/// Reads what [`message_id`] makes.
pub fn message_from(space: Space, text: &str) -> Result<EntryId, Problem> {
    let wrong = || Problem::new(Code::Malformed, "not the id of a message");
    let mut parts = text.split('-');
    let (Some(author), Some(epoch), Some(seq), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong());
    };
    Ok(EntryId {
        space,
        author: AuthorId::from_hex(author).ok_or_else(wrong)?,
        epoch: Epoch(u64::from_str_radix(epoch, 16).map_err(|_| wrong())?),
        seq: seq.parse().map_err(|_| wrong())?,
    })
}

/// A place in a conversation as it stands in `before`.
pub fn cursor(position: &Position) -> String {
    let Position {
        time,
        author,
        epoch,
        seq,
    } = position;
    format!("{:x}-{author}-{:x}-{seq}", time.0, epoch.0)
}

/// Reads what [`cursor`] makes.
pub fn from_cursor(text: &str) -> Result<Position, Problem> {
    let wrong = || Problem::new(Code::Malformed, "`before` is what an earlier page gave");
    let mut parts = text.split('-');
    let hex = |text: Option<&str>| u64::from_str_radix(text?, 16).ok();
    let (Some(time), Some(author), Some(epoch), Some(seq), None) = (
        hex(parts.next()),
        parts.next(),
        hex(parts.next()),
        parts.next(),
        parts.next(),
    ) else {
        return Err(wrong());
    };
    Ok(Position {
        time: Hlc(time),
        author: AuthorId::from_hex(author).ok_or_else(wrong)?,
        epoch: Epoch(epoch),
        seq: seq.parse().map_err(|_| wrong())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_places_are_read_back_and_anything_else_is_refused() {
        let (ana, bo) = (StaffId::new([1; 16]), StaffId::new([2; 16]));
        let cy = StaffId::new([3; 16]);
        let group = Group::of([cy, ana, bo]).expect("three people");
        let room = Space::Room(RoomId::new([7; 16]));
        for space in [Space::Direct(ana, bo), Space::Group(group), room] {
            let id = id_of(&space).expect("a conversation");
            assert_eq!(from_id(&id), Some(space));
        }
        let swapped = format!("direct-{bo}-{ana}");
        let disorder = format!("group-{bo}-{ana}-{cy}");
        let twice = format!("group-{ana}-{ana}-{bo}-{cy}");
        let two = format!("group-{ana}-{bo}");
        let bad = [
            "", "room-", "room-7", "direct-", "rounds", "group-", &swapped, &disorder, &twice, &two,
        ];
        for bad in bad {
            assert_eq!(from_id(bad), None, "{bad}");
        }
        let space = Space::Direct(ana, bo);
        let entry = EntryId {
            space,
            author: AuthorId::new([3; 32]),
            epoch: Epoch(77),
            seq: 5,
        };
        assert_eq!(message_from(space, &message_id(&entry)), Ok(entry));
        let place = Position {
            time: Hlc(99),
            author: AuthorId::new([3; 32]),
            epoch: Epoch(77),
            seq: 5,
        };
        assert_eq!(from_cursor(&cursor(&place)), Ok(place));
        for bad in ["", "1-2", "x-y-z", "1-2-3-4", "1-2-3-4-5"] {
            assert!(message_from(space, bad).is_err(), "{bad}");
            assert!(from_cursor(bad).is_err(), "{bad}");
        }
    }
}
