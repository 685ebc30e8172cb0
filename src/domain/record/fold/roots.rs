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
use crate::domain::id::{AdminId, AuthorId, Hash};
use crate::domain::record::{PendingRotation, Root};
use crate::domain::rotation::{self, ROTATIONS_MAX, Rank, Rotation, SignedRotation};
use crate::domain::sign::SignedBody as _;
use crate::domain::statement::Act;

/// A rotation and every admin who has it in their log.
struct Wanted<'a> {
    signed: &'a SignedRotation,
    rotation: Rotation,
    signers: BTreeSet<AdminId>,
}

impl Clinic {
    /// The roots' logs alone decide who the admins are and where they end. Gives everything else.
    pub(super) fn apply_roots<'a>(&mut self, items: Vec<&'a Item>) -> Vec<&'a Item> {
        let mut logs: BTreeMap<AuthorId, Vec<&Item>> = BTreeMap::new();
        for item in &items {
            logs.entry(item.id.author).or_default().push(item);
        }
        let wanted = self.wanted(&items);
        let founder = logs.keys().find(|author| cert::is_root(author, &self.id));
        let mut next = founder.map(|founder| Root {
            key: founder.as_admin(),
            by: None,
            rotation: None,
        });
        while let Some(root) = next {
            let key = root.key;
            self.roots.push(root);
            let log = logs
                .get(&AuthorId::from(key))
                .map_or(&[][..], Vec::as_slice);
            next = self.next_root(&key, log, &wanted);
            let rotation = next.as_ref().and_then(|next| next.rotation.as_ref());
            let last = rotation.map_or(u64::MAX, |rotation| rotation.last);
            self.apply_root_log(&key, log, last);
        }
        self.signers = self.signers_of(&logs, &wanted);
        let roots: BTreeSet<AuthorId> = self.roots.iter().map(|root| root.key.into()).collect();
        let others = items.into_iter();
        others
            .filter(|item| !roots.contains(&item.id.author))
            .collect()
    }

    fn apply_root_log(&mut self, root: &AdminId, log: &[&Item], last: u64) {
        for item in log {
            let applied = match item.id.seq > last {
                true => Err(VoidReason::AfterTheEnd),
                false => self.apply_root(root, &item.statement.act),
            };
            if let Err(reason) = applied {
                self.void(item, reason);
            }
        }
    }

    /// Every key that was ever a root, or could become one when more is known, and whom they appointed.
    fn signers_of(
        &self,
        logs: &BTreeMap<AuthorId, Vec<&Item>>,
        wanted: &BTreeMap<Hash, Wanted<'_>>,
    ) -> BTreeSet<AuthorId> {
        let mut roots: BTreeSet<AuthorId> = self.roots.iter().map(|root| root.key.into()).collect();
        loop {
            let follow = wanted
                .values()
                .filter(|found| roots.contains(&found.rotation.old.into()))
                .map(|found| AuthorId::from(found.rotation.new));
            let follow: Vec<AuthorId> = follow.filter(|new| !roots.contains(new)).collect();
            if follow.is_empty() {
                break;
            }
            roots.extend(follow);
        }
        let mut signers: BTreeSet<AuthorId> =
            self.admins.keys().copied().map(AuthorId::from).collect();
        for root in &roots {
            let log = logs.get(root).into_iter().flatten();
            signers.extend(log.filter_map(|item| self.appointed(root, &item.statement.act)));
        }
        signers.extend(roots);
        signers
    }

    /// Whom a root's statement appoints, if not somebody who is an admin anyhow.
    fn appointed(&self, root: &AuthorId, act: &Act) -> Option<AuthorId> {
        let Act::AdminGranted { grant } = act else {
            return None;
        };
        let named: Grant = codec::strict(&grant.body, Grant::MAX).ok()?;
        if self.admins.contains_key(&named.admin) {
            return None;
        }
        let grant = Grant::open_by(grant, &self.id, &root.as_admin()).ok()?;
        Some(grant.admin.into())
    }

    /// Every sound rotation, by its digest.
    fn wanted<'a>(&self, items: &[&'a Item]) -> BTreeMap<Hash, Wanted<'a>> {
        let mut wanted: BTreeMap<Hash, Wanted<'a>> = BTreeMap::new();
        for item in items {
            let Act::RootRotated { rotation: signed } = &item.statement.act else {
                continue;
            };
            let Ok(rotation) = signed.open(&self.id) else {
                continue;
            };
            let found = wanted.entry(signed.digest(&self.id));
            let found = found.or_insert_with(|| Wanted {
                signed,
                rotation,
                signers: BTreeSet::new(),
            });
            found.signers.insert(item.id.author.as_admin());
        }
        wanted
    }

    /// The root that follows, if one does.
    fn next_root(
        &mut self,
        root: &AdminId,
        log: &[&Item],
        wanted: &BTreeMap<Hash, Wanted<'_>>,
    ) -> Option<Root> {
        let number = self.roots.len();
        let mut carried: BTreeMap<Rank, Root> = BTreeMap::new();
        let mut pending = BTreeMap::new();
        for (digest, found) in wanted {
            let rotation = &found.rotation;
            let is_next = usize::from(rotation.number) == number && rotation.old == *root;
            if !is_next || number > usize::from(ROTATIONS_MAX) {
                continue;
            }
            let Some(in_office) = self.in_office(root, log, rotation) else {
                continue;
            };
            let rank = Rank {
                last: rotation.last,
                digest: *digest,
            };
            let signed_for: BTreeSet<AdminId> =
                found.signers.intersection(&in_office).copied().collect();
            let needed = in_office.len() / 2 + 1;
            if signed_for.len() >= needed {
                let root = Root {
                    key: rotation.new,
                    by: Some(found.signed.clone()),
                    rotation: Some(rotation.clone()),
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

    /// The admins in office at the rotation's end; none when the old root's log up to there is not
    /// here, or is another than the rotation was signed for.
    fn in_office(
        &self,
        root: &AdminId,
        log: &[&Item],
        rotation: &Rotation,
    ) -> Option<BTreeSet<AdminId>> {
        let items = log.iter().copied();
        let said = rotation::history(&self.id, root, items, rotation.last)?;
        if said != rotation.history {
            return None;
        }
        let mut then = Self {
            name: self.name.clone(),
            roots: self.roots.clone(),
            admins: self.admins.clone(),
            ..Self::unknown(self.id)
        };
        let counting: Vec<&Item> = log
            .iter()
            .copied()
            .filter(|item| item.id.seq <= rotation.last)
            .collect();
        then.apply_root_log(root, &counting, rotation.last);
        // A key that signs otherwise in this clinic is no root.
        let new = rotation.new;
        if then.admins.contains_key(&new) || then.is_root(&new.into()) {
            return None;
        }
        let in_office = then
            .admins
            .into_iter()
            .filter(|(_, admin)| admin.last.is_none());
        Some(in_office.map(|(id, _)| id).collect())
    }
}
