//! A file system of its own in memory, small enough to be filled for real.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system; it goes when this is dropped.
pub(crate) struct SmallDisk {
    place: tempfile::TempDir,
}

/// Runs a command; what it said if it failed.
fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(args).output();
    let output = output.map_err(|error| format!("{program} cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {}: {}", args.join(" "), said.trim()))
}

impl SmallDisk {
    /// Makes one of so many MiB, or says why that cannot be done here.
    pub(crate) fn make(mib: u32) -> Result<Self, String> {
        let place = tempfile::tempdir().expect("a scratch directory");
        let options = format!("size={mib}m,mode=700");
        let path = place.path().to_str().expect("a plain path");
        run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", path])?;
        Ok(Self { place })
    }

    /// A fresh directory on it.
    pub(crate) fn dir(&self) -> tempfile::TempDir {
        tempfile::tempdir_in(self.place.path()).expect("there is room")
    }

    fn other_files(&self) -> PathBuf {
        self.place.path().join("other-files")
    }

    /// Somebody else's files grow by so much, or by all that is there.
    pub(crate) fn others_take(&self, bytes: u64) {
        let mut file = std::fs::File::options();
        let file = file.create(true).append(true).open(self.other_files());
        let mut file = file.expect("a name needs no room");
        let part = [0x5a; 4096];
        for _ in 0..bytes / part.len() as u64 {
            match file.write_all(&part) {
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                written => written.expect("nothing else goes wrong"),
            }
        }
    }

    /// Somebody else's files are deleted.
    pub(crate) fn others_go(&self) {
        std::fs::remove_file(self.other_files()).expect("they are there");
    }

    /// Bytes that are free.
    pub(crate) fn free(&self) -> u64 {
        free(self.place.path())
    }
}

fn free(path: &Path) -> u64 {
    let stat = rustix::fs::statvfs(path).expect("it is mounted");
    stat.f_bavail * stat.f_frsize
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a test that failed may still have files open.
        let path = self.place.path().to_str().expect("a plain path");
        let _ = run("umount", &["-l", path]);
    }
}
