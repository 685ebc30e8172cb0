//! From what people type to whom and what they mean: an id, or a name without doubt.

use std::collections::BTreeSet;

use crate::api::conversation::from_id;
use crate::api::problem::{Code, Problem};
use crate::domain::group::{GROUP_MAX, GROUP_MIN, Group};
use crate::domain::id::{DeviceId, StaffId};
use crate::domain::record::Clinic;
use crate::domain::space::Space;

/// What a name fits.
enum Found<T> {
    Nothing,
    One(T),
    Several,
}

/// Things with this very name, or if there is none, with this name in other letters' case.
fn named<T: Copy>(things: &[(&str, T)], text: &str) -> Found<T> {
    let exactly = |(name, _): &&(&str, T)| *name == text;
    let loosely = |(name, _): &&(&str, T)| name.to_lowercase() == text.to_lowercase();
    let mut found: Vec<T> = things
        .iter()
        .filter(exactly)
        .map(|(_, thing)| *thing)
        .collect();
    if found.is_empty() {
        found = things
            .iter()
            .filter(loosely)
            .map(|(_, thing)| *thing)
            .collect();
    }
    match found.as_slice() {
        [] => Found::Nothing,
        [one] => Found::One(*one),
        _ => Found::Several,
    }
}

/// The staff member who signs in under a name or id; nobody if it is not clear who.
pub(super) fn staff(clinic: &Clinic, text: &str) -> Option<StaffId> {
    if let Some(id) = StaffId::from_hex(text).filter(|id| clinic.staff.contains_key(id)) {
        return Some(id);
    }
    match named(&people(clinic), text.trim()) {
        Found::One(staff) => Some(staff),
        Found::Nothing | Found::Several => None,
    }
}

/// The conversation that somebody means: its id, a room, the other person, or the others of a group
/// with commas between.
pub(super) fn conversation(clinic: &Clinic, me: StaffId, text: &str) -> Result<Space, Problem> {
    if let Some(space) = from_id(text) {
        return Ok(space);
    }
    if let Some(space) = StaffId::from_hex(text).and_then(|other| Space::direct(me, other)) {
        return Ok(space);
    }
    let rooms = clinic
        .rooms
        .iter()
        .map(|(id, room)| (room.name.as_str(), Space::Room(*id)));
    let people = people(clinic).into_iter();
    let direct = people.filter_map(|(name, other)| Some((name, Space::direct(me, other)?)));
    let things: Vec<(&str, Space)> = rooms.chain(direct).collect();
    match named(&things, text.trim()) {
        Found::One(space) => Ok(space),
        Found::Nothing if text.contains(',') => group(clinic, me, text.split(',')),
        Found::Nothing => Err(Problem::not_found("room or person", text)
            .remedy("`clinic-mesh conversations` lists what there is")),
        Found::Several => Err(ambiguous(text)),
    }
}

/// The group of somebody and the people they name.
pub(super) fn group<'a>(
    clinic: &Clinic,
    me: StaffId,
    others: impl IntoIterator<Item = &'a str>,
) -> Result<Space, Problem> {
    let mut members = BTreeSet::from([me]);
    for name in others {
        members.insert(member(clinic, name)?);
    }
    if let [one, other] = *members.iter().copied().collect::<Vec<_>>() {
        return Space::direct(one, other).ok_or_else(|| size(2));
    }
    let count = members.len();
    let group = Group::of(members).ok_or_else(|| size(count))?;
    Ok(Space::Group(group))
}

fn size(count: usize) -> Problem {
    let message = format!(
        "a group has {GROUP_MIN} to {GROUP_MAX} members with you among them; these are {count}"
    );
    Problem::new(Code::Refused, message).remedy("for more people, ask an admin for a room")
}

fn member(clinic: &Clinic, text: &str) -> Result<StaffId, Problem> {
    if let Some(id) = staff(clinic, text) {
        return Ok(id);
    }
    match named(&people(clinic), text.trim()) {
        Found::One(staff) => Ok(staff),
        Found::Nothing => {
            Err(Problem::not_found("person", text)
                .remedy("names in a group have commas between them"))
        }
        Found::Several => Err(ambiguous(text)),
    }
}

/// The device that somebody means: its id, or its name.
pub(super) fn device(clinic: &Clinic, text: &str) -> Result<DeviceId, Problem> {
    if let Some(id) = DeviceId::from_hex(text) {
        return Ok(id);
    }
    let devices = clinic.devices.iter();
    let things: Vec<(&str, DeviceId)> = devices
        .map(|(id, device)| (device.certificate.name.as_str(), *id))
        .collect();
    match named(&things, text.trim()) {
        Found::One(device) => Ok(device),
        Found::Nothing => Err(Problem::not_found("device", text)
            .remedy("`clinic-mesh device list` lists what there is")),
        Found::Several => Err(ambiguous(text)),
    }
}

fn people(clinic: &Clinic) -> Vec<(&str, StaffId)> {
    let staff = clinic.staff.iter();
    staff
        .map(|(id, member)| (member.facts.name.as_str(), *id))
        .collect()
}

fn ambiguous(text: &str) -> Problem {
    Problem::new(
        Code::Ambiguous,
        format!("{text:?} can mean more than one thing"),
    )
    .remedy("use its id, which every list shows with --json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::SampleClinic;

    #[test]
    fn a_name_means_the_one_thing_that_has_it_and_nothing_when_in_doubt() {
        let mut sample = SampleClinic::of(["front"]);
        let ana = sample.staff("Ana", ["front"]);
        let bo = sample.staff("Bo", ["front"]);
        let rounds = sample.room("rounds", [ana]);
        sample.room("bo", [ana]);
        let clinic = sample.record();
        let direct = Space::direct(ana, bo).expect("two people");
        let meant = |text: &str| conversation(&clinic, ana, text);
        assert_eq!(meant("rounds"), Ok(rounds));
        assert_eq!(meant("Rounds "), Ok(rounds));
        assert_eq!(meant("Bo"), Ok(direct));
        assert_eq!(meant(&bo.to_string()), Ok(direct));
        assert_eq!(
            meant("BO").map_err(|problem| problem.code),
            Err(Code::Ambiguous)
        );
        assert_eq!(
            meant("Ana").map_err(|problem| problem.code),
            Err(Code::NotFound)
        );
        assert_eq!(staff(&clinic, "ana"), Some(ana));
        assert_eq!(staff(&clinic, "nobody"), None);
        assert_eq!(device(&clinic, "front"), Ok(sample.device("front").id));
    }
}
