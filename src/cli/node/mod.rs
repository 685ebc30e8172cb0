//! `clinic-mesh node`: this machine's node.

mod doors;
pub(super) mod init;
mod join;
mod local;
mod logs;
mod request;
mod run;
pub(super) mod settings;
mod status;
pub(super) mod unlock;

pub use settings::reread as reread_settings;

use clap::Subcommand;

use super::{Context, Outcome};
use crate::cli::failure::Failure;
use crate::node::join::BecomeError;
use crate::node::{Store, StoreError};
use crate::web::Socket;

/// This machine's node: make it, let it join, run it, look at it
#[derive(Debug, Subcommand)]
pub(super) enum Node {
    Init(init::Init),
    Request(request::Request),
    Join(join::Join),
    Run(run::Run),
    Status(status::Status),
}

impl Node {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        match self {
            Self::Init(command) => command.run(context),
            Self::Request(command) => command.run(context),
            Self::Join(command) => command.run(context),
            Self::Run(command) => command.run(context),
            Self::Status(command) => command.run(context),
        }
    }
}

/// Refuses a directory that holds a node already, and one in which none could run, before anything is
/// asked or sent.
pub(super) fn refuse_unfit(context: &Context) -> Outcome {
    if Store::exists(context.dir()) {
        return Err(taken(context));
    }
    Socket::check_place(context.dir()).map_err(Failure::refused)
}

/// Whoever makes a node writes its settings last: without them, the power may have gone before the end.
fn taken(context: &Context) -> Failure {
    let dir = context.dir().display();
    if settings::are_kept(context.dir()) {
        return Failure::refused(format!("{dir} holds a node already"))
            .remedy("name another directory with --dir DIR");
    }
    Failure::refused(format!(
        "{dir} holds a node whose making was interrupted, or one that has lost its node.toml"
    ))
    .remedy(format!(
        "if that was `node init`, run it again with the same name and office; else try {}, \
         and if it says that this node is not enrolled, remove the directory, run `clinic-mesh device revoke \
         NAME` at another node should `device list` have it, and begin again",
        context
            .in_use
            .in_dir(context.dir())
            .fill("`clinic-mesh node run`")
    ))
}

/// Makes the directories above the node's; the node's own is made with tight modes later.
pub(super) fn make_parents(context: &Context) -> Outcome {
    match context
        .dir()
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        Some(parent) => Ok(std::fs::create_dir_all(parent)?),
        None => Ok(()),
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let failure = match &error {
            StoreError::Exists { .. } | StoreError::Locked(_) => Self::refused(&error),
            _ => Self::error(&error),
        };
        with_remedy(failure)
    }
}

impl From<BecomeError> for Failure {
    fn from(error: BecomeError) -> Self {
        with_remedy(match error {
            BecomeError::Store(error) => return error.into(),
            BecomeError::NothingPending => Self::not_found(&error),
            BecomeError::Join(_) | BecomeError::Answer(_) | BecomeError::NotAMember => {
                Self::refused(&error)
            }
            BecomeError::Unreadable(_) | BecomeError::Discovery(_) => Self::error(&error),
        })
    }
}

/// Puts the remedy that our errors carry behind a semicolon on a line of its own.
pub(in crate::cli) fn with_remedy(failure: Failure) -> Failure {
    let (message, remedy) = crate::cli::admin::split(&failure.message);
    Failure {
        message,
        remedy,
        ..failure
    }
}
