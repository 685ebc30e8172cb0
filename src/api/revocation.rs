//! Revocation with a clock: where each revocation is enforced.

use serde::{Deserialize, Serialize};

use super::clinic::{author_name, device_name, staff_name};
use super::moment::Moment;
use crate::domain::enforcement::{Place, Report, Standing, Target, Until};
use crate::domain::record::Clinic;

/// The kind of a root key that was changed for another one.
pub const ROOT_KEY: &str = "root_key";

/// Revocations that are recent or not enforced at every node, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationsView {
    /// Each of them.
    pub revocations: Vec<RevocationView>,
}

/// One revocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationView {
    /// `device`, `staff`, `admin`, `invitation` or `root_key`.
    pub kind: String,
    /// The id of what was revoked.
    pub id: String,
    /// What it is called in the clinic record.
    pub name: String,
    /// When it was signed, by the signer's clock.
    pub signed_at: Moment,
    /// Whether every node enforces it.
    pub everywhere: bool,
    /// Every node, this one included.
    pub nodes: Vec<EnforcementView>,
}

/// How a revocation stands at one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnforcementView {
    /// The node's office.
    pub office: String,
    /// The node's name.
    pub name: String,
    /// Its id.
    pub device: String,
    /// `enforced`, `connected` (its word has not come) or `offline`.
    pub state: String,
    /// When its signed word came that it holds the revocation, by this node's clock; none if that is not
    /// remembered, or if the node was enrolled later.
    pub heard_at: Option<Moment>,
    /// Milliseconds from the signing, by the signer's clock, until that moment.
    pub after_ms: Option<u64>,
    /// When the node was last heard, if it is offline and ever was.
    pub offline_since: Option<Moment>,
    /// Until when what was revoked could be let in there at the latest; none where it is enforced, or where
    /// nothing but the news ends it.
    pub acts_until: Option<Moment>,
    /// Until when that node itself is certified at the latest, as long as it does not hear of it; none where it is
    /// enforced, or where nodes that have not heard of it can go on renewing each other.
    pub certified_until: Option<Moment>,
}

impl RevocationsView {
    /// The view of these reports; names come from the record.
    pub fn of(clinic: &Clinic, reports: &[Report]) -> Self {
        Self {
            revocations: reports.iter().map(|report| view(clinic, report)).collect(),
        }
    }
}

fn view(clinic: &Clinic, report: &Report) -> RevocationView {
    let (kind, id, name) = named(clinic, &report.revoked.target);
    let nodes = report.places.iter();
    let mut nodes: Vec<EnforcementView> = nodes.map(|found| place(clinic, report, found)).collect();
    nodes.sort_by(|a, b| (&a.office, &a.name).cmp(&(&b.office, &b.name)));
    RevocationView {
        kind: kind.to_owned(),
        id,
        name,
        signed_at: report.revoked.at.into(),
        everywhere: report.is_enforced_everywhere(),
        nodes,
    }
}

fn named(clinic: &Clinic, target: &Target) -> (&'static str, String, String) {
    match target {
        Target::Device(id) => ("device", id.to_string(), device_name(clinic, id)),
        Target::Staff(id) => ("staff", id.to_string(), staff_name(clinic, id)),
        Target::Admin(id) => {
            let known = clinic.admins.get(id);
            let name = known.map_or_else(|| id.short(), |admin| admin.grant.name.to_string());
            ("admin", id.to_string(), name)
        }
        Target::Invitation(id) => {
            let known = clinic.invitations.get(id);
            let name = known.map_or_else(|| id.short(), |state| state.terms.name.to_string());
            ("invitation", id.to_string(), name)
        }
        Target::Root(id) => {
            let name = author_name(clinic, &(*id).into());
            (ROOT_KEY, id.to_string(), name)
        }
    }
}

fn place(clinic: &Clinic, report: &Report, place: &Place) -> EnforcementView {
    let (state, heard, since) = match place.standing {
        Standing::Enforced { heard } => ("enforced", heard, None),
        Standing::Connected => ("connected", None, None),
        Standing::Offline { since } => ("offline", None, since),
    };
    let moment = |until: Option<Until>| match until {
        Some(Until::At(end)) => Some(Moment::from(end)),
        Some(Until::Told) | None => None,
    };
    let office = clinic.devices.get(&place.device);
    EnforcementView {
        office: office.map_or_else(String::new, |found| found.certificate.office.to_string()),
        name: device_name(clinic, &place.device),
        device: place.device.to_string(),
        state: state.to_owned(),
        heard_at: heard.map(Into::into),
        after_ms: heard.map(|heard| heard.0.saturating_sub(report.revoked.at.0)),
        offline_since: since.map(Into::into),
        acts_until: moment(place.until),
        certified_until: moment(place.certified),
    }
}

#[cfg(test)]
impl EnforcementView {
    /// A node in this state, of which nothing else is known.
    pub(crate) fn sample(office: &str, name: &str, state: &str) -> Self {
        Self {
            office: office.to_owned(),
            name: name.to_owned(),
            device: String::new(),
            state: state.to_owned(),
            heard_at: None,
            after_ms: None,
            offline_since: None,
            acts_until: None,
            certified_until: None,
        }
    }
}
