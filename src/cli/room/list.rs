//! `room list`.

use crate::cli::output::Table;
use crate::cli::{Context, Outcome};

/// List the rooms
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct List {}

impl List {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let client = context.client();
        let clinic = context.block_on(async { Ok(client.clinic().await?) })?;
        let style = context.output.style();
        context.output.answer(&clinic.rooms, || {
            let mut table = Table::new(["ROOM", "MEMBERS", "NEW MEMBERS SEE", "ID"]);
            for room in &clinic.rooms {
                table.row([
                    room.name.clone(),
                    room.members.join(", "),
                    room.history.clone(),
                    room.id[..8].to_owned(),
                ]);
            }
            if table.is_empty() {
                return context
                    .typed("No rooms yet; make the first with `clinic-mesh room create`.");
            }
            table.show(style)
        })
    }
}
