//! The command line: nouns then verbs, one folder a noun.
//!
//! Commands that concern the running node go through its API, like every other face. Answers go to
//! standard output, as text for people or with `--json` for programs; everything else goes to
//! standard error. Secrets are typed or read from files, never arguments.

mod admin;
mod audit;
mod authority;
mod backup;
mod chat;
mod client;
mod demo;
mod device;
mod doctor;
mod failure;
mod hints;
mod inventory;
mod manuals;
mod node;
mod output;
mod pictures;
mod policy;
mod revoke;
mod room;
mod secret;
mod staff;
mod web;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use doctor::reread_bundle;
pub use node::reread_settings;
pub use policy::{initial_policy, reread_policy};

pub(crate) use client::Context;
pub(crate) use failure::{Failure, Outcome};
pub(crate) use output::Format;

/// What every help page ends with.
const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  something went wrong
  2  the command line makes no sense
  3  what was named does not exist
  4  refused: not allowed, or turned down by its rules
  5  the node is not running, or its store is locked
  6  the doctor found something wrong
  7  an audit trail was checked and is not whole";

/// The command line of a clinic's messenger.
#[derive(Debug, Parser)]
#[command(
    name = "clinic-mesh",
    version,
    about,
    after_help = EXIT_CODES,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    noun: Noun,
}

/// Flags of every command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Global {
    /// The node's directory
    // The name is its own, because clap knows global arguments by it and commands have directories.
    #[arg(
        long = "dir",
        global = true,
        value_name = "DIR",
        env = "CLINIC_MESH_DIR",
        hide_env_values = true,
        value_hint = clap::ValueHint::DirPath,
        help_heading = "Options of every command"
    )]
    node_dir: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true, help_heading = "Options of every command")]
    json: bool,
    /// Print nothing but the answer
    #[arg(long, short, global = true, help_heading = "Options of every command")]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Noun {
    Login(chat::Login),
    Logout(chat::Logout),
    Password(chat::Password),
    Conversations(chat::Conversations),
    Read(chat::Read),
    Send(chat::Send),
    Reply(chat::Reply),
    Search(chat::Search),
    Amend(chat::Amend),
    Retract(chat::Retract),
    Watch(chat::Watch),
    Acknowledge(chat::Acknowledge),
    #[command(subcommand)]
    Audit(audit::Audit),
    #[command(subcommand)]
    Backup(backup::Backup),
    #[command(subcommand)]
    Authority(authority::Authority),
    #[command(subcommand)]
    Device(device::Device),
    #[command(subcommand)]
    Staff(staff::Staff),
    #[command(subcommand)]
    Room(room::Room),
    #[command(subcommand)]
    Policy(policy::Policy),
    #[command(subcommand)]
    Revoke(revoke::Revoke),
    Inventory(inventory::Inventory),
    #[command(subcommand)]
    Web(web::Web),
    #[command(subcommand)]
    Node(node::Node),
    Doctor(doctor::Doctor),
    Demo(demo::Demo),
    Completions(manuals::Completions),
    Man(manuals::Man),
}

/// What reads the command line.
fn parser() -> clap::Command {
    Cli::command()
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let mut parser = parser();
    let matches = parser.get_matches_mut();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let context = Context::new(&cli.global, hints::InUse::of(&parser, &matches));
    match dispatch(cli.noun, &context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let failure = context.in_use.fill_remedy(failure);
            output::print_failure(&failure);
            failure.exit_code()
        }
    }
}

fn dispatch(noun: Noun, context: &Context) -> Outcome {
    match noun {
        Noun::Login(command) => command.run(context),
        Noun::Logout(command) => command.run(context),
        Noun::Password(command) => command.run(context),
        Noun::Conversations(command) => command.run(context),
        Noun::Read(command) => command.run(context),
        Noun::Send(command) => command.run(context),
        Noun::Reply(command) => command.run(context),
        Noun::Search(command) => command.run(context),
        Noun::Amend(command) => command.run(context),
        Noun::Retract(command) => command.run(context),
        Noun::Watch(command) => command.run(context),
        Noun::Acknowledge(command) => command.run(context),
        Noun::Audit(command) => command.run(context),
        Noun::Backup(command) => command.run(context),
        Noun::Authority(command) => command.run(context),
        Noun::Device(command) => command.run(context),
        Noun::Staff(command) => command.run(context),
        Noun::Room(command) => command.run(context),
        Noun::Policy(command) => command.run(context),
        Noun::Revoke(command) => command.run(context),
        Noun::Inventory(command) => command.run(context),
        Noun::Web(command) => command.run(context),
        Noun::Node(command) => command.run(context),
        Noun::Doctor(command) => command.run(context),
        Noun::Demo(command) => command.run(context),
        Noun::Completions(command) => command.run(context),
        Noun::Man(command) => command.run(context),
    }
}

#[cfg(test)]
mod tests;
