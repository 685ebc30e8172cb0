//! `backup restore`: a node on a new machine, as it was.

use super::{About, Sealed, settings};
use crate::cli::failure::Failure;
use crate::cli::node::init::start;
use crate::cli::node::unlock::UnlockArgs;
use crate::cli::node::{make_parents, refuse_unfit};
use crate::cli::secret::YesFlag;
use crate::cli::{Context, Outcome};
use crate::domain::time::WallTime;
use crate::node::{StoreOptions, backup};

/// Make a node from a backup
///
/// The machine takes the place of the one that the backup was made of, which must never run again:
/// revoke it instead if it may still be somewhere. What is over by now is not restored. The settings of
/// the old machine come back as they were, and what of them does not fit this one is said. At its next
/// start the node fetches what it missed from the other offices.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Restore {
    #[command(flatten)]
    sealed: Sealed,
    /// Leave the old machine's settings out: everything is as usual
    #[arg(long)]
    without_settings: bool,
    #[command(flatten)]
    unlock: UnlockArgs,
    #[command(flatten)]
    yes: YesFlag,
}

/// Days after which a backup is old: twice as long as the longest time that a node lets pass between two.
const OLD_DAYS: u64 = 62;

#[derive(serde::Serialize)]
struct Answer {
    #[serde(flatten)]
    about: About,
    /// Lines of node.toml that do not fit this machine.
    look_at: Vec<String>,
}

impl Restore {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        refuse_unfit(context)?;
        refuse_filled(context)?;
        make_parents(context)?;
        let today = self.sealed.today(context)?;
        self.check_clock(context)?;
        let (file, key) = self.sealed.open()?;
        let unlock = self.unlock.chosen()?;
        let progress = context.output.progress("restoring");
        let how = (&StoreOptions::PRODUCT, &unlock);
        let restored = backup::restore(file, &key, today, context.dir(), how)?;
        drop(progress);
        let brought = restored.settings.as_deref();
        let brought = brought.filter(|_| !self.without_settings);
        let look_at = brought.map(|bytes| settings::put_back(bytes, context.dir()));
        let answer = Answer {
            about: About::of(&restored),
            look_at: look_at.transpose()?.unwrap_or_default(),
        };
        context.output.answer(&answer, || {
            let dir = context.dir().display();
            let about = answer
                .about
                .text(restored.head.made_at, context.clock.now());
            let settings = settings_words(brought.is_some(), &answer.look_at);
            format!(
                "{about}\n\nThe node is in {dir}. {settings}{}",
                start(context)
            )
        })
    }
}

impl Restore {
    /// What is over by this machine's clock is left out, and the restored node takes nothing of those days any
    /// more: a clock that is ahead would cost it what is alive, so somebody looks.
    fn check_clock(&self, context: &Context) -> Outcome {
        let (made_at, now) = (self.sealed.made_at()?, context.clock.now());
        match old(made_at, now) {
            None => Ok(()),
            Some(question) => self.yes.confirm(&question),
        }
    }
}

/// What is asked before an old backup is restored.
fn old(made_at: WallTime, now: WallTime) -> Option<String> {
    let days = now.day().0.saturating_sub(made_at.day().0);
    (u64::from(days) > OLD_DAYS).then(|| {
        format!(
            "The backup was made on {}, {days} days ago by this machine's clock, and what is over by now is \
             left out. Is it {} today?",
            made_at.day(),
            now.day()
        )
    })
}

fn settings_words(brought: bool, look_at: &[String]) -> String {
    if !brought {
        return "Its settings are the usual ones; change node.toml there if this machine needs \
                others. "
            .to_owned();
    }
    if look_at.is_empty() {
        return "Its settings are those of the old machine. ".to_owned();
    }
    format!(
        "Its settings are those of the old machine. Look at these in node.toml before it starts:\n\n    {}\n\n",
        look_at.join("\n    ")
    )
}

/// What is in the way is named before the backup is read, and not after.
fn refuse_filled(context: &Context) -> Outcome {
    let filled = std::fs::read_dir(context.dir()).is_ok_and(|mut found| found.next().is_some());
    if !filled {
        return Ok(());
    }
    let refused = format!("{} is not empty", context.dir().display());
    Err(Failure::refused(refused).remedy(
        "move away what is in it, or name another directory with --dir DIR; the backup brings node.toml along",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{NOON, days};

    #[test]
    fn only_a_backup_that_is_older_than_any_node_lets_them_become_is_asked_about() {
        assert_eq!(old(NOON, NOON), None);
        assert_eq!(old(NOON, NOON.plus(days(OLD_DAYS))), None);
        let asked = old(NOON, NOON.plus(days(400))).expect("a clock may be ahead");
        for said in [
            "made on 2026-11-21",
            "400 days ago",
            "Is it 2027-12-26 today?",
        ] {
            assert!(asked.contains(said), "{said} in {asked}");
        }
    }
}
