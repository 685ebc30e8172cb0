//! Signing one statement, and refusing before it is signed what would not count or make no sense.
//!
//! A statement cannot be taken back, and one that the record's fold makes void would look to the
//! admin as if it had worked. So the fold is run on the record with the statement in it, first.

use std::time::Duration;

use crate::domain::cert::Scope;
use crate::domain::copy::RecordCopy;
use crate::domain::id::{AuthorId, DeviceId, StaffId};
use crate::domain::log::{Entry, Epoch, Log, Payload, Segment};
use crate::domain::policy::Policy;
use crate::domain::record::{Clinic, VoidReason};
use crate::domain::rotation::SignedRotation;
use crate::domain::sign::SigningKey;
use crate::domain::space::Space;
use crate::domain::statement::{Act, Invitation, Proposal, SEEN_MAX, Statement, StatementId};
use crate::domain::time::{Clock, Day, Hlc, WallTime};

/// Longest life of an invitation.
///
/// Seven days, for a machine that is set up from a stick in another office.
pub const INVITATION_LIFE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Why a statement was not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Every node would ignore it.
    #[error("\"{act}\" was not signed: {reason}; {remedy}")]
    Void {
        /// What was to be signed.
        act: &'static str,
        /// Why it would not count.
        reason: VoidReason,
        /// What helps.
        remedy: &'static str,
    },
    /// This key's log was continued somewhere else, from an older copy.
    #[error(
        "this key has signed entry {seq} twice (an older copy of its directory was used); \
         have the root end it with the last good number {good} and grant a new admin key"
    )]
    Forked {
        /// The first number with two entries.
        seq: u64,
        /// The last number without doubt.
        good: u64,
    },
    /// Signing would put the statement too far into the future.
    #[error(
        "the record's newest statement is dated {newest}, and this machine's clock says {now}; set the clock, \
         or, if it is right, have the root end the admin whose clock was ahead: `clinic-mesh authority history` \
         tells who and after which number, then `clinic-mesh authority end-admin NAME --last NUMBER`"
    )]
    ClockBehind {
        /// Time of the newest statement.
        newest: WallTime,
        /// What the clock says.
        now: WallTime,
    },
    /// The key's own log is in the future already, where no other node takes it.
    #[error(
        "this key has signed a statement dated {newest}, and this machine's clock says {now}; set the clock, \
         or, if it is right and was ahead then, have the root end this key with the last good number {good} and \
         grant a new admin key (docs/operations.md, A clock was ahead)"
    )]
    OwnClockWasAhead {
        /// Time of its newest statement.
        newest: WallTime,
        /// What the clock says.
        now: WallTime,
        /// The last number that is not from the future.
        good: u64,
    },
    /// More logs than a statement can say it has seen.
    #[error(
        "the record has more than {SEEN_MAX} admin logs; a clinic with so many is not supported"
    )]
    TooManyLogs,
    /// A list that is too long, or a value out of bounds.
    #[error("\"{act}\" holds a list or value out of bounds; give fewer items at a time")]
    OutOfBounds {
        /// What was to be signed.
        act: &'static str,
    },
    /// Something that is referred to is not in the record.
    #[error(
        "{what} {id} is not in the clinic record; bring the record up to date from a node, or check the id"
    )]
    Unknown {
        /// What kind of thing.
        what: &'static str,
        /// Which.
        id: String,
    },
    /// Something of this name or id is there already.
    #[error(
        "{what} {id} is already in the clinic record; choose another or change the one that is there"
    )]
    Exists {
        /// What kind of thing.
        what: &'static str,
        /// Which.
        id: String,
    },
    /// A number that must be higher than the one in force.
    #[error(
        "{what} {given} is not the next after {newest}; bring the record up to date from a node and try again"
    )]
    NotNext {
        /// What is numbered.
        what: &'static str,
        /// The number given.
        given: u32,
        /// The newest in the record.
        newest: u32,
    },
    /// A setting of the policy is out of its bounds.
    #[error(transparent)]
    Policy(#[from] crate::domain::policy::OutOfBounds),
    /// Two admins are wanted where there is one.
    #[error(
        "only one admin of this clinic may set the policy; appoint a second before two are needed"
    )]
    OneAdmin,
    /// An invitation that lives too long or not at all.
    #[error("an invitation lives at most 7 days and ends in the future; choose another end")]
    InvitationLife,
    /// An end that is beyond the log, or earlier than a named number.
    #[error(
        "entry {last} is beyond the {head} entries known of that log; get the record from a node first"
    )]
    BeyondTheLog {
        /// The number given.
        last: u64,
        /// The newest number known.
        head: u64,
    },
}

/// Signs `act` as the next entry of the key's log, if it would count.
pub(super) fn draft(
    copy: &RecordCopy,
    key: &SigningKey,
    act: Act,
    now: WallTime,
    salt: [u8; 16],
) -> Result<Segment, SignError> {
    let author = key.id();
    if let Some(fork) = copy.fork(&author) {
        let good = fork.seq.saturating_sub(1);
        return Err(SignError::Forked {
            seq: fork.seq,
            good,
        });
    }
    let after = follows(copy, &author, &act, now)?;
    check_sense(copy, &act, now)?;
    let segment = sign(copy, key, &act, (after, now), salt)?;
    check_counts(copy, &segment, &act)?;
    Ok(segment)
}

/// The time that the statement is later than.
///
/// Others hold back what is from the future, so nothing is signed behind such a statement. One that does not
/// count binds nobody: its signer's clock was ahead, and the root has ended that signer since.
fn follows(
    copy: &RecordCopy,
    author: &AuthorId,
    act: &Act,
    now: WallTime,
) -> Result<Hlc, SignError> {
    let mut own: Vec<(u64, Hlc)> = Vec::new();
    let mut newest = Hlc::default();
    let clinic = copy.clinic();
    for item in copy.items() {
        if item.id.author == *author {
            own.push((item.id.seq, item.time));
        }
        if !clinic.void.contains_key(&item.id) {
            newest = newest.max(item.time);
        }
    }
    let last = own.iter().map(|(_, time)| *time).max().unwrap_or_default();
    if last.too_far_ahead(now) {
        let good = own.iter().filter(|(_, time)| !time.too_far_ahead(now));
        return Err(SignError::OwnClockWasAhead {
            newest: last.wall(),
            now,
            good: good.map(|(seq, _)| *seq).max().unwrap_or_default(),
        });
    }
    match (newest.too_far_ahead(now), holds_at_any_date(act)) {
        (false, _) => Ok(newest.max(last)),
        (true, true) => Ok(last),
        (true, false) => {
            let newest = newest.wall();
            Err(SignError::ClockBehind { newest, now })
        }
    }
}

/// What takes something away, or is judged by its number and not by its time: that is never kept waiting.
const fn holds_at_any_date(act: &Act) -> bool {
    matches!(
        act,
        Act::AdminGranted { .. }
            | Act::AdminEnded { .. }
            | Act::RootRotated { .. }
            | Act::DeviceRevoked { .. }
    )
}

fn sign(
    copy: &RecordCopy,
    key: &SigningKey,
    act: &Act,
    (after, now): (Hlc, WallTime),
    salt: [u8; 16],
) -> Result<Segment, SignError> {
    let author = key.id();
    let seen = match act {
        // It follows upon nothing, and a thief who appoints a hundred admins must not prevent it.
        Act::RootRotated { .. } => Vec::new(),
        _ => copy.seen_by(&author),
    };
    let title = act.title();
    let act = act.clone();
    let statement = Statement { seen, act };
    if statement.seen.len() > SEEN_MAX {
        return Err(SignError::TooManyLogs);
    }
    let body = statement.to_body();
    Statement::from_body(&body).map_err(|_| SignError::OutOfBounds { act: title })?;
    let time = Clock::resume(after).tick(now);
    let entry = Entry::new(time, Day::NEVER, Payload { salt, body });
    let log = Log {
        space: Space::Record,
        author,
        epoch: Epoch::RECORD,
    };
    let head = copy.head(&author);
    let (segment, _) = Segment::sign(&copy.clinic_id(), key, log, head, vec![entry]);
    Ok(segment)
}

/// Runs the fold on the record with the statement in it.
fn check_counts(copy: &RecordCopy, segment: &Segment, act: &Act) -> Result<(), SignError> {
    let void = |reason| SignError::Void {
        act: act.title(),
        reason,
        remedy: remedy(reason),
    };
    let mut next = copy.clone();
    next.merge([segment.clone()])
        .map_err(|_| void(VoidReason::UnknownSigner))?;
    let id = StatementId {
        author: segment.log.author,
        seq: segment.first,
    };
    let clinic = next.clinic();
    match (clinic.void.get(&id), act) {
        (Some(reason), _) => Err(void(*reason)),
        (None, Act::RootRotated { rotation }) if !carries(&clinic, id.author, rotation) => {
            Err(void(VoidReason::DoesNotFit))
        }
        (None, _) => Ok(()),
    }
}

/// Whether an admin's word on the root key can matter: the rotation counts, or this admin is among
/// those whom it wants.
///
/// A rotation is what its body says: whoever has the old key can sign that once more, with another
/// signature.
pub(super) fn carries(clinic: &Clinic, signer: AuthorId, signed: &SignedRotation) -> bool {
    let digest = signed.digest(&clinic.id);
    let mut taken = clinic.roots.iter().filter_map(|root| root.by.as_ref());
    let mut pending = clinic.pending_rotations.iter();
    taken.any(|by| by.digest(&clinic.id) == digest)
        || pending
            .any(|(rank, one)| rank.digest == digest && one.signed_for.contains(&signer.as_admin()))
}

const fn remedy(reason: VoidReason) -> &'static str {
    match reason {
        VoidReason::UnknownSigner => "ask the holder of the root key for a grant",
        VoidReason::WithoutRight => "ask an admin who has the scope, or the holder of the root key",
        VoidReason::AfterTheEnd | VoidReason::GrantRunOut => {
            "ask the holder of the root key for a new admin key"
        }
        VoidReason::InvalidInside => "make it anew with this program",
        VoidReason::InvitationSpent => "make another invitation",
        VoidReason::Revoked => "let the machine make fresh keys and enrol it as another device",
        VoidReason::NeedsSecondAdmin => "propose it, and have another admin approve it",
        VoidReason::OwnProposal => "ask another admin who may set the policy",
        VoidReason::DoesNotFit => {
            "bring the record up to date from a node and look at what it says"
        }
    }
}

/// What the fold would let pass although no admin can mean it.
fn check_sense(copy: &RecordCopy, act: &Act, now: WallTime) -> Result<(), SignError> {
    let clinic = copy.clinic();
    match act {
        Act::Founded { .. }
        | Act::AdminGranted { .. }
        | Act::DeviceEnrolled { .. }
        | Act::RootRotated { .. } => Ok(()),
        Act::AdminEnded { admin, last } => check_end(copy, &AuthorId::from(*admin), *last),
        Act::DeviceRevoked { revocation } => known_device(&clinic, &revocation.device),
        Act::WebCertified { device, .. } => known_device(&clinic, device),
        Act::StaffAdded { staff, facts } => {
            if clinic.staff.contains_key(staff) {
                return Err(exists("staff member", staff));
            }
            free_staff_name(&clinic, staff, facts.name.as_str())
        }
        Act::StaffChanged { staff, facts, .. } => {
            known_staff(&clinic, staff)?;
            free_staff_name(&clinic, staff, facts.name.as_str())
        }
        Act::StaffSuspended { staff } => known_staff(&clinic, staff),
        Act::PolicySet { policy }
        | Act::Proposed {
            proposal: Proposal::Policy { policy },
        } => {
            policy.check()?;
            check_two_admins(&clinic, policy, now)?;
            check_policy_version(copy, &clinic, policy.version)
        }
        Act::Approved { proposal, .. } => match clinic.pending.get(proposal) {
            None => Err(unknown("pending proposal", &proposal.seq)),
            Some(Proposal::Policy { policy }) => {
                check_policy_version(copy, &clinic, policy.version)
            }
        },
        Act::MeshKeyRotated { epoch: given, .. } | Act::MeshKeysPlanned { first: given, .. } => {
            check_mesh_epoch(&clinic, *given)
        }
        Act::RoomCreated { name, members, .. } => {
            if clinic.rooms.values().any(|room| room.name == *name) {
                return Err(exists("room", name));
            }
            members
                .iter()
                .try_for_each(|staff| known_staff(&clinic, staff))
        }
        Act::MembersChanged { room, add, .. } => {
            if !clinic.rooms.contains_key(room) {
                return Err(unknown("room", room));
            }
            add.iter().try_for_each(|staff| known_staff(&clinic, staff))
        }
        Act::InvitationIssued { invitation } => check_invitation(&clinic, invitation, now),
        Act::InvitationUsed { invitation, .. } => match clinic.invitations.get(invitation) {
            None => Err(unknown("invitation", invitation)),
            Some(state) if state.used => Err(exists("the use of invitation", invitation)),
            Some(_) => Ok(()),
        },
    }
}

fn unknown(what: &'static str, id: &impl ToString) -> SignError {
    let id = id.to_string();
    SignError::Unknown { what, id }
}

fn exists(what: &'static str, id: &impl ToString) -> SignError {
    let id = id.to_string();
    SignError::Exists { what, id }
}

fn known_staff(clinic: &Clinic, staff: &StaffId) -> Result<(), SignError> {
    match clinic.staff.contains_key(staff) {
        true => Ok(()),
        false => Err(unknown("staff member", staff)),
    }
}

fn known_device(clinic: &Clinic, device: &DeviceId) -> Result<(), SignError> {
    match clinic.devices.contains_key(device) {
        true => Ok(()),
        false => Err(unknown("device", device)),
    }
}

/// Colleagues know each other by name only, so no two staff members share one.
fn free_staff_name(clinic: &Clinic, staff: &StaffId, name: &str) -> Result<(), SignError> {
    let taken = clinic
        .staff
        .iter()
        .any(|(other, member)| other != staff && member.facts.name.as_str() == name);
    match taken {
        true => Err(exists("staff member", &name)),
        false => Ok(()),
    }
}

fn check_end(copy: &RecordCopy, author: &AuthorId, last: u64) -> Result<(), SignError> {
    let head = copy.head(author).seq;
    match last > head {
        true => Err(SignError::BeyondTheLog { last, head }),
        false => Ok(()),
    }
}

/// A rule that nobody could ever meet would lock the clinic out of its own policy.
fn check_two_admins(clinic: &Clinic, policy: &Policy, now: WallTime) -> Result<(), SignError> {
    if policy.two_admins.is_none() {
        return Ok(());
    }
    let able = clinic.admins.values().filter(|admin| {
        let holds = admin.last.is_none() && admin.grant.not_after > now;
        holds && admin.grant.scopes.has(Scope::Policy)
    });
    match able.count() {
        0 | 1 => Err(SignError::OneAdmin),
        _ => Ok(()),
    }
}

/// The first policy has the initial version; each later one counts up by one.
fn check_policy_version(copy: &RecordCopy, clinic: &Clinic, given: u32) -> Result<(), SignError> {
    let mut acts = copy.items().map(|item| &item.statement.act);
    let was_set = acts.any(|act| matches!(act, Act::PolicySet { .. }));
    let newest = clinic.policy.version;
    let next = if was_set {
        newest.saturating_add(1)
    } else {
        newest
    };
    check_next("policy version", given, next, newest)
}

fn check_mesh_epoch(clinic: &Clinic, given: u32) -> Result<(), SignError> {
    let next = clinic.mesh_keys.next_number();
    check_next("mesh key", given, next, next.saturating_sub(1))
}

fn check_next(what: &'static str, given: u32, next: u32, newest: u32) -> Result<(), SignError> {
    match given == next {
        true => Ok(()),
        false => Err(SignError::NotNext {
            what,
            given,
            newest,
        }),
    }
}

fn check_invitation(
    clinic: &Clinic,
    invitation: &Invitation,
    now: WallTime,
) -> Result<(), SignError> {
    if clinic.invitations.contains_key(&invitation.id) {
        return Err(exists("invitation", &invitation.id));
    }
    let lives = invitation.expires > now && invitation.expires <= now.plus(INVITATION_LIFE_MAX);
    match lives {
        true => Ok(()),
        false => Err(SignError::InvitationLife),
    }
}

#[cfg(test)]
mod tests;
