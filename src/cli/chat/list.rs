//! The list of conversations.

use super::{AsFlag, Me};
use crate::api::conversation::{ConversationView, ConversationsView};
use crate::cli::Context;
use crate::cli::failure::Outcome;
use crate::cli::output::{Table, when};

/// List your conversations, those with the newest messages first
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Conversations {
    #[command(flatten)]
    whose: AsFlag,
}

impl Conversations {
    pub(in crate::cli) fn run(&self, context: &Context) -> Outcome {
        let me = Me::find(context, &self.whose)?;
        let view = me.ask("listing conversations", me.client.conversations())?;
        context.output.answer(&view, || list(context, &view))
    }
}

fn unread(line: &ConversationView) -> String {
    match (line.unread, line.mentioned) {
        (0, _) => String::new(),
        (count, false) => count.to_string(),
        (count, true) => format!("{count}, to you"),
    }
}

fn list(context: &Context, view: &ConversationsView) -> String {
    let mut table = Table::new(["CONVERSATION", "UNREAD", "NEWEST", "MEMBERS"]);
    let now = context.clock.now();
    for line in &view.conversations {
        let newest = line
            .newest
            .as_ref()
            .map_or("–".to_owned(), |at| when(at.wall(), now));
        let members = match line.kind.as_str() {
            "direct" => "the two of you".to_owned(),
            _ => line.members.join(", "),
        };
        table.row([line.name.clone(), unread(line), newest, members]);
    }
    if table.is_empty() {
        return context.typed("no conversations yet; begin one with `clinic-mesh send NAME TEXT`");
    }
    table.show(context.output.style())
}
