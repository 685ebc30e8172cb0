//! `clinic-mesh staff`: the people of the clinic.

mod add;
mod change;
mod code;
mod list;
mod logins;
mod suspend;

use clap::Subcommand;

pub(super) use suspend::Suspend;

use super::{Context, Outcome};
use crate::api::clinic::role_name;
use crate::cli::failure::Failure;
use crate::domain::name::Name;
use crate::domain::record::Clinic;
use crate::domain::statement::Role;

/// The people of the clinic, and where they may sign in
#[derive(Debug, Subcommand)]
pub(super) enum Staff {
    Add(add::Add),
    Change(change::Change),
    Code(code::Code),
    Suspend(suspend::Suspend),
    Reinstate(suspend::Reinstate),
    Logins(logins::Logins),
    Logout(logins::Logout),
    List(list::List),
}

impl Staff {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        match self {
            Self::Add(command) => command.run(context),
            Self::Change(command) => command.run(context),
            Self::Code(command) => command.run(context),
            Self::Suspend(command) => command.run(context),
            Self::Reinstate(command) => command.run(context),
            Self::Logins(command) => command.run(context),
            Self::Logout(command) => command.run(context),
            Self::List(command) => command.run(context),
        }
    }
}

const ROLES: [Role; 4] = [
    Role::Clinician,
    Role::FrontDesk,
    Role::Billing,
    Role::Auditor,
];

/// Reads a role; dashes are as good as underscores.
fn role(text: &str) -> Result<Role, String> {
    let wanted = text.replace('-', "_");
    let mut roles = ROLES.into_iter();
    roles
        .find(|role| role_name(*role) == wanted)
        .ok_or_else(|| {
            let shown = |role: &Role| role_name(*role).replace('_', "-");
            let names: Vec<_> = ROLES.iter().map(shown).collect();
            format!("choose among {}", names.join(", "))
        })
}

/// Refuses a home where no node stands: a typing mistake would lock the person out.
fn check_homes(clinic: &Clinic, homes: &[Name]) -> Result<(), Failure> {
    let offices: Vec<_> = clinic
        .members()
        .map(|(_, device)| &device.certificate.office)
        .collect();
    match homes.iter().find(|home| !offices.contains(home)) {
        None => Ok(()),
        Some(unknown) => Err(
            Failure::not_found(format!("there is no node in office {unknown}"))
                .remedy("see the offices with `clinic-mesh device list`, or enrol its node first"),
        ),
    }
}

/// How a one-time sign-in code is handed over.
fn code_text(name: &str, code: &str) -> String {
    format!(
        "\n    {code}\n\n\
         Hand this code to {name}; it works once, within 24 hours, at one of their offices:\n\n    \
         clinic-mesh login \"{name}\" --code\n"
    )
}

/// A one-time code as a program gets it.
#[derive(serde::Serialize)]
struct CodeAnswer {
    staff: String,
    name: String,
    code: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{SampleClinic, name};

    #[test]
    fn a_role_is_read_with_dashes_or_underscores() {
        assert_eq!(role("front-desk"), Ok(Role::FrontDesk));
        assert_eq!(role("front_desk"), Ok(Role::FrontDesk));
        let refused = role("boss").expect_err("no role");
        assert_eq!(
            refused,
            "choose among clinician, front-desk, billing, auditor"
        );
    }

    #[test]
    fn a_home_without_a_node_is_refused() {
        let clinic = SampleClinic::of(["front-desk"]).record();
        assert_eq!(check_homes(&clinic, &[name("front-desk")]), Ok(()));
        assert!(check_homes(&clinic, &[name("front-dask")]).is_err());
    }
}
