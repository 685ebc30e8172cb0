//! Discovery on the LAN: mDNS that tells members where members are and strangers nothing.
//!
//! What is announced: a service `_clinic-mesh._tcp.local.` with a random instance name on a random
//! host name, both changed every twelve hours, the port, and a TXT record of a version and a tag. The
//! tag is a keyed hash of the day and the instance name, so whoever has the mesh key recognises it and
//! nobody else can tell one clinic, office or device from another, nor link two instance names.
//!
//! mDNS is not authenticated: what comes out of here are hints where to dial, and nothing else.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mdns_sd::{IfKind, IfPredicate, Receiver, ServiceDaemon, ServiceEvent};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use super::Clock;
use super::book::may_work;
use super::limits::HINTS_MAX;
use super::notebook::{Announced, Notebook};
use crate::domain::id::hex;
use crate::domain::trust::TrustView;

mod advert;
mod around;
mod enrolment;
pub mod reread;

use advert::{Advert, Found};
pub use around::{Patience, look_around};
pub use enrolment::{Advertisement, advertise_enrolment, find_enrolment};

/// mDNS's own port.
pub const MDNS_PORT: u16 = 5353;

/// Life of an instance name: half a day, so that nobody follows a machine from day to day.
const ROTATION: Duration = Duration::from_secs(12 * 3600);

/// Shortest time between two queries; jitter adds up to [`QUERY_JITTER`].
///
/// mDNS itself asks less and less often; one lost packet must not hide an office for minutes.
const QUERY: Duration = Duration::from_secs(20);

/// Spreads the queries of nodes that were started together.
const QUERY_JITTER: Duration = Duration::from_secs(10);

/// How long an instance is left to settle: its addresses arrive one by one.
const SETTLE: Duration = Duration::from_millis(200);

/// Wait before mDNS is tried again after it failed.
const RETRY: Duration = Duration::from_secs(10);

/// Seconds between two looks at this machine's own addresses.
const IP_CHECK: u32 = 2;

/// Sightings that may wait for the swarm's task; more are left out, the next query brings them again.
const SIGHTINGS_MAX: usize = 64;

/// Where to announce and to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// On which interfaces.
    pub interfaces: Interfaces,
    /// The port, [`MDNS_PORT`] unless this is a test.
    pub port: u16,
}

/// A choice of network interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interfaces {
    /// None: discovery is off.
    Off,
    /// All but loopback, as far as policy allows their addresses.
    All,
    /// Those of these names, as far as policy allows their addresses.
    Only(Vec<String>),
}

/// Why discovery does not work.
#[derive(Debug, thiserror::Error)]
#[error("mDNS does not work here ({0}): is the port free, is the network up?")]
pub struct DiscoveryError(String);

impl From<mdns_sd::Error> for DiscoveryError {
    fn from(error: mdns_sd::Error) -> Self {
        Self(error.to_string())
    }
}

/// What was seen of a member of this clinic. Which member is not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// It is announced.
    Here {
        /// Its name for the time being.
        instance: String,
        /// Where it may be dialled.
        addresses: Vec<SocketAddr>,
    },
    /// It said goodbye, or was not heard for long.
    Gone {
        /// Its name.
        instance: String,
    },
}

/// What the discovery task needs.
pub(crate) struct Announce {
    pub(crate) settings: Settings,
    pub(crate) seed: [u8; 32],
    pub(crate) listeners: watch::Receiver<Vec<SocketAddr>>,
    pub(crate) trust: watch::Receiver<Arc<TrustView>>,
    pub(crate) clock: Clock,
    pub(crate) notebook: Notebook,
}

/// Starts the discovery task, which ends when the receiver is dropped.
pub(crate) fn start(announce: Announce) -> mpsc::Receiver<Sighting> {
    let (sender, sightings) = mpsc::channel(SIGHTINGS_MAX);
    if announce.settings.interfaces != Interfaces::Off {
        tokio::spawn(run(announce, sender));
    }
    sightings
}

async fn run(mut announce: Announce, sightings: mpsc::Sender<Sighting>) {
    // Not the generator of the redial times, although of the same seed: those can be watched.
    let seed = crate::domain::id::Hash::of("discovery-names/v1", &[&announce.seed]);
    let mut random = StdRng::from_seed(*seed.as_bytes());
    loop {
        let ended = tokio::select! {
            ended = work(&mut announce, &sightings, &mut random) => ended,
            () = sightings.closed() => return,
        };
        let Err(error) = ended else {
            return;
        };
        warn!(%error, "discovery has stopped and tries again");
        tokio::time::sleep(RETRY).await;
    }
}

/// Works until the node stops or mDNS fails.
async fn work(
    announce: &mut Announce,
    sightings: &mpsc::Sender<Sighting>,
    random: &mut StdRng,
) -> Result<(), DiscoveryError> {
    let trust = announce.trust.clone();
    let daemon = daemon(&announce.settings, move |ip| {
        trust.borrow().policy.allows(ip)
    })?;
    let daemon = Daemon(daemon);
    if announce
        .listeners
        .wait_for(|known| !known.is_empty())
        .await
        .is_err()
    {
        return Ok(());
    }
    let mut search = Search {
        events: daemon.0.browse(advert::SERVICE)?,
        settling: BTreeMap::new(),
        own: Vec::new(),
    };
    let mut advert = announce.register(&daemon.0, random)?;
    search.own.push(advert.instance.clone());
    let mut rotate = Instant::now() + ROTATION;
    let mut query = next_query(random);
    loop {
        let wakeup = search
            .next_settled()
            .unwrap_or(query)
            .min(query)
            .min(rotate);
        tokio::select! {
            event = search.events.recv_async() => match event {
                Ok(event) => search.note(&event, announce, sightings),
                // Fell behind: what was missed comes again with the next search, not at once, or a
                // flood of announcements would keep us busy.
                Err(_) => {
                    tokio::time::sleep(SETTLE).await;
                    search.events = daemon.0.browse(advert::SERVICE)?;
                }
            },
            changed = announce.listeners.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                if announce.port() != advert.port {
                    rotate = Instant::now();
                }
            }
            Ok(()) = announce.trust.changed() => {
                if announce.newest_epoch() != advert.epoch {
                    rotate = Instant::now();
                }
            }
            () = sleep_until(wakeup) => {}
        }
        search.hand_on_settled(sightings);
        let now = Instant::now();
        if query <= now {
            // Browsing anew asks at once and repeats what is known.
            search.events = daemon.0.browse(advert::SERVICE)?;
            query = next_query(random);
        }
        if rotate <= now {
            let old = std::mem::replace(&mut advert, announce.register(&daemon.0, random)?);
            let _goodbye = daemon.0.unregister(&old.fullname())?;
            search.renamed(advert.instance.clone());
            rotate = now + ROTATION;
        }
    }
}

fn next_query(random: &mut StdRng) -> Instant {
    let jitter = QUERY_JITTER.mul_f64(random.random_range(0.0..1.0));
    Instant::now() + QUERY + jitter
}

/// A daemon on the interfaces of `settings` whose addresses `allowed` lets pass.
fn daemon(
    settings: &Settings,
    allowed: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
) -> Result<ServiceDaemon, DiscoveryError> {
    let daemon = ServiceDaemon::new_with_port(settings.port)?;
    let interfaces = settings.interfaces.clone();
    daemon.disable_interface(IfKind::All)?;
    daemon.enable_interface(IfKind::Predicate(IfPredicate::new(move |interface| {
        let ip = interface.ip();
        is_used(&interfaces, &interface.name, ip) && allowed(ip)
    })))?;
    daemon.set_ip_check_interval(IP_CHECK)?;
    Ok(daemon)
}

/// Whether discovery uses an interface with this address of it.
///
/// Not with an address that cannot be dialled, as IPv6 has on every link. mDNS tells addresses of one
/// family by packets of that family; whoever had lost the others and heard only of such an address would
/// ask no more until it ran out, a minute and a half later.
fn is_used(chosen: &Interfaces, name: &str, ip: IpAddr) -> bool {
    let is_chosen = match chosen {
        Interfaces::Off => false,
        Interfaces::All => !ip.is_loopback(),
        Interfaces::Only(names) => names.iter().any(|known| known == name),
    };
    is_chosen && may_work(ip)
}

/// Stops mDNS when dropped; what is registered says goodbye.
struct Daemon(ServiceDaemon);

impl Drop for Daemon {
    fn drop(&mut self) {
        // It fails only if the daemon has gone already.
        let _status = self.0.shutdown();
    }
}

impl Announce {
    fn port(&self) -> Option<u16> {
        self.listeners.borrow().first().map(SocketAddr::port)
    }

    fn newest_epoch(&self) -> Option<u32> {
        let trust = self.trust.borrow();
        trust.mesh_keys.newest().map(|(epoch, _)| epoch)
    }

    /// Announces this node under a fresh name.
    fn register(
        &self,
        daemon: &ServiceDaemon,
        random: &mut StdRng,
    ) -> Result<Advert, DiscoveryError> {
        let trust = self.trust.borrow().clone();
        let advert = Advert::of_member(&trust, self.port(), (self.clock)().day(), random);
        if let Some(info) = advert.info()? {
            daemon.register(info)?;
        }
        Ok(advert)
    }
}

/// What is being looked at.
struct Search {
    events: Receiver<ServiceEvent>,
    /// Members whose addresses still arrive, and when they are handed on.
    settling: BTreeMap<String, (Vec<SocketAddr>, Instant)>,
    /// Our own instance names, the one before included: it echoes for a while.
    own: Vec<String>,
}

impl Search {
    fn note(
        &mut self,
        event: &ServiceEvent,
        announce: &Announce,
        sightings: &mpsc::Sender<Sighting>,
    ) {
        match event {
            ServiceEvent::ServiceResolved(service) => {
                let trust = announce.trust.borrow().clone();
                let today = (announce.clock)().day();
                let Some(found) = Found::read(service) else {
                    return;
                };
                let member = found.is_member(&trust.mesh_keys, today);
                if !self.own.contains(&found.instance) {
                    let addresses = found.addresses.clone();
                    let announced = Announced { addresses, member };
                    announce.notebook.heard(&found.instance, announced);
                }
                if member {
                    self.settle(found);
                }
            }
            ServiceEvent::ServiceRemoved(_, fullname) => {
                let Some(instance) = advert::instance(fullname) else {
                    return;
                };
                announce.notebook.gone(instance);
                self.settling.remove(instance);
                // Left out when the queue is full: the instance is then forgotten by age.
                let _left_out = sightings.try_send(Sighting::Gone {
                    instance: instance.to_owned(),
                });
            }
            _ => {}
        }
    }

    fn settle(&mut self, found: Found) {
        if self.own.contains(&found.instance) {
            return;
        }
        if !self.settling.contains_key(&found.instance) && self.settling.len() >= HINTS_MAX {
            debug!("more members announced at once than are looked at");
            return;
        }
        let due = Instant::now() + SETTLE;
        let (addresses, _) = self
            .settling
            .entry(found.instance)
            .or_insert((Vec::new(), due));
        *addresses = found.addresses;
    }

    fn next_settled(&self) -> Option<Instant> {
        self.settling.values().map(|(_, due)| *due).min()
    }

    fn hand_on_settled(&mut self, sightings: &mpsc::Sender<Sighting>) {
        let now = Instant::now();
        self.settling.retain(|instance, (addresses, due)| {
            if *due > now {
                return true;
            }
            let instance = instance.clone();
            let addresses = std::mem::take(addresses);
            // Left out when the queue is full: the next query brings it again.
            let _left_out = sightings.try_send(Sighting::Here {
                instance,
                addresses,
            });
            false
        });
    }

    fn renamed(&mut self, instance: String) {
        self.own.push(instance);
        if self.own.len() > 2 {
            self.own.remove(0);
        }
    }
}

/// Sixteen random hex digits.
fn random_name(random: &mut StdRng) -> String {
    hex(&random.random::<[u8; 8]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discovery_uses_no_address_that_cannot_be_dialled() {
        let uses = |chosen: &Interfaces, ip: &str| {
            let ip = ip.parse().expect("an address");
            is_used(chosen, "lan", ip)
        };
        let only = |name: &str| Interfaces::Only(vec![name.to_owned()]);
        for chosen in [Interfaces::All, only("lan")] {
            assert!(uses(&chosen, "10.71.1.11"));
            assert!(uses(&chosen, "fd12::11"));
            assert!(!uses(&chosen, "fe80::11"));
        }
        assert!(!uses(&Interfaces::All, "127.0.0.1"));
        assert!(uses(&only("lan"), "127.0.0.1"), "where a test wants it");
        assert!(!uses(&only("vpn"), "10.71.1.11"));
        assert!(!uses(&Interfaces::Off, "10.71.1.11"));
    }
}
