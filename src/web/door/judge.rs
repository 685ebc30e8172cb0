//! What a door for browsers checks of every request, and tells browsers in every answer.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Site;
use crate::api::problem::{Code, Problem};

/// Where a connection came from.
#[derive(Clone, Copy, Debug)]
pub(in crate::web) struct Peer(pub(in crate::web) IpAddr);

/// What a page of ours may do: run our own scripts and styles, talk to this node, and nothing else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// What every answer says to a browser.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), \
         microphone=(), geolocation=(), usb=(), serial=(), bluetooth=(), payment=(), \
         display-capture=()",
    ),
];

/// Browsers come back by TLS only, for a year.
const STRICT_TRANSPORT: &str = "max-age=31536000";

/// Lets a request in if it is meant for this door and comes from a page of this door.
pub(in crate::web) async fn judge(
    State(site): State<Site>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match refused(&site, &request) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    dress(&site, response.headers_mut());
    response
}

fn dress(site: &Site, headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if site.is_secure() {
        let value = HeaderValue::from_static(STRICT_TRANSPORT);
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
}

fn refused(site: &Site, request: &Request) -> Option<Problem> {
    if !host(request).is_some_and(|host| site.answers_to(host)) {
        let why = "this node is not called that here";
        let remedy = format!("open {}", site.address());
        return Some(Problem::new(Code::Misdirected, why).remedy(remedy));
    }
    let headers = request.headers();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let api = request.uri().path().starts_with("/v1/");
    let foreign = is_foreign(site, headers) && (api || !reads);
    if foreign {
        let why = "a page of another site asked for this";
        let remedy = format!("open {} in a window of its own", site.address());
        return Some(Problem::new(Code::Forbidden, why).remedy(remedy));
    }
    if !reads && !is_json(headers) {
        let why = "the request's body is not JSON";
        return Some(Problem::new(Code::Malformed, why).remedy("send it as application/json"));
    }
    None
}

/// The host that a request names: the one of its target, which HTTP/2 has, or else the header's.
fn host(request: &Request) -> Option<&str> {
    let target = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    let mut headers = request.headers().get_all(header::HOST).into_iter();
    let header = match (headers.next(), headers.next()) {
        (Some(header), None) => Some(header.to_str().ok()?),
        (None, _) => None,
        (Some(_), Some(_)) => return None,
    };
    match (target, header) {
        (Some(target), Some(header)) if target != header => None,
        (target, header) => target.or(header),
    }
}

/// Whether the browser says that another site's page is behind the request.
fn is_foreign(site: &Site, headers: &HeaderMap) -> bool {
    let origins = headers.get_all(header::ORIGIN);
    let foreign = |origin: &HeaderValue| !origin.to_str().is_ok_and(|origin| site.is_own(origin));
    if origins.into_iter().any(foreign) {
        return true;
    }
    let fetch = headers.get("sec-fetch-site");
    // "none": typed into the address bar, or a bookmark.
    fetch.is_some_and(|site| site != "same-origin" && site != "none")
}

/// A form of another site can send much, but not this type.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    let kind = kind.to_str().unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}
