//! A small clinic of real processes on loopback, for tests of the whole program.
//!
//! ```ignore
//! let clinic = Clinic::found();
//! let mut front = clinic.first_node("front-desk");
//! front.start();
//! let mut ward = clinic.join(&front, "ward-2");
//! ward.start();
//! front.connected_to(&ward);
//! ```
//!
//! Everything lies in one scratch directory with a short name, because a Unix socket's path is short.
//! Nodes find each other by bootstrap addresses unless a test turns discovery on. Every process is
//! killed when its handle is dropped, and what it said is printed when the test fails.

// Each test file compiles this module for itself and uses a part of it.
#![allow(dead_code, reason = "every test file uses another part of it")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest wait for anything: generous, because test machines are busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// The program itself.
const BINARY: &str = env!("CARGO_BIN_EXE_clinic-mesh");

/// What everybody here chooses to sign in with.
pub(crate) const PASSWORD: &str = "violet lamp on tuesday";

/// How often a state is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// The clinic's authority, and where its nodes lie.
pub(crate) struct Clinic {
    scratch: tempfile::TempDir,
}

/// A node's directory, and its process while it runs.
pub(crate) struct Node {
    /// The device's and the office's name.
    pub(crate) name: String,
    dir: PathBuf,
    /// Where other nodes connect.
    pub(crate) listen: String,
    /// Where invited machines are heard.
    pub(crate) enrolment: String,
    /// The network namespace it lives in, if not this process's own.
    pub(crate) namespace: Option<String>,
    /// What it logs, if not as usual.
    pub(crate) log_level: Option<&'static str>,
    /// How far a drill moves its clock.
    pub(crate) days_ahead: u32,
    process: Option<Child>,
    log: PathBuf,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    /// Exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The command must have worked.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self
    }

    /// The command must have failed with this code.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }

    /// The answer of a command with `--json`.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// A free port of loopback. Another process could take it in between; tests do not run for that long.
pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    listener.local_addr().expect("it is bound").to_string()
}

/// Waits until `look` gives something.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(LOOK);
    }
}

impl Clinic {
    /// Founds a clinic with one admin, Robin.
    pub(crate) fn found() -> Self {
        let scratch = tempfile::Builder::new().prefix("cm").tempdir_in("/tmp");
        let clinic = Self {
            scratch: scratch.expect("a scratch directory"),
        };
        for (name, secret) in [
            ("root", "a root passphrase"),
            ("admin", "an admin passphrase"),
        ] {
            std::fs::write(clinic.path(name), secret).expect("room");
        }
        let page = clinic.path("page");
        let page = page.to_str().expect("a plain path");
        let args = [
            "authority",
            "init",
            "--name",
            "Test Clinic",
            "--admin",
            "Robin",
        ];
        clinic
            .command(&args)
            .args(["--recovery-page", page])
            .said()
            .done();
        clinic
    }

    /// A file in the clinic's scratch directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// A command with the authority and its passphrases at hand, but no node.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.prepared(Command::new(BINARY), args)
    }

    fn prepared(&self, mut command: Command, args: &[&str]) -> Command {
        command
            .args(args)
            .stdin(Stdio::null())
            .env_clear()
            .env("HOME", self.scratch.path())
            .env("CLINIC_MESH_AUTHORITY", self.path("authority"))
            .env("CLINIC_MESH_ROOT_PASSPHRASE_FILE", self.path("root"))
            .env("CLINIC_MESH_ADMIN_PASSPHRASE_FILE", self.path("admin"));
        command
    }

    /// A node that is not made yet.
    pub(crate) fn node(&self, name: &str) -> Node {
        let dir = self.path(name);
        Node {
            name: name.to_owned(),
            log: dir.with_extension("log"),
            dir,
            listen: free_address(),
            enrolment: free_address(),
            namespace: None,
            log_level: None,
            days_ahead: 0,
            process: None,
        }
    }

    /// A command on a node: its directory and key file are given.
    pub(crate) fn on(&self, node: &Node, args: &[&str]) -> Command {
        let mut command = match &node.namespace {
            None => self.command(args),
            // `ip` becomes the binary, so that the process number is the node's.
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace, BINARY]);
                let mut command = self.prepared(command, args);
                command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
                command
            }
        };
        command
            .env("CLINIC_MESH_DIR", &node.dir)
            .env("CLINIC_MESH_KEY_FILE", node.dir.with_extension("key"));
        command
    }

    /// The arguments that make a node find the others here.
    pub(crate) fn local(node: &Node, others: &[&Node]) -> Vec<String> {
        let mut args = vec!["--mdns".to_owned(), "off".to_owned()];
        args.extend(["--listen".to_owned(), node.listen.clone()]);
        args.extend(["--enrolment".to_owned(), node.enrolment.clone()]);
        for other in others {
            args.extend(["--bootstrap".to_owned(), other.listen.clone()]);
        }
        args
    }

    /// The clinic's first node, made beside the authority.
    pub(crate) fn first_node(&self, name: &str) -> Node {
        let node = self.node(name);
        let args = ["node", "init", "--office", name, "--name", name];
        self.on(&node, &args)
            .args(Self::local(&node, &[]))
            .said()
            .done();
        node
    }

    /// Enrols a machine by an invitation, with both sides' real commands.
    pub(crate) fn join(&self, host: &Node, name: &str) -> Node {
        self.join_by(host, name, self.invite(host, name))
    }

    /// The same by an admin's command that is about to say the code.
    pub(crate) fn join_by(&self, host: &Node, name: &str, mut invite: Talk) -> Node {
        let code = invite.line()["code"].as_str().expect("a code").to_owned();
        self.join_with(host, name, invite, &code)
    }

    /// The same by an admin's command that has said the code.
    pub(crate) fn join_with(&self, host: &Node, name: &str, mut invite: Talk, code: &str) -> Node {
        let node = self.node(name);
        let mut joining = Talk::begin(
            self.on(
                &node,
                &["node", "join", code, "--json", "--at", &host.enrolment],
            )
            .args(Self::local(&node, &[host])),
        );
        let theirs = joining.line();
        let ours = invite.line();
        assert_eq!(ours["event"], "arrived");
        assert_eq!(
            ours["short_code"], theirs["short_code"],
            "both screens show the same"
        );
        invite.say(theirs["short_code"].as_str().expect("six digits"));
        assert_eq!(invite.line()["event"], "done");
        assert_eq!(joining.line()["name"], *name);
        assert!(invite.end().success());
        assert!(joining.end().success());
        node
    }

    /// Lets a machine join by files, certified by the admin of this name.
    pub(crate) fn join_by_files(&self, host: &Node, name: &str, admin: &str) -> Node {
        let node = self.node(name);
        let (request, answer) = self.request_of(&node, &Self::local(&node, &[host]));
        self.on(host, &["device", "enrol", "--yes", "--as", admin])
            .args(["--office", name, "--name", name])
            .arg(&request)
            .arg("--out")
            .arg(&answer)
            .said()
            .done();
        self.on(&node, &["node", "join", "--answer"])
            .arg(&answer)
            .said()
            .done();
        node
    }

    /// Has a machine ask for its certificate by file: its request, and where the answer goes.
    pub(crate) fn request_of(&self, node: &Node, more: &[String]) -> (PathBuf, PathBuf) {
        let file = self.path(&node.name);
        let (request, answer) = (
            file.with_extension("request"),
            file.with_extension("answer"),
        );
        self.on(node, &["node", "request", "--out"])
            .arg(&request)
            .args(more)
            .said()
            .done();
        (request, answer)
    }

    /// Enrols a machine in a namespace of its own, with more arguments for `node join`.
    pub(crate) fn join_from(&self, host: &Node, node: &Node, args: &[&str]) {
        let mut invite = self.invite(host, &node.name);
        let code = invite.line()["code"].as_str().expect("a code").to_owned();
        let join = [&["node", "join", &code, "--json"], args].concat();
        let mut joining = Talk::begin(&mut self.on(node, &join));
        assert_eq!(joining.line()["event"], "compare");
        assert_eq!(invite.line()["event"], "arrived");
        assert_eq!(invite.line()["event"], "done");
        assert!(joining.end().success(), "{}", joining.complaint());
        assert!(invite.end().success());
    }

    /// `device invite` as a program talks to it; it confirms without asking.
    pub(crate) fn invite(&self, host: &Node, name: &str) -> Talk {
        let args = [
            "device", "invite", "--office", name, "--name", name, "--json", "--yes",
        ];
        Talk::begin(&mut self.on(host, &args))
    }
}

/// Somebody with a one-time code and a password, at a terminal.
pub(crate) struct Person {
    name: String,
    code: PathBuf,
    password: PathBuf,
}

impl Clinic {
    /// Adds somebody to the clinic.
    pub(crate) fn staff(&self, at: &Node, name: &str, home: &str) -> Person {
        self.staff_by(at, "Robin", name, home)
    }

    /// The same, signed by the admin of this name.
    pub(crate) fn staff_by(&self, at: &Node, admin: &str, name: &str, home: &str) -> Person {
        let add = ["staff", "add", name, "--home", home, "--as", admin];
        let add = [&add[..], &["--role", "clinician", "--json"]].concat();
        let added = self.on(at, &add).said().done().json();
        let password = self.path(&format!("{name}.password"));
        std::fs::write(&password, PASSWORD).expect("written");
        let person = Person {
            name: name.to_owned(),
            code: self.path(&format!("{name}.code")),
            password,
        };
        person.with_code(&added)
    }
}

impl Person {
    /// The same with the code of this answer.
    pub(crate) fn with_code(self, answer: &Value) -> Self {
        let code = answer["code"].as_str().expect("a code");
        std::fs::write(&self.code, code).expect("written");
        self
    }

    /// Signs in for the first time.
    pub(crate) fn sign_in(&self, clinic: &Clinic, at: &Node) {
        self.login(clinic, at).said().done();
    }

    /// The same where the person may not be known yet.
    pub(crate) fn try_sign_in(&self, clinic: &Clinic, at: &Node) -> Option<()> {
        let status = self.login(clinic, at).output().expect("it runs").status;
        status.success().then_some(())
    }

    fn login(&self, clinic: &Clinic, at: &Node) -> Command {
        let mut login = clinic.on(at, &["login", &self.name, "--code", "--code-file"]);
        login
            .arg(&self.code)
            .arg("--password-file")
            .arg(&self.password);
        login
    }

    /// Writes to a colleague.
    pub(crate) fn send(&self, clinic: &Clinic, at: &Node, to: &str, text: &str) {
        clinic
            .on(at, &["send", to, text, "--as", &self.name])
            .said()
            .done();
    }

    /// Sees a text in the conversation with a colleague, after a while.
    pub(crate) fn reads(&self, clinic: &Clinic, at: &Node, with: &str, text: &str) {
        eventually("the text is there", || {
            let read = clinic.on(at, &["read", with, "--as", &self.name]).said();
            read.out.contains(text).then_some(())
        });
    }
}

/// Runs a command to its end.
pub(crate) trait Say {
    /// Runs it and takes down what it says.
    fn said(&mut self) -> Said;

    /// The same with this on its standard input.
    fn typing(&mut self, text: &str) -> Said;
}

impl Say for Command {
    fn said(&mut self) -> Said {
        Said::of(self.output().expect("the binary runs"))
    }

    fn typing(&mut self, text: &str) -> Said {
        let command = self.stdin(Stdio::piped());
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let mut keys = child.stdin.take().expect("it is piped");
        // It may have ended before it read everything.
        let _ = keys.write_all(text.as_bytes());
        drop(keys);
        Said::of(child.wait_with_output().expect("ours"))
    }
}

/// A command that is still running, read line by line.
pub(crate) struct Talk {
    child: Child,
    lines: Receiver<String>,
    input: Option<std::process::ChildStdin>,
}

impl Talk {
    /// Starts a command that is answered with [`say`](Self::say).
    pub(crate) fn with_answers(command: &mut Command) -> Self {
        Self::begin(command.stdin(Stdio::piped()))
    }

    /// Gives it a line, if it takes any.
    pub(crate) fn say(&mut self, line: &str) {
        if let Some(input) = &mut self.input {
            writeln!(input, "{line}").expect("it reads");
        }
    }

    /// Starts the command.
    pub(crate) fn begin(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let out = child.stdout.take().expect("it is piped");
        let input = child.stdin.take();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            input,
        }
    }

    /// The next line, as JSON.
    #[track_caller]
    pub(crate) fn line(&mut self) -> Value {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}")),
            Err(why) => {
                if why == RecvTimeoutError::Timeout {
                    // It ends the command, whose complaint then says what it waited for.
                    let _ = self.child.kill();
                }
                panic!("{why}: {}", self.complaint());
            }
        }
    }

    /// Ctrl-C, and waits for the end.
    pub(crate) fn interrupt(&mut self) {
        self.stopped_by(rustix::process::Signal::INT);
    }

    /// Sends the signal, and waits for the end.
    pub(crate) fn stopped_by(&mut self, signal: rustix::process::Signal) {
        let id = self.child.id().try_into().expect("a process number");
        let id = rustix::process::Pid::from_raw(id).expect("not zero");
        rustix::process::kill_process(id, signal).expect("ours");
        self.end();
    }

    /// Waits for the end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.child.wait().expect("it runs")
    }

    /// Waits for the end; what it complained about.
    pub(crate) fn complaint(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut err) = self.child.stderr.take() {
            let _ = err.read_to_string(&mut text);
        }
        text
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // It has mostly ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Node {
    /// Its directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where its API answers while it runs.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join(clinic_mesh::api::SOCKET)
    }

    /// Starts `node run` and waits for nothing.
    pub(crate) fn launch(&mut self, clinic: &Clinic) {
        self.spawn(clinic, &[]);
    }

    /// Starts `node run` and waits until it answers.
    #[track_caller]
    pub(crate) fn start(&mut self, clinic: &Clinic) {
        self.start_with(clinic, &[]);
    }

    /// Starts `node run` without its key at hand, and waits until it answers that it is locked.
    #[track_caller]
    pub(crate) fn start_locked(&mut self, clinic: &Clinic) {
        self.spawn(clinic, &[]);
        eventually("the node says that it is locked", || {
            let process = self.process.as_mut().expect("started");
            let ended = process.try_wait().expect("ours");
            assert!(ended.is_none(), "the node ended:\n{}", self.said());
            let said = clinic.on(self, &["node", "status"]).said();
            (said.code == 5 && said.err.contains("is locked")).then_some(())
        });
    }

    /// The same, with more in its environment.
    #[track_caller]
    pub(crate) fn start_with(&mut self, clinic: &Clinic, environment: &[(&str, &str)]) {
        self.spawn(clinic, environment);
        eventually("the node answers", || {
            let process = self.process.as_mut().expect("started");
            let ended = process.try_wait().expect("ours");
            assert!(ended.is_none(), "the node ended:\n{}", self.said());
            self.status(clinic)
        });
    }

    fn spawn(&mut self, clinic: &Clinic, environment: &[(&str, &str)]) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log);
        let ahead = self.days_ahead.to_string();
        let mut command = clinic.on(self, &["node", "run", "--days-ahead", &ahead]);
        command.envs(self.log_level.map(|level| ("CLINIC_MESH_LOG", level)));
        command.envs(environment.iter().copied());
        let child = command
            .stderr(log.expect("room"))
            .spawn()
            .expect("the binary runs");
        self.process = Some(child);
    }

    /// What `node status` says, if the node answers.
    pub(crate) fn status(&self, clinic: &Clinic) -> Option<Value> {
        let said = clinic.on(self, &["node", "status", "--json"]).said();
        (said.code == 0).then(|| said.json())
    }

    /// Stops in order.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        let mut process = self.process.take().expect("it runs");
        let pid = i32::try_from(process.id()).expect("a process number");
        let pid = rustix::process::Pid::from_raw(pid).expect("not zero");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("ours");
        let status = process.wait().expect("ours");
        assert!(status.success(), "{status}:\n{}", self.said());
    }

    /// The number of its process.
    pub(crate) fn process_id(&self) -> rustix::process::Pid {
        let process = self.process.as_ref().expect("it runs");
        let id = i32::try_from(process.id()).expect("a process number");
        rustix::process::Pid::from_raw(id).expect("not zero")
    }

    /// Stops it as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // A process that has ended already is as good.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Its log lines.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until this node is connected to another.
    #[track_caller]
    pub(crate) fn connected_to(&self, clinic: &Clinic, other: &Node) {
        eventually(
            &format!("{} connected to {}", self.name, other.name),
            || self.peers(clinic).contains(&other.name).then_some(()),
        );
    }

    /// Names of the peers it is connected to.
    pub(crate) fn peers(&self, clinic: &Clinic) -> Vec<String> {
        let status = self.status(clinic).unwrap_or_default();
        let peers = status["peers"].as_array().cloned().unwrap_or_default();
        peers
            .iter()
            .filter_map(|peer| Some(peer["name"].as_str()?.to_owned()))
            .collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "--- {}\n{}", self.name, self.said());
        }
    }
}
