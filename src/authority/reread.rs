//! The decoders of the authority's files, for whoever tries them with hostile bytes: each reads a file
//! and gives the bytes that it would write, or nothing if it refuses the file.

use super::{directory, drill, keyfile, mesh_keys, recovery, shares, web_ca};

/// A file with a root or admin key. The checksum is left aside: whoever forges a file forges that too.
pub fn key_file(bytes: &[u8]) -> Option<Vec<u8>> {
    keyfile::reread(bytes)
}

/// A file of sealed mesh keys.
pub fn mesh_keys_file(bytes: &[u8]) -> Option<Vec<u8>> {
    mesh_keys::reread(bytes)
}

/// A file with the sealed web CA.
pub fn web_ca_file(bytes: &[u8]) -> Option<Vec<u8>> {
    web_ca::reread(bytes)
}

/// The copy of the clinic record, every signature checked.
pub fn record_file(bytes: &[u8]) -> Option<Vec<u8>> {
    directory::reread_record(bytes)
}

/// The file about shares of the root key.
pub fn shares_file(bytes: &[u8]) -> Option<Vec<u8>> {
    drill::reread(bytes)
}

/// The lines of recovery shares, as typed.
pub fn recovery_shares(text: &str) -> Option<String> {
    shares::reread(text)
}

/// The lines of a recovery page, as typed.
pub fn recovery_page(text: &str) -> Option<String> {
    let key = recovery::read_lines(text).ok()?;
    Some(recovery::lines(&key).to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::domain::sign::SigningKey;

    #[test]
    #[ignore = "writes the corpus of the fuzz target anew: only when the page's lines change"]
    fn freeze() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/recovery-page");
        std::fs::create_dir_all(&folder).expect("a place");
        let page = recovery::lines(&SigningKey::from_seed(&[0x21; 32]));
        std::fs::write(folder.join("typed"), page.as_bytes()).expect("room");
        let folder = folder.with_file_name("recovery-shares");
        std::fs::create_dir_all(&folder).expect("a place");
        std::fs::write(folder.join("typed"), shares::tests::typed_for_tests()).expect("room");
    }
}
