//! Files and directories that nobody else on the machine can read.
//!
//! Whatever the umask, directories are made 0700 and files 0600; one that others can read is
//! refused, because a secret in it may already be known.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fchmod, statfs};

const DIR_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const OTHERS: u32 = 0o077;

/// Why a file or directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Group or others have rights on it.
    #[error("{path} has mode {mode:o}: others could read it; run `chmod {wanted:o} {path}`")]
    Exposed {
        /// The file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode it should have.
        wanted: u32,
    },
    /// Group or others have rights on it, and its file system has none to take away.
    #[error(
        "{path} lies on a file system that keeps no modes, such as FAT: others on this machine could read it; use a \
         disk or stick that was formatted for Linux, such as ext4, best encrypted"
    )]
    NoModes {
        /// The file or directory.
        path: PathBuf,
    },
    /// It is already there and must not be overwritten.
    #[error("{path} already exists; choose another place or move it away")]
    Exists {
        /// The file or directory.
        path: PathBuf,
    },
    /// It is not there.
    #[error("{path} does not exist; check the path")]
    Missing {
        /// The file or directory.
        path: PathBuf,
    },
    /// It is larger than anything we would have written.
    #[error("{path} is longer than {limit} bytes and not a file of ours")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The most it may hold.
        limit: usize,
    },
    /// There is no room for it.
    #[error("there is no room on the disk for {path}; make room there, or write it elsewhere")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FileError {
    /// What the system said of a file, as ours.
    pub fn of(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path },
            io::ErrorKind::AlreadyExists => Self::Exists { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { path, source },
        }
    }

    /// As an I/O error, for callers that speak only those.
    pub fn into_io(self) -> io::Error {
        match self {
            Self::Io { source, .. } => source,
            Self::Full { .. } => io::ErrorKind::StorageFull.into(),
            other => io::Error::other(other),
        }
    }
}

/// Makes a directory that only we can enter, or accepts one that is.
pub fn ensure_dir(path: &Path) -> Result<(), FileError> {
    match create_dir(path) {
        Err(FileError::Exists { .. }) => check_dir(path),
        made => made,
    }
}

/// Makes a directory that only we can enter; refuses one that is there.
pub fn create_dir(path: &Path) -> Result<(), FileError> {
    let made = DirBuilder::new().mode(DIR_MODE).create(path);
    made.and_then(|()| set_mode(&File::open(path)?, DIR_MODE))
        .and_then(|()| sync_parent(path))
        .map_err(|source| FileError::of(path, source))
}

/// Gives a directory its name for good; what is there under that name must be an empty directory.
pub fn move_dir(from: &Path, to: &Path) -> Result<(), FileError> {
    std::fs::rename(from, to)
        .and_then(|()| sync_parent(to))
        .map_err(|source| FileError::of(to, source))
}

/// Refuses a directory that others can enter.
pub fn check_dir(path: &Path) -> Result<(), FileError> {
    let meta = std::fs::metadata(path).map_err(|source| FileError::of(path, source))?;
    check_mode(path, meta.mode(), DIR_MODE)
}

/// Makes an empty file that only we can read; refuses one that is there.
pub fn create(path: &Path) -> Result<File, FileError> {
    open_with(
        path,
        OpenOptions::new().read(true).write(true).create_new(true),
    )
    .map_err(|source| FileError::of(path, source))
}

/// Opens a file to read and write; refuses one that others can read.
pub fn open(path: &Path) -> Result<File, FileError> {
    checked(path, OpenOptions::new().read(true).write(true))
}

/// Reads a whole file of at most `limit` bytes; refuses one that others can read.
pub fn read(path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
    let file = checked(path, OpenOptions::new().read(true))?;
    read_all(path, file, limit)
}

fn read_all(path: &Path, file: File, limit: usize) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| FileError::of(path, source))?;
    if bytes.len() > limit {
        return Err(FileError::TooLong {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(bytes)
}

/// The same of a secret that is carried on a stick to wherever it is needed: where the stick's file system keeps
/// no modes, who can read it there is who can read the stick.
pub fn read_carried(path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
    match read(path, limit) {
        Err(FileError::NoModes { .. }) => read_shared(path, limit),
        read => read,
    }
}

/// Reads a whole file of at most `limit` bytes wherever it lies, such as on a stick, where modes mean
/// nothing. Not for anything secret.
pub fn read_shared(path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(|source| FileError::of(path, source))?;
    read_all(path, file, limit)
}

/// Refuses a path at which no file can be made: one that is taken, or whose directory is not there.
pub fn check_new(path: &Path) -> Result<(), FileError> {
    if path.symlink_metadata().is_ok() {
        let path = path.to_owned();
        return Err(FileError::Exists { path });
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    match parent.map(Path::metadata) {
        Some(Err(source)) => Err(FileError::of(parent.unwrap_or(path), source)),
        _ => Ok(()),
    }
}

/// Writes a file that others may read, such as onto a stick; refuses one that is there.
///
/// On the stick for good when this returns.
pub fn write_shared(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let file = file.map_err(|source| FileError::of(path, source))?;
    fill(path, file, |file| file.write_all(bytes))
}

/// Writes a file that only we can read; refuses one that is there.
///
/// On the disk for good when this returns, and not there at all when it fails.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    fill(path, create(path)?, |file| file.write_all(bytes))
}

/// Fills a file that was just made; half a file is worse than none, so what fails leaves none.
fn fill(
    path: &Path,
    mut file: File,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), FileError> {
    write(&mut file)
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_parent(path))
        .map_err(|source| {
            // What failed is said; that the rest could not be taken away either is not the news.
            let _ = std::fs::remove_file(path);
            FileError::of(path, source)
        })
}

/// Makes an empty file to be written, wherever that is, such as on a stick, where modes mean nothing;
/// refuses one that is there. Where they mean something nobody else can read it.
pub fn create_shared(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(FILE_MODE);
    options.open(path)
}

/// Makes what was written durable, and lets the system forget that it has read it: who reads the file
/// next gets what the disk gives, as far as the system follows the advice.
pub fn settle(file: &File) -> io::Result<()> {
    file.sync_all()?;
    // Advice: a file system that knows none is none the worse.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    Ok(())
}

/// Gives a file its name for good; refuses a name that is taken.
pub fn name_for_good(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    std::fs::rename(from, to)?;
    sync_parent(to)
}

/// Puts a file with these bytes in place of the one that may be there.
///
/// After a power cut at any moment the path holds either the old bytes or the new; when this
/// returns, it holds the new ones for good.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_and_rename(path, bytes).map_err(|source| FileError::of(path, source))
}

/// Like [`replace`], and overwrites what the replaced file held with zeros.
///
/// The overwriting is best effort: a flash disk or a copying file system keeps the old blocks for a
/// while, so what must really be gone has to be sealed under a key that is gone as well.
pub fn replace_and_scrub(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let old = OpenOptions::new().write(true).open(path).ok();
    replace(path, bytes)?;
    if let Some(old) = old {
        // The replacement is durable whatever becomes of this.
        let _ = scrub(old);
    }
    Ok(())
}

/// Overwrites a file with zeros and removes it.
pub fn remove_and_scrub(path: &Path) -> Result<(), FileError> {
    let file = open(path)?;
    let _ = scrub(file);
    std::fs::remove_file(path)
        .and_then(|()| sync_parent(path))
        .map_err(|source| FileError::of(path, source))
}

fn write_and_rename(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let temporary = PathBuf::from(name);
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = open_with(&temporary, OpenOptions::new().write(true).create_new(true))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    sync_parent(path)
}

fn scrub(mut file: File) -> io::Result<()> {
    let zeros = vec![0; usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX)];
    file.write_all(&zeros)?;
    file.sync_all()
}

fn checked(path: &Path, options: &mut OpenOptions) -> Result<File, FileError> {
    let refused = |source| FileError::of(path, source);
    let file = options
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(path)
        .map_err(refused)?;
    check_mode(path, file.metadata().map_err(refused)?.mode(), FILE_MODE)?;
    Ok(file)
}

fn open_with(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = options.mode(FILE_MODE).open(path)?;
    set_mode(&file, FILE_MODE)?;
    Ok(file)
}

fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    Ok(fchmod(file, Mode::from_raw_mode(mode))?)
}

fn check_mode(path: &Path, mode: u32, wanted: u32) -> Result<(), FileError> {
    if mode & OTHERS == 0 {
        return Ok(());
    }
    // What cannot be asked is as usual.
    let magic = statfs(path).map_or(0, |found| found.f_type as u64);
    Err(exposed(path, mode, wanted, magic))
}

/// What is said of a file or directory on which others have rights.
fn exposed(path: &Path, mode: u32, wanted: u32, magic: u64) -> FileError {
    let path = path.to_owned();
    if MODELESS.contains(&magic) {
        return FileError::NoModes { path };
    }
    FileError::Exposed {
        path,
        mode: mode & 0o7777,
        wanted,
    }
}

/// File systems of sticks that keep no modes: FAT, exFAT, NTFS (of the kernel, the older and the newer). A mode
/// that is set there is forgotten at once.
const MODELESS: [u64; 4] = [0x4d44, 0x2011_bab0, 0x5346_544e, 0x7366_746e];

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests;
