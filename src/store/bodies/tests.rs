use super::*;
use crate::domain::time::{Hlc, WallTime};

fn entry(day: u32, len: usize) -> Entry {
    let payload = Payload {
        salt: [len as u8; 16],
        body: vec![len as u8; len],
    };
    Entry::new(Hlc::at(WallTime(1)), Day(day), payload)
}

fn place() -> Place {
    Place {
        day: Day(5),
        log: 7,
        first: 3,
    }
}

fn cut(entries: &[Entry]) -> Vec<(u32, u64, usize)> {
    runs(10, entries)
        .iter()
        .map(|run| (run.day.0, run.first, run.entries.len()))
        .collect()
}

#[test]
fn runs_end_where_the_day_changes_and_around_what_has_no_body() {
    let mut entries = vec![
        entry(5, 1),
        entry(5, 2),
        entry(6, 3),
        entry(6, 4),
        entry(6, 5),
    ];
    assert_eq!(cut(&entries), [(5, 10, 2), (6, 12, 3)]);
    entries[3].payload = None;
    assert_eq!(cut(&entries), [(5, 10, 2), (6, 12, 1), (6, 14, 1)]);
    entries[0].payload = None;
    assert_eq!(cut(&entries), [(5, 11, 1), (6, 12, 1), (6, 14, 1)]);
    assert_eq!(cut(&[]), []);
}

#[test]
fn runs_hold_no_more_than_a_chunk_may_and_at_least_one() {
    assert_eq!(
        cut(&[entry(5, 9000), entry(5, 9000)]),
        [(5, 10, 1), (5, 11, 1)]
    );
    assert_eq!(
        cut(&[entry(5, 60_000), entry(5, 1)]),
        [(5, 10, 1), (5, 11, 1)]
    );
    assert_eq!(cut(&vec![entry(5, 0); 100]), [(5, 10, 64), (5, 74, 36)]);
    assert_eq!(cut(&vec![entry(5, 512); 30]), [(5, 10, 28), (5, 38, 2)]);
}

#[test]
fn a_chunk_opens_in_its_place_under_its_key_and_nowhere_else() {
    let (key, entries) = (Key::random(), [entry(5, 0), entry(5, 700)]);
    let row = seal(place(), 9, &key, &entries);
    let chunk = SealedChunk::parse(&row).expect("ours");
    let payloads: Vec<_> = entries.iter().map(|entry| entry.payload.clone()).collect();
    assert_eq!(chunk.open(place(), &key).expect("ours"), payloads);
    assert!(chunk.open(place(), &Key::random()).is_err());
    for elsewhere in [
        Place {
            day: Day(6),
            ..place()
        },
        Place { log: 8, ..place() },
        Place {
            first: 4,
            ..place()
        },
    ] {
        assert!(chunk.open(elsewhere, &key).is_err());
    }
    for at in 0..row.len() {
        let mut changed = row.clone();
        changed[at] ^= 1;
        assert!(
            SealedChunk::parse(&changed)
                .expect("long enough")
                .open(place(), &key)
                .is_err()
        );
    }
}

#[test]
fn a_resealed_chunk_opens_under_the_other_key_only() {
    let (old, new) = (Key::random(), Key::random());
    let row = seal(place(), 1, &old, &[entry(5, 20)]);
    let moved =
        SealedChunk::parse(&row)
            .expect("ours")
            .reseal(place(), &old, (2, &new), &BTreeSet::new());
    let moved = moved.expect("ours").expect("something is left");
    let chunk = SealedChunk::parse(&moved).expect("ours");
    assert_eq!((chunk.key_number, chunk.count), (2, 1));
    assert_eq!(chunk.open(place(), &new).expect("ours").len(), 1);
    assert!(chunk.open(place(), &old).is_err());
}

#[test]
fn a_resealed_chunk_lacks_what_was_taken_back_and_one_with_nothing_left_is_none() {
    let (old, new) = (Key::random(), Key::random());
    let entries = [entry(5, 20), entry(5, 30), entry(5, 0)];
    let row = seal(place(), 1, &old, &entries);
    let chunk = SealedChunk::parse(&row).expect("ours");
    let without = |numbers: &[u64]| {
        let retracted = numbers.iter().copied().collect();
        let moved = chunk.reseal(place(), &old, (2, &new), &retracted);
        moved.expect("ours")
    };
    let moved = without(&[4]).expect("two are left");
    let moved = SealedChunk::parse(&moved).expect("ours");
    let left = moved.open(place(), &new).expect("ours");
    let there: Vec<bool> = left.iter().map(Option::is_some).collect();
    assert_eq!(there, [true, false, true]);
    assert_eq!(without(&[3, 4, 5]), None);
}
