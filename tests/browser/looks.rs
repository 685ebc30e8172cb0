//! Whether everybody can read and reach what is on the screen: every page, light and dark, as wide as a
//! phone, and with letters of twice the size.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::axe;
use super::clinic::{Place, open, say};
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

/// What somebody would have to scroll sideways to read; evaluated in a page.
const SIDEWAYS: &str = "[document.documentElement, ...document.querySelectorAll('body *')].filter(node => \
    node.checkVisibility() && node.scrollWidth > node.clientWidth + 1 && \
    (node === document.documentElement || /auto|scroll/.test(getComputedStyle(node).overflowX)))\
    .map(node => `${node.outerHTML.slice(0, 80)}: ${node.scrollWidth} of ${node.clientWidth}`)";

/// Width, height and size of letters: a desk, a phone, the narrowest there is, and letters twice as large.
const SIZES: [(&str, u32, u32, u32); 4] = [
    ("desk", 1280, 800, 100),
    ("phone", 390, 780, 100),
    ("narrow", 320, 640, 100),
    ("large", 1280, 900, 200),
];

/// Where axe-core looks too: the other two show the same in other widths.
const JUDGED: [&str; 2] = ["desk", "narrow"];

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
fn what_is_printed_says_nothing_of_what_was_on_the_screen_unless_policy_allows_it() {
    let place = Place::of(&["front-desk"]);
    let page = place.first_sign_in("Ana", 0);
    place.room("rounds", &["Ana"]);
    open(&page, "rounds");
    say(&page, "Bed 4 is free");

    page.call("Emulation.setEmulatedMedia", json!({ "media": "print" }));

    page.shows("Printing is off");
    assert!(!page.text().contains("Bed 4"), "{}", page.text());

    place.run(&["policy", "set", "printing=on", "--yes"]);

    page.shows("Bed 4 is free");
    assert!(!page.text().contains("Printing is off"), "{}", page.text());
    // Only the conversation: in a dialog there may be a password, or a code.
    page.key("?");
    page.until("document.querySelector('dialog.help')");
    let display = page.eval("getComputedStyle(document.querySelector('dialog.help')).display");
    assert_eq!(display, "none");
    place.run(&["policy", "set", "printing=off", "--yes"]);
    page.shows("Printing is off");
    assert!(!page.text().contains("Bed 4"), "{}", page.text());
}

/// Everything that is wrong with the page, in every size, light and dark.
pub(crate) fn look(page: &Window, name: &str) -> Vec<String> {
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
            if JUDGED.contains(&size) {
                let wrong = axe::violations(page);
                let wrong = wrong.into_iter();
                found.extend(wrong.map(|one| format!("{name}, {size}, {scheme}: {one}")));
            }
            picture(page, &format!("{name}-{size}-{scheme}"));
        }
    }
    page.scheme("light");
    page.size(1280, 800, 100);
    found.extend(
        nameless(page)
            .into_iter()
            .map(|one| format!("{name}: {one}")),
    );
    found
}

/// What scrolls sideways in the narrowest window with letters alone twice as large.
pub(crate) fn sideways(page: &Window, name: &str) -> Vec<String> {
    page.size(320, 640, 100);
    page.eval("document.documentElement.style.fontSize = '200%'");
    let found = page.eval(SIDEWAYS);
    picture(page, &format!("{name}-letters"));
    page.eval("document.documentElement.style.fontSize = ''");
    page.size(1280, 800, 100);
    let found = found.as_array().cloned().unwrap_or_default();
    let found = found.into_iter();
    found
        .map(|one| format!("{name}, large letters: sideways {one}"))
        .collect()
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
