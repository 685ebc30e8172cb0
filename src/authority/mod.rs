//! The clinic's certificate authority: a directory of keys on an admin's machine, and what they
//! sign. It needs no network; time and randomness are given to it.
//!
//! # The directory
//!
//! Mode 0700, every file 0600, each replaced so that a power cut leaves the old or the new one.
//!
//! | file | holds |
//! |---|---|
//! | `root.key` | the root key, sealed under its passphrase; best kept on a stick in a safe |
//! | `root-next.key` | while the root key is being changed: the one that follows, sealed likewise |
//! | `admin-<name>.key` | an admin's key, sealed under that admin's passphrase |
//! | `mesh-<name>.keys` | the newest mesh keys, sealed under that admin's key |
//! | `web-<name>.ca` | the web CA, sealed under that admin's key |
//! | `shares` | which shares of the root were made last, and when they were last tried; nothing secret |
//! | `record` | the copy of the clinic record: public within the clinic, every byte signed |
//! | `lock` | held while an [`Authority`] is open and not [let go](Authority::let_go), so that no two of them continue one log |
//!
//! # Old copies
//!
//! A log continued from an old copy of this directory is a fork, and costs the admin the key. So the
//! record that a running node has is merged ([`Authority::merge`]) before anything is signed; the
//! signed segment is in the `record` file before it is handed out.

mod acts;
mod directory;
mod draft;
mod drill;
mod enrolment;
mod found;
mod keyfile;
mod let_go;
mod mesh_key_acts;
mod mesh_keys;
mod passphrase;
mod recovery;
pub mod reread;
mod rotation;
mod shares;
mod web;
mod web_ca;

use std::path::{Path, PathBuf};

use rand::{CryptoRng, Rng as _};

use crate::domain::copy::{CopyError, Merged, RecordCopy};
use crate::domain::enrol::EnrolError;
use crate::domain::file::FormatError;
use crate::domain::id::{AuthorId, ClinicId, DeviceId};
use crate::domain::log::Segment;
use crate::domain::name::Name;
use crate::domain::record::Clinic;
use crate::domain::sign::SigningKey;
use crate::domain::statement::Act;
use crate::domain::time::WallTime;
use crate::platform::files::FileError;
use crate::platform::lock::LockError;
use crate::platform::sealed::UnsoundKey;

use directory::Directory;
use mesh_keys::MeshKeys;

pub use acts::{Changed, NewAdmin, SIGN_IN_LIFE, Standing};
pub use directory::{AdminFile, admins, create_admin_key, record};
pub use draft::{INVITATION_LIFE_MAX, SignError};
pub use drill::{
    DRILL_LIFE, Drill, Drilled, KeptSet, Made, MadeShares, check_shares, kept_set,
    recover_from_shares,
};
pub use enrolment::{Enrolled, INVITATION_LIFE};
pub use found::{FOUNDING_GRANT_LIFE, Founded, Founding, found, recover};
pub use keyfile::{Holder, KeyFileError};
pub use mesh_keys::MeshKeysError;
pub use passphrase::{Cost, PASSPHRASE_MAX, PASSPHRASE_MIN, Passphrase, PassphraseError};
pub use recovery::{RecoveryError, grouped, letters_in};
pub use rotation::{Begun, Progress, RotationRefusal, finish_rotation, rotation_progress};
pub use shares::{SHARES_MAX, Seen, SetId, Share, ShareError, ShareTyping, Sheets, THRESHOLD_MIN};
pub use web_ca::{LEAF_LIFE, LEAF_RENEWAL, WebCa, WebCaError};

/// Why the authority did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file or the directory cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another command works in the directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Others may be working in the directory, so nothing is signed or written.
    #[error("the authority's directory was let go meanwhile; repeat the command")]
    LetGo,
    /// There are keys in the directory already.
    #[error("{path} already holds an authority or other files; choose an empty place")]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// A key file does not open.
    #[error("{path}: {source}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyFileError,
    },
    /// The key file is another's than its place says.
    #[error("{path} holds another key than its name says; put the right file back")]
    OtherHolder {
        /// The file.
        path: PathBuf,
    },
    /// The mesh keys do not open.
    #[error("{path}: {source}")]
    MeshKeys {
        /// The file.
        path: PathBuf,
        /// Why.
        source: MeshKeysError,
    },
    /// The web CA does not open, or did not do what it was asked.
    #[error(transparent)]
    WebCa(#[from] WebCaError),
    /// There is no web CA among this admin's files.
    #[error(
        "this admin has no web CA; make one with `authority web-ca`, or have an admin do it who has one"
    )]
    NoWebCa,
    /// A second web CA would have to be trusted on every machine anew.
    #[error("the clinic has a web CA already, for {domain}")]
    WebCaThere {
        /// Its domain.
        domain: String,
    },
    /// The record file cannot be read.
    #[error("{path}: {source}; take the record from a node, or put back your copy")]
    RecordFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FormatError,
    },
    /// The record file is of another clinic.
    #[error("{path} is the record of another clinic; put the right file back")]
    OtherClinic {
        /// The file.
        path: PathBuf,
    },
    /// Nothing of the clinic is known here.
    #[error("the clinic record is not here; take it from a running node before signing anything")]
    NoRecord,
    /// The record given does not verify.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// A statement was not signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// A device was not enrolled.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// No office, name and kind were given, and the request names no invitation.
    #[error("the request names no invitation; say which office, name and kind the machine gets")]
    NoTerms,
    /// The answer would not fit.
    #[error("the clinic record is too long for an answer file; enrol the machine online instead")]
    AnswerTooLong,
    /// The device has a key that nobody may seal to.
    #[error(transparent)]
    UnsoundKey(#[from] UnsoundKey),
    /// The device is not in the record, or was revoked.
    #[error("device {device} is not enrolled; make it an answer by approving a request of it")]
    NotEnrolled {
        /// Which.
        device: DeviceId,
    },
    /// The newest mesh key is not on this machine.
    #[error(
        "mesh key {epoch} is not on this machine; take it from a running node, or rotate the key"
    )]
    NoMeshKey {
        /// Number of the key.
        epoch: u32,
    },
    /// A mesh key that no admin committed to.
    #[error("mesh key {epoch} is not the one in the clinic record; refuse its source")]
    OtherMeshKey {
        /// Number of the key.
        epoch: u32,
    },
    /// The root does not hold mesh keys.
    #[error("the root key does not enrol or hold mesh keys; open an admin key for this")]
    NotAnAdmin,
    /// Only the root key is split.
    #[error("an admin's key is not split into shares; open the root key for this")]
    NotTheRoot,
    /// Shares were not made, not read, or do not bring the root back.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// The file about shares cannot be read.
    #[error("{path}: {source}; remove the file, and have the shares tried again")]
    SharesFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FormatError,
    },
    /// The recovery page was not read.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The root key was not changed.
    #[error(transparent)]
    Rotation(#[from] RotationRefusal),
}

/// One opened key with its directory: whatever it signs is in the directory before anyone gets it.
#[derive(Debug)]
pub struct Authority {
    directory: Directory,
    holder: Holder,
    key: SigningKey,
    record: RecordCopy,
    clinic: Clinic,
    mesh_keys: MeshKeys,
    web_ca: Option<WebCa>,
    rng: Entropy,
}

/// Randomness, as it was given.
struct Entropy(Box<dyn CryptoRng + Send>);

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy(..)")
    }
}

impl Entropy {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

impl Authority {
    /// Opens the root key.
    pub fn open_root(
        path: &Path,
        passphrase: &Passphrase,
        rng: impl CryptoRng + Send + 'static,
    ) -> Result<Self, AuthorityError> {
        Self::open(path, Holder::Root, passphrase, rng)
    }

    /// Opens the key of the admin of this name.
    pub fn open_admin(
        path: &Path,
        name: &Name,
        passphrase: &Passphrase,
        rng: impl CryptoRng + Send + 'static,
    ) -> Result<Self, AuthorityError> {
        let name = name.clone();
        Self::open(path, Holder::Admin { name }, passphrase, rng)
    }

    fn open(
        path: &Path,
        holder: Holder,
        passphrase: &Passphrase,
        rng: impl CryptoRng + Send + 'static,
    ) -> Result<Self, AuthorityError> {
        let directory = Directory::open(path)?;
        let (clinic, key) = directory.open_key(&holder, passphrase)?;
        let record = directory.load_record(clinic)?;
        let folded = record.clinic();
        check_root(&holder, &key, &folded)?;
        let mesh_keys = directory.load_mesh_keys(&holder, &key)?;
        let web_ca = directory.load_web_ca(&holder, &key)?;
        Ok(Self {
            clinic: folded,
            directory,
            holder,
            key,
            record,
            mesh_keys,
            web_ca,
            rng: Entropy(Box::new(rng)),
        })
    }

    /// The clinic as the copy of its record says.
    pub const fn clinic(&self) -> &Clinic {
        &self.clinic
    }

    /// The clinic's id.
    pub const fn clinic_id(&self) -> ClinicId {
        self.record.clinic_id()
    }

    /// The opened key's public half.
    pub fn id(&self) -> AuthorId {
        self.key.id()
    }

    /// Whose key is open.
    pub const fn holder(&self) -> &Holder {
        &self.holder
    }

    /// The copy of the record, to be given to a node that is behind.
    pub const fn record(&self) -> &RecordCopy {
        &self.record
    }

    /// Takes what a running node has of the record, verified as a node would.
    ///
    /// Forks are named in the result; a fork of this key's own log is refused when it signs next.
    pub fn merge(
        &mut self,
        segments: impl IntoIterator<Item = Segment>,
    ) -> Result<Merged, AuthorityError> {
        let mut record = self.record.clone();
        let merged = record.merge(segments)?;
        self.adopt(record)?;
        Ok(merged)
    }

    /// Signs one act as the next entry of this key's log, if every node would count it.
    ///
    /// When this returns, the statement is in the `record` file; it is yet to be given to a node.
    pub fn sign(&mut self, act: Act, now: WallTime) -> Result<Segment, AuthorityError> {
        let segment = self.draft(act, now)?;
        self.commit(segment)
    }

    /// The clinic as it would be if this act were signed; nothing is signed for good.
    pub fn foresee(&mut self, act: Act, now: WallTime) -> Result<Clinic, AuthorityError> {
        let segment = self.draft(act, now)?;
        let mut record = self.record.clone();
        record.merge([segment])?;
        Ok(record.clinic())
    }

    fn draft(&mut self, act: Act, now: WallTime) -> Result<Segment, AuthorityError> {
        // A key that was recovered without the record would begin its log anew: a fork.
        if self.clinic.name.is_none() || matches!(act, Act::Founded { .. }) {
            return Err(AuthorityError::NoRecord);
        }
        let salt = self.rng.array();
        Ok(draft::draft(&self.record, &self.key, act, now, salt)?)
    }

    fn commit(&mut self, segment: Segment) -> Result<Segment, AuthorityError> {
        let mut record = self.record.clone();
        record.merge([segment.clone()])?;
        self.adopt(record)?;
        Ok(segment)
    }

    fn adopt(&mut self, record: RecordCopy) -> Result<(), AuthorityError> {
        self.directory.save_record(&record)?;
        self.clinic = record.clinic();
        self.record = record;
        Ok(())
    }
}

/// A root key that another has followed signs nothing more.
fn check_root(holder: &Holder, key: &SigningKey, clinic: &Clinic) -> Result<(), AuthorityError> {
    match *holder == Holder::Root && !clinic.roots.is_empty() && !clinic.is_root(&key.id()) {
        true => Err(RotationRefusal::NoRoot.into()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
