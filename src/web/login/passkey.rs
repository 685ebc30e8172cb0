//! Passkeys: setting them up, and signing in with them.
//!
//! A passkey counts only when its authenticator has checked that its owner is there (fingerprint, face
//! or PIN), so it is password and second factor in one. Whoever signs in with it says no name: the
//! passkey does. So what a browser is asked is the same for everyone and tells nothing about anybody.

use serde_json::Value;
use webauthn_rs::prelude::DiscoverableAuthentication;

use super::factor::{may_change, recovery_codes};
use super::relying_party::{RelyingParty, Used, read};
use super::sign_in::{Admitted, begin, begin_again, check_person, complete, fresh_token};
use super::{LoginKey, Pending, Stage};
use crate::api::login::{PasskeyAsked, PasskeyMade, PasskeyOptions, PasskeyShown};
use crate::api::problem::{Code, Problem};
use crate::domain::audit::{Actor, AuditRecord, Deed};
use crate::domain::factor::Credentials;
use crate::domain::id::StaffId;
use crate::domain::message::StaffItem;
use crate::domain::name::Name;
use crate::domain::passkey::Passkey;
use crate::web::access::{Caller, login_required};
use crate::web::door::Site;
use crate::web::state::Api;

/// Asks a browser to make a passkey for the person signed in.
pub(in crate::web) async fn begin_passkey(
    api: &Api,
    caller: Caller,
    site: Option<&Site>,
) -> Result<PasskeyOptions, Problem> {
    let shown = may_change(api, caller).await?;
    let party = party(api, site).await?;
    let clinic = api.clinic().await?;
    let name = crate::api::clinic::staff_name(&clinic, &shown.staff);
    let known: Vec<Passkey> = usable(&party, &api.credentials(shown.staff).await?);
    let (public_key, state) = party.ask_for_another((shown.staff, &name), &known)?;
    let pending = Pending::PasskeyToBe(Box::new(state));
    api.logins().keep_pending(shown.key, pending, api.now());
    Ok(PasskeyOptions { public_key })
}

/// Keeps the passkey that was made; the first factor of a person brings recovery codes.
pub(in crate::web) async fn finish_passkey(
    api: &Api,
    caller: Caller,
    site: Option<&Site>,
    made: &PasskeyMade,
) -> Result<(Admitted, Vec<String>), Problem> {
    // Whoever could begin may go on.
    let shown = caller.login.ok_or_else(login_required)?;
    let name = Name::new(made.name.trim())
        .map_err(|error| Problem::new(Code::Malformed, error.to_string()))?;
    let pending = api.logins().take_pending(shown.key, api.now());
    let Some(Pending::PasskeyToBe(state)) = pending else {
        return Err(Problem::new(Code::Refused, "no passkey is being set up")
            .remedy("begin again; the device may take five minutes"));
    };
    let party = party(api, site).await?;
    let passkey = party.take(&state, &made.credential, name);
    let passkey = passkey.filter(Passkey::is_sound).ok_or_else(|| {
        Problem::new(Code::LoginRefused, "that passkey cannot be used")
            .remedy("try again, or use another device or an authenticator app")
    })?;
    let _one_at_a_time = api.first_sign_in().await;
    let mut items = vec![StaffItem::PasskeyAdded(passkey)];
    let mut codes = Vec::new();
    if api.credentials(shown.staff).await?.recovery_left() == 0 {
        let (made, item) = recovery_codes(shown.staff);
        codes = made;
        items.push(item);
    }
    api.keep(shown.staff, items, caller.origin()).await?;
    let admitted = match shown.stage {
        Stage::Enrol => complete(api, caller, shown).await?,
        Stage::Ready | Stage::Locked | Stage::Factor => begin_again(api, shown),
    };
    Ok((admitted, codes))
}

/// Asks a browser for a passkey of the person whose login this is.
pub(in crate::web) async fn ask_for_passkey(
    api: &Api,
    caller: Caller,
    site: Option<&Site>,
) -> Result<PasskeyOptions, Problem> {
    let shown = caller.login.ok_or_else(login_required)?;
    let party = party(api, site).await?;
    let known = usable(&party, &api.credentials(shown.staff).await?);
    if known.is_empty() {
        return Err(
            Problem::new(Code::Refused, "there is no passkey that works here")
                .remedy("use another second factor, and then add a passkey in the settings"),
        );
    }
    let (public_key, state) = party.ask_for_one_of(&known)?;
    let pending = Pending::PasskeyAsked(Box::new(state));
    api.logins().keep_pending(shown.key, pending, api.now());
    Ok(PasskeyOptions { public_key })
}

/// Judges a passkey that was asked for; what it told of itself is to be kept.
pub(super) async fn judge_passkey(
    api: &Api,
    (site, key): (Option<&Site>, LoginKey),
    credentials: &Credentials,
    shown: &Value,
) -> Result<Option<Vec<StaffItem>>, Problem> {
    let party = party(api, site).await?;
    let pending = api.logins().take_pending(key, api.now());
    let Some(Pending::PasskeyAsked(state)) = pending else {
        return Err(Problem::new(Code::Refused, "no passkey was asked for")
            .remedy("begin again; the device may take five minutes"));
    };
    let used = party.judge_one_of(&state, shown);
    // It may have been removed in between.
    let known = used.and_then(|used| Some((used, credentials.passkey(&used.passkey)?.1)));
    Ok(known.map(|(used, passkey)| told(&passkey, used)))
}

/// Asks a browser for any passkey, whosever it is.
pub(in crate::web) async fn begin_passkey_sign_in(
    api: &Api,
    caller: Caller,
    site: Option<&Site>,
) -> Result<PasskeyAsked, Problem> {
    let party = party(api, site).await?;
    let (public_key, state) = party.ask_for_any()?;
    let ceremony = fresh_token();
    let key = LoginKey::of(&ceremony);
    api.ceremonies()
        .begin(key, caller.address, state, api.now());
    Ok(PasskeyAsked {
        ceremony: ceremony.to_string(),
        public_key,
    })
}

/// Signs in whoever's passkey is shown.
pub(in crate::web) async fn passkey_sign_in(
    api: &Api,
    caller: Caller,
    site: Option<&Site>,
    request: &PasskeyShown,
) -> Result<Admitted, Problem> {
    let party = party(api, site).await?;
    api.tries().book_address(caller.address, api.now().wall)?;
    let key = LoginKey::of(&request.ceremony);
    let state = api.ceremonies().take(key, api.now());
    let state = state.ok_or_else(|| {
        Problem::new(Code::Refused, "no passkey was asked for, or too long ago")
            .remedy("begin again; the device may take five minutes")
    })?;
    let _one_at_a_time = api.first_sign_in().await;
    let (staff, items) = match prove(api, &party, state, &request.credential).await? {
        Proven::Is(staff, items) => (staff, items),
        Proven::Nobody(actor) => {
            let refused = AuditRecord::refused(actor, caller.origin(), Deed::SignedIn);
            api.note(refused).await?;
            return Err(
                Problem::new(Code::LoginRefused, "that is not right").remedy(
                    "sign in with name and password, and look at the passkeys in the settings",
                ),
            );
        }
    };
    check_person(api, caller, staff).await?;
    api.keep(staff, items, caller.origin()).await?;
    api.tries().settle_address(caller.address);
    begin(api, caller, staff, Stage::Ready).await
}

/// What has come of a passkey that was shown by whoever has not said a name.
enum Proven {
    /// It is this person's, and told this of itself.
    Is(StaffId, Vec<StaffItem>),
    /// It proves nothing; this is who was claimed to show it.
    Nobody(Actor),
}

async fn prove(
    api: &Api,
    party: &RelyingParty,
    state: DiscoverableAuthentication,
    shown: &Value,
) -> Result<Proven, Problem> {
    let read = read(shown).and_then(|shown| Some((party.claimed(&shown)?, shown)));
    let Some(((staff, id), shown)) = read else {
        return Ok(Proven::Nobody(Actor::Stranger));
    };
    let credentials = api.credentials(staff).await?;
    let known = credentials.passkey(&id).map(|(_, passkey)| passkey);
    let Some(passkey) = known.filter(|passkey| party.knows(passkey)) else {
        return Ok(Proven::Nobody(Actor::Stranger));
    };
    Ok(match party.judge(state, &shown, &passkey) {
        Some(used) => Proven::Is(staff, told(&passkey, used)),
        None => Proven::Nobody(Actor::Staff(staff)),
    })
}

/// What a use has told that is not known yet. A passkey that does not count and has not changed tells
/// nothing, and most do not count.
fn told(passkey: &Passkey, used: Used) -> Vec<StaffItem> {
    let Used {
        passkey: id,
        counter,
        copies,
    } = used;
    let silent = counter == 0 && passkey.counter == 0 && copies == passkey.copies;
    let item = StaffItem::PasskeyUsed {
        passkey: id,
        counter,
        copies,
    };
    (!silent).then_some(item).into_iter().collect()
}

/// The passkeys of a person that work at this door.
fn usable(party: &RelyingParty, credentials: &Credentials) -> Vec<Passkey> {
    let all = credentials.passkeys().map(|(_, passkey)| passkey);
    all.filter(|passkey| party.knows(passkey)).collect()
}

async fn party(api: &Api, site: Option<&Site>) -> Result<RelyingParty, Problem> {
    let site = site.ok_or_else(|| {
        Problem::new(Code::Refused, "passkeys work in a browser")
            .remedy("use a code of your authenticator, or a recovery code")
    })?;
    let clinic = api.clinic().await?;
    let name = clinic.name.as_ref().map_or("clinic-mesh", Name::as_str);
    RelyingParty::of(site, name)
}
