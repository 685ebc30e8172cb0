//! Logins of this account, kept in files that only it can read.
//!
//! A token opens nothing once the node has restarted or the login has ended, and the socket it is
//! shown at is open to the same account only.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::api::login::LoginAnswer;
use crate::cli::Context;
use crate::cli::failure::{Failure, Outcome};
use crate::platform::files::{self, FileError};

/// Longest file of a login in bytes.
const FILE_MAX: usize = 4096;

/// Most files looked at.
const FILES_MAX: usize = 256;

/// One login.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct Saved {
    pub(super) token: String,
    pub(super) staff: String,
    pub(super) name: String,
}

/// Keeps a login for the commands to come.
pub(super) fn keep(context: &Context, answer: &LoginAnswer) -> Outcome {
    let token = answer.token.clone().ok_or_else(|| {
        Failure::error("the node answered without a token")
            .remedy("is it of this program's version?")
    })?;
    let saved = Saved {
        token,
        staff: answer.staff.clone(),
        name: answer.name.clone(),
    };
    files::ensure_dir(&directory(context))?;
    let bytes = serde_json::to_vec(&saved).map_err(Failure::error)?;
    files::replace(&path(context, &saved), &bytes).map_err(Failure::from)
}

/// Forgets a login that has ended.
pub(super) fn forget(context: &Context, login: &Saved) {
    // If it cannot be removed it still opens nothing.
    let _ = files::remove_and_scrub(&path(context, login));
}

/// The login to use: the one named, or the only one.
pub(super) fn choose(context: &Context, name: Option<&str>) -> Result<Saved, Failure> {
    let mut all = all(context)?;
    if let Some(name) = name {
        let fits =
            |saved: &Saved| saved.name.to_lowercase() == name.to_lowercase() || saved.staff == name;
        all.retain(fits);
    }
    match (all.len(), name) {
        (1, _) => Ok(all.remove(0)),
        (0, None) => Err(Failure::refused("nobody is signed in").remedy("clinic-mesh login NAME")),
        (0, Some(name)) => Err(Failure::refused(format!("{name} is not signed in"))
            .remedy(format!("clinic-mesh login {name:?}"))),
        (_, _) => Err(several(&all)),
    }
}

fn several(all: &[Saved]) -> Failure {
    let names: Vec<&str> = all.iter().map(|saved| saved.name.as_str()).collect();
    Failure::usage(format!(
        "several people are signed in here: {}",
        names.join(", ")
    ))
    .remedy("add --as NAME, or set CLINIC_MESH_AS")
}

fn all(context: &Context) -> Result<Vec<Saved>, Failure> {
    let Ok(entries) = std::fs::read_dir(directory(context)) else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for entry in entries.take(FILES_MAX) {
        let path = entry?.path();
        if path.extension().is_none_or(|end| end != "login") {
            continue;
        }
        match files::read(&path, FILE_MAX) {
            Ok(bytes) => all.extend(serde_json::from_slice::<Saved>(&bytes).ok()),
            Err(FileError::Missing { .. }) => {}
            Err(error) => return Err(Failure::error(error)),
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

fn directory(context: &Context) -> PathBuf {
    context.dir().join("logins")
}

fn path(context: &Context, saved: &Saved) -> PathBuf {
    directory(context).join(format!("{}.login", saved.staff))
}
