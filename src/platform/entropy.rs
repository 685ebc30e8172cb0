//! Randomness.

use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use rand::{CryptoRng, Rng as _, TryRng as _};
use zeroize::Zeroizing;

/// Bytes from the operating system, for ids, salts and everything public.
pub fn array<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// Bytes from the operating system for a key; wiped when dropped.
pub fn secret<const N: usize>() -> Zeroizing<[u8; N]> {
    let mut bytes = Zeroizing::new([0; N]);
    fill(&mut *bytes);
    bytes
}

/// The operating system as a generator, for whoever takes randomness as an argument.
pub fn os() -> impl CryptoRng {
    UnwrapErr(SysRng)
}

/// A nonce of 24 bytes from a generator of this thread that the system seeds and re-seeds.
///
/// One system call for each page written would cost more than sealing the page.
pub fn nonce() -> [u8; 24] {
    let mut bytes = [0; 24];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

fn fill(bytes: &mut [u8]) {
    SysRng
        .try_fill_bytes(bytes)
        .expect("getrandom does not fail on a system that has booted");
}

/// A generator that gives the same bytes in every run, for tests and vectors only.
#[cfg(test)]
pub(crate) mod repeatable {
    use std::convert::Infallible;

    use rand::{TryCryptoRng, TryRng};

    use crate::domain::id::Hash;

    /// Hashes of a name and a counter.
    pub(crate) struct Repeatable(pub(crate) &'static str, pub(crate) u64);

    impl TryRng for Repeatable {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            let mut bytes = [0; 4];
            self.try_fill_bytes(&mut bytes)?;
            Ok(u32::from_le_bytes(bytes))
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            let mut bytes = [0; 8];
            self.try_fill_bytes(&mut bytes)?;
            Ok(u64::from_le_bytes(bytes))
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
            for part in bytes.chunks_mut(32) {
                self.1 += 1;
                let hash = Hash::of(self.0, &[&self.1.to_be_bytes()]);
                part.copy_from_slice(&hash.as_bytes()[..part.len()]);
            }
            Ok(())
        }
    }

    impl TryCryptoRng for Repeatable {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_draws_are_alike() {
        assert_ne!(array::<32>(), array::<32>());
        assert_ne!(*secret::<32>(), *secret::<32>());
        assert_ne!(nonce(), nonce());
    }
}
