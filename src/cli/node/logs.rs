//! Log lines: diagnostics for operators, never contents.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// What is logged unless the environment says otherwise.
///
/// The libraries below us log what is theirs to know; a line of ours is worth a person's time.
const USUAL: &str = "info,libp2p=warn,mdns_sd=error,hyper=warn,yamux=error";

/// Variable that chooses what is logged, in the syntax of `tracing_subscriber::EnvFilter`.
const VARIABLE: &str = "CLINIC_MESH_LOG";

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Look {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Begins to log to standard error.
pub(super) fn start(look: Look) {
    let chosen = std::env::var(VARIABLE).ok();
    let filter = EnvFilter::try_new(chosen.as_deref().unwrap_or(USUAL));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(USUAL));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    // A second start in one process keeps the first.
    let _ = match look {
        Look::Text => lines.try_init(),
        Look::Json => lines.json().flatten_event(true).try_init(),
    };
}
