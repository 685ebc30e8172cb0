use super::*;
use crate::platform::entropy::repeatable::Repeatable;

const CHEAP: Cost = Cost {
    memory_kib: 64,
    passes: 1,
    lanes: 1,
};

fn words() -> Passphrase {
    Passphrase::chosen("seven tin soldiers").expect("long enough")
}

fn file() -> KeyFile {
    let key = SigningKey::from_seed(&[4; 32]);
    let holder = Holder::Admin {
        name: Name::new("ana").expect("a name"),
    };
    let clinic = ClinicId::new([5; 32]);
    let mut rng = Repeatable("key file", 0);
    KeyFile::seal(holder, clinic, &key, &words(), CHEAP, &mut rng).expect("sealed")
}

/// A forger can make the checksum right again.
fn forged(change: impl FnOnce(&mut KeyFile)) -> KeyFile {
    let mut file = file();
    change(&mut file);
    file.check = checksum(&file.head, &file.sealed);
    KeyFile::from_bytes(&file.to_bytes()).expect("well-formed")
}

#[test]
fn a_key_comes_back_with_its_passphrase_only() {
    let file = KeyFile::from_bytes(&file().to_bytes()).expect("well-formed");
    let key = file.open(&words()).expect("opened");
    assert_eq!(key.id(), SigningKey::from_seed(&[4; 32]).id());
    let other = Passphrase::typed("seven tin soldier");
    assert_eq!(
        file.open(&other).expect_err("another passphrase"),
        KeyFileError::WrongPassphrase
    );
}

#[test]
fn every_changed_byte_of_a_key_file_is_noticed_before_the_passphrase_is_asked() {
    let bytes = file().to_bytes();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(KeyFile::from_bytes(&changed).is_err(), "byte {at}");
    }
    for length in 0..bytes.len() {
        assert!(
            KeyFile::from_bytes(&bytes[..length]).is_err(),
            "{length} bytes"
        );
    }
}

#[test]
fn no_forged_part_of_a_key_file_opens_even_with_a_fresh_checksum() {
    let forgeries: [fn(&mut KeyFile); 8] = [
        |file| file.head.holder = Holder::Root,
        |file| file.head.clinic = ClinicId::new([6; 32]),
        |file| file.head.public = SigningKey::from_seed(&[6; 32]).id(),
        |file| file.head.cost.passes = 2,
        |file| file.head.salt[0] ^= 1,
        |file| file.head.nonce[0] ^= 1,
        |file| file.sealed[0] ^= 1,
        |file| file.sealed[40] ^= 1,
    ];
    for forgery in forgeries {
        let refused = forged(forgery).open(&words());
        assert_eq!(refused.expect_err("forged"), KeyFileError::WrongPassphrase);
    }
}

#[test]
fn a_forged_cost_does_not_exhaust_the_machine() {
    let costs: [fn(&mut Cost); 4] = [
        |cost| cost.memory_kib = u32::MAX,
        |cost| cost.memory_kib = 0,
        |cost| cost.passes = u32::MAX,
        |cost| cost.lanes = 64,
    ];
    for change in costs {
        let refused = forged(|file| change(&mut file.head.cost)).open(&words());
        assert_eq!(refused.expect_err("forged"), KeyFileError::Cost);
    }
}

#[test]
fn short_passphrases_are_refused_and_two_forms_of_one_letter_are_the_same() {
    assert_eq!(
        Passphrase::chosen("short words"),
        Err(super::super::PassphraseError::TooShort(11))
    );
    assert!(Passphrase::chosen(&"x".repeat(513)).is_err());
    let (one, other) = ("caf\u{e9} on the corner", "cafe\u{301} on the corner");
    assert_eq!(Passphrase::typed(one), Passphrase::typed(other));
}
