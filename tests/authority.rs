//! The authority over the years, with real processes: what can be lost of the keys, each walked as
//! docs/operations.md says, and what two admins have to want.

#[path = "authority/admins.rs"]
mod admins;
#[path = "authority/ends.rs"]
mod ends;
#[path = "authority/orders.rs"]
mod orders;
#[path = "support/processes.rs"]
mod processes;
#[path = "authority/roots.rs"]
mod roots;

use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use processes::{Clinic, Node, Say as _, Talk, eventually};
use serde_json::Value;

/// A clinic with one running node, and the words of its three recovery shares.
fn clinic_with_shares() -> (Clinic, Node, Vec<String>) {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let out = clinic.path("sheets");
    let make = ["authority", "shares", "make", "--json", "--out"];
    let made = clinic.command(&make).arg(&out).said().done().json();
    assert_eq!((&made["needed"], &made["count"]), (&2.into(), &3.into()));
    let twice = clinic.command(&make).arg(&out).said().failed(4);
    assert!(twice.err.contains("has sheets already"), "{}", twice.err);
    let files = made["files"].as_array().expect("a list");
    let words = files
        .iter()
        .map(|file| words_of(file.as_str().expect("a path")));
    let words = words.collect();
    std::fs::remove_dir_all(out).expect("printed");
    (clinic, front, words)
}

/// The lines that a keeper types from their sheet.
fn words_of(file: &str) -> String {
    let sheet = std::fs::read_to_string(file).expect("written");
    let lines: Vec<_> = sheet
        .lines()
        .filter(|line| line.contains(":  ") && line.split_whitespace().count() == 9)
        .collect();
    assert_eq!(lines.len(), 5, "{sheet}");
    lines.join("\n")
}

/// Standard input of a command: what is typed from these sheets.
fn typed(clinic: &Clinic, sheets: &[&String]) -> std::fs::File {
    let path = clinic.path("typed");
    let text: Vec<&str> = sheets.iter().map(|sheet| sheet.as_str()).collect();
    std::fs::write(&path, text.join("\n") + "\n").expect("room");
    let file = std::fs::File::open(&path).expect("written");
    std::fs::remove_file(path).expect("read while open");
    file
}

fn show(clinic: &Clinic) -> Value {
    let show = ["authority", "show", "--json"];
    clinic.command(&show).said().done().json()
}

/// Has the root appoint an admin; the mesh keys come from whoever `with` says.
fn grant(clinic: &Clinic, at: &Node, name: &str, with: &[&str]) {
    let passphrase = clinic.path("admin");
    clinic
        .on(at, &["authority", "grant-admin", name])
        .args(with)
        .arg("--new-passphrase-file")
        .arg(passphrase)
        .said()
        .done();
}

#[test]
fn a_withdrawal_is_dated_by_its_signature_and_not_by_when_somebody_began_to_type() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    clinic.staff(&front, "Ana", "front-desk");
    let mut invite = clinic.invite(&front, "ward-2");
    invite.line();
    grant(&clinic, &front, "Sam", &["--as", "Robin"]);
    let (admin, root) = ("--admin-passphrase-file", "--root-passphrase-file");
    for (number, (act, option, secret)) in [
        (
            &["staff", "suspend", "Ana", "--as", "Robin"][..],
            admin,
            "admin",
        ),
        (
            &["revoke", "invitation", "ward-2", "--as", "Robin"],
            admin,
            "admin",
        ),
        (&["revoke", "admin", "Sam"], root, "root"),
    ]
    .into_iter()
    .enumerate()
    {
        let hand = clinic.path(&format!("hand-{number}"));
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &hand,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .expect("a pipe with a name");
        let mut command = clinic.on(&front, act);
        let mut typing = Talk::begin(command.args(["--yes", "--json", option]).arg(&hand));
        // There is nobody to write to until the command waits for the passphrase, and so is past its beginning.
        let mut keys = eventually("the passphrase is asked for", || {
            let mut open = std::fs::File::options();
            open.write(true)
                .custom_flags(WITHOUT_WAITING)
                .open(&hand)
                .ok()
        });
        std::thread::sleep(std::time::Duration::from_millis(50));
        let typed_at = now_ms();
        let words = std::fs::read(clinic.path(secret)).expect("the passphrase");
        keys.write_all(&words).expect("room in the pipe");
        drop(keys);
        assert!(typing.end().success(), "{act:?}");

        let status = ["revoke", "status", "--json"];
        let told = clinic.on(&front, &status).said().done().json();
        let revoked = told["revocations"].as_array().expect("a list");
        assert_eq!(revoked.len(), number + 1, "{told}");
        let newest = revoked
            .iter()
            .filter_map(|one| one["signed_at"]["ms"].as_u64());
        assert!(newest.max() >= Some(typed_at), "{act:?}: {told}");
    }
}

const WITHOUT_WAITING: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.expect("after 1970").as_millis()).expect("not so far")
}

#[test]
fn a_name_that_an_admin_bears_is_granted_to_nobody_else() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    grant(&clinic, &front, "Sam", &["--as", "Robin"]);
    let again = |extra: &[&str]| {
        let mut command = clinic.on(&front, &["authority", "grant-admin", "Sam"]);
        command.args(extra).arg("--new-passphrase-file");
        command.arg(clinic.path("admin")).said()
    };
    let refused = again(&["--as", "Robin"]).failed(4);
    assert!(
        refused.err.contains("there is an admin Sam already"),
        "{}",
        refused.err
    );
    assert!(refused.err.contains("end-admin \"Sam\""), "{}", refused.err);
    // Nor where the key's file was moved away, and the record with it.
    let own = clinic.path("authority");
    for file in std::fs::read_dir(&own).expect("there") {
        let file = file.expect("there").path();
        let name = file.file_name().and_then(|name| name.to_str());
        if name.is_some_and(|name| name == "record" || name.starts_with("admin-sam")) {
            std::fs::remove_file(&file).expect("moved away");
        }
    }
    let refused = again(&["--from-node"]).failed(4);
    assert!(
        refused.err.contains("there is an admin Sam already"),
        "{}",
        refused.err
    );
    let by_admin = ["revoke", "admin", "Sam", "--as", "Robin", "--yes"];
    let refused = clinic.on(&front, &by_admin).said().failed(2);
    assert!(refused.err.contains("the root key"), "{}", refused.err);
    end(&clinic, &front, "Sam");
    grant(&clinic, &front, "Sam", &["--from-node"]);
}

fn end(clinic: &Clinic, at: &Node, name: &str) {
    let end = ["authority", "end-admin", name, "--yes"];
    clinic.on(at, &end).said().done();
}

/// The admin can work: add a person, and let a machine in that connects.
fn works(clinic: &Clinic, at: &Node, admin: &str) {
    let add = [
        "staff",
        "add",
        "Ana",
        "--home",
        &at.name,
        "--role",
        "clinician",
    ];
    clinic.on(at, &add).args(["--as", admin]).said().done();
    let mut ward = clinic.join_by_files(at, "ward-9", admin);
    ward.start(clinic);
    at.connected_to(clinic, &ward);
}

fn forget(path: &Path) {
    if path.is_dir() {
        std::fs::remove_dir_all(path).expect("lost");
    } else {
        std::fs::remove_file(path).expect("lost");
    }
}

#[test]
fn the_drill_says_whether_the_shares_fit_and_show_says_when_it_was() {
    let (clinic, front, sheets) = clinic_with_shares();
    let before = show(&clinic);
    assert_eq!(
        (
            &before["shares"]["last_drill"],
            &before["shares"]["overdue"]
        ),
        (&Value::Null, &true.into())
    );
    let reminded = || {
        let pending = ["authority", "pending", "--json"];
        let said = clinic.on(&front, &pending).said().done();
        said.json();
        said.err
            .matches("the recovery shares were never tried")
            .count()
    };
    assert_eq!(reminded(), 1, "whoever signs anything hears of it");
    let check = |sheets: &[&String]| {
        let mut command = clinic.command(&["authority", "shares", "check"]);
        command.stdin(typed(&clinic, sheets)).said()
    };
    let few = check(&[&sheets[1]]).failed(1);
    assert!(few.err.contains("1 of the 2 shares"), "{}", few.err);
    let mistyped = sheets[1].replacen("1:  ", "1:  zoo ", 1);
    let refused = check(&[&sheets[0], &mistyped]).failed(1);
    assert!(refused.err.contains("share 2, line 1"), "{}", refused.err);
    let good = check(&[&sheets[2], &sheets[0]]).done();
    assert!(
        good.out.contains("would bring back the root key"),
        "{}",
        good.out
    );
    let after = show(&clinic);
    assert!(
        after["shares"]["last_drill"].is_string() || after["shares"]["last_drill"].is_object(),
        "{after}"
    );
    assert_eq!(after["shares"]["overdue"], false);
    assert_eq!(
        after["shares"]["last_drill_shares"],
        serde_json::json!([1, 3])
    );
    assert!(after["shares"]["next_drill"].is_object(), "{after}");
    let shown = clinic.command(&["authority", "show"]).said().done();
    assert!(
        shown
            .out
            .contains("with sheets 1 and 3, to be tried again by"),
        "{}",
        shown.out
    );
    assert_eq!(reminded(), 0);
    let root = std::fs::read(clinic.path("authority").join("root.key")).expect("as it was");
    assert!(!root.is_empty());
}

#[test]
fn at_a_terminal_a_mistyped_line_is_named_at_once_and_typed_again() {
    let (clinic, _front, sheets) = clinic_with_shares();
    let wrong = "one two three".to_owned();
    let mut terminal = Command::new("script");
    terminal
        .args([
            "-qec",
            concat!(env!("CARGO_BIN_EXE_clinic-mesh"), " authority shares check"),
        ])
        .arg("/dev/null")
        .env("CLINIC_MESH_AUTHORITY", clinic.path("authority"))
        .stdin(typed(&clinic, &[&wrong, &sheets[0], &sheets[2]]));
    let said = terminal.said().done();
    for part in [
        "Share 1, line 1:",
        "it has 8 words, 3 were typed",
        "Share 2, line 5:",
        "Shares 1 and 3",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
}

#[test]
fn a_lost_root_file_comes_back_from_two_shares_and_signs() {
    let (clinic, front, sheets) = clinic_with_shares();
    forget(&clinic.path("authority").join("root.key"));
    assert_eq!(show(&clinic)["root_key_here"], false);
    let recover = ["authority", "recover", "--shares", "--json"];
    let alone = clinic
        .command(&recover)
        .stdin(typed(&clinic, &[&sheets[0]]))
        .said()
        .failed(1);
    assert!(alone.err.contains("1 of the 2 shares"), "{}", alone.err);
    std::fs::write(clinic.path("root"), "another root passphrase").expect("chosen");
    let both = typed(&clinic, &[&sheets[0], &sheets[1]]);
    let back = clinic.command(&recover).stdin(both).said().done().json();
    assert_eq!(back["clinic"], show(&clinic)["clinic"]);
    grant(&clinic, &front, "Sam", &["--as", "Robin"]);
    works(&clinic, &front, "Sam");
}

#[test]
fn a_forgotten_passphrase_of_the_only_admin_ends_that_key_and_another_takes_over() {
    let (clinic, front, _) = clinic_with_shares();
    std::fs::write(clinic.path("admin"), "nobody remembers it").expect("forgotten");
    let wrong = [
        "staff",
        "add",
        "Ana",
        "--home",
        "front-desk",
        "--role",
        "clinician",
    ];
    clinic.on(&front, &wrong).said().failed(4);
    grant(&clinic, &front, "Robin again", &["--from-node"]);
    end(&clinic, &front, "Robin");
    works(&clinic, &front, "Robin again");
}

#[test]
fn a_stolen_laptop_of_one_admin_is_ended_by_the_root_and_the_mesh_key_changes() {
    let (clinic, front, _) = clinic_with_shares();
    grant(&clinic, &front, "Sam", &["--as", "Robin", "--yes"]);
    let stolen = clinic.path("stolen");
    copy_dir(&clinic.path("authority"), &stolen);
    let before = show(&clinic)["mesh_key"].clone();
    end(&clinic, &front, "Robin");
    let rotate = ["authority", "rotate-mesh-key", "--as", "Sam", "--json"];
    let rotated = clinic.on(&front, &rotate).said().done().json();
    assert!(
        rotated["mesh_key"].as_u64() > before.as_u64(),
        "{rotated} after {before}"
    );
    // The thief knows the passphrase, and has a node to talk to.
    let add = [
        "staff",
        "add",
        "Mallory",
        "--home",
        "front-desk",
        "--role",
        "clinician",
    ];
    let mut theft = clinic.on(&front, &add);
    let refused = theft
        .args(["--as", "Robin"])
        .env("CLINIC_MESH_AUTHORITY", &stolen)
        .said()
        .failed(4);
    assert!(refused.err.contains("removed"), "{}", refused.err);
    works(&clinic, &front, "Sam");
}

#[test]
fn everything_is_lost_but_one_node_and_two_shares() {
    let (clinic, front, sheets) = clinic_with_shares();
    let id = show(&clinic)["clinic"].clone();
    forget(&clinic.path("authority"));
    let recover = ["authority", "recover", "--shares", "--json"];
    let both = typed(&clinic, &[&sheets[2], &sheets[1]]);
    let back = clinic.command(&recover).stdin(both).said().done().json();
    assert_eq!(back["clinic"], id);
    grant(&clinic, &front, "Sam", &[]);
    end(&clinic, &front, "Robin");
    works(&clinic, &front, "Sam");
    let web_ca = ["authority", "web-ca", "--as", "Sam"];
    clinic.on(&front, &web_ca).said().done();
    let shown = show(&clinic);
    let admins: Vec<_> = shown["admins"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|admin| (admin["name"].as_str(), admin["removed"].as_bool()))
        .collect();
    assert!(admins.contains(&(Some("Robin"), Some(true))), "{shown}");
    assert!(admins.contains(&(Some("Sam"), Some(false))), "{shown}");
}

#[test]
fn a_node_that_slept_through_two_changes_of_the_mesh_key_is_let_in_and_learns_the_newest() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let mut ward = clinic.join(&front, "ward-2");
    ward.start(&clinic);
    front.connected_to(&clinic, &ward);
    let rotate = || {
        let rotate = ["authority", "rotate-mesh-key", "--json"];
        let said = clinic.on(&front, &rotate).said().done().json();
        said["mesh_key"].as_u64().expect("a number")
    };
    // Awake, it stays connected.
    let first = rotate();
    assert!(front.peers(&clinic).contains(&ward.name));
    ward.stop();
    let (second, third) = (rotate(), rotate());
    assert!(first < second && second < third);
    ward.start(&clinic);
    front.connected_to(&clinic, &ward);
    let newest = format!("\"epoch\":{third},");
    eventually("the ward has the newest mesh key", || {
        mesh_keys(&ward).contains(&newest).then_some(())
    });
    ward.stop();
    assert!(third < rotate() && third < rotate());
    ward.start(&clinic);
    front.connected_to(&clinic, &ward);
    ward.stop();
    let newest = (rotate(), rotate()).1;
    // One more would lock it out: nobody does that by accident.
    let more = ["authority", "rotate-mesh-key"];
    let asked = clinic.on(&front, &more).said().failed(2);
    assert!(
        asked.err.contains("WARNING: ward-2 was away"),
        "{}",
        asked.err
    );
    assert_eq!(show(&clinic)["mesh_key"], newest);
    let meant = clinic.on(&front, &more).arg("--yes").said().done();
    assert!(
        meant.err.contains("WARNING: ward-2 was away"),
        "{}",
        meant.err
    );
    front.stop();
}

#[test]
fn the_next_mesh_keys_are_planned_beside_what_an_admin_does_and_anew_after_a_change() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let mut ward = clinic.join(&front, "ward-2");
    let planned = || {
        let history = clinic.on(&front, &["authority", "history"]).said().done();
        let lines = history.out.lines();
        lines
            .filter(|line| line.contains("planned mesh keys"))
            .count()
    };
    let add = |who: &str| {
        let add = [
            "staff",
            "add",
            who,
            "--home",
            "ward-2",
            "--role",
            "clinician",
        ];
        clinic.on(&front, &add).said().done();
    };
    // When the ward was invited the front desk was the only node, so it has the plan since it joined.
    assert_eq!(planned(), 1);
    add("Ana");
    assert_eq!(planned(), 1, "two years are enough");
    assert_eq!(show(&clinic)["mesh_key"], 1);
    let rotate = || {
        let rotate = ["authority", "rotate-mesh-key", "--json"];
        clinic.on(&front, &rotate).said().done().json()["mesh_key"].clone()
    };
    // A node that was never heard could have a program that reads no plan.
    assert_eq!(rotate(), 10, "the planned numbers are not given again");
    assert_eq!(planned(), 1);
    ward.start(&clinic);
    front.connected_to(&clinic, &ward);
    eventually("the ward has told its version", || {
        let inventory = clinic.on(&front, &["inventory", "--json"]).said().done();
        let all = inventory.json();
        let mut machines = all["devices"].as_array()?.iter();
        let ward = machines.find(|one| one["name"] == ward.name)?;
        ward["version"].is_string().then_some(())
    });
    add("Ben");
    assert_eq!(planned(), 2);
    assert_eq!(rotate(), 19);
    assert_eq!(planned(), 3);
    eventually(
        "the ward goes by the newest plan and by none before",
        || {
            let keys = mesh_keys(&ward);
            let has = |epoch: u32| keys.contains(&format!("\"epoch\":{epoch},"));
            (has(19) && has(27) && !has(2) && !has(11)).then_some(())
        },
    );
    ward.stop();
    front.stop();
}

#[test]
fn keeping_less_takes_a_second_admin_once_policy_says_so() {
    let (clinic, front, _) = clinic_with_shares();
    let policy = |admin: &str, settings: &[&str]| {
        let set = ["policy", "set", "--yes", "--json", "--as", admin];
        clinic.on(&front, &set).args(settings).said()
    };
    let alone = policy("Robin", &["two_admins=on"]).failed(4);
    assert!(alone.err.contains("only one admin"), "{}", alone.err);
    grant(&clinic, &front, "Sam", &["--as", "Robin"]);
    let on = policy("Robin", &["two_admins=on"]).done().json();
    assert_eq!(on["proposal"], Value::Null);

    // Whatever is destroyed sooner takes its plan's digest, and a yes is none.
    let unseen = policy("Robin", &["room_days=7"]).failed(4);
    assert!(unseen.err.contains("--plan"), "{}", unseen.err);
    let planned = ["policy", "plan", "room_days=7", "--json"];
    let planned = clinic.on(&front, &planned).said().done().json();
    let digest = planned["digest"].as_str().expect("a digest");
    let other = policy("Robin", &["room_days=8", "--plan", digest]).failed(4);
    assert!(other.err.contains("another plan's"), "{}", other.err);
    let wanted = policy("Robin", &["room_days=7", "--plan", digest]);
    let wanted = wanted.done().json();
    let (proposal, version) = (wanted["proposal"].as_str().expect("a name"), &on["version"]);
    assert_eq!(&wanted["version"], version, "the old one holds");
    let pending = ["authority", "pending", "--json", "--as", "Sam"];
    let lines = clinic.on(&front, &pending).said().done().json();
    assert_eq!(lines[0]["proposal"], *proposal, "{lines}");
    let what = lines[0]["what"].as_str().expect("words");
    assert!(what.contains("messages in rooms 7 days, not 30"), "{what}");
    // Both admins look at one plan.
    assert_eq!(lines[0]["plan"]["digest"], *digest, "{lines}");
    let plan = [
        "room_days: 30 → 7",
        "written from now on are destroyed after 7 days, 23 days sooner",
        "0 are destroyed by this",
    ];
    let listed = clinic.on(&front, &["authority", "pending", "--as", "Sam"]);
    let listed = { listed }.said().done().out;
    assert!(plan.iter().all(|words| listed.contains(words)), "{listed}");

    let approve = |admin: &str| {
        let approve = [
            "authority",
            "approve",
            proposal,
            "--yes",
            "--json",
            "--as",
            admin,
        ];
        clinic.on(&front, &approve).said()
    };
    let own = approve("Robin").failed(4);
    assert!(own.err.contains("cannot approve it as well"), "{}", own.err);
    let done = approve("Sam").done();
    let (shown, done) = (&done.err, done.json());
    assert!(plan.iter().all(|words| shown.contains(words)), "{shown}");
    assert_eq!(done["plan"]["digest"], *digest);
    assert_eq!(
        done["version"].as_u64(),
        version.as_u64().map(|version| version + 1)
    );
    let shown = clinic.on(&front, &["policy", "show"]).said().done();
    assert!(
        shown
            .out
            .lines()
            .any(|line| line.contains("room_days") && line.contains(" 7")),
        "{}",
        shown.out
    );
    approve("Sam").failed(3);
    let longer = policy("Sam", &["room_days=30"]).done().json();
    assert_eq!(longer["proposal"], Value::Null, "keeping more takes one");
}

/// What a node says of its mesh keys at its socket.
fn mesh_keys(node: &Node) -> String {
    let mut socket = UnixStream::connect(node.dir().join("api.sock")).expect("it runs");
    let request = "GET /v1/mesh-keys HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).expect("it listens");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("it answers");
    answer
}

fn copy_dir(from: &Path, to: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir(to).expect("made");
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700)).expect("ours");
    for entry in std::fs::read_dir(from).expect("there") {
        let entry = entry.expect("there");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}
