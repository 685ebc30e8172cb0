use super::*;
use crate::domain::id::{RoomId, StaffId};

const ROOM: Space = Space::Room(RoomId::new([1; 16]));
const OTHER: Space = Space::Staff(StaffId::new([2; 16]));

fn reread(ring: &mut Keyring, kek: &Key) -> Keyring {
    let bytes = ring.next_generation(kek);
    Keyring::decode(&bytes, kek).expect("our own file")
}

fn ring() -> Keyring {
    let mut ring = Keyring::fresh();
    for day in [10, 11, 12] {
        ring.ensure(Day(day), &ROOM);
        ring.ensure(Day(day), &OTHER);
    }
    ring
}

#[test]
fn a_keyring_read_back_has_the_same_keys_and_one_more_generation() {
    let (mut ring, kek) = (ring(), Key::random());
    let read = reread(&mut ring, &kek);
    assert_eq!(read.generation(), 1);
    let key = |ring: &Keyring| {
        ring.sealing_key(Day(11), &ROOM)
            .map(|(n, key)| (n, *key.bytes()))
    };
    assert_eq!(key(&read), key(&ring));
    assert!(key(&read).is_some());
    assert_eq!(read.page_key().bytes(), ring.page_key().bytes());
}

#[test]
fn every_day_and_every_space_has_its_own_body_key() {
    let ring = ring();
    let key = |day, space| {
        ring.sealing_key(Day(day), &space)
            .map(|(_, key)| *key.bytes())
    };
    assert_ne!(key(10, ROOM), key(11, ROOM));
    assert_ne!(key(10, ROOM), key(10, OTHER));
}

#[test]
fn days_before_the_horizon_lose_their_keys_for_good() {
    let (mut ring, kek) = (ring(), Key::random());
    assert!(ring.destroy_days_before(Day(12)));
    assert!(!ring.destroy_days_before(Day(12)));
    let read = reread(&mut ring, &kek);
    assert!(read.sealing_key(Day(11), &ROOM).is_none());
    assert!(read.sealing_key(Day(12), &ROOM).is_some());
}

#[test]
fn a_renewed_space_seals_under_the_newest_key_and_opens_the_older_until_they_are_destroyed() {
    let mut ring = ring();
    let (old, _) = ring.sealing_key(Day(10), &ROOM).expect("alive");
    let new = ring.renew(&ROOM);
    assert_eq!(ring.numbers(&ROOM), [old, new]);
    assert_eq!(
        ring.sealing_key(Day(10), &ROOM).map(|(number, _)| number),
        Some(new)
    );
    assert!(ring.body_key(Day(10), &ROOM, old).is_some());
    assert!(ring.destroy_space_keys(&ROOM, old));
    assert!(ring.body_key(Day(10), &ROOM, old).is_none());
    assert!(ring.destroy_space_keys(&ROOM, new));
    assert!(ring.sealing_key(Day(10), &ROOM).is_none());
    assert!(ring.sealing_key(Day(10), &OTHER).is_some());
    ring.ensure(Day(10), &ROOM);
    assert!(
        ring.numbers(&ROOM)[0] > new,
        "a number is never given twice"
    );
}

#[test]
fn a_keyring_opens_only_with_its_key_and_unchanged() {
    let kek = Key::random();
    let bytes = ring().next_generation(&kek);
    let refusal = Keyring::decode(&bytes, &Key::random()).expect_err("another key");
    assert_eq!(refusal, KeyringError::Unreadable);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(Keyring::decode(&changed, &kek).is_err(), "byte {at}");
    }
}

#[test]
fn a_keyring_from_the_future_is_named() {
    let bytes = codec::encode(&File {
        version: 2,
        generation: 1,
        wrapped: vec![],
        sealed: vec![],
    });
    let refusal = Keyring::decode(&bytes, &Key::random()).expect_err("later format");
    assert_eq!(refusal, KeyringError::TooNew { found: 2 });
}

#[test]
fn no_key_of_a_purged_day_is_in_a_later_file_whatever_key_one_has() {
    let (mut ring, kek) = (ring(), Key::random());
    let day_key = *ring.contents.days[&Day(10)].bytes();
    ring.destroy_days_before(Day(11));
    let bytes = ring.next_generation(&kek);
    let file: File = codec::strict(&bytes, KEYRING_FILE_MAX).expect("ours");
    let generation = kek
        .open(&about("generation", 1, 1), &file.wrapped)
        .expect("ours");
    let generation = Key::new(generation.as_slice().try_into().expect("a key"));
    let contents = generation
        .open(&about("keys", 1, 1), &file.sealed)
        .expect("ours");
    assert!(!contents.windows(32).any(|window| window == day_key));
}
