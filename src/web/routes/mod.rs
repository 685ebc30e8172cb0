//! The router, made from the table.

mod audit;
mod backup;
mod conversation;
mod doctor;
mod enrolment;
mod factor;
mod login;
mod node;
mod record;
mod web;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};

use super::access::{Gate, check};
use super::assets::{asset, page};
use super::door::{Door, judge};
use super::events::events;
use super::state::Api;
use crate::api::BODY_MAX;
use crate::api::problem::{Code, Problem};
use crate::api::routes::{ROUTES, RouteId};

/// The routes of one door.
pub fn router(api: Api, door: Door) -> Router {
    let mut router = Router::new();
    if door.site().is_some() {
        router = router
            .route("/", get(page))
            .route("/assets/{name}", get(asset))
            .route("/web-ca.crt", get(web::authority));
    }
    for route in &ROUTES {
        let gate = Gate {
            api: api.clone(),
            door: door.clone(),
            route,
        };
        let handler = handler(route.id).layer(from_fn_with_state(gate, check));
        router = router.route(route.path, handler);
    }
    let router = router
        .fallback(|| async { no_route("there is no such route") })
        .method_not_allowed_fallback(|| async {
            no_route("there is no such route for this method")
        })
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(api);
    match door.site() {
        None => router,
        Some(site) => router.layer(from_fn_with_state(site.clone(), judge)),
    }
}

fn no_route(message: &str) -> Problem {
    Problem::new(Code::NotFound, message).remedy("compare the address with /v1/openapi.json")
}

/// Who serves a route.
fn handler(id: RouteId) -> MethodRouter<Api> {
    match id {
        RouteId::OpenApi => get(node::openapi),
        RouteId::Status => get(node::status),
        RouteId::Clinic => get(node::clinic),
        RouteId::Inventory => get(node::inventory),
        RouteId::Login => post(login::login),
        RouteId::Logout => post(login::logout),
        RouteId::Me => get(login::me),
        RouteId::ShowFactor => post(login::factor),
        RouteId::TotpBegin => post(factor::totp_begin),
        RouteId::TotpFinish => post(factor::totp_finish),
        RouteId::PasskeyLoginBegin => post(factor::passkey_login_begin),
        RouteId::PasskeyLogin => post(login::passkey_login),
        RouteId::PasskeyAsk => post(factor::passkey_ask),
        RouteId::PasskeyBegin => post(factor::passkey_begin),
        RouteId::PasskeyFinish => post(factor::passkey_finish),
        RouteId::Factors => get(factor::list),
        RouteId::FactorRemove => post(factor::remove),
        RouteId::RecoveryRenew => post(factor::renew_recovery_codes),
        RouteId::StepUp => post(login::step_up_login),
        RouteId::Lock => post(login::lock),
        RouteId::Unlock => post(login::unlock_login),
        RouteId::NodeUnlock => post(node::unlock),
        RouteId::Logins => get(login::logins),
        RouteId::LoginEnd => post(login::end_login),
        RouteId::StaffLogins => get(login::logins_of),
        RouteId::StaffLoginsEnd => post(login::end_logins_of),
        RouteId::Password => post(login::password),
        RouteId::Conversations => get(conversation::list),
        RouteId::Messages => get(conversation::messages),
        RouteId::Send => post(conversation::send),
        RouteId::Group => post(conversation::group),
        RouteId::Amend => post(conversation::amend),
        RouteId::Retract => post(conversation::retract),
        RouteId::History => get(conversation::history),
        RouteId::Search => get(conversation::search),
        RouteId::Typing => post(conversation::typing),
        RouteId::Presence => get(conversation::presence),
        RouteId::Seen => post(conversation::seen),
        RouteId::Draft => post(conversation::draft),
        RouteId::Opened => post(conversation::opened),
        RouteId::Acknowledge => post(conversation::acknowledge),
        RouteId::Events => get(events),
        RouteId::Record => get(record::record),
        RouteId::Submit => post(record::submit),
        RouteId::Ends => get(record::ends),
        RouteId::Revocations => get(record::revocations),
        RouteId::Trail => get(audit::trail),
        RouteId::TrailRecords => get(audit::records),
        RouteId::TrailSegments => get(audit::segments),
        RouteId::Web => get(web::web),
        RouteId::MeshKeys => get(enrolment::mesh_keys),
        RouteId::InvitationOpen => post(enrolment::open),
        RouteId::InvitationState => get(enrolment::state),
        RouteId::InvitationDecide => post(enrolment::decide),
        RouteId::InvitationCancel => post(enrolment::cancel),
        RouteId::Doctor => post(doctor::look),
        RouteId::Backup => post(backup::make),
        RouteId::Stop => post(node::stop),
    }
}
