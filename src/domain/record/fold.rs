//! The fold itself: which statements count, and what they make.

mod devices;
mod people;
mod policy;
mod roots;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use self::roots::Refused;
use super::{Admin, Clinic, Item, VoidReason};
use crate::domain::cert::{Certificate, Grant};
use crate::domain::id::AuthorId;
use crate::domain::renewal::RenewalItem;
use crate::domain::rotation::RootPlace;
use crate::domain::sign::Signed;
use crate::domain::statement::{Act, Right, StatementId};
use crate::domain::trust::Withdrawn;
use crate::planted::planted;

/// The clinic that these statements make.
///
/// Renewals are judged between the enrolments, each at its time: what a device could do then depends
/// on nothing that came later but a revocation. `before` is an earlier fold, or knows nothing; of its
/// devices nothing is taken but that their keys are sound.
pub(super) fn run<'a>(
    before: &Clinic,
    items: impl IntoIterator<Item = &'a Item>,
    renewals: &[RenewalItem],
) -> Clinic {
    let id = before.id;
    let mut clinic = Clinic::unknown(id);
    let (others, refused) = clinic.apply_roots(in_order(items));
    let counted = clinic.judge_all(others, &refused);
    clinic.apply_revocations(&counted);
    let past = clinic.apply_devices(&counted, renewals, &before.devices);
    clinic.apply_web_certificates(&counted);
    clinic.apply_invitations(&counted, &past);
    clinic.apply_policy(&counted);
    clinic.apply_mesh_keys(&counted);
    clinic.apply_staff(&counted);
    clinic.apply_rooms(&counted);
    clinic
}

/// The statements by time, then signer, then number, each once.
///
/// Of two with one signer and number (the log was forked) the earlier counts, whichever came first;
/// but what either of them withdraws is withdrawn, and each is an admin's word on the root key.
fn in_order<'a>(items: impl IntoIterator<Item = &'a Item>) -> Vec<&'a Item> {
    let mut items: Vec<&Item> = items.into_iter().collect();
    items.sort_by(|a, b| {
        let place = (a.time, a.id).cmp(&(b.time, b.id));
        place.then_with(|| a.statement.to_body().cmp(&b.statement.to_body()))
    });
    items.dedup_by(|a, b| a.id == b.id && a.time == b.time && a.statement == b.statement);
    let mut known: BTreeMap<AuthorId, BTreeSet<u64>> = BTreeMap::new();
    items.retain(|item| {
        let numbers = known.entry(item.id.author).or_default();
        numbers.insert(item.id.seq) || stands_beside(&item.statement.act)
    });
    items
}

const fn stands_beside(act: &Act) -> bool {
    matches!(
        act,
        Act::AdminEnded { .. } | Act::DeviceRevoked { .. } | Act::RootRotated { .. }
    )
}

impl Clinic {
    fn void(&mut self, item: &Item, reason: VoidReason) {
        self.void.insert(item.id, reason);
    }

    /// `grant` is the one in the act, if it is valid.
    fn apply_root(&mut self, item: &Item, grant: Option<&Grant>) -> Result<(), VoidReason> {
        let place = RootPlace {
            root: self.roots.len().saturating_sub(1),
            seq: item.id.seq,
        };
        match &item.statement.act {
            Act::Founded { name } if self.name.is_none() => {
                self.name = Some(name.clone());
                Ok(())
            }
            Act::Founded { .. } => Err(VoidReason::DoesNotFit),
            Act::AdminGranted { grant: signed } => {
                let grant = grant.ok_or(VoidReason::InvalidInside)?;
                self.apply_grant(grant, signed, place)
            }
            Act::AdminEnded { admin, last } => {
                let admin = self.admins.get_mut(admin).ok_or(VoidReason::DoesNotFit)?;
                admin.last = Some(admin.last.map_or(*last, |earlier| earlier.min(*last)));
                admin.ended = admin.ended.or(Some(place));
                Ok(())
            }
            // The root appoints and removes; everything else is an admin's.
            _ => Err(VoidReason::WithoutRight),
        }
    }

    /// The first grant of a key holds: who was ended is never granted again.
    fn apply_grant(
        &mut self,
        grant: &Grant,
        signed: &Signed,
        appointed: RootPlace,
    ) -> Result<(), VoidReason> {
        // A root's log is not an admin's: nobody is both.
        if self.is_root(&grant.admin.into()) {
            return Err(VoidReason::DoesNotFit);
        }
        match self.admins.entry(grant.admin) {
            Entry::Occupied(_) => Err(VoidReason::DoesNotFit),
            Entry::Vacant(place) => {
                let (grant, signed) = (grant.clone(), signed.clone());
                place.insert(Admin {
                    grant,
                    signed,
                    appointed,
                    last: None,
                    ended: None,
                    withdrawn: Withdrawn::default(),
                });
                Ok(())
            }
        }
    }

    /// The admins' statements that count, in order.
    fn judge_all<'a>(&mut self, items: Vec<&'a Item>, refused: &Refused) -> Vec<&'a Item> {
        let judge = |item: &&Item| match self.judge(item, refused) {
            Ok(()) => true,
            Err(reason) => {
                self.void(item, reason);
                self.note_once_listed(item);
                false
            }
        };
        items.into_iter().filter(judge).collect()
    }

    /// Whom a statement that does not count enrolled, if its signer ever was somebody's admin.
    fn note_once_listed(&mut self, item: &Item) {
        let Act::DeviceEnrolled { certificate, .. } = &item.statement.act else {
            return;
        };
        let is_own = certificate.signer == item.id.author && self.signers.contains(&item.id.author);
        let Some(read) = is_own
            .then(|| Certificate::read_listed(certificate, &self.id).ok())
            .flatten()
        else {
            return;
        };
        self.once_listed.entry(read.device).or_default().push(read);
    }

    fn judge(&self, item: &Item, refused: &Refused) -> Result<(), VoidReason> {
        let admin = self
            .admins
            .get(&item.id.author.as_admin())
            .ok_or(VoidReason::UnknownSigner)?;
        if matches!(item.statement.act, Act::RootRotated { .. }) {
            // Whether its signer is in office is a question of the root's log up to where it ends.
            return refused.get(&item.id).map_or(Ok(()), |reason| Err(*reason));
        }
        let ended = admin.last.is_some_and(|last| item.id.seq > last);
        if ended && !planted!("ended-admin-counts") {
            return Err(VoidReason::AfterTheEnd);
        }
        if item.time.wall() > admin.grant.not_after {
            return Err(VoidReason::GrantRunOut);
        }
        match item.statement.act.right() {
            Right::Scope(scope) if admin.grant.scopes.has(scope) => Ok(()),
            Right::Scope(_) if planted!("right-unchecked") => Ok(()),
            Right::Admin => Ok(()),
            Right::Scope(_) | Right::Root => Err(VoidReason::WithoutRight),
        }
    }

    fn apply_mesh_keys(&mut self, counted: &[&Item]) {
        for item in counted {
            let (keys, at) = (&mut self.mesh_keys, item.time.wall());
            let fits = match &item.statement.act {
                Act::MeshKeyRotated { epoch, commitment } => keys.change(*epoch, *commitment, at),
                Act::MeshKeysPlanned {
                    first,
                    begins,
                    commitments,
                } => keys.plan(*first, *begins, commitments, at),
                _ => true,
            };
            if !fits {
                self.void(item, VoidReason::DoesNotFit);
            }
        }
    }
}

/// The first and the last of a set of statements in each signer's log.
///
/// Who has seen a signer's last has seen them all, so a question about all of them costs one look
/// per signer however many there are.
#[derive(Default)]
struct Bounds(BTreeMap<AuthorId, (u64, u64)>);

impl Bounds {
    fn note(&mut self, id: StatementId) {
        let (first, last) = self.0.entry(id.author).or_insert((id.seq, id.seq));
        *first = (*first).min(id.seq);
        *last = (*last).max(id.seq);
    }

    /// Whether the signer of `item` had seen every one of them.
    fn all_before(&self, item: &Item) -> bool {
        let mut bounds = self.0.iter();
        bounds.all(|(&author, &(_, seq))| follows(item, StatementId { author, seq }))
    }

    /// Whether the signer of `item` had seen at least one of them.
    fn any_before(&self, item: &Item) -> bool {
        let mut bounds = self.0.iter();
        bounds.any(|(&author, &(seq, _))| follows(item, StatementId { author, seq }))
    }
}

/// Whether the signer of `item` had seen `other`, its own earlier statements included.
fn follows(item: &Item, other: StatementId) -> bool {
    if item.id.author == other.author {
        return item.id.seq > other.seq;
    }
    item.statement.has_seen(other)
}
