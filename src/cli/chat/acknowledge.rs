//! Taking a message in hand.

use super::{AsFlag, Me};
use crate::api::conversation::MessageView;
use crate::api::problem::Problem;
use crate::cli::Context;
use crate::cli::failure::Outcome;
use crate::cli::output::when;

/// Messages looked at for the newest one by somebody else.
const LOOK_BACK: usize = 50;

/// Acknowledge a message: tell everyone that you have taken it in hand
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Acknowledge {
    /// A room, or the name of a person
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
            let (id, what) = match &self.message {
                Some(id) => (id.clone(), "the message".to_owned()),
                None => self.newest(context, &me).await?,
            };
            let done = me.client.acknowledge(&self.conversation, &id).await?;
            Ok((done, what))
        })?;
        context
            .output
            .answer(&done, || format!("acknowledged {what}, in {}", done.name))
    }

    async fn newest(
        &self,
        context: &Context,
        me: &Me<'_>,
    ) -> crate::api::client::Answer<(String, String)> {
        let page = me
            .client
            .messages(&self.conversation, None, LOOK_BACK)
            .await?;
        let theirs = |message: &&MessageView| message.staff != me.login.staff;
        let newest = page
            .messages
            .iter()
            .rev()
            .find(theirs)
            .ok_or_else(|| Problem::not_found("message by somebody else in", &page.name))?;
        let at = when(newest.written.wall(), context.clock.now());
        Ok((
            newest.id.clone(),
            format!("{}'s message of {at}", newest.by),
        ))
    }
}
