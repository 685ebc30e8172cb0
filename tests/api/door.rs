//! The door for browsers: its pages, its logins, and who is turned away before any route is looked at.

use clinic_mesh::domain::statement::Role;
use serde_json::json;

use crate::desk::{Desk, PASSWORD};

const CLINICIAN: &[Role] = &[Role::Clinician];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_gets_the_page_and_signs_in_with_a_cookie_that_scripts_cannot_read() {
    let mut desk = Desk::open().await;
    desk.signed_in("Ana", CLINICIAN).await;
    let mut browser = desk.browser().await;
    let page = browser.get("/").await;
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(browser.get("/v1/me").await.status, 401);

    let signed = browser.show_password("Ana", PASSWORD).await;
    assert_eq!(signed.status, 200);
    let cookie = signed.header("set-cookie").expect("a login");
    assert!(cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
    assert_eq!(signed.json()["token"], json!(null), "out of scripts' reach");

    browser.enrol(desk.time()).await;
    let me = browser.get("/v1/me").await.json();
    assert_eq!(
        (&me["name"], &me["state"]),
        (&json!("Ana"), &json!("ready"))
    );
    assert_eq!(me["proof"].as_str(), browser.proof.as_deref());
    let sent = browser
        .post("/v1/conversations/Ana/messages", json!({ "text": "x" }))
        .await;
    assert_ne!(sent.status, 401);
    assert_eq!(browser.post("/v1/logout", json!({})).await.status, 200);
    assert_eq!(
        (browser.cookie.clone(), browser.get("/v1/me").await.status),
        (None, 401)
    );
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_makes_its_own_login_and_ends_the_one_that_was_there() {
    let mut desk = Desk::open().await;
    desk.signed_in("Ana", CLINICIAN).await;
    desk.signed_in("Bo", CLINICIAN).await;
    let mut browser = desk.browser().await;
    // A login that somebody else has chosen is not taken over.
    browser.cookie = Some(format!("clinic-mesh-login-{}=chosen", browser.port));
    browser.show_password("Ana", PASSWORD).await;
    let of_ana = browser.clone();
    assert!(
        !of_ana
            .cookie
            .as_deref()
            .unwrap_or("chosen")
            .ends_with("=chosen")
    );
    browser.show_password("Bo", PASSWORD).await;
    assert_ne!(browser.cookie, of_ana.cookie);
    assert_eq!(browser.get("/v1/me").await.json()["name"], json!("Bo"));
    assert_eq!(of_ana.get("/v1/me").await.status, 401);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_tells_browsers_what_a_page_of_ours_may_do() {
    let desk = Desk::open().await;
    let browser = desk.browser().await;
    let foreign = vec![("host", "evil.example".to_owned())];
    for answer in [
        browser.get("/").await,
        browser.get("/v1/me").await,
        browser.get("/nothing").await,
        browser.send("GET", "/", &foreign, "").await,
    ] {
        for (name, value) in [
            (
                "content-security-policy",
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                 connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; \
                 require-trusted-types-for 'script'; trusted-types 'none'",
            ),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        let permissions = answer.header("permissions-policy").expect("told");
        assert!(permissions.contains("camera=()"), "{permissions}");
        let cross = answer.header("access-control-allow-origin");
        assert_eq!(cross, None, "no other site may read answers");
        let caching = answer.header("cache-control").expect("told");
        assert!(["no-store", "no-cache"].contains(&caching), "{caching}");
    }
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_browser_has_already_is_not_sent_again() {
    let desk = Desk::open().await;
    let browser = desk.browser().await;
    let mark = browser
        .get("/")
        .await
        .header("etag")
        .expect("a mark")
        .to_owned();
    let mut headers = browser.usual();
    headers.push(("if-none-match", mark));
    let again = browser.send("GET", "/", &headers, "").await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(browser.get("/assets/index.html").await.status, 200);
    assert_eq!(browser.get("/assets/..%2fCargo.toml").await.status, 404);
    desk.stop().await;
}
