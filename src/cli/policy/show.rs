//! `policy show`.

use super::setting::SETTINGS;
use crate::api::client::Client;
use crate::api::clinic::PolicyView;
use crate::cli::output::Table;
use crate::cli::{Context, Failure, Outcome};
use crate::domain::copy::RecordCopy;
use crate::domain::id::ClinicId;
use crate::domain::policy::Policy;

/// Show the policy in force at the running node
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Show {}

/// The policy in force, checked from the record up, and as the node tells it.
pub(super) async fn in_force(client: &Client) -> Result<(Policy, PolicyView), Failure> {
    let view = client.clinic().await?;
    let id = ClinicId::from_hex(&view.id);
    let id = id.ok_or_else(|| Failure::error("the node names a clinic that cannot be"))?;
    let mut record = RecordCopy::new(id);
    record
        .merge(client.record().await?)
        .map_err(Failure::error)?;
    Ok((record.clinic().policy, view.policy))
}

impl Show {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let client = context.client();
        let (policy, view) = context.block_on(in_force(&client))?;
        let style = context.output.style();
        context.output.answer(&view, || {
            let mut table = Table::new(["SETTING", "VALUE", "WHAT IT IS"]);
            for setting in &SETTINGS {
                table.row([
                    setting.name.to_owned(),
                    (setting.get)(&policy),
                    setting.about.to_owned(),
                ]);
            }
            format!(
                "{}\nPolicy version {}.\n",
                table.show(style),
                policy.version
            )
        })
    }
}
