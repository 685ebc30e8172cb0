//! Audit trails. Looking at one is itself recorded, before anything is shown.

use axum::extract::{Extension, State};
use serde::Deserialize;

use crate::api::audit::{EpochView, Names, TrailRecords, TrailSegments, TrailView, record_view};
use crate::api::blob;
use crate::api::clinic::device_name;
use crate::api::problem::{Code, Problem};
use crate::domain::audit::{AuditRecord, Deed};
use crate::domain::id::DeviceId;
use crate::domain::log::{Epoch, Log, Segment};
use crate::domain::space::Space;
use crate::domain::time::Hlc;
use crate::node::engine::{Command, Reply, Trail};
use crate::web::access::Caller;
use crate::web::answer::{Answer, Json, Named, Parameters};
use crate::web::names;
use crate::web::state::{Api, unexpected};

/// Where a part begins.
#[derive(Deserialize)]
pub(super) struct From {
    from: Option<u64>,
}

pub(super) async fn trail(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Named(device): Named<String>,
) -> Answer<TrailView> {
    let clinic = api.clinic().await?;
    let device = names::device(&clinic, &device)?;
    let trail = ask(&api, caller, device, None).await?;
    let mut epochs = trail.epochs;
    epochs.sort_by_key(|(log, _)| log.epoch);
    let epochs = epochs.iter().map(|(log, head)| EpochView {
        epoch: format!("{:x}", log.epoch.0),
        began: Hlc(log.epoch.0).into(),
        seq: head.seq,
        hash: head.hash.to_string(),
    });
    Ok(Json(TrailView {
        device: device.to_string(),
        name: device_name(&clinic, &device),
        epochs: epochs.collect(),
        attestations: trail.attestations.iter().map(blob::wrap).collect(),
    }))
}

pub(super) async fn records(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Named((device, epoch)): Named<(String, String)>,
    Parameters(From { from }): Parameters<From>,
) -> Answer<TrailRecords> {
    let clinic = api.clinic().await?;
    let from = from.unwrap_or(1).max(1);
    let segments = part(&api, caller, (&device, &epoch), from).await?;
    let spaces = Names::of(&clinic);
    let numbered = segments
        .iter()
        .flat_map(|segment| (segment.first..).zip(&segment.entries));
    let asked = numbered.filter(|(seq, _)| *seq >= from);
    Ok(Json(TrailRecords {
        records: asked
            .map(|(seq, entry)| record_view(&clinic, &spaces, seq, entry))
            .collect(),
        next: next(&segments),
    }))
}

pub(super) async fn segments(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Named((device, epoch)): Named<(String, String)>,
    Parameters(From { from }): Parameters<From>,
) -> Answer<TrailSegments> {
    let from = from.unwrap_or(1).max(1);
    let segments = part(&api, caller, (&device, &epoch), from).await?;
    Ok(Json(TrailSegments {
        segments: segments.iter().map(blob::wrap).collect(),
        next: next(&segments),
    }))
}

/// The number behind a part; the part after the last one is empty.
fn next(segments: &[Segment]) -> Option<u64> {
    Some(segments.last()?.last() + 1)
}

/// Reads a part of a trail, after recording who reads it.
async fn part(
    api: &Api,
    caller: Caller,
    (device, epoch): (&str, &str),
    from: u64,
) -> Result<Vec<Segment>, Problem> {
    let device = names::device(&*api.clinic().await?, device)?;
    let epoch = u64::from_str_radix(epoch, 16)
        .map_err(|_| Problem::new(Code::Malformed, "an epoch is a number in hex"))?;
    let log = Log {
        space: Space::Audit(device),
        author: device.into(),
        epoch: Epoch(epoch),
    };
    let asker = caller.asker();
    let record = AuditRecord::done(asker.actor, asker.origin, Deed::TrailRead { device });
    api.note(record).await?;
    Ok(ask(api, caller, device, Some((log, from))).await?.segments)
}

async fn ask(
    api: &Api,
    caller: Caller,
    device: DeviceId,
    from: Option<(Log, u64)>,
) -> Result<Trail, Problem> {
    let asker = caller.asker();
    match api
        .ask(Command::Trail {
            asker,
            device,
            from,
        })
        .await?
    {
        Reply::Trail(trail) => Ok(trail),
        other => Err(unexpected(&other)),
    }
}
