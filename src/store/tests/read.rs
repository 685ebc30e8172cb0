use super::*;

#[test]
fn the_hash_of_every_header_can_be_asked_for() {
    let store = create_on(&Machine::default()).expect("made");
    let mut author = Author::new(1, room(1));
    let mut heads = vec![Head::EMPTY];
    for n in 0..4 {
        let append = author.write(30, &texts(n, 3));
        let tag = author.log.tag(&CLINIC);
        for entry in &append.segment.entries {
            let before = *heads.last().expect("not empty");
            heads.push(crate::domain::log::chain(
                &tag,
                before,
                [&entry.header].into_iter(),
            ));
        }
        store.commit(appending(vec![append])).expect("room");
    }
    for head in &heads {
        let hash = store
            .hash_at(&CLINIC, &author.log, head.seq)
            .expect("alive");
        assert_eq!(hash, Some(head.hash), "entry {}", head.seq);
    }
    assert_eq!(
        store.hash_at(&CLINIC, &author.log, 13).expect("alive"),
        None
    );
    assert_eq!(
        store
            .hash_at(&CLINIC, &Author::new(2, room(1)).log, 1)
            .expect("alive"),
        None
    );
}

#[test]
fn pages_of_a_conversation_run_backwards_across_its_logs_without_gap_or_repeat() {
    let store = create_on(&Machine::default()).expect("made");
    let mut authors: Vec<Author> = (1..=4).map(|seed| Author::new(seed, room(1))).collect();
    let mut other = Author::new(9, room(2));
    store
        .commit(appending(vec![other.write(30, &texts(0, 5))]))
        .expect("room");
    for n in 0..40 {
        let author = &mut authors[n * 7 % 4];
        author.time = (n as u64 / 3) * 50;
        let append = author.write(30, &texts(n * 10, n % 5 + 1));
        store.commit(appending(vec![append])).expect("room");
    }
    let all = store.newest(&room(1), None, usize::MAX).expect("alive");
    let total: u64 = authors.iter().map(|author| author.head.seq).sum();
    assert_eq!(all.len() as u64, total);
    assert!(
        all.windows(2)
            .all(|pair| pair[0].position() > pair[1].position())
    );
    assert!(all.iter().all(|held| held.entry.payload.is_some()));
    for limit in [1, 7, 50] {
        let (mut paged, mut before) = (Vec::new(), None);
        loop {
            let page = store.newest(&room(1), before, limit).expect("alive");
            let Some(last) = page.last() else { break };
            before = Some(last.position());
            paged.extend(page);
        }
        assert_eq!(paged, all, "pages of {limit}");
    }
    assert_eq!(store.newest(&room(3), None, 5).expect("alive"), []);
}
