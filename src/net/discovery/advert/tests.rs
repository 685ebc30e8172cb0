use std::collections::BTreeMap;

use rand::SeedableRng as _;

use super::*;
use crate::net::testing::Clinic;

const TODAY: Day = Day(20_000);

fn advert(trust: &TrustView, seed: u8) -> Advert {
    Advert::of_member(trust, Some(4870), TODAY, &mut StdRng::from_seed([seed; 32]))
}

fn seen(advert: &Advert) -> Found {
    let service = advert.info().unwrap().unwrap().as_resolved_service();
    Found::read(&service).unwrap()
}

#[test]
fn members_recognise_each_other_on_the_day_before_and_after_as_well() {
    let clinic = Clinic::new(1);
    let found = seen(&advert(&clinic.trust(1), 1));
    for (day, expected) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
        let day = Day(TODAY.0.checked_add_signed(day).unwrap());
        assert_eq!(
            found.is_member(&clinic.trust(2).mesh_keys, day),
            expected,
            "{day}"
        );
    }
}

#[test]
fn an_older_accepted_mesh_key_is_recognised_and_a_forgotten_one_is_not() {
    let clinic = Clinic::new(1);
    let mut late = clinic.trust(1);
    late.mesh_keys = BTreeMap::from([(0, MeshKey::new([9; 32]))]).into();
    let found = seen(&advert(&late, 1));
    assert!(!found.is_member(&clinic.trust(2).mesh_keys, TODAY));
    let mut patient = clinic.trust(2);
    patient.mesh_keys.insert(0, MeshKey::new([9; 32]));
    assert!(found.is_member(&patient.mesh_keys, TODAY));
}

#[test]
fn strangers_and_other_clinics_recognise_nothing() {
    let found = seen(&advert(&Clinic::new(1).trust(1), 1));
    assert!(!found.is_member(&Clinic::new(2).trust(1).mesh_keys, TODAY));
}

#[test]
fn a_tag_copied_to_another_name_is_not_recognised() {
    let trust = Clinic::new(1).trust(1);
    let mut copied = seen(&advert(&trust, 1));
    copied.instance = seen(&advert(&trust, 2)).instance;
    assert!(!copied.is_member(&trust.mesh_keys, TODAY));
}

#[test]
fn what_is_announced_holds_no_name_and_no_key_and_nothing_that_stays() {
    let clinic = Clinic::new(1);
    let trust = clinic.trust(1);
    let (one, other) = (advert(&trust, 1), advert(&trust, 2));
    for announced in [&one, &other] {
        let info = announced.info().unwrap().unwrap();
        let keys: Vec<_> = info
            .get_properties()
            .iter()
            .map(|p| p.key().to_owned())
            .collect();
        assert_eq!(keys, ["v", "t"]);
        assert_eq!(info.get_property_val_str("v"), Some("1"));
        let host = info.get_hostname().strip_suffix(".local.").unwrap();
        for random in [
            announced.instance.as_str(),
            host,
            info.get_property_val_str("t").unwrap(),
        ] {
            assert_eq!(random.len(), 16);
            assert!(random.bytes().all(|b| b.is_ascii_hexdigit()), "{random}");
            assert!(!clinic.device(1).id.to_string().contains(random));
        }
    }
    assert_ne!(one.instance, other.instance);
    assert_ne!(one.host, other.host);
    assert_ne!(one.mark, other.mark);
}

#[test]
fn an_invitation_is_found_by_its_tag_and_by_no_other() {
    let advert = Advert::of_enrolment([7; 8], 4871, &mut StdRng::from_seed([1; 32]));
    let found = seen(&advert);
    assert!(found.is_enrolment([7; 8]) && !found.is_enrolment([8; 8]));
    assert!(!found.is_member(&Clinic::new(1).trust(1).mesh_keys, TODAY));
}

#[test]
fn other_services_and_versions_are_left_alone() {
    let trust = Clinic::new(1).trust(1);
    let advert = advert(&trust, 1);
    let mut service = advert.info().unwrap().unwrap().as_resolved_service();
    service.fullname = "desk._ipp._tcp.local.".into();
    assert_eq!(Found::read(&service), None);
    let info = ServiceInfo::new(SERVICE, "desk", "desk.local.", "", 1, &[("v", "2")][..]).unwrap();
    assert_eq!(Found::read(&info.as_resolved_service()), None);
}
