use super::facts::*;
use super::*;

/// An id that differs from every other one from its beginning on, as real ones do.
fn id(number: u8) -> String {
    format!("{number:02x}").repeat(32)
}

fn sound() -> Facts {
    let peer = |number: u8, ip: &str| Peer {
        device: id(number),
        name: format!("ward-{number}"),
        office: "Ana's practice".to_owned(),
        certificate: Certificate {
            until: "2026-12-21".to_owned(),
            freshness: Freshness::Fresh,
        },
        link: Some(Link {
            address: format!("{ip}:7846").parse().expect("an address"),
            came_in: false,
            offset_ms: 3,
        }),
        places: vec![format!("{ip}:7846").parse().expect("an address")],
    };
    let tried = |ip: &str, near| Try {
        address: format!("{ip}:7846").parse().expect("an address"),
        outcome: Outcome::Connected,
        by: Some("lan".to_owned()),
        near,
        neighbour: if near {
            Neighbour::Answers
        } else {
            Neighbour::Unknown
        },
        machines: usize::from(near),
    };
    Facts {
        version: "1".to_owned(),
        machine: Machine {
            service: Service::Answers,
            settings: Some(Settings {
                listen: vec!["0.0.0.0:7846".parse().expect("an address")],
                ..Settings::default()
            }),
            interfaces: vec![
                interface("lan", Kind::Lan, "10.71.1.11"),
                interface("docker0", Kind::Container, "172.17.0.1"),
                interface("wg0", Kind::Tunnel, "10.9.0.2"),
            ],
            router: Some(Router {
                address: "10.71.1.1".parse().expect("an address"),
                neighbour: Neighbour::Answers,
            }),
            echoes: vec![Echo {
                interface: "lan".to_owned(),
                heard: Some(true),
            }],
            twins: Some(Vec::new()),
            disk: Some(Disk { free: 2, needed: 1 }),
            heard: vec![vec!["10.71.1.12:7846".parse().expect("an address")]],
            ..Machine::default()
        },
        node: Some(Node {
            device: id(9),
            name: "front".to_owned(),
            clinic: "c".to_owned(),
            clock: "2026-11-22T08:00:00Z".to_owned(),
            standing: Standing::Enrolled,
            certificate: Some(Certificate {
                until: "2026-12-21".to_owned(),
                freshness: Freshness::Fresh,
            }),
            offset_ms: Some(3),
            mesh_keys: Some((2, 4)),
            peers: vec![peer(1, "10.71.1.12"), peer(2, "10.71.2.11")],
            noted: Vec::new(),
            announced: Vec::new(),
            listeners: vec!["10.71.1.11:7846".parse().expect("an address")],
            reached: true,
        }),
        tries: vec![tried("10.71.1.12", true), tried("10.71.2.11", false)],
        asked: None,
        joined: Vec::new(),
    }
}

fn interface(name: &str, kind: Kind, ip: &str) -> Interface {
    Interface {
        name: name.to_owned(),
        kind,
        up: true,
        networks: vec![(ip.parse().expect("an address"), 24)],
    }
}

fn node(facts: &mut Facts) -> &mut Node {
    facts.node.as_mut().expect("it runs")
}

/// The near peer is away, and trying it came to this.
fn away(outcome: Outcome, neighbour: Neighbour) -> Facts {
    let mut facts = sound();
    node(&mut facts).peers[0].link = None;
    facts.tries[0].outcome = outcome;
    facts.tries[0].neighbour = neighbour;
    facts
}

fn causes(facts: &Facts) -> Vec<Cause> {
    diagnose(facts).diagnoses.iter().map(|d| d.cause).collect()
}

#[track_caller]
fn first(facts: &Facts) -> (Cause, Likelihood) {
    let findings = diagnose(facts);
    let first = findings.diagnoses.first().expect("something is wrong");
    assert!(!first.remedy.is_empty(), "{first:?}");
    (first.cause, first.likelihood)
}

#[test]
fn a_prefix_of_more_bits_than_there_are_holds_the_address_alone() {
    use super::facts::in_network;
    let ip = |text: &str| -> std::net::IpAddr { text.parse().expect("an address") };
    let (one, other) = (ip("fd00::1"), ip("fd00::2"));
    assert!(in_network(one, other, 64));
    for prefix in [128, 129, 255] {
        assert!(!in_network(one, other, prefix), "{prefix}");
        assert!(in_network(one, one, prefix), "{prefix}");
    }
}

#[test]
fn a_sound_clinic_is_well_and_nothing_is_left_unseen() {
    assert_eq!(diagnose(&sound()), Findings::default());
}

#[test]
fn each_way_in_which_a_try_ends_has_its_cause() {
    use Neighbour::{Answers, Silent};
    for (outcome, neighbour, cause) in [
        (Outcome::TimedOut, Answers, Cause::PortBlocked),
        (Outcome::Refused, Answers, Cause::NotListening),
        (Outcome::Unreachable, Silent, Cause::MachineOff),
        (Outcome::NoRoute, Silent, Cause::NoRoute),
        (Outcome::Connected, Answers, Cause::Connecting),
    ] {
        assert_eq!(first(&away(outcome, neighbour)).0, cause);
    }
}

#[test]
fn two_silent_machines_beside_a_router_that_answers_speak_for_isolation() {
    let mut facts = away(Outcome::Unreachable, Neighbour::Silent);
    let mut third = facts.tries[0].clone();
    third.address = "10.71.1.13:7846".parse().expect("an address");
    facts.tries.push(third);
    assert_eq!(first(&facts), (Cause::ClientIsolation, Likelihood::Likely));
}

#[test]
fn a_vpn_that_takes_the_way_is_named_and_so_is_a_bridge_that_the_node_is_bound_to() {
    let mut facts = away(Outcome::TimedOut, Neighbour::Answers);
    facts.tries[0].by = Some("wg0".to_owned());
    assert_eq!(first(&facts), (Cause::WrongInterface, Likelihood::Certain));
    let mut facts = away(Outcome::TimedOut, Neighbour::Answers);
    let settings = facts.machine.settings.as_mut().expect("read");
    settings.listen = vec!["172.17.0.1:7846".parse().expect("an address")];
    assert_eq!(first(&facts), (Cause::WrongInterface, Likelihood::Certain));
    facts = away(Outcome::TimedOut, Neighbour::Answers);
    let settings = facts.machine.settings.as_mut().expect("read");
    settings.interfaces = vec!["docker0".to_owned()];
    assert_eq!(first(&facts), (Cause::WrongInterface, Likelihood::Certain));
}

/// Two nodes on one machine, as somebody tries the program: the other one is at `ip` and does not answer.
fn trial(ip: &str, outcome: Outcome) -> Facts {
    let mut facts = away(outcome, Neighbour::Unknown);
    let lo = interface("lo", Kind::Loopback, "127.0.0.1");
    facts.machine.interfaces.push(lo);
    let settings = facts.machine.settings.as_mut().expect("read");
    settings.listen = vec!["127.0.0.1:7846".parse().expect("an address")];
    facts.machine.echoes[0].heard = Some(false);
    let place = format!("{ip}:7850").parse().expect("an address");
    node(&mut facts).peers.truncate(1);
    node(&mut facts).peers[0].places = vec![place];
    facts.tries.truncate(1);
    let tried = &mut facts.tries[0];
    (tried.address, tried.by) = (place, Some("lo".to_owned()));
    (tried.near, tried.machines) = (false, 0);
    facts
}

#[test]
fn another_node_of_this_same_machine_that_is_stopped_is_no_matter_of_networks() {
    for ip in ["127.0.0.1", "10.71.1.11"] {
        let facts = trial(ip, Outcome::Refused);
        assert_eq!(causes(&facts), [Cause::NotRunning], "{ip}");
        let told = &diagnose(&facts).diagnoses[0];
        assert_eq!(told.about, Some(id(1)));
        assert!(told.message.contains("ward-1 is not running"), "{told:?}");
        assert!(told.remedy.contains("--dir DIR node run"), "{told:?}");
    }
    let dropped = trial("127.0.0.1", Outcome::TimedOut);
    assert_eq!(causes(&dropped), [Cause::PortBlocked]);
    // Before it knows of any other, and while it is stopped itself, it is a trial all the same.
    let mut alone = trial("127.0.0.1", Outcome::Refused);
    alone.node = None;
    let settings = alone.machine.settings.as_mut().expect("read");
    settings.discovery = Discovery::Off;
    assert_eq!(causes(&alone), []);
    // Who was not heard yet either is a matter of this machine, too.
    let mut unheard = trial("127.0.0.1", Outcome::Refused);
    node(&mut unheard).peers[0].places.clear();
    let settings = unheard.machine.settings.as_mut().expect("read");
    settings.discovery = Discovery::Loopback;
    assert_eq!(causes(&unheard), [Cause::NotFound]);
    assert!(diagnose(&unheard).diagnoses[0].remedy.contains("node run"));
}

#[test]
fn a_node_that_listens_on_this_machine_alone_and_looks_elsewhere_is_told_so() {
    let mut facts = trial("10.71.1.12", Outcome::TimedOut);
    facts.tries[0].by = Some("lan".to_owned());
    assert!(causes(&facts).contains(&Cause::WrongInterface));
    assert!(causes(&facts).contains(&Cause::MdnsBlocked));
}

#[test]
fn mdns_that_is_dropped_is_noticed_while_everyone_is_still_connected() {
    let mut facts = sound();
    facts.machine.heard.clear();
    assert_eq!(causes(&facts), [Cause::MdnsBlocked]);
    facts.machine.echoes[0].heard = Some(false);
    assert_eq!(first(&facts), (Cause::MdnsBlocked, Likelihood::Certain));
    assert_eq!(
        diagnose(&facts).diagnoses[0].about,
        None,
        "it is this machine"
    );
}

#[test]
fn a_port_that_is_open_in_one_direction_only_is_noticed() {
    let mut facts = sound();
    facts.tries[0].outcome = Outcome::TimedOut;
    assert_eq!(causes(&facts), [Cause::PortBlocked]);
}

#[test]
fn two_machines_with_one_address_are_told_from_either_side() {
    let mut facts = sound();
    facts.machine.twins = Some(vec![Twin {
        address: "10.71.1.11".parse().expect("an address"),
        interface: "lan".to_owned(),
        machine: "aa:bb:cc:dd:ee:ff".to_owned(),
    }]);
    assert_eq!(
        first(&facts),
        (Cause::DuplicateAddress, Likelihood::Certain)
    );
    let mut facts = away(Outcome::Refused, Neighbour::Answers);
    facts.tries[0].machines = 2;
    assert_eq!(
        first(&facts),
        (Cause::DuplicateAddress, Likelihood::Certain)
    );
}

fn refused(what: What, came_in: bool) -> Facts {
    let mut facts = away(Outcome::Connected, Neighbour::Answers);
    node(&mut facts).noted = vec![Noted {
        address: "10.71.1.12:7846".parse().expect("an address"),
        came_in,
        device: None,
        what,
        seconds_ago: 5,
    }];
    facts
}

#[test]
fn refusals_of_the_handshake_have_their_causes() {
    for (what, came_in, cause) in [
        (What::WasRefused(5), false, Cause::Revoked),
        (What::WasRefused(4), false, Cause::ClockOff),
        (What::WasRefused(3), false, Cause::ClockOff),
        (What::WasRefused(2), false, Cause::OtherClinic),
        (What::HungUp, false, Cause::OldMeshKey),
        (What::Stranger, true, Cause::OtherClinic),
        (What::MeshKey(1), true, Cause::OldMeshKey),
        (What::MeshKey(9), true, Cause::OldMeshKey),
        (What::MeshKey(3), true, Cause::OtherClinic),
        (What::Refused(20), false, Cause::NotANode),
        (What::Refused(11), false, Cause::NetworkNotAllowed),
    ] {
        assert_eq!(first(&refused(what, came_in)).0, cause, "{what:?}");
    }
    let mut old = refused(What::HungUp, false);
    node(&mut old).noted[0].seconds_ago = 3600;
    assert_eq!(
        first(&old).0,
        Cause::Connecting,
        "old news explains nothing"
    );
}

#[test]
fn a_certificate_that_has_ended_may_be_a_clock_and_is_told_with_the_date() {
    let mut facts = sound();
    let own = node(&mut facts).certificate.as_mut().expect("listed");
    own.freshness = Freshness::Expired;
    let findings = diagnose(&facts);
    let first = &findings.diagnoses[0];
    assert_eq!(
        (first.cause, &first.could_be[..]),
        (Cause::CertificateExpired, &[Cause::ClockOff][..])
    );
    assert!(first.evidence[0].contains("2026-11-22"), "{first:?}");
    // The others' clocks say which of both it is.
    node(&mut facts).offset_ms = Some(-40 * 86_400_000);
    assert_eq!(super::diagnose(&facts).diagnoses[0].cause, Cause::ClockOff);
}

#[test]
fn a_revoked_machine_elsewhere_is_no_illness() {
    let mut facts = sound();
    node(&mut facts).noted = vec![Noted {
        address: "10.71.1.99:50000".parse().expect("an address"),
        came_in: true,
        device: Some("9".repeat(64)),
        what: What::Refused(5),
        seconds_ago: 5,
    }];
    let findings = diagnose(&facts);
    assert!(!findings.is_ill(), "{findings:?}");
    assert!(findings.notes[0].contains("revoked"), "{findings:?}");
}

#[test]
fn a_node_that_does_not_run_is_told_with_what_keeps_it_from_running() {
    let stopped = |change: &dyn Fn(&mut Machine)| {
        let mut facts = sound();
        facts.node = None;
        facts.machine.service = Service::Stopped;
        change(&mut facts.machine);
        causes(&facts)
    };
    assert_eq!(stopped(&|_| {}), [Cause::NotRunning]);
    let taken = Port {
        address: "0.0.0.0:7846".parse().expect("an address"),
        state: PortState::Taken(Some("nginx".to_owned())),
    };
    assert_eq!(
        stopped(&|machine| machine.ports = vec![taken.clone()]),
        [Cause::PortTaken, Cause::NotRunning]
    );
    assert_eq!(
        stopped(&|machine| machine.key = Key::Refused("no".to_owned())),
        [Cause::StoreLocked, Cause::NotRunning]
    );
    assert_eq!(
        stopped(&|machine| machine.service = Service::InUse { by: "x".to_owned() }),
        [Cause::StoreInUse]
    );
    assert_eq!(
        stopped(&|machine| machine.service = Service::Locked),
        [Cause::StoreLocked]
    );
    assert_eq!(
        stopped(&|machine| machine.disk = Some(Disk { free: 1, needed: 2 })),
        [Cause::DiskNearlyFull, Cause::NotRunning]
    );
}

#[test]
fn two_machines_together_know_what_each_alone_cannot() {
    let here = away(Outcome::Unreachable, Neighbour::Silent);
    let mut there = sound();
    there.machine.interfaces = vec![interface("lan", Kind::Lan, "10.71.1.12")];
    node(&mut there).device = id(1);
    node(&mut there).peers.clear();
    let told = |here: &Facts, there: &Facts| compare(here, there).diagnoses[0].cause;
    assert_eq!(told(&here, &there), Cause::ClientIsolation);

    // A bundle has the beginnings of ids, which are the same on both sides.
    let bundle = there.clone().without_names();
    assert_eq!(told(&here, &bundle), Cause::ClientIsolation);

    let mut elsewhere = there.clone();
    elsewhere.machine.interfaces = vec![interface("lan", Kind::Lan, "10.71.9.12")];
    assert_eq!(told(&here, &elsewhere), Cause::DifferentSubnets);

    let mut other = there.clone();
    node(&mut other).clinic = "d".to_owned();
    assert_eq!(told(&here, &other), Cause::OtherClinic);

    let mut old = there.clone();
    node(&mut old).mesh_keys = Some((1, 1));
    assert_eq!(told(&here, &old), Cause::OldMeshKey);

    let mut blocked = away(Outcome::TimedOut, Neighbour::Answers);
    blocked.asked = None;
    there.tries = vec![sound().tries[0].clone()];
    there.tries[0].address = "10.71.1.11:7846".parse().expect("an address");
    let found = compare(&blocked, &there);
    assert_eq!(found.diagnoses[0].cause, Cause::PortBlocked);
    assert!(
        found.diagnoses[0].message.contains("other machine"),
        "{found:?}"
    );
}

#[test]
fn ones_own_bundle_is_told_from_the_other_machines() {
    let here = sound();
    assert!(is_own(&here, &here.clone().without_names()));
    let mut there = sound();
    node(&mut there).device = id(1);
    assert!(!is_own(&here, &there.clone().without_names()));
    there.node = None;
    assert!(!is_own(&here, &there), "nobody knows whose it is");
}

#[test]
fn a_bundle_names_nobody() {
    let mut facts = away(Outcome::TimedOut, Neighbour::Answers);
    facts.machine.key = Key::Refused("/home/ana/key: missing".to_owned());
    let facts = facts.without_names();
    let all = serde_json::to_string(&(diagnose(&facts), &facts)).expect("plain values");
    for name in ["ward-1", "front", "Ana", "ana"] {
        assert!(!all.contains(name), "{name} in {all}");
    }
    assert!(all.contains("machine 01010101"), "{all}");
    assert!(
        !all.contains("010101010"),
        "no more of an id than that: {all}"
    );
}

#[test]
fn a_directory_that_is_empty_or_refused_is_told_before_anything_else() {
    let of = |place: Place| {
        let mut facts = sound();
        facts.node = None;
        facts.machine.service = Service::Stopped;
        facts.machine.place = place;
        causes(&facts)
    };
    assert_eq!(of(Place::Empty), [Cause::NoNode]);
    let refused = Place::Refused("mode 755".to_owned());
    assert_eq!(of(refused), [Cause::DirectoryRefused]);
}

#[test]
fn a_node_that_does_not_answer_is_told_from_one_that_may_not_be_asked() {
    let of = |service: Service| {
        let mut facts = sound();
        facts.node = None;
        facts.machine.service = service;
        first(&facts)
    };
    let certain = |cause| (cause, Likelihood::Certain);
    assert_eq!(of(Service::Silent), certain(Cause::NotAnswering));
    assert_eq!(of(Service::OtherAccount), certain(Cause::OtherAccount));
}

#[test]
fn a_certificate_that_was_not_renewed_is_told_while_it_still_holds() {
    let mut facts = sound();
    node(&mut facts).peers[0].certificate.freshness = Freshness::Late;
    assert_eq!(
        first(&facts),
        (Cause::CertificateEnding, Likelihood::Likely)
    );
    let about = &diagnose(&facts).diagnoses[0].about;
    assert_eq!(about.as_ref(), Some(&id(1)));
}

#[test]
fn a_machine_whose_cable_is_out_is_connected_to_no_network() {
    let mut facts = sound();
    for interface in &mut facts.machine.interfaces {
        interface.up = interface.kind == Kind::Container;
    }
    assert_eq!(first(&facts), (Cause::NoNetwork, Likelihood::Certain));
    // A card that got nothing but the address it gives itself leads nowhere either.
    let mut facts = sound();
    facts.machine.interfaces = vec![interface("lan", Kind::Lan, "169.254.7.7")];
    assert_eq!(first(&facts), (Cause::NoNetwork, Likelihood::Certain));
}

#[test]
fn a_router_that_is_silent_is_told_where_nobody_else_answers_either() {
    let mut facts = away(Outcome::Unreachable, Neighbour::Silent);
    let silent = |facts: &mut Facts| {
        let router = facts.machine.router.as_mut().expect("there is one");
        router.neighbour = Neighbour::Silent;
    };
    assert!(!causes(&facts).contains(&Cause::RouterSilent));
    silent(&mut facts);
    assert_eq!(first(&facts), (Cause::RouterSilent, Likelihood::Likely));
    let mut one_answers = sound();
    silent(&mut one_answers);
    assert!(!causes(&one_answers).contains(&Cause::RouterSilent));
}

#[test]
fn who_is_not_looked_for_and_has_no_address_cannot_be_found() {
    let mut facts = sound();
    let lost = &mut node(&mut facts).peers[0];
    (lost.link, lost.places) = (None, Vec::new());
    assert_eq!(first(&facts), (Cause::NotFound, Likelihood::Possible));
    facts.machine.settings.as_mut().expect("read").discovery = Discovery::Off;
    assert_eq!(first(&facts), (Cause::DiscoveryOff, Likelihood::Certain));
}

#[test]
fn every_refusal_of_a_handshake_is_told_or_passes_by_itself() {
    use crate::domain::trust::Refusal;
    let told = |refusal: Refusal, theirs| {
        let what = match theirs {
            true => What::WasRefused(refusal.code()),
            false => What::Refused(refusal.code()),
        };
        first(&refused(what, false)).0
    };
    for (refusal, cause) in [
        (Refusal::OtherDevice, Cause::OtherMachine),
        (Refusal::Oneself, Cause::OtherMachine),
        (Refusal::OtherNetwork, Cause::NetworkNotAllowed),
        (Refusal::OtherKind, Cause::NotANode),
        (Refusal::Malformed, Cause::Refused),
        (Refusal::UnknownIssuer, Cause::Refused),
        (Refusal::IssuerWithoutRight, Cause::Refused),
        (Refusal::OtherKey, Cause::Refused),
        (Refusal::Misbehaved, Cause::Refused),
        (Refusal::TooSlow, Cause::Refused),
        (Refusal::Busy, Cause::Connecting),
        (Refusal::Stopping, Cause::Connecting),
    ] {
        for theirs in [true, false] {
            assert_eq!(
                told(refusal, theirs),
                cause,
                "{refusal:?}, theirs: {theirs}"
            );
        }
    }
}
