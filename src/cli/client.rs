//! What a command works with: the node's directory, its API, and where answers go.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use super::Global;
use super::failure::{Failure, Outcome};
use super::hints::InUse;
use super::output::{Format, Output};
use crate::api::SOCKET;
use crate::api::client::{Client, ClientError};
use crate::platform::clock::Clock;

/// The place of a command.
#[derive(Debug)]
pub(crate) struct Context {
    dir: PathBuf,
    /// Where answers go.
    pub(crate) output: Output,
    /// The machine's clocks.
    pub(crate) clock: Clock,
    /// The flags that the next command needs as well.
    pub(crate) in_use: InUse,
    /// Whether this command has said that the recovery drill is overdue.
    pub(crate) drill_said: Cell<bool>,
}

impl Context {
    pub(in crate::cli) fn new(global: &Global, in_use: InUse) -> Self {
        Self {
            dir: global.node_dir.clone().unwrap_or_else(default_dir),
            output: Output {
                format: if global.json {
                    Format::Json
                } else {
                    Format::Text
                },
                quiet: global.quiet,
            },
            clock: Clock::start(),
            in_use,
            drill_said: Cell::new(false),
        }
    }

    /// The node's directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Text with commands to type next, each with the flags that this one was called with.
    pub(crate) fn typed(&self, text: &str) -> String {
        self.in_use.fill(text)
    }

    /// Where the running node is reached.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join(SOCKET)
    }

    /// The running node, for what its operator may do.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.socket())
    }

    /// Runs a command that talks to the node, on this thread.
    pub(crate) fn block_on<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(work)
    }

    /// Asks the node one thing and prints the answer, as JSON or as the text that `text` makes.
    pub(crate) fn ask<T: serde::Serialize>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, ClientError>>,
        text: impl FnOnce(&T) -> String,
    ) -> Outcome {
        let progress = self.output.progress(what);
        let answer = self.block_on(async { Ok(progress.during(work).await?) })?;
        self.output.answer(&answer, || text(&answer))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Problem(problem) => problem.into(),
            ClientError::Unreachable { path, source } => unreachable_node(&path, &source),
            ClientError::Broken(_) => {
                Self::error(error).remedy("look at what `clinic-mesh node run` printed last")
            }
        }
    }
}

fn unreachable_node(path: &Path, source: &std::io::Error) -> Failure {
    let place = path.parent().unwrap_or(path).display();
    match source.kind() {
        std::io::ErrorKind::PermissionDenied => Failure::refused(format!(
            "the node in {place} belongs to another account of this machine"
        ))
        .remedy("run the command as that account, or with sudo"),
        std::io::ErrorKind::TimedOut => {
            Failure::unreachable(format!("the node in {place} does not answer"))
                .remedy("look at what `clinic-mesh node run` printed last")
        }
        _ => Failure::unreachable(format!("no node is running in {place}"))
            .remedy("start it with `clinic-mesh node run`, or name its directory with --dir DIR"),
    }
}

/// `/var/lib/clinic-mesh` for a service run by root, else a directory of the account.
fn default_dir() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/clinic-mesh");
    }
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    match (set("XDG_DATA_HOME"), set("HOME")) {
        (Some(data), _) => PathBuf::from(data).join("clinic-mesh"),
        (None, Some(home)) => PathBuf::from(home).join(".local/share/clinic-mesh"),
        (None, None) => PathBuf::from("clinic-mesh"),
    }
}
