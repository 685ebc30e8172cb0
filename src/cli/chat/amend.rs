//! Writing a message anew, and taking one back.

use super::send::text_of;
use super::{AsFlag, Me, pick};
use crate::cli::Context;
use crate::cli::failure::Outcome;

/// Write a message of yours anew
///
/// Everyone sees the newest text, and that it was amended; what it said before stays to be looked at.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Amend {
    /// A room, the name of a person, or the names of several with commas between
    conversation: String,
    /// The text, or - to read it from standard input
    #[arg(required = true, value_name = "TEXT")]
    text: Vec<String>,
    /// The message's id as `read --json` shows it; your newest one if left out
    #[arg(long, value_name = "ID")]
    message: Option<String>,
    #[command(flatten)]
    whose: AsFlag,
}

impl Amend {
    pub(in crate::cli) fn run(&self, context: &Context) -> Outcome {
        let me = Me::find(context, &self.whose)?;
        let text = text_of(&self.text)?;
        let (sent, what) = me.ask("amending", async {
            let found = pick::message(&me, &self.conversation, self.message.as_deref());
            let found = found.by_me().await?;
            let sent = me
                .client
                .amend(&self.conversation, &found.id, &text)
                .await?;
            Ok((sent, found.what))
        })?;
        context
            .output
            .answer(&sent, || format!("amended {what}, in {}", sent.name))
    }
}

/// Take a message of yours back: what it said is destroyed at every office
///
/// That there was a message, that you took it back and why stays in its place. An office that is
/// switched off destroys it when it is back.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Retract {
    /// A room, the name of a person, or the names of several with commas between
    conversation: String,
    /// The message's id as `read --json` shows it; your newest one if left out
    #[arg(long, value_name = "ID")]
    message: Option<String>,
    /// Why, for all members to see
    #[arg(long, value_name = "REASON")]
    because: String,
    #[command(flatten)]
    whose: AsFlag,
}

impl Retract {
    pub(in crate::cli) fn run(&self, context: &Context) -> Outcome {
        let me = Me::find(context, &self.whose)?;
        let (done, what) = me.ask("taking back", async {
            let found = pick::message(&me, &self.conversation, self.message.as_deref());
            let found = found.by_me().await?;
            let (name, reason) = (&self.conversation, &self.because);
            let done = me.client.retract(name, &found.id, reason).await?;
            Ok((done, found.what))
        })?;
        context
            .output
            .answer(&done, || format!("took back {what}, in {}", done.name))
    }
}
