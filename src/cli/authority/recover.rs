//! `authority recover`: the root key again, from its page or from shares.

use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use zeroize::Zeroizing;

use crate::authority::{self, Cost, grouped};
use crate::cli::admin::{AuthorityDir, RootKey};
use crate::cli::{Context, Failure, Outcome};
use crate::domain::id::ClinicId;
use crate::platform::entropy;

use super::shares;

/// Make the root key again from its recovery page, or from recovery shares
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Recover {
    #[command(flatten)]
    dir: AuthorityDir,

    /// Type recovery shares instead of the recovery page
    #[arg(long)]
    shares: bool,

    /// Clinic id on the paper, of a root key that is not the first and where no record is here
    #[arg(long, value_name = "ID", value_parser = clinic_id)]
    clinic: Option<ClinicId>,

    #[command(flatten)]
    root: RootKey,
}

/// A clinic's id as it is printed, in groups or not.
fn clinic_id(text: &str) -> Result<ClinicId, String> {
    let digits: String = text.split_whitespace().collect();
    ClinicId::from_hex(&digits).ok_or_else(|| "give the 64 digits of the clinic's id".to_owned())
}

/// Most bytes that are read: a whole page, generously spaced.
const LETTERS_MAX: u64 = 16 * 1024;

#[derive(Serialize)]
struct Answer {
    clinic: String,
    directory: PathBuf,
}

impl Recover {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let path = self.dir.path();
        let clinic = match self.shares {
            true => self.by_shares(context, &path)?,
            false => self.by_page(context, &path)?,
        };
        let answer = Answer {
            clinic: clinic.to_string(),
            directory: path,
        };
        context.output.answer(&answer, || {
            format!(
                "The root key is in {} again. Compare the clinic's id with the paper:\n\n    {}\n",
                answer.directory.display(),
                grouped(&clinic)
            )
        })
    }
}

impl Recover {
    fn by_page(&self, context: &Context, path: &Path) -> Result<ClinicId, Failure> {
        let letters = type_letters(context)?;
        let passphrase = self.root.choose()?;
        let rng = entropy::os();
        Ok(authority::recover(
            path,
            &letters,
            self.clinic,
            &passphrase,
            Cost::PRODUCT,
            rng,
        )?)
    }

    fn by_shares(&self, context: &Context, path: &Path) -> Result<ClinicId, Failure> {
        let shares = shares::type_shares(context)?;
        let passphrase = self.root.choose()?;
        let (cost, rng) = (Cost::PRODUCT, entropy::os());
        Ok(authority::recover_from_shares(
            path,
            &shares,
            self.clinic,
            &passphrase,
            cost,
            rng,
        )?)
    }
}

/// Four lines from the terminal, or from a pipe, which may have the whole page.
fn type_letters(context: &Context) -> std::io::Result<Zeroizing<String>> {
    let mut letters = Zeroizing::new(String::with_capacity(LETTERS_MAX as usize));
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        stdin
            .lock()
            .take(LETTERS_MAX)
            .read_to_string(&mut letters)?;
        return Ok(authority::letters_in(&letters));
    }
    context
        .output
        .note("Type the four lines of the recovery page, each with Enter:");
    let mut lines = stdin.lock().take(LETTERS_MAX);
    for _ in 0..4 {
        lines.read_line(&mut letters)?;
    }
    Ok(letters)
}
