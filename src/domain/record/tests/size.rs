//! Large records: the fold's work grows with the number of statements, not with its square.
//!
//! No clock is read here. Where a pair of statements were compared for each pair, these tests would
//! run for minutes.

use super::*;

/// So many statements that an enemy with an admin's key writes in one place.
const MANY: u64 = 20_000;

/// [`MANY`] statements, taken in turn by Robin and Sam who have seen all of each other's.
fn many(clinic: &SampleClinic, act: impl Fn(u64) -> Act) -> Vec<Item> {
    let authors = [ADMIN, "Sam"].map(|who| clinic.admins[who].key.id());
    let item = |n: u64| {
        let (turn, seq) = ((n % 2) as usize, 100 + n / 2);
        let (author, other) = (authors[turn], authors[1 - turn]);
        let seen = vec![Seen { author: other, seq }];
        Item {
            id: StatementId { author, seq },
            time: Hlc(Hlc::at(NOON).0 + n),
            statement: Statement { seen, act: act(n) },
        }
    };
    let start = clinic.items().iter().cloned();
    start.chain((0..MANY).map(item)).collect()
}

#[test]
fn twenty_thousand_changes_of_one_member_are_folded() {
    let clinic = with_sam(clinic());
    let items = many(&clinic, |n| {
        if n % 2 == 0 {
            remove("Ana")
        } else {
            add("Ana")
        }
    });
    let record = Clinic::fold(clinic.id, &items);
    assert!(record.is_in(&staff("Ana"), &Space::Room(room("rounds"))));
}

#[test]
fn twenty_thousand_policies_with_the_rule_of_two_are_folded() {
    let clinic = with_sam(clinic());
    let items = many(&clinic, |n| {
        let mut policy = Policy::initial();
        policy.version = 2 + n as u32;
        policy.room_days = 30 + (n % 7) as u16;
        policy.two_admins = Some(crate::domain::policy::TwoAdmins::ShorterRetention);
        Act::PolicySet { policy }
    });
    let record = Clinic::fold(clinic.id, &items);
    assert_eq!(record.policy.room_days, 36);
}

#[test]
fn twenty_thousand_suspensions_and_their_ends_are_folded() {
    let clinic = with_sam(clinic());
    let robin = clinic.admins[ADMIN].key.id();
    let act = |n: u64| {
        if n.is_multiple_of(2) {
            return Act::StaffSuspended {
                staff: staff("Ana"),
            };
        }
        Act::StaffChanged {
            staff: staff("Ana"),
            facts: facts("Ana", ["front-desk"]),
            lifts: vec![StatementId {
                author: robin,
                seq: 100 + n / 2,
            }],
        }
    };
    let record = Clinic::fold(clinic.id, &many(&clinic, act));
    assert_eq!(record.staff[&staff("Ana")].status, Status::Active);
}

#[test]
fn twenty_thousand_revocations_of_one_device_are_folded() {
    let clinic = with_sam(clinic());
    let act = |n: u64| {
        let end = LogEnd {
            space: Space::Record,
            epoch: Epoch(n),
            seq: 1,
        };
        let mut revocation = clinic.revocation("ward-2", vec![end]);
        revocation.serial = Serial::new(seed16("serial", &n.to_string()));
        Act::DeviceRevoked { revocation }
    };
    let record = Clinic::fold(clinic.id, &many(&clinic, act));
    let ends = &record.revocations[&clinic.device("ward-2").id].ends;
    assert_eq!(ends.len() as u64, MANY);
}

#[test]
fn twenty_thousand_enrolments_under_a_revoked_key_are_folded() {
    let mut clinic = with_sam(clinic());
    clinic.revoke("ward-2");
    let certificate = clinic.device("ward-2").signed.clone();
    let items = many(&clinic, |_| Act::DeviceEnrolled {
        certificate: certificate.clone(),
        invitation: None,
        address: None,
    });
    let record = Clinic::fold(clinic.id, &items);
    assert_eq!(record.members().count(), 1);
}

/// What a clinic writes in years: mostly staff and rooms, and a renewal now and then.
#[test]
fn twenty_thousand_ordinary_statements_are_folded() {
    let clinic = with_sam(clinic());
    let signed = [ADMIN, "Sam"].map(|who| clinic.certify(who, &clinic.draft("ward-2")));
    let act = |n: u64| match n % 10 {
        0 | 1 => Act::DeviceEnrolled {
            certificate: signed[(n % 2) as usize].clone(),
            invitation: None,
            address: None,
        },
        2..6 => Act::StaffAdded {
            staff: StaffId::new(seed16("staff", &(n / 10).to_string())),
            facts: facts("Someone", ["ward-2"]),
        },
        6..9 => add("Ben"),
        _ => policy(n as u32, 30),
    };
    let record = Clinic::fold(clinic.id, &many(&clinic, act));
    assert_eq!(record.staff.len() as u64, MANY / 10 + 2);
}
