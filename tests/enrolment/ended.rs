//! A clinic in which every certificate has ended.

use super::processes::{Clinic, Say as _, eventually};

/// How long all of it was off: longer than any certificate lives.
const DAYS: u32 = 40;

#[test]
fn where_every_certificate_has_ended_an_admin_certifies_one_machine_and_the_other_follows() {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let mut ward = clinic.join_by_files(&front, "ward-2", "Robin");
    ward.start(&clinic);
    front.connected_to(&clinic, &ward);
    let ana = clinic.staff(&front, "Ana", "front-desk");
    let ben = clinic.staff(&front, "Ben", "ward-2");
    ana.sign_in(&clinic, &front);
    eventually("the ward knows Ben", || ben.try_sign_in(&clinic, &ward));

    for node in [&mut ward, &mut front] {
        node.stop();
        node.days_ahead = DAYS;
    }
    front.start(&clinic);
    ward.start(&clinic);
    let ended = |line: &str| line.contains("handshake refused") && line.contains("code=4");
    eventually("nobody is let in", || {
        let said = front.said() + &ward.said();
        said.lines().any(ended).then_some(())
    });
    assert_eq!(front.peers(&clinic), [""; 0]);

    let days = DAYS.to_string();
    let renew = ["device", "renew", "front-desk", "--days-ahead", &days];
    let renewed = clinic.on(&front, &renew).args(["--yes", "--json"]).said();
    assert_eq!(renewed.done().json()["name"], "front-desk");
    ward.connected_to(&clinic, &front);

    for (name, at) in [("Ana", &front), ("Ben", &ward)] {
        let password = clinic.path(&format!("{name}.password"));
        let mut login = clinic.on(at, &["login", name, "--password-file"]);
        login.arg(password).said().done();
    }
    ana.send(&clinic, &front, "Ben", "We are back");
    ben.reads(&clinic, &ward, "Ana", "We are back");
    ben.send(&clinic, &ward, "Ana", "So are we");
    ana.reads(&clinic, &front, "Ben", "So are we");
}
