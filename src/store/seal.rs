//! Sealing: XChaCha20-Poly1305 under a key of 32 bytes with a random nonce.

use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use hkdf::Hkdf;
use minicbor::{Decode, Encode};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::platform::entropy;

/// Bytes of the nonce in front of sealed bytes.
///
/// 24 bytes: drawn at random for every page ever written, two are never alike.
pub(crate) const NONCE: usize = 24;

/// Bytes of the tag behind sealed bytes.
pub(crate) const TAG: usize = 16;

/// A secret key; wiped when dropped, shown to nobody.
#[derive(Clone)]
pub(crate) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// A key nobody else has.
    pub(crate) fn random() -> Self {
        Self(entropy::secret())
    }

    /// Takes the bytes as they are.
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A key for one purpose, made of this one and `salt` by HKDF-SHA256.
    pub(crate) fn derive(&self, salt: &[u8], purpose: &[u8]) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(salt), self.bytes())
            .expand(purpose, &mut *bytes)
            .expect("32 bytes are within what HKDF-SHA256 gives");
        Self(bytes)
    }

    /// The bytes of the key.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.bytes().into())
    }

    /// Seals `text`, binding it to `about`: nonce, ciphertext, tag.
    pub(crate) fn seal(&self, about: &[u8], text: &[u8]) -> Vec<u8> {
        let nonce = entropy::nonce();
        let mut sealed = Vec::with_capacity(NONCE + text.len() + TAG);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(text);
        let tag = seal_in_place(&self.cipher(), &nonce, about, &mut sealed[NONCE..]);
        sealed.extend_from_slice(&tag);
        sealed
    }

    /// Opens what [`Key::seal`] made; `None` when anything about it differs.
    pub(crate) fn open(&self, about: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE>()?;
        let (text, tag) = rest.split_last_chunk::<TAG>()?;
        let mut text = Zeroizing::new(text.to_vec());
        open_in_place(&self.cipher(), nonce, about, &mut text, tag).then_some(text)
    }
}

/// A key prepared for many pages.
pub(crate) struct PageCipher(XChaCha20Poly1305);

impl PageCipher {
    /// Prepares `key`.
    pub(crate) fn new(key: &Key) -> Self {
        Self(key.cipher())
    }

    /// Seals `text` where it stands and returns the tag.
    pub(crate) fn seal(&self, nonce: &[u8; NONCE], about: &[u8], text: &mut [u8]) -> [u8; TAG] {
        seal_in_place(&self.0, nonce, about, text)
    }

    /// Opens `text` where it stands; `false`, and no text, when anything about it differs.
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE],
        about: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG],
    ) -> bool {
        open_in_place(&self.0, nonce, about, text, tag)
    }
}

fn seal_in_place(
    cipher: &XChaCha20Poly1305,
    nonce: &[u8; NONCE],
    about: &[u8],
    text: &mut [u8],
) -> [u8; TAG] {
    cipher
        .encrypt_inout_detached(nonce.into(), about, text.into())
        .expect("what we seal is far below the cipher's limit of 256 GiB")
        .into()
}

fn open_in_place(
    cipher: &XChaCha20Poly1305,
    nonce: &[u8; NONCE],
    about: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG],
) -> bool {
    cipher
        .decrypt_inout_detached(nonce.into(), about, text.into(), tag.into())
        .is_ok()
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl<C> Encode<C> for Key {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(self.bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Key {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes: [u8; 32] = d
            .bytes()?
            .try_into()
            .map_err(|_| minicbor::decode::Error::message("key of a wrong length"))?;
        Ok(Self::new(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_only_with_its_key_and_its_subject() {
        let key = Key::random();
        let sealed = key.seal(b"about", b"text");
        assert_eq!(
            key.open(b"about", &sealed).as_deref().map(Vec::as_slice),
            Some(&b"text"[..])
        );
        assert!(key.open(b"other", &sealed).is_none());
        assert!(Key::random().open(b"about", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(b"about", &changed).is_none(), "byte {at}");
            assert!(key.open(b"about", &sealed[..at]).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn a_derived_key_depends_on_every_part() {
        let key = Key::new([1; 32]);
        let derived = key.derive(b"salt", b"purpose");
        assert_ne!(derived.bytes(), key.derive(b"other", b"purpose").bytes());
        assert_ne!(derived.bytes(), key.derive(b"salt", b"other").bytes());
        assert_ne!(
            derived.bytes(),
            Key::new([2; 32]).derive(b"salt", b"purpose").bytes()
        );
        assert_eq!(
            derived.bytes(),
            Key::new([1; 32]).derive(b"salt", b"purpose").bytes()
        );
    }
}
