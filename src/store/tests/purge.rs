use super::*;

/// Two rooms, each with three texts for each of the days 10, 11 and 12.
fn filled(store: &Store) -> [Author; 2] {
    let mut authors = [Author::new(1, room(1)), Author::new(2, room(2))];
    for day in 10..13 {
        for author in &mut authors {
            let append = author.write(day, &texts(day as usize, 3));
            store.commit(appending(vec![append])).expect("room");
        }
    }
    authors
}

fn days_left(store: &Store, author: &Author) -> usize {
    readable(store, &author.log).len() / 3
}

fn purged(bodies: &[(Space, u64)]) -> Purged {
    Purged {
        bodies: bodies.iter().copied().collect(),
    }
}

#[test]
fn a_day_that_is_over_loses_its_bodies_everywhere_and_keeps_its_headers() {
    let machine = Machine::default();
    let store = create_on(&machine).expect("made");
    let [one, other] = filled(&store);
    let outcome = store.purge(everywhere(12)).expect("done");
    assert_eq!(outcome, purged(&[(room(1), 6), (room(2), 6)]));
    for author in [&one, &other] {
        assert_eq!(held(&store, &author.log).len(), 9, "the chain is whole");
        assert_eq!(days_left(&store, author), 1);
    }
    drop(store);
    let store = open_on(&machine).expect("ours");
    assert_eq!(days_left(&store, &one), 1);
    assert_eq!(store.horizon(&room(1)).expect("alive"), Day(12));
}

#[test]
fn a_horizon_of_one_space_leaves_the_others_and_the_rest_of_its_own_readable() {
    let machine = Machine::default();
    let store = create_on(&machine).expect("made");
    let [mut one, other] = filled(&store);
    let outcome = store.purge(in_space(room(1), 11)).expect("done");
    assert_eq!(outcome, purged(&[(room(1), 3)]));
    assert_eq!((days_left(&store, &one), days_left(&store, &other)), (2, 3));
    let append = one.write(10, &texts(0, 3));
    store.commit(appending(vec![append])).expect("room");
    assert_eq!(days_left(&store, &one), 2, "what comes back is not kept");
    let append = one.write(13, &texts(0, 3));
    store.commit(appending(vec![append])).expect("room");
    drop(store);
    let store = open_on(&machine).expect("ours");
    assert_eq!((days_left(&store, &one), days_left(&store, &other)), (3, 3));
    assert_eq!(store.horizons().expect("alive").len(), 2);
}

#[test]
fn horizons_never_go_back() {
    let store = create_on(&Machine::default()).expect("made");
    let [mut one, _] = filled(&store);
    store.purge(everywhere(12)).expect("done");
    store.purge(everywhere(5)).expect("nothing to do");
    store.purge(in_space(room(1), 3)).expect("nothing to do");
    assert_eq!(store.horizon(&room(1)).expect("alive"), Day(12));
    store
        .commit(appending(vec![one.write(11, &texts(0, 3))]))
        .expect("room");
    assert_eq!(days_left(&store, &one), 1, "what comes back is not kept");
}

#[test]
fn a_dropped_space_is_gone_and_can_begin_anew() {
    let machine = Machine::default();
    let store = create_on(&machine).expect("made");
    let [one, other] = filled(&store);
    let attestation = other.holds(&one);
    let attest = Batch {
        attestations: vec![attestation],
        ..Batch::default()
    };
    store.commit(attest).expect("room");
    let outcome = store.purge(dropping(room(1))).expect("done");
    assert_eq!(outcome, purged(&[(room(1), 9)]));
    assert_eq!(store.log(&one.log).expect("alive"), None);
    assert_eq!(store.attestations(&room(1)).expect("alive"), []);
    assert_eq!(store.newest(&room(1), None, 9).expect("alive"), []);
    assert_eq!(days_left(&store, &other), 3);
    let mut again = Author::new(1, room(1));
    store
        .commit(appending(vec![again.write(12, &texts(0, 3))]))
        .expect("room");
    drop(store);
    let store = open_on(&machine).expect("ours");
    assert_eq!(days_left(&store, &again), 1);
    assert_eq!(days_left(&store, &other), 3);
}

#[test]
fn messages_go_on_while_a_space_is_sealed_again() {
    let store = create_on(&Machine::default()).expect("made");
    let mut one = Author::new(1, room(1));
    for day in 10..13 {
        let entries: Vec<String> = texts(0, 1000);
        store
            .commit(appending(vec![one.write(day, &entries)]))
            .expect("room");
    }
    let (answer, answered) = std::sync::mpsc::channel();
    let done = move |outcome| answer.send(outcome).expect("the test waits");
    store
        .submit_purge(in_space(room(1), 11), done)
        .expect("the queue is empty");
    for n in 0..20 {
        let append = one.write(11 + n % 3, &texts(n as usize, 1));
        store.commit(appending(vec![append])).expect("room");
    }
    answered.recv().expect("an answer").expect("done");
    assert_eq!(readable(&store, &one.log).len(), 2020);
}
