//! How a command fails: a message, what helps, and a documented exit code.

use std::fmt;
use std::process::ExitCode;

use crate::api::problem::{Code, Problem};
use crate::platform::files::FileError;

/// Why the process ended, for scripts.
///
/// `clinic-mesh --help` lists the numbers; they never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something went wrong.
    Error = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// What was named does not exist.
    NotFound = 3,
    /// Not allowed, or turned down by its rules.
    Refused = 4,
    /// The node is not running, or its store is locked.
    Unreachable = 5,
    /// The doctor found something wrong.
    Ill = 6,
    /// An audit trail was checked and is not whole.
    NotWhole = 7,
}

/// A failed command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What happened, as one sentence without a full stop.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) remedy: Option<String>,
}

/// What commands return.
pub(crate) type Outcome = Result<(), Failure>;

impl Failure {
    /// Something went wrong.
    pub(crate) fn error(message: impl fmt::Display) -> Self {
        Self::new(Exit::Error, message)
    }

    /// The command line makes no sense.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// What was named does not exist.
    pub(crate) fn not_found(message: impl fmt::Display) -> Self {
        Self::new(Exit::NotFound, message)
    }

    /// Not allowed.
    pub(crate) fn refused(message: impl fmt::Display) -> Self {
        Self::new(Exit::Refused, message)
    }

    /// The node is not running, or locked.
    pub(crate) fn unreachable(message: impl fmt::Display) -> Self {
        Self::new(Exit::Unreachable, message)
    }

    /// The doctor found something wrong.
    pub(crate) fn ill(message: impl fmt::Display) -> Self {
        Self::new(Exit::Ill, message)
    }

    /// An audit trail is not whole.
    pub(crate) fn not_whole(message: impl fmt::Display) -> Self {
        Self::new(Exit::NotWhole, message)
    }

    /// The same failure with what to do about it.
    #[must_use]
    pub(crate) fn remedy(mut self, remedy: impl fmt::Display) -> Self {
        self.remedy = Some(remedy.to_string());
        self
    }

    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }

    fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self {
            exit,
            message: message.to_string(),
            remedy: None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Any other error is an error of the general kind; its sources are part of the message.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::error(format!("{error:#}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::error(error)
    }
}

/// A file that is not there has one exit code and one wording, whichever command was given it.
impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let exit = match &error {
            FileError::Missing { .. } => Exit::NotFound,
            FileError::Exposed { .. }
            | FileError::NoModes { .. }
            | FileError::Exists { .. }
            | FileError::TooLong { .. }
            | FileError::Full { .. }
            | FileError::Io { .. } => Exit::Error,
        };
        let (message, remedy) = super::admin::split(&error.to_string());
        Self {
            exit,
            message,
            remedy,
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let exit = match problem.code {
            Code::NotFound => Exit::NotFound,
            Code::Ambiguous | Code::Malformed => Exit::Usage,
            Code::LoginRequired
            | Code::LoginEnded
            | Code::LoginWithdrawn
            | Code::LoginRefused
            | Code::Locked
            | Code::FactorRequired
            | Code::StepUpRequired
            | Code::StaleProof
            | Code::Forbidden
            | Code::Misdirected
            | Code::Refused
            | Code::Throttled => Exit::Refused,
            Code::Stopping | Code::NodeLocked => Exit::Unreachable,
            Code::Busy | Code::TooLarge | Code::TooSlow | Code::DiskFull | Code::Internal => {
                Exit::Error
            }
        };
        Self {
            exit,
            message: problem.message,
            remedy: problem.remedy,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cli::{audit, device, policy, secret};

    #[test]
    fn a_file_that_is_missing_is_said_alike_by_every_command() {
        let path = Path::new("/nowhere/at-all");
        let failures = [
            secret::from_file(path).expect_err("missing"),
            audit::read_trail(path).expect_err("missing"),
            policy::read_document(path).expect_err("missing"),
            device::read_request(path).expect_err("missing"),
        ];
        for failure in failures {
            assert_eq!(failure.exit, Exit::NotFound, "{failure}");
            assert_eq!(failure.message, "/nowhere/at-all does not exist");
            assert_eq!(failure.remedy.as_deref(), Some("check the path"));
        }
    }
}
