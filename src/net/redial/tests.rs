use super::*;

const PEER: Target = Target::Device(DeviceId::new([1; 32]));

fn peer(n: u8) -> Target {
    Target::Device(DeviceId::new([n; 32]))
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Lets every try fail and returns the waits between them.
fn waits(redial: &mut Redial, start: Instant, tries: usize) -> Vec<Duration> {
    let mut now = start;
    let mut waits = Vec::new();
    for _ in 0..tries {
        assert_eq!(redial.take_due(now), [PEER]);
        redial.failed(PEER, now);
        let due = redial.next_due().unwrap();
        waits.push(due - now);
        now = due;
    }
    waits
}

#[test]
fn the_absent_are_dialled_ever_less_often_up_to_once_a_minute_or_so() {
    let mut redial = Redial::new([1; 32]);
    let start = Instant::now();
    redial.want(PEER, start);
    let waits = waits(&mut redial, start, 10);
    for (wait, least) in waits.iter().zip([1, 2, 4, 8, 16, 32, 60, 60, 60, 60]) {
        let (least, most) = (seconds(least), seconds(least).mul_f64(1.5));
        assert!((least..=most).contains(wait), "{wait:?} {least:?}");
    }
}

#[test]
fn two_nodes_do_not_dial_in_step() {
    let start = Instant::now();
    let mut one = Redial::new([1; 32]);
    let mut other = Redial::new([2; 32]);
    one.want(PEER, start);
    other.want(PEER, start);
    assert_ne!(waits(&mut one, start, 3), waits(&mut other, start, 3));
}

#[test]
fn at_most_eight_dials_are_in_flight_and_the_longest_waiting_goes_first() {
    let mut redial = Redial::new([1; 32]);
    let start = Instant::now();
    for n in 1..=10 {
        redial.want(peer(n), start - seconds(n.into()));
    }
    let first: Vec<_> = (3..=10).rev().map(peer).collect();
    assert_eq!(redial.take_due(start), first);
    assert_eq!(redial.take_due(start), []);
    assert_eq!(redial.next_due(), None, "nothing to wake up for");
    redial.failed(peer(10), start);
    assert_eq!(redial.take_due(start), [peer(2)]);
    redial.reached(peer(9));
    assert_eq!(redial.take_due(start), [peer(1)]);
}

#[test]
fn news_of_the_peer_brings_the_next_try_forward_but_never_within_a_second_of_the_last() {
    let mut redial = Redial::new([1; 32]);
    let start = Instant::now();
    redial.want(PEER, start);
    let _late = waits(&mut redial, start, 8);
    let last = redial.waiting[&PEER].last.unwrap();
    redial.hurry(PEER, last);
    assert_eq!(redial.next_due(), Some(last + SHORTEST));
    let later = last + seconds(10);
    redial.hurry(PEER, later);
    assert_eq!(
        redial.next_due(),
        Some(last + SHORTEST),
        "never later than before"
    );
    redial.take_due(later);
    redial.failed(PEER, later);
    assert!(
        redial.next_due().unwrap() <= later + seconds(2),
        "and it starts from one second again"
    );
}

#[test]
fn news_of_our_own_address_brings_every_try_forward() {
    let mut redial = Redial::new([1; 32]);
    let now = Instant::now();
    redial.want(peer(1), now + seconds(30));
    redial.want(peer(2), now + seconds(40));
    redial.hurry_all(now);
    assert_eq!(redial.take_due(now).len(), 2);
}

#[test]
fn a_peer_that_is_reached_is_not_dialled_until_it_is_lost() {
    let mut redial = Redial::new([1; 32]);
    let now = Instant::now();
    redial.want(PEER, now);
    redial.take_due(now);
    redial.reached(PEER);
    redial.want(PEER, now);
    redial.hurry(PEER, now);
    assert_eq!(redial.next_due(), None);
    redial.lost(PEER, seconds(3600), seconds(0), now);
    assert_eq!(redial.take_due(now), [PEER]);
}

#[test]
fn a_peer_whose_links_do_not_last_is_dialled_ever_less_often() {
    let mut redial = Redial::new([1; 32]);
    let now = Instant::now();
    let mut last = seconds(0);
    for round in 0..6 {
        redial.lost(PEER, seconds(1), seconds(0), now);
        let wait = redial.next_due().unwrap() - now;
        assert!(wait > last || round == 0, "{wait:?} after {last:?}");
        last = wait;
        redial.reached(PEER);
    }
    assert!(last >= seconds(16));
    redial.lost(PEER, STEADY, seconds(0), now);
    assert_eq!(redial.next_due(), Some(now));
}

#[test]
fn who_is_not_wanted_any_more_is_not_dialled_and_leaves_no_trace() {
    let mut redial = Redial::new([1; 32]);
    let now = Instant::now();
    redial.want(PEER, now);
    redial.want(peer(2), now);
    redial.take_due(now);
    redial.retain(|target| *target == PEER);
    redial.failed(peer(2), now);
    redial.forget(PEER);
    redial.failed(PEER, now);
    assert_eq!(redial.next_due(), None);
    assert!(redial.waiting.is_empty() && redial.in_flight.is_empty());
}
