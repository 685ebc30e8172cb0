//! The decoders of the files beside the store, for whoever tries them with hostile bytes: each reads a
//! file and gives the bytes that it would write, or nothing if it refuses the file.

use super::keyring::{self, Keyring};
use super::seal::Key;
use super::slots::Slots;
use super::staff_slots;

/// A file of key slots.
pub fn key_slots(bytes: &[u8]) -> Option<Vec<u8>> {
    Slots::decode(bytes).ok().map(|slots| slots.encode())
}

/// A file of staff slots.
pub fn staff_slots(bytes: &[u8]) -> Option<Vec<u8>> {
    let slots = staff_slots::Slots::decode(bytes).ok()?;
    Some(slots.encode())
}

/// A keyring file under a key encryption key. It is written under a fresh key each time, so what is
/// given back are the contents.
pub fn keyring(bytes: &[u8], kek: [u8; 32]) -> Option<Vec<u8>> {
    let keyring = Keyring::decode(bytes, &Key::new(kek)).ok()?;
    Some(keyring.contents())
}

/// What is sealed in a keyring file.
pub fn keyring_contents(bytes: &[u8]) -> Option<Vec<u8>> {
    keyring::reread_contents(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::domain::id::{RoomId, StaffId};
    use crate::domain::space::Space;
    use crate::domain::time::{Day, WallTime};
    use crate::store::slots::{Cost, Unlock};
    use crate::store::staff_slots::{SlotOwner, StaffSecret, StaffSlots};

    /// The key encryption key of the fuzz target's keyrings.
    const KEK: [u8; 32] = [0x11; 32];

    fn corpus(target: &str, name: &str, bytes: &[u8]) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
        let folder = folder.join(target);
        std::fs::create_dir_all(&folder).expect("a place");
        std::fs::write(folder.join(name), bytes).expect("room");
    }

    fn slots(secrets: &[Unlock]) -> Slots {
        let mut slots = Slots::none();
        for secret in secrets {
            let added = slots.add(&Key::new(KEK), secret, Cost::CHEAP);
            added.expect("few enough");
        }
        slots
    }

    fn staff_slots_of(people: &[&str]) -> Vec<u8> {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let slots = StaffSlots::of(scratch.path(), &Key::new(KEK), Cost::CHEAP);
        for (number, name) in (1..).zip(people) {
            let owner = SlotOwner::new(StaffId::new([number; 16]), name, WallTime(1_000));
            let secret = StaffSecret::new(name, "violet lamp on tuesday");
            slots.keep(&secret, &owner).expect("few enough");
        }
        std::fs::read(scratch.path().join("staff-slots")).expect("written")
    }

    fn used_keyring() -> Keyring {
        let mut keyring = Keyring::fresh();
        let (room, own) = (RoomId::new([3; 16]), StaffId::new([4; 16]));
        keyring.ensure(Day(20_900), &Space::Room(room));
        keyring.ensure(Day(20_901), &Space::Staff(own));
        keyring.renew(&Space::Room(room));
        keyring
    }

    #[test]
    #[ignore = "writes corpora of the fuzz targets anew: only when a format's version changes"]
    fn freeze() {
        let passphrase = || Unlock::Passphrase("correct horse".to_owned().into());
        let key_file = || Unlock::KeyFile([7; 32].into());
        corpus("key-slots", "passphrase", &slots(&[passphrase()]).encode());
        let both = slots(&[passphrase(), key_file()]);
        corpus("key-slots", "both", &both.encode());
        for (name, people) in [("one", &["Ana"][..]), ("two", &["Ana", "Bo"])] {
            corpus("staff-slots", name, &staff_slots_of(people));
        }
        for (name, mut keyring) in [("fresh", Keyring::fresh()), ("used", used_keyring())] {
            corpus("keyring-contents", name, &keyring.contents());
            let file = keyring.next_generation(&Key::new(KEK));
            corpus("keyring", name, &file);
        }
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let slots = slots(&[Unlock::KeyFile([7; 32].into())]).encode();
        assert_eq!(key_slots(&slots), Some(slots));
        let slots = staff_slots_of(&["Ana"]);
        assert_eq!(staff_slots(&slots), Some(slots));
        let mut used = used_keyring();
        let contents = used.contents();
        let file = used.next_generation(&Key::new(KEK));
        assert_eq!(keyring(&file, KEK), Some(contents.clone()));
        assert_eq!(keyring(&file, [0; 32]), None);
        assert_eq!(keyring_contents(&contents), Some(contents));
    }
}
