//! Signing in and out, and what a login is.

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, IntoResponse, Response};

use crate::api::clinic::{role_name, staff_name};
use crate::api::login::{
    Done, FactorRequest, LoginAnswer, LoginLine, LoginRequest, LoginsEnded, LoginsEnding,
    LoginsView, MeView, PasskeyShown, PasswordChange, StepUpRequest, UnlockRequest,
};
use crate::api::problem::Problem;
use crate::domain::audit::{AuditRecord, Deed, Origin};
use crate::domain::id::StaffId;
use crate::web::access::{Caller, login_required};
use crate::web::answer::{Answer, Json, Named};
use crate::web::door::{self, Door};
use crate::web::login::{
    Admitted, Line, LoginKey, change_password, factors_of, passkey_sign_in, proof_of, show_factor,
    sign_in, step_up, unlock,
};
use crate::web::names;
use crate::web::state::Api;

pub(super) async fn login(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(door): Extension<Door>,
    headers: HeaderMap,
    Json(request): Json<LoginRequest>,
) -> Result<Response, Problem> {
    let admitted = sign_in(&api, caller, &request).await?;
    take_place(&api, (&door, caller), &headers).await;
    let answer = answer(&api, &door, &admitted).await?;
    Ok(hand_over(&door, &admitted, answer))
}

pub(super) async fn passkey_login(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(door): Extension<Door>,
    headers: HeaderMap,
    Json(request): Json<PasskeyShown>,
) -> Result<Response, Problem> {
    let admitted = passkey_sign_in(&api, caller, door.site(), &request).await?;
    take_place(&api, (&door, caller), &headers).await;
    let answer = answer(&api, &door, &admitted).await?;
    Ok(hand_over(&door, &admitted, answer))
}

/// Whoever signs in at a shared browser takes the place of whoever was signed in there.
async fn take_place(api: &Api, (door, caller): (&Door, Caller), headers: &HeaderMap) {
    let before = door.site().and_then(|site| door::of_login(site, headers));
    if let Some(token) = before {
        let ended = api.logins().end(LoginKey::of(token));
        api.end(ended.into_iter().collect(), caller.origin()).await;
    }
}

/// What a face is told of a login that has begun or come further.
pub(super) async fn answer(
    api: &Api,
    door: &Door,
    admitted: &Admitted,
) -> Result<LoginAnswer, Problem> {
    let clinic = api.clinic().await?;
    let credentials = api.credentials(admitted.staff).await?;
    let ends = api.logins().ends(LoginKey::of(&admitted.token));
    let in_browser = door.site().is_some();
    Ok(LoginAnswer {
        state: admitted.stage.word().to_owned(),
        factors: factors_of(&credentials, door.site()),
        // A browser gets the token out of its scripts' reach, as a cookie.
        token: (!in_browser).then(|| admitted.token.to_string()),
        proof: in_browser.then(|| proof_of(&admitted.token)),
        staff: admitted.staff.to_string(),
        name: staff_name(&clinic, &admitted.staff),
        ends: ends.ok_or_else(login_required)?.into(),
        idle_minutes: clinic.policy.idle_logoff_minutes,
    })
}

pub(super) fn hand_over(
    door: &Door,
    admitted: &Admitted,
    answer: impl serde::Serialize,
) -> Response {
    match door.site() {
        None => Json(answer).into_response(),
        Some(site) => {
            let cookie = AppendHeaders([(header::SET_COOKIE, door::set(site, &admitted.token))]);
            (cookie, Json(answer)).into_response()
        }
    }
}

pub(super) async fn factor(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(door): Extension<Door>,
    Json(request): Json<FactorRequest>,
) -> Result<Response, Problem> {
    let admitted = show_factor(&api, caller, door.site(), &request).await?;
    let answer = answer(&api, &door, &admitted).await?;
    Ok(hand_over(&door, &admitted, answer))
}

pub(super) async fn step_up_login(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(door): Extension<Door>,
    Json(request): Json<StepUpRequest>,
) -> Result<Response, Problem> {
    let admitted = step_up(&api, caller, door.site(), &request).await?;
    let answer = answer(&api, &door, &admitted).await?;
    Ok(hand_over(&door, &admitted, answer))
}

pub(super) async fn lock(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Answer<Done> {
    if let Some(shown) = caller.login {
        api.logins().lock(shown.key);
        // Its streams end.
        api.looked_away();
    }
    Ok(Json(Done {}))
}

pub(super) async fn unlock_login(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(door): Extension<Door>,
    Json(request): Json<UnlockRequest>,
) -> Result<Response, Problem> {
    let admitted = unlock(&api, caller, &request.password).await?;
    let answer = answer(&api, &door, &admitted).await?;
    Ok(hand_over(&door, &admitted, answer))
}

pub(super) async fn logins(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Answer<LoginsView> {
    let shown = caller.login.ok_or_else(login_required)?;
    view(&api, &shown.staff, Some(shown.key)).await.map(Json)
}

/// Somebody's logins at this office, and where else they may have some; `this` is the one that asks.
async fn view(api: &Api, staff: &StaffId, this: Option<LoginKey>) -> Result<LoginsView, Problem> {
    let (clinic, device) = (api.clinic().await?, api.device().await?);
    let known = clinic.devices.get(&device);
    let office = known.map(|known| &known.certificate.office);
    let member = clinic.staff.get(staff);
    let homes = member.map_or(&[][..], |member| &member.facts.homes);
    let elsewhere = homes.iter().filter(|home| Some(*home) != office);
    Ok(LoginsView {
        logins: lines(&api.logins().of_person(staff), this),
        office: office.map(ToString::to_string),
        elsewhere: elsewhere.map(ToString::to_string).collect(),
    })
}

fn lines(lines: &[Line], this: Option<LoginKey>) -> Vec<LoginLine> {
    let lines = lines.iter().map(|line| LoginLine {
        id: line.key.name(),
        began: line.began.into(),
        used: line.used.into(),
        door: match line.origin {
            Origin::Browser => "browser".to_owned(),
            Origin::Socket | Origin::Inside | Origin::Mesh => "socket".to_owned(),
        },
        address: line.address.map(|address| address.to_string()),
        browser: line.agent.map(|agent| agent.to_string()),
        this: Some(line.key) == this,
    });
    lines.collect()
}

/// The logins of somebody else, for whoever operates the machine.
pub(super) async fn logins_of(
    State(api): State<Api>,
    Named(named): Named<String>,
) -> Answer<LoginsView> {
    let staff = person(&api, &named).await?;
    view(&api, &staff, None).await.map(Json)
}

/// Ends logins of somebody else, at once; who did that goes into the audit trail.
pub(super) async fn end_logins_of(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Named(named): Named<String>,
    Json(which): Json<LoginsEnding>,
) -> Answer<LoginsEnded> {
    let staff = person(&api, &named).await?;
    let ended = match which.login {
        None => api.logins().end_of(&staff),
        Some(login) => {
            let theirs = api.logins().of_person(&staff);
            let found = theirs.iter().find(|line| line.key.name() == login);
            let found = found.ok_or_else(|| Problem::not_found("login", &login))?;
            api.logins().end(found.key).into_iter().collect()
        }
    };
    let count = u32::try_from(ended.len()).unwrap_or(u32::MAX);
    api.end(ended, caller.origin()).await;
    let deed = Deed::LoginsEnded { staff, count };
    let asker = caller.asker();
    api.note(AuditRecord::done(asker.actor, asker.origin, deed))
        .await?;
    Ok(Json(LoginsEnded { ended: count }))
}

async fn person(api: &Api, named: &str) -> Result<StaffId, Problem> {
    let clinic = api.clinic().await?;
    names::staff(&clinic, named).ok_or_else(|| Problem::not_found("staff member", named))
}

pub(super) async fn end_login(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Named(login): Named<String>,
) -> Answer<Done> {
    let staff = caller.staff()?;
    let theirs = api.logins().of_person(&staff);
    let found = theirs.iter().find(|line| line.key.name() == login);
    let found = found.ok_or_else(|| Problem::not_found("login", &login))?;
    let ended = api.logins().end(found.key);
    api.end(ended.into_iter().collect(), caller.origin()).await;
    Ok(Json(Done {}))
}

pub(super) async fn logout(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(door): Extension<Door>,
) -> Response {
    if let Some(shown) = caller.login {
        let ended = api.logins().end(shown.key);
        api.end(ended.into_iter().collect(), caller.origin()).await;
    }
    match door.site() {
        None => Json(Done {}).into_response(),
        Some(site) => {
            let cookie = AppendHeaders([(header::SET_COOKIE, door::cleared(site))]);
            (cookie, Json(Done {})).into_response()
        }
    }
}

pub(super) async fn me(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(door): Extension<Door>,
    headers: HeaderMap,
) -> Answer<MeView> {
    let shown = caller.login.ok_or_else(login_required)?;
    let clinic = api.clinic().await?;
    let device = api.device().await?;
    let credentials = api.credentials(shown.staff).await?;
    let ends = api.logins().ends(shown.key).ok_or_else(login_required)?;
    let member = clinic.staff.get(&shown.staff);
    let roles = member.map(|member| {
        let roles = member.facts.roles.iter();
        roles.map(|role| role_name(*role).to_owned()).collect()
    });
    let token = door.site().and_then(|site| door::of_login(site, &headers));
    Ok(Json(MeView {
        state: shown.stage.word().to_owned(),
        factors: factors_of(&credentials, door.site()),
        recovery_left: credentials.recovery_left(),
        staff: shown.staff.to_string(),
        name: staff_name(&clinic, &shown.staff),
        roles: roles.unwrap_or_default(),
        office: clinic
            .devices
            .get(&device)
            .map(|known| known.certificate.office.to_string()),
        clinic: clinic.name.as_ref().map(ToString::to_string),
        ends: ends.into(),
        idle_minutes: clinic.policy.idle_logoff_minutes,
        proof: token.map(proof_of),
    }))
}

pub(super) async fn password(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Json(change): Json<PasswordChange>,
) -> Answer<Done> {
    change_password(&api, caller, &change).await?;
    Ok(Json(Done {}))
}
