//! Certificates that end, and those who see to it that they do not.

use std::sync::Arc;

use super::*;
use crate::domain::audit::{Actor, Deed};
use crate::domain::id::{ClinicId, Serial};
use crate::domain::log::{Entry, Epoch, Head, Log, Payload, Segment};
use crate::domain::record::Clinic;
use crate::domain::renewal;
use crate::domain::sign::{Label, SigningKey};
use crate::domain::statement::{Act, LogEnd};
use crate::domain::testing::NOON;
use crate::domain::time::{Clock, Day, Hlc, WallTime};
use crate::domain::trust::{Credentials, Reach, Refusal};
use crate::node::engine::Reply;
use crate::node::engine::holdings::RENEWALS_MAX;
use crate::node::engine::renewal::may_explain;

/// Three offices whose nodes may renew each other; Ana is at the front desk, Ben on ward 2.
pub(super) fn renewers() -> (Mesh, StaffId, Space) {
    let mut clinic = SampleClinic::of([]);
    for office in ["front-desk", "ward-2", "pharmacy"] {
        clinic.enrol_renewer(office);
    }
    let ana = clinic.staff("Ana", ["front-desk", "pharmacy"]);
    let ben = clinic.staff("Ben", ["ward-2"]);
    let rounds = clinic.room("rounds", [ana, ben]);
    let mut mesh = Mesh::of(clinic);
    mesh.times_count = true;
    (mesh, ana, rounds)
}

fn record<'m>(mesh: &'m Mesh, office: &str) -> &'m Clinic {
    mesh.offices[office].engine.clinic()
}

/// When a device's certificate ends, as an office has it.
fn until(mesh: &Mesh, at: &str, office: &str) -> WallTime {
    let device = mesh.clinic.device(office).id;
    record(mesh, at).devices[&device].certificate.not_after
}

/// So many days pass; every node runs for a while on each of them.
pub(super) fn live(mesh: &mut Mesh, count: u64) {
    for _ in 0..count {
        mesh.sleep(days(1));
        mesh.run_for(Duration::from_secs(15));
    }
}

#[test]
fn nodes_renew_each_other_without_anybody_doing_anything() {
    let (mut mesh, ..) = renewers();
    mesh.sleep(days(20));
    mesh.run_for(minutes(2));
    for at in ["front-desk", "ward-2", "pharmacy"] {
        for office in ["front-desk", "ward-2", "pharmacy"] {
            assert!(
                until(&mesh, at, office) > NOON.plus(days(50)),
                "{office} at {at}"
            );
        }
        let shown = mesh.shown(at).certificate.not_after;
        assert_eq!(
            shown,
            until(&mesh, at, at),
            "{at} shows what the record lists"
        );
        assert!(
            record(&mesh, at).not_renewed.is_empty(),
            "and nobody signed in vain"
        );
    }
}

#[test]
fn nobody_is_renewed_before_two_thirds_of_its_life() {
    let (mut mesh, ..) = renewers();
    mesh.sleep(days(19));
    mesh.run_for(minutes(2));
    assert_eq!(until(&mesh, "front-desk", "ward-2"), NOON.plus(days(30)));
}

#[test]
fn a_device_that_nobody_hears_of_is_left_to_expire() {
    let (mut mesh, ..) = renewers();
    mesh.cut("pharmacy");
    live(&mut mesh, 40);
    assert_eq!(until(&mesh, "front-desk", "pharmacy"), NOON.plus(days(30)));
    assert!(until(&mesh, "front-desk", "ward-2") > NOON.plus(days(50)));
    assert_eq!(mesh.judge("front-desk", "pharmacy"), Err(Refusal::Expired));
}

#[test]
fn a_node_that_was_away_learns_of_renewals_from_those_who_show_them() {
    let (mut mesh, ana, rounds) = renewers();
    mesh.cut("pharmacy");
    live(&mut mesh, 22);
    mesh.post("front-desk", ana, rounds, "Bed 4 is free")
        .expect("posted");
    assert_eq!(mesh.judge("pharmacy", "front-desk"), Ok(Reach::Unlisted));

    mesh.heal("pharmacy");
    mesh.run_for(minutes(2));
    assert_eq!(mesh.judge("pharmacy", "front-desk"), Ok(Reach::All));
    assert_eq!(mesh.texts("pharmacy", ana, rounds), ["Bed 4 is free"]);
    assert!(
        until(&mesh, "ward-2", "pharmacy") > NOON.plus(days(50)),
        "and is renewed itself"
    );
}

/// After forty days the pharmacy, long expired, makes itself a certificate with a key of its own and is
/// connected again.
pub(super) fn pharmacy_renews_itself(mesh: &mut Mesh) {
    mesh.cut("pharmacy");
    mesh.sleep(days(40));
    let pharmacy = mesh.clinic.device("pharmacy");
    let stranger = SigningKey::from_seed(&[66; 32]);
    let now = NOON.plus(days(40));
    let forged = renewal::sign(
        &pharmacy.certificate,
        now,
        pharmacy.certificate.serial,
        &mesh.clinic.id,
        &stranger,
    );
    let grant = pharmacy.grant.clone();
    let office = mesh.offices.get_mut("pharmacy").expect("it runs");
    office.shown = Some(Credentials {
        certificate: forged.certificate,
        grant,
        chain: None,
    });
    mesh.times_count = false;
    mesh.gifts.clear();
    mesh.heal("pharmacy");
}

#[test]
fn whoever_is_no_peer_puts_off_no_end_of_a_day() {
    let (mut mesh, ..) = renewers();
    mesh.cut("ward-2");
    let pharmacy = mesh.clinic.device("pharmacy").id;
    let accepted = |mesh: &Mesh| {
        mesh.recorded("front-desk", |record| {
            record.actor == Actor::Device(pharmacy) && record.deed == Deed::PeerAccepted
        })
    };
    let before = accepted(&mesh);
    pharmacy_renews_itself(&mut mesh);
    let expired = mesh.now("front-desk").wall;
    for _ in 0..30 {
        mesh.time += minutes(60);
        mesh.run_for(Duration::from_secs(3));
        assert_eq!(mesh.peers_of("front-desk"), ["pharmacy"]);
    }
    assert_eq!(accepted(&mesh), before, "it takes no part");
    let ticket = mesh.ask("front-desk", Command::Status);
    let Some(Reply::Status(status)) = mesh.answer("front-desk", ticket) else {
        panic!("no status");
    };
    let heard = status.last_heard.get(&pharmacy);
    assert!(
        heard.is_none_or(|heard| *heard < expired),
        "nor is it heard"
    );
    assert_eq!(mesh.judge("front-desk", "pharmacy"), Ok(Reach::Unlisted));
    let today = mesh.now("front-desk").wall.day();
    assert_eq!(mesh.offices["front-desk"].disk.horizon, today);
}

#[test]
fn whoever_shows_a_renewal_that_the_record_does_not_list_is_given_nothing() {
    let (mut mesh, ana, rounds) = renewers();
    pharmacy_renews_itself(&mut mesh);
    mesh.run_for(minutes(1));
    mesh.post("front-desk", ana, rounds, "Bed 4 is free")
        .expect("posted");
    mesh.whisper(
        "pharmacy",
        "front-desk",
        &crate::wire::Frame::WantMeshKey { epoch: 1 },
    );
    let here = crate::wire::Frame::Here { staff: ana };
    mesh.whisper("pharmacy", "front-desk", &here);
    mesh.run_for(Duration::from_secs(30));
    assert_eq!(mesh.judge("front-desk", "pharmacy"), Ok(Reach::Unlisted));
    assert_eq!(
        mesh.gifts.get(&("front-desk".into(), "pharmacy".into())),
        None
    );
}

#[test]
fn a_device_that_has_expired_is_renewed_when_it_asks_and_works_again() {
    let (mut mesh, ana, rounds) = renewers();
    mesh.cut("pharmacy");
    live(&mut mesh, 60);
    let device = mesh.clinic.device("pharmacy").id;
    let ticket = mesh.ask("ward-2", Command::Renew { device });
    let Some(Reply::Renewed(signed)) = mesh.answer("ward-2", ticket).cloned() else {
        panic!("it is not renewed");
    };
    let grant = mesh.clinic.device("pharmacy").grant.clone();
    let office = mesh.offices.get_mut("pharmacy").expect("it runs");
    office.shown = Some(Credentials {
        certificate: *signed,
        grant,
        chain: None,
    });
    mesh.heal("pharmacy");
    mesh.run_for(minutes(2));
    mesh.post("front-desk", ana, rounds, "Bed 4 is free")
        .expect("posted");
    mesh.run_for(Duration::from_secs(5));
    assert_eq!(mesh.texts("pharmacy", ana, rounds), ["Bed 4 is free"]);
}

#[test]
fn whoever_asks_before_it_is_due_is_given_what_it_has() {
    let (mut mesh, ..) = renewers();
    let device = mesh.clinic.device("pharmacy").id;
    let ticket = mesh.ask("ward-2", Command::Renew { device });
    let signed = mesh.clinic.device("pharmacy").signed.clone();
    let reply = mesh.answer("ward-2", ticket);
    assert!(
        matches!(reply, Some(Reply::Renewed(given)) if **given == signed),
        "{reply:?}"
    );
}

#[test]
fn whoever_is_revoked_is_refused_when_it_asks() {
    let (mut mesh, ..) = renewers();
    mesh.cut("pharmacy");
    live(&mut mesh, 40);
    mesh.clinic.now = NOON.plus(days(40));
    mesh.clinic.revoke("pharmacy");
    mesh.clinic.now = NOON;
    mesh.submit("ward-2");
    let device = mesh.clinic.device("pharmacy").id;
    let ticket = mesh.ask("ward-2", Command::Renew { device });
    let why = CommandRefusal::NotRenewed(renewal::NotRenewed::Revoked);
    let reply = mesh.answer("ward-2", ticket);
    assert!(
        matches!(reply, Some(Reply::Refused(w)) if *w == why),
        "{reply:?}"
    );
}

#[test]
fn a_restarted_node_knows_the_renewals_it_had() {
    let (mut mesh, ..) = renewers();
    mesh.sleep(days(20));
    mesh.run_for(minutes(2));
    let before = until(&mesh, "ward-2", "ward-2");
    let disk = mesh.crash("ward-2");
    mesh.start("ward-2", disk, 0);
    assert_eq!(until(&mesh, "ward-2", "ward-2"), before);
    assert_eq!(mesh.shown("ward-2").certificate.not_after, before);
}

/// What a dishonest node puts into its log of renewals.
struct Written {
    by: &'static str,
    renewal: renewal::Renewal,
    last_day: Day,
}

/// Ward-2's renewal of the pharmacy as an honest node would write it, on the day it is due.
fn honest(mesh: &Mesh, by: &'static str) -> Written {
    let pharmacy = &mesh.clinic.device("pharmacy").certificate;
    let key = &mesh.clinic.device(by).key;
    let serial = Serial::new([5; 16]);
    let now = mesh.now("front-desk").wall;
    Written {
        by,
        renewal: renewal::sign(pharmacy, now, serial, &mesh.clinic.id, key),
        last_day: Day::NEVER,
    }
}

/// One entry, signed now.
fn signed(mesh: &Mesh, key: &SigningKey, log: Log, head: Head, said: (Vec<u8>, Day)) -> Segment {
    let (body, last_day) = said;
    let time = Clock::resume(Hlc(0)).tick(mesh.now("front-desk").wall);
    let entry = Entry::new(
        time,
        last_day,
        Payload {
            salt: [1; 16],
            body,
        },
    );
    Segment::sign(&mesh.clinic.id, key, log, head, vec![entry]).0
}

/// The front desk hears it from whoever wrote it; says whether it is kept there, and whether the pharmacy
/// is renewed by it.
fn heard(change: impl FnOnce(&mut Written)) -> (bool, bool) {
    let mut clinic = SampleClinic::of(["lab"]);
    for office in ["front-desk", "ward-2", "pharmacy"] {
        clinic.enrol_renewer(office);
    }
    let mut mesh = Mesh::of(clinic);
    // Away, so that no honest node renews it first.
    mesh.cut("pharmacy");
    mesh.sleep(days(20));
    mesh.run_for(minutes(1));
    let mut written = honest(&mesh, "ward-2");
    change(&mut written);
    let device = mesh.clinic.device(written.by);
    let log = Log {
        space: Space::Record,
        author: device.key.id(),
        epoch: Epoch(99),
    };
    let time = Clock::resume(Hlc(0)).tick(mesh.now("front-desk").wall);
    let body = written.renewal.to_body();
    let entry = Entry::new(
        time,
        written.last_day,
        Payload {
            salt: [1; 16],
            body,
        },
    );
    let key = &device.key;
    let (segment, _) = Segment::sign(&mesh.clinic.id, key, log, Head::EMPTY, vec![entry]);
    let entries = crate::wire::Frame::Entries(Arc::new(segment));
    mesh.whisper(written.by, "front-desk", &entries);
    let kept = mesh.offices["front-desk"].engine.holdings.head(&log).seq > 0;
    let believed = until(&mesh, "front-desk", "pharmacy") > NOON.plus(days(30));
    (kept, believed)
}

#[test]
fn a_renewal_that_would_keep_its_device_out_or_vanish_is_not_taken() {
    assert_eq!(heard(|_| {}), (true, true), "the honest one");
    let unopened = heard(|written| {
        let other = written.renewal.to_body();
        let key = SigningKey::from_seed(&[66; 32]);
        let clinic = ClinicId::new([1; 32]);
        written.renewal.certificate.signature = key.sign(Label::Renewal, &clinic, &other);
    });
    assert_eq!(unopened, (false, false), "nobody would let its device in");
    let vanishing = heard(|written| written.last_day = Day(30_000));
    assert_eq!(vanishing, (false, false), "gone for whoever starts later");
}

#[test]
fn who_may_not_renew_writes_nothing_into_the_record() {
    assert_eq!(heard(|written| written.by = "lab"), (false, false));
}

#[test]
fn whoever_writes_renewals_without_end_is_cut_off() {
    let (mut mesh, ..) = renewers();
    let ward = mesh.clinic.device("ward-2").key.clone();
    let log = Log {
        space: Space::Record,
        author: ward.id(),
        epoch: Epoch(99),
    };
    let mut follows = |seq| {
        let hash = crate::domain::id::Hash::ZERO;
        let said = (vec![0], Day::NEVER);
        let segment = signed(&mesh, &ward, log, Head { seq, hash }, said);
        let entries = crate::wire::Frame::Entries(Arc::new(segment));
        mesh.whisper("ward-2", "front-desk", &entries);
        mesh.peers_of("front-desk").contains(&"ward-2".to_owned())
    };
    assert!(follows(RENEWALS_MAX - 1), "the last that may be; a gap");
    assert!(!follows(RENEWALS_MAX));
}

/// The front desk took one renewal more from a node than is said to count. It is asked for by nobody who holds
/// what counts, and nobody must wait for it.
#[test]
fn a_renewal_beyond_the_end_of_its_log_keeps_nothing_waiting() {
    let (mut mesh, ana, rounds) = renewers();
    let log = Log {
        space: Space::Record,
        author: mesh.clinic.device("pharmacy").key.id(),
        epoch: Epoch(99),
    };
    let mut head = Head::EMPTY;
    for away in [false, true] {
        if away {
            mesh.cut("ward-2");
        }
        let key = &mesh.clinic.device("pharmacy").key;
        let said = honest(&mesh, "pharmacy").renewal.to_body();
        let segment = signed(&mesh, key, log, head, (said, Day::NEVER));
        head = segment.end(&mesh.clinic.id);
        let entries = crate::wire::Frame::Entries(Arc::new(segment));
        mesh.whisper("pharmacy", "front-desk", &entries);
    }
    let held = |mesh: &Mesh, office: &str| mesh.offices[office].engine.holdings.head(&log).seq;
    assert_eq!((held(&mesh, "front-desk"), held(&mesh, "ward-2")), (2, 1));
    mesh.post("front-desk", ana, rounds, "Bed 4 is free")
        .expect("posted");
    mesh.cut("pharmacy");
    let (space, epoch) = (log.space, log.epoch);
    let end = LogEnd {
        space,
        epoch,
        seq: 1,
    };
    let revocation = mesh.clinic.revocation("pharmacy", vec![end]);
    mesh.clinic.say(Act::DeviceRevoked { revocation });
    mesh.submit("ward-2");

    mesh.heal("ward-2");
    mesh.run_for(minutes(3));
    let ben = StaffId::new(crate::domain::testing::seed16("staff", "Ben"));
    assert_eq!(mesh.texts("ward-2", ben, rounds), ["Bed 4 is free"]);
}

#[test]
fn who_shows_an_unlisted_renewal_explains_nothing_by_what_it_signed_itself() {
    let (mesh, ..) = renewers();
    let log = |office: &str| Log {
        space: Space::Record,
        author: mesh.clinic.device(office).key.id(),
        epoch: Epoch(99),
    };
    let explains = |office: &str| {
        let key = mesh.clinic.device(office).key.clone();
        let said = (vec![0], Day::NEVER);
        let segment = signed(&mesh, &key, log(office), Head::EMPTY, said);
        let frame = crate::wire::Frame::Entries(Arc::new(segment));
        may_explain(&frame, &mesh.clinic.device("pharmacy").id)
    };
    assert!(explains("ward-2"));
    assert!(!explains("pharmacy"));
}

#[test]
fn a_certificate_that_nobody_would_open_is_not_shown_in_the_place_of_one_that_they_do() {
    let (mut mesh, ..) = renewers();
    mesh.run_for(minutes(1));
    let before = mesh.shown("ward-2").certificate.serial;
    // An admin certifies the node anew, and something is wrong with the signature inside.
    let mut certificate = mesh.clinic.device("ward-2").certificate.clone();
    certificate.serial = Serial::new([5; 16]);
    certificate.not_before = certificate.not_before.plus(minutes(1));
    let mut bad = mesh
        .clinic
        .certify(crate::domain::testing::ADMIN, &certificate);
    bad.signature = mesh.clinic.device("pharmacy").signed.signature;
    mesh.clinic
        .say(crate::domain::statement::Act::DeviceEnrolled {
            certificate: bad,
            invitation: None,
            address: None,
        });
    mesh.submit("front-desk");
    mesh.run_for(minutes(1));
    assert_eq!(mesh.shown("ward-2").certificate.serial, before);
}

#[test]
fn a_statement_that_is_to_be_destroyed_one_day_is_not_taken_from_an_admin_either() {
    let (mut mesh, ..) = renewers();
    let last = mesh.clinic.segments.last().expect("some").clone();
    let head = Head {
        seq: last.first - 1,
        hash: last.previous,
    };
    let key = mesh.clinic.admins[crate::domain::testing::ADMIN]
        .key
        .clone();
    assert_eq!(last.log.author, key.id(), "the admin's");
    let body = last.entries[0].payload.clone().expect("whole").body;
    let vanishing = signed(&mesh, &key, last.log, head, (body, Day(30_000)));
    let ticket = mesh.ask(
        "front-desk",
        Command::Submit {
            segments: vec![vanishing],
            mesh_keys: Vec::new(),
        },
    );
    let reply = mesh.answer("front-desk", ticket);
    let Some(Reply::Refused(CommandRefusal::BadSegment(why))) = reply else {
        panic!("{reply:?}");
    };
    assert!(why.contains("statements are kept"), "{why}");
}
