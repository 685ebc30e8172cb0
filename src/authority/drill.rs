//! Shares of the root key: making them, trying them, and using them.
//!
//! The file `shares` says which set was made last and when it was last tried. It holds nothing secret
//! and nothing is decided by it: it is there so that a drill is not forgotten.

use std::path::Path;
use std::time::Duration;

use minicbor::{Decode, Encode};
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::domain::file::Kind;
use crate::domain::id::{AuthorId, ClinicId};
use crate::domain::name::Name;
use crate::domain::time::WallTime;
use crate::platform::files::{self, FileError};

use super::directory::{self, Directory};
use super::keyfile::Holder;
use super::passphrase::{Cost, Passphrase};
use super::rotation::{Known, RotationRefusal};
use super::shares::{self, Seen, SetId, Share, ShareError, Sheets};
use super::{Authority, AuthorityError};

/// How long a drill is good for.
///
/// A year: paper is lost, keepers move away, and nobody notices on their own.
pub const DRILL_LIFE: Duration = Duration::from_secs(365 * 24 * 3600);

/// The file that says when which set was tried; far larger than one ever is.
const SHARES_FILE: Kind = Kind {
    label: "clinic-mesh shares",
    version: 1,
    limit: 512,
};

/// The set of shares that a directory knows of.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct KeptSet {
    #[n(0)]
    clinic: ClinicId,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    set: [u8; 3],
    /// How many of them are needed.
    #[n(2)]
    pub threshold: u8,
    /// How many there are and since when; unknown where the set was only tried.
    #[n(3)]
    pub made: Option<Made>,
    /// The newest drill.
    #[n(4)]
    pub drill: Option<Drill>,
}

/// That a set was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Made {
    /// How many shares it has.
    #[n(0)]
    pub count: u8,
    /// When.
    #[n(1)]
    pub at: WallTime,
}

/// That shares were tried and would have brought the root back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Drill {
    /// When.
    #[n(0)]
    pub at: WallTime,
    /// The numbers of the shares that were tried.
    #[n(1)]
    pub numbers: Vec<u8>,
}

impl KeptSet {
    /// The set's name.
    pub const fn set(&self) -> SetId {
        SetId(self.set)
    }

    /// Whether somebody should try them now: they never were, or it was more than a year ago.
    pub fn overdue(&self, now: WallTime) -> bool {
        self.drill.is_none() || self.due().is_some_and(|due| due <= now)
    }

    /// When the shares are to be tried again: a year after they were made or last tried.
    pub fn due(&self) -> Option<WallTime> {
        let made = self.made.map(|made| made.at);
        let tried = self.drill.as_ref().map(|drill| drill.at);
        made.max(tried).map(|last| last.plus(DRILL_LIFE))
    }
}

#[cfg(test)]
impl KeptSet {
    /// A set of which so many are needed, never tried.
    pub(crate) fn sample(threshold: u8) -> Self {
        Self {
            clinic: ClinicId::new([1; 32]),
            set: [1, 2, 3],
            threshold,
            made: None,
            drill: None,
        }
    }
}

/// New shares, to be printed and forgotten.
#[derive(Debug)]
pub struct MadeShares {
    /// Their set.
    pub set: SetId,
    /// One sheet for each keeper.
    pub pages: Vec<Zeroizing<String>>,
}

/// What a drill has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drilled {
    /// The clinic whose root the shares bring back.
    pub clinic: ClinicId,
    /// Their set.
    pub set: SetId,
    /// A later set, if these are not the pages made last; the drill is then not noted.
    pub newer: Option<KeptSet>,
}

impl Authority {
    /// The set of shares that this authority's directory knows of; none when it knows of none.
    pub fn kept_set(&self) -> Result<Option<KeptSet>, AuthorityError> {
        kept_set(self.directory.held()?)
    }

    /// Splits the root key among keepers; what the pages say is nowhere else.
    pub fn make_shares(
        &mut self,
        sheets: Sheets,
        seen: Seen,
        now: WallTime,
    ) -> Result<MadeShares, AuthorityError> {
        if self.holder != Holder::Root {
            return Err(AuthorityError::NotTheRoot);
        }
        // Keepers would hold paper that brings back a key nobody follows.
        let newest = self.clinic.roots.last();
        if newest.is_some_and(|root| AuthorId::from(root.key) != self.id()) {
            return Err(RotationRefusal::Replaced.into());
        }
        let clinic = self.clinic_id();
        let (set, shares) = shares::split(&self.key, clinic, sheets, &mut *self.rng.0)?;
        let unnamed = || Name::new("this clinic").expect("a name as any other");
        let name = self.clinic.name.clone().unwrap_or_else(unnamed);
        let page = |share: &Share| shares::page(&name, &clinic, share, sheets, now, seen);
        let pages = shares.iter().map(page).collect();
        let made = Made {
            count: sheets.count,
            at: now,
        };
        save(
            self.directory.held()?,
            &KeptSet {
                clinic,
                set: set.0,
                threshold: sheets.threshold,
                made: Some(made),
                drill: None,
            },
        )?;
        Ok(MadeShares { set, pages })
    }
}

/// The recovery drill: whether these shares would bring back this clinic's root. The key is made in
/// memory and wiped there; only that it could be made is noted.
pub fn check_shares(
    path: &Path,
    shares: &[Share],
    now: WallTime,
) -> Result<Drilled, AuthorityError> {
    let directory = Directory::open(path)?;
    let known = Known::of(path, None)?;
    if known.expected().is_none() {
        return Err(AuthorityError::NoRecord);
    }
    let (clinic, root) = shares::combine(shares, &known)?;
    if !known.is_newest(&root.id().as_admin()) {
        return Err(RotationRefusal::Earlier.into());
    }
    let first = shares.first().ok_or(ShareError::DoNotFit)?;
    let known = kept_set(path)?;
    let newer = known
        .clone()
        .filter(|kept| kept.set() != first.set() && kept.made.is_some());
    if newer.is_none() {
        let made = known.and_then(|kept| kept.made);
        let mut numbers: Vec<u8> = shares.iter().map(Share::number).collect();
        numbers.sort_unstable();
        save(
            directory.held()?,
            &KeptSet {
                clinic,
                set: first.set().0,
                threshold: first.threshold(),
                made,
                drill: Some(Drill { at: now, numbers }),
            },
        )?;
    }
    let set = first.set();
    Ok(Drilled { clinic, set, newer })
}

/// Makes the file of the root key again from shares, into a directory that has no root key.
///
/// When the clinic's record or an admin's key is there, the shares must be of the same clinic;
/// otherwise the caller shows the id, to be compared with the pages. A root key that is not the first
/// says nothing of its clinic: then the record does, or `named`.
pub fn recover_from_shares(
    path: &Path,
    shares: &[Share],
    named: Option<ClinicId>,
    passphrase: &Passphrase,
    cost: Cost,
    mut rng: impl CryptoRng,
) -> Result<ClinicId, AuthorityError> {
    files::ensure_dir(path)?;
    let directory = Directory::open(path)?;
    let (clinic, root) = shares::combine(shares, &Known::of(path, named)?)?;
    directory.load_record(clinic)?;
    directory.create_key(Holder::Root, clinic, &root, passphrase, cost, &mut rng)?;
    Ok(clinic)
}

/// The set of shares that the directory knows of; none when the file is not there.
pub fn kept_set(path: &Path) -> Result<Option<KeptSet>, AuthorityError> {
    let path = path.join("shares");
    let bytes = match files::read(&path, SHARES_FILE.file_limit()) {
        Err(FileError::Missing { .. }) => return Ok(None),
        read => read?,
    };
    match SHARES_FILE.read(&bytes) {
        Ok(kept) => Ok(Some(kept)),
        Err(source) => Err(AuthorityError::SharesFile { path, source }),
    }
}

/// Reads a file about shares and writes it back.
pub(super) fn reread(bytes: &[u8]) -> Option<Vec<u8>> {
    let kept: KeptSet = SHARES_FILE.read(bytes).ok()?;
    Some(SHARES_FILE.write(&kept))
}

fn save(path: &Path, kept: &KeptSet) -> Result<(), AuthorityError> {
    Ok(files::replace(
        &path.join("shares"),
        &SHARES_FILE.write(kept),
    )?)
}

/// The clinic that the directory is of, if anything in it says so.
pub(super) fn known_clinic(path: &Path) -> Result<Option<ClinicId>, AuthorityError> {
    if let Some(admin) = directory::admins(path)?.first() {
        return Ok(Some(admin.clinic));
    }
    match directory::record(path) {
        Ok(record) => Ok(Some(record.clinic_id())),
        Err(AuthorityError::NoRecord) => Ok(None),
        Err(error) => Err(error),
    }
}
