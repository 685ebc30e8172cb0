//! Who this node is: its keys, its certificate and the clinic it belongs to, kept in its store.

use minicbor::{Decode, Encode};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::domain::cert::Certificate;
use crate::domain::codec::{self, CodecError};
use crate::domain::id::{ClinicId, DeviceId};
use crate::domain::sign::SigningKey;
use crate::domain::trust::Credentials;
use crate::platform::web_key::WebKey;
use crate::store::{Meta, Store, StoreError};

/// The name of the value in the store.
const NAME: &str = "identity";

/// Largest encoding: two signed objects of a kilobyte each and the keys.
const SIZE_MAX: usize = 8 * 1024;

/// The keys of a device, from before it is enrolled.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DeviceKeys {
    seed: [u8; 32],
    noise: [u8; 32],
}

impl DeviceKeys {
    /// Takes random bytes for the identity key's seed and the Noise key.
    pub fn new(seed: &[u8; 32], noise: &[u8; 32]) -> Self {
        Self {
            seed: *seed,
            noise: *noise,
        }
    }

    /// The identity key.
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::from_seed(&self.seed)
    }

    /// The device these keys make.
    pub fn device(&self) -> DeviceId {
        self.signing_key().id().as_device()
    }

    /// Both secrets, to be kept in a sealed store.
    pub(super) fn to_bytes(&self) -> Zeroizing<[u8; 64]> {
        let mut bytes = Zeroizing::new([0; 64]);
        bytes[..32].copy_from_slice(&self.seed);
        bytes[32..].copy_from_slice(&self.noise);
        bytes
    }

    /// Reads [`to_bytes`](Self::to_bytes).
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (seed, noise) = bytes.split_at_checked(32)?;
        Some(Self::new(seed.try_into().ok()?, noise.try_into().ok()?))
    }

    /// The key that browsers are shown.
    pub fn web_key(&self) -> WebKey {
        WebKey::of_device(&self.seed)
    }

    /// The secret half of the Noise key.
    pub fn noise_secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.noise)
    }
}

impl std::fmt::Debug for DeviceKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeviceKeys({})", self.device().short())
    }
}

/// An enrolled device's identity.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The pinned clinic.
    pub clinic: ClinicId,
    /// The device's keys.
    pub keys: DeviceKeys,
    /// What it shows in handshakes.
    pub credentials: Credentials,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Stored {
    #[n(0)]
    version: u8,
    #[n(1)]
    clinic: ClinicId,
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    seed: [u8; 32],
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    noise: [u8; 32],
    #[n(4)]
    credentials: Credentials,
}

/// The version of the stored identity.
const VERSION: u8 = 1;

/// Why a store does not tell who its node is.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The store has no identity: enrolment was not finished.
    #[error(
        "this node is not enrolled yet; run `clinic-mesh node join`, with --answer FILE if it waits for an answer on a \
         stick (or `clinic-mesh node init` for a clinic's first)"
    )]
    NotEnrolled,
    /// The stored identity cannot be read.
    #[error(
        "the stored identity cannot be read ({0}); restore this node's directory or enrol it again"
    )]
    Unreadable(#[from] CodecError),
    /// The store itself failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Identity {
    /// Reads the identity of the node that this store belongs to.
    pub fn load(store: &Store) -> Result<Self, IdentityError> {
        let bytes = Zeroizing::new(store.meta(NAME)?.ok_or(IdentityError::NotEnrolled)?);
        let stored: Stored = codec::strict(&bytes, SIZE_MAX)?;
        if stored.version != VERSION {
            return Err(CodecError::Malformed.into());
        }
        let keys = DeviceKeys::new(&stored.seed, &stored.noise);
        Ok(Self {
            clinic: stored.clinic,
            keys,
            credentials: stored.credentials,
        })
    }

    /// The value that keeps this identity in a store.
    pub(super) fn to_meta(&self) -> Meta {
        let stored = Stored {
            version: VERSION,
            clinic: self.clinic,
            seed: self.keys.seed,
            noise: self.keys.noise,
            credentials: self.credentials.clone(),
        };
        Meta {
            name: NAME.to_owned(),
            value: Some(codec::encode(&stored)),
        }
    }

    /// The certificate inside the credentials; none if it does not open, which enrolment prevents.
    pub fn certificate(&self) -> Option<Certificate> {
        Certificate::open(&self.credentials.certificate, &self.clinic).ok()
    }
}
