//! Staff slots: staff members' passwords as ways to unlock the store, where a node is told to allow it.
//!
//! They stand in a file of their own beside the key slots, so that switching them off takes one file
//! away. Whoever reads it without the key learns how many slots there are, and what a guess costs.
//! A guess is a name *and* a password: both go into Argon2id, so one try opens at most one person's slot
//! and every person has in effect a salt of their own, while an honest try costs one derivation however
//! many slots there are.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use super::seal::Key;
use super::slots::Cost;
use super::versioned::{self, Unread};
use crate::domain::codec::{self, CodecError};
use crate::domain::id::{Hash, StaffId};
use crate::domain::password;
use crate::domain::time::WallTime;
use crate::platform::entropy;
use crate::platform::files::{self, FileError};

/// Most staff slots of one node: the staff of a large office.
pub const STAFF_SLOTS_MAX: usize = 64;

/// Largest file of staff slots: twice what the most slots take.
pub(crate) const STAFF_SLOTS_FILE_MAX: usize = 32 * 1024;

/// Most bytes of either sealed part of a slot; ours have less than a hundred and fifty.
const SEALED_MAX: usize = 256;

/// Version of the file's format.
const VERSION: u8 = 1;

/// The file's name in the node's directory.
const FILE: &str = "staff-slots";

/// Why a staff slot did not open or was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StaffSlotError {
    /// No slot opens with this name and this password.
    #[error("no staff member's slot opens with this name and password")]
    Wrong,
    /// Nobody's password opens this store.
    #[error(
        "no staff member's password opens this store yet; start the node with its passphrase or key \
         file, and have somebody sign in with their password"
    )]
    Nobody,
    /// All slots are taken.
    #[error(
        "all {STAFF_SLOTS_MAX} staff slots of this node are in use; those who have one unlock it"
    )]
    Full,
    /// The machine has not enough memory for the derivation.
    #[error("the key could not be derived; free some memory on this machine")]
    Memory,
    /// Made by a later version of this program.
    #[error("the staff slots have format {found}, this program knows {VERSION}; update it")]
    TooNew {
        /// The format found.
        found: u8,
    },
    /// Not a file of staff slots.
    #[error(
        "the file of staff slots is damaged ({0}); remove it, and sign in again to have it made"
    )]
    Damaged(#[from] CodecError),
    /// The file cannot be read or written.
    #[error("{0}")]
    File(String),
}

impl From<Unread> for StaffSlotError {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooNew(found) => Self::TooNew { found },
            Unread::Damaged(error) => error.into(),
        }
    }
}

impl From<FileError> for StaffSlotError {
    fn from(error: FileError) -> Self {
        Self::File(error.to_string())
    }
}

/// What a person types to unlock a node: name and password, each in its one form.
pub struct StaffSecret {
    name: Zeroizing<String>,
    password: Zeroizing<String>,
}

impl StaffSecret {
    /// From what was typed, or stands in the record.
    pub fn new(name: &str, typed: &str) -> Self {
        Self {
            name: Zeroizing::new(plain(name)),
            password: Zeroizing::new(password::normal(typed)),
        }
    }
}

/// A name without regard to the case and the width of its letters, as people may type it when they sign in:
/// spellings that open one slot are one name.
pub fn plain(name: &str) -> String {
    password::normal(&name.trim().to_lowercase())
}

/// Whose slot it is, and which of their passwords opens it. Sealed in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SlotOwner {
    /// Whose.
    #[n(0)]
    pub staff: StaffId,
    /// When that password was set.
    #[n(1)]
    pub set: WallTime,
    /// The name that goes with it; hashed, so that every owner is of one length.
    #[n(2)]
    name: Hash,
}

impl SlotOwner {
    /// The owner of a slot for the password that a person of this name set then.
    pub fn new(staff: StaffId, name: &str, set: WallTime) -> Self {
        Self {
            staff,
            set,
            name: Hash::of("staff-slot-name/v1", &[plain(name).as_bytes()]),
        }
    }
}

/// The key of a store whose staff slot has opened.
pub struct StaffKey {
    pub(super) kek: Key,
    /// Who has opened it.
    pub staff: StaffId,
}

/// The file.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Slots {
    #[n(0)]
    version: u8,
    #[n(1)]
    cost: Cost,
    #[cbor(n(2), with = "minicbor::bytes")]
    salt: [u8; 16],
    #[n(3)]
    slots: Vec<Slot>,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(array)]
struct Slot {
    /// The key encryption key, under what the person types.
    #[cbor(n(0), with = "minicbor::bytes")]
    wrapped: Vec<u8>,
    /// The owner, under the key encryption key: opaque to whoever has only the file.
    #[cbor(n(1), with = "minicbor::bytes")]
    owner: Vec<u8>,
}

impl Slots {
    fn none(cost: Cost) -> Self {
        Self {
            version: VERSION,
            cost,
            salt: entropy::array(),
            slots: Vec::new(),
        }
    }

    /// Reads the file.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StaffSlotError> {
        let slots: Self = versioned::read(bytes, VERSION, STAFF_SLOTS_FILE_MAX)?;
        let fits = |slot: &Slot| slot.wrapped.len() <= SEALED_MAX && slot.owner.len() <= SEALED_MAX;
        let sound = slots.version == VERSION
            && slots.cost.is_bearable()
            && slots.slots.len() <= STAFF_SLOTS_MAX
            && slots.slots.iter().all(fits);
        if sound {
            Ok(slots)
        } else {
            Err(CodecError::Malformed.into())
        }
    }

    /// The file's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The key that wraps for one person: one derivation, whether or not there is such a slot.
    fn wrapping_key(&self, secret: &StaffSecret) -> Result<Key, StaffSlotError> {
        let both = Zeroizing::new(codec::encode(&(
            secret.name.as_str(),
            secret.password.as_str(),
        )));
        let derived = self.cost.derive(&both, &self.salt);
        derived.ok_or(StaffSlotError::Memory)
    }

    fn about(&self) -> Vec<u8> {
        codec::encode(&("clinic-mesh/staff-slot/v1", &self.cost, self.salt))
    }

    fn unlock(&self, secret: &StaffSecret) -> Result<StaffKey, StaffSlotError> {
        if self.slots.is_empty() {
            return Err(StaffSlotError::Nobody);
        }
        let (wrapping, about) = (self.wrapping_key(secret)?, self.about());
        let opened = self.slots.iter().find_map(|slot| {
            let kek = wrapping.open(&about, &slot.wrapped)?;
            let kek = Key::new(kek.as_slice().try_into().ok()?);
            let staff = self.owner(&kek, slot)?.staff;
            Some(StaffKey { kek, staff })
        });
        opened.ok_or(StaffSlotError::Wrong)
    }

    fn owner_key(&self, kek: &Key) -> Key {
        kek.derive(&self.salt, b"clinic-mesh/staff-slot-owner/v1")
    }

    fn owner(&self, kek: &Key, slot: &Slot) -> Option<SlotOwner> {
        let bytes = self.owner_key(kek).open(&slot.wrapped, &slot.owner)?;
        codec::strict(&bytes, SEALED_MAX).ok()
    }

    fn add(
        &mut self,
        kek: &Key,
        secret: &StaffSecret,
        owner: &SlotOwner,
    ) -> Result<(), StaffSlotError> {
        self.retain(kek, |known| known.staff != owner.staff);
        if self.slots.len() >= STAFF_SLOTS_MAX {
            return Err(StaffSlotError::Full);
        }
        let wrapped = self.wrapping_key(secret)?.seal(&self.about(), kek.bytes());
        let owner = self.owner_key(kek).seal(&wrapped, &codec::encode(owner));
        self.slots.push(Slot { wrapped, owner });
        Ok(())
    }

    /// Leaves what may stay; a slot whose owner cannot be told is nobody's.
    fn retain(&mut self, kek: &Key, stays: impl Fn(&SlotOwner) -> bool) {
        let slots = std::mem::take(&mut self.slots);
        let kept = slots.into_iter();
        let kept = kept.filter(|slot| self.owner(kek, slot).is_some_and(|owner| stays(&owner)));
        self.slots = kept.collect();
    }

    fn owners(&self, kek: &Key) -> Vec<SlotOwner> {
        let slots = self.slots.iter();
        slots.filter_map(|slot| self.owner(kek, slot)).collect()
    }
}

/// The staff slots of an open store. Cheap to clone; what changes the file blocks.
#[derive(Clone)]
pub struct StaffSlots(Arc<Inner>);

struct Inner {
    path: PathBuf,
    kek: Key,
    cost: Cost,
    /// One change of the file at a time.
    changing: Mutex<()>,
    /// Whose slots there are, so that asking reads no file.
    owners: Mutex<Vec<SlotOwner>>,
}

impl std::fmt::Debug for StaffSlots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StaffSlots(..)")
    }
}

impl StaffSlots {
    /// The slots in `dir` of the store with this key.
    pub(super) fn of(dir: &Path, kek: &Key, cost: Cost) -> Self {
        Self(Arc::new(Inner {
            path: dir.join(FILE),
            kek: kek.clone(),
            cost,
            changing: Mutex::default(),
            owners: Mutex::default(),
        }))
    }

    /// Reads whose slots there are.
    pub fn load(&self) -> Result<(), StaffSlotError> {
        let _one_at_a_time = self.changing();
        let owners = self.read()?.owners(&self.0.kek);
        *self.known() = owners;
        Ok(())
    }

    /// Whose slots there are.
    pub fn owners(&self) -> Vec<SlotOwner> {
        self.known().clone()
    }

    /// Lets this name and password unlock the store, in the place of what the owner had before; a
    /// password that was set later stays.
    ///
    /// Takes as long as unlocking does.
    pub fn keep(&self, secret: &StaffSecret, owner: &SlotOwner) -> Result<(), StaffSlotError> {
        let _one_at_a_time = self.changing();
        let mut slots = self.read()?;
        let later = |known: &SlotOwner| known.staff == owner.staff && known.set > owner.set;
        if slots.owners(&self.0.kek).iter().any(later) {
            return Ok(());
        }
        slots.add(&self.0.kek, secret, owner)?;
        self.write(&slots)
    }

    /// Takes away the slots of those who may have none any more.
    pub fn retain(&self, stays: impl Fn(&SlotOwner) -> bool) -> Result<(), StaffSlotError> {
        let _one_at_a_time = self.changing();
        let mut slots = self.read()?;
        slots.retain(&self.0.kek, stays);
        self.write(&slots)
    }

    fn read(&self) -> Result<Slots, StaffSlotError> {
        match files::read(&self.0.path, STAFF_SLOTS_FILE_MAX) {
            Err(FileError::Missing { .. }) => Ok(Slots::none(self.0.cost)),
            read => Slots::decode(&read?),
        }
    }

    fn write(&self, slots: &Slots) -> Result<(), StaffSlotError> {
        files::replace_and_scrub(&self.0.path, &slots.encode())?;
        *self.known() = slots.owners(&self.0.kek);
        Ok(())
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        let lock = self.0.changing.lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Vec<SlotOwner>> {
        let lock = self.0.owners.lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether somebody's password may open the store in `dir`.
pub fn has_staff_slots(dir: &Path) -> Result<(), StaffSlotError> {
    match read(dir)?.slots.is_empty() {
        true => Err(StaffSlotError::Nobody),
        false => Ok(()),
    }
}

/// The key of the store in `dir`, if this name and password open a staff slot. Takes as long as the
/// slots' cost says.
pub fn unlock_by_staff(dir: &Path, secret: &StaffSecret) -> Result<StaffKey, StaffSlotError> {
    read(dir)?.unlock(secret)
}

/// Takes every staff slot of the store in `dir` away; no key is needed for that.
pub fn remove_staff_slots(dir: &Path) -> Result<(), StaffSlotError> {
    match files::remove_and_scrub(&dir.join(FILE)) {
        Err(FileError::Missing { .. }) => Ok(()),
        removed => Ok(removed?),
    }
}

fn read(dir: &Path) -> Result<Slots, StaffSlotError> {
    match files::read(&dir.join(FILE), STAFF_SLOTS_FILE_MAX) {
        Err(FileError::Missing { .. }) => Err(StaffSlotError::Nobody),
        read => Slots::decode(&read?),
    }
}

#[cfg(test)]
mod tests;
