use super::*;

#[test]
fn segments_come_back_as_they_were_signed_whatever_their_bodies() {
    let store = create_on(&Machine::default()).expect("made");
    let mut author = Author::new(1, room(1));
    let mut entries = Vec::new();
    for n in 0..1024_usize {
        let text = "x".repeat(n * 37 % 700);
        entries.push(author.entry(30 + (n / 100 % 3) as u32, &text));
    }
    entries[17].payload = None;
    let long = author.entry(31, &"y".repeat(60_000));
    let appends = vec![author.sign(entries), author.sign(vec![long])];
    store.commit(appending(appends.clone())).expect("room");
    let segments = store
        .segments(&author.log, 1, usize::MAX)
        .expect("readable");
    let expected: Vec<_> = appends
        .iter()
        .map(|append| append.segment.clone())
        .collect();
    assert_eq!(segments, expected);
    let last = store
        .segments(&author.log, 1025, usize::MAX)
        .expect("readable");
    assert_eq!(last, expected[1..]);
    let first = store.segments(&author.log, 1024, 1).expect("readable");
    assert_eq!(
        first,
        expected[..1],
        "the whole segment, and no more than the budget asks"
    );
}

#[test]
fn a_segment_that_does_not_follow_is_refused_and_others_in_the_queue_are_not() {
    let store = create_on(&Machine::default()).expect("made");
    let (mut one, mut other) = (Author::new(1, room(1)), Author::new(2, room(1)));
    let first = one.write(30, &texts(0, 2));
    let second = one.write(30, &texts(2, 2));
    let refusal = store
        .commit(appending(vec![second.clone()]))
        .expect_err("a gap");
    assert!(
        matches!(
            refusal,
            StoreError::Gap {
                first: 3,
                expected: 1,
                ..
            }
        ),
        "{refusal}"
    );
    store
        .commit(appending(vec![other.write(30, &texts(0, 1))]))
        .expect("unharmed");
    store
        .commit(appending(vec![first.clone(), second]))
        .expect("in order");
    let refusal = store.commit(appending(vec![first])).expect_err("again");
    assert!(
        matches!(
            refusal,
            StoreError::Gap {
                first: 1,
                expected: 5,
                ..
            }
        ),
        "{refusal}"
    );
    assert_eq!(readable(&store, &one.log), texts(0, 4));
}

#[test]
fn a_refused_batch_leaves_nothing_behind() {
    let store = create_on(&Machine::default()).expect("made");
    let (mut one, mut other) = (Author::new(1, room(1)), Author::new(2, room(2)));
    let skipped = other.write(30, &texts(0, 1));
    let gap = other.write(30, &texts(1, 1));
    let meta = Meta {
        name: "a".to_owned(),
        value: Some(vec![1]),
    };
    let good = one.write(30, &texts(0, 1));
    let batch = Batch {
        appends: vec![good.clone(), gap],
        metas: vec![meta],
        ..Batch::default()
    };
    store.commit(batch).expect_err("a gap");
    assert_eq!(store.logs().expect("alive"), []);
    assert_eq!(store.meta("a").expect("alive"), None);
    store
        .commit(appending(vec![good, skipped]))
        .expect("nothing of it is there");
}

#[test]
fn batches_that_wait_together_are_each_answered_and_all_durable() {
    let machine = Machine::default();
    let store = create_on(&machine).expect("made");
    let before = machine.journal().len();
    let mut author = Author::new(1, room(1));
    let (answers, answered) = std::sync::mpsc::channel();
    for n in 0..50 {
        let batch = appending(vec![author.write(30, &texts(n, 1))]);
        let answers = answers.clone();
        store
            .submit(batch, move |result| {
                answers.send((n, result)).expect("the test waits")
            })
            .expect("the queue is longer");
    }
    for n in 0..50 {
        let (answer, result) = answered.recv().expect("an answer for each");
        assert_eq!(answer, n);
        result.expect("durable");
    }
    let syncs = machine.journal()[before..]
        .iter()
        .filter(|op| matches!(op, crate::store::model::Op::Sync))
        .count();
    assert!(
        syncs < 100,
        "{syncs} syncs for 50 batches: they were not grouped"
    );
    drop(store);
    let store = open_on(&machine).expect("ours");
    assert_eq!(readable(&store, &author.log), texts(0, 50));
}

#[test]
fn of_each_subject_the_furthest_attestation_is_kept() {
    let machine = Machine::default();
    let store = create_on(&machine).expect("made");
    let (mut author, witness) = (Author::new(1, room(1)), Author::new(2, room(1)));
    let append = author.write(30, &texts(0, 1));
    let early = witness.holds(&author);
    let further = author.write(30, &texts(1, 1));
    let late = witness.holds(&author);
    let attest = |attestations| Batch {
        attestations,
        ..Batch::default()
    };
    store
        .commit(appending(vec![append, further]))
        .expect("room");
    store.commit(attest(vec![late])).expect("room");
    store.commit(attest(vec![early])).expect("room");
    assert_eq!(store.attestations(&room(1)).expect("alive"), [late]);
    assert_eq!(store.attestations(&room(2)).expect("alive"), []);
    let other = Author::new(3, room(1)).holds(&author);
    store.commit(attest(vec![other])).expect("room");
    drop(store);
    let store = open_on(&machine).expect("ours");
    assert_eq!(store.attestations(&room(1)).expect("alive").len(), 2);
}

#[test]
fn named_values_and_fork_proofs_are_kept() {
    let machine = Machine::default();
    let store = create_on(&machine).expect("made");
    let meta = |name: &str, value: Option<&[u8]>| Meta {
        name: name.to_owned(),
        value: value.map(<[u8]>::to_vec),
    };
    let log = Author::new(1, room(1)).log;
    let forks = vec![
        Fork {
            log,
            proof: vec![1],
        },
        Fork {
            log,
            proof: vec![2],
        },
    ];
    let metas = vec![
        meta("peer/a", Some(b"1")),
        meta("peer/b", Some(b"2")),
        meta("q", Some(b"3")),
    ];
    store
        .commit(Batch {
            metas,
            forks: forks.clone(),
            ..Batch::default()
        })
        .expect("room");
    let again = vec![meta("peer/a", None)];
    store
        .commit(Batch {
            metas: again,
            ..Batch::default()
        })
        .expect("room");
    drop(store);
    let store = open_on(&machine).expect("ours");
    assert_eq!(store.meta("q").expect("alive").as_deref(), Some(&b"3"[..]));
    assert_eq!(
        store.metas("peer/").expect("alive"),
        [("peer/b".to_owned(), b"2".to_vec())]
    );
    assert_eq!(store.forks().expect("alive"), forks);
}
