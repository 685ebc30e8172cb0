//! `policy set`: shows what changes, and what that destroys, before it is signed.

use serde::Serialize;

use super::setting::{SETTINGS, apply};
use crate::cli::admin::{AdminKey, Desk};
use crate::cli::authority::pending;
use crate::cli::secret::YesFlag;
use crate::cli::{Context, Failure, Outcome};
use crate::domain::policy::Policy;

/// Change settings of the policy, for the whole clinic
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Set {
    /// Settings as NAME=VALUE; see `policy show` for the names
    #[arg(value_name = "NAME=VALUE", required = true)]
    settings: Vec<String>,

    #[command(flatten)]
    key: AdminKey,

    #[command(flatten)]
    yes: YesFlag,
}

/// One setting that changes.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Change {
    setting: &'static str,
    from: String,
    to: String,
}

#[derive(Serialize)]
struct Answer {
    /// The version in force.
    version: u32,
    /// What another admin has to approve, where it takes two.
    proposal: Option<String>,
    changes: Vec<Change>,
}

impl Set {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let now = context.clock.now();
        let answer = context.block_on(async {
            let mut desk = Desk::open(&self.key, context).await?;
            let before = desk.authority.clinic().policy.clone();
            let after = changed(&before, &self.settings)?;
            let changes = changes(&before, &after);
            if changes.is_empty() {
                return Err(Failure::usage("that is the policy in force already"));
            }
            for change in &changes {
                let Change { setting, from, to } = change;
                context.output.note(&format!("  {setting}: {from} → {to}"));
            }
            self.yes.confirm(&question(&before, &after))?;
            let changed = desk.authority.change_policy(after, now)?;
            desk.submit(&changed.segment).await?;
            let clinic = desk.authority.clinic();
            let version = clinic.policy.version;
            let proposal = pending::name_of(clinic, &changed.made);
            Ok(Answer {
                version,
                proposal,
                changes,
            })
        })?;
        context.output.answer(&answer, || {
            pending::outcome(answer.version, answer.proposal.as_deref())
        })
    }
}

fn changed(before: &Policy, settings: &[String]) -> Result<Policy, Failure> {
    let mut after = before.clone();
    for assignment in settings {
        apply(&mut after, assignment).map_err(Failure::usage)?;
    }
    after.check().map_err(Failure::refused)?;
    Ok(after)
}

fn changes(before: &Policy, after: &Policy) -> Vec<Change> {
    let differs =
        |setting: &&super::setting::Setting| (setting.get)(before) != (setting.get)(after);
    let change = |setting: &super::setting::Setting| Change {
        setting: setting.name,
        from: (setting.get)(before),
        to: (setting.get)(after),
    };
    SETTINGS.iter().filter(differs).map(change).collect()
}

/// What a shorter retention means is said before anything is signed.
fn question(before: &Policy, after: &Policy) -> String {
    let shorter = after.direct_days < before.direct_days || after.room_days < before.room_days;
    if shorter {
        return "What is written from now on is destroyed sooner; what was written before keeps its \
                day. Set this policy?"
            .to_owned();
    }
    "Set this policy?".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Exit;

    #[test]
    fn only_what_differs_is_shown_as_a_change() {
        let before = Policy::initial();
        let after = changed(&before, &["room_days=7".into(), "direct_days=30".into()]);
        let after = after.expect("inside the bounds");
        let expected = Change {
            setting: "room_days",
            from: "30".into(),
            to: "7".into(),
        };
        assert_eq!(changes(&before, &after), [expected]);
        assert!(question(&before, &after).contains("destroyed sooner"));
    }

    #[test]
    fn a_value_out_of_bounds_names_the_setting_and_its_limits() {
        let refused = changed(&Policy::initial(), &["audit_days=30".into()]).expect_err("too few");
        assert_eq!(refused.exit, Exit::Refused);
        for said in ["audit_days", "365", "3653", "30"] {
            assert!(refused.message.contains(said), "{refused}");
        }
    }
}
