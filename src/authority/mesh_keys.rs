//! The mesh keys that an admin hands to joining machines, sealed under the admin's own key.

use std::collections::BTreeMap;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use minicbor::{Decode, Encode};
use rand::CryptoRng;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::domain::codec;
use crate::domain::enrol::SharedMeshKey;
use crate::domain::file::{FormatError, Kind};
use crate::domain::id::{AuthorId, ClinicId};
use crate::domain::sign::SigningKey;
use crate::domain::trust::MeshKey;

/// The file of sealed mesh keys.
pub(super) const MESH_FILE: Kind = Kind {
    label: "clinic-mesh mesh keys",
    version: 1,
    limit: 1024,
};

/// Mesh keys by number, those that are planned included.
pub(super) type MeshKeys = BTreeMap<u32, MeshKey>;

#[derive(Encode, Decode)]
#[cbor(array)]
struct SealedKeys {
    #[n(0)]
    clinic: ClinicId,
    #[n(1)]
    admin: AuthorId,
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    nonce: [u8; 24],
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    sealed: Vec<u8>,
}

/// Why a file of mesh keys does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeshKeysError {
    /// Not such a file, of another version, or not well-formed.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Of another admin or changed.
    #[error(
        "the mesh keys do not open with this admin's key; remove the file and take the keys from a running node"
    )]
    NotThisAdmins,
}

/// Adds keys, which may be yet to be committed to, and drops all others but those with these numbers.
pub(super) fn keep(keys: &mut MeshKeys, more: &[SharedMeshKey], others: &[u32]) {
    keys.retain(|held, _| others.contains(held));
    keys.extend(more.iter().map(|one| (one.epoch, one.key.clone())));
}

/// The bytes of the file.
pub(super) fn seal(
    keys: &MeshKeys,
    clinic: ClinicId,
    admin: &SigningKey,
    rng: &mut dyn CryptoRng,
) -> Vec<u8> {
    let shared: Vec<SharedMeshKey> = keys
        .iter()
        .map(|(epoch, key)| SharedMeshKey {
            epoch: *epoch,
            key: key.clone(),
        })
        .collect();
    let plain = Zeroizing::new(codec::encode(&shared));
    let mut nonce = [0; 24];
    rng.fill_bytes(&mut nonce);
    let sealed = cipher(admin)
        .encrypt(
            &XNonce::from(nonce),
            Payload {
                msg: &plain,
                aad: &bound(clinic, admin.id()),
            },
        )
        .expect("a few keys are within the cipher's limit");
    MESH_FILE.write(&SealedKeys {
        clinic,
        admin: admin.id(),
        nonce,
        sealed,
    })
}

/// Reads what [`seal`] wrote.
pub(super) fn open(bytes: &[u8], admin: &SigningKey) -> Result<MeshKeys, MeshKeysError> {
    let file: SealedKeys = MESH_FILE.read(bytes)?;
    if file.admin != admin.id() {
        return Err(MeshKeysError::NotThisAdmins);
    }
    let sealed = Payload {
        msg: &file.sealed,
        aad: &bound(file.clinic, admin.id()),
    };
    let plain = cipher(admin)
        .decrypt(&XNonce::from(file.nonce), sealed)
        .map(Zeroizing::new)
        .map_err(|_| MeshKeysError::NotThisAdmins)?;
    let shared: Vec<SharedMeshKey> =
        codec::strict(&plain, MESH_FILE.limit).map_err(|_| MeshKeysError::NotThisAdmins)?;
    Ok(shared.into_iter().map(|one| (one.epoch, one.key)).collect())
}

/// Reads a file without opening it, and writes it back.
pub(super) fn reread(bytes: &[u8]) -> Option<Vec<u8>> {
    let file: SealedKeys = MESH_FILE.read(bytes).ok()?;
    Some(MESH_FILE.write(&file))
}

fn bound(clinic: ClinicId, admin: AuthorId) -> Vec<u8> {
    [
        &MESH_FILE.preface()[..],
        clinic.as_bytes(),
        admin.as_bytes(),
    ]
    .concat()
}

/// The admin's seed is a signing key; what seals is derived from it and used for nothing else.
fn cipher(admin: &SigningKey) -> XChaCha20Poly1305 {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, &*admin.seed())
        .expand(b"clinic-mesh/mesh-keys-file/v1", &mut *key)
        .expect("32 bytes are within what HKDF expands to");
    XChaCha20Poly1305::new(&Key::from(*key))
}
