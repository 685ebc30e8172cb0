//! `room add` and `room remove`.

use serde::Serialize;

use super::people;
use crate::cli::admin::{AdminKey, Desk, room};
use crate::cli::{Context, Failure, Outcome};

/// Add staff members to a room
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Add {
    #[command(flatten)]
    change: Change,
}

/// Remove staff members from a room
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Remove {
    #[command(flatten)]
    change: Change,
}

#[derive(Debug, clap::Args)]
struct Change {
    /// Name or id of the room
    room: String,

    /// Name or id of a staff member; repeat for several
    #[arg(long = "member", value_name = "STAFF", required = true)]
    members: Vec<String>,

    #[command(flatten)]
    key: AdminKey,
}

#[derive(Serialize)]
struct Answer {
    room: String,
    name: String,
    members: Vec<String>,
}

#[derive(Clone, Copy)]
enum Way {
    In,
    Out,
}

impl Add {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        self.change.run(context, Way::In)
    }
}

impl Remove {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        self.change.run(context, Way::Out)
    }
}

impl Change {
    fn run(&self, context: &Context, way: Way) -> Outcome {
        let answer = context.block_on(async {
            let mut desk = Desk::open(&self.key, context).await?;
            let clinic = desk.authority.clinic();
            let (id, known) = room(clinic, &self.room)?;
            let name = known.name.to_string();
            let people = people(clinic, &self.members)?;
            let (add, remove) = match way {
                Way::In => (people, Vec::new()),
                Way::Out => (Vec::new(), people),
            };
            let now = context.clock.now();
            let segment = desk.authority.change_members(id, add, remove, now)?;
            desk.submit(&segment).await?;
            Ok::<_, Failure>(Answer {
                room: id.to_string(),
                name,
                members: self.members.clone(),
            })
        })?;
        context.output.answer(&answer, || {
            let (who, room) = (answer.members.join(", "), &answer.name);
            match way {
                Way::In => format!("In room {room} from now on: {who}.\n"),
                Way::Out => format!("Not in room {room} any more: {who}.\n"),
            }
        })
    }
}
