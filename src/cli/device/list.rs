//! `device list`.

use serde::Serialize;

use crate::api::clinic::{ClinicView, DeviceView};
use crate::api::status::StatusView;
use crate::cli::output::{Style, Table, date};
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
        context.output.answer(&lines, || text(&lines, style))
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

fn text(lines: &[Line], style: Style) -> String {
    let mut table = Table::new(["DEVICE", "OFFICE", "KIND", "CERTIFIED UNTIL", "STATE", "ID"]);
    for line in lines {
        let device = &line.device;
        table.row([
            device.name.clone(),
            device.office.clone(),
            device.kind.clone(),
            date(device.certified_until.wall()),
            line.state.to_owned(),
            device.id[..8].to_owned(),
        ]);
    }
    table.show(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_shown_with_its_year() {
        let device = DeviceView {
            id: "a1".repeat(32),
            name: "front-pc".to_owned(),
            office: "front-desk".to_owned(),
            kind: "node".to_owned(),
            certified_until: WallTime(1_795_262_400_000).into(),
            revoked: None,
            address: None,
        };
        let lines = [Line {
            state: "this",
            device,
        }];
        let text = text(&lines, Style::default());
        assert!(text.contains("2026-11-2"), "{text}");
    }
}
