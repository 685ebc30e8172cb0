//! Free space on the disk, and a file that keeps some of it back.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;

use super::files;

/// Bytes that we could still write on the file system of `path`.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Keeps `bytes` of the disk occupied by a file that holds nothing.
///
/// Fails with the system's "no space" when they are not to be had, and then keeps nothing.
pub fn hold_back(path: &Path, bytes: u64) -> io::Result<()> {
    let file: File = match files::create(path) {
        Err(files::FileError::Exists { .. }) => {
            files::open(path).map_err(files::FileError::into_io)?
        }
        made => made.map_err(files::FileError::into_io)?,
    };
    if file.metadata()?.len() >= bytes {
        return Ok(());
    }
    occupy(&file, bytes)
        .and_then(|()| file.sync_all())
        .inspect_err(|_| drop(let_go(path)))
}

fn occupy(file: &File, bytes: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => fill(file, bytes),
        done => Ok(done?),
    }
}

/// Occupies the bytes on a file system that cannot promise them.
fn fill(mut file: &File, bytes: u64) -> io::Result<()> {
    io::copy(&mut io::repeat(0x5a).take(bytes), &mut file).map(drop)
}

/// Gives the bytes of [`hold_back`] to whoever needs them.
pub fn let_go(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_back_occupies_the_disk_until_it_is_let_go() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let path = scratch.path().join("reserve");
        hold_back(&path, 65_536).expect("there is room");
        hold_back(&path, 65_536).expect("already held");
        assert_eq!(std::fs::metadata(&path).expect("held").len(), 65_536);
        let_go(&path).expect("given back");
        let_go(&path).expect("nothing left to give");
        assert!(!path.exists());
        fill(&files::create(&path).expect("made"), 5000).expect("there is room");
        assert_eq!(std::fs::metadata(&path).expect("filled").len(), 5000);
        assert!(free_bytes(scratch.path()).expect("a file system") > 0);
    }
}
