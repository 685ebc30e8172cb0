//! `clinic-mesh authority`: the clinic's keys and who holds them.

mod change_admin;
mod end_admin;
mod finish_root;
mod grant_admin;
mod history;
mod init;
mod page;
pub(super) mod pending;
mod recover;
mod rotate_mesh_key;
mod rotate_root;
mod shares;
mod show;
mod undone;
mod web_ca;
mod words;

use clap::Subcommand;

pub(super) use end_admin::EndAdmin;

use super::{Context, Outcome};

/// The clinic's keys, and who may sign what
#[derive(Debug, Subcommand)]
pub(super) enum Authority {
    Init(init::Init),
    Show(show::Show),
    History(history::History),
    GrantAdmin(grant_admin::GrantAdmin),
    ChangeAdmin(change_admin::ChangeAdmin),
    EndAdmin(end_admin::EndAdmin),
    Pending(pending::Pending),
    Approve(pending::Approve),
    RotateMeshKey(rotate_mesh_key::RotateMeshKey),
    #[command(subcommand)]
    RotateRoot(rotate_root::RotateRoot),
    Recover(recover::Recover),
    #[command(subcommand)]
    Shares(shares::Shares),
    WebCa(web_ca::WebCa),
}

impl Authority {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        match self {
            Self::Init(command) => command.run(context),
            Self::Show(command) => command.run(context),
            Self::History(command) => command.run(context),
            Self::GrantAdmin(command) => command.run(context),
            Self::ChangeAdmin(command) => command.run(context),
            Self::EndAdmin(command) => command.run(context),
            Self::Pending(command) => command.run(context),
            Self::Approve(command) => command.run(context),
            Self::RotateMeshKey(command) => command.run(context),
            Self::RotateRoot(command) => command.run(context),
            Self::Recover(command) => command.run(context),
            Self::Shares(command) => command.run(context),
            Self::WebCa(command) => command.run(context),
        }
    }
}
