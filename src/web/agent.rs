//! What kind of browser on what kind of system calls, in words of our own: nothing that a browser says of
//! itself is kept or shown as it came.

use std::fmt;

use axum::http::{HeaderMap, header};

/// How much of what a browser says of itself is looked at: the names stand well before that.
const LOOKED_AT: usize = 512;

/// Marks of browsers. Most claim to be others as well, so the more particular ones come first.
const BROWSERS: [(&str, &str); 8] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Marks of systems; Android says that it is Linux, and an iPhone that it is like a Mac.
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// A browser, coarsely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agent {
    browser: Option<&'static str>,
    system: Option<&'static str>,
}

impl Agent {
    /// Who calls, as far as the request says so.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        Self::from_text(headers.get(header::USER_AGENT)?.as_bytes())
    }

    fn from_text(text: &[u8]) -> Option<Self> {
        let text = &text[..text.len().min(LOOKED_AT)];
        let named = |marks: &[(&str, &'static str)]| {
            let says = |mark: &str| text.windows(mark.len()).any(|part| part == mark.as_bytes());
            let found = marks.iter().find(|(mark, _)| says(mark));
            found.map(|(_, name)| *name)
        };
        let (browser, system) = (named(&BROWSERS), named(&SYSTEMS));
        (browser.is_some() || system.is_some()).then_some(Self { browser, system })
    }
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.browser.unwrap_or("a browser"))?;
        match self.system {
            Some(system) => write!(f, " on {system}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Option<String> {
        Agent::from_text(text.as_bytes()).map(|agent| agent.to_string())
    }

    #[test]
    fn browsers_are_told_apart_although_most_claim_to_be_others() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
            Chrome/126.0.0.0 Safari/537.36";
        for (says, is) in [
            (chrome.to_owned(), "Chrome on Linux"),
            (format!("{chrome} Edg/126.0"), "Edge on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
                    .to_owned(),
                "Firefox on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 \
                 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
                    .to_owned(),
                "Safari on an iPhone",
            ),
            ("Something on Android".to_owned(), "a browser on Android"),
            ("Firefox/1".to_owned(), "Firefox"),
        ] {
            assert_eq!(named(&says).as_deref(), Some(is), "{says}");
        }
    }

    #[test]
    fn nothing_that_a_browser_says_of_itself_is_repeated() {
        assert_eq!(named("<b>curl</b>"), None);
        assert_eq!(named(""), None);
        let hostile = format!("<script>\u{202e}Firefox/1{}Windows", "x".repeat(LOOKED_AT));
        assert_eq!(named(&hostile).as_deref(), Some("Firefox"));
    }
}
