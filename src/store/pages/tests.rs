use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::*;
use crate::store::model::{Dice, Image, Machine, ModelDisk, Replay, Unsynced};

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("t");

fn pages(machine: &Machine) -> Pages<ModelDisk> {
    Pages::new(machine.disk(), &Key::new([1; 32]))
}

fn open(machine: &Machine) -> Result<Database, redb::DatabaseError> {
    Database::builder()
        .set_cache_size(1 << 20)
        .set_check_integrity_on_open(true)
        .create_with_backend(pages(machine))
}

fn value(round: u64, key: u64) -> Vec<u8> {
    vec![(round * 31 + key) as u8; 20 + (key as usize * 977) % 9000]
}

fn commit(db: &Database, round: u64) {
    let mut write = db.begin_write().expect("alive");
    write.set_quick_repair(true);
    {
        let mut table = write.open_table(TABLE).expect("alive");
        for key in 0..6 {
            let at = (round * 7 + key * 131) % 40;
            table.insert(at, &value(round, at)[..]).expect("alive");
        }
        table.remove((round * 13) % 40).expect("alive");
        table.insert(1000, &round.to_le_bytes()[..]).expect("alive");
    }
    write.commit().expect("alive");
}

fn last_round(db: &Database) -> Option<u64> {
    let read = db.begin_read().expect("opened");
    let table = read.open_table(TABLE).ok()?;
    for row in table.iter().expect("readable") {
        row.expect("every row reads");
    }
    let bytes = table.get(1000).expect("readable")?;
    Some(u64::from_le_bytes(
        bytes.value().try_into().expect("eight bytes"),
    ))
}

#[test]
fn what_was_written_is_read_back_and_a_block_never_written_is_zeros() {
    let machine = Machine::default();
    let pages = pages(&machine);
    pages.set_len(4 * BLOCK as u64).expect("room");
    pages.write(0, b"header").expect("room");
    pages.write(BLOCK as u64, &[7; 2 * BLOCK]).expect("room");
    let mut block = [1; BLOCK];
    pages.read(2 * BLOCK as u64, &mut block).expect("there");
    assert_eq!(block, [7; BLOCK]);
    pages.read(3 * BLOCK as u64, &mut block).expect("there");
    assert_eq!(block, [0; BLOCK]);
    pages.read(0, &mut block).expect("there");
    assert_eq!(&block[..6], b"header");
    assert!(
        pages.read(4 * BLOCK as u64, &mut block).is_err(),
        "past the end"
    );
}

#[test]
fn nothing_of_a_block_stands_in_clear() {
    let machine = Machine::default();
    let pages = pages(&machine);
    pages.set_len(2 * BLOCK as u64).expect("room");
    pages
        .write(BLOCK as u64, &b"contents".repeat(BLOCK / 8))
        .expect("room");
    let raw = machine.image().pages;
    assert!(!raw.windows(8).any(|window| window == b"contents"));
}

#[test]
fn another_key_is_told_which_block_does_not_authenticate() {
    let machine = Machine::default();
    commit(&open(&machine).expect("made"), 1);
    let other = Pages::new(machine.disk(), &Key::new([2; 32]));
    let refusal = Database::builder()
        .create_with_backend(other)
        .expect_err("not its key");
    assert!(
        refusal
            .to_string()
            .contains("block 0 does not authenticate"),
        "{refusal}"
    );
}

#[test]
fn a_block_put_in_anothers_place_is_noticed() {
    let machine = Machine::default();
    let pages = pages(&machine);
    pages.set_len(3 * BLOCK as u64).expect("room");
    pages.write(BLOCK as u64, &[7; 2 * BLOCK]).expect("room");
    let mut first = vec![0; SEALED_BLOCK];
    machine
        .disk()
        .read_at(SEALED_BLOCK as u64, &mut first)
        .expect("there");
    machine
        .disk()
        .write_at(2 * SEALED_BLOCK as u64, &first)
        .expect("room");
    let failure = pages
        .read(2 * BLOCK as u64, &mut [0; BLOCK])
        .expect_err("moved");
    assert!(
        failure
            .to_string()
            .contains("block 2 does not authenticate"),
        "{failure}"
    );
}

#[test]
fn one_flipped_bit_of_a_written_block_is_noticed_wherever_it_is() {
    let machine = Machine::default();
    let pages = pages(&machine);
    pages.set_len(2 * BLOCK as u64).expect("room");
    pages.write(0, &[3; 320]).expect("room");
    pages.write(BLOCK as u64, &[7; BLOCK]).expect("room");
    let header = 0..SECTOR;
    let block = SEALED_BLOCK..2 * SEALED_BLOCK;
    for at in header.chain(block) {
        let mut image = machine.image();
        image.pages[at] ^= 1 << (at % 8);
        let damaged = self::pages(&Machine::with(image));
        let number = at / SEALED_BLOCK;
        let offset = (number * BLOCK) as u64;
        let failure = damaged.read(offset, &mut [0; BLOCK]).expect_err("flipped");
        let said = failure.to_string();
        assert!(
            said.contains(&format!("block {number} does not")),
            "byte {at}: {said}"
        );
    }
}

/// Every operation of a run of commits, five fates of what was unsynced by turns, and a second power
/// cut while the file recovers from the first. It begins with a file that has been made: until then the
/// store has no key slots, and making it begins again from nothing.
#[test]
fn after_a_power_cut_at_any_operation_the_file_opens_and_every_commit_is_there() {
    let made = Machine::default();
    drop(open(&made).expect("made"));
    let start = made.image();
    let machine = Machine::with(start.clone());
    let db = open(&machine).expect("made");
    for round in 1..=4 {
        commit(&db, round);
        machine.acknowledge(round);
    }
    drop(db);
    let mut dice = Dice::new(1);
    let mut replay = Replay::from(start);
    let journal = machine.journal();
    for (at, op) in journal.iter().enumerate() {
        replay.step(op);
        let fates = if replay.has_unsynced() { 2 } else { 1 };
        for fate in (at..at + fates).map(|turn| FATES[turn % FATES.len()]) {
            let image = replay.cut(fate, &mut dice);
            let place = format!("op {at}, {fate:?}");
            survives(&image, replay.acknowledged(), &place, &mut dice);
        }
    }
    assert!(
        journal.len() > 80,
        "the workload is too small: {}",
        journal.len()
    );
}

const FATES: [Unsynced; 5] = [
    Unsynced::Dropped,
    Unsynced::Kept,
    Unsynced::Subset,
    Unsynced::Torn(512),
    Unsynced::Torn(4096),
];

fn survives(image: &Image, acknowledged: Option<u64>, place: &str, dice: &mut Dice) {
    let machine = Machine::with(image.clone());
    let db = open(&machine).unwrap_or_else(|error| panic!("{place}: {error}"));
    assert!(last_round(&db) >= acknowledged, "{place}: lost a commit");
    drop(db);
    let journal = machine.journal();
    let second = dice.roll(journal.len() as u64 + 1) as usize;
    let mut replay = Replay::from(image.clone());
    for op in &journal[..second] {
        replay.step(op);
    }
    let twice = Machine::with(replay.cut(Unsynced::Torn(512), dice));
    let place = format!("{place}, then op {second} of the recovery");
    let db = open(&twice).unwrap_or_else(|error| panic!("{place}: {error}"));
    assert!(last_round(&db) >= acknowledged, "{place}: lost a commit");
}
