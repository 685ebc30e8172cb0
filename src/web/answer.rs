//! Bodies in, answers and problems out.

use std::error::Error;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::BODY_MAX;
use crate::api::problem::{Code, Problem};
use crate::domain::factor::FactorRefusal;
use crate::node::engine::CommandRefusal;

/// What handlers return.
pub(super) type Answer<T> = Result<Json<T>, Problem>;

/// A JSON body, in either direction; what cannot be read is a problem in our own form.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => json_response(StatusCode::OK, body),
            Err(_) => {
                Problem::new(Code::Internal, "the answer could not be written").into_response()
            }
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(too_large)?;
        let parsed = serde_json::from_slice(&bytes);
        // The error's place is told, never what stood there: it may be a password.
        let wrong = |error: serde_json::Error| {
            let place = format!("line {} column {}", error.line(), error.column());
            Problem::new(
                Code::Malformed,
                format!("the request's body does not fit at {place}"),
            )
            .remedy("compare it with /v1/openapi.json")
        };
        parsed.map(Self).map_err(wrong)
    }
}

fn too_large(rejection: BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let message = format!("the request's body is over {} KiB", BODY_MAX / 1024);
        return Problem::new(Code::TooLarge, message).remedy("send it in smaller parts");
    }
    Problem::new(
        Code::Malformed,
        "the request's body did not arrive to its end",
    )
    .remedy("send the request again")
}

/// Query parameters.
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await.map_err(
            |rejection: QueryRejection| misfit("the parameters after the ?", &rejection),
        )?;
        Ok(Self(query.0))
    }
}

/// What the route's path names.
pub(super) struct Named<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<T>::from_request_parts(parts, state)
            .await
            .map_err(|rejection: PathRejection| misfit("the path of the address", &rejection))?;
        Ok(Self(path.0))
    }
}

/// The library's refusal of what an address says, in our own form; its innermost reason names the field.
fn misfit(what: &str, rejection: &dyn Error) -> Problem {
    let reasons = std::iter::successors(rejection.source(), |reason| Error::source(*reason));
    let why = reasons
        .last()
        .map_or_else(String::new, |reason| format!(": {reason}"));
    Problem::new(Code::Malformed, format!("{what} cannot be read{why}"))
        .remedy("compare the address with /v1/openapi.json")
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = json_response(status, body);
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

fn json_response(status: StatusCode, body: Vec<u8>) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, body).into_response()
}

/// What the engine refuses, as faces see it.
pub(super) fn problem_of(why: &CommandRefusal) -> Problem {
    let split = |code, why: &CommandRefusal| {
        let text = why.to_string();
        let mut parts = text.splitn(2, "; ");
        let message = parts.next().unwrap_or_default().to_owned();
        Problem {
            remedy: parts.next().map(str::to_owned),
            ..Problem::new(code, message)
        }
    };
    match why {
        CommandRefusal::NotAMember | CommandRefusal::NotAtHome | CommandRefusal::Suspended => {
            split(Code::Forbidden, why)
        }
        CommandRefusal::TextLength
        | CommandRefusal::TooManyMentions
        | CommandRefusal::TooManyGroups
        | CommandRefusal::NotTheWriter
        | CommandRefusal::AlreadyRetracted
        | CommandRefusal::TooManyAmendments
        | CommandRefusal::ReasonLength
        | CommandRefusal::DeviceRevoked
        | CommandRefusal::ReadOnly
        | CommandRefusal::NotRenewed(_)
        | CommandRefusal::BadSegment(_) => split(Code::Refused, why),
        CommandRefusal::Factor(FactorRefusal::Last | FactorRefusal::TooMany) => {
            split(Code::Refused, why)
        }
        CommandRefusal::Factor(FactorRefusal::Copied) => split(Code::LoginRefused, why),
        CommandRefusal::Factor(FactorRefusal::Unknown) => split(Code::NotFound, why),
        CommandRefusal::DiskFull => split(Code::DiskFull, why),
        CommandRefusal::Unknown(_) => split(Code::NotFound, why),
        CommandRefusal::Busy => split(Code::Busy, why),
        CommandRefusal::Stopping => split(Code::Stopping, why),
    }
}
