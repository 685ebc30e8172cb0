//! `clinic-mesh room`: named rooms and who is in them.

mod create;
mod list;
mod members;

use clap::Subcommand;

use super::{Context, Outcome};
use crate::cli::admin::staff;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::typed;
use crate::domain::id::StaffId;
use crate::domain::record::Clinic;

/// Named rooms, and who is in them
#[derive(Debug, Subcommand)]
pub(super) enum Room {
    Create(create::Create),
    Add(members::Add),
    Remove(members::Remove),
    List(list::List),
}

impl Room {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        match self {
            Self::Create(command) => command.run(context),
            Self::Add(command) => command.run(context),
            Self::Remove(command) => command.run(context),
            Self::List(command) => command.run(context),
        }
    }
}

/// The ids of the staff members named.
fn people(clinic: &Clinic, named: &[String]) -> Result<Vec<StaffId>, Failure> {
    let found = |one: &String| match staff(clinic, one) {
        Ok((id, _)) => Ok(id),
        Err(why) => Err(no_staff(clinic, one, why)),
    };
    named.iter().map(found).collect()
}

/// Admins and staff are two lists; whoever is on the first alone is in no room.
fn no_staff(clinic: &Clinic, named: &str, why: Failure) -> Failure {
    let mut admins = clinic.admins.values();
    let is_admin = admins.any(|admin| admin.last.is_none() && admin.grant.name.as_str() == named);
    if why.exit != Exit::NotFound || !is_admin {
        return why;
    }
    Failure::not_found(format!("{named} is an admin, and no staff member")).remedy(format!(
        "admins and staff are two lists; add the person to the second with `clinic-mesh staff add {} --home OFFICE --role ROLE`",
        typed(named)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cert::{Scope, Scopes};
    use crate::domain::testing::SampleClinic;

    #[test]
    fn an_admin_who_is_no_staff_member_hears_that_these_are_two_lists() {
        let mut clinic = SampleClinic::of(["front-desk"]);
        clinic.admin("Sam", Scopes::of([Scope::Staff]));
        clinic.staff("Ana", ["front-desk"]);
        let record = clinic.record();
        let named = |who: &str| people(&record, &[who.to_owned()]);
        assert!(named("Ana").is_ok());
        let admin = named("Sam").expect_err("no staff member");
        assert!(
            admin
                .remedy
                .is_some_and(|how| how.contains("staff add Sam"))
        );
        let nobody = named("Eve").expect_err("nobody");
        assert!(nobody.remedy.is_some_and(|how| how.contains("staff list")));
    }
}
