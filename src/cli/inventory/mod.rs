//! `clinic-mesh inventory`: the asset list and network map that an auditor asks for.

mod map;

use std::path::PathBuf;

use crate::api::inventory::{AccessView, AssetView, InventoryView};
use crate::cli::output::{Style, Table, date, how_long, when};
use crate::cli::{Context, Outcome};
use crate::domain::time::WallTime;
use crate::platform::files;

/// List every machine with its key and certificate, and who may sign in where
///
/// Everything but what this node saw itself is from the clinic record. Two things a machine is believed of
/// itself: the version of its program and how its backups stand; they are as old as it was last heard.
#[derive(Debug, clap::Args)]
pub(super) struct Inventory {
    /// Draw the network as an SVG picture into this new file
    #[arg(long, value_name = "FILE.svg", value_hint = clap::ValueHint::FilePath)]
    map: Option<PathBuf>,
}

impl Inventory {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let client = context.client();
        let view = context.block_on(async { Ok(client.inventory().await?) })?;
        if let Some(path) = &self.map {
            files::write_shared(path, map::svg(&view).as_bytes())?;
            let drawn = format!("The map is in {}.", path.display());
            context.output.note(&drawn);
        }
        let now = context.clock.now();
        let style = context.output.style();
        context
            .output
            .answer(&view, || context.typed(&text(&view, style, now)))
    }
}

fn text(view: &InventoryView, style: Style, now: WallTime) -> String {
    let clinic = view
        .clinic_name
        .as_deref()
        .unwrap_or("A clinic not known yet");
    let title = format!("{clinic}, as {} knows it", view.made_by);
    format!(
        "{}\n\n{}\n{}",
        style.bold(&title),
        machines(&view.devices, style, now),
        people(&view.people, style)
    )
}

fn machines(devices: &[AssetView], style: Style, now: WallTime) -> String {
    let mut table = Table::new([
        "OFFICE",
        "DEVICE",
        "KIND",
        "STATE",
        "KEY AGE",
        "CERTIFIED UNTIL",
        "LAST HEARD",
        "ADDRESS",
        "VERSION",
        "BACKED UP",
        "ID",
    ]);
    for device in devices {
        table.row([
            device.office.clone(),
            device.name.clone(),
            device.kind.clone(),
            device.state.clone(),
            key_age(device, now),
            date(device.certified_until.wall()),
            last_heard(device, now),
            device.address.clone().unwrap_or_default(),
            version(device),
            backed_up(device, now),
            device.id[..8].to_owned(),
        ]);
    }
    table.show(style)
}

fn key_age(device: &AssetView, now: WallTime) -> String {
    let age = |since: WallTime| now.0.saturating_sub(since.0);
    let since = device.key_since.as_ref();
    since.map_or_else(String::new, |since| {
        how_long(std::time::Duration::from_millis(age(since.wall())))
    })
}

fn last_heard(device: &AssetView, now: WallTime) -> String {
    match (&device.last_heard, device.state.as_str()) {
        (_, "this") => String::new(),
        (Some(at), _) => when(at.wall(), now),
        (None, _) => "never".to_owned(),
    }
}

/// The version, that there is a newer one, and since when it was told.
fn version(device: &AssetView) -> String {
    let Some(version) = &device.version else {
        return String::new();
    };
    let outdated = if device.outdated { " (older)" } else { "" };
    match &device.version_since {
        Some(since) => format!("{version}{outdated} since {}", date(since.wall())),
        None => format!("{version}{outdated}"),
    }
}

fn backed_up(device: &AssetView, now: WallTime) -> String {
    let Some(backup) = &device.backup else {
        return String::new();
    };
    let last = backup.last.as_ref();
    let last = last.map_or_else(|| "none known".to_owned(), |at| when(at.wall(), now));
    match (backup.failed, backup.every_hours) {
        (true, _) => format!("{last}, last try failed"),
        (false, None) => format!("{last}, by hand"),
        (false, Some(_)) => last,
    }
}

fn people(people: &[AccessView], style: Style) -> String {
    if people.is_empty() {
        return "No staff yet; add somebody with `clinic-mesh staff add`.\n".to_owned();
    }
    let mut table = Table::new(["PERSON", "ROLES", "MAY SIGN IN AT"]);
    for person in people {
        let offices = if person.suspended {
            "nowhere, suspended".to_owned()
        } else {
            person.offices.join(", ")
        };
        table.row([person.name.clone(), person.roles.join(", "), offices]);
    }
    table.show(style)
}

#[cfg(test)]
mod tests;
