//! Answering a message.

use super::send::text_of;
use super::{AsFlag, Me, pick};
use crate::api::conversation::SendRequest;
use crate::cli::Context;
use crate::cli::failure::Outcome;

/// Answer a message
///
/// Like `send`, but shown with the beginning of the message that it answers.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Reply {
    /// A room, the name of a person, or the names of several with commas between
    conversation: String,
    /// The text, or - to read it from standard input
    #[arg(required = true, value_name = "TEXT")]
    text: Vec<String>,
    /// The message's id as `read --json` shows it; the newest one by somebody else if left out
    #[arg(long, value_name = "ID")]
    message: Option<String>,
    #[command(flatten)]
    whose: AsFlag,
}

impl Reply {
    pub(in crate::cli) fn run(&self, context: &Context) -> Outcome {
        let me = Me::find(context, &self.whose)?;
        let text = text_of(&self.text)?;
        let (sent, what) = me.ask("sending", async {
            let found = pick::message(&me, &self.conversation, self.message.as_deref());
            let found = found.by_others().await?;
            let request = SendRequest {
                text,
                reply_to: Some(found.id),
                ..SendRequest::default()
            };
            let sent = me.client.send_as(&self.conversation, &request).await?;
            Ok((sent, found.what))
        })?;
        context.output.answer(&sent, || {
            format!(
                "answered {what}, in {}; it is on this node's disk",
                sent.name
            )
        })
    }
}
