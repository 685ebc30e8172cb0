use super::*;

const SET: WallTime = WallTime(1_000);

fn ana() -> SlotOwner {
    SlotOwner::new(StaffId::new([1; 16]), "Ana", SET)
}

fn secret(name: &str, password: &str) -> StaffSecret {
    StaffSecret::new(name, password)
}

struct Scratch {
    dir: tempfile::TempDir,
    kek: Key,
}

impl Scratch {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a scratch directory"),
            kek: Key::random(),
        }
    }

    fn slots(&self) -> StaffSlots {
        StaffSlots::of(self.dir.path(), &self.kek, Cost::CHEAP)
    }

    fn unlock(&self, name: &str, password: &str) -> Result<StaffKey, StaffSlotError> {
        unlock_by_staff(self.dir.path(), &secret(name, password))
    }

    /// Whose slot opens.
    fn opens(&self, name: &str, password: &str) -> Result<StaffId, StaffSlotError> {
        let key = self.unlock(name, password)?;
        assert_eq!(key.kek.bytes(), self.kek.bytes());
        Ok(key.staff)
    }
}

#[test]
fn a_slot_opens_with_its_owners_name_and_password_and_with_nothing_else() {
    let scratch = Scratch::new();
    let bo = SlotOwner::new(StaffId::new([2; 16]), "Bo", SET);
    let slots = scratch.slots();
    slots
        .keep(&secret("Ana", "violet lamp"), &ana())
        .expect("room");
    slots.keep(&secret("Bo", "green lamp"), &bo).expect("room");

    assert_eq!(scratch.opens("Ana", "violet lamp"), Ok(ana().staff));
    assert_eq!(scratch.opens(" aNA ", "violet lamp"), Ok(ana().staff));
    assert_eq!(scratch.opens("Bo", "green lamp"), Ok(bo.staff));
    for (name, password) in [
        ("Ana", "green lamp"),
        ("Bo", "violet lamp"),
        ("Cy", "violet lamp"),
        ("", ""),
    ] {
        assert_eq!(
            scratch.opens(name, password),
            Err(StaffSlotError::Wrong),
            "{name}"
        );
    }
    // Name and password are two things, wherever the one ends.
    assert_eq!(
        scratch.opens("Anav", "iolet lamp"),
        Err(StaffSlotError::Wrong)
    );
}

#[test]
fn a_person_has_one_slot_and_another_password_takes_the_place_of_the_one_before() {
    let scratch = Scratch::new();
    let slots = scratch.slots();
    slots
        .keep(&secret("Ana", "violet lamp"), &ana())
        .expect("room");
    let later = SlotOwner::new(ana().staff, "Ana", WallTime(2_000));
    slots
        .keep(&secret("Ana", "another lamp"), &later)
        .expect("room");

    // Even if the one before is kept late.
    slots
        .keep(&secret("Ana", "violet lamp"), &ana())
        .expect("nothing to do");
    assert_eq!(slots.owners(), [later]);
    assert_eq!(
        scratch.opens("Ana", "violet lamp"),
        Err(StaffSlotError::Wrong)
    );
    assert_eq!(scratch.opens("Ana", "another lamp"), Ok(ana().staff));
}

#[test]
fn whoever_may_have_no_slot_any_more_unlocks_nothing() {
    let scratch = Scratch::new();
    scratch
        .slots()
        .keep(&secret("Ana", "violet lamp"), &ana())
        .expect("room");
    // After a restart, too.
    let slots = scratch.slots();
    slots.load().expect("our own file");
    assert_eq!(slots.owners(), [ana()]);
    slots
        .retain(|owner| owner.staff != ana().staff)
        .expect("written");
    assert_eq!(slots.owners(), []);
    assert_eq!(
        scratch.opens("Ana", "violet lamp"),
        Err(StaffSlotError::Nobody)
    );
}

#[test]
fn a_node_whose_staff_slots_were_taken_away_is_opened_by_nobodys_password() {
    let scratch = Scratch::new();
    let dir = scratch.dir.path();
    assert_eq!(has_staff_slots(dir), Err(StaffSlotError::Nobody));
    assert_eq!(remove_staff_slots(dir), Ok(()), "there is none");
    scratch
        .slots()
        .keep(&secret("Ana", "violet lamp"), &ana())
        .expect("room");
    assert_eq!(has_staff_slots(dir), Ok(()));
    remove_staff_slots(dir).expect("removed");
    assert_eq!(has_staff_slots(dir), Err(StaffSlotError::Nobody));
    assert_eq!(
        scratch.opens("Ana", "violet lamp"),
        Err(StaffSlotError::Nobody)
    );
}

#[test]
fn there_are_sixty_four_slots_and_no_more() {
    let scratch = Scratch::new();
    let slots = scratch.slots();
    let owner = |number: u8| SlotOwner::new(StaffId::new([number; 16]), "Ana", SET);
    for number in 0..STAFF_SLOTS_MAX as u8 {
        slots
            .keep(&secret("Ana", "violet lamp"), &owner(number))
            .expect("room");
    }
    let full = slots.keep(&secret("Ana", "violet lamp"), &owner(99));
    assert_eq!(full, Err(StaffSlotError::Full));
    // Whoever has one may change it all the same.
    slots
        .keep(&secret("Ana", "another lamp"), &owner(7))
        .expect("in its place");
    scratch.slots().load().expect("within the limits");
}

#[test]
fn the_file_names_nobody_and_tells_no_two_owners_apart_by_length() {
    let scratch = Scratch::new();
    let staff = StaffId::new([0xA7; 16]);
    let long = SlotOwner::new(
        staff,
        "Wilhelmina Featherstonehaugh",
        WallTime(u64::MAX >> 20),
    );
    let short = SlotOwner::new(StaffId::new([0xB8; 16]), "Al", WallTime(u64::MAX >> 21));
    let slots = scratch.slots();
    slots
        .keep(
            &secret("Wilhelmina Featherstonehaugh", "violet lamp"),
            &long,
        )
        .expect("room");
    slots
        .keep(&secret("Al", "violet lamp"), &short)
        .expect("room");
    let bytes = std::fs::read(scratch.dir.path().join(FILE)).expect("written");
    for secret in [
        &b"Wilhelmina"[..],
        b"wilhelmina",
        staff.as_bytes(),
        b"violet",
    ] {
        assert!(!bytes.windows(secret.len()).any(|part| part == secret));
    }
    let file = Slots::decode(&bytes).expect("our own file");
    let lengths = file
        .slots
        .iter()
        .map(|slot| (slot.wrapped.len(), slot.owner.len()));
    let lengths: std::collections::BTreeSet<_> = lengths.collect();
    assert_eq!(lengths.len(), 1, "{lengths:?}");
}

#[test]
fn a_changed_file_never_opens_anything_else_and_never_asks_for_too_much() {
    let scratch = Scratch::new();
    scratch
        .slots()
        .keep(&secret("Ana", "violet lamp"), &ana())
        .expect("room");
    let path = scratch.dir.path().join(FILE);
    let bytes = std::fs::read(&path).expect("written");
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        if let Ok(slots) = Slots::decode(&changed) {
            let opened = slots.unlock(&secret("Ana", "violet lamp"));
            assert!(opened.is_err(), "byte {at}");
        }
    }
    let mut future = Slots::decode(&bytes).expect("our own file");
    future.version = 2;
    let refused = Slots::decode(&future.encode());
    assert_eq!(refused, Err(StaffSlotError::TooNew { found: 2 }));
}

#[test]
fn a_slot_whose_owner_was_exchanged_is_nobodys() {
    let scratch = Scratch::new();
    let slots = scratch.slots();
    let bo = SlotOwner::new(StaffId::new([2; 16]), "Bo", SET);
    slots
        .keep(&secret("Ana", "violet lamp"), &ana())
        .expect("room");
    slots.keep(&secret("Bo", "green lamp"), &bo).expect("room");
    let path = scratch.dir.path().join(FILE);
    let mut file = slots.read().expect("our own file");
    let [one, other] = &mut file.slots[..] else {
        panic!("two slots");
    };
    std::mem::swap(&mut one.owner, &mut other.owner);
    files::replace(&path, &file.encode()).expect("room");
    assert_eq!(
        scratch.opens("Ana", "violet lamp"),
        Err(StaffSlotError::Wrong)
    );
    slots.retain(|_| true).expect("written");
    assert_eq!(slots.owners(), []);
}
