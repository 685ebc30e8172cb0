//! Backups through the API.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::moment::Moment;
use crate::domain::backup::{By, History, Trouble};
use crate::domain::time::WallTime;

/// Whom a backup is to be sealed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// Recipients, as `clinic-mesh backup key` prints them.
    pub to: Vec<String>,
}

/// How a node's backups stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupView {
    /// When the newest whole one was begun; none if none was ever made.
    pub last: Option<Moment>,
    /// Who made it: `schedule` or `command`.
    pub by: Option<String>,
    /// Whether the node opened it after writing and checked every signature in it.
    pub opened: bool,
    /// Its size.
    pub bytes: Option<u64>,
    /// How often the node makes one by itself; none if it does not.
    pub every_hours: Option<u64>,
    /// From when on the newest one is too old.
    pub due: Moment,
    /// The newest try, if it failed and nothing was made since.
    pub failed: Option<BackupFailureView>,
}

/// Why a backup was not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFailureView {
    /// When.
    pub at: Moment,
    /// Why, in a sentence.
    pub why: String,
    /// What to do about it.
    pub remedy: String,
}

impl BackupView {
    /// The view at `now` of what a node remembers that was enrolled at `since`.
    pub fn of(history: &History, every: Option<Duration>, since: WallTime, now: WallTime) -> Self {
        let by = history.last.map(|made| made.by);
        Self {
            last: history.last.map(|made| made.at.into()),
            by: by.map(|by| match by {
                By::Schedule => "schedule".to_owned(),
                By::Command => "command".to_owned(),
            }),
            opened: by == Some(By::Schedule),
            bytes: history.last.map(|made| made.bytes),
            every_hours: every.map(|every| every.as_secs() / 3600),
            due: history.late_from(every, since, now).into(),
            failed: history.failed.map(|failed| BackupFailureView {
                at: failed.at.into(),
                why: trouble(failed.why).0.to_owned(),
                remedy: trouble(failed.why).1.to_owned(),
            }),
        }
    }
}

/// What is said of a node whose backups somebody should look at, and what helps.
pub(super) fn concern(last: Option<WallTime>, failed: Option<Trouble>) -> (String, &'static str) {
    let newest = match last {
        None => "No backup of this node was ever made".to_owned(),
        Some(at) => format!("The newest backup of this node is of {}", at.day()),
    };
    match failed {
        None => (
            format!("{newest}."),
            "Make one with `clinic-mesh backup make`, or let the node do it: [backup] in node.toml.",
        ),
        Some(why) => {
            let (why, remedy) = trouble(why);
            (format!("{newest}, and the last try failed: {why}"), remedy)
        }
    }
}

/// The same of another node, by its place, as it told.
pub(super) fn elsewhere(
    place: &str,
    last: Option<WallTime>,
    failed: Option<Trouble>,
) -> (String, String) {
    let newest = match last {
        None => format!("No backup of {place} is known"),
        Some(at) => format!("The newest backup of {place} is of {}", at.day()),
    };
    let (message, there) = match failed {
        None => (
            format!("{newest}."),
            "make one with `clinic-mesh backup make`, or let the node do it: [backup] in node.toml.",
        ),
        Some(why) => {
            let (why, remedy) = trouble(why);
            let message = format!("{newest}, and the last try failed: {why}");
            (message, remedy)
        }
    };
    let remedy = format!(
        "At that machine: {there} `clinic-mesh inventory` shows the newest backup of every office."
    );
    (message, remedy)
}

/// Why a backup was not made, and what helps.
const fn trouble(why: Trouble) -> (&'static str, &'static str) {
    match why {
        Trouble::NoFolder => (
            "The folder for backups is not there.",
            "Plug in or mount the disk it is on, or correct `folder` under [backup] in node.toml.",
        ),
        Trouble::Folder => (
            "The folder for backups cannot be written to or read.",
            "Look whether the node's user may write there, and whether the disk is well.",
        ),
        Trouble::NoRoom => (
            "There is too little room in the folder for backups.",
            "Make room there, or keep fewer backups (`keep` under [backup] in node.toml).",
        ),
        Trouble::Unsound => (
            "What was written could not be opened again; it was thrown away.",
            "The disk for backups may be failing: use another one.",
        ),
        Trouble::Source => (
            "What the backup is made of could not be read.",
            "Look into the node's log, which says what; its own disk may be failing.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::backup::Made;
    use crate::domain::testing::{NOON, days};

    #[test]
    fn a_view_says_who_made_it_whether_it_was_opened_and_why_the_last_try_failed() {
        let every = Some(Duration::from_secs(24 * 3600));
        let mut history = History::default();
        let never = BackupView::of(&history, None, NOON, NOON);
        assert_eq!((never.last, never.by, never.opened), (None, None, false));
        assert_eq!(never.due, NOON.plus(days(2)).into());
        for (by, opened) in [(By::Schedule, true), (By::Command, false)] {
            let (at, bytes) = (NOON, 9);
            history.made(Made { at, by, bytes });
            let view = BackupView::of(&history, every, NOON, NOON);
            assert_eq!((view.opened, view.every_hours), (opened, Some(24)));
        }
        history.fail(NOON, Trouble::NoFolder);
        let view = BackupView::of(&history, every, NOON, NOON);
        let failed = view.failed.expect("it failed");
        assert!(failed.why.contains("not there") && failed.remedy.contains("mount"));
    }

    #[test]
    fn a_warning_names_the_newest_backup_and_the_trouble() {
        let (never, remedy) = concern(None, None);
        assert!(never.contains("ever made") && remedy.contains("backup make"));
        let (old, remedy) = concern(Some(NOON), Some(Trouble::NoRoom));
        assert!(old.contains(&NOON.day().to_string()) && old.contains("too little room"));
        assert!(remedy.contains("`keep`"));
    }
}
