//! `device list`.

use serde::Serialize;

use crate::api::clinic::{ClinicView, DeviceView};
use crate::api::status::StatusView;
use crate::cli::output::{Style, Table, when};
use crate::cli::{Context, Outcome};
use crate::domain::time::WallTime;

/// List the machines, their certificates, and whether they can be reached from here
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct List {}

#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    device: DeviceView,
    /// `this`, `connected`, `away`, `expired` or `revoked`.
    state: &'static str,
}

impl List {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let client = context.client();
        let (clinic, status) =
            context.block_on(async { Ok((client.clinic().await?, client.status().await?)) })?;
        let now = context.clock.now();
        let lines = lines(clinic, &status, now);
        let style = context.output.style();
        context.output.answer(&lines, || text(&lines, style, now))
    }
}

fn lines(clinic: ClinicView, status: &StatusView, now: WallTime) -> Vec<Line> {
    let state = |device: &DeviceView| {
        if device.revoked.is_some() {
            "revoked"
        } else if device.id == status.device {
            "this"
        } else if status.peers.iter().any(|peer| peer.device == device.id) {
            "connected"
        } else if device.certified_until.wall() < now {
            "expired"
        } else {
            "away"
        }
    };
    let devices = clinic.devices.into_iter();
    devices
        .map(|device| Line {
            state: state(&device),
            device,
        })
        .collect()
}

fn text(lines: &[Line], style: Style, now: WallTime) -> String {
    let mut table = Table::new(["DEVICE", "OFFICE", "KIND", "CERTIFIED UNTIL", "STATE", "ID"]);
    for line in lines {
        let device = &line.device;
        table.row([
            device.name.clone(),
            device.office.clone(),
            device.kind.clone(),
            when(device.certified_until.wall(), now),
            line.state.to_owned(),
            device.id[..8].to_owned(),
        ]);
    }
    table.show(style)
}
