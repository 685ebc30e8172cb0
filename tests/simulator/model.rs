//! The clinic as a plain reading of its statements, written without looking at the fold.
//!
//! It is slow and short. The engines' own fold must come to the same clinic.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use clinic_mesh::domain::cert::{Capability, Certificate, Grant};
use clinic_mesh::domain::id::{AuthorId, ClinicId, DeviceId, InvitationId, RoomId, StaffId};
use clinic_mesh::domain::policy::Policy;
use clinic_mesh::domain::record::{Clinic, Status};
use clinic_mesh::domain::sign::Signed;
use clinic_mesh::domain::space::Space;
use clinic_mesh::domain::statement::{Act, History, LogEnd, Proposal, Right, StatementId};
use clinic_mesh::domain::time::{Hlc, WallTime};

use super::clinic::Said;
use super::keys::ModelKey;
use super::roots::Roots;

/// A device as the statements say.
pub(crate) struct ModelDevice {
    pub(crate) certificate: Certificate,
    pub(crate) revoked: Option<WallTime>,
    pub(crate) ends: BTreeMap<(Space, u64), u64>,
}

/// A person.
#[derive(Default)]
pub(crate) struct ModelPerson {
    homes: BTreeSet<String>,
    ever_homes: BTreeSet<String>,
    suspended: bool,
}

/// A room.
pub(crate) struct ModelRoom {
    all_history: bool,
    pub(crate) members: BTreeMap<StaffId, Hlc>,
    ever: BTreeMap<StaffId, Hlc>,
    latest: BTreeMap<StaffId, Hlc>,
}

/// The clinic.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) roots: Roots,
    pub(crate) admins: BTreeMap<AuthorId, (Grant, Option<u64>)>,
    pub(crate) devices: BTreeMap<DeviceId, ModelDevice>,
    pub(crate) people: BTreeMap<StaffId, ModelPerson>,
    pub(crate) rooms: BTreeMap<RoomId, ModelRoom>,
    pub(crate) mesh_keys: BTreeMap<u32, ModelKey>,
    issued: BTreeSet<InvitationId>,
    used: BTreeSet<InvitationId>,
    policy: Option<Policy>,
}

/// Reads a signed object that the simulator itself signed.
pub(crate) fn inside<T: for<'b> minicbor::Decode<'b, ()>>(signed: &Signed) -> Option<T> {
    minicbor::decode(&signed.body).ok()
}

impl Model {
    /// The clinic that these statements make.
    pub(crate) fn of<'a>(clinic: &ClinicId, said: impl Iterator<Item = &'a Said>) -> Self {
        Self::read(clinic, said, |_| true)
    }

    /// The same as if no admin had ever been ended.
    pub(crate) fn without_ends<'a>(
        clinic: &ClinicId,
        said: impl Iterator<Item = &'a Said>,
    ) -> Self {
        Self::read(clinic, said, |act| !matches!(act, Act::AdminEnded { .. }))
    }

    fn read<'a>(
        clinic: &ClinicId,
        said: impl Iterator<Item = &'a Said>,
        heard: impl Fn(&Act) -> bool,
    ) -> Self {
        let mut said: Vec<&Said> = said.collect();
        said.sort_by_key(|said| (said.time, said.id));
        let mut model = Self {
            roots: Roots::of(clinic, &said),
            ..Self::default()
        };
        let ends = model.roots.ends.clone();
        for (root, last) in &ends {
            let log = said.iter().filter(|said| said.id.author == *root);
            let log = log.filter(|said| said.id.seq <= *last);
            for said in log.filter(|said| heard(&said.statement.act)) {
                model.root_says(&said.statement.act);
            }
        }
        let is_root = |said: &Said| ends.iter().any(|(root, _)| *root == said.id.author);
        let counted: Vec<&Said> = said
            .into_iter()
            .filter(|said| !is_root(said) && model.counts(said))
            .collect();
        for said in &counted {
            model.devices_and_keys(said);
        }
        for said in &counted {
            model.withdraw(said);
        }
        model.policies(clinic, &counted);
        model.staff(&counted);
        model.room_members(&counted);
        model
    }

    fn root_says(&mut self, act: &Act) {
        match act {
            Act::AdminGranted { grant } => {
                if let Some(grant) = inside::<Grant>(grant) {
                    self.admins
                        .entry(grant.admin.into())
                        .or_insert((grant, None));
                }
            }
            Act::AdminEnded { admin, last } => {
                if let Some((_, end)) = self.admins.get_mut(&AuthorId::from(*admin)) {
                    *end = Some(end.map_or(*last, |end| end.min(*last)));
                }
            }
            _ => {}
        }
    }

    fn counts(&self, said: &Said) -> bool {
        let Some((grant, last)) = self.admins.get(&said.id.author) else {
            return false;
        };
        let before_end = last.is_none_or(|last| said.id.seq <= last);
        let in_time = said.time.wall() <= grant.not_after;
        let with_right = match said.statement.act.right() {
            Right::Root => false,
            Right::Admin => true,
            Right::Scope(scope) => grant.scopes.has(scope),
        };
        before_end && in_time && with_right
    }

    fn devices_and_keys(&mut self, said: &Said) {
        match &said.statement.act {
            Act::DeviceEnrolled {
                certificate: signed,
                invitation,
                ..
            } => {
                self.used.extend(*invitation);
                let Some(certificate) = inside::<Certificate>(signed) else {
                    return;
                };
                let older =
                    |device: &ModelDevice| device.certificate.not_after < certificate.not_after;
                if signed.signer == said.id.author
                    && self.devices.get(&certificate.device).is_none_or(older)
                {
                    let device = ModelDevice {
                        certificate,
                        revoked: None,
                        ends: BTreeMap::new(),
                    };
                    self.devices.insert(device.certificate.device, device);
                }
            }
            Act::MeshKeyRotated { epoch, commitment } => {
                self.change_key(*epoch, *commitment, said.time.wall());
            }
            Act::MeshKeysPlanned {
                first,
                begins,
                commitments,
            } => self.plan_keys(*first, *begins, commitments, said.time.wall()),
            Act::InvitationIssued { invitation } => {
                self.issued.insert(invitation.id);
            }
            Act::InvitationUsed { invitation, .. } => {
                self.used.insert(*invitation);
            }
            _ => {}
        }
    }

    /// The policy: one admin's word, unless that keeps less where two are wanted.
    fn policies(&mut self, clinic: &ClinicId, counted: &[&Said]) {
        let mut approved: BTreeSet<StatementId> = BTreeSet::new();
        for (at, said) in counted.iter().enumerate() {
            let in_force = self.policy.clone().unwrap_or_else(Policy::initial);
            let (policy, proposal) = match &said.statement.act {
                Act::PolicySet { policy } => {
                    let later = || {
                        counted[at + 1..].iter().filter_map(|other| {
                            let (policy, _) = effect(clinic, other, counted)?;
                            policy.two_admins.is_some().then_some((other, policy))
                        })
                    };
                    let unseen = later().any(|(other, _)| !knew(other, said.id));
                    let bound = unseen && later().any(|(_, other)| keeps_less(policy, other));
                    let alone = in_force.two_admins.is_some() && keeps_less(policy, &in_force);
                    if bound || alone {
                        continue;
                    }
                    (policy, None)
                }
                Act::Approved { .. } => match effect(clinic, said, &counted[..at]) {
                    Some((policy, Some(id))) if !approved.contains(&id) => (policy, Some(id)),
                    _ => continue,
                },
                _ => continue,
            };
            if policy.version >= in_force.version {
                self.policy = Some(policy.clone());
                approved.extend(proposal);
            }
        }
    }

    fn withdraw(&mut self, said: &Said) {
        let Act::DeviceRevoked { revocation } = &said.statement.act else {
            return;
        };
        let Some(device) = self.devices.get_mut(&revocation.device) else {
            return;
        };
        let since = revocation.at.min(said.time.wall());
        let at = device.revoked.map_or(since, |at| at.min(since));
        device.revoked = Some(at);
        for LogEnd { space, epoch, seq } in &revocation.ends {
            let end = device.ends.entry((*space, epoch.0)).or_insert(*seq);
            *end = (*end).min(*seq);
        }
    }

    fn staff(&mut self, counted: &[&Said]) {
        for said in counted {
            let (staff, facts) = match &said.statement.act {
                Act::StaffAdded { staff, facts } | Act::StaffChanged { staff, facts, .. } => {
                    (staff, facts)
                }
                _ => continue,
            };
            let person = self.people.entry(*staff).or_default();
            person.homes = facts
                .homes
                .iter()
                .map(|home| home.as_str().to_owned())
                .collect();
            person.ever_homes.extend(person.homes.clone());
        }
        for said in counted {
            let Act::StaffSuspended { staff } = &said.statement.act else {
                continue;
            };
            let lifted = counted.iter().any(|other| match &other.statement.act {
                Act::StaffChanged {
                    staff: whom, lifts, ..
                } => whom == staff && lifts.contains(&said.id) && knew(other, said.id),
                _ => false,
            });
            if let Some(person) = self.people.get_mut(staff)
                && !lifted
            {
                person.suspended = true;
            }
        }
    }

    fn room_members(&mut self, counted: &[&Said]) {
        let mut created = BTreeSet::new();
        for said in counted {
            if let Act::RoomCreated { room, history, .. } = &said.statement.act
                && !self.rooms.contains_key(room)
            {
                created.insert(said.id);
                let fresh = ModelRoom {
                    all_history: *history == History::All,
                    members: BTreeMap::new(),
                    ever: BTreeMap::new(),
                    latest: BTreeMap::new(),
                };
                self.rooms.insert(*room, fresh);
            }
        }
        for said in counted {
            let (room, added, since) = match &said.statement.act {
                Act::RoomCreated { room, members, .. } if created.contains(&said.id) => {
                    (room, members, Hlc(0))
                }
                Act::MembersChanged { room, add, .. } => (room, add, said.time),
                _ => continue,
            };
            let Some(found) = self.rooms.get_mut(room) else {
                continue;
            };
            for staff in added {
                let first = found.ever.entry(*staff).or_insert(since);
                *first = (*first).min(since);
                let last = found.latest.entry(*staff).or_insert(since);
                *last = (*last).max(since);
                let removed = counted.iter().any(|other| match &other.statement.act {
                    Act::MembersChanged {
                        room: which,
                        remove,
                        ..
                    } => which == room && remove.contains(staff) && !knew(said, other.id),
                    _ => false,
                });
                if !removed {
                    found.members.entry(*staff).or_insert(since);
                }
            }
        }
    }

    fn office(&self, device: &DeviceId) -> Option<&str> {
        let device = self.devices.get(device)?;
        Some(device.certificate.office.as_str())
    }

    /// Whether a device is enrolled and not revoked.
    pub(crate) fn in_good_standing(&self, device: &DeviceId) -> bool {
        self.devices
            .get(device)
            .is_some_and(|device| device.revoked.is_none())
    }

    /// Whether a person may sign in at a device.
    pub(crate) fn at_home(&self, device: &DeviceId, staff: &StaffId) -> bool {
        self.office(device).is_some_and(|office| {
            self.people
                .get(staff)
                .is_some_and(|person| person.homes.contains(office))
        })
    }

    /// Whether a person was ever said to be at home at a device.
    pub(crate) fn ever_at_home(&self, device: &DeviceId, staff: &StaffId) -> bool {
        self.office(device).is_some_and(|office| {
            self.people
                .get(staff)
                .is_some_and(|person| person.ever_homes.contains(office))
        })
    }

    /// Whether a person is in a conversation, at present.
    pub(crate) fn is_in(&self, staff: &StaffId, space: &Space) -> bool {
        match space {
            Space::Direct(one, other) => {
                (one == staff || other == staff)
                    && self.people.contains_key(one)
                    && self.people.contains_key(other)
            }
            Space::Room(room) => self
                .rooms
                .get(room)
                .is_some_and(|room| room.members.contains_key(staff)),
            Space::Group(group) => {
                let mut members = group.members().iter();
                group.has(staff) && members.all(|one| self.people.contains_key(one))
            }
            Space::Staff(owner) => owner == staff,
            Space::Record | Space::Audit(_) => false,
        }
    }

    /// Whether a person was ever said to be in a conversation.
    pub(crate) fn ever_in(&self, staff: &StaffId, space: &Space) -> bool {
        match space {
            Space::Room(room) => self
                .rooms
                .get(room)
                .is_some_and(|room| room.ever.contains_key(staff)),
            Space::Direct(..)
            | Space::Group(_)
            | Space::Staff(_)
            | Space::Record
            | Space::Audit(_) => space_people(space).contains(staff),
        }
    }

    /// Whether a person may act at present.
    pub(crate) fn active(&self, staff: &StaffId) -> bool {
        self.people
            .get(staff)
            .is_some_and(|person| !person.suspended)
    }

    /// Whether a device may hold a space, at present.
    pub(crate) fn may_hold(&self, device: &DeviceId, space: &Space) -> bool {
        let found = self.devices.get(device);
        let Some(found) = found.filter(|found| found.revoked.is_none()) else {
            return false;
        };
        match space {
            Space::Record => true,
            Space::Audit(owner) => {
                owner == device || found.certificate.capabilities.has(Capability::Witness)
            }
            Space::Direct(..) | Space::Group(_) | Space::Room(_) | Space::Staff(_) => self
                .people
                .keys()
                .any(|staff| self.is_in_or_own(staff, space) && self.at_home(device, staff)),
        }
    }

    fn is_in_or_own(&self, staff: &StaffId, space: &Space) -> bool {
        match space {
            Space::Direct(..) | Space::Group(_) | Space::Staff(_) => {
                space_people(space).contains(staff)
            }
            Space::Room(_) | Space::Record | Space::Audit(_) => self.is_in(staff, space),
        }
    }

    /// Whether any reading of the statements ever let the device hold the space.
    pub(crate) fn might_ever_hold(&self, device: &DeviceId, space: &Space) -> bool {
        match space {
            Space::Record => self.devices.contains_key(device),
            Space::Audit(owner) => {
                owner == device
                    || self.devices.get(device).is_some_and(|found| {
                        found.certificate.capabilities.has(Capability::Witness)
                    })
            }
            Space::Direct(..) | Space::Group(_) | Space::Room(_) | Space::Staff(_) => self
                .people
                .keys()
                .any(|staff| self.ever_in(staff, space) && self.ever_at_home(device, staff)),
        }
    }

    /// From when on the device sees bodies, at present.
    pub(crate) fn sees_from(&self, device: &DeviceId, space: &Space) -> Hlc {
        self.sees(space, |room, model| {
            let here = room
                .members
                .iter()
                .filter(|(staff, _)| model.at_home(device, staff));
            here.map(|(_, since)| *since).min()
        })
    }

    /// The earliest that any reading of the statements ever let the device see bodies from.
    pub(crate) fn might_ever_see_from(&self, device: &DeviceId, space: &Space) -> Hlc {
        self.sees(space, |room, model| {
            let ever = room
                .ever
                .iter()
                .filter(|(staff, _)| model.ever_at_home(device, staff));
            ever.map(|(_, since)| *since).min()
        })
    }

    /// From when on the device must have been given the bodies: an office that already holds a room
    /// is not given older ones when somebody comes home who was in it before.
    ///
    /// It may have held the room for people whose right turned out void: `ever` is the reading of whoever
    /// had not heard of that.
    pub(crate) fn surely_sees_from(&self, ever: &Self, device: &DeviceId, space: &Space) -> Hlc {
        let latest = [self, ever].map(|model| model.latest_from(device, space));
        let [latest, by_void] = latest;
        latest.max(by_void).max(self.sees_from(device, space))
    }

    fn latest_from(&self, device: &DeviceId, space: &Space) -> Hlc {
        self.sees(space, |room, model| {
            let ever = room
                .latest
                .iter()
                .filter(|(staff, _)| model.ever_at_home(device, staff));
            ever.map(|(_, since)| *since).max()
        })
    }

    fn sees(&self, space: &Space, from: impl Fn(&ModelRoom, &Self) -> Option<Hlc>) -> Hlc {
        let Space::Room(room) = space else {
            return Hlc(0);
        };
        match self.rooms.get(room) {
            Some(room) if !room.all_history => from(room, self).unwrap_or(Hlc(u64::MAX)),
            _ => Hlc(0),
        }
    }

    /// The clinic in words.
    pub(crate) fn words(&self) -> String {
        let mut text = String::new();
        for (root, _) in &self.roots.ends {
            let _ = writeln!(text, "root {}", root.short());
        }
        for (admin, (_, last)) in &self.admins {
            let _ = writeln!(text, "admin {} {last:?}", admin.short());
        }
        for (id, device) in &self.devices {
            let _ = writeln!(
                text,
                "device {} {} {:?} {:?}",
                id.short(),
                device.certificate.office.as_str(),
                device.revoked,
                device.ends,
            );
        }
        for (id, person) in &self.people {
            let _ = writeln!(
                text,
                "staff {} {:?} {:?} {}",
                id.short(),
                person.homes,
                person.ever_homes,
                person.suspended
            );
        }
        for (id, room) in &self.rooms {
            let ever: BTreeSet<&StaffId> = room.ever.keys().collect();
            let _ = writeln!(
                text,
                "room {} {} {:?} {ever:?}",
                id.short(),
                room.all_history,
                room.members
            );
        }
        let _ = writeln!(text, "keys {:?}", self.mesh_keys);
        let state = |id: &InvitationId| (*id, self.used.contains(id));
        let invitations: BTreeMap<InvitationId, bool> = self.issued.iter().map(state).collect();
        let _ = writeln!(text, "invitations {invitations:?}");
        let initial = Policy::initial();
        let _ = writeln!(
            text,
            "policy {:?}",
            self.policy.as_ref().unwrap_or(&initial)
        );
        text
    }
}

/// A node's own fold, in the same words.
pub(crate) fn words(clinic: &Clinic) -> String {
    let mut text = String::new();
    for root in &clinic.roots {
        let _ = writeln!(text, "root {}", AuthorId::from(root.key).short());
    }
    for (admin, found) in &clinic.admins {
        let _ = writeln!(text, "admin {} {:?}", admin.short(), found.last);
    }
    for (id, device) in &clinic.devices {
        let revocation = device.revocation.as_ref();
        let ends: BTreeMap<(Space, u64), u64> = revocation
            .iter()
            .flat_map(|revocation| &revocation.ends)
            .map(|end| ((end.space, end.epoch.0), end.seq))
            .collect();
        let _ = writeln!(
            text,
            "device {} {} {:?} {ends:?}",
            id.short(),
            device.certificate.office.as_str(),
            revocation.map(|revocation| revocation.at),
        );
    }
    for (id, member) in &clinic.staff {
        let names = |homes: Vec<&str>| homes.into_iter().map(str::to_owned).collect();
        let homes: BTreeSet<String> = names(
            member
                .facts
                .homes
                .iter()
                .map(|home| home.as_str())
                .collect(),
        );
        let ever: BTreeSet<String> =
            names(member.ever_homes.iter().map(|home| home.as_str()).collect());
        let suspended = member.status == Status::Suspended;
        let _ = writeln!(text, "staff {} {homes:?} {ever:?} {suspended}", id.short());
    }
    for (id, room) in &clinic.rooms {
        let all = room.history == History::All;
        let ever: BTreeSet<&StaffId> = room.ever_members.iter().collect();
        let _ = writeln!(
            text,
            "room {} {all} {:?} {ever:?}",
            id.short(),
            room.members
        );
    }
    let keys = clinic.mesh_keys.iter();
    let keys = keys.map(|(epoch, key)| (epoch, (key.commitment, key.since, key.planned)));
    let _ = writeln!(text, "keys {:?}", keys.collect::<BTreeMap<u32, ModelKey>>());
    let invitations: BTreeMap<_, bool> = clinic
        .invitations
        .iter()
        .map(|(id, state)| (*id, state.used))
        .collect();
    let _ = writeln!(text, "invitations {invitations:?}");
    let _ = writeln!(text, "policy {:?}", clinic.policy);
    text
}

/// Whether a policy keeps anything shorter than another, or gives up that this takes two.
fn keeps_less(policy: &Policy, than: &Policy) -> bool {
    let days = |policy: &Policy| [policy.direct_days, policy.room_days, policy.audit_days];
    let shorter = days(policy)
        .iter()
        .zip(days(than))
        .any(|(days, than)| *days < than);
    shorter || policy.two_admins.is_none()
}

/// The policy that somebody's word would put in force, and the proposal that it was in, if it was.
fn effect<'a>(
    clinic: &ClinicId,
    said: &'a Said,
    counted: &[&'a Said],
) -> Option<(&'a Policy, Option<StatementId>)> {
    match &said.statement.act {
        Act::PolicySet { policy } => Some((policy, None)),
        Act::Approved {
            proposal: id,
            digest,
        } => {
            let of_it = counted.iter().find(|other| {
                let proposed = matches!(&other.statement.act, Act::Proposed { .. });
                proposed && other.id == *id
            })?;
            let Act::Proposed { proposal } = &of_it.statement.act else {
                return None;
            };
            let by_another = id.author != said.id.author && knew(said, *id);
            let genuine = by_another && proposal.digest(clinic, *id) == *digest;
            let Proposal::Policy { policy } = proposal;
            genuine.then_some((policy, Some(*id)))
        }
        _ => None,
    }
}

fn space_people(space: &Space) -> Vec<StaffId> {
    match space {
        Space::Direct(one, other) => vec![*one, *other],
        Space::Group(group) => group.members().to_vec(),
        Space::Staff(staff) => vec![*staff],
        Space::Room(_) | Space::Record | Space::Audit(_) => Vec::new(),
    }
}

/// Whether who said one thing had seen another.
fn knew(said: &Said, other: StatementId) -> bool {
    if said.id.author == other.author {
        return said.id.seq > other.seq;
    }
    let mut seen = said.statement.seen.iter();
    seen.any(|seen| seen.author == other.author && seen.seq >= other.seq)
}
