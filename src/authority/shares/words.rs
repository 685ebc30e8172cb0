//! Bytes as words that can be read out and typed: eleven bits a word, of the list of BIP-39.
//!
//! No two of its words share their first four letters, so that four are enough to type.

use bip0039::English;
use zeroize::Zeroizing;

/// Words of a line.
pub(super) const WORDS: usize = 8;

/// Bytes of a line.
pub(super) const BYTES: usize = 11;

/// Bits of a word, and the mask of them.
const BITS: usize = BYTES * 8 / WORDS;
const MASK: u128 = (1 << BITS) - 1;

/// Letters that tell a word from every other.
const TELLING: usize = 4;

/// Why words are not a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotALine {
    /// There are too few or too many.
    Count(usize),
    /// One, counted from one, is not in the list.
    Unknown(usize),
}

/// The words of a line.
pub(super) fn of(bytes: &[u8; BYTES]) -> Zeroizing<String> {
    let held = bytes
        .iter()
        .fold(0, |held, byte| held << 8 | u128::from(*byte));
    let mut line = Zeroizing::new(String::with_capacity(WORDS * 9));
    for at in (0..WORDS).rev() {
        if !line.is_empty() {
            line.push(' ');
        }
        let index = held >> (at * BITS) & MASK;
        line.push_str(English::words()[index as usize]);
    }
    line
}

/// Reads a line in any case; of a word its first four letters are enough.
pub(super) fn read(line: &str) -> Result<Zeroizing<[u8; BYTES]>, NotALine> {
    let count = line.split_whitespace().count();
    if count != WORDS {
        return Err(NotALine::Count(count));
    }
    let mut held = 0;
    for (number, word) in (1..).zip(line.split_whitespace()) {
        let word = Zeroizing::new(word.to_ascii_lowercase());
        let index = index(&word).ok_or(NotALine::Unknown(number))?;
        held = held << BITS | index as u128;
    }
    let mut bytes = Zeroizing::new([0; BYTES]);
    bytes.copy_from_slice(&held.to_be_bytes()[16 - BYTES..]);
    Ok(bytes)
}

fn index(typed: &str) -> Option<usize> {
    let fits = |word: &&str| *word == typed || typed.len() >= TELLING && word.starts_with(typed);
    English::words().iter().position(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_of_2048_words_in_order_that_four_letters_tell_apart() {
        let words = English::words();
        assert_eq!(words.len(), 1 << BITS);
        assert!(words.is_sorted());
        let mut begun: Vec<_> = words
            .iter()
            .map(|word| &word[..word.len().min(4)])
            .collect();
        begun.dedup();
        assert_eq!(begun.len(), words.len());
        assert!(words.iter().all(|word| (3..=8).contains(&word.len())));
    }

    #[test]
    fn a_short_word_is_not_taken_for_the_beginning_of_a_longer_one() {
        // "act" is a word, and begins "action" and "actress".
        assert_eq!(index("act").map(|at| English::words()[at]), Some("act"));
        assert_eq!(index("acti").map(|at| English::words()[at]), Some("action"));
        assert_eq!(
            index("aban").map(|at| English::words()[at]),
            Some("abandon")
        );
        assert_eq!(index("aba"), None);
        assert_eq!(index("abandons"), None);
        assert_eq!(index(""), None);
    }
}
