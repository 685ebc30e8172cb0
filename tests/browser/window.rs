//! A window of the browser, as a person uses it: looking, typing, pressing keys, clicking.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cdp::{Chromium, Wire};

/// Longest wait for the page to show something.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the page is looked at.
const LOOK: Duration = Duration::from_millis(30);

/// A window with one page.
pub(crate) struct Window {
    wire: Arc<Wire>,
    profile: Value,
    session: String,
}

impl Window {
    /// An empty window with no cookies but its own.
    pub(crate) fn open(chromium: &Chromium) -> Self {
        let (wire, profile) = chromium.profile();
        Self::opened(wire, profile)
    }

    /// Another empty window of the same browser: what one has for cookies, the other has.
    pub(crate) fn beside(&self) -> Self {
        Self::opened(Arc::clone(&self.wire), self.profile.clone())
    }

    fn opened(wire: Arc<Wire>, profile: Value) -> Self {
        let window = Self {
            session: wire.window(&profile),
            wire,
            profile,
        };
        for domain in ["Page", "Runtime", "Log", "Accessibility", "DOM"] {
            window.call(&format!("{domain}.enable"), json!({}));
        }
        // Several windows are in use at once; each believes that it is looked at.
        window.call(
            "Emulation.setFocusEmulationEnabled",
            json!({ "enabled": true }),
        );
        window
    }

    #[track_caller]
    pub(crate) fn call(&self, method: &str, params: Value) -> Value {
        self.wire.call(&self.session, method, params)
    }

    pub(crate) fn go(&self, address: &str) {
        self.call("Page.navigate", json!({ "url": address }));
    }

    /// What an expression gives; a promise is waited for.
    #[track_caller]
    pub(crate) fn eval(&self, expression: &str) -> Value {
        let answer = self.call(EVALUATE, params(expression));
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {}",
            answer["exceptionDetails"]
        );
        answer["result"]["value"].clone()
    }

    /// A place of this name to evaluate in that shares the document with the page and nothing else: no
    /// names, and not the page's security policy.
    pub(crate) fn world(&self, name: &str) -> i64 {
        let tree = self.call("Page.getFrameTree", json!({}));
        let frame = &tree["frameTree"]["frame"]["id"];
        let world = json!({ "frameId": frame, "worldName": name });
        let made = self.call("Page.createIsolatedWorld", world);
        made["executionContextId"].as_i64().expect("its number")
    }

    /// What an expression gives in such a place.
    #[track_caller]
    pub(crate) fn eval_in(&self, world: i64, expression: &str) -> Value {
        let mut params = params(expression);
        params["contextId"] = json!(world);
        let answer = self.call(EVALUATE, params);
        let wrong = &answer["exceptionDetails"];
        assert!(wrong.is_null(), "{wrong}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression gives something true, and gives that.
    #[track_caller]
    pub(crate) fn until(&self, expression: &str) -> Value {
        self.within(PATIENCE, expression)
    }

    /// The same with another patience.
    #[track_caller]
    pub(crate) fn within(&self, patience: Duration, expression: &str) -> Value {
        let begun = Instant::now();
        loop {
            // An exception is as good as nothing yet: what it looks for is not there, or the page is
            // just being loaded.
            let answer = self.wire.ask(&self.session, EVALUATE, params(expression));
            let value = answer["result"]["result"]["value"].clone();
            let nothing = match &value {
                Value::Null | Value::Bool(false) => true,
                Value::String(text) => text.is_empty(),
                Value::Number(number) => number.as_f64() == Some(0.0),
                Value::Bool(true) | Value::Array(_) | Value::Object(_) => false,
            };
            if !nothing {
                return value;
            }
            assert!(
                begun.elapsed() < patience,
                "never: {expression}\n{}",
                self.text()
            );
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until these words stand on the page.
    #[track_caller]
    pub(crate) fn shows(&self, words: &str) {
        self.until(&format!(
            "document.body.innerText.includes({})",
            json!(words)
        ));
    }

    /// Gives the window's machine a place for passkeys, whose owner is always there.
    pub(crate) fn have_authenticator(&self) {
        self.call("WebAuthn.enable", json!({ "enableUI": false }));
        let options = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
            "hasUserVerification": true, "isUserVerified": true, "automaticPresenceSimulation": true,
        });
        let options = json!({ "options": options });
        self.call("WebAuthn.addVirtualAuthenticator", options);
    }

    /// Everything that can be read.
    pub(crate) fn text(&self) -> String {
        let text = self.eval("document.body.innerText");
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Texts of all elements that a selector finds.
    pub(crate) fn texts(&self, selector: &str) -> Vec<String> {
        let all = self.eval(&format!(
            "[...document.querySelectorAll({})].map(one => one.textContent)",
            json!(selector)
        ));
        let all = all.as_array().cloned().unwrap_or_default();
        all.iter()
            .filter_map(|one| Some(one.as_str()?.to_owned()))
            .collect()
    }

    /// Clicks the middle of an element, as soon as it is there and stands still: a dialog that is still being
    /// filled moves what is in it, and the click would land beside.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        let place = self.until(&format!(
            "(async () => {{ const one = document.querySelector({}); if (!one) return null; one.scrollIntoView({{ block: 'nearest' }}); \
             const middle = () => {{ const box = one.getBoundingClientRect(); return box.width ? [box.x + box.width / 2, box.y + box.height / 2] : null; }}; \
             const before = middle(); await new Promise(done => setTimeout(done, 20)); const after = middle(); \
             return String(before) === String(after) ? after : null; }})()",
            json!(selector)
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            self.call(
                "Input.dispatchMouseEvent",
                json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 }),
            );
        }
    }

    /// Clicks the button with these words.
    #[track_caller]
    pub(crate) fn press(&self, words: &str) {
        self.until(&format!(
            "(() => {{ document.querySelector('[data-press]')?.removeAttribute('data-press'); \
             const top = [...document.querySelectorAll('dialog[open]')].pop() ?? document; \
             const one = [...top.querySelectorAll('button')].find(one => one.offsetParent && one.innerText.includes({})); \
             one?.setAttribute('data-press', ''); return Boolean(one); }})()",
            json!(words)
        ));
        self.click("[data-press]");
    }

    /// Types into whatever has the focus.
    pub(crate) fn type_text(&self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Types into the field with this label.
    #[track_caller]
    pub(crate) fn fill(&self, label: &str, text: &str) {
        self.until(&format!(
            "(() => {{ const one = [...document.querySelectorAll('label')].find(one => one.innerText === {})?.control; \
             one?.focus(); one?.select(); return document.activeElement === one && Boolean(one); }})()",
            json!(label)
        ));
        self.type_text(text);
    }

    /// Presses a key such as `Enter`, `?` or `Control+l`.
    pub(crate) fn key(&self, keys: &str) {
        let (held, key) = keys.rsplit_once('+').unwrap_or(("", keys));
        let held: u32 = held.split('+').map(modifier).sum();
        let code = match key {
            "Enter" => 13,
            "Escape" => 27,
            "Tab" => 9,
            "ArrowUp" => 38,
            "ArrowDown" => 40,
            other => other.to_uppercase().bytes().next().map_or(0, u32::from),
        };
        let text = match key {
            "Enter" => "\r",
            other if other.len() == 1 && held == 0 => other,
            _ => "",
        };
        let kind = if text.is_empty() {
            "rawKeyDown"
        } else {
            "keyDown"
        };
        let mut event = json!({ "type": kind, "key": key, "modifiers": held, "windowsVirtualKeyCode": code, "text": text });
        self.call("Input.dispatchKeyEvent", event.clone());
        event["type"] = json!("keyUp");
        event["text"] = json!("");
        self.call("Input.dispatchKeyEvent", event);
    }

    /// Sets the window's size, and the letters' size in per cent.
    pub(crate) fn size(&self, width: u32, height: u32, zoom: u32) {
        let (width, height) = (width * 100 / zoom, height * 100 / zoom);
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": f64::from(zoom) / 100.0, "mobile": false }),
        );
    }

    /// Prefers light or dark.
    pub(crate) fn scheme(&self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": [feature] }),
        );
    }

    /// What went wrong on the page: exceptions, and breaches of the content security policy. Requests
    /// that the node turned down or did not answer are not the page's fault.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut all = self.wire.complaints(&self.session);
        all.retain(|said| !said.contains("\"source\":\"network\""));
        all
    }
}

/// The command that evaluates an expression in the page.
const EVALUATE: &str = "Runtime.evaluate";

fn params(expression: &str) -> Value {
    json!({
        "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
    })
}

fn modifier(name: &str) -> u32 {
    match name {
        "Alt" => 1,
        "Control" => 2,
        "Shift" => 8,
        _ => 0,
    }
}
