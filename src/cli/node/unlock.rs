//! What opens the node's store: a passphrase, a key file, or a credential from systemd.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::cli::failure::Failure;
use crate::cli::secret::{self, SecretSource};
use crate::node::Unlock;
use crate::platform::files;

/// The credential's name in a unit file: `LoadCredential=clinic-mesh.key:...`.
const CREDENTIAL: &str = "clinic-mesh.key";

/// Fewest characters of a passphrase for a store.
const PASSPHRASE_MIN: usize = 12;

/// What opens the store
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "What opens the store")]
pub(crate) struct UnlockArgs {
    /// Use the key in FILE instead of a passphrase; commands that make a node make the file as well
    #[arg(
        long,
        value_name = "FILE",
        env = "CLINIC_MESH_KEY_FILE",
        hide_env_values = true,
        conflicts_with = "passphrase_file",
        value_hint = clap::ValueHint::FilePath
    )]
    key_file: Option<PathBuf>,

    #[command(flatten)]
    passphrase: SecretSource,
}

impl UnlockArgs {
    /// What opens a store that is there.
    pub(crate) fn existing(&self) -> Result<Unlock, Failure> {
        if let Some(path) = &self.key_file {
            return key(path, files::read(path, secret::KEY_FILE_MAX));
        }
        if let Some(path) = credential() {
            // The service manager keeps others out of it, in ways that its mode does not show.
            return key(&path, files::read_shared(&path, secret::KEY_FILE_MAX));
        }
        let typed = self.passphrase.ask("Passphrase of this node")?;
        Ok(Unlock::Passphrase(typed))
    }

    /// What opens a store that is there, where a person need not be asked; none if only a person knows.
    pub(crate) fn given(&self) -> Option<Result<Unlock, Failure>> {
        let given = self.key_file.is_some()
            || credential().is_some()
            || self.passphrase.passphrase_file.is_some();
        given.then(|| self.existing())
    }

    /// The same where the node may start without it: nothing if no key is at hand and nobody is there
    /// to type one. A key that is there and wrong is a failure all the same.
    pub(crate) fn at_hand(&self) -> Result<Option<Unlock>, Failure> {
        match &self.key_file {
            Some(path) if path.exists() => return self.existing().map(Some),
            Some(_) => return Ok(None),
            None if credential().is_some() => return self.existing().map(Some),
            None => {}
        }
        let typed = self.passphrase.at_hand("Passphrase of this node")?;
        Ok(typed.map(Unlock::Passphrase))
    }

    /// What is to open a store that is about to be made.
    pub(crate) fn chosen(&self) -> Result<Unlock, Failure> {
        match &self.key_file {
            Some(path) if path.exists() => key(path, files::read(path, secret::KEY_FILE_MAX)),
            Some(path) => make_key(path),
            None => {
                let chosen = self.passphrase.choose("Passphrase for this node")?;
                check(&chosen)?;
                Ok(Unlock::Passphrase(chosen))
            }
        }
    }
}

fn check(chosen: &str) -> Result<(), Failure> {
    let count = chosen.chars().count();
    if count >= PASSPHRASE_MIN {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "a passphrase needs at least {PASSPHRASE_MIN} characters, this one has {count}"
    ))
    .remedy("add words"))
}

fn credential() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join(CREDENTIAL);
    path.exists().then_some(path)
}

fn key(path: &Path, read: Result<Vec<u8>, files::FileError>) -> Result<Unlock, Failure> {
    let bytes = Zeroizing::new(read?);
    let key = secret::key_of(path, &bytes, "give the file that the node was made with")?;
    Ok(Unlock::KeyFile(key))
}

fn make_key(path: &Path) -> Result<Unlock, Failure> {
    Ok(Unlock::KeyFile(secret::make_key(path)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_that_was_made_opens_what_it_was_made_for() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let args = UnlockArgs {
            key_file: Some(scratch.path().join("node.key")),
            passphrase: SecretSource::default(),
        };
        let (Ok(Unlock::KeyFile(made)), Ok(Unlock::KeyFile(read))) =
            (args.chosen(), args.existing())
        else {
            panic!("a key file");
        };
        assert_eq!(made, read);
    }

    #[test]
    fn a_key_file_that_others_can_read_or_that_is_none_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let path = scratch.path().join("node.key");
        make_key(&path).expect("room");
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(&path, open).expect("ours");
        assert!(key(&path, files::read(&path, secret::KEY_FILE_MAX)).is_err());
        assert!(key(&path, Ok(b"not a key".to_vec())).is_err());
    }

    #[test]
    fn a_key_file_that_is_not_there_is_not_at_hand_and_one_that_is_wrong_is_refused() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let path = scratch.path().join("node.key");
        let args = UnlockArgs {
            key_file: Some(path.clone()),
            passphrase: SecretSource::default(),
        };
        assert!(matches!(args.at_hand(), Ok(None)));
        files::replace(&path, b"not a key").expect("room");
        assert!(args.at_hand().is_err());
        std::fs::remove_file(&path).expect("there");
        make_key(&path).expect("room");
        assert!(matches!(args.at_hand(), Ok(Some(Unlock::KeyFile(_)))));
        let by_file = UnlockArgs {
            key_file: None,
            passphrase: SecretSource {
                passphrase_file: Some(scratch.path().join("none")),
            },
        };
        assert!(matches!(by_file.at_hand(), Ok(None)));
    }

    #[test]
    fn a_short_passphrase_is_not_taken() {
        assert!(check("short").is_err());
        assert!(check("long enough to last").is_ok());
    }
}
