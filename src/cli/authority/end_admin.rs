//! `authority end-admin`: the root removes an admin.

use serde::Serialize;

use super::undone::undone;
use crate::cli::admin::{AuthorityDir, Desk, RootKey};
use crate::cli::secret::YesFlag;
use crate::cli::{Context, Failure, Outcome};
use crate::domain::id::{AdminId, AuthorId};
use crate::domain::record::Clinic;
use crate::domain::statement::Act;

/// Remove an admin; what that admin signed until this moment goes on counting
///
/// With `--last` it counts up to that number only; what that undoes is said before it is signed. Of an admin
/// who was removed before, `--last` lowers the number.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct EndAdmin {
    /// Name or id of the admin
    admin: String,

    /// Number of the last statement that counts, if what came after it is not to be trusted
    #[arg(long, value_name = "NUMBER")]
    last: Option<u64>,

    #[command(flatten)]
    dir: AuthorityDir,

    #[command(flatten)]
    root: RootKey,

    #[command(flatten)]
    yes: YesFlag,

    /// What the commands beside this one take; refused here with the reason
    #[arg(long = "as", value_name = "ADMIN", hide = true)]
    admin_signs: Option<String>,
}

#[derive(Serialize)]
struct Answer {
    admin: String,
    name: String,
    last: u64,
}

impl EndAdmin {
    pub(in crate::cli) fn run(&self, context: &Context) -> Outcome {
        if self.admin_signs.is_some() {
            return Err(Failure::usage(
                "an admin is removed by the root key; no admin signs for it",
            )
            .remedy("leave --as out, and have the root key's passphrase at hand"));
        }
        let root = self.root.open(&self.dir.path())?;
        let answer = context.block_on(async {
            let mut desk = Desk::of(root, context).await?;
            let (admin, name) = self.find(desk.authority.clinic())?;
            let known = desk.authority.record().head(&AuthorId::from(admin)).seq;
            let last = self.last.unwrap_or(known);
            let now = context.clock.now();
            let after = desk
                .authority
                .foresee(Act::AdminEnded { admin, last }, now)?;
            let undone = undone(desk.authority.clinic(), &after, now);
            if !undone.is_empty() {
                context.output.note(&format!(
                    "What this does everywhere, and for good:\n  {}",
                    undone.join("\n  ")
                ));
            }
            self.yes.confirm(&format!(
                "Remove admin {name} for good, counting {last} of {known} statements?"
            ))?;
            // Whoever was asked took their time.
            let now = context.clock.now();
            let segment = desk.authority.end_admin(admin, Some(last), now)?;
            desk.submit(&segment).await?;
            let admin = admin.to_string();
            Ok::<_, Failure>(Answer { admin, name, last })
        })?;
        context.output.answer(&answer, || {
            format!(
                "{} is no admin any more. Nobody can undo this; a new grant makes a new key.\n",
                answer.name
            )
        })
    }
}

impl EndAdmin {
    /// The admin in office, or one whose statements are to count for less than so far.
    fn find(&self, clinic: &Clinic) -> Result<(AdminId, String), Failure> {
        let in_office = find(clinic, &self.admin);
        let Err(missing) = &in_office else {
            return in_office;
        };
        let ended: Vec<_> = clinic
            .admins
            .iter()
            .filter(|(id, admin)| fits(&self.admin, id, admin.grant.name.as_str()))
            .filter_map(|(id, admin)| Some((*id, admin.grant.name.to_string(), admin.last?)))
            .collect();
        let [(id, name, counted)] = ended.as_slice() else {
            return Err(match ended.len() {
                0 => missing.clone(),
                _ => two(&self.admin),
            });
        };
        match self.last {
            Some(last) if last < *counted => Ok((*id, name.clone())),
            _ => Err(Failure::refused(format!(
                "{name} is removed already, and what {name} signed counts up to number {counted}"
            ))
            .remedy(
                "if some of that is not to be trusted either, give the number of the last one that is with \
                 --last NUMBER; `clinic-mesh authority history` has them",
            )),
        }
    }
}

fn fits(named: &str, id: &AdminId, name: &str) -> bool {
    name == named || id.to_string() == named
}

fn two(named: &str) -> Failure {
    Failure::usage(format!("{named:?} stands for two admins"))
        .remedy("give the id instead; `clinic-mesh authority show --json` has it")
}

/// The admin in office of this name or id.
pub(super) fn find(clinic: &Clinic, named: &str) -> Result<(AdminId, String), Failure> {
    let mut found = clinic
        .admins
        .iter()
        .filter(|(id, admin)| admin.last.is_none() && fits(named, id, admin.grant.name.as_str()));
    match (found.next(), found.next()) {
        (Some((id, admin)), None) => Ok((*id, admin.grant.name.to_string())),
        (None, _) => {
            let was = { clinic.admins.iter() }
                .any(|(id, admin)| fits(named, id, admin.grant.name.as_str()));
            let why = match was {
                true => format!("{named} was removed and is an admin no more"),
                false => format!("there is no admin {named:?}"),
            };
            Err(Failure::not_found(why).remedy("see them all with `clinic-mesh authority show`"))
        }
        (Some(_), Some(_)) => Err(two(named)),
    }
}
