use super::*;
use crate::domain::id::AuthorId;
use crate::domain::log::Epoch;
use crate::domain::testing::{NOON, passkey};
use crate::domain::time::Hlc;

fn at(minute: u64) -> Position {
    Position {
        time: Hlc::at(NOON.plus(std::time::Duration::from_secs(60 * minute))),
        author: AuthorId::new([1; 32]),
        epoch: Epoch(1),
        seq: minute,
    }
}

fn hash(n: u8) -> Hash {
    Hash::new([n; 32])
}

fn items() -> Vec<(Position, StaffItem)> {
    let password = |phc: &str| StaffItem::Password {
        phc: phc.to_owned(),
        at: NOON,
    };
    let codes = |from: u8| StaffItem::RecoveryCodes {
        hashes: (from..from + 10).map(hash).collect(),
    };
    let totp = |n: u8, step| StaffItem::Totp {
        secret: [n; TOTP_SECRET],
        step,
    };
    vec![
        (at(1), password("old")),
        (at(2), totp(1, 100)),
        (at(3), codes(1)),
        (at(4), StaffItem::TotpUsed { step: 120 }),
        (at(5), StaffItem::FactorsCleared {}),
        (at(6), password("new")),
        (at(7), totp(2, 110)),
        (at(8), codes(50)),
        (at(9), StaffItem::RecoveryUsed { hash: hash(52) }),
    ]
}

fn fold(items: impl IntoIterator<Item = (Position, StaffItem)>) -> Credentials {
    let mut credentials = Credentials::default();
    for (at, item) in items {
        credentials.learn(at, item);
    }
    credentials
}

#[test]
fn credentials_are_the_same_in_whatever_order_their_entries_arrive() {
    let forward = fold(items());
    assert_eq!(forward, fold(items().into_iter().rev()));
    assert_eq!(forward.password().map(|(phc, _)| phc), Some("new"));
    assert_eq!(forward.totp(), Some(&[2; TOTP_SECRET]));
    assert_eq!((forward.last_step(), forward.recovery_left()), (120, 9));
}

#[test]
fn a_recovery_code_works_once_and_only_of_the_newest_ten() {
    let credentials = fold(items());
    assert!(credentials.is_recovery_code(&hash(50)));
    assert!(!credentials.is_recovery_code(&hash(52)), "spent");
    assert!(!credentials.is_recovery_code(&hash(2)), "of the ten before");
}

#[test]
fn clearing_takes_every_factor_and_leaves_the_password() {
    let mut credentials = fold(items());
    assert!(credentials.has_factor());
    credentials.learn(at(10), StaffItem::FactorsCleared {});
    assert!(!credentials.has_factor() && credentials.recovery_left() == 0);
    assert_eq!(
        credentials.last_step(),
        120,
        "no code is taken twice all the same"
    );
    assert!(credentials.password().is_some());
}

fn used(n: u8, counter: u32) -> StaffItem {
    StaffItem::PasskeyUsed {
        passkey: passkey(n).id(),
        counter,
        copies: Copies::Made,
    }
}

fn removed(n: u8) -> StaffItem {
    StaffItem::PasskeyRemoved {
        passkey: passkey(n).id(),
    }
}

#[test]
fn passkeys_are_the_same_in_whatever_order_their_entries_arrive() {
    let items = [
        (at(1), StaffItem::PasskeyAdded(passkey(1))),
        (at(2), StaffItem::FactorsCleared {}),
        (at(3), StaffItem::PasskeyAdded(passkey(2))),
        (at(4), StaffItem::PasskeyAdded(passkey(3))),
        (at(5), used(3, 9)),
        (at(6), used(3, 8)),
        (at(7), removed(2)),
    ];
    let forward = fold(items.clone());
    assert_eq!(forward, fold(items.into_iter().rev()));
    let left: Vec<Passkey> = forward.passkeys().map(|(_, passkey)| passkey).collect();
    let expected = Passkey {
        counter: 9,
        copies: Copies::Made,
        ..passkey(3)
    };
    assert_eq!(left, [expected], "cleared, removed, and used");
}

#[test]
fn the_last_factor_stays_and_what_is_not_there_is_not_removed() {
    let totp = StaffItem::Totp {
        secret: [1; TOTP_SECRET],
        step: 1,
    };
    let mut one = fold([(at(1), StaffItem::PasskeyAdded(passkey(1)))]);
    assert_eq!(one.admits(&removed(1)), Err(FactorRefusal::Last));
    assert_eq!(one.admits(&removed(2)), Err(FactorRefusal::Unknown));
    assert_eq!(
        one.admits(&StaffItem::TotpRemoved {}),
        Err(FactorRefusal::Unknown)
    );
    one.learn(at(2), totp.clone());
    assert_eq!(one.admits(&removed(1)), Ok(()));
    assert_eq!(one.admits(&StaffItem::TotpRemoved {}), Ok(()));
    one.learn(at(3), removed(1));
    assert_eq!(
        one.admits(&StaffItem::TotpRemoved {}),
        Err(FactorRefusal::Last)
    );
    // One that was taken away can be set up anew, and a passkey's end is an end.
    let mut again = fold([(at(1), totp.clone()), (at(2), StaffItem::TotpRemoved {})]);
    assert_eq!(again.totp(), None);
    again.learn(at(3), totp);
    assert!(again.totp().is_some());
}

#[test]
fn the_eleventh_passkey_is_refused() {
    let ten = (1..=10).map(|n| (at(u64::from(n)), StaffItem::PasskeyAdded(passkey(n))));
    let mut credentials = fold(ten);
    let eleventh = StaffItem::PasskeyAdded(passkey(11));
    assert_eq!(credentials.admits(&eleventh), Err(FactorRefusal::TooMany));
    credentials.learn(at(20), removed(4));
    assert_eq!(credentials.admits(&eleventh), Ok(()));
}

#[test]
fn a_use_with_a_number_that_was_there_before_is_refused_after_whichever_node_saw_it() {
    let mut credentials = fold([(at(1), StaffItem::PasskeyAdded(passkey(1)))]);
    assert_eq!(credentials.admits(&used(1, 8)), Ok(()));
    credentials.learn(at(2), used(1, 8));
    assert_eq!(credentials.admits(&used(1, 8)), Err(FactorRefusal::Copied));
    assert_eq!(credentials.admits(&used(1, 9)), Ok(()));
    assert_eq!(credentials.admits(&used(2, 9)), Err(FactorRefusal::Unknown));
}
