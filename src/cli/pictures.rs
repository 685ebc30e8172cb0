//! Files that pass from one machine's screen to another's scanner.

use std::io::{BufRead as _, IsTerminal as _, Read as _};

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use super::admin::split;
use super::output::screen_height;
use super::{Context, Failure, Format, Outcome};
use crate::domain::parts::{self, Gathering, LARGE, PARTS_MAX, PartError, SMALL};

/// Lines of a terminal that a picture of [`LARGE`] needs, with what stands below it.
const LARGE_LINES: usize = 38;

/// Longest line that is read from a scanner, and how many are: every part many times over.
const LINE_MAX: u64 = 1024;
const LINES_MAX: usize = 20 * PARTS_MAX;

/// The lines whose pictures show a file on this terminal.
pub(crate) fn lines(file: &[u8]) -> Result<Vec<String>, Failure> {
    let bytes = if screen_height() >= LARGE_LINES {
        LARGE
    } else {
        SMALL
    };
    // What is too long in small pictures may still do in large ones, on a higher terminal.
    Ok(parts::of_file(file, bytes).or_else(|_| parts::of_file(file, LARGE))?)
}

/// Shows lines as pictures, one after the other; `to` is who scans them.
///
/// Programs have the lines in the answer instead.
pub(crate) fn show(context: &Context, lines: &[String], to: &str) -> Outcome {
    if context.output.format == Format::Json || lines.is_empty() {
        return Ok(());
    }
    if std::io::stdin().is_terminal() {
        return turn_pages(context, lines, to);
    }
    for (number, line) in (1..).zip(lines) {
        context.output.text(&page(line, number, lines.len()))?;
    }
    Ok(())
}

/// Goes through the pictures as the person at the terminal says.
fn turn_pages(context: &Context, lines: &[String], to: &str) -> Outcome {
    let mut number = 1;
    loop {
        context
            .output
            .text(&page(&lines[number - 1], number, lines.len()))?;
        context.output.note(&format!(
            "Scan this with {to}. Enter shows the next, a number that one, q ends."
        ));
        let mut said = String::new();
        let read = std::io::stdin()
            .lock()
            .take(LINE_MAX)
            .read_line(&mut said)?;
        match said.trim() {
            _ if read == 0 => return Ok(()),
            "q" => return Ok(()),
            "" => number = number % lines.len() + 1,
            other => match other.parse() {
                Ok(asked) if (1..=lines.len()).contains(&asked) => number = asked,
                _ => context
                    .output
                    .note(&format!("There are 1 to {}.", lines.len())),
            },
        }
    }
}

fn page(line: &str, number: usize, count: usize) -> String {
    format!("{}\n{number} of {count}\n", picture(line))
}

/// A text as a QR code of half blocks, light on dark like the terminal around it.
pub(crate) fn picture(text: &str) -> String {
    match QrCode::with_error_correction_level(text, EcLevel::L) {
        Ok(qr) => qr
            .render::<Dense1x2>()
            .dark_color(Dense1x2::Light)
            .light_color(Dense1x2::Dark)
            .build(),
        Err(_) => String::new(),
    }
}

/// Takes a file from a scanner that types what it reads, until every part of it is there.
///
/// `limit` is the most bytes that such a file has.
pub(crate) fn scan(context: &Context, limit: usize) -> Result<Vec<u8>, Failure> {
    context
        .output
        .note("Scan the pictures on the other screen, in any order.");
    let mut gathering = Gathering::default();
    let mut input = std::io::stdin().lock();
    for _ in 0..LINES_MAX {
        let mut line = String::new();
        // A scanner of another layout may type what is no text; that is no part either.
        let read = input.by_ref().take(LINE_MAX).read_line(&mut line);
        match read {
            Ok(0) => return Err(unfinished(&gathering)),
            Ok(_) if line.trim().is_empty() => continue,
            Ok(_) => take(context, &mut gathering, &line),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                tell(context, &PartError::NotAPart);
            }
            Err(error) => return Err(error.into()),
        }
        if let Some(file) = gathering.file()? {
            return if file.len() <= limit {
                Ok(file)
            } else {
                Err(Failure::refused(
                    "what was scanned is longer than such a file can be",
                ))
            };
        }
    }
    Err(
        Failure::refused(format!("{LINES_MAX} lines were read and it is not whole"))
            .remedy("take the file on a stick"),
    )
}

fn take(context: &Context, gathering: &mut Gathering, line: &str) {
    match gathering.take(line) {
        Ok(()) => match &gathering.missing()[..] {
            [] => {}
            missing => context.output.note(&format!("taken; {}", still(missing))),
        },
        Err(why) => tell(context, &why),
    }
}

fn tell(context: &Context, why: &PartError) {
    context.output.note(&format!("not taken: {why}"));
}

/// The parts that are missing, the first few by number.
fn still(missing: &[usize]) -> String {
    let named: Vec<String> = missing.iter().take(8).map(ToString::to_string).collect();
    let more = if missing.len() > named.len() {
        " …"
    } else {
        ""
    };
    format!("still missing {}{more}", named.join(", "))
}

fn unfinished(gathering: &Gathering) -> Failure {
    match &gathering.missing()[..] {
        [] => Failure::usage("nothing was scanned"),
        missing => Failure::refused(format!("it is not whole: {}", still(missing))),
    }
    .remedy("run the command again and scan every picture")
}

impl From<PartError> for Failure {
    fn from(error: PartError) -> Self {
        let (message, remedy) = split(&error.to_string());
        let failure = Self::refused(message);
        match remedy {
            Some(remedy) => failure.remedy(remedy),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_fits_the_terminal_it_is_made_for() {
        for (bytes, lines, columns) in [(SMALL, 23, 80), (LARGE, LARGE_LINES - 2, 80)] {
            for line in parts::of_file(&[0xa5; 2000], bytes).expect("short") {
                let picture = picture(&line);
                assert!(picture.lines().count() <= lines, "{bytes}: {picture}");
                assert!(picture.lines().all(|line| line.chars().count() <= columns));
            }
        }
    }

    #[test]
    fn the_first_few_of_what_is_missing_are_named() {
        assert_eq!(still(&[2, 3]), "still missing 2, 3");
        let many: Vec<usize> = (1..=20).collect();
        assert_eq!(still(&many), "still missing 1, 2, 3, 4, 5, 6, 7, 8 …");
    }
}
