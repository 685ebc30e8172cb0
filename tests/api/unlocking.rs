//! The page of a locked node by TLS, as a browser that trusts the clinic's web CA meets it.

use std::sync::Arc;
use std::time::Duration;

use clinic_mesh::domain::statement::Role;
use clinic_mesh::node::engine::Now;
use clinic_mesh::store::{Store, has_staff_slots};
use clinic_mesh::web::{Locked, LockedDoor, Unlocking, WebDoor};
use serde_json::json;

use crate::desk::{Desk, PASSWORD, now};
use crate::offices::options;
use crate::tls::{ask, connect};

async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_node_shows_its_page_by_tls_under_its_own_certificate_and_is_unlocked_there() {
    let mut desk = Desk::open().await;
    let dir = desk.clinic.office_dir("front-desk");
    desk.close().await;
    let slots = desk
        .office
        .running
        .staff_slots
        .clone()
        .expect("it lies in a directory");
    desk.api = desk
        .api
        .clone()
        .unlocked_by_staff(Unlocking::on(&dir, slots));
    desk.serve();
    desk.signed_in("Ana", &[Role::Clinician]).await;
    let (_, name, authority) = desk.network_door().await;
    until(|| has_staff_slots(&dir).is_ok() && dir.join("locked-door").exists()).await;
    let key = desk.office.running.identity.keys.web_key();
    let clinic = desk.stop().await;

    // The power is back; the store is shut.
    let shown = LockedDoor::load(&dir).expect("readable").expect("kept");
    assert_eq!(shown.key.public(), key.public());
    let time = Arc::new(|| Now {
        wall: now(),
        mono: Duration::ZERO,
    });
    let locked = Locked::new(&dir, time);
    let door = WebDoor::network(([127, 0, 0, 1], 0).into(), shown.key.clone());
    let door = door.await.expect("a free port");
    let port = door.port();
    let (close, closing) = tokio::sync::oneshot::channel::<()>();
    let serving = {
        let locked = locked.clone();
        tokio::spawn(async move {
            let until = async {
                let _ = closing.await;
            };
            door.serve_locked(&locked, Some(&shown), until).await;
            door
        })
    };
    let request = |line: &str, body: &str| {
        format!(
            "{line} HTTP/1.1\r\nhost: {name}:{port}\r\norigin: https://{name}:{port}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for (line, status) in [
        ("GET /", "200"),
        ("GET /v1/me", "503"),
        ("POST /v1/login", "503"),
    ] {
        let mut stream = connect(port, &name, &authority).await.expect("trusted");
        let answer = ask(&mut stream, &request(line, "")).await.to_lowercase();
        assert!(
            answer.starts_with(&format!("http/1.1 {status}")),
            "{line}: {answer}"
        );
        assert!(
            answer.contains("strict-transport-security"),
            "{line}: {answer}"
        );
    }
    let body = json!({ "name": "Ana", "password": PASSWORD }).to_string();
    let mut stream = connect(port, &name, &authority).await.expect("trusted");
    let answer = ask(&mut stream, &request("POST /v1/node/unlock", &body)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // The key opens the very store, and the same door goes on.
    let (_, opened) = locked.unlocked().await;
    let store = Store::open_by_staff(&dir, &options(), opened).expect("it opens");
    drop(store);
    close.send(()).expect("it is served");
    let door = serving.await.expect("an orderly end").with_key(key);
    let desk = Desk::again(clinic).await;
    tokio::spawn(door.serve(desk.api.clone(), std::future::pending()));
    let login = request("POST /v1/login", &body)
        .replace("\r\ncontent-type", "\r\nconnection: close\r\ncontent-type");
    let answer = loop {
        // Until the record has told which certificate is this node's, whoever comes is hung up on.
        if let Ok(mut stream) = connect(port, &name, &authority).await {
            break ask(&mut stream, &login).await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    desk.stop().await;
}
