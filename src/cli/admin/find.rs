//! Finding by name or id what an admin means.

use crate::cli::failure::Failure;
use crate::cli::output::typed;
use crate::cli::secret::Assumed;
use crate::domain::id::{DeviceId, InvitationId, RoomId, StaffId};
use crate::domain::name::Name;
use crate::domain::record::{Clinic, Device, InvitationState, Room, StaffMember};

/// The device of this name, or whose id begins so; one in use before revoked ones.
pub(crate) fn device<'a>(
    clinic: &'a Clinic,
    named: &str,
) -> Result<(DeviceId, &'a Device), Failure> {
    let known = clinic.devices.iter().map(|(id, device)| {
        let names = [
            device.certificate.name.as_str(),
            device.certificate.office.as_str(),
        ];
        (*id, &**device, id.to_string(), names)
    });
    let found: Vec<_> = known
        .filter(|(_, _, id, names)| fits(named, id, names[0]) || names[1] == named)
        .map(|(id, device, _, _)| (id, device))
        .collect();
    let in_use: Vec<_> = found
        .iter()
        .copied()
        .filter(|(_, device)| device.revocation.is_none())
        .collect();
    one(
        "device",
        named,
        if in_use.is_empty() { found } else { in_use },
    )
}

/// Refuses where nobody is asked whether an office's one machine is meant: with `--yes` only the machine's own
/// name, or its id, names it. `command` is what to type.
pub(crate) fn check_named_itself(
    named: &str,
    (id, device): (DeviceId, &Device),
    assumed: Assumed,
    command: &str,
) -> Result<(), Failure> {
    let name = device.certificate.name.as_str();
    if assumed == Assumed::Ask || fits(named, &id.to_string(), name) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{named:?} is the name of an office, and with --yes nobody is asked whether its machine {name} is meant"
    ))
    .remedy(format!(
        "name the machine itself: `clinic-mesh {command} {} --yes`",
        typed(name)
    )))
}

/// Refuses a machine's name that another one in use bears: nobody could tell the two apart.
pub(crate) fn check_free(clinic: &Clinic, name: &Name) -> Result<(), Failure> {
    let mut members = clinic.members().map(|(_, device)| device);
    let Some(device) = members.find(|device| device.certificate.name == *name) else {
        return Ok(());
    };
    Err(Failure::refused(format!(
        "the machine of office {} is called {name} already",
        device.certificate.office
    ))
    .remedy(format!(
        "if the new machine is to take its place, run `clinic-mesh device replace {}`; else choose another \
         --name",
        typed(name.as_str())
    )))
}

/// The staff member of this name, or whose id begins so.
pub(crate) fn staff<'a>(
    clinic: &'a Clinic,
    named: &str,
) -> Result<(StaffId, &'a StaffMember), Failure> {
    let known = clinic.staff.iter();
    let found =
        known.filter(|(id, member)| fits(named, &id.to_string(), member.facts.name.as_str()));
    one(
        "staff member",
        named,
        found.map(|(id, member)| (*id, member)).collect(),
    )
}

/// The room of this name, or whose id begins so.
pub(crate) fn room<'a>(clinic: &'a Clinic, named: &str) -> Result<(RoomId, &'a Room), Failure> {
    let known = clinic.rooms.iter();
    let found = known.filter(|(id, room)| fits(named, &id.to_string(), room.name.as_str()));
    one("room", named, found.map(|(id, room)| (*id, room)).collect())
}

/// The invitation whose id begins so, or for the machine of this name; an open one before others.
pub(crate) fn invitation<'a>(
    clinic: &'a Clinic,
    named: &str,
) -> Result<(InvitationId, &'a InvitationState), Failure> {
    let known = clinic.invitations.iter();
    let fit = known.filter(|(id, state)| fits(named, &id.to_string(), state.terms.name.as_str()));
    let found: Vec<_> = fit.map(|(id, state)| (*id, state)).collect();
    let open: Vec<_> = found
        .iter()
        .copied()
        .filter(|(_, state)| !state.used)
        .collect();
    one(
        "invitation",
        named,
        if open.is_empty() { found } else { open },
    )
}

/// Shortest beginning of an id that is taken for one.
const ID_MIN: usize = 6;

fn fits(named: &str, id: &str, name: &str) -> bool {
    name == named || (named.len() >= ID_MIN && id.starts_with(named))
}

fn one<T>(what: &str, named: &str, mut found: Vec<T>) -> Result<T, Failure> {
    match (found.len(), found.pop()) {
        (1, Some(only)) => Ok(only),
        (0, _) | (_, None) => Err(Failure::not_found(format!("there is no {what} {named:?}"))
            .remedy(format!("see them all with `clinic-mesh {}`", listing(what)))),
        (several, Some(_)) => Err(Failure::usage(format!(
            "{named:?} stands for {several} of them"
        ))
        .remedy(format!(
            "give the first letters of its id instead; `clinic-mesh {}` has them",
            listing(what)
        ))),
    }
}

fn listing(what: &str) -> String {
    match what {
        "staff member" => "staff list".to_owned(),
        "invitation" => "device invitations".to_owned(),
        other => format!("{other} list"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Exit;
    use crate::domain::testing::SampleClinic;

    #[test]
    fn a_device_is_found_by_name_office_and_the_beginning_of_its_id() {
        let clinic = SampleClinic::of(["front-desk", "ward-2"]);
        let id = clinic.device("ward-2").id;
        let record = clinic.record();
        for named in ["ward-2", &id.to_string(), &id.to_string()[..8]] {
            assert_eq!(device(&record, named).expect("known").0, id, "{named}");
        }
        let unknown = device(&record, "ward-3").expect_err("unknown");
        assert_eq!(unknown.exit, Exit::NotFound);
        assert!(
            device(&record, &id.to_string()[..3]).is_err(),
            "too short to mean an id"
        );
    }

    #[test]
    fn with_yes_an_office_is_not_taken_for_its_machine() {
        let clinic = SampleClinic::of(["front-desk"]);
        let record = clinic.record();
        let (id, known) = record.devices.iter().next().expect("one");
        let mut known = known.clone();
        known.certificate.name = Name::new("front-pc").expect("a name");
        let check = |named: &str, assumed| {
            check_named_itself(named, (*id, &known), assumed, "device revoke")
        };
        for itself in ["front-pc", &id.to_string()[..8]] {
            assert_eq!(check(itself, Assumed::Yes), Ok(()), "{itself}");
        }
        assert_eq!(
            check("front-desk", Assumed::Ask),
            Ok(()),
            "somebody is asked"
        );
        let refused = check("front-desk", Assumed::Yes).expect_err("nobody is asked");
        let remedy = refused.remedy.expect("one");
        assert!(remedy.contains("device revoke front-pc --yes"), "{remedy}");
    }

    #[test]
    fn a_name_is_free_once_its_machine_is_revoked() {
        let mut clinic = SampleClinic::of(["front-desk", "ward-2"]);
        let ward = Name::new("ward-2").expect("a name");
        let taken = check_free(&clinic.record(), &ward).expect_err("in use");
        assert_eq!(taken.exit, Exit::Refused);
        assert!(taken.message.contains("ward-2"), "{taken}");
        let remedy = taken.remedy.expect("one");
        assert!(remedy.contains("device replace ward-2"), "{remedy}");
        let other = Name::new("ward-3").expect("a name");
        assert_eq!(check_free(&clinic.record(), &other), Ok(()));
        clinic.revoke("ward-2");
        assert_eq!(check_free(&clinic.record(), &ward), Ok(()));
    }

    #[test]
    fn a_name_of_two_people_is_not_guessed_at() {
        let mut clinic = SampleClinic::of(["front-desk"]);
        clinic.staff("Ana", ["front-desk"]);
        let record = clinic.record();
        assert!(staff(&record, "Ana").is_ok());
        let unknown = staff(&record, "Ben").expect_err("unknown");
        assert!(
            unknown
                .remedy
                .is_some_and(|remedy| remedy.contains("staff list"))
        );
    }
}
