//! Files whose first field is the version of their format: one of a later program is refused by name,
//! before anything else in it is read.

use minicbor::{Decode, Encode};

use crate::domain::codec::{self, CodecError};

/// Why a file is not read.
pub(super) enum Unread {
    /// Made by a later version of this program.
    TooNew(u8),
    /// Not the one encoding of such a file.
    Damaged(CodecError),
}

/// Reads a file of at most `limit` bytes, whose version is no later than `newest`.
pub(super) fn read<T>(bytes: &[u8], newest: u8, limit: usize) -> Result<T, Unread>
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    match version_of(bytes) {
        Some(found) if found > newest => Err(Unread::TooNew(found)),
        Some(_) | None => codec::strict(bytes, limit).map_err(Unread::Damaged),
    }
}

fn version_of(bytes: &[u8]) -> Option<u8> {
    let mut decoder = minicbor::Decoder::new(bytes);
    decoder.array().ok()?;
    decoder.u8().ok()
}
