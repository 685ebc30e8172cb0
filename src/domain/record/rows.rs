//! What the record says of each admin, root key, device, staff member, room and invitation.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::cert::{Certificate, Grant, SKEW};
use crate::domain::id::{AdminId, DeviceId, StaffId};
use crate::domain::name::Name;
use crate::domain::rotation::{RootPlace, Rotation, SignedRotation};
use crate::domain::sign::Signed;
use crate::domain::statement::{History, Invitation, Revocation, StaffFacts, StatementId};
use crate::domain::time::{Hlc, WallTime};
use crate::domain::trust::Withdrawn;
use crate::domain::web::WebCertificate;

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
    pub(super) fn renewed(&mut self, certificate: Certificate, signed: Signed) {
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
    /// Who issued it.
    pub issuer: AdminId,
    /// Whether it was used or withdrawn.
    pub used: bool,
    /// The first device that used it; none when it is open or was withdrawn.
    pub by: Option<DeviceId>,
}
