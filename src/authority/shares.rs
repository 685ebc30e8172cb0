//! Recovery shares: the root key on several sheets of paper, so many of which bring it back.
//!
//! Shamir's sharing: with fewer sheets than the threshold nothing at all is known of the key. What a
//! sheet says besides its share (clinic, set, threshold, number) is there so that sheets that do not
//! belong together are refused by name instead of making a key that nobody knows.

mod page;
mod typing;
mod words;

use rand::CryptoRng;
use vsss_rs::Gf256;
use zeroize::Zeroizing;

use crate::domain::id::{ClinicId, Hash};
use crate::domain::sign::SigningKey;

use super::rotation::Known;

pub use page::Seen;
pub(super) use page::page;
pub use typing::ShareTyping;

/// Fewest sheets that bring the root back: with one it would be the recovery page.
pub const THRESHOLD_MIN: u8 = 2;

/// Most sheets of a set: more holders than a small clinic has people it trusts with this.
pub const SHARES_MAX: u8 = 8;

/// The form of a share that this program writes and reads.
const VERSION: u8 = 1;

/// Lines of a share on paper.
const LINES: usize = 5;

/// Bytes of a line, before its check: with two check bytes exactly eight words.
const LINE_BYTES: usize = 9;

/// Bytes of the root key, and so of its share.
const KEY_BYTES: usize = 32;

/// How many sheets there are, and how many of them bring the root back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sheets {
    /// How many are needed.
    pub threshold: u8,
    /// How many are made.
    pub count: u8,
}

impl Sheets {
    /// Two of three: one sheet may burn, and one thief has nothing.
    pub const USUAL: Self = Self {
        threshold: 2,
        count: 3,
    };

    fn fits(self) -> bool {
        (THRESHOLD_MIN..=self.count).contains(&self.threshold) && self.count <= SHARES_MAX
    }
}

/// Names one set of shares: those made at once, which fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SetId(pub(super) [u8; 3]);

impl std::fmt::Display for SetId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::domain::id::hex(&self.0))
    }
}

/// One share, as it stands on its sheet.
#[derive(Clone)]
pub struct Share {
    threshold: u8,
    number: u8,
    clinic: [u8; 4],
    set: SetId,
    part: Zeroizing<[u8; KEY_BYTES]>,
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Share {} of set {}", self.number, self.set)
    }
}

/// Why shares were not made, not read, or do not bring the root back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// Numbers that make no sense.
    #[error(
        "{} of {} shares cannot be made; choose at least {THRESHOLD_MIN} that are needed, and at most {SHARES_MAX} in all",
        .0.threshold, .0.count
    )]
    Numbers(Sheets),
    /// A line has too few or too many words.
    #[error("share {share}, line {line}: it has 8 words, {words} were typed; type the line again")]
    Words {
        /// Which of those typed.
        share: usize,
        /// Which line.
        line: usize,
        /// How many words were typed.
        words: usize,
    },
    /// A word that is in no share.
    #[error(
        "share {share}, line {line}: word {word} is not one of a share's words; compare it with the sheet"
    )]
    UnknownWord {
        /// Which of those typed.
        share: usize,
        /// Which line.
        line: usize,
        /// Which word.
        word: usize,
    },
    /// The line's check does not match.
    #[error(
        "share {share}, line {line}: it has a typing mistake, or is another line or another sheet's; compare it with the sheet"
    )]
    Mistyped {
        /// Which of those typed.
        share: usize,
        /// Which line.
        line: usize,
    },
    /// All lines fit, but not the share as a whole.
    #[error("share {share}: its lines do not make one share; type all its lines from one sheet")]
    Mixed {
        /// Which of those typed.
        share: usize,
    },
    /// Made by another version of the program.
    #[error("share {share} is of version {version}, this program knows {VERSION}; update it")]
    Version {
        /// Which of those typed.
        share: usize,
        /// Its version.
        version: u8,
    },
    /// The lines ended in the middle of a share.
    #[error("share {share} has {LINES} lines, {lines} were typed; type all of them in order")]
    Unfinished {
        /// Which of those typed.
        share: usize,
        /// How many lines of it were typed.
        lines: usize,
    },
    /// A share of another clinic.
    #[error("share {number} is of another clinic; look for the sheets with this clinic's id")]
    OtherClinic {
        /// The number on its sheet.
        number: u8,
    },
    /// Shares that were not made together.
    #[error(
        "share {number} is of set {set}, the first one of set {first}; use sheets that name the same set"
    )]
    OtherSet {
        /// The number on its sheet.
        number: u8,
        /// Its set.
        set: SetId,
        /// The set of the first share.
        first: SetId,
    },
    /// One share typed twice.
    #[error("share {number} was typed twice; type another sheet of its set")]
    Twice {
        /// The number on its sheet.
        number: u8,
    },
    /// Not as many as are needed.
    #[error(
        "{given} of the {needed} shares that are needed were typed; fetch another sheet of the set"
    )]
    TooFew {
        /// How many there are.
        given: usize,
        /// How many are needed.
        needed: u8,
    },
    /// They make a key that is not this clinic's.
    #[error(
        "these shares make a key that is not the root key of their clinic: one of them was made up or altered, or the root key was changed later; try another sheet of the set in its place, or the newest set"
    )]
    DoNotFit,
}

/// Splits the root key; the shares are numbered from one.
pub(super) fn split(
    root: &SigningKey,
    clinic: ClinicId,
    sheets: Sheets,
    rng: &mut dyn CryptoRng,
) -> Result<(SetId, Vec<Share>), ShareError> {
    if !sheets.fits() {
        return Err(ShareError::Numbers(sheets));
    }
    let mut set = SetId([0; 3]);
    rng.fill_bytes(&mut set.0);
    let (threshold, count) = (usize::from(sheets.threshold), usize::from(sheets.count));
    let parts = Gf256::split_bytes(threshold, count, root.seed().as_slice(), rng)
        .map(Zeroizing::new)
        .map_err(|_| ShareError::Numbers(sheets))?;
    let shares = parts.iter().map(|numbered| {
        let (number, bytes) = numbered.split_first().ok_or(ShareError::Numbers(sheets))?;
        let mut part = Zeroizing::new([0; KEY_BYTES]);
        part.copy_from_slice(bytes);
        Ok(Share {
            threshold: sheets.threshold,
            number: *number,
            clinic: clinic_tag(&clinic),
            set,
            part,
        })
    });
    Ok((set, shares.collect::<Result<_, _>>()?))
}

/// The root key that these shares bring back, and its clinic.
///
/// All that are given count: one too many that was altered is noticed, not passed over.
pub(super) fn combine(
    shares: &[Share],
    known: &Known,
) -> Result<(ClinicId, SigningKey), ShareError> {
    let first = fit(shares, known.expected())?;
    let parts: Zeroizing<Vec<Vec<u8>>> = Zeroizing::new(
        shares
            .iter()
            .map(|share| [&[share.number], &share.part[..]].concat())
            .collect(),
    );
    let seed = Gf256::combine_bytes(&*parts)
        .map(Zeroizing::new)
        .map_err(|_| ShareError::DoNotFit)?;
    let seed: &[u8; KEY_BYTES] = seed
        .as_slice()
        .try_into()
        .map_err(|_| ShareError::DoNotFit)?;
    let root = SigningKey::from_seed(seed);
    match known.clinic_of(&root.id().as_admin()) {
        Ok(clinic) if clinic_tag(&clinic) == first.clinic => Ok((clinic, root)),
        Ok(_) | Err(_) => Err(ShareError::DoNotFit),
    }
}

/// Whether the shares are of one clinic and set, each once, and enough of them.
fn fit(shares: &[Share], expected: Option<ClinicId>) -> Result<&Share, ShareError> {
    let first = shares.first().ok_or(ShareError::TooFew {
        given: 0,
        needed: THRESHOLD_MIN,
    })?;
    let clinic = expected.map_or(first.clinic, |id| clinic_tag(&id));
    for (at, share) in shares.iter().enumerate() {
        let number = share.number;
        if share.clinic != clinic {
            return Err(ShareError::OtherClinic { number });
        }
        if (share.set, share.threshold) != (first.set, first.threshold) {
            let (set, first) = (share.set, first.set);
            return Err(ShareError::OtherSet { number, set, first });
        }
        if shares[..at].iter().any(|before| before.number == number) {
            return Err(ShareError::Twice { number });
        }
    }
    let (given, needed) = (shares.len(), first.threshold);
    match given < usize::from(needed) {
        true => Err(ShareError::TooFew { given, needed }),
        false => Ok(first),
    }
}

impl Share {
    /// The number on its sheet.
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// The set it is of.
    pub const fn set(&self) -> SetId {
        self.set
    }

    /// How many of its set are needed.
    pub const fn threshold(&self) -> u8 {
        self.threshold
    }

    /// The first line: all but the secret. Every other line's check covers it.
    fn head(&self) -> [u8; LINE_BYTES] {
        let mut head = [0; LINE_BYTES];
        head[0] = VERSION;
        head[1] = self.threshold << 4 | self.number;
        head[2..6].copy_from_slice(&self.clinic);
        head[6..].copy_from_slice(&self.set.0);
        head
    }

    /// The bytes of each line, with its check.
    fn lines(&self) -> Zeroizing<[[u8; words::BYTES]; LINES]> {
        let head = self.head();
        let mut bytes = Zeroizing::new([0; LINE_BYTES * LINES]);
        bytes[..LINE_BYTES].copy_from_slice(&head);
        bytes[LINE_BYTES..LINE_BYTES + KEY_BYTES].copy_from_slice(&*self.part);
        bytes[LINE_BYTES + KEY_BYTES..].copy_from_slice(&whole(&head, &self.part[..]));
        let mut lines = Zeroizing::new([[0; words::BYTES]; LINES]);
        for (at, (line, part)) in lines.iter_mut().zip(bytes.chunks(LINE_BYTES)).enumerate() {
            line[..LINE_BYTES].copy_from_slice(part);
            line[LINE_BYTES..].copy_from_slice(&check(at, &head, part));
        }
        lines
    }
}

/// Reads shares as typed, and gives the lines that their pages would have.
pub(super) fn reread(text: &str) -> Option<String> {
    let mut typing = ShareTyping::new();
    text.lines().try_for_each(|line| typing.line(line)).ok()?;
    let shares = typing.finish().ok()?;
    Some(
        shares
            .iter()
            .map(|share| typing::lines(share).to_string())
            .collect(),
    )
}

/// The beginning of a clinic's id.
fn clinic_tag(clinic: &ClinicId) -> [u8; 4] {
    let mut tag = [0; 4];
    tag.copy_from_slice(&clinic.as_bytes()[..4]);
    tag
}

/// The check of one line, which holds in its place and under its head only.
fn check(line: usize, head: &[u8], part: &[u8]) -> [u8; 2] {
    let hash = Hash::of("share-line/v1", &[&[line as u8], head, part]);
    [hash.as_bytes()[0], hash.as_bytes()[1]]
}

/// The check of the whole share, for mistakes that several lines' checks miss together.
fn whole(head: &[u8], part: &[u8]) -> [u8; 4] {
    let hash = Hash::of("share/v1", &[head, part]);
    let mut check = [0; 4];
    check.copy_from_slice(&hash.as_bytes()[..4]);
    check
}

#[cfg(test)]
pub(super) mod tests;
