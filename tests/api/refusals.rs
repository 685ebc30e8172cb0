//! Every refusal is the API's own problem document, whoever finds the fault: a route, its extractors or
//! the router.

use clinic_mesh::api::BODY_MAX;
use clinic_mesh::api::routes::{Access, Method, ROUTES, Route, RouteId};
use clinic_mesh::domain::statement::Role;

use crate::browser::{Answer, Browser};
use crate::desk::Desk;

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// A body over the limit.
    TooLarge,
    /// A body that ends too early.
    Unfinished,
    /// A body of another shape.
    OtherShape,
    /// A body that is said to be a form.
    Form,
    /// A method that no route has.
    Method,
    /// A path that is no text.
    PathBytes,
    /// A parameter that is no number.
    Parameter,
}

const FAULTS: [Fault; 7] = [
    Fault::TooLarge,
    Fault::Unfinished,
    Fault::OtherShape,
    Fault::Form,
    Fault::Method,
    Fault::PathBytes,
    Fault::Parameter,
];

/// The status and code of the refusal, or nothing if the route has no place for the fault.
fn expected(route: &Route, fault: Fault) -> Option<(u16, &'static str)> {
    let malformed = Some((400, "malformed"));
    match fault {
        Fault::Method => Some((404, "not_found")),
        Fault::Form if route.method == Method::Post => malformed,
        // Who asks is judged before what is asked, and nothing of a body is read for those who may not.
        Fault::TooLarge if matches!(route.access, Access::Operator | Access::Factor) => None,
        Fault::TooLarge if route.id == RouteId::NodeUnlock => None,
        // This node is not locked.
        _ if route.id == RouteId::NodeUnlock => Some((409, "refused")),
        _ if route.access == Access::Operator => Some((403, "forbidden")),
        _ if route.access == Access::Factor => Some((409, "refused")),
        Fault::TooLarge if route.takes.is_some() => Some((413, "too_large")),
        Fault::Unfinished | Fault::OtherShape if route.takes.is_some() => malformed,
        Fault::PathBytes if route.path.contains('{') => malformed,
        Fault::Parameter if COUNTED.contains(&route.path) => malformed,
        _ => None,
    }
}

/// Routes with a number among their parameters.
const COUNTED: [&str; 2] = [
    "/v1/conversations/{conversation}/messages",
    "/v1/audit/{device}/{epoch}/records",
];

async fn with(browser: &Browser, route: &Route, fault: Fault) -> Answer {
    let method = match route.method {
        _ if fault == Fault::Method => "DELETE",
        Method::Get => "GET",
        Method::Post => "POST",
    };
    let path: Vec<&str> = route.path.split('/').collect();
    let filled = path.iter().map(|part| match part.starts_with('{') {
        true if fault == Fault::PathBytes => "%ff",
        true => "1",
        false => part,
    });
    let mut path = filled.collect::<Vec<&str>>().join("/");
    if fault == Fault::Parameter {
        path.push_str("?limit=many&from=many");
    }
    let body = match fault {
        Fault::TooLarge => format!("\"{}\"", "x".repeat(BODY_MAX)),
        Fault::Unfinished => "{".to_owned(),
        Fault::OtherShape => "7".to_owned(),
        _ => "{}".to_owned(),
    };
    let mut headers = browser.usual();
    if fault == Fault::Form {
        headers.retain(|(name, _)| *name != "content-type");
        headers.push((
            "content-type",
            "application/x-www-form-urlencoded".to_owned(),
        ));
    }
    browser.send(method, &path, &headers, &body).await
}

/// What the libraries below would have said.
const NOT_OURS: [&str; 4] = ["Failed to", "length limit", "deserialize", "Invalid URL"];

fn check(answer: &Answer, (status, code): (u16, &str), what: &str) {
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/json"),
        "{what}"
    );
    let problem = answer.json();
    assert_eq!(problem["code"], code, "{what}: {problem}");
    let message = problem["message"].as_str().expect("a message");
    let foreign = NOT_OURS.iter().find(|words| message.contains(**words));
    assert_eq!(foreign, None, "{what}: {message}");
    if ["malformed", "too_large", "not_found"].contains(&code) {
        assert!(problem["remedy"].is_string(), "{what}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_refuses_in_the_words_of_the_api_whatever_is_wrong() {
    let mut desk = Desk::open().await;
    desk.signed_in("Ana", &[Role::Auditor]).await;
    let (browser, _, _) = desk.browser_of("Ana").await;
    for route in &ROUTES {
        for fault in FAULTS {
            if let Some(expected) = expected(route, fault) {
                let answer = with(&browser, route, fault).await;
                check(&answer, expected, &format!("{fault:?} at {}", route.path));
            }
        }
    }
    for path in ["/v1/nothing", "/nothing", "/assets/nothing.js"] {
        check(&browser.get(path).await, (404, "not_found"), path);
    }
    check(
        &browser.get("/assets/%ff").await,
        (400, "malformed"),
        "an asset",
    );
    desk.stop().await;
}
