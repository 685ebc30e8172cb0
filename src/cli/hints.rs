//! Commands that are shown to be typed next, as they have to be typed here.
//!
//! Whoever called a command with `--dir`, `--authority`, `--as` or a key has to give the same to the next one.
//! Texts name commands without flags; [`InUse::fill`] adds those that this process was called with and the
//! named command takes. What came from the environment comes from there again and is not repeated.

use std::ffi::OsStr;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::failure::Failure;
use super::output::{typed, typed_path};

/// The flag of every command; it stands in front of the noun.
const DIR: &str = "dir";

/// Flags that the next command needs as well, where it takes them.
const CARRIED: [&str; 5] = [DIR, "authority", "as", "key-file", "passphrase-file"];

/// What every command begins with.
const PROGRAM: &str = "clinic-mesh ";

/// What follows a command that is not to be typed at this machine, or not at all: behind its quotation mark, or
/// behind the line that it has to itself.
const NOT_HERE: [&str; 7] = [
    " there",
    " on ",
    " at ",
    " elsewhere",
    " printed",
    " made",
    "on their machines",
];

/// One flag that this process was called with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Flag {
    long: &'static str,
    /// The parser's name: two flags of one spelling can mean two things.
    id: String,
    /// The value as it is typed.
    value: String,
}

/// The flags that this process was called with and that the next command needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InUse {
    flags: Vec<Flag>,
}

impl InUse {
    /// What was given on the command line; `root` is the whole parser, `matches` what it made of the line.
    pub(super) fn of(root: &Command, matches: &ArgMatches) -> Self {
        let (mut command, mut matches) = (root, matches);
        while let Some((name, sub)) = matches.subcommand() {
            command = command.find_subcommand(name).unwrap_or(command);
            matches = sub;
        }
        let given = |long: &'static str| {
            let mut arguments = command.get_arguments().chain(root.get_arguments());
            let id = arguments
                .find(|argument| argument.get_long() == Some(long))?
                .get_id()
                .to_string();
            let typed_here = matches.value_source(&id) == Some(ValueSource::CommandLine);
            let value = matches.get_raw(&id).filter(|_| typed_here)?.next()?;
            let value = typed(&value.to_string_lossy());
            Some(Flag { long, id, value })
        };
        let flags = CARRIED.into_iter().filter_map(given).collect();
        Self { flags }
    }

    /// The same, naming the node's directory even where it is the usual one.
    pub(crate) fn in_dir(&self, dir: &Path) -> Self {
        let flag = Flag {
            long: DIR,
            id: String::new(),
            value: typed_path(dir),
        };
        let others = self.flags.iter().filter(|flag| flag.long != DIR).cloned();
        let flags = std::iter::once(flag).chain(others).collect();
        Self { flags }
    }

    /// The text with the flags in use added to every command in it that is to be typed here.
    pub(crate) fn fill(&self, text: &str) -> String {
        if self.flags.is_empty() {
            return text.to_owned();
        }
        let mut root = super::parser();
        root.build();
        let mut parts = text.split(PROGRAM);
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let quoted = filled.ends_with('`');
            filled.push_str(&self.command(&root, part, quoted));
        }
        filled
    }

    /// The same for what helps after a failure.
    pub(super) fn fill_remedy(&self, failure: Failure) -> Failure {
        let remedy = failure.remedy.map(|remedy| self.fill(&remedy));
        Failure { remedy, ..failure }
    }

    /// One command and what follows it; `text` begins behind the program's name.
    fn command(&self, root: &Command, text: &str, quoted: bool) -> String {
        let end = text.find(if quoted { '`' } else { '\n' });
        let (line, after) = text.split_at(end.unwrap_or(text.len()));
        let behind_it = after.trim_start_matches(['`', '\n']);
        let (command, words) = named(root, line);
        // A command that names a directory is about that node.
        let another = line.starts_with("--dir");
        if words == 0 || another || NOT_HERE.iter().any(|what| behind_it.starts_with(what)) {
            return format!("{PROGRAM}{text}");
        }
        let lacks = |flag: &&Flag| !line.contains(&format!("--{}", flag.long));
        let takes = |flag: &Flag| {
            let mut arguments = command.get_arguments();
            arguments.any(|one| one.get_long() == Some(flag.long) && *one.get_id() == *flag.id)
        };
        let (mut front, mut behind) = (String::new(), String::new());
        for flag in self.flags.iter().filter(lacks) {
            let shown = format!("--{} {}", flag.long, flag.value);
            match flag.long {
                DIR => front.push_str(&format!("{shown} ")),
                _ if takes(flag) => behind.push_str(&format!(" {shown}")),
                _ => {}
            }
        }
        let (name, rest) = line.split_at(words);
        format!("{PROGRAM}{front}{name}{behind}{rest}{after}")
    }
}

/// The command that a line names, and how many bytes of the line its name takes.
fn named<'a>(root: &'a Command, line: &str) -> (&'a Command, usize) {
    let (mut command, mut taken) = (root, 0);
    for word in line.split(' ') {
        let Some(sub) = command.find_subcommand(OsStr::new(word)) else {
            break;
        };
        let blank = usize::from(taken > 0);
        (command, taken) = (sub, taken + blank + word.len());
    }
    (command, taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(line: &str) -> InUse {
        let mut root = crate::cli::parser();
        root.build();
        let matches = root.clone().try_get_matches_from(line.split(' '));
        InUse::of(&root, &matches.expect("a command line"))
    }

    #[test]
    fn a_hint_names_the_directory_and_the_key_that_the_command_was_called_with() {
        let made = "clinic-mesh node init --office o --name n --key-file /k/key --dir /srv/node";
        assert_eq!(
            called(made).fill("Start it:\n\n    clinic-mesh node run\n"),
            "Start it:\n\n    clinic-mesh --dir /srv/node node run --key-file /k/key\n"
        );
        let restored = "clinic-mesh backup restore b --key b.key --key-file key";
        assert_eq!(
            called(restored)
                .in_dir(Path::new("/my node"))
                .fill("clinic-mesh node run"),
            "clinic-mesh --dir '/my node' node run --key-file key"
        );
    }

    #[test]
    fn a_hint_has_only_the_flags_that_its_command_takes_and_does_not_name_itself() {
        let flags = called("clinic-mesh --dir d room create r --authority /a --as Ana");
        for (said, typed) in [
            (
                "`clinic-mesh device invite`",
                "`clinic-mesh --dir d device invite --authority /a --as Ana`",
            ),
            (
                "`clinic-mesh authority show` too",
                "`clinic-mesh --dir d authority show --authority /a` too",
            ),
            (
                "`clinic-mesh node run` or --dir D",
                "`clinic-mesh --dir d node run` or --dir D",
            ),
            (
                "clinic-mesh web certify --authority /b",
                "clinic-mesh --dir d web certify --as Ana --authority /b",
            ),
            (
                "clinic-mesh authority show\n\non their machines",
                "clinic-mesh authority show\n\non their machines",
            ),
            // Whose messages are read is another question than whose key signs.
            ("clinic-mesh read rounds", "clinic-mesh --dir d read rounds"),
            ("`clinic-mesh doctor` there", "`clinic-mesh doctor` there"),
            (
                "clinic-mesh --dir D node run",
                "clinic-mesh --dir D node run",
            ),
            ("a clinic-mesh request", "a clinic-mesh request"),
        ] {
            assert_eq!(flags.fill(said), typed);
        }
        assert_eq!(
            called("clinic-mesh device list").fill("clinic-mesh node run"),
            "clinic-mesh node run"
        );
    }

    #[test]
    fn what_helps_after_a_failure_is_typed_as_it_stands() {
        let failure =
            Failure::unreachable("no node").remedy("start it with `clinic-mesh node run`");
        let filled = called("clinic-mesh --dir /d node status").fill_remedy(failure);
        assert_eq!(
            filled.remedy.as_deref(),
            Some("start it with `clinic-mesh --dir /d node run`")
        );
    }
}
