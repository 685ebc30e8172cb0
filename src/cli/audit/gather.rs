//! Fetching a whole trail from the node.

use crate::api::blob;
use crate::api::client::{Answer, Client};
use crate::api::problem::{Code, Problem};
use crate::cli::output::Progress;
use crate::domain::id::{ClinicId, DeviceId};
use crate::domain::log::Segment;
use crate::domain::time::WallTime;
use crate::domain::trail::TrailFile;

/// The trail of a device, this node's own if none is named, with all that is needed to check it.
pub(super) async fn gather(
    client: &Client,
    device: Option<&str>,
    at: WallTime,
    progress: &mut Progress,
) -> Answer<TrailFile> {
    let status = client.status().await?;
    let device = device.unwrap_or(&status.device);
    let trail = client.trail(device).await?;
    let mut segments = Vec::new();
    for (number, epoch) in trail.epochs.iter().enumerate() {
        progress.at(&format!("run {} of {}", number + 1, trail.epochs.len()));
        fetch(client, device, (&epoch.epoch, epoch.seq), &mut segments).await?;
    }
    let attestations = trail.attestations.iter().map(|text| blob::unwrap(text));
    Ok(TrailFile {
        clinic: id(ClinicId::from_hex(&status.clinic))?,
        device: id(DeviceId::from_hex(&trail.device))?,
        by: id(DeviceId::from_hex(&status.device))?,
        at,
        record: client.record().await?,
        attestations: attestations.collect::<Result<_, _>>()?,
        segments,
    })
}

/// One epoch up to where it stood when its list was given; looking at it makes it longer.
async fn fetch(
    client: &Client,
    device: &str,
    (epoch, end): (&str, u64),
    segments: &mut Vec<Segment>,
) -> Answer<()> {
    let mut from = Some(1);
    while let Some(at) = from.filter(|at| *at <= end) {
        let part = client.trail_segments(device, epoch, at).await?;
        for text in &part.segments {
            segments.push(blob::unwrap(text)?);
        }
        from = part.next.filter(|next| *next > at);
    }
    Ok(())
}

fn id<T>(read: Option<T>) -> Result<T, Problem> {
    read.ok_or_else(|| Problem::new(Code::Internal, "the node gave an id that is none"))
}
