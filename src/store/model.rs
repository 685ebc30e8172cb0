//! A modelled machine for tests: one page file and one keyring file on a disk that forgets, tears
//! and fills up.
//!
//! Everything written is recorded, so one run of a workload yields the disk after a power cut at
//! every single operation: what was synced is there, what was not is dropped, kept or torn.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use super::disk::{Disk, SmallFile};
use crate::platform::files::FileError;

/// One thing that happened to the disk.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Bytes written at an offset of the page file.
    Write(usize, Vec<u8>),
    /// The page file cut or extended.
    Len(usize),
    /// The page file synced.
    Sync,
    /// The keyring file renamed into place.
    Rename(Vec<u8>),
    /// Its directory synced.
    SyncDir,
    /// The test noted that something was acknowledged.
    Acknowledged(u64),
}

/// What a disk does from some operation on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    /// Every write of this and the following operations fails for want of space.
    Full,
    /// This sync and all later ones fail.
    SyncError,
}

/// What is left on the disk after a power cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Image {
    /// The page file.
    pub(crate) pages: Vec<u8>,
    /// The keyring file.
    pub(crate) small: Option<Vec<u8>>,
}

/// What becomes of writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsynced {
    /// All lost.
    Dropped,
    /// All there.
    Kept,
    /// Each kept or lost as a whole, by lot.
    Subset,
    /// Each unit of this many bytes kept or lost, by lot.
    Torn(usize),
}

#[derive(Debug, Default)]
struct State {
    live: Image,
    journal: Vec<Op>,
    failure: Option<(usize, Failure)>,
}

/// The machine; clones are handles on the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine(Arc<Mutex<State>>);

/// The machine's page file.
#[derive(Clone, Debug)]
pub(crate) struct ModelDisk(Machine);

/// The machine's keyring file.
#[derive(Clone, Debug)]
pub(crate) struct ModelSmallFile(Machine);

impl Machine {
    /// A machine that starts with this on its disk.
    pub(crate) fn with(image: Image) -> Self {
        let state = State {
            live: image,
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn disk(&self) -> ModelDisk {
        ModelDisk(self.clone())
    }

    pub(crate) fn small_file(&self) -> ModelSmallFile {
        ModelSmallFile(self.clone())
    }

    /// Notes that `number` was acknowledged.
    pub(crate) fn acknowledge(&self, number: u64) {
        self.state().journal.push(Op::Acknowledged(number));
    }

    /// Everything that happened so far.
    pub(crate) fn journal(&self) -> Vec<Op> {
        self.state().journal.clone()
    }

    /// What the disk holds as long as the power stays on.
    pub(crate) fn image(&self) -> Image {
        self.state().live.clone()
    }

    /// Makes the disk fail from its `at`-th operation, counted from the start, on.
    pub(crate) fn fail_from(&self, at: usize, failure: Failure) {
        self.state().failure = Some((at, failure));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .expect("no test thread panics while it holds the machine")
    }
}

impl State {
    fn check_write(&self) -> io::Result<()> {
        match self.failure {
            Some((at, Failure::Full)) if self.journal.len() >= at => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }

    fn check_sync(&self) -> io::Result<()> {
        match self.failure {
            Some((at, Failure::SyncError)) if self.journal.len() >= at => {
                Err(io::Error::other("the modelled disk lost a write"))
            }
            _ => Ok(()),
        }
    }
}

impl Disk for ModelDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.state().live.pages.len() as u64)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.state();
        let offset = offset as usize;
        let from = state.live.pages.get(offset..offset + out.len());
        out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.state();
        state.check_write()?;
        put(&mut state.live.pages, offset as usize, bytes);
        state
            .journal
            .push(Op::Write(offset as usize, bytes.to_vec()));
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.0.state();
        state.check_write()?;
        state.live.pages.resize(len as usize, 0);
        state.journal.push(Op::Len(len as usize));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.0.state();
        state.check_sync()?;
        state.journal.push(Op::Sync);
        Ok(())
    }
}

impl SmallFile for ModelSmallFile {
    fn read(&self) -> Result<Vec<u8>, FileError> {
        let missing = || FileError::Missing {
            path: PathBuf::from("keyring"),
        };
        self.0.state().live.small.clone().ok_or_else(missing)
    }

    fn replace(&self, bytes: &[u8]) -> Result<(), FileError> {
        let failed = |source| FileError::Io {
            path: PathBuf::from("keyring"),
            source,
        };
        let mut state = self.0.state();
        state.check_write().map_err(failed)?;
        state.live.small = Some(bytes.to_vec());
        state.journal.push(Op::Rename(bytes.to_vec()));
        state.check_sync().map_err(failed)?;
        state.journal.push(Op::SyncDir);
        Ok(())
    }
}

fn put(pages: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if pages.len() < at + bytes.len() {
        pages.resize(at + bytes.len(), 0);
    }
    pages[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Replays a journal and cuts the power wherever asked.
pub(crate) struct Replay {
    durable: Image,
    /// Unsynced changes, in order.
    pages: Vec<Op>,
    small: Option<Vec<u8>>,
    acknowledged: Option<u64>,
}

impl Replay {
    /// Starts from this disk.
    pub(crate) fn from(start: Image) -> Self {
        Self {
            durable: start,
            pages: Vec::new(),
            small: None,
            acknowledged: None,
        }
    }

    /// Lets one operation happen.
    pub(crate) fn step(&mut self, op: &Op) {
        match op {
            Op::Write(..) | Op::Len(_) => self.pages.push(op.clone()),
            Op::Sync => {
                let mut keep = |_: usize| true;
                for op in std::mem::take(&mut self.pages) {
                    apply(&mut self.durable.pages, &op, None, &mut keep);
                }
            }
            Op::Rename(bytes) => self.small = Some(bytes.clone()),
            Op::SyncDir => self.durable.small = self.small.take().or(self.durable.small.take()),
            Op::Acknowledged(number) => self.acknowledged = Some(*number),
        }
    }

    /// The last number acknowledged before now.
    pub(crate) fn acknowledged(&self) -> Option<u64> {
        self.acknowledged
    }

    /// Whether anything is unsynced.
    pub(crate) fn has_unsynced(&self) -> bool {
        !self.pages.is_empty() || self.small.is_some()
    }

    /// The disk if the power went now.
    pub(crate) fn cut(&self, unsynced: Unsynced, dice: &mut Dice) -> Image {
        let mut image = self.durable.clone();
        let unit = match unsynced {
            Unsynced::Torn(unit) => Some(unit),
            Unsynced::Dropped | Unsynced::Kept | Unsynced::Subset => None,
        };
        let mut keep = |_: usize| match unsynced {
            Unsynced::Dropped => false,
            Unsynced::Kept => true,
            Unsynced::Subset | Unsynced::Torn(_) => dice.roll(2) == 0,
        };
        for op in &self.pages {
            apply(&mut image.pages, op, unit, &mut keep);
        }
        if let Some(small) = &self.small
            && keep(0)
        {
            image.small = Some(small.clone());
        }
        image
    }
}

fn apply(pages: &mut Vec<u8>, op: &Op, unit: Option<usize>, keep: &mut impl FnMut(usize) -> bool) {
    match op {
        Op::Len(len) => {
            if keep(0) {
                pages.resize(*len, 0);
            }
        }
        Op::Write(at, bytes) => {
            let (mut at, mut rest) = (*at, &bytes[..]);
            while !rest.is_empty() {
                let to_boundary = unit.map_or(rest.len(), |unit| unit - at % unit);
                let (piece, after) = rest.split_at(to_boundary.min(rest.len()));
                if keep(at) {
                    put(pages, at, piece);
                }
                at += piece.len();
                rest = after;
            }
        }
        Op::Sync | Op::Rename(_) | Op::SyncDir | Op::Acknowledged(_) => {}
    }
}

/// A small generator, so that every run of a test throws the same dice.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Seeded.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}
