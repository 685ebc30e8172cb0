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

use self::saved::{Saved, forget};
use super::Context;
use super::failure::Failure;
use crate::api::client::{Answer, Client, ClientError};
use crate::api::problem::Code;

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

/// Someone who is signed in, and the node.
struct Me<'a> {
    context: &'a Context,
    login: Saved,
    client: Client,
}

impl<'a> Me<'a> {
    fn find(context: &'a Context, whose: &AsFlag) -> Result<Self, Failure> {
        let login = saved::choose(context, whose.name.as_deref())?;
        let client = context.client().with_token(&login.token);
        Ok(Self {
            context,
            login,
            client,
        })
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
        let ended =
            matches!(&error, ClientError::Problem(problem) if problem.code == Code::LoginEnded);
        let failure = Failure::from(error);
        if !ended {
            return failure;
        }
        forget(self.context, &self.login);
        failure.remedy(format!("clinic-mesh login {:?}", self.login.name))
    }
}
