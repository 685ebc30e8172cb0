//! `authority shares`: the root key on several sheets of paper, and the yearly drill.

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::api::moment::Moment;
use crate::authority::{self, DRILL_LIFE, SHARES_MAX, Seen, Share, ShareTyping, Sheets, grouped};
use crate::cli::admin::{AuthorityDir, RootKey};
use crate::cli::output::when_exactly;
use crate::cli::{Context, Failure, Format, Outcome};
use crate::platform::files;

/// The root key on several sheets of paper, so many of which bring it back
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Shares {
    Make(Make),
    Check(Check),
}

impl Shares {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        match self {
            Self::Make(command) => command.run(context),
            Self::Check(command) => command.run(context),
        }
    }
}

/// Make recovery shares of the root key: one sheet for each keeper
///
/// Any two of three bring the root key back, unless said otherwise; fewer are worth nothing. Shares
/// made earlier go on working until their sheets are destroyed.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Make {
    /// How many sheets are needed to bring the root key back
    #[arg(long, value_name = "NUMBER", default_value_t = Sheets::USUAL.threshold)]
    needed: u8,

    /// How many sheets are made
    #[arg(long, value_name = "NUMBER", default_value_t = Sheets::USUAL.count)]
    count: u8,

    /// Write a file for each sheet into DIR instead of printing them; print those, then destroy them
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    out: Option<PathBuf>,

    #[command(flatten)]
    dir: AuthorityDir,

    #[command(flatten)]
    root: RootKey,
}

#[derive(Serialize)]
struct MadeAnswer {
    set: String,
    needed: u8,
    count: u8,
    files: Vec<PathBuf>,
}

impl Make {
    fn run(&self, context: &Context) -> Outcome {
        if context.output.format == Format::Json && self.out.is_none() {
            return Err(
                Failure::usage("with --json the sheets need a directory").remedy("add --out DIR")
            );
        }
        if let Some(dir) = &self.out {
            check_no_sheets(dir)?;
        }
        let mut root = self.root.open(&self.dir.path())?;
        let sheets = Sheets {
            threshold: self.needed,
            count: self.count,
        };
        let on_screen = self.out.is_none() && std::io::stdout().is_terminal();
        let seen = if on_screen {
            Seen::OnScreen
        } else {
            Seen::OnPaper
        };
        let made = root.make_shares(sheets, seen, context.clock.now())?;
        let answer = MadeAnswer {
            set: made.set.to_string(),
            needed: self.needed,
            count: self.count,
            files: self.hand_out(context, &made.set.to_string(), &made.pages)?,
        };
        context
            .output
            .answer(&answer, || context.typed(&self.text(&answer)))
    }

    /// The pages go out before anything else is said: they cannot be had again.
    fn hand_out(
        &self,
        context: &Context,
        set: &str,
        pages: &[Zeroizing<String>],
    ) -> Result<Vec<PathBuf>, Failure> {
        let Some(dir) = &self.out else {
            // A form feed ends a sheet, so that a printer gives each its own.
            let printed = |page: &Zeroizing<String>| {
                context
                    .output
                    .text(&Zeroizing::new(format!("{}\u{c}\n", **page)))
            };
            pages.iter().try_for_each(printed)?;
            return Ok(Vec::new());
        };
        files::ensure_dir(dir)?;
        let mut written = Vec::new();
        for (number, page) in (1..).zip(pages) {
            let path = dir.join(format!("share-{set}-{number}.txt"));
            let mut file = files::create(&path)?;
            file.write_all(page.as_bytes())?;
            file.sync_all()?;
            written.push(path);
        }
        Ok(written)
    }

    fn text(&self, answer: &MadeAnswer) -> String {
        let where_to = match &self.out {
            Some(dir) => format!(
                "Print the {} files in {} now, then destroy the files.",
                answer.count,
                dir.display()
            ),
            None => "Print the sheets above now, then clear the screen.".to_owned(),
        };
        format!(
            "{} shares of set {} are made; {} of them bring the root key back.\n\n\
             {where_to}\n\
             Give each to another person, and destroy the sheets of every earlier set.\n\
             Then try them: `clinic-mesh authority shares check`\n",
            answer.count, answer.set, answer.needed
        )
    }
}

/// Refuses a folder that has sheets: whoever printed it later would hand out those of two sets, and each
/// person would hold half a pair.
fn check_no_sheets(dir: &Path) -> Outcome {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| files::FileError::of(dir, error))?,
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let sets: BTreeSet<String> = names.filter_map(|name| set_of(&name)).collect();
    let Some(set) = sets.first() else {
        return Ok(());
    };
    let sets = sets.iter().map(String::as_str).collect::<Vec<_>>();
    Err(Failure::refused(format!(
        "{} has sheets already, of set {}",
        dir.display(),
        sets.join(" and set ")
    ))
    .remedy(format!(
        "name another folder with --out DIR, or destroy the files share-{set}-*.txt there first; sheets that \
         were printed of them go on working until they are destroyed, too"
    )))
}

/// The set of a sheet, by its file's name.
fn set_of(name: &str) -> Option<String> {
    let set = name.strip_prefix("share-")?.strip_suffix(".txt")?;
    Some(set.rsplit_once('-')?.0.to_owned())
}

/// Try the recovery shares: the yearly drill; no key is written anywhere
///
/// Type the words of as many sheets as are needed. When they would bring back this clinic's root key,
/// the date is noted in the authority's directory.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Check {
    #[command(flatten)]
    dir: AuthorityDir,
}

#[derive(Serialize)]
struct Checked {
    clinic: String,
    set: String,
    shares: Vec<u8>,
    noted: bool,
    next: Option<Moment>,
}

impl Check {
    fn run(&self, context: &Context) -> Outcome {
        let now = context.clock.now();
        let shares = type_shares(context)?;
        let drilled = authority::check_shares(&self.dir.path(), &shares, now)?;
        let answer = Checked {
            clinic: drilled.clinic.to_string(),
            set: drilled.set.to_string(),
            shares: shares.iter().map(Share::number).collect(),
            noted: drilled.newer.is_none(),
            next: drilled.newer.is_none().then(|| now.plus(DRILL_LIFE).into()),
        };
        context.output.answer(&answer, || {
            let numbers: Vec<_> = answer.shares.iter().map(u8::to_string).collect();
            let proven = format!(
                "Shares {} of set {} would bring back the root key of this clinic:\n    {}\n\n\
                 Nothing was written but the date of this drill",
                numbers.join(" and "),
                answer.set,
                grouped(&drilled.clinic),
            );
            match &drilled.newer {
                None => format!(
                    "{proven}. The next is due {}.\n",
                    when_exactly(now.plus(DRILL_LIFE))
                ),
                Some(newer) => format!(
                    "{}, and not even that: set {} was made later.\n\
                     Try the sheets of that set, and destroy the ones of this.\n",
                    proven.trim_end_matches(" but the date of this drill"),
                    newer.set()
                ),
            }
        })
    }
}

/// Most bytes that are read from a pipe: as many shares as there can be, generously spaced.
const TYPED_MAX: u64 = SHARES_MAX as u64 * 1024;

/// Shares from the terminal, each line judged as it is typed; or everything from a pipe.
pub(super) fn type_shares(context: &Context) -> Result<Vec<Share>, Failure> {
    let mut typing = ShareTyping::new();
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        let mut text = Zeroizing::new(String::with_capacity(TYPED_MAX as usize));
        stdin.lock().take(TYPED_MAX).read_to_string(&mut text)?;
        check_given(&text)?;
        for line in text.lines() {
            typing.line(line).map_err(refused)?;
        }
        return typing.finish().map_err(refused);
    }
    context.output.note(
        "Type the five lines of words of each share, each with Enter; four letters of a word are enough.",
    );
    while typing.wants_more() {
        let (share, line) = typing.place();
        context.output.note(&format!("Share {share}, line {line}:"));
        let mut typed = Zeroizing::new(String::with_capacity(256));
        if stdin.lock().take(1024).read_line(&mut typed)? == 0 {
            break;
        }
        if let Err(error) = typing.line(&typed) {
            context.output.note(&error.to_string());
        }
    }
    context
        .output
        .note("Clear the screen afterwards: the words stand on it.");
    typing.finish().map_err(refused)
}

/// Says what is missing where a script, or a service, has given nothing.
fn check_given(text: &str) -> Outcome {
    if !text.trim().is_empty() {
        return Ok(());
    }
    Err(Failure::usage("no words of shares were given").remedy(
        "run it at a terminal and type them, or give the words of the sheets on standard input",
    ))
}

fn refused(error: authority::ShareError) -> Failure {
    authority::AuthorityError::from(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_has_sheets_takes_no_second_set() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        assert_eq!(check_no_sheets(&dir.path().join("not-there")), Ok(()));
        std::fs::write(dir.path().join("notes.txt"), "").expect("written");
        assert_eq!(check_no_sheets(dir.path()), Ok(()));
        std::fs::write(dir.path().join("share-a1b2c3-2.txt"), "").expect("written");
        let refused = check_no_sheets(dir.path()).expect_err("sheets of another set");
        assert!(refused.message.contains("set a1b2c3"), "{refused}");
        let remedy = refused.remedy.expect("one");
        assert!(remedy.contains("share-a1b2c3-*.txt"), "{remedy}");
    }

    #[test]
    fn whoever_gives_no_words_hears_where_they_are_typed() {
        let missing = check_given(" \n").expect_err("nothing");
        assert!(missing.remedy.is_some_and(|how| how.contains("terminal")));
        assert_eq!(check_given("word"), Ok(()));
    }
}
