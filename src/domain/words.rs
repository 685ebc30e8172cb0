//! Words of a text, as people look for them: without regard to case and accents.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Longest word in letters; what is longer is found by its beginning.
const WORD_MAX: usize = 32;

/// Most words looked for at once; the rest of a longer question is left out.
const QUERY_WORDS_MAX: usize = 16;

/// The words of a text in order, each as often as it stands there.
pub fn words(text: &str) -> Vec<String> {
    let plain: String = if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        let bare = text.nfkd().filter(|letter| !is_combining_mark(*letter));
        bare.flat_map(char::to_lowercase).collect()
    };
    let parts = plain.split(|letter: char| !letter.is_alphanumeric());
    let words = parts.filter(|word| !word.is_empty());
    words
        .map(|word| match word.char_indices().nth(WORD_MAX) {
            Some((end, _)) => word[..end].to_owned(),
            None => word.to_owned(),
        })
        .collect()
}

/// What somebody looks for: words, each of which has to begin some word of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    words: Vec<String>,
}

impl Query {
    /// Reads what was typed; none if there is no word in it.
    pub fn of(text: &str) -> Option<Self> {
        let mut words = words(text);
        words.sort();
        words.dedup();
        words.truncate(QUERY_WORDS_MAX);
        (!words.is_empty()).then_some(Self { words })
    }

    /// The words looked for.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Whether a text has what is looked for.
    pub fn fits(&self, text: &str) -> bool {
        let there = words(text);
        let begins = |word: &String| there.iter().any(|other| other.starts_with(word.as_str()));
        self.words.iter().all(begins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_without_regard_to_case_accents_and_marks() {
        let text = "Bett 4: Frau Núñez, höchste Zeit (HbA1c)!";
        let query = |text| Query::of(text).expect("words");
        for found in ["bett 4", "NUNEZ", "hoch zeit", "hba1c", "ZEIT bett"] {
            assert!(query(found).fits(text), "{found}");
        }
        for missing in ["bett 5", "ett", "zeitung"] {
            assert!(!query(missing).fits(text), "{missing}");
        }
        assert_eq!(Query::of(" .,! "), None);
    }

    #[test]
    fn a_very_long_word_is_found_by_its_beginning() {
        let text = "x".repeat(1000);
        assert_eq!(words(&text)[0].len(), WORD_MAX);
        assert!(Query::of(&text).expect("a word").fits(&text));
    }
}
