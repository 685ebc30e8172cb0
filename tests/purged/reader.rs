//! Reads a node's directory as somebody does who has the disk and every key that is left on it.
//!
//! It is written from docs/storage.md and shares no code with the store but the ids inside: what the store
//! believes to have destroyed is no argument here. Nothing is authenticated either. Whatever a key turns
//! into text counts as read, so a row that is half overwritten, or that no table leads to any more, is
//! found like any other.

use std::collections::BTreeMap;
use std::path::Path;

use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use clinic_mesh::domain::space::Space;
use hkdf::Hkdf;
use minicbor::{Decode, Decoder, Encode};
use sha2::Sha256;

/// Bytes of a sealed page: nonce, ciphertext, tag.
const BLOCK: usize = NONCE + 4096 + TAG;

const NONCE: usize = 24;
const TAG: usize = 16;

/// Bytes in front of a chunk of bodies: the number of its space's key, and how many bodies it has.
const CHUNK_HEAD: usize = 6;

/// Most bodies in a chunk.
const BODIES_MAX: u16 = 64;

/// Bytes of a chunk that are looked at: the chunks of a test with a few short messages are shorter.
const CHUNK: usize = 8 * 1024;

type Key = [u8; 32];

/// A key slot that a key file opens.
#[derive(Encode, Decode)]
enum Way {
    #[n(1)]
    KeyFile(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]),
}

/// The keys that a store has left.
pub(crate) struct Keyring {
    pages: Key,
    /// By day.
    days: Vec<Key>,
    /// By their number, which no two of them share.
    spaces: BTreeMap<u32, Key>,
}

impl Keyring {
    /// Opens the keyring of the store in `dir` with the contents of its key file.
    pub(crate) fn open(dir: &Path, key_file: &Key) -> Self {
        let kek = key_encryption_key(&file(dir, "slots"), key_file);
        let file = file(dir, "keyring");
        let mut fields = Decoder::new(&file);
        assert_eq!(fields.array().expect("an array"), Some(4));
        let version = fields.u8().expect("a version");
        let generation = fields.u64().expect("a number");
        let mut open = |key: &Key, what: &str| {
            let sealed = fields.bytes().expect("sealed bytes");
            let about = minicbor::to_vec(("clinic-mesh/keyring", what, version, generation));
            open(key, &about.expect("encodes"), sealed)
        };
        let generation_key = as_key(&open(&kek, "generation"));
        Self::parse(&open(&generation_key, "keys"))
    }

    fn parse(contents: &[u8]) -> Self {
        let mut fields = Decoder::new(contents);
        assert_eq!(fields.array().expect("an array"), Some(4));
        let pages = as_key(fields.bytes().expect("a key"));
        let _next_number = fields.u32().expect("a number");
        let mut days = Vec::new();
        for _ in 0..fields.map().expect("a map").expect("its length") {
            let _day = fields.u32().expect("a day");
            days.push(as_key(fields.bytes().expect("a key")));
        }
        let mut spaces = BTreeMap::new();
        for _ in 0..fields.map().expect("a map").expect("its length") {
            let _space: Space = fields.decode().expect("a space");
            for _ in 0..fields.array().expect("an array").expect("its length") {
                assert_eq!(fields.array().expect("an array"), Some(2));
                let number = fields.u32().expect("a number");
                spaces.insert(number, as_key(fields.bytes().expect("a key")));
            }
        }
        Self {
            pages,
            days,
            spaces,
        }
    }

    /// Everything that these keys make of a file of pages: the pages, and whatever in them may be a
    /// chunk of bodies.
    pub(crate) fn read(&self, pages: &[u8]) -> Vec<u8> {
        let clear = self.clear(pages);
        let mut found = clear.clone();
        for at in 0..clear.len().saturating_sub(CHUNK_HEAD + NONCE) {
            self.read_chunk(&clear[at..], &mut found);
        }
        found
    }

    fn clear(&self, pages: &[u8]) -> Vec<u8> {
        let key = derived(&self.pages, b"", b"clinic-mesh/pages/v1");
        let mut clear = Vec::with_capacity(pages.len());
        // The first block is redb's header, which holds no contents.
        for (number, block) in (0_u64..).zip(pages.chunks_exact(BLOCK)).skip(1) {
            let (nonce, text) = block[..BLOCK - TAG].split_at(NONCE);
            clear.extend(keyed(&key, nonce, &number.to_le_bytes(), text));
        }
        clear
    }

    fn read_chunk(&self, from: &[u8], found: &mut Vec<u8>) {
        let (head, rest) = from.split_at(CHUNK_HEAD);
        let number = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let count = u16::from_be_bytes([head[4], head[5]]);
        let Some(space) = self.spaces.get(&number) else {
            return;
        };
        if !(1..=BODIES_MAX).contains(&count) {
            return;
        }
        let (nonce, text) = rest.split_at(NONCE);
        let text = &text[..text.len().min(CHUNK)];
        for day in &self.days {
            let key = derived(day, space, b"clinic-mesh/body/v1");
            found.extend(keyed(&key, nonce, b"", text));
        }
    }
}

fn key_encryption_key(slots: &[u8], key_file: &Key) -> Key {
    let mut fields = Decoder::new(slots);
    assert_eq!(fields.array().expect("an array"), Some(2));
    assert_eq!(fields.u8().expect("a version"), 1);
    assert_eq!(fields.array().expect("an array"), Some(1), "one slot");
    assert_eq!(fields.array().expect("an array"), Some(3));
    let number = fields.u32().expect("a number");
    let way: Way = fields.decode().expect("a key file's slot");
    let Way::KeyFile(salt) = &way;
    let wrapping = derived(key_file, salt, b"clinic-mesh/key-file-slot/v1");
    let about = minicbor::to_vec(("clinic-mesh/key-slot/v1", number, &way)).expect("encodes");
    as_key(&open(&wrapping, &about, fields.bytes().expect("a key")))
}

/// What is sealed here; a key that does not fit is a mistake of this reader, not a finding.
fn open(key: &Key, about: &[u8], sealed: &[u8]) -> Vec<u8> {
    let (nonce, rest) = sealed.split_at(NONCE);
    let (text, tag) = rest.split_at(rest.len() - TAG);
    let mut text = text.to_vec();
    let (nonce, tag) = (nonce.try_into().expect("24"), tag.try_into().expect("16"));
    XChaCha20Poly1305::new(key.into())
        .decrypt_inout_detached(nonce, about, text.as_mut_slice().into(), tag)
        .expect("the keyring opens under its own keys");
    text
}

/// The text under a key and a nonce, whether the seal holds or not: what encrypts a text with this cipher
/// turns its ciphertext back into the text.
fn keyed(key: &Key, nonce: &[u8], about: &[u8], text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    let nonce = nonce.try_into().expect("24 bytes");
    XChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(nonce, about, text.as_mut_slice().into())
        .expect("short enough");
    text
}

fn derived(key: &Key, salt: &[u8], purpose: &[u8]) -> Key {
    let mut bytes = [0; 32];
    Hkdf::<Sha256>::new(Some(salt), key)
        .expand(purpose, &mut bytes)
        .expect("32 bytes");
    bytes
}

fn as_key(bytes: &[u8]) -> Key {
    bytes.try_into().expect("32 bytes")
}

fn file(dir: &Path, name: &str) -> Vec<u8> {
    std::fs::read(dir.join(name)).expect("the store has it")
}
