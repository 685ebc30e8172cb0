//! Hostile strings: through everything people can write, to everywhere it is shown, they stay text.

use serde_json::{Value, json};

use super::clinic::{Place, open, say};
use super::window::Window;

/// What people have tried elsewhere. `pwn()` would leave a mark on the window.
const STRINGS: [&str; 50] = [
    "<script>pwn()</script>",
    "<img src=x onerror=pwn()>",
    "<svg onload=pwn()>",
    "<svg><script>pwn()</script></svg>",
    "<iframe src=javascript:pwn()></iframe>",
    "<iframe srcdoc='<script>parent.pwn()</script>'></iframe>",
    "<body onload=pwn()>",
    "<input autofocus onfocus=pwn()>",
    "<details open ontoggle=pwn()>",
    "<video><source onerror=pwn()></video>",
    "<audio src=x onerror=pwn()>",
    "<object data=javascript:pwn()></object>",
    "<embed src=javascript:pwn()>",
    "<a href=javascript:pwn()>press</a>",
    "<a href='data:text/html,<script>pwn()</script>'>press</a>",
    "<form action=javascript:pwn()><button>press</button></form>",
    "<button formaction=javascript:pwn()>press</button>",
    "<math><mtext><table><mglyph><style><img src=x onerror=pwn()>",
    "<style>@import 'http://example.invalid/x.css';</style>",
    "<link rel=stylesheet href=http://example.invalid/x.css>",
    "<meta http-equiv=refresh content='0;url=javascript:pwn()'>",
    "<base href=http://example.invalid/>",
    "<template><img src=x onerror=pwn()></template>",
    "<marquee onstart=pwn()>x</marquee>",
    "<x onclick=pwn() style=position:fixed;inset:0>x</x>",
    "<noscript><p title='</noscript><img src=x onerror=pwn()>'>",
    "javascript:pwn()",
    "https://example.invalid/<script>pwn()</script>",
    "http://example.invalid/\"onmouseover=pwn()",
    "https://user:secret@example.invalid:8443/a?b=<c>#d'e\"f",
    "http://xn--80ak6aa92e.example/",
    "{{constructor.constructor('pwn()')()}}",
    "${pwn()}",
    "#{pwn()}",
    "<%= pwn() %>",
    "';pwn();//",
    "\";pwn();//",
    "\\u003cscript\\u003epwn()\\u003c/script\\u003e",
    "&lt;script&gt;pwn()&lt;/script&gt;",
    "&#60;img src=x onerror=pwn()&#62;",
    "%3Cscript%3Epwn()%3C/script%3E",
    "\u{202e}gpj.exe<script>pwn()</script>",
    "a\u{200b}b\u{feff}c\u{2066}d\u{2069}e\u{00ad}f",
    "\u{0}\u{1}\u{8}\u{b}\u{1b}[31mred\u{7f}\u{85}",
    "Z\u{0351}\u{036b}\u{0343}\u{036a}a\u{0341}\u{0342}l\u{0358}g\u{0321}\u{034a}o\u{0315}",
    "\u{645}\u{631}\u{62d}\u{628}\u{627} <b>4</b> \u{5e9}\u{5dc}\u{5d5}\u{5dd}",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{1f3f4}\u{e0067}\u{e0062}\u{e007f} \u{fdfd}",
    "\u{ff1c}script\u{ff1e}pwn()\u{ff1c}/script\u{ff1e}",
    "__proto__ constructor toString null undefined NaN",
    "=cmd|' /C calc'!A0 @SUM(1+1) -2+3",
];

/// Places inside markup that a string might break out of.
const FRAMES: [(&str, &str); 6] = [
    ("", ""),
    ("\">", "<!--"),
    ("'>", "<i x='"),
    ("</title></textarea></style></script>", ""),
    ("<!-->", "-->"),
    ("]]>", "<![CDATA["),
];

/// Those of them that are short and plain enough to be a name.
const NAMES: [&str; 8] = [
    "<img src=x onerror=pwn()>",
    "<svg onload=pwn()>",
    "\"><b>bold</b>",
    "'-pwn()-'",
    "{{7*7}} ${7*7}",
    "javascript:pwn()",
    "</title><h1>x",
    "__proto__",
];

/// Puts a text together again from what is on the screen: hidden characters stand there as their codes.
const READ: &str = "node => { let text = ''; const walk = one => { \
    if (one.nodeType === 3) text += one.data; \
    else if (one.className === 'hidden-sign') text += String.fromCodePoint(parseInt(one.textContent.slice(2), 16)); \
    else one.childNodes.forEach(walk); }; walk(node); return text; }";

/// Elements that the page is made of; any other one came out of somebody's words.
const FOREIGN: &str = "[...document.body.querySelectorAll('*')].filter(one => one.namespaceURI === 'http://www.w3.org/2000/svg' \
    ? !one.closest('svg.icon') || !['svg', 'path'].includes(one.tagName) || one.getAttributeNames().some(name => name.startsWith('on')) \
    : !/^(ARTICLE|BDI|BUTTON|DIALOG|DIV|DL|DT|DD|FIELDSET|FOOTER|FORM|H1|H2|H3|HEADER|INPUT|KBD|LABEL|LEGEND|LI|MAIN|MARK|NAV|NOSCRIPT|OL|P|SECTION|SPAN|STRONG|TEXTAREA|TIME|UL)$/.test(one.tagName) \
    || one.getAttributeNames().some(name => name.startsWith('on') || name === 'href' || name === 'src')).map(one => one.outerHTML.slice(0, 200))";

#[test]
fn whatever_people_write_or_are_called_stays_text_everywhere() {
    let place = Place::of(&["front-desk"]);
    let page = place.first_sign_in("Ana", 0);
    place.room("rounds", &["Ana"]);
    page.eval("window.pwn = () => { window.pwned = true; }; true");
    open(&page, "rounds");
    say(&page, "begin");

    let texts: Vec<String> = FRAMES
        .iter()
        .flat_map(|(before, after)| {
            STRINGS
                .iter()
                .map(move |text| format!("{before}{text}{after}"))
        })
        .collect();
    assert_eq!(texts.len(), 300);
    let sent = send_all(&page, &texts);
    assert!(sent.len() >= 290, "{} of the strings were sent", sent.len());
    let shown = read_all(&page, sent.len() + 1);
    for (id, text) in &sent {
        assert_eq!(shown[id.as_str()].as_str(), Some(text.as_str()));
    }
    clean(&page);

    // Every fifth: each takes a look through all messages, and a draft one way to the node.
    for text in texts.iter().step_by(5) {
        draft_and_search(&page, text);
    }
    clean(&page);
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn whatever_people_and_rooms_are_called_stays_text_everywhere() {
    let place = Place::of(&["front-desk"]);
    let page = place.first_sign_in("Ana", 0);
    page.eval("window.pwn = () => { window.pwned = true; }; true");
    for name in NAMES {
        place.employ(name, 0);
        place.room(&format!("room {name}"), &["Ana", name]);
    }

    for name in NAMES {
        open(&page, &format!("room {name}"));
        page.click("[aria-label=Members]");
        page.until("document.querySelector('dialog[open] .people li') !== null");
        clean(&page);
        page.key("Escape");
    }
    page.click("[aria-label='Begin a conversation']");
    page.shows("<img src=x onerror=pwn()>");
    clean(&page);
    page.key("Escape");
    page.eval("document.getElementById('write').focus()");
    page.type_text("@");
    clean(&page);
    assert_eq!(page.complaints(), [""; 0]);
}

/// Sends all texts as the page does; gives the ids of those that the node took.
pub(crate) fn send_all(page: &Window, texts: &[String]) -> Vec<(String, String)> {
    let ids = page.eval(&format!(
        "(async () => {{ const {{ post, at }} = await import('/assets/api.js'); const {{ known }} = await import('/assets/state.js'); \
         const ids = []; for (const text of {}) ids.push(await post(`${{at(known.open)}}/messages`, {{ text }}).then(sent => sent.id, () => null)); return ids; }})()",
        json!(texts)
    ));
    let ids = ids.as_array().cloned().unwrap_or_default();
    ids.iter()
        .zip(texts)
        .filter_map(|(id, text)| Some((id.as_str()?.to_owned(), text.clone())))
        .collect()
}

/// Scrolls through the conversation and takes down every text, by the message's id.
fn read_all(page: &Window, count: usize) -> Value {
    page.until(&format!(
        "(async () => {{ const read = {READ}; const found = {{}}; const scroll = document.querySelector('.scroll'); \
         scroll.scrollTop = scroll.scrollHeight; \
         for (let tries = 0; tries < 400 && Object.keys(found).length < {count}; tries++) {{ \
         await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))); \
         for (const row of document.querySelectorAll('.row[data-id]')) found[row.dataset.id] = read(row.querySelector('.said')); \
         scroll.scrollTop -= 300; }} return Object.keys(found).length >= {count} && found; }})()"
    ))
}

/// Leaves a draft and looks for a text, as somebody does who types it.
fn draft_and_search(page: &Window, text: &str) {
    page.eval("(() => { const write = document.getElementById('write'); write.focus(); write.select(); })()");
    page.type_text(text);
    page.key("Control+k");
    page.until("document.activeElement?.id === 'search'");
    page.type_text(text);
    page.until("document.querySelector('dialog .hint').innerText !== ''");
    clean(page);
    page.key("Escape");
    page.until("document.querySelector('dialog[open]') === null");
}

/// Nothing ran, nothing is there that the page did not make, and no hidden character is left at work.
#[track_caller]
fn clean(page: &Window) {
    assert_eq!(page.eval("window.pwned === undefined"), true);
    assert_eq!(page.eval(FOREIGN), json!([]));
    let loose = page.eval(
        "(() => { const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); const found = []; \
         while (walker.nextNode()) if (/[\\u0000-\\u0008\\u000b\\u001b\\u200b\\u202a-\\u202e\\u2066-\\u2069\\ufeff]/.test(walker.currentNode.data)) found.push(walker.currentNode.data); \
         return found; })()",
    );
    assert_eq!(loose, json!([]));
}
