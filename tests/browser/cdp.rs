//! Drives a real Chromium over the DevTools protocol, by two pipes.
//!
//! Commands and answers are JSON, one after the other, each ended by a zero byte. The shell puts the
//! process's standard streams where Chromium looks for the pipes, so nothing listens on any port and no
//! library is needed.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};

/// Longest wait for Chromium to answer: generous, because test machines are busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where Debian puts it.
const CHROMIUM: &str = "/usr/bin/chromium";

/// Without the sandbox, because tests run as root in a container; without a network, because none is
/// needed.
const ARGUMENTS: [&str; 12] = [
    "--headless=new",
    // As the office's router would say it.
    "--host-resolver-rules=MAP *.internal 127.0.0.1",
    // Several windows are looked at in turn; none may be put last.
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--lang=en-GB",
    "--remote-debugging-pipe",
];

/// One Chromium. Its windows do not share cookies.
pub(crate) struct Chromium {
    child: Child,
    wire: Arc<Wire>,
    _profile: tempfile::TempDir,
}

/// The two pipes.
pub(crate) struct Wire {
    commands: Mutex<ChildStdin>,
    waiting: Mutex<HashMap<u64, Sender<Value>>>,
    next: AtomicU64,
    /// What pages complained about, by session.
    complaints: Mutex<Vec<(String, String)>>,
}

impl Chromium {
    /// Starts it with an empty profile.
    pub(crate) fn start() -> Self {
        Self::with(tempfile::tempdir().expect("a scratch directory"))
    }

    /// Starts it as on a PC on which somebody has installed this web CA: in the way that `web trust` says.
    pub(crate) fn trusting(authority: &Path) -> Self {
        let profile = tempfile::tempdir().expect("a scratch directory");
        let database = profile.path().join(".pki/nssdb");
        std::fs::create_dir_all(&database).expect("room");
        let database = format!("sql:{}", database.display());
        let authority = authority.to_str().expect("text");
        let made = ["-d", &database, "-N", "--empty-password"];
        let trusted = [
            "-d", &database, "-A", "-a", "-t", "C,,", "-n", "clinic", "-i", authority,
        ];
        for args in [&made[..], &trusted[..]] {
            let said = Command::new("certutil").args(args).status();
            let said = said.expect("certutil is there; tests/run installs libnss3-tools");
            assert!(said.success(), "certutil {args:?}");
        }
        Self::with(profile)
    }

    fn with(profile: tempfile::TempDir) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null", "sh"])
            .arg(CHROMIUM)
            .args(ARGUMENTS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let commands = child.stdin.take().expect("it is piped");
        let answers = child.stdout.take().expect("it is piped");
        let wire = Arc::new(Wire {
            commands: Mutex::new(commands),
            waiting: Mutex::default(),
            next: AtomicU64::new(1),
            complaints: Mutex::default(),
        });
        let reader = Arc::clone(&wire);
        std::thread::spawn(move || reader.read(answers));
        let chromium = Self {
            child,
            wire,
            _profile: profile,
        };
        chromium.wire.call("", "Browser.getVersion", json!({}));
        chromium
    }

    /// What a window is opened in: cookies of its own, and no others.
    pub(crate) fn profile(&self) -> (Arc<Wire>, Value) {
        let context = self.wire.call("", "Target.createBrowserContext", json!({}));
        (Arc::clone(&self.wire), context["browserContextId"].clone())
    }
}

impl Wire {
    /// A window in a profile; gives what it is called.
    pub(crate) fn window(&self, profile: &Value) -> String {
        let target = json!({ "url": "about:blank", "browserContextId": profile, "newWindow": true, "width": 1280, "height": 800 });
        let target = self.call("", "Target.createTarget", target);
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call("", "Target.attachToTarget", attach);
        session["sessionId"].as_str().expect("a session").to_owned()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Wire {
    /// Sends a command and waits for its answer.
    #[track_caller]
    pub(crate) fn call(&self, session: &str, method: &str, params: Value) -> Value {
        let answer = self.ask(session, method, params);
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].clone()
    }

    /// The same, with the error if there is one.
    #[track_caller]
    pub(crate) fn ask(&self, session: &str, method: &str, params: Value) -> Value {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = channel();
        locked(&self.waiting).insert(id, sender);
        let mut command = json!({ "id": id, "method": method, "params": params });
        if !session.is_empty() {
            command["sessionId"] = json!(session);
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        locked(&self.commands)
            .write_all(&bytes)
            .expect("Chromium runs; tests/run installs it");
        answer
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|why| panic!("{method}: {why}"))
    }

    fn read(&self, answers: ChildStdout) {
        let mut answers = BufReader::new(answers);
        let mut bytes = Vec::new();
        while answers
            .read_until(0, &mut bytes)
            .is_ok_and(|count| count > 0)
        {
            bytes.pop();
            if let Ok(message) = serde_json::from_slice::<Value>(&bytes) {
                self.take(message);
            }
            bytes.clear();
        }
        // Whoever still waits is told by the closed channel.
        locked(&self.waiting).clear();
    }

    fn take(&self, message: Value) {
        if let Some(id) = message["id"].as_u64() {
            if let Some(sender) = locked(&self.waiting).remove(&id) {
                // A caller that has stopped waiting needs no answer.
                let _ = sender.send(message);
            }
            return;
        }
        let params = &message["params"];
        let said = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => params["exceptionDetails"].to_string(),
            // Among them every breach of the content security policy.
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => {
                params["entry"].to_string()
            }
            Some("Runtime.consoleAPICalled") if params["type"] == "error" => params.to_string(),
            _ => return,
        };
        let session = message["sessionId"].as_str().unwrap_or_default().to_owned();
        locked(&self.complaints).push((session, said));
    }

    /// What a window has complained about since the last time.
    pub(crate) fn complaints(&self, session: &str) -> Vec<String> {
        let mut all = locked(&self.complaints);
        let (own, others) = std::mem::take(&mut *all)
            .into_iter()
            .partition(|(whose, _)| whose == session);
        *all = others;
        own.into_iter().map(|(_, said)| said).collect()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics while it holds this")
}
