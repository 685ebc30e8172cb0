//! How fresh a node's authority state is: when it was last level with another node of the clinic.
//!
//! What was revoked is enforced by whoever has heard of it. A node that hears nobody goes on by what it knew,
//! and cannot know how much that is worth. So after one time it says so, and after another it writes nothing
//! more into conversations with people of other offices.

use std::time::Duration;

use super::id::{DeviceId, StaffId};
use super::policy::Policy;
use super::record::Clinic;
use super::sighting::Sighting;
use super::space::Space;
use super::time::WallTime;

/// How a node stands with the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// Level with another node within the policy's time, or there is no other.
    Fresh,
    /// For longer than the policy's first time nothing was heard; everything goes on.
    Stale {
        /// When it was last level.
        since: WallTime,
    },
    /// For longer than the second: conversations across offices can be read and not written.
    ReadOnly {
        /// When it was last level.
        since: WallTime,
    },
}

/// How this node stands with the others at `now`, a moment that no clock set back makes earlier.
///
/// Its own certificate counts: what an admin or another node signed cannot have come here before it began.
/// What was heard of a device that is no node of the clinic any more does not.
pub fn contact<'a>(
    clinic: &Clinic,
    me: &DeviceId,
    sighted: impl IntoIterator<Item = (&'a DeviceId, &'a Sighting)>,
    now: WallTime,
) -> Contact {
    if !clinic.nodes().any(|(id, _)| id != me) {
        return Contact::Fresh;
    }
    let node = |device: &DeviceId| clinic.is_member(device);
    let heard = sighted
        .into_iter()
        .filter(|(device, _)| *device != me && node(device));
    let level = heard.filter_map(|(_, sighting)| sighting.level).max();
    let certified = clinic.devices.get(me).map(|own| own.certificate.not_before);
    let since = level.max(certified).unwrap_or_default();
    let age = Duration::from_millis(now.0.saturating_sub(since.0));
    judge(&clinic.policy, since, age)
}

fn judge(policy: &Policy, since: WallTime, age: Duration) -> Contact {
    if age >= hours(policy.staleness.read_only_hours) {
        Contact::ReadOnly { since }
    } else if age >= hours(policy.staleness.warning_hours) {
        Contact::Stale { since }
    } else {
        Contact::Fresh
    }
}

const fn hours(count: u16) -> Duration {
    Duration::from_secs(count as u64 * 3600)
}

/// Whether a conversation is this office's own: every one of its people signs in here.
pub fn is_of_one_office(clinic: &Clinic, me: &DeviceId, space: &Space) -> bool {
    let people: Vec<StaffId> = clinic.people(space);
    people.iter().all(|staff| clinic.is_home(me, staff))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{NOON, SampleClinic, days};

    fn level(at: WallTime) -> Sighting {
        let mut sighting = Sighting::default();
        sighting.level = Some(at);
        sighting
    }

    fn after(hours: u64) -> WallTime {
        NOON.plus(Duration::from_secs(hours * 3600))
    }

    #[test]
    fn contact_lapses_after_the_first_time_and_is_lost_after_the_second() {
        let clinic = SampleClinic::of(["front-desk", "ward-2"]);
        let (me, ward) = (clinic.device("front-desk").id, clinic.device("ward-2").id);
        let heard = level(after(1));
        let at = |hours| contact(&clinic.record(), &me, [(&ward, &heard)], after(hours));
        let since = after(1);
        assert_eq!(at(72), Contact::Fresh);
        assert_eq!(at(73), Contact::Stale { since });
        assert_eq!(at(336), Contact::Stale { since });
        assert_eq!(at(337), Contact::ReadOnly { since });
    }

    #[test]
    fn a_node_that_never_heard_another_counts_from_its_own_certificate() {
        let clinic = SampleClinic::of(["front-desk", "ward-2"]);
        let me = clinic.device("front-desk").id;
        let since = NOON;
        let at = |hours| contact(&clinic.record(), &me, [], after(hours));
        assert_eq!(at(71), Contact::Fresh);
        assert_eq!(at(72), Contact::Stale { since });
    }

    #[test]
    fn a_clinic_of_one_node_is_always_fresh() {
        let clinic = SampleClinic::of(["front-desk"]);
        let me = clinic.device("front-desk").id;
        let far = NOON.plus(days(400));
        assert_eq!(contact(&clinic.record(), &me, [], far), Contact::Fresh);
    }

    #[test]
    fn neither_itself_nor_a_device_that_is_out_keeps_a_node_fresh() {
        let mut clinic = SampleClinic::of(["front-desk", "lab", "ward-2"]);
        clinic.revoke("lab");
        let (me, lab) = (clinic.device("front-desk").id, clinic.device("lab").id);
        let heard = level(after(72));
        let known = [(&me, &heard), (&lab, &heard)];
        let since = NOON;
        let found = contact(&clinic.record(), &me, known, after(72));
        assert_eq!(found, Contact::Stale { since });
    }

    #[test]
    fn a_conversation_is_of_one_office_only_if_everybody_is_at_home_there() {
        let mut clinic = SampleClinic::of(["front-desk", "ward-2"]);
        let ana = clinic.staff("Ana", ["front-desk"]);
        let eve = clinic.staff("Eve", ["front-desk", "ward-2"]);
        let ben = clinic.staff("Ben", ["ward-2"]);
        let here = clinic.room("desk", [ana, eve]);
        let across = clinic.room("rounds", [ana, ben]);
        let me = clinic.device("front-desk").id;
        assert!(is_of_one_office(&clinic.record(), &me, &here));
        assert!(!is_of_one_office(&clinic.record(), &me, &across));
    }
}
