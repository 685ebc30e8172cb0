//! `backup verify`: whether a backup could be restored.

use super::{About, Sealed};
use crate::cli::{Context, Outcome};
use crate::node::backup;

/// Open a backup and check all of it, without restoring it
///
/// Every log in it is checked against its author's signatures.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Verify {
    #[command(flatten)]
    sealed: Sealed,
}

impl Verify {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let today = self.sealed.today(context)?;
        let (file, key) = self.sealed.open()?;
        let progress = context.output.progress("checking the backup");
        let opened = backup::read(file, &key, today, |_| Ok(()))?;
        drop(progress);
        let about = About::of(&opened);
        context.output.answer(&about, || {
            let text = about.text(opened.head.made_at, context.clock.now());
            format!("{}\n{text}", context.output.style().good("good"))
        })
    }
}
