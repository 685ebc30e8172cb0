//! The words for a certificate that was not renewed.

use crate::api::clinic::device_name;
use crate::domain::id::DeviceId;
use crate::domain::record::Clinic;
use crate::domain::renewal::Freshness;
use crate::domain::time::WallTime;

/// What is the matter with the certificate of `device`, and what to do about it, as said at the node `own`.
pub(super) fn words(
    clinic: &Clinic,
    own: &DeviceId,
    device: &DeviceId,
    freshness: Freshness,
    until: WallTime,
) -> (String, &'static str) {
    match (device == own, is_alone(clinic, own)) {
        (true, true) => only(freshness, until),
        (true, false) => this(freshness, until),
        (false, _) => another(&device_name(clinic, device), freshness, until),
    }
}

fn another(name: &str, freshness: Freshness, until: WallTime) -> (String, &'static str) {
    match freshness {
        Freshness::Fresh | Freshness::Due | Freshness::Late => (
            format!(
                "The certificate of {name} ends on {} and was not renewed.",
                until.day()
            ),
            "Leave the machine switched on where it reaches another office's node; renewal needs \
             no more than that.",
        ),
        Freshness::Expired => (
            format!("The certificate of {name} ended on {}.", until.day()),
            "Switch the machine on where it reaches a node whose certificate holds; it is renewed \
             within a minute.",
        ),
        Freshness::Lost => (
            format!(
                "The certificate of {name} ended on {}, too long ago to be renewed.",
                until.day()
            ),
            "If the machine is still in use, enrol it again; if not, run `clinic-mesh device revoke`.",
        ),
    }
}

/// The same to those who work at the machine, who may never have heard of certificates.
fn this(freshness: Freshness, until: WallTime) -> (String, &'static str) {
    let day = until.day();
    match freshness {
        Freshness::Fresh | Freshness::Due | Freshness::Late => (
            format!(
                "The other offices let this machine in until {day} and no longer: its certificate was not renewed."
            ),
            "Leave it switched on where it reaches another office's node, which renews it by itself; if this is still \
             here tomorrow, tell an admin.",
        ),
        Freshness::Expired => (
            format!(
                "The other offices do not let this machine in since its certificate ended on {day}: nothing goes there \
                 or comes from there."
            ),
            "Connect it to another office's node, which renews it within a minute; if it does not, tell an admin.",
        ),
        Freshness::Lost => (
            format!(
                "The other offices do not let this machine in: its certificate ended on {day}, too long ago to be \
                 renewed."
            ),
            "Tell an admin, who enrols this machine again.",
        ),
    }
}

/// Whether the clinic has no other node.
fn is_alone(clinic: &Clinic, own: &DeviceId) -> bool {
    !clinic.nodes().any(|(id, _)| id != own)
}

/// The same in a clinic with one node, which nobody renews by themselves.
fn only(freshness: Freshness, until: WallTime) -> (String, &'static str) {
    let ends = match freshness {
        Freshness::Fresh | Freshness::Due | Freshness::Late => "ends",
        Freshness::Expired | Freshness::Lost => "ended",
    };
    (
        format!(
            "This machine's certificate {ends} on {}, and the clinic has no other node to renew it.",
            until.day()
        ),
        "Tell an admin, who renews it with `clinic-mesh device renew`; what you do here goes on \
         meanwhile.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::status::WarningView;
    use crate::domain::health::Concern;
    use crate::domain::testing::{NOON, SampleClinic};

    fn warning_at(own: DeviceId, clinic: &SampleClinic, concern: &Concern) -> WarningView {
        WarningView::of(&clinic.record(), &own, concern)
    }

    #[test]
    fn a_machine_whose_certificate_ends_tells_everybody_there_and_in_their_words() {
        let clinic = SampleClinic::of(["ward-2", "lab"]);
        let [ward, lab] = ["ward-2", "lab"].map(|office| clinic.device(office).id);
        for freshness in [Freshness::Late, Freshness::Expired, Freshness::Lost] {
            let concern = Concern::Certificate {
                device: ward,
                freshness,
                until: NOON,
            };
            let here = warning_at(ward, &clinic, &concern);
            assert!(here.everybody);
            for said in ["The other offices", "this machine", "2026-11-21"] {
                assert!(here.message.contains(said), "{said} in {}", here.message);
            }
            assert!(here.remedy.to_lowercase().contains("tell an admin"));
            let there = warning_at(lab, &clinic, &concern);
            assert!(!there.everybody);
            let begin = "The certificate of ward-2 end";
            assert!(there.message.starts_with(begin), "{}", there.message);
        }
    }

    #[test]
    fn a_clinic_with_one_node_is_not_told_of_other_offices() {
        let clinic = SampleClinic::of(["ward-2"]);
        let ward = clinic.device("ward-2").id;
        let concern = Concern::Certificate {
            device: ward,
            freshness: Freshness::Late,
            until: NOON,
        };
        let here = warning_at(ward, &clinic, &concern);
        assert!(here.everybody);
        assert!(
            here.message.contains("certificate ends on 2026-11-21"),
            "{}",
            here.message
        );
        assert!(here.message.contains("no other node"), "{}", here.message);
        assert!(here.remedy.contains("device renew"), "{}", here.remedy);
    }
}
