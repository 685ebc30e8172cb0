//! Who gets in and who is put out, as the page shows it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::clinic::{
    PASSWORD, Place, SEEN, first_sign_in, open, recovery_code, say, show_code, sign_in, signed_in,
};
use crate::window::Window;

fn sign_out(window: &Window) {
    window.click("[aria-label='Settings and sign out']");
    window.press("Sign out");
    window.shows("First time here");
}

/// Signs in for the first time with a passkey of the window's machine.
fn first_sign_in_by_passkey(window: &Window, name: &str, code: &str) {
    show_code(window, name, code);
    window.press("Use a passkey of this device");
    window.shows("Ten recovery codes");
    window.press("I have written them down");
    signed_in(window);
}

/// The cookies that the browser has for the page on the screen.
fn cookies(window: &Window) -> Vec<Value> {
    let cookies = window.call("Network.getCookies", json!({}));
    cookies["cookies"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_passkey_is_set_up_at_the_first_sign_in_and_is_all_that_later_ones_need() {
    let place = Place::of(&["front-desk"]);
    let code = place.employ("Ana", 0);
    let page = place.window(0);
    page.have_authenticator();
    first_sign_in_by_passkey(&page, "Ana", &code);
    sign_out(&page);

    page.press("Use a passkey");
    signed_in(&page);
    assert_eq!(page.texts(".desk .me .name"), ["Ana"]);
    sign_out(&page);

    // Or after the password.
    page.fill("Your name", "Ana");
    page.fill("Password", PASSWORD);
    page.key("Enter");
    page.shows("The second step");
    page.press("Use a passkey");
    signed_in(&page);

    // It is the only factor, and stays.
    page.click("[aria-label='Settings and sign out']");
    page.press("Settings");
    page.until("document.querySelectorAll('dialog .logins li').length >= 2");
    page.press("Remove");
    page.shows("This is the last second factor");
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn by_tls_under_the_clinics_own_names_one_passkey_opens_every_office_of_a_person() {
    let place = Place::by_tls(&["front-desk", "ward-2"]);
    let code = place.employ_at("Ana", &[0, 1]);
    place.known_at(1, "Ana");
    place.room("rounds", &["Ana"]);
    let page = place.window(0);
    let address = page.eval("location.origin");
    assert!(
        address
            .as_str()
            .is_some_and(|it| it.starts_with("https://front-desk.")),
        "{address}"
    );
    page.have_authenticator();
    first_sign_in_by_passkey(&page, "Ana", &code);
    open(&page, "rounds");
    say(&page, "Written at the front desk");
    let cookie = cookies(&page).remove(0);
    assert_eq!(
        (
            &cookie["name"],
            &cookie["secure"],
            &cookie["httpOnly"],
            &cookie["sameSite"]
        ),
        (
            &json!("__Host-clinic-mesh"),
            &json!(true),
            &json!(true),
            &json!("Strict")
        )
    );

    sign_out(&page);

    // The other office hears of everything that it needs to know.
    page.go(place.door(1));
    page.shows("First time here");
    for _ in 0..40 {
        page.press("Use a passkey");
        page.until("document.querySelector('.desk .me .name, .problem.loose')");
        if page.eval("document.querySelector('.desk') !== null") == json!(true) {
            break;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    signed_in(&page);
    open(&page, "rounds");
    page.shows("Written at the front desk");
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn digits_that_were_seen_over_the_shoulder_open_nothing() {
    let place = Place::of(&["front-desk"]);
    let page = place.first_sign_in("Vera", 0);
    let digits = SEEN.lock().expect("no test panicked with it")["Vera"].clone();
    sign_out(&page);
    page.fill("Your name", "Vera");
    page.fill("Password", PASSWORD);
    page.key("Enter");
    page.shows("The second step");

    page.fill("Six digits", &digits);
    page.key("Enter");

    page.shows("That is not right");
    assert_eq!(
        page.eval("document.querySelector('h1').innerText"),
        "The second step"
    );
}

#[test]
fn a_login_that_was_planted_before_somebody_signs_in_is_not_theirs() {
    let place = Place::of(&["front-desk"]);
    let page = place.first_sign_in("Wim", 0);
    let before = cookies(&page).remove(0);
    sign_out(&page);
    // Somebody puts the cookie of another login, or of none, into the browser.
    let (name, url) = (before["name"].clone(), page.eval("location.origin"));
    for value in [before["value"].clone(), json!("chosen")] {
        let cookie = json!({ "name": name, "value": value, "url": url, "httpOnly": true, "sameSite": "Strict" });
        page.call("Network.setCookie", cookie);
        page.go(place.door(0));
        page.shows("First time here");
        sign_in(&page, "Wim");
        let held = cookies(&page);
        assert_eq!(held.len(), 1);
        assert_ne!(held[0]["value"], value);
        let status = "fetch('/v1/me').then(answer => answer.status)";
        assert_eq!(page.eval(status), 200);
        sign_out(&page);
    }
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn whoever_is_suspended_is_out_of_the_page_with_everything_that_was_on_it() {
    let place = Place::of(&["front-desk"]);
    let page = place.first_sign_in("Xenia", 0);
    place.room("rounds", &["Xenia"]);
    open(&page, "rounds");
    say(&page, "The lab has called");
    // Nobody touches the page: its stream of hints ends, and with it the login.
    let begun = Instant::now();
    place.run(&["staff", "suspend", "Xenia"]);
    let signed = begun.elapsed();
    page.shows("An admin has suspended your account; ask an admin of the clinic: ");
    let out = begun.elapsed();
    eprintln!(
        "suspended person out after {out:?}, {signed:?} of it the admin's command (aim: 2 s)"
    );
    let left = page.eval("document.documentElement.outerHTML");
    assert!(!left.as_str().expect("text").contains("The lab has called"));

    page.fill("Your name", "Xenia");
    page.fill("Password", PASSWORD);
    page.key("Enter");
    page.shows("This person is suspended");
}

#[test]
fn whoever_is_away_for_as_long_as_policy_says_is_warned_and_logged_off() {
    let place = Place::of(&["front-desk"]);
    place.run(&["policy", "set", "idle_logoff_minutes=2", "--yes"]);
    let page = place.first_sign_in("Yves", 0);
    place.room("rounds", &["Yves"]);
    open(&page, "rounds");
    say(&page, "The lab has called");
    // A generous wait: a minute until the warning, one more until the end.
    let patience = Duration::from_secs(180);
    page.within(patience, "document.querySelector('dialog[open]') !== null");
    page.within(
        patience,
        "document.body.innerText.includes('First time here')",
    );
    let left = page.eval("document.documentElement.outerHTML");
    assert!(!left.as_str().expect("text").contains("The lab has called"));
    sign_in(&page, "Yves");
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn what_changes_who_can_sign_in_is_asked_for_in_a_dialog_and_then_done() {
    let place = Place::of(&["front-desk"]);
    let page = place.first_sign_in("Zoe", 0);
    // The node would say this after five minutes.
    page.eval(
        "(() => { const real = window.fetch; let late = true; window.fetch = async (...all) => { \
         if (!late || !String(all[0]).endsWith('/factors/recovery')) return real(...all); \
         late = false; \
         return new Response(JSON.stringify({ code: 'step_up_required', message: 'late' }), { status: 403 }); }; })()",
    );
    let before = cookies(&page).remove(0)["value"].clone();
    page.click("[aria-label='Settings and sign out']");
    page.press("Settings");
    page.press("New recovery codes");
    page.shows("Is it you?");
    page.fill("Your password", "not mine at all");
    page.fill("Second factor", &recovery_code("Zoe"));
    page.key("Enter");
    page.shows("That is not right");

    page.fill("Your password", PASSWORD);
    page.fill("Second factor", &recovery_code("Zoe"));
    page.key("Enter");

    page.until("document.querySelectorAll('dialog .codes code').length === 10");
    assert_ne!(
        cookies(&page).remove(0)["value"],
        before,
        "another login from here on"
    );
    page.key("Escape");
    signed_in(&page);
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn a_locked_node_says_so_and_is_unlocked_by_the_first_person_who_comes_in() {
    let mut place = Place::of(&["front-desk"]);
    place.let_staff_unlock(0);
    let page = place.first_sign_in("Ana", 0);
    place.room("rounds", &["Ana"]);
    open(&page, "rounds");
    say(&page, "Before the power cut");
    place.power_cut(0);

    // The page that was open says it by itself, and shows nothing of what was on it.
    page.shows("This node is locked");
    let left = page.eval("document.documentElement.outerHTML");
    assert!(
        !left
            .as_str()
            .expect("text")
            .contains("Before the power cut")
    );
    // So does one that is opened, and it comes out by itself when somebody has unlocked the node.
    let other = Window::open(&place.chromium);
    other.go(place.door(0));
    other.shows("This node is locked");

    page.fill("Your name", "Ana");
    page.fill("Password", "not mine at all");
    page.key("Enter");
    page.shows("That is not right");
    page.fill("Password", PASSWORD);
    page.key("Enter");

    page.shows("First time here");
    other.shows("First time here");
    sign_in(&page, "Ana");
    open(&page, "rounds");
    page.shows("Before the power cut");
    assert_eq!(page.complaints(), [""; 0]);
}

/// Proves once more who one is, as the page does when the node asks for it.
fn step_up(page: &Window, name: &str) {
    let body = json!({ "password": PASSWORD, "recovery": recovery_code(name) });
    let proven = page.eval(&format!(
        "import('/assets/api.js').then(async api => {{ const answer = await api.post('/step-up', {body}); \
         api.setProof(answer.proof); return answer.state; }})"
    ));
    assert_eq!(proven, "ready");
}

#[test]
fn other_pages_of_the_same_browser_go_on_when_a_login_gets_another_token() {
    let place = Place::of(&["front-desk"]);
    let page = place.first_sign_in("Ana", 0);
    place.room("rounds", &["Ana"]);
    let other = page.beside();
    other.go(place.door(0));
    signed_in(&other);
    open(&other, "rounds");
    open(&page, "rounds");
    other.eval("window.same = true");
    page.eval("window.same = true");

    step_up(&page, "Ana");

    // What was typed before is still there, and sent, without anything being loaded again.
    say(&other, "Written beside");
    page.shows("Written beside");
    say(&page, "Written in the first one");
    other.shows("Written in the first one");
    for window in [&page, &other] {
        assert_eq!(window.eval("window.same"), true, "nothing was loaded again");
        assert_eq!(window.texts(".desk .me .name"), ["Ana"]);
        assert_eq!(
            window.eval("document.querySelectorAll('.row.mine').length"),
            2,
            "none twice"
        );
    }

    // Whoever locks one locks the other, and whoever unlocks one unlocks the other.
    page.key("Control+l");
    for window in [&page, &other] {
        window.until("document.querySelector('h1')?.innerText === 'Locked'");
        // Off the screen, and out of the page.
        window.until("import('/assets/state.js').then(({ known }) => known.clinic === null && known.conversations.length === 0)");
    }
    page.fill("Password", PASSWORD);
    page.key("Enter");
    signed_in(&page);
    signed_in(&other);
    open(&other, "rounds");
    say(&other, "Back at both");
    open(&page, "rounds");
    page.shows("Back at both");
    assert_eq!(other.eval("window.same"), true, "nothing was loaded again");

    // Who is somebody else is another matter: nothing goes out in their name.
    let code = place.employ("Bo", 0);
    place.known_at(0, "Bo");
    other.eval("document.getElementById('write').focus()");
    other.type_text("Only Ana would say this");
    page.click("[aria-label='Settings and sign out']");
    page.press("Sign out");
    page.shows("First time here");
    other.shows("First time here");
    first_sign_in(&page, "Bo", &code);
    assert!(
        !other.text().contains("Bo"),
        "the other page is nobody's until somebody signs in"
    );
    assert_eq!(page.complaints(), [""; 0]);
    assert_eq!(other.complaints(), [""; 0]);
}
