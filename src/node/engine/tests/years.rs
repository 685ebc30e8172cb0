//! Ten years of a clinic, with real engines: certificates, mesh keys and grants as time passes them by.

use std::time::Duration;

use super::mesh::Mesh;
use crate::domain::cert::Scopes;
use crate::domain::id::StaffId;
use crate::domain::mesh_keys::{MESH_KEY_LIFE, PLANNED_FEW, PLANNED_MAX};
use crate::domain::space::Space;
use crate::domain::statement::Act;
use crate::domain::testing::{NOON, SampleClinic, days, mesh_key};
use crate::domain::time::WallTime;
use crate::domain::trust::MeshKey;
use crate::node::engine::{Command, Reply};

const OFFICES: [&str; 4] = ["front-desk", "lab", "pharmacy", "ward-2"];

const YEARS: u64 = 10;

/// Days of a year; the admin comes on the first.
const YEAR: u64 = 365;

/// Days from one look at the clinic to the next: the engines run for some seconds of each.
const STEP: u64 = 5;

/// The days of each year on which the whole clinic is closed; it was last looked at some days before.
const CLOSED: std::ops::Range<u64> = 350..364;

/// Long enough for links, for a turn each to renew, and for what follows from that.
const LOOK: Duration = Duration::from_secs(12);

/// A clinic as the years pass, and what became of it.
struct Years {
    mesh: Mesh,
    people: Vec<StaffId>,
    room: Space,
    /// The admin who signs this year.
    admin: String,
    /// When each mesh key was first used by everybody who was there.
    changes: Vec<(u32, u64)>,
    /// Holidays after which no certificate was left that held, and an admin certified one node.
    certified: Vec<u64>,
    /// How often an office came back whose certificate had ended, and was renewed without anybody.
    came_back: usize,
}

impl Years {
    fn begin() -> Self {
        let mut clinic = SampleClinic::of([]);
        for office in OFFICES {
            clinic.enrol_renewer(office);
        }
        let people = OFFICES.map(|office| clinic.staff(office, [office]));
        let room = clinic.room("rounds", people);
        let mut mesh = Mesh::of(clinic);
        mesh.times_count = true;
        Self {
            mesh,
            people: people.into(),
            room,
            admin: crate::domain::testing::ADMIN.to_owned(),
            changes: Vec::new(),
            certified: Vec::new(),
            came_back: 0,
        }
    }

    fn now(&self) -> WallTime {
        NOON.plus(self.mesh.time)
    }

    fn until(&self, at: &str, office: &str) -> WallTime {
        let device = self.mesh.clinic.device(office).id;
        let clinic = self.mesh.offices[at].engine.clinic();
        clinic.devices[&device].certificate.not_after
    }

    fn holds(&self, office: &str) -> bool {
        self.until(office, office) > self.now()
    }

    /// The admin comes by: plans mesh keys where few are left, and has a successor while the grant holds.
    fn admin_comes(&mut self) {
        self.mesh.clinic.now = self.now();
        let grant = &self.mesh.clinic.admins[&self.admin].grant;
        if grant.not_after < self.now().plus(days(YEAR + STEP)) {
            self.admin = "Sam".to_owned();
            self.mesh.clinic.admin(&self.admin, Scopes::of(Scopes::ALL));
        }
        let keys = &self.mesh.offices["front-desk"].engine.clinic().mesh_keys;
        let waiting = keys.to_come(self.now()).count();
        let (first, begins) = keys.next_plan(self.now());
        let mut made = Vec::new();
        if waiting < PLANNED_FEW {
            made.extend(
                (first..)
                    .take(PLANNED_MAX - waiting)
                    .map(|n| (n, mesh_key(n))),
            );
            let id = self.mesh.clinic.id;
            let commitments = made.iter().map(|(n, key)| key.commitment(&id, *n));
            let act = Act::MeshKeysPlanned {
                first,
                begins,
                commitments: commitments.collect(),
            };
            self.mesh.clinic.say_as(&self.admin, act);
        }
        self.submit(made);
    }

    fn submit(&mut self, mesh_keys: Vec<(u32, MeshKey)>) {
        // The sample clinic's clock is where the mesh begins to count.
        self.mesh.clinic.now = NOON;
        let segments = self.mesh.clinic.segments.clone();
        let command = Command::Submit {
            segments,
            mesh_keys,
        };
        let ticket = self.mesh.ask("front-desk", command);
        let reply = self.mesh.answer("front-desk", ticket);
        let taken = matches!(reply, Some(Reply::Submitted(void)) if void.is_empty());
        assert!(taken, "{reply:?}");
    }

    /// An admin runs `device renew` for the front desk.
    fn admin_certifies_one(&mut self, day: u64) {
        self.mesh.clinic.now = self.now();
        let admin = self.admin.clone();
        let capabilities = self
            .mesh
            .clinic
            .device("front-desk")
            .certificate
            .capabilities;
        self.mesh.clinic.enrol_by(&admin, "front-desk", |draft| {
            draft.capabilities = capabilities;
            let seed = crate::domain::testing::seed16("again", &day.to_string());
            draft.serial = crate::domain::id::Serial::new(seed);
        });
        self.submit(Vec::new());
        self.certified.push(day);
    }

    /// An office whose certificate has ended asks another one, by the protocol that is there for it.
    fn asks_to_be_renewed(&mut self, office: &str) {
        let device = self.mesh.clinic.device(office).id;
        let others = OFFICES.into_iter().filter(|other| *other != office);
        let by = others.into_iter().find(|other| self.holds(other));
        let by = by.expect("somebody is there");
        let ticket = self.mesh.ask(by, Command::Renew { device });
        let Some(Reply::Renewed(signed)) = self.mesh.answer(by, ticket).cloned() else {
            panic!("{office} is not renewed by {by}");
        };
        let mut shown = self.mesh.clinic.device(office).credentials();
        shown.certificate = *signed;
        let office = self.mesh.offices.get_mut(office).expect("it runs");
        office.shown = Some(shown);
        self.came_back += 1;
    }

    /// Looks at the clinic on one day, with at most one office closed.
    fn look(&mut self, day: u64, closed: Option<&str>) {
        let open = OFFICES.into_iter().filter(|office| Some(*office) != closed);
        let open: Vec<&str> = open.collect();
        if !open.iter().any(|office| self.holds(office)) {
            self.admin_certifies_one(day);
        }
        for office in &open {
            if !self.holds(office) {
                self.asks_to_be_renewed(office);
            }
        }
        self.mesh.run_for(LOOK);
        for office in &open {
            assert!(self.holds(office), "day {day}: {office} is open and out");
            assert_eq!(
                self.mesh.peers_of(office).len(),
                open.len() - 1,
                "day {day}"
            );
        }
        self.note_mesh_key(day, &open);
    }

    fn note_mesh_key(&mut self, day: u64, open: &[&str]) {
        let used = open.iter().map(|office| {
            let keys = &self.mesh.offices[*office].engine.trust.mesh_keys;
            keys.newest().expect("they have one").0
        });
        let used: Vec<u32> = used.collect();
        assert!(
            used.iter().all(|key| *key == used[0]),
            "day {day}: {used:?}"
        );
        if self.changes.last().is_none_or(|(key, _)| *key != used[0]) {
            self.changes.push((used[0], day));
        }
    }

    fn year(&mut self, year: u64) {
        let holiday = OFFICES[(year % 4) as usize];
        let summer = 180 + 7 * (year % 4)..201 + 7 * (year % 4);
        for day in (0..YEAR).step_by(STEP as usize) {
            let closed = summer.contains(&day).then_some(holiday);
            match closed {
                Some(office) => self.mesh.cut(office),
                None => self.mesh.heal(holiday),
            }
            if !CLOSED.contains(&day) {
                if day == 0 {
                    self.admin_comes();
                }
                self.look(year * YEAR + day, closed);
            }
            let passed = self.mesh.time;
            let next = days(year * YEAR + day + STEP);
            self.mesh.sleep(next.saturating_sub(passed));
        }
    }
}

#[test]
fn ten_years_with_holidays_and_an_admin_once_a_year_bring_no_outage() {
    let mut years = Years::begin();
    for year in 0..YEARS {
        years.year(year);
    }
    years.look(YEARS * YEAR, None);
    // Ninety days each, seen at the next look; at the longest two weeks later.
    let key_days = MESH_KEY_LIFE.as_secs() / (24 * 3600);
    for pair in years.changes.windows(2) {
        let [(before, from), (after, to)] = [pair[0], pair[1]];
        assert_eq!(after, before + 1);
        let late = (to - from).abs_diff(key_days);
        assert!(late <= 15 + STEP, "key {after}: after {} days", to - from);
    }
    assert!(years.changes.len() as u64 >= YEARS * YEAR / key_days);
    assert_eq!(years.admin, "Sam", "the first grant has ended");
    assert!(years.came_back > 3, "{} came back", years.came_back);
    assert_eq!(years.certified, [0; 0], "nobody had to be certified anew");
    for (office, staff) in OFFICES.into_iter().zip(years.people.clone()) {
        let posted = years.mesh.post(office, staff, years.room, office);
        posted.expect("posted");
        years.mesh.run_for(Duration::from_secs(2));
    }
    for (office, staff) in OFFICES.into_iter().zip(years.people.clone()) {
        let texts = years.mesh.texts(office, staff, years.room);
        assert_eq!(texts, OFFICES, "{office}");
        let clinic = years.mesh.offices[office].engine.clinic();
        assert!(clinic.not_renewed.is_empty(), "nobody signed in vain");
        assert!(clinic.void.is_empty());
    }
}

/// All of them have the same age here, as where a clinic was founded in a day: ten days are left of each certificate
/// when it is closed, not thirty.
#[test]
fn a_clinic_that_is_closed_for_two_weeks_before_anybody_is_renewed_needs_an_admin() {
    let mut years = Years::begin();
    years.mesh.sleep(days(19));
    years.look(19, None);
    years.mesh.sleep(days(14));
    years.look(33, None);
    assert_eq!((years.certified, years.came_back), (vec![33], 3));
}
