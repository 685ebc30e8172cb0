//! Why a handshake came to nothing.

use std::io;

use crate::domain::id::DeviceId;
use crate::domain::trust::Refusal;

/// How far a handshake got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The dialler's preface and ephemeral key.
    FirstMessage,
    /// The listener's answer with its credentials.
    SecondMessage,
    /// The dialler's credentials.
    ThirdMessage,
    /// Accepted, or a refusal.
    Verdict,
}

/// Why a handshake came to nothing.
///
/// The peer is told one byte of this at most, and only after it has shown credentials that can be
/// read; a stranger is told nothing. No variant shows keys, names or contents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// We turned the peer away.
    #[error("the peer was refused: {why}")]
    Refused {
        /// The rule it broke.
        why: Refusal,
        /// The device its certificate is of, if an admin of this clinic really signed that. For the
        /// audit trail; not part of the message.
        device: Option<DeviceId>,
    },
    /// The peer turned us away and said why.
    #[error("the peer refused this device: {0}")]
    RefusedByPeer(Refusal),
    /// The peer turned us away with a code of a later version.
    #[error("the peer refused this device with code {0}, which this version does not know: update")]
    RefusedWithCode(u8),
    /// The peer closed the connection. What that tells depends on how far we were.
    #[error("{}", left(*.0))]
    PeerLeft(Stage),
    /// The first message does not open: wrong mesh key or clinic, or not a member at all.
    #[error("a stranger: the first message is not made with this clinic's mesh key")]
    Stranger,
    /// No accepted mesh key has this epoch.
    #[error("the peer uses mesh key {0}, which is none of those accepted here")]
    UnknownMeshKey(u32),
    /// We hold no mesh key of the epoch to dial with.
    #[error("this device holds no such mesh key: enrol it again")]
    NoMeshKey,
    /// A later message does not open, or a key in it is of low order.
    #[error("a message was forged or damaged on its way")]
    Forged(Stage),
    /// A frame longer than its kind may be, or shorter than any.
    #[error("a frame of {actual} bytes where at most {limit} are allowed")]
    FrameLength {
        /// The length announced.
        actual: usize,
        /// The most allowed.
        limit: usize,
    },
    /// The connection begins with something else.
    #[error("the other side does not speak clinic-mesh's protocol")]
    NotOurProtocol,
    /// A version of the protocol that this program does not know.
    #[error(
        "the peer speaks version {0} of the protocol, this program version 1: update the older"
    )]
    Version(u8),
    /// A dialler for the mesh reached an enrolment listener or the other way round.
    #[error("a connection for the mesh reached an enrolment listener, or the other way round")]
    OtherMode,
    /// Nothing complete came within [`FIRST_FRAME_MAX`](super::FIRST_FRAME_MAX).
    #[error("the first message did not come in time")]
    FirstMessageLate,
    /// Not done within [`HANDSHAKE_MAX`](super::HANDSHAKE_MAX).
    #[error("the handshake took too long")]
    Late,
    /// No failure: a device asked to be renewed and has been answered, which ends the connection.
    #[error("a device asked to be renewed and was")]
    Renewed {
        /// Which. Not part of the message.
        device: DeviceId,
    },
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Connection(io::ErrorKind),
    /// The operating system gives no randomness.
    #[error("the operating system gives no random numbers")]
    Randomness,
}

const fn left(stage: Stage) -> &'static str {
    match stage {
        Stage::FirstMessage => "the dialler left before its first message",
        Stage::SecondMessage => {
            "the listener left without an answer: it is no clinic-mesh node, of another clinic, \
             or does not know this mesh key"
        }
        Stage::ThirdMessage => {
            "the dialler left after it saw this device's certificate: look for the reason in its log"
        }
        Stage::Verdict => "the peer left without a verdict",
    }
}

impl HandshakeError {
    /// What an error of the Noise machine means at a stage.
    pub(crate) fn of_noise(error: &snow::Error, stage: Stage) -> Self {
        match (error, stage) {
            (snow::Error::Rng, _) => Self::Randomness,
            (_, Stage::FirstMessage) => Self::Stranger,
            (_, stage) => Self::Forged(stage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_does_not_print_the_device_it_concerns() {
        let device = DeviceId::new([0xab; 32]);
        let error = HandshakeError::Refused {
            why: Refusal::Expired,
            device: Some(device),
        };
        assert!(!error.to_string().contains("ab"), "{error}");
    }
}
