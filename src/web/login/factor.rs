//! Second factors: shown once at each sign-in, set up at the first.
//!
//! What was taken is durable before the login is whole, so no code opens two logins, at this home node
//! or, once it has heard, at another.

use totp_rs::Totp;
use zeroize::Zeroizing;

use super::passkey::judge_passkey;
use super::sign_in::{Admitted, begin_again, book, complete, settle};
use super::{Pending, Stage, step_up};
use crate::api::login::{FactorRequest, TotpBegun};
use crate::api::problem::{Code, Problem};
use crate::domain::audit::{Actor, AuditRecord, Deed};
use crate::domain::factor::{Credentials, RECOVERY_CODES};
use crate::domain::id::{Hash, StaffId};
use crate::domain::message::StaffItem;
use crate::platform::entropy;
use crate::web::access::{Caller, Shown, login_required};
use crate::web::door::Site;
use crate::web::state::Api;

/// Letters of recovery codes: none that looks like another.
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";

/// Letters of one recovery code: 60 bits, and at most a thousand guesses a day.
const RECOVERY_LENGTH: usize = 12;

/// What a person can show at a door.
pub(in crate::web) fn factors_of(credentials: &Credentials, site: Option<&Site>) -> Vec<String> {
    let domain = site.map(Site::passkey_domain);
    let mut passkeys = credentials.passkeys();
    let passkey = passkeys.any(|(_, passkey)| domain == Some(&*passkey.domain));
    let passkey = passkey.then_some("passkey");
    let totp = credentials.totp().map(|_| "totp");
    let recovery = (credentials.recovery_left() > 0).then_some("recovery");
    passkey
        .into_iter()
        .chain(totp)
        .chain(recovery)
        .map(str::to_owned)
        .collect()
}

/// Judges the second factor of a half login.
pub(in crate::web) async fn show_factor(
    api: &Api,
    caller: Caller,
    site: Option<&Site>,
    request: &FactorRequest,
) -> Result<Admitted, Problem> {
    let shown = caller.login.ok_or_else(login_required)?;
    prove_factor(api, caller, site, request).await?;
    complete(api, caller, shown).await
}

/// Whether the person whose login this is has the factor that is shown; what it used up is durable then.
pub(super) async fn prove_factor(
    api: &Api,
    caller: Caller,
    site: Option<&Site>,
    request: &FactorRequest,
) -> Result<(), Problem> {
    let shown = caller.login.ok_or_else(login_required)?;
    // The password's own count begins anew with each right password; this one does not.
    let name = format!("factor {}", shown.staff);
    book(api, &name, caller)?;
    let _one_at_a_time = api.first_sign_in().await;
    let credentials = api.credentials(shown.staff).await?;
    let taken = judge(api, (site, shown), &credentials, request).await?;
    let Some(taken) = taken else {
        let actor = Actor::Staff(shown.staff);
        api.note(AuditRecord::refused(actor, caller.origin(), Deed::SignedIn))
            .await?;
        return Err(Problem::new(Code::LoginRefused, "that is not right")
            .remedy("a code works once; wait for the next one, or use a recovery code"));
    };
    api.keep(shown.staff, taken, caller.origin()).await?;
    settle(api, &name, caller);
    Ok(())
}

/// What is used up by the factor shown, if it is right.
async fn judge(
    api: &Api,
    (site, shown): (Option<&Site>, Shown),
    credentials: &Credentials,
    request: &FactorRequest,
) -> Result<Option<Vec<StaffItem>>, Problem> {
    match (&request.totp, &request.recovery, &request.passkey) {
        (Some(code), None, None) => {
            let secret = credentials.totp().map(|secret| Zeroizing::new(*secret));
            let step = secret.and_then(|secret| step_of(api, &secret, code));
            let step = step.filter(|step| *step > credentials.last_step());
            Ok(step.map(|step| vec![StaffItem::TotpUsed { step }]))
        }
        (None, Some(code), None) => {
            let hash = recovery_hash(shown.staff, code);
            let known = credentials.is_recovery_code(&hash);
            Ok(known.then(|| vec![StaffItem::RecoveryUsed { hash }]))
        }
        (None, None, Some(passkey)) => {
            judge_passkey(api, (site, shown.key), credentials, passkey).await
        }
        _ => Err(Problem::new(
            Code::Malformed,
            "give one of these: a code of the authenticator, a recovery code, a passkey",
        )),
    }
}

/// Makes a secret for an authenticator; it counts once a code of it was shown.
pub(in crate::web) async fn begin_totp(api: &Api, caller: Caller) -> Result<TotpBegun, Problem> {
    let shown = may_change(api, caller).await?;
    let clinic = api.clinic().await?;
    let secret = entropy::secret();
    let issuer = clinic.name.as_ref().map(|name| plain(name.as_str()));
    let account = plain(&crate::api::clinic::staff_name(&clinic, &shown.staff));
    let totp = authenticator(&secret, &account, issuer)?;
    let uri = totp.to_url().map_err(unusable)?;
    let begun = TotpBegun {
        secret: totp_rs::Secret::from(secret.to_vec()).to_base32(),
        qr_svg: picture(&uri)?,
        uri,
    };
    let pending = Pending::Totp(secret);
    api.logins().keep_pending(shown.key, pending, api.now());
    Ok(begun)
}

/// Keeps the authenticator whose code was shown, and hands out recovery codes.
pub(in crate::web) async fn finish_totp(
    api: &Api,
    caller: Caller,
    code: &str,
) -> Result<(Admitted, Vec<String>), Problem> {
    // Whoever could begin may go on.
    let shown = caller.login.ok_or_else(login_required)?;
    let pending = api.logins().take_pending(shown.key, api.now());
    let Some(Pending::Totp(secret)) = pending else {
        return Err(
            Problem::new(Code::Refused, "no authenticator is being set up")
                .remedy("begin again, and scan the picture that comes then"),
        );
    };
    let Some(step) = step_of(api, &secret, code) else {
        // A mistyped code is no reason to scan again.
        let pending = Pending::Totp(secret);
        api.logins().keep_pending(shown.key, pending, api.now());
        return Err(Problem::new(Code::LoginRefused, "that is not right")
            .remedy("type the six digits that the app shows; the phone's clock must be right"));
    };
    let (codes, handed_out) = recovery_codes(shown.staff);
    let secret = *secret;
    let items = vec![StaffItem::Totp { secret, step }, handed_out];
    api.keep(shown.staff, items, caller.origin()).await?;
    let admitted = match shown.stage {
        Stage::Enrol => complete(api, caller, shown).await?,
        Stage::Ready | Stage::Locked | Stage::Factor => begin_again(api, shown),
    };
    Ok((admitted, codes))
}

/// Whoever has no factor sets one up; whoever has one must have shown it just before.
pub(super) async fn may_change(api: &Api, caller: Caller) -> Result<Shown, Problem> {
    let shown = caller.login.ok_or_else(login_required)?;
    if api.credentials(shown.staff).await?.has_factor() {
        step_up::demand(api, shown)?;
    }
    Ok(shown)
}

/// Ten codes to write down, and what is kept of them.
pub(super) fn recovery_codes(staff: StaffId) -> (Vec<String>, StaffItem) {
    let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| recovery_code()).collect();
    let hashes = codes.iter().map(|code| recovery_hash(staff, code));
    let hashes = hashes.collect();
    (codes, StaffItem::RecoveryCodes { hashes })
}

/// The time step of a code, if it is one of the last, this or the next half minute.
fn step_of(api: &Api, secret: &[u8; 20], code: &str) -> Option<u64> {
    let digits: String = code
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .collect();
    let totp = authenticator(secret, "", None).ok()?;
    totp.check(&digits, api.now().wall.0 / 1000)
}

fn authenticator(
    secret: &[u8; 20],
    account: &str,
    issuer: Option<String>,
) -> Result<Totp, Problem> {
    let builder = totp_rs::Builder::new()
        .with_secret(secret.to_vec())
        .with_account_name(account)
        .with_issuer(issuer);
    builder.build().map_err(unusable)
}

fn unusable(_: impl std::fmt::Debug) -> Problem {
    Problem::new(Code::Internal, "the authenticator could not be set up")
        .remedy("please report this as a bug")
}

/// A colon parts the two names that an authenticator shows.
fn plain(name: &str) -> String {
    name.replace(':', " ")
}

fn picture(uri: &str) -> Result<String, Problem> {
    let code = qrcode::QrCode::new(uri).map_err(unusable)?;
    let svg = code
        .render::<qrcode::render::svg::Color<'_>>()
        .min_dimensions(240, 240)
        .build();
    // Without the XML declaration, so that it can stand in a page or a data URL.
    Ok(svg
        .split_once("?>")
        .map_or(svg.clone(), |(_, svg)| svg.to_owned()))
}

fn recovery_code() -> String {
    let bytes = entropy::array::<RECOVERY_LENGTH>();
    let letters = bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    let letters: Vec<char> = letters.collect();
    let groups: Vec<String> = letters
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join("-")
}

/// Sixty random bits need no slow hash; the staff id keeps equal codes of two people apart.
fn recovery_hash(staff: StaffId, code: &str) -> Hash {
    let kept: String = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    Hash::of("recovery-code/v1", &[staff.as_bytes(), kept.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_codes_are_long_differ_and_are_read_however_they_are_typed() {
        let codes: std::collections::BTreeSet<String> = (0..100).map(|_| recovery_code()).collect();
        assert_eq!(codes.len(), 100);
        let staff = StaffId::new([1; 16]);
        for code in codes {
            assert_eq!(code.len(), RECOVERY_LENGTH + 2, "{code}");
            let typed = code.to_uppercase().replace('-', " ");
            assert_eq!(recovery_hash(staff, &typed), recovery_hash(staff, &code));
            assert_ne!(
                recovery_hash(StaffId::new([2; 16]), &code),
                recovery_hash(staff, &code)
            );
        }
    }

    #[test]
    fn names_with_colons_make_a_readable_authenticator() {
        let secret = [7; 20];
        let totp = authenticator(&secret, &plain("Ana: front"), Some(plain("Elm: Street")));
        let uri = totp.expect("usable").to_url().expect("a URI");
        assert!(
            uri.starts_with("otpauth://totp/Elm%20%20Street:Ana%20%20front?"),
            "{uri}"
        );
        assert!(picture(&uri).expect("drawn").starts_with("<svg") || picture(&uri).is_ok());
    }
}
