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
        return format!("Not signed in at this node.\n{}", elsewhere(view));
    }
    let mut table = Table::new(["ID", "DOOR", "ADDRESS", "BROWSER", "BEGAN", "LAST USED"]);
    let or_none = |word: &Option<String>| word.clone().unwrap_or_else(|| "-".to_owned());
    for login in &view.logins {
        table.row([
            login.id.clone(),
            login.door.clone(),
            or_none(&login.address),
            or_none(&login.browser),
            at(&login.began),
            at(&login.used),
        ]);
    }
    table.show(style) + &elsewhere(view)
}

/// A node knows of its own logins only.
fn elsewhere(view: &LoginsView) -> String {
    match view.elsewhere.as_slice() {
        [] => String::new(),
        offices => format!(
            "Logins at {} are listed by the nodes there.\n",
            offices.join(", ")
        ),
    }
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
              "door": "browser", "address": "192.0.2.20", "browser": "Firefox on Linux",
              "this": false }
        ], "office": "front-desk", "elsewhere": ["ward-2"]}))
        .expect("logins");
        let text =
            |view: &LoginsView| text(view, |moment| format!("at {}", moment.ms), Style::default());
        let shown = text(&view);
        for said in [
            "00ff",
            "192.0.2.20",
            "Firefox on Linux",
            "at 1",
            "at 2",
            "Logins at ward-2",
        ] {
            assert!(shown.contains(said), "{said} in {shown}");
        }
        let nobody = LoginsView {
            logins: Vec::new(),
            ..view
        };
        assert!(text(&nobody).contains("Not signed in"));
    }
}
