//! Taking a message in hand.

use super::{AsFlag, Me, pick};
use crate::cli::Context;
use crate::cli::failure::Outcome;

/// Acknowledge a message: tell everyone that you have taken it in hand
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Acknowledge {
    /// A room, the name of a person, or the names of several with commas between
    conversation: String,
    /// The message's id as `read --json` shows it; the newest one by somebody else if left out
    message: Option<String>,
    #[command(flatten)]
    whose: AsFlag,
}

impl Acknowledge {
    pub(in crate::cli) fn run(&self, context: &Context) -> Outcome {
        let me = Me::find(context, &self.whose)?;
        let (done, what) = me.ask("acknowledging", async {
            let found = pick::message(&me, &self.conversation, self.message.as_deref());
            let found = found.by_others().await?;
            let done = me.client.acknowledge(&self.conversation, &found.id).await?;
            Ok((done, found.what))
        })?;
        context
            .output
            .answer(&done, || format!("acknowledged {what}, in {}", done.name))
    }
}
