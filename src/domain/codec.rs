//! The one encoding: deterministic CBOR (RFC 8949 §4.2.1) with numbered fields.
//!
//! Signed objects are maps, frames are arrays; both go through [`strict`], so every object has
//! exactly one encoding and nobody can make a second one that means the same.

use minicbor::{Decode, Encode};

/// Largest signed object or entry body in bytes.
///
/// 64 KiB: a long message fits, and the largest list that policy allows; a peer cannot make us
/// allocate more than this for one object.
pub const OBJECT_MAX: usize = 64 * 1024;

/// Why bytes are not an object of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// More bytes than this kind of object may have.
    #[error("{actual} bytes where at most {limit} are allowed")]
    TooLong {
        /// Bytes given.
        actual: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not CBOR of this shape, or a value out of its bounds.
    #[error("malformed encoding")]
    Malformed,
    /// Bytes follow the object.
    #[error("bytes after the end of the object")]
    Trailing,
    /// The same value has a shorter or differently ordered encoding, or carries unknown fields.
    #[error("not the one deterministic encoding of this object")]
    NotDeterministic,
}

/// Encodes a value in the one deterministic way.
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value).expect("encoding into memory cannot fail")
}

/// Decodes `bytes` as one `T` and nothing else.
///
/// The cap is checked before anything is allocated; the value is encoded again and compared, which
/// refuses unknown fields, unsorted or repeated map keys, over-long integers and indefinite lengths.
pub fn strict<T>(bytes: &[u8], limit: usize) -> Result<T, CodecError>
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    if bytes.len() > limit {
        return Err(CodecError::TooLong {
            actual: bytes.len(),
            limit,
        });
    }
    let mut decoder = minicbor::Decoder::new(bytes);
    let value: T = decoder.decode().map_err(|_| CodecError::Malformed)?;
    if decoder.position() != bytes.len() {
        return Err(CodecError::Trailing);
    }
    // With room for what is expected: one that grows is moved with every doubling.
    let mut again = Vec::with_capacity(bytes.len());
    minicbor::encode(&value, &mut again).expect("encoding into memory cannot fail");
    if again != bytes {
        return Err(CodecError::NotDeterministic);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Encode, Decode)]
    #[cbor(map)]
    struct Sample {
        #[n(0)]
        a: u32,
        #[n(1)]
        b: String,
    }

    fn sample() -> Vec<u8> {
        encode(&Sample {
            a: 7,
            b: "x".into(),
        })
    }

    #[test]
    fn the_one_encoding_is_read_back() {
        assert_eq!(
            strict(&sample(), 64),
            Ok(Sample {
                a: 7,
                b: "x".into()
            })
        );
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = sample();
        bytes.push(0);
        assert_eq!(strict::<Sample>(&bytes, 64), Err(CodecError::Trailing));
    }

    #[test]
    fn an_over_long_integer_is_refused() {
        let bytes = [0xa2, 0x00, 0x18, 0x07, 0x01, 0x61, b'x'];
        assert_eq!(
            strict::<Sample>(&bytes, 64),
            Err(CodecError::NotDeterministic)
        );
    }

    #[test]
    fn unsorted_repeated_and_unknown_keys_are_refused() {
        let unsorted = [0xa2, 0x01, 0x61, b'x', 0x00, 0x07];
        let repeated = [0xa3, 0x00, 0x07, 0x00, 0x07, 0x01, 0x61, b'x'];
        let unknown = [0xa3, 0x00, 0x07, 0x01, 0x61, b'x', 0x02, 0x00];
        for bytes in [&unsorted[..], &repeated, &unknown] {
            assert_eq!(
                strict::<Sample>(bytes, 64),
                Err(CodecError::NotDeterministic)
            );
        }
    }

    #[test]
    fn an_object_over_its_cap_is_refused_before_it_is_read() {
        assert_eq!(
            strict::<Sample>(&[0xff; 65], 64),
            Err(CodecError::TooLong {
                actual: 65,
                limit: 64
            })
        );
    }
}
