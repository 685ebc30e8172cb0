//! Every route, by everyone.

use clinic_mesh::api::routes::{Access, Method, ROUTES, Route, RouteId};
use clinic_mesh::domain::statement::Role;

use serde_json::json;

use crate::browser::Browser;
use crate::desk::{Desk, PASSWORD, status};

/// Who tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// At the socket, without a login.
    Operator,
    /// At the socket, with a login that has ended.
    OperatorWithEndedLogin,
    /// In a browser, as every one below.
    SignedOut,
    /// With a login.
    Staff,
    /// With the login of an auditor.
    Auditor,
    /// With the password shown, and the second factor still to be.
    BeforeFactor,
    /// With the password shown, and no second factor set up yet.
    BeforeEnrolling,
    /// With a login that its owner has locked.
    Locked,
    /// With a login that has ended.
    Ended,
    /// With a login that never was one.
    Invented,
    /// With a login shown as a token, which is the socket's way.
    WithToken,
    /// With a login, on a page that another name leads to.
    ForeignHost,
    /// With a login, from a page of another site.
    ForeignOrigin,
    /// The same, from a browser that says so in another way.
    ForeignFetch,
    /// With a login, but without the proof that the page is ours.
    WithoutProof,
    /// With a login and another login's proof.
    ForeignProof,
}

const EVERYONE: [Who; 16] = [
    Who::Operator,
    Who::OperatorWithEndedLogin,
    Who::SignedOut,
    Who::Staff,
    Who::Auditor,
    Who::BeforeFactor,
    Who::BeforeEnrolling,
    Who::Locked,
    Who::Ended,
    Who::Invented,
    Who::WithToken,
    Who::ForeignHost,
    Who::ForeignOrigin,
    Who::ForeignFetch,
    Who::WithoutProof,
    Who::ForeignProof,
];

/// The status that turns someone away, or none if they are let in.
///
/// Written down a second time, from the design: reading a conversation always needs a staff login, and
/// what a page of another site asks for is never done.
fn turned_away(route: &Route, who: Who) -> Option<u16> {
    let acts = route.method == Method::Post;
    match (who, route.access) {
        (Who::ForeignHost, _) => Some(421),
        (Who::ForeignOrigin | Who::ForeignFetch, _) => Some(403),
        (_, Access::Anyone) => None,
        (Who::OperatorWithEndedLogin | Who::Ended | Who::Invented, _) => Some(401),
        (Who::WithoutProof | Who::ForeignProof, _) if acts => Some(403),
        (Who::Operator, Access::Operator | Access::StaffOrOperator | Access::AuditorOrOperator) => {
            None
        }
        (Who::SignedOut | Who::WithToken, Access::Operator) => Some(403),
        (Who::Operator | Who::SignedOut | Who::WithToken, _) => Some(401),
        (_, Access::Begun)
        | (Who::BeforeFactor, Access::Factor)
        | (Who::BeforeEnrolling, Access::Enrolling) => None,
        (Who::Locked, _) => Some(423),
        (Who::BeforeEnrolling, Access::Factor) => Some(409),
        (Who::BeforeFactor | Who::BeforeEnrolling, _) => Some(401),
        (_, Access::Factor) => Some(409),
        (_, Access::Operator) => Some(403),
        (Who::Auditor, _) => None,
        (_, Access::AuditorOrOperator) => Some(403),
        (_, Access::Staff | Access::StaffOrOperator | Access::Enrolling) => None,
    }
}

/// Routes whose success changes what the next try would find.
fn ends_something(route: &Route) -> bool {
    matches!(route.id, RouteId::Logout | RouteId::Lock | RouteId::Stop)
}

/// Everyone's logins.
struct Logins {
    staff: Browser,
    auditor: Browser,
    before_factor: Browser,
    before_enrolling: Browser,
    locked: Browser,
    ended: Browser,
    token: String,
    ended_token: String,
}

impl Logins {
    async fn of(desk: &mut Desk) -> Self {
        for (name, role) in [
            ("Ana", Role::Clinician),
            ("Bo", Role::Clinician),
            ("Cy", Role::Auditor),
            ("Di", Role::Clinician),
        ] {
            desk.signed_in(name, &[role]).await;
        }
        let (token, ended_token) = (desk.token("Ana").await, desk.token("Ana").await);
        let operator = desk.operator().with_token(&ended_token);
        operator.logout().await.expect("signed out");
        let (staff, _, codes) = desk.browser_of("Ana").await;
        let elsewhere = || Browser::new(staff.port);
        let (mut ended, mut before_factor) = (elsewhere(), elsewhere());
        let (mut before_enrolling, mut auditor, mut locked) =
            (elsewhere(), elsewhere(), elsewhere());
        ended.show_password("Ana", PASSWORD).await;
        assert_eq!(ended.show_recovery(&codes[0]).await.status, 200);
        ended.clone().post("/v1/logout", json!({})).await;
        before_factor.show_password("Ana", PASSWORD).await;
        before_enrolling.show_password("Bo", PASSWORD).await;
        auditor.show_password("Cy", PASSWORD).await;
        auditor.enrol(desk.time()).await;
        locked.show_password("Di", PASSWORD).await;
        locked.enrol(desk.time()).await;
        assert_eq!(locked.post("/v1/lock", json!({})).await.status, 200);
        Self {
            staff,
            auditor,
            before_factor,
            before_enrolling,
            locked,
            ended,
            token,
            ended_token,
        }
    }

    /// What a browser sends in somebody's place.
    fn headers(&self, who: Who) -> Vec<(&'static str, String)> {
        let mut browser = match who {
            Who::Auditor => self.auditor.clone(),
            Who::BeforeFactor => self.before_factor.clone(),
            Who::BeforeEnrolling => self.before_enrolling.clone(),
            Who::Locked => self.locked.clone(),
            Who::Ended => self.ended.clone(),
            _ => self.staff.clone(),
        };
        match who {
            Who::SignedOut | Who::WithToken => (browser.cookie, browser.proof) = (None, None),
            Who::Invented => {
                browser.cookie = Some(format!("clinic-mesh-login-{}=x", browser.port));
            }
            Who::WithoutProof => browser.proof = None,
            Who::ForeignProof => browser.proof.clone_from(&self.auditor.proof),
            _ => {}
        }
        let mut headers = browser.usual();
        let mut set = |name: &'static str, value: &str| {
            headers.retain(|(known, _)| *known != name);
            headers.push((name, value.to_owned()));
        };
        match who {
            Who::WithToken => set("authorization", &format!("Bearer {}", self.token)),
            Who::ForeignHost => set("host", &format!("evil.example:{}", browser.port)),
            Who::ForeignOrigin => set("origin", "https://evil.example"),
            Who::ForeignFetch => {
                headers.retain(|(known, _)| *known != "origin");
                headers.retain(|(known, _)| *known != "sec-fetch-site");
                headers.push(("sec-fetch-site", "same-site".to_owned()));
            }
            _ => {}
        }
        headers
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_lets_in_whom_the_table_names_and_nobody_else() {
    let mut desk = Desk::open().await;
    let logins = Logins::of(&mut desk).await;
    let socket = desk.socket();
    let ended = [("authorization", format!("Bearer {}", logins.ended_token))];
    let ended = ended
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    for route in ROUTES.iter().filter(|route| !ends_something(route)) {
        for who in EVERYONE {
            let (method, path) = request(route);
            let got = match who {
                Who::Operator => status(&socket, (method, path), &[], "{}").await,
                Who::OperatorWithEndedLogin => status(&socket, (method, path), &ended, "{}").await,
                _ => {
                    let headers = logins.headers(who);
                    logins.staff.status(method, path, &headers, "{}").await
                }
            };
            match turned_away(route, who) {
                Some(expected) => assert_eq!(got, expected, "{who:?} at {}", route.path),
                None => assert!(
                    ![401, 403, 421].contains(&got),
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
        RouteId::FactorRemove => "/v1/factors/none/remove",
        RouteId::LoginEnd => "/v1/logins/none/end",
        RouteId::StaffLogins => "/v1/staff/Nobody/logins",
        RouteId::StaffLoginsEnd => "/v1/staff/Nobody/logins/end",
        RouteId::Ends => "/v1/devices/front-desk/ends",
        RouteId::Trail => "/v1/audit/front-desk",
        RouteId::TrailRecords => "/v1/audit/front-desk/1/records",
        RouteId::TrailSegments => "/v1/audit/front-desk/1/segments",
        _ => route.path,
    };
    (method, path)
}
