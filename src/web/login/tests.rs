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

fn begins(staff: StaffId) -> Beginning {
    Beginning {
        staff,
        stage: Stage::Ready,
        origin: Origin::Browser,
        address: Some(IpAddr::from([192, 0, 2, 20])),
        agent: None,
    }
}

fn half(staff: StaffId) -> Beginning {
    Beginning {
        stage: Stage::Factor,
        ..begins(staff)
    }
}

fn key(token: &str) -> LoginKey {
    LoginKey::of(token)
}

#[test]
fn a_login_ends_after_its_idle_minutes_unless_a_person_did_something() {
    let mut logins = Logins::default();
    logins.begin(key("a"), begins(ANA), at(minutes(0)));
    let check = |logins: &mut Logins, minute, usage| {
        logins.check(key("a"), at(minutes(minute)), IDLE, usage)
    };
    assert_eq!(check(&mut logins, 9, Use::Person), Ok((ANA, Stage::Ready)));
    assert_eq!(
        check(&mut logins, 18, Use::Background),
        Ok((ANA, Stage::Ready))
    );
    let ended = Some(Ended { staff: ANA });
    assert_eq!(check(&mut logins, 19, Use::Person), Err(ended));
    assert_eq!(check(&mut logins, 19, Use::Person), Err(None));
}

#[test]
fn a_login_ends_after_twelve_hours_however_busy() {
    let mut logins = Logins::default();
    logins.begin(key("a"), begins(ANA), at(minutes(0)));
    for minute in (0..720).step_by(9) {
        let found = logins.check(key("a"), at(minutes(minute)), IDLE, Use::Person);
        assert_eq!(found, Ok((ANA, Stage::Ready)));
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
    logins.begin(key("asleep"), begins(ANA), at(minutes(0)));
    logins.begin(key("put back"), begins(BO), at(minutes(0)));
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
    logins.begin(key("bo"), begins(BO), at(minutes(0)));
    for minute in 1..=4 {
        assert_eq!(
            logins.begin(key(&minute.to_string()), begins(ANA), at(minutes(minute))),
            []
        );
    }
    let ended = logins.begin(key("5"), begins(ANA), at(minutes(5)));
    assert_eq!(ended, [Ended { staff: ANA }]);
    assert!(!logins.is_live(key("1")) && logins.is_live(key("2")) && logins.is_live(key("bo")));
}

#[test]
fn a_login_that_begins_is_never_the_one_that_ends() {
    let mut logins = Logins::default();
    for number in 0..50 {
        let fresh = key(&number.to_string());
        logins.begin(fresh, begins(ANA), at(minutes(0)));
        assert!(logins.is_live(fresh), "{number}");
    }
    assert_eq!(logins.count(), LOGINS_MAX);
}

#[test]
fn who_proved_who_they_are_may_change_things_for_five_minutes_and_unlocking_proves_nothing() {
    let mut logins = Logins::default();
    logins.begin(key("a"), begins(ANA), at(minutes(0)));
    assert!(logins.is_fresh(key("a"), at(minutes(4))));
    assert!(!logins.is_fresh(key("a"), at(minutes(5))));
    logins.move_on(key("a"), key("unlocked"), at(minutes(6)));
    assert!(!logins.is_fresh(key("unlocked"), at(minutes(6))));
    logins.prove_again(key("unlocked"), key("proven"), at(minutes(7)));
    assert!(logins.is_fresh(key("proven"), at(minutes(11))));
    assert!(!logins.is_fresh(key("proven"), at(minutes(12))));
    assert!(!logins.is_live(key("unlocked")) && !logins.is_live(key("a")));
}

#[test]
fn what_is_between_its_two_steps_is_forgotten_after_five_minutes() {
    let mut logins = Logins::default();
    logins.begin(key("a"), begins(ANA), at(minutes(0)));
    let pending = || Pending::Totp(Zeroizing::new([1; TOTP_SECRET]));
    logins.keep_pending(key("a"), pending(), at(minutes(1)));
    assert!(logins.take_pending(key("a"), at(minutes(5))).is_some());
    assert!(logins.take_pending(key("a"), at(minutes(5))).is_none());
    logins.keep_pending(key("a"), pending(), at(minutes(1)));
    assert!(logins.take_pending(key("a"), at(minutes(6))).is_none());
}

#[test]
fn whoever_may_no_longer_sign_in_is_out_at_the_next_look() {
    let mut logins = Logins::default();
    logins.begin(key("a"), begins(ANA), at(minutes(0)));
    logins.begin(key("b"), begins(BO), at(minutes(0)));
    let ended = logins.sweep(at(minutes(1)), IDLE, |staff| *staff == BO);
    assert_eq!(ended, [Ended { staff: ANA }]);
    assert_eq!(
        logins.sweep(at(minutes(10)), IDLE, |_| true),
        [Ended { staff: BO }]
    );
    assert_eq!(logins.count(), 0);
    assert_eq!(logins.withdrawn(key("a"), at(minutes(11))), Some(ANA));
    assert_eq!(logins.withdrawn(key("b"), at(minutes(11))), None, "idle");
    assert_eq!(logins.withdrawn(key("c"), at(minutes(11))), None);
    assert_eq!(logins.withdrawn(key("a"), at(minutes(721))), None);
}

#[test]
fn only_who_had_signed_in_to_the_end_is_told_that_an_admin_ended_it() {
    let mut logins = Logins::default();
    logins.begin(key("half"), half(ANA), at(minutes(0)));
    logins.sweep(at(minutes(1)), IDLE, |_| false);
    assert!(!logins.is_live(key("half")));
    assert_eq!(logins.withdrawn(key("half"), at(minutes(1))), None);
}

#[test]
fn of_sixty_four_withdrawn_logins_the_newest_are_remembered() {
    let mut logins = Logins::default();
    for number in 0..65u8 {
        let staff = StaffId::new([number; 16]);
        let key = key(&number.to_string());
        logins.begin(key, begins(staff), at(minutes(0)));
        logins.sweep(at(minutes(1)), IDLE, |_| false);
    }
    let remembered = (0..65u8).filter(|number| {
        let key = key(&number.to_string());
        logins.withdrawn(key, at(minutes(1))).is_some()
    });
    assert_eq!(
        remembered.collect::<Vec<u8>>(),
        (1..65).collect::<Vec<u8>>()
    );
}

#[test]
fn a_changed_password_ends_every_other_login_of_its_person() {
    let mut logins = Logins::default();
    for token in ["here", "there"] {
        logins.begin(key(token), begins(ANA), at(minutes(0)));
    }
    logins.begin(key("bo"), begins(BO), at(minutes(0)));
    assert_eq!(logins.end_others(&ANA, key("here")), [Ended { staff: ANA }]);
    assert!(logins.is_live(key("here")) && logins.is_live(key("bo")));
}

#[test]
fn a_half_login_ends_after_five_minutes_and_leaves_no_sign_out_behind() {
    let mut logins = Logins::default();
    logins.begin(key("a"), half(ANA), at(minutes(0)));
    let check = |logins: &mut Logins, minute| {
        logins.check(key("a"), at(minutes(minute)), IDLE, Use::Person)
    };
    assert_eq!(check(&mut logins, 4), Ok((ANA, Stage::Factor)));
    assert_eq!(logins.count(), 0, "nobody is signed in");
    assert_eq!(check(&mut logins, 5), Err(None));
}

#[test]
fn who_knows_a_password_alone_ends_nobodys_login() {
    let mut logins = Logins::default();
    logins.begin(key("ana"), begins(ANA), at(minutes(0)));
    for minute in 1..=20 {
        let ended = logins.begin(key(&minute.to_string()), half(ANA), at(minutes(minute)));
        assert_eq!(ended, []);
    }
    assert!(logins.is_live(key("ana")) && logins.is_live(key("20")));
    assert!(!logins.is_live(key("16")), "four half logins at most");
}

#[test]
fn a_login_that_comes_further_leaves_its_key_behind() {
    let mut logins = Logins::default();
    logins.begin(key("before"), half(ANA), at(minutes(0)));
    logins.move_on(key("before"), key("after"), at(minutes(3)));
    let check = |logins: &mut Logins, token, minute| {
        logins.check(key(token), at(minutes(minute)), IDLE, Use::Person)
    };
    assert_eq!(check(&mut logins, "before", 4), Err(None));
    assert_eq!(check(&mut logins, "after", 12), Ok((ANA, Stage::Ready)));
    assert!(
        !logins.is_fresh(key("after"), at(minutes(8)))
            && logins.is_fresh(key("after"), at(minutes(7)))
    );
}

#[test]
fn a_locked_login_is_logged_off_like_any_and_nothing_puts_that_off() {
    let mut logins = Logins::default();
    logins.begin(key("a"), begins(ANA), at(minutes(0)));
    logins.lock(key("a"));
    let check = |logins: &mut Logins, minute| {
        logins.check(key("a"), at(minutes(minute)), IDLE, Use::Person)
    };
    assert_eq!(check(&mut logins, 9), Ok((ANA, Stage::Locked)));
    assert!(!logins.may_watch(key("a")));
    assert_eq!(check(&mut logins, 10), Err(Some(Ended { staff: ANA })));
}
