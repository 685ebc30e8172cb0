//! Passphrases that seal key files, and what guessing one costs.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use minicbor::{Decode, Encode};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Fewest characters of a passphrase that is chosen for a key file.
///
/// Twelve: with the cost below, a random one of this length outlasts any thief of the file.
pub const PASSPHRASE_MIN: usize = 12;

/// Most characters; longer input is a mistake, such as a whole file on the standard input.
pub const PASSPHRASE_MAX: usize = 512;

/// The most memory that opening a file may ask for: a forged file must not exhaust the machine.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;

/// The most passes and lanes, for the same reason.
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 4;

/// A passphrase as it was typed; wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Passphrase(String);

/// A passphrase that does not protect a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// Fewer than [`PASSPHRASE_MIN`] characters.
    #[error("a passphrase needs at least {PASSPHRASE_MIN} characters, this one has {0}; add words")]
    TooShort(usize),
    /// More than [`PASSPHRASE_MAX`] characters.
    #[error("a passphrase has at most {PASSPHRASE_MAX} characters; was a file given by mistake?")]
    TooLong,
}

impl Passphrase {
    /// A passphrase for a key that is to be sealed.
    pub fn chosen(text: &str) -> Result<Self, PassphraseError> {
        match text.chars().count() {
            count if count < PASSPHRASE_MIN => Err(PassphraseError::TooShort(count)),
            count if count > PASSPHRASE_MAX => Err(PassphraseError::TooLong),
            _ => Ok(Self::typed(text)),
        }
    }

    /// A passphrase for a key that is to be opened.
    ///
    /// Compatibility forms are made one (NFKC): two keyboards may type one letter differently.
    pub fn typed(text: &str) -> Self {
        // Room for every form at once: growing would leave unwiped pieces behind.
        let mut normal = String::with_capacity(text.len().min(PASSPHRASE_MAX * 4) * 18);
        normal.extend(text.chars().take(PASSPHRASE_MAX).nfkc());
        Self(normal)
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// What deriving a key from a passphrase costs (Argon2id).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Cost {
    /// Memory in KiB.
    #[n(0)]
    pub memory_kib: u32,
    /// Passes over it.
    #[n(1)]
    pub passes: u32,
    /// Lanes.
    #[n(2)]
    pub lanes: u32,
}

impl Cost {
    /// The cost of the product's key files: 256 MiB, three passes.
    ///
    /// Some 0.6 s on an office PC for the admin, and as much and as much memory for each guess.
    pub const PRODUCT: Self = Self {
        memory_kib: 256 * 1024,
        passes: 3,
        lanes: 1,
    };

    /// Derives the sealing key; none when the cost is out of bounds.
    pub(super) fn derive(
        self,
        passphrase: &Passphrase,
        salt: &[u8; 16],
    ) -> Option<Zeroizing<[u8; 32]>> {
        let bearable = self.memory_kib <= MEMORY_KIB_MAX
            && self.passes <= PASSES_MAX
            && self.lanes <= LANES_MAX;
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).ok();
        let argon = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            params.filter(|_| bearable)?,
        );
        let mut key = Zeroizing::new([0; 32]);
        argon
            .hash_password_into(passphrase.0.as_bytes(), salt, &mut *key)
            .ok()?;
        Some(key)
    }
}
