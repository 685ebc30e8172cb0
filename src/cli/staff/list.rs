//! `staff list`.

use crate::cli::output::Table;
use crate::cli::{Context, Outcome};

/// List the staff
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct List {}

impl List {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let client = context.client();
        let clinic = context.block_on(async { Ok(client.clinic().await?) })?;
        let style = context.output.style();
        context.output.answer(&clinic.staff, || {
            let mut table = Table::new(["NAME", "ROLES", "HOMES", "STATE", "ID"]);
            for one in &clinic.staff {
                table.row([
                    one.name.clone(),
                    one.roles.join(", "),
                    one.homes.join(", "),
                    if one.suspended { "suspended" } else { "active" }.to_owned(),
                    one.id[..8].to_owned(),
                ]);
            }
            if table.is_empty() {
                return context.typed("Nobody yet; add the first with `clinic-mesh staff add`.");
            }
            table.show(style)
        })
    }
}
