//! The root key is changed: what the old root, the new root and the admins sign.
//!
//! A clinic's id is the hash of its first root key and stays. A rotation names the next root key and
//! up to which number the old root's log counts. Both keys sign it; that alone says nothing, for a
//! thief of the old key can do as much. It counts when more than half of the admins in office at that
//! number have put it into their own logs: see [`record`](super::record).

use minicbor::{Decode, Encode};

use super::id::{AdminId, AuthorId, ClinicId, Hash};
use super::record::Item;
use super::sign::{self, Label, Signature, Signed, SignedBody, SignedError, SigningKey};

/// The version of rotations.
pub const VERSION: u8 = 1;

/// Most rotations in a clinic's life.
///
/// Eight: one in some years, and a chain that fits many times into a handshake.
pub const ROTATIONS_MAX: u8 = 8;

/// What a rotation says.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Rotation {
    /// Format version, 1.
    #[n(0)]
    pub version: u8,
    /// The clinic it is valid in.
    #[n(1)]
    pub clinic: ClinicId,
    /// The how-manieth it is, from 1.
    #[n(2)]
    pub number: u8,
    /// The key it ends.
    #[n(3)]
    pub old: AdminId,
    /// The key that follows.
    #[n(4)]
    pub new: AdminId,
    /// Number of the last statement of the old root that counts.
    #[n(5)]
    pub last: u64,
    /// What the old root had said up to there; see [`history`]. Of a log that the root's thief
    /// continued in another way, some nodes may hold that other way.
    #[n(6)]
    pub history: Hash,
}

impl SignedBody for Rotation {
    const LABEL: Label = Label::Rotation;
    const MAX: usize = 256;
}

/// A rotation with the signatures of both roots.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SignedRotation {
    /// Signed by the old root.
    #[n(0)]
    pub signed: Signed,
    /// Over the same bytes by the new root: somebody holds that key.
    #[n(1)]
    pub proof: Signature,
}

/// Why a rotation is refused, whoever stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotationError {
    /// The bytes or a signature are wrong.
    #[error(transparent)]
    Signed(#[from] SignedError),
    /// Of another clinic, version or number, or not signed by the key it ends.
    #[error("the rotation is not of this clinic's root")]
    OtherClinic,
    /// The new key is not sound, or the old one again.
    #[error("the new root key is not a sound Ed25519 key, or the old one again")]
    WeakKey,
    /// Rotations that do not follow one another.
    #[error("the rotations do not lead from the clinic's first root to this one")]
    Broken,
}

impl SignedRotation {
    /// Has both keys sign; nothing of it counts before the admins say so.
    pub fn new(rotation: &Rotation, old: &SigningKey, new: &SigningKey) -> Self {
        let signed = Signed::new(rotation, &rotation.clinic, old);
        let proof = new.sign(Label::RotationProof, &rotation.clinic, &signed.body);
        Self { signed, proof }
    }

    /// Opens a rotation and checks all that depends on nothing else: both signatures, form, keys.
    pub fn open(&self, clinic: &ClinicId) -> Result<Rotation, RotationError> {
        let rotation: Rotation = self.signed.open(clinic)?;
        let is_of_root = self.signed.signer == AuthorId::from(rotation.old);
        let fits = rotation.version == VERSION && (1..=ROTATIONS_MAX).contains(&rotation.number);
        if rotation.clinic != *clinic || !is_of_root || !fits {
            return Err(RotationError::OtherClinic);
        }
        if rotation.new == rotation.old || !sign::is_sound_key(rotation.new.as_bytes()) {
            return Err(RotationError::WeakKey);
        }
        let holder = AuthorId::from(rotation.new);
        let body = &self.signed.body;
        sign::verify(Label::RotationProof, clinic, &holder, body, &self.proof)
            .map_err(SignedError::from)?;
        Ok(rotation)
    }

    /// Names the rotation: of several with one number and end, the lowest name counts.
    pub fn digest(&self, clinic: &ClinicId) -> Hash {
        Hash::of("rotation/v1", &[clinic.as_bytes(), &self.signed.body])
    }
}

/// The order among rotations of one key: the earliest end, then the lowest name.
///
/// Whoever took the old key can add to its log and cannot take away from it. So what was said first
/// stands, whatever the thief lets follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Number of the last statement that counts.
    pub last: u64,
    /// Name of the rotation.
    pub digest: Hash,
}

/// A root that followed another, and by which change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its key.
    pub key: AdminId,
    /// The place of the rotation that named it, among others that ended the same root.
    pub rank: Rank,
}

/// A statement's place in the logs of the roots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RootPlace {
    /// How many roots there were before the one that made it.
    pub root: usize,
    /// Its number.
    pub seq: u64,
}

/// Opens the rotations that lead from the clinic's first root to a later one. Gives the roots on the way,
/// at least one.
pub fn open_chain(chain: &[SignedRotation], clinic: &ClinicId) -> Result<Vec<Step>, RotationError> {
    if chain.is_empty() || chain.len() > usize::from(ROTATIONS_MAX) {
        return Err(RotationError::Broken);
    }
    let mut steps: Vec<Step> = Vec::new();
    for signed in chain {
        let rotation = signed.open(clinic)?;
        let follows = match steps.last() {
            None => ClinicId::of_root(&rotation.old) == *clinic,
            Some(before) => rotation.old == before.key,
        };
        if !follows || usize::from(rotation.number) != steps.len() + 1 {
            return Err(RotationError::Broken);
        }
        steps.push(Step {
            key: rotation.new,
            rank: Rank {
                last: rotation.last,
                digest: signed.digest(clinic),
            },
        });
    }
    Ok(steps)
}

/// What a root has said up to a number: one hash over its statements with their numbers and times.
///
/// None when one of them is not here. Of two with one number, the first given counts.
pub fn history<'a>(
    clinic: &ClinicId,
    root: &AdminId,
    log: impl IntoIterator<Item = &'a Item>,
    last: u64,
) -> Option<Hash> {
    let mut said = std::collections::BTreeMap::new();
    for item in log {
        if item.id.author == AuthorId::from(*root) && (1..=last).contains(&item.id.seq) {
            said.entry(item.id.seq).or_insert(item);
        }
    }
    if said.len() as u64 != last {
        return None;
    }
    let begin = Hash::of("root-history/v1", &[clinic.as_bytes(), root.as_bytes()]);
    Some(said.values().fold(begin, |before, item| {
        let (seq, time) = (item.id.seq.to_be_bytes(), item.time.0.to_be_bytes());
        let body = item.statement.to_body();
        Hash::of("root-history/v1", &[before.as_bytes(), &seq, &time, &body])
    }))
}

#[cfg(test)]
mod tests;
