//! Making backups by schedule: each is written beside its name, read back from the disk, opened with the
//! file's own key and checked signature by signature, and only then counts.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::schedule::{Schedule, Shelf};
use super::{BackupError, Backups, Contents, open_own};
use crate::domain::audit::{Actor, AuditRecord, Deed, Origin};
use crate::domain::backup::{By, Made, Trouble};
use crate::domain::time::{Day, WallTime};
use crate::node::engine::{Command, Now};
use crate::node::handle::{Handle, WeakHandle};
use crate::platform::vault::{FileKey, VaultError};
use crate::platform::{files, space};

/// Longest time between two looks whether a backup is due: the machine's clock may be set meanwhile.
const LOOK: Duration = Duration::from_secs(60);

/// How long a node has run before it makes a backup: what it starts with comes first.
const SETTLE: Duration = Duration::from_secs(3);

/// Bytes that stay free where backups are written.
///
/// 256 MiB: where that is the store's own disk, the node still takes messages, and has its reserve.
const ROOM_KEPT: u64 = 256 << 20;

/// Bytes after which the room is looked at again.
const STEP: u64 = 16 << 20;

/// Bytes that are written or read at a time.
const PIECE: usize = 256 * 1024;

/// A schedule that is being kept; ends when it is dropped.
pub struct Keeping {
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Drop for Keeping {
    fn drop(&mut self) {
        // A backup under way sees it within a piece, and lets go of the store.
        self.stop.store(true, Ordering::Relaxed);
        self.task.abort();
    }
}

impl Backups {
    /// Makes backups as the schedule says, if there is one. Must be called inside a Tokio runtime.
    pub fn keep(&self, node: &Handle, now: Arc<dyn Fn() -> Now + Send + Sync>) -> Option<Keeping> {
        let stop = Arc::new(AtomicBool::new(false));
        let keeper = Keeper {
            schedule: self.schedule.clone()?,
            backups: self.clone(),
            node: node.weak(),
            now,
            stop: stop.clone(),
        };
        let task = tokio::spawn(keeper.run());
        Some(Keeping { stop, task })
    }
}

/// How a turn ended.
enum Turn {
    Made(u64, Contents),
    Failed(Trouble, String),
    Stopping,
}

struct Keeper {
    backups: Backups,
    schedule: Arc<Schedule>,
    node: WeakHandle,
    now: Arc<dyn Fn() -> Now + Send + Sync>,
    stop: Arc<AtomicBool>,
}

impl Keeper {
    async fn run(self) {
        tokio::time::sleep(SETTLE).await;
        let mut tried = false;
        while !self.stop.load(Ordering::Relaxed) {
            let now = (self.now)().wall;
            let mut history = self.backups.history();
            if !tried {
                // What failed before this run may have been mended by whoever started the node anew.
                history.failed = None;
            }
            let due = history.next(self.schedule.every, now);
            if due > now {
                let wait = Duration::from_millis(due.0 - now.0);
                tokio::time::sleep(wait.min(LOOK)).await;
                continue;
            }
            tried = true;
            if self.turn().await.is_none() {
                return;
            }
        }
    }

    /// Makes one backup, and keeps what became of it; nothing once the node stops.
    async fn turn(&self) -> Option<()> {
        let place = self.backups.wait_for_place().await?;
        let at = (self.now)().wall;
        let ready = self.blocking(move |job| job.prepare(at)).await;
        let began = ready.is_ok();
        let turn = match ready {
            Ok(()) => {
                // Before anything is written, as with every reading.
                self.note(AuditRecord::done).await?;
                self.make(at, place).await
            }
            Err(turn) => turn,
        };
        match turn {
            Turn::Stopping => None,
            Turn::Made(bytes, contents) => {
                info!(
                    bytes,
                    entries = contents.entries,
                    "a backup was made and checked"
                );
                let by = By::Schedule;
                self.remember(move |backups| backups.note_made(Made { at, by, bytes }))
                    .await
            }
            Turn::Failed(why, said) => {
                warn!(?why, error = said, "no backup was made");
                // What the trail says was begun, it says was not done, each time.
                if self.backups.history().fail(at, why) || began {
                    self.note(AuditRecord::refused).await?;
                }
                self.remember(move |backups| backups.note_failed(at, why))
                    .await
            }
        }
    }

    async fn make(&self, at: WallTime, place: OwnedSemaphorePermit) -> Turn {
        let made = self.blocking(move |job| {
            let _place = place;
            job.make(at)
        });
        match made.await {
            Ok((bytes, contents)) => Turn::Made(bytes, contents),
            Err(turn) => turn,
        }
    }

    /// Does what reads or writes the disk where that keeps nobody waiting.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Job) -> Result<T, Broken> + Send + 'static,
    ) -> Result<T, Turn> {
        let job = Job {
            backups: self.backups.clone(),
            schedule: self.schedule.clone(),
            stop: self.stop.clone(),
        };
        let outcome = tokio::task::spawn_blocking(move || {
            let outcome = work(&job);
            // What fails because the node stops is no trouble of the backup.
            (outcome, job.is_stopping())
        });
        match outcome.await {
            Ok((Ok(done), _)) => Ok(done),
            Ok((Err(_), true)) | Err(_) => Err(Turn::Stopping),
            Ok((Err(Broken { why, said }), false)) => Err(Turn::Failed(why, said)),
        }
    }

    async fn remember(&self, note: impl FnOnce(&Backups) + Send + 'static) -> Option<()> {
        let backups = self.backups.clone();
        tokio::task::spawn_blocking(move || note(&backups))
            .await
            .ok()
    }

    /// Writes into the audit trail that a backup is made, or was not.
    async fn note(&self, record: fn(Actor, Origin, Deed) -> AuditRecord) -> Option<()> {
        let keys = self.schedule.to.len() as u8;
        let record = record(Actor::Node, Origin::Inside, Deed::BackedUp { keys });
        self.node.ask(Command::Note(record)).await.ok().map(drop)
    }
}

/// Why a backup was not made, for the history and for the log.
struct Broken {
    why: Trouble,
    said: String,
}

impl Broken {
    /// While writing or reading in the folder.
    fn of_folder(error: &io::Error) -> Self {
        let why = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Trouble::NoFolder,
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Trouble::NoRoom,
            _ => Trouble::Folder,
        };
        let said = error.to_string();
        Self { why, said }
    }

    fn of_writing(error: &BackupError) -> Self {
        match error {
            BackupError::Vault(VaultError::Io(error)) => Self::of_folder(error),
            other => Self {
                why: Trouble::Source,
                said: other.to_string(),
            },
        }
    }

    fn of_checking(error: &BackupError) -> Self {
        match error {
            BackupError::Vault(VaultError::Io(error)) => Self::of_folder(error),
            other => Self::unsound(other.to_string()),
        }
    }

    fn unsound(said: String) -> Self {
        let why = Trouble::Unsound;
        Self { why, said }
    }
}

/// What one turn does on the disk.
struct Job {
    backups: Backups,
    schedule: Arc<Schedule>,
    stop: Arc<AtomicBool>,
}

impl Job {
    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.backups.store.strong_count() == 0
    }

    fn shelf(&self) -> Shelf<'_> {
        Shelf::new(&self.schedule.folder, &self.backups.device)
    }

    /// Looks whether there is a folder with room for another backup, and clears away what a crash left.
    fn prepare(&self, at: WallTime) -> Result<(), Broken> {
        let folder = |error: io::Error| Broken::of_folder(&error);
        let shelf = self.shelf();
        shelf.remove_parts().map_err(folder)?;
        let newest = shelf.newest(at).map_err(folder)?;
        let size = |name: String| std::fs::metadata(shelf.whole(&name)).map(|meta| meta.len());
        let expected = newest.map_or(Ok(0), size).map_err(folder)?;
        check_room(&self.schedule.folder, expected).map_err(folder)
    }

    /// Writes, checks and names a backup, and takes away what is too many.
    fn make(&self, at: WallTime) -> Result<(u64, Contents), Broken> {
        let shelf = self.shelf();
        let name = shelf.name(at);
        let part = shelf.part(&name);
        let made = self.write_and_check(&part, at);
        if made.is_err() {
            // What was begun is of no use; what cannot be removed goes with the next turn.
            let _ = std::fs::remove_file(&part);
        }
        let made = made?;
        let folder = |error: io::Error| Broken::of_folder(&error);
        files::name_for_good(&part, &shelf.whole(&name)).map_err(folder)?;
        if let Err(error) = shelf.remove_surplus(&name, self.schedule.keep) {
            warn!(%error, "old backups cannot be removed");
        }
        Ok(made)
    }

    fn write_and_check(&self, part: &Path, at: WallTime) -> Result<(u64, Contents), Broken> {
        let file = files::create_shared(part).map_err(|error| Broken::of_folder(&error))?;
        let mut out = Guarded {
            out: BufWriter::with_capacity(PIECE, &file),
            job: self,
            left: STEP,
        };
        let written = self.backups.seal(&self.schedule.to, at, &mut out);
        let written = written.and_then(|written| Ok(out.flush().map(|()| written)?));
        let (contents, key) = written.map_err(|error| Broken::of_writing(&error))?;
        drop(out);
        files::settle(&file).map_err(|error| Broken::of_folder(&error))?;
        let bytes = file
            .metadata()
            .map_err(|error| Broken::of_folder(&error))?
            .len();
        drop(file);
        self.check(part, &key, contents)?;
        Ok((bytes, contents))
    }

    /// Opens what is on the disk, and looks whether it is what was written, every log of it as its author
    /// signed it.
    fn check(&self, part: &Path, key: &FileKey, written: Contents) -> Result<(), Broken> {
        let file = File::open(part).map_err(|error| Broken::of_folder(&error))?;
        let input = BufReader::with_capacity(PIECE, file);
        let found = open_own(input, key, Day(0), |_| match self.is_stopping() {
            true => Err(BackupError::Stopped),
            false => Ok(()),
        });
        let found = found.map_err(|error| Broken::of_checking(&error))?;
        if found.contents == written {
            Ok(())
        } else {
            Err(Broken::unsound(
                "it holds something else than was written".to_owned(),
            ))
        }
    }
}

/// Whether `bytes` more can be written here, and enough stays free.
fn check_room(folder: &Path, bytes: u64) -> io::Result<()> {
    if space::free_bytes(folder)? >= bytes.saturating_add(ROOM_KEPT) {
        Ok(())
    } else {
        Err(io::ErrorKind::StorageFull.into())
    }
}

/// Writes on for as long as there is room and the node runs.
struct Guarded<'a> {
    out: BufWriter<&'a File>,
    job: &'a Job,
    left: u64,
}

impl Write for Guarded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.job.is_stopping() {
            return Err(io::Error::other("the node stops"));
        }
        let count = self.out.write(bytes)?;
        self.left = self.left.saturating_sub(count as u64);
        if self.left == 0 {
            self.left = STEP;
            check_room(&self.job.schedule.folder, 0)?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
