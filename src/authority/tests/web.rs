//! The web CA and what it signs, as a browser's own verifier sees it.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::*;
use crate::domain::contact::Contact;
use crate::domain::health::{self, Concern};
use crate::domain::web::WebCertificate;
use crate::platform::web_key::WebKey;

fn key(seed: u8) -> crate::domain::web::WebKey {
    WebKey::of_device(&[seed; 32]).public()
}

/// The name for browsers of the machine that [`enrol`] enrols.
fn own_name(seed: u8) -> String {
    let short = Machine::new(seed).device().short();
    format!("node-{short}.harbour-clinic.internal")
}

/// Whether a browser that trusts `authority` believes `leaf` to be `name` at `at`.
fn believed(authority: &[u8], leaf: &[u8], name: &str, at: WallTime) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(authority.to_vec()))
        .map_err(|error| error.to_string())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| error.to_string())?;
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let at = UnixTime::since_unix_epoch(Duration::from_millis(at.0));
    let leaf = CertificateDer::from(leaf.to_vec());
    let seen = verifier.verify_server_cert(&leaf, &[], &name, &[], at);
    seen.map(drop).map_err(|error| error.to_string())
}

fn certified(bench: &Bench) -> WebCertificate {
    let (mut admin, machine) = (bench.admin(), Machine::new(7));
    enrol(&mut admin, &machine);
    admin
        .certify_web(machine.device(), key(7), NOW)
        .expect("certified");
    admin.clinic().devices[&machine.device()]
        .web
        .clone()
        .expect("certified")
}

#[test]
fn a_browser_believes_the_certificate_under_its_name_for_its_time() {
    let bench = Bench::new();
    let web = certified(&bench);
    assert_eq!(web.names, [own_name(7)]);
    let at = |name, at| believed(&web.authority, &web.leaf, name, at);
    at(&web.names[0], NOW).expect("believed");
    at(&web.names[0], web.not_after.minus(Duration::from_secs(60))).expect("believed");
    assert!(at(&web.names[0], web.not_after.plus(Duration::from_secs(60))).is_err());
    assert!(at("front.harbour-clinic.internal", NOW).is_err());
    let others = Bench::new();
    let other = certified(&others).authority;
    assert!(believed(&other, &web.leaf, &web.names[0], NOW).is_err());
}

#[test]
fn the_web_ca_is_good_for_the_clinics_own_names_and_nothing_else() {
    let bench = Bench::new();
    let admin = bench.admin();
    let (ca, mut rng) = (
        admin.web_ca.as_ref().expect("made at founding"),
        bench.rng(),
    );
    for outside in [
        "bank.example",
        "harbour-clinic.internal.evil.example",
        "evil-harbour-clinic.internal",
        "harbour-clinic.internal",
    ] {
        let refused = ca.certify(vec![outside.to_owned()], key(1), NOW, &mut rng);
        assert!(
            matches!(refused, Err(WebCaError::Outside { .. })),
            "{outside}"
        );
        // Whoever has stolen the key does not ask.
        let forged = ca.certify_unchecked(vec![outside.to_owned()], key(1), NOW, &mut rng);
        let forged = forged.expect("signed");
        let seen = believed(ca.certificate(), &forged.leaf, outside, NOW);
        let inside = outside == "harbour-clinic.internal";
        assert_eq!(seen.is_ok(), inside, "{outside}: {seen:?}");
    }
    for address in ["10.0.0.1", "fd00::1"] {
        let forged = ca.certify_unchecked(vec![address.to_owned()], key(1), NOW, &mut rng);
        let forged = forged.expect("signed");
        assert!(believed(ca.certificate(), &forged.leaf, address, NOW).is_err());
    }
}

#[test]
fn a_machine_that_brings_a_key_for_browsers_gets_its_certificate_with_its_enrolment() {
    let bench = Bench::new();
    let (mut admin, machine) = (bench.admin(), Machine::new(7));
    let mut wish = machine.wish();
    wish.web_key = Some(key(7));
    let request = wish.sign(None, &machine.key);
    let enrolled = admin
        .approve(&request, Arrival::Offline, Some(terms()), NOW)
        .expect("approved");
    assert!(enrolled.web.is_some());
    let answer = admin.answer(machine.device(), NOW).expect("answered");
    let (_, clinic) = answer.check(&machine.promise(), NOW).expect("sound");
    assert_eq!(
        clinic.devices[&machine.device()]
            .web
            .as_ref()
            .map(|web| web.key),
        Some(key(7))
    );
}

#[test]
fn certificates_are_made_anew_in_their_last_two_months_with_the_same_names_and_key() {
    let bench = Bench::new();
    let before = certified(&bench);
    let mut admin = bench.admin();
    assert_eq!(admin.renew_web(NOW).expect("looked").len(), 0);
    let late = before.not_after.minus(Duration::from_secs(59 * 24 * 3600));
    assert_eq!(admin.renew_web(late).expect("renewed").len(), 1);
    let after = admin.clinic().devices[&Machine::new(7).device()]
        .web
        .clone();
    let after = after.expect("renewed");
    assert_eq!((&after.names, after.key), (&before.names, before.key));
    assert!(after.not_after > before.not_after && after.leaf != before.leaf);
}

#[test]
fn a_web_ca_is_a_concern_half_a_year_before_its_end() {
    let bench = Bench::new();
    certified(&bench);
    let admin = bench.admin();
    let at = |days: u64| {
        let now = NOW.plus(Duration::from_secs(days * 24 * 3600));
        let found = health::concerns(admin.clinic(), now, None, Contact::Fresh);
        found.into_iter().find_map(|concern| match concern {
            Concern::WebCa { until, over } => Some((until, over)),
            _ => None,
        })
    };
    let end = NOW.plus(Duration::from_secs(3650 * 24 * 3600));
    assert_eq!(at(3650 - 182), None);
    assert_eq!(at(3650 - 181), Some((end, false)));
    assert_eq!(at(3651), Some((end, true)));
}

#[test]
fn two_nodes_never_share_a_name() {
    let bench = Bench::new();
    let mut admin = bench.admin();
    let mut names = Vec::new();
    for (seed, called) in [(7, "front desk"), (8, "Front-Desk!")] {
        let (machine, mut terms) = (Machine::new(seed), terms());
        terms.name = name(called);
        let request = machine.request();
        admin
            .approve(&request, Arrival::Offline, Some(terms), NOW)
            .expect("approved");
        admin
            .certify_web(machine.device(), key(seed), NOW)
            .expect("certified");
        let web = admin.clinic().devices[&machine.device()].web.clone();
        names.extend(web.expect("certified").names);
    }
    let domain = "harbour-clinic.internal";
    assert_eq!(
        names,
        [
            format!("front-desk.{domain}"),
            format!("front-desk-2.{domain}")
        ]
    );
}

#[test]
fn the_web_ca_goes_with_its_admin_and_opens_for_nobody_else() {
    let bench = Bench::new();
    let web_ca = bench.admin().web_ca();
    assert!(web_ca.is_some());
    let new = NewAdmin {
        name: name("Ben"),
        scopes: Scopes::of([Scope::Enrol]),
        not_after: later(1000),
        mesh_keys: bench.admin().mesh_keys(),
        web_ca,
    };
    bench
        .root()
        .grant_admin(new, &admin_words(), CHEAP, NOW)
        .expect("granted");
    let open = || Authority::open_admin(&bench.path(), &name("Ben"), &admin_words(), bench.rng());
    assert!(open().expect("opened").web_ca().is_some());
    assert!(
        bench.root().web_ca().is_none(),
        "the root signs no certificates"
    );
    let (anas, bens) = (bench.path().join("web-ana.ca"), web_file(&bench, "ben"));
    std::fs::copy(anas, bens).expect("copied");
    let refused = open().expect_err("another admin's file");
    assert!(matches!(
        refused,
        AuthorityError::WebCa(WebCaError::NotThisAdmins)
    ));
}

fn web_file(bench: &Bench, who: &str) -> PathBuf {
    let entries = std::fs::read_dir(bench.path()).expect("there");
    let mut names = entries.map(|entry| entry.expect("there").path());
    let is_theirs = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(&format!("web-{who}")))
    };
    names.find(is_theirs).expect("a file of theirs")
}

#[test]
fn a_clinic_founded_without_a_web_ca_makes_one_later_and_not_two() {
    let bench = Bench::new();
    std::fs::remove_file(bench.path().join("web-ana.ca")).expect("there");
    let mut admin = bench.admin();
    let machine = Machine::new(7);
    enrol(&mut admin, &machine);
    let none = admin.certify_web(machine.device(), key(7), NOW);
    assert!(matches!(none, Err(AuthorityError::NoWebCa)));
    for bad in ["Elm", "elm", "*.elm.example", "10.0.0.1"] {
        let refused = admin.make_web_ca(Some(bad.to_owned()), NOW);
        assert!(matches!(refused, Err(AuthorityError::WebCa(_))), "{bad}");
    }
    let made = admin.make_web_ca(Some("chat.harbour.example".to_owned()), NOW);
    assert_eq!(made.expect("made"), "chat.harbour.example");
    let again = admin.make_web_ca(None, NOW);
    assert!(matches!(again, Err(AuthorityError::WebCaThere { .. })));
    drop(admin);
    let kept = bench.admin().web_ca().expect("kept");
    assert_eq!(kept.domain(), "chat.harbour.example");
}
