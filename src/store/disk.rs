//! What the store needs of a disk, small enough that a model of a failing one can take its place.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use crate::platform::files::{self, FileError};

/// One large file written in place.
pub(crate) trait Disk: Debug + Send + Sync + 'static {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Fills `out` from `offset`.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Writes at `offset`; durable only after [`Disk::sync`].
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts or extends (with zeros).
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Returns once everything written so far survives a power cut.
    fn sync(&self) -> io::Result<()>;
}

/// A real file.
#[derive(Debug)]
pub(crate) struct FileDisk(pub(crate) File);

impl Disk for FileDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// One small file that is only ever replaced as a whole.
pub(crate) trait SmallFile: Debug + Send + Sync + 'static {
    /// What it holds.
    fn read(&self) -> Result<Vec<u8>, FileError>;
    /// Durably puts other bytes in its place; after a power cut it holds the old or these.
    fn replace(&self, bytes: &[u8]) -> Result<(), FileError>;
}

/// A real small file, whose replaced bytes are overwritten as well as the disk allows.
#[derive(Debug)]
pub(crate) struct PathFile {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Most bytes it may hold.
    pub(crate) limit: usize,
}

impl SmallFile for PathFile {
    fn read(&self) -> Result<Vec<u8>, FileError> {
        files::read(&self.path, self.limit)
    }

    fn replace(&self, bytes: &[u8]) -> Result<(), FileError> {
        files::replace_and_scrub(&self.path, bytes)
    }
}
