//! How browsers reach this node, and why they trust it.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::api::blob;
use crate::api::clinic::device_name;
use crate::api::problem::{Code, Problem};
use crate::api::web::WebView;
use crate::domain::web::fingerprint;
use crate::web::answer::{Answer, Json};
use crate::web::state::Api;

pub(super) async fn web(State(api): State<Api>) -> Answer<WebView> {
    let clinic = api.clinic().await?;
    let device = api.device().await?;
    let found = clinic.devices.get(&device);
    let certificate = found.and_then(|found| found.web.as_ref());
    let key = api.web_key().ok_or_else(no_browsers)?;
    Ok(Json(WebView {
        addresses: api.addresses_for_people(),
        device: device.to_string(),
        name: device_name(&clinic, &device),
        key: blob::wrap_web_key(&key),
        names: certificate.map_or_else(Vec::new, |found| found.names.clone()),
        until: certificate.map(|found| found.not_after.into()),
        authority: certificate.map(|found| blob::pem(&found.authority)),
        fingerprint: certificate.map(|found| fingerprint(&found.authority)),
    }))
}

fn no_browsers() -> Problem {
    Problem::new(Code::NotFound, "this node serves no browsers")
}

/// The web CA's certificate as a file, for whoever sets up a PC; nothing in it is secret.
pub(in crate::web) async fn authority(State(api): State<Api>) -> Response {
    match api.own_web_certificate().await {
        Some(certificate) => {
            let kind = [(header::CONTENT_TYPE, "application/x-x509-ca-cert")];
            let caching = [(header::CACHE_CONTROL, "no-store")];
            (kind, caching, certificate.authority).into_response()
        }
        None => Problem::not_found("certificate", "web-ca.crt").into_response(),
    }
}
