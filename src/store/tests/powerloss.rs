use super::*;
use crate::store::model::{Dice, Op, Replay, Unsynced};

const FATES: [Unsynced; 5] = [
    Unsynced::Dropped,
    Unsynced::Kept,
    Unsynced::Subset,
    Unsynced::Torn(512),
    Unsynced::Torn(4096),
];

/// What must be there after the `n`-th acknowledgement.
#[derive(Clone, Default)]
struct Expected {
    /// Entries of each author.
    entries: [u64; 2],
    attested: u64,
    horizon: u32,
    space_horizon: u32,
    dropped: bool,
}

/// Appends, attestations, new days, both kinds of purge and a dropped space, each acknowledged.
struct Workload {
    authors: [Author; 2],
    passing: Author,
    journal: Vec<Op>,
    start: Image,
    expected: Vec<Expected>,
}

fn run() -> Workload {
    let start = empty_store();
    let machine = Machine::with(start.clone());
    let store = open_on(&machine).expect("ours");
    let mut authors = [Author::new(1, room(1)), Author::new(2, room(2))];
    let mut passing = Author::new(3, room(3));
    let mut expected = vec![Expected::default()];
    for step in 0..STEPS {
        let mut next = expected.last().expect("never empty").clone();
        match step % 8 {
            3 => {
                let attestation = authors[1].holds(&authors[0]);
                let batch = Batch {
                    attestations: vec![attestation],
                    ..Batch::default()
                };
                store.commit(batch).expect("room");
                next.attested = authors[0].head.seq;
            }
            5 if step > 8 => {
                next.horizon = FIRST_DAY + step / 8;
                store.purge(everywhere(next.horizon)).expect("done");
            }
            6 if step > 8 => {
                next.space_horizon = FIRST_DAY + step / 8 + 1;
                store
                    .purge(in_space(room(1), next.space_horizon))
                    .expect("done");
            }
            7 if step == 7 => {
                store
                    .commit(appending(vec![passing.write(99, &texts(0, 2))]))
                    .expect("room");
            }
            7 => {
                store.purge(dropping(room(3))).expect("done");
                next.dropped = true;
            }
            _ => {
                let n = (step % 2) as usize;
                let day = FIRST_DAY + step / 8 + step % 3;
                let count = 1 + (step as usize * 5) % 40;
                let append = authors[n].write(day, &texts(0, count));
                store.commit(appending(vec![append])).expect("room");
                next.entries[n] = authors[n].head.seq;
            }
        }
        expected.push(next);
        machine.acknowledge(expected.len() as u64 - 1);
    }
    drop(store);
    Workload {
        authors,
        passing,
        journal: machine.journal(),
        start,
        expected,
    }
}

const STEPS: u32 = 24;
const FIRST_DAY: u32 = 10;

impl Workload {
    fn check(&self, store: &Store, acknowledged: Option<u64>, place: &str) {
        let expected = &self.expected[acknowledged.unwrap_or(0) as usize];
        for (author, least) in self.authors.iter().zip(expected.entries) {
            self.check_log(store, author, least, place);
        }
        let attested = store.attestations(&room(1)).expect("readable");
        let attested = attested.first().map_or(0, Attestation::extent);
        assert!(
            attested >= expected.attested,
            "{place}: lost an attestation"
        );
        assert!(
            store.horizon(&room(2)).expect("alive") >= Day(expected.horizon),
            "{place}"
        );
        assert!(
            store.horizon(&room(1)).expect("alive") >= Day(expected.space_horizon),
            "{place}"
        );
        if expected.dropped {
            assert_eq!(
                store.log(&self.passing.log).expect("alive"),
                None,
                "{place}"
            );
        }
    }

    fn check_log(&self, store: &Store, author: &Author, least: u64, place: &str) {
        let alive = store.horizon(&author.log.space).expect("alive");
        let segments = store
            .segments(&author.log, 1, usize::MAX)
            .expect("readable");
        let mut next = 1;
        for segment in &segments {
            assert_eq!(segment.first, next, "{place}: a gap");
            segment
                .verify(&CLINIC, Hlc(0))
                .unwrap_or_else(|error| panic!("{place}: {error}"));
            next = segment.last() + 1;
            for entry in &segment.entries {
                let living = entry.header.last_day >= alive;
                assert_eq!(entry.payload.is_some(), living, "{place}: wrong bodies");
            }
        }
        assert!(next > least, "{place}: lost an acknowledged entry");
    }
}

#[test]
fn after_a_power_cut_at_any_operation_everything_acknowledged_is_there_and_nothing_purged() {
    let workload = run();
    let mut dice = Dice::new(7);
    let mut replay = Replay::from(workload.start.clone());
    for (at, op) in workload.journal.iter().enumerate() {
        replay.step(op);
        let fate = FATES[at % FATES.len()];
        let place = format!("operation {at}, {fate:?}");
        let image = replay.cut(fate, &mut dice);
        let machine = Machine::with(image.clone());
        let store = open_on(&machine).unwrap_or_else(|error| panic!("{place}: {error}"));
        store
            .purge(Batch::default())
            .expect("what was begun goes on");
        workload.check(&store, replay.acknowledged(), &place);
        drop(store);
        cut_again(
            &workload,
            &image,
            &machine.journal(),
            replay.acknowledged(),
            &place,
            &mut dice,
        );
    }
    let kinds = |wanted: fn(&Op) -> bool| workload.journal.iter().filter(|op| wanted(op)).count();
    assert!(kinds(|op| matches!(op, Op::Write(..))) > 200);
    assert!(
        kinds(|op| matches!(op, Op::Rename(_))) > 8,
        "the keyring was rewritten"
    );
}

/// The power goes a second time while the store recovers from the first.
fn cut_again(
    workload: &Workload,
    image: &Image,
    recovery: &[Op],
    acknowledged: Option<u64>,
    place: &str,
    dice: &mut Dice,
) {
    let second = dice.roll(recovery.len() as u64 + 1) as usize;
    let mut replay = Replay::from(image.clone());
    recovery[..second].iter().for_each(|op| replay.step(op));
    let fate = FATES[second % FATES.len()];
    let place = format!("{place}, then operation {second} of the recovery, {fate:?}");
    let machine = Machine::with(replay.cut(fate, dice));
    let store = open_on(&machine).unwrap_or_else(|error| panic!("{place}: {error}"));
    workload.check(&store, acknowledged, &place);
}
