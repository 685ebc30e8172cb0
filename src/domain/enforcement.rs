//! Revocation with a clock: where a revocation is enforced, and how long it could be ignored elsewhere.
//!
//! A node enforces a revocation from the moment it accepts the statement, before its disk has it. What others
//! learn is its signed word that the statement is durable there, so what is known of a node is never too
//! good.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::cert::{Certificate, SKEW};
use super::id::{AdminId, AuthorId, DeviceId, InvitationId, StaffId};
use super::record::{Clinic, Item, Root, Status};
use super::renewal;
use super::sighting::Sighting;
use super::statement::{Act, StatementId};
use super::time::WallTime;

/// How long a revocation is shown after every node enforces it.
///
/// A week: whoever comes back on Monday sees what was done on Friday.
pub const RECENT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Most revocations that are shown at once, the newest.
pub const SHOWN_MAX: usize = 256;

/// What was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A machine.
    Device(DeviceId),
    /// A person's access.
    Staff(StaffId),
    /// An admin's rights.
    Admin(AdminId),
    /// A permission to enrol.
    Invitation(InvitationId),
    /// A root key that was changed for another one.
    Root(AdminId),
}

/// One revocation, by however many statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// What.
    pub target: Target,
    /// When enough of its statements were signed, by the signers' clocks.
    pub at: WallTime,
    /// The statements.
    statements: Vec<StatementId>,
    /// How many of them are enough: one, but for a root key.
    needed: usize,
    /// What is needed besides: a change of the root key counts where the old root's log is known so far.
    besides: Option<StatementId>,
}

/// What is known of a node of the clinic.
#[derive(Clone, Debug)]
pub struct Node {
    /// Which.
    pub device: DeviceId,
    /// Whether a secure channel to it is open, or it is this very node.
    pub connected: bool,
    /// Up to which number it holds each signer's log of the record, by its own signed word.
    pub holds: BTreeMap<AuthorId, u64>,
    /// What is remembered of it.
    pub sighting: Sighting,
}

/// How a revocation stands at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Enforced; its word came at that moment by this node's clock, unless that is forgotten or the node was
    /// enrolled later.
    Enforced {
        /// When its word came.
        heard: Option<WallTime>,
    },
    /// A channel is open, and its word has not come.
    Connected,
    /// Nothing has been heard of it since then; none if it was never heard.
    Offline {
        /// When it was last heard.
        since: Option<WallTime>,
    },
}

/// Until when what was revoked could be let in where the revocation is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// At the latest until then.
    At(WallTime),
    /// Until the node hears of it; nothing ends by itself.
    Told,
}

/// How a revocation stands at one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The node.
    pub device: DeviceId,
    /// How it stands there.
    pub standing: Standing,
    /// Until when it could be ignored there; none where it is enforced.
    pub until: Option<Until>,
    /// Until when that node itself is certified, if nobody renews it but others that do not know; after that it takes
    /// part in nothing until one that knows has renewed it. None where it is enforced.
    pub certified: Option<Until>,
}

/// A revocation, and how it stands everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The revocation.
    pub revoked: Revoked,
    /// Every node that takes part.
    pub places: Vec<Place>,
}

impl Node {
    /// Whether it has said that it holds one of the statements.
    fn enforces(&self, revoked: &Revoked) -> bool {
        let holds = |id: &&StatementId| {
            let held = self.holds.get(&id.author);
            held.is_some_and(|seq| *seq >= id.seq)
        };
        let held = revoked.statements.iter().filter(holds).count();
        held >= revoked.needed && revoked.besides.iter().all(|id| holds(&id))
    }

    /// When its word came on the statement that was the last one needed, if that is remembered.
    fn heard(&self, revoked: &Revoked) -> Option<WallTime> {
        let words = revoked.statements.iter();
        let heard = words.filter_map(|id| self.sighting.heard_of(id));
        nth(heard.collect(), revoked.needed)
    }

    fn standing(&self, clinic: &Clinic, revoked: &Revoked) -> Standing {
        if self.enforces(revoked) {
            let heard = self.heard(revoked);
            // Who was enrolled later was given the revocation with the record.
            let device = clinic.devices.get(&self.device);
            let later = device.is_some_and(|device| device.enrolled_at > revoked.at);
            Standing::Enforced {
                heard: heard.filter(|_| !later),
            }
        } else if self.connected {
            Standing::Connected
        } else {
            let since = self.sighting.last;
            Standing::Offline { since }
        }
    }
}

impl Report {
    /// Whether every node enforces it.
    pub fn is_enforced_everywhere(&self) -> bool {
        self.places.iter().all(|place| place.until.is_none())
    }

    /// Whether it is worth a look: done lately, or to be got round somewhere.
    fn is_shown(&self, now: WallTime) -> bool {
        let open = |place: &Place| match place.until {
            None => false,
            Some(Until::Told) => true,
            Some(Until::At(end)) => end >= now,
        };
        self.revoked.at.plus(RECENT) >= now || self.places.iter().any(open)
    }
}

/// The moment by which so many of these had come.
fn nth(mut moments: Vec<WallTime>, count: usize) -> Option<WallTime> {
    moments.sort_unstable();
    moments.get(count.checked_sub(1)?).copied()
}

/// Whether a statement revokes something, alone or with others, and whether or not it counts.
pub fn revokes(act: &Act) -> bool {
    target(act).is_some() || matches!(act, Act::RootRotated { .. })
}

/// What a statement revokes that is enough by itself.
fn target(act: &Act) -> Option<Target> {
    match act {
        Act::DeviceRevoked { revocation } => Some(Target::Device(revocation.device)),
        Act::StaffSuspended { staff } => Some(Target::Staff(*staff)),
        Act::AdminEnded { admin, .. } => Some(Target::Admin(*admin)),
        Act::InvitationUsed {
            invitation,
            by: None,
        } => Some(Target::Invitation(*invitation)),
        Act::Founded { .. }
        | Act::AdminGranted { .. }
        | Act::DeviceEnrolled { .. }
        | Act::StaffAdded { .. }
        | Act::StaffChanged { .. }
        | Act::PolicySet { .. }
        | Act::MeshKeyRotated { .. }
        | Act::MeshKeysPlanned { .. }
        | Act::RoomCreated { .. }
        | Act::MembersChanged { .. }
        | Act::InvitationIssued { .. }
        | Act::InvitationUsed { by: Some(_), .. }
        | Act::WebCertified { .. }
        | Act::Proposed { .. }
        | Act::Approved { .. }
        | Act::RootRotated { .. } => None,
    }
}

/// Every revocation that is recent or not enforced at every node, the newest first.
pub fn reports(clinic: &Clinic, items: &[Item], nodes: &[Node], now: WallTime) -> Vec<Report> {
    let mut reports: Vec<Report> = revocations(clinic, items)
        .into_iter()
        .map(|revoked| report(clinic, revoked, nodes))
        .filter(|report| report.is_shown(now))
        .collect();
    // Root keys first: there are few, and none of them may be pushed out by lesser things.
    let rank = |revoked: &Revoked| {
        let is_root = matches!(revoked.target, Target::Root(_));
        (is_root, revoked.at, revoked.target)
    };
    reports.sort_by_key(|report| std::cmp::Reverse(rank(&report.revoked)));
    reports.truncate(SHOWN_MAX);
    reports
}

/// Every revocation that stands, however old.
fn revocations(clinic: &Clinic, items: &[Item]) -> Vec<Revoked> {
    let lifted = lifted(clinic, items);
    let mut found: BTreeMap<Target, Revoked> = BTreeMap::new();
    for item in items {
        let Some(target) = target(&item.statement.act) else {
            continue;
        };
        let counts = !clinic.void.contains_key(&item.id) && !lifted.contains(&item.id);
        if !counts || !stands(clinic, &target) {
            continue;
        }
        let at = item.time.wall();
        let revoked = found.entry(target).or_insert_with(|| Revoked {
            target,
            at,
            statements: Vec::new(),
            needed: 1,
            besides: None,
        });
        revoked.at = revoked.at.min(at);
        revoked.statements.push(item.id);
    }
    let roots = clinic.roots.iter();
    let roots = roots.filter_map(|root| changed_root(clinic, items, root));
    found.into_values().chain(roots).collect()
}

/// The root key before this one, and the admins' words that put this one into its place.
fn changed_root(clinic: &Clinic, items: &[Item], root: &Root) -> Option<Revoked> {
    let (signed, rotation) = (root.by.as_ref()?, root.rotation.as_ref()?);
    let digest = signed.digest(&clinic.id);
    let words = items.iter().filter(|item| match &item.statement.act {
        Act::RootRotated { rotation } => {
            let by = item.id.author.as_admin();
            root.signed_for.contains(&by) && rotation.digest(&clinic.id) == digest
        }
        _ => false,
    });
    // An admin's second word adds nothing to the first.
    let mut first: BTreeMap<AuthorId, &Item> = BTreeMap::new();
    for word in words {
        let known = first.entry(word.id.author).or_insert(word);
        if word.id.seq < known.id.seq {
            *known = word;
        }
    }
    let signed_at = first.values().map(|word| word.time.wall());
    let last = StatementId {
        author: rotation.old.into(),
        seq: rotation.last,
    };
    Some(Revoked {
        target: Target::Root(rotation.old),
        at: nth(signed_at.collect(), root.needed)?,
        statements: first.values().map(|word| word.id).collect(),
        needed: root.needed,
        besides: Some(last).filter(|last| last.seq > 0),
    })
}

/// Suspensions that an admin has lifted since.
fn lifted(clinic: &Clinic, items: &[Item]) -> BTreeSet<StatementId> {
    let counted = items
        .iter()
        .filter(|item| !clinic.void.contains_key(&item.id));
    let lifts = counted.filter_map(|item| match &item.statement.act {
        Act::StaffChanged { lifts, .. } => Some(lifts.iter().copied()),
        _ => None,
    });
    lifts.flatten().collect()
}

/// Whether what was revoked is out by the record: a suspension may have been lifted, and an invitation may
/// have been used before.
fn stands(clinic: &Clinic, target: &Target) -> bool {
    match target {
        Target::Device(_) | Target::Admin(_) | Target::Root(_) => true,
        Target::Staff(staff) => clinic
            .staff
            .get(staff)
            .is_some_and(|member| member.status == Status::Suspended),
        Target::Invitation(invitation) => clinic
            .invitations
            .get(invitation)
            .is_some_and(|state| state.by.is_none()),
    }
}

fn report(clinic: &Clinic, revoked: Revoked, nodes: &[Node]) -> Report {
    let takes_part = |node: &&Node| revoked.target != Target::Device(node.device);
    let waiting: Vec<&Node> = nodes
        .iter()
        .filter(takes_part)
        .filter(|node| !node.enforces(&revoked))
        .collect();
    let until = until(clinic, &revoked.target, &waiting);
    let place = |node: &Node| {
        let standing = node.standing(clinic, &revoked);
        let enforced = matches!(standing, Standing::Enforced { .. });
        Place {
            device: node.device,
            standing,
            until: (!enforced).then_some(until),
            certified: (!enforced).then(|| certified_until(clinic, node, &waiting)),
        }
    };
    let places = nodes.iter().filter(takes_part).map(place).collect();
    Report { revoked, places }
}

/// Until when what was revoked could be let in by the nodes that do not know.
fn until(clinic: &Clinic, target: &Target, waiting: &[&Node]) -> Until {
    let end = match target {
        Target::Device(device) => return device_until(clinic, device, waiting),
        Target::Staff(_) | Target::Root(_) => None,
        Target::Admin(admin) => clinic.admins.get(admin).map(|admin| admin.grant.not_after),
        Target::Invitation(id) => clinic.invitations.get(id).map(|state| state.terms.expires),
    };
    end.map_or(Until::Told, Until::At)
}

/// A device is let in until its certificate ends, renewed by whoever does not know.
fn device_until(clinic: &Clinic, device: &DeviceId, waiting: &[&Node]) -> Until {
    let Some(found) = clinic.devices.get(device) else {
        return Until::Told;
    };
    held_until(&found.certificate, certificates(clinic, waiting))
}

/// A node that does not know is itself certified until its certificate ends, renewed by the others that do not
/// know: whoever does would tell it.
fn certified_until(clinic: &Clinic, node: &Node, waiting: &[&Node]) -> Until {
    let Some(found) = clinic.devices.get(&node.device) else {
        return Until::Told;
    };
    let mut others = waiting.to_vec();
    others.retain(|other| other.device != node.device);
    held_until(&found.certificate, certificates(clinic, &others))
}

fn certificates<'a>(clinic: &'a Clinic, nodes: &[&Node]) -> Vec<&'a Certificate> {
    let found = nodes
        .iter()
        .filter_map(|node| Some(&clinic.devices.get(&node.device)?.certificate));
    found.collect()
}

/// Until when a certificate could be held to be good among these others, give or take what clocks differ by.
///
/// One of them that may renew may renew it, as long as its own holds; and two devices that may go on renewing each
/// other.
fn held_until(own: &Certificate, others: Vec<&Certificate>) -> Until {
    let renewers = others.into_iter().filter(|one| renewal::is_renewer(one));
    let renewers: Vec<WallTime> = renewers.map(|one| one.not_after).collect();
    let latest = match renewers[..] {
        [] => own.not_after,
        [only] if !renewal::is_renewer(own) => own.not_after.max(only.plus(renewal::LIFE)),
        _ => return Until::Told,
    };
    Until::At(latest.plus(SKEW))
}

#[cfg(test)]
mod tests;
