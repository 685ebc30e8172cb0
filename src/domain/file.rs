//! Files of ours: a line that says what it is, a version byte, then one strictly encoded object.
//!
//! The line and the version are read before anything is decoded, so that a file of another kind and
//! a file of a later program are each refused by name and not as "malformed".

use minicbor::{Decode, Encode};

use super::codec::{self, CodecError};

/// What a file is, which version this program writes, and how large it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The first line, without its end.
    pub label: &'static str,
    /// The one version that is written and read.
    pub version: u8,
    /// Most bytes of the object.
    pub limit: usize,
}

/// Why bytes are not such a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The first line is another's.
    #[error("this is not a \"{label}\" file; check which file was given")]
    OtherKind {
        /// What was expected.
        label: &'static str,
    },
    /// Made by another version of the program.
    #[error("this \"{label}\" file has version {version}, this program knows {known}; update it")]
    Version {
        /// What it is.
        label: &'static str,
        /// The file's version.
        version: u8,
        /// The version this program knows.
        known: u8,
    },
    /// The rest is not the one encoding of such an object.
    #[error("the \"{label}\" file is damaged ({source}); fetch it again from where it was made")]
    Damaged {
        /// What it is.
        label: &'static str,
        /// What is wrong with the bytes.
        source: CodecError,
    },
}

impl Kind {
    /// The bytes of a file that holds `value`.
    pub fn write<T: Encode<()>>(&self, value: &T) -> Vec<u8> {
        let mut bytes = self.preface();
        bytes.extend(codec::encode(value));
        bytes
    }

    /// Reads what [`write`](Self::write) wrote and refuses everything else.
    pub fn read<T>(&self, bytes: &[u8]) -> Result<T, FormatError>
    where
        T: for<'b> Decode<'b, ()> + Encode<()>,
    {
        let label = self.label;
        let rest = bytes
            .strip_prefix(label.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"\n"));
        let (version, body) = rest
            .and_then(|rest| rest.split_first())
            .ok_or(FormatError::OtherKind { label })?;
        if *version != self.version {
            return Err(FormatError::Version {
                label,
                version: *version,
                known: self.version,
            });
        }
        codec::strict(body, self.limit).map_err(|source| FormatError::Damaged { label, source })
    }

    /// Label and version: what an authenticated file binds its contents to.
    pub fn preface(&self) -> Vec<u8> {
        let mut bytes = self.label.as_bytes().to_vec();
        bytes.extend([b'\n', self.version]);
        bytes
    }

    /// Most bytes of a whole file.
    pub const fn file_limit(&self) -> usize {
        self.label.len() + 2 + self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind {
        label: "clinic-mesh sample",
        version: 1,
        limit: 16,
    };

    #[test]
    fn a_file_is_read_back_and_every_other_file_is_refused_by_name() {
        let bytes = KIND.write(&7_u32);
        assert_eq!(bytes, b"clinic-mesh sample\n\x01\x07");
        assert_eq!(KIND.read::<u32>(&bytes), Ok(7));
        let label = KIND.label;
        for other in [&b""[..], b"clinic-mesh samples\n\x01\x07", b"PK\x03\x04"] {
            assert_eq!(
                KIND.read::<u32>(other),
                Err(FormatError::OtherKind { label })
            );
        }
        let later = FormatError::Version {
            label,
            version: 2,
            known: 1,
        };
        assert_eq!(
            KIND.read::<u32>(b"clinic-mesh sample\n\x02\x07"),
            Err(later)
        );
        let damaged = KIND.read::<u32>(b"clinic-mesh sample\n\x01\x07\x07");
        assert!(matches!(
            damaged,
            Err(FormatError::Damaged {
                source: CodecError::Trailing,
                ..
            })
        ));
        let long = KIND.read::<u32>(b"clinic-mesh sample\n\x010123456789abcdefg");
        assert!(matches!(
            long,
            Err(FormatError::Damaged {
                source: CodecError::TooLong { .. },
                ..
            })
        ));
    }
}
