//! Doing what a plan says: what staff, admins and the weather do.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use clinic_mesh::domain::audit::Origin;
use clinic_mesh::domain::id::{InvitationId, StaffId};
use clinic_mesh::domain::log::Segment;
use clinic_mesh::domain::mesh_keys::MESH_KEYS;
use clinic_mesh::domain::message::EntryId;
use clinic_mesh::domain::policy::{Policy, Switch, TwoAdmins};
use clinic_mesh::domain::sign::SigningKey;
use clinic_mesh::domain::space::Space;
use clinic_mesh::domain::statement::{
    Act, History, Invitation, LogEnd, Proposal, Seen, StatementId,
};
use clinic_mesh::node::engine::{Command, Commit, Room};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::clinic::{Authority, DAY, LEE, ROBIN, name, record_log};
use super::disk::Disk;
use super::plan::{Kind, Op, Plan};
use super::world::{Event, Waiting, World};

/// Milliseconds of an hour.
pub(super) const HOUR: u64 = 3_600_000;

impl World {
    /// The world at the beginning of a plan: a founded clinic whose first machines run.
    pub(crate) fn founded(plan: &Plan) -> Self {
        let machines = plan.machines + usize::from(plan.evil);
        let authority = Authority::new(machines, plan.people, plan.rooms, plan.witnesses);
        let mut world = Self::new(plan.seed, authority);
        world.rows = plan.rows;
        world.groups = plan.groups;
        world.net.delay = 20;
        world.found(plan);
        let first = if plan.evil { Some(machines - 1) } else { None };
        for machine in (0..plan.running).chain(first) {
            let disk = world.enrolment_disk(None);
            world.install(machine, disk, Some(machine) == first);
        }
        world.schedule(10, Event::Dial);
        world
    }

    /// The first statements, as `authority init` and the first days make them.
    fn found(&mut self, plan: &Plan) {
        let root = self.authority.root.clone();
        let founded = Act::Founded {
            name: name("Sample Clinic"),
        };
        self.sign(&root, Vec::new(), founded);
        for admin in [ROBIN, 1, LEE] {
            let act = self.authority.grant(admin);
            self.sign(&root, Vec::new(), act);
        }
        let robin = self.authority.admins[ROBIN].key.clone();
        let act = self.authority.rotate(1);
        self.sign(&robin, Vec::new(), act);
        let evil = plan.evil.then_some(plan.machines);
        for machine in (0..plan.running).chain(evil) {
            let now = self.true_wall();
            let act = self.authority.enrol(machine, ROBIN, now, None);
            self.sign(&robin, Vec::new(), act);
        }
        for person in 0..plan.people {
            let homes = self.some_offices(2);
            let facts = self.authority.facts(person, &homes);
            let staff = self.authority.staff[person];
            self.sign(&robin, Vec::new(), Act::StaffAdded { staff, facts });
        }
        for room in 0..2 {
            let members = self.some_people(3);
            let history = [History::All, History::Nothing][room % 2];
            let act = self.authority.room(room, history, &members);
            self.sign(&robin, Vec::new(), act);
        }
    }

    fn some_offices(&mut self, most: u64) -> Vec<usize> {
        let count = 1 + self.chance(most);
        let offices = 4.min(self.authority.machines.len() as u64);
        (0..count).map(|_| self.chance(offices) as usize).collect()
    }

    fn some_people(&mut self, most: u64) -> Vec<usize> {
        let count = 1 + self.chance(most);
        let people = self.authority.staff.len() as u64;
        (0..count).map(|_| self.chance(people) as usize).collect()
    }

    /// Signs a statement and notes that it exists.
    pub(crate) fn sign(&mut self, key: &SigningKey, seen: Vec<Seen>, act: Act) -> StatementId {
        let now = self.true_wall();
        let id = self.authority.say(key, seen, now, act);
        (self.all, self.ever) = (None, None);
        let author = key.id();
        if let Some(segment) = self.authority.segments[&author].last().cloned() {
            self.note_written(&segment);
        }
        id
    }

    /// A disk as enrolment leaves it: the record as a node holds it (or all of it), and mesh keys.
    fn enrolment_disk(&mut self, from: Option<usize>) -> Disk {
        let segments: Vec<Arc<Segment>> = match from {
            None => self
                .authority
                .everything()
                .into_iter()
                .map(Arc::new)
                .collect(),
            Some(node) => {
                let disk = &self.nodes[node].disk;
                let logs = disk.of_space(&Space::Record);
                logs.flat_map(|(_, stored)| stored.rows.clone()).collect()
            }
        };
        let mesh_keys = match from {
            None => self.authority.mesh_keys.clone(),
            Some(node) => self.nodes[node].disk.mesh_keys.clone(),
        };
        let commit = Commit {
            segments,
            mesh_keys: mesh_keys.into_iter().collect(),
            ..Commit::default()
        };
        let mut disk = Disk::default();
        let clinic = self.authority.id;
        disk.apply(&clinic, &commit)
            .expect("a record fits an empty disk");
        disk
    }

    /// Does one thing of a plan.
    pub(crate) fn act(&mut self, op: &Op) {
        self.trace.note(op.salt);
        self.change_condition(op.salt);
        let mut rng = StdRng::seed_from_u64(op.salt);
        let rng = &mut rng;
        match op.kind {
            Kind::Post => self.post(rng, 1),
            Kind::Burst => self.post(rng, 30),
            Kind::Acknowledge => self.acknowledge(rng),
            Kind::Read => self.read_page(rng),
            Kind::Password => self.password(rng),
            Kind::Amend => self.amend(rng),
            Kind::Retract => self.retract(rng),
            Kind::Enrol => self.enrol(rng),
            Kind::Revoke => self.revoke(rng, false),
            Kind::RevokeWithEnds => self.revoke(rng, true),
            Kind::Move => self.move_person(rng),
            Kind::Suspend => self.suspend(rng),
            Kind::Lift => self.lift(rng),
            Kind::CreateRoom => self.create_room(rng),
            Kind::AddMember => self.members(rng, true),
            Kind::RemoveMember => self.members(rng, false),
            Kind::SetPolicy => self.set_policy(rng),
            Kind::Rotate => self.rotate(rng),
            Kind::Invite => self.invite(rng),
            Kind::GrantAdmin => self.grant_admin(rng),
            Kind::EndAdmin => self.end_admin(rng),
            Kind::Renew => self.renew_all(DAY.as_millis() as u64 * 20),
            Kind::Contend => self.contend(rng),
            Kind::StealRoot => self.steal_root(rng),
            Kind::RotateRoot => {
                let node = self.some_node(rng);
                self.rotate_root(node);
            }
            Kind::Cut | Kind::CutOneWay => self.cut_someone(rng, op.kind == Kind::CutOneWay),
            Kind::HealNet => {
                self.heal_net();
                self.net.delay = 20;
            }
            Kind::BreakLink => self.break_link(rng),
            Kind::Duplicate => self.duplicate(rng),
            Kind::SlowNet => self.net.delay = rng.random_range(100..3000),
            Kind::Crash | Kind::CrashMid => self.crash_someone(rng, op.kind == Kind::CrashMid),
            Kind::Start => {
                for node in 0..self.nodes.len() {
                    self.start(node);
                }
            }
            Kind::Snapshot => {
                for node in &mut self.nodes {
                    node.snapshots = vec![node.disk.clone()];
                }
            }
            Kind::Rollback => self.roll_back(rng),
            Kind::SlowDisk => {
                let node = self.some_node(rng);
                self.nodes[node].disk_ms = rng.random_range(50..5000);
            }
            Kind::DiskFull => {
                let node = self.some_node(rng);
                self.room(node, Room::NearlyFull);
            }
            Kind::DiskRoom => {
                for node in 0..self.nodes.len() {
                    self.nodes[node].disk_ms = 5;
                    self.room(node, Room::Enough);
                }
            }
            Kind::ClockStep => self.step_clock(rng),
            Kind::ClockFix => {
                for node in &mut self.nodes {
                    (node.skew, node.drift) = (0, 0);
                }
            }
            Kind::Drift => {
                let node = self.some_node(rng);
                self.nodes[node].drift = rng.random_range(-500..=500);
            }
            Kind::Nap => self.leap(rng.random_range(HOUR / 60..2 * HOUR)),
            Kind::Night => self.leap(rng.random_range(6 * HOUR..30 * HOUR)),
            Kind::Weeks => self.weeks(rng),
            _ => self.attack(op.kind, rng),
        }
    }

    fn post(&mut self, rng: &mut StdRng, count: usize) {
        let node = self.some_node(rng);
        let (staff, space) = self.someone_at(node, rng);
        for number in 0..count {
            let text = format!("message {} of {}", number, rng.random::<u32>());
            let command = Command::Post {
                staff,
                origin: Origin::Socket,
                space,
                written: text.as_str().into(),
            };
            self.ask(node, command, Waiting::Post { node, text });
        }
    }

    fn acknowledge(&mut self, rng: &mut StdRng) {
        let node = self.some_node(rng);
        let (staff, space) = self.someone_at(node, rng);
        let stored = self.nodes[node].disk.of_space(&space).next();
        let Some(entry) = stored.map(|(log, stored)| EntryId::new(log, stored.head.seq)) else {
            return;
        };
        let command = Command::Acknowledge {
            staff,
            origin: Origin::Socket,
            entry,
        };
        self.ask(node, command, Waiting::Other { node });
    }

    fn read_page(&mut self, rng: &mut StdRng) {
        let node = self.some_node(rng);
        let (staff, space) = self.someone_at(node, rng);
        let limit = rng.random_range(1..20);
        self.read(node, staff, space, limit);
        let stored = self.nodes[node].disk.of_space(&space).next();
        let newest = stored.map(|(log, stored)| EntryId::new(log, stored.head.seq));
        if let Some(entry) = newest {
            let command = Command::Open {
                staff,
                origin: Origin::Socket,
                entry,
            };
            self.ask(node, command, Waiting::Other { node });
        }
    }

    /// Everybody at home reads the newest page of every conversation held.
    pub(crate) fn look(&mut self, node: usize) {
        let model = self.model(node);
        let device = self.nodes[node].device;
        let logs = self.nodes[node].disk.logs.keys();
        let spaces: BTreeSet<Space> = logs.map(|log| log.space).collect();
        for space in spaces.iter().filter(|space| space.is_conversation()) {
            let people = self.authority.staff.clone();
            let reader = people
                .into_iter()
                .find(|staff| model.ever_at_home(&device, staff) && model.ever_in(staff, space));
            if let Some(staff) = reader {
                self.read(node, staff, *space, 20);
            }
        }
    }

    /// Asks for the newest page of a conversation.
    pub(crate) fn read(
        &mut self,
        node: usize,
        staff: StaffId,
        space: Space,
        limit: usize,
    ) -> clinic_mesh::node::engine::Ticket {
        let command = Command::Read {
            staff,
            origin: Origin::Socket,
            space,
            before: None,
            limit,
        };
        let known = self.model(node);
        let waiting = Waiting::Read {
            node,
            staff,
            space,
            known,
            horizon: self.nodes[node].disk.horizon,
            gone: self.nodes[node].disk.taken_back(),
        };
        self.ask(node, command, waiting)
    }

    fn password(&mut self, rng: &mut StdRng) {
        let node = self.some_node(rng);
        let (staff, _) = self.someone_at(node, rng);
        let command = Command::SetPassword {
            staff,
            phc: format!("$argon2id$v=19${}", rng.random::<u32>()),
            origin: Origin::Socket,
        };
        self.ask(node, command, Waiting::Other { node });
    }

    /// An admin in office; mostly Robin.
    fn some_admin(&self, rng: &mut StdRng) -> usize {
        let admin = [ROBIN, ROBIN, 1, 3][rng.random_range(0..4)];
        if self.authority.in_office(admin) {
            admin
        } else {
            ROBIN
        }
    }

    /// An admin signs an act, having seen what a node holds, and gives it to that node.
    pub(crate) fn say(&mut self, node: usize, admin: usize, act: Act) -> StatementId {
        let key = self.authority.admins[admin].key.clone();
        let seen = self.seen_at(node, &key);
        let id = self.sign(&key, seen, act);
        self.submit(node, &key);
        id
    }

    fn seen_at(&self, node: usize, key: &SigningKey) -> Vec<Seen> {
        let logs = self.nodes[node].disk.of_space(&Space::Record);
        logs.filter(|(log, stored)| log.author != key.id() && stored.head.seq > 0)
            .map(|(log, stored)| Seen {
                author: log.author,
                seq: stored.head.seq,
            })
            .collect()
    }

    /// Gives a node everything that one key signed, with the mesh keys.
    pub(crate) fn submit(&mut self, node: usize, key: &SigningKey) {
        let command = Command::Submit {
            segments: self.authority.segments[&key.id()].clone(),
            mesh_keys: self.authority.mesh_keys.clone().into_iter().collect(),
        };
        self.ask(node, command, Waiting::Other { node });
    }

    fn enrol(&mut self, rng: &mut StdRng) {
        let node = self.some_node(rng);
        let honest = self.authority.machines.len();
        let installed = |machine: &usize| self.nodes.iter().any(|node| node.machine == *machine);
        let Some(machine) = (0..honest).find(|machine| !installed(machine)) else {
            return;
        };
        let admin = self.some_admin(rng);
        let now = self.true_wall();
        let act = self.authority.enrol(machine, admin, now, None);
        self.say(node, admin, act);
        let mut disk = self.enrolment_disk(Some(node));
        let author = self.authority.admins[admin].key.id();
        let held = disk
            .logs
            .get(&record_log(author))
            .map_or(0, |log| log.head.seq);
        let rest = self.authority.segments[&author].iter();
        let commit = Commit {
            segments: rest
                .filter(|segment| segment.first > held)
                .cloned()
                .map(Arc::new)
                .collect(),
            ..Commit::default()
        };
        let clinic = self.authority.id;
        disk.apply(&clinic, &commit).expect("what follows fits");
        self.install(machine, disk, false);
    }

    fn revoke(&mut self, rng: &mut StdRng, with_ends: bool) {
        let node = self.some_node(rng);
        let admin = self.some_admin(rng);
        let victim = rng.random_range(0..self.nodes.len());
        // The first office stays, so that there is always a clinic.
        if self.nodes[victim].machine == 0 {
            return;
        }
        let device = self.nodes[victim].device;
        let logs = self.nodes[node].disk.logs.iter();
        let held = logs.filter(|(log, _)| log.author == device.into());
        let mut ends: Vec<LogEnd> = held
            .map(|(log, stored)| LogEnd {
                space: log.space,
                epoch: log.epoch,
                seq: stored.head.seq,
            })
            .collect();
        ends.sort_unstable();
        ends.truncate(if with_ends { ends.len() } else { 0 });
        let at = self.true_wall();
        if let Some(act) = self.authority.revoke(self.nodes[victim].machine, ends, at) {
            self.say(node, admin, act);
        }
    }

    fn move_person(&mut self, rng: &mut StdRng) {
        let node = self.some_node(rng);
        let person = rng.random_range(0..self.authority.staff.len());
        let offices: Vec<usize> = (0..rng.random_range(1..3))
            .map(|_| rng.random_range(0..4))
            .collect();
        let facts = self.authority.facts(person, &offices);
        let act = Act::StaffChanged {
            staff: self.authority.staff[person],
            facts,
            lifts: Vec::new(),
        };
        let admin = [self.some_admin(rng), LEE][rng.random_range(0..2)];
        self.say(node, admin, act);
    }

    fn suspend(&mut self, rng: &mut StdRng) {
        let node = self.some_node(rng);
        let admin = self.some_admin(rng);
        let person = rng.random_range(0..self.authority.staff.len());
        let staff = self.authority.staff[person];
        self.say(node, admin, Act::StaffSuspended { staff });
    }

    fn lift(&mut self, rng: &mut StdRng) {
        let node = self.some_node(rng);
        let admin = self.some_admin(rng);
        let suspensions: Vec<(StatementId, StaffId)> = self
            .authority
            .said
            .values()
            .filter_map(|said| match said.statement.act {
                Act::StaffSuspended { staff } => Some((said.id, staff)),
                _ => None,
            })
            .collect();
        let Some((id, staff)) = suspensions.last().copied() else {
            return;
        };
        let person = self
            .authority
            .staff
            .iter()
            .position(|found| *found == staff);
        let facts = self.authority.facts(person.unwrap_or(0), &[0, 1]);
        let act = Act::StaffChanged {
            staff,
            facts,
            lifts: vec![id],
        };
        self.say(node, admin, act);
    }

    fn create_room(&mut self, rng: &mut StdRng) {
        let node = self.some_node(rng);
        let admin = self.some_admin(rng);
        let all = self.everything();
        let rooms = &self.authority.rooms;
        let fresh = rooms.iter().position(|room| !all.rooms.contains_key(room));
        let Some(room) = fresh else { return };
        let history = [History::All, History::Nothing][rng.random_range(0..2)];
        let people = self.authority.staff.len();
        let members: Vec<usize> = (0..rng.random_range(1..4))
            .map(|_| rng.random_range(0..people))
            .collect();
        let act = self.authority.room(room, history, &members);
        self.say(node, admin, act);
    }

    fn members(&mut self, rng: &mut StdRng, add: bool) {
        let node = self.some_node(rng);
        let admin = [self.some_admin(rng), LEE][rng.random_range(0..2)];
        let act = self.change_members(rng, add);
        self.say(node, admin, act);
    }

    fn change_members(&mut self, rng: &mut StdRng, add: bool) -> Act {
        let room = self.authority.rooms[rng.random_range(0..self.authority.rooms.len())];
        let person = rng.random_range(0..self.authority.staff.len());
        let people = self.authority.people(&[person]);
        let (add, remove) = if add {
            (people, Vec::new())
        } else {
            (Vec::new(), people)
        };
        Act::MembersChanged { room, add, remove }
    }

    /// Two admins decide about the same person at once, neither having seen the other.
    fn contend(&mut self, rng: &mut StdRng) {
        let node = self.some_node(rng);
        let other = self.some_node(rng);
        let Act::MembersChanged { room, add, .. } = self.change_members(rng, true) else {
            return;
        };
        let keys = [ROBIN, LEE].map(|admin| self.authority.admins[admin].key.clone());
        let seen = [0, 1].map(|at| self.seen_at([node, other][at], &keys[at]));
        let removal = Act::MembersChanged {
            room,
            add: Vec::new(),
            remove: add.clone(),
        };
        let addition = Act::MembersChanged {
            room,
            add,
            remove: Vec::new(),
        };
        let [first, second] = seen;
        self.sign(&keys[0], first, removal);
        self.sign(&keys[1], second, addition);
        self.submit(node, &keys[0]);
        self.submit(other, &keys[1]);
    }

    fn set_policy(&mut self, rng: &mut StdRng) {
        let node = self.some_node(rng);
        let admin = self.some_admin(rng);
        let policy = Policy {
            version: self.authority.said.len() as u32,
            direct_days: rng.random_range(1..4),
            room_days: rng.random_range(1..4),
            opened_receipts: [Switch::On, Switch::Off][rng.random_range(0..2)],
            two_admins: (rng.random_range(0..8) == 0).then_some(TwoAdmins::ShorterRetention),
            ..Policy::initial()
        };
        match rng.random_range(0..4) {
            0 => self.propose(node, admin, policy, rng),
            _ => {
                self.say(node, admin, Act::PolicySet { policy });
            }
        }
    }

    /// One admin proposes; somebody approves at once, who may be the same, or not have heard of it.
    fn propose(&mut self, node: usize, admin: usize, policy: Policy, rng: &mut StdRng) {
        let proposal = Proposal::Policy { policy };
        let said = proposal.clone();
        let id = self.say(node, admin, Act::Proposed { proposal });
        let digest = said.digest(&self.authority.id, id);
        let (node, admin) = (self.some_node(rng), self.some_admin(rng));
        let proposal = id;
        self.say(node, admin, Act::Approved { proposal, digest });
    }

    fn rotate(&mut self, rng: &mut StdRng) {
        let node = self.some_node(rng);
        // Who sleeps through three rotations has to be enrolled again; that is no matter of sync.
        let left = MESH_KEYS.saturating_sub(self.authority.mesh_keys.len());
        if left == 0 {
            return;
        }
        let last = self.authority.mesh_keys.keys().next_back();
        let next = last.map_or(1, |epoch| epoch + 1);
        let act = if rng.random_range(0..2) == 0 {
            let begins = self
                .true_wall()
                .plus(Duration::from_millis(HOUR) * rng.random_range(0..48));
            let count = rng.random_range(1..=left) as u32;
            self.authority.plan(next, begins, count)
        } else {
            self.authority.rotate(next)
        };
        self.say(node, ROBIN, act);
    }

    fn invite(&mut self, rng: &mut StdRng) {
        let node = self.some_node(rng);
        let admin = self.some_admin(rng);
        let id = InvitationId::new(rng.random());
        let now = self.true_wall();
        let invitation = Invitation {
            id,
            commitment: clinic_mesh::domain::id::Hash::ZERO,
            office: name("office-1"),
            name: name("a machine"),
            kind: clinic_mesh::domain::cert::DeviceKind::Node,
            expires: now.plus(DAY),
        };
        self.say(node, admin, Act::InvitationIssued { invitation });
        if rng.random_range(0..2) == 0 {
            let used = Act::InvitationUsed {
                invitation: id,
                by: None,
            };
            self.say(node, admin, used);
        }
    }

    fn grant_admin(&mut self, rng: &mut StdRng) {
        let node = self.some_node(rng);
        if !self.authority.admins[3].granted && self.authority.stolen.is_none() {
            let act = self.authority.grant(3);
            self.root_says(node, act);
        }
    }

    fn root_says(&mut self, node: usize, act: Act) {
        let root = self.authority.root.clone();
        // The commands sign with a later root only where the record says that it is the root, and a node
        // refuses its statements before it knows of the change.
        if !self.authority.old_roots.is_empty() {
            self.bring_record(node);
        }
        let seen = self.seen_at(node, &root);
        self.sign(&root, seen, act);
        self.submit(node, &root);
    }

    fn end_admin(&mut self, rng: &mut StdRng) {
        let node = self.some_node(rng);
        let admin = [1, 3][rng.random_range(0..2)];
        if !self.authority.in_office(admin) || self.authority.stolen.is_some() {
            return;
        }
        let newest = self
            .authority
            .newest(&self.authority.admins[admin].key.id());
        let last = newest - rng.random_range(0..=newest.min(2));
        self.authority.admins[admin].last = Some(last);
        let act = Act::AdminEnded {
            admin: self.authority.admin_id(admin),
            last,
        };
        self.root_says(node, act);
    }

    /// Renews every certificate that ends within a time, and brings it to its machine.
    pub(crate) fn renew_all(&mut self, within: u64) {
        let soon = self.true_wall().0 + within;
        let all = self.everything();
        let due: Vec<usize> = (0..self.nodes.len())
            .filter(|node| {
                let found = &self.nodes[*node];
                let certificate = &self.authority.machines[found.machine].certificate;
                let ends = certificate.as_ref().map(|(found, ..)| found.not_after.0);
                all.in_good_standing(&found.device) && ends.is_some_and(|ends| ends < soon)
            })
            .collect();
        let robin = self.authority.admins[ROBIN].key.clone();
        for node in &due {
            let now = self.true_wall();
            let machine = self.nodes[*node].machine;
            let act = self.authority.enrol(machine, ROBIN, now, None);
            self.say(0, ROBIN, act);
        }
        for node in due {
            self.submit(node, &robin);
        }
    }
}
