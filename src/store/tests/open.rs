use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;

fn wrong() -> Unlock {
    Unlock::Passphrase(Zeroizing::new("battery staple".to_owned()))
}

fn made(dir: &Path) -> Author {
    let store = Store::create(dir, &OPTIONS, &passphrase()).expect("made");
    let mut author = Author::new(1, room(1));
    store
        .commit(appending(vec![author.write(30, &texts(0, 3))]))
        .expect("room");
    author
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a scratch directory")
}

#[test]
fn a_closed_store_opens_with_everything_in_it() {
    let scratch = scratch();
    let dir = scratch.path().join("store");
    let author = made(&dir);
    let store = Store::open(&dir, &OPTIONS, &passphrase()).expect("ours");
    assert_eq!(readable(&store, &author.log), texts(0, 3));
    assert_eq!(
        store.log(&author.log).expect("alive").expect("held").head,
        author.head
    );
    assert!(store.room_for_messages());
}

#[test]
fn a_wrong_passphrase_is_named_and_changes_nothing() {
    let scratch = scratch();
    let dir = scratch.path().join("store");
    let author = made(&dir);
    let refusal = Store::open(&dir, &OPTIONS, &wrong()).expect_err("wrong");
    assert!(
        matches!(refusal, StoreError::Locked(SlotError::WrongPassphrase)),
        "{refusal}"
    );
    assert!(refusal.to_string().contains("passphrase"));
    let store = Store::open(&dir, &OPTIONS, &passphrase()).expect("ours");
    assert_eq!(readable(&store, &author.log), texts(0, 3));
}

#[test]
fn a_file_that_is_gone_is_named_with_what_is_lost_and_how_the_node_comes_back() {
    let scratch = scratch();
    for part in ["slots", "keyring"] {
        let dir = scratch.path().join(part);
        made(&dir);
        std::fs::remove_file(dir.join(part)).expect("it was there");
        let refusal = Store::open(&dir, &OPTIONS, &passphrase()).expect_err("gone");
        let said = refusal.to_string();
        for word in [
            part,
            "is gone",
            "backup restore",
            "device replace",
            "is lost",
        ] {
            assert!(said.contains(word), "{word} in: {said}");
        }
        assert!(!said.contains("check the path"), "{said}");
    }
    let nowhere = scratch.path().join("nothing");
    std::fs::create_dir(&nowhere).expect("made");
    let refusal = key_slots(&nowhere).expect_err("no store");
    assert!(refusal.to_string().contains("does not exist"), "{refusal}");
}

#[test]
fn a_second_process_is_told_who_has_the_store_open() {
    let scratch = scratch();
    let dir = scratch.path().join("store");
    made(&dir);
    let store = Store::open(&dir, &OPTIONS, &passphrase()).expect("ours");
    let refusal = Store::open(&dir, &OPTIONS, &passphrase()).expect_err("in use");
    let pid = std::process::id().to_string();
    assert!(
        matches!(&refusal, StoreError::InUse { pid: who } if *who == pid),
        "{refusal}"
    );
    drop(store);
    Store::open(&dir, &OPTIONS, &passphrase()).expect("free again");
}

#[test]
fn a_store_is_never_made_over_another() {
    let scratch = scratch();
    let dir = scratch.path().join("store");
    let author = made(&dir);
    let refusal = Store::create(&dir, &OPTIONS, &passphrase()).expect_err("there is one");
    assert!(matches!(refusal, StoreError::Exists { .. }), "{refusal}");
    let store = Store::open(&dir, &OPTIONS, &passphrase()).expect("ours");
    assert_eq!(readable(&store, &author.log), texts(0, 3));
}

#[test]
fn a_store_whose_making_was_interrupted_is_made_anew() {
    let scratch = scratch();
    let dir = scratch.path().join("store");
    made(&dir);
    std::fs::remove_file(dir.join("slots")).expect("there");
    let author = made(&dir);
    let store = Store::open(&dir, &OPTIONS, &passphrase()).expect("ours");
    assert_eq!(readable(&store, &author.log), texts(0, 3));
}

#[test]
fn only_we_can_read_the_files_of_a_store_and_an_exposed_one_is_refused() {
    let scratch = scratch();
    let dir = scratch.path().join("store");
    made(&dir);
    let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for entry in dir.read_dir().expect("there") {
        let path = entry.expect("there").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    for name in ["slots", "keyring", "store.redb", "."] {
        let path = dir.join(name);
        let was = path.metadata().expect("there").permissions();
        let open = std::fs::Permissions::from_mode(mode(&path) | 0o040);
        std::fs::set_permissions(&path, open).expect("ours");
        let refusal = Store::open(&dir, &OPTIONS, &passphrase()).expect_err("exposed");
        assert!(refusal.to_string().contains("chmod"), "{name}: {refusal}");
        std::fs::set_permissions(&path, was).expect("ours");
    }
    Store::open(&dir, &OPTIONS, &passphrase()).expect("tight again");
}

#[test]
fn a_key_slot_can_be_added_and_the_old_one_removed() {
    let scratch = scratch();
    let dir = scratch.path().join("store");
    let author = made(&dir);
    let key_file = || Unlock::KeyFile(Zeroizing::new([5; 32]));
    let refusal = add_key_slot(&dir, Cost::CHEAP, &wrong(), &key_file()).expect_err("wrong");
    assert!(matches!(
        refusal,
        StoreError::Locked(SlotError::WrongPassphrase)
    ));
    let number = add_key_slot(&dir, Cost::CHEAP, &passphrase(), &key_file()).expect("room");
    assert_eq!(key_slots(&dir).expect("readable").len(), 2);
    remove_key_slot(&dir, &key_file(), 0).expect("another is left");
    assert!(Store::open(&dir, &OPTIONS, &passphrase()).is_err());
    let store = Store::open(&dir, &OPTIONS, &key_file()).expect("the other way in");
    assert_eq!(readable(&store, &author.log), texts(0, 3));
    let refusal = remove_key_slot(&dir, &key_file(), number).expect_err("the last");
    assert!(matches!(
        refusal,
        StoreError::Locked(SlotError::Last { .. })
    ));
}

fn with_schema(schema: u64) -> Machine {
    let machine = Machine::with(empty_store());
    let store = open_on(&machine).expect("ours");
    let write = super::super::apply::begin(&store.shared.db).expect("alive");
    write
        .open_table(tables::COUNTERS)
        .and_then(|mut table| Ok(table.insert(tables::COUNTER_SCHEMA, schema).map(drop)?))
        .expect("alive");
    write.commit().expect("alive");
    drop(store);
    machine
}

#[test]
fn a_store_from_the_future_and_one_from_the_past_are_told_apart() {
    let refusal = open_on(&with_schema(tables::SCHEMA + 1)).expect_err("later");
    assert!(
        matches!(
            refusal,
            StoreError::TooNew {
                found: 2,
                wanted: 1
            }
        ),
        "{refusal}"
    );
    let refusal = open_on(&with_schema(0)).expect_err("earlier");
    assert!(
        matches!(
            refusal,
            StoreError::TooOld {
                found: 0,
                wanted: 1
            }
        ),
        "{refusal}"
    );
}

#[test]
fn an_older_keyring_put_in_place_is_noticed() {
    let machine = Machine::with(empty_store());
    let old = machine.image().small;
    let store = open_on(&machine).expect("ours");
    let mut author = Author::new(1, room(1));
    store
        .commit(appending(vec![author.write(30, &texts(0, 1))]))
        .expect("room");
    drop(store);
    let rolled_back = Machine::with(Image {
        small: old,
        ..machine.image()
    });
    let refusal = open_on(&rolled_back).expect_err("rolled back");
    assert!(
        matches!(
            refusal,
            StoreError::KeyringOld {
                found: 1,
                wanted: 2
            }
        ),
        "{refusal}"
    );
}
