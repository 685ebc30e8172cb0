//! `device revoke`: out everywhere the mesh reaches, and watched until it is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::behind;
use crate::api::status::StatusView;
use crate::cli::admin::{AdminKey, Desk, check_named_itself, device};
use crate::cli::secret::YesFlag;
use crate::cli::{Context, Failure, Outcome};
use crate::domain::id::DeviceId;
use crate::domain::record::Clinic;
use crate::domain::time::WallTime;

/// Revoke a machine: cut it off everywhere, for good
///
/// The mesh key is changed as well: two more changes, and the machine cannot even tell that a node is there.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Revoke {
    /// Name or id; the name of an office with one machine stands for it, but not with --yes
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
    /// Why the mesh key was not changed, where that was wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    mesh_key_why: Option<String>,
}

/// What became of the mesh key when a device was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MeshKey {
    Changed,
    /// As it was asked for.
    Kept,
    /// It could not be changed; the device is out all the same.
    Left(String),
}

impl Revoke {
    pub(in crate::cli) fn run(&self, context: &Context) -> Outcome {
        let answer = context.block_on(async {
            let mut desk = Desk::open(&self.key, context).await?;
            let (id, known) = device(desk.authority.clinic(), &self.device)?;
            let assumed = self.yes.assumed();
            check_named_itself(&self.device, (id, known), assumed, "device revoke")?;
            let name = known.certificate.name.to_string();
            let revoked = known.revocation.is_some();
            let knows =
                knows_newest_key(desk.authority.clinic(), &id, context.clock.now());
            if revoked && (self.keep_mesh_key || !knows) {
                return Err(Failure::refused(format!("{name} is revoked already")).remedy(
                    "see who enforces it with `clinic-mesh revoke status`; another machine takes its place \
                     with `clinic-mesh device replace`",
                ));
            }
            if !self.keep_mesh_key
                && let Some(warning) = behind::warning(&desk, Some(&id), context.clock.now()).await?
            {
                context.output.note(&context.typed(&warning));
            }
            let question = question(&desk, &id).await?;
            self.yes.confirm(&question)?;
            let begun = Instant::now();
            let mesh_key = match revoked {
                true => MeshKey::outcome(change_mesh_key(context, &mut desk).await),
                false => cut_off(context, &mut desk, id, self.keep_mesh_key).await?,
            };
            // Nobody has to wait for the watch with another revocation.
            desk.let_go();
            let answer = Answer::begin(id, name, mesh_key);
            self.watch(context, &desk, answer, begun).await
        })?;
        context
            .output
            .answer(&answer, || context.typed(&text(&answer)))
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
            let status = desk.client.status().await;
            let status = status.map_err(|why| unwatched(&answer.name, why.into()))?;
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

/// Signs the revocation, which the node has before anything else is tried: whatever becomes of the mesh key,
/// the device is out.
pub(super) async fn cut_off(
    context: &Context,
    desk: &mut Desk,
    id: DeviceId,
    keep_mesh_key: bool,
) -> Result<MeshKey, Failure> {
    let ends = desk.client.ends(&id).await?;
    let now = context.clock.now();
    let revoked = desk.authority.revoke_device(id, ends, now)?;
    desk.give(&revoked, &[]).await?;
    Ok(match keep_mesh_key {
        true => MeshKey::Kept,
        // After the revocation: nobody passes the key on to a device that is out.
        false => MeshKey::outcome(change_mesh_key(context, desk).await),
    })
}

/// Signs a new mesh key; the node has it when this returns.
pub(super) async fn change_mesh_key(context: &Context, desk: &mut Desk) -> Outcome {
    let rotated = desk.authority.rotate_mesh_key(context.clock.now())?;
    desk.give(&[rotated.segment], &[rotated.made]).await?;
    desk.plan_mesh_keys(context).await;
    Ok(())
}

/// Whether a revoked device knows the mesh key that is in use: it was kept, or whoever revoked it was
/// interrupted or had no right to change it.
pub(super) fn knows_newest_key(clinic: &Clinic, id: &DeviceId, now: WallTime) -> bool {
    let revocation = clinic
        .devices
        .get(id)
        .and_then(|device| device.revocation.as_ref());
    match (revocation, clinic.mesh_keys.newest(now)) {
        (Some(revocation), Some((_, key))) => key.made < revocation.at,
        _ => false,
    }
}

/// What is asked before it is signed. Whoever revokes the machine they sit at hears so.
async fn question(desk: &Desk, id: &DeviceId) -> Result<String, Failure> {
    let clinic = desk.authority.clinic();
    let Some(device) = clinic.devices.get(id) else {
        return Err(Failure::not_found("the device is not in the clinic record"));
    };
    let (name, office) = (&device.certificate.name, &device.certificate.office);
    if device.revocation.is_some() {
        return Ok(format!(
            "{name} is revoked already, but knows the mesh key. Change that?"
        ));
    }
    let own = desk.client.status().await?.device == id.to_string();
    let only = clinic.nodes().all(|(other, _)| other == id);
    let which = match (own, only) {
        (false, _) => "",
        (true, false) => ", the very machine that this command talks to,",
        (true, true) => ", the clinic's only node and the very machine that this command talks to,",
    };
    Ok(format!("Revoke {name} of office {office}{which} for good?"))
}

impl MeshKey {
    pub(super) fn outcome(changed: Outcome) -> Self {
        match changed {
            Ok(()) => Self::Changed,
            Err(why) => Self::Left(why.message),
        }
    }

    /// Why it could not be changed.
    pub(super) fn why(self) -> Option<String> {
        match self {
            Self::Left(why) => Some(why),
            Self::Changed | Self::Kept => None,
        }
    }
}

/// What is said where a mesh key could not be changed.
pub(super) fn key_left(why: &str) -> String {
    format!(
        "The mesh key was NOT changed: {why}.\n\
         Have an admin who may enrol run `clinic-mesh authority rotate-mesh-key`; with the old key that machine \
         can tell that nodes are there, and no more."
    )
}

/// The node went away after it had taken the revocation: nobody may read that as if nothing was done.
fn unwatched(name: &str, why: Failure) -> Failure {
    let message = format!(
        "{name} is revoked, and how that spreads cannot be watched: {}",
        why.message
    );
    Failure { message, ..why }
        .remedy("look at `clinic-mesh revoke status` once the node runs again")
}

fn away(status: &StatusView, answer: &Answer) -> Vec<String> {
    let others = status.away.iter().filter(|name| **name != answer.name);
    others.cloned().collect()
}

impl Answer {
    fn begin(device: DeviceId, name: String, mesh_key: MeshKey) -> Self {
        Self {
            device: device.to_string(),
            name,
            out_after: None,
            known_after: BTreeMap::new(),
            not_reached: Vec::new(),
            mesh_key_changed: mesh_key == MeshKey::Changed,
            mesh_key_why: mesh_key.why(),
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
    if let Some(why) = &answer.mesh_key_why {
        text.push_str(&format!("{}\n", key_left(why)));
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
    fn a_watch_that_ends_early_says_that_the_device_is_revoked_all_the_same() {
        let failure = unwatched("lost", Failure::unreachable("no node is running"));
        assert!(failure.message.starts_with("lost is revoked"), "{failure}");
        assert!(failure.message.contains("no node is running"), "{failure}");
        assert!(
            failure
                .remedy
                .is_some_and(|how| how.contains("revoke status"))
        );
    }

    #[test]
    fn the_watch_notes_when_the_device_was_out_and_when_each_node_knew() {
        let mut answer = Answer::begin(DeviceId::new([1; 32]), "lost".to_owned(), MeshKey::Changed);
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
