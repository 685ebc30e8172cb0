//! Before what would let somebody else in for good, a person shows once more who is there.

use std::time::Duration;

use clinic_mesh::api::login::StepUpRequest;
use clinic_mesh::api::problem::Code;
use clinic_mesh::domain::statement::Role;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::desk::{Desk, PASSWORD, code};

const CLINICIAN: &[Role] = &[Role::Clinician];
const OTHER: &str = "seven brass kettles";

/// Everything that asks for it.
fn acts() -> Vec<(&'static str, Value)> {
    let change = json!({ "password": PASSWORD, "new_password": OTHER });
    vec![
        ("/v1/factors/totp/begin", json!({})),
        ("/v1/factors/passkey/begin", json!({})),
        ("/v1/factors/totp/remove", json!({})),
        ("/v1/factors/recovery", json!({})),
        ("/v1/password", change),
    ]
}

async fn late(desk: &mut Desk) -> (Browser, Vec<String>) {
    desk.signed_in("Ana", CLINICIAN).await;
    let (browser, _, codes) = desk.browser_of("Ana").await;
    desk.pass(Duration::from_secs(5 * 60));
    (browser, codes)
}

fn proof(codes: &[String], number: usize) -> Value {
    json!({ "password": PASSWORD, "recovery": codes[number] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_screen_lets_nobody_change_what_its_owner_signs_in_with() {
    let mut desk = Desk::open().await;
    let (mut browser, codes) = late(&mut desk).await;
    for (path, body) in acts() {
        let refused = browser.post(path, body).await;
        assert_eq!(refused.status, 403, "{path}");
        let problem = refused.json();
        assert_eq!(problem["code"], "step_up_required", "{path}");
        assert!(problem["remedy"].as_str().is_some(), "{path}");
    }
    // What only takes something away from whoever has it needs no more than the login.
    let mut other = Browser::new(browser.port);
    other.show_password("Ana", PASSWORD).await;
    other.show_recovery(&codes[0]).await;
    let logins = browser.get("/v1/logins").await.json()["logins"].clone();
    let logins = logins.as_array().expect("a list");
    let newest = logins.last().expect("the other")["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let ended = browser
        .post(&format!("/v1/logins/{newest}/end"), json!({}))
        .await;
    assert_eq!(ended.status, 200);
    assert_eq!(other.get("/v1/me").await.status, 401);

    let before = browser.clone();
    let shown = browser.post("/v1/step-up", proof(&codes, 1)).await;
    assert_eq!(shown.json()["state"], "ready", "{shown:?}");
    assert_ne!(before.cookie, browser.cookie);
    assert_eq!(
        before.get("/v1/me").await.status,
        401,
        "the login of before"
    );
    for (path, body) in acts() {
        let done = browser.post(path, body).await;
        assert_ne!(done.status, 403, "{path}: {done:?}");
    }
    // The last factor stayed, the codes are others, and so is the password.
    let mut again = Browser::new(browser.port);
    assert_eq!(again.show_password("Ana", PASSWORD).await.status, 401);
    assert_eq!(again.show_password("Ana", OTHER).await.status, 200);
    assert_eq!(again.show_recovery(&codes[2]).await.status, 401);
    // Five minutes later it is asked for again.
    desk.pass(Duration::from_secs(5 * 60));
    let late = browser.post("/v1/factors/recovery", json!({})).await;
    assert_eq!(late.status, 403);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_takes_both_the_password_and_the_second_factor() {
    let mut desk = Desk::open().await;
    let (mut browser, codes) = late(&mut desk).await;
    for (body, status) in [
        (json!({}), 400),
        (json!({ "password": PASSWORD }), 400),
        (json!({ "recovery": codes[0] }), 400),
        (json!({ "password": "not hers", "recovery": codes[0] }), 401),
        (
            json!({ "password": PASSWORD, "recovery": "abcd-efgh-jkmn" }),
            401,
        ),
    ] {
        let refused = browser.post("/v1/step-up", body.clone()).await;
        assert_eq!(refused.status, status, "{body}: {refused:?}");
    }
    let late = browser.post("/v1/factors/recovery", json!({})).await;
    assert_eq!(late.status, 403);
    assert_eq!(
        browser.post("/v1/step-up", proof(&codes, 0)).await.status,
        200
    );
    assert_eq!(
        browser.post("/v1/step-up", proof(&codes, 0)).await.status,
        401,
        "a code works once"
    );
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coming_back_to_a_locked_login_is_not_enough() {
    let mut desk = Desk::open().await;
    let (mut browser, _) = late(&mut desk).await;
    browser.post("/v1/lock", json!({})).await;
    let back = browser
        .post("/v1/unlock", json!({ "password": PASSWORD }))
        .await;
    assert_eq!(back.status, 200);
    let late = browser.post("/v1/factors/recovery", json!({})).await;
    assert_eq!(late.json()["code"], "step_up_required");
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_begun_in_time_may_be_finished() {
    let mut desk = Desk::open().await;
    desk.signed_in("Ana", CLINICIAN).await;
    let (mut browser, _, _) = desk.browser_of("Ana").await;
    desk.pass(Duration::from_secs(4 * 60 + 50));
    let begun = browser
        .post("/v1/factors/totp/begin", json!({}))
        .await
        .json();
    let totp = totp_rs::Totp::from_url(begun["uri"].as_str().expect("a URI")).expect("readable");
    desk.pass(Duration::from_secs(60));
    let digits = totp.generate(desk.time().0 / 1000).to_string();
    let kept = browser
        .post("/v1/factors/totp/finish", json!({ "totp": digits }))
        .await;
    assert_eq!(kept.status, 200, "{kept:?}");
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_socket_the_password_is_enough_for_whoever_has_nothing_else() {
    let mut desk = Desk::open().await;
    let (_, client) = desk.signed_in("Ana", CLINICIAN).await;
    desk.pass(Duration::from_secs(5 * 60));
    let change = clinic_mesh::api::login::PasswordChange {
        password: PASSWORD.to_owned(),
        new_password: OTHER.to_owned(),
    };
    assert_eq!(
        code(client.change_password(&change).await),
        Code::StepUpRequired
    );
    let proof = StepUpRequest {
        password: Some(PASSWORD.to_owned()),
        totp: None,
        recovery: None,
        passkey: None,
    };
    let shown = client.step_up(&proof).await.expect("right");
    let client = desk
        .operator()
        .with_token(shown.token.as_deref().expect("a token"));
    client.change_password(&change).await.expect("changed");
    desk.stop().await;
}
