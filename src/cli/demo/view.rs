//! What the demo prints while the offices work: one line for each hint a node gives.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::api::client::Client;
use crate::api::event::Hint;
use crate::cli::output::Style;

/// Wait before a node that is not (yet) there is asked again.
const AGAIN: Duration = Duration::from_millis(100);

/// Prints a line; where standard output is gone there is nobody left to tell.
pub(super) fn line(text: &str) {
    let _closed = writeln!(std::io::stdout().lock(), "{text}");
}

/// What the offices have said so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Arc<Mutex<Vec<(String, Hint)>>>);

impl Seen {
    /// Whether any office gave a hint like this.
    pub(super) fn any(&self, wished: impl Fn(&str, &Hint) -> bool) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().any(|(office, hint)| wished(office, hint))
    }

    fn add(&self, office: &str, hint: Hint) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((office.to_owned(), hint));
    }
}

/// Follows an office for as long as the demo lasts, across restarts.
pub(super) fn follow(office: String, socket: PathBuf, seen: Seen, style: Style) {
    tokio::spawn(async move {
        loop {
            if let Ok(mut events) = Client::new(&socket).events().await {
                while let Some(Ok(hint)) = events.next().await {
                    if let Some(words) = words(&hint) {
                        line(&style.dim(&format!("    {office:>10} | {words}")));
                    }
                    seen.add(&office, hint);
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    });
}

/// A hint in words; none for what would only repeat another line.
fn words(hint: &Hint) -> Option<String> {
    Some(match hint {
        Hint::Discovered { peer } => {
            format!(
                "discovered {} on the LAN",
                peer.as_deref().unwrap_or("a member")
            )
        }
        Hint::Connected { peer, .. } => format!("connected to {peer}: certificates are good"),
        Hint::Disconnected { peer, why, .. } => match why {
            Some(why) => format!("closed the channel to {peer}: {why}"),
            None => format!("lost the channel to {peer}"),
        },
        Hint::Stored { name, of, seq, .. } => format!("stored {of}'s entry {seq} of {name}"),
        Hint::Receipts {
            name, by, of, seq, ..
        } => {
            format!("delivered: {by} has signed that it holds {of}'s log of {name} up to {seq}")
        }
        Hint::Purged { horizon } => format!("destroyed every message that ended before {horizon}"),
        Hint::PurgeAttested { by, place, .. } => format!("{by} has signed that it purged {place}"),
        Hint::Revoked => "this device was revoked".to_owned(),
        Hint::Fork { author, place } => format!("FORK: two histories of {author} in {place}"),
        Hint::Open
        | Hint::Everything
        | Hint::Conversation { .. }
        | Hint::Record
        | Hint::Trail { .. }
        | Hint::Typing { .. }
        | Hint::Presence { .. }
        | Hint::LoginEnded => return None,
    })
}
