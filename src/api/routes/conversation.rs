//! Routes of what staff do: conversations, messages, searching and presence.
//!
//! Each of them needs a staff login; the operator of a machine reads no conversation.

use super::{Access, Route, RouteId, asking, get, post};

/// Conversations: reading, writing, searching, and who is here.
pub(super) const CONVERSATION: [Route; 14] = [
    get(
        RouteId::Conversations,
        "/v1/conversations",
        Access::Staff,
        "ConversationsView",
        "One's conversations, those with the newest messages first.",
    ),
    post(
        RouteId::Group,
        "/v1/groups",
        Access::Staff,
        (Some("GroupRequest"), "GroupView"),
        "The conversation of oneself and the people named, by id or name. It begins with its first \
         message.",
    ),
    asking(
        get(
            RouteId::Messages,
            "/v1/conversations/{conversation}/messages",
            Access::Staff,
            "PageView",
            "A page of messages, the newest last. The conversation is an id, a room or a person.",
        ),
        &["before", "limit"],
    ),
    post(
        RouteId::Send,
        "/v1/conversations/{conversation}/messages",
        Access::Staff,
        (Some("SendRequest"), "Sent"),
        "Send a message; the answer comes once it is durable on this node. One key sends once.",
    ),
    post(
        RouteId::Amend,
        "/v1/conversations/{conversation}/amend",
        Access::Staff,
        (Some("AmendRequest"), "Sent"),
        "Write one's own message anew; what it said before stays to be looked at.",
    ),
    post(
        RouteId::Retract,
        "/v1/conversations/{conversation}/retract",
        Access::Staff,
        (Some("RetractRequest"), "Sent"),
        "Take one's own message back: what it said is destroyed at every node.",
    ),
    asking(
        get(
            RouteId::History,
            "/v1/conversations/{conversation}/history",
            Access::Staff,
            "HistoryView",
            "Everything that a message ever said, oldest first.",
        ),
        &["message"],
    ),
    asking(
        get(
            RouteId::Search,
            "/v1/search",
            Access::Staff,
            "FoundView",
            "Look for words in all of one's conversations; each has to begin some word of a message.",
        ),
        &["q", "limit", "before"],
    ),
    post(
        RouteId::Typing,
        "/v1/conversations/{conversation}/typing",
        Access::Staff,
        (None, "Done"),
        "Tell the others that one is writing; passed on at most every three seconds, never stored.",
    ),
    get(
        RouteId::Presence,
        "/v1/presence",
        Access::Staff,
        "PresenceView",
        "Who did something at any office within the last minutes.",
    ),
    post(
        RouteId::Seen,
        "/v1/presence",
        Access::Staff,
        (None, "Done"),
        "Tell that one is at the screen; never stored.",
    ),
    post(
        RouteId::Draft,
        "/v1/conversations/{conversation}/draft",
        Access::Staff,
        (Some("DraftRequest"), "Done"),
        "Keep what one has begun to write, in this node's memory; sending forgets it.",
    ),
    post(
        RouteId::Opened,
        "/v1/conversations/{conversation}/opened",
        Access::Staff,
        (Some("OpenedRequest"), "Done"),
        "Mark everything up to a message as opened; others see it where policy says so.",
    ),
    post(
        RouteId::Acknowledge,
        "/v1/conversations/{conversation}/acknowledge",
        Access::Staff,
        (Some("AcknowledgeRequest"), "Sent"),
        "Take a message in hand, for all members to see.",
    ),
];
