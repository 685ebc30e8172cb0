//! A lock that one process holds on a directory.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Longest process number we read back.
const PID_DIGITS_MAX: u64 = 20;

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Someone else has it.
    #[error("another process holds {path} (pid {pid}); stop it first")]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who has it, as it wrote down itself.
        pid: String,
    },
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// An exclusive lock, given back when dropped or when the process ends in whatever way.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock at once or says who has it.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let refused = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(refused)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(held(path, &file)),
            Err(error) => return Err(refused(error.into())),
        }
        write_pid(&mut file).map_err(refused)?;
        Ok(Self { _file: file })
    }
}

/// Who holds the lock at `path`, by the process number that it wrote down; none if nobody does.
pub fn holder(path: &Path) -> std::io::Result<Option<String>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    // Given back at once, when the file is closed.
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(Errno::WOULDBLOCK) => match held(path, &file) {
            LockError::Held { pid, .. } => Ok(Some(pid)),
            LockError::Io { source, .. } => Err(source),
        },
        Err(error) => Err(error.into()),
    }
}

/// Removes a directory that a process left half made when it, or the machine, went down; one on which a
/// process still works is refused. One that has directories in it was not made by us, and is left alone.
pub fn remove_left(dir: &Path) -> Result<(), LockError> {
    let path = dir.join("lock");
    let refused = |source| LockError::Io {
        path: dir.to_owned(),
        source,
    };
    if let Some(pid) = holder(&path).map_err(refused)? {
        return Err(LockError::Held { path, pid });
    }
    let is_ours = |entries: std::fs::ReadDir| {
        let mut kinds = entries.map(|entry| entry.and_then(|entry| entry.file_type()));
        kinds.all(|kind| kind.is_ok_and(|kind| kind.is_file()))
    };
    if !std::fs::read_dir(dir).is_ok_and(is_ours) {
        return Ok(());
    }
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(refused(error)),
        _ => Ok(()),
    }
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())
}

fn held(path: &Path, file: &File) -> LockError {
    let mut pid = String::new();
    let known = file.take(PID_DIGITS_MAX).read_to_string(&mut pid).is_ok() && !pid.is_empty();
    let pid = if known { pid } else { "unknown".to_owned() };
    LockError::Held {
        path: path.to_owned(),
        pid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_to_come_hears_who_was_first_and_can_enter_once_it_left() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let path = scratch.path().join("lock");
        let first = Lock::take(&path).expect("free");
        match Lock::take(&path) {
            Err(LockError::Held { pid, .. }) => assert_eq!(pid, std::process::id().to_string()),
            other => panic!("{other:?}"),
        }
        let pid = std::process::id().to_string();
        assert_eq!(holder(&path).expect("readable"), Some(pid));
        drop(first);
        assert_eq!(holder(&path).expect("readable"), None);
        Lock::take(&path).expect("free again");
    }

    #[test]
    fn what_a_process_left_goes_and_what_one_works_on_stays() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let dir = scratch.path().join("half-made");
        remove_left(&dir).expect("nothing is there");
        std::fs::create_dir(&dir).expect("room");
        std::fs::write(dir.join("keys"), b"half").expect("room");
        let working = Lock::take(&dir.join("lock")).expect("free");
        assert!(matches!(remove_left(&dir), Err(LockError::Held { .. })));
        assert!(dir.join("keys").exists());
        drop(working);
        std::fs::create_dir(dir.join("letters")).expect("room");
        remove_left(&dir).expect("not ours");
        assert!(dir.join("keys").exists());
        std::fs::remove_dir(dir.join("letters")).expect("empty");
        remove_left(&dir).expect("nobody works on it");
        assert!(!dir.exists());
    }
}
