//! Changing what one signs in with.

use zeroize::Zeroizing;

use super::factor::recovery_codes;
use super::sign_in::{check_rules, prove_password};
use super::step_up::demand;
use crate::api::login::{FactorsView, PasskeyLine, PasswordChange};
use crate::api::problem::{Code, Problem};
use crate::domain::id::StaffId;
use crate::domain::message::StaffItem;
use crate::domain::passkey::PasskeyId;
use crate::domain::password;
use crate::node::engine::Command;
use crate::web::access::{Caller, login_required};
use crate::web::door::Site;
use crate::web::state::Api;

/// Changes one's own password and ends one's other logins.
pub(in crate::web) async fn change_password(
    api: &Api,
    caller: Caller,
    change: &PasswordChange,
) -> Result<(), Problem> {
    let shown = caller.login.ok_or_else(login_required)?;
    let staff = shown.staff;
    demand(api, shown)?;
    let clinic = api.clinic().await?;
    let own = crate::api::clinic::staff_name(&clinic, &staff);
    check_rules(&clinic, &own, &change.new_password)?;
    let origin = caller.origin();
    prove_password(api, caller, staff, &change.password).await?;
    let place = api.hashing().queue()?;
    let new_password = Zeroizing::new(password::normal(&change.new_password));
    let phc = api.hashing().hash(&place, &new_password).await?;
    let kept = phc.clone();
    api.ask(Command::SetPassword { staff, phc, origin }).await?;
    let set = api.password_set(staff, &kept).await?;
    api.unlocking()
        .keep(api, (staff, set), &change.new_password);
    end_others(api, caller).await;
    Ok(())
}

/// What a person has besides the password.
pub(in crate::web) async fn factors(
    api: &Api,
    staff: StaffId,
    site: Option<&Site>,
) -> Result<FactorsView, Problem> {
    let credentials = api.credentials(staff).await?;
    let domain = site.map(Site::passkey_domain);
    let mut passkeys: Vec<_> = credentials.passkeys().collect();
    passkeys.sort_by_key(|(added, _)| *added);
    let passkeys = passkeys.into_iter().map(|(added, passkey)| PasskeyLine {
        id: passkey.id().to_string(),
        name: passkey.name.to_string(),
        added: added.into(),
        here: domain == Some(&*passkey.domain),
    });
    Ok(FactorsView {
        totp: credentials.totp().is_some(),
        passkeys: passkeys.collect(),
        recovery_left: credentials.recovery_left(),
    })
}

/// Takes a second factor away, and ends one's other logins: whoever has it may be signed in with it.
pub(in crate::web) async fn remove_factor(
    api: &Api,
    caller: Caller,
    named: &str,
) -> Result<(), Problem> {
    let shown = caller.login.ok_or_else(login_required)?;
    demand(api, shown)?;
    let unknown = || Problem::not_found("second factor", named);
    let item = match named {
        "totp" => StaffItem::TotpRemoved {},
        _ => StaffItem::PasskeyRemoved {
            passkey: PasskeyId::from_hex(named).ok_or_else(unknown)?,
        },
    };
    let _one_at_a_time = api.first_sign_in().await;
    api.keep(shown.staff, vec![item], caller.origin()).await?;
    end_others(api, caller).await;
    Ok(())
}

/// Hands out ten other recovery codes; those before are void.
pub(in crate::web) async fn renew_recovery(
    api: &Api,
    caller: Caller,
) -> Result<Vec<String>, Problem> {
    let shown = caller.login.ok_or_else(login_required)?;
    demand(api, shown)?;
    if !api.credentials(shown.staff).await?.has_factor() {
        return Err(
            Problem::new(Code::Refused, "there is no second factor to do without")
                .remedy("set one up first; recovery codes come with it"),
        );
    }
    let (codes, handed_out) = recovery_codes(shown.staff);
    api.keep(shown.staff, vec![handed_out], caller.origin())
        .await?;
    Ok(codes)
}

async fn end_others(api: &Api, caller: Caller) {
    if let Some(shown) = caller.login {
        let ended = api.logins().end_others(&shown.staff, shown.key);
        api.end(ended, crate::domain::audit::Origin::Inside).await;
    }
}
