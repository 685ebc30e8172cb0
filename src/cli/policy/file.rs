//! `policy export`, `check`, `plan` and `apply`: the policy as a file.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::document::{self, Document};
use super::plan::{Plan, plan, text};
use super::setting::SETTINGS;
use crate::cli::admin::{AdminKey, Desk};
use crate::cli::authority::pending;
use crate::cli::output::Table;
use crate::cli::secret::YesFlag;
use crate::cli::{Context, Failure, Outcome};
use crate::domain::policy::Policy;
use crate::platform::files;

/// Write the policy in force to a file, each setting with what it means
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Export {
    /// Where to; the file must not be there yet
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

/// Check a policy file against its bounds; no node is asked
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Check {
    /// The file
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

/// Show what a policy file would change, and what that would destroy
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct PlanFile {
    /// The file
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

/// Sign a policy file, for the whole clinic
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Apply {
    /// The file
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,

    /// The plan's digest, where something is destroyed sooner or somebody is cut off
    #[arg(long, value_name = "DIGEST")]
    plan: Option<String>,

    #[command(flatten)]
    key: AdminKey,

    #[command(flatten)]
    yes: YesFlag,
}

#[derive(Serialize)]
struct Exported {
    file: String,
    version: u32,
}

#[derive(Serialize)]
struct Checked {
    based_on: u32,
}

#[derive(Serialize)]
struct Applied {
    /// The version in force.
    version: u32,
    /// What another admin has to approve, where it takes two.
    proposal: Option<String>,
    plan: Plan,
}

impl Export {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let (policy, _) = context.block_on(super::show::in_force(&context.client()))?;
        files::write_shared(&self.file, document::write(&policy).as_bytes())?;
        let answer = Exported {
            file: self.file.display().to_string(),
            version: policy.version,
        };
        context.output.answer(&answer, || {
            format!("Policy version {} is in {}.\n", answer.version, answer.file)
        })
    }
}

impl Check {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let Document { based_on, policy } = document::read(&self.file)?;
        let style = context.output.style();
        context.output.answer(&Checked { based_on }, || {
            let mut table = Table::new(["SETTING", "VALUE", "WHAT IT IS", "BOUNDS"]);
            for setting in &SETTINGS {
                table.row([
                    setting.name.to_owned(),
                    (setting.get)(&policy),
                    setting.about.to_owned(),
                    setting.bounds.to_owned(),
                ]);
            }
            let table = table.show(style);
            format!("{table}\nEvery setting is inside its bounds; made from version {based_on}.\n")
        })
    }
}

impl PlanFile {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let document = document::read(&self.file)?;
        let client = context.client();
        let plan = context.block_on(async {
            let (policy, _) = super::show::in_force(&client).await?;
            let status = client.status().await?;
            judge(&document, &policy, status.entries)
        })?;
        context
            .output
            .answer(&plan, || text(&plan, &typed(&self.file)))
    }
}

impl Apply {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let document = document::read(&self.file)?;
        let now = context.clock.now();
        let answer = context.block_on(async {
            let mut desk = Desk::open(&self.key, context).await?;
            let held = desk.client.status().await?.entries;
            let plan = judge(&document, &desk.authority.clinic().policy, held)?;
            agreed(&plan, self.plan.as_deref())?;
            context.output.note(&text(&plan, &typed(&self.file)));
            self.yes.confirm("Set this policy?")?;
            let changed = desk.authority.change_policy(document.policy, now)?;
            desk.submit(&changed.segment).await?;
            let clinic = desk.authority.clinic();
            let version = clinic.policy.version;
            let proposal = pending::name_of(clinic, &changed.made);
            Ok(Applied {
                version,
                proposal,
                plan,
            })
        })?;
        context.output.answer(&answer, || {
            pending::outcome(answer.version, answer.proposal.as_deref())
        })
    }
}

/// The plan of a document, if it was made from the policy in force.
fn judge(document: &Document, in_force: &Policy, entries: u64) -> Result<Plan, Failure> {
    let (based_on, version) = (document.based_on, in_force.version);
    if based_on != version {
        let why = format!(
            "the document was made from policy version {based_on}, and version {version} is in force"
        );
        return Err(Failure::refused(why).remedy(
            "somebody else's change would be undone: run `clinic-mesh policy export` again and put \
             yours into that",
        ));
    }
    Ok(plan(in_force, &document.policy, entries))
}

/// Whether what is destroyed was looked at by whoever signs.
fn agreed(plan: &Plan, digest: Option<&str>) -> Result<(), Failure> {
    if plan.changes.is_empty() {
        return Err(Failure::usage("that is the policy in force already"));
    }
    match digest {
        Some(digest) if digest == plan.digest => Ok(()),
        None if !plan.destructive => Ok(()),
        Some(_) => Err(Failure::refused("the digest is another plan's")
            .remedy("look at `clinic-mesh policy plan FILE` and give its digest")),
        None => Err(Failure::refused(
            "this destroys something sooner than so far, or cuts somebody off",
        )
        .remedy("look at `clinic-mesh policy plan FILE` and give its digest with --plan")),
    }
}

/// A path as it is typed: in quotation marks where a shell would take it apart.
fn typed(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    match text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Exit;

    fn document(based_on: u32, room_days: u16) -> Document {
        let mut policy = Policy::initial();
        (policy.version, policy.room_days) = (based_on, room_days);
        Document { based_on, policy }
    }

    fn in_force(version: u32) -> Policy {
        Policy {
            version,
            ..Policy::initial()
        }
    }

    #[test]
    fn a_file_is_named_as_one_types_it() {
        assert_eq!(typed(Path::new("/tmp/new-1.toml")), "/tmp/new-1.toml");
        assert_eq!(typed(Path::new("Ana's new.toml")), r"'Ana'\''s new.toml'");
    }

    #[test]
    fn an_older_document_is_refused_and_it_is_said_why() {
        let refused = judge(&document(3, 7), &in_force(5), 0).expect_err("older");
        assert_eq!(refused.exit, Exit::Refused);
        for said in ["version 3", "version 5"] {
            assert!(refused.message.contains(said), "{refused}");
        }
        assert!(
            judge(&document(6, 7), &in_force(5), 0).is_err(),
            "nor one from nowhere"
        );
        assert!(judge(&document(5, 7), &in_force(5), 0).is_ok());
    }

    #[test]
    fn what_destroys_needs_its_own_plans_digest() {
        let shorter = judge(&document(5, 7), &in_force(5), 0).expect("a plan");
        let other = judge(&document(5, 8), &in_force(5), 0).expect("a plan");
        assert!(agreed(&shorter, None).is_err());
        assert!(agreed(&shorter, Some(&other.digest)).is_err());
        assert!(agreed(&shorter, Some(&shorter.digest)).is_ok());
    }

    #[test]
    fn what_destroys_nothing_needs_none_and_takes_no_wrong_one() {
        let longer = judge(&document(5, 90), &in_force(5), 0).expect("a plan");
        assert!(agreed(&longer, None).is_ok());
        assert!(agreed(&longer, Some("0000000000000000")).is_err());
    }

    #[test]
    fn nothing_to_change_is_no_statement() {
        let same = judge(&document(5, 30), &in_force(5), 0).expect("a plan");
        assert_eq!(agreed(&same, None).expect_err("nothing").exit, Exit::Usage);
    }
}
