use super::*;
use crate::domain::id::{AuthorId, RoomId};
use crate::domain::log::Epoch;
use crate::domain::time::WallTime;

fn room(number: u8) -> Space {
    Space::Room(RoomId::new([number; 16]))
}

fn log(number: u8) -> Log {
    Log {
        space: room(number),
        author: AuthorId::new([9; 32]),
        epoch: Epoch(1),
    }
}

/// Text `seq` of a room, said at that second and living until that day.
fn put(index: &mut Index, number: u8, seq: u64, text: &str) {
    let time = Hlc::at(WallTime(seq * 1000));
    index.put(
        &log(number),
        Doc::new(seq, time, Day(seq as u32), None),
        text,
    );
}

fn found(index: &Index, text: &str, rooms: &[u8], limit: usize) -> Vec<u64> {
    let spaces: Vec<Space> = rooms.iter().map(|number| room(*number)).collect();
    let query = Query::of(text).expect("words");
    let hits = index.find(&query, &spaces, None, limit);
    hits.ids.iter().map(|id| id.seq).collect()
}

fn filled() -> Index {
    let mut index = Index::default();
    for (seq, text) in (1..).zip(["Bed 4 is free", "Bett 4", "beds are free", "free"]) {
        put(&mut index, 1, seq, text);
    }
    put(&mut index, 2, 9, "Bed 9 is free");
    index
}

#[test]
fn every_word_has_to_begin_a_word_and_only_the_persons_own_rooms_are_looked_at() {
    let index = filled();
    assert_eq!(found(&index, "bed free", &[1], 10), [3, 1]);
    assert_eq!(found(&index, "be 4", &[1], 10), [2, 1]);
    assert_eq!(found(&index, "bed free", &[1, 2], 10), [9, 3, 1]);
    assert_eq!(found(&index, "ed", &[1, 2], 10), [0; 0]);
    assert_eq!(found(&index, "bed", &[], 10), [0; 0]);
}

#[test]
fn the_newest_come_first_and_a_page_tells_where_to_go_on() {
    let index = filled();
    let query = Query::of("free").expect("a word");
    let first = index.find(&query, &[room(1)], None, 2);
    let seqs = |hits: &Hits| -> Vec<u64> { hits.ids.iter().map(|id| id.seq).collect() };
    assert_eq!((seqs(&first), first.complete), (vec![4, 3], true));
    let next = index.find(&query, &[room(1)], first.more, 2);
    assert_eq!((seqs(&next), next.more), (vec![1], None));
}

#[test]
fn an_amendment_is_found_as_the_message_it_amends() {
    let mut index = filled();
    let target = EntryId::new(&log(1), 1);
    let doc = Doc::new(7, Hlc::at(WallTime(7000)), Day(9), Some(target));
    index.put(&log(1), doc, "Bed 5 is free");
    assert_eq!(found(&index, "bed 5", &[1], 10), [1]);
    assert_eq!(found(&index, "bed free", &[1], 10), [1, 3]);
}

#[test]
fn what_was_purged_or_taken_back_is_not_in_memory_any_more() {
    let mut index = filled();
    let held: BTreeSet<Log> = [log(1)].into();
    let retracted = [EntryId::new(&log(1), 4)].into();
    index.forget(Day(2), &retracted, &held);
    assert_eq!(found(&index, "free", &[1, 2], 10), [3]);
    let words: Vec<&str> = index.words.keys().map(AsRef::as_ref).collect();
    assert_eq!(words, ["4", "are", "beds", "bett", "free"]);
    put(&mut index, 1, 11, "Bed 11");
    assert_eq!(found(&index, "be", &[1], 10), [11, 3, 2]);
}

#[test]
fn a_full_index_forgets_the_older_half_and_says_so() {
    let mut index = Index::with_room_for(10);
    for seq in 1..=11 {
        put(&mut index, 1, seq, "bed");
    }
    let query = Query::of("bed").expect("a word");
    let hits = index.find(&query, &[room(1)], None, 100);
    assert!(!hits.complete);
    let seqs: Vec<u64> = hits.ids.iter().map(|id| id.seq).collect();
    assert_eq!(seqs, [11, 10, 9, 8, 7]);
}

#[test]
#[ignore = "a measurement: run with --release and --nocapture"]
fn two_hundred_thousand_messages_are_searched_within_a_tenth_of_a_second() {
    const MESSAGES: u64 = 200_000;
    let mut state = 1_u64;
    let mut next = move |most: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % most
    };
    let mut index = Index::default();
    let began = std::time::Instant::now();
    for seq in 1..=MESSAGES {
        let text: Vec<String> = (0..12)
            .map(|_| {
                let most = 1 << (2 + next(13));
                format!("w{:x}", next(most))
            })
            .collect();
        put(&mut index, (seq % 50) as u8, seq, &text.join(" "));
    }
    let built = began.elapsed();
    let spaces: Vec<Space> = (0..50).map(room).collect();
    let mut times: Vec<_> = (0..200)
        .map(|at| {
            let text = ["w", "w1", "w1 w2", "w1f w0", "w3 w4 w5"][at % 5];
            let query = Query::of(text).expect("words");
            let began = std::time::Instant::now();
            std::hint::black_box(index.find(&query, &spaces, None, 50));
            began.elapsed()
        })
        .collect();
    times.sort();
    let (median, p95) = (times[100], times[190]);
    assert!(p95.as_millis() <= 100, "{p95:?}");
    let build = built.as_millis();
    std::io::Write::write_fmt(
        &mut std::io::stderr(),
        format_args!("built in {build} ms; median {median:?}, p95 {p95:?}\n"),
    )
    .expect("a terminal");
}
