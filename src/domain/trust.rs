//! Whom to let in: the rules every handshake is judged by.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use minicbor::{Decode, Encode};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::cert::{Certificate, CertificateError, DeviceKind, Grant, GrantError, SKEW, Scope};
use super::id::{AdminId, AuthorId, ClinicId, DeviceId, Hash, NoiseKey, Serial};
use super::mesh_keys::AcceptedKeys;
use super::policy::Policy;
use super::renewal::{self, NotRenewed};
use super::rotation::{self, Rank, RootPlace, SignedRotation, Step};
use super::sign::{Signed, SignedError};
use super::time::WallTime;
use crate::planted::planted;

mod roots;

pub use roots::{Issuer, Signer, Withdrawn};

/// A mesh key. Never printed; wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MeshKey([u8; 32]);

impl MeshKey {
    /// Takes the bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for use as a Noise psk.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// What a statement says of this key without giving it away.
    pub fn commitment(&self, clinic: &ClinicId, epoch: u32) -> Hash {
        Hash::of(
            "mesh-key/v1",
            &[clinic.as_bytes(), &epoch.to_be_bytes(), &self.0],
        )
    }

    /// Whether this is the key that a statement committed to; compared in constant time.
    pub fn matches(&self, clinic: &ClinicId, epoch: u32, commitment: &Hash) -> bool {
        self.commitment(clinic, epoch)
            .as_bytes()
            .ct_eq(commitment.as_bytes())
            .into()
    }
}

impl fmt::Debug for MeshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MeshKey(..)")
    }
}

/// Why a peer was turned away. Peers learn the number, the log learns the words.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, thiserror::Error,
)]
#[cbor(index_only)]
pub enum Refusal {
    /// Bytes that are not what they should be, or a signature that does not verify.
    #[n(1)]
    #[error("the certificate or a frame is malformed")]
    Malformed,
    /// The certificate is of another clinic.
    #[n(2)]
    #[error("the certificate is of another clinic")]
    OtherClinic,
    /// Valid only later: most likely a clock is wrong.
    #[n(3)]
    #[error("the certificate is not yet valid; compare the clocks of both machines")]
    NotYetValid,
    /// No longer valid.
    #[n(4)]
    #[error("the certificate has expired; renew it, or compare the clocks of both machines")]
    Expired,
    /// Withdrawn by the authority.
    #[n(5)]
    #[error("the device was revoked")]
    Revoked,
    /// Nobody whom the root appointed signed the certificate.
    #[n(6)]
    #[error("the certificate's issuer is not an admin of this clinic")]
    UnknownIssuer,
    /// The issuer could not enrol devices, or was past its end.
    #[n(7)]
    #[error("the certificate's issuer had no right to enrol devices then")]
    IssuerWithoutRight,
    /// The key proven in the handshake is not the certified one.
    #[n(8)]
    #[error("the key in use is not the certified one")]
    OtherKey,
    /// Another device answered than was dialled.
    #[n(9)]
    #[error("another device answered than was dialled")]
    OtherDevice,
    /// We reached ourselves.
    #[n(10)]
    #[error("this is the device itself")]
    Oneself,
    /// The address is outside the networks that policy allows.
    #[n(11)]
    #[error("the address is outside the networks that policy allows")]
    OtherNetwork,
    /// Too many connections or handshakes at once.
    #[n(12)]
    #[error("too many connections at once; try again later")]
    Busy,
    /// A frame that breaks the rules of sync.
    #[n(13)]
    #[error("the peer broke the rules of sync")]
    Misbehaved,
    /// Another connection to the same device is kept instead.
    #[n(14)]
    #[error("another connection to this device is in use")]
    Duplicate,
    /// Nothing was heard for too long.
    #[n(15)]
    #[error("nothing was heard for too long")]
    Silent,
    /// The connection has reached the end of its life and is to be built anew.
    #[n(16)]
    #[error("the connection is to be built anew")]
    Aged,
    /// The mesh key is none of the accepted ones.
    #[n(17)]
    #[error("the mesh key is none of the accepted ones")]
    MeshKey,
    /// The node is stopping.
    #[n(18)]
    #[error("the node is stopping")]
    Stopping,
    /// The handshake or a frame took too long.
    #[n(19)]
    #[error("the peer was too slow")]
    TooSlow,
    /// A device that is no node; nothing it could say here is its business.
    #[n(20)]
    #[error("the device is no node, and only nodes connect to each other; enrol it as a node")]
    OtherKind,
    /// Asked to renew a certificate, by a rule of the clinic record it does not.
    #[n(21)]
    #[error("this node does not renew that certificate; ask another, or an admin")]
    NotRenewing,
}

impl Refusal {
    /// The one byte that a peer learns.
    pub const fn code(self) -> u8 {
        match self {
            Self::Malformed => 1,
            Self::OtherClinic => 2,
            Self::NotYetValid => 3,
            Self::Expired => 4,
            Self::Revoked => 5,
            Self::UnknownIssuer => 6,
            Self::IssuerWithoutRight => 7,
            Self::OtherKey => 8,
            Self::OtherDevice => 9,
            Self::Oneself => 10,
            Self::OtherNetwork => 11,
            Self::Busy => 12,
            Self::Misbehaved => 13,
            Self::Duplicate => 14,
            Self::Silent => 15,
            Self::Aged => 16,
            Self::MeshKey => 17,
            Self::Stopping => 18,
            Self::TooSlow => 19,
            Self::OtherKind => 20,
            Self::NotRenewing => 21,
        }
    }

    /// Reads the byte; `None` for a number that is not in use.
    pub fn from_code(code: u8) -> Option<Self> {
        minicbor::decode(&super::codec::encode(&code)).ok()
    }
}

/// What a handshake needs to know of an admin.
#[derive(Clone, Debug)]
pub struct AdminTrust {
    /// The root's word.
    pub grant: Grant,
    /// Where a root said it.
    pub appointed: RootPlace,
    /// Where a root removed this admin, if it did; then only what the record lists counts.
    pub ended: Option<RootPlace>,
    /// What this admin revoked.
    pub withdrawn: Withdrawn,
}

/// What a handshake needs to know of a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootTrust {
    /// The key.
    pub key: AdminId,
    /// Of the rotation that made it the root; none for the first.
    pub rank: Option<Rank>,
}

/// Everything a handshake is judged by, as of one moment.
#[derive(Clone, Debug)]
pub struct TrustView {
    /// The pinned clinic.
    pub clinic: ClinicId,
    /// This device.
    pub me: DeviceId,
    /// The roots that the record knows, the newest last; none when it knows nothing yet.
    pub roots: Vec<RootTrust>,
    /// The admins that the record knows.
    pub admins: BTreeMap<AdminId, AdminTrust>,
    /// The certificates that the record lists, whole: a number alone could be used again by an
    /// admin who was removed.
    pub enrolled: BTreeMap<DeviceId, Certificate>,
    /// The certificates that the record listed before those, for a device that has not heard yet.
    pub former: BTreeMap<DeviceId, Certificate>,
    /// Revoked devices.
    pub revoked_devices: BTreeSet<DeviceId>,
    /// Revoked certificates.
    pub revoked_serials: BTreeSet<Serial>,
    /// Revoked Noise keys.
    pub revoked_noise_keys: BTreeSet<NoiseKey>,
    /// The certificates in statements that do not count.
    pub once_listed: BTreeMap<DeviceId, Vec<Certificate>>,
    /// The accepted mesh keys.
    pub mesh_keys: AcceptedKeys,
    /// The policy in force.
    pub policy: Policy,
    /// Digest of the clinic record's heads.
    pub digest: Hash,
}

/// What a peer shows in the handshake.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Credentials {
    /// Its certificate.
    #[n(0)]
    pub certificate: Signed,
    /// The grant of the admin who issued it.
    #[n(1)]
    pub grant: Signed,
    /// The rotations that lead to the newest root that the device knows, with the one who signed the grant
    /// among them; none when that is the first root, so that a clinic that never changed its root key
    /// shows what it always showed.
    #[n(2)]
    pub chain: Option<Vec<SignedRotation>>,
}

/// Credentials whose signatures verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The certificate.
    pub certificate: Certificate,
    /// The grant beside it.
    pub grant: Grant,
    /// Who signed the certificate.
    pub issuer: Issuer,
}

impl Credentials {
    /// Verifies both signatures and the form of both objects.
    ///
    /// The label under the signature says whether an admin signed or a node that renewed.
    pub fn open(&self, clinic: &ClinicId) -> Result<Shown, Refusal> {
        let signer = self.certificate.signer;
        let by_admin = Certificate::open(&self.certificate, clinic);
        let (certificate, by_node) = match by_admin {
            Ok(certificate) => (certificate, false),
            Err(why) => match renewal::open(&self.certificate, clinic) {
                Ok(certificate) => (certificate, true),
                Err(_) => return Err(why.into()),
            },
        };
        let (grant, granted_by, chain) = self.open_grant(clinic)?;
        let signer = match by_node {
            true => Signer::Node(signer.as_device()),
            false => Signer::Admin(signer.as_admin()),
        };
        if matches!(signer, Signer::Admin(admin) if admin != grant.admin) {
            return Err(Refusal::UnknownIssuer);
        }
        let issuer = Issuer {
            signer,
            granted_by,
            chain,
        };
        Ok(Shown {
            certificate,
            grant,
            issuer,
        })
    }

    /// Opens the chain, and the grant with the root on it that signed it. Whether that is a root of the
    /// clinic, or was one when it signed, the record decides.
    fn open_grant(&self, clinic: &ClinicId) -> Result<(Grant, usize, Vec<Step>), Refusal> {
        let steps = self.chain.as_ref().map_or(Ok(Vec::new()), |chain| {
            rotation::open_chain(chain, clinic).map_err(|_| Refusal::UnknownIssuer)
        })?;
        let signer = self.grant.signer;
        let later = steps
            .iter()
            .position(|step| AuthorId::from(step.key) == signer);
        let (grant, granted_by) = match later {
            Some(at) => (Grant::open_by(&self.grant, clinic, &steps[at].key)?, at + 1),
            None => (Grant::open(&self.grant, clinic)?, 0),
        };
        Ok((grant, granted_by, steps))
    }
}

/// How much passes between this node and a device that was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Whatever both may hold.
    All,
    /// The device shows a renewal that the record here does not list yet, or a change of the root key that
    /// would be taken before what is known here: its statements are taken, among which the reason may be,
    /// and until it is found nothing is given.
    Unlisted,
}

/// The circumstances that credentials are judged in.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// The static key that the handshake proved.
    pub proven: NoiseKey,
    /// The device that was dialled, on the dialling side.
    pub dialled: Option<DeviceId>,
    /// The peer's address, where there is one.
    pub address: Option<IpAddr>,
    /// Our clock.
    pub now: WallTime,
}

impl TrustView {
    /// Judges a peer's credentials; everything that does not depend on signatures is judged anew each
    /// time, so a revocation counts from the next handshake on.
    pub fn admit(&self, shown: &Credentials, at: Circumstances) -> Result<Certificate, Refusal> {
        let shown = shown.open(&self.clinic)?;
        self.admit_opened(&shown, at)?;
        Ok(shown.certificate)
    }

    /// The part of [`admit`](Self::admit) after both signatures were verified.
    pub fn admit_opened(&self, shown: &Shown, at: Circumstances) -> Result<Reach, Refusal> {
        if matches!(shown.issuer.signer, Signer::Admin(_))
            && !may_enrol(&shown.grant, shown.certificate.not_before)
        {
            return Err(Refusal::IssuerWithoutRight);
        }
        self.check_proof(&shown.certificate, at)?;
        if !speaks_the_mesh(shown.certificate.kind) {
            return Err(Refusal::OtherKind);
        }
        self.still_admits(&shown.certificate, &shown.issuer, at.address, at.now)
    }

    /// Whether a device may ask to be renewed, its certificate having ended or not: it takes part, it
    /// has proved the keys it was enrolled with, and its newest certificate ended not too long ago.
    pub fn may_ask(&self, shown: &Shown, at: Circumstances) -> Result<(), Refusal> {
        let certificate = &shown.certificate;
        self.check_proof(certificate, at)?;
        if self.is_revoked(certificate) {
            return Err(Refusal::Revoked);
        }
        let listed = self.enrolled.get(&certificate.device);
        let listed = listed.ok_or(Refusal::UnknownIssuer)?;
        if listed.noise_key != at.proven {
            return Err(Refusal::OtherKey);
        }
        if at.now > listed.not_after.plus(renewal::GRACE) {
            return Err(Refusal::Expired);
        }
        match at.address {
            Some(address) if !self.policy.allows(address) => Err(Refusal::OtherNetwork),
            Some(_) | None => Ok(()),
        }
    }

    fn check_proof(&self, certificate: &Certificate, at: Circumstances) -> Result<(), Refusal> {
        if certificate.noise_key != at.proven {
            return Err(Refusal::OtherKey);
        }
        if certificate.device == self.me {
            return Err(Refusal::Oneself);
        }
        match at.dialled {
            Some(dialled) if dialled != certificate.device => Err(Refusal::OtherDevice),
            Some(_) | None => Ok(()),
        }
    }

    /// What can change while a connection lives: revocation, the removal of the admin who issued the
    /// certificate, whether the record lists a renewal, time and the allowed networks.
    pub fn still_admits(
        &self,
        certificate: &Certificate,
        issuer: &Issuer,
        address: Option<IpAddr>,
        now: WallTime,
    ) -> Result<Reach, Refusal> {
        let reach = self.vouched(certificate, issuer)?;
        let counts = self.that_counts(certificate, issuer);
        if now.plus(SKEW) < counts.not_before {
            return Err(Refusal::NotYetValid);
        }
        if now > counts.not_after.plus(SKEW) {
            return Err(Refusal::Expired);
        }
        if address.is_some_and(|address| !self.policy.allows(address)) {
            return Err(Refusal::OtherNetwork);
        }
        Ok(reach)
    }

    /// The certificate whose times count. What a revoked node signed may never be listed, and whoever has it in
    /// good faith goes by the one that is.
    fn that_counts<'a>(&'a self, shown: &'a Certificate, issuer: &Issuer) -> &'a Certificate {
        match (self.enrolled.get(&shown.device), issuer.signer) {
            (Some(listed), Signer::Node(by)) if self.revoked_devices.contains(&by) => listed,
            _ => shown,
        }
    }

    fn by_record(&self, certificate: &Certificate, issuer: &Issuer) -> Result<Reach, Refusal> {
        if self.is_revoked(certificate) {
            return Err(Refusal::Revoked);
        }
        match issuer.signer {
            Signer::Admin(admin) => self.check_standing(certificate, admin, issuer),
            Signer::Node(node) => self.check_renewed(certificate, node),
        }
    }

    fn is_revoked(&self, certificate: &Certificate) -> bool {
        if planted!("revoked-is-let-in") {
            return false;
        }
        self.revoked_devices.contains(&certificate.device)
            || self.revoked_serials.contains(&certificate.serial)
            || self.revoked_noise_keys.contains(&certificate.noise_key)
    }

    /// Of an admin who was removed only the certificates that the record lists count.
    fn check_standing(
        &self,
        certificate: &Certificate,
        admin: AdminId,
        issuer: &Issuer,
    ) -> Result<Reach, Refusal> {
        if self.is_listed(certificate) {
            return Ok(Reach::All);
        }
        let Some(known) = self.admins.get(&admin) else {
            return self.check_root(issuer);
        };
        if known.ended.is_none() && may_enrol(&known.grant, certificate.not_before) {
            Ok(Reach::All)
        } else {
            Err(Refusal::IssuerWithoutRight)
        }
    }

    /// The record decides whether a renewal counts. One that it does not list may be on its way here;
    /// one that it could never list is refused.
    ///
    /// Whom a revoked node renewed is a member by the certificate that is listed: an office that was cut off
    /// with such a node shows nothing else, and hears of the revocation from nobody who gives it nothing.
    fn check_renewed(&self, certificate: &Certificate, by: DeviceId) -> Result<Reach, Refusal> {
        if self.is_listed(certificate) {
            return Ok(Reach::All);
        }
        if by == certificate.device {
            return Err(Refusal::UnknownIssuer);
        }
        let listed = self.enrolled.get(&certificate.device);
        let listed = listed.ok_or(Refusal::UnknownIssuer)?;
        renewal::check_rights(listed, certificate).map_err(|why| match why {
            NotRenewed::OtherKeys => Refusal::OtherKey,
            _ => Refusal::IssuerWithoutRight,
        })?;
        match self.enrolled.get(&by) {
            Some(signer) if !renewal::is_renewer(signer) => Err(Refusal::IssuerWithoutRight),
            Some(_) if self.revoked_devices.contains(&by) => Ok(Reach::All),
            Some(_) | None => Ok(Reach::Unlisted),
        }
    }

    fn is_listed(&self, certificate: &Certificate) -> bool {
        self.enrolled.get(&certificate.device) == Some(certificate)
            || self.former.get(&certificate.device) == Some(certificate)
    }
}

/// Whether devices of this kind connect to each other. A client comes in by a node's door for faces.
const fn speaks_the_mesh(kind: DeviceKind) -> bool {
    match kind {
        DeviceKind::Node => true,
        DeviceKind::Client => false,
    }
}

fn may_enrol(grant: &Grant, at: WallTime) -> bool {
    grant.scopes.has(Scope::Enrol) && at <= grant.not_after
}

impl From<CertificateError> for Refusal {
    fn from(error: CertificateError) -> Self {
        match error {
            CertificateError::OtherClinic => Self::OtherClinic,
            CertificateError::Signed(SignedError::Codec(_) | SignedError::Signature(_))
            | CertificateError::Version(_)
            | CertificateError::WeakIdentityKey
            | CertificateError::WeakNoiseKey
            | CertificateError::Lifetime => Self::Malformed,
        }
    }
}

impl From<GrantError> for Refusal {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::NotTheRoots => Self::UnknownIssuer,
            GrantError::Signed(_) | GrantError::WeakKey => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests;
