//! `device renew`: an admin certifies a machine anew, when no other node could.

use std::time::Duration;

use serde::Serialize;

use crate::cli::admin::{AdminKey, Desk, device};
use crate::cli::secret::YesFlag;
use crate::cli::{Context, Failure, Outcome};

/// Certify a machine anew with the rights it has, when no other node could renew it
///
/// Nodes renew each other by themselves. This is for a clinic in which all of them were off until their
/// certificates had ended: renew the node that this command reaches, and it renews the others.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Renew {
    /// Name, office or id
    device: String,

    /// Sign as of a clock that is DAYS ahead, where the nodes of a drill run with `--days-ahead`
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    days_ahead: u32,

    #[command(flatten)]
    key: AdminKey,

    #[command(flatten)]
    yes: YesFlag,
}

#[derive(Serialize)]
struct Answer {
    device: String,
    name: String,
    certified_until: String,
}

impl Renew {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let answer = context.block_on(async {
            let mut desk = Desk::open(&self.key, context).await?;
            let (id, known) = device(desk.authority.clinic(), &self.device)?;
            let name = known.certificate.name.to_string();
            if known.revocation.is_some() {
                let why = format!("{name} is revoked; enrol the machine again as another device");
                return Err(Failure::refused(why));
            }
            let office = &known.certificate.office;
            self.yes
                .confirm(&format!("Certify {name} of office {office} for 30 days?"))?;
            let ahead = Duration::from_secs(u64::from(self.days_ahead) * 24 * 3600);
            let now = context.clock.now().plus(ahead);
            let (until, segment) = desk.authority.renew_device(id, now)?;
            desk.submit(&segment).await?;
            desk.plan_mesh_keys(context).await;
            Ok(Answer {
                device: id.to_string(),
                name,
                certified_until: until.to_string(),
            })
        })?;
        context.output.answer(&answer, || {
            format!(
                "{} is certified until {}. It hears of that with the clinic record.\n",
                answer.name, answer.certified_until
            )
        })
    }
}
