//! Every page and every state of it, looked over in every size, light and dark.

use serde_json::json;

use super::clinic::{PASSWORD, Place, begin, first_sign_in, open, say, show_code, signed_in};
use super::looks::{look, sideways};
use super::window::Window;

#[test]
fn every_page_before_the_conversations_can_be_read_and_reached_by_everybody() {
    let place = Place::of(&["front-desk"]);
    let code = place.employ("Ana Pereira", 0);
    let page = place.window(0);
    page.have_authenticator();
    let mut found = look(&page, "sign-in");
    page.press("First time here");
    page.shows("Your first sign-in");
    found.extend(look(&page, "first-sign-in"));
    page.press("I have a password already");

    show_code(&page, "Ana Pereira", &code);
    page.shows("Protect your account");
    found.extend(look(&page, "second-factor"));
    page.press("Use an authenticator app");
    page.until("document.querySelector('.qr')?.complete");
    found.extend(look(&page, "authenticator"));
    page.press("Stop and sign in");

    // The code is used up; the password that was chosen leads to the same choice.
    page.fill("Your name", "Ana Pereira");
    page.fill("Password", "not mine at all");
    page.key("Enter");
    page.shows("That is not right");
    found.extend(look(&page, "refused"));
    page.fill("Password", PASSWORD);
    page.key("Enter");
    page.press("Use a passkey of this device");
    page.shows("Ten recovery codes");
    found.extend(look(&page, "recovery-codes"));
    page.press("I have written them down");
    signed_in(&page);

    page.key("Control+l");
    page.until("document.querySelector('h1')?.innerText === 'Locked'");
    found.extend(look(&page, "locked"));
    page.press("Somebody else");
    page.fill("Your name", "Ana Pereira");
    page.fill("Password", PASSWORD);
    page.key("Enter");
    page.shows("The second step");
    page.press("use a recovery code");
    found.extend(look(&page, "second-step"));
    nothing(&found);
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn every_dialog_over_a_conversation_can_be_read_and_reached_by_everybody() {
    let place = Place::of(&["front-desk"]);
    let page = place.first_sign_in("Ana Pereira", 0);
    let mut found = look(&page, "nothing-yet");
    found.extend(sideways(&page, "nothing-yet"));
    let ben = place.first_sign_in("Ben Okafor", 0);
    rooms(&place);
    talk(&page, &ben);
    found.extend(look(&page, "conversation"));
    found.extend(sideways(&page, "conversation"));
    page.eval("document.querySelector('.headline .back').click()");
    found.extend(sideways(&page, "list"));
    open(&page, "Rounds");
    page.shows("who sent it");

    for (name, keys) in [
        ("help", &["Escape", "ArrowUp", "?"][..]),
        ("details", &["ArrowUp", "i"][..]),
        ("actions", &["ArrowUp", "Enter"][..]),
        ("begin", &["ArrowUp", "n"][..]),
        ("search", &["ArrowUp", "/"][..]),
    ] {
        page.eval("document.getElementById('write').focus()");
        keys.iter().for_each(|key| page.key(key));
        page.until("document.querySelector('dialog[open]') !== null");
        if name == "search" {
            page.type_text("bed");
            page.until("document.querySelectorAll('.hits li').length > 0");
        }
        found.extend(in_dialog(&page, name));
    }
    for (name, opener) in [
        ("members", "[aria-label=Members]"),
        ("link", ".said button.link"),
        ("offices", ".link-state"),
    ] {
        page.click(opener);
        found.extend(in_dialog(&page, name));
    }
    page.click("[aria-label='Settings and sign out']");
    page.press("Settings");
    page.shows("recovery codes are left");
    page.shows("Chrome on Linux at 127.0.0.1");
    page.shows("Only those at front-desk are listed.");
    found.extend(in_dialog(&page, "settings"));
    nothing(&found);
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn every_state_of_a_conversation_can_be_read_and_reached_by_everybody() {
    let mut place = Place::of(&["front-desk"]);
    place.let_staff_unlock(0);
    let code = place.employ("Ana Pereira", 0);
    let page = place.window(0);
    first_sign_in(&page, "Ana Pereira", &code);
    place.employ("Ben Okafor", 0);
    place.room("Rounds", &["Ana Pereira", "Ben Okafor"]);
    open(&page, "Rounds");
    page.shows("Nothing has been written here yet");
    let mut found = look(&page, "empty");

    // Somebody to mention, what a message has said before, and one that is taken back.
    page.type_text("@be");
    page.until("!document.getElementById('people').hidden");
    found.extend(look(&page, "mention"));
    page.key("Escape");
    page.eval("document.getElementById('write').select()");
    say(&page, "The pump is in room 7");
    on_newest(&page, "e");
    page.eval("document.getElementById('write').select()");
    page.type_text("The pump is in room 9");
    page.key("Enter");
    page.until("document.querySelector('.row .tag')");
    a_window_of_another_width_keeps_its_reader_on_the_message(&page);
    on_newest(&page, "Enter");
    page.press("What it has said");
    page.until("document.querySelectorAll('dialog .history li').length === 2");
    found.extend(in_dialog(&page, "history"));
    on_newest(&page, "Enter");
    page.press("Retract");
    found.extend(in_dialog(&page, "retract"));
    on_newest(&page, "Enter");
    page.press("Retract");
    page.until("document.activeElement?.matches('dialog input')");
    page.type_text("wrong pump");
    page.key("Enter");
    page.shows("Retracted by");
    found.extend(look(&page, "retracted"));

    page.key("Control+k");
    page.key("Escape");
    page.eval("import('/assets/step-up.js').then(step => { step.stepUp(); })");
    found.extend(in_dialog(&page, "step-up"));

    // Nine and a half of the ten minutes have gone by.
    page.eval("(() => { const now = Date.now; Date.now = () => now() + 570_000; })()");
    page.shows("You will be logged off");
    page.eval("(() => { const now = Date.now; Date.now = () => now() - 570_000; })()");
    page.shows("You will be logged off");
    found.extend(in_dialog(&page, "logoff"));

    let contact = json!({
        "kind": "contact",
        "message": "This office's node has been up to date with no other since 2026-05-04 08:00 UTC: \
                    what was revoked since then may not be known here.",
        "remedy": "Look whether this machine is on the network and the others run.",
        "everybody": true,
    });
    let grant = json!({
        "kind": "grant",
        "message": "The grant of admin Robin ends on 2026-05-09.",
        "remedy": "Whoever keeps the root key prolongs it.",
        "everybody": false,
    });
    let certificate = json!({
        "kind": "certificate",
        "message": "The other offices let this machine in until 2026-05-09 and no longer: its certificate was not renewed.",
        "remedy": "Leave it switched on where it reaches another office's node.",
        "everybody": true,
    });
    // Whoever works here hears of all that leaves this machine behind, and not of what an admin sees to.
    told(&page, &json!({ "warnings": [contact, grant, certificate] }));
    page.shows("what was revoked since then may not be known here");
    page.shows("The other offices let this machine in until 2026-05-09");
    assert!(!page.text().contains("The grant of admin Robin"));
    found.extend(look(&page, "warned"));
    place.nodes[0].kill();
    page.shows("This office’s node does not answer");
    page.eval("document.getElementById('write').focus()");
    page.type_text("written meanwhile");
    page.key("Enter");
    page.until("document.querySelector('.pending .state.waiting')");
    found.extend(look(&page, "lost"));
    place.power_cut(0);
    page.shows("This node is locked");
    found.extend(look(&page, "node-locked"));
    nothing(&found);
}

#[test]
fn whoever_looks_after_the_clinic_sees_where_a_revocation_is_enforced_and_what_is_late() {
    let mut place = Place::of(&["front-desk", "ward-2"]);
    let bert = place.first_sign_in("Bert", 0);
    bert.click("[aria-label='Settings and sign out']");
    bert.shows("Sign out");
    assert!(!bert.text().contains("How the clinic stands"));
    bert.key("Escape");
    // Whoever gets the role while signed in need not load the page again.
    place.run(&["staff", "change", "Bert", "--role", "auditor"]);
    bert.until("import('/assets/clinic.js').then(clinic => clinic.oversees())");
    bert.click("[aria-label='Settings and sign out']");
    bert.press("How the clinic stands");
    bert.shows("What needs a look");
    assert_eq!(bert.complaints(), [""; 0]);
    let code = place.employ_as("auditor", "Noor", &[0]);
    let page = place.window(0);
    first_sign_in(&page, "Noor", &code);

    place.run(&["staff", "suspend", "Bert"]);
    page.click("[aria-label='Settings and sign out']");
    page.press("How the clinic stands");
    page.shows("Staff member Bert: enforced everywhere");
    page.until("/ward-2: enforced after [0-9.]+ s/.test(document.body.innerText)");
    // An office that is away cannot have heard of what is revoked meanwhile.
    place.nodes[1].kill();
    page.shows("1 of 2 offices");
    place.employ("Cy", 0);
    place.run(&["staff", "suspend", "Cy"]);
    page.key("Escape");
    page.click("[aria-label='Settings and sign out']");
    page.press("How the clinic stands");
    page.shows("Staff member Cy: not enforced everywhere");
    page.until(
        "/ward-2: offline since .*; could be ignored there until it hears of it; certified until \\w/.test(document.body.innerText)",
    );
    page.key("Escape");

    let warning = json!({
        "kind": "backup",
        "message": "No backup of this node was ever made.",
        "remedy": "Make one with `clinic-mesh backup make`.",
        "everybody": false,
    });
    let backup =
        json!({ "last": null, "by": null, "opened": false, "every_hours": null, "failed": null });
    told(&page, &json!({ "warnings": [warning], "backup": backup }));
    page.press("Show all");
    page.shows("None was ever made");
    let mut found = look(&page, "clinic");
    page.key("Escape");
    found.extend(look(&page, "late"));
    nothing(&found);
    assert_eq!(page.complaints(), [""; 0]);
}

/// Lets the node's status say this too, and the page hear of it.
fn told(page: &Window, more: &serde_json::Value) {
    page.eval(&format!(
        "(() => {{ const real = window.fetch; window.fetch = async (...all) => {{ \
         const answer = await real(...all); \
         if (!String(all[0]).endsWith('/v1/status')) return answer; \
         const status = await answer.json(); \
         return new Response(JSON.stringify({{ ...status, ...{more} }})); }}; \
         return import('/assets/state.js').then(state => state.loadStatus()); }})()"
    ));
    page.until("document.querySelector('.banner:not([hidden])') !== null");
}

/// Goes to the newest message, once the node has it, and presses a key on it.
fn on_newest(page: &Window, key: &str) {
    page.until(
        "(() => { const row = [...document.querySelectorAll('.row')].pop(); row?.focus(); \
         return row?.matches('[data-id]') && row === document.activeElement; })()",
    );
    page.key(key);
}

/// What the keyboard was on was let go of when the rows were measured anew.
fn a_window_of_another_width_keeps_its_reader_on_the_message(page: &Window) {
    let row = "document.querySelector('.row[data-id]')";
    page.until(&format!("{row}.focus(), document.activeElement === {row}"));
    let across = "document.querySelector('.scroll').clientWidth";
    let wide = page.eval(across);
    page.size(900, 800, 100);
    page.until(&format!("{across} !== {wide}"));
    // The page hears of its size after a frame has been drawn.
    page.eval("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))");
    assert_eq!(
        page.eval(&format!("document.activeElement === {row}")),
        true
    );
    page.size(1280, 800, 100);
}

/// Looks a dialog over and closes it.
fn in_dialog(page: &Window, name: &str) -> Vec<String> {
    page.until("document.querySelector('dialog[open]') !== null");
    let found = look(page, name);
    page.key("Escape");
    page.until("document.querySelector('dialog[open]') === null");
    found
}

#[track_caller]
fn nothing(found: &[String]) {
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn rooms(place: &Place) {
    place.employ("ليلى حسن", 0);
    let everybody = ["Ana Pereira", "Ben Okafor", "ليلى حسن"];
    place.room("Rounds", &everybody);
    place.room("Front desk and pharmacy", &everybody);
}

/// A little of everything that can stand in a conversation.
fn talk(ana: &Window, ben: &Window) {
    open(ben, "Front desk and pharmacy");
    say(ben, "The delivery comes at ten.");
    open(ben, "Rounds");
    say(ben, "Has anybody seen the key of the medicine cupboard?");
    open(ana, "Rounds");
    ana.shows("medicine cupboard");
    say(ana, "It is with me, I bring it at once.");
    ben.shows("It is with me");
    ben.eval("[...document.querySelectorAll('.row:not(.mine)')].pop().focus()");
    ben.key("h");
    ana.until("document.querySelector('.state.acknowledged')");
    ben.eval("document.getElementById('write').focus()");
    say(
        ben,
        "Bed 4 is free, and the list is at https://intranet.example/beds",
    );
    ben.type_text("@an");
    ben.until("!document.getElementById('people').hidden");
    ben.key("Enter");
    ben.type_text("could you look at invoice\u{202e}gnp.exe before noon?");
    ben.key("Enter");
    ana.shows("before noon");
    ana.eval("document.getElementById('write').focus()");
    ana.key("ArrowUp");
    ana.key("r");
    ana.until("document.querySelector('.composer .about:not([hidden])')");
    ana.type_text("I would not open that. I ask who sent it.");
    ana.key("Enter");
    ana.shows("who sent it");
    begin(ana, "Ben Okafor");
    say(ana, "Could you bring the second pump?");
    ana.type_text("a draft that waits");
    open(ana, "Rounds");
    ana.shows("who sent it");
}
