//! Where and how often a node makes backups by itself, and which of its files it keeps there.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::id::DeviceId;
use crate::domain::time::WallTime;
use crate::platform::vault::{RECIPIENTS_MAX, Recipient, VaultError};

/// Longest time between two backups, in hours: 31 days.
///
/// Whatever one office alone holds is lost with its machine back to the last backup.
pub(super) const HOURS_MAX: u32 = 31 * 24;

/// Most backups that are kept: one every day for a year, and then some.
pub(super) const KEEP_MAX: u32 = 400;

/// What the names of whole backups end with.
const ENDING: &str = ".backup";

/// What the names of backups under way end with.
const PART: &str = ".backup.part";

/// A schedule as the settings have it.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Where to.
    pub folder: &'a Path,
    /// Whom they are sealed to.
    pub to: &'a [String],
    /// Hours between two of them.
    pub every_hours: u32,
    /// How many are kept.
    pub keep: u32,
}

/// Where and how often a node makes backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub(super) folder: PathBuf,
    pub(super) to: Vec<Recipient>,
    pub(super) every: Duration,
    pub(super) keep: usize,
}

/// Why a schedule is none.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// Not a whole path.
    #[error("`folder` is {0:?}; write the whole path, from / on")]
    Folder(PathBuf),
    /// Where the node itself lives.
    #[error(
        "`folder` is inside of the node's own directory, with which it would be lost; choose a folder on another disk"
    )]
    Inside,
    /// Not a recipient.
    #[error(transparent)]
    Recipient(#[from] VaultError),
    /// Too often or too seldom.
    #[error("`every_hours` is {0}; choose 1 to {HOURS_MAX}")]
    Every(u32),
    /// None or too many.
    #[error("`keep` is {0}; choose 1 to {KEEP_MAX}")]
    Keep(u32),
}

impl Schedule {
    /// Checks what the settings say, for the node in `dir`. Whether the folder is there shows when it is
    /// used: a disk that is not plugged in must not keep the node from starting.
    pub fn new(plan: Plan<'_>, dir: &Path) -> Result<Self, ScheduleError> {
        if !plan.folder.is_absolute() {
            return Err(ScheduleError::Folder(plan.folder.to_owned()));
        }
        if is_inside(plan.folder, dir) {
            return Err(ScheduleError::Inside);
        }
        if !(1..=HOURS_MAX).contains(&plan.every_hours) {
            return Err(ScheduleError::Every(plan.every_hours));
        }
        if !(1..=KEEP_MAX).contains(&plan.keep) {
            return Err(ScheduleError::Keep(plan.keep));
        }
        Ok(Self {
            folder: plan.folder.to_owned(),
            to: recipients(plan.to)?,
            every: Duration::from_secs(u64::from(plan.every_hours) * 3600),
            keep: plan.keep as usize,
        })
    }
}

/// As the paths are written, and as they lead where links go.
fn is_inside(folder: &Path, dir: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    folder.starts_with(dir) || real(folder).starts_with(real(dir))
}

/// Reads the keys that a backup is to be sealed to, each once.
pub fn recipients(texts: &[String]) -> Result<Vec<Recipient>, VaultError> {
    let mut recipients = Vec::new();
    for text in texts.iter().take(RECIPIENTS_MAX + 1) {
        recipients.push(Recipient::parse(text)?);
    }
    recipients.sort_unstable();
    recipients.dedup();
    if (1..=RECIPIENTS_MAX).contains(&recipients.len()) {
        Ok(recipients)
    } else {
        Err(VaultError::Count(texts.len()))
    }
}

/// The backups of one device in a folder, which may hold those of others as well.
pub(super) struct Shelf<'a> {
    folder: &'a Path,
    prefix: String,
}

impl<'a> Shelf<'a> {
    pub(super) fn new(folder: &'a Path, device: &DeviceId) -> Self {
        let prefix = format!("clinic-mesh-{}-", device.short());
        Self { folder, prefix }
    }

    /// The name of a backup of this moment; names sort by their time.
    pub(super) fn name(&self, at: WallTime) -> String {
        let moment = at.to_string().replace(['-', ':'], "");
        format!("{}{moment}{ENDING}", self.prefix)
    }

    /// Where the backup of this name is while it is being written.
    pub(super) fn part(&self, name: &str) -> PathBuf {
        let stem = name.strip_suffix(ENDING).unwrap_or(name);
        self.folder.join(format!("{stem}{PART}"))
    }

    /// Where the backup of this name is once it is whole.
    pub(super) fn whole(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The whole backups, oldest first.
    pub(super) fn backups(&self) -> io::Result<Vec<String>> {
        let mut names = self.ending_with(ENDING)?;
        names.sort_unstable();
        Ok(names)
    }

    /// The newest whole backup of no later moment than this one.
    ///
    /// A later one is from a clock that was wrong, or somebody else's: it tells nothing of the next.
    pub(super) fn newest(&self, at: WallTime) -> io::Result<Option<String>> {
        let mut names = self.backups()?;
        names.retain(|name| *name <= self.name(at));
        Ok(names.pop())
    }

    /// Takes away what was begun and never finished.
    pub(super) fn remove_parts(&self) -> io::Result<()> {
        for name in self.ending_with(PART)? {
            std::fs::remove_file(self.folder.join(name))?;
        }
        Ok(())
    }

    /// Takes away the oldest backups, so that `keep` remain, of which `made` is one.
    pub(super) fn remove_surplus(&self, made: &str, keep: usize) -> io::Result<()> {
        for name in surplus(self.backups()?, made, keep) {
            std::fs::remove_file(self.folder.join(name))?;
        }
        Ok(())
    }

    /// Files of ours and nobody else's: the whole name is what this node would give.
    fn ending_with(&self, ending: &str) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(self.folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            // A folder or a link of such a name is nothing that a node has written.
            if !entry.file_type()?.is_file() {
                continue;
            }
            let inner = name.strip_prefix(&self.prefix);
            let moment = inner.and_then(|rest| rest.strip_suffix(ending));
            if moment.is_some_and(is_moment) {
                found.push(name);
            }
        }
        Ok(found)
    }
}

/// Whether a text is a moment as the names have it, such as `20261122T101500Z`.
fn is_moment(text: &str) -> bool {
    let like = b"00000000T000000Z";
    let fits = |(found, like): (u8, &u8)| match like {
        b'0' => found.is_ascii_digit(),
        letter => found == *letter,
    };
    text.len() == like.len() && text.bytes().zip(like).all(fits)
}

/// What is too many: the oldest ones, and never the one that was just made.
///
/// What bears a later moment is counted apart, up to `keep` of them: a clock was wrong, then or now, and
/// neither may such files push out those of every day, nor may a clock that was set back lose what was
/// made before.
fn surplus(names: Vec<String>, made: &str, keep: usize) -> Vec<String> {
    let others = names.into_iter().filter(|name| name != made);
    let (mut later, mut earlier): (Vec<String>, Vec<String>) =
        others.partition(|name| **name > *made);
    let oldest = |names: &mut Vec<String>, keep: usize| {
        names.truncate(names.len().saturating_sub(keep));
    };
    oldest(&mut earlier, keep.saturating_sub(1));
    oldest(&mut later, keep);
    earlier.into_iter().chain(later).collect()
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::domain::testing::{NOON, days};
    use crate::platform::vault::BackupKey;

    const DEVICE: DeviceId = DeviceId::new([7; 32]);

    fn to() -> Vec<String> {
        vec![
            BackupKey::new(Zeroizing::new([1; 32]))
                .recipient()
                .to_string(),
        ]
    }

    fn schedule(folder: &str, every_hours: u32, keep: u32) -> Result<Schedule, String> {
        let plan = Plan {
            folder: Path::new(folder),
            to: &to(),
            every_hours,
            keep,
        };
        Schedule::new(plan, Path::new("/var/lib/clinic-mesh")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_schedule_is_refused_by_the_name_of_its_setting() {
        assert!(schedule("/backup", 24, 14).is_ok());
        assert!(schedule("/backup", 1, KEEP_MAX).is_ok());
        assert!(schedule("/var/lib/clinic-mesh-backups", HOURS_MAX, 1).is_ok());
        for (folder, every, keep, named) in [
            ("backup", 24, 14, "`folder`"),
            ("/var/lib/clinic-mesh/backup", 24, 14, "`folder`"),
            ("/backup", 0, 14, "`every_hours`"),
            ("/backup", HOURS_MAX + 1, 14, "`every_hours`"),
            ("/backup", 24, 0, "`keep`"),
            ("/backup", 24, KEEP_MAX + 1, "`keep`"),
        ] {
            let error = schedule(folder, every, keep).expect_err(named);
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn it_is_for_one_to_eight_keys_and_each_counts_once() {
        let one = to();
        assert_eq!(
            recipients(&[one.clone(), one].concat()).map_or(0, |r| r.len()),
            1
        );
        assert!(recipients(&[]).is_err());
        assert!(recipients(&["nobody".to_owned()]).is_err());
    }

    #[test]
    fn only_its_own_backups_are_counted_and_only_the_oldest_go() {
        let folder = tempfile::tempdir().expect("a scratch directory");
        let shelf = Shelf::new(folder.path(), &DEVICE);
        let put = |name: &str| std::fs::write(folder.path().join(name), b"x").expect("written");
        let names: Vec<String> = (0..4).map(|day| shelf.name(NOON.plus(days(day)))).collect();
        names.iter().for_each(|name| put(name));
        let other = Shelf::new(folder.path(), &DeviceId::new([8; 32])).name(NOON);
        let foreign = [
            other.as_str(),
            "notes.backup",
            "clinic-mesh-07070707-x.backup",
        ];
        foreign.iter().for_each(|name| put(name));
        assert_eq!(shelf.backups().expect("read"), names);
        shelf.remove_surplus(&names[3], 2).expect("removed");
        assert_eq!(shelf.backups().expect("read"), names[2..]);
        // The clock was set back: the newest by name is not the one that was just made.
        shelf.remove_surplus(&names[2], 1).expect("removed");
        assert_eq!(shelf.backups().expect("read"), names[2..]);
        assert!(foreign.iter().all(|name| folder.path().join(name).exists()));
    }

    #[test]
    fn backups_of_later_moments_neither_count_as_newest_nor_push_out_those_of_every_day() {
        let folder = tempfile::tempdir().expect("a scratch directory");
        let shelf = Shelf::new(folder.path(), &DEVICE);
        let name = |day| shelf.name(NOON.plus(days(day)));
        // A clock was a year ahead for three days, and is right again for three.
        for day in [365, 366, 367, 1, 2, 3] {
            std::fs::write(folder.path().join(name(day)), b"x").expect("written");
        }
        let newest = shelf.newest(NOON.plus(days(3))).expect("read");
        assert_eq!(newest, Some(name(3)));
        shelf.remove_surplus(&name(3), 2).expect("removed");
        let left = shelf.backups().expect("read");
        assert_eq!(left, [2, 3, 366, 367].map(name));
    }

    #[test]
    fn a_folder_of_a_backups_name_is_no_backup_and_in_nobodys_way() {
        let folder = tempfile::tempdir().expect("a scratch directory");
        let shelf = Shelf::new(folder.path(), &DEVICE);
        let name = shelf.name(NOON);
        for path in [shelf.whole(&name), shelf.part(&name)] {
            std::fs::create_dir(path).expect("room");
        }
        assert!(shelf.backups().expect("read").is_empty());
        shelf.remove_parts().expect("nothing is there");
        let made = shelf.name(NOON.plus(days(1)));
        shelf.remove_surplus(&made, 1).expect("nothing is too many");
        assert!(shelf.whole(&name).exists());
    }

    #[test]
    fn what_was_begun_and_not_finished_goes_and_is_no_backup() {
        let folder = tempfile::tempdir().expect("a scratch directory");
        let shelf = Shelf::new(folder.path(), &DEVICE);
        let part = shelf.part(&shelf.name(NOON));
        std::fs::write(&part, b"x").expect("written");
        assert!(shelf.backups().expect("read").is_empty());
        shelf.remove_parts().expect("removed");
        assert!(!part.exists());
    }
}
