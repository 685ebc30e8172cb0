//! Signing in and out, and what a login is.

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, IntoResponse, Response};

use crate::api::clinic::{role_name, staff_name};
use crate::api::login::{Done, LoginAnswer, LoginRequest, MeView, PasswordChange};
use crate::api::problem::Problem;
use crate::web::access::{Caller, login_required};
use crate::web::answer::{Answer, Json};
use crate::web::door::{self, Door};
use crate::web::login::{LoginKey, change_password, proof_of, sign_in};
use crate::web::state::Api;

pub(super) async fn login(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(door): Extension<Door>,
    headers: HeaderMap,
    Json(request): Json<LoginRequest>,
) -> Result<Response, Problem> {
    let answer = sign_in(&api, caller, &request).await?;
    // Whoever signs in at a shared browser takes the place of whoever was signed in there.
    let before = door.site().and_then(|site| door::of_login(site, &headers));
    if let Some(token) = before {
        let ended = api.logins().end(LoginKey::of(token));
        api.end(ended.into_iter().collect(), caller.origin()).await;
    }
    Ok(hand_over(&door, answer))
}

/// Gives a login to its face: a browser gets the token out of its scripts' reach, as a cookie.
fn hand_over(door: &Door, mut answer: LoginAnswer) -> Response {
    let Some((site, token)) = door.site().zip(answer.token.clone()) else {
        return Json(answer).into_response();
    };
    answer.token = None;
    answer.proof = Some(proof_of(&token));
    let cookie = AppendHeaders([(header::SET_COOKIE, door::set(site, &token))]);
    (cookie, Json(answer)).into_response()
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
    let ends = api.logins().ends(shown.key).ok_or_else(login_required)?;
    let member = clinic.staff.get(&shown.staff);
    let roles = member.map(|member| {
        let roles = member.facts.roles.iter();
        roles.map(|role| role_name(*role).to_owned()).collect()
    });
    let token = door.site().and_then(|site| door::of_login(site, &headers));
    Ok(Json(MeView {
        state: "ready".to_owned(),
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
