use super::*;
use crate::domain::testing::{NOON, minutes};

const ANA: StaffId = StaffId::new([1; 16]);
const BO: StaffId = StaffId::new([2; 16]);
const IDLE: Duration = minutes(10);

fn at(span: Duration) -> Now {
    Now {
        wall: NOON.plus(span),
        mono: span,
    }
}

fn key(token: &str) -> LoginKey {
    LoginKey::of(token)
}

#[test]
fn a_login_ends_after_its_idle_minutes_unless_a_person_did_something() {
    let mut logins = Logins::default();
    logins.begin(key("a"), ANA, at(minutes(0)));
    let check = |logins: &mut Logins, minute, usage| {
        logins.check(key("a"), at(minutes(minute)), IDLE, usage)
    };
    assert_eq!(check(&mut logins, 9, Use::Person), Ok(ANA));
    assert_eq!(check(&mut logins, 18, Use::Background), Ok(ANA));
    let ended = Some(Ended { staff: ANA });
    assert_eq!(check(&mut logins, 19, Use::Person), Err(ended));
    assert_eq!(check(&mut logins, 19, Use::Person), Err(None));
}

#[test]
fn a_login_ends_after_twelve_hours_however_busy() {
    let mut logins = Logins::default();
    logins.begin(key("a"), ANA, at(minutes(0)));
    for minute in (0..720).step_by(9) {
        let found = logins.check(key("a"), at(minutes(minute)), IDLE, Use::Person);
        assert_eq!(found, Ok(ANA));
    }
    assert!(
        logins
            .check(key("a"), at(minutes(720)), IDLE, Use::Person)
            .is_err()
    );
}

#[test]
fn neither_a_sleeping_machine_nor_a_clock_put_back_keeps_a_login_alive() {
    let mut logins = Logins::default();
    logins.begin(key("asleep"), ANA, at(minutes(0)));
    logins.begin(key("put back"), BO, at(minutes(0)));
    let asleep = Now {
        wall: NOON.plus(minutes(60)),
        mono: minutes(1),
    };
    let put_back = Now {
        wall: NOON.minus(minutes(60)),
        mono: minutes(60),
    };
    assert!(
        logins
            .check(key("asleep"), asleep, IDLE, Use::Person)
            .is_err()
    );
    assert!(
        logins
            .check(key("put back"), put_back, IDLE, Use::Person)
            .is_err()
    );
}

#[test]
fn the_fifth_login_of_a_person_ends_the_oldest() {
    let mut logins = Logins::default();
    logins.begin(key("bo"), BO, at(minutes(0)));
    for minute in 1..=4 {
        assert_eq!(
            logins.begin(key(&minute.to_string()), ANA, at(minutes(minute))),
            []
        );
    }
    let ended = logins.begin(key("5"), ANA, at(minutes(5)));
    assert_eq!(ended, [Ended { staff: ANA }]);
    assert!(!logins.is_live(key("1")) && logins.is_live(key("2")) && logins.is_live(key("bo")));
}

#[test]
fn whoever_may_no_longer_sign_in_is_out_at_the_next_look() {
    let mut logins = Logins::default();
    logins.begin(key("a"), ANA, at(minutes(0)));
    logins.begin(key("b"), BO, at(minutes(0)));
    let ended = logins.sweep(at(minutes(1)), IDLE, |staff| *staff == BO);
    assert_eq!(ended, [Ended { staff: ANA }]);
    assert_eq!(
        logins.sweep(at(minutes(10)), IDLE, |_| true),
        [Ended { staff: BO }]
    );
    assert_eq!(logins.count(), 0);
}

#[test]
fn a_changed_password_ends_every_other_login_of_its_person() {
    let mut logins = Logins::default();
    for token in ["here", "there"] {
        logins.begin(key(token), ANA, at(minutes(0)));
    }
    logins.begin(key("bo"), BO, at(minutes(0)));
    assert_eq!(logins.end_others(&ANA, key("here")), [Ended { staff: ANA }]);
    assert!(logins.is_live(key("here")) && logins.is_live(key("bo")));
}
