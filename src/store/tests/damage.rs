use super::*;
use crate::store::model::Dice;
use crate::store::pages::SEALED_BLOCK;

fn filled() -> (Image, [Author; 2]) {
    let machine = Machine::with(empty_store());
    let store = open_on(&machine).expect("ours");
    let mut authors = [Author::new(1, room(1)), Author::new(2, room(2))];
    for n in 0..6 {
        for author in &mut authors {
            let append = author.write(30, &texts(n * 20, 20));
            store.commit(appending(vec![append])).expect("room");
        }
    }
    drop(store);
    (machine.image(), authors)
}

/// Opens the store and reads all of it: an error, or exactly what was written.
fn error_or_correct(image: Image, authors: &[Author], place: &str) -> Result<(), StoreError> {
    let store = open_on(&Machine::with(image))?;
    for author in authors {
        let segments = store.segments(&author.log, 1, usize::MAX)?;
        let head = store.log(&author.log)?.map(|state| state.head);
        assert_eq!(head, Some(author.head), "{place}: another head");
        let mut texts_found = Vec::new();
        for segment in &segments {
            segment
                .verify(&CLINIC, Hlc(0))
                .unwrap_or_else(|error| panic!("{place}: {error}"));
            let payloads = segment
                .entries
                .iter()
                .filter_map(|entry| entry.payload.as_ref());
            texts_found.extend(payloads.map(|payload| payload.body.clone()));
        }
        let expected: Vec<_> = texts(0, 120).into_iter().map(String::into_bytes).collect();
        assert_eq!(texts_found, expected, "{place}: wrong texts");
    }
    Ok(())
}

#[test]
fn a_flipped_bit_anywhere_in_the_page_file_is_an_error_or_harmless() {
    let (image, authors) = filled();
    error_or_correct(image.clone(), &authors, "unharmed").expect("unharmed");
    let mut dice = Dice::new(3);
    let blocks = image.pages.len() / SEALED_BLOCK;
    let mut noticed = 0;
    for block in 0..blocks {
        let at = block * SEALED_BLOCK + dice.roll(SEALED_BLOCK as u64) as usize;
        let mut damaged = image.clone();
        damaged.pages[at] ^= 1 << dice.roll(8);
        if error_or_correct(damaged, &authors, &format!("byte {at}")).is_err() {
            noticed += 1;
        }
    }
    assert!(
        noticed > 10,
        "only {noticed} of {blocks} flips were noticed"
    );
}

#[test]
fn a_flipped_bit_anywhere_in_the_first_sector_is_named() {
    let (image, authors) = filled();
    for at in (0..512).step_by(5) {
        let mut damaged = image.clone();
        damaged.pages[at] ^= 0x10;
        let failure = error_or_correct(damaged, &authors, "header").expect_err("noticed");
        assert!(
            failure
                .to_string()
                .contains("block 0 does not authenticate"),
            "{at}: {failure}"
        );
    }
}

#[test]
fn a_store_cut_short_is_an_error() {
    let (image, authors) = filled();
    for len in [
        0,
        100,
        SEALED_BLOCK,
        3 * SEALED_BLOCK + 9,
        image.pages.len() / 2,
    ] {
        let mut cut = image.clone();
        cut.pages.truncate(len);
        error_or_correct(cut, &authors, &format!("cut at {len}")).expect_err("too short");
    }
}

#[test]
fn zeros_or_another_block_in_place_of_a_block_are_an_error_or_harmless() {
    let (image, authors) = filled();
    let blocks = image.pages.len() / SEALED_BLOCK;
    for block in 1..blocks {
        let at = block * SEALED_BLOCK;
        let mut zeroed = image.clone();
        zeroed.pages[at..at + SEALED_BLOCK].fill(0);
        let _ = error_or_correct(zeroed, &authors, &format!("zeros at block {block}"));
    }
}

#[test]
fn a_flipped_bit_in_the_keyring_is_named() {
    let (image, authors) = filled();
    let len = image.small.as_ref().expect("a keyring").len();
    for at in 0..len {
        let mut damaged = image.clone();
        damaged.small.as_mut().expect("a keyring")[at] ^= 1;
        let failure = error_or_correct(damaged, &authors, "keyring").expect_err("noticed");
        assert!(
            matches!(failure, StoreError::Keyring(_)),
            "byte {at}: {failure}"
        );
    }
}
