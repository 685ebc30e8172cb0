//! An office that hears nobody ends days by its own clock, but no further than time can have passed.

use super::renewal::renewers;
use super::*;
use crate::domain::testing::seed16;
use crate::domain::time::Day;

/// Ana wrote to Ben on ward 2 before anything went wrong.
struct Ward {
    mesh: Mesh,
    ben: StaffId,
    rounds: Space,
}

impl Ward {
    fn new() -> Self {
        let (mut mesh, ana, rounds) = renewers();
        let written = mesh.post("front-desk", ana, rounds, "keep");
        written.expect("posted");
        mesh.run_for(minutes(1));
        let ben = StaffId::new(seed16("staff", "Ben"));
        Self { mesh, ben, rounds }
    }

    fn texts(&mut self) -> Vec<String> {
        self.mesh.texts("ward-2", self.ben, self.rounds)
    }

    /// The first day that is still alive on the ward's disk.
    fn horizon(&self) -> Day {
        self.mesh.offices["ward-2"].disk.horizon
    }

    /// The day that it really is.
    fn today(&self) -> Day {
        self.mesh.now("front-desk").wall.day()
    }

    fn set_clock(&mut self, ahead: Duration) {
        let ward = self.mesh.offices.get_mut("ward-2").expect("it runs");
        ward.skew = ahead.as_millis() as i64;
    }

    /// Connections break, as all do at times; whoever is admitted comes back.
    fn reconnect(&mut self) {
        self.mesh.cut("ward-2");
        self.mesh.heal("ward-2");
        self.mesh.run_for(minutes(1));
    }

    /// The machine is off for so long.
    fn off_for(&mut self, span: Duration, ahead: Duration) {
        let disk = self.mesh.crash("ward-2");
        self.mesh.sleep(span);
        self.mesh.start("ward-2", disk, ahead.as_millis() as i64);
    }

    /// It runs for so long.
    fn on_for(&mut self, span: Duration) {
        self.mesh.sleep(span);
        self.mesh.run_for(minutes(2));
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_clock_that_leaps_ahead_and_so_cuts_its_office_off_destroys_nothing_there() {
    for ahead in [days(40), days(400)] {
        for restarts in [0, 1, 3] {
            let mut ward = Ward::new();
            ward.set_clock(ahead);
            ward.reconnect();
            assert!(ward.mesh.peers_of("ward-2").is_empty(), "they look ended");
            ward.on_for(25 * HOUR);
            for _ in 0..restarts {
                ward.off_for(HOUR, ahead);
                ward.on_for(25 * HOUR);
            }
            assert!(ward.horizon() <= ward.today(), "{ahead:?}");

            ward.set_clock(Duration::ZERO);
            ward.mesh.run_for(minutes(2));
            assert_eq!(ward.mesh.peers_of("ward-2").len(), 2, "{ahead:?}");
            assert_eq!(ward.texts(), ["keep"], "{ahead:?}, {restarts} restarts");
        }
    }
}

#[test]
fn a_wrong_clock_that_is_put_right_by_a_restart_has_destroyed_nothing() {
    let mut ward = Ward::new();
    ward.set_clock(days(40));
    ward.reconnect();
    ward.on_for(25 * HOUR);
    ward.off_for(HOUR, Duration::ZERO);
    ward.mesh.heal("ward-2");
    ward.mesh.run_for(minutes(2));
    assert_eq!(ward.mesh.peers_of("ward-2").len(), 2);
    assert_eq!(ward.texts(), ["keep"]);
}

#[test]
fn an_office_that_is_cut_off_and_runs_on_ends_its_days_in_time() {
    let mut ward = Ward::new();
    ward.mesh.cut("ward-2");
    for _ in 0..29 {
        ward.on_for(days(1));
        assert_eq!(ward.horizon(), ward.today());
    }
    assert_eq!(ward.texts(), ["keep"]);
    ward.on_for(days(2));
    assert_eq!(ward.horizon(), ward.today());
    assert!(ward.texts().is_empty());
}

#[test]
fn an_office_that_is_cut_off_ends_its_days_after_a_long_weekend() {
    for off in [3, 4] {
        let mut ward = Ward::new();
        ward.mesh.cut("ward-2");
        ward.off_for(days(off), Duration::ZERO);
        ward.mesh.cut("ward-2");
        ward.on_for(days(1));
        assert_eq!(ward.horizon(), ward.today(), "off for {off} days");
    }
}

#[test]
fn an_office_that_was_off_for_weeks_ends_its_days_once_it_hears_another() {
    let mut ward = Ward::new();
    let before = ward.today();
    ward.mesh.times_count = false;
    ward.mesh.cut("ward-2");
    ward.off_for(days(21), Duration::ZERO);
    ward.mesh.cut("ward-2");
    ward.on_for(days(2));
    assert_eq!(ward.horizon(), before.plus(2), "what it ran for has passed");

    ward.mesh.heal("ward-2");
    ward.mesh.run_for(minutes(2));
    assert_eq!(ward.horizon(), ward.today());
}

#[test]
fn what_an_office_believes_at_its_start_gives_way_to_what_it_hears() {
    let mut ward = Ward::new();
    ward.off_for(HOUR, days(3));
    ward.mesh.run_for(minutes(2));
    assert_eq!(ward.mesh.peers_of("ward-2").len(), 2);
    ward.mesh.cut("ward-2");
    ward.on_for(25 * HOUR);
    assert_eq!(ward.horizon(), ward.today());
}

#[test]
fn a_clock_that_falls_back_ends_no_day_and_brings_none_back() {
    for back in [3 * HOUR, days(400)] {
        let mut ward = Ward::new();
        ward.mesh.cut("ward-2");
        ward.on_for(days(2));
        let before = ward.horizon();
        assert_eq!(before, ward.today());
        let office = ward.mesh.offices.get_mut("ward-2").expect("it runs");
        office.skew = -(back.as_millis() as i64);
        ward.on_for(12 * HOUR);
        assert_eq!(
            ward.horizon(),
            before.max(ward.mesh.now("ward-2").wall.day())
        );
        ward.set_clock(Duration::ZERO);
        ward.on_for(days(1));
        assert_eq!(ward.horizon(), ward.today(), "put right");
        assert_eq!(ward.texts(), ["keep"]);
    }
}

/// The other one's battery is flat: it says that it is the year 2000, and then it is gone for good.
#[test]
fn a_peer_whose_clock_is_far_behind_leaves_what_was_believed_as_it_was() {
    let mut ward = Ward::new();
    for other in ["front-desk", "pharmacy"] {
        if ward.mesh.offices.contains_key(other) {
            ward.mesh.cut(other);
        }
    }
    ward.off_for(HOUR, Duration::ZERO);
    let front = ward.mesh.offices.get_mut("front-desk").expect("it runs");
    front.skew = -(days(9000).as_millis() as i64);
    ward.mesh.times_count = false;
    ward.mesh.heal("front-desk");
    ward.mesh.run_for(minutes(1));
    assert_eq!(ward.mesh.peers_of("ward-2").len(), 1);
    ward.mesh.cut("front-desk");
    let front = ward.mesh.offices.get_mut("front-desk").expect("it runs");
    front.skew = 0;
    for _ in 0..3 {
        ward.on_for(days(1));
    }
    assert_eq!(ward.horizon(), ward.today());
}
