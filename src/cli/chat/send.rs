//! Sending a message.

use std::io::Read as _;

use super::{AsFlag, Me};
use crate::cli::Context;
use crate::cli::failure::{Failure, Outcome};
use crate::domain::message::TEXT_MAX;

/// Send a message
///
/// It is on this node's disk when the command ends, and goes on to the other offices from there. What
/// stands on a command line can be seen by others on this machine while the command runs; with `-` the
/// text is read from standard input instead.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Send {
    /// A room, the name of a person, or the names of several with commas between
    conversation: String,
    /// The text, or - to read it from standard input
    #[arg(required = true, value_name = "TEXT")]
    text: Vec<String>,
    #[command(flatten)]
    whose: AsFlag,
}

impl Send {
    pub(in crate::cli) fn run(&self, context: &Context) -> Outcome {
        let me = Me::find(context, &self.whose)?;
        let text = text_of(&self.text)?;
        let sent = me.ask("sending", me.client.send(&self.conversation, &text))?;
        context.output.answer(&sent, || {
            format!("sent to {}; it is on this node's disk", sent.name)
        })
    }
}

/// The text of a message from the words on the command line, or from standard input.
pub(super) fn text_of(words: &[String]) -> Result<String, Failure> {
    if words != ["-"] {
        return Ok(words.join(" "));
    }
    let mut text = String::new();
    let most = TEXT_MAX as u64 + 2;
    std::io::stdin()
        .lock()
        .take(most)
        .read_to_string(&mut text)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
