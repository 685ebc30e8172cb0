use super::*;

fn passphrase(text: &str) -> Unlock {
    Unlock::Passphrase(Zeroizing::new(text.to_owned()))
}

fn key_file(byte: u8) -> Unlock {
    Unlock::KeyFile(Zeroizing::new([byte; 32]))
}

fn both() -> (Key, Slots) {
    let kek = Key::random();
    let mut slots = Slots::none();
    slots
        .add(&kek, &passphrase("correct horse"), Cost::CHEAP)
        .expect("room");
    slots.add(&kek, &key_file(7), Cost::CHEAP).expect("room");
    (kek, slots)
}

#[test]
fn each_slot_opens_with_its_own_secret_and_gives_the_same_key() {
    let (kek, slots) = both();
    let read = Slots::decode(&slots.encode()).expect("our own file");
    for unlock in [passphrase("correct horse"), key_file(7)] {
        assert_eq!(read.unlock(&unlock).expect("a slot").bytes(), kek.bytes());
    }
    let kinds: Vec<_> = read.list().iter().map(|slot| slot.kind).collect();
    assert_eq!(kinds, [SlotKind::Passphrase, SlotKind::KeyFile]);
}

#[test]
fn a_wrong_passphrase_and_a_wrong_key_file_are_told_apart() {
    let (_, slots) = both();
    let refusal = |unlock| slots.unlock(&unlock).expect_err("wrong");
    assert_eq!(
        refusal(passphrase("correct horsf")),
        SlotError::WrongPassphrase
    );
    assert_eq!(refusal(key_file(8)), SlotError::WrongKeyFile);
}

#[test]
fn a_removed_slot_opens_no_more_and_the_last_one_stays() {
    let (_, mut slots) = both();
    slots.remove(0).expect("another is left");
    let refusal = slots.unlock(&passphrase("correct horse"));
    assert_eq!(refusal.expect_err("removed"), SlotError::WrongPassphrase);
    assert_eq!(slots.remove(1), Err(SlotError::Last { number: 1 }));
    assert_eq!(slots.remove(5), Err(SlotError::Unknown { number: 5 }));
}

#[test]
fn there_are_sixteen_slots_and_no_more() {
    let (kek, mut slots) = both();
    for byte in 2..SLOTS_MAX as u8 {
        slots.add(&kek, &key_file(byte), Cost::CHEAP).expect("room");
    }
    assert_eq!(
        slots.add(&kek, &key_file(99), Cost::CHEAP),
        Err(SlotError::Full)
    );
    Slots::decode(&slots.encode()).expect("within the limits");
}

#[test]
fn a_changed_slot_file_never_opens_and_never_asks_for_too_much() {
    let (kek, slots) = both();
    let bytes = slots.encode();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        if let Ok(slots) = Slots::decode(&changed) {
            let opened = [passphrase("correct horse"), key_file(7)].map(|u| slots.unlock(&u));
            let same = opened
                .iter()
                .flatten()
                .all(|key| key.bytes() == kek.bytes());
            assert!(same, "byte {at}");
        }
    }
    let greedy = Cost {
        memory_kib: 2 * 1024 * 1024,
        passes: 3,
    };
    let slot = Slot {
        number: 0,
        way: Way::Passphrase(greedy, [0; 16]),
        wrapped: vec![0; 72],
    };
    let greedy = Slots {
        version: VERSION,
        slots: vec![slot],
    };
    assert!(matches!(
        Slots::decode(&greedy.encode()),
        Err(SlotError::Damaged(_))
    ));
}

#[test]
fn slots_from_the_future_are_named() {
    let (_, mut slots) = both();
    slots.version = 2;
    assert_eq!(
        Slots::decode(&slots.encode()),
        Err(SlotError::TooNew { found: 2 })
    );
}

#[test]
fn a_forged_number_does_not_keep_another_slot_from_being_added() {
    let (_, mut slots) = both();
    slots.slots[1].number = u32::MAX;
    let forged = Slots::decode(&slots.encode());
    assert_eq!(forged, Err(CodecError::Malformed.into()));
    slots.slots[1].number = u32::MAX - 1;
    assert!(Slots::decode(&slots.encode()).is_ok());
}
