//! `backup restore`: a node on a new machine, as it was.

use super::{About, Sealed};
use crate::cli::node::unlock::UnlockArgs;
use crate::cli::node::{make_parents, refuse_taken};
use crate::cli::{Context, Outcome};
use crate::node::{StoreOptions, backup};

/// Make a node from a backup
///
/// The machine takes the place of the one that the backup was made of, which must never run again:
/// revoke it instead if it may still be somewhere. What is over by now is not restored. At its next
/// start the node fetches what it missed from the other offices.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Restore {
    #[command(flatten)]
    sealed: Sealed,
    #[command(flatten)]
    unlock: UnlockArgs,
}

impl Restore {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        refuse_taken(context)?;
        make_parents(context)?;
        let today = self.sealed.today(context)?;
        let (file, key) = self.sealed.open()?;
        let unlock = self.unlock.chosen()?;
        let progress = context.output.progress("restoring");
        let how = (&StoreOptions::PRODUCT, &unlock);
        let (head, contents) = backup::restore(file, &key, today, context.dir(), how)?;
        drop(progress);
        let about = About::of(&head, contents);
        context.output.answer(&about, || {
            format!(
                "{}\n\nThe node is in {}. Its settings are the usual ones; change node.toml there if this \
                 machine needs others. Start it:\n\n    clinic-mesh --dir {} node run\n",
                about.text(head.made_at, context.clock.now()),
                context.dir().display(),
                context.dir().display(),
            )
        })
    }
}
