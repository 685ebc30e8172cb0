//! Passkeys: as a second factor, and as all that it takes.

use std::time::Duration;

use clinic_mesh::domain::statement::Role;
use serde_json::{Value, json};

use crate::authenticator::Authenticator;
use crate::browser::{Answer, Browser};
use crate::desk::{Desk, PASSWORD};

const CLINICIAN: &[Role] = &[Role::Clinician];

/// A person who has a passkey and nothing else, the browser they are signed in at, and their codes.
async fn with_passkey(desk: &mut Desk, who: &str) -> (Browser, Authenticator, Vec<String>) {
    desk.signed_in(who, CLINICIAN).await;
    let mut browser = desk.browser().await;
    let shown = browser.show_password(who, PASSWORD).await;
    assert_eq!(shown.json()["state"], "enrol");
    let number = u8::try_from(who.len()).expect("short");
    let mut key = Authenticator::at(browser.port, number);
    let kept = add(&mut browser, &mut key).await;
    assert_eq!(kept.status, 200, "{kept:?}");
    let codes = serde_json::from_value(kept.json()["recovery_codes"].clone());
    (browser, key, codes.expect("ten codes"))
}

async fn add(browser: &mut Browser, key: &mut Authenticator) -> Answer {
    let asked = browser.post("/v1/factors/passkey/begin", json!({})).await;
    let made = key.make(&asked.json());
    let body = json!({ "name": "Phone", "credential": made });
    browser.post("/v1/factors/passkey/finish", body).await
}

async fn asked(browser: &mut Browser) -> Value {
    let asked = browser.post("/v1/login/passkey/begin", json!({})).await;
    assert_eq!(asked.status, 200, "{asked:?}");
    asked.json()
}

/// Signs in with the passkey alone.
async fn sign_in(browser: &mut Browser, key: &mut Authenticator) -> Answer {
    let asked = asked(browser).await;
    let body = json!({ "ceremony": asked["ceremony"], "credential": key.show(&asked) });
    browser.post("/v1/login/passkey/finish", body).await
}

/// Signs in with the password, and then with the passkey.
async fn sign_in_with_both(browser: &mut Browser, who: &str, key: &mut Authenticator) -> Answer {
    browser.show_password(who, PASSWORD).await;
    let asked = browser.post("/v1/factors/passkey/ask", json!({})).await;
    let body = json!({ "passkey": key.show(&asked.json()) });
    browser.post("/v1/login/factor", body).await
}

async fn deeds(desk: &Desk) -> Vec<String> {
    let client = desk.operator();
    let device = client.status().await.expect("running").device;
    client.trail(&device).await.expect("its own trail");
    let trail = client.trail(&device).await.expect("its own trail");
    let newest = trail.epochs.last().expect("this run's");
    let records = client.trail_records(&device, &newest.epoch, 1).await;
    let records = records.expect("readable").records.into_iter();
    records
        .map(|record| format!("{} {}", record.deed, record.outcome))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_sign_in_sets_up_a_passkey_and_later_ones_need_nothing_else() {
    let mut desk = Desk::open().await;
    let (browser, mut key, codes) = with_passkey(&mut desk, "Ana").await;
    assert_eq!(codes.len(), 10);
    let me = browser.get("/v1/me").await.json();
    assert_eq!(me["state"], "ready");
    assert_eq!(me["factors"], json!(["passkey", "recovery"]));

    let mut elsewhere = Browser::new(browser.port);
    let signed = sign_in(&mut elsewhere, &mut key).await;
    assert_eq!(signed.status, 200, "{signed:?}");
    let me = elsewhere.get("/v1/me").await.json();
    assert_eq!(
        (&me["name"], &me["state"]),
        (&json!("Ana"), &json!("ready"))
    );
    // Or with the password first.
    let signed = sign_in_with_both(&mut Browser::new(browser.port), "Ana", &mut key).await;
    assert_eq!(signed.json()["state"], "ready");
    // It is known after the node was started again, and so is how often it has signed.
    let clinic = desk.stop().await;
    let desk = Desk::again(clinic).await;
    let mut after = desk.browser().await;
    key.origin = format!("http://localhost:{}", after.port);
    let mut twin = key.clone();
    assert_eq!(sign_in(&mut after, &mut key).await.status, 200);
    assert_eq!(sign_in(&mut after, &mut twin).await.status, 401);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_that_was_copied_is_refused_and_the_trail_says_so() {
    let mut desk = Desk::open().await;
    let (browser, mut key, codes) = with_passkey(&mut desk, "Ana").await;
    let mut thief = key.clone();
    assert_eq!(
        sign_in(&mut Browser::new(browser.port), &mut key)
            .await
            .status,
        200
    );
    let refused = sign_in(&mut Browser::new(browser.port), &mut thief).await;
    assert_eq!(refused.json()["code"], "login_refused");
    assert!(refused.json()["remedy"].as_str().is_some());
    let mut second = Browser::new(browser.port);
    thief.counter = Some(0);
    let refused = sign_in_with_both(&mut second, "Ana", &mut thief).await;
    assert_eq!(refused.status, 401);
    let copied = deeds(&desk).await.into_iter();
    let copied = copied.filter(|deed| deed == "passkey_copied refused");
    assert_eq!(copied.count(), 2);
    // The person is not locked out by it.
    assert_eq!(second.show_recovery(&codes[0]).await.status, 200);
    assert_eq!(
        sign_in(&mut Browser::new(browser.port), &mut key)
            .await
            .status,
        200
    );
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_without_a_counter_works_every_time() {
    let mut desk = Desk::open().await;
    desk.signed_in("Ana", CLINICIAN).await;
    let mut browser = desk.browser().await;
    browser.show_password("Ana", PASSWORD).await;
    let mut key = Authenticator {
        counter: None,
        ..Authenticator::at(browser.port, 9)
    };
    assert_eq!(add(&mut browser, &mut key).await.status, 200);
    for _ in 0..3 {
        let mut elsewhere = Browser::new(browser.port);
        let signed = sign_in(&mut elsewhere, &mut key).await;
        assert_eq!(signed.status, 200, "{}", signed.json());
    }
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_passkey_says_counts_once_on_our_own_pages_and_with_its_owner_there() {
    let mut desk = Desk::open().await;
    let (browser, key, _) = with_passkey(&mut desk, "Ana").await;
    let mut thief = Browser::new(browser.port);
    let mut elsewhere = Authenticator {
        origin: "https://evil.example".to_owned(),
        ..key.clone()
    };
    assert_eq!(sign_in(&mut thief, &mut elsewhere).await.status, 401);
    let mut unverified = Authenticator {
        verifies: false,
        ..key.clone()
    };
    assert_eq!(sign_in(&mut thief, &mut unverified).await.status, 401);
    let refused = sign_in_with_both(&mut thief, "Ana", &mut unverified).await;
    assert_eq!(refused.status, 401);
    // Overheard, it is of no use: the question was another.
    let mut key = key;
    let first = asked(&mut thief).await;
    let shown = key.show(&first);
    let body = json!({ "ceremony": first["ceremony"], "credential": shown });
    let path = "/v1/login/passkey/finish";
    let mut owner = Browser::new(browser.port);
    assert_eq!(owner.post(path, body.clone()).await.status, 200);
    assert_eq!(thief.post(path, body).await.status, 409);
    let second = asked(&mut thief).await;
    let body = json!({ "ceremony": second["ceremony"], "credential": shown });
    assert_eq!(thief.post(path, body).await.status, 401);
    // Nor is an answer that took too long.
    let late = asked(&mut owner).await;
    let body = json!({ "ceremony": late["ceremony"], "credential": key.show(&late) });
    desk.pass(Duration::from_secs(5 * 60));
    assert_eq!(owner.post(path, body).await.status, 409);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_learns_from_the_answers_who_has_a_passkey() {
    let mut desk = Desk::open().await;
    let (browser, key, _) = with_passkey(&mut desk, "Ana").await;
    let mut stranger = Browser::new(browser.port);
    let mut of_ana = asked(&mut stranger).await;
    let mut of_nobody = asked(&mut stranger).await;
    for one in [&mut of_ana, &mut of_nobody] {
        one["ceremony"] = json!(null);
        one["public_key"]["challenge"] = json!(null);
    }
    assert_eq!(of_ana, of_nobody);
    // A known passkey with a wrong signature, an unknown passkey, an unknown person, and nonsense.
    let wrong = Authenticator {
        id: key.id.clone(),
        ..Authenticator::at(browser.port, 77)
    };
    let mut answers = Vec::new();
    for mut one in [wrong, Authenticator::at(browser.port, 78)] {
        let asked = browser
            .clone()
            .post("/v1/factors/passkey/begin", json!({}))
            .await;
        one.make(&asked.json());
        answers.push(sign_in(&mut stranger, &mut one).await.body);
    }
    let mut nobody = Authenticator::at(browser.port, 79);
    let unknown = json!({ "public_key": { "rp": { "id": "localhost" }, "user": { "id": "AAAAAAAAAAAAAAAAAAAAAA" } } });
    nobody.make(&unknown);
    answers.push(sign_in(&mut stranger, &mut nobody).await.body);
    let asked = asked(&mut stranger).await;
    let nonsense = json!({ "ceremony": asked["ceremony"], "credential": { "id": 1 } });
    let answer = stranger.post("/v1/login/passkey/finish", nonsense).await;
    assert_eq!(answer.status, 401);
    answers.push(answer.body);
    assert!(answers.iter().all(|body| *body == answers[0]));
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_elses_passkey_is_no_second_factor() {
    let mut desk = Desk::open().await;
    let (browser, mut of_ana, _) = with_passkey(&mut desk, "Ana").await;
    let (_, mut of_robin, _) = with_passkey(&mut desk, "Robin").await;
    let mut thief = Browser::new(browser.port);
    of_robin.origin.clone_from(&of_ana.origin);
    let refused = sign_in_with_both(&mut thief, "Ana", &mut of_robin).await;
    assert_eq!(refused.status, 401);
    let right = sign_in_with_both(&mut thief, "Ana", &mut of_ana).await;
    assert_eq!(right.status, 200);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passkeys_are_listed_and_removed_but_the_last_factor_stays() {
    let mut desk = Desk::open().await;
    let (mut browser, mut key, _) = with_passkey(&mut desk, "Ana").await;
    let list = browser.get("/v1/factors").await.json();
    assert_eq!(
        (&list["totp"], &list["recovery_left"]),
        (&json!(false), &json!(10))
    );
    assert_eq!(list["passkeys"][0]["name"], "Phone");
    assert_eq!(list["passkeys"][0]["here"], true);
    let id = list["passkeys"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let remove = format!("/v1/factors/{id}/remove");
    let last = browser.post(&remove, json!({})).await;
    assert_eq!(last.status, 409, "{last:?}");

    let mut other = Authenticator::at(browser.port, 44);
    let kept = add(&mut browser, &mut other).await;
    assert_eq!(
        kept.json()["recovery_codes"],
        json!([]),
        "there are some still"
    );
    let mut elsewhere = Browser::new(browser.port);
    sign_in(&mut elsewhere, &mut key).await;
    assert_eq!(browser.post(&remove, json!({})).await.status, 200);
    // Whoever signed in with it is out, and nobody comes in with it again.
    assert_eq!(elsewhere.get("/v1/me").await.status, 401);
    assert_eq!(sign_in(&mut elsewhere, &mut key).await.status, 401);
    assert_eq!(sign_in(&mut elsewhere, &mut other).await.status, 200);
    assert_eq!(browser.post(&remove, json!({})).await.status, 404);
    assert_eq!(
        browser
            .post("/v1/factors/totp/remove", json!({}))
            .await
            .status,
        404
    );
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_has_one_passkey_of_a_person_and_a_person_has_ten() {
    let mut desk = Desk::open().await;
    let (mut browser, mut key, _) = with_passkey(&mut desk, "Ana").await;
    assert_eq!(
        add(&mut browser, &mut key).await.status,
        401,
        "the same one"
    );
    for number in 100..109 {
        let mut another = Authenticator::at(browser.port, number);
        assert_eq!(add(&mut browser, &mut another).await.status, 200);
    }
    let mut eleventh = Authenticator::at(browser.port, 120);
    assert_eq!(add(&mut browser, &mut eleventh).await.status, 409);
    let longest = vec![5; 512];
    let mut long = Authenticator {
        id: longest.clone(),
        ..Authenticator::at(browser.port, 121)
    };
    long.id.push(5);
    assert_eq!(add(&mut browser, &mut long).await.status, 401);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_suspended_does_not_come_in_by_a_passkey_either() {
    let mut desk = Desk::open().await;
    let (browser, mut key, _) = with_passkey(&mut desk, "Ana").await;
    let staff = desk.clinic.staff["Ana"];
    let (now, authority) = (desk.time(), desk.clinic.authority());
    let suspended = authority.suspend_staff(staff, now).expect("signed");
    desk.submit(suspended).await;
    let mut elsewhere = Browser::new(browser.port);
    let refused = sign_in(&mut elsewhere, &mut key).await;
    assert_eq!(refused.json()["code"], "forbidden");
    assert_eq!(elsewhere.get("/v1/me").await.status, 401);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passkeys_are_a_matter_of_browsers() {
    let mut desk = Desk::open().await;
    let (_, _, codes) = with_passkey(&mut desk, "Ana").await;
    let request = clinic_mesh::api::login::LoginRequest::with_password("Ana", PASSWORD);
    let half = desk.operator().login(&request).await.expect("right");
    assert_eq!(
        (half.state.as_str(), half.factors.as_slice()),
        ("factor", &["recovery".to_owned()][..])
    );
    let socket = desk.operator();
    let client = socket.with_token(half.token.as_deref().expect("a token"));
    let factor = clinic_mesh::api::login::FactorRequest {
        totp: None,
        recovery: Some(codes[0].clone()),
        passkey: None,
    };
    client.show_factor(&factor).await.expect("right");
    desk.stop().await;
}
