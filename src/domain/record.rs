//! The clinic record: a deterministic fold of its statements.
//!
//! The fold is a function of the *set* of statements. Whatever order they arrive in, every node that
//! has the same set has the same clinic. Three rules make it so:
//!
//! - an admin's statements count by number: up to the number the root names when it ends the admin;
//! - what is withdrawn stays withdrawn: revoked ids and keys are collected first and win;
//! - "after" means *had seen*: an addition undoes a removal only if its signer had seen the removal.

use std::collections::{BTreeMap, BTreeSet};

use super::cert::{Capability, Certificate, DeviceKind, Grant};
use super::id::{AdminId, AuthorId, ClinicId, DeviceId, Hash, InvitationId, RoomId, StaffId};
use super::name::Name;
use super::policy::Policy;
use super::sign::Signed;
use super::space::Space;
use super::statement::{
    Act, History, Invitation, Revocation, Right, StaffFacts, Statement, StatementId,
};
use super::time::{Hlc, WallTime};
use super::trust::{AdminTrust, MeshKey, TrustView};

/// One statement with its place in the record.
#[derive(Clone, Debug)]
pub struct Item {
    /// Signer and number.
    pub id: StatementId,
    /// When it was signed, by the signer's clock.
    pub time: Hlc,
    /// What it says.
    pub statement: Statement,
}

/// Why a statement does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoidReason {
    /// The signer is neither the root nor an admin.
    #[error("the signer is not an admin of this clinic")]
    UnknownSigner,
    /// The signer's scopes do not include this act.
    #[error("the signer had no right to do this")]
    WithoutRight,
    /// Beyond the number at which the root ended this admin.
    #[error("the signer had been removed before this statement")]
    AfterTheEnd,
    /// Signed after the end date of the grant.
    #[error("the signer's grant had run out")]
    GrantRunOut,
    /// The certificate or grant inside does not verify or is not the signer's own.
    #[error("the certificate or grant inside is not valid")]
    InvalidInside,
    /// Refers to what is not there, or repeats what is.
    #[error("it does not fit the record")]
    DoesNotFit,
}

/// An admin of the clinic.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The root's word.
    pub grant: Grant,
    /// As signed.
    pub signed: Signed,
    /// Number of the last statement that counts, if the root has ended this admin.
    pub last: Option<u64>,
}

/// A device of the clinic.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its newest certificate.
    pub certificate: Certificate,
    /// As signed.
    pub signed: Signed,
    /// Where it may be reached besides discovery.
    pub address: Option<String>,
    /// Its removal, if it was removed.
    pub revocation: Option<Revocation>,
}

/// Whether a staff member may sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Yes.
    Active,
    /// No, until an admin lifts it.
    Suspended,
}

/// A staff member of the clinic.
#[derive(Clone, Debug)]
pub struct StaffMember {
    /// Name, roles, homes.
    pub facts: StaffFacts,
    /// The statement these facts are from.
    pub by: StatementId,
    /// Every office that was ever a home.
    pub ever_homes: BTreeSet<Name>,
    /// Whether they may sign in.
    pub status: Status,
}

/// A named room.
#[derive(Clone, Debug)]
pub struct Room {
    /// Its name.
    pub name: Name,
    /// What new members see of the past.
    pub history: History,
    /// Its members, and since when.
    pub members: BTreeMap<StaffId, Hlc>,
    /// Everyone who ever was a member.
    pub ever_members: BTreeSet<StaffId>,
}

/// What became of an invitation.
#[derive(Clone, Debug)]
pub struct InvitationState {
    /// Its terms.
    pub terms: Invitation,
    /// Whether it was used or withdrawn.
    pub used: bool,
    /// The first device that used it; none when it is open or was withdrawn.
    pub by: Option<DeviceId>,
}

/// The clinic as its record says.
#[derive(Clone, Debug)]
pub struct Clinic {
    /// The pinned id.
    pub id: ClinicId,
    /// The clinic's name, once founded.
    pub name: Option<Name>,
    /// Its admins.
    pub admins: BTreeMap<AdminId, Admin>,
    /// Its devices, revoked ones included.
    pub devices: BTreeMap<DeviceId, Device>,
    /// Its staff.
    pub staff: BTreeMap<StaffId, StaffMember>,
    /// Its rooms.
    pub rooms: BTreeMap<RoomId, Room>,
    /// Its policy.
    pub policy: Policy,
    /// Commitments of its mesh keys.
    pub mesh_keys: BTreeMap<u32, Hash>,
    /// Its invitations.
    pub invitations: BTreeMap<InvitationId, InvitationState>,
    /// Statements that do not count, and why.
    pub void: BTreeMap<StatementId, VoidReason>,
}

impl Clinic {
    /// A clinic of which only the id is known.
    pub fn unknown(id: ClinicId) -> Self {
        Self {
            id,
            name: None,
            admins: BTreeMap::new(),
            devices: BTreeMap::new(),
            staff: BTreeMap::new(),
            rooms: BTreeMap::new(),
            policy: Policy::initial(),
            mesh_keys: BTreeMap::new(),
            invitations: BTreeMap::new(),
            void: BTreeMap::new(),
        }
    }

    /// The clinic that these statements make, in whatever order they are given.
    pub fn fold<'a>(id: ClinicId, items: impl IntoIterator<Item = &'a Item>) -> Self {
        let mut items: Vec<&Item> = items.into_iter().collect();
        items.sort_by_key(|item| (item.time, item.id));
        let mut fold = Fold {
            clinic: Self::unknown(id),
            counted: Vec::new(),
        };
        fold.roots(&items);
        fold.admins(&items);
        fold.clinic
    }

    /// Whether the device may take part: enrolled and not revoked.
    pub fn is_member(&self, device: &DeviceId) -> bool {
        self.devices
            .get(device)
            .is_some_and(|device| device.revocation.is_none())
    }

    /// The devices that take part.
    pub fn members(&self) -> impl Iterator<Item = (&DeviceId, &Device)> {
        self.devices
            .iter()
            .filter(|(_, device)| device.revocation.is_none())
    }

    /// The staff members a conversation or private space is of at present.
    pub fn people(&self, space: &Space) -> Vec<StaffId> {
        match space {
            Space::Record | Space::Audit(_) => Vec::new(),
            Space::Direct(one, other) => vec![*one, *other],
            Space::Room(room) => self
                .rooms
                .get(room)
                .map_or_else(Vec::new, |room| room.members.keys().copied().collect()),
            Space::Staff(staff) => vec![*staff],
        }
    }

    /// Whether the staff member belongs to the conversation at present.
    pub fn is_in(&self, staff: &StaffId, space: &Space) -> bool {
        space.is_well_formed()
            && match space {
                Space::Record | Space::Audit(_) => false,
                Space::Direct(one, other) => {
                    (one == staff || other == staff)
                        && self.staff.contains_key(one)
                        && self.staff.contains_key(other)
                }
                Space::Room(room) => self
                    .rooms
                    .get(room)
                    .is_some_and(|room| room.members.contains_key(staff)),
                Space::Staff(owner) => owner == staff,
            }
    }

    /// Whether the device may hold the space at present: only those are offered it.
    pub fn may_hold(&self, device: &DeviceId, space: &Space) -> bool {
        let Some(found) = self.devices.get(device) else {
            return false;
        };
        if found.revocation.is_some() || !space.is_well_formed() {
            return false;
        }
        match space {
            Space::Record => true,
            Space::Audit(owner) => {
                owner == device || found.certificate.capabilities.has(Capability::Witness)
            }
            Space::Direct(..) | Space::Room(_) | Space::Staff(_) => self
                .people(space)
                .iter()
                .any(|staff| self.is_home(device, staff)),
        }
    }

    /// Whether the device is an office node where this person may sign in at present.
    pub fn is_home(&self, device: &DeviceId, staff: &StaffId) -> bool {
        let Some(office) = self.office(device) else {
            return false;
        };
        self.staff
            .get(staff)
            .is_some_and(|member| member.facts.homes.contains(office))
    }

    /// Whether the device was ever entitled to write in the space.
    ///
    /// Deliberately not "is": what was written before a removal was known is accepted everywhere, so
    /// that all nodes hold the same logs; faces show it as such.
    pub fn may_write(&self, author: &AuthorId, space: &Space) -> bool {
        let device = author.as_device();
        match space {
            Space::Record => false,
            Space::Audit(owner) => *owner == device && self.devices.contains_key(&device),
            Space::Direct(one, other) => {
                space.is_well_formed()
                    && (self.was_home(&device, one) || self.was_home(&device, other))
            }
            Space::Room(room) => self.rooms.get(room).is_some_and(|room| {
                room.ever_members
                    .iter()
                    .any(|staff| self.was_home(&device, staff))
            }),
            Space::Staff(staff) => self.was_home(&device, staff),
        }
    }

    pub(crate) fn was_home(&self, device: &DeviceId, staff: &StaffId) -> bool {
        let Some(office) = self.office(device) else {
            return false;
        };
        self.staff
            .get(staff)
            .is_some_and(|member| member.ever_homes.contains(office))
    }

    /// The office of a node; clients have none.
    fn office(&self, device: &DeviceId) -> Option<&Name> {
        let certificate = &self.devices.get(device)?.certificate;
        (certificate.kind == DeviceKind::Node).then_some(&certificate.office)
    }

    /// From when on the device is given the bodies of the space; earlier entries come without.
    pub fn sees_from(&self, device: &DeviceId, space: &Space) -> Hlc {
        let Space::Room(room) = space else {
            return Hlc(0);
        };
        let Some(room) = self.rooms.get(room) else {
            return Hlc(0);
        };
        if room.history == History::All {
            return Hlc(0);
        }
        let since = room
            .members
            .iter()
            .filter(|(staff, _)| self.is_home(device, staff));
        since
            .map(|(_, since)| *since)
            .min()
            .unwrap_or(Hlc(u64::MAX))
    }

    /// Every space that the device may hold and that the record can name, audit trails included.
    ///
    /// Direct conversations exist between any two staff members; they are enumerated from what is
    /// stored, not from here.
    pub fn rooms_of<'a>(&'a self, device: &'a DeviceId) -> impl Iterator<Item = Space> + 'a {
        let rooms = self.rooms.keys().map(|room| Space::Room(*room));
        rooms.filter(|space| self.may_hold(device, space))
    }

    /// Number of the last entry that counts in a log of the device, if it was revoked and the
    /// revocation names the log.
    pub fn named_end(
        &self,
        author: &AuthorId,
        space: &Space,
        epoch: super::log::Epoch,
    ) -> Option<u64> {
        let revocation = self.devices.get(&author.as_device())?.revocation.as_ref()?;
        let end = revocation
            .ends
            .iter()
            .find(|end| end.space == *space && end.epoch == epoch)?;
        Some(end.seq)
    }

    /// The moment the device was revoked, if it was.
    pub fn revoked_at(&self, author: &AuthorId) -> Option<WallTime> {
        Some(
            self.devices
                .get(&author.as_device())?
                .revocation
                .as_ref()?
                .at,
        )
    }

    /// What handshakes are judged by.
    pub fn trust(&self, me: DeviceId, keys: BTreeMap<u32, MeshKey>, digest: Hash) -> TrustView {
        let mut view = TrustView {
            clinic: self.id,
            me,
            admins: BTreeMap::new(),
            enrolled: BTreeMap::new(),
            revoked_devices: BTreeSet::new(),
            revoked_serials: BTreeSet::new(),
            revoked_noise_keys: BTreeSet::new(),
            mesh_keys: keys,
            policy: self.policy.clone(),
            digest,
        };
        for (id, admin) in &self.admins {
            let trust = AdminTrust {
                grant: admin.grant.clone(),
                ended: admin.last.is_some(),
            };
            view.admins.insert(*id, trust);
        }
        for (id, device) in &self.devices {
            view.enrolled.insert(*id, device.certificate.serial);
            if let Some(revocation) = &device.revocation {
                view.revoked_devices.insert(*id);
                view.revoked_serials
                    .extend([device.certificate.serial, revocation.serial]);
                view.revoked_noise_keys
                    .extend([device.certificate.noise_key, revocation.noise_key]);
            }
        }
        view
    }
}

/// The fold while it runs.
struct Fold<'a> {
    clinic: Clinic,
    counted: Vec<&'a Item>,
}

impl<'a> Fold<'a> {
    /// First pass: the root's log alone decides who the admins are and where they end.
    fn roots(&mut self, items: &[&'a Item]) {
        let id = self.clinic.id;
        for item in items.iter().filter(|item| is_root(&id, &item.id)) {
            if let Err(reason) = apply_root(&mut self.clinic, &item.statement.act) {
                self.clinic.void.insert(item.id, reason);
            }
        }
    }

    /// Second pass: which admin statements count, then what they say, withdrawals last.
    fn admins(&mut self, items: &[&'a Item]) {
        let id = self.clinic.id;
        for item in items.iter().filter(|item| !is_root(&id, &item.id)) {
            match self.judge(item) {
                Ok(()) => self.counted.push(item),
                Err(reason) => {
                    self.clinic.void.insert(item.id, reason);
                }
            }
        }
        self.apply_devices();
        self.apply_revocations();
        self.apply_invitations();
        self.apply_policy();
        self.apply_mesh_keys();
        self.apply_staff();
        self.apply_rooms();
    }

    fn judge(&self, item: &Item) -> Result<(), VoidReason> {
        let admin = self
            .clinic
            .admins
            .get(&item.id.author.as_admin())
            .ok_or(VoidReason::UnknownSigner)?;
        if admin.last.is_some_and(|last| item.id.seq > last) {
            return Err(VoidReason::AfterTheEnd);
        }
        if item.time.wall() > admin.grant.not_after {
            return Err(VoidReason::GrantRunOut);
        }
        match item.statement.act.right() {
            Right::Scope(scope) if admin.grant.scopes.has(scope) => Ok(()),
            Right::Scope(_) | Right::Root => Err(VoidReason::WithoutRight),
        }
    }

    fn apply_devices(&mut self) {
        for item in &self.counted {
            let Act::DeviceEnrolled {
                certificate,
                address,
                ..
            } = &item.statement.act
            else {
                continue;
            };
            let opened = Certificate::open(certificate, &self.clinic.id);
            let Ok(opened) = opened.map_err(drop).and_then(|opened| {
                if certificate.signer == item.id.author {
                    Ok(opened)
                } else {
                    Err(())
                }
            }) else {
                self.clinic.void.insert(item.id, VoidReason::InvalidInside);
                continue;
            };
            let known = self.clinic.devices.get(&opened.device);
            if known.is_some_and(|known| known.certificate.not_after >= opened.not_after) {
                self.clinic.void.insert(item.id, VoidReason::DoesNotFit);
                continue;
            }
            let device = Device {
                certificate: opened,
                signed: certificate.clone(),
                address: address.clone(),
                revocation: None,
            };
            self.clinic
                .devices
                .insert(device.certificate.device, device);
        }
    }

    /// A device may be named by several revocations; the earliest moment and the lowest ends hold.
    fn apply_revocations(&mut self) {
        for item in &self.counted {
            let Act::DeviceRevoked { revocation } = &item.statement.act else {
                continue;
            };
            let Some(device) = self.clinic.devices.get_mut(&revocation.device) else {
                self.clinic.void.insert(item.id, VoidReason::DoesNotFit);
                continue;
            };
            match &mut device.revocation {
                None => device.revocation = Some(revocation.clone()),
                Some(earlier) => merge_revocation(earlier, revocation),
            }
        }
    }

    fn apply_invitations(&mut self) {
        for item in &self.counted {
            if let Act::InvitationIssued { invitation } = &item.statement.act {
                let fresh = InvitationState {
                    terms: invitation.clone(),
                    used: false,
                    by: None,
                };
                self.clinic
                    .invitations
                    .entry(invitation.id)
                    .or_insert(fresh);
            }
        }
        for item in &self.counted {
            let (used, by) = match &item.statement.act {
                Act::InvitationUsed { invitation, by } => (Some(*invitation), *by),
                Act::DeviceEnrolled {
                    certificate,
                    invitation,
                    ..
                } => (*invitation, certified_device(certificate, &self.clinic.id)),
                _ => (None, None),
            };
            if let Some(found) = used.and_then(|id| self.clinic.invitations.get_mut(&id)) {
                found.by = if found.used { found.by } else { by };
                found.used = true;
            }
        }
    }

    fn apply_policy(&mut self) {
        for item in &self.counted {
            let Act::PolicySet { policy } = &item.statement.act else {
                continue;
            };
            // Items are in order of time, so among equal versions the last one written wins.
            if policy.version >= self.clinic.policy.version {
                self.clinic.policy = policy.clone();
            } else {
                self.clinic.void.insert(item.id, VoidReason::DoesNotFit);
            }
        }
    }

    fn apply_mesh_keys(&mut self) {
        for item in &self.counted {
            let Act::MeshKeyRotated { epoch, commitment } = &item.statement.act else {
                continue;
            };
            let held = *self.clinic.mesh_keys.entry(*epoch).or_insert(*commitment);
            if held != *commitment {
                self.clinic.void.insert(item.id, VoidReason::DoesNotFit);
            }
        }
    }

    fn apply_staff(&mut self) {
        for item in &self.counted {
            let (staff, facts) = match &item.statement.act {
                Act::StaffAdded { staff, facts } | Act::StaffChanged { staff, facts, .. } => {
                    (staff, facts)
                }
                _ => continue,
            };
            let member = self
                .clinic
                .staff
                .entry(*staff)
                .or_insert_with(|| StaffMember {
                    facts: facts.clone(),
                    by: item.id,
                    ever_homes: BTreeSet::new(),
                    status: Status::Active,
                });
            member.facts = facts.clone();
            member.by = item.id;
            member.ever_homes.extend(facts.homes.iter().cloned());
        }
        for (staff, member) in &mut self.clinic.staff {
            if is_suspended(&self.counted, staff) {
                member.status = Status::Suspended;
            }
        }
    }

    fn apply_rooms(&mut self) {
        for item in &self.counted {
            let Act::RoomCreated {
                room,
                name,
                history,
                ..
            } = &item.statement.act
            else {
                continue;
            };
            let fresh = Room {
                name: name.clone(),
                history: *history,
                members: BTreeMap::new(),
                ever_members: BTreeSet::new(),
            };
            if self.clinic.rooms.contains_key(room) {
                self.clinic.void.insert(item.id, VoidReason::DoesNotFit);
            } else {
                self.clinic.rooms.insert(*room, fresh);
            }
        }
        for item in &self.counted {
            let (room, add, founding) = match &item.statement.act {
                Act::RoomCreated { room, members, .. } => (room, members, true),
                Act::MembersChanged { room, add, .. } => (room, add, false),
                _ => continue,
            };
            let Some(found) = self.clinic.rooms.get_mut(room) else {
                continue;
            };
            for staff in add {
                found.ever_members.insert(*staff);
                if !removed_unseen(&self.counted, item, room, staff) {
                    let since = if founding { Hlc(0) } else { item.time };
                    found.members.entry(*staff).or_insert(since);
                }
            }
        }
    }
}

fn is_root(clinic: &ClinicId, id: &StatementId) -> bool {
    super::cert::is_root(&id.author, clinic)
}

fn apply_root(clinic: &mut Clinic, act: &Act) -> Result<(), VoidReason> {
    match act {
        Act::Founded { name } if clinic.name.is_none() => clinic.name = Some(name.clone()),
        Act::Founded { .. } => return Err(VoidReason::DoesNotFit),
        Act::AdminGranted { grant: signed } => {
            let grant = Grant::open(signed, &clinic.id).map_err(|_| VoidReason::InvalidInside)?;
            if clinic.admins.contains_key(&grant.admin) {
                return Err(VoidReason::DoesNotFit);
            }
            let admin = Admin {
                grant,
                signed: signed.clone(),
                last: None,
            };
            clinic.admins.insert(admin.grant.admin, admin);
        }
        Act::AdminEnded { admin, last } => {
            let admin = clinic.admins.get_mut(admin).ok_or(VoidReason::DoesNotFit)?;
            admin.last = Some(admin.last.map_or(*last, |earlier| earlier.min(*last)));
        }
        // The root appoints and removes; everything else is an admin's.
        _ => return Err(VoidReason::WithoutRight),
    }
    Ok(())
}

/// The device that a certificate inside a statement is about, if it verifies.
fn certified_device(certificate: &Signed, clinic: &ClinicId) -> Option<DeviceId> {
    let opened = Certificate::open(certificate, clinic).ok()?;
    Some(opened.device)
}

fn merge_revocation(held: &mut Revocation, other: &Revocation) {
    held.at = held.at.min(other.at);
    let mut ends: BTreeMap<_, u64> = BTreeMap::new();
    for end in held.ends.iter().chain(&other.ends) {
        let seq = ends.entry((end.space, end.epoch)).or_insert(end.seq);
        *seq = (*seq).min(end.seq);
    }
    held.ends = ends
        .into_iter()
        .map(|((space, epoch), seq)| super::statement::LogEnd { space, epoch, seq })
        .collect();
}

/// Whether a suspension stands that no later change had seen and lifted.
fn is_suspended(counted: &[&Item], staff: &StaffId) -> bool {
    let suspensions = counted.iter().filter(
        |item| matches!(&item.statement.act, Act::StaffSuspended { staff: whom } if whom == staff),
    );
    suspensions.into_iter().any(|suspension| {
        !counted.iter().any(|item| match &item.statement.act {
            Act::StaffChanged {
                staff: whom, lifts, ..
            } => whom == staff && lifts.contains(&suspension.id) && follows(item, suspension.id),
            _ => false,
        })
    })
}

/// Whether someone removed this member without the addition having seen it.
fn removed_unseen(counted: &[&Item], addition: &Item, room: &RoomId, staff: &StaffId) -> bool {
    counted.iter().any(|item| match &item.statement.act {
        Act::MembersChanged {
            room: which,
            remove,
            ..
        } => which == room && remove.contains(staff) && !follows(addition, item.id),
        _ => false,
    })
}

/// Whether the signer of `item` had seen `other`, its own earlier statements included.
fn follows(item: &Item, other: StatementId) -> bool {
    if item.id.author == other.author {
        return item.id.seq > other.seq;
    }
    item.statement.has_seen(other)
}

#[cfg(test)]
mod tests;
