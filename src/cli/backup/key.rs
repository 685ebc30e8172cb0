//! `backup key`: what opens backups, made where the node is not.

use std::path::PathBuf;

use serde_json::json;

use super::read_key;
use crate::cli::{Context, Outcome, secret};

/// Make a key that opens backups, and print what a node seals them to
///
/// Make it on a machine or a stick that is kept apart from every node: whoever has the key and a
/// backup reads everything. Without one of its keys a backup is lost, so make two.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Key {
    /// Where the key is kept; if it is there, what belongs to it is printed once more
    #[arg(value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

impl Key {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let made = !self.file.exists();
        if made {
            secret::make_key(&self.file)?;
        }
        let recipient = read_key(&self.file)?.recipient().to_string();
        let answer = json!({ "recipient": recipient, "made": made });
        context.output.answer(&answer, || {
            let kept = if made {
                format!(
                    "The key is in {}. Keep it apart from the node.\n",
                    self.file.display()
                )
            } else {
                String::new()
            };
            format!("{kept}Backups are sealed to it with\n\n    --to {recipient}\n")
        })
    }
}
