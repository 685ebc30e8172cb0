//! What can go wrong with a store.

use std::io;

use super::keyring::KeyringError;
use super::pages::BadBlock;
use super::slots::SlotError;
use crate::domain::log::Log;
use crate::platform::files::FileError;
use crate::platform::lock::LockError;

/// How a node comes back whose disk cannot be read.
const ANEW: &str = "make the node anew in another directory: with `clinic-mesh backup restore` from its \
    newest backup, or by `clinic-mesh device replace` as another device, to which the other offices' \
    nodes give everything that is alive; only what this office wrote and had not given to them is lost";

/// Why the store could not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Someone else works on it.
    #[error("another process has this store open (pid {pid}); stop it first")]
    InUse {
        /// The other process.
        pid: String,
    },
    /// There is a store already.
    #[error("there is a store at {path} already; choose another directory")]
    Exists {
        /// The directory.
        path: String,
    },
    /// It was to be made where there is no room for messages.
    #[error("the disk is nearly full, and a node on it would take no messages; make room first")]
    NoRoom,
    /// A file is missing, exposed or unreadable.
    #[error("{0}")]
    File(String),
    /// The file that says how to unlock it is not there, though the rest is.
    #[error(
        "{path} is gone, the file of key slots: without it nobody unlocks what this node holds; put that \
         very file back if it was moved, or {}",
        ANEW
    )]
    SlotsGone {
        /// The file.
        path: String,
    },
    /// The keys of its contents are not there, though the rest is.
    #[error(
        "{path} is gone, the keyring: without it nobody reads what this node holds; put that very file \
         back if it was moved, or {}",
        ANEW
    )]
    KeyringGone {
        /// The file.
        path: String,
    },
    /// It was not unlocked.
    #[error(transparent)]
    Locked(#[from] SlotError),
    /// The keyring was not read.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The keyring is not the one the store was last written with.
    #[error(
        "the keyring is of generation {found}, the store was written with {wanted}: an older copy \
         was put in its place; put back the newest"
    )]
    KeyringOld {
        /// Generation of the file.
        found: u64,
        /// Generation the store asks for.
        wanted: u64,
    },
    /// Written by an earlier version whose format is not supported.
    #[error("the store has format {found}, this program needs {wanted}: too old to be read")]
    TooOld {
        /// Format of the store.
        found: u64,
        /// Format of the program.
        wanted: u64,
    },
    /// Written by a later version.
    #[error("the store has format {found}, this program knows {wanted}: too new; update it")]
    TooNew {
        /// Format of the store.
        found: u64,
        /// Format of the program.
        wanted: u64,
    },
    /// The disk gave back something else than was written.
    #[error("the store is damaged: {what}; {}", ANEW)]
    Damaged {
        /// What was found.
        what: String,
    },
    /// The disk failed.
    #[error("the disk failed: {what}; check its health and free space")]
    Disk {
        /// What the system said.
        what: String,
    },
    /// An earlier failure left it unknown what is durable.
    #[error("the store has stopped: {reason}; restart the node")]
    Stopped {
        /// The failure.
        reason: String,
    },
    /// A segment does not follow what is held of its log.
    #[error("entry {first} of a log was given where {expected} is next")]
    Gap {
        /// The log.
        log: Box<Log>,
        /// First number given.
        first: u64,
        /// Number that comes next.
        expected: u64,
    },
    /// Too many batches wait for the disk.
    #[error("the disk is behind: {waiting} batches wait to be written; try again shortly")]
    Busy {
        /// How many wait.
        waiting: usize,
    },
}

impl From<FileError> for StoreError {
    fn from(error: FileError) -> Self {
        Self::File(error.to_string())
    }
}

impl From<LockError> for StoreError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Held { pid, .. } => Self::InUse { pid },
            LockError::Io { .. } => Self::File(error.to_string()),
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<BadBlock>())
        {
            Some(block) => Self::Damaged {
                what: block.to_string(),
            },
            None => Self::Disk {
                what: error.to_string(),
            },
        }
    }
}

impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => error.into(),
            redb::Error::Corrupted(what) => Self::Damaged { what },
            other => Self::Disk {
                what: other.to_string(),
            },
        }
    }
}

/// Lets `?` take each of redb's error types.
macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> Self {
                redb::Error::from(error).into()
            }
        })*
    };
}
from_redb!(
    DatabaseError,
    TransactionError,
    TableError,
    StorageError,
    CommitError,
    SetDurabilityError
);

/// A row is not what this program writes.
pub(crate) fn malformed(table: &str) -> StoreError {
    StoreError::Damaged {
        what: format!("a row of {table} is malformed"),
    }
}
