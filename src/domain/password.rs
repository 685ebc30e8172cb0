//! Which passwords are accepted: length over composition, and nothing that is guessed first.
//!
//! After NIST SP 800-63B: no rules of composition, no changes by the calendar, a list of common
//! passwords and the names that everybody at the clinic knows.

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// Fewest characters.
///
/// Twelve: what is guessed online at the throttle's pace, or offline against Argon2id after a theft,
/// does not reach it when it is not one of the predictable ones below.
pub const LENGTH_MIN: usize = 12;

/// Most characters: a long passphrase, and a bound on what is hashed.
pub const LENGTH_MAX: usize = 128;

/// Fewest characters that nobody can tell in advance: what is left without names, runs and
/// repetitions.
const FREE_MIN: usize = 8;

/// Shortest part of a name that counts: "Dr" or "of" stand in many good passphrases.
const WORD_MIN: usize = 4;

/// Keys that lie side by side.
const ROWS: [&str; 5] = [
    "1234567890",
    "qwertyuiop",
    "qwertzuiop",
    "asdfghjkl",
    "zxcvbnm",
];

/// Common passwords of at least [`LENGTH_MIN`] characters, one a line, as [`fold`] writes them.
const COMMON: &str = include_str!("password/common.txt");

/// Words that common passwords are made of, one a line, in lower case.
const STEMS: &str = include_str!("password/stems.txt");

/// Most characters of a word that is looked for among [`STEMS`]: more than the longest has, signs that
/// are dropped included.
const STEM_MAX: usize = 24;

/// Why a password is not accepted. It says what to do, and nothing of the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Fewer than [`LENGTH_MIN`] characters.
    #[error("a password has at least {LENGTH_MIN} characters; four words are a good one")]
    TooShort,
    /// More than [`LENGTH_MAX`] characters.
    #[error("a password has at most {LENGTH_MAX} characters; choose a shorter one")]
    TooLong,
    /// Hardly more than a name that everybody knows.
    #[error("a password must not be made of names that everybody knows; choose words of your own")]
    Name,
    /// One character, one piece or one run of keys over and over.
    #[error("this password repeats itself or follows the keyboard; choose words of your own")]
    Simple,
    /// Among the first that anybody tries.
    #[error("this is one of the passwords that are tried first; choose words of your own")]
    Common,
}

/// The one form in which a password is hashed: NFKC, so that every keyboard's way to write it fits.
///
/// Cut one character above [`LENGTH_MAX`]: that is nobody's password, and it bounds what is hashed.
pub fn normal(text: &str) -> String {
    text.nfkc().take(LENGTH_MAX + 1).collect()
}

/// Judges a new password. `names` are the clinic's, its offices' and the person's own.
pub fn check<'a>(
    text: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<(), PasswordError> {
    let normal = Zeroizing::new(normal(text));
    match normal.chars().count() {
        0..LENGTH_MIN => return Err(PasswordError::TooShort),
        LENGTH_MIN..=LENGTH_MAX => {}
        _ => return Err(PasswordError::TooLong),
    }
    let folded = fold(&normal);
    if is_common(&folded) || is_dressed_up(&letters(&normal)) {
        return Err(PasswordError::Common);
    }
    if is_named(&folded, names) {
        return Err(PasswordError::Name);
    }
    if free(&letters(&normal)) < FREE_MIN || is_repetition(&normal) {
        return Err(PasswordError::Simple);
    }
    Ok(())
}

fn letters(text: &str) -> Zeroizing<Vec<char>> {
    Zeroizing::new(text.chars().flat_map(char::to_lowercase).collect())
}

/// Lower case, letters and digits only, with the usual stand-ins read as the letters they stand for.
fn fold(text: &str) -> Zeroizing<String> {
    let read = |c| match c {
        '@' | '4' => Some('a'),
        '0' => Some('o'),
        '1' | '!' => Some('i'),
        '3' => Some('e'),
        '$' | '5' => Some('s'),
        '7' => Some('t'),
        other => char::is_alphanumeric(other).then_some(other),
    };
    let lower = text.chars().flat_map(char::to_lowercase);
    Zeroizing::new(lower.filter_map(read).collect())
}

fn is_common(folded: &str) -> bool {
    COMMON.lines().any(|line| line == folded)
}

/// Whether it is one common word, with nothing but digits and signs before and after it.
///
/// A digit at the edge may belong to the word, as in `hell0 2026`, so each way to cut is looked at.
fn is_dressed_up(letters: &[char]) -> bool {
    let is_letter = |c: &char| c.is_alphabetic();
    let (Some(first), Some(last)) = (
        letters.iter().position(is_letter),
        letters.iter().rposition(is_letter),
    ) else {
        return false;
    };
    let mut begins = (last + 1).saturating_sub(STEM_MAX)..=first;
    begins.any(|begin| {
        let end_max = letters.len().min(begin + STEM_MAX);
        (last + 1..=end_max).any(|end| is_stem(&letters[begin..end]))
    })
}

fn is_stem(word: &[char]) -> bool {
    let word = coarse(word.iter().copied());
    STEMS.lines().any(|stem| *coarse(stem.chars()) == *word)
}

/// [`fold`] for words: a one stands for an L as well.
fn coarse(word: impl Iterator<Item = char>) -> Zeroizing<String> {
    let word = Zeroizing::new(word.collect::<String>());
    Zeroizing::new(fold(&word).replace('l', "i"))
}

/// How many characters neither repeat the one before nor go on in the step of the two before:
/// `abcd`, `8642`, `aaaa`, `qwer`.
fn free(letters: &[char]) -> usize {
    let goes_on = |three: &&[char]| {
        let same = |step: fn(char, char) -> Option<i64>| {
            let before = step(three[0], three[1]);
            before.is_some() && before == step(three[1], three[2])
        };
        same(alphabet_step) || same(key_step)
    };
    let doubled = letters.windows(2).filter(|two| two[0] == two[1]).count();
    let going_on = letters.windows(3).filter(goes_on).count();
    letters.len().saturating_sub(doubled + going_on)
}

/// By how much a character follows another in the alphabet, if they are close.
fn alphabet_step(one: char, other: char) -> Option<i64> {
    let by = i64::from(u32::from(other)) - i64::from(u32::from(one));
    (by != 0 && by.abs() <= 2).then_some(by)
}

/// In which direction a key lies beside another.
fn key_step(one: char, other: char) -> Option<i64> {
    let place = |row: &str, c| row.chars().position(|key| key == c);
    let along = |row: &&str| Some(place(row, other)? as i64 - place(row, one)? as i64);
    let steps = ROWS.iter().filter_map(along);
    steps.into_iter().find(|by| by.abs() == 1)
}

/// Whether it is one piece over and over, the last time perhaps in part; whatever digits and signs
/// are strewn in between, as long as most of it is letters.
fn is_repetition(normal: &str) -> bool {
    let all = letters(normal);
    let mut words = all.clone();
    words.retain(|c| c.is_alphabetic());
    repeats(&all) || words.len() * 2 > all.len() && repeats(&words)
}

fn repeats(letters: &[char]) -> bool {
    let of_piece = |piece: usize| letters[piece..].iter().zip(letters).all(|(a, b)| a == b);
    (1..LENGTH_MIN.min(letters.len() / 2 + 1)).any(of_piece)
}

/// Whether little is left without the names, or the password is itself a piece of one.
fn is_named<'a>(folded: &str, names: impl IntoIterator<Item = &'a str>) -> bool {
    let mut rest = Zeroizing::new(folded.to_owned());
    for name in names {
        let whole = fold(name);
        if !folded.is_empty() && whole.contains(folded) {
            return true;
        }
        let words = name.split(|c: char| !c.is_alphanumeric());
        for word in std::iter::once(whole).chain(words.map(fold)) {
            if word.chars().count() >= WORD_MIN {
                rest = Zeroizing::new(rest.replace(word.as_str(), ""));
            }
        }
    }
    rest.len() < folded.len() && rest.chars().count() < FREE_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str) -> Result<(), PasswordError> {
        check(
            text,
            ["Riverside Family Practice", "front-desk", "Dr. Ana Núñez"],
        )
    }

    #[test]
    fn passphrases_and_random_passwords_are_accepted() {
        for good in [
            "correct horse battery",
            "four rusty teapots sing",
            "x7Kq-vR2m_Lw9z",
            "μπλε ποδήλατο στο μπαλκόνι",
            "青い自転車とお茶の時間です",
            "the river is wide in March",
            "my 1234 favourite teapots",
        ] {
            assert_eq!(judge(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn length_is_counted_in_characters_of_the_normal_form() {
        let twelve = "ångströmtees";
        assert_eq!(twelve.chars().count(), 12);
        assert_eq!(judge(twelve), Ok(()));
        assert_eq!(judge("ångströmtee"), Err(PasswordError::TooShort));
        // One letter and its accent are one character.
        assert_eq!(
            judge("a\u{30a}ngstro\u{308}mtee"),
            Err(PasswordError::TooShort)
        );
        let longest: String = "correct horse battery staple "
            .chars()
            .cycle()
            .take(128)
            .collect();
        let longest = longest.replacen('c', "k", 3);
        assert_eq!(judge(&longest), Ok(()));
        assert_eq!(judge(&format!("{longest}x")), Err(PasswordError::TooLong));
        assert_eq!(judge(&"x".repeat(1_000_000)), Err(PasswordError::TooLong));
    }

    #[test]
    fn a_character_that_unfolds_into_many_does_not_pass_the_longest() {
        // One character, eighteen in the normal form.
        assert_eq!(judge(&"\u{fdfa}".repeat(8)), Err(PasswordError::TooLong));
    }

    #[test]
    fn every_way_to_type_a_password_is_hashed_alike() {
        let one = normal("ångström ﬁsh tee");
        assert_eq!(one, normal("a\u{30a}ngstro\u{308}m fish tee"));
        assert_eq!(normal(&one), one);
    }

    #[test]
    fn what_is_too_long_for_anyone_is_cut_to_what_is_nobodys() {
        let cut = normal(&"correct horse ".repeat(100_000));
        assert_eq!(cut.chars().count(), LENGTH_MAX + 1);
        assert_eq!(judge(&cut), Err(PasswordError::TooLong));
    }

    #[test]
    fn repetitions_and_runs_are_refused() {
        for simple in [
            "aaaaaaaaaaaa",
            "abababababab",
            "abcabcabcabca",
            "Ab1!Ab1!Ab1!",
            "teapotteapotteapot",
            "abcdefghijkl",
            "lkjihgfedcba",
            "acegikmoqsuw",
            "098765432109",
            "qwertyuiopas",
            "QWERTZUIOPasdf",
            "aaaabbbbccccdddd",
        ] {
            assert_eq!(judge(simple), Err(PasswordError::Simple), "{simple}");
        }
    }

    #[test]
    fn names_that_everybody_knows_are_refused_with_little_around_them() {
        for named in [
            "riversidefamily",
            "Riverside-2026!",
            "family practice",
            "verside famil",
            "r1v3rs1d3 f4m1ly",
            "FrontDesk12345",
            "NúñezNúñez1999",
        ] {
            assert_eq!(judge(named), Err(PasswordError::Name), "{named}");
        }
        assert_eq!(judge("riverside teapots sing"), Ok(()));
    }

    #[test]
    fn common_passwords_are_refused_however_they_are_dressed_up() {
        for common in [
            "Password12345",
            "P@ssw0rd12345",
            "Welcome to the clinic",
            "LetMeIn-LetMeIn2",
        ] {
            assert!(judge(common).is_err(), "{common}");
        }
        assert_eq!(judge("password-hospital"), Err(PasswordError::Common));
    }

    #[test]
    fn the_list_of_common_passwords_is_sorted_folded_and_long_enough_to_matter() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.len() >= 200, "{}", lines.len());
        assert!(lines.is_sorted_by(|a, b| a < b));
        for line in lines {
            assert!(line.len() >= LENGTH_MIN, "{line}");
            assert_eq!(fold(line).as_str(), line);
        }
    }

    #[test]
    fn a_common_word_with_digits_and_signs_around_it_is_common() {
        for common in [
            "password1234",
            "iloveyou1234",
            "football1234",
            "sunshine1234",
            "changeme1234",
            "Passwort1234",
            "P@$$w0rd-2026",
            "2026!Sunshine!",
            "footba11-1998",
            "Hell0 19041987",
            "**monkey**77**",
            "1L0v3Y0u_4711",
            "Contraseña#2026",
        ] {
            assert_eq!(judge(common), Err(PasswordError::Common), "{common}");
        }
        for good in [
            "sunshine on 7 hills",
            "four monkeys 77",
            "7 dragons 7 teapots",
            "93 8174 6620 5",
        ] {
            assert_eq!(judge(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn the_longest_password_of_digits_and_signs_is_judged_at_once() {
        let begun = std::time::Instant::now();
        let text = format!("{}q{}", "5!".repeat(32), "4$".repeat(31));
        assert_ne!(judge(&text), Err(PasswordError::TooLong));
        assert!(begun.elapsed() < std::time::Duration::from_secs(5));
    }

    #[test]
    fn the_list_of_words_is_sorted_lower_case_and_short_enough_to_be_looked_for() {
        let lines: Vec<&str> = STEMS.lines().collect();
        assert!(lines.len() >= 300, "{}", lines.len());
        assert!(lines.is_sorted_by(|a, b| a < b));
        for line in lines {
            assert!(line.chars().all(char::is_alphabetic), "{line}");
            assert!(line.chars().count() <= STEM_MAX / 2 + 4, "{line}");
            assert_eq!(line.to_lowercase(), line);
        }
    }

    #[test]
    fn what_is_said_of_a_password_does_not_repeat_it() {
        let error = judge("riversidefamily").expect_err("refused");
        assert!(!error.to_string().to_lowercase().contains("riverside"));
    }
}
