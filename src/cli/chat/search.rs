//! Looking for words.

use super::show::{Screen, line};
use super::{AsFlag, Me};
use crate::api::conversation::FoundView;
use crate::cli::Context;
use crate::cli::failure::Outcome;
use crate::cli::output::{day_name, typed};

/// Look for words in all of your conversations
///
/// Shows messages in which each of the words begins some word, whatever the case and the accents; what
/// was said last comes first.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Search {
    /// What to look for
    #[arg(required = true, value_name = "WORD")]
    words: Vec<String>,
    /// Show at most so many messages
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
    limit: u16,
    /// Show those before a place, as an earlier answer gave it
    #[arg(long, value_name = "PLACE")]
    before: Option<String>,
    #[command(flatten)]
    whose: AsFlag,
}

impl Search {
    pub(in crate::cli) fn run(&self, context: &Context) -> Outcome {
        let me = Me::find(context, &self.whose)?;
        let words = self.words.join(" ");
        let limit = usize::from(self.limit);
        let asked = me.client.search(&words, self.before.as_deref(), limit);
        let found = me.ask("searching", asked)?;
        let screen = Screen::of(context, &me.login.staff);
        let now = context.clock.now();
        let style = context.output.style();
        context.output.answer(&found, || {
            let mut text = String::new();
            for hit in &found.hits {
                let day = day_name(hit.message.written.wall(), now);
                let place = format!("— {}, {day} —", hit.name);
                text.push_str(&format!("{}\n", style.dim(&place)));
                text.push_str(&line(&screen, &hit.message));
            }
            text.push_str(&style.dim(&ending(context, &found, &words)));
            text
        })
    }
}

fn ending(context: &Context, found: &FoundView, words: &str) -> String {
    let mut text = match (&found.more, found.hits.is_empty()) {
        (Some(more), _) => {
            let command = context.typed("clinic-mesh search");
            format!("more: {command} {} --before {more}", typed(words))
        }
        (None, true) => "nothing was found".to_owned(),
        (None, false) => "that is all".to_owned(),
    };
    if !found.complete {
        text.push_str("; the index is not complete yet, try again in a moment");
    }
    text
}
