//! Enrolment: what a joining machine asks, how the authority judges it, and how the machine checks
//! the answer.
//!
//! All of it is the same whether the two talk through the enrolment channel or pass files on a
//! stick.
//!
//! A request is signed by the machine's own fresh key. A signature always covers a clinic id, which
//! a machine that joins by a file does not know yet: it then signs under the id of 32 zero bytes,
//! which no root key has. [`SignedRequest::clinic`] says outside the signed bytes which of the two
//! it is, so that the bytes are verified before anything in them is read.

use std::time::Duration;

use minicbor::{Decode, Encode};

use super::cert::{DeviceKind, SKEW, is_sound_noise_key};
use super::file::{FormatError, Kind};
use super::id::{ClinicId, DeviceId, Hash, InvitationId, NoiseKey};
use super::name::Name;
use super::record::{Clinic, InvitationState};
use super::sign::{self, Label, Signed, SignedBody, SignedError, SigningKey};
use super::time::WallTime;
use super::web::WebKey;

mod answer;
mod check;

pub use answer::{Bootstrap, EnrolmentAnswer, SealedAnswer, SharedMeshKey};
pub use check::{AnswerError, Promise};

/// How long a request on a stick is good for.
///
/// Seven days: time for a stick to go by post, short enough that a forgotten one is of no use.
pub const REQUEST_AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Longest `host:port`; the same as in the clinic record.
pub const ADDRESS_MAX: usize = 128;

/// Most nodes that an answer names to dial first: more offices than one needs to find the others.
pub const BOOTSTRAP_MAX: usize = 16;

/// Largest answer in bytes.
///
/// 8 MiB hold some 20,000 statements, decades of a clinic's life.
pub const ANSWER_MAX: usize = 8 * 1024 * 1024;

/// The version of requests and answers.
pub const VERSION: u8 = 1;

/// The clinic under which a machine signs that does not know its clinic yet.
const UNKNOWN_CLINIC: ClinicId = ClinicId::new([0; 32]);

/// The file that a machine writes to be enrolled; it holds nothing secret.
pub const REQUEST_FILE: Kind = Kind {
    label: "clinic-mesh request",
    version: VERSION,
    limit: 2048,
};

/// The file that the admin writes in return, sealed to that machine.
pub const ANSWER_FILE: Kind = Kind {
    label: "clinic-mesh answer",
    version: VERSION,
    limit: ANSWER_MAX + 1024,
};

/// A machine's wish to be enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EnrolmentRequest {
    /// Format version, 1.
    #[n(0)]
    pub version: u8,
    /// The machine's identity key; also the signer.
    #[n(1)]
    pub device: DeviceId,
    /// The key that its certificate is to bind.
    #[n(2)]
    pub noise_key: NoiseKey,
    /// What the machine would like to be called; the authority decides.
    #[n(3)]
    pub name: Name,
    /// Where it may be reached besides discovery, as `host:port`.
    #[n(4)]
    pub address: Option<String>,
    /// The invitation it comes by, if any.
    #[n(5)]
    pub invitation: Option<InvitationId>,
    /// Hash of the handshake that the request is sent through; none in a file.
    #[n(6)]
    pub binding: Option<Hash>,
    /// When it was made, by the machine's clock.
    #[n(7)]
    pub made_at: WallTime,
    /// The key that browsers are to be shown, of a machine that serves browsers.
    #[n(8)]
    #[cbor(with = "minicbor::bytes")]
    pub web_key: Option<WebKey>,
}

impl SignedBody for EnrolmentRequest {
    const LABEL: Label = Label::Enrolment;
    const MAX: usize = 1024;
}

/// A request as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SignedRequest {
    /// The clinic it was signed for; none if the machine does not know it yet.
    #[n(0)]
    pub clinic: Option<ClinicId>,
    /// The signed [`EnrolmentRequest`].
    #[n(1)]
    pub signed: Signed,
}

/// Why a device was not enrolled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnrolError {
    /// Not a request file, or one of another version, or damaged.
    #[error(transparent)]
    File(#[from] FormatError),
    /// The bytes are not what the machine signed.
    #[error(
        "the request was changed after the machine signed it ({0}); make it again on the machine"
    )]
    Tampered(#[from] SignedError),
    /// Signed by a key other than the one to be certified.
    #[error("the request is not signed by the device it names; make it again on the machine")]
    OtherSigner,
    /// Made for another clinic.
    #[error("the request was made for another clinic ({clinic}); make it again for this one")]
    OtherClinic {
        /// The clinic it was made for, shortened.
        clinic: String,
    },
    /// A version that this program does not know.
    #[error("request version {0} is not known here; update the older of the two programs")]
    Version(u8),
    /// A key that anyone could use, or an address too long.
    #[error("the request holds an unsound key or address; make it again on the machine")]
    Unsound,
    /// Lay around for too long.
    #[error(
        "the request was made at {made_at}, more than 7 days ago; make it again on the machine"
    )]
    TooOld {
        /// When it was made.
        made_at: WallTime,
    },
    /// From the future: a clock is wrong.
    #[error(
        "the request was made at {made_at}, in the future; compare the clocks of both machines"
    )]
    FromTheFuture {
        /// When it was made.
        made_at: WallTime,
    },
    /// Made for a channel and given as a file, or through another channel than it was made for.
    #[error("the request belongs to another connection; start the enrolment again on the machine")]
    OtherChannel,
    /// The key in the request is not the one proven in the handshake.
    #[error("the machine asks for a key that it did not prove; start the enrolment again there")]
    OtherKey,
    /// Nobody issued such an invitation, as far as is known here.
    #[error("invitation {invitation} is not in the clinic record; make one with `device invite`")]
    UnknownInvitation {
        /// Which.
        invitation: InvitationId,
    },
    /// The invitation was fine once; the admin has to make another.
    #[error("invitation {invitation} expired at {expired_at}; make another with `device invite`")]
    Expired {
        /// Which.
        invitation: InvitationId,
        /// Its end.
        expired_at: WallTime,
    },
    /// Someone else used it first, which the admin should hear about.
    #[error(
        "invitation {invitation} was already used by device {by}; if that was not yours, revoke it"
    )]
    AlreadyUsed {
        /// Which.
        invitation: InvitationId,
        /// By whom.
        by: DeviceId,
    },
    /// Only its issuer can say what came first in its use.
    #[error(
        "invitation {invitation} was issued by another admin; have that admin approve, or make your own"
    )]
    OtherIssuer {
        /// Which.
        invitation: InvitationId,
    },
    /// An admin took it back.
    #[error("invitation {invitation} was withdrawn; make another with `device invite`")]
    Withdrawn {
        /// Which.
        invitation: InvitationId,
    },
    /// A removed device never comes back with its old keys.
    #[error(
        "device {device} or its Noise key was revoked; set the machine up anew so that it has fresh keys"
    )]
    Revoked {
        /// Which.
        device: DeviceId,
    },
    /// Its Noise key is another device's.
    #[error("device {device} asks for the Noise key of another device; set the machine up anew")]
    KeyTaken {
        /// Which asks.
        device: DeviceId,
    },
    /// It has a valid certificate: the request was used before.
    #[error(
        "device {device} is already enrolled until {until}; give the office and name that it has, and its answer \
         is written once more, or revoke the device and begin anew on the machine in another directory"
    )]
    AlreadyEnrolled {
        /// Which.
        device: DeviceId,
        /// The end of its certificate.
        until: WallTime,
    },
}

impl EnrolError {
    /// Whether an admin should hear of it at once: somebody may have had the code or the keys.
    pub const fn is_alarm(&self) -> bool {
        matches!(
            self,
            Self::AlreadyUsed { .. }
                | Self::OtherKey
                | Self::OtherChannel
                | Self::Revoked { .. }
                | Self::KeyTaken { .. }
        )
    }
}

impl EnrolmentRequest {
    /// Signs the request with the machine's identity key.
    pub fn sign(&self, clinic: Option<ClinicId>, key: &SigningKey) -> SignedRequest {
        let signed = Signed::new(self, &clinic.unwrap_or(UNKNOWN_CLINIC), key);
        SignedRequest { clinic, signed }
    }
}

impl SignedRequest {
    /// Opens a request that is given to `clinic`: signature first, then what it says.
    pub fn open(&self, clinic: &ClinicId) -> Result<EnrolmentRequest, EnrolError> {
        if let Some(other) = self.clinic.filter(|named| named != clinic) {
            return Err(EnrolError::OtherClinic {
                clinic: other.short(),
            });
        }
        let signed_for = self.clinic.unwrap_or(UNKNOWN_CLINIC);
        let request: EnrolmentRequest = self.signed.open(&signed_for)?;
        if request.version != VERSION {
            return Err(EnrolError::Version(request.version));
        }
        if self.signed.signer != request.device.into() {
            return Err(EnrolError::OtherSigner);
        }
        if !request.is_sound() {
            return Err(EnrolError::Unsound);
        }
        Ok(request)
    }

    /// The bytes of a request file.
    pub fn to_file(&self) -> Vec<u8> {
        REQUEST_FILE.write(self)
    }

    /// Reads a request file; [`open`](Self::open) it next.
    pub fn from_file(bytes: &[u8]) -> Result<Self, EnrolError> {
        Ok(REQUEST_FILE.read(bytes)?)
    }
}

impl EnrolmentRequest {
    fn is_sound(&self) -> bool {
        let address = self.address.as_ref();
        sign::is_sound_key(self.device.as_bytes())
            && is_sound_noise_key(&self.noise_key)
            && address.is_none_or(|address| address.len() <= ADDRESS_MAX)
            && self.web_key.is_none_or(|key| key[0] == 4)
    }
}

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Through the enrolment channel.
    Online {
        /// The invitation whose secret opened the channel.
        invitation: InvitationId,
        /// Hash of the handshake.
        binding: Hash,
        /// The static key that the handshake proved.
        proven: NoiseKey,
    },
    /// As a file.
    Offline,
}

/// What a device is enrolled as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The office it stands in.
    pub office: Name,
    /// Its name.
    pub name: Name,
    /// Node or client.
    pub kind: DeviceKind,
    /// The invitation it came by.
    pub invitation: Option<InvitationId>,
}

/// Judges an invitation alone: whether it still permits anything, and what.
pub fn judge(
    invitation: InvitationId,
    state: Option<&InvitationState>,
    now: WallTime,
) -> Result<Terms, EnrolError> {
    let state = state.ok_or(EnrolError::UnknownInvitation { invitation })?;
    match (state.used, state.by) {
        (true, Some(by)) => return Err(EnrolError::AlreadyUsed { invitation, by }),
        (true, None) => return Err(EnrolError::Withdrawn { invitation }),
        (false, _) => {}
    }
    if now > state.terms.expires {
        return Err(EnrolError::Expired {
            invitation,
            expired_at: state.terms.expires,
        });
    }
    Ok(Terms {
        office: state.terms.office.clone(),
        name: state.terms.name.clone(),
        kind: state.terms.kind,
        invitation: Some(invitation),
    })
}

/// Judges a request by everything but its invitation: how it came, its age, and its keys.
pub fn judge_request(
    clinic: &Clinic,
    request: &EnrolmentRequest,
    arrival: Arrival,
    now: WallTime,
) -> Result<(), EnrolError> {
    match arrival {
        Arrival::Online {
            invitation,
            binding,
            proven,
        } => {
            if request.binding != Some(binding) || request.invitation != Some(invitation) {
                return Err(EnrolError::OtherChannel);
            }
            if request.noise_key != proven {
                return Err(EnrolError::OtherKey);
            }
        }
        Arrival::Offline => judge_age(request, now)?,
    }
    judge_keys(clinic, request, now)
}

fn judge_age(request: &EnrolmentRequest, now: WallTime) -> Result<(), EnrolError> {
    let made_at = request.made_at;
    if request.binding.is_some() {
        return Err(EnrolError::OtherChannel);
    }
    if made_at > now.plus(SKEW) {
        return Err(EnrolError::FromTheFuture { made_at });
    }
    if now > made_at.plus(REQUEST_AGE_MAX) {
        return Err(EnrolError::TooOld { made_at });
    }
    Ok(())
}

fn judge_keys(
    clinic: &Clinic,
    request: &EnrolmentRequest,
    now: WallTime,
) -> Result<(), EnrolError> {
    let device = request.device;
    if clinic.revocations.contains_key(&device)
        || clinic.revoked_noise_keys.contains_key(&request.noise_key)
    {
        return Err(EnrolError::Revoked { device });
    }
    for (id, known) in &clinic.devices {
        let same_key = known.certificate.noise_key == request.noise_key;
        if same_key && *id != device {
            return Err(EnrolError::KeyTaken { device });
        }
        let until = known.certificate.not_after;
        if *id == device && until >= now {
            return Err(EnrolError::AlreadyEnrolled { device, until });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
