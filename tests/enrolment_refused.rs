//! Ways in which enrolment fails, each really done: what the program says, and that it says what to do.
//!
//! The table in docs/operations.md, "When a machine is not let in", is made of the same rows; the last
//! check holds the two together.

#[path = "support/processes.rs"]
mod processes;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clinic_mesh::domain::id::ClinicId;
use clinic_mesh::domain::name::Name;
use clinic_mesh::domain::time::WallTime;
use clinic_mesh::node::DeviceKeys;
use clinic_mesh::node::join::Wish;
use clinic_mesh::platform::clock::Clock;
use processes::{Clinic, Node, Said, Say as _, Talk};

/// A clinic with one node that runs, and whatever the ways of failing need beside it.
struct World {
    clinic: Clinic,
    front: Node,
    now: WallTime,
}

/// One way to fail.
struct Way {
    /// What was done.
    done: &'static str,
    /// Does it.
    fail: fn(&World) -> Said,
    /// Exit code.
    code: i32,
    /// What the message names.
    names: &'static str,
    /// What it tells to do.
    remedy: &'static str,
}

const DAY: u64 = 24 * 3600 * 1000;

impl World {
    fn new() -> Self {
        let clinic = Clinic::found();
        let mut front = clinic.first_node("front-desk");
        front.start(&clinic);
        Self {
            clinic,
            front,
            now: Clock::start().now(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.clinic.path(name)
    }

    /// A machine that is to join, of a name that nobody used before.
    fn machine(&self, name: &str) -> Node {
        self.clinic.node(name)
    }

    fn join(&self, machine: &Node, code: &str, more: &[&str]) -> Command {
        let mut join = self.clinic.on(machine, &["node", "join", code, "--json"]);
        join.args(more);
        join.args(Clinic::local(machine, &[&self.front]));
        join
    }

    fn join_at_front(&self, machine: &Node, code: &str) -> Command {
        self.join(machine, code, &["--at", &self.front.enrolment])
    }

    /// An invitation whose command goes on waiting.
    fn invitation(&self, name: &str) -> (Talk, String) {
        let mut invite = self.clinic.invite(&self.front, name);
        let code = invite.line()["code"].as_str().expect("a code").to_owned();
        (invite, code)
    }

    fn request(&self, machine: &Node) -> PathBuf {
        let file = self.path(&format!("{}.request", machine.name));
        let mut request = self.clinic.on(machine, &["node", "request", "--out"]);
        request
            .arg(&file)
            .args(Clinic::local(machine, &[&self.front]));
        request.said().done();
        file
    }

    /// A request of fresh keys as if made for `clinic` at `when`.
    fn made(&self, name: &str, clinic: Option<ClinicId>, when: WallTime) -> PathBuf {
        let wish = Wish {
            name: Name::new(name).expect("a name"),
            address: None,
        };
        let request = DeviceKeys::fresh().request(clinic, &wish, when);
        self.file(name, &request.to_file())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(&format!("{name}.file"));
        std::fs::write(&path, bytes).expect("written");
        path
    }

    fn enrol(&self, name: &str, request: &Path, more: &[&str]) -> Said {
        let mut enrol = self.clinic.on(&self.front, &["device", "enrol", "--yes"]);
        enrol.args(["--office", name, "--name", name]).arg(request);
        enrol.arg("--out").arg(self.answer(name)).args(more);
        enrol.said()
    }

    fn answer(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.answer"))
    }

    fn take(&self, machine: &Node, answer: &Path) -> Said {
        let mut join = self.clinic.on(machine, &["node", "join", "--answer"]);
        join.arg(answer).said()
    }

    /// A machine that has asked, and the answer for it.
    fn answered(&self, name: &str) -> (Node, PathBuf) {
        let machine = self.machine(name);
        let request = self.request(&machine);
        self.enrol(name, &request, &[]).done();
        (machine, self.answer(name))
    }
}

/// The bytes of a file with one of them changed.
fn changed(path: &Path, at: impl Fn(usize) -> usize) -> Vec<u8> {
    let mut bytes = std::fs::read(path).expect("readable");
    let at = at(bytes.len());
    bytes[at] ^= 1;
    bytes
}

const WAYS: &[Way] = &[
    Way {
        done: "a code with letters missing",
        fail: |w| w.join_at_front(&w.machine("a"), "7QF2-9XKD").said(),
        code: 2,
        names: "not a code",
        remedy: "in groups of four",
    },
    Way {
        done: "a code with a typing mistake",
        fail: |w| {
            let (_invite, code) = w.invitation("b");
            let wrong = if code.ends_with('A') { "B" } else { "A" };
            let code = format!("{}{wrong}", &code[..code.len() - 1]);
            w.join_at_front(&w.machine("b"), &code).said()
        },
        code: 2,
        names: "typing mistake",
        remedy: "compare it with the screen",
    },
    Way {
        done: "a code whose invitation was taken back",
        fail: |w| {
            let (mut invite, code) = w.invitation("c");
            invite.interrupt();
            w.join_at_front(&w.machine("c"), &code).said()
        },
        code: 4,
        names: "does not know this code",
        remedy: "ask for another if it has expired",
    },
    Way {
        done: "a code that was used before",
        fail: |w| {
            let (invite, code) = w.invitation("d");
            w.clinic.join_with(&w.front, "d", invite, &code);
            w.join_at_front(&w.machine("d2"), &code).said()
        },
        code: 4,
        names: "used already",
        remedy: "tell the admin at once",
    },
    Way {
        done: "the admin says that the digits differ",
        fail: |w| {
            let args = ["device", "invite", "--office", "e", "--name", "e", "--json"];
            let mut command = w.clinic.on(&w.front, &args);
            let mut invite = Talk::begin(command.stdin(Stdio::null()));
            let code = invite.line()["code"].as_str().expect("a code").to_owned();
            w.join_at_front(&w.machine("e"), &code).said()
        },
        code: 4,
        names: "the admin said no",
        remedy: "ask the admin",
    },
    Way {
        done: "no node is found and no address given",
        fail: |w| {
            let (_invite, code) = w.invitation("f");
            w.join(&w.machine("f"), &code, &[]).said()
        },
        code: 4,
        names: "no node was found",
        remedy: "--at HOST:PORT",
    },
    Way {
        done: "`--at` names something else than a node that invites",
        fail: |w| {
            let (_invite, code) = w.invitation("gg");
            let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let at = other.local_addr().expect("bound").to_string();
            let speaking = std::thread::spawn(move || {
                let (mut stream, _) = other.accept().expect("the machine comes");
                stream.write_all(b"SSH-2.0-Other\r\n").expect("it listens");
                // Until it has heard enough.
                let _ = stream.read_to_end(&mut Vec::new());
            });
            let said = w.join(&w.machine("gg"), &code, &["--at", &at]).said();
            speaking.join().expect("it was come to");
            said
        },
        code: 4,
        names: "no node that lets machines in",
        remedy: "`device invite` shows",
    },
    Way {
        done: "nobody listens at the address given",
        fail: |w| {
            let (_invite, code) = w.invitation("g");
            let nobody = processes::free_address();
            w.join(&w.machine("g"), &code, &["--at", &nobody]).said()
        },
        code: 4,
        names: "cannot be reached",
        remedy: "check the address",
    },
    Way {
        done: "an address that is none",
        fail: |w| {
            let (_invite, code) = w.invitation("h");
            w.join(&w.machine("h"), &code, &["--at", "front desk"])
                .said()
        },
        code: 2,
        names: "front desk",
        remedy: "write it like",
    },
    Way {
        done: "a machine that is a node already",
        fail: |w| {
            let (_invite, code) = w.invitation("i");
            w.join_at_front(&w.front, &code).said()
        },
        code: 4,
        names: "already",
        remedy: "--dir",
    },
    Way {
        done: "the node is started before the answer has come",
        fail: |w| {
            let machine = w.machine("j");
            w.request(&machine);
            w.clinic.on(&machine, &["node", "run"]).said()
        },
        code: 1,
        names: "not enrolled yet",
        remedy: "node join",
    },
    Way {
        done: "a file that is no request",
        fail: |w| w.enrol("k", &w.file("k", b"dear admin, please let me in"), &[]),
        code: 4,
        names: "clinic-mesh request",
        remedy: "check which file was given",
    },
    Way {
        done: "a request of a later version of the program",
        fail: |w| {
            let mut bytes = std::fs::read(w.made("l", None, w.now)).expect("readable");
            bytes["clinic-mesh request\n".len()] = 2;
            w.enrol("l", &w.file("l", &bytes), &[])
        },
        code: 4,
        names: "has version 2, this program knows 1",
        remedy: "update it",
    },
    Way {
        done: "a request that was cut short",
        fail: |w| {
            let bytes = std::fs::read(w.made("m", None, w.now)).expect("readable");
            w.enrol("m", &w.file("m", &bytes[..bytes.len() - 3]), &[])
        },
        code: 4,
        names: "damaged",
        remedy: "fetch it again",
    },
    Way {
        done: "a request that was changed on the way",
        fail: |w| {
            let bytes = changed(&w.made("n", None, w.now), |len| len - 1);
            w.enrol("n", &w.file("n", &bytes), &[])
        },
        code: 4,
        names: "was changed after the machine signed it",
        remedy: "make it again on the machine",
    },
    Way {
        done: "a request for another clinic",
        fail: |w| {
            let other = Some(ClinicId::new([9; 32]));
            w.enrol("o", &w.made("o", other, w.now), &[])
        },
        code: 4,
        names: "another clinic",
        remedy: "make it again for this one",
    },
    Way {
        done: "a request that lay around for eight days",
        fail: |w| w.enrol("p", &w.made("p", None, WallTime(w.now.0 - 8 * DAY)), &[]),
        code: 4,
        names: "more than 7 days ago",
        remedy: "make it again on the machine",
    },
    Way {
        done: "a request of a machine whose clock is a day ahead",
        fail: |w| w.enrol("q", &w.made("q", None, WallTime(w.now.0 + DAY)), &[]),
        code: 4,
        names: "in the future",
        remedy: "compare the clocks",
    },
    Way {
        done: "a request that was answered before, for another place",
        fail: |w| {
            let machine = w.machine("r");
            let request = w.request(&machine);
            w.enrol("r", &request, &[]).done();
            w.enrol("other", &request, &[])
        },
        code: 4,
        names: "is already enrolled until",
        remedy: "give the office and name that it has",
    },
    Way {
        done: "a machine that was revoked",
        fail: |w| {
            let machine = w.machine("s");
            let request = w.request(&machine);
            w.enrol("s", &request, &[]).done();
            let revoke = ["device", "revoke", "s", "--yes", "--watch", "0"];
            w.clinic.on(&w.front, &revoke).said().done();
            w.enrol("s", &request, &[])
        },
        code: 4,
        names: "was revoked",
        remedy: "fresh keys",
    },
    Way {
        done: "an answer where nothing was asked",
        fail: |w| {
            let (_, answer) = w.answered("u");
            w.take(&w.machine("u2"), &answer)
        },
        code: 3,
        names: "no request was made in this directory",
        remedy: "node request",
    },
    Way {
        done: "an answer for another machine",
        fail: |w| {
            let (_, answer) = w.answered("v");
            let other = w.machine("v2");
            w.request(&other);
            w.take(&other, &answer)
        },
        code: 4,
        names: "not for this machine",
        remedy: "take the file that was made for this one",
    },
    Way {
        done: "an answer that was changed on the way",
        fail: |w| {
            let (machine, answer) = w.answered("w");
            let bytes = changed(&answer, |len| len - 1);
            w.take(&machine, &w.file("w", &bytes))
        },
        code: 4,
        names: "does not open with this machine's key",
        remedy: "make a fresh request",
    },
    Way {
        done: "the request instead of the answer",
        fail: |w| {
            let machine = w.machine("x");
            let request = w.request(&machine);
            w.take(&machine, &request)
        },
        code: 4,
        names: "clinic-mesh answer",
        remedy: "check which file was given",
    },
    // The last one: from here on there are two admins, and commands ask which.
    Way {
        done: "an admin who may not enrol",
        fail: |w| {
            let passphrase = w.path("sam");
            std::fs::write(&passphrase, "an admin passphrase").expect("written");
            let grant = [
                "authority",
                "grant-admin",
                "Sam",
                "--may",
                "staff",
                "--as",
                "Robin",
            ];
            let mut grant = w.clinic.on(&w.front, &grant);
            grant.arg("--new-passphrase-file").arg(&passphrase);
            grant.said().done();
            w.enrol("t", &w.made("t", None, w.now), &["--as", "Sam"])
        },
        code: 4,
        names: "was not signed",
        remedy: "ask an admin who has the scope",
    },
];

#[test]
fn every_way_in_which_enrolment_fails_is_named_with_what_to_do() {
    let world = World::new();
    let page = std::fs::read_to_string("docs/operations.md").expect("the page");
    let mut wrong = Vec::new();
    let mut said_before: Vec<String> = Vec::new();
    for way in WAYS {
        let said = (way.fail)(&world);
        let text = said.err.replace('\n', " ");
        let right = said.code == way.code && text.contains(way.names) && text.contains(way.remedy);
        let listed = page.contains(way.done) && page.contains(way.names);
        if !right || !listed || said_before.contains(&text) {
            wrong.push(format!(
                "{} ({listed}): exit {} {text}",
                way.done, said.code
            ));
        }
        said_before.push(text);
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
