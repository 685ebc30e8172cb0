//! What the commands of admins share: the authority's directory, the key in it, and the running node
//! that statements are given to.
//!
//! Keys are opened in this process and nowhere else. What goes to the node is signed.

mod desk;
mod find;
mod newest;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::failure::{Exit, Failure};
use super::secret;
use crate::authority::{self, Authority, AuthorityError, KeyFileError, Passphrase};
use crate::domain::name::Name;
use crate::platform::entropy;
use crate::platform::files::{self, FileError};
use crate::platform::lock::LockError;

pub(crate) use desk::{Desk, bring_record, ends, hold_again};
pub(crate) use find::{check_free, check_named_itself, device, invitation, room, staff};
pub(crate) use newest::newest_record;

/// Where the clinic's authority lies.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct AuthorityDir {
    /// Directory of the clinic's authority
    #[arg(
        long,
        value_name = "DIR",
        env = "CLINIC_MESH_AUTHORITY",
        value_hint = clap::ValueHint::DirPath
    )]
    authority: Option<PathBuf>,
}

impl AuthorityDir {
    /// The directory given, or the usual one.
    pub(crate) fn path(&self) -> PathBuf {
        self.authority.clone().unwrap_or_else(usual_dir)
    }
}

/// Which admin signs.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct AdminKey {
    #[command(flatten)]
    pub(crate) dir: AuthorityDir,

    /// Admin whose key signs, when the directory holds more than one
    #[arg(long = "as", value_name = "ADMIN", env = "CLINIC_MESH_ADMIN")]
    admin: Option<Name>,

    /// Read the admin's passphrase from the first line of FILE instead of asking for it
    #[arg(
        long,
        value_name = "FILE",
        env = "CLINIC_MESH_ADMIN_PASSPHRASE_FILE",
        hide_env_values = true,
        value_hint = clap::ValueHint::FilePath
    )]
    admin_passphrase_file: Option<PathBuf>,
}

impl AdminKey {
    /// Opens the admin's key with the passphrase.
    pub(crate) fn open(&self) -> Result<Authority, Failure> {
        let path = self.dir.path();
        let name = self.name(&path)?;
        self.check_key(&path, &name)?;
        let passphrase = ask(
            self.admin_passphrase_file.as_deref(),
            &format!("Passphrase of admin {name}"),
            "--admin-passphrase-file FILE",
        )?;
        patiently(|| Authority::open_admin(&path, &name, &passphrase, entropy::os()))
    }

    /// Whether the named admin's key is here, before the passphrase is asked for.
    fn check_key(&self, path: &Path, name: &Name) -> Result<(), Failure> {
        let admins = authority::admins(path)?;
        if admins.iter().any(|admin| admin.name == *name) {
            return Ok(());
        }
        let names: Vec<_> = admins.iter().map(|admin| admin.name.as_str()).collect();
        Err(other_keys(path, name, &names))
    }

    /// Whether nobody was named and the directory holds no admin's key.
    pub(crate) fn is_absent(&self, path: &Path) -> Result<bool, Failure> {
        Ok(self.admin.is_none() && authority::admins(path)?.is_empty())
    }

    fn name(&self, path: &Path) -> Result<Name, Failure> {
        let admins = authority::admins(path).map_err(|error| no_authority(path, error))?;
        if let Some(name) = &self.admin {
            return Ok(name.clone());
        }
        match admins.as_slice() {
            [only] => Ok(only.name.clone()),
            [] => Err(
                Failure::not_found(format!("{} holds no admin's key", path.display()))
                    .remedy("name the directory with --authority DIR, or CLINIC_MESH_AUTHORITY"),
            ),
            several => {
                let names: Vec<_> = several.iter().map(|admin| admin.name.as_str()).collect();
                Err(Failure::usage(format!(
                    "{} holds the keys of several admins: {}",
                    path.display(),
                    names.join(", ")
                ))
                .remedy("say whose with --as ADMIN"))
            }
        }
    }
}

/// What is said where the named admin's key is not among these.
fn other_keys(path: &Path, wanted: &Name, here: &[&str]) -> Failure {
    let here = match here {
        [] => "nobody's".to_owned(),
        names => format!("those of {}", names.join(", ")),
    };
    Failure::not_found(format!(
        "{} holds no key of an admin {wanted}; it holds {here}",
        path.display()
    ))
    .remedy("give a name that is there with --as ADMIN, or the directory of that admin with --authority DIR")
}

/// The passphrase of the root key.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RootKey {
    /// Read the root key's passphrase from the first line of FILE instead of asking for it
    #[arg(
        long,
        value_name = "FILE",
        env = "CLINIC_MESH_ROOT_PASSPHRASE_FILE",
        hide_env_values = true,
        value_hint = clap::ValueHint::FilePath
    )]
    root_passphrase_file: Option<PathBuf>,
}

impl RootKey {
    /// Opens the root key with the passphrase.
    pub(crate) fn open(&self, path: &Path) -> Result<Authority, Failure> {
        // Before the passphrase is asked for: nobody should type it in vain.
        files::check_dir(path).map_err(|error| no_authority(path, error.into()))?;
        if !path.join("root.key").exists() {
            return Err(no_root(path));
        }
        let file = self.root_passphrase_file.as_deref();
        let passphrase = ask(file, "Passphrase of the root key", ROOT_OPTION)?;
        patiently(|| Authority::open_root(path, &passphrase, entropy::os()))
    }

    /// A passphrase for a root key that is about to be made.
    pub(crate) fn choose(&self) -> Result<Passphrase, Failure> {
        let file = self.root_passphrase_file.as_deref();
        choose(
            file,
            "Passphrase for the root key (kept offline, seldom used)",
            ROOT_OPTION,
        )
    }
}

/// How long a command waits for another one of the same authority that is about to be done: longer than it
/// takes to open a key, sign and give the statement to the node.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);

/// Opens the authority once no other command works with it; whoever holds it for longer is named.
fn patiently(open: impl Fn() -> Result<Authority, AuthorityError>) -> Result<Authority, Failure> {
    let begun = Instant::now();
    loop {
        match open() {
            Err(AuthorityError::Lock(LockError::Held { .. })) if begun.elapsed() < PATIENCE => {
                std::thread::sleep(LOOK);
            }
            opened => return Ok(opened?),
        }
    }
}

/// What gives the root key's passphrase besides the terminal.
const ROOT_OPTION: &str = "--root-passphrase-file FILE";

/// An existing passphrase, from the file or typed.
fn ask(file: Option<&Path>, prompt: &str, option: &str) -> Result<Passphrase, Failure> {
    let typed: Zeroizing<String> = match file {
        Some(file) => secret::from_file(file)?,
        None => secret::typed(prompt, option)?,
    };
    Ok(Passphrase::typed(&typed))
}

/// A passphrase being chosen: from the file that `option` gives, or typed twice.
pub(crate) fn choose(
    file: Option<&Path>,
    prompt: &str,
    option: &str,
) -> Result<Passphrase, Failure> {
    let chosen = secret::chosen(file, prompt, option)?;
    Passphrase::chosen(&chosen).map_err(|why| {
        let (message, remedy) = split(&why.to_string());
        let failure = Failure::usage(message);
        Failure { remedy, ..failure }
    })
}

/// Below the admin's home, beside a node's directory that may be there.
fn usual_dir() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let data = set("XDG_DATA_HOME").map(PathBuf::from);
    let data = data.or_else(|| Some(PathBuf::from(set("HOME")?).join(".local/share")));
    data.unwrap_or_default().join("clinic-mesh-authority")
}

/// The root key is best kept elsewhere, so that it is not here is no accident.
fn no_root(path: &Path) -> Failure {
    Failure::not_found(format!("the root key is not in {}", path.display())).remedy(
        "bring the file root.key from where it is kept, or make it again from its page or shares with \
         `clinic-mesh authority recover`",
    )
}

/// A missing directory is the commonest mistake, so it is named as such.
fn no_authority(path: &Path, error: AuthorityError) -> Failure {
    let missing = match &error {
        AuthorityError::File(FileError::Missing { .. }) => true,
        // A key without a record is an authority that lacks it.
        AuthorityError::NoRecord => !holds_keys(path),
        _ => false,
    };
    if !missing {
        return error.into();
    }
    Failure::not_found(format!("there is no authority in {}", path.display())).remedy(
        "name the directory with --authority DIR, or make one with `clinic-mesh authority init`",
    )
}

fn holds_keys(path: &Path) -> bool {
    let admins = authority::admins(path).is_ok_and(|admins| !admins.is_empty());
    admins || path.join("root.key").exists()
}

impl From<AuthorityError> for Failure {
    fn from(error: AuthorityError) -> Self {
        let exit = match &error {
            AuthorityError::File(FileError::Missing { .. })
            | AuthorityError::NotEnrolled { .. } => Exit::NotFound,
            AuthorityError::KeyFile {
                source: KeyFileError::WrongPassphrase,
                ..
            }
            | AuthorityError::Sign(_)
            | AuthorityError::Enrol(_)
            | AuthorityError::Rotation(_)
            | AuthorityError::OtherMeshKey { .. }
            | AuthorityError::NotAnAdmin => Exit::Refused,
            AuthorityError::NoTerms => Exit::Usage,
            _ => Exit::Error,
        };
        let (message, remedy) = split(&error.to_string());
        Self {
            exit,
            message,
            remedy,
        }
    }
}

/// Our errors say the remedy behind a semicolon; people get it on a line of its own.
pub(crate) fn split(error: &str) -> (String, Option<String>) {
    match error.split_once("; ") {
        Some((message, remedy)) => (message.to_owned(), Some(remedy.to_owned())),
        None => (error.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_keys_and_record_is_no_authority() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let said = |path: &Path| no_authority(path, AuthorityError::NoRecord);
        let missing = said(dir.path());
        assert_eq!(missing.exit, Exit::NotFound);
        assert!(
            missing.message.contains("there is no authority in"),
            "{missing}"
        );
        assert!(
            missing
                .remedy
                .is_some_and(|how| how.contains("--authority DIR"))
        );
        std::fs::write(dir.path().join("root.key"), "").expect("written");
        assert!(said(dir.path()).message.contains("record"));
    }
}
