use super::*;
use crate::store::model::Failure;

/// Writes until the disk fails, then opens what is left as a healthy disk.
fn survives(at: usize, failure: Failure) {
    let place = format!("{failure:?} from operation {at}");
    let machine = Machine::with(empty_store());
    let Ok(store) = open_on(&machine) else {
        panic!("{place}: not opened")
    };
    let mut author = Author::new(1, room(1));
    machine.fail_from(machine.journal().len() + at, failure);
    let mut acknowledged = 0;
    let mut stopped = None;
    for n in 0..12 {
        let last_day = 10 + n as u32 / 4;
        match store.commit(appending(vec![author.write(last_day, &texts(n, 1))])) {
            Ok(()) if stopped.is_none() => acknowledged = n + 1,
            Ok(()) => panic!("{place}: accepted after it had stopped"),
            Err(error) => stopped = Some(error),
        }
    }
    if let Some(error) = &stopped {
        assert!(
            matches!(error, StoreError::Stopped { .. }),
            "{place}: {error}"
        );
        assert!(store.logs().is_err(), "{place}: still answers");
        assert!(store.purge(everywhere(9)).is_err(), "{place}: still purges");
    }
    drop(store);
    let healed = Machine::with(machine.image());
    let store = open_on(&healed).unwrap_or_else(|error| panic!("{place}: {error}"));
    let found = readable(&store, &author.log);
    assert!(found.len() >= acknowledged, "{place}: lost something");
    assert_eq!(found, texts(0, found.len()), "{place}");
}

#[test]
fn a_disk_full_at_any_write_stops_the_store_and_loses_nothing_acknowledged() {
    for at in 0..120 {
        survives(at, Failure::Full);
    }
}

#[test]
fn a_failed_sync_stops_the_store_and_loses_nothing_acknowledged() {
    for at in 0..120 {
        survives(at, Failure::SyncError);
    }
}
