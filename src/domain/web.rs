//! What browsers are shown to believe that a node is the clinic's: names, and certificates that the
//! clinic's web CA has signed.
//!
//! The certificates themselves (X.509) are bytes here, of which nothing is read but when the web CA's ends.
//! Browsers judge them; the mesh believes nothing because of them.

use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use super::time::WallTime;

/// Most names of one node: its own, and a few that a clinic's own DNS gives it.
pub const NAMES_MAX: usize = 4;

/// Longest certificate in bytes: four times what ours have.
pub const CERTIFICATE_MAX: usize = 4096;

/// Longest name in bytes, and of the part between two dots (RFC 1035).
const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;

/// A P-256 public key, uncompressed: the number 4 and two coordinates.
pub type WebKey = [u8; 65];

/// A node's certificate for browsers, and what it was made from.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct WebCertificate {
    /// The names that browsers reach the node by, the best first.
    #[n(0)]
    pub names: Vec<String>,
    /// The node's key for browsers, so that the certificate can be renewed without asking the node.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub key: WebKey,
    /// The certificate, in DER.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub leaf: Vec<u8>,
    /// The web CA's own certificate, in DER: what staff trust once.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub authority: Vec<u8>,
    /// When browsers stop believing it.
    #[n(4)]
    pub not_after: WallTime,
}

impl WebCertificate {
    /// Whether everything has the size and form it must have.
    pub fn is_well_formed(&self) -> bool {
        let fits = |der: &[u8]| !der.is_empty() && der.len() <= CERTIFICATE_MAX;
        (1..=NAMES_MAX).contains(&self.names.len())
            && self.names.iter().all(|name| is_dns_name(name))
            && self.key[0] == 4
            && fits(&self.leaf)
            && fits(&self.authority)
    }
}

/// What people compare before they trust a certificate: its SHA-256, as browsers write it.
pub fn fingerprint(certificate: &[u8]) -> String {
    let digest = Sha256::digest(certificate);
    let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// When a certificate says that it ends; nothing if it cannot be read.
///
/// Good for a warning and for nothing else: no signature is looked at.
pub fn ends_at(certificate: &[u8]) -> Option<WallTime> {
    let (_, read) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let seconds = u64::try_from(read.validity().not_after.timestamp()).ok()?;
    Some(WallTime(seconds.saturating_mul(1000)))
}

/// Whether a text is a name that browsers look up, in its one spelling: small letters, digits and
/// dashes, in parts between dots.
pub fn is_dns_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=LABEL_MAX).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let looks_like_an_address = text
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    text.len() <= NAME_MAX
        && text.contains('.')
        && text.split('.').all(is_label)
        && !looks_like_an_address
}

/// A name as one part of a name that browsers look up; nothing if none of its letters can stand there.
pub fn dns_label(name: &str) -> Option<String> {
    let mut label = String::new();
    for letter in name.chars() {
        match letter.to_ascii_lowercase() {
            letter if letter.is_ascii_alphanumeric() => label.push(letter),
            _ if label.ends_with('-') || label.is_empty() => {}
            _ => label.push('-'),
        }
    }
    label.truncate(LABEL_MAX);
    let label = label.trim_end_matches('-');
    (!label.is_empty()).then(|| label.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::NOON;

    fn certificate() -> WebCertificate {
        WebCertificate {
            names: vec!["ward-2.elm-street.internal".to_owned()],
            key: [4; 65],
            leaf: vec![1],
            authority: vec![2],
            not_after: NOON,
        }
    }

    #[test]
    fn names_have_one_spelling_and_are_no_addresses() {
        for good in ["ward-2.elm.internal", "a.b", "x1.example"] {
            assert!(is_dns_name(good), "{good}");
        }
        let long = format!("{}.internal", "x".repeat(64));
        for bad in [
            "ward",
            "Ward.elm",
            "ward..elm",
            ".elm",
            "elm.",
            "-a.b",
            "a-.b",
            "a_b.c",
            "10.0.0.1",
            "é.b",
            "*.elm.internal",
            "",
            &long,
        ] {
            assert!(!is_dns_name(bad), "{bad}");
        }
    }

    #[test]
    fn names_of_people_and_places_become_parts_of_names() {
        assert_eq!(
            dns_label("Elm Street Clinic").as_deref(),
            Some("elm-street-clinic")
        );
        assert_eq!(
            dns_label("  Ward 2 / night!").as_deref(),
            Some("ward-2-night")
        );
        assert_eq!(dns_label("Øst"), Some("st".to_owned()));
        assert_eq!(dns_label("診療所"), None);
        let long = dns_label(&"x".repeat(70)).expect("letters");
        assert_eq!(long.len(), 63);
    }

    #[test]
    fn a_certificate_with_anything_out_of_bounds_is_not_well_formed() {
        assert!(certificate().is_well_formed());
        let changed = |change: fn(&mut WebCertificate)| {
            let mut certificate = certificate();
            change(&mut certificate);
            certificate.is_well_formed()
        };
        assert!(!changed(|it| it.names.clear()));
        assert!(!changed(|it| it.names = vec!["a.b".to_owned(); 5]));
        assert!(!changed(|it| it.names[0] = "localhost".to_owned()));
        assert!(!changed(|it| it.key[0] = 2));
        assert!(!changed(|it| it.leaf.clear()));
        assert!(!changed(|it| it.authority = vec![0; CERTIFICATE_MAX + 1]));
    }
}
