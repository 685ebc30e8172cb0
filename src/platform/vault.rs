//! Backup files: a stream sealed to keys that are kept elsewhere (RFC 9180, base mode).
//!
//! A file has a key pair of its own. Its private half is sealed to each recipient in the head; the
//! contents are sealed to its public half, in chunks of one HPKE context, so that each chunk has its
//! place. What was cut off, put in another order, changed or taken from another file does not open.

use std::io::{self, Read, Write};

use hpke::aead::{AeadCtxR, AeadCtxS, ChaCha20Poly1305};
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};
use minicbor::{Decode, Encode};
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::domain::codec;
use crate::domain::file::{FormatError, Kind};
use crate::domain::id::{ClinicId, DeviceId, Hash, hex, unhex};
use crate::domain::time::WallTime;

type Public = <X25519HkdfSha256 as Kem>::PublicKey;
type Private = <X25519HkdfSha256 as Kem>::PrivateKey;
type Encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey;

/// The head of a backup file.
const HEAD: Kind = Kind {
    label: "clinic-mesh backup",
    version: 2,
    limit: HEAD_MAX,
};

/// The head of a backup without the settings of its machine; all else is the same, so it is read on.
const HEAD_1: Kind = Kind { version: 1, ..HEAD };

/// Largest head: eight recipients of a hundred bytes each, and what else it says.
const HEAD_MAX: usize = 4 * 1024;

/// Most keys that one backup is sealed to: the admins, the safe, and the owner.
pub const RECIPIENTS_MAX: usize = 8;

/// Bytes of contents in a chunk.
const CHUNK: usize = 64 * 1024;

/// What the cipher adds to a chunk.
const TAG: usize = 16;

/// Names the uses, so that nothing sealed for one opens as the other.
const KEY_INFO: &[u8] = b"clinic-mesh/backup-key/v1\0";
const CONTENT_INFO: &[u8] = b"clinic-mesh/backup-content/v1\0";

/// Whom a backup is sealed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct Recipient(#[cbor(with = "minicbor::bytes")] [u8; 32]);

/// The other half of a [`Recipient`]; it opens backups and is never on a node.
pub struct BackupKey(Zeroizing<[u8; 32]>);

/// What opens one backup: the file's own key, as whoever makes the file knows it.
///
/// Kept in memory only, and only until the file was checked.
pub struct FileKey(Zeroizing<[u8; 32]>);

/// Why a backup cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Not a recipient as `backup key` prints it.
    #[error("{0:?} is no recipient of backups; copy what `clinic-mesh backup key` printed")]
    Recipient(String),
    /// No recipient, or too many.
    #[error("a backup is sealed to 1 to {RECIPIENTS_MAX} keys, these are {0}")]
    Count(usize),
    /// The head is not one.
    #[error(transparent)]
    Head(#[from] FormatError),
    /// Sealed to others.
    #[error("the backup is not sealed to this key; use one of those that it was made for")]
    OtherKey,
    /// A chunk does not open.
    #[error("the backup is damaged or was cut off; use another one")]
    Damaged,
    /// The file, or whoever reads it.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What anyone can read of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Head {
    /// The clinic.
    #[n(0)]
    pub clinic: ClinicId,
    /// The device whose store it is of.
    #[n(1)]
    pub device: DeviceId,
    /// When it was begun.
    #[n(2)]
    pub made_at: WallTime,
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    public: [u8; 32],
    #[n(4)]
    sealed: Vec<SealedKey>,
}

/// The file's private key as one recipient can open it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct SealedKey {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    encapsulated: [u8; 32],
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    sealed: [u8; 48],
}

impl Recipient {
    /// Reads what [`fmt::Display`](std::fmt::Display) writes; a mistyped letter is noticed.
    pub fn parse(text: &str) -> Result<Self, VaultError> {
        let wrong = || VaultError::Recipient(text.to_owned());
        let (key, check) = text.trim().split_once('-').ok_or_else(wrong)?;
        let bytes: [u8; 32] = unhex(key)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(wrong)?;
        let recipient = Self(bytes);
        if recipient.check() == check && Public::from_bytes(&bytes).is_ok() {
            Ok(recipient)
        } else {
            Err(wrong())
        }
    }

    fn check(&self) -> String {
        hex(&Hash::of("backup-recipient/v1", &[&self.0]).as_bytes()[..2])
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", hex(&self.0), self.check())
    }
}

impl BackupKey {
    /// Takes 32 random bytes.
    pub fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        Self(secret)
    }

    /// What backups are sealed to.
    pub fn recipient(&self) -> Recipient {
        Recipient(public_of(&self.private()))
    }

    /// RFC 9180, section 4: any secret bytes make a key pair by derivation.
    fn private(&self) -> Private {
        X25519HkdfSha256::derive_keypair(&*self.0).0
    }
}

impl std::fmt::Debug for BackupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BackupKey({})", self.recipient())
    }
}

fn public_of(private: &Private) -> [u8; 32] {
    X25519HkdfSha256::sk_to_pk(private).to_bytes().into()
}

/// What binds a sealed key and the contents to everything that the head says.
fn bound(head: &Head) -> Vec<u8> {
    codec::encode(&Head {
        sealed: Vec::new(),
        ..head.clone()
    })
}

fn content_info(head: &Head) -> Vec<u8> {
    [CONTENT_INFO, &codec::encode(head)].concat()
}

/// Seals what is written to it.
pub struct Sealer<W: Write> {
    out: W,
    context: AeadCtxS<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>,
    waiting: Zeroizing<Vec<u8>>,
    secret: Zeroizing<[u8; 32]>,
}

impl<W: Write> Sealer<W> {
    /// Writes the head of a backup for these keys.
    pub fn begin(
        mut out: W,
        (clinic, device, made_at): (ClinicId, DeviceId, WallTime),
        recipients: &[Recipient],
        mut rng: &mut dyn CryptoRng,
    ) -> Result<Self, VaultError> {
        if !(1..=RECIPIENTS_MAX).contains(&recipients.len()) {
            return Err(VaultError::Count(recipients.len()));
        }
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        let (private, public) = X25519HkdfSha256::derive_keypair(&*seed);
        let mut head = Head {
            clinic,
            device,
            made_at,
            public: public.to_bytes().into(),
            sealed: Vec::new(),
        };
        let aad = bound(&head);
        let secret: Zeroizing<[u8; 32]> = Zeroizing::new(private.to_bytes().into());
        for recipient in recipients {
            head.sealed.push(seal_key(recipient, &secret, &aad, rng)?);
        }
        let (encapsulated, context) = hpke::setup_sender_with_rng::<
            ChaCha20Poly1305,
            HkdfSha256,
            X25519HkdfSha256,
        >(
            &OpModeS::Base, &public, &content_info(&head), &mut rng
        )
        .map_err(|_| VaultError::Damaged)?;
        let bytes = HEAD.write(&head);
        out.write_all(&(bytes.len() as u32).to_be_bytes())?;
        out.write_all(&bytes)?;
        out.write_all(&encapsulated.to_bytes())?;
        let waiting = Zeroizing::new(Vec::with_capacity(CHUNK));
        Ok(Self {
            out,
            context,
            waiting,
            secret,
        })
    }

    /// What opens this very file, for checking it once it is written.
    pub fn file_key(&self) -> FileKey {
        FileKey(self.secret.clone())
    }

    fn chunk(&mut self, last: bool) -> io::Result<()> {
        let sealed = self
            .context
            .seal(&self.waiting, &[u8::from(last)])
            .map_err(|_| io::Error::other("a backup has too many chunks"))?;
        self.waiting.clear();
        self.out.write_all(&[u8::from(last)])?;
        self.out.write_all(&(sealed.len() as u32).to_be_bytes())?;
        self.out.write_all(&sealed)
    }

    /// Writes what is left and the end, without which the file does not open to its end.
    pub fn finish(mut self) -> io::Result<W> {
        self.chunk(true)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.waiting.len() == CHUNK {
            self.chunk(false)?;
        }
        let count = bytes.len().min(CHUNK - self.waiting.len());
        self.waiting.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn seal_key(
    recipient: &Recipient,
    secret: &[u8; 32],
    aad: &[u8],
    mut rng: &mut dyn CryptoRng,
) -> Result<SealedKey, VaultError> {
    let unsound = |_| VaultError::Recipient(recipient.to_string());
    let to = Public::from_bytes(&recipient.0).map_err(unsound)?;
    let (encapsulated, sealed) = hpke::single_shot_seal_with_rng::<
        ChaCha20Poly1305,
        HkdfSha256,
        X25519HkdfSha256,
    >(&OpModeS::Base, &to, KEY_INFO, secret, aad, &mut rng)
    .map_err(unsound)?;
    Ok(SealedKey {
        encapsulated: encapsulated.to_bytes().into(),
        sealed: sealed.try_into().map_err(|_| VaultError::Damaged)?,
    })
}

/// Opens what was sealed, in order.
pub struct Opener<R: Read> {
    input: R,
    head: Head,
    context: AeadCtxR<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>,
    chunk: Zeroizing<Vec<u8>>,
    read: usize,
    ended: bool,
}

impl<R: Read> Opener<R> {
    /// Reads the head and finds the key for the contents.
    pub fn begin(mut input: R, key: &BackupKey) -> Result<Self, VaultError> {
        let head = read_head(&mut input)?;
        let secret = sealed_secret(&head, key)?;
        Self::with_secret(input, head, &secret)
    }

    /// Reads the head of a file that this process has just made.
    pub fn begin_own(mut input: R, key: &FileKey) -> Result<Self, VaultError> {
        let head = read_head(&mut input)?;
        Self::with_secret(input, head, &*key.0)
    }

    fn with_secret(mut input: R, head: Head, secret: &[u8]) -> Result<Self, VaultError> {
        let private = file_private(&head, secret)?;
        let mut encapsulated = [0; 32];
        input.read_exact(&mut encapsulated)?;
        let damaged = |_| VaultError::Damaged;
        let encapsulated = Encapsulated::from_bytes(&encapsulated).map_err(damaged)?;
        let context = hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &private,
            &encapsulated,
            &content_info(&head),
        )
        .map_err(damaged)?;
        Ok(Self {
            input,
            head,
            context,
            chunk: Zeroizing::default(),
            read: 0,
            ended: false,
        })
    }

    /// What anyone can read of it.
    pub fn head(&self) -> &Head {
        &self.head
    }

    fn next(&mut self) -> io::Result<()> {
        let (sealed, last) = read_chunk(&mut self.input)?;
        let opened = self.context.open(&sealed, &[u8::from(last)]);
        self.chunk = Zeroizing::new(opened.map_err(|_| damaged())?);
        self.read = 0;
        self.ended = last;
        if self.ended && self.input.read(&mut [0])? != 0 {
            return Err(damaged());
        }
        Ok(())
    }
}

impl<R: Read> Read for Opener<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.read == self.chunk.len() {
            if self.ended {
                return Ok(0);
            }
            self.next()?;
        }
        let count = into.len().min(self.chunk.len() - self.read);
        into[..count].copy_from_slice(&self.chunk[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}

/// Reads what anyone can read of a backup.
pub fn read_head(input: &mut impl Read) -> Result<Head, VaultError> {
    let mut length = [0; 4];
    input.read_exact(&mut length).map_err(cut_off)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > HEAD_MAX + 64 {
        let label = HEAD.label;
        return Err(FormatError::OtherKind { label }.into());
    }
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes).map_err(cut_off)?;
    let head: Head = match HEAD.read(&bytes) {
        Err(FormatError::Version { version: 1, .. }) => HEAD_1.read(&bytes)?,
        read => read?,
    };
    if (1..=RECIPIENTS_MAX).contains(&head.sealed.len()) {
        Ok(head)
    } else {
        Err(VaultError::Count(head.sealed.len()))
    }
}

/// Checks that a backup has a head and whole chunks up to its end, as anyone can without a key.
pub fn check_whole(mut input: impl Read) -> Result<(), VaultError> {
    read_head(&mut input)?;
    let mut encapsulated = [0; 32];
    input.read_exact(&mut encapsulated).map_err(cut_off)?;
    while !read_chunk(&mut input)?.1 {}
    if input.read(&mut [0])? == 0 {
        Ok(())
    } else {
        Err(VaultError::Damaged)
    }
}

/// The next chunk as it is sealed, and whether it is the last one.
fn read_chunk(input: &mut impl Read) -> io::Result<(Vec<u8>, bool)> {
    let mut preface = [0; 5];
    input.read_exact(&mut preface).map_err(cut_off)?;
    let [last, length @ ..] = preface;
    let length = u32::from_be_bytes(length) as usize;
    if last > 1 || !(TAG..=CHUNK + TAG).contains(&length) {
        return Err(damaged());
    }
    let mut sealed = vec![0; length];
    input.read_exact(&mut sealed).map_err(cut_off)?;
    Ok((sealed, last == 1))
}

/// The file's private key, as one recipient opens it.
fn sealed_secret(head: &Head, key: &BackupKey) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let (own, aad) = (key.private(), bound(head));
    let found = head.sealed.iter().find_map(|sealed| {
        let encapsulated = Encapsulated::from_bytes(&sealed.encapsulated).ok()?;
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &own,
            &encapsulated,
            KEY_INFO,
            &sealed.sealed,
            &aad,
        )
        .ok()
    });
    found.map(Zeroizing::new).ok_or(VaultError::OtherKey)
}

fn file_private(head: &Head, secret: &[u8]) -> Result<Private, VaultError> {
    let private = Private::from_bytes(secret).map_err(|_| VaultError::Damaged)?;
    if public_of(&private) == head.public {
        Ok(private)
    } else {
        Err(VaultError::Damaged)
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, VaultError::Damaged)
}

fn cut_off(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(),
        _ => error,
    }
}

#[cfg(test)]
mod tests;
