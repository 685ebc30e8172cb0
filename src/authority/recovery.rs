//! The recovery page: the root key on paper.
//!
//! The seed is printed as four lines of sixteen letters, each with a check of its own, so that a
//! typing mistake is named by its line. Whoever has the page has the clinic: it belongs in a safe.

use rand::CryptoRng;
use zeroize::{Zeroize as _, Zeroizing};

use crate::domain::id::{ClinicId, Hash};
use crate::domain::invitation::{base32, unbase32};
use crate::domain::name::Name;
use crate::domain::sign::SigningKey;
use crate::domain::time::WallTime;

use super::keyfile::{Holder, KeyFile, KeyFileError};
use super::passphrase::{Cost, Passphrase};
use super::rotation::Known;

/// Lines of the printed seed.
const LINES: usize = 4;

/// Bytes of the seed in one line; with two check bytes exactly sixteen letters.
const LINE_BYTES: usize = 32 / LINES;

/// Why a recovery page was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// Not four lines.
    #[error("the page has {LINES} lines of letters, {0} were typed; type all of them in order")]
    Lines(usize),
    /// A line does not have sixteen letters and digits.
    #[error("line {0} of the page has 16 letters and digits in groups of four; type it again")]
    Shape(usize),
    /// A line's check does not match.
    #[error("line {0} has a typing mistake or stands in another place; compare it with the page")]
    Mistyped(usize),
    /// A page of another clinic, or of a root key that this clinic does not have.
    #[error(
        "the page is of clinic {clinic}, not of this one, or its root key is none that the record here knows; look for the newest page with this clinic's id"
    )]
    OtherClinic {
        /// The clinic that the page is of.
        clinic: ClinicId,
    },
    /// The key could not be sealed.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
}

/// The root seed as lines to be printed.
pub(super) fn lines(root: &SigningKey) -> Zeroizing<String> {
    let seed = root.seed();
    let mut text = Zeroizing::new(String::new());
    for (number, part) in (1..).zip(seed.chunks(LINE_BYTES)) {
        let mut bytes = Zeroizing::new(part.to_vec());
        bytes.extend(check(number, part));
        let mut letters = base32(&bytes);
        text.push_str(&format!("    {number}:  "));
        for group in 0..4 {
            text.push_str(&letters[group * 4..group * 4 + 4]);
            text.push_str(if group < 3 { " " } else { "\n" });
        }
        letters.zeroize();
    }
    text
}

/// Reads the lines back, with or without their numbers, in any case, with any spaces.
pub(super) fn read_lines(text: &str) -> Result<SigningKey, RecoveryError> {
    let typed: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    if typed.len() != LINES {
        return Err(RecoveryError::Lines(typed.len()));
    }
    let mut seed = Zeroizing::new([0; 32]);
    for (number, (line, part)) in (1..).zip(typed.iter().zip(seed.chunks_mut(LINE_BYTES))) {
        let letters = line.split_once(':').map_or(*line, |(_, letters)| letters);
        let bytes = unbase32(letters.trim(), LINE_BYTES + 2)
            .map(Zeroizing::new)
            .ok_or(RecoveryError::Shape(number))?;
        let (key, typed_check) = bytes.split_at(LINE_BYTES);
        if typed_check != check(number, key) {
            return Err(RecoveryError::Mistyped(number));
        }
        part.copy_from_slice(key);
    }
    Ok(SigningKey::from_seed(&seed))
}

/// The lines of letters in what may be the whole page, as a file of it has them; what was typed without the
/// rest of the page is given back as it is.
pub fn letters_in(page: &str) -> Zeroizing<String> {
    let found: Vec<&str> = page.lines().filter(|line| is_printed(line)).collect();
    match found.len() {
        LINES => Zeroizing::new(found.join("\n")),
        _ => Zeroizing::new(page.to_owned()),
    }
}

/// Whether a line is one of letters as the page has it: its number, a colon, and four groups of four.
fn is_printed(line: &str) -> bool {
    let Some((number, letters)) = line.trim().split_once(':') else {
        return false;
    };
    let groups: Vec<&str> = letters.split_whitespace().collect();
    let numbered = number.parse().is_ok_and(|n| (1..=LINES).contains(&n));
    numbered && groups.len() == 4 && groups.iter().all(|group| group.len() == 4)
}

fn check(line: usize, part: &[u8]) -> [u8; 2] {
    let hash = Hash::of("recovery-line/v1", &[&[line as u8], part]);
    [hash.as_bytes()[0], hash.as_bytes()[1]]
}

/// The clinic's id in groups of eight, in two lines.
pub fn grouped(clinic: &ClinicId) -> String {
    let hex = clinic.to_string();
    let groups: Vec<&str> = (0..8).map(|group| &hex[group * 8..group * 8 + 8]).collect();
    format!("{}\n    {}", groups[..4].join(" "), groups[4..].join(" "))
}

/// The page, as plain text that fits one sheet of A4.
pub(super) fn page(
    name: &Name,
    clinic: &ClinicId,
    root: &SigningKey,
    number: u8,
    now: WallTime,
) -> Zeroizing<String> {
    let (which, named) = match number {
        1 => (String::new(), String::new()),
        _ => (
            format!("Root key:   number {number}; destroy the pages of those before it\n"),
            format!(" \\\n    --clinic {clinic}"),
        ),
    };
    Zeroizing::new(format!(
        "RECOVERY PAGE OF THE CLINIC'S ROOT KEY\n\
         ======================================\n\n\
         Clinic:     {name}\n\
         Made on:    {date}\n\
         {which}\
         Clinic id:\n    {id}\n\n\
         WHAT THIS IS\n\
         The letters below are the clinic's root key. The root key appoints and removes\n\
         the people who may enrol machines and staff. With this page the root key can\n\
         be made again if the file root.key or its passphrase is lost. Without either,\n\
         no admin can ever be appointed or removed again.\n\n\
         WHERE TO KEEP IT\n\
         In a sealed envelope in a safe or at a bank, away from the office's computers.\n\
         Never photograph, scan, copy or e-mail it, and do not store it as a file.\n\
         Whoever reads it can appoint and remove admins. If that may have happened,\n\
         change the root key: see \"The root key is changed\" in the handbook.\n\n\
         THE ROOT KEY\n\
         (digits and capital letters; there is no I, L, O or U)\n\n\
         {lines}\n\
         HOW TO USE IT\n\
         On a trusted computer without network, run\n\n\
         \x20   clinic-mesh authority recover{named}\n\n\
         type the four lines, and choose a new passphrase. The program names the line\n\
         that has a typing mistake, and shows the clinic id: compare it with the one\n\
         above.\n",
        date = now.day(),
        id = grouped(clinic),
        lines = *lines(root),
    ))
}

/// A root key file made again from the page.
pub(super) fn recover(
    text: &str,
    known: &Known,
    passphrase: &Passphrase,
    cost: Cost,
    rng: &mut dyn CryptoRng,
) -> Result<(ClinicId, KeyFile), RecoveryError> {
    let root = read_lines(text)?;
    let clinic = known.clinic_of(&root.id().as_admin());
    let clinic = clinic.map_err(|clinic| RecoveryError::OtherClinic { clinic })?;
    let file = KeyFile::seal(Holder::Root, clinic, &root, passphrase, cost, rng)?;
    Ok((clinic, file))
}

#[cfg(test)]
mod tests;
