//! The command line.

use std::ops::Range;

/// Seeds that the gate runs.
const GATE: Range<u64> = 0..2000;

/// What to do.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) seeds: Range<u64>,
    /// One seed only, with all that happens in it.
    pub(crate) seed: Option<u64>,
    /// Of that seed, only these acts.
    pub(crate) ops: Option<Vec<usize>>,
    pub(crate) threads: usize,
    pub(crate) planted: bool,
    /// Only measure how long revocations take.
    pub(crate) revocation: bool,
    pub(crate) rules: bool,
    pub(crate) gate: bool,
}

const USAGE: &str = "\
cargo test --release --test simulator -- [OPTIONS]

  --seeds FROM..TO   run these seeds (without options: 0..2000, the seeds that once failed,
                     and a few seeds twice)
  --campaign COUNT   the same as --seeds 0..COUNT
  --seed N           run one seed and say what happens in it
  --ops a,b,c        of that seed, only these acts
  --threads N        threads to use
  --revocation       measure how long a revocation takes among twenty nodes (in the gate too)
  --rules            list the rules
  --planted          find every planted bug (needs --features planted)";

impl Options {
    /// Reads the arguments; those that cargo's own harness would understand are passed over.
    pub(crate) fn read(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let mut options = Self {
            seeds: GATE,
            seed: None,
            ops: None,
            threads,
            planted: false,
            revocation: false,
            rules: false,
            gate: true,
        };
        let mut args = args;
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| USAGE.to_owned());
            match arg.as_str() {
                "--seeds" => options.some(range(&value()?)?),
                "--campaign" => options.some(0..number(&value()?)?),
                "--seed" => options.seed = Some(number(&value()?)?),
                "--ops" => options.ops = Some(list(&value()?)?),
                "--threads" => options.threads = number(&value()?)? as usize,
                "--planted" => options.planted = true,
                "--revocation" => options.revocation = true,
                "--rules" => options.rules = true,
                "--quiet" | "--nocapture" | "--exact" | "-q" => {}
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(options)
    }

    fn some(&mut self, seeds: Range<u64>) {
        self.seeds = seeds;
        self.gate = false;
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| USAGE.to_owned())
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or_else(|| USAGE.to_owned())?;
    Ok(number(from)?..number(to)?)
}

fn list(text: &str) -> Result<Vec<usize>, String> {
    let items = text.split(',').filter(|item| !item.is_empty());
    items
        .map(|item| item.parse().map_err(|_| USAGE.to_owned()))
        .collect()
}
