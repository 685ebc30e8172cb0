//! Frames between nodes: versioned, bounded encode and decode.
//!
//! A frame is one CBOR item. Lengths are checked before anything is allocated for them; what is
//! signed inside a frame is verified by the rules of the domain, not here.

mod segment;

use std::sync::Arc;

use minicbor::{Decode, Decoder, Encode};

use crate::domain::attest::Attestation;
use crate::domain::codec::CodecError;
use crate::domain::condition::Condition;
use crate::domain::id::{AuthorId, Hash, StaffId};
use crate::domain::log::{Epoch, Head, Log, Segment};
use crate::domain::retraction::Retraction;
use crate::domain::sign::Signature;
use crate::domain::space::Space;
use crate::domain::time::WallTime;

/// Version of the frames; both sides say theirs in [`Frame::Hello`] and the lower one is spoken.
///
/// 1: everything up to [`Frame::Typing`]. 2: [`Frame::Condition`] too. A peer is never sent a frame of a version
/// that it does not speak: it would have to end the connection as at any other malformed frame.
pub const VERSION: u16 = 2;

/// From which version on a peer understands [`Frame::Condition`].
pub const CONDITION_SINCE: u16 = 2;

/// Largest frame in bytes: a full segment of the largest bodies, with room for its headers.
pub const FRAME_MAX: usize = 512 * 1024;

/// Most items of any list in a frame; longer lists are sent as several frames.
pub const LIST_MAX: usize = 1024;

/// Most retractions in one frame; each may name a message and all of its amendments.
pub const RETRACTIONS_MAX: usize = 64;

/// One unit on a stream between two nodes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Frame {
    /// The first frame from each side.
    #[n(0)]
    Hello {
        /// Version of the frames that the sender speaks.
        #[n(0)]
        version: u16,
        /// The sender's clock.
        #[n(1)]
        now: WallTime,
    },
    /// "I am here"; sent when nothing else was.
    #[n(1)]
    Beat {
        /// The sender's clock.
        #[n(0)]
        now: WallTime,
    },
    /// Digests of the spaces that both sides may hold; what differs is then looked at closely.
    #[n(2)]
    Spaces {
        /// One line a space.
        #[n(0)]
        digests: Vec<SpaceDigest>,
        /// Whether more lines follow in another frame.
        #[n(1)]
        more: bool,
    },
    /// "I hold these logs up to here."
    #[n(3)]
    Heads {
        /// The space they are in.
        #[n(0)]
        space: Space,
        /// Some or all of its logs.
        #[n(1)]
        heads: Vec<LogHead>,
    },
    /// "Send me this log from here on", up to `credit` segments until told [`Frame::More`].
    #[n(4)]
    Want {
        /// Which log.
        #[n(0)]
        log: Log,
        /// First number wanted.
        #[n(1)]
        from: u64,
        /// How many segments may be sent before more are allowed.
        #[n(2)]
        credit: u8,
    },
    /// Allows more segments of a log that is being sent.
    #[n(5)]
    More {
        /// Which log.
        #[n(0)]
        log: Log,
        /// How many more segments.
        #[n(1)]
        credit: u8,
    },
    /// Entries of one log.
    #[n(6)]
    Entries(
        #[n(0)]
        #[cbor(with = "segment")]
        Arc<Segment>,
    ),
    /// Attestations, the sender's own or passed on.
    #[n(7)]
    Attest {
        /// In any order.
        #[n(0)]
        attestations: Vec<Attestation>,
    },
    /// Asks for the mesh key of an epoch that the record commits to.
    #[n(8)]
    WantMeshKey {
        /// Which.
        #[n(0)]
        epoch: u32,
    },
    /// A mesh key; believed only if it matches the record's commitment.
    #[n(9)]
    MeshKey {
        /// Which.
        #[n(0)]
        epoch: u32,
        /// The key.
        #[n(1)]
        #[cbor(with = "minicbor::bytes")]
        key: [u8; 32],
    },
    /// The last frame: why the connection ends, as one byte.
    #[n(10)]
    Bye {
        /// See [`Refusal::code`](crate::domain::trust::Refusal::code).
        #[n(0)]
        code: u8,
    },
    /// Why bodies are missing from the entries that follow: their writers took them back.
    #[n(11)]
    Retractions {
        /// In any order.
        #[n(0)]
        retractions: Vec<Retraction>,
    },
    /// "One of my people is here." Neither kept nor answered.
    #[n(12)]
    Here {
        /// Who.
        #[n(0)]
        staff: StaffId,
    },
    /// "One of my people is writing." Neither kept nor answered.
    #[n(13)]
    Typing {
        /// In which conversation.
        #[n(0)]
        space: Space,
        /// Who.
        #[n(1)]
        staff: StaffId,
    },
    /// "This is how I am." Neither passed on nor answered.
    #[n(14)]
    Condition(#[n(0)] Condition),
}

/// One line of [`Frame::Spaces`]; short tags, because a miss only costs a closer look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SpaceDigest {
    /// First eight bytes of the space's id.
    #[n(0)]
    pub tag: u64,
    /// First eight bytes of the digest over its heads and attestations.
    #[n(1)]
    pub digest: u64,
}

/// One line of [`Frame::Heads`], provable by the author's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LogHead {
    /// Whose log.
    #[n(0)]
    pub author: AuthorId,
    /// Which epoch.
    #[n(1)]
    pub epoch: Epoch,
    /// Up to where.
    #[n(2)]
    pub head: Head,
    /// The author's signature over that head.
    #[n(3)]
    pub signature: Signature,
}

/// First eight bytes of a hash, for [`SpaceDigest`].
pub fn short(hash: &Hash) -> u64 {
    let bytes = hash.as_bytes();
    u64::from_be_bytes([
        bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7],
    ])
}

impl Frame {
    /// What the frame is and what kind of space it is about, for whoever counts; never which one.
    pub fn kind(&self) -> (&'static str, &'static str) {
        match self {
            Self::Hello { .. } => ("hello", ""),
            Self::Beat { .. } => ("beat", ""),
            Self::Spaces { .. } => ("spaces", ""),
            Self::Heads { space, .. } => ("heads", space.kind()),
            Self::Want { log, .. } => ("want", log.space.kind()),
            Self::More { log, .. } => ("more", log.space.kind()),
            Self::Entries(segment) => ("entries", segment.log.space.kind()),
            Self::Attest { .. } => ("attest", ""),
            Self::WantMeshKey { .. } => ("want mesh key", ""),
            Self::MeshKey { .. } => ("mesh key", ""),
            Self::Bye { .. } => ("bye", ""),
            Self::Retractions { .. } => ("retractions", ""),
            Self::Here { .. } => ("here", ""),
            Self::Typing { space, .. } => ("typing", space.kind()),
            Self::Condition(_) => ("condition", ""),
        }
    }

    /// The bytes of the frame, without the length that the stream puts before it.
    pub fn encode(&self) -> Vec<u8> {
        crate::domain::codec::encode(self)
    }

    /// Reads one frame that fills `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        if bytes.len() > FRAME_MAX {
            return Err(CodecError::TooLong {
                actual: bytes.len(),
                limit: FRAME_MAX,
            });
        }
        let mut decoder = Decoder::new(bytes);
        let frame: Self = decoder.decode().map_err(|_| CodecError::Malformed)?;
        if decoder.position() != bytes.len() {
            return Err(CodecError::Trailing);
        }
        if frame.is_within_bounds() {
            Ok(frame)
        } else {
            Err(CodecError::Malformed)
        }
    }

    fn is_within_bounds(&self) -> bool {
        match self {
            Self::Spaces { digests, .. } => digests.len() <= LIST_MAX,
            Self::Heads { heads, .. } => heads.len() <= LIST_MAX,
            Self::Attest { attestations } => attestations.len() <= LIST_MAX,
            Self::Retractions { retractions } => retractions.len() <= RETRACTIONS_MAX,
            Self::Hello { .. }
            | Self::Beat { .. }
            | Self::Want { .. }
            | Self::More { .. }
            | Self::Entries(_)
            | Self::WantMeshKey { .. }
            | Self::MeshKey { .. }
            | Self::Here { .. }
            | Self::Typing { .. }
            | Self::Condition(_)
            | Self::Bye { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests;
