//! The Noise handshake and the encrypted stream: nobody without a valid certificate of this clinic
//! gets one byte past it.
//!
//! [`handshake()`] turns any byte stream into a [`SecureStream`] and a [`Peer`] whose certificate was
//! judged by [`TrustView`](crate::domain::trust::TrustView). Nothing here listens, dials or decides:
//! the rules are the domain's, the sockets the network's.
//!
//! # Bytes of a handshake
//!
//! `Noise_XXpsk0_25519_ChaChaPoly_SHA256`; the psk is the mesh key of the epoch in the preface, the
//! prologue `"clinic-mesh/noise/1\0"`, the clinic's id and the preface. Each message is preceded by its
//! length (u16, big-endian, at most 8 KiB).
//!
//! | from | bytes | what |
//! |---|---|---|
//! | dialler | 10 | clear preface: `CMN1`, version 1, mode, mesh-key epoch (`preface.rs`) |
//! | dialler | 2 + 48 | message 1: `psk, e`, empty payload |
//! | listener | 2 + 96 + n | message 2: `e, ee, s, es`; payload: credentials and digest |
//! | dialler | 2 + 64 + n | message 3: `s, se`; payload: credentials and digest |
//! | dialler | 2 + 17 | verdict: 0, or a refusal's code |
//! | listener | 2 + 17 | verdict: 0, or a refusal's code |
//! | both | | frames of the stream (`stream.rs`), numbered on from the verdicts |
//!
//! The payload is a CBOR array `[[certificate, grant], digest]` in the one deterministic encoding; a
//! refusal's code is [`Refusal::code`](crate::domain::trust::Refusal::code).
//!
//! # Who learns what, and when
//!
//! - A stranger, without the mesh key, gets nothing back: not one byte, whatever it sends.
//! - A member that dials sees the listener's credentials in message 2 and judges them before it shows
//!   its own. If it refuses, it leaves without a word. XX could carry a reason only in message 3,
//!   which also carries the dialler's static key, and that key tells a member who is calling. The
//!   listener notes that it was left ([`HandshakeError::PeerLeft`]); it learns why when it dials the
//!   other way, where the refused side is the one that is told.
//! - A dialler that is refused learns one byte why, sealed so that nobody else reads or forges it, and
//!   then the connection is closed.
//! - The dialler's verdict travels with message 3, so the exchange takes two round trips; neither side
//!   hands out a stream before it has the other's.
//!
//! Both sides judge again by the newest trust at the very end, so a revocation that arrives during a
//! handshake counts. Whoever keeps the connection has to look once more when it enters it among its
//! live ones: see [`TrustView::still_admits`](crate::domain::trust::TrustView::still_admits).
//!
//! [`enrolment`] is the same for a machine that has an invitation instead of a certificate, [`renewal`]
//! for a device whose certificate has ended.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "in a test, to panic is to fail")
)]

mod admission;
pub mod enrolment;
mod error;
mod exchange;
#[cfg(test)]
mod fixture;
mod frame;
mod handshake;
#[cfg(test)]
mod measure;
mod noise;
mod preface;
pub mod renewal;
mod stream;
mod verified;

pub use admission::{Admission, AdmissionError, PENDING_MAX, PENDING_PER_ADDRESS_MAX, Place};
pub use error::{HandshakeError, Stage};
pub use frame::FRAME_MAX;
pub use handshake::{
    Attempt, FIRST_FRAME_MAX, HANDSHAKE_MAX, Local, MeshKeyUse, Peer, Role, handshake,
};
pub use noise::StaticKey;
pub use stream::{AGE_MAX, FRAMES_MAX, PLAIN_MAX, SecureStream, StreamError};
pub use verified::Verified;
