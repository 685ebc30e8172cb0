//! What somebody types on the first day: names that are taken, and the commands that are shown as the next.

use super::processes::{Clinic, Say as _};

#[test]
fn a_machine_has_a_name_of_its_own_and_is_revoked_by_it_where_nobody_is_asked() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let enrol = |name: &str| {
        let (request, answer) = clinic.request_of(&clinic.node(name), &[]);
        let mut command = clinic.on(&front, &["device", "enrol", "--yes"]);
        command.args(["--office", "ward", "--name", "ward-pc"]);
        command.arg(&request).arg("--out").arg(&answer).said()
    };
    enrol("one").done();
    let taken = enrol("another").failed(4);
    let invite = ["device", "invite", "--office", "lab", "--name", "ward-pc"];
    let invited = clinic.on(&front, &invite).arg("--yes").said().failed(4);
    for refused in [taken, invited] {
        let remedy = "`clinic-mesh device replace ward-pc`";
        assert!(refused.err.contains(remedy), "{}", refused.err);
    }
    for act in ["revoke", "replace"] {
        let by_office = ["device", act, "ward", "--yes"];
        let refused = clinic.on(&front, &by_office).said().failed(2);
        let remedy = format!("`clinic-mesh device {act} ward-pc --yes`");
        assert!(refused.err.contains(&remedy), "{}", refused.err);
    }
    let itself = ["device", "revoke", "ward-pc", "--yes", "--watch", "0"];
    clinic.on(&front, &itself).said().done();
    enrol("a-third").done();
    // The two of one name are told apart.
    let shown = clinic.on(&front, &["revoke", "status"]).said().done().out;
    assert_eq!(shown.matches("ward-pc (").count(), 2, "{shown}");
}

#[test]
fn what_is_shown_to_be_typed_next_can_be_typed_as_it_stands() {
    let clinic = Clinic::found();
    let mut front = clinic.node("front-desk");
    let key = clinic.path("front-desk.key");
    let (dir, key) = (
        front.dir().to_str().expect("plain"),
        key.to_str().expect("plain"),
    );
    let init = [
        "--dir",
        dir,
        "node",
        "init",
        "--office",
        "o",
        "--name",
        "n",
        "--key-file",
        key,
    ];
    let mut init = clinic.command(&init);
    let made = init.args(Clinic::local(&front, &[])).said().done().out;
    let next = format!("clinic-mesh --dir {dir} node run --key-file {key}");
    assert!(made.contains(&next), "{next} in {made}");
    let asked = clinic
        .command(&["--dir", dir, "node", "status"])
        .said()
        .failed(5);
    let next = format!("`clinic-mesh --dir {dir} node run`");
    assert!(asked.err.contains(&next), "{next} in {}", asked.err);
    front.start(&clinic);
    let second = ["node", "run"];
    let second = clinic.on(&front, &second).said().failed(4);
    assert!(
        second.err.contains("is running already (process "),
        "{}",
        second.err
    );
}
