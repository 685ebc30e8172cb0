//! Every route, by everyone.

use clinic_mesh::api::routes::{Access, Method, ROUTES, Route, RouteId};
use clinic_mesh::domain::statement::Role;

use crate::desk::{Desk, status};

/// Who tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// At the socket, without a login.
    Operator,
    /// At the socket, with a login that has ended.
    OperatorWithEndedLogin,
    /// At the browsers' door.
    SignedOut,
    /// At the browsers' door, with a login.
    Staff,
    /// At the browsers' door, with the login of an auditor.
    Auditor,
    /// At the browsers' door, with a login that has ended.
    Ended,
    /// At the browsers' door, with a token that never was one.
    Invented,
}

const EVERYONE: [Who; 7] = [
    Who::Operator,
    Who::OperatorWithEndedLogin,
    Who::SignedOut,
    Who::Staff,
    Who::Auditor,
    Who::Ended,
    Who::Invented,
];

/// The status that turns someone away, or none if they are let in.
///
/// Written down a second time, from the design: reading a conversation always needs a staff login.
fn turned_away(access: Access, who: Who) -> Option<u16> {
    use Who::{Auditor, Ended, Invented, Operator, OperatorWithEndedLogin, SignedOut, Staff};
    match (access, who) {
        (Access::Anyone, _) => None,
        (_, OperatorWithEndedLogin | Ended | Invented) => Some(401),
        (Access::Staff, Staff | Auditor) => None,
        (Access::Staff, Operator | SignedOut) => Some(401),
        (Access::Operator, Operator) => None,
        (Access::Operator, _) => Some(403),
        (Access::StaffOrOperator, SignedOut) => Some(401),
        (Access::StaffOrOperator, _) => None,
        (Access::AuditorOrOperator, Operator | Auditor) => None,
        (Access::AuditorOrOperator, Staff) => Some(403),
        (Access::AuditorOrOperator, SignedOut) => Some(401),
    }
}

/// Routes whose success changes what the next try would find.
fn ends_something(route: &Route) -> bool {
    matches!(route.id, RouteId::Logout | RouteId::Stop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_lets_in_whom_the_table_names_and_nobody_else() {
    let mut desk = Desk::open().await;
    desk.signed_in("Ana", &[Role::Clinician]).await;
    desk.signed_in("Cy", &[Role::Auditor]).await;
    let (staff, auditor, ended) = (
        desk.token("Ana").await,
        desk.token("Cy").await,
        desk.token("Ana").await,
    );
    desk.operator()
        .with_token(&ended)
        .logout()
        .await
        .expect("signed out");
    let (socket, browser) = (desk.socket(), desk.browser_door());
    for route in ROUTES.iter().filter(|route| !ends_something(route)) {
        for who in EVERYONE {
            let (door, token) = match who {
                Who::Operator => (&socket, None),
                Who::OperatorWithEndedLogin => (&socket, Some(&ended)),
                Who::SignedOut => (&browser, None),
                Who::Staff => (&browser, Some(&staff)),
                Who::Auditor => (&browser, Some(&auditor)),
                Who::Ended => (&browser, Some(&ended)),
                Who::Invented => (&browser, None),
            };
            let mut shown = token.map(|token| format!("Bearer {token}"));
            if who == Who::Invented {
                shown = Some("Basic YW5hOnNlY3JldA==".to_owned());
            }
            let headers: Vec<(&str, &str)> = shown
                .iter()
                .map(|value| ("authorization", value.as_str()))
                .collect();
            let got = status(door, request(route), &headers, "{}").await;
            match turned_away(route.access, who) {
                Some(expected) => assert_eq!(got, expected, "{who:?} at {}", route.path),
                None => assert!(
                    ![401, 403].contains(&got),
                    "{who:?} at {}: {got}",
                    route.path
                ),
            }
        }
    }
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_route_and_what_is_no_request_is_told_so() {
    let desk = Desk::open().await;
    let socket = desk.socket();
    let get = |path| status(&socket, ("GET", path), &[], "");
    assert_eq!(get("/v1/nothing").await, 404);
    assert_eq!(get("/").await, 404);
    assert_eq!(
        status(&socket, ("DELETE", "/v1/status"), &[], "").await,
        404
    );
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(1024 * 1024));
    assert_eq!(
        status(&socket, ("POST", "/v1/login"), &[], &long).await,
        413
    );
    assert_eq!(status(&socket, ("POST", "/v1/login"), &[], "{").await, 400);
    assert_eq!(
        status(&socket, ("GET", "/v1/record?from=x"), &[], "").await,
        400
    );
    assert_eq!(get("/v1/openapi.json").await, 200);
    desk.stop().await;
}

fn request(route: &Route) -> (&'static str, &'static str) {
    let method = match route.method {
        Method::Get => "GET",
        Method::Post => "POST",
    };
    let path = match route.id {
        RouteId::Messages | RouteId::Send => "/v1/conversations/nowhere/messages",
        RouteId::Amend => "/v1/conversations/nowhere/amend",
        RouteId::Retract => "/v1/conversations/nowhere/retract",
        RouteId::History => "/v1/conversations/nowhere/history",
        RouteId::Typing => "/v1/conversations/nowhere/typing",
        RouteId::Draft => "/v1/conversations/nowhere/draft",
        RouteId::Opened => "/v1/conversations/nowhere/opened",
        RouteId::Acknowledge => "/v1/conversations/nowhere/acknowledge",
        RouteId::Ends => "/v1/devices/front-desk/ends",
        RouteId::Trail => "/v1/audit/front-desk",
        RouteId::TrailRecords => "/v1/audit/front-desk/1/records",
        RouteId::TrailSegments => "/v1/audit/front-desk/1/segments",
        _ => route.path,
    };
    (method, path)
}
