//! Signatures: what exactly is signed, and the only way to check it.
//!
//! A signature covers a label of the object's type, the clinic, the signer and the body's bytes, so
//! it can never be taken for a signature on another type, in another clinic, or by another key.
//! Verification is Ed25519 strict (RFC 8032 with the checks of "Taming the many EdDSAs").

#[cfg(feature = "planted")]
mod memo;

use std::fmt;

use ed25519_dalek::Signer as _;
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use super::codec::{self, CodecError};
use super::id::{AuthorId, ClinicId, byte_id};

byte_id!(
    /// An Ed25519 signature.
    Signature,
    64
);

/// The types that are signed. One cannot be taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// A device certificate.
    Certificate,
    /// The root's word on an admin.
    Grant,
    /// A device's word on a log, the author's own included.
    Attestation,
    /// A request to enrol.
    Enrolment,
    /// A node's word that a message is taken back.
    Retraction,
    /// A device certificate that a node renewed.
    Renewal,
    /// The old root's word on the next root key.
    Rotation,
    /// The next root's word that somebody holds it.
    RotationProof,
}

impl Label {
    const fn text(self) -> &'static [u8] {
        match self {
            Self::Certificate => b"clinic-mesh/certificate/v1\0",
            Self::Grant => b"clinic-mesh/grant/v1\0",
            Self::Attestation => b"clinic-mesh/attestation/v1\0",
            Self::Enrolment => b"clinic-mesh/enrolment/v1\0",
            Self::Retraction => b"clinic-mesh/retraction/v1\0",
            Self::Renewal => b"clinic-mesh/renewal/v1\0",
            Self::Rotation => b"clinic-mesh/rotation/v1\0",
            Self::RotationProof => b"clinic-mesh/rotation-proof/v1\0",
        }
    }
}

/// The bytes an Ed25519 signature is made over.
fn message(label: Label, clinic: &ClinicId, signer: &AuthorId, body: &[u8]) -> Vec<u8> {
    [label.text(), clinic.as_bytes(), signer.as_bytes(), body].concat()
}

/// A signing key, held as its seed only.
///
/// There is no way to sign with a public key of someone's choosing (the double-public-key oracle).
#[derive(Clone)]
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// The key of a 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self {
            key: ed25519_dalek::SigningKey::from_bytes(seed),
        }
    }

    /// The seed, to be sealed at once.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes())
    }

    /// The public half.
    pub fn id(&self) -> AuthorId {
        AuthorId::new(self.key.verifying_key().to_bytes())
    }

    /// Signs `body` as an object of type `label` of this clinic.
    pub fn sign(&self, label: Label, clinic: &ClinicId, body: &[u8]) -> Signature {
        let signature = self.key.sign(&message(label, clinic, &self.id(), body));
        Signature::new(signature.to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id().short())
    }
}

/// The signature is not this signer's over these bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

/// Checks a signature strictly; small-order and malformed keys verify nothing.
pub fn verify(
    label: Label,
    clinic: &ClinicId,
    signer: &AuthorId,
    body: &[u8],
    signature: &Signature,
) -> Result<(), BadSignature> {
    let message = message(label, clinic, signer, body);
    let (key, signature) = (signer.as_bytes(), signature.as_bytes());
    #[cfg(feature = "planted")]
    let genuine = memo::verdict(key, &message, signature, || {
        is_genuine(key, &message, signature)
    });
    #[cfg(not(feature = "planted"))]
    let genuine = is_genuine(key, &message, signature);
    if genuine { Ok(()) } else { Err(BadSignature) }
}

fn is_genuine(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    ed25519_dalek::VerifyingKey::from_bytes(key)
        .and_then(|key| key.verify_strict(message, &signature))
        .is_ok()
}

/// Whether bytes are a public key that can verify anything: on the curve and not of small order.
pub fn is_sound_key(key: &[u8; 32]) -> bool {
    ed25519_dalek::VerifyingKey::from_bytes(key).is_ok_and(|key| !key.is_weak())
}

/// A kind of object that stands alone with its signature.
pub trait SignedBody: Encode<()> + for<'b> Decode<'b, ()> {
    /// The type's label.
    const LABEL: Label;
    /// Largest body in bytes.
    const MAX: usize;
}

/// Why a signed object was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignedError {
    /// The bytes are not the one encoding of such an object.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The signature does not verify over the bytes as received.
    #[error(transparent)]
    Signature(#[from] BadSignature),
}

/// A body with its signer and signature; the bytes are kept as received and passed on as received.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Signed {
    /// Who claims to have signed.
    #[n(0)]
    pub signer: AuthorId,
    /// The body's exact bytes.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// The signature over them.
    #[n(2)]
    pub signature: Signature,
}

impl Signed {
    /// Encodes and signs a body.
    pub fn new<T: SignedBody>(value: &T, clinic: &ClinicId, key: &SigningKey) -> Self {
        let body = codec::encode(value);
        let signature = key.sign(T::LABEL, clinic, &body);
        Self {
            signer: key.id(),
            body,
            signature,
        }
    }

    /// Verifies the bytes as received, then decodes them strictly.
    pub fn open<T: SignedBody>(&self, clinic: &ClinicId) -> Result<T, SignedError> {
        if self.body.len() > T::MAX {
            return Err(CodecError::TooLong {
                actual: self.body.len(),
                limit: T::MAX,
            }
            .into());
        }
        verify(T::LABEL, clinic, &self.signer, &self.body, &self.signature)?;
        Ok(codec::strict(&self.body, T::MAX)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLINIC: ClinicId = ClinicId::new([9; 32]);

    #[test]
    fn a_signature_holds_for_its_label_clinic_signer_and_bytes_only() {
        let key = SigningKey::from_seed(&[1; 32]);
        let other = SigningKey::from_seed(&[2; 32]);
        let signature = key.sign(Label::Grant, &CLINIC, b"body");
        let check = |label, clinic: &ClinicId, id: &AuthorId, body: &[u8]| {
            verify(label, clinic, id, body, &signature)
        };
        assert_eq!(check(Label::Grant, &CLINIC, &key.id(), b"body"), Ok(()));
        assert_eq!(
            check(Label::Certificate, &CLINIC, &key.id(), b"body"),
            Err(BadSignature)
        );
        assert_eq!(
            check(Label::Grant, &ClinicId::new([8; 32]), &key.id(), b"body"),
            Err(BadSignature)
        );
        assert_eq!(
            check(Label::Grant, &CLINIC, &other.id(), b"body"),
            Err(BadSignature)
        );
        assert_eq!(
            check(Label::Grant, &CLINIC, &key.id(), b"bodY"),
            Err(BadSignature)
        );
    }

    #[test]
    fn the_small_order_public_keys_verify_nothing() {
        let mut identity = [0; 32];
        identity[0] = 1;
        // For the identity point the trivial signature R = identity, S = 0 satisfies the lax equation.
        let mut trivial = [0; 64];
        trivial[0] = 1;
        let trivial = Signature::new(trivial);
        let signer = AuthorId::new(identity);
        assert_eq!(
            verify(Label::Grant, &CLINIC, &signer, b"x", &trivial),
            Err(BadSignature)
        );
        assert!(!is_sound_key(&identity));
    }
}
