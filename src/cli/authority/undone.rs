//! What the end of an admin takes away, in words and before it is signed.

use crate::domain::cert::{Scope, Scopes};
use crate::domain::record::Clinic;
use crate::domain::time::WallTime;

/// What is there now and would not be after; empty where nothing goes.
///
/// Of machines and people those that are in use: what was revoked or suspended stays out in any case. `at` is
/// the moment.
pub(super) fn undone(now: &Clinic, after: &Clinic, at: WallTime) -> Vec<String> {
    let mut lines = Vec::new();
    let devices = now.members().filter(|(id, _)| !after.is_member(id));
    let devices = devices.map(|(_, device)| device.certificate.name.to_string());
    named(&mut lines, "machines that are out at once", devices);
    let staff = now
        .staff
        .iter()
        .filter(|(id, _)| !after.staff.contains_key(id));
    let staff = staff.map(|(_, member)| member.facts.name.to_string());
    named(&mut lines, "people who cannot sign in any more", staff);
    let rooms = now
        .rooms
        .iter()
        .filter(|(id, _)| !after.rooms.contains_key(id));
    let rooms = rooms.map(|(_, room)| room.name.to_string());
    named(&mut lines, "rooms that are gone", rooms);
    let back = after
        .devices
        .iter()
        .filter(|(id, device)| device.revocation.is_none() && now.revocations.contains_key(id));
    let back = back.map(|(_, device)| device.certificate.name.to_string());
    named(
        &mut lines,
        "machines whose revocation does not count any more",
        back,
    );
    if after.policy != now.policy {
        lines.push(format!(
            "the policy goes back to version {}",
            after.policy.version
        ));
    }
    let newest = |clinic: &Clinic| clinic.mesh_keys.newest(at).map(|(epoch, _)| epoch);
    if newest(after) != newest(now) {
        lines.push(match newest(after) {
            Some(number) => format!("the mesh key goes back to number {number}"),
            None => "no mesh key is left".to_owned(),
        });
    }
    let lacking = may_sign(now).filter(|scope| !may_sign(after).any(|left| left == *scope));
    let lacking: Vec<String> = lacking.map(|scope| scope.to_string()).collect();
    if !lacking.is_empty() {
        lines.push(format!(
            "no admin is left who may sign {}: have the root appoint one",
            lacking.join(", ")
        ));
    }
    lines
}

/// The scopes that some admin in office has.
fn may_sign(clinic: &Clinic) -> impl Iterator<Item = Scope> {
    Scopes::ALL.into_iter().filter(|scope| {
        let mut admins = clinic.admins.values();
        admins.any(|admin| admin.last.is_none() && admin.grant.scopes.has(*scope))
    })
}

/// Names in one line, as many as a question can hold.
fn named(lines: &mut Vec<String>, what: &str, names: impl Iterator<Item = String>) {
    let mut names: Vec<String> = names.collect();
    names.sort();
    let more = names.len().saturating_sub(SHOWN_MAX);
    names.truncate(SHOWN_MAX);
    if names.is_empty() {
        return;
    }
    let rest = match more {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    lines.push(format!("{what}: {}{rest}", names.join(", ")));
}

/// Most names in one line: `authority history` has them all.
const SHOWN_MAX: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::AuthorId;
    use crate::domain::statement::{Act, StatementId};
    use crate::domain::testing::{ADMIN, NOON, SampleClinic};

    /// What goes where Robin's statements count up to `last` only.
    fn lost(clinic: &SampleClinic, last: u64) -> Vec<String> {
        let mut after = clinic.clone();
        after.admin("Sam", Scopes::of(Scopes::ALL));
        let admin = clinic.admins[ADMIN].id();
        after.say_root(Act::AdminEnded { admin, last });
        undone(&clinic.record(), &after.record(), NOON)
    }

    #[test]
    fn whoever_ends_the_last_admin_with_a_scope_hears_so() {
        let mut clinic = SampleClinic::of(["front-desk"]);
        clinic.admin("Sam", Scopes::of([Scope::Enrol, Scope::Revoke]));
        let before = clinic.record();
        let admin = clinic.admins[ADMIN].id();
        let last = clinic.items().len() as u64;
        clinic.say_root(Act::AdminEnded { admin, last });
        let lines = undone(&before, &clinic.record(), NOON);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("may sign staff, policy"), "{lines:?}");
    }

    #[test]
    fn what_counts_no_more_is_named_and_nothing_else() {
        let mut clinic = SampleClinic::of(["front-desk", "ward-2"]);
        clinic.staff("Ana", ["front-desk"]);
        let admin = AuthorId::from(clinic.admins[ADMIN].id());
        let own = clinic.items().iter().filter(|item| item.id.author == admin);
        let head = own.map(|item| item.id.seq).max().expect("some");
        assert!(lost(&clinic, head).is_empty(), "all of it counts");
        assert_eq!(
            lost(&clinic, head - 1),
            ["people who cannot sign in any more: Ana"]
        );
        let all = lost(&clinic, 0).join("\n");
        for said in ["front-desk, ward-2", "Ana"] {
            assert!(all.contains(said), "{said} in {all}");
        }
    }

    #[test]
    fn a_machine_that_comes_back_because_its_revocation_is_void_is_named() {
        let mut clinic = SampleClinic::of(["front-desk", "ward-2"]);
        let StatementId { seq, .. } = clinic.revoke("ward-2");
        assert_eq!(
            lost(&clinic, seq - 1),
            ["machines whose revocation does not count any more: ward-2"]
        );
    }
}
