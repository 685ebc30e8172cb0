//! One-time codes: invitations to enrol a device, and codes for a first sign-in.

use std::fmt;

use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::id::{Hash, InvitationId, StaffId};

/// The letters of a code: no I, L, O or U, so that none is misread (Crockford's base 32).
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The secret of an invitation. Its code is what the admin reads out.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct InvitationSecret([u8; 16]);

/// A text is not a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Another number of letters than a code has.
    #[error("this is not a code: a code has {letters} letters and digits, in groups of four")]
    NotACode {
        /// How many there should be.
        letters: usize,
    },
    /// As long as a code, but with a letter that no code has, or check letters that do not match.
    #[error("the code has a typing mistake; compare it with the screen it was made on")]
    Mistyped,
}

impl InvitationSecret {
    /// Takes random bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The code: the secret and two check bytes, in groups of four.
    pub fn code(&self) -> String {
        code_of(&self.0)
    }

    /// Reads a code in any case, with or without its dashes and spaces.
    pub fn from_code(text: &str) -> Result<Self, CodeError> {
        read_code(text).map(Self)
    }

    /// The public id of the invitation.
    pub fn id(&self) -> InvitationId {
        let mut id = [0; 16];
        id.copy_from_slice(&self.derive("invitation-id/v1").as_bytes()[..16]);
        InvitationId::new(id)
    }

    /// The Noise psk of the enrolment channel.
    pub fn psk(&self) -> [u8; 32] {
        *self.derive("invitation-psk/v1").as_bytes()
    }

    /// What the clinic record says of the secret without giving it away.
    pub fn commitment(&self) -> Hash {
        self.derive("invitation-commitment/v1")
    }

    /// What discovery shows while the invitation is open: recognised by whoever has the code.
    pub fn tag(&self) -> [u8; 8] {
        let mut tag = [0; 8];
        tag.copy_from_slice(&self.derive("invitation-tag/v1").as_bytes()[..8]);
        tag
    }

    fn derive(&self, label: &str) -> Hash {
        Hash::of(label, &[&self.0])
    }
}

impl fmt::Debug for InvitationSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvitationSecret(..)")
    }
}

/// The six digits that both screens show; equal only if nobody sits between them.
///
/// The seed is what both sides of an enrolment have derived from their handshake for this purpose.
pub fn short_code(seed: &[u8]) -> String {
    let hash = Hash::of("short-code/v1", &[seed]);
    let bytes = hash.as_bytes();
    let number = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) % 1_000_000;
    format!("{:03} {:03}", number / 1000, number % 1000)
}

/// A one-time sign-in code of a staff member.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct SignInSecret([u8; 10]);

impl SignInSecret {
    /// Takes random bytes.
    pub const fn new(bytes: [u8; 10]) -> Self {
        Self(bytes)
    }

    /// The code that is handed over.
    pub fn code(&self) -> String {
        code_of(&self.0)
    }

    /// Reads a code in any case, with or without its dashes and spaces.
    pub fn from_code(text: &str) -> Result<Self, CodeError> {
        read_code(text).map(Self)
    }

    /// What the clinic record says of the code.
    pub fn hash(&self, staff: StaffId) -> Hash {
        Hash::of("sign-in/v1", &[staff.as_bytes(), &self.0])
    }
}

impl fmt::Debug for SignInSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignInSecret(..)")
    }
}

fn check_bytes(secret: &[u8]) -> [u8; 2] {
    let digest = Sha256::new()
        .chain_update(b"clinic-mesh/code-check/v1\0")
        .chain_update(secret)
        .finalize();
    [digest[0], digest[1]]
}

fn code_of(secret: &[u8]) -> String {
    let mut bytes = secret.to_vec();
    bytes.extend(check_bytes(secret));
    let letters = base32(&bytes);
    bytes.zeroize();
    let groups: Vec<&str> = letters
        .as_bytes()
        .chunks(4)
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    groups.join("-")
}

fn read_code<const N: usize>(text: &str) -> Result<[u8; N], CodeError> {
    let letters = ((N + 2) * 8).div_ceil(5);
    if letters_of(text).count() != letters {
        return Err(CodeError::NotACode { letters });
    }
    let bytes = unbase32(text, N + 2)
        .map(Zeroizing::new)
        .ok_or(CodeError::Mistyped)?;
    let (secret, check) = bytes.split_at(N);
    let secret: [u8; N] = secret.try_into().map_err(|_| CodeError::Mistyped)?;
    if check != check_bytes(&secret) {
        return Err(CodeError::Mistyped);
    }
    Ok(secret)
}

/// Crockford's base 32 of `bytes`, without padding.
pub(crate) fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(LETTERS[(held >> bits & 31) as usize]));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(char::from(LETTERS[(held << (5 - bits) & 31) as usize]));
    }
    text
}

/// Reads exactly `len` bytes; look-alikes count as the letter they look like.
pub(crate) fn unbase32(text: &str, len: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len);
    let (mut held, mut bits, mut letters) = (0_u32, 0, 0);
    for c in letters_of(text) {
        held = held << 5 | letter_value(c)?;
        bits += 5;
        letters += 1;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 255) as u8);
            held &= (1 << bits) - 1;
        }
    }
    let exact = letters == (len * 8).div_ceil(5) && bytes.len() == len && held == 0;
    exact.then_some(bytes)
}

/// What counts of a text: dashes and spaces are for the eye.
fn letters_of(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !matches!(c, '-' | ' '))
}

fn letter_value(c: char) -> Option<u32> {
    let upper = match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    LETTERS
        .iter()
        .position(|letter| char::from(*letter) == upper)
        .map(|at| at as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_back_however_it_is_typed() {
        let secret = InvitationSecret::new(*b"0123456789abcdef");
        let code = secret.code();
        assert_eq!(code.len(), 29 + 7, "{code}");
        assert_eq!(InvitationSecret::from_code(&code), Ok(secret.clone()));
        let sloppy = code
            .to_lowercase()
            .replace('-', " ")
            .replace('0', "o")
            .replace('1', "l");
        assert_eq!(InvitationSecret::from_code(&sloppy), Ok(secret));
    }

    #[test]
    fn a_typing_mistake_is_told_from_something_that_is_no_code() {
        let code = InvitationSecret::new([7; 16]).code();
        let last = if code.starts_with('0') { "1" } else { "0" };
        let wrong = format!("{last}{}", &code[1..]);
        assert_eq!(
            InvitationSecret::from_code(&wrong),
            Err(CodeError::Mistyped)
        );
        for text in ["", "hello", &code[1..], &format!("{code}A")] {
            let refused = InvitationSecret::from_code(text);
            assert_eq!(refused, Err(CodeError::NotACode { letters: 29 }), "{text}");
        }
    }

    #[test]
    fn one_wrong_letter_is_a_typing_mistake_wherever_it_stands() {
        for code in [
            InvitationSecret::new([7; 16]).code(),
            InvitationSecret::new(*b"0123456789abcdef").code(),
        ] {
            for at in code.char_indices().filter(|(_, c)| *c != '-') {
                // Letters of codes, their look-alikes, and two that no code has.
                for typed in "01AVXZLIOUü".chars() {
                    let wrong: String =
                        [&code[..at.0], &typed.to_string(), &code[at.0 + 1..]].concat();
                    let read = InvitationSecret::from_code(&wrong);
                    let as_meant = letter_value(typed) == letter_value(at.1);
                    assert_eq!(read.is_ok(), as_meant, "{wrong}");
                    assert_eq!(
                        read.err(),
                        (!as_meant).then_some(CodeError::Mistyped),
                        "{wrong}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_derived_from_a_secret_differs_by_purpose() {
        let secret = InvitationSecret::new([7; 16]);
        assert_ne!(secret.psk(), *secret.commitment().as_bytes());
        assert_ne!(secret.psk()[..16], *secret.id().as_bytes());
        assert_eq!(short_code(b"x").len(), 7);
    }
}
