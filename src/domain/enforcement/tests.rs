use super::*;
use crate::domain::cert::{Scope, Scopes};
use crate::domain::testing::{ADMIN, NOON, SampleClinic, days, minutes};

/// A node that has said nothing and is away.
fn silent(clinic: &SampleClinic, office: &str) -> Node {
    Node {
        device: clinic.device(office).id,
        connected: false,
        holds: BTreeMap::new(),
        sighting: Sighting::default(),
    }
}

/// A node that holds everything.
fn level(clinic: &SampleClinic, office: &str) -> Node {
    let mut node = silent(clinic, office);
    for item in clinic.items() {
        let seq = node.holds.entry(item.id.author).or_default();
        *seq = item.id.seq.max(*seq);
    }
    node
}

fn only(clinic: &SampleClinic, nodes: &[Node], now: WallTime) -> Report {
    let reports = reports(&clinic.record(), clinic.items(), nodes, now);
    let [report] = &reports[..] else {
        panic!("not one revocation: {reports:?}");
    };
    report.clone()
}

#[test]
fn a_node_enforces_what_it_has_said_it_holds_and_nothing_before() {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2", "lab"]);
    let before = level(&clinic, "ward-2");
    clinic.revoke("lab");
    let mut after = level(&clinic, "front-desk");
    let statement = clinic.items().last().expect("there are some").id;
    after.sighting.hear_of(statement, NOON.plus(days(1)));
    let report = only(&clinic, &[after, before, level(&clinic, "lab")], NOON);
    let [front, ward] = report.places[..] else {
        panic!("the revoked device is no place: {report:?}");
    };
    let heard = Some(NOON.plus(days(1)));
    assert_eq!(front.standing, Standing::Enforced { heard });
    assert_eq!(front.until, None);
    assert_eq!(ward.standing, Standing::Offline { since: None });
    assert!(!report.is_enforced_everywhere());
}

#[test]
fn a_device_could_act_where_nobody_knows_until_its_certificate_ends() {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2", "lab"]);
    clinic.revoke("lab");
    let report = only(&clinic, &[silent(&clinic, "ward-2")], NOON);
    let end = NOON.plus(days(30)).plus(SKEW);
    assert_eq!(report.places[0].until, Some(Until::At(end)));
}

#[test]
fn one_node_that_renews_and_does_not_know_makes_it_longer_and_two_make_it_endless() {
    let mut clinic = SampleClinic::of(["lab"]);
    clinic.enrol_renewer("front-desk");
    clinic.enrol_renewer("ward-2");
    clinic.revoke("lab");
    let (front, ward) = (silent(&clinic, "front-desk"), silent(&clinic, "ward-2"));
    let report = only(&clinic, &[front.clone(), level(&clinic, "ward-2")], NOON);
    let end = NOON.plus(days(60)).plus(SKEW);
    assert_eq!(report.places[0].until, Some(Until::At(end)));
    let report = only(&clinic, &[front, ward], NOON);
    assert_eq!(report.places[0].until, Some(Until::Told));
}

#[test]
fn a_revoked_device_that_may_renew_and_another_keep_each_other_going() {
    let mut clinic = SampleClinic::of([]);
    clinic.enrol_renewer("front-desk");
    clinic.enrol_renewer("lab");
    clinic.revoke("lab");
    let report = only(&clinic, &[silent(&clinic, "front-desk")], NOON);
    assert_eq!(report.places[0].until, Some(Until::Told));
}

#[test]
fn whoever_is_suspended_could_sign_in_where_nobody_knows_and_that_office_is_certified_no_longer_than_its_own_end()
 {
    let mut clinic = SampleClinic::of(["front-desk"]);
    clinic.enrol_renewer("ward-2");
    clinic.enrol_renewer("lab");
    let ana = clinic.staff("Ana", ["ward-2"]);
    clinic.say(Act::StaffSuspended { staff: ana });
    let place = |nodes: &[Node]| only(&clinic, nodes, NOON).places[0];
    let alone = [silent(&clinic, "ward-2"), level(&clinic, "lab")];
    let end = Until::At(NOON.plus(days(30)).plus(SKEW));
    assert_eq!(place(&alone).until, Some(Until::Told));
    assert_eq!(place(&alone).certified, Some(end));
    // Two that have not heard and may renew go on renewing each other.
    let two = [silent(&clinic, "ward-2"), silent(&clinic, "lab")];
    assert_eq!(place(&two).certified, Some(Until::Told));
    // One renews another for as long as its own certificate holds.
    let led = [silent(&clinic, "front-desk"), silent(&clinic, "lab")];
    let end = Until::At(NOON.plus(days(60)).plus(SKEW));
    assert_eq!(place(&led).certified, Some(end));
    let known = [level(&clinic, "ward-2")];
    assert_eq!(place(&known).certified, None);
}

#[test]
fn an_ended_admin_counts_where_nobody_knows_until_the_grant_ends_and_that_office_has_an_end_of_its_own()
 {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2"]);
    let robin = clinic.admins[ADMIN].id();
    clinic.say_root(Act::AdminEnded {
        admin: robin,
        last: 1_000,
    });
    let report = only(&clinic, &[silent(&clinic, "ward-2")], NOON);
    assert_eq!(report.revoked.target, Target::Admin(robin));
    let grant = clinic.record().admins[&robin].grant.not_after;
    assert_eq!(report.places[0].until, Some(Until::At(grant)));
    let end = Until::At(NOON.plus(days(30)).plus(SKEW));
    assert_eq!(report.places[0].certified, Some(end));
}

#[test]
fn what_is_enforced_everywhere_is_shown_for_a_week_and_what_is_not_as_long_as_it_matters() {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2", "lab"]);
    clinic.revoke("lab");
    let record = clinic.record();
    let shown = |node: Node, day| {
        let now = NOON.plus(days(day));
        !reports(&record, clinic.items(), &[node], now).is_empty()
    };
    assert!(shown(level(&clinic, "ward-2"), 7));
    assert!(!shown(level(&clinic, "ward-2"), 8));
    assert!(shown(silent(&clinic, "ward-2"), 29));
    assert!(!shown(silent(&clinic, "ward-2"), 31));
}

#[test]
fn whoever_was_enrolled_later_had_it_from_the_start() {
    let mut clinic = SampleClinic::of(["lab"]);
    let statement = clinic.revoke("lab");
    // So soon after that its certificate begins before: an authority dates it five minutes back.
    clinic.now = NOON.plus(minutes(2));
    clinic.enrol_as("ward-2", |certificate| {
        certificate.not_before = certificate.not_before.minus(SKEW);
        certificate.not_after = certificate.not_after.minus(SKEW);
    });
    let mut ward = level(&clinic, "ward-2");
    ward.sighting.hear_of(statement, clinic.now);
    let report = only(&clinic, &[ward], clinic.now);
    let standing = Standing::Enforced { heard: None };
    assert_eq!(report.places[0].standing, standing);
}

#[test]
fn a_suspension_is_shown_while_it_lasts_and_ends_nowhere_by_itself() {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2"]);
    let ana = clinic.staff("Ana", ["ward-2"]);
    clinic.say(Act::StaffSuspended { staff: ana });
    let suspension = clinic.items().last().expect("said").id;
    let report = only(&clinic, &[silent(&clinic, "ward-2")], NOON.plus(days(400)));
    assert_eq!(report.revoked.target, Target::Staff(ana));
    assert_eq!(report.places[0].until, Some(Until::Told));
    let facts = clinic.record().staff[&ana].facts.clone();
    clinic.say(Act::StaffChanged {
        staff: ana,
        facts,
        lifts: vec![suspension],
    });
    let none = reports(&clinic.record(), clinic.items(), &[], NOON);
    assert_eq!(none, []);
}

#[test]
fn a_changed_root_key_is_out_where_enough_admins_words_and_the_old_ones_are_held() {
    let mut clinic = SampleClinic::of(["front-desk", "ward-2"]);
    for who in ["Sam", "Kim"] {
        clinic.admin(who, Scopes::of([Scope::Staff]));
    }
    let before = level(&clinic, "ward-2");
    let last = clinic.root_head();
    let old = clinic.root.id();
    let (rotation, new) = clinic.rotation("second", last);
    let words: Vec<StatementId> = [ADMIN, ADMIN, "Sam", "Kim"]
        .map(|who| {
            clinic.now = clinic.now.plus(minutes(1));
            clinic.say_rotated(who, &rotation)
        })
        .into();
    clinic.root = new;
    let reports = |nodes: &[Node], now| reports(&clinic.record(), clinic.items(), nodes, now);
    let with = |words: &[StatementId]| {
        let mut node = before.clone();
        for (minute, word) in words.iter().enumerate() {
            node.holds.insert(word.author, word.seq);
            let minutes = minutes(u64::try_from(minute).expect("few"));
            node.sighting.hear_of(*word, clinic.now.plus(minutes));
        }
        node
    };
    let stands = |node: Node| {
        let found = &reports(&[node], NOON)[0];
        assert_eq!(found.revoked.target, Target::Root(old.as_admin()));
        assert_eq!(found.revoked.at, NOON.plus(minutes(3)), "two of three");
        found.places[0]
    };
    let one_twice = stands(with(&words[..2]));
    assert_eq!(one_twice.standing, Standing::Offline { since: None });
    assert_eq!(one_twice.until, Some(Until::Told));
    let two = stands(with(&[words[0], words[2]]));
    let heard = Some(clinic.now.plus(minutes(1)));
    assert_eq!(two.standing, Standing::Enforced { heard });
    let mut behind = with(&words);
    behind.holds.insert(old, last - 1);
    assert_eq!(
        stands(behind).standing,
        Standing::Offline { since: None },
        "who was in office is not known there"
    );
    // Years later it is shown where somebody has not heard, and nowhere else.
    let later = NOON.plus(days(800));
    assert_eq!(reports(&[with(&words)], later), []);
    assert_eq!(reports(std::slice::from_ref(&before), later).len(), 1);
}
