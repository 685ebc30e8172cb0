//! What commands print: answers on standard output, everything else on standard error.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::failure::{Failure, Outcome};
use crate::domain::time::WallTime;

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs: one JSON value.
    Json,
}

/// Where a command prints to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// How answers look.
    pub(crate) format: Format,
    /// Whether notes and progress are left out.
    pub(crate) quiet: bool,
}

impl Output {
    /// Prints an answer: as JSON where asked for, else the text that `text` makes.
    pub(crate) fn answer<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> Outcome {
        match self.format {
            Format::Json => self.json(value),
            Format::Text => self.text(&text()),
        }
    }

    /// Prints a value as one JSON document.
    pub(crate) fn json<T: Serialize>(&self, value: &T) -> Outcome {
        let text = serde_json::to_string_pretty(value).map_err(Failure::error)?;
        self.text(&text)
    }

    /// Prints a value as one line of JSON, for commands that go on printing.
    pub(crate) fn json_line<T: Serialize>(&self, value: &T) -> Outcome {
        let text = serde_json::to_string(value).map_err(Failure::error)?;
        self.text(&text)
    }

    /// Prints text for people, with a line end if it has none.
    pub(crate) fn text(&self, text: &str) -> Outcome {
        let mut out = std::io::stdout().lock();
        let end = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        let printed = write!(out, "{text}{end}").and_then(|()| out.flush());
        match printed {
            // Whoever read us has seen enough, as `head` does.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
            printed => Ok(printed?),
        }
    }

    /// Says something beside the answer.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            complain(text);
        }
    }

    /// Shows that something is under way, from the first second on.
    pub(crate) fn progress(&self, what: &str) -> Progress {
        let shown = match (self.quiet, std::io::stderr().is_terminal()) {
            (true, _) => Shown::Never,
            (false, true) => Shown::Drawn,
            (false, false) => Shown::Once,
        };
        Progress::new(what, shown)
    }

    /// How text may be drawn on standard output.
    pub(crate) fn style(&self) -> Style {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Style {
            colour: !plain && std::io::stdout().is_terminal(),
        }
    }
}

/// Prints a line to standard error.
pub(crate) fn complain(text: &str) {
    // Nowhere to say that standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints why a command failed, and what helps.
pub(crate) fn print_failure(failure: &Failure) {
    complain(&format!("error: {}", failure.message));
    if let Some(remedy) = &failure.remedy {
        complain(&format!("  try: {remedy}"));
    }
}

/// Bold and colours, or neither.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    colour: bool,
}

impl Style {
    /// For headings and names.
    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// For what can be overlooked.
    pub(crate) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// For what is well.
    pub(crate) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// For what needs a look.
    pub(crate) fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.colour {
            return format!("\u{1b}[{code}m{text}\u{1b}[0m");
        }
        text.to_owned()
    }
}

/// A line on the terminal that says what is being waited for.
///
/// Nothing is shown in the first second, and nothing stays behind.
#[derive(Debug)]
pub(crate) struct Progress {
    what: String,
    since: Instant,
    drawn: bool,
    shown: Shown,
}

/// How a wait is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// In one line that changes, where a person looks at a terminal.
    Drawn,
    /// By one line that stays, in a log or to a program.
    Once,
    /// Not at all.
    Never,
}

/// Waits shorter than this are not worth a line.
const PATIENCE: Duration = Duration::from_secs(1);

impl Progress {
    fn new(what: &str, shown: Shown) -> Self {
        Self {
            what: what.to_owned(),
            since: Instant::now(),
            drawn: false,
            shown,
        }
    }

    /// Says how far it is, such as "3 of 20".
    pub(crate) fn at(&mut self, how_far: &str) {
        let seconds = self.since.elapsed().as_secs();
        if self.shown == Shown::Drawn && self.since.elapsed() >= PATIENCE {
            self.drawn = true;
            draw(&format!(
                "\r\u{1b}[K{} … {how_far} ({seconds} s so far)",
                self.what
            ));
        }
    }

    /// Says that it takes long: again and again to a person, once to a log.
    fn wait(&mut self) {
        self.at("waiting");
        if self.shown == Shown::Once {
            self.shown = Shown::Never;
            complain(&format!("{} … this takes longer than usual", self.what));
        }
    }

    /// Waits for something of unknown length, ticking once a second.
    pub(crate) async fn during<T>(mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            match tokio::time::timeout(PATIENCE, &mut work).await {
                Ok(done) => return done,
                Err(_) => self.wait(),
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn {
            draw("\r\u{1b}[K");
        }
    }
}

fn draw(text: &str) {
    let mut out = std::io::stderr().lock();
    // Progress that cannot be drawn is not missed.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A table with a heading, columns as wide as their widest cell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these headings.
    pub(crate) fn new<const N: usize>(headings: [&str; N]) -> Self {
        let mut table = Self::default();
        table.row(headings.map(str::to_owned));
        table
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// Whether nothing stands under the headings.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// The table as text.
    pub(crate) fn show(&self, style: Style) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths);
            let line: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            let line = line.join("  ");
            let line = line.trim_end();
            text.push_str(&if number == 0 {
                style.dim(line)
            } else {
                line.to_owned()
            });
            text.push('\n');
        }
        text
    }
}

/// A moment as people at this machine say it: "14:05" today, else with the date.
pub(crate) fn when(at: WallTime, now: WallTime) -> String {
    let (Some(at), Some(now)) = (local(at), local(now)) else {
        return at.to_string();
    };
    let format = match (at.date() == now.date(), at.year() == now.year()) {
        (true, _) => "%H:%M",
        (false, true) => "%a %e %b %H:%M",
        (false, false) => "%Y-%m-%d %H:%M",
    };
    at.strftime(format).to_string()
}

/// A moment to the minute with its year, in the machine's time zone: for what is looked at long before or after.
pub(crate) fn date(at: WallTime) -> String {
    let shown = local(at).map(|at| at.strftime("%Y-%m-%d %H:%M").to_string());
    shown.unwrap_or_else(|| at.to_string())
}

/// A moment in full, in the machine's time zone.
pub(crate) fn when_exactly(at: WallTime) -> String {
    let shown = local(at).map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string());
    shown.unwrap_or_else(|| at.to_string())
}

fn local(at: WallTime) -> Option<jiff::Zoned> {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(at.0).ok()?).ok()?;
    Some(at.to_zoned(jiff::tz::TimeZone::system()))
}

/// The time of day of a moment, as people at this machine say it.
pub(crate) fn clock_time(at: WallTime) -> String {
    local(at).map_or_else(|| at.to_string(), |at| at.strftime("%H:%M").to_string())
}

/// The day of a moment, as people at this machine say it.
pub(crate) fn day_name(at: WallTime, now: WallTime) -> String {
    let (Some(at), Some(now)) = (local(at), local(now)) else {
        return at.day().to_string();
    };
    if at.date() == now.date() {
        return "today".to_owned();
    }
    let format = if at.year() == now.year() {
        "%A, %e %B"
    } else {
        "%A, %e %B %Y"
    };
    at.strftime(format).to_string()
}

/// Text by others, made safe for a terminal: nothing in it moves the cursor or reverses the line.
pub(crate) fn plain(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let shown = text.chars().map(|c| match c {
        '\n' => '\n',
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        '\u{200e}' | '\u{200f}' | '\u{061c}' => '\u{fffd}',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => '\u{fffd}',
        c => c,
    });
    shown.collect()
}

/// Cuts text into lines of at most `width` characters, between words where there are any.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let mut word: Vec<char> = word.chars().collect();
            let length = line.chars().count();
            if length > 0 && length + 1 + word.len() > width {
                lines.push(std::mem::take(&mut line));
            } else if length > 0 {
                line.push(' ');
            }
            while word.len() > width {
                let rest = word.split_off(width);
                lines.push(word.into_iter().collect());
                word = rest;
            }
            line.extend(word);
        }
        lines.push(line);
    }
    lines
}

/// Columns of the terminal; 80 where there is none.
pub(crate) fn screen_width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    let columns = size.map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 {
        80
    } else {
        columns.min(WIDEST)
    }
}

/// Lines of the terminal; as many as anybody needs where there is none.
pub(crate) fn screen_height() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    let rows = size.map_or(0, |size| usize::from(size.ws_row));
    if rows == 0 { usize::MAX } else { rows }
}

/// Longest line of text: longer ones are hard to read.
const WIDEST: usize = 100;

/// How long something took or will take, in two units at most.
pub(crate) fn how_long(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A word as it is typed: in quotation marks where a shell would take it apart.
pub(crate) fn typed(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-=,:".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A path as it is typed.
pub(crate) fn typed_path(path: &Path) -> String {
    typed(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_shown_as_one_types_it() {
        assert_eq!(typed("/tmp/new-1.toml"), "/tmp/new-1.toml");
        assert_eq!(typed("room_days=7"), "room_days=7");
        assert_eq!(typed("Ana's new.toml"), r"'Ana'\''s new.toml'");
        assert_eq!(
            typed_path(Path::new("/my clinic/front")),
            "'/my clinic/front'"
        );
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["OFFICE", "STATE"]);
        assert!(table.is_empty());
        table.row(["front-desk".into(), "connected".into()]);
        table.row(["Núñez".into(), "away".into()]);
        assert_eq!(
            table.show(Style::default()),
            "OFFICE      STATE\nfront-desk  connected\nNúñez       away\n"
        );
    }

    #[test]
    fn text_is_cut_between_words_and_a_word_that_is_too_long_inside_it() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a\n\nb", 7), ["a", "", "b"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn spans_are_said_in_the_unit_that_fits() {
        let said = |seconds| how_long(Duration::from_secs(seconds));
        assert_eq!(said(5), "5 s");
        assert_eq!(said(600), "10 min");
        assert_eq!(said(3_700), "1 h 1 min");
        assert_eq!(said(200_000), "2 days");
    }
}
