//! The root key: which one counts by a plain reading, how it is changed, and what its thief does.
//!
//! In some seeds somebody has a copy of the root key, ends every admin with it at one office, and has an
//! admin of their own revoke machines there. The clinic changes the key, and in the end every honest
//! node follows it.

use std::collections::{BTreeMap, BTreeSet};

use clinic_mesh::domain::cert::{Grant, Scopes, VERSION};
use clinic_mesh::domain::id::{AdminId, AuthorId, ClinicId, Hash};
use clinic_mesh::domain::record::Item;
use clinic_mesh::domain::rotation::{self, Rotation, SignedRotation};
use clinic_mesh::domain::sign::{Signed, SigningKey};
use clinic_mesh::domain::statement::Act;
use clinic_mesh::domain::time::WallTime;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::clinic::{Said, name, seed};
use super::model::inside;
use super::world::World;

/// The roots, by a plain reading.
#[derive(Default)]
pub(crate) struct Roots {
    /// Each with the number of its last statement that counts.
    pub(crate) ends: Vec<(AuthorId, u64)>,
    /// Whose statements a node may hold, whether or not they count.
    pub(crate) signers: BTreeSet<AuthorId>,
}

impl Roots {
    /// The roots that these statements make.
    pub(crate) fn of(clinic: &ClinicId, said: &[&Said]) -> Self {
        let mut roots = Self::default();
        let is_first = |said: &&&Said| ClinicId::of_root(&said.id.author.as_admin()) == *clinic;
        let Some(first) = said.iter().find(is_first).map(|said| said.id.author) else {
            return roots;
        };
        let changes: Vec<(Rotation, Hash, AuthorId)> = said
            .iter()
            .filter_map(|said| match &said.statement.act {
                Act::RootRotated { rotation } => {
                    let digest = rotation.digest(clinic);
                    Some((inside(&rotation.signed)?, digest, said.id.author))
                }
                _ => None,
            })
            .collect();
        let mut next = Some(first);
        while let Some(root) = next {
            let taken = roots.taken(root, said, &changes);
            roots
                .ends
                .push((root, taken.map_or(u64::MAX, |(last, ..)| last)));
            next = taken.map(|(.., new)| new);
        }
        let keys = changes.iter().map(|(rotation, ..)| rotation.new.into());
        let keys: BTreeSet<AuthorId> = keys.chain([first]).collect();
        let by_roots = said.iter().filter(|said| keys.contains(&said.id.author));
        let granted = by_roots.filter_map(|said| granted(&said.statement.act));
        roots.signers = granted.chain(keys.iter().copied()).collect();
        roots
    }

    /// The change that ends a root: its last number, its digest and the key that follows.
    fn taken(
        &self,
        root: AuthorId,
        said: &[&Said],
        changes: &[(Rotation, Hash, AuthorId)],
    ) -> Option<(u64, Hash, AuthorId)> {
        let number = self.ends.len() + 1;
        let mut signers: BTreeMap<(u64, Hash, AuthorId), BTreeSet<AuthorId>> = BTreeMap::new();
        for (rotation, digest, signer) in changes {
            if AuthorId::from(rotation.old) == root && usize::from(rotation.number) == number {
                let change = (rotation.last, *digest, rotation.new.into());
                signers.entry(change).or_default().insert(*signer);
            }
        }
        let carried = |(change, signers): &(&(u64, Hash, AuthorId), &BTreeSet<AuthorId>)| {
            self.in_office(root, change.0, said)
                .is_some_and(|office| 2 * office.intersection(signers).count() > office.len())
        };
        signers.iter().find(carried).map(|(change, _)| *change)
    }

    /// Who was an admin at a number of a root's log; none where the log up to there is not whole.
    fn in_office(&self, root: AuthorId, last: u64, said: &[&Said]) -> Option<BTreeSet<AuthorId>> {
        let (mut ever, mut office) = (BTreeSet::new(), BTreeSet::new());
        for (root, end) in self.ends.iter().copied().chain([(root, last)]) {
            let log = || {
                said.iter()
                    .filter(move |said| said.id.author == root && said.id.seq <= end)
            };
            if end != u64::MAX && log().count() as u64 != end {
                return None;
            }
            for said in log() {
                match &said.statement.act {
                    Act::AdminEnded { admin, .. } => {
                        office.remove(&AuthorId::from(*admin));
                    }
                    act => {
                        let fresh = granted(act).filter(|admin| ever.insert(*admin));
                        office.extend(fresh);
                    }
                }
            }
        }
        Some(office)
    }
}

fn granted(act: &Act) -> Option<AuthorId> {
    match act {
        Act::AdminGranted { grant } => Some(inside::<Grant>(grant)?.admin.into()),
        _ => None,
    }
}

impl World {
    /// Somebody with a copy of the root key uses it at one office, which is mostly cut off.
    ///
    /// From then on the clinic signs nothing with that key but the change to another. Once it was changed,
    /// the thief goes on with the old one.
    pub(crate) fn steal_root(&mut self, rng: &mut StdRng) {
        let victim = self.some_node(rng);
        if self.nodes[victim].evil {
            return;
        }
        let root = match self.authority.old_roots.first() {
            Some(old) => old.clone(),
            None => {
                let root = self.authority.root.clone();
                let said = self.authority.newest(&root.id());
                self.authority.stolen = self.authority.stolen.or(Some(said));
                root
            }
        };
        if rng.random_range(0..3) != 0 {
            for other in (0..self.nodes.len()).filter(|other| *other != victim) {
                self.cut(victim, other);
                self.cut(other, victim);
            }
        }
        for admin in 0..self.authority.admins.len() {
            if self.authority.in_office(admin) {
                let admin = self.authority.admin_id(admin);
                self.sign(&root, Vec::new(), Act::AdminEnded { admin, last: 0 });
            }
        }
        let thief = SigningKey::from_seed(&seed("thief", self.authority.said.len()));
        let grant = self.thiefs_grant(&root, thief.id().as_admin());
        self.sign(&root, Vec::new(), Act::AdminGranted { grant });
        let now = self.true_wall();
        for node in 0..self.nodes.len() {
            let machine = self.nodes[node].machine;
            let act = self.authority.revoke(machine, Vec::new(), now);
            if let Some(act) = act.filter(|_| rng.random_range(0..3) == 0) {
                self.sign(&thief, Vec::new(), act);
            }
        }
        for key in [&root, &thief] {
            if self.authority.segments.contains_key(&key.id()) {
                self.submit(victim, key);
            }
        }
    }

    fn thiefs_grant(&self, root: &SigningKey, admin: AdminId) -> Signed {
        let grant = Grant {
            version: VERSION,
            clinic: self.authority.id,
            admin,
            name: name("thief"),
            scopes: Scopes::of(Scopes::ALL),
            not_after: WallTime(u64::MAX >> 17),
        };
        Signed::new(&grant, &self.authority.id, root)
    }

    /// Every admin signs at a node for the root key that follows.
    pub(crate) fn rotate_root(&mut self, node: usize) {
        let old = self.authority.root.clone();
        let newest = self.authority.newest(&old.id());
        let last = self.authority.stolen.unwrap_or(newest);
        let number = self.authority.old_roots.len() + 1;
        let new = SigningKey::from_seed(&seed("root", number));
        let Some(history) = self.history(&old, last) else {
            return;
        };
        let rotation = Rotation {
            version: rotation::VERSION,
            clinic: self.authority.id,
            number: u8::try_from(number).expect("few"),
            old: old.id().as_admin(),
            new: new.id().as_admin(),
            last,
            history,
        };
        let rotation = SignedRotation::new(&rotation, &old, &new);
        for admin in 0..self.authority.admins.len() {
            if self.authority.in_office(admin) {
                let rotation = rotation.clone();
                self.say(node, admin, Act::RootRotated { rotation });
            }
        }
        self.authority.follow(new);
    }

    fn history(&self, root: &SigningKey, last: u64) -> Option<Hash> {
        let said = self.authority.said.values();
        let items = said.filter(|said| said.id.author == root.id());
        let items: Vec<Item> = items
            .map(|said| Item {
                id: said.id,
                time: said.time,
                statement: said.statement.clone(),
            })
            .collect();
        rotation::history(&self.authority.id, &root.id().as_admin(), &items, last)
    }

    /// Gives a node all that the roots and the admins signed, as the commands do before they sign there.
    ///
    /// A node takes a later root's log once it holds the admins' words on that root, and an admin's once
    /// it holds the grant. So no order of the logs will do: what it refuses is given again after the rest,
    /// and each pass brings it one root further.
    pub(crate) fn bring_record(&mut self, node: usize) {
        let mut roots = self.authority.old_roots.clone();
        roots.push(self.authority.root.clone());
        let admins = self.authority.admins.iter();
        let admins = admins.filter(|admin| admin.granted);
        let admins: Vec<SigningKey> = admins.map(|admin| admin.key.clone()).collect();
        for _ in 0..roots.len() {
            for key in roots.iter().chain(&admins) {
                if self.authority.segments.contains_key(&key.id()) {
                    self.submit(node, key);
                }
            }
        }
    }

    /// What the thief did is undone by a change of the root key, which is made at the first office.
    pub(crate) fn heal_root(&mut self) {
        if self.authority.stolen.is_some() {
            self.rotate_root(0);
        }
    }
}
