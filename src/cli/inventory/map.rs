//! The network map as a picture: this node on top, the others below it, and who may sign in where.
//!
//! The picture is text and lines only. It runs nothing, loads nothing, and every name in it is escaped, for
//! it is opened in browsers and mailed to auditors.

use crate::api::inventory::{AssetBackupView, AssetView, InventoryView};
use crate::api::moment::Moment;
use crate::cli::output::plain;

/// Cards in a row: what an A4 page across shows in letters that can be read.
const COLUMNS: usize = 4;
const CARD: usize = 290;
const GAP: usize = 26;
const MARGIN: usize = 48;
/// Room above a row of cards for the line they hang on.
const ABOVE: usize = 44;
const LINE: usize = 19;
/// Letters that fit a line of a card.
const LETTERS: usize = 34;
/// Lines of names on a card; whoever comes after is counted.
const NAMES: usize = 5;

/// The picture.
pub(super) fn svg(view: &InventoryView) -> String {
    let mut picture = Picture::default();
    let nodes = |device: &&AssetView| device.kind == "node" && device.revoked.is_none();
    let own = view.devices.iter().find(|device| device.state == "this");
    let others: Vec<&AssetView> = view
        .devices
        .iter()
        .filter(nodes)
        .filter(|device| device.state != "this")
        .collect();
    let columns = others.len().clamp(2, COLUMNS);
    let width = 2 * MARGIN + columns * CARD + (columns - 1) * GAP;
    picture.title(view);
    let mut y = 118;
    if let Some(own) = own {
        y += picture.card(own, MARGIN, y);
    }
    y = picture.rows(&others, y);
    y = picture.rest(view, y + 40);
    picture.legend(view, y + 12);
    picture.whole(width, y + 44, view)
}

#[derive(Default)]
struct Picture {
    parts: Vec<String>,
}

/// How a line of text looks.
#[derive(Clone, Copy)]
enum Look {
    Title,
    Office,
    Plain,
    Quiet,
}

impl Look {
    const fn attributes(self) -> &'static str {
        match self {
            Self::Title => r##"font-size="24" font-weight="600" fill="#1d2b36""##,
            Self::Office => r##"font-size="17" font-weight="600" fill="#1d2b36""##,
            Self::Plain => r##"font-size="13.5" fill="#1d2b36""##,
            Self::Quiet => r##"font-size="13.5" fill="#566773""##,
        }
    }
}

/// How a state looks: the colour of its mark, and of the card's edge.
fn colour(state: &str) -> &'static str {
    match state {
        "this" => "#1f5f8b",
        "connected" => "#2f7d4f",
        "expired" | "revoked" => "#a33b2e",
        _ => "#8a6d1b",
    }
}

impl Picture {
    fn text(&mut self, x: usize, y: usize, look: Look, text: &str) {
        let look = look.attributes();
        let text = escaped(text);
        self.parts
            .push(format!(r#"<text x="{x}" y="{y}" {look}>{text}</text>"#));
    }

    fn line(&mut self, from: (usize, usize), to: (usize, usize), state: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let (stroke, dashes) = match state {
            "connected" => ("#2f7d4f", ""),
            "trunk" => ("#9aa8b2", ""),
            _ => ("#9aa8b2", r#" stroke-dasharray="5 5""#),
        };
        self.parts.push(format!(
            r#"<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{stroke}" stroke-width="2"{dashes}/>"#
        ));
    }

    fn title(&mut self, view: &InventoryView) {
        let clinic = view.clinic_name.as_deref().unwrap_or("Clinic");
        self.text(MARGIN, 56, Look::Title, &shortened(clinic, 60));
        let known = format!("As {} knew it on {}", view.made_by, minute(&view.made_at));
        self.text(MARGIN, 84, Look::Quiet, &known);
    }

    /// One machine; gives its height.
    fn card(&mut self, device: &AssetView, x: usize, y: usize) -> usize {
        let lines = lines(device);
        let height = 66 + LINE * lines.len();
        let colour = colour(&device.state);
        self.parts.push(format!(
            r##"<rect x="{x}" y="{y}" width="{CARD}" height="{height}" rx="10" fill="#ffffff" stroke="#ccd5db"/>"##
        ));
        self.parts.push(format!(
            r#"<rect x="{x}" y="{}" width="5" height="{}" rx="2.5" fill="{colour}"/>"#,
            y + 14,
            height - 28
        ));
        self.text(x + 20, y + 31, Look::Office, &shortened(&device.office, 25));
        for (number, (look, line)) in lines.iter().enumerate() {
            self.text(x + 20, y + 56 + LINE * number, *look, line);
        }
        height
    }

    /// The other nodes, each row hanging on a line from the trunk at the left; gives where they end.
    fn rows(&mut self, others: &[&AssetView], top: usize) -> usize {
        let trunk = MARGIN / 2;
        let mut y = top;
        let mut last = None;
        for row in others.chunks(COLUMNS) {
            let bus = y + ABOVE / 2;
            let right = MARGIN + (row.len() - 1) * (CARD + GAP) + CARD / 2;
            self.line((trunk, bus), (right, bus), "trunk");
            let mut tallest = 0;
            for (column, device) in row.iter().enumerate() {
                let x = MARGIN + column * (CARD + GAP);
                let middle = x + CARD / 2;
                self.line((middle, bus), (middle, y + ABOVE), &device.state);
                tallest = tallest.max(self.card(device, x, y + ABOVE));
            }
            last = Some(bus);
            y += ABOVE + tallest;
        }
        if let Some(last) = last {
            self.line((trunk, 140), (trunk, last), "trunk");
            self.line((trunk, 140), (MARGIN, 140), "trunk");
        }
        y
    }

    /// Machines that hang on no line: clients, and whatever was revoked.
    fn rest(&mut self, view: &InventoryView, top: usize) -> usize {
        let mut y = top;
        let clients = |device: &&AssetView| device.kind == "client" && device.revoked.is_none();
        let revoked = |device: &&AssetView| device.revoked.is_some();
        let clients: Vec<&AssetView> = view.devices.iter().filter(clients).collect();
        let revoked: Vec<&AssetView> = view.devices.iter().filter(revoked).collect();
        for (title, devices) in [("Staff members' machines", clients), ("Revoked", revoked)] {
            if devices.is_empty() {
                continue;
            }
            self.text(MARGIN, y, Look::Office, title);
            y += LINE + 4;
            for device in devices {
                self.text(MARGIN, y, Look::Quiet, &rest_line(device));
                y += LINE;
            }
            y += 14;
        }
        y
    }

    fn legend(&mut self, view: &InventoryView, y: usize) {
        let people = view.people.iter();
        let active = people.filter(|person| !person.suspended).count();
        let suspended = view.people.len() - active;
        let text = format!(
            "Solid green: a secure channel is open. Dashed: none. People who may sign in: {active}; \
             suspended: {suspended}."
        );
        self.text(MARGIN, y, Look::Quiet, &text);
    }

    fn whole(self, width: usize, height: usize, view: &InventoryView) -> String {
        let clinic = escaped(view.clinic_name.as_deref().unwrap_or("Clinic"));
        format!(
            r##"<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif" role="img">
<title>Network map of {clinic}</title>
<rect width="{width}" height="{height}" fill="#f5f7f8"/>
{}
</svg>
"##,
            self.parts.join("\n")
        )
    }
}

/// A moment to the minute, in the zone that every reader can turn into their own.
fn minute(at: &Moment) -> String {
    let text: String = at.iso.chars().take(16).collect();
    format!("{} UTC", text.replace('T', " "))
}

fn lines(device: &AssetView) -> Vec<(Look, String)> {
    let state = match device.state.as_str() {
        "this" => "this node",
        other => other,
    };
    let mut lines = vec![
        (Look::Plain, shortened(&device.name, LETTERS)),
        (Look::Plain, state.to_owned()),
    ];
    match (state, &device.last_heard) {
        ("this node" | "connected", _) => {}
        (_, Some(at)) => lines.push((Look::Quiet, format!("last heard {}", minute(at)))),
        (_, None) => lines.push((Look::Quiet, "never heard".to_owned())),
    }
    if let Some(address) = &device.address {
        lines.push((Look::Quiet, shortened(&format!("at {address}"), LETTERS)));
    }
    let until = device.certified_until.wall().day();
    lines.push((Look::Quiet, format!("certified until {until}")));
    if let Some(since) = &device.key_since {
        lines.push((Look::Quiet, format!("key since {}", since.wall().day())));
    }
    let may = device.capabilities.join(", ");
    if !may.is_empty() {
        lines.push((Look::Quiet, format!("may also: {may}")));
    }
    if let Some(version) = &device.version {
        let outdated = if device.outdated { ", older" } else { "" };
        let version = shortened(version, LETTERS - "program , older".len());
        lines.push((Look::Quiet, format!("program {version}{outdated}")));
    }
    lines.extend(
        device
            .backup
            .as_ref()
            .map(|backup| (Look::Quiet, backed_up(backup))),
    );
    let heading = match device.people.len() {
        0 => "Nobody signs in here".to_owned(),
        1 => "One person may sign in:".to_owned(),
        count => format!("{count} people may sign in:"),
    };
    lines.push((Look::Quiet, heading));
    let names = names(&device.people);
    lines.extend(names.into_iter().map(|line| (Look::Plain, line)));
    lines
}

fn backed_up(backup: &AssetBackupView) -> String {
    let failed = if backup.failed { ", then failed" } else { "" };
    match &backup.last {
        Some(at) => format!("backed up {}{failed}", at.wall().day()),
        None => "no backup is known".to_owned(),
    }
}

fn rest_line(device: &AssetView) -> String {
    let end = match &device.revoked {
        Some(at) => format!("revoked {}", at.wall().day()),
        None => format!("certified until {}", device.certified_until.wall().day()),
    };
    let (name, office) = (shortened(&device.name, 40), shortened(&device.office, 40));
    format!("{name}, {office}, key {}: {end}", &device.id[..8])
}

/// Names in lines that fit a card, at most [`NAMES`] of them.
fn names(people: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut shown = 0;
    for person in people {
        let person = shortened(person, LETTERS);
        let room = lines.last().map_or(0, |line| line.chars().count());
        let fits = room > 0 && room + person.chars().count() + 2 <= LETTERS;
        let full = lines.len() == NAMES;
        match lines.last_mut() {
            Some(line) if fits => *line = format!("{line}, {person}"),
            _ if full => break,
            _ => lines.push(person),
        }
        shown += 1;
    }
    if shown < people.len() {
        lines.push(format!("and {} more", people.len() - shown));
    }
    lines
}

fn shortened(text: &str, letters: usize) -> String {
    let text = plain(text);
    if text.chars().count() <= letters {
        return text;
    }
    let kept: String = text.chars().take(letters - 1).collect();
    format!("{}…", kept.trim_end())
}

/// Text that stays text inside a picture.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in plain(text).chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
