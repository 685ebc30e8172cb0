//! Signing in and out, and changing one's password.

use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use super::{AsFlag, Me, saved};
use crate::api::client::ClientError;
use crate::api::login::{FactorRequest, LoginAnswer, LoginRequest, PasswordChange, StepUpRequest};
use crate::api::moment::Moment;
use crate::api::problem::Code;
use crate::cli::Context;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::{how_long, typed, when};
use crate::cli::secret;

/// Where a password may come from besides the terminal.
#[derive(Clone, Debug, Default, clap::Args)]
struct PasswordSource {
    /// Read the password from the first line of FILE instead of asking for it
    #[arg(
        long,
        value_name = "FILE",
        env = "CLINIC_MESH_PASSWORD_FILE",
        hide_env_values = true,
        value_hint = clap::ValueHint::FilePath
    )]
    password_file: Option<PathBuf>,
}

impl PasswordSource {
    fn ask(&self, prompt: &str) -> Result<Zeroizing<String>, Failure> {
        match &self.password_file {
            Some(path) => secret::from_file(path),
            None => secret::typed(prompt, "--password-file FILE"),
        }
    }

    fn choose(&self, prompt: &str) -> Result<Zeroizing<String>, Failure> {
        secret::chosen(
            self.password_file.as_deref(),
            prompt,
            "--password-file FILE",
        )
    }
}

/// Where a second factor may come from besides the terminal.
#[derive(Clone, Debug, Default, clap::Args)]
struct FactorSource {
    /// Read the authenticator's code, or a recovery code, from the first line of FILE
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    totp_file: Option<PathBuf>,
}

impl FactorSource {
    /// Six digits are the authenticator's; anything else is a recovery code.
    fn ask(&self) -> Result<FactorRequest, Failure> {
        let typed = match &self.totp_file {
            Some(path) => secret::from_file(path)?,
            None => secret::typed(
                "Code of your authenticator, or a recovery code",
                "--totp-file FILE",
            )?,
        };
        let typed = typed.trim();
        let is_totp = typed.len() == 6 && typed.bytes().all(|byte| byte.is_ascii_digit());
        Ok(FactorRequest {
            totp: is_totp.then(|| typed.to_owned()),
            recovery: (!is_totp).then(|| typed.to_owned()),
            passkey: None,
        })
    }
}

/// Sign in at this office
///
/// The first time, use --code with the one-time code from your admin and choose a password. The login
/// ends by itself when nobody has used it for a while.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Login {
    /// Your name, or your staff id
    name: String,
    /// Sign in for the first time, or again after a forgotten password, with a one-time code
    #[arg(long)]
    code: bool,
    /// Sign in with the one-time code in the first line of FILE, instead of asking for it
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    code_file: Option<PathBuf>,
    #[command(flatten)]
    password: PasswordSource,
    #[command(flatten)]
    factor: FactorSource,
}

/// What `login --json` prints: everything but the token.
#[derive(serde::Serialize)]
struct SignedIn {
    staff: String,
    name: String,
    ends: Moment,
    idle_minutes: u16,
}

impl Login {
    pub(in crate::cli) fn run(&self, context: &Context) -> Outcome {
        let client = context.client();
        // Whether the node is there is said before anybody types a password.
        context.block_on(async { Ok(client.status().await?) })?;
        let request = self.request()?;
        let progress = context.output.progress("signing in");
        let mut signed = context
            .block_on(async { Ok(progress.during(client.login(&request)).await) })?
            .map_err(|error| self.refused(error))?;
        if signed.state == "factor" {
            let factor = self.factor.ask()?;
            let token = signed.token.clone().unwrap_or_default();
            let client = context.client().with_token(&token);
            signed = context.block_on(async { Ok(client.show_factor(&factor).await?) })?;
        }
        saved::keep(context, &signed)?;
        let shown = SignedIn {
            staff: signed.staff.clone(),
            name: signed.name.clone(),
            ends: signed.ends.clone(),
            idle_minutes: signed.idle_minutes,
        };
        context.output.answer(&shown, || welcome(context, &signed))
    }

    fn by_code(&self) -> bool {
        self.code || self.code_file.is_some()
    }

    /// What the node says, with the command for whoever has no password.
    fn refused(&self, error: ClientError) -> Failure {
        let is_wrong =
            matches!(&error, ClientError::Problem(problem) if problem.code == Code::LoginRefused);
        let failure = Failure::from(error);
        match is_wrong && !self.by_code() {
            true => self.with_code_hint(failure),
            false => failure,
        }
    }

    fn with_code_hint(&self, failure: Failure) -> Failure {
        failure.remedy(format!(
            "the first time, and after a forgotten password, sign in with the one-time code from your admin: \
             `clinic-mesh login {} --code`",
            typed(&self.name)
        ))
    }

    fn request(&self) -> Result<LoginRequest, Failure> {
        if !self.by_code() {
            let prompt = format!(
                "Password of {} (with a one-time code: add --code)",
                self.name
            );
            let password = self.password.ask(&prompt);
            let password = password.map_err(|why| match why.remedy {
                None => self.with_code_hint(why),
                Some(_) => why,
            })?;
            return Ok(LoginRequest::with_password(&self.name, &password));
        }
        let code = match &self.code_file {
            Some(path) => secret::from_file(path)?,
            None => secret::typed("One-time code", "--code-file FILE")?,
        };
        let password = self
            .password
            .choose("New password (12 characters or more)")?;
        Ok(LoginRequest::with_code(&self.name, &code, &password))
    }
}

fn welcome(context: &Context, signed: &LoginAnswer) -> String {
    let idle = how_long(Duration::from_secs(u64::from(signed.idle_minutes) * 60));
    let ends = when(signed.ends.wall(), context.clock.now());
    format!(
        "{} is signed in until {ends}, or until nothing was done for {idle}",
        signed.name
    )
}

/// Sign out
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Logout {
    #[command(flatten)]
    whose: AsFlag,
}

impl Logout {
    pub(in crate::cli) fn run(&self, context: &Context) -> Outcome {
        let me = Me::find(context, &self.whose)?;
        let ended = context.block_on(async { Ok(me.client.logout().await) })?;
        // Whatever the node says, the login is not used from here again.
        saved::forget(context, &me.login);
        match ended {
            Ok(_) | Err(ClientError::Problem(_)) => {}
            Err(error) => return Err(error.into()),
        }
        context
            .output
            .answer(&serde_json::json!({ "signed_out": me.login.name }), || {
                format!("{} is signed out", me.login.name)
            })
    }
}

/// Change your own password
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Password {
    #[command(flatten)]
    whose: AsFlag,
    #[command(flatten)]
    password: PasswordSource,
    /// Read the new password from the first line of FILE instead of asking for it
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    new_password_file: Option<PathBuf>,
    #[command(flatten)]
    factor: FactorSource,
}

impl Password {
    /// Proves who is there, which changing a password asks for; whoever has a second factor shows it.
    fn step_up(&self, me: &mut Me<'_>, password: &str) -> Outcome {
        let known = me.ask("asking who is signed in", me.client.me())?;
        let factor = match known.factors.is_empty() {
            true => FactorRequest::default(),
            false => self.factor.ask()?,
        };
        let proof = StepUpRequest {
            password: Some(password.to_owned()),
            totp: factor.totp.clone(),
            recovery: factor.recovery.clone(),
            passkey: None,
        };
        let signed = me.ask("showing who is there", me.client.step_up(&proof))?;
        saved::keep(me.context, &signed)?;
        me.client = me
            .context
            .client()
            .with_token(signed.token.as_deref().unwrap_or_default());
        Ok(())
    }

    pub(in crate::cli) fn run(&self, context: &Context) -> Outcome {
        let mut me = Me::find(context, &self.whose)?;
        let password = self.password.ask("Password so far")?;
        self.step_up(&mut me, &password)?;
        let coming = secret::chosen(
            self.new_password_file.as_deref(),
            "New password (12 characters or more)",
            "--new-password-file FILE",
        )?;
        let change = PasswordChange {
            password: password.to_string(),
            new_password: coming.to_string(),
        };
        me.ask("changing the password", me.client.change_password(&change))?;
        context
            .output
            .answer(&serde_json::json!({ "changed": me.login.name }), || {
                "the password is changed; your other logins at this office have ended".to_owned()
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::problem::Problem;

    #[test]
    fn whoever_has_no_password_yet_hears_how_a_code_is_used() {
        let login = |code| Login {
            name: "Ana B".to_owned(),
            code,
            code_file: None,
            password: PasswordSource::default(),
            factor: FactorSource::default(),
        };
        let wrong = || {
            let problem = Problem::new(Code::LoginRefused, "that is not right");
            ClientError::Problem(problem.remedy("as the node says"))
        };
        let told = login(false).refused(wrong()).remedy.expect("one");
        assert!(told.contains("clinic-mesh login 'Ana B' --code"), "{told}");
        let told = login(true).refused(wrong()).remedy;
        assert_eq!(told.as_deref(), Some("as the node says"));
    }
}
