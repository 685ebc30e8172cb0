//! Reading a conversation.

use super::show::{Screen, page};
use super::{AsFlag, Me};
use crate::cli::Context;
use crate::cli::failure::Outcome;

/// Read a conversation
///
/// Under your own messages stands how far they have come, and which node or person says so.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Read {
    /// A room, the name of a person, or the names of several with commas between
    conversation: String,
    /// Show at most so many messages
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    /// Show those before a place, as an earlier page gave it
    #[arg(long, value_name = "PLACE")]
    before: Option<String>,
    #[command(flatten)]
    whose: AsFlag,
}

impl Read {
    pub(in crate::cli) fn run(&self, context: &Context) -> Outcome {
        let me = Me::find(context, &self.whose)?;
        let limit = usize::from(self.limit);
        let asked = me
            .client
            .messages(&self.conversation, self.before.as_deref(), limit);
        let view = me.ask("reading", asked)?;
        let screen = Screen::of(context, &me.login.staff);
        context.output.answer(&view, || page(&screen, &view))?;
        let Some(newest) = view.messages.last() else {
            return Ok(());
        };
        let opened = me.client.opened(&view.conversation, &newest.id);
        me.ask("marking as opened", opened).map(drop)
    }
}
