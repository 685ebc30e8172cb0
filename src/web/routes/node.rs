//! The node itself, and signing in to it.

use std::collections::BTreeMap;

use axum::extract::State;

use crate::api::backup::BackupView;
use crate::api::clinic::{ClinicView, author_name, device_name, space_name};
use crate::api::inventory::{InventoryView, Known};
use crate::api::login::Done;
use crate::api::problem::{Code, Problem};
use crate::api::status::{ForkView, PeerView, StatusView, WarningView, WitnessView};
use crate::domain::health;
use crate::domain::id::DeviceId;
use crate::domain::record::Clinic;
use crate::node::engine::{Command, DeviceStanding, Reply, Status};
use crate::node::observe::{Observed, Role};
use crate::web::answer::{Answer, Json};
use crate::web::state::{Api, unexpected};

pub(super) async fn openapi() -> Json<serde_json::Value> {
    Json(crate::api::openapi::document())
}

pub(super) async fn status(State(api): State<Api>) -> Answer<StatusView> {
    let clinic = api.clinic().await?;
    let status = match api.ask(Command::Status).await? {
        Reply::Status(status) => status,
        other => return Err(unexpected(&other)),
    };
    let mut view = view(&clinic, &status, api.logins().count());
    if let Some(backups) = api.backups() {
        let (history, every, now) = (backups.history(), backups.every(), api.now().wall);
        let own = clinic.devices.get(&status.device);
        let since = own.and_then(|own| own.first_held()).unwrap_or(now);
        view.backup = Some(BackupView::of(&history, every, since, now));
        let concern = health::of_backups(&history, every, since, now);
        let warning = concern.map(|concern| WarningView::of(&clinic, &status.device, &concern));
        view.warnings.extend(warning);
    }
    Ok(Json(view))
}

fn view(clinic: &Clinic, status: &Status, logins: usize) -> StatusView {
    StatusView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        name: device_name(clinic, &status.device),
        office: office(clinic, &status.device),
        device: status.device.to_string(),
        clinic: status.clinic.to_string(),
        clinic_name: clinic.name.as_ref().map(ToString::to_string),
        standing: match status.standing {
            DeviceStanding::Enrolled => "enrolled".to_owned(),
            DeviceStanding::Unknown => "unknown".to_owned(),
            DeviceStanding::Revoked => "revoked".to_owned(),
        },
        peers: peers(clinic, status),
        away: away(clinic, status),
        spaces: status.spaces,
        entries: status.entries,
        horizon: status.horizon.to_string(),
        record: status.record.to_string(),
        forks: forks(clinic, status),
        witnesses: witnesses(clinic, status),
        trail: status.trail,
        logins,
        certificate_until: status.certificate_until.map(Into::into),
        mesh_offset_ms: status.mesh_offset_ms,
        backup: None,
        warnings: status
            .concerns
            .iter()
            .map(|concern| WarningView::of(clinic, &status.device, concern))
            .collect(),
    }
}

fn peers(clinic: &Clinic, status: &Status) -> Vec<PeerView> {
    let links = status.links.iter();
    let mut peers: Vec<PeerView> = links
        .map(|link| PeerView {
            name: device_name(clinic, &link.peer),
            office: office(clinic, &link.peer),
            device: link.peer.to_string(),
            offset_ms: link.offset_ms,
            in_sync: link.in_sync,
        })
        .collect();
    peers.sort_by(|a, b| a.name.cmp(&b.name));
    peers
}

fn away(clinic: &Clinic, status: &Status) -> Vec<String> {
    let connected = |id: &DeviceId| status.links.iter().any(|link| link.peer == *id);
    let nodes = clinic
        .nodes()
        .filter(|(id, _)| **id != status.device && !connected(id));
    let mut names: Vec<String> = nodes.map(|(id, _)| device_name(clinic, id)).collect();
    names.sort();
    names
}

fn forks(clinic: &Clinic, status: &Status) -> Vec<ForkView> {
    let forks = status.forks.iter().map(|log| ForkView {
        author: author_name(clinic, &log.author),
        place: space_name(clinic, &log.space),
        epoch: format!("{:x}", log.epoch.0),
    });
    forks.collect()
}

fn witnesses(clinic: &Clinic, status: &Status) -> Vec<WitnessView> {
    let witnesses = status.witnesses.iter().map(|(device, seq)| WitnessView {
        name: device_name(clinic, device),
        seq: *seq,
    });
    witnesses.collect()
}

fn office(clinic: &Clinic, device: &DeviceId) -> Option<String> {
    let known = clinic.devices.get(device)?;
    Some(known.certificate.office.to_string())
}

pub(super) async fn clinic(State(api): State<Api>) -> Answer<ClinicView> {
    Ok(Json(ClinicView::from(&*api.clinic().await?)))
}

pub(super) async fn inventory(State(api): State<Api>) -> Answer<InventoryView> {
    let clinic = api.clinic().await?;
    let status = match api.ask(Command::Status).await? {
        Reply::Status(status) => status,
        other => return Err(unexpected(&other)),
    };
    let known = Known {
        me: status.device,
        now: status.now,
        condition: Some(api.condition()),
        told: status.told,
        connected: status.links.iter().map(|link| link.peer).collect(),
        last_heard: status.last_heard,
        addresses: api
            .observer()
            .map(|observer| addresses(status.device, &observer.seen()))
            .unwrap_or_default(),
    };
    Ok(Json(InventoryView::of(&clinic, &known)))
}

/// Where devices are seen: this one where it listens at an address of its own, others where they are connected.
fn addresses(me: DeviceId, seen: &Observed) -> BTreeMap<DeviceId, String> {
    let others = seen.links.iter().map(|link| {
        let address = match link.role {
            Role::Dialler => link.address.to_string(),
            // The port that a connection comes from leads nowhere.
            Role::Listener => link.address.ip().to_canonical().to_string(),
        };
        (link.device, address)
    });
    let mut listeners = seen.listeners.iter();
    let own = listeners.find(|address| !address.ip().is_unspecified());
    let own = own.map(|address| (me, address.to_string()));
    others.chain(own).collect()
}

/// The store is open: whoever waited for it can go on.
pub(super) async fn unlock() -> Problem {
    Problem::new(Code::Refused, "this node is not locked").remedy("sign in as always")
}

pub(super) async fn stop(State(api): State<Api>) -> Answer<Done> {
    api.ask(Command::Stop).await?;
    Ok(Json(Done {}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::observe::Linked;

    #[test]
    fn who_dialled_is_seen_at_an_address_and_who_was_dialled_at_a_port_too() {
        let device = |number| DeviceId::new([number; 32]);
        let link = |number, address: &str, role| Linked {
            device: device(number),
            address: address.parse().expect("an address"),
            role,
        };
        let mut seen = Observed {
            links: vec![
                link(1, "[::ffff:192.168.1.7]:40123", Role::Listener),
                link(2, "192.168.1.8:7846", Role::Dialler),
            ],
            listeners: vec!["0.0.0.0:7846".parse().expect("an address")],
            ..Observed::default()
        };
        let found = addresses(device(9), &seen);
        let found: Vec<_> = found.values().map(String::as_str).collect();
        assert_eq!(found, ["192.168.1.7", "192.168.1.8:7846"]);
        seen.listeners = vec!["192.168.1.5:7846".parse().expect("an address")];
        assert_eq!(addresses(device(9), &seen)[&device(9)], "192.168.1.5:7846");
    }
}
