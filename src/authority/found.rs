//! Founding a clinic: its keys, its first statements, its recovery page. And making the root key
//! again from that page.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::domain::cert::{self, Grant, Scopes};
use crate::domain::copy::RecordCopy;
use crate::domain::id::{AdminId, ClinicId};
use crate::domain::name::Name;
use crate::domain::policy::Policy;
use crate::domain::sign::{Signed, SigningKey};
use crate::domain::statement::Act;
use crate::domain::time::WallTime;
use crate::domain::trust::MeshKey;
use crate::platform::{files, lock};

use super::directory::{Directory, new_key};
use super::draft;
use super::keyfile::Holder;
use super::mesh_keys::MeshKeys;
use super::passphrase::{Cost, Passphrase};
use super::rotation::Known;
use super::web_ca::{self, WebCa, WebCaError};
use super::{AuthorityError, recovery};

/// How long the first admin's grant lasts.
///
/// Three years: long enough to be forgotten by nobody's calendar, short enough that a key left in a
/// drawer does not rule the clinic for ever.
pub const FOUNDING_GRANT_LIFE: Duration = Duration::from_secs(3 * 365 * 24 * 3600);

/// The number of a clinic's first mesh key.
const FIRST_MESH_KEY: u32 = 1;

/// What founding a clinic needs.
#[derive(Clone, Debug)]
pub struct Founding {
    /// The clinic's name.
    pub clinic_name: Name,
    /// The domain of its names for browsers; one made from its name, if none is chosen.
    pub web_domain: Option<String>,
    /// The first admin's name.
    pub admin_name: Name,
    /// Seals the root key.
    pub root_passphrase: Passphrase,
    /// Seals the first admin's key.
    pub admin_passphrase: Passphrase,
    /// What guessing either passphrase costs.
    pub cost: Cost,
}

/// A founded clinic.
#[derive(Debug)]
pub struct Founded {
    /// Its id.
    pub clinic: ClinicId,
    /// Its first admin.
    pub admin: AdminId,
    /// The domain of its names for browsers, if one was chosen or could be made.
    pub web_domain: Option<String>,
    /// The page to print, then forget.
    pub recovery_page: Zeroizing<String>,
}

/// Founds a clinic in a directory that is not there yet, or empty.
///
/// The directory appears under its name only when everything is in it.
pub fn found(
    path: &Path,
    founding: &Founding,
    now: WallTime,
    mut rng: impl CryptoRng,
) -> Result<Founded, AuthorityError> {
    refuse_filled(path)?;
    let unfinished = beside(path);
    // Of a founding that the power ended: nobody has seen its keys or its page.
    lock::remove_left(&unfinished)?;
    files::create_dir(&unfinished)?;
    let founded = fill(&unfinished, founding, now, &mut rng);
    match founded {
        Ok(founded) => {
            files::move_dir(&unfinished, path)?;
            Ok(founded)
        }
        Err(error) => {
            // Nobody has seen these keys; what matters is the error.
            let _ = std::fs::remove_dir_all(&unfinished);
            Err(error)
        }
    }
}

fn refuse_filled(path: &Path) -> Result<(), AuthorityError> {
    let filled = match std::fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    };
    if filled {
        let path = path.to_owned();
        return Err(AuthorityError::NotEmpty { path });
    }
    Ok(())
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".unfinished");
    PathBuf::from(name)
}

fn fill(
    path: &Path,
    founding: &Founding,
    now: WallTime,
    rng: &mut dyn CryptoRng,
) -> Result<Founded, AuthorityError> {
    let directory = Directory::open(path)?;
    let (root, admin) = (new_key(rng), new_key(rng));
    let clinic = ClinicId::of_root(&root.id().as_admin());
    let mesh_key = MeshKey::new(*new_key(rng).seed());
    let record = first_statements(founding, &root, &admin, &mesh_key, now, rng)?;
    let Founding {
        root_passphrase,
        admin_passphrase,
        cost,
        ..
    } = founding;
    directory.create_key(Holder::Root, clinic, &root, root_passphrase, *cost, rng)?;
    let holder = Holder::Admin {
        name: founding.admin_name.clone(),
    };
    directory.create_key(holder.clone(), clinic, &admin, admin_passphrase, *cost, rng)?;
    let keys = MeshKeys::from([(FIRST_MESH_KEY, mesh_key)]);
    directory.save_mesh_keys(&holder, clinic, &admin, &keys, rng)?;
    let web_ca = first_web_ca(founding, now, rng)?;
    if let Some(web_ca) = &web_ca {
        directory.save_web_ca(&holder, clinic, &admin, web_ca, rng)?;
    }
    directory.save_record(&record)?;
    Ok(Founded {
        clinic,
        admin: admin.id().as_admin(),
        web_domain: web_ca.map(|made| made.domain().to_owned()),
        recovery_page: recovery::page(&founding.clinic_name, &clinic, &root, 1, now),
    })
}

/// A clinic whose name gives no domain is founded without; `authority web-ca` makes up for it.
fn first_web_ca(
    founding: &Founding,
    now: WallTime,
    rng: &mut dyn CryptoRng,
) -> Result<Option<WebCa>, WebCaError> {
    let name = &founding.clinic_name;
    let domain = match &founding.web_domain {
        Some(chosen) => chosen.clone(),
        None => match web_ca::usual_domain(name) {
            Ok(domain) => domain,
            Err(_) => return Ok(None),
        },
    };
    WebCa::make(name, &domain, now, rng).map(Some)
}

/// The genesis of the record: the clinic and its admin by the root, policy and mesh key by the admin.
fn first_statements(
    founding: &Founding,
    root: &SigningKey,
    admin: &SigningKey,
    mesh_key: &MeshKey,
    now: WallTime,
    rng: &mut dyn CryptoRng,
) -> Result<RecordCopy, AuthorityError> {
    let clinic = ClinicId::of_root(&root.id().as_admin());
    let grant = Grant {
        version: cert::VERSION,
        clinic,
        admin: admin.id().as_admin(),
        name: founding.admin_name.clone(),
        scopes: Scopes::of(Scopes::ALL),
        not_after: now.plus(FOUNDING_GRANT_LIFE),
    };
    let founded = Act::Founded {
        name: founding.clinic_name.clone(),
    };
    let granted = Act::AdminGranted {
        grant: Signed::new(&grant, &clinic, root),
    };
    let policy = Act::PolicySet {
        policy: Policy::initial(),
    };
    let rotated = Act::MeshKeyRotated {
        epoch: FIRST_MESH_KEY,
        commitment: mesh_key.commitment(&clinic, FIRST_MESH_KEY),
    };
    let mut record = RecordCopy::new(clinic);
    for (key, act) in [
        (root, founded),
        (root, granted),
        (admin, policy),
        (admin, rotated),
    ] {
        let mut salt = [0; 16];
        rng.fill_bytes(&mut salt);
        let segment = draft::draft(&record, key, act, now, salt)?;
        record.merge([segment])?;
    }
    Ok(record)
}

/// Makes the file of the root key again from the letters of its recovery page.
///
/// Into a directory that has no root key. When the clinic's record or an admin's key is there, the
/// page must be of the same clinic; otherwise the caller shows the id, to be compared with the page. A
/// root key that is not the first says nothing of its clinic: then the record does, or `named`.
pub fn recover(
    path: &Path,
    letters: &str,
    named: Option<ClinicId>,
    passphrase: &Passphrase,
    cost: Cost,
    mut rng: impl CryptoRng,
) -> Result<ClinicId, AuthorityError> {
    files::ensure_dir(path)?;
    let known = Known::of(path, named)?;
    let directory = Directory::open(path)?;
    let (clinic, file) = recovery::recover(letters, &known, passphrase, cost, &mut rng)?;
    directory.load_record(clinic)?;
    directory.write_root(&file)?;
    Ok(clinic)
}
