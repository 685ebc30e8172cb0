//! Random histories: whatever order statements arrive in, every node has the same clinic.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;
use crate::domain::testing::seed;

/// One statement of a random history, in small numbers that a failing case is shrunk to.
#[derive(Clone, Debug)]
struct Step {
    who: usize,
    kind: u8,
    one: usize,
    two: usize,
    /// Which other logs the signer reads before signing, one bit each.
    reads: u8,
    /// By how much the signer's clock has moved on; the clocks are far apart.
    waits: u64,
}

fn step() -> impl Strategy<Value = Step> {
    let fields = (
        0..13_usize,
        0..17_u8,
        0..4_usize,
        0..4_usize,
        0..16_u8,
        0..5_u64,
    );
    fields.prop_map(|(who, kind, one, two, reads, waits)| Step {
        // The root speaks rarely, or else nothing that admins do would stand.
        who: if who == 12 { 3 } else { who % 3 },
        kind,
        one,
        two,
        reads,
        waits,
    })
}

fn history() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..40)
}

/// A history, and how many more than the first four entries of each log a node holds.
fn parts() -> impl Strategy<Value = (Vec<Step>, [u64; 4])> {
    (history(), prop::array::uniform4(0..20_u64))
}

/// A history, and the same statements in another order with some of them twice.
fn shuffled() -> impl Strategy<Value = (Vec<Step>, Vec<usize>)> {
    history().prop_flat_map(|steps| {
        let places: Vec<usize> = (0..steps.len() + 20).collect();
        (Just(steps), Just(places).prop_shuffle())
    })
}

const OFFICES: [&str; 4] = ["front-desk", "ward-2", "pharmacy", "archive"];
const PEOPLE: [&str; 4] = ["Ana", "Ben", "Cem", "Dua"];
const ADMINS: [&str; 3] = ["Robin", "Sam", "Kim"];

/// Turns steps into statements. The fourth signer is the root; Kim may do everything but revoke.
#[derive(Clone)]
struct Play {
    clinic: SampleClinic,
    authors: [AuthorId; 4],
    items: Vec<Item>,
    times: [u64; 4],
    read: [[u64; 4]; 4],
    written: [u64; 4],
}

impl Play {
    fn new() -> Self {
        let mut clinic = SampleClinic::of([]);
        clinic.admin("Sam", Scopes::of(Scopes::ALL));
        let but_revoke = Scopes::ALL
            .into_iter()
            .filter(|scope| *scope != Scope::Revoke);
        clinic.admin("Kim", Scopes::of(but_revoke));
        let [robin, sam, kim] = ADMINS.map(|who| clinic.admins[who].key.id());
        let authors = [robin, sam, kim, clinic.root.id()];
        let items = clinic.items().to_vec();
        let written = authors
            .map(|author| items.iter().filter(|item| item.id.author == author).count() as u64);
        Self {
            times: [5, 0, 9, 20].map(|ahead| Hlc::at(NOON.plus(minutes(ahead))).0),
            read: [[0; 4]; 4],
            clinic,
            authors,
            items,
            written,
        }
    }

    fn all(steps: &[Step]) -> Self {
        static START: LazyLock<Play> = LazyLock::new(Play::new);
        let mut play = START.clone();
        for step in steps {
            play.take(step);
        }
        play
    }

    fn fold(&self) -> Clinic {
        Clinic::fold(self.clinic.id, &self.items)
    }

    /// What a node has that holds only the first entries of each log.
    fn part(mut self, more: [u64; 4]) -> Self {
        let authors = self.authors;
        self.items.retain(|item| {
            let who = authors.iter().position(|author| *author == item.id.author);
            // The grants stand in the first four entries.
            who.is_some_and(|who| item.id.seq <= more[who] + 4)
        });
        self
    }

    fn take(&mut self, step: &Step) {
        let who = step.who;
        for other in (0..4).filter(|other| step.reads >> other & 1 == 1) {
            self.read[who][other] = self.written[other];
        }
        self.times[who] += step.waits;
        let act = if who == 3 {
            self.root_act(step)
        } else {
            self.act(step)
        };
        self.written[who] += 1;
        let read = (0..4).filter(|other| *other != who && self.read[who][*other] > 0);
        let mut seen: Vec<Seen> = read
            .map(|other| Seen {
                author: self.authors[other],
                seq: self.read[who][other],
            })
            .collect();
        seen.sort();
        self.items.push(Item {
            id: StatementId {
                author: self.authors[who],
                seq: self.written[who],
            },
            time: Hlc(self.times[who]),
            statement: Statement { seen, act },
        });
    }

    fn root_act(&self, step: &Step) -> Act {
        Act::AdminEnded {
            admin: self.authors[step.one % 3].as_admin(),
            last: step.two as u64 * 3,
        }
    }

    fn act(&self, step: &Step) -> Act {
        let staff = staff(PEOPLE[step.one]);
        let room = room(["rounds", "lunch"][step.two % 2]);
        let invitation = InvitationId::new([step.two as u8; 16]);
        let office = OFFICES[step.one];
        match step.kind {
            0 | 1 => self.enrolment(step, None),
            2 => self.enrolment(step, Some(invitation)),
            3 => Act::DeviceRevoked {
                revocation: self.revocation(office, step.two as u64),
            },
            4 => Act::StaffAdded {
                staff,
                facts: facts(PEOPLE[step.one], [OFFICES[step.two]]),
            },
            5 => Act::StaffChanged {
                staff,
                facts: facts(PEOPLE[step.one], [OFFICES[step.two]]),
                lifts: self.suspensions(step.who),
            },
            6 => Act::StaffSuspended { staff },
            7 => policy(step.one as u32 + 1, step.two as u16 + 1),
            8 => Act::MeshKeyRotated {
                epoch: step.one as u32,
                commitment: Hash::new([step.two as u8; 32]),
            },
            // More of a plan than of most other things: it stands or falls with every change beside it.
            15 | 16 => Act::MeshKeysPlanned {
                first: step.one as u32 + 2,
                begins: NOON.plus(days(step.two as u64)),
                commitments: vec![Hash::new([step.one as u8; 32]); step.two + 1],
            },
            9 => Act::RoomCreated {
                room,
                name: name(office),
                history: History::All,
                members: vec![staff],
            },
            10 | 11 => Act::MembersChanged {
                room,
                add: vec![staff],
                remove: vec![],
            },
            12 => Act::MembersChanged {
                room,
                add: vec![],
                remove: vec![staff],
            },
            13 => Act::InvitationIssued {
                invitation: Invitation {
                    id: invitation,
                    commitment: Hash::ZERO,
                    office: name(office),
                    name: name(office),
                    kind: DeviceKind::Node,
                    expires: NOON,
                },
            },
            _ => Act::InvitationUsed {
                invitation,
                by: (step.one > 1).then(|| self.clinic.draft(office).device),
            },
        }
    }

    /// A sound certificate, a renewal, or one with another device's Noise key or number.
    fn enrolment(&self, step: &Step, invitation: Option<InvitationId>) -> Act {
        let mut certificate = self.clinic.draft(OFFICES[step.one]);
        let other = self.clinic.draft(OFFICES[(step.one + 1) % 4]);
        match step.two {
            0 => {}
            1 => certificate.not_after = certificate.not_after.minus(days(step.waits + 1)),
            2 => certificate.noise_key = other.noise_key,
            _ => certificate.serial = other.serial,
        }
        Act::DeviceEnrolled {
            certificate: self.clinic.certify(ADMINS[step.who], &certificate),
            invitation,
            address: None,
        }
    }

    fn revocation(&self, office: &str, seq: u64) -> Revocation {
        let certificate = self.clinic.draft(office);
        Revocation {
            device: certificate.device,
            serial: certificate.serial,
            noise_key: certificate.noise_key,
            ends: vec![LogEnd {
                space: Space::Record,
                epoch: Epoch(1),
                seq,
            }],
            at: NOON.plus(minutes(seq)),
        }
    }

    /// The suspensions that this signer knows of.
    fn suspensions(&self, who: usize) -> Vec<StatementId> {
        let known = self.items.iter().filter(|item| {
            let other = self
                .authors
                .iter()
                .position(|author| *author == item.id.author);
            let is_known = |other| other == who || self.read[who][other] >= item.id.seq;
            matches!(item.statement.act, Act::StaffSuspended { .. }) && other.is_some_and(is_known)
        });
        let mut lifts: Vec<StatementId> = known.map(|item| item.id).collect();
        lifts.sort();
        lifts
    }

    /// The statements that count, as the fold says.
    fn counted(&self, clinic: &Clinic) -> Vec<&Item> {
        let counts = |item: &&Item| !clinic.void.contains_key(&item.id);
        self.items.iter().filter(counts).collect()
    }
}

/// Runs `test` on many random histories; the same ones every time.
fn for_histories<S: Strategy>(strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed("histories", ""));
    let config = Config {
        cases: 256,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng);
    if let Err(failure) = runner.run(&strategy, test) {
        panic!("{failure}");
    }
}

#[test]
fn any_order_of_the_same_statements_makes_the_same_clinic() {
    for_histories(shuffled(), |(steps, places)| {
        let play = Play::all(&steps);
        let items = &play.items;
        let others: Vec<&Item> = places
            .iter()
            .map(|place| &items[place % items.len()])
            .collect();
        let missing = items.iter().filter(|item| !others.contains(item));
        let shuffled = Clinic::fold(play.clinic.id, others.iter().copied().chain(missing));
        prop_assert_eq!(shuffled, play.fold());
        Ok(())
    });
}

#[test]
fn a_fold_that_follows_an_earlier_one_makes_the_same_clinic() {
    for_histories(parts(), |(steps, more)| {
        let all = Play::all(&steps);
        let earlier = all.clone().part(more).fold();
        prop_assert_eq!(earlier.fold_again(&all.items, &[]), all.fold());
        Ok(())
    });
}

#[test]
fn no_interleaving_makes_a_revoked_device_a_member() {
    for_histories(parts(), |(steps, more)| {
        let play = Play::all(&steps).part(more);
        let clinic = play.fold();
        for item in play.counted(&clinic) {
            let Act::DeviceRevoked { revocation } = &item.statement.act else {
                continue;
            };
            prop_assert!(!clinic.is_member(&revocation.device));
            for (_, member) in clinic.members() {
                prop_assert_ne!(member.certificate.noise_key, revocation.noise_key);
                prop_assert_ne!(member.certificate.serial, revocation.serial);
            }
        }
        Ok(())
    });
}

#[test]
fn what_is_revoked_stays_revoked_when_more_is_known() {
    for_histories(parts(), |(mut steps, more)| {
        steps.retain(|step| step.who != 3);
        let some = Play::all(&steps).part(more).fold();
        let all = Play::all(&steps).fold();
        for device in some.revocations.keys() {
            prop_assert!(all.revocations.contains_key(device));
            prop_assert!(!all.is_member(device));
        }
        Ok(())
    });
}

/// The rule of membership as one would say it, at the price of comparing every pair of statements.
fn plainly_is_member(counted: &[&Item], clinic: &Clinic, who: &StaffId, which: &RoomId) -> bool {
    let adds = |item: &&&Item| match &item.statement.act {
        Act::MembersChanged { room, add, .. } => room == which && add.contains(who),
        Act::RoomCreated { room, members, .. } => room == which && members.contains(who),
        _ => false,
    };
    let removes = |item: &&&Item| match &item.statement.act {
        Act::MembersChanged { room, remove, .. } => room == which && remove.contains(who),
        _ => false,
    };
    let after = |later: &Item, earlier: &Item| {
        if later.id.author == earlier.id.author {
            later.id.seq > earlier.id.seq
        } else {
            later.statement.has_seen(earlier.id)
        }
    };
    let undone = |addition: &Item| {
        let mut removals = counted.iter().filter(removes);
        removals.any(|removal| !after(addition, removal))
    };
    clinic.rooms.contains_key(which) && counted.iter().filter(adds).any(|item| !undone(item))
}

#[test]
fn a_removed_member_is_back_only_by_an_addition_that_had_seen_every_removal() {
    for_histories(parts(), |(steps, more)| {
        let play = Play::all(&steps).part(more);
        let clinic = play.fold();
        let counted = play.counted(&clinic);
        for who in PEOPLE.map(staff) {
            for which in ["rounds", "lunch"].map(room) {
                let found = clinic.rooms.get(&which);
                let member = found.is_some_and(|room| room.members.contains_key(&who));
                let plainly = plainly_is_member(&counted, &clinic, &who, &which);
                prop_assert_eq!(member, plainly);
            }
        }
        Ok(())
    });
}

#[test]
fn void_statements_change_nothing() {
    for_histories(parts(), |(steps, more)| {
        let play = Play::all(&steps).part(more);
        let clinic = play.fold();
        let has_effect = |item: &&Item| match clinic.void.get(&item.id) {
            // A device under a revoked key is listed as revoked with it.
            None | Some(VoidReason::Revoked) => true,
            Some(_) => false,
        };
        let mut rest = Clinic::fold(clinic.id, play.items.iter().filter(has_effect));
        // What void statements said is kept in these two, and nothing but that.
        rest.void.clone_from(&clinic.void);
        rest.once_listed.clone_from(&clinic.once_listed);
        prop_assert_eq!(rest, clinic);
        Ok(())
    });
}

#[test]
fn nothing_that_an_ended_admin_signed_beyond_the_last_counts() {
    for_histories(history(), |steps| {
        let play = Play::all(&steps);
        let clinic = play.fold();
        for item in &play.items {
            let admin = clinic.admins.get(&item.id.author.as_admin());
            let last = admin.and_then(|admin| admin.last);
            if last.is_some_and(|last| item.id.seq > last) {
                prop_assert_eq!(clinic.void.get(&item.id), Some(&VoidReason::AfterTheEnd));
            }
        }
        Ok(())
    });
}

#[test]
fn each_invitation_lets_at_most_one_device_in() {
    for_histories(parts(), |(steps, more)| {
        let play = Play::all(&steps).part(more);
        let clinic = play.fold();
        let mut used: BTreeMap<(AuthorId, InvitationId), DeviceId> = BTreeMap::new();
        for item in play.counted(&clinic) {
            let Act::DeviceEnrolled {
                certificate,
                invitation: Some(invitation),
                ..
            } = &item.statement.act
            else {
                continue;
            };
            let opened = Certificate::open(certificate, &clinic.id).expect("it counts");
            let first = *used
                .entry((item.id.author, *invitation))
                .or_insert(opened.device);
            prop_assert_eq!(first, opened.device);
        }
        Ok(())
    });
}
