//! What the policy in force does to what is written after it.

use super::*;
use crate::domain::policy::Policy;
use crate::domain::statement::Act;
use crate::domain::time::Day;

/// The rounds under another policy, which is in force at every office.
fn under(change: impl FnOnce(&mut Policy)) -> Rounds {
    let mut r = rounds();
    let mut policy = Policy::initial();
    policy.version = 2;
    change(&mut policy);
    r.mesh.clinic.say(Act::PolicySet { policy });
    r.mesh.submit("front-desk");
    r.mesh.run_for(Duration::from_secs(3));
    r
}

/// The last day of the newest entry in a space at an office.
fn newest_last_day(r: &Rounds, office: &str, space: &Space) -> Day {
    let disk = &r.mesh.offices[office].disk;
    let logs = disk.of_space(space);
    let newest = logs.filter_map(|(_, log)| Some(log.entries().next_back()?.1.header));
    let newest = newest.max_by_key(|header| header.time);
    newest.expect("something was written").last_day
}

#[test]
fn what_is_written_under_a_policy_lives_as_long_as_that_policy_says() {
    let mut r = under(|policy| {
        (policy.room_days, policy.direct_days, policy.audit_days) = (3, 5, 400);
    });
    let today = r.mesh.now("front-desk").wall.day();
    let direct = Space::Direct(r.ana.min(r.ben), r.ana.max(r.ben));
    for space in [r.rounds, direct] {
        r.mesh
            .post("front-desk", r.ana, space, "Bed 4 is free")
            .expect("posted");
    }
    r.mesh.run_for(Duration::from_secs(2));
    assert_eq!(newest_last_day(&r, "ward-2", &r.rounds), today.plus(3));
    assert_eq!(newest_last_day(&r, "ward-2", &direct), today.plus(5));
    let trail = Space::Audit(r.mesh.clinic.device("front-desk").id);
    let audit = newest_last_day(&r, "front-desk", &trail).0;
    assert!((today.0 + 400..today.0 + 430).contains(&audit));

    r.mesh.sleep(days(4));
    r.mesh.run_for(minutes(2));
    assert!(r.mesh.texts("ward-2", r.ben, r.rounds).is_empty());
    assert_eq!(r.mesh.texts("ward-2", r.ben, direct), ["Bed 4 is free"]);
    r.mesh.sleep(days(2));
    r.mesh.run_for(minutes(2));
    assert!(r.mesh.texts("ward-2", r.ben, direct).is_empty());
}

#[test]
fn a_shorter_retention_leaves_what_was_written_before_its_day() {
    let mut r = rounds();
    r.mesh
        .post("front-desk", r.ana, r.rounds, "Bed 4 is free")
        .expect("posted");
    let before = newest_last_day(&r, "front-desk", &r.rounds);
    let mut policy = Policy::initial();
    (policy.version, policy.room_days) = (2, 1);
    r.mesh.clinic.say(Act::PolicySet { policy });
    r.mesh.submit("front-desk");
    r.mesh.sleep(days(3));
    r.mesh.run_for(minutes(2));
    assert_eq!(newest_last_day(&r, "front-desk", &r.rounds), before);
    assert_eq!(r.mesh.texts("ward-2", r.ben, r.rounds), ["Bed 4 is free"]);
}
