//! What two machines know together: each saw one side.

use std::net::IpAddr;

use super::facts::{
    Facts, Interface, Kind, Neighbour, Outcome, Place, Service, Try, in_network, is_same_id,
};
use super::{Cause, Diagnosis, Findings, Likelihood, diagnose};

/// Whether what was observed "there" is of the very device that is here: somebody brought the wrong file.
pub fn is_own(here: &Facts, there: &Facts) -> bool {
    let (Some(ours), Some(theirs)) = (&here.node, &there.node) else {
        return false;
    };
    is_same_id(&ours.device, &theirs.device)
}

/// Judges what was observed here and, with the doctor's bundle, on another machine.
pub fn compare(here: &Facts, there: &Facts) -> Findings {
    let mut findings = diagnose(here);
    let theirs = diagnose(there);
    let mut found = Findings::default();
    clinics(here, there, &mut found);
    addresses(here, there, &mut found);
    ways(here, there, &mut found);
    let settled = found.is_ill();
    over_there(there, &theirs, &mut found);
    // What both know together settles what each of them could only guess.
    findings.diagnoses.retain(|diagnosis| {
        !settled || diagnosis.likelihood != Likelihood::Possible || diagnosis.about.is_none()
    });
    found.diagnoses.append(&mut findings.diagnoses);
    findings.diagnoses = Vec::new();
    for diagnosis in found.diagnoses {
        findings.found(diagnosis);
    }
    findings.diagnoses.sort_by_key(|d| d.likelihood);
    findings
}

fn clinics(here: &Facts, there: &Facts, found: &mut Findings) {
    let (Some(ours), Some(theirs)) = (&here.node, &there.node) else {
        return;
    };
    if !is_same_id(&ours.clinic, &theirs.clinic) {
        return found.found(
            Diagnosis::new(
                Cause::OtherClinic,
                Likelihood::Certain,
                "The two machines are of different clinics.",
            )
            .seen(format!(
                "clinic {} here, clinic {} there",
                ours.clinic, theirs.clinic
            ))
            .remedy(
                "Empty the directory of the one that is in the wrong clinic, and invite it with \
                 `clinic-mesh device invite`.",
            ),
        );
    }
    if let (Some((oldest, newest)), Some((old, new))) = (ours.mesh_keys, theirs.mesh_keys)
        && (new < oldest || newest < old)
    {
        let side = if newest < old {
            "This machine"
        } else {
            "The other machine"
        };
        found.found(
            Diagnosis::new(
                Cause::OldMeshKey,
                Likelihood::Certain,
                format!("{side} has an old mesh key, and the two have none in common."),
            )
            .seen(format!(
                "mesh keys {oldest} to {newest} here, {old} to {new} there"
            ))
            .remedy("Let an admin revoke the old device and invite the machine anew."),
        );
    }
}

fn offices(facts: &Facts) -> impl Iterator<Item = (&Interface, IpAddr, u8)> {
    let interfaces = facts.machine.interfaces.iter();
    let interfaces = interfaces.filter(|i| i.is_office() && i.up);
    interfaces.flat_map(|i| {
        let v4 = i.networks.iter().filter(|(ip, _)| ip.is_ipv4());
        v4.map(move |(ip, prefix)| (i, *ip, *prefix))
    })
}

fn addresses(here: &Facts, there: &Facts, found: &mut Findings) {
    for (_, ip, _) in offices(here) {
        if offices(there).any(|(_, other, _)| other == ip) {
            found.found(
                Diagnosis::new(
                    Cause::DuplicateAddress,
                    Likelihood::Certain,
                    format!("Both machines have the address {ip}."),
                )
                .remedy("Give one of them another address, in the router's list or its settings."),
            );
        }
    }
    let common = offices(here)
        .any(|(_, ip, prefix)| offices(there).any(|(_, other, _)| in_network(ip, other, prefix)));
    let both = offices(here).next().is_some() && offices(there).next().is_some();
    if both && !common && !linked(here, there) {
        let words = |facts: &Facts| -> String {
            let networks = offices(facts).map(|(_, ip, prefix)| format!("{ip}/{prefix}"));
            networks.collect::<Vec<_>>().join(", ")
        };
        found.found(
            Diagnosis::new(
                Cause::DifferentSubnets,
                Likelihood::Certain,
                "The two machines are in different networks, so mDNS does not lead from one to the \
                 other.",
            )
            .seen(format!("{} here, {} there", words(here), words(there)))
            .remedy(
                "Put both into one network, or name each other's address under `bootstrap` in \
                 node.toml.",
            ),
        );
    }
}

fn linked(here: &Facts, there: &Facts) -> bool {
    let (Some(ours), Some(theirs)) = (&here.node, &there.node) else {
        return false;
    };
    let peer = ours
        .peers
        .iter()
        .find(|peer| is_same_id(&peer.device, &theirs.device));
    peer.is_some_and(|peer| peer.link.is_some())
}

/// A try from one machine of an address that the other has.
fn try_of<'a>(from: &'a Facts, to: &Facts) -> Option<&'a Try> {
    let has = |ip: IpAddr| offices(to).any(|(_, own, _)| own == ip);
    from.tries.iter().find(|tried| has(tried.address.ip()))
}

fn ways(here: &Facts, there: &Facts, found: &mut Findings) {
    let (to, back) = (try_of(here, there), try_of(there, here));
    let lost = |tried: &Try| matches!(tried.outcome, Outcome::TimedOut | Outcome::Unreachable);
    let gone = |tried: &Try| lost(tried) && tried.near && tried.neighbour == Neighbour::Silent;
    let on = |tried: &Try| tried.outcome == Outcome::Connected;
    let blocked = |tried: &Try| lost(tried) && tried.neighbour == Neighbour::Answers;
    match (to, back) {
        (Some(to), other) if gone(to) && other.is_none_or(gone) && alive(there) => {
            found.found(isolation(here, to));
        }
        (Some(to), Some(back)) if blocked(to) && on(back) => {
            found.found(port(
                to,
                "The other machine's firewall",
                "the way back is open",
            ));
        }
        (Some(to), Some(back)) if on(to) && blocked(back) => {
            found.found(port(
                back,
                "This machine's firewall",
                "the way there is open",
            ));
        }
        (Some(to), Some(back)) if blocked(to) && blocked(back) => found.found(port(
            to,
            "A firewall on each of the two machines, or one between them,",
            "neither gets through to the other",
        )),
        _ => {}
    }
}

/// Whether the other machine's network works, by what it saw itself.
fn alive(facts: &Facts) -> bool {
    let router = facts.machine.router.as_ref();
    router.is_some_and(|router| router.neighbour == Neighbour::Answers)
}

fn isolation(here: &Facts, to: &Try) -> Diagnosis {
    let wireless = offices(here).any(|(interface, ..)| interface.kind == Kind::Wifi);
    let what = if wireless { "Wi-Fi" } else { "Wi-Fi or switch" };
    Diagnosis::new(
        Cause::ClientIsolation,
        Likelihood::Certain,
        format!("The {what} keeps the two machines apart (\"client isolation\")."),
    )
    .seen(format!(
        "both are switched on and in one network, and nobody answers for {} on the wire",
        to.address.ip()
    ))
    .seen("the other machine reaches its router")
    .remedy(
        "Switch off \"client isolation\", \"AP isolation\" or \"guest network\" in the access point, or \
         connect one of both by cable.",
    )
}

fn port(tried: &Try, whose: &str, evidence: &str) -> Diagnosis {
    let port = tried.address.port();
    Diagnosis::new(
        Cause::PortBlocked,
        Likelihood::Certain,
        format!("{whose} drops TCP port {port}."),
    )
    .seen(format!(
        "{} does not answer, though the machine is there",
        tried.address
    ))
    .seen(evidence)
    .remedy(format!("Let TCP port {port} in there."))
}

/// What is the matter with the other machine itself.
fn over_there(there: &Facts, theirs: &Findings, found: &mut Findings) {
    if there.machine.place == Place::Fine && there.machine.service == Service::Answers {
        let own = theirs.diagnoses.iter();
        let own = own.filter(|d| d.about.is_none() && d.likelihood == Likelihood::Certain);
        own.for_each(|diagnosis| found.found(moved(diagnosis)));
        return;
    }
    let own = theirs.diagnoses.iter().filter(|d| d.about.is_none());
    own.for_each(|diagnosis| found.found(moved(diagnosis)));
}

fn moved(diagnosis: &Diagnosis) -> Diagnosis {
    Diagnosis {
        message: format!("At the other machine: {}", diagnosis.message),
        ..diagnosis.clone()
    }
}
