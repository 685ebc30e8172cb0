//! The clinic as its record says: the directory that names stand in.

use serde::{Deserialize, Serialize};

use super::moment::Moment;
use crate::domain::cert::DeviceKind;
use crate::domain::id::{AuthorId, DeviceId, StaffId};
use crate::domain::policy::Switch;
use crate::domain::record::{self, Clinic, Device};
use crate::domain::space::Space;
use crate::domain::statement::{History, Role};

/// The directory and the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClinicView {
    /// The clinic's id.
    pub id: String,
    /// Its name, once this node knows it.
    pub name: Option<String>,
    /// Its staff, by name.
    pub staff: Vec<StaffView>,
    /// Its rooms, by name.
    pub rooms: Vec<RoomView>,
    /// Its devices, revoked ones included.
    pub devices: Vec<DeviceView>,
    /// Its admins.
    pub admins: Vec<AdminView>,
    /// What admins have set.
    pub policy: PolicyView,
}

/// One staff member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffView {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// `clinician`, `front_desk`, `billing`, `auditor`.
    pub roles: Vec<String>,
    /// Offices where this person may sign in.
    pub homes: Vec<String>,
    /// Whether an admin has suspended this person.
    pub suspended: bool,
}

/// One named room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomView {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Names of its members.
    pub members: Vec<String>,
    /// What new members see of the past: `all` or `nothing`.
    pub history: String,
}

/// One device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceView {
    /// Id: its public key.
    pub id: String,
    /// Name.
    pub name: String,
    /// Office.
    pub office: String,
    /// `node` or `client`.
    pub kind: String,
    /// When its certificate ends.
    pub certified_until: Moment,
    /// When it was revoked, if it was.
    pub revoked: Option<Moment>,
    /// Where it may be reached besides discovery.
    pub address: Option<String>,
}

/// One admin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminView {
    /// Id: the public key.
    pub id: String,
    /// Name.
    pub name: String,
    /// When the grant runs out.
    pub until: Moment,
    /// Whether the root has removed this admin.
    pub removed: bool,
}

/// The policy in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyView {
    /// Counts up with every change.
    pub version: u32,
    /// Days that direct messages are kept.
    pub direct_days: u16,
    /// Days that messages in rooms are kept.
    pub room_days: u16,
    /// Days that audit records are kept.
    pub audit_days: u16,
    /// Whether writers see who opened their messages.
    pub opened_receipts: bool,
    /// Whether the page prints what is on the screen.
    pub printing: bool,
    /// Minutes after which an idle login ends.
    pub idle_logoff_minutes: u16,
    /// Hours without another node after which a node says so.
    pub stale_warning_hours: u16,
    /// Hours without another node after which conversations across offices are read-only.
    pub stale_read_only_hours: u16,
    /// Networks that nodes may connect from; empty for any.
    pub networks: Vec<String>,
    /// Whether keeping messages or audit records shorter takes a second admin.
    pub two_admins: bool,
}

impl From<&Clinic> for ClinicView {
    fn from(clinic: &Clinic) -> Self {
        let mut staff: Vec<StaffView> = clinic.staff.iter().map(staff_view).collect();
        let mut rooms: Vec<RoomView> = clinic
            .rooms
            .iter()
            .map(|(id, room)| RoomView {
                id: id.to_string(),
                name: room.name.to_string(),
                members: room
                    .members
                    .keys()
                    .map(|staff| staff_name(clinic, staff))
                    .collect(),
                history: match room.history {
                    History::All => "all".to_owned(),
                    History::Nothing => "nothing".to_owned(),
                },
            })
            .collect();
        let mut devices: Vec<DeviceView> = clinic
            .devices
            .iter()
            .map(|(id, device)| device_view(id, device))
            .collect();
        staff.sort_by(|a, b| a.name.cmp(&b.name));
        rooms.sort_by(|a, b| a.name.cmp(&b.name));
        devices.sort_by(|a, b| (&a.office, &a.name).cmp(&(&b.office, &b.name)));
        Self {
            id: clinic.id.to_string(),
            name: clinic.name.as_ref().map(ToString::to_string),
            staff,
            rooms,
            devices,
            admins: clinic.admins.values().map(admin_view).collect(),
            policy: policy_view(clinic),
        }
    }
}

fn staff_view((id, member): (&StaffId, &record::StaffMember)) -> StaffView {
    StaffView {
        id: id.to_string(),
        name: member.facts.name.to_string(),
        roles: role_names(member),
        homes: member.facts.homes.iter().map(ToString::to_string).collect(),
        suspended: member.status == record::Status::Suspended,
    }
}

fn device_view(id: &DeviceId, device: &Device) -> DeviceView {
    DeviceView {
        id: id.to_string(),
        name: device.certificate.name.to_string(),
        office: device.certificate.office.to_string(),
        kind: kind_name(device.certificate.kind).to_owned(),
        certified_until: device.certificate.not_after.into(),
        revoked: device
            .revocation
            .as_ref()
            .map(|revocation| revocation.at.into()),
        address: device.address.clone(),
    }
}

fn admin_view(admin: &record::Admin) -> AdminView {
    AdminView {
        id: admin.grant.admin.to_string(),
        name: admin.grant.name.to_string(),
        until: admin.grant.not_after.into(),
        removed: admin.last.is_some(),
    }
}

fn policy_view(clinic: &Clinic) -> PolicyView {
    let policy = &clinic.policy;
    PolicyView {
        version: policy.version,
        direct_days: policy.direct_days,
        room_days: policy.room_days,
        audit_days: policy.audit_days,
        opened_receipts: policy.opened_receipts == Switch::On,
        printing: policy.printing == Switch::On,
        idle_logoff_minutes: policy.idle_logoff_minutes,
        stale_warning_hours: policy.staleness.warning_hours,
        stale_read_only_hours: policy.staleness.read_only_hours,
        networks: policy.networks.iter().map(ToString::to_string).collect(),
        two_admins: policy.two_admins.is_some(),
    }
}

/// What a role is called in the API and on the command line.
pub const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Clinician => "clinician",
        Role::FrontDesk => "front_desk",
        Role::Billing => "billing",
        Role::Auditor => "auditor",
    }
}

/// What a staff member's roles are called.
pub(super) fn role_names(member: &record::StaffMember) -> Vec<String> {
    let roles = member.facts.roles.iter();
    roles.map(|role| role_name(*role).to_owned()).collect()
}

/// What a kind of device is called.
pub(super) const fn kind_name(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Node => "node",
        DeviceKind::Client => "client",
    }
}

/// What a staff member is called; the short id while the record does not name them.
pub fn staff_name(clinic: &Clinic, staff: &StaffId) -> String {
    let member = clinic.staff.get(staff);
    member.map_or_else(|| staff.short(), |member| member.facts.name.to_string())
}

/// What a device is called; the short id while the record does not name it.
pub fn device_name(clinic: &Clinic, device: &DeviceId) -> String {
    let known = clinic.devices.get(device);
    known.map_or_else(
        || device.short(),
        |known| known.certificate.name.to_string(),
    )
}

/// The same where another device of the record bears the name, too: with the beginning of its id.
pub fn device_name_apart(clinic: &Clinic, device: &DeviceId) -> String {
    let name = device_name(clinic, device);
    let mut others = clinic.devices.iter().filter(|(id, _)| *id != device);
    match others.any(|(_, other)| other.certificate.name.as_str() == name) {
        true => format!("{name} ({})", device.short()),
        false => name,
    }
}

/// What the holder of a key is called: a device, an admin, or the root.
pub fn author_name(clinic: &Clinic, author: &AuthorId) -> String {
    if let Some(admin) = clinic.admins.get(&author.as_admin()) {
        return format!("admin {}", admin.grant.name);
    }
    if clinic.is_root(author) {
        let mut later = clinic.roots.iter().skip(1);
        let place = later.position(|root| AuthorId::from(root.key) == *author);
        return place.map_or_else(
            || "the root key".to_owned(),
            |place| format!("root key number {}", place + 2),
        );
    }
    device_name(clinic, &author.as_device())
}

/// Several people's names, as a list.
pub fn names_of<'a>(clinic: &Clinic, people: impl IntoIterator<Item = &'a StaffId>) -> String {
    let mut names: Vec<String> = people
        .into_iter()
        .map(|staff| staff_name(clinic, staff))
        .collect();
    names.sort();
    names.join(", ")
}

/// What a space is called.
pub fn space_name(clinic: &Clinic, space: &Space) -> String {
    match space {
        Space::Record => "the clinic record".to_owned(),
        Space::Direct(one, other) => {
            format!(
                "{} and {}",
                staff_name(clinic, one),
                staff_name(clinic, other)
            )
        }
        Space::Group(group) => names_of(clinic, group.members()),
        Space::Room(room) => {
            let known = clinic.rooms.get(room);
            known.map_or_else(|| room.short(), |known| known.name.to_string())
        }
        Space::Staff(staff) => format!("settings of {}", staff_name(clinic, staff)),
        Space::Audit(device) => format!("audit trail of {}", device_name(clinic, device)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::TwoAdmins;
    use crate::domain::testing::SampleClinic;

    #[test]
    fn programs_are_told_whether_keeping_less_takes_two_admins() {
        let mut clinic = SampleClinic::of(["front-desk"]).record();
        assert!(!policy_view(&clinic).two_admins);
        clinic.policy.two_admins = Some(TwoAdmins::ShorterRetention);
        assert!(policy_view(&clinic).two_admins);
    }
}
