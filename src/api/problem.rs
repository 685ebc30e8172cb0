//! Errors as every face sees them.

use serde::{Deserialize, Serialize};

/// What went wrong, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request makes no sense.
    Malformed,
    /// The body is over its limit.
    TooLarge,
    /// The request took too long.
    TooSlow,
    /// Nobody is signed in.
    LoginRequired,
    /// The login has ended: logged off, idle too long, or ended from elsewhere.
    LoginEnded,
    /// The login has ended because its owner may no longer sign in here.
    LoginWithdrawn,
    /// Name, password or code is not right.
    LoginRefused,
    /// The login is locked until its owner shows the password.
    Locked,
    /// The node itself is locked until somebody unlocks its store.
    NodeLocked,
    /// The second factor is still to be shown or set up.
    FactorRequired,
    /// The person has to prove once more who they are.
    StepUpRequired,
    /// The page that acts shows the proof of another login, or none: it is not ours, or the login has
    /// another token since.
    StaleProof,
    /// Signed in, but not entitled to this.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// A name stands for more than one thing.
    Ambiguous,
    /// The request was meant for another host.
    Misdirected,
    /// Understood and turned down by a rule of the clinic.
    Refused,
    /// Too many tries; wait.
    Throttled,
    /// Too much at once; try again in a moment.
    Busy,
    /// The disk is nearly full.
    DiskFull,
    /// The node is stopping or has stopped.
    Stopping,
    /// A fault of the node.
    Internal,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 22] = [
        Self::Malformed,
        Self::TooLarge,
        Self::TooSlow,
        Self::LoginRequired,
        Self::LoginEnded,
        Self::LoginWithdrawn,
        Self::LoginRefused,
        Self::Locked,
        Self::NodeLocked,
        Self::FactorRequired,
        Self::StepUpRequired,
        Self::StaleProof,
        Self::Forbidden,
        Self::NotFound,
        Self::Ambiguous,
        Self::Misdirected,
        Self::Refused,
        Self::Throttled,
        Self::Busy,
        Self::DiskFull,
        Self::Stopping,
        Self::Internal,
    ];

    /// The HTTP status that goes with it.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::LoginRequired
            | Self::LoginEnded
            | Self::LoginWithdrawn
            | Self::LoginRefused
            | Self::FactorRequired => 401,
            Self::Forbidden | Self::StepUpRequired | Self::StaleProof => 403,
            Self::NotFound => 404,
            Self::TooSlow => 408,
            Self::Ambiguous | Self::Refused => 409,
            Self::TooLarge => 413,
            Self::Misdirected => 421,
            Self::Locked => 423,
            Self::Throttled => 429,
            Self::Internal => 500,
            Self::NodeLocked | Self::Busy | Self::Stopping => 503,
            Self::DiskFull => 507,
        }
    }
}

/// An error: for programs the code, for people what happened and what helps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// For programs.
    pub code: Code,
    /// What happened.
    pub message: String,
    /// What helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Seconds after which another try makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem without a remedy.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            remedy: None,
            retry_after: None,
        }
    }

    /// There is no such thing.
    pub fn not_found(what: &str, named: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no {what} {named:?}"))
    }

    /// The same with what helps.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same with when to try again.
    #[must_use]
    pub fn after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}
