//! The clear preface: the first ten bytes of a connection, sent by whoever dialled.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | magic, `CMN1` |
//! | 1 | version, 1 |
//! | 1 | mode: 0 mesh, 1 enrolment, 2 renewal |
//! | 4 | mesh-key epoch, big-endian; 0 in enrolment |
//!
//! It tells a listener which key to try and tells an eavesdropper that clinic-mesh is spoken here and
//! how often the mesh key was changed; nothing about which clinic. The prologue of the handshake is a
//! label, the clinic's id and the preface, so both ends must mean the same three or the first message
//! does not open.

use crate::domain::id::ClinicId;

use super::error::HandshakeError;

/// Length of the preface.
pub(crate) const LEN: usize = 10;

const MAGIC: &[u8; 4] = b"CMN1";
const VERSION: u8 = 1;
const LABEL: &[u8] = b"clinic-mesh/noise/1\0";

/// What the dialling side says in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preface {
    /// Two enrolled devices; the key of this epoch is the psk.
    Mesh { epoch: u32 },
    /// A machine that holds an invitation.
    Enrolment,
    /// A device that asks to be renewed; the key of this epoch is the psk.
    Renewal { epoch: u32 },
}

impl Preface {
    pub(crate) fn encode(self) -> [u8; LEN] {
        let (mode, epoch) = match self {
            Self::Mesh { epoch } => (0, epoch),
            Self::Enrolment => (1, 0),
            Self::Renewal { epoch } => (2, epoch),
        };
        let mut bytes = [0; LEN];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4] = VERSION;
        bytes[5] = mode;
        bytes[6..].copy_from_slice(&epoch.to_be_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; LEN]) -> Result<Self, HandshakeError> {
        let [m0, m1, m2, m3, version, mode, e0, e1, e2, e3] = *bytes;
        if [m0, m1, m2, m3] != *MAGIC {
            return Err(HandshakeError::NotOurProtocol);
        }
        if version != VERSION {
            return Err(HandshakeError::Version(version));
        }
        match (mode, u32::from_be_bytes([e0, e1, e2, e3])) {
            (0, epoch) => Ok(Self::Mesh { epoch }),
            (1, 0) => Ok(Self::Enrolment),
            (2, epoch) => Ok(Self::Renewal { epoch }),
            _ => Err(HandshakeError::NotOurProtocol),
        }
    }

    /// What both ends must mean alike: this protocol, this clinic, this preface.
    pub(crate) fn prologue(self, clinic: &ClinicId) -> Vec<u8> {
        [LABEL, clinic.as_bytes(), &self.encode()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::hex;

    #[test]
    fn the_preface_has_frozen_bytes() {
        assert_eq!(
            hex(&Preface::Mesh { epoch: 258 }.encode()),
            "434d4e31010000000102"
        );
        assert_eq!(hex(&Preface::Enrolment.encode()), "434d4e31010100000000");
        assert_eq!(
            hex(&Preface::Renewal { epoch: 258 }.encode()),
            "434d4e31010200000102"
        );
    }

    #[test]
    fn a_preface_is_read_back_and_any_other_is_refused() {
        for preface in [
            Preface::Mesh { epoch: 0 },
            Preface::Mesh { epoch: u32::MAX },
            Preface::Enrolment,
            Preface::Renewal { epoch: 7 },
        ] {
            assert_eq!(Preface::decode(&preface.encode()).unwrap(), preface);
        }
        let with = |at: usize, byte: u8| {
            let mut bytes = Preface::Enrolment.encode();
            bytes[at] = byte;
            Preface::decode(&bytes).unwrap_err()
        };
        assert_eq!(with(0, b'c'), HandshakeError::NotOurProtocol);
        assert_eq!(with(4, 2), HandshakeError::Version(2));
        assert_eq!(with(5, 3), HandshakeError::NotOurProtocol);
        assert_eq!(with(9, 1), HandshakeError::NotOurProtocol);
    }

    #[test]
    fn the_prologue_differs_by_clinic_mode_and_epoch() {
        let (one, other) = (ClinicId::new([1; 32]), ClinicId::new([2; 32]));
        let preface = Preface::Mesh { epoch: 1 };
        assert_ne!(preface.prologue(&one), preface.prologue(&other));
        assert_ne!(
            preface.prologue(&one),
            Preface::Mesh { epoch: 2 }.prologue(&one)
        );
        assert_ne!(preface.prologue(&one), Preface::Enrolment.prologue(&one));
    }
}
