//! A file as lines of text, each short enough to be one picture that a scanner reads.
//!
//! Two machines without a network between them can pass a file from one's screen to the other's
//! scanner, which types what it reads. Every part is one line of capital letters and digits, so that
//! it is compact in a QR code (ISO/IEC 18004, alphanumeric mode):
//!
//! | letters | what |
//! |---|---|
//! | 3 | `CMP`, then |
//! | 1 | version, `1` |
//! | 6 | the set: the first 30 bits of the file's hash |
//! | 3 | number of this part, from 001, in decimal |
//! | 3 | how many there are |
//! | n | bytes of the file in Crockford's base 32 |
//! | 4 | the first 20 bits of the hash of everything before |
//!
//! Parts may come in any order and more than once. They only keep mistakes away: what the file is and
//! whether it is genuine is for its own format to say.

use std::collections::BTreeMap;

use super::id::Hash;
use super::invitation::{base32, unbase32};

/// What every part begins with.
const MAGIC: &str = "CMP1";

/// Most parts of a file: what a person can be asked to scan, a picture every second or two.
pub const PARTS_MAX: usize = 120;

/// Bytes in a part that fills a terminal of 40 lines: a QR code of version 11.
pub const LARGE: usize = 250;

/// Bytes in a part that fits a terminal of 24 lines: a QR code of version 5.
pub const SMALL: usize = 80;

/// Letters before the bytes, and of the check behind them.
const HEAD: usize = MAGIC.len() + SET + 3 + 3;
const SET: usize = 6;
const CHECK: usize = 4;

/// Longest line that may be a part.
const LINE_MAX: usize = HEAD + (LARGE * 8).div_ceil(5) + CHECK;

/// Why a file cannot be shown, or a line is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// Too many pictures.
    #[error(
        "{bytes} bytes would be more than {PARTS_MAX} pictures; take the file on a stick, or enrol over the network"
    )]
    TooLong {
        /// Of the file.
        bytes: usize,
    },
    /// Something else was scanned.
    #[error("this is no part of a file of clinic-mesh; scan the picture on the other screen")]
    NotAPart,
    /// The scanner types other letters than it reads, or one was lost.
    #[error(
        "a letter of this part is missing or wrong; scan it again, and if it stays so, set the scanner to this keyboard's layout"
    )]
    Garbled,
    /// Of a file that was shown another time.
    #[error(
        "this is a part of another file; scan the pictures that are shown now, or begin anew if the first one was old"
    )]
    OtherFile,
    /// All parts are there and do not make the file.
    #[error("the parts do not make the file that was shown; show it again from the beginning")]
    NotTheFile,
}

/// The lines for a file, with up to `bytes` of it in each.
pub fn of_file(file: &[u8], bytes: usize) -> Result<Vec<String>, PartError> {
    let bytes = bytes.clamp(1, LARGE);
    let count = file.len().div_ceil(bytes).max(1);
    if count > PARTS_MAX {
        return Err(PartError::TooLong { bytes: file.len() });
    }
    let set = set_of(file);
    let chunk = |number: usize| {
        let from = (number - 1) * bytes;
        &file[from..file.len().min(from + bytes)]
    };
    let line = |number: usize| {
        let text = format!("{MAGIC}{set}{number:03}{count:03}{}", base32(chunk(number)));
        format!("{text}{}", check_of(&text))
    };
    Ok((1..=count).map(line).collect())
}

fn set_of(file: &[u8]) -> String {
    let mut letters = base32(&Hash::of("parts-set/v1", &[file]).as_bytes()[..4]);
    letters.truncate(SET);
    letters
}

fn check_of(text: &str) -> String {
    let mut letters = base32(&Hash::of("parts-check/v1", &[text.as_bytes()]).as_bytes()[..3]);
    letters.truncate(CHECK);
    letters
}

/// What has been scanned of a file so far.
#[derive(Clone, Debug, Default)]
pub struct Gathering {
    file: Option<(String, usize)>,
    parts: BTreeMap<usize, Vec<u8>>,
}

impl Gathering {
    /// Takes a line; nothing is lost by one that is refused.
    pub fn take(&mut self, line: &str) -> Result<(), PartError> {
        let line = line.trim().to_ascii_uppercase();
        let (set, number, count, bytes) = read(&line)?;
        let (expected, parts) = self.file.get_or_insert_with(|| (set.clone(), count));
        if *expected != set || *parts != count {
            return Err(PartError::OtherFile);
        }
        self.parts.insert(number, bytes);
        Ok(())
    }

    /// Numbers of the parts that are missing; none before the first was taken.
    pub fn missing(&self) -> Vec<usize> {
        let count = self.file.as_ref().map_or(0, |(_, count)| *count);
        let missing = (1..=count).filter(|number| !self.parts.contains_key(number));
        missing.collect()
    }

    /// The file, once every part is there.
    pub fn file(&self) -> Result<Option<Vec<u8>>, PartError> {
        let Some((set, count)) = &self.file else {
            return Ok(None);
        };
        if self.parts.len() < *count {
            return Ok(None);
        }
        let file = self.parts.values().flatten().copied().collect::<Vec<u8>>();
        if set_of(&file) == *set {
            Ok(Some(file))
        } else {
            Err(PartError::NotTheFile)
        }
    }
}

/// Set, number, count and bytes of a part.
fn read(line: &str) -> Result<(String, usize, usize, Vec<u8>), PartError> {
    let is_part = line.starts_with(MAGIC) && line.is_ascii() && line.len() <= LINE_MAX;
    if !is_part {
        return Err(PartError::NotAPart);
    }
    let checked = line.len().checked_sub(CHECK).filter(|at| *at >= HEAD);
    let (text, check) = line.split_at(checked.ok_or(PartError::Garbled)?);
    if check != check_of(text) {
        return Err(PartError::Garbled);
    }
    let (head, letters) = text.split_at(HEAD);
    let number = |from: usize| head[from..from + 3].parse::<usize>().ok();
    let set = head[MAGIC.len()..MAGIC.len() + SET].to_owned();
    let numbers = number(MAGIC.len() + SET).zip(number(MAGIC.len() + SET + 3));
    let (number, count) = numbers
        .filter(|(number, count)| (1..=*count).contains(number) && *count <= PARTS_MAX)
        .ok_or(PartError::Garbled)?;
    let bytes = unbase32(letters, letters.len() * 5 / 8).ok_or(PartError::Garbled)?;
    Ok((set, number, count, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(len: usize) -> Vec<u8> {
        (0..len).map(|n| (n * 7) as u8).collect()
    }

    fn gathered(lines: &[String]) -> Gathering {
        let mut gathering = Gathering::default();
        for line in lines {
            gathering.take(line).expect("a part");
        }
        gathering
    }

    #[test]
    fn a_part_stays_what_it_is() {
        let lines = of_file(b"clinic-mesh", LARGE).expect("short");
        assert_eq!(lines, ["CMP1CHQ72C001001CDP6JVK9CCPPTSBKD01VHX"]);
    }

    proptest! {
        #![proptest_config(crate::domain::testing::cases(64))]

        #[test]
        fn parts_in_any_order_and_twice_make_the_file(
            file in proptest::collection::vec(any::<u8>(), 0..3000),
            bytes in 40_usize..LARGE,
            order in any::<u64>(),
        ) {
            let mut lines = of_file(&file, bytes).expect("short enough");
            let turn = usize::try_from(order % lines.len() as u64).expect("small");
            lines.rotate_left(turn);
            lines.push(lines[0].to_lowercase());
            prop_assert_eq!(gathered(&lines).file(), Ok(Some(file)));
        }

        #[test]
        fn whatever_is_scanned_is_taken_or_refused(line in ".{0,500}") {
            let _ = Gathering::default().take(&line);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let lines = of_file(&file(1000), LARGE).expect("short");
        let gathering = gathered(&[lines[3].clone(), lines[0].clone()]);
        assert_eq!(gathering.missing(), [2, 3]);
        assert_eq!(gathering.file(), Ok(None));
    }

    #[test]
    fn a_letter_that_is_wrong_or_lost_is_noticed_wherever_it_stands() {
        let line = &of_file(&file(100), LARGE).expect("short")[0];
        for at in MAGIC.len()..line.len() {
            let other = if &line[at..=at] == "A" { "B" } else { "A" };
            let wrong = format!("{}{other}{}", &line[..at], &line[at + 1..]);
            assert_eq!(
                Gathering::default().take(&wrong),
                Err(PartError::Garbled),
                "letter {at}"
            );
            let lost = format!("{}{}", &line[..at], &line[at + 1..]);
            assert_eq!(Gathering::default().take(&lost), Err(PartError::Garbled));
        }
    }

    #[test]
    fn parts_of_two_files_are_not_mixed() {
        let (one, other) = (of_file(&file(900), LARGE), of_file(&file(901), LARGE));
        let mut gathering = gathered(&one.expect("short")[..1]);
        let refused = gathering.take(&other.expect("short")[1]);
        assert_eq!(refused, Err(PartError::OtherFile));
        assert_eq!(gathering.missing(), [2, 3, 4]);
        assert_eq!(
            gathering.take("https://example.org"),
            Err(PartError::NotAPart)
        );
    }

    #[test]
    fn a_file_that_would_be_too_many_pictures_is_refused() {
        assert!(of_file(&file(PARTS_MAX * LARGE), LARGE).is_ok());
        let bytes = PARTS_MAX * LARGE + 1;
        let refused = of_file(&file(bytes), LARGE);
        assert_eq!(refused, Err(PartError::TooLong { bytes }));
    }
}
