//! The recovery page of a root key: where it goes, made ready before the key is.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use crate::cli::{Context, Failure, Format, Outcome};
use crate::platform::files;

/// Where a recovery page goes: into a file, or onto standard output.
pub(super) struct PagePlace<'a>(Option<(&'a Path, File)>);

impl<'a> PagePlace<'a> {
    /// Programs are not given a root key between two lines of JSON.
    pub(super) fn check(path: Option<&Path>, context: &Context) -> Outcome {
        if context.output.format == Format::Json && path.is_none() {
            return Err(Failure::usage("with --json the recovery page needs a file")
                .remedy("add --recovery-page FILE"));
        }
        Ok(())
    }

    /// Made before the key is: a page that cannot be written is a root key without paper.
    pub(super) fn make(path: Option<&'a Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self(None));
        };
        let file = files::create(path).map_err(Failure::error)?;
        Ok(Self(Some((path, file))))
    }

    /// There is no key after all.
    pub(super) fn forget(self) {
        if let Some((path, _)) = self.0 {
            // It is empty; what matters is why there is no key.
            let _ = std::fs::remove_file(path);
        }
    }

    /// The page goes out before anything else is said or signed: it cannot be had again.
    pub(super) fn hand_out(self, context: &Context, page: &str) -> Outcome {
        match self.0 {
            Some((_, mut file)) => {
                file.write_all(page.as_bytes())?;
                Ok(file.sync_all()?)
            }
            None => context.output.text(&format!("{page}\n")),
        }
    }
}
