//! `revoke status`: where each revocation holds, since when, and how long it could be got round elsewhere.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::api::revocation::{EnforcementView, ROOT_KEY, RevocationView, RevocationsView};
use crate::cli::output::{Style, Table, how_long, when, when_exactly};
use crate::cli::{Context, Outcome};
use crate::domain::time::WallTime;

/// Show where each revocation is enforced since when, and until when it could be ignored elsewhere
///
/// Seconds are counted from the signing, by the clock of the machine it was signed on, until this node had
/// the other node's signed word that it holds the revocation: the end itself was earlier. Shown are
/// revocations of the last week and those that some node does not enforce. A node that does not is let in by the
/// others no longer than it is certified itself.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Status {}

impl Status {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        let client = context.client();
        let style = context.output.style();
        let now = context.clock.now();
        context.ask("asking the node", client.revocations(), |view| {
            text(view, style, now)
        })
    }
}

fn text(view: &RevocationsView, style: Style, now: WallTime) -> String {
    if view.revocations.is_empty() {
        return "Nothing was revoked within a week, and every earlier revocation is enforced at every \
                node.\n"
            .to_owned();
    }
    let names = Names::of(view);
    let shown = view.revocations.iter();
    let shown = shown.map(|one| section(one, &names, style, now));
    shown.collect::<Vec<_>>().join("\n")
}

/// Every device on the screen: a machine and the one in its place bear one name.
struct Names<'a>(BTreeSet<(&'a str, &'a str)>);

impl<'a> Names<'a> {
    fn of(view: &'a RevocationsView) -> Self {
        let revoked = view.revocations.iter().filter(|one| one.kind == DEVICE);
        let revoked = revoked.map(|one| (&*one.name, &*one.id));
        let nodes = view.revocations.iter().flat_map(|one| &one.nodes);
        let nodes = nodes.map(|node| (&*node.name, &*node.device));
        Self(revoked.chain(nodes).collect())
    }

    /// The name, with the beginning of the id where it is not this device's alone.
    fn apart(&self, name: &str, id: &str) -> String {
        let mut others = self.0.iter().filter(|(_, other)| *other != id);
        match others.any(|(other, _)| *other == name) {
            true => format!("{name} ({})", id.get(..8).unwrap_or(id)),
            false => name.to_owned(),
        }
    }
}

/// The kind of a machine that was revoked.
const DEVICE: &str = "device";

fn section(revocation: &RevocationView, names: &Names<'_>, style: Style, now: WallTime) -> String {
    let name = match revocation.kind.as_str() {
        DEVICE => names.apart(&revocation.name, &revocation.id),
        _ => revocation.name.clone(),
    };
    let title = format!("{} {name}", kind(&revocation.kind));
    let signed = when_exactly(revocation.signed_at.wall());
    let verdict = if revocation.everywhere {
        style.good("enforced everywhere")
    } else {
        style.bad("not enforced everywhere")
    };
    let mut table = Table::new([
        "OFFICE",
        "NODE",
        "STATE",
        "COULD BE IGNORED UNTIL",
        "NODE CERTIFIED UNTIL",
    ]);
    for node in &revocation.nodes {
        table.row([
            node.office.clone(),
            names.apart(&node.name, &node.device),
            state(node, now),
            until(node),
            certified(node),
        ]);
    }
    format!(
        "{}, revoked {signed}: {verdict}\n{}",
        style.bold(&title),
        table.show(style)
    )
}

fn kind(kind: &str) -> &str {
    match kind {
        "staff" => "staff member",
        "invitation" => "invitation for",
        ROOT_KEY => "changed for another:",
        other => other,
    }
}

/// How a revocation stands at one node.
pub(in crate::cli) fn state(node: &EnforcementView, now: WallTime) -> String {
    match (node.state.as_str(), node.after_ms) {
        ("enforced", Some(ms)) => format!("enforced after {}", span(ms)),
        ("enforced", None) => "enforced".to_owned(),
        ("connected", _) => "connected, has not confirmed yet".to_owned(),
        _ => match &node.offline_since {
            Some(since) => format!("offline since {}", when(since.wall(), now)),
            None => "offline, never heard by this node".to_owned(),
        },
    }
}

/// Seconds with a tenth while that tells something.
fn span(ms: u64) -> String {
    match ms {
        0..60_000 => format!("{}.{} s", ms / 1000, ms / 100 % 10),
        _ => how_long(Duration::from_millis(ms)),
    }
}

fn until(node: &EnforcementView) -> String {
    match (&node.acts_until, node.state.as_str()) {
        (_, "enforced") => String::new(),
        (Some(until), _) => when_exactly(until.wall()),
        (None, _) => "it hears of it".to_owned(),
    }
}

fn certified(node: &EnforcementView) -> String {
    match (&node.certified_until, node.state.as_str()) {
        (_, "enforced") => String::new(),
        (Some(until), _) => when_exactly(until.wall()),
        (None, _) => "others renew it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::moment::Moment;

    const SIGNED: WallTime = WallTime(1_795_262_400_000);

    fn node(office: &str, state: &str) -> EnforcementView {
        EnforcementView::sample(office, &format!("{office}-1"), state)
    }

    #[test]
    fn each_office_says_how_the_revocation_stands_there() {
        let after = |hours: u64| Moment::from(SIGNED.plus(Duration::from_secs(hours * 3600)));
        let mut lab = node("lab", "enforced");
        lab.after_ms = Some(340);
        let mut ward = node("ward", "offline");
        ward.offline_since = Some(after(0));
        ward.acts_until = Some(after(24 * 200));
        ward.certified_until = Some(after(24 * 20));
        let view = RevocationsView {
            revocations: vec![RevocationView {
                kind: "device".to_owned(),
                id: String::new(),
                name: "lost laptop".to_owned(),
                signed_at: SIGNED.into(),
                everywhere: false,
                nodes: vec![
                    lab,
                    node("pharmacy", "connected"),
                    ward,
                    node("x-ray", "offline"),
                ],
            }],
        };
        let text = text(
            &view,
            Style::default(),
            SIGNED.plus(Duration::from_secs(60)),
        );
        for said in [
            "device lost laptop",
            "not enforced everywhere",
            "enforced after 0.3 s",
            "has not confirmed yet",
            "offline since",
            "2027-06-09",
            "2026-12-11",
            "never heard by this node",
            "it hears of it",
            "others renew it",
        ] {
            assert!(text.contains(said), "{said} in:\n{text}");
        }
    }

    #[test]
    fn a_machine_is_told_from_the_one_that_took_its_name() {
        let mut lab = node("lab", "enforced");
        (lab.name, lab.device) = ("lab-pc".to_owned(), "aaaaaaaaaa".to_owned());
        let mut ward = node("ward", "enforced");
        ward.device = "cccccccccc".to_owned();
        let view = RevocationsView {
            revocations: vec![RevocationView {
                kind: "device".to_owned(),
                id: "bbbbbbbbbb".to_owned(),
                name: "lab-pc".to_owned(),
                signed_at: SIGNED.into(),
                everywhere: true,
                nodes: vec![lab, ward],
            }],
        };
        let text = text(&view, Style::default(), SIGNED);
        for said in ["device lab-pc (bbbbbbbb)", "lab-pc (aaaaaaaa)", "ward-1  "] {
            assert!(text.contains(said), "{said} in:\n{text}");
        }
        assert!(!text.contains("cccccccc"), "{text}");
    }

    #[test]
    fn long_waits_are_told_in_longer_units() {
        assert_eq!(span(59_990), "59.9 s");
        assert_eq!(span(3 * 3_600_000), "3 h 0 min");
    }
}
