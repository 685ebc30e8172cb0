//! Whether everybody can read and reach what is on the screen: every page, light and dark, as wide as a
//! phone, and with letters of twice the size.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::clinic::{Place, begin, open, say};
use super::window::Window;

/// Looks a page over; evaluated in it.
const CHECKS: &str = include_str!("checks.js");

/// Where to put pictures of every page, if anywhere.
const PICTURES: &str = "CLINIC_MESH_SCREENSHOTS";

/// What has to have a name, or nobody who listens knows what it is.
const NAMED: [&str; 14] = [
    "button",
    "link",
    "textbox",
    "searchbox",
    "checkbox",
    "radio",
    "combobox",
    "listbox",
    "option",
    "menu",
    "menuitem",
    "dialog",
    "image",
    "heading",
];

/// Width, height and size of letters: a desk, a phone, the narrowest there is, and letters twice as large.
const SIZES: [(&str, u32, u32, u32); 4] = [
    ("desk", 1280, 800, 100),
    ("phone", 390, 780, 100),
    ("narrow", 320, 640, 100),
    ("large", 1280, 900, 200),
];

#[test]
fn every_page_can_be_read_and_reached_by_everybody() {
    let place = Place::of(&["front-desk"]);
    let code = place.employ("Ana Pereira", 0);
    let mut found = Vec::new();
    let page = place.window(0);
    found.extend(look(&page, "sign-in"));
    page.press("First time here");
    page.shows("Your first sign-in");
    found.extend(look(&page, "first-sign-in"));
    page.press("I have a password already");
    super::first_sign_in(&page, "Ana Pereira", &code);
    let ben = place.first_sign_in("Ben Okafor", 0);
    place.employ("ليلى حسن", 0);
    let everybody = ["Ana Pereira", "Ben Okafor", "ليلى حسن"];
    place.room("Rounds", &everybody);
    place.room("Front desk and pharmacy", &everybody);
    talk(&page, &ben);
    found.extend(look(&page, "conversation"));

    for (name, keys) in [
        ("help", &["Escape", "ArrowUp", "?"][..]),
        ("details", &["ArrowUp", "i"][..]),
        ("actions", &["ArrowUp", "Enter"][..]),
        ("search", &["ArrowUp", "/"][..]),
        ("begin", &["ArrowUp", "n"][..]),
    ] {
        page.eval("document.getElementById('write').focus()");
        keys.iter().for_each(|key| page.key(key));
        page.until("document.querySelector('dialog[open]') !== null");
        found.extend(look(&page, name));
        page.key("Escape");
        page.until("document.querySelector('dialog[open]') === null");
    }
    for (name, opener) in [
        ("members", "[aria-label=Members]"),
        ("link", ".said button.link"),
    ] {
        page.click(opener);
        page.until("document.querySelector('dialog[open]') !== null");
        found.extend(look(&page, name));
        page.key("Escape");
        page.until("document.querySelector('dialog[open]') === null");
    }
    page.click("[aria-label='Settings and sign out']");
    page.press("Settings");
    page.shows("Where you are signed in");
    found.extend(look(&page, "settings"));
    page.key("Escape");
    page.key("Control+l");
    page.until("document.querySelector('h1')?.innerText === 'Locked'");
    found.extend(look(&page, "locked"));
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn every_control_that_the_keyboard_reaches_shows_that_it_is_there() {
    let place = Place::of(&["front-desk"]);
    let page = place.first_sign_in("Ana", 0);
    place.room("rounds", &["Ana"]);
    open(&page, "rounds");
    say(&page, "here");
    page.eval("document.querySelector('.skip').focus()");

    let mut reached = Vec::new();
    for _ in 0..25 {
        page.key("Tab");
        let place = page.eval(
            "(() => { const one = document.activeElement; const style = getComputedStyle(one); \
             return one === document.body ? null : [one.getAttribute('aria-label') ?? one.innerText, style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2]; })()",
        );
        if place.is_null() {
            break;
        }
        assert_eq!(place[1], true, "{place}");
        reached.push(place[0].as_str().unwrap_or_default().to_owned());
    }

    let all = reached.join("|");
    for control in [
        "Search",
        "Begin a conversation",
        "Lock",
        "Settings",
        "Members",
        "Messages",
        "Write to rounds",
    ] {
        assert!(all.contains(control), "{control} in {all}");
    }
}

#[test]
fn what_is_printed_says_nothing_of_what_was_on_the_screen() {
    let place = Place::of(&["front-desk"]);
    let page = place.first_sign_in("Ana", 0);
    place.room("rounds", &["Ana"]);
    open(&page, "rounds");
    say(&page, "Bed 4 is free");

    page.call("Emulation.setEmulatedMedia", json!({ "media": "print" }));

    page.shows("Printing is off");
    assert!(!page.text().contains("Bed 4"), "{}", page.text());
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

/// Everything that is wrong with the page, in every size, light and dark.
fn look(page: &Window, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (size, width, height, zoom) in SIZES {
        page.size(width, height, zoom);
        for scheme in ["light", "dark"] {
            page.scheme(scheme);
            // Two frames: one to draw anew, one to be sure.
            page.eval(
                "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))",
            );
            let wrong = page.eval(CHECKS);
            let wrong = wrong.as_array().cloned().unwrap_or_default();
            found.extend(
                wrong
                    .iter()
                    .map(|one| format!("{name}, {size}, {scheme}: {one}")),
            );
            picture(page, &format!("{name}-{size}-{scheme}"));
        }
    }
    page.size(1280, 800, 100);
    page.scheme("light");
    found.extend(
        nameless(page)
            .into_iter()
            .map(|one| format!("{name}: {one}")),
    );
    found
}

/// Controls without a name, as a screen reader would find them.
fn nameless(page: &Window) -> Vec<String> {
    let tree = page.call("Accessibility.getFullAXTree", json!({}));
    let nodes = tree["nodes"].as_array().cloned().unwrap_or_default();
    let nameless = nodes.iter().filter(|node| {
        let role = node["role"]["value"].as_str().unwrap_or_default();
        let name = node["name"]["value"].as_str().unwrap_or_default();
        node["ignored"] != true && NAMED.contains(&role) && name.trim().is_empty()
    });
    nameless
        .map(|node| format!("no name: {}", node["role"]["value"]))
        .collect()
}

/// Keeps a picture if somebody wants to look at it.
fn picture(page: &Window, name: &str) {
    let Some(folder) = std::env::var_os(PICTURES) else {
        return;
    };
    let shot = page.call("Page.captureScreenshot", json!({ "format": "png" }));
    let bytes = STANDARD.decode(shot["data"].as_str().expect("a picture"));
    let file = std::path::Path::new(&folder).join(format!("{name}.png"));
    std::fs::write(file, bytes.expect("base64")).expect("room");
}
