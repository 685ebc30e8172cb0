use super::super::enrolment;
use super::*;
use crate::domain::cert::{Certificate, CertificateError, Grant, GrantError};
use crate::domain::enrol::{BOOTSTRAP_MAX, Bootstrap, SealedAnswer, SharedMeshKey};
use crate::domain::id::Serial;
use crate::domain::sign::Signed;
use crate::domain::trust::MeshKey;
use crate::platform::sealed::open_answer;

/// A clinic with two nodes; the answer is for the second.
struct Joined {
    bench: Bench,
    admin: Authority,
    machine: Machine,
    answer: EnrolmentAnswer,
}

fn joined() -> Joined {
    let bench = Bench::new();
    let (mut admin, machine) = (bench.admin(), Machine::new(7));
    enrol(&mut admin, &Machine::new(5));
    enrol(&mut admin, &machine);
    let answer = admin.answer(machine.device(), NOW).expect("enrolled");
    Joined {
        bench,
        admin,
        machine,
        answer,
    }
}

impl Joined {
    fn check(&self, answer: &EnrolmentAnswer) -> Result<(), AnswerError> {
        answer.check(&self.machine.promise(), NOW).map(drop)
    }

    /// What the check says of an answer that was changed.
    fn refused(&self, change: impl FnOnce(&mut EnrolmentAnswer)) -> AnswerError {
        let mut answer = self.answer.clone();
        change(&mut answer);
        self.check(&answer).expect_err("changed")
    }

    /// A certificate like the right one but for a change, signed by this key.
    fn certificate(&self, key: &SigningKey, change: impl FnOnce(&mut Certificate)) -> Signed {
        let clinic = self.answer.clinic;
        let mut certificate = Certificate::open(&self.answer.certificate, &clinic).expect("sound");
        change(&mut certificate);
        Signed::new(&certificate, &clinic, key)
    }
}

#[test]
fn an_answer_gives_the_machine_the_clinic_its_certificate_keys_and_whom_to_dial() {
    let joined = joined();
    let (copy, clinic) = joined
        .answer
        .check(&joined.machine.promise(), NOW)
        .expect("sound");
    assert_eq!(copy.heads(), joined.admin.record().heads());
    assert!(clinic.is_member(&joined.machine.device()));
    assert_eq!(clinic.name, Some(name("Harbour Clinic")));
    let other = Bootstrap {
        device: Machine::new(5).device(),
        address: "192.0.2.7:7700".to_owned(),
    };
    assert_eq!(joined.answer.bootstrap, [other]);
    assert_eq!(joined.answer.mesh_keys.len(), 1);
    let bytes = joined.answer.to_bytes();
    let read = EnrolmentAnswer::from_bytes(&bytes).expect("read back");
    assert_eq!(*read.to_bytes(), *bytes);
}

#[test]
fn an_answer_file_opens_on_its_machine_only_and_as_often_as_needed() {
    let mut joined = joined();
    let device = joined.machine.device();
    for _ in 0..2 {
        let file = joined.admin.answer_file(device, NOW).expect("written");
        let sealed = SealedAnswer::from_file(&file).expect("an answer");
        let open = |device, secret: &[u8; 32]| open_answer(&sealed, device, secret);
        let opened = open(device, &joined.machine.noise_secret).expect("opened");
        joined.check(&opened).expect("sound");
        let other = Machine::new(5);
        let refused = open(other.device(), &other.noise_secret).expect_err("another machine");
        assert_eq!(refused, AnswerError::OtherMachine { device });
        let refused = open(device, &other.noise_secret).expect_err("another key");
        assert_eq!(refused, AnswerError::Sealed);
    }
}

#[test]
fn an_answer_file_shows_no_mesh_key_and_no_name() {
    let mut joined = joined();
    let file = joined
        .admin
        .answer_file(joined.machine.device(), NOW)
        .expect("written");
    let key = joined.answer.mesh_keys[0].key.clone();
    for secret in [&key.expose()[..], b"Harbour", b"ana"] {
        assert!(!file.windows(secret.len()).any(|part| part == secret));
    }
}

#[test]
fn every_changed_byte_of_an_answer_file_is_refused() {
    let mut joined = joined();
    let file = joined
        .admin
        .answer_file(joined.machine.device(), NOW)
        .expect("written");
    for at in (0..160)
        .chain((160..file.len()).step_by(61))
        .chain([file.len() - 1])
    {
        let mut changed = file.clone();
        changed[at] ^= 1;
        let opened = SealedAnswer::from_file(&changed)
            .map_err(AnswerError::from)
            .and_then(|sealed| {
                open_answer(
                    &sealed,
                    joined.machine.device(),
                    &joined.machine.noise_secret,
                )
            });
        assert!(opened.is_err(), "byte {at}");
    }
}

#[test]
fn a_device_that_was_never_enrolled_gets_no_answer() {
    let mut joined = joined();
    let refused = joined.admin.answer_file(Machine::new(9).device(), NOW);
    assert!(matches!(refused, Err(AuthorityError::NotEnrolled { .. })));
}

#[test]
fn an_admin_without_the_newest_mesh_key_enrols_nobody_until_it_has_it() {
    let mut joined = joined();
    let old = joined.bench.copied("old");
    let shared = joined.admin.rotate_mesh_key(NOW).expect("rotated").made;
    let mut laptop = joined.bench.admin_in(&old);
    laptop
        .merge(joined.admin.record().segments().cloned())
        .expect("sound");
    let refused = laptop.answer(joined.machine.device(), NOW);
    assert!(matches!(
        refused,
        Err(AuthorityError::NoMeshKey { epoch: 2 })
    ));
    laptop.learn_mesh_key(shared, NOW).expect("the clinic's");
    let answer = laptop
        .answer(joined.machine.device(), NOW)
        .expect("complete");
    assert_eq!(answer.mesh_keys.len(), 2);
    joined.check(&answer).expect("sound");
}

#[test]
fn an_answer_of_another_clinic_than_expected_is_refused() {
    let joined = joined();
    let mut promise = joined.machine.promise();
    promise.clinic = Some(joined.answer.clinic);
    joined.answer.check(&promise, NOW).expect("as expected");
    promise.clinic = Some(ClinicId::new([9; 32]));
    let refused = joined.answer.check(&promise, NOW).expect_err("another");
    assert!(matches!(refused, AnswerError::OtherClinic { .. }));
    let refused = joined.refused(|answer| answer.root = AdminId::new([9; 32]));
    assert!(matches!(refused, AnswerError::OtherClinic { .. }));
}

#[test]
fn an_answer_for_another_machine_or_key_is_refused() {
    let joined = joined();
    let mut promise = joined.machine.promise();
    promise.device = Machine::new(9).device();
    let device = joined.machine.device();
    let refused = joined
        .answer
        .check(&promise, NOW)
        .expect_err("another device");
    assert_eq!(refused, AnswerError::OtherMachine { device });
    let mut promise = joined.machine.promise();
    promise.noise_key = Machine::new(9).noise_key();
    let refused = joined.answer.check(&promise, NOW).expect_err("another key");
    let what = "the Noise key";
    assert_eq!(refused, AnswerError::NotAsPromised { what });
}

#[test]
fn office_name_and_kind_must_be_as_promised() {
    let joined = joined();
    type Change = fn(&mut Promise);
    let cases: [(Change, &'static str); 3] = [
        (|promise| promise.office = Some(name("Annex")), "the office"),
        (|promise| promise.name = Some(name("Annex")), "the name"),
        (
            |promise| promise.kind = Some(DeviceKind::Client),
            "the kind of device",
        ),
    ];
    for (change, what) in cases {
        let mut promise = joined.machine.promise();
        change(&mut promise);
        let refused = joined.answer.check(&promise, NOW).expect_err("differs");
        assert_eq!(refused, AnswerError::NotAsPromised { what });
    }
    let mut promise = joined.machine.promise();
    promise.office = Some(name("Harbour"));
    promise.kind = Some(DeviceKind::Node);
    joined.answer.check(&promise, NOW).expect("as promised");
}

#[test]
fn a_certificate_that_is_not_valid_now_is_refused() {
    let joined = joined();
    let promise = joined.machine.promise();
    let end = later(30 * 86_400);
    joined
        .answer
        .check(&promise, end.plus(Duration::from_secs(300)))
        .expect("clocks differ");
    for now in [WallTime(end.0 + 300_001), WallTime(NOW.0 - 600_001)] {
        let refused = joined
            .answer
            .check(&promise, now)
            .expect_err("another time");
        assert!(matches!(refused, AnswerError::NotValidNow { .. }));
    }
}

#[test]
fn a_certificate_signed_by_anyone_else_is_refused() {
    let joined = joined();
    let mallory = SigningKey::from_seed(&[9; 32]);
    let refused = joined.refused(|answer| {
        answer.certificate = joined.certificate(&mallory, |_| ());
    });
    assert_eq!(refused, AnswerError::IssuerWithoutRight);
    let clinic = joined.answer.clinic;
    let grant = Grant {
        admin: mallory.id().as_admin(),
        ..Grant::open(&joined.answer.grant, &clinic).expect("sound")
    };
    let refused = joined.refused(|answer| {
        answer.certificate = joined.certificate(&mallory, |_| ());
        answer.grant = Signed::new(&grant, &clinic, &mallory);
    });
    assert_eq!(refused, AnswerError::Grant(GrantError::NotTheRoots));
    let refused = joined.refused(|answer| answer.certificate.body[5] ^= 1);
    assert!(matches!(
        refused,
        AnswerError::Certificate(CertificateError::Signed(_))
    ));
    let refused = joined.refused(|answer| answer.grant.body[5] ^= 1);
    assert!(matches!(refused, AnswerError::Grant(GrantError::Signed(_))));
}

#[test]
fn an_issuer_without_the_scope_or_past_its_end_is_refused() {
    let joined = joined();
    let grants: [fn(&mut Grant); 2] = [
        |grant| grant.scopes = Scopes::of([Scope::Staff]),
        |grant| grant.not_after = WallTime(NOW.0 - 300_001),
    ];
    let root = joined.bench.key("root.key", &root_words());
    for change in grants {
        let clinic = joined.answer.clinic;
        let mut grant = Grant::open(&joined.answer.grant, &clinic).expect("sound");
        change(&mut grant);
        let refused = joined.refused(|answer| answer.grant = Signed::new(&grant, &clinic, &root));
        assert_eq!(refused, AnswerError::IssuerWithoutRight);
    }
}

#[test]
fn a_record_that_does_not_verify_or_lacks_the_certificate_is_refused() {
    let joined = joined();
    let refused = joined.refused(|answer| {
        answer.record.pop();
    });
    assert_eq!(refused, AnswerError::NotListed);
    let refused = joined.refused(|answer| {
        answer.record.remove(0);
    });
    assert!(matches!(
        refused,
        AnswerError::Record(CopyError::Gap { .. })
    ));
    let refused = joined.refused(|answer| {
        answer.record[1].entries[0].header.time.0 += 1;
    });
    assert!(matches!(
        refused,
        AnswerError::Record(CopyError::Segment { .. })
    ));
    // Signed by the same admin, but not the one in the record.
    let admin = joined.bench.key("admin-ana.key", &admin_words());
    let refused = joined.refused(|answer| {
        answer.certificate = joined.certificate(&admin, |certificate| {
            certificate.serial = Serial::new([9; 16])
        });
    });
    assert_eq!(refused, AnswerError::NotListed);
}

#[test]
fn a_machine_that_was_revoked_meanwhile_is_told() {
    let mut joined = joined();
    let device = joined.machine.device();
    let revoked = joined
        .admin
        .revoke_device(device, vec![], NOW)
        .expect("signed");
    let refused = joined.refused(|answer| answer.record.extend(revoked));
    assert_eq!(refused, AnswerError::Revoked);
}

#[test]
fn a_forked_record_is_refused() {
    let mut joined = joined();
    let old = joined.bench.copied("old");
    let one = joined.admin.add_staff(name("Bea"), vec![], vec![], NOW);
    let other = joined
        .bench
        .admin_in(&old)
        .add_staff(name("Cyd"), vec![], vec![], NOW);
    let both = [one, other].map(|added| added.expect("signed").segment);
    let refused = joined.refused(|answer| answer.record.extend(both));
    assert_eq!(refused, AnswerError::Forked);
}

#[test]
fn a_mesh_key_that_no_admin_committed_to_or_none_at_all_is_refused() {
    let joined = joined();
    let key = || MeshKey::new([9; 32]);
    let refused = joined.refused(|answer| answer.mesh_keys[0].key = key());
    assert_eq!(refused, AnswerError::MeshKey { epoch: 1 });
    let refused = joined.refused(|answer| {
        let key = key();
        answer.mesh_keys.push(SharedMeshKey { epoch: 2, key });
    });
    assert_eq!(refused, AnswerError::MeshKey { epoch: 2 });
    let refused = joined.refused(|answer| answer.mesh_keys.clear());
    assert_eq!(refused, AnswerError::MeshKey { epoch: 1 });
}

#[test]
fn an_answer_keeps_its_bounds() {
    let joined = joined();
    let refused = joined.refused(|answer| answer.version = 2);
    assert_eq!(refused, AnswerError::Version(2));
    let node = joined.answer.bootstrap[0].clone();
    let refused = joined.refused(|answer| {
        answer.bootstrap = vec![node.clone(); BOOTSTRAP_MAX + 1];
    });
    assert_eq!(refused, AnswerError::TooMany);
    let refused = joined.refused(|answer| answer.bootstrap[0].address = "x".repeat(129));
    assert_eq!(refused, AnswerError::TooMany);
    let shared = joined.answer.mesh_keys[0].clone();
    let refused = joined.refused(|answer| answer.mesh_keys = vec![shared; 12]);
    assert_eq!(refused, AnswerError::TooMany);
}

#[test]
fn of_a_long_record_an_answer_holds_the_logs_that_it_is_checked_by() {
    let bench = Bench::new();
    for (number, who) in ["ben", "cyd"].into_iter().enumerate() {
        let new = NewAdmin {
            name: name(who),
            scopes: Scopes::of(Scopes::ALL),
            not_after: later(9),
            mesh_keys: bench.admin().mesh_keys(),
            web_ca: None,
        };
        bench
            .root()
            .grant_admin(new, &admin_words(), CHEAP, NOW)
            .expect("granted");
        let mut admin =
            Authority::open_admin(&bench.path(), &name(who), &admin_words(), bench.rng())
                .expect("opened");
        admin
            .add_staff(name(&format!("staff {number}")), vec![], vec![], NOW)
            .expect("signed");
    }
    let mut ben = Authority::open_admin(&bench.path(), &name("ben"), &admin_words(), bench.rng())
        .expect("opened");
    let machine = Machine::new(7);
    enrol(&mut ben, &machine);
    let mut answer = ben.answer(machine.device(), NOW).expect("enrolled");
    let authors = |record: &[Segment]| {
        let authors: std::collections::BTreeSet<_> =
            record.iter().map(|one| one.log.author).collect();
        authors.len()
    };
    assert_eq!(authors(&answer.record), 4);
    // The first admin made the mesh key, so its log is needed; the third admin's is not.
    let ben_id = ben.id();
    answer.record = ben.record_for(ben_id, 0);
    assert_eq!(authors(&answer.record), 3);
    answer.check(&machine.promise(), NOW).expect("sound");
    // Nor can planned keys be checked without the log of whoever planned them.
    drop(ben);
    let mut cyd = Authority::open_admin(&bench.path(), &name("cyd"), &admin_words(), bench.rng())
        .expect("opened");
    cyd.plan_mesh_keys(NOW).expect("planned");
    let mut answer = cyd.answer(machine.device(), NOW).expect("enrolled");
    answer.record = cyd.record_for(ben_id, 0);
    assert_eq!(authors(&answer.record), 4);
    answer.check(&machine.promise(), NOW).expect("sound");
}

#[test]
fn an_answer_that_its_reader_would_refuse_is_not_written() {
    let joined = joined();
    let length = joined.answer.to_bytes().len();
    enrolment::check_length(&joined.answer, length).expect("fits");
    let refused = enrolment::check_length(&joined.answer, length - 1);
    assert!(matches!(refused, Err(AuthorityError::AnswerTooLong)));
}
