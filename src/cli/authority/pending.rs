//! `authority pending` and `authority approve`: what two admins have to want.

use serde::Serialize;

use super::words;
use crate::authority::Standing;
use crate::cli::admin::{AdminKey, Desk};
use crate::cli::output::Table;
use crate::cli::policy::{Known, Plan, known, of_proposed, plan_text};
use crate::cli::secret::YesFlag;
use crate::cli::{Context, Failure, Outcome};
use crate::domain::record::Clinic;
use crate::domain::statement::{Proposal, StatementId};

/// Show what is proposed and waits for a second admin
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Pending {
    #[command(flatten)]
    key: AdminKey,
}

/// Approve what another admin has proposed; with this it is in force
///
/// What it changes is shown first, as `policy plan` showed it to whoever proposed it.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Approve {
    /// The proposal, as `authority pending` names it
    #[arg(value_name = "ADMIN:NUMBER")]
    proposal: String,

    #[command(flatten)]
    key: AdminKey,

    #[command(flatten)]
    yes: YesFlag,
}

/// One proposal.
#[derive(Serialize)]
struct Line {
    proposal: String,
    by: String,
    what: String,
    /// What approving it would do.
    plan: Plan,
}

#[derive(Serialize)]
struct Approved {
    proposal: String,
    version: u32,
    plan: Plan,
}

impl Pending {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let lines = context.block_on(async {
            let desk = Desk::open(&self.key, context).await?;
            let known = known(&desk.client).await?;
            let clinic = desk.authority.clinic();
            let all = clinic.pending.iter();
            let lines = all.map(|(id, what)| line(clinic, *id, what, &known));
            Ok::<_, Failure>(lines.collect::<Vec<_>>())
        })?;
        let style = context.output.style();
        context.output.answer(&lines, || {
            if lines.is_empty() {
                return "Nothing waits for a second admin.\n".to_owned();
            }
            let mut table = Table::new(["PROPOSAL", "WHAT"]);
            for line in &lines {
                table.row([line.proposal.clone(), line.what.clone()]);
            }
            let table = table.show(style);
            let plans = lines.iter().map(|line| {
                let title = style.bold(&line.proposal);
                format!("\n{title}\n{}", plan_text(&line.plan, None))
            });
            format!(
                "{table}{}\nAnother admin approves with: clinic-mesh authority approve PROPOSAL\n",
                plans.collect::<String>()
            )
        })
    }
}

impl Approve {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let answer = context.block_on(async {
            let mut desk = Desk::open(&self.key, context).await?;
            let known = known(&desk.client).await?;
            let clinic = desk.authority.clinic();
            let (id, what) = find(clinic, &self.proposal)?;
            let Line { by, what, plan, .. } = line(clinic, id, what, &known);
            let shown = plan_text(&plan, None);
            context
                .output
                .note(&format!("  {by} wants to {what}\n\n{shown}"));
            self.yes.confirm("Approve this?")?;
            let now = context.clock.now();
            let segment = desk.authority.approve_proposal(id, now)?;
            desk.submit(&segment).await?;
            let version = desk.authority.clinic().policy.version;
            let proposal = self.proposal.clone();
            Ok::<_, Failure>(Approved {
                proposal,
                version,
                plan,
            })
        })?;
        context
            .output
            .answer(&answer, || outcome(answer.version, None))
    }
}

/// How a change that takes two is called, until it is approved.
pub(in crate::cli) fn name_of(clinic: &Clinic, standing: &Standing) -> Option<String> {
    match standing {
        Standing::InForce => None,
        Standing::Proposed(id) => Some(named(clinic, *id)),
    }
}

/// What became of a change of policy, in a sentence.
pub(in crate::cli) fn outcome(version: u32, proposal: Option<&str>) -> String {
    match proposal {
        None => format!("Policy version {version} is in force here and spreads to every node.\n"),
        Some(proposal) => format!(
            "This takes two admins. Until another one approves it, version {version} holds:\n\n    \
             clinic-mesh authority approve {proposal}\n"
        ),
    }
}

fn line(clinic: &Clinic, id: StatementId, proposal: &Proposal, known: &Known) -> Line {
    let Proposal::Policy { policy } = proposal;
    Line {
        proposal: named(clinic, id),
        by: admin_name(clinic, id),
        what: words::wanted(clinic, proposal),
        plan: of_proposed(&clinic.policy, policy, known),
    }
}

fn named(clinic: &Clinic, id: StatementId) -> String {
    format!("{}:{}", admin_name(clinic, id), id.seq)
}

fn admin_name(clinic: &Clinic, id: StatementId) -> String {
    let known = clinic.admins.get(&id.author.as_admin());
    known.map_or_else(|| id.author.short(), |admin| admin.grant.name.to_string())
}

/// The proposal of this name; two admins can have one name, then neither is meant.
fn find<'a>(clinic: &'a Clinic, named_so: &str) -> Result<(StatementId, &'a Proposal), Failure> {
    let all = clinic.pending.iter();
    let mut found = all.filter(|(id, _)| named(clinic, **id) == named_so);
    match (found.next(), found.next()) {
        (Some((id, proposal)), None) => Ok((*id, proposal)),
        _ => Err(
            Failure::not_found(format!("no proposal {named_so:?} waits for an approval"))
                .remedy("see them all with `clinic-mesh authority pending`"),
        ),
    }
}
