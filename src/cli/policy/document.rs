//! The policy as a file: every setting with what it means, and the version it was made from.

use std::path::Path;

use toml::{Table, Value};

use super::near::nearest;
use super::setting::{SETTINGS, Setting, apply, remedy};
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

/// What is wrong with a document.
#[derive(Debug)]
struct Wrong {
    why: String,
    /// The setting whose value it is.
    setting: Option<&'static str>,
}

impl From<String> for Wrong {
    fn from(why: String) -> Self {
        Self { why, setting: None }
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
    parse(&text).map_err(|Wrong { why, setting }| {
        let remedy = setting.map_or_else(
            || "`clinic-mesh policy export` writes a whole document to begin with".to_owned(),
            remedy,
        );
        Failure::refused(format!("{shown}: {why}")).remedy(remedy)
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
fn parse(text: &str) -> Result<Document, Wrong> {
    let mut table: Table = text.parse().map_err(|why| format!("{why}"))?;
    // Before anything is missing: that may be what a misspelt name stands for.
    if let Some(unknown) = table.keys().find(|key| !is_known(key)) {
        return Err(misspelt(text, unknown).into());
    }
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
        let wrong = |why| Wrong {
            why,
            setting: Some(name),
        };
        let value = plain(setting, &value).ok_or_else(|| wrong(form(setting, &value)))?;
        apply(&mut policy, &format!("{name}={value}")).map_err(wrong)?;
    }
    policy.version = based_on;
    policy.check().map_err(|why| Wrong {
        why: why.to_string(),
        setting: Some(why.setting()),
    })?;
    Ok(Document { based_on, policy })
}

fn names() -> impl Iterator<Item = &'static str> {
    let settings = SETTINGS.iter().map(|setting| setting.name);
    settings.chain(std::iter::once(BASED_ON))
}

fn is_known(key: &str) -> bool {
    names().any(|name| name == key)
}

/// What is said of a name that no setting has.
fn misspelt(text: &str, unknown: &str) -> String {
    let begins = |line: &str| {
        line.trim_start_matches([' ', '\t', '"', '\'', '['])
            .starts_with(unknown)
    };
    let line = text.lines().position(begins);
    let line = line.map_or_else(String::new, |line| format!("line {}: ", line + 1));
    let near = nearest(unknown, names());
    let near = near.map_or_else(String::new, |name| format!(", the nearest is {name}"));
    format!("{line}there is no setting {unknown:?}{near}")
}

/// A value as `policy set` takes it: also as TOML says a switch or a list by itself.
fn plain(setting: &Setting, value: &Value) -> Option<String> {
    match value {
        Value::Integer(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Boolean(on) if setting.is_switch() => {
            Some(if *on { "on" } else { "off" }.to_owned())
        }
        Value::Array(items) if setting.is_list() => listed(items),
        Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Array(_)
        | Value::Table(_) => None,
    }
}

/// The texts of a list with commas between them; an empty list keeps nobody out.
fn listed(items: &[Value]) -> Option<String> {
    if items.is_empty() {
        return Some("any".to_owned());
    }
    let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
    texts.map(|texts| texts.join(","))
}

/// How a setting is written that was written otherwise.
fn form(setting: &Setting, value: &Value) -> String {
    let Setting { name, bounds, .. } = setting;
    let usual = self::value(&(setting.get)(&Policy::initial()));
    let kind = value.type_str();
    format!("{name} is {kind}; write it as in `{name} = {usual}`: {bounds}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::Switch;

    fn changed(from: &str, to: &str) -> Result<Document, Wrong> {
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
            (
                "room_days = 30",
                "room_days = true",
                "room_days is boolean; write it as in `room_days = 30`: 1 to 3653",
            ),
            (
                "\"any\"",
                "[7]",
                "networks is array; write it as in `networks = \"any\"`",
            ),
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
            (
                "room_days = 30",
                "room_dyas = 30",
                "line 11: there is no setting \"room_dyas\", the nearest is room_days",
            ),
            ("\"any\"", "\"10.0.0.1\"", "network"),
        ] {
            let why = changed(from, to).expect_err(said).why;
            assert!(why.contains(said), "{said:?} in {why:?}");
        }
    }

    #[test]
    fn a_switch_and_a_list_may_stand_as_toml_writes_them() {
        let read = |from: &str, to: &str| changed(from, to).expect("natural").policy;
        let printing = read("printing = \"off\"", "printing = true").printing;
        assert_eq!(printing, Switch::On);
        let receipts = read("opened_receipts = \"on\"", "opened_receipts = false");
        assert_eq!(receipts.opened_receipts, Switch::Off);
        let two = read("\"any\"", "[\"10.9.0.0/16\", \"fd00::/8\"]").networks;
        assert_eq!(two.len(), 2);
        assert!(read("\"any\"", "[]").networks.is_empty());
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_with_the_bounds_of_that_setting() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let path = dir.path().join("policy.toml");
        for (from, to, bounds) in [
            ("room_days = 30", "room_days = 0", "1 to 3653"),
            (
                "idle_logoff_minutes = 10",
                "idle_logoff_minutes = 1",
                "2 to 120",
            ),
            (
                "stale_read_only_hours = 336",
                "stale_read_only_hours = 3",
                "stale_warning_hours to 1440",
            ),
        ] {
            let text = write(&Policy::initial()).replacen(from, to, 1);
            std::fs::write(&path, text).expect("written");
            let remedy = read(&path).expect_err(to).remedy.expect("one");
            assert!(remedy.contains(bounds), "{remedy}");
        }
    }
}
