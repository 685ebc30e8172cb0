//! Signed objects inside JSON: their exact bytes in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minicbor::{Decode, Encode};

use super::problem::{Code, Problem};
use crate::domain::codec;
use crate::domain::web::WebKey;

/// Most bytes of one object: a segment full of bodies, or a single large one, with its headers.
const BLOB_MAX: usize = 512 * 1024;

/// An object's one encoding, in base64.
pub fn wrap<T: Encode<()>>(value: &T) -> String {
    STANDARD.encode(codec::encode(value))
}

/// Reads what [`wrap`] makes, strictly.
pub fn unwrap<T>(text: &str) -> Result<T, Problem>
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    let wrong = |why: String| Problem::new(Code::Malformed, format!("not a signed object: {why}"));
    let bytes = STANDARD
        .decode(text)
        .map_err(|error| wrong(error.to_string()))?;
    codec::strict(&bytes, BLOB_MAX).map_err(|error| wrong(error.to_string()))
}

/// Bytes of a key, in base64.
pub fn wrap_key(key: &[u8; 32]) -> String {
    STANDARD.encode(key)
}

/// Reads what [`wrap_key`] makes.
pub fn unwrap_key(text: &str) -> Result<[u8; 32], Problem> {
    let bytes = STANDARD.decode(text).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| Problem::new(Code::Malformed, "a key has 32 bytes in base64"))
}

/// A key for browsers, in base64.
pub fn wrap_web_key(key: &WebKey) -> String {
    STANDARD.encode(key)
}

/// Reads what [`wrap_web_key`] makes.
pub fn web_key(text: &str) -> Option<WebKey> {
    let bytes = STANDARD.decode(text.trim()).ok()?;
    bytes.try_into().ok().filter(|key: &WebKey| key[0] == 4)
}

/// A certificate in the form of a text file.
pub fn pem(certificate: &[u8]) -> String {
    let text = STANDARD.encode(certificate);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_keys_are_read_back_and_anything_else_is_malformed() {
        let text = wrap(&7_u32);
        assert_eq!(unwrap::<u32>(&text), Ok(7));
        for bad in ["", "!", "GAc="] {
            assert!(unwrap::<u32>(bad).is_err(), "{bad}");
        }
        assert_eq!(unwrap_key(&wrap_key(&[3; 32])), Ok([3; 32]));
        assert!(unwrap_key("AAAA").is_err());
    }
}
