//! What must not be seen, in every form in which it could show.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Bytes of a key whose appearance as a list of numbers gives it away: chance does not make eight.
const LISTED: usize = 8;

/// Whom something is kept from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// From everybody who reads a log line or an error.
    Secret,
    /// From log lines. An error may name whom the command named.
    OutOfLogs,
}

/// One thing that must not be seen.
struct Marker {
    what: &'static str,
    kept: Kept,
    forms: Vec<String>,
}

/// Everything that must not be seen.
#[derive(Default)]
pub(crate) struct Markers(Vec<Marker>);

impl Markers {
    /// A text that somebody typed, wrote or was given.
    pub(crate) fn text(&mut self, what: &'static str, kept: Kept, text: &str) {
        assert!(
            text.len() >= 5,
            "{what} is too short to be told from chance"
        );
        let bytes = text.as_bytes();
        let plain: String = text.chars().filter(|c| *c != '-').collect();
        let mut forms = vec![
            text.to_owned(),
            format!("{text:?}").trim_matches('"').to_owned(),
            text.escape_default().to_string(),
            plain,
        ];
        forms.extend(encodings(bytes));
        self.add(what, kept, forms);
    }

    /// A key.
    pub(crate) fn key(&mut self, what: &'static str, bytes: &[u8]) {
        assert!(
            bytes.len() >= LISTED,
            "{what} is too short to be told from chance"
        );
        let mut forms = encodings(bytes);
        forms.push(String::from_utf8_lossy(bytes).into_owned());
        forms.push(bytes.escape_ascii().to_string());
        self.add(what, Kept::Secret, forms);
    }

    fn add(&mut self, what: &'static str, kept: Kept, forms: Vec<String>) {
        let forms = forms.iter().map(|form| form.to_ascii_lowercase()).collect();
        self.0.push(Marker { what, kept, forms });
    }

    /// What is seen in log lines, with the line.
    pub(crate) fn in_logs(&self, lines: &str) -> Vec<String> {
        self.seen(lines, |_| true)
    }

    /// What is seen in errors that whoever asked is shown.
    pub(crate) fn in_errors(&self, lines: &str) -> Vec<String> {
        self.seen(lines, |kept| kept == Kept::Secret)
    }

    fn seen(&self, lines: &str, counts: impl Fn(Kept) -> bool) -> Vec<String> {
        let mut seen = Vec::new();
        for line in lines.lines() {
            let lower = line.to_ascii_lowercase();
            for marker in self.0.iter().filter(|marker| counts(marker.kept)) {
                if marker.forms.iter().any(|form| lower.contains(form)) {
                    seen.push(format!("{}: {line}", marker.what));
                }
            }
        }
        seen
    }
}

/// How bytes are written when somebody prints them.
fn encodings(bytes: &[u8]) -> Vec<String> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let list: Vec<String> = bytes.iter().take(LISTED).map(u8::to_string).collect();
    // The last letter of base64 depends on what follows.
    let whole = |text: String| text[..text.len() - 1].to_owned();
    [
        hex,
        list.join(", "),
        whole(STANDARD_NO_PAD.encode(bytes)),
        whole(URL_SAFE_NO_PAD.encode(bytes)),
    ]
    .into()
}

#[test]
fn a_marker_is_seen_in_every_form_it_is_printed_in() {
    let mut markers = Markers::default();
    let key: [u8; 32] = std::array::from_fn(|n| 200 + n as u8);
    markers.key("a key", &key);
    markers.text("a word", Kept::Secret, "Núñez's \"bed\"");
    markers.text("a code", Kept::Secret, "ABCD-EFGH-1234");
    markers.text("a name", Kept::OutOfLogs, "Zelda");
    let shown = [
        format!("key={key:?}"),
        format!("key={:?}", bytes_of(&key)),
        STANDARD_NO_PAD.encode(key),
        key.iter().map(|byte| format!("{byte:02X}")).collect(),
        format!("text={:?}", "is Núñez's \"bed\" free"),
        format!("body={:?}", "Núñez's \"bed\"".as_bytes()),
        "code abcdefgh1234".to_owned(),
    ];
    for line in shown {
        assert_eq!(markers.in_errors(&line).len(), 1, "{line}");
    }
    assert_eq!(markers.in_logs("by zelda").len(), 1);
    assert!(markers.in_errors("by Zelda").is_empty());
    assert!(markers.in_logs("a line like any other").is_empty());
}

/// Bytes as the libraries below show them.
#[cfg(test)]
fn bytes_of(key: &[u8]) -> hyper::body::Bytes {
    hyper::body::Bytes::copy_from_slice(key)
}
