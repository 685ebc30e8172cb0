//! Ten years of a clinic in virtual time, by the rule alone.

use std::collections::BTreeSet;
use std::ops::Range;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::domain::cert::Scopes;
use crate::domain::contact::Contact;
use crate::domain::health::{self, Concern};
use crate::domain::id::AdminId;
use crate::domain::time::Clock;
use crate::domain::web::WebCertificate;

/// Days of ten years.
const TEN_YEARS: u64 = 3653;

/// An office that is closed from one day to another.
struct Closing {
    office: usize,
    days: Range<u64>,
}

/// Each office closes some times a year for one to nine weeks; two are always open.
fn closings(rng: &mut StdRng, offices: usize) -> Vec<Closing> {
    let mut all: Vec<Closing> = Vec::new();
    for _ in 0..offices * 40 {
        let first = rng.random_range(0..TEN_YEARS);
        let days = first..first + rng.random_range(7..63);
        let office = rng.random_range(0..offices);
        let others = all.iter().filter(|known| {
            known.office != office && known.days.start < days.end && days.start < known.days.end
        });
        let shut: BTreeSet<usize> = others.map(|known| known.office).collect();
        // Nobody is away twice without a day between: a season is what the rules allow for.
        let apart = all
            .iter()
            .filter(|known| known.office == office)
            .all(|known| known.days.end < days.start || days.end < known.days.start);
        if apart && shut.len() + 3 <= offices {
            all.push(Closing { office, days });
        }
    }
    all
}

/// A clinic, and what its nodes sign and count as the years pass.
struct Years {
    clinic: SampleClinic,
    names: Vec<String>,
    record: Clinic,
    clock: Clock,
    items: Vec<RenewalItem>,
}

impl Years {
    fn of(offices: usize) -> Self {
        let names: Vec<String> = (0..offices).map(|n| format!("office-{n}")).collect();
        let mut clinic = SampleClinic::of([]);
        for office in &names {
            clinic.enrol_renewer(office);
        }
        Self {
            record: clinic.record(),
            clinic,
            names,
            clock: Clock::default(),
            items: Vec::new(),
        }
    }

    fn id(&self, office: usize) -> DeviceId {
        self.clinic.device(&self.names[office]).id
    }

    fn certificate(&self, office: usize) -> &Certificate {
        &self.record.devices[&self.id(office)].certificate
    }

    /// One office renews another if it is its turn, as the engine would.
    fn meet(&mut self, by: usize, office: usize, now: WallTime) {
        let (signer, device) = (self.id(by), self.id(office));
        if !is_turn(&self.record, &signer, &device, now, minutes(60)) {
            return;
        }
        let seq = self.items.len() as u64 + 1;
        let serial = Serial::new(seed16("renewal", &seq.to_string()));
        let key = &self.clinic.device(&self.names[by]).key;
        let renewal = sign(self.certificate(office), now, serial, &self.clinic.id, key);
        let id = RenewalId {
            by: signer,
            epoch: Epoch(1),
            seq,
        };
        let item = RenewalItem {
            id,
            time: self.clock.tick(now),
            renewal,
        };
        self.record.apply_renewal(&item);
        self.items.push(item);
    }
}

/// Runs ten years; gives the number of renewals.
fn ten_years(seed: u64, offices: usize) -> usize {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut years = Years::of(offices);
    let closed = closings(&mut rng, offices);
    for day in 0..TEN_YEARS {
        let shut = |n: &usize| {
            let mut theirs = closed.iter().filter(|closing| closing.office == *n);
            theirs.any(|closing| closing.days.contains(&day))
        };
        let open: Vec<usize> = (0..offices).filter(|n| !shut(n)).collect();
        let now = NOON.plus(days(day)).plus(minutes(rng.random_range(0..240)));
        for office in &open {
            for by in &open {
                years.meet(*by, *office, now);
            }
        }
        for n in &open {
            let holds = years.certificate(*n).not_after > now;
            assert!(
                holds,
                "seed {seed}, day {day}: office {n} is open and cannot work"
            );
        }
    }
    let counted = years.record.not_renewed.is_empty();
    assert!(counted, "an honest node signs nothing that does not count");
    let whole = Clinic::fold_renewed(years.clinic.id, years.clinic.items(), &years.items);
    assert_eq!(
        whole.devices, years.record.devices,
        "the fold of all of it says the same"
    );
    years.items.len()
}

#[test]
fn ten_years_with_offices_closed_for_weeks_bring_no_outage() {
    for seed in 0..4 {
        let renewals = ten_years(seed, 5);
        // About one each 20 days and office, not one of each colleague.
        assert!(renewals < 5 * 190, "{renewals} renewals of seed {seed}");
    }
}

/// What the rules do not allow to be avoided: nobody is there whose certificate holds.
#[test]
fn when_the_whole_clinic_was_closed_for_too_long_an_admin_certifies_one_node_and_the_rest_follow() {
    let mut years = Years::of(3);
    let back = NOON.plus(days(40));
    years.meet(0, 1, back);
    assert!(years.items.is_empty(), "an expired node renews nobody");

    years.clinic.now = back;
    years.clinic.enrol_renewer("office-0");
    years.record = years.clinic.record();
    years.meet(0, 1, back.plus(minutes(1)));
    years.meet(0, 2, back.plus(minutes(1)));
    assert!((0..3).all(|n| years.certificate(n).not_after > back));
}

/// Makes the certificate for browsers of the one office anew.
fn certify_for_browsers(clinic: &mut SampleClinic) {
    let device = clinic.device("front-desk").id;
    let certificate = WebCertificate {
        names: vec!["front-desk.sample.internal".to_owned()],
        key: [4; 65],
        leaf: vec![1],
        authority: vec![2],
        not_after: clinic.now.plus(days(397)),
    };
    clinic.say(Act::WebCertified {
        device,
        certificate,
    });
}

/// The root appoints somebody in the place of an admin whose grant ends.
fn follow(clinic: &mut SampleClinic, admin: AdminId) {
    clinic.admin("Robin 2", Scopes::of(Scopes::ALL));
    clinic.say_root(Act::AdminEnded { admin, last: 1_000 });
}

#[test]
fn in_ten_years_whoever_does_what_a_warning_says_sees_no_grant_and_no_browser_certificate_end() {
    let mut clinic = SampleClinic::of(["front-desk"]);
    certify_for_browsers(&mut clinic);
    let mut record = clinic.record();
    let mut told = 0;
    for day in 0..TEN_YEARS {
        clinic.now = NOON.plus(days(day));
        for concern in health::concerns(&record, clinic.now, None, Contact::Fresh) {
            let (over, admin) = match concern {
                Concern::Grant { over, admin, .. } => (over, Some(admin)),
                Concern::Web { over, .. } => (over, None),
                _ => continue,
            };
            assert!(!over, "day {day}: it ended before anybody was told");
            match admin {
                Some(admin) => follow(&mut clinic, admin),
                None => certify_for_browsers(&mut clinic),
            }
            record = clinic.record();
            told += 1;
        }
        let web = record.devices[&clinic.device("front-desk").id].web.as_ref();
        assert!(web.is_some_and(|web| web.not_after > clinic.now));
    }
    // Browsers' certificates nine times, and one grant.
    assert_eq!(told, 10);
}
