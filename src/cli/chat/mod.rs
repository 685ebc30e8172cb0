//! What staff members do: sign in, read, send, answer, acknowledge, follow.

mod acknowledge;
mod amend;
mod list;
mod login;
mod pick;
mod read;
mod reply;
mod saved;
mod search;
mod send;
mod show;
mod watch;

pub(super) use acknowledge::Acknowledge;
pub(super) use amend::{Amend, Retract};
pub(super) use list::Conversations;
pub(super) use login::{Login, Logout, Password};
pub(super) use read::Read;
pub(super) use reply::Reply;
pub(super) use search::Search;
pub(super) use send::Send;
pub(super) use watch::Watch;

use std::cell::RefCell;
use std::collections::BTreeSet;

use self::saved::{Saved, forget};
use super::Context;
use super::failure::Failure;
use crate::api::client::{Activity, Answer, Client, ClientError};
use crate::api::problem::Code;
use crate::api::status::WarningView;

/// Whose login a command uses.
#[derive(Clone, Debug, Default, clap::Args)]
struct AsFlag {
    /// Whose login to use, when several people are signed in here
    #[arg(
        long = "as",
        value_name = "NAME",
        env = "CLINIC_MESH_AS",
        hide_env_values = true
    )]
    name: Option<String>,
}

/// What there is to say that was not said before; what has passed and comes again is said again.
fn news(said: &mut BTreeSet<String>, warnings: &[WarningView]) -> Vec<String> {
    let fresh = for_everyone(warnings).filter(|warning| !said.contains(&warning.kind));
    let fresh = fresh.map(|warning| format!("WARNING: {} {}", warning.message, warning.remedy));
    let fresh = fresh.collect();
    *said = for_everyone(warnings).map(|one| one.kind.clone()).collect();
    fresh
}

/// As on the page for browsers; the rest is for whoever looks after the clinic.
fn for_everyone(warnings: &[WarningView]) -> impl Iterator<Item = &WarningView> {
    warnings.iter().filter(|warning| warning.everybody)
}

/// Someone who is signed in, and the node.
struct Me<'a> {
    context: &'a Context,
    login: Saved,
    client: Client,
    /// Kinds of warnings that were said and still hold.
    said: RefCell<BTreeSet<String>>,
}

impl<'a> Me<'a> {
    fn find(context: &'a Context, whose: &AsFlag) -> Result<Self, Failure> {
        let login = saved::choose(context, whose.name.as_deref())?;
        let client = context.client().with_token(&login.token);
        let me = Self {
            context,
            login,
            client,
            said: RefCell::default(),
        };
        context.block_on(async {
            me.say_warnings().await;
            Ok(())
        })?;
        Ok(me)
    }

    /// Says what everybody who writes and reads at this node should know, beside what the command prints.
    /// A node that does not answer says so to the command itself.
    async fn say_warnings(&self) {
        let client = self.client.clone().acting(Activity::Background);
        let Ok(status) = client.status().await else {
            return;
        };
        let output = self.context.output;
        for notice in news(&mut self.said.borrow_mut(), &status.warnings) {
            output.note(&output.style().bad(&notice));
        }
    }

    /// Asks the node one thing, with a line of progress if it takes long.
    fn ask<T>(&self, what: &str, work: impl Future<Output = Answer<T>>) -> Result<T, Failure> {
        let progress = self.context.output.progress(what);
        self.context.block_on(async {
            progress
                .during(work)
                .await
                .map_err(|error| self.failure(error))
        })
    }

    /// A login that has ended is forgotten here as well.
    fn failure(&self, error: ClientError) -> Failure {
        let code = match &error {
            ClientError::Problem(problem) => Some(problem.code),
            _ => None,
        };
        let failure = Failure::from(error);
        match code {
            Some(Code::LoginEnded) => {
                forget(self.context, &self.login);
                failure.remedy(format!("clinic-mesh login {:?}", self.login.name))
            }
            // Signing in again would not help.
            Some(Code::LoginWithdrawn) => {
                forget(self.context, &self.login);
                failure
            }
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(kind: &str, everybody: bool) -> WarningView {
        WarningView {
            kind: kind.to_owned(),
            message: format!("About {kind}."),
            remedy: "Look.".to_owned(),
            everybody,
        }
    }

    #[test]
    fn what_is_for_everybody_is_told_once_and_again_when_it_comes_again() {
        let mut said = BTreeSet::new();
        let stale = [
            warning("contact", true),
            warning("grant", false),
            warning("certificate", true),
        ];
        let lines = news(&mut said, &stale);
        assert_eq!(
            lines,
            [
                "WARNING: About contact. Look.",
                "WARNING: About certificate. Look."
            ]
        );
        assert!(news(&mut said, &stale).is_empty(), "once");
        assert!(news(&mut said, &[]).is_empty());
        assert_eq!(news(&mut said, &stale[..1]).len(), 1, "again");
    }
}
