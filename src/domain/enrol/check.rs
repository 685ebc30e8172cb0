//! The joining machine's checks of the answer.

use crate::domain::cert::{
    Certificate, CertificateError, DeviceKind, Grant, GrantError, SKEW, Scope,
};
use crate::domain::codec::CodecError;
use crate::domain::copy::{CopyError, RecordCopy};
use crate::domain::file::FormatError;
use crate::domain::id::{ClinicId, DeviceId, NoiseKey};
use crate::domain::mesh_keys::{MESH_KEYS, PLANNED_MAX};
use crate::domain::name::Name;
use crate::domain::record::Clinic;
use crate::domain::time::WallTime;

use super::{ADDRESS_MAX, BOOTSTRAP_MAX, EnrolmentAnswer, VERSION};

/// What the machine knows of itself and was told before the answer came.
#[derive(Clone, Debug)]
pub struct Promise {
    /// Its own identity.
    pub device: DeviceId,
    /// Its own Noise key.
    pub noise_key: NoiseKey,
    /// The clinic, if it was told.
    pub clinic: Option<ClinicId>,
    /// The office, if it was told.
    pub office: Option<Name>,
    /// Its name, if it was told.
    pub name: Option<Name>,
    /// What it is to be, if it was told.
    pub kind: Option<DeviceKind>,
}

/// Why an answer is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not an answer file, of another version, or damaged.
    #[error(transparent)]
    File(#[from] FormatError),
    /// Made for another machine.
    #[error(
        "the answer is for device {device}, not for this machine; take the file that was made for this one"
    )]
    OtherMachine {
        /// Whom it is for.
        device: DeviceId,
    },
    /// The seal does not open: changed on the way, or made for an earlier key of this machine.
    #[error(
        "the answer does not open with this machine's key; it was changed on the way, or the machine was set up anew: make a fresh request"
    )]
    Sealed,
    /// The contents are not an answer.
    #[error("the answer cannot be read ({0}); have the admin make it again")]
    Codec(#[from] CodecError),
    /// A version that this program does not know.
    #[error("answer version {0} is not known here; update the older of the two programs")]
    Version(u8),
    /// Longer lists than an answer may have.
    #[error("the answer names too many nodes or keys; have the admin make it again")]
    TooMany,
    /// Another clinic than was expected, or a root that is not this clinic's.
    #[error(
        "the answer is of clinic {clinic}, not of the one expected; check with the admin before going on"
    )]
    OtherClinic {
        /// The clinic, shortened.
        clinic: String,
    },
    /// The certificate is not valid whatever the hour.
    #[error("the certificate in the answer is refused: {0}; have the admin make it again")]
    Certificate(#[from] CertificateError),
    /// The grant is not the root's.
    #[error("the grant in the answer is refused: {0}; have the admin make it again")]
    Grant(#[from] GrantError),
    /// The signer is not an admin who may enrol.
    #[error("whoever signed the certificate had no right to enrol devices; ask another admin")]
    IssuerWithoutRight,
    /// Something differs from what was said before.
    #[error(
        "the certificate is not as promised: {what} differs; check with the admin before going on"
    )]
    NotAsPromised {
        /// What differs.
        what: &'static str,
    },
    /// Only later, or no longer, by this machine's clock.
    #[error("the certificate is valid from {from} to {until}; compare the clocks of both machines")]
    NotValidNow {
        /// Its start.
        from: WallTime,
        /// Its end.
        until: WallTime,
    },
    /// The record does not verify.
    #[error(transparent)]
    Record(#[from] CopyError),
    /// The record holds a forked log.
    #[error("the record in the answer was signed twice with one number; tell the clinic's admins")]
    Forked,
    /// The record does not list this certificate.
    #[error(
        "the clinic record in the answer does not list this certificate; have the admin make the answer again"
    )]
    NotListed,
    /// The record says that this device was removed.
    #[error("this device was revoked meanwhile; set the machine up anew and ask again")]
    Revoked,
    /// A mesh key is none that an admin committed to, or the newest is missing.
    #[error(
        "mesh key {epoch} is missing or not the clinic's; have the admin make the answer again"
    )]
    MeshKey {
        /// Number of the key.
        epoch: u32,
    },
}

impl EnrolmentAnswer {
    /// Checks everything: chain to the root, own keys, what was promised, record and mesh keys.
    ///
    /// Returns the record's copy, to be stored, and the clinic it makes.
    pub fn check(
        &self,
        promise: &Promise,
        now: WallTime,
    ) -> Result<(RecordCopy, Clinic), AnswerError> {
        self.check_form()?;
        self.check_clinic(promise)?;
        let copy = self.check_record()?;
        let clinic = copy.clinic();
        let certificate = self.check_certificate(promise, &clinic)?;
        let (from, until) = (certificate.not_before, certificate.not_after);
        if now.plus(SKEW) < from || now > until.plus(SKEW) {
            return Err(AnswerError::NotValidNow { from, until });
        }
        check_listed(&clinic, &certificate)?;
        self.check_mesh_keys(&clinic, now)?;
        Ok((copy, clinic))
    }

    fn check_form(&self) -> Result<(), AnswerError> {
        if self.version != VERSION {
            return Err(AnswerError::Version(self.version));
        }
        let mut addresses = self.bootstrap.iter().map(|node| node.address.len());
        let fits = self.bootstrap.len() <= BOOTSTRAP_MAX
            && self.mesh_keys.len() <= MESH_KEYS + PLANNED_MAX
            && addresses.all(|length| length <= ADDRESS_MAX);
        if fits {
            Ok(())
        } else {
            Err(AnswerError::TooMany)
        }
    }

    fn check_clinic(&self, promise: &Promise) -> Result<(), AnswerError> {
        let expected = promise.clinic.is_none_or(|clinic| clinic == self.clinic);
        if expected && ClinicId::of_root(&self.root) == self.clinic {
            return Ok(());
        }
        Err(AnswerError::OtherClinic {
            clinic: self.clinic.short(),
        })
    }

    fn check_certificate(
        &self,
        promise: &Promise,
        clinic: &Clinic,
    ) -> Result<Certificate, AnswerError> {
        let root = self.grant.signer;
        let known = clinic.is_root(&root);
        let root = known.then_some(root).ok_or(GrantError::NotTheRoots)?;
        let grant = Grant::open_by(&self.grant, &self.clinic, &root.as_admin())?;
        let certificate = Certificate::open(&self.certificate, &self.clinic)?;
        if self.certificate.signer != grant.admin.into()
            || !grant.scopes.has(Scope::Enrol)
            || certificate.not_before > grant.not_after
        {
            return Err(AnswerError::IssuerWithoutRight);
        }
        if certificate.device != promise.device {
            let device = certificate.device;
            return Err(AnswerError::OtherMachine { device });
        }
        let differs = |what| Err(AnswerError::NotAsPromised { what });
        if certificate.noise_key != promise.noise_key {
            return differs("the Noise key");
        }
        if promise
            .office
            .as_ref()
            .is_some_and(|office| *office != certificate.office)
        {
            return differs("the office");
        }
        if promise
            .name
            .as_ref()
            .is_some_and(|name| *name != certificate.name)
        {
            return differs("the name");
        }
        if promise.kind.is_some_and(|kind| kind != certificate.kind) {
            return differs("the kind of device");
        }
        Ok(certificate)
    }

    fn check_record(&self) -> Result<RecordCopy, AnswerError> {
        let mut copy = RecordCopy::new(self.clinic);
        let merged = copy.merge(self.record.iter().cloned())?;
        if merged.forked.is_empty() {
            Ok(copy)
        } else {
            Err(AnswerError::Forked)
        }
    }

    /// Each key must be committed to, and the one in use must be here.
    fn check_mesh_keys(&self, clinic: &Clinic, now: WallTime) -> Result<(), AnswerError> {
        for shared in &self.mesh_keys {
            let epoch = shared.epoch;
            if !clinic.mesh_keys.matches(&clinic.id, epoch, &shared.key) {
                return Err(AnswerError::MeshKey { epoch });
            }
        }
        let newest = clinic.mesh_keys.newest(now).map_or(1, |(epoch, _)| epoch);
        if self.mesh_keys.iter().any(|shared| shared.epoch == newest) {
            Ok(())
        } else {
            Err(AnswerError::MeshKey { epoch: newest })
        }
    }
}

fn check_listed(clinic: &Clinic, certificate: &Certificate) -> Result<(), AnswerError> {
    let listed = clinic.devices.get(&certificate.device);
    let Some(listed) = listed.filter(|device| device.certificate == *certificate) else {
        return Err(AnswerError::NotListed);
    };
    match listed.revocation {
        Some(_) => Err(AnswerError::Revoked),
        None => Ok(()),
    }
}
