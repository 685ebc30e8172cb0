//! What a node tells of itself, and what others keep of it.

use super::{AUTHOR, Vectors, frozen};
use crate::domain::backup::Trouble;
use crate::domain::codec;
use crate::domain::condition::{Backups, Condition, ProgramVersion};
use crate::domain::sighting::Sighting;
use crate::domain::statement::StatementId;
use crate::domain::testing::{NOON, days};

fn conditions() -> [(&'static str, Condition); 3] {
    let condition = |version, backups| Condition {
        version: ProgramVersion::new(version).expect("a version"),
        backups,
    };
    let backups = |last, every_hours, failed| {
        Some(Backups {
            last,
            every_hours,
            failed,
        })
    };
    let in_order = backups(Some(NOON), Some(24), None);
    let failed = backups(None, Some(744), Some(Trouble::Unsound));
    [
        ("in order", condition("1.2.3", in_order)),
        ("failed", condition("0.10.0-rc.1+build.7", failed)),
        ("without backups", condition("1.2.3", None)),
    ]
}

fn sighting() -> Sighting {
    let mut sighting = Sighting::default();
    (sighting.last, sighting.level) = (Some(NOON), None);
    let (author, seq) = (AUTHOR, 412);
    sighting.hear_of(StatementId { author, seq }, NOON);
    sighting
}

/// What version 2 of the row is for.
fn told() -> Sighting {
    let mut sighting = sighting();
    let [(_, condition), ..] = conditions();
    sighting.tell(&condition, NOON);
    sighting.tell(&condition, NOON.plus(days(1)));
    sighting
}

pub(super) fn vectors() -> Vectors {
    let conditions = conditions().into_iter();
    let conditions =
        conditions.map(|(what, told)| (format!("condition {what}"), codec::encode(&told)));
    let mut found: Vectors = vec![("sighting".into(), sighting().to_bytes())];
    found.extend(conditions);
    found.push(("sighting that was told".into(), told().to_bytes()));
    found
}

#[test]
fn frozen_conditions_and_sightings_of_both_versions_are_read_back() {
    for (what, condition) in conditions() {
        let read = codec::strict(&frozen(&format!("condition {what}")), 256);
        assert_eq!(read, Ok(condition), "{what}");
    }
    for (what, sighting) in [("sighting", sighting()), ("sighting that was told", told())] {
        let read = Sighting::from_bytes(&frozen(what));
        assert_eq!(read, Ok(sighting), "{what}");
    }
}
