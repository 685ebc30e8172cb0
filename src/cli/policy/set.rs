//! `policy set`: shows what changes, and what that destroys, before it is signed.

use serde::Serialize;

use super::plan::{Agreed, Known, Plan, agreed, known, plan, question, text};
use super::setting::{apply, remedy};
use crate::cli::admin::{AdminKey, Desk};
use crate::cli::authority::pending;
use crate::cli::output::typed;
use crate::cli::secret::YesFlag;
use crate::cli::{Context, Failure, Outcome};
use crate::domain::policy::Policy;

/// Change settings of the policy, for the whole clinic
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Set {
    /// Settings as NAME=VALUE; see `policy show` for the names
    #[arg(value_name = "NAME=VALUE", required = true)]
    settings: Vec<String>,

    /// The plan's digest, where something is destroyed sooner or somebody is cut off
    #[arg(long, value_name = "DIGEST")]
    plan: Option<String>,

    #[command(flatten)]
    key: AdminKey,

    #[command(flatten)]
    yes: YesFlag,
}

#[derive(Serialize)]
struct Answer {
    /// The version in force.
    version: u32,
    /// What another admin has to approve, where it takes two.
    proposal: Option<String>,
    plan: Plan,
}

/// Who signs a policy, and how they agreed to it.
pub(super) struct Sign<'a> {
    pub(super) key: &'a AdminKey,
    pub(super) yes: YesFlag,
    pub(super) digest: Option<&'a str>,
    /// The command that was given, without the digest.
    pub(super) command: &'a str,
}

impl Set {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let sign = Sign {
            key: &self.key,
            yes: self.yes,
            digest: self.plan.as_deref(),
            command: &context.typed(&command(&self.settings)),
        };
        self::sign(context, &sign, |in_force, known| {
            let after = changed(in_force, &self.settings)?;
            let plan = plan(in_force, &after, known);
            Ok((after, plan))
        })
    }
}

/// Signs the policy that `wanted` makes of the one in force, once its plan was agreed to.
pub(super) fn sign(
    context: &Context,
    how: &Sign<'_>,
    wanted: impl Fn(&Policy, &Known) -> Result<(Policy, Plan), Failure>,
) -> Outcome {
    let answer = context.block_on(async {
        let client = context.client();
        let known = known(&client).await?;
        // Before the passphrase is asked for: nobody should type it in vain.
        let (in_force, _) = super::show::in_force(&client).await?;
        look(context, how, &wanted(&in_force, &known)?.1)?;
        let mut desk = Desk::open(how.key, context).await?;
        // The admin's copy of the record may know a later policy than the node did.
        let (policy, plan) = wanted(&desk.authority.clinic().policy, &known)?;
        if agreed(&plan, how.digest)? == Agreed::Asking {
            how.yes.confirm(&question(&plan))?;
        }
        // Just before the signature: whoever was asked took their time.
        let now = context.clock.now();
        let changed = desk.authority.change_policy(policy, now)?;
        desk.submit(&changed.segment).await?;
        desk.plan_mesh_keys(context).await;
        let clinic = desk.authority.clinic();
        Ok(Answer {
            version: clinic.policy.version,
            proposal: pending::name_of(clinic, &changed.made),
            plan,
        })
    })?;
    context.output.answer(&answer, || {
        pending::outcome(answer.version, answer.proposal.as_deref())
    })
}

/// Shows a plan, and how to agree to it where nobody did.
fn look(context: &Context, how: &Sign<'_>, plan: &Plan) -> Outcome {
    let outcome = agreed(plan, how.digest);
    if !plan.changes.is_empty() {
        let agree = outcome.is_err().then_some(how.command);
        context.output.note(&text(plan, agree));
    }
    outcome.map(drop)
}

/// The command that sets these.
pub(super) fn command(settings: &[String]) -> String {
    let settings: Vec<String> = settings.iter().map(|word| typed(word)).collect();
    format!("clinic-mesh policy set {}", settings.join(" "))
}

/// The policy with these settings changed.
pub(super) fn changed(before: &Policy, settings: &[String]) -> Result<Policy, Failure> {
    let mut after = before.clone();
    for assignment in settings {
        apply(&mut after, assignment).map_err(Failure::usage)?;
    }
    after
        .check()
        .map_err(|why| Failure::refused(&why).remedy(remedy(why.setting())))?;
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Exit;

    #[test]
    fn networks_that_cut_nodes_off_are_not_set_without_their_plans_digest() {
        let before = Policy::initial();
        let after = changed(&before, &["networks=10.9.0.0/16".into()]).expect("inside the bounds");
        let plan = plan(&before, &after, &Known::default());
        let refused = agreed(&plan, None).expect_err("no digest");
        assert_eq!(refused.exit, Exit::Refused);
    }

    #[test]
    fn a_value_out_of_bounds_names_the_setting_and_its_limits() {
        let refused = changed(&Policy::initial(), &["audit_days=30".into()]).expect_err("too few");
        assert_eq!(refused.exit, Exit::Refused);
        for said in ["audit_days", "365", "3653", "30"] {
            assert!(refused.message.contains(said), "{refused}");
        }
        let remedy = refused.remedy.expect("one");
        assert!(
            remedy.contains("audit_days") && remedy.contains("365 to 3653"),
            "{remedy}"
        );
    }
}
