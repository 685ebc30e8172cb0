//! `staff code`: another one-time sign-in code.

use super::{CodeAnswer, code_text};
use crate::cli::admin::{AdminKey, Desk, staff};
use crate::cli::{Context, Failure, Outcome};

/// Print another one-time sign-in code, for a forgotten password or an expired code
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Code {
    /// Name or id
    staff: String,

    #[command(flatten)]
    key: AdminKey,
}

impl Code {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let answer = context.block_on(async {
            let mut desk = Desk::open(&self.key, context).await?;
            let (id, known) = staff(desk.authority.clinic(), &self.staff)?;
            let name = known.facts.name.to_string();
            let now = context.clock.now();
            let reset = desk.authority.reset_sign_in(id, now)?;
            desk.submit(&reset.segment).await?;
            desk.plan_mesh_keys(context).await;
            Ok::<_, Failure>(CodeAnswer {
                staff: id.to_string(),
                name,
                code: reset.made.code(),
            })
        })?;
        context
            .output
            .answer(&answer, || code_text(&answer.name, &answer.code))
    }
}
