//! `demo`: a real little clinic on this machine, from its founding to the proof of a purge.
//!
//! Every office is a process of its own with its own store and keys, and everything is done by the
//! same commands a person would type. The demo believes nothing it has not seen: each step ends in a
//! check, and the exit code is 0 only if all of them held.

mod office;
mod story;
mod view;

use std::path::PathBuf;

use super::Context;
use super::failure::{Failure, Outcome};
use super::output::Style;
use crate::domain::id::hex;
use crate::platform::{entropy, files};

/// Watch a real little clinic come up, lose an office, revoke a device and forget on time
///
/// Three offices run as processes on this machine's loopback, in a temporary directory that is removed
/// at the end. The exit code is 0 only if everything that was shown was true.
#[derive(Debug, clap::Args)]
pub(super) struct Demo {
    /// Leave the clinic running at the end, and say how to talk to it
    #[arg(long)]
    keep: bool,
}

impl Demo {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let dir = scratch()?;
        let stage = Stage {
            dir: dir.clone(),
            style: context.output.style(),
            checks: Vec::new(),
        };
        let told = context.block_on(story::tell(stage, self.keep));
        let kept = self.keep && told.is_ok();
        if !kept {
            // Failing to tidy up does not make what was shown less true.
            let _left_behind = std::fs::remove_dir_all(&dir);
        }
        told
    }
}

/// A directory with a short name: the path of a Unix socket may not be long.
fn scratch() -> Result<PathBuf, Failure> {
    let dir = std::env::temp_dir().join(format!("clinic-{}", hex(&entropy::array::<4>())));
    files::create_dir(&dir).map_err(|error| Failure::error(error.to_string()))?;
    Ok(dir)
}

/// Where the demo plays, and what it has seen.
struct Stage {
    dir: PathBuf,
    style: Style,
    checks: Vec<Check>,
}

/// One thing that had to be true.
struct Check {
    what: String,
    held: Held,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    Yes,
    No,
}

impl Stage {
    /// Announces a part of the story.
    fn part(&self, title: &str) {
        self.say(&format!("\n{}", self.style.bold(title)));
    }

    /// Prints a line of the story.
    fn say(&self, line: &str) {
        view::line(line);
    }

    /// Notes whether something was true.
    fn check(&mut self, what: impl Into<String>, true_: bool) {
        let what = what.into();
        let held = if true_ { Held::Yes } else { Held::No };
        self.say(&format!("  {} {what}", self.mark(held)));
        self.checks.push(Check { what, held });
    }

    fn mark(&self, held: Held) -> String {
        match held {
            Held::Yes => self.style.good("yes"),
            Held::No => self.style.bad("NO "),
        }
    }

    /// The summary, and whether all of it was true.
    fn summary(&self) -> Outcome {
        self.part("Summary");
        for check in &self.checks {
            self.say(&format!("  {} {}", self.mark(check.held), check.what));
        }
        let failed = self
            .checks
            .iter()
            .filter(|check| check.held == Held::No)
            .count();
        if failed > 0 {
            return Err(Failure::error(format!(
                "{failed} of {} did not hold",
                self.checks.len()
            )));
        }
        self.say(&format!("\nAll {} held.", self.checks.len()));
        Ok(())
    }
}
