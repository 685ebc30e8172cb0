//! `staff suspend` and `staff reinstate`.

use serde::Serialize;

use crate::cli::admin::{AdminKey, Desk, staff};
use crate::cli::secret::NeedlessYes;
use crate::cli::{Context, Failure, Outcome};

/// Keep a staff member from signing in, everywhere, until reinstated
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Suspend {
    /// Name or id
    staff: String,

    #[command(flatten)]
    key: AdminKey,

    #[command(flatten)]
    _yes: NeedlessYes,
}

/// Let a suspended staff member sign in again
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Reinstate {
    /// Name or id
    staff: String,

    #[command(flatten)]
    key: AdminKey,

    #[command(flatten)]
    _yes: NeedlessYes,
}

#[derive(Serialize)]
struct Answer {
    staff: String,
    name: String,
    suspended: bool,
}

impl Suspend {
    pub(in crate::cli) fn run(&self, context: &Context) -> Outcome {
        set(context, &self.key, &self.staff, true)
    }
}

impl Reinstate {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        set(context, &self.key, &self.staff, false)
    }
}

fn set(context: &Context, key: &AdminKey, named: &str, suspended: bool) -> Outcome {
    let answer = context.block_on(async {
        let mut desk = Desk::open(key, context).await?;
        let (id, known) = staff(desk.authority.clinic(), named)?;
        let answer = Answer {
            staff: id.to_string(),
            name: known.facts.name.to_string(),
            suspended,
        };
        let now = context.clock.now();
        let segment = if suspended {
            desk.authority.suspend_staff(id, now)?
        } else {
            desk.authority.reinstate_staff(id, now)?
        };
        desk.submit(&segment).await?;
        Ok::<_, Failure>(answer)
    })?;
    context.output.answer(&answer, || {
        let can = if suspended {
            "cannot sign in any more"
        } else {
            "may sign in again"
        };
        format!("{} {can}.\n", answer.name)
    })
}
