use axum::body::{Body, to_bytes};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};

use super::*;
use crate::api::routes::{Method, ROUTES};
use crate::domain::testing::NOON;
use crate::domain::time::WallTime;
use crate::node::engine::Now;
use crate::node::{SlotOwner, Store, StoreOptions, Unlock};
use crate::store::{Cost, RoomLimits};
use crate::web::Site;

const PASSWORD: &str = "violet lamp on tuesday";

/// The directory of a node that Ana can unlock.
fn node() -> tempfile::TempDir {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let options = StoreOptions {
        cost: Cost::CHEAP,
        room: RoomLimits {
            reserve: 1 << 20,
            messages: 1 << 20,
            low: 1 << 18,
        },
    };
    let key = Unlock::KeyFile([7; 32].into());
    let store = Store::create(&scratch.path().join("node"), &options, &key).expect("room");
    let slots = store.staff_slots().expect("it lies in a directory");
    let owner = SlotOwner::new(StaffId::new([1; 16]), "Ana", WallTime(1));
    let secret = StaffSecret::new("Ana", PASSWORD);
    slots.keep(&secret, &owner).expect("room");
    scratch
}

fn locked(scratch: &tempfile::TempDir) -> Locked {
    let now = Arc::new(|| Now {
        wall: NOON,
        mono: Duration::ZERO,
    });
    Locked::new(&scratch.path().join("node"), now)
}

async fn send(locked: &Locked, door: &Door, request: Request) -> Response {
    let service = TowerToHyperService::new(locked_router(locked.clone(), door));
    service.call(request).await.expect("it cannot fail")
}

async fn ask(locked: &Locked, method: &str, path: &str) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path);
    let request = request.body(Body::empty()).expect("a request");
    read(send(locked, &Door::Socket, request).await).await
}

async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), 1 << 20)
        .await
        .expect("whole");
    (status, serde_json::from_slice(&bytes).expect("JSON"))
}

async fn unlock_with(locked: &Locked, name: &str, password: &str) -> (u16, Value) {
    let body = json!({ "name": name, "password": password }).to_string();
    let request = Request::post(NODE_UNLOCK).body(Body::from(body));
    read(send(locked, &Door::Socket, request.expect("a request")).await).await
}

#[tokio::test]
async fn a_locked_node_answers_every_route_but_one_with_what_to_do() {
    let scratch = node();
    let locked = locked(&scratch);
    for route in ROUTES.iter().filter(|route| route.path != NODE_UNLOCK) {
        let method = match route.method {
            Method::Get => "GET",
            Method::Post => "POST",
        };
        let (status, said) = ask(&locked, method, route.path).await;
        assert_eq!(
            (status, &said["code"]),
            (503, &json!("node_locked")),
            "{}",
            route.path
        );
        let remedy = said["remedy"].as_str().expect("a remedy");
        assert!(remedy.contains("name and password"), "{remedy}");
    }
}

#[tokio::test]
async fn name_and_password_unlock_it_once_and_nothing_else_does() {
    let scratch = node();
    let locked = locked(&scratch);
    for (name, password) in [("Ana", "not mine at all"), ("Bo", PASSWORD)] {
        let (status, said) = unlock_with(&locked, name, password).await;
        assert_eq!(
            (status, &said["code"]),
            (401, &json!("login_refused")),
            "{name}"
        );
    }
    assert!(locked.take().is_none());
    assert_eq!(unlock_with(&locked, "ana", PASSWORD).await.0, 200);
    let (by, _key) = locked.unlocked().await;
    assert_eq!((by.staff, by.refused), (StaffId::new([1; 16]), 2));
    // While the store is opened, it says so, and whoever comes late is not told that they are wrong.
    let (status, said) = ask(&locked, "GET", "/v1/me").await;
    assert_eq!((status, &said["retry_after"]), (503, &json!(1)));
    let (status, said) = unlock_with(&locked, "Bo", "anything").await;
    assert_eq!((status, &said["retry_after"]), (503, &json!(1)));
    assert!(locked.take().is_none(), "the key is given once");
}

#[tokio::test]
async fn another_spelling_of_a_name_is_no_other_name_to_guess_at() {
    let scratch = node();
    let locked = locked(&scratch);
    for name in ["Ana", "ANA ", "\u{ff21}na", "a\u{ff4e}a"] {
        assert_eq!(unlock_with(&locked, name, "not mine at all").await.0, 401);
    }
    assert_eq!(unlock_with(&locked, "\u{ff41}na", PASSWORD).await.0, 429);
}

#[tokio::test]
async fn whoever_guesses_has_to_wait_even_with_the_right_password() {
    let scratch = node();
    let locked = locked(&scratch);
    for _ in 0..4 {
        assert_eq!(unlock_with(&locked, "Ana", "not mine at all").await.0, 401);
    }
    let (status, said) = unlock_with(&locked, "Ana", PASSWORD).await;
    assert_eq!((status, &said["code"]), (429, &json!("throttled")));
    assert!(locked.take().is_none());
}

#[tokio::test]
async fn a_door_for_browsers_shows_the_page_and_ends_each_connection() {
    let scratch = node();
    let locked = locked(&scratch);
    let door = Door::Browser(Site::loopback(7849));
    for (path, expected) in [
        ("/", 200),
        ("/assets/app.js", 200),
        ("/v1/me", 503),
        ("/web-ca.crt", 503),
    ] {
        let request = Request::get(path).header("host", "localhost:7849");
        let response = send(
            &locked,
            &door,
            request.body(Body::empty()).expect("a request"),
        )
        .await;
        assert_eq!(response.status().as_u16(), expected, "{path}");
        assert_eq!(response.headers()["connection"], "close");
        assert!(response.headers().contains_key("content-security-policy"));
    }
    // Another name that leads here is not answered, locked or not.
    let request = Request::get("/").header("host", "evil.example:7849");
    let response = send(
        &locked,
        &door,
        request.body(Body::empty()).expect("a request"),
    )
    .await;
    assert_eq!(response.status().as_u16(), 421);
}
