//! Logins that end at an office other than the one where the withdrawal was signed.

use super::grant;
use super::processes::{Clinic, Node, Said, Say as _, eventually};

/// A front desk with an admin beside it, and a ward that is connected to it.
fn two_offices() -> (Clinic, Node, Node) {
    let clinic = Clinic::found();
    let mut front = clinic.first_node("front-desk");
    front.start(&clinic);
    let mut ward = clinic.join_by_files(&front, "ward-2", "Robin");
    ward.start(&clinic);
    front.connected_to(&clinic, &ward);
    (clinic, front, ward)
}

/// What somebody sees who goes on using the login they have.
fn goes_on(clinic: &Clinic, at: &Node, name: &str) -> Said {
    let list = ["conversations", "--as", name];
    clinic.on(at, &list).said()
}

/// Waits until that login is refused; what it is told then.
fn turned_out(clinic: &Clinic, at: &Node, name: &str) -> String {
    eventually("the login is refused", || {
        let said = goes_on(clinic, at, name);
        (said.code != 0).then_some(said.err)
    })
}

#[test]
fn a_person_who_is_suspended_at_the_front_desk_is_out_at_the_ward_and_told_why() {
    let (clinic, front, ward) = two_offices();
    let ana = clinic.staff(&front, "Ana", "ward-2");
    let bo = clinic.staff(&front, "Bo", "ward-2");
    for person in [&ana, &bo] {
        eventually("signed in at the ward", || {
            person.try_sign_in(&clinic, &ward)
        });
    }
    goes_on(&clinic, &ward, "Ana").done();

    let suspend = ["staff", "suspend", "Ana", "--yes", "--as", "Robin"];
    clinic.on(&front, &suspend).said().done();

    let told = turned_out(&clinic, &ward, "Ana");
    assert!(told.contains("an admin has suspended"), "{told}");
    goes_on(&clinic, &ward, "Bo").done();
}

#[test]
fn a_person_whom_only_a_removed_admin_let_in_is_out_at_the_other_office_as_well() {
    let (clinic, front, ward) = two_offices();
    grant(&clinic, &front, "Sam", &["--as", "Robin"]);
    let ana = clinic.staff_by(&front, "Robin", "Ana", "ward-2");
    let mallory = clinic.staff_by(&front, "Sam", "Mallory", "ward-2");
    for person in [&ana, &mallory] {
        eventually("signed in at the ward", || {
            person.try_sign_in(&clinic, &ward)
        });
    }
    goes_on(&clinic, &ward, "Mallory").done();

    let end = ["authority", "end-admin", "Sam", "--last", "0", "--yes"];
    clinic.on(&front, &end).said().done();

    let told = turned_out(&clinic, &ward, "Mallory");
    assert!(told.contains("an admin has suspended"), "{told}");
    goes_on(&clinic, &ward, "Ana").done();
}
