//! The root key is changed: its files, and what brings it back.

use super::*;
use crate::domain::record::VoidReason;
use crate::domain::rotation::{self, Rotation, SignedRotation};
use crate::domain::statement::Statement;

fn new_words() -> Passphrase {
    Passphrase::chosen("eleven paper boats").expect("long enough")
}

fn begin(bench: &Bench, last: Option<u64>) -> Result<Begun, AuthorityError> {
    bench.root().begin_rotation(last, &new_words(), CHEAP, NOW)
}

/// The admin signs; nothing comes from a node.
fn sign(bench: &Bench, rotation: &SignedRotation) -> Result<Segment, AuthorityError> {
    bench.admin().sign_for_rotation(rotation, NOW)
}

fn finish(bench: &Bench) -> Result<Progress, AuthorityError> {
    finish_rotation(&bench.path())
}

/// The root appoints Ben, so that it takes two to change its key.
fn with_ben(bench: &Bench) {
    let new = NewAdmin {
        name: name("ben"),
        scopes: Scopes::of([Scope::Staff]),
        not_after: later(1000),
        mesh_keys: bench.admin().mesh_keys(),
        web_ca: None,
    };
    let mut root = bench.root();
    root.grant_admin(new, &admin_words(), CHEAP, NOW)
        .expect("granted");
}

/// The letters of a recovery page.
fn letters(page: &str) -> String {
    let lines: Vec<&str> = page.lines().filter(|line| line.contains(":  ")).collect();
    lines[lines.len() - 4..].join("\n")
}

#[test]
fn the_next_key_takes_the_old_ones_place_when_the_admin_has_signed_and_not_before() {
    let bench = Bench::new();
    let old = bench.root().id();
    assert!(matches!(
        finish(&bench),
        Err(AuthorityError::Rotation(RotationRefusal::NotBegun))
    ));
    let begun = begin(&bench, None).expect("begun");
    assert_eq!((begun.number, begun.last, begun.head), (2, 2, 2));
    assert!(begun.recovery_page.contains("number 2"));
    assert!(matches!(
        finish(&bench),
        Err(AuthorityError::Rotation(RotationRefusal::Unknown))
    ));
    assert_eq!(bench.root().id(), old);
    let again = begin(&bench, None).expect("goes on");
    assert_eq!(again.rotation, begun.rotation, "the same of the same key");
    let other = Passphrase::chosen("not the same words").expect("long enough");
    let refused = bench.root().begin_rotation(None, &other, CHEAP, NOW);
    assert!(matches!(refused, Err(AuthorityError::KeyFile { .. })));

    sign(&bench, &begun.rotation).expect("signed");
    crate::platform::files::replace(&bench.path().join("shares"), b"of the old key").expect("room");
    let ready = Progress::Ready {
        number: 2,
        new: begun.key,
        old: old.as_admin(),
    };
    for _ in 0..2 {
        let looked = rotation_progress(&bench.path(), []);
        assert_eq!(looked.expect("it counts"), ready, "looking wipes nothing");
    }
    assert_eq!(finish(&bench).expect("done"), Progress::Done { number: 2 });
    let done = rotation_progress(&bench.path(), []).expect("done");
    assert_eq!(done, Progress::Done { number: 2 });
    for gone in ["shares", "root-next.key"] {
        assert!(!bench.path().join(gone).exists(), "{gone}");
    }
    let mut root = Authority::open_root(&bench.path(), &new_words(), bench.rng()).expect("opened");
    assert_ne!(root.id(), old);
    root.end_admin(bench.founded.admin, None, NOW)
        .expect("it is the root");
}

#[test]
fn two_admins_have_to_sign_and_whoever_was_not_in_office_cannot() {
    let bench = Bench::new();
    with_ben(&bench);
    let begun = begin(&bench, None).expect("begun");
    let signed = sign(&bench, &begun.rotation).expect("signed");
    let payload = signed.entries[0].payload.as_ref().expect("a statement");
    let statement = Statement::from_body(&payload.body).expect("a statement");
    assert!(statement.seen.is_empty(), "however many logs there are");
    let waits = Progress::Waits {
        signed: 1,
        needed: 2,
    };
    assert_eq!(finish(&bench).expect("not yet"), waits);
    let mut ben = Authority::open_admin(&bench.path(), &name("ben"), &admin_words(), bench.rng())
        .expect("opened");
    assert_eq!(ben.rotations_to_sign().count(), 1);
    assert_eq!(bench_early(&mut ben, &bench), VoidReason::DoesNotFit);
    ben.sign_for_rotation(&begun.rotation, NOW).expect("signed");
    assert_eq!(ben.rotations_to_sign().count(), 0);
    drop(ben);
    assert_eq!(finish(&bench).expect("done"), Progress::Done { number: 2 });
}

/// Ben tries to sign for a change that ends before he was appointed.
fn bench_early(ben: &mut Authority, bench: &Bench) -> VoidReason {
    let old = bench.key("root.key", &root_words());
    let next = bench.key("root-next.key", &new_words());
    let (id, root) = (ben.clinic_id(), old.id().as_admin());
    let early = Rotation {
        version: rotation::VERSION,
        clinic: id,
        number: 1,
        old: root,
        new: next.id().as_admin(),
        last: 2,
        history: rotation::history(&id, &root, ben.record().items(), 2).expect("here"),
    };
    let early = SignedRotation::new(&early, &old, &next);
    match sign_error(ben.sign_for_rotation(&early, NOW)) {
        SignError::Void { reason, .. } => reason,
        other => panic!("expected a void statement, got {other:?}"),
    }
}

#[test]
fn a_root_that_signed_twice_is_counted_to_before_that() {
    let bench = Bench::new();
    let copy = bench.copied("copy");
    let admin = bench.founded.admin;
    let mut thief = Authority::open_root(&copy, &root_words(), bench.rng()).expect("opened");
    let forked = thief.end_admin(admin, Some(0), NOW).expect("signed");
    drop(thief);
    with_ben(&bench);
    let mut root = bench.root();
    root.merge([forked]).expect("a fork is no error");
    let begun = root.begin_rotation(None, &new_words(), CHEAP, NOW);
    assert_eq!(begun.expect("begun").last, 2);
    let beyond = root.begin_rotation(Some(9), &new_words(), CHEAP, NOW);
    assert!(matches!(
        beyond,
        Err(AuthorityError::Sign(SignError::BeyondTheLog { .. }))
    ));
}

#[test]
fn a_change_that_was_interrupted_after_it_counted_is_to_be_completed() {
    let bench = Bench::new();
    let begun = begin(&bench, None).expect("begun");
    sign(&bench, &begun.rotation).expect("signed");
    assert!(matches!(
        begin(&bench, None),
        Err(AuthorityError::Rotation(RotationRefusal::Counts))
    ));
    let again = begin(&bench, Some(2)).expect("the end is named");
    assert_eq!(again.rotation, begun.rotation, "the same of the same key");
    assert_eq!(finish(&bench).expect("done"), Progress::Done { number: 2 });
}

#[test]
fn a_root_that_was_changed_by_another_wants_the_end_named() {
    let bench = Bench::new();
    let copy = bench.copied("copy");
    let begun = begin(&bench, None).expect("begun");
    let segment = sign(&bench, &begun.rotation).expect("signed");
    let mut root = Authority::open_root(&copy, &root_words(), bench.rng()).expect("opened");
    let known: Vec<Segment> = bench.admin().record().segments().cloned().collect();
    root.merge(known).expect("sound");
    root.merge([segment]).expect("sound");
    let refused = root.begin_rotation(None, &new_words(), CHEAP, NOW);
    assert!(matches!(
        refused,
        Err(AuthorityError::Rotation(RotationRefusal::ByAnother))
    ));
    assert!(
        root.begin_rotation(Some(2), &new_words(), CHEAP, NOW)
            .is_ok()
    );
}

#[test]
fn a_later_root_comes_back_where_the_record_or_a_person_names_its_clinic() {
    let bench = Bench::new();
    let begun = begin(&bench, None).expect("begun");
    sign(&bench, &begun.rotation).expect("signed");
    finish(&bench).expect("done");
    let clinic = bench.founded.clinic;
    let letters = letters(&begun.recovery_page);
    let bring =
        |path: &Path, named| recover(path, &letters, named, &root_words(), CHEAP, bench.rng());

    std::fs::remove_file(bench.path().join("root.key")).expect("lost");
    let other = Some(ClinicId::new([7; 32]));
    assert!(matches!(
        bring(&bench.path(), other),
        Err(AuthorityError::Recovery(RecoveryError::OtherClinic { .. }))
    ));
    assert_eq!(bring(&bench.path(), None).expect("recovered"), clinic);
    drop(bench.root());

    let empty = bench.scratch.path().join("empty");
    assert_eq!(bring(&empty, Some(clinic)).expect("recovered"), clinic);
    let stranger = bench.scratch.path().join("stranger");
    assert_ne!(bring(&stranger, None).expect("of its own"), clinic);

    // A key that the record does not know as a root's is opened by nobody.
    let mut known = Authority::open_root(&empty, &root_words(), bench.rng()).expect("opened");
    known
        .merge(bench.admin().record().segments().cloned())
        .expect("sound");
    known
        .end_admin(bench.founded.admin, None, NOW)
        .expect("it is the root");
    let false_root = SigningKey::from_seed(&[9; 32]);
    let file = keyfile::KeyFile::seal(
        Holder::Root,
        clinic,
        &false_root,
        &root_words(),
        CHEAP,
        &mut bench.rng(),
    );
    let file = file.expect("sealed").to_bytes();
    crate::platform::files::replace(&bench.path().join("root.key"), &file).expect("written");
    let refused = Authority::open_root(&bench.path(), &root_words(), bench.rng());
    assert!(matches!(
        refused,
        Err(AuthorityError::Rotation(RotationRefusal::NoRoot))
    ));
}

#[test]
fn shares_of_the_new_root_are_tried_and_those_of_the_old_one_told_apart() {
    let bench = Bench::new();
    let typed = |pages: &[zeroize::Zeroizing<String>]| {
        let mut typing = ShareTyping::new();
        for page in pages {
            for line in page
                .lines()
                .filter(|line| line.contains(":  ") && line.split_whitespace().count() == 9)
            {
                typing.line(line).expect("as printed");
            }
        }
        typing.finish().expect("whole")
    };
    let made = |root: &mut Authority| {
        let made = root.make_shares(Sheets::USUAL, Seen::OnPaper, NOW);
        made.expect("made").pages
    };
    let old = made(&mut bench.root());
    let begun = begin(&bench, None).expect("begun");
    sign(&bench, &begun.rotation).expect("signed");
    let replaced = bench
        .root()
        .make_shares(Sheets::USUAL, Seen::OnPaper, NOW)
        .map(drop);
    assert!(matches!(
        replaced,
        Err(AuthorityError::Rotation(RotationRefusal::Replaced))
    ));
    finish(&bench).expect("done");
    let mut root = Authority::open_root(&bench.path(), &new_words(), bench.rng()).expect("opened");
    let new = made(&mut root);
    drop(root);
    assert!(matches!(
        check_shares(&bench.path(), &typed(&old[..2]), NOW),
        Err(AuthorityError::Rotation(RotationRefusal::Earlier))
    ));
    let drilled = check_shares(&bench.path(), &typed(&new[1..]), NOW).expect("they fit");
    assert_eq!(drilled.clinic, bench.founded.clinic);
    let empty = bench.scratch.path().join("empty");
    let back = |named| {
        let shares = typed(&new[..2]);
        recover_from_shares(&empty, &shares, named, &root_words(), CHEAP, bench.rng())
    };
    assert!(matches!(
        back(None),
        Err(AuthorityError::Share(ShareError::DoNotFit))
    ));
    assert_eq!(
        back(Some(bench.founded.clinic)).expect("recovered"),
        bench.founded.clinic
    );
}

#[test]
fn a_machine_that_an_admin_of_the_new_root_enrols_checks_the_chain_by_the_record() {
    let bench = Bench::new();
    let mesh_keys = bench.admin().mesh_keys();
    let begun = begin(&bench, None).expect("begun");
    sign(&bench, &begun.rotation).expect("signed");
    finish(&bench).expect("done");
    let mut root = Authority::open_root(&bench.path(), &new_words(), bench.rng()).expect("opened");
    let new = NewAdmin {
        name: name("ben"),
        scopes: Scopes::of(Scopes::ALL),
        not_after: later(1000),
        mesh_keys,
        web_ca: None,
    };
    root.grant_admin(new, &admin_words(), CHEAP, NOW)
        .expect("granted");
    drop(root);
    let mut ben = Authority::open_admin(&bench.path(), &name("ben"), &admin_words(), bench.rng())
        .expect("opened");
    let machine = Machine::new(7);
    enrol(&mut ben, &machine);
    let mut answer = ben.answer(machine.device(), NOW).expect("enrolled");
    answer.record = ben.record_for(ben.id(), 0);
    let (_, clinic) = answer.check(&machine.promise(), NOW).expect("sound");
    assert_eq!(clinic.roots.len(), 2);
    let shown = crate::domain::trust::Credentials {
        certificate: answer.certificate.clone(),
        grant: answer.grant.clone(),
        chain: clinic.chain(),
    };
    assert!(shown.open(&answer.clinic).is_ok());
    // Without the admins' word on it the new root is nobody.
    let signer = bench.founded.admin.into();
    answer.record.retain(|segment| segment.log.author != signer);
    assert!(answer.check(&machine.promise(), NOW).is_err());
}

/// A thief with a copy of the directory's root key makes itself the root, and appoints two admins. Gives
/// all that it signed.
fn thiefs_record(bench: &Bench) -> Vec<Segment> {
    let copy = bench.copied("thief");
    let mesh_keys = bench.admin().mesh_keys();
    let appoint = |root: &mut Authority, who: &str| {
        let new = NewAdmin {
            name: name(who),
            scopes: Scopes::of(Scopes::ALL),
            not_after: later(1000),
            mesh_keys: mesh_keys.clone(),
            web_ca: None,
        };
        root.grant_admin(new, &admin_words(), CHEAP, NOW)
            .expect("granted");
    };
    let sign = |who: &str, rotation: &SignedRotation| {
        let mut admin =
            Authority::open_admin(&copy, &name(who), &admin_words(), bench.rng()).expect("opened");
        admin.sign_for_rotation(rotation, NOW).expect("signed");
    };
    let mut root = Authority::open_root(&copy, &root_words(), bench.rng()).expect("opened");
    root.end_admin(bench.founded.admin, None, NOW)
        .expect("signed");
    appoint(&mut root, "mallory");
    let begun = root.begin_rotation(None, &new_words(), CHEAP, NOW);
    drop(root);
    sign("mallory", &begun.expect("begun").rotation);
    finish_rotation(&copy).expect("done");
    let mut root = Authority::open_root(&copy, &new_words(), bench.rng()).expect("opened");
    appoint(&mut root, "eve");
    let begun = root.begin_rotation(None, &new_words(), CHEAP, NOW);
    drop(root);
    sign("eve", &begun.expect("begun").rotation);
    let eve =
        Authority::open_admin(&copy, &name("eve"), &admin_words(), bench.rng()).expect("opened");
    eve.record().segments().cloned().collect()
}

#[test]
fn of_a_long_record_an_answer_leaves_out_whom_a_thiefs_root_appointed() {
    let bench = Bench::new();
    let theirs = thiefs_record(&bench);
    let begun = begin(&bench, None).expect("begun");
    sign(&bench, &begun.rotation).expect("signed");
    finish(&bench).expect("done");
    let mut admin = bench.admin();
    admin.merge(theirs).expect("sound");
    let machine = Machine::new(7);
    enrol(&mut admin, &machine);
    let mut answer = admin.answer(machine.device(), NOW).expect("enrolled");
    let whole = answer.record.len();
    answer.record = admin.record_for(admin.id(), 0);
    assert!(answer.record.len() < whole);
    let (_, clinic) = answer.check(&machine.promise(), NOW).expect("sound");
    assert_eq!(clinic.roots[1].key, begun.key);
}

#[test]
fn what_a_power_cut_leaves_of_a_wiped_key_file_is_no_key_and_stops_nothing() {
    let bench = Bench::new();
    let next = bench.path().join("root-next.key");
    let left = |bytes: &[u8]| crate::platform::files::replace(&next, bytes).expect("written");
    left(&[]);
    let nothing = finish(&bench).expect_err("nothing was begun");
    assert!(
        nothing.to_string().contains("rotate-root begin"),
        "{nothing}"
    );
    assert!(!next.exists());

    left(&[0; 300]);
    let begun = begin(&bench, None).expect("begun");
    sign(&bench, &begun.rotation).expect("signed");
    assert_eq!(finish(&bench).expect("done"), Progress::Done { number: 2 });
    left(&[0; 300]);
    let again = finish(&bench).expect("done before the power went");
    assert_eq!(again, Progress::Done { number: 2 });
    assert!(!next.exists());

    left(b"a line that somebody wrote");
    finish(&bench).expect_err("neither a key nor nothing");
    assert!(next.exists(), "what is not understood is left alone");
}
