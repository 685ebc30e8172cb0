//! `backup make`: everything of the running node in one file.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::{Context, Outcome};
use crate::platform::files;
use crate::platform::vault::{self, Recipient};

/// Write everything of the running node to one file, sealed to keys that are not on it
///
/// The node goes on meanwhile, and its audit trail says that a backup was made. The file takes its
/// name when it is whole.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Make {
    /// Where to; a file that is there is not overwritten
    #[arg(value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
    /// Whom it is sealed to, as `backup key` prints it; repeat for several
    #[arg(
        long,
        required = true,
        value_name = "RECIPIENT",
        env = "CLINIC_MESH_BACKUP_TO",
        value_delimiter = ','
    )]
    to: Vec<String>,
}

impl Make {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        for text in &self.to {
            Recipient::parse(text)?;
        }
        if self.file.exists() {
            return Err(
                Failure::refused(format!("{} is there already", self.file.display()))
                    .remedy("name another file"),
            );
        }
        let part = beside(&self.file);
        let outcome = self.fetch(context, &part);
        match outcome {
            Ok(bytes) => {
                std::fs::rename(&part, &self.file)?;
                let answer = json!({ "file": self.file.display().to_string(), "bytes": bytes });
                context.output.answer(&answer, || {
                    let said = format!(
                        "{} has {} MiB. Check it with `clinic-mesh backup verify`, where its key is.",
                        self.file.display(),
                        bytes.div_ceil(1024 * 1024)
                    );
                    context.typed(&said)
                })
            }
            Err(why) => {
                // What was begun is of no use to anybody.
                let _ = std::fs::remove_file(&part);
                Err(why)
            }
        }
    }

    fn fetch(&self, context: &Context, part: &Path) -> Result<u64, Failure> {
        let mut file = files::create(part)?;
        let client = context.client();
        let mut progress = context.output.progress("making the backup");
        let bytes = context.block_on(async {
            let mut pieces = client.backup(self.to.clone()).await?;
            let mut bytes = 0;
            while let Some(piece) = pieces.next().await {
                let piece = piece?;
                file.write_all(&piece)?;
                bytes += piece.len() as u64;
                progress.at(&format!("{} MiB", bytes / (1024 * 1024)));
            }
            Ok(bytes)
        })?;
        file.sync_all()?;
        drop(file);
        let whole = std::fs::File::open(part).map(std::io::BufReader::new)?;
        vault::check_whole(whole)?;
        Ok(bytes)
    }
}

/// The name of a file that is not whole yet.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    name.into()
}
