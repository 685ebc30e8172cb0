//! Listening to what is announced on the LAN, by whomever: for whoever looks for the cause of a trouble.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use mdns_sd::ServiceEvent;
use tokio::time::{Instant, timeout_at};

use super::super::limits::HINTS_MAX;
use super::advert::{self, Found};
use super::{Daemon, DiscoveryError, Settings, daemon};

/// The addresses of every announcement of a member of any clinic, this machine's included.
///
/// Returns after `patience`, or as soon as `enough` says so of what was heard.
pub async fn look_around(
    settings: &Settings,
    patience: Duration,
    enough: impl Fn(&[Vec<SocketAddr>]) -> bool,
) -> Result<Vec<Vec<SocketAddr>>, DiscoveryError> {
    let daemon = Daemon(daemon(settings, |_| true)?);
    let events = daemon.0.browse(advert::SERVICE)?;
    let until = Instant::now() + patience;
    let mut heard = BTreeMap::new();
    while let Ok(Ok(event)) = timeout_at(until, events.recv_async()).await {
        let ServiceEvent::ServiceResolved(service) = event else {
            continue;
        };
        let Some(found) = Found::read(&service).filter(Found::is_node) else {
            continue;
        };
        if heard.len() < HINTS_MAX || heard.contains_key(&found.instance) {
            heard.insert(found.instance, found.addresses);
        }
        let addresses: Vec<_> = heard.values().cloned().collect();
        if enough(&addresses) {
            break;
        }
    }
    Ok(heard.into_values().collect())
}
