use super::*;
use crate::domain::cert::{Capability, LIFETIME_MAX};
use crate::domain::file::FormatError;
use crate::domain::id::{Hash, InvitationId};
use crate::domain::invitation::InvitationSecret;
use crate::domain::record::VoidReason;
use crate::domain::space::Space;
use crate::domain::statement::LogEnd;

fn judged(bench: &Bench, request: &SignedRequest, now: WallTime) -> EnrolError {
    enrol_error(
        bench
            .admin()
            .judge(request, Arrival::Offline, Some(terms()), now),
    )
}

/// An invitation, and a machine that comes by it through the channel.
fn invited(admin: &mut Authority) -> (InvitationSecret, Arrival, Machine) {
    let machine = Machine::new(7);
    let made = admin.invite(
        name("Harbour"),
        name("front desk"),
        DeviceKind::Node,
        INVITATION_LIFE,
        NOW,
    );
    let secret = made.expect("signed").made;
    let arrival = Arrival::Online {
        invitation: secret.id(),
        binding: Hash::new([8; 32]),
        proven: machine.noise_key(),
    };
    (secret, arrival, machine)
}

fn online(machine: &Machine, invitation: InvitationId) -> SignedRequest {
    let mut wish = machine.wish();
    wish.invitation = Some(invitation);
    wish.binding = Some(Hash::new([8; 32]));
    wish.sign(None, &machine.key)
}

#[test]
fn a_machine_enrolled_by_a_file_is_in_the_record_for_thirty_days() {
    let bench = Bench::new();
    let (mut admin, machine) = (bench.admin(), Machine::new(7));
    let file = machine.request().to_file();
    let request = SignedRequest::from_file(&file).expect("a request");
    let enrolled = admin
        .approve(&request, Arrival::Offline, Some(terms()), NOW)
        .expect("approved");
    let certificate = enrolled.certificate;
    assert_eq!(
        certificate.not_after,
        NOW.plus(Duration::from_secs(30 * 86_400))
    );
    assert_eq!(
        certificate.not_after,
        certificate.not_before.plus(LIFETIME_MAX)
    );
    assert!(
        certificate
            .capabilities
            .iter()
            .eq([Capability::Witness, Capability::Renew])
    );
    let device = &admin.clinic().devices[&machine.device()];
    assert_eq!(device.certificate, certificate);
    assert_eq!(device.address.as_deref(), Some("192.0.2.7:7700"));
    assert!(admin.clinic().is_member(&machine.device()));
}

#[test]
fn a_client_gets_no_capabilities() {
    let bench = Bench::new();
    let client = Terms {
        kind: DeviceKind::Client,
        ..terms()
    };
    let enrolled = bench
        .admin()
        .approve(
            &Machine::new(7).request(),
            Arrival::Offline,
            Some(client),
            NOW,
        )
        .expect("approved");
    assert_eq!(enrolled.certificate.capabilities.iter().count(), 0);
}

#[test]
fn a_machine_that_comes_by_an_invitation_gets_its_terms_and_uses_it_up() {
    let bench = Bench::new();
    let mut admin = bench.admin();
    let (secret, arrival, machine) = invited(&mut admin);
    let enrolled = admin
        .approve(&online(&machine, secret.id()), arrival, None, NOW)
        .expect("approved");
    assert_eq!(enrolled.certificate.office, name("Harbour"));
    assert_eq!(enrolled.certificate.name, name("front desk"));
    let state = &admin.clinic().invitations[&secret.id()];
    assert_eq!((state.used, state.by), (true, Some(machine.device())));
}

#[test]
fn the_second_use_of_an_invitation_is_refused_names_the_first_and_is_an_alarm() {
    let bench = Bench::new();
    let mut admin = bench.admin();
    let (secret, arrival, first) = invited(&mut admin);
    admin
        .approve(&online(&first, secret.id()), arrival, None, NOW)
        .expect("approved");
    let second = Machine::new(9);
    let arrival = Arrival::Online {
        invitation: secret.id(),
        binding: Hash::new([8; 32]),
        proven: second.noise_key(),
    };
    let refused = enrol_error(admin.approve(&online(&second, secret.id()), arrival, None, NOW));
    let invitation = secret.id();
    let by = first.device();
    assert_eq!(refused, EnrolError::AlreadyUsed { invitation, by });
    assert!(refused.is_alarm());
    assert!(admin.clinic().is_member(&first.device()));
    assert!(!admin.clinic().devices.contains_key(&second.device()));
}

#[test]
fn an_expired_withdrawn_or_unknown_invitation_permits_nothing() {
    let bench = Bench::new();
    let mut admin = bench.admin();
    let (secret, arrival, machine) = invited(&mut admin);
    let (invitation, request) = (secret.id(), online(&machine, secret.id()));
    let expired_at = NOW.plus(INVITATION_LIFE);
    admin
        .judge(&request, arrival, None, expired_at)
        .expect("the last moment");
    let refused = enrol_error(admin.judge(&request, arrival, None, WallTime(expired_at.0 + 1)));
    assert_eq!(
        refused,
        EnrolError::Expired {
            invitation,
            expired_at
        }
    );
    admin.withdraw_invitation(invitation, NOW).expect("signed");
    let refused = enrol_error(admin.judge(&request, arrival, None, NOW));
    assert_eq!(refused, EnrolError::Withdrawn { invitation });
    assert!(matches!(
        sign_error(admin.withdraw_invitation(invitation, NOW)),
        SignError::Exists { .. }
    ));
    let invitation = InvitationId::new([9; 16]);
    let refused = enrol_error(admin.judge(&online(&machine, invitation), arrival, None, NOW));
    assert_eq!(refused, EnrolError::UnknownInvitation { invitation });
}

#[test]
fn an_invitation_lives_no_longer_than_a_week() {
    let bench = Bench::new();
    let mut admin = bench.admin();
    let mut invite = |life| admin.invite(name("a"), name("b"), DeviceKind::Node, life, NOW);
    let week = Duration::from_secs(7 * 86_400);
    invite(week).expect("signed");
    for life in [Duration::ZERO, week + Duration::from_millis(1)] {
        assert_eq!(sign_error(invite(life)), SignError::InvitationLife);
    }
}

#[test]
fn a_request_is_bound_to_its_channel_its_invitation_and_its_proven_key() {
    let bench = Bench::new();
    let mut admin = bench.admin();
    let (secret, arrival, machine) = invited(&mut admin);
    let (other_secret, ..) = invited(&mut admin);
    let Arrival::Online {
        invitation,
        binding,
        proven,
    } = arrival
    else {
        panic!("invited online");
    };
    let request = online(&machine, secret.id());
    let cases = [
        (
            Arrival::Online {
                invitation,
                proven,
                binding: Hash::new([9; 32]),
            },
            EnrolError::OtherChannel,
        ),
        (
            Arrival::Online {
                invitation: other_secret.id(),
                proven,
                binding,
            },
            EnrolError::OtherChannel,
        ),
        (
            Arrival::Online {
                invitation,
                proven: Machine::new(9).noise_key(),
                binding,
            },
            EnrolError::OtherKey,
        ),
        (Arrival::Offline, EnrolError::OtherChannel),
    ];
    for (arrival, expected) in cases {
        let refused = enrol_error(admin.judge(&request, arrival, None, NOW));
        assert!(refused.is_alarm());
        assert_eq!(refused, expected);
    }
    let file = machine.request();
    let refused = admin.judge(&file, arrival, Some(terms()), NOW);
    assert_eq!(enrol_error(refused), EnrolError::OtherChannel);
}

#[test]
fn a_file_that_names_no_invitation_needs_terms() {
    let bench = Bench::new();
    let refused = bench
        .admin()
        .judge(&Machine::new(7).request(), Arrival::Offline, None, NOW);
    assert!(matches!(refused, Err(AuthorityError::NoTerms)));
}

#[test]
fn a_request_is_good_for_seven_days_and_not_before_it_was_made() {
    let bench = Bench::new();
    let request = Machine::new(7).request();
    let week = 7 * 86_400;
    let made_at = NOW;
    let admin = bench.admin();
    let judge = |now| admin.judge(&request, Arrival::Offline, Some(terms()), now);
    judge(later(week)).expect("the last moment");
    assert_eq!(
        enrol_error(judge(later(week + 1))),
        EnrolError::TooOld { made_at }
    );
    judge(WallTime(NOW.0 - 300_000)).expect("clocks differ");
    assert_eq!(
        enrol_error(judge(WallTime(NOW.0 - 300_001))),
        EnrolError::FromTheFuture { made_at }
    );
}

#[test]
fn a_request_for_another_clinic_is_refused_and_for_this_one_accepted() {
    let bench = Bench::new();
    let machine = Machine::new(7);
    let here = machine
        .wish()
        .sign(Some(bench.founded.clinic), &machine.key);
    let judge = |request: &SignedRequest| {
        bench
            .admin()
            .judge(request, Arrival::Offline, Some(terms()), NOW)
    };
    judge(&here).expect("for this clinic");
    let other = ClinicId::new([9; 32]);
    let there = machine.wish().sign(Some(other), &machine.key);
    let clinic = other.short();
    assert_eq!(
        judged(&bench, &there, NOW),
        EnrolError::OtherClinic { clinic }
    );
    // The clinic outside the signed bytes cannot be exchanged.
    for clinic in [None, Some(bench.founded.clinic)] {
        let moved = SignedRequest {
            clinic,
            ..there.clone()
        };
        assert!(matches!(
            judged(&bench, &moved, NOW),
            EnrolError::Tampered(_)
        ));
    }
}

#[test]
fn every_changed_byte_of_a_request_file_is_refused() {
    let bench = Bench::new();
    let admin = bench.admin();
    let bytes = Machine::new(7).request().to_file();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let accepted = SignedRequest::from_file(&changed)
            .map_err(AuthorityError::from)
            .and_then(|request| admin.judge(&request, Arrival::Offline, Some(terms()), NOW));
        assert!(accepted.is_err(), "byte {at}");
    }
    let long = vec![b'x'; 4096];
    assert!(matches!(
        SignedRequest::from_file(&long),
        Err(EnrolError::File(FormatError::OtherKind { .. }))
    ));
}

#[test]
fn a_request_signed_by_another_key_of_a_later_version_or_with_unsound_keys_is_refused() {
    let bench = Bench::new();
    let (machine, other) = (Machine::new(7), Machine::new(9));
    let with = |change: fn(&mut EnrolmentRequest), key: &SigningKey| {
        let mut wish = machine.wish();
        change(&mut wish);
        judged(&bench, &wish.sign(None, key), NOW)
    };
    assert_eq!(with(|_| (), &other.key), EnrolError::OtherSigner);
    assert_eq!(
        with(|wish| wish.version = 2, &machine.key),
        EnrolError::Version(2)
    );
    let unsound: [fn(&mut EnrolmentRequest); 2] = [
        |wish| wish.noise_key = NoiseKey::new([0; 32]),
        |wish| wish.address = Some("x".repeat(129)),
    ];
    for change in unsound {
        assert_eq!(with(change, &machine.key), EnrolError::Unsound);
    }
}

#[test]
fn a_request_that_was_used_is_refused_until_the_certificate_has_run_out() {
    let bench = Bench::new();
    let (mut admin, machine) = (bench.admin(), Machine::new(7));
    let until = enrol(&mut admin, &machine).certificate.not_after;
    let device = machine.device();
    let mut judge =
        |request: &SignedRequest, now| admin.approve(request, Arrival::Offline, Some(terms()), now);
    let refused = enrol_error(judge(&machine.request(), NOW));
    assert_eq!(refused, EnrolError::AlreadyEnrolled { device, until });
    let mut wish = machine.wish();
    wish.made_at = WallTime(until.0 + 1);
    judge(&wish.sign(None, &machine.key), wish.made_at).expect("enrolled anew");
}

#[test]
fn a_noise_key_of_another_device_is_refused() {
    let bench = Bench::new();
    let (first, second) = (Machine::new(7), Machine::new(9));
    enrol(&mut bench.admin(), &first);
    let mut wish = second.wish();
    wish.noise_key = first.noise_key();
    let device = second.device();
    let refused = judged(&bench, &wish.sign(None, &second.key), NOW);
    assert_eq!(refused, EnrolError::KeyTaken { device });
    assert!(refused.is_alarm());
}

#[test]
fn a_revoked_device_never_comes_back_with_either_of_its_keys() {
    let bench = Bench::new();
    let (mut admin, machine) = (bench.admin(), Machine::new(7));
    enrol(&mut admin, &machine);
    let end = LogEnd {
        space: Space::Audit(machine.device()),
        epoch: crate::domain::log::Epoch(5),
        seq: 12,
    };
    let ends = vec![end, end];
    admin
        .revoke_device(machine.device(), ends, NOW)
        .expect("signed");
    assert!(!admin.clinic().is_member(&machine.device()));
    let author = machine.key.id();
    assert_eq!(
        admin.clinic().named_end(&author, &end.space, end.epoch),
        Some(12)
    );
    let refused = admin.answer(machine.device(), NOW);
    assert!(matches!(refused, Err(AuthorityError::NotEnrolled { .. })));
    drop(admin);
    let long_after = later(40 * 86_400);
    let (mut same, mut fresh) = (machine.wish(), Machine::new(9).wish());
    same.noise_key = Machine::new(9).noise_key();
    fresh.noise_key = machine.noise_key();
    for (wish, key) in [
        (&mut same, &machine.key),
        (&mut fresh, &Machine::new(9).key),
    ] {
        wish.made_at = long_after;
        let device = wish.device;
        let refused = judged(&bench, &wish.sign(None, key), long_after);
        assert_eq!(refused, EnrolError::Revoked { device });
    }
}

#[test]
fn a_device_with_more_logs_than_a_statement_names_is_revoked_all_the_same() {
    let bench = Bench::new();
    let (mut admin, machine) = (bench.admin(), Machine::new(7));
    enrol(&mut admin, &machine);
    let staff = |number: u64| crate::domain::id::StaffId::new([number as u8; 16]);
    let group = |number| {
        let members = (number..number + 8).map(staff);
        crate::domain::group::Group::of(members).expect("eight people")
    };
    // A year of one start a day, with a few large groups.
    let ends = (0..365_u64).flat_map(|start| {
        (1..=10).map(move |number| LogEnd {
            space: Space::Group(group(number)),
            epoch: crate::domain::log::Epoch((1_u64 << 40) | start),
            seq: 1 + start,
        })
    });
    let statements = admin
        .revoke_device(machine.device(), ends.collect(), NOW)
        .expect("signed");

    assert_eq!(statements.len(), 8);
    assert!(!admin.clinic().is_member(&machine.device()));
    let author = machine.key.id();
    let end_of = |number, start| {
        let epoch = crate::domain::log::Epoch((1_u64 << 40) | start);
        let space = Space::Group(group(number));
        admin.clinic().named_end(&author, &space, epoch)
    };
    assert!((1..=10).all(|number| end_of(number, 364) == Some(365)));
    assert_eq!(end_of(1, 0), None);
    let bytes = statements
        .iter()
        .map(|one| crate::domain::codec::encode(one).len());
    assert!(bytes.sum::<usize>() < 512 * 1024);
}

#[test]
fn an_invitation_is_used_by_the_admin_who_issued_it_only() {
    let bench = Bench::new();
    let mesh_keys = bench.admin().mesh_keys();
    let (secret, arrival, machine) = invited(&mut bench.admin());
    let new = NewAdmin {
        name: name("ben"),
        scopes: Scopes::of(Scopes::ALL),
        not_after: later(1000),
        mesh_keys,
        web_ca: None,
    };
    let mut root = bench.root();
    root.grant_admin(new, &admin_words(), CHEAP, NOW)
        .expect("granted");
    drop(root);
    let mut ben = Authority::open_admin(&bench.path(), &name("ben"), &admin_words(), bench.rng())
        .expect("opened");
    let (invitation, request) = (secret.id(), online(&machine, secret.id()));
    let refused = enrol_error(ben.approve(&request, arrival, None, NOW));
    assert_eq!(refused, EnrolError::OtherIssuer { invitation });
    drop(ben);
    bench
        .admin()
        .approve(&request, arrival, None, NOW)
        .expect("the issuer's own");
}

#[test]
fn an_admin_certifies_a_device_anew_with_the_rights_it_has() {
    let bench = Bench::new();
    let mut admin = bench.admin();
    let machine = Machine::new(1);
    let before = enrol(&mut admin, &machine).certificate;
    let (until, _) = admin
        .renew_device(machine.device(), later(40 * 86_400))
        .expect("certified");
    let after = admin.clinic().devices[&machine.device()]
        .certificate
        .clone();
    assert_eq!(after.not_after, until);
    assert_eq!(until, later(70 * 86_400));
    assert_eq!(after.capabilities, before.capabilities);
    assert_eq!(after.noise_key, before.noise_key);
    assert_ne!(after.serial, before.serial);
}

#[test]
fn an_admin_certifies_no_revoked_device_anew() {
    let bench = Bench::new();
    let mut admin = bench.admin();
    let machine = Machine::new(1);
    enrol(&mut admin, &machine);
    admin
        .revoke_device(machine.device(), vec![], NOW)
        .expect("revoked");
    let refused = sign_error(admin.renew_device(machine.device(), later(60)));
    assert!(
        matches!(
            refused,
            SignError::Void {
                reason: VoidReason::Revoked,
                ..
            }
        ),
        "{refused}"
    );
}
