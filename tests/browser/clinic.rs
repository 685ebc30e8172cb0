//! A clinic of real nodes, each with a door for browsers on loopback.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cdp::Chromium;
use crate::processes::{Clinic, Node, Say as _, eventually, free_address};
use crate::window::Window;

/// Whatever they are called, their passwords are long and name nobody.
pub(crate) const PASSWORD: &str = "seven green umbrellas";

/// Nodes, and a browser to look at them.
pub(crate) struct Place {
    pub(crate) clinic: Clinic,
    pub(crate) nodes: Vec<Node>,
    doors: Vec<String>,
    pub(crate) chromium: Chromium,
}

impl Place {
    /// A clinic whose nodes run and know each other.
    pub(crate) fn of(offices: &[&str]) -> Self {
        Self::of_with(offices, "web_loopback", |_, _| {})
    }

    /// The same with this door; `joined` is told the first node and one that joins it, before that one
    /// runs.
    pub(crate) fn of_with(
        offices: &[&str],
        setting: &str,
        mut joined: impl FnMut(&Node, &Node),
    ) -> Self {
        let mut place = Self {
            clinic: Clinic::found(),
            nodes: Vec::new(),
            doors: Vec::new(),
            chromium: Chromium::start(),
        };
        for office in offices {
            let mut node = match place.nodes.first() {
                None => place.clinic.first_node(office),
                Some(first) => place.clinic.join(first, office),
            };
            place.doors.push(open_door(node.dir(), setting));
            if let Some(first) = place.nodes.first() {
                joined(first, &node);
            }
            node.start(&place.clinic);
            place.nodes.push(node);
        }
        place
    }

    /// The same by TLS, and a browser that trusts the clinic's web CA.
    pub(crate) fn by_tls(offices: &[&str]) -> Self {
        let mut place = Self::of_with(offices, "web_listen", |_, _| {});
        let authority = place.clinic.path("web-ca.crt");
        for (node, door) in place.nodes.iter().zip(&mut place.doors) {
            let view = eventually("it has a certificate", || {
                let said = place.clinic.on(node, &["web", "trust", "--json"]).said();
                let view = (said.code == 0).then(|| said.json())?;
                view["addresses"].get(0).is_some().then_some(view)
            });
            *door = view["addresses"][0].as_str().expect("text").to_owned();
        }
        let out = authority.to_str().expect("text");
        place.run(&["web", "trust", "--out", out]);
        place.chromium = Chromium::trusting(&authority);
        place
    }

    /// Employs somebody at an office; gives the sign-in code.
    pub(crate) fn employ(&self, name: &str, office: usize) -> String {
        self.employ_at(name, &[office])
    }

    /// The same at several offices.
    pub(crate) fn employ_at(&self, name: &str, offices: &[usize]) -> String {
        self.employ_as("clinician", name, offices)
    }

    /// The same with another role.
    pub(crate) fn employ_as(&self, role: &str, name: &str, offices: &[usize]) -> String {
        let mut add = vec!["staff", "add", name, "--role", role, "--json"];
        let homes = offices.iter().map(|office| &*self.nodes[*office].name);
        add.extend(homes.flat_map(|home| ["--home", home]));
        let added = self.run(&add).json();
        added["code"].as_str().expect("a code").to_owned()
    }

    /// Makes a room with these members.
    pub(crate) fn room(&self, name: &str, members: &[&str]) {
        let mut create = vec!["room", "create", name];
        create.extend(members.iter().flat_map(|member| ["--member", member]));
        self.run(&create);
    }

    pub(crate) fn run(&self, args: &[&str]) -> crate::processes::Said {
        self.clinic.on(&self.nodes[0], args).said().done()
    }

    /// Waits until the record that names somebody has reached an office.
    pub(crate) fn known_at(&self, office: usize, name: &str) {
        eventually("the record has come", || {
            let said = self
                .clinic
                .on(&self.nodes[office], &["staff", "list", "--json"])
                .said();
            said.out.contains(name).then_some(())
        });
    }

    /// Lets passwords of those who sign in at an office from here on unlock its node.
    pub(crate) fn let_staff_unlock(&mut self, office: usize) {
        let node = &mut self.nodes[office];
        node.stop();
        change(node.dir(), |settings| {
            format!("staff_unlock = true\n{settings}")
        });
        node.start(&self.clinic);
    }

    /// The power fails at an office once somebody there can unlock it, and the node comes back
    /// without its key.
    pub(crate) fn power_cut(&mut self, office: usize) {
        let node = &mut self.nodes[office];
        let slots = node.dir().join("staff-slots");
        eventually("somebody can unlock it", || slots.exists().then_some(()));
        node.kill();
        let key = node.dir().with_extension("key");
        std::fs::rename(key, self.clinic.path("key-elsewhere")).expect("ours");
        node.start_locked(&self.clinic);
    }

    /// The address of an office.
    pub(crate) fn door(&self, office: usize) -> &str {
        &self.doors[office]
    }

    /// A window at an office's sign-in page.
    pub(crate) fn window(&self, office: usize) -> Window {
        let window = Window::open(&self.chromium);
        window.go(&self.doors[office]);
        window.shows("Your name");
        window
    }

    /// A window in which somebody has just signed in for the first time.
    pub(crate) fn first_sign_in(&self, name: &str, office: usize) -> Window {
        let code = self.employ(name, office);
        self.known_at(office, name);
        let window = self.window(office);
        first_sign_in(&window, name, &code);
        window
    }
}

/// Goes through the first sign-in as a person does.
pub(crate) fn first_sign_in(window: &Window, name: &str, code: &str) {
    show_code(window, name, code);
    set_up_factor(window, name);
    signed_in(window);
}

/// The first half of it: the sign-in code, and a password.
pub(crate) fn show_code(window: &Window, name: &str, code: &str) {
    window.press("First time here");
    window.shows("Your first sign-in");
    window.fill("Your name", name);
    window.fill("Sign-in code", code);
    window.fill("Choose a password", PASSWORD);
    window.fill("The same password again", PASSWORD);
    window.key("Enter");
}

/// Takes the authenticator that the page offers, and writes the recovery codes down.
fn set_up_factor(window: &Window, name: &str) {
    window.press("Use an authenticator app");
    let secret = window.until("document.querySelector('.secret')?.innerText");
    let secret = secret.as_str().expect("text").replace(' ', "");
    let digits = code_of(&secret);
    window.fill("Six digits that the app shows", &digits);
    window.key("Enter");
    let mut seen = SEEN.lock().expect("no test panicked with it");
    seen.insert(name.to_owned(), digits);
    drop(seen);
    window.shows("Ten recovery codes");
    let codes = window.texts(".codes code");
    let mut notebook = NOTEBOOK.lock().expect("no test panicked with it");
    notebook.insert(name.to_owned(), codes);
    drop(notebook);
    window.press("I have written them down");
}

/// What an authenticator app shows at this moment.
fn code_of(secret: &str) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret).expect("a secret as apps take it");
    let totp = totp_rs::Builder::new().with_secret(secret).build();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("a clock that is right").as_secs();
    totp.expect("long enough").generate(now).to_string()
}

/// Where people keep their recovery codes. An authenticator's code works once in half a minute, which
/// is longer than these tests wait between two sign-ins.
static NOTEBOOK: Mutex<BTreeMap<String, Vec<String>>> = Mutex::new(BTreeMap::new());

/// The digits that set up somebody's authenticator: what was seen over their shoulder.
pub(crate) static SEEN: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// A recovery code of somebody's that is good still.
pub(crate) fn recovery_code(name: &str) -> String {
    let mut notebook = NOTEBOOK.lock().expect("no test panicked with it");
    let code = notebook.get_mut(name).and_then(Vec::pop);
    code.expect("written down")
}

/// Shows the second factor that the page asks for.
fn show_factor(window: &Window, name: &str) {
    window.press("use a recovery code");
    window.fill("Recovery code", &recovery_code(name));
    window.key("Enter");
}

/// Signs in with name and password.
pub(crate) fn sign_in(window: &Window, name: &str) {
    window.fill("Your name", name);
    window.fill("Password", PASSWORD);
    window.key("Enter");
    show_factor(window, name);
    signed_in(window);
}

/// Waits until the conversations are there.
pub(crate) fn signed_in(window: &Window) {
    window.until("document.querySelector('.desk .me .name') !== null");
    window.until("document.querySelector('.link-state.good, .link-state.part') !== null");
}

/// Opens the conversation of this name from the list.
pub(crate) fn open(window: &Window, name: &str) {
    let row = format!(
        "[...document.querySelectorAll('.conversations button')].find(one => one.querySelector('.name').innerText === {})",
        serde_json::json!(name)
    );
    window.until(&format!("Boolean({row})"));
    window.eval(&format!("{row}.click()"));
    window.until(&format!(
        "document.querySelector('.headline h1').innerText === {}",
        serde_json::json!(name)
    ));
}

/// Begins a direct conversation with somebody.
pub(crate) fn begin(window: &Window, name: &str) {
    begin_group(window, &[name]);
}

/// Begins a conversation with several people.
pub(crate) fn begin_group(window: &Window, names: &[&str]) {
    window.click("[aria-label='Begin a conversation']");
    for name in names {
        window.eval("document.querySelector('#who').select()");
        window.type_text(name);
        window.until("document.querySelectorAll('dialog .people input').length === 1");
        window.click("dialog .people input");
        window.eval("document.querySelector('#who').focus()");
    }
    window.press("Write");
    window.until("document.activeElement?.id === 'write'");
}

/// Writes a message and sends it.
pub(crate) fn say(window: &Window, text: &str) {
    window.eval("document.getElementById('write').focus()");
    window.type_text(text);
    window.key("Enter");
    window.shows(text);
}

/// Changes the settings of a node that does not run.
pub(crate) fn change(dir: &Path, with: impl FnOnce(String) -> String) {
    let file = dir.join("node.toml");
    let settings = std::fs::read_to_string(&file).expect("the node's settings");
    std::fs::write(&file, with(settings)).expect("room");
}

/// Turns on a node's door for browsers; gives its address.
fn open_door(dir: &Path, setting: &str) -> String {
    let address = free_address();
    // Before everything else, so that it stands in no table.
    change(dir, |settings| {
        format!("{setting} = \"{address}\"\n{settings}")
    });
    let port = address.rsplit(':').next().expect("a port");
    format!("http://localhost:{port}/")
}
