//! `node status`: how this node and its neighbours are.

use std::time::Duration;

use crate::api::backup::BackupView;
use crate::api::status::StatusView;
use crate::cli::hints::InUse;
use crate::cli::output::{Style, Table};
use crate::cli::{Context, Outcome};

/// Show this node's peers, what it holds, and whether anything needs a look
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Status {}

/// Clocks that differ by more than this many milliseconds deserve a look.
const OFFSET_WORTH_A_LOOK: i64 = 2_000;

/// Longest wait for the node.
///
/// Ten seconds: it answers in milliseconds, and in a second or two where the disk or the processors
/// are busy. One that takes longer hangs or was stopped, and whoever asks how it is wants to hear that.
const PATIENCE: Duration = Duration::from_secs(10);

impl Status {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let client = context.client().within(PATIENCE);
        let style = context.output.style();
        context.ask("asking the node", client.status(), |status| {
            text(status, style, &context.in_use)
        })
    }
}

fn text(status: &StatusView, style: Style, in_use: &InUse) -> String {
    let office = status
        .office
        .as_deref()
        .unwrap_or("an office not known yet");
    let clinic = status
        .clinic_name
        .as_deref()
        .unwrap_or("a clinic not known yet");
    let standing = match status.standing.as_str() {
        "enrolled" => style.good("enrolled"),
        "revoked" => style.bad("revoked: enrol this machine again as another device"),
        _ => "waiting for the clinic record".to_owned(),
    };
    let mut text = format!(
        "{} of office {office}, {clinic}: {standing}\n\n",
        style.bold(&status.name)
    );
    for warning in &status.warnings {
        let remedy = match warning.kind.as_str() {
            // That is done at another machine.
            "backup_elsewhere" => warning.remedy.clone(),
            _ => in_use.fill(&warning.remedy),
        };
        let line = format!("WARNING: {} {remedy}\n", warning.message);
        text.push_str(&style.bad(&line));
    }
    text.push_str(&in_use.fill(&peers(status, style)));
    text.push_str(&format!(
        "\nHolds {} entries in {} spaces; alive from {} on.\n",
        status.entries, status.spaces, status.horizon
    ));
    if let Some(until) = &status.certificate_until {
        text.push_str(&format!(
            "Certified until {}; renewed by other nodes from ten days before.\n",
            until.iso
        ));
    }
    if let Some(offset) = status.mesh_offset_ms {
        text.push_str(&format!(
            "Clock against the peers' median: {}.\n",
            offset_words(offset)
        ));
    }
    let backup = status.backup.as_ref().map_or_else(String::new, backup);
    text.push_str(&in_use.fill(&backup));
    text.push_str(&witnesses(status, style));
    for fork in &status.forks {
        let line = format!(
            "FORK: two histories of {} in {}.\n",
            fork.author, fork.place
        );
        text.push_str(&style.bad(&line));
    }
    text
}

/// The newest backup, and what is known of it; that it is too old is among the warnings.
fn backup(backup: &BackupView) -> String {
    let by_itself = match backup.every_hours {
        None => "the node makes none by itself".to_owned(),
        Some(hours) => format!("the node makes one every {hours} hours"),
    };
    let Some(last) = &backup.last else {
        return format!("Never backed up; {by_itself}.\n");
    };
    let checked = if backup.opened {
        "opened again and checked"
    } else {
        "by a command; check the file with `clinic-mesh backup verify`"
    };
    format!("Last backed up {} ({checked}); {by_itself}.\n", last.iso)
}

fn peers(status: &StatusView, style: Style) -> String {
    if status.peers.is_empty() && status.away.is_empty() {
        return "No other nodes yet; invite one with `clinic-mesh device invite`.\n".to_owned();
    }
    let mut table = Table::new(["PEER", "OFFICE", "STATE", "RECORD", "CLOCK"]);
    for peer in &status.peers {
        table.row([
            peer.name.clone(),
            peer.office.clone().unwrap_or_default(),
            "connected".to_owned(),
            if peer.in_sync {
                "in sync"
            } else {
                "catching up"
            }
            .to_owned(),
            offset(peer.offset_ms),
        ]);
    }
    for name in &status.away {
        table.row([
            name.clone(),
            String::new(),
            "away".to_owned(),
            String::new(),
            String::new(),
        ]);
    }
    table.show(style)
}

/// How far this node's clock is from its peers', who say what ours lacks.
fn offset_words(peers_minus_ours: i64) -> String {
    offset(peers_minus_ours.saturating_neg())
}

fn offset(ms: i64) -> String {
    let seconds = ms as f64 / 1000.0;
    match ms.saturating_abs() {
        0..50 => "same".to_owned(),
        50..OFFSET_WORTH_A_LOOK => format!("{seconds:+.1} s"),
        _ => format!("{seconds:+.1} s, check the clocks"),
    }
}

fn witnesses(status: &StatusView, style: Style) -> String {
    if status.witnesses.is_empty() {
        return style.dim("No other node has witnessed the audit trail of this run yet.") + "\n";
    }
    let seen: Vec<_> = status
        .witnesses
        .iter()
        .map(|witness| format!("{} up to {}", witness.name, witness.seq))
        .collect();
    format!(
        "Audit trail at {}; witnessed by {}.\n",
        status.trail,
        seen.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> StatusView {
        serde_json::from_value(serde_json::json!({
            "version": "1", "name": "front", "office": "Front desk", "device": "", "clinic": "",
            "clinic_name": "Sample", "standing": "enrolled",
            "peers": [{"name": "ward", "office": "Ward 2", "device": "", "offset_ms": 4200,
                       "in_sync": true}],
            "away": ["lab"], "spaces": 3, "entries": 12, "horizon": "2026-11-21", "record": "",
            "forks": [{"author": "ward", "place": "rounds", "epoch": "00"}],
            "witnesses": [{"name": "ward", "seq": 7}], "trail": 9, "logins": 0,
            "certificate_until": {"iso": "2026-12-21T12:00:00Z", "ms": 0}, "mesh_offset_ms": 4200,
            "backup": {"last": {"iso": "2026-11-21T12:00:00Z", "ms": 0}, "by": "schedule",
                       "opened": true, "bytes": 7, "every_hours": 24,
                       "due": {"iso": "2026-11-23T00:00:00Z", "ms": 0}, "failed": null},
            "warnings": [{"kind": "clock", "message": "Off.", "remedy": "Set it.", "everybody": true}]
        }))
        .expect("a status")
    }

    #[test]
    fn whatever_needs_a_look_is_on_the_page() {
        let text = text(&status(), Style::default(), &InUse::default());
        for said in [
            "front",
            "Ward 2",
            "in sync",
            "+4.2 s, check",
            "lab",
            "away",
            "FORK",
            "WARNING: Off. Set it.",
            "Certified until 2026-12-21",
            "-4.2 s",
            "Last backed up 2026-11-21T12:00:00Z (opened again",
            "every 24 hours",
            "up to 7",
        ] {
            assert!(text.contains(said), "{said} in:\n{text}");
        }
    }

    #[test]
    fn small_differences_of_clocks_are_no_news() {
        assert_eq!(offset(-20), "same");
        assert_eq!(offset(-300), "-0.3 s");
    }
}
