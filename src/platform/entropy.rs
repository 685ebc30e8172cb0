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
