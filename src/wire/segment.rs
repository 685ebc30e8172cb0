//! The compact form of a segment on the wire.
//!
//! `[log, first, previous, signature, [entry…]]`; an entry is `[time, last day, salt, body]`, or
//! `[time, last day, length, digest]` where the body is gone. What a receiver can compute (numbers,
//! hashes, digests) is not sent.

use std::sync::Arc;

use minicbor::data::Type;
use minicbor::decode::{Decoder, Error};
use minicbor::encode::{self, Encoder, Write};

use crate::domain::codec::OBJECT_MAX;
use crate::domain::log::{Entry, Header, Payload, SEGMENT_ENTRIES_MAX, Segment};

/// Writes a segment.
pub(super) fn encode<C, W: Write>(
    segment: &Arc<Segment>,
    e: &mut Encoder<W>,
    ctx: &mut C,
) -> Result<(), encode::Error<W::Error>> {
    e.array(5)?;
    e.encode_with(segment.log, ctx)?.u64(segment.first)?;
    e.encode_with(segment.previous, ctx)?
        .encode_with(segment.signature, ctx)?;
    e.array(segment.entries.len() as u64)?;
    for entry in &segment.entries {
        let header = &entry.header;
        e.array(4)?.u64(header.time.0)?.u32(header.last_day.0)?;
        match &entry.payload {
            Some(payload) => e.bytes(&payload.salt)?.bytes(&payload.body)?.ok()?,
            None => e
                .u32(header.body_len)?
                .encode_with(header.digest, ctx)?
                .ok()?,
        }
    }
    Ok(())
}

/// Reads a segment; counts and lengths are bounded before anything is allocated.
pub(super) fn decode<C>(d: &mut Decoder<'_>, ctx: &mut C) -> Result<Arc<Segment>, Error> {
    expect_array(d, 5)?;
    let log = d.decode_with(ctx)?;
    let first = d.u64()?;
    let previous = d.decode_with(ctx)?;
    let signature = d.decode_with(ctx)?;
    let count = match d.array()? {
        Some(count) if (1..=SEGMENT_ENTRIES_MAX as u64).contains(&count) => count,
        _ => return Err(Error::message("a segment of a wrong size")),
    };
    let mut entries = Vec::with_capacity(count as usize);
    for _ in 0..count {
        entries.push(entry(d, ctx)?);
    }
    Ok(Arc::new(Segment {
        log,
        first,
        previous,
        entries,
        signature,
    }))
}

fn entry<C>(d: &mut Decoder<'_>, ctx: &mut C) -> Result<Entry, Error> {
    expect_array(d, 4)?;
    let time = d.decode_with(ctx)?;
    let last_day = d.decode_with(ctx)?;
    if d.datatype()? != Type::Bytes {
        let header = Header {
            time,
            last_day,
            body_len: d.u32()?,
            digest: d.decode_with(ctx)?,
        };
        return Ok(Entry {
            header,
            payload: None,
        });
    }
    let salt = d
        .bytes()?
        .try_into()
        .map_err(|_| Error::message("a salt of a wrong length"))?;
    let body = d.bytes()?;
    if body.len() > OBJECT_MAX {
        return Err(Error::message("a body that is too long"));
    }
    Ok(Entry::new(
        time,
        last_day,
        Payload {
            salt,
            body: body.to_vec(),
        },
    ))
}

fn expect_array(d: &mut Decoder<'_>, len: u64) -> Result<(), Error> {
    if d.array()? == Some(len) {
        Ok(())
    } else {
        Err(Error::message("an array of a wrong length"))
    }
}
