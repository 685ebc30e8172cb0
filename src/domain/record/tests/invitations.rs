//! An invitation lets one device in.

use super::*;

const ID: InvitationId = InvitationId::new([3; 16]);

fn issue(clinic: &mut SampleClinic, who: &str) -> StatementId {
    let invitation = Invitation {
        id: ID,
        commitment: Hash::ZERO,
        office: name("pharmacy"),
        name: name("pharmacy"),
        kind: DeviceKind::Node,
        expires: NOON.plus(minutes(15)),
    };
    clinic.say_as(who, Act::InvitationIssued { invitation })
}

fn enrol(clinic: &mut SampleClinic, who: &str, office: &str) -> StatementId {
    let certificate = clinic.certify(who, &clinic.draft(office));
    clinic.say_as(
        who,
        Act::DeviceEnrolled {
            certificate,
            invitation: Some(ID),
            address: None,
        },
    )
}

fn used(by: Option<DeviceId>) -> Act {
    Act::InvitationUsed { invitation: ID, by }
}

#[test]
fn an_invitation_is_open_until_a_device_is_enrolled_by_it() {
    let mut clinic = clinic();
    issue(&mut clinic, ADMIN);
    assert!(!clinic.record().invitations[&ID].used);
    let id = enrol(&mut clinic, ADMIN, "pharmacy");
    assert_eq!(void(&clinic, id), None);
    assert!(clinic.record().invitations[&ID].used);
}

#[test]
fn an_invitation_ends_when_it_is_withdrawn_or_its_issuer_is_and_not_by_being_used() {
    let fresh = || {
        let mut clinic = with_sam(clinic());
        issue(&mut clinic, "Sam");
        clinic
    };
    assert!(!fresh().record().has_ended(&ID));
    assert!(clinic().record().has_ended(&ID), "nobody knows of it");
    let mut withdrawn = fresh();
    withdrawn.say(used(None));
    assert!(withdrawn.record().has_ended(&ID));
    let mut in_use = fresh();
    enrol(&mut in_use, "Sam", "pharmacy");
    assert!(!in_use.record().has_ended(&ID));
    // Sam's statement goes on counting, or does not; nobody is left to let the machine in.
    for last in [1, 0] {
        let mut orphaned = fresh();
        let admin = orphaned.admins["Sam"].id();
        orphaned.say_root(Act::AdminEnded { admin, last });
        assert!(orphaned.record().has_ended(&ID), "{last}");
    }
}

#[test]
fn the_second_device_with_one_invitation_is_not_enrolled() {
    let mut clinic = clinic();
    issue(&mut clinic, ADMIN);
    enrol(&mut clinic, ADMIN, "pharmacy");
    let second = enrol(&mut clinic, ADMIN, "thief");
    assert_eq!(void(&clinic, second), Some(VoidReason::InvitationSpent));
    assert_eq!(clinic.record().members().count(), 3);
}

#[test]
fn a_device_is_not_enrolled_by_an_invitation_that_another_used_or_that_was_withdrawn() {
    for by in [None, Some(clinic().device("ward-2").id)] {
        let mut clinic = clinic();
        issue(&mut clinic, ADMIN);
        clinic.say(used(by));
        let id = enrol(&mut clinic, ADMIN, "pharmacy");
        assert_eq!(void(&clinic, id), Some(VoidReason::InvitationSpent));
        assert!(clinic.record().invitations[&ID].used);
    }
}

#[test]
fn a_withdrawal_by_another_admin_counts_for_whoever_had_seen_it() {
    let mut clinic = with_sam(clinic());
    issue(&mut clinic, ADMIN);
    clinic.say_as("Sam", used(None));
    let id = enrol(&mut clinic, ADMIN, "pharmacy");
    assert_eq!(void(&clinic, id), Some(VoidReason::InvitationSpent));
}

/// Otherwise an admin who may enrol could undo any enrolment, which takes the right to revoke.
#[test]
fn no_backdated_statement_of_another_admin_undoes_an_enrolment() {
    let mut clinic = with_sam(clinic());
    issue(&mut clinic, ADMIN);
    enrol(&mut clinic, ADMIN, "pharmacy");
    let sound = clinic.record();
    issue(&mut clinic, "Sam");
    let other = clinic.device("ward-2").id;
    for act in [used(None), used(Some(other))] {
        clinic.say_as("Sam", act);
    }
    enrol(&mut clinic, "Sam", "thief");
    let mut items = clinic.items().to_vec();
    let sam = clinic.admins["Sam"].id().into();
    for item in items.iter_mut().filter(|item| item.id.author == sam) {
        item.time = Hlc(item.id.seq);
    }
    let record = Clinic::fold(clinic.id, &items);
    for device in sound.devices.keys() {
        assert!(record.is_member(device));
    }
}

#[test]
fn an_invitation_is_used_by_its_issuer_only() {
    let mut clinic = with_sam(clinic());
    issue(&mut clinic, ADMIN);
    let id = enrol(&mut clinic, "Sam", "pharmacy");
    assert_eq!(void(&clinic, id), Some(VoidReason::DoesNotFit));
}

#[test]
fn the_terms_of_an_invitation_do_not_change() {
    let mut clinic = clinic();
    issue(&mut clinic, ADMIN);
    let again = issue(&mut clinic, ADMIN);
    assert_eq!(void(&clinic, again), Some(VoidReason::DoesNotFit));
}
