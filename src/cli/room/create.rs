//! `room create`.

use clap::ValueEnum;
use serde::Serialize;

use super::people;
use crate::cli::admin::{AdminKey, Desk};
use crate::cli::{Context, Failure, Outcome};
use crate::domain::name::Name;
use crate::domain::statement::History;

/// Make a named room
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Create {
    /// Name of the room
    name: Name,

    /// Staff member in it; repeat for several
    #[arg(long = "member", value_name = "STAFF")]
    members: Vec<String>,

    /// What a new member sees of the past
    #[arg(long, value_enum, default_value_t = Past::All)]
    history: Past,

    #[command(flatten)]
    key: AdminKey,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Past {
    /// All that retention has left
    All,
    /// Only what is written after they joined
    Nothing,
}

#[derive(Serialize)]
struct Answer {
    room: String,
    name: String,
    members: usize,
}

impl Create {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let history = match self.history {
            Past::All => History::All,
            Past::Nothing => History::Nothing,
        };
        let answer = context.block_on(async {
            let mut desk = Desk::open(&self.key, context).await?;
            let members = people(desk.authority.clinic(), &self.members)?;
            let count = members.len();
            let now = context.clock.now();
            let made = desk
                .authority
                .create_room(self.name.clone(), history, members, now)?;
            desk.submit(&made.segment).await?;
            Ok::<_, Failure>(Answer {
                room: made.made.to_string(),
                name: self.name.to_string(),
                members: count,
            })
        })?;
        context.output.answer(&answer, || {
            let people = if answer.members == 1 {
                "member"
            } else {
                "members"
            };
            format!("Room {} has {} {people}.\n", answer.name, answer.members)
        })
    }
}
