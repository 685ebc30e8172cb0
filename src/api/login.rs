//! Signing in and out.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::moment::Moment;
use super::problem::{Code, Problem};

/// Who signs in, and by what: a password, or a one-time code with the password to be.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The staff member's name or id.
    pub name: String,
    /// The password, as typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// The one-time code, as handed over by an admin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The password chosen at the first sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_password: Option<String>,
}

/// Who unlocks a locked node.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct NodeUnlockRequest {
    /// The staff member's name.
    pub name: String,
    /// The password, as typed.
    pub password: String,
}

impl fmt::Debug for NodeUnlockRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeUnlockRequest(..)")
    }
}

/// What proves who someone is.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// The password.
    Password(&'a str),
    /// The first sign-in.
    Code {
        /// As handed over.
        code: &'a str,
        /// The password to be.
        new_password: &'a str,
    },
}

impl LoginRequest {
    /// Signing in with a password.
    pub fn with_password(name: &str, password: &str) -> Self {
        Self {
            name: name.to_owned(),
            password: Some(password.to_owned()),
            code: None,
            new_password: None,
        }
    }

    /// The first sign-in.
    pub fn with_code(name: &str, code: &str, new_password: &str) -> Self {
        Self {
            name: name.to_owned(),
            password: None,
            code: Some(code.to_owned()),
            new_password: Some(new_password.to_owned()),
        }
    }

    /// The one proof in the request.
    pub fn proof(&self) -> Result<Proof<'_>, Problem> {
        match (&self.password, &self.code, &self.new_password) {
            (Some(password), None, None) => Ok(Proof::Password(password)),
            (None, Some(code), Some(new_password)) => Ok(Proof::Code { code, new_password }),
            _ => Err(Problem::new(
                Code::Malformed,
                "give either a password, or a code and a new password",
            )),
        }
    }
}

impl fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginRequest(..)")
    }
}

impl fmt::Debug for Proof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(..)")
    }
}

/// A login.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginAnswer {
    /// How far the login has come: `ready`; or `factor`, if the second factor is still to be shown; or
    /// `enrol`, if it is still to be set up.
    pub state: String,
    /// What the person can show here: `passkey`, `totp`, `recovery`.
    pub factors: Vec<String>,
    /// At the socket: shown with every request, as `Authorization: Bearer TOKEN`. A browser has a
    /// cookie instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// In a browser: shown with every act, in the header `Clinic-Proof`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// Who is signed in.
    pub staff: String,
    /// Their name.
    pub name: String,
    /// When the login ends whatever happens.
    pub ends: Moment,
    /// Minutes without activity after which it ends.
    pub idle_minutes: u16,
}

impl fmt::Debug for LoginAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoginAnswer({})", self.staff)
    }
}

/// Who is signed in, and how.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeView {
    /// How far the login has come: `ready`, `locked`, `factor` or `enrol`.
    pub state: String,
    /// What the person can show here: `passkey`, `totp`, `recovery`.
    pub factors: Vec<String>,
    /// Recovery codes that are left.
    pub recovery_left: usize,
    /// Staff id.
    pub staff: String,
    /// Name.
    pub name: String,
    /// `clinician`, `front_desk`, `billing`, `auditor`.
    pub roles: Vec<String>,
    /// The office of this node.
    pub office: Option<String>,
    /// The clinic's name.
    pub clinic: Option<String>,
    /// When the login ends whatever happens.
    pub ends: Moment,
    /// Minutes without activity after which it ends.
    pub idle_minutes: u16,
    /// In a browser: shown with every act, in the header `Clinic-Proof`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
}

impl fmt::Debug for MeView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MeView({})", self.staff)
    }
}

/// The second factor: one of the three.
#[derive(Clone, Default, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct FactorRequest {
    /// The six digits of the authenticator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totp: Option<String>,
    /// A recovery code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<String>,
    /// A passkey that was asked for, as the browser shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[zeroize(skip)]
    pub passkey: Option<Value>,
}

impl fmt::Debug for FactorRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FactorRequest(..)")
    }
}

/// What an authenticator is to take.
#[derive(Clone, Serialize, Deserialize)]
pub struct TotpBegun {
    /// The secret, for typing.
    pub secret: String,
    /// The same with names, for opening on the same machine.
    pub uri: String,
    /// The same as a picture, for scanning.
    pub qr_svg: String,
}

/// The first code of an authenticator.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct TotpFinish {
    /// The six digits.
    pub totp: String,
}

/// A second factor was set up.
#[derive(Clone, Serialize, Deserialize)]
pub struct FactorKept {
    /// Each works once, in place of the other factors; shown this one time. None if there are some still.
    pub recovery_codes: Vec<String>,
    /// The login, which is ready and has another token.
    #[serde(flatten)]
    pub login: LoginAnswer,
}

/// What a browser is asked about passkeys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PasskeyOptions {
    /// As browsers take it: for `PublicKeyCredential.parseCreationOptionsFromJSON` where one is to be
    /// made, for `parseRequestOptionsFromJSON` where one is to be shown.
    pub public_key: Value,
}

/// What a browser is asked in which nobody has signed in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PasskeyAsked {
    /// Names this sign-in; good for one try within five minutes.
    pub ceremony: String,
    /// As browsers take it.
    pub public_key: Value,
}

/// A passkey that was asked for before anybody signed in.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeyShown {
    /// Names the sign-in.
    pub ceremony: String,
    /// As the browser shows it.
    pub credential: Value,
}

impl fmt::Debug for PasskeyShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasskeyShown(..)")
    }
}

/// A passkey that was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeyMade {
    /// What its owner calls it.
    pub name: String,
    /// As the browser shows it.
    pub credential: Value,
}

/// What a person has besides the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactorsView {
    /// Whether there is an authenticator.
    pub totp: bool,
    /// The oldest first.
    pub passkeys: Vec<PasskeyLine>,
    /// Recovery codes that are left.
    pub recovery_left: usize,
}

/// One passkey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyLine {
    /// Names it.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// When it was set up.
    pub added: Moment,
    /// Whether it works at this door; one made on the node itself works nowhere else.
    pub here: bool,
}

/// Other recovery codes.
#[derive(Clone, Serialize, Deserialize)]
pub struct RecoveryRenewed {
    /// Each works once; shown this one time.
    pub recovery_codes: Vec<String>,
}

/// Proving once more who one is: the password and a second factor, or a passkey alone.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct StepUpRequest {
    /// The password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// The six digits of the authenticator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totp: Option<String>,
    /// A recovery code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<String>,
    /// A passkey that was asked for, as the browser shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[zeroize(skip)]
    pub passkey: Option<Value>,
}

impl fmt::Debug for StepUpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StepUpRequest(..)")
    }
}

/// Coming back to a locked login.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct UnlockRequest {
    /// The password.
    pub password: String,
}

/// One's own logins at a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginsView {
    /// The oldest first.
    pub logins: Vec<LoginLine>,
    /// The office whose node answers; it knows of no logins but its own.
    #[serde(default)]
    pub office: Option<String>,
    /// The other offices where this person may sign in.
    #[serde(default)]
    pub elsewhere: Vec<String>,
}

/// Which of somebody's logins an admin ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginsEnding {
    /// The one with this name; all of them without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
}

/// What was ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginsEnded {
    /// How many logins.
    pub ended: u32,
}

/// One login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginLine {
    /// Names it, and opens nothing.
    pub id: String,
    /// When it began.
    pub began: Moment,
    /// When the person last did something.
    pub used: Moment,
    /// `browser` or `socket`.
    pub door: String,
    /// The address it began from, as the node sees it; none at the socket.
    #[serde(default)]
    pub address: Option<String>,
    /// The kind of browser and system it began with, if that is known.
    #[serde(default)]
    pub browser: Option<String>,
    /// Whether it is the one that asks.
    pub this: bool,
}

/// Changing one's own password.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The password so far.
    pub password: String,
    /// The password to be.
    pub new_password: String,
}

impl fmt::Debug for PasswordChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordChange(..)")
    }
}

/// Something was done; there is nothing more to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}
