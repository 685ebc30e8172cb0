//! The root key is changed: what the old root, the admins and the machine of the next root do.
//!
//! The next key lies in `root-next.key` from the moment the old root has signed for it. It becomes
//! `root.key` when the record says that it is the root, and the old key is wiped then.

use std::path::Path;

use zeroize::Zeroizing;

use crate::domain::id::{AdminId, AuthorId, ClinicId};
use crate::domain::log::Segment;
use crate::domain::name::Name;
use crate::domain::record::{Clinic, PendingRotation};
use crate::domain::rotation::{self, ROTATIONS_MAX, Rotation, SignedRotation};
use crate::domain::sign::SigningKey;
use crate::domain::statement::Act;
use crate::domain::time::WallTime;

use super::directory::{Directory, new_key};
use super::draft::SignError;
use super::keyfile::Holder;
use super::passphrase::{Cost, Passphrase};
use super::{Authority, AuthorityError, recovery};

/// What a clinic is shown as whose name is not known.
const UNNAMED: &str = "this clinic";

/// A rotation that the old root has signed.
#[derive(Debug)]
pub struct Begun {
    /// To be signed for by the admins.
    pub rotation: SignedRotation,
    /// The next root key.
    pub key: AdminId,
    /// Its number, the first being 1.
    pub number: u8,
    /// Number of the last statement of the old root that counts.
    pub last: u64,
    /// How many the old root has made.
    pub head: u64,
    /// The next root key on paper, to print, then forget.
    pub recovery_page: Zeroizing<String>,
}

/// How far a change of the root key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The next key is the root key, and lies where the old one lay.
    Done {
        /// Its number, the first being 1.
        number: u8,
    },
    /// The next key is the root key, and the old one still lies in its place.
    Ready {
        /// Its number, the first being 1.
        number: u8,
        /// The next key.
        new: AdminId,
        /// The old one.
        old: AdminId,
    },
    /// Too few admins have signed for it.
    Waits {
        /// How many have.
        signed: usize,
        /// How many it takes.
        needed: usize,
    },
}

/// Why the root key was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotationRefusal {
    /// The chain is as long as it may be.
    #[error("the root key was changed {ROTATIONS_MAX} times already; found the clinic anew")]
    TooMany,
    /// Another rotation counts, which nobody here need have wanted.
    #[error(
        "this root key was changed for another one already; if that was a thief, say with --last which of its statements counts as the last"
    )]
    ByAnother,
    /// The change that was begun here counts.
    #[error(
        "the change of the root key that was begun here counts already; complete it with `authority rotate-root finish`"
    )]
    Counts,
    /// The key is no root of this clinic.
    #[error("the key here is no root key of this clinic; take the right root.key or recovery page")]
    NoRoot,
    /// What was tried is of a root key that was changed.
    #[error(
        "these bring back an earlier root key, which was changed; destroy them and take the newest"
    )]
    Earlier,
    /// The opened key was the root's once.
    #[error(
        "the root key here was changed for another one; take the newest root.key or recovery page, or complete the change with `authority rotate-root finish`"
    )]
    Replaced,
    /// The next key is not in the directory.
    #[error(
        "no change of the root key was begun here; begin it with `authority rotate-root begin`"
    )]
    NotBegun,
    /// Nothing to sign for.
    #[error(
        "no change of the root key waits for this admin; bring the record up to date from a node"
    )]
    NothingWaits,
    /// The next key is of a change that the record does not know, or that lost to another.
    #[error(
        "the clinic record knows of no change to the key in root-next.key; begin again with `authority rotate-root begin`"
    )]
    Unknown,
}

impl Authority {
    /// The root signs for the next key, which is made here and sealed under `passphrase`.
    ///
    /// Nothing of it counts before the admins have signed. Done again with the same passphrase, it says
    /// the same of the same key.
    pub fn begin_rotation(
        &mut self,
        last: Option<u64>,
        passphrase: &Passphrase,
        cost: Cost,
        now: WallTime,
    ) -> Result<Begun, AuthorityError> {
        if self.holder != Holder::Root {
            return Err(AuthorityError::NotTheRoot);
        }
        let place = place(&self.clinic, &self.id())?;
        let number = u8::try_from(place + 1).unwrap_or(u8::MAX);
        if number > ROTATIONS_MAX {
            return Err(RotationRefusal::TooMany.into());
        }
        let head = self.record.head(&self.id()).seq;
        let last = self.last_that_counts(last, head, place)?;
        let (old, clinic) = (self.id().as_admin(), self.clinic_id());
        let history = rotation::history(&clinic, &old, self.record.items(), last);
        let history = history.ok_or(AuthorityError::NoRecord)?;
        let next = self.next_key(passphrase, cost)?;
        let rotation = Rotation {
            version: rotation::VERSION,
            clinic,
            number,
            old,
            new: next.id().as_admin(),
            last,
            history,
        };
        let name = self.clinic.name.clone();
        let name = name.unwrap_or_else(|| Name::new(UNNAMED).expect("a name as any other"));
        Ok(Begun {
            rotation: SignedRotation::new(&rotation, &self.key, &next),
            key: next.id().as_admin(),
            number: number + 1,
            last,
            head,
            recovery_page: recovery::page(&name, &clinic, &next, number + 1, now),
        })
    }

    /// Up to where this root's log counts: as far as it goes, or to before it was signed twice.
    fn last_that_counts(
        &self,
        given: Option<u64>,
        head: u64,
        place: usize,
    ) -> Result<u64, AuthorityError> {
        let undisputed = match self.record.fork(&self.id()) {
            Some(fork) => fork.seq.saturating_sub(1),
            None => head,
        };
        match given {
            Some(last) if last > head => Err(SignError::BeyondTheLog { last, head }.into()),
            Some(last) => Ok(last),
            None if place + 1 < self.clinic.roots.len() => Err(self.changed_already()?.into()),
            None => Ok(undisputed),
        }
    }

    /// Whether the change that counts is the one begun here, which was interrupted, or somebody's.
    fn changed_already(&self) -> Result<RotationRefusal, AuthorityError> {
        let newest = self.clinic.roots.last().map(|root| root.key);
        let waiting = self.directory.next_root()?;
        match waiting.is_some_and(|(_, next)| newest == Some(next)) {
            true => Ok(RotationRefusal::Counts),
            false => Ok(RotationRefusal::ByAnother),
        }
    }

    /// The key of a change that was begun before, or a fresh one.
    fn next_key(
        &mut self,
        passphrase: &Passphrase,
        cost: Cost,
    ) -> Result<SigningKey, AuthorityError> {
        let clinic = self.clinic_id();
        if self.directory.next_root()?.is_some() {
            return self.directory.open_next_root(passphrase);
        }
        let key = new_key(&mut *self.rng.0);
        self.directory
            .create_next_root(clinic, &key, passphrase, cost, &mut *self.rng.0)?;
        Ok(key)
    }

    /// The changes of the root key that wait for this admin.
    pub fn rotations_to_sign(&self) -> impl Iterator<Item = &PendingRotation> {
        let own = self.id().as_admin();
        let pending = self.clinic.pending_rotations.values();
        pending.filter(move |one| !one.signed_for.contains(&own))
    }

    /// Whether there is nothing left for this admin to sign: the change counts, or waits for others.
    pub fn has_signed_for(&self, rotation: &SignedRotation) -> bool {
        super::draft::carries(&self.clinic, self.id(), rotation)
    }

    /// An admin signs for a change of the root key; it counts when more than half have.
    pub fn sign_for_rotation(
        &mut self,
        rotation: &SignedRotation,
        now: WallTime,
    ) -> Result<Segment, AuthorityError> {
        let rotation = rotation.clone();
        self.sign(Act::RootRotated { rotation }, now)
    }
}

/// Which root of the clinic a key is, from 0.
fn place(clinic: &Clinic, key: &AuthorId) -> Result<usize, AuthorityError> {
    let mut roots = clinic.roots.iter();
    let place = roots.position(|root| AuthorId::from(root.key) == *key);
    place.ok_or_else(|| RotationRefusal::NoRoot.into())
}

/// How far the change of the root key that was begun here is, by the record with these segments, which
/// is kept.
pub fn rotation_progress(
    path: &Path,
    segments: impl IntoIterator<Item = Segment>,
) -> Result<Progress, AuthorityError> {
    progress(&Directory::open(path)?, segments)
}

/// Puts the next root key into the place of the old one, which is wiped, if the record here says that it
/// is the root. Needs no passphrase.
pub fn finish_rotation(path: &Path) -> Result<Progress, AuthorityError> {
    let directory = Directory::open(path)?;
    let found = progress(&directory, [])?;
    let Progress::Ready { number, .. } = found else {
        return Ok(found);
    };
    directory.take_next_root()?;
    Ok(Progress::Done { number })
}

fn progress(
    directory: &Directory,
    segments: impl IntoIterator<Item = Segment>,
) -> Result<Progress, AuthorityError> {
    let waiting = directory.next_root()?;
    // Once the key is in its place nothing waits, also if the power went before that was said.
    let begun = waiting.map_or_else(|| directory.root_here(), |next| Ok(Some(next)))?;
    let (clinic, next) = begun.ok_or(RotationRefusal::NotBegun)?;
    let mut record = directory.load_record(clinic)?;
    record.merge(segments)?;
    directory.save_record(&record)?;
    let clinic = record.clinic();
    let newest = clinic.roots.last().filter(|root| root.key == next);
    if let Some(rotation) = newest.and_then(|root| root.rotation.as_ref()) {
        let (number, new, old) = (rotation.number + 1, rotation.new, rotation.old);
        // What cannot be read may be the old key.
        let is_old_here = directory
            .root_here()
            .map_or(true, |here| here.is_some_and(|(_, key)| key != next));
        if waiting.is_some() && is_old_here {
            return Ok(Progress::Ready { number, new, old });
        }
        directory.take_next_root()?;
        return Ok(Progress::Done { number });
    }
    if waiting.is_none() {
        return Err(RotationRefusal::NotBegun.into());
    }
    let mut pending = clinic.pending_rotations.values();
    match pending.find(|one| one.rotation.new == next) {
        Some(one) => Ok(Progress::Waits {
            signed: one.signed_for.len(),
            needed: one.needed,
        }),
        None => Err(RotationRefusal::Unknown.into()),
    }
}

/// What a directory, or a person, knows of the clinic whose root key is brought back.
///
/// The clinic's id is the hash of the first root key only. That a later one is its root, the record
/// says; without a record a person does, and every statement is checked against the record later.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// The clinic that the directory is of.
    pub(super) clinic: Option<ClinicId>,
    /// The roots in its record.
    pub(super) roots: Vec<AdminId>,
    /// The clinic that a person named.
    pub(super) named: Option<ClinicId>,
}

impl Known {
    /// Looks into a directory.
    pub(super) fn of(path: &Path, named: Option<ClinicId>) -> Result<Self, AuthorityError> {
        let clinic = super::drill::known_clinic(path)?;
        let roots = match super::record(path) {
            Ok(record) => record.clinic().roots,
            Err(AuthorityError::NoRecord) => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            clinic,
            roots: roots.into_iter().map(|root| root.key).collect(),
            named,
        })
    }

    /// The clinic that is expected, if anything says so.
    pub(super) fn expected(&self) -> Option<ClinicId> {
        self.clinic.or(self.named)
    }

    /// Whether the key is the root's at present, as far as the record here knows.
    pub(super) fn is_newest(&self, root: &AdminId) -> bool {
        self.roots.last().is_none_or(|newest| newest == root)
    }

    /// The clinic of this root key; the one it would have founded when it is not the expected one's.
    pub(super) fn clinic_of(&self, root: &AdminId) -> Result<ClinicId, ClinicId> {
        let founded = ClinicId::of_root(root);
        let Some(expected) = self.expected() else {
            return Ok(founded);
        };
        let vouched = match self.roots.is_empty() {
            true => self.named == Some(expected),
            false => self.roots.contains(root),
        };
        let agreed = self.named.is_none_or(|named| named == expected);
        match agreed && (founded == expected || vouched) {
            true => Ok(expected),
            false => Err(founded),
        }
    }
}
