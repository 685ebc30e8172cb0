//! Names of people, offices, devices and rooms.

use std::fmt;

use minicbor::{Decode, Encode};
use unicode_normalization::is_nfc;

/// Longest name in bytes: fits a screen line and a certificate.
pub const NAME_MAX: usize = 64;

/// A name safe to show: NFC, without control, bidi-override or zero-width characters.
///
/// Two names that look alike because of invisible or reordering characters cannot both exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
#[cbor(transparent)]
pub struct Name(#[n(0)] String);

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing, or only spaces at an end.
    #[error("a name needs at least one character and no space at either end")]
    Blank,
    /// Longer than [`NAME_MAX`].
    #[error("a name has at most {NAME_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// The text is not in Unicode normal form C.
    #[error("a name must be in Unicode normal form C")]
    NotNormal,
    /// A control, bidi-override, zero-width or other invisible character.
    #[error("a name must not hold the invisible character U+{0:04X}")]
    Invisible(u32),
}

impl Name {
    /// Checks `text` and takes it as it is.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        if text.is_empty() || text.trim() != text {
            return Err(NameError::Blank);
        }
        if text.len() > NAME_MAX {
            return Err(NameError::TooLong(text.len()));
        }
        if let Some(bad) = text.chars().find(|c| is_invisible(*c)) {
            return Err(NameError::Invisible(bad.into()));
        }
        if !is_nfc(&text) {
            return Err(NameError::NotNormal);
        }
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a character draws nothing or changes how its neighbours are drawn.
///
/// Control and format characters, spaces other than the plain one, line separators, variation
/// selectors, fillers and the tag block.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || c.is_whitespace() && c != ' '
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
            | '\u{2800}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl<'b, C> Decode<'b, C> for Name {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::new(d.str()?).map_err(|_| minicbor::decode::Error::message("not a name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_in_any_script_are_fine() {
        for name in ["Dr. Ana Núñez", "Ward 2", "Ελένη", "看護師", "O'Neil-Smith"] {
            assert!(Name::new(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_bidi_override_in_a_name_is_refused() {
        assert_eq!(
            Name::new("Dr \u{202E}ana"),
            Err(NameError::Invisible(0x202E))
        );
    }

    #[test]
    fn invisible_control_long_blank_and_unnormalised_names_are_refused() {
        assert_eq!(Name::new("a\u{200B}b"), Err(NameError::Invisible(0x200B)));
        assert_eq!(Name::new("a\nb"), Err(NameError::Invisible(10)));
        assert_eq!(Name::new("a\u{A0}b"), Err(NameError::Invisible(0xA0)));
        assert_eq!(Name::new("x".repeat(65)), Err(NameError::TooLong(65)));
        assert_eq!(Name::new(" x"), Err(NameError::Blank));
        assert_eq!(Name::new(""), Err(NameError::Blank));
        assert_eq!(Name::new("e\u{301}"), Err(NameError::NotNormal));
    }
}
