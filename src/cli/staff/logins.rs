//! `staff logins` and `staff logout`.

use crate::api::login::{LoginsEnding, LoginsView};
use crate::api::moment::Moment;
use crate::cli::output::{Style, Table, when};
use crate::cli::{Context, Outcome};

/// List where a staff member is signed in at this node
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Logins {
    /// Name or id
    staff: String,
}

/// End a staff member's logins at this node, at once
///
/// They may sign in again; `staff suspend` keeps them from that, everywhere.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Logout {
    /// Name or id
    staff: String,

    /// Only the login with this id, from `staff logins`
    #[arg(long, value_name = "ID")]
    login: Option<String>,
}

impl Logins {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let client = context.client();
        let view = context.block_on(async { Ok(client.logins_of(&self.staff).await?) })?;
        let (now, style) = (context.clock.now(), context.output.style());
        context.output.answer(&view, || {
            text(&view, |moment| when(moment.wall(), now), style)
        })
    }
}

fn text(view: &LoginsView, at: impl Fn(&Moment) -> String, style: Style) -> String {
    if view.logins.is_empty() {
        return "Not signed in at this node.\n".to_owned();
    }
    let mut table = Table::new(["ID", "DOOR", "BEGAN", "LAST USED"]);
    for login in &view.logins {
        table.row([
            login.id.clone(),
            login.door.clone(),
            at(&login.began),
            at(&login.used),
        ]);
    }
    table.show(style)
}

impl Logout {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let client = context.client();
        let which = LoginsEnding {
            login: self.login.clone(),
        };
        let ending = client.end_logins_of(&self.staff, &which);
        let answer = context.block_on(async { Ok(ending.await?) })?;
        context.output.answer(&answer, || match answer.ended {
            0 => format!("{} was not signed in at this node.\n", self.staff),
            1 => format!("One login of {} at this node has ended.\n", self.staff),
            count => format!(
                "{count} logins of {} at this node have ended.\n",
                self.staff
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_login_is_shown_with_what_ends_it_and_nobody_with_none_is_a_table() {
        let view: LoginsView = serde_json::from_value(serde_json::json!({ "logins": [
            { "id": "00ff", "began": { "iso": "", "ms": 1 }, "used": { "iso": "", "ms": 2 },
              "door": "browser", "this": false }
        ]}))
        .expect("logins");
        let text =
            |view: &LoginsView| text(view, |moment| format!("at {}", moment.ms), Style::default());
        let shown = text(&view);
        for said in ["00ff", "browser", "at 1", "at 2"] {
            assert!(shown.contains(said), "{said} in {shown}");
        }
        assert!(text(&LoginsView { logins: Vec::new() }).contains("Not signed in"));
    }
}
