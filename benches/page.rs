//! The figures of the page: `cargo bench --bench page [-- NAME…]`.
//!
//! Real nodes on loopback and a real Chromium, as in `tests/browser`. Each figure is one JSON line on
//! standard output. What a person waits for is measured in the page, from the event's own time stamp to
//! the frame that shows it.

#![allow(clippy::print_stdout, reason = "figures are what it prints")]
#![allow(dead_code, reason = "the tests use the other parts of these modules")]

#[path = "../tests/browser/cdp.rs"]
mod cdp;
#[path = "../tests/browser/clinic.rs"]
mod clinic;
#[path = "../tests/support/processes.rs"]
mod processes;
#[path = "../tests/browser/window.rs"]
mod window;

use std::time::Duration;

use clinic::{Place, open, say};
use serde_json::{Value, json};
use window::Window;

/// Messages in the conversation that is scrolled through.
const MANY: u32 = 50_000;

/// Tries of each figure.
const TRIES: usize = 20;

fn main() {
    let wished: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let place = Place::of(&["front-desk", "ward-2"]);
    let ana = place.first_sign_in("Ana", 0);
    let ben = place.first_sign_in("Ben", 1);
    place.room("rounds", &["Ana", "Ben"]);
    open(&ana, "rounds");
    open(&ben, "rounds");
    let all: [(&str, &dyn Fn() -> Value); 4] = [
        ("own-message", &|| own_message(&ana)),
        ("to-the-other-office", &|| to_the_other_office(&ana, &ben)),
        ("scroll", &|| scroll(&ben)),
        ("cold-start", &|| cold_start(&ana)),
    ];
    for (name, figure) in all {
        if wished.is_empty() || wished.iter().any(|wish| wish == name) {
            eprintln!("measuring: {name}");
            println!("{}", json!({ "figure": name, "result": figure() }));
        }
    }
}

/// Median and largest of some milliseconds.
fn summary(mut times: Vec<f64>) -> Value {
    times.sort_by(f64::total_cmp);
    json!({ "median_ms": times[times.len() / 2], "max_ms": times[times.len() - 1], "count": times.len() })
}

/// From the key press to the frame that shows one's own message.
fn own_message(page: &Window) -> Value {
    page.eval(
        "document.addEventListener('keydown', event => { if (event.key !== 'Enter') return; const from = event.timeStamp; \
         const watch = new MutationObserver(() => { if (!document.querySelector('.pending')) return; watch.disconnect(); \
         requestAnimationFrame(() => { window.took = performance.now() - from; }); }); \
         watch.observe(document.querySelector('.rows'), { childList: true }); }, true)",
    );
    let times = (0..TRIES).map(|number| {
        page.eval("window.took = 0");
        say(page, &format!("own message {number}"));
        let took = page.until("window.took");
        page.until("document.querySelectorAll('.pending').length === 0");
        took.as_f64().expect("milliseconds")
    });
    summary(times.collect())
}

/// From the key press in one office to the change of the page in the other; both clocks are this
/// machine's.
fn to_the_other_office(from: &Window, to: &Window) -> Value {
    from.eval("document.addEventListener('keydown', () => { window.pressed = Date.now(); }, true)");
    to.eval(
        "new MutationObserver(() => { const said = [...document.querySelectorAll('.said')].pop()?.textContent; \
         if (said !== window.said) { window.said = said; window.seen = Date.now(); } }) \
         .observe(document.querySelector('.rows'), { childList: true })",
    );
    let times = (0..TRIES).map(|number| {
        let text = format!("over there {number}");
        say(from, &text);
        to.until(&format!("window.said === {}", json!(text)));
        let seen = to.eval("window.seen").as_f64();
        let pressed = from.eval("window.pressed").as_f64();
        seen.expect("a time") - pressed.expect("a time")
    });
    summary(times.collect())
}

/// Frames while 50,000 messages are fetched and scrolled through. The messages are made up in the page,
/// so that the figure is the page's alone.
fn scroll(page: &Window) -> Value {
    page.eval(&format!(
        "(() => {{ const real = window.fetch; window.fetch = async (...all) => {{ \
         const url = new URL(all[0], location); if (all[1]?.method !== 'GET' || !url.pathname.endsWith('/messages')) return real(...all); \
         const end = Number(url.searchParams.get('before') ?? {MANY}); const first = Math.max(0, end - Number(url.searchParams.get('limit'))); \
         const messages = []; for (let i = first; i < end; i++) messages.push({{ id: `m-${{i}}`, written: {{ iso: '', ms: 1.7e12 + i * 90000 }}, \
         staff: `s${{i % 7}}`, by: `Person ${{i % 7}}`, text: 'Some words about a bed and a pump. '.repeat(1 + i * 7 % 6), mentions: [], \
         before_removal_was_known: false, delivery: {{ state: 'stored_at_theirs', stored_at: ['ward-2'], missing: [], opened_by: [], acknowledged_by: [] }} }}); \
         return new Response(JSON.stringify({{ conversation: '', name: '', messages, earlier: first ? String(first) : null }})); }}; }})()"
    ));
    page.click("[aria-label='Settings and sign out']");
    page.key("Escape");
    page.eval(
        "import('/assets/state.js').then(state => state.tell('messages', { everything: true }))",
    );
    page.until("document.querySelector('.row[data-id^=m-]') !== null");
    page.until(&format!(
        "(async () => {{ const scroll = document.querySelector('.scroll'); for (let i = 0; i < 10; i++) {{ scroll.scrollTop = 0; \
         await new Promise(done => setTimeout(done, 20)); }} return document.querySelector('.row')?.getAttribute('aria-setsize') === '{MANY}'; }})()"
    ));
    page.eval(
        "(async () => { const scroll = document.querySelector('.scroll'); const frames = []; let last = performance.now(); \
         for (let i = 0; i < 600; i++) { scroll.scrollTop += i < 300 ? 300 : i < 500 ? 3000 : 300000; await new Promise(requestAnimationFrame); \
         const now = performance.now(); frames.push(now - last); last = now; } \
         frames.sort((a, b) => a - b); return { frames: frames.length, median_ms: frames[300], p99_ms: frames[594], max_ms: frames[599], over_50_ms: frames.filter(one => one > 50).length }; })()",
    )
}

/// From the start of the navigation to the frame that shows the open conversation's messages, with nothing
/// cached and the processor slowed four times.
fn cold_start(page: &Window) -> Value {
    say(page, "something to see");
    page.until("document.querySelector('.row') && !document.querySelector('.pending')");
    page.call("Network.enable", json!({}));
    page.call("Network.setCacheDisabled", json!({ "cacheDisabled": true }));
    page.call("Emulation.setCPUThrottlingRate", json!({ "rate": 4 }));
    page.call(
        "Page.addScriptToEvaluateOnNewDocument",
        json!({ "source": WATCH }),
    );
    let tries: Vec<Value> = (0..TRIES)
        .map(|_| {
            page.eval("delete window.usable");
            page.call("Page.reload", json!({}));
            // Looked at once, when it is over: each look takes time of the slowed processor.
            std::thread::sleep(Duration::from_millis(2_500));
            page.until("window.usable")
        })
        .collect();
    page.call("Emulation.setCPUThrottlingRate", json!({ "rate": 1 }));
    let times = |name: &str| {
        let times = tries.iter().map(|one| one[name].as_f64());
        summary(times.map(|time| time.expect("milliseconds")).collect())
    };
    let steps = [
        "parts", "asked", "me", "again", "clinic", "messages", "usable",
    ];
    let steps = steps.map(|name| (name.to_owned(), times(name)));
    Value::Object(steps.into_iter().collect())
}

/// Notes when the messages are first shown, and when what had to come before had come.
const WATCH: &str = "new MutationObserver((_, watch) => { if (!document.querySelector('.row')) return; watch.disconnect(); \
    requestAnimationFrame(() => { const usable = performance.now(); const come = end => Math.max(0, ...performance.getEntriesByType('resource') \
    .filter(one => one.name.endsWith(end) || one.name.includes(end + '?')).map(one => one.responseEnd)); \
    const first = performance.getEntriesByType('resource').find(one => one.name.endsWith('/v1/me')); \
    window.usable = { parts: come('.js'), asked: first.startTime, me: first.responseEnd, again: come('/v1/me'), \
    clinic: Math.max(come('/v1/clinic'), come('/v1/conversations')), messages: come('/messages'), usable }; }); }) \
    .observe(document, { childList: true, subtree: true });";
