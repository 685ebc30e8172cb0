//! The announcement of an open invitation, and how a machine that wants to enrol finds it.

use std::net::SocketAddr;
use std::time::Duration;

use mdns_sd::ServiceEvent;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::time::{Instant, timeout_at};

use super::advert::{self, Advert, Found};
use super::{Daemon, DiscoveryError, SETTLE, Settings, daemon};

/// An announcement of an open invitation, withdrawn when dropped.
#[must_use = "the announcement is withdrawn when this is dropped"]
pub struct Advertisement {
    daemon: Daemon,
    fullname: String,
}

impl Drop for Advertisement {
    fn drop(&mut self) {
        // It fails only if the daemon has gone already.
        let _status = self.daemon.0.unregister(&self.fullname);
    }
}

/// Announces that a machine with the invitation of this tag is awaited on `port`. `seed` is random.
pub fn advertise_enrolment(
    settings: &Settings,
    seed: [u8; 32],
    tag: [u8; 8],
    port: u16,
) -> Result<Advertisement, DiscoveryError> {
    let daemon = Daemon(daemon(settings, |_| true)?);
    let advert = Advert::of_enrolment(tag, port, &mut StdRng::from_seed(seed));
    if let Some(info) = advert.info()? {
        daemon.0.register(info)?;
    }
    Ok(Advertisement {
        daemon,
        fullname: advert.fullname(),
    })
}

/// Looks for whoever awaits a machine with the invitation of this tag, for at most `patience`.
///
/// Returns as soon as an announcement has settled; nothing if there was none.
pub async fn find_enrolment(
    settings: &Settings,
    tag: [u8; 8],
    patience: Duration,
) -> Result<Vec<SocketAddr>, DiscoveryError> {
    let daemon = Daemon(daemon(settings, |_| true)?);
    let mut events = daemon.0.browse(advert::SERVICE)?;
    let mut until = Instant::now() + patience;
    let mut addresses = Vec::new();
    loop {
        match timeout_at(until, events.recv_async()).await {
            Err(_elapsed) => return Ok(addresses),
            Ok(Err(_)) => {
                tokio::time::sleep(SETTLE).await;
                events = daemon.0.browse(advert::SERVICE)?;
            }
            Ok(Ok(ServiceEvent::ServiceResolved(service))) => {
                let Some(found) = Found::read(&service).filter(|f| f.is_enrolment(tag)) else {
                    continue;
                };
                addresses = found.addresses;
                until = until.min(Instant::now() + SETTLE);
            }
            Ok(Ok(_)) => {}
        }
    }
}
