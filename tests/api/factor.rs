//! Signing in with two factors, stepping away and coming back, as a browser does it.

use std::time::Duration;

use clinic_mesh::api::login::{FactorRequest, LoginRequest};
use clinic_mesh::domain::statement::Role;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::desk::{Desk, PASSWORD};

const CLINICIAN: &[Role] = &[Role::Clinician];
const HALF_MINUTE: Duration = Duration::from_secs(30);

async fn state(browser: &Browser) -> Value {
    browser.get("/v1/me").await.json()["state"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_sign_in_sets_a_password_and_an_authenticator_and_hands_out_recovery_codes() {
    let mut desk = Desk::open().await;
    let person = desk.person("Ana", CLINICIAN).await;
    let mut browser = desk.browser().await;
    let code = json!({ "name": "Ana", "code": person.code.code(), "new_password": PASSWORD });
    let shown = browser.post("/v1/login", code).await;
    assert_eq!(shown.json()["state"], "enrol");
    let half = browser.clone();
    assert_eq!(browser.get("/v1/conversations").await.status, 401);
    let wrong = json!({ "totp": "000000" });
    browser.post("/v1/factors/totp/begin", json!({})).await;
    let refused = browser.post("/v1/factors/totp/finish", wrong).await;
    assert_eq!(
        (refused.status, state(&browser).await),
        (401, json!("enrol"))
    );

    let (_, codes) = browser.enrol(desk.time()).await;
    assert_eq!(codes.len(), 10);
    let me = browser.get("/v1/me").await.json();
    assert_eq!(
        (&me["state"], &me["recovery_left"]),
        (&json!("ready"), &json!(10))
    );
    assert_eq!(me["factors"], json!(["totp", "recovery"]));
    assert_eq!(browser.get("/v1/conversations").await.status, 200);
    // The login of before the second factor opens nothing: it may have been planted.
    assert_ne!(half.cookie, browser.cookie);
    assert_eq!(half.get("/v1/me").await.status, 401);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_of_the_authenticator_opens_one_login_and_no_second_one() {
    let mut desk = Desk::open().await;
    desk.signed_in("Ana", CLINICIAN).await;
    let (mut browser, totp, _) = desk.browser_of("Ana").await;
    // The code that set it up is used already.
    browser.show_password("Ana", PASSWORD).await;
    assert_eq!(state(&browser).await, "factor");
    assert_eq!(browser.show_code(&totp, desk.time()).await.status, 401);
    desk.pass(HALF_MINUTE);
    assert_eq!(browser.show_code(&totp, desk.time()).await.status, 200);
    assert_eq!(state(&browser).await, "ready");
    // Seen over the shoulder, it is of no use; nor is the one before.
    let mut other = Browser::new(browser.port);
    other.show_password("Ana", PASSWORD).await;
    assert_eq!(other.show_code(&totp, desk.time()).await.status, 401);
    let before = desk.time().minus(HALF_MINUTE);
    assert_eq!(other.show_code(&totp, before).await.status, 401);
    // Nor after the node was started again.
    let clinic = desk.stop().await;
    let desk = Desk::again(clinic).await;
    let mut after = desk.browser().await;
    after.show_password("Ana", PASSWORD).await;
    assert_eq!(state(&after).await, "factor");
    assert_eq!(after.show_code(&totp, before).await.status, 401);
    desk.pass(3 * HALF_MINUTE);
    assert_eq!(after.show_code(&totp, desk.time()).await.status, 200);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_code_works_once() {
    let mut desk = Desk::open().await;
    desk.signed_in("Ana", CLINICIAN).await;
    let (mut browser, _, codes) = desk.browser_of("Ana").await;
    browser.show_password("Ana", PASSWORD).await;
    let typed = codes[3].to_uppercase().replace('-', " ");
    assert_eq!(browser.show_recovery(&typed).await.status, 200);
    assert_eq!(browser.get("/v1/me").await.json()["recovery_left"], 9);
    browser.show_password("Ana", PASSWORD).await;
    assert_eq!(browser.show_recovery(&codes[3]).await.status, 401);
    assert_eq!(browser.show_recovery("abcd-efgh-jkmn").await.status, 401);
    assert_eq!(browser.show_recovery(&codes[4]).await.status, 200);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_knows_the_password_cannot_guess_the_code() {
    let mut desk = Desk::open().await;
    desk.signed_in("Ana", CLINICIAN).await;
    let (browser, _, _) = desk.browser_of("Ana").await;
    let mut thief = Browser::new(browser.port);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        // A right password does not begin the count of wrong codes anew.
        thief.show_password("Ana", PASSWORD).await;
        let wrong = thief
            .post("/v1/login/factor", json!({ "totp": "123456" }))
            .await;
        statuses.push(wrong.status);
    }
    let next = thief
        .post("/v1/login/factor", json!({ "totp": "123456" }))
        .await;
    assert_eq!((statuses, next.status), (vec![401; 4], 429));
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_shows_the_second_factor_of_whoever_has_one() {
    let mut desk = Desk::open().await;
    desk.signed_in("Ana", CLINICIAN).await;
    let (_, _, codes) = desk.browser_of("Ana").await;
    let request = LoginRequest::with_password("Ana", PASSWORD);
    let half = desk.operator().login(&request).await.expect("right");
    assert_eq!(half.state, "factor");
    let client = desk
        .operator()
        .with_token(half.token.as_deref().expect("a token"));
    assert!(client.conversations().await.is_err());
    let factor = FactorRequest {
        totp: None,
        recovery: Some(codes[0].clone()),
        passkey: None,
    };
    let whole = client.show_factor(&factor).await.expect("right");
    let client = desk
        .operator()
        .with_token(whole.token.as_deref().expect("a token"));
    client.conversations().await.expect("signed in");
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_from_an_admin_begins_the_account_anew() {
    let mut desk = Desk::open().await;
    let (person, _) = desk.signed_in("Ana", CLINICIAN).await;
    let (_, _, codes) = desk.browser_of("Ana").await;
    desk.pass(Duration::from_secs(60));
    let now = desk.time();
    let again = desk
        .clinic
        .authority()
        .reset_sign_in(person.id, now)
        .expect("signed");
    desk.submit(again.segment).await;
    desk.pass(Duration::from_secs(60));
    let mut browser = desk.browser().await;
    let code = json!({ "name": "Ana", "code": again.made.code(), "new_password": PASSWORD });
    let shown = browser.post("/v1/login", code).await;
    assert_eq!(shown.json()["state"], "enrol", "{shown:?}");
    desk.pass(Duration::from_secs(60));
    browser.enrol(desk.time()).await;
    browser.show_password("Ana", PASSWORD).await;
    assert_eq!(
        browser.show_recovery(&codes[0]).await.status,
        401,
        "of the lost life"
    );
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_login_shows_nothing_until_its_owner_is_back() {
    let mut desk = Desk::open().await;
    desk.signed_in("Ana", CLINICIAN).await;
    let (mut browser, _, _) = desk.browser_of("Ana").await;
    browser.post("/v1/lock", json!({})).await;
    let locked = browser.clone();
    assert_eq!(
        browser.get("/v1/conversations").await.json()["code"],
        "locked"
    );
    assert_eq!(state(&browser).await, "locked");
    let wrong = json!({ "password": "not the password" });
    assert_eq!(browser.post("/v1/unlock", wrong).await.status, 401);
    let right = json!({ "password": PASSWORD });
    assert_eq!(
        browser.post("/v1/unlock", right.clone()).await.json()["state"],
        "ready"
    );
    assert_eq!(browser.get("/v1/conversations").await.status, 200);
    assert_eq!(
        locked.get("/v1/me").await.status,
        401,
        "another login from here on"
    );
    assert_eq!(browser.post("/v1/unlock", right).await.status, 409);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_see_and_end_their_own_logins_and_nobody_elses() {
    let mut desk = Desk::open().await;
    let homes = ["front-desk", "ward-2"];
    let ana = desk.person_of("Ana", CLINICIAN, &homes).await;
    let first = LoginRequest::with_code("Ana", &ana.code.code(), PASSWORD);
    desk.operator().login(&first).await.expect("signed in");
    desk.signed_in("Bo", CLINICIAN).await;
    let (mut here, _, codes) = desk.browser_of("Ana").await;
    let (mut of_bo, _, _) = desk.browser_of("Bo").await;
    let mut there = Browser::new(here.port);
    there.show_password("Ana", PASSWORD).await;
    there.show_recovery(&codes[0]).await;
    let listed = here.get("/v1/logins").await.json();
    assert_eq!(listed["office"], "front-desk");
    assert_eq!(listed["elsewhere"], json!(["ward-2"]));
    let logins = listed["logins"].clone();
    let lines = logins.as_array().expect("a list");
    // The socket's from the first sign-in, and the two browsers.
    assert_eq!(lines.len(), 3);
    let other = lines
        .iter()
        .find(|line| line["this"] == json!(false) && line["door"] == "browser");
    let other = other.expect("there");
    assert_eq!(other["address"], "127.0.0.1");
    assert_eq!(other["browser"], "Firefox on Linux");
    let of_socket = lines.iter().find(|line| line["door"] == "socket");
    assert!(of_socket.expect("the first")["address"].is_null());
    let id = other["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/logins/{id}/end");
    assert_eq!(of_bo.post(&path, json!({})).await.status, 404);
    assert_eq!(here.post(&path, json!({})).await.status, 200);
    assert_eq!(
        (
            there.get("/v1/me").await.status,
            here.get("/v1/me").await.status
        ),
        (401, 200)
    );
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_factor_is_changed_only_just_after_signing_in() {
    let mut desk = Desk::open().await;
    desk.signed_in("Ana", CLINICIAN).await;
    let (mut browser, _, codes) = desk.browser_of("Ana").await;
    desk.pass(Duration::from_secs(6 * 60));
    let late = browser.post("/v1/factors/totp/begin", json!({})).await;
    assert_eq!(late.json()["code"], "step_up_required");
    browser.show_password("Ana", PASSWORD).await;
    browser.show_recovery(&codes[0]).await;
    let (totp, fresh) = browser.enrol(desk.time()).await;
    desk.pass(HALF_MINUTE);
    browser.show_password("Ana", PASSWORD).await;
    assert_eq!(
        browser.show_recovery(&codes[1]).await.status,
        401,
        "of the ten before"
    );
    assert_eq!(browser.show_code(&totp, desk.time()).await.status, 200);
    assert_eq!(fresh.len(), 10);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_wrong_passwords_from_one_address_make_it_wait_whoever_they_are_for() {
    let mut desk = Desk::open().await;
    desk.signed_in("Ana", CLINICIAN).await;
    let mut browser = desk.browser().await;
    for number in 0..21 {
        let refused = browser
            .show_password(&format!("nobody {number}"), "guess")
            .await;
        assert_eq!(refused.status, 401, "{number}");
    }
    assert_eq!(browser.show_password("Ana", PASSWORD).await.status, 429);
    desk.pass(Duration::from_secs(2));
    assert_eq!(browser.show_password("Ana", PASSWORD).await.status, 200);
    desk.stop().await;
}
