//! What a command is answered, and why one is refused.
//!
//! A reply that says something was done leaves once it is durable; a refusal names the thing and the
//! remedy.

use std::sync::Arc;

use crate::domain::enforcement;
use crate::domain::factor::{self, FactorRefusal};
use crate::domain::id::StaffId;
use crate::domain::log::Segment;
use crate::domain::message::EntryId;
use crate::domain::record::{Clinic, VoidReason};
use crate::domain::renewal::NotRenewed;
use crate::domain::sign::Signed;
use crate::domain::statement::{LogEnd, StatementId};

use super::types::{ConversationLine, Found, Page, Status, Trail, Version};

/// The answer to a command.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Durable on this node's disk.
    Posted(EntryId),
    /// A page of messages.
    Page(Page),
    /// The people who are here.
    Here(Vec<StaffId>),
    /// What was found.
    Found(Found),
    /// What a message said, oldest first.
    History(Vec<Version>),
    /// The conversations of a staff member.
    Conversations(Vec<ConversationLine>),
    /// Segments were accepted; statements that do not count are named.
    Submitted(Vec<(StatementId, VoidReason)>),
    /// The clinic record.
    Record(Vec<Segment>),
    /// The certificate that the device may show from here on, durable in the record.
    Renewed(Box<Signed>),
    /// Ends of logs.
    Ends(Vec<LogEnd>),
    /// The newest first.
    Revocations(Vec<enforcement::Report>),
    /// The node's state.
    Status(Box<Status>),
    /// The clinic.
    Clinic(Arc<Clinic>),
    /// Password and second factors.
    Credentials(Box<factor::Credentials>),
    /// Done and durable.
    Done,
    /// Part of an audit trail.
    Trail(Trail),
    /// Refused.
    Refused(CommandRefusal),
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefusal {
    /// The person is not in the conversation.
    #[error("you are not a member of this conversation")]
    NotAMember,
    /// The person may not sign in at this office.
    #[error(
        "this person does not sign in at this office; ask an admin to add this office to their homes"
    )]
    NotAtHome,
    /// The person was suspended.
    #[error("this person is suspended; an admin can lift it")]
    Suspended,
    /// The text is empty or too long.
    #[error("a message has 1 to {} bytes", crate::domain::message::TEXT_MAX)]
    TextLength,
    /// Somebody else wrote the message.
    #[error("only who wrote a message can change it")]
    NotTheWriter,
    /// The message was taken back before.
    #[error("the message was taken back before")]
    AlreadyRetracted,
    /// The message was amended too often.
    #[error(
        "a message is amended at most {} times; write another",
        crate::domain::message::AMENDMENTS_MAX
    )]
    TooManyAmendments,
    /// A reason is missing or too long.
    #[error("a reason has 1 to {} bytes", crate::domain::message::REASON_MAX)]
    ReasonLength,
    /// This node has been level with no other for too long.
    #[error(
        "this office has heard no other for too long and takes nothing for people elsewhere; \
         connect it to another office's node"
    )]
    ReadOnly,
    /// The disk is nearly full.
    #[error("the disk is nearly full; nothing was accepted. Free some space on this machine")]
    DiskFull,
    /// This device was revoked.
    #[error("this device was revoked; enrol it again as another device")]
    DeviceRevoked,
    /// The certificate of a device is not renewed.
    #[error("the certificate is not renewed: {0}")]
    NotRenewed(NotRenewed),
    /// A segment of the record is not acceptable.
    #[error("the statement was not accepted: {0}")]
    BadSegment(String),
    /// Too many people are mentioned.
    #[error(
        "a message mentions at most {} people",
        crate::domain::message::MENTIONS_MAX
    )]
    TooManyMentions,
    /// A second factor cannot be changed or used like this.
    #[error(transparent)]
    Factor(#[from] FactorRefusal),
    /// This office has begun too many groups.
    #[error(
        "this office takes part in {} groups and can begin no more; use one of them, or ask an admin for a room",
        super::holdings::GROUPS_MAX
    )]
    TooManyGroups,
    /// There is no such thing.
    #[error("there is no such {0}")]
    Unknown(&'static str),
    /// Too many commands at once.
    #[error("the node is busy; try again in a moment")]
    Busy,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}
