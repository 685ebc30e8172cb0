//! Secrets from a person or a script: typed without echo, or read from a file; never an argument.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::failure::Failure;
use crate::domain::id::{hex, unhex};
use crate::platform::{entropy, files};

/// Longest passphrase, password or code that is read, in bytes.
///
/// Longer than anyone types and any generator makes; more is a wrong file.
const SECRET_MAX: usize = 1024;

/// Where a command may get its secret from besides the terminal.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SecretSource {
    /// Read the secret from the first line of FILE instead of asking for it
    #[arg(
        long,
        value_name = "FILE",
        env = "CLINIC_MESH_PASSPHRASE_FILE",
        hide_env_values = true,
        value_hint = clap::ValueHint::FilePath
    )]
    pub(crate) passphrase_file: Option<PathBuf>,
}

impl SecretSource {
    /// An existing secret: from the file if one is given, else typed at the terminal.
    pub(crate) fn ask(&self, prompt: &str) -> Result<Zeroizing<String>, Failure> {
        match &self.passphrase_file {
            Some(path) => from_file(path),
            None => typed(prompt, NODE_OPTION),
        }
    }

    /// An existing secret, if there is one: nothing when the file is missing, or when there is neither a
    /// terminal nor a first line of standard input.
    pub(crate) fn at_hand(&self, prompt: &str) -> Result<Option<Zeroizing<String>>, Failure> {
        match &self.passphrase_file {
            Some(path) => path.exists().then(|| from_file(path)).transpose(),
            None if std::io::stdin().is_terminal() => typed(prompt, NODE_OPTION).map(Some),
            None => Ok(first_line(std::io::stdin().lock()).ok()),
        }
    }

    /// A secret being chosen: typed twice at the terminal, or once from the file.
    pub(crate) fn choose(&self, prompt: &str) -> Result<Zeroizing<String>, Failure> {
        chosen(self.passphrase_file.as_deref(), prompt, NODE_OPTION)
    }
}

/// What gives a node's secret besides the terminal.
const NODE_OPTION: &str = "--passphrase-file FILE, or a key with --key-file FILE";

/// A secret being chosen: typed twice at the terminal, or once from the file.
pub(crate) fn chosen(
    file: Option<&Path>,
    prompt: &str,
    option: &str,
) -> Result<Zeroizing<String>, Failure> {
    match file {
        Some(path) => from_file(path),
        None => typed_twice(prompt, option),
    }
}

/// Reads the first line of a file.
pub(crate) fn from_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |error| files::FileError::of(path, error);
    let file = std::fs::File::open(path).map_err(failed)?;
    Ok(first_line(std::io::BufReader::new(file)).map_err(failed)?)
}

/// Types a secret at the terminal without echo.
///
/// Without a terminal the first line of standard input is taken, so that a script can pipe it in; `option`
/// is what the script might have given instead.
pub(crate) fn typed(prompt: &str, option: &str) -> Result<Zeroizing<String>, Failure> {
    if !std::io::stdin().is_terminal() {
        return piped(std::io::stdin().lock(), prompt, option);
    }
    eprint_now(&format!("{prompt}: "));
    let secret = Zeroizing::new(rpassword::read_password()?);
    if secret.is_empty() {
        return Err(Failure::usage("nothing was typed"));
    }
    Ok(secret)
}

/// Types a secret twice, so that a mistake is found while it still costs nothing.
fn typed_twice(prompt: &str, option: &str) -> Result<Zeroizing<String>, Failure> {
    let first = typed(prompt, option)?;
    if !std::io::stdin().is_terminal() {
        return Ok(first);
    }
    let second = typed("The same again", option)?;
    if *first == *second {
        return Ok(first);
    }
    Err(Failure::usage("the two were not the same").remedy("run the command again"))
}

/// The next line of a script's input; where there is none, which secret is missing and what gives it.
fn piped(
    reader: impl std::io::BufRead,
    prompt: &str,
    option: &str,
) -> Result<Zeroizing<String>, Failure> {
    first_line(reader).map_err(|error| {
        Failure::error(format!("{prompt}: {error}"))
            .remedy(format!("run it at a terminal, or give {option}"))
    })
}

fn first_line(reader: impl std::io::BufRead) -> std::io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::with_capacity(SECRET_MAX + 2));
    reader.take_line(&mut line)?;
    let kept = line.trim_end_matches(['\r', '\n']);
    let wrong = |text| Err(std::io::Error::new(std::io::ErrorKind::InvalidData, text));
    match kept.len() {
        0 => wrong("the first line is empty: no secret was given"),
        length if length > SECRET_MAX => wrong("the first line is too long to be a secret"),
        _ => Ok(Zeroizing::new(kept.to_owned())),
    }
}

/// Reads one line, never more than a secret can have.
trait TakeLine {
    fn take_line(self, line: &mut String) -> std::io::Result<usize>;
}

impl<R: std::io::BufRead> TakeLine for R {
    fn take_line(self, line: &mut String) -> std::io::Result<usize> {
        std::io::Read::take(self, SECRET_MAX as u64 + 2).read_line(line)
    }
}

/// One line of standard input, from whoever is no person at a terminal.
pub(crate) fn line_of_input() -> Result<String, Failure> {
    let mut line = String::new();
    std::io::stdin().lock().take_line(&mut line)?;
    Ok(line)
}

/// Asks a question with yes or no; anything but a clear yes is a no.
///
/// `assumed` is the command's `--yes`. Without a terminal and without `--yes` the answer is a refusal,
/// so that no script does something by accident.
pub(crate) fn confirm(question: &str, assumed: Assumed) -> Result<(), Failure> {
    if assumed == Assumed::Yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(
            Failure::usage(format!("this needs a confirmation: {question}"))
                .remedy("add --yes once you are sure"),
        );
    }
    eprint_now(&format!("{question} [y/N] "));
    let mut answer = String::new();
    std::io::stdin().lock().take_line(&mut answer)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::refused("nothing was done")),
    }
}

/// Whether a confirmation was given on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assumed {
    /// With `--yes`.
    Yes,
    /// Not given; ask.
    Ask,
}

/// The flag of commands that ask before they act.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct YesFlag {
    /// Do not ask for confirmation
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
}

impl YesFlag {
    /// The flag as what it says.
    pub(crate) const fn assumed(self) -> Assumed {
        match self.yes {
            true => Assumed::Yes,
            false => Assumed::Ask,
        }
    }

    /// Asks, unless the flag was given.
    pub(crate) fn confirm(self, question: &str) -> Result<(), Failure> {
        confirm(question, self.assumed())
    }
}

/// The same flag where nothing is asked, because everything can be undone: scripts give it to every command
/// of a family.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct NeedlessYes {
    /// Taken as by the commands beside it; this one asks nothing
    #[arg(long = "yes", short = 'y')]
    _yes: bool,
}

fn eprint_now(text: &str) {
    let mut out = std::io::stderr().lock();
    // A prompt that cannot be shown is no reason not to go on: the answer is read all the same.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Largest key file: 64 hex digits and a line end.
pub(crate) const KEY_FILE_MAX: usize = 66;

/// The key in the bytes of a key file.
pub(crate) fn key_of(
    path: &Path,
    bytes: &[u8],
    remedy: &str,
) -> Result<Zeroizing<[u8; 32]>, Failure> {
    let digits = std::str::from_utf8(bytes).ok().map(str::trim_end);
    let key = digits.and_then(unhex).map(Zeroizing::new);
    let key = key.and_then(|key| <[u8; 32]>::try_from(key.as_slice()).ok());
    key.map(Zeroizing::new).ok_or_else(|| {
        Failure::error(format!(
            "{} is no key file: it has 64 hex digits",
            path.display()
        ))
        .remedy(remedy)
    })
}

/// Makes a key file with a new key.
pub(crate) fn make_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, Failure> {
    let secret = entropy::secret::<32>();
    let digits = Zeroizing::new(format!("{}\n", hex(&*secret)));
    files::replace(path, digits.as_bytes())?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_gives_no_secret_hears_which_and_how() {
        let missing = piped("".as_bytes(), "Passphrase of the root key", "--root FILE");
        let missing = missing.expect_err("nothing was given");
        assert!(missing.message.contains("of the root key"), "{missing}");
        assert!(missing.message.contains("no secret was given"), "{missing}");
        assert!(
            missing
                .remedy
                .is_some_and(|remedy| remedy.contains("--root FILE"))
        );
        let given = piped("open\nrest".as_bytes(), "Passphrase", "--root FILE");
        assert_eq!(given.expect("a line").as_str(), "open");
    }

    #[test]
    fn a_secret_is_the_first_line_without_its_end() {
        let read = |text: &str| first_line(text.as_bytes()).map(|line| line.to_string());
        assert_eq!(read("open sesame\r\nrest").expect("a line"), "open sesame");
        assert_eq!(read(" kept \n").expect("a line"), " kept ");
        assert!(read("\nopen").is_err());
        assert!(read("").is_err());
        assert!(read(&"x".repeat(SECRET_MAX + 1)).is_err());
    }
}
