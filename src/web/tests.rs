//! How much the API lets anyone ask of it, against a node that answers slowly or not at all.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use futures::FutureExt as _;
use futures::future::poll_immediate;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::socket::talk;
use super::state::{REQUESTS_MAX, STREAMS_MAX};
use super::*;
use crate::domain::id::{ClinicId, Hash};
use crate::domain::record::Clinic;
use crate::domain::testing::NOON;
use crate::node::Handle;
use crate::node::engine::{Command, Reply};

/// Long enough to see that no answer comes.
const A_WHILE: Duration = Duration::from_millis(200);

/// The API of a node that knows its clinic, and leaves every other question without an answer.
fn api() -> Api {
    api_of(|command| match command {
        Command::Clinic => {
            let clinic = Clinic::unknown(ClinicId::new(*Hash::ZERO.as_bytes()));
            Some(Reply::Clinic(Arc::new(clinic)))
        }
        _ => None,
    })
}

fn api_of(answer: impl Fn(&Command) -> Option<Reply> + Send + 'static) -> Api {
    let timepiece = Arc::new(|| Now {
        wall: NOON,
        mono: Duration::ZERO,
    });
    Api::new(Handle::answered_by(answer), timepiece)
}

/// The operator's request for a path, perhaps with a token.
async fn get(api: &Api, path: &str, token: Option<&str>) -> Response<Body> {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Body::empty()).expect("a request");
    let service = TowerToHyperService::new(router(api.clone(), Door::Socket));
    service.call(request).await.expect("it cannot fail")
}

#[tokio::test(start_paused = true)]
async fn a_request_is_given_up_after_half_a_minute_wherever_it_hangs() {
    let began = Instant::now();
    let handler_hangs = get(&api(), "/v1/status", None).await;
    assert_eq!(handler_hangs.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(began.elapsed().as_secs(), 30);

    let began = Instant::now();
    let silent = api_of(|_| None);
    let login_hangs = get(&silent, "/v1/status", Some("a token")).await;
    assert_eq!(login_hangs.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(began.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn at_most_256_requests_are_under_way_and_more_are_told_to_come_back() {
    let api = api();
    let mut waiting: Vec<_> = (0..REQUESTS_MAX)
        .map(|_| get(&api, "/v1/status", None).boxed())
        .collect();
    for request in &mut waiting {
        assert!(poll_immediate(request).await.is_none());
    }
    for path in ["/v1/status", "/v1/events"] {
        let refused = get(&api, path, None).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
    waiting.pop();
    let in_its_place = pin!(get(&api, "/v1/status", None));
    assert!(poll_immediate(in_its_place).await.is_none());
}

#[tokio::test]
async fn at_most_1024_streams_are_open_and_more_are_told_to_come_back() {
    let api = api();
    let mut open = Vec::new();
    for _ in 0..STREAMS_MAX {
        let stream = get(&api, "/v1/events", None).await;
        assert_eq!(stream.status(), StatusCode::OK);
        open.push(stream);
    }
    let refused = get(&api, "/v1/events", None).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    open.pop();
    let in_its_place = get(&api, "/v1/events", None).await;
    assert_eq!(in_its_place.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_finish_the_head_of_a_request_is_hung_up_on() {
    let (mut face, ours) = UnixStream::pair().expect("a pair");
    tokio::spawn(talk(ours, router(api(), Door::Socket)));
    let began = Instant::now();
    face.write_all(b"GET /v1/status HTTP/1.1\r\nhost:")
        .await
        .expect("it is read");
    let mut answer = Vec::new();
    // It may say why, or nothing.
    let _ = face.read_to_end(&mut answer).await;
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn beyond_its_places_a_socket_takes_a_connection_when_another_ends() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let socket = Socket::open(dir.path()).expect("a free place");
    let path = socket.path().to_owned();
    tokio::spawn(socket.serve_at_most(2, api(), std::future::pending()));
    let connect = async || UnixStream::connect(&path).await.expect("it listens");
    let (one, _other) = (connect().await, connect().await);
    let mut third = connect().await;
    let request = b"GET /v1/openapi.json HTTP/1.1\r\nhost: node\r\n\r\n";
    third.write_all(request).await.expect("the system keeps it");
    let mut answer = [0; 12];
    let early = tokio::time::timeout(A_WHILE, third.read_exact(&mut answer)).await;
    assert!(early.is_err(), "it waits outside");
    drop(one);
    third.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
}
