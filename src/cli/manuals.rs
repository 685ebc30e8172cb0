//! Shell completions and man pages, made from the commands themselves.

use std::path::PathBuf;

use clap::CommandFactory as _;

use super::failure::{Failure, Outcome};
use super::{Cli, Context};

/// Print completions for a shell
///
/// For bash, for example:
///
///   clinic-mesh completions bash > ~/.local/share/bash-completion/completions/clinic-mesh
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Completions {
    /// Which shell
    shell: clap_complete::Shell,
}

impl Completions {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "clinic-mesh", &mut script);
        context.output.text(&String::from_utf8_lossy(&script))
    }
}

/// Write man pages, one a command
///
/// To have `man clinic-mesh` find them:
///
///   clinic-mesh man ~/.local/share/man/man1
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Man {
    /// Where to; the directory is made if it is not there
    #[arg(value_hint = clap::ValueHint::DirPath)]
    directory: PathBuf,
}

impl Man {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let failed = |error| Failure::error(format!("{}: {error}", self.directory.display()));
        std::fs::create_dir_all(&self.directory).map_err(failed)?;
        clap_mangen::generate_to(Cli::command(), &self.directory).map_err(failed)?;
        context
            .output
            .note(&format!("man pages are in {}", self.directory.display()));
        Ok(())
    }
}
