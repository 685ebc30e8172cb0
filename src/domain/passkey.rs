//! Passkeys: public keys whose private halves stay with a person's phone, PC or security key.

use std::fmt;

use minicbor::{Decode, Encode};

use super::id::{Hash, byte_id};
use super::name::Name;
use super::web::is_dns_name;

/// Most passkeys of one person: every device they have, and some they have forgotten.
pub const PASSKEYS_MAX: usize = 10;

/// Longest id that an authenticator may give a passkey, in bytes.
///
/// Those in use have 16 to 268; the standard would allow 1023, which is an entry's whole room.
pub const CREDENTIAL_MAX: usize = 512;

/// Longest RSA modulus in bytes: 4096 bits.
const MODULUS_MAX: usize = 512;

byte_id!(
    /// Names a passkey in entries and to faces: a digest of the id that its authenticator gave it.
    PasskeyId,
    16
);

impl PasskeyId {
    /// The name of the passkey with this id.
    pub fn of(credential: &[u8]) -> Self {
        let hash = Hash::of("passkey/v1", &[credential]);
        let (id, _) = hash
            .as_bytes()
            .split_first_chunk::<16>()
            .expect("a hash is longer than 16 bytes");
        Self::new(*id)
    }
}

/// The public half, by the algorithm it is for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PasskeyKey {
    /// ECDSA with P-256 and SHA-256.
    #[n(0)]
    P256 {
        /// The point's first coordinate.
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        x: [u8; 32],
        /// The second.
        #[n(1)]
        #[cbor(with = "minicbor::bytes")]
        y: [u8; 32],
    },
    /// ECDSA with P-384 and SHA-384.
    #[n(1)]
    P384 {
        /// The point's first coordinate.
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        x: [u8; 48],
        /// The second.
        #[n(1)]
        #[cbor(with = "minicbor::bytes")]
        y: [u8; 48],
    },
    /// RSASSA-PKCS1-v1_5 with SHA-256, which older TPMs have.
    #[n(2)]
    Rsa {
        /// The modulus.
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        modulus: Vec<u8>,
        /// The exponent.
        #[n(1)]
        #[cbor(with = "minicbor::bytes")]
        exponent: [u8; 3],
    },
}

/// Whether a passkey is on one device only, as its authenticator says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Copies {
    /// It never leaves its device.
    #[n(0)]
    Never,
    /// It may be copied to other devices of its owner, and has not been.
    #[n(1)]
    NotYet,
    /// Its owner has it on several devices.
    #[n(2)]
    Made,
}

/// A passkey as it was set up.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Passkey {
    /// The id that its authenticator gave it.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub credential: Vec<u8>,
    /// What its signatures are checked with.
    #[n(1)]
    pub key: PasskeyKey,
    /// The domain of the pages it works at; it never signs for another.
    #[n(2)]
    pub domain: String,
    /// What its owner calls it.
    #[n(3)]
    pub name: Name,
    /// How often it had signed; 0 throughout for one that does not count.
    #[n(4)]
    pub counter: u32,
    /// Whether there may be copies.
    #[n(5)]
    pub copies: Copies,
}

impl Passkey {
    /// What entries and faces call it.
    pub fn id(&self) -> PasskeyId {
        PasskeyId::of(&self.credential)
    }

    /// Whether everything is within its bounds.
    pub fn is_sound(&self) -> bool {
        let key = match &self.key {
            PasskeyKey::P256 { .. } | PasskeyKey::P384 { .. } => true,
            PasskeyKey::Rsa { modulus, .. } => modulus.len() <= MODULUS_MAX,
        };
        let here = self.domain == "localhost" || is_dns_name(&self.domain);
        key && here && (1..=CREDENTIAL_MAX).contains(&self.credential.len())
    }

    /// Whether this number may follow the last one.
    ///
    /// An authenticator that counts never gives a number twice; one that does has a twin.
    pub const fn may_follow(&self, counter: u32) -> bool {
        (counter == 0 && self.counter == 0) || counter > self.counter
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::passkey;

    #[test]
    fn a_counter_that_falls_or_stands_still_tells_of_a_twin() {
        let counted = Passkey {
            counter: 7,
            ..passkey(1)
        };
        assert!(counted.may_follow(8) && counted.may_follow(u32::MAX));
        for twin in [0, 6, 7] {
            assert!(!counted.may_follow(twin), "{twin}");
        }
        let uncounted = Passkey {
            counter: 0,
            ..passkey(1)
        };
        assert!(uncounted.may_follow(0) && uncounted.may_follow(1));
    }

    #[test]
    fn a_passkey_with_anything_out_of_bounds_is_not_sound() {
        assert!(passkey(1).is_sound());
        let changed = |change: fn(&mut Passkey)| {
            let mut passkey = passkey(1);
            change(&mut passkey);
            passkey.is_sound()
        };
        assert!(changed(|it| it.domain = "localhost".to_owned()));
        assert!(!changed(|it| it.domain = "elsewhere".to_owned()));
        assert!(!changed(|it| it.credential.clear()));
        assert!(!changed(|it| it.credential = vec![1; CREDENTIAL_MAX + 1]));
        let rsa = |bytes| PasskeyKey::Rsa {
            modulus: vec![1; bytes],
            exponent: [1, 0, 1],
        };
        let with = |key| Passkey { key, ..passkey(1) }.is_sound();
        assert!(with(rsa(MODULUS_MAX)) && !with(rsa(MODULUS_MAX + 1)));
    }
}
