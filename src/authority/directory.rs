//! The authority's directory: where its files are, and how they are read and replaced.

use std::path::{Path, PathBuf};

use minicbor::{Decode, Encode};
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::domain::copy::RecordCopy;
use crate::domain::file::Kind;
use crate::domain::id::{AdminId, ClinicId, Hash};
use crate::domain::log::Segment;
use crate::domain::name::Name;
use crate::domain::sign::SigningKey;
use crate::platform::files::{self, FileError};
use crate::platform::lock::Lock;

use super::AuthorityError;
use super::keyfile::{Holder, KEY_FILE, KeyFile};
use super::mesh_keys::{self, MESH_FILE, MeshKeys};
use super::passphrase::{Cost, Passphrase};
use super::rotation::RotationRefusal;
use super::web_ca::{self, WEB_FILE, WebCa};

/// The file of the record's copy.
///
/// 64 MiB: more than a hundred thousand statements, which no clinic makes.
const RECORD_FILE: Kind = Kind {
    label: "clinic-mesh record",
    version: 1,
    limit: 64 * 1024 * 1024,
};

/// The key that is to be the root's, until the record says that it is.
const NEXT_ROOT: &str = "root-next.key";

#[derive(Encode, Decode)]
#[cbor(array)]
struct RecordFile {
    #[n(0)]
    clinic: ClinicId,
    #[n(1)]
    segments: Vec<Segment>,
    /// Proofs of forks; read after the segments, so that they never take their place.
    #[n(2)]
    forks: Vec<Segment>,
}

/// What can be seen of an admin's key file without its passphrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminFile {
    /// The admin's name.
    pub name: Name,
    /// The admin's public key.
    pub admin: AdminId,
    /// The clinic the key was made for.
    pub clinic: ClinicId,
}

/// The admins whose key files are in the directory; files that are no key files are passed over.
pub fn admins(path: &Path) -> Result<Vec<AdminFile>, AuthorityError> {
    files::check_dir(path)?;
    let refused = |source| FileError::Io {
        path: path.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(refused)? {
        let name = entry.map_err(refused)?.file_name();
        let is_admins = name
            .to_str()
            .is_some_and(|name| name.starts_with("admin-") && name.ends_with(".key"));
        if !is_admins {
            continue;
        }
        let bytes = files::read(&path.join(name), KEY_FILE.file_limit())?;
        found.extend(KeyFile::from_bytes(&bytes).ok().and_then(admin_file));
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

fn admin_file(file: KeyFile) -> Option<AdminFile> {
    let Holder::Admin { name } = file.head.holder else {
        return None;
    };
    let admin = file.head.public.as_admin();
    let clinic = file.head.clinic;
    Some(AdminFile {
        name,
        admin,
        clinic,
    })
}

/// The copy of the clinic record in the directory, read without opening a key.
pub fn record(path: &Path) -> Result<RecordCopy, AuthorityError> {
    files::check_dir(path)?;
    let path = path.join("record");
    let bytes = match files::read(&path, RECORD_FILE.file_limit()) {
        Err(FileError::Missing { .. }) => return Err(AuthorityError::NoRecord),
        read => read?,
    };
    let file: RecordFile = match RECORD_FILE.read(&bytes) {
        Ok(file) => file,
        Err(source) => return Err(AuthorityError::RecordFile { path, source }),
    };
    let mut copy = RecordCopy::new(file.clinic);
    copy.merge(file.segments)?;
    Ok(copy)
}

/// Reads a copy of the record, checks every signature in it, and writes back what was read.
pub(super) fn reread_record(bytes: &[u8]) -> Option<Vec<u8>> {
    let file: RecordFile = RECORD_FILE.read(bytes).ok()?;
    let written = RECORD_FILE.write(&file);
    let mut copy = RecordCopy::new(file.clinic);
    // What does not hold is refused as a whole; it has been read all the same.
    let _ = copy.merge(file.segments.into_iter().chain(file.forks));
    Some(written)
}

/// Makes a key for a coming admin in a directory of their own; the root grants it by its id.
pub fn create_admin_key(
    path: &Path,
    clinic: ClinicId,
    name: Name,
    passphrase: &Passphrase,
    cost: Cost,
    mut rng: impl CryptoRng,
) -> Result<AdminId, AuthorityError> {
    files::ensure_dir(path)?;
    let directory = Directory::open(path)?;
    let key = new_key(&mut rng);
    directory.create_key(
        Holder::Admin { name },
        clinic,
        &key,
        passphrase,
        cost,
        &mut rng,
    )?;
    Ok(key.id().as_admin())
}

/// A fresh signing key.
pub(super) fn new_key(rng: &mut dyn CryptoRng) -> SigningKey {
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut *seed);
    SigningKey::from_seed(&seed)
}

/// The directory. It is written to only while it is locked.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// None while its owner waits for something and others may work here.
    lock: Option<Lock>,
}

impl Directory {
    /// Locks the directory; refuses one that others can enter.
    pub(super) fn open(path: &Path) -> Result<Self, AuthorityError> {
        files::check_dir(path)?;
        let lock = Lock::take(&path.join("lock"))?;
        Ok(Self {
            path: path.to_owned(),
            lock: Some(lock),
        })
    }

    /// Where it is, for whoever is about to write there.
    pub(super) fn held(&self) -> Result<&Path, AuthorityError> {
        match self.lock {
            Some(_) => Ok(&self.path),
            None => Err(AuthorityError::LetGo),
        }
    }

    /// Lets others work here.
    pub(super) fn let_go(&mut self) {
        self.lock = None;
    }

    /// Locks it again; whether others may have worked here meanwhile.
    pub(super) fn hold_again(&mut self) -> Result<bool, AuthorityError> {
        if self.lock.is_some() {
            return Ok(false);
        }
        files::check_dir(&self.path)?;
        self.lock = Some(Lock::take(&self.path.join("lock"))?);
        Ok(true)
    }

    /// Writes a key file; refuses to overwrite one.
    pub(super) fn create_key(
        &self,
        holder: Holder,
        clinic: ClinicId,
        key: &SigningKey,
        passphrase: &Passphrase,
        cost: Cost,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), AuthorityError> {
        let path = self.path.join(key_name(&holder));
        let sealed = KeyFile::seal(holder, clinic, key, passphrase, cost, rng);
        let file = sealed.map_err(|source| AuthorityError::KeyFile {
            path: path.clone(),
            source,
        })?;
        self.write_key(&path, &file)
    }

    /// Writes the root key's file; refuses to overwrite one.
    pub(super) fn write_root(&self, file: &KeyFile) -> Result<(), AuthorityError> {
        self.write_key(&self.path.join(key_name(&Holder::Root)), file)
    }

    fn write_key(&self, path: &Path, file: &KeyFile) -> Result<(), AuthorityError> {
        self.held()?;
        if path.exists() {
            return Err(FileError::Exists {
                path: path.to_owned(),
            }
            .into());
        }
        Ok(files::replace(path, &file.to_bytes())?)
    }

    /// Opens a key file.
    pub(super) fn open_key(
        &self,
        holder: &Holder,
        passphrase: &Passphrase,
    ) -> Result<(ClinicId, SigningKey), AuthorityError> {
        let path = self.path.join(key_name(holder));
        let bytes = files::read(&path, KEY_FILE.file_limit())?;
        let refused = |source| AuthorityError::KeyFile {
            path: path.clone(),
            source,
        };
        let file = KeyFile::from_bytes(&bytes).map_err(refused)?;
        let clinic = file.head.clinic;
        if file.head.holder != *holder {
            return Err(AuthorityError::OtherHolder { path });
        }
        let key = file.open(passphrase).map_err(refused)?;
        Ok((clinic, key))
    }

    /// Clinic and public key of the coming root, if a change of the root key was begun.
    pub(super) fn next_root(&self) -> Result<Option<(ClinicId, AdminId)>, AuthorityError> {
        let Some(file) = self.read_next_root()? else {
            return Ok(None);
        };
        Ok(Some((file.head.clinic, file.head.public.as_admin())))
    }

    /// A file without one byte that is not zero holds no key: it was being wiped, after the key had come
    /// into its place, or begun, before anything was signed with it. What the power left is removed.
    fn read_next_root(&self) -> Result<Option<KeyFile>, AuthorityError> {
        let path = self.path.join(NEXT_ROOT);
        let bytes = read_if_there(&path)?;
        if bytes.is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0)) {
            files::remove_and_scrub(&path)?;
        }
        read_key(path)
    }

    /// Clinic and public key of the root's file, if it is here.
    pub(super) fn root_here(&self) -> Result<Option<(ClinicId, AdminId)>, AuthorityError> {
        let found = read_key(self.path.join(key_name(&Holder::Root)))?;
        Ok(found.map(|file| (file.head.clinic, file.head.public.as_admin())))
    }

    /// Opens the key of the coming root.
    pub(super) fn open_next_root(
        &self,
        passphrase: &Passphrase,
    ) -> Result<SigningKey, AuthorityError> {
        let file = self.read_next_root()?.ok_or(RotationRefusal::NotBegun)?;
        let path = self.path.join(NEXT_ROOT);
        let opened = file.open(passphrase);
        opened.map_err(|source| AuthorityError::KeyFile { path, source })
    }

    /// Writes the key of the coming root; refuses to overwrite one.
    pub(super) fn create_next_root(
        &self,
        clinic: ClinicId,
        key: &SigningKey,
        passphrase: &Passphrase,
        cost: Cost,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), AuthorityError> {
        let path = self.path.join(NEXT_ROOT);
        let sealed = KeyFile::seal(Holder::Root, clinic, key, passphrase, cost, rng);
        let file = sealed.map_err(|source| AuthorityError::KeyFile {
            path: path.clone(),
            source,
        })?;
        self.write_key(&path, &file)
    }

    /// Puts the key of the coming root into the place of the old one, which is wiped.
    pub(super) fn take_next_root(&self) -> Result<(), AuthorityError> {
        let Some(file) = self.read_next_root()? else {
            return Ok(());
        };
        let path = self.held()?.join(key_name(&Holder::Root));
        files::replace_and_scrub(&path, &file.to_bytes())?;
        // What is known of shares is known of the old key's.
        for gone in [self.path.join("shares"), self.path.join(NEXT_ROOT)] {
            if gone.exists() {
                files::remove_and_scrub(&gone)?;
            }
        }
        Ok(())
    }

    /// The copy of the record; an empty one when there is no file.
    pub(super) fn load_record(&self, clinic: ClinicId) -> Result<RecordCopy, AuthorityError> {
        let path = self.path.join("record");
        let mut copy = RecordCopy::new(clinic);
        let bytes = match files::read(&path, RECORD_FILE.file_limit()) {
            Err(FileError::Missing { .. }) => return Ok(copy),
            read => read?,
        };
        let file: RecordFile = match RECORD_FILE.read(&bytes) {
            Ok(file) => file,
            Err(source) => return Err(AuthorityError::RecordFile { path, source }),
        };
        if file.clinic != clinic {
            return Err(AuthorityError::OtherClinic { path });
        }
        copy.merge(file.segments)?;
        copy.merge(file.forks)?;
        Ok(copy)
    }

    /// Replaces the copy of the record.
    pub(super) fn save_record(&self, copy: &RecordCopy) -> Result<(), AuthorityError> {
        let file = RecordFile {
            clinic: copy.clinic_id(),
            segments: copy.segments().cloned().collect(),
            forks: copy.forks().map(|fork| fork.proof.clone()).collect(),
        };
        Ok(files::replace(
            &self.held()?.join("record"),
            &RECORD_FILE.write(&file),
        )?)
    }

    /// The mesh keys of an admin; none for the root, or when there is no file.
    pub(super) fn load_mesh_keys(
        &self,
        holder: &Holder,
        key: &SigningKey,
    ) -> Result<MeshKeys, AuthorityError> {
        let Some(path) = self.mesh_path(holder) else {
            return Ok(MeshKeys::new());
        };
        match files::read(&path, MESH_FILE.file_limit()) {
            Err(FileError::Missing { .. }) => Ok(MeshKeys::new()),
            Err(error) => Err(error.into()),
            Ok(bytes) => mesh_keys::open(&bytes, key)
                .map_err(|source| AuthorityError::MeshKeys { path, source }),
        }
    }

    /// Replaces the mesh keys of an admin.
    pub(super) fn save_mesh_keys(
        &self,
        holder: &Holder,
        clinic: ClinicId,
        key: &SigningKey,
        keys: &MeshKeys,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), AuthorityError> {
        self.held()?;
        let path = self.mesh_path(holder).ok_or(AuthorityError::NotAnAdmin)?;
        let bytes = mesh_keys::seal(keys, clinic, key, rng);
        Ok(files::replace_and_scrub(&path, &bytes)?)
    }

    /// The web CA among an admin's files; none for the root, or when there is no file.
    pub(super) fn load_web_ca(
        &self,
        holder: &Holder,
        key: &SigningKey,
    ) -> Result<Option<WebCa>, AuthorityError> {
        let Some(path) = self.web_path(holder) else {
            return Ok(None);
        };
        match files::read(&path, WEB_FILE.file_limit()) {
            Err(FileError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
            Ok(bytes) => Ok(Some(web_ca::open(&bytes, key)?)),
        }
    }

    /// Writes the web CA for an admin.
    pub(super) fn save_web_ca(
        &self,
        holder: &Holder,
        clinic: ClinicId,
        key: &SigningKey,
        ca: &WebCa,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), AuthorityError> {
        self.held()?;
        let path = self.web_path(holder).ok_or(AuthorityError::NotAnAdmin)?;
        let bytes = web_ca::seal(ca, clinic, key, rng);
        Ok(files::replace_and_scrub(&path, &bytes)?)
    }

    fn web_path(&self, holder: &Holder) -> Option<PathBuf> {
        match holder {
            Holder::Root => None,
            Holder::Admin { name } => Some(self.path.join(format!("web-{}.ca", slug(name)))),
        }
    }

    fn mesh_path(&self, holder: &Holder) -> Option<PathBuf> {
        match holder {
            Holder::Root => None,
            Holder::Admin { name } => Some(self.path.join(format!("mesh-{}.keys", slug(name)))),
        }
    }
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, AuthorityError> {
    match files::read(path, KEY_FILE.file_limit()) {
        Err(FileError::Missing { .. }) => Ok(None),
        read => Ok(Some(read?)),
    }
}

fn read_key(path: PathBuf) -> Result<Option<KeyFile>, AuthorityError> {
    let Some(bytes) = read_if_there(&path)? else {
        return Ok(None);
    };
    let file = KeyFile::from_bytes(&bytes);
    file.map(Some)
        .map_err(|source| AuthorityError::KeyFile { path, source })
}

fn key_name(holder: &Holder) -> String {
    match holder {
        Holder::Root => "root.key".to_owned(),
        Holder::Admin { name } => format!("admin-{}.key", slug(name)),
    }
}

/// A name as part of a file name: letters and digits kept, all else a dash.
///
/// A name that loses anything by this gets four digits of its hash, so that no two names meet.
fn slug(name: &Name) -> String {
    let kept: String = name
        .as_str()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    if kept == name.as_str() {
        return kept;
    }
    let hash = Hash::of("file-name/v1", &[name.as_str().as_bytes()]);
    format!("{}-{}", kept.trim_matches('-'), &hash.to_string()[..4])
}
