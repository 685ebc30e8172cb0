//! The policy as a file: every setting with what it means, and the version it was made from.

use std::path::Path;

use toml::{Table, Value};

use super::setting::{SETTINGS, apply};
use crate::cli::Failure;
use crate::domain::policy::Policy;
use crate::platform::files::FileError;

/// The name of the version that a document was made from.
const BASED_ON: &str = "based_on";

/// Longest document in bytes: many times what all settings with their comments take.
const LENGTH_MAX: u64 = 64 * 1024;

/// A policy as somebody wrote it down.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Document {
    /// The version that was in force when it was exported.
    pub(super) based_on: u32,
    /// What it says; its version is `based_on` until it is signed.
    pub(super) policy: Policy,
}

/// The file for the policy in force.
pub(super) fn write(policy: &Policy) -> String {
    let mut text = format!(
        "# The policy of the whole clinic. Change values, look at what that does with\n\
         # `clinic-mesh policy plan FILE`, and sign it with `clinic-mesh policy apply FILE`.\n\n\
         # The version this file was made from; leave it as it is.\n\
         {BASED_ON} = {}\n",
        policy.version
    );
    for setting in &SETTINGS {
        let value = value(&(setting.get)(policy));
        text.push_str(&format!(
            "\n# {}; {}.\n{} = {value}\n",
            setting.about, setting.bounds, setting.name
        ));
    }
    text
}

/// A number stands bare, everything else in quotes.
fn value(text: &str) -> String {
    match text.parse::<u16>() {
        Ok(number) => number.to_string(),
        Err(_) => Value::from(text).to_string(),
    }
}

/// Reads a file.
pub(in crate::cli) fn read(path: &Path) -> Result<Document, Failure> {
    let shown = path.display();
    let failed = |error| FileError::of(path, error);
    let about = std::fs::metadata(path).map_err(failed)?;
    if about.len() > LENGTH_MAX {
        let why = format!("{shown} is longer than {LENGTH_MAX} bytes: it is no policy");
        return Err(Failure::refused(why));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    parse(&text).map_err(|why| {
        Failure::refused(format!("{shown}: {why}"))
            .remedy("`clinic-mesh policy export` writes a whole document to begin with")
    })
}

/// The document of the policy that a clinic begins with: for whoever tries documents with hostile bytes.
pub fn initial() -> String {
    write(&Policy::initial())
}

/// The document that is written for what `text` says; `None` if it says no policy.
pub fn reread(text: &str) -> Option<String> {
    let Document { policy, .. } = parse(text).ok()?;
    Some(write(&policy))
}

/// Reads a whole document: every setting once, nothing else, all inside the bounds.
fn parse(text: &str) -> Result<Document, String> {
    let mut table: Table = text.parse().map_err(|why| format!("{why}"))?;
    let based_on = table
        .remove(BASED_ON)
        .ok_or(format!("{BASED_ON} is missing"))?;
    let based_on = based_on
        .as_integer()
        .and_then(|number| u32::try_from(number).ok())
        .ok_or(format!("{BASED_ON} is not a version"))?;
    let mut policy = Policy::initial();
    for setting in &SETTINGS {
        let name = setting.name;
        let value = table.remove(name).ok_or(format!("{name} is missing"))?;
        let value = plain(&value).ok_or(format!("{name} is neither a number nor a text"))?;
        apply(&mut policy, &format!("{name}={value}"))?;
    }
    if let Some(unknown) = table.keys().next() {
        return Err(format!("there is no setting {unknown:?}"));
    }
    policy.version = based_on;
    policy.check().map_err(|why| why.to_string())?;
    Ok(Document { based_on, policy })
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Integer(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Array(_)
        | Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(from: &str, to: &str) -> Result<Document, String> {
        let text = write(&Policy::initial());
        assert!(text.contains(from), "{from} in {text}");
        parse(&text.replacen(from, to, 1))
    }

    #[test]
    fn what_is_exported_is_read_back() {
        let mut policy = Policy::initial();
        policy.version = 7;
        policy.networks = vec![
            "10.0.0.0/8".parse().expect("one"),
            "fd00::/8".parse().expect("one"),
        ];
        let document = parse(&write(&policy)).expect("whole");
        assert_eq!((document.based_on, document.policy), (7, policy));
    }

    #[test]
    fn every_setting_stands_there_with_what_it_means_and_its_bounds() {
        let text = write(&Policy::initial());
        for setting in &SETTINGS {
            for said in [setting.name, setting.about, setting.bounds] {
                assert!(text.contains(said), "{said} in {text}");
            }
        }
    }

    #[test]
    fn a_document_is_whole_and_has_nothing_else() {
        for (from, to, said) in [
            ("based_on = 1\n", "", "based_on is missing"),
            ("based_on = 1", "based_on = -1", "based_on is not a version"),
            ("room_days = 30\n", "", "room_days is missing"),
            ("room_days = 30", "room_days = true", "room_days is neither"),
            ("room_days = 30", "room_days = 0", "between 1 and 3653"),
            (
                "room_days = 30",
                "room_days = 30\nroom_days = 31",
                "duplicate key",
            ),
            (
                "room_days = 30",
                "room_days = 30\nroom_weeks = 4",
                "no setting \"room_weeks\"",
            ),
            ("\"any\"", "\"10.0.0.1\"", "network"),
        ] {
            let why = changed(from, to).expect_err(said);
            assert!(why.contains(said), "{said:?} in {why:?}");
        }
    }
}
