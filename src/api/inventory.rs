//! The asset list of the clinic: every machine, and who may sign in where.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::clinic::{kind_name, role_names};
use super::moment::Moment;
use crate::domain::backup::sober;
use crate::domain::cert::{Capability, DeviceKind, SKEW};
use crate::domain::condition::{Condition, ProgramVersion, Told};
use crate::domain::id::DeviceId;
use crate::domain::name::Name;
use crate::domain::record::{Clinic, Device, Status};
use crate::domain::time::WallTime;

/// Every machine and person of the clinic as one node knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryView {
    /// When it was made, by this node's clock.
    pub made_at: Moment,
    /// The clinic's id.
    pub clinic: String,
    /// The clinic's name, once this node knows it.
    pub clinic_name: Option<String>,
    /// The node that made it.
    pub made_by: String,
    /// Every machine, revoked ones included, by office and name.
    pub devices: Vec<AssetView>,
    /// Every staff member and where they may sign in, by name.
    pub people: Vec<AccessView>,
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetView {
    /// Id: its public key.
    pub id: String,
    /// Name.
    pub name: String,
    /// Office.
    pub office: String,
    /// `node` or `client`.
    pub kind: String,
    /// What it may do besides: `witness`, `renew`, `export`.
    pub capabilities: Vec<String>,
    /// `this`, `connected`, `away`, `expired` or `revoked`; a client is `enrolled`.
    pub state: String,
    /// When its key was first certified: its key is as old as that.
    pub key_since: Option<Moment>,
    /// When its newest certificate ends.
    pub certified_until: Moment,
    /// When it was revoked, if it was.
    pub revoked: Option<Moment>,
    /// The program's version, as the machine tells; none of one that tells nothing.
    pub version: Option<String>,
    /// Since when it has told this version, by this node's clock; none of this node.
    pub version_since: Option<Moment>,
    /// Whether a machine of the clinic has a newer version.
    pub outdated: bool,
    /// How its backups stand, as the machine tells.
    pub backup: Option<AssetBackupView>,
    /// When it was last heard to be so, by this node's clock; none of this node.
    pub told: Option<Moment>,
    /// When this node last heard it, by this node's clock.
    pub last_heard: Option<Moment>,
    /// Where it may be reached besides discovery, as the record says; else where this node sees it.
    pub address: Option<String>,
    /// Who may sign in there.
    pub people: Vec<String>,
}

/// How the backups of one machine stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetBackupView {
    /// When the newest one was begun, by that machine's clock; none if none is known.
    pub last: Option<Moment>,
    /// How often the node makes one by itself, in hours; none if it does not.
    pub every_hours: Option<u64>,
    /// Whether the newest try failed.
    pub failed: bool,
}

/// Where one person may sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessView {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// `clinician`, `front_desk`, `billing`, `auditor`.
    pub roles: Vec<String>,
    /// Offices where this person may sign in; none while suspended.
    pub offices: Vec<String>,
    /// Whether an admin has suspended this person.
    pub suspended: bool,
}

/// What a node knows that is not in the record.
#[derive(Clone, Debug)]
pub struct Known {
    /// This node.
    pub me: DeviceId,
    /// This moment by its clock.
    pub now: WallTime,
    /// What it tells others of itself.
    pub condition: Option<Condition>,
    /// What each device told of itself.
    pub told: BTreeMap<DeviceId, Told>,
    /// The devices it has a channel to.
    pub connected: BTreeSet<DeviceId>,
    /// When it last heard each device.
    pub last_heard: BTreeMap<DeviceId, WallTime>,
    /// Where it sees devices: of whoever dialled, the address without a port, which says nothing.
    pub addresses: BTreeMap<DeviceId, String>,
}

impl InventoryView {
    /// The list as the record and one node say; every name is the record's.
    pub fn of(clinic: &Clinic, known: &Known) -> Self {
        let newest = newest(clinic, known);
        let devices = clinic.devices.iter();
        let mut devices: Vec<AssetView> = devices
            .map(|(id, device)| asset(clinic, known, (id, device), newest))
            .collect();
        devices.sort_by(|a, b| (&a.office, &a.name, &a.id).cmp(&(&b.office, &b.name, &b.id)));
        let own = devices.iter().find(|device| device.state == "this");
        Self {
            made_at: known.now.into(),
            clinic: clinic.id.to_string(),
            clinic_name: clinic.name.as_ref().map(ToString::to_string),
            made_by: own.map_or_else(|| known.me.short(), |own| own.name.clone()),
            people: people(clinic),
            devices,
        }
    }
}

impl Known {
    /// How a machine is: this one as it knows itself, others as they told.
    fn condition(&self, id: &DeviceId) -> Option<&Condition> {
        match *id == self.me {
            true => self.condition.as_ref(),
            false => self.told.get(id).map(|told| &told.condition),
        }
    }
}

/// The newest version among the machines that take part: what was revoked was let go of as it was.
fn newest<'a>(clinic: &Clinic, known: &'a Known) -> Option<&'a ProgramVersion> {
    let conditions = clinic.members().filter_map(|(id, _)| known.condition(id));
    conditions.map(|condition| &condition.version).max()
}

fn asset(
    clinic: &Clinic,
    known: &Known,
    (id, device): (&DeviceId, &Device),
    newest: Option<&ProgramVersion>,
) -> AssetView {
    let certificate = &device.certificate;
    let condition = known.condition(id);
    let version = condition.map(|condition| &condition.version);
    let told = known.told.get(id).filter(|_| *id != known.me);
    AssetView {
        id: id.to_string(),
        name: certificate.name.to_string(),
        office: certificate.office.to_string(),
        kind: kind_name(certificate.kind).to_owned(),
        capabilities: certificate
            .capabilities
            .iter()
            .map(|capability| capability_name(capability).to_owned())
            .collect(),
        state: state(known, id, device).to_owned(),
        key_since: device
            .first_held()
            .map(|from| signed_at(from, known.now).into()),
        certified_until: certificate.not_after.into(),
        revoked: device.revocation.as_ref().map(|found| found.at.into()),
        version: version.map(ToString::to_string),
        version_since: told.map(|told| told.since.into()),
        outdated: device.revocation.is_none()
            && version
                .zip(newest)
                .is_some_and(|(own, newest)| own.is_older_than(newest)),
        backup: condition.and_then(|condition| backup(condition, known.now)),
        told: told.map(|told| told.heard.into()),
        last_heard: known.last_heard.get(id).map(|at| (*at).into()),
        address: device
            .address
            .clone()
            .or_else(|| known.addresses.get(id).cloned()),
        people: if takes_logins(device) {
            names_at(clinic, &certificate.office)
        } else {
            Vec::new()
        },
    }
}

fn backup(condition: &Condition, now: WallTime) -> Option<AssetBackupView> {
    let backups = condition.backups?;
    Some(AssetBackupView {
        // A clock that was ahead said it: as good as not known.
        last: sober(backups.last, now).map(Into::into),
        every_hours: backups.every_hours.map(Into::into),
        failed: backups.failed.is_some(),
    })
}

/// When a certificate was signed that is good from then on: they begin a little earlier, for clocks that are
/// behind.
fn signed_at(from: WallTime, now: WallTime) -> WallTime {
    from.plus(SKEW).min(now)
}

/// Nodes that take part have a door for people.
fn takes_logins(device: &Device) -> bool {
    device.revocation.is_none() && device.certificate.kind == DeviceKind::Node
}

fn state(known: &Known, id: &DeviceId, device: &Device) -> &'static str {
    let node = device.certificate.kind == DeviceKind::Node;
    if device.revocation.is_some() {
        "revoked"
    } else if *id == known.me {
        "this"
    } else if known.connected.contains(id) {
        "connected"
    } else if device.certificate.not_after < known.now {
        "expired"
    } else if node {
        "away"
    } else {
        "enrolled"
    }
}

fn names_at(clinic: &Clinic, office: &Name) -> Vec<String> {
    let members = clinic.staff.values();
    let at_home = members
        .filter(|member| member.status == Status::Active && member.facts.homes.contains(office));
    let mut names: Vec<String> = at_home
        .map(|member| member.facts.name.to_string())
        .collect();
    names.sort();
    names
}

fn people(clinic: &Clinic) -> Vec<AccessView> {
    let mut people: Vec<AccessView> = clinic
        .staff
        .iter()
        .map(|(id, member)| {
            let suspended = member.status == Status::Suspended;
            let homes = member.facts.homes.iter().filter(|_| !suspended);
            AccessView {
                id: id.to_string(),
                name: member.facts.name.to_string(),
                roles: role_names(member),
                offices: homes.map(ToString::to_string).collect(),
                suspended,
            }
        })
        .collect();
    people.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    people
}

const fn capability_name(capability: Capability) -> &'static str {
    match capability {
        Capability::Witness => "witness",
        Capability::Renew => "renew",
        Capability::Export => "export",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::condition::Backups;
    use crate::domain::statement::Act;
    use crate::domain::testing::{NOON, SampleClinic, days};

    fn condition(version: &str, last: Option<WallTime>) -> Condition {
        Condition {
            version: ProgramVersion::new(version).expect("a version"),
            backups: Some(Backups {
                last,
                every_hours: Some(24),
                failed: None,
            }),
        }
    }

    fn known(clinic: &SampleClinic) -> Known {
        let ward = clinic.device("ward-2").id;
        Known {
            me: clinic.device("front-desk").id,
            now: NOON.plus(days(1)),
            condition: Some(condition("9.9.0", None)),
            told: BTreeMap::new(),
            connected: [ward].into(),
            last_heard: [(ward, NOON)].into(),
            addresses: [(ward, "192.168.1.7".to_owned())].into(),
        }
    }

    fn find<'a>(view: &'a InventoryView, name: &str) -> &'a AssetView {
        let found = view.devices.iter().find(|device| device.name == name);
        found.expect("it is listed")
    }

    #[test]
    fn every_machine_is_listed_with_what_an_auditor_asks_for() {
        let mut clinic = SampleClinic::of(["front-desk", "lab", "pharmacy", "ward-2"]);
        clinic.staff("Ben", ["ward-2"]);
        clinic.staff("Ana", ["ward-2", "lab"]);
        clinic.revoke("lab");
        let view = InventoryView::of(&clinic.record(), &known(&clinic));
        let states: Vec<_> = view
            .devices
            .iter()
            .map(|device| device.state.as_str())
            .collect();
        assert_eq!(states, ["this", "revoked", "away", "connected"]);
        let ward = find(&view, "ward-2");
        assert_eq!(ward.people, ["Ana", "Ben"]);
        assert_eq!(ward.key_since, Some(NOON.plus(SKEW).into()));
        assert_eq!(ward.certified_until, NOON.plus(days(30)).into());
        assert_eq!(ward.last_heard, Some(NOON.into()));
        assert_eq!(ward.address.as_deref(), Some("192.168.1.7"), "seen there");
        assert_eq!(find(&view, "pharmacy").address, None);
        assert_eq!(
            (&ward.version, &ward.told),
            (&None, &None),
            "it told nothing"
        );
        let front = find(&view, "front-desk");
        assert_eq!(front.version.as_deref(), Some("9.9.0"));
        assert!(
            find(&view, "lab").people.is_empty(),
            "nobody signs in there"
        );
    }

    #[test]
    fn what_a_machine_told_of_itself_is_listed_with_since_when_and_the_older_versions_are_marked() {
        let mut clinic = SampleClinic::of(["front-desk", "lab", "pharmacy", "ward-2"]);
        clinic.revoke("lab");
        let mut known = known(&clinic);
        let mut told = |office, version, last| {
            let told = Told {
                condition: condition(version, last),
                since: NOON,
                heard: NOON.plus(days(1)),
            };
            known.told.insert(clinic.device(office).id, told);
        };
        told("ward-2", "9.10.0", Some(NOON));
        told("pharmacy", "9.10.0", Some(NOON.plus(days(400))));
        // Neither does a revoked machine make others old, nor is it asked to be made new.
        told("lab", "10.0.0", None);
        let view = InventoryView::of(&clinic.record(), &known);
        let ward = find(&view, "ward-2");
        assert_eq!(ward.version.as_deref(), Some("9.10.0"));
        assert_eq!(ward.version_since, Some(NOON.into()));
        assert_eq!(ward.told, Some(NOON.plus(days(1)).into()));
        let last = |asset: &AssetView| asset.backup.as_ref().and_then(|found| found.last.clone());
        assert_eq!(last(ward), Some(NOON.into()));
        assert_eq!(last(find(&view, "pharmacy")), None, "of a day to come");
        let outdated = view.devices.iter().filter(|device| device.outdated);
        let outdated: Vec<_> = outdated.map(|device| device.name.as_str()).collect();
        assert_eq!(outdated, ["front-desk"]);
        assert_eq!(find(&view, "front-desk").version_since, None);
    }

    #[test]
    fn a_key_that_was_just_certified_is_not_minutes_old() {
        let clinic = SampleClinic::of(["front-desk", "ward-2"]);
        // A certificate is good from five minutes before it was signed.
        let signed = NOON.plus(SKEW);
        let at = |now| {
            let known = Known {
                now,
                ..known(&clinic)
            };
            let view = InventoryView::of(&clinic.record(), &known);
            find(&view, "ward-2").key_since.clone()
        };
        assert_eq!(at(signed), Some(signed.into()));
        assert_eq!(at(NOON), Some(NOON.into()), "never of the future");
    }

    #[test]
    fn whoever_is_suspended_may_sign_in_nowhere() {
        let mut clinic = SampleClinic::of(["front-desk", "ward-2"]);
        let ana = clinic.staff("Ana", ["ward-2"]);
        clinic.say(Act::StaffSuspended { staff: ana });
        let view = InventoryView::of(&clinic.record(), &known(&clinic));
        assert!(view.people[0].suspended && view.people[0].offices.is_empty());
        assert!(find(&view, "ward-2").people.is_empty());
    }
}
