//! What somebody should look at in the backups of other nodes, by what they tell of themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Concern;
use crate::domain::backup;
use crate::domain::condition::Told;
use crate::domain::id::DeviceId;
use crate::domain::record::{Clinic, Device};
use crate::domain::time::WallTime;

/// How long ago a node may have been heard that counts as heard by now.
///
/// A minute: whoever is connected says something every few seconds. Until then what is said of it stays the same
/// from one look to the next, and nobody is told again.
const HEARD: Duration = Duration::from_secs(60);

/// How far ahead of this clock a backup may be dated and still count as made.
///
/// A day: clocks that are minutes ahead are common, and such a backup was made before it was told of. What is
/// dated further ahead would be fresh for as long.
const AHEAD: Duration = Duration::from_secs(24 * 3600);

/// The nodes but `me` whose newest backup was too old when they were last heard, or whose last try failed, as
/// one concern: the one with the oldest is named.
///
/// By when they were heard, and not by now: a machine that is switched off writes nothing that a backup would
/// miss, and that it is away is said elsewhere. Of a node that told nothing nothing is said.
pub fn backups_elsewhere(
    clinic: &Clinic,
    me: &DeviceId,
    told: &BTreeMap<DeviceId, Told>,
    now: WallTime,
) -> Option<Concern> {
    let others = clinic.nodes().filter(|(id, _)| *id != me);
    let found = others.filter_map(|(id, device)| of_one(*id, device, told.get(id)?, now));
    let mut found: Vec<Concern> = found.collect();
    found.sort_by_key(age);
    let rest = found.len().saturating_sub(1);
    let mut first = found.into_iter().next()?;
    if let Concern::BackupElsewhere { others, .. } = &mut first {
        *others = rest;
    }
    Some(first)
}

fn of_one(id: DeviceId, device: &Device, told: &Told, now: WallTime) -> Option<Concern> {
    let backups = told.condition.backups?;
    let heard = told.heard.min(now);
    // What a clock said that was far ahead is as good as not known: it would count as fresh for as long. Of one
    // that is a little ahead it was made before it was told.
    let made = backups.last.filter(|last| *last <= now.plus(AHEAD));
    let made = made.map(|last| last.min(heard));
    let since = device.first_held().unwrap_or(heard);
    let late = heard > backup::late_from(made, backups.every(), since);
    let last = backup::sober(backups.last, now);
    let failed = backups.failed;
    (late || failed.is_some()).then_some(Concern::BackupElsewhere {
        device: id,
        last,
        failed,
        heard: (now > heard.plus(HEARD)).then_some(heard),
        others: 0,
    })
}

/// What is not known to be backed up at all comes first.
fn age(concern: &Concern) -> Option<(WallTime, DeviceId)> {
    match concern {
        Concern::BackupElsewhere { last, device, .. } => Some((last.unwrap_or_default(), *device)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::backup::Trouble;
    use crate::domain::condition::{Backups, Condition, ProgramVersion};
    use crate::domain::testing::{NOON, SampleClinic, days};

    fn told(last: Option<WallTime>, failed: Option<Trouble>, heard: WallTime) -> Told {
        Told {
            condition: Condition {
                version: ProgramVersion::own(),
                backups: Some(Backups {
                    last,
                    every_hours: Some(24),
                    failed,
                }),
            },
            since: NOON,
            heard,
        }
    }

    struct Ward {
        clinic: SampleClinic,
        told: BTreeMap<DeviceId, Told>,
    }

    impl Ward {
        fn new() -> Self {
            Self {
                clinic: SampleClinic::of(["front-desk", "lab", "ward-2"]),
                told: BTreeMap::new(),
            }
        }

        fn tells(&mut self, office: &str, told: Told) {
            self.told.insert(self.clinic.device(office).id, told);
        }

        /// Which office is named at the front desk, the newest backup there, and how many others.
        fn named(&self, day: u64) -> Option<(String, Option<WallTime>, usize)> {
            let me = self.clinic.device("front-desk").id;
            let now = NOON.plus(days(day));
            match backups_elsewhere(&self.clinic.record(), &me, &self.told, now)? {
                Concern::BackupElsewhere {
                    device,
                    last,
                    others,
                    ..
                } => {
                    let record = self.clinic.record();
                    let office = record.devices[&device].certificate.office.to_string();
                    Some((office, last, others))
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_backup_elsewhere_is_a_concern_once_it_was_heard_to_be_too_old_and_not_because_a_node_is_away()
     {
        let mut ward = Ward::new();
        assert_eq!(ward.named(90), None, "nothing was told");
        let last = Some(NOON.plus(days(10)));
        ward.tells("ward-2", told(last, None, NOON.plus(days(11))));
        assert_eq!(ward.named(90), None, "in order when it was last heard");
        ward.tells("ward-2", told(last, None, NOON.plus(days(12))));
        assert_eq!(ward.named(12), Some(("ward-2".into(), last, 0)));
    }

    #[test]
    fn a_backup_dated_by_a_clock_that_is_a_little_ahead_is_one_and_far_ahead_it_is_none() {
        let mut ward = Ward::new();
        let at = NOON.plus(days(20));
        let ahead = Some(at.plus(Duration::from_secs(3600)));
        ward.tells("ward-2", told(ahead, None, at));
        assert_eq!(ward.named(20), None);
        let far = Some(at.plus(days(2)));
        ward.tells("ward-2", told(far, None, at));
        assert_eq!(ward.named(20), Some(("ward-2".into(), None, 0)));
    }

    #[test]
    fn what_failed_or_was_never_made_is_a_concern_and_the_oldest_is_named() {
        let mut ward = Ward::new();
        let fresh = Some(NOON.plus(days(20)));
        let failed = told(fresh, Some(Trouble::NoFolder), NOON.plus(days(20)));
        ward.tells("ward-2", failed);
        assert_eq!(ward.named(20), Some(("ward-2".into(), fresh, 0)));
        ward.tells("lab", told(None, None, NOON.plus(days(20))));
        assert_eq!(ward.named(20), Some(("lab".into(), None, 1)));
        ward.clinic.revoke("lab");
        assert_eq!(ward.named(20), Some(("ward-2".into(), fresh, 0)));
    }

    #[test]
    fn it_is_said_when_a_node_was_heard_that_is_heard_no_more_and_nothing_changes_while_it_is() {
        let mut ward = Ward::new();
        let at = NOON.plus(days(20));
        ward.tells("ward-2", told(None, None, at));
        let me = ward.clinic.device("front-desk").id;
        let heard = |now| match backups_elsewhere(&ward.clinic.record(), &me, &ward.told, now) {
            Some(Concern::BackupElsewhere { heard, .. }) => heard,
            other => panic!("{other:?}"),
        };
        assert_eq!(heard(at), None);
        assert_eq!(heard(at.plus(HEARD)), None);
        assert_eq!(heard(at.plus(HEARD * 2)), Some(at));
    }

    #[test]
    fn this_nodes_own_backups_are_not_said_twice() {
        let mut ward = Ward::new();
        ward.tells("front-desk", told(None, None, NOON.plus(days(20))));
        assert_eq!(ward.named(20), None);
    }

    #[test]
    fn a_backup_of_a_day_that_is_yet_to_come_makes_nothing_fresh() {
        let mut ward = Ward::new();
        let ahead = Some(NOON.plus(days(400)));
        ward.tells("ward-2", told(ahead, None, NOON.plus(days(20))));
        assert_eq!(ward.named(20), Some(("ward-2".into(), None, 0)));
        let heard_ahead = told(Some(NOON), None, NOON.plus(days(400)));
        ward.tells("ward-2", heard_ahead);
        assert_eq!(ward.named(1), None, "heard no later than now");
    }
}
