//! `authority end-admin`: the root removes an admin.

use serde::Serialize;

use crate::cli::admin::{AuthorityDir, Desk, RootKey};
use crate::cli::secret::YesFlag;
use crate::cli::{Context, Failure, Outcome};
use crate::domain::id::{AdminId, AuthorId};
use crate::domain::record::Clinic;

/// Remove an admin; what that admin signed until this moment goes on counting
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
            let (admin, name) = find(desk.authority.clinic(), &self.admin)?;
            let known = desk.authority.record().head(&AuthorId::from(admin)).seq;
            let last = self.last.unwrap_or(known);
            self.yes.confirm(&format!(
                "Remove admin {name} for good, counting {last} of {known} statements?"
            ))?;
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

/// The admin in office of this name or id.
pub(super) fn find(clinic: &Clinic, named: &str) -> Result<(AdminId, String), Failure> {
    let fits = |id: &AdminId, name: &str| name == named || id.to_string() == named;
    let mut found = clinic
        .admins
        .iter()
        .filter(|(id, admin)| admin.last.is_none() && fits(id, admin.grant.name.as_str()));
    match (found.next(), found.next()) {
        (Some((id, admin)), None) => Ok((*id, admin.grant.name.to_string())),
        (None, _) => Err(Failure::not_found(format!("there is no admin {named:?}"))
            .remedy("see them all with `clinic-mesh authority show`")),
        (Some(_), Some(_)) => Err(Failure::usage(format!("{named:?} stands for two admins"))
            .remedy("give the id instead; `clinic-mesh authority show --json` has it")),
    }
}
