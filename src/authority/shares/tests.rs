use proptest::prelude::*;

use super::*;
use crate::domain::name::Name;
use crate::domain::time::WallTime;
use crate::platform::entropy::repeatable::Repeatable;

fn root() -> SigningKey {
    SigningKey::from_seed(&[0xa7; 32])
}

fn clinic_of(root: &SigningKey) -> ClinicId {
    ClinicId::of_root(&root.id().as_admin())
}

fn split_in(threshold: u8, count: u8, draw: u64) -> Vec<Share> {
    split_root(&root(), threshold, count, draw)
}

fn split_root(root: &SigningKey, threshold: u8, count: u8, draw: u64) -> Vec<Share> {
    let sheets = Sheets { threshold, count };
    let rng = &mut Repeatable("shares", draw << 32);
    split(root, clinic_of(root), sheets, rng)
        .expect("numbers that fit")
        .1
}

fn two_of_three() -> Vec<Share> {
    split_in(2, 3, 0)
}

/// The lines of a share's words, without numbers.
fn words_of(share: &Share) -> Vec<String> {
    let lines = typing::lines(share);
    let words = lines
        .lines()
        .map(|line| line.split_once(':').expect("numbered").1);
    words.map(|line| line.trim().to_owned()).collect()
}

fn type_all<'a>(lines: impl IntoIterator<Item = &'a String>) -> Result<Vec<Share>, ShareError> {
    let mut typing = ShareTyping::new();
    lines.into_iter().try_for_each(|line| typing.line(line))?;
    typing.finish()
}

fn known(clinic: ClinicId) -> Known {
    Known {
        clinic: Some(clinic),
        ..Known::default()
    }
}

fn restored(shares: &[Share]) -> Result<ClinicId, ShareError> {
    let expected = clinic_of(&root());
    let (clinic, key) = combine(shares, &known(expected))?;
    assert_eq!((clinic, key.id()), (expected, root().id()));
    Ok(clinic)
}

proptest! {
    #![proptest_config(crate::domain::testing::cases(48))]

    #[test]
    fn any_so_many_shares_bring_the_root_back_and_fewer_never(
        seed in any::<[u8; 32]>(),
        (count, threshold) in (2..=SHARES_MAX).prop_flat_map(|count| (Just(count), 2..=count)),
        draw in 1_u64..1_000_000,
        order in any::<[u16; SHARES_MAX as usize]>(),
        more in 0_usize..usize::from(SHARES_MAX),
    ) {
        let root = SigningKey::from_seed(&seed);
        let mut shares = split_root(&root, threshold, count, draw);
        shares.sort_by_key(|share| order[usize::from(share.number) - 1]);
        let needed = usize::from(threshold);
        let taken = &shares[..(needed + more).min(shares.len())];
        let (clinic, key) = combine(taken, &Known::default()).expect("enough of them");
        prop_assert_eq!(key.seed(), root.seed());
        prop_assert_eq!(clinic, clinic_of(&root));
        for given in 0..needed {
            let needed = if given == 0 { THRESHOLD_MIN } else { threshold };
            let refused = combine(&shares[..given], &Known::default()).err();
            prop_assert_eq!(refused, Some(ShareError::TooFew { given, needed }));
        }
        // What is typed is what was printed, by words and by the picture.
        for share in taken {
            let by_words = type_all(&words_of(share)).expect("its words");
            let by_picture = type_all([&*typing::in_one_line(share)]).expect("its picture");
            for read in [&by_words[0], &by_picture[0]] {
                prop_assert_eq!(&*read.part, &*share.part);
                prop_assert_eq!(read.head(), share.head());
            }
        }
    }
}

#[test]
fn a_share_that_claims_a_lower_threshold_makes_no_key() {
    let mut two = split_in(3, 4, 0);
    two.truncate(2);
    for share in &mut two {
        share.threshold = 2;
    }
    assert_eq!(restored(&two), Err(ShareError::DoNotFit));
}

#[test]
fn shares_are_read_however_they_are_typed() {
    let shares = two_of_three();
    let numbered: Vec<String> = typing::lines(&shares[0])
        .lines()
        .map(str::to_owned)
        .collect();
    let short: Vec<String> = words_of(&shares[0])
        .iter()
        .map(|line| {
            let words = line.split(' ').map(|word| &word[..word.len().min(4)]);
            words.collect::<Vec<_>>().join("   ").to_uppercase()
        })
        .collect();
    let mut picture = typing::in_one_line(&shares[0]).to_lowercase();
    picture.insert(4, '-');
    for form in [numbered, words_of(&shares[0]), short, vec![picture]] {
        let with_gaps = form.iter().chain(&form[..0]);
        let mut read = type_all(with_gaps).expect("a share");
        assert_eq!(read.len(), 1, "{form:?}");
        read.push(shares[2].clone());
        restored(&read).expect("both fit");
    }
}

#[test]
fn a_wrong_word_is_named_by_its_share_and_line() {
    let shares = two_of_three();
    for line in 0..LINES {
        for at in 0..words::WORDS {
            let mut lines = words_of(&shares[0]);
            lines.extend(words_of(&shares[1]));
            let mut typed: Vec<&str> = lines[LINES + line].split(' ').collect();
            let other = if typed[at] == "zoo" { "able" } else { "zoo" };
            typed[at] = other;
            lines[LINES + line] = typed.join(" ");
            let (share, line) = (2, line + 1);
            let refused = type_all(&lines).err();
            assert_eq!(refused, Some(ShareError::Mistyped { share, line }));
        }
    }
}

#[test]
fn what_is_no_line_is_told_from_a_mistyped_one() {
    let lines = words_of(&two_of_three()[0]);
    let mut typing = ShareTyping::new();
    let (share, line) = (1, 1);
    let words = 7;
    let short = lines[0].rsplit_once(' ').expect("words").0;
    assert_eq!(
        typing.line(short),
        Err(ShareError::Words { share, line, words })
    );
    let mut unknown: Vec<&str> = lines[0].split(' ').collect();
    unknown[4] = "hospital!";
    let refused = typing.line(&unknown.join(" "));
    assert_eq!(
        refused,
        Err(ShareError::UnknownWord {
            share,
            line,
            word: 5
        })
    );
    // A refused line changes nothing: it is typed again, and the share goes on.
    typing.line(&lines[0]).expect("as printed");
    typing.line("").expect("passed over");
    assert_eq!(typing.place(), (1, 2));
    let swapped = typing.line(&lines[2]);
    assert_eq!(swapped, Err(ShareError::Mistyped { share, line: 2 }));
    for line in &lines[1..] {
        typing.line(line).expect("as printed");
    }
    assert_eq!((typing.place(), typing.wants_more()), ((2, 1), true));
    typing.line(&lines[0]).expect("another");
    let refused = typing.finish().err();
    assert_eq!(refused, Some(ShareError::Unfinished { share: 2, lines: 1 }));
}

#[test]
fn a_line_of_another_page_of_the_set_is_noticed() {
    let shares = two_of_three();
    let mut lines = words_of(&shares[0]);
    lines[3] = words_of(&shares[1])[3].clone();
    let (share, line) = (1, 4);
    assert_eq!(
        type_all(&lines).err(),
        Some(ShareError::Mistyped { share, line })
    );
}

#[test]
fn lines_whose_checks_fit_by_chance_do_not_make_a_share() {
    let share = &two_of_three()[0];
    let mut other = share.clone();
    other.part[0] ^= 1;
    let head = share.head();
    let mut typing = ShareTyping::new();
    let (lines, others) = (share.lines(), other.lines());
    for at in 0..LINES {
        let from = if at == 1 { &others[at] } else { &lines[at] };
        assert_eq!(from[LINE_BYTES..], check(at, &head, &from[..LINE_BYTES]));
        let typed = typing.line(&words::of(from));
        let expected = if at + 1 < LINES {
            Ok(())
        } else {
            Err(ShareError::Mixed { share: 1 })
        };
        assert_eq!(typed, expected);
    }
    assert_eq!(typing.place(), (1, 1), "it is typed anew");
}

#[test]
fn a_share_of_a_later_program_is_named_as_such() {
    let mut head = two_of_three()[0].head();
    head[0] = 9;
    let mut line = [0; words::BYTES];
    line[..LINE_BYTES].copy_from_slice(&head);
    line[LINE_BYTES..].copy_from_slice(&check(0, &head, &head));
    let refused = ShareTyping::new().line(&words::of(&line));
    let (share, version) = (1, 9);
    assert_eq!(refused, Err(ShareError::Version { share, version }));
}

#[test]
fn shares_that_do_not_belong_together_are_refused_each_by_its_reason() {
    let (one, two) = (two_of_three(), split_in(2, 3, 7));
    let twice = [one[0].clone(), one[0].clone()];
    assert_eq!(restored(&twice), Err(ShareError::Twice { number: 1 }));
    let sets = [one[0].clone(), two[1].clone()];
    let (set, first) = (two[1].set, one[0].set);
    let refused = ShareError::OtherSet {
        number: 2,
        set,
        first,
    };
    assert_eq!(restored(&sets), Err(refused));
    let elsewhere = split_root(&SigningKey::from_seed(&[1; 32]), 2, 3, 0);
    let number = 2;
    let clinics = [one[0].clone(), elsewhere[1].clone()];
    assert_eq!(restored(&clinics), Err(ShareError::OtherClinic { number }));
    let all_elsewhere = restored(&elsewhere);
    assert_eq!(all_elsewhere, Err(ShareError::OtherClinic { number: 1 }));
    let mut altered = one.clone();
    altered[2].part[31] ^= 0x80;
    assert_eq!(restored(&altered[1..]), Err(ShareError::DoNotFit));
    assert_eq!(
        restored(&altered),
        Err(ShareError::DoNotFit),
        "one too many"
    );
    restored(&altered[..2]).expect("without it");
}

#[test]
fn numbers_of_shares_have_bounds() {
    for (threshold, count) in [(1, 3), (4, 3), (0, 0), (2, 9), (9, 9)] {
        let sheets = Sheets { threshold, count };
        let refused = split(&root(), clinic_of(&root()), sheets, &mut Repeatable("n", 0));
        assert_eq!(refused.err(), Some(ShareError::Numbers(sheets)));
    }
}

#[test]
fn the_page_fits_one_sheet_and_says_what_it_is_and_how_to_use_it() {
    let name = Name::new("x".repeat(64)).expect("a name");
    let share = &split_in(8, 8, 0)[7];
    let sheets = Sheets {
        threshold: 8,
        count: 8,
    };
    let now = WallTime(1_767_225_600_000);
    let clinic = clinic_of(&root());
    let page = page(&name, &clinic, share, sheets, now, Seen::OnPaper);
    assert!(page.lines().count() <= 60, "{} lines", page.lines().count());
    assert!(
        page.lines().all(|line| line.chars().count() <= 80),
        "{}",
        *page
    );
    let set = share.set.to_string();
    for part in [
        "SHARE 8 OF 8",
        "2026-01-01",
        "authority recover --shares",
        "shares check",
        &set,
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.contains(typing::lines(share).as_str()) && page.contains('█'));
    let read = type_all(&words_of(share)).expect("its words");
    assert_eq!(read[0].head(), share.head());
}

/// The points of a picture of half blocks that are drawn, row by row.
fn drawn(picture: &str) -> Vec<Vec<bool>> {
    let halves = |line: &str, halves: &str| line.chars().map(|c| halves.contains(c)).collect();
    let rows = picture
        .lines()
        .flat_map(|line| [halves(line, "█▀"), halves(line, "█▄")]);
    rows.collect()
}

#[test]
fn the_picture_holds_the_share_in_one_line_on_paper_and_the_other_way_round_on_a_screen() {
    /// Clear points around a code, as its standard asks for.
    const CLEAR: usize = 4;
    for share in two_of_three() {
        let text = typing::in_one_line(&share);
        let code = qrcode::QrCode::with_error_correction_level(&*text, qrcode::EcLevel::M);
        let (code, width) = code
            .map(|code| (code.to_colors(), code.width()))
            .expect("it fits");
        let paper = drawn(&page::picture(&share, Seen::OnPaper));
        let screen = drawn(&page::picture(&share, Seen::OnScreen));
        for y in 0..width + 2 * CLEAR {
            for x in 0..width + 2 * CLEAR {
                let inside = |at: usize| (CLEAR..width + CLEAR).contains(&at);
                let dark = inside(x)
                    && inside(y)
                    && code[(y - CLEAR) * width + x - CLEAR] == qrcode::Color::Dark;
                assert_eq!((paper[y][x], screen[y][x]), (dark, !dark), "{x}, {y}");
            }
        }
    }
}

#[test]
fn the_words_of_a_share_are_what_they_were_when_their_form_was_frozen() {
    let frozen = include_str!("../../../tests/vectors/authority/recovery-shares");
    assert_eq!(
        typed_for_tests(),
        frozen,
        "version 1 reads and writes these words"
    );
    let mut lines: Vec<String> = frozen.lines().map(str::to_owned).collect();
    lines.truncate(2 * LINES);
    restored(&type_all(&lines).expect("read")).expect("the root");
}

#[test]
#[ignore = "writes the frozen words anew: only when the shares' version changes"]
fn freeze() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/authority");
    std::fs::write(folder.join("recovery-shares"), typed_for_tests()).expect("room");
}

/// Three shares, the same in every run.
pub(in crate::authority) fn typed_for_tests() -> String {
    let shares = two_of_three();
    shares
        .iter()
        .map(|share| typing::lines(share).to_string())
        .collect()
}
