use super::*;
use crate::platform::entropy;
use crate::platform::entropy::repeatable::Repeatable;

fn key(number: u8) -> BackupKey {
    BackupKey::new(Zeroizing::new([number; 32]))
}

const ABOUT: (ClinicId, DeviceId, WallTime) = (
    ClinicId::new([1; 32]),
    DeviceId::new([2; 32]),
    WallTime(1_800_000_000_000),
);

fn sealed(contents: &[u8], keys: &[&BackupKey]) -> Vec<u8> {
    let recipients: Vec<Recipient> = keys.iter().map(|key| key.recipient()).collect();
    let mut sealer =
        Sealer::begin(Vec::new(), ABOUT, &recipients, &mut entropy::os()).expect("recipients");
    sealer.write_all(contents).expect("memory");
    sealer.finish().expect("memory")
}

fn opened(bytes: &[u8], key: &BackupKey) -> Result<Vec<u8>, VaultError> {
    let mut opener = Opener::begin(bytes, key)?;
    let mut contents = Vec::new();
    opener.read_to_end(&mut contents)?;
    Ok(contents)
}

#[test]
fn each_recipient_opens_it_and_nobody_else() {
    for length in [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK - 1] {
        let contents: Vec<u8> = (0..length).map(|at| at as u8).collect();
        let bytes = sealed(&contents, &[&key(1), &key(2)]);
        assert!(opened(&bytes, &key(1)).expect("sealed to it") == contents);
        assert!(opened(&bytes, &key(2)).expect("sealed to it") == contents);
        let other = opened(&bytes, &key(3));
        assert!(matches!(other, Err(VaultError::OtherKey)), "{other:?}");
    }
}

#[test]
fn nothing_that_was_changed_cut_off_or_added_opens_to_its_end() {
    let bytes = sealed(&[7; 2 * CHUNK + 100], &[&key(1)]);
    for at in (0..bytes.len()).step_by(997).chain(0..400) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(opened(&changed, &key(1)).is_err(), "byte {at}");
        assert!(opened(&bytes[..at], &key(1)).is_err(), "cut at {at}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(opened(&longer, &key(1)).is_err());
}

#[test]
fn chunks_have_their_places() {
    let bytes = sealed(&[7; 3 * CHUNK], &[&key(1)]);
    let size = 5 + CHUNK + TAG;
    // The last chunk is full as well: three of one size stand at the end.
    let begin = bytes.len() - 3 * size;
    let mut swapped = bytes.clone();
    swapped[begin..begin + size].copy_from_slice(&bytes[begin + size..begin + 2 * size]);
    swapped[begin + size..begin + 2 * size].copy_from_slice(&bytes[begin..begin + size]);
    assert!(opened(&swapped, &key(1)).is_err());
    let mut without = bytes.clone();
    without.drain(begin..begin + size);
    assert!(opened(&without, &key(1)).is_err());
}

#[test]
fn a_recipient_is_read_back_and_a_mistyped_one_is_noticed() {
    let recipient = key(1).recipient();
    let text = recipient.to_string();
    assert_eq!(Recipient::parse(&text).expect("as printed"), recipient);
    let other = if text.starts_with('0') { "1" } else { "0" };
    let mistyped = format!("{other}{}", &text[1..]);
    for wrong in ["", "-", "00-00", mistyped.as_str(), &text[..64]] {
        assert!(Recipient::parse(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_file_that_is_no_backup_or_an_empty_one_is_said_to_be_so() {
    for (bytes, said) in [
        (&b""[..], "damaged or was cut off"),
        (&b"\0\0\0\x09 cut"[..], "damaged or was cut off"),
        (
            &b"A letter to the head nurse"[..],
            "not a \"clinic-mesh backup\" file",
        ),
        (&b"\0\0\0\x02no"[..], "not a \"clinic-mesh backup\" file"),
    ] {
        let refused = read_head(&mut &bytes[..]).expect_err(said).to_string();
        assert!(refused.contains(said), "{said} in {refused}");
    }
}

#[test]
fn a_backup_is_for_one_to_eight_keys() {
    let many = vec![key(1).recipient(); RECIPIENTS_MAX + 1];
    for wrong in [&[][..], &many] {
        let begun = Sealer::begin(Vec::new(), ABOUT, wrong, &mut entropy::os());
        assert!(matches!(begun, Err(VaultError::Count(_))));
    }
}

#[test]
fn a_backup_made_before_still_opens() {
    let recipients = [key(1).recipient()];
    let mut rng = Repeatable("backup", 0);
    let mut sealer = Sealer::begin(Vec::new(), ABOUT, &recipients, &mut rng).expect("a recipient");
    sealer.write_all(b"what was kept").expect("memory");
    let bytes = sealer.finish().expect("memory");
    let frozen = |text: &str| unhex(text.trim()).expect("hex");
    let of_version_1 = frozen(include_str!("frozen.hex"));
    let frozen = frozen(include_str!("frozen_2.hex"));
    assert_eq!(hex(&bytes), hex(&frozen));
    for before in [of_version_1, frozen] {
        let kept = opened(&before, &key(1)).expect("sealed to it");
        assert_eq!(kept, b"what was kept");
    }
    let mut later = bytes;
    let version = HEAD.label.len() + 5;
    later[version] = 3;
    let refused = opened(&later, &key(1))
        .map(drop)
        .expect_err("of a later program");
    assert!(
        refused
            .to_string()
            .contains("has version 3, this program knows 2"),
        "{refused}"
    );
}

#[test]
fn whoever_makes_a_file_can_check_it_and_no_other_with_its_key() {
    let recipients = [key(1).recipient()];
    let make = || {
        let mut sealer =
            Sealer::begin(Vec::new(), ABOUT, &recipients, &mut entropy::os()).expect("a recipient");
        sealer.write_all(b"what was kept").expect("memory");
        let own = sealer.file_key();
        (sealer.finish().expect("memory"), own)
    };
    let ((bytes, own), (other, _)) = (make(), make());
    let mut contents = Vec::new();
    let mut opener = Opener::begin_own(bytes.as_slice(), &own).expect("its own");
    opener.read_to_end(&mut contents).expect("whole");
    assert_eq!(contents, b"what was kept");
    assert!(Opener::begin_own(other.as_slice(), &own).is_err());
}
