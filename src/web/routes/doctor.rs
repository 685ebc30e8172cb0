//! What this node has seen of others, for the doctor.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::State;

use crate::api::clinic::device_name;
use crate::api::doctor::{ADDRESSES_MAX, DoctorRequest, DoctorView, PATIENCE_MAX};
use crate::api::problem::{Code, Problem};
use crate::doctor::facts;
use crate::domain::cert::Certificate;
use crate::domain::health::OFFSET_WORTH_A_WARNING;
use crate::domain::id::DeviceId;
use crate::domain::record::{Clinic, Device};
use crate::domain::renewal::{self, Freshness};
use crate::node::engine::{Command, DeviceStanding, Reply, Status};
use crate::node::observe::{By, Noted, Observed, Role, What};
use crate::web::access::busy;
use crate::web::answer::{Answer, Json};
use crate::web::state::{Api, unexpected};

pub(super) async fn look(
    State(api): State<Api>,
    Json(request): Json<DoctorRequest>,
) -> Answer<DoctorView> {
    let addresses = addresses(&request)?;
    let observer = api.observer().ok_or_else(busy)?;
    let patience = Duration::from_millis(request.patience.min(PATIENCE_MAX));
    let observed = if patience.is_zero() {
        observer.seen()
    } else {
        observer.look(addresses, patience).await
    };
    let clinic = api.clinic().await?;
    let status = match api.ask(Command::Status).await? {
        Reply::Status(status) => status,
        other => return Err(unexpected(&other)),
    };
    let keys = api.enrolment().map(|enrolment| enrolment.mesh_keys());
    let keys = keys.unwrap_or_default();
    // What is planned is in nobody's use.
    let oldest = keys.of_the_record().next().map(|(epoch, _)| epoch);
    let newest = keys.newest().map(|(epoch, _)| epoch);
    let mut node = node(&clinic, &status, observed);
    node.mesh_keys = oldest.zip(newest);
    let node = serde_json::to_value(node).map_err(|_| busy())?;
    Ok(Json(DoctorView { node }))
}

fn addresses(request: &DoctorRequest) -> Result<Vec<SocketAddr>, Problem> {
    if request.addresses.len() > ADDRESSES_MAX {
        let message = format!("at most {ADDRESSES_MAX} addresses are looked at");
        return Err(Problem::new(Code::Malformed, message));
    }
    let read = |address: &String| {
        address.parse().map_err(|_| {
            let message = format!("{address:?} is no address with a port");
            Problem::new(Code::Malformed, message)
        })
    };
    request.addresses.iter().map(read).collect()
}

fn node(clinic: &Clinic, status: &Status, seen: Observed) -> facts::Node {
    let own = clinic.devices.get(&status.device);
    let others = clinic.nodes().filter(|(id, _)| **id != status.device);
    let peers = others.map(|(id, device)| peer(clinic, status, &seen, id, device));
    facts::Node {
        device: status.device.to_string(),
        name: device_name(clinic, &status.device),
        clinic: status.clinic.to_string(),
        clock: status.now.to_string(),
        standing: match status.standing {
            DeviceStanding::Enrolled => facts::Standing::Enrolled,
            DeviceStanding::Unknown => facts::Standing::Unknown,
            DeviceStanding::Revoked => facts::Standing::Revoked,
        },
        certificate: own.map(|own| certificate(&own.certificate, status, Clock::Own)),
        offset_ms: status.mesh_offset_ms,
        mesh_keys: None,
        peers: peers.collect(),
        noted: seen.noted.iter().map(noted).collect(),
        announced: seen
            .announced
            .iter()
            .map(|announced| facts::Announced {
                addresses: announced.addresses.clone(),
                member: announced.member,
            })
            .collect(),
        listeners: seen.listeners,
        reached: seen.reached,
    }
}

fn peer(
    clinic: &Clinic,
    status: &Status,
    seen: &Observed,
    id: &DeviceId,
    device: &Device,
) -> facts::Peer {
    let linked = seen.links.iter().find(|link| link.device == *id);
    let told = status.links.iter().find(|link| link.peer == *id);
    facts::Peer {
        device: id.to_string(),
        name: device_name(clinic, id),
        office: device.certificate.office.to_string(),
        certificate: certificate(&device.certificate, status, Clock::Peers),
        link: linked.map(|link| facts::Link {
            address: link.address,
            came_in: link.role == Role::Listener,
            offset_ms: told.map_or(0, |told| told.offset_ms),
        }),
        places: seen.places.get(id).cloned().unwrap_or_default(),
    }
}

/// By whose clock a certificate is looked at.
enum Clock {
    /// This node's.
    Own,
    /// The peers', where this node's is known to be wrong: one wrong clock does not end all certificates.
    Peers,
}

fn certificate(of: &Certificate, status: &Status, clock: Clock) -> facts::Certificate {
    let worth = |offset: &i64| offset.unsigned_abs() > OFFSET_WORTH_A_WARNING;
    let shift = match clock {
        Clock::Own => 0,
        Clock::Peers => status.mesh_offset_ms.filter(worth).unwrap_or(0),
    };
    let mut now = status.now;
    now.0 = now.0.saturating_add_signed(shift);
    facts::Certificate {
        until: of.not_after.day().to_string(),
        freshness: match renewal::freshness(of, now) {
            Freshness::Fresh | Freshness::Due => facts::Freshness::Fresh,
            Freshness::Late => facts::Freshness::Late,
            Freshness::Expired => facts::Freshness::Expired,
            Freshness::Lost => facts::Freshness::Lost,
        },
    }
}

fn noted(noted: &Noted) -> facts::Noted {
    let what = match noted.what {
        What::NoConnection(_) => facts::What::NoConnection,
        What::HungUp => facts::What::HungUp,
        What::Stranger => facts::What::Stranger,
        What::MeshKey(epoch) => facts::What::MeshKey(epoch),
        What::Refused { by: By::Us, why } => facts::What::Refused(why.code()),
        What::Refused { by: By::Peer, why } => facts::What::WasRefused(why.code()),
    };
    facts::Noted {
        address: noted.address,
        came_in: noted.role == Role::Listener,
        device: noted.device.map(|device| device.to_string()),
        what,
        seconds_ago: noted.ago.as_secs(),
    }
}
