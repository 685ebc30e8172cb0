//! What stands in the rows.

use minicbor::{Decode, Encode};

use super::error::{StoreError, malformed};
use crate::domain::codec;
use crate::domain::id::Hash;
use crate::domain::log::{Entry, Head, Header, Log, SEGMENT_ENTRIES_MAX, Segment};
use crate::domain::sign::Signature;
use crate::domain::space::Space;
use crate::domain::time::{Day, Hlc, WallTime};

/// Bytes of one packed header: time 8, last day 4, length 4, digest 32, integers big-endian.
pub(crate) const HEADER_BYTES: usize = 48;

/// Largest row we write: the headers of a full segment, or a proof of two of them.
const ROW_MAX: usize = 4 * 1024 * 1024;

/// One log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct LogRow {
    #[n(0)]
    pub(crate) log: Log,
    #[n(1)]
    pub(crate) head: Head,
    #[n(2)]
    pub(crate) first_time: Hlc,
    #[n(3)]
    pub(crate) last_time: Hlc,
}

/// One segment without its bodies.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct SegmentRow {
    #[n(0)]
    pub(crate) first: u64,
    #[n(1)]
    pub(crate) previous: Hash,
    #[n(2)]
    pub(crate) arrived: WallTime,
    #[n(3)]
    pub(crate) signature: Signature,
    #[cbor(n(4), with = "minicbor::bytes")]
    packed: Vec<u8>,
}

/// A log that is on its way out.
#[derive(Clone, Copy, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct DroppedRow {
    #[n(0)]
    pub(crate) space: Space,
    /// The space's keys up to this number are to be destroyed.
    #[n(1)]
    pub(crate) keys_up_to: u32,
}

/// A space whose horizon is ahead of its days' ends.
#[derive(Clone, Copy, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct ResealRow {
    /// Bodies under the space's keys up to this number are removed or sealed again.
    #[n(0)]
    pub(crate) keys_up_to: u32,
}

/// One proof of a fork.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct ForkRow {
    #[n(0)]
    pub(crate) log: Log,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) proof: Vec<u8>,
}

impl SegmentRow {
    /// The row of a segment.
    pub(crate) fn of(segment: &Segment, arrived: WallTime) -> Self {
        let mut packed = Vec::with_capacity(segment.entries.len() * HEADER_BYTES);
        for Entry { header, .. } in &segment.entries {
            packed.extend_from_slice(&header.time.0.to_be_bytes());
            packed.extend_from_slice(&header.last_day.0.to_be_bytes());
            packed.extend_from_slice(&header.body_len.to_be_bytes());
            packed.extend_from_slice(header.digest.as_bytes());
        }
        Self {
            first: segment.first,
            previous: segment.previous,
            arrived,
            signature: segment.signature,
            packed,
        }
    }

    /// How many entries it has.
    pub(crate) fn count(&self) -> usize {
        self.packed.len() / HEADER_BYTES
    }

    /// Number of its last entry.
    pub(crate) fn last(&self) -> u64 {
        self.first + self.count() as u64 - 1
    }

    /// The head before its first entry.
    pub(crate) fn before(&self) -> Head {
        Head {
            seq: self.first - 1,
            hash: self.previous,
        }
    }

    /// The headers in order.
    pub(crate) fn headers(&self) -> impl DoubleEndedIterator<Item = Header> + ExactSizeIterator {
        let (packed, _) = self.packed.as_chunks::<HEADER_BYTES>();
        packed.iter().map(unpack)
    }

    /// The header at `seq`, which must be inside.
    pub(crate) fn header(&self, seq: u64) -> Option<Header> {
        let at = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        let (packed, _) = self.packed.as_chunks::<HEADER_BYTES>();
        packed.get(at).map(unpack)
    }

    /// Reads a row.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let row: Self = decode("headers", bytes)?;
        let whole = row.packed.len().is_multiple_of(HEADER_BYTES);
        let fits = (1..=SEGMENT_ENTRIES_MAX).contains(&row.count());
        if whole && fits && row.first > 0 {
            Ok(row)
        } else {
            Err(malformed("headers"))
        }
    }
}

fn unpack(packed: &[u8; HEADER_BYTES]) -> Header {
    let (time, rest) = packed
        .split_first_chunk::<8>()
        .expect("48 bytes begin with 8");
    let (last_day, rest) = rest
        .split_first_chunk::<4>()
        .expect("40 bytes begin with 4");
    let (body_len, digest) = rest
        .split_first_chunk::<4>()
        .expect("36 bytes begin with 4");
    Header {
        time: Hlc(u64::from_be_bytes(*time)),
        last_day: Day(u32::from_be_bytes(*last_day)),
        body_len: u32::from_be_bytes(*body_len),
        digest: Hash::new(digest.try_into().expect("32 bytes are left")),
    }
}

/// Reads the CBOR value of a row of `table`.
pub(crate) fn decode<T>(table: &str, bytes: &[u8]) -> Result<T, StoreError>
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    codec::strict(bytes, ROW_MAX).map_err(|_| malformed(table))
}
