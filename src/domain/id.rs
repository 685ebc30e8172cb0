//! Ids: each its own type, so that no two can be swapped by mistake.

use std::fmt;

use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

/// Defines a fixed-size identifier: bytes in memory, a byte string in CBOR, hex on screen.
macro_rules! byte_id {
    ($(#[$meta:meta])* $name:ident, $len:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name([u8; $len]);

        impl Ord for $name {
            /// As the bytes are. The first eight nearly always decide, and cost less than all of them.
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                let head = |[a, b, c, d, e, f, g, h, ..]: [u8; $len]| {
                    u64::from_be_bytes([a, b, c, d, e, f, g, h])
                };
                let first = head(self.0).cmp(&head(other.0));
                first.then_with(|| self.0.cmp(&other.0))
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl $name {
            /// Takes the bytes as they are.
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// The first eight hex digits: enough to tell things apart on a screen, never to trust.
            pub fn short(&self) -> String {
                $crate::domain::id::hex(&self.0[..4])
            }

            /// Reads the hex form that [`fmt::Display`] writes.
            pub fn from_hex(text: &str) -> Option<Self> {
                let bytes = $crate::domain::id::unhex(text)?;
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&$crate::domain::id::hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(
                d: &mut minicbor::Decoder<'b>,
                _: &mut C,
            ) -> Result<Self, minicbor::decode::Error> {
                let bytes = d.bytes()?;
                bytes.try_into().map(Self).map_err(|_| {
                    minicbor::decode::Error::message(concat!(stringify!($name), " of a wrong length"))
                })
            }
        }
    };
}
pub(crate) use byte_id;

byte_id!(
    /// The trust domain: hash of the root public key, so pinning it pins the clinic.
    ClinicId,
    32
);
byte_id!(
    /// One enrolled device, for as long as its key lives.
    ///
    /// The id *is* the Ed25519 public key, so whoever holds the id can check a signature. A laptop
    /// that is wiped and enrolled again has another key and is another device.
    DeviceId,
    32
);
byte_id!(
    /// One admin key (or the root key): its Ed25519 public half.
    AdminId,
    32
);
byte_id!(
    /// Whoever writes a log: the public key of a device, an admin or the root.
    AuthorId,
    32
);
byte_id!(
    /// The X25519 public key that a device's certificate binds to its identity.
    NoiseKey,
    32
);
byte_id!(
    /// One staff member.
    StaffId,
    16
);
byte_id!(
    /// One named room.
    RoomId,
    16
);
byte_id!(
    /// One invitation to enrol.
    InvitationId,
    16
);
byte_id!(
    /// The number of one certificate; random, never used twice.
    Serial,
    16
);
byte_id!(
    /// What is replicated as one; the hash of the clinic and the [`Space`](super::space::Space).
    SpaceId,
    32
);
byte_id!(
    /// A SHA-256 hash.
    Hash,
    32
);

impl ClinicId {
    /// The clinic that this root public key founds.
    pub fn of_root(root: &AdminId) -> Self {
        let digest = Sha256::new()
            .chain_update(b"clinic-mesh/clinic/v1\0")
            .chain_update(root.as_bytes());
        Self(digest.finalize().into())
    }
}

impl From<DeviceId> for AuthorId {
    fn from(device: DeviceId) -> Self {
        Self(device.0)
    }
}

impl From<AdminId> for AuthorId {
    fn from(admin: AdminId) -> Self {
        Self(admin.0)
    }
}

impl AuthorId {
    /// The same key, read as a device's.
    pub const fn as_device(self) -> DeviceId {
        DeviceId(self.0)
    }

    /// The same key, read as an admin's.
    pub const fn as_admin(self) -> AdminId {
        AdminId(self.0)
    }
}

impl Hash {
    /// The value before the first header of a log.
    pub const ZERO: Self = Self([0; 32]);

    /// SHA-256 over a domain label and the parts, each preceded by its length.
    pub fn of(label: &str, parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new()
            .chain_update(b"clinic-mesh/")
            .chain_update(label)
            .chain_update(b"\0");
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

/// Lower-case hex of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Reads what [`hex`] writes; `None` for anything else.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks(2)
        .map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?))
        .collect()
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_back_and_anything_else_is_refused() {
        let id = StaffId::new([0xa5; 16]);
        assert_eq!(StaffId::from_hex(&id.to_string()), Some(id));
        for bad in ["", "a", "zz", "a5a5", "A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5"] {
            assert_eq!(StaffId::from_hex(bad), None, "{bad}");
        }
    }

    #[test]
    fn ids_stand_in_the_order_of_their_bytes_wherever_they_differ() {
        for at in 0..16 {
            let (mut less, mut more) = ([0x7f; 16], [0x7f; 16]);
            (less[at], more[at]) = (0x01, 0xff);
            // What follows the first difference does not count.
            less[at + 1..].fill(0xff);
            more[at + 1..].fill(0x00);
            assert!(StaffId::new(less) < StaffId::new(more), "byte {at}");
            assert!(StaffId::new(more) > StaffId::new(less), "byte {at}");
        }
        let id = StaffId::new([0x7f; 16]);
        assert_eq!(id.cmp(&id), std::cmp::Ordering::Equal);
    }

    #[test]
    fn parts_of_a_hash_cannot_be_shifted_into_each_other() {
        assert_ne!(Hash::of("t", &[b"ab", b"c"]), Hash::of("t", &[b"a", b"bc"]));
        assert_ne!(Hash::of("t", &[b"ab"]), Hash::of("u", &[b"ab"]));
    }
}
