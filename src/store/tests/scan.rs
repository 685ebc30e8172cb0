use super::*;
use crate::store::bodies::{Place, SealedChunk};
use crate::store::keyring::Keyring;
use crate::store::pages::{BLOCK, Pages};

/// Every page of the file that opens under the page key, and every body in them that opens under any
/// key of the keyring: all that someone with the disk and every secret can read.
fn everything_readable(image: &Image) -> Vec<Vec<u8>> {
    use redb::StorageBackend as _;

    let small = image.small.as_ref().expect("a keyring");
    let keyring = Keyring::decode(small, &kek()).expect("ours");
    let machine = Machine::with(image.clone());
    let pages = Pages::new(machine.disk(), keyring.page_key());
    let len = pages.len().expect("a file") as usize;
    let mut clear = vec![0; len];
    for at in (0..len).step_by(BLOCK) {
        // A block torn by a power cut stays zeros: nobody can read it either.
        let _ = pages.read(at as u64, &mut clear[at..at + BLOCK]);
    }
    let mut found = bodies_in(&clear, &keyring);
    found.push(clear);
    found
}

/// Opens whatever stands at any offset as a chunk of bodies, in every place it could have.
fn bodies_in(clear: &[u8], keyring: &Keyring) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut places = Vec::new();
    for day in keyring.days() {
        for log in 1..4 {
            for first in 1..20 {
                places.push(Place { day, log, first });
            }
        }
    }
    // Every text of these tests is of one length, so a chunk of them is as well.
    let row_len = SCAN_ROW_LEN;
    for at in 0..clear.len().saturating_sub(row_len) {
        let Ok(chunk) = SealedChunk::parse(&clear[at..at + row_len]) else {
            continue;
        };
        if chunk.count != 1 || chunk.key_number == 0 || chunk.key_number > 50 {
            continue;
        }
        for place in &places {
            for space in [room(1), room(2)] {
                let key = keyring.body_key(place.day, &space, chunk.key_number);
                if let Some(Ok(bodies)) = key.map(|key| chunk.open(*place, &key)) {
                    found.extend(bodies.into_iter().flatten().map(|payload| payload.body));
                }
            }
        }
    }
    found
}

/// Key number, count, nonce, the CBOR of one text of 20 bytes with its salt, tag.
const SCAN_ROW_LEN: usize = 4 + 2 + 24 + (1 + 2 + 16 + 20) + 16;

fn secret(day: u32, room: u8) -> String {
    format!("secret-{day:04}-room-{room:03}")
}

fn contains(haystacks: &[Vec<u8>], needle: &str) -> bool {
    let needle = needle.as_bytes();
    haystacks
        .iter()
        .any(|hay| hay.windows(needle.len()).any(|window| window == needle))
}

fn filled(store: &Store) -> [Author; 2] {
    let mut authors = [Author::new(1, room(1)), Author::new(2, room(2))];
    for day in 10..14 {
        for (n, author) in (1..).zip(&mut authors) {
            let append = author.write(day, &[secret(day, n)]);
            store.commit(appending(vec![append])).expect("room");
        }
    }
    authors
}

/// What can be read with the keys that are left: now, and by someone who kept a copy of every page
/// from before the purge, as a disk's spare blocks do.
fn left_to_read(before: &Image, after: &Image) -> [Vec<Vec<u8>>; 2] {
    let kept = Image {
        pages: before.pages.clone(),
        small: after.small.clone(),
    };
    [everything_readable(after), everything_readable(&kept)]
}

#[test]
fn what_was_purged_is_nowhere_whatever_key_one_has_and_what_lives_is_found() {
    let machine = Machine::default();
    let store = create_on(&machine).expect("made");
    filled(&store);
    let before = machine.image();
    let found = everything_readable(&before);
    for day in 10..14 {
        assert!(
            contains(&found, &secret(day, 1)),
            "the scan finds what is alive"
        );
    }
    store.purge(everywhere(11)).expect("done");
    store.purge(in_space(room(1), 12)).expect("done");
    drop(store);
    let [after, kept] = left_to_read(&before, &machine.image());
    for purged in [secret(10, 1), secret(11, 1), secret(10, 2)] {
        assert!(!contains(&kept, &purged), "{purged} in a kept page");
    }
    let alive = |day, room| contains(&after, &secret(day, room));
    let found: Vec<_> = (10..14).map(|day| (alive(day, 1), alive(day, 2))).collect();
    assert_eq!(
        found,
        [(false, false), (false, true), (true, true), (true, true)]
    );
}

#[test]
fn what_waits_in_the_queue_ahead_of_its_own_purge_is_nowhere_either() {
    let machine = Machine::default();
    let store = create_on(&machine).expect("made");
    let [mut author, mut busy] = filled(&store);
    let submit = |batch| {
        let durable = |result: Result<(), StoreError>| result.expect("durable");
        store.submit(batch, durable).expect("the queue is longer");
    };
    submit(appending(vec![busy.write(13, &texts(0, 500))]));
    submit(appending(vec![author.write(10, &[secret(99, 1)])]));
    store.purge(in_space(room(1), 11)).expect("done");
    drop(store);
    let after = everything_readable(&machine.image());
    assert!(!contains(&after, &secret(99, 1)));
    assert!(!contains(&after, &secret(10, 1)));
    assert!(contains(&after, &secret(11, 1)));
}

#[test]
fn what_stood_in_a_dropped_space_is_nowhere_whatever_key_one_has() {
    let machine = Machine::default();
    let store = create_on(&machine).expect("made");
    filled(&store);
    let before = machine.image();
    store.purge(dropping(room(1))).expect("done");
    drop(store);
    for readable in left_to_read(&before, &machine.image()) {
        for day in 10..14 {
            assert!(!contains(&readable, &secret(day, 1)));
            assert!(contains(&readable, &secret(day, 2)));
        }
    }
}

#[test]
fn what_was_taken_back_is_nowhere_whatever_key_one_has_and_its_neighbours_stay() {
    let machine = Machine::default();
    let store = create_on(&machine).expect("made");
    let [mut author, _] = filled(&store);
    let before = machine.image();
    // The second message, and the fifth, which comes only with the retraction.
    let late = author.write(13, &[secret(77, 1)]);
    let taken_back = Batch {
        retractions: vec![author.takes_back(2), author.takes_back(5)],
        ..appending(vec![late])
    };
    store.purge(taken_back).expect("done");
    let gone = |store: &Store| -> Vec<u64> {
        let held = held(store, &author.log).into_iter();
        held.filter_map(|(seq, text)| text.is_none().then_some(seq))
            .collect()
    };
    assert_eq!(gone(&store), [2, 5]);
    drop(store);

    let [after, kept] = left_to_read(&before, &machine.image());
    for readable in [&after, &kept] {
        assert!(!contains(readable, &secret(11, 1)));
        assert!(!contains(readable, &secret(77, 1)));
    }
    for day in [10, 12, 13] {
        assert!(contains(&after, &secret(day, 1)), "{day}");
    }
    let store = open_on(&machine).expect("opens");
    assert_eq!(gone(&store), [2, 5], "also after a restart");
    assert_eq!(store.retractions().expect("readable").len(), 2);
    store.purge(everywhere(14)).expect("done");
    assert_eq!(store.retractions().expect("readable").len(), 0);
}

#[test]
fn one_body_of_many_in_a_chunk_is_taken_back_alone() {
    let machine = Machine::default();
    let store = create_on(&machine).expect("made");
    let mut author = Author::new(1, room(1));
    let append = author.write(10, &texts(0, 100));
    store.commit(appending(vec![append])).expect("room");
    let retractions = vec![author.takes_back(7), author.takes_back(70)];
    let batch = Batch {
        retractions,
        ..Batch::default()
    };
    let purged = store.purge(batch).expect("done");
    assert_eq!(purged.bodies[&room(1)], 2);
    let left = readable(&store, &author.log);
    let expected = texts(0, 100).into_iter().enumerate();
    let expected = expected.filter(|(at, _)| ![6, 69].contains(at));
    let expected: Vec<String> = expected.map(|(_, text)| text).collect();
    assert_eq!(left, expected);
}

#[test]
fn without_the_keys_no_text_and_no_name_stands_in_any_file() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let dir = scratch.path().join("store");
    let store = Store::create(&dir, &OPTIONS, &passphrase()).expect("made");
    filled(&store);
    let meta = Meta {
        name: "secret-name".to_owned(),
        value: Some(b"secret-value".to_vec()),
    };
    store
        .commit(Batch {
            metas: vec![meta],
            ..Batch::default()
        })
        .expect("room");
    drop(store);
    let mut files = Vec::new();
    for entry in dir.read_dir().expect("there") {
        files.push(std::fs::read(entry.expect("there").path()).expect("ours"));
    }
    assert!(files.len() >= 4);
    for needle in [
        "secret",
        "bodies",
        "headers",
        "attestations",
        "correct horse",
    ] {
        assert!(!contains(&files, needle), "{needle} stands in clear");
    }
}
