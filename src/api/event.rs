//! Hints of what changed: "look again". They never carry contents.

use serde::{Deserialize, Serialize};

/// One hint, as the data of a server-sent event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Hint {
    /// The stream is open; what changes from this moment on is told.
    Open,
    /// Something was missed: look at everything again.
    Everything,
    /// Messages came or went in a conversation.
    Conversation {
        /// Its id.
        conversation: String,
        /// Its name.
        name: String,
    },
    /// Somebody is writing.
    Typing {
        /// The conversation's id.
        conversation: String,
        /// Id of who.
        staff: String,
        /// Their name.
        by: String,
    },
    /// Somebody came or went: look at who is here.
    Presence {
        /// Id of who.
        staff: String,
    },
    /// A node signed for messages of a conversation.
    Receipts {
        /// The conversation's id.
        conversation: String,
        /// Its name.
        name: String,
        /// Name of the node that signed.
        by: String,
        /// Name of the node whose messages they are.
        of: String,
        /// Epoch of those messages, in hex, as in their ids.
        epoch: String,
        /// Up to which number.
        seq: u64,
    },
    /// Messages of another node are durable here.
    Stored {
        /// The conversation's id.
        conversation: String,
        /// Its name.
        name: String,
        /// Name of the node whose messages they are.
        of: String,
        /// Epoch, in hex.
        epoch: String,
        /// Up to which number.
        seq: u64,
    },
    /// A member of the clinic was seen on the LAN.
    Discovered {
        /// Name of the peer, if that is known.
        peer: Option<String>,
    },
    /// A secure channel is open.
    Connected {
        /// Name of the peer.
        peer: String,
        /// Its device id.
        device: String,
    },
    /// A secure channel is gone.
    Disconnected {
        /// Name of the peer.
        peer: String,
        /// Its device id.
        device: String,
        /// Why, if this node closed it.
        why: Option<String>,
    },
    /// The clinic record changed.
    Record,
    /// A log was found to have two histories.
    Fork {
        /// Name of its author.
        author: String,
        /// Where.
        place: String,
    },
    /// Bodies were destroyed on this node.
    Purged {
        /// The first day still alive.
        horizon: String,
    },
    /// Another node signed that it destroyed bodies.
    PurgeAttested {
        /// Name of the node that signed.
        by: String,
        /// Where.
        place: String,
        /// The first day still alive there.
        horizon: String,
    },
    /// An audit trail grew or was witnessed.
    Trail {
        /// Name of the node whose trail it is.
        of: String,
        /// Name of the witness that signed, if one did.
        by: Option<String>,
    },
    /// This device was revoked.
    Revoked,
    /// The login behind this stream has ended; the stream ends with it.
    LoginEnded,
}
