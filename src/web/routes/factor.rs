//! Setting up second factors, looking at them, and taking them away.

use axum::extract::{Extension, State};
use axum::response::Response;

use super::login::{answer, hand_over};
use crate::api::login::{
    Done, FactorKept, FactorsView, PasskeyAsked, PasskeyMade, PasskeyOptions, RecoveryRenewed,
    TotpBegun, TotpFinish,
};
use crate::api::problem::Problem;
use crate::web::access::Caller;
use crate::web::answer::{Answer, Json, Named};
use crate::web::door::Door;
use crate::web::login::{
    Admitted, ask_for_passkey, begin_passkey, begin_passkey_sign_in, begin_totp, factors,
    finish_passkey, finish_totp, remove_factor, renew_recovery,
};
use crate::web::state::Api;

pub(super) async fn totp_begin(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Answer<TotpBegun> {
    begin_totp(&api, caller).await.map(Json)
}

pub(super) async fn totp_finish(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(door): Extension<Door>,
    Json(request): Json<TotpFinish>,
) -> Result<Response, Problem> {
    let kept = finish_totp(&api, caller, &request.totp).await?;
    factor_kept(&api, &door, kept).await
}

pub(super) async fn passkey_login_begin(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(door): Extension<Door>,
) -> Answer<PasskeyAsked> {
    let asked = begin_passkey_sign_in(&api, caller, door.site());
    asked.await.map(Json)
}

pub(super) async fn passkey_ask(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(door): Extension<Door>,
) -> Answer<PasskeyOptions> {
    ask_for_passkey(&api, caller, door.site()).await.map(Json)
}

pub(super) async fn passkey_begin(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(door): Extension<Door>,
) -> Answer<PasskeyOptions> {
    begin_passkey(&api, caller, door.site()).await.map(Json)
}

pub(super) async fn passkey_finish(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(door): Extension<Door>,
    Json(made): Json<PasskeyMade>,
) -> Result<Response, Problem> {
    let kept = finish_passkey(&api, caller, door.site(), &made).await?;
    factor_kept(&api, &door, kept).await
}

async fn factor_kept(
    api: &Api,
    door: &Door,
    (admitted, recovery_codes): (Admitted, Vec<String>),
) -> Result<Response, Problem> {
    let login = answer(api, door, &admitted).await?;
    let kept = FactorKept {
        recovery_codes,
        login,
    };
    Ok(hand_over(door, &admitted, kept))
}

pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(door): Extension<Door>,
) -> Answer<FactorsView> {
    let staff = caller.staff()?;
    factors(&api, staff, door.site()).await.map(Json)
}

pub(super) async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Named(factor): Named<String>,
) -> Answer<Done> {
    remove_factor(&api, caller, &factor).await?;
    Ok(Json(Done {}))
}

pub(super) async fn renew_recovery_codes(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Answer<RecoveryRenewed> {
    let recovery_codes = renew_recovery(&api, caller).await?;
    Ok(Json(RecoveryRenewed { recovery_codes }))
}
