//! The page layer: every block that redb writes is sealed before it reaches the disk.
//!
//! Block `n` of 4,096 bytes stands at `n * 4,136` in the file: nonce (24), ciphertext (4,096), tag
//! (16), bound to its number so that no block can take another's place. A block that was never
//! written reads as zeros.
//!
//! Block 0 is redb's super-header: page numbers and checksums, no names and no contents. It is the
//! one thing redb overwrites in place, so it must change atomically, and it does because it fits one
//! sector: it stands in clear in the first 480 bytes, with a keyed hash of them in the 32 that
//! complete the sector. Whoever flips a bit there is noticed as well.

use std::fmt;
use std::io;

use hmac::{Hmac, KeyInit as _, Mac as _};
use redb::StorageBackend;
use sha2::Sha256;

use super::disk::Disk;
use super::seal::{Key, NONCE, PageCipher, TAG};
use crate::platform::entropy;

/// Bytes of a block as redb sees it: one redb page.
pub(crate) const BLOCK: usize = 4096;

/// Bytes of a block on the disk.
pub(crate) const SEALED_BLOCK: usize = NONCE + BLOCK + TAG;

/// What a disk writes at once or not at all.
const SECTOR: usize = 512;

/// Bytes of the hash over the header.
const MAC: usize = 32;

/// Most bytes of header; redb 4.5 uses 320.
const HEADER: usize = SECTOR - MAC;

/// Blocks read or written in one call: 264 KiB, so a page run of redb's costs one system call and
/// memory stays small.
const RUN: usize = 64;

/// A block on the disk is not what was written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {block} does not authenticate: the disk is damaged or the key is another store's")]
pub(crate) struct BadBlock {
    /// Which block.
    pub(crate) block: u64,
}

/// redb's storage over a [`Disk`], sealed.
pub(crate) struct Pages<D> {
    disk: D,
    cipher: PageCipher,
    header_key: Key,
}

impl<D: Disk> Pages<D> {
    /// Pages on `disk` under `key`.
    pub(crate) fn new(disk: D, key: &Key) -> Self {
        Self {
            disk,
            cipher: PageCipher::new(&key.derive(b"", b"clinic-mesh/pages/v1")),
            header_key: key.derive(b"", b"clinic-mesh/page-header/v1"),
        }
    }

    fn read_header(&self) -> io::Result<[u8; HEADER]> {
        let mut sector = [0; SECTOR];
        self.disk.read_at(0, &mut sector)?;
        let (header, mac) = split_sector(&sector);
        if sector == [0; SECTOR] {
            return Ok(*header);
        }
        match self.header_mac(header).verify_slice(mac) {
            Ok(()) => Ok(*header),
            Err(_) => Err(damaged(0)),
        }
    }

    fn write_header(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let mut header = self.read_header()?;
        let Some(place) = header.get_mut(offset..offset + bytes.len()) else {
            return Err(misplaced());
        };
        place.copy_from_slice(bytes);
        let mut sector = [0; SECTOR];
        sector[..HEADER].copy_from_slice(&header);
        sector[HEADER..].copy_from_slice(&self.header_mac(&header).finalize().into_bytes());
        self.disk.write_at(0, &sector)
    }

    fn header_mac(&self, header: &[u8; HEADER]) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(self.header_key.bytes())
            .expect("HMAC takes keys of any length")
            .chain_update(header)
    }

    fn read_run(&self, first: u64, out: &mut [u8]) -> io::Result<()> {
        let mut sealed = vec![0; out.len() / BLOCK * SEALED_BLOCK];
        self.disk
            .read_at(first * SEALED_BLOCK as u64, &mut sealed)?;
        let (blocks, _) = sealed.as_chunks_mut::<SEALED_BLOCK>();
        let (texts, _) = out.as_chunks_mut::<BLOCK>();
        for ((number, block), text) in (first..).zip(blocks).zip(texts) {
            self.open_block(number, block, text)?;
        }
        Ok(())
    }

    fn open_block(
        &self,
        number: u64,
        block: &mut [u8; SEALED_BLOCK],
        text: &mut [u8; BLOCK],
    ) -> io::Result<()> {
        if *block == [0; SEALED_BLOCK] {
            text.fill(0);
            return Ok(());
        }
        let (nonce, rest) = block
            .split_first_chunk_mut::<NONCE>()
            .expect("a sealed block begins with its nonce");
        let (sealed, tag) = rest
            .split_last_chunk_mut::<TAG>()
            .expect("a sealed block ends with its tag");
        if !self.cipher.open(nonce, &about(number), sealed, tag) {
            return Err(damaged(number));
        }
        text.copy_from_slice(sealed);
        Ok(())
    }

    fn write_run(&self, first: u64, texts: &[u8]) -> io::Result<()> {
        let mut sealed = Vec::with_capacity(texts.len() / BLOCK * SEALED_BLOCK);
        for (number, text) in (first..).zip(texts.chunks_exact(BLOCK)) {
            let nonce = entropy::nonce();
            sealed.extend_from_slice(&nonce);
            let start = sealed.len();
            sealed.extend_from_slice(text);
            let tag = self
                .cipher
                .seal(&nonce, &about(number), &mut sealed[start..]);
            sealed.extend_from_slice(&tag);
        }
        self.disk.write_at(first * SEALED_BLOCK as u64, &sealed)
    }
}

impl<D: Disk> StorageBackend for Pages<D> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.len()? / SEALED_BLOCK as u64 * BLOCK as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(out.len() as u64).ok_or_else(misplaced)?;
        if end > self.len()? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if offset < BLOCK as u64 {
            let header = self.read_header()?;
            let from = &header[HEADER.min(offset as usize)..];
            let given = from.len().min(out.len());
            out[..given].copy_from_slice(&from[..given]);
            out[given..].fill(0);
            return if end <= BLOCK as u64 {
                Ok(())
            } else {
                Err(misplaced())
            };
        }
        let first = whole_blocks(offset, out.len())?;
        for (number, run) in (first..).step_by(RUN).zip(out.chunks_mut(RUN * BLOCK)) {
            self.read_run(number, run)?;
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if offset < BLOCK as u64 {
            return self.write_header(offset as usize, data);
        }
        let first = whole_blocks(offset, data.len())?;
        for (number, run) in (first..).step_by(RUN).zip(data.chunks(RUN * BLOCK)) {
            self.write_run(number, run)?;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if !len.is_multiple_of(BLOCK as u64) {
            return Err(misplaced());
        }
        self.disk.set_len(len / BLOCK as u64 * SEALED_BLOCK as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.sync()
    }
}

impl<D> fmt::Debug for Pages<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pages")
    }
}

fn split_sector(sector: &[u8; SECTOR]) -> (&[u8; HEADER], &[u8; MAC]) {
    let (header, mac) = sector
        .split_first_chunk::<HEADER>()
        .expect("a sector is longer than the header");
    (
        header,
        mac.try_into().expect("the rest of the sector is the hash"),
    )
}

fn about(block: u64) -> [u8; 8] {
    block.to_le_bytes()
}

fn whole_blocks(offset: u64, len: usize) -> io::Result<u64> {
    if offset.is_multiple_of(BLOCK as u64) && len.is_multiple_of(BLOCK) {
        Ok(offset / BLOCK as u64)
    } else {
        Err(misplaced())
    }
}

fn damaged(block: u64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, BadBlock { block })
}

fn misplaced() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "redb asked for something else than whole pages",
    )
}

#[cfg(test)]
mod tests;
