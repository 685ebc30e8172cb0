//! What a password must be: long, and not one that everybody tries first.
//!
//! Length over composition, as NIST SP 800-63B advises: no rule about digits or signs, no expiry.

use unicode_normalization::UnicodeNormalization as _;

/// Fewest characters.
///
/// Twelve: a short sentence, or four common words. Throttling makes guessing at the door hopeless;
/// the length is for whoever has stolen the hashes.
pub const LEAST: usize = 12;

/// Most bytes, so that hashing costs the same whatever is typed.
pub const MOST_BYTES: usize = 256;

/// Fewest different characters.
const DIFFERENT: usize = 5;

/// Shortest name that a password may not contain; shorter ones occur in ordinary words.
const NAME_LEAST: usize = 3;

/// Why a password is not good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too few characters.
    #[error("a password has at least {LEAST} characters; three or four words do well")]
    TooShort,
    /// More bytes than are hashed.
    #[error("a password has at most {MOST_BYTES} bytes; choose a shorter one")]
    TooLong,
    /// Nearly the same character throughout, or a run along the keyboard.
    #[error("this password repeats itself; three or four unrelated words do well")]
    Monotonous,
    /// Among those that are tried first.
    #[error("this password is among the first that anyone would try; choose another one")]
    Common,
    /// Contains a name that everyone around knows.
    #[error("a password must not contain the name of a person, an office or the clinic")]
    Named,
}

/// The one form in which a password is hashed, so that every keyboard gives the same.
pub fn normal(password: &str) -> String {
    password.nfkc().collect()
}

/// Checks a password that somebody wants to have; `names` are those that everyone around knows.
pub fn check<'a>(
    password: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<(), PasswordError> {
    let password = normal(password);
    if password.chars().count() < LEAST {
        return Err(PasswordError::TooShort);
    }
    if password.len() > MOST_BYTES {
        return Err(PasswordError::TooLong);
    }
    let plain = password.to_lowercase();
    if is_monotonous(&plain) {
        return Err(PasswordError::Monotonous);
    }
    if is_common(&plain) {
        return Err(PasswordError::Common);
    }
    if names.into_iter().any(|name| contains_name(&plain, name)) {
        return Err(PasswordError::Named);
    }
    Ok(())
}

fn is_monotonous(plain: &str) -> bool {
    let different: std::collections::BTreeSet<char> = plain.chars().collect();
    different.len() < DIFFERENT || RUNS.iter().any(|run| covers(run, plain))
}

/// Whether the password is only a stretch of a run, forwards or backwards.
fn covers(run: &str, plain: &str) -> bool {
    let doubled = run.repeat(4);
    let backwards: String = doubled.chars().rev().collect();
    doubled.contains(plain) || backwards.contains(plain)
}

fn is_common(plain: &str) -> bool {
    let letters: String = plain.chars().filter(|c| c.is_alphanumeric()).collect();
    let stem = letters.trim_end_matches(|c: char| c.is_ascii_digit());
    COMMON.contains(&letters.as_str()) || COMMON.contains(&stem) || is_repeated_word(stem)
}

/// Whether a text is one short word twice or more.
fn is_repeated_word(text: &str) -> bool {
    let length = text.len();
    (1..=length / 2)
        .filter(|part| length.is_multiple_of(*part) && text.is_char_boundary(*part))
        .any(|part| text[..part].repeat(length / part) == text)
}

/// Whether a name stands in a password: the whole name, or one of its words if that is most of it.
fn contains_name(plain: &str, name: &str) -> bool {
    let name = normal(name).to_lowercase();
    let squeezed: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
    let letters: String = plain.chars().filter(|c| c.is_alphanumeric()).collect();
    let whole = squeezed.chars().count() > NAME_LEAST && letters.contains(&squeezed);
    let most = |word: &str| {
        word.chars().count() >= NAME_LEAST
            && letters.contains(word)
            && letters.chars().count() - word.chars().count() < LEAST / 2
    };
    whole || name.split(|c: char| !c.is_alphanumeric()).any(most)
}

/// Rows of the keyboard and of the alphabet.
const RUNS: [&str; 6] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "1q2w3e4r5t6y7u8i9o0p",
];

/// What is tried first, without signs and trailing digits. Shorter ones fail by their length.
const COMMON: [&str; 45] = [
    "password",
    "passwordpassword",
    "mypassword",
    "newpassword",
    "changeme",
    "changemenow",
    "changemeplease",
    "letmein",
    "letmeinplease",
    "letmeinnow",
    "iloveyou",
    "iloveyousomuch",
    "iloveyouforever",
    "welcome",
    "welcometowork",
    "welcomeback",
    "welcomehome",
    "administrator",
    "superadministrator",
    "superuser",
    "qwertyqwerty",
    "qwertyuiop",
    "asdfghjkl",
    "unbelievable",
    "hospital",
    "hospitalhospital",
    "doctordoctor",
    "clinicclinic",
    "clinic",
    "healthcare",
    "reception",
    "receptionist",
    "frontdesk",
    "thisismypassword",
    "thisisapassword",
    "correcthorsebatterystaple",
    "trustnoone",
    "opensesame",
    "manchesterunited",
    "chocolatecake",
    "happybirthday",
    "summertime",
    "sunshine",
    "princess",
    "footballfootball",
];

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["Ana Núñez", "Front Desk", "Harbour Clinic"];

    fn judged(password: &str) -> Result<(), PasswordError> {
        check(password, NAMES)
    }

    #[test]
    fn a_few_unrelated_words_are_a_good_password() {
        for good in [
            "lamp violin tuesday",
            "moss-kettle-arrow",
            "päivää kahvi sata",
            "Xk9#mv2Lq$7p",
        ] {
            assert_eq!(judged(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn short_long_monotonous_common_and_named_ones_are_refused() {
        let long = "lamp violin ".repeat(30);
        for (bad, why) in [
            ("short", PasswordError::TooShort),
            (long.as_str(), PasswordError::TooLong),
            ("aaaaabbbbbaaaa", PasswordError::Monotonous),
            ("qwertyuiopas", PasswordError::Monotonous),
            ("987654321098", PasswordError::Monotonous),
            ("Password-2026!", PasswordError::Common),
            ("correct horse battery staple", PasswordError::Common),
            ("kettlekettle1", PasswordError::Common),
            ("frontdesk-2026", PasswordError::Common),
            ("harbourclinic 7 x", PasswordError::Named),
            ("núñez-1234-ab", PasswordError::Named),
            ("NÚÑEZ#20262026", PasswordError::Named),
        ] {
            assert_eq!(judged(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn the_same_password_from_another_keyboard_is_the_same() {
        assert_eq!(normal("e\u{301}t\u{e9}"), normal("\u{e9}te\u{301}"));
    }
}
