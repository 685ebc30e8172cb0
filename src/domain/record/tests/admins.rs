//! Whose statements count.

use super::*;

#[test]
fn the_root_founds_the_clinic_once() {
    let mut clinic = clinic();
    let again = clinic.say_root(Act::Founded {
        name: name("Another"),
    });
    assert_eq!(void(&clinic, again), Some(VoidReason::DoesNotFit));
    assert_eq!(clinic.record().name, Some(name("Sample Clinic")));
}

#[test]
fn the_root_does_nothing_but_appoint_and_remove() {
    let mut clinic = clinic();
    let id = clinic.say_root(policy(2, 7));
    assert_eq!(void(&clinic, id), Some(VoidReason::WithoutRight));
    assert_eq!(clinic.record().policy, Policy::initial());
}

#[test]
fn an_admin_appoints_nobody() {
    let mut clinic = clinic();
    let mut own = clinic.admins[ADMIN].grant.clone();
    own.admin = AdminId::new(*clinic.device("ward-2").id.as_bytes());
    let grant = Signed::new(&own, &clinic.id, &clinic.admins[ADMIN].key);
    let id = clinic.say(Act::AdminGranted { grant });
    assert_eq!(void(&clinic, id), Some(VoidReason::WithoutRight));
    assert_eq!(clinic.record().admins.len(), 1);
}

#[test]
fn a_grant_that_an_admin_signed_is_void_in_the_roots_log_too() {
    let mut clinic = clinic();
    let own = clinic.admins[ADMIN].grant.clone();
    let grant = Signed::new(&own, &clinic.id, &clinic.admins[ADMIN].key);
    let id = clinic.say_root(Act::AdminGranted { grant });
    assert_eq!(void(&clinic, id), Some(VoidReason::InvalidInside));
}

#[test]
fn a_second_grant_widens_nothing_and_brings_nobody_back() {
    let mut clinic = clinic();
    clinic.admin("Kim", Scopes::of([Scope::Staff]));
    end(&mut clinic, "Kim", 0);
    let mut wider = clinic.admins["Kim"].grant.clone();
    wider.scopes = Scopes::of(Scopes::ALL);
    let grant = Signed::new(&wider, &clinic.id, &clinic.root);
    let id = clinic.say_root(Act::AdminGranted { grant });
    assert_eq!(void(&clinic, id), Some(VoidReason::DoesNotFit));
    let kim = &clinic.record().admins[&clinic.admins["Kim"].id()];
    assert_eq!(
        (kim.grant.scopes, kim.last),
        (Scopes::of([Scope::Staff]), Some(0))
    );
}

#[test]
fn a_statement_of_a_stranger_is_void() {
    let mut clinic = clinic();
    let stranger = clinic.device("ward-2").key.clone();
    let id = clinic.say_with(&stranger, Vec::new(), policy(2, 7));
    assert_eq!(void(&clinic, id), Some(VoidReason::UnknownSigner));
}

#[test]
fn every_act_needs_its_right() {
    let certificate = clinic().device("ward-2").signed.clone();
    let revocation = clinic().revocation("ward-2", Vec::new());
    let acts = [
        (
            Scope::Enrol,
            Act::DeviceEnrolled {
                certificate,
                invitation: None,
                address: None,
            },
        ),
        (
            Scope::Enrol,
            Act::MeshKeyRotated {
                epoch: 9,
                commitment: Hash::ZERO,
            },
        ),
        (
            Scope::Enrol,
            Act::InvitationUsed {
                invitation: InvitationId::new([1; 16]),
                by: None,
            },
        ),
        (Scope::Revoke, Act::DeviceRevoked { revocation }),
        (
            Scope::Staff,
            Act::StaffAdded {
                staff: staff("Eve"),
                facts: facts("Eve", ["ward-2"]),
            },
        ),
        (
            Scope::Staff,
            Act::StaffSuspended {
                staff: staff("Ana"),
            },
        ),
        (Scope::Staff, remove("Ana")),
        (Scope::Policy, policy(2, 7)),
    ];
    for (needed, act) in acts {
        let mut clinic = clinic();
        let before = clinic.record();
        let others = Scopes::ALL.into_iter().filter(|scope| *scope != needed);
        clinic.admin("Kim", Scopes::of(others));
        let id = clinic.say_as("Kim", act.clone());
        let after = clinic.record();
        assert_eq!(
            after.void.get(&id),
            Some(&VoidReason::WithoutRight),
            "{act:?}"
        );
        assert_eq!(
            (
                before.devices,
                before.staff,
                before.rooms,
                before.policy,
                before.mesh_keys
            ),
            (
                after.devices,
                after.staff,
                after.rooms,
                after.policy,
                after.mesh_keys
            ),
            "{act:?}"
        );
    }
}

#[test]
fn what_a_removed_admin_signed_beyond_the_last_never_counts_whenever_it_arrives() {
    let mut clinic = with_sam(clinic());
    let kept = clinic.say_as("Sam", policy(2, 7));
    let lost = clinic.say_as("Sam", policy(3, 1));
    assert_eq!(clinic.record().policy.version, 3);
    end(&mut clinic, "Sam", kept.seq);
    let late = clinic.say_as("Sam", policy(4, 2));
    let record = clinic.record();
    assert_eq!(record.policy.version, 2);
    for id in [lost, late] {
        assert_eq!(record.void[&id], VoidReason::AfterTheEnd);
    }
}

#[test]
fn the_lowest_end_of_an_admin_holds() {
    let mut clinic = with_sam(clinic());
    let first = clinic.say_as("Sam", policy(2, 7));
    clinic.say_as("Sam", policy(3, 1));
    end(&mut clinic, "Sam", first.seq);
    end(&mut clinic, "Sam", u64::MAX);
    assert_eq!(clinic.record().policy.version, 2);
}

#[test]
fn a_backdated_statement_of_a_removed_admin_is_void() {
    let mut clinic = with_sam(clinic());
    let kept = clinic.say_as("Sam", policy(2, 7));
    end(&mut clinic, "Sam", kept.seq);
    let mut items = clinic.items().to_vec();
    let mut backdated = items.last().expect("not empty").clone();
    backdated.id = StatementId {
        author: clinic.admins["Sam"].id().into(),
        seq: kept.seq + 1,
    };
    backdated.time = Hlc(1);
    backdated.statement.act = policy(9, 1);
    items.push(backdated);
    assert_eq!(Clinic::fold(clinic.id, &items).policy.version, 2);
}

#[test]
fn a_statement_signed_after_the_grant_ran_out_is_void() {
    let mut clinic = clinic();
    clinic.now = clinic.admins[ADMIN].grant.not_after;
    let in_time = clinic.say(policy(2, 7));
    clinic.now = WallTime(clinic.now.0 + 1);
    let late = clinic.say(policy(3, 8));
    assert_eq!(void(&clinic, in_time), None);
    assert_eq!(void(&clinic, late), Some(VoidReason::GrantRunOut));
}

/// An admin whose log was forked, by theft of the key say.
#[test]
fn of_two_statements_with_one_number_the_same_counts_on_every_node_and_revocations_of_both() {
    let mut clinic = clinic();
    clinic.say(policy(2, 7));
    let mut items = clinic.items().to_vec();
    let mut twin = items.last().expect("not empty").clone();
    twin.statement.act = policy(2, 8);
    items.push(twin.clone());
    // Later than its twin, so that it would be the one left out.
    twin.time = Hlc(twin.time.0 + 1);
    twin.statement.act = Act::DeviceRevoked {
        revocation: clinic.revocation("ward-2", Vec::new()),
    };
    items.push(twin);
    let one = Clinic::fold(clinic.id, &items);
    items.reverse();
    assert_eq!(Clinic::fold(clinic.id, &items), one);
    assert!(!one.is_member(&clinic.device("ward-2").id));
}
