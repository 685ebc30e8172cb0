//! The roots: which key appoints the admins, and up to where each one's log counts.
//!
//! A rotation counts when more than half of the admins who were in office at its end have it in their
//! logs. Who was in office there follows from the roots' logs up to that number and from nothing else,
//! so it stays what it is whatever the old key signs later. Of several that count, the one with the
//! lowest [`Rank`] is taken: what a thief of the key adds to the log makes his own rotation later.

use std::collections::{BTreeMap, BTreeSet};

use super::{Clinic, Item, VoidReason};
use crate::domain::cert::{self, Grant};
use crate::domain::codec;
use crate::domain::id::{AdminId, AuthorId, ClinicId, Hash};
use crate::domain::record::{PendingRotation, Root};
use crate::domain::rotation::{self, ROTATIONS_MAX, Rank, Rotation, SignedRotation};
use crate::domain::sign::SignedBody as _;
use crate::domain::statement::{Act, StatementId};
use crate::planted::planted;

/// How many rotations of one log are looked at: the first ones, by number.
///
/// 64: a clinic changes its root eight times at most, and an admin signs once for each change and now
/// and then for one that competes with it. Each costs signature checks in every fold, so whoever fills
/// a log with them has to stop mattering somewhere. Logs grow at their end only, so which are the
/// first never changes.
const LOOKED_AT_MAX: usize = 64;

/// Every signer's statements.
type Logs<'a> = BTreeMap<AuthorId, Vec<&'a Item>>;

/// The words on the root key that cannot count, and why.
pub(super) type Refused = BTreeMap<StatementId, VoidReason>;

/// A rotation and every admin who has it in their log.
struct Wanted<'a> {
    signed: &'a SignedRotation,
    rotation: Rotation,
    signers: BTreeSet<AdminId>,
}

/// A signer's word on the root key, read and not verified.
struct Said<'a> {
    id: StatementId,
    signed: &'a SignedRotation,
    rotation: Rotation,
}

/// Who was an admin when a root had said so much.
struct Office {
    history: Hash,
    appointed: BTreeSet<AdminId>,
    in_office: BTreeSet<AdminId>,
}

/// A root's log with every grant in it that is valid, opened once for all who ask.
#[derive(Default)]
struct RootLog<'a>(Vec<(&'a Item, Option<Grant>)>);

impl<'a> RootLog<'a> {
    fn open(clinic: &ClinicId, root: &AuthorId, log: &[&'a Item]) -> Self {
        let opened = log.iter().copied().map(|item| {
            let grant = match &item.statement.act {
                Act::AdminGranted { grant } => Grant::open_by(grant, clinic, &root.as_admin()).ok(),
                _ => None,
            };
            (item, grant)
        });
        Self(opened.collect())
    }

    fn appointed(&self) -> impl Iterator<Item = AuthorId> {
        let grants = self.0.iter().filter_map(|(_, grant)| grant.as_ref());
        grants.map(|grant| AuthorId::from(grant.admin))
    }

    fn items(&self) -> impl Iterator<Item = &'a Item> {
        self.0.iter().map(|(item, _)| *item)
    }
}

/// The keys that were ever a root, or could become one when more is known, and whom they appointed.
///
/// Only a rotation of such a key, in the log of such a signer, is ever verified: anybody can make up
/// keys that follow one another.
struct Reach<'a> {
    clinic: ClinicId,
    founder: Option<AuthorId>,
    roots: BTreeMap<AuthorId, RootLog<'a>>,
    signers: BTreeSet<AuthorId>,
    /// Every sound rotation, by its digest.
    wanted: BTreeMap<Hash, Wanted<'a>>,
    /// What is said of keys that no rotation leads to, by that key.
    waiting: BTreeMap<AuthorId, Vec<Said<'a>>>,
    refused: Refused,
}

impl<'a> Reach<'a> {
    fn of(clinic: ClinicId, logs: &Logs<'a>) -> Self {
        let founder = logs.keys().find(|author| cert::is_root(author, &clinic));
        let mut reach = Self {
            clinic,
            founder: founder.copied(),
            roots: BTreeMap::new(),
            signers: BTreeSet::new(),
            wanted: BTreeMap::new(),
            waiting: BTreeMap::new(),
            refused: Refused::new(),
        };
        let mut fresh: Vec<AuthorId> = reach.founder.into_iter().collect();
        while let Some(root) = fresh.pop() {
            if !reach.roots.contains_key(&root) {
                fresh.extend(reach.follow(root, logs));
            }
        }
        reach
    }

    /// Takes in a root and whom it appointed. Gives the keys that this makes roots, or could.
    fn follow(&mut self, root: AuthorId, logs: &Logs<'a>) -> Vec<AuthorId> {
        let log = RootLog::open(&self.clinic, &root, log_of(logs, &root));
        let signers: Vec<AuthorId> = log.appointed().chain([root]).collect();
        self.roots.insert(root, log);
        let mut said = self.waiting.remove(&root).unwrap_or_default();
        for signer in signers {
            if self.signers.insert(signer) {
                said.extend(self.read(log_of(logs, &signer)));
            }
        }
        let weighed = said.into_iter().filter_map(|said| self.weigh(said));
        weighed.collect()
    }

    /// What a signer says of the root key, as far as it is looked at.
    fn read(&mut self, log: &[&'a Item]) -> Vec<Said<'a>> {
        let words = log
            .iter()
            .copied()
            .filter_map(|item| match &item.statement.act {
                Act::RootRotated { rotation } => Some((item.id, rotation)),
                _ => None,
            });
        let mut words: Vec<(StatementId, &'a SignedRotation)> = words.collect();
        words.sort_by_key(|(id, _)| id.seq);
        let beyond = words.split_off(words.len().min(LOOKED_AT_MAX));
        let beyond = beyond.into_iter();
        self.refused
            .extend(beyond.map(|(id, _)| (id, VoidReason::DoesNotFit)));
        let mut read = Vec::new();
        for (id, signed) in words {
            match codec::strict(&signed.signed.body, Rotation::MAX) {
                Ok(rotation) => read.push(Said {
                    id,
                    signed,
                    rotation,
                }),
                Err(_) => {
                    self.refused.insert(id, VoidReason::InvalidInside);
                }
            }
        }
        read
    }

    /// Verifies what is said of a root, once however many signed for it; the rest has to wait. Gives the
    /// key that would follow.
    fn weigh(&mut self, said: Said<'a>) -> Option<AuthorId> {
        let old = AuthorId::from(said.rotation.old);
        if !self.roots.contains_key(&old) {
            self.waiting.entry(old).or_default().push(said);
            return None;
        }
        let digest = said.signed.digest(&self.clinic);
        let known = self.wanted.get(&digest);
        let is_known = known.is_some_and(|found| found.signed == said.signed);
        if !is_known && said.signed.open(&self.clinic).is_err() {
            self.refused.insert(said.id, VoidReason::InvalidInside);
            return None;
        }
        let new = AuthorId::from(said.rotation.new);
        let found = self.wanted.entry(digest).or_insert_with(|| Wanted {
            signed: said.signed,
            rotation: said.rotation,
            signers: BTreeSet::new(),
        });
        found.signers.insert(said.id.author.as_admin());
        Some(new)
    }
}

fn log_of<'l, 'a>(logs: &'l Logs<'a>, author: &AuthorId) -> &'l [&'a Item] {
    logs.get(author).map_or(&[], Vec::as_slice)
}

impl Clinic {
    /// The roots' logs alone decide who the admins are and where they end. Gives everything else, and
    /// which words on the root key cannot count.
    pub(super) fn apply_roots<'a>(&mut self, items: Vec<&'a Item>) -> (Vec<&'a Item>, Refused) {
        let mut logs: Logs<'a> = BTreeMap::new();
        for item in items.iter().copied() {
            logs.entry(item.id.author).or_default().push(item);
        }
        let reach = Reach::of(self.id, &logs);
        let unheard = RootLog::default();
        let mut next = reach.founder.map(|founder| Root {
            key: founder.as_admin(),
            by: None,
            rotation: None,
            signed_for: BTreeSet::new(),
            needed: 0,
        });
        while let Some(root) = next {
            let key = root.key;
            self.roots.push(root);
            let log = reach.roots.get(&AuthorId::from(key)).unwrap_or(&unheard);
            next = self.next_root(&key, log, &reach.wanted);
            let rotation = next.as_ref().and_then(|next| next.rotation.as_ref());
            let last = rotation.map_or(u64::MAX, |rotation| rotation.last);
            self.apply_root_log(log, last);
        }
        self.signers = reach.signers;
        let roots: BTreeSet<AuthorId> = self.roots.iter().map(|root| root.key.into()).collect();
        let others = items.into_iter();
        let others = others.filter(|item| !roots.contains(&item.id.author));
        (others.collect(), reach.refused)
    }

    fn apply_root_log(&mut self, log: &RootLog<'_>, last: u64) {
        for (item, grant) in &log.0 {
            let is_void = item.id.seq > last && !planted!("old-root-goes-on");
            let applied = match is_void {
                true => Err(VoidReason::AfterTheEnd),
                false => self.apply_root(item, grant.as_ref()),
            };
            if let Err(reason) = applied {
                self.void(item, reason);
            }
        }
    }

    /// The root that follows, if one does.
    fn next_root(
        &mut self,
        root: &AdminId,
        log: &RootLog<'_>,
        wanted: &BTreeMap<Hash, Wanted<'_>>,
    ) -> Option<Root> {
        let number = self.roots.len();
        let mut offices: BTreeMap<u64, Option<Office>> = BTreeMap::new();
        let mut carried: BTreeMap<Rank, Root> = BTreeMap::new();
        let mut pending = BTreeMap::new();
        for (digest, found) in wanted {
            let rotation = &found.rotation;
            let is_next = usize::from(rotation.number) == number && rotation.old == *root;
            if !is_next || number > usize::from(ROTATIONS_MAX) {
                continue;
            }
            let office = offices
                .entry(rotation.last)
                .or_insert_with(|| self.in_office_at(root, log, rotation.last));
            let Some(office) = office.as_ref().filter(|then| self.may_end(then, rotation)) else {
                continue;
            };
            let in_office = &office.in_office;
            let rank = Rank {
                last: rotation.last,
                digest: *digest,
            };
            let signed_for: BTreeSet<AdminId> =
                found.signers.intersection(in_office).copied().collect();
            let needed = in_office.len() / 2 + 1;
            if signed_for.len() >= needed {
                let root = Root {
                    key: rotation.new,
                    by: Some(found.signed.clone()),
                    rotation: Some(rotation.clone()),
                    signed_for,
                    needed,
                };
                carried.insert(rank, root);
            } else if !signed_for.is_empty() {
                let (signed, rotation) = (found.signed.clone(), rotation.clone());
                pending.insert(
                    rank,
                    PendingRotation {
                        signed,
                        rotation,
                        signed_for,
                        needed,
                    },
                );
            }
        }
        let first = carried.pop_first();
        // One that would leave the old root more than the one taken can never take its place.
        let open = pending
            .into_iter()
            .filter(|(rank, _)| first.as_ref().is_none_or(|(taken, _)| rank < taken));
        self.pending_rotations.extend(open);
        first.map(|(_, root)| root)
    }

    /// Whether the office that a rotation ends is the one it was signed for, and its key can be a root's.
    fn may_end(&self, then: &Office, rotation: &Rotation) -> bool {
        // A key that signs otherwise in this clinic is no root.
        let new = rotation.new;
        let is_taken = then.appointed.contains(&new) || self.is_root(&new.into());
        rotation.history == then.history && !is_taken
    }

    /// Who was an admin at a number of the root's log; none when the log up to there is not here.
    fn in_office_at(&self, root: &AdminId, log: &RootLog<'_>, last: u64) -> Option<Office> {
        let history = rotation::history(&self.id, root, log.items(), last)?;
        let mut then = Self {
            name: self.name.clone(),
            roots: self.roots.clone(),
            admins: self.admins.clone(),
            ..Self::unknown(self.id)
        };
        then.apply_root_log(log, last);
        let holding = then.admins.iter().filter(|(_, admin)| admin.last.is_none());
        Some(Office {
            history,
            in_office: holding.map(|(id, _)| *id).collect(),
            appointed: then.admins.keys().copied().collect(),
        })
    }
}
