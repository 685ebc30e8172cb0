//! `clinic-mesh backup`: everything of a node in one sealed file, and back.

mod drill;
mod key;
mod make;
mod restore;
mod settings;
mod verify;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use zeroize::Zeroizing;

use super::{Context, Outcome};
use crate::cli::failure::Failure;
use crate::cli::node::with_remedy;
use crate::cli::secret;
use crate::domain::time::{Day, WallTime};
use crate::node::backup::{BackupError, Opened};
use crate::platform::files::{self, FileError};
use crate::platform::vault::{self, BackupKey, VaultError};

/// Backups of this node: make them, check them, restore from them
#[derive(Debug, Subcommand)]
pub(super) enum Backup {
    Key(key::Key),
    Make(make::Make),
    Verify(verify::Verify),
    Restore(restore::Restore),
    Drill(drill::Drill),
}

impl Backup {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        match self {
            Self::Key(command) => command.run(context),
            Self::Make(command) => command.run(context),
            Self::Verify(command) => command.run(context),
            Self::Restore(command) => command.run(context),
            Self::Drill(command) => command.run(context),
        }
    }
}

/// A backup and the key that opens it
#[derive(Clone, Debug, clap::Args)]
struct Sealed {
    /// The backup
    #[arg(value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
    /// The key that opens it, as `backup key` made it
    #[arg(
        long,
        value_name = "FILE",
        env = "CLINIC_MESH_BACKUP_KEY",
        hide_env_values = true,
        value_hint = clap::ValueHint::FilePath
    )]
    key: PathBuf,
}

impl Sealed {
    fn open(&self) -> Result<(BufReader<File>, BackupKey), Failure> {
        let key = read_key(&self.key)?;
        let file = File::open(&self.file).map_err(|error| FileError::of(&self.file, error))?;
        Ok((BufReader::with_capacity(256 * 1024, file), key))
    }

    /// When the backup was made, as it says.
    fn made_at(&self) -> Result<WallTime, Failure> {
        let (mut file, _) = self.open()?;
        Ok(vault::read_head(&mut file)?.made_at)
    }

    /// Today, if this machine's clock can be right: a backup is not from the future.
    fn today(&self, context: &Context) -> Result<Day, Failure> {
        let made_at = self.made_at()?;
        let now = context.clock.now();
        if now.day() >= made_at.day() {
            return Ok(now.day());
        }
        Err(Failure::refused(
            "this machine's clock says a day before the one on which the backup was made",
        )
        .remedy("set the clock; what is kept, and what is over, depends on it"))
    }
}

fn read_key(path: &Path) -> Result<BackupKey, Failure> {
    let bytes = files::read_carried(path, secret::KEY_FILE_MAX).map_err(key_file_failure)?;
    let bytes = Zeroizing::new(bytes);
    let key = secret::key_of(
        path,
        &bytes,
        "give the file that `clinic-mesh backup key` made",
    )?;
    Ok(BackupKey::new(key))
}

fn key_file_failure(error: FileError) -> Failure {
    match error {
        FileError::Missing { .. } => Failure::not_found(error)
            .remedy("name the file that `clinic-mesh backup key` made, with --key FILE"),
        other => other.into(),
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        with_remedy(match &error {
            VaultError::Recipient(_) | VaultError::Count(_) => Self::usage(error),
            VaultError::OtherKey => Self::refused(error),
            VaultError::Head(_) | VaultError::Damaged | VaultError::Io(_) => Self::error(error),
        })
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Vault(error) => error.into(),
            BackupError::Store(error) => error.into(),
            BackupError::Contents(_)
            | BackupError::Log(_)
            | BackupError::Settings(_)
            | BackupError::Place(_)
            | BackupError::Stopped => with_remedy(Self::error(error)),
        }
    }
}

/// What a backup is, for people and programs.
#[derive(Debug, serde::Serialize)]
struct About {
    clinic: String,
    device: String,
    made_at: crate::api::moment::Moment,
    logs: u64,
    entries: u64,
    bodies: u64,
    over: u64,
    settings: bool,
}

impl About {
    fn of(opened: &Opened) -> Self {
        let (head, contents) = (&opened.head, &opened.contents);
        Self {
            clinic: head.clinic.to_string(),
            device: head.device.to_string(),
            made_at: head.made_at.into(),
            logs: contents.logs,
            entries: contents.entries,
            bodies: contents.bodies,
            over: contents.over,
            settings: opened.settings.is_some(),
        }
    }

    fn text(&self, made_at: WallTime, now: WallTime) -> String {
        let over = match self.over {
            0 => String::new(),
            count => format!("; {count} more are over and left out"),
        };
        let settings = match self.settings {
            true => "; the machine's settings",
            false => "; no settings of the machine",
        };
        format!(
            "clinic {}\ndevice {}\nmade   {}\n{} entries in {} logs, {} of them with contents{over}{settings}",
            self.clinic,
            self.device,
            crate::cli::output::when(made_at, now),
            self.entries,
            self.logs,
            self.bodies,
        )
    }
}
