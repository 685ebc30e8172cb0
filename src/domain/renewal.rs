//! Renewal: one node's word that another device goes on with the rights it has.
//!
//! A device certificate lives thirty days. From two thirds of that on, a node that may renew signs the
//! same certificate with a later end, with its own device key, and writes it into a log of its own in
//! the clinic record. Nobody has to do anything. What a renewal must be is judged by every node alike,
//! by the record and nothing else; what does not pass changes nothing.

use std::time::Duration;

use minicbor::{Decode, Encode};

use super::cert::{Capability, Certificate, CertificateError, DeviceKind, LIFETIME_MAX, SKEW};
use super::codec::{self, CodecError};
use super::id::{AuthorId, ClinicId, DeviceId, Hash, Serial};
use super::log::Epoch;
use super::record::{self, Clinic};
use super::sign::{Label, Signed, SignedBody, SigningKey};
use super::time::{Hlc, WallTime};

/// How long after its end a device may still ask to be renewed.
///
/// Sixty days: an office that was closed for a season comes back by itself; whatever lay in a drawer
/// for longer is looked at by an admin first.
pub const GRACE: Duration = Duration::from_secs(60 * 24 * 3600);

/// Length of the life of what is renewed: the thirty days of a device certificate.
pub const LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long the next node in line waits for the one before it.
///
/// An hour: long enough that one renewal is written and not twenty, short beside the ten days left.
const TURN: Duration = Duration::from_secs(3600);

/// How long a node waits for those before it once a channel is open, when every turn is past.
///
/// Ten seconds: the record is level within one, so a device that was away is renewed once.
const TURN_ON_CHANNEL: Duration = Duration::from_secs(10);

/// The version of [`Renewal`].
pub const VERSION: u8 = 1;

/// Largest encoding of a renewal: a certificate with its signer and signature.
pub const RENEWAL_MAX: usize = Certificate::MAX + 128;

/// A certificate that a device signed; its label is not that of an admin's certificate.
#[derive(Encode, Decode)]
#[cbor(transparent)]
struct Renewed(#[n(0)] Certificate);

impl SignedBody for Renewed {
    const LABEL: Label = Label::Renewal;
    const MAX: usize = Certificate::MAX;
}

/// The body of an entry in a device's log of the clinic record.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Renewal {
    /// Format version, 1.
    #[n(0)]
    pub version: u8,
    /// The certificate, signed by the device that renews.
    #[n(1)]
    pub certificate: Signed,
}

impl Renewal {
    /// Reads the body of an entry.
    pub fn from_body(body: &[u8]) -> Result<Self, CodecError> {
        let renewal: Self = codec::strict(body, RENEWAL_MAX)?;
        if renewal.version == VERSION {
            Ok(renewal)
        } else {
            Err(CodecError::Malformed)
        }
    }

    /// Whether the certificate inside is sound and signed by this key.
    pub fn is_signed_by(&self, author: AuthorId, clinic: &ClinicId) -> bool {
        self.certificate.signer == author && open(&self.certificate, clinic).is_ok()
    }

    /// The body of the entry.
    pub fn to_body(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

/// Names one renewal: who signed it, and its place in that device's logs of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RenewalId {
    /// The device that signed.
    pub by: DeviceId,
    /// The epoch of its log.
    pub epoch: Epoch,
    /// The entry's number.
    pub seq: u64,
}

/// A renewal with its place in the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewalItem {
    /// Where it stands.
    pub id: RenewalId,
    /// When it was signed, by the signer's clock.
    pub time: Hlc,
    /// What it says.
    pub renewal: Renewal,
}

/// Why a renewal changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRenewed {
    /// The certificate inside is not sound, or lives too long.
    #[error("the certificate inside is not valid")]
    InvalidInside,
    /// The certificate was signed by another device than the log's.
    #[error("another device signed the certificate inside")]
    OtherSigner,
    /// A device named itself.
    #[error("a device cannot renew itself")]
    Oneself,
    /// The record does not know the renewed device.
    #[error("the record does not list the device")]
    UnknownDevice,
    /// The renewed device was revoked, or a number or key of it.
    #[error("the device was revoked")]
    Revoked,
    /// Other keys than the device was enrolled with.
    #[error("the keys are not those the device was enrolled with")]
    OtherKeys,
    /// Another name, office or kind, or a capability that the device does not have.
    #[error("it would give the device other rights than it has")]
    MoreRights,
    /// Fewer capabilities than the device has: only an admin takes one away.
    #[error("it would take rights from the device")]
    OtherRights,
    /// Not the full life of what is renewed.
    #[error("it does not hold for thirty days")]
    OtherLife,
    /// The signer is not a node that may renew.
    #[error("the signer may not renew certificates")]
    WithoutRight,
    /// The signer had been revoked.
    #[error("the signer had been revoked before")]
    SignerRevoked,
    /// The signer's own certificate did not hold at that moment.
    #[error("the signer's own certificate did not hold then")]
    SignerExpired,
    /// The certificate does not begin when it was signed.
    #[error("the certificate does not begin when it was signed")]
    OtherTime,
    /// Before two thirds of the life of the certificate it replaces.
    #[error("the certificate before it had more than a third of its life left")]
    TooEarly,
    /// Long after the end of the certificate it replaces.
    #[error("the certificate before it had ended more than 60 days ago")]
    TooLate,
}

/// From when on a certificate may be renewed: two thirds of its life.
pub fn due_from(certificate: &Certificate) -> WallTime {
    let life = certificate.not_after.0 - certificate.not_before.0.min(certificate.not_after.0);
    WallTime(certificate.not_before.0.saturating_add(life / 3 * 2))
}

/// From when on every face says that a certificate was not renewed in time.
///
/// When two fifths are left of the time that is there for renewal: six days of ten have passed, so
/// it is no chance any more, and four are left to do something.
pub fn alarm_from(certificate: &Certificate) -> WallTime {
    let left = certificate
        .not_after
        .0
        .saturating_sub(due_from(certificate).0);
    WallTime(certificate.not_after.0 - left / 5 * 2)
}

/// How a certificate stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It holds.
    Fresh,
    /// It may be renewed.
    Due,
    /// It should have been renewed.
    Late,
    /// It has ended; its device may ask to be renewed and nothing else.
    Expired,
    /// It ended too long ago: an admin has to certify the device anew.
    Lost,
}

/// How `certificate` stands at `now`.
pub fn freshness(certificate: &Certificate, now: WallTime) -> Freshness {
    if now > certificate.not_after.plus(GRACE) {
        Freshness::Lost
    } else if now > certificate.not_after {
        Freshness::Expired
    } else if now >= alarm_from(certificate) {
        Freshness::Late
    } else if now >= due_from(certificate) {
        Freshness::Due
    } else {
        Freshness::Fresh
    }
}

/// Opens a certificate that a device signed: signature, form, keys, span.
///
/// Whether that device may renew is for the record and [`trust`](super::trust) to judge.
pub fn open(signed: &Signed, clinic: &ClinicId) -> Result<Certificate, CertificateError> {
    let Renewed(certificate) = signed.open(clinic)?;
    certificate.check_all(clinic)?;
    Ok(certificate)
}

/// The device that a renewal names, whoever signed it.
pub fn device(renewal: &Renewal) -> Option<DeviceId> {
    let body = &renewal.certificate.body;
    let Renewed(certificate) = codec::strict(body, Certificate::MAX).ok()?;
    Some(certificate.device)
}

/// The certificate that follows `old`, signed by the device that holds `key`.
pub fn sign(
    old: &Certificate,
    now: WallTime,
    serial: Serial,
    clinic: &ClinicId,
    key: &SigningKey,
) -> Renewal {
    let certificate = Certificate {
        serial,
        not_before: now,
        not_after: now.plus(LIFE),
        ..old.clone()
    };
    seal(certificate, clinic, key)
}

/// A renewal that says this of a device, whether that may be said or not.
pub(crate) fn seal(certificate: Certificate, clinic: &ClinicId, key: &SigningKey) -> Renewal {
    Renewal {
        version: VERSION,
        certificate: Signed::new(&Renewed(certificate), clinic, key),
    }
}

/// Whether a node may renew another device's certificate at `now`, by the record alone.
///
/// Both sides of the rule stand here: what the record counts, and what an honest node signs.
pub fn may_renew(
    clinic: &Clinic,
    by: &DeviceId,
    device: &DeviceId,
    now: WallTime,
) -> Result<(), NotRenewed> {
    check_signer(clinic, by, device, now)?;
    let old = present(clinic, device)?;
    check_moment(old, now)
}

/// Whether it is this node's turn to renew a device that has been on a channel for `connected`.
///
/// The nodes that may renew stand in line, in another order for each certificate; each waits for
/// those before it, so that one renewal is written where any would do.
pub fn is_turn(
    clinic: &Clinic,
    by: &DeviceId,
    device: &DeviceId,
    now: WallTime,
    connected: Duration,
) -> bool {
    if may_renew(clinic, by, device, now).is_err() {
        return false;
    }
    let Ok(old) = present(clinic, device) else {
        return false;
    };
    let place =
        |node: &DeviceId| Hash::of("renewal-turn/v1", &[old.serial.as_bytes(), node.as_bytes()]);
    let before = clinic
        .members()
        .filter(|(id, found)| *id != device && is_renewer(&found.certificate))
        .filter(|(id, _)| place(id) < place(by))
        .count();
    let before = u32::try_from(before).unwrap_or(u32::MAX);
    now >= due_from(old).plus(TURN.saturating_mul(before))
        && connected >= TURN_ON_CHANNEL.saturating_mul(before)
}

/// Whether a certificate lets its device renew others': that of a node with the capability.
pub fn is_renewer(certificate: &Certificate) -> bool {
    certificate.kind == DeviceKind::Node && certificate.capabilities.has(Capability::Renew)
}

/// Judges a renewal by what the record says without it; gives the certificate that counts.
pub(super) fn judge(clinic: &Clinic, item: &RenewalItem) -> Result<Certificate, NotRenewed> {
    let signed = &item.renewal.certificate;
    if signed.signer != AuthorId::from(item.id.by) {
        return Err(NotRenewed::OtherSigner);
    }
    let fresh =
        Certificate::read_listed(signed, &clinic.id).map_err(|_| NotRenewed::InvalidInside)?;
    let at = fresh.not_before;
    let signed_at = item.time.wall();
    if at > signed_at.plus(SKEW) || signed_at > at.plus(SKEW) {
        return Err(NotRenewed::OtherTime);
    }
    check_signer(clinic, &item.id.by, &fresh.device, at)?;
    check_end(clinic, item)?;
    let old = subject(clinic, &fresh.device, at)?;
    check_rights(old, &fresh)?;
    check_same(old, &fresh, at)?;
    let withdrawn = clinic.revoked_serials.get(&fresh.serial);
    if withdrawn.is_some_and(|since| at > *since) {
        return Err(NotRenewed::Revoked);
    }
    check_moment(old, at)?;
    Ok(fresh)
}

/// Whether `fresh` gives a device what `old` gives it, or less.
pub fn check_rights(old: &Certificate, fresh: &Certificate) -> Result<(), NotRenewed> {
    if fresh.device != old.device || fresh.noise_key != old.noise_key {
        return Err(NotRenewed::OtherKeys);
    }
    let same = fresh.name == old.name && fresh.office == old.office && fresh.kind == old.kind;
    let subset = fresh
        .capabilities
        .iter()
        .all(|capability| old.capabilities.has(capability));
    if same && subset {
        Ok(())
    } else {
        Err(NotRenewed::MoreRights)
    }
}

/// Whether `fresh` is what an honest node signs at `at`: the same rights for the full thirty days.
///
/// With fewer rights or a shorter life one stolen node could take the others' rights from them, for good
/// and dated back; narrowing a device is an admin's act.
fn check_same(old: &Certificate, fresh: &Certificate, at: WallTime) -> Result<(), NotRenewed> {
    if fresh.capabilities != old.capabilities {
        return Err(NotRenewed::OtherRights);
    }
    if fresh.not_after != at.plus(LIFE) {
        return Err(NotRenewed::OtherLife);
    }
    Ok(())
}

/// The newest certificate of a device that took part at `at`.
///
/// A revocation ends what comes after it and nothing before: whom a revoked node had renewed by then, it
/// had the right to renew, and its own certificate of then is what shows that.
fn subject<'a>(
    clinic: &'a Clinic,
    device: &DeviceId,
    at: WallTime,
) -> Result<&'a Certificate, NotRenewed> {
    let found = clinic.devices.get(device);
    let certificate = &found.ok_or(NotRenewed::UnknownDevice)?.certificate;
    let revoked = clinic.revocations.get(device).map(|found| found.at);
    let tainted = clinic
        .revoked_noise_keys
        .get(&certificate.noise_key)
        .copied();
    if revoked.into_iter().chain(tainted).any(|since| at > since) {
        return Err(NotRenewed::Revoked);
    }
    Ok(certificate)
}

/// The newest certificate of a device that is not revoked, whenever that would be.
fn present<'a>(clinic: &'a Clinic, device: &DeviceId) -> Result<&'a Certificate, NotRenewed> {
    subject(clinic, device, WallTime(u64::MAX))
}

fn check_signer(
    clinic: &Clinic,
    by: &DeviceId,
    device: &DeviceId,
    at: WallTime,
) -> Result<(), NotRenewed> {
    if by == device {
        return Err(NotRenewed::Oneself);
    }
    let signer = clinic.devices.get(by).ok_or(NotRenewed::WithoutRight)?;
    if !is_renewer(&signer.certificate) {
        return Err(NotRenewed::WithoutRight);
    }
    let revoked = clinic.revocations.get(by).map(|found| found.at);
    let tainted = clinic
        .revoked_noise_keys
        .get(&signer.certificate.noise_key)
        .copied();
    if revoked.into_iter().chain(tainted).any(|since| at > since) {
        return Err(NotRenewed::SignerRevoked);
    }
    if signer.held_at(at) {
        Ok(())
    } else {
        Err(NotRenewed::SignerExpired)
    }
}

/// Of a revoked device's log only what the revocation leaves counts, by number or by time.
fn check_end(clinic: &Clinic, item: &RenewalItem) -> Result<(), NotRenewed> {
    let Some(revocation) = clinic.revocations.get(&item.id.by) else {
        return Ok(());
    };
    let named = record::end_named(revocation, &super::space::Space::Record, item.id.epoch);
    let counts = match named {
        Some(end) => item.id.seq <= end,
        None => item.time.wall() <= revocation.at,
    };
    if counts {
        Ok(())
    } else {
        Err(NotRenewed::SignerRevoked)
    }
}

fn check_moment(old: &Certificate, at: WallTime) -> Result<(), NotRenewed> {
    if at < due_from(old) {
        Err(NotRenewed::TooEarly)
    } else if at > old.not_after.plus(GRACE) {
        Err(NotRenewed::TooLate)
    } else {
        Ok(())
    }
}

const _: () = assert!(
    LIFE.as_secs() < LIFETIME_MAX.as_secs(),
    "what is renewed must fit the cap on every certificate's life"
);

#[cfg(test)]
mod tests;
