//! The name that somebody may have meant.

/// The one of these names that is nearest to what was written; none is near where nothing fits.
pub(super) fn nearest<'a>(
    written: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let measured = names
        .into_iter()
        .map(|name| (distance(written, name), name));
    let (far, name) = measured.min()?;
    // Of a name of which more than half is other than written nothing can be said.
    (far * 2 <= name.len()).then_some(name)
}

/// How many letters are to be changed, left out or put in to make one of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (above, a) in (1..).zip(one.chars()) {
        let mut diagonal = std::mem::replace(&mut row[0], above);
        for (at, b) in (1..).zip(other.chars()) {
            let kept = diagonal + usize::from(a != b);
            diagonal = row[at];
            row[at] = kept.min(row[at] + 1).min(row[at - 1] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_near_its_name_and_nonsense_is_near_nothing() {
        let names = ["room_days", "direct_days", "printing"];
        for (written, meant) in [
            ("rom_days", Some("room_days")),
            ("romo_days", Some("room_days")),
            ("direct_day", Some("direct_days")),
            ("pritning", Some("printing")),
            ("retention", None),
        ] {
            assert_eq!(nearest(written, names), meant, "{written}");
        }
        assert_eq!(nearest("room_days", []), None);
        assert_eq!((distance("", "abc"), distance("kitten", "sitting")), (3, 3));
    }
}
