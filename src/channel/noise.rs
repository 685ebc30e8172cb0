//! The Noise machine: `Noise_XXpsk0_25519_ChaChaPoly_SHA256` over our choice of primitives.
//!
//! ring gives the cipher and the hash, x25519-dalek the Diffie-Hellman (so the tree holds one
//! curve25519), the operating system the randomness. Nothing else in the channel names `snow`
//! beyond the two state types it hands out.
//!
//! Key pairs, mesh keys and payloads held by this module's callers are wiped when dropped. snow does
//! not wipe its own copies of the psk and the chaining key, nor ring its cipher keys.

use std::fmt;
use std::sync::{Arc, LazyLock};

use rand::TryRng as _;
use snow::params::{CipherChoice, DHChoice, HashChoice, NoiseParams};
use snow::resolvers::{CryptoResolver, RingResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Error, HandshakeState};
use subtle::ConstantTimeEq as _;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::domain::id::NoiseKey;

/// The protocol's name, which is also the first thing its transcript hashes.
pub(crate) const PROTOCOL: &str = "Noise_XXpsk0_25519_ChaChaPoly_SHA256";

/// Bytes an AEAD adds to what it seals.
pub(crate) const TAG: usize = 16;

/// Length of message 1 with its empty payload: an ephemeral key and a tag.
pub(crate) const FIRST_MESSAGE: usize = 32 + TAG;

/// A device's X25519 key pair, whose public half its certificate names.
///
/// The public half is computed once, so that a stranger's first message costs no scalar
/// multiplication. Clones share the one copy of the secret, which is wiped with the last of them.
#[derive(Clone)]
pub struct StaticKey(Arc<KeyPair>);

struct KeyPair {
    secret: StaticSecret,
    public: PublicKey,
}

impl StaticKey {
    /// The key pair of a 32-byte secret, which is any 32 random bytes.
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        let secret = StaticSecret::from(*secret);
        let public = PublicKey::from(&secret);
        Self(Arc::new(KeyPair { secret, public }))
    }

    /// The public half.
    pub fn public(&self) -> NoiseKey {
        NoiseKey::new(self.0.public.to_bytes())
    }
}

impl fmt::Debug for StaticKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticKey")
    }
}

/// Which end of the handshake this side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Dialled.
    Initiator,
    /// Was dialled.
    Responder,
}

/// A handshake about to begin, with the system's randomness.
pub(crate) fn start(
    side: Side,
    key: &StaticKey,
    psk: &[u8; 32],
    prologue: &[u8],
) -> Result<HandshakeState, Error> {
    start_with(side, key, psk, prologue, System)
}

/// A handshake about to begin, with randomness of the caller's choice: for vectors.
fn start_with<R: Random + Clone + 'static>(
    side: Side,
    key: &StaticKey,
    psk: &[u8; 32],
    prologue: &[u8],
    random: R,
) -> Result<HandshakeState, Error> {
    static PARAMS: LazyLock<NoiseParams> = LazyLock::new(|| {
        PROTOCOL
            .parse()
            .expect("the name is a constant that snow knows")
    });
    let resolver = Resolver {
        key: key.clone(),
        random,
    };
    let builder = snow::Builder::with_resolver(PARAMS.clone(), Box::new(resolver))
        .local_private_key(key.0.secret.as_bytes())?
        .psk(0, psk)?
        .prologue(prologue)?;
    match side {
        Side::Initiator => builder.build_initiator(),
        Side::Responder => builder.build_responder(),
    }
}

/// Our choice of primitives.
struct Resolver<R> {
    key: StaticKey,
    random: R,
}

impl<R: Random + Clone + 'static> CryptoResolver for Resolver<R> {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(self.random.clone()))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519).then(|| {
            Box::new(X25519 {
                own: self.key.clone(),
                pair: self.key.clone(),
            }) as _
        })
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        RingResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        RingResolver.resolve_cipher(choice)
    }
}

/// The operating system's randomness.
#[derive(Clone, Copy)]
struct System;

impl Random for System {
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        rand::rngs::SysRng
            .try_fill_bytes(bytes)
            .map_err(|_| Error::Rng)
    }
}

/// 32 random bytes of the operating system.
pub(crate) fn random() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    System.try_fill_bytes(&mut bytes)?;
    Ok(bytes)
}

/// One X25519 key of a handshake: the device's own or an ephemeral one.
struct X25519 {
    /// The device's own pair, whose public half need not be computed again.
    own: StaticKey,
    pair: StaticKey,
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, secret: &[u8]) {
        let secret: Zeroizing<[u8; 32]> =
            Zeroizing::new(secret.try_into().expect("our callers hand over 32 bytes"));
        let is_own = secret.ct_eq(self.own.0.secret.as_bytes());
        self.pair = if is_own.into() {
            self.own.clone()
        } else {
            StaticKey::from_secret(&secret)
        };
    }

    fn generate(&mut self, random: &mut dyn Random) -> Result<(), Error> {
        let mut secret = Zeroizing::new([0; 32]);
        random.try_fill_bytes(&mut *secret)?;
        self.pair = StaticKey::from_secret(&secret);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        self.pair.0.public.as_bytes()
    }

    fn privkey(&self) -> &[u8] {
        self.pair.0.secret.as_bytes()
    }

    /// Refuses the all-zero secret that every low-order point leads to.
    fn dh(&self, theirs: &[u8], shared: &mut [u8]) -> Result<(), Error> {
        let theirs: [u8; 32] = theirs
            .get(..32)
            .and_then(|key| key.try_into().ok())
            .ok_or(Error::Dh)?;
        let secret = self.pair.0.secret.diffie_hellman(&PublicKey::from(theirs));
        if !secret.was_contributory() {
            return Err(Error::Dh);
        }
        shared
            .get_mut(..32)
            .ok_or(Error::Dh)?
            .copy_from_slice(secret.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
pub(in crate::channel) mod tests;
