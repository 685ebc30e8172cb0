//! The decoders of the files beside the store, for whoever tries them with hostile bytes: each reads a
//! file and gives the bytes that it would write, or nothing if it refuses the file.

use super::keyring::{self, Keyring};
use super::seal::Key;
use super::slots::Slots;

/// A file of key slots.
pub fn key_slots(bytes: &[u8]) -> Option<Vec<u8>> {
    Slots::decode(bytes).ok().map(|slots| slots.encode())
}

/// A keyring file under a key encryption key. It is written under a fresh key each time, so what is
/// given back are the contents.
pub fn keyring(bytes: &[u8], kek: [u8; 32]) -> Option<Vec<u8>> {
    let keyring = Keyring::decode(bytes, &Key::new(kek)).ok()?;
    Some(keyring.contents())
}

/// What is sealed in a keyring file.
pub fn keyring_contents(bytes: &[u8]) -> Option<Vec<u8>> {
    keyring::reread_contents(bytes)
}
