//! The clinic record: a deterministic fold of its statements.
//!
//! The fold is a function of the *set* of statements. Whatever order they arrive in, every node that
//! has the same set has the same clinic. Five rules make it so:
//!
//! - an admin's statements count by number: up to the number the root names when it ends the admin;
//! - what is withdrawn stays withdrawn: revoked ids and keys are collected first and win;
//! - "after" means *had seen*: an addition undoes a removal only if its signer had seen the removal;
//! - nobody takes away by another act what only a revocation may: an invitation is spent in its
//!   issuer's own log, and no enrolment makes a certified device a revoked one;
//! - the root key is changed by more than half of the admins together; of several changes that have so
//!   many behind them the one counts that leaves the old root the least, and what that root signed
//!   beyond it is void.

use std::collections::{BTreeMap, BTreeSet};

use super::cert::{Capability, Certificate, DeviceKind, Grant, SKEW, is_root};
use super::id::{
    AdminId, AuthorId, ClinicId, DeviceId, Hash, InvitationId, NoiseKey, RoomId, Serial, StaffId,
};
use super::mesh_keys::{AcceptedKeys, CommittedKeys};
use super::name::Name;
use super::policy::Policy;
use super::renewal::{NotRenewed, RenewalId, RenewalItem};
use super::rotation::{Rank, RootPlace, Rotation, SignedRotation};
use super::sign::Signed;
use super::space::Space;
use super::statement::{
    History, Invitation, LogEnd, Proposal, Revocation, StaffFacts, Statement, StatementId,
};
use super::time::{Hlc, WallTime};
use super::trust::{AdminTrust, RootTrust, TrustView, Withdrawn};
use super::web::WebCertificate;
use crate::planted::planted;

mod fold;

/// One statement with its place in the record.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Enrols a device by an invitation that was used or withdrawn before.
    #[error("its invitation had been used or withdrawn before")]
    InvitationSpent,
    /// Enrols a device that is revoked, or under a revoked Noise key or number.
    #[error("the device, its Noise key or its certificate's number is revoked")]
    Revoked,
    /// One admin alone did what policy leaves to two.
    #[error("policy wants a second admin's approval for this")]
    NeedsSecondAdmin,
    /// Whoever proposed something approved it too.
    #[error("whoever proposed it cannot approve it as well")]
    OwnProposal,
    /// Refers to what is not there, or repeats what is.
    #[error("it does not fit the record")]
    DoesNotFit,
}

/// An admin of the clinic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// The root's word.
    pub grant: Grant,
    /// As signed.
    pub signed: Signed,
    /// Where a root said so.
    pub appointed: RootPlace,
    /// Number of the last statement that counts, if the root has ended this admin.
    pub last: Option<u64>,
    /// Where a root first said that, if it did.
    pub ended: Option<RootPlace>,
    /// What this admin's statements revoke.
    pub withdrawn: Withdrawn,
}

/// A root key of the clinic: the first, or one that followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The key.
    pub key: AdminId,
    /// What made it the root, as signed; none for the first.
    pub by: Option<SignedRotation>,
    /// What that says.
    pub rotation: Option<Rotation>,
    /// The admins in office at its end who have signed for it; none for the first.
    pub signed_for: BTreeSet<AdminId>,
    /// How many it took.
    pub needed: usize,
}

/// A change of the newest root key that too few admins have signed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingRotation {
    /// As signed by both keys.
    pub signed: SignedRotation,
    /// What it says.
    pub rotation: Rotation,
    /// The admins in office at its end who have signed for it.
    pub signed_for: BTreeSet<AdminId>,
    /// How many it takes.
    pub needed: usize,
}

/// A device of the clinic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its newest certificate.
    pub certificate: Certificate,
    /// The one before it, which it shows until it hears of the newest.
    pub former: Option<Certificate>,
    /// As signed, by an admin or by the node that renewed it.
    pub signed: Signed,
    /// The admin who enrolled it.
    pub enrolled_by: AdminId,
    /// When it was first enrolled, by the signer's clock. Its certificate begins earlier, for machines whose
    /// clock is behind.
    pub enrolled_at: WallTime,
    /// When it held a certificate, in order and apart from each other.
    pub held: Vec<Span>,
    /// Where it may be reached besides discovery.
    pub address: Option<String>,
    /// Every office it ever stood in as a node.
    pub ever_offices: BTreeSet<Name>,
    /// Its newest certificate for browsers, if it has one.
    pub web: Option<WebCertificate>,
    /// Its removal, if it was removed.
    pub revocation: Option<Revocation>,
}

/// From when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first moment.
    pub from: WallTime,
    /// The last moment.
    pub to: WallTime,
}

impl Device {
    /// Whether it held a certificate at that moment, give or take what clocks differ by.
    pub fn held_at(&self, at: WallTime) -> bool {
        self.held
            .iter()
            .any(|span| at.plus(SKEW) >= span.from && at <= span.to.plus(SKEW))
    }

    /// When it first held a certificate.
    pub fn first_held(&self) -> Option<WallTime> {
        self.held.first().map(|span| span.from)
    }

    /// Takes a certificate that follows the one it has.
    fn renewed(&mut self, certificate: Certificate, signed: Signed) {
        let from = certificate.not_before;
        let to = certificate.not_after;
        match self.held.last_mut() {
            // Years of renewals are one span.
            Some(last) if from <= last.to => last.to = last.to.max(to),
            _ => self.held.push(Span { from, to }),
        }
        self.former = Some(std::mem::replace(&mut self.certificate, certificate));
        self.signed = signed;
    }
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationState {
    /// Its terms.
    pub terms: Invitation,
    /// Whether it was used or withdrawn.
    pub used: bool,
    /// The first device that used it; none when it is open or was withdrawn.
    pub by: Option<DeviceId>,
}

/// The clinic as its record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clinic {
    /// The pinned id.
    pub id: ClinicId,
    /// The clinic's name, once founded.
    pub name: Option<Name>,
    /// Its root keys in order, the newest last; none before the founding is known.
    pub roots: Vec<Root>,
    /// Every key whose log belongs in the record, whether or not what it signs counts: the roots, also
    /// those that lost to another, and whom they appointed. It only ever grows with the record, so all
    /// nodes come to hold the same logs.
    pub signers: BTreeSet<AuthorId>,
    /// Changes of the root key that could count and have too few admins behind them.
    pub pending_rotations: BTreeMap<Rank, PendingRotation>,
    /// Its admins.
    pub admins: BTreeMap<AdminId, Admin>,
    /// Its devices, revoked ones included. Boxed: a map moves its values about while it is filled.
    pub devices: BTreeMap<DeviceId, Box<Device>>,
    /// Every device that was revoked, whether it was ever enrolled or not.
    pub revocations: BTreeMap<DeviceId, Revocation>,
    /// Every certificate number that was revoked, and since when.
    pub revoked_serials: BTreeMap<Serial, WallTime>,
    /// Every Noise key that was revoked, and since when.
    pub revoked_noise_keys: BTreeMap<NoiseKey, WallTime>,
    /// The certificates by which devices were enrolled in statements that do not count, in their order: a
    /// change of the root key may make them count again.
    pub once_listed: BTreeMap<DeviceId, Vec<Certificate>>,
    /// Its staff.
    pub staff: BTreeMap<StaffId, StaffMember>,
    /// Its rooms.
    pub rooms: BTreeMap<RoomId, Room>,
    /// Its policy.
    pub policy: Policy,
    /// What is proposed and not approved, and could still take effect.
    pub pending: BTreeMap<StatementId, Proposal>,
    /// Its mesh keys, those that are planned included.
    pub mesh_keys: CommittedKeys,
    /// Its invitations.
    pub invitations: BTreeMap<InvitationId, InvitationState>,
    /// Statements that do not count, and why.
    pub void: BTreeMap<StatementId, VoidReason>,
    /// Renewals that do not count, and why.
    pub not_renewed: BTreeMap<RenewalId, NotRenewed>,
}

impl Clinic {
    /// A clinic of which only the id is known.
    pub fn unknown(id: ClinicId) -> Self {
        Self {
            id,
            name: None,
            roots: Vec::new(),
            signers: BTreeSet::new(),
            pending_rotations: BTreeMap::new(),
            admins: BTreeMap::new(),
            devices: BTreeMap::new(),
            revocations: BTreeMap::new(),
            revoked_serials: BTreeMap::new(),
            revoked_noise_keys: BTreeMap::new(),
            once_listed: BTreeMap::new(),
            staff: BTreeMap::new(),
            rooms: BTreeMap::new(),
            policy: Policy::initial(),
            pending: BTreeMap::new(),
            mesh_keys: CommittedKeys::default(),
            invitations: BTreeMap::new(),
            void: BTreeMap::new(),
            not_renewed: BTreeMap::new(),
        }
    }

    /// The clinic that these statements make, in whatever order they are given.
    pub fn fold<'a>(id: ClinicId, items: impl IntoIterator<Item = &'a Item>) -> Self {
        fold::run(&Self::unknown(id), items, &[])
    }

    /// The clinic that these statements and renewals make, in whatever order they are given.
    pub fn fold_renewed<'a>(
        id: ClinicId,
        items: impl IntoIterator<Item = &'a Item>,
        renewals: &[RenewalItem],
    ) -> Self {
        fold::run(&Self::unknown(id), items, renewals)
    }

    /// The clinic that these statements and renewals make, of which this one is an earlier fold.
    ///
    /// The same clinic as without it. Whether an identity key is sound costs more to find out than the
    /// rest of its enrolment; of devices that stand here it is known, and stays so.
    pub fn fold_again<'a>(
        &self,
        items: impl IntoIterator<Item = &'a Item>,
        renewals: &[RenewalItem],
    ) -> Self {
        fold::run(self, items, renewals)
    }

    /// Whether the key is a root of this clinic, the present or an earlier one.
    pub fn is_root(&self, key: &AuthorId) -> bool {
        is_root(key, &self.id)
            || self
                .roots
                .iter()
                .any(|root| AuthorId::from(root.key) == *key)
    }

    /// Whether a log of statements by this key belongs in the record.
    pub fn knows_signer(&self, key: &AuthorId) -> bool {
        self.signers.contains(key) || is_root(key, &self.id)
    }

    /// The rotations that lead to the newest root, if they are not none.
    pub fn chain(&self) -> Option<Vec<SignedRotation>> {
        let chain = self.roots.iter().filter_map(|one| one.by.clone());
        Some(chain.collect()).filter(|chain: &Vec<_>| !chain.is_empty())
    }

    /// Whether the device may take part: enrolled and not revoked.
    pub fn is_member(&self, device: &DeviceId) -> bool {
        self.devices
            .get(device)
            .is_some_and(|device| device.revocation.is_none())
    }

    /// The devices that take part.
    pub fn members(&self) -> impl Iterator<Item = (&DeviceId, &Device)> {
        let devices = self.devices.iter().map(|(id, device)| (id, &**device));
        devices.filter(|(_, device)| device.revocation.is_none())
    }

    /// The devices that connect to each other.
    pub fn nodes(&self) -> impl Iterator<Item = (&DeviceId, &Device)> {
        self.members()
            .filter(|(_, device)| device.certificate.kind == DeviceKind::Node)
    }

    /// The staff members a conversation or private space is of at present.
    pub fn people(&self, space: &Space) -> Vec<StaffId> {
        match space {
            Space::Record | Space::Audit(_) => Vec::new(),
            Space::Direct(one, other) => vec![*one, *other],
            Space::Group(group) if planted!("group-forgets-its-last") => {
                group.members()[..2].to_vec()
            }
            Space::Group(group) => group.members().to_vec(),
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
                Space::Group(group) => {
                    let mut members = group.members().iter();
                    group.has(staff) && members.all(|one| self.staff.contains_key(one))
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
            Space::Direct(..) | Space::Group(_) | Space::Room(_) | Space::Staff(_) => self
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
            Space::Group(group) => {
                let mut members = group.members().iter();
                members.any(|staff| self.was_home(&device, staff))
            }
            Space::Room(room) => self.rooms.get(room).is_some_and(|room| {
                room.ever_members
                    .iter()
                    .any(|staff| self.was_home(&device, staff))
            }),
            Space::Staff(staff) => self.was_home(&device, staff),
        }
    }

    /// Whether what the device wrote in this person's name is believed: it was ever one of their
    /// homes.
    pub fn speaks_for(&self, author: &AuthorId, staff: &StaffId) -> bool {
        self.was_home(&author.as_device(), staff)
    }

    fn was_home(&self, device: &DeviceId, staff: &StaffId) -> bool {
        let (Some(device), Some(member)) = (self.devices.get(device), self.staff.get(staff)) else {
            return false;
        };
        !device.ever_offices.is_disjoint(&member.ever_homes)
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
        end_named(revocation, space, epoch)
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

    fn root_trust(&self, root: &Root) -> RootTrust {
        let (by, rotation) = (root.by.as_ref(), root.rotation.as_ref());
        RootTrust {
            key: root.key,
            rank: by.zip(rotation).map(|(by, rotation)| Rank {
                last: rotation.last,
                digest: by.digest(&self.id),
            }),
        }
    }

    /// What handshakes are judged by.
    pub fn trust(&self, me: DeviceId, keys: impl Into<AcceptedKeys>, digest: Hash) -> TrustView {
        let mut view = TrustView {
            clinic: self.id,
            me,
            roots: self
                .roots
                .iter()
                .map(|root| self.root_trust(root))
                .collect(),
            admins: BTreeMap::new(),
            enrolled: BTreeMap::new(),
            former: BTreeMap::new(),
            revoked_devices: self.revocations.keys().copied().collect(),
            revoked_serials: self.revoked_serials.keys().copied().collect(),
            revoked_noise_keys: self.revoked_noise_keys.keys().copied().collect(),
            once_listed: self.once_listed.clone(),
            mesh_keys: keys.into(),
            policy: self.policy.clone(),
            digest,
        };
        for (id, admin) in &self.admins {
            let trust = AdminTrust {
                grant: admin.grant.clone(),
                appointed: admin.appointed,
                ended: admin.ended,
                withdrawn: admin.withdrawn.clone(),
            };
            view.admins.insert(*id, trust);
        }
        for (id, device) in &self.devices {
            view.enrolled.insert(*id, device.certificate.clone());
            if let Some(former) = &device.former {
                view.former.insert(*id, former.clone());
            }
            if device.revocation.is_some() {
                view.revoked_devices.insert(*id);
            }
        }
        view
    }
}

/// The end that a revocation of the fold names for a log.
///
/// A device that ran for years has thousands of logs, and every one is asked for at every change: the fold
/// keeps the ends in order.
pub(super) fn end_named(
    revocation: &Revocation,
    space: &Space,
    epoch: super::log::Epoch,
) -> Option<u64> {
    let place = |end: &LogEnd| (end.space, end.epoch).cmp(&(*space, epoch));
    let at = revocation.ends.binary_search_by(place).ok()?;
    Some(revocation.ends[at].seq)
}

#[cfg(test)]
mod tests;
