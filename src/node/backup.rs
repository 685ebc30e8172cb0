//! Backups: everything in a store as one stream, and a store made from such a stream.
//!
//! What is written is what peers would be sent, with what only this node knows: its keys, the mesh
//! keys, when things came, and how far days are over. Logs are written one after the other while the
//! node goes on; each is whole up to where it stood, which is all that a log ever promises. What was
//! purged or taken back meanwhile is said at the end. So a restored store is one that a node could
//! have had, and the node's next start begins new epochs, as every start does.

mod keeper;
mod schedule;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use minicbor::{Decode, Encode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::warn;
use zeroize::Zeroizing;

use crate::domain::attest::Attestation;
use crate::domain::backup::{History, Made, Trouble};
use crate::domain::codec;
use crate::domain::condition;
use crate::domain::id::{ClinicId, DeviceId};
use crate::domain::log::{Head as LogHead, Log, Segment, SegmentError};
use crate::domain::retraction::Retraction;
use crate::domain::space::Space;
use crate::domain::time::{Day, Hlc, WallTime};
use crate::platform::files::FileError;
use crate::platform::lock::{self, LockError};
use crate::platform::vault::{BackupKey, FileKey, Head, Opener, Recipient, Sealer, VaultError};
use crate::platform::{entropy, files};
use crate::store::{Append, Batch, Fork, Horizon, Meta, Options, Reach, Store, StoreError, Unlock};

use super::identity::Identity;

pub use keeper::Keeping;
pub use schedule::{Plan, Schedule, ScheduleError, recipients};

/// Bytes of segments that are read, or written, at a time.
const STEP: usize = 4 * 1024 * 1024;

/// Largest part: a segment with its longest bodies, and what stands around it.
const PART_MAX: usize = 1024 * 1024;

/// Most parts of one backup: far more than a disk holds, so that reading one comes to an end.
const PARTS_MAX: u64 = 1 << 32;

/// Largest file of a machine's settings: far more than every setting with its longest list.
pub const SETTINGS_MAX: usize = 64 * 1024;

/// The name of the value in the store that says when it was backed up.
const HISTORY: &str = "backup";

/// One thing in a backup.
#[derive(Clone, Debug, Encode, Decode)]
enum Part {
    /// A named value of the node.
    #[n(0)]
    Value {
        #[n(0)]
        name: String,
        #[n(1)]
        #[cbor(with = "minicbor::bytes")]
        value: Vec<u8>,
    },
    /// A segment; those of a log follow each other.
    #[n(1)]
    Entries {
        #[n(0)]
        segment: Segment,
        #[n(1)]
        arrived: WallTime,
    },
    /// What a device attested.
    #[n(2)]
    Word(#[n(0)] Attestation),
    /// The proof of a fork.
    #[n(3)]
    Fork {
        #[n(0)]
        log: Log,
        #[n(1)]
        #[cbor(with = "minicbor::bytes")]
        proof: Vec<u8>,
    },
    /// What was taken back.
    #[n(4)]
    Retraction(#[n(0)] Retraction),
    /// The first day alive, everywhere or in one space.
    #[n(5)]
    Horizon {
        #[n(0)]
        space: Option<Space>,
        #[n(1)]
        first_alive: Day,
    },
    /// There is no more.
    #[n(6)]
    End,
    /// The settings of the machine, as they stood in its file; at most once.
    #[n(7)]
    Settings {
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        text: Vec<u8>,
    },
}

/// Why a backup is not made, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another command restores to the same place.
    #[error(transparent)]
    Place(#[from] LockError),
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
    /// Something inside is not what a node writes.
    #[error("the backup was not made by a node ({0}); use another one")]
    Contents(&'static str),
    /// The machine's settings cannot be read.
    #[error("the settings of this machine cannot go into the backup: {0}")]
    Settings(FileError),
    /// A log in it is not what its author signed.
    #[error("a log in the backup is not what its author signed ({0}); use another one")]
    Log(#[from] SegmentError),
}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> Self {
        let damaged = error.kind() == io::ErrorKind::InvalidData;
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        if damaged && matches!(inner, Some(VaultError::Damaged)) {
            Self::Vault(VaultError::Damaged)
        } else {
            Self::Vault(VaultError::Io(error))
        }
    }
}

/// What is in a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Logs.
    pub logs: u64,
    /// Entries, of which some have lost their body.
    pub entries: u64,
    /// Bodies that are there.
    pub bodies: u64,
    /// Bodies that were left out because their day is over.
    pub over: u64,
}

/// A backup that was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// What anyone can read of it.
    pub head: Head,
    /// What is in it.
    pub contents: Contents,
    /// The settings of the machine it was made on, if it had any and the backup is of version 2.
    pub settings: Option<Vec<u8>>,
}

/// Makes backups of a running node's store.
#[derive(Clone, Debug)]
pub struct Backups {
    /// Weak, so that a node that has stopped lets go of its store whoever could still make backups.
    store: Weak<Store>,
    clinic: ClinicId,
    device: DeviceId,
    settings: Option<PathBuf>,
    schedule: Option<Arc<Schedule>>,
    /// How often the node makes them by itself, for those who tell others; empty until it is said whether it
    /// does.
    said: Arc<OnceLock<Option<Duration>>>,
    history: Arc<Mutex<History>>,
    /// One backup at a time: each reads the whole disk.
    place: Arc<Semaphore>,
}

impl Backups {
    pub(super) fn new(store: &Arc<Store>, clinic: ClinicId, device: DeviceId) -> Self {
        Self {
            store: Arc::downgrade(store),
            clinic,
            device,
            settings: None,
            schedule: None,
            said: Arc::default(),
            history: Arc::new(Mutex::new(history(store))),
            place: Arc::new(Semaphore::new(1)),
        }
    }

    /// The same of a node whose machine has its settings in this file.
    #[must_use]
    pub fn with_settings(mut self, file: PathBuf) -> Self {
        self.settings = Some(file);
        self
    }

    /// The same of a node that makes backups by itself, if there is a schedule.
    #[must_use]
    pub fn scheduled(mut self, schedule: Option<Schedule>) -> Self {
        self.schedule = schedule.map(Arc::new);
        // Said once: a node has the schedule that it was started with.
        let _ = self.said.set(self.every());
        self
    }

    /// How often the node makes them by itself, if it does.
    pub fn every(&self) -> Option<Duration> {
        self.schedule.as_ref().map(|schedule| schedule.every)
    }

    /// What other nodes are told of them; nothing where a program that embeds the node does not say how they
    /// are made.
    pub(super) fn told(&self) -> Option<condition::Backups> {
        let every = *self.said.get()?;
        Some(condition::Backups::of(&self.history(), every))
    }

    /// How they stand.
    pub fn condition(&self) -> condition::Backups {
        condition::Backups::of(&self.history(), self.every())
    }

    /// What is remembered of them.
    pub fn history(&self) -> History {
        *self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for making one, if nobody else makes one.
    pub fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.place.clone().try_acquire_owned().ok()
    }

    async fn wait_for_place(&self) -> Option<OwnedSemaphorePermit> {
        self.place.clone().acquire_owned().await.ok()
    }

    /// Remembers a backup that was made.
    pub fn note_made(&self, made: Made) {
        self.remember(|history| history.made(made));
    }

    /// Remembers one that was not made.
    fn note_failed(&self, at: WallTime, why: Trouble) {
        self.remember(|history| {
            // Whether it was news was asked before it was written down.
            let _ = history.fail(at, why);
        });
    }

    fn remember(&self, change: impl FnOnce(&mut History)) {
        let bytes = {
            let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut history);
            history.to_bytes()
        };
        let batch = Batch {
            metas: vec![Meta {
                name: HISTORY.to_owned(),
                value: Some(bytes),
            }],
            ..Batch::default()
        };
        let Some(store) = self.store.upgrade() else {
            return;
        };
        if let Err(error) = store.commit(batch) {
            warn!(%error, "when the node was backed up is not kept");
        }
    }

    /// Writes a backup, sealed to `recipients`. Reads the disk for as long as it takes.
    pub fn write(
        &self,
        recipients: &[Recipient],
        now: WallTime,
        out: impl Write,
    ) -> Result<Contents, BackupError> {
        Ok(self.seal(recipients, now, out)?.0)
    }

    /// Writes a backup and returns what opens this very file, for checking it.
    fn seal(
        &self,
        recipients: &[Recipient],
        now: WallTime,
        out: impl Write,
    ) -> Result<(Contents, FileKey), BackupError> {
        let store = self.store.upgrade().ok_or(BackupError::Stopped)?;
        let settings = self.read_settings()?;
        let about = (self.clinic, self.device, now);
        let mut sealer = Sealer::begin(out, about, recipients, &mut entropy::os())?;
        let key = sealer.file_key();
        if let Some(text) = settings {
            put(&mut sealer, &Part::Settings { text })?;
        }
        let contents = write(&store, &mut sealer)?;
        sealer.finish()?;
        Ok((contents, key))
    }

    /// A machine without the file has the usual settings.
    fn read_settings(&self) -> Result<Option<Vec<u8>>, BackupError> {
        let Some(file) = &self.settings else {
            return Ok(None);
        };
        match files::read_shared(file, SETTINGS_MAX) {
            Err(FileError::Missing { .. }) => Ok(None),
            read => read.map(Some).map_err(BackupError::Settings),
        }
    }
}

/// What cannot be read is as if it had never been remembered.
fn history(store: &Store) -> History {
    let kept = store.meta(HISTORY).ok().flatten();
    let read = kept.and_then(|bytes| History::from_bytes(&bytes).ok());
    read.unwrap_or_default()
}

fn put(out: &mut impl Write, part: &Part) -> io::Result<()> {
    let bytes = Zeroizing::new(codec::encode(part));
    out.write_all(&(bytes.len() as u32).to_be_bytes())?;
    out.write_all(&bytes)
}

fn write(store: &Store, out: &mut impl Write) -> Result<Contents, BackupError> {
    for (name, value) in store.metas("")? {
        put(out, &Part::Value { name, value })?;
    }
    let mut contents = Contents::default();
    let mut spaces: Vec<Space> = Vec::new();
    // Records come first, so that whoever restores knows the clinic before all else.
    for state in store.logs()? {
        write_log(store, &state.log, state.head, out, &mut contents)?;
        spaces.push(state.log.space);
    }
    spaces.sort_unstable();
    spaces.dedup();
    for space in &spaces {
        for attestation in store.attestations(space)? {
            put(out, &Part::Word(attestation))?;
        }
    }
    for Fork { log, proof } in store.forks()? {
        put(out, &Part::Fork { log, proof })?;
    }
    for retraction in store.retractions()? {
        put(out, &Part::Retraction(retraction))?;
    }
    for Horizon { reach, first_alive } in store.horizons()? {
        let space = match reach {
            Reach::Everywhere => None,
            Reach::Space(space) => Some(space),
        };
        put(out, &Part::Horizon { space, first_alive })?;
    }
    put(out, &Part::End)?;
    Ok(contents)
}

fn write_log(
    store: &Store,
    log: &Log,
    head: LogHead,
    out: &mut impl Write,
    contents: &mut Contents,
) -> Result<(), BackupError> {
    let mut next = 1;
    while next <= head.seq {
        let segments = store.arrived_segments(log, next, STEP)?;
        let Some((last, _)) = segments.last() else {
            return Ok(());
        };
        contents.logs += u64::from(next == 1);
        next = last.last() + 1;
        for (segment, arrived) in segments {
            contents.count(&segment);
            put(out, &Part::Entries { segment, arrived })?;
        }
    }
    Ok(())
}

impl Contents {
    fn count(&mut self, segment: &Segment) {
        self.entries += segment.entries.len() as u64;
        let bodies = segment.entries.iter();
        self.bodies += bodies.filter(|entry| entry.payload.is_some()).count() as u64;
    }
}

/// Opens a backup, checks all of it, and gives it on in batches that follow each other.
///
/// Bodies whose last day is before `today` are left out, whatever the backup says. Every log is
/// checked against its author's signatures.
pub fn read(
    input: impl Read,
    key: &BackupKey,
    today: Day,
    take: impl FnMut(Batch) -> Result<(), BackupError>,
) -> Result<Opened, BackupError> {
    read_opened(Opener::begin(input, key)?, today, take)
}

/// The same of a file that this process has just made.
fn open_own(
    input: impl Read,
    key: &FileKey,
    today: Day,
    take: impl FnMut(Batch) -> Result<(), BackupError>,
) -> Result<Opened, BackupError> {
    read_opened(Opener::begin_own(input, key)?, today, take)
}

fn read_opened<R: Read>(
    mut opener: Opener<R>,
    today: Day,
    mut take: impl FnMut(Batch) -> Result<(), BackupError>,
) -> Result<Opened, BackupError> {
    let head = opener.head().clone();
    let mut reader = Reader {
        clinic: head.clinic,
        today,
        heads: BTreeMap::new(),
        contents: Contents::default(),
        settings: None,
        batch: Batch::default(),
        bytes: 0,
    };
    for _ in 0..PARTS_MAX {
        match get(&mut opener)? {
            Part::End => {
                reader.end(&mut opener)?;
                take(reader.batch)?;
                reader.contents.logs = reader.heads.len() as u64;
                return Ok(Opened {
                    head,
                    contents: reader.contents,
                    settings: reader.settings,
                });
            }
            part => reader.part(part)?,
        }
        if reader.bytes >= STEP {
            reader.bytes = 0;
            take(std::mem::take(&mut reader.batch))?;
        }
    }
    Err(BackupError::Contents("it has no end"))
}

fn get(input: &mut impl Read) -> Result<Part, BackupError> {
    let mut length = [0; 4];
    input.read_exact(&mut length).map_err(ended)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > PART_MAX {
        return Err(BackupError::Contents("a part of it is too long"));
    }
    let mut bytes = Zeroizing::new(vec![0; length]);
    input.read_exact(&mut bytes).map_err(ended)?;
    codec::strict(&bytes, PART_MAX).map_err(|_| BackupError::Contents("a part of it is malformed"))
}

fn ended(error: io::Error) -> BackupError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => BackupError::Contents("it ends too early"),
        _ => error.into(),
    }
}

/// Makes the store in `dir` from a backup, opened from now on by `unlock`.
///
/// `dir` must not be there; it is made when everything in the backup was found good.
pub fn restore(
    input: impl Read,
    key: &BackupKey,
    today: Day,
    dir: &Path,
    (options, unlock): (&Options, &Unlock),
) -> Result<Opened, BackupError> {
    let mut beside = dir.as_os_str().to_owned();
    beside.push(".restoring");
    let beside = PathBuf::from(beside);
    // Of a restoring that the power ended: all of it is in the backup.
    lock::remove_left(&beside)?;
    let outcome = fill(input, key, today, &beside, (options, unlock));
    match outcome {
        Ok(restored) => {
            files::move_dir(&beside, dir).map_err(StoreError::from)?;
            Ok(restored)
        }
        Err(why) => {
            // What was begun is of no use; that it cannot be removed says less than why it failed.
            let _ = std::fs::remove_dir_all(&beside);
            Err(why)
        }
    }
}

fn fill(
    input: impl Read,
    key: &BackupKey,
    today: Day,
    dir: &Path,
    (options, unlock): (&Options, &Unlock),
) -> Result<Opened, BackupError> {
    let store = Store::create(dir, options, unlock)?;
    let opened = read(input, key, today, |batch| {
        if batch.horizons.is_empty() && batch.retractions.is_empty() {
            Ok(store.commit(batch)?)
        } else {
            store.purge(batch)?;
            Ok(())
        }
    })?;
    let identity = Identity::load(&store).map_err(|_| BackupError::Contents("no identity"))?;
    let head = &opened.head;
    if identity.clinic == head.clinic && identity.keys.device() == head.device {
        Ok(opened)
    } else {
        Err(BackupError::Contents("another identity than its head says"))
    }
}

/// What is known of a backup while it is read.
struct Reader {
    clinic: ClinicId,
    today: Day,
    heads: BTreeMap<Log, (LogHead, Hlc)>,
    contents: Contents,
    settings: Option<Vec<u8>>,
    batch: Batch,
    bytes: usize,
}

impl Reader {
    fn part(&mut self, part: Part) -> Result<(), BackupError> {
        match part {
            Part::Value { name, value } => {
                self.bytes += value.len();
                let value = Some(value);
                self.batch.metas.push(Meta { name, value });
            }
            Part::Entries { segment, arrived } => self.entries(segment, arrived)?,
            Part::Word(attestation) => self.batch.attestations.push(attestation),
            Part::Fork { log, proof } => self.batch.forks.push(Fork { log, proof }),
            Part::Retraction(retraction) => self.batch.retractions.push(retraction),
            Part::Horizon { space, first_alive } => self.batch.horizons.push(Horizon {
                reach: space.map_or(Reach::Everywhere, Reach::Space),
                first_alive,
            }),
            Part::Settings { text } => self.settings(text)?,
            Part::End => {}
        }
        // So that many small things make a batch as well.
        self.bytes += 128;
        Ok(())
    }

    fn settings(&mut self, text: Vec<u8>) -> Result<(), BackupError> {
        if text.len() > SETTINGS_MAX {
            return Err(BackupError::Contents("its settings are too long"));
        }
        match self.settings.replace(text) {
            None => Ok(()),
            Some(_) => Err(BackupError::Contents("it has two files of settings")),
        }
    }

    fn entries(&mut self, mut segment: Segment, arrived: WallTime) -> Result<(), BackupError> {
        let beginning = (LogHead::EMPTY, Hlc(0));
        let (head, time) = *self.heads.get(&segment.log).unwrap_or(&beginning);
        if segment.before() != head {
            return Err(BackupError::Contents("a log of it has a gap"));
        }
        let end = segment.verify(&self.clinic, time)?;
        let newest = segment.entries.last().map_or(time, |last| last.header.time);
        self.heads.insert(segment.log, (end, newest));
        for entry in &mut segment.entries {
            if entry.payload.is_some() && entry.header.last_day < self.today {
                entry.payload = None;
                self.contents.over += 1;
            }
        }
        self.contents.count(&segment);
        self.bytes += segment.body_bytes() + 128 * segment.entries.len();
        self.batch.appends.push(Append {
            segment,
            end,
            arrived,
        });
        Ok(())
    }

    /// Nothing follows the end, and the days that are over stay over.
    fn end(&mut self, input: &mut impl Read) -> Result<(), BackupError> {
        if input.read(&mut [0])? != 0 {
            return Err(BackupError::Contents("something follows its end"));
        }
        self.batch.horizons.push(Horizon {
            reach: Reach::Everywhere,
            first_alive: self.today,
        });
        Ok(())
    }
}
