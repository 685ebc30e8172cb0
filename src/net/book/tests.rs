use std::time::Duration;

use super::*;

const ANNA: DeviceId = DeviceId::new([1; 32]);
const BERT: DeviceId = DeviceId::new([2; 32]);

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn lan(n: usize) -> SocketAddr {
    at(&format!("192.168.{}.{}:4870", n / 200, n % 200 + 1))
}

#[test]
fn the_last_address_that_worked_comes_first_then_by_promise() {
    let mut book = Book::default();
    let start = Instant::now();
    let [told, configured, remembered, seen, worked] = [1, 2, 3, 4, 5].map(lan);
    book.learn(ANNA, told, Source::Introduced, start);
    book.learn(ANNA, configured, Source::Bootstrap, start);
    book.learn(ANNA, remembered, Source::Remembered, start);
    book.learn(ANNA, seen, Source::Discovered, start);
    book.learn(ANNA, worked, Source::Introduced, start);
    book.succeeded(ANNA, worked, start);
    assert_eq!(
        book.addresses(&ANNA),
        [worked, seen, remembered, configured, told]
    );
    book.succeeded(ANNA, told, start + Duration::from_secs(1));
    assert_eq!(book.addresses(&ANNA)[..2], [told, worked]);
}

#[test]
fn of_two_announced_addresses_the_newer_comes_first() {
    let mut book = Book::default();
    let start = Instant::now();
    book.learn(
        ANNA,
        lan(9),
        Source::Discovered,
        start + Duration::from_secs(1),
    );
    book.learn(ANNA, lan(1), Source::Discovered, start);
    assert_eq!(book.addresses(&ANNA), [lan(9), lan(1)]);
}

#[test]
fn the_same_address_from_two_sources_is_one_candidate() {
    let mut book = Book::default();
    let now = Instant::now();
    book.learn(ANNA, lan(1), Source::Bootstrap, now);
    book.learn(ANNA, lan(1), Source::Discovered, now);
    book.learn(ANNA, lan(1), Source::Introduced, now);
    assert_eq!(book.addresses(&ANNA), [lan(1)]);
}

#[test]
fn a_device_has_sixteen_addresses_at_most_and_the_proven_one_is_never_pushed_out() {
    let mut book = Book::default();
    let now = Instant::now();
    book.learn(ANNA, lan(0), Source::Introduced, now);
    book.succeeded(ANNA, lan(0), now);
    for n in 1..100 {
        book.learn(
            ANNA,
            lan(n),
            Source::Discovered,
            now + Duration::from_secs(n as u64),
        );
    }
    let addresses = book.addresses(&ANNA);
    assert_eq!(addresses.len(), ADDRESSES_MAX);
    assert_eq!(addresses[0], lan(0));
}

#[test]
fn addresses_that_cannot_be_dialled_are_left_out() {
    let mut book = Book::default();
    let now = Instant::now();
    book.own(at("10.0.0.5:4870"));
    for bad in [
        "[fe80::1]:4870",
        "0.0.0.0:4870",
        "[::]:4870",
        "224.0.0.251:4870",
        "[ff02::fb]:4870",
        "255.255.255.255:4870",
        "10.0.0.5:4870",
        "10.0.0.6:0",
    ] {
        book.learn(ANNA, at(bad), Source::Discovered, now);
        assert_eq!(
            book.sighted("i", [at(bad)], now),
            Sighted::Unknown(vec![]),
            "{bad}"
        );
    }
    assert_eq!(book.addresses(&ANNA), []);
    book.disown(at("10.0.0.5:4870"));
    book.learn(ANNA, at("10.0.0.5:4870"), Source::Discovered, now);
    assert_eq!(book.addresses(&ANNA).len(), 1);
}

#[test]
fn an_address_learned_before_it_became_our_own_is_dropped() {
    let mut book = Book::default();
    book.learn(ANNA, lan(1), Source::Bootstrap, Instant::now());
    book.own(lan(1));
    assert_eq!(book.addresses(&ANNA), []);
}

#[test]
fn an_announcement_is_nobodys_until_someone_answers_there() {
    let mut book = Book::default();
    let now = Instant::now();
    let announced = [lan(2), lan(1), lan(1)];
    assert_eq!(
        book.sighted("x", announced, now),
        Sighted::Unknown(vec![lan(1), lan(2)])
    );
    assert!(book.is_hinted(lan(2)));
    book.succeeded(ANNA, lan(1), now);
    assert!(!book.is_hinted(lan(2)), "no need to try the others");
    assert_eq!(book.addresses(&ANNA), [lan(1), lan(2)]);
    assert_eq!(
        book.sighted("x", announced, now),
        Sighted::Nothing,
        "no news"
    );
    assert_eq!(
        book.sighted("x", [lan(1), lan(3)], now),
        Sighted::Device(ANNA)
    );
    assert!(
        book.addresses(&ANNA).contains(&lan(3)),
        "an address change is followed"
    );
}

#[test]
fn a_known_device_under_a_fresh_name_is_recognised_by_its_proven_address() {
    let mut book = Book::default();
    let now = Instant::now();
    book.learn(BERT, lan(2), Source::Bootstrap, now);
    book.succeeded(ANNA, lan(1), now);
    assert_eq!(book.sighted("y", [lan(1)], now), Sighted::Device(ANNA));
    assert_eq!(
        book.sighted("z", [lan(2)], now),
        Sighted::Unknown(vec![lan(2)]),
        "what was only told proves nothing"
    );
}

#[test]
fn an_address_belongs_to_whoever_answered_there_last() {
    let mut book = Book::default();
    let now = Instant::now();
    book.learn(ANNA, lan(1), Source::Bootstrap, now);
    book.succeeded(BERT, lan(1), now);
    assert_eq!(book.addresses(&ANNA), []);
    assert_eq!(book.addresses(&BERT), [lan(1)]);
}

#[test]
fn a_flood_of_announcements_pushes_out_the_oldest_hint_only() {
    let mut book = Book::default();
    let start = Instant::now();
    book.succeeded(ANNA, lan(0), start);
    for n in 0..3 * HINTS_MAX {
        let now = start + Duration::from_secs(n as u64);
        book.sighted(&format!("flood {n}"), [lan(n + 1)], now);
    }
    assert_eq!(book.hints.len(), HINTS_MAX);
    assert!(!book.is_hinted(lan(1)));
    assert!(book.is_hinted(lan(3 * HINTS_MAX)));
    assert_eq!(book.addresses(&ANNA), [lan(0)]);
    book.gone(&format!("flood {}", 3 * HINTS_MAX - 1));
    assert!(!book.is_hinted(lan(3 * HINTS_MAX)));
}

#[test]
fn the_book_holds_so_many_devices_and_forgets_the_unwanted() {
    let mut book = Book::default();
    let now = Instant::now();
    for n in 0..DEVICES_MAX + 10 {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(n as u64).to_be_bytes());
        book.learn(DeviceId::new(id), lan(1), Source::Introduced, now);
    }
    assert_eq!(book.devices.len(), DEVICES_MAX);
    book.retain(|_| false);
    assert!(book.devices.is_empty());
}

#[test]
fn an_instance_whose_device_was_refused_is_not_asked_again_who_it_is() {
    let mut book = Book::default();
    let now = Instant::now();
    book.sighted("x", [lan(1)], now);
    book.identify(ANNA, lan(1), now);
    assert!(!book.is_hinted(lan(1)));
    assert_eq!(book.sighted("x", [lan(1)], now), Sighted::Nothing);
}
