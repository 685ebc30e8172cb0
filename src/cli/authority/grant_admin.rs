//! `authority grant-admin`: the root appoints an admin.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::authority::{self, Cost, NewAdmin, WebCa};
use crate::cli::admin::{AdminKey, Desk, RootKey, choose};
use crate::cli::output::typed;
use crate::cli::secret::NeedlessYes;
use crate::cli::{Context, Failure, Outcome};
use crate::domain::cert::{Scope, Scopes};
use crate::domain::enrol::SharedMeshKey;
use crate::domain::id::AdminId;
use crate::domain::name::Name;
use crate::domain::record::Clinic;
use crate::domain::time::WallTime;

/// Appoint an admin: make a key and have the root key sign what it may do
///
/// Needs the root key, and an admin's key that holds the mesh keys to pass on. Where no admin's key is
/// left, the mesh keys come from the running node.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct GrantAdmin {
    /// Name of the coming admin
    name: Name,

    /// What the admin may sign; everything unless given
    #[arg(long, value_name = "SCOPE", value_delimiter = ',', value_parser = scope)]
    may: Vec<Scope>,

    /// Days after which the grant runs out
    #[arg(long, value_name = "DAYS", default_value_t = 3 * 365, value_parser = clap::value_parser!(u32).range(1..=3653))]
    days: u32,

    /// Take the mesh keys from the node: no admin's key is left, or nobody knows its passphrase
    #[arg(long)]
    from_node: bool,

    #[command(flatten)]
    key: AdminKey,

    #[command(flatten)]
    root: RootKey,

    /// Read the coming admin's passphrase from the first line of FILE instead of asking for it
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    new_passphrase_file: Option<PathBuf>,

    #[command(flatten)]
    _yes: NeedlessYes,
}

/// Mesh keys, and the web CA where there is one.
pub(super) type Kept = (Vec<SharedMeshKey>, Option<WebCa>);

pub(super) fn scope(text: &str) -> Result<Scope, String> {
    let mut all = Scopes::ALL.into_iter();
    all.find(|scope| scope.to_string() == text).ok_or_else(|| {
        let names: Vec<_> = Scopes::ALL.iter().map(ToString::to_string).collect();
        format!("choose among {}", names.join(", "))
    })
}

#[derive(Serialize)]
struct Answer {
    admin: String,
    name: String,
    until: crate::api::moment::Moment,
}

impl GrantAdmin {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let path = self.key.dir.path();
        // Before anything is typed, as far as is known here.
        if let Ok(known) = authority::record(&path) {
            self.check_name(&known.clinic())?;
        }
        let passed_on = passed_on(&self.key, self.from_node, &path)?;
        let file = self.new_passphrase_file.as_deref();
        let prompt = format!("Passphrase for admin {}", self.name);
        let passphrase = choose(file, &prompt, "--new-passphrase-file FILE")?;
        let root = self.root.open(&path)?;
        let scopes = if self.may.is_empty() {
            Scopes::of(Scopes::ALL)
        } else {
            Scopes::of(self.may.iter().copied())
        };
        let (admin, not_after) = context.block_on(async {
            let mut desk = Desk::of(root, context).await?;
            self.check_name(desk.authority.clinic())?;
            let (mesh_keys, web_ca) = kept(passed_on, &desk).await?;
            let now = context.clock.now();
            let not_after = now.plus(Duration::from_secs(u64::from(self.days) * 86_400));
            let new = NewAdmin {
                name: self.name.clone(),
                scopes,
                not_after,
                mesh_keys,
                web_ca,
            };
            let changed = desk
                .authority
                .grant_admin(new, &passphrase, Cost::PRODUCT, now)?;
            desk.submit(&changed.segment).await?;
            Ok::<_, Failure>((changed.made, not_after))
        })?;
        self.say(context, &path, admin, not_after)
    }

    /// Two admins of one name could not be told apart, neither by people nor by `--as`.
    fn check_name(&self, clinic: &Clinic) -> Outcome {
        let mut admins = clinic.admins.values();
        let Some(there) =
            admins.find(|admin| admin.last.is_none() && admin.grant.name == self.name)
        else {
            return Ok(());
        };
        let name = &self.name;
        Err(Failure::refused(format!(
            "there is an admin {name} already, granted until {}",
            there.grant.not_after
        ))
        .remedy(format!(
            "to change what that one may sign, or until when, run `clinic-mesh authority change-admin \
             \"{name}\"`; where that key is lost, grant one under another name, such as \"{name} 2\", \
             then remove the old one with `clinic-mesh authority end-admin \"{name}\"`"
        )))
    }

    fn say(&self, context: &Context, path: &Path, admin: AdminId, not_after: WallTime) -> Outcome {
        let answer = Answer {
            admin: admin.to_string(),
            name: self.name.to_string(),
            until: not_after.into(),
        };
        let here = authority::admins(path)?;
        let here: Vec<&str> = here.iter().map(|admin| admin.name.as_str()).collect();
        context.output.answer(&answer, || {
            format!(
                "{} is an admin. The key is in {}.\n\
                 Put the files that bear this name, and the file record, into a directory of their own \
                 on that person's machine, and remove the two key files here.\n{}",
                self.name,
                path.display(),
                whose(&here)
            )
        })
    }
}

/// What is said where commands have to be told whose key signs.
fn whose(here: &[&str]) -> String {
    if here.len() < 2 {
        return String::new();
    }
    let flags: Vec<String> = here
        .iter()
        .map(|name| format!("--as {}", typed(name)))
        .collect();
    format!(
        "As long as the keys of several admins are here, every command that signs asks whose: add {}.\n",
        flags.join(" or ")
    )
}

/// What an admin's files hold for the next; nothing where none is left, and the node is asked.
pub(super) fn passed_on(
    key: &AdminKey,
    from_node: bool,
    path: &Path,
) -> Result<Option<Kept>, Failure> {
    if from_node || key.is_absent(path)? {
        return Ok(None);
    }
    let opened = key.open()?;
    Ok(Some((opened.mesh_keys(), opened.web_ca())))
}

/// What the coming admin gets: an admin's, or what the node has.
pub(super) async fn kept(passed_on: Option<Kept>, desk: &Desk) -> Result<Kept, Failure> {
    match passed_on {
        Some(kept) => Ok(kept),
        None => Ok((desk.client.mesh_keys().await?, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_two_keys_lie_it_is_said_how_one_is_named() {
        assert_eq!(whose(&["Ana"]), "");
        let said = whose(&["Ana", "Robin 2"]);
        assert!(said.contains("add --as Ana or --as 'Robin 2'"), "{said}");
    }
}
