//! A device's key for browsers: P-256, as they ask for, made from the device's own secret.
//!
//! Nothing more has to be kept, and a machine that gets fresh keys gets a fresh one of these. What is
//! derived tells nothing of what it is derived from.

use hkdf::Hkdf;
use p256::SecretKey;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::pkcs8::EncodePrivateKey as _;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::domain::web;

/// The private half stays inside; TLS gets it in the form it asks for.
#[derive(Clone)]
pub struct WebKey(SecretKey);

impl WebKey {
    /// The key of the device with this secret.
    pub fn of_device(seed: &[u8; 32]) -> Self {
        let derivation = Hkdf::<Sha256>::new(None, seed);
        let mut bytes = Zeroizing::new([0; 32]);
        // One try in four billion gives a number that is no key.
        for attempt in 0..=u8::MAX {
            derivation
                .expand(
                    &[b"clinic-mesh/web-key/v1\0", &[attempt][..]].concat(),
                    &mut *bytes,
                )
                .expect("32 bytes are within what HKDF expands to");
            if let Ok(key) = SecretKey::from_slice(&*bytes) {
                return Self(key);
            }
        }
        unreachable!("256 hashes in a row above the curve's order")
    }

    /// The public half.
    pub fn public(&self) -> web::WebKey {
        let point = self.0.public_key().to_sec1_point(false);
        let bytes = point.as_bytes();
        bytes
            .try_into()
            .expect("an uncompressed point of P-256 has 65 bytes")
    }

    /// The private half, for the one file that shows a locked node's page.
    pub fn secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes().into())
    }

    /// The key with this private half, if there is such a one.
    pub fn from_secret(bytes: &[u8; 32]) -> Option<Self> {
        SecretKey::from_slice(bytes).ok().map(Self)
    }

    /// The private half in PKCS #8.
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        let document = self.0.to_pkcs8_der();
        document
            .expect("a key of a known curve has a form")
            .to_bytes()
    }
}

impl std::fmt::Debug for WebKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::hex;

    #[test]
    fn a_device_has_one_key_for_browsers_and_no_two_devices_the_same() {
        let (one, again) = (WebKey::of_device(&[7; 32]), WebKey::of_device(&[7; 32]));
        assert_eq!(one.public(), again.public());
        assert_ne!(one.public(), WebKey::of_device(&[8; 32]).public());
        assert_eq!(one.public()[0], 4);
        let again = WebKey::from_secret(&one.secret()).expect("a key");
        assert_eq!(one.public(), again.public());
        assert!(WebKey::from_secret(&[0; 32]).is_none());
    }

    /// Frozen: another derivation would cost every node its certificate.
    #[test]
    fn the_derivation_is_as_it_was() {
        let public = hex(&WebKey::of_device(&[7; 32]).public());
        assert_eq!(&public[..34], "04c0648ed6dff9a1eda2e8d5bcb29742a3");
    }
}
