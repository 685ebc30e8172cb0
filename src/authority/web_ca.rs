//! The web CA: what makes a node's page trusted in a browser, and is good for nothing else.
//!
//! Its key has nothing to do with the mesh. Its certificate names one domain, the clinic's own, and
//! forbids every other name, every address and every further CA below it, so whoever steals the key can
//! pass for nodes of this clinic in a browser, and for nobody else.

use std::time::Duration;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use minicbor::{Decode, Encode};
use rand::CryptoRng;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, PKCS_ECDSA_P256_SHA256, PublicKeyData, SerialNumber, SignatureAlgorithm,
};
use sha2::Sha256;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::domain::codec;
use crate::domain::file::{FormatError, Kind};
use crate::domain::id::{AuthorId, ClinicId};
use crate::domain::name::Name;
use crate::domain::sign::SigningKey;
use crate::domain::time::WallTime;
use crate::domain::web::{WebCertificate, WebKey, dns_label, is_dns_name};

/// The file of the sealed web CA.
pub(super) const WEB_FILE: Kind = Kind {
    label: "clinic-mesh web CA",
    version: 1,
    limit: 8192,
};

/// How long staff trust the web CA once they have: ten years, longer than the machines they do it on.
const CA_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How long a node's certificate for browsers is good for.
///
/// 397 days: the longest that every browser accepts of any CA. Shorter would help against a stolen
/// machine only, whose name an admin gives to no other.
pub const LEAF_LIFE: Duration = Duration::from_secs(397 * 24 * 3600);

/// How long before its end a certificate is made anew.
pub const LEAF_RENEWAL: Duration = Duration::from_secs(60 * 24 * 3600);

/// How far a browser's clock may be behind.
const BEHIND: Duration = Duration::from_secs(24 * 3600);

/// The end of a domain that no public name server knows: reserved for private use by ICANN.
const PRIVATE_END: &str = "internal";

/// Why the web CA did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebCaError {
    /// Not such a file, of another version, or not well-formed.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Of another admin or changed.
    #[error("the web CA does not open with this admin's key; put your copy of the file back")]
    NotThisAdmins,
    /// Not a domain.
    #[error("{0:?} is not a domain; write it like clinic.internal, in small letters")]
    Domain(String),
    /// The clinic's name has no letter that may stand in a domain.
    #[error("no domain can be made from the clinic's name; choose one with --domain")]
    NoDomain,
    /// A name outside the domain that the CA is for.
    #[error("{name:?} is not in {domain}, and the web CA is good for nothing else")]
    Outside {
        /// The name.
        name: String,
        /// The domain.
        domain: String,
    },
    /// The library that makes certificates failed.
    #[error("the certificate for browsers could not be made: {0}")]
    Make(String),
}

/// The web CA with its key.
#[derive(Clone, Encode, Decode)]
#[cbor(array)]
pub struct WebCa {
    /// The one domain it is good for.
    #[n(0)]
    domain: String,
    /// What it is called in a browser's list.
    #[n(1)]
    title: String,
    /// Its certificate, in DER.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    certificate: Vec<u8>,
    /// Its key, in PKCS #8.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    key: Vec<u8>,
}

impl Drop for WebCa {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.key);
    }
}

impl std::fmt::Debug for WebCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WebCa({})", self.domain)
    }
}

/// The domain that a clinic of this name gets unless it chooses one.
pub(super) fn usual_domain(clinic: &Name) -> Result<String, WebCaError> {
    let label = dns_label(clinic.as_str()).ok_or(WebCaError::NoDomain)?;
    Ok(format!("{label}.{PRIVATE_END}"))
}

impl WebCa {
    /// Makes the web CA of a clinic. Its key and signatures take the system's randomness: the library
    /// offers no other.
    pub(super) fn make(
        clinic: &Name,
        domain: &str,
        now: WallTime,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, WebCaError> {
        if !is_dns_name(domain) {
            return Err(WebCaError::Domain(domain.to_owned()));
        }
        let title = format!("{clinic} web CA");
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make)?;
        let mut params = ca_params(&title)?;
        params.name_constraints = Some(only(domain));
        params.serial_number = Some(serial(rng));
        (params.not_before, params.not_after) = (at(now.minus(BEHIND))?, at(now.plus(CA_LIFE))?);
        let certificate = params.self_signed(&key).map_err(make)?;
        Ok(Self {
            domain: domain.to_owned(),
            title,
            certificate: certificate.der().to_vec(),
            key: key.serialize_der(),
        })
    }

    /// The one domain it is good for.
    pub(super) fn domain(&self) -> &str {
        &self.domain
    }

    /// Its certificate, in DER.
    pub(super) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Certifies a node's key under names of the domain.
    pub(super) fn certify(
        &self,
        names: Vec<String>,
        key: WebKey,
        now: WallTime,
        rng: &mut dyn CryptoRng,
    ) -> Result<WebCertificate, WebCaError> {
        for name in &names {
            self.check(name)?;
        }
        self.certify_unchecked(names, key, now, rng)
    }

    pub(super) fn certify_unchecked(
        &self,
        names: Vec<String>,
        key: WebKey,
        now: WallTime,
        rng: &mut dyn CryptoRng,
    ) -> Result<WebCertificate, WebCaError> {
        let not_after = now.plus(LEAF_LIFE);
        let mut params = CertificateParams::new(names.clone()).map_err(make)?;
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = names.first() {
            params
                .distinguished_name
                .push(DnType::CommonName, name.as_str());
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial(rng));
        (params.not_before, params.not_after) = (at(now.minus(BEHIND))?, at(not_after)?);
        let leaf = params
            .signed_by(&Public(key), &self.issuer()?)
            .map_err(make)?;
        Ok(WebCertificate {
            names,
            key,
            leaf: leaf.der().to_vec(),
            authority: self.certificate.clone(),
            not_after,
        })
    }

    fn check(&self, name: &str) -> Result<(), WebCaError> {
        let inside = name
            .strip_suffix(&self.domain)
            .is_some_and(|rest| rest.ends_with('.'));
        if inside && is_dns_name(name) {
            return Ok(());
        }
        Err(WebCaError::Outside {
            name: name.to_owned(),
            domain: self.domain.clone(),
        })
    }

    fn issuer(&self) -> Result<Issuer<'static, KeyPair>, WebCaError> {
        let key = KeyPair::try_from(self.key.as_slice());
        Ok(Issuer::new(ca_params(&self.title)?, key.map_err(make)?))
    }
}

/// What the CA is, besides its domain and dates.
fn ca_params(title: &str) -> Result<CertificateParams, WebCaError> {
    let mut params = CertificateParams::new(Vec::new()).map_err(make)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, title);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

/// Names of this domain, and nothing else that a certificate could be for.
fn only(domain: &str) -> NameConstraints {
    NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName(domain.to_owned()),
            GeneralSubtree::Rfc822Name(domain.to_owned()),
        ],
        excluded_subtrees: vec![
            GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])),
            GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])),
        ],
    }
}

/// Sixteen random bytes, positive.
fn serial(rng: &mut dyn CryptoRng) -> SerialNumber {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    bytes[0] = bytes[0] & 0x3f | 0x40;
    SerialNumber::from_slice(&bytes)
}

fn at(time: WallTime) -> Result<OffsetDateTime, WebCaError> {
    let seconds = i64::try_from(time.0 / 1000).map_err(make)?;
    OffsetDateTime::from_unix_timestamp(seconds).map_err(make)
}

fn make(error: impl std::fmt::Display) -> WebCaError {
    WebCaError::Make(error.to_string())
}

/// A node's public key, for the library.
struct Public(WebKey);

impl PublicKeyData for Public {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct SealedCa {
    #[n(0)]
    clinic: ClinicId,
    #[n(1)]
    admin: AuthorId,
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    nonce: [u8; 24],
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    sealed: Vec<u8>,
}

/// The bytes of the file.
pub(super) fn seal(
    ca: &WebCa,
    clinic: ClinicId,
    admin: &SigningKey,
    rng: &mut dyn CryptoRng,
) -> Vec<u8> {
    let plain = Zeroizing::new(codec::encode(ca));
    let mut nonce = [0; 24];
    rng.fill_bytes(&mut nonce);
    let payload = Payload {
        msg: &plain,
        aad: &bound(clinic, admin.id()),
    };
    let sealed = cipher(admin)
        .encrypt(&XNonce::from(nonce), payload)
        .expect("a key and a certificate are within the cipher's limit");
    WEB_FILE.write(&SealedCa {
        clinic,
        admin: admin.id(),
        nonce,
        sealed,
    })
}

/// Reads what [`seal`] wrote.
pub(super) fn open(bytes: &[u8], admin: &SigningKey) -> Result<WebCa, WebCaError> {
    let file: SealedCa = WEB_FILE.read(bytes)?;
    let payload = Payload {
        msg: &file.sealed,
        aad: &bound(file.clinic, admin.id()),
    };
    let plain = cipher(admin)
        .decrypt(&XNonce::from(file.nonce), payload)
        .map(Zeroizing::new)
        .map_err(|_| WebCaError::NotThisAdmins)?;
    codec::strict(&plain, WEB_FILE.limit).map_err(|_| WebCaError::NotThisAdmins)
}

/// Reads a file without opening it, and writes it back.
pub(super) fn reread(bytes: &[u8]) -> Option<Vec<u8>> {
    let file: SealedCa = WEB_FILE.read(bytes).ok()?;
    Some(WEB_FILE.write(&file))
}

fn bound(clinic: ClinicId, admin: AuthorId) -> Vec<u8> {
    [&WEB_FILE.preface()[..], clinic.as_bytes(), admin.as_bytes()].concat()
}

/// The admin's seed is a signing key; what seals is derived from it and used for nothing else.
fn cipher(admin: &SigningKey) -> XChaCha20Poly1305 {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, &*admin.seed())
        .expand(b"clinic-mesh/web-ca-file/v1", &mut *key)
        .expect("32 bytes are within what HKDF expands to");
    XChaCha20Poly1305::new(&Key::from(*key))
}
