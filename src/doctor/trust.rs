//! What is the matter between machines that reach each other: certificates, clocks, keys, clinics.

use std::net::SocketAddr;

use super::facts::{Certificate, Facts, Freshness, Node, Noted, Peer, Standing, What};
use super::{Cause, Diagnosis, Findings, Likelihood};
use crate::domain::health::OFFSET_WORTH_A_WARNING;
use crate::domain::trust::Refusal;

/// How old news may be to say something about the present: a node tries everyone once a minute.
const RECENT_SECONDS: u64 = 180;

/// Judges what concerns this machine as a whole.
pub(super) fn judge(facts: &Facts, findings: &mut Findings) {
    let Some(node) = &facts.node else { return };
    revoked(node, findings);
    certificates(node, findings);
    clocks(node, findings);
    visitors(node, findings);
    strangers(node, findings);
}

fn revoked(node: &Node, findings: &mut Findings) {
    let told = node
        .noted
        .iter()
        .find(|noted| noted.what == What::WasRefused(Refusal::Revoked.code()));
    let evidence = match (node.standing, told) {
        (Standing::Revoked, _) => "the clinic record on this machine says so".to_owned(),
        (_, Some(noted)) => format!("{} refuses it for that reason", noted.address),
        (Standing::Enrolled | Standing::Unknown, None) => return,
    };
    findings.found(
        Diagnosis::new(
            Cause::Revoked,
            Likelihood::Certain,
            "This machine was revoked: an admin has withdrawn its access for good.",
        )
        .seen(evidence)
        .remedy(
            "If that was meant, nothing is to be done. If the machine is to be used again, empty its \
             directory and let an admin invite it anew with `clinic-mesh device invite`.",
        ),
    );
}

/// Certificates that have ended or were not renewed, by this machine's clock.
fn certificates(node: &Node, findings: &mut Findings) {
    let clock_is_off = offset(node).is_some() || clock_refusal(node).is_some();
    let own = node.certificate.as_ref();
    if let Some(own) = own.filter(|own| own.has_ended()) {
        let others = node.peers.iter().filter(|p| p.certificate.has_ended());
        let others = others.count();
        let likelihood = if clock_is_off {
            Likelihood::Possible
        } else {
            Likelihood::Likely
        };
        let everyone = others == node.peers.len();
        let remedy = if own.freshness == Freshness::Lost || everyone && !node.peers.is_empty() {
            "If the date above is right: an admin runs `clinic-mesh device renew NAME` at one node; \
             that one then renews the others."
        } else {
            "If the date above is right: leave the machine switched on where it reaches another \
             node; it is renewed within a minute."
        };
        findings.found(
            Diagnosis::new(
                Cause::CertificateExpired,
                likelihood,
                format!("The certificate of this machine ended on {}.", own.until),
            )
            .seen(format!(
                "this machine's clock says {}; by it {others} of the {} other nodes' certificates have \
                 ended as well",
                node.clock,
                node.peers.len()
            ))
            .or(&[Cause::ClockOff])
            .remedy(format!("Compare the machine's date with a watch. {remedy}")),
        );
    }
    if own.is_some_and(Certificate::has_ended) {
        return;
    }
    for peer in &node.peers {
        peer_certificate(node, peer, findings);
    }
}

fn peer_certificate(node: &Node, peer: &Peer, findings: &mut Findings) {
    let until = &peer.certificate.until;
    let (cause, message) = match peer.certificate.freshness {
        Freshness::Fresh => return,
        Freshness::Late => (
            Cause::CertificateEnding,
            format!(
                "The certificate of {} ends on {until} and was not renewed.",
                peer.name
            ),
        ),
        Freshness::Expired | Freshness::Lost => (
            Cause::CertificateExpired,
            format!("The certificate of {} ended on {until}.", peer.name),
        ),
    };
    let remedy = if peer.certificate.freshness == Freshness::Lost {
        "If the machine is in use, an admin runs `clinic-mesh device renew` for it; if not, `clinic-mesh \
         device revoke`."
    } else {
        "Switch the machine on where it reaches a node whose certificate holds; it is renewed within a \
         minute."
    };
    findings.found(
        Diagnosis::new(cause, Likelihood::Likely, message)
            .about(peer)
            .seen(format!(
                "by the clinic record, and this machine's clock: {}",
                node.clock
            ))
            .remedy(remedy),
    );
}

/// How far the peers' clocks are from this one, where that is worth a warning.
fn offset(node: &Node) -> Option<i64> {
    let worth = |offset: &i64| offset.unsigned_abs() > OFFSET_WORTH_A_WARNING;
    node.offset_ms.filter(worth)
}

/// A refusal that says that clocks differ.
fn clock_refusal(node: &Node) -> Option<(&Noted, &'static str)> {
    let own_holds = node
        .certificate
        .as_ref()
        .is_some_and(|own| !own.has_ended());
    recent(node).find_map(|noted| {
        let refusal = match noted.what {
            What::Refused(code) | What::WasRefused(code) => Refusal::from_code(code)?,
            _ => return None,
        };
        let theirs = matches!(noted.what, What::WasRefused(_));
        let why = match refusal {
            Refusal::NotYetValid if theirs => {
                "says that this machine's certificate is of the future"
            }
            Refusal::NotYetValid => "shows a certificate that is of the future by this clock",
            Refusal::Expired if theirs && own_holds => {
                "says that this machine's certificate has ended, which by this clock holds"
            }
            Refusal::Expired if !theirs && !own_holds => {
                "is there and shows a certificate that by this clock has ended like all others"
            }
            Refusal::NotRenewing if theirs && !own_holds => {
                "sees no reason to renew this machine's certificate, which by this clock has ended"
            }
            _ => return None,
        };
        Some((noted, why))
    })
}

fn recent(node: &Node) -> impl Iterator<Item = &Noted> {
    let noted = node.noted.iter();
    noted.filter(|noted| noted.seconds_ago <= RECENT_SECONDS)
}

fn clocks(node: &Node, findings: &mut Findings) {
    const REMEDY: &str = "Compare the date and time of both machines with a watch, and set the wrong \
        one; better, let both ask a time server.";
    if let Some(offset) = offset(node) {
        let side = if offset > 0 { "behind" } else { "ahead of" };
        findings.found(
            Diagnosis::new(
                Cause::ClockOff,
                Likelihood::Certain,
                format!(
                    "The clock of this machine is {} {side} the clocks of the others.",
                    span(offset.unsigned_abs())
                ),
            )
            .seen(format!("this machine's clock says {}", node.clock))
            .remedy(REMEDY),
        );
    } else if let Some((noted, why)) = clock_refusal(node) {
        findings.found(
            Diagnosis::new(
                Cause::ClockOff,
                Likelihood::Likely,
                "The clock of this machine and that of another are days apart; one of them is wrong.",
            )
            .seen(format!("{} {why}", noted.address.ip()))
            .or(&[Cause::CertificateExpired])
            .seen(format!("this machine's clock says {}", node.clock))
            .remedy(REMEDY),
        );
    }
    for peer in &node.peers {
        let Some(link) = &peer.link else { continue };
        let far = link.offset_ms.unsigned_abs() > OFFSET_WORTH_A_WARNING;
        if far && offset(node).is_none() {
            findings.found(
                Diagnosis::new(
                    Cause::ClockOff,
                    Likelihood::Likely,
                    format!(
                        "The clock of {} is {} from this machine's.",
                        peer.name,
                        span(link.offset_ms.unsigned_abs())
                    ),
                )
                .about(peer)
                .remedy(REMEDY),
            );
        }
    }
}

fn span(ms: u64) -> String {
    match ms / 60_000 {
        minutes @ 0..120 => format!("{minutes} minutes"),
        minutes @ 120..2880 => format!("{} hours", minutes / 60),
        minutes => format!("{} days", minutes / 1440),
    }
}

/// Those who came and were turned away.
fn visitors(node: &Node, findings: &mut Findings) {
    for noted in recent(node).filter(|noted| noted.came_in) {
        match noted.what {
            What::Stranger => findings.found(other_clinic(noted)),
            What::MeshKey(epoch) => mesh_key(node, noted, epoch, findings),
            What::Refused(code) if code == Refusal::Revoked.code() => findings.note(format!(
                "A revoked machine at {} tries to connect and is turned away, as it should be.",
                noted.address.ip()
            )),
            _ => {}
        }
    }
}

fn other_clinic(noted: &Noted) -> Diagnosis {
    Diagnosis::new(
        Cause::OtherClinic,
        Likelihood::Likely,
        format!(
            "The machine at {} is not of this clinic, but of another one.",
            noted.address.ip()
        ),
    )
    .seen("it tries to connect here, with a key that is none of this clinic's")
    .remedy(
        "If it should belong to this clinic, empty its directory and invite it with `clinic-mesh device \
         invite`. If not, take this machine's address out of its `bootstrap`.",
    )
}

fn mesh_key(node: &Node, noted: &Noted, epoch: u32, findings: &mut Findings) {
    let Some((oldest, newest)) = node.mesh_keys else {
        return;
    };
    let at = noted.address.ip();
    let evidence = format!("it uses mesh key {epoch}; here {oldest} to {newest} are in use");
    if epoch < oldest {
        findings.found(
            Diagnosis::new(
                Cause::OldMeshKey,
                Likelihood::Likely,
                format!(
                    "The machine at {at} has an old mesh key: it was away while the key was changed \
                     three times or more."
                ),
            )
            .seen(evidence)
            .remedy(AGAIN),
        );
    } else if epoch > newest {
        findings.found(
            Diagnosis::new(
                Cause::OldMeshKey,
                Likelihood::Likely,
                "This machine has an old mesh key: it was away while the key was changed.",
            )
            .seen(format!(
                "{at} uses mesh key {epoch}; this machine knows up to {newest}"
            ))
            .remedy(AGAIN),
        );
    } else {
        findings.found(other_clinic(noted));
    }
}

/// What helps a machine that cannot speak to the others any more.
const AGAIN: &str = "Let an admin revoke the old device and invite the machine anew with `clinic-mesh \
    device invite`; its messages come back from the other offices.";

/// Other clinics' nodes on the LAN, where none of this one is heard.
fn strangers(node: &Node, findings: &mut Findings) {
    let strangers = node.announced.iter().filter(|a| !a.member).count();
    if strangers == 0 {
        return;
    }
    // What is announced changes from day to day: whose clock is days off knows nobody.
    let ended = node.certificate.as_ref();
    if ended.is_some_and(Certificate::has_ended) {
        return;
    }
    let alone = !node.peers.iter().any(|peer| peer.link.is_some());
    if alone && !node.announced.iter().any(|a| a.member) {
        findings.found(
            Diagnosis::new(
                Cause::OtherClinic,
                Likelihood::Possible,
                "Nodes are heard on this network, but none that shows this clinic's mesh key.",
            )
            .seen(format!("{strangers} announce themselves"))
            .or(&[Cause::OldMeshKey, Cause::ClockOff])
            .remedy(format!(
                "Compare `clinic-mesh node status` of both machines: the clinic must be the same. If \
                 it is, this machine's mesh key is too old: {}",
                AGAIN.to_lowercase()
            )),
        );
    } else {
        findings.note(format!(
            "{strangers} of the nodes announced on this network are of another clinic or have an old \
             mesh key."
        ));
    }
}

/// Whether a refusal explains that a peer is not connected; says so then.
pub(super) fn of_absent(facts: &Facts, node: &Node, peer: &Peer, findings: &mut Findings) -> bool {
    let shared = |at: &SocketAddr| {
        let others = node
            .peers
            .iter()
            .filter(|other| other.device != peer.device);
        others.clone().any(|other| other.places.contains(at))
            || facts
                .machine
                .settings
                .as_ref()
                .is_some_and(|settings| settings.bootstrap.contains(at))
    };
    let of_peer = |noted: &&Noted| {
        noted.device.as_ref() == Some(&peer.device)
            || !noted.came_in && peer.places.contains(&noted.address)
    };
    let mut explained = false;
    for noted in recent(node).filter(of_peer) {
        if is_told_already(node, peer, noted) {
            explained = true;
            continue;
        }
        let sure = noted.device.is_some() || !shared(&noted.address);
        if let Some(diagnosis) = explain(node, noted, &peer.name, sure) {
            findings.found(diagnosis.about(peer));
            explained = true;
        }
    }
    explained
}

/// Whether what is said of this machine's clock and of certificates says it all.
fn is_told_already(node: &Node, peer: &Peer, noted: &Noted) -> bool {
    let (What::Refused(code) | What::WasRefused(code)) = noted.what else {
        return false;
    };
    let own = node.certificate.as_ref();
    let ended = own.is_some_and(Certificate::has_ended);
    let told = ended || peer.certificate.has_ended() || clock_refusal(node).is_some();
    let of_time = [Refusal::Expired, Refusal::NotYetValid, Refusal::NotRenewing];
    told && of_time.iter().any(|why| why.code() == code)
}

/// The same for an address.
pub(super) fn of_address(node: &Node, address: SocketAddr, findings: &mut Findings) -> bool {
    let name = address.ip().to_string();
    let at = |noted: &&Noted| !noted.came_in && noted.address == address;
    let told = recent(node).filter(at);
    let found: Vec<_> = told
        .filter_map(|noted| explain(node, noted, &name, false))
        .collect();
    let explained = !found.is_empty();
    found.into_iter().for_each(|one| findings.found(one));
    explained
}

/// What a refusal means; `sure` where it is known who is meant to be at the address.
fn explain(node: &Node, noted: &Noted, name: &str, sure: bool) -> Option<Diagnosis> {
    let (code, theirs) = match noted.what {
        What::NoConnection | What::Stranger | What::MeshKey(_) => return None,
        What::HungUp => return Some(hung_up(node, noted, name, sure)),
        What::Refused(code) => (code, false),
        What::WasRefused(code) => (code, true),
    };
    let refusal = Refusal::from_code(code)?;
    let at = noted.address;
    let said = if theirs {
        format!("{at} refuses this machine: {refusal}")
    } else {
        format!("this machine refuses {at}: {refusal}")
    };
    let new = |cause, likelihood, message: String| {
        Diagnosis::new(cause, likelihood, message).seen(said.clone())
    };
    Some(match refusal {
        // Said of this machine as a whole.
        Refusal::Revoked if theirs => return None,
        Refusal::Revoked => new(
            Cause::Revoked,
            Likelihood::Certain,
            format!("{name} was revoked."),
        )
        .remedy("If it is to be used again, empty its directory and invite it anew."),
        Refusal::Expired | Refusal::NotYetValid | Refusal::NotRenewing => new(
            Cause::CertificateExpired,
            Likelihood::Likely,
            format!("{name} is not connected because a certificate does not hold, by one of both clocks."),
        )
        .or(&[Cause::ClockOff])
        .seen(format!("this machine's clock says {}", node.clock))
        .remedy("Compare the date and time of both machines with a watch; set the wrong one."),
        Refusal::OtherClinic => new(
            Cause::OtherClinic,
            Likelihood::Certain,
            format!("{name} is of another clinic."),
        )
        .remedy("Invite the machine into this clinic, or take the address out of `bootstrap`."),
        Refusal::MeshKey => hung_up(node, noted, name, sure),
        Refusal::OtherDevice | Refusal::Oneself => new(
            Cause::OtherMachine,
            Likelihood::Likely,
            format!("Another machine answers where {name} was last: addresses have changed."),
        )
        .remedy(format!("Give {name} a fixed address in the router, or wait until it is found anew.")),
        Refusal::OtherNetwork => new(
            Cause::NetworkNotAllowed,
            Likelihood::Certain,
            format!("The clinic's policy does not allow connections from the network of {name}."),
        )
        .remedy("An admin adds the network with `clinic-mesh policy set networks=…`, or moves the machine."),
        Refusal::OtherKind => new(
            Cause::NotANode,
            Likelihood::Certain,
            format!("{name} was enrolled as a client, and only nodes connect to each other."),
        )
        .remedy("Enrol it as a node with `clinic-mesh device invite`."),
        // These pass by themselves, or belong to connections that had their time.
        Refusal::Busy
        | Refusal::Duplicate
        | Refusal::Aged
        | Refusal::Stopping
        | Refusal::Silent => return None,
        Refusal::Malformed
        | Refusal::UnknownIssuer
        | Refusal::IssuerWithoutRight
        | Refusal::OtherKey
        | Refusal::Misbehaved
        | Refusal::TooSlow => new(
            Cause::Refused,
            Likelihood::Likely,
            format!("{name} is reached, but no secure channel comes about."),
        )
        .remedy(format!(
            "Run `clinic-mesh doctor` at {name} as well. If both say this, renew or enrol the refused \
             machine anew."
        )),
    })
}

fn hung_up(node: &Node, noted: &Noted, name: &str, sure: bool) -> Diagnosis {
    let (cause, other, message) = if sure {
        (
            Cause::OldMeshKey,
            Cause::OtherClinic,
            format!(
                "{name} hangs up without a word: this machine's mesh key or its own is too old."
            ),
        )
    } else {
        (
            Cause::OtherClinic,
            Cause::OldMeshKey,
            format!(
                "Whoever is at {} is not of this clinic, or has an old mesh key.",
                noted.address
            ),
        )
    };
    let keys = node.mesh_keys;
    let known = keys.map_or_else(String::new, |(oldest, newest)| {
        format!("; this machine knows mesh keys {oldest} to {newest}")
    });
    Diagnosis::new(cause, Likelihood::Likely, message)
        .seen(format!("{} closed the connection without an answer{known}", noted.address))
        .or(&[other, Cause::Revoked])
        .remedy(format!(
            "Run `clinic-mesh doctor` there: it sees which of both it is. If the clinic is another, \
             correct the address or invite that machine; if a mesh key is too old: {}",
            AGAIN.to_lowercase()
        ))
}
