//! What takes two admins: proposals, approvals, and the ways around them that are none.

use super::*;
use crate::domain::policy::TwoAdmins;
use crate::domain::statement::Proposal;
use crate::domain::time::Clock;

fn document(version: u32, room_days: u16) -> Policy {
    Policy {
        version,
        room_days,
        two_admins: Some(TwoAdmins::ShorterRetention),
        ..Policy::initial()
    }
}

fn set(version: u32, room_days: u16) -> Act {
    let policy = document(version, room_days);
    Act::PolicySet { policy }
}

fn propose(policy: Policy) -> Act {
    let proposal = Proposal::Policy { policy };
    Act::Proposed { proposal }
}

fn approve(clinic: &SampleClinic, id: StatementId) -> Act {
    let digest = clinic.record().pending[&id].digest(&clinic.id, id);
    Act::Approved {
        proposal: id,
        digest,
    }
}

fn room_days(clinic: &SampleClinic) -> u16 {
    clinic.record().policy.room_days
}

/// Robin and Sam, and the rule that keeping less than 30 days takes both.
fn guarded() -> SampleClinic {
    let mut clinic = with_sam(clinic());
    clinic.say(set(2, 30));
    clinic
}

#[test]
fn keeping_less_takes_effect_with_the_second_admins_approval_and_not_before() {
    let mut clinic = guarded();
    let alone = clinic.say(set(3, 7));
    assert_eq!(void(&clinic, alone), Some(VoidReason::NeedsSecondAdmin));
    let proposed = clinic.say(propose(document(3, 7)));
    assert_eq!((room_days(&clinic), void(&clinic, proposed)), (30, None));
    assert_eq!(
        clinic.record().pending.keys().collect::<Vec<_>>(),
        [&proposed]
    );
    let approved = clinic.say_as("Sam", approve(&clinic, proposed));
    assert_eq!((room_days(&clinic), void(&clinic, approved)), (7, None));
    assert!(clinic.record().pending.is_empty());
}

#[test]
fn one_admin_alone_may_keep_more_and_may_not_give_the_rule_up() {
    let mut clinic = guarded();
    let more = clinic.say(set(3, 365));
    assert_eq!((void(&clinic, more), room_days(&clinic)), (None, 365));
    let given_up = clinic.say_as("Sam", policy(4, 365));
    assert_eq!(void(&clinic, given_up), Some(VoidReason::NeedsSecondAdmin));
    let mut without = document(4, 365);
    without.two_admins = None;
    let proposed = clinic.say_as("Sam", propose(without));
    let together = clinic.say(approve(&clinic, proposed));
    assert_eq!(void(&clinic, together), None);
    let alone = clinic.say(policy(5, 7));
    assert_eq!((void(&clinic, alone), room_days(&clinic)), (None, 7));
}

#[test]
fn nobody_approves_their_own_proposal_or_one_that_they_have_not_seen() {
    let mut clinic = guarded();
    let proposed = clinic.say(propose(document(3, 7)));
    let approval = approve(&clinic, proposed);
    let own = clinic.say(approval.clone());
    let blind = clinic.say_blind("Sam", approval);
    assert_eq!(void(&clinic, own), Some(VoidReason::OwnProposal));
    assert_eq!(void(&clinic, blind), Some(VoidReason::DoesNotFit));
    assert_eq!(room_days(&clinic), 30);
}

#[test]
fn an_approval_of_other_words_under_the_same_number_does_not_count() {
    let mut clinic = guarded();
    let proposed = clinic.say(propose(document(3, 7)));
    let policy = document(3, 1);
    let digest = Proposal::Policy { policy }.digest(&clinic.id, proposed);
    let proposal = proposed;
    let approved = clinic.say_as("Sam", Act::Approved { proposal, digest });
    assert_eq!(void(&clinic, approved), Some(VoidReason::DoesNotFit));
    assert_eq!(room_days(&clinic), 30);
}

#[test]
fn an_admin_without_the_scope_can_neither_propose_nor_approve() {
    let mut clinic = guarded();
    clinic.admin("Kim", Scopes::of([Scope::Staff, Scope::Enrol]));
    let theirs = clinic.say_as("Kim", propose(document(3, 7)));
    let ours = clinic.say(propose(document(3, 7)));
    let approved = clinic.say_as("Kim", approve(&clinic, ours));
    for id in [theirs, approved] {
        assert_eq!(void(&clinic, id), Some(VoidReason::WithoutRight));
    }
    assert_eq!(room_days(&clinic), 30);
}

#[test]
fn what_a_removed_admin_approved_or_proposed_after_their_end_is_undone() {
    for ended in ["Sam", ADMIN] {
        let mut clinic = guarded();
        clinic.say_as("Sam", add("Ana"));
        let before = |who: &str| {
            let author = clinic.admins[who].id().into();
            let of_it = clinic
                .items()
                .iter()
                .filter(|item| item.id.author == author);
            of_it.map(|item| item.id.seq).max().unwrap_or(0)
        };
        let last = before(ended);
        let proposed = clinic.say(propose(document(3, 7)));
        let approved = clinic.say_as("Sam", approve(&clinic, proposed));
        assert_eq!(room_days(&clinic), 7);
        end(&mut clinic, ended, last);
        assert_eq!(room_days(&clinic), 30, "{ended} was removed");
        assert!(void(&clinic, approved).is_some());
    }
}

#[test]
fn of_two_approvals_the_first_counts_and_a_third_admin_changes_nothing() {
    let mut clinic = guarded();
    clinic.admin("Kim", Scopes::of(Scopes::ALL));
    let proposed = clinic.say(propose(document(3, 7)));
    let approval = approve(&clinic, proposed);
    clinic.say_as("Sam", approval.clone());
    clinic.say(set(4, 30));
    let again = clinic.say_as("Kim", approval);
    assert_eq!(void(&clinic, again), Some(VoidReason::DoesNotFit));
    assert_eq!(room_days(&clinic), 30);
}

#[test]
fn a_proposal_that_the_policy_has_overtaken_is_pending_no_more() {
    let mut clinic = guarded();
    let proposed = clinic.say(propose(document(3, 7)));
    clinic.say_as("Sam", set(3, 365));
    assert!(!clinic.record().pending.contains_key(&proposed));
}

/// A policy that Sam signs after the rule is in force, dated before it.
fn backdated(clinic: &mut SampleClinic, policy: Policy) -> StatementId {
    let id = clinic.say_blind("Sam", Act::PolicySet { policy });
    let mut items = clinic.items().to_vec();
    let item = items.iter_mut().find(|item| item.id == id).expect("said");
    item.time = Clock::resume(Hlc::at(NOON.minus(days(1)))).tick(NOON.minus(days(1)));
    let record = Clinic::fold(clinic.id, &items);
    assert_eq!(record.void.get(&id), Some(&VoidReason::NeedsSecondAdmin));
    assert_eq!(record.policy.room_days, 30);
    assert!(record.policy.two_admins.is_some());
    id
}

#[test]
fn a_statement_that_is_dated_back_does_not_get_around_the_rule() {
    let leap = u32::MAX - 1;
    let mut without = document(leap, 30);
    without.two_admins = None;
    for policy in [document(leap, 7), without, document(leap, 29)] {
        backdated(&mut guarded(), policy);
    }
    // Nor one that keeps as much as the rule began with, where more is kept by now.
    let mut clinic = with_sam(clinic());
    clinic.say(set(2, 10));
    clinic.say(set(3, 30));
    backdated(&mut clinic, document(leap, 10));
}

#[test]
fn what_was_set_before_the_rule_goes_on_counting_in_history() {
    let mut clinic = with_sam(clinic());
    let short = clinic.say(policy(2, 7));
    clinic.say(set(3, 30));
    clinic.say_as("Sam", set(4, 40));
    assert_eq!(void(&clinic, short), None);
}

#[test]
fn the_order_in_which_statements_arrive_does_not_matter() {
    let mut clinic = guarded();
    let proposed = clinic.say(propose(document(3, 7)));
    clinic.say_blind("Sam", policy(9, 1));
    clinic.say_as("Sam", approve(&clinic, proposed));
    clinic.say(set(4, 6));
    let record = clinic.record();
    let mut items = clinic.items().to_vec();
    for _ in 0..items.len() {
        items.rotate_left(1);
        assert_eq!(Clinic::fold(clinic.id, &items), record);
        let backwards: Vec<Item> = items.iter().rev().cloned().collect();
        assert_eq!(Clinic::fold(clinic.id, &backwards), record);
    }
}
