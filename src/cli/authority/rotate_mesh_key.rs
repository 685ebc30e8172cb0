//! `authority rotate-mesh-key`: another mesh key, for a lost laptop and every 90 days.

use serde::Serialize;

use crate::cli::admin::{AdminKey, Desk};
use crate::cli::device::behind;
use crate::cli::secret::YesFlag;
use crate::cli::{Context, Failure, Outcome};

/// Change the mesh key that hides the clinic from strangers
///
/// `device revoke` does this by itself. The three newest keys are accepted, so nobody is cut off who was
/// away for one change or two. Where a node would be locked out, it is named, and the change is asked about.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct RotateMeshKey {
    #[command(flatten)]
    key: AdminKey,

    #[command(flatten)]
    yes: YesFlag,
}

#[derive(Serialize)]
struct Answer {
    mesh_key: u32,
}

impl RotateMeshKey {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let answer = context.block_on(async {
            let mut desk = Desk::open(&self.key, context).await?;
            if let Some(warning) = behind::warning(&desk, None, context.clock.now()).await? {
                context.output.note(&warning);
                self.yes.confirm("Change the mesh key all the same?")?;
            }
            let rotated = desk.authority.rotate_mesh_key(context.clock.now())?;
            let mesh_key = rotated.made.epoch;
            desk.give(&[rotated.segment], &[rotated.made]).await?;
            desk.plan_mesh_keys(context).await;
            Ok::<_, Failure>(Answer { mesh_key })
        })?;
        context.output.answer(&answer, || {
            format!(
                "Mesh key {} is in use; every connected node has it, others get it when they come back.\n",
                answer.mesh_key
            )
        })
    }
}
