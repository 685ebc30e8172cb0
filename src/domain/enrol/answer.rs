//! The answer to an enrolment request, and its form on a stick.

use std::fmt;

use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::domain::codec::{self, CodecError};
use crate::domain::file::FormatError;
use crate::domain::id::{AdminId, ClinicId, DeviceId};
use crate::domain::log::Segment;
use crate::domain::sign::Signed;
use crate::domain::trust::MeshKey;

use super::{ANSWER_FILE, ANSWER_MAX};

/// A mesh key with its number, on its way to a device.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub struct SharedMeshKey {
    /// Number of the key.
    #[n(0)]
    pub epoch: u32,
    /// The key.
    #[n(1)]
    #[cbor(with = "mesh_key_bytes")]
    pub key: MeshKey,
}

/// A node to dial first.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Bootstrap {
    /// Which device answers there.
    #[n(0)]
    pub device: DeviceId,
    /// `host:port`.
    #[n(1)]
    pub address: String,
}

/// All that a machine needs to take part.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub struct EnrolmentAnswer {
    /// Format version, 1.
    #[n(0)]
    pub version: u8,
    /// The clinic.
    #[n(1)]
    pub clinic: ClinicId,
    /// The root key that the clinic's id is the hash of.
    #[n(2)]
    pub root: AdminId,
    /// The machine's certificate.
    #[n(3)]
    pub certificate: Signed,
    /// The grant of the admin who signed it.
    #[n(4)]
    pub grant: Signed,
    /// The accepted mesh keys.
    #[n(5)]
    pub mesh_keys: Vec<SharedMeshKey>,
    /// The clinic record, or at least the logs that the above is checked by.
    #[n(6)]
    pub record: Vec<Segment>,
    /// Where to begin.
    #[n(7)]
    pub bootstrap: Vec<Bootstrap>,
}

impl EnrolmentAnswer {
    /// The bytes to be sealed at once: they hold mesh keys.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(codec::encode(self))
    }

    /// Reads [`to_bytes`](Self::to_bytes); [`check`](Self::check) it next.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::strict(bytes, ANSWER_MAX)
    }
}

/// An answer sealed to one machine's Noise key, as it lies on a stick.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SealedAnswer {
    /// The machine it is for, so that another can say so.
    #[n(0)]
    pub device: DeviceId,
    /// The encapsulated key (RFC 9180).
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub encapsulated: [u8; 32],
    /// The sealed [`EnrolmentAnswer`].
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
}

impl fmt::Debug for SealedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedAnswer(for {})", self.device.short())
    }
}

impl SealedAnswer {
    /// What the seal binds besides the contents: label, version and device.
    pub fn bound(device: &DeviceId) -> Vec<u8> {
        [&ANSWER_FILE.preface()[..], device.as_bytes()].concat()
    }

    /// The bytes of an answer file.
    pub fn to_file(&self) -> Vec<u8> {
        ANSWER_FILE.write(self)
    }

    /// Reads an answer file; what is inside is opened with the machine's Noise key.
    pub fn from_file(bytes: &[u8]) -> Result<Self, FormatError> {
        ANSWER_FILE.read(bytes)
    }
}

/// A mesh key as a byte string; only an answer, itself sealed, spells one out.
mod mesh_key_bytes {
    use minicbor::decode::Error;
    use minicbor::encode::Write;
    use minicbor::{Decoder, Encoder};

    use crate::domain::trust::MeshKey;

    pub(super) fn encode<C, W: Write>(
        key: &MeshKey,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(key.expose())?.ok()
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<MeshKey, Error> {
        let bytes = d.bytes()?.try_into();
        bytes
            .map(MeshKey::new)
            .map_err(|_| Error::message("mesh key of a wrong length"))
    }
}
