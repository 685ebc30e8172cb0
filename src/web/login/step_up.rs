//! Step-up: before what would let somebody else in for good, a person proves once more who they are.
//!
//! A login may have been left open on a screen, or its cookie stolen. Whoever has it can read and write
//! as its owner until it ends; they cannot make that last.

use super::factor::prove_factor;
use super::sign_in::{Admitted, fresh_token, prove_password};
use super::{LoginKey, Stage};
use crate::api::login::{FactorRequest, StepUpRequest};
use crate::api::problem::{Code, Problem};
use crate::web::access::{Caller, Shown, login_required};
use crate::web::door::Site;
use crate::web::state::Api;

/// Whether the person has proven lately who they are.
pub(super) fn demand(api: &Api, shown: Shown) -> Result<(), Problem> {
    if api.logins().is_fresh(shown.key, api.now()) {
        return Ok(());
    }
    Err(Problem::new(
        Code::StepUpRequired,
        "it is more than five minutes since you showed who you are",
    )
    .remedy("show your password and second factor, or a passkey, and do it again"))
}

/// Proves once more who is there: password and second factor, or a passkey. The login goes on under
/// another token.
pub(in crate::web) async fn step_up(
    api: &Api,
    caller: Caller,
    site: Option<&Site>,
    request: &StepUpRequest,
) -> Result<Admitted, Problem> {
    let shown = caller.login.ok_or_else(login_required)?;
    let factor = FactorRequest {
        totp: request.totp.clone(),
        recovery: request.recovery.clone(),
        passkey: request.passkey.clone(),
    };
    match (&request.password, &factor.passkey) {
        (Some(password), _) => {
            prove_password(api, caller, shown.staff, password).await?;
            // Only at the socket is there anybody without one.
            if api.credentials(shown.staff).await?.has_factor() {
                prove_factor(api, caller, site, &factor).await?;
            }
        }
        (None, Some(_)) => prove_factor(api, caller, site, &factor).await?,
        (None, None) => {
            return Err(Problem::new(
                Code::Malformed,
                "give the password and a second factor, or a passkey",
            ));
        }
    }
    let (token, now) = (fresh_token(), api.now());
    api.logins()
        .prove_again(shown.key, LoginKey::of(&token), now);
    Ok(Admitted {
        token,
        staff: shown.staff,
        stage: Stage::Ready,
    })
}
