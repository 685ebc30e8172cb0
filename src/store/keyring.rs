//! The keyring: the keys whose destruction is the purge.
//!
//! A small file beside the store holds the page key, one random key per last day and one per space.
//! A body is sealed under a key made of both, so it is readable only while its day and its
//! conversation are alive. The file is sealed under a generation key, drawn afresh at every rewrite
//! and wrapped by the key encryption key: what a disk keeps of an older file is noise once its few
//! wrapped bytes are overwritten.
//!
//! A space can have several numbered keys for a while: when some of its bodies must go earlier than
//! their day says, the others are sealed again under the newest before the older are destroyed.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::seal::Key;
use super::versioned::{self, Unread};
use crate::domain::codec::{self, CodecError};
use crate::domain::space::Space;
use crate::domain::time::Day;

/// Largest keyring: 200,000 conversations and days, more than a clinic has in ten years.
pub(crate) const KEYRING_FILE_MAX: usize = 16 * 1024 * 1024;

/// Version of the file's format.
const VERSION: u8 = 1;

/// Why a keyring was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Sealed under another key.
    #[error("the keyring is damaged or another store's; put it back from where the store is")]
    Unreadable,
    /// Opened, but not what we write.
    #[error("the keyring is damaged ({0})")]
    Damaged(#[from] CodecError),
    /// Made by a later version of this program.
    #[error("the keyring has format {found}, this program knows {VERSION}; update it")]
    TooNew {
        /// The format found.
        found: u8,
    },
}

impl From<Unread> for KeyringError {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooNew(found) => Self::TooNew { found },
            Unread::Damaged(error) => error.into(),
        }
    }
}

/// The keys of one store.
#[derive(Clone, Debug)]
pub(crate) struct Keyring {
    generation: u64,
    contents: Contents,
}

#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
struct Contents {
    #[n(0)]
    page_key: Key,
    #[n(1)]
    next_number: u32,
    #[n(2)]
    days: BTreeMap<Day, Key>,
    #[n(3)]
    spaces: BTreeMap<Space, Vec<SpaceKey>>,
}

/// One key of a space.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
struct SpaceKey {
    #[n(0)]
    number: u32,
    #[n(1)]
    key: Key,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct File {
    #[n(0)]
    version: u8,
    #[n(1)]
    generation: u64,
    #[cbor(n(2), with = "minicbor::bytes")]
    wrapped: Vec<u8>,
    #[cbor(n(3), with = "minicbor::bytes")]
    sealed: Vec<u8>,
}

impl Keyring {
    /// The keyring of an empty store.
    pub(crate) fn fresh() -> Self {
        let contents = Contents {
            page_key: Key::random(),
            next_number: 1,
            days: BTreeMap::new(),
            spaces: BTreeMap::new(),
        };
        Self {
            generation: 0,
            contents,
        }
    }

    /// Opens a keyring file.
    pub(crate) fn decode(bytes: &[u8], kek: &Key) -> Result<Self, KeyringError> {
        let file: File = versioned::read(bytes, VERSION, KEYRING_FILE_MAX)?;
        let open = |key: &Key, what, sealed| {
            let opened = key.open(&about(what, file.version, file.generation), sealed);
            opened.ok_or(KeyringError::Unreadable)
        };
        let generation_key = open(kek, "generation", &file.wrapped)?;
        let generation_key = generation_key.as_slice().try_into();
        let generation_key = Key::new(generation_key.map_err(|_| KeyringError::Unreadable)?);
        let contents = open(&generation_key, "keys", &file.sealed)?;
        let contents = codec::strict(&contents, KEYRING_FILE_MAX)?;
        Ok(Self {
            generation: file.generation,
            contents,
        })
    }

    /// The bytes of the next generation's file.
    pub(crate) fn next_generation(&mut self, kek: &Key) -> Vec<u8> {
        self.generation += 1;
        let generation_key = Key::random();
        let contents = zeroize::Zeroizing::new(self.contents());
        let seal =
            |key: &Key, what, text: &[u8]| key.seal(&about(what, VERSION, self.generation), text);
        codec::encode(&File {
            version: VERSION,
            generation: self.generation,
            wrapped: seal(kek, "generation", generation_key.bytes()),
            sealed: seal(&generation_key, "keys", &contents),
        })
    }

    /// What is sealed in the file.
    pub(crate) fn contents(&self) -> Vec<u8> {
        codec::encode(&self.contents)
    }

    /// How often the file was written.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The key of the page layer.
    pub(crate) fn page_key(&self) -> &Key {
        &self.contents.page_key
    }

    /// The key that seals bodies of `space` that may be kept until `day`, and its number, if the
    /// keyring has both halves.
    pub(crate) fn sealing_key(&self, day: Day, space: &Space) -> Option<(u32, Key)> {
        let number = self.contents.spaces.get(space)?.last()?.number;
        Some((number, self.body_key(day, space, number)?))
    }

    /// The key of bodies sealed under the space's key `number`; `None` once either half is destroyed.
    pub(crate) fn body_key(&self, day: Day, space: &Space, number: u32) -> Option<Key> {
        let day_key = self.contents.days.get(&day)?;
        let keys = self.contents.spaces.get(space)?;
        let space_key = &keys.iter().find(|key| key.number == number)?.key;
        Some(day_key.derive(space_key.bytes(), b"clinic-mesh/body/v1"))
    }

    /// Whether bodies of `space` that may be kept until `day` can be sealed.
    pub(crate) fn has(&self, day: Day, space: &Space) -> bool {
        self.contents.days.contains_key(&day) && self.contents.spaces.contains_key(space)
    }

    /// Makes sure there is a key for `day` and one for `space`. The file has to be written before
    /// anything is sealed under them.
    pub(crate) fn ensure(&mut self, day: Day, space: &Space) {
        self.contents.days.entry(day).or_insert_with(Key::random);
        if !self.contents.spaces.contains_key(space) {
            self.renew(space);
        }
    }

    /// Gives `space` another key, which seals from here on, and returns its number.
    pub(crate) fn renew(&mut self, space: &Space) -> u32 {
        let number = self.contents.next_number;
        self.contents.next_number += 1;
        let key = SpaceKey {
            number,
            key: Key::random(),
        };
        self.contents.spaces.entry(*space).or_default().push(key);
        number
    }

    /// The numbers of the keys of `space`, oldest first.
    pub(crate) fn numbers(&self, space: &Space) -> Vec<u32> {
        let keys = self.contents.spaces.get(space);
        keys.into_iter().flatten().map(|key| key.number).collect()
    }

    /// The newest number given to any key; 0 before the first.
    pub(crate) fn newest_number(&self) -> u32 {
        self.contents.next_number - 1
    }

    /// The days that have a key.
    pub(crate) fn days(&self) -> impl Iterator<Item = Day> {
        self.contents.days.keys().copied()
    }

    /// Destroys the keys of every day before `first_alive`; `true` when there was one.
    pub(crate) fn destroy_days_before(&mut self, first_alive: Day) -> bool {
        let alive = self.contents.days.split_off(&first_alive);
        !std::mem::replace(&mut self.contents.days, alive).is_empty()
    }

    /// Destroys the keys of `space` up to `number`; `true` when there was one.
    pub(crate) fn destroy_space_keys(&mut self, space: &Space, number: u32) -> bool {
        let Some(keys) = self.contents.spaces.get_mut(space) else {
            return false;
        };
        let before = keys.len();
        keys.retain(|key| key.number > number);
        let destroyed = keys.len() < before;
        if keys.is_empty() {
            self.contents.spaces.remove(space);
        }
        destroyed
    }
}

/// Reads what is sealed in a file and writes it back.
pub(crate) fn reread_contents(bytes: &[u8]) -> Option<Vec<u8>> {
    let contents: Contents = codec::strict(bytes, KEYRING_FILE_MAX).ok()?;
    Some(codec::encode(&contents))
}

fn about(what: &str, version: u8, generation: u64) -> Vec<u8> {
    codec::encode(&("clinic-mesh/keyring", what, version, generation))
}

#[cfg(test)]
mod tests;
