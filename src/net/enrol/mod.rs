//! Enrolment over the network: where a machine with an invitation is heard, and how it asks.
//!
//! Plain TCP on a port of its own, open only while an invitation is: what is not enrolled never
//! reaches the mesh. The handshake is [`channel::enrolment`](crate::channel::enrolment): whoever has
//! no open invitation gets not one byte.
//!
//! # Bytes after the handshake, inside its encrypted stream
//!
//! | from | bytes | what |
//! |---|---|---|
//! | newcomer | 2 + n | length (big-endian, at most 2,048), then a [`SignedRequest`] that names this handshake |
//! | node | 1 | 0: the admin is still looking; every [`PULSE`] |
//! | node | 1 + 4 + n | 1, length (big-endian, at most 8 MiB), then an [`EnrolmentAnswer`] |
//! | node | 1 | 2 and above: turned away, see [`TurnedAway::code`] |
//! | newcomer | 1 | 1: the answer is good and durable |
//!
//! [`SignedRequest`]: crate::domain::enrol::SignedRequest
//! [`EnrolmentAnswer`]: crate::domain::enrol::EnrolmentAnswer
//!
//! # An invitation allows one handshake
//!
//! The six digits on both screens are worth a million to one against someone in the middle because
//! there is one try (`channel::enrolment` says why). So the first handshake that succeeds uses the
//! invitation up, whatever comes of it. Whoever comes with it later is told so, and the admin is
//! told that the code is known to somebody else; until the invitation's time is over the listener
//! stays to notice that.

mod host;
mod join;
mod life;
mod talk;

use std::time::Duration;

use crate::channel::StaticKey;
use crate::domain::id::NoiseKey;

pub use host::{DecideError, Host, OpenError, Ticket};
pub use join::{Dialled, JoinError, Waiting, dial};
pub use life::{Alarm, Candidate, Decision, Progress, Stage};
pub use talk::TurnedAway;

/// How long the admin has to compare the codes and decide.
///
/// Five minutes: long enough to walk to the other machine, short enough that nobody forgets which
/// code was on which screen.
pub const DECISION_MAX: Duration = Duration::from_secs(5 * 60);

/// How often the newcomer hears that it is not forgotten.
///
/// Ten seconds: a node that was switched off is noticed within half a minute.
pub const PULSE: Duration = Duration::from_secs(10);

/// How long a newcomer waits for a pulse.
const SILENCE_MAX: Duration = Duration::from_secs(35);

/// How long one part of a transfer, at most [`PART`] bytes, may take.
///
/// Ten seconds: 64 KiB over the worst line that an office would bear.
const PART_TIME: Duration = Duration::from_secs(10);

/// Bytes of one part of a transfer; memory grows no faster than bytes arrive.
const PART: usize = 64 * 1024;

/// How long a newcomer may take to check the answer and make it durable.
///
/// A minute: it writes a few megabytes and makes a key from a passphrase.
const TAKING_MAX: Duration = Duration::from_secs(60);

/// Largest request; the same as in a file.
const REQUEST_MAX: usize = 2048;

/// The public half of a Noise key, for the request that asks to certify it.
pub fn public_half(noise_key: &[u8; 32]) -> NoiseKey {
    StaticKey::from_secret(noise_key).public()
}

#[cfg(test)]
mod tests;
