//! Making and opening a store.
//!
//! A store is a directory: `slots` (the ways in), `keyring`, `store.redb`, `lock` and `reserve`. The
//! slots are written last when it is made, so a store whose making was interrupted is made anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Builder, Database, ReadableDatabase as _};

use super::apply;
use super::disk::{Disk, FileDisk, PathFile, SmallFile};
use super::error::StoreError;
use super::index::Index;
use super::keyring::{KEYRING_FILE_MAX, Keyring};
use super::pages::Pages;
use super::room::{FreeBytes, Room, RoomLimits};
use super::seal::Key;
use super::shared::Shared;
use super::slots::{Cost, SLOTS_FILE_MAX, SlotView, Slots, Unlock};
use super::staff_slots::{StaffKey, StaffSlots};
use super::tables::{self, SCHEMA};
use crate::platform::files::{self, FileError};
use crate::platform::lock::Lock;
use crate::platform::space;

/// Memory for pages in clear.
///
/// 16 MiB holds the upper levels of every tree of a million messages and a few screens of bodies,
/// and leaves the idle node below 50 MiB.
const CACHE_BYTES: usize = 16 << 20;

/// How a store is made and opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What deriving a key from a passphrase shall cost, where a slot is made.
    pub cost: Cost,
    /// How much of the disk is kept back.
    pub room: RoomLimits,
}

impl Options {
    /// What a clinic's node uses.
    pub const PRODUCT: Self = Self {
        cost: Cost::PRODUCT,
        room: RoomLimits::PRODUCT,
    };
}

/// Everything a store needs to start.
pub(crate) struct Parts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) index: Index,
    pub(crate) kek: Key,
    pub(crate) keyring_file: Box<dyn SmallFile>,
    pub(crate) lock: Option<Lock>,
    /// A store that lies in no directory has none.
    pub(crate) staff_slots: Option<StaffSlots>,
}

/// Where the files of a store are.
struct Places<'a>(&'a Path);

impl Places<'_> {
    fn slots(&self) -> PathBuf {
        self.0.join("slots")
    }

    fn pages(&self) -> PathBuf {
        self.0.join("store.redb")
    }

    fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    fn reserve(&self) -> PathBuf {
        self.0.join("reserve")
    }

    fn keyring(&self) -> PathFile {
        PathFile {
            path: self.0.join("keyring"),
            limit: KEYRING_FILE_MAX,
        }
    }
}

/// Makes a store in `dir`, which is made as well when it is missing, and lets `unlock` open it.
pub(crate) fn create(dir: &Path, options: &Options, unlock: &Unlock) -> Result<Parts, StoreError> {
    files::ensure_dir(dir)?;
    let places = Places(dir);
    let lock = Lock::take(&places.lock())?;
    if places.slots().exists() {
        return Err(StoreError::Exists {
            path: dir.display().to_string(),
        });
    }
    let kek = Key::random();
    let keyring = places.keyring();
    if places.pages().exists() {
        files::remove_and_scrub(&places.pages())?;
    }
    let disk = FileDisk(files::create(&places.pages())?);
    let room = room(dir, options);
    let mut parts = create_on(disk, Box::new(keyring), kek, room)?;
    let mut slots = Slots::none();
    slots.add(&parts.kek, unlock, options.cost)?;
    files::replace(&places.slots(), &slots.encode())?;
    parts.lock = Some(lock);
    parts.staff_slots = Some(StaffSlots::of(dir, &parts.kek, options.cost));
    Ok(parts)
}

/// Opens the store in `dir`.
pub(crate) fn open(dir: &Path, options: &Options, unlock: &Unlock) -> Result<Parts, StoreError> {
    open_with(dir, options, || Ok(slots(dir)?.unlock(unlock)?))
}

/// Opens the store in `dir` with the key that a staff slot gave.
pub(crate) fn open_by_staff(
    dir: &Path,
    options: &Options,
    key: StaffKey,
) -> Result<Parts, StoreError> {
    open_with(dir, options, || Ok(key.kek))
}

fn open_with(
    dir: &Path,
    options: &Options,
    kek: impl FnOnce() -> Result<Key, StoreError>,
) -> Result<Parts, StoreError> {
    files::check_dir(dir)?;
    let places = Places(dir);
    let lock = Lock::take(&places.lock())?;
    let kek = kek()?;
    let disk = FileDisk(files::open(&places.pages())?);
    let mut parts = open_on(disk, Box::new(places.keyring()), kek, room(dir, options))?;
    parts.lock = Some(lock);
    parts.staff_slots = Some(StaffSlots::of(dir, &parts.kek, options.cost));
    Ok(parts)
}

/// Takes the files of a store away. The slots go first: without them there is no store, whatever is left.
pub(crate) fn discard(dir: &Path) {
    let places = Places(dir);
    let files = [
        places.slots(),
        places.pages(),
        places.keyring().path,
        places.reserve(),
    ];
    for file in files.iter().filter(|file| file.exists()) {
        // What could not be removed is in nobody's way: the next store made here takes its place.
        let _ = files::remove_and_scrub(file);
    }
}

/// Whether a store was made in `dir`; its slots are written last.
pub(crate) fn exists(dir: &Path) -> bool {
    Places(dir).slots().exists()
}

/// The slots of the store in `dir`.
pub(crate) fn slots(dir: &Path) -> Result<Slots, StoreError> {
    let places = Places(dir);
    let bytes = files::read(&places.slots(), SLOTS_FILE_MAX).map_err(|error| match error {
        // Without the keyring there is no store at all, and its directory was misnamed.
        FileError::Missing { path } if places.keyring().path.exists() => StoreError::SlotsGone {
            path: path.display().to_string(),
        },
        other => other.into(),
    })?;
    Ok(Slots::decode(&bytes)?)
}

/// What may be shown of the slots of the store in `dir`.
pub(crate) fn list_slots(dir: &Path) -> Result<Vec<SlotView>, StoreError> {
    Ok(slots(dir)?.list())
}

/// Whether a secret opens a store. Takes no lock and reads no contents.
pub(crate) fn check_key(dir: &Path, unlock: &Unlock) -> Result<(), StoreError> {
    slots(dir)?.unlock(unlock)?;
    Ok(())
}

/// Lets `other` open the store in `dir` as well, on the word of someone who can open it.
pub(crate) fn add_slot(
    dir: &Path,
    cost: Cost,
    unlock: &Unlock,
    other: &Unlock,
) -> Result<u32, StoreError> {
    let mut slots = slots(dir)?;
    let kek = slots.unlock(unlock)?;
    let number = slots.add(&kek, other, cost)?;
    files::replace_and_scrub(&Places(dir).slots(), &slots.encode())?;
    Ok(number)
}

/// Takes a way in away, on the word of someone who can open the store.
pub(crate) fn remove_slot(dir: &Path, unlock: &Unlock, number: u32) -> Result<(), StoreError> {
    let mut slots = slots(dir)?;
    slots.unlock(unlock)?;
    slots.remove(number)?;
    files::replace_and_scrub(&Places(dir).slots(), &slots.encode())?;
    Ok(())
}

/// Makes a store on an empty disk.
pub(crate) fn create_on(
    disk: impl Disk,
    keyring_file: Box<dyn SmallFile>,
    kek: Key,
    room: Room,
) -> Result<Parts, StoreError> {
    let mut keyring = Keyring::fresh();
    keyring_file.replace(&keyring.next_generation(&kek))?;
    let db = builder().create_with_backend(Pages::new(disk, keyring.page_key()))?;
    make_tables(&db)?;
    start(db, keyring, kek, keyring_file, room)
}

/// Opens the store on a disk.
pub(crate) fn open_on(
    disk: impl Disk,
    keyring_file: Box<dyn SmallFile>,
    kek: Key,
    room: Room,
) -> Result<Parts, StoreError> {
    let bytes = keyring_file.read().map_err(|error| match error {
        FileError::Missing { path } => StoreError::KeyringGone {
            path: path.display().to_string(),
        },
        other => other.into(),
    })?;
    let keyring = Keyring::decode(&bytes, &kek)?;
    if disk.len()? == 0 {
        return Err(StoreError::Damaged {
            what: "its file is empty".to_owned(),
        });
    }
    let db = builder()
        .set_check_integrity_on_open(true)
        .create_with_backend(Pages::new(disk, keyring.page_key()))?;
    check_schema(&db, &keyring)?;
    start(db, keyring, kek, keyring_file, room)
}

fn start(
    db: Database,
    keyring: Keyring,
    kek: Key,
    keyring_file: Box<dyn SmallFile>,
    room: Room,
) -> Result<Parts, StoreError> {
    let index = Index::load(&db)?;
    let shared = Shared::new(db, index.clone(), Arc::new(keyring), room);
    Ok(Parts {
        shared: Arc::new(shared),
        index,
        kek,
        keyring_file,
        lock: None,
        staff_slots: None,
    })
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

fn room(dir: &Path, options: &Options) -> Room {
    let of = dir.to_owned();
    let free: FreeBytes = Box::new(move || space::free_bytes(&of));
    Room::new(options.room, Places(dir).reserve(), free)
}

fn make_tables(db: &Database) -> Result<(), StoreError> {
    let write = apply::begin(db)?;
    write.open_table(tables::LOGS)?;
    write.open_table(tables::HEADERS)?;
    write.open_table(tables::BODIES)?;
    write.open_table(tables::SPACES)?;
    write.open_table(tables::ATTESTATIONS)?;
    write.open_table(tables::FORKS)?;
    write.open_table(tables::HORIZONS)?;
    write.open_table(tables::DROPPED)?;
    write.open_table(tables::RESEAL)?;
    write.open_table(tables::RETRACTIONS)?;
    write.open_table(tables::META)?;
    write
        .open_table(tables::COUNTERS)?
        .insert(tables::COUNTER_SCHEMA, SCHEMA)?;
    Ok(write.commit()?)
}

fn check_schema(db: &Database, keyring: &Keyring) -> Result<(), StoreError> {
    let counters = db.begin_read()?.open_table(tables::COUNTERS)?;
    let counter = |name| -> Result<u64, StoreError> {
        Ok(counters.get(name)?.map_or(0, |value| value.value()))
    };
    match counter(tables::COUNTER_SCHEMA)? {
        SCHEMA => {}
        found if found < SCHEMA => {
            return Err(StoreError::TooOld {
                found,
                wanted: SCHEMA,
            });
        }
        found => {
            return Err(StoreError::TooNew {
                found,
                wanted: SCHEMA,
            });
        }
    }
    let (found, wanted) = (keyring.generation(), counter(tables::COUNTER_KEYRING)?);
    if found < wanted {
        return Err(StoreError::KeyringOld { found, wanted });
    }
    Ok(())
}
