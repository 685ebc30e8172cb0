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

use super::cert::{Certificate, DeviceKind, is_root};
use super::id::{
    AdminId, AuthorId, ClinicId, DeviceId, InvitationId, NoiseKey, RoomId, Serial, StaffId,
};
use super::mesh_keys::CommittedKeys;
use super::name::Name;
use super::policy::Policy;
use super::renewal::{NotRenewed, RenewalId, RenewalItem};
use super::rotation::{Rank, SignedRotation};
use super::statement::{Proposal, Revocation, Statement, StatementId};
use super::time::{Hlc, WallTime};

mod ends;
mod entitlement;
mod fold;
mod rows;
mod trust;

pub(in crate::domain) use self::ends::end_named;
pub use self::rows::{
    Admin, Device, InvitationState, PendingRotation, Room, Root, Span, StaffMember, Status,
};

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

    /// Whether an invitation lets nobody in any more although nobody used it: it was withdrawn, whoever issued it
    /// was ended, or it does not count.
    pub fn has_ended(&self, invitation: &InvitationId) -> bool {
        let Some(found) = self.invitations.get(invitation) else {
            return true;
        };
        let issuer = self.admins.get(&found.issuer);
        let issued = issuer.is_some_and(|admin| admin.ended.is_none());
        found.by.is_none() && (found.used || !issued)
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
}

#[cfg(test)]
mod tests;
