//! `staff add`: a person joins the clinic.

use super::{CodeAnswer, check_homes, code_text, role};
use crate::cli::admin::{AdminKey, Desk};
use crate::cli::{Context, Failure, Outcome};
use crate::domain::name::Name;
use crate::domain::statement::Role;

/// Add a staff member and print the one-time code of their first sign-in
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Add {
    /// Name that colleagues see
    name: Name,

    /// Office where this person may sign in; repeat for several
    #[arg(long = "home", value_name = "OFFICE", required = true)]
    homes: Vec<Name>,

    /// clinician, front-desk, billing or auditor; repeat for several
    #[arg(long = "role", value_name = "ROLE", value_parser = role, required = true)]
    roles: Vec<Role>,

    #[command(flatten)]
    key: AdminKey,
}

impl Add {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let answer = context.block_on(async {
            let mut desk = Desk::open(&self.key, context).await?;
            check_homes(desk.authority.clinic(), &self.homes)?;
            let now = context.clock.now();
            let added = desk.authority.add_staff(
                self.name.clone(),
                self.roles.clone(),
                self.homes.clone(),
                now,
            )?;
            desk.submit(&added.segment).await?;
            desk.plan_mesh_keys(context).await;
            let (staff, secret) = added.made;
            Ok::<_, Failure>(CodeAnswer {
                staff: staff.to_string(),
                name: self.name.to_string(),
                code: secret.code(),
            })
        })?;
        context.output.answer(&answer, || {
            format!(
                "{} is on the staff.\n{}",
                answer.name,
                code_text(&answer.name, &answer.code)
            )
        })
    }
}
