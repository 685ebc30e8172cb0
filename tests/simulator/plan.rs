//! What happens in one seed: a list of acts and faults, each of which stands alone, so that any of
//! them can be left out and the rest still means the same.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

macro_rules! kinds {
    ($($group:ident { $($kind:ident $weight:literal),* $(,)? })*) => {
        /// One kind of act or fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Kind { $($($kind),*),* }

        /// What kinds are alike.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Group { $($group),* }

        const KINDS: &[(Kind, Group, u32)] =
            &[$($((Kind::$kind, Group::$group, $weight)),*),*];
    };
}

kinds! {
    Staff { Post 48, Burst 3, Acknowledge 6, Read 10, Password 3 }
    Clinic {
        Enrol 3, Revoke 2, RevokeWithEnds 2, Move 4, Suspend 2, Lift 2, CreateRoom 2, AddMember 5,
        RemoveMember 5, SetPolicy 3, Rotate 2, Invite 1, GrantAdmin 1, EndAdmin 1, Renew 2,
        Contend 2,
    }
    Fault {
        Cut 5, CutOneWay 4, HealNet 8, BreakLink 5, Duplicate 3, SlowNet 2, Crash 4, CrashMid 4,
        Start 6, Snapshot 3, Rollback 3, SlowDisk 3, DiskFull 2, DiskRoom 2, ClockStep 4,
        ClockFix 4, Drift 2, Nap 3, Night 3, Weeks 1,
    }
    Attack {
        Replay 2, ForgedAuthor 2, ForkedLog 3, SkippedNumber 1, WrongDigest 2, WithoutRight 2,
        Backdated 2, Expired 2, KeptTooLong 1, Future 2, Stripped 2, LongLists 1,
        ForgedAttestation 2, Lie 1, Unentitled 2, WrongMeshKey 2, SpeaksForOthers 2, OldPolicy 2,
        ForgedStatement 2,
    }
    Change { Amend 0, Retract 0, StealRoot 0, RotateRoot 0 }
}

/// One act or fault at its moment; everything it needs to choose comes from its salt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    /// Milliseconds after the one before.
    pub(crate) after: u64,
    pub(crate) kind: Kind,
    pub(crate) salt: u64,
}

/// One seed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Honest machines in all, and how many of them run from the start.
    pub(crate) machines: usize,
    pub(crate) running: usize,
    /// Whether one more machine misbehaves.
    pub(crate) evil: bool,
    pub(crate) people: usize,
    pub(crate) rooms: usize,
    pub(crate) witnesses: usize,
    /// Most rows of a log that a reading gives at once.
    pub(crate) rows: usize,
    /// Whether people write in groups too; the other seeds are what they would be without.
    pub(crate) groups: bool,
    pub(crate) ops: Vec<(usize, Op)>,
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5eed);
        let machines = rng.random_range(3..=5);
        let evil = rng.random_range(0..2) == 0;
        let kinds = enabled(&mut rng, evil);
        let total: u32 = kinds.iter().map(|(_, weight)| weight).sum();
        let count = rng.random_range(30..=120);
        let ops = (0..count).map(|number| {
            let op = Op {
                after: pause(&mut rng),
                kind: pick(&kinds, rng.random_range(0..total)),
                salt: rng.random(),
            };
            (number, op)
        });
        let mut ops: Vec<(usize, Op)> = ops.collect();
        change_some(seed, &mut ops);
        change_root(seed, &mut ops);
        Self {
            seed,
            machines,
            running: rng.random_range(2..=machines),
            evil,
            people: rng.random_range(3..=5),
            rooms: rng.random_range(2..=4),
            witnesses: rng.random_range(0..=2),
            rows: [1, 2, 64][rng.random_range(0..3)],
            groups: seed % 4 == 1,
            ops,
        }
    }

    /// The same seed with only these of its acts.
    pub(crate) fn only(&self, keep: &[usize]) -> Self {
        let mut plan = self.clone();
        // What an act waited for still passes when the act itself is left out.
        let mut waited = 0;
        let mut ops = Vec::new();
        for (number, mut op) in self.ops.iter().copied() {
            if keep.contains(&number) {
                op.after += waited;
                waited = 0;
                ops.push((number, op));
            } else {
                waited += op.after;
            }
        }
        plan.ops = ops;
        plan
    }
}

/// In every third seed half of the messages are changes to earlier ones instead. They are chosen apart,
/// so that the other seeds are what they would be without them.
fn change_some(seed: u64, ops: &mut [(usize, Op)]) {
    if seed % 3 != 2 {
        return;
    }
    let mut rng = StdRng::seed_from_u64(seed ^ 0xc4a4_6e00);
    for (_, op) in ops.iter_mut().filter(|(_, op)| op.kind == Kind::Post) {
        op.kind = match rng.random_range(0..6) {
            0 => Kind::Retract,
            1 | 2 => Kind::Amend,
            _ => Kind::Post,
        };
    }
}

/// In every seventh seed the root key is changed, mostly after it was stolen. That is chosen apart as well.
fn change_root(seed: u64, ops: &mut Vec<(usize, Op)>) {
    if seed % 7 != 4 {
        return;
    }
    let mut rng = StdRng::seed_from_u64(seed ^ 0x7007_0000);
    let steals = rng.random_range(0..4) != 0;
    let goes_on = rng.random_range(0..2) == 0;
    let acts = [
        (Kind::StealRoot, steals),
        (Kind::RotateRoot, true),
        (Kind::StealRoot, goes_on),
    ];
    let mut at = 0;
    for (kind, _) in acts.into_iter().filter(|(_, happens)| *happens) {
        at = rng.random_range(at..=ops.len());
        let op = Op {
            after: pause(&mut rng),
            kind,
            salt: rng.random(),
        };
        // Numbers name acts, in whatever order they stand.
        ops.insert(at, (ops.len(), op));
        at += 1;
    }
}

/// A random half of the faults and attacks is switched off, another half in each seed.
fn enabled(rng: &mut StdRng, evil: bool) -> Vec<(Kind, u32)> {
    let mut kinds = Vec::new();
    // Changes are put in by themselves.
    let kinds_by_chance = KINDS.iter().filter(|(_, group, _)| *group != Group::Change);
    for (kind, group, weight) in kinds_by_chance {
        let on = rng.random_range(0..2) == 0;
        let likely = rng.random_range(0..4) != 0;
        let in_use = match group {
            Group::Staff => true,
            Group::Clinic => likely,
            Group::Fault => on || matches!(kind, Kind::HealNet | Kind::Start | Kind::ClockFix),
            Group::Attack => evil && on,
            Group::Change => false,
        };
        if in_use {
            kinds.push((*kind, *weight));
        }
    }
    kinds
}

fn pick(kinds: &[(Kind, u32)], mut at: u32) -> Kind {
    for (kind, weight) in kinds {
        if at < *weight {
            return *kind;
        }
        at -= weight;
    }
    Kind::Post
}

/// Mostly moments, sometimes half a minute.
fn pause(rng: &mut StdRng) -> u64 {
    match rng.random_range(0..10) {
        0..5 => rng.random_range(0..100),
        5..8 => rng.random_range(0..2000),
        8 => rng.random_range(0..6000),
        _ => rng.random_range(0..25_000),
    }
}
