//! Device certificates and admin grants: the two signed objects a stranger is judged by.

use std::fmt;
use std::time::Duration;

use minicbor::{Decode, Encode};

use super::codec;
use super::id::{AdminId, AuthorId, ClinicId, DeviceId, NoiseKey, Serial};
use super::name::Name;
use super::sign::{self, Label, Signed, SignedBody, SignedError};
use super::time::WallTime;

/// Longest life of a device certificate.
///
/// 30 days bound how long a revoked device may still talk to an office that never hears of it; five
/// minutes more allow the issuer's clock to be off.
pub const LIFETIME_MAX: Duration = Duration::from_secs(30 * 24 * 3600 + 5 * 60);

/// How much two clocks may differ before a certificate's times are judged.
pub const SKEW: Duration = Duration::from_secs(5 * 60);

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum DeviceKind {
    /// An office's node.
    #[n(0)]
    Node,
    /// A staff member's machine that holds no office's logs.
    #[n(1)]
    Client,
}

/// What a device may do besides its kind's ordinary work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Capability {
    /// Attests other nodes' audit trails.
    #[n(0)]
    Witness,
    /// Renews certificates of others with the same rights.
    #[n(1)]
    Renew,
    /// May export where policy allows export at all.
    #[n(2)]
    Export,
}

/// A set of [`Capability`]; the wire form is one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode)]
#[cbor(transparent)]
pub struct Capabilities(#[n(0)] u8);

impl Capabilities {
    const ALL: [Capability; 3] = [Capability::Witness, Capability::Renew, Capability::Export];

    /// The set of these.
    pub fn of(items: impl IntoIterator<Item = Capability>) -> Self {
        Self(
            items
                .into_iter()
                .fold(0, |bits, item| bits | 1 << item as u8),
        )
    }

    /// Whether the set holds `item`.
    pub const fn has(self, item: Capability) -> bool {
        self.0 & (1 << item as u8) != 0
    }

    /// The members in order.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Self::ALL.into_iter().filter(move |item| self.has(*item))
    }
}

impl<'b, C> Decode<'b, C> for Capabilities {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        match d.u8()? {
            bits if bits < 1 << Self::ALL.len() => Ok(Self(bits)),
            _ => Err(minicbor::decode::Error::message("unknown capability")),
        }
    }
}

/// The authority's word on a device: who, what, until when.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Certificate {
    /// Format version, 1.
    #[n(0)]
    pub version: u8,
    /// The clinic it is valid in.
    #[n(1)]
    pub clinic: ClinicId,
    /// Its number.
    #[n(2)]
    pub serial: Serial,
    /// The device's identity key.
    #[n(3)]
    pub device: DeviceId,
    /// The key it proves in the handshake.
    #[n(4)]
    pub noise_key: NoiseKey,
    /// The machine's name.
    #[n(5)]
    pub name: Name,
    /// The office it stands in.
    #[n(6)]
    pub office: Name,
    /// Node or client.
    #[n(7)]
    pub kind: DeviceKind,
    /// What more it may do.
    #[n(8)]
    pub capabilities: Capabilities,
    /// Start of validity.
    #[n(9)]
    pub not_before: WallTime,
    /// End of validity.
    #[n(10)]
    pub not_after: WallTime,
}

impl SignedBody for Certificate {
    const LABEL: Label = Label::Certificate;
    const MAX: usize = 1024;
}

/// The version of certificates and grants.
pub const VERSION: u8 = 1;

/// Why a certificate is refused, whatever the hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The bytes or the signature are wrong.
    #[error(transparent)]
    Signed(#[from] SignedError),
    /// A version that this program does not know.
    #[error("certificate version {0} is not known here")]
    Version(u8),
    /// Another clinic's.
    #[error("the certificate is of another clinic")]
    OtherClinic,
    /// The identity key is not on the curve or of small order.
    #[error("the device's identity key is not a sound Ed25519 key")]
    WeakIdentityKey,
    /// The Noise key is of low order, or not in its one encoding.
    #[error("the device's Noise key is not a sound X25519 key")]
    WeakNoiseKey,
    /// Ends before it begins, or lives longer than [`LIFETIME_MAX`].
    #[error("a device certificate lives at most 30 days")]
    Lifetime,
}

impl Certificate {
    /// Opens a certificate and checks all that depends on nothing else: signature, form, keys, span.
    ///
    /// Who signed it and whether they may is for [`trust`](super::trust) to judge.
    pub fn open(signed: &Signed, clinic: &ClinicId) -> Result<Self, CertificateError> {
        let certificate: Self = signed.open(clinic)?;
        certificate.check_all(clinic)?;
        Ok(certificate)
    }

    /// All that depends on nothing but the certificate itself, whoever signed it.
    pub(super) fn check_all(&self, clinic: &ClinicId) -> Result<(), CertificateError> {
        self.check(clinic)?;
        if self.has_sound_identity() {
            Ok(())
        } else {
            Err(CertificateError::WeakIdentityKey)
        }
    }

    /// Reads a certificate out of a statement of its own issuer: form, Noise key, span.
    ///
    /// Its signature is not looked at. The issuer's signature over the statement covers these very
    /// bytes, and whoever shows the certificate in a handshake is judged by [`Certificate::open`].
    /// Nor is the identity key, which costs as much and stays the same over all renewals; see
    /// [`Certificate::has_sound_identity`]. So a fold over years of renewals is cheap.
    pub(crate) fn read_listed(
        signed: &Signed,
        clinic: &ClinicId,
    ) -> Result<Self, CertificateError> {
        let certificate: Self =
            codec::strict(&signed.body, Self::MAX).map_err(SignedError::Codec)?;
        certificate.check(clinic)?;
        Ok(certificate)
    }

    /// Whether the identity key can verify anything.
    pub(crate) fn has_sound_identity(&self) -> bool {
        sign::is_sound_key(self.device.as_bytes())
    }

    fn check(&self, clinic: &ClinicId) -> Result<(), CertificateError> {
        if self.version != VERSION {
            return Err(CertificateError::Version(self.version));
        }
        if self.clinic != *clinic {
            return Err(CertificateError::OtherClinic);
        }
        if !is_sound_noise_key(&self.noise_key) {
            return Err(CertificateError::WeakNoiseKey);
        }
        let latest = self.not_before.plus(LIFETIME_MAX);
        if self.not_after <= self.not_before || self.not_after > latest {
            return Err(CertificateError::Lifetime);
        }
        Ok(())
    }
}

/// Whether bytes are an X25519 public key in its one encoding and not of low order.
///
/// X25519 ignores the highest bit and reduces modulo p = 2^255 - 19, so a key in another encoding
/// works like the key itself; were it certified, a revoked key could come back under a second name.
/// The low-order list is RFC 7748 §6.1's, the one that Noise and libsodium implementations check;
/// what lies between p and 2^255 is refused as another encoding already.
pub(crate) fn is_sound_noise_key(key: &NoiseKey) -> bool {
    const ORDER_8: [u8; 32] = [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ];
    const ORDER_8_OTHER: [u8; 32] = [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ];
    let u = key.as_bytes();
    let zero_or_one = u[1..].iter().all(|b| *b == 0) && u[0] <= 1;
    // p - 1 is of low order; p and above are other encodings. All begin 0xec.., ff.., 7f.
    let near_p = u[31] == 0x7f && u[1..31].iter().all(|b| *b == 0xff) && u[0] >= 0xec;
    let high_bit = u[31] & 0x80 != 0;
    !(zero_or_one || near_p || high_bit || *u == ORDER_8 || *u == ORDER_8_OTHER)
}

/// What an admin may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Scope {
    /// Invitations, certificates, mesh keys.
    #[n(0)]
    Enrol,
    /// Revocations.
    #[n(1)]
    Revoke,
    /// Staff members and rooms.
    #[n(2)]
    Staff,
    /// The policy.
    #[n(3)]
    Policy,
    /// Legal holds.
    #[n(4)]
    Hold,
    /// Reading audit trails.
    #[n(5)]
    Audit,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enrol => "enrol",
            Self::Revoke => "revoke",
            Self::Staff => "staff",
            Self::Policy => "policy",
            Self::Hold => "hold",
            Self::Audit => "audit",
        })
    }
}

/// A set of [`Scope`]; the wire form is one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode)]
#[cbor(transparent)]
pub struct Scopes(#[n(0)] u8);

impl Scopes {
    /// Every scope, in order.
    pub const ALL: [Scope; 6] = [
        Scope::Enrol,
        Scope::Revoke,
        Scope::Staff,
        Scope::Policy,
        Scope::Hold,
        Scope::Audit,
    ];

    /// The set of these.
    pub fn of(items: impl IntoIterator<Item = Scope>) -> Self {
        Self(
            items
                .into_iter()
                .fold(0, |bits, item| bits | 1 << item as u8),
        )
    }

    /// Whether the set holds `item`.
    pub const fn has(self, item: Scope) -> bool {
        self.0 & (1 << item as u8) != 0
    }

    /// The members in order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Self::ALL.into_iter().filter(move |item| self.has(*item))
    }
}

impl<'b, C> Decode<'b, C> for Scopes {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        match d.u8()? {
            bits if bits < 1 << Self::ALL.len() => Ok(Self(bits)),
            _ => Err(minicbor::decode::Error::message("unknown scope")),
        }
    }
}

/// The root's word on an admin.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Grant {
    /// Format version, 1.
    #[n(0)]
    pub version: u8,
    /// The clinic it is valid in.
    #[n(1)]
    pub clinic: ClinicId,
    /// The admin's key.
    #[n(2)]
    pub admin: AdminId,
    /// The admin's name.
    #[n(3)]
    pub name: Name,
    /// What the admin may sign.
    #[n(4)]
    pub scopes: Scopes,
    /// What is signed after this is void.
    #[n(5)]
    pub not_after: WallTime,
}

impl SignedBody for Grant {
    const LABEL: Label = Label::Grant;
    const MAX: usize = 512;
}

/// Why a grant is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The bytes or the signature are wrong.
    #[error(transparent)]
    Signed(#[from] SignedError),
    /// Not signed by the clinic's root, or of another clinic or version.
    #[error("the grant is not this clinic's root's")]
    NotTheRoots,
    /// The admin's key is not sound.
    #[error("the admin's key is not a sound Ed25519 key")]
    WeakKey,
}

impl Grant {
    /// Opens a grant and checks that the first root of `clinic` signed it.
    pub fn open(signed: &Signed, clinic: &ClinicId) -> Result<Self, GrantError> {
        match is_root(&signed.signer, clinic) {
            true => Self::open_by(signed, clinic, &signed.signer.as_admin()),
            false => Err(GrantError::NotTheRoots),
        }
    }

    /// Opens a grant and checks that this root of `clinic` signed it.
    pub fn open_by(signed: &Signed, clinic: &ClinicId, root: &AdminId) -> Result<Self, GrantError> {
        if signed.signer != AuthorId::from(*root) {
            return Err(GrantError::NotTheRoots);
        }
        let grant: Self = signed.open(clinic)?;
        if grant.version != VERSION || grant.clinic != *clinic {
            return Err(GrantError::NotTheRoots);
        }
        if !sign::is_sound_key(grant.admin.as_bytes()) {
            return Err(GrantError::WeakKey);
        }
        Ok(grant)
    }
}

/// Whether `key` is the root key that founded `clinic`.
pub fn is_root(key: &AuthorId, clinic: &ClinicId) -> bool {
    ClinicId::of_root(&key.as_admin()) == *clinic
}

#[cfg(test)]
mod tests;
