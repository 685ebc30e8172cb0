use super::*;
use crate::domain::mesh_keys::{MESH_KEY_LIFE, PLANNED_MAX};
use crate::domain::policy::TwoAdmins;
use crate::domain::record::{Status, VoidReason};
use crate::domain::statement::{History, Proposal, Role, StaffFacts, StatementId};
use crate::domain::time::Hlc;

fn void_reason(error: SignError) -> VoidReason {
    match error {
        SignError::Void { reason, .. } => reason,
        other => panic!("expected a void statement, got {other:?}"),
    }
}

fn staff(admin: &mut Authority, who: &str) -> crate::domain::id::StaffId {
    let roles = vec![Role::FrontDesk, Role::Clinician, Role::FrontDesk];
    let homes = vec![name("Harbour"), name("Annex")];
    let added = admin.add_staff(name(who), roles, homes, NOW);
    added.expect("added").made.0
}

#[test]
fn what_was_signed_is_in_the_directory_and_says_what_its_signer_had_seen() {
    let bench = Bench::new();
    let mut admin = bench.admin();
    let segment = admin
        .set_policy(admin.clinic().policy.clone(), NOW)
        .expect("signed");
    let item = admin
        .record()
        .items()
        .find(|item| item.id.author == admin.id() && item.id.seq == segment.first);
    let item = item.expect("in the record");
    let root = admin.record().root().expect("known");
    assert_eq!(item.statement.seen.len(), 1);
    assert_eq!(
        (item.statement.seen[0].author, item.statement.seen[0].seq),
        (root.into(), 2)
    );
    assert_eq!(
        segment.entries[0].header.last_day,
        crate::domain::time::Day::NEVER
    );
    drop(admin);
    assert_eq!(
        bench.admin().record().head(&segment.log.author).seq,
        segment.first
    );
}

#[test]
fn a_statement_is_later_than_everything_its_signer_has_seen() {
    let bench = Bench::new();
    let mut admin = bench.admin();
    staff(&mut admin, "Bea");
    let before = admin.record().newest();
    let earlier = WallTime(NOW.0 - 60_000);
    let segment = admin
        .set_policy(admin.clinic().policy.clone(), earlier)
        .expect("signed");
    assert!(segment.entries[0].header.time > before);
    let behind = WallTime(NOW.0 - 600_000);
    let refused = sign_error(admin.set_policy(admin.clinic().policy.clone(), behind));
    assert!(matches!(refused, SignError::OwnClockWasAhead { .. }));
    assert!(admin.record().newest() >= Hlc::at(NOW));
}

#[test]
fn an_admin_whose_clock_was_ahead_is_ended_by_the_root_and_the_clinic_goes_on() {
    let bench = Bench::new();
    let year = WallTime(NOW.0 + 365 * 24 * 3600 * 1000);
    let (admin, good) = {
        let mut admin = bench.admin();
        let good = admin.record().head(&admin.id()).seq;
        admin
            .set_policy(admin.clinic().policy.clone(), year)
            .expect("the clock says so");
        let refused = sign_error(admin.set_policy(admin.clinic().policy.clone(), NOW));
        assert_eq!(
            refused,
            SignError::OwnClockWasAhead {
                newest: year,
                now: NOW,
                good
            }
        );
        (admin.id().as_admin(), good)
    };
    let new = NewAdmin {
        name: name("ben"),
        scopes: Scopes::of(Scopes::ALL),
        not_after: year,
        mesh_keys: Vec::new(),
        web_ca: None,
    };
    let granted = bench.root().grant_admin(new, &admin_words(), CHEAP, NOW);
    granted.expect("the root's own log is not ahead");
    let open = || {
        let opened =
            Authority::open_admin(&bench.path(), &name("ben"), &admin_words(), bench.rng());
        opened.expect("opened")
    };
    let mut after = open();
    let policy = after.clinic().policy.clone();
    let refused = sign_error(after.set_policy(policy.clone(), NOW));
    assert!(
        matches!(refused, SignError::ClockBehind { .. }),
        "{refused}"
    );
    drop(after);
    let ended = bench.root().end_admin(admin, Some(good), NOW);
    ended.expect("judged by its number and not by its time");
    open()
        .set_policy(policy, NOW)
        .expect("what is void binds nobody");
}

#[test]
fn staff_are_added_changed_suspended_and_reinstated() {
    let bench = Bench::new();
    let mut admin = bench.admin();
    let bea = staff(&mut admin, "Bea");
    let facts = &admin.clinic().staff[&bea].facts;
    assert_eq!(facts.roles, [Role::Clinician, Role::FrontDesk]);
    assert_eq!(facts.homes, [name("Annex"), name("Harbour")]);
    admin.suspend_staff(bea, NOW).expect("signed");
    assert_eq!(admin.clinic().staff[&bea].status, Status::Suspended);
    admin
        .change_staff(
            bea,
            name("Bea B."),
            vec![Role::Billing],
            vec![name("Annex")],
            NOW,
        )
        .expect("signed");
    assert_eq!(admin.clinic().staff[&bea].status, Status::Suspended);
    admin.reinstate_staff(bea, NOW).expect("signed");
    let member = &admin.clinic().staff[&bea];
    assert_eq!(member.status, Status::Active);
    assert_eq!(member.facts.name, name("Bea B."));
}

#[test]
fn a_sign_in_code_is_good_for_a_day_and_the_next_one_replaces_it() {
    let bench = Bench::new();
    let mut admin = bench.admin();
    let added = admin
        .add_staff(name("Bea"), vec![], vec![], NOW)
        .expect("added");
    let (bea, first) = added.made;
    let code = |admin: &Authority| {
        admin.clinic().staff[&bea]
            .facts
            .sign_in
            .expect("handed out")
    };
    assert_eq!(code(&admin).hash, first.hash(bea));
    assert_eq!(code(&admin).expires, NOW.plus(Duration::from_secs(86_400)));
    let second = admin.reset_sign_in(bea, later(60)).expect("signed").made;
    assert_eq!(code(&admin).hash, second.hash(bea));
    assert_ne!(first, second);
}

#[test]
fn rooms_have_members_that_are_known() {
    let bench = Bench::new();
    let mut admin = bench.admin();
    let (bea, cyd) = (staff(&mut admin, "Bea"), staff(&mut admin, "Cyd"));
    let made = admin.create_room(name("rounds"), History::All, vec![cyd, bea], NOW);
    let room = made.expect("signed").made;
    admin
        .change_members(room, vec![], vec![cyd], NOW)
        .expect("signed");
    assert!(admin.clinic().rooms[&room].members.keys().eq([&bea]));
    let stranger = crate::domain::id::StaffId::new([9; 16]);
    let refusals = [
        sign_error(admin.change_members(room, vec![stranger], vec![], NOW)),
        sign_error(admin.create_room(name("other"), History::All, vec![stranger], NOW)),
        sign_error(admin.change_members(
            crate::domain::id::RoomId::new([9; 16]),
            vec![bea],
            vec![],
            NOW,
        )),
        sign_error(admin.suspend_staff(stranger, NOW)),
        sign_error(admin.change_staff(stranger, name("x"), vec![], vec![], NOW)),
        sign_error(admin.reset_sign_in(stranger, NOW)),
        sign_error(admin.revoke_device(DeviceId::new([9; 32]), vec![], NOW)),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, SignError::Unknown { .. }), "{refusal}");
    }
    let taken = [
        sign_error(admin.create_room(name("rounds"), History::All, vec![], NOW)),
        sign_error(admin.add_staff(name("Bea"), vec![], vec![], NOW)),
        sign_error(admin.change_staff(cyd, name("Bea"), vec![], vec![], NOW)),
    ];
    for refusal in taken {
        assert!(matches!(refusal, SignError::Exists { .. }), "{refusal}");
    }
}

#[test]
fn a_policy_counts_up_and_stays_within_its_bounds() {
    let bench = Bench::new();
    let mut admin = bench.admin();
    let mut policy = admin.clinic().policy.clone();
    policy.room_days = 7;
    admin.set_policy(policy.clone(), NOW).expect("signed");
    assert_eq!(
        (
            admin.clinic().policy.version,
            admin.clinic().policy.room_days
        ),
        (2, 7)
    );
    policy.version = 2;
    let refused = sign_error(admin.sign(
        Act::PolicySet {
            policy: policy.clone(),
        },
        NOW,
    ));
    assert!(matches!(
        refused,
        SignError::NotNext {
            given: 2,
            newest: 2,
            ..
        }
    ));
    policy.room_days = 0;
    assert!(matches!(
        sign_error(admin.set_policy(policy, NOW)),
        SignError::Policy(_)
    ));
}

#[test]
fn a_mesh_key_counts_up_and_only_three_are_kept() {
    let bench = Bench::new();
    let mut admin = bench.admin();
    for epoch in 2..=4 {
        let made = admin.rotate_mesh_key(NOW).expect("rotated").made;
        assert_eq!(made.epoch, epoch);
        let clinic = admin.clinic();
        assert!(clinic.mesh_keys.matches(&clinic.id, epoch, &made.key));
    }
    drop(admin);
    let mut admin = bench.admin();
    let kept: Vec<u32> = admin
        .mesh_keys()
        .iter()
        .map(|shared| shared.epoch)
        .collect();
    assert_eq!(kept, [2, 3, 4]);
    let commitment = admin.clinic().mesh_keys.get(4).expect("made").commitment;
    let refused = sign_error(admin.sign(
        Act::MeshKeyRotated {
            epoch: 6,
            commitment,
        },
        NOW,
    ));
    assert!(matches!(
        refused,
        SignError::NotNext {
            given: 6,
            newest: 4,
            ..
        }
    ));
    let mut forged = admin.mesh_keys().remove(0);
    forged.epoch = 3;
    let refused = admin.learn_mesh_key(forged, NOW);
    assert!(matches!(
        refused,
        Err(AuthorityError::OtherMeshKey { epoch: 3 })
    ));
}

#[test]
fn mesh_keys_are_planned_for_two_years_and_again_when_one_is_left() {
    let bench = Bench::new();
    let mut admin = bench.admin();
    assert!(admin.should_plan_mesh_keys(NOW));
    let planned = admin.plan_mesh_keys(NOW).expect("planned").made;
    let numbers: Vec<u32> = planned.iter().map(|shared| shared.epoch).collect();
    assert_eq!(numbers, [2, 3, 4, 5, 6, 7, 8, 9]);
    assert!(!admin.should_plan_mesh_keys(NOW));
    drop(admin);
    // All of them are on the disk, beside the one in use, and open again.
    let mut admin = bench.admin();
    assert_eq!(admin.mesh_keys().len(), 1 + PLANNED_MAX);
    let quarters = |count: u32| NOW.plus(MESH_KEY_LIFE * count);
    assert_eq!(
        admin
            .clinic()
            .mesh_keys
            .newest(quarters(1))
            .expect("begun")
            .0,
        2
    );
    assert!(!admin.should_plan_mesh_keys(quarters(4)));
    assert!(admin.should_plan_mesh_keys(quarters(5)));
    // A machine is lost: what was planned is taken back, and planned anew behind the new key.
    let changed = admin.rotate_mesh_key(quarters(1)).expect("rotated").made;
    assert_eq!(changed.epoch, 10, "no number is given twice");
    assert!(admin.should_plan_mesh_keys(quarters(1)));
    let planned = admin.plan_mesh_keys(quarters(1)).expect("planned").made;
    assert_eq!((planned[0].epoch, planned.len()), (11, PLANNED_MAX));
    let kept: Vec<u32> = admin
        .mesh_keys()
        .iter()
        .map(|shared| shared.epoch)
        .collect();
    assert_eq!(kept[..3], [1, 2, 10], "3 to 9 are nobody's");
    assert_eq!(kept.len(), 3 + PLANNED_MAX);
    let since = admin.clinic().mesh_keys.newest(quarters(2)).expect("begun");
    assert_eq!(since.0, 11);
}

#[test]
fn who_may_not_enrol_plans_no_mesh_keys() {
    let bench = Bench::new();
    let mesh_keys = bench.admin().mesh_keys();
    let new = NewAdmin {
        name: name("Ben Öz"),
        scopes: Scopes::of([Scope::Staff, Scope::Revoke]),
        not_after: later(1000),
        mesh_keys,
        web_ca: None,
    };
    let mut root = bench.root();
    root.grant_admin(new, &admin_words(), CHEAP, NOW)
        .expect("granted");
    assert!(!root.should_plan_mesh_keys(NOW));
    drop(root);
    let mut ben =
        Authority::open_admin(&bench.path(), &name("Ben Öz"), &admin_words(), bench.rng())
            .expect("opened");
    assert!(!ben.should_plan_mesh_keys(NOW));
    let refused = sign_error(ben.plan_mesh_keys(NOW));
    assert_eq!(void_reason(refused), VoidReason::WithoutRight);
}

#[test]
fn an_admin_signs_only_what_its_scopes_allow() {
    let bench = Bench::new();
    let mesh_keys = bench.admin().mesh_keys();
    let new = NewAdmin {
        name: name("Ben Öz"),
        scopes: Scopes::of([Scope::Staff]),
        not_after: later(1000),
        mesh_keys,
        web_ca: None,
    };
    bench
        .root()
        .grant_admin(new, &admin_words(), CHEAP, NOW)
        .expect("granted");
    let mut ben =
        Authority::open_admin(&bench.path(), &name("Ben Öz"), &admin_words(), bench.rng())
            .expect("opened");
    assert_eq!(ben.mesh_keys().len(), 1);
    staff(&mut ben, "Bea");
    let head = ben.record().head(&ben.id());
    let policy = ben.clinic().policy.clone();
    let refused = sign_error(ben.set_policy(policy, NOW));
    assert!(refused.to_string().contains("had no right"), "{refused}");
    assert_eq!(void_reason(refused), VoidReason::WithoutRight);
    let refused = sign_error(ben.approve(
        &Machine::new(7).request(),
        Arrival::Offline,
        Some(terms()),
        NOW,
    ));
    assert_eq!(void_reason(refused), VoidReason::WithoutRight);
    let refused = sign_error(ben.end_admin(bench.founded.admin, None, NOW));
    assert_eq!(void_reason(refused), VoidReason::WithoutRight);
    assert_eq!(ben.record().head(&ben.id()), head);
    let refused =
        sign_error(ben.suspend_staff(*ben.clinic().staff.keys().next().expect("Bea"), later(1001)));
    assert_eq!(void_reason(refused), VoidReason::GrantRunOut);
}

#[test]
fn the_root_appoints_and_removes_and_does_nothing_else() {
    let bench = Bench::new();
    let mut root = bench.root();
    let refused = sign_error(root.add_staff(name("Bea"), vec![], vec![], NOW));
    assert_eq!(void_reason(refused), VoidReason::WithoutRight);
    assert!(matches!(
        root.rotate_mesh_key(NOW),
        Err(AuthorityError::Sign(_))
    ));
    let again = Act::Founded {
        name: name("Other"),
    };
    assert!(matches!(
        root.sign(again, NOW),
        Err(AuthorityError::NoRecord)
    ));
}

#[test]
fn an_ended_admin_signs_nothing_and_what_it_signed_beyond_the_end_is_void() {
    let bench = Bench::new();
    let mut admin = bench.admin();
    let (bea, last) = (
        staff(&mut admin, "Bea"),
        admin.record().head(&admin.id()).seq,
    );
    let cyd = staff(&mut admin, "Cyd");
    drop(admin);
    let mut root = bench.root();
    let ended = bench.founded.admin;
    let beyond = sign_error(root.end_admin(ended, Some(last + 2), NOW));
    assert_eq!(
        beyond,
        SignError::BeyondTheLog {
            last: last + 2,
            head: last + 1
        }
    );
    root.end_admin(ended, Some(last), NOW).expect("signed");
    drop(root);
    let mut admin = bench.admin();
    assert!(admin.clinic().staff.contains_key(&bea));
    assert!(!admin.clinic().staff.contains_key(&cyd));
    let refused = sign_error(admin.add_staff(name("Dee"), vec![], vec![], NOW));
    assert_eq!(void_reason(refused), VoidReason::AfterTheEnd);
}

#[test]
fn a_key_made_on_the_admins_own_laptop_is_granted_by_its_id() {
    let bench = Bench::new();
    let laptop = bench.scratch.path().join("laptop");
    let ben = name("ben");
    let id = create_admin_key(
        &laptop,
        bench.founded.clinic,
        ben.clone(),
        &admin_words(),
        CHEAP,
        bench.rng(),
    )
    .expect("made");
    let mut root = bench.root();
    root.grant_admin_key(id, ben.clone(), Scopes::of([Scope::Staff]), later(9), NOW)
        .expect("granted");
    let known: Vec<Segment> = root.record().segments().cloned().collect();
    let mut admin =
        Authority::open_admin(&laptop, &ben, &admin_words(), bench.rng()).expect("opened");
    assert!(matches!(
        admin.suspend_staff(crate::domain::id::StaffId::new([1; 16]), NOW),
        Err(AuthorityError::NoRecord)
    ));
    admin.merge(known).expect("sound");
    staff(&mut admin, "Bea");
}

#[test]
fn a_key_that_was_never_granted_signs_nothing() {
    let bench = Bench::new();
    let (laptop, eve) = (bench.scratch.path().join("laptop"), name("eve"));
    create_admin_key(
        &laptop,
        bench.founded.clinic,
        eve.clone(),
        &admin_words(),
        CHEAP,
        bench.rng(),
    )
    .expect("made");
    let mut admin =
        Authority::open_admin(&laptop, &eve, &admin_words(), bench.rng()).expect("opened");
    admin
        .merge(bench.admin().record().segments().cloned())
        .expect("sound");
    let refused = sign_error(admin.add_staff(name("Bea"), vec![], vec![], NOW));
    assert_eq!(void_reason(refused), VoidReason::UnknownSigner);
}

#[test]
fn an_old_copy_of_the_directory_continues_from_the_newest_head_once_it_has_the_record() {
    let bench = Bench::new();
    let old = bench.copied("old");
    let mut admin = bench.admin();
    staff(&mut admin, "Bea");
    let newest = admin.record().head(&admin.id());
    let mut laptop = bench.admin_in(&old);
    let merged = laptop
        .merge(admin.record().segments().cloned())
        .expect("sound");
    assert_eq!(merged.added, 1);
    staff(&mut laptop, "Cyd");
    assert_eq!(laptop.record().head(&laptop.id()).seq, newest.seq + 1);
    let merged = admin
        .merge(laptop.record().segments().cloned())
        .expect("sound");
    assert!(merged.forked.is_empty());
    assert_eq!(admin.clinic().staff.len(), 2);
}

#[test]
fn an_admin_who_signed_from_an_old_copy_is_told_and_signs_nothing_more() {
    let bench = Bench::new();
    let old = bench.copied("old");
    let (mut admin, mut laptop) = (bench.admin(), bench.admin_in(&old));
    staff(&mut admin, "Bea");
    staff(&mut laptop, "Cyd");
    staff(&mut laptop, "Dee");
    let merged = admin
        .merge(laptop.record().segments().cloned())
        .expect("a fork is no error");
    assert!(merged.forked.contains(&admin.id()));
    let refused = sign_error(admin.add_staff(name("Eli"), vec![], vec![], NOW));
    assert_eq!(refused, SignError::Forked { seq: 3, good: 2 });
    assert!(
        refused.to_string().contains("have the root end it"),
        "{refused}"
    );
    drop(admin);
    let mut admin = bench.admin();
    assert!(
        admin
            .clinic()
            .staff
            .values()
            .any(|member| member.facts.name == name("Bea"))
    );
    let refused = sign_error(admin.add_staff(name("Eli"), vec![], vec![], NOW));
    assert_eq!(refused, SignError::Forked { seq: 3, good: 2 });
}

#[test]
fn a_list_that_no_node_would_read_is_not_signed() {
    let bench = Bench::new();
    let mut admin = bench.admin();
    let offices: Vec<Name> = (0..33)
        .map(|number| name(&format!("office {number}")))
        .collect();
    let refused = sign_error(admin.add_staff(name("Bea"), vec![], offices, NOW));
    assert!(matches!(refused, SignError::OutOfBounds { .. }));
    let facts = StaffFacts {
        name: name("Bea"),
        roles: vec![Role::Billing, Role::Clinician],
        homes: vec![],
        sign_in: None,
    };
    let staff = crate::domain::id::StaffId::new([1; 16]);
    let refused = sign_error(admin.sign(Act::StaffAdded { staff, facts }, NOW));
    assert!(matches!(refused, SignError::OutOfBounds { .. }));
}

#[test]
fn a_power_cut_before_the_statement_is_out_never_uses_its_number_twice() {
    let bench = Bench::new();
    let mut admin = bench.admin();
    let lost = admin
        .add_staff(name("Bea"), vec![], vec![], NOW)
        .expect("signed")
        .segment;
    drop(admin);
    let mut admin = bench.admin();
    let next = admin
        .add_staff(name("Cyd"), vec![], vec![], NOW)
        .expect("signed")
        .segment;
    assert_eq!(next.first, lost.first + 1);
    assert!(admin.record().segments().any(|segment| *segment == lost));
}

#[test]
fn keeping_less_is_proposed_where_policy_wants_two_admins_and_another_admin_approves_it() {
    let bench = Bench::new();
    let mut ana = bench.admin();
    let mut guarded = ana.clinic().policy.clone();
    guarded.two_admins = Some(TwoAdmins::ShorterRetention);
    let alone = ana
        .change_policy(guarded.clone(), NOW)
        .expect_err("refused");
    assert!(matches!(alone, AuthorityError::Sign(SignError::OneAdmin)));
    let mesh_keys = ana.mesh_keys();
    drop(ana);
    let new = NewAdmin {
        name: name("ben"),
        scopes: Scopes::of(Scopes::ALL),
        not_after: later(1000),
        mesh_keys,
        web_ca: None,
    };
    let granted = bench.root().grant_admin(new, &admin_words(), CHEAP, NOW);
    granted.expect("granted");

    let mut ana = bench.admin();
    let set = ana.change_policy(guarded.clone(), NOW).expect("one may");
    assert_eq!(set.made, Standing::InForce);
    let mut shorter = guarded.clone();
    shorter.room_days = 7;
    let alone = void_reason(sign_error(ana.set_policy(shorter.clone(), NOW)));
    assert_eq!(alone, VoidReason::NeedsSecondAdmin);
    let proposed = ana.change_policy(shorter, NOW).expect("proposed");
    let Standing::Proposed(id) = proposed.made else {
        panic!("it is in force already");
    };
    assert_eq!(ana.clinic().policy.room_days, 30);
    let own = void_reason(sign_error(ana.approve_proposal(id, NOW)));
    assert_eq!(own, VoidReason::OwnProposal);
    drop(ana);

    let open = || Authority::open_admin(&bench.path(), &name("ben"), &admin_words(), bench.rng());
    let mut ben = open().expect("opened");
    let unknown = StatementId { seq: 99, ..id };
    assert!(ben.approve_proposal(unknown, NOW).is_err());
    ben.approve_proposal(id, NOW).expect("approved");
    assert_eq!(ben.clinic().policy.room_days, 7);
    let again = ben.approve_proposal(id, NOW).expect_err("done already");
    assert!(again.to_string().contains("pending proposal"), "{again}");
}

#[test]
fn a_proposal_that_another_policy_has_overtaken_is_not_approved() {
    let bench = Bench::new();
    let mut ana = bench.admin();
    let mut policy = ana.clinic().policy.clone();
    policy.room_days = 7;
    policy.version = policy.next_version();
    let proposal = Proposal::Policy {
        policy: policy.clone(),
    };
    let segment = ana.sign(Act::Proposed { proposal }, NOW).expect("one may");
    let id = StatementId {
        author: ana.id(),
        seq: segment.first,
    };
    assert!(ana.clinic().pending.contains_key(&id));
    ana.set_policy(policy, NOW).expect("the same version");
    assert!(ana.clinic().pending.is_empty());
    assert!(ana.approve_proposal(id, NOW).is_err());
}

#[test]
fn a_new_admin_gets_only_mesh_keys_that_the_record_knows() {
    let bench = Bench::new();
    let mut forged = bench.admin().mesh_keys();
    forged[0].epoch = 9;
    let new = NewAdmin {
        name: name("ben"),
        scopes: Scopes::of(Scopes::ALL),
        not_after: later(1000),
        mesh_keys: forged,
        web_ca: None,
    };
    let refused = bench.root().grant_admin(new, &admin_words(), CHEAP, NOW);
    assert!(matches!(
        refused,
        Err(AuthorityError::OtherMeshKey { epoch: 9 })
    ));
    assert_eq!(admins(&bench.path()).expect("listed").len(), 1);
}
