//! `staff change`: another name, other roles or homes.

use serde::Serialize;

use super::{check_homes, role};
use crate::api::clinic::role_name;
use crate::cli::admin::{AdminKey, Desk, staff};
use crate::cli::{Context, Failure, Outcome};
use crate::domain::name::Name;
use crate::domain::statement::Role;

/// Change a staff member's name, roles or homes; what is not given stays
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Change {
    /// Name or id
    staff: String,

    /// The name from now on
    #[arg(long, value_name = "NAME")]
    name: Option<Name>,

    /// Offices where this person may sign in, in place of those before; repeat for several
    #[arg(long = "home", value_name = "OFFICE")]
    homes: Vec<Name>,

    /// Roles in place of those before; repeat for several
    #[arg(long = "role", value_name = "ROLE", value_parser = role)]
    roles: Vec<Role>,

    #[command(flatten)]
    key: AdminKey,
}

#[derive(Serialize)]
struct Answer {
    staff: String,
    name: String,
    roles: Vec<&'static str>,
    homes: Vec<String>,
}

impl Change {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        if self.name.is_none() && self.homes.is_empty() && self.roles.is_empty() {
            return Err(Failure::usage("nothing to change").remedy("give --name, --home or --role"));
        }
        let answer = context.block_on(async {
            let mut desk = Desk::open(&self.key, context).await?;
            let clinic = desk.authority.clinic();
            let (id, known) = staff(clinic, &self.staff)?;
            check_homes(clinic, &self.homes)?;
            let facts = known.facts.clone();
            let name = self.name.clone().unwrap_or(facts.name);
            let roles = if self.roles.is_empty() {
                facts.roles
            } else {
                self.roles.clone()
            };
            let homes = if self.homes.is_empty() {
                facts.homes
            } else {
                self.homes.clone()
            };
            let answer = Answer {
                staff: id.to_string(),
                name: name.to_string(),
                roles: roles.iter().map(|role| role_name(*role)).collect(),
                homes: homes.iter().map(ToString::to_string).collect(),
            };
            let now = context.clock.now();
            let segment = desk.authority.change_staff(id, name, roles, homes, now)?;
            desk.submit(&segment).await?;
            desk.plan_mesh_keys(context).await;
            Ok::<_, Failure>(answer)
        })?;
        context.output.answer(&answer, || {
            format!(
                "{}: {}, at home in {}.\n",
                answer.name,
                answer.roles.join(", "),
                answer.homes.join(", ")
            )
        })
    }
}
