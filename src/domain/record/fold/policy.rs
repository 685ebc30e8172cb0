//! The policy in force, and what two admins have to want.
//!
//! Which policy came first is told by time, and an admin can date a statement back. So the rule that
//! keeping less takes two admins binds a statement in two ways: by the policy in force at its place,
//! and, unless all of them had seen it, by the policies with that rule that are dated later.

use std::collections::BTreeMap;

use super::{Item, VoidReason, follows};
use crate::domain::id::{AuthorId, ClinicId};
use crate::domain::policy::Policy;
use crate::domain::record::Clinic;
use crate::domain::statement::{Act, Proposal, StatementId};
use crate::planted::planted;

/// Proposals that nobody has approved, with who proposed them.
type Open<'a> = BTreeMap<StatementId, &'a Proposal>;

impl Clinic {
    pub(super) fn apply_policy(&mut self, counted: &[&Item]) {
        let proposals = proposals(counted);
        let bound = bound_by_later(&self.id, counted, &proposals);
        let mut open = Open::new();
        let clinic = self.id;
        for (item, bound) in counted.iter().zip(&bound) {
            let applied = match &item.statement.act {
                Act::PolicySet { policy } => self.set_alone(policy, bound.as_ref()),
                Act::Proposed { proposal } => {
                    open.insert(item.id, proposal);
                    Ok(())
                }
                Act::Approved { proposal, .. } => approved(&clinic, &open, item)
                    .and_then(|Proposal::Policy { policy }| self.replace_policy(policy))
                    .map(|()| {
                        open.remove(proposal);
                    }),
                _ => continue,
            };
            if let Err(reason) = applied {
                self.void(item, reason);
            }
        }
        let next = self.policy.next_version();
        let still = open.into_iter().filter(|(_, proposal)| match proposal {
            Proposal::Policy { policy } => policy.version >= next,
        });
        self.pending = still.map(|(id, proposal)| (id, proposal.clone())).collect();
    }

    /// One admin's word is enough for what does not keep less than has to be kept.
    fn set_alone(&mut self, policy: &Policy, bound: Option<&Policy>) -> Result<(), VoidReason> {
        let keeps_less = |before: &Policy| before.needs_second_admin(policy);
        if keeps_less(&self.policy) || bound.is_some_and(keeps_less) {
            return Err(VoidReason::NeedsSecondAdmin);
        }
        self.replace_policy(policy)
    }

    fn replace_policy(&mut self, policy: &Policy) -> Result<(), VoidReason> {
        // Items are in order of time, so among equal versions the last one written wins.
        if policy.version >= self.policy.version || planted!("old-policy-accepted") {
            self.policy = policy.clone();
            Ok(())
        } else {
            Err(VoidReason::DoesNotFit)
        }
    }
}

/// Every proposal, approved or not.
fn proposals<'a>(counted: &[&'a Item]) -> Open<'a> {
    let proposed = counted.iter().filter_map(|item| match &item.statement.act {
        Act::Proposed { proposal } => Some((item.id, proposal)),
        _ => None,
    });
    proposed.collect()
}

/// What an approval approves: what another admin had proposed, word for word, before its signer's eyes.
fn approved<'a>(
    clinic: &ClinicId,
    open: &Open<'a>,
    item: &Item,
) -> Result<&'a Proposal, VoidReason> {
    let Act::Approved {
        proposal: id,
        digest,
    } = &item.statement.act
    else {
        return Err(VoidReason::DoesNotFit);
    };
    let proposal = *open.get(id).ok_or(VoidReason::DoesNotFit)?;
    if id.author == item.id.author {
        return Err(VoidReason::OwnProposal);
    }
    match follows(item, *id) && proposal.digest(clinic, *id) == *digest {
        true => Ok(proposal),
        false => Err(VoidReason::DoesNotFit),
    }
}

/// The policy that a statement puts in force, if it counts.
fn put_in_force<'a>(clinic: &ClinicId, all: &Open<'a>, item: &'a Item) -> Option<&'a Policy> {
    match &item.statement.act {
        Act::PolicySet { policy } => Some(policy),
        Act::Approved { .. } => approved(clinic, all, item)
            .ok()
            .map(|Proposal::Policy { policy }| policy),
        _ => None,
    }
}

/// For each item, what policies with the rule that are dated later keep at least, unless every one of
/// their signers had seen the item.
///
/// Read from the last to the first, so that the work grows with the number of statements.
fn bound_by_later<'a>(
    clinic: &ClinicId,
    counted: &[&'a Item],
    all: &Open<'a>,
) -> Vec<Option<Policy>> {
    let mut later: Option<Later> = None;
    let mut bounds = Vec::with_capacity(counted.len());
    for item in counted.iter().rev() {
        let binds = later.as_ref().filter(|later| !later.all_saw(item.id));
        bounds.push(binds.map(|later| later.least.clone()));
        let policy = put_in_force(clinic, all, item).filter(|policy| policy.two_admins.is_some());
        let Some(policy) = policy else {
            continue;
        };
        match &mut later {
            None => later = Some(Later::begin(item, policy)),
            Some(later) => later.join(item, policy),
        }
    }
    bounds.reverse();
    bounds
}

/// Policies with the rule, from some place in the order on.
struct Later {
    /// What they keep at least, together.
    least: Policy,
    /// Up to which number of each log all their signers had seen; of other logs nothing.
    seen: BTreeMap<AuthorId, u64>,
}

impl Later {
    fn begin(item: &Item, policy: &Policy) -> Self {
        Self {
            least: policy.clone(),
            seen: seen_by(item),
        }
    }

    fn join(&mut self, item: &Item, policy: &Policy) {
        self.least = self.least.keeping_at_least(policy);
        let seen = seen_by(item);
        self.seen.retain(|author, seq| match seen.get(author) {
            None => false,
            Some(other) => {
                *seq = (*seq).min(*other);
                true
            }
        });
    }

    fn all_saw(&self, id: StatementId) -> bool {
        self.seen.get(&id.author).is_some_and(|seq| *seq >= id.seq)
    }
}

/// Up to which number the signer had seen each log, its own included.
fn seen_by(item: &Item) -> BTreeMap<AuthorId, u64> {
    let others = item
        .statement
        .seen
        .iter()
        .map(|seen| (seen.author, seen.seq));
    others
        .chain([(item.id.author, item.id.seq.saturating_sub(1))])
        .collect()
}
