//! `revoke invitation`: a code that is out stops working.

use serde::Serialize;

use crate::cli::admin::{AdminKey, Desk, invitation};
use crate::cli::device::withdraw;
use crate::cli::secret::NeedlessYes;
use crate::cli::{Context, Failure, Outcome};

/// Cancel an invitation: its code lets nobody in any more
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Withdraw {
    /// Id of the invitation, or the name of the machine it is for
    invitation: String,

    #[command(flatten)]
    key: AdminKey,

    #[command(flatten)]
    _yes: NeedlessYes,
}

#[derive(Serialize)]
struct Answer {
    invitation: String,
    office: String,
    name: String,
}

impl Withdraw {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let answer = context.block_on(async {
            let mut desk = Desk::open(&self.key, context).await?;
            let (id, state) = invitation(desk.authority.clinic(), &self.invitation)?;
            if state.used {
                return Err(
                    Failure::refused("the invitation was used or cancelled before")
                        .remedy("see `clinic-mesh device invitations`"),
                );
            }
            let answer = Answer {
                invitation: id.to_string(),
                office: state.terms.office.to_string(),
                name: state.terms.name.to_string(),
            };
            withdraw(&mut desk, id, context.clock.now()).await?;
            Ok(answer)
        })?;
        context.output.answer(&answer, || {
            format!(
                "The invitation for {} of office {} is cancelled.\n",
                answer.name, answer.office
            )
        })
    }
}
