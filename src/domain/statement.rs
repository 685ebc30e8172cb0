//! Statements: the signed acts of root and admins that the clinic record is made of.

use minicbor::{Decode, Encode};

use super::cert::{DeviceKind, Scope};
use super::codec::{self, CodecError, OBJECT_MAX};
use super::id::{
    AdminId, AuthorId, ClinicId, DeviceId, Hash, InvitationId, NoiseKey, RoomId, Serial, StaffId,
};
use super::log::Epoch;
use super::mesh_keys::PLANNED_MAX;
use super::name::Name;
use super::policy::Policy;
use super::rotation::SignedRotation;
use super::sign::Signed;
use super::space::Space;
use super::time::WallTime;
use super::web::WebCertificate;

/// Most logs that a statement can say it has seen: more admins than any clinic appoints in its life.
pub const SEEN_MAX: usize = 64;

/// Most logs whose end a revocation names.
pub const ENDS_MAX: usize = 512;

/// Most home offices of a staff member.
pub const HOMES_MAX: usize = 32;

/// Most members that one statement adds or removes.
pub const MEMBERS_MAX: usize = 256;

/// Longest address in bytes: the longest host name there can be would not fit a screen line.
const ADDRESS_MAX: usize = 128;

/// One signed act, as the body of an entry in its signer's log of the clinic record.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Statement {
    /// What the signer had seen: for each other log of the record, the newest number.
    ///
    /// This is what makes "after" and "at the same time" mean the same on every node.
    #[n(0)]
    pub seen: Vec<Seen>,
    /// The act.
    #[n(1)]
    pub act: Act,
}

/// One line of [`Statement::seen`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct Seen {
    /// Whose log.
    #[n(0)]
    pub author: AuthorId,
    /// Up to which entry.
    #[n(1)]
    pub seq: u64,
}

/// Names one statement: its signer and its number in that log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct StatementId {
    /// Who signed.
    #[n(0)]
    pub author: AuthorId,
    /// The entry's number.
    #[n(1)]
    pub seq: u64,
}

/// What a staff member may be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Role {
    /// Treats patients.
    #[n(0)]
    Clinician,
    /// Meets them.
    #[n(1)]
    FrontDesk,
    /// Writes the bills.
    #[n(2)]
    Billing,
    /// Reads the audit trails.
    #[n(3)]
    Auditor,
}

/// How long a one-time sign-in code is good for, and the hash it must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SignInCode {
    /// Hash of the code; see [`SignInSecret::hash`](super::invitation::SignInSecret::hash).
    #[n(0)]
    pub hash: Hash,
    /// When it stops working.
    #[n(1)]
    pub expires: WallTime,
}

/// What can be said of a staff member.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct StaffFacts {
    /// The name that colleagues see.
    #[n(0)]
    pub name: Name,
    /// Their roles, sorted.
    #[n(1)]
    pub roles: Vec<Role>,
    /// The offices where they may sign in, sorted.
    #[n(2)]
    pub homes: Vec<Name>,
    /// A one-time code to set a password with, if one was handed out with this statement.
    #[n(3)]
    pub sign_in: Option<SignInCode>,
}

/// Where a revoked device's log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct LogEnd {
    /// The space.
    #[n(0)]
    pub space: Space,
    /// The epoch of the device's log there.
    #[n(1)]
    pub epoch: Epoch,
    /// The last entry that counts.
    #[n(2)]
    pub seq: u64,
}

/// A device's removal.
///
/// Names ids and keys, never hashes of encodings, so no other encoding escapes it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Revocation {
    /// The device.
    #[n(0)]
    pub device: DeviceId,
    /// Its certificate's number.
    #[n(1)]
    pub serial: Serial,
    /// Its Noise key.
    #[n(2)]
    pub noise_key: NoiseKey,
    /// Where its logs end, sorted; logs not named end at `at`.
    #[n(3)]
    pub ends: Vec<LogEnd>,
    /// The moment of the revocation.
    #[n(4)]
    pub at: WallTime,
}

/// What a new member sees of a room's past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum History {
    /// All that is still alive.
    #[n(0)]
    All,
    /// Only what is written after they joined.
    #[n(1)]
    Nothing,
}

/// Permission to enrol one device.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Invitation {
    /// Its id.
    #[n(0)]
    pub id: InvitationId,
    /// Hash of its secret.
    #[n(1)]
    pub commitment: Hash,
    /// The office of the device.
    #[n(2)]
    pub office: Name,
    /// The name of the device.
    #[n(3)]
    pub name: Name,
    /// What it will be.
    #[n(4)]
    pub kind: DeviceKind,
    /// When it stops working.
    #[n(5)]
    pub expires: WallTime,
}

/// What one admin wants and a second one has to approve.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Proposal {
    /// To replace the policy.
    #[n(0)]
    Policy {
        /// The whole document.
        #[n(0)]
        policy: Policy,
    },
}

impl Proposal {
    /// What an approval has to name beside the statement: of a forked log, two proposals can have one
    /// number.
    pub fn digest(&self, clinic: &ClinicId, id: StatementId) -> Hash {
        let author = id.author.as_bytes();
        let said = codec::encode(self);
        Hash::of(
            "proposal/v1",
            &[clinic.as_bytes(), author, &id.seq.to_be_bytes(), &said],
        )
    }
}

/// What root or an admin does.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Act {
    /// The root founds the clinic; the first statement of the root's log.
    #[n(0)]
    Founded {
        /// The clinic's name.
        #[n(0)]
        name: Name,
    },
    /// The root appoints an admin.
    #[n(1)]
    AdminGranted {
        /// The signed [`Grant`](super::cert::Grant).
        #[n(0)]
        grant: Signed,
    },
    /// The root removes an admin; what that admin signed beyond `last` is void, whenever it arrives.
    #[n(2)]
    AdminEnded {
        /// The admin.
        #[n(0)]
        admin: AdminId,
        /// Number of the last statement that counts.
        #[n(1)]
        last: u64,
    },
    /// A device is in.
    #[n(3)]
    DeviceEnrolled {
        /// The signed [`Certificate`](super::cert::Certificate).
        #[n(0)]
        certificate: Signed,
        /// The invitation it came by, if any.
        #[n(1)]
        invitation: Option<InvitationId>,
        /// Where it may be reached besides discovery, as `host:port`.
        #[n(2)]
        address: Option<String>,
    },
    /// A device is out, for good.
    #[n(4)]
    DeviceRevoked {
        /// Which, and where its logs end.
        #[n(0)]
        revocation: Revocation,
    },
    /// A staff member is known.
    #[n(5)]
    StaffAdded {
        /// Their id.
        #[n(0)]
        staff: StaffId,
        /// Name, roles, homes.
        #[n(1)]
        facts: StaffFacts,
    },
    /// A staff member's facts are replaced; suspensions that this statement has seen are lifted if
    /// named.
    #[n(6)]
    StaffChanged {
        /// Their id.
        #[n(0)]
        staff: StaffId,
        /// Name, roles, homes.
        #[n(1)]
        facts: StaffFacts,
        /// Suspensions lifted.
        #[n(2)]
        lifts: Vec<StatementId>,
    },
    /// A staff member may not sign in.
    #[n(7)]
    StaffSuspended {
        /// Their id.
        #[n(0)]
        staff: StaffId,
    },
    /// The policy is replaced.
    #[n(8)]
    PolicySet {
        /// The whole document.
        #[n(0)]
        policy: Policy,
    },
    /// The shared mesh key changes. The key itself travels beside, inside secure channels.
    #[n(9)]
    MeshKeyRotated {
        /// Number of the key.
        #[n(0)]
        epoch: u32,
        /// Hash of the key.
        #[n(1)]
        commitment: Hash,
    },
    /// A named room exists.
    #[n(10)]
    RoomCreated {
        /// Its id.
        #[n(0)]
        room: RoomId,
        /// Its name.
        #[n(1)]
        name: Name,
        /// What new members see of the past.
        #[n(2)]
        history: History,
        /// Its first members, sorted.
        #[n(3)]
        members: Vec<StaffId>,
    },
    /// A room's members change. A removal wins over every addition that had not seen it.
    #[n(11)]
    MembersChanged {
        /// The room.
        #[n(0)]
        room: RoomId,
        /// Who joins, sorted.
        #[n(1)]
        add: Vec<StaffId>,
        /// Who leaves, sorted.
        #[n(2)]
        remove: Vec<StaffId>,
    },
    /// A device may enrol.
    #[n(12)]
    InvitationIssued {
        /// The terms.
        #[n(0)]
        invitation: Invitation,
    },
    /// An invitation was used (or is withdrawn, when no device is named).
    #[n(13)]
    InvitationUsed {
        /// Which.
        #[n(0)]
        invitation: InvitationId,
        /// By whom.
        #[n(1)]
        by: Option<DeviceId>,
    },
    /// A node has a certificate for browsers.
    #[n(14)]
    WebCertified {
        /// Which node.
        #[n(0)]
        device: DeviceId,
        /// What browsers are shown.
        #[n(1)]
        certificate: WebCertificate,
    },
    /// An admin wants what takes two.
    #[n(15)]
    Proposed {
        /// What.
        #[n(0)]
        proposal: Proposal,
    },
    /// Another admin approves it: with this it takes effect.
    #[n(16)]
    Approved {
        /// The statement that proposed it.
        #[n(0)]
        proposal: StatementId,
        /// What it said; see [`Proposal::digest`].
        #[n(1)]
        digest: Hash,
    },
    /// An admin wants the root key changed; it is when more than half of the admins say so.
    #[n(17)]
    RootRotated {
        /// From which key to which.
        #[n(0)]
        rotation: SignedRotation,
    },
    /// The mesh keys that follow, so that they change although nobody does anything. The keys themselves
    /// travel beside, as those of [`Act::MeshKeyRotated`] do.
    #[n(18)]
    MeshKeysPlanned {
        /// Number of the first; the others count on from it.
        #[n(0)]
        first: u32,
        /// When the first begins; each other [`MESH_KEY_LIFE`](super::mesh_keys::MESH_KEY_LIFE) after the one
        /// before it.
        #[n(1)]
        begins: WallTime,
        /// Hashes of the keys, one to [`PLANNED_MAX`].
        #[n(2)]
        commitments: Vec<Hash>,
    },
}

/// Who may sign an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// The root key only.
    Root,
    /// Any admin.
    Admin,
    /// An admin with this scope.
    Scope(Scope),
}

impl Act {
    /// The right that signing this act needs.
    pub const fn right(&self) -> Right {
        match self {
            Self::Founded { .. } | Self::AdminGranted { .. } | Self::AdminEnded { .. } => {
                Right::Root
            }
            Self::RootRotated { .. } => Right::Admin,
            Self::DeviceEnrolled { .. }
            | Self::MeshKeyRotated { .. }
            | Self::MeshKeysPlanned { .. }
            | Self::InvitationIssued { .. }
            | Self::InvitationUsed { .. }
            | Self::WebCertified { .. } => Right::Scope(Scope::Enrol),
            Self::DeviceRevoked { .. } => Right::Scope(Scope::Revoke),
            Self::StaffAdded { .. }
            | Self::StaffChanged { .. }
            | Self::StaffSuspended { .. }
            | Self::RoomCreated { .. }
            | Self::MembersChanged { .. } => Right::Scope(Scope::Staff),
            Self::PolicySet { .. } | Self::Proposed { .. } | Self::Approved { .. } => {
                Right::Scope(Scope::Policy)
            }
        }
    }

    /// The act's name in plain words, for history and audit.
    pub const fn title(&self) -> &'static str {
        match self {
            Self::Founded { .. } => "clinic founded",
            Self::AdminGranted { .. } => "admin granted",
            Self::AdminEnded { .. } => "admin ended",
            Self::DeviceEnrolled { .. } => "device enrolled",
            Self::DeviceRevoked { .. } => "device revoked",
            Self::StaffAdded { .. } => "staff added",
            Self::StaffChanged { .. } => "staff changed",
            Self::StaffSuspended { .. } => "staff suspended",
            Self::PolicySet { .. } => "policy set",
            Self::MeshKeyRotated { .. } => "mesh key rotated",
            Self::RoomCreated { .. } => "room created",
            Self::MembersChanged { .. } => "members changed",
            Self::InvitationIssued { .. } => "invitation issued",
            Self::InvitationUsed { .. } => "invitation used",
            Self::WebCertified { .. } => "web certificate made",
            Self::Proposed { .. } => "change proposed",
            Self::Approved { .. } => "proposal approved",
            Self::RootRotated { .. } => "root key changed",
            Self::MeshKeysPlanned { .. } => "mesh keys planned",
        }
    }

    fn lists_fit(&self) -> bool {
        let facts_fit = |facts: &StaffFacts| {
            facts.homes.len() <= HOMES_MAX && is_sorted(&facts.homes) && is_sorted(&facts.roles)
        };
        match self {
            Self::DeviceRevoked { revocation } => {
                revocation.ends.len() <= ENDS_MAX && is_sorted(&revocation.ends)
            }
            Self::StaffAdded { facts, .. } => facts_fit(facts),
            Self::StaffChanged { facts, lifts, .. } => {
                facts_fit(facts) && lifts.len() <= SEEN_MAX && is_sorted(lifts)
            }
            Self::RoomCreated { members, .. } => members.len() <= MEMBERS_MAX && is_sorted(members),
            Self::MembersChanged { add, remove, .. } => {
                add.len() + remove.len() <= MEMBERS_MAX && is_sorted(add) && is_sorted(remove)
            }
            Self::PolicySet { policy }
            | Self::Proposed {
                proposal: Proposal::Policy { policy },
            } => policy.check().is_ok(),
            Self::WebCertified { certificate, .. } => certificate.is_well_formed(),
            Self::MeshKeysPlanned { commitments, .. } => {
                (1..=PLANNED_MAX).contains(&commitments.len())
            }
            Self::DeviceEnrolled { address, .. } => address.as_deref().is_none_or(is_address),
            Self::Founded { .. }
            | Self::AdminGranted { .. }
            | Self::AdminEnded { .. }
            | Self::StaffSuspended { .. }
            | Self::MeshKeyRotated { .. }
            | Self::InvitationIssued { .. }
            | Self::InvitationUsed { .. }
            | Self::Approved { .. }
            | Self::RootRotated { .. } => true,
        }
    }
}

/// Whether a text is `host:port` in plain characters, so that it can be shown and dialled as it is.
fn is_address(text: &str) -> bool {
    let plain = text.len() <= ADDRESS_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    let parts = text.rsplit_once(':');
    plain && parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// Sorted without repetition, so that a set has one encoding.
fn is_sorted<T: Ord>(items: &[T]) -> bool {
    items.is_sorted_by(|a, b| a < b)
}

impl Statement {
    /// Reads a statement from the body of an entry, with every list inside its bound and sorted.
    pub fn from_body(body: &[u8]) -> Result<Self, CodecError> {
        let statement: Self = codec::strict(body, OBJECT_MAX)?;
        let seen_fits = statement.seen.len() <= SEEN_MAX && is_sorted(&statement.seen);
        if seen_fits && statement.act.lists_fit() {
            Ok(statement)
        } else {
            Err(CodecError::Malformed)
        }
    }

    /// The body of the entry.
    pub fn to_body(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Whether the signer had seen `other` when signing.
    pub fn has_seen(&self, other: StatementId) -> bool {
        self.seen
            .iter()
            .any(|seen| seen.author == other.author && seen.seq >= other.seq)
    }
}

#[cfg(test)]
mod tests;
