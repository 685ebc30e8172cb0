//! The root key on paper: made, tried, used, with the files of a directory.

use super::*;

const YEAR: u64 = 365 * 24 * 3600;

/// The shares of printed pages, typed from them.
fn typed(pages: &[&str]) -> Vec<Share> {
    let mut typing = ShareTyping::new();
    for page in pages {
        let lines = page.lines().filter(|line| {
            let number = line.trim_start().split_once(":  ");
            number.is_some_and(|(number, _)| number.parse::<u8>().is_ok())
        });
        lines.for_each(|line| typing.line(line).expect("as printed"));
    }
    typing.finish().expect("whole")
}

fn make(bench: &Bench, now: WallTime) -> Vec<String> {
    let mut root = bench.root();
    let made = root
        .make_shares(Sheets::USUAL, Seen::OnPaper, now)
        .expect("made");
    assert_eq!(made.pages.len(), 3);
    made.pages.iter().map(|page| page.to_string()).collect()
}

fn files_of(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).expect("there");
    let mut names: Vec<_> = entries
        .map(|entry| {
            entry
                .expect("there")
                .file_name()
                .into_string()
                .expect("ascii")
        })
        .collect();
    names.sort();
    names
}

#[test]
fn two_pages_of_three_make_the_lost_root_file_again() {
    let bench = Bench::new();
    let pages = make(&bench, NOW);
    let before = bench.root().id();
    std::fs::remove_file(bench.path().join("root.key")).expect("lost");
    let new = Passphrase::chosen("another long passphrase").expect("long enough");
    let clinic = recover_from_shares(
        &bench.path(),
        &typed(&[&pages[2], &pages[0]]),
        None,
        &new,
        CHEAP,
        bench.rng(),
    )
    .expect("recovered");
    assert_eq!(clinic, bench.founded.clinic);
    let mut root = Authority::open_root(&bench.path(), &new, bench.rng()).expect("opened");
    assert_eq!(root.id(), before);
    root.end_admin(bench.founded.admin, None, NOW)
        .expect("it signs");
}

#[test]
fn shares_never_replace_a_root_file_and_never_stand_in_another_clinics_directory() {
    let (bench, other) = (Bench::new(), Bench::other());
    let pages = make(&bench, NOW);
    let shares = typed(&[&pages[0], &pages[1]]);
    let recover = |path: &Path| {
        recover_from_shares(path, &shares, None, &root_words(), CHEAP, bench.rng())
            .expect_err("refused")
    };
    assert!(matches!(
        recover(&bench.path()),
        AuthorityError::File(FileError::Exists { .. })
    ));
    std::fs::remove_file(other.path().join("root.key")).expect("lost");
    let refused = recover(&other.path());
    assert!(matches!(
        refused,
        AuthorityError::Share(ShareError::OtherClinic { .. })
    ));
    // Not even where only the record says whose directory it is.
    for name in files_of(&other.path())
        .iter()
        .filter(|name| name.starts_with("admin-"))
    {
        std::fs::remove_file(other.path().join(name)).expect("gone");
    }
    let refused = recover(&other.path());
    assert!(matches!(
        refused,
        AuthorityError::Share(ShareError::OtherClinic { .. })
    ));
    assert!(!other.path().join("root.key").exists());
}

#[test]
fn an_empty_directory_takes_the_root_of_the_shares() {
    let bench = Bench::new();
    let pages = make(&bench, NOW);
    let empty = bench.scratch.path().join("new laptop");
    let shares = typed(&[&pages[1], &pages[2]]);
    let clinic = recover_from_shares(&empty, &shares, None, &root_words(), CHEAP, bench.rng());
    assert_eq!(clinic.expect("recovered"), bench.founded.clinic);
}

#[test]
fn a_drill_notes_its_date_and_writes_no_key() {
    let bench = Bench::new();
    let pages = make(&bench, NOW);
    std::fs::remove_file(bench.path().join("root.key")).expect("kept elsewhere");
    let (before, made) = (
        files_of(&bench.path()),
        kept_set(&bench.path()).expect("read"),
    );
    let made = made.expect("noted when made");
    assert_eq!((made.drill.clone(), made.due()), (None, Some(later(YEAR))));
    let shares = typed(&[&pages[0], &pages[2]]);
    let drilled = check_shares(&bench.path(), &shares, later(60)).expect("they fit");
    assert_eq!(
        (drilled.clinic, drilled.newer),
        (bench.founded.clinic, None)
    );
    assert_eq!(files_of(&bench.path()), before);
    let kept = kept_set(&bench.path()).expect("read").expect("noted");
    let numbers = vec![1, 3];
    assert_eq!(
        kept.drill,
        Some(Drill {
            at: later(60),
            numbers
        })
    );
    assert_eq!((kept.made, kept.due()), (made.made, Some(later(60 + YEAR))));
}

#[test]
fn a_drill_is_overdue_from_the_first_day_and_again_after_a_year() {
    let bench = Bench::new();
    let pages = make(&bench, NOW);
    let overdue = |seconds| {
        let kept = kept_set(&bench.path()).expect("read").expect("noted");
        kept.overdue(later(seconds))
    };
    assert!(overdue(1), "never tried");
    check_shares(&bench.path(), &typed(&[&pages[0], &pages[1]]), later(60)).expect("they fit");
    assert!(!overdue(60 + YEAR - 1));
    assert!(overdue(60 + YEAR));
}

#[test]
fn a_drill_that_fails_notes_nothing() {
    let bench = Bench::new();
    let pages = make(&bench, NOW);
    let other = Bench::other();
    let elsewhere = make(&other, NOW);
    let check =
        |pages: &[&str]| check_shares(&bench.path(), &typed(pages), NOW).expect_err("refused");
    assert!(matches!(
        check(&[&pages[0]]),
        AuthorityError::Share(ShareError::TooFew { .. })
    ));
    let refused = check(&[&elsewhere[0], &elsewhere[1]]);
    assert!(matches!(
        refused,
        AuthorityError::Share(ShareError::OtherClinic { .. })
    ));
    let kept = kept_set(&bench.path()).expect("read").expect("noted");
    assert_eq!(kept.drill, None);
}

#[test]
fn pages_of_an_older_set_still_fit_but_do_not_count_as_a_drill_of_the_newer() {
    let bench = Bench::new();
    let (old, new) = (make(&bench, NOW), make(&bench, later(60)));
    let shares = typed(&[&old[0], &old[1]]);
    let drilled = check_shares(&bench.path(), &shares, later(120)).expect("the same root");
    let kept = kept_set(&bench.path()).expect("read").expect("noted");
    assert_eq!(kept.drill, None);
    assert_eq!(drilled.newer, Some(kept));
    let shares = typed(&[&new[1], &new[2]]);
    let drilled = check_shares(&bench.path(), &shares, later(120)).expect("the same root");
    assert_eq!(drilled.newer, None);
}

#[test]
fn a_directory_that_was_not_there_when_the_shares_were_made_notes_their_drill() {
    let bench = Bench::new();
    let pages = make(&bench, NOW);
    std::fs::remove_file(bench.path().join("shares")).expect("another copy of the directory");
    check_shares(&bench.path(), &typed(&[&pages[0], &pages[1]]), NOW).expect("they fit");
    let kept = kept_set(&bench.path()).expect("read").expect("noted");
    assert_eq!(
        (kept.threshold, kept.made, kept.due()),
        (2, None, Some(later(YEAR)))
    );
}

#[test]
fn only_the_root_is_split_and_a_damaged_note_is_named() {
    let bench = Bench::new();
    let refused = bench.admin().make_shares(Sheets::USUAL, Seen::OnPaper, NOW);
    assert!(matches!(refused, Err(AuthorityError::NotTheRoot)));
    make(&bench, NOW);
    let path = bench.path().join("shares");
    let mut bytes = std::fs::read(&path).expect("there");
    bytes.truncate(30);
    std::fs::write(&path, bytes).expect("ours");
    assert!(matches!(
        kept_set(&bench.path()),
        Err(AuthorityError::SharesFile { .. })
    ));
}

/// The note of a set made in 2026 and tried twice since.
fn note() -> Vec<u8> {
    let bench = Bench::new();
    let pages = make(&bench, NOW);
    check_shares(&bench.path(), &typed(&[&pages[2], &pages[0]]), later(YEAR)).expect("they fit");
    std::fs::read(bench.path().join("shares")).expect("written")
}

fn frozen() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/authority/shares")
}

#[test]
fn the_note_of_a_drill_is_written_as_it_was_when_its_format_was_frozen() {
    assert_eq!(note(), std::fs::read(frozen()).expect("part of the source"));
}

#[test]
#[ignore = "writes the frozen note anew: only when its format's version changes"]
fn freeze() {
    std::fs::write(frozen(), note()).expect("room");
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/shares-file");
    std::fs::create_dir_all(&corpus).expect("a place");
    std::fs::write(corpus.join("tried"), note()).expect("room");
}
