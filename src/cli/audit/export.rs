//! Taking a trail elsewhere.

use std::path::PathBuf;

use super::gather::gather;
use crate::cli::Context;
use crate::cli::failure::Outcome;
use crate::platform::files;

/// Write a trail to a file, with everything needed to check it on another machine
///
/// The file holds who did what when, and no contents of messages. Check it anywhere with `audit verify
/// --file FILE`; ask another office for its copy of the same trail and give it with --witness.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Export {
    /// Where to; a file that is there is not overwritten
    #[arg(value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
    /// Whose trail; this node's own if left out
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
}

impl Export {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let client = context.client();
        let mut progress = context.output.progress("fetching the audit trail");
        let now = context.clock.now();
        let trail = context.block_on(async {
            Ok(gather(&client, self.device.as_deref(), now, &mut progress).await?)
        })?;
        drop(progress);
        let bytes = trail.to_file();
        files::write_new(&self.file, &bytes)?;
        let records: usize = trail
            .segments
            .iter()
            .map(|segment| segment.entries.len())
            .sum();
        let answer = serde_json::json!({
            "file": self.file.display().to_string(),
            "device": trail.device.to_string(),
            "records": records,
            "bytes": bytes.len(),
        });
        context.output.answer(&answer, || {
            format!("{records} records are in {}", self.file.display())
        })
    }
}
