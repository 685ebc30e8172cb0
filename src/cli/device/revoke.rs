//! `device revoke`: out everywhere the mesh reaches, and watched until it is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::api::status::StatusView;
use crate::cli::admin::{AdminKey, Desk, device};
use crate::cli::secret::YesFlag;
use crate::cli::{Context, Failure, Outcome};
use crate::domain::id::DeviceId;

/// Revoke a machine: cut it off everywhere, for good
///
/// The mesh key is changed as well, so that the machine cannot even tell that a node is there.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Revoke {
    /// Name, office or id
    device: String,

    /// Keep the mesh key, for a machine that was handed in and wiped
    #[arg(long)]
    keep_mesh_key: bool,

    /// Seconds to watch the revocation spread
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    watch: u64,

    #[command(flatten)]
    key: AdminKey,

    #[command(flatten)]
    yes: YesFlag,
}

/// How often the spread is looked at.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Serialize)]
struct Answer {
    device: String,
    name: String,
    /// Seconds until this node had no connection to the device; none if it still had.
    out_after: Option<f64>,
    /// Seconds until each connected node knew, by name.
    known_after: BTreeMap<String, f64>,
    /// Nodes that did not know when the watch ended; they learn it as soon as they connect.
    not_reached: Vec<String>,
    mesh_key_changed: bool,
}

impl Revoke {
    pub(in crate::cli) fn run(&self, context: &Context) -> Outcome {
        let answer = context.block_on(async {
            let mut desk = Desk::open(&self.key, context).await?;
            let (id, known) = device(desk.authority.clinic(), &self.device)?;
            let name = known.certificate.name.to_string();
            if known.revocation.is_some() {
                return Err(Failure::refused(format!("{name} is revoked already")));
            }
            self.yes.confirm(&format!(
                "Revoke {name} of office {} for good?",
                known.certificate.office
            ))?;
            let begun = Instant::now();
            cut_off(context, &mut desk, id, self.keep_mesh_key).await?;
            // Nobody has to wait for the watch with another revocation.
            desk.let_go();
            let answer = Answer::begin(id, name, !self.keep_mesh_key);
            self.watch(context, &desk, answer, begun).await
        })?;
        context.output.answer(&answer, || text(&answer))
    }

    /// Looks at the node's state until everybody connected knows; `begun` is before the signing.
    async fn watch(
        &self,
        context: &Context,
        desk: &Desk,
        mut answer: Answer,
        begun: Instant,
    ) -> Result<Answer, Failure> {
        let mut progress = context.output.progress("telling the other nodes");
        loop {
            let status = desk.client.status().await?;
            let seconds = begun.elapsed().as_secs_f64();
            let waiting = answer.look(&status, seconds);
            let late = begun.elapsed() >= Duration::from_secs(self.watch);
            if late || (waiting.is_empty() && answer.out_after.is_some()) {
                answer.not_reached = waiting.into_iter().chain(away(&status, &answer)).collect();
                return Ok(answer);
            }
            progress.at(&format!("{} know", answer.known_after.len()));
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Signs the revocation and, unless it is kept, a new mesh key; the node has both when this returns.
pub(super) async fn cut_off(
    context: &Context,
    desk: &mut Desk,
    id: DeviceId,
    keep_mesh_key: bool,
) -> Outcome {
    let now = context.clock.now();
    let ends = desk.client.ends(&id).await?;
    let revoked = desk.authority.revoke_device(id, ends, now)?;
    if keep_mesh_key {
        return desk.give(&revoked, &[]).await;
    }
    // The revocation first: nobody passes the key on to a device that is out.
    let rotated = desk.authority.rotate_mesh_key(now)?;
    let statements: Vec<_> = revoked.into_iter().chain([rotated.segment]).collect();
    desk.give(&statements, &[rotated.made]).await
}

fn away(status: &StatusView, answer: &Answer) -> Vec<String> {
    let others = status.away.iter().filter(|name| **name != answer.name);
    others.cloned().collect()
}

impl Answer {
    fn begin(device: DeviceId, name: String, mesh_key_changed: bool) -> Self {
        Self {
            device: device.to_string(),
            name,
            out_after: None,
            known_after: BTreeMap::new(),
            not_reached: Vec::new(),
            mesh_key_changed,
        }
    }

    /// Notes who knows by now; returns the connected nodes that do not.
    fn look(&mut self, status: &StatusView, seconds: f64) -> Vec<String> {
        if !status.peers.iter().any(|peer| peer.device == self.device) {
            self.out_after.get_or_insert(seconds);
        }
        let mut waiting = Vec::new();
        for peer in status
            .peers
            .iter()
            .filter(|peer| peer.device != self.device)
        {
            if peer.in_sync {
                self.known_after.entry(peer.name.clone()).or_insert(seconds);
            } else {
                waiting.push(peer.name.clone());
            }
        }
        waiting
    }
}

fn text(answer: &Answer) -> String {
    let mut text = match answer.out_after {
        Some(seconds) => format!(
            "{} is revoked; cut off here after {seconds:.1} s.\n",
            answer.name
        ),
        None => format!("{} is revoked, but still connected here.\n", answer.name),
    };
    for (name, seconds) in &answer.known_after {
        text.push_str(&format!("  {name} knows after {seconds:.1} s\n"));
    }
    for name in &answer.not_reached {
        text.push_str(&format!(
            "  {name} is away and learns it when it connects\n"
        ));
    }
    if answer.mesh_key_changed {
        text.push_str("The mesh key was changed.\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::status::PeerView;

    fn peer(name: &str, in_sync: bool) -> PeerView {
        PeerView {
            name: name.to_owned(),
            office: None,
            device: format!("id of {name}"),
            offset_ms: 0,
            in_sync,
        }
    }

    fn status(peers: Vec<PeerView>) -> StatusView {
        let mut status: StatusView = serde_json::from_value(serde_json::json!({
            "version": "", "name": "here", "office": null, "device": "", "clinic": "",
            "clinic_name": null, "standing": "enrolled", "peers": [], "away": [], "spaces": 0,
            "entries": 0, "horizon": "", "record": "", "forks": [], "witnesses": [], "trail": 0,
            "logins": 0, "warnings": []
        }))
        .expect("a status");
        status.peers = peers;
        status
    }

    #[test]
    fn the_watch_notes_when_the_device_was_out_and_when_each_node_knew() {
        let mut answer = Answer::begin(DeviceId::new([1; 32]), "lost".to_owned(), true);
        answer.device = "id of lost".to_owned();
        let waiting = answer.look(&status(vec![peer("lost", false), peer("ward", false)]), 0.1);
        assert_eq!((waiting, answer.out_after), (vec!["ward".to_owned()], None));
        let waiting = answer.look(&status(vec![peer("ward", true)]), 0.4);
        assert!(waiting.is_empty());
        assert!(
            answer
                .look(&status(vec![peer("ward", true)]), 0.9)
                .is_empty()
        );
        assert_eq!(answer.out_after, Some(0.4));
        assert_eq!(answer.known_after["ward"], 0.4);
        assert!(text(&answer).contains("cut off here after 0.4 s"));
    }
}
