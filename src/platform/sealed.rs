//! Sealing to one device's Noise key, for what travels outside a channel (RFC 9180, base mode).
//!
//! Whoever seals stays unnamed: what is inside carries its own signatures.

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::domain::enrol::{AnswerError, EnrolmentAnswer, SealedAnswer};
use crate::domain::id::{DeviceId, NoiseKey};

type Encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey;
type Private = <X25519HkdfSha256 as Kem>::PrivateKey;
type Public = <X25519HkdfSha256 as Kem>::PublicKey;

/// Names the use, so that nothing sealed here opens as anything else.
const ANSWER_INFO: &[u8] = b"clinic-mesh/enrolment-answer/v1\0";

/// The device's Noise key cannot be sealed to: it is of low order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("device {device} has an unsound Noise key; set the machine up anew")]
pub struct UnsoundKey {
    device: DeviceId,
}

/// Seals an answer so that only the machine with the private half of `key` can open it.
pub fn seal_answer(
    answer: &EnrolmentAnswer,
    device: DeviceId,
    key: &NoiseKey,
    mut rng: &mut dyn CryptoRng,
) -> Result<SealedAnswer, UnsoundKey> {
    let unsound = |_| UnsoundKey { device };
    let to = Public::from_bytes(key.as_bytes()).map_err(unsound)?;
    let (encapsulated, sealed) =
        hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &to,
            ANSWER_INFO,
            &answer.to_bytes(),
            &SealedAnswer::bound(&device),
            &mut rng,
        )
        .map_err(unsound)?;
    Ok(SealedAnswer {
        device,
        encapsulated: encapsulated.to_bytes().into(),
        sealed,
    })
}

/// Opens an answer with this machine's Noise key; its contents are still to be checked.
pub fn open_answer(
    sealed: &SealedAnswer,
    device: DeviceId,
    noise_secret: &[u8; 32],
) -> Result<EnrolmentAnswer, AnswerError> {
    if sealed.device != device {
        return Err(AnswerError::OtherMachine {
            device: sealed.device,
        });
    }
    let refused = |_| AnswerError::Sealed;
    let secret = Private::from_bytes(noise_secret).map_err(refused)?;
    let encapsulated = Encapsulated::from_bytes(&sealed.encapsulated).map_err(refused)?;
    let bytes = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &encapsulated,
        ANSWER_INFO,
        &sealed.sealed,
        &SealedAnswer::bound(&device),
    )
    .map_err(refused)?;
    Ok(EnrolmentAnswer::from_bytes(&Zeroizing::new(bytes))?)
}
