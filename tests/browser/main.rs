//! What staff see and do, in a real Chromium against real nodes.
//!
//! Needs Debian's `chromium`, and `tsc` of `node-typescript` for the types; `tests/run` installs both.

mod axe;
mod cdp;
mod clinic;
mod doors;
mod looks;
mod pages;
mod parted;
#[path = "../support/processes.rs"]
mod processes;
mod strings;
mod types;
mod window;

use std::time::Duration;

use clinic::{PASSWORD, Place, begin, begin_group, first_sign_in, open, say, sign_in, signed_in};
use strings::send_all;
use window::Window;

#[test]
fn two_offices_sign_in_write_to_each_other_and_see_how_far_it_has_come() {
    let place = Place::of(&["front-desk", "ward-2"]);
    let ana = place.first_sign_in("Ana", 0);
    let ben = place.first_sign_in("Ben", 1);
    place.room("rounds", &["Ana", "Ben"]);

    open(&ana, "rounds");
    say(&ana, "Bed 4 is free");

    open(&ben, "rounds");
    ben.shows("Bed 4 is free");
    ana.until("document.querySelector('.mine .state.stored_at_theirs, .mine .state.opened')");

    // A mention by name from the list that opens, and an answer to a message by keys alone.
    ben.eval("document.getElementById('write').focus()");
    ben.type_text("Thank you @an");
    ben.until("!document.getElementById('people').hidden");
    ben.key("Enter");
    ben.key("Enter");
    ana.shows("Thank you @Ana");
    ana.until("document.querySelector('.row:not(.mine) mark.mention')?.textContent === '@Ana'");
    ana.key("ArrowUp");
    ana.until("document.activeElement.matches('article')");
    ana.key("r");
    ana.until("document.querySelector('.composer .about')?.innerText.includes('Reply to Ben')");
    ana.type_text("I tell the family");
    ana.key("Enter");
    ben.until("document.querySelector('.row:not(.mine) .quote')?.innerText.includes('Thank you')");

    // Taken in hand, with the name behind it.
    // Whoever is on a message stays on it when its state changes.
    ana.eval("document.querySelector('.row.mine').focus()");
    ben.eval("document.querySelector('.row:not(.mine)').focus()");
    ben.key("h");
    ana.until("document.querySelector('.mine .state.acknowledged')?.innerText.includes('Ben')");
    ana.until("document.activeElement.matches('.row.mine')");

    // A mention is what stands in the text, whether it was picked from the list or typed.
    say(&ben, "@ana: not box@ana.example and not @Anabel");
    ana.until("[...document.querySelectorAll('.row:not(.mine)')].pop().querySelector('mark.mention')?.textContent === '@ana'");

    // Of two who share a name only who was picked, and no more than the node takes.
    let mentioned = ana.eval(
        "Promise.all(['composer', 'state'].map(name => import(`/assets/${name}.js`))).then(([{ Composer }, { known }]) => { \
         const { clinic } = known; const many = [...Array(40).keys()].map(at => ({ id: `${at}`.padStart(2, '0'), name: at < 2 ? 'Cy' : `Dr ${at}` })); \
         known.clinic = { staff: many }; \
         const of = (text, ...picked) => Composer.prototype.mentions.call({ others: () => [...many], picked: new Set(picked) }, text); \
         const found = [of('@Dr 7 and @Cy'), of('@Cy', '01'), of(many.map(one => `@${one.name}`).join()).length]; \
         known.clinic = clinic; return found; })",
    );
    assert_eq!(mentioned, serde_json::json!([["07"], ["01"], 32]));

    begin(&ana, "Ben");
    say(&ana, "Only for you");
    open(&ben, "Ana");
    ben.shows("Only for you");

    // Several people at once: who is in it makes the group, here and there.
    place.employ("Cy", 1);
    place.known_at(0, "Cy");
    // What was begun and not sent keeps its place in the list when the list is made anew.
    begin(&ana, "Cy");
    ana.type_text("half a thought");
    open(&ana, "rounds");
    say(&ben, "One more thing");
    ana.until("document.querySelector('.conversations .badge')");
    ana.until("[...document.querySelectorAll('.conversations li')].some(one => one.innerText.includes('Cy') && one.innerText.includes('Draft waits'))");
    begin_group(&ana, &["Ben", "Cy"]);
    say(&ana, "Who has the key?");
    open(&ben, "Ana, Cy");
    ben.shows("Who has the key?");

    // Loaded anew, the page opens where she was, though the newest message is elsewhere.
    open(&ana, "rounds");
    ana.shows("I tell the family");
    ana.call("Page.reload", serde_json::json!({}));
    ana.until("document.querySelector('.headline h1')?.innerText === 'rounds'");
    ana.shows("I tell the family");
    assert_eq!(ana.complaints(), [""; 0]);
    assert_eq!(ben.complaints(), [""; 0]);
}

#[test]
fn whoever_locks_or_leaves_takes_everything_off_the_screen_and_finds_the_draft_again() {
    let place = Place::of(&["front-desk"]);
    let page = place.first_sign_in("Ana", 0);
    let code = place.employ("Cy", 0);
    place.room("rounds", &["Ana", "Cy"]);
    open(&page, "rounds");
    say(&page, "The lab has called");
    page.type_text("half a thought");

    page.key("Control+l");
    page.until("document.querySelector('h1')?.innerText === 'Locked'");
    let left = page.eval("document.documentElement.outerHTML");
    let left = left.as_str().expect("text");
    assert!(!left.contains("The lab has called") && !left.contains("half a thought"));

    // Somebody else at the same screen finds nothing of hers.
    page.press("Somebody else");
    page.shows("First time here");
    first_sign_in(&page, "Cy", &code);
    open(&page, "rounds");
    page.shows("The lab has called");
    assert!(
        !page
            .eval("document.getElementById('write').value")
            .to_string()
            .contains("half")
    );
    page.click("[aria-label='Settings and sign out']");
    page.press("Sign out");
    page.shows("First time here");

    sign_in(&page, "Ana");
    open(&page, "rounds");
    page.until("document.getElementById('write').value === 'half a thought'");
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn a_message_is_amended_found_gone_to_and_retracted() {
    let mut place = Place::of(&["front-desk"]);
    let ana = place.first_sign_in("Ana", 0);
    let ben = place.first_sign_in("Ben", 0);
    place.room("lunch", &["Ana"]);
    place.room("rounds", &["Ana", "Ben"]);
    open(&ana, "rounds");
    open(&ben, "rounds");
    say(&ana, "The pump is in room 7");
    let many: Vec<String> = (0..110)
        .map(|number| format!("something else {number}"))
        .collect();
    assert_eq!(send_all(&ana, &many).len(), many.len());
    ana.shows("something else 109");

    // Found by the beginnings of its words, and gone to although it is far above.
    ben.shows("something else 109");
    ben.key("Control+k");
    ben.until("document.activeElement?.id === 'search'");
    ben.type_text("pum room");
    ben.until("document.querySelectorAll('.hits li').length === 1");
    ben.key("Enter");
    ben.until("document.activeElement?.innerText.includes('The pump is in room 7')");

    what_came_to_a_conversation_that_was_left_is_found(&ana);
    reopened_while_more_was_on_its_way_nothing_is_missing(&ana, many.len() + 1);

    // What it said stays to be seen.
    ana.eval("document.querySelector('.scroll').scrollTop = 0");
    // The row is made when the page next draws; looked for too early it is not there to be focused.
    ana.until("(() => { const row = [...document.querySelectorAll('.row')].find(one => one.innerText.includes('pump')); row?.focus(); return Boolean(row) && row === document.activeElement; })()");
    ana.key("e");
    ana.until("document.getElementById('write').value === 'The pump is in room 7'");
    ana.type_text("?");
    open(&ana, "lunch");
    open(&ana, "rounds");
    ana.until("document.querySelector('.composer .about')?.innerText.includes('Amend')");
    ana.until("document.getElementById('write').value === 'The pump is in room 7?'");
    ana.eval("document.getElementById('write').select()");
    ana.type_text("The pump is in room 9");
    ana.key("Enter");
    ben.shows("The pump is in room 9");
    ben.shows("Amended");
    ben.eval("[...document.querySelectorAll('.row')].find(one => one.innerText.includes('room 9')).focus()");
    ben.key("Enter");
    ben.press("What it has said");
    ben.until("document.querySelectorAll('dialog .history li').length === 2");
    ben.key("Escape");

    // Retracted: that, by whom and why stays, the words do not.
    // Each page before asks for the next one.
    ana.until("(() => { document.querySelector('.scroll').scrollTop = 0; const row = [...document.querySelectorAll('.row')].find(one => one.innerText.includes('room 9')); row?.focus(); return Boolean(row) && row === document.activeElement; })()");
    ana.key("Enter");
    ana.press("Retract");
    ana.until("document.activeElement?.matches('dialog input')");
    ana.type_text("wrong pump");
    ana.key("Enter");
    ben.shows("wrong pump");
    assert!(!ben.text().contains("room 9"), "{}", ben.text());
    amended_once_it_is_not_offered_again(&ana);
    refused_it_is_said_over_what_is_there(&ana);

    // Nor do they come back from what the page still has, when the node is out of reach.
    ben.eval("document.getElementById('write').focus()");
    say(&ben, "Only for a moment");
    ana.shows("Only for a moment");
    ana.key("ArrowUp");
    ana.until("document.activeElement?.innerText.includes('Only for a moment')");
    ana.key("r");
    ana.until("document.querySelector('.composer .about:not([hidden])')");
    open(&ana, "lunch");
    ben.until("document.querySelectorAll('.pending').length === 0");
    ben.key("ArrowUp");
    ben.until("document.activeElement?.innerText.includes('Only for a moment')");
    ben.key("Enter");
    ben.press("Retract");
    ben.until("document.activeElement?.matches('dialog input')");
    ben.type_text("too early");
    ben.key("Enter");
    ben.until("document.querySelector('dialog[open]') === null");
    ana.until(&format!("{ROUNDS}.then(rounds => !rounds.loaded)"));
    place.nodes[0].kill();
    ana.until("document.querySelector('.banner:not([hidden])') !== null");
    open(&ana, "rounds");
    ana.shows("These messages come as soon as it is back");
    let left = ana.eval("document.documentElement.outerHTML");
    assert!(!left.as_str().expect("text").contains("Only for a moment"));
    assert_eq!(ana.complaints(), [""; 0]);
    assert_eq!(ben.complaints(), [""; 0]);
}

/// What a page has of the messages in `rounds`.
const ROUNDS: &str = "Promise.all(['messages', 'state'].map(name => import(`/assets/${name}.js`))) \
     .then(([{ messagesOf }, { known }]) => messagesOf(known.conversations.find(one => one.name === 'rounds').id))";

fn what_came_to_a_conversation_that_was_left_is_found(ana: &Window) {
    open(ana, "lunch");
    // As if the hint of the newest one were still on its way.
    ana.eval(&format!(
        "{ROUNDS}.then(rounds => {{ rounds.list.pop(); }})"
    ));
    ana.key("Control+k");
    ana.until("document.activeElement?.id === 'search'");
    ana.type_text("else 109");
    ana.until("document.querySelectorAll('.hits li').length === 1");
    ana.key("Enter");
    ana.until("document.activeElement?.innerText.includes('something else 109')");
}

fn reopened_while_more_was_on_its_way_nothing_is_missing(ana: &Window, count: usize) {
    // Small pages, of which the second waits for its release.
    ana.eval(
        "(() => { const real = window.fetch; let asked = 0; window.fetch = async (address, ...how) => { \
         if (String(address).includes('before=') && ++asked === 2) await new Promise(done => { window.release = done; }); \
         return real(String(address).replace('limit=500', 'limit=20'), ...how); }; })()",
    );
    let above = "document.querySelector('.scroll').scrollTop = 0";
    ana.until(&format!(
        "(() => {{ {above}; return Boolean(window.release); }})()"
    ));
    open(ana, "lunch");
    open(ana, "rounds");
    // The newest page has been fetched again: where older ones began is forgotten. How many rows there are says
    // nothing, since a receipt that comes late fetches a longer page.
    ana.until(&format!(
        "{ROUNDS}.then(rounds => rounds.cursors.size === 0)"
    ));
    ana.eval("window.release()");
    ana.until(&format!(
        "(() => {{ {above}; return document.querySelector('.row[aria-setsize=\"{count}\"]'); }})()"
    ));
}

fn amended_once_it_is_not_offered_again(ana: &Window) {
    ana.eval(
        "(() => { const real = window.fetch; window.fetch = async (...all) => { const answer = await real(...all); \
         if (String(all[0]).endsWith('/amend')) await new Promise(done => { window.answer = done; }); \
         return answer; }; })()",
    );
    ana.eval("document.getElementById('write').focus()");
    ana.key("ArrowUp");
    ana.until("document.activeElement?.innerText.includes('something else 109')");
    ana.key("e");
    ana.until("document.getElementById('write').value === 'something else 109'");
    ana.type_text("!");
    ana.key("Enter");
    ana.until("window.answer");
    open(ana, "lunch");
    ana.eval("window.answer()");
    ana.until("document.getElementById('live').innerText === 'Amended'");
    open(ana, "rounds");
    ana.shows("something else 109!");
    assert_eq!(
        ana.eval("document.querySelector('.composer .about').hidden && document.getElementById('write').value"),
        ""
    );
}

fn refused_it_is_said_over_what_is_there(ana: &Window) {
    open(ana, "lunch");
    ana.eval(
        "(() => { const real = window.fetch; window.fetch = async (...all) => { \
         if (!String(all[0]).includes('/messages?')) return real(...all); \
         window.fetch = real; \
         return new Response(JSON.stringify({ code: 'refused', message: 'not in this room' }), { status: 403 }); }; })()",
    );
    open(ana, "rounds");
    ana.shows("not in this room");
    ana.shows("something else 109!");
    open(ana, "lunch");
    open(ana, "rounds");
}

#[test]
fn a_wrong_password_is_said_plainly_and_a_lock_is_opened_with_the_right_one() {
    let mut place = Place::of(&["front-desk"]);
    let page = place.first_sign_in("Ana", 0);
    place.room("rounds", &["Ana"]);
    open(&page, "rounds");
    page.key("Control+l");
    page.until("document.querySelector('h1')?.innerText === 'Locked'");

    page.fill("Password", "not the right one");
    page.key("Enter");
    page.until("document.querySelector('[role=alert].problem')?.innerText");
    assert_eq!(
        page.eval("document.querySelector('h1').innerText"),
        "Locked"
    );

    page.fill("Password", PASSWORD);
    page.key("Enter");
    signed_in(&page);

    // A node out of reach hears of nobody; whoever is at work stays, and whoever has gone is locked out.
    open(&page, "rounds");
    say(&page, "The lab has called");
    page.until("document.querySelectorAll('.pending').length === 0");
    place.nodes[0].kill();
    page.until("document.querySelector('.banner:not([hidden])') !== null");
    page.eval(
        "(() => { const [now, real] = [Date.now, window.fetch]; window.hours = 0; Date.now = () => now() + window.hours * 3_600_000; \
         window.fetch = (...all) => { if (all[0] === '/v1/me') window.looked = true; return real(...all); }; })()",
    );
    page.eval("window.hours = 1; document.body.dispatchEvent(new KeyboardEvent('keydown', { bubbles: true })); window.looked = false;");
    page.until("window.looked");
    assert!(page.text().contains("The lab has called"));
    page.eval("window.hours = 2");
    page.until("document.querySelector('h1')?.innerText === 'Locked'");
    let left = page.eval("document.documentElement.outerHTML");
    assert!(!left.as_str().expect("text").contains("The lab has called"));
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn a_node_that_restarts_under_an_open_page_loses_no_draft_and_gets_nothing_twice() {
    let mut place = Place::of(&["front-desk"]);
    let page = place.first_sign_in("Ana", 0);
    place.room("lunch", &["Ana"]);
    place.room("rounds", &["Ana"]);
    open(&page, "rounds");
    say(&page, "before");

    place.nodes[0].kill();
    page.until("document.querySelector('.banner:not([hidden])') !== null");
    page.shows("This office’s node does not answer");
    page.shows("before");
    page.type_text("written meanwhile");
    page.key("Enter");
    page.until("document.querySelector('.pending .state.waiting')");
    // Elsewhere and back: what was read is there, and what waits.
    open(&page, "lunch");
    open(&page, "rounds");
    page.until("document.querySelector('.pending .state.waiting')");
    page.shows("before");
    page.type_text("still a draft");
    let Place { clinic, nodes, .. } = &mut place;
    nodes[0].start(clinic);

    // A node forgets its logins when it stops; what was written waits for its owner.
    page.shows("sign in again");
    sign_in(&page, "Ana");
    open(&page, "rounds");
    page.until("document.getElementById('write').value === 'still a draft'");
    page.until("document.querySelectorAll('.pending').length === 0 && document.body.innerText.includes('written meanwhile')");
    std::thread::sleep(Duration::from_secs(2));
    let said = page.texts(".said");
    assert_eq!(said, ["before", "written meanwhile"]);
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn a_message_whose_answer_was_lost_is_sent_again_and_is_there_once() {
    let place = Place::of(&["front-desk"]);
    let page = place.first_sign_in("Ana", 0);
    place.room("rounds", &["Ana"]);
    open(&page, "rounds");
    // The node gets the message, and its answer never arrives: as when the cable is pulled in between.
    page.eval(
        "(() => { const real = window.fetch; let cut = true; window.fetch = async (...all) => { \
         const answer = await real(...all); \
         if (cut && all[1]?.method === 'POST' && String(all[0]).endsWith('/messages')) { cut = false; throw new TypeError('cut'); } \
         return answer; }; })()",
    );

    say(&page, "exactly once");

    page.until("document.querySelectorAll('.row').length > 0 && document.querySelectorAll('.pending').length === 0");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(page.texts(".said"), ["exactly once"]);
}

#[test]
fn a_notification_on_the_desktop_says_neither_what_was_written_nor_by_whom() {
    let place = Place::of(&["front-desk"]);
    let ana = place.first_sign_in("Nora", 0);
    let ben = place.first_sign_in("Otto", 0);
    place.room("rounds", &["Nora", "Otto"]);
    // What the desktop would be told.
    ana.eval(
        "window.Notification = class { static permission = 'granted'; \
         static async requestPermission() { return 'granted'; } addEventListener() {} \
         constructor(...words) { (window.told ??= []).push(JSON.stringify(words)); } }",
    );
    ana.click("[aria-label='Settings and sign out']");
    ana.press("Settings");
    ana.click("dialog [type=checkbox]");
    ana.until("localStorage.getItem('clinic-mesh-notifications') === 'on'");
    ana.key("Escape");
    open(&ana, "rounds");
    open(&ben, "rounds");

    // The page is on her screen, and she is at work in another window.
    ana.eval("document.hasFocus = () => false");
    say(&ben, "The lab has called");
    let told = ana.until("window.told");
    assert_eq!(told.as_array().map(Vec::len), Some(1), "{told}");
    let told = told.to_string();
    assert!(told.contains("One message is unread"), "{told}");
    for secret in ["lab", "Otto", "rounds"] {
        assert!(!told.contains(secret), "{told}");
    }

    // She comes back, and what she looks at needs no notification.
    ana.eval("document.hasFocus = () => true");
    say(&ben, "Seen while she looks at it");
    ben.until("document.querySelectorAll('.mine .state.opened').length === 2");
    assert_eq!(ana.eval("window.told.length"), 1);

    // One is opened on another screen while another one comes: as many are unread as before.
    ana.eval("document.hasFocus = () => false");
    ana.eval(
        "import('/assets/state.js').then(({ known, tell }) => { for (const ms of [1, 2, 2]) { \
         known.conversations = [{ ...known.conversations[0], unread: 1, newest_unread: { iso: '', ms } }]; tell('conversations'); } })",
    );
    assert_eq!(ana.eval("window.told.length"), 3);
}
