//! `backup drill`: restoring for practice.

use std::time::Instant;

use super::{About, Sealed};
use crate::cli::output::how_long;
use crate::cli::{Context, Outcome};
use crate::domain::id::hex;
use crate::node::{StoreOptions, Unlock, backup};
use crate::platform::{entropy, files};

/// Restore a backup into a scratch directory, say how long it took, and remove it again
///
/// Do it once a year, with the key as it is kept: a backup that nobody has ever restored is a hope.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Drill {
    #[command(flatten)]
    sealed: Sealed,
}

#[derive(serde::Serialize)]
struct Answer {
    #[serde(flatten)]
    about: About,
    seconds: f64,
}

impl Drill {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let begun = Instant::now();
        let today = self.sealed.today(context)?;
        let (file, key) = self.sealed.open()?;
        let name = format!("clinic-mesh-drill-{}", hex(&entropy::array::<8>()));
        let scratch = std::env::temp_dir().join(name);
        files::create_dir(&scratch)?;
        let progress = context.output.progress("restoring for practice");
        // Nobody opens it again, so its key is kept nowhere.
        let unlock = Unlock::KeyFile(entropy::secret::<32>());
        let dir = scratch.join("node");
        let how = (&StoreOptions::PRODUCT, &unlock);
        let restored = backup::restore(file, &key, today, &dir, how);
        std::fs::remove_dir_all(&scratch)?;
        drop(progress);
        let restored = restored?;
        let answer = Answer {
            about: About::of(&restored),
            seconds: begun.elapsed().as_secs_f64(),
        };
        context.output.answer(&answer, || {
            format!(
                "{}\nIt was restored in {}, and removed again.",
                answer
                    .about
                    .text(restored.head.made_at, context.clock.now()),
                how_long(begun.elapsed())
            )
        })
    }
}
