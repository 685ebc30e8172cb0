//! `backup restore`: a node on a new machine, as it was.

use super::{About, Sealed, settings};
use crate::cli::failure::Failure;
use crate::cli::node::unlock::UnlockArgs;
use crate::cli::node::{make_parents, refuse_unfit};
use crate::cli::{Context, Outcome};
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
}

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
            let about = answer.about.text(restored.head.made_at, context.clock.now());
            let settings = settings_words(brought.is_some(), &answer.look_at);
            format!(
                "{about}\n\nThe node is in {dir}. {settings}Start it:\n\n    clinic-mesh --dir {dir} node run\n"
            )
        })
    }
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
