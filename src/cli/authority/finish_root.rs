//! The last step of `authority rotate-root`: the old key is wiped, and nobody is left behind unnamed.
//!
//! Up to then another change can be signed in the place of this one. A node that has not heard of it goes by
//! the old key until it does.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::api::client::Client;
use crate::api::revocation::{EnforcementView, ROOT_KEY, RevocationsView};
use crate::authority::{self, AuthorityError, Progress};
use crate::cli::admin::{bring_record, ends};
use crate::cli::revoke::state;
use crate::cli::secret::YesFlag;
use crate::cli::{Context, Failure};
use crate::domain::copy::RecordCopy;
use crate::domain::id::AdminId;
use crate::domain::record::Clinic;
use crate::domain::time::WallTime;

/// How long connected nodes have to say that they know: theirs comes within a second of the last signature.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often the node is asked meanwhile.
const LOOK: Duration = Duration::from_millis(200);

/// What to do where a node is not known to have heard of the change.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unheard {
    /// Keep the old key.
    Keep,
    /// Name the nodes and ask.
    Ask(YesFlag),
}

/// How far the change is, and who may not know of it.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) progress: Progress,
    /// By name.
    pub(super) not_known: Vec<String>,
}

/// Brings both copies of the record up to date, and wipes the old key once the change counts.
pub(super) async fn finish(
    path: &Path,
    context: &Context,
    unheard: Unheard,
) -> Result<Finished, Failure> {
    let client = context.client();
    let theirs = client.record().await?;
    let known = ends(&theirs);
    let progress = authority::rotation_progress(path, theirs)?;
    let record = authority::record(path)?;
    bring_record(&client, &record, &known, context).await?;
    let Progress::Ready { new, old, .. } = progress else {
        let not_known = Vec::new();
        return Ok(Finished {
            progress,
            not_known,
        });
    };
    let lacking = lacking(&client, &record.clinic(), &new, &old, context).await?;
    let not_known: Vec<String> = lacking.iter().map(|one| one.name.clone()).collect();
    if !lacking.is_empty() {
        context.output.note(&list(&lacking));
        match unheard {
            Unheard::Keep => {
                return Ok(Finished {
                    progress,
                    not_known,
                });
            }
            Unheard::Ask(yes) => yes.confirm(
                "These go by the old root key until they hear of the change. Wipe it here all the same?",
            )?,
        }
    }
    // Nobody held the directory while that was asked: what counts is looked up again.
    let progress = authority::finish_rotation(path)?;
    Ok(Finished {
        progress,
        not_known,
    })
}

/// A node that is not known to have heard of the change.
#[derive(Debug, PartialEq, Eq)]
struct Lacking {
    name: String,
    office: String,
    /// How it stands, in words.
    state: String,
}

/// Which nodes these are, by what the node here knows of them; those connected get time to say so.
async fn lacking(
    client: &Client,
    clinic: &Clinic,
    new: &AdminId,
    old: &AdminId,
    context: &Context,
) -> Result<Vec<Lacking>, Failure> {
    let mut theirs = RecordCopy::new(clinic.id);
    theirs
        .merge(client.record().await?)
        .map_err(AuthorityError::from)?;
    if theirs.clinic().roots.last().map(|root| root.key) != Some(*new) {
        return Ok(everybody(clinic));
    }
    let begun = Instant::now();
    let mut progress = context.output.progress("asking who knows of it");
    loop {
        let view = client.revocations().await?;
        let waiting = unconfirmed(&view, old);
        let can_come = waiting.iter().any(|node| node.state == "connected");
        if !can_come || begun.elapsed() >= PATIENCE {
            let now = context.clock.now();
            return Ok(waiting.iter().map(|node| of(node, now)).collect());
        }
        progress.at(&format!("{} do not yet", waiting.len()));
        tokio::time::sleep(LOOK).await;
    }
}

/// The nodes that are not known to have the change of that key. Where the list does not have it, every node
/// has, and for more than a week.
fn unconfirmed<'a>(view: &'a RevocationsView, old: &AdminId) -> Vec<&'a EnforcementView> {
    let old = old.to_string();
    let mut changes = view.revocations.iter();
    let change = changes.find(|one| one.kind == ROOT_KEY && one.id == old);
    let nodes = change.into_iter().flat_map(|change| &change.nodes);
    nodes.filter(|node| node.state != "enforced").collect()
}

fn of(node: &EnforcementView, now: WallTime) -> Lacking {
    Lacking {
        name: node.name.clone(),
        office: node.office.clone(),
        state: state(node, now),
    }
}

/// A node that does not count the change itself says nothing of the others.
fn everybody(clinic: &Clinic) -> Vec<Lacking> {
    let nodes = clinic.nodes().map(|(_, device)| Lacking {
        name: device.certificate.name.to_string(),
        office: device.certificate.office.to_string(),
        state: "not known, for the node asked does not count the change".to_owned(),
    });
    nodes.collect()
}

fn list(lacking: &[Lacking]) -> String {
    let lines = lacking
        .iter()
        .map(|one| format!("\n  {} of office {}: {}", one.name, one.office, one.state));
    format!(
        "Not known to have heard that the root key was changed:{}",
        lines.collect::<String>()
    )
}

/// "ward-2 is", "ward-2 and lab are".
pub(super) fn are(names: &[String]) -> String {
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::revocation::RevocationView;
    use crate::domain::time::WallTime;

    fn node(name: &str, state: &str) -> EnforcementView {
        EnforcementView::sample("Ward", name, state)
    }

    fn change(kind: &str, of: AdminId, nodes: Vec<EnforcementView>) -> RevocationView {
        RevocationView {
            kind: kind.to_owned(),
            id: of.to_string(),
            name: String::new(),
            signed_at: WallTime(0).into(),
            everywhere: false,
            nodes,
        }
    }

    #[test]
    fn who_has_not_confirmed_the_change_of_this_very_key_is_named() {
        let [old, other] = [1, 2].map(|byte| AdminId::new([byte; 32]));
        let nodes = vec![
            node("front", "enforced"),
            node("lab", "connected"),
            node("ward-2", "offline"),
        ];
        let view = RevocationsView {
            revocations: vec![
                change("admin", old, vec![node("x-ray", "offline")]),
                change(ROOT_KEY, other, vec![node("x-ray", "offline")]),
                change(ROOT_KEY, old, nodes),
            ],
        };
        let found = unconfirmed(&view, &old);
        let names: Vec<_> = found.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["lab", "ward-2"]);
        let named: Vec<Lacking> = found.iter().map(|node| of(node, WallTime(0))).collect();
        let said = list(&named);
        assert!(
            said.contains("ward-2 of office Ward: offline, never heard"),
            "{said}"
        );
        assert_eq!(
            are(&["lab".to_owned(), "ward-2".to_owned()]),
            "lab and ward-2 are"
        );
    }
}
