//! What the door for the network shows while the node is locked: the certificate and its key, in a file
//! that is readable before the store is.
//!
//! Whoever takes the disk has them too, and can show a page under the node's own names until the
//! certificate ends; decision 15 weighs that.

use std::path::Path;

use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::domain::codec::{self, CodecError};
use crate::domain::web::{CERTIFICATE_MAX, WebCertificate};
use crate::node::StaffSlotError;
use crate::platform::files::{self, FileError};
use crate::platform::web_key::WebKey;

/// The file's name in the node's directory.
const FILE: &str = "locked-door";

/// Largest file: two certificates, names and a key.
const FILE_MAX: usize = 4 * CERTIFICATE_MAX;

/// Version of the file's format.
const VERSION: u8 = 1;

#[derive(Encode, Decode)]
#[cbor(array)]
struct File {
    #[n(0)]
    version: u8,
    #[cbor(n(1), with = "minicbor::bytes")]
    key: [u8; 32],
    #[n(2)]
    certificate: WebCertificate,
}

impl Drop for File {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.key);
    }
}

/// Certificate and key of a locked node.
#[derive(Debug)]
pub struct LockedDoor {
    /// What browsers are shown.
    pub certificate: WebCertificate,
    /// Its key.
    pub key: WebKey,
}

impl LockedDoor {
    /// Reads the file; nothing if the node had no certificate yet.
    pub fn load(dir: &Path) -> Result<Option<Self>, StaffSlotError> {
        match files::read(&dir.join(FILE), FILE_MAX) {
            Err(FileError::Missing { .. }) => Ok(None),
            read => Ok(Some(Self::decode(&Zeroizing::new(read?))?)),
        }
    }

    /// Writes the file, unless it says the same already.
    pub(in crate::web) fn keep(
        dir: &Path,
        certificate: &WebCertificate,
        key: &WebKey,
    ) -> Result<(), StaffSlotError> {
        let path = dir.join(FILE);
        let bytes = encode(certificate, key);
        let same = files::read(&path, FILE_MAX).is_ok_and(|known| Zeroizing::new(known) == bytes);
        if !same {
            files::replace_and_scrub(&path, &bytes)?;
        }
        Ok(())
    }

    /// Takes the file away.
    pub(in crate::web) fn remove(dir: &Path) -> Result<(), StaffSlotError> {
        match files::remove_and_scrub(&dir.join(FILE)) {
            Err(FileError::Missing { .. }) => Ok(()),
            removed => Ok(removed?),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let file: File = codec::strict(bytes, FILE_MAX)?;
        let key = WebKey::from_secret(&file.key).ok_or(CodecError::Malformed)?;
        let certificate = file.certificate.clone();
        let sound = file.version == VERSION
            && certificate.is_well_formed()
            && certificate.key == key.public();
        match sound {
            true => Ok(Self { certificate, key }),
            false => Err(CodecError::Malformed),
        }
    }
}

fn encode(certificate: &WebCertificate, key: &WebKey) -> Zeroizing<Vec<u8>> {
    let file = File {
        version: VERSION,
        key: *key.secret(),
        certificate: certificate.clone(),
    };
    Zeroizing::new(codec::encode(&file))
}

/// The bytes that would be written for a file's, or nothing if it is refused: for whoever tries it with
/// hostile bytes.
pub fn reread(bytes: &[u8]) -> Option<Vec<u8>> {
    let read = LockedDoor::decode(bytes).ok()?;
    Some(encode(&read.certificate, &read.key).to_vec())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::domain::time::WallTime;

    fn certificate(key: &WebKey) -> WebCertificate {
        WebCertificate {
            names: vec!["ward.elm.internal".to_owned()],
            key: key.public(),
            leaf: vec![1],
            authority: vec![2],
            not_after: WallTime(1),
        }
    }

    #[test]
    fn what_was_kept_is_read_by_nobody_else_and_is_gone_when_taken_away() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let (dir, key) = (scratch.path(), WebKey::of_device(&[7; 32]));
        assert!(LockedDoor::load(dir).expect("none yet").is_none());
        LockedDoor::keep(dir, &certificate(&key), &key).expect("room");
        let read = LockedDoor::load(dir).expect("readable").expect("kept");
        assert_eq!(read.certificate, certificate(&key));
        assert_eq!(read.key.public(), key.public());
        let mode = std::fs::metadata(dir.join(FILE))
            .expect("there")
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        LockedDoor::remove(dir).expect("removed");
        assert!(LockedDoor::load(dir).expect("none").is_none());
        LockedDoor::remove(dir).expect("nothing to do");
    }

    #[test]
    #[ignore = "writes the corpus of the fuzz target anew: only when the format's version changes"]
    fn freeze() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/corpus/locked-door");
        std::fs::create_dir_all(folder).expect("a place");
        let key = WebKey::of_device(&[7; 32]);
        let bytes = encode(&certificate(&key), &key);
        std::fs::write(format!("{folder}/one"), &*bytes).expect("room");
    }

    #[test]
    fn a_certificate_of_another_key_is_refused() {
        let (ours, theirs) = (WebKey::of_device(&[7; 32]), WebKey::of_device(&[8; 32]));
        assert!(reread(&encode(&certificate(&ours), &ours)).is_some());
        assert!(reread(&encode(&certificate(&theirs), &ours)).is_none());
        assert!(reread(b"").is_none());
    }
}
