//! The node's part in enrolling another machine: hears it, tells the admin's tool, hands over what
//! the admin decided. The node signs nothing: the admin's key is never here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::timeout;
use tracing::warn;
use zeroize::Zeroizing;

use crate::domain::audit::{Actor, AuditRecord, Deed, Origin, Outcome};
use crate::domain::codec;
use crate::domain::enrol::EnrolmentAnswer;
use crate::domain::id::InvitationId;
use crate::domain::mesh_keys::AcceptedKeys;
use crate::domain::trust::TrustView;
use crate::net::discovery;
pub use crate::net::enrol::{Alarm, Candidate, DecideError, OpenError, Progress, Stage};
use crate::net::enrol::{Decision, Host, Ticket};
use crate::platform::entropy;

use super::engine::{Changed, Command, Reply};
use super::handle::{Handle, WeakHandle};

/// Longest life of an invitation at a node; the record's own bound is a day.
const LIFE_MAX: Duration = Duration::from_secs(24 * 3600);

/// An invitation to be hosted: all that the node has to know of its secret.
#[derive(Clone, Debug)]
pub struct Invited {
    /// Which.
    pub invitation: InvitationId,
    /// The key of its handshake.
    pub psk: Zeroizing<[u8; 32]>,
    /// What discovery shows.
    pub tag: [u8; 8],
    /// How long it is good for.
    pub life: Duration,
}

/// Why an answer was not handed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandOverError {
    /// Nobody takes it.
    #[error(transparent)]
    Decide(#[from] DecideError),
    /// The node has stopped.
    #[error("the node is stopping")]
    Stopping,
}

/// Enrolment at the running node. Cheap to clone.
#[derive(Clone)]
pub struct Enrolment {
    host: Host,
    discovery: discovery::Settings,
    node: Handle,
    trust: watch::Receiver<Arc<TrustView>>,
}

impl Enrolment {
    /// Enrolment on `address`, which is bound only while an invitation is open.
    pub(super) fn new(
        address: SocketAddr,
        noise_key: &[u8; 32],
        discovery: discovery::Settings,
        node: Handle,
        trust: watch::Receiver<Arc<TrustView>>,
    ) -> Self {
        let host = Host::new(address, noise_key);
        tokio::spawn(note_alarms(host.clone(), node.clone()));
        tokio::spawn(take_back(host.clone(), node.hints(), node.weak()));
        Self {
            host,
            discovery,
            node,
            trust,
        }
    }

    /// Hosts an invitation and announces it on the LAN. Returns where it is heard.
    pub fn open(&self, invited: Invited) -> Result<SocketAddr, OpenError> {
        let Invited {
            invitation,
            psk,
            tag,
            life,
        } = invited;
        let life = life.min(LIFE_MAX);
        let bound = self.host.open(Ticket {
            invitation,
            psk,
            life,
        })?;
        self.announce(invitation, tag, bound.port());
        Ok(bound)
    }

    /// Announces the invitation until somebody has come or its time is over.
    fn announce(&self, invitation: InvitationId, tag: [u8; 8], port: u16) {
        let Some(mut progress) = self.host.progress(invitation) else {
            return;
        };
        if self.discovery.interfaces == discovery::Interfaces::Off {
            return;
        }
        let seed = *entropy::secret();
        match discovery::advertise_enrolment(&self.discovery, seed, tag, port) {
            Ok(advertisement) => drop(tokio::spawn(async move {
                let open = |progress: &Progress| matches!(progress.stage, Stage::Open);
                // An error says that the invitation is gone.
                let _ = progress.wait_for(|progress| !open(progress)).await;
                drop(advertisement);
            })),
            // It can be reached by its address all the same.
            Err(error) => warn!(%error, "the invitation is not announced on the LAN"),
        }
    }

    /// Where an invitation stands: at once if that differs from what was `seen`, else when it
    /// changes, at the latest after `patience`. None if it is not hosted here.
    pub async fn progress(
        &self,
        invitation: InvitationId,
        seen: &str,
        patience: Duration,
    ) -> Option<Progress> {
        let mut progress = self.host.progress(invitation)?;
        let changed = progress.wait_for(|progress| mark(progress) != seen);
        if let Ok(Ok(progress)) = timeout(patience, changed).await {
            return Some(progress.clone());
        }
        let latest = progress.borrow().clone();
        Some(latest)
    }

    /// Hands the answer to the machine that waits, with the clinic record as this node has it.
    ///
    /// The answer comes without the record: it is public within the clinic, checked by the machine,
    /// and here already.
    pub async fn hand_over(
        &self,
        invitation: InvitationId,
        mut answer: EnrolmentAnswer,
    ) -> Result<(), HandOverError> {
        let record = self.node.ask(Command::Record).await;
        let Ok(Reply::Record(record)) = record else {
            return Err(HandOverError::Stopping);
        };
        answer.record = record;
        let bytes = Zeroizing::new(codec::encode(&answer));
        Ok(self.host.decide(invitation, Decision::Answer(bytes))?)
    }

    /// The mesh keys that this node accepts: an admin's tool that was not there when another admin
    /// made one needs them to enrol.
    pub fn mesh_keys(&self) -> AcceptedKeys {
        self.trust.borrow().mesh_keys.clone()
    }

    /// Sends the machine that waits away.
    pub fn refuse(&self, invitation: InvitationId) -> Result<(), DecideError> {
        self.host.decide(invitation, Decision::Refuse)
    }

    /// Takes an invitation back, whatever its stage.
    pub fn cancel(&self, invitation: InvitationId) {
        self.host.cancel(invitation);
    }
}

/// Names what can be seen of an invitation, so that a face can wait for something else.
pub fn mark(progress: &Progress) -> String {
    let alarms = progress.alarm.map_or(0, |alarm| alarm.count);
    format!("{}-{alarms}", progress.stage.name())
}

/// Takes back the invitations that the record ends, whoever did that and wherever: who comes with such a code
/// is refused at once, and the command that waits says so.
async fn take_back(host: Host, mut hints: broadcast::Receiver<Changed>, node: WeakHandle) {
    loop {
        let hint = hints.recv().await;
        let pending = host.pending();
        let ended: Vec<InvitationId> = match hint {
            Err(RecvError::Closed) => return,
            Ok(Changed::Revoked) => pending,
            Ok(Changed::Record) | Err(RecvError::Lagged(_)) if !pending.is_empty() => {
                let Ok(Reply::Clinic(clinic)) = node.ask(Command::Clinic).await else {
                    return;
                };
                let ended = |id: &InvitationId| clinic.has_ended(id);
                pending.into_iter().filter(ended).collect()
            }
            Ok(_) | Err(RecvError::Lagged(_)) => continue,
        };
        for invitation in ended {
            host.cancel(invitation);
        }
    }
}

/// Writes each second use of an invitation into the audit trail.
async fn note_alarms(host: Host, node: Handle) {
    let mut alarms = host.alarms();
    // A receiver that fell behind goes on: each alarm says how many there were before it.
    while !matches!(alarms.recv().await, Err(RecvError::Closed)) {
        let record = AuditRecord {
            actor: Actor::Stranger,
            origin: Origin::Mesh,
            outcome: Outcome::Refused,
            deed: Deed::EnrolmentRefused,
        };
        if node.ask(Command::Note(record)).await.is_err() {
            return;
        }
    }
}
