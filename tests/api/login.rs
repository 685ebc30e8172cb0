//! Signing in, and how logins end.

use std::time::Duration;

use clinic_mesh::api::client::{Activity, Client, ClientError};
use clinic_mesh::api::event::Hint;
use clinic_mesh::api::login::{LoginRequest, LoginsEnding, PasswordChange};
use clinic_mesh::api::problem::Code;
use clinic_mesh::domain::statement::Role;

use crate::desk::{Desk, PASSWORD, code, now};

const MINUTE: Duration = Duration::from_secs(60);
const CLINICIAN: &[Role] = &[Role::Clinician];

/// What the trail says of sign-ins: who, what, and how it ended.
async fn sign_ins(operator: &Client) -> Vec<(String, String, String)> {
    let trail = operator.trail("front-desk").await.expect("held here");
    let mut found = Vec::new();
    for epoch in &trail.epochs {
        let part = operator
            .trail_records("front-desk", &epoch.epoch, 1)
            .await
            .expect("records");
        let of_logins = part.records.into_iter().filter(|record| {
            ["signed_in", "signed_out", "password_set"].contains(&record.deed.as_str())
        });
        found.extend(of_logins.map(|record| (record.who, record.deed, record.outcome)));
    }
    found
}

fn line(who: &str, deed: &str, outcome: &str) -> (String, String, String) {
    (who.to_owned(), deed.to_owned(), outcome.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_one_time_code_works_once_and_every_attempt_is_in_the_trail() {
    let mut desk = Desk::open().await;
    let ana = desk.person("Ana", CLINICIAN).await;
    let operator = desk.operator();
    let with_code = |password| LoginRequest::with_code("ana", &ana.code.code(), password);

    assert_eq!(
        code(operator.login(&with_code("too short")).await),
        Code::Refused
    );
    assert_eq!(
        code(operator.login(&with_code("front-desk front-desk")).await),
        Code::Refused
    );
    let login = operator
        .login(&with_code(PASSWORD))
        .await
        .expect("the first time");
    assert_eq!((login.name.as_str(), login.idle_minutes), ("Ana", 10));
    assert_eq!(
        code(operator.login(&with_code("another long password")).await),
        Code::LoginRefused
    );
    let password = LoginRequest::with_password(&ana.id.to_string(), PASSWORD);
    operator
        .login(&password)
        .await
        .expect("by id as well as by name");
    let wrong = LoginRequest::with_password("Ana", "not the password");
    let unknown = LoginRequest::with_password("Nobody", "not the password");
    let (wrong, unknown) = (operator.login(&wrong).await, operator.login(&unknown).await);
    assert_eq!(
        format!("{:?}", wrong.expect_err("wrong")),
        format!("{:?}", unknown.expect_err("unknown"))
    );

    let expected = [
        line("Ana", "password_set", "done"),
        line("Ana", "signed_in", "done"),
        line("Ana", "password_set", "refused"),
        line("Ana", "signed_in", "done"),
        line("Ana", "signed_in", "refused"),
        line("a stranger", "signed_in", "refused"),
    ];
    assert_eq!(sign_ins(&operator).await, expected);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_runs_out_after_a_day() {
    let mut desk = Desk::open().await;
    let (ana, bo) = (
        desk.person("Ana", CLINICIAN).await,
        desk.person("Bo", CLINICIAN).await,
    );
    let operator = desk.operator();
    desk.pass(23 * 60 * MINUTE);
    let in_time = LoginRequest::with_code("Ana", &ana.code.code(), PASSWORD);
    operator.login(&in_time).await.expect("within the day");
    desk.pass(2 * 60 * MINUTE);
    let late = LoginRequest::with_code("Bo", &bo.code.code(), PASSWORD);
    assert_eq!(code(operator.login(&late).await), Code::LoginRefused);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_code_replaces_a_forgotten_password() {
    let mut desk = Desk::open().await;
    let (bo, _) = desk.signed_in("Bo", CLINICIAN).await;
    let fresh = desk
        .clinic
        .authority()
        .reset_sign_in(bo.id, now())
        .expect("handed out");
    desk.submit(fresh.segment).await;
    let operator = desk.operator();
    let request = LoginRequest::with_code("Bo", &fresh.made.code(), "kettle moss arrow nine");
    operator.login(&request).await.expect("a fresh code");
    let old = LoginRequest::with_password("Bo", PASSWORD);
    assert_eq!(code(operator.login(&old).await), Code::LoginRefused);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_passwords_make_a_name_wait_whether_anybody_has_it_or_not() {
    let mut desk = Desk::open().await;
    desk.signed_in("Ana", CLINICIAN).await;
    let operator = desk.operator();
    for name in ["Ana", "Nobody"] {
        let wrong = LoginRequest::with_password(name, "not the password");
        for _ in 0..4 {
            assert_eq!(
                code(operator.login(&wrong).await),
                Code::LoginRefused,
                "{name}"
            );
        }
        assert_eq!(
            code(operator.login(&wrong).await),
            Code::Throttled,
            "{name}"
        );
    }
    let right = LoginRequest::with_password("Ana", PASSWORD);
    assert_eq!(
        code(operator.login(&right).await),
        Code::Throttled,
        "not even looked at"
    );
    desk.pass(Duration::from_secs(2));
    operator.login(&right).await.expect("after the wait");
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_ends_when_nobody_uses_it_and_looking_on_is_not_using() {
    let mut desk = Desk::open().await;
    let (_, ana) = desk.signed_in("Ana", CLINICIAN).await;
    desk.pass(9 * MINUTE);
    ana.conversations().await.expect("still signed in");
    desk.pass(9 * MINUTE);
    ana.clone()
        .acting(Activity::Background)
        .conversations()
        .await
        .expect("nine minutes later");
    desk.pass(2 * MINUTE);
    assert_eq!(code(ana.conversations().await), Code::LoginEnded);
    let out = line("Ana", "signed_out", "done");
    assert!(sign_ins(&desk.operator()).await.contains(&out));
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_suspended_is_out_at_once_live_streams_included() {
    let mut desk = Desk::open().await;
    let (ana, client) = desk.signed_in("Ana", CLINICIAN).await;
    let mut events = client.events().await.expect("a stream");
    assert_eq!(
        events.next().await.expect("a hint").expect("readable"),
        Hint::Open
    );
    let statement = desk
        .clinic
        .authority()
        .suspend_staff(ana.id, now())
        .expect("signed");
    desk.submit(statement).await;
    let ended = tokio::time::timeout(Duration::from_secs(2), async {
        while let Some(hint) = events.next().await {
            if hint.expect("readable") == Hint::LoginEnded {
                return events.next().await.is_none();
            }
        }
        false
    });
    assert!(
        ended.await.expect("within two seconds"),
        "the stream ends with the login"
    );
    let told = match client.conversations().await {
        Err(ClientError::Problem(problem)) => problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(told.code, Code::LoginWithdrawn);
    assert!(told.message.contains("suspended"), "{told:?}");
    let whom = told.remedy.expect("whom to ask");
    let admins = desk.operator().clinic().await.expect("known").admins;
    assert!(admins.iter().all(|admin| whom.contains(&admin.name)) && !admins.is_empty());
    let stranger = desk.operator().with_token("none that was ever handed out");
    assert_eq!(code(stranger.conversations().await), Code::LoginEnded);
    let again = LoginRequest::with_password("Ana", PASSWORD);
    assert_eq!(code(desk.operator().login(&again).await), Code::Forbidden);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_password_needs_the_old_one_and_ends_the_other_logins() {
    let mut desk = Desk::open().await;
    let (_, here) = desk.signed_in("Ana", CLINICIAN).await;
    let there = desk.operator().with_token(&desk.token("Ana").await);
    let change = |old: &str| PasswordChange {
        password: old.to_owned(),
        new_password: "kettle moss arrow nine".to_owned(),
    };
    assert_eq!(
        code(here.change_password(&change("a wrong old one")).await),
        Code::LoginRefused
    );
    here.change_password(&change(PASSWORD))
        .await
        .expect("changed");
    here.conversations().await.expect("still signed in");
    assert_eq!(code(there.conversations().await), Code::LoginEnded);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_operates_the_node_sees_and_ends_somebodys_logins_and_that_is_on_record() {
    let mut desk = Desk::open().await;
    let (_, here) = desk.signed_in("Ana", CLINICIAN).await;
    let there = desk.operator().with_token(&desk.token("Ana").await);
    let (_, bo) = desk.signed_in("Bo", CLINICIAN).await;
    let operator = desk.operator();
    let listed = operator.logins_of("ana").await.expect("known").logins;
    assert_eq!(listed.len(), 2);
    assert!(
        listed
            .iter()
            .all(|login| login.door == "socket" && !login.this)
    );

    // One of them by its id, which opens nothing.
    let one = LoginsEnding {
        login: Some(listed[0].id.clone()),
    };
    let ended = operator.end_logins_of("Ana", &one).await.expect("ended");
    assert_eq!(ended.ended, 1);
    // Both began in one second, so which of them stands first is not said.
    let (gone, there) = match here.conversations().await {
        Err(_) => (here, there),
        Ok(_) => (there, here),
    };
    assert_eq!(code(gone.conversations().await), Code::LoginEnded);
    there.conversations().await.expect("another login");
    assert_eq!(
        code(operator.end_logins_of("Ana", &one).await),
        Code::NotFound
    );
    assert_eq!(
        code(operator.end_logins_of("Nobody", &one).await),
        Code::NotFound
    );

    // All of them, with what they were listening to; nobody else's.
    let mut hints = there.events().await.expect("open");
    let all = LoginsEnding::default();
    assert_eq!(
        operator
            .end_logins_of("Ana", &all)
            .await
            .expect("ended")
            .ended,
        1
    );
    let gone = async {
        while let Some(hint) = hints.next().await {
            if hint.expect("readable") == Hint::LoginEnded {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(2), gone)
        .await
        .expect("out within two seconds");
    assert_eq!(code(there.conversations().await), Code::LoginEnded);
    bo.conversations().await.expect("still signed in");
    assert_eq!(operator.logins_of("Ana").await.expect("known").logins, []);

    let trail = operator.trail("front-desk").await.expect("held here");
    let epoch = &trail.epochs.last().expect("one").epoch;
    let part = operator
        .trail_records("front-desk", epoch, 1)
        .await
        .expect("records");
    let by: Vec<_> = part
        .records
        .iter()
        .filter(|record| record.deed == "logins_ended")
        .collect();
    assert_eq!(by.len(), 2);
    assert!(by[0].what.contains("1 login of Ana"), "{:?}", by[0]);
    // She may sign in again.
    desk.token("Ana").await;
    desk.stop().await;
}
