//! Key slots: the ways to unlock a store (the idea and the term are LUKS's).
//!
//! One random key encryption key unlocks the store. Each slot holds a copy of it, wrapped under a
//! passphrase (Argon2id) or the contents of a key file (HKDF). A slot can be added or removed without
//! touching the store.

use argon2::{Algorithm, Argon2, Params, Version};
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use super::seal::Key;
use super::versioned::{self, Unread};
use crate::domain::codec::{self, CodecError};
use crate::platform::entropy;

/// Largest file of key slots: far above sixteen slots, far below anything that hurts to read.
pub(crate) const SLOTS_FILE_MAX: usize = 16 * 1024;

/// Most slots of one store: more ways in than a clinic has people who should have one.
pub const SLOTS_MAX: usize = 16;

/// Version of the file's format.
const VERSION: u8 = 1;

/// What deriving a key from a passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Cost {
    /// Memory in KiB.
    #[n(0)]
    memory_kib: u32,
    /// Passes over the memory.
    #[n(1)]
    passes: u32,
}

impl Cost {
    /// 256 MiB, three passes: about 0.6 s on an office PC, dear to whoever tries many.
    pub const PRODUCT: Self = Self {
        memory_kib: 256 * 1024,
        passes: 3,
    };

    /// 64 KiB, one pass: for tests only, where many stores are opened.
    pub const CHEAP: Self = Self {
        memory_kib: 64,
        passes: 1,
    };

    /// What a file may ask of us: 1 GiB and 16 passes, so that a forged one cannot take the machine.
    pub(super) fn is_bearable(&self) -> bool {
        self.memory_kib <= 1024 * 1024 && (1..=16).contains(&self.passes)
    }

    /// A key from what a person types (Argon2id); `None` when the cost is impossible here.
    pub(super) fn derive(&self, typed: &[u8], salt: &[u8; 16]) -> Option<Key> {
        let params = Params::new(self.memory_kib, self.passes, 1, Some(32)).ok()?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(typed, salt, &mut *key)
            .ok()?;
        Some(Key::new(*key))
    }
}

/// A secret that opens a key slot.
pub enum Unlock {
    /// What a person types.
    Passphrase(Zeroizing<String>),
    /// What stands in a key file.
    KeyFile(Zeroizing<[u8; 32]>),
}

/// One way to unlock the store, as far as it may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotView {
    /// Its number, for removing it.
    pub number: u32,
    /// What opens it.
    pub kind: SlotKind,
}

/// What opens a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotKind {
    /// A passphrase.
    Passphrase,
    /// A key file.
    KeyFile,
}

/// Why a store was not unlocked or its slots not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// No slot of this kind opens with it.
    #[error(
        "the passphrase opens no key slot of this store; check it and the keyboard layout, and whether the \
         node was made with a key file (--key-file). If all are right, the file `slots` was changed: put it \
         back as it was, or restore the node with `clinic-mesh backup restore`"
    )]
    WrongPassphrase,
    /// No slot of this kind opens with it.
    #[error("the key file opens no key slot of this store; it is another store's or was replaced")]
    WrongKeyFile,
    /// All slots are taken.
    #[error("all {SLOTS_MAX} key slots are in use; remove one first")]
    Full,
    /// It would lock everyone out.
    #[error("slot {number} is the last one; add another before removing it")]
    Last {
        /// The slot.
        number: u32,
    },
    /// There is no such slot.
    #[error("there is no key slot {number}; list them to see the numbers")]
    Unknown {
        /// The slot asked for.
        number: u32,
    },
    /// Made by a later version of this program.
    #[error("the key slots have format {found}, this program knows {VERSION}; update it")]
    TooNew {
        /// The format found.
        found: u8,
    },
    /// Not a file of key slots.
    #[error(
        "the file of key slots is damaged ({0}); put it back as it was, or restore the node with \
         `clinic-mesh backup restore`"
    )]
    Damaged(#[from] CodecError),
}

impl From<Unread> for SlotError {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooNew(found) => Self::TooNew { found },
            Unread::Damaged(error) => error.into(),
        }
    }
}

/// The slots of one store.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Slots {
    #[n(0)]
    version: u8,
    #[n(1)]
    slots: Vec<Slot>,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(array)]
struct Slot {
    #[n(0)]
    number: u32,
    #[n(1)]
    way: Way,
    #[cbor(n(2), with = "minicbor::bytes")]
    wrapped: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
enum Way {
    #[n(0)]
    Passphrase(
        #[n(0)] Cost,
        #[cbor(n(1), with = "minicbor::bytes")] [u8; 16],
    ),
    #[n(1)]
    KeyFile(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]),
}

impl Slots {
    /// The slots of a store that nobody can unlock yet.
    pub(crate) fn none() -> Self {
        Self {
            version: VERSION,
            slots: Vec::new(),
        }
    }

    /// Reads the file.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, SlotError> {
        let slots: Self = versioned::read(bytes, VERSION, SLOTS_FILE_MAX)?;
        let sound = slots.version == VERSION
            && slots.slots.len() <= SLOTS_MAX
            && slots.slots.iter().all(Slot::is_bearable);
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

    /// Lets `unlock` open the store whose key encryption key is `kek`; returns the slot's number.
    pub(crate) fn add(&mut self, kek: &Key, unlock: &Unlock, cost: Cost) -> Result<u32, SlotError> {
        if self.slots.len() >= SLOTS_MAX {
            return Err(SlotError::Full);
        }
        let number = self
            .slots
            .iter()
            .map(|slot| slot.number + 1)
            .max()
            .unwrap_or(0);
        let salt = entropy::array();
        let way = match unlock {
            Unlock::Passphrase(_) => Way::Passphrase(cost, salt),
            Unlock::KeyFile(_) => Way::KeyFile(salt),
        };
        let wrapping = way
            .wrapping_key(unlock)
            .expect("the slot is made for this secret");
        let wrapped = wrapping.seal(&about(number, &way), kek.bytes());
        self.slots.push(Slot {
            number,
            way,
            wrapped,
        });
        Ok(number)
    }

    /// Takes a way in away.
    pub(crate) fn remove(&mut self, number: u32) -> Result<(), SlotError> {
        let at = self.slots.iter().position(|slot| slot.number == number);
        let at = at.ok_or(SlotError::Unknown { number })?;
        if self.slots.len() == 1 {
            return Err(SlotError::Last { number });
        }
        self.slots.remove(at);
        Ok(())
    }

    /// The key encryption key, if some slot opens.
    pub(crate) fn unlock(&self, unlock: &Unlock) -> Result<Key, SlotError> {
        let opened = self.slots.iter().find_map(|slot| {
            let wrapping = slot.way.wrapping_key(unlock)?;
            let kek = wrapping.open(&about(slot.number, &slot.way), &slot.wrapped)?;
            Some(Key::new(kek.as_slice().try_into().ok()?))
        });
        opened.ok_or(match unlock {
            Unlock::Passphrase(_) => SlotError::WrongPassphrase,
            Unlock::KeyFile(_) => SlotError::WrongKeyFile,
        })
    }

    /// What may be shown of the slots.
    pub(crate) fn list(&self) -> Vec<SlotView> {
        let view = |slot: &Slot| SlotView {
            number: slot.number,
            kind: slot.way.kind(),
        };
        self.slots.iter().map(view).collect()
    }
}

impl Slot {
    /// Whether it asks for no more than it may, and leaves a number to the slot after it.
    fn is_bearable(&self) -> bool {
        self.way.is_bearable() && self.number < u32::MAX
    }
}

impl Way {
    fn kind(&self) -> SlotKind {
        match self {
            Self::Passphrase(..) => SlotKind::Passphrase,
            Self::KeyFile(_) => SlotKind::KeyFile,
        }
    }

    fn is_bearable(&self) -> bool {
        match self {
            Self::Passphrase(cost, _) => cost.is_bearable(),
            Self::KeyFile(_) => true,
        }
    }

    /// The key that wraps; `None` when the secret is of the other kind or the cost impossible.
    fn wrapping_key(&self, unlock: &Unlock) -> Option<Key> {
        match (self, unlock) {
            (Self::Passphrase(cost, salt), Unlock::Passphrase(passphrase)) => {
                cost.derive(passphrase.as_bytes(), salt)
            }
            (Self::KeyFile(salt), Unlock::KeyFile(bytes)) => {
                Some(Key::new(**bytes).derive(salt, b"clinic-mesh/key-file-slot/v1"))
            }
            (Self::Passphrase(..), Unlock::KeyFile(_))
            | (Self::KeyFile(_), Unlock::Passphrase(_)) => None,
        }
    }
}

fn about(number: u32, way: &Way) -> Vec<u8> {
    codec::encode(&("clinic-mesh/key-slot/v1", number, way))
}

#[cfg(test)]
mod tests;
