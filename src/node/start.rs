//! Starting a node: store, engine, network and runner, wired together.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::domain::id::{DeviceId, Hash};
use crate::domain::sign::Signed;
use crate::domain::trust::Refusal;
use crate::net;
use crate::platform::clock::Clock;
use crate::platform::entropy;
use crate::platform::network::ports::{self, Port};
use crate::store::{StaffSlots, Store, StoreError};

use super::backup::Backups;
use super::boot;
use super::engine::{Command, CommandRefusal, Engine, Now, Reply, Room};
use super::enrolment::Enrolment;
use super::handle::{Handle, WeakHandle};
use super::identity::{Identity, IdentityError};
use super::observe::Observer;
use super::runner::{ADDRESS, DONE_MAX, NodeClock, RunError, Runner};

/// How a node runs on this machine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Where invited machines are heard, while an invitation is open.
    pub enrolment: SocketAddr,
    /// Addresses to try besides discovery and what the record says.
    pub bootstrap: Vec<SocketAddr>,
    /// Whether and where to discover peers.
    pub discovery: net::discovery::Settings,
    /// Days that this node's clock is moved ahead, for a demonstration or a drill.
    pub days_ahead: u32,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store does not tell who the node is.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another program listens where the node is to listen.
    #[error(
        "cannot listen on {address}: {by} listens there already; stop it, or give this node another port in \
         node.toml"
    )]
    Taken {
        /// Where.
        address: SocketAddr,
        /// Which program, as far as that may be known.
        by: String,
    },
    /// The network did not start.
    #[error(transparent)]
    Network(#[from] net::StartError),
}

/// Refuses addresses at which another program listens.
///
/// The network library listens in a way that lets another node of this machine listen at the same port, and
/// the system would give each caller to either of both.
fn refuse_shared(addresses: &[SocketAddr]) -> Result<(), StartError> {
    for address in addresses {
        // Whatever else stands in the way, listening says it better.
        if let Ok(Port::Taken(by)) = ports::look_at(*address) {
            return Err(StartError::Taken {
                address: *address,
                by: by.map_or_else(
                    || "another program".to_owned(),
                    |name| format!("\"{name}\""),
                ),
            });
        }
    }
    Ok(())
}

/// A node that runs.
pub struct Running {
    /// Reaches it.
    pub handle: Handle,
    /// Its network.
    pub net: net::Handle,
    /// Tells this machine's time to those who sign in. A drill that moves the node's clock does not move
    /// it: their one-time codes and their phones know nothing of the drill.
    pub timepiece: Arc<dyn Fn() -> Now + Send + Sync>,
    /// Lets other machines in.
    pub enrolment: Enrolment,
    /// Makes backups of its store.
    pub backups: Backups,
    /// Sees what its network has seen.
    pub observer: Observer,
    /// Staff passwords that open its store, where there may be such.
    pub staff_slots: Option<StaffSlots>,
    /// Who it is.
    pub identity: Identity,
    task: JoinHandle<Result<(), RunError>>,
}

impl Running {
    /// Waits until the node has stopped, in order or not, and its store is closed.
    pub async fn ended(&mut self) -> Result<(), RunError> {
        match (&mut self.task).await {
            Ok(outcome) => outcome,
            Err(_) => Err(RunError::Panicked),
        }
    }
}

/// Starts the node of an open store. Must be called inside a Tokio runtime.
///
/// The store's directory was unlocked by whoever opened it; from here on the runner owns it.
pub fn start(store: Store, settings: Settings) -> Result<Running, StartError> {
    let identity = Identity::load(&store)?;
    let clock = NodeClock {
        clock: Clock::start(),
        ahead: Duration::from_secs(u64::from(settings.days_ahead) * 86_400),
    };
    let boot = boot::load(&store, &identity)?;
    let remembered = remembered(&store)?;
    let clinic = crate::domain::record::Clinic::unknown(identity.clinic);
    let me = identity.keys.device();
    let (trust, trusted) = watch::channel(Arc::new(clinic.trust(me, BTreeMap::new(), Hash::ZERO)));
    let engine = Engine::new(
        boot,
        Now {
            wall: clock.wall(),
            mono: clock.clock.elapsed(),
        },
    );
    let certain = Arc::new(AtomicU64::new(0));
    let judged = certain.clone();
    let (discovery, known) = (settings.discovery.clone(), trusted.clone());
    refuse_shared(&settings.listen)?;
    let (net, net_events) = net::start(
        net::Settings {
            listen: settings.listen,
            discovery: settings.discovery,
            seed: *entropy::secret::<32>(),
        },
        net::Identity {
            device: me,
            noise_key: identity.keys.noise_secret(),
            credentials: identity.credentials.clone(),
            trust: trusted,
        },
        Arc::new(move || clock.judging(&judged)),
    )?;
    let store = Arc::new(store);
    let backups = Backups::new(&store, identity.clinic, me);
    let staff_slots = store.staff_slots();
    let (handle, asked, hints) = Handle::new();
    let renewer = handle.weak();
    net.serve_renewals(move |device| Box::pin(renew(renewer.clone(), device)));
    let enrolment = Enrolment::new(
        settings.enrolment,
        &identity.keys.noise_secret(),
        discovery,
        handle.clone(),
        known,
    );
    let runner = Runner {
        clinic: identity.clinic,
        engine,
        store,
        net: net.clone(),
        net_events,
        asked,
        hints,
        trust,
        done: mpsc::channel(DONE_MAX),
        bootstrap: settings.bootstrap,
        clock,
        certain,
        waiting: BTreeMap::new(),
        last_ticket: 0,
        remembered,
        room: Room::Enough,
        backups: backups.clone(),
        told: None,
        wanted: BTreeMap::new(),
        search: Arc::default(),
        indexing: None,
        tasks: JoinSet::new(),
    };
    let task = tokio::spawn(runner.run());
    Ok(Running {
        handle,
        net: net.clone(),
        timepiece: Arc::new(move || Now {
            wall: clock.clock.now(),
            mono: clock.clock.elapsed(),
        }),
        observer: Observer::new(net),
        enrolment,
        backups,
        staff_slots,
        identity,
        task,
    })
}

/// Renews a device that has proved its keys in a handshake of its own.
async fn renew(node: WeakHandle, device: DeviceId) -> Result<Signed, Refusal> {
    match node.ask(Command::Renew { device }).await {
        Ok(Reply::Renewed(signed)) => Ok(*signed),
        Ok(Reply::Refused(CommandRefusal::Busy)) => Err(Refusal::Busy),
        Ok(Reply::Refused(CommandRefusal::DeviceRevoked)) => Err(Refusal::Revoked),
        Ok(_) => Err(Refusal::NotRenewing),
        Err(_) => Err(Refusal::Stopping),
    }
}

/// Addresses at which peers were reached before.
fn remembered(store: &Store) -> Result<BTreeMap<DeviceId, SocketAddr>, StoreError> {
    let mut found = BTreeMap::new();
    for (name, value) in store.metas(ADDRESS)? {
        let device = name.strip_prefix(ADDRESS).and_then(DeviceId::from_hex);
        let address = String::from_utf8(value)
            .ok()
            .and_then(|text| text.parse().ok());
        found.extend(device.zip(address));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_another_program_has_is_refused_by_name() {
        let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = other.local_addr().expect("bound");
        let free = "127.0.0.1:0".parse().expect("an address");
        let refused = refuse_shared(&[free, address]).expect_err("it is taken");
        assert!(refused.to_string().contains(&address.to_string()));
        drop(other);
        assert!(refuse_shared(&[free, address]).is_ok());
    }
}
