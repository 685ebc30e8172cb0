//! Files that hold the root key or an admin key, sealed under a passphrase.
//!
//! Label and version, then one object: a public head (kind, clinic, public key, name, Argon2id cost
//! and salt, nonce), the sealed 32-byte seed, and a checksum. The checksum tells a damaged file from
//! a mistyped passphrase; against a forger it is the seal that counts, and it binds the label, the
//! version and the whole head.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use minicbor::{Decode, Encode};
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::domain::codec;
use crate::domain::file::{FormatError, Kind};
use crate::domain::id::{AuthorId, ClinicId, Hash};
use crate::domain::name::Name;
use crate::domain::sign::SigningKey;

use super::passphrase::{Cost, Passphrase};

/// A key file on disk.
pub(super) const KEY_FILE: Kind = Kind {
    label: "clinic-mesh key",
    version: 1,
    limit: 1024,
};

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Holder {
    /// The clinic's root key.
    #[n(0)]
    Root,
    /// The key of one admin.
    #[n(1)]
    Admin {
        /// The admin's name.
        #[n(0)]
        name: Name,
    },
}

/// What anyone can read of a key file.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Head {
    #[n(0)]
    pub(super) holder: Holder,
    #[n(1)]
    pub(super) clinic: ClinicId,
    #[n(2)]
    pub(super) public: AuthorId,
    #[n(3)]
    pub(super) cost: Cost,
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    salt: [u8; 16],
    #[n(5)]
    #[cbor(with = "minicbor::bytes")]
    nonce: [u8; 24],
}

/// A key file: head, sealed seed, checksum.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct KeyFile {
    #[n(0)]
    pub(super) head: Head,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    sealed: Vec<u8>,
    #[n(2)]
    check: Hash,
}

/// Why a key file does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// Not a key file, of another version, or not well-formed.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The checksum does not match.
    #[error(
        "the key file is damaged; put back your copy of it, or recover the root key from its page"
    )]
    Damaged,
    /// It asks for more memory or time than any file of ours.
    #[error("the key file names an impossible cost; put back your copy of it")]
    Cost,
    /// The seal does not open.
    #[error(
        "the passphrase is wrong, or someone changed the key file; check the keyboard layout and try again"
    )]
    WrongPassphrase,
    /// What was sealed is not the key that the head names.
    #[error("the key file holds another key than it names; put back your copy of it")]
    OtherKey,
}

impl KeyFile {
    /// Seals a key.
    pub(super) fn seal(
        holder: Holder,
        clinic: ClinicId,
        key: &SigningKey,
        passphrase: &Passphrase,
        cost: Cost,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, KeyFileError> {
        let mut head = Head {
            holder,
            clinic,
            public: key.id(),
            cost,
            salt: [0; 16],
            nonce: [0; 24],
        };
        rng.fill_bytes(&mut head.salt);
        rng.fill_bytes(&mut head.nonce);
        let sealed = head
            .cipher(passphrase)?
            .encrypt(
                &XNonce::from(head.nonce),
                Payload {
                    msg: &*key.seed(),
                    aad: &head.bound(),
                },
            )
            .expect("32 bytes are within the cipher's limit");
        let check = checksum(&head, &sealed);
        Ok(Self {
            head,
            sealed,
            check,
        })
    }

    /// Opens the seal.
    pub(super) fn open(&self, passphrase: &Passphrase) -> Result<SigningKey, KeyFileError> {
        let sealed = Payload {
            msg: &self.sealed,
            aad: &self.head.bound(),
        };
        let seed = self
            .head
            .cipher(passphrase)?
            .decrypt(&XNonce::from(self.head.nonce), sealed)
            .map(Zeroizing::new)
            .map_err(|_| KeyFileError::WrongPassphrase)?;
        let seed: &[u8; 32] = seed
            .as_slice()
            .try_into()
            .map_err(|_| KeyFileError::OtherKey)?;
        let key = SigningKey::from_seed(seed);
        if key.id() == self.head.public {
            Ok(key)
        } else {
            Err(KeyFileError::OtherKey)
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        KEY_FILE.write(self)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, KeyFileError> {
        let file: Self = KEY_FILE.read(bytes)?;
        if file.check == checksum(&file.head, &file.sealed) {
            Ok(file)
        } else {
            Err(KeyFileError::Damaged)
        }
    }
}

impl Head {
    fn bound(&self) -> Vec<u8> {
        [KEY_FILE.preface(), codec::encode(self)].concat()
    }

    fn cipher(&self, passphrase: &Passphrase) -> Result<XChaCha20Poly1305, KeyFileError> {
        let key = self
            .cost
            .derive(passphrase, &self.salt)
            .ok_or(KeyFileError::Cost)?;
        Ok(XChaCha20Poly1305::new(&Key::from(*key)))
    }
}

/// Reads a file, whatever its checksum, and writes it back.
pub(super) fn reread(bytes: &[u8]) -> Option<Vec<u8>> {
    let file: KeyFile = KEY_FILE.read(bytes).ok()?;
    Some(file.to_bytes())
}

fn checksum(head: &Head, sealed: &[u8]) -> Hash {
    Hash::of("key-file-check/v1", &[&head.bound(), sealed])
}

#[cfg(test)]
mod tests;
