//! `policy export`, `check`, `plan` and `apply`: the policy as a file.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::document::{self, Document};
use super::plan::{Known, Plan, known, plan, text};
use super::set::{self, Sign};
use super::setting::SETTINGS;
use crate::cli::admin::AdminKey;
use crate::cli::output::{Table, typed_path};
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

/// Show what a policy file, or single settings, would change, and what that would destroy
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct PlanFile {
    /// The file, or settings as for `policy set`
    #[arg(value_name = "FILE|NAME=VALUE", value_hint = clap::ValueHint::FilePath, required = true)]
    what: Vec<String>,
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
    /// Always: what is not valid is refused.
    valid: bool,
    based_on: u32,
    settings: Vec<CheckedSetting>,
}

#[derive(Serialize)]
struct CheckedSetting {
    setting: &'static str,
    value: String,
    /// What a clinic begins with.
    initial: String,
    /// Whether the file says something else than that.
    differs: bool,
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
        let checked = Checked {
            valid: true,
            based_on,
            settings: compared(&policy),
        };
        context.output.answer(&checked, || {
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

/// Every setting beside what a clinic begins with, for no node is asked what is in force.
fn compared(policy: &Policy) -> Vec<CheckedSetting> {
    let first = Policy::initial();
    let compared = SETTINGS.iter().map(|setting| {
        let (value, initial) = ((setting.get)(policy), (setting.get)(&first));
        CheckedSetting {
            setting: setting.name,
            differs: value != initial,
            value,
            initial,
        }
    });
    compared.collect()
}

impl PlanFile {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let document = match self.file() {
            Some(path) => Some(document::read(path)?),
            None => None,
        };
        let client = context.client();
        let plan = context.block_on(async {
            let (policy, _) = super::show::in_force(&client).await?;
            let known = known(&client).await?;
            match &document {
                Some(document) => judge(document, &policy, &known),
                None => Ok(plan(&policy, &set::changed(&policy, &self.what)?, &known)),
            }
        })?;
        context
            .output
            .answer(&plan, || text(&plan, Some(&context.typed(&self.command()))))
    }

    /// The file, unless settings were given: these have a sign of equality, and no file is called so.
    fn file(&self) -> Option<&Path> {
        match self.what.as_slice() {
            [one] if !one.contains('=') || Path::new(one).exists() => Some(Path::new(one)),
            _ => None,
        }
    }

    /// The command that signs what was planned.
    fn command(&self) -> String {
        match self.file() {
            Some(file) => command(file),
            None => set::command(&self.what),
        }
    }
}

impl Apply {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let document = document::read(&self.file)?;
        let sign = Sign {
            key: &self.key,
            yes: self.yes,
            digest: self.plan.as_deref(),
            command: &context.typed(&command(&self.file)),
        };
        set::sign(context, &sign, |in_force, known| {
            let plan = judge(&document, in_force, known)?;
            Ok((document.policy.clone(), plan))
        })
    }
}

fn command(file: &Path) -> String {
    let file = typed_path(file);
    format!("clinic-mesh policy apply {file}")
}

/// The plan of a document, if it was made from the policy in force.
fn judge(document: &Document, in_force: &Policy, known: &Known) -> Result<Plan, Failure> {
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
    Ok(plan(in_force, &document.policy, known))
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
    fn an_older_document_is_refused_and_it_is_said_why() {
        let refused = judge(&document(3, 7), &in_force(5), &Known::default()).expect_err("older");
        assert_eq!(refused.exit, Exit::Refused);
        for said in ["version 3", "version 5"] {
            assert!(refused.message.contains(said), "{refused}");
        }
        assert!(
            judge(&document(6, 7), &in_force(5), &Known::default()).is_err(),
            "nor one from nowhere"
        );
        assert!(judge(&document(5, 7), &in_force(5), &Known::default()).is_ok());
    }

    #[test]
    fn settings_are_told_from_a_file() {
        let asked = |what: &[&str]| PlanFile {
            what: what.iter().map(|word| (*word).to_owned()).collect(),
        };
        let file = asked(&["new.toml"]);
        assert_eq!(file.file(), Some(Path::new("new.toml")));
        assert_eq!(file.command(), "clinic-mesh policy apply new.toml");
        let settings = asked(&["room_days=7", "networks=10.0.0.0/8"]);
        assert_eq!(settings.file(), None);
        assert_eq!(
            settings.command(),
            "clinic-mesh policy set room_days=7 networks=10.0.0.0/8"
        );
    }

    #[test]
    fn a_checked_file_tells_what_differs_from_what_a_clinic_begins_with() {
        let checked = compared(&document(1, 7).policy);
        let differs = checked.iter().filter(|setting| setting.differs);
        let differs: Vec<_> = differs
            .map(|one| (one.setting, &*one.value, &*one.initial))
            .collect();
        assert_eq!(differs, [("room_days", "7", "30")]);
        assert_eq!(checked.len(), SETTINGS.len());
    }
}
