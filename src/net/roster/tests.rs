use super::*;

const SMALL: DeviceId = DeviceId::new([1; 32]);
const LARGE: DeviceId = DeviceId::new([2; 32]);

struct Pair {
    small: Roster,
    large: Roster,
    start: Instant,
}

impl Pair {
    fn new() -> Self {
        Self {
            small: Roster::new(SMALL),
            large: Roster::new(LARGE),
            start: Instant::now(),
        }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn dial(&self, seconds: u64, purpose: Purpose) -> Dial {
        Dial {
            began: self.at(seconds),
            purpose,
        }
    }
}

const A: LinkId = LinkId(1);
const B: LinkId = LinkId(2);

#[test]
fn two_that_dial_each_other_at_once_keep_what_the_smaller_dialled() {
    let mut pair = Pair::new();
    let dial = pair.dial(0, Purpose::Connect);
    let now = pair.at(1);
    // Connection A was dialled by the small one, B by the large one; both open their streams.
    assert_eq!(pair.small.on_dialled(LARGE, A, dial), Verdict::Use(None));
    assert_eq!(pair.large.on_dialled(SMALL, B, dial), Verdict::Use(None));
    assert_eq!(
        pair.small.on_stream(LARGE, A, Some(dial), now),
        Verdict::Use(None)
    );
    assert_eq!(
        pair.large.on_stream(SMALL, B, Some(dial), now),
        Verdict::Use(None)
    );
    // Then each is offered the other's.
    assert_eq!(pair.small.on_stream(LARGE, B, None, now), Verdict::Close);
    assert_eq!(
        pair.large.on_stream(SMALL, A, None, now),
        Verdict::Use(Some(B))
    );
}

#[test]
fn in_a_race_the_order_of_the_news_changes_nothing() {
    let mut pair = Pair::new();
    let dial = pair.dial(0, Purpose::Connect);
    let now = pair.at(1);
    // The small one hears of the large one's stream first, and still prefers its own connection.
    assert_eq!(
        pair.small.on_stream(LARGE, B, None, now),
        Verdict::Use(None)
    );
    assert_eq!(pair.small.on_dialled(LARGE, A, dial), Verdict::Use(Some(B)));
    assert_eq!(
        pair.small.on_stream(LARGE, A, Some(dial), now),
        Verdict::Use(Some(B))
    );
    // The large one hears of the small one's stream first, and drops its own.
    assert_eq!(
        pair.large.on_stream(SMALL, A, None, now),
        Verdict::Use(None)
    );
    assert_eq!(pair.large.on_dialled(SMALL, B, dial), Verdict::Close);
}

#[test]
fn a_dial_that_began_after_the_link_was_up_is_no_race() {
    let mut pair = Pair::new();
    pair.small.on_stream(LARGE, B, None, pair.start);
    let later = pair.dial(1, Purpose::Connect);
    assert_eq!(pair.small.on_dialled(LARGE, A, later), Verdict::Close);
}

#[test]
fn a_dialler_opens_one_stream_to_a_device_whatever_else_it_reached() {
    let mut pair = Pair::new();
    let dial = pair.dial(0, Purpose::Connect);
    assert_eq!(pair.small.on_dialled(LARGE, A, dial), Verdict::Use(None));
    assert_eq!(pair.small.on_dialled(LARGE, B, dial), Verdict::Close);
    pair.small.on_closed(A);
    assert_eq!(pair.small.on_dialled(LARGE, B, dial), Verdict::Use(None));
}

#[test]
fn a_peer_that_came_back_replaces_its_own_dead_link_at_once() {
    let mut pair = Pair::new();
    pair.small.on_stream(LARGE, A, None, pair.start);
    assert_eq!(
        pair.small.on_stream(LARGE, B, None, pair.at(1)),
        Verdict::Use(Some(A))
    );
}

#[test]
fn a_peer_that_came_back_replaces_the_dead_link_that_we_dialled() {
    let mut pair = Pair::new();
    let dial = pair.dial(0, Purpose::Connect);
    pair.small.on_dialled(LARGE, A, dial);
    pair.small.on_stream(LARGE, A, Some(dial), pair.start);
    let after = pair.start + RACE;
    assert_eq!(
        pair.small.on_stream(LARGE, B, None, after),
        Verdict::Use(Some(A))
    );
}

#[test]
fn an_old_link_is_replaced_by_whoever_dials_to_replace_it() {
    let mut pair = Pair::new();
    pair.large.on_stream(SMALL, A, None, pair.start);
    let dial = pair.dial(100, Purpose::Replace);
    assert_eq!(pair.large.on_dialled(SMALL, B, dial), Verdict::Use(Some(A)));
    assert_eq!(
        pair.large.on_stream(SMALL, B, Some(dial), pair.at(101)),
        Verdict::Use(Some(A))
    );
    // The end of the old one does not take the new one away.
    pair.large.on_closed(A);
    assert!(pair.large.has(&SMALL));
    pair.large.on_closed(B);
    assert!(!pair.large.has(&SMALL));
}
