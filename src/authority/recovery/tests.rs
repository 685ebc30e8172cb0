use super::*;

fn root() -> SigningKey {
    SigningKey::from_seed(&[0xa7; 32])
}

fn typed() -> Vec<String> {
    lines(&root()).lines().map(str::to_owned).collect()
}

fn read(lines: &[String]) -> Result<SigningKey, RecoveryError> {
    read_lines(&lines.join("\n"))
}

#[test]
fn the_letters_are_read_back_however_they_are_typed() {
    assert_eq!(typed().len(), 4);
    let sloppy: Vec<String> = typed()
        .iter()
        .map(|line| line.split_once(':').expect("numbered").1.to_lowercase())
        .map(|line| line.replace('0', "o").replace('1', "l").replace(' ', "-"))
        .map(|line| line.trim_matches('-').to_owned())
        .collect();
    for form in [typed(), sloppy] {
        assert_eq!(read(&form).expect("the letters").id(), root().id());
    }
}

#[test]
fn the_letters_are_found_in_a_whole_page() {
    let name = Name::new("Elm Street: 1").expect("a name");
    let clinic = ClinicId::of_root(&root().id().as_admin());
    let page = page(&name, &clinic, &root(), 2, WallTime(0));
    let read = |page: &str| read_lines(&letters_in(page));
    assert_eq!(read(&page).expect("a whole page").id(), root().id());
    assert_eq!(
        read(&page.replace('\n', "\r\n"))
            .expect("as elsewhere")
            .id(),
        root().id()
    );
    let alone = typed().join("\n");
    assert_eq!(read(&alone).expect("the lines alone").id(), root().id());
    let third = typed().remove(2);
    let cut = page.replace(&third, "");
    assert!(matches!(read(&cut), Err(RecoveryError::Lines(_))));
}

#[test]
fn every_single_mistyped_letter_is_named_by_its_line() {
    for line in 0..4 {
        for at in 8..typed()[line].len() {
            let mut wrong = typed();
            let letter = wrong[line].as_bytes()[at];
            if letter == b' ' {
                continue;
            }
            let other = if letter == b'7' { "8" } else { "7" };
            wrong[line].replace_range(at..=at, other);
            assert_eq!(read(&wrong).err(), Some(RecoveryError::Mistyped(line + 1)));
        }
    }
}

#[test]
fn swapped_missing_and_shortened_lines_are_told_apart() {
    let mut swapped = typed();
    swapped.swap(1, 2);
    assert_eq!(read(&swapped).err(), Some(RecoveryError::Mistyped(2)));
    assert_eq!(read(&typed()[..3]).err(), Some(RecoveryError::Lines(3)));
    let mut short = typed();
    short[3].truncate(20);
    assert_eq!(read(&short).err(), Some(RecoveryError::Shape(4)));
}

#[test]
fn the_page_fits_one_sheet_and_says_what_it_is_and_where_to_keep_it() {
    let name = Name::new("x".repeat(64)).expect("a name");
    let clinic = ClinicId::of_root(&root().id().as_admin());
    for number in [1, 2] {
        let page = page(&name, &clinic, &root(), number, WallTime(1_767_225_600_000));
        assert!(page.lines().count() <= 60, "{} lines", page.lines().count());
        assert!(page.lines().all(|line| line.chars().count() <= 80));
        for part in [
            "2026-01-01",
            "safe",
            "authority recover",
            &clinic.to_string()[..8],
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(page.contains(name.as_str()) && page.contains(lines(&root()).as_str()));
        assert_eq!(page.contains("number 2"), number == 2);
        let named = format!("--clinic {clinic}");
        assert_eq!(page.contains(&named), number == 2, "its key does not tell");
    }
}
